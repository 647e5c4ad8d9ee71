"""Faults of the machine: signals, full and read-only disks, several processes, odd environments.

Writers are forked from a script that has imported everything, since an import takes longer than what is tested. What
needs a privilege (another view of the file system or of the network) is skipped without it, and counted as skipped.
"""

import os
import re
import runpy
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from analysis import files, own, paths, sources, store, tables
from analysis.cli import cli
from analysis.errors import IntegrityError, NetworkError, ResourceError
from analysis.sources import fetch

# The faulty server, and `pin`, which pins files that it serves.
DOWNLOADS = runpy.run_path(str(Path(__file__).parents[1] / "test_fetch.py"))
server, pin, remains, CONTENT = (DOWNLOADS[name] for name in ("server", "pin", "remains", "CONTENT"))


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.setenv("ANALYSIS_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("ANALYSIS_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "data"


def python(code, *arguments, check=0, **environment):
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=300,
        env=os.environ | environment,
    )
    assert done.returncode == check, done.stderr
    return done


FORKS = """
import os, sys

def forks(work, count):
    children = []
    for number in range(count):
        if not (child := os.fork()):
            try:
                code = work(number)
            except BaseException as fault:
                print(type(fault).__name__, fault, file=sys.stderr, flush=True)
                code = 99
            os._exit(code or 0)
        children.append(child)
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
"""


# A: downloads


@pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, -9), (signal.SIGINT, 130)], ids=["kill", "int"])
def test_a_signal_in_the_middle_of_a_download_leaves_no_final_file(pin, number, code):
    pin("drip")
    heed = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}
    process = subprocess.Popen([sys.executable, "-m", "analysis", "data"], stderr=subprocess.PIPE, text=True, **heed)
    until = time.monotonic() + 60
    while not (remains() if paths.raw().exists() else []) and time.monotonic() < until:
        time.sleep(0.02)
    process.send_signal(number)
    said = process.communicate(timeout=30)[1]
    assert process.returncode == code and "Traceback" not in said
    assert [name for name in remains() if not name.startswith(files.TEMPORARY)] == []
    assert len(remains()) == (1 if number == signal.SIGKILL else 0)
    if number == signal.SIGINT:
        assert said.splitlines()[-1] == "interrupted"


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def test_an_edited_file_stays_when_the_server_is_gone(pin):
    (name,) = pin("good", port=free_port())
    files.write_bytes(paths.raw() / name, b"my own notes")
    with pytest.raises(IntegrityError, match="--force"):
        fetch.fetch_all()
    with pytest.raises(NetworkError, match=r"127\.0\.0\.1"):
        fetch.fetch_all(force=True)
    assert (paths.raw() / name).read_bytes() == b"my own notes" and remains() == ["good.bin"]


TOGETHER = (
    FORKS
    + """
from analysis import paths
from analysis.sources import fetch
found = set()
for again in range(12):
    (paths.raw() / sys.argv[1]).unlink(missing_ok=True)
    found |= set(forks(lambda _: fetch.fetch_all() and 0, 3))
print(found)
"""
)


def test_three_processes_fetch_one_file(pin):
    """Twelve times: whoever comes second finds the right file in its place and leaves it."""
    (name,) = pin("good")
    assert python(TOGETHER, name).stdout.strip() == "{0}"
    assert remains() == ["good.bin"] and fetch.locate(name).read_bytes() == CONTENT


