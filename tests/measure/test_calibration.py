"""Gaps between confidence and accuracy: by hand, against scipy, and on simulated classes with a known gap."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, ttest_1samp

from analysis.measure.accuracy import clopper
from analysis.measure.calibration import ClassGap, class_gap, class_gap_from_sums, shrunken_gaps


def rng(seed=0):
    return np.random.default_rng(seed)


def simulated(random, *, classes, n, p, gap=0.0, spread=0.15):
    """Classes of accuracy p: each item has a rate of its own, the confidence is that rate plus the gap."""
    centre = np.broadcast_to(p, classes)
    size = centre * (1 - centre) / spread**2 - 1
    rate = random.beta(np.repeat(centre * size, n), np.repeat((1 - centre) * size, n))
    conf = rate + np.repeat(np.broadcast_to(gap, classes), n)
    return conf, random.random(rate.size) < rate, np.repeat(np.arange(classes), n)


def test_by_hand():
    """Differences -.1, .8, -.3: mean .133, standard deviation .586."""
    g = class_gap(np.array([0.9, 0.8, 0.7]), np.array([True, False, True]), np.array([1, 1, 1]), 3)
    assert g.gap[1] == pytest.approx(0.4 / 3) and g.se[1] == pytest.approx(0.3383, abs=1e-4)
    assert all(np.isnan(x[[0, 2]]).all() for x in g[:5])
    assert g.extreme.tolist() == [False, True, False]


def test_large_classes_equal_the_t_test_of_scipy():
    conf, correct, cls = simulated(rng(1), classes=8, n=60, p=0.6)
    g = class_gap(conf.clip(0, 1), correct, cls, 8)
    for c in range(8):
        test = ttest_1samp(conf[cls == c] - correct[cls == c], 0)
        assert g.p_value[c] == pytest.approx(test.pvalue) and not g.extreme[c]
        assert (g.low[c], g.high[c]) == pytest.approx(tuple(test.confidence_interval()))


@given(st.integers(1, 30), st.integers(0, 30), st.floats(0.01, 0.99))
def test_few_right_or_wrong_is_the_wider_of_t_and_exact_test(n, k, conf):
    k = min(k, n)
    right = np.arange(n) < k
    g = class_gap(np.full(n, conf), right, np.zeros(n, int), 1)
    assert g.extreme[0] == (min(k, n - k) < 5)
    if g.extreme[0]:
        ends = binomtest(k, n).proportion_ci(method="exact")
        low, high = [conf - ends.high], [conf - ends.low]
        p = [min(1, 2 * min(binomtest(k, n, conf, alternative=side).pvalue for side in ("less", "greater")))]
        if 0 < k < n:
            test = ttest_1samp(conf - right, 0)
            ends = test.confidence_interval()
            low, high, p = [*low, ends.low], [*high, ends.high], [*p, test.pvalue]
        assert (g.low[0], g.high[0], g.p_value[0]) == pytest.approx((min(low), max(high), max(p)), abs=1e-7)
    if abs(g.p_value[0] - 0.05) > 1e-6:  # interval and p-value say the same
        assert (g.p_value[0] > 0.05) == (g.low[0] < 0 < g.high[0])


def test_sums_say_the_same_and_take_several_models():
    parts = [simulated(rng(seed), classes=5, n=20, p=0.7) for seed in (2, 3)]
    each = [class_gap(conf, correct, cls, 5) for conf, correct, cls in parts]
    conf, correct = (np.array([part[i] for part in parts]).reshape(2, 5, 20) for i in (0, 1))
    sums = {"conf": conf, "conf_square": conf**2, "conf_right": conf * correct}
    both = class_gap_from_sums(n=np.full(5, 20), k=correct.sum(-1), **{name: x.sum(-1) for name, x in sums.items()})
    for got, expected in zip(both, zip(*each, strict=True), strict=True):
        np.testing.assert_allclose(got, expected)


@pytest.mark.parametrize("p", [0.4, 0.76, 0.95, 0.985])
def test_coverage(p):
    """Nominal 95 %, 50 items; t alone falls short where nearly all answers are right."""
    g = class_gap(*simulated(rng(4), classes=4000, n=50, p=p, spread=0.3 * np.sqrt(p * (1 - p))), 4000)
    assert ((g.low <= 0) & (g.high >= 0)).mean() > 0.94
    if p == 0.985:  # fault: t whatever the counts
        assert (np.abs(g.gap) <= 2.01 * g.se).mean() < 0.9


def test_coverage_of_a_weak_class_with_free_confidence():
    """4 % right, confidence .6 +- .25 whatever the answer: the binomial alone would take the confidence as known."""
    random = rng(7)
    conf, correct = random.beta(1.7, 1.13, 200_000), random.random(200_000) < 0.04
    g = class_gap(conf, correct, np.repeat(np.arange(4000), 50), 4000)
    truth = 1.7 / 2.83 - 0.04
    assert ((g.low <= truth) & (truth <= g.high)).mean() > 0.94
    k = np.bincount(np.repeat(np.arange(4000), 50)[correct], minlength=4000)
    low, high = clopper(k, np.full(4000, 50))
    mean = conf.reshape(4000, 50).mean(1)
    assert ((mean - high <= truth) & (truth <= mean - low)).mean() < 0.94  # fault


def test_sign_and_pairing():
    """Overconfident by .1 is +.1; the items' own confidence explains their errors, so pairing narrows the interval."""
    conf, correct, cls = simulated(rng(5), classes=200, n=50, p=0.5, gap=0.1, spread=0.3)
    g = class_gap(conf.clip(0, 1), correct, cls, 200)
    assert g.gap.mean() == pytest.approx(0.1, abs=0.03) and g.gap.mean() > 0
    unpaired = np.sqrt((0.25 + 0.09) / 50)
    assert g.se.mean() < 0.8 * unpaired


