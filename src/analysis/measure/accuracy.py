"""Class accuracy, precision, F1 and confusions from labels and predictions, with intervals for one class.

Words: `k` or `correct` = items of a class answered right, `n` = items of the class, `predicted` = items given that
class as the answer. Accuracy of a class divides by `n` (recall); precision divides by `predicted`. The published text
tables confused the two through swapped positional arguments, hence every argument that could be swapped is
keyword-only. A class without items has accuracy NaN, a class never predicted has precision NaN; nothing else is NaN.
"""

from typing import NamedTuple

import numpy as np
from scipy.special import bdtr, betaincinv, ndtri


class ClassCounts(NamedTuple):
    """Counts per class: `n` (classes,); `correct` and `predicted` (classes,) or (models, classes); all int64."""

    n: np.ndarray
    correct: np.ndarray
    predicted: np.ndarray


class Confusions(NamedTuple):
    """Off-diagonal pairs that occur: three equally long int64 arrays, sorted by `label`, then `pred`; `count` >= 1."""

    label: np.ndarray
    pred: np.ndarray
    count: np.ndarray


def class_counts(*, label, pred, n_classes):
    """Count the items, the right answers and the answers of every class.

    Parameters
    ----------
    label : (items,) integers, true class index, 0 to n_classes - 1
    pred : (items,) or (models, items) integers, predicted class index, same order of items as `label`
    n_classes : int, size of the label space

    Returns
    -------
    ClassCounts

    Raises
    ------
    ValueError : not integers, a wrong number of axes or items, or an index outside 0 to n_classes - 1

    Examples
    --------
    >>> c = class_counts(label=[0, 0, 0, 1], pred=[0, 0, 1, 1], n_classes=3)
    >>> c.n.tolist(), c.correct.tolist(), c.predicted.tolist()
    ([3, 1, 0], [2, 1, 0], [2, 2, 0])
    """
    label = _class_index("label", label, n_classes, axes=(1,))
    pred = _class_index("pred", pred, n_classes, axes=(1, 2))
    _same_items("label", label, "pred", pred)
    return ClassCounts(
        n=np.bincount(label, minlength=n_classes),
        correct=_tally((label[row] for row in np.atleast_2d(pred == label)), n_classes, models=pred.shape[:-1]),
        predicted=_tally(np.atleast_2d(pred), n_classes, models=pred.shape[:-1]),
    )


def class_accuracy(*, k, n):
    """Share of the items of each class that are answered right (recall), 0 to 1; NaN where n = 0.

    `k` (..., classes) and `n` (classes,) are integer counts. Raises ValueError unless 0 <= k <= n.

    >>> class_accuracy(k=[3, 0, 0], n=[4, 1, 0]).tolist()
    [0.75, 0.0, nan]
    """
    return _ratio(*checked_counts(k, n))


def precision(*, correct, predicted):
    """Share of the answers "this class" that are right, 0 to 1; NaN where the class is never predicted.

    Both are integer counts (..., classes). Raises ValueError unless 0 <= correct <= predicted.

    >>> precision(correct=[2, 1, 0], predicted=[2, 2, 0]).tolist()
    [1.0, 0.5, nan]
    """
    return _ratio(*checked_counts(correct, predicted, names=("correct", "predicted")))


def f1(*, correct, n, predicted):
    """Harmonic mean of accuracy and precision, 2 correct / (n + predicted), 0 to 1; NaN where n = 0.

    A class with items that is never predicted has F1 = 0 (every item is missed), although its precision is NaN.
    Integer counts; raises ValueError unless 0 <= correct <= n and correct <= predicted.

    >>> f1(correct=[2, 0, 0], n=[3, 1, 0], predicted=[2, 0, 1]).tolist()
    [0.8, 0.0, nan]
    """
    _, predicted = checked_counts(correct, predicted, names=("correct", "predicted"))
    correct, n = checked_counts(correct, n, names=("correct", "n"))
    return _ratio(2 * correct, np.where(n > 0, n + predicted, 0))