def test_a_host_without_an_address_is_named(pin, monkeypatch):
    def unknown(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    pin("good")
    rows = tables.read_csv("sources")
    tables.write_csv(rows.assign(url="http://nowhere.invalid/good/file"), "sources")
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(NetworkError, match=r"nowhere\.invalid: .*make data again") as fault:
        fetch.fetch_all()
    assert fault.value.code == 5 and remains() == []


# D: disks

FULL = (
    FORKS
    + """
import resource
import numpy as np, pandas as pd
from analysis import tables
from analysis.errors import guarded
from analysis.figures import registry, style
columns = {"dataset": "d", "model": "m", "labels": "original", "class_id": range(20_000), "n": 10}
counts = pd.DataFrame(columns | {"correct": np.random.default_rng(0).integers(0, 11, 20_000)})
classes = pd.DataFrame({"label_space": "x", "class_id": range(20_000), "wnid": "", "name": "n", "superclass": ""})
def figure():
    drawn = style.Figure(figsize=(6, 4))
    drawn.subplots().imshow(np.random.default_rng(0).random((300, 300)))
    return drawn
writers = {
    "table.parquet": lambda path: tables.write_counts(counts, path),
    "classes.csv": lambda path: tables.write_csv(classes, "classes", path),
    "figure.png": lambda path: registry.write_figure(figure(), path) and None,
    "figure.pdf": lambda path: registry.write_figure(figure(), path) and None,
}
def fill(number):
    name = list(writers)[number]
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
    return guarded(lambda: writers[name](os.path.join(sys.argv[1], name)))
print(forks(fill, len(writers)))
"""
)


def test_a_full_disk_keeps_the_old_file(tmp_path):
    """A limit on the size of files gives what a full disk gives; each library says it in its own way."""
    names = ["table.parquet", "classes.csv", "figure.png", "figure.pdf"]
    for name in names:
        (tmp_path / name).write_bytes(b"old")
    done = python(FULL, tmp_path)
    assert done.stdout.strip() == "[6, 6, 6, 6]", done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == 4 and all(line.startswith("error[disk] ") and "free" in line for line in lines)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)
    assert {path.read_bytes() for path in tmp_path.iterdir()} == {b"old"}


def apart(view: str, script: str, *arguments, **environment):
    """Run a shell script in a view of its own of the file system (m) or of the network (n)."""
    if not shutil.which("unshare") or subprocess.run(["unshare", f"-r{view}", "true"], capture_output=True).returncode:
        pytest.skip("needs the privilege of a namespace of its own (unshare -r)")
    command = ["unshare", f"-r{view}", "sh", "-ec", script, "sh", *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, encoding="utf-8", timeout=300, env=os.environ | environment
    )


def test_a_read_only_folder_is_code_6(tmp_path):
    code = "import sys; from analysis.errors import guarded; from analysis.files import write_text as write\n"
    code += "sys.exit(guarded(lambda: write(sys.argv[1], 'x')))"
    script = 'mount -t tmpfs none "$1"; mount -o remount,ro "$1"; exec "$2" -c "$3" "$1/a/b.csv"'
    done = apart("m", script, tmp_path, sys.executable, code)
    assert done.returncode == 6 and done.stderr.startswith("error[write] ") and done.stderr.count("\n") == 1, (
        done.stderr
    )
    assert "b.csv: not writable" in done.stderr


def test_shipped_tables_on_a_read_only_disk_are_enough(tmp_path):
    folder = paths.ROOT / "data"
    script = 'mount --bind "$1" "$1"; mount -o remount,ro,bind "$1"; touch "$1/x" 2>/dev/null && exit 9;'
    script += ' exec "$2" -m analysis class laptop'
    writable = {"ANALYSIS_FIGURES_DIR": str(tmp_path / "f"), "ANALYSIS_CACHE_DIR": str(tmp_path / "c")}
    done = apart("m", script, folder, sys.executable, **writable)
    assert done.returncode == 0 and "imagenetv2-top-images" in done.stdout, done.stderr
    assert not (folder / "x").exists()


# L: several processes

OWN = (
    FORKS
    + """
import fcntl
import numpy as np
from analysis import own, sources, store

def part(model):
    ids, label = np.array([f"i{n}" for n in range(6)], dtype=object), np.array([0, 0, 1, 1, 2, 2])
    return sources.Predictions("own:pets", model, ids, label, np.array([0, 0, 1, 1, 2, 0]), n_classes=3)

def put(model):
    ids, label = np.array([f"i{n}" for n in range(6)], dtype=object), np.array([0, 0, 1, 1, 2, 2])
    table = store.Table(ids, label, label, np.full(6, 0.5), label * 0)
    store.put({"kind": "image", "dataset": "own:pets", "model": {"id": model}}, table)
"""
)
LOCKED = (
    OWN
    + """
def work(number):
    for again in range(int(sys.argv[1])):
        own.add([part(f"local/{number}-{again}")])
print(forks(work, 4))
"""
)
UNLOCKED = (
    OWN
    + """
fcntl.flock = lambda *_: None
def work(number):
    for again in range(3):
        put(f"local/{number}-{again}")
        own.add([part(f"local/{number}-{again}")])
print(forks(work, 4))
"""
)


