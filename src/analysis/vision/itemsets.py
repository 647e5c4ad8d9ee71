"""The items of one data set: ids, classes, and where each item's bytes are.

An item's bytes are a file, a row of a CIFAR array, or a row of a Parquet shard. Nothing is opened before it is read, so
an `ItemSet` of 50,000 items is a few MB and goes to worker processes as it is.
"""

import hashlib
import mmap
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from .. import files, paths
from ..errors import InputError
from ..progress import Progress

FILES, ROWS, SHARDS = "files", "rows", "shards"
DIGEST_HEADER = "digests-1"
SETTLED = 2_000_000_000  # ns; a file changed this recently may change again within one tick of the clock
MANY = 2000  # files that take long enough to say so
SIDE = 32  # pixels of a CIFAR image


@dataclass(frozen=True, eq=False)  # arrays have no one truth value
class ItemSet:
    """The items of one data set in a fixed order; `layouts.open_set` makes it.

    Parameters
    ----------
    dataset : "imagenet-val", "imagenet-c/fog/3", "tiny-imagenet", ...
    label_space : "imagenet", "imagenet-r", "imagenet-a", "tiny-imagenet", "cifar10", "cifar100" or "own"
    item_id : (items,) text, unique; sorted as text (CIFAR: row numbers, ascending)
    label : (items,) int32 class ids; 0 to 999 for everything with ImageNet classes, subsets too
    refs : (items,) where each item's bytes are, for `read`
    n_classes : of the model output this set speaks about (1000, 10, ...)
    members : (classes,) int32 ids of the set's own classes, ascending, if fewer than `n_classes`, else None
    precropped : already 224 pixels, so never resized (ImageNet-C)
    root : the folder that `refs` are relative to
    form : what a ref is: "files" a path; "rows" (path, row); "shards" (path, row)
    """

    dataset: str
    label_space: str
    item_id: np.ndarray
    label: np.ndarray
    refs: tuple
    n_classes: int
    members: np.ndarray | None = None
    precropped: bool = False
    root: str = ""
    form: str = FILES

    def __len__(self) -> int:
        return len(self.refs)

    def read(self, i: int) -> bytes | np.ndarray:
        """The file bytes of item `i`, or its pixels as uint8 (height, width, 3) where a set is an array.

        Raises
        ------
        InputError : the file is gone or became shorter since the set was opened.
        """
        ref = self.refs[i]
        name = ref if self.form == FILES else ref[0]
        path = Path(self.root, name)
        try:
            if self.form == FILES:
                return path.read_bytes()
            if self.form == SHARDS:
                return _shard_bytes(path, ref[1])
            return _pixels(path, ref[1])
        except (FileNotFoundError, NotADirectoryError):
            raise InputError("items", f"{self.dataset}: {name} is gone since the set was opened", "run again") from None

    def take(self, rows) -> "ItemSet":
        """The same set with only these rows (integers or a boolean mask), in this order."""
        rows = np.arange(len(self))[rows]
        refs = tuple(self.refs[row] for row in rows.tolist())
        return replace(self, item_id=self.item_id[rows], label=self.label[rows], refs=refs)

    def digests(self) -> list[str]:
        """The SHA-256 of each item's bytes (pixels, where a set is an array), in the order of the items.

        They are remembered in the cache by path, size, times and inode of the file, one cache file a set; what changed
        in the last two seconds, or in the future, is hashed anew every time.

        Raises
        ------
        InputError : a file is gone since the set was opened.
        """
        known, fresh = _Digests(self), []
        found = [known.get(i) for i in range(len(self))]
        todo = [i for i, digest in enumerate(found) if digest is None]
        told = Progress(f"hash {self.dataset}", total=len(todo), unit="files") if len(todo) > MANY else nullcontext()
        # Reading and hashing let other threads run; a reader of shards is for one thread.
        threads = 1 if self.form == SHARDS else min(8, os.cpu_count() or 1)
        with told as progress, ThreadPoolExecutor(threads) as pool:
            for i, (digest, stamp) in zip(todo, pool.map(known.make, todo), strict=True):
                found[i] = digest
                fresh.append((i, stamp, digest))
                if progress:
                    progress.advance()
        known.keep(fresh)
        return found


def _plain(content) -> bytes:
    return content if isinstance(content, bytes) else np.ascontiguousarray(content).tobytes()


# ---- Rows of arrays and shards ---------------------------------------------------------------------------------------


def _pixels(path: Path, row: int) -> np.ndarray:
    """Row `row` of a CIFAR file: .npy (rows, 32, 32, 3), or .bin records of 1 or 2 label bytes and 3 planes."""
    if path.suffix == ".npy":
        return np.array(array(path)[row])
    plane = SIDE * SIDE
    content, width = _mapped(path, _identity(path)), record_bytes(path)
    start = row * width + width - 3 * plane
    values = np.frombuffer(content, dtype=np.uint8, count=3 * plane, offset=start)
    return np.ascontiguousarray(values.reshape(3, SIDE, SIDE).transpose(1, 2, 0))


