"""Run notebooks headless: `python -m analysis.run notebooks/01_*.ipynb`.

A run counts only if every code cell ran, in order and without an error, and the receipt that the last cell wrote names
this run and files that are there with the content it says. Exit status 0 of the kernel proves none of that: a killed
kernel, `sys.exit(0)` in the middle or a cell that was never reached look finished in the executed copy.
"""

import argparse
import json
import logging
import os
import re
import signal
import sys
import tempfile
import time
import uuid
from pathlib import Path

from . import errors, files, paths, receipts
from .errors import AnalysisError, NotebookError, ResourceError, guarded

# What a kernel sees is the same on every machine: seeds, threads, time zone, no window, nothing of the user's own.
KERNEL = {
    "PYTHONHASHSEED": "0",
    "PYTHONNOUSERSITE": "1",
    "PYTHONUTF8": "1",
    "MPLBACKEND": "agg",
    "TZ": "UTC",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "VECLIB_MAXIMUM_THREADS": "1",
    "JUPYTER_PREFER_ENV_PATH": "1",  # the kernel of this environment before one in the user's home
}
HIDDEN = ("PYTHONPATH", "PYTHONSTARTUP", "JUPYTER_PATH")
STDERR = "kernel-stderr.txt"
LONGEST_SOCKET = 100  # unix socket paths end at about 104 characters


def run(notebook) -> list[Path]:
    """Run one notebook; give every file the run stands for: the executed copy, the receipt and what it lists.

    Raises
    ------
    NotebookError : a cell failed or never ran, or the receipt is missing or wrong.
    ResourceError : the kernel was killed.
    """
    notebook, run_id, start = Path(notebook).resolve(), uuid.uuid4().hex, time.monotonic()
    done = paths.build() / "notebooks" / notebook.name
    _say(f"{notebook.stem}: running", end="\n")
    unfinished = done.parent / "unfinished" / notebook.name
    with tempfile.TemporaryDirectory(prefix="run-") as folder:
        # In a folder of its own: two runs of one notebook never write to one file, and `done` is whole or absent.
        copy = Path(folder) / "copy.ipynb"
        try:
            died = _execute(notebook, copy, run_id)
            cells = _check_cells(notebook, copy, died)
            outputs = _check_receipt(notebook, run_id)
        except AnalysisError as fault:
            if copy.exists():
                files.write_bytes(unfinished, copy.read_bytes())
                fault.add_note(f"The copy up to there: {paths.shown(unfinished)}")
            raise
        files.write_bytes(done, copy.read_bytes())
    unfinished.unlink(missing_ok=True)
    _say(f"{notebook.stem}: {cells} cells, {time.monotonic() - start:.1f} s", end="\n")
    return [done, *outputs]


def _execute(notebook: Path, copy: Path, run_id: str) -> bool:
    """Run all cells into `copy`; say whether the kernel died. Failed cells stand in the copy, for the check."""
    for name in HIDDEN:
        os.environ.pop(name, None)
    own = {"IPYTHONDIR": f"{copy.parent}/ipython", "JUPYTER_RUNTIME_DIR": f"{copy.parent}/runtime"}
    os.environ.update(KERNEL | own | {"ANALYSIS_RUN_ID": run_id})

    import nbformat
    import papermill
    from jupyter_client.manager import AsyncKernelManager
    from nbclient.exceptions import DeadKernelError
    from traitlets.config import Config

    for name in ("papermill", "asyncio"):  # what they would log, also as an interrupted run ends, is said in one line
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        source = nbformat.read(notebook, as_version=4)
    except Exception as fault:
        raise NotebookError(
            "notebook", f"{paths.shown(notebook)}: not a notebook that can be read", "git checkout it"
        ) from fault
    total = sum(map(_is_code, source.cells))
    seen = []

    def progress(cell, cell_index):
        if _is_code(cell) and sys.stderr.isatty():
            seen.append(cell_index)
            _say(f"{notebook.stem}: cell {len(seen)} of {total}")

    class Manager(AsyncKernelManager):
        async def start_kernel(self, **options):
            # What a kernel's libraries write as it ends (ZeroMQ sometimes does) is noise, unless it died.
            with open(copy.with_name(STDERR), "wb") as log:
                await super().start_kernel(**options, stderr=log)

    config, socket = Config(), f"{copy.parent}/k"
    if len(os.fsencode(socket)) < LONGEST_SOCKET:
        # Ports are a race when several notebooks start at once; sockets in a folder of its own are not.
        config.KernelManager = Config(transport="ipc", ip=socket)
    try:
        papermill.execute_notebook(
            source,
            copy,
            kernel_name="python3",
            progress_bar=False,
            start_timeout=300,
            cwd=paths.ROOT,
            config=config,
            kernel_manager_class=Manager,
            extra_arguments=["--log-level=CRITICAL"],
            on_cell_start=progress,
        )
    except papermill.PapermillExecutionError:
        return False  # the failed cell stands in the copy, where `_check_cells` finds it
    except (DeadKernelError, RuntimeError):  # RuntimeError: it died, or did not answer, before the first cell
        return True
    return False