def test_processes_that_add_own_rows_lose_none(data, times):
    rounds = int(4 * times)
    assert python(LOCKED, rounds).stdout.strip() == "[0, 0, 0, 0]"
    expected = sorted(f"local/{number}-{again}" for number in range(4) for again in range(rounds))
    frame = tables._read_parquet(paths.own() / "class_counts.parquet", "class_counts").to_pandas()
    assert sorted(frame["model"].unique()) == expected and len(frame) == 3 * len(expected)
    assert sorted(tables.correct("own:pets").models) == expected


def test_without_any_lock_files_stay_whole_and_the_store_loses_nothing(data):
    """On some network file systems every lock succeeds: rows of two writers may then miss each other, never mix."""
    done = python(UNLOCKED)
    assert done.stdout.strip() == "[0, 0, 0, 0]", done.stderr
    assert len(store.entries()) == 12 and store.verify() == []
    frame = tables._read_parquet(paths.own() / "class_counts.parquet", "class_counts").to_pandas()
    tables._check(frame, "class_counts", paths.own())
    assert set(frame["correct"]) == {1, 2} and set(frame["n"]) == {2}
    own.add([own.from_store(entry) for entry in store.entries()])  # what went missing is made again from the store
    assert len(tables.correct("own:pets").models) == 12


HOLDER = (
    "import fcntl, os, sys, time; h = os.open(sys.argv[1], 0); fcntl.flock(h, 2); print(1, flush=True); time.sleep(99)"
)


def test_a_killed_holder_of_the_lock_stops_nobody(data, monkeypatch):
    ids, label = np.array(["a", "b"], dtype=object), np.array([0, 1])
    part = sources.Predictions("own:pets", "local/a", ids, label, label, n_classes=2)
    paths.own().mkdir(parents=True)
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(paths.own())], stdout=subprocess.PIPE)
    try:
        holder.stdout.readline()
        monkeypatch.setattr(own, "LONGEST_WAIT", 0.2)
        with pytest.raises(ResourceError, match="another process has been writing it") as fault:
            own.add([part])
        # The folder itself is the lock: there is no file to delete while it is held.
        assert fault.value.code == 6 and list(paths.own().iterdir()) == []
    finally:
        holder.kill()
        holder.communicate()
    own.add([part])
    assert tables.correct("own:pets").models == ("local/a",)


REPLACER = """
import sys
import pandas as pd
from analysis import tables
columns = {"dataset": "d", "model": "m", "labels": "original", "class_id": range(2000), "n": 10}
for number in range(200):
    tables.write_counts(pd.DataFrame(columns | {"correct": number % 2}), sys.argv[1])
    print(number, flush=True)
"""


def test_a_reader_during_200_replaces_sees_whole_tables(data):
    path = data / "class_counts.parquet"
    writer = subprocess.Popen([sys.executable, "-c", REPLACER, str(path)], stdout=subprocess.PIPE, text=True)
    writer.stdout.readline()
    sums = []
    while writer.poll() is None:
        sums.append(int(tables.read_counts()["correct"].sum()))
        time.sleep(0.01)
    assert writer.communicate()[0].split()[-1] == "199" and writer.returncode == 0
    assert set(sums) == {0, 2000} and len(sums) > 20


# M: environment

OUTSIDE = ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "MPLCONFIGDIR", "IPYTHONDIR")


@pytest.mark.parametrize("home", [None, "/dev/null/home"], ids=["unset", "impossible"])
def test_without_a_home_commands_work(tmp_path, home):
    environment = {name: value for name, value in os.environ.items() if name not in OUTSIDE}
    environment |= {"TMPDIR": str(tmp_path)} | ({"HOME": home} if home else {})
    done = subprocess.run(
        [sys.executable, "-m", "analysis", "class", "laptop", "-o", tmp_path / "laptop.png"],
        capture_output=True, text=True, encoding="utf-8", env=environment, cwd=paths.ROOT,
    )  # fmt: skip
    assert done.returncode == 0 and "imagenetv2-top-images" in done.stdout, done.stderr
    assert (tmp_path / "laptop.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize("locale", ["xx_YY.UTF-8", "POSIX"])
def test_locales_do_not_matter(locale):
    plain = {"LC_ALL": locale, "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0", "PYTHONIOENCODING": ""}
    done = python("from analysis.cli import main; main()", "class", "laptop", **plain)
    assert "imagenetv2-top-images" in done.stdout


def copy_of_make(folder: Path) -> Path:
    folder.mkdir()
    for name in ("Makefile", "pyproject.toml", "requirements"):
        source = paths.ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / name)
    return folder


