"""Do models rank classes alike? Kendall's tau-b, Spearman's rho, rank-biased overlap and Jaccard, ties kept as ties.

None of these measures takes off what models share by answering the same items: read them on disjoint halves of the
items (`half_ranks`) and beside what a model reaches with itself there.

Throughout, `accuracy` and `other` are (models, classes) with no NaN, `other` by default `accuracy`; results are
(models, models), row i column j comparing accuracy[i] with other[j]. ValueError: other shapes, NaN, or fewer than two
classes. NaN comes back where all classes of a model are tied and a correlation does not exist.
"""

from typing import NamedTuple

import numpy as np
from scipy.stats import rankdata

from .split import class_sizes, half_accuracies


class Ranks(NamedTuple):
    """Agreement of rankings from disjoint halves of the items, (models, models); a model with itself on the diagonal.

    The diagonal is the ceiling: what noise leaves of a perfect agreement.
    """

    tau_b: np.ndarray
    spearman: np.ndarray
    rbo: np.ndarray


def jaccard(overlap, q: int) -> np.ndarray:
    """Jaccard index of two sets of q classes that have `overlap` in common: overlap / (2 q - overlap), 0 to 1.

    An average overlap gives a little less than the average index. Raises ValueError outside 0 to q.

    >>> jaccard([0, 25, 50], 50).round(3).tolist()
    [0.0, 0.333, 1.0]
    """
    overlap = np.asarray(overlap, dtype=float)
    # 1e-9: sums of shares of ties may come out a rounding error beyond the ends.
    if not q >= 1 or ((overlap < -1e-9) | (overlap > q + 1e-9)).any():
        raise ValueError(f"overlap runs from {overlap.min(initial=q)} to {overlap.max(initial=0)}; expected 0 to {q}")
    return overlap / (2 * q - overlap)


