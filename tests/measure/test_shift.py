import numpy as np
import pytest
from scipy.special import logit

from analysis.measure.agreement import corrected_r, u_moments
from analysis.measure.overlap import weak_membership
from analysis.measure.shift import (
    bootstrap_shift,
    mirror_contrast,
    naive_contrast,
    paired_shift,
    sd_ratio,
    shift_contrast,
    shift_level,
    shift_slope,
)
from analysis.measure.split import class_counts, class_weights


def counts(seed, p_clean, p_shift, models=20, n=(50, 50)):
    """Counts of `models` networks with the same true class rates and independent items."""
    rng = np.random.default_rng(seed)
    draw = [rng.binomial(size, p, (models, p.size)) for size, p in zip(n, (p_clean, p_shift), strict=True)]
    return {
        "kc": draw[0],
        "nc": np.full(p_clean.size, n[0]),
        "ks": draw[1],
        "ns": np.full(p_clean.size, n[1]),
    }


def rates(seed, classes=1000, r=1.0):
    """Two vectors of class rates with equal sds and true correlation about r."""
    a, b = np.random.default_rng(seed).normal(size=(2, classes))
    return np.clip(0.6 + 0.12 * a, 0.05, 0.95), np.clip(0.6 + 0.12 * (r * a + np.sqrt(1 - r * r) * b), 0.05, 0.95)


def test_equal_points_are_unequal_ratios():
    """Means .76 and .64, slope 1: intercept -.12; a class at .4 keeps .70, one at .9 keeps .867."""
    n = 10**8  # no noise
    clean = np.array([0.4, 0.9, 0.98])
    line = shift_slope(kc=clean * n, nc=[n] * 3, ks=(clean - 0.12) * n, ns=[n] * 3)
    assert line.slope == pytest.approx([1], abs=1e-6) and line.intercept == pytest.approx([-0.12], abs=1e-6)
    kept = line.slope + line.intercept / clean
    assert kept[:2] == pytest.approx([0.70, 0.867], abs=1e-3)
    weak_first = naive_contrast(kc=clean * n, nc=[n] * 3, ks=(clean - 0.12) * n, ns=[n] * 3, q=1)
    assert weak_first.points == pytest.approx([0], abs=1e-9) and weak_first.ratio > 0.15


def test_three_scales_by_hand():
    c = naive_contrast(kc=[20, 80, 80], nc=[100] * 3, ks=[10, 60, 60], ns=[100] * 3, q=1)
    assert [x.item() for x in c[3:]] == pytest.approx([0.2, 0.1, 0.8, 0.6])
    assert c.points == pytest.approx([0.1 - 0.2])  # the weak class loses fewer points: negative
    assert c.ratio == pytest.approx([0.75 - 0.5])  # and keeps less of what it had: positive
    assert c.logit == pytest.approx([logit(0.2) - logit(0.1) - (logit(0.8) - logit(0.6))])


def test_constant_drop_is_no_contrast():
    clean, _ = rates(0)
    clean = np.clip(clean, 0.15, None)
    data = counts(1, clean, clean - 0.1)
    rng = np.random.default_rng(2)
    crossed, naive = shift_contrast(**data, q=50, rng=rng, R=10), naive_contrast(**data, q=50)
    assert (crossed.clean_weak - crossed.shift_weak).mean() == pytest.approx(0.1, abs=0.005)
    assert crossed.points.mean() == pytest.approx(0, abs=0.005)
    assert (naive.clean_weak - naive.shift_weak).mean() < 0.07  # fault: chosen and read on the same items
    assert shift_slope(**data).slope.mean() == pytest.approx(1, abs=0.02)
    p = data["kc"] / 50
    flat = [np.cov(a, b)[0, 1] / a.var(ddof=1) for a, b in zip(p, data["ks"] / 50, strict=True)]
    assert np.mean(flat) < 0.85  # fault: divided by the variance of the accuracies
    assert sd_ratio(**data).mean() == pytest.approx(1, abs=0.02)


def test_the_mirror_changes_sign_when_the_true_r_is_below_one():
    data = counts(3, *rates(4, r=0.8))
    rng = np.random.default_rng(5)
    crossed, mirror = shift_contrast(**data, q=50, rng=rng, R=10), mirror_contrast(**data, q=50, rng=rng, R=10)
    for scale in range(3):  # fault: a mirror that chooses on clean would have the sign of the contrast
        assert crossed[scale].mean() < -0.03 and mirror[scale].mean() > 0.03
    assert crossed.points.mean() == pytest.approx(-mirror.points.mean(), abs=0.03)
    assert shift_level(**data).corrected.mean() == pytest.approx(0.8, abs=0.04)


