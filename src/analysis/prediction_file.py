"""One prediction table as one file: Parquet that says whose it is and whether it is whole.

The metadata hold the key of the recipe and the sha256 of all other bytes of the file. That is compared before anything
is parsed: page checksums do not cover the footer, where a flipped bit can make the reader hang. Then columns, types
and values are checked as if a stranger had written them. The same table gives the same bytes.

The list column `top5` costs no more to read than five columns or a fixed-size list would (measured: 50,000 rows of all
columns in 5-7 ms each way), so it is the plain one that other readers of Parquet know.
"""

import hashlib
import json
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from . import seal
from .errors import InputError

VERSION = 1
COLUMNS = {
    "item_id": pa.string(),
    "label": pa.int32(),
    "pred": pa.int32(),
    "confidence": pa.float32(),
    "label_rank": pa.int32(),
    "top5": pa.list_(pa.int32()),
}
# Of the stored forms the smallest at equal reading time; statistics would repeat ids in the footer.
_WRITING = {
    "compression": "zstd",
    "write_page_checksum": True,
    "write_statistics": False,
    "store_schema": False,
    "use_dictionary": False,
    "column_encoding": {"item_id": "DELTA_BYTE_ARRAY", "confidence": "BYTE_STREAM_SPLIT"},
}


@dataclass(frozen=True, eq=False)
class Table:
    """Predictions of one model on one data set, an item a row.

    `item_id` text, unique; `label` int32 class id, -1: belongs to no class; `pred` int32 class id, -1: no answer;
    `confidence` float32, probability of `pred`, NaN: unknown; `label_rank` int32, 0: the label is the best answer,
    -1: unknown or no label; `top5` int32 (items, k <= 5), best first, or None.
    """

    item_id: np.ndarray
    label: np.ndarray
    pred: np.ndarray
    confidence: np.ndarray
    label_rank: np.ndarray
    top5: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.item_id)

    def take(self, rows) -> "Table":
        """Some of the rows, in the order asked for."""
        columns = {name: getattr(self, name) for name in COLUMNS}
        return Table(**{name: None if values is None else values[rows] for name, values in columns.items()})


class Damaged(Exception):
    """A stored file is not what was written."""


def checked(table: Table) -> Table:
    """The table with the declared types; InputError, without any value of the table, where it breaks a rule."""
    try:
        return _normalised(table)
    except (ValueError, pa.ArrowException) as fault:
        # Libraries put values into what they say, as of half a surrogate pair in an id.
        why = fault if type(fault) is ValueError else "an item_id is no text that can be written"
        raise InputError("predictions", f"a table cannot be stored: {why}", "see analysis.store.Table") from None


def _normalised(table: Table) -> Table:
    item_id = np.asarray(table.item_id)
    if item_id.ndim != 1:
        raise ValueError("item_id is not a column of text")
    item_id = item_id.astype(object)
    if not set(map(type, item_id)) <= {str, np.str_}:
        raise ValueError("an item_id is not text")
    columns = {}
    for name in ("label", "pred", "label_rank", *(["top5"] if table.top5 is not None else [])):
        values = np.asarray(getattr(table, name))
        if values.dtype.kind not in "iu" or values.ndim != (2 if name == "top5" else 1) or len(values) != len(item_id):
            raise ValueError(f"{name} is not an array of integers, one row an item")
        if values.size and (values.min() < -1 or values.max() > np.iinfo(np.int32).max):
            raise ValueError(f"{name} is below -1 or too large")
        columns[name] = np.ascontiguousarray(values, dtype=np.int32)
    if "top5" in columns and not 1 <= columns["top5"].shape[1] <= 5:
        raise ValueError("top5 has not 1 to 5 columns")
    confidence = np.asarray(table.confidence)
    if confidence.dtype.kind != "f" or confidence.shape != item_id.shape:
        raise ValueError("confidence is not an array of floats, one an item")
    columns["confidence"] = np.ascontiguousarray(confidence, dtype=np.float32)
    _check_values(pa.array(item_id, pa.string()), columns)
    return Table(item_id=item_id, top5=columns.pop("top5", None), **columns)


