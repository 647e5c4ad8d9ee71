"""The store gives what was put or nothing: after damage, exchange, kills, a full disk, two writers."""

import csv
import errno
import io
import json
import os
import random
import shutil
import subprocess
import sys
import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis import cli, files, prediction_file, seal, store
from analysis.errors import InputError, IntegrityError, ResourceError, UsageError, guarded

RECIPE = {
    "kind": "image",
    "dataset": "tiny-imagenet",
    "model": {"id": "timm/net", "weights": "ab" * 32},
    "items": "cd" * 32,
    "numerics": {"precision": "fp32"},
}
BLOCKS = ["aaaaaaaa", "bbbbbbbb", "cccccccc"]
OLD = (time.time() - 7200, time.time() - 7200)


def _table(n=60, seed=0, k=5, start=0):
    rng = np.random.default_rng(seed)
    label = rng.integers(-1, 10, n).astype(np.int32)
    rank = np.where(label < 0, -1, rng.integers(-1, 10, n)).astype(np.int32)
    confidence = np.where(rng.random(n) < 0.1, np.nan, rng.random(n)).astype(np.float32)
    item_id = np.array([f"n{start + i:05d}.JPEG" for i in range(n)], dtype=object)
    top5 = rng.integers(-1, 10, (n, k)).astype(np.int32) if k else None
    return store.Table(item_id, label, rng.integers(-1, 10, n).astype(np.int32), confidence, rank, top5)


def _equal(one: store.Table, other: store.Table) -> bool:
    for name in prediction_file.COLUMNS:
        left, right = getattr(one, name), getattr(other, name)
        if (left is None) != (right is None):
            return False
        if left is not None and (
            left.dtype != right.dtype or not np.array_equal(left, right, equal_nan=left.dtype.kind == "f")
        ):
            return False
    return True


def _bytes(folder) -> dict:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _set_aside(folder) -> list:
    return sorted(path.name for path in folder.rglob("*.bad-*"))


# Round trips


def test_what_is_put_is_found_by_its_recipe_alone(tmp_path):
    assert store.get(RECIPE, folder=tmp_path) is None
    put = store.put(RECIPE, _table(), about={"seconds": 3.5, "machine": "x"}, folder=tmp_path)
    got = store.get(dict(reversed(RECIPE.items())), folder=tmp_path)
    assert _equal(got.table(), _table()) and got.key == put.key == store.key(RECIPE) and got.n_items == 60
    assert got.about == {"seconds": 3.5, "machine": "x"} and got.recipe == RECIPE and got.features() == {}
    assert (got.model, got.dataset, got.precision) == ("timm/net", "tiny-imagenet", "fp32")
    table = _table()
    known = table.label >= 0
    assert got.top1 == (table.pred == table.label)[known].mean()
    assert store.get(RECIPE | {"items": "other"}, folder=tmp_path) is None


def test_the_same_table_gives_the_same_bytes_whatever_is_known_about_it(tmp_path):
    for name, about in (("a", {}), ("b", {"machine": "another"})):
        store.put(RECIPE, _table(), about=about, folder=tmp_path / name)
    one, other = ({k: v for k, v in _bytes(tmp_path / name).items() if k.endswith(".parquet")} for name in "ab")
    assert one == other and len(one) == 1


def test_a_text_classifier_is_named_with_its_seed(tmp_path):
    recipe = {"kind": "text", "dataset": "banking77", "classifier": {"id": "tfidf-svm", "C": 1.0}, "seed": 3}
    entry = store.put(recipe, _table(k=0), folder=tmp_path)
    assert entry.model == "tfidf-svm-3" and store.get(recipe, folder=tmp_path).table().top5 is None


integers = st.integers(-1, 2**31 - 1)


@st.composite
def tables(draw):
    item_id = draw(st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=8), unique=True, max_size=12))
    n, k = len(item_id), draw(st.integers(0, 5))
    label = np.array(draw(st.lists(integers, min_size=n, max_size=n)), dtype=np.int32)
    pred = np.array(draw(st.lists(integers, min_size=n, max_size=n)), dtype=np.int64)
    rank = np.where(label < 0, -1, np.array(draw(st.lists(integers, min_size=n, max_size=n)), dtype=np.int32))
    floats = st.floats(0, 1, width=32) | st.just(float("nan"))
    confidence = np.array(draw(st.lists(floats, min_size=n, max_size=n)), dtype=np.float32)
    top5 = np.array(draw(st.lists(integers, min_size=n * k, max_size=n * k)), dtype=np.int32).reshape(n, k)
    return store.Table(np.array(item_id, dtype=object), label, pred, confidence, rank, top5 if k and n else None)


@settings(max_examples=80, deadline=None)
@given(tables())
def test_any_table_comes_back_as_it_was(table):
    content = prediction_file.encode(prediction_file.checked(table), {"key": "k"})
    read, meta = prediction_file.decode(content, "k", None)
    assert _equal(read, prediction_file.checked(table)) and meta["key"] == "k"
    assert prediction_file.encode(read, {"key": "k"}) == content


