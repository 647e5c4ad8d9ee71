"""Writers killed at random moments: every file is whole, and nothing that was reported as written is lost.

One process imports, then forks the writers that it kills: an import takes longer than all of a writer's life. A writer
reports each write on a pipe after it is done. The files say by their content which write they are of.
"""

import json
import os
import subprocess
import sys

import pytest

from analysis import claims, files, paths, store, tables, verify
from analysis.errors import UsageError

KILLS = 200  # of each writer; 2,000 with LONG=1, 15 within `make test`

HEAD = """
import json, os, random, signal, sys, time
from pathlib import Path
folder, kills = Path(sys.argv[1]), int(sys.argv[2])
for name in ("DATA", "FIGURES", "BUILD", "CACHE"):
    os.environ[f"ANALYSIS_{name}_DIR"] = str(folder)
os.environ.pop("ANALYSIS_MIRROR", None)

def left():
    return len(list(folder.rglob(".analysis-tmp-*")))

def kill_often(write, whole):
    # `write(number)` writes; `whole()` gives the number that the files are of, or fails.
    write(0)
    took = []
    for number in (1, 2):
        started = time.monotonic()
        write(number)
        took.append(time.monotonic() - started)
    rng, span, torn, lost, done, ended = random.Random(0), min(took), 0, 0, 0, 0
    # More of them where kills fell into no write, or no write ended.
    while done < kills or (done < 20 * kills and not (ended and left())):
        done += 1
        reader, writer = os.pipe()
        if not (child := os.fork()):
            os.write(writer, b"\\n")
            while True:
                number += 1
                write(number)
                os.write(writer, b"%d\\n" % number)
        os.close(writer)
        os.read(reader, 1)  # it has begun: on a busy machine that may take longer than a write
        time.sleep(rng.uniform(0, span))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        with os.fdopen(reader, "rb") as pipe:
            reported = [number, *map(int, pipe.read().split())][-1]
        # So that a write ends before every fourth kill, however busy the machine is.
        ended, span = ended + (reported > number), span * (0.77 if reported > number else 1.1)
        try:
            number = whole()
            lost += number not in (reported, reported + 1)
        except Exception as fault:
            torn, number = torn + 1, reported
            print(type(fault).__name__, fault, file=sys.stderr)
    print(json.dumps({"kills": done, "torn": torn, "lost": lost, "ended": ended, "last": number, "left": left()}))
"""
TABLES = """
import numpy as np, pandas as pd
from analysis import tables
columns = {"dataset": "own:d", "model": "m", "labels": "original", "class_id": range(20_000), "n": 2**30}
path = folder / "class_counts.parquet"

def write(number):
    tables.write_counts(pd.DataFrame(columns | {"correct": number}), path)

def whole():
    found = tables.read_counts()["correct"].unique()
    assert len(found) == 1
    return int(found[0])

kill_often(write, whole)
"""
# A notebook's last cell: figure, claim rows, and the receipt, which comes last and lists the digests of all others.
FIGURES = """
import struct, zlib
import pandas as pd
from analysis import claims, files
from analysis.figures import registry
from analysis.publish import publish

def draw(table, figure):
    figure.text(0, 0, str(table["y"][0]))

registry.FIGURES["made"] = registry.Drawing("made", draw, ("y",), (), 0.4, 0.4, "A number.")
sys.modules[publish.__module__].print = lambda *_: None
about = {"dataset": "d", "labels": "original", "models": "m", "verdict": "not run"}

def write(number):
    os.environ["ANALYSIS_RUN_ID"] = str(number)
    row = claims.row("F1", **about, reason=f"write {number}")
    publish("n", figures={"made": pd.DataFrame({"y": [number]})}, claims=[row])

def whole():
    png, pdf = ((folder / f"made{suffix}").read_bytes() for suffix in (".png", ".pdf"))
    assert pdf[:5] == b"%PDF-" and pdf.rstrip().endswith(b"%%EOF"), "torn PDF"
    at, kinds = 8, []
    while at < len(png):
        length, kind = struct.unpack(">I4s", png[at : at + 8])
        body = png[at + 4 : at + 8 + length]
        assert zlib.crc32(body) == int.from_bytes(png[at + 8 + length : at + 12 + length], "big"), "torn PNG"
        kinds, at = [*kinds, kind], at + 12 + length
    assert kinds[0] == b"IHDR" and kinds[-1] == b"IEND", "cut PNG"
    assert json.loads((folder / "made.json").read_text())["rows"] == 1
    receipt = json.loads((folder / "receipts" / "n.json").read_text())
    number, drawn = int(receipt["run"]), int((folder / "made.csv").read_text().split()[1])
    said = pd.read_csv(folder / "tables" / "claims" / "n.csv")["reason"].item()
    assert drawn in (number, number + 1) and said in (f"write {number}", f"write {number + 1}")
    if drawn == number:
        assert len(receipt["outputs"]) == 5
        assert all(files.sha256(path) == digest for path, digest in receipt["outputs"].items())
    return number

kill_often(write, whole)
"""
# Eight entries a folder, so that a check after each kill reads only what is new; the test reads all of it in the end.
STORE = """
import importlib.util
import numpy as np
from analysis import store
features = importlib.util.find_spec("safetensors") is not None
blocks = ["aaaaaaaa", "bbbbbbbb"]

def table(number, place, n=1000):
    label = np.random.default_rng([number, place]).integers(0, 9, n).astype(np.int32)
    ids = np.array([f"{place}-{i:04d}" for i in range(n)], dtype=object)
    return store.Table(ids, label, label, np.full(n, 0.5, np.float32), np.zeros(n, np.int32))

def write(number):
    recipe, into = {"dataset": "d", "seed": number}, folder / str(number // 8)
    for place, block in enumerate(blocks):
        if store.get_part(recipe, block, folder=into) is None:
            part = table(number, place)
            kept = {"f": np.outer(part.label, np.ones(8)).astype(np.float32)} if features else None
            store.put_part(recipe, block, part, features=kept, folder=into)
    store.join(recipe, blocks, folder=into)

def whole():
    number = -1
    for into in sorted(folder.iterdir(), key=lambda path: int(path.name))[-2:]:
        assert store.verify(folder=into) == []
        seeds = sorted(entry.recipe["seed"] for entry in store.entries(folder=into))
        assert seeds == list(range(8 * int(into.name), 8 * int(into.name) + len(seeds))), "an entry is lost"
        number = max([number, *seeds])
    entry = store.get({"dataset": "d", "seed": number}, folder=folder / str(number // 8))
    label = np.concatenate([table(number, place).label for place in (0, 1)])
    assert np.array_equal(entry.table().label, label)
    assert not features or np.array_equal(entry.features()["f"][:, 7], label)
    return number

kill_often(write, whole)
"""
# Three files a write, from a server in a process of its own; each write has a data folder of its own.
DOWNLOADS = """
import hashlib, http.server
import pandas as pd
from analysis import tables
from analysis.sources import fetch
os.environ["NO_PROXY"] = "127.0.0.1"
fetch.Progress.__exit__, fetch.Progress.advance = lambda *_: None, lambda *_: None

def body(path):
    return f"{path} ".encode() * 20_000

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        content = body(self.path)
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Connection", "close")
        self.end_headers()
        for start in range(0, len(content), 1 << 15):
            self.wfile.write(content[start : start + (1 << 15)])

    def log_message(self, *_):
        pass

class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):  # the other end was killed
        pass

server = Server(("127.0.0.1", 0), Handler)
if not (serving := os.fork()):
    server.serve_forever()

def names(number):
    return [f"/{number}/{part}/c/file" for part in "abc"]

def write(number):
    os.environ["ANALYSIS_DATA_DIR"] = str(folder / str(number))
    url = f"http://127.0.0.1:{server.server_address[1]}"
    rows = [
        (f"o+r{name}", url + name, hashlib.sha256(body(name)).hexdigest(), len(body(name)), "MIT", "x")
        for name in names(number)
    ]
    tables.write_csv(pd.DataFrame(rows, columns=list(tables.CSV["sources"])), "sources")
    fetch.fetch_all()

def whole():
    number = -1
    for data in sorted(folder.iterdir(), key=lambda path: int(path.name))[-2:]:
        there = [path for path in data.glob("raw/**/[!.]*") if path.is_file()]
        for path in there:
            assert path.read_bytes() == body(str(path).partition("o+r")[2]), "a wrong file under its final name"
        number = int(data.name) if len(there) == 3 else number
    return number

try:
    kill_often(write, whole)
finally:
    os.kill(serving, signal.SIGKILL)
    os.waitpid(serving, 0)
"""
README = """
import re
from analysis import claims, files, paths, readme
before, marks, after = re.split(f"({readme.BEGIN}.*{readme.END})", (paths.ROOT / "README.md").read_text(), flags=re.S)
paths.ROOT = folder
(folder / "README.md").write_text(before + marks + after)
values = {"effect": 0.9, "ci_low": 0.8, "ci_high": 1.0, "null": 0, "naive": 0.9, "verdict": "reproduced"}
about = {"dataset": "imagenet-val", "labels": "original", "models": "four-families"}

def write(number):
    claims.write("n", [claims.row("F2r", **about, **values, reason=f"write {number};")], folder / "tables" / "claims")
    files.write_bytes(folder / f"{readme.FIGURE}.png", b"%d\\n" % number * 20_000)
    readme.write()

def whole():
    text, lines = (folder / "README.md").read_text(), (folder / "docs" / f"{readme.FIGURE}.png").read_bytes().split()
    assert text.startswith(before + readme.BEGIN) and text.endswith(readme.END + after), "torn README"
    assert len(lines) == 20_000 and len(set(lines)) == 1, "torn figure"
    assert len(claims.gathered()) > 1
    number, written = int(lines[0]), [int(found) for found in re.findall(r"write (\\d+);", text)]
    assert written in ([number], [number + 1])  # the figure comes last
    return number

kill_often(write, whole)
"""
# Which of 24 items are right are the bits of the number; every table of data/own/ tells it.
OWN = """
import numpy as np, pandas as pd
from analysis import own, sources, tables
about = {"dataset": "cifar10", "model": "lib/shipped"}
counts = {"labels": "original", "class_id": [0], "n": 1, "correct": 1}
tables.write_counts(pd.DataFrame(about | counts), folder / "class_counts.parquet")
confused = pd.DataFrame(about | {"label": [0], "pred": 1, "count": 1})
tables.write_confusions(confused, folder / "confusions.parquet")
row = own.MODEL | {"model": "lib/shipped", "name": "net", "source": "lib", "is_network": True, "in_claims": True}
tables.write_csv(pd.DataFrame([row]).reindex(columns=tables.CSV["models"]), "models")
row = {"dataset": "cifar10", "label_space": "cifar10", "items": 1, "classes": 1, "shift_of": "", "note": ""}
tables.write_csv(pd.DataFrame([row | {"per_item": False}]), "datasets")
label = np.arange(24)
ids = np.array([f"i{place:02d}" for place in label], dtype=object)

def write(number):
    pred = np.where(number >> label & 1, label, (label + 1) % 24)
    part = sources.Predictions("own:d", "local/m", ids, label, pred, n_classes=24)
    own.add([part], [{"model": "local/m", "name": f"net {number}"}])

def of_bits(right):
    return int((np.asarray(right).astype(int) << label).sum())

def whole():
    number = of_bits(tables.counts("own:d").correct[0])  # written last
    wrong = tables.read_confusions(dataset="own:d")["label"]
    name = tables.rows_of("models").set_index("model").loc["local/m", "name"]
    found = {of_bits(tables.correct("own:d").right[0]), of_bits(~np.isin(label, wrong)), int(name.split()[1])}
    assert found <= {number, number + 1}, found
    assert tables.rows_of("datasets")["dataset"].tolist() == ["cifar10", "own:d"]
    return number

kill_often(write, whole)
"""
WRITERS = {
    "tables": TABLES,
    "own tables": OWN,
    "figures": FIGURES,
    "store": STORE,
    "downloads": DOWNLOADS,
    "README": README,
}


