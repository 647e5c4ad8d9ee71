"""The results that the paper's authors published: TrustAIRiders/ICDMW-2024-Beyond-Overall-Accuracy, no licence stated.

- `text/features/<data set>/<representation>_<run>/test.pickle`: label and answer of every test item, five
  representations, ten runs each, on Banking77 and 20 Newsgroups. The item is the row.
- `image/quick_results/cifar10.pkl`, `cifar100.pkl`: accuracy of each class (no items) of ResNet-152 on CIFAR-10 and of
  MobileNetV2 on CIFAR-100, by seed and by split, and of one ResNet-152 on CIFAR-10-C.
- `image/quick_results/ImageNet.pkl`: the same for ImageNet and ImageNet-C. The copies that exist lack it; it is
  recognised by its git blob id where someone has it (`imagenet`).
- `crs/csv/`: class robustness scores of three networks (`crs`).

All pickles are read by `pickles`. Class ids of the text sets are the authors': order of first appearance in training.

Traps
-----
- Text: the split is the same in all runs, so labels are equal in all 50 files of a data set: checked.
- Images: labels are text in the CIFAR-10-C rows and integers elsewhere; rows are sorted here, never trusted.
- Splits have their own test sets: 10,000 of 60,000 images, drawn anew. Class sizes follow from the fractions: for
  CIFAR-10 they were found once and are verified here; for CIFAR-100 most are the only size under which the fraction is
  a whole count, the others stay unknown and the accuracy alone is kept.
- The column `acc` of the CRS files is top-5 accuracy. Class 134 (crane, the bird) has 0.00 for all three networks:
  most likely its images were read from the folder of the other crane (517).
"""

import hashlib
import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from .. import paths
from ..errors import InputError, IntegrityError
from . import ClassCounts, Items, Predictions, check, checked, fetch, pickles

BASE = "TrustAIRiders+ICDMW-2024-Beyond-Overall-Accuracy"
REPRESENTATIONS = {
    "bert-base-range": "bert-base",
    "bert-tiny-64": "bert-tiny",
    "fasttext": "fasttext",
    "doc2vec": "doc2vec",
    "tfidf": "tfidf",
}
N_RUNS = 10
N_ITEMS = {"banking77": 3080, "20news": 7019}
SPLIT_TOTAL = 10_000
CIFAR10_SPLIT_SIZES = {
    1: (1025, 1018, 911, 1009, 1033, 996, 1004, 1000, 1013, 991),
    2: (977, 947, 978, 1019, 1015, 990, 1014, 1013, 1024, 1023),
    3: (1048, 1012, 949, 1010, 1017, 1003, 993, 935, 1013, 1020),
}
CIFAR100_SPLIT_SIZES = range(60, 141)  # 100 expected, standard deviation 9
CORRUPTIONS = (
    "gaussian_noise", "shot_noise", "impulse_noise", "speckle_noise", "defocus_blur", "glass_blur", "motion_blur",
    "zoom_blur", "gaussian_blur", "snow", "frost", "fog", "brightness", "spatter", "contrast", "elastic_transform",
    "pixelate", "jpeg_compression", "saturate",
)  # fmt: skip
CRS = {"EfficientNet-B0": "efficientnet-b0", "EfficientNet-B3": "efficientnet-b3", "ResNet_152": "resnet152"}
IMAGENET = f"{BASE}/image/quick_results/ImageNet.pkl"
IMAGENET_BLOB = "5cfd94c81062813bff9d274700cbcade5959f802"
# How names begin, long or short: the file was never seen, its names are known from the published scripts.
IMAGENET_NETWORKS = {
    r"resnet(_?152)?": "resnet152-v2",
    r"vit(_?l_?16)?": "vit_l_16",
    r"efficientnet(_?v2)?(_m)?": "efficientnet_v2_m",
    r"convnext(_?large)?": "convnext_large",
}


def read() -> Iterator[Predictions | ClassCounts]:
    """50 runs on each text set; class counts on CIFAR-10, CIFAR-100, their splits, and CIFAR-10-C."""
    for dataset in N_ITEMS:
        yield from _text(dataset)
    for dataset in ("cifar10", "cifar100"):
        name = f"{BASE}/image/quick_results/{dataset}.pkl"
        frame = pickles.read({name: fetch.locate(name)})[name]
        for key, accuracy in by_model(frame, where=name, n_classes=len(names(dataset))).items():
            yield _cifar(dataset, key, accuracy, where=name)


@cache
def names(space: str) -> list[str]:
    """Class names of a data set by class id: `names/<space>.json`, for CIFAR-10 ten names of its own."""
    if space == "cifar10":
        from .cifar import NAMES

        return list(NAMES)
    return json.loads((Path(__file__).parent / "names" / f"{space}.json").read_text(encoding="utf-8"))


