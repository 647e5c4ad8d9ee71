"""Two models, class by class, on the same items; and whether a class measure ranks many models as accuracy does.

Models that answer the same items must never be compared as if their errors were independent. For two models only the
items count on which they differ: `b` = items of a class that A alone gets right, `c` = that B alone gets right. With
few such items a class cannot show a difference at all: "not significant" in single classes means nothing, and how much
the true rates differ over classes is a better question (`true_sd_difference`).
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from scipy.special import bdtr, ndtri
from scipy.stats import false_discovery_control

from .accuracy import checked_counts
from .split import answers_of, class_counts, class_sizes


class ClassMcNemar(NamedTuple):
    """Exact McNemar test of every class, (classes,): discordant items, p-value, p-value after Benjamini-Hochberg."""

    b: np.ndarray
    c: np.ndarray
    p_value: np.ndarray
    adjusted: np.ndarray


class RankFlips(NamedTuple):
    """Every pair of models, (pairs,): do overall accuracy and a class measure order it alike?

    `first`, `second` positions of the models; `overall`, `measure` differences first less second, with standard errors
    for fresh items of these classes (C) in `overall_se`, `measure_se`.
    """

    first: np.ndarray
    second: np.ndarray
    overall: np.ndarray
    overall_se: np.ndarray
    measure: np.ndarray
    measure_se: np.ndarray
    flips: np.ndarray  # bool: the two differences have opposite signs
    undecided_overall: np.ndarray  # bool: a difference within noise
    undecided_measure: np.ndarray

    @property
    def beyond(self) -> np.ndarray:
        """Pairs that flip with both differences beyond noise, bool (pairs,)."""
        return self.flips & ~self.undecided_overall & ~self.undecided_measure


def mcnemar_exact(b, c) -> np.ndarray:
    """Exact p-value of "A and B are equally often the only one right": 2 P(Bin(b + c, 1/2) <= min(b, c)), at most 1.

    `b`, `c` integer counts of shapes that broadcast; 1 where both are 0. Adjust over classes:
    scipy.stats.false_discovery_control. Raises ValueError: not integers, or below 0. McNemar, Psychometrika 12 (1947).

    >>> mcnemar_exact([1, 0, 3], [8, 0, 3]).tolist()
    [0.0390625, 1.0, 1.0]
    """
    b, c = np.asarray(b), np.asarray(c)
    fewer, total = checked_counts(np.minimum(b, c), b + c, names=("the smaller of b and c", "b + c"))
    return np.minimum(2 * bdtr(fewer.astype(float), total, 0.5), 1)


def per_class_mcnemar(*, right_a, right_b, class_id, n_classes: int) -> ClassMcNemar:
    """`mcnemar_exact` of two models in every class, adjusted over all classes with items.

    Parameters
    ----------
    right_a, right_b : (items,) bool, is the model right on the item
    class_id : (items,) int, 0 to n_classes - 1
    n_classes : int

    Returns
    -------
    ClassMcNemar; a class without items has p-values of 1 and is not adjusted for

    Raises
    ------
    ValueError : shapes or dtypes other than these

    Notes
    -----
    Benjamini & Hochberg, JRSSB 57 (1995); classes have disjoint items. Exact p-values are discrete, which makes the
    list conservative: with 50 items and 1000 classes 16 items or so, all one way, are the least that can be named.

    Examples
    --------
    A alone is right on 1 item, B alone on 8, both on 1.

    >>> t = per_class_mcnemar(
    ...     right_a=np.array([True, True] + [False] * 8), right_b=np.array([True, False] + [True] * 8),
    ...     class_id=np.zeros(10, int), n_classes=1)
    >>> t.b.tolist(), t.c.tolist(), t.p_value.tolist()
    ([1], [8], [0.0390625])
    """
    right = _two(right_a, right_b)
    n = class_sizes(right, class_id, n_classes)
    (b, c), _ = class_counts(np.stack([right[0] & ~right[1], right[1] & ~right[0]]), class_id, n_classes)
    p = mcnemar_exact(b, c)
    adjusted = np.ones(n.size)
    if n.any():
        adjusted[n > 0] = false_discovery_control(p[n > 0])
    return ClassMcNemar(b, c, p, adjusted)


def true_sd_difference(b, c, n) -> np.ndarray:
    """Standard deviation over classes of the true difference in accuracy between two models, item noise taken off.

    sqrt(var(d) - mean(((b + c) / n - d^2) / (n - 1))) with d = (b - c) / n.

    Parameters
    ----------
    b, c : (..., classes) integer counts, items that A alone and that B alone gets right
    n : (classes,) or int, items of the classes; classes with fewer than two are left out

    Returns
    -------
    (...) fractions; NaN where noise exceeds the variance, so that no true difference between classes is seen

    Raises
    ------
    ValueError : not integers, below 0, b + c > n, or fewer than two classes with two items

    Examples
    --------
    Ten items a class. d = .2, 0, -.2: variance .04; the noise of a class is (.2 - .04) / 9, 0, (.2 - .04) / 9.

    >>> round(float(true_sd_difference([2, 0, 0], [0, 0, 2], 10)), 4)  # root of .04 - .0119
    0.1678
    """
    b, c = np.asarray(b), np.asarray(c)
    checked_counts(np.minimum(b, c), b + c, names=("the smaller of b and c", "b + c"))
    both, n = checked_counts(b + c, n, names=("b + c", "n"))
    n = np.atleast_1d(n)
    use = (n > 1).reshape(-1, n.shape[-1]).all(axis=0)
    if use.sum() < 2:
        raise ValueError(f"{use.sum()} classes have two items or more; expected at least 2")
    n, both, d = n[..., use], both[..., use], ((b - c) / np.maximum(n, 1))[..., use]
    true = d.var(axis=-1, ddof=1) - ((both / n - d**2) / (n - 1)).mean(axis=-1)
    return np.sqrt(np.where(true < 0, np.nan, true))


def item_bootstrap(right, class_id, n_classes: int, *, draws: int, rng, step: int = 50) -> Iterator[np.ndarray]:
    """Yield right answers (up to `step` draws, models, classes) when items are drawn anew within every class.

    All models get the same items, so what they share stays shared. Read standard errors of differences from the draws,
    never the level of a minimum or of a worst-q mean: resampling adds the noise a second time.

    >>> right = np.array([[True, True, False], [True, True, False]])
    >>> draws = list(item_bootstrap(right, np.array([0, 0, 1]), 2, draws=3, rng=np.random.default_rng(0), step=2))
    >>> [k.tolist() for k in draws]
    [[[[2, 0], [2, 0]], [[2, 0], [2, 0]]], [[[2, 0], [2, 0]]]]
    """
    n = class_sizes(right, class_id, n_classes)
    order = np.argsort(class_id, kind="stable")
    answers = np.ascontiguousarray(answers_of(right).T[order])
    ends = np.cumsum(n)
    first, size = (ends - n)[class_id[order]], n[class_id[order]]
    whole = right.dtype == bool
    for start in range(0, draws, step):
        many = min(step, draws - start)
        # One row of places a draw; a place of the row before would belong to another draw.
        place = first + rng.integers(size, size=(many, size.size)) + size.size * np.arange(many)[:, None]
        weights = np.bincount(place.ravel(), minlength=place.size).reshape(many, -1).astype(answers.dtype)
        k = np.zeros((n.size, many, len(right)), answers.dtype)
        for c in np.flatnonzero(n):
            items = slice(ends[c] - n[c], ends[c])
            np.matmul(weights[:, items], answers[items], out=k[c])
        k = k.transpose(1, 2, 0)
        yield k.astype(np.int64) if whole else k


def rank_flips(
    right, class_id, n_classes: int, measure: Callable, *, rng, B: int = 400, level: float = 0.95
) -> RankFlips:
    """Which pairs of models change places between overall accuracy and a class measure, and which do so beyond noise?

    Parameters
    ----------
    right : (models, items) bool, or float, the share of a model's runs that are right
    class_id : (items,) int, 0 to n_classes - 1
    n_classes : int
    measure : function of class accuracies (..., classes), NaN-free, that returns (...); for example
        `lambda p: tail_functionals(p, 50)[..., 0]`. Classes without items are left out before.
    rng : numpy Generator
    B : int of at least 2, draws of items within classes, the same for all models
    level : float in (0, 1)

    Returns
    -------
    RankFlips, the pairs i < j in the order of `numpy.triu_indices(models, 1)`; none for one model

    Raises
    ------
    ValueError : shapes or dtypes other than these, B below 2, level outside (0, 1), or no item at all

    Notes
    -----
    A difference is within noise if it is at most z standard errors of the bootstrap. Quantiles of the draws are not
    used: those of an extreme are biased (see `item_bootstrap`), its spread is less so. Both are of the measure as read
    off the items: a bias that two models share cancels in their difference, as it about does for a worst-q mean; that
    of a minimum or a low quantile does not, and pairs "beyond noise" by those may be equal. The standard errors are
    not those of a cross-fitted estimate, which are larger.

    Examples
    --------
    Model 0 is right on all of class 0 and nothing of class 1; model 1 on a quarter of both.

    >>> right = np.array([[True] * 4 + [False] * 4, [True, False, False, False] * 2])
    >>> flips = rank_flips(right, np.repeat([0, 1], 4), 2, lambda p: p.min(-1), rng=np.random.default_rng(0), B=50)
    >>> flips.overall.tolist(), flips.measure.tolist(), flips.flips.tolist()
    ([0.25], [-0.25], [True])
    """
    if B < 2 or not 0 < level < 1:
        raise ValueError(f"B is {B}, level {level}; expected at least 2 draws and a level between 0 and 1")
    k, n = class_counts(right, class_id, n_classes)
    use = n > 0
    if not use.any():
        raise ValueError("no class has an item; expected at least one class with items")

    def values(k):
        return k.sum(axis=-1) / n.sum(), measure(k[..., use] / n[use])

    overall, observed = values(k)
    if np.shape(observed) != overall.shape:
        raise ValueError(f"the measure has shape {np.shape(observed)}; expected {overall.shape}, one a model")
    drawn = [values(part) for part in item_bootstrap(right, class_id, n_classes, draws=B, rng=rng)]
    first, second = np.triu_indices(len(right), 1)
    z = ndtri((1 + level) / 2)
    columns, undecided = [], []
    for value, draws in zip((overall, observed), map(np.concatenate, zip(*drawn, strict=True)), strict=True):
        # From the covariance of the draws: no array of draws x pairs.
        covariance = np.cov(draws.T).reshape(len(right), -1)
        spread = np.diag(covariance)
        variance = spread[first] + spread[second] - 2 * covariance[first, second]
        difference, se = value[first] - value[second], np.sqrt(np.maximum(variance, 0))
        columns += [difference, se]
        # Equal models have no difference that noise could explain, but none that would be decided either.
        undecided.append((np.abs(difference) <= z * se) | (difference == 0))
    return RankFlips(first, second, *columns, columns[0] * columns[2] < 0, *undecided)


def _two(right_a, right_b):
    right_a, right_b = np.asarray(right_a), np.asarray(right_b)
    for name, right in (("right_a", right_a), ("right_b", right_b)):
        if right.dtype != bool or right.ndim != 1 or right.shape != right_a.shape:
            raise ValueError(f"{name} is {right.dtype} {right.shape}; expected bool, {right_a.shape[:1]} items")
    return np.stack([right_a, right_b])
