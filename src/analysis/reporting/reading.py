"""From predictions as they came to answers that can be counted: classes resolved, items joined by id, faults named."""

import difflib
import re
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from .. import classes, paths, rows, tables
from ..errors import InputError, IntegrityError, UsageError, some
from ..measure.accuracy import wilson
from ..sources.runs import space as label_space_of
from . import diagnose
from .forms import Raw

OWN = "own"
_IMAGE = re.compile(r"\.(jpe?g|png|webp|bmp|gif|tiff?)$", re.IGNORECASE)


@dataclass(frozen=True)
class Answers:
    """What one model answered on one data set, ready to be counted.

    `classes` has a row for every class that can be answered, with `class_id` (number or name) and `title`; `label` and
    `pred` (items,) are positions in it, `right` bool by the label set asked for. `dataset` is "own" where it is none of
    this project's. `positional`: `item_id` are only numbers of rows, for there were neither ids nor a table of the
    items. `notes` are for the reader of the report.
    """

    where: str
    dataset: str
    labels: str
    item_id: np.ndarray
    classes: pd.DataFrame
    label: np.ndarray
    pred: np.ndarray
    right: np.ndarray
    confidence: np.ndarray | None = None
    top5: np.ndarray | None = None
    notes: tuple[str, ...] = ()
    positional: bool = False

    @property
    def known(self) -> bool:
        return self.dataset != OWN

    @property
    def n(self) -> np.ndarray:
        """Items of each class, (classes,)."""
        return np.bincount(self.label, minlength=len(self.classes))

    @property
    def k(self) -> np.ndarray:
        """Right answers of each class, (classes,)."""
        return np.bincount(self.label[self.right], minlength=len(self.classes))


@dataclass(frozen=True)
class Items:
    """The items of a data set of this project: ids and class ids in the order of the tables."""

    dataset: str
    item_id: np.ndarray
    class_id: np.ndarray


@lru_cache(maxsize=16)
def known_items(dataset: str) -> Items:
    """The items of a data set of which answers to single items are shipped; InputError where they are not."""
    answers = tables.correct(dataset)
    return Items(dataset, answers.item_id.astype(str).astype(object), answers.class_id.astype(np.int64))


def answers(
    raw: Raw, *, dataset: str | None = None, labels: str = "original", order: str = "id", allow_missing: bool = False
) -> Answers:
    """Answers of one data set from predictions as they came.

    Parameters
    ----------
    dataset : id of `data/datasets.csv`; "own" for any other, which needs labels in `raw`; None recognises it by the ids
    labels : "original", or "real" on imagenet-val
    order : of rows without ids, see `diagnose.orders`
    allow_missing : take a part of the items of a known data set

    Raises
    ------
    InputError : what is wrong, where, and what it looks like; UsageError : no such data set, or labels it has not.
    """
    if order not in diagnose.ORDER_WORDS:
        raise UsageError("order", f"{order}: no such order of rows", f"one of {', '.join(diagnose.ORDER_WORDS)}")
    dataset = dataset or recognised(raw)
    if labels not in ("original", "real"):
        raise UsageError("labels", f"{labels}: no such labels", "original or real")
    if labels == "real" and dataset != "imagenet-val":
        raise UsageError("labels", f"ReaL labels exist for imagenet-val, not for {dataset}", "leave out --labels real")
    if dataset == OWN:
        return _own(raw)
    shipped = tables.rows_of("datasets").set_index("dataset")
    if dataset not in shipped.index:
        near = difflib.get_close_matches(dataset, [*shipped.index, OWN], n=3)
        raise UsageError(
            "dataset",
            f"{dataset}: no such data set",
            f"{'near: ' + ', '.join(near) + '; ' if near else ''}own for any other",
        )
    space = shipped.loc[dataset, "label_space"] or label_space_of(dataset)
    listing = _listing(space)
    raw = _by_stated_names(_without_class(raw), listing, space)
    has_items = bool(shipped.loc[dataset, "per_item"])
    if not has_items and raw.label is None:
        what = f"{raw.where}: the items of {dataset} are not in the tables, so labels are needed"
        raise InputError("labels", what, "add a column label")
    pred = _positions(raw.pred, listing, space, raw.where, "prediction")
    label = None if raw.label is None else _positions(raw.label, listing, space, raw.where, "label")
    topk = None if raw.topk is None else _topk(raw, listing, space)
    if has_items:
        item, label, kept = _joined(raw, pred, label, known_items(dataset), listing, order, allow_missing)
        item_id = known_items(dataset).item_id[item]
    else:
        item_id, kept = _own_ids(raw), ()
    _check_classes(raw, label, pred, topk, listing["class_id"].to_numpy())
    notes = (*kept, *_luck(label, pred))
    positional = not has_items and raw.item_id is None
    found = _answers(raw, dataset, labels, listing, item_id, label, pred, topk, notes=notes, positional=positional)
    return _by_real(found) if labels == "real" else found


