"""The forms in which people keep predictions, told apart by their columns, all read into one: `Raw`.

Read are this project's own tables, what timm's inference.py writes (CSV, Parquet, JSON), NumPy arrays (.npy, .npz with
paths, targets, outputs), a file or folder of Hugging Face `datasets`, data frames, and any CSV or Parquet with a column
for the prediction. Nothing is unpickled, nothing is guessed: which column was taken for what stands in `Raw.notes`.
"""

import json
import re
import tokenize
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from .. import files
from ..errors import InputError, some
from ..paths import shown
from ..sources import check

# Names of a column by what it holds, the first one present counts; letters' case, "-" and " " do not matter.
ROLES = {
    "item_id": "item_id image_id text_id id filename filenames file_name file image img image_path img_path path paths",
    "pred": "pred prediction predictions preds predicted predicted_class predicted_label pred_label y_pred argmax",
    "label": "label labels target targets y_true true_label ground_truth gt class_id class",
    "confidence": "confidence confidences conf predicted_probability probability prob max_prob score",
    "topk": "top5 topk top_5 top_k top5_pred topk_ids",
    "scores": "output outputs scores logits probs probabilities",
    "dataset": "dataset",
    "model": "model",
}
# What numpy, zipfile and zlib raise for a file that is damaged or lies.
_UNREADABLE = (
    ValueError,
    TypeError,
    EOFError,
    OSError,
    KeyError,
    IndexError,
    NotImplementedError,
    RuntimeError,
    SyntaxError,
)
_UNREADABLE += (OverflowError, tokenize.TokenError, zipfile.BadZipFile, zlib.error)
_PICKLED = (".pt", ".pth", ".pkl", ".pickle", ".bin", ".ckpt")
_FORMS = "a CSV, JSON, Parquet, .arrow, .npy or .npz file, or a folder of Hugging Face datasets"


@dataclass(frozen=True)
class Raw:
    """Predictions as they came: rows in the order of the file, classes as numbers or text, nothing checked yet.

    `pred` (rows,) int64 or text; `item_id` text, or None where rows have no ids; `label`, `confidence` (rows,) and
    `topk` (rows, k), best first, or None; `dataset` the column of that name; `names` the class names by number that
    the file itself states; `notes` what a reader of the report should know.
    """

    where: str
    pred: np.ndarray
    item_id: np.ndarray | None = None
    label: np.ndarray | None = None
    confidence: np.ndarray | None = None
    topk: np.ndarray | None = None
    dataset: np.ndarray | None = None
    names: tuple[str, ...] | None = None
    notes: tuple[str, ...] = field(default=())

    def __len__(self) -> int:
        return len(self.pred)

    def take(self, rows) -> "Raw":
        """Some of the rows."""
        columns = ("pred", "item_id", "label", "confidence", "topk", "dataset")
        kept = {name: None if getattr(self, name) is None else getattr(self, name)[rows] for name in columns}
        return Raw(self.where, names=self.names, notes=self.notes, **kept)


def read(source, *, target=None) -> Raw:
    """Predictions from a path, a DataFrame, an array, or a mapping of names to columns.

    Parameters
    ----------
    source : path; DataFrame; array of predictions (items,), of classes best first (items, k), or float scores
        (items, classes); mapping of column names to such columns
    target : (items,) true classes, for sources that hold none

    Raises
    ------
    InputError : no such file, an unknown form, or a column that is not what its name says; one line says which.

    >>> raw = read({"filename": ["a.png", "b.png"], "pred": [3, 4], "conf": [0.5, 0.75]})
    >>> raw.item_id.tolist(), raw.pred.tolist(), raw.confidence.tolist()
    (['a.png', 'b.png'], [3, 4], [0.5, 0.75])
    >>> read(np.array([[0.1, 0.9], [0.8, 0.2]])).pred.tolist()
    [1, 0]
    """
    where, names = "predictions", None
    if isinstance(source, (str, Path)):
        where = shown(source)
        columns, names = _from_path(Path(source), where)
    elif isinstance(source, pd.DataFrame):
        columns = _frame(source)
    elif isinstance(source, dict):
        columns = {str(name): _column(values) for name, values in source.items()}
    else:
        columns = {"": np.asarray(source)}
    if target is not None:
        columns = columns | {"target": np.asarray(target)}
    return _recognised(columns, where, names)


