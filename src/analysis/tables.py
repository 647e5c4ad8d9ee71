"""The tables: columns, types, checks at the door, reading and writing.

Every table has one declaration here. It is checked when written and again when read: columns and types field by
field, keys unique, `0 <= correct <= n`. Shipped files are held against the sha256 of `PROVENANCE.json` (those kept by
hand: of `SHA256SUMS`) and Parquet files carry page checksums, so a damaged byte is an error and never a number. Two
writes of the same rows give the same bytes.

What a user predicted on their own machine lies in `data/own/` in the same forms, each file with its own sha256 inside
(`seal`); readers take both.
"""

import json
import math
import os
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from . import files, paths, seal
from .errors import InputError, IntegrityError, ResourceError, some

VERSION = 1
ROW_GROUP = 1 << 16
HAND_KEPT = "SHA256SUMS"  # of the files of `data/` that no command makes, in the form that `sha256sum -c` reads
_READ: set[Path] = set()
_NAME = pa.dictionary(pa.int32(), pa.string())

COUNTS = pa.schema(
    [
        ("dataset", _NAME),
        ("model", _NAME),
        ("labels", _NAME),
        ("class_id", pa.int16()),
        ("n", pa.int32()),
        ("correct", pa.int32()),
        ("accuracy", pa.float64()),
        ("correct_top5", pa.int32()),
        ("predicted", pa.int32()),
        ("confidence_sum", pa.float64()),
        ("confidence_sq_sum", pa.float64()),
        ("confidence_correct_sum", pa.float64()),
    ]
)
CONFUSIONS = pa.schema(
    [("dataset", _NAME), ("model", _NAME), ("label", pa.int16()), ("pred", pa.int16()), ("count", pa.int32())]
)
CORRECT = pa.schema([("dataset", _NAME), ("item_id", pa.string()), ("class_id", pa.int16())])
PREDICTIONS = pa.schema(
    [
        ("dataset", _NAME),
        ("model", _NAME),
        ("item_id", pa.string()),
        ("label", pa.int16()),
        ("pred", pa.int16()),
        ("confidence", pa.float32()),
        ("label_rank", pa.int16()),
    ]
)
KEYS = {
    "class_counts": ["dataset", "labels", "model", "class_id"],
    "confusions": ["dataset", "model", "label", "pred"],
    "correct": ["dataset", "item_id"],
    "predictions": ["dataset", "model", "item_id"],
    "classes": ["label_space", "class_id"],
    "models": ["model"],
    "datasets": ["dataset"],
    "sources": ["name"],
    "crs": ["model", "class_id"],
    "frequency": ["pretraining", "class_id"],
    "published": ["model", "dataset", "labels", "statistic", "source"],
}
CSV = {
    "classes": {"label_space": str, "class_id": int, "wnid": str, "name": str, "superclass": str},
    "models": {
        "model": str,
        "name": str,
        "family": str,
        "year": int,
        "source": str,
        "pretraining": str,
        "published_top1": float,
        "published_source": str,
        "top1": float,
        "is_network": bool,
        "in_claims": bool,
        "flag": str,
    },
    "datasets": {
        "dataset": str,
        "label_space": str,
        "items": int,
        "classes": int,
        "shift_of": str,
        "per_item": bool,
        "note": str,
    },
    "crs": {"model": str, "class_id": int, "top5": float, "crs": float},
    "frequency": {"pretraining": str, "class_id": int, "captions": int, "images": int, "both": int},
    "sources": {"name": str, "url": str, "sha256": str, "bytes": int, "licence": str, "used_by": str},
    "published": {"model": str, "dataset": str, "labels": str, "statistic": str, "value": float, "source": str},
}
FAMILIES = {
    "imagenet-val": ("imagenet-val",),
    "imagenetv2": ("imagenetv2-",),
    "cifar10": ("cifar10",),
    "ood16": ("ood16/",),
    "tiny-imagenet": ("tiny-imagenet",),
    "text": ("banking77", "20news", "clinc150", "hint3"),
}
OWN_FAMILY = "own"  # of data sets that the project does not know


@dataclass(frozen=True)
class Counts:
    """Counts of one data set: `n` items and `correct` ones, shape (models, classes), int64; n = 0 where unknown."""

    dataset: str
    labels: str
    models: tuple[str, ...]
    class_id: np.ndarray
    n: np.ndarray
    correct: np.ndarray