def array(path: Path) -> np.ndarray:
    """A .npy file without pickled content, mapped and not read.

    Raises
    ------
    InputError : it is not that.
    """
    return _array(path, _identity(path))


def record_bytes(path: Path) -> int:
    """Bytes of one record: CIFAR-100 (`train.bin`, `test.bin`) has a coarse label before the fine one."""
    return 3 * SIDE * SIDE + (2 if path.name in ("test.bin", "train.bin") else 1)


def _identity(path: Path) -> tuple[int, ...]:
    """Part of the key of every open file: one that was replaced is opened anew."""
    found = os.stat(path)
    return found.st_size, found.st_mtime_ns, found.st_ino


@lru_cache(maxsize=4)
def _array(path: Path, _identity: tuple) -> np.ndarray:
    try:
        return files.npy(path, mapped=True)
    except ValueError as fault:
        raise InputError("array", f"{paths.shown(path)}: {fault}", "download it again") from None


@lru_cache(maxsize=4)
def _mapped(path: Path, _identity: tuple) -> mmap.mmap:
    with open(path, "rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


@lru_cache(maxsize=4)
def _shard(path: Path, _identity: tuple):
    import pyarrow.parquet as pq

    shard = pq.ParquetFile(path)
    ends = np.cumsum([shard.metadata.row_group(group).num_rows for group in range(shard.num_row_groups)])
    return shard, ends


@lru_cache(maxsize=4)
def _group(path: Path, identity: tuple, group: int):
    return _shard(path, identity)[0].read_row_group(group, columns=["image"]).column("image")


def _shard_bytes(path: Path, row: int) -> bytes:
    identity = _identity(path)
    ends = _shard(path, identity)[1]
    group = int(np.searchsorted(ends, row, side="right"))
    first = int(ends[group - 1]) if group else 0
    return _group(path, identity, group)[row - first].as_py()["bytes"]


# ---- Digests that are remembered -------------------------------------------------------------------------------------


class _Digests:
    """What is remembered of one set: `<sha256> <size> <mtime_ns> <ctime_ns> <inode> <path>` a line.

    The first line carries the SHA-256 of the rest: a damaged file is set aside and everything is hashed again.
    """

    def __init__(self, items: ItemSet):
        self.items = items
        place = hashlib.sha256(str(Path(items.root).resolve()).encode()).hexdigest()[:16]
        name = items.dataset.replace("/", "-").replace(":", "-")
        self.path = paths.cache() / "digests" / f"{name}-{place}.txt"
        self.known = self._read()

    def _read(self) -> dict[str, tuple[str, tuple[int, ...]]]:
        try:
            header, _, rest = self.path.read_text(encoding="utf-8").partition("\n")
        except FileNotFoundError:
            return {}
        except UnicodeDecodeError:
            header, rest = "", ""
        if header != f"{DIGEST_HEADER} {hashlib.sha256(rest.encode()).hexdigest()}":
            aside = files.set_aside(self.path)
            print(f"{paths.shown(aside)}: damaged, set aside; files are hashed again", file=sys.stderr)
            return {}
        rows = (line.split(" ", 5) for line in rest.split("\n")[:-1])
        return {row[5]: (row[0], tuple(map(int, row[1:5]))) for row in rows}

    def get(self, i: int) -> str | None:
        digest, stamp = self.known.get(self._name(i), (None, None))
        if digest is None:
            return None
        return digest if self._stamp(i) == stamp and _settled(stamp) else None

    def make(self, i: int) -> tuple[str, tuple[int, ...] | None]:
        """The digest of an item and the stamp of its file, or None where it may not be remembered."""
        before = self._stamp(i)
        digest = hashlib.sha256(_plain(self.items.read(i))).hexdigest()
        return digest, before if before == self._stamp(i) and _settled(before) else None

    def keep(self, fresh: list[tuple]) -> None:
        added = {self._name(i): (digest, stamp) for i, stamp, digest in fresh if stamp is not None}
        if not added:
            return
        # Another process may have written meanwhile: what it added stays, as far as it was there when this one reads.
        self.known = (self._read() | self.known) | added
        rows = sorted(self.known.items())
        rest = "".join(f"{digest} {' '.join(map(str, stamp))} {ref}\n" for ref, (digest, stamp) in rows)
        files.write_text(self.path, f"{DIGEST_HEADER} {hashlib.sha256(rest.encode()).hexdigest()}\n{rest}")

    def _name(self, i: int) -> str:
        ref = self.items.refs[i]
        return ref if isinstance(ref, str) else f"{ref[0]}#{ref[1]}"

    def _stamp(self, i: int) -> tuple[int, ...]:
        ref = self.items.refs[i]
        name = ref if isinstance(ref, str) else ref[0]
        try:
            found = os.stat(os.path.join(self.items.root, name))
        except (FileNotFoundError, NotADirectoryError):
            raise InputError("items", f"{name}: gone since the set was opened", "run again") from None
        return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino


def _settled(stamp: tuple[int, ...]) -> bool:
    return max(stamp[1:3]) < time.time_ns() - SETTLED