# ---- Files -----------------------------------------------------------------------------------------------------------


def _from_path(path: Path, where: str) -> tuple[dict, tuple | None]:
    if path.is_dir():
        return _dataset_folder(path, where)
    if not path.is_file():
        raise InputError("file", f"{where}: no such file", f"give {_FORMS}")
    if path.stat().st_size == 0:
        raise InputError("empty", f"{where}: the file is empty", "write it again")
    kind = path.suffix.lower()
    if kind == ".csv":
        return _csv(path, where), None
    if kind in (".json", ".jsonl"):
        return _json(path, where), None
    if kind in (".parquet", ".pq"):
        return _arrow_columns(_parquet(path, where))
    if kind == ".arrow":
        return _arrow_columns(_ipc(path, where))
    if kind in (".npy", ".npz"):
        return _numpy(path, where), None
    if kind in _PICKLED:
        raise InputError("form", f"{where}: a pickle, which could run code, is never opened", "save np.savez or CSV")
    raise InputError("form", f"{where}: files that end in {kind or 'nothing'} are not read", f"give {_FORMS}")


def _csv(path: Path, where: str) -> dict:
    try:
        header, *rows = files.csv_rows(path)
    except ValueError as fault:
        raise InputError("table", f"{where}: {fault}", "write it as comma-separated UTF-8 with a header") from None
    if len(header) == 1 and re.search("[;\t|]", header[0]):
        raise InputError("table", f"{where}: its columns are not separated by commas", "write it with commas")
    if not rows:
        raise InputError("empty", f"{where}: a header and no rows", "write it again")
    if len(set(header)) != len(header):
        raise InputError("table", f"{where}: a column name occurs twice", "name every column once")
    if all(_role(name) is None and not re.fullmatch(r"\D+_\d+", name) for name in header) and any(
        re.fullmatch(r"-?\d+(\.\d+)?", name) for name in header
    ):
        raise InputError("table", f"{where}: its first line is no header", "add one: item_id,pred, then label if there")
    return {name: np.array(values, dtype=object) for name, values in zip(header, zip(*rows, strict=True), strict=True)}


def _json(path: Path, where: str) -> dict:
    """timm's kinds of JSON: by file name, split into columns and data, or one object a line; or a list of rows."""
    start = path.read_bytes()[:1]
    if start not in (b"{", b"["):  # timm writes CSV under this name for `json-record`
        return _csv(path, where)
    try:
        content = check.read_json(path, where=where, fault=InputError)
    except InputError:
        text = check.read_text(path, where=where, fault=InputError)
        try:
            content = [check.parse_json(line) for line in text.split("\n") if line.strip()]
        except ValueError:
            raise InputError("table", f"{where}: not JSON, a key twice, or NaN in it", "write CSV instead") from None
    if isinstance(content, dict) and set(content) >= {"columns", "data"}:
        names, rows = content["columns"], content["data"]
        rows = rows if isinstance(names, list) and isinstance(rows, list) else [None]
        if not all(isinstance(row, list) and len(row) == len(names) for row in rows):
            raise InputError("table", f"{where}: its rows are not as long as its columns", "write CSV instead")
        frame = pd.DataFrame(rows, columns=list(map(str, names)))
    elif isinstance(content, dict) and all(isinstance(row, dict) for row in content.values()):
        frame = pd.DataFrame.from_dict(content, orient="index").rename_axis("filename")
        frame = frame.reset_index(drop="filename" in frame)
    else:
        rows = content if isinstance(content, list) else []
        if not rows or not all(isinstance(row, dict) for row in rows):
            raise InputError("table", f"{where}: JSON, but neither rows nor columns", "write CSV instead")
        frame = pd.DataFrame(rows)
    return _frame(frame)


def _parquet(path: Path, where: str) -> pa.Table:
    try:
        return pq.ParquetFile(path, page_checksum_verification=True).read()
    except (pa.ArrowException, OSError, ValueError):
        raise InputError("table", f"{where}: not Parquet, or damaged", "write it again") from None


