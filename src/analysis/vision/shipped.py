"""From the store to the tables of this machine; what the shipped tables hold already is compared, not written."""

import sys
from collections.abc import Iterable

from .. import own, store, tables
from ..errors import some

AT_ONCE = 2_000_000  # rows that are held before they are written: some 200 MB


def write(entries: Iterable[store.Entry], models: list[dict], *, sample: bool = False) -> list[str]:
    """Rows of `data/own/` for entries of the store; gives one line for each reason not to write some.

    Parameters
    ----------
    models : rows of `models.csv`
    sample : some items of each class were drawn. Beside a shipped data set with all its items they would be taken for
        a weak model's results, so they stay in the store.
    """
    items = tables.read_csv("datasets").set_index("dataset")["items"]
    notes: dict[str, list[str]] = {}
    held, rows = [], 0
    for entry in entries:
        part = own.from_store(entry)
        name, whole = f"{part.model} on {part.dataset}", items.get(part.dataset, 0)
        if own.shipped(part.dataset, part.model):
            why = f"in the shipped tables, which stay; {own.compare(part)} classes differ from them"
            notes.setdefault(why, []).append(name)
        elif sample and whole and len(part.item_id) != whole:
            why = f"{len(part.item_id)} of {whole} items: in the store, not in the tables of data/own"
            notes.setdefault(why, []).append(name)
        else:
            held.append(part)
            rows += len(part.item_id)
        if rows > AT_ONCE:
            own.add(held, models=_rows(models, held))
            held, rows = [], 0
    if held:
        own.add(held, models=_rows(models, held))
    lines = [f"{some(names, 3)}: {why}" for why, names in notes.items()]
    for line in lines:
        print(line, file=sys.stderr)
    return lines


def _rows(models: list[dict], held: list) -> list[dict]:
    have = {part.model for part in held}
    return [row for row in models if row["model"] in have]