@dataclass(frozen=True)
class Correct:
    """Which model is right on which item of one data set.

    `right` is bool (models, items); `class_id` (items,) holds the ids of the label space, `class_index` (items,) the
    same classes numbered 0 to `len(classes) - 1`, and `classes` the id of each such number.
    """

    dataset: str
    labels: str
    models: tuple[str, ...]
    item_id: np.ndarray
    class_id: np.ndarray
    right: np.ndarray

    @property
    def classes(self) -> np.ndarray:
        return np.unique(self.class_id)

    @property
    def class_index(self) -> np.ndarray:
        return np.searchsorted(self.classes, self.class_id)

    def of(self, models) -> "Correct":
        """The same items for some of the models, in the order asked for."""
        rows = _positions(self.models, models, self.dataset)
        return Correct(self.dataset, self.labels, tuple(models), self.item_id, self.class_id, self.right[rows])


def files_read() -> list[Path]:
    """The table files that this process has read so far: the inputs of what it writes."""
    return sorted(_READ)


def family(dataset: str) -> str:
    """The family of `data/correct/` that a data set belongs to; ImageNet-C has one for each corruption.

    >>> family("imagenetv2-top-images"), family("cifar10.1-v6"), family("ood16/contrast/c05")
    ('imagenetv2', 'cifar10', 'ood16')
    >>> family("imagenet-c/fog/3"), family("own:pets")
    ('imagenet-c-fog', 'own')
    """
    head, *rest = dataset.split("/")
    if head in ("imagenet-c", "imagenet-c-local") and rest and re.fullmatch("[a-z_]+", rest[0]):
        return f"{head}-{rest[0]}"
    return next((name for name, prefixes in FAMILIES.items() if dataset.startswith(prefixes)), OWN_FAMILY)


def read_counts(*, dataset=None, models=None, labels="original", class_id=None) -> pd.DataFrame:
    """Rows of `class_counts`, shipped and own, as a DataFrame with the columns of `COUNTS`.

    Parameters
    ----------
    dataset, labels, class_id : keep these rows only; None keeps all
    models : iterable of model ids, or None for all

    Raises
    ------
    IntegrityError : a shipped table is damaged or has other columns; InputError : one of your own has.
    """
    return _both("class_counts", models, dataset=dataset, labels=labels, class_id=class_id)


def read_confusions(*, dataset=None, models=None, label=None) -> pd.DataFrame:
    """Rows of `confusions` (label differs from pred), shipped and own; None keeps all."""
    return _both("confusions", models, dataset=dataset, label=label)


def prediction_files() -> list[Path]:
    """The shipped files of predictions, one a family, sorted."""
    return sorted((paths.data() / "predictions").glob(files.NAMED + ".parquet"))


def read_predictions(*, dataset=None, models=None) -> pd.DataFrame:
    """Rows of the shipped predictions with the columns of `PREDICTIONS`; None keeps all.

    Raises
    ------
    IntegrityError : a file is damaged, has other columns, or is not the one that PROVENANCE.json lists.
    """
    found = prediction_files()
    if dataset is not None:
        found = [path for path in found if path.stem == family(dataset)]
    filters = _filters(models, dataset=dataset)
    frames = [read_predictions_file(path, filters, lock=True) for path in found]
    frames = frames or [PREDICTIONS.empty_table().to_pandas()]
    return _plain(pd.concat(frames, ignore_index=True))


def read_predictions_file(path, filters=None, *, lock: bool = False, pairs: bool = False) -> pd.DataFrame:
    """Rows of one file of predictions; `lock` holds it against PROVENANCE.json, which `derive` is about to write.

    `pairs` : only the distinct pairs of data set and model
    """
    path = Path(path)
    columns = ["dataset", "model"] if pairs else None
    frame = _plain(_read_parquet(path, "predictions", filters, lock=lock, columns=columns).to_pandas())
    if pairs:
        return frame.drop_duplicates(ignore_index=True)
    _check(frame, "predictions", path)
    return frame


