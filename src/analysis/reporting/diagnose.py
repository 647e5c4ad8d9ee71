"""What is wrong with predictions: try the usual mix-ups, see whether the accuracy jumps, and name the one that fits.

Nothing is ever corrected. A mix-up is named only if undoing it makes far more items right than it makes wrong, so that
a poor model is not taken for a mix-up: right answers gained less those lost must be at least 10 and 5 times the square
root of their sum; where classes or rows are dealt out anew, the accuracy must also double and pass 5 times chance.
"""

import re
from typing import NamedTuple

import numpy as np

LEAST, SIGMAS = 10, 5.0
FLOOR = 5.0  # times chance


class Suspect(NamedTuple):
    """A mix-up that fits: what it looks like, what to do, and the accuracy before and after undoing it."""

    looks: str
    remedy: str
    before: float
    after: float

    def text(self) -> str:
        return f"{self.looks}: accuracy is {100 * self.before:.1f}%, and would be {100 * self.after:.1f}%"


def orders(item_id, class_id) -> dict[str, np.ndarray]:
    """Orders in which people keep the rows of a data set: name -> the item (its position) in each row.

    id: by item id, numbers in it by their value; text: by item id as text; folder: class by class, file names sorted;
    folder-text: the same with class numbers sorted as text, which is how folders named 0, 1, 2, ... come.

    >>> {name: order.tolist() for name, order in orders(["2", "10", "1"], [10, 2, 2]).items()}
    {'id': [2, 0, 1], 'text': [2, 1, 0], 'folder': [2, 1, 0], 'folder-text': [0, 2, 1]}
    """
    item_id, class_id = np.asarray(item_id).astype(str), np.asarray(class_id)
    text = np.argsort(item_id, kind="stable")
    rank = np.empty(len(text), dtype=np.int64)
    rank[text] = np.arange(len(text))
    even = len(np.unique(np.char.str_len(item_id))) == 1  # numbers of one width sort as text does
    return {
        "id": text if even else np.array(sorted(range(len(item_id)), key=lambda i: _natural(item_id[i]))),
        "text": text,
        "folder": np.lexsort((rank, class_id)),
        "folder-text": np.lexsort((rank, class_id.astype(str))),
    }


def _natural(text: str) -> list:
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in re.findall(r"\d+|\D+", text)]


def numbering(label, pred, class_ids) -> Suspect | None:
    """Are the classes of `pred` numbered in another way than those of `label`?

    `label`, `pred` (items,) class numbers, `class_ids` those of the label space. Tried: off by one both ways, numbers
    sorted as text both ways, numbers among the set's own classes.

    >>> label = np.arange(1000) % 50
    >>> numbering(label, label + 1, np.arange(50)).looks
    'predictions look off by one (numbered from 1)'
    >>> numbering(label, (label + 23) % 50, np.arange(50)) is None
    True
    """
    label, pred, class_ids = np.asarray(label), np.asarray(pred), np.sort(np.asarray(class_ids))
    as_given, size = pred == label, len(class_ids)
    by_text = class_ids[np.array(sorted(range(size), key=lambda i: str(class_ids[i])), dtype=np.int64)]
    place = np.clip(np.searchsorted(class_ids, pred), 0, size - 1)
    known = class_ids[place] == pred
    rank_as_text = np.empty(size, dtype=np.int64)
    rank_as_text[np.searchsorted(class_ids, by_text)] = np.arange(size)
    inside = (pred >= 0) & (pred < size)
    number = np.where(inside, pred, 0)
    sorted_text = "predictions look numbered by class numbers sorted as text (0, 1, 10, 100, 11, ...)"
    tries = [
        ("predictions look off by one (numbered from 1)", "subtract 1 from each", pred - 1),
        ("predictions look off by one (too low)", "add 1 to each", pred + 1),
        (sorted_text, f"replace each p by sorted(range({size}), key=str)[p]", np.where(inside, by_text[number], -1)),
        (
            "classes look sorted as text where the data set has them by number",
            f"replace each p by its place in sorted(range({size}), key=str)",
            np.where(known, class_ids[rank_as_text[place]], -1),
        ),
        (
            f"predictions look numbered 0 to {size - 1} among the {size} classes of this set",
            "give its class ids, wnids or names",
            np.where(inside, class_ids[number], -1),
        ),
    ]
    best = None
    for looks, remedy, tried in tries:
        if np.isin(tried, class_ids).mean() >= 0.999 and (tried != pred).any():
            best = _better(best, looks, remedy, as_given, tried == label, floor=_floor(label))
    return best


