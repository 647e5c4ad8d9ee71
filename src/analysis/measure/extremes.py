"""The lowest class accuracies, without the winner's curse: what the worst classes are once item noise is taken off.

The lowest of many noisy estimates lies below the truth. `worst_q_plugin` shows that naive figure and
`worst_q_crossfit` errs the other way, so the two bracket the truth in expectation. The estimate of choice draws the
whole vector of true class accuracies from its posterior under a fitted prior and takes the extreme of each draw
(`functional_interval`); never take it of posterior means, which vary less than the truth (Shen & Louis, JRSSB 60,
1998). Never bootstrap a plug-in extreme: that adds the noise a second time. `null_extremes` says what pure noise gives.

Throughout, `k` (classes,) or (models, classes) and `n` (classes,) or one int are integer counts of right and of all
items; accuracies are fractions. The models share `n`. Classes without items are left out everywhere.
ValueError says what was found where counts are not 0 <= k <= n, or q is not between 1 and the number of classes.
"""

import warnings
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.interpolate import BSpline
from scipy.optimize import minimize
from scipy.special import betainc, betaln, expit, log_expit, logit
from scipy.stats import binom, chi2

from .accuracy import checked_counts

TAIL = ("worst_q", "p5", "p10", "minimum", "below")  # what tail_functionals returns, in this order

# Cells of equal width on (0, 1): thresholds that are multiples of 1/200 fall on an edge, and a cell is narrower than
# the posterior of a class of up to a few thousand items.
POINTS = 200
_EDGES = np.linspace(0, 1, POINTS + 1)
_GRID = (_EDGES[1:] + _EDGES[:-1]) / 2


class Interval(NamedTuple):
    """Mean and the two ends of an interval; arrays of one shape (or floats)."""

    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray


class CrossFit(NamedTuple):
    """Cross-fitted mean with its interval and the standard error `se` behind it; arrays (models,), or floats."""

    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    se: np.ndarray


class ChiSquare(NamedTuple):
    """A chi-square statistic with its degrees of freedom and p-value; floats, or arrays (models,)."""

    statistic: np.ndarray
    df: int
    p_value: np.ndarray


FLAT = 1e-4  # a fit with no steeper slope per class has converged


@dataclass(frozen=True)
class G:
    """A prior of class accuracy: a weight for each cell of a grid on (0, 1).

    `grid` (points,) mid-points of the cells; `prior` (..., points), sums to 1; `log_likelihood` (...) of the counts;
    `gradient` (...) steepest slope left in what was maximised, per class: 0 at a stationary point.
    """

    grid: np.ndarray
    prior: np.ndarray
    log_likelihood: np.ndarray
    gradient: np.ndarray

    @property
    def converged(self):
        return self.gradient < FLAT


# ---------------------------------------------------------------------------------------------- order statistics


def percentile_as_coded(accuracy, q):
    """The paper's p5 and p10: the class accuracy nearest to the percentile, never a value between two classes.

    `accuracy` (..., classes) fractions, NaN = no items, left out; `q` in per cent. The published tables use
    `np.percentile(accuracy, q, method="closest_observation")`, which takes the 1st of 20 classes for p5, the 2nd for
    p10; the 50th and the 100th of 1000. Raises ValueError if no class has items.

    >>> float(percentile_as_coded([0.4, 0.1, 0.3, 0.2], 50))
    0.2
    """
    accuracy = np.asarray(accuracy, dtype=float)
    if np.isnan(accuracy).all(-1).any():
        raise ValueError(f"no class has an accuracy among {accuracy.shape[-1]}; expected at least one")
    return np.nanpercentile(accuracy, q, axis=-1, method="closest_observation")


def tail_functionals(p, q, t=0.5):
    """Mean of the q lowest, p5, p10 (as coded in the paper), minimum, and number below t, of each vector.

    `p` (..., classes) accuracies, none NaN. Returns (..., 5) in the order of TAIL.

    >>> tail_functionals(np.array([0.9, 0.2, 0.4, 0.8]), 2).round(3).tolist()
    [0.3, 0.2, 0.2, 0.2, 2.0]
    """
    p = np.asarray(p)
    classes = p.shape[-1]
    _check_q(q, classes)
    p5, p10 = (int(percentile_as_coded(np.arange(classes), percent)) for percent in (5, 10))
    last = max(q, p10 + 1)
    # One partition keeps the few lowest; sorting these is cheap, sorting all classes of every draw is not.
    low = np.sort(np.partition(p, last - 1)[..., :last])
    return np.stack([low[..., :q].mean(-1), low[..., p5], low[..., p10], low[..., 0], (p < t).sum(-1)], axis=-1)


