"""How much do class accuracies change from one training run to the next, and how much of that is noise?

The runs of a model answer the SAME items: `right` (runs, items) bool, `class_id` (items,) the class of each item. Where
only results of classes are left, `k` holds counts (integers) with the items `n` of the classes, or accuracies (floats
from 0 to 1, NaN without items), (..., runs, classes).

The paper's figure is the range, the highest accuracy of a class over the runs less the lowest. It grows with the number
of runs and with small classes, so never compare ranges of 3 runs with those of 10 (`subset_ranges`), and print beside
it what it is without any class moving: `flip_null_range` where the runs share their items, `fresh_item_null` where each
run has a test set of its own. Prefer the variance components, which grow with neither. Per class, in the two-way table
run x item, the accuracy of one run on fresh items has variance s2_item / n + s2_run + s2_res / n:

- s2_item: items are hard or easy in all runs; a larger test set removes it, more runs do not;
- s2_run: the class as a whole moves (coherent shift); more runs remove it, more items do not;
- s2_res: single items flip from run to run; both remove it.
"""

import math
from itertools import combinations
from typing import NamedTuple

import numpy as np
from scipy.stats import f as f_distribution
from scipy.stats import false_discovery_control

from .accuracy import checked_counts
from .extremes import Interval
from .overlap import weak_membership
from .split import class_counts, class_sizes, class_weights


class Ranges(NamedTuple):
    """Highest less lowest accuracy over runs, fractions. The order of the last four is that of the paper's table."""

    by_class: np.ndarray  # (..., classes); NaN: a class without items in some run
    overall: np.ndarray  # (...) range of the overall accuracy
    max: np.ndarray  # (...) over the classes with a range, as the next two
    mean: np.ndarray
    min: np.ndarray


class RangeNull(NamedTuple):
    """Ranges without any class moving: each an Interval of expectation, 5% and 95% quantile."""

    overall: Interval
    max: Interval
    mean: Interval
    min: Interval


class RunComponents(NamedTuple):
    """Variance components of each class, (classes,); negative estimates are kept. NaN: fewer than two items."""

    s2_run: np.ndarray
    s2_item: np.ndarray
    s2_res: np.ndarray


class Spread(NamedTuple):
    """Standard deviations, fractions, of the accuracy of a class from run to run and from test set to test set."""

    run: float
    item: float


class ShiftTest(NamedTuple):
    """F test that a class moves as a whole, (classes,): statistic, p-value, p-value after Benjamini and Hochberg."""

    f: np.ndarray
    p_value: np.ndarray
    adjusted: np.ndarray


class RunCrossFit(NamedTuple):
    """Worst-q mean of run means: cross-fitted with its interval and `se`; `plugin` is read where it was chosen."""

    mean: float
    low: float
    high: float
    se: float
    plugin: float


class MinimumNull(NamedTuple):
    """Lowest class accuracy of a run, mean over runs: `observed`, and an Interval (5%, 95%) if items flip singly."""

    observed: float
    null: Interval


# ---------------------------------------------------------------------------------------------------------- ranges


def class_ranges(k, n=None) -> Ranges:
    """Range over runs of every class and of the overall accuracy, as the paper's Table 5.

    Parameters
    ----------
    k : (..., runs, classes) counts or accuracies, see the module; at least 2 runs
    n : (classes,), int, or the shape of `k` if runs differ in items; needed with counts

    Returns
    -------
    Ranges, a fraction each (the paper prints per cent). The overall accuracy is the share of all items; of accuracies
    without `n` it is their mean over classes, as in the paper's image scripts.

    Raises
    ------
    ValueError : fewer than 2 runs, counts without `n`, not 0 <= k <= n, an accuracy outside 0 to 1, an accuracy
        without items or the reverse, or no class with items in every run

    Examples
    --------
    Class 0 has 4, 2 and 3 right of 4 in three runs, class 1 has 1, 2, 1 of 2, class 2 has no items.

    >>> r = class_ranges([[4, 1, 0], [2, 2, 0], [3, 1, 0]], [4, 2, 0])
    >>> r.by_class.tolist(), float(r.max), float(r.mean), float(r.min)
    ([0.5, 0.5, nan], 0.5, 0.5, 0.5)
    >>> round(float(r.overall), 4)  # 5/6 - 4/6
    0.1667
    """
    return _ranges(*_results(k, n)[:2])