def _text(dataset: str) -> Iterator[Predictions]:
    folder = f"{BASE}/text/features/{dataset}"
    wanted = {
        f"{folder}/{stem}_{run}/test.pickle": f"paper/{name}-{run}"
        for stem, name in REPRESENTATIONS.items()
        for run in range(N_RUNS)
    }
    of_set = None
    for name, frame in pickles.read({name: fetch.locate(name) for name in wanted}).items():
        columns(frame, ["original_label", "classifier"], where=name)
        label = frame["original_label"]
        if of_set is None:
            label = check.check_classes(name, label, n_classes=len(names(dataset)), what="original_label")
            if len(label) != N_ITEMS[dataset]:
                raise IntegrityError("items", f"{name}: {len(label)} items, expected {N_ITEMS[dataset]}")
            rows = np.array([str(row) for row in range(len(label))], dtype=object)
            of_set = Items(dataset, rows, label, len(names(dataset)))
        yield checked(of_set, model=wanted[name], pred=frame["classifier"], label=label, where=name)


def columns(frame: dict, expected: list[str], *, where: str, fault=IntegrityError) -> None:
    """The columns of a data frame are as expected."""
    if sorted(frame) != sorted(expected):
        raise fault("table", f"{where}: columns are not {', '.join(expected)}")


def by_model(frame: dict, *, where: str, n_classes: int, fault=IntegrityError) -> dict[str, np.ndarray]:
    """Model -> accuracy of each class, in the order of the class ids whatever the order of the rows.

    >>> frame = {"model": ["a", "a"], "original_label": np.array(["1", "0"]), "accuracy": np.array([0.5, 1.0])}
    >>> by_model(frame, where="", n_classes=2)
    {'a': array([1. , 0.5])}
    """
    columns(frame, ["model", "original_label", "accuracy"], where=where, fault=fault)
    label = check.to_int([str(value) for value in frame["original_label"]], what="label", where=where, fault=fault)
    label = check.check_classes(where, label, n_classes=n_classes, what="label", fault=fault)
    accuracy = check.check_confidence(where, frame["accuracy"], n_items=len(label), fault=fault)
    model, found = np.asarray(frame["model"]), {}
    for key in dict.fromkeys(model.tolist()):
        rows = np.flatnonzero(model == key)
        if not np.array_equal(np.sort(label[rows]), np.arange(n_classes)):
            raise fault("table", f"{where}: a model has not one row for each of the {n_classes} classes")
        found[key] = accuracy[rows[np.argsort(label[rows])]]
    return found


def whole_counts(accuracy: np.ndarray, n, *, where: str, fault=IntegrityError) -> np.ndarray:
    """Right answers of each class; refused where a fraction is no whole count of `n`.

    >>> whole_counts(np.array([0.5, 1.0]), np.array([10, 20]), where="").tolist()
    [5, 20]
    """
    correct = np.rint(accuracy * n)
    if np.abs(accuracy * n - correct).max() > 1e-6:
        raise fault("counts", f"{where}: an accuracy is no whole number of items of its class")
    return correct.astype(np.int64)


def class_sizes(accuracy: np.ndarray, sizes, total: int) -> np.ndarray:
    """Items of each class where only one of `sizes` makes its accuracy a whole count; -1 where several do.

    A single class left unknown has what is missing from `total`.

    >>> class_sizes(np.array([0.4, 1 / 3, 0.5]), range(3, 7), 13).tolist()
    [5, -1, -1]
    >>> class_sizes(np.array([0.4, 0.5]), range(3, 7), 9).tolist()
    [5, 4]
    """
    sizes = np.asarray(sizes)
    counts = accuracy[:, None] * sizes
    whole = np.abs(counts - np.rint(counts)) < 1e-9
    n = np.where(whole.sum(axis=1) == 1, sizes[whole.argmax(axis=1)], -1)
    unknown = np.flatnonzero(n < 0)
    if len(unknown) == 1:
        n[unknown] = total - n[n >= 0].sum()
    return n


def _cifar(dataset: str, key: str, accuracy: np.ndarray, *, where: str) -> ClassCounts:
    class_id = np.arange(len(accuracy))
    network = {"cifar10": "resnet152", "cifar100": "mobilenetv2"}[dataset]
    per_class = SPLIT_TOTAL // len(class_id)
    if shifted := re.fullmatch(r"C level ([1-5]) ([a-z ]+)", key):
        severity, corruption = shifted[1], shifted[2].replace(" ", "_")
        if corruption not in CORRUPTIONS:
            raise IntegrityError("table", f"{where}: a corruption that CIFAR-10-C does not have")
        on, model, n = f"{dataset}-c/{corruption}/{severity}", f"paper/{network}", np.full(len(class_id), per_class)
    elif varied := re.fullmatch(r"PARM_(seed|split|SEED_seed|SPLIT_seed)_(\d)", key):
        kind, number = varied[1].lower().removesuffix("_seed"), int(varied[2])
        model = f"paper/{network}-{kind}-{number}"
        on = dataset if kind == "seed" else f"{dataset}-split-{number}"
        n = np.full(len(class_id), per_class)
        if kind == "split" and dataset == "cifar10":
            n = np.array(CIFAR10_SPLIT_SIZES[number])
        elif kind == "split":
            n = class_sizes(accuracy, CIFAR100_SPLIT_SIZES, SPLIT_TOTAL)
    else:
        raise IntegrityError("table", f"{where}: a model of unknown kind")
    known = n >= 0
    correct = np.full(len(n), -1)
    correct[known] = whole_counts(accuracy[known], n[known], where=where)
    if known.all() and n.sum() != SPLIT_TOTAL:
        raise IntegrityError("counts", f"{where}: class sizes add up to {n.sum()}, expected {SPLIT_TOTAL}")
    return ClassCounts(on, model, class_id, n, correct, accuracy, SPLIT_TOTAL)


