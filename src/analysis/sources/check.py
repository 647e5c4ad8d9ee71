"""What must hold of predictions from outside before a number is taken from them.

One place for published files and for a user's own: a published file is pinned, so a fault is an `IntegrityError`;
callers pass `fault=InputError` for a file that a user brought. Each check names the fault that it recognises, because
most of them leave a plausible accuracy behind: one row missing at the start costs 1.5 points only (labels come in
blocks), columns stored best-last leave the classes intact.
"""

import json
import re

import numpy as np
import pandas as pd

from .. import files
from ..errors import IntegrityError

# Below this multiple of chance nothing was learned, or labels and predictions are in different orders.
FLOOR = 5.0


def check_classes(
    where: str, values, *, n_classes: int, what: str, lowest: int = 0, fault=IntegrityError
) -> np.ndarray:
    """The values as an int64 vector, all from `lowest` to `n_classes - 1`.

    >>> check_classes("a.csv", np.array([0, 3], dtype=">i2"), n_classes=4, what="pred")
    array([0, 3])
    >>> check_classes("a.csv", [0, 4], n_classes=4, what="pred")
    Traceback (most recent call last):
    analysis.errors.IntegrityError: error[index] a.csv: pred is 4 in row 1; classes run from 0 to 3
    """
    values = np.asarray(values)
    if values.ndim != 1:
        raise fault("shape", f"{where}: {what} has shape {values.shape}, expected one column")
    if values.dtype.kind not in "iu":
        raise fault("dtype", f"{where}: {what} has type {values.dtype}, expected integers")
    bad = (values < lowest) | (values >= n_classes)
    if bad.any():
        row = int(bad.argmax())
        what = f"{where}: {what} is {values[row]} in row {row}"
        raise fault("index", what, f"classes run from {lowest} to {n_classes - 1}")
    return values.astype(np.int64)


def check_ids(where: str, item_id, expected, *, fault=IntegrityError) -> np.ndarray:
    """Positions that bring `item_id` into the order of `expected`; both must hold the same ids, each once.

    >>> check_ids("a.csv", ["b", "a"], ["a", "b"])
    array([1, 0])
    >>> check_ids("a.csv", ["a", "a"], ["a", "b"])
    Traceback (most recent call last):
    analysis.errors.IntegrityError: error[items] a.csv: 1 id occurs more than once (first: a); give one row an item
    """
    item_id, expected = np.asarray(item_id), np.asarray(expected)
    if item_id.ndim != 1 or item_id.dtype.kind not in "iuUO":
        what = f"{where}: ids have type {item_id.dtype} and shape {item_id.shape}"
        raise fault("items", what, "expected text or integers")
    if len(item_id) == len(expected) and (item_id == expected).all():
        return np.arange(len(expected))
    ids = pd.Index(item_id)
    twice = ids[ids.duplicated()].unique()
    if len(twice):
        verb = "id occurs" if len(twice) == 1 else "ids occur"
        what = f"{where}: {len(twice)} {verb} more than once (first: {_shown(twice[0])})"
        raise fault("items", what, "give one row an item")
    at = ids.get_indexer(expected)
    absent, unknown = expected[at < 0], item_id[~ids.isin(expected)]
    if len(absent) or len(unknown):
        parts = [f"{len(item_id)} rows, expected {len(expected)}"]
        parts += [f"{len(absent)} items are missing (first: {_shown(absent[0])})"] if len(absent) else []
        parts += [f"{len(unknown)} are not of this data set (first: {_shown(unknown[0])})"] if len(unknown) else []
        raise fault("items", f"{where}: {'; '.join(parts)}")
    return at


def check_labels(where: str, label, expected, *, n_classes: int, fault=IntegrityError) -> None:
    """The labels that a file carries are those of the data set; an offset or a string sort is named."""
    label, expected = np.asarray(label), np.asarray(expected)
    if label.shape != expected.shape:
        raise fault("shape", f"{where}: labels have shape {label.shape}, expected {expected.shape}")
    if (label == expected).all():
        return
    wrong = label != expected
    row = int(wrong.argmax())
    raise fault(
        "labels",
        f"{where}: {int(wrong.sum())} labels differ from the data set (first: row {row} has {label[row]},"
        f" expected {expected[row]})",
        _permuted(expected, label, n_classes, at_least=0.999),
    )


def check_order(where: str, label, pred, *, n_classes: int, fault=IntegrityError) -> None:
    """Predictions fit the labels better than chance; if another order of the classes does, it is named.

    >>> label = np.arange(1000) % 100
    >>> check_order("a.csv", label, (label + 1) % 100, n_classes=100)
    Traceback (most recent call last):
    analysis.errors.IntegrityError: error[labels] a.csv: accuracy 0.0%, chance is 1.0%; looks off by one (-1 fits)
    """
    label, pred = np.asarray(label), np.asarray(pred)
    accuracy = float((label == pred).mean()) if len(label) else 0.0
    floor = min(FLOOR, n_classes / 2) / n_classes
    hint = _permuted(label, pred, n_classes, at_least=max(floor, 2 * accuracy))
    if accuracy >= floor and not hint:
        return
    raise fault(
        "labels",
        f"{where}: accuracy {100 * accuracy:.1f}%, chance is {100 / n_classes:.1f}%",
        hint or "labels and predictions are in different orders, or the model is broken",
    )


