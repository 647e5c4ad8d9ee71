"""Notebook runs that end in ways an exit status does not tell."""

import runpy
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from analysis import files, run
from analysis.errors import NotebookError

RUNS = runpy.run_path(str(Path(__file__).parents[1] / "test_run.py"))
notebook, start, wait_for, alive, executed, PUBLISH = (
    RUNS[name] for name in ("notebook", "start", "wait_for", "alive", "executed", "PUBLISH")
)
# The runner sets the environment of its process for the kernel; the libraries below it warn about their own affairs.
pytestmark = pytest.mark.filterwarnings("default")


@pytest.mark.parametrize(
    ("cell", "words"),
    [("def f(:", "cell 1: SyntaxError"), ("name = input()", "cell 1: StdinNotImplementedError")],
    ids=["syntax", "input"],
)
def test_a_cell_that_cannot_run_is_named(notebook, cell, words):
    path = notebook(cell, PUBLISH)
    with pytest.raises(NotebookError, match=words) as fault:
        run.run(path)
    assert fault.value.code == 7 and not executed(path).exists()


def test_the_kernel_is_the_one_of_this_environment(notebook):
    """A notebook may name any kernel; it runs in this Python."""
    path = notebook("1")
    made = new_notebook(cells=[new_code_cell("import sys\nprint(sys.executable)"), new_code_cell(PUBLISH)])
    made.metadata["kernelspec"] = {"name": "no-such-kernel", "display_name": "x", "language": "python"}
    nbformat.write(made, path)
    copy = run.run(path)[0]
    assert nbformat.read(copy, as_version=4).cells[0].outputs[0].text.strip() == run.sys.executable


def test_a_killed_runner_takes_its_kernel_along_and_leaves_the_earlier_copy(notebook):
    mark = notebook("1").parent / "pid"
    path = notebook(PUBLISH)
    run.run(path)
    before = files.sha256(executed(path))
    waiting = f"import os, time\nopen({str(mark)!r}, 'w').write(str(os.getpid()))\ntime.sleep(300)"
    process = start(notebook(waiting, PUBLISH))
    wait_for(lambda: mark.exists() and mark.read_text())
    process.kill()
    process.communicate(timeout=60)
    assert process.returncode == -9 and files.sha256(executed(path)) == before
    wait_for(lambda: not alive(int(mark.read_text())))


def test_two_runs_of_one_notebook_at_once(notebook):
    """Each is judged by its own receipt: one may find the other's and say so; the copy is whole."""
    path = notebook("print(1)", PUBLISH)
    runs = [start(path), start(path)]
    said = [process.communicate(timeout=120)[1] for process in runs]
    codes = [process.returncode for process in runs]
    assert 0 in codes and set(codes) <= {0, 7}
    assert all(
        code == 0 or "another run" in text or "no receipt" in text for code, text in zip(codes, said, strict=True)
    )
    cells = nbformat.read(executed(path), as_version=4).cells
    assert [cell.execution_count for cell in cells] == [1, 2]