def crs() -> pd.DataFrame:
    """Class robustness score and top-5 accuracy of the 1,000 classes for three networks, as the files have them."""
    parts = []
    for stem, model in CRS.items():
        name = f"{BASE}/crs/csv/ImageNet__{stem}__GradCAMpp.csv"
        header, *rows = [line.split(";") for line in check.read_text(fetch.locate(name), where=name).splitlines()]
        if header != ["id", "acc", "crs", "name"] or any(len(row) != 4 for row in rows):
            raise IntegrityError("table", f"{name}: columns are not id, acc, crs, name")
        class_id, top5, score, _ = zip(*rows, strict=True)
        class_id = check.to_int(class_id, what="id", where=name)
        if not np.array_equal(class_id, np.arange(1000)):
            raise IntegrityError("classes", f"{name}: ids are not 0 to 999 in order")
        parts.append(
            pd.DataFrame(
                {"model": model, "class_id": class_id, "top5": _fractions(top5, name), "crs": _fractions(score, name)}
            )
        )
    return pd.concat(parts, ignore_index=True)


def _fractions(column, name: str) -> np.ndarray:
    try:
        values = np.array(column, dtype=np.float64)
    except ValueError:
        raise IntegrityError("table", f"{name}: a value is not a number") from None
    return check.check_confidence(name, values, n_items=len(values))


def imagenet_path() -> Path | None:
    """Where `ImageNet.pkl` lies (the folder of ANALYSIS_MIRROR, or data/raw/), or None."""
    folders = [folder for folder in (paths.mirror(), paths.raw()) if folder]
    return next((folder / IMAGENET for folder in folders if (folder / IMAGENET).is_file()), None)


def imagenet(path: Path, *, blob: str = IMAGENET_BLOB) -> list[ClassCounts]:
    """Class counts on ImageNet val and ImageNet-C from the authors' `ImageNet.pkl`: yours alone, never shipped.

    Parameters
    ----------
    blob : git blob id that the file must have

    Raises
    ------
    InputError : the file is another one, or not as the published scripts read it.
    """
    where = paths.shown(path)
    if git_blob(path) != blob:
        raise InputError("hash", f"{where}: not the authors' file (git blob {blob[:7]})", "move it away")
    frame = pickles.read({where: path}, fault=InputError)[where]
    found, n = [], np.full(1000, 50)
    for key, accuracy in by_model(frame, where=where, n_classes=1000, fault=InputError).items():
        dataset, model = imagenet_id(key, where=where)
        correct = whole_counts(accuracy, n, where=where, fault=InputError)
        found.append(ClassCounts(dataset, model, np.arange(1000), n, correct))
    return found


def imagenet_id(key: str, *, where: str) -> tuple[str, str]:
    """Data set and model id from the name of a model in `ImageNet.pkl`.

    >>> imagenet_id("BASIC_EfficientNet_V2", where=""), imagenet_id("PARM_seed_1", where="")
    (('imagenet-val', 'paper/efficientnet_v2_m'), ('imagenet-val', 'paper/efficientnet-b4-seed-1'))
    >>> imagenet_id("C_ViT_L_16_zoom_blur_3", where=""), imagenet_id("C ResNet152 level 5 fog", where="")
    (('imagenet-c/zoom_blur/3', 'paper/vit_l_16'), ('imagenet-c/fog/5', 'paper/resnet152-v2'))
    """
    text = key.lower().replace(" ", "_")
    kind, _, rest = text.partition("_")
    seed = re.fullmatch(r"(?:.*_)?seed_(\d+)", rest)
    if kind == "parm" and seed:
        return "imagenet-val", f"paper/efficientnet-b4-seed-{seed[1]}"
    for beginning, network in IMAGENET_NETWORKS.items():
        if not (begins := re.match(rf"{beginning}(_|$)", rest)):
            continue
        if kind == "basic" and begins.end() == len(rest):
            return "imagenet-val", f"paper/{network}"
        rest = rest[begins.end() :]
        corruption = next((name for name in CORRUPTIONS if name in rest), None)
        severity = re.findall(r"\d+", rest)
        if kind == "c" and corruption and len(severity) == 1 and severity[0] in list("12345"):
            return f"imagenet-c/{corruption}/{severity[0]}", f"paper/{network}"
    raise InputError("table", f"{where}: a model of unknown kind", "bring the authors' own file")


def git_blob(path: Path) -> str:
    """The id that git gives to a file of this content."""
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
