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

from analysis import files, paper_rows, paths, seal, tables
from analysis.errors import AnalysisError, InputError, IntegrityError
from analysis.sources import fetch

FLIPS = 100  # a format; 1,000 with LONG=1


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
def test_no_flip_or_cut_of_a_published_file_is_silent(data, kind, times):
    good, name = CONTENT[kind], f"o+r/a.{kind}"
    row = (name, "https://example.org/o/r/a", hashlib.sha256(good).hexdigest(), len(good), "MIT", "x")
    tables.write_csv(pd.DataFrame([row], columns=list(tables.CSV["sources"])), "sources")
    path = paths.raw() / name
    files.write_bytes(path, good)
    assert fetch.locate(name) == path
    for bad in [*flips(good, int(FLIPS * times)), *cuts(good)]:
        path.write_bytes(bad)
        with pytest.raises(IntegrityError, match=r"sha256|bytes"):
            fetch.locate(name)
        assert path.read_bytes() == bad
    path.write_bytes(good)
    assert fetch.locate(name) == path


def own_table(path):
    size = 300
    columns = {"dataset": "own:d", "model": "m/n", "labels": "original", "class_id": range(size), "n": 50}
    correct = np.random.default_rng(0).integers(0, 51, size)
    tables.write_counts(pd.DataFrame(columns | {"correct": correct}), path)


def test_no_flip_of_an_own_table_is_silent(data, times):
    """No lock lists an own table: its own digest covers the footer, too, which page checksums do not."""
    own_table(data / "class_counts.parquet")  # some shipped table beside it
    path = paths.own() / "class_counts.parquet"
    own_table(path)
    good, expected = path.read_bytes(), tables._read_parquet(path, "class_counts")
    assert seal.holds(good)
    refused = 0
    for bad in [*flips(good, int(FLIPS * times)), *cuts(good)]:
        path.write_bytes(bad)
        try:
            # A flip in the name of the digest leaves a table without one, whose pages and columns are all unchanged.
            assert tables._read_parquet(path, "class_counts").equals(expected)
            assert seal.holds(bad) is None
        except InputError:
            refused += 1
    assert refused >= 0.9 * int(FLIPS * times)


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