def counts(dataset: str, *, models=None, labels: str = "original") -> Counts:
    """Counts of one data set as matrices, models in the order asked for (else sorted), classes by id.

    Raises
    ------
    InputError : the data set, or one of the models on it, is not in the tables.
    """
    rows = read_counts(dataset=dataset, models=models, labels=labels)
    rows = rows[rows["n"].notna() & rows["correct"].notna()]
    if rows.empty:
        raise InputError("dataset", f"{dataset} ({labels} labels): no counts in the tables", "see data/datasets.csv")
    have = tuple(sorted(rows["model"].unique()))
    wanted = have if models is None else tuple(models)
    _positions(have, wanted, dataset)
    class_id = np.sort(rows["class_id"].unique())
    row = pd.Index(wanted).get_indexer(rows["model"])
    column = np.searchsorted(class_id, rows["class_id"])
    n, correct = np.zeros((2, len(wanted), len(class_id)), dtype=np.int64)
    n[row, column] = rows["n"]
    correct[row, column] = rows["correct"]
    return Counts(dataset, labels, wanted, class_id, n, correct)


def correct(dataset: str, *, models=None, labels: str = "original") -> Correct:
    """Per-item correctness of one data set, for the models that answered every item of it.

    Raises
    ------
    InputError : no per-item answers were published for the data set, or a model asked for is not among them.
    """
    suffix = "" if labels == "original" else f".{labels}"
    name = f"correct/{family(dataset)}{suffix}.parquet"
    shipped = [path for path in (paths.data() / name, paths.own() / name) if path.exists()]
    if name in _locked() and not (paths.data() / name).exists():
        raise _fault(paths.data() / name, "missing")
    parts = [_read_correct(path, dataset) for path in shipped]
    parts = [part for part in parts if len(part)]
    if not parts:
        raise InputError("dataset", f"{dataset} ({labels} labels): no per-item answers in the tables", "only counts")
    first = parts[0]
    for extra in parts[1:]:
        if set(extra.index) != set(first.index) or not (extra["class_id"] == first["class_id"][extra.index]).all():
            raise InputError("items", f"data/own/{name}: items of {dataset} differ from the shipped ones", _ANEW)
        if again := set(extra.columns) & set(first.columns) - {"class_id"}:
            raise InputError("items", f"data/own/{name}: {some(sorted(again))} is among the shipped models", _ANEW)
        first = first.join(extra.drop(columns="class_id"))
    answers = first.drop(columns="class_id")
    answers = answers.loc[:, answers.notna().all()]
    wanted = tuple(answers.columns) if models is None else tuple(models)
    _positions(tuple(answers.columns), wanted, dataset)
    right = np.ascontiguousarray(answers[list(wanted)].to_numpy(dtype=bool).T)
    return Correct(dataset, labels, wanted, first.index.to_numpy(), first["class_id"].to_numpy(), right)


def rows_of(name: str) -> pd.DataFrame:
    """The rows of `models` or `datasets`, shipped and own; a shipped row is never taken over by an own one."""
    shipped, own = read_csv(name), paths.own() / f"{name}.csv"
    if not own.exists():
        return shipped
    mine = read_csv(name, own)
    mine = mine[~mine[KEYS[name][0]].isin(shipped[KEYS[name][0]])]
    return pd.concat([shipped, mine], ignore_index=True) if len(mine) else shipped


def read_csv(name: str, path=None) -> pd.DataFrame:
    """A declared CSV table (a key of `CSV`) with its types; "" is a missing number.

    Names such as "NA" or "07" stay text.
    """
    path = Path(path) if path else paths.data() / f"{name}.csv"
    columns = CSV[name]
    _READ.add(path)
    check_lock(path)
    try:
        header, *rows = files.csv_rows(path)
        if header and header[0].startswith(seal.CSV_MARK):
            if not seal.holds_csv(path.read_bytes()):
                raise InputError("table", f"{paths.shown(path)}: its sha256 is not the one in its first line", _CHANGED)
            header, *rows = rows
    except FileNotFoundError:
        raise _fault(path, "missing") from None
    except ValueError as fault:
        raise _fault(path, str(fault)) from None
    if header != list(columns):
        raise _fault(path, _unlike(header, columns))
    frame = pd.DataFrame(rows, columns=header, dtype=str)
    for column, kind in columns.items():
        try:
            frame[column] = _cast(frame[column], kind)
        except (ValueError, KeyError):
            raise _fault(path, f"column {column} holds values that are not {kind.__name__}") from None
    _check_keys(frame, KEYS[name], path)
    return frame


