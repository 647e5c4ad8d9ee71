"""Lists of weak classes: by hand, by property, false discoveries in simulation, and on the shipped data."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom
from statsmodels.stats.multitest import multipletests

from analysis import tables
from analysis.measure.weak import bh_list, by_list, weak_list


def rng(seed=0):
    return np.random.default_rng(seed)


counts = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)).map(sorted), min_size=1, max_size=40).map(
    lambda pairs: np.array(pairs).T
)


@given(counts, st.sampled_from([0.05, 0.2]))
def test_lists_equal_statsmodels(kn, q):
    k, n = kn
    present = n > 0
    for ours, method in ((bh_list, "fdr_bh"), (by_list, "fdr_by")):
        named = ours(k, n, 0.5, q)
        assert not named[~present].any()
        if present.any():
            p = binom.cdf(k[present], n[present], 0.5)
            assert named[present].tolist() == multipletests(p, q, method)[0].tolist()
    assert (by_list(k, n, 0.5, q) <= bh_list(k, n, 0.5, q)).all()


def test_models_are_adjusted_alone_unless_jointly():
    k = np.array([[2, 40, 40, 40], [13, 40, 40, 40]])  # P(13 of 50) = .0005, P(2) = 1e-12
    for ours in (bh_list, by_list):
        assert ours(k, 50, 0.5).tolist() == [ours(row, 50, 0.5).tolist() for row in k]
    many = np.full((50, 40), 45)
    many[0, 0] = 14  # P = .0013: enough among 40 classes, too little among 2000 pairs of model and class
    assert by_list(many, 50, 0.5, 0.3)[0, 0] and not by_list(many, 50, 0.5, 0.3, joint=True).any()


def test_false_discoveries_stay_rare():
    """200 sets of 300 classes, a tenth truly weak. Fault: adjusting only the classes that came out below t."""
    random, realised, faulty = rng(1), [], []
    for _ in range(200):
        p = np.where(np.arange(300) < 30, 0.35, 0.5)
        k = random.binomial(50, p)
        for named, rates in ((bh_list(k, 50, 0.5, 0.1), realised), (None, faulty)):
            if named is None:
                low = k < 25
                named = np.zeros(300, bool)
                named[low] = bh_list(k[low], 50, 0.5, 0.1)
            rates.append((named & (p >= 0.5)).sum() / max(named.sum(), 1))
    margin = 2 * np.std(realised) / np.sqrt(200)
    assert np.mean(realised) <= 0.1 + margin < np.mean(faulty)


def test_whole_list_and_its_edges():
    found = weak_list([0, 25, 50, 0, 1], [50, 50, 50, 0, 1], 0.5)
    assert found.below.tolist() == [True, False, False, False, False]
    assert found.bh[0] and found.by[0] and not found.bh[1:].any()
    third = weak_list([3, 1, 10], 10, 0.3)  # 3 of 10 is not below .3
    assert third.below.tolist() == [False, True, False]
    for k, n, t, q in (([1], [2], 0.5, 0), ([1], [2], 1, 0.05), ([3], [2], 0.5, 0.05), ([0.5], [2], 0.5, 0.05)):
        with pytest.raises(ValueError, match="expected"):
            bh_list(k, n, t, q)


@pytest.mark.parametrize(
    ("model", "below", "bh", "by", "eb"),
    [
        ("alexnet", 348, 112, 87, 252),
        ("vgg16", 109, 19, 11, 58),
        ("resnet50", 78, 8, 3, 32),
        ("resnet152", 59, 4, 0, 26),
        ("senet154", 40, 1, 1, 15),
    ],
)
def test_classes_that_may_be_named(model, below, bh, by, eb):
    """By an independent program; its g-model had another basis, hence the tenth for the empirical Bayes list."""
    counts = tables.counts("imagenet-val", models=[f"imagenetv2/{model}"])
    found = weak_list(counts.correct[0], counts.n[0], 0.5)
    assert (found.below.sum(), found.bh.sum(), found.by.sum()) == (below, bh, by)
    assert found.eb.sum() == pytest.approx(eb, rel=0.1)