def _answers(raw: Raw, dataset, labels, listing, item_id, label, pred, topk, *, notes, positional: bool) -> Answers:
    return Answers(
        where=raw.where,
        dataset=dataset,
        labels=labels,
        item_id=item_id,
        classes=listing,
        label=label,
        pred=pred,
        right=label == pred,
        confidence=raw.confidence,
        top5=None if topk is None or topk.shape[1] < 5 else (topk[:, :5] == label[:, None]).any(axis=1),
        notes=(*raw.notes, *notes),
        positional=positional,
    )


def recognised(raw: Raw) -> str:
    """The data set whose item ids these are; "own" where rows have labels and the ids are of none.

    Numbers are ids of too many data sets to tell: they recognise none.
    """
    ids = raw.item_id
    if ids is not None and not all(one.isdecimal() for one in ids[:100]):
        best, most = None, 0.5 * len(ids)
        for dataset, known in _named_items().items():
            hits = len(known.intersection(_shaped(ids, known))) if _any_known(ids, known) else 0
            if hits >= most:
                best, most = dataset, hits + 1  # of sets that hold all of them the first
        if best:
            return best
    if raw.label is not None:
        return OWN
    without = (
        "rows have neither ids that are known nor labels" if ids is not None else "rows have neither ids nor labels"
    )
    raise InputError("dataset", f"{raw.where}: {without}", "say which set it is (--dataset imagenet-val) or add labels")


@lru_cache(maxsize=1)
def _named_items() -> dict[str, set[str]]:
    """The ids of the data sets whose items have names; numbers tell nothing."""
    found = {}
    for family in ("imagenet-val", "imagenetv2", "tiny-imagenet", "ood16"):
        path = paths.data() / "correct" / f"{family}.parquet"
        if path.exists():
            table = tables._read_parquet(path, "correct", columns=["dataset", "item_id"])
            dataset, item_id = np.asarray(table["dataset"].cast("string")), np.asarray(table["item_id"])
            for name in np.unique(dataset):
                if "@" not in name and "-c-local" not in name:
                    found[str(name)] = set(item_id[dataset == name])
    return found