def subset_ranges(k, n=None, size=3) -> Ranges:
    """Mean over all subsets of `size` runs of what `class_ranges` gives for the subset: 10 runs beside 3 runs.

    `k`, `n` and errors as `class_ranges`; ValueError also unless 2 <= size <= runs. Memory grows with the number of
    subsets, 120 for 3 of 10.

    >>> float(subset_ranges([[4], [2], [3]], 4, size=2).mean.round(4))  # (2 + 1 + 1) / 3 of 4 items
    0.3333
    """
    accuracy, overall, _ = _results(k, n)
    runs = overall.shape[-1]
    if not 2 <= size <= runs:
        raise ValueError(f"size is {size}; expected 2 to {runs}, the number of runs")
    subset = np.array(list(combinations(range(runs), size)))
    ranges = _ranges(accuracy[..., subset, :], overall[..., subset])
    return Ranges(ranges.by_class.mean(-2), *(each.mean(-1) for each in ranges[1:]))


def flip_null_range(right, class_id, n_classes: int, *, rng, B: int = 400) -> RangeNull:
    """Ranges if every item is right in each run independently, with its own rate over the runs: no class moves.

    Parameters
    ----------
    right : (runs, items) bool, at least 2 runs
    class_id : (items,) int, 0 to n_classes - 1
    n_classes : int
    rng : numpy Generator
    B : int, simulated sets of as many runs

    Returns
    -------
    RangeNull

    Raises
    ------
    ValueError : shapes or dtypes other than these, or fewer than 2 runs

    Notes
    -----
    Rates estimated from the same runs vary too little between 0 and 1: the flip variance of an item is short by the
    factor 1 - 1/runs, hence ranges by its root (.95 for 10 runs, .82 for 3). The null is too narrow, so a range just
    above it proves nothing.

    Items of a class with equal rates are summed by one binomial draw: exact, and fast.

    Examples
    --------
    One item, right in one of two runs: the simulated runs differ half the time.

    >>> null = flip_null_range([[True], [False]], [0], 1, rng=np.random.default_rng(0), B=4000)
    >>> abs(null.mean.mean - 0.5) < 0.03
    True
    """
    right, class_id, n = _runs(right, class_id, n_classes, least=2)
    return _range_null(_flipped(right, class_id, n_classes, rng=rng, B=B), n)


def flip_null_minimum(right, class_id, n_classes: int, *, rng, B: int = 400) -> MinimumNull:
    """The lowest class accuracy of a run, if every item is right in each run independently with its own rate over runs.

    Parameters and errors as `flip_null_range`; ValueError also without any item.

    Returns
    -------
    MinimumNull. The classes keep their accuracies over runs: the null is below the lowest of those by what single items
    that flip add to a minimum, and only an `observed` value below the null shows runs that lose whole classes. For a
    minimum that all classes being equally hard would give, see `extremes.null_extremes`.

    Notes
    -----
    Too narrow as `flip_null_range` is, hence its minimum a little too high. The minimum is read where it was chosen:
    it lies below the true accuracy of any class.

    Examples
    --------
    One class of one item, right in one of two runs: whatever flips, the mean over runs is 1/2 on average.

    >>> found = flip_null_minimum([[True], [False]], [0], 1, rng=np.random.default_rng(0), B=4000)
    >>> found.observed, abs(found.null.mean - 0.5) < 0.03, found.null.low, found.null.high
    (0.5, True, 0.0, 1.0)
    """
    right, class_id, n = _runs(right, class_id, n_classes, least=2)
    present = n > 0
    if not present.any():
        raise ValueError("no class has an item; expected at least one class with items")
    k, _ = class_counts(right, class_id, n_classes)
    drawn = _flipped(right, class_id, n_classes, rng=rng, B=B)
    observed, null = ((x[..., present] / n[present]).min(axis=-1).mean(axis=-1) for x in (k, drawn))
    return MinimumNull(float(observed), Interval(float(null.mean()), *np.quantile(null, (0.05, 0.95)).tolist()))


