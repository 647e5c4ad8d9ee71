"""Predictions found by what made them: the key of an entry is the sha256 of its recipe.

    <cache>/predictions/<key[:2]>/<key>.parquet       the table: one row an item, same rows, same bytes
                                  <key>.safetensors   features, where they were asked for
                                  <key>.json          the commit record, written last
    <cache>/predictions/parts/<key without "items">/<block>.parquet   finished blocks of a run that goes on

Nothing read is trusted. A Parquet file carries the key of its recipe and the sha256 of its own bytes, which is compared
before anything is parsed; the record holds that of both files beside it and of itself. What does not fit is renamed to
`.bad-<time>` with one line on stderr and counts as absent, so that it is made again. What is published is never
written again: a second `put` of the same recipe gives the first entry. There is no lock and no index: every file is
renamed into its place whole (`files`), and writers of one key write the same.
"""

import csv
import hashlib
import io
import json
import re
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from . import files, paths
from .errors import InputError, IntegrityError, ResourceError, UsageError, some
from .prediction_file import COLUMNS, VERSION, Damaged, Table, canonical, checked, decode, encode, fingerprint

HOUR = 3600.0
BLOCK = "[0-9a-f]{8,128}"


@dataclass(frozen=True, eq=False)
class Part:
    """One finished block: its table, the items that could not be read as (item_id, reason), features by name."""

    table: Table
    bad: tuple[tuple[str, str], ...] = ()
    features: dict[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Entry:
    """One published table. `path` is its Parquet file, `made` the time of publishing (UTC), `about` free facts.

    `n_items` rows, of which `n_labelled` have a label and `n_right` a right prediction.
    """

    key: str
    recipe: dict
    about: dict
    path: Path
    made: str
    n_items: int
    n_labelled: int
    n_right: int
    bytes: int
    parquet: dict = field(repr=False)
    safetensors: dict | None = field(repr=False)
    _table: Table | None = field(default=None, repr=False)

    @property
    def dataset(self) -> str:
        return self.recipe.get("dataset", "")

    @property
    def model(self) -> str:
        """The id that tables show: of the network, or of the text classifier with its seed."""
        if "classifier" in self.recipe:
            return f"{self.recipe['classifier'].get('id', '')}-{self.recipe.get('seed', 0)}"
        return self.recipe.get("model", {}).get("id", "")

    @property
    def precision(self) -> str:
        return self.recipe.get("numerics", {}).get("precision", "")

    @property
    def top1(self) -> float:
        """Share of right predictions among the items that have a label; NaN without any."""
        return self.n_right / self.n_labelled if self.n_labelled else float("nan")

    def table(self) -> Table:
        """The predictions, verified.

        Raises
        ------
        IntegrityError : the file was damaged since the entry was listed; it is set aside.
        """
        if self._table is not None:
            return self._table
        try:
            return _entry(self.path.with_suffix(".json"), table=True)._table
        except FileNotFoundError:
            raise IntegrityError("store", f"{paths.shown(self.path)}: removed meanwhile", "make it again") from None
        except Damaged as fault:
            _set_aside(self.path.with_suffix(".json"), str(fault))
            raise IntegrityError("store", f"{paths.shown(self.path)}: {fault}", "make it again") from None

    def features(self) -> dict[str, np.ndarray]:
        """Features by name, rows as in the table; empty where none were kept or their file was damaged or removed."""
        return _load_features(self.path.with_suffix(".safetensors"), self.safetensors, self.n_items)


class Removed(NamedTuple):
    """One file that `gc` removed or would remove."""

    path: Path
    bytes: int
    why: str


class MissingParts(KeyError):
    """`join` was called before all `blocks` were there (or one was just set aside): make these, then join again."""

    def __init__(self, blocks: Sequence[str]):
        self.blocks = tuple(blocks)
        super().__init__(f"{len(self.blocks)} blocks are missing: {some(self.blocks, 3)}")


def key(recipe: dict) -> str:
    """The sha256 of a recipe's canonical JSON: the order of keys changes nothing, any value does.

    Raises
    ------
    TypeError, ValueError : not JSON: a key that is no text, NaN, an array.

    >>> key({"a": 1, "b": [2]}) == key({"b": (2,), "a": 1}), key({"a": 1}) == key({"a": 2})
    (True, False)
    """
    _check_json(recipe)
    return hashlib.sha256(canonical(recipe)).hexdigest()


def get(recipe: dict, *, folder=None) -> Entry | None:
    """The entry of a recipe, its files verified and its table read; None where there is none.

    A damaged or exchanged entry is set aside with one line on stderr and counts as none.

    Raises
    ------
    ResourceError : the folder cannot be read.
    """
    return _get(_record_path(key(recipe), folder))


def put(recipe: dict, table: Table, *, about: dict | None = None, features=None, folder=None) -> Entry:
    """Publish a table; give the entry. What is published already stays (with a line on stderr if it differs).

    Parameters
    ----------
    about : free facts (seconds, command, machine), in the record alone: neither key nor table depend on them
    features : arrays of float16 or float32 by name, rows as in the table; added to an entry that has none

    Raises
    ------
    InputError : the table or the features break a rule of `Table`; ResourceError : the folder cannot be written.
    """
    name = key(recipe)
    about = json.loads(json.dumps(about or {}, allow_nan=False, default=str))
    table = checked(table)
    tensors = _tensors(features, len(table))
    path = _record_path(name, folder)
    content = encode(table, {"key": name})
    old = _get(path)
    if old is not None:
        same = old.parquet == fingerprint(content) or encode(old.table(), {"key": name}) == content
        if not same:
            _say(f"{paths.shown(old.path)}: the same recipe gave other predictions; the published ones stay")
        if not same or tensors is None or _is_whole(old.path.with_suffix(".safetensors"), old.safetensors):
            return old
    _make_folder(path.parent, folder)
    _check_room(path.parent, len(content) + len(tensors or b""))
    if tensors is not None:
        files.write_bytes(path.with_suffix(".safetensors"), tensors)
    if old is None:
        files.write_bytes(path.with_suffix(".parquet"), content)
    labelled = table.label >= 0
    record = {
        "store": VERSION,
        "recipe": recipe,
        "about": about if old is None else old.about,
        "made": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "n_items": len(table),
        "n_labelled": int(labelled.sum()),
        "n_right": int((labelled & (table.label == table.pred)).sum()),
        "parquet": fingerprint(content) if old is None else old.parquet,
        "safetensors": None if tensors is None else fingerprint(tensors),
    }
    record["seal"] = hashlib.sha256(canonical(record)).hexdigest()
    files.write_text(path, json.dumps(record, indent=1, sort_keys=True) + "\n")
    return _as_entry(json.loads(canonical(record)), path, table)


def get_part(recipe: dict, block: str, *, folder=None) -> Part | None:
    """One finished block of an unfinished run, verified; None where there is none. `features` are empty if lost.

    Parts are found by the recipe without its "items" and by `block`, the hex digest of the block's items: after one
    image is repaired, one block is made again.
    """
    path = _part_path(recipe, block, folder)
    try:
        return _part(path)
    except FileNotFoundError:
        return None
    except Damaged as fault:
        _set_aside(path, str(fault))
        return None


def put_part(recipe: dict, block: str, table: Table, *, bad=(), features=None, folder=None) -> None:
    """Keep one finished block: rows of the items that were read, and (item_id, reason) of those that were not.

    Raises
    ------
    InputError : as `put`; ResourceError : less than twice the part's size is free, or the folder is not writable.
    """
    path = _part_path(recipe, block, folder)
    table = checked(table)
    tensors = _tensors(features, len(table))
    about = {"key": path.parent.name, "block": block, "bad": [[str(item), str(why)] for item, why in bad]}
    if tensors is not None:
        about["features"] = fingerprint(tensors)
    content = encode(table, about)
    _make_folder(path.parent, folder)
    _check_room(path.parent, len(content) + len(tensors or b""))
    if tensors is not None:  # under its own digest: a part in place keeps its features until the new part is there
        files.write_bytes(_features_path(path, about["features"]), tensors)
    files.write_bytes(path, content)


def join(recipe: dict, blocks: Sequence[str], *, about: dict | None = None, folder=None) -> Entry:
    """Publish all blocks in their order as one entry, then remove them; as whole as a run without interruption.

    Bad items are left out of the table; `about["bad"]` lists them as [item_id, reason]. Features are joined where
    every block has them, else left out with a line on stderr.

    Raises
    ------
    MissingParts : a block is not there and the entry is not published yet; its `blocks` names all of them.
    InputError : an item occurs in two blocks, or some blocks have a top 5 and others none.
    """
    parts = {block: get_part(recipe, block, folder=folder) for block in blocks}
    if missing := [block for block, part in parts.items() if part is None]:
        # Another process may have joined the same blocks a moment ago.
        if (entry := get(recipe, folder=folder)) is not None:
            return entry
        raise MissingParts(missing)
    whole = _concatenated([parts[block] for block in blocks])
    about = dict(about or {})
    if whole.bad:
        about["bad"] = [list(pair) for pair in whole.bad]
    entry = put(recipe, whole.table, about=about, features=whole.features or None, folder=folder)
    if blocks:
        parent = _part_path(recipe, blocks[0], folder).parent
        for path in sorted(parent.iterdir()):  # the empty folder stays: another writer may be about to use it
            if path.name.split(".")[0] in parts and ".bad-" not in path.name:
                path.unlink(missing_ok=True)
    return entry


def entries(*, folder=None) -> list[Entry]:
    """All published entries, sorted by data set, model and time; records are verified, tables when they are read."""
    found = []
    for path in _records(folder):
        try:
            found.append(_entry(path, table=False))
        except FileNotFoundError:
            continue
        except Damaged as fault:
            _set_aside(path, str(fault))
    return sorted(found, key=lambda entry: (entry.dataset, entry.model, entry.made, entry.key))


def find(*, model: str, dataset: str, precision: str | None = None, folder=None) -> Entry:
    """The newest entry of a model on a data set; a line on stderr says which, where there are several.

    Raises
    ------
    InputError : there is none; names what there is.
    """
    have = entries(folder=folder)
    fits = [entry for entry in have if (entry.model, entry.dataset) == (model, dataset)]
    fits = [entry for entry in fits if precision in (None, entry.precision)]
    if not fits:
        there = sorted({f"{entry.model} on {entry.dataset} {entry.precision}".strip() for entry in have})
        asked = f"{model} on {dataset} {precision or ''}".strip()
        raise InputError("store", f"no predictions of {asked}", f"there is {some(there) if there else 'none at all'}")
    newest = max(fits, key=lambda entry: (entry.made, entry.key))
    if len(fits) > 1:
        _say(f"{len(fits)} entries fit: the newest is taken, {newest.key[:12]}, made {newest.made} {newest.precision}")
    return newest


def as_csv(table: Table) -> str:
    """Predictions as CSV; an unknown confidence is empty, the top 5 has a space between its classes."""
    confidence = np.where(np.isnan(table.confidence), "", table.confidence.astype(str))
    top5 = [""] * len(table) if table.top5 is None else [" ".join(map(str, row)) for row in table.top5.tolist()]
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["item_id", "label", "pred", "confidence", "top5"])
    rows.writerows(zip(table.item_id, table.label.tolist(), table.pred.tolist(), confidence, top5, strict=True))
    return text.getvalue()


