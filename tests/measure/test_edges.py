"""Every public measure on inputs at the edge: finite values, NaN where its page says so, or an error in its own words.

Scenes are small sets of models and items; each function is called on each scene as its callers would. What must come
out where it can be said in advance stands in `EXPECTED`. A new public function fails here until it is in `CALLS`.
"""

import importlib
import inspect
import pkgutil
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

import analysis.measure

MODULES = {
    info.name: importlib.import_module(f"analysis.measure.{info.name}")
    for info in pkgutil.iter_modules(analysis.measure.__path__)
}
PUBLIC = {
    f"{name}.{key}": value
    for name, module in MODULES.items()
    for key, value in vars(module).items()
    if inspect.isfunction(value) and value.__module__ == module.__name__ and not key.startswith("_")
}
HOME = Path(analysis.measure.__file__).parent


class Scene(NamedTuple):
    """Right answers (models, items), the class of each item, the number of classes; everything else follows."""

    right: np.ndarray
    class_id: np.ndarray
    n_classes: int

    @property
    def args(self):
        return self.right, self.class_id, self.n_classes

    @property
    def n(self):
        return np.bincount(self.class_id, minlength=self.n_classes)

    @property
    def k(self):
        return np.array([np.bincount(self.class_id[row], minlength=self.n_classes) for row in self.right], int).reshape(
            -1, self.n_classes
        )

    @property
    def accuracy(self):
        return self.k / np.where(self.n > 0, self.n, np.nan)

    @property
    def measured(self):
        """Accuracies of the classes with items."""
        return self.k[:, self.n > 0] / self.n[self.n > 0]

    @property
    def pred(self):
        return np.where(self.right, self.class_id, (self.class_id + 1) % self.n_classes)

    @property
    def pair(self):
        """Answers of the first and the last model."""
        return {
            "right_a": self.right[0],
            "right_b": self.right[-1],
            "class_id": self.class_id,
            "n_classes": self.n_classes,
        }

    @property
    def two_sets(self):
        return {"kc": self.k, "nc": self.n, "ks": self.k, "ns": self.n}


def scene(sizes, models=3, rate=None, seed=0):
    class_id = np.repeat(np.arange(len(sizes)), sizes)
    rate = np.random.default_rng(seed).uniform(0.1, 0.9, len(sizes)).repeat(sizes) if rate is None else rate
    return Scene(np.random.default_rng(seed + 1).random((models, class_id.size)) < rate, class_id, len(sizes))


def hard_items(rate, n):
    """Rates of the items of classes with these mean rates: half of them hard, half of them easy."""
    return (rate[:, None] + np.where(np.arange(n) % 2, 0.5, -0.5) * np.minimum(rate, 1 - rate)[:, None]).ravel()


HALF = np.tile([True, False] * 12, (3, 1))
SCENES = {
    "ordinary": scene([24] * 20, models=4, rate=hard_items(np.append(0.15, np.linspace(0.4, 0.8, 19)), 24)),
    "no items": scene([0, 0, 0]),
    "one item a class": scene([1] * 8),
    "two items a class": scene([2] * 8),
    "a class without items": scene([12, 0, 12, 12, 0, 12]),
    "one class": scene([12]),
    "one item": scene([1]),
    "one model": scene([12] * 8, models=1),
    "no model": scene([12] * 8, models=0),
    "all right": scene([12] * 6, rate=1),
    "all wrong": scene([12] * 6, rate=0),
    "all tied": Scene(HALF, np.arange(6).repeat(4), 6),
    "unequal sizes": scene([1, 2, 3, 700, 0, 40, 5]),
}


def rng():
    return np.random.default_rng(7)


def first(s):
    """Counts of the first model; a scene without models has none to give."""
    if not len(s.right):
        pytest.skip("no first model")
    return s.k[0]


def pair(s):
    if not len(s.right):
        pytest.skip("no pair of models")
    return s.pair


def cells(s):
    return MODULES["consistency"].pair_cells(**pair(s))


def components(s):
    return MODULES["instability"].run_components(*s.args)


def gaps(s):
    return MODULES["calibration"].class_gap(np.full(s.class_id.size, 0.7), s.right[0], s.class_id, s.n_classes)