def write_csv(frame: pd.DataFrame, name: str, path=None) -> None:
    """Write a declared CSV table, sorted by its key, atomically."""
    path = Path(path) if path else paths.data() / f"{name}.csv"
    frame = frame[list(CSV[name])].sort_values(KEYS[name], kind="stable")
    _check_keys(frame, KEYS[name], path)
    texts = [text for column, kind in CSV[name].items() if kind is str for text in frame[column]]
    if any(re.search("[\0\r]", str(text)) for text in texts):  # "\r" is not quoted, and ends a line
        raise _fault(path, "a text holds a carriage return or NUL")
    text = frame.to_csv(index=False, lineterminator="\n")
    files.write_text(path, seal.stamped_csv(text) if _is_own(path) else text)


def write_counts(frame: pd.DataFrame, path) -> None:
    """Write rows of `class_counts`; `accuracy` is set from `correct / n` where both are known."""
    frame = frame.reindex(columns=COUNTS.names)
    known = frame["correct"].notna() & frame["n"].notna()
    ratio = frame["correct"].astype("float64") / frame["n"].astype("float64").where(frame["n"] > 0)
    frame["accuracy"] = ratio.where(known, frame["accuracy"])
    _write(frame, COUNTS, "class_counts", path)


def write_confusions(frame: pd.DataFrame, path) -> None:
    """Write rows of `confusions`."""
    _write(frame, CONFUSIONS, "confusions", path)


def write_correct(frame: pd.DataFrame, path) -> None:
    """Write per-item correctness: dataset, item_id, class_id, then one nullable bool column a model."""
    models = sorted(set(frame.columns) - set(CORRECT.names))
    schema = pa.schema([*CORRECT, *[pa.field(model, pa.bool_()) for model in models]])
    _write(frame[schema.names], schema, "correct", path)


def write_predictions(frame: pd.DataFrame, path, *, made: dict) -> None:
    """Write rows of `PREDICTIONS`; `made` (command, seconds, ...: JSON without a date) goes into the file with them."""
    frame = frame.reindex(columns=PREDICTIONS.names).astype({"confidence": "float32", "label_rank": "Int16"})
    text = json.dumps(made, sort_keys=True, ensure_ascii=False)
    _write(one_chunk(frame), PREDICTIONS, "predictions", path, {"made": text})


def made(path) -> dict:
    """How a file of predictions was made, as its writer said."""
    return json.loads(pq.read_schema(path).metadata.get(b"made", b"{}"))


def _write(frame: pd.DataFrame, schema: pa.Schema, kind: str, path, metadata: dict | None = None) -> None:
    frame = frame.sort_values(KEYS[kind], kind="stable").reset_index(drop=True)
    _check(frame, kind, Path(path))
    try:
        table = pa.Table.from_pandas(frame, schema=schema, preserve_index=False)
    except pa.ArrowException:
        raise _fault(Path(path), "a value does not fit the type of its column") from None
    about = {"analysis": json.dumps({"table": kind, "version": VERSION})}
    table = table.replace_schema_metadata(about | (metadata or {}))
    options = {"compression": "zstd", "write_page_checksum": True}
    with files.atomic(path) as temporary:
        if not _is_own(path):  # a shipped table has its digest in PROVENANCE.json
            pq.write_table(table, temporary, row_group_size=ROW_GROUP, **options)
            return
        with pq.ParquetWriter(temporary, table.schema, **options) as writer:
            writer.write_table(table, row_group_size=ROW_GROUP)
            writer.add_key_value_metadata({seal.NAME: seal.BLANK.decode()})
        temporary.write_bytes(seal.stamped(temporary.read_bytes()))