def worst_q_plugin(k, n, q):
    """Mean accuracy of the q classes that came out lowest, read on the same items: biased DOWN.

    Returns (models,), or a float for one model.

    >>> float(worst_q_plugin([9, 2, 4, 8, 0], [10, 10, 10, 10, 0], 2).round(3))
    0.3
    """
    k, n = _with_items(k, n)
    _check_q(q, len(n))
    return np.partition(k / n, q - 1)[..., :q].mean(-1)


def worst_q_crossfit(k, n, q, rng, R=200):
    """Mean accuracy of the q classes lowest on one half of the items, read on the other half: biased UP.

    Parameters
    ----------
    k, n, q : see the module
    rng : numpy Generator
    R : int, random splits; each is used in both directions and the results are averaged

    Returns
    -------
    CrossFit. The estimand of one split is the true mean accuracy of the classes it selects, never below that of the
    truly worst q. `se` is that of reading ONE split, sqrt(sum a(1-a)/(m-1))/q with a on the reading half of m items,
    its square averaged over splits and directions. The average over splits varies less than one split, hence the
    interval mean +- 1.96 se is conservative.

    Raises
    ------
    ValueError : see the module

    Notes
    -----
    Only counts are needed: half A of a class is Hypergeom(k, n - k, n // 2). Ties at the cut are broken at random.
    Classes with fewer than 4 items are left out, since a half of 1 item has no variance to report.

    Examples
    --------
    Two classes always right, two always wrong: no noise, so nothing to correct.

    >>> fit = worst_q_crossfit([10, 0, 10, 0], 10, 2, np.random.default_rng(0), R=5)
    >>> float(fit.mean), float(fit.se)
    (0.0, 0.0)
    """
    k, n = _with_items(k, n, least=4)
    _check_q(q, len(n))
    half = n // 2
    reads, squares = np.zeros((2, *k.shape[:-1]))
    for _ in range(R):  # one split at a time bounds the memory; all models go through it together
        k_half = rng.hypergeometric(k, n - k, half)
        sides = (k_half, half), (k - k_half, n - half)
        for (k_pick, n_pick), (k_read, n_read) in (sides, sides[::-1]):
            # 1e-9 is below any gap between two different fractions of these counts: it decides ties only.
            order = k_pick / n_pick + 1e-9 * rng.random(k.shape)
            worst = np.argpartition(order, q - 1)[..., :q]
            m = n_read[worst]
            a = np.take_along_axis(k_read, worst, axis=-1) / m
            reads += a.mean(-1)
            squares += (a * (1 - a) / (m - 1)).sum(-1) / q**2
    mean, se = reads / (2 * R), np.sqrt(squares / (2 * R))
    return CrossFit(mean, mean - 1.96 * se, mean + 1.96 * se, se)


# --------------------------------------------------------------------------------------------------------- priors