def fresh_item_null(k, n, *, rng, B: int = 400, runs: int | None = None) -> RangeNull:
    """Ranges if all runs have the same class rates and each has a fresh test set: binomial noise alone.

    Parameters
    ----------
    k : (runs, classes) counts or accuracies, see the module; the class rates are their means over runs
    n : (classes,), int, or (runs, classes), items of each class in a test set
    rng : numpy Generator
    B : int, simulated sets of runs
    runs : int, how many runs to simulate, by default as many as in `k`

    Returns
    -------
    RangeNull. For runs on the SAME items it is too wide, as the luck of the items is common to them: a seed that moves
    nothing has ranges of 0, not of this null.

    Raises
    ------
    ValueError : as `class_ranges`; no `n`; `runs` below 2, or not that of `k` although test sets differ in size

    Examples
    --------
    Rate 1/2, one item a run: two runs differ half the time.

    >>> null = fresh_item_null([[1], [0]], [1], rng=np.random.default_rng(0), B=4000)
    >>> abs(null.mean.mean - 0.5) < 0.03
    True
    """
    if n is None:
        raise ValueError("n is None; expected the items of each class, whatever k holds")
    accuracy, overall, n = _results(k, n)
    if accuracy.ndim != 2:
        raise ValueError(f"k has shape {accuracy.shape}; expected (runs, classes)")
    runs = len(overall) if runs is None else runs
    if (n == n[0]).all():
        n = n[0]
    elif runs != len(n):
        raise ValueError(f"runs is {runs}; expected {len(n)}, as each row of k has test sets of its own size")
    if runs < 2:
        raise ValueError(f"runs is {runs}; expected at least 2")
    rate = accuracy.mean(-2)
    whole = np.isfinite(rate)  # a class that is absent in some run has no range
    return _range_null(rng.binomial(n[..., whole], rate[whole], size=(B, runs, whole.sum())), n[..., whole])


# ------------------------------------------------------------------------------------------------------ components


def run_components(right, class_id, n_classes: int) -> RunComponents:
    """Variance components of every class from its two-way table run x item, one answer a cell.

    Parameters and errors as `flip_null_range`.

    Returns
    -------
    RunComponents: s2_run = (MS_run - MS_res) / n, s2_item = (MS_item - MS_res) / runs, s2_res = MS_res

    Notes
    -----
    Analysis of variance with crossed random effects. The components are unbiased for any distribution of the answers
    (law of total variance); single classes are noisy and may be negative, which averages over classes need: with
    negatives set to 0 the average would be too large. s2_run + s2_res / n is simply the variance of the accuracy over
    the runs, never negative.

    Examples
    --------
    Two runs, four items: mean squares .125 (run), .458 (item), .125 (the rest).

    >>> c = run_components([[True, True, False, False], [True, False, False, False]], [0] * 4, 1)
    >>> [round(x.item(), 3) for x in c]
    [0.0, 0.167, 0.125]
    """
    run, item, res, n, runs = _mean_squares(right, class_id, n_classes)
    return RunComponents((run - res) / np.maximum(n, 1), (item - res) / runs, res)


def run_spread(components: RunComponents, n) -> Spread:
    """Root mean square over classes of the two standard deviations: run to run, test set to test set.

    Averages are over the classes with components; a mean item variance below 0 gives NaN.
    Raises ValueError if no class has components, or `n` is not (classes,) integers.

    >>> spread = run_spread(RunComponents(*np.array([[0.02], [0.08], [0.16]])), [8])
    >>> [round(sd, 3) for sd in spread]  # roots of .02 + .02, .01
    [0.2, 0.1]
    """
    run, item, _ = _mean_variances(components, n)
    return Spread(math.sqrt(run), math.sqrt(item) if item >= 0 else math.nan)


def run_share(components: RunComponents, n) -> float:
    """Share of runs in the variance of one run's class accuracy on fresh items.

    (s2_run + s2_res / n) / (s2_item / n + s2_run + s2_res / n): mean over classes above, mean over classes below, not
    a mean of ratios, which noise in single classes bends or lets blow up. Negative components stay in the means.
    `n` and errors as `run_spread`; NaN if there is no variance at all.

    >>> round(run_share(RunComponents(*np.array([[0.02], [0.08], [0.16]])), [8]), 3)
    0.8
    """
    run, item, _ = _mean_variances(components, n)
    return run / (run + item) if run + item > 0 else math.nan


