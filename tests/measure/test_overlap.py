from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit
from scipy.stats import hypergeom

from analysis.measure.overlap import (
    bootstrap_half_overlap,
    cross_half_sharing,
    drawn_membership,
    expected_overlap,
    fisher_as_coded,
    half_overlap,
    overlap_bounds,
    pair_mean,
    permuted_sharing,
    sham_floor,
    sharing,
    weak_membership,
    weak_set,
    worst_set_as_coded,
)
from analysis.measure.split import class_weights, half_accuracies

EIGHT = st.lists(st.integers(0, 4), min_size=8, max_size=8).map(lambda k: np.array(k) / 4)


def answers(seed, models=4, classes=100, n=20, sd_class=0.0, sd_item=2.0):
    """Models that share hard classes (sd_class) and hard items (sd_item)."""
    rng = np.random.default_rng(seed)
    class_id = np.repeat(np.arange(classes), n)
    ease = 0.8 + rng.normal(0, sd_class, classes)[class_id] + rng.normal(0, sd_item, class_id.size)
    return rng.random((models, class_id.size)) < expit(ease), class_id


def all_weak_sets(accuracy, q):
    """Every worst-q set that some way of breaking ties gives."""
    cut = sorted(accuracy)[q - 1]
    sure = {c for c, a in enumerate(accuracy) if a < cut}
    tied = [c for c, a in enumerate(accuracy) if a == cut]
    return [sure | set(chosen) for chosen in combinations(tied, q - len(sure))]


def test_ties_at_the_cut_by_hand():
    a, b = [0.2, 0.4, 0.4, 0.6], [0.2, 0.4, 0.6, 0.4]
    assert overlap_bounds(a, b, 2) == (1, 2)
    assert weak_membership([a, b], 2).tolist() == [[1, 0.5, 0.5, 0], [1, 0.5, 0, 0.5]]
    assert expected_overlap(weak_membership([a, b], 2))[0, 1] == 1.25


@given(EIGHT, EIGHT, st.integers(1, 8))
def test_bounds_and_mean_equal_brute_force(a, b, q):
    overlaps = [len(x & y) for x in all_weak_sets(a, q) for y in all_weak_sets(b, q)]
    assert overlap_bounds(a, b, q) == (min(overlaps), max(overlaps))
    assert expected_overlap(weak_membership(a, q), weak_membership(b, q)) == pytest.approx(np.mean(overlaps))
    as_coded = len(set(worst_set_as_coded(a, q)) & set(worst_set_as_coded(b, q)))
    assert min(overlaps) <= as_coded <= max(overlaps)


def test_argsort_adds_agreement():
    """The fault: ties broken by index are broken alike in both models."""
    rng = np.random.default_rng(0)
    excess = []
    for _ in range(1000):
        a, b = rng.integers(0, 3, (2, 8)) / 4
        as_coded = len(set(worst_set_as_coded(a, 3)) & set(worst_set_as_coded(b, 3)))
        excess.append(as_coded - expected_overlap(weak_membership(a, 3), weak_membership(b, 3)))
    assert np.mean(excess) > 3 * np.std(excess) / np.sqrt(1000)


def test_membership_of_absent_classes_and_of_all():
    member = weak_membership([[np.nan, 0.5, 0.1, 0.5], [0.2, 0.2, 0.2, 0.2]], 2)
    assert member.tolist() == [[0, 0.5, 1, 0.5], [0.5] * 4]
    assert weak_membership([0.3, 0.1], 2).tolist() == [1, 1]
    with pytest.raises(ValueError, match="q is 4; expected 1 to 3"):
        weak_membership([np.nan, 0.5, 0.1, 0.5], 4)
    with pytest.raises(ValueError, match="same classes"):
        overlap_bounds([0.1, 0.2], [0.1, 0.2, 0.3], 1)


def test_random_tie_breaks_have_the_membership_as_frequency():
    accuracy, rng = np.array([0.4, 0.2, np.nan, 0.4, 0.4, 0.9]), np.random.default_rng(0)
    picked = np.array([np.isin(np.arange(6), weak_set(accuracy, 2, rng)) for _ in range(6000)])
    assert (picked.sum(axis=1) == 2).all()
    assert picked.mean(axis=0) == pytest.approx(weak_membership(accuracy, 2), abs=0.03)