def _read_parquet(path: Path, kind: str, filters=None, *, lock: bool = True, columns=None) -> pa.Table:
    _READ.add(path)
    if lock:
        check_lock(path)
    try:
        if _is_own(path) and seal.holds(path.read_bytes()) is False:
            raise _fault(path, "damaged: its sha256 is not the one inside")
        handle = pq.ParquetFile(path, page_checksum_verification=True)
        meta = json.loads(handle.schema_arrow.metadata[b"analysis"])
        holds, version = str(meta["table"]), int(meta["version"])
    except FileNotFoundError:
        raise _fault(path, "missing") from None
    except (
        pa.ArrowException,
        OSError,
        KeyError,
        TypeError,
        ValueError,
        AttributeError,
        OverflowError,
        RecursionError,
    ) as fault:
        if getattr(fault, "errno", None):  # a file that cannot be opened is not damaged
            what = f"{paths.shown(path)}: {os.strerror(fault.errno)}"
            raise ResourceError("table", what, "check its owner and the disk") from None
        raise _fault(path, "damaged or not a table of this project") from None
    if holds != kind or version > VERSION:
        found = holds if holds in KEYS else "something else"
        raise _fault(path, f"holds {found} version {version}, expected {kind} {VERSION}")
    schema = handle.schema_arrow
    declared = {
        "class_counts": COUNTS,
        "confusions": CONFUSIONS,
        "correct": CORRECT,
        "predictions": PREDICTIONS,
    }[kind]
    found = [(field.name, field.type) for field in schema][: len(declared)]
    extra = schema.names[len(declared) :]
    if found != [(f.name, f.type) for f in declared] or (extra and kind != "correct"):
        raise _fault(path, _unlike(schema.names, declared.names))
    if not all(pa.types.is_boolean(schema.field(name).type) for name in extra):
        raise _fault(path, "a model column is not boolean")
    if filters and _lacks_keys(handle, kind):  # which a filter would leave out
        raise _fault(path, f"{' or '.join(KEYS[kind])} is missing in a row")
    try:
        return pq.read_table(path, filters=filters or None, columns=columns, page_checksum_verification=True)
    except (pa.ArrowException, OSError, ValueError):
        raise _fault(path, "damaged: a page checksum does not match") from None


def _lacks_keys(handle: pq.ParquetFile, kind: str) -> bool:
    """Whether the statistics of a file tell of a row without its key."""
    places = [handle.schema_arrow.get_field_index(name) for name in KEYS[kind]]
    groups = map(handle.metadata.row_group, range(handle.num_row_groups))
    known = [group.column(place).statistics for group in groups for place in places]
    return any(one is not None and one.null_count for one in known)


_hashed: dict[Path, tuple] = {}


def hand_kept(text: str) -> dict[str, str]:
    """File -> sha256, from the lines of `SHA256SUMS`.

    Raises
    ------
    ValueError : a line of another form, or a file twice.

    >>> hand_kept("0" * 64 + "  sources.csv\\n") == {"sources.csv": "0" * 64}
    True
    """
    rows = re.findall("^([0-9a-f]{64})  (.+)$", text, flags=re.MULTILINE)
    found = {name: digest for digest, name in rows}
    if len(found) != len(text.splitlines()):
        raise ValueError("a line is not a sha256, two spaces and a file, or a file is listed twice")
    return found


