"""One exception a kind of fault, with its exit code and a one-line message.

A message says what is wrong, where, and what to do: `error[hash] data/raw/a.npy: sha256 is 3f2a.., data/sources.csv
says 9c01..; delete it and run "make data"`. Never put the content of a file from outside into a message.
"""


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