@given(st.integers(0, 10**6), st.integers(1, 20))
def test_drawn_membership_equals_membership_of_the_copies(seed, q):
    rng = np.random.default_rng(seed)
    accuracy, weights = rng.integers(0, 6, 20) / 5, class_weights(20, draws=6, rng=rng).T
    classes, member = drawn_membership(accuracy, q, weights)
    for draw in range(6):
        copies = np.repeat(np.arange(20), weights[:, draw])
        expected = np.bincount(copies, weak_membership(accuracy[copies], q), minlength=20)
        found = np.zeros(20)
        found[classes] = member[:, draw] * weights[classes, draw]
        assert found == pytest.approx(expected)


def test_drawn_membership_looks_further_where_the_lowest_classes_are_not_drawn():
    weights = np.repeat([0, 1], 100)[:, None]
    classes, member = drawn_membership(np.arange(200) / 200, 5, weights)
    assert classes[(member * weights[classes])[:, 0] > 0].tolist() == [100, 101, 102, 103, 104]


def test_fisher_as_printed_and_from_the_hypergeometric_law():
    listed = {
        (20, 5): {5: 6.45e-05, 4: 4.90e-03, 3: 7.26e-02, 2: 0.56, 1: 1, 0: 0.27},
        (77, 5): {5: 5.06e-08, 4: 1.83e-05, 3: 1.31e-03, 2: 3.15e-02, 1: 0.29, 0: 1},
        (100, 10): {
            10: 5.78e-14,
            8: 1.05e-08,
            7: 8.25e-07,
            6: 3.18e-05,
            5: 6.72e-04,
            4: 8.22e-03,
            3: 0.06,
            2: 0.26,
            1: 1,
        },
        (1000, 50): {50: 1.06e-85, 40: 1.71e-52, 30: 6.09e-31, 20: 2.66e-15, 10: 8.81e-05},
        (10, 3): {3: 8.33e-03},
    }
    for (classes, n), by_overlap in listed.items():
        for overlap, p in by_overlap.items():
            found = fisher_as_coded(overlap=overlap, n=n, classes=classes)
            assert found == pytest.approx(p, rel=0.01 if p < 0.05 else 0.09)
            if overlap > n * n / classes and p < 1e-3:  # only the upper tail is that rare
                assert found == pytest.approx(hypergeom.sf(overlap - 1, classes, n, n), rel=1e-6)
    with pytest.raises(ValueError, match="cannot have 0 in common"):
        fisher_as_coded(overlap=0, n=6, classes=10)


def test_sets_as_coded_are_positions_of_a_stable_sort():
    accuracy = [0.5, 0.1, 0.5, 0.9, 0.5, 0.7]
    assert worst_set_as_coded(accuracy, 2).tolist() == [1, 0]
    assert worst_set_as_coded(accuracy, 2, "center").tolist() == [2, 4]
    assert worst_set_as_coded(accuracy, 2, "best").tolist() == [5, 3]
    assert worst_set_as_coded(accuracy, 3, "center").size == 2
    with pytest.raises(ValueError, match="which 'middle'"):
        worst_set_as_coded(accuracy, 2, "middle")


def test_shared_items_alone_make_overlap_but_not_across_halves():
    """Classes without difficulty: the sham floor and same-half overlap lie far above chance, disjoint halves do not."""
    right, class_id = answers(0, classes=200, sd_item=4.0)
    floor = sham_floor(right, class_id, 200, q=20, rng=np.random.default_rng(1), R=30)
    halves = half_overlap(right, class_id, 200, q=20, rng=np.random.default_rng(1), R=60)
    assert floor.pair_overlap.mean() > 3 * 20 * 20 / 200
    assert pair_mean(halves.same) > 3 * 2  # fault: chosen and compared on the same half
    assert pair_mean(halves.cross) == pytest.approx(2, abs=0.6)
    assert pair_mean(floor.raw_r) > 0.3
    assert abs(floor.pair_covariance.mean()) < 3 * floor.pair_covariance.std() / np.sqrt(30)
    assert pair_mean(floor.covariance) == pytest.approx(floor.pair_covariance.mean())
    assert (floor.weak_in_most <= floor.weak_in_half).all() and floor.weak_in_half.mean() > 1