def test_shrunken_gaps_are_nearer_the_truth():
    random = rng(6)
    truth = random.normal(0.05, 0.04, 400)
    conf, correct, cls = simulated(random, classes=400, n=50, p=0.6, gap=truth, spread=0.1)
    g = class_gap(conf.clip(0, 1), correct, cls, 400)
    shrunken = shrunken_gaps(g)
    assert ((shrunken - truth) ** 2).mean() < 0.5 * ((g.gap - truth) ** 2).mean()
    worst = np.argsort(g.gap)[-10:]
    assert abs((shrunken - truth)[worst].mean()) < 0.03 < (g.gap - truth)[worst].mean()


def test_shrinking_without_true_variance_gives_the_mean():
    gap, se = np.array([0.1, 0.2, np.nan]), np.array([0.3, 0.3, np.nan])
    np.testing.assert_allclose(shrunken_gaps(ClassGap(gap, gap, gap, se, gap, gap)), [0.15, 0.15, np.nan])


def test_ends():
    """One item; all right and fully sure; all wrong and fully sure: finite, and no warning."""
    conf = np.array([0.7, 1.0, 1.0, 1.0, 1.0])
    g = class_gap(conf, np.array([True, True, True, False, False]), np.array([0, 1, 1, 2, 2]), 3)
    assert np.isfinite(g.low).all() and np.isfinite(g.high).all() and np.isfinite(g.p_value).all()
    assert g.gap == pytest.approx([-0.3, 0, 1]) and g.p_value[1:].tolist() == [1, 0]
    assert np.isnan(g.se[0]) and g.se[1:].tolist() == [0, 0]


ONE = np.array([0.5])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: class_gap(ONE, np.array([True, False]), np.array([0]), 1), "shapes"),
        (lambda: class_gap(ONE, np.array([1.0]), np.array([0]), 1), "expected float, bool, integers"),
        (lambda: class_gap(np.array([93.0]), np.array([True]), np.array([0]), 1), "expected 0 to 1"),
        (lambda: class_gap(np.array([np.nan]), np.array([True]), np.array([0]), 1), "NaN"),
        (lambda: class_gap(ONE, np.array([True]), np.array([1]), 1), "expected 0 to 0"),
        (lambda: class_gap(ONE, np.array([True]), np.array([0]), 1, alpha=1), "alpha is 1"),
        (lambda: class_gap_from_sums(n=[1], k=[1], conf=[2], conf_square=[1], conf_right=[1]), "do not fit"),
        (lambda: shrunken_gaps(class_gap(ONE, np.array([True]), np.array([0]), 1)), "0 class"),
    ],
)
def test_what_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
