"""Folders of images as they come: each usual layout of a known data set becomes an `ItemSet`, or one line says why not.

A class index always comes from the class list, never from a listing. Items are held against what is known of a set:
its ids and their classes where the tables ship them (ImageNet val and V2), else its counts per class.

Traps
-----
- ImageNet-V2: folders "0" to "999" sorted as text give the right class for 12 of 1,000. Here: `int(name)`.
- The development kit numbers classes by ILSVRC2012_ID, which is not the order of the wnids (`flat`).
- Tiny-ImageNet: `wnids.txt` is not sorted; ids are still ranks among the 1,000 sorted wnids.
- The images of ImageNet-C are already 224 pixels: `precropped`.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

from .. import classes, paths
from ..errors import InputError, UsageError, some
from . import arrays, flat, folders, own, shards
from .found import Found, build, checked, lines, wnid_index
from .itemsets import ItemSet
from .places import (
    CORRUPTIONS,
    FOLDER_SETS,
    GROUPS,
    NAMES,
    PLACES,
    V2,
    fitting,
    holds_wnids,
    inner,
    is_shard,
    locate,
    val_id,
)


def open_set(dataset: str, images: Path | str | None = None, *, allow_missing: bool = False) -> list[ItemSet]:
    """The items of a data set, whatever usual form its folder has; nothing is decoded.

    Parameters
    ----------
    dataset : one of `NAMES`; "imagenetv2", "imagenet-c", "imagenet-c/fog", "cifar10-c" stand for all present;
        "own:NAME" is any folder whose subfolders are classes (`own`)
    images : the folder of the set, or one above it that holds it under a usual name (`PLACES`); "hf:imagenet-1k" for
        the validation shards of a Hugging Face data set. None: imagenet-sample and tiny-imagenet of the mirror.
    allow_missing : take a set that lacks items, otherwise hours are not spent on a hole

    Raises
    ------
    UsageError, InputError : no such set or place; a name that is no class, item, image or known litter; an item of
        another class than is known; items missing.
    """
    found = survey(dataset, images)
    for one in found:
        faults = list(one.wrong) + ([] if allow_missing else list(one.missing))
        if faults:
            examples = some([f"{where}: {what}" if where else what for where, what in faults], most=3)
            remedy = f'"analysis check-images FOLDER --dataset {dataset}" lists every fault'
            if not one.wrong:
                remedy += "; --allow-missing (allow_missing=True) takes an incomplete set"
            raise InputError("images", f"{one.items.dataset} in {paths.shown(one.place)}: {examples}", remedy)
        if not len(one.items):
            what = f"{one.items.dataset} in {paths.shown(one.place)}: no images"
            raise InputError("images", what, "give the folder with the images")
    return [one.items for one in found]


def survey(dataset: str, images: Path | str | None = None) -> list[Found]:
    """What a folder holds of a data set, faults and all; raises only where there is no such set or no place fits."""
    family, *rest = dataset.split("/")
    if family == "imagenetv2" and not rest:
        there = [name for name in V2 if fitting(name, images)[0]]
        return [one for name in there or V2[:1] for one in survey(name, images)]
    if family.startswith("own:"):
        return [own.survey(family, images)]
    if family not in PLACES or (rest and not family.endswith("-c")):
        known = f"one of {', '.join(NAMES)}, or own:NAME; corrupted here: imagenet-c-local, tiny-imagenet-c-local"
        raise UsageError("dataset", f"{dataset[:60]!r}: no such data set of images", known)
    if family == "imagenet-val" and images is not None and str(images).startswith("hf:"):
        return [checked(shards.survey(shards.fetch(str(images))))]
    place = locate(family, images)
    if family == "imagenet-val":
        return [checked(_val(place))]
    if family == "tiny-imagenet":
        return [checked(_tiny(place))]
    if family == "imagenet-c":
        return [checked(one) for one in _corrupted(place, dataset)]
    if family in FOLDER_SETS:
        return [checked(_class_folders(family, place))]
    return arrays.survey(dataset, place)


def check(dataset: str, images: Path | str | None = None, **options):
    """What `analysis check-images` says of one data set: `checking.check`."""
    from . import checking

    return checking.check(dataset, images, **options)


# ---- Layouts ---------------------------------------------------------------------------------------------------------


def _class_folders(dataset: str, place: Path) -> Found:
    space, members = "imagenet", None
    class_of: dict[str, int] = wnid_index()
    if dataset in ("imagenet-r", "imagenet-a"):
        space, members = dataset, classes.ids(dataset).astype(np.int32)
        own = set(members.tolist())
        class_of = {wnid: index for wnid, index in class_of.items() if index in own}
    if dataset in V2:
        class_of |= {str(index): index for index in range(1000)}
        survey = folders.class_folders(place, class_of)
        return build(dataset, place, survey, _file_name, space=space)
    survey = folders.class_folders(place, class_of)
    return build(dataset, place, survey, folders.stem, space=space, members=members)


def _file_name(path: str) -> str:
    return folders.stem(path).rsplit("/", 1)[-1]


def _val(place: Path) -> Found:
    if folders.holds_files(place, is_shard):
        return shards.survey(place)
    if holds_wnids(place):
        return build("imagenet-val", place, folders.class_folders(place, wnid_index()), val_id)
    survey = folders.Survey()
    names = folders.images(place, "", survey)
    label_of, unknown = flat.labels(place), []
    for name in names:
        label = label_of.get(val_id(name) or "")
        if label is None:
            unknown.append(name)
        else:
            survey.rows.append((name, label))
    survey.wrong += [(name, "no item of ImageNet val") for name in unknown]
    return build("imagenet-val", place, survey, val_id)


def _tiny(place: Path) -> Found:
    known = wnid_index()
    names = lines(place / "wnids.txt")
    strange = [name for name in names if name not in known]
    if strange or len(names) != 200 or len(set(names)) != 200:
        what = f"{len(set(names))} classes, {len(strange)} of them not of ImageNet; expected 200"
        raise InputError("classes", f"{paths.shown(place / 'wnids.txt')}: {what}", "unpack tiny-imagenet-200.zip again")
    class_of = {name: known[name] for name in names}
    root = place / "val"
    if not (root / "images").is_dir():
        survey = folders.class_folders(root, class_of, inner="images" if _has_inner(root) else "")
    else:
        survey = _tiny_flat(root, class_of)
    members = np.array(sorted(class_of.values()), dtype=np.int32)
    return build("tiny-imagenet", root, survey, _file_name, space="tiny-imagenet", members=members)


def _has_inner(root: Path) -> bool:
    return any((folder / "images").is_dir() for folder in inner(root))


def _tiny_flat(root: Path, class_of: dict[str, int]) -> folders.Survey:
    survey = folders.Survey()
    list_path = root / "val_annotations.txt"
    rows = [line.split("\t") for line in lines(list_path)]
    if any(len(row) < 2 or row[1] not in class_of for row in rows) or len({row[0] for row in rows}) != len(rows):
        what = "expected a file name, a wnid of wnids.txt and a box a line, each file once"
        raise InputError("classes", f"{paths.shown(list_path)}: {what}", "unpack tiny-imagenet-200.zip again")
    label_of = {row[0]: class_of[row[1]] for row in rows}
    for path in folders.images(root, "images", survey):
        name = path.removeprefix("images/")
        if name in label_of:
            survey.rows.append((path, label_of.pop(name)))
        else:
            survey.wrong.append((path, "not in val_annotations.txt"))
    if label_of:
        survey.missing.append(("images", f"without {some(sorted(label_of), most=3)} of val_annotations.txt"))
    return survey


def _corrupted(place: Path, dataset: str) -> list[Found]:
    """ImageNet-C: corruption/severity/wnid/file; the ids are those of ImageNet val, so that rows pair."""
    _, *wanted = dataset.split("/")
    if (wanted and wanted[0] not in CORRUPTIONS) or wanted[1:] not in ([], *[[s] for s in "12345"]):
        raise InputError("dataset", f"{dataset[:60]!r}: no such corruption and severity", "as imagenet-c/fog/3")
    strange = [folder for folder in inner(place) if folder.name not in (*CORRUPTIONS, *GROUPS)]
    strange = [folder for folder in strange if not folders.is_litter(folder.name)]
    if strange and not wanted:
        what = f"{paths.shown(strange[0])}: no corruption of ImageNet-C"
        raise InputError("images", what, "move it away, or ask for one corruption, as imagenet-c/fog")
    found = []
    for name in wanted[:1] or CORRUPTIONS:
        folder = next((place / group / name for group in GROUPS if (place / group / name).is_dir()), None)
        if folder is None and not wanted:
            continue
        for severity in wanted[1:] or "12345":
            root = (folder or place / name) / severity
            if root.is_dir():
                survey = folders.class_folders(root, wnid_index())
            else:
                survey = folders.Survey(missing=[("", "no such folder")])
            one = build(f"imagenet-c/{name}/{severity}", root, survey, val_id)
            found.append(replace(one, items=replace(one.items, precropped=True)))
    return found
