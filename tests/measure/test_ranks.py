"""Agreement of rankings with ties: against scipy, by brute force, and on disjoint halves."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kendalltau, spearmanr

from analysis.measure.overlap import weak_membership
from analysis.measure.ranks import half_ranks, jaccard, rbo, spearman, tau_b

levels = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(0, 5)), min_size=2, max_size=40).map(
    lambda rows: np.array(rows, float).T / 5
)


def rng(seed=0):
    return np.random.default_rng(seed)


def rbo_by_sets(first, second, p):
    """As written by Webber et al.: sets of the classes down to each depth, groups of ties at their first place."""
    classes, total = len(first), 0.0
    for depth in range(1, classes + 1):
        tops = [{c for c in range(classes) if (side < side[c]).sum() + 1 <= depth} for side in (first, second)]
        total += (1 - p) * p ** (depth - 1) * 2 * len(tops[0] & tops[1]) / (len(tops[0]) + len(tops[1]))
    return total + p**classes


@given(levels)
def test_correlations_equal_scipy(accuracy):
    for ours, theirs in ((tau_b, kendalltau), (spearman, spearmanr)):
        found = ours(accuracy[:2], accuracy)
        assert found.shape == (2, 3)
        for i in range(2):
            for j in range(3):
                if np.ptp(accuracy[i]) and np.ptp(accuracy[j]):
                    assert found[i, j] == pytest.approx(theirs(accuracy[i], accuracy[j])[0])
                else:
                    assert np.isnan(found[i, j])


@given(levels, st.floats(0.05, 0.99))
def test_rbo_by_brute_force(accuracy, p):
    found = rbo(accuracy[:2], accuracy, p=p)
    for i in range(2):
        for j in range(3):
            assert found[i, j] == pytest.approx(rbo_by_sets(accuracy[i], accuracy[j], p))
    assert (found <= 1 + 1e-12).all() and (found >= 0).all()
    assert found[0, 0] == pytest.approx(1)


@given(levels, st.integers(0, 10**6))
def test_names_of_classes_and_scale_do_not_matter(accuracy, seed):
    order = rng(seed).permutation(accuracy.shape[1])
    for measure in (tau_b, spearman, rbo):
        found = measure(accuracy)
        np.testing.assert_allclose(measure(accuracy[:, order] ** 3), found, atol=1e-9)
        np.testing.assert_allclose(found, found.T, atol=1e-9)


def test_rbo_weighs_the_weakest_classes():
    accuracy = np.arange(200) / 200
    weak, strong = accuracy.copy(), accuracy.copy()
    weak[:20], strong[-20:] = accuracy[:20][::-1], accuracy[-20:][::-1]
    found = rbo(np.array([accuracy]), np.array([weak, strong]))[0]
    assert found[0] < 0.95 < 0.99 < found[1]
    # Nothing in common down to depth 2 of 4, everything from there: A = 0, 0, 2/3, 1.
    assert rbo([[1, 2, 3, 4]], [[3, 4, 1, 2]], p=0.5)[0, 0] == pytest.approx(0.5**3 * 2 / 3 + 0.5**4 + 0.5**4)


def test_many_classes_go_block_by_block():
    random = rng(1)
    accuracy = random.integers(0, 26, (7, 700)) / 25
    assert tau_b(accuracy)[2, 5] == pytest.approx(kendalltau(accuracy[2], accuracy[5])[0])
    larger = random.random((3, 1500))
    assert tau_b(larger)[0, 2] == pytest.approx(kendalltau(larger[0], larger[2])[0])


@given(st.integers(1, 30))
def test_jaccard_of_sets(q):
    random = rng(q)
    a, b = (set(random.choice(40, q, replace=False).tolist()) for _ in range(2))
    assert jaccard(len(a & b), q) == pytest.approx(len(a & b) / len(a | b))
    member = weak_membership(random.integers(0, 4, (2, 40)) / 4, q)
    assert 0 <= jaccard((member[0] * member[1]).sum(), q) <= 1


@pytest.mark.parametrize(("overlap", "q"), [(-1, 5), (6, 5), (0, 0), ([1, 9], 5)])
def test_wrong_overlaps_are_refused(overlap, q):
    with pytest.raises(ValueError, match="overlap runs from"):
        jaccard(overlap, q)


def test_halves_free_the_rankings_of_shared_items():
    """Equally hard classes, items hard for both: agreement of all items is the items', of halves nobody's."""
    random = rng(2)
    class_id = np.arange(300).repeat(20)
    right = random.random((2, 6000)) < np.where(random.random(6000) < 0.5, 0.95, 0.05)
    accuracy = right.reshape(2, 300, 20).mean(axis=2)
    found = half_ranks(right, class_id, 300, rng=random, R=20)
    for same, cross in ((tau_b(accuracy), found.tau_b), (spearman(accuracy), found.spearman)):
        assert same[0, 1] > 0.5 and abs(cross).max() < 0.12
    assert rbo(accuracy)[0, 1] > found.rbo[0, 1] + 0.2
    for part in found:
        assert part == pytest.approx(part.T)


def test_halves_of_hard_and_easy_classes_agree():
    random = rng(3)
    class_id = np.arange(100).repeat(40)
    right = random.random((3, 4000)) < random.beta(2, 1, 100).repeat(40)
    found = half_ranks(right, class_id, 100, rng=random, R=3)
    for part in found:
        ceiling = np.sqrt(np.outer(np.diag(part), np.diag(part)))
        assert (part / ceiling)[np.triu_indices(3, 1)] == pytest.approx(1, abs=0.06)