def tau_b(accuracy, other=None) -> np.ndarray:
    """Kendall's tau-b of all pairs of models: pairs of classes in the same order less those in the opposite one.

    Divided by the root of the numbers of pairs that either model does not tie. Kendall, Biometrika 33 (1945); equals
    `scipy.stats.kendalltau` pair by pair. Time grows with models squared times classes squared, as matrix products.

    >>> tau_b([[0.1, 0.2, 0.3]], [[0.1, 0.3, 0.2]]).round(3).tolist()  # two pairs alike, one opposite
    [[0.333]]
    """
    accuracy, other = _rankings(accuracy, other)
    classes = accuracy.shape[1]
    # Ranks instead of accuracies: whole numbers, which 32 bits hold and subtract exactly, ties included.
    sides = [rankdata(values, method="dense", axis=1).astype(np.float32) for values in (accuracy, other)]
    untied = [np.array([_untied_pairs(row) for row in values], dtype=float) for values in sides]
    step = max(1, 1_000_000 // (classes * max(len(accuracy), len(other), 1)))  # keeps the arrays of signs in the cache
    product = np.zeros((len(accuracy), len(other)))
    for start in range(0, classes, step):
        block = slice(start, start + step)
        # A block against itself and all later classes: inside the block every pair comes twice, hence the half.
        signs = [_signs(values[:, block], values[:, start:]) for values in sides]
        inner = [_signs(values[:, block], values[:, block]) for values in sides]
        product += signs[0] @ signs[1].T
        product -= inner[0] @ inner[1].T / 2
    scale = np.sqrt(untied[0][:, None] * untied[1])
    return product / np.where(scale > 0, scale, np.nan)


def spearman(accuracy, other=None) -> np.ndarray:
    """Spearman's rank correlation of all pairs of models, tied classes with their mean rank.

    >>> spearman([[0.1, 0.2, 0.3]], [[0.1, 0.3, 0.2]]).round(3).tolist()
    [[0.5]]
    """
    ranks = [rankdata(values, axis=1) for values in _rankings(accuracy, other)]
    centred = [rank - rank.mean(axis=1, keepdims=True) for rank in ranks]
    scale = [np.sqrt((rank**2).sum(axis=1)) for rank in centred]
    return centred[0] @ centred[1].T / np.where((size := scale[0][:, None] * scale[1]) > 0, size, np.nan)


def rbo(accuracy, other=None, *, p: float = 0.98) -> np.ndarray:
    """Rank-biased overlap of all pairs of models, from the weakest class upwards: 0 to 1.

    (1 - p) sum_d p^(d-1) A_d over the depths d = 1 to classes, plus p^classes (deeper, the same classes are in both).
    A_d = 2 |S and T| / (|S| + |T|), where S and T hold the classes whose rank is at most d. Classes of equal accuracy
    form a group at the first rank of the group, and come in together.

    Parameters
    ----------
    accuracy, other : see the module
    p : float in (0, 1), the chance of looking one place further; the first 1 / (1 - p) places, 50 for .98, count most

    Notes
    -----
    Webber, Moffat & Zobel, ACM TOIS 28 (2010); the variant that Corsi & Urbano, SIGIR 2024, call RBO^w.

    Examples
    --------
    Same weakest class, the other two swapped: A = 1, 1/2, 1, 1, ...

    >>> rbo([[0.1, 0.2, 0.3]], [[0.1, 0.3, 0.2]], p=0.5).tolist()  # 1 - .5 (1 - p) p
    [[0.875]]
    """
    accuracy, other = _rankings(accuracy, other)
    if not 0 < p < 1:
        raise ValueError(f"p is {p}; expected between 0 and 1, both excluded")
    classes = accuracy.shape[1]
    place = [rankdata(values, method="min", axis=1).astype(np.int64) for values in (accuracy, other)]
    size = [_reached(ranks, classes) for ranks in place]
    weight = (1 - p) * p ** np.arange(classes)
    result = np.empty((len(accuracy), len(other)))
    for i, ranks in enumerate(place[0]):
        both = _reached(np.maximum(ranks, place[1]), classes)
        result[i] = 2 * both / (size[0][i] + size[1]) @ weight
    return result + p**classes


def half_ranks(right, class_id, n_classes: int, *, rng, R: int = 10, p: float = 0.98) -> Ranks:
    """Agreement of the rankings by disjoint halves of the items, mean over R splits shared by all models.

    Parameters
    ----------
    right : (models, items) bool, or float, the share of a model's runs that are right
    class_id : (items,) int, 0 to n_classes - 1; classes with fewer than two items are left out
    n_classes : int
    rng : numpy Generator
    R : int of at least 1
    p : as `rbo`

    Returns
    -------
    Ranks; symmetric

    Raises
    ------
    ValueError : other shapes, R below 1, or fewer than two classes with two items

    Examples
    --------
    Two models without noise: four classes always right or always wrong.

    >>> right = np.repeat([[True, False, True, False]] * 2, 6, axis=1)
    >>> half_ranks(right, np.repeat(np.arange(4), 6), 4, rng=np.random.default_rng(0), R=2).tau_b.round(3).tolist()
    [[1.0, 1.0], [1.0, 1.0]]
    """
    use = class_sizes(right, class_id, n_classes) > 1
    if use.sum() < 2 or R < 1:
        raise ValueError(f"{use.sum()} classes of two items or more, R is {R}; expected at least 2 and at least 1")
    total = np.zeros((3, len(right), len(right)))
    for halves in half_accuracies(right, class_id, n_classes, rng=rng, R=R):
        a, b = (half[:, use] for half in halves)
        total += [tau_b(a, b), spearman(a, b), rbo(a, b, p=p)]
    return Ranks(*((total + total.transpose(0, 2, 1)) / (2 * R)))


def _signs(first, second):
    """Order of every class of `first` and every class of `second`, -1, 0 or 1: (models, pairs)."""
    order = second[:, None, :] - first[:, :, None]
    return np.sign(order, out=order).reshape(len(order), -1)


def _untied_pairs(ranks):
    size = np.unique(ranks, return_counts=True)[1]
    return (ranks.size * (ranks.size - 1) - (size * (size - 1)).sum()) // 2


def _reached(ranks, classes):
    """Classes of rank 1, at most 2, ..., at most `classes`: (models, classes) from ranks (models, classes)."""
    code = ranks - 1 + classes * np.arange(len(ranks))[:, None]
    return np.bincount(code.ravel(), minlength=ranks.size).reshape(ranks.shape).cumsum(axis=1)


def _rankings(accuracy, other):
    accuracy = np.asarray(accuracy, dtype=float)
    other = accuracy if other is None else np.asarray(other, dtype=float)
    if accuracy.ndim != 2 or other.ndim != 2 or accuracy.shape[1] != other.shape[1] or accuracy.shape[1] < 2:
        raise ValueError(
            f"shapes are {accuracy.shape} and {other.shape}; expected (models, classes), 2 classes or more"
        )
    if np.isnan(accuracy).any() or np.isnan(other).any():
        raise ValueError("an accuracy is NaN; expected classes with items only")
    return accuracy, other
