"""Do models share their weak classes? Overlap of worst-q sets, what shared items alone produce, and disjoint halves.

Accuracies on n items are multiples of 1/n, so many classes lie exactly on the cut. Everything here shares that cut
fairly; only the functions called `as_coded` break ties by index, as the paper's scripts do.
"""

from typing import NamedTuple

import numpy as np
from scipy.stats import fisher_exact

from .agreement import raw_r, u_moments
from .split import class_counts, class_sizes, class_weights, half_accuracies


class ShamFloor(NamedTuple):
    """What common items alone produce. (models, models): means over deals; (R,): one value a deal.

    NaN: `pair_*` of one model, `raw_r` of accuracies that are all equal in a deal, the covariances without two classes
    of two items.
    """

    overlap: np.ndarray  # (models, models) expected overlap of the worst q
    raw_r: np.ndarray  # (models, models)
    covariance: np.ndarray  # (models, models) corrected; 0 up to chance
    pair_overlap: np.ndarray  # (R,) mean over pairs: its quantiles are the floor's
    pair_covariance: np.ndarray  # (R,) mean over pairs
    weak_in_half: np.ndarray  # (R,) classes weak in at least 50 % of the models
    weak_in_most: np.ndarray  # (R,) classes weak in at least 90 %


class HalfOverlap(NamedTuple):
    """Overlaps of worst-q sets on half the items. Never compare them with an overlap on all items."""

    same: np.ndarray  # (models, models) both sets from one half: shared items count
    cross: np.ndarray  # (models, models) sets from disjoint halves
    ceiling: np.ndarray  # (models,) a model with itself across halves
    ratio: np.ndarray  # (models, models) cross over the root of the two ceilings; 1 = the same weak classes


class OverlapDraws(NamedTuple):
    """Bootstrap draws (draws,) of means over the pairs of a group of models.

    NaN: no pair in the group; in `ratio` also a draw in which a model does not meet itself across halves.
    """

    ratio: np.ndarray
    cross: np.ndarray


class CoreReread(NamedTuple):
    """Classes weak in many models on one half, read again on the other. Means over splits and directions.

    NaN in all but `size` if no split has a core.
    """

    size: float  # classes in the core
    share_again: float  # of the models, how many have a core class in their worst q on the other half
    core_again: float  # of the core, how much is core again
    accuracy_chosen: float  # mean accuracy of the core on the half that chose it: too low
    accuracy_read: float  # the same on the other half


def weak_membership(accuracy, q: int) -> np.ndarray:
    """How far each class belongs to the q of lowest accuracy: 1 below the cut, 0 above, a fair share of a tie on it.

    accuracy : (..., classes), NaN for an absent class (membership 0). Returns the same shape; the last axis has sum q.
    The share is the chance of being picked when ties are broken at random.
    Raises ValueError if a row has fewer than q classes.

    >>> weak_membership([0.4, 0.2, 0.4, 0.6], 2).tolist()
    [0.5, 1.0, 0.5, 0.0]
    """
    accuracy = np.asarray(accuracy, float)
    present = np.isfinite(accuracy).sum(axis=-1).min(initial=accuracy.shape[-1])
    if not 1 <= q <= present:
        raise ValueError(f"q is {q}; expected 1 to {present}, the classes with items")
    cut = np.partition(accuracy, q - 1, axis=-1)[..., q - 1, None]
    below, tied = accuracy < cut, accuracy == cut
    share = (q - below.sum(axis=-1, keepdims=True)) / tied.sum(axis=-1, keepdims=True)
    return below + tied * share


