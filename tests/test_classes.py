"""Classes by id, wnid and name; superclasses; the shipped list of classes."""

import hashlib

import numpy as np
import pytest

from analysis import classes
from analysis.errors import InputError
from analysis.sources import class_names


def test_the_list_of_classes_is_the_one_of_every_prediction_file():
    """sha256 over the sorted wnids: two swapped classes cost a tenth of a point and nobody would see it."""
    digest = hashlib.sha256("\n".join(classes.wnids()).encode()).hexdigest()
    assert len(classes.wnids()) == 1000 and classes.wnids() == sorted(classes.wnids())
    assert digest == "385e0240499426c022b773be1ae4da780f057b89c9694c7f47199f62746b6edd"


@pytest.mark.parametrize(
    ("class_id", "wnid", "name"),
    [
        (0, "n01440764", "tench"),
        (134, "n02012849", "crane"),
        (517, "n03126707", "crane"),
        (638, "n03710637", "maillot"),
        (639, "n03710721", "maillot"),
        (458, "n02892201", "brass"),
        (999, "n15075141", "toilet tissue"),
    ],
)
def test_known_classes(class_id, wnid, name):
    row = classes.table().loc[class_id]
    assert (row["wnid"], row["name"]) == (wnid, name)
    assert classes.lookup(wnid) == classes.lookup(class_id) == classes.lookup(str(class_id)) == class_id


def test_only_two_names_occur_twice():
    names = np.array(classes.names("imagenet"))
    found, times = np.unique(names, return_counts=True)
    assert found[times > 1].tolist() == ["crane", "maillot"]


def test_a_name_that_two_classes_have_is_refused_with_both_ids():
    assert classes.find("Maillot") == [638, 639]
    with pytest.raises(InputError, match=r"638 n03710637.*639 n03710721"):
        classes.lookup("maillot")


@pytest.mark.parametrize("text", ["toilet tissue", "Toilet_Tissue", " toilet-tissue ", "n15075141", "999"])
def test_spelling_of_a_name_does_not_matter(text):
    assert classes.lookup(text) == 999


@pytest.mark.parametrize("text", ["tenhc", "1000", "-1", "n00000000", "", "x" * 10_000])
def test_an_unknown_class_is_refused_in_one_short_line(text):
    with pytest.raises(InputError, match="no such class") as raised:
        classes.lookup(text)
    assert len(str(raised.value)) < 200
    with pytest.raises(InputError, match="near: tench"):
        classes.lookup("tenhc")


def test_subsets_keep_the_ids_of_the_thousand():
    for space in ("imagenet-a", "imagenet-r"):
        ids = classes.ids(space)
        assert len(ids) == 200 and ids.max() < 1000
        assert (classes.table(space)["wnid"] == classes.table().loc[ids, "wnid"]).all()
    assert classes.names("cifar10")[3] == "cat" and classes.names("ood16")[15] == "truck"
    with pytest.raises(InputError, match="no such label space"):
        classes.ids("imagenet-x")


def test_superclasses_partition_the_classes():
    group = classes.superclasses()
    assert group.shape == (1000,) and (group != "").all()
    assert len(set(group)) == 44 and group[classes.lookup("tench")] == "vertebrate"


def test_a_superclass_is_the_nearest_node_above_that_covers_enough():
    parent = {"a": "m", "b": "m", "c": "n", "m": "n", "n": "top", "d": "top"}
    assert class_names.superclasses(list("abcd"), parent, least=2) == ["m", "m", "n", "top"]
    assert class_names.superclasses(list("abcd"), parent, least=3) == ["n", "n", "n", "top"]


def test_the_first_parent_in_the_file_counts(monkeypatch):
    monkeypatch.setattr(class_names, "_lines", lambda name: ["up1 a", "up2 a", "top up1"])
    assert class_names._parents() == {"a": "up1", "up1": "top"}
