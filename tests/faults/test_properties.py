"""Properties: what holds whatever the rows, names and bytes are. 2,000 examples each in `make test-faults`.

Within `make test` 30 examples each; the examples are the same in every run. Where the properties of the list stand:

- the order of rows changes nothing: here; for the measures in tests/measure/test_accuracy.py
- shards merged are the whole: here; for a stopped run of the engine in tests/vision/test_engine.py
- classes and their list renumbered together change nothing, alone are refused: here
- counts of classes add up: here
- what is written comes back: tables, CSV and answers here; the store in tests/test_store.py and test_store_machine.py
- every mutation of predictions (E) and tables (F) is refused or harmless: here
- classes do not depend on the order of a listing: here; every name accounted for in tests/vision/test_layouts.py
- an interval holds its estimate: here; its mirror image in tests/measure/test_accuracy.py
- a store never gives a wrong value: test_store_machine.py
- made-up bytes end in a right value or in one fault of our own: test_made_up.py
"""

import contextlib
import csv
import os
import random
import shutil
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis import classes, files, paths, rows, sources, store, tables
from analysis.errors import AnalysisError, InputError, IntegrityError
from analysis.measure import accuracy
from analysis.reporting import diagnose, forms, reading
from analysis.vision import layouts

PROPERTY = settings.get_profile("property")
SEEDS = st.integers(0, 2**32 - 1)
KNOWN = "ood16/silhouette"  # a shipped data set of 160 items whose ids are names, 10 of each of 16 classes