def verify(*, folder=None, set_aside: bool = True) -> list[tuple[Path, str]]:
    """Hash and read every entry and part again; what is damaged is set aside. Gives (path, problem) for each.

    Features that are gone are no damage: the predictions stay good without them. Without `set_aside` nothing changes.
    """
    problems = []

    def check(path: Path, read: Callable[[], tuple[Path, dict | None]]):
        try:
            features, mark = read()
            if not mark or not features.exists() or _is_whole(features, mark):
                return
            path, problem = features, "its sha256 is not the recorded one"
        except FileNotFoundError:
            return
        except Damaged as fault:
            problem = str(fault)
        problems.append((path, problem))
        if set_aside:
            _set_aside(path, problem)

    def entry(path: Path) -> tuple[Path, dict | None]:
        return path.with_suffix(".safetensors"), _entry(path, table=True).safetensors

    def part(path: Path) -> tuple[Path, dict | None]:
        return _part_file(path)[2:]

    for path in _records(folder):
        check(path, lambda path=path: entry(path))
    for path in _parts(folder):
        check(path, lambda path=path: part(path))
    return problems


def gc(
    *,
    folder=None,
    older_than_days: float | None = None,
    keep: Callable[[Entry], bool] | None = None,
    bad: bool = False,
    dry_run: bool = False,
) -> list[Removed]:
    """Remove what nothing needs; gives what was (`dry_run`: would be) removed.

    Always: temporary files of killed writers, files without a record, and parts of a recipe that has an entry; each
    only when older than an hour, since a writer may be at work. `bad`: also files set aside. `older_than_days`: also
    entries published longer ago, but for those where `keep(entry)` is true.
    """
    root, now = _root(folder), time.time()
    published = entries(folder=folder)
    finished = {_part_key(entry.recipe) for entry in published}
    records = {path.stem for path in _records(folder)}
    featured = {entry.key for entry in published if entry.safetensors}
    found = []
    for path in sorted(path for path in root.rglob("*") if path.is_file() and not path.is_symlink()):
        status, name, in_parts = path.stat(), path.name, path.is_relative_to(root / "parts")
        if ".bad-" in name:
            why = "set aside" if bad else ""
        elif now - status.st_mtime < HOUR:
            why = ""
        elif name.startswith(files.TEMPORARY):
            why = "left by a killed writer"
        elif in_parts:
            alone = path.suffix == ".safetensors" and not path.with_name(f"{name.split('.')[0]}.parquet").exists()
            why = "its entry is published" if path.parent.name in finished else "no part needs it" if alone else ""
        else:
            alone = path.suffix == ".parquet" and path.stem not in records
            alone |= path.suffix == ".safetensors" and path.stem not in (featured & records)
            why = "no record" if alone else ""
        if why:
            found.append(Removed(path, status.st_size, why))
    if older_than_days is not None:
        oldest = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now - older_than_days * 24 * HOUR))
        for entry in published:
            if entry.made < oldest and not (keep and keep(entry)):
                # The record goes first: a kill in between leaves files without a record, not a damaged entry.
                every = [entry.path.with_suffix(suffix) for suffix in (".json", ".parquet", ".safetensors")]
                found += [Removed(path, path.stat().st_size, "old") for path in every if path.exists()]
    if not dry_run:
        for item in found:
            item.path.unlink(missing_ok=True)
        for path in sorted(root.rglob("*"), reverse=True):
            if path.is_dir() and now - path.stat().st_mtime > HOUR:
                with suppress(OSError):  # not empty
                    path.rmdir()
    return found