def killed(script, folder, kills):
    command = [sys.executable, "-c", HEAD + script, str(folder), str(kills)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr


@pytest.mark.parametrize("writer", WRITERS)
def test_a_killed_writer_leaves_old_or_new(tmp_path, times, writer, record_property):
    folder = tmp_path / "machine"
    folder.mkdir()
    found, said = killed(WRITERS[writer], folder, int(KILLS * times) if times >= 1 else 15)
    record_property("done", f"{found['kills']:,} kills: {found['torn']} files torn, {found['lost']} writes lost")
    assert (found["torn"], found["lost"], said) == (0, 0, "")
    assert found["left"] > 0 and found["ended"] > 0, "kills fall into writes, and some writes end"
    if writer == "downloads":
        assert any(folder.glob(f"*/raw/**/{files.TEMPORARY}*")), "kills fall into downloads"
    if writer == "store":
        kept = [entry for each in folder.iterdir() for entry in store.entries(folder=each)]
        assert sorted(entry.recipe["seed"] for entry in kept) == list(range(found["last"] + 1))
        assert [each.name for each in folder.iterdir() if store.verify(folder=each)] == []
    # What kills leave is swept once it is old, and nothing else.
    names = {path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(files.TEMPORARY)}
    for path in folder.rglob(f"{files.TEMPORARY}*"):
        os.utime(path, (0, 0))
    assert files.sweep(folder) == found["left"]
    assert {path for path in folder.rglob("*") if path.is_file()} == names
    assert not [path.name for path in names if ".bad-" in path.name]


def test_what_kills_leave_is_read_by_nobody(tmp_path, monkeypatch):
    for name in ("DATA", "FIGURES", "BUILD"):
        monkeypatch.setenv(f"ANALYSIS_{name}_DIR", str(tmp_path / name.lower()))
    places = {paths.data() / "predictions": ".parquet", paths.figures() / "tables" / "claims": ".csv"}
    places |= {paths.build() / "receipts": ".json", paths.figures(): ".json"}
    for folder, suffix in places.items():
        files.write_bytes(folder / f"{files.TEMPORARY}x{suffix}", b"")
    assert tables.prediction_files() == [] and verify.verify().findings == []
    with pytest.raises(UsageError, match="no notebook has written claims"):
        claims.gathered()


IN_PLACE = """
plain = folder / 'a'

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


def test_a_writer_in_place_would_be_caught(tmp_path):
    """The same kills, and a writer without a temporary name: files are torn, and these tests see it."""
    found, said = killed(IN_PLACE, tmp_path, 60)
    assert found["torn"] > 0 and "AssertionError" in said


pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
