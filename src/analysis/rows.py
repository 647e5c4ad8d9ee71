"""Predictions and counts of `sources` as rows of the tables: class counts, confusions, right answers by item.

`derive` gathers all published results with it, `own` what a user predicted on this machine.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from . import sources, tables
from .errors import IntegrityError
from .measure import accuracy, split
from .sources import authors, imagenetv2, real_labels, runs, trials

COUNT_COLUMNS = ["correct_top5", "predicted"]
SUM_COLUMNS = ["confidence_sum", "confidence_sq_sum", "confidence_correct_sum"]
KINDS = dict.fromkeys(["n", "correct", *COUNT_COLUMNS], "Int32") | dict.fromkeys(["accuracy", *SUM_COLUMNS], float)


@dataclass(frozen=True)
class Real:
    """ReaL labels: `item_id` (items,) and `sets` bool (items, 1000), the classes that fit an item; none: left out."""

    item_id: np.ndarray
    sets: np.ndarray

    def rows(self, item_id: np.ndarray) -> np.ndarray:
        """The sets of some items, in their order.

        Raises
        ------
        IntegrityError : an item is not one of ImageNet val
        """
        if item_id is self.item_id:
            return self.sets
        place = pd.Index(self.item_id).get_indexer(item_id)
        if (place < 0).any():
            raise IntegrityError("items", f"{(place < 0).sum()} items are not images of ImageNet val")
        return self.sets[place]


def published_real() -> Real:
    """The labels of the published file; IntegrityError where it is not on this machine."""
    return Real(imagenetv2.items("imagenet-val").item_id, real_labels.label_sets())


class Correct:
    """Columns of right answers by (suffix of the table, data set); items of a data set in one order."""

    def __init__(self):
        self.items: dict[tuple[str, str], tuple[np.ndarray, np.ndarray]] = {}
        self.columns: dict[tuple[str, str], dict[str, np.ndarray]] = defaultdict(dict)

    def add(self, key: tuple[str, str], model: str, item_id, class_id, right) -> None:
        """A column; items are joined by their ids, so that readers may give them in different orders."""
        known_id, known_class = self.items.setdefault(key, (item_id, class_id))
        if known_id is not item_id and not np.array_equal(known_id, item_id):
            index = pd.Index(item_id)
            place = index.get_indexer(known_id) if index.is_unique else np.array([-1])
            if len(index) != len(known_id) or (place < 0).any():
                raise IntegrityError("items", f"{model}: other items of {key[1]} than those of other models")
            class_id, right = class_id[place], right[place]
        if not np.array_equal(known_class, class_id):
            raise IntegrityError("items", f"{model}: items of {key[1]} have other classes than with other models")
        self.columns[key][model] = right

    def frames(self) -> Iterator[tuple[str, pd.DataFrame]]:
        """Name of a table of `correct/` and its rows."""
        families = defaultdict(list)
        for (suffix, dataset), (item_id, class_id) in self.items.items():
            head = {"dataset": dataset, "item_id": item_id, "class_id": class_id}
            right = pd.DataFrame(self.columns[suffix, dataset]).astype("boolean")
            frame = pd.concat([pd.DataFrame(head), right], axis=1)
            families[tables.family(dataset) + suffix].append(frame)
        for family, frames in families.items():
            yield family, pd.concat(frames, ignore_index=True)


class Rows:
    """Rows of the tables, gathered part by part.

    `real` gives the ReaL labels when the first predictions on ImageNet val come, or None: then no rows by them.
    """

    def __init__(self, real: Callable[[], Real | None] = published_real):
        self.correct = Correct()
        self.counts: list[pd.DataFrame] = []
        self.confusions: list[pd.DataFrame] = []
        self.sizes: dict[str, tuple[int, int]] = {}
        self._labels, self._real = real, None

    def add(self, part: sources.Predictions | sources.ClassCounts) -> None:
        if isinstance(part, sources.ClassCounts):
            self._add_counts(part)
            return
        if (part.label < 0).any():
            self._confuse_out_of_scope(part)
            part = within_scope(part)
        # No answer is an answer outside the classes: wrong, and never a confusion with a class.
        pred = np.where(part.pred < 0, part.n_classes, part.pred)
        found = accuracy.class_counts(label=part.label, pred=pred, n_classes=part.n_classes + 1)
        n, right, predicted = (column[: part.n_classes] for column in found)
        known = {"predicted": predicted}
        if part.top5 is not None:
            known["correct_top5"] = _per_class(part.top5, part.label, part.n_classes)
        if part.confidence is not None:
            known |= _confidence_sums(part)
        self._count(part, "original", n=n, correct=right, **known)
        self._size(part, n)
        self.correct.add(("", part.dataset), part.model, part.item_id, part.label, part.right)
        self._confuse(part)
        if part.dataset == "imagenet-val":
            self._add_real(part)

    def _add_counts(self, part: sources.ClassCounts) -> None:
        n, correct = (pd.array(column, dtype="Int64") for column in (part.n, part.correct))
        n[part.n < 0] = correct[part.n < 0] = pd.NA
        known = {} if part.accuracy is None else {"accuracy": part.accuracy}
        self._append(part, "original", class_id=part.class_id, n=n, correct=correct, **known)
        self._size(part, part.n)

    def _add_real(self, part: sources.Predictions) -> None:
        if self._labels is not None:
            self._real, self._labels = self._labels(), None
        if self._real is None:
            return
        sets = self._real.rows(part.item_id)
        kept = sets.any(axis=1)
        right = (sets[np.arange(len(part.pred)), part.pred] & (part.pred >= 0))[kept]
        label = part.label[kept]
        n = np.bincount(label, minlength=part.n_classes)
        self._count(part, "real", n=n, correct=_per_class(right, label, part.n_classes))
        item_id = self.correct.items.get((".real", part.dataset), (part.item_id[kept],))[0]
        self.correct.add((".real", part.dataset), part.model, item_id, label, right)

    def _count(self, part: sources.Predictions, labels: str, **columns) -> None:
        class_id = np.arange(part.n_classes) if part.members is None else part.members
        columns = {name: values[class_id] for name, values in columns.items()}
        self._append(part, labels, class_id=class_id, **columns)

    def _append(self, part, labels: str, **columns) -> None:
        self.counts.append(pd.DataFrame({"dataset": part.dataset, "model": part.model, "labels": labels} | columns))

    def _confuse(self, part: sources.Predictions) -> None:
        answered = part.pred >= 0
        found = accuracy.confusions(label=part.label[answered], pred=part.pred[answered], n_classes=part.n_classes)
        head = {"dataset": part.dataset, "model": part.model}
        self.confusions.append(pd.DataFrame(head | {"label": found.label, "pred": found.pred, "count": found.count}))

    def _confuse_out_of_scope(self, part: sources.Predictions) -> None:
        taken = np.bincount(part.pred[(part.label < 0) & (part.pred >= 0)], minlength=part.n_classes)
        head = {"dataset": part.dataset, "model": part.model, "label": -1}
        pred = np.flatnonzero(taken)
        self.confusions.append(pd.DataFrame(head | {"pred": pred, "count": taken[pred]}))

    def _size(self, part, n) -> None:
        if part.model == "human/pooled":
            return
        size = (int(n.sum()), int((n > 0).sum()))
        if getattr(part, "items", None) is not None:
            size = (part.items, len(n))
        if self.sizes.setdefault(part.dataset, size) != size:
            others = self.sizes[part.dataset][0]
            raise IntegrityError("items", f"{part.model}: {size[0]} items of {part.dataset}, others have {others}")

    def counts_frame(self) -> pd.DataFrame:
        frame = pd.concat(self.counts, ignore_index=True).reindex(columns=tables.COUNTS.names)
        return frame.astype(KINDS)

    def confusions_frame(self) -> pd.DataFrame:
        return pd.concat(self.confusions, ignore_index=True)

    def per_item(self) -> set[str]:
        """The data sets whose items are known."""
        return {dataset for _, dataset in self.correct.items}


def top1(counts: pd.DataFrame) -> dict[str, float]:
    """Accuracy of every model on the unshifted set it has, ImageNet val or CIFAR-10, from rows of class counts."""
    counts = counts[counts["dataset"].isin(["imagenet-val", "cifar10"]) & (counts["labels"] == "original")]
    total = counts.groupby("model")[["correct", "n"]].sum()
    return (total["correct"] / total["n"]).to_dict()


def within_scope(part: sources.Predictions) -> sources.Predictions:
    """The items that belong to a class."""
    inside = part.label >= 0
    columns = ("item_id", "label", "pred", "confidence", "top5")
    kept = {name: getattr(part, name) for name in columns}
    return replace(part, **{name: column[inside] for name, column in kept.items() if column is not None})


def _per_class(right: np.ndarray, label: np.ndarray, n_classes: int) -> np.ndarray:
    return split.class_counts(right[None], label, n_classes)[0][0]


def _confidence_sums(part: sources.Predictions) -> dict[str, np.ndarray]:
    confidence = part.confidence.astype(np.float64)
    weights = (confidence, confidence**2, np.where(part.right, confidence, 0.0))
    return {
        name: np.bincount(part.label, weight, minlength=part.n_classes)
        for name, weight in zip(SUM_COLUMNS, weights, strict=True)
    }


# ---- What a data set is: label space, what it shifts, a note ---------------------------------------------------------

NOTES = {
    "imagenet-val": "items in the order of (wnid, file name); ReaL labels leave out 3163 items without a label",
    "imagenetv2-matched-frequency": "shares images with the other two V2 sets: never pool them",
    "imagenetv2-threshold-0.7": "shares images with the other two V2 sets: never pool them",
    "imagenetv2-top-images": "shares images with the other two V2 sets: never pool them",
    "imagenet-r": "prediction among its own 200 classes: not comparable with imagenet-val (1000); class counts only",
    "imagenet-sketch": "class 458 (brass): 0 for every CLIP model, n from the total, outside claims; class counts only",
    "cifar10.1-v4": "not balanced",
    "20news": "the authors' test set: 7,019 of the 7,532 posts; class ids by first appearance in training",
    "banking77": "class ids by first appearance in training; 40 items a class",
}
SPLIT = "a test set of its own: 10,000 of all 60,000 images, drawn anew; class counts only"


def facts(dataset: str) -> tuple[str, str, str]:
    """Label space, the data set that it shifts ("" for none), and a note.

    >>> facts("ood16/contrast/c05")[:2], facts("tiny-imagenet-c-local/fog/3@1000")[:2]
    (('ood16', 'ood16/contrast/c100'), ('imagenet', 'tiny-imagenet@1000'))
    """
    space, shift_of, note = "imagenet", "imagenet-val", NOTES.get(dataset, "")
    if known := runs.facts(dataset):
        space, shift_of, note = known
    elif dataset == "imagenet-r":
        space = "imagenet-r"
    elif dataset.startswith("cifar"):
        space, shift_of, note = _cifar_facts(dataset)
    elif dataset in authors.N_ITEMS:
        space, shift_of = dataset, ""
    elif dataset.startswith("hint3-"):
        space, shift_of = dataset.removesuffix("-v2"), ""
        note = f"{'corrected' if dataset.endswith('-v2') else 'first'} labels; in-scope queries only"
    elif dataset.startswith("ood16/"):
        space, shift_of, note = _trial_facts(dataset)
    return space, "" if shift_of == dataset else shift_of, note


def _cifar_facts(dataset: str) -> tuple[str, str, str]:
    space = "cifar100" if dataset.startswith("cifar100") else "cifar10"
    note = NOTES.get(dataset, "")
    if "-split-" in dataset:
        unknown = "; sizes of some classes unknown" if space == "cifar100" else ""
        return space, "", SPLIT + unknown
    return space, space, "class counts only" if dataset in ("cifar100",) or "-c/" in dataset else note


def _trial_facts(dataset: str) -> tuple[str, str, str]:
    _, set_name, *condition = dataset.split("/")
    if not condition:
        return "ood16", "", "no clean condition; 4 to 10 people saw every image"
    clean = f"ood16/{set_name}/{trials.CLEAN[set_name]}"
    note = "clean condition of its set" if clean == dataset else "mostly other images than in the clean condition"
    return "ood16", clean, note