def run_share_interval(components: RunComponents, n, *, rng, draws: int = 1000, level: float = 0.95) -> Interval:
    """`run_share` with an interval for fresh classes (G): classes are drawn with replacement, quantiles of the draws.

    Parameters
    ----------
    components, n : as `run_share`
    rng : numpy Generator
    draws : int of at least 1
    level : float in (0, 1)

    Returns
    -------
    Interval of floats, `mean` being the estimate. Components of single classes are unbiased, so those of drawn classes
    need no correction. The runs stay these runs: with few of them the interval says nothing about fresh runs. NaN ends
    where no draw has any variance.

    Raises
    ------
    ValueError : as `run_share`, draws below 1, or level outside (0, 1)

    Examples
    --------
    Two equal classes: whatever is drawn, the share is the same.

    >>> components = RunComponents(*np.array([[0.02] * 2, [0.08] * 2, [0.16] * 2]))
    >>> [round(x, 3) for x in run_share_interval(components, [8, 8], rng=np.random.default_rng(0), draws=9)]
    [0.8, 0.8, 0.8]
    """
    if draws < 1 or not 0 < level < 1:
        raise ValueError(f"draws is {draws}, level {level}; expected at least 1 draw and a level between 0 and 1")
    estimate = run_share(components, n)
    run, item, _ = _variances(components, n)
    weights = class_weights(run.size, draws=draws, rng=rng)
    run, item = weights @ run, weights @ item
    total = run + item
    share = run[total > 0] / total[total > 0]
    ends = np.quantile(share, ((1 - level) / 2, (1 + level) / 2)).tolist() if share.size else (math.nan, math.nan)
    return Interval(estimate, *ends)


def coherent_share(components: RunComponents, n) -> float:
    """Share of whole-class shifts, s2_run, in the run variance s2_run + s2_res / n; means over classes as `run_share`.

    May be negative by noise. The rest are items that flip singly.

    >>> round(coherent_share(RunComponents(*np.array([[0.02], [0.08], [0.16]])), [8]), 3)
    0.5
    """
    run, _, coherent = _mean_variances(components, n)
    return coherent / run if run > 0 else math.nan


def runs_needed(components: RunComponents, n, f: float = 0.1) -> float:
    """Fewest runs whose mean has a run variance of at most `f` times the item variance of this test set.

    (s2_run + s2_res / n) / (f s2_item / n), means over classes as `run_share`, rounded up, at least 1; infinite if
    the mean item variance is not positive. `n` and errors as `run_spread`; ValueError also unless f > 0.

    >>> runs_needed(RunComponents(*np.array([[0.02], [0.08], [0.16]])), [8])  # .04 / (.1 * .01)
    40.0
    """
    if not f > 0:
        raise ValueError(f"f is {f}; expected a share above 0")
    run, item, _ = _mean_variances(components, n)
    # 1e-9: a whole number may come out of the division a little above itself.
    return float(max(1, math.ceil(run / (f * item) - 1e-9))) if item > 0 else math.inf


def shift_test(right, class_id, n_classes: int) -> ShiftTest:
    """Which classes move as a whole from run to run? F = MS_run / MS_res, adjusted over all classes.

    Parameters and errors as `flip_null_range`. Degrees of freedom runs - 1 and (runs - 1)(n - 1). The test is
    approximate: answers are not normal, and roughest for classes in which few items ever change. Without any movement
    p = 1; if whole classes move and nothing else does, p = 0. NaN below two items; those classes are not adjusted for.

    >>> right = np.array([[True, True, False, False], [True, False, False, False]])
    >>> t = shift_test(right, np.zeros(4, int), 1)
    >>> t.f.tolist(), t.p_value.round(3).tolist()  # .125 / .125 with 1 and 3 degrees of freedom
    ([1.0], [0.391])
    """
    run, _, res, n, runs = _mean_squares(right, class_id, n_classes)
    with np.errstate(divide="ignore", invalid="ignore"):
        f = np.where(run == 0, 0.0, run / res)
    p = f_distribution.sf(f, runs - 1, (runs - 1) * np.where(n > 1, n - 1, np.nan))
    adjusted = np.full(p.shape, np.nan)
    if np.isfinite(p).any():
        adjusted[np.isfinite(p)] = false_discovery_control(p[np.isfinite(p)])
    return ShiftTest(f, p, adjusted)


# ------------------------------------------------------------------------------------------------------- run means


def run_means(right) -> np.ndarray:
    """Share of runs that are right on each item: (..., runs, items) bool gives (..., items) float.

    Stacked over models it is what `agreement.u_moments` and `split.half_accuracies` take, (models, items).
    Raises ValueError if `right` is not bool, or without runs.

    >>> run_means(np.array([[True, True, False], [True, False, False]])).tolist()
    [1.0, 0.5, 0.0]
    """
    right = np.asarray(right)
    if right.dtype != bool or right.ndim < 2 or not right.shape[-2]:
        raise ValueError(f"right is {right.dtype} {right.shape}; expected bool (..., runs, items) with a run or more")
    return right.mean(axis=-2)


