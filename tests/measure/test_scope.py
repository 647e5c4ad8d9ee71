"""Scores of items that belong to no class: hand cases, properties, and scikit-learn as an independent program."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from analysis.measure.scope import accepting_threshold, auroc, false_positive_rate, taken_in

scores = st.lists(st.integers(0, 20), min_size=1, max_size=30).map(lambda x: np.array(x) / 20)


@given(scores, scores)
def test_area_is_that_of_scikit_learn(inside, outside):
    label = np.repeat([1, 0], [inside.size, outside.size])
    found = auroc(inside, outside)
    assert found.value == pytest.approx(roc_auc_score(label, np.concatenate([inside, outside])))
    assert np.isnan(found.low) or 0 <= found.low <= found.value <= found.high <= 1


@given(scores, scores)
def test_the_two_sides_mirror_each_other(inside, outside):
    assert auroc(inside, outside).value == pytest.approx(1 - auroc(outside, inside).value)


def test_interval_covers_the_true_area():
    rng = np.random.default_rng(0)
    truth, hits = 0.7602, 0  # two normals one unit apart: Phi(1 / sqrt 2)
    for _ in range(400):
        found = auroc(rng.normal(1, 1, 60), rng.normal(0, 1, 40))
        hits += found.low <= truth <= found.high
    assert 0.92 <= hits / 400 <= 0.99


@given(scores, st.sampled_from([0.5, 0.9, 0.95, 1.0]))
def test_threshold_accepts_the_share_and_no_higher_one_does(inside, share):
    threshold = accepting_threshold(inside, share)
    assert (inside >= threshold).mean() >= share - 1e-9
    assert (inside > threshold).mean() < share


def test_empty_sides_are_nan_and_separated_ones_have_no_interval():
    assert np.isnan(auroc([], [1.0]).value) and np.isnan(false_positive_rate([1.0], []))
    assert auroc([0.9, 0.8], [0.1, 0.2])[0] == 1 and np.isnan(auroc([0.9, 0.8], [0.1, 0.2]).low)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_score_that_is_no_number_is_refused(bad):
    with pytest.raises(ValueError, match="finite"):
        auroc([0.5, bad], [0.1])


def test_counts_of_what_is_taken_in_by_hand():
    assert taken_in([0, 1, 1, -1], [0.9, 0.5, 0.4, 0.9], 0.5, 3).tolist() == [1, 1, 0]