def emptied(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def of(names):
    return st.sampled_from(sorted(names))


# ---- Made predictions ------------------------------------------------------------------------------------------------

CLASSES = 20
MADE = sources.Items(
    "made",
    np.array([f"item-{number:03d}" for number in range(5 * CLASSES)], dtype=object),
    np.repeat(np.arange(CLASSES), 5),
    CLASSES,
)


def known() -> sources.Items:
    """In the order in which rows without ids are read."""
    items = reading.known_items(KNOWN)
    order = diagnose.orders(items.item_id, items.class_id)["id"]
    return sources.Items(KNOWN, items.item_id[order], items.class_id[order], 16)


def columns_of(items: sources.Items, rng, topk: bool = True) -> dict:
    """What a model that is right for 80 % answers, as the columns of a file; confidences that float16 holds exactly."""
    size = len(items.label)
    pred = np.where(rng.random(size) < 0.8, items.label, rng.integers(0, items.n_classes, size))
    columns = {
        "item_id": items.item_id,
        "label": items.label,
        "pred": pred,
        "confidence": rng.integers(0, 65, size) / 64,
    }
    if topk:
        others = [(pred + step) % items.n_classes for step in rng.permutation(np.arange(1, items.n_classes))[:4]]
        columns["topk"] = np.column_stack([pred, *others])
    return columns


def published(items: sources.Items, columns: dict) -> dict:
    """What a reader of published files makes of the columns."""
    found = sources.checked(items, model="m", where="a.csv", **({"pred": None} | columns))
    return {name: getattr(found, name) for name in ("item_id", "label", "pred", "right", "confidence", "top5")}


def own(items: sources.Items, columns: dict) -> dict:
    """What a report on a user's own file makes of the columns, in the order of the items."""
    found = reading.answers(forms.read(dict(columns)), dataset=items.dataset)
    order = pd.Index(found.item_id).get_indexer(items.item_id)
    assert (order >= 0).all() and len(found.item_id) == len(order)
    by_item = {name: getattr(found, name) for name in ("item_id", "label", "pred", "right", "confidence", "top5")}
    in_order = {name: None if values is None else values[order] for name, values in by_item.items()}
    return in_order | {"n": found.n, "k": found.k, "classes": found.classes["class_id"].to_numpy()}


def assert_no_other_numbers(found: dict, expected: dict) -> None:
    """Whatever is there is what it was; what is unknown (None) may be missing."""
    for name, values in expected.items():
        if found[name] is not None and values is not None:
            np.testing.assert_array_equal(found[name], values, err_msg=name)
            assert found[name].dtype == values.dtype, name
        assert found[name] is None or values is not None, f"{name} from nowhere"


DOORS = {"published": (lambda: MADE, published), "own": (known, own)}


@cache
def base(door: str, number: int, topk: bool = True) -> tuple[sources.Items, dict, dict]:
    """The items, one of a few files on them, and what is read from it."""
    items, read = DOORS[door]
    columns = columns_of(items(), np.random.default_rng(number), topk)
    return items(), columns, read(items(), columns)


# ---- Order, shards, names, sums --------------------------------------------------------------------------------------


@PROPERTY
@given(st.integers(0, 19), SEEDS)
def test_rows_in_any_order_are_the_same_answers(shipped, number, seed):
    for door, (_, read) in DOORS.items():
        items, columns, expected = base(door, number)
        order = np.random.default_rng(seed).permutation(len(items.label))
        moved = read(items, {name: values[order] for name, values in columns.items()})
        assert_no_other_numbers(moved, expected)
        assert all(values is not None for values in moved.values())


def table_of(rng, size: int, k: int) -> store.Table:
    label = rng.integers(-1, 8, size).astype(np.int32)
    rank = np.where(label < 0, -1, rng.integers(-1, 8, size)).astype(np.int32)
    confidence = np.where(rng.random(size) < 0.1, np.nan, rng.random(size)).astype(np.float32)
    item_id = np.array([f"i{number}" for number in range(size)], dtype=object)
    top5 = rng.integers(-1, 8, (size, k)).astype(np.int32) if k else None
    return store.Table(item_id, label, rng.integers(0, 8, size).astype(np.int32), confidence, rank, top5)


@PROPERTY
@given(SEEDS, st.lists(st.integers(0, 40), max_size=2), st.integers(0, 5))
def test_shards_merged_are_the_whole(here, seed, cuts, k):
    rng, recipe = np.random.default_rng(seed), {"dataset": "d", "seed": 0}
    whole = table_of(rng, int(rng.integers(1, 41)), k)
    ends = [0, *sorted(min(cut, len(whole)) for cut in cuts), len(whole)]
    shards = [whole.take(slice(low, high)) for low, high in pairwise(ends)]
    once, parts = emptied(here / "once"), emptied(here / "parts")
    blocks = [f"{number:08x}" for number in range(len(shards))]
    for number in rng.permutation(len(shards)):
        store.put_part(recipe, blocks[number], shards[number], folder=parts)
    expected, found = store.put(recipe, whole, folder=once), store.join(recipe, blocks, folder=parts)
    assert found.path.read_bytes() == expected.path.read_bytes()

    def counted(table):
        inside = table.label >= 0
        found = {"label": table.label[inside], "pred": table.pred[inside], "n_classes": 8}
        pairs = accuracy.confusions(**found)
        square = np.zeros((8, 8), dtype=np.int64)
        square[pairs.label, pairs.pred] = pairs.count
        return (*accuracy.class_counts(**found), square)

    for merged, total in zip(map(sum, zip(*map(counted, shards), strict=True)), counted(whole), strict=True):
        np.testing.assert_array_equal(merged, total)


@PROPERTY
@given(SEEDS)
def test_classes_and_their_list_renumbered_together_change_nothing_alone_are_refused(shipped, seed):
    rng, items = np.random.default_rng(seed), known()
    columns, moved = columns_of(items, rng), rng.permutation(16)
    if (moved == np.arange(16)).all():
        moved = moved[::-1].copy()
    listed = classes.table("ood16")["name"].to_numpy(dtype=object)
    renamed = np.empty_like(listed)
    renamed[moved] = listed

    def read(columns, names):
        raw = forms.Raw("a.parquet", names=tuple(names), **columns)
        return reading.answers(raw, dataset=KNOWN)

    renumbered = columns | {name: moved[columns[name]] for name in ("label", "pred", "topk")}
    expected, found = read(columns, listed), read(renumbered, renamed)
    for name in ("label", "pred", "right", "top5", "n", "k"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    with pytest.raises(InputError):
        read(*((renumbered, listed) if seed % 2 else (columns, renamed)))
    # Where a file does not name its classes: those of the labels, or of the answers, renumbered alone.
    columns, around = columns_of(MADE, rng, topk=False), rng.permutation(CLASSES)
    moved = np.empty(CLASSES, dtype=np.int64)
    moved[around] = np.roll(around, 1)  # one cycle: no class keeps its number
    together = sources.Items("made", MADE.item_id, moved[MADE.label], CLASSES)
    renumbered = columns | {name: moved[columns[name]] for name in ("label", "pred")}
    np.testing.assert_array_equal(published(together, renumbered)["right"], published(MADE, columns)["right"])
    for name in ("label", "pred"):
        with pytest.raises(IntegrityError):
            published(MADE, columns | {name: renumbered[name]})


@PROPERTY
@given(SEEDS, st.integers(1, 60), st.integers(1, 9))
def test_counts_of_classes_add_up(seed, size, classes):
    rng = np.random.default_rng(seed)
    label, pred = rng.integers(-1, classes, (2, size))
    confidence = rng.random(size) if rng.random() < 0.5 else None
    top5 = (label == pred) | (rng.random(size) < 0.2) if rng.random() < 0.5 else None
    ids = np.array([f"i{number}" for number in range(size)], dtype=object)
    gathered = rows.Rows(lambda: None)
    gathered.add(sources.Predictions("own:d", "a/b", ids, label, pred, classes, confidence, top5))
    counts, confusions = gathered.counts_frame(), gathered.confusions_frame()
    inside = label >= 0
    assert counts["n"].sum() == inside.sum() and len(counts) == classes
    assert counts["correct"].sum() == (inside & (label == pred)).sum()
    assert counts["predicted"].sum() == (inside & (pred >= 0)).sum()
    if top5 is not None:
        assert counts["correct_top5"].sum() == (inside & top5).sum()
    if confidence is not None:
        assert counts["confidence_sum"].sum() == pytest.approx(confidence[inside].sum())
    wrong = confusions[confusions["label"] >= 0].groupby("label")["count"].sum().reindex(range(classes), fill_value=0)
    unanswered = np.bincount(label[inside & (pred < 0)], minlength=classes)
    assert (counts["n"] == counts["correct"] + wrong.to_numpy() + unanswered).all()
    assert confusions[confusions["label"] < 0]["count"].sum() == (~inside & (pred >= 0)).sum()


# ---- What is written comes back --------------------------------------------------------------------------------------

NAMES = ["own:d", "a,b", 'say "x"', "é", "NA", "null", "07", "1e5", " ", "a\u2028b", "x\ny", "-"]


def made_frame(kind: str, rng) -> pd.DataFrame:
    """A few rows of a table, of the data set own:d where it is read by data set."""
    models = rng.choice(NAMES, int(rng.integers(1, 4)), replace=False)
    if kind == "correct":
        ids = rng.choice([*NAMES, *map(str, range(20))], int(rng.integers(1, 12)), replace=False)
        frame = pd.DataFrame({"dataset": "own:d", "item_id": ids, "class_id": rng.integers(0, 9, len(ids))})
        answers = {f"m/{place}": rng.random(len(ids)) < 0.6 for place in range(len(models))}
        return frame.assign(**answers).astype(dict.fromkeys(answers, "boolean"))
    if kind == "class_counts":
        keys = pd.MultiIndex.from_product([models, range(6)], names=["model", "class_id"]).to_frame(index=False)
        keys = keys[rng.random(len(keys)) < 0.8]
        n = rng.integers(0, 30, len(keys))
        frame = keys.assign(dataset="own:d", labels="original", n=n, correct=rng.binomial(n, 0.7))
        frame = frame.assign(
            correct_top5=rng.binomial(n, 0.9), predicted=rng.integers(0, 30, len(keys)), accuracy=np.nan
        )
        sums = {name: n * rng.random(len(keys)) for name in rows.SUM_COLUMNS}
        return frame.assign(**sums).reindex(columns=tables.COUNTS.names).astype(rows.KINDS)
    if kind == "confusions":
        pairs = [(label, pred) for label in range(-1, 6) for pred in range(6) if label != pred]
        keys = pd.DataFrame([(model, *pair) for model in models for pair in pairs], columns=["model", "label", "pred"])
        keys = keys[rng.random(len(keys)) < 0.3]
        return keys.assign(dataset="own:d", count=rng.integers(1, 9, len(keys)))
    size = int(rng.integers(1, 20))
    ids = [f"{place}.png" for place in range(size)]
    label, pred = rng.integers(-1, 5, (2, size))
    rank = np.where(label == pred, 0, rng.integers(0, 5, size))
    confidence = np.where(rng.random(size) < 0.2, np.nan, rng.random(size)).astype(np.float32)
    found = pd.DataFrame({"dataset": "own:d", "model": models[0], "item_id": ids, "label": label, "pred": pred})
    hidden = (label < 0) | (rng.random(size) < 0.2)
    return found.assign(confidence=confidence, label_rank=pd.arrays.IntegerArray(rank.astype(np.int16), mask=hidden))


def place_of(kind: str) -> Path:
    return paths.data() / {"correct": "correct/own.parquet"}.get(kind, f"{kind}.parquet")


def write_table(frame: pd.DataFrame, kind: str) -> None:
    write = {
        "class_counts": tables.write_counts,
        "confusions": tables.write_confusions,
        "correct": tables.write_correct,
    }
    if kind == "predictions":
        tables.write_predictions(frame, place_of(kind), made={"by": "é"})
    else:
        write[kind](frame, place_of(kind))


def read_table(kind: str) -> pd.DataFrame:
    if kind == "correct":
        found = tables.correct("own:d")
        head = pd.DataFrame({"dataset": "own:d", "item_id": found.item_id, "class_id": found.class_id})
        return head.assign(**dict(zip(found.models, found.right, strict=True)))
    if kind == "predictions":
        return tables.read_predictions_file(place_of(kind))
    return tables.read_counts(labels=None) if kind == "class_counts" else tables.read_confusions()


def cells(frame: pd.DataFrame, kind: str) -> dict:
    """(key of a row, column) -> value, for every cell that has one."""
    key = list(zip(*(frame[name].astype(str) for name in tables.KEYS[kind]), strict=True))
    found = {(row, ""): True for row in key}
    for name in frame.columns.difference(tables.KEYS[kind]):
        values = frame[name].tolist()
        found |= {(row, name): value for row, value in zip(key, values, strict=True) if not pd.isna(value)}
    assert len({row for row, _ in found}) == len(frame)
    return found


KINDS = ("class_counts", "confusions", "correct", "predictions")


@PROPERTY
@given(st.sampled_from(KINDS), SEEDS)
def test_a_table_comes_back_as_it_was_written(here, kind, seed):
    rng = np.random.default_rng(seed)
    frame = made_frame(kind, rng)
    if len(frame):
        emptied(paths.data())
        write_table(frame.iloc[rng.permutation(len(frame))], kind)
        expected = cells(frame, kind)
        found = cells(read_table(kind), kind)
        known = (frame["n"] > 0).sum() if kind == "class_counts" else 0
        assert expected.items() <= found.items() and len(found) == len(expected) + known  # the writer adds accuracies


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=6) | st.sampled_from(NAMES)
CELL = {
    str: TEXT,
    int: st.integers(-(10**17), 10**17),
    float: st.floats(allow_nan=True, allow_infinity=False),
    bool: st.booleans(),
}


@st.composite
def csv_tables(draw):
    name = draw(of(tables.CSV))
    columns = tables.CSV[name]
    key = [list(columns).index(column) for column in tables.KEYS[name]]
    row = st.tuples(
        *(
            TEXT.filter(bool) if kind is str and place in key else CELL[kind]
            for place, kind in enumerate(columns.values())
        )
    )
    found = draw(st.lists(row, min_size=1, max_size=2, unique_by=lambda row: tuple(row[place] for place in key)))
    return name, pd.DataFrame(found, columns=list(columns))


@PROPERTY
@given(csv_tables(), st.sampled_from(["", "", "", "\r", "\0"]))
def test_a_csv_table_comes_back_as_it_was_written(here, made, unwritable):
    name, frame = made
    path = emptied(paths.data()) / f"{name}.csv"
    if unwritable:
        texts = [column for column, kind in tables.CSV[name].items() if kind is str]
        with pytest.raises(IntegrityError, match="a text holds"):
            tables.write_csv(frame.assign(**{texts[-1]: frame[texts[-1]] + unwritable}), name)
        assert not path.exists()
        return
    tables.write_csv(frame, name)
    first, found = path.read_bytes(), tables.read_csv(name)
    expected = frame.sort_values(tables.KEYS[name], kind="stable")
    for column in tables.CSV[name]:
        pairs = zip(found[column], expected[column], strict=True)
        assert all(one == other or (one != one and other != other) for one, other in pairs), column
    tables.write_csv(found, name)
    assert path.read_bytes() == first


@PROPERTY
@given(SEEDS, st.integers(0, 5))
def test_answers_shown_as_csv_are_read_as_they_were(here, seed, k):
    rng = np.random.default_rng(seed)
    table = table_of(rng, int(rng.integers(1, 30)), k)
    table = store.Table(table.item_id, table.pred, table.pred, table.confidence, table.label_rank * 0, table.top5)
    (here / "a.csv").write_text(store.as_csv(table), encoding="utf-8")
    if k and (table.top5 < 0).any():
        table.top5[table.top5 < 0] = 0
        (here / "a.csv").write_text(store.as_csv(table), encoding="utf-8")
    if np.isnan(table.confidence).any() and not np.isnan(table.confidence).all():
        with pytest.raises(InputError, match="confidence missing"):
            forms.read(here / "a.csv")
        return
    found = forms.read(here / "a.csv")
    assert found.item_id.tolist() == table.item_id.tolist()
    assert found.pred.tolist() == table.pred.tolist() and found.label.tolist() == table.label.tolist()
    if found.confidence is not None:
        assert found.confidence.astype(np.float32).tolist() == table.confidence.tolist()
    assert (found.topk is None) == (table.top5 is None) and (not k or found.topk.tolist() == table.top5.tolist())


# ---- Mutations of predictions (E) ------------------------------------------------------------------------------------

ALL = ("item_id", "label", "pred", "confidence", "topk")
NUMBERS = ("label", "pred", "topk")


def on(names, change):
    """A mutation of some columns that are there; `change` meets the same random numbers in each of them."""

    def mutate(columns: dict, seed: int) -> dict:
        fresh = {name: np.random.default_rng(seed) for name in names if name in columns}
        return columns | {name: change(columns[name].copy(), rng) for name, rng in fresh.items()}

    return mutate


def on_one(names, change):
    """A mutation of one of some columns."""
    return lambda columns, seed: on([n for n in names if n in columns][seed % len(names) :][:1], change)(columns, seed)


def without(name):
    return lambda columns, seed: {other: values for other, values in columns.items() if other != name}


def setting(*values, kind=None):
    """Sets one value, at any place, to one of these."""

    def change(column, rng):
        column = column.astype(kind) if kind else column
        column[rng.integers(len(column))] = values[rng.integers(len(values))]
        return column

    return change


def put_in(values, row, rng):
    """A row put in at any place, the last one dropped: what stands behind it is one row late."""
    at = rng.integers(len(values) - 1)
    return np.concatenate([values[:at], row, values[at:-1]])


def by_text(values):
    return np.array(sorted(range(int(values.max()) + 1), key=str))


def exchanged(values, rng):
    one, other = rng.choice(16, 2, replace=False)
    return np.where(values == one, other, np.where(values == other, one, values))


MUTATIONS = {
    "a row less": on(ALL, lambda v, rng: np.delete(v, rng.integers(len(v)), axis=0)),
    "a row twice": on(ALL, lambda v, rng: np.concatenate([v, v[[rng.integers(len(v))]]])),
    "a row more": on(ALL, lambda v, rng: np.concatenate([v, ["new"] if v.dtype == object else v[:1]])),
    "no rows": on(ALL, lambda v, rng: v[:0]),
    "rows in another order": on(ALL, lambda v, rng: v[rng.permutation(len(v))]),
    "rows late": on(ALL[1:], lambda v, rng: put_in(v, v[:1], rng)),
    "rows early": on(ALL[1:], lambda v, rng: put_in(v[::-1], v[-1:], rng)[::-1]),
    "an id twice": on(["item_id"], lambda v, rng: np.append(v[1:], v[1])),
    "an id that is none": on(["item_id"], setting("item-x", None, "", "\x1b[2J")),
    "ids shifted": on(["item_id"], lambda v, rng: np.roll(v, rng.integers(1, len(v)))),
    "ids in another order": on(["item_id"], lambda v, rng: rng.permutation(v)),
    "ids as numbers": on(["item_id"], lambda v, rng: np.arange(len(v))),
    "ids as fractions": on(["item_id"], lambda v, rng: np.arange(len(v), dtype=np.float32)),
    "ids as bytes": on(["item_id"], lambda v, rng: v.astype("S")),
    "ids in two columns": on(["item_id"], lambda v, rng: np.column_stack([v, v])),
    "labels off by one": on(["label"], lambda v, rng: v + rng.choice([-1, 1])),
    "a label off by one": on(
        ["label"], lambda v, rng: v + rng.choice([-1, 1]) * (np.arange(len(v)) == rng.integers(len(v)))
    ),
    "answers off by one": on(["pred", "topk"], lambda v, rng: v + rng.choice([-1, 1])),
    "classes from one": on(NUMBERS, lambda v, rng: v + 1),
    "answers by a sorted list": on(["pred", "topk"], lambda v, rng: np.argsort(by_text(v))[v]),
    "classes by a sorted list": on(NUMBERS, lambda v, rng: by_text(v)[v]),
    "two classes exchanged": on(NUMBERS, exchanged),
    "no class": on_one(NUMBERS, setting(CLASSES, 1000, 2**40, -2, -(2**40))),
    "no answer": on(["pred"], setting(-1)),
    "no number as a class": on_one(NUMBERS[:2], setting(np.nan, np.inf, 0.5, 1e300, kind=float)),
    "nothing as a class": on_one(NUMBERS[:2], setting(None, "", "x", kind=object)),
    "classes as fractions": on(NUMBERS, lambda v, rng: v.astype(np.float32)),
    "classes as text": on(NUMBERS, lambda v, rng: v.astype(str)),
    "classes as objects": on(NUMBERS, lambda v, rng: v.astype(object)),
    "classes as booleans": on(NUMBERS, lambda v, rng: v.astype(bool)),
    "narrow classes": on(NUMBERS, lambda v, rng: v.astype(rng.choice(["i1", "u1", "<i2", ">i4"]))),
    "in Fortran order": on(NUMBERS, lambda v, rng: np.asfortranarray(v)),
    "a column as a matrix": on_one(ALL, lambda v, rng: v[:, None]),
    "a column as a row": on_one(ALL, lambda v, rng: v[None]),
    "a column cut": on_one(ALL, lambda v, rng: v[:-1]),
    "no confidence": on(["confidence"], setting(np.nan, np.inf, -np.inf, -0.1, 1.1)),
    "confidences in per cent": on(["confidence"], lambda v, rng: v * 100),
    "confidences as text": on(["confidence"], lambda v, rng: v.astype(str)),
    "narrow confidences": on(["confidence"], lambda v, rng: v.astype(np.float16)),
    "best last": on(["topk"], lambda v, rng: v[:, ::-1]),
    "the best four": on(["topk"], lambda v, rng: v[:, :4]),
    "six of the best five": on(["topk"], lambda v, rng: np.column_stack([v, v[:, 0]])),
    "the best five in one column": on(["topk"], lambda v, rng: v.ravel()),
    **{f"without {name}": without(name) for name in ALL},
}


@pytest.mark.parametrize("door", DOORS)
@PROPERTY
@given(of(MUTATIONS), st.integers(0, 19), SEEDS, st.booleans())
def test_a_mutated_prediction_file_is_refused_or_harmless(shipped, door, mutation, number, seed, topk):
    items, columns, expected = base(door, number, topk)
    try:
        found = DOORS[door][1](items, MUTATIONS[mutation](columns, seed))
    except AnalysisError as fault:
        assert fault.code in (3, 4) and "\n" not in str(fault)
        return
    assert_no_other_numbers(found, expected)


# ---- Mutations of tables (F) -----------------------------------------------------------------------------------------


def with_cell(table: pa.Table, rng, names, *values) -> pa.Table:
    """One cell of one of some columns is one of these values."""
    names = [name for name in names if name in table.column_names]
    if not names:
        return table
    place = table.schema.get_field_index(names[rng.integers(len(names))])
    column = table[place].to_pylist()
    column[rng.integers(len(column))] = values[rng.integers(len(values))]
    return table.set_column(place, table.schema.field(place), pa.array(column, table.schema.field(place).type))


def of_type(table: pa.Table, test) -> list[str]:
    return [field.name for field in table.schema if test(field.type)]


def cast(table: pa.Table, rng) -> pa.Table:
    place = int(rng.integers(table.num_columns))
    kinds = [pa.int8(), pa.int32(), pa.int64(), pa.float32(), pa.float64(), pa.string(), pa.large_string()]
    kind, column = kinds[rng.integers(len(kinds))], table[place]
    try:
        column = (column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column).cast(kind)
    except pa.ArrowException:
        column = pa.nulls(len(table), kind)
    return table.set_column(place, table.column_names[place], column)


def renamed(table: pa.Table, rng) -> pa.Table:
    names = table.column_names
    names[rng.integers(len(names))] = "x"
    return table.rename_columns(names)


def swapped(table: pa.Table, rng) -> pa.Table:
    """Two columns, or their names alone, change places."""
    names = table.column_names
    one, other = rng.choice(len(names), 2, replace=False)
    names[one], names[other] = names[other], names[one]
    return table.select(names) if rng.random() < 0.5 else table.rename_columns(names)


def described(table: pa.Table, rng) -> pa.Table:
    right = table.schema.metadata[b"analysis"]
    odd = [right.replace(b'"version": 1', b'"version": ' + one) for one in (b"2", b"1e999", b"[]", b"null")]
    odd += [b"", b"[1]", b"{}", b"null", b'{"table": "crs", "version": 1}', b"[" * 9999, None]
    text = odd[rng.integers(len(odd))]
    return table.replace_schema_metadata(None if text is None else {"analysis": text})


TABLE_MUTATIONS = {
    "a column missing": lambda t, rng: t.drop_columns([str(rng.choice(t.column_names))]),
    "a column more": lambda t, rng: t.append_column("extra", pa.array(range(len(t)))),
    "a column more in front": lambda t, rng: t.add_column(0, "extra", pa.array(range(len(t)))),
    "a column renamed": renamed,
    "two columns exchanged": swapped,
    "a column of another type": cast,
    "a row twice": lambda t, rng: pa.concat_tables([t, t.slice(rng.integers(len(t)), 1)]),
    "rows in another order": lambda t, rng: t.take(rng.permutation(len(t))),
    "a value missing": lambda t, rng: with_cell(t, rng, t.column_names, None),
    "negative": lambda t, rng: with_cell(t, rng, of_type(t, pa.types.is_integer), -2, -300),
    "no number": lambda t, rng: with_cell(t, rng, of_type(t, pa.types.is_floating), np.nan, np.inf, -np.inf, -0.5, 1e9),
    "more right than there are": lambda t, rng: with_cell(t, rng, ["correct", "correct_top5"], 10**6),
    "other metadata": described,
}


@cache
def written(kind: str, number: int) -> tuple[pa.Table, dict]:
    """One of a few tables as it lies on disk, and the cells that are read from it."""
    rng = np.random.default_rng(number)
    frame = made_frame(kind, rng)
    while len(frame) < 3:
        frame = made_frame(kind, rng)
    emptied(paths.data())
    write_table(frame, kind)
    return pq.read_table(place_of(kind)), cells(read_table(kind), kind)


@PROPERTY
@given(st.sampled_from(KINDS), st.integers(0, 9), of(TABLE_MUTATIONS), SEEDS)
def test_a_mutated_table_is_refused_or_harmless(here, kind, number, mutation, seed):
    table, expected = written(kind, number)
    place_of(kind).parent.mkdir(parents=True, exist_ok=True)
    table = TABLE_MUTATIONS[mutation](table, np.random.default_rng(seed))
    pq.write_table(table, place_of(kind), write_page_checksum=True)
    try:
        found = cells(read_table(kind), kind)
    except AnalysisError as fault:
        assert fault.code in (3, 4) and "\n" not in str(fault)
        return
    assert {row for row, _ in found} == {row for row, _ in expected}
    names = {name for _, name in expected}
    assert {cell: value for cell, value in found.items() if cell[1] in names}.items() <= expected.items()


def moved(row: list, to: int) -> list:
    return row[to:] + row[:to]


def at_one(rows: list, at: int, change) -> list:
    return [change(row) if place == at else row for place, row in enumerate(rows)]


ODD_CELLS = ("", "nan", "inf", "1e999", "1.0", "0x1", "1_0", " 1", "１", "+1")
CSV_MUTATIONS = {  # of the rows, the first of which are the names; at any row and column
    "a column missing": lambda rows, at, column: [row[:column] + row[column + 1 :] for row in rows],
    "a column more": lambda rows, at, column: [[*row, "1"] for row in rows],
    "a column renamed": lambda rows, at, column: at_one(rows, 0, lambda row: at_one(row, column, lambda name: "x")),
    "columns in another order": lambda rows, at, column: [moved(row, 1) for row in rows],
    "names in another order": lambda rows, at, column: at_one(rows, 0, lambda row: moved(row, 1)),
    "a field more": lambda rows, at, column: at_one(rows, at, lambda row: [*row, "1"]),
    "a field less": lambda rows, at, column: at_one(rows, at, lambda row: row[:-1]),
    "a row twice": lambda rows, at, column: [*rows, rows[-1]],
    "rows in another order": lambda rows, at, column: [rows[0], *rows[:0:-1]],
    "the names twice": lambda rows, at, column: [rows[0], *rows],
    "no names": lambda rows, at, column: rows[1:],
    "nothing": lambda rows, at, column: [],
}


def csv_frame(name: str, rng) -> pd.DataFrame:
    """A few rows of a CSV table, with names that mislead and another key in each."""
    made = {str: lambda: rng.choice(NAMES, 4, replace=False), int: lambda: rng.permutation(4) * 1000}
    made[float] = lambda: np.where(rng.random(4) < 0.3, np.nan, rng.normal(size=4))
    made[bool] = lambda: rng.random(4) < 0.5
    return pd.DataFrame({column: made[kind]() for column, kind in tables.CSV[name].items()})


@cache
def csv_written(name: str, number: int) -> tuple[pd.DataFrame, list]:
    """One of a few CSV tables as it is read, and its rows as text."""
    path = emptied(paths.data()) / f"{name}.csv"
    tables.write_csv(csv_frame(name, np.random.default_rng(number)), name)
    return tables.read_csv(name), files.csv_rows(path)


@PROPERTY
@given(of(tables.CSV), st.integers(0, 9), of(CSV_MUTATIONS) | st.sampled_from(ODD_CELLS).map(lambda one: [one]), SEEDS)
def test_a_mutated_csv_table_is_refused_or_harmless(here, name, number, mutation, seed):
    rng, path = np.random.default_rng(seed), paths.data() / f"{name}.csv"
    path.parent.mkdir(exist_ok=True)
    expected, rows = csv_written(name, number)
    at, column = int(rng.integers(1, len(rows))), int(rng.integers(len(rows[0])))
    if isinstance(mutation, list):
        rows = at_one(rows, at, lambda row: at_one(row, column, lambda _: mutation[0]))
    else:
        rows = CSV_MUTATIONS[mutation](rows, at, column)
    with open(path, "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    try:
        found = tables.read_csv(name)
    except IntegrityError as fault:
        assert "\n" not in str(fault)
        return
    if isinstance(mutation, list):  # the cell is that text, or the number that it spells, or missing
        spelt = mutation[0] if tables.CSV[name][found.columns[column]] is str else float(mutation[0] or "nan")
        expected = expected.astype({found.columns[column]: found.dtypes.iloc[column]})
        expected.iloc[at - 1, column] = spelt
    assert cells(found, name) == cells(expected, name)


# ---- Listings and intervals ------------------------------------------------------------------------------------------


class Listing(contextlib.closing):
    """What os.scandir gives, in another order."""

    def __init__(self, entries):
        super().__init__(self)
        self.entries = iter(entries)

    def __iter__(self):
        return self.entries

    def __next__(self):
        return next(self.entries)

    def close(self):
        pass


LITTER = ("Thumbs.db", ".DS_Store", "README.md", "._a.JPEG", "a.JPEG.part", "notes")


@PROPERTY
@given(
    st.dictionaries(
        st.sampled_from(["cat", "dog", "Dog", "10", "9", "2", "é", "n01440764"]), st.integers(0, 3), max_size=6
    ),
    st.lists(st.sampled_from(LITTER), max_size=3),
    SEEDS,
)
def test_classes_do_not_depend_on_the_order_of_a_listing(shipped, folders, litter, seed):
    rng, root = random.Random(seed), emptied(shipped / "set")
    listed = [
        (name, number)
        for number, name in enumerate(rng.sample(sorted({*folders, "cat", "bird"}), len({*folders, "cat", "bird"})))
    ]
    for name, count in folders.items():
        (root / name).mkdir(exist_ok=True)
        for number in range(count):
            (root / name / f"{number}.png").write_bytes(b"x")
    for name in litter:
        (root / rng.choice(["", *folders]) / name).write_bytes(b"x")

    def survey(rows):
        text = "".join(f"{name},{number}\n" for name, number in rows)
        (root / "classes.csv").write_text("folder,class_id\n" + text, encoding="utf-8")
        (found,) = layouts.survey("own:x", root)
        return found

    def told(found):
        by_item = dict(zip(found.items.item_id.tolist(), found.items.label.tolist(), strict=True))
        return by_item, found.items.refs, sorted(found.wrong), sorted(found.missing), sorted(found.ignored)

    expected = told(survey(listed))
    scandir, listdir = os.scandir, os.listdir
    with pytest.MonkeyPatch.context() as patch:

        def shuffled(path="."):
            with scandir(path) as entries:
                found = list(entries)
            return Listing(rng.sample(found, len(found)))

        patch.setattr(os, "scandir", shuffled)
        patch.setattr(os, "listdir", lambda path=".": rng.sample(names := listdir(path), len(names)))
        assert told(survey(rng.sample(listed, len(listed)))) == expected
    number_of = dict(listed)
    assert all(number_of[item.split("/")[0]] == label for item, label in expected[0].items())


@PROPERTY
@given(st.integers(0, 10**6), st.integers(0, 10**6), st.lists(st.floats(1e-6, 0.9), min_size=2, max_size=2))
def test_an_interval_holds_its_estimate_and_grows_with_its_coverage(one, other, alphas):
    k, n = sorted((one, other))
    for interval in (accuracy.wilson, accuracy.clopper, accuracy.jeffreys):
        wide, narrow = (interval(k, n, alpha) for alpha in sorted(alphas))
        if n == 0:
            assert np.isnan([*wide, *narrow]).all()
            continue
        room = 1e-12
        assert 0 <= wide[0] <= narrow[0] + room and narrow[1] - room <= wide[1] <= 1
        if interval is not accuracy.jeffreys or max(alphas) < 0.3:  # a narrow posterior need not hold the raw share
            assert narrow[0] <= k / n <= narrow[1]
        if k < n:  # one more right answer moves both ends up
            more = interval(k + 1, n, alphas[0])
            here = interval(k, n, alphas[0])
            assert more[0] >= here[0] - room and more[1] >= here[1] - room
