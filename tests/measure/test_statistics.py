"""Twelve statements that the measures must hold (T1 to T12), and for each the faults that must not pass unseen.

`check_T3` and its like run the functions of the package. A fault is put into those functions themselves: a line of one
is changed (`edit`), or the whole is exchanged for a rival that somebody might write in good faith (`instead`), wherever
the package has a name for it. The check must then fail, by an assertion, and by the one whose words are given: a crash,
or a failure for another reason, would prove nothing.

Seeds are fixed. A limit that depends on chance stands beside its standard error, or is a multiple of one.
"""

import functools
import importlib
import inspect
import itertools
import pkgutil
import textwrap
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import binom, binomtest, chi2, false_discovery_control, norm
from statsmodels.stats.contingency_tables import mcnemar

import analysis.measure
from analysis.measure import (
    accuracy,
    agreement,
    calibration,
    compare,
    consistency,
    extremes,
    instability,
    labels,
    overlap,
    ranks,
    scope,
    shift,
    split,
    weak,
)

MODULES = {
    info.name: importlib.import_module(f"analysis.measure.{info.name}")
    for info in pkgutil.iter_modules(analysis.measure.__path__)
}
PUBLIC = {
    f"{name}.{function.__name__}": function
    for name, module in MODULES.items()
    for function in vars(module).values()
    if inspect.isfunction(function) and function.__module__ == module.__name__ and not function.__name__.startswith("_")
}


def rng(*seed):
    return np.random.default_rng(seed)


def standard_error(values):
    return np.std(values, ddof=1) / np.sqrt(len(values))


@dataclass(frozen=True)
class Fault:
    """One wrong way: in which function, how, and the words of the assertion that must catch it."""

    test: str
    name: str
    where: Callable
    caught_by: str
    edit: tuple = ()  # a piece of its source, and what stands there instead
    instead: Callable | None = None

    def function(self):
        return self.instead or edited(self.where, *self.edit)


def edited(function, old, new):
    """`function` with one piece of its source changed; it sees the same module as the original."""
    source = textwrap.dedent(inspect.getsource(function))
    if source.count(old) != 1:
        raise LookupError(f"{function.__name__} has {source.count(old)} times {old!r}: write its fault anew")
    made = {}
    exec(compile(source.replace(old, new), f"<{function.__name__} with a fault>", "exec"), function.__globals__, made)
    return made[function.__name__]


def put_in(monkeypatch, original, faulty):
    """Exchange a function in every module of the measures that has a name for it."""
    for module in MODULES.values():
        for name, value in list(vars(module).items()):
            if value is original:
                monkeypatch.setattr(module, name, faulty)


# --------------------------------------------------------------------------------------------------- T1 intervals


def check_T1():
    """Exact coverage of the intervals of one class, the sum over all counts: no chance in it."""
    grid = np.linspace(0.005, 0.995, 199)
    for n in (10, 50):
        k = np.arange(n + 1)
        weight = binom.pmf(k, n, grid[:, None])

        def coverage(interval, k=k, n=n, weight=weight):
            low, high = interval(k, n)
            return (weight * ((low <= grid[:, None]) & (grid[:, None] <= high))).sum(-1)

        exact = coverage(accuracy.clopper)
        assert exact.min() >= 0.95, "Clopper-Pearson covers less than 95 %"
        assert exact.mean() < 0.99, "Clopper-Pearson is wider than it need be"
        for interval in (accuracy.wilson, accuracy.jeffreys):
            assert abs(coverage(interval).mean() - 0.95) <= 0.01, "mean coverage is not 95 %"


def wald(k, n, alpha=0.05):
    p = np.asarray(k) / n
    half = norm.ppf(1 - alpha / 2) * np.sqrt(p * (1 - p) / n)
    return p - half, p + half


# ------------------------------------------------------------------------------------------- T2 lists of weak classes

SETS_T2 = 200


@functools.cache
def lists_truth():
    """Per set 20 classes below one half and 180 exactly on it, the hardest case; 200 items: counts are not coarse."""
    p = np.repeat([0.35, 0.5], [20, 180])
    return p, rng(2).binomial(200, p, (SETS_T2, p.size))


def false_share(named, p, t=0.5):
    """Share of the named classes, one row a set, that are not below t; 0 where none is named."""
    return (named * (p >= t)).sum(-1) / np.maximum(named.sum(-1), 1)


def check_T2():
    """Realised false discoveries of the two lists are at most what is promised, up to two standard errors."""
    p, k = lists_truth()
    for method in (weak.bh_list, weak.by_list):
        named = method(k, 200, 0.5)
        share = false_share(named, p)
        assert share.mean() <= 0.05 + 2 * standard_error(share), "the adjusted list names too many strong classes"
        assert named[:, p < 0.5].mean() > 0.5, "the adjusted list names hardly any weak class"
    p = rng(21).beta(5.2, 1.65, (12, 1000))
    k = rng(22).binomial(50, p)
    named = np.array([extremes.eb_list(row, 50, 0.5, 0.05) for row in k])
    share = false_share(named, p)
    assert share.mean() <= 0.05 + 2 * standard_error(share), "the posterior list names too many strong classes"
    adjusted = weak.bh_list(k, 50, 0.5)
    assert named.sum() > 2 * adjusted.sum() > 0, "the posterior list names no more than the adjusted one"


def shortlisted(k, n, t, q=0.05):
    """Only the classes that came out below t are adjusted for."""
    named = np.zeros(np.shape(k), bool)
    for row, found in zip(k, named, strict=True):
        short = row < t * n
        found[short] = false_discovery_control(binom.cdf(row[short], n, t)) <= q
    return named


def unadjusted(k, n, t, q=0.05):
    return binom.cdf(k, n, t) <= q


def median_posterior(k, n, t, q, g=None):
    """Weak if more likely than not: what an error rate of q is not."""
    draws = extremes.posterior_draws(k, n, extremes.fit_g(k, n), 100, rng(23))
    return (draws < t).mean(0) > 0.5


# --------------------------------------------------------------------------------------------- T3 the worst classes

SETS_T3 = 16


@functools.cache
def worst_truth(kind):
    """Counts of 1000 classes of 50 items, and the true mean of the worst 50: a beta, or two with 6 % weak classes."""
    random, shape = rng(3), (SETS_T3, 1000)
    if kind == "beta":
        p = random.beta(5.2, 1.65, shape)
    else:
        p = np.where(random.random(shape) < 0.06, random.beta(12, 20, shape), random.beta(10, 3, shape))
    return random.binomial(50, p), np.sort(p)[:, :50].mean(-1)


def check_T3():
    """Plug-in too low, cross-fit too high, posterior draws right; and a cross-fit of equal classes reads their rate.

    A bias is a mean over 16 sets and has a standard error of .002 to .003. Over 40 sets plug-in and cross-fit have
    biases of -.025 and .042 (beta), -.018 and .035 (mixture), the draws of less than .003.
    """
    k = rng(31).binomial(50, 0.7, (100, 300))
    read = extremes.worst_q_crossfit(k, 50, 20, rng(32), R=4).mean
    assert abs(read.mean() - 0.7) < 3 * standard_error(read), "what was chosen leaks into what is read"
    for kind in ("beta", "mixture"):
        k, worst = worst_truth(kind)
        assert (extremes.worst_q_plugin(k, 50, 50) - worst).mean() < -0.01, "the plug-in mean is not too low"
        assert (extremes.worst_q_crossfit(k, 50, 50, rng(33), R=10).mean - worst).mean() > 0.01, "not too high"
    for kind in ("beta", "mixture"):
        k, worst = worst_truth(kind)
        drawn = extremes.functional_interval(
            k, 50, lambda p: extremes.tail_functionals(p, 50), rng=rng(34), refits=5, draws=20
        )
        assert abs((drawn.mean[:, 0] - worst).mean()) < 0.008, "the posterior draws are biased"


