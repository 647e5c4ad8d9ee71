"""Published files: found, checked against `data/sources.csv`, and fetched where they are missing.

A file is looked for in the folder of ANALYSIS_MIRROR (read in place, never copied or changed), then in `data/raw/`.
Every file is hashed before it is parsed: a flipped bit in an .npy file is otherwise silent.
"""

import contextlib
import email.utils
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

import requests
import urllib3

from .. import files, paths, tables
from ..errors import IntegrityError, NetworkError, some
from ..progress import Progress

THREADS = 4
CONNECT_TIMEOUT, READ_TIMEOUT = 10.0, 20.0  # seconds of silence
TOTAL_TIMEOUT = 300.0  # seconds for one file: a server that drips is not silent
ATTEMPTS, PAUSE, LONGEST_PAUSE = 4, 1.0, 60.0


@dataclass(frozen=True)
class Source:
    name: str
    url: str
    sha256: str
    bytes: int
    licence: str
    used_by: str

    @property
    def repository(self) -> str:
        return self.name.split("/", 1)[0].replace("+", "/")

    @property
    def path(self) -> str:
        return self.name.split("/", 1)[1]

    @property
    def commit(self) -> str:
        return urlsplit(self.url).path.split("/")[3]


def sources() -> dict[str, Source]:
    """Every pinned file of `data/sources.csv` by name."""
    path = paths.data() / "sources.csv"
    try:
        stamp = path.stat()
    except FileNotFoundError:
        raise IntegrityError("sources", f"{paths.shown(path)}: missing", "run git checkout data/sources.csv") from None
    return _sources(path, stamp.st_mtime_ns, stamp.st_size)


@lru_cache(maxsize=4)
def _sources(path: Path, mtime_ns: int, size: int) -> dict[str, Source]:
    found = {row["name"]: Source(**row) for row in tables.read_csv("sources", path).to_dict("records")}
    for name in found:
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            raise IntegrityError("sources", f"{paths.shown(path)}: a name leads out of the folder", "git checkout it")
    return found


def listed(prefix: str) -> list[str]:
    """Names of the pinned files that start with `prefix`, sorted."""
    return sorted(name for name in sources() if name.startswith(prefix))


def locate(name: str) -> Path:
    """The path of a published file whose size and sha256 are as pinned.

    Raises
    ------
    IntegrityError : the file is not pinned, not there, cut short, altered, or something else under its name.
    """
    source = sources().get(name)
    if source is None:
        raise IntegrityError("sources", f"{name}: not in data/sources.csv", "add it there, with its size and sha256")
    path = _present(source)
    if path is None:
        raise IntegrityError("missing", f"{name}: not on this machine", "run make data")
    if fault := _fault_of(path, source):
        raise _altered(path, fault)
    return path


def fetch_all(force: bool = False) -> int:
    """Fetch every pinned file that is not there; gives the number of files fetched. Nothing is fetched twice.

    Parameters
    ----------
    force : fetch a file of `data/raw/` again that is not as pinned. The old one is kept as `.bad-<time>`, set aside
        only when the new one is complete.

    Raises
    ------
    IntegrityError : a file is not as pinned (before anything is fetched, unless `force`), or what a server sent is not
    NetworkError : a file could not be fetched; names the host. Files that had arrived stay.
    """
    files.sweep(paths.raw())
    wanted = []
    for source in sources().values():
        path = _present(source)
        fault = "" if path is None else _fault_of(path, source)
        if fault and (not force or not path.is_relative_to(paths.raw())):
            raise _altered(path, fault)
        if path is None or fault:
            wanted.append(source)
    if not wanted:
        return 0
    stop, active = threading.Event(), set()
    megabytes = sum(source.bytes for source in wanted) / 1e6
    pool = ThreadPoolExecutor(THREADS)
    with _terminated_cleanly(), Progress(f"fetch {len(wanted)} files", total=megabytes, unit="MB") as progress:
        try:
            jobs = {pool.submit(_download, source, stop, active): source for source in wanted}
            for job in as_completed(jobs):
                job.result()
                progress.advance(jobs[job].bytes / 1e6)
        finally:
            # On a fault, Ctrl-C or SIGTERM: no new file is begun, open ones are cut, their temporary files removed.
            stop.set()
            for response in list(active):
                with contextlib.suppress(Exception):
                    response.raw.shutdown()
            pool.shutdown(wait=True, cancel_futures=True)
    return len(wanted)


def _present(source: Source) -> Path | None:
    folders = [folder for folder in (paths.mirror(), paths.raw()) if folder]
    return next((folder / source.name for folder in folders if (folder / source.name).is_file()), None)


_verified: dict[Path, tuple] = {}


def _fault_of(path: Path, source: Source) -> str:
    """What is wrong with a file, or "". A file is hashed once a process, and again when size, time or inode change."""
    status = path.stat()
    stamp = (source.sha256, status.st_size, status.st_mtime_ns, status.st_ino)
    if _verified.get(path) == stamp:
        return ""
    if status.st_size == source.bytes and files.sha256(path) == source.sha256:
        _verified[path] = stamp
        return ""
    with open(path, "rb") as file:
        return _describe(file.read(512), status.st_size, source)


