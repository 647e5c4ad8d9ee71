"""Data frames that others pickled, read without trusting the pickle: a pinned hash says who wrote a file, not what it
does when it is loaded.

The bytes are read by `pickle_child` in a process of its own with limits; what comes back is JSON. Here it becomes numpy
arrays. One child reads many files.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ..errors import IntegrityError
from . import pickle_child

CHILD = Path(pickle_child.__file__)
DTYPES = {"b": np.bool_, "i": np.int64, "f": np.float64, "s": np.str_}


def read(named: dict[str, Path], *, fault=IntegrityError) -> dict[str, dict[str, np.ndarray]]:
    """The columns of pickled data frames: file -> column -> array of bool, int64, float64 or text.

    Parameters
    ----------
    named : file name as messages show it -> path

    Raises
    ------
    fault : a file is not a plain data frame, or its reading ended the child; names the file, never its content.
    """
    found = {}
    for name, answer in zip(named, answers(list(named.values())), strict=True):
        if isinstance(answer, str):
            raise fault("pickle", f"{name}: {answer}", "only plain data frames of pandas are read")
        found[name] = answer
    return found


def answers(paths: list[Path], *, seconds: int = pickle_child.SECONDS) -> Iterator[dict[str, np.ndarray] | str]:
    """For each file its columns, or why it was refused; after a file that ended the child, a new child goes on.

    `seconds` is the processor time of one child, for all files together.
    """
    paths = [str(Path(path).resolve()) for path in paths]
    while paths:
        lines, ending = _child(paths, seconds)
        yield from (_arrays(line) for line in lines)
        paths = paths[len(lines) :]
        if paths:
            yield f"reading it ended the process ({ending})"
            paths = paths[1:]


def _child(paths: list[str], seconds: int) -> tuple[list[bytes], str]:
    """The lines of one child, and how it ended if it is short of lines."""
    # -I and -S: neither the environment, nor the current folder, nor installed packages reach the child.
    command = [sys.executable, "-I", "-S", str(CHILD)]
    job = json.dumps({"paths": paths, "seconds": seconds}).encode()
    try:
        done = subprocess.run(command, input=job, capture_output=True, timeout=2 * seconds, env={})
        output, ending = done.stdout, f"exit {done.returncode}"
    except subprocess.TimeoutExpired as late:
        output, ending = late.stdout or b"", "too slow"
    return output.split(b"\n")[:-1], ending


def _arrays(line: bytes) -> dict[str, np.ndarray] | str:
    answer = json.loads(line)
    if "refused" in answer:
        return answer["refused"]
    try:
        return {
            name: np.array(column["values"], dtype=DTYPES[column["kind"]]) for name, column in answer["columns"].items()
        }
    except (OverflowError, MemoryError):
        return "a number or a column is too large"
