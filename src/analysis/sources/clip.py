"""21 CLIP models, zero-shot, counts per class: bethgelab/frequency_determines_performance, MIT.

`zero_shot_evaluations/<set>_ensemble_results.json`: model -> {full, classwise {name: percent}}; ensemble prompts only.
Items were not published, but the counts are exact: every percentage times its n is an integer.

Traps
-----
- The keys are CLIP's class names in wnid order, spelled differently from set to set: aligned by position, ImageNet-R
  with timm's list of its 200 ids.
- ImageNet-R is scored among its 200 classes, val and Sketch among 1,000: not comparable with each other.
- n is not in the files. It is the smallest number under which all 21 accuracies of a class are whole counts, and the
  sum of these must be the size of the set. Sketch class 458 (brass) is 0 for every model: its n follows from the sum.
"""

from collections.abc import Iterator

import numpy as np

from ..errors import IntegrityError
from . import ClassCounts, check, class_names, fetch

BASE = "bethgelab+frequency_determines_performance/zero_shot_evaluations"
FILES = {"imagenet-val": "imagenet", "imagenet-r": "imagenet-r", "imagenet-sketch": "imagenet-sketch"}
N_ITEMS = {"imagenet-val": 50_000, "imagenet-r": 30_000, "imagenet-sketch": 50_889}
N_CLASS = {"imagenet-val": (50, 50), "imagenet-r": (51, 430), "imagenet-sketch": (50, 51)}
N_MODELS = 21


def read() -> Iterator[ClassCounts]:
    """21 models on three data sets."""
    for dataset, file in FILES.items():
        name = f"{BASE}/{file}_ensemble_results.json"
        content = check.read_json(fetch.locate(name), where=name)
        class_id = np.array(class_names.subset("r") if dataset == "imagenet-r" else range(1000))
        accuracy = np.array([list(entry["classwise"].values()) for entry in content.values()], dtype=float) / 100
        if accuracy.shape != (N_MODELS, len(class_id)):
            raise IntegrityError("shape", f"{name}: {accuracy.shape} models and classes, not {N_MODELS, len(class_id)}")
        low, high = N_CLASS[dataset]
        n = class_sizes(accuracy, low=low, high=high, total=N_ITEMS[dataset], where=name)
        correct = np.rint(accuracy * n).astype(np.int64)
        full = np.array([entry["full"] for entry in content.values()]) / 100
        if np.abs(correct.sum(axis=1) / n.sum() - full).max() > 1e-12:
            raise IntegrityError("counts", f"{name}: class counts do not add up to the overall accuracy")
        for model, row in zip(content, correct, strict=True):
            yield ClassCounts(dataset, model_id(model), class_id, n, row)


def class_sizes(accuracy, *, low: int, high: int, total: int, where: str) -> np.ndarray:
    """Items of each class from the accuracies (models, classes) that were computed with them.

    The smallest n from `low` to `high` with whole counts for all models; the true n is a multiple of it, so when the
    sum is `total` every n is right. One class that all models have at 0 or 1 may take what is left.

    >>> class_sizes(np.array([[1 / 3, 0.0], [2 / 3, 0.0]]), low=2, high=3, total=6, where="")
    array([3, 3])
    """
    sizes = np.arange(low, high + 1)
    counts = accuracy[:, :, None] * sizes
    whole = (np.abs(counts - np.rint(counts)) < 1e-9).all(axis=0)
    none = ~whole.any(axis=1)
    if none.any():
        raise IntegrityError("counts", f"{where}: class at position {int(none.argmax())} has no whole counts")
    n = sizes[whole.argmax(axis=1)]
    free = np.flatnonzero(whole.all(axis=1) & (low < high))
    left = total - n.sum()
    if len(free) == 1 and low <= n[free[0]] + left <= high:
        n[free[0]] += left
    if n.sum() != total:
        raise IntegrityError("counts", f"{where}: class sizes add up to {n.sum()}, expected {total}")
    return n


def model_id(key: str) -> str:
    """The id of a model from its key in the files.

    >>> model_id("backboneViT-L-14_pretrainedlaion2b")
    'openclip/ViT-L-14.laion2b'
    """
    backbone, pretrained = key.removeprefix("backbone").split("_pretrained", 1)
    return f"openclip/{backbone}.{pretrained}"