def check_topk(where: str, topk, label, *, n_classes: int, fault=IntegrityError) -> np.ndarray:
    """Class ids (items, k), best first, as int64; columns stored best-last are recognised by their accuracies."""
    topk, label = np.asarray(topk), np.asarray(label)
    if topk.ndim != 2 or len(topk) != len(label):
        raise fault("shape", f"{where}: shape {topk.shape}, expected ({len(label)}, k)")
    flat = check_classes(where, topk.reshape(-1), n_classes=n_classes, what="pred", fault=fault)
    topk = flat.reshape(topk.shape)
    by_column = (topk == label[:, None]).mean(axis=0)
    if by_column[-1] > by_column[0]:
        raise fault(
            "columns",
            f"{where}: column 0 is right for {100 * by_column[0]:.2f}% and the last for {100 * by_column[-1]:.2f}%",
            "the columns are reversed (best last)",
        )
    return topk


def check_confidence(where: str, confidence, *, n_items: int, fault=IntegrityError) -> np.ndarray:
    """Confidences as float64: one an item, finite, from 0 to 1."""
    confidence = np.asarray(confidence)
    if confidence.shape != (n_items,) or confidence.dtype.kind != "f":
        raise fault("shape", f"{where}: confidence has shape {confidence.shape} and type {confidence.dtype}")
    bad = ~((confidence >= 0) & (confidence <= 1))  # NaN compares false, so it is bad
    if bad.any():
        row = int(bad.argmax())
        raise fault("confidence", f"{where}: confidence in row {row} is not a number from 0 to 1")
    return confidence.astype(np.float64)


def _shown(item) -> str:
    # Ids come from outside: short, and without control characters that a terminal would obey.
    return ascii(str(item))[1:-1][:60]


def _permuted(label: np.ndarray, found: np.ndarray, n_classes: int, *, at_least: float) -> str:
    """Name the change of class ids under which `found` equals `label` for a share of at least `at_least`."""
    by_name = np.array(sorted(range(n_classes), key=str))
    inside = (found >= 0) & (found < n_classes)
    bounded = np.where(inside, found, 0)
    changes = {
        "looks off by one (-1 fits)": found - 1,
        "looks off by one (+1 fits)": found + 1,
        "classes are numbered in the order of their ids sorted as text (0, 1, 10, 100 ..)": by_name[bounded],
        "classes are numbered by a list sorted as text, read in the other direction": np.argsort(by_name)[bounded],
    }
    shares = {text: ((changed == label) & inside).sum() / max(len(label), 1) for text, changed in changes.items()}
    best = max(shares, key=shares.get)
    return best if shares[best] >= at_least else ""


def read_text(path, *, where: str, fault=IntegrityError) -> str:
    """A UTF-8 text file without NUL; a byte order mark is dropped."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise fault("table", f"{where}: not UTF-8 text (byte {error.start})") from None
    if "\0" in text:
        raise fault("table", f"{where}: holds NUL bytes")
    return text


def read_json(path, *, where: str, fault=IntegrityError):
    """The content of a JSON file; a repeated key, NaN and infinite numbers are refused."""
    try:
        return parse_json(read_text(path, where=where, fault=fault))
    except ValueError:
        raise fault("table", f"{where}: not JSON, a key twice, or a number that is not finite") from None


def parse_json(text: str):
    """The value of a JSON text; ValueError where it is none, or says something twice or no finite number."""

    def unique(pairs):
        if len({key for key, _ in pairs}) != len(pairs):
            raise ValueError("a key occurs twice")
        return dict(pairs)

    def finite(text):
        if not np.isfinite(float(text)):
            raise ValueError("a number is not finite")
        return float(text)

    try:
        return json.loads(text, object_pairs_hook=unique, parse_float=finite, parse_constant=finite)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def read_rows(path, *, columns=None, header=None, where: str, fault=IntegrityError) -> list[list[str]]:
    """The rows of a CSV file as text, after `header` if given; all of exactly `columns` fields if given."""
    try:
        rows = files.csv_rows(path)
    except ValueError as error:
        raise fault("table", f"{where}: {error}") from None
    if columns is not None and len(rows[0]) != columns:
        raise fault("table", f"{where}: {len(rows[0])} columns, expected {columns}")
    if header is not None and rows.pop(0) != header:
        raise fault("table", f"{where}: columns are not {', '.join(header)}")
    return rows


def to_int(column, *, what: str, where: str, fault=IntegrityError) -> np.ndarray:
    """A text column as int64; "1.0", "" and "NaN" are refused."""
    for row, value in enumerate(column):
        if not re.fullmatch("-?[0-9]{1,18}", str(value)):
            raise fault("table", f"{where} row {row}: {what} is not an integer")
    return np.array([int(value) for value in column], dtype=np.int64)
