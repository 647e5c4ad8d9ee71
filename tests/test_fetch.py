"""Downloads from a local server, one path a fault: what arrives is whole and as pinned, or the fault has a name."""

import hashlib
import http.server
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pandas as pd
import pytest

from analysis import files, paths, tables
from analysis.errors import IntegrityError, NetworkError
from analysis.sources import fetch

CONTENT = bytes(range(256)) * 800  # 204,800 bytes
FLIPPED = CONTENT[:1000] + bytes([CONTENT[1000] ^ 4]) + CONTENT[1001:]
HTML, POINTER = b"<!DOCTYPE html><html>sign in</html>", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n"


class Faults(http.server.BaseHTTPRequestHandler):
    """The first part of the path names the fault."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        hits = self.server.hits
        kind = self.path.split("/")[1]
        hits[kind] = hits.get(kind, 0) + 1
        self.close_connection = True
        bodies = {"good": CONTENT, "flip": FLIPPED, "html": HTML, "pointer": POINTER, "long": CONTENT * 2}
        if kind in bodies or (kind == "busy" and hits[kind] > 2):
            self._send(200, bodies.get(kind, CONTENT))
        elif kind == "cut":
            self._send(200, CONTENT[:70_000], length=len(CONTENT))
        elif kind == "cut-silently":
            self._send(200, CONTENT[:70_000], length=None)
        elif kind == "cut-chunks":
            chunk = b"%x\r\n" % 5000 + CONTENT[:5000] + b"\r\n"  # and no last chunk
            self._send(200, chunk, length=None, header=("Transfer-Encoding", "chunked"))
        elif kind == "loop":
            self._send(302, b"", header=("Location", "/loop"))
        elif kind in ("stall", "drip"):
            self._send(200, CONTENT[:1000], length=len(CONTENT))
            while not self.server.over.wait(0.02 if kind == "drip" else 5):
                try:
                    self.wfile.write(b"x" if kind == "drip" else b"")
                except OSError:
                    return
        else:
            status = {"busy": 503, "refuse": 500, "slow-down": 429}.get(kind, 404)
            header = ("Retry-After", "7" if kind == "slow-down" else "0")
            self._send(status, b"no", header=header)

    def _send(self, status, body, *, length=-1, header=None):
        self.send_response(status)
        if length is not None:
            self.send_header("Content-Length", str(len(body) if length < 0 else length))
        if header:
            self.send_header(*header)
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Faults) as server:
        server.hits, server.over = {}, threading.Event()
        threading.Thread(target=server.serve_forever, args=[0.02], daemon=True).start()
        yield server
        server.over.set()
        server.shutdown()


@pytest.fixture
def pin(tmp_path, monkeypatch, server):
    """Pin files by kind of fault: `pin("good", "flip")` writes sources.csv of an empty data folder, gives the names."""
    monkeypatch.setenv("ANALYSIS_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.delenv("ANALYSIS_MIRROR", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for name, value in {"PAUSE": 0.01, "READ_TIMEOUT": 0.4, "TOTAL_TIMEOUT": 1.0, "CONNECT_TIMEOUT": 2.0}.items():
        monkeypatch.setattr(fetch, name, value)

    def write(*kinds, port=server.server_address[1]):
        digest = hashlib.sha256(CONTENT).hexdigest()
        rows = [
            (f"owner+repo/{kind}.bin", f"http://127.0.0.1:{port}/{kind}/file", digest, len(CONTENT), "MIT", "test")
            for kind in kinds
        ]
        tables.write_csv(pd.DataFrame(rows, columns=list(tables.CSV["sources"])), "sources")
        return [row[0] for row in rows]

    return write


def remains():
    return sorted(path.name for path in paths.raw().rglob("*") if path.is_file())


def test_files_are_fetched_once_and_found(pin, server):
    names = pin("good", "busy")
    assert fetch.fetch_all() == 2
    assert [fetch.locate(name).read_bytes() for name in names] == [CONTENT, CONTENT]
    assert server.hits == {"good": 1, "busy": 3}  # 503, 503, 200
    assert fetch.fetch_all() == 0 and server.hits["good"] == 1


@pytest.mark.parametrize(
    ("kind", "fault", "words", "hits"),
    [
        ("cut", NetworkError, "127.0.0.1", fetch.ATTEMPTS),
        ("cut-chunks", NetworkError, "127.0.0.1", fetch.ATTEMPTS),
        ("cut-silently", IntegrityError, "cut short", 1),
        ("flip", IntegrityError, "sha256", 1),
        ("long", IntegrityError, "bytes", 1),
        ("html", IntegrityError, "HTML page", 1),
        ("pointer", IntegrityError, "git-lfs pointer", 1),
        ("absent", NetworkError, "HTTP 404", 1),
        ("refuse", NetworkError, "HTTP 500", fetch.ATTEMPTS),
        ("loop", NetworkError, "TooManyRedirects", 6),
        ("stall", NetworkError, "127.0.0.1", fetch.ATTEMPTS),
        ("drip", NetworkError, "took longer than", 1),
    ],
)
def test_a_fault_of_the_server_is_named_and_leaves_nothing(pin, server, kind, fault, words, hits):
    pin(kind)
    with pytest.raises(fault, match=words) as raised:
        fetch.fetch_all()
    assert "\n" not in str(raised.value) and "file.bin" not in str(raised.value)
    assert remains() == [] and server.hits[kind] == hits


def test_retry_after_is_obeyed_up_to_a_bound(pin, monkeypatch):
    waits = []
    monkeypatch.setattr(threading.Event, "wait", lambda self, timeout=None: waits.append(timeout))
    monkeypatch.setattr(fetch, "LONGEST_PAUSE", 5.0)
    pin("slow-down")
    source = next(iter(fetch.sources().values()))
    with pytest.raises(NetworkError, match="HTTP 429"):
        fetch._download(source, threading.Event(), set())
    assert [wait for wait in waits if wait] == [5.0] * (fetch.ATTEMPTS - 1)
    assert fetch._retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0.0 and fetch._retry_after("soon") is None


def test_without_a_network_the_host_is_named_and_files_on_disk_still_serve(pin):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    present, _ = pin("good", "other", port=port)
    files.write_bytes(paths.raw() / present, CONTENT)
    with pytest.raises(NetworkError, match=f"127.0.0.1:{port}"):
        fetch.fetch_all()
    assert fetch.locate(present).read_bytes() == CONTENT
    pin("good", port=port)
    assert fetch.fetch_all() == 0


def test_a_file_that_the_user_edited_is_never_overwritten_silently(pin, server):
    (name,) = pin("good")
    edited = paths.raw() / name
    files.write_bytes(edited, b"my own notes")
    for attempt in (fetch.fetch_all, lambda: fetch.locate(name)):
        with pytest.raises(IntegrityError, match="--force"):
            attempt()
    assert server.hits == {} and edited.read_bytes() == b"my own notes"
    assert fetch.fetch_all(force=True) == 1
    (aside,) = edited.parent.glob("*.bad-*")
    assert aside.read_bytes() == b"my own notes" and fetch.locate(name).read_bytes() == CONTENT
    assert fetch.fetch_all(force=True) == 0  # force does not fetch what is right


def test_an_edited_file_stays_where_it_is_when_no_new_one_arrives(pin):
    (name,) = pin("flip")
    files.write_bytes(paths.raw() / name, b"my own notes")
    with pytest.raises(IntegrityError, match="sha256"):
        fetch.fetch_all(force=True)
    assert remains() == ["flip.bin"] and (paths.raw() / name).read_bytes() == b"my own notes"


def test_the_mirror_is_read_in_place_and_never_changed(pin, tmp_path, monkeypatch, server):
    (name,) = pin("good")
    monkeypatch.setenv("ANALYSIS_MIRROR", str(tmp_path / "mirror"))
    files.write_bytes(tmp_path / "mirror" / name, CONTENT)
    assert fetch.fetch_all() == 0 and fetch.locate(name) == tmp_path / "mirror" / name
    assert server.hits == {} and not paths.raw().exists()
    files.write_bytes(tmp_path / "mirror" / name, FLIPPED)
    for attempt in (fetch.fetch_all, lambda: fetch.fetch_all(force=True), lambda: fetch.locate(name)):
        with pytest.raises(IntegrityError, match="mirror"):
            attempt()
    assert (tmp_path / "mirror" / name).read_bytes() == FLIPPED


def test_a_missing_or_unpinned_file_says_what_to_do(pin):
    (name,) = pin("good")
    with pytest.raises(IntegrityError, match="make data"):
        fetch.locate(name)
    with pytest.raises(IntegrityError, match=r"not in data/sources\.csv"):
        fetch.locate("owner+repo/other.bin")


def test_old_temporary_files_are_swept_and_young_ones_left(pin):
    pin("good")
    for name, age in (("old", 7200), ("young", 0)):
        left = paths.raw() / "owner+repo" / f"{files.TEMPORARY}{name}"
        files.write_bytes(left, b"x")
        os.utime(left, (time.time() - age,) * 2)
    fetch.fetch_all()
    assert remains() == [f"{files.TEMPORARY}young", "good.bin"]


def test_a_stopped_download_begins_nothing_and_keeps_nothing(pin, server):
    (name,), stop = pin("good"), threading.Event()
    stop.set()
    fetch._download(fetch.sources()[name], stop, set())
    assert not server.hits
    with pytest.raises(NetworkError, match="stopped"):
        fetch._download_once(fetch.sources()[name], stop, set())
    assert remains() == []


def test_sigterm_during_a_download_leaves_no_file(pin):
    pin("drip")
    code = "from analysis.sources import fetch; fetch.fetch_all()"
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    until = time.monotonic() + 30
    while not (remains() if paths.raw().exists() else []) and time.monotonic() < until:
        time.sleep(0.02)
    assert remains()[0].startswith(files.TEMPORARY)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=10) == 143
    assert remains() == []


@pytest.mark.parametrize("name", ["../../elsewhere", "/elsewhere"])
def test_a_name_that_leads_out_of_the_folder_is_refused(pin, name):
    pin("good")
    rows = tables.read_csv("sources")
    tables.write_csv(rows.assign(name=name), "sources")
    with pytest.raises(IntegrityError, match="leads out"):
        fetch.fetch_all()
