"""The models are not a sample: how many they count for, family by family, and whether a file of answers is in order.

Networks trained on the same images are hardly more than one observation of that training set. Units of inference are
classes; models are described (range, within and between families, one family left out), never tested.
"""

from typing import NamedTuple

import numpy as np

from .overlap import pair_mean


class Families(NamedTuple):
    """What families of models do to a mean over pairs; `names` sorted. NaN where there is no pair."""

    names: tuple[str, ...]
    within: float  # mean over pairs of one family
    between: float  # mean over pairs of two families
    without: np.ndarray  # (families,) mean over the pairs that are left without the family


class Sanity(NamedTuple):
    """Agreement of each model with the model closest to it, (models,), on two sets; NaN for a model alone."""

    before: np.ndarray
    after: np.ndarray
    collapsed: np.ndarray  # bool


def effective_number(r) -> float:
    """How many unrelated models the models count for: (sum of eigenvalues)^2 / sum of squared eigenvalues of `r`.

    Parameters
    ----------
    r : (models, models) symmetric, corrected correlations of class accuracies (`agreement.corrected_r`)

    Returns
    -------
    From 1 (all correlations 1) to models (all 0); NaN if a correlation is NaN. Sampling error lets a corrected r pass
    1, and the number then fall a little below 1.

    Raises
    ------
    ValueError : not a symmetric square matrix of at least one model

    Notes
    -----
    The participation ratio. The sum of the eigenvalues is the trace, that of their squares the sum of squared entries.

    Examples
    --------
    >>> effective_number([[1, 0], [0, 1]]), effective_number([[1, 1], [1, 1]])
    (2.0, 1.0)
    """
    r = np.asarray(r, dtype=float)
    if r.ndim != 2 or not r.size or r.shape[0] != r.shape[1] or not np.allclose(r, r.T, equal_nan=True):
        raise ValueError(f"r has shape {r.shape}; expected a symmetric matrix (models, models)")
    return float(np.trace(r) ** 2 / (r**2).sum())


def leave_one_family_out(r, families) -> Families:
    """Means over pairs of models: within and between families, and with each family left out.

    r : (models, models) symmetric, any measure of a pair; families : (models,) names. Raises ValueError for other
    shapes.

    >>> found = leave_one_family_out([[1, 0.9, 0.5], [0.9, 1, 0.6], [0.5, 0.6, 1]], ["VGG", "VGG", "ResNet"])
    >>> found.names, found.within, found.between, found.without.tolist()
    (('ResNet', 'VGG'), 0.9, 0.55, [0.9, nan])
    """
    r = np.asarray(r, dtype=float)
    names, family = _families(families)
    if r.shape != (family.size, family.size):
        raise ValueError(f"r has shape {r.shape} with {family.size} families; expected one family for each model")
    i, j = np.triu_indices(family.size, 1)
    same, pairs = family[i] == family[j], r[i, j]
    within, between = (float(part.mean()) if part.size else np.nan for part in (pairs[same], pairs[~same]))
    without = [pair_mean(r, np.flatnonzero(family != number)) for number in range(len(names))]
    return Families(names, within, between, np.array(without, dtype=float))


def family_mean(values, families) -> np.ndarray:
    """Mean over models with one vote a family: the mean of the family means, (...) from `values` (models, ...).

    >>> family_mean([[0.5], [0.7], [0.9]], ["VGG", "VGG", "ResNet"]).round(3).tolist()  # (.6 + .9) / 2
    [0.75]
    """
    values = np.asarray(values, dtype=float)
    names, family = _families(families)
    if not family.size or values.shape[:1] != family.shape:
        raise ValueError(f"values has shape {values.shape} with {family.size} families; expected one for each model")
    return np.mean([values[family == number].mean(axis=0) for number in range(len(names))], axis=0)


def sanity_agreement(before, after, *, least: float = 0.5) -> Sanity:
    """Which models stop agreeing with every other from one set to the next, as a file in the wrong order does?

    A file whose items are in another order looks like a catastrophic shift: its class histogram is right, but its
    answers have nothing to do with those of any other model. Under a true shift models get worse together.

    Parameters
    ----------
    before, after : (models, items) predicted classes (integers), or right answers (bool), the same models on two sets
    least : float, share of its agreement that a sound model keeps

    Returns
    -------
    Sanity. Agreement is Cohen's kappa, chance being what the two histograms of answers give; of a model, the highest
    with any other on that set. `collapsed`: positive before, and below `least` times that after. Never for one model.
    Of two models the sound one collapses with the other.

    Raises
    ------
    ValueError : not integers or bool, not (models, items) with the same models, or a set without items

    Notes
    -----
    Cohen, Educational and Psychological Measurement 20 (1960). Time grows with models squared times items. Kappa is 0
    for a model that gives one answer throughout: chance explains it all.

    Examples
    --------
    The third model agrees with the others on the first set, and is out of order on the second.

    >>> before = np.tile(np.arange(8), (3, 1))
    >>> after = np.stack([before[0], before[0], np.roll(before[0], 1)])
    >>> sanity_agreement(before, after).collapsed.tolist()
    [False, False, True]
    """
    before, after = np.asarray(before), np.asarray(after)
    if before.ndim != 2 or after.ndim != 2 or len(before) != len(after):
        raise ValueError(f"shapes are {before.shape} and {after.shape}; expected (models, items) of the same models")
    closest = [_closest(answers) for answers in (before, after)]
    with np.errstate(invalid="ignore"):
        collapsed = (closest[0] > 0) & (closest[1] < least * closest[0])
    return Sanity(*closest, collapsed)


def _families(families):
    names, family = np.unique(np.asarray(families, dtype=str), return_inverse=True)
    if family.ndim != 1:
        raise ValueError(f"families has shape {family.shape}; expected a name for each model, (models,)")
    return tuple(names.tolist()), family


def _closest(answers):
    """Highest kappa of each model with another, (models,)."""
    if answers.dtype.kind not in "iub" or not answers.shape[1]:
        raise ValueError(f"answers are {answers.dtype} {answers.shape}; expected integers or bool for some items")
    models, items = answers.shape
    if models < 2:
        return np.full(models, np.nan)
    _, code = np.unique(answers, return_inverse=True)
    code = code.reshape(models, items).astype(np.int32)
    kinds = code.max() + 1
    share = np.bincount((code + kinds * np.arange(models)[:, None]).ravel(), minlength=models * kinds)
    share = share.reshape(models, kinds) / items
    chance = share @ share.T
    agree = np.array([(code == row).mean(axis=1) for row in code])
    kappa = np.divide(agree - chance, 1 - chance, out=np.zeros_like(chance), where=chance < 1 - 1e-12)
    np.fill_diagonal(kappa, -np.inf)
    return kappa.max(axis=1)