def _ipc(path: Path, where: str) -> pa.Table:
    for reader in (pa.ipc.open_stream, pa.ipc.open_file):  # `datasets` writes streams
        try:
            with pa.memory_map(str(path)) as handle:
                return reader(handle).read_all()
        except (pa.ArrowException, OSError, ValueError):
            continue
    raise InputError("table", f"{where}: not Arrow, or damaged", "write it again")


def _dataset_folder(path: Path, where: str) -> tuple[dict, tuple | None]:
    """A folder of `datasets.save_to_disk`, or one of Parquet files."""
    splits = sorted(child.name for child in path.iterdir() if child.is_dir())
    shards = sorted([*path.glob("*.arrow"), *path.glob("*.parquet")])
    if not shards:
        hint = f"name one split: {some([f'{where}/{name}' for name in splits], 3)}" if splits else f"give {_FORMS}"
        raise InputError("form", f"{where}: a folder without .arrow or .parquet files", hint)
    tables = [(_ipc if shard.suffix == ".arrow" else _parquet)(shard, shown(shard)) for shard in shards]
    try:
        table = pa.concat_tables(tables)
    except pa.ArrowException:
        raise InputError("table", f"{where}: its files have different columns", "give one of them") from None
    info = path / "dataset_info.json"
    features = json.loads(info.read_text(encoding="utf-8")).get("features") if info.is_file() else None
    return _arrow_columns(table, features)


def _arrow_columns(table: pa.Table, features: dict | None = None) -> tuple[dict, tuple | None]:
    if features is None and (stated := (table.schema.metadata or {}).get(b"huggingface")):
        features = json.loads(stated).get("info", {}).get("features")
    names = None
    for name, feature in (features or {}).items():
        if isinstance(feature, dict) and feature.get("names") and _role(name) in ("label", "pred"):
            names = tuple(map(str, feature["names"]))
    # Pixels and texts are not needed: only columns whose role is known, or that are numbered, are turned into arrays.
    wanted = [name for name in table.column_names if _role(name) or re.search(r"_\d+$|^index$|logit", name)]
    columns = {}
    for name in wanted:
        column = table[name].combine_chunks()
        if pa.types.is_struct(column.type) and column.type.get_field_index("path") >= 0:
            column = column.field("path")  # an image of `datasets`
        elif pa.types.is_struct(column.type) or pa.types.is_binary(column.type):
            continue
        if pa.types.is_dictionary(column.type):
            column = column.dictionary_decode()
        columns[name] = _column(column.to_numpy(zero_copy_only=False))
    return columns or dict.fromkeys(table.column_names, np.empty(0, dtype=object)), names


def _numpy(path: Path, where: str) -> dict:
    try:
        if not zipfile.is_zipfile(path):
            return {"": files.npy(path)}
        # The file is opened here, for numpy leaves one open that turns out to be no archive.
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as loaded:
            return {name: loaded[name] for name in loaded.files}
    except _UNREADABLE:
        what = f"{where}: not a plain array, or damaged (object arrays are pickles and never opened)"
        raise InputError("array", what, "save numbers or text with np.save or np.savez") from None


def _frame(frame: pd.DataFrame) -> dict:
    if frame.columns.duplicated().any():
        raise InputError("table", "predictions: a column name occurs twice", "name every column once")
    if not isinstance(frame.index, pd.RangeIndex) and _role(frame.index.name) == "item_id":
        frame = frame.reset_index()
    return {str(name): _column(frame[name]) for name in frame}


def _column(values) -> np.ndarray:
    if isinstance(values, pd.Series):
        values = values.astype(object) if values.dtype.kind not in "iufb" else values
        values = values.to_numpy()
    values = np.asarray(values)
    if values.dtype.kind in "US":
        values = values.astype(str).astype(object)
    return values


# ---- Which column is what --------------------------------------------------------------------------------------------


def _folded(name) -> str:
    return re.sub(r"[\s\-]+", "_", str(name).strip().casefold())


_BY_NAME = {name: role for role, text in ROLES.items() for name in text.split()}


def _role(name) -> str | None:
    return _BY_NAME.get(_folded(name))