def row_order(label, pred, class_orders: dict[str, np.ndarray] | None = None, given: str = "") -> Suspect | None:
    """Do the predictions stand in other rows than their labels?

    Parameters
    ----------
    label, pred : (items,) in the order of the file
    class_orders : name -> (items,) label of every row if the rows were in that order; `given` is how they are read

    Tried: these orders, and a shift by one row, from the first row or from any later one on.

    >>> label = np.repeat(np.arange(100), 10)
    >>> pred = np.concatenate([label[:500], label[501:], label[:1]])  # row 501 was lost, another came at the end
    >>> row_order(label, pred).looks
    'from about row 501 on, each prediction looks one row early'
    """
    label, pred = np.asarray(label), np.asarray(pred)
    as_given, best = pred == label, None
    for name, ordered in (class_orders or {}).items():
        if name != given:
            what = f"rows look to be in the order {ORDER_WORDS[name]}"
            found = pred == ordered
            best = _better(best, what, f"pass --order {name}, or add item ids", as_given, found, floor=_floor(label))
    if best is not None:
        return best
    for step, word in ((1, "early"), (-1, "late")):
        # The label of the row that each prediction would belong to; at the open end there is none.
        other = np.roll(label, -step)
        inside = np.ones(len(label), dtype=bool)
        inside[-1 if step == 1 else 0] = False
        moved = (pred == other) & inside
        # Where labels come in blocks a shift shows only at their ends, and its start is known up to one block.
        gain = np.cumsum((moved.astype(np.int64) - as_given)[::-1])[::-1]
        start = int(gain.argmax())
        after = np.where(np.arange(len(label)) >= start, moved, as_given)
        where = "each prediction looks" if start <= 1 else f"from about row {start + 1} on, each prediction looks"
        remedy = "a row was lost or added there; write item ids with the predictions"
        if _beats_chance(after, label, pred):
            best = _better(best, f"{where} one row {word}", remedy, as_given, after)
    return best


def chance(label, pred) -> float:
    """Accuracy that answers dealt at random over the items would have: the sum over classes of share times share.

    >>> chance(np.array([0, 0, 0, 1]), np.array([0, 0, 0, 0]))
    0.75
    """
    names = np.union1d(label, pred)
    shares = [np.bincount(np.searchsorted(names, part), minlength=len(names)) / len(part) for part in (label, pred)]
    return float(shares[0] @ shares[1])


def _beats_chance(right, label, pred) -> bool:
    """Far above chance: a model that errs more often than chance only comes back to it in other rows."""
    by_chance = chance(label, pred)
    wide = SIGMAS * (by_chance * (1 - by_chance) / len(right)) ** 0.5
    return float(right.mean()) > max(by_chance + wide, min(2 * by_chance, by_chance + (1 - by_chance) / 4))


ORDER_WORDS = {
    "id": "of the item ids (numbers by value)",
    "text": "of the item ids sorted as text",
    "folder": "of class folders (class by class, file names sorted)",
    "folder-text": "of class folders whose numbers are sorted as text (0, 1, 10, 100, ...)",
}


def reversed_columns(label, topk) -> Suspect | None:
    """Are the best k given best last?

    >>> label = np.arange(100) % 10
    >>> reversed_columns(label, np.stack([(label + 1) % 10, label], axis=1)).looks
    'the top k look reversed (best last)'
    """
    label, topk = np.asarray(label), np.asarray(topk)
    looks, remedy = "the top k look reversed (best last)", "reverse the columns"
    return _better(None, looks, remedy, topk[:, 0] == label, topk[:, -1] == label)


def _floor(label) -> float:
    classes = max(len(np.unique(label)), 1)
    return min(FLOOR, classes / 2) / classes


def _better(best: Suspect | None, looks: str, remedy: str, as_given, corrected, floor: float | None = None):
    gained, lost = int((corrected & ~as_given).sum()), int((as_given & ~corrected).sum())
    net, before, after = gained - lost, float(as_given.mean()), float(corrected.mean())
    if net < LEAST or net < SIGMAS * (gained + lost) ** 0.5 or (best is not None and after <= best.after):
        return best
    if floor is not None and after < max(floor, 2 * before):
        return best
    return Suspect(looks, remedy, before, after)
