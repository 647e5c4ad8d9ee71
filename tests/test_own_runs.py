"""What this project ran itself, as shipped: Tiny-ImageNet under corruption."""

import numpy as np
import pytest

from analysis import tables
from analysis.findings import tiny


@pytest.fixture(scope="module")
def corrupted():
    return tiny.load()


def test_corrupted_images_are_the_same_ten_a_class_in_all_conditions(corrupted):
    assert corrupted.right.shape == (95, 2000) and len(corrupted.conditions.drop_duplicates()) == 95
    assert (np.bincount(corrupted.class_index) == 10).all() and (corrupted.n == 40).all()


def test_no_image_is_both_chosen_on_and_read(corrupted):
    every = tables.correct(tiny.CLEAN, models=[tiny.MODEL])
    k = np.bincount(every.class_index, every.right[0])
    assert (corrupted.k + np.bincount(corrupted.class_index, corrupted.clean) == k).all()


def test_accuracy_falls_with_severity_and_is_lower_among_more_classes(corrupted):
    by = [corrupted.right[part.index].mean() for _, part in corrupted.conditions.groupby("severity")]
    assert corrupted.clean.mean() > by[0] and (np.diff(by) < 0).all()
    assert tiny.load("1000 classes").right.mean() < corrupted.right.mean()


def test_same_images_with_the_noise_taken_off_say_what_different_images_say(corrupted):
    r = tiny.levels(corrupted).groupby("reading", sort=False)["r"].mean()
    apart, off, left_in, raw = (r[name] for name in tiny.READINGS)
    assert abs(apart - off) < 0.1 < left_in - off and raw < left_in


def test_sensitivity_groups_are_ten_classes_at_their_ranks(corrupted):
    table = tiny.sensitivity(corrupted, rng=np.random.default_rng(0), draws=100)
    assert list(table["group"].unique()) == [
        *("strong: ranks 20–29", "middle: ranks 110–119"),
        "weakest: ranks 190–199",
    ]
    assert len(table) == 19 * 3 and (table["low"] <= table["kept"]).all() and (table["kept"] <= table["high"]).all()


def test_weakest_classes_are_weaker_than_the_average_on_images_they_were_not_chosen_on(corrupted):
    assert tiny.weakest(corrupted)["clean"].mean() < corrupted.clean.mean() - 0.1
