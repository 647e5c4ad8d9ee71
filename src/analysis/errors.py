"""One exception a kind of fault, with its exit code and a one-line message.

A message says what is wrong, where, and what to do: `error[hash] data/raw/a.npy: sha256 is 3f2a.., data/sources.csv
says 9c01..; delete it and run "make data"`. Never put the content of a file from outside into a message; of names and
values that it holds a few, cut short (`some`). tests/faults/test_messages.py reads every message.
"""

import errno
import os
import sys
import traceback
from collections.abc import Callable


class AnalysisError(Exception):
    """Base of every fault that a user can cause or meet; `code` is the exit code of the process, `otherwise` what to
    do where a fault has no remedy of its own.

    The text is one line that a terminal can print: a control character stands as its escape, a very long part is cut.

    >>> str(InputError("index", "pred.csv row 7: class 1000", "classes run from 0 to 999"))
    'error[index] pred.csv row 7: class 1000; classes run from 0 to 999'
    >>> InputError("index", "pred.csv row 7: class 1000", "").code
    3
    """

    code = 1
    otherwise = ""

    def __init__(self, kind: str, what: str, remedy: str = ""):
        self.kind, self.what, self.remedy = kind, what, remedy
        parts = [_line(part) for part in (f"error[{kind}] {what}", remedy or self.otherwise) if part]
        super().__init__("; ".join(parts))


class UsageError(AnalysisError):
    """The command was called in a way it does not know: 2."""

    code = 2


class InputError(AnalysisError):
    """Data that a user brought are wrong: 3."""

    code = 3
    otherwise = "correct it and run again"


class IntegrityError(AnalysisError):
    """A file that a lock or a record vouches for (shipped, pinned, stored) is not what that says: 4."""

    code = 4
    otherwise = "restore it (git checkout, or make data), and report it if that does not help"


class NetworkError(AnalysisError):
    """A file could not be fetched: 5."""

    code = 5


class ResourceError(AnalysisError):
    """Disk, memory, permissions or a killed helper process: 6."""

    code = 6


class NotebookError(AnalysisError):
    """A notebook cell failed, or a notebook did not run to its end: 7."""

    code = 7


LONGEST = 600  # characters of what is wrong, and of what to do: a path may be long, a value from a file is cut before


def _line(text: str) -> str:
    r"""Text on one line, without anything that a terminal would obey.

    >>> _line("a\nb\x1b[2J" + 1000 * "c")[:20]
    'a b\\x1b[2Jcccccccccc'
    """
    # Half a surrogate pair, as in file names of other encodings, is not printable either.
    text = "".join(one if one.isprintable() else ascii(one)[1:-1] for one in " ".join(text.split()))
    return text if len(text) <= LONGEST else f"{text[: LONGEST // 2]} ... {text[-LONGEST // 3 :]}"


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
        from .paths import shown  # which itself raises faults

        named = isinstance(cause.filename, (str, bytes)) and cause.filename
        where = shown(os.fsdecode(named)) if named else "this machine"
        fault = ResourceError("system", f"{where}: {cause.strerror}", "see to the disk, the owner and permissions")
    if isinstance(fault, AnalysisError):
        return fault.code, str(fault)
    return 1, f"error[bug] {type(fault).__name__}; this is a bug: set ANALYSIS_DEBUG=1, run again, report the traceback"
