"""Arrays and numbers that are not what they seem: lost rows, narrow types, lying headers, exchanged classes."""

import math
import shutil
import struct
import zipfile

import numpy as np
import pandas as pd
import pytest

from analysis import files, paths, rows, sources, tables
from analysis.errors import InputError, IntegrityError
from analysis.measure import accuracy
from analysis.reporting import diagnose, forms
from analysis.sources import check, fetch, imagenetv2
from analysis.vision import itemsets


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.setenv("ANALYSIS_DATA_DIR", str(tmp_path / "data"))
    return tmp_path / "data"


@pytest.mark.parametrize("at", [0, 25_000])
def test_a_row_lost_and_another_added_is_seen(at):
    """Labels come in blocks of 50, so a shift by one row costs a point and a half and no accuracy looks wrong."""
    rng = np.random.default_rng(0)
    label = np.repeat(np.arange(1000), 50)
    pred = np.where(rng.random(50_000) < 0.76, label, rng.integers(0, 1000, 50_000))
    moved = np.append(np.delete(pred, at), pred[at])
    assert (moved == label).mean() > 0.73
    found = diagnose.row_order(label, moved)
    assert found.after > found.before and "one row early" in found.looks
    assert diagnose.row_order(label, pred) is None
    # With ids the rows find their items, wherever they stand.
    ids = np.array([f"i{number:05d}" for number in range(50_000)])
    order = np.append(np.delete(np.arange(50_000), at), at)
    assert (pred[order][check.check_ids("a.csv", ids[order], ids)] == pred).all()


def test_two_classes_exchanged_in_the_list_are_refused(data):
    for name in ("classes.csv", "PROVENANCE.json"):
        data.mkdir(exist_ok=True)
        shutil.copy(paths.ROOT / "data" / name, data / name)
    classes = tables.read_csv("classes")
    text = (data / "classes.csv").read_text(encoding="utf-8")
    one, other = classes.loc[classes["name"] == "crane", "wnid"].unique()
    swapped = text.replace(f",{one},", ",x,").replace(f",{other},", f",{one},").replace(",x,", f",{other},")
    assert len(swapped) == len(text) and swapped != text
    (data / "classes.csv").write_text(swapped, encoding="utf-8")
    with pytest.raises(IntegrityError, match="sha256"):
        tables.read_csv("classes")


def test_a_class_too_large_for_its_column_is_refused(data):
    row = {"dataset": ["own:x"], "model": ["a/b"], "labels": ["original"], "class_id": [40_000], "n": [1]}
    with pytest.raises(IntegrityError, match="does not fit the type"):
        tables.write_counts(pd.DataFrame(row | {"correct": [1]}), data / "class_counts.parquet")
    with pytest.raises(InputError, match="does not fit the type"):
        tables.write_counts(pd.DataFrame(row | {"correct": [1]}), paths.own() / "class_counts.parquet")
    assert not list(data.rglob("*.parquet"))


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", ">i2"])
def test_counts_of_narrow_labels_are_wide(dtype):
    """In int8, 50,000 ones are 80."""
    label = np.ones(50_000, dtype=dtype)
    found = accuracy.class_counts(label=label, pred=label, n_classes=2)
    assert found.n.tolist() == [0, 50_000] and found.correct.tolist() == [0, 50_000]
    assert found.n.dtype == found.correct.dtype == np.int64


def test_ids_as_numbers_with_a_point_are_refused():
    """16,777,217 as float32 is 16,777,216: two items become one."""
    ids = np.array([16_777_216, 16_777_217])
    with pytest.raises(IntegrityError, match="ids have type float32"):
        check.check_ids("a.npy", ids.astype(np.float32), ids)


@pytest.mark.parametrize("change", [np.asfortranarray, lambda a: a.astype(">i4"), lambda a: a[::-1].copy()[::-1]])
def test_other_layouts_are_the_same_answers(change):
    rng = np.random.default_rng(0)
    label = rng.integers(0, 100, 500)
    topk = np.column_stack([label, *(rng.integers(0, 100, 500) for _ in range(4))])
    found = check.check_topk("a.npy", change(topk), label, n_classes=100)
    assert found.dtype == np.int64 and (found == topk).all()


def header(shape: str, kind: str = "<i8", size: int = 64) -> bytes:
    """A .npy file of 64 bytes that says it has another shape."""
    text = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode() + bytes(size)


LIES = {
    "10^13": header("(10000000000000,)"),
    "3 x 10^18": header("(3000000000000000000,)"),
    "two axes": header("(10000000000, 10000000000)"),
    "-5": header("(-5,)"),
    "2,000 brackets": header("(" * 2000),
    "2 x 10^9 without data": header("(2000000000,)", size=0),
    "objects": header("(8,)", "|O"),
    "no numbers": header("('a',)"),
    "no header": b"\x93NUMPY\x01\x00",
    "nothing": b"",
    "another version": header("(8,)").replace(b"\x01\x00", b"\x09\x00", 1),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_lying_npy_header_is_refused(tmp_path, monkeypatch, lie):
    path = tmp_path / "a.npy"
    path.write_bytes(LIES[lie])
    monkeypatch.setattr(fetch, "locate", lambda name: path)
    with pytest.raises(IntegrityError, match=r"r/a\.npy: not a plain \.npy array") as fault:
        imagenetv2.load_npy("o+r/a.npy")
    assert "\n" not in str(fault.value)
    for read in (lambda: itemsets._array(path, (lie,)), lambda: forms.read(path)):
        with pytest.raises(InputError, match=r"not a plain|is empty"):
            read()
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("a.npy", LIES[lie])
    with pytest.raises(
        (InputError, MemoryError)
    ):  # a member is not on disk: what it asks for may be refused by the system
        forms.read(tmp_path / "a.npz")
    path.write_bytes(header("(8,)"))
    assert files.npy(path).tolist() == [0] * 8 and imagenetv2.load_npy("o+r/a.npy").shape == (8,)


def test_confidences_are_summed_in_double():
    """In float32 the sum of 200,000 tenths is off by more than one."""
    tenth = np.full(200_000, 0.1, dtype=np.float32)
    assert abs(float(np.cumsum(tenth, dtype=np.float32)[-1]) - 20_000) > 1
    label = np.zeros(200_000, dtype=np.int64)
    ids = np.arange(200_000).astype(str).astype(object)
    found = rows.Rows(lambda: None)
    found.add(sources.Predictions("own:x", "a/b", ids, label, label, n_classes=1, confidence=tenth))
    total = found.counts_frame()["confidence_sum"].iloc[0]
    assert total == pytest.approx(math.fsum(tenth.astype(np.float64)), rel=1e-12)
