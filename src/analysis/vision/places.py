"""Which folder holds a data set: the usual names, tried below the folder that a user gives."""

import os
import re
from collections.abc import Iterable
from pathlib import Path

from .. import paths
from ..errors import InputError, some
from . import folders

V2 = ("imagenetv2-matched-frequency", "imagenetv2-threshold-0.7", "imagenetv2-top-images")
FOLDER_SETS = ("imagenet-sample", *V2, "imagenet-r", "imagenet-a", "imagenet-sketch")
ARRAY_SETS = ("cifar10", "cifar100", "cifar10.1-v4", "cifar10.1-v6")
# 15 corruptions that count, then 4 extra ones; and the groups in which they are distributed.
CORRUPTIONS = (
    *("gaussian_noise", "shot_noise", "impulse_noise", "defocus_blur", "glass_blur", "motion_blur", "zoom_blur"),
    *("snow", "frost", "fog", "brightness", "contrast", "elastic_transform", "pixelate", "jpeg_compression"),
    *("speckle_noise", "gaussian_blur", "spatter", "saturate"),
)
GROUPS = ("", "noise", "blur", "weather", "digital", "extra")
BINARY = {"cifar10": "test_batch.bin", "cifar100": "test.bin"}
PICKLED = {"cifar10": "test_batch", "cifar100": "test"}
NAMES = ("imagenet-val", *FOLDER_SETS, "imagenet-c", "tiny-imagenet", *ARRAY_SETS, "cifar10-c", "cifar100-c")

WNID = re.compile(r"n\d{8}")
VAL_ID = re.compile(r"ILSVRC2012_val_\d{8}")
# Where a set lies when the user names a folder above it; "" is the folder itself.
_VAL = ("val", "validation", "imagenet-val", "ILSVRC2012_img_val")
PLACES = {
    "imagenet-val": (
        *("", *_VAL, "data", "imagenet-1k", "imagenet-1k/data"),
        *(f"{above}/{name}" for above in ("imagenet", "ImageNet", "ILSVRC2012", "imagenet-1k") for name in _VAL),
        *(f"{above}CLS-LOC/val" for above in ("", "Data/", "ILSVRC/Data/")),
    ),
    "imagenet-sample": ("", "imagenet-sample", "imagenet-sample-images"),
    V2[0]: ("", "matched-frequency", V2[0], f"{V2[0]}-format-val"),
    V2[1]: ("", "threshold-0.7", V2[1], f"{V2[1]}-format-val", "threshold0.7", "imagenetv2-threshold0.7-format-val"),
    V2[2]: ("", "top-images", V2[2], f"{V2[2]}-format-val"),
    "imagenet-r": ("", "imagenet-r", "ImageNet-R", "imagenet-rendition"),
    "imagenet-a": ("", "imagenet-a", "ImageNet-A", "imagenet-adversarial"),
    "imagenet-sketch": ("", "sketch", "imagenet-sketch", "ImageNet-Sketch", "imagenet_sketch"),
    "imagenet-c": ("", "imagenet-c", "ImageNet-C", "imagenet_c", "Imagenet-C"),
    "tiny-imagenet": ("", "tiny-imagenet-200", "tiny-imagenet"),
    "cifar10": ("", "cifar10", "cifar-10-batches-bin", "cifar-10-batches-py", "cifar10/cifar-10-batches-bin"),
    "cifar100": ("", "cifar100", "cifar-100-binary", "cifar-100-python", "cifar100/cifar-100-binary"),
    "cifar10.1-v4": ("", "datasets", "cifar10.1", "CIFAR-10.1/datasets", "modestyachts+CIFAR-10.1/datasets"),
    "cifar10.1-v6": ("", "datasets", "cifar10.1", "CIFAR-10.1/datasets", "modestyachts+CIFAR-10.1/datasets"),
    "cifar10-c": ("", "cifar10-c", "CIFAR-10-C"),
    "cifar100-c": ("", "cifar100-c", "CIFAR-100-C"),
}


def val_id(path: str) -> str | None:
    """The id of a file of ImageNet val, whatever follows it in the name.

    >>> val_id("val/ILSVRC2012_val_00000293_n01440764.JPEG"), val_id("n01440764_10026.JPEG")
    ('ILSVRC2012_val_00000293', None)
    """
    found = VAL_ID.match(path.rsplit("/", 1)[-1])
    return found.group() if found else None