# Places


def _root(folder) -> Path:
    return Path(folder) if folder is not None else paths.cache() / "predictions"


def _record_path(name: str, folder) -> Path:
    return _root(folder) / name[:2] / f"{name}.json"


def _records(folder) -> list[Path]:
    found = _root(folder).glob("[0-9a-f][0-9a-f]/*.json")
    return sorted(
        path for path in found if re.fullmatch("[0-9a-f]{64}", path.stem) and path.stem[:2] == path.parent.name
    )


def _parts(folder) -> list[Path]:
    # By the form of the name: a writer's temporary file ends in .parquet, too.
    found = (_root(folder) / "parts").glob("*/*.parquet")
    return sorted(path for path in found if re.fullmatch(BLOCK, path.stem))


def _part_key(recipe: dict) -> str:
    return key({name: value for name, value in recipe.items() if name != "items"})


def _part_path(recipe: dict, block: str, folder) -> Path:
    if not re.fullmatch(BLOCK, block):
        raise ValueError("a block is named by the hex digest of its items")
    return _root(folder) / "parts" / _part_key(recipe) / f"{block}.parquet"


def _features_path(part: Path, mark: dict) -> Path:
    return part.with_name(f"{part.stem}.{mark['sha256'][:16]}.safetensors")


def _make_folder(path: Path, folder) -> None:
    """Make a folder of the store for its owner alone."""
    try:
        _root(folder).parent.mkdir(parents=True, exist_ok=True)
        for each in [*reversed(path.relative_to(_root(folder)).parents), path.relative_to(_root(folder))]:
            (_root(folder) / each).mkdir(mode=0o700, exist_ok=True)
    except OSError as fault:
        raise ResourceError(
            "cache", f"{paths.shown(path)}: {fault.strerror}", "set ANALYSIS_CACHE_DIR to a folder that can be written"
        ) from None