def _locked() -> dict:
    """What `PROVENANCE.json` lists; nothing where it cannot be read, which `check_lock` then reports."""
    try:
        return dict(json.loads((paths.data() / "PROVENANCE.json").read_text(encoding="utf-8"))["files"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return {}


def check_lock(path: Path) -> None:
    """A file of the shipped tables has the sha256 that `PROVENANCE.json` or, kept by hand, `SHA256SUMS` gives it.

    Page checksums cover the pages of a Parquet file but not its footer, where one flipped bit can rename a column,
    hide rows from a filter or make the reader hang: so the whole file is hashed before it is parsed, once a process.
    """
    path = path.resolve()
    root, own = paths.data().resolve(), path.is_relative_to(paths.own().resolve())
    if own or not path.is_relative_to(root) or not path.is_file():
        return
    name = path.relative_to(root).as_posix()
    by_hand = name == "sources.csv" or name.startswith("paper/")
    lock = root / (HAND_KEPT if by_hand else "PROVENANCE.json")
    if not lock.exists() and root != (paths.ROOT / "data").resolve():
        return  # a folder of tables that somebody made, not the shipped one
    try:
        text = lock.read_text(encoding="utf-8")
        digest = hand_kept(text)[name] if by_hand else json.loads(text)["files"][name]["sha256"]
    except OSError:
        raise _fault(lock, "missing or not readable") from None
    except (ValueError, KeyError, TypeError, RecursionError):
        raise _fault(lock, f"does not list {name}") from None
    status = path.stat()
    stamp = (digest, status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
    if _hashed.get(path) != stamp:
        if files.sha256(path) != digest:
            raise _fault(path, f"its sha256 is not the one of {lock.name}")
        _hashed[path] = stamp


def _filters(models, **equal) -> list[tuple]:
    filters = [(column, "=", value) for column, value in equal.items() if value is not None]
    return filters if models is None else [*filters, ("model", "in", list(models))]


def _both(kind: str, models, **equal) -> pd.DataFrame:
    filters = _filters(models, **equal)
    name = f"{kind}.parquet"
    found = [paths.data() / name, *[path for path in [paths.own() / name] if path.exists()]]
    frames = []
    for path in found:
        frame = _plain(_read_parquet(path, kind, filters).to_pandas())
        _check(frame, kind, path)
        _check_classes(frame, path)
        frames.append(frame)
    if len(frames) == 1:
        return frames[0]
    # A shipped model is not added to: its numbers would change without a word.
    about = [name for name in ("dataset", "labels", "model") if name in frames[0]]
    shipped = _plain(pq.read_table(found[0], columns=about).to_pandas()).drop_duplicates()
    both = frames[1][about].drop_duplicates().merge(shipped)
    if len(both):
        raise _fault(found[1], f"{' '.join(both.iloc[0])}: is among the shipped rows")
    return pd.concat(frames, ignore_index=True)


def _read_correct(path: Path, dataset: str) -> pd.DataFrame:
    frame = _plain(_read_parquet(path, "correct", [("dataset", "=", dataset)]).to_pandas())
    _check(frame, "correct", path)
    _check_classes(frame, path)
    # A family's table has a column for every model of any of its data sets.
    frame = frame.drop(columns=[name for name in frame.columns[len(CORRECT) :] if frame[name].isna().all()])
    return frame.drop(columns="dataset").set_index("item_id")


def one_chunk(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with text in one piece: pandas keeps the pieces that were joined, and Parquet writes each by itself,
    so that equal rows would not be equal bytes."""
    text = [name for name in frame.columns if isinstance(frame[name].dtype, pd.StringDtype)]
    return frame.astype(dict.fromkeys(text, object))


def _plain(frame: pd.DataFrame) -> pd.DataFrame:
    # Dictionary columns arrive as categoricals, whose grouping and joining rules surprise; text is what they are.
    for column in frame.columns:
        if isinstance(frame[column].dtype, pd.CategoricalDtype):
            frame[column] = frame[column].astype(str)
    return frame


def _check(frame: pd.DataFrame, kind: str, path: Path) -> None:
    _check_keys(frame, KEYS[kind], path)
    if kind == "class_counts":
        if (frame["class_id"] < 0).any() or (frame["n"] < 0).any() or (frame["predicted"] < 0).any():
            raise _fault(path, "a class id or a count is negative")
        if (frame["correct"].notna() & frame["n"].isna()).any():
            raise _fault(path, "a row has right answers but no number of items")
        ratio = frame["correct"] / frame["n"].where(frame["n"] > 0)
        if ((ratio - frame["accuracy"]).abs() > 1e-9).any():
            raise _fault(path, "an accuracy is not correct / n")
        for column in ("correct", "correct_top5"):
            bad = frame[(frame[column] < 0) | (frame[column] > frame["n"])]
            if len(bad):
                row = bad.iloc[0]
                raise _fault(path, f"{row['dataset']}, {row['model']}, class {row['class_id']}: {column} outside 0..n")
        known = frame["accuracy"].dropna()
        if not known.between(0, 1).all():
            raise _fault(path, "an accuracy lies outside 0..1")
        sums = frame[["confidence_sum", "confidence_sq_sum", "confidence_correct_sum"]]
        if not (sums.isna() | (sums.ge(0) & sums.le(frame["n"], axis=0))).all(axis=None):
            raise _fault(path, "a sum of confidences lies outside 0..n")
    if kind == "predictions":
        if (frame["label"] < -1).any() or (frame["pred"] < -1).any():
            raise _fault(path, "a class id is below -1")
        if not frame["confidence"].dropna().between(0, 1).all():
            raise _fault(path, "a confidence lies outside 0..1")
        rank = frame["label_rank"].fillna(-1)
        if (frame["label_rank"] < 0).any() or ((frame["label"] < 0) & (rank >= 0)).any():
            raise _fault(path, "a rank is negative, or an item of no class has one")
        if ((frame["label"] >= 0) & (frame["label"] == frame["pred"]) & (rank > 0)).any():
            raise _fault(path, "the label is the answer, yet its rank is not 0")
    if kind == "confusions":
        if (frame["label"] < -1).any() or (frame["pred"] < 0).any():
            raise _fault(path, "a label is below -1, or a prediction below 0")
        if ((frame["count"] <= 0) | (frame["label"] == frame["pred"])).any():
            raise _fault(path, "a confusion has no count, or label equals prediction")
    if kind == "correct" and (frame["class_id"] < 0).any():
        raise _fault(path, "a class id is negative")


def _check_classes(frame: pd.DataFrame, path: Path) -> None:
    """Class ids of a table of one's own are those of the label space of their data set, where the tables know it."""
    if not _is_own(path):  # the shipped ones are derived from checked files, and locked
        return
    about = paths.data() / "datasets.csv", paths.data() / "classes.csv"
    if not len(frame) or not all(each.is_file() for each in about):
        return
    spaces = rows_of("datasets").set_index("dataset")["label_space"].to_dict()
    classes = read_csv("classes").groupby("label_space")["class_id"].agg(set).to_dict()
    for dataset, rows in frame.groupby("dataset"):
        known = classes.get(spaces.get(dataset, ""))
        for column in {"class_id", "label", "pred"} & set(rows) if known else ():
            strange = set(rows[column].unique()) - known - ({-1} if column == "label" else set())
            if strange:
                raise _fault(path, f"{dataset}: {column} {min(strange)} is no class of {spaces[dataset]}")


def _check_keys(frame: pd.DataFrame, key: list[str], path: Path) -> None:
    if frame[key].isna().any(axis=None):
        raise _fault(path, f"{' or '.join(key)} is missing in a row")
    twice = frame.duplicated(key)
    if twice.any():
        row = frame.loc[twice.idxmax(), key]
        raise _fault(path, f"{', '.join(f'{name} {row[name]}' for name in key)} occurs twice")


def _cast(column: pd.Series, kind: type) -> pd.Series:
    if kind is str:
        return column
    if kind is bool:
        return column.map(lambda text: {"true": True, "false": False}[text.lower()]).astype(bool)
    form = "-?[0-9]{1,18}" if kind is int else r"-?[0-9]+(\.[0-9]+)?(e[+-]?[0-9]{1,3})?"
    if not column.map(lambda text: text == "" or bool(re.fullmatch(form, text))).all():
        raise ValueError("not a number")
    number = column.map(lambda text: math.nan if text == "" else kind(text))
    if np.isinf(number.astype(float)).any():
        raise ValueError("not a number")
    return number if kind is float or number.isna().any() else number.astype("int64")


def _positions(have: tuple, wanted, dataset: str) -> list[int]:
    where = {model: position for position, model in enumerate(have)}
    absent = [model for model in wanted if model not in where]
    if absent:
        raise InputError("model", f"{some(absent)}: not in the tables of {dataset}", "see data/models.csv")
    return [where[model] for model in wanted]


def _unlike(found, wanted) -> str:
    """How the columns of a file differ from the declared ones.

    >>> _unlike(["a", "c"], ["a", "b"])
    'columns are not as declared: b missing, c not expected'
    """
    missing, more = [one for one in wanted if one not in found], [one[:60] for one in found if one not in wanted]
    parts = ([f"{some(missing)} missing"] if missing else []) + ([f"{some(more)} not expected"] if more else [])
    return f"columns are not as declared: {', '.join(parts) or 'in another order or of another type'}"


def _is_own(path) -> bool:
    return Path(path).is_relative_to(paths.own())


_ANEW = "make it again with analysis predict"
_CHANGED = "changed on purpose: delete that line; else analysis verify --repair"


def _fault(path: Path, what: str):
    if _is_own(path):
        return InputError("table", f"{paths.shown(path)}: {what}", _ANEW)
    remedy = "restore it (git checkout data, or the archive again), or make data tables"
    if Path(path).name in (HAND_KEPT, "sources.csv") or Path(path).parent.name == "paper":
        remedy = f"restore it from git; changed on purpose: sha256sum it into data/{HAND_KEPT}"
    return IntegrityError("table", f"{paths.shown(path)}: {what}", remedy)
