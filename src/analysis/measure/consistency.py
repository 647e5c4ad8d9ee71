"""Do two models err on the same items? Kappa, and kappa once it is known which classes are hard.

`cells` (..., classes, 4) counts the items of each class by the answers of two models, in this order: both right, only
A right, only B right, both wrong. Kappa is agreement beyond what two independent models of the same accuracies show,
(o - e) / (1 - e). Plain kappa rewards models for sharing the hard CLASSES; kappa given class takes as known how
accurate each is in each class, and asks about single items. Compare pairs of similar accuracy only: what kappa can
reach depends on the accuracies. NaN where e = 1: both always right, or both always wrong.
"""

from typing import NamedTuple

import numpy as np

from .accuracy import checked_counts
from .extremes import Interval
from .split import class_counts, class_sizes


class Consistency(NamedTuple):
    """Kappa of all pairs of models, (models, models); the diagonal of `plain` is 1."""

    plain: np.ndarray
    given_class: np.ndarray


class KappaIntervals(NamedTuple):
    """Estimates with their intervals (`mean` is the estimate), floats or arrays of the leading axes of `cells`."""

    plain: Interval
    given_class: Interval


def pair_cells(*, right_a, right_b, class_id, n_classes: int) -> np.ndarray:
    """The cells of two models, (classes, 4) integers; `right_a`, `right_b` (items,) bool.

    Raises ValueError: shapes or dtypes other than these, or a class outside 0 to n_classes - 1.

    >>> pair_cells(
    ...     right_a=np.array([True, True, False, True]), right_b=np.array([True, False, False, True]),
    ...     class_id=np.array([0, 0, 0, 1]), n_classes=2).tolist()
    [[1, 1, 0, 1], [1, 0, 0, 0]]
    """
    right_a, right_b = np.asarray(right_a), np.asarray(right_b)
    if right_a.dtype != bool or right_b.dtype != bool or right_a.ndim != 1 or right_a.shape != right_b.shape:
        found = f"{right_a.dtype} {right_a.shape} and {right_b.dtype} {right_b.shape}"
        raise ValueError(f"right_a and right_b are {found}; expected bool, (items,) both")
    each = np.stack([right_a & right_b, right_a & ~right_b, ~right_a & right_b, ~right_a & ~right_b])
    return class_counts(each, class_id, n_classes)[0].T


def kappa_plain(cells) -> np.ndarray:
    """Agreement of two models in being right and wrong, beyond that of independent models with their accuracies.

    o = share of items on which both are right or both wrong, e = A A' + (1 - A)(1 - A'). Classes do not matter.
    Geirhos, Meding & Wichmann, NeurIPS 2020. Returns (...) from `cells` (..., classes, 4); NaN where e = 1.
    Raises ValueError: not counts of four cells, or no item at all.

    >>> round(float(kappa_plain([[70, 10, 10, 10]])), 3)  # A = A' = .8: o = .8, e = .68
    0.375
    """
    cells = _cells(cells)
    both, a, b, neither = np.moveaxis(cells.sum(axis=-2), -1, 0)
    n = both + a + b + neither
    p, q = (both + a) / n, (both + b) / n
    return _kappa((both + neither) / n, p * q + (1 - p) * (1 - q))


def kappa_given_class(cells, n) -> np.ndarray:
    """Agreement beyond that of models which are independent within every class.

    e = sum_c w_c (1 - p - p' + 2 p p'), where the product is estimated by (k k' - k11) / (n (n - 1)), over pairs of
    different items; k k' / n^2 contains the agreement itself and lowers kappa.

    Parameters
    ----------
    cells : (..., classes, 4) integer counts, see the module
    n : (classes,) integers, items of the classes: what the cells sum to. Classes with fewer than two are left out.

    Returns
    -------
    (...) floats; may pass 1 by noise, NaN where e = 1

    Raises
    ------
    ValueError : not counts of four cells, cells that do not sum to n, or no class with two items

    Examples
    --------
    Two classes, one always right for both, one at 1/2: plain kappa sees agreement where there is none.

    >>> cells = [[4, 0, 0, 0], [1, 1, 1, 1]]
    >>> round(float(kappa_plain(cells)), 3), round(float(kappa_given_class(cells, [4, 4])), 3)
    (0.333, 0.0)
    """
    cells = _cells(cells)
    if (cells.sum(axis=-1) != n).any():
        raise ValueError("n differs from the sum of the four cells; expected the items of every class")
    return _given_class(*_usable(cells), unbiased=True)