def _check_room(path: Path, size: int) -> None:
    """Room for twice the size, so that a disk that fills up stops a run between two parts and not inside one."""
    free = shutil.disk_usage(path).free
    if free < 2 * size:
        what = f"{paths.shown(path)}: {2 * size} bytes needed, {free} free"
        raise ResourceError("disk", what, "free some space and run again; finished parts are kept")


# Records and damage


def _content(path: Path) -> bytes:
    """A file's bytes. FileNotFoundError where there is none; a folder that cannot be read is no damage of the file."""
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise FileNotFoundError(path) from None
    except OSError as fault:
        raise ResourceError("cache", f"{paths.shown(path)}: {fault.strerror}", "check its owner and the disk") from None


def _get(path: Path) -> Entry | None:
    for _ in range(3):
        try:
            before = _content(path)
            return _entry(path, table=True)
        except FileNotFoundError:
            return None
        except Damaged as fault:
            # Somebody may have published or removed the entry between our two reads: then look again.
            if path.exists() and _content(path) == before:
                _set_aside(path, str(fault))
                return None
    return None


def _entry(path: Path, *, table: bool) -> Entry:
    """The entry of a record. Raises FileNotFoundError without a record, Damaged where anything does not fit."""
    try:
        record = json.loads(_content(path).decode("utf-8"), object_pairs_hook=_once)
        seal = record.pop("seal")
        if hashlib.sha256(canonical(record)).hexdigest() != seal:  # NaN has no canonical form
            raise Damaged("the record was changed")
        if record["store"] > VERSION:
            raise IntegrityError("store", f"{paths.shown(path)}: written by a newer version", "update this code")
        if key(record["recipe"]) != path.stem:
            raise Damaged("the record is of another recipe")
        entry = _as_entry(record, path, None)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise Damaged("the record is not readable") from None
    if not table:
        return entry
    try:
        content = _content(entry.path)
    except FileNotFoundError:
        raise Damaged("its table is missing") from None
    if fingerprint(content) != entry.parquet:
        raise Damaged("the sha256 of its table is not the recorded one")
    read, _ = decode(content, entry.key, None)
    if len(read) != entry.n_items:
        raise Damaged("its table has not the recorded number of items")
    return replace(entry, _table=read)


