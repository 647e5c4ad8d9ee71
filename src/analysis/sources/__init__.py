"""Published results of other people, read into two forms: predictions of items, or counts of classes.

One module a source; `READERS` is the registry, its last reader (`runs`) reads this project's own shipped predictions. A
reader takes the files that `data/sources.csv` pins by sha256, checks what it reads (`check`), repairs what is known to
be wrong and says so, and yields

- `Predictions`: one model on one data set, an item a row; or
- `ClassCounts`: one model on one data set, a class a row, where items were not published.

Nothing here computes a measure. Sources that were looked at and left out: docs/data-licences.md.
"""

from dataclasses import dataclass
from importlib import import_module

import numpy as np

from . import check

READERS = ("imagenetv2", "analysing_relations", "imagenetx", "clip", "cifar", "trials", "authors", "hint3", "runs")


@dataclass(frozen=True)
class Items:
    """The items of one data set in a fixed order: ids (text) and their classes (int64)."""

    dataset: str
    item_id: np.ndarray
    label: np.ndarray
    n_classes: int


@dataclass(frozen=True)
class Predictions:
    """What one model answered on the items of one data set.

    `pred` is -1 where no answer was given (a person in a trial): wrong, and a confusion with nothing.
    `label` is -1 where the item belongs to no class (a query out of scope): in no count, in confusions alone.
    `top5` says whether the label is among the five best; `confidence` is the probability of `pred`. None: unknown.
    `members` are the ids of the classes that get rows where the data set holds some of the `n_classes`; None: all.
    `space` is the label space where the id of the data set does not tell it (a user's own).
    """

    dataset: str
    model: str
    item_id: np.ndarray
    label: np.ndarray
    pred: np.ndarray
    n_classes: int
    confidence: np.ndarray | None = None
    top5: np.ndarray | None = None
    members: np.ndarray | None = None
    space: str = ""

    @property
    def right(self) -> np.ndarray:
        return self.label == self.pred


@dataclass(frozen=True)
class ClassCounts:
    """How many items of each class one model got right; for sources without items.

    `n` and `correct` are -1 where they are unknown; `accuracy` is given then, and `items` in the whole data set.
    """

    dataset: str
    model: str
    class_id: np.ndarray
    n: np.ndarray
    correct: np.ndarray
    accuracy: np.ndarray | None = None
    items: int | None = None


def checked(
    items: Items, *, model: str, pred, where: str, item_id=None, label=None, confidence=None, topk=None
) -> Predictions:
    """Predictions in the order of `items` after every check that the columns at hand allow.

    Parameters
    ----------
    items : the reference: ids and labels
    pred : class ids; with `topk` given, its first column is taken
    item_id : ids as the file has them, or None where the file has none and rows are in the order of `items`
    label, confidence : as the file has them, or None
    topk : class ids (items, 5), best first
    where : the file, for messages
    """
    n_items, top5 = len(items.item_id), None
    order = np.arange(n_items) if item_id is None else check.check_ids(where, item_id, items.item_id)

    def in_order(column):
        if len(column) != n_items:
            raise check.IntegrityError("items", f"{where}: {len(column)} rows, expected {n_items}")
        return column[order]

    if topk is not None:
        topk = np.asarray(topk)
        if topk.ndim != 2 or topk.shape[1] != 5:
            raise check.IntegrityError("shape", f"{where}: shape {topk.shape}, expected ({n_items}, 5)")
        topk = topk[order] if len(topk) == n_items else topk
        topk = check.check_topk(where, topk, items.label, n_classes=items.n_classes)
        pred, top5 = topk[:, 0], (topk == items.label[:, None]).any(axis=1)
    else:
        pred = in_order(check.check_classes(where, pred, n_classes=items.n_classes, what="pred"))
    if label is not None:
        label = check.check_classes(where, label, n_classes=items.n_classes, what="label")
        check.check_labels(where, in_order(label), items.label, n_classes=items.n_classes)
    if confidence is not None:
        confidence = check.check_confidence(where, confidence, n_items=n_items)[order]
    check.check_order(where, items.label, pred, n_classes=items.n_classes)
    return Predictions(items.dataset, model, items.item_id, items.label, pred, items.n_classes, confidence, top5)


def read(name: str):
    """Everything that one reader of `READERS` has, model by model."""
    yield from import_module(f".{name}", __name__).read()