def test_same_weak_classes_have_ratio_one_and_unrelated_ones_chance():
    right, class_id = answers(2, models=4, sd_class=1.5, n=30)
    right[3] = answers(3, models=1, sd_class=1.5, n=30)[0][0]  # another world
    halves = half_overlap(right, class_id, 100, q=10, rng=np.random.default_rng(4))
    assert pair_mean(halves.ratio, [0, 1, 2]) == pytest.approx(1, abs=0.1)
    assert (halves.cross[3, :3] < 2).all() and (halves.ceiling > 4).all()  # chance is 1
    assert halves.cross == pytest.approx(halves.cross.T)


def test_bootstrap_equals_drawing_classes_by_hand():
    right, class_id = answers(5, models=3, classes=12, n=9, sd_class=1.0)
    right, class_id = np.column_stack([right, [True] * 3]), np.append(class_id, 12)  # a class of one item is left out
    draws = bootstrap_half_overlap(
        right, class_id, 13, q=3, rng=np.random.default_rng(6), draws=4, R=3, groups={"all": [0, 1, 2], "two": [0, 2]}
    )
    rng = np.random.default_rng(6)
    weights = class_weights(12, draws=4, rng=rng)
    splits = list(half_accuracies(right, class_id, 13, rng=rng, R=3))
    for d, w in enumerate(weights):
        a, b = (np.array([weak_membership(np.repeat(s[i][:, :12], w, axis=1), 3) for s in splits]) for i in (0, 1))
        cross = np.mean(a @ b.transpose(0, 2, 1), axis=0)
        cross = (cross + cross.T) / 2
        ratio = cross / np.sqrt(np.outer(np.diag(cross), np.diag(cross)))
        assert draws["all"].cross[d] == pytest.approx(pair_mean(cross), rel=1e-5)
        assert draws["all"].ratio[d] == pytest.approx(pair_mean(ratio), rel=1e-5)
        assert draws["two"].ratio[d] == pytest.approx(ratio[0, 2], rel=1e-5)


def test_permutation_keeps_groups_and_breaks_sharing_within_them():
    rng = np.random.default_rng(7)
    group = rng.integers(0, 5, 60)
    member = weak_membership(np.tile(rng.random(60), (8, 1)), 12)
    permuted = permuted_sharing(member, group, rng=rng, R=50)
    totals = np.bincount(group, sharing(member))
    assert all(np.bincount(group, row) == pytest.approx(totals) for row in permuted)
    assert sharing(member).max() == 8 and (permuted >= 7).sum(axis=1).mean() < (sharing(member) >= 7).sum() / 2
    alone = permuted_sharing(member, np.arange(60), rng=rng, R=1)  # one class a group: nothing can move
    assert alone[0] == pytest.approx(sharing(member))
    with pytest.raises(ValueError, match=r"expected \(60,\)"):
        permuted_sharing(member, group[:50], rng=rng)


def test_core_chosen_on_noise_reads_better_on_the_other_half():
    right, class_id = answers(8, models=10, classes=400, sd_item=3.0)
    core = cross_half_sharing(right, class_id, 400, q=40, rng=np.random.default_rng(9))
    assert core.size > 3 and core.accuracy_read > core.accuracy_chosen + 0.1  # many models share the lucky items
    assert core.accuracy_read == pytest.approx(right.mean(), abs=0.05)
    assert core.share_again < 0.3
    none = cross_half_sharing(right, class_id, 400, q=40, rng=np.random.default_rng(9), R=2, min_share=1.1)
    assert none.size == 0 and np.isnan(none.core_again)


def test_renaming_classes_changes_nothing_and_small_classes_are_left_out():
    right, class_id = answers(10, classes=20, n=10, sd_class=1.0)
    name = np.random.default_rng(11).permutation(20)
    first = sham_floor(right, class_id, 20, q=5, rng=np.random.default_rng(0), R=200).pair_overlap
    again = sham_floor(right, name[class_id], 20, q=5, rng=np.random.default_rng(1), R=200).pair_overlap
    assert first.mean() == pytest.approx(again.mean(), abs=4 * first.std() / np.sqrt(100))
    more = np.append(class_id, 21)  # class 20 without items, class 21 with one
    halves = half_overlap(np.column_stack([right, [False] * 4]), more, 22, q=5, rng=np.random.default_rng(2), R=3)
    assert all(np.isfinite(x).all() for x in halves)
    with pytest.raises(ValueError, match="expected 1 to 20"):
        bootstrap_half_overlap(right, class_id, 20, q=21, rng=np.random.default_rng(0))
