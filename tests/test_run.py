"""The runner believes no notebook that did not run to its end: the faults that papermill's own exit status misses."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from unittest import mock

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from analysis import files, run
from analysis.errors import NotebookError, ResourceError

PUBLISH = """
import hashlib, json, os, pathlib
build = pathlib.Path(os.environ["ANALYSIS_BUILD_DIR"])
figure = build / "figure.csv"
figure.write_text("1")
receipt = build / "receipts" / "01_small.json"
receipt.parent.mkdir(exist_ok=True)
digest = hashlib.sha256(figure.read_bytes()).hexdigest()
receipt.write_text(json.dumps({"run": os.environ["ANALYSIS_RUN_ID"], "outputs": {str(figure): digest}}))
"""

# The runner sets the environment of its process for the kernel; the libraries below it warn about their own affairs.
pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture
def notebook(tmp_path):
    """Write a notebook of the given cells, in a folder with a space and letters outside ASCII in its name."""
    folder = tmp_path / "a cloné"
    (folder / "build").mkdir(parents=True)

    def write(*cells, name="01_small.ipynb"):
        cells = [new_code_cell(cell) if isinstance(cell, str) else cell for cell in cells]
        nbformat.write(new_notebook(cells=cells), folder / name)
        return folder / name

    with mock.patch.dict(os.environ, {"ANALYSIS_BUILD_DIR": str(folder / "build")}):
        yield write


def executed(path):
    return path.parent / "build" / "notebooks" / path.name


def test_a_whole_run_gives_its_files_and_sees_the_fixed_environment(notebook):
    seen = (
        "import os, sys, json\n"
        "names = 'PYTHONHASHSEED MPLBACKEND TZ OMP_NUM_THREADS OPENBLAS_NUM_THREADS PYTHONNOUSERSITE'.split()\n"
        "print(json.dumps([sys.executable, os.getcwd()] + [os.environ[name] for name in names]))"
    )
    path = notebook(new_markdown_cell("prose"), seen, "", "   \n", PUBLISH)
    made = run.run(path)
    assert [item.name for item in made] == ["01_small.ipynb", "01_small.json", "figure.csv"]
    assert made[0] == executed(path)
    output = nbformat.read(made[0], as_version=4).cells[1].outputs[0].text
    assert json.loads(output) == [sys.executable, str(run.paths.ROOT), "0", "agg", "UTC", "1", "1", "1"]
    assert not list((executed(path).parent / "unfinished").glob("*"))


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (["1", "raise ValueError('seven')", "2"], "cell 2: ValueError: seven"),
        (["%%bash\nfalse", PUBLISH], "cell 1: CalledProcessError"),
        ([new_code_cell("1 / 0", metadata={"tags": ["raises-exception"]}), PUBLISH], "cell 1: ZeroDivisionError"),
        (["import sys\nsys.exit(0)", PUBLISH], "cell 1: SystemExit"),
        (["1", new_code_cell("2", metadata={"tags": ["skip-execution"]}), PUBLISH], "cell 2: it never ran"),
        (["!false"], "no receipt"),
    ],
    ids=["failing", "bash", "tagged", "sys-exit", "skipped", "no-receipt"],
)
def test_a_run_that_is_not_whole_is_refused(notebook, cells, message):
    path = notebook(*cells)
    with pytest.raises(NotebookError, match=message) as caught:
        run.run(path)
    assert caught.value.code == 7
    assert len(str(caught.value.args[0]).splitlines()) == 1
    assert not executed(path).exists()
    assert (executed(path).parent / "unfinished" / path.name).exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda receipt, figure: receipt.unlink(), "no receipt"),
        (lambda receipt, figure: receipt.write_text("{"), "no receipt"),
        (lambda receipt, figure: receipt.write_text('{"run": "this", "outputs": [1]}'), "no receipt"),
        (lambda receipt, figure: receipt.write_text('{"run": "this", "outputs": [[1, "2"]]}'), "no receipt"),
        (lambda receipt, figure: receipt.write_text(receipt.read_text().replace("this", "older")), "another run"),
        (lambda receipt, figure: receipt.write_text('{"run": "this", "outputs": {}}'), "lists no file"),
        (lambda receipt, figure: figure.write_text("2"), "not the file that the run wrote"),
        (lambda receipt, figure: figure.unlink(), "not the file that the run wrote"),
    ],
    ids=["missing", "broken", "malformed", "no-names", "of-another-run", "empty", "file-changed", "file-gone"],
)
def test_a_receipt_that_does_not_hold_is_refused(notebook, change, message):
    path = notebook("1")
    figure, receipt = path.parent / "build" / "figure.csv", path.parent / "build" / "receipts" / "01_small.json"
    receipt.parent.mkdir()
    figure.write_text("1")
    receipt.write_text(json.dumps({"run": "this", "outputs": {str(figure): files.sha256(figure)}}))
    assert run._check_receipt(path, "this") == [receipt, figure]
    change(receipt, figure)
    with pytest.raises(NotebookError, match=message):
        run._check_receipt(path, "this")


@pytest.mark.parametrize("how", ["os._exit(0)", "os.kill(os.getpid(), 9)"])
def test_a_killed_kernel_is_a_fault_of_the_machine(notebook, how):
    path = notebook("import os", how, PUBLISH)
    with pytest.raises(ResourceError, match="cell 2: the kernel was killed"):
        run.run(path)
    assert not executed(path).exists()


def test_an_earlier_good_copy_stays_when_a_later_run_fails(notebook):
    path = notebook(PUBLISH)
    run.run(path)
    before = files.sha256(executed(path))
    notebook("1 / 0", PUBLISH)
    with pytest.raises(NotebookError):
        run.run(path)
    assert files.sha256(executed(path)) == before


def test_a_file_that_is_no_notebook_is_refused(notebook):
    path = notebook("1")
    path.write_text('{"cells": [', encoding="utf-8")
    with pytest.raises(NotebookError, match="not a notebook"):
        run.run(path)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [("ValueError", "", "cell 1: ValueError; see"), ("", "of some kind\nmore", "cell 1: of some kind; see"),
     ("", " ", "cell 1: an error without a name; see"),
     ("InputError", "error[a] b; c", "InputError: error[a] b; c; see")],
)  # fmt: skip
def test_an_error_of_any_form_is_one_line_without_holes(tmp_path, name, value, said):
    output = nbformat.v4.new_output("error", ename=name, evalue=value, traceback=[])
    copy = tmp_path / "copy.ipynb"
    nbformat.write(new_notebook(cells=[new_code_cell("1", execution_count=1, outputs=[output])]), copy)
    with pytest.raises(NotebookError, match=re.escape(said)):
        run._check_cells(tmp_path / "a.ipynb", copy, died=False)


def start(path, *options):
    command = [sys.executable, "-m", "analysis.run", *options, str(path)]
    # A shell that runs the tests in the background has them ignore Ctrl-C, and a child would inherit that.
    heed = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}
    return subprocess.Popen(command, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, **heed)


def test_the_command_says_in_one_line_what_failed_then_shows_the_traceback_without_colours(notebook):
    path = notebook("1", "def f():\n    raise ValueError('seven')\nf()")
    process = start(path)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 7
    begun, first, *rest = said.splitlines()
    assert begun == "01_small: running"
    assert first.startswith("error[notebook] ") and "cell 2: ValueError: seven; " in first
    assert "raise ValueError('seven')" in "\n".join(rest) and "\x1b" not in said
    assert rest[-1].endswith("unfinished/01_small.ipynb")


def test_a_fault_of_the_package_keeps_its_line_and_its_exit_code(notebook):
    raised = (
        "from analysis.errors import IntegrityError\nraise IntegrityError('hash', 'data/a.csv: changed', 'restore it')"
    )
    process = start(notebook("1", raised, PUBLISH))
    _, said = process.communicate(timeout=120)
    lines = said.splitlines()
    assert process.returncode == 4 and "Traceback" not in said
    assert lines[1].startswith("error[hash] data/a.csv: changed (") and lines[1].endswith(" cell 2); restore it")


def test_the_command_writes_one_plain_line_to_a_log_and_the_list_of_files(notebook, tmp_path):
    path = notebook("1", PUBLISH)
    process = start(path, "--outputs", str(tmp_path / "list"))
    _, said = process.communicate(timeout=120)
    assert process.returncode == 0, said
    assert said.startswith("01_small: running\n01_small: 2 cells, ") and said.count("\n") == 2
    listed = (tmp_path / "list").read_text(encoding="utf-8").splitlines()
    assert [os.path.basename(name) for name in listed] == ["01_small.ipynb", "01_small.json", "figure.csv"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)], ids=["term", "int"])
def test_a_signal_ends_the_runner_and_its_kernel(notebook, number, code):
    mark = notebook("1").parent / "pid"
    waiting = f"import os, time\nopen({str(mark)!r}, 'w').write(str(os.getpid()))\ntime.sleep(300)"
    process = start(notebook(waiting, PUBLISH))
    wait_for(lambda: mark.exists() and mark.read_text())
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == code, said
    assert "Traceback" not in said
    wait_for(lambda: not alive(int(mark.read_text())))


def wait_for(condition, seconds=90):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
