"""Any folder whose subfolders are classes: "own:NAME".

With `classes.csv` in it (columns `folder,class_id`, in the order of the network's outputs) the label space is "own".
Without, each subfolder has to be named by a wnid or an unambiguous name of an ImageNet class, and the label space is
"imagenet". Indices never come from the listing.
"""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np

from .. import classes, files, paths
from ..errors import InputError, UsageError
from . import folders
from .found import Found, build, wnid_index

LIST = "classes.csv"
MOST = 100_000  # classes


def survey(dataset: str, images) -> Found:
    """The items of a folder of one's own; ids are paths without suffix."""
    if not re.fullmatch(r"own:[A-Za-z0-9][A-Za-z0-9._-]{0,60}", dataset):
        raise UsageError("dataset", f"{dataset[:60]!r}: no usable name", "own:NAME with letters, digits, . _ -")
    if images is None or not Path(images).expanduser().is_dir():
        raise InputError("images", f"{dataset}: no folder of images was named", "give the folder with the images")
    place = Path(images).expanduser()
    listed = (place / LIST).is_file()
    class_of = _listed(place / LIST) if listed else _named(place)
    found = folders.class_folders(place, class_of)
    if listed:
        have = {path.split("/", 1)[0] for path, _ in found.rows} | {where for where, _ in found.missing}
        found.missing += [(name, f"in {LIST}, but no such folder") for name in class_of if name not in have]
    n_classes = max(class_of.values(), default=0) + 1 if listed else 1000
    ids = np.array(sorted(set(class_of.values())), dtype=np.int32)
    members = ids if len(ids) < n_classes else None
    space = "own" if listed else "imagenet"
    built = build(dataset, place, found, folders.stem, space=space, members=members, n_classes=n_classes)
    return replace(built, ignored=tuple(name for name in built.ignored if name != LIST))


def _listed(path: Path) -> dict[str, int]:
    try:
        header, *rows = files.csv_rows(path)
    except ValueError as fault:
        raise InputError("classes", f"{paths.shown(path)}: {fault}", "two columns, folder,class_id") from None
    if header[:2] != ["folder", "class_id"]:
        raise InputError("classes", f"{paths.shown(path)}: columns are not folder,class_id", "correct its first line")
    bad = [number for number, row in enumerate(rows, 2) if not re.fullmatch(r"\d{1,6}", row[1]) or int(row[1]) >= MOST]
    if bad:
        raise InputError("classes", f"{paths.shown(path)} line {bad[0]}: class_id is no number from 0", "correct it")
    found = {row[0]: int(row[1]) for row in rows}
    if len(found) != len(rows) or not found:
        raise InputError("classes", f"{paths.shown(path)}: a folder twice, or none", "one line a folder")
    return found


def _named(place: Path) -> dict[str, int]:
    """Folder -> class id, for the folders that are named by an ImageNet class; all wnids, to suggest near ones."""
    found = wnid_index()
    used: dict[int, str] = {}
    for entry in folders.entries(place, folders.Survey(), ""):
        if not entry.is_dir(follow_symlinks=False):
            continue
        # A bare number would be an id by `classes.find`; whose, only a list can say.
        ids = [] if entry.name.isdecimal() else classes.find(entry.name)
        if len(ids) > 1:
            what = f"{entry.name} names several classes, {ids[0]} and {ids[1]}"
            raise InputError("classes", f"{paths.shown(place)}: {what}", f"name the folder by wnid or add {LIST}")
        if ids and used.setdefault(ids[0], entry.name) != entry.name:
            what = f"{entry.name} and {used[ids[0]]} are one class"
            raise InputError("classes", f"{paths.shown(place)}: {what}", f"merge them or add {LIST}")
        if ids:
            found[entry.name] = ids[0]
    if not used:
        what = f"no {LIST}, and no subfolder is named by an ImageNet class"
        raise InputError("classes", f"{paths.shown(place)}: {what}", f"add {LIST} with the columns folder,class_id")
    return found