def locate(dataset: str, images: Path | str | None) -> Path:
    """The folder of a set: the one named, or one below it with a usual name.

    Raises
    ------
    InputError : none fits (says which were looked at), or two do.
    """
    fit, looked = fitting(dataset, images)
    if len(fit) == 1:
        return fit[0]
    if fit:
        shown = some([paths.shown(place) for place in fit])
        raise InputError("images", f"{dataset}: more than one place fits: {shown}", "name one of them")
    there = [place for place in looked if place.is_dir()]
    # An archive unpacked into a folder of its own name.
    twice = [below for place in there for below in inner(place) if below.name == place.name]
    nested = next((below for below in twice if _fits(dataset, below)), None)
    remedy = f"did you mean {paths.shown(nested)}?" if nested else "name the folder that holds the set"
    names = some([name or "itself" for name in PLACES[dataset]], most=8)
    raise InputError("images", f"{dataset}: not found; looked at {names} of {_bases(images)}", remedy)


def fitting(dataset: str, images) -> tuple[list[Path], list[Path]]:
    """The folders that could be the set, and all that were looked at."""
    if images is None:
        # The folder of the mirror and of data/raw is not itself a set, so "" is left out.
        looked = [base / name for base in _homes() for name in PLACES[dataset] if name]
        first = [place for place in looked if _fits(dataset, place)][:1]
        return first, looked
    base = Path(images).expanduser()
    if not base.is_dir():
        raise InputError("images", f"{paths.shown(base)}: no such folder", "give the folder with the images")
    looked = [base / name if name else base for name in PLACES[dataset]]
    found: list[Path] = []
    for place in looked:
        # On a file system blind to capitals two of the names are one folder.
        if _fits(dataset, place) and not any(os.path.samefile(place, other) for other in found):
            found.append(place)
    return found, looked


def _homes() -> list[Path]:
    """Where published files lie, if no folder is named."""
    return [base for base in (paths.mirror(), paths.raw()) if base is not None]


def _bases(images) -> str:
    return some([paths.shown(base) for base in (_homes() if images is None else [Path(images).expanduser()])])


def inner(place: Path) -> Iterable[Path]:
    """The folders in a folder, sorted."""
    return sorted(path for path in place.iterdir() if path.is_dir() and not path.is_symlink())


def _fits(dataset: str, place: Path) -> bool:
    if not place.is_dir():
        return False
    if dataset == "imagenet-val":
        # Tiny-ImageNet has a `val` with class folders, too.
        flat = folders.holds_files(place, lambda name: bool(VAL_ID.match(name)) or is_shard(name))
        return flat or (holds_wnids(place) and not (place.parent / "wnids.txt").exists())
    if dataset == "tiny-imagenet":
        return (place / "wnids.txt").is_file() and (place / "val").is_dir()
    if dataset == "imagenet-c":
        return any((place / group / name).is_dir() for group in GROUPS for name in CORRUPTIONS)
    if dataset in V2:
        return folders.holds_folders(place, str.isdecimal) or holds_wnids(place)
    if dataset in FOLDER_SETS:
        return holds_wnids(place)
    return _holds_arrays(dataset, place)


def holds_wnids(place: Path) -> bool:
    """Whether a folder has at least one folder named by a wnid, of whatever class."""
    return folders.holds_folders(place, lambda name: WNID.fullmatch(name) is not None)


def is_shard(name: str) -> bool:
    """A Parquet file of the validation part of a Hugging Face data set.

    >>> is_shard("validation-00000-of-00014.parquet"), is_shard("train-00000-of-00294.parquet")
    (True, False)
    """
    return re.fullmatch(r"val(idation)?-.+\.parquet", name) is not None


def npy(family: str, place: Path) -> tuple[Path, Path]:
    """The files of a CIFAR-10.1 set: images, labels."""
    version = family.rsplit("-", 1)[1]
    return place / f"cifar10.1_{version}_data.npy", place / f"cifar10.1_{version}_labels.npy"


def _holds_arrays(family: str, place: Path) -> bool:
    if family in BINARY:
        # The pickled version fits as well, to be refused by name; not where both lie side by side.
        beside = [place / BINARY[family], *place.parent.glob(f"*/{BINARY[family]}"), *place.glob(f"*/{BINARY[family]}")]
        return beside[0].is_file() or (not beside[1:] and (place / PICKLED[family]).is_file())
    if family.endswith("-c"):
        return (place / "labels.npy").is_file() and any((place / f"{name}.npy").is_file() for name in CORRUPTIONS)
    return all(path.is_file() for path in npy(family, place))
