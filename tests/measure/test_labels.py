"""Other labels, partners of classes and the concentration of errors: by hand, by brute force, on the shipped data."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis import tables
from analysis.measure.accuracy import class_counts
from analysis.measure.labels import error_concentration, partner_bound, rescore
from analysis.measure.overlap import weak_membership


def rng(seed=0):
    return np.random.default_rng(seed)


def written_out(model):
    """Answers to ImageNet val by counts and confusions: the right class and order of items do not matter here."""
    counts = tables.counts("imagenet-val", models=[model])
    k, total = counts.correct[0], np.arange(counts.class_id.size)
    wrong = tables.read_confusions(dataset="imagenet-val", models=[model])
    many = wrong["count"].to_numpy()
    label = np.concatenate([np.repeat(total, k), np.repeat(wrong["label"].to_numpy(), many)])
    pred = np.concatenate([np.repeat(total, k), np.repeat(wrong["pred"].to_numpy(), many)])
    return pred, label, k / counts.n[0]


# ----------------------------------------------------------------------------------------------------- label sets


@given(st.integers(0, 10**6), st.integers(1, 6), st.integers(0, 30))
def test_rescoring_by_single_labels_changes_nothing(seed, n_classes, items):
    label, pred = rng(seed).integers(n_classes, size=(2, items))
    sets = np.zeros((items, n_classes), bool)
    sets[np.arange(items), label] = True
    scored = rescore(pred, sets)
    assert (scored.right == (pred == label)).all() and scored.labelled.all()
    assert rescore(np.stack([pred, label]), sets).right.sum(axis=1).tolist() == [(pred == label).sum(), items]


@given(st.integers(0, 10**6))
def test_more_labels_never_make_an_answer_wrong(seed):
    few = rng(seed).random((20, 4)) < 0.3
    more = few | (rng(seed + 1).random((20, 4)) < 0.3)
    pred = rng(seed).integers(-1, 4, 20)
    before, after = rescore(pred, few), rescore(pred, more)
    assert (before.right <= after.right).all() and (before.labelled <= after.labelled).all()
    assert (after.right <= after.labelled).all() and not after.right[pred < 0].any()


@pytest.mark.parametrize(
    ("pred", "sets", "message"),
    [
        ([0, 3], np.ones((2, 3), bool), "pred runs from 0 to 3"),
        ([-2, 0], np.ones((2, 3), bool), "expected -1 to 2"),
        ([0], np.ones((2, 3), bool), "of 2"),
        ([0.0, 1.0], np.ones((2, 3), bool), "expected integers"),
        ([0, 1], np.ones((2, 3), int), "labelsets is int64"),
        ([0, 1], np.ones(2, bool), "labelsets is bool"),
    ],
)
def test_wrong_sets_are_refused(pred, sets, message):
    with pytest.raises(ValueError, match=message):
        rescore(pred, sets)


# -------------------------------------------------------------------------------------------------------- partners


def test_partner_by_hand():
    """Class 0: 6 of 12 wrong, all of them class 2. Class 1: always right. Class 2: 4 of 8 wrong, all class 0."""
    label = np.repeat([0, 1, 2], [12, 3, 8])
    pred = np.concatenate([[0] * 6 + [2] * 6, [1] * 3, [2] * 4 + [0] * 4])
    found = partner_bound(pred=pred, label=label, n_classes=4, rng=rng(), R=200)
    assert found.accuracy[:3] == pytest.approx([0.5, 1, 0.5], abs=1e-9)
    # Unless all 6 (4) errors fall into the half that is read; then there is no partner to choose.
    none = 2 / 924, 2 / 70
    assert found.bound[:3] == pytest.approx([1 - none[0] / 4, 1, 1 - none[1] / 4], abs=0.02)
    assert found.errors[[0, 2]].tolist() == [1, 1] and np.isnan(found.errors[1])
    assert found.reciprocal[[0, 2]] == pytest.approx(1, abs=0.06) and np.isnan(found.reciprocal[1])
    assert all(np.isnan(part[3]) for part in found)


def test_errors_spread_by_chance_gain_only_their_share():
    """40 classes of 60 items, each error one of the 39 others. Fault: a partner chosen and read on the same items."""
    random = rng(1)
    label = np.repeat(np.arange(40), 60)
    pred = np.where(random.random(2400) < 0.5, label, (label + random.integers(1, 40, 2400)) % 40)
    found = partner_bound(pred=pred, label=label, n_classes=40, rng=random, R=10)
    assert (found.bound - found.accuracy).mean() == pytest.approx(0.5 / 39, abs=0.006)
    wrong = pred != label
    top = np.array([np.bincount(pred[wrong & (label == c)], minlength=40).max() for c in range(40)])
    assert (top / 60).mean() > 3 * 0.5 / 39
    assert np.nanmean(error_concentration(pred=pred, label=label, n_classes=40)) == pytest.approx(1 / 39, abs=0.006)


def test_a_partner_that_a_half_misses_is_missing_in_the_bound():
    """Of 300 classes, each right in .4, taken for one other in .16 and for four more in .11: short of .56."""
    random, share = rng(3), [0.4, 0.16, 0.11, 0.11, 0.11, 0.11]
    label = np.repeat(np.arange(300), 50)
    pred = (label + random.choice(6, size=label.size, p=share)) % 300
    found = partner_bound(pred=pred, label=label, n_classes=300, rng=random, R=4)
    assert found.accuracy.mean() == pytest.approx(0.4, abs=0.01)
    assert 0.4 + 0.11 < found.bound.mean() < 0.56 - 0.01


@given(st.integers(0, 10**6), st.lists(st.integers(0, 7), min_size=1, max_size=6))
def test_partner_bound_has_a_bound(seed, sizes):
    n_classes = len(sizes)
    label = np.repeat(np.arange(n_classes), sizes)
    pred = rng(seed).integers(n_classes, size=label.size)
    found = partner_bound(pred=pred, label=label, n_classes=n_classes, rng=rng(seed), R=3)
    few = np.array(sizes) < 2
    assert (np.isnan(found.accuracy) == few).all() and (np.isnan(found.bound) == few).all()
    whole = ~few
    assert (found.accuracy[whole] <= found.bound[whole] + 1e-12).all() and (found.bound[whole] <= 1 + 1e-12).all()
    even = whole & (np.array(sizes) % 2 == 0)
    counts = class_counts(label=label, pred=pred, n_classes=n_classes)
    assert found.accuracy[even] == pytest.approx(counts.correct[even] / counts.n[even])
    for part in (found.errors, found.reciprocal):
        assert np.isnan(part[few]).all() and ((part >= 0) & (part <= 1) | np.isnan(part)).all()
    narrow = partner_bound(
        pred=pred.astype(np.int8), label=label.astype(np.int8), n_classes=n_classes, rng=rng(seed), R=3
    )
    for a, b in zip(found, narrow, strict=True):
        np.testing.assert_array_equal(a, b)


@given(st.lists(st.integers(0, 3), min_size=0, max_size=9))
def test_concentration_is_the_share_of_pairs(answers):
    pred, label = np.array(answers, int), np.zeros(len(answers), int)
    errors = [answer for answer in answers if answer != 0]
    pairs = [a == b for i, a in enumerate(errors) for b in errors[:i]]
    found = error_concentration(pred=pred, label=label, n_classes=4)
    assert found[0] == pytest.approx(np.mean(pairs) if pairs else np.nan, nan_ok=True)
    assert np.isnan(found[1:]).all()


# ------------------------------------------------------------------------------------------------ the shipped data


@pytest.mark.parametrize(
    ("model", "accuracy", "bound", "shares", "reciprocal"),
    [
        ("imagenetv2/resnet50", 0.358, 0.542, (0.33, 0.34), 0.44),
        ("imagenetv2/nasnetalarge", 0.439, 0.650, (0.41, 0.41), 0.42),
    ],
)
def test_partner_bound_of_networks(model, accuracy, bound, shares, reciprocal):
    """The numbers of an independent program, on one half of one random split, hence the .03.

    Its shares of the top confusion were chosen and read on the same items: equal in weak and in all classes. Held out,
    and by an index that is unbiased for any number of errors, weak classes are the more pair-like.
    """
    pred, label, plain = written_out(model)
    found = partner_bound(pred=pred, label=label, n_classes=1000, rng=rng(2), R=10)
    weak = weak_membership(plain, 50)
    assert (weak * found.accuracy).sum() / 50 == pytest.approx(accuracy, abs=0.03)
    assert (weak * found.bound).sum() / 50 == pytest.approx(bound, abs=0.03)

    table = np.zeros((1000, 1000), int)
    np.add.at(table, (label, pred), 1)
    np.fill_diagonal(table, 0)
    errors, top = table.sum(axis=1), table.max(axis=1)
    share, some = top / np.maximum(errors, 1), errors > 0
    assert ((weak * share).sum() / 50, share[some].mean()) == pytest.approx(shares, abs=0.02)
    partner = table.argmax(axis=1)
    assert (weak * (partner[partner] == np.arange(1000))).sum() / 50 == pytest.approx(reciprocal, abs=0.02)

    alike = error_concentration(pred=pred, label=label, n_classes=1000)
    some_weak = weak > 0  # every class on the cut; none has fewer than two errors
    assert alike[some_weak].mean() > 1.3 * np.nanmean(alike)
    assert found.errors[some_weak].mean() > 1.3 * np.nanmean(found.errors)