def sums(s):
    k = first(s)
    return {"n": s.n, "k": k, "conf": s.n * 0.5, "conf_square": s.n * 0.25, "conf_right": k * 0.5}


def moments(s):
    return MODULES["agreement"].u_moments(*s.args)


def prior(s):
    return MODULES["extremes"].fit_g(first(s), s.n)


def answer(s):
    first(s)
    return {"label": s.class_id, "pred": s.pred[0], "n_classes": s.n_classes}


def lowest(p):
    return p.min(-1)


def tail(p):
    return MODULES["extremes"].tail_functionals(p, 1)


CALLS = {
    "accuracy": {
        "class_counts": lambda f, s: f(label=s.class_id, pred=s.pred, n_classes=s.n_classes),
        "class_accuracy": lambda f, s: f(k=s.k, n=s.n),
        "precision": lambda f, s: f(correct=s.k, predicted=s.n),
        "f1": lambda f, s: f(correct=s.k, n=s.n, predicted=s.n),
        "overall_accuracy": lambda f, s: f(k=s.k, n=s.n),
        "macro_accuracy": lambda f, s: f(k=s.k, n=s.n),
        "confusions": lambda f, s: f(**answer(s)),
        "wilson": lambda f, s: f(s.k, s.n),
        "clopper": lambda f, s: f(s.k, s.n),
        "jeffreys": lambda f, s: f(s.k, s.n),
        "weak_pvalues": lambda f, s: f(s.k, s.n, 0.5),
        "checked_counts": lambda f, s: f(s.k, s.n),
    },
    "agreement": {
        "pearson_as_coded": None,  # the paper's own line, errors and warnings of scipy included
        "u_moments": lambda f, s: f(*s.args),
        "u_moments_from_counts": lambda f, s: f(s.k, s.n),
        "weighted_cov": lambda f, s: f(s.measured, s.measured, np.ones((2, s.measured.shape[1]))),
        "corrected_r": lambda f, s: f(moments(s)),
        "raw_r": lambda f, s: f(moments(s)),
        "reliability": lambda f, s: f(moments(s)),
        "bootstrap_corrected_r": lambda f, s: f(*s.args, draws=3, rng=rng()),
        "class_bootstrap": lambda f, s: f(lambda c: c.size, s.n_classes, draws=2, rng=rng()),
        "item_jackknife": lambda f, s: f(*s.args, lambda x, c, n: moments(Scene(x, c, n)).true, groups=2),
    },
    "calibration": {
        "class_gap": lambda f, s: f(np.full(s.class_id.size, 0.7), pair(s)["right_a"], s.class_id, s.n_classes),
        "class_gap_from_sums": lambda f, s: f(**sums(s)),
        "shrunken_gaps": lambda f, s: f(gaps(s)) if len(s.right) else pytest.skip("no model"),
    },
    "compare": {
        "mcnemar_exact": lambda f, s: f(s.k, s.n),
        "per_class_mcnemar": lambda f, s: f(**pair(s)),
        "true_sd_difference": lambda f, s: f(s.k, np.zeros_like(s.k), s.n),
        "item_bootstrap": lambda f, s: list(f(*s.args, draws=3, rng=rng())),
        "rank_flips": lambda f, s: f(*s.args, lowest, rng=rng(), B=4),
    },
    "consistency": {
        "pair_cells": lambda f, s: f(**pair(s)),
        "kappa_plain": lambda f, s: f(cells(s)),
        "kappa_given_class": lambda f, s: f(cells(s), s.n),
        "error_consistency": lambda f, s: f(*s.args),
        "kappa_intervals": lambda f, s: f(cells(s), rng=rng(), B=5),
    },
    "drawn_ranks": {
        "drawn_ranks": lambda f, s: f(s.measured[0], np.ones((2, s.measured.shape[1]), int)) if len(s.k) else None,
        "rank_r": lambda f, s: f(s.measured, np.arange(s.measured.shape[1])),
    },
    "extremes": {
        "percentile_as_coded": lambda f, s: f(s.accuracy, 5),
        "tail_functionals": lambda f, s: f(s.measured, 2),
        "worst_q_plugin": lambda f, s: f(s.k, s.n, 2),
        "worst_q_crossfit": lambda f, s: f(s.k, s.n, 2, rng(), R=3),
        "fit_g": lambda f, s: f(s.k, s.n),
        "fit_beta_mixture": lambda f, s: f(first(s), s.n),
        "fit_test": lambda f, s: f(np.tile(first(s), 20), np.tile(s.n, 20), prior(s), 0),
        "posterior_draws": lambda f, s: f(first(s), s.n, prior(s), 3, rng()),
        "functional_interval": lambda f, s: f(s.k, s.n, tail, rng=rng(), refits=2, draws=3),
        "eb_list": lambda f, s: f(first(s), s.n, 0.5, 0.05),
        "null_extremes": lambda f, s: f(s.n, 0.5, s.n_classes, rng(), draws=50, q=1),
        "null_minimum_cdf": lambda f, s: f(0.5, s.n, 0.5, s.n_classes),
        "homogeneity": lambda f, s: f(s.k, s.n),
    },
    "instability": {
        "class_ranges": lambda f, s: f(s.k, s.n),
        "subset_ranges": lambda f, s: f(s.k, s.n, size=2),
        "flip_null_range": lambda f, s: f(*s.args, rng=rng(), B=3),
        "flip_null_minimum": lambda f, s: f(*s.args, rng=rng(), B=3),
        "fresh_item_null": lambda f, s: f(s.k, s.n, rng=rng(), B=3),
        "run_components": lambda f, s: f(*s.args),
        "run_spread": lambda f, s: f(components(s), s.n),
        "run_share": lambda f, s: f(components(s), s.n),
        "run_share_interval": lambda f, s: f(components(s), s.n, rng=rng(), draws=9),
        "coherent_share": lambda f, s: f(components(s), s.n),
        "runs_needed": lambda f, s: f(components(s), s.n),
        "shift_test": lambda f, s: f(*s.args),
        "run_means": lambda f, s: f(s.right),
        "worst_q_crossfit_runs": lambda f, s: f(*s.args, 1, rng(), R=3),
    },
    "labels": {
        "rescore": lambda f, s: f(s.pred, np.zeros((s.class_id.size, s.n_classes), bool)),
        "partner_bound": lambda f, s: f(**answer(s), rng=rng(), R=2),
        "error_concentration": lambda f, s: f(**answer(s)),
    },
    "models": {
        "effective_number": lambda f, s: f(MODULES["agreement"].corrected_r(moments(s))),
        "leave_one_family_out": lambda f, s: f(np.eye(len(s.right)), ["a", "a", "b", "b"][: len(s.right)]),
        "family_mean": lambda f, s: f(s.k, ["a"] * len(s.right)),
        "sanity_agreement": lambda f, s: f(s.right, s.right),
    },
    "overlap": {
        "weak_membership": lambda f, s: f(s.accuracy, 2),
        "drawn_membership": lambda f, s: (
            f(s.measured[0], 1, np.ones((s.measured.shape[1], 2), int)) if s.measured.size else None
        ),
        "weak_set": lambda f, s: f(first(s) / np.where(s.n > 0, s.n, np.nan), 2, rng()),
        "overlap_bounds": lambda f, s: f(*s.accuracy[[0, -1]], 2) if len(s.k) else None,
        "expected_overlap": lambda f, s: f(s.k),
        "pair_mean": lambda f, s: f(s.k @ s.k.T),
        "worst_set_as_coded": lambda f, s: f(first(s), 2),
        "fisher_as_coded": lambda f, s: f(overlap=1, n=2, classes=s.n_classes),
        "sham_floor": lambda f, s: f(*s.args, q=1, rng=rng(), R=2),
        "half_overlap": lambda f, s: f(*s.args, q=1, rng=rng(), R=2),
        "bootstrap_half_overlap": lambda f, s: list(
            f(*s.args, q=max(1, s.n_classes // 4), rng=rng(), draws=3, R=4).values()
        ),
        "sharing": lambda f, s: f(s.k),
        "permuted_sharing": lambda f, s: f(s.k, np.zeros(s.n_classes, int), rng=rng(), R=2),
        "cross_half_sharing": lambda f, s: f(*s.args, q=1, rng=rng(), R=2),
    },
    "ranks": {
        "jaccard": lambda f, s: f(s.n, max(s.n.max(), 1)),
        "tau_b": lambda f, s: f(s.measured),
        "spearman": lambda f, s: f(s.measured),
        "rbo": lambda f, s: f(s.measured),
        "half_ranks": lambda f, s: f(*s.args, rng=rng(), R=2),
    },
    "scope": {
        "auroc": lambda f, s: f(s.k.ravel() + 2, s.k.ravel()),
        "accepting_threshold": lambda f, s: f(s.k.ravel()),
        "false_positive_rate": lambda f, s: f(s.k.ravel(), s.n),
        "taken_in": lambda f, s: f(s.class_id, np.ones(s.class_id.size), 0.5, s.n_classes),
    },
    "shift": {
        "shift_level": lambda f, s: f(**s.two_sets),
        "shift_slope": lambda f, s: f(**s.two_sets),
        "sd_ratio": lambda f, s: f(**s.two_sets),
        "shift_contrast": lambda f, s: f(**s.two_sets, q=1, rng=rng(), R=2),
        "mirror_contrast": lambda f, s: f(**s.two_sets, q=1, rng=rng(), R=2),
        "naive_contrast": lambda f, s: f(**s.two_sets, q=1),
        "bootstrap_shift": lambda f, s: f(**s.two_sets, q=1, rng=rng(), draws=3, R=2),
        "paired_shift": lambda f, s: f(*s.args, q=1, rng=rng(), draws=3, R=2),
    },
    "split": {
        "class_sizes": lambda f, s: f(*s.args),
        "class_counts": lambda f, s: f(*s.args),
        "half_accuracies": lambda f, s: list(f(*s.args, rng=rng(), R=2)),
        "class_weights": lambda f, s: f(s.n_classes, draws=2, rng=rng()),
        "answers_of": lambda f, s: f(s.right),
    },
    "weak": {
        "bh_list": lambda f, s: f(s.k, s.n, 0.5),
        "by_list": lambda f, s: f(s.k, s.n, 0.5, joint=True),
        "weak_list": lambda f, s: f(first(s), s.n, 0.5),
    },
}
NAMES = {f"{module}.{name}": call for module, calls in CALLS.items() for name, call in calls.items()}
INFINITE = {"instability.runs_needed", "instability.shift_test"}  # documented, as p = 0 for the latter


def test_every_public_measure_is_called():
    assert set(NAMES) == set(PUBLIC)


def leaves(value):
    """All arrays and numbers in a result, with the docstrings of the named tuples they lie in."""
    if isinstance(value, (tuple, list)):
        page = inspect.getdoc(type(value)) if hasattr(value, "_fields") else ""
        for part in value:
            for leaf, pages in leaves(part):
                yield leaf, pages + page
    elif isinstance(value, dict):
        yield from leaves(list(value.values()))
    elif isinstance(value, (np.ndarray, np.generic, float, int)) and np.asarray(value).dtype.kind == "f":
        yield np.asarray(value), ""


def pages_of(function):
    """Where a NaN may be announced: the function, its module, or what it refers to by name."""
    return (inspect.getdoc(function) or "") + (inspect.getdoc(inspect.getmodule(function)) or "")


@pytest.mark.parametrize("where", SCENES)
@pytest.mark.parametrize("name", [name for name, call in NAMES.items() if call])
def test_defined_at_the_edge(name, where):
    """Warnings are errors in this suite, so a division by 0 on the way to a NaN fails too."""
    function = PUBLIC[name]
    try:
        found = NAMES[name](function, SCENES[where])
    except ValueError as error:
        last = inspect.getinnerframes(error.__traceback__)[-1]
        assert Path(last.filename).parent == HOME, f"an error of another library: {error}"
        assert where != "ordinary" and len(str(error)) > 20
        return
    for values, pages in leaves(found):
        assert name in INFINITE or not np.isinf(values).any()
        if np.isnan(values).any():
            assert where != "ordinary"
            assert "NaN" in pages + pages_of(function), "NaN that no page announces"


# ------------------------------------------------------------------------------------- what can be said in advance


def result(name, where):
    return NAMES[name](PUBLIC[name], SCENES[where])


@pytest.mark.parametrize(
    ("name", "where", "expected"),
    [
        ("accuracy.overall_accuracy", "all right", 1),
        ("accuracy.macro_accuracy", "all wrong", 0),
        ("accuracy.f1", "all wrong", 0),
        ("accuracy.weak_pvalues", "all right", 1),
        ("accuracy.weak_pvalues", "no items", 1),
        ("agreement.u_moments", "all right", 0),
        ("agreement.u_moments", "one item a class", np.nan),
        ("agreement.corrected_r", "all tied", np.nan),
        ("compare.mcnemar_exact", "no items", 1),
        ("compare.true_sd_difference", "all wrong", 0),
        ("consistency.kappa_plain", "all right", np.nan),
        ("consistency.kappa_plain", "all tied", 1),
        ("consistency.error_consistency", "all wrong", np.nan),
        ("extremes.worst_q_plugin", "all tied", 0.5),
        ("extremes.worst_q_plugin", "all wrong", 0),
        ("extremes.homogeneity", "all tied", (0, 5, 1)),
        ("extremes.homogeneity", "all right", (0, 5, 1)),
        ("instability.run_share", "all right", np.nan),
        ("instability.flip_null_minimum", "all tied", (0.5, (0.5, 0.5, 0.5))),
        ("instability.run_components", "one item a class", np.nan),
        ("labels.error_concentration", "all right", np.nan),
        ("labels.error_concentration", "all wrong", 1),
        ("models.sanity_agreement", "one model", (np.nan, np.nan, False)),
        ("overlap.weak_membership", "all tied", 1 / 3),
        ("ranks.tau_b", "all tied", np.nan),
        ("ranks.rbo", "all tied", 1),
        ("ranks.half_ranks", "all right", (np.nan, np.nan, 1)),
        ("shift.sd_ratio", "all right", np.nan),
        ("weak.bh_list", "no items", False),
        ("weak.bh_list", "all right", False),
        ("weak.by_list", "all wrong", True),
    ],
)
def test_value_at_the_edge(name, where, expected):
    def compare(found, wanted):
        if isinstance(wanted, tuple):
            for part, value in zip(found, wanted, strict=True):
                compare(part, value)
        else:
            for part in found if isinstance(found, tuple) else (found,):
                np.testing.assert_allclose(np.asarray(part, float), wanted, atol=1e-9)

    compare(result(name, where), expected)


def test_models_that_differ_between_sets_are_refused():
    s, fewer = SCENES["ordinary"], SCENES["one model"]
    shift, models = MODULES["shift"], MODULES["models"]
    with pytest.raises(ValueError, match="expected"):
        shift.shift_level(kc=s.k, nc=s.n, ks=s.k[:2], ns=s.n)
    with pytest.raises(ValueError, match="expected"):
        models.sanity_agreement(s.right, fewer.right)
    with pytest.raises(ValueError, match="expected"):
        models.leave_one_family_out(np.eye(3), ["a", "b"])


@pytest.mark.parametrize(
    "name", [name for name in NAMES if {"k", "n"} <= set(inspect.signature(PUBLIC[name]).parameters)]
)
def test_more_right_answers_than_items_are_refused(name):
    bad = SCENES["ordinary"]
    worse = type("Worse", (), {key: getattr(bad, key) for key in ("n", "n_classes", "right", "class_id", "args")})()
    worse.k = bad.k + 20
    worse.accuracy = worse.measured = worse.k / worse.n
    with pytest.raises(ValueError, match="expected"):
        NAMES[name](PUBLIC[name], worse)


@pytest.mark.parametrize("name", [name for name in NAMES if "class_id" in inspect.signature(PUBLIC[name]).parameters])
@pytest.mark.parametrize("class_id", [[0.0, 1.0], [0, 9], [-1, 0], [0]])
def test_wrong_class_numbers_are_refused(name, class_id):
    s = Scene(np.array([[True, False]] * 2), np.array(class_id), 2)
    with pytest.raises(ValueError, match=r"expected|classes|class"):
        NAMES[name](PUBLIC[name], s)