def _check_values(item_id: pa.Array, columns: dict) -> None:
    """What holds of every table, read or to be written."""
    ids = item_id
    # Ids mostly come sorted; the quick question first.
    if len(ids) > 1 and not pc.all(pc.less(ids[:-1], ids[1:])).as_py() and pc.count_distinct(ids).as_py() != len(ids):
        raise ValueError("an item_id occurs twice")
    if len(ids) and pc.min(pc.binary_length(ids)).as_py() == 0:
        raise ValueError("an item_id is empty")
    for name in ("label", "pred", "label_rank"):
        if len(ids) and columns[name].min() < -1:
            raise ValueError(f"{name} is below -1")
    if ((columns["label"] < 0) & (columns["label_rank"] >= 0)).any():
        raise ValueError("label_rank is given for an item without a label")
    confidence = columns["confidence"]
    if not (np.isnan(confidence) | ((confidence >= 0) & (confidence <= 1))).all():
        raise ValueError("confidence lies outside 0..1")


def encode(table: Table, about: dict) -> bytes:
    """The Parquet file of a checked table, with `about` and the sha256 of all other bytes in its metadata."""
    columns = {name: getattr(table, name) for name in COLUMNS if name != "top5" or table.top5 is not None}
    if table.top5 is not None:
        ends = np.arange(len(table) + 1, dtype=np.int32) * table.top5.shape[1]
        columns["top5"] = pa.ListArray.from_arrays(pa.array(ends), pa.array(table.top5.reshape(-1)))
    arrow = pa.table(columns, schema=pa.schema([(name, COLUMNS[name]) for name in columns]))
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(sink, arrow.schema, **_WRITING) as writer:
        writer.write_table(arrow)
        meta = canonical({"store": VERSION, **about}).decode()
        writer.add_key_value_metadata({"analysis": meta, seal.NAME: seal.BLANK.decode()})
    return seal.stamped(sink.getvalue().to_pybytes())


def decode(content: bytes, name: str, block: str | None) -> tuple[Table, dict]:
    """The table of a Parquet file that must be of this key and block, and its metadata; Damaged otherwise."""
    whole = seal.holds(content)
    if not whole:
        raise Damaged(
            "not a table of this store, or cut short" if whole is None else "its sha256 is not the one inside"
        )
    try:
        file = pq.ParquetFile(pa.BufferReader(content), page_checksum_verification=True)
        meta = json.loads(file.metadata.metadata[b"analysis"])
        if (meta["key"], meta.get("block")) != (name, block):
            raise Damaged("holds the predictions of another recipe")
        found, declared = [(each.name, each.type) for each in file.schema_arrow], list(COLUMNS.items())
        if found not in (declared, declared[:-1]):  # top5 is the last, and may be absent
            raise Damaged("its columns are not those of a prediction table")
        arrow = file.read(use_threads=False)
        return _from_arrow(arrow), meta
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError, MemoryError) as fault:
        raise Damaged(f"not a table of this store ({type(fault).__name__})") from None


def _from_arrow(arrow: pa.Table) -> Table:
    flat = {name: arrow[name].combine_chunks() for name in arrow.column_names}
    if any(column.null_count for column in flat.values()):
        raise ValueError("nulls")
    top5 = None
    if "top5" in flat:
        lists = flat.pop("top5")
        width = len(lists.flatten()) // len(lists) if len(lists) else 5
        if not 1 <= width <= 5 or pc.all(pc.equal(pc.list_value_length(lists), width)).as_py() not in (True, None):
            raise ValueError("rows of top5 differ in length")
        top5 = lists.flatten().to_numpy().reshape(len(lists), width)
        if top5.size and top5.min() < -1:
            raise ValueError("top5 is below -1")
    item_id = flat.pop("item_id")
    columns = {name: column.to_numpy() for name, column in flat.items()}
    _check_values(item_id, columns)
    return Table(item_id=item_id.to_numpy(zero_copy_only=False), top5=top5, **columns)


def canonical(value) -> bytes:
    """JSON with one spelling for one value. Raises TypeError or ValueError for what JSON cannot hold, NaN too."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def fingerprint(content: bytes) -> dict:
    """What a record holds of a file beside it: sha256 and length."""
    return {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
