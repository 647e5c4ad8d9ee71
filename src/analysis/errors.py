"""One exception a kind of fault, with its exit code and a one-line message.

A message says what is wrong, where, and what to do: `error[hash] data/raw/a.npy: sha256 is 3f2a.., data/sources.csv
says 9c01..; delete it and run "make data"`. Never put the content of a file from outside into a message.
"""

import errno
import os
import sys
import traceback
from collections.abc import Callable


class AnalysisError(Exception):
    """Base of every fault that a user can cause or meet; `code` is the exit code of the process.

    >>> str(InputError("index", "pred.csv row 7: class 1000", "classes run from 0 to 999"))
    'error[index] pred.csv row 7: class 1000; classes run from 0 to 999'
    >>> InputError("index", "pred.csv row 7: class 1000", "").code
    3
    """

    code = 1

    def __init__(self, kind: str, what: str, remedy: str = ""):
        self.kind, self.what, self.remedy = kind, what, remedy
        text = f"error[{kind}] {what}" + (f"; {remedy}" if remedy else "")
        super().__init__(" ".join(text.split()))


class UsageError(AnalysisError):
    """The command was called in a way it does not know: 2."""

    code = 2


class InputError(AnalysisError):
    """Data that a user brought are wrong: 3."""

    code = 3


class IntegrityError(AnalysisError):
    """A shipped or pinned file is not what its lock says: 4."""

    code = 4


class NetworkError(AnalysisError):
    """A file could not be fetched: 5."""

    code = 5


class ResourceError(AnalysisError):
    """Disk, memory, permissions or a killed helper process: 6."""

    code = 6


class NotebookError(AnalysisError):
    """A notebook cell failed, or a notebook did not run to its end: 7."""

    code = 7


def some(values, most: int = 5) -> str:
    """The first few of many values, and how many more there are.

    >>> some(["a", "b", "c"], most=2)
    'a, b and 1 more'
    """
    values = [str(value) for value in values]
    shown = ", ".join(values[:most])
    return shown if len(values) <= most else f"{shown} and {len(values) - most} more"


# Faults of the machine that reach us as they are, not through a write of `files`.
_MACHINE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOMEM, errno.EMFILE}
_MACHINE |= {errno.ENOTDIR, errno.EEXIST}  # a file where a folder of ours should be


def guarded(command: Callable[[], int | None]) -> int:
    """Run a command to its exit code; a fault becomes one line on stderr, with a traceback only if ANALYSIS_DEBUG=1.

    Every way in (`analysis ...`, `python -m analysis.run`) goes through here, so a code means the same everywhere.
    Notes of the fault (`add_note`) follow the line.

    >>> guarded(lambda: None)
    0
    """
    try:
        return command() or 0
    except (Exception, KeyboardInterrupt) as fault:
        if os.environ.get("ANALYSIS_DEBUG") == "1":
            traceback.print_exc()
        code, line = _verdict(fault)
        print(line, *getattr(fault, "__notes__", ()), sep="\n", file=sys.stderr)
        return code


def _of_the_machine(fault: BaseException | None) -> OSError | None:
    """The fault of the machine behind an OSError: some libraries raise one without a number in its place."""
    while fault is not None:
        if isinstance(fault, OSError) and fault.errno in _MACHINE:
            return fault
        fault = fault.__cause__ or fault.__context__
    return None


def _verdict(fault: BaseException) -> tuple[int, str]:
    if isinstance(fault, KeyboardInterrupt):
        return 130, "interrupted"
    if told := getattr(fault, "format_message", None):  # click's own faults; many lines where it gives the help
        text = told()
        return 2, text if "\n" in text else str(UsageError("usage", text, "--help shows what there is"))
    if isinstance(fault, MemoryError):
        fault = ResourceError("memory", "not enough memory", "close other programs and run again")
    elif isinstance(fault, OSError) and (cause := _of_the_machine(fault)):
        fault = ResourceError("system", f"{cause.filename or 'this machine'}: {cause.strerror}")
    if isinstance(fault, AnalysisError):
        return fault.code, str(fault)
    return 1, f"error[bug] {type(fault).__name__}; this is a bug: set ANALYSIS_DEBUG=1, run again, report the traceback"
