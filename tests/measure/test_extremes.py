"""Extremes without the winner's curse: by hand, on simulated truth, by a second route, and on one measured network."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import minimize
from scipy.stats import beta, betabinom, binom, chi2_contingency, false_discovery_control

from analysis.measure import extremes
from analysis.measure.accuracy import weak_pvalues
from analysis.measure.extremes import (
    TAIL,
    G,
    eb_list,
    fit_beta_mixture,
    fit_g,
    fit_test,
    functional_interval,
    homogeneity,
    null_extremes,
    null_minimum_cdf,
    percentile_as_coded,
    posterior_draws,
    tail_functionals,
    worst_q_crossfit,
    worst_q_plugin,
)

# Classes of resnet50 with k = 0, 1, ..., 50 right answers of 50: counted from column 0 of
# data/predictions/imagenet-validation-original/resnet50.npy of
# github.com/modestyachts/ImageNetV2 at 0b0c3fe8, and its labels.
RESNET50 = """0 0 0 0 0 0 0 0 0 2 1 2 3 1 1 2 3 4 4 7 5 11 9 8 15 13 11 14 17 18 23 18 40 30 37 31 38 32 43 53 45 53 44
53 54 58 53 65 41 20 18"""
resnet50 = np.repeat(np.arange(51), [int(count) for count in RESNET50.split()])


def rng(seed=0):
    return np.random.default_rng(seed)


def tail50(p):
    return tail_functionals(p, 50)


def beta_prior(a, b):
    prior = np.diff(beta.cdf(np.linspace(0, 1, extremes.POINTS + 1), a, b))
    return G((np.arange(extremes.POINTS) + 0.5) / extremes.POINTS, prior, np.array(0.0), np.array(0.0))


# -------------------------------------------------------------------------------------------------- simulated truth

SETS = 40


def truth(kind, random):
    """1000 class accuracies: a beta, or two betas with 6% weak classes."""
    if kind == "beta":
        return random.beta(5.2, 1.65, (SETS, 1000))
    return np.where(
        random.random((SETS, 1000)) < 0.06, random.beta(4, 8, (SETS, 1000)), random.beta(8, 2, (SETS, 1000))
    )


@pytest.mark.parametrize("kind", ["beta", "mixture"])
def test_bias_and_coverage_of_worst_q(kind):
    """Only posterior draws are unbiased; the two naive figures bracket the truth."""
    p = truth(kind, rng(1))
    k = rng(2).binomial(50, p)
    target = tail50(p)
    draws = functional_interval(k, 50, tail50, rng=rng(3), refits=20)
    worst = target[:, 0]
    assert abs((draws.mean[:, 0] - worst).mean()) < 0.008
    assert (worst_q_plugin(k, 50, 50) - worst).mean() < -0.01
    crossfit = worst_q_crossfit(k, 50, 50, rng(4), R=10)
    assert (crossfit.mean - worst).mean() > 0.01
    # 40 sets: a true coverage of .90 gives .78 or less once in a hundred times.
    assert (((draws.low <= target) & (target <= draws.high)).mean(0) > 0.78).all()


@pytest.mark.parametrize("kind", ["beta", "mixture"])
def test_the_faults_would_fail_the_bias_test(kind):
    """Reading the half that selected, and taking the extreme of posterior means."""
    p = truth(kind, rng(1))[:10]
    k = rng(2).binomial(50, p)
    worst = tail50(p)[:, 0]
    half = rng(3).hypergeometric(k, 50 - k, 25)
    assert (worst_q_plugin(half, 25, 50) - worst).mean() < -0.01
    means = [posterior_draws(one, 50, fit_g(one, 50), 100, rng(4)).mean(0) for one in k]
    assert (tail50(np.array(means))[:, 0] - worst).mean() > 0.008


def test_crossfit_interval_covers_the_classes_it_selected():
    """One split: the interval is about the true accuracy of the selected classes, known here since all are equal."""
    k = rng(5).binomial(50, 0.7, size=(200, 300))
    fit = worst_q_crossfit(k, 50, 20, rng(6), R=1)
    assert abs(fit.mean.mean() - 0.7) < 0.002
    assert ((fit.low <= 0.7) & (fit.high >= 0.7)).mean() >= 0.93  # two directions are averaged, hence conservative


# --------------------------------------------------------------------------------------------------------- measured


def test_resnet50_naive_figures():
    """Plug-in .353, cross-fitted .416, p5 .44, p10 .52, minimum .18, 78 below .5: by a separate program."""
    assert resnet50.sum() == 38065 and len(resnet50) == 1000
    assert worst_q_plugin(resnet50, 50, 50) == pytest.approx(0.353, abs=5e-4)
    assert worst_q_crossfit(resnet50, 50, 50, rng()).mean == pytest.approx(0.416, abs=0.003)
    assert tail50(resnet50 / 50)[1:].tolist() == [0.44, 0.52, 0.18, 78]


def test_resnet50_posterior_draws():
    """Worst 50 .375 [.354, .395]; p5 .462; p10 .559; minimum .20; 72 [56, 89] below .5: by a separate program.

    That one, also a g-model of 8 basis functions with penalty .1, was written before this one; its basis may differ.
    """
    fit = functional_interval(resnet50, 50, tail50, rng=rng())
    np.testing.assert_allclose(fit.mean[:4], [0.375, 0.462, 0.559, 0.20], atol=0.015)
    assert fit.mean[4] == pytest.approx(72, abs=4)
    np.testing.assert_allclose([fit.low[0], fit.high[0]], [0.354, 0.395], atol=0.005)
    np.testing.assert_allclose([fit.low[4], fit.high[4]], [56, 89], atol=8)
    mixture = posterior_draws(resnet50, 50, fit_beta_mixture(resnet50, 50), 500, rng())
    assert tail50(mixture)[:, 0].mean() == pytest.approx(0.375, abs=0.01)


def test_resnet50_named_classes():
    """Of 78 classes below one half BH names 8, BY 3, the posterior list about 32: by a separate program."""
    p = weak_pvalues(resnet50, 50, 0.5)
    assert [(false_discovery_control(p, method=m) <= 0.05).sum() for m in ("bh", "by")] == [8, 3]
    named = eb_list(resnet50, 50, 0.5, 0.05)
    assert abs(named.sum() - 32) <= 4
    assert resnet50[named].max() < resnet50[~named].min()


def test_beta_binomial_fit_test():
    """Adequate for resnet50; rejected where 6% of the classes are a group apart."""
    one = fit_beta_mixture(resnet50, 50, components=1)
    assert 0.22 < fit_test(resnet50, 50, one, 2).p_value < 0.79
    k = rng().binomial(50, truth("mixture", rng(1)).ravel()[:8000])
    assert fit_test(k, 50, fit_beta_mixture(k, 50, components=1), 2).p_value < 1e-3
    assert fit_test(k, 50, fit_beta_mixture(k, 50), 5).p_value > 0.01


# ---------------------------------------------------------------------------------------------------------- by hand


def test_posterior_mean_by_hand():
    """a = 3, b = 1, n = 4, k = 0: posterior mean 3/8, not 0."""
    draws = posterior_draws([0] * 10, 4, beta_prior(3, 1), 20_000, rng())
    assert draws.mean() == pytest.approx(3 / 8, abs=0.002)
    assert draws.std() == pytest.approx(beta.std(3, 5), abs=0.002)


def test_fit_test_by_hand():
    """A uniform prior expects 50 of 100 single-item classes right; 40 are: 10^2/50 twice, one degree of freedom."""
    assert fit_test([0] * 60 + [1] * 40, 1, beta_prior(1, 1), 0)[:2] == pytest.approx((4, 1))


@pytest.mark.parametrize(("classes", "p10", "p5"), [(10, 1, 1), (20, 2, 1), (77, 8, 4), (100, 10, 5), (1000, 100, 50)])
def test_percentiles_pick_the_order_statistics_of_the_paper(classes, p10, p5):
    ranks = np.arange(1.0, classes + 1)
    assert percentile_as_coded(ranks, 10) == p10 and percentile_as_coded(ranks, 5) == p5
    assert percentile_as_coded(np.append(ranks, np.nan), 5) == p5


def test_null_by_hand():
    assert null_minimum_cdf(0, 1, 0.5, 2) == pytest.approx(0.75)
    assert weak_pvalues(24, 50, 0.76) == pytest.approx(1.8e-5, rel=0.03)
    assert null_minimum_cdf(0.48, 50, 0.76, 1000) == pytest.approx(0.018, abs=5e-4)
    assert null_minimum_cdf([-0.1, 1], 50, 0.76, 10).tolist() == [0, 1]


@pytest.mark.parametrize(
    ("p", "minimum", "ends", "p5", "p10", "spread", "worst", "below"),
    [
        (0.57, 0.34, (0.28, 0.38), 0.46, 0.48, 0.45, 0.43, 127),
        (0.76, 0.55, (0.50, 0.58), 0.66, 0.68, 0.38, 0.63, 0.018),
        (0.83, 0.64, (0.58, 0.68), 0.74, 0.76, 0.33, 0.72, 0.0),
    ],
)
def test_null_of_thousand_classes(p, minimum, ends, p5, p10, spread, worst, below):
    """Against a separate simulation of 4000 draws, rounded to two places."""
    null = null_extremes(50, p, 1000, rng(), draws=1000)
    assert null["minimum"].mean == pytest.approx(minimum, abs=0.006)
    assert null["minimum"][1:] == pytest.approx(ends)
    found = [null[name].mean for name in ("p5", "p10", "range", "worst_q")]
    np.testing.assert_allclose(found, [p5, p10, spread, worst], atol=0.006)
    assert null["below"].mean == pytest.approx(below, rel=0.03, abs=5e-5)


def test_null_exact_expectations_agree_with_simulation_for_unequal_n():
    n = np.array([1, 4, 7, 7, 20])
    null = null_extremes(n, 0.7, 5, rng(), q=2, t=0.6)
    accuracy = rng(1).binomial(n, 0.7, size=(100_000, 5)) / n
    assert null["minimum"].mean == pytest.approx(accuracy.min(-1).mean(), abs=0.004)
    assert null["below"].mean == pytest.approx((accuracy < 0.6).sum(-1).mean(), abs=0.015)


def test_homogeneity_equals_a_contingency_table():
    k, n = np.array([[3, 9, 5], [4, 4, 4]]), np.array([10, 12, 9])
    ours = homogeneity(k, n)
    for row, statistic, p_value in zip(k, ours.statistic, ours.p_value, strict=True):
        theirs = chi2_contingency([row, n - row], correction=False)
        assert (statistic, ours.df, p_value) == pytest.approx((theirs.statistic, theirs.dof, theirs.pvalue))
    assert homogeneity([5, 5], 5) == (0, 1, 1)


# --------------------------------------------------------------------------------------------------- a second route


def test_fit_g_equals_a_general_optimiser():
    n = np.array([10] * 60 + [25] * 60)
    k = rng().binomial(n, rng(1).beta(5, 2, 120))
    basis, like = extremes._basis(8), binom.pmf(k[:, None], n[:, None], extremes._GRID)

    def loss(alpha):
        g = np.exp(basis @ alpha - (basis @ alpha).max())
        return -np.log(like @ (g / g.sum())).sum() + 0.1 * np.sqrt(alpha @ alpha)

    theirs = minimize(loss, np.full(8, 0.1), method="BFGS", options={"gtol": 1e-4})
    g = fit_g(k, n)
    alpha = basis.T @ np.log(g.prior)  # the columns are orthonormal
    assert loss(alpha) <= theirs.fun + 1e-5
    np.testing.assert_allclose(g.prior, np.exp(basis @ theirs.x) / np.exp(basis @ theirs.x).sum(), atol=1e-4)
    assert g.log_likelihood == pytest.approx(-loss(alpha) + 0.1 * np.linalg.norm(alpha))


def test_fit_g_converges_and_does_not_depend_on_its_company():
    k = rng().binomial(50, truth("mixture", rng(1)))
    again = np.stack([resnet50[rng(i).integers(0, 1000, 1000)] for i in range(100)])
    g = fit_g(np.concatenate([k, again]), 50)
    assert (g.gradient < 1e-7).all() and g.converged.all()
    np.testing.assert_allclose(g.prior.sum(-1), 1)
    np.testing.assert_allclose(g.prior[3], fit_g(k[3], 50).prior, atol=1e-6)
    n = np.arange(1, 1001)  # so many sizes that the models are fitted one by one
    k = rng().binomial(n, 0.8, size=(3, 1000))
    np.testing.assert_allclose(fit_g(k, n).prior[2], fit_g(k[2], n).prior, atol=1e-6)


def test_fit_g_recovers_a_prior():
    p = rng().beta(5, 2, 20_000)
    g = fit_g(rng(1).binomial(50, p), 50)
    assert g.grid @ g.prior == pytest.approx(5 / 7, abs=0.005)
    assert np.abs(np.cumsum(g.prior) - beta.cdf(g.grid + 0.0025, 5, 2)).max() < 0.01


def test_one_beta_equals_the_beta_binomial():
    k = rng().binomial(50, rng(1).beta(6, 3, 2000))

    def loss(x):
        return -betabinom.logpmf(k, 50, *np.exp(x)).sum()

    theirs = minimize(loss, [1.0, 1.0], method="Nelder-Mead")
    a, b = np.exp(theirs.x)
    g = fit_beta_mixture(k, 50, components=1)
    assert g.log_likelihood == pytest.approx(-theirs.fun, abs=0.05)  # a sum over the grid against an integral
    np.testing.assert_allclose(np.cumsum(g.prior), beta.cdf(g.grid + 0.0025, a, b), atol=1e-3)
    two = fit_beta_mixture(k, 50)
    assert two.log_likelihood > g.log_likelihood - 1e-3 and two.converged


def test_draws_follow_the_posterior_of_each_class():
    k, n = np.array([3, 45, 3, 9, 0]), np.array([50, 50, 50, 10, 0])
    g = fit_g(resnet50, 50)
    draws = posterior_draws(k, n, g, 20_000, rng())
    assert draws.shape == (20_000, 4)
    for c in range(4):
        posterior = g.prior * binom.pmf(k[c], n[c], g.grid)
        posterior /= posterior.sum()
        assert draws[:, c].mean() == pytest.approx(g.grid @ posterior, abs=0.004)
        edge = g.grid[np.searchsorted(np.cumsum(posterior), 0.5)] + 0.0025
        assert (draws[:, c] < edge).mean() == pytest.approx(posterior[g.grid < edge].sum(), abs=0.02)
    assert abs(np.corrcoef(draws[:, 0], draws[:, 2])[0, 1]) < 0.03  # same posterior, drawn independently


def test_crossfit_equals_a_split_of_items():
    k, n, q = np.array([1, 2, 3, 5, 5]), np.array([4, 5, 6, 6, 9]), 2
    random, reads = rng(), []
    for _ in range(4000):
        a_right = np.array([random.permutation(np.arange(m) < c)[: m // 2].sum() for c, m in zip(k, n, strict=True)])
        a, b = a_right / (n // 2), (k - a_right) / (n - n // 2)
        for pick, read in ((a, b), (b, a)):
            reads.append(read[np.lexsort((random.random(5), pick))[:q]].mean())
    error = np.std(reads) / np.sqrt(4000)
    assert worst_q_crossfit(k, n, q, rng(1), R=4000).mean == pytest.approx(np.mean(reads), abs=4 * error)


@given(arrays(float, st.tuples(st.integers(1, 4), st.integers(3, 40)), elements=st.floats(0, 1)), st.integers(1, 3))
def test_tail_functionals_equal_the_plain_way(p, q):
    expected = [
        [
            np.sort(row)[:q].mean(),
            percentile_as_coded(row, 5),
            percentile_as_coded(row, 10),
            row.min(),
            (row < 0.5).sum(),
        ]
        for row in p
    ]
    np.testing.assert_allclose(tail_functionals(p, q), expected)
    assert len(TAIL) == len(expected[0])


# ------------------------------------------------------------------------------------------- properties and ends


@settings(max_examples=15, deadline=None)
@given(arrays(int, 12, elements=st.integers(0, 9)), st.permutations(range(12)))
def test_names_of_classes_do_not_matter(k, order):
    n, order = np.arange(9, 21), np.array(order)
    assert worst_q_plugin(k, n, 3) == pytest.approx(worst_q_plugin(k[order], n[order], 3))
    np.testing.assert_allclose(fit_g(k, n).prior, fit_g(k[order], n[order]).prior, atol=1e-6)
    np.testing.assert_array_equal(eb_list(k, n, 0.5, 0.1)[order], eb_list(k[order], n[order], 0.5, 0.1))
    a, b = (worst_q_crossfit(*kn, 3, rng(), R=400) for kn in ((k, n), (k[order], n[order])))
    assert abs(a.mean - b.mean) < 0.03


def test_a_model_does_not_depend_on_its_company():
    k = np.stack([resnet50, 50 - resnet50])
    together = functional_interval(k, 50, tail50, rng=rng(), refits=3)
    alone = functional_interval(k[0], 50, tail50, rng=rng(), refits=3)
    np.testing.assert_allclose(np.array(together)[:, 0], np.array(alone), atol=1e-6)
    assert together.mean.shape == (2, 5) and alone.mean.shape == (5,)
    again = functional_interval(k, 50, tail50, rng=rng(), refits=3)
    np.testing.assert_array_equal(np.array(together), np.array(again))


@pytest.mark.parametrize(
    ("k", "n"),
    [
        ([3, 5, 8, 0], [4, 9, 30, 5]),  # unequal n
        ([0, 1, 1, 4], [1, 1, 1, 4]),  # classes of one item
        ([0, 5, 5, 0], [0, 10, 10, 0]),  # classes without items, the rest tied
        ([0, 0, 0], 10),  # all wrong
        ([10, 10, 10], 10),  # all right
        ([3], 10),  # one class
        ([[3, 4], [4, 3]], 10),  # two models
        ([20_000, 19_000, 10], 20_000),  # posteriors narrower than a cell
    ],
)
def test_extreme_inputs_are_finite(k, n):
    k = np.array(k)
    n_each = np.broadcast_to(n, k.shape[-1:])
    fit = functional_interval(k, n, lambda p: tail_functionals(p, 1), rng=rng(), refits=3)
    results = [worst_q_plugin(k, n, 1), *fit, fit_g(k, n).prior]
    assert (fit.low <= fit.mean + 1e-12).all() and (fit.mean <= fit.high + 1e-12).all()
    if (n_each >= 4).any():
        results += worst_q_crossfit(k, n, 1, rng(), R=3)
    if (n_each > 0).sum() > 1:
        results += homogeneity(k, n)
    if k.ndim == 1:
        mixture = fit_beta_mixture(k, n)
        results += [mixture.prior, posterior_draws(k, n, mixture, 5, rng()), eb_list(k, n, 0.5, 0.05)]
    assert all(np.isfinite(result).all() for result in results)


def test_no_noise_means_nothing_to_correct():
    for right, value in ((50, 1.0), (0, 0.0)):
        fit = worst_q_crossfit([right] * 20, 50, 5, rng(), R=2)
        assert (fit.mean, fit.low, fit.high, fit.se) == (value, value, value, 0)


def test_absent_classes_are_left_out():
    with_absent, n = np.append(resnet50, [0, 0]), np.append(np.full(1000, 50), [0, 0])
    np.testing.assert_allclose(fit_g(with_absent, n).prior, fit_g(resnet50, 50).prior, atol=1e-6)
    named = eb_list(with_absent, n, 0.5, 0.05)
    assert named.shape == (1002,) and not named[-2:].any()
    np.testing.assert_allclose(
        np.array(functional_interval(with_absent, n, tail50, rng=rng(), refits=2)),
        np.array(functional_interval(resnet50, 50, tail50, rng=rng(), refits=2)),
        atol=1e-6,
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: worst_q_plugin([1, 2], 5, 3), "q is 3; expected 1 to"),
        (lambda: worst_q_plugin([6, 2], 5, 1), "k = 6 with n = 5"),
        (lambda: worst_q_plugin([0, 0], [0, 0], 1), "no class has an item"),
        (lambda: worst_q_plugin([[1, 2], [1, 2]], [[5, 5], [5, 6]], 1), "n differs between the models"),
        (lambda: worst_q_crossfit([1, 2], 3, 1, rng()), "can be used, 0"),
        (lambda: tail_functionals(np.ones(3), 0), "q is 0"),
        (lambda: percentile_as_coded([np.nan, np.nan], 5), "no class has an accuracy"),
        (lambda: fit_g([1, 2], 5, df=2), "df is 2"),
        (lambda: fit_beta_mixture([1, 2], 5, components=3), "components is 3"),
        (lambda: fit_beta_mixture([[1, 2]], 5), "expected the counts of one model"),
        (lambda: posterior_draws([1, 2], 5, fit_g([[1, 2], [1, 2]], 5), 2, rng()), "expected that of one model"),
        (lambda: fit_test([1, 2], 5, fit_g([1, 2], 5), 2), "1 bins for 2 parameters"),
        (lambda: functional_interval([1, 2], 5, tail50, rng=rng(), level=1.5), "level is 1.5"),
        (lambda: null_extremes(0, 0.5, 3, rng()), "expected integers of at least 1"),
        (lambda: null_extremes(5, 1.5, 3, rng()), "p is 1.5"),
        (lambda: null_extremes(5, 0.5, 3, rng()), "q is 50"),
        (lambda: homogeneity([3], 5), "expected at least 2"),
    ],
)
def test_wrong_arguments_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_class_more_likely_not_weak_is_not_named_however_many_are():
    k = np.array([0] * 150 + [28] * 5)
    named = extremes.eb_list(k, 50, 0.5, 0.05)
    assert named[:150].all() and not named[150:].any()
