"""From what lies in a folder to an `ItemSet`, and its faults: held against what is known of the data set."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from .. import classes, paths, tables
from ..errors import InputError, some
from . import folders
from .itemsets import FILES, ItemSet
from .places import V2

# Of sets that no table counts: items in all, and per class.
ITEMS = {"imagenet-a": (7500, None), "tiny-imagenet": (10_000, 50)}


@dataclass(frozen=True, eq=False)
class Found:
    """A set as it lies in a folder, with its faults: (where, what) each. `missing` are holes, `wrong` all others."""

    items: ItemSet
    place: Path
    wrong: tuple[tuple[str, str], ...] = ()
    missing: tuple[tuple[str, str], ...] = ()
    ignored: tuple[str, ...] = ()


def wnid_index() -> dict[str, int]:
    """wnid -> class id of the 1,000 classes."""
    return {wnid: index for index, wnid in enumerate(classes.wnids())}


def lines(path: Path) -> list[str]:
    """The lines of a text file without empty ones at its end; split at line ends only.

    Raises
    ------
    InputError : no such file, or not UTF-8 text.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InputError("classes", f"{paths.shown(path)}: no such file", "bring it beside the images") from None
    except UnicodeDecodeError as fault:
        raise InputError(
            "classes", f"{paths.shown(path)}: not UTF-8 text (byte {fault.start})", "save it as UTF-8"
        ) from None
    return text.rstrip("\n").split("\n") if text.strip() else []


def build(
    dataset: str, root: Path, survey: folders.Survey, id_of: Callable, *, space: str = "imagenet", members=None,
    n_classes: int = 1000, form: str = FILES, refs=None,
) -> Found:  # fmt: skip
    """A set from what a survey found; ids by `id_of` (None: the name is no item), sorted; twins are faults.

    `refs` are given, one a row, where they are not the paths themselves.
    """
    refs = [path for path, _ in survey.rows] if refs is None else refs
    wrong, seen, rows = list(survey.wrong), {}, []
    for (path, label), ref in zip(survey.rows, refs, strict=True):
        name = id_of(path)
        if name is None:
            wrong.append((path, f"no item of {dataset}"))
        elif name in seen:
            wrong.append((path, f"the same item as {seen[name]}"))
        else:
            seen[name] = path
            rows.append((name, label, ref))
    rows.sort(key=lambda row: row[0])
    items = ItemSet(
        dataset=dataset,
        label_space=space,
        item_id=np.array([row[0] for row in rows], dtype=object),
        label=np.array([row[1] for row in rows], dtype=np.int32),
        refs=tuple(row[2] for row in rows),
        n_classes=n_classes,
        members=members,
        root=str(root.resolve()),
        form=form,
    )
    return Found(items, root, tuple(wrong), tuple(survey.missing), tuple(survey.ignored))


def checked(found: Found) -> Found:
    """With the faults that show when its items are held against what the tables know of the set."""
    items = found.items
    if items.dataset == "imagenet-val" or items.dataset in V2 or items.dataset.startswith("imagenet-c/"):
        wrong, missing = _against_ids(items)
    else:
        wrong, missing = _against_counts(items)
    return replace(found, wrong=found.wrong + tuple(wrong), missing=found.missing + tuple(missing))


def _against_ids(items: ItemSet) -> tuple[list, list]:
    known = shipped("imagenet-val" if items.dataset.startswith("imagenet-c/") else items.dataset)
    pairs = list(zip(items.item_id.tolist(), items.label.tolist(), strict=True))
    wrong = [(name, "no item of this data set") for name, _ in pairs if name not in known]
    other = [
        (name, f"class {label} here, {known[name]} in the data set")
        for name, label in pairs
        if known.get(name, label) != label
    ]
    if len(pairs) > 20 and len(other) > 0.5 * len(pairs):
        what = f"{len(other)} of {len(pairs)} items have another class than the data set: classes in another order"
        other = [("", f"{what} (development kit: ILSVRC2012_ID; V2: folder names are numbers)")]
    wrong += other
    absent = sorted(set(known) - set(items.item_id.tolist()))
    missing = [("", f"{len(absent)} of {len(known)} items missing: {some(absent, most=2)}")] if absent else []
    return wrong, missing


def shipped(dataset: str) -> dict[str, int]:
    """Item id -> class id as the tables have them."""
    return _shipped(dataset, paths.data())


@lru_cache(maxsize=4)
def _shipped(dataset: str, _folder: Path) -> dict[str, int]:
    known = tables.correct(dataset, models=[])
    return dict(zip(known.item_id.tolist(), known.class_id.tolist(), strict=True))


def _against_counts(items: ItemSet) -> tuple[list, list]:
    expected = expected_counts(items)
    wrong, missing = [], []
    if expected is None:
        total = ITEMS.get(items.dataset, (None,))[0]
        if total is not None and len(items) != total:
            fault = ("", f"{len(items)} items, the data set has {total}")
            (wrong if len(items) > total else missing).append(fault)
        return wrong, missing
    names, have = classes.wnids(), np.bincount(items.label, minlength=items.n_classes)
    for index, n in expected.items():
        if have[index] != n:
            fault = (names[index], f"{have[index]} images, the data set has {n}")
            (wrong if have[index] > n else missing).append(fault)
    return wrong, missing


def expected_counts(items: ItemSet) -> dict[int, int] | None:
    """Class id -> images, where they are known: counted in the tables, or equal for all classes."""
    each = ITEMS.get(items.dataset, (None, None))[1]
    if each is not None:
        return dict.fromkeys(items.members.tolist(), each)
    if items.dataset not in ("imagenet-r", "imagenet-sketch"):
        return None
    known = tables.counts(items.dataset)
    return {index: n for index, n in zip(known.class_id.tolist(), known.n[0].tolist(), strict=True) if n}