@pytest.mark.parametrize(
    "change",
    [
        {"item_id": np.array(["a", "b", "a"], dtype=object)},
        {"item_id": np.array(["a", "b", ""], dtype=object)},
        {"item_id": np.array(["a", "b", None], dtype=object)},
        {"item_id": np.array(["a", "b", "\ud800"], dtype=object)},
        {"item_id": np.array([1, 2, 3])},
        {"item_id": np.array("a", dtype=object)},
        {"label": np.array([0, 1])},
        {"label": np.array([0, 1, -2])},
        {"label": np.array([0.0, 1.0, 2.0])},
        {"label": np.array([0, -1, 0])},  # but a rank is given
        {"pred": np.array([0, 1, 2**31])},
        {"pred": np.array([[0], [1], [2]])},
        {"label_rank": np.array([0, 1, -2])},
        {"confidence": np.array([0, 1, 1.5])},
        {"confidence": np.array([0, 1, -0.1])},
        {"confidence": np.array([0, 1, np.inf])},
        {"confidence": np.array([0, 1, 1])},
        {"confidence": np.array([0.5, 0.5])},
        {"top5": np.zeros((3, 6), int)},
        {"top5": np.zeros((2, 5), int)},
        {"top5": np.full((3, 5), -2)},
    ],
)
def test_a_table_that_breaks_a_rule_is_refused_and_nothing_is_written(tmp_path, change):
    good = {"item_id": np.array(["a", "b", "c"], dtype=object), "label": np.array([0, 1, 2])}
    good |= {"pred": np.array([0, 1, 1]), "label_rank": np.array([0, 0, 1]), "confidence": np.array([0.5, 0.5, 0.5])}
    store.put(RECIPE, store.Table(**good), folder=tmp_path / "good")
    with pytest.raises(InputError, match="cannot be stored"):
        store.put(RECIPE, store.Table(**good | change), folder=tmp_path / "bad")
    assert not (tmp_path / "bad").exists()


@pytest.mark.parametrize("recipe", [{"a": float("nan")}, {1: 2}, {"a": {2: 1}}, {"a": np.float32(1)}, {"a": {1, 2}}])
def test_a_recipe_that_json_would_change_has_no_key(recipe):
    with pytest.raises((TypeError, ValueError)):
        store.key(recipe)


def test_what_is_published_stays(tmp_path, capsys):
    store.put(RECIPE, _table(), folder=tmp_path)
    before = _bytes(tmp_path)
    store.put(RECIPE, _table(), about={"again": True}, folder=tmp_path)
    assert capsys.readouterr().err == ""
    assert _equal(store.put(RECIPE, _table(seed=1), folder=tmp_path).table(), _table())
    assert capsys.readouterr().err.count("gave other predictions") == 1
    assert _bytes(tmp_path) == before


def test_the_folder_is_for_its_owner_alone(tmp_path):
    root = tmp_path / "cache" / "predictions"
    store.put(RECIPE, _table(), folder=root)
    store.put_part(RECIPE, BLOCKS[0], _table(), folder=root)
    assert {path.stat().st_mode & 0o777 for path in [root, *root.rglob("*")] if path.is_dir()} == {0o700}


# Damage


def _flips(path, rng, count):
    content = path.read_bytes()
    for _ in range(count):
        at, bit = rng.randrange(len(content)), rng.randrange(8)
        yield content[:at] + bytes([content[at] ^ 1 << bit]) + content[at + 1 :]


def _other(tmp_path):
    return store.put(RECIPE | {"dataset": "other"}, _table(seed=5), folder=tmp_path / "other")


def _hostile(path, **change):
    """A file of ours in form, with its own sha256 right, whose values are wrong."""
    table = _table()
    columns = {name: getattr(table, name) for name in prediction_file.COLUMNS} | change
    path.write_bytes(prediction_file.encode(store.Table(**columns), {"key": path.stem}))
    _record(path, parquet=prediction_file.fingerprint(path.read_bytes()))


def _record(path, **change):
    record = json.loads(path.with_suffix(".json").read_text(encoding="utf-8")) | change
    del record["seal"]
    record["seal"] = prediction_file.fingerprint(prediction_file.canonical(record))["sha256"]
    path.with_suffix(".json").write_text(json.dumps(record), encoding="utf-8")


def _rewritten(path, **columns):
    """A file with its own sha256 right, some of whose columns are others."""
    file = pq.ParquetFile(path)
    table, about = file.read(), file.metadata.metadata[b"analysis"].decode()
    for name, values in columns.items():
        table = table.set_column(table.schema.names.index(name), name, values)
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(sink, table.schema) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata({"analysis": about, seal.NAME: seal.BLANK.decode()})
    path.write_bytes(seal.stamped(sink.getvalue().to_pybytes()))
    _record(path, parquet=prediction_file.fingerprint(path.read_bytes()))


def _foreign_parquet(path):
    pq.write_table(pa.table({"item_id": ["a"], "label": [1]}), path)
    _record(path, parquet=prediction_file.fingerprint(path.read_bytes()))


