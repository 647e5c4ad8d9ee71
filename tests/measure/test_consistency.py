"""Error consistency: by hand, pair by pair, against scikit-learn, in coverage, and on the shipped data."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from analysis import models, tables
from analysis.measure.consistency import (
    error_consistency,
    kappa_given_class,
    kappa_intervals,
    kappa_plain,
    pair_cells,
)


def rng(seed=0):
    return np.random.default_rng(seed)


def answers(seed, sizes, models=3):
    class_id = np.repeat(np.arange(len(sizes)), sizes)
    right = rng(seed).random((models, class_id.size)) < np.linspace(0.3, 0.8, models)[:, None]
    return right, class_id


def plug_in(cells, n):
    """Kappa given class with k k' / n^2 for the product of the class rates."""
    k, other = cells[:, 0] + cells[:, 1], cells[:, 0] + cells[:, 2]
    expected = (1 - (k + other) / n + 2 * k * other / n**2).mean()
    return ((cells[:, 0] + cells[:, 3]).sum() / cells.sum() - expected) / (1 - expected)


def test_hand_case():
    assert kappa_plain([[70, 10, 10, 10]]) == pytest.approx(0.375)
    assert kappa_plain([[35, 5, 5, 5], [35, 5, 5, 5]]) == pytest.approx(0.375)  # classes do not matter


def test_given_class_by_hand():
    # n = 3, k = k' = 2, both right 1: products over pairs (4 - 1) / 6 = 1/2; e = 1 - 4/3 + 1 = 2/3, o = 1/3.
    assert kappa_given_class([[1, 1, 1, 0]], [3]) == pytest.approx((1 / 3 - 2 / 3) / (1 - 2 / 3))


@settings(max_examples=25)
@given(st.integers(0, 10**6), st.lists(st.integers(0, 6), min_size=1, max_size=6))
def test_all_pairs_equal_the_pairs_one_by_one(seed, sizes):
    sizes = [*sizes, 4, 3]
    right, class_id = answers(seed, sizes)
    found = error_consistency(right, class_id, len(sizes))
    for i in range(3):
        for j in range(3):
            cells = pair_cells(right_a=right[i], right_b=right[j], class_id=class_id, n_classes=len(sizes))
            assert cells.sum(axis=1).tolist() == sizes
            assert found.plain[i, j] == pytest.approx(kappa_plain(cells), nan_ok=True)
            assert found.given_class[i, j] == pytest.approx(kappa_given_class(cells, sizes), nan_ok=True)
            if len(np.unique(right[[i, j]])) > 1:
                assert kappa_plain(cells) == pytest.approx(cohen_kappa_score(right[i], right[j]))


@given(st.integers(0, 10**6))
def test_order_of_items_and_names_of_classes_do_not_matter(seed):
    right, class_id = answers(seed, [5, 7, 4])
    order, names = rng(seed).permutation(16), rng(seed).permutation(3)
    for before, after in zip(
        error_consistency(right, class_id, 3),
        error_consistency(right[:, order], names[class_id[order]], 3),
        strict=True,
    ):
        np.testing.assert_allclose(after, before, atol=1e-12)


def test_hard_classes_alone_make_plain_kappa_but_not_kappa_given_class():
    """Two models that are independent within classes."""
    random = rng(1)
    rate = random.beta(1, 1, 800).repeat(10)
    right = random.random((2, 8000)) < rate
    class_id = np.arange(800).repeat(10)
    found = error_consistency(right, class_id, 800)
    assert found.plain[0, 1] > 0.25
    assert found.given_class[0, 1] == pytest.approx(0, abs=0.04)


def test_nan_only_where_chance_explains_everything():
    right = np.array([[True] * 4, [True] * 4, [False] * 4, [True, False, True, False]])
    found = error_consistency(right, np.array([0, 0, 1, 1]), 2)
    for matrix in found:
        assert np.isnan(matrix[0, 1]) and np.isnan(matrix[2, 2])
        assert matrix[0, 2] == 0 and matrix[0, 3] == 0
    assert found.plain[3, 3] == 1


@pytest.mark.parametrize(
    ("cells", "n", "message"),
    [
        ([[1, 1, 1]], [3], "integer counts"),
        ([[1.0, 1, 1, 1]], [4], "integer counts"),
        ([[1, 1, 1, -1]], [2], "a cell"),
        ([[0, 0, 0, 0]], [0], "no item"),
        ([[1, 1, 1, 1]], [5], "n differs"),
        ([[1, 0, 0, 0]], [1], "no class has two items"),
    ],
)
def test_wrong_cells_are_refused(cells, n, message):
    with pytest.raises(ValueError, match=message):
        kappa_given_class(cells, n)


def test_intervals_cover_the_truth():
    """150 sets of 400 classes of 20 items. Faults: errors of the draws measured from the estimate; k k' / n^2."""
    random = rng(2)
    p = random.beta(3, 1, 400)
    q = np.clip(p + random.normal(0, 0.05, 400), 0.02, 0.98)
    both = p * q + 0.5 * (np.minimum(p, q) - p * q)
    rates = np.stack([both, p - both, q - both, 1 - p - q + both], axis=1)
    observed, hard = (both + rates[:, 3]).mean(), (1 - p - q + 2 * p * q).mean()
    overall = 1 - p.mean() - q.mean() + 2 * p.mean() * q.mean()
    truth = (observed - overall) / (1 - overall), (observed - hard) / (1 - hard)
    hits, faulty, values = np.zeros(2), 0, []
    for _ in range(150):
        cells = random.multinomial(20, rates)
        found = kappa_intervals(cells, rng=random, B=200)
        hits += [part.low < value < part.high for part, value in zip(found, truth, strict=True)]
        values.append((found.given_class.mean, plug_in(cells, 20)))
        moved = values[-1][0] - values[-1][1]
        faulty += found.given_class.low + moved < truth[1] < found.given_class.high + moved
    # A little below .95, as expected: cells drawn from a class of n items vary too little by the factor 1 - 1 / n.
    assert ((hits / 150 > 0.88) & (hits / 150 < 0.99)).all()
    assert faulty < hits[1] - 8
    estimate, biased = np.mean(values, axis=0)
    assert estimate == pytest.approx(truth[1], abs=0.004) and biased < truth[1] - 0.008


def test_64_networks():
    """Plain .614 (.327 to .897), given class .561 (.259 to .882), by an independent program; its plain interval too.

    Its interval given class was [.594, .611]: errors measured from the estimate, see `kappa_intervals`.
    """
    rows = models.table()
    correct = tables.correct("imagenet-val", models=rows.index[(rows["source"] == "imagenetv2") & rows["in_claims"]])
    found = error_consistency(correct.right, correct.class_index, 1000)
    pairs = np.triu_indices(64, 1)
    for matrix, expected in zip(found, ((0.614, 0.327, 0.897), (0.561, 0.259, 0.882)), strict=True):
        values = matrix[pairs]
        assert (values.mean(), values.min(), values.max()) == pytest.approx(expected, abs=6e-4)
    a, b = (correct.right[correct.models.index(f"imagenetv2/{name}")] for name in ("resnet50", "vgg16"))
    cells = pair_cells(right_a=a, right_b=b, class_id=correct.class_index, n_classes=1000)
    plain, given_class = kappa_intervals(cells, rng=rng(3), B=400)
    assert plain == pytest.approx((0.649, 0.642, 0.656), abs=2e-3)
    assert given_class == pytest.approx((0.598, 0.589, 0.606), abs=2e-3)