def error_consistency(right, class_id, n_classes: int) -> Consistency:
    """`kappa_plain` and `kappa_given_class` of all pairs of models at once, by two matrix products.

    right : (models, items) bool; class_id : (items,) int. Raises ValueError for other shapes, or no item at all.
    `given_class` is NaN throughout if no class has two items.

    >>> right = np.array([[True, True, False, True], [True, False, False, True]])
    >>> error_consistency(right, np.array([0, 0, 0, 1]), 2).plain.round(3).tolist()
    [[1.0, 0.5], [0.5, 1.0]]
    """
    n = class_sizes(right, class_id, n_classes)
    if right.dtype != bool or not n.any():
        raise ValueError(f"right is {right.dtype} with {n.sum()} items; expected bool answers to one item or more")
    k, _ = class_counts(right, class_id, n_classes)

    def observed(right, k):
        answers = right.astype(np.float32)  # exact below 2^24 items
        both = answers @ answers.T
        total = k.sum(axis=1)
        return (right.shape[1] + 2 * both.astype(float) - total[:, None] - total) / right.shape[1]

    p = k.sum(axis=1) / n.sum()
    plain = _kappa(observed(right, k), p[:, None] * p + (1 - p[:, None]) * (1 - p))
    use = n > 1
    if not use.any():
        return Consistency(plain, np.full_like(plain, np.nan))
    items = use[class_id]
    right, k, n, owner = right[:, items], k[:, use], n[use], (np.cumsum(use) - 1)[class_id[items]]
    weight = 1 / (n - 1) / n.sum()  # n / N of 1 / (n (n - 1))
    root = right * np.sqrt(weight)[owner]
    product = (k * weight) @ k.T - root @ root.T
    p = k.sum(axis=1) / n.sum()
    return Consistency(plain, _kappa(observed(right, k), 1 - p[:, None] - p + 2 * product))


def kappa_intervals(cells, *, rng, B: int = 1000, level: float = 0.95) -> KappaIntervals:
    """Both kappas of a pair of models with bootstrap intervals for fresh items of these classes (C).

    Parameters
    ----------
    cells : (classes, 4) integer counts, see the module
    rng : numpy Generator
    B : int, draws of the four cells of every class, multinomial (stratified by class)
    level : float in (0, 1)

    Returns
    -------
    KappaIntervals; NaN ends where a kappa is

    Raises
    ------
    ValueError : as `kappa_given_class`, B below 2, or level outside (0, 1)

    Notes
    -----
    Basic (reflected) intervals, Davison & Hinkley, Bootstrap Methods and their Application (1997), 5.2: the errors of
    the draws, turned round, are put around the estimate. The error of a draw is what it differs by from kappa of the
    drawn-from cells, whose products of class rates are k k' / n^2: drawn items come in copies, and what a draw
    estimates without bias is that value, below the estimate. Measured from the estimate itself, the interval would be
    moved upwards by the difference, about one standard error with 1000 classes of 50 items. Drawn cells vary too little
    by the factor 1 - 1/n, hence intervals are a little short for classes of 20 items or fewer.

    Examples
    --------
    >>> found = kappa_intervals(np.array([[70, 10, 10, 10]]), rng=np.random.default_rng(0), B=200).plain
    >>> round(float(found.mean), 3), bool(0.1 < found.low < 0.3), bool(0.45 < found.high < 0.65)
    (0.375, True, True)
    """
    cells = _cells(cells)
    if cells.ndim != 2 or B < 2 or not 0 < level < 1:
        raise ValueError(f"cells {cells.shape}, B {B}, level {level}; expected (classes, 4), at least 2, within 0 to 1")
    cells = cells[cells.sum(axis=-1) > 0]
    usable, n = _usable(cells)
    of_class = cells.sum(axis=-1)
    drawn = rng.multinomial(of_class, cells / of_class[:, None], size=(B, of_class.size))
    plain, given = kappa_plain(cells), _given_class(usable, n, unbiased=True)
    ends = (1 + level) / 2, (1 - level) / 2
    intervals = []
    for estimate, origin, draws in (
        (plain, plain, kappa_plain(drawn)),
        (given, _given_class(usable, n, unbiased=False), _given_class(drawn[:, of_class > 1], n, unbiased=True)),
    ):
        errors = draws[np.isfinite(draws)] - origin
        low, high = estimate - np.quantile(errors, ends) if errors.size else (np.nan, np.nan)
        intervals.append(Interval(float(estimate), float(low), float(high)))
    return KappaIntervals(*intervals)


def _cells(cells):
    cells = np.asarray(cells)
    if cells.ndim < 2 or cells.shape[-1] != 4 or cells.dtype.kind not in "iu":
        raise ValueError(f"cells is {cells.dtype} {cells.shape}; expected integer counts (..., classes, 4)")
    checked_counts(cells, cells.sum(axis=-1, keepdims=True), names=("a cell", "the items of its class"))
    if not (cells.sum(axis=(-2, -1)) > 0).all():
        raise ValueError(f"no item in cells of shape {cells.shape}; expected at least one")
    return cells


def _usable(cells):
    n = cells.sum(axis=-1)
    use = (n.reshape(-1, n.shape[-1]) > 1).all(axis=0)
    if not use.any():
        raise ValueError("no class has two items; expected at least one class with two items or more")
    return cells[..., use, :], n[..., use]


def _given_class(cells, n, *, unbiased):
    both, a, b, neither = np.moveaxis(cells, -1, 0)
    k, other = both + a, both + b
    product = (k * other - both) / (n * (n - 1)) if unbiased else k * other / n**2
    weight = n / n.sum(axis=-1, keepdims=True)
    expected = (weight * (1 - (k + other) / n + 2 * product)).sum(axis=-1)
    return _kappa((both + neither).sum(axis=-1) / n.sum(axis=-1), expected)


def _kappa(observed, expected):
    # 1e-12: an expectation of exactly 1 may come out of the sums a little below itself.
    return (observed - expected) / np.where(np.abs(1 - expected) > 1e-12, 1 - expected, np.nan)
