"""Flipped and missing bytes in every format that is shipped, downloaded or written here: none is silent."""

import hashlib
import io
import json
import random
import shutil

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from analysis import files, own, paper_rows, paths, prediction_file, publish, receipts, store, tables, verify
from analysis.errors import AnalysisError, IntegrityError
from analysis.figures import registry
from analysis.sources import fetch

FLIPS = 1000  # a format; 10,000 with LONG=1, fewer within `make test`


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.setenv("ANALYSIS_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.delenv("ANALYSIS_MIRROR", raising=False)
    return tmp_path / "data"


def flips(content: bytes, count: int, seed: int = 0):
    rng = random.Random(seed)
    for _ in range(count):
        at, bit = rng.randrange(len(content)), rng.randrange(8)
        yield content[:at] + bytes([content[at] ^ 1 << bit]) + content[at + 1 :]


def cuts(content: bytes):
    return [content[:length] for length in (0, 1, len(content) // 2, len(content) - 1)] + [content + b"\0"]


def npy() -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.arange(500))
    return stream.getvalue()


CONTENT = {
    "npy": npy(),
    "csv": "".join(f"i{number},{number % 7},{number % 5}\n" for number in range(500)).encode(),
    "json": json.dumps({f"k{number}": number / 7 for number in range(200)}).encode(),
}


@pytest.mark.parametrize("kind", CONTENT)
def test_no_flip_or_cut_of_a_published_file_is_silent(data, kind, times, record_property):
    good, name = CONTENT[kind], f"o+r/a.{kind}"
    row = (name, "https://example.org/o/r/a", hashlib.sha256(good).hexdigest(), len(good), "MIT", "x")
    tables.write_csv(pd.DataFrame([row], columns=list(tables.CSV["sources"])), "sources")
    path = paths.raw() / name
    files.write_bytes(path, good)
    assert fetch.locate(name) == path
    count = int(FLIPS * times)
    for bad in [*flips(good, count), *cuts(good)]:
        path.write_bytes(bad)
        with pytest.raises(IntegrityError, match=r"sha256|bytes"):
            fetch.locate(name)
        assert path.read_bytes() == bad
    record_property("done", f"{count:,} flips: all refused")
    path.write_bytes(good)
    assert fetch.locate(name) == path


def own_table(path):
    size = 300
    columns = {"dataset": "own:d", "model": "m/n", "labels": "original", "class_id": range(size), "n": 50}
    correct = np.random.default_rng(0).integers(0, 51, size)
    tables.write_counts(pd.DataFrame(columns | {"correct": correct}), path)


# The formats of this project: each gives the file that is damaged and a reader, whose answer is compared.


def parquet(data):
    own_table(data / "class_counts.parquet")
    lock(data)
    return data / "class_counts.parquet", lambda: tables.read_counts().astype(str).to_dict("list")


def predictions(data):
    size, path = 300, data / "predictions" / "text.parquet"
    ids = {"dataset": "banking77", "model": "text/x-0", "item_id": [f"i{number}" for number in range(size)]}
    frame = pd.DataFrame(ids | {"label": 1, "pred": 1, "confidence": np.linspace(0, 1, size), "label_rank": 0})
    tables.write_predictions(frame, path, made={"command": "analysis text"})
    lock(data)
    return path, lambda: tables.read_predictions(dataset="banking77").to_dict("list")


def csv(data):
    shutil.copytree(paths.ROOT / "data", data, ignore=shutil.ignore_patterns("raw", "cache", "own", "*.parquet"))
    return data / "datasets.csv", lambda: tables.read_csv("datasets").to_dict("list")


def by_hand(data):
    csv(data)
    return data / "paper" / "printed.csv", lambda: paper_rows.lines("printed")


def provenance(data):
    _, read = csv(data)
    return data / "PROVENANCE.json", read


def sums(data):
    _, read = by_hand(data)
    return data / "SHA256SUMS", lambda: (
        read(), paper_rows.lines("sensitivity"), tables.check_lock(data / "sources.csv"),
    )  # fmt: skip


def own_parquet(data):
    """No lock lists an own table: its own digest covers the footer, too, which page checksums do not."""
    own_table(data / "class_counts.parquet")  # some shipped table beside it
    path = paths.own() / "class_counts.parquet"
    own_table(path)
    return path, lambda: tables._read_parquet(path, "class_counts").to_pydict()


def own_csv(data):
    row = own.MODEL | {"name": "a", "source": "timm", "is_network": True, "in_claims": True, "year": 2020}
    frame = pd.DataFrame([row | {"model": f"timm/{number}", "top1": number / 50} for number in range(50)])
    for path in (paths.own() / "models.csv", data / "models.csv"):
        tables.write_csv(frame[: 50 if path.parent.name == "own" else 1], "models", path)
    return paths.own() / "models.csv", lambda: tables.rows_of("models").astype(str).to_dict("list")


RECIPE = {"kind": "image", "dataset": "d", "model": {"id": "timm/net", "weights": "ab" * 32}}


def stored(features=None):
    rng, ids = np.random.default_rng(0), np.array([f"n{number:05d}.JPEG" for number in range(60)], dtype=object)
    label, rank = rng.integers(0, 10, (2, 60))
    table = store.Table(ids, label, label, rng.random(60), rank, rng.integers(0, 10, (60, 5)))
    return store.put(RECIPE, table, about={"seconds": 1.5}, features=features).path, table


def answers(table: store.Table) -> list:
    return [getattr(table, name).tolist() for name in prediction_file.COLUMNS]


def entry() -> tuple | None:
    found = store.get(RECIPE)
    return found and (found.recipe, found.about, answers(found.table()))


def store_table(_):
    return stored()[0], entry


def store_record(_):
    return stored()[0].with_suffix(".json"), entry


def store_part(_):
    def read():
        part = store.get_part(RECIPE, "aaaaaaaa")
        return part and (part.bad, answers(part.table))

    store.put_part(RECIPE, "aaaaaaaa", stored()[1], bad=[("x.JPEG", "cut short")])
    return next((paths.cache() / "predictions" / "parts").rglob("*.parquet")), read


def store_features(_):
    pytest.importorskip("safetensors")
    path, _ = stored({"pooled": np.random.default_rng(0).random((60, 4)).astype(np.float32)})

    def read():
        found = store.get(RECIPE).features()
        return {name: values.tolist() for name, values in found.items()} or None

    return path.with_suffix(".safetensors"), read


NOTEBOOK = "01_imagenet_per_class_accuracy"  # any that there is


def published(_):
    """What a notebook leaves: the figure's points and provenance, and the receipt that vouches for both."""
    made = registry.Drawing("made", lambda table, figure: figure.text(0, 0, "a"), ("y",), (), 0.4, 0.4, "A letter.")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(registry.FIGURES, "made", made)
        publish(NOTEBOOK, figures={"made": pd.DataFrame({"y": np.linspace(0, 1, 50)})})
    receipt = paths.build() / "receipts" / f"{NOTEBOOK}.json"

    def read():
        return None if verify._figures(False)[1] else {str(path): of for path, of in receipts.read(receipt).items()}

    return receipt, read


def points(data):
    _, read = published(data)
    return paths.figures() / "made.csv", read


def origin(data):
    _, read = published(data)
    return paths.figures() / "made.json", read


FORMATS = {
    "Parquet": parquet,
    "predictions": predictions,
    "CSV": csv,
    "CSV kept by hand": by_hand,
    "PROVENANCE": provenance,
    "SHA256SUMS": sums,
    "own Parquet": own_parquet,
    "own CSV": own_csv,
    "store table": store_table,
    "store record": store_record,
    "store part": store_part,
    "store features": store_features,
    "receipt": published,
    "figure CSV": points,
    "figure JSON": origin,
}
# Share that must be refused; the rest must change nothing that is read. The name of the digest in an own table; what a
# lock says of other files than the one that is read; the run that a receipt names; the last line end.
REFUSED = {"own Parquet": 0.9, "PROVENANCE": 0.005, "receipt": 0.8, "store record": 0.98, "SHA256SUMS": 0.98}


def lock(data):
    listed = {path.relative_to(data).as_posix(): path for path in data.rglob("*.*") if path.is_file()}
    listed = {name: {"sha256": files.sha256(path)} for name, path in listed.items()}
    files.write_text(data / "PROVENANCE.json", json.dumps({"files": listed}))


@pytest.mark.parametrize("kind", FORMATS)
def test_no_flip_or_cut_is_silent(data, tmp_path, monkeypatch, capsys, kind, times, record_property):
    """Whatever bit it is: the reader refuses the file (the store, and verify: sees it), or reads what was written."""
    for name in ("CACHE", "FIGURES", "BUILD"):
        monkeypatch.setenv(f"ANALYSIS_{name}_DIR", str(tmp_path / name.lower()))
    monkeypatch.setattr(tables, "_READ", set())  # other tests read files that are gone
    path, read = FORMATS[kind](data)
    expected, refused = read(), 0
    good = {each: each.read_bytes() for each in tmp_path.rglob("*") if each.is_file()}
    for remembered in (tables._hashed, fetch._verified):  # as in another process
        remembered.clear()
    assert expected
    count = int(FLIPS * times) if times >= 1 else 60
    for bad in [*flips(good[path], count), *cuts(good[path])]:
        path.write_bytes(bad)
        try:
            found = read()
        except AnalysisError as fault:
            assert "\n" not in str(fault)
            found = None
        assert found is None or found == expected
        refused += found is None
        if kind.startswith("store"):  # which sets aside what is damaged, and says so
            assert capsys.readouterr().err.count("store[warning]") == (found is None)
            for each in [*path.parent.iterdir()]:
                each.unlink()
            for each in [each for each in good if each.parent == path.parent]:
                each.write_bytes(good[each])
        else:
            assert path.read_bytes() == bad
    harmless = count + len(cuts(b"")) - refused
    record_property("done", f"{count:,} flips: {harmless:,} without a trace in what is read, all others refused")
    assert refused >= REFUSED.get(kind, 1) * (count + len(cuts(b"")))
    path.write_bytes(good[path])
    assert read() == expected


@pytest.mark.parametrize("name", ["sources", "printed", "sensitivity"])
def test_a_file_kept_by_hand_is_refused_when_altered(data, name):
    """No command makes it, so SHA256SUMS is its lock, and says how it is changed on purpose."""
    shutil.copytree(paths.ROOT / "data" / "paper", data / "paper")
    for each in ("sources.csv", "SHA256SUMS"):
        shutil.copy(paths.ROOT / "data" / each, data / each)
    path = data / "sources.csv" if name == "sources" else data / "paper" / f"{name}.csv"

    def read():
        return fetch.sources() if name == "sources" else paper_rows.lines(name)

    assert len(read())
    good = path.read_bytes()
    for bad in [good.replace(b"1", b"2", 1), good[: good.index(b"\n", len(good) // 2) + 1]]:
        path.write_bytes(bad)
        with pytest.raises(IntegrityError, match=r"its sha256 is not the one of SHA256SUMS.*sha256sum it into"):
            read()
    path.write_bytes(good)
    (data / "SHA256SUMS").write_text("", encoding="utf-8")
    with pytest.raises(IntegrityError, match="does not list"):
        read()


ODD = {
    "a list": "[1]",
    "a number": "7",
    "null": "null",
    "deep": "[" * 5000,
    "a table that is a list": '{"table": ["class_counts"], "version": 1}',
    "a version that is text": '{"table": "class_counts", "version": "one"}',
    "a version that is null": '{"table": "class_counts", "version": null}',
    "no version": '{"table": "class_counts"}',
    "a name of escape codes": '{"table": "\\u001b[2J", "version": 1}',
    "no JSON": "\x00\xff",
}


@pytest.mark.parametrize("what", ODD)
def test_odd_metadata_of_a_table_are_refused(data, what):
    path = data / "class_counts.parquet"
    own_table(path)
    table = pq.read_table(path).replace_schema_metadata({"analysis": ODD[what]})
    pq.write_table(table, path, write_page_checksum=True)
    with pytest.raises(IntegrityError, match=r"class_counts\.parquet: (damaged or not a table|holds)") as fault:
        tables.read_counts()
    assert "\n" not in str(fault.value) and "\x1b" not in str(fault.value)
    pq.write_table(pa.table({"a": [1]}), path)
    with pytest.raises(AnalysisError, match="not a table of this project"):
        tables.read_counts()


def test_pinned_names_are_unique_whatever_the_file_system():
    names = [name.casefold() for name in fetch.sources()]
    assert len(set(names)) == len(names) > 1000
