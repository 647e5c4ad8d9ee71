"""Classes: id, wnid, name and superclass, from `data/classes.csv`.

A label space is a list of classes among which a prediction is made: `imagenet` (ids 0 to 999 = rank of the sorted
wnid), `imagenet-r` and `imagenet-a` (200 of these, same ids), `cifar10`, `cifar100`, `ood16`, `banking77`, `20news`,
`hint3-curekart` and two more bots. Names are for display and repeat: two classes are called crane, two maillot.
"""

import difflib
from functools import cache

import numpy as np
import pandas as pd

from . import tables
from .errors import InputError, some


@cache
def _table(label_space: str) -> pd.DataFrame:
    rows = tables.read_csv("classes")
    rows = rows[rows["label_space"] == label_space].set_index("class_id", drop=False).sort_index()
    if rows.empty:
        raise InputError("classes", f"{label_space}: no such label space", "see data/classes.csv")
    return rows


def table(label_space: str = "imagenet") -> pd.DataFrame:
    """The classes of a label space indexed by class id, with the columns of `data/classes.csv`."""
    return _table(label_space).copy()


def ids(label_space: str) -> np.ndarray:
    """Class ids of a label space, ascending; for `imagenet-r` and `imagenet-a` 200 of the ids 0 to 999.

    >>> len(ids("imagenet-r")), ids("imagenet-r")[:3].tolist()
    (200, [1, 2, 4])
    """
    return _table(label_space)["class_id"].to_numpy()


def names(label_space: str) -> list[str]:
    """Names of a label space in the order of its class ids.

    >>> names("imagenet")[134], names("imagenet")[517], names("ood16")[0]
    ('crane', 'crane', 'airplane')
    """
    return _table(label_space)["name"].tolist()


def titles(label_space: str) -> np.ndarray:
    """Names that tell classes apart: those that several classes carry have their id behind them.

    >>> str(titles("imagenet")[134]), str(titles("imagenet")[0])
    ('crane (134)', 'tench')
    """
    rows = _table(label_space)
    twin = rows["name"].duplicated(keep=False)
    return np.where(twin, rows["name"] + " (" + rows["class_id"].astype(str) + ")", rows["name"]).astype(str)


def wnids() -> list[str]:
    """WordNet ids of the 1,000 ImageNet classes by class id."""
    return _table("imagenet")["wnid"].tolist()


def superclasses() -> np.ndarray:
    """Name of the superclass of each of the 1,000 ImageNet classes: the nearest node above it on its first WordNet
    path that covers at least 20 of them.

    >>> len(superclasses()), str(superclasses()[134])
    (1000, 'aquatic bird')
    """
    return _table("imagenet")["superclass"].to_numpy(dtype=str)


def find(text, label_space: str = "imagenet") -> list[int]:
    """Class ids that an id, a wnid or a name stands for; capitals, `_` and `-` do not matter in a name.

    >>> find("crane"), find("n02012849"), find(134), find("Great White-Shark"), find("unicorn")
    ([134, 517], [134], [134], [2], [])
    """
    rows, text = _table(label_space), str(text).strip()
    if text.isdecimal():
        return [int(text)] if int(text) in rows.index else []
    if text in set(rows["wnid"]) - {""}:
        return rows.index[rows["wnid"] == text].tolist()
    return rows.index[rows["name"].map(_folded) == _folded(text)].tolist()


def lookup(text, label_space: str = "imagenet") -> int:
    """The one class id that an id, a wnid or a name stands for.

    Raises
    ------
    InputError : none (near names are listed), or several (their ids are).

    >>> lookup("tench")
    0
    >>> lookup("crane")
    Traceback (most recent call last):
    analysis.errors.InputError: error[class] crane: 134 n02012849 (aquatic bird), 517 n03126707 (device); give the id
    """
    found, rows = find(text, label_space), _table(label_space)
    if len(found) == 1:
        return found[0]
    if found:
        choices = [f"{row.class_id} {row.wnid} ({row.superclass})" for row in rows.loc[found].itertuples()]
        raise InputError("class", f"{text}: {some(choices)}", "give the id")
    near = difflib.get_close_matches(_folded(text), rows["name"].map(_folded).tolist(), n=3)
    hint = f"near: {', '.join(dict.fromkeys(near))}" if near else "see data/classes.csv"
    raise InputError("class", f"{str(text)[:60]!r}: no such class in {label_space}", hint)


def _folded(name) -> str:
    return " ".join(str(name).casefold().replace("_", " ").replace("-", " ").split())