def worst_q_crossfit_runs(right, class_id, n_classes: int, q: int, rng, R: int = 200) -> RunCrossFit:
    """Mean accuracy over runs of the q classes lowest on one half of the items, read on the other half.

    Parameters
    ----------
    right, class_id, n_classes : as `flip_null_range`; one run will do
    q : int, size of the worst set
    rng : numpy Generator
    R : int, random splits, the same for all runs; each is used in both directions and the results are averaged

    Returns
    -------
    RunCrossFit of floats. Estimand and direction of the bias as `extremes.worst_q_crossfit`: fresh items, these runs;
    the true mean of the classes a half selects, never below that of the truly worst q. `plugin` is the mean of the q
    lowest class accuracies on all items, biased down.

    Raises
    ------
    ValueError : as `flip_null_range`, or q not between 1 and the number of classes with 4 items or more

    Notes
    -----
    Runs are averaged first, then classes are chosen: a class low in one run only is not chosen for that. Classes on
    the cut divide its places (`overlap.weak_membership`). `se` is binomial, sqrt(sum a (1 - a) / (m - 1)) / q over the
    selected set with a on the reading half of m items, its square averaged over splits and directions. The interval
    mean +- 1.96 se is conservative twice over: a share of runs varies less between items than one run's right or
    wrong, and the average over splits varies less than one split.

    Only the number of items with each total over runs matters; half of a class draws from them without replacement.
    Classes with fewer than 4 items are left out, as in `extremes.worst_q_crossfit`.

    Examples
    --------
    Class 0 is right in every run, class 1 in one of two.

    >>> right, class_id = np.array([[True] * 4 + [True] * 4, [True] * 4 + [False] * 4]), np.repeat([0, 1], 4)
    >>> fit = worst_q_crossfit_runs(right, class_id, 2, 1, np.random.default_rng(0), R=3)
    >>> fit.mean, fit.plugin, round(fit.se, 3)  # se: root of .25 / (2 - 1)
    (0.5, 0.5, 0.5)
    """
    right, class_id, n = _runs(right, class_id, n_classes, least=1)
    runs, items = len(right), _items_by_total(right, class_id, n_classes)
    items, n = items[n >= 4], n[n >= 4]
    if not 1 <= q <= n.size:
        raise ValueError(f"q is {q}; expected 1 to {n.size}, the classes with 4 items or more")
    total = items @ np.arange(runs + 1)
    half = n // 2
    k, places, later = np.zeros((R, n.size), dtype=np.int64), np.tile(half, (R, 1)), n
    for times in range(runs + 1):
        later = later - items[:, times]
        taken = rng.hypergeometric(items[:, times], later, places)
        k, places = k + times * taken, places - taken
    # Quotients of integers, so that equal accuracies are equal numbers, and ties are ties.
    sides = (k / (runs * half), half), ((total - k) / (runs * (n - half)), n - half)
    reads, squares = [], []
    for (pick, _), (read, m) in (sides, sides[::-1]):
        member = weak_membership(pick, q)
        reads.append((member * read).sum(-1) / q)
        squares.append((member * read * (1 - read) / (m - 1)).sum(-1) / q**2)
    mean, se = float(np.mean(reads)), math.sqrt(np.mean(squares))
    plugin = np.partition(total / (runs * n), q - 1)[:q].mean()
    return RunCrossFit(mean, mean - 1.96 * se, mean + 1.96 * se, se, float(plugin))


# ---------------------------------------------------------------------------------------------------------- inside


def _results(k, n):
    """Checked accuracies (..., runs, classes), overall accuracies (..., runs), and items (..., runs, classes)."""
    k = np.asarray(k)
    if k.ndim < 2 or k.shape[-2] < 2:
        raise ValueError(f"k has shape {k.shape}; expected (..., runs, classes) with at least 2 runs")
    if k.dtype.kind == "f":
        accuracy = k
        there = np.isfinite(k)
        if not (np.isnan(k) | ((k >= 0) & (k <= 1))).all():
            raise ValueError("k holds accuracies below 0 or above 1; expected fractions, or integer counts")
        n = there.astype(np.int64) if n is None else checked_counts(np.zeros(k.shape, int), n)[1]
        if ((n > 0) != there).any():
            raise ValueError("k and n disagree on which classes have items; expected NaN exactly where n = 0")
        right = np.where(there, k, 0) * n
    elif n is None:
        raise ValueError(f"k is {k.dtype} without n; expected the items of each class beside counts")
    else:
        right, n = checked_counts(k, n)
        accuracy = np.divide(right, n, out=np.full(n.shape, np.nan), where=n > 0)
    if not np.isfinite(accuracy).all(-2).any(-1).all():
        raise ValueError(f"no class has items in every run, k has shape {k.shape}; expected at least one")
    return accuracy, right.sum(-1) / n.sum(-1), n