def test_the_mirror_is_the_contrast_of_exchanged_sets_with_the_other_sign():
    data = counts(6, *rates(7, classes=60, r=0.7), models=3, n=(21, 10))
    exchanged = {"kc": data["ks"], "nc": data["ns"], "ks": data["kc"], "ns": data["nc"]}
    mirror = mirror_contrast(**data, q=6, rng=np.random.default_rng(8), R=5)
    contrast = shift_contrast(**exchanged, q=6, rng=np.random.default_rng(8), R=5)
    assert mirror.points == pytest.approx(-contrast.points) and mirror.logit == pytest.approx(-contrast.logit)
    assert mirror.clean_weak == pytest.approx(contrast.shift_weak)
    assert not np.allclose(shift_contrast(**exchanged, q=6, rng=np.random.default_rng(8), R=5).points, -contrast.points)


def test_level_is_freed_of_noise_and_its_raw_r_has_a_ceiling():
    clean, shift = rates(9, r=0.8)
    data = counts(10, clean, shift, n=(50, 10))
    level, truth = shift_level(**data), np.corrcoef(clean, shift)[0, 1]
    assert level.corrected.mean() == pytest.approx(truth, abs=0.02)
    assert level.raw == pytest.approx(
        [np.corrcoef(a, b)[0, 1] for a, b in zip(data["kc"] / 50, data["ks"] / 10, strict=True)]
    )
    assert level.raw.mean() < truth * 0.8 and level.raw.mean() == pytest.approx(truth * level.ceiling.mean(), abs=0.02)


def test_shared_items_need_the_joint_moments():
    """A corruption that changes nothing, on the clean items: counts alone would report a true r far above 1."""
    rng = np.random.default_rng(11)
    class_id = np.repeat(np.arange(300), 20)
    right = rng.random((1, class_id.size)) < np.clip(0.6 + 0.1 * rng.normal(size=300), 0, 1)[class_id]
    k, n = class_counts(right, class_id, 300)
    assert shift_level(kc=k, nc=n, ks=k, ns=n).corrected > 1.5
    assert corrected_r(u_moments(np.concatenate([right, right]), class_id, 300))[0, 1] == pytest.approx(1)