def fit_g(k, n, df=8, c0=0.1):
    """Fit the prior of class accuracy as a smooth density: log g = spline, penalised likelihood (Efron's g-model).

    Parameters
    ----------
    k : (..., classes); every vector gets a fit of its own, all at once
    n : (classes,) or int
    df : int of at least 3, columns of the cubic B-spline basis, knots evenly spaced on (0, 1)
    c0 : float >= 0, penalty c0 ||alpha||. The columns are orthonormal on the grid and orthogonal to the constant,
        hence ||alpha|| is the norm of log g less its mean, whatever basis spans the splines.

    Returns
    -------
    G, with `prior` (..., points)

    Raises
    ------
    ValueError : see the module

    Notes
    -----
    Efron, Biometrika 103 (2016); Narasimhan & Efron, JSS 94 (2020), whose deconvolveR takes natural splines with
    columns of unit length: log g is then linear at the ends, and p10 was more biased on simulated classes (.007
    against .003). Newton steps with the exact Hessian; the likelihood is not concave, so negative eigenvalues are
    turned positive.

    Examples
    --------
    >>> g = fit_g([10, 25, 25, 40], 50)
    >>> round(float(g.grid @ g.prior), 3), bool(g.converged)  # the counts are symmetric about one half
    (0.5, True)
    """
    k, n = _with_items(k, n)
    basis = _basis(df)
    rows = k.reshape(-1, len(n))
    # Newton holds df numbers for each vector and pair; the distinct (k, n) of a chunk are at most `pairs`.
    pairs = int((np.unique(n) + 1).sum())
    step = max(1, 3_000_000 // (df * min(pairs, rows.size)))
    priors, log_likelihoods, slopes = [], [], []
    for i in range(0, len(rows), step):
        like, group = _likelihood(rows[i : i + step], n)
        alpha, log_likelihood, slope = _fit_weights(_weights(group, len(like)), like, basis, c0)
        priors.append(_softmax(alpha, basis))
        log_likelihoods.append(log_likelihood)
        slopes.append(slope)
    log_likelihood, slope = (np.concatenate(part).reshape(k.shape[:-1]) for part in (log_likelihoods, slopes))
    return G(_GRID, np.concatenate(priors).reshape(*k.shape[:-1], POINTS), log_likelihood, slope)


def fit_beta_mixture(k, n, components=2):
    """Fit the prior of one model as a mixture of beta densities: two for a sensitivity line, one = beta-binomial.

    `k`, `n` (classes,). Maximum likelihood by L-BFGS-B from three starts, the means and sizes a + b kept within wide
    bounds. Returns G, usable wherever that of `fit_g` is. Name the beta-binomial only if its `fit_test` passes
    (2 parameters): a wrong prior is worse than none. Raises ValueError unless components is 1 or 2.

    >>> g = fit_beta_mixture([2, 5, 5, 8], 10, components=1)
    >>> abs(float(g.grid @ g.prior) - 0.5) < 0.01
    True
    """
    if components not in (1, 2):
        raise ValueError(f"components is {components}; expected 1 or 2")
    k, n = _one_model(k, n)
    (pair_k, pair_n), weight = np.unique(np.stack([k, n]), axis=1, return_counts=True)

    def shapes(x):  # x = logit of each mean, log of each a + b, logit of the weight of the first component
        mean, size = expit(x[:components, None]), np.exp(x[components : 2 * components, None])
        log_share = log_expit([[x[-1]], [-x[-1]]]) if components == 2 else np.zeros((1, 1))
        return mean * size, (1 - mean) * size, log_share

    def loss(x):  # per class, so that its slope has the same scale for any number of classes
        a, b, log_share = shapes(x)
        each = log_share + betaln(pair_k + a, pair_n - pair_k + b) - betaln(a, b)
        return -(weight @ np.logaddexp.reduce(each)) / weight.sum()

    middle = logit(np.clip(k.sum() / n.sum(), 0.02, 0.98))
    starts = [[middle, 2.0]]
    if components == 2:  # two equal groups near each other, a fifth well below the rest, a twentieth far below
        starts = [[middle - d, middle + d / 4, 2, 2, w] for d, w in ((0.3, 0.0), (1.0, -1.5), (2.0, -3.0))]
    bounds = [(-6, 6)] * components + [(-1, 8)] * components + [(-6, 6)] * (components - 1)
    how = dict(method="L-BFGS-B", jac="3-point", bounds=bounds, options={"ftol": 1e-13, "gtol": 1e-7})
    fits = [minimize(loss, start, **how) for start in starts]
    best = min(fits, key=lambda fit: fit.fun)
    # At a bound only the slope that points inwards counts.
    slope = best.x - np.clip(best.x - best.jac, *np.transpose(bounds))
    a, b, log_share = shapes(best.x)
    prior = (np.exp(log_share) * np.diff(betainc(a, b, _EDGES))).sum(0)
    like, group = _likelihood(k, n)
    return G(_GRID, prior, np.log(like @ prior)[group].sum(), np.abs(slope).max())


def fit_test(k, n, g, parameters):
    """Chi-square test of a prior fitted to one model: observed and expected number of classes with each count k.

    `k`, `n` (classes,); neighbouring counts are joined until 5 classes are expected; df = bins - 1 - parameters.
    Conservative where classes differ in n. Raises ValueError if no degree of freedom is left.

    >>> k = np.random.default_rng(0).binomial(20, 0.5, 400)
    >>> bool(fit_test(k, 20, fit_beta_mixture(k, 20, components=1), 2).p_value > 0.01)
    True
    """
    k, n = _one_model(k, n, g)
    sizes, many = np.unique(n, return_counts=True)
    values = np.arange(sizes[-1] + 1)
    expected = many @ np.array([g.prior @ binom.pmf(values, size, g.grid[:, None]) for size in sizes])
    observed = np.bincount(k, minlength=len(values))
    starts, joined, left = [0], 0.0, expected.sum()
    for value, here in enumerate(expected):
        if joined >= 5 and left >= 5:
            starts.append(value)
            joined = 0.0
        joined, left = joined + here, left - here
    df = len(starts) - 1 - parameters
    if df < 1:
        raise ValueError(f"{len(starts)} bins for {parameters} parameters; expected at least {parameters + 2} bins")
    observed, expected = np.add.reduceat(observed, starts), np.add.reduceat(expected, starts)
    statistic = ((observed - expected) ** 2 / expected).sum()
    return ChiSquare(statistic, df, chi2.sf(statistic, df))


# ------------------------------------------------------------------------------------------------- posterior draws


def posterior_draws(k, n, g, D, rng):
    """Draw the whole vector of true class accuracies from its posterior, D times, for one model.

    `k`, `n` (classes,), `g` a prior without leading axes, `rng` a numpy Generator. Returns (D, classes with items).
    A draw is a cell of the grid by the inverse of the posterior's distribution function, then uniform within the cell:
    the width of 1/200 adds a standard deviation of 0.0014.

    >>> g = fit_beta_mixture([2, 5, 5, 8], 10)
    >>> posterior_draws([10, 0], 10, g, 3, np.random.default_rng(0)).shape
    (3, 2)
    """
    k, n = _one_model(k, n, g)
    like, group = _likelihood(k, n)
    return _draw(_posterior_cdf(like, g.prior), group, D, rng)


def functional_interval(k, n, T, *, rng, refits=100, draws=20, df=8, c0=0.1, level=0.95):
    """Estimate functionals of the true class accuracies, with intervals that include the fit of the prior.

    Parameters
    ----------
    k, n, df, c0 : as `fit_g`; `k` (classes,) or (models, classes)
    T : function of an array (..., classes) of accuracies in (0, 1) that returns (..., functionals), for example
        `lambda p: tail_functionals(p, 50)`; the classes are those with items, in order
    rng : numpy Generator; model i has its own stream, whatever the other models are
    refits, draws : int, fits of the prior on resampled classes, and draws under each
    level : float in (0, 1)

    Returns
    -------
    Interval of arrays (functionals,) or (models, functionals): mean and central quantiles over all draws.

    Raises
    ------
    ValueError : see the module

    Warns
    -----
    RuntimeWarning : a fit stopped before its slope vanished

    Notes
    -----
    Estimand: these classes, fresh items. Laird & Louis, JASA 82 (1987): the prior is refitted on resampled classes,
    the draws are from the posterior of the original counts. Simulated coverage of a nominal 95%: .91 to 1.00 over the
    five tail functionals and three truths (100 sets each of 1000 classes of 50 items, 25 refits).

    Examples
    --------
    >>> mean = functional_interval([45, 40, 10], 50, lambda p: p[..., :1], rng=np.random.default_rng(0)).mean
    >>> bool(0.7 < mean[0] < 0.95)
    True
    """
    k, n = _with_items(k, n)
    if not 0 < level < 1:
        raise ValueError(f"level is {level}; expected between 0 and 1, both excluded")
    rows = k.reshape(-1, len(n))
    basis = _basis(df)
    ends = (1 - level) / 2, (1 + level) / 2
    results, stuck = [], 0
    for row, stream in zip(rows, rng.spawn(len(rows)), strict=True):
        like, group = _likelihood(row, n)
        weight = _weights(group[None], len(like))
        # Resampling classes is a multinomial draw of the weights of the pairs; each refit starts where the fit ended.
        again = stream.multinomial(len(n), weight[0] / len(n), size=refits).astype(float)
        start = np.repeat(_fit_weights(weight, like, basis, c0)[0], refits, axis=0)
        alpha, _, slope = _fit_weights(again, like, basis, c0, start)
        stuck += (slope >= FLAT).sum()
        cdfs = (_posterior_cdf(like, prior) for prior in _softmax(alpha, basis))
        values = np.concatenate([T(_draw(cdf, group, draws, stream)) for cdf in cdfs])
        results.append([values.mean(0), *np.quantile(values, ends, axis=0)])
    if stuck:
        warnings.warn(f"{stuck} of {len(rows) * refits} refits of the prior did not converge", RuntimeWarning, 2)
    mean, low, high = np.moveaxis(np.array(results), 1, 0).reshape(3, *k.shape[:-1], -1)
    return Interval(mean, low, high)


def eb_list(k, n, t, q, g=None):
    """Name the classes of one model with accuracy below t: the largest list with an expected share q of errors.

    `k`, `n` (classes,) with or without items; `g` a prior, by default `fit_g(k, n)`. Returns (classes,) bool: the
    largest set whose mean posterior probability of accuracy >= t is at most q, classes of equal probability together.
    A class that is more likely not below t is never named, though the mean of a long list would bear it, nor is one
    without items.

    >>> k = [1] * 20 + [45] * 80
    >>> int(eb_list(k, 50, 0.5, 0.05).sum())
    20
    """
    present = checked_counts(k, n)[1] > 0
    k, n = _one_model(k, n, g)
    g = fit_g(k, n) if g is None else g
    like, group = _likelihood(k, n)
    cdf = np.column_stack([np.zeros(len(like)), _posterior_cdf(like, g.prior)])
    strong = 1 - np.array([np.interp(t, _EDGES, row) for row in cdf])[group]
    values, many = np.unique(strong, return_counts=True)
    good = (np.cumsum(values * many) <= q * np.cumsum(many)) & (values <= 0.5)
    named = np.zeros(len(present), dtype=bool)
    named[present] = strong <= (values[good][-1] if good.any() else -1)
    return named


# ----------------------------------------------------------------------------------------------- equal difficulty


def null_extremes(n, p, K, rng, draws=4000, q=50, t=0.5):
    """What the extremes look like if all K classes are equally hard: pure noise, to be printed beside a measured one.

    Parameters
    ----------
    n : int, or (K,) integers, items of each class, at least 1
    p : float in [0, 1], the accuracy of every class
    K, q : int, classes, and size of the worst set
    rng : numpy Generator
    draws : int, simulated test sets
    t : float, threshold

    Returns
    -------
    dict of Interval (expectation, 2.5% and 97.5% quantile; floats) for the names of TAIL and for "range".
    The expectations of "minimum" and "below" are exact, the rest is simulated.

    Raises
    ------
    ValueError : p outside [0, 1], n below 1 or not of length K, or q not between 1 and K

    Examples
    --------
    >>> null = null_extremes(1, 0.5, 2, np.random.default_rng(0), q=1)
    >>> float(null["minimum"].mean), float(null["below"].mean)
    (0.25, 1.0)
    """
    sizes = _null_sizes(n, p, K)
    accuracy = rng.binomial(sizes, p, size=(draws, K)) / sizes
    tail = tail_functionals(accuracy, q, t)
    simulated = dict(zip(TAIL, tail.T, strict=True)) | {"range": accuracy.max(-1) - accuracy.min(-1)}
    null = {name: Interval(x.mean(), *np.quantile(x, (0.025, 0.975))) for name, x in simulated.items()}
    # E[X] = integral of P(X > x) for X >= 0; between two fractions that can occur, P does not change.
    size, many = np.unique(sizes, return_counts=True)
    steps = np.unique(np.concatenate([np.arange(s + 1) / s for s in size]))
    above = 1 - null_minimum_cdf(steps[:-1], n, p, K)
    highest = np.array([(np.arange(s + 1) / s < t).sum() - 1 for s in size])  # largest count that is below t
    null["minimum"] = null["minimum"]._replace(mean=np.diff(steps) @ above)
    null["below"] = null["below"]._replace(mean=many @ binom.cdf(highest, size, p))
    return null


def null_minimum_cdf(x, n, p, K):
    """P(lowest class accuracy <= x) if all K classes have accuracy p: the p-value of an observed minimum x.

    `x` fractions, any shape; `n`, `p`, `K` and errors as `null_extremes`. Returns the shape of `x`.

    >>> float(null_minimum_cdf(0, 1, 0.5, 2))
    0.75
    """
    x = np.asarray(x, dtype=float)
    log_above = np.zeros(x.shape)
    for size, many in zip(*np.unique(_null_sizes(n, p, K), return_counts=True), strict=True):
        table = binom.logsf(np.arange(-1, size + 1), size, p)
        # x * size may fall just short of the count that x was made of.
        log_above += many * table[np.clip(np.floor(x * size + 1e-9), -1, size).astype(int) + 1]
    return -np.expm1(log_above)


def homogeneity(k, n):
    """Chi-square test that all classes of a model are equally hard: sum (k - np)^2 / (np(1-p)), df = classes - 1.

    `k` (..., classes), `n` (classes,) or int. Returns ChiSquare of arrays (...). All right or all wrong: statistic 0,
    p-value 1. Rejection is nearly automatic: report the size of the extremes against `null_extremes` beside it.
    Raises ValueError below two classes with items.

    >>> round(float(homogeneity([4, 6], 10).statistic), 3)
    0.8
    """
    k, n = _with_items(k, n)
    if len(n) < 2:
        raise ValueError(f"{len(n)} class with items; expected at least 2")
    p = k.sum(-1, keepdims=True) / n.sum()
    spread = n * p * (1 - p)
    statistic = np.divide((k - n * p) ** 2, spread, out=np.zeros(k.shape), where=spread > 0).sum(-1)
    return ChiSquare(statistic, len(n) - 1, chi2.sf(statistic, len(n) - 1))


# ---------------------------------------------------------------------------------------------------------- inside


def _with_items(k, n, least=1):
    """Checked counts without the classes below `least` items; `n` comes back as (classes,)."""
    k, n = checked_counts(np.atleast_1d(k), n, some_items=True)
    if (n != n.reshape(-1, n.shape[-1])[0]).any():
        raise ValueError("n differs between the models; expected one number of items per class, shared by all models")
    n = n.reshape(-1, n.shape[-1])[0]
    keep = n >= least
    return k[..., keep], n[keep]


def _one_model(k, n, g=None):
    if np.ndim(k) != 1:
        raise ValueError(f"k has shape {np.shape(k)}; expected the counts of one model, (classes,)")
    if g is not None and g.prior.ndim != 1:
        raise ValueError(f"g holds priors of shape {g.prior.shape}; expected that of one model, (points,)")
    return _with_items(k, n)


def _check_q(q, classes):
    if not 1 <= q <= classes:
        raise ValueError(f"q is {q}; expected 1 to the number of classes that can be used, {classes}")


def _null_sizes(n, p, K):
    if not 0 <= p <= 1:
        raise ValueError(f"p is {p}; expected 0 to 1")
    n = np.asarray(n)
    if n.shape not in ((), (K,)) or n.dtype.kind not in "iu" or (n < 1).any():
        raise ValueError(f"n is {n.dtype} of shape {n.shape}; expected integers of at least 1, one or {K}")
    return np.broadcast_to(n, (K,))


def _basis(df):
    """Cubic splines on the grid (points, df): orthonormal columns, each orthogonal to the constant."""
    if not 3 <= df < POINTS:
        raise ValueError(f"df is {df}; expected 3 to {POINTS - 1}")
    knots = np.concatenate([[0, 0, 0], np.linspace(0, 1, df - 1), [1, 1, 1]])
    splines = BSpline.design_matrix(_GRID, knots, 3).toarray()
    # The df + 1 B-splines sum to 1, so the constant may take the place of one of them.
    return np.linalg.qr(np.column_stack([np.ones(POINTS), splines[:, 1:]]))[0][:, 1:]


def _likelihood(k, n):
    """Binomial likelihood (pairs, points) of each distinct (k, n), and the pair of each entry of `k`.

    Classes with the same (k, n) share a likelihood and a posterior; with equal n there are at most n + 1 of them.
    """
    code, group = np.unique(k * (n.max() + 1) + n, return_inverse=True)
    pair_k, pair_n = np.divmod(code[:, None], n.max() + 1)
    return binom.pmf(pair_k, pair_n, _GRID), group.reshape(k.shape)


def _weights(group, pairs):
    """How many classes of each vector (fits, classes) have each pair: (fits, pairs)."""
    return np.array([np.bincount(row, minlength=pairs) for row in group], dtype=float)


def _softmax(alpha, basis):
    log = alpha @ basis.T
    g = np.exp(log - log.max(-1, keepdims=True))
    return g / g.sum(-1, keepdims=True)


def _norm(alpha):
    # The norm has no derivative at 0, the optimum for very few classes: round its tip off.
    return np.sqrt((alpha**2).sum(-1) + 1e-6)


def _marginal(g, like):
    return np.maximum(g @ like.T, 1e-300)  # far off on a line search the probability of a count may underflow


def _log_likelihood(alpha, weight, like, basis):
    return (weight * np.log(_marginal(_softmax(alpha, basis), like))).sum(-1)


def _derivatives(alpha, weight, like, basis, c0):
    """Gradient (fits, df) and minus the Hessian (fits, df, df) of the penalised log-likelihood."""
    fits, df = alpha.shape
    g = _softmax(alpha, basis)
    f = _marginal(g, like)
    total = weight.sum(-1, keepdims=True)
    norm = _norm(alpha)[:, None]
    # Classes expected at each point a posteriori, less those expected a priori.
    excess = g * (weight / f @ like - total)
    gradient = excess @ basis - c0 * alpha / norm
    # Prior covariance of the basis, less the posterior covariance of each class, plus the penalty.
    means = ((g[:, None, :] * basis.T).reshape(-1, POINTS) @ like.T).reshape(fits, df, -1)
    prior_mean = g @ basis
    curve = (means * (weight / f**2)[:, None, :]) @ means.transpose(0, 2, 1)
    curve -= (excess @ (basis[:, :, None] * basis[:, None, :]).reshape(POINTS, -1)).reshape(curve.shape)
    curve -= total[:, :, None] * prior_mean[:, :, None] * prior_mean[:, None, :]
    curve += c0 * (np.eye(df) - alpha[:, :, None] * alpha[:, None, :] / norm[:, :, None] ** 2) / norm[:, :, None]
    return gradient, curve


def _fit_weights(weight, like, basis, c0, start=None):
    """Maximise sum_pairs weight log(like @ g) - c0 ||alpha|| for every row of `weight` (fits, pairs) at once.

    Returns alpha (fits, df), the log-likelihood and the steepest slope per class (fits,).
    """

    def objective(alpha, weight):
        return _log_likelihood(alpha, weight, like, basis) - c0 * _norm(alpha)

    alpha = np.zeros((len(weight), basis.shape[1])) if start is None else start.copy()
    total = weight.sum(-1)
    slope = np.empty(len(weight))
    live = np.arange(len(weight))
    for _ in range(100):
        gradient, curve = _derivatives(alpha[live], weight[live], like, basis, c0)
        slope[live] = np.abs(gradient).max(-1) / total[live]
        rising = slope[live] > 1e-8
        live, gradient, curve = live[rising], gradient[rising], curve[rising]
        if not len(live):
            break
        root, axes = np.linalg.eigh(curve)
        root = np.maximum(np.abs(root), 1e-9 * total[live, None])
        step = (axes @ (np.einsum("fji,fj->fi", axes, gradient) / root)[:, :, None])[:, :, 0]
        climb = (step * gradient).sum(-1)
        here, size = objective(alpha[live], weight[live]), np.ones(len(live))
        for _ in range(40):
            short = objective(alpha[live] + size[:, None] * step, weight[live]) < here + 1e-4 * size * climb
            if not short.any():
                break
            size[short] /= 2
        # Where no step gains more than rounding, the top is reached: such a fit stays where it is.
        alpha[live] += np.where(short, 0, size)[:, None] * step
        live = live[~short]
        if not len(live):
            break
    return alpha, _log_likelihood(alpha, weight, like, basis), slope


def _posterior_cdf(like, prior):
    """Posterior distribution function of each pair at the upper edge of each cell: (pairs, points)."""
    cdf = np.cumsum(like * prior, axis=-1)
    return cdf / cdf[:, -1:]


def _draw(cdf, group, draws, rng):
    """Draw (draws, classes) accuracies; `group` (classes,) is the row of `cdf` of each class."""
    # Row r of the functions shifted by r makes one increasing sequence: a single search serves every class.
    ladder = (cdf + np.arange(len(cdf))[:, None]).ravel()
    cell = np.searchsorted(ladder, rng.random((draws, len(group))) + group) - group * POINTS
    # Adding the row may round a number up to the next one.
    return (np.clip(cell, 0, POINTS - 1) + rng.random(cell.shape)) / POINTS
