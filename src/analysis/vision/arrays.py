"""CIFAR-10 and CIFAR-100 (binary version), CIFAR-10.1 (.npy), CIFAR-10-C and -100-C (.npy): sets that are one array.

The item id is the row number in the test set, also in the corrupted sets, whose files hold severities 1 to 5 one after
the other. Pickled batches ("python version") are not read: a pickle can run any code.
"""

from pathlib import Path

import numpy as np

from .. import classes, paths
from ..errors import InputError, some
from .found import Found, lines, shipped
from .itemsets import ROWS, SIDE, ItemSet, array, record_bytes
from .places import BINARY, CORRUPTIONS, PICKLED, npy

CLASS_NAMES = {"cifar10": "batches.meta.txt", "cifar100": "fine_label_names.txt"}
ITEMS = {"cifar10": 10_000, "cifar100": 10_000, "cifar10.1-v4": 2021, "cifar10.1-v6": 2000}
SEVERITIES = 5


def survey(dataset: str, place: Path) -> list[Found]:
    """The set, or the corrupted sets that a name stands for."""
    family, *wanted = dataset.split("/")
    if family in BINARY:
        if not (place / BINARY[family]).is_file():
            what = f"{paths.shown(place / PICKLED[family])}: a pickle, which is not read"
            raise InputError("images", what, f"bring the binary version, which holds {BINARY[family]}")
        return [_binary(family, place)]
    if family.endswith("-c"):
        return _corrupted(family, wanted, place)
    data, labels = npy(family, place)
    return [_found(family, "cifar10", place, data.name, 0, _labels(labels), len(_images(data)))]


_AGAIN = "download the archive again"


def _binary(family: str, place: Path) -> Found:
    path = place / BINARY[family]
    width, size = record_bytes(path), path.stat().st_size
    if size % width or not size:
        what = f"{size} bytes, no multiple of the {width} of a record"
        raise InputError("array", f"{paths.shown(path)}: {what}", "download the binary version again")
    _check_names(family, place / CLASS_NAMES[family])
    records = np.memmap(path, dtype=np.uint8, mode="r").reshape(-1, width)
    label = records[:, width - 3 * SIDE * SIDE - 1].astype(np.int64)
    return _found(family, family, place, path.name, 0, label, len(label))


def _check_names(family: str, path: Path) -> None:
    """Where the authors' list of names is there, it has to be in the order of the class list."""
    if path.is_file() and [name for name in lines(path) if name] != classes.names(family):
        raise InputError("classes", f"{paths.shown(path)}: not the names of {family} in their order", _AGAIN)


def _corrupted(family: str, wanted: list[str], place: Path) -> list[Found]:
    severities = [str(severity) for severity in range(1, SEVERITIES + 1)]
    if (wanted and wanted[0] not in CORRUPTIONS) or wanted[1:] not in ([], *[[s] for s in severities]):
        raise InputError("dataset", f"{family}/{'/'.join(wanted)[:60]}: no such corruption and severity", "as fog/3")
    labels = _labels(place / "labels.npy")
    n = len(labels) // SEVERITIES
    if len(labels) % SEVERITIES or (labels.reshape(SEVERITIES, n) != labels[:n]).any():
        what = f"{len(labels)} labels, not {SEVERITIES} times the same"
        raise InputError("array", f"{paths.shown(place / 'labels.npy')}: {what}", _AGAIN)
    found = []
    for name in wanted[:1] or [name for name in CORRUPTIONS if (place / f"{name}.npy").is_file()]:
        path = place / f"{name}.npy"
        if not path.is_file():
            raise InputError("images", f"{paths.shown(path)}: no such file", "bring it, or ask for another corruption")
        if len(_images(path)) != len(labels):
            what = f"{len(_images(path))} images, labels.npy has {len(labels)}"
            raise InputError("array", f"{paths.shown(path)}: {what}", _AGAIN)
        for severity in wanted[1:] or severities:
            first = (int(severity) - 1) * n
            space = family.removesuffix("-c")
            found.append(_found(f"{family}/{name}/{severity}", space, place, path.name, first, labels[:n], n))
    return found


def _images(path: Path) -> np.ndarray:
    images = array(path)
    if images.dtype != np.uint8 or images.shape[1:] != (SIDE, SIDE, 3):
        what = f"{images.dtype} {images.shape}, expected uint8 (images, {SIDE}, {SIDE}, 3)"
        raise InputError("array", f"{paths.shown(path)}: {what}", _AGAIN)
    return images


def _labels(path: Path) -> np.ndarray:
    labels = array(path)
    if labels.dtype.kind not in "iu" or labels.ndim != 1:
        what = f"{labels.dtype} {labels.shape}, expected integers (items,)"
        raise InputError("array", f"{paths.shown(path)}: {what}", _AGAIN)
    return np.array(labels, dtype=np.int64)


def _found(dataset: str, space: str, place: Path, name: str, first: int, label: np.ndarray, n: int) -> Found:
    """Rows `first` to `first + n` of file `name` as a set, held against the known items."""
    n_classes = len(classes.ids(space))
    if n != len(label):
        raise InputError("array", f"{dataset} in {paths.shown(place)}: {n} images, {len(label)} labels", _AGAIN)
    if not len(label) or label.min() < 0 or label.max() >= n_classes:
        what = f"no labels, or outside 0 to {n_classes - 1}"
        raise InputError("array", f"{dataset} in {paths.shown(place)}: {what}", _AGAIN)
    items = ItemSet(
        dataset=dataset,
        label_space=space,
        item_id=np.array([str(row) for row in range(n)], dtype=object),
        label=label.astype(np.int32),
        refs=tuple((name, first + row) for row in range(n)),
        n_classes=n_classes,
        root=str(place.resolve()),
        form=ROWS,
    )
    clean = space if dataset.split("/")[0].endswith("-c") else dataset
    wrong, missing, expected = [], [], ITEMS[clean]
    if n != expected:
        (wrong if n > expected else missing).append(("", f"{n} images, the data set has {expected}"))
    wrong += _against_known(clean, label)
    return Found(items, place, tuple(wrong), tuple(missing))


def _against_known(clean: str, label: np.ndarray) -> list[tuple[str, str]]:
    if clean == "cifar100":  # no labels are shipped, but each class has 100 images
        counts = np.bincount(label, minlength=100)
        uneven = len(label) == ITEMS[clean] and (counts != 100).any()
        return [("", "not 100 images a class")] if uneven else []
    known = shipped(clean)
    other = [str(row) for row, got in enumerate(label.tolist()) if known.get(str(row), got) != got]
    what = f"another class than the data set in rows {some(other, most=3)}"
    return [("", what)] if other else []
