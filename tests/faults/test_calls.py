"""Every call to the system of every writer fails once: each file is then the old or the new one, never between.

What fails is the n-th call of one kind, for every n until a writer ends without meeting it. Afterwards the same write
succeeds. The store has the same test of its own (tests/test_store.py).
"""

import builtins
import errno
import io
import os

import numpy as np
import pandas as pd
import pytest

from analysis import files, own, paths, sources, tables
from analysis.errors import ResourceError, guarded
from analysis.figures import registry


def counts(number):
    columns = {"dataset": "d", "model": "m", "labels": "original", "class_id": range(50), "n": 10}
    tables.write_counts(pd.DataFrame(columns | {"correct": number}), paths.data() / "class_counts.parquet")


def csv(number):
    rows = {"label_space": "x", "class_id": range(20), "wnid": "", "name": f"n{number}", "superclass": ""}
    tables.write_csv(pd.DataFrame(rows), "classes")


def own_tables(number):
    ids, label = np.array(["a", "b"], dtype=object), np.array([0, 1])
    part = sources.Predictions("own:pets", "local/a", ids, label, np.array([0, number]), n_classes=2)
    own.add([part], [{"model": "local/a", "name": f"n{number}"}])


def figure(number):
    registry.save("made", pd.DataFrame({"x": [0.0, 1.0], "y": [1.0, 2.0 + number]}), notebook="n", inputs=[])


def text(number):
    files.write_text(paths.data() / "README.md", f"{number}\n")


WRITERS = {"table": counts, "csv": csv, "own tables": own_tables, "figure": figure, "text": text}
CALLS = {"os.open": (os, "open"), "open": (io, "open"), "fsync": (os, "fsync"), "replace": (os, "replace")}


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.setenv("ANALYSIS_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("ANALYSIS_FIGURES_DIR", str(tmp_path / "figures"))

    def draw(table, figure):
        figure.subplots().plot(table["x"], table["y"])

    made = registry.Drawing("made", draw, ("x", "y"), (), 0.6, 0.6, "A line.")
    monkeypatch.setitem(registry.FIGURES, "made", made)
    return tmp_path


def content(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# What a writer does about a failed call is the same for both; those that take long meet the second less often.
CODES = {"full": errno.ENOSPC, "read-only": errno.EROFS}
CASES = [
    pytest.param(writer, call, code, id=f"{writer}-{call}-{name}")
    for writer in WRITERS
    for call in CALLS
    for name, code in CODES.items()
    if name == "full" or writer not in ("own tables", "figure") or "FAULTS_RUN" in os.environ
]


@pytest.mark.filterwarnings("ignore")  # a figure that could not be written leaves a warning of its library behind
@pytest.mark.parametrize(("writer", "call", "code"), CASES)
def test_whichever_call_fails_files_are_old_or_new(here, monkeypatch, capsys, writer, call, code):
    write, (target, name) = WRITERS[writer], CALLS[call]
    write(1)
    new = content(here)
    write(0)
    old = content(here)
    assert old.keys() == new.keys() and old != new
    number, failed = 0, 0
    while True:
        number += 1
        met = []
        with monkeypatch.context() as patch:
            plain = getattr(target, name)

            def fail(*args, plain=plain, met=met, last=number, **kwargs):
                met.append(args)
                if len(met) == last:
                    raise OSError(code, os.strerror(code))
                return plain(*args, **kwargs)

            patch.setattr(target, name, fail)
            if name == "open" and target is io:
                patch.setattr(builtins, "open", fail)
            ended = guarded(lambda: write(1))
        between = content(here)
        assert not [path for path in between if files.TEMPORARY in path]
        assert between.keys() == old.keys() and all(between[path] in (old[path], new[path]) for path in between)
        said = capsys.readouterr().err
        if len(met) < number:
            assert ended == 0 and between == new
            break
        failed += 1
        assert ended == ResourceError.code and said.count("\n") == 1 and said.startswith("error["), (number, said)
        if writer != "figure" or number <= 2:  # drawing takes long
            write(1)
            assert content(here) == new
        for path, before in old.items():
            (here / path).write_bytes(before)
    assert failed or name == "open"  # pyarrow opens its files by itself
