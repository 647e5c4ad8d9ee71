"""From the store to the tables of this machine; what the shipped tables hold already is compared, not written."""

import sys
from collections.abc import Iterable

from .. import own, store, tables
from ..errors import some

AT_ONCE = 2_000_000  # rows that are held before they are written: some 200 MB


def write(entries: Iterable[store.Entry], models: list[dict]) -> list[str]:
    """Rows of `data/own/` for entries of the store; gives one line for each reason not to write some.

    A data set that is known with another number of items (a sample was drawn, images are missing, it is another folder
    under the same name) stays in the store: in the tables it would be taken for a weak model's results on the whole
    set. Images that `allow_bad` left out are counted as there: their answers are missing, and the tables say so.
    """
    items = tables.rows_of("datasets").set_index("dataset")["items"].to_dict()
    notes: dict[str, list[str]] = {}
    held, rows = [], 0
    for entry in entries:
        part = own.from_store(entry)
        name, have = f"{part.model} on {part.dataset}", len(part.item_id) + len(entry.about.get("bad", ()))
        whole = items.setdefault(part.dataset, have)
        if have != whole:
            why = f"{have} items, {whole} in the tables: kept in the store alone"
            notes.setdefault(why, []).append(name)
        elif own.shipped(part.dataset, part.model):
            why = f"in the shipped tables, which stay; {own.compare(part)} classes differ from them"
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