def drawn_membership(accuracy, q: int, weights) -> tuple[np.ndarray, np.ndarray]:
    """`weak_membership` of one model in many bootstrap draws, for the classes that can be weak in any.

    accuracy : (classes,), no NaN; weights : (classes, draws), how often a class is drawn, at least q in each draw.
    Returns the classes (m,) and the membership (m, draws) of each copy: per draw, weights times membership has sum q.
    The membership of a class that is not drawn means nothing.

    >>> weights = np.array([[1, 3], [1, 0], [1, 0]])
    >>> classes, member = drawn_membership(np.array([0.4, 0.2, 0.6]), 2, weights)
    >>> classes.tolist(), (weights[classes] * member).tolist()  # second draw: three copies of class 0 for two places
    ([1, 0], [[1.0, 0.0], [1.0, 2.0]])
    """
    order = np.argsort(accuracy, kind="stable")
    ranked = accuracy[order]
    # The lowest q + 8 sqrt(q) + 10 classes hold q draws in practice; where they do not, look further.
    reach = int(q + 8 * np.sqrt(q) + 10)
    while True:
        end = np.searchsorted(ranked, ranked[:reach][-1], side="right")
        start = np.flatnonzero(np.diff(ranked[:end], prepend=-np.inf))  # first class of each tie
        drawn = np.add.reduceat(weights[order[:end]], start, axis=0)
        upto = np.cumsum(drawn, axis=0)
        if end == ranked.size or upto[-1].min() >= q:
            break
        reach *= 2
    share = np.clip((q - (upto - drawn)) / np.maximum(drawn, 1), 0, 1)
    size = np.diff(start, append=end) * share.any(axis=1)  # of the ties that are weak in some draw: the lowest ones
    return order[: size.sum()], np.repeat(share, size, axis=0)


def weak_set(accuracy, q: int, rng) -> np.ndarray:
    """The q classes of lowest accuracy (classes,), ties broken at random: sorted indices, (q,).

    >>> weak_set([0.9, 0.2, 0.4], 2, np.random.default_rng(0)).tolist()
    [1, 2]
    """
    member = weak_membership(accuracy, q)
    order = np.lexsort((rng.random(member.size), np.asarray(accuracy, float)))  # NaN comes last
    return np.sort(order[:q])


def overlap_bounds(accuracy, other, q: int) -> tuple[int, int]:
    """Smallest and largest overlap of two worst-q sets, (classes,) each, over all ways to break ties.

    >>> overlap_bounds([0.2, 0.4, 0.4, 0.6], [0.2, 0.4, 0.6, 0.4], 2)
    (1, 2)
    """
    m1, m2 = weak_membership(accuracy, q), weak_membership(other, q)
    if m1.shape != m2.shape or m1.ndim != 1:
        raise ValueError(f"accuracies of shape {m1.shape} and {m2.shape}; expected two vectors over the same classes")
    # A class wholly in (share 1) is no choice even where it lies on the cut.
    sure1, sure2, tied1, tied2 = m1 == 1, m2 == 1, (m1 > 0) & (m1 < 1), (m2 > 0) & (m2 < 1)
    places1, places2 = q - sure1.sum(), q - sure2.sum()
    both = (tied1 & tied2).sum()
    # Most: take what the other has for certain first, then meet in the classes tied in both.
    hit1, hit2 = min(places1, (tied1 & sure2).sum()), min(places2, (tied2 & sure1).sum())
    most = hit1 + hit2 + min(places1 - hit1, places2 - hit2, both)
    # Least: take what the other cannot have first; the classes tied in both can be shared out without meeting.
    forced1 = max(places1 - (tied1 & ~sure2 & ~tied2).sum(), 0)
    forced2 = max(places2 - (tied2 & ~sure1 & ~tied1).sum(), 0)
    least = max(forced1 + forced2 - both, 0)
    sure = (sure1 & sure2).sum()
    return int(sure + least), int(sure + most)


def expected_overlap(membership, other=None) -> np.ndarray:
    """Mean overlap over independent random tie-breaks, all pairs: (models, classes) twice gives (models, models).

    `other` defaults to `membership`. The diagonal then is a model against itself with ties broken anew, at most q.

    >>> a, b = weak_membership([[0.2, 0.4, 0.4, 0.6], [0.2, 0.4, 0.6, 0.4]], 2)
    >>> float(expected_overlap(a, b))
    1.25
    """
    return membership @ (membership if other is None else other).T


