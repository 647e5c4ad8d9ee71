"""Class accuracy, precision, F1, confusions and intervals: by hand, by property, by a second route."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, binomtest, false_discovery_control, norm
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support
from statsmodels.stats.proportion import proportion_confint

from analysis.measure import split
from analysis.measure.accuracy import (
    class_accuracy,
    class_counts,
    clopper,
    confusions,
    f1,
    jeffreys,
    macro_accuracy,
    overall_accuracy,
    precision,
    weak_pvalues,
    wilson,
)

CLASSES = 5
answers = st.lists(st.tuples(st.integers(0, CLASSES - 1), st.integers(0, CLASSES - 1)), min_size=1, max_size=60).map(
    lambda pairs: np.array(pairs).T
)


def measures(label, pred):
    c = class_counts(label=label, pred=pred, n_classes=CLASSES)
    return (
        class_accuracy(k=c.correct, n=c.n),
        precision(correct=c.correct, predicted=c.predicted),
        f1(correct=c.correct, n=c.n, predicted=c.predicted),
    )


def wald(k, n, alpha=0.05):
    half = norm.ppf(1 - alpha / 2) * np.sqrt(k / n * (1 - k / n) / n)
    return k / n - half, k / n + half


# ------------------------------------------------------------------------------------------------------- by hand


def test_label_and_pred_are_not_interchangeable():
    """The published text tables swapped the two and printed precision."""
    label, pred = [0, 0, 0, 1], [0, 0, 1, 1]
    accuracy, prec, _ = measures(label, pred)
    swapped, _, _ = measures(pred, label)
    assert accuracy[0] == 2 / 3 and swapped[0] == 1
    np.testing.assert_array_equal(swapped, prec)


def test_absent_class_is_nan_and_dead_class_is_zero():
    c = class_counts(label=[0, 0, 1], pred=[0, 0, 2], n_classes=4)
    assert c.n.tolist() == [2, 1, 0, 0]
    np.testing.assert_array_equal(class_accuracy(k=c.correct, n=c.n), [1, 0, np.nan, np.nan])
    np.testing.assert_array_equal(precision(correct=c.correct, predicted=c.predicted), [1, np.nan, 0, np.nan])
    np.testing.assert_array_equal(f1(correct=c.correct, n=c.n, predicted=c.predicted), [1, 0, np.nan, np.nan])
    assert overall_accuracy(k=c.correct, n=c.n) == 2 / 3
    assert macro_accuracy(k=c.correct, n=c.n) == 0.5


def test_counts_of_two_models():
    c = class_counts(label=[0, 0, 1], pred=[[0, 1, 1], [1, 1, 0]], n_classes=2)
    assert c.n.tolist() == [2, 1]
    assert c.correct.tolist() == [[1, 1], [0, 0]]
    assert c.predicted.tolist() == [[1, 2], [1, 2]]
    assert c.correct.dtype == c.n.dtype == c.predicted.dtype == np.int64


@pytest.mark.parametrize(
    ("interval", "ends"), [(wilson, (0.276, 0.538)), (jeffreys, (0.273, 0.538)), (clopper, (0.264, 0.548))]
)
def test_intervals_of_20_in_50(interval, ends):
    assert np.round(interval(20, 50), 3).tolist() == list(ends)


def test_clopper_at_zero_has_a_closed_form():
    assert clopper(0, 50)[1] == pytest.approx(1 - 0.025 ** (1 / 50)) == pytest.approx(0.071, abs=5e-4)


def test_weak_pvalues_and_their_adjustment_by_hand():
    np.testing.assert_allclose(weak_pvalues([10, 12, 15, 17], 50, 0.5), [1.2e-5, 1.5e-4, 0.0033, 0.016], rtol=0.03)
    assert weak_pvalues(0, 0, 0.5) == 1
    adjusted = false_discovery_control([0.001, 0.012, 0.014, 0.2])
    np.testing.assert_allclose(adjusted, [0.004, 0.0187, 0.0187, 0.2], atol=5e-5)


# ------------------------------------------------------------------------------------------------------ coverage

GRID = np.linspace(0.01, 0.99, 197)


def coverage(interval, n):
    k = np.arange(n + 1)
    low, high = interval(k, n)
    inside = (low <= GRID[:, None]) & (GRID[:, None] <= high)
    return (binom.pmf(k, n, GRID[:, None]) * inside).sum(-1)


@pytest.mark.parametrize("n", [10, 50])
def test_coverage_of_the_intervals(n):
    assert coverage(clopper, n).min() >= 0.95
    assert coverage(wilson, n).mean() == pytest.approx(0.95, abs=0.01)
    assert coverage(jeffreys, n).mean() == pytest.approx(0.95, abs=0.01)


@pytest.mark.parametrize("n", [10, 50])
def test_wald_would_fail_the_coverage_test(n):
    assert coverage(wald, n).mean() < 0.94 and coverage(wald, n).min() < 0.5


# ------------------------------------------------------------------------------------------------ a second route


@given(answers)
def test_equals_scikit_learn(lp):
    label, pred = lp
    n = np.bincount(label, minlength=CLASSES)
    theirs = precision_recall_fscore_support(label, pred, labels=range(CLASSES), zero_division=np.nan)[:3]
    theirs = theirs[1], theirs[0], np.where(n > 0, theirs[2], np.nan)  # they give an absent class F1 = 0 or NaN
    for ours, other in zip(measures(label, pred), theirs, strict=True):
        np.testing.assert_allclose(ours, other)


@given(answers)
def test_confusions_equal_scikit_learn(lp):
    label, pred = lp
    table = confusion_matrix(label, pred, labels=range(CLASSES))
    np.fill_diagonal(table, 0)
    c = confusions(label=label, pred=pred, n_classes=CLASSES)
    expected = np.argwhere(table)
    assert np.column_stack([c.label, c.pred]).tolist() == expected.tolist()
    assert c.count.tolist() == table[tuple(expected.T)].tolist()


@given(st.integers(1, 80).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.floats(0.01, 0.5))
def test_intervals_equal_scipy_and_statsmodels(kn, alpha):
    k, n = kn
    test = binomtest(k, n)
    for interval, scipy_name, statsmodels_name in ((wilson, "wilson", "wilson"), (clopper, "exact", "beta")):
        np.testing.assert_allclose(interval(k, n, alpha), test.proportion_ci(1 - alpha, scipy_name), atol=1e-9)
        np.testing.assert_allclose(interval(k, n, alpha), proportion_confint(k, n, alpha, statsmodels_name), atol=1e-9)
    if 0 < k < n:
        np.testing.assert_allclose(jeffreys(k, n, alpha), proportion_confint(k, n, alpha, "jeffreys"), atol=1e-9)
    assert weak_pvalues(k, n, 0.5) == pytest.approx(binomtest(k, n, 0.5, "less").pvalue)


@given(answers)
def test_counts_from_answers_equal_counts_from_right_and_wrong(lp):
    label, pred = lp
    c = class_counts(label=label, pred=pred, n_classes=CLASSES)
    k, n = split.class_counts(np.stack([pred == label, pred != label]), label, CLASSES)
    assert k.tolist() == [c.correct.tolist(), (c.n - c.correct).tolist()]
    assert n.tolist() == c.n.tolist()


# ---------------------------------------------------------------------------------------------------- properties


@given(answers, st.randoms(use_true_random=False))
def test_order_of_items_and_names_of_classes_do_not_matter(lp, random):
    label, pred = lp
    items = random.sample(range(len(label)), len(label))
    names = np.array(random.sample(range(CLASSES), CLASSES))
    for plain, moved in zip(measures(label, pred), measures(names[label[items]], names[pred[items]]), strict=True):
        np.testing.assert_array_equal(plain, moved[names])


@given(answers)
def test_swapping_label_and_pred_swaps_accuracy_and_precision(lp):
    label, pred = lp
    np.testing.assert_array_equal(measures(label, pred)[0], measures(pred, label)[1])


@given(answers)
def test_weighted_mean_is_overall_accuracy_and_doubling_changes_nothing(lp):
    label, pred = lp
    once = class_counts(label=label, pred=pred, n_classes=CLASSES)
    twice = class_counts(label=np.tile(label, 2), pred=np.tile(pred, 2), n_classes=CLASSES)
    assert overall_accuracy(k=once.correct, n=once.n) == np.mean(label == pred)
    np.testing.assert_array_equal(*(class_accuracy(k=c.correct, n=c.n) for c in (once, twice)))


@given(st.integers(0, 60).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_intervals_hold_the_accuracy_and_mirror(kn):
    k, n = kn
    for interval in (wilson, clopper, jeffreys):
        low, high = interval(k, n)
        if n == 0:
            assert np.isnan(low) and np.isnan(high)
            continue
        assert 0 <= low <= k / n <= high <= 1
        assert (low == 0) == (k == 0) and (high == 1) == (k == n)
        np.testing.assert_allclose(interval(n - k, n), (1 - high, 1 - low), atol=1e-12)


# ----------------------------------------------------------------------------------------------- ends and errors


def test_extreme_inputs_are_finite():
    k, n = np.array([0, 1, 0, 7, 0]), np.array([1, 1, 3, 7, 0])
    for interval in (wilson, clopper, jeffreys):
        low, high = interval(k, n)
        assert np.isfinite(low[:4]).all() and np.isfinite(high[:4]).all() and np.isnan(low[4])
    assert class_counts(label=np.array([], int), pred=np.array([], int), n_classes=2).n.tolist() == [0, 0]
    assert class_counts(label=[0], pred=np.zeros((0, 1), int), n_classes=2).correct.shape == (0, 2)
    assert class_counts(label=np.array([200], np.uint8), pred=[200], n_classes=256).correct[200] == 1


@pytest.mark.parametrize(
    ("label", "pred", "message"),
    [
        ([0, -1], [0, 1], "label runs from -1 to 0; expected 0 to 2"),
        ([0, 1], [0, 3], "pred runs from 0 to 3"),
        ([0.0, 1.0], [0, 1], "label is float64; expected integer"),
        ([0, 1], [True, False], "pred is bool; expected integer"),
        ([0, 1], [[0], [1]], "label has 2 items and pred 1"),
        ([[0], [1]], [0, 1], r"label has shape \(2, 1\)"),
        ([0, 1, 2], [0, 1], "label has 3 items and pred 2"),
    ],
)
def test_wrong_indices_are_refused(label, pred, message):
    for function in (class_counts, confusions):
        with pytest.raises(ValueError, match=message if function is class_counts else "expected"):
            function(label=label, pred=pred, n_classes=3)


@pytest.mark.parametrize("right", [[[0, 1]], [[[True, False]]], [True, False], [[True]]])
def test_wrong_right_is_refused(right):
    with pytest.raises(ValueError, match="expected"):
        split.class_counts(np.array(right), np.array([0, 1]), 2)


@pytest.mark.parametrize(("k", "n"), [(3, 2), (-1, 2), (0.5, 2), ([1, 1], [2, 2, 2])])
def test_wrong_counts_are_refused(k, n):
    for interval in (wilson, clopper, jeffreys):
        with pytest.raises(ValueError, match="expected"):
            interval(k, n)
    with pytest.raises(ValueError, match="expected"):
        class_accuracy(k=k, n=n)


def test_other_errors():
    with pytest.raises(ValueError, match="share between 0 and 1"):
        wilson(1, 2, alpha=1)
    with pytest.raises(ValueError, match="correct = 2 with predicted = 1"):
        precision(correct=[2], predicted=[1])
    for mean in (overall_accuracy, macro_accuracy):
        with pytest.raises(ValueError, match="no class has an item"):
            mean(k=[0, 0], n=[0, 0])