def _describe(start: bytes, size: int, source: Source) -> str:
    if start.startswith(b"version https://git-lfs.github.com"):
        return "a git-lfs pointer, not the file"
    if start.lstrip()[:15].lower().startswith((b"<!doctype html", b"<html")):
        return "an HTML page, not the file"
    if size != source.bytes:
        return f"{'cut short: ' if size < source.bytes else ''}{size} bytes, data/sources.csv says {source.bytes}"
    return "its sha256 is not the one of data/sources.csv"


def _altered(path: Path, fault: str) -> IntegrityError:
    if path.is_relative_to(paths.raw()):
        remedy = "run analysis data --force to fetch it again; your copy is kept as .bad-<time>"
    else:
        remedy = "the mirror of ANALYSIS_MIRROR is read only; repair it there"
    return IntegrityError("hash", f"{paths.shown(path)}: {fault}", remedy)


_NO_FILE = "nothing was kept; run make data again later, and report it if it stays"


class _Again(Exception):
    """A fault that may pass: retried, then reported as `fault`."""

    def __init__(self, fault: NetworkError, after: float | None = None):
        self.fault, self.after = fault, after


def _download(source: Source, stop: threading.Event, active: set) -> None:
    for attempt in range(ATTEMPTS):
        if stop.is_set():
            return
        try:
            return _download_once(source, stop, active)
        except _Again as again:
            if attempt == ATTEMPTS - 1:
                raise again.fault from again.__cause__
            pause = PAUSE * 2**attempt if again.after is None else again.after
            stop.wait(min(pause, LONGEST_PAUSE))


def _download_once(source: Source, stop: threading.Event, active: set) -> None:
    deadline = time.monotonic() + TOTAL_TIMEOUT
    host = urlsplit(source.url).netloc
    target = paths.raw() / source.name
    with files.atomic(target) as temporary, contextlib.ExitStack() as stack:
        try:
            session = stack.enter_context(requests.Session())
            session.max_redirects = 5
            response = stack.enter_context(
                session.get(
                    source.url,
                    stream=True,
                    timeout=(CONNECT_TIMEOUT, READ_TIMEOUT),
                    headers={"Accept-Encoding": "identity"},
                )
            )
            active.add(response)
            stack.callback(active.discard, response)
            _check_status(response, host, source)
            received, start = 0, b""
            with open(temporary, "wb") as file:
                # read1 gives what has arrived; read would wait for a whole block and miss the deadline.
                while block := response.raw.read1(1 << 16, decode_content=True):
                    received += len(block)
                    start = start or block[:512]
                    if stop.is_set():
                        raise NetworkError("stopped", f"{source.name}: stopped", "run make data again")
                    if received > source.bytes:
                        break
                    if time.monotonic() > deadline:
                        what = f"{host}: {source.name} took longer than {TOTAL_TIMEOUT:.0f} s"
                        raise NetworkError("timeout", what, "try again later")
                    file.write(block)
        except (requests.TooManyRedirects, requests.exceptions.InvalidURL) as fault:
            raise NetworkError("network", f"{host}: {source.name}: {type(fault).__name__}", _NO_FILE) from fault
        except (requests.RequestException, urllib3.exceptions.HTTPError) as fault:
            what = f"{host}: {source.name} not fetched ({_cause(fault)})"
            again = NetworkError("network", what, "check the connection and run make data again")
            raise _Again(again) from fault
        if files.sha256(temporary) != source.sha256:
            what = f"{host} sent {_describe(start, received, source)} ({source.name})"
            raise IntegrityError("hash", what, _NO_FILE)
        with contextlib.suppress(FileNotFoundError):  # another process may fetch the same file, and be done with it
            if target.exists() and _fault_of(target, source):
                files.set_aside(target)


def _check_status(response: requests.Response, host: str, source: Source) -> None:
    status = response.status_code
    if status == 200:
        return
    fault = NetworkError("network", f"{host}: {source.name}: HTTP {status} {response.reason}", "see data/sources.csv")
    if status == 429 or status >= 500:
        raise _Again(fault, _retry_after(response.headers.get("Retry-After", "")))
    raise fault


def _retry_after(text: str) -> float | None:
    """Seconds to wait, from a number or an HTTP date."""
    if text.strip().isdigit():
        return float(text)
    with contextlib.suppress(ValueError, TypeError):
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    return None


def _cause(fault: BaseException) -> str:
    """The innermost reason in a word or two: library messages carry object addresses and whole URLs."""
    while fault.__cause__ or fault.__context__:
        fault = fault.__cause__ or fault.__context__
    text = getattr(fault, "strerror", None) or type(fault).__name__
    return some([text], 1)


@contextlib.contextmanager
def _terminated_cleanly():
    """SIGTERM ends the process by an exception (exit code 143), so that temporary files are removed on the way."""

    def leave(number, frame):
        raise SystemExit(128 + number)

    ours = threading.current_thread() is threading.main_thread()
    old = signal.signal(signal.SIGTERM, leave) if ours else None
    try:
        yield
    finally:
        if ours:
            signal.signal(signal.SIGTERM, old)
