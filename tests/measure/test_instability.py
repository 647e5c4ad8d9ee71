"""Runs of one model: by hand, on simulated runs with known components, and by a second route for each measure."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit
from scipy.stats import hypergeom
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm

from analysis import models, tables
from analysis.measure.agreement import corrected_r, u_moments
from analysis.measure.extremes import worst_q_crossfit
from analysis.measure.instability import (
    RunComponents,
    class_ranges,
    coherent_share,
    flip_null_minimum,
    flip_null_range,
    fresh_item_null,
    run_components,
    run_means,
    run_share,
    run_share_interval,
    run_spread,
    runs_needed,
    shift_test,
    subset_ranges,
    worst_q_crossfit_runs,
)
from analysis.measure.split import class_counts, half_accuracies


def rng(seed=0):
    return np.random.default_rng(seed)


def simulated(random, *, runs=10, classes=20, n=40, class_sd=0.0, shift_sd=0.0, item_sd=1.5):
    """Runs whose classes differ, and move as a whole by `shift_sd`; items differ, and flip singly. All on logits."""
    class_id = np.repeat(np.arange(classes), n)
    ease = 0.8 + random.normal(0, class_sd, classes)[class_id] + random.normal(0, item_sd, class_id.size)
    shift = random.normal(0, shift_sd, (runs, classes))
    return random.random((runs, class_id.size)) < expit(ease + shift[:, class_id]), class_id


# ------------------------------------------------------------------------------------------------------ components


def test_components_by_hand():
    right = np.array([[True, True, False, False], [True, False, False, False]])
    c = run_components(right, np.zeros(4, int), 1)
    assert [x.item() for x in c] == pytest.approx([0, (0.4583333 - 0.125) / 2, 0.125], abs=1e-6)
    spread = run_spread(c, [4])
    assert spread.run**2 == pytest.approx(0.125 / 4) and spread.item**2 == pytest.approx(1 / 24)
    assert run_share(c, [4]) == pytest.approx(3 / 7)
    assert runs_needed(c, [4]) == 8  # (1/32) / (.1 / 24) = 7.5
    assert coherent_share(c, [4]) == 0


@pytest.mark.parametrize("shift_sd", [0.0, 0.6])
def test_components_sum_to_the_variance_of_fresh_runs_on_fresh_items(shift_sd):
    """4000 classes of equal difficulty, each with runs of its own, are 4000 tables; fresh ones have one run each."""
    n = 10
    c = run_components(*simulated(rng(1), runs=6, classes=4000, n=n, shift_sd=shift_sd), 4000)
    run, item, res = (x.mean() for x in c)
    fresh, class_id = simulated(rng(2), runs=1, classes=40_000, n=n, shift_sd=shift_sd)
    truth = class_counts(fresh, class_id, 40_000)[0].var() / n**2
    total = item / n + run + res / n
    assert total == pytest.approx(truth, rel=0.05)
    assert total + res / n != pytest.approx(truth, rel=0.05)  # fault: s2_run = MS_run / n
    assert total + res / 6 / n != pytest.approx(truth, rel=0.05)  # fault: s2_item = MS_item / runs
    same_items = run + res / n
    assert same_items < 0.85 * truth  # fault: variance over runs alone, as if it were all


@pytest.mark.parametrize("shift_sd", [0.0, 0.4])
def test_coherent_shifts_are_told_from_flips(shift_sd):
    """s2_run is the variance over runs of the true class rate, 0 if only single items flip."""
    right, class_id = simulated(rng(3), classes=1500, shift_sd=shift_sd)
    s2_run = run_components(right, class_id, 1500).s2_run
    se = s2_run.std() / np.sqrt(1500)
    random = rng(4)
    rate = expit(0.8 + random.normal(0, 1.5, 400) + random.normal(0, shift_sd, 4000)[:, None]).mean(1)
    assert abs(s2_run.mean() - rate.var()) < 3 * se + 0.05 * rate.var()
    assert (s2_run < 0).any()
    if not shift_sd:  # fault: negative components set to 0
        assert np.maximum(s2_run, 0).mean() > 3 * se


def test_components_equal_the_anova_of_statsmodels():
    right, class_id = simulated(rng(5), runs=4, classes=3, n=12, shift_sd=0.5)
    c, test = run_components(right, class_id, 3), shift_test(right, class_id, 3)
    for number in range(3):
        cells = right[:, class_id == number].astype(float)
        run, item = np.indices(cells.shape)
        frame = pd.DataFrame({"x": cells.ravel(), "run": run.ravel(), "item": item.ravel()})
        table = anova_lm(ols("x ~ C(run) + C(item)", frame).fit())
        ms = table["sum_sq"] / table["df"]
        found = [x[number] for x in c]
        expected = [
            (ms["C(run)"] - ms["Residual"]) / 12,
            (ms["C(item)"] - ms["Residual"]) / 4,
            ms["Residual"],
        ]
        assert found == pytest.approx(expected)
        assert test.f[number] == pytest.approx(table.loc["C(run)", "F"])
        assert test.p_value[number] == pytest.approx(table.loc["C(run)", "PR(>F)"])


@given(st.integers(0, 10**6), st.integers(2, 5), st.lists(st.integers(2, 7), min_size=1, max_size=5))
def test_run_variance_is_the_variance_of_the_accuracy_over_runs(seed, runs, sizes):
    class_id = np.repeat(np.arange(len(sizes)), sizes)
    right = rng(seed).random((runs, class_id.size)) < 0.6
    c = run_components(right, class_id, len(sizes))
    k, n = class_counts(right, class_id, len(sizes))
    assert c.s2_run + c.s2_res / n == pytest.approx((k / n).var(axis=0, ddof=1))


def test_shares_are_ratios_of_means_with_negatives_kept():
    c = RunComponents(np.array([-0.01, 0.03]), np.array([0.1, 0.9]), np.array([0.2, 0.0]))
    n = np.array([10, 10])
    assert run_share(c, n) == pytest.approx(0.04 / 0.14)  # fault: (.01 / .02 + .03 / .12) / 2 = .375
    assert coherent_share(c, n) == pytest.approx(0.02 / 0.04)  # fault: 0.03 / 0.05 with the negative at 0
    assert runs_needed(c, n) == 4  # .02 / (.1 * .05), a whole number exactly
    assert runs_needed(c, n, f=1.0) == 1 and runs_needed(c, n, f=0.099) == 5


def test_runs_needed_keep_the_promise():
    """The mean of so many runs on these items has a run variance of at most a tenth of the item variance."""
    right, class_id = simulated(rng(6), classes=200, n=30, shift_sd=0.5)
    c, n = run_components(right, class_id, 200), np.full(200, 30)
    spread, needed = run_spread(c, n), runs_needed(c, n)
    assert spread.run**2 / needed <= 0.1 * spread.item**2 < spread.run**2 / (needed - 1)
    assert run_share(c, n) == pytest.approx(spread.run**2 / (spread.run**2 + spread.item**2))


def test_no_item_variance():
    c = RunComponents(np.array([0.1]), np.array([-0.01]), np.array([0.0]))
    assert runs_needed(c, [5]) == np.inf and np.isnan(run_spread(c, [5]).item)
    none = RunComponents(*np.zeros((3, 1)))
    assert np.isnan(run_share(none, [5])) and np.isnan(coherent_share(none, [5]))


# ------------------------------------------------------------------------------------------------------------ test


def test_shift_test_has_its_level_and_finds_what_moves():
    right, class_id = simulated(rng(7), classes=2000)
    still = shift_test(right, class_id, 2000)
    assert 0.035 < (still.p_value < 0.05).mean() < 0.065
    assert (still.adjusted <= 0.05).sum() <= 2
    right, class_id = simulated(rng(8), classes=40, n=100)
    moving, _ = simulated(rng(9), classes=40, n=100, shift_sd=1.0)
    which = class_id < 10
    right[:, which] = moving[:, which]
    found = shift_test(right, class_id, 40).adjusted <= 0.05
    assert found[:10].sum() >= 9 and found[10:].sum() <= 2


def test_shift_test_at_the_ends():
    """Nothing moves: p = 1. Only whole classes move: p = 0. One item, or none: no test, and no part in the list."""
    right = np.array(
        [[True, True, True, True, False], [True, True, False, False, True], [True, True, True, True, True]]
    )
    t = shift_test(right, np.array([0, 0, 1, 1, 2]), 4)
    assert t.f[:2].tolist() == [0, np.inf] and t.p_value[:2].tolist() == [1, 0]
    assert t.adjusted[:2].tolist() == [1, 0]
    assert all(np.isnan(x[2:]).all() for x in (t.p_value, t.adjusted))


# ---------------------------------------------------------------------------------------------------------- ranges


def test_ranges_by_hand():
    k = np.array([[9, 1, 0], [5, 2, 0], [7, 2, 0]])
    n = np.array([10, 2, 0])
    r = class_ranges(k, n)
    np.testing.assert_allclose(r.by_class, [0.4, 0.5, np.nan])
    assert [x.item() for x in r[1:]] == pytest.approx([3 / 12, 0.5, 0.45, 0.4])


def test_ranges_of_accuracies_are_those_of_the_counts():
    k = rng(10).binomial(20, 0.7, (3, 5, 8))
    k[..., 3] = 0
    n = np.full(8, 20)
    n[3] = 0
    accuracy = np.where(n > 0, k / 20, np.nan)
    by_counts, by_shares, macro = class_ranges(k, n), class_ranges(accuracy, n), class_ranges(accuracy)
    for a, b, c in zip(by_counts, by_shares, macro, strict=True):  # classes are equally large: item = macro accuracy
        np.testing.assert_allclose(a, b, atol=1e-12)
        np.testing.assert_allclose(a, c, atol=1e-12)
    assert by_counts.overall.shape == (3,) and by_counts.by_class.shape == (3, 8)
    np.testing.assert_allclose(class_ranges(k[1], n).by_class, by_counts.by_class[1])


def test_overall_is_of_items_with_n_and_of_classes_without():
    accuracy, n = np.array([[1.0, 0.5], [0.5, 0.5]]), [30, 10]
    assert class_ranges(accuracy, n).overall == pytest.approx(35 / 40 - 20 / 40)
    assert class_ranges(accuracy).overall == pytest.approx(0.25)


def test_a_class_absent_in_one_run_has_no_range():
    r = class_ranges(np.array([[1, 3], [0, 1], [2, 2]]), np.array([[4, 4], [0, 4], [4, 4]]))
    assert np.isnan(r.by_class[0]) and r.max == r.min == r.mean == 0.5


def test_subsets_of_runs():
    k = rng(11).binomial(30, 0.6, (6, 4))
    n = np.full((6, 4), 30)
    brute = [class_ranges(k[list(s)], n[list(s)]) for s in combinations(range(6), 3)]
    for got, each in zip(subset_ranges(k, n), zip(*brute, strict=True), strict=True):
        np.testing.assert_allclose(got, np.mean(each, axis=0))
    for got, expected in zip(subset_ranges(k, n, size=6), class_ranges(k, n), strict=True):
        np.testing.assert_allclose(got, expected)
    stacked = subset_ranges(np.stack([k, k[::-1]]), 30)  # leading axes; the order of runs does not matter
    np.testing.assert_allclose(stacked.mean[0], stacked.mean[1])


def test_a_range_grows_with_the_number_of_runs():
    """Normal noise: expected ranges of 3 and 10 draws are 1.693 and 3.078 standard deviations."""
    k = rng(12).binomial(10_000, 0.5, (10, 400))
    n = np.full(400, 10_000)
    assert class_ranges(k, n).mean == pytest.approx(3.078 * 0.005, rel=0.04)
    assert subset_ranges(k, n).mean == pytest.approx(1.693 * 0.005, rel=0.04)


# ----------------------------------------------------------------------------------------------------------- nulls


def test_flip_null_equals_flipping_item_by_item():
    right, class_id = simulated(rng(13), runs=5, classes=6, n=15, shift_sd=1.0)
    n = np.full(6, 15)
    null = flip_null_range(right, class_id, 6, rng=rng(14), B=4000)
    random, rate = rng(15), right.mean(axis=0)
    k = [class_counts(random.random(right.shape) < rate, class_id, 6)[0] for _ in range(4000)]
    brute = class_ranges(np.array(k), n)
    for got, expected in zip(null, brute[1:], strict=True):
        assert got.mean == pytest.approx(expected.mean(), abs=4 * expected.std() / np.sqrt(4000))
        assert (got.low, got.high) == pytest.approx(
            tuple(np.quantile(expected, (0.05, 0.95))), abs=0.07
        )  # a step of 1/15


def test_flip_null_is_exceeded_by_coherent_shifts_only():
    moving, class_id = simulated(rng(16), classes=50, shift_sd=0.6)
    n = np.full(50, 40)
    null = flip_null_range(moving, class_id, 50, rng=rng(17))
    assert class_ranges(class_counts(moving, class_id, 50)[0], n).mean > null.mean.high


@pytest.mark.parametrize(("runs", "short"), [(10, 0.949), (3, 0.816)])
def test_flip_null_is_too_narrow_by_the_factor_documented(runs, short):
    right, class_id = simulated(rng(18), runs=runs, classes=2000)
    seen = class_ranges(class_counts(right, class_id, 2000)[0], np.full(2000, 40)).mean
    null = flip_null_range(right, class_id, 2000, rng=rng(19), B=20).mean.mean
    assert null / seen == pytest.approx(short, abs=0.025)


def test_fresh_item_null_is_binomial_noise():
    """Expected range of 3 and of 10 normal draws; the class rate is the mean over runs."""
    accuracy, n = np.array([[0.4, 0.6], [0.6, 0.4], [0.5, 0.5]]), [10_000, 10_000]
    null = fresh_item_null(accuracy, n, rng=rng(20), B=4000)
    assert null.mean.mean == pytest.approx(1.693 * 0.005, rel=0.03)
    assert fresh_item_null(accuracy, n, rng=rng(20), B=4000, runs=10).mean.mean == pytest.approx(
        3.078 * 0.005, rel=0.03
    )
    assert null.overall.mean == pytest.approx(1.693 * 0.005 / np.sqrt(2), rel=0.03)
    two = fresh_item_null(np.array([[0], [10_000]]), n[:1], rng=rng(20), B=4000)
    assert two.mean.mean == pytest.approx(1.128 * 0.005, rel=0.04)
    assert null.min.mean < null.mean.mean < null.max.mean and null.max.low < null.max.mean < null.max.high


def test_fresh_item_null_covers_fresh_test_sets_and_is_too_wide_for_common_items():
    inside = 0
    for seed in range(60):
        random = rng([21, seed])
        sizes = random.integers(80, 120, (3, 30))
        k = random.binomial(sizes, random.beta(6, 2, 30))
        null = fresh_item_null(k, sizes, rng=random, B=200)
        inside += null.mean.low <= class_ranges(k, sizes).mean <= null.mean.high
    assert 47 <= inside <= 60  # of a nominal 54; binomial bounds of 99.8 % at a coverage of .9
    right, class_id = simulated(rng(22), runs=3, classes=30, item_sd=4.0)
    k, n = class_counts(right, class_id, 30)
    assert class_ranges(k, n).mean < fresh_item_null(k, n, rng=rng(23)).mean.low


def test_fresh_item_null_leaves_out_absent_classes():
    k, n = np.array([[5, 0], [5, 0]]), np.array([10, 0])
    null = fresh_item_null(k, n, rng=rng(24), B=50)
    assert np.isfinite(null.mean.mean) and null.max.mean == null.min.mean
    np.testing.assert_allclose(null, fresh_item_null(k[:, :1], n[:1], rng=rng(24), B=50))


# ------------------------------------------------------------------------------------------------------- run means


def test_run_means_feed_u_moments():
    """Two models that share class difficulty, each with runs of its own: corrected r of run means is 1."""
    random = rng(25)
    class_id = np.repeat(np.arange(300), 20)
    ease = 0.5 + random.normal(0, 0.8, 300)[class_id] + random.normal(0, 2, class_id.size)
    right = random.random((2, 10, class_id.size)) < expit(ease)
    means = run_means(right)
    assert means.shape == (2, class_id.size) and means[1, 5] == right[1, :, 5].mean()
    assert corrected_r(u_moments(means, class_id, 300))[0, 1] == pytest.approx(1, abs=0.03)


def test_crossfit_equals_splitting_the_items():
    right, class_id = simulated(rng(26), runs=4, classes=12, n=9, class_sd=0.5, shift_sd=0.5)
    fit = worst_q_crossfit_runs(right, class_id, 12, 3, rng(27), R=4000)
    reads, squares = [], []
    for a, b in half_accuracies(run_means(right)[None], class_id, 12, rng=rng(28), R=4000):
        a, b = a[0], b[0]
        for pick, read, m in ((a, b, 5), (b, a, 4)):
            # rounded, since sums of shares depend on their order in the last digit; ties at random
            order = np.lexsort((rng(len(reads)).random(12), pick.round(9)))[:3]
            reads.append(read[order].mean())
            squares.append((read[order] * (1 - read[order]) / (m - 1)).sum() / 9)
    assert fit.mean == pytest.approx(np.mean(reads), abs=4 * np.std(reads) / np.sqrt(4000))
    assert fit.se == pytest.approx(np.sqrt(np.mean(squares)), rel=0.01)
    assert (fit.low, fit.high) == pytest.approx((fit.mean - 1.96 * fit.se, fit.mean + 1.96 * fit.se))
    accuracy = np.sort(run_means(right).reshape(12, 9).mean(axis=1))
    assert fit.plugin == pytest.approx(accuracy[:3].mean())


def test_crossfit_of_one_run_is_that_of_counts():
    right, class_id = simulated(rng(29), runs=1, classes=30, n=21, class_sd=0.5)
    k, n = class_counts(right, class_id, 30)
    fit = worst_q_crossfit_runs(right, class_id, 30, 5, rng(30), R=3000)
    other = worst_q_crossfit(k[0], n, 5, rng(31), R=3000)
    assert fit[:4] == pytest.approx((other.mean, other.low, other.high, other.se), abs=0.003)


def test_crossfit_and_plugin_bracket_the_truth():
    """True mean accuracy of the runs in the worst classes: plug-in below, cross-fitted above, and its interval wide."""
    gaps = []
    for seed in range(40):
        random = rng([32, seed])
        n, classes = 40, 60
        class_id = np.repeat(np.arange(classes), n)
        level = random.normal(0.8, 0.5, classes)
        shift = random.normal(0, 0.4, (5, classes))  # these five runs are the estimand
        logit = level[class_id] + random.normal(0, 1.5, class_id.size) + shift[:, class_id]
        nodes = random.normal(0, 1.5, 4000)
        true = np.sort(expit(level + shift + nodes[:, None, None]).mean(axis=(0, 1)))[:5].mean()
        fit = worst_q_crossfit_runs(random.random(logit.shape) < expit(logit), class_id, classes, 5, random, R=50)
        gaps.append((fit.plugin - true, fit.mean - true))
    plugin, crossfit = np.transpose(gaps)
    assert plugin.mean() < -3 * plugin.std() / np.sqrt(40)  # fault: chosen and read on the same items
    assert crossfit.mean() > 3 * crossfit.std() / np.sqrt(40)


def test_a_class_lost_in_one_run_is_not_the_worst_over_runs():
    """Run means first: choosing in each run and averaging would name a class for one bad run."""
    right = np.ones((4, 60), bool)
    class_id = np.repeat([0, 1, 2, 3, 4, 5], 10)
    for run in range(4):
        right[run, class_id == run] = False  # classes 0 to 3 are dead in one run each: .75 over runs
    right[:2, class_id == 4] = False  # class 4 in two: .5
    fit = worst_q_crossfit_runs(right, class_id, 6, 1, rng(33))
    assert fit.mean == fit.plugin == 0.5
    each = [worst_q_crossfit(*class_counts(right[[r]], class_id, 6), 1, rng(34), R=50).mean.item() for r in range(4)]
    assert np.mean(each) == 0


def test_ties_on_the_cut_are_divided():
    """Class 0: every item right in one of two runs, .5 on any half. Class 1: 4 items right and 5 wrong in both runs.

    With 2 of 4 right on half A class 1 is tied with class 0 and reads 2 of 5 on half B. All other cases are untied.
    """
    right = np.zeros((2, 18), bool)
    right[0, :9] = True
    right[:, 9:13] = True
    k = np.arange(5)
    a, b = hypergeom(9, 4, 4).pmf(k), hypergeom(9, 4, 5).pmf(k)  # right items of class 1 on 4 and on 5
    on_a = a @ np.select([k < 2, k == 2], [(4 - k) / 5, (0.4 + 0.5) / 2], 0.5)
    on_b = b @ np.where(k < 2.5, (4 - k) / 4, 0.5)
    fit = worst_q_crossfit_runs(right, np.repeat([0, 1], 9), 2, 1, rng(40), R=20_000)
    assert fit.mean == pytest.approx((on_a + on_b) / 2, abs=0.004)  # fault: argsort moves it by .012


def test_interval_is_conservative_for_run_means():
    """Items that flip freely: ten runs vary far less between items than one run, the interval does not know."""
    errors, width = [], []
    for seed in range(100):
        random = rng([35, seed])
        class_id = np.repeat(np.arange(20), 40)
        right = random.random((10, class_id.size)) < expit(0.5 + random.normal(0, 1, class_id.size))
        fit = worst_q_crossfit_runs(right, class_id, 20, 5, random, R=20)
        errors.append(fit.mean)
        width.append(fit.se)
    assert np.std(errors) < 0.7 * np.mean(width)


# ------------------------------------------------------------------------------------------------------ every measure


def test_order_of_items_runs_and_classes_does_not_matter():
    right, class_id = simulated(rng(36), runs=4, classes=5, n=8, class_sd=0.5, shift_sd=0.5)
    items, runs, label = rng(37).permutation(40), [2, 0, 3, 1], np.array([3, 0, 4, 1, 2])
    moved, moved_id = right[runs][:, items], label[class_id][items]
    for measure in (run_components, shift_test):
        for a, b in zip(measure(right, class_id, 5), measure(moved, moved_id, 5), strict=True):
            np.testing.assert_allclose(a, b[label])
    a = flip_null_range(right, class_id, 5, rng=rng(38), B=2000)
    b = flip_null_range(moved, moved_id, 5, rng=rng(39), B=2000)
    for one, other in zip(a, b, strict=True):
        assert one.mean == pytest.approx(other.mean, abs=0.01)


def test_small_and_absent_classes():
    """Classes of 0, 1, 2 and 6 items, always wrong and always right among them: NaN where declared, else finite."""
    class_id = np.repeat([1, 2, 3, 4], [1, 2, 6, 6])
    right = np.zeros((3, 15), bool)
    right[:, class_id == 3] = True
    right[1, 0] = right[2, 1] = True
    c = run_components(right, class_id, 5)
    for part in c:
        assert np.isnan(part).tolist() == [True, True, False, False, False]
    assert np.isfinite(run_share(c, np.bincount(class_id)))
    k, n = class_counts(right, class_id, 5)
    assert np.isnan(class_ranges(k, n).by_class).tolist() == [True] + [False] * 4
    assert np.isfinite(flip_null_range(right, class_id, 5, rng=rng(), B=5)).all()
    assert np.isfinite(fresh_item_null(k, n, rng=rng(), B=5)).all()
    fit = worst_q_crossfit_runs(right, class_id, 5, 1, rng(), R=5)
    assert fit.mean == fit.plugin == fit.se == 0  # the two classes of 6, only these can be halved


RIGHT, CLASS_ID = np.ones((2, 8), bool), np.repeat([0, 1], 4)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: run_components(RIGHT.astype(float), CLASS_ID, 2), "float64"),
        (lambda: run_components(RIGHT[:1], CLASS_ID, 2), "2 runs or more"),
        (lambda: run_components(RIGHT.T, CLASS_ID, 2), "expected bool"),
        (lambda: shift_test(RIGHT, CLASS_ID, 1), "expected 0 to 0"),
        (lambda: flip_null_range(RIGHT[0], CLASS_ID, 2, rng=rng()), "runs, items"),
        (lambda: class_ranges(np.ones((2, 2), int)), "without n"),
        (lambda: class_ranges(np.ones((1, 2), int), 4), "at least 2 runs"),
        (lambda: class_ranges(np.full((2, 2), 5), 4), "expected 0 <= k <= n"),
        (lambda: class_ranges(np.full((2, 2), 93.6)), "expected fractions"),
        (lambda: class_ranges(np.full((2, 2), np.nan)), "no class has items"),
        (lambda: class_ranges(np.full((2, 2), 0.5), [4, 0]), "disagree"),
        (lambda: class_ranges(np.array([[np.nan, 0.5]] * 2), [4, 4]), "disagree"),
        (lambda: class_ranges(RIGHT, 4), "bool"),
        (lambda: subset_ranges(np.ones((2, 2), int), 4, size=3), "size is 3"),
        (lambda: fresh_item_null(np.full((2, 2), 0.5), None, rng=rng()), "n is None"),
        (lambda: fresh_item_null(np.full((2, 2, 2), 0.5), 4, rng=rng()), "runs, classes"),
        (lambda: fresh_item_null(np.ones((2, 1), int), [[3], [4]], rng=rng(), runs=3), "expected 2"),
        (lambda: fresh_item_null(np.ones((2, 1), int), 4, rng=rng(), runs=1), "at least 2"),
        (lambda: run_means(RIGHT[0]), "expected bool"),
        (lambda: run_share(run_components(RIGHT, CLASS_ID, 2), [4]), "the items by class"),
        (lambda: run_share(run_components(RIGHT, np.arange(8), 8), np.ones(8, int)), "no class has variance"),
        (lambda: runs_needed(run_components(RIGHT, CLASS_ID, 2), [4, 4], f=0), "f is 0"),
        (lambda: worst_q_crossfit_runs(RIGHT, CLASS_ID, 2, 3, rng()), "expected 1 to 2"),
        (lambda: worst_q_crossfit_runs(RIGHT[:, :6], CLASS_ID[:6], 2, 2, rng()), "expected 1 to 1"),
    ],
)
def test_what_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# ------------------------------------------------------------------------------- interval of the share, lowest class


def test_share_interval_covers_fresh_classes():
    """150 sets of 60 classes. Fault: drawing classes from the means alone, an interval of no width."""
    random, hits = rng(51), 0
    components = [random.gamma(2, scale, 400_000) for scale in (0.002, 0.02, 0.03)]
    n = np.full(400_000, 20)
    truth = run_share(RunComponents(*components), n)
    for _ in range(150):
        drawn = random.integers(400_000, size=60)
        noisy = RunComponents(*(x[drawn] + random.normal(0, x.mean(), 60) for x in components))
        found = run_share_interval(noisy, n[:60], rng=random, draws=200)
        assert found.mean == pytest.approx(run_share(noisy, n[:60]))
        hits += found.low <= truth <= found.high
    assert 0.87 < hits / 150 < 0.99


def test_share_interval_edges():
    nothing = RunComponents(*np.zeros((3, 2)))
    assert all(np.isnan(run_share_interval(nothing, [5, 5], rng=rng(52), draws=5)))
    one = RunComponents(*np.array([[0.02], [0.08], [0.16]]))
    assert run_share_interval(one, [8], rng=rng(52), draws=5) == pytest.approx((0.8, 0.8, 0.8))
    for how in ({"draws": 0}, {"level": 1}):
        with pytest.raises(ValueError, match="expected at least 1 draw"):
            run_share_interval(one, [8], rng=rng(52), **how)


def test_lowest_class_of_runs_that_flip_items_singly_is_that_of_the_null():
    random = rng(53)
    class_id = np.arange(30).repeat(40)
    rate = np.clip(random.beta(5, 1, 30).repeat(40) + random.normal(0, 0.2, 1200), 0, 1)
    single = random.random((10, 1200)) < rate
    found = flip_null_minimum(single, class_id, 30, rng=random)
    accuracy = single.reshape(10, 30, 40).mean(axis=2)
    assert found.observed == pytest.approx(accuracy.min(axis=1).mean())
    assert abs(found.observed - found.null.mean) < 0.03
    lost = single.copy()
    for run in range(10):  # each run loses one class, never the same
        lost[run, class_id == 3 * run] = False
    found = flip_null_minimum(lost, class_id, 30, rng=random)
    assert found.observed == 0 < found.null.low


def test_lowest_class_when_runs_are_equal_is_that_class():
    class_id = np.array([0, 0, 1, 1, 1, 3])  # class 2 has no items
    right = np.tile([True, False, True, True, False, True], (3, 1))
    found = flip_null_minimum(right, class_id, 4, rng=rng(54), B=20)
    assert found.observed == 0.5 and found.null == (0.5, 0.5, 0.5)
    with pytest.raises(ValueError, match="at least one class with items"):
        flip_null_minimum(np.zeros((2, 0), bool), np.zeros(0, int), 2, rng=rng(54))


def test_narrow_class_numbers_do_not_wrap():
    class_id = np.arange(200, dtype=np.uint8).repeat(3)
    right = rng(55).random((4, 600)) < 0.7
    for measure in (run_components, shift_test):
        for narrow, wide in zip(measure(right, class_id, 200), measure(right, class_id.astype(int), 200), strict=True):
            np.testing.assert_array_equal(narrow, wide)


@pytest.mark.parametrize(
    ("corpus", "shares"),
    [
        ("20news", {"bert-base": 0.70, "bert-tiny": 0.68, "fasttext": 0.32, "doc2vec": 0.33, "tfidf": 0.40}),
        ("banking77", {"bert-base": 0.43, "bert-tiny": 0.84, "fasttext": 0.21, "doc2vec": 0.31, "tfidf": 0.28}),
    ],
)
def test_shares_of_the_authors_runs(corpus, shares):
    """The shares of an independent program, from the same published predictions; the interval is new here."""
    for representation, share in shares.items():
        correct = tables.correct(corpus, models=models.runs(representation))
        total = len(correct.classes)
        parts = run_components(correct.right, correct.class_index, total)
        n = np.bincount(correct.class_index)
        found = run_share_interval(parts, n, rng=rng(56), draws=400)
        assert found.mean == pytest.approx(share, abs=6e-3)
        assert found.low < share < found.high


def test_the_lowest_class_of_the_authors_runs():
    """Bert-tiny loses whole classes of Banking77 in a run; the lowest of other runs is what single flips leave."""
    for representation, lost in (("bert-tiny", True), ("tfidf", False), ("doc2vec", False)):
        correct = tables.correct("banking77", models=models.runs(representation))
        found = flip_null_minimum(correct.right, correct.class_index, 77, rng=rng(57), B=100)
        assert (found.observed < 0.05) == lost
        assert found.null.low - 0.02 <= found.observed <= found.null.high + 0.02