def _is_code(cell) -> bool:
    return cell.cell_type == "code" and bool(cell.source.strip())


def _check_cells(notebook: Path, copy: Path, died: bool) -> int:
    """The number of code cells, all of which ran in order without an error."""
    import nbformat

    where = paths.shown(notebook)
    cells = [cell for cell in nbformat.read(copy, as_version=4).cells if _is_code(cell)]
    for number, cell in enumerate(cells, start=1):
        for output in cell.outputs:
            if output.output_type == "error":
                if known := _known_fault(output, f"{where} cell {number}"):
                    raise known
                name, value = output.ename.strip(), str(output.evalue).strip().partition("\n")[0][:200]
                what = f"{name}: {value}" if name and value else name or value or "an error without a name"
                fault = (ResourceError if output.ename == "MemoryError" else NotebookError)(
                    "notebook", f"{where} cell {number}: {what}", "see the traceback below"
                )
                fault.add_note(_plain("\n".join(output.traceback)))
                raise fault
        if cell.execution_count != number and not died:
            raise NotebookError("notebook", f"{where} cell {number}: it never ran", "see the cell before it")
    if died:
        reached = sum(cell.metadata.papermill.get("start_time") is not None for cell in cells)
        what = f"{where} cell {reached}: the kernel was killed" if reached else f"{where}: the kernel did not start"
        fault = ResourceError("kernel", what, "out of memory, or the code ended it")
        if said := copy.with_name(STDERR).read_text(encoding="utf-8", errors="replace").strip():
            fault.add_note(said[-2000:])
        raise fault
    return len(cells)


def _known_fault(output, where: str) -> AnalysisError | None:
    """A fault that the package itself raised in a cell: its line and exit code say all, its traceback nothing more."""
    kind = getattr(errors, output.ename, None)
    line = re.fullmatch(r"error\[([a-z][a-z-]+)\] (.*?)(?:; ([^;]*))?", str(output.evalue).strip(), flags=re.DOTALL)
    if line is None or not (isinstance(kind, type) and issubclass(kind, AnalysisError)):
        return None
    return kind(line[1], f"{line[2]} ({where})", line[3] or "")


def _check_receipt(notebook: Path, run_id: str) -> list[Path]:
    """The receipt and the files it lists, each as the run left it."""
    where, receipt = paths.shown(notebook), receipts.path_of(notebook.stem)
    try:
        content = json.loads(receipt.read_text(encoding="utf-8"))
        named, outputs = content["run"], dict(content["outputs"])
        if not all(isinstance(name, str) for name in outputs):
            raise TypeError
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as fault:
        what = f"{where}: no receipt in {paths.shown(receipt)}"
        raise NotebookError("receipt", what, "the last cell must call publish") from fault
    if named != run_id or not outputs:
        what = "it is of another run" if outputs else "it lists no file"
        raise NotebookError("receipt", f"{paths.shown(receipt)}: {what}", f"the last cell of {where} must call publish")
    for name, digest in outputs.items():
        path = paths.ROOT / name
        try:
            whole = path.is_file() and files.sha256(path) == digest
        except OSError:  # a name that is no name
            whole = False
        if not whole:
            raise NotebookError("receipt", f"{where}: {name} is not the file that the run wrote", "run it again")
    return [receipt, *(paths.ROOT / name for name in outputs)]


def _plain(text: str) -> str:
    return (
        text if sys.stderr.isatty() and not os.environ.get("NO_COLOR") else re.sub("\x1b\\[[0-9;]*[A-Za-z]", "", text)
    )


def _say(line: str, end: str = "") -> None:
    """A line on stderr; on a terminal it replaces the one before, in a log only whole lines appear."""
    live = "\r\x1b[K" if sys.stderr.isatty() else ""
    print(f"{live}{line}", end=end, file=sys.stderr, flush=True)


def main(arguments=None) -> int:
    """The command; see the module's docstring."""
    parser = argparse.ArgumentParser(prog="python -m analysis.run", description="Run notebooks headless, in order.")
    parser.add_argument("notebooks", nargs="+", metavar="NOTEBOOK")
    parser.add_argument("--outputs", metavar="FILE", help="write the names of the files that the runs made")
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    options = parser.parse_args(arguments)
    if options.debug:
        os.environ["ANALYSIS_DEBUG"] = "1"

    def stop(number, frame):
        raise SystemExit(143)  # so that `finally` runs and the kernel ends too

    signal.signal(signal.SIGTERM, stop)

    def command():
        made = [path for notebook in options.notebooks for path in run(notebook)]
        if options.outputs:
            files.write_text(options.outputs, "".join(f"{paths.shown(path)}\n" for path in made))

    return guarded(command)


if __name__ == "__main__":
    sys.exit(main())
