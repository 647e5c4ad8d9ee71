import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit

from analysis.measure.agreement import (
    bootstrap_corrected_r,
    class_bootstrap,
    corrected_r,
    item_jackknife,
    raw_r,
    reliability,
    u_moments,
    u_moments_from_counts,
    weighted_cov,
)
from analysis.measure.split import class_counts, class_weights, half_accuracies


def answers(rng, models=2, classes=200, n=20, sd_class=0.0, sd_item=1.5):
    """Models that share hard classes and hard items: logit p = 0.5 + class + item effect, the same for all models."""
    class_id = np.repeat(np.arange(classes), n)
    ease = 0.5 + rng.normal(0, sd_class, classes)[class_id] + rng.normal(0, sd_item, class_id.size)
    return rng.random((models, class_id.size)) < expit(ease), class_id


def own_moments(right, class_id):
    """The formulas of the module docstring, class by class and pair by pair."""
    classes = [c for c in np.unique(class_id) if (class_id == c).sum() > 1]
    accuracy = np.array([right[:, class_id == c].mean(axis=1) for c in classes]).T
    noise = np.zeros((len(right), len(right)))
    for c in classes:
        x = right[:, class_id == c].astype(float)
        n = x.shape[1]
        noise += (x @ x.T - np.outer(x.sum(axis=1), x.sum(axis=1)) / n) / (n * (n - 1)) / len(classes)
    return np.cov(accuracy), noise


def test_one_item_that_both_get_right_is_no_agreement():
    right, class_id = np.array([[True, False], [True, False]]), np.array([0, 0])
    noise = u_moments(right, class_id, 1).noise
    assert noise == pytest.approx(np.full((2, 2), 0.25))
    assert 0.5 * 0.5 - noise[0, 1] == pytest.approx(0)  # fault: n n for n (n - 1) leaves 1/8


@given(st.integers(0, 10**6), st.lists(st.integers(0, 6), min_size=3, max_size=8))
def test_all_pairs_equal_the_formula_pair_by_pair(seed, sizes):
    sizes = [*sizes, 2, 3]  # two classes that count, whatever else is drawn: 0 and 1 items are left out
    class_id = np.repeat(np.arange(len(sizes)), sizes)
    right = np.random.default_rng(seed).random((3, class_id.size)) < 0.6
    moments, (raw, noise) = u_moments(right, class_id, len(sizes)), own_moments(right, class_id)
    assert moments.raw == pytest.approx(raw) and moments.noise == pytest.approx(noise)
    assert moments.true == pytest.approx(raw - noise)


def test_closed_form_is_the_mean_over_random_splits():
    rng = np.random.default_rng(5)
    right, class_id = answers(rng, sd_class=0.5, sd_item=3.0)
    splits = np.array([np.cov(a[0], b[1])[0, 1] for a, b in half_accuracies(right, class_id, 200, rng=rng, R=2000)])
    se = splits.std() / np.sqrt(splits.size)
    moments = u_moments(right, class_id, 200)
    closed, noise = moments.true[0, 1], moments.noise[0, 1]
    assert abs(closed - splits.mean()) < 3 * se
    assert abs(closed + noise - splits.mean()) > 3 * se  # fault: s left out
    assert abs(closed + noise / 20 - splits.mean()) > 3 * se  # fault: n for n - 1


def test_sham_classes_have_no_true_covariance():
    rng = np.random.default_rng(1)
    right, class_id = answers(rng, classes=100, n=25, sd_item=3.0)
    shams = [u_moments(right, rng.permutation(class_id), 100) for _ in range(200)]
    true, raw = (np.array([m[0, 1] for m in ms]) for ms in ([s.true for s in shams], [s.raw for s in shams]))
    assert abs(true.mean()) < 3 * true.std() / np.sqrt(200)
    assert np.mean([raw_r(s)[0, 1] for s in shams]) > 0.3
    assert raw.mean() > 3 * raw.std() / np.sqrt(200)  # fault: s left out


def test_corrected_r_recovers_the_truth_where_raw_and_textbook_do_not():
    rng = np.random.default_rng(2)
    classes, n = 2000, 20
    class_id = np.repeat(np.arange(classes), n)
    common, own = rng.normal(size=classes), rng.normal(size=(2, classes))
    p = np.clip(0.6 + 0.1 * (np.sqrt(0.5) * common + np.sqrt(0.5) * own), 0.02, 0.98)
    truth = np.corrcoef(p)[0, 1]
    luck = rng.random(class_id.size)  # one draw an item serves both models: their errors come together
    moments = u_moments(luck < p[:, class_id], class_id, classes)
    textbook = raw_r(moments)[0, 1] / np.sqrt(np.prod(reliability(moments)))
    assert corrected_r(moments)[0, 1] == pytest.approx(truth, abs=0.05)
    assert raw_r(moments)[0, 1] > truth + 0.1 and textbook > truth + 0.3