def overall_accuracy(*, k, n):
    """Share of all items that are answered right: (...) from `k` (..., classes) and `n` (classes,).

    Raises ValueError if there is no item at all, or unless 0 <= k <= n.

    >>> float(overall_accuracy(k=[3, 0, 0], n=[4, 1, 0]))
    0.6
    """
    k, n = checked_counts(k, n, some_items=True)
    return k.sum(-1) / n.sum(-1)


def macro_accuracy(*, k, n):
    """Mean of the class accuracies over the classes with items: (...) from `k` (..., classes) and `n` (classes,).

    Raises ValueError if there is no item at all, or unless 0 <= k <= n.

    >>> float(macro_accuracy(k=[3, 0, 0], n=[4, 1, 0]))
    0.375
    """
    k, n = checked_counts(k, n, some_items=True)
    return np.nanmean(_ratio(k, n), axis=-1)


def confusions(*, label, pred, n_classes):
    """List which class was taken for which other class, and how often, for one model.

    Parameters and errors as `class_counts`, with `pred` (items,). Returns Confusions, not a classes x classes table.

    >>> c = confusions(label=[0, 0, 0, 1], pred=[2, 2, 1, 1], n_classes=3)
    >>> c.label.tolist(), c.pred.tolist(), c.count.tolist()
    ([0, 0], [1, 2], [1, 2])
    """
    label = _class_index("label", label, n_classes, axes=(1,))
    pred = _class_index("pred", pred, n_classes, axes=(1,))
    _same_items("label", label, "pred", pred)
    wrong = label != pred
    pair, count = np.unique(label[wrong] * n_classes + pred[wrong], return_counts=True)
    return Confusions(pair // n_classes, pair % n_classes, count)


def wilson(k, n, alpha=0.05):
    """Wilson score interval of a class fixed in advance; the default for tables and plots.

    Parameters
    ----------
    k, n : integer counts in this order, right and all items; any shapes that broadcast
    alpha : float in (0, 1), one minus the coverage

    Returns
    -------
    low, high : float arrays, 0 to 1; NaN where n = 0

    Raises
    ------
    ValueError : not integers, negative counts, k > n, or alpha outside (0, 1)

    Notes
    -----
    Wilson, JASA 22 (1927); Brown, Cai & DasGupta, Statistical Science 16 (2001). It assumes independent items, and
    does not hold for a class that was picked because it came out lowest: see `extremes`.

    Examples
    --------
    >>> [round(float(end), 3) for end in wilson(20, 50)]
    [0.276, 0.538]
    """
    k, n = _interval_counts(k, n, alpha)
    z2 = ndtri(1 - alpha / 2) ** 2
    p = _ratio(k, n)
    with np.errstate(invalid="ignore", divide="ignore"):
        centre = (p + z2 / (2 * n)) / (1 + z2 / n)
        half = np.sqrt(z2 * p * (1 - p) / n + (z2 / (2 * n)) ** 2) / (1 + z2 / n)
    # Both ends are exact at k = 0 and k = n; rounding would leave 1e-17 there.
    return _exact_ends(k, n, centre - half, centre + half)


def clopper(k, n, alpha=0.05):
    """Clopper-Pearson interval: covers at least 1 - alpha whatever the true accuracy; arguments as `wilson`.

    Clopper & Pearson, Biometrika 26 (1934).

    >>> [round(float(end), 3) for end in clopper(0, 50)]
    [0.0, 0.071]
    """
    k, n = _interval_counts(k, n, alpha)
    low = betaincinv(np.maximum(k, 1), n - k + 1, alpha / 2)
    high = betaincinv(k + 1, np.maximum(n - k, 1), 1 - alpha / 2)
    return _exact_ends(k, n, low, high)


def jeffreys(k, n, alpha=0.05):
    """Jeffreys interval: quantiles of Beta(k + 1/2, n - k + 1/2), but 0 at k = 0 and 1 at k = n; as `wilson`.

    For use where a posterior is wanted. Brown, Cai & DasGupta, Statistical Science 16 (2001).

    >>> [round(float(end), 3) for end in jeffreys(20, 50)]
    [0.273, 0.538]
    """
    k, n = _interval_counts(k, n, alpha)
    return _exact_ends(k, n, *(betaincinv(k + 0.5, n - k + 0.5, tail) for tail in (alpha / 2, 1 - alpha / 2)))


def weak_pvalues(k, n, t):
    """P-values of "this class has accuracy t or more" against "less": P(Bin(n, t) <= k), 1 where n = 0.

    `k`, `n` as `wilson`; `t` in (0, 1). Adjust over all classes, never over a shortlist of low ones:
    scipy.stats.false_discovery_control. Discrete counts make the list conservative.

    >>> [float(f"{p:.2g}") for p in weak_pvalues([10, 12, 15, 17], 50, 0.5)]
    [1.2e-05, 0.00015, 0.0033, 0.016]
    """
    k, n = _interval_counts(k, n, t)
    return bdtr(k.astype(float), n, t)


def checked_counts(k, n, *, names=("k", "n"), some_items=False):
    """Return `k` and `n` as int64 arrays of one shape, or raise ValueError unless they are integers, 0 <= k <= n.

    >>> checked_counts([1, 2], 3)[1].tolist()
    [3, 3]
    """
    k, n = np.asarray(k), np.asarray(n)
    for name, count in zip(names, (k, n), strict=True):
        if count.dtype.kind not in "iu":
            raise ValueError(f"{name} is {count.dtype}; expected integer counts")
    try:
        k, n = np.broadcast_arrays(k.astype(np.int64), n.astype(np.int64))
    except ValueError:
        raise ValueError(f"{names[0]} has shape {k.shape} and {names[1]} {n.shape}; expected one shape") from None
    bad = (k < 0) | (k > n)
    if bad.any():
        found = f"{names[0]} = {k[bad][0]} with {names[1]} = {n[bad][0]}"
        raise ValueError(f"{found} in {bad.sum()} places; expected 0 <= {names[0]} <= {names[1]}")
    if some_items and (n.ndim == 0 or not n.size or not (n > 0).any(-1).all()):
        raise ValueError(
            f"no class has an item, {names[1]} has shape {n.shape}; expected at least one class with items"
        )
    return k, n


def _interval_counts(k, n, share):
    if not 0 < share < 1:
        raise ValueError(f"found {share}; expected a share between 0 and 1, both excluded")
    return checked_counts(k, n)


def _exact_ends(k, n, low, high):
    absent = n == 0
    low = np.where(absent, np.nan, np.where(k == 0, 0.0, low))
    return low, np.where(absent, np.nan, np.where(k == n, 1.0, high))


def _ratio(count, total):
    return np.divide(count, total, out=np.full(np.shape(total), np.nan), where=np.asarray(total) > 0)


def _class_index(name, value, n_classes, *, axes):
    value = np.asarray(value)
    if value.dtype.kind not in "iu":
        raise ValueError(f"{name} is {value.dtype}; expected integer class indices")
    if value.ndim not in axes:
        raise ValueError(f"{name} has shape {value.shape}; expected {' or '.join(map(str, axes))} axes")
    # bincount and fancy indexing would take -1 or n_classes without a word, or grow the answer.
    if value.size and (value.min() < 0 or value.max() >= n_classes):
        raise ValueError(f"{name} runs from {value.min()} to {value.max()}; expected 0 to {n_classes - 1}")
    return value.astype(np.int64)


def _same_items(name, value, other_name, other):
    if value.shape[-1] != other.shape[-1]:
        raise ValueError(f"{name} has {value.shape[-1]} items and {other_name} {other.shape[-1]}; expected as many")


def _tally(rows, n_classes, *, models):
    """Count every index of each row: (classes,) if `models` is (), else (models, classes)."""
    counts = [np.bincount(row, minlength=n_classes) for row in rows]
    return np.array(counts, dtype=np.int64).reshape(*models, n_classes)
