"""Rank correlation in bootstrap draws of classes, against scipy on the drawn classes written out."""

import numpy as np
import pytest
from scipy.stats import rankdata, spearmanr

from analysis.measure.drawn_ranks import drawn_ranks, rank_r
from analysis.measure.split import class_weights


@pytest.fixture
def values():
    rng = np.random.default_rng(0)
    return rng.integers(0, 12, (3, 40)) / 12, rng.integers(0, 5, (3, 40)).astype(float)  # many ties


def test_without_draws_it_is_scipys(values):
    for a, b, r in zip(*values, rank_r(*values), strict=True):
        assert r == pytest.approx(spearmanr(a, b)[0], abs=1e-12)
    one = rank_r(values[0], values[1][0])
    assert one.tolist() == pytest.approx([spearmanr(a, values[1][0])[0] for a in values[0]], abs=1e-12)


def test_a_draw_is_the_drawn_classes_with_their_copies(values):
    weights = class_weights(40, draws=20, rng=np.random.default_rng(1))
    found = rank_r(*values, weights)
    assert found.shape == (20, 3)
    for drawn, row in zip(weights, found, strict=True):
        copies = np.repeat(np.arange(40), drawn)
        expected = [spearmanr(a[copies], b[copies])[0] for a, b in zip(*values, strict=True)]
        assert row.tolist() == pytest.approx(expected, abs=1e-12)
        ranks = drawn_ranks(values[0][0], drawn[None])[0]
        assert ranks[copies].tolist() == rankdata(values[0][0][copies]).tolist()


def test_any_rising_change_of_values_leaves_it_and_a_falling_one_turns_its_sign(values):
    assert rank_r(np.exp(values[0]), values[1] ** 3) == pytest.approx(rank_r(*values), abs=1e-12)
    assert rank_r(-values[0], values[1]) == pytest.approx(-rank_r(*values), abs=1e-12)


def test_what_cannot_be_ranked():
    assert np.isnan(rank_r([[0.5, 0.5, 0.5]], [1, 2, 3])).all()
    drawn_alone = rank_r([[0.1, 0.2]], [1, 2], [[2, 0], [1, 1]])
    assert np.isnan(drawn_alone[0, 0]) and drawn_alone[1, 0] == pytest.approx(1)
    for bad in (np.nan, np.inf):
        with pytest.raises(ValueError, match="NaN or an infinite"):
            rank_r([[0.1, bad]], [1, 2])