def percentile_bootstrap(k, n, T, *, rng, refits=100, draws=20, **how):
    values = T(rng.binomial(n, k / n, (refits * draws, *k.shape)) / n)
    return extremes.Interval(values.mean(0), *np.quantile(values, (0.025, 0.975), axis=0))


# ----------------------------------------------------------------------------------------------- T4 and T5 moments


def answers(random, *, models=2, classes=200, n=20, sd_class=0.0, sd_item=3.0):
    """Models that share hard classes and hard items: logit p = 0.5 + class + item effect, the same for all models."""
    class_id = np.repeat(np.arange(classes), n)
    ease = 0.5 + random.normal(0, sd_class, classes)[class_id] + random.normal(0, sd_item, class_id.size)
    return random.random((models, class_id.size)) < expit(ease), class_id


def check_T4():
    """Items dealt into sham classes: the raw correlation stays, the corrected covariance is 0 up to chance."""
    right, class_id = answers(rng(4), classes=250, n=10, sd_class=1.0)
    floor = overlap.sham_floor(right, class_id, 250, q=12, rng=rng(41), R=200)
    assert floor.raw_r[0, 1] > 0.3, "sham classes have lost their shared items"
    limit = 3 * standard_error(floor.pair_covariance)
    assert abs(floor.pair_covariance.mean()) < limit, "sham classes have a true covariance"


def separately_dealt(right, class_id, n_classes, *, q, rng, R=20):
    return REAL_SHAM_FLOOR(rng.permuted(right, axis=1), class_id, n_classes, q=q, rng=rng, R=R)


REAL_SHAM_FLOOR = overlap.sham_floor


@functools.cache
def shared_items():
    return answers(rng(5), sd_class=0.5)


@functools.cache
def halvings(halve):
    """Covariances (2000, 2, 2) of class accuracies, models on one half with models on the other."""
    right, class_id = shared_items()
    return np.array([np.cov(a, b)[:2, 2:] for a, b in halve(right, class_id, 200, rng=rng(51), R=2000)])


def check_T5():
    """The closed form is the mean over random halvings: of two models, and of one model with itself."""
    right, class_id = shared_items()
    moments = agreement.u_moments(right, class_id, 200)
    for pair in ((0, 1), (0, 0)):
        found = halvings(split.half_accuracies)[:, *pair]
        assert abs(moments.true[pair] - found.mean()) < 3 * standard_error(found), "closed form and halvings differ"