def _any_known(ids, known: set) -> bool:
    return any(shape(one) in known for one in ids[:: max(1, len(ids) // 20)] for shape in _SHAPES)


# ---- Classes ---------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=8)
def _listing(space: str) -> pd.DataFrame:
    table = classes.table(space)
    return pd.DataFrame(
        {
            "class_id": table["class_id"].to_numpy(),
            "wnid": table["wnid"].to_numpy(),
            "name": table["name"].to_numpy(),
            "title": classes.titles(space),
        }
    )


def _positions(values: np.ndarray, listing: pd.DataFrame, space: str, where: str, what: str) -> np.ndarray:
    """Positions in `listing` of class numbers; of wnids or names where they are text. Numbers of no class become -1."""
    if values.dtype.kind in "iu":
        return pd.Index(listing["class_id"]).get_indexer(values)
    by_text = _texts(space)
    resolved = {}
    for text in pd.unique(values):
        found = by_text.get(text) or by_text.get(_folded(text)) or by_text.get(_folded(re.split("[,:]", text)[0])) or ()
        if len(found) > 1:
            choices = " or ".join(f"{listing['class_id'][i]} {listing['wnid'][i]}".strip() for i in found)
            remedy = "give class numbers or wnids (timm: --include-index, or --label-type name)"
            raise InputError("class", f"{where}: {what} {_short(text)} is several classes ({choices})", remedy)
        if not found:
            near = difflib.get_close_matches(_folded(text), [key for key in by_text if key], n=2)
            remedy = f"near: {', '.join(near)}" if near else "see data/classes.csv"
            raise InputError("class", f"{where}: {what} {_short(text)} is no class of {space}", remedy)
        resolved[text] = found[0]
    return np.array([resolved[text] for text in values], dtype=np.int64)


def _by_stated_names(raw: Raw, listing: pd.DataFrame, space: str) -> Raw:
    """Class numbers of a file that states the name of each number (`datasets`), as those of the label space."""
    if raw.names is None:
        return raw
    by_text, place = _texts(space), []
    for number, name in enumerate(raw.names):
        found = by_text.get(name) or by_text.get(_folded(name)) or by_text.get(_folded(name.split(",")[0])) or ()
        if not (number in found or len(found) == 1):
            what = f"{raw.where}: it says that class {number} is {_short(name)}, which is no one class of {space}"
            raise InputError("class", what, "check --dataset")
        place.append(number if number in found else found[0])
    class_id = listing["class_id"].to_numpy()[place]
    if np.array_equal(class_id, np.arange(len(class_id))):
        return raw

    def changed(values):
        if values is None or values.dtype.kind not in "iu":
            return values
        inside = (values >= 0) & (values < len(class_id))
        return np.where(inside, class_id[np.where(inside, values, 0)], -1)

    note = f"Class numbers are read by the names that the file states; those of {space} are others."
    columns = {name: changed(getattr(raw, name)) for name in ("label", "pred", "topk")}
    return replace(raw, notes=(*raw.notes, note), **columns)


@lru_cache(maxsize=8)
def _texts(space: str) -> dict[str, tuple[int, ...]]:
    """wnids and folded names -> positions in the listing."""
    found = {}
    for place, (wnid, name) in enumerate(zip(_listing(space)["wnid"], _listing(space)["name"], strict=True)):
        for text in {wnid, _folded(name)} - {""}:
            found[text] = (*found.get(text, ()), place)
    return found


def _folded(name: str) -> str:
    return " ".join(str(name).casefold().replace("_", " ").replace("-", " ").split())


def _short(text) -> str:
    return repr(ascii(str(text))[1:-1][:40])


def _topk(raw: Raw, listing: pd.DataFrame, space: str) -> np.ndarray:
    flat = _positions(raw.topk.reshape(-1), listing, space, raw.where, "class of the top k")
    return flat.reshape(raw.topk.shape)


def _check_classes(raw: Raw, label: np.ndarray, pred: np.ndarray, topk, class_ids: np.ndarray) -> None:
    """Every prediction is a class, and no other numbering of the classes or order of the columns fits far better."""
    suspect = None
    if raw.pred.dtype.kind in "iu":
        suspect = diagnose.numbering(class_ids[label], raw.pred, class_ids)
    if (pred < 0).any():
        row = int((pred < 0).argmax())
        how_often = f"a number of no class in {(pred < 0).sum()} of {len(pred)} predictions"
        what = f"{raw.where}: {how_often} (first: {raw.pred[row]} in row {row + 1})"
        spread = f"classes run from {class_ids.min()} to {class_ids.max()}"
        if suspect is None and len(class_ids) < class_ids.max() + 1:
            spread = f"the set has {len(class_ids)} of the 1000 classes; for answers among all, add @1000 to --dataset"
        raise InputError("index", what, f"{suspect.text()}; {suspect.remedy}" if suspect else spread)
    if topk is not None:
        if (topk < 0).any():
            raise InputError("index", f"{raw.where}: the top k hold numbers of no class", "see data/classes.csv")
        suspect = suspect or diagnose.reversed_columns(label, topk)
        if suspect is None and (topk[:, 0] != pred).mean() > 0.5:
            raise InputError("columns", f"{raw.where}: the first of the top k is not the prediction", "best first")
    if suspect:
        raise InputError("labels", f"{raw.where}: {suspect.text()}", suspect.remedy)


def _luck(label: np.ndarray, pred: np.ndarray) -> tuple[str, ...]:
    """A note where accuracy is no better than chance among 2 classes or more."""
    present = len(np.unique(label))
    if present < 2 or len(label) < 100:
        return ()
    right, chance = int((label == pred).sum()), diagnose.chance(label, pred)
    # Above chance by noise alone; among many classes also barely above it, as where most rows are misplaced.
    if float(wilson(right, len(label))[0]) > chance and (chance > 0.1 or right > 2 * chance * len(label)):
        return ()
    tried = "off by one, classes sorted as text, other orders of the rows"
    return (f"Accuracy is no better than chance. None of the usual mix-ups fits ({tried}); check both orders.",)


# ---- Items -----------------------------------------------------------------------------------------------------------


def _bare(one: str) -> str:
    """The name of a file without its folders."""
    return one.replace("\\", "/").rsplit("/", 1)[-1]


_SHAPES = (str, _bare, lambda one: _IMAGE.sub("", _bare(one)))  # as it is, without folders, without the ending


def _shaped(ids, known: set) -> np.ndarray:
    """The ids in that one of the shapes in which a sample of them is known best."""
    sample = ids[:: max(1, len(ids) // 200)]
    shape = max(_SHAPES, key=lambda shape: sum(shape(one) in known for one in sample))
    return np.array([shape(one) for one in ids], dtype=object)


def _joined(raw: Raw, pred, label, items: Items, listing, order: str, allow_missing: bool):
    """Item of every row, its label, and notes; labels are those of the data set."""
    truth = pd.Index(listing["class_id"]).get_indexer(items.class_id)
    by_order = {}
    if len(raw) == len(items.item_id):
        by_order = diagnose.orders(items.item_id, items.class_id)
    if raw.item_id is None:
        if not by_order:
            what = f"{raw.where}: {len(raw)} rows without ids, {items.dataset} has {len(items.item_id)} items"
            raise InputError("items", what, "which are missing or extra cannot be known: add item ids")
        item, given, notes = by_order[order], order, (f"Rows without ids, read {_in_order(order)}.",)
    else:
        item, notes = _by_id(raw, items, allow_missing)
        given = ""
    _check_labels(raw, label, truth[item], listing["class_id"].to_numpy())
    suspect = diagnose.row_order(truth[item], pred, {name: truth[rows] for name, rows in by_order.items()}, given)
    if raw.pred.dtype.kind in "iu" and suspect:
        class_ids = listing["class_id"].to_numpy()
        renumbered = diagnose.numbering(class_ids[truth[item]], raw.pred, class_ids)
        suspect = None if renumbered and renumbered.after >= suspect.after else suspect  # which is told later
    if suspect:
        remedy = suspect.remedy if raw.item_id is None else "write each prediction beside the id of its own item"
        raise InputError("order", f"{raw.where}: {suspect.text()}", remedy)
    return item, truth[item], notes


def _in_order(order: str) -> str:
    return f"in the order {diagnose.ORDER_WORDS[order]}"


def _by_id(raw: Raw, items: Items, allow_missing: bool) -> tuple[np.ndarray, tuple[str, ...]]:
    known = pd.Index(items.item_id, dtype=object)
    ids = _shaped(raw.item_id, set(known))
    _refuse_twice(ids, raw.where)
    item = known.get_indexer(ids)
    parts, absent = [], len(known) - int((item >= 0).sum())
    if (item < 0).any():
        first = _short(raw.item_id[int((item < 0).argmax())])
        parts.append(f"{int((item < 0).sum())} of {len(ids)} ids are not of {items.dataset} (first: {first})")
    if absent and not (allow_missing and not parts):
        first = _short(known.difference(pd.Index(ids, dtype=object))[0])
        parts.append(f"{absent} of its {len(known)} items are missing (first: {first})")
    if parts:
        only = absent and len(parts) == 1 and not (item < 0).any()
        remedy = "predict them too, or pass --allow-missing" if only else "check --dataset and the ids"
        raise InputError("items", f"{raw.where}: {'; '.join(parts)}", remedy)
    return item, (f"{len(ids)} of the {len(known)} items of {items.dataset}.",) if absent else ()


def _refuse_twice(ids, where: str) -> None:
    twice = pd.Index(ids, dtype=object).duplicated()
    if twice.any():
        row = int(twice.argmax())
        first = f"first: row {row + 1}, {_short(ids[row])}"
        what = f"{where}: an item id repeated in {int(twice.sum())} of {len(ids)} rows ({first})"
        raise InputError("items", what, "one row an item")


def _check_labels(raw: Raw, label, truth, class_ids: np.ndarray) -> None:
    """Labels that a file carries are those of the data set."""
    if label is None or (label == truth).all():
        return
    wrong = label != truth
    suspect = raw.label.dtype.kind in "iu" and diagnose.numbering(class_ids[truth], raw.label, class_ids)
    looks = f"{suspect.looks.replace('predictions', 'labels')}; {suspect.remedy}" if suspect else ""
    if not looks and raw.item_id is None:
        looks = "rows are in another order: add item ids, or pass --order"
    what = f"{raw.where}: {int(wrong.sum())} labels differ from the data set's (first: row {int(wrong.argmax()) + 1})"
    raise InputError("labels", what, looks or "correct them, or leave the column out")


def _own_ids(raw: Raw) -> np.ndarray:
    if raw.item_id is None:
        return np.arange(len(raw)).astype(str).astype(object)
    _refuse_twice(raw.item_id, raw.where)
    return raw.item_id


def _without_class(raw: Raw) -> Raw:
    """The rows of items that belong to a class: label -1 is an item of none, as a query out of scope."""
    if raw.label is None or raw.label.dtype.kind not in "iu" or not (raw.label == -1).any():
        return raw
    inside = raw.label != -1
    if not inside.any():
        raise InputError("labels", f"{raw.where}: every label is -1, no class", "give the classes of the items")
    note = f"{int((~inside).sum())} items of no class (label -1) are left out."
    return replace(raw.take(inside), notes=(*raw.notes, note))


# ---- Data sets of a user's own ---------------------------------------------------------------------------------------


def _own(raw: Raw) -> Answers:
    if raw.label is None:
        raise InputError("labels", f"{raw.where}: no labels", "add a column label, or name a data set of this project")
    raw = _without_class(raw)
    label, pred, topk = raw.label, raw.pred, raw.topk
    parts = [label, pred]
    if raw.names is not None:  # numbers with the names that the file states
        numbers = {name: number for number, name in enumerate(raw.names)}
        parts = [_numbered(part, numbers, raw.where) for part in parts]
        topk = None if topk is None else _numbered(topk.reshape(-1), numbers, raw.where).reshape(topk.shape)
    if parts[0].dtype.kind != parts[1].dtype.kind:
        kinds = ["numbers" if part.dtype.kind in "iu" else "text" for part in parts]
        raise InputError("labels", f"{raw.where}: labels are {kinds[0]} and predictions {kinds[1]}", "give both alike")
    if parts[0].dtype.kind not in "iu" and not np.isin(parts[1], parts[0]).any():
        first = f"first: {_short(parts[0][0])} and {_short(parts[1][0])}"
        what = f"{raw.where}: no prediction is among the names of the labels ({first})"
        alike = np.isin([_folded(one) for one in parts[1]], [_folded(one) for one in parts[0]]).any()
        raise InputError("labels", what, "write both alike" + (": they differ in case or signs" if alike else ""))
    ids = np.unique(np.concatenate(parts)) if raw.names is None else np.arange(len(raw.names))
    if ids.dtype.kind == "i" and (ids.min() < 0 or ids.max() >= 1_000_000):
        what = f"{raw.where}: class numbers run from {ids.min()} to {ids.max()}"
        raise InputError("index", what, "number classes from 0, and below a million")
    positions = [pd.Index(ids).get_indexer(part) for part in parts]
    for what, part, found in zip(("label", "prediction"), parts, positions, strict=True):
        if (found < 0).any():
            row = int((found < 0).argmax())
            names = f"the file states {len(ids)} classes"
            raise InputError("index", f"{raw.where}: {what} {part[row]} in row {row + 1} is no class", names)
    titles = np.array([str(one) for one in (ids if raw.names is None else raw.names)], dtype=object)
    listing = pd.DataFrame({"class_id": ids, "wnid": "", "name": titles, "title": titles})
    label, pred = positions
    if topk is not None:
        topk = pd.Index(ids).get_indexer(topk.reshape(-1)).reshape(topk.shape)
    suspects = [diagnose.row_order(label, pred)]
    if ids.dtype.kind == "i":
        spaces = np.arange(ids.max() + 1), np.unique(parts[0])
        suspects += [diagnose.numbering(parts[0], parts[1], space) for space in spaces]
    if topk is not None:
        suspects.append(diagnose.reversed_columns(label, topk))
    if suspect := max(filter(None, suspects), key=lambda one: one.after, default=None):
        by_row = suspect is suspects[0] and raw.item_id is not None
        remedy = "write each prediction and label beside the id of its own item" if by_row else suspect.remedy
        raise InputError("labels", f"{raw.where}: {suspect.text()}", remedy)
    notes = _luck(label, pred)
    if len(np.unique(label)) == len(label) > 100:
        notes = (*notes, "As many classes as items: is label the column of the classes?")
    ids = _own_ids(raw)
    return _answers(raw, OWN, "original", listing, ids, label, pred, topk, notes=notes, positional=raw.item_id is None)


def _numbered(values: np.ndarray, numbers: dict[str, int], where: str) -> np.ndarray:
    if values.dtype.kind in "iu":
        return values
    absent = [text for text in pd.unique(values) if text not in numbers]
    if absent:
        what = f"{where}: {_short(absent[0])} is none of the class names that the file states"
        raise InputError("class", what, f"they begin with {some(numbers, 3)}")
    return np.array([numbers[text] for text in values], dtype=np.int64)


# ---- ReaL ------------------------------------------------------------------------------------------------------------


def _by_real(found: Answers) -> Answers:
    """Right if the answer is among the ReaL labels; items without one are left out. Classes stay the original ones."""
    try:
        sets = rows.published_real().rows(found.item_id)
    except IntegrityError as fault:
        if fault.kind != "missing":
            raise
        what = f"the ReaL labels need published files: {fault.what}"
        raise IntegrityError("missing", what, "run make data, or leave out --labels real") from None
    kept = sets.any(axis=1)
    right = sets[np.arange(len(found.pred)), found.pred][kept]
    note = f"ReaL labels: {int((~kept).sum())} items have none and are left out; an item may have several."
    return replace(
        found,
        item_id=found.item_id[kept],
        label=found.label[kept],
        pred=found.pred[kept],
        right=right,
        confidence=None if found.confidence is None else found.confidence[kept],
        top5=None,
        notes=(*found.notes, note),
    )


def split_sets(raw: Raw, datasets: tuple[str, ...]) -> list[tuple[str | None, Raw]]:
    """The parts of a file with a column `dataset`, those asked for or the only one; else the file as it is."""
    if raw.dataset is None:
        return [(None, raw)]
    have = list(pd.unique(raw.dataset))
    told = some([one[:40] or "none" for one in have], 4)
    if datasets:
        absent = [name for name in datasets if name not in have]
        if absent:
            raise InputError("dataset", f"{raw.where}: no rows of {absent[0]}", f"it holds {told}")
    elif len(have) > 1:
        raise InputError("dataset", f"{raw.where}: {len(have)} data sets ({told})", "name some: --dataset NAME")
    shipped = set(tables.rows_of("datasets")["dataset"])
    return [(name if name in shipped else OWN, raw.take(raw.dataset == name)) for name in (datasets or have)]


def name_of(source) -> str:
    """The name of a report: that of the file or folder, else "predictions"."""
    return Path(source).stem or "predictions" if isinstance(source, (str, Path)) else "predictions"