def test_renaming_classes_and_reordering_items_change_nothing():
    rng = np.random.default_rng(3)
    right, class_id = answers(rng, models=3, classes=12, n=7)
    order, name = rng.permutation(class_id.size), rng.permutation(12)
    moments, again = u_moments(right, class_id, 12), u_moments(right[:, order], name[class_id][order], 12)
    assert np.allclose(moments, again)


def test_counts_give_the_diagonal():
    right, class_id = answers(np.random.default_rng(4), models=4, classes=15, n=6)
    k, n = class_counts(right, class_id, 15)
    assert np.allclose(u_moments_from_counts(k, n), [np.diag(m) for m in u_moments(right, class_id, 15)])
    assert np.allclose(u_moments_from_counts(k, np.tile(n, (4, 1))), u_moments_from_counts(k, n))
    with pytest.raises(ValueError, match="has 1 items; expected at least 2"):
        u_moments_from_counts([[1, 1]], [1, 2])


def test_weighted_covariance_is_that_of_repeated_classes():
    rng = np.random.default_rng(5)
    a, b = rng.random((2, 3, 9))
    weights = class_weights(9, draws=4, rng=rng)
    for w, row in zip(weights, weighted_cov(a, b, weights), strict=True):
        assert row == pytest.approx([np.cov(np.repeat([x, y], w, axis=1))[0, 1] for x, y in zip(a, b, strict=True)])


def test_bootstrap_equals_corrected_r_of_the_drawn_classes():
    right, class_id = answers(np.random.default_rng(6), models=3, classes=12, n=9, sd_class=2.0)
    keep = np.arange(class_id.size) % 9 < 3 + class_id % 7  # classes of 3 to 9 items
    right, class_id = right[:, keep], class_id[keep]
    draws = bootstrap_corrected_r(right, class_id, 12, draws=5, rng=np.random.default_rng(7))
    weights = class_weights(12, draws=5, rng=np.random.default_rng(7))
    for row, w in zip(draws, weights, strict=True):
        drawn = np.repeat(np.arange(12), w)
        items = [np.flatnonzero(class_id == c) for c in drawn]
        copies = np.repeat(np.arange(12), [len(x) for x in items])
        r = corrected_r(u_moments(right[:, np.concatenate(items)], copies, 12))
        assert row == pytest.approx(r[np.triu_indices(3, 1)])
    chosen = bootstrap_corrected_r(right, class_id, 12, draws=5, rng=np.random.default_rng(7), pairs=([2, 1], [0, 1]))
    assert chosen[:, 0] == pytest.approx(draws[:, 1]) and np.isfinite(chosen).all()


def test_shares_of_runs_are_moments_of_run_means():
    """The moments are bilinear: a pair of models averaged over runs is the average of all pairs of runs."""
    right, class_id = answers(np.random.default_rng(9), models=6, classes=25, n=8, sd_class=1.5)
    means = right.reshape(2, 3, -1).mean(axis=1)
    moments, runs = u_moments(means, class_id, 25), u_moments(right, class_id, 25)
    for of_means, of_runs in zip(moments, runs, strict=True):
        assert of_means == pytest.approx(of_runs.reshape(2, 3, 2, 3).mean(axis=(1, 3)))
    draws = bootstrap_corrected_r(means, class_id, 25, draws=2000, rng=np.random.default_rng(10))
    assert np.median(draws) == pytest.approx(corrected_r(moments)[0, 1], abs=0.02)
    with pytest.raises(ValueError, match="expected 0 to 1"):
        u_moments(means * 3, class_id, 25)


def test_class_bootstrap_and_jackknife_of_a_mean():
    rng = np.random.default_rng(8)
    right, class_id = answers(rng, models=1, classes=30, n=20)
    by_class = class_counts(right, class_id, 30)[0][0] / 20
    draws = class_bootstrap(lambda c: by_class[c].mean(), 30, draws=4000, rng=rng)
    assert draws.std() == pytest.approx(by_class.std() / np.sqrt(30), rel=0.05)
    jackknife = item_jackknife(right, class_id, 30, lambda x, c, n: x.mean(), groups=10)
    blocks = right[0].reshape(-1, 10).mean(axis=0)
    assert jackknife.se == pytest.approx(blocks.std(ddof=1) / np.sqrt(10)) and jackknife.estimate == right.mean()


def test_small_and_odd_classes_are_nan_or_declared():
    right = np.array([[True, False, True, True], [False, False, True, True]])
    alone = u_moments(right, np.array([0, 1, 2, 2]), 5)  # one class with two items: no covariance over classes
    assert np.isnan(alone.raw).all() and np.isfinite(alone.noise).all()
    flat = corrected_r(u_moments(np.ones((2, 4), bool), np.array([0, 0, 1, 1]), 2))  # k = n everywhere: no variance
    assert np.isnan(flat).all()
    with pytest.raises(ValueError, match="expected 0 to 1"):
        u_moments(right, np.array([0, 1, 2, 2]), 2)
    with pytest.raises(ValueError, match="expected bool"):
        u_moments(right.astype(int), np.array([0, 1, 1, 1]), 2)
    with pytest.raises(ValueError, match="expected bool"):
        u_moments(right, np.array([0, 1, 1]), 2)