def _recognised(columns: dict, where: str, names) -> Raw:
    if not columns:
        raise InputError("form", f"{where}: no columns", f"give {_FORMS}")
    found, notes = _by_role(columns, where)
    rows = {role: len(values) for role, values in found.items() if np.ndim(values)}
    if len(set(rows.values())) > 1:
        sizes = ", ".join(f"{role} {size}" for role, size in rows.items())
        raise InputError("shape", f"{where}: columns differ in length ({sizes})", "one row an item in each")
    if not next(iter(rows.values()), 0):
        raise InputError("empty", f"{where}: no rows", "write it again")
    if "model" in found and len(models := pd.unique(_text(found["model"]))) > 1:
        names = some([one[:40] or "none" for one in models], 3)
        raise InputError("model", f"{where}: answers of {len(models)} models ({names})", "one model a file")
    if "pred" in found and "topk" in found and all(map(_is_missing, found["topk"])):
        del found["topk"]  # as this project's own store writes answers without them
    topk, confidence = found.get("topk"), found.get("confidence")
    if topk is not None:
        topk = _lists(topk, f"{where}: the top k")
    if "scores" in found and np.ndim(found["scores"]) == 2:
        pred, confidence, topk, more = _from_scores(found["scores"], where)
        notes += more
    else:
        pred = found.get("pred", found.get("scores"))
        pred = topk[:, 0] if pred is None else _class_column(pred, "prediction", where)
    item_id, label = found.get("item_id"), found.get("label")
    if label is not None:
        label = _class_column(label, "label", where)
    if item_id is not None:
        item_id = _ids(item_id, where)
    if confidence is not None:
        confidence, more = _confidence(confidence, where)
        notes += more
    return Raw(where, pred, item_id, label, confidence, topk, _text(found.get("dataset")), names, tuple(notes))


def _by_role(columns: dict, where: str) -> tuple[dict, list[str]]:
    if set(columns) <= {"", "target"} and "" in columns:
        return _bare_array(columns, where), []
    if {"top1_err", "top5_err"} & set(map(_folded, columns)):
        what = f"{where}: a summary of models (top1, ...), not answers to items"
        raise InputError("form", what, "write answers with timm's inference.py --include-index")
    found, used = {}, {}
    for role, text in ROLES.items():
        for wanted in text.split():
            name = next((name for name in columns if _folded(name) == wanted), None)
            if name is not None:
                found[role], used[role] = columns[name], name
                break
    numbered, folded = _numbered(columns), set(map(_folded, columns))
    answered = bool({"pred", "scores"} & set(found))
    by_index = "pred" not in found and ({"index", "index_0"} & folded or "label_0" in numbered)
    if by_index or (not answered and _is_timm_by_label(folded, found)):
        _as_timm(columns, numbered, found, used, where)
    elif not answered and "topk" not in found:
        have = some([repr(str(name)[:30]) for name in columns])
        raise InputError("columns", f"{where}: no column of predictions among {have}", "name it pred")
    told = ", ".join(f"{name} as {role.replace('_', ' ')}" for role, name in used.items() if name != role and name)
    return found, [f"Read {told}."] if told else []


def _bare_array(columns: dict, where: str) -> dict:
    array = columns[""]
    found = {"label": columns["target"]} if "target" in columns else {}
    if array.ndim == 2 and array.shape[1] == 1:
        raise InputError("shape", f"{where}: shape {array.shape}", "give one answer an item, shape (items,)")
    if array.ndim == 1:
        return found | {"pred": _column(array)}
    if array.ndim == 2 and array.dtype.kind == "f":
        return found | {"scores": array}
    if array.ndim == 2 and array.dtype.kind in "iu":
        return found | {"topk": array}
    what = f"{where}: shape {array.shape} of {array.dtype}"
    raise InputError("shape", what, "expected (items,), top k classes (items, k) or float scores (items, classes)")


def _numbered(columns: dict) -> dict[str, list[str]]:
    """Names of columns such as index_0, index_1, ... by their first."""
    found = {}
    for name in columns:
        if match := re.fullmatch(r"(\w+?)_(\d+)", _folded(name)):
            found.setdefault(match[1], {})[int(match[2])] = name
    return {
        f"{stem}_0": [by[i] for i in range(len(by))] for stem, by in found.items() if sorted(by) == [*range(len(by))]
    }


