"""Whole files or none: every write goes to a temporary name in the same folder, is flushed, then renamed."""

import csv
import errno
import hashlib
import io
import itertools
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import AnalysisError, ResourceError
from .paths import shown

TEMPORARY = ".analysis-tmp-"
NAMED = "[!.]*"  # as the start of a glob: no temporary file, which a kill may have left under the same ending
# There is no way to read the mask without setting it, which other threads would see: so once, at import.
_UMASK = os.umask(0o077)
os.umask(_UMASK)
_FULL = {errno.ENOSPC, errno.EFBIG, errno.EDQUOT}
_BLOCKED = {errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EEXIST}


@contextmanager
def atomic(path) -> Iterator[Path]:
    """Give a temporary path to write to; rename it to `path` when the block ends without an exception.

    The old file stays whole until the new one is complete and flushed to disk, then is replaced in one step. On an
    exception the temporary file is removed and `path` is as it was. Several writers of one path are safe: the last
    rename wins, whole.

    Raises
    ------
    ResourceError : disk full, read-only or forbidden, whatever class the writing library raised.

    >>> import tempfile; folder = Path(tempfile.mkdtemp())
    >>> with atomic(folder / "a.txt") as temporary:
    ...     _ = temporary.write_text("whole", encoding="utf-8")
    >>> (folder / "a.txt").read_text(encoding="utf-8"), len(list(folder.iterdir()))
    ('whole', 1)
    """
    path = Path(path)
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=TEMPORARY, suffix=path.suffix, dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~_UMASK)
        os.replace(temporary, path)
        _sync_folder(path.parent)
    except AnalysisError:
        raise
    except Exception as fault:
        if resource := _resource_fault(fault, path):
            raise resource from fault
        raise
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def write_text(path, text: str) -> None:
    """Write UTF-8 text with "\\n" line ends, atomically."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_bytes(path, content: bytes) -> None:
    """Write bytes, atomically."""
    with atomic(path) as temporary:
        temporary.write_bytes(content)


def sha256(path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def csv_rows(path) -> list[list[str]]:
    """The rows of a UTF-8 CSV file as text: nothing guessed, "NA" and "07" stay text, every row as wide as the first.

    Raises
    ------
    ValueError : not UTF-8, NUL bytes, an unbalanced quote, no rows, or a row of another width; says which.
    """
    try:
        text = Path(path).read_bytes().decode("utf-8-sig")
        # Only "\n" ends a line; str.splitlines would also split at U+2028 and others.
        rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except UnicodeDecodeError as fault:
        raise ValueError(f"not UTF-8 text (byte {fault.start})") from None
    except csv.Error as fault:
        raise ValueError(f"not a CSV table ({fault})") from None
    if "\0" in text:
        raise ValueError("holds NUL bytes")
    if not rows:
        raise ValueError("empty")
    for number, row in enumerate(rows):
        if len(row) != len(rows[0]):
            raise ValueError(f"row {number} has {len(row)} fields, expected {len(rows[0])}")
    return rows


def npy(path, *, mapped: bool = False):
    """The array of a .npy file whose header is not believed: its shape is held against the file before any allocation.

    Parameters
    ----------
    mapped : leave it on disk; else it is copied into memory

    Raises
    ------
    ValueError : not a plain .npy array: objects (pickles, which are never opened), cut short, a header that lies.
    """
    import numpy as np

    try:
        with open(path, "rb") as file:
            if file.read(6) != b"\x93NUMPY":  # numpy would try an archive, and leave a broken one open
                raise ValueError("another kind of file")
        with np.errstate(all="ignore"):  # a shape of 3 x 10^18 overflows on the way to its refusal
            array = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise
    except Exception:  # a header that lies ends in a dozen kinds, IndexError and TokenError among them
        raise ValueError("not a plain .npy array") from None
    return array if mapped else np.array(array)


def set_aside(path) -> Path:
    """Rename a bad file to `<name>.bad-<time>`, kept as evidence and never read again; gives the new path.

    No earlier one is lost: where two are set aside in one second, the second gets a number.
    """
    path = Path(path)
    stamp = f"{path.name}.bad-{time.strftime('%Y%m%dT%H%M%S')}"
    for number in itertools.count(1):
        aside = path.with_name(stamp if number == 1 else f"{stamp}-{number}")
        try:
            # The name is taken before the file moves to it, so that two processes never choose the same one.
            os.close(os.open(aside, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            continue
        try:
            os.replace(path, aside)
        except OSError:
            aside.unlink(missing_ok=True)
            raise
        return aside


def sweep(folder, older_than: float = 3600.0) -> int:
    """Remove temporary files that a killed writer left in `folder` more than `older_than` seconds ago."""
    old = [
        path
        for path in Path(folder).rglob(f"{TEMPORARY}*")
        if path.is_file() and time.time() - path.stat().st_mtime > older_than
    ]
    for path in old:
        path.unlink(missing_ok=True)
    return len(old)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _resource_fault(fault: Exception, path: Path) -> ResourceError | None:
    """Name a full or read-only disk, which libraries report as OSError without errno, RuntimeError or others."""
    cause, numbers = fault, set()
    while cause is not None:
        numbers.add(getattr(cause, "errno", None))
        cause = cause.__cause__ or cause.__context__
    where = shown(path)
    if numbers & _FULL or (path.parent.exists() and shutil.disk_usage(path.parent).free < 1 << 16):
        free = shutil.disk_usage(path.parent).free if path.parent.exists() else 0
        return ResourceError("disk", f"{where}: no space left, {free} bytes free", "free some space and run again")
    if numbers & _BLOCKED:
        return ResourceError("write", f"{where}: not writable", "check the folder's owner and permissions")
    return None