def _edited(path, old, new):
    text = path.with_suffix(".json").read_text(encoding="utf-8")
    assert old in text
    path.with_suffix(".json").write_text(text.replace(old, new, 1), encoding="utf-8")


DAMAGE = {
    "half a table": lambda path, other: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "empty table": lambda path, other: path.write_bytes(b""),
    "no table": lambda path, other: path.unlink(),
    "table of another entry": lambda path, other: shutil.copy(other, path),
    "another entry, both files": lambda path, other: (
        shutil.copy(other, path),
        shutil.copy(other.with_suffix(".json"), path.with_suffix(".json")),
    ),
    "table of another entry, record made to fit": lambda path, other: (
        shutil.copy(other, path),
        _record(path, parquet=prediction_file.fingerprint(path.read_bytes())),
    ),
    "half a record": lambda path, other: path.with_suffix(".json").write_text('{"recipe": {', encoding="utf-8"),
    "garbage record": lambda path, other: path.with_suffix(".json").write_bytes(b"\xff\xfe\x00garbage"),
    "empty record": lambda path, other: path.with_suffix(".json").write_bytes(b""),
    "record is a list": lambda path, other: path.with_suffix(".json").write_text("[1]", encoding="utf-8"),
    "record is deep": lambda path, other: path.with_suffix(".json").write_text("[" * 99999, encoding="utf-8"),
    "NaN in the record": lambda path, other: _edited(path, '"n_items": 60', '"n_items": NaN'),
    "name twice": lambda path, other: _edited(path, '"n_items": 60', '"n_items": 60, "n_items": 60'),
    "count edited": lambda path, other: _edited(path, '"n_items": 60', '"n_items": 61'),
    "facts edited": lambda path, other: _edited(path, '"seconds": 1', '"seconds": 2'),
    "recipe edited": lambda path, other: _edited(path, "tiny-imagenet", "tiny-imagenot"),
    "count edited, sealed": lambda path, other: _record(path, n_items=61),
    "recipe edited, sealed": lambda path, other: _record(path, recipe=RECIPE | {"seed": 1}),
    "not of this store": lambda path, other: _foreign_parquet(path),
    "an id twice": lambda path, other: _hostile(path, item_id=np.array(["a"] * 60, dtype=object)),
    "a class below -1": lambda path, other: _hostile(path, pred=np.full(60, -2, np.int32)),
    "a confidence of 2": lambda path, other: _hostile(path, confidence=np.full(60, 2, np.float32)),
    "a rank without a label": lambda path, other: _hostile(path, label=np.full(60, -1, np.int32)),
    "table of another run": lambda path, other: shutil.copy(
        store.put(RECIPE, _table(seed=7), folder=other.parent / "again").path, path
    ),
    "a column of another type": lambda path, other: _rewritten(path, pred=pa.array([0] * 60, pa.int64())),
    "a class that is missing": lambda path, other: _rewritten(path, pred=pa.array([0] * 59 + [None], pa.int32())),
    "an id that is missing": lambda path, other: _rewritten(
        path, item_id=pa.array([None, *(f"i{number:02d}" for number in range(59))])
    ),
    "a top 5 of six": lambda path, other: _hostile(path, top5=np.zeros((60, 6), np.int32)),
    "a top 5 below -1": lambda path, other: _hostile(path, top5=np.full((60, 5), -2, np.int32)),
    "rows of the top 5 that differ": lambda path, other: _rewritten(
        path, top5=pa.array([[1], [1, 2, 3]] * 30, prediction_file.COLUMNS["top5"])
    ),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_is_set_aside_with_one_line_and_made_again(tmp_path, kind, capsys):
    folder = tmp_path / "store"
    path = store.put(RECIPE, _table(), about={"seconds": 1}, folder=folder).path
    DAMAGE[kind](path, _other(tmp_path).path)
    damaged = set(_bytes(folder).values())
    assert store.get(RECIPE, folder=folder) is None
    said = capsys.readouterr().err
    assert said.startswith("store[warning] ") and said.count("\n") == 1 and ".bad-" in said
    assert set(_bytes(folder).values()) == damaged and len(_set_aside(folder)) == len(damaged)  # evidence is kept
    assert store.get(RECIPE, folder=folder) is None and capsys.readouterr().err == ""
    store.put(RECIPE, _table(), folder=folder)
    assert _equal(store.get(RECIPE, folder=folder).table(), _table())
    assert damaged <= set(_bytes(folder).values())


@pytest.mark.parametrize("kind", DAMAGE)
def test_verify_finds_the_same_damage(tmp_path, kind):
    folder = tmp_path / "store"
    store.put(RECIPE | {"seed": 9}, _table(), folder=folder)
    path = store.put(RECIPE, _table(), about={"seconds": 1}, folder=folder).path
    assert store.verify(folder=folder) == []
    DAMAGE[kind](path, _other(tmp_path).path)
    problems = store.verify(folder=folder)
    assert [problem[0].stem for problem in problems] == [store.key(RECIPE)] and problems[0][1]
    assert store.verify(folder=folder) == [] and len(store.entries(folder=folder)) == 1


def test_a_record_of_a_newer_version_is_not_thrown_away(tmp_path):
    _record(store.put(RECIPE, _table(), folder=tmp_path).path, store=99)
    with pytest.raises(IntegrityError, match="newer version"):
        store.get(RECIPE, folder=tmp_path)
    assert _set_aside(tmp_path) == []


def test_an_entry_damaged_after_listing_is_an_error_and_not_a_table(tmp_path):
    store.put(RECIPE, _table(), folder=tmp_path)
    entry = store.entries(folder=tmp_path)[0]
    assert _equal(entry.table(), _table())
    entry.path.write_bytes(b"PAR1")
    with pytest.raises(IntegrityError, match="make it again"):
        entry.table()
    assert store.get(RECIPE, folder=tmp_path) is None
    store.put(RECIPE, _table(), folder=tmp_path)
    entry = store.entries(folder=tmp_path)[0]
    entry.path.with_suffix(".json").unlink()
    with pytest.raises(IntegrityError, match="removed meanwhile"):
        entry.table()


def test_a_part_without_its_facts_is_damaged(tmp_path, capsys):
    store.put_part(RECIPE, BLOCKS[0], _table(), folder=tmp_path)
    path = next(tmp_path.rglob("*.parquet"))
    path.write_bytes(prediction_file.encode(_table(), {"key": path.parent.name, "block": BLOCKS[0]}))
    assert store.get_part(RECIPE, BLOCKS[0], folder=tmp_path) is None
    assert "not those of a part" in capsys.readouterr().err


def test_a_part_of_another_block_or_recipe_is_not_taken(tmp_path):
    for block, recipe in ((BLOCKS[0], RECIPE), (BLOCKS[1], RECIPE), (BLOCKS[0], RECIPE | {"seed": 1})):
        store.put_part(recipe, block, _table(), folder=tmp_path)
    one, two, three = sorted(tmp_path.rglob("*.parquet"), key=lambda path: (path.name, path.parent.name))
    for source, target in ((one, two), (three, one)):
        shutil.copy(source, target)
    assert store.verify(folder=tmp_path) and len(_set_aside(tmp_path)) == 2


# Parts


def test_a_resumed_run_equals_an_uninterrupted_one(tmp_path):
    whole = _table(60)
    blocks = [whole.take(slice(0, 25)), whole.take(slice(25, 50)), whole.take(slice(50, 60))]
    store.put(RECIPE, whole, folder=tmp_path / "once")
    folder = tmp_path / "parts"
    for block, table in zip(BLOCKS[:2], blocks[:2], strict=True):
        store.put_part(RECIPE, block, table, folder=folder)
    with pytest.raises(store.MissingParts) as fault:
        store.join(RECIPE, BLOCKS, folder=folder)
    assert fault.value.blocks == ("cccccccc",)
    # The run that takes up has other items (one was repaired) and finds the finished blocks all the same.
    assert _equal(store.get_part(RECIPE | {"items": "repaired"}, BLOCKS[1], folder=folder).table, blocks[1])
    store.put_part(RECIPE, BLOCKS[2], blocks[2], folder=folder)
    assert _equal(store.join(RECIPE, BLOCKS, folder=folder).table(), whole)
    one, two = (
        {k: v for k, v in _bytes(tmp_path / name).items() if k.endswith(".parquet")} for name in ("once", "parts")
    )
    assert one == two, "also: the parts are gone"
    assert store.join(RECIPE, BLOCKS, folder=folder).n_items == 60, "joined by another process a moment ago"


def test_bad_items_are_left_out_and_recorded(tmp_path):
    one, two = _table(10), _table(10, seed=1, start=10)
    bad = [("n00003.JPEG", "cut short"), ("gone.JPEG", "no bytes")]
    store.put_part(RECIPE, BLOCKS[0], one, bad=bad, folder=tmp_path)
    store.put_part(RECIPE, BLOCKS[1], two, folder=tmp_path)
    assert store.get_part(RECIPE, BLOCKS[0], folder=tmp_path).bad == tuple(bad)
    entry = store.join(RECIPE, BLOCKS[:2], about={"machine": "x"}, folder=tmp_path)
    assert entry.about == {"machine": "x", "bad": [list(pair) for pair in bad]} and entry.n_items == 19
    table = store.get(RECIPE, folder=tmp_path).table()
    assert _equal(table.take(slice(0, 9)), one.take([0, 1, 2, 4, 5, 6, 7, 8, 9])) and "n00003.JPEG" not in table.item_id


def test_blocks_that_overlap_or_differ_are_refused(tmp_path):
    for block, table in zip(BLOCKS, (_table(10), _table(5), _table(5, start=20, k=0)), strict=True):
        store.put_part(RECIPE, block, table, folder=tmp_path)
    with pytest.raises(InputError, match="twice"):
        store.join(RECIPE, BLOCKS[:2], folder=tmp_path)
    with pytest.raises(InputError, match="top 5"):
        store.join(RECIPE, [BLOCKS[0], BLOCKS[2]], folder=tmp_path)
    assert all(store.get_part(RECIPE, block, folder=tmp_path) for block in BLOCKS)


def test_a_block_without_a_readable_item_does_not_stop_the_others(tmp_path):
    store.put_part(RECIPE, BLOCKS[0], _table(0, k=0), bad=[("x", "cut")], folder=tmp_path)
    store.put_part(RECIPE, BLOCKS[1], _table(5), folder=tmp_path)
    assert _equal(store.join(RECIPE, BLOCKS[:2], folder=tmp_path).table(), _table(5))


@pytest.mark.parametrize("block", ["../../etc/x", "ABCDEF12", "abc", ""])
def test_a_block_is_a_digest(tmp_path, block):
    with pytest.raises(ValueError, match="digest"):
        store.get_part(RECIPE, block, folder=tmp_path)


# Faults of the machine

TWIN = """
import sys
import numpy as np
from analysis import store
label = np.arange(3000, dtype=np.int32)
table = store.Table(np.array([f"i{i:04d}" for i in label], dtype=object), label, label, np.full(3000, .5), label * 0)
for number in range(12):
    entry = store.get({"dataset": "d", "seed": number}, folder=sys.argv[1])
    if entry is None:
        store.put_part({"dataset": "d", "seed": number}, "aaaaaaaa", table, folder=sys.argv[1])
        entry = store.join({"dataset": "d", "seed": number}, ["aaaaaaaa"], folder=sys.argv[1])
    assert (entry.table().label == label).all()
    assert store.put({"dataset": "d", "twin": number}, table, folder=sys.argv[1]).n_items == 3000
"""


def test_two_processes_on_one_key_both_succeed(tmp_path):
    twins = [
        subprocess.Popen([sys.executable, "-c", TWIN, str(tmp_path)], stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    assert [(twin.communicate()[1], twin.returncode) for twin in twins] == [("", 0), ("", 0)]
    assert store.verify(folder=tmp_path) == [] and len(store.entries(folder=tmp_path)) == 24


def test_a_reader_during_an_exchange_looks_again(tmp_path, monkeypatch, capsys):
    """The record that was read is replaced before the table is: no damage, and nothing is set aside."""
    path = store.put(RECIPE, _table(), folder=tmp_path).path
    whole, plain, reads = _bytes(tmp_path), store._content, []
    _record(path, parquet={"sha256": "0" * 64, "bytes": 1})

    def content(where):
        reads.append(where)
        if len(reads) == 2:
            for name, old in whole.items():
                (tmp_path / name).write_bytes(old)
        return plain(where)

    monkeypatch.setattr(store, "_content", content)
    assert _equal(store.get(RECIPE, folder=tmp_path).table(), _table())
    assert _set_aside(tmp_path) == [] and capsys.readouterr().err == ""


def _fail_at(monkeypatch, target, name, number, code):
    """Let the call `number` of a function fail; gives the list of calls."""
    calls, plain = [], getattr(target, name)

    def call(*args, **kwargs):
        calls.append(name)
        if len(calls) == number:
            raise OSError(code, os.strerror(code))
        return plain(*args, **kwargs)

    monkeypatch.setattr(target, name, call)
    return calls


def _a_run(folder):
    store.put_part(RECIPE, BLOCKS[0], _table(20), folder=folder)
    store.put_part(RECIPE, BLOCKS[1], _table(20, start=20), folder=folder)
    store.join(RECIPE, BLOCKS[:2], folder=folder)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES], ids=["full", "forbidden"])
@pytest.mark.parametrize(
    ("target", "name"),
    [(os, "open"), (io, "open"), (os, "fsync"), (os, "replace"), (os, "mkdir")],
    ids=["os.open", "open", "fsync", "replace", "mkdir"],
)
def test_whichever_call_fails_nothing_is_torn_and_the_next_run_succeeds(tmp_path, monkeypatch, target, name, code):
    number, failed = 0, 0
    while True:
        number += 1
        folder = tmp_path / str(number)
        store.put(RECIPE | {"seed": "earlier"}, _table(), folder=folder)
        with monkeypatch.context() as patch:
            calls = _fail_at(patch, target, name, number, code)
            try:
                _a_run(folder)
            except (ResourceError, OSError) as fault:
                failed += 1
                assert isinstance(fault, ResourceError), f"call {number}"
        assert store.verify(folder=folder) == [] and _set_aside(folder) == []
        assert not list(folder.rglob(f"{files.TEMPORARY}*"))
        assert store.get(RECIPE | {"seed": "earlier"}, folder=folder).n_items == 60
        _a_run(folder)
        assert store.get(RECIPE, folder=folder).n_items == 40
        if len(calls) < number:
            break
    # A folder that is there needs no mkdir, so its failure is none.
    assert failed > 1 and (failed == number - 1 or name == "mkdir")


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_a_disk_that_fills_up_during_a_write_is_code_6(tmp_path, monkeypatch, number):
    plain, calls = type(tmp_path).write_bytes, []

    def half(path, content):
        calls.append(path)
        if len(calls) == number:
            plain(path, content[: len(content) // 2])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return plain(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(type(tmp_path), "write_bytes", half)
        if number < 4:  # three tables are written
            with pytest.raises(ResourceError, match="no space left"):
                _a_run(tmp_path)
        else:
            _a_run(tmp_path)
    assert len(calls) == min(number, 3)
    assert [store.get_part(RECIPE, block, folder=tmp_path) is None for block in BLOCKS[:2]] == {
        1: [True, True],
        2: [False, True],
        3: [False, False],
        4: [True, True],
    }[number]
    assert store.verify(folder=tmp_path) == []


def test_a_part_is_not_begun_without_room_for_two(tmp_path, monkeypatch):
    store.put_part(RECIPE, BLOCKS[0], _table(20), folder=tmp_path)
    size = next(tmp_path.rglob("*.parquet")).stat().st_size
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(store.shutil, "disk_usage", lambda path: usage._replace(free=2 * size - 1))
    with pytest.raises(ResourceError, match=rf"{2 * size} bytes needed, {2 * size - 1} free") as fault:
        store.put_part(RECIPE, BLOCKS[1], _table(20), folder=tmp_path)
    assert fault.value.code == 6 and len(list(tmp_path.rglob("*.parquet"))) == 1
    with pytest.raises(ResourceError, match="bytes needed"):
        store.put(RECIPE, _table(40), folder=tmp_path)
    monkeypatch.setattr(store.shutil, "disk_usage", lambda path: usage._replace(free=1 << 40))
    store.put_part(RECIPE, BLOCKS[1], _table(20), folder=tmp_path)


def test_a_cache_that_cannot_be_written_is_code_6(tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    assert store.get(RECIPE, folder=tmp_path / "file" / "x") is None
    with pytest.raises(ResourceError, match="ANALYSIS_CACHE_DIR"):
        store.put(RECIPE, _table(), folder=tmp_path / "file" / "x")


def test_a_file_that_cannot_be_opened_is_no_damage(tmp_path, monkeypatch):
    store.put(RECIPE, _table(), folder=tmp_path)
    with monkeypatch.context() as patch:
        _fail_at(patch, io, "open", 2, errno.EMFILE)
        with pytest.raises(ResourceError):
            store.get(RECIPE, folder=tmp_path)
    assert store.get(RECIPE, folder=tmp_path) is not None


def test_damage_in_a_folder_that_cannot_be_written_is_not_used_either(tmp_path, monkeypatch, capsys):
    store.put(RECIPE, _table(), folder=tmp_path).path.write_bytes(b"")
    _fail_at(monkeypatch, os, "replace", 1, errno.EROFS)
    assert store.get(RECIPE, folder=tmp_path) is None
    assert "could not be set aside" in capsys.readouterr().err


# Features


def _features(n=60, seed=0):
    rng = np.random.default_rng(seed)
    return {"pooled": rng.random((n, 4)).astype(np.float32), "half": rng.random((n, 2)).astype(np.float16)}


def _same(one, other):
    return one.keys() == other.keys() and all(
        one[name].dtype == other[name].dtype and np.array_equal(one[name], other[name]) for name in one
    )


@pytest.fixture
def safetensors():
    return pytest.importorskip("safetensors")


@pytest.mark.inference
def test_features_come_back_and_can_be_added_later(tmp_path, safetensors):
    first = store.put(RECIPE, _table(), folder=tmp_path)
    assert first.features() == {}
    again = store.put(RECIPE, _table(), features=_features(), folder=tmp_path)
    entry = store.get(RECIPE, folder=tmp_path)
    assert _same(entry.features(), _features()) and _same(again.features(), _features())
    assert entry.bytes > first.bytes and entry.parquet == first.parquet
    before = _bytes(tmp_path)
    store.put(RECIPE, _table(), folder=tmp_path)
    store.put(RECIPE, _table(), features=_features(seed=1), folder=tmp_path)
    assert _bytes(tmp_path) == before


@pytest.mark.inference
@pytest.mark.parametrize("kind", ["flipped", "cut", "gone", "another"])
def test_damaged_features_leave_the_predictions(tmp_path, safetensors, kind, capsys):
    other = store.put(RECIPE | {"seed": 1}, _table(), features=_features(seed=1), folder=tmp_path).path
    path = store.put(RECIPE, _table(), features=_features(), folder=tmp_path).path.with_suffix(".safetensors")
    if kind == "flipped":
        path.write_bytes(next(_flips(path, random.Random(0), 1)))
    elif kind == "cut":
        path.write_bytes(path.read_bytes()[:-1])
    elif kind == "gone":
        path.unlink()
    else:
        shutil.copy(other.with_suffix(".safetensors"), path)
    entry = store.get(RECIPE, folder=tmp_path)
    assert _equal(entry.table(), _table()) and entry.features() == {} and capsys.readouterr().err.count("\n") == 1
    assert len(_set_aside(tmp_path)) == (kind != "gone")
    store.put(RECIPE, _table(), features=_features(), folder=tmp_path)
    assert _same(store.get(RECIPE, folder=tmp_path).features(), _features())


@pytest.mark.inference
def test_verify_reads_features_too(tmp_path, safetensors):
    path = store.put(RECIPE, _table(), features=_features(), folder=tmp_path).path.with_suffix(".safetensors")
    store.put_part(RECIPE, BLOCKS[0], _table(), features=_features(), folder=tmp_path)
    part = next((tmp_path / "parts").rglob("*.safetensors"))
    assert store.verify(folder=tmp_path) == []
    for bad in (path, part):
        bad.write_bytes(next(_flips(bad, random.Random(0), 1)))
    assert [problem[0] for problem in store.verify(folder=tmp_path)] == [path, part]
    assert store.verify(folder=tmp_path) == [] and store.get(RECIPE, folder=tmp_path).features() == {}
    assert store.get_part(RECIPE, BLOCKS[0], folder=tmp_path).features == {}


@pytest.mark.inference
def test_features_of_parts_are_joined_without_those_of_bad_items(tmp_path, safetensors, capsys):
    for number, block in enumerate(BLOCKS):
        table, bad = _table(10, start=10 * number), [("n00003.JPEG", "cut")] if number == 0 else ()
        store.put_part(RECIPE, block, table, bad=bad, features=_features(10, number), folder=tmp_path)
    assert _same(store.get_part(RECIPE, BLOCKS[1], folder=tmp_path).features, _features(10, 1))
    entry = store.join(RECIPE, BLOCKS, folder=tmp_path)
    rows = [i for i in range(30) if i != 3]
    for name, values in store.get(RECIPE, folder=tmp_path).features().items():
        assert np.array_equal(values, np.concatenate([_features(10, number)[name] for number in range(3)])[rows])
    assert entry.n_items == 29 and not list((tmp_path / "parts").rglob("*.safetensors"))
    store.put_part(RECIPE | {"seed": 1}, BLOCKS[0], _table(5), features=_features(5), folder=tmp_path)
    store.put_part(RECIPE | {"seed": 1}, BLOCKS[1], _table(5, start=5), folder=tmp_path)
    assert store.join(RECIPE | {"seed": 1}, BLOCKS[:2], folder=tmp_path).features() == {}
    assert "has none" in capsys.readouterr().err


@pytest.mark.inference
@pytest.mark.parametrize(
    "values",
    [np.zeros((59, 2), np.float32), np.zeros((60, 2)), np.zeros((60, 2), np.int32), np.zeros((), np.float32)],
)
def test_features_of_another_form_are_refused(tmp_path, safetensors, values):
    with pytest.raises(InputError, match="float16 or float32"):
        store.put(RECIPE, _table(), features={"pooled": values}, folder=tmp_path)


def test_without_safetensors_one_line_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "safetensors", None)
    with pytest.raises(UsageError, match="inference tier"):
        store.put(RECIPE, _table(), features=_features(), folder=tmp_path)
    store.put(RECIPE, _table(), folder=tmp_path)


# Tidying


def _old(path):
    os.utime(path, OLD)
    return path


def test_gc_removes_what_nothing_needs_and_nothing_young(tmp_path):
    entry = store.put(RECIPE, _table(), folder=tmp_path)
    store.put_part(RECIPE, BLOCKS[0], _table(), folder=tmp_path)
    store.put_part(RECIPE | {"seed": 1}, BLOCKS[0], _table(), folder=tmp_path)
    finished, running = (
        tmp_path / "parts" / store._part_key(recipe) / "aaaaaaaa.parquet" for recipe in (RECIPE, RECIPE | {"seed": 1})
    )
    orphan, temporary = entry.path.with_name(f"{'0' * 64}.parquet"), entry.path.with_name(f"{files.TEMPORARY}x")
    lone, bad = running.with_name("cccccccc.0123.safetensors"), entry.path.with_name("x.json.bad-20260101T000000")
    features, user = entry.path.with_suffix(".safetensors"), entry.path.with_name("notes.txt")
    for path in (orphan, temporary, lone, bad, features, user):
        path.write_bytes(b"1234")
    assert store.gc(folder=tmp_path) == []
    for path in tmp_path.rglob("*"):
        _old(path)
    gone = {finished, orphan, temporary, lone, features}
    before = _bytes(tmp_path)
    would = store.gc(folder=tmp_path, dry_run=True)
    assert {item.path for item in would} == gone and _bytes(tmp_path) == before
    assert sum(item.bytes for item in would) == 16 + finished.stat().st_size
    assert store.gc(folder=tmp_path) == would
    assert not any(path.exists() for path in gone) and running.exists() and bad.exists() and user.exists()
    assert [item.path for item in store.gc(folder=tmp_path, bad=True)] == [bad]
    assert store.get(RECIPE, folder=tmp_path) and store.get_part(RECIPE | {"seed": 1}, BLOCKS[0], folder=tmp_path)


def test_gc_removes_old_entries_when_asked_but_those_to_keep(tmp_path):
    for seed in range(3):
        entry = store.put(RECIPE | {"seed": seed}, _table(), folder=tmp_path)
        if seed < 2:
            _record(entry.path, made="2020-01-01T00:00:00Z")
    removed = store.gc(folder=tmp_path, older_than_days=30, keep=lambda entry: entry.recipe["seed"] == 0)
    assert [item.path.suffix for item in removed] == [".json", ".parquet"]  # in this order: see there
    assert sorted(entry.recipe["seed"] for entry in store.entries(folder=tmp_path)) == [0, 2]


# Commands


@pytest.fixture
def cache(tmp_path, monkeypatch, capsys):
    """A cache folder with three entries, and a way to call `analysis cache`."""
    root = tmp_path / "predictions"
    store.put(RECIPE, _table(), folder=root)
    newer = store.put(RECIPE | {"numerics": {"precision": "bf16"}}, _table(seed=1), folder=root)
    _record(newer.path, made="2099-01-01T00:00:00Z")
    store.put({"kind": "text", "dataset": "b77", "classifier": {"id": "svm"}, "seed": 0}, _table(k=0), folder=root)

    monkeypatch.setenv("ANALYSIS_CACHE_DIR", str(tmp_path))
    capsys.readouterr()

    def call(*arguments):
        code = guarded(lambda: cli.cli(["cache", *arguments], standalone_mode=False))
        return subprocess.CompletedProcess(arguments, code, *capsys.readouterr())

    call.root = root
    return call


def test_ls_lists_every_entry(cache):
    done = cache("ls")
    lines = done.stdout.splitlines()
    assert done.returncode == 0 and len(lines) == 4 and lines[0].split()[:3] == ["model", "dataset", "precision"]
    assert lines[1].split()[:3] == ["svm-0", "b77", "60"] and lines[2].split()[:4] == [
        "timm/net",
        "tiny-imagenet",
        "fp32",
        "60",
    ]


def test_show_prints_csv_of_the_one_asked_for(cache):
    done = cache("show", "--model", "timm/net", "--dataset", "tiny-imagenet", "--precision", "fp32")
    rows, table = list(csv.DictReader(io.StringIO(done.stdout))), _table()
    assert done.returncode == 0 and done.stderr == "" and [row["item_id"] for row in rows] == list(table.item_id)
    assert [int(row["label"]) for row in rows] == table.label.tolist()
    assert [int(row["pred"]) for row in rows] == table.pred.tolist()
    read = np.array([np.float32(row["confidence"] or "nan") for row in rows])
    assert np.array_equal(read, table.confidence, equal_nan=True)
    assert [[int(one) for one in row["top5"].split()] for row in rows] == table.top5.tolist()


def test_show_takes_the_newest_and_says_so(cache):
    done = cache("show", "--model", "timm/net", "--dataset", "tiny-imagenet")
    assert done.returncode == 0 and done.stderr.count("\n") == 1 and "bf16" in done.stderr
    assert [int(row["pred"]) for row in csv.DictReader(io.StringIO(done.stdout))] == _table(seed=1).pred.tolist()
    text = cache("show", "--model", "svm-0", "--dataset", "b77")
    assert text.stderr == "" and text.stdout.splitlines()[1].endswith(",")


def test_show_of_what_is_not_there_names_what_is(cache):
    done = cache("show", "--model", "timm/net", "--dataset", "imagenet-val")
    assert done.returncode == 3 and done.stderr.count("\n") == 1 and done.stdout == ""
    assert "timm/net on tiny-imagenet bf16" in done.stderr and "svm-0 on b77" in done.stderr


def test_a_pipe_that_closes_early_is_quiet(cache):
    ids = np.array([f"i{i:06d}" for i in range(50_000)], dtype=object)
    zero = np.zeros(50_000, np.int32)
    store.put(
        RECIPE | {"dataset": "big"}, store.Table(ids, zero, zero, zero.astype(np.float32), zero), folder=cache.root
    )
    done = subprocess.run(
        f'"{sys.executable}" -m analysis cache show --model timm/net --dataset big | head -n 2',
        shell=True,
        capture_output=True,
        text=True,
        env=os.environ | {"ANALYSIS_CACHE_DIR": str(cache.root.parent)},
    )
    assert done.stderr == "" and done.stdout == "item_id,label,pred,confidence,top5\ni000000,0,0,0.0,\n"


def test_verify_is_code_4_when_something_was_set_aside(cache):
    whole = cache("verify")
    assert whole.returncode == 0 and whole.stdout.startswith("3 entries are whole, 0 files")
    store.entries(folder=cache.root)[0].path.write_bytes(b"PAR1")
    done = cache("verify")
    assert done.returncode == 4 and "2 entries are whole, 1 " in done.stdout and "error[store]" in done.stderr
    assert cache("verify").returncode == 0


def test_gc_says_what_it_removes(cache):
    bad = cache.root / "ab.json.bad-20260101T000000"
    bad.write_bytes(b"1234")
    assert cache("gc").stdout == "0 files, 0 bytes removed\n"
    assert cache("gc", "--bad", "--dry-run").stdout.endswith("1 files, 4 bytes would be removed\n") and bad.exists()
    assert cache("gc", "--bad").stdout.endswith("1 files, 4 bytes removed\n") and not bad.exists()