def _is_timm_by_label(folded: set, found: dict) -> bool:
    """In timm's results `label` is the answer in words; there is an output beside it and no other answer."""
    outputs = {"prob", "logit", "prob_0", "logit_0"} & folded
    return "item_id" in found and bool(outputs) and bool({"label", "label_0"} & folded)


def _as_timm(columns: dict, numbered: dict, found: dict, used: dict, where: str) -> None:
    """`index` (or index_0, index_1, ..) is the answer; without it `label`, which is the answer in words."""
    by_name = {_folded(name): name for name in columns}
    for stem in ("index", "label"):
        if f"{stem}_0" in numbered:
            found["topk"] = np.stack([_class_column(columns[n], stem, where) for n in numbered[f"{stem}_0"]], axis=1)
            used["topk"] = f"{stem}_0, ..."
            break
        if stem in by_name:
            found["topk"], used["topk"] = columns[by_name[stem]], by_name[stem]
            break
    for name in ("label", "scores"):  # what `label` and `output` mean elsewhere, they do not mean here
        if used.get(name) and _folded(used[name]) in ("label", "prob", "logit"):
            found.pop(name), used.pop(name)
    output = next((name for name in ("prob", "prob_0") if name in by_name), None)
    if output:
        found["confidence"], used["confidence"] = columns[by_name[output]], by_name[output]


# ---- Values ----------------------------------------------------------------------------------------------------------


def _class_column(values, what: str, where: str) -> np.ndarray:
    """Classes as int64 or as text; InputError where one is missing, a fraction, or too large to be one."""
    values = np.asarray(values)
    if values.ndim != 1:
        raise InputError("shape", f"{where}: {what} has shape {values.shape}", "one class an item")
    if values.dtype.kind in "iu":
        _none_too_large(values > np.iinfo(np.int64).max, what, where)
        return values.astype(np.int64)
    if values.dtype.kind == "f" or (values.dtype == object and all(isinstance(v, float) for v in values)):
        number = values.astype(float)
        _none_missing(~np.isfinite(number), what, where)
        if (number != np.round(number)).any():
            hint = "give classes, or scores of shape (items, classes)"
            raise InputError("dtype", f"{where}: {what} holds fractions", hint)
        _none_too_large(np.abs(number) > 2**53, what, where)
        return number.astype(np.int64)
    if values.dtype.kind == "b":
        return values.astype(np.int64)
    _none_missing(np.array([_is_missing(v) for v in values]), what, where)
    text = _text(values)
    if all(re.fullmatch(r"-?\d{1,18}(\.0+)?", one) for one in set(text)):
        return np.array([int(one.split(".")[0]) for one in text], dtype=np.int64)
    return text


def _is_missing(value) -> bool:
    if isinstance(value, list | tuple | dict | np.ndarray):
        return False
    return value is None or value is pd.NA or value != value or not str(value).strip()


def _none_too_large(bad: np.ndarray, what: str, where: str) -> None:
    if bad.any():
        fault = f"{where}: {what} in row {int(bad.argmax()) + 1} is too large for a number of a class"
        raise InputError("index", fault, "number classes from 0")


def _none_missing(missing: np.ndarray, what: str, where: str) -> None:
    if missing.any():
        row = int(missing.argmax()) + 1
        raise InputError(
            "missing",
            f"{where}: no {what} in {int(missing.sum())} of {len(missing)} rows (first: row {row})",
            "fill them",
        )


def _lists(values, what: str) -> np.ndarray:
    """Several classes an item, best first: (items, k); from lists, arrays, or text such as "[1 2 3]" or "1 2 3"."""
    values = np.asarray(values)
    if values.ndim == 2 and values.shape[1]:
        return _class_column(values.reshape(-1), "class", what).reshape(values.shape)
    parsed = [_split(v) if isinstance(v, str) else list(v) if isinstance(v, list | np.ndarray) else [v] for v in values]
    length = {len(row) for row in parsed}
    if len(length) != 1 or length == {0}:
        raise InputError("shape", f"{what} has {some(sorted(length))} classes in different rows", "as many in each")
    flat = np.array([one for row in parsed for one in row], dtype=object)
    return _class_column(flat, "class", what).reshape(len(parsed), -1)


