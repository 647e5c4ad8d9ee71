"""A user's own corpus: two CSV files, or what Hugging Face `datasets` can read.

- `csv:<train.csv>,<test.csv>`: UTF-8, a header, columns of text and label found by name; `item_id` in the test file is
  taken if it is there. "NA", "null" and "07" stay text; only "\\n" and quotes shape a table.
- `hf:<hub id or local folder>[@<configuration>][#<train split>,<test split>]`: a folder is read without the network.

Classes are the labels of the training set, in the order of their names; labels that are all integers, in the order of
their values; a ClassLabel column has its own order. A label of the test set that was not trained is refused unless it
is the one declared as out of scope. Needs `datasets` for `hf:` alone.
"""

import contextlib
import csv
import re
from pathlib import Path

from ..errors import InputError, NetworkError, UsageError, some
from ..sources import check
from .corpus_known import codes

TEXT = ("text", "sentence", "utterance", "query", "content")
LABEL = ("label", "intent", "category", "class", "target", "labels", "label_text")
LONGEST_FIELD = 1 << 30  # the csv module's own limit is 131,072 characters; long texts are cut later, and counted


def read(name: str, *, text: str | None, label: str | None, out_of_scope: str | None) -> dict:
    """What `corpora.make` needs for `csv:..` or `hf:..`."""
    kind, _, rest = name.partition(":")
    return {"csv": _csv, "hf": _hf}[kind](rest, text, label, out_of_scope)


def _csv(rest: str, text: str | None, label: str | None, out_of_scope: str | None) -> dict:
    paths = [Path(one.strip()).expanduser() for one in rest.split(",")]
    if len(paths) != 2 or not all(one.name for one in paths):
        raise UsageError("corpus", "csv: takes two files", "csv:TRAIN.csv,TEST.csv")
    (trained, _), (asked, ids) = (_table(path, text, label) for path in paths)
    folder = paths[1].resolve().parent.name
    return _parts(f"csv:{folder}/{paths[1].stem}", trained, asked, ids, None, out_of_scope, "")


def _table(path: Path, text: str | None, label: str | None) -> tuple[tuple[list, list], list | None]:
    where = path.name
    with _long_fields():
        try:
            header, *rows = check.read_rows(path, where=where, fault=InputError)
        except OSError as fault:
            raise InputError("file", f"{where}: not read ({type(fault).__name__})", "give the path of a file") from None
    text_at, label_at = (
        header.index(_column(header, given, usual, what, where))
        for given, usual, what in ((text, TEXT, "text"), (label, LABEL, "label"))
    )
    ids = [row[header.index("item_id")] for row in rows] if "item_id" in header else None
    return ([row[text_at] for row in rows], [row[label_at] for row in rows]), ids


def _hf(rest: str, text: str | None, label: str | None, out_of_scope: str | None) -> dict:
    rest, _, splits = rest.partition("#")
    place, _, configuration = rest.partition("@")
    wanted = tuple(one.strip() for one in splits.split(",")) if splits else ("train", "test")
    if not place or len(wanted) != 2:
        raise UsageError("corpus", "hf: takes a hub id or a folder, and two splits", "hf:OWNER/NAME#train,test")
    local = Path(place).expanduser()
    shown = local.resolve().name if local.exists() else place
    found = _splits(local, place, configuration or None, shown)
    if absent := [one for one in wanted if one not in found]:
        have = some(sorted(_short(one) for one in found), 5)
        raise InputError("corpus", f"{shown}: no split {some(absent)}", f"there are {have}; name two behind #")
    parts, names = [], None
    for part in wanted:
        rows, where = found[part], f"{shown} ({part})"
        columns = rows.column_names
        text_in = _column(columns, text, TEXT, "text", where)
        label_in = _column(columns, label, LABEL, "label", where)
        names = getattr(rows.features[label_in], "names", None)
        labels = list(rows[label_in])
        if names is not None:
            labels = [None if one is None or one < 0 else names[one] for one in labels]
        parts.append((list(rows[text_in]), labels))
    licence = getattr(found[wanted[0]].info, "license", "") or ""
    return _parts(f"hf:{shown}", *parts, None, names, out_of_scope, licence)


def _splits(local: Path, place: str, configuration: str | None, shown: str) -> dict:
    """Split name -> rows. A folder written by `save_to_disk` or one of data files; a hub id goes to the network."""
    try:
        import datasets
    except ImportError:
        raise UsageError(
            "tier", "hf: needs the package datasets", "install the inference tier: make inference"
        ) from None
    try:
        if (local / "dataset_dict.json").is_file():
            return dict(datasets.load_from_disk(str(local)))
        if (local / "state.json").is_file():
            raise InputError("corpus", f"{shown}: one split only", "save a DatasetDict with train and test")
        return dict(datasets.load_dataset(str(local) if local.exists() else place, configuration))
    except InputError:
        raise
    except (ConnectionError, TimeoutError) as fault:
        what = f"{shown}: not fetched ({type(fault).__name__})"
        raise NetworkError("network", what, "check the connection, or give a folder") from None
    except Exception as fault:  # the library raises what its readers raise; their messages carry content and paths
        remedy = "give a hub id or a folder that datasets.load_dataset reads"
        raise InputError("corpus", f"{shown}: not read by datasets ({type(fault).__name__})", remedy) from fault


def _parts(name, trained, asked, ids, names, out_of_scope, licence) -> dict:
    for part, (_, labels) in (("train", trained), ("test", asked)):
        bad = [row for row, one in enumerate(labels) if one is None or one != one or str(one) == ""]
        if bad:
            what = f"{name} ({part}): {len(bad)} rows have no label (rows {some(bad, 3)})"
            raise InputError("labels", what, "label them or take them out")
    trained, asked = ((texts, [str(one) for one in labels]) for texts, labels in (trained, asked))
    if out_of_scope is not None:
        rows = [row for row, one in enumerate(trained[1]) if one != out_of_scope]
        trained = tuple([column[row] for row in rows] for column in trained)
        names = [one for one in names if one != out_of_scope] if names else None
    classes = names or ordered(set(trained[1]))
    return {
        "name": name,
        "label_space": name,
        "classes": classes,
        "train": (trained[0], codes(trained[1], classes, where=f"{name} (train)", fault=InputError)),
        "test": (
            asked[0],
            codes(asked[1], classes, no_class=out_of_scope, where=f"{name} (test)", fault=InputError),
        ),
        "test_id": ids,
        "licence": licence,
    }


def ordered(labels) -> list[str]:
    """Label names in the order of their class ids: by value if all are integers, else as text.

    >>> ordered({"10", "9", "2"}), ordered({"10", "b", "2"})
    (['2', '9', '10'], ['10', '2', 'b'])
    """
    whole = all(re.fullmatch(r"0|-?[1-9][0-9]{0,17}", one) for one in labels)
    return sorted(labels, key=int) if whole else sorted(labels)


def _column(columns, given: str | None, usual, what: str, where: str) -> str:
    if given is not None:
        if given not in columns:
            raise InputError("table", f"{where}: no column {_short(given)}", f"there are {_shown(columns)}")
        return given
    found = [one for one in usual if one in columns]
    if len(found) != 1:
        what = f"{where}: {'no column' if not found else 'more than one column'} of {what}s by its name"
        raise InputError("table", what, f"name it; there are {_shown(columns)}")
    return found[0]


@contextlib.contextmanager
def _long_fields():
    before = csv.field_size_limit(LONGEST_FIELD)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _short(name: str) -> str:
    return ascii(str(name))[1:-1][:40]


def _shown(columns) -> str:
    return some([_short(one) for one in columns], 6)
