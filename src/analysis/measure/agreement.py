"""Do models agree on which classes are hard? Correlations of class accuracies, freed of the items the models share.

Accuracies of two models on the same items share the luck of those items. Per class that adds
s = (k11 - k k'/n) / (n (n - 1)) to the product of the two accuracies (k11: items both get right; k = k' = k11 for one
model with itself). Taking the mean of s off the covariance gives the average over all splits of "half A of one model
times half B of the other" in closed form. Dividing a raw r by the root of the reliabilities (Spearman 1904) would be
wrong here: it takes the errors of the two models as independent.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.stats import pearsonr

from .split import answers_of, class_counts, class_sizes, class_weights


class Moments(NamedTuple):
    """Covariances over classes: of the accuracies (raw), of the true rates (true), and the item noise between them."""

    raw: np.ndarray
    true: np.ndarray
    noise: np.ndarray


class Jackknife(NamedTuple):
    """A statistic of all items and its standard error for fresh items of the same classes."""

    estimate: np.ndarray
    se: np.ndarray


def pearson_as_coded(a, b) -> float:
    """Pearson's r of two vectors of class accuracies as the paper's scripts compute it: item noise is left in.

    >>> round(pearson_as_coded([0, 0.5, 1], [0, 1, 0.5]), 3)
    0.5
    """
    return float(pearsonr(a, b)[0])


def u_moments(right, class_id, n_classes: int) -> Moments:
    """Raw, true and noise covariances (models, models) of class accuracies over classes, all pairs of models at once.

    Parameters
    ----------
    right : (models, items) bool; or float, the share of a model's runs that are right (moments of run means)
    class_id : (items,) int, 0 to n_classes - 1; classes may differ in size
    n_classes : int

    Returns
    -------
    Moments with raw = covariance over classes (divided by classes - 1), noise = mean of s, true = raw - noise.
    A class with fewer than two items has no s and is left out of all three; with fewer than two classes left raw and
    true are NaN, without any class noise too.

    Examples
    --------
    Two classes of two items; both models get the first item of class 0 and nothing of class 1. The raw covariance
    1/8 is the luck of that one item: s is 1/4 in class 0 and 0 in class 1.

    >>> m = u_moments(np.array([[True, False, False, False]] * 2), np.array([0, 0, 1, 1]), 2)
    >>> [round(x[0, 1].item(), 6) for x in m]
    [0.125, 0.0, 0.125]
    """
    k, n = class_counts(right, class_id, n_classes)
    use = n > 1
    # NaN rather than a warning from numpy.cov where a covariance does not exist
    raw = np.cov(k[:, use] / n[use]) if use.sum() > 1 else np.full((len(k), len(k)), np.nan)
    raw = raw.reshape(len(k), len(k))
    # s is the sum over the items of a class of (x - p)(x' - p') / (n (n - 1)); one product sums items and classes
    root = np.sqrt(np.where(use, 1 / np.maximum(n * (n - 1), 1), 0) / max(use.sum(), 1))
    residual = (right - (k / np.maximum(n, 1))[:, class_id]) * root[class_id]
    noise = residual @ residual.T if use.any() else np.full_like(raw, np.nan)
    return Moments(raw, raw - noise, noise)


def u_moments_from_counts(k, n, weights=None) -> Moments:
    """The variances of each model alone, which need no items: k (models, classes), n the same or (classes,), all n > 1.

    Returns Moments of (models,) arrays, the diagonals of `u_moments`; with `weights` (draws, classes), whose rows have
    sum classes, of (draws, models) arrays, one row a bootstrap draw of classes.
    With one class raw and true are NaN. Raises ValueError if there is no class, one has fewer than two items, or not
    0 <= k <= n.

    >>> m = u_moments_from_counts(np.array([[0, 2, 4]]), np.array([4, 4, 4]))
    >>> [round(x.item(), 4) for x in m]  # noise: (0 + 1/12 + 0) / 3
    [0.25, 0.2222, 0.0278]
    """
    k, n = np.atleast_2d(k), np.asarray(n)
    if not n.size or n.min() < 2:
        raise ValueError(
            f"the smallest class has {n.min() if n.size else 'no'} items; expected at least 2 in every class"
        )
    if not ((k >= 0) & (k <= n)).all():
        raise ValueError("k is below 0 or above n in some class; expected 0 <= k <= n")
    weights = np.ones(k.shape[1]) if weights is None else weights
    p = k / n
    raw = weighted_cov(p, p, weights)
    noise = weights @ (p * (1 - p) / (n - 1)).T / k.shape[1]
    return Moments(raw, raw - noise, noise)


def weighted_cov(a, b, weights) -> np.ndarray:
    """Covariance over classes of each row of `a` with the same row of `b`, (models, classes), in each bootstrap draw.

    `weights` (draws, classes), rows with sum classes, gives (draws, models); (classes,) gives (models,). NaN for fewer
    than two classes.

    >>> weighted_cov(np.array([[0.0, 1.0]]), np.array([[0.0, 1.0]]), np.array([[1, 1], [2, 0]])).tolist()
    [[0.5], [0.0]]
    """
    classes = a.shape[1]
    if classes < 2:
        return np.full((*np.shape(weights)[:-1], len(a)), np.nan)
    return (weights @ (a * b).T - (weights @ a.T) * (weights @ b.T) / classes) / (classes - 1)


def corrected_r(moments: Moments) -> np.ndarray:
    """Correlation (models, models) of the true class rates. May pass 1 by noise; NaN where a true variance is not > 0.

    >>> corrected_r(Moments(raw=None, true=np.array([[0.04, 0.03], [0.03, 0.09]]), noise=None)).round(3).tolist()
    [[1.0, 0.5], [0.5, 1.0]]
    """
    return _r(moments.true, np.diag(moments.true)[:, None], np.diag(moments.true))


def raw_r(moments: Moments) -> np.ndarray:
    """Correlation (models, models) of the class accuracies as they stand, item noise included; NaN if all are equal.

    >>> raw_r(Moments(raw=np.array([[0.04, 0.03], [0.03, 0.09]]), true=None, noise=None)).round(3).tolist()
    [[1.0, 0.5], [0.5, 1.0]]
    """
    return _r(moments.raw, np.diag(moments.raw)[:, None], np.diag(moments.raw))


def reliability(moments: Moments) -> np.ndarray:
    """Share (models,) of the variance of class accuracies that is true variance, at most 1; NaN without variance.

    >>> reliability(Moments(raw=np.array([[0.05]]), true=np.array([[0.04]]), noise=None)).round(3).tolist()
    [0.8]
    """
    raw = np.diag(moments.raw)
    return np.diag(moments.true) / np.where(raw > 0, raw, np.nan)


def bootstrap_corrected_r(right, class_id, n_classes: int, *, draws: int, rng, pairs=None) -> np.ndarray:
    """Corrected r in bootstrap draws of classes, (draws, pairs); all models of a drawn class move together.

    pairs: two index arrays (i, j); default the pairs i < j in the order of `numpy.triu_indices(models, 1)`.
    The mean over pairs is `.mean(axis=1)`, intervals of single pairs are `numpy.quantile(..., axis=0)`. They hold for
    fresh classes (G). Items are never drawn: copies of an item would bias the correction. Classes with fewer than two
    items are left out; a draw without true variance is NaN. Memory: 8 bytes a draw and pair (16 MB for 1000 draws of
    64 models).

    >>> right = np.random.default_rng(0).random((2, 300)) < np.repeat([0.2, 0.5, 0.9], 100)
    >>> r = bootstrap_corrected_r(right, np.repeat([0, 1, 2], 100), 3, draws=3, rng=np.random.default_rng(2))
    >>> r.shape
    (3, 1)
    """
    k, n = class_counts(right, class_id, n_classes)
    use = n > 1
    both = _both_right(right, class_id, n)[use]
    k, n = k[:, use], n[use]
    weights = class_weights(n.size, draws=draws, rng=rng).astype(float)

    def true(i, j):
        noise = (both[:, i, j].T - k[i] * k[j] / n) / (n * (n - 1))
        return weighted_cov(k[i] / n, k[j] / n, weights) - weights @ noise.T / n.size

    variance = true(np.arange(len(k)), np.arange(len(k)))
    first, second = np.triu_indices(len(right), 1) if pairs is None else map(np.asarray, pairs)
    result = np.empty((draws, first.size))
    for start in range(0, first.size, 4096):  # bounds the (classes, pairs) arrays
        part = slice(start, start + 4096)
        i, j = first[part], second[part]
        result[:, part] = _r(true(i, j), variance[:, i], variance[:, j])
    return result


def class_bootstrap(stat: Callable, n_classes: int, *, draws: int, rng) -> np.ndarray:
    """`stat(index)` for `draws` resamples of classes: index (n_classes,) names the drawn classes, copies included.

    >>> class_bootstrap(lambda c: len(c), 5, draws=2, rng=np.random.default_rng(0)).tolist()
    [5, 5]
    """
    return np.array([stat(rng.integers(n_classes, size=n_classes)) for _ in range(draws)])


def item_jackknife(right, class_id, n_classes: int, stat: Callable, *, groups: int = 10) -> Jackknife:
    """`stat(right, class_id, n_classes)` and its standard error by leaving out one of `groups` blocks of items.

    A block takes every groups-th item of every class, so each class loses its share. For fresh items of these classes
    (C); the classes stay fixed, so it is too short for fresh classes. `stat` must be unbiased at any class size, as the
    corrected moments are; where it is NaN without some block, `se` is.

    >>> item_jackknife(np.array([[True, False] * 10]), np.repeat([0, 1], 10), 2, lambda x, c, n: x.mean(), groups=5)
    Jackknife(estimate=np.float64(0.5), se=np.float64(0.0))
    """
    class_sizes(right, class_id, n_classes)
    # counting on across classes keeps the blocks equal when classes have fewer items than there are blocks
    block = np.empty(class_id.size, int)
    block[np.argsort(class_id, kind="stable")] = np.arange(class_id.size) % groups
    left = np.array([stat(right[:, block != g], class_id[block != g], n_classes) for g in range(groups)])
    return Jackknife(stat(right, class_id, n_classes), np.sqrt((groups - 1) * left.var(axis=0)))


def _r(covariance, variance, other):
    """Correlation; NaN, not a complex or infinite number, where a variance estimate is not positive."""
    product = np.where((variance > 0) & (other > 0), variance * other, np.nan)
    return covariance / np.sqrt(product)


def _both_right(right, class_id, n):
    """Items of each class that two models both get right, (classes, models, models), one small product a class."""
    order = np.argsort(class_id, kind="stable")
    owner = class_id[order]
    place = np.arange(order.size) - (np.cumsum(n) - n)[owner]
    answers = answers_of(right).T
    padded = np.zeros((n.size, int(n.max(initial=0)), len(right)), answers.dtype)
    padded[owner, place] = answers[order]
    return padded.transpose(0, 2, 1) @ padded