def _split(text: str) -> list[str]:
    text = text.strip()
    if re.fullmatch(r"\[?[\d\s,\-]*\]?", text):
        return re.findall(r"-?\d+", text)
    if not text.startswith("["):
        return [text]  # one name, which may hold commas
    return [a or b for a, b in re.findall(r"'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\"", text)]


def _from_scores(scores: np.ndarray, where: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[str]]:
    """Answer, confidence and five best from scores (items, classes); softmax where they are not probabilities."""
    if scores.dtype.kind != "f" or scores.shape[1] < 2:
        raise InputError(
            "shape", f"{where}: scores are {scores.dtype} of shape {scores.shape}", "floats, 2 or more classes"
        )
    k, best, summed = min(5, scores.shape[1]), [], True
    highest, softmax = np.empty((2, len(scores)))
    for start in range(0, len(scores), 4096):  # bounds the memory
        part = scores[start : start + 4096].astype(np.float64)
        finite = np.isfinite(part).all(axis=1)
        if not finite.all():
            what = f"{where}: a score in row {start + int(finite.argmin()) + 1} is not a number"
            raise InputError("scores", what, "find out why the model gives NaN")
        few = np.argpartition(-part, k - 1, axis=1)[:, :k]
        order = np.argsort(-np.take_along_axis(part, few, axis=1), axis=1, kind="stable")
        few = np.take_along_axis(few, order, axis=1)
        best.append(few)
        few[:, 0] = part.argmax(axis=1)  # of equal scores the lowest class
        top = part.max(axis=1)
        highest[start : start + 4096], softmax[start : start + 4096] = top, 1 / np.exp(part - top[:, None]).sum(axis=1)
        summed &= bool((part >= 0).all() and np.abs(part.sum(axis=1) - 1).max() < 1e-3)
    confidence = highest if summed else softmax
    topk = np.concatenate(best).astype(np.int64)
    notes = [] if summed else ["Scores are not probabilities: the confidence is the highest value of their softmax."]
    return topk[:, 0], np.clip(confidence, 0, 1), topk, notes


def _confidence(values, where: str) -> tuple[np.ndarray | None, list[str]]:
    values = np.asarray(values)
    if values.ndim == 1 and values.dtype == object:
        first = [_first(v) for v in values]
        try:
            values = np.array([np.nan if v is None or v == "" else float(v) for v in first])
        except (TypeError, ValueError):
            raise InputError("confidence", f"{where}: confidence holds text", "give numbers from 0 to 1") from None
    elif values.ndim == 2:
        values = values[:, 0]
    values = values.astype(np.float64)
    missing = np.isnan(values)
    if missing.all():
        return None, ["The column of confidences is empty: no calibration."]
    if missing.any():
        row = int(missing.argmax()) + 1
        what = f"{where}: confidence missing or NaN in {int(missing.sum())} of {len(missing)} rows (first: row {row})"
        raise InputError("confidence", what, "find out why, or leave the column out")
    bad = (values < 0) | (values > 1)
    if bad.any():
        per_cent = values.min() >= 0 and 1 < values.max() <= 100
        looks = "looks like per cent: divide by 100" if per_cent else "looks like scores: give probabilities"
        row = int(bad.argmax()) + 1
        what = f"{where}: confidence outside 0 to 1 in {int(bad.sum())} of {len(bad)} rows (first: row {row})"
        raise InputError("confidence", what, f"{looks}, or leave the column out")
    return values, []


def _first(value):
    """The first of several confidences, best first, as lists or as NumPy prints them."""
    if isinstance(value, str) and value.strip().startswith("["):
        return next(iter(re.split(r"[\s,]+", value.strip().strip("[]").strip())), None)
    return (value[0] if len(value) else None) if isinstance(value, list | tuple | np.ndarray) else value


def _ids(values, where: str) -> np.ndarray:
    if values.dtype.kind == "f":
        raise InputError("items", f"{where}: item ids are fractions", "give ids as text or whole numbers")
    text = _text(values)
    _none_missing(np.array([_is_missing(v) for v in values]), "item id", where)
    return text


def _text(values) -> np.ndarray | None:
    if values is None:
        return None
    return np.array(["" if _is_missing(value) else str(value).strip() for value in values], dtype=object)
