"""Effective number, families and the check of files: by hand, by property, on the shipped data."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from analysis import models, tables
from analysis.measure.agreement import corrected_r, u_moments
from analysis.measure.models import effective_number, family_mean, leave_one_family_out, sanity_agreement


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.fixture(scope="module")
def networks():
    """Corrected correlations and families of the networks of the ImageNet-V2 authors, and those above .74."""
    rows = models.table()
    rows = rows[(rows["source"] == "imagenetv2") & rows["in_claims"]]
    correct = tables.correct("imagenet-val", models=rows.index)
    r = corrected_r(u_moments(correct.right, correct.class_index, len(correct.classes)))
    return r, rows["family"].tolist(), np.flatnonzero(rows["top1"] > 0.74)


@given(st.integers(0, 10**6), st.integers(1, 6))
def test_effective_number_by_eigenvalues(seed, size):
    r = np.atleast_2d(np.corrcoef(rng(seed).normal(size=(size, 50))))
    ev = np.linalg.eigvalsh(r)
    assert effective_number(r) == pytest.approx(ev.sum() ** 2 / (ev**2).sum())
    assert 1 - 1e-9 <= effective_number(r) <= size + 1e-9
    blocks = np.kron(r, np.ones((3, 3)))  # three copies of every model count as one
    assert effective_number(blocks) == pytest.approx(effective_number(r))


def test_effective_number_edges():
    assert effective_number([[1.0]]) == 1
    assert np.isnan(effective_number([[1, np.nan], [np.nan, 1]]))
    for r in ([[1, 0.5]], [[1, 0.2], [0.3, 1]], np.zeros((0, 0)), [1.0]):
        with pytest.raises(ValueError, match="symmetric matrix"):
            effective_number(r)


@given(st.integers(0, 10**6), st.lists(st.sampled_from("abc"), min_size=1, max_size=7))
def test_families_pair_by_pair(seed, families):
    r = rng(seed).random((len(families), len(families)))
    r = (r + r.T) / 2
    found = leave_one_family_out(r, families)
    pairs = [(i, j) for i in range(len(families)) for j in range(i)]

    def mean(keep):
        values = [r[i, j] for i, j in pairs if keep(families[i], families[j])]
        return pytest.approx(np.mean(values) if values else np.nan, nan_ok=True)

    assert found.names == tuple(sorted(set(families)))
    assert found.within == mean(lambda a, b: a == b)
    assert found.between == mean(lambda a, b: a != b)
    for name, value in zip(found.names, found.without, strict=True):
        assert value == mean(lambda a, b, name=name: name not in (a, b))


def test_one_vote_a_family():
    values = np.array([[0.0, 1.0], [1.0, 1.0], [0.2, 0.4]])
    assert family_mean(values, ["a", "a", "b"]).tolist() == [0.35, 0.7]
    assert family_mean(values, ["a", "a", "a"]) == pytest.approx(values.mean(axis=0))
    assert family_mean([0.5, 0.7], ["b", "a"]) == pytest.approx(0.6)
    with pytest.raises(ValueError, match="expected one for each model"):
        family_mean(values, ["a", "b"])


def test_effective_number_of_networks(networks):
    """1.05 for the 45 above .74, by an independent program: they are one observation."""
    r, _, above = networks
    assert above.size == 45
    assert effective_number(r[np.ix_(above, above)]) == pytest.approx(1.05, abs=5e-4)


def test_families_of_networks(networks):
    """Within .980, between .961, without a family .960 to .967, by an independent program and its own 12 families."""
    found = leave_one_family_out(*networks[:2])
    assert len(found.names) == 12
    assert (found.within, found.between) == pytest.approx((0.980, 0.961), abs=1.5e-3)
    assert (found.without.min(), found.without.max()) == pytest.approx((0.960, 0.967), abs=1e-3)


# ------------------------------------------------------------------------------------------------- files in order


def siblings(seed, *, models=4, items=3000, classes=20):
    """Answers of alike models: each takes the class of a shared wrong or right answer, or its own."""
    random = rng(seed)
    shared = random.integers(classes, size=items)
    return np.where(random.random((models, items)) < 0.7, shared, random.integers(classes, size=(models, items)))


@pytest.mark.parametrize("kind", ["classes", "right"])
def test_a_shuffled_file_collapses_and_only_that(kind):
    before, after = siblings(1), siblings(2)
    after[2] = rng(3).permutation(after[2])
    if kind == "right":
        before, after = before < 10, after < 10
    found = sanity_agreement(before, after)
    assert found.collapsed.tolist() == [False, False, True, False]
    assert abs(found.after[2]) < 0.1 < found.before[2]
    assert (found.after[[0, 1, 3]] > 0.9 * found.before[[0, 1, 3]]).all()


def test_a_true_shift_is_no_broken_file():
    """All models lose much, but together; a raw share of equal answers would have a floor of 1 / classes."""
    before, after = siblings(1, items=4000), siblings(2, items=4000)
    worse = rng(4).random(after.shape) < 0.15
    after = np.where(worse, rng(5).integers(20, size=after.shape), after)
    assert not sanity_agreement(before, after).collapsed.any()


def test_agreement_is_cohens_kappa():
    answers = siblings(6, models=3, items=200, classes=4)
    pairs = np.array([[cohen_kappa_score(a, b) for b in answers] for a in answers]) - 2 * np.eye(3)
    assert sanity_agreement(answers, answers).before == pytest.approx(pairs.max(axis=1))


def test_few_models_and_few_answers():
    one = sanity_agreement(np.array([[0, 1]]), np.array([[1, 1]]))
    assert np.isnan(one.before).all() and not one.collapsed.any()
    same = sanity_agreement(np.zeros((3, 5), int), np.zeros((3, 4), int))
    assert (same.before == 0).all() and not same.collapsed.any()
    for before, after in (
        (np.zeros((2, 3)), np.zeros((2, 3))),
        (np.zeros((2, 3), int), np.zeros((3, 3), int)),
        (np.zeros((2, 0), int), np.zeros((2, 3), int)),
        (np.zeros(3, int), np.zeros(3, int)),
    ):
        with pytest.raises(ValueError, match="expected"):
            sanity_agreement(before, after)


def test_shipped_models_are_in_order_and_a_file_that_is_not_is_found():
    """A published file of Fisher vectors was broken on ImageNet-V2 and is mended here; its items are shuffled again."""
    rows = models.table()
    names = [name for name in rows.index[rows["source"] == "imagenetv2"] if "fv_" in name or "resnet" in name]
    sets = "imagenet-val", "imagenetv2-matched-frequency"
    before, after = (tables.correct(dataset, models=names).right.copy() for dataset in sets)
    assert not sanity_agreement(before, after).collapsed.any()
    broken = names.index("imagenetv2/fv_16k")
    after[broken] = rng(7).permutation(after[broken])
    assert np.flatnonzero(sanity_agreement(before, after).collapsed).tolist() == [broken]