def _ranges(accuracy, overall):
    by_class = accuracy.max(-2) - accuracy.min(-2)  # NaN in any run is passed on
    whole = np.isfinite(by_class)
    return Ranges(
        by_class,
        overall.max(-1) - overall.min(-1),
        by_class.max(-1, where=whole, initial=0),
        by_class.mean(-1, where=whole),
        by_class.min(-1, where=whole, initial=1),
    )


def _range_null(k, n):
    """Expectation and 5% and 95% quantiles of the ranges of simulated counts (B, runs, classes)."""
    accuracy, overall, _ = _results(k, n)
    each = _ranges(accuracy, overall)[1:]
    return RangeNull(*(Interval(float(x.mean()), *np.quantile(x, (0.05, 0.95)).tolist()) for x in each))


def _runs(right, class_id, n_classes, *, least):
    """`right`, `class_id` as arrays and the items of each class, after checking them."""
    right, class_id = np.asarray(right), np.asarray(class_id)
    if right.dtype != bool or right.ndim != 2 or len(right) < least:
        raise ValueError(f"right is {right.dtype} {right.shape}; expected bool (runs, items) with {least} runs or more")
    n = class_sizes(right, class_id, n_classes)
    return right, class_id.astype(np.int64), n  # a product of a narrow class_id would wrap around


def _flipped(right, class_id, n_classes, *, rng, B):
    """Right answers (B, runs, classes) if every item is right in each run with its own rate over the runs."""
    runs, items = len(right), _items_by_total(right, class_id, n_classes)
    k = np.tile(items[:, runs], (B, runs, 1))
    for times in range(1, runs):
        here = np.flatnonzero(items[:, times])
        k[:, :, here] += rng.binomial(items[here, times], times / runs, size=(B, runs, here.size))
    return k


def _items_by_total(right, class_id, n_classes):
    """How many items of each class are right in 0, 1, ..., all runs: (classes, runs + 1)."""
    columns = len(right) + 1
    cell = class_id * columns + right.sum(axis=0)
    return np.bincount(cell, minlength=n_classes * columns).reshape(n_classes, columns)


def _mean_squares(right, class_id, n_classes):
    """Mean squares of runs, items and the rest, (classes,), NaN below two items; items n and number of runs."""
    right, class_id, n = _runs(right, class_id, n_classes, least=2)
    runs = len(right)
    k, _ = class_counts(right, class_id, n_classes)
    total = k.sum(axis=0)
    # Sums of squares times runs * n: integers, so that nothing left over is exactly 0.
    by_run = runs * (k**2).sum(axis=0)
    by_item = n * (_items_by_total(right, class_id, n_classes) @ np.arange(runs + 1) ** 2)
    size = np.where(n > 1, n, np.nan)
    scale = runs * size
    return (
        (by_run - total**2) / scale / (runs - 1),
        (by_item - total**2) / scale / (size - 1),
        (scale * total + total**2 - by_run - by_item) / scale / ((runs - 1) * (size - 1)),
        n,
        runs,
    )


def _mean_variances(components, n):
    """Means over classes of run variance s2_run + s2_res / n, item variance s2_item / n, and s2_run."""
    return tuple(float(x.mean()) for x in _variances(components, n))


def _variances(components, n):
    """Run variance s2_run + s2_res / n, item variance s2_item / n, and s2_run, of the classes that have components."""
    n = np.asarray(n)
    if n.dtype.kind not in "iu" or n.shape != components.s2_run.shape:
        raise ValueError(f"n is {n.dtype} {n.shape}; expected integers {components.s2_run.shape}, the items by class")
    use = np.isfinite(components.s2_run)
    if not use.any():
        raise ValueError("no class has variance components; expected at least one class with two items")
    run, item, res = (x[use] for x in components)
    return run + res / n[use], item / n[use], run
