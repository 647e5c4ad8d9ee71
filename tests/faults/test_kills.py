"""Writers killed at random moments: every file is whole, and nothing that was reported as written is lost.

One process imports, then forks the writers that it kills: an import takes longer than all of a writer's life. A writer
reports each write on a pipe after it is done. The files say by their content which write they are of.
"""

import json
import os
import subprocess
import sys

import pytest

from analysis import files

KILLS = 200  # of each writer; 2,000 with LONG=1

HEAD = """
import json, os, random, signal, sys, time
folder, kills = sys.argv[1], int(sys.argv[2])

def kill_often(write, whole):
    # `write(number)` writes; `whole()` gives the number that the files are of, or fails.
    os.environ["ANALYSIS_FIGURES_DIR"] = folder
    write(0)
    started = time.monotonic()
    write(1)
    rng, span = random.Random(0), min(2 * (time.monotonic() - started), 0.3)
    number, torn, lost = 1, 0, 0
    for _ in range(kills):
        reader, writer = os.pipe()
        if not (child := os.fork()):
            while True:
                number += 1
                write(number)
                os.write(writer, b"%d\\n" % number)
        os.close(writer)
        time.sleep(rng.uniform(0, span))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        with os.fdopen(reader, "rb") as pipe:
            reported = [number, *map(int, pipe.read().split())][-1]
        try:
            number = whole()
            lost += number not in (reported, reported + 1)
        except Exception as fault:
            torn, number = torn + 1, reported
            print(type(fault).__name__, fault, file=sys.stderr)
    left = [name for name in os.listdir(folder) if name.startswith(".analysis-tmp-")]
    print(json.dumps({"kills": kills, "torn": torn, "lost": lost, "writes": number, "left": len(left)}))
"""
TABLES = (
    HEAD
    + """
from pathlib import Path
import numpy as np, pandas as pd
from analysis import seal, tables
os.environ["ANALYSIS_DATA_DIR"] = folder
columns = {"dataset": "own:d", "model": "m", "labels": "original", "class_id": range(20_000), "n": 2**30}
path = Path(folder) / "class_counts.parquet"

def write(number):
    tables.write_counts(pd.DataFrame(columns | {"correct": number}), path)

def whole():
    found = tables.read_counts()["correct"].unique()
    assert len(found) == 1
    return int(found[0])

kill_often(write, whole)
"""
)
FIGURES = (
    HEAD
    + """
import struct, zlib
from pathlib import Path
from analysis.figures import registry, style

def write(number):
    drawn = style.Figure(figsize=(0.4, 0.4), dpi=50)
    drawn.text(0, 0, str(number))
    for suffix in (".png", ".pdf"):
        registry.write_figure(drawn, Path(folder) / f"a{suffix}")
    registry.files.write_text(Path(folder) / "a.json", json.dumps({"number": number}))

def whole():
    png, pdf = ((Path(folder) / f"a{suffix}").read_bytes() for suffix in (".png", ".pdf"))
    assert pdf[:5] == b"%PDF-" and pdf.rstrip().endswith(b"%%EOF"), "torn PDF"
    at, kinds = 8, []
    while at < len(png):
        length, kind = struct.unpack(">I4s", png[at : at + 8])
        body = png[at + 4 : at + 8 + length]
        assert zlib.crc32(body) == int.from_bytes(png[at + 8 + length : at + 12 + length], "big"), "torn PNG"
        kinds, at = [*kinds, kind], at + 12 + length
    assert kinds[0] == b"IHDR" and kinds[-1] == b"IEND", "cut PNG"
    return json.loads((Path(folder) / "a.json").read_text())["number"]

kill_often(write, whole)
"""
)


def killed(script, folder, kills):
    done = subprocess.run([sys.executable, "-c", script, str(folder), str(kills)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr


def test_a_killed_writer_of_tables_leaves_old_or_new(tmp_path, times):
    found, said = killed(TABLES, tmp_path, int(KILLS * times))
    assert (found["torn"], found["lost"], said) == (0, 0, "")
    assert found["left"] > 0 and found["writes"] > 0, "kills fall into writes, and some writes end"
    # What kills leave is swept once it is old.
    for name in os.listdir(tmp_path):
        if name.startswith(files.TEMPORARY):
            os.utime(tmp_path / name, (0, 0))
    assert files.sweep(tmp_path) == found["left"]
    assert sorted(os.listdir(tmp_path)) == ["class_counts.parquet"]


def test_a_killed_writer_of_figures_leaves_old_or_new(tmp_path, times):
    found, said = killed(FIGURES, tmp_path, int(KILLS * times))
    assert (found["torn"], found["lost"], said) == (0, 0, "")
    assert found["left"] > 0 and found["writes"] > 0


IN_PLACE = (
    "\nfrom pathlib import Path\nplain = Path(folder) / 'a'\n"
    + """
def write(number):
    with open(plain, "wb") as file:
        for _ in range(200):
            file.write(b"%07d\\n" % number * 100)

def whole():
    lines = plain.read_bytes().split()
    assert len(lines) == 20_000 and len(set(lines)) == 1
    return int(lines[0])

kill_often(write, whole)
"""
)


def test_a_writer_in_place_would_be_caught(tmp_path):
    """The same kills, and a writer without a temporary name: files are torn, and these tests see it."""
    found, said = killed(HEAD + IN_PLACE, tmp_path, 60)
    assert found["torn"] > 0 and "AssertionError" in said


pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
