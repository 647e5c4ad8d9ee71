"""Made-up and damaged bytes at every door: a right value, or one fault of our own; anything else is a finding.

How many examples each: see conftest.py. What is damaged in files that carry a digest stands in test_bytes.py, made-up
pickles in tests/test_pickles.py.
"""

import contextlib
import csv
import io
import json
import os
import shutil
import zipfile
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis import files, paths, run, tables
from analysis.errors import AnalysisError, InputError, IntegrityError, NotebookError, ResourceError
from analysis.reporting import forms, reading
from analysis.sources import check
from analysis.text import corpus_20news
from analysis.vision import layouts

PROPERTY = settings.get_profile("property")


def emptied(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def of(names):
    return st.sampled_from(sorted(names))


# ---- Files -----------------------------------------------------------------------------------------------------------


@st.composite
def mutated(draw, content: bytes, most: int = 4) -> bytes:
    """The bytes with some of them changed, cut out or put in."""
    content = bytearray(content)
    for _ in range(draw(st.integers(1, most))):
        at = draw(st.integers(0, max(len(content) - 1, 0)))
        how = draw(st.sampled_from(["flip", "flip", "set", "cut", "insert", "end"]))
        if how == "flip" and content:
            content[at] ^= 1 << draw(st.integers(0, 7))
        elif how == "set" and content:
            content[at] = draw(st.sampled_from([0, 1, 0x22, 0x30, 0x7F, 0xFF]))
        elif how == "cut":
            del content[at : at + draw(st.integers(1, 9))]
        elif how == "insert":
            content[at:at] = draw(st.binary(min_size=1, max_size=5))
        elif how == "end":
            del content[at:]
    return bytes(content)


def saved(array, save=np.save) -> bytes:
    stream = io.BytesIO()
    save(stream, array) if save is np.save else save(stream, **array)
    return stream.getvalue()


DESCR = [
    "'<i8'", "'|O'", "'|b1'", "'|V3'", "'<U2'", "'|S0'", "'<f2'", "'<M8[s]'", "[('a','<i8')]", "[('a','|O')]", "[]",
    "''", "('<i8',(2,))", "('<i8',)", "None", "7", "'<i8,<i4'", "{'a':1}", "'x' * 9", "(1, 2)", "[('a',)]", "'<i80'",
    "'>c16'",
]  # fmt: skip
SHAPE = [
    "(4,)", "(2,2)", "()", "(0,)", "(-1,)", "(4.0,)", "('a',)", "4", "None", "[4]", "(True,)", "(10**9,)", "(10,)*40",
    "(9999999999999,)", "(4294967296,4294967296)", "(0,9999999999999999999)", "(" * 300, "-" * 3000 + "1", "(4,)#",
    "(1,\n4)",
]  # fmt: skip


@st.composite
def npy_bytes(draw):
    if draw(st.booleans()):
        return draw(mutated(saved(np.arange(40).reshape(8, 5))))
    pairs = [
        ("descr", draw(st.sampled_from(DESCR))),
        ("fortran_order", draw(st.sampled_from(["False", "True", "0", "None"]))),
    ]
    pairs += [
        ("shape", draw(st.sampled_from(SHAPE))),
        *draw(st.sampled_from([[], [], [("x", "1")], [("descr", "'<i8'")]])),
    ]
    text = "{" + "".join(f"'{name}': {value}, " for name, value in pairs) + "}\n"
    version = draw(st.sampled_from([1, 1, 2, 3, 4]))
    size = len(text).to_bytes(2 if version == 1 else 4, "little")
    return b"\x93NUMPY" + bytes([version, 0]) + size + text.encode() + bytes(draw(st.sampled_from([0, 8, 32, 33])))


@PROPERTY
@given(npy_bytes())
def test_any_npy_bytes_are_an_array_that_fits_or_refused(here, content):
    path = here / "a.npy"
    path.write_bytes(content)
    try:
        array = files.npy(path)
    except ValueError as fault:
        assert str(fault) == "not a plain .npy array"
        return
    assert array.nbytes <= len(content) and not array.dtype.hasobject
    if np.issubdtype(array.dtype, np.integer) and content == saved(np.arange(40).reshape(8, 5)):
        assert (array == np.arange(40).reshape(8, 5)).all()
    with contextlib.suppress(AnalysisError):
        forms.read(path)


ODD_JSON = [
    "NaN", "-Infinity", "1e999", "-1e999", "1" * 5000, '{"a": 1, "a": 1}', "[" * 99_999, "tru", '"\ud800"', "\ufeff1",
    "\0", "01", "'a'", "1e400",
]  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


@st.composite
def json_bytes(draw, content=JSON):
    text = json.dumps(draw(content), ensure_ascii=draw(st.booleans()), indent=draw(st.sampled_from([None, 1])))
    if draw(st.booleans()):
        at = draw(st.integers(0, len(text)))
        text = text[:at] + draw(st.sampled_from(ODD_JSON)) + text[at + draw(st.integers(0, 2)) :]
    encoded = text.encode("utf-8", "surrogatepass")
    return encoded if draw(st.integers(0, 3)) else draw(mutated(encoded))


def plain_json(content: bytes):
    """The value of JSON that says one thing only, else ValueError; by another route than the code."""
    text = content.decode("utf-8-sig")

    def value_of(found):
        if isinstance(found, tuple):  # the pairs of an object
            if len(dict(found)) != len(found):
                raise ValueError
            return {name: value_of(value) for name, value in found}
        if isinstance(found, list):
            return [value_of(value) for value in found]
        if isinstance(found, float) and not abs(found) < float("inf"):
            raise ValueError
        return found

    return value_of(json.loads(text, object_pairs_hook=tuple))


@PROPERTY
@given(json_bytes())
def test_any_json_is_read_exactly_or_refused(here, content):
    path = here / "a.json"
    path.write_bytes(content)
    try:
        expected = plain_json(content)
    except (ValueError, RecursionError):
        with pytest.raises(IntegrityError, match=r"a\.json: (not JSON|not UTF-8|holds NUL)"):
            check.read_json(path, where="a.json")
        return
    found = check.read_json(path, where="a.json")
    assert found == expected and repr(found) == repr(expected)


LOCKS = st.one_of(
    JSON.map(json.dumps),
    JSON.map(lambda value: json.dumps({"files": value})),
    JSON.map(lambda value: json.dumps({"files": {"models.csv": value, "correct/own.parquet": value}})),
    JSON.map(lambda value: json.dumps({"files": {"models.csv": {"sha256": value}}})),
    st.sampled_from(ODD_JSON),
    st.just("right"),
    st.text(max_size=80),
)


@PROPERTY
@given(LOCKS, st.booleans())
def test_any_lock_is_obeyed_or_refused(here, text, by_hand):
    data, name = paths.data(), "sources" if by_hand else "models"
    if not (data / f"{name}.csv").exists():
        row = {column: [{str: "x", int: 1, float: 0.5, bool: True}[kind]] for column, kind in tables.CSV[name].items()}
        tables.write_csv(pd.DataFrame(row), name)
    digest = files.sha256(data / f"{name}.csv")
    if text == "right":
        text = f"{digest}  sources.csv\n" if by_hand else json.dumps({"files": {"models.csv": {"sha256": digest}}})
    lock = data / ("SHA256SUMS" if by_hand else "PROVENANCE.json")
    lock.write_bytes(text.encode("utf-8", "surrogatepass"))
    if digest in text:
        assert len(tables.read_csv(name)) == 1
    else:
        with pytest.raises(IntegrityError):
            tables.read_csv(name)
    with pytest.raises(AnalysisError):  # there is no such table, whatever the lock is
        tables.correct("own:d")


@PROPERTY
@given(
    st.binary(max_size=60) | st.lists(st.sampled_from(list(b'a1,"\n\r\0;\xef\xbb\xbf\xc3\xa9')), max_size=40).map(bytes)
)
def test_any_csv_bytes_are_a_table_or_refused(here, content):
    path = here / "a.csv"
    path.write_bytes(content)
    try:
        found = files.csv_rows(path)
    except ValueError as fault:
        assert len(str(fault)) < 100
        found = None
    if found is not None:
        assert (
            found and len({len(row) for row in found}) == 1 and not any("\0" in text for row in found for text in row)
        )
        stream = io.StringIO(newline="")
        csv.writer(stream, quoting=csv.QUOTE_ALL).writerows(found)
        path.write_text(stream.getvalue(), encoding="utf-8", newline="")
        assert files.csv_rows(path) == found
    with contextlib.suppress(AnalysisError):
        forms.read(path)


def zipped(members: dict, kind=zipfile.ZIP_DEFLATED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", kind) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, compress_type=kind)
    return stream.getvalue()


ARRAYS = {"pred": np.arange(60) % 7, "label": np.arange(60) % 7, "confidence": np.full(60, 0.5)}
ARCHIVES = [saved(ARRAYS, np.savez), saved(ARRAYS, np.savez_compressed)]


@PROPERTY
@given(st.sampled_from(ARCHIVES).flatmap(mutated))
def test_any_archive_of_arrays_is_read_exactly_or_refused(here, content):
    path = here / "a.npz"
    path.write_bytes(content)
    try:
        found = forms.read(path)
    except InputError as fault:
        assert "\n" not in str(fault)
        return
    assert found.pred.tolist() == ARRAYS["pred"].tolist()
    assert found.label is None or found.label.tolist() == ARRAYS["label"].tolist()
    assert found.confidence is None or found.confidence.tolist() == ARRAYS["confidence"].tolist()


POSTS = {
    f"20news-bydate-{part}/alt.atheism/{number}": f"post {number}\n".encode() * 9
    for part in ("train", "test")
    for number in (1, 2)
}
STRAY = [
    "../../out", "/tmp/out", "20news-bydate-train/../../out", "", ".", "20news-bydate-train/",
    "20NEWS-bydate-train/alt.atheism/1",
]  # fmt: skip


@st.composite
def archives_of_posts(draw):
    members = dict(POSTS)
    if draw(st.booleans()):
        del members[draw(of(POSTS))]
    for name in draw(st.lists(st.sampled_from(STRAY), max_size=2)):
        members[name] = b"x"
    whole = zipped(members, draw(st.sampled_from([zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED])))
    return draw(mutated(whole)) if draw(st.integers(0, 3)) else whole


@PROPERTY
@given(archives_of_posts())
def test_any_archive_of_posts_is_read_exactly_or_refused(here, content):
    kept = emptied(paths.raw()) / "20news-bydate.zip"
    kept.write_bytes(content)
    before = sorted(here.rglob("*"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(corpus_20news, "N_POSTS", {"train": 2, "test": 2})
        patch.setattr(corpus_20news, "SHA256", corpus_20news.tree_sha256(POSTS))
        try:
            assert corpus_20news._content("") == POSTS
        except IntegrityError as fault:
            assert "\n" not in str(fault)
    assert sorted(here.rglob("*")) == before and kept.read_bytes() == content


# ---- Folders ---------------------------------------------------------------------------------------------------------

NAMES = [
    "n01440764", "n01443537", "n0144O764", "val", "images", "wnids.txt", "val_annotations.txt", "classes.csv", "fog",
    "3", "0", "999", "1000", "labels.npy", "fog.npy", "labels.csv", "test_batch.bin", "test.bin",
    "LOC_val_solution.csv", "validation-0-of-1.parquet", "cifar10.1_v4_data.npy", "cifar10.1_v4_labels.npy",
    "ILSVRC2012_val_00000001.JPEG", "a.JPEG", "A.jpeg", ".DS_Store", "._x", "a.part", "x\ud800", "cat", "tabby",
]  # fmt: skip
ANY_NAME = st.one_of(
    st.sampled_from(NAMES), st.binary(min_size=1, max_size=8).map(os.fsdecode), st.text(min_size=1, max_size=8)
).filter(lambda name: name not in (".", "..") and not set("/\0") & set(name))
LISTS = [b"n01440764\n", b"folder,class_id\ncat,0\n", b"a.JPEG\tn01440764\t0\n"]
CONTENT = st.sampled_from([b"", b"x", b"\xff", b"PAR1xPAR1", saved(np.arange(9)), *LISTS])
TREE = st.recursive(CONTENT, lambda inner: st.dictionaries(ANY_NAME, inner, max_size=4), max_leaves=8)
SETS = [
    "own:x", "imagenet-sample", "imagenet-a", "imagenet-sketch", "imagenetv2-top-images", "tiny-imagenet",
    "imagenet-c", "imagenet-c/fog/3", "cifar10", "cifar100", "cifar10.1-v4", "cifar10-c", "cifar10-c/fog",
    "imagenet-val",
]  # fmt: skip


def grow(folder: Path, tree: dict) -> None:
    folder.mkdir()
    for name, below in tree.items():
        try:
            if isinstance(below, dict):
                grow(folder / name, below)
            else:
                (folder / name).write_bytes(below)
        except (OSError, UnicodeEncodeError):  # no such name, or one that differs in capitals, on this file system
            continue


@PROPERTY
@given(st.sampled_from(SETS), st.dictionaries(ANY_NAME, TREE, min_size=1, max_size=5))
def test_any_folder_is_a_set_or_refused(shipped, dataset, tree):
    root = shipped / "set"
    shutil.rmtree(root, ignore_errors=True)
    grow(root, tree)
    try:
        surveys = layouts.survey(dataset, root)
    except AnalysisError as fault:
        assert fault.code in (2, 3) and "\n" not in str(fault)
        return
    for found in surveys:
        items = found.items
        assert len(set(items.item_id.tolist())) == len(items) == len(items.refs)
        assert ((items.label >= 0) & (items.label < items.n_classes)).all()
        for text in (*items.item_id, *(where for where, _ in found.wrong)):
            assert str(text).encode("utf-8")  # can be stored and printed
        with contextlib.suppress(InputError):
            for one in layouts.open_set(dataset, root):
                assert len(one.read(0)) >= 0


# ---- Notebooks and receipts ------------------------------------------------------------------------------------------

ERRORS = st.builds(
    lambda name, value: nbformat.v4.new_output("error", ename=name, evalue=value, traceback=["x"]),
    st.sampled_from(["ValueError", "MemoryError", "InputError", "AnalysisError", "some", "guarded", "annotations", ""]),
    st.sampled_from(["", "x\ny", "error[ab] c; d", "error[] ", "error[ab] c; d; e", "\x1b[2J"]),
)
CELLS = st.lists(
    st.tuples(
        st.sampled_from(["code", "code", "code", "blank", "text"]),
        st.sampled_from(["next", "next", "next", None, 7]),
        st.lists(st.just(nbformat.v4.new_output("stream", text="x")) | ERRORS, max_size=2) | st.just([]),
    ),
    max_size=5,
)


@PROPERTY
@given(CELLS, st.integers(0, 4).map(lambda number: number == 0))
def test_a_notebook_counts_only_if_every_cell_ran_in_order(here, made, died):
    notebook, number, faults = nbformat.v4.new_notebook(), 0, []
    for kind, count, outputs in made:
        if kind == "text":
            notebook.cells.append(nbformat.v4.new_markdown_cell("x"))
            continue
        source, outputs = ("1", outputs) if kind == "code" else (" \n", [])
        number += kind == "code"
        executed = number if count == "next" else count
        cell = nbformat.v4.new_code_cell(source, execution_count=executed, outputs=outputs)
        cell.metadata["papermill"] = {"start_time": None if executed is None else "now"}
        notebook.cells.append(cell)
        if kind == "code":
            faults += ["error" for output in outputs if output.output_type == "error"]
            faults += ["order"] if executed != number and not died else []
    copy = here / "copy.ipynb"
    nbformat.write(notebook, copy)
    (here / run.STDERR).write_bytes(b"\xff")
    if not faults and not died:
        assert run._check_cells(here / "a.ipynb", copy, died) == number
        return
    with pytest.raises(AnalysisError) as fault:
        run._check_cells(here / "a.ipynb", copy, died)
    assert "\n" not in str(fault.value) and fault.value.code > 0
    if "error" not in faults:
        assert isinstance(fault.value, ResourceError if died else NotebookError)


RECEIPTS = st.one_of(
    JSON,
    st.fixed_dictionaries({"run": st.just("id"), "outputs": JSON}),
    st.fixed_dictionaries(
        {"run": st.just("id"), "outputs": st.dictionaries(st.text(max_size=4) | st.just("a" * 5000), JSON, max_size=3)}
    ),
    st.fixed_dictionaries({"run": st.just("id"), "outputs": st.lists(st.tuples(JSON, JSON), max_size=2)}),
    st.fixed_dictionaries({"run": st.sampled_from(["id", "other"]), "outputs": st.just({"README.md": "right"})}),
)


@PROPERTY
@given(json_bytes(RECEIPTS))
def test_any_receipt_holds_or_is_refused(here, content):
    content = content.replace(b'"right"', f'"{README}"'.encode())
    path = emptied(paths.build() / "receipts") / "a.json"
    path.write_bytes(content)
    try:
        found = run._check_receipt(here / "a.ipynb", "id")
    except NotebookError as fault:
        assert "\n" not in str(fault)
        return
    assert found == [path, paths.ROOT / "README.md"] and json.loads(content)["run"] == "id"


README = files.sha256(paths.ROOT / "README.md")


# ---- Predictions of a user's own, whatever they hold -----------------------------------------------------------------

VALUE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 9)
    | st.integers()
    | st.floats()
    | st.sampled_from(["", "1", "1.0", "a", "[1 2]", "NaN", "-1"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=4,
)
COLUMN = [
    "item_id", "pred", "label", "confidence", "top5", "scores", "index", "index_0", "index_1", "prob", "prob_0",
    "model", "dataset", "filename", "", "x",
]  # fmt: skip


@st.composite
def own_files(draw):
    """(suffix, bytes): mostly right rows, with some cells or whole columns that are anything."""
    size = draw(st.integers(1, 5))
    rows = [{"item_id": f"i{number}", "pred": number % 2, "label": number % 2} for number in range(size)]
    for name in draw(st.lists(st.sampled_from(COLUMN), max_size=2)):
        odd = draw(VALUE)
        for row in rows if draw(st.booleans()) else [draw(st.sampled_from(rows))]:
            row[name] = odd
    form = draw(st.sampled_from(["records", "records", "split", "index", "lines", "csv", "frame", "any"]))
    if form in ("csv", "frame"):
        return form, rows
    if form == "split":
        names = draw(st.sampled_from([list(rows[0]), list(rows[0])[:1], [*rows[0], "pred"], None, "pred"]))
        made = {
            "columns": names,
            "data": draw(st.sampled_from([[list(row.values()) for row in rows], rows, None, 7]) | VALUE),
        }
    elif form == "index":
        made = {f"i{number}": row for number, row in enumerate(rows)}
    elif form == "lines":
        return "json", "\n".join(map(json.dumps, rows)).encode()
    else:
        made = rows if form == "records" else draw(st.lists(VALUE, max_size=3) | VALUE)
    return "json", json.dumps(made).encode()


@PROPERTY
@given(own_files())
def test_any_file_of_a_users_own_is_read_or_refused(shipped, made):
    form, content = made
    path = shipped / f"a.{form}"
    try:
        if form == "frame":
            raw = forms.read(pd.DataFrame(content))
        else:
            if form == "csv":
                pd.DataFrame(content).to_csv(path, index=False)
            else:
                path.write_bytes(content)
            raw = forms.read(path)
        found = reading.answers(raw, dataset="own")
    except InputError as fault:
        assert "\n" not in str(fault)
        return
    assert found.n.sum() == len(found.item_id) == len(set(found.item_id)) and found.k.sum() == found.right.sum()
    assert ((found.pred >= 0) & (found.pred < len(found.classes))).all()
    if found.confidence is not None:
        assert ((found.confidence >= 0) & (found.confidence <= 1)).all()