def _as_entry(record: dict, path: Path, table: Table | None) -> Entry:
    names = ("recipe", "about", "made", "n_items", "n_labelled", "n_right", "parquet", "safetensors")
    total = record["parquet"]["bytes"] + (record["safetensors"] or {"bytes": 0})["bytes"]
    known = {name: record[name] for name in names}
    return Entry(key=path.stem, path=path.with_suffix(".parquet"), bytes=total, _table=table, **known)


def _set_aside(path: Path, why: str) -> None:
    """Rename a bad file, and the table beside a record, to `.bad-<time>`; say so in one line."""
    aside = []
    for each in (path, path.with_suffix(".parquet")) if path.suffix == ".json" else (path,):
        try:
            aside.append(files.set_aside(each).name)
        except FileNotFoundError:
            continue
        except OSError as fault:
            _say(f"{paths.shown(each)}: {why}; it could not be set aside ({fault.strerror}) and is not used")
    if aside:
        _say(f"{paths.shown(path)}: {why}; set aside as {' and '.join(aside)}; it will be made again")


def _say(text: str) -> None:
    print(f"store[warning] {text}", file=sys.stderr)


def _is_whole(path: Path, mark: dict | None) -> bool:
    return bool(mark) and path.is_file() and files.sha256(path) == mark["sha256"]