def make(folder, *arguments):
    if not shutil.which("make"):
        pytest.skip("no make")
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    return subprocess.run(
        ["make", *arguments], cwd=folder, capture_output=True, text=True, encoding="utf-8", env=plain, timeout=120
    )


def test_make_works_in_a_folder_with_an_awkward_name(tmp_path):
    folder = copy_of_make(tmp_path / "a b'\"c ü 漢")
    helped = make(folder)
    assert helped.returncode == 0 and "make reproduce" in helped.stdout and not helped.stderr, helped.stderr
    for target in ("reproduce", "test-quick", "test-faults", "data"):
        planned = make(folder, "-n", target)
        assert planned.returncode == 0 and str(folder) not in planned.stdout, planned.stderr


def test_make_refuses_an_old_python(tmp_path):
    folder = copy_of_make(tmp_path / "clone")
    old = folder / "python3.8"
    old.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    old.chmod(0o755)
    done = make(folder, "test-quick", f"PYTHON={old}")
    told = [line for line in done.stderr.splitlines() if line.startswith("error[")]
    assert done.returncode == 2 and len(told) == 1 and not (folder / ".venv" / "bin").exists()
    assert told[0].startswith("error[python] no Python 3.11 or newer; looked for: ") and "install one" in told[0]


def test_every_target_has_a_command():
    """Without make: `python -m analysis ...` and `python -m pytest` do the same."""
    text = (paths.ROOT / "Makefile").read_text(encoding="utf-8")
    rules = dict(re.findall(r"^([a-z_-]+):(?!=).*\n((?:\t.*\n)+)", text, flags=re.MULTILINE))
    documented = re.findall(r"^([a-z-]+):.*## ", text, flags=re.MULTILINE)
    assert {"reproduce", "figures", "predictions", "text", "test", "data", "tables"} <= set(documented)
    for target in set(documented) - {"help", "lock", "clean", "reproduce"}:
        commands = re.findall(r"\$\(PY\) (?:-m ([a-z_.]+)(?: ([a-z-]+))?|(tests/faults/run\.py))", rules[target])
        assert commands, target
        for module, command, _ in commands:
            assert module != "analysis" or command in cli.commands, target
    assert "-m analysis.run" in text and "claims" in cli.commands  # what `reproduce` does


BACKENDS = (
    FORKS
    + """
import pandas as pd
from analysis import files
def work(number):
    os.environ.pop("MPLBACKEND", None)
    if number:
        os.environ["MPLBACKEND"] = ["", "agg", "TkAgg", "module://matplotlib_inline.backend_inline"][number]
    from analysis.figures import registry, style
    drawn = style.Figure(figsize=(2, 2))
    drawn.subplots().plot([1, 3, 2])
    for suffix in ("png", "pdf"):
        registry.write_figure(drawn, f"{sys.argv[1]}/{number}.{suffix}")
print(forks(work, 4))
"""
)


def test_figures_do_not_depend_on_the_backend(tmp_path):
    assert python(BACKENDS, tmp_path).stdout.strip() == "[0, 0, 0, 0]"
    for suffix in ("png", "pdf"):
        digests = {files.sha256(path) for path in tmp_path.glob(f"*.{suffix}")}
        assert len(digests) == 1 and len(list(tmp_path.glob(f"*.{suffix}"))) == 4


def test_without_a_network_shipped_tables_serve():
    script = '"$1" -c "import socket; socket.create_connection((\'127.0.0.1\', 9), 1)" 2>/dev/null && exit 9;'
    script += ' exec "$1" -m analysis class laptop'
    done = apart("n", script, sys.executable)
    assert done.returncode == 0 and "imagenetv2-top-images" in done.stdout, done.stderr