@pytest.mark.parametrize(("classes", "q"), [(10, 3), (60, 6)])
def test_bootstrap_equals_drawing_classes_by_hand(classes, q):
    data = counts(12, *rates(13, classes=classes, r=0.8), models=2, n=(41, 20))
    kc, nc, ks, ns = (data[x] for x in ("kc", "nc", "ks", "ns"))
    draws = bootstrap_shift(**data, q=q, rng=np.random.default_rng(14), draws=4, R=3)
    rng = np.random.default_rng(14)
    weights = class_weights(classes, draws=4, rng=rng)

    def halves(k, n):
        for _ in range(3):
            a = rng.hypergeometric(k, n - k, n // 2)
            yield from ((x, y) for x, y in [(a / (n // 2), (k - a) / (n - n // 2))] for x, y in ((x, y), (y, x)))

    folds, mirrored = list(halves(kc, nc)), list(halves(ks, ns))
    for d, w in enumerate(weights):
        copies = np.repeat(np.arange(classes), w)
        one = {key: x[..., copies] for key, x in data.items()}
        assert draws.corrected_r[d] == pytest.approx(shift_level(**one).corrected.mean())
        assert draws.slope[d] == pytest.approx(shift_slope(**one).slope.mean())
        assert draws.sd_ratio[d] == pytest.approx(sd_ratio(**one).mean())
        for found, reads in (
            (draws.contrast[d], [(a, b, ks / ns) for a, b in folds]),
            (draws.mirror[d], [(a, kc / nc, b) for a, b in mirrored]),
        ):
            means = []
            for chosen, clean, shift in reads:
                weak = weak_membership(chosen[:, copies], q)
                groups = ((weak, q), (1 - weak, classes - q))
                means.append([(g * x[:, copies]).sum(axis=1) / size for g, size in groups for x in (clean, shift)])
            cw, sw, cr, sr = np.mean(means, axis=0)
            scales = [
                (cw - sw) - (cr - sr),
                sr / cr - sw / cw,
                (logit(cw) - logit(sw)) - (logit(cr) - logit(sr)),
            ]
            assert found == pytest.approx([x.mean() for x in scales], abs=1e-5)


def test_bootstrap_interval_holds_the_truth_and_moves_all_models_together():
    clean, _ = rates(15, classes=300)
    clean = np.clip(clean, 0.2, None)
    covered = []
    for seed in range(30):
        data = counts(seed, clean, clean - 0.1, models=4)
        draws = bootstrap_shift(**data, q=15, rng=np.random.default_rng(seed), draws=100, R=3)
        low, high = np.quantile(draws.contrast[:, 0], [0.025, 0.975])
        covered.append(low <= 0 <= high)
    assert np.mean(covered) > 0.85
    single = {key: x[:1] if x.ndim == 2 else x for key, x in data.items()}
    many = {key: np.repeat(x[:1], 9, axis=0) if x.ndim == 2 else x for key, x in data.items()}
    spread = [bootstrap_shift(**d, q=15, rng=np.random.default_rng(0), R=1).slope.std() for d in (single, many)]
    assert spread[0] == pytest.approx(spread[1])  # nine copies of a model are one observation


def test_small_classes_are_left_out_and_sizes_may_be_per_model():
    data = counts(16, *rates(17, classes=12), models=2, n=(12, 9))
    odd = {
        "kc": np.column_stack([data["kc"], [0, 0], [5, 5], [1, 0]]),
        "nc": np.append(data["nc"], [0, 8, 1]),
        "ks": np.column_stack([data["ks"], [3, 3], [0, 0], [4, 4]]),
        "ns": np.append(data["ns"], [9, 0, 9]),
    }
    per_model = odd | {"nc": np.tile(odd["nc"], (2, 1)), "ns": np.tile(odd["ns"], (2, 1))}
    for same in (odd, per_model):
        assert shift_level(**same).corrected == pytest.approx(shift_level(**data).corrected)
        first, second = (shift_contrast(**x, q=3, rng=np.random.default_rng(0), R=4) for x in (same, data))
        assert np.allclose(first, second)


def test_what_cannot_be_formed_is_nan_or_declared():
    flat = {"kc": [5, 5, 5], "nc": [10] * 3, "ks": [0, 5, 10], "ns": [10] * 3}
    assert np.isnan(shift_level(**flat).corrected) and np.isnan(shift_slope(**flat).slope)
    ends = naive_contrast(kc=[0, 10, 10], nc=[10] * 3, ks=[0, 10, 10], ns=[10] * 3, q=1)
    assert np.isnan(ends.logit) and np.isnan(ends.ratio) and ends.points == 0
    with pytest.raises(ValueError, match="q is 3; expected 1 to 2"):
        naive_contrast(**flat, q=3)
    with pytest.raises(ValueError, match="clean counts hold a class with k < 0 or k > n"):
        shift_level(**(flat | {"kc": [11, 5, 5]}))
    with pytest.raises(ValueError, match="shift counts have shapes"):
        shift_level(**(flat | {"ks": [1, 2]}))
    with pytest.raises(ValueError, match="1 classes have two items"):
        shift_level(**(flat | {"nc": [10, 10, 10], "ns": [10, 1, 1], "ks": [1, 1, 1]}))


def paired(seed, p_clean, p_shift, n=20, conditions=3):
    """Clean and changed answers to the same items, as alike as two Bernoulli variables of these rates can be."""
    rng = np.random.default_rng(seed)
    class_id = np.repeat(np.arange(p_clean.size), n)
    level = rng.random(class_id.size)  # one difficulty an item: what is right when changed was right before
    rows = [level < p_clean[class_id]] + [level < p_shift[class_id]] * conditions
    return np.array(rows), class_id


def test_same_items_share_noise_that_paired_shift_takes_off():
    """Unrelated true rates: read on the same items, noise alone correlates them; taken off, nothing is left."""
    clean, changed = rates(3, classes=2000, r=0.0)
    changed = np.minimum(changed, clean)
    right, class_id = paired(4, clean, changed)
    truth = np.corrcoef(clean, changed)[0, 1]
    found = paired_shift(right, class_id, 2000, q=100, rng=np.random.default_rng(0), draws=20, R=2)
    counts_, n = class_counts(right, class_id, 2000)
    as_if_apart = shift_level(kc=counts_[0], nc=n, ks=counts_[1], ns=n).corrected[0]
    assert found.corrected_r == pytest.approx(np.full(3, truth), abs=0.05)
    assert as_if_apart > truth + 0.1
    assert found.corrected_r_draws.mean() == pytest.approx(truth, abs=0.05)


def test_paired_contrast_of_a_constant_drop_is_nothing_and_of_a_harsher_one_is_found():
    clean, _ = rates(5, classes=1000)
    clean = np.clip(clean, 0.2, None)
    for extra, expected in ((0.0, 0.0), (0.1, 0.1)):
        weak = clean < np.quantile(clean, 0.3)
        right, class_id = paired(6, clean, clean - 0.05 - extra * weak)
        found = paired_shift(right, class_id, 1000, q=50, rng=np.random.default_rng(1), draws=50, R=4)
        assert found.contrast.points.mean() == pytest.approx(expected * 0.75, abs=0.03)
        low, high = np.quantile(found.contrast_draws[:, 0], [0.025, 0.975])
        assert low < found.contrast.points.mean() < high


@pytest.mark.parametrize("q", [0, 3])
def test_paired_shift_refuses_an_impossible_q(q):
    with pytest.raises(ValueError, match="q is"):
        paired_shift(np.ones((2, 6), bool), np.repeat([0, 1, 2], 2), 3, q=q, rng=np.random.default_rng(0))


def test_paired_shift_refuses_a_class_of_one_item():
    with pytest.raises(ValueError, match="two items"):
        paired_shift(np.ones((2, 3), bool), np.array([0, 0, 1]), 2, q=1, rng=np.random.default_rng(0))