def _check_json(value) -> None:
    """Only what comes back from JSON as it was: json.dumps alone would make the key 1 and the key "1" the same."""
    if isinstance(value, dict):
        if not all(isinstance(name, str) for name in value):
            raise TypeError("a key of a recipe is not text")
        value = list(value.values())
    if isinstance(value, list | tuple):
        for each in value:
            _check_json(each)


def _once(pairs: list) -> dict:
    if len(dict(pairs)) != len(pairs):
        raise ValueError("a name occurs twice")
    return dict(pairs)


# Parts and features


def _part_file(path: Path) -> tuple[Table, tuple, Path, dict | None]:
    """Table, bad items, where the features lie, and their fingerprint (None without)."""
    table, meta = decode(_content(path), path.parent.name, path.stem)
    try:
        bad, mark = tuple((str(item), str(why)) for item, why in meta["bad"]), meta.get("features")
        return table, bad, _features_path(path, mark) if mark else path, mark
    except (KeyError, TypeError, ValueError):
        raise Damaged("its metadata are not those of a part") from None


def _part(path: Path) -> Part:
    table, bad, beside, mark = _part_file(path)
    return Part(table, bad, _load_features(beside, mark, len(table)))


def _concatenated(parts: list[Part]) -> Part:
    bad = tuple(pair for part in parts for pair in part.bad)
    out = {item for item, _ in bad}
    rows = [np.flatnonzero([item not in out for item in part.table.item_id]) if out else slice(None) for part in parts]
    kept = [(part.table.take(row), part.features, row) for part, row in zip(parts, rows, strict=True)]
    kept = [each for each in kept if len(each[0])] or kept[:1]
    if len({table.top5 is None or table.top5.shape[1] for table, _, _ in kept}) > 1:
        raise InputError("predictions", "blocks of one run differ in their top 5", "remove the parts and run again")
    columns = {}
    for name in COLUMNS:
        values = [getattr(table, name) for table, _, _ in kept]
        columns[name] = None if not values or values[0] is None else np.concatenate(values)
    names = {tuple(sorted(features)) for _, features, _ in kept}
    if len(names) > 1:
        _say("some blocks have features and some have not: the entry has none")
    joined = {}
    for name in names.pop() if len(names) == 1 else ():
        joined[name] = np.concatenate([features[name][row] for _, features, row in kept])
    if not kept:
        empty = np.empty(0, dtype=np.int32)
        columns = {"item_id": empty.astype(object), "label": empty, "pred": empty, "label_rank": empty, "top5": None}
        columns["confidence"] = empty.astype(np.float32)
    return Part(Table(**columns), bad, joined)


def _tensors(features: dict | None, n_items: int) -> bytes | None:
    """Features as a safetensors file; None where none are given."""
    if not features:
        return None
    for name, values in features.items():
        if values.dtype not in (np.float16, np.float32) or values.ndim < 1 or len(values) != n_items:
            what = f"{name}: {values.dtype} {values.shape} for {n_items} items"
            raise InputError("features", what, "give float16 or float32, one row an item")
    return _safetensors().save({name: np.ascontiguousarray(values) for name, values in features.items()})


def _load_features(path: Path, mark: dict | None, n_items: int) -> dict[str, np.ndarray]:
    if not mark:
        return {}
    try:
        content = _content(path)
    except FileNotFoundError:
        _say(f"{paths.shown(path)}: missing; the predictions are used without features")
        return {}
    if fingerprint(content) != mark:
        _set_aside(path, "its sha256 is not the recorded one")
        return {}
    features = _safetensors().load(content)
    return features if all(len(values) == n_items for values in features.values()) else {}


def _safetensors():
    try:
        from safetensors import numpy
    except ImportError:
        what = "features are kept as safetensors, which is not installed"
        raise UsageError("tier", what, "install the inference tier (requirements/inference.txt)") from None
    return numpy
