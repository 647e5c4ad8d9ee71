"""Two models class by class and flips of ranks: by hand, by a second route, by simulation, and on the shipped data."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, false_discovery_control, kendalltau
from statsmodels.stats.contingency_tables import mcnemar

from analysis import models, tables
from analysis.measure.compare import (
    item_bootstrap,
    mcnemar_exact,
    per_class_mcnemar,
    rank_flips,
    true_sd_difference,
)
from analysis.measure.extremes import tail_functionals, worst_q_crossfit
from analysis.measure.split import class_counts


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.fixture(scope="module")
def nets64():
    rows = models.table()
    return tables.correct("imagenet-val", models=rows.index[(rows["source"] == "imagenetv2") & rows["in_claims"]])


def answers_of(correct, *names):
    return [correct.right[correct.models.index(f"imagenetv2/{name}")] for name in names]


def test_hand_cases():
    assert mcnemar_exact(1, 8) == 0.0390625
    assert mcnemar_exact([0, 8, 5], [0, 1, 5]).tolist() == [1.0, 0.0390625, 1.0]
    # The smallest one-sided difference that 50 items can show: 6 at .05, 16 at .05 / 1000.
    one_sided = mcnemar_exact(np.arange(51), 0)
    assert np.argmax(one_sided < 0.05) == 6 and np.argmax(one_sided < 0.05 / 1000) == 16


@given(st.integers(0, 60), st.integers(0, 60))
def test_exact_p_value_by_two_other_routes(b, c):
    p = mcnemar_exact(b, c)
    assert p == pytest.approx(binomtest(b, b + c, 0.5).pvalue if b + c else 1)
    assert p == mcnemar_exact(c, b)
    assert p == pytest.approx(mcnemar([[5, b], [c, 7]], exact=True).pvalue)


@given(st.integers(0, 10**6), st.lists(st.integers(0, 12), min_size=1, max_size=8))
def test_every_class_equals_the_test_of_that_class_alone(seed, sizes):
    class_id = np.repeat(np.arange(len(sizes)), sizes)
    a, b = rng(seed).random((2, class_id.size)) < 0.5
    found = per_class_mcnemar(right_a=a, right_b=b, class_id=class_id, n_classes=len(sizes))
    for c in range(len(sizes)):
        inside = class_id == c
        assert found.b[c] == (a & ~b)[inside].sum() and found.c[c] == (b & ~a)[inside].sum()
        assert found.p_value[c] == mcnemar_exact(found.b[c], found.c[c])
    present = np.array(sizes) > 0
    if present.any():
        assert found.adjusted[present] == pytest.approx(false_discovery_control(found.p_value[present]))
    assert (found.adjusted[~present] == 1).all()
    swapped = per_class_mcnemar(right_a=b, right_b=a, class_id=class_id, n_classes=len(sizes))
    assert swapped.b.tolist() == found.c.tolist() and swapped.adjusted.tolist() == found.adjusted.tolist()


def test_true_sd_of_differences_recovers_the_truth():
    """100 sets of 400 classes of 20 items; the true difference has sd .05. Fault: the sd of d holds item noise."""
    random, estimates, raw = rng(1), [], []
    for _ in range(100):
        p = random.uniform(0.3, 0.7, (400, 1))
        change = random.normal(0.03, 0.05, (400, 1))
        luck = random.random((400, 20))
        other = np.where(random.random((400, 20)) < 0.8, luck, random.random((400, 20)))  # items shared in part
        a, b = luck < p, other < p + change
        only_a, only_b = (a & ~b).sum(1), (b & ~a).sum(1)
        estimates.append(true_sd_difference(only_a, only_b, 20) ** 2)
        raw.append(((only_a - only_b) / 20).std(ddof=1))
    assert np.sqrt(np.mean(estimates)) == pytest.approx(0.05, abs=0.003)
    assert np.mean(raw) > 0.07


def test_true_sd_edges():
    assert true_sd_difference([0, 0], [0, 0], 5) == 0  # the same model twice
    assert np.isnan(true_sd_difference([2, 2], [2, 2], 5))  # noise and nothing else
    assert true_sd_difference([2, 0, 1], [0, 2, 0], [10, 10, 1]) == true_sd_difference([2, 0], [0, 2], 10)
    for b, c, n in (([1], [1], 9), ([1, 1], [1, 1], 1), ([6, 0], [6, 0], 10), ([-1, 0], [1, 0], 10)):
        with pytest.raises(ValueError, match="expected"):
            true_sd_difference(b, c, n)


def test_item_bootstrap_keeps_items_whole_and_models_together():
    class_id = np.array([2, 0, 0, 2, 0, 2, 2])
    right = rng(1).random((3, 7)) < 0.5
    right[2] = right[0]
    k = np.concatenate(list(item_bootstrap(right, class_id, 4, draws=3000, rng=rng(2), step=999)))
    seen, n = class_counts(right, class_id, 4)
    assert k.shape == (3000, 3, 4) and (k <= n).all() and (k[:, :, [1, 3]] == 0).all()
    assert (k[:, 0] == k[:, 2]).all()  # equal models stay equal in every draw
    assert k.mean(axis=0) == pytest.approx(seen, abs=0.1)
    p = seen[0, 2] / 4
    assert k[:, 0, 2].var() == pytest.approx(4 * p * (1 - p), rel=0.15)
    again = np.concatenate(list(item_bootstrap(right, class_id, 4, draws=3000, rng=rng(2), step=999)))
    assert (again == k).all()


def test_flips_by_brute_force():
    random = rng(3)
    class_id = np.repeat(np.arange(6), 30)
    right = random.random((5, 180)) < random.uniform(0.2, 0.9, (5, 6)).repeat(30, axis=1)
    found = rank_flips(right, class_id, 6, lambda p: p.min(-1), rng=random, B=300)
    accuracy = np.stack([right[:, class_id == c].mean(axis=1) for c in range(6)], axis=1)
    draws = []
    for _ in range(300):
        items = np.concatenate([random.choice(np.flatnonzero(class_id == c), 30) for c in range(6)])
        draws.append(np.stack([right[:, items[class_id == c]].mean(axis=1) for c in range(6)], axis=1))
    draws = np.array(draws)
    for pair, (i, j) in enumerate(zip(found.first, found.second, strict=True)):
        overall, low = right[i].mean() - right[j].mean(), accuracy[i].min() - accuracy[j].min()
        assert found.overall[pair] == pytest.approx(overall) and found.measure[pair] == pytest.approx(low)
        assert found.flips[pair] == (overall * low < 0)
        se = (draws[:, i].mean(-1) - draws[:, j].mean(-1)).std(), (draws[:, i].min(-1) - draws[:, j].min(-1)).std()
        assert (found.overall_se[pair], found.measure_se[pair]) == pytest.approx(se, rel=0.25)
        assert found.undecided_measure[pair] == (abs(low) <= 1.959964 * found.measure_se[pair])
    assert not (found.beyond & ~found.flips).any()


def test_equal_models_are_undecided():
    right = np.repeat([[True, False] * 10] * 2, 2, axis=1)
    class_id = np.repeat([0, 1], 20)
    found = rank_flips(right, class_id, 2, lambda p: p.min(-1), rng=rng(), B=20)
    assert found.undecided_overall.all() and found.undecided_measure.all() and not found.flips.any()
    with pytest.raises(ValueError, match="one a model"):
        rank_flips(right, class_id, 2, lambda p: p.min(), rng=rng(), B=20)


def test_noise_is_never_held_against_a_difference_it_does_not_belong_to():
    """The draws give the noise of the plug-in. That of a cross-fit is larger, so no other centre may be put in."""
    random, n = rng(6), np.full(300, 20)
    true = random.beta(4, 2, 300)
    k = random.binomial(n, true, (200, 300))
    plugin, fitted = tail_functionals(k / n, 15)[:, 0], worst_q_crossfit(k, n, 15, random, R=10).mean
    assert fitted.std(ddof=1) > 1.15 * plugin.std(ddof=1)
    right = np.arange(20) < k[:2, :, None]
    with pytest.raises(TypeError, match="centre"):
        rank_flips(
            right.reshape(2, -1), np.repeat(np.arange(300), 20), 300, lambda p: p.min(-1), rng=random, centre=fitted[:2]
        )


# ------------------------------------------------------------------------------------------------ the shipped data


@pytest.mark.parametrize(
    ("first", "second", "better", "worse", "nominal", "bh"),
    [
        ("resnet50", "resnet152", 567, 247, (39, 7), (0, 0)),
        ("resnet50", "nasnetalarge", 813, 89, (149, 3), (14, 0)),
        ("vgg16", "nasnetalarge", None, None, None, (176, None)),
    ],
)
def test_classes_that_differ_between_networks(nets64, first, second, better, worse, nominal, bh):
    """Numbers of an independent program, from the same published predictions (ImageNetV2 repository)."""
    a, b = answers_of(nets64, first, second)
    t = per_class_mcnemar(right_a=a, right_b=b, class_id=nets64.class_index, n_classes=len(nets64.classes))
    found = {
        "sign": ((t.c > t.b).sum(), (t.c < t.b).sum()),
        "nominal": tuple(((t.p_value < 0.05) & side).sum() for side in (t.c > t.b, t.c < t.b)),
        "bh": tuple(((t.adjusted <= 0.05) & side).sum() for side in (t.c > t.b, t.c < t.b)),
    }
    for name, expected in (("sign", (better, worse)), ("nominal", nominal), ("bh", bh)):
        for value, wanted in zip(found[name], expected or (), strict=False):
            assert wanted is None or value == wanted, name


def test_true_spread_between_two_resnets(nets64):
    """.034 by an independent program; the mean difference is .022, so that a quarter of the classes get worse."""
    a, b = answers_of(nets64, "resnet50", "resnet152")
    t = per_class_mcnemar(right_a=a, right_b=b, class_id=nets64.class_index, n_classes=1000)
    assert true_sd_difference(t.b, t.c, np.full(1000, 50)) == pytest.approx(0.034, abs=5e-4)
    assert ((t.c - t.b) / 50).mean() == pytest.approx(0.022, abs=5e-4)


def test_ranks_of_64_networks(nets64):
    """Kendall's tau .864 (worst 50, cross-fitted), .904 (p5), .547 (minimum); 137 flips, 82 undecided overall.

    By an independent program with other splits and draws: its flips are those of the cross-fit, here of the plug-in,
    whose noise the draws give. It found one flip beyond noise by quantiles of the draws.
    """
    class_id = nets64.class_index
    k, n = class_counts(nets64.right, class_id, 1000)
    accuracy, tail = nets64.right.mean(axis=1), tail_functionals(k / n, 50)
    fitted = worst_q_crossfit(k, n, 50, rng(4), R=40).mean
    assert kendalltau(accuracy, fitted)[0] == pytest.approx(0.864, abs=0.015)
    assert kendalltau(accuracy, tail[:, 1])[0] == pytest.approx(0.904, abs=5e-4)
    assert kendalltau(accuracy, tail[:, 3])[0] == pytest.approx(0.547, abs=5e-4)

    def worst(p):
        return tail_functionals(p, 50)[..., 0]

    found = rank_flips(nets64.right, class_id, 1000, worst, rng=rng(5), B=100)
    first, second = np.triu_indices(64, 1)
    by_fit = (fitted[first] - fitted[second]) * (accuracy[first] - accuracy[second]) < 0
    assert abs(by_fit.sum() - 137) <= 14
    assert found.flips.size == 2016 and abs(found.flips.sum() - 137) <= 40
    assert abs(found.undecided_overall.sum() - 82) <= 10
    assert 300 < found.undecided_measure.sum() < 480
    assert found.beyond.sum() < 0.15 * found.flips.sum()
