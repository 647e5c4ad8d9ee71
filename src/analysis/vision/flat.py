"""Classes of ImageNet val where its images lie flat in one folder: from Kaggle's list, from the development kit, or
from the shipped table of items.

Whatever was read is held against the shipped items afterwards (`found.checked`), so a list in another order is found.

Trap: `ILSVRC2012_validation_ground_truth.txt` has ILSVRC2012_IDs (1 to 1000), which are not ranks of the sorted wnids;
`meta.mat`, which says what they are, holds the nodes above the 1,000 classes, too.
"""

from pathlib import Path

from .. import files, paths
from ..errors import InputError
from .found import lines, shipped, wnid_index

KAGGLE = "LOC_val_solution.csv"
TRUTH = "ILSVRC2012_validation_ground_truth.txt"
KITS = ("", "data", "ILSVRC2012_devkit_t12/data", "ILSVRC2012_devkit_t12", "devkit/data", "devkit")
SYNSETS = ("synsets.txt", "map_clsloc.txt")
PER_LINE = ("imagenet_2012_validation_synset_labels.txt", "val_synsets.txt")
N_ITEMS, N_CLASSES = 50_000, 1000
ABOVE = 4  # folders above the images: <folder>/ILSVRC/Data/CLS-LOC/val


def labels(place: Path) -> dict[str, int]:
    """Item id -> class id of ImageNet val, from the nearest list in or above the folder of the images.

    Raises
    ------
    InputError : a list is there and is not what it should be.
    """
    for folder in (place.resolve(), *place.resolve().parents[:ABOVE]):
        if (folder / KAGGLE).is_file():
            return kaggle(folder / KAGGLE)
        for kit in KITS:
            truth = folder / kit / TRUTH
            mapping = [truth.with_name(name) for name in ("meta.mat", *SYNSETS) if truth.with_name(name).is_file()]
            if truth.is_file() and mapping:
                return development_kit(truth, mapping[0])
        for name in PER_LINE:
            if (folder / name).is_file():
                return _numbered(folder / name, lines(folder / name), wnid_index())
    return shipped("imagenet-val")


def kaggle(path: Path) -> dict[str, int]:
    """`ImageId,PredictionString`: the first word of the second is the wnid, then boxes."""
    try:
        (header, *rows) = files.csv_rows(path)
    except ValueError as fault:
        raise InputError("classes", f"{paths.shown(path)}: {fault}", _AGAIN) from None
    if header != ["ImageId", "PredictionString"]:
        raise InputError("classes", f"{paths.shown(path)}: columns are not ImageId, PredictionString", _AGAIN)
    index = wnid_index()
    found = {name: index.get(text.split(" ", 1)[0]) for name, text in rows}
    if None in found.values() or len(found) != len(rows):
        raise InputError("classes", f"{paths.shown(path)}: a wnid that is no class, or an image twice", _AGAIN)
    return found


def development_kit(truth: Path, mapping: Path) -> dict[str, int]:
    """The ground truth, a number a line, through `meta.mat` or a text of synsets in the order of the numbers."""
    by_number = _from_mat(mapping) if mapping.suffix == ".mat" else _from_text(mapping)
    if sorted(by_number) != list(range(1, N_CLASSES + 1)) or len(set(by_number.values())) != N_CLASSES:
        raise InputError("classes", f"{paths.shown(mapping)}: not 1,000 wnids numbered 1 to 1000", _AGAIN)
    index = wnid_index()
    by_number = {str(number): index.get(wnid, -1) for number, wnid in by_number.items()}
    if -1 in by_number.values():
        raise InputError("classes", f"{paths.shown(mapping)}: a wnid that is none of the 1,000 classes", _AGAIN)
    return _numbered(truth, lines(truth), by_number)


_AGAIN = "unpack ILSVRC2012_devkit_t12.tar.gz (or Kaggle's lists) again"


def _numbered(path: Path, rows: list[str], class_of: dict[str, int]) -> dict[str, int]:
    found = [class_of.get(line.strip()) for line in rows]
    if len(found) != N_ITEMS or None in found:
        what = f"{len(found)} lines, {found.count(None)} of them no class; expected {N_ITEMS} classes"
        raise InputError("classes", f"{paths.shown(path)}: {what}", _AGAIN)
    return {f"ILSVRC2012_val_{number:08d}": label for number, label in enumerate(found, 1)}


def _from_mat(path: Path) -> dict[int, str]:
    from scipy.io import loadmat

    try:
        synsets = loadmat(path, squeeze_me=True, variable_names=["synsets"])["synsets"]
        pairs = [(int(row["ILSVRC2012_ID"]), str(row["WNID"])) for row in synsets]
    except Exception as fault:  # scipy raises a dozen kinds for a damaged file
        raise InputError("classes", f"{paths.shown(path)}: no readable table of synsets", _AGAIN) from fault
    # Numbers above 1000 are nodes above the classes.
    leaves = [(number, wnid) for number, wnid in pairs if number <= N_CLASSES]
    return dict(leaves) if len(dict(leaves)) == len(leaves) else {}


def _from_text(path: Path) -> dict[int, str]:
    rows = [line.split() for line in lines(path)]
    numbered = all(len(row) > 1 and row[1].isdecimal() for row in rows)
    return {int(row[1]) if numbered else place: row[0] for place, row in enumerate(rows, 1) if row}