def pair_mean(matrix, models=None) -> np.ndarray:
    """Mean over the pairs i < j of `models` (default all) of (..., models, models); NaN for fewer than two models.

    >>> float(pair_mean(np.array([[9, 1, 2], [1, 9, 3], [2, 3, 9]])))
    2.0
    """
    models = np.arange(matrix.shape[-1]) if models is None else np.asarray(models)
    i, j = np.triu_indices(models.size, 1)
    pairs = matrix[..., models[i], models[j]]
    return pairs.mean(axis=-1) if i.size else np.full(pairs.shape[:-1], np.nan)


def worst_set_as_coded(accuracy, n: int, which: str = "worst") -> np.ndarray:
    """The first, last or central n positions of argsort, as the paper's scripts take them: (n,) indices.

    The scripts use numpy's default sort, whose order of ties differs between versions; here the sort is stable, so ties
    go by index. "center" is the slice C//2 - n//2 to C//2 + n//2: one class short for odd n.
    Raises ValueError for another `which` or n outside 1 to classes.

    >>> [worst_set_as_coded([0.5, 0.1, 0.5, 0.9], 2, which).tolist() for which in ("worst", "center", "best")]
    [[1, 0], [0, 2], [2, 3]]
    """
    order = np.argsort(accuracy, kind="stable")
    middle = order.size // 2
    slices = {
        "worst": slice(n),
        "center": slice(middle - n // 2, middle + n // 2),
        "best": slice(order.size - n, None),
    }
    if which not in slices or not 1 <= n <= order.size:
        raise ValueError(f"n is {n}, which {which!r}; expected n from 1 to {order.size}, which from {sorted(slices)}")
    return order[slices[which]]


def fisher_as_coded(*, overlap: int, n: int, classes: int) -> float:
    """Two-sided Fisher p of an overlap of two sets of n classes, as the paper's scripts compute it.

    It tests that two sets are unrelated, which shared items alone refute: report it, never conclude from it.
    Raises ValueError if two sets of n classes out of `classes` cannot have that overlap.

    >>> f"{fisher_as_coded(overlap=5, n=5, classes=20):.2e}"
    '6.45e-05'
    """
    table = [[overlap, n - overlap], [n - overlap, classes - 2 * n + overlap]]
    if min(map(min, table)) < 0:
        raise ValueError(f"two sets of {n} of {classes} classes cannot have {overlap} in common")
    return float(fisher_exact(table)[1])


def sham_floor(right, class_id, n_classes: int, *, q: int, rng, R: int = 20) -> ShamFloor:
    """Deal all items at random into classes of the same sizes and measure again, R times: the floor of every overlap.

    Sham classes have no difficulty, yet the models still share their items. What overlap, raw correlation and counts of
    commonly weak classes remain is due to those items alone. right : (models, items) bool; class_id : (items,).

    >>> right = np.random.default_rng(0).random((2, 40)) < 0.5
    >>> sham_floor(right, np.repeat(np.arange(4), 10), 4, q=2, rng=np.random.default_rng(0), R=3).pair_overlap.shape
    (3,)
    """
    _some_model(right)
    overlaps, shares, moments = [], [], []
    for _ in range(R):
        dealt = rng.permutation(class_id)
        member = weak_membership(_accuracies(right, dealt, n_classes), q)
        overlaps.append(expected_overlap(member))
        shares.append(sharing(member) / len(right))
        moments.append(u_moments(right, dealt, n_classes))
    overlaps, shares, true = np.array(overlaps), np.array(shares), np.array([m.true for m in moments])
    return ShamFloor(
        overlap=overlaps.mean(axis=0),
        raw_r=np.mean([raw_r(m) for m in moments], axis=0),
        covariance=true.mean(axis=0),
        pair_overlap=pair_mean(overlaps),
        pair_covariance=pair_mean(true),
        weak_in_half=(shares >= 0.5).sum(axis=1),
        weak_in_most=(shares >= 0.9).sum(axis=1),
    )


def half_overlap(right, class_id, n_classes: int, *, q: int, rng, R: int = 40) -> HalfOverlap:
    """Overlap of worst-q sets taken from disjoint halves of the items, averaged over R splits shared by all models.

    Across halves no item is shared: nothing but common weak classes lifts `cross` above its chance level q^2/classes.
    `ceiling` is what a model reaches with itself; `ratio` may pass 1 by noise and is NaN where a ceiling is 0.

    >>> right = np.repeat([[True, False, True, False]] * 2, 6, axis=1)
    >>> h = half_overlap(right, np.repeat(np.arange(4), 6), 4, q=2, rng=np.random.default_rng(0), R=2)
    >>> h.cross.tolist(), h.ratio[0, 1].round(6)
    ([[2.0, 2.0], [2.0, 2.0]], np.float64(1.0))
    """
    same = cross = 0
    for halves in half_accuracies(right, class_id, n_classes, rng=rng, R=R):
        a, b = (weak_membership(half, q) for half in halves)
        same = same + (a @ a.T + b @ b.T) / 2 / R
        cross = cross + (a @ b.T + b @ a.T) / 2 / R
    ceiling = np.diag(cross)
    return HalfOverlap(same, cross, ceiling, _ratio(cross))


def bootstrap_half_overlap(
    right, class_id, n_classes: int, *, q: int, rng, draws: int = 100, R: int = 40, groups=None
) -> dict[str, OverlapDraws]:
    """Class bootstrap of `half_overlap` on fixed halves: split first, then draw classes, the same for all models.

    groups : name -> indices of models; default {"all": every model}. Returns for each the draws of the means over its
    pairs of `ratio` and `cross`. They hold for fresh classes (G). Classes with fewer than two items are left out.

    >>> right = np.random.default_rng(0).random((2, 40)) < np.repeat([0.1, 0.3, 0.6, 0.9], 10)
    >>> rng = np.random.default_rng(0)
    >>> draws = bootstrap_half_overlap(right, np.repeat(np.arange(4), 10), 4, q=2, rng=rng, draws=5, R=2)
    >>> draws["all"].cross.shape
    (5,)
    """
    groups = {"all": np.arange(len(right))} if groups is None else groups
    use = class_sizes(right, class_id, n_classes) > 1
    if not 1 <= q <= use.sum():
        raise ValueError(f"q is {q}; expected 1 to {use.sum()}, the classes with two items or more")
    weights = class_weights(use.sum(), draws=draws, rng=rng).astype(np.float32)
    cross = np.zeros((draws, len(right), len(right)))
    for halves in half_accuracies(right, class_id, n_classes, rng=rng, R=R):
        for start in range(0, draws, 100):  # bounds the (draws, models, classes) arrays
            part = slice(start, start + 100)
            cross[part] += _drawn_overlap(*(half[:, use] for half in halves), q, weights[part])
    cross = (cross + cross.transpose(0, 2, 1)) / 2 / R
    ratio = _ratio(cross)
    return {name: OverlapDraws(pair_mean(ratio, models), pair_mean(cross, models)) for name, models in groups.items()}


def sharing(membership) -> np.ndarray:
    """Expected number of models that have each class among their weak ones: (..., models, classes) to (..., classes).

    >>> sharing(weak_membership([[0.1, 0.5, 0.5], [0.1, 0.2, 0.9]], 2)).tolist()
    [2.0, 1.5, 0.5]
    """
    return membership.sum(axis=-2)


def permuted_sharing(membership, group_of_class, *, rng, R: int = 20) -> np.ndarray:
    """`sharing` (R, classes) after permuting classes within their group (superclass), separately for every model.

    group_of_class : (classes,). Each model keeps how many weak classes a group has, not which.

    >>> permuted_sharing(np.array([[1.0, 0, 0], [1.0, 0, 0]]), [0, 1, 1], rng=np.random.default_rng(0), R=1).tolist()
    [[2.0, 0.0, 0.0]]
    """
    group = np.unique(group_of_class, return_inverse=True)[1]
    if group.shape != membership.shape[1:]:
        raise ValueError(f"group_of_class has shape {group.shape}; expected {membership.shape[1:]}")
    place = np.argsort(group, kind="stable")
    result = np.empty((R, group.size))
    for r in range(R):
        order = np.argsort(group + rng.random(membership.shape), axis=1)  # by group, at random within it
        result[r, place] = sharing(np.take_along_axis(membership, order, axis=1))
    return result


def cross_half_sharing(
    right, class_id, n_classes: int, *, q: int, rng, R: int = 40, min_share: float = 0.5
) -> CoreReread:
    """Choose on one half the classes weak in at least `min_share` of the models (the core); read them on the other.

    Averaging many models does not cure the selection: they share the items that made the class look weak.

    >>> right = np.repeat([[True, False, True, False]] * 2, 6, axis=1)
    >>> cross_half_sharing(right, np.repeat(np.arange(4), 6), 4, q=2, rng=np.random.default_rng(0), R=1)
    CoreReread(size=2.0, share_again=1.0, core_again=1.0, accuracy_chosen=0.0, accuracy_read=0.0)
    """
    _some_model(right)
    rows = []
    for a, b in half_accuracies(right, class_id, n_classes, rng=rng, R=R):
        for chosen, read in ((a, b), (b, a)):
            core = sharing(weak_membership(chosen, q)) >= min_share * len(right)
            if core.any():
                again = sharing(weak_membership(read, q))[core] / len(right)
                rows.append(
                    (
                        core.sum(),
                        again.mean(),
                        (again >= min_share).mean(),
                        chosen[:, core].mean(),
                        read[:, core].mean(),
                    )
                )
            else:  # nothing to read; the mean over splits below leaves it out of all but the size
                rows.append((0, *[np.nan] * 4))
    rows = np.array(rows)
    read = rows[rows[:, 0] > 0]
    rest = read[:, 1:].mean(axis=0) if len(read) else np.full(4, np.nan)
    return CoreReread(*map(float, (rows[:, 0].mean(), *rest)))


def _some_model(right):
    if not len(right):
        raise ValueError(f"right has shape {right.shape}; expected one model or more")


def _accuracies(right, class_id, n_classes):
    k, n = class_counts(right, class_id, n_classes)
    return k / np.where(n > 0, n, np.nan)


def _ratio(cross):
    """Overlap over the geometric mean of the two ceilings on its diagonal; NaN where one of them is 0."""
    ceiling = np.sqrt(np.diagonal(cross, axis1=-2, axis2=-1))
    ceiling = np.where(ceiling > 0, ceiling, np.nan)
    return cross / (ceiling[..., :, None] * ceiling[..., None, :])


def _drawn_overlap(first, second, q, weights):
    """Overlap (draws, models, models) of worst-q sets by two accuracies (models, classes); weights (draws, classes)."""
    by_class = np.ascontiguousarray(weights.T)
    sides = [[drawn_membership(row, q, by_class) for row in side] for side in (first, second)]
    # Only a class that is weak on both sides for some model counts; the last column takes the others.
    common = np.intersect1d(*(np.concatenate([classes for classes, _ in side]) for side in sides))
    column = np.full(weights.shape[1], common.size)
    column[common] = np.arange(common.size)
    member = np.zeros((2, len(weights), len(first), common.size + 1), np.float32)
    for side, dense in zip(sides, member, strict=True):
        for m, (classes, share) in enumerate(side):
            dense[:, m, column[classes]] = share.T
    a, b = member[..., :-1]
    return (a * weights[:, None, common]) @ b.transpose(0, 2, 1)