def overlapping_halves(right, class_id, n_classes, *, rng, R):
    """Two halves drawn one after the other from all items: some items are in both."""
    n = split.class_sizes(right, class_id, n_classes)
    for _ in range(R):
        pair = []
        for _ in range(2):
            order = np.argsort(class_id + rng.random(class_id.size))
            place = np.arange(order.size) - (np.cumsum(n) - n)[class_id[order]]
            half = order[place < n[class_id[order]] // 2]
            pair.append(split.class_counts(right[:, half], class_id[half], n_classes)[0] / (n // 2))
        yield tuple(pair)


# ---------------------------------------------------------------------------------------------------------- T6 ties


def all_weak_sets(values, q):
    """Every worst-q set that some way of breaking ties gives, each as the bits of a number."""
    cut = sorted(values)[q - 1]
    sure = sum(1 << c for c, a in enumerate(values) if a < cut)
    tied = [1 << c for c, a in enumerate(values) if a == cut]
    return [sure + sum(some) for some in itertools.combinations(tied, q - sure.bit_count())]


def check_T6():
    """Overlap of worst-q sets of 8 classes against all ways to break ties; random tie-breaks against their chance."""
    random = rng(6)
    for _ in range(300):
        a, b = random.integers(0, 4, (2, 8)) / 4
        q = int(random.integers(1, 8))
        found = [(x & y).bit_count() for x in all_weak_sets(a, q) for y in all_weak_sets(b, q)]
        member = overlap.weak_membership([a, b], q)
        assert overlap.overlap_bounds(a, b, q) == (min(found), max(found)), "bounds differ from brute force"
        assert abs(overlap.expected_overlap(*member) - np.mean(found)) < 1e-9, "mean differs from brute force"
    tied = np.array([0.4, 0.2, 0.4, 0.4, 0.9])
    often = np.mean([np.isin(np.arange(5), overlap.weak_set(tied, 2, random)) for _ in range(400)], axis=0)
    # standard error of a share of a third: .024
    assert np.abs(often - [1 / 3, 1, 1 / 3, 1 / 3, 0]).max() < 0.1, "random tie-breaks prefer a class"


def first_by_index(values, q):
    """Membership as an argsort gives it: of the classes on the cut, those that come first."""
    order = np.argsort(values, axis=-1, kind="stable")
    member = np.zeros(np.shape(values))
    np.put_along_axis(member, order[..., :q], 1.0, axis=-1)
    return member


def weak_set_by_index(values, q, rng):
    return np.sort(np.argsort(values, kind="stable")[:q])


# ------------------------------------------------------------------------------------------------- T7 and T8 shift


def shift_counts(seed, clean, shifted, *, models=20, n=50):
    """Counts of networks that have the same true class rates, on items of their own."""
    random = rng(seed)
    sizes = np.full(clean.size, n)
    kc, ks = (random.binomial(n, p, (models, p.size)) for p in (clean, shifted))
    return {"kc": kc, "nc": sizes, "ks": ks, "ns": sizes}


def rates(seed, *, sd, r=1.0):
    """Rates of 1000 classes on two sets, with equal spread and about the correlation r."""
    a, b = rng(seed).normal(size=(2, 1000))
    return (np.clip(0.55 + sd * x, 0.12, 0.98) for x in (a, r * a + np.sqrt(1 - r * r) * b))


def check_T7():
    """Every class loses .10: so do the weak ones, cross-fitted, and the line has slope 1.

    Over 20 networks the standard error of the drop is .002 and that of the slope .006.
    """
    clean, _ = rates(7, sd=0.12)
    data = shift_counts(71, clean, clean - 0.1)
    found = shift.shift_contrast(**data, q=50, rng=rng(72), R=5)
    drop = (found.clean_weak - found.shift_weak).mean()
    assert abs(drop - 0.1) < 0.005, "the cross-fitted drop is not .10"
    assert abs(shift.shift_slope(**data).slope.mean() - 1) < 0.02, "the slope is not 1"
    drawn = shift.bootstrap_shift(**data, q=50, rng=rng(73), draws=40, R=2)
    # Means over 40 draws of classes: .0004 and .0009 more; the limits allow for the classes drawn.
    assert abs(drawn.contrast[:, 0].mean()) < 0.008, "the draws of the contrast are not around 0"
    assert abs(drawn.slope.mean() - 1) < 0.03, "the draws of the slope are not around 1"


def check_T8():
    """True r = .8 and equal spread: weak classes seem to lose less or more by the side they are chosen on.

    Both contrasts are some .065 from 0, with a standard error of .003 over networks; of the three paired ones, .01.
    """
    clean, shifted = rates(8, sd=0.17, r=0.8)
    data = shift_counts(81, clean, shifted)
    contrast = shift.shift_contrast(**data, q=50, rng=rng(82), R=5).points.mean()
    mirror = shift.mirror_contrast(**data, q=50, rng=rng(83), R=5).points.mean()
    assert contrast < -0.03 and mirror > 0.03, "the mirror has the sign of the contrast"
    assert abs(contrast + mirror) < 0.03, "contrast and mirror are not symmetric"
    drawn = shift.bootstrap_shift(**data, q=50, rng=rng(84), draws=40, R=2)
    assert drawn.contrast[:, 0].max() < 0 < drawn.mirror[:, 0].min(), "the drawn mirror has the sign of the contrast"
    class_id = np.repeat(np.arange(1000), 40)
    right = rng(85).random((4, class_id.size)) < np.stack([clean, shifted, shifted, shifted])[:, class_id]
    paired = shift.paired_shift(right, class_id, 1000, q=50, rng=rng(86), draws=5, R=3)
    signs = paired.contrast.points.mean(), paired.mirror.points.mean()
    assert signs[0] < -0.02 < 0.02 < signs[1], "the paired mirror has the sign of the contrast"


def unturned_mirror(*, kc, nc, ks, ns, q, rng, R=40):
    return shift.shift_contrast(kc=ks, nc=ns, ks=kc, ns=nc, q=q, rng=rng, R=R)


# ------------------------------------------------------------------------------------------------------- T9 McNemar


def check_T9():
    """By hand, against statsmodels, and against the binomial test of scipy."""
    assert float(compare.mcnemar_exact(1, 8)) == pytest.approx(0.0390625), "(1, 8) is not .0390625"
    b, c = rng(9).integers(0, 30, (2, 100))
    b[:3], c[:3] = (0, 4, 0), (0, 4, 6)
    found = compare.mcnemar_exact(b, c)
    assert ((found >= 0) & (found <= 1)).all(), "a p-value lies outside 0 to 1"
    tables = [mcnemar([[50, x], [y, 20]], exact=True).pvalue for x, y in zip(b, c, strict=True)]
    np.testing.assert_allclose(found, tables, rtol=1e-9, err_msg="statsmodels differs")
    tests = [binomtest(x, x + y).pvalue if x + y else 1.0 for x, y in zip(b.tolist(), c.tolist(), strict=True)]
    np.testing.assert_allclose(found, tests, rtol=1e-9, err_msg="the binomial test differs")


def mcnemar_uncapped(b, c):
    return 2 * binom.cdf(np.minimum(b, c), np.add(b, c), 0.5)


def mcnemar_one_sided(b, c):
    return binom.cdf(np.minimum(b, c), np.add(b, c), 0.5)


def mcnemar_mid_p(b, c):
    less, total = np.minimum(b, c), np.add(b, c)
    return np.minimum(2 * binom.cdf(less, total, 0.5) - binom.pmf(less, total, 0.5), 1)


def mcnemar_one_direction(b, c):
    return np.minimum(2 * binom.cdf(b, np.add(b, c), 0.5), 1)


def mcnemar_chi_square(b, c):
    b, c = np.asarray(b), np.asarray(c)
    return chi2.sf((np.abs(b - c) - 1.0) ** 2 / np.maximum(b + c, 1), 1)


# ---------------------------------------------------------------------------------------------------- T10 components


def run_answers(random, *, runs, classes, shift_sd, n=5):
    """Runs in which classes move as a whole by `shift_sd`, items differ and flip singly; all on logits."""
    class_id = np.repeat(np.arange(classes), n)
    ease = 0.8 + random.normal(0, 1.5, class_id.size)
    moved = random.normal(0, shift_sd, (runs, classes)) if shift_sd else np.zeros((runs, classes))
    return random.random((runs, class_id.size)) < expit(ease + moved[:, class_id]), class_id


def check_T10():
    """The components add up to the variance of the accuracy of a fresh run on fresh items, which is also simulated.

    6000 tables of 4 runs x 5 items, and 60,000 fresh accuracies; standard errors of the two: 1.3 % and .6 %.
    """
    for shift_sd in (0.0, 0.8):
        right, class_id = run_answers(rng(10), runs=4, classes=6000, shift_sd=shift_sd)
        run, item, res = (x.mean() for x in instability.run_components(right, class_id, 6000))
        fresh, fresh_id = run_answers(rng(101), runs=1, classes=60_000, shift_sd=shift_sd)
        truth = split.class_counts(fresh, fresh_id, 60_000)[0].var() / 5**2
        assert abs(item / 5 + run + res / 5 - truth) < 0.05 * truth, "the components do not add up"


# -------------------------------------------------------------------- T11 names and order do not matter, sides do

# A parameter of one of these names: the function takes items.
ITEMS = {"right", "right_a", "label", "pred", "class_id", "cls"}


@functools.cache
def world():
    """Answers of four models to classes of 5 to 12 items.

    The first gets nothing of classes 0 to 3, the second nothing of 0 to 2 and all of 3: of their three weakest classes
    any two or three are common, by how the tie is broken.
    """
    random = rng(11)
    label = np.repeat(np.arange(8), [5, 6, 8, 8, 9, 10, 12, 12])
    right = random.random((4, label.size)) < np.linspace(0.25, 0.85, 8)[random.permutation(8)][label]
    right[0, label < 4] = right[1, label < 3] = False
    right[1, label == 3] = True
    pred = np.where(right, label, (label + random.integers(1, 8, right.shape)) % 8)
    return SimpleNamespace(label=label, right=right, pred=pred, conf=random.random(label.size))


def moved(one, order, name):
    """The same answers in another order of items, with other numbers for the classes."""
    return SimpleNamespace(
        label=name[one.label][order], right=one.right[:, order], pred=name[one.pred][:, order], conf=one.conf[order]
    )


def confusion_sums(w):
    """Errors of each class by its label and by what was answered."""
    c = accuracy.confusions(label=w.label, pred=w.pred[0], n_classes=8)
    return [np.bincount(side, c.count, 8) for side in (c.label, c.pred)]


def mean_halves(w, random):
    """Covariance over classes between two models across halves, and the accuracies on the halves."""
    halves = np.array(list(split.half_accuracies(w.right, w.label, 8, rng=random, R=40)))
    crossed = np.mean([np.cov(a[0], b[1])[0, 1] for a, b in halves])
    return [*halves.mean(axis=0)], [crossed]


def flat(found):
    """The observed minimum and the expectation of its null."""
    return [found.observed, found.null.mean]


# Of each function that takes items: results by class (last axis) and results of all classes together. Those with a
# second argument draw at random, and their means over seeds are compared.
BY_ITEMS = {
    "accuracy.class_counts": lambda w: (accuracy.class_counts(label=w.label, pred=w.pred, n_classes=8), []),
    "accuracy.confusions": lambda w: (confusion_sums(w), []),
    "split.class_sizes": lambda w: ([split.class_sizes(w.right, w.label, 8)], []),
    "split.class_counts": lambda w: (split.class_counts(w.right, w.label, 8), []),
    "split.half_accuracies": mean_halves,
    "split.answers_of": lambda w: ([], [split.answers_of(w.right).sum(axis=1)]),
    "agreement.u_moments": lambda w: ([], agreement.u_moments(w.right, w.label, 8)),
    "agreement.bootstrap_corrected_r": lambda w, r: (
        [],
        [np.nanmedian(agreement.bootstrap_corrected_r(w.right, w.label, 8, draws=100, rng=r), axis=0)],
    ),
    # Its error depends on the order of items by design: blocks are every tenth one.
    "agreement.item_jackknife": lambda w: (
        [],
        [agreement.item_jackknife(w.right, w.label, 8, lambda *x: agreement.u_moments(*x).true).estimate],
    ),
    "compare.per_class_mcnemar": lambda w: (
        compare.per_class_mcnemar(right_a=w.right[0], right_b=w.right[1], class_id=w.label, n_classes=8),
        [],
    ),
    "compare.item_bootstrap": lambda w, r: (
        [np.concatenate(list(compare.item_bootstrap(w.right, w.label, 8, draws=20, rng=r))).mean(axis=0)],
        [],
    ),
    "compare.rank_flips": lambda w, r: (
        [],
        [x.astype(float) for x in compare.rank_flips(w.right, w.label, 8, lambda p: p.min(-1), rng=r, B=100)[:7]],
    ),
    "consistency.pair_cells": lambda w: (
        [consistency.pair_cells(right_a=w.right[0], right_b=w.right[1], class_id=w.label, n_classes=8).T],
        [],
    ),
    "consistency.error_consistency": lambda w: ([], consistency.error_consistency(w.right, w.label, 8)),
    "labels.rescore": lambda w: ([], [labels.rescore(w.pred, w.label[:, None] == np.arange(8)).right.sum(axis=1)]),
    "labels.error_concentration": lambda w: (
        [labels.error_concentration(pred=w.pred[0], label=w.label, n_classes=8)],
        [],
    ),
    "labels.partner_bound": lambda w, r: (
        labels.partner_bound(pred=w.pred[0], label=w.label, n_classes=8, rng=r, R=20),
        [],
    ),
    "ranks.half_ranks": lambda w, r: ([], ranks.half_ranks(w.right, w.label, 8, rng=r, R=5)),
    "overlap.sham_floor": lambda w, r: ([], overlap.sham_floor(w.right, w.label, 8, q=3, rng=r, R=20)[:3]),
    "overlap.half_overlap": lambda w, r: ([], overlap.half_overlap(w.right, w.label, 8, q=3, rng=r, R=20)[:3]),
    "overlap.bootstrap_half_overlap": lambda w, r: (
        [],
        [overlap.bootstrap_half_overlap(w.right, w.label, 8, q=3, rng=r, draws=20, R=4)["all"].cross.mean()],
    ),
    "overlap.cross_half_sharing": lambda w, r: (
        [],
        [[*overlap.cross_half_sharing(w.right, w.label, 8, q=3, rng=r, R=20)]],
    ),
    "calibration.class_gap": lambda w: (calibration.class_gap(w.conf, w.right[0], w.label, 8), []),
    "scope.taken_in": lambda w: ([scope.taken_in(w.pred[0], w.conf, 0.5, 8)], []),
    "shift.paired_shift": lambda w, r: (
        [],
        [np.stack(shift.paired_shift(w.right, w.label, 8, q=3, rng=r, draws=2, R=10).contrast)[[0, 3, 4, 5, 6]]],
    ),
    "instability.flip_null_range": lambda w, r: (
        [],
        [np.array(instability.flip_null_range(w.right, w.label, 8, rng=r, B=50))[:, 0]],
    ),
    "instability.flip_null_minimum": lambda w, r: (
        [],
        flat(instability.flip_null_minimum(w.right, w.label, 8, rng=r, B=50)),
    ),
    "instability.run_components": lambda w: (instability.run_components(w.right, w.label, 8), []),
    "instability.shift_test": lambda w: (instability.shift_test(w.right, w.label, 8), []),
    "instability.run_means": lambda w: ([np.bincount(w.label, instability.run_means(w.right), 8)], []),
    "instability.worst_q_crossfit_runs": lambda w, r: (
        [],
        [[*instability.worst_q_crossfit_runs(w.right, w.label, 8, 3, r, R=40)]],
    ),
}


def seeds_of(call, one):
    """Results by class and of all classes, with a first axis of seeds where the function draws at random."""
    if len(inspect.signature(call).parameters) == 1:
        return [[np.asarray(x, float)[None] for x in part] for part in call(one)]
    each = [call(one, rng(110, seed)) for seed in range(16)]
    return [[np.stack(x) for x in zip(*(result[side] for result in each), strict=True)] for side in (0, 1)]


def check_T11():
    """Another order of items and other names of classes change nothing; labels for predictions change what they must.

    Random results: means over 16 seeds each, the difference within 5 of its standard errors; exact ones to rounding.
    """
    w = world()
    for measure in (
        lambda a, b: (c := accuracy.class_counts(label=a, pred=b, n_classes=8)).correct / c.n,
        lambda a, b: np.stack(accuracy.confusions(label=a, pred=b, n_classes=8)[:2]),
        lambda a, b: calibration.class_gap(w.conf, a == b, a, 8).gap,
    ):
        straight, swapped = measure(w.label, w.pred[0]), measure(w.pred[0], w.label)
        assert not np.array_equal(straight, swapped), "labels in place of predictions change nothing"
    label, pred = np.array([0, 0, 0, 1]), np.array([0, 0, 1, 1])  # recall 2/3 and 1, precision 1 and 1/2
    c = accuracy.class_counts(label=label, pred=pred, n_classes=2)
    sides = accuracy.class_accuracy(k=c.correct, n=c.n), accuracy.precision(correct=c.correct, predicted=c.predicted)
    np.testing.assert_allclose(sides, ([2 / 3, 1], [1, 0.5]), err_msg="recall and precision are mixed up")
    name = np.arange(8)[::-1]
    again = moved(w, rng(111).permutation(w.label.size), name)
    for what, call in BY_ITEMS.items():
        (by_class, whole), (by_class_again, whole_again) = (seeds_of(call, one) for one in (w, again))
        pairs = [(x, y[..., name]) for x, y in zip(by_class, by_class_again, strict=True)]
        for x, y in pairs + list(zip(whole, whole_again, strict=True)):
            error = np.sqrt((x.var(axis=0) + y.var(axis=0)) / len(x))
            gap = np.abs(x.mean(axis=0) - y.mean(axis=0))
            same = (gap <= 5 * error + 1e-6) | (np.isnan(x).all(axis=0) & np.isnan(y).all(axis=0))
            assert same.all(), f"{what} depends on the order of items or classes"


def sorted_counts(right, class_id, n_classes):
    """Counts as `np.add.reduceat` gives them, for items that lie class by class."""
    n = split.class_sizes(right, class_id, n_classes)
    ends = np.cumsum(n)
    total = np.concatenate([np.zeros((len(right), 1), int), np.cumsum(right, axis=1)], axis=1)
    k = total[:, ends] - total[:, ends - n]
    return (np.rint(k).astype(np.int64) if right.dtype == bool else k), n


def halves_in_order(right, class_id, n_classes, *, rng, R):
    """The first half of the items of a class in the order of the file, and the rest."""
    n = split.class_sizes(right, class_id, n_classes)
    order = np.argsort(class_id, kind="stable")
    place = np.arange(order.size) - (np.cumsum(n) - n)[class_id[order]]
    first = order[place < n[class_id[order]] // 2]
    k, k_a = (split.class_counts(right[:, x], class_id[x], n_classes)[0] for x in (order, first))
    for _ in range(R):
        yield k_a / (n // 2), (k - k_a) / (n - n // 2)


REAL_CLASS_COUNTS = accuracy.class_counts


def swapped_counts(*, label, pred, n_classes):
    return REAL_CLASS_COUNTS(label=pred, pred=label, n_classes=n_classes)


def even_counts(*, label, pred, n_classes):
    """Neither recall nor precision: right answers over the larger of items and answers."""
    c = REAL_CLASS_COUNTS(label=label, pred=pred, n_classes=n_classes)
    return c._replace(n=np.maximum(c.n, c.predicted))


REAL_CONFUSIONS = accuracy.confusions


def unordered_confusions(*, label, pred, n_classes):
    return REAL_CONFUSIONS(label=np.minimum(label, pred), pred=np.maximum(label, pred), n_classes=n_classes)


# ----------------------------------------------------------------------------------------------------- T12 the ends

# A parameter of one of these names: the function takes counts, accuracies or items, and must say what it does at the
# ends. The rest work on what these give (matrices, sets, weights, scores) or are the paper's own ways (`as_coded`).
COUNTS = ITEMS | {"k", "kc", "correct", "c", "cells", "gaps", "components", "moments"}

N = np.array([0, 1, 1, 2, 7, 12, 30, 30])
K = np.array([[0, 0, 1, 1, 0, 12, 17, 5], [0, 1, 0, 2, 3, 12, 29, 20], [0, 1, 1, 0, 2, 7, 14, 0]])
EMPTY, SMALL = N == 0, N < 2


@functools.cache
def ends():
    """Three models on classes of 0, 1, 1, 2, 7, 12, 30 and 30 items, with none and with all right among them."""
    random = rng(12)
    class_id = np.repeat(np.arange(8), N)
    right = np.concatenate([random.permuted(np.arange(n) < K[:, c, None], axis=1) for c, n in enumerate(N)], axis=1)
    pred = np.where(right, class_id, (class_id + 1) % 6)  # no wrong answer is class 6 or 7, class 0 is never right
    return SimpleNamespace(label=class_id, right=right, pred=pred, conf=random.random(class_id.size))


def with_mask(values, mask=None):
    return [(value, mask) for value in values]


def counts_of_pair():
    """A second set with other classes of 0 and 1 items."""
    ks = [[3, 0, 1, 5, 0, 2, 16, 5], [30, 0, 0, 12, 3, 1, 28, 14], [9, 0, 1, 1, 3, 2, 12, 0]]
    return {"kc": K, "nc": N, "ks": np.array(ks), "ns": np.array([30, 0, 1, 12, 9, 2, 30, 25])}


def tail1(p):
    return extremes.tail_functionals(p, 1)


# Of each function, what it gives with where that is NaN: exactly there, and nowhere else (None: nowhere).
AT_ENDS = {
    "accuracy.class_counts": lambda w: with_mask(accuracy.class_counts(label=w.label, pred=w.pred, n_classes=8)),
    "accuracy.class_accuracy": lambda w: [(accuracy.class_accuracy(k=K, n=N), EMPTY)],
    "accuracy.precision": lambda w: [
        (accuracy.precision(correct=[0, 0, 2, 3], predicted=[0, 4, 2, 4]), np.array([True, False, False, False]))
    ],
    "accuracy.f1": lambda w: [(accuracy.f1(correct=K[0], n=N, predicted=K[0]), EMPTY)],
    "accuracy.overall_accuracy": lambda w: [(accuracy.overall_accuracy(k=K, n=N), None)],
    "accuracy.macro_accuracy": lambda w: [(accuracy.macro_accuracy(k=K, n=N), None)],
    "accuracy.confusions": lambda w: with_mask(accuracy.confusions(label=w.label, pred=w.pred[0], n_classes=8)),
    "accuracy.wilson": lambda w: with_mask(accuracy.wilson(K, N), EMPTY),
    "accuracy.clopper": lambda w: with_mask(accuracy.clopper(K, N), EMPTY),
    "accuracy.jeffreys": lambda w: with_mask(accuracy.jeffreys(K, N), EMPTY),
    "accuracy.weak_pvalues": lambda w: [(accuracy.weak_pvalues(K, N, 0.5), None)],
    "accuracy.checked_counts": lambda w: with_mask(accuracy.checked_counts(K, N)),
    "weak.bh_list": lambda w: [(weak.bh_list(K, N, 0.5), None)],
    "weak.by_list": lambda w: [(weak.by_list(K, N, 0.5, joint=True), None)],
    "weak.weak_list": lambda w: with_mask(weak.weak_list(K[0], N, 0.5)),
    "split.class_sizes": lambda w: [(split.class_sizes(w.right, w.label, 8), None)],
    "split.class_counts": lambda w: with_mask(split.class_counts(w.right, w.label, 8)),
    "split.half_accuracies": lambda w: with_mask(
        next(split.half_accuracies(w.right, w.label, 8, rng=rng(120), R=1)), SMALL
    ),
    "split.answers_of": lambda w: [(split.answers_of(w.right), None)],
    "agreement.u_moments": lambda w: with_mask(agreement.u_moments(w.right, w.label, 8)),
    "agreement.u_moments_from_counts": lambda w: with_mask(agreement.u_moments_from_counts(K[:, ~SMALL], N[~SMALL])),
    "agreement.corrected_r": lambda w: [(agreement.corrected_r(agreement.u_moments(w.right, w.label, 8)), None)],
    "agreement.raw_r": lambda w: [(agreement.raw_r(agreement.u_moments(w.right, w.label, 8)), None)],
    "agreement.reliability": lambda w: [(agreement.reliability(agreement.u_moments(w.right, w.label, 8)), None)],
    # A draw in which a model has no true variance has no r: that of the rest is finite.
    "agreement.bootstrap_corrected_r": lambda w: [
        (np.nanmedian(agreement.bootstrap_corrected_r(w.right, w.label, 8, draws=20, rng=rng(121)), axis=0), None)
    ],
    "agreement.item_jackknife": lambda w: with_mask(
        agreement.item_jackknife(w.right, w.label, 8, lambda *x: agreement.u_moments(*x).true)
    ),
    "compare.mcnemar_exact": lambda w: [(compare.mcnemar_exact(K, N - K), None)],
    "compare.per_class_mcnemar": lambda w: with_mask(
        compare.per_class_mcnemar(right_a=w.right[0], right_b=w.right[1], class_id=w.label, n_classes=8)
    ),
    "compare.true_sd_difference": lambda w: [(compare.true_sd_difference(K[0], np.zeros(8, int), N), None)],
    "compare.item_bootstrap": lambda w: with_mask(compare.item_bootstrap(w.right, w.label, 8, draws=2, rng=rng(122))),
    "compare.rank_flips": lambda w: with_mask(
        compare.rank_flips(w.right, w.label, 8, lambda p: p.min(-1), rng=rng(123), B=5)
    ),
    "consistency.pair_cells": lambda w: [
        (consistency.pair_cells(right_a=w.right[0], right_b=w.right[1], class_id=w.label, n_classes=8), None)
    ],
    "consistency.kappa_plain": lambda w: [(consistency.kappa_plain(cells_of(w)), None)],
    "consistency.kappa_given_class": lambda w: [(consistency.kappa_given_class(cells_of(w), N), None)],
    "consistency.kappa_intervals": lambda w: [
        (np.array(consistency.kappa_intervals(cells_of(w), rng=rng(124), B=20)), None)
    ],
    "consistency.error_consistency": lambda w: with_mask(consistency.error_consistency(w.right, w.label, 8)),
    "labels.rescore": lambda w: with_mask(labels.rescore(w.pred, np.zeros((w.label.size, 8), bool))),
    "labels.error_concentration": lambda w: [
        (labels.error_concentration(pred=w.pred[0], label=w.label, n_classes=8), N - K[0] < 2)
    ],
    "labels.partner_bound": lambda w: with_mask(
        labels.partner_bound(pred=w.pred[0], label=w.label, n_classes=8, rng=rng(125), R=2)[:2], SMALL
    ),
    "ranks.half_ranks": lambda w: with_mask(ranks.half_ranks(w.right, w.label, 8, rng=rng(126), R=2)),
    "overlap.sham_floor": lambda w: with_mask(overlap.sham_floor(w.right, w.label, 8, q=2, rng=rng(127), R=2)),
    "overlap.half_overlap": lambda w: with_mask(overlap.half_overlap(w.right, w.label, 8, q=2, rng=rng(128), R=20)),
    "overlap.bootstrap_half_overlap": lambda w: with_mask(
        overlap.bootstrap_half_overlap(w.right, w.label, 8, q=2, rng=rng(129), draws=3, R=10)["all"]
    ),
    "overlap.cross_half_sharing": lambda w: [
        (np.array(overlap.cross_half_sharing(w.right, w.label, 8, q=2, rng=rng(130), R=2)), None)
    ],
    # One item has no standard error; its exact interval is finite.
    "calibration.class_gap": lambda w: [
        (value, SMALL if name == "se" else EMPTY if name != "extreme" else None)
        for name, value in calibration.class_gap(w.conf, w.right[0], w.label, 8)._asdict().items()
    ],
    "calibration.class_gap_from_sums": lambda w: [
        (calibration.class_gap_from_sums(n=N, k=K[0], conf=N / 2, conf_square=N / 4, conf_right=K[0] / 2).gap, EMPTY)
    ],
    "calibration.shrunken_gaps": lambda w: [
        (calibration.shrunken_gaps(calibration.class_gap(w.conf, w.right[0], w.label, 8)), SMALL)
    ],
    "scope.taken_in": lambda w: [(scope.taken_in(w.pred[0], w.conf, 0.5, 8), None)],
    "extremes.worst_q_plugin": lambda w: [(extremes.worst_q_plugin(K, N, 2), None)],
    "extremes.worst_q_crossfit": lambda w: with_mask(extremes.worst_q_crossfit(K, N, 2, rng(131), R=3)),
    "extremes.fit_g": lambda w: [(extremes.fit_g(K, N).prior, None)],
    "extremes.fit_beta_mixture": lambda w: [(extremes.fit_beta_mixture(K[0], N).prior, None)],
    "extremes.fit_test": lambda w: with_mask(
        extremes.fit_test(np.tile(K[0], 20), np.tile(N, 20), extremes.fit_g(K[0], N), 2)
    ),
    "extremes.posterior_draws": lambda w: [
        (extremes.posterior_draws(K[0], N, extremes.fit_g(K[0], N), 5, rng(132)), None)
    ],
    "extremes.functional_interval": lambda w: with_mask(
        extremes.functional_interval(K, N, tail1, rng=rng(133), refits=2, draws=5)
    ),
    "extremes.eb_list": lambda w: [(extremes.eb_list(K[0], N, 0.5, 0.05), None)],
    "extremes.homogeneity": lambda w: with_mask(extremes.homogeneity(K, N)),
    "instability.class_ranges": lambda w: [
        (value, EMPTY if name == "by_class" else None)
        for name, value in instability.class_ranges(K, N)._asdict().items()
    ],
    "instability.subset_ranges": lambda w: [
        (value, EMPTY if name == "by_class" else None)
        for name, value in instability.subset_ranges(K, N, size=2)._asdict().items()
    ],
    "instability.flip_null_range": lambda w: [
        (np.array(instability.flip_null_range(w.right, w.label, 8, rng=rng(134), B=3)), None)
    ],
    "instability.flip_null_minimum": lambda w: with_mask(
        flat(instability.flip_null_minimum(w.right, w.label, 8, rng=rng(145), B=3))
    ),
    "instability.fresh_item_null": lambda w: [(np.array(instability.fresh_item_null(K, N, rng=rng(135), B=3)), None)],
    "instability.run_components": lambda w: with_mask(instability.run_components(w.right, w.label, 8), SMALL),
    "instability.run_spread": lambda w: with_mask(instability.run_spread(parts_of(w), N)),
    "instability.run_share": lambda w: [(instability.run_share(parts_of(w), N), None)],
    "instability.run_share_interval": lambda w: with_mask(
        instability.run_share_interval(parts_of(w), N, rng=rng(146), draws=9)
    ),
    "instability.coherent_share": lambda w: [(instability.coherent_share(parts_of(w), N), None)],
    "instability.runs_needed": lambda w: [(instability.runs_needed(parts_of(w), N), None)],
    "instability.shift_test": lambda w: with_mask(instability.shift_test(w.right, w.label, 8)[1:], SMALL),
    "instability.run_means": lambda w: [(instability.run_means(w.right), None)],
    "instability.worst_q_crossfit_runs": lambda w: [
        (np.array(instability.worst_q_crossfit_runs(w.right, w.label, 8, 2, rng(136), R=3)), None)
    ],
    "shift.shift_level": lambda w: with_mask(shift.shift_level(**counts_of_pair())),
    "shift.shift_slope": lambda w: with_mask(shift.shift_slope(**counts_of_pair())),
    "shift.sd_ratio": lambda w: [(shift.sd_ratio(**counts_of_pair()), None)],
    # The ratio and the logit of a group that gets nothing right do not exist: NaN in the result, as its page says.
    "shift.shift_contrast": lambda w: with_mask(shift.shift_contrast(**counts_of_pair(), q=1, rng=rng(137), R=9)[:1]),
    "shift.mirror_contrast": lambda w: with_mask(shift.mirror_contrast(**counts_of_pair(), q=1, rng=rng(138), R=9)[:1]),
    "shift.naive_contrast": lambda w: [(shift.naive_contrast(**counts_of_pair(), q=1).points, None)],
    "shift.bootstrap_shift": lambda w: [
        (shift.bootstrap_shift(**counts_of_pair(), q=1, rng=rng(139), draws=3, R=2).contrast[:, 0], None)
    ],
    "shift.paired_shift": lambda w: [
        (shift.paired_shift(*two_or_more(w), 5, q=1, rng=rng(140), draws=3, R=2).contrast.points, None)
    ],
}

# What has no answer is refused in words.
REFUSED = {
    "overall_accuracy without items": (lambda: accuracy.overall_accuracy(k=[0], n=[0]), "no class has an item"),
    "macro_accuracy without items": (lambda: accuracy.macro_accuracy(k=[0], n=[0]), "no class has an item"),
    "more right answers than items": (lambda: accuracy.wilson(K + 1, N), "expected 0 <= k <= n"),
    "moments of single items": (lambda: agreement.u_moments_from_counts(K, N), "expected at least 2"),
    "a worst class without items": (lambda: extremes.worst_q_plugin(K, N, 8), "classes that can be used, 7"),
    "halves of fewer than 4 items": (lambda: extremes.worst_q_crossfit(K, N, 5, rng(141)), "can be used, 4"),
    "a null of empty classes": (lambda: extremes.null_extremes(N, 0.5, 8, rng(142)), "integers of at least 1"),
    "one class alone": (lambda: extremes.homogeneity(K[:, -1:], N[-1:]), "expected at least 2"),
    "a weak set with the empty class": (
        lambda: overlap.weak_set(accuracy.class_accuracy(k=K[0], n=N), 8, rng(144)),
        "expected 1 to 7",
    ),
    "a shift of classes that one set lacks": (
        lambda: shift.shift_level(kc=K[:, 4:], nc=N[4:], ks=K[:, :4], ns=N[:4]),
        "expected at least 2",
    ),
    "changed items of single ones": (
        lambda: shift.paired_shift(ends().right, ends().label, 8, q=1, rng=rng(143)),
        "two items or more",
    ),
    "components of single items": (lambda: instability.run_share(parts_of(ends(), SMALL), N), "no class has variance"),
}


def two_or_more(w):
    """Answers and classes, from 0, of the five classes of two items or more, which come last."""
    use = ~SMALL[w.label]
    return w.right[:, use], w.label[use] - 3


def cells_of(w):
    return consistency.pair_cells(right_a=w.right[0], right_b=w.right[1], class_id=w.label, n_classes=8)


def parts_of(w, classes=None):
    """Components over runs; of some classes only, with NaN for the others."""
    parts = instability.run_components(w.right, w.label, 8)
    return parts if classes is None else instability.RunComponents(*(np.where(classes, x, np.nan) for x in parts))


def refused(call, words):
    try:
        call()
    except ValueError as error:
        return words in str(error)
    return False


def check_T12():
    """Classes of 0, 1 and unequal numbers of items, none and all right: NaN where it is declared, finite elsewhere."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # what a fault divides by 0 is to be seen in the result
        assert accuracy.overall_accuracy(k=K[0], n=N) == 36 / 83, "classes of unequal size count alike"
        assert accuracy.macro_accuracy(k=K[0], n=N) == pytest.approx((0 + 1 + 1 / 2 + 0 + 1 + 17 / 30 + 5 / 30) / 7), (
            "the mean over classes is not that of those with items"
        )
        whole, fewer = ((ends().right, ends().label, 8), (*two_or_more(ends()), 5))
        moments = agreement.u_moments(*whole), agreement.u_moments(*fewer)
        np.testing.assert_allclose(*moments, err_msg="a class of one item counts")
        for name, call in AT_ENDS.items():
            for value, mask in call(ends()):
                value = np.asarray(value, float)
                assert not np.isinf(value).any(), f"{name} is infinite at the ends"
                expected = np.zeros(value.shape, bool) if mask is None else np.broadcast_to(mask, value.shape)
                assert (np.isnan(value) == expected).all(), f"{name} is not NaN where it is declared, and only there"
        for name, (call, words) in REFUSED.items():
            assert refused(call, words), f"not refused: {name}"


# --------------------------------------------------------------------------------------------- faults, and the tests

FAULTS = [
    Fault("T1", "Wald for Wilson", accuracy.wilson, "mean coverage", instead=wald),
    Fault("T1", "Wald for Clopper-Pearson", accuracy.clopper, "covers less", instead=wald),
    Fault("T1", "Jeffreys for Clopper-Pearson", accuracy.clopper, "covers less", instead=accuracy.jeffreys),
    Fault("T1", "one-sided quantile", accuracy.wilson, "mean coverage", ("ndtri(1 - alpha / 2)", "ndtri(1 - alpha)")),
    Fault("T1", "alpha in one tail", accuracy.clopper, "covers less", ("n - k + 1, alpha / 2", "n - k + 1, alpha")),
    Fault(
        "T1", "wrong answers counted", accuracy.wilson, "mean coverage", ("p = _ratio(k, n)", "p = 1 - _ratio(k, n)")
    ),
    Fault("T2", "adjusted over a shortlist", weak.bh_list, "too many strong", instead=shortlisted),
    Fault("T2", "not adjusted", weak.bh_list, "too many strong", instead=unadjusted),
    Fault("T2", "wrong answers counted", accuracy.weak_pvalues, "hardly any weak", ("bdtr(k.a", "bdtr(n - k.a")),
    Fault("T2", "more likely than not", extremes.eb_list, "posterior list names too many", instead=median_posterior),
    Fault(
        "T3",
        "read where it was chosen",
        extremes.worst_q_crossfit,
        "leaks",
        (
            "np.take_along_axis(k_read, worst, axis=-1) / m",
            "np.take_along_axis(k_pick, worst, axis=-1) / n_pick[worst]",
        ),
    ),
    Fault(
        "T3",
        "rows drawn with replacement, then split",
        extremes.worst_q_crossfit,
        "leaks",
        (
            "    k_half = rng.hypergeometric(k, n - k, half)",
            "    k = rng.binomial(n, k / n); k_half = rng.hypergeometric(k, n - k, half)",
        ),
    ),
    Fault(
        "T3",
        "halves drawn with replacement",
        extremes.worst_q_crossfit,
        "leaks",
        (
            "(k_half, half), (k - k_half, n - half)",
            "(k_half, half), (rng.hypergeometric(k, n - k, n - half), n - half)",
        ),
    ),
    Fault(
        "T3",
        "extreme of posterior means",
        extremes.functional_interval,
        "draws are biased",
        ("T(_draw(cdf, group, draws, stream))", "T(_draw(cdf, group, draws, stream).mean(0, keepdims=True))"),
    ),
    Fault(
        "T3", "bootstrap of the plug-in", extremes.functional_interval, "draws are biased", instead=percentile_bootstrap
    ),
    Fault(
        "T4",
        "s left out",
        agreement.u_moments,
        "true covariance",
        ("Moments(raw, raw - noise, noise)", "Moments(raw, raw, noise)"),
    ),
    Fault(
        "T4",
        "n for n - 1",
        agreement.u_moments,
        "true covariance",
        ("np.maximum(n * (n - 1), 1)", "np.maximum(n * n, 1)"),
    ),
    Fault("T4", "real classes", overlap.sham_floor, "true covariance", ("rng.permutation(class_id)", "class_id")),
    Fault("T4", "dealt apart for each model", overlap.sham_floor, "lost their shared", instead=separately_dealt),
    Fault(
        "T5",
        "n for n - 1",
        agreement.u_moments,
        "halvings differ",
        ("np.maximum(n * (n - 1), 1)", "np.maximum(n * n, 1)"),
    ),
    Fault(
        "T5",
        "s left out",
        agreement.u_moments,
        "halvings differ",
        ("Moments(raw, raw - noise, noise)", "Moments(raw, raw, noise)"),
    ),
    Fault(
        "T5",
        "s taken off twice",
        agreement.u_moments,
        "halvings differ",
        ("Moments(raw, raw - noise, noise)", "Moments(raw, raw - 2 * noise, noise)"),
    ),
    Fault("T5", "halves that overlap", split.half_accuracies, "halvings differ", instead=overlapping_halves),
    Fault(
        "T5",
        "divided by the classes",
        agreement.u_moments,
        "halvings differ",
        ("np.cov(k[:, use] / n[use])", "np.cov(k[:, use] / n[use], ddof=0)"),
    ),
    Fault("T6", "argsort", overlap.weak_membership, "brute force", instead=first_by_index),
    Fault("T6", "argsort in a random set", overlap.weak_set, "prefer a class", instead=weak_set_by_index),
    Fault("T6", "all ties in", overlap.weak_membership, "brute force", ("below + tied * share", "below + tied * 1.0")),
    Fault(
        "T6",
        "lower bound 0",
        overlap.overlap_bounds,
        "brute force",
        ("least = max(forced1 + forced2 - both, 0)", "least = 0"),
    ),
    Fault(
        "T6",
        "upper bound from places alone",
        overlap.overlap_bounds,
        "brute force",
        ("most = hit1 + hit2 + min(places1 - hit1, places2 - hit2, both)", "most = min(places1, places2)"),
    ),
    Fault(
        "T7",
        "naive slope",
        shift.shift_slope,
        "the slope is not 1",
        ("cross / _positive(clean.true)", "cross / clean.raw"),
    ),
    Fault(
        "T7",
        "naive slope in the draws",
        shift.bootstrap_shift,
        "draws of the slope",
        ("slope=(cross / _positive(clean.true))", "slope=(cross / clean.raw)"),
    ),
    Fault("T7", "read where it was chosen", shift._folds, "drop is not", ("yield a, b", "yield a, a")),
    Fault(
        "T7",
        "rows drawn with replacement, then split",
        shift._folds,
        "drop is not",
        ("    k_a = rng.hypergeometric(", "    k = rng.binomial(n, k / n); k_a = rng.hypergeometric("),
    ),
    Fault(
        "T7", "chosen on the shifted set", shift.shift_contrast, "drop is not", ("in _folds(kc, nc", "in _folds(ks, ns")
    ),
    Fault(
        "T7",
        "chosen and read on all items in the draws",
        shift.bootstrap_shift,
        "draws of the contrast",
        ("_drawn_means(a, b, ks / ns", "_drawn_means(a, a, ks / ns"),
    ),
    Fault(
        "T8",
        "mirror wired to the clean set",
        shift.mirror_contrast,
        "sign of the contrast",
        (
            "_group_means(a, kc / nc, b, q) for a, b in _folds(ks, ns",
            "_group_means(a, b, ks / ns, q) for a, b in _folds(kc, nc",
        ),
    ),
    Fault("T8", "mirror not turned round", shift.mirror_contrast, "sign of the contrast", instead=unturned_mirror),
    Fault(
        "T8",
        "mirror read where it was chosen",
        shift.mirror_contrast,
        "not symmetric",
        ("_group_means(a, kc / nc, b, q)", "_group_means(a, kc / nc, a, q)"),
    ),
    Fault(
        "T8",
        "drawn mirror wired to the clean set",
        shift.bootstrap_shift,
        "the drawn mirror",
        (
            "_drawn_means(a, kc / nc, b, q, by_class) for a, b in _folds(ks, ns",
            "_drawn_means(a, b, ks / ns, q, by_class) for a, b in _folds(kc, nc",
        ),
    ),
    Fault(
        "T8",
        "paired mirror wired to the clean answers",
        shift.paired_shift,
        "the paired mirror has",
        ("lambda a: a[1:])", "lambda a: np.tile(a[:1], (conditions, 1)))"),
    ),
    Fault("T9", "not capped at 1", compare.mcnemar_exact, "outside 0 to 1", instead=mcnemar_uncapped),
    Fault("T9", "one-sided", compare.mcnemar_exact, "is not .0390625", instead=mcnemar_one_sided),
    Fault("T9", "mid-p", compare.mcnemar_exact, "is not .0390625", instead=mcnemar_mid_p),
    Fault("T9", "one direction alone", compare.mcnemar_exact, "statsmodels differs", instead=mcnemar_one_direction),
    Fault("T9", "chi-square", compare.mcnemar_exact, "is not .0390625", instead=mcnemar_chi_square),
    Fault("T10", "rest not taken off the runs", instability.run_components, "add up", ("(run - res)", "run")),
    Fault(
        "T10",
        "rest not taken off the items",
        instability.run_components,
        "add up",
        ("(item - res) / runs", "item / runs"),
    ),
    Fault(
        "T10",
        "negative components cut at 0",
        instability.run_components,
        "add up",
        ("(run - res) / np.maximum(n, 1)", "np.maximum(run - res, 0) / np.maximum(n, 1)"),
    ),
    Fault(
        "T10",
        "runs for runs - 1",
        instability._mean_squares,
        "add up",
        ("(by_run - total**2) / scale / (runs - 1)", "(by_run - total**2) / scale / runs"),
    ),
    Fault(
        "T10",
        "n for n - 1",
        instability._mean_squares,
        "add up",
        ("(by_item - total**2) / scale / (size - 1)", "(by_item - total**2) / scale / size"),
    ),
    Fault("T11", "precision for recall", accuracy.class_counts, "mixed up", instead=swapped_counts),
    Fault("T11", "sides treated alike", accuracy.class_counts, "change nothing", instead=even_counts),
    Fault("T11", "confusions without direction", accuracy.confusions, "change nothing", instead=unordered_confusions),
    Fault(
        "T11", "items taken to lie class by class", split.class_counts, "depends on the order", instead=sorted_counts
    ),
    Fault("T11", "first half of the file", split.half_accuracies, "depends on the order", instead=halves_in_order),
    Fault("T11", "ties broken by index", overlap.weak_membership, "depends on the order", instead=first_by_index),
    Fault(
        "T11",
        "confidences sorted",
        calibration.class_gap,
        "depends on the order",
        ("conf = conf.astype(float)", "conf = np.sort(conf)"),
    ),
    Fault("T12", "0 for an empty class", accuracy._ratio, "not that of those with items", ("np.nan", "0.0")),
    Fault(
        "T12",
        "ends not exact",
        accuracy._exact_ends,
        "NaN where it is declared",
        instead=lambda k, n, low, high: (low, high),
    ),
    Fault("T12", "mean over empty classes", accuracy.macro_accuracy, "with items", ("np.nanmean", "np.mean")),
    Fault(
        "T12",
        "classes for items",
        accuracy.overall_accuracy,
        "unequal size",
        ("k.sum(-1) / n.sum(-1)", "np.nanmean(_ratio(k, n), axis=-1)"),
    ),
    Fault("T12", "single items in the moments", agreement.u_moments, "one item counts", ("use = n > 1", "use = n > 0")),
    Fault(
        "T12",
        "halves of one item",
        split.half_accuracies,
        "NaN where it is declared",
        ("np.where(n > 1, size, np.nan)", "np.where(n > 0, size, np.nan)"),
    ),
    Fault(
        "T12",
        "components of one item",
        instability._mean_squares,
        "NaN where it is declared",
        ("np.where(n > 1, n, np.nan)", "np.maximum(n, 2)"),
    ),
    Fault(
        "T12",
        "precision 0 where nothing is predicted",
        accuracy.precision,
        "NaN where it is declared",
        (
            'return _ratio(*checked_counts(correct, predicted, names=("correct", "predicted")))',
            "return np.nan_to_num(_ratio(*checked_counts(correct, predicted)))",
        ),
    ),
    Fault("T12", "halves of none", extremes.worst_q_crossfit, "NaN where it is declared", ("least=4", "least=1")),
    Fault("T12", "empty classes refused by nobody", extremes._null_sizes, "not refused", (" or (n < 1).any()", "")),
]

CHECKS = {name.removeprefix("check_"): check for name, check in list(globals().items()) if name.startswith("check_T")}


@pytest.mark.parametrize("test", CHECKS)
def test_holds(test):
    CHECKS[test]()


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.test} {fault.name}")
def test_fault_is_caught(fault, monkeypatch):
    put_in(monkeypatch, fault.where, fault.function())
    with pytest.raises(AssertionError, match=fault.caught_by):
        CHECKS[fault.test]()


def test_every_statement_has_a_check_and_a_fault():
    wanted = [f"T{number}" for number in range(1, 13)]
    assert sorted(CHECKS, key=wanted.index) == wanted
    assert {fault.test for fault in FAULTS} == set(wanted)
    assert len({(fault.test, fault.name) for fault in FAULTS}) == len(FAULTS)


def test_a_fault_without_effect_is_not_counted_as_caught(monkeypatch):
    """The way of this file itself: the same function again passes, a piece that is not in the source is an error."""
    put_in(monkeypatch, accuracy.wilson, edited(accuracy.wilson, "p = _ratio(k, n)", "p = _ratio(k, n) + 0"))
    check_T1()
    with pytest.raises(LookupError, match="0 times"):
        edited(split.answers_of, "not in there", "")


@pytest.mark.parametrize(("table", "parameters"), [(BY_ITEMS, ITEMS), (AT_ENDS, COUNTS)], ids=["T11", "T12"])
def test_no_measure_is_left_out(table, parameters):
    """A new function of items or counts belongs into the tables of T11 and T12."""
    takes = {name for name, function in PUBLIC.items() if parameters & set(inspect.signature(function).parameters)}
    assert set(table) == takes
