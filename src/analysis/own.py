"""What was predicted on this machine, in the tables of `data/own/`: same forms as the shipped ones, ignored by git.

Readers of `tables` and `models` take both, so every notebook and claim sees it. A shipped row is never added to or
taken over.

`add` replaces rows of the same (data set, model) and writes whole files in an order in which every stop between two of
them leaves tables that can be read: names of models and data sets first, then answers to items, then confusions, and
class counts last. What has counts has all the rest; what a kill left half done, the next `add` of the same parts ends.
"""

import os
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from . import files, paths, rows, sources, tables
from . import models as known_models
from .errors import InputError, IntegrityError, ResourceError, UsageError
from .sources import runs

PAIR = ["dataset", "model"]
MODEL = {"family": "", "year": "", "pretraining": "", "published_top1": np.nan, "published_source": "", "flag": ""}


def add(
    parts: Iterable[sources.Predictions | sources.ClassCounts],
    models: Iterable[dict] = (),
    datasets: Iterable[dict] = (),
    *,
    folder=None,
) -> None:
    """Put results into the tables of this machine, in the place of older ones of the same data set and model.

    Parameters
    ----------
    models, datasets : rows of `models.csv` and `datasets.csv`; columns that are left out get a default, rows of shipped
        ids are passed over, and every model and data set of `parts` gets a row
    folder : where to; default `data/own/`

    Items of a shipped data set that a part lacks (unreadable images) are unknown (null) in `correct/`.

    Raises
    ------
    UsageError : a part is among the shipped rows (`shipped` tells before).
    InputError : the items of a known data set are others than its own, or have other labels.
    """
    parts, folder = list(parts), Path(folder) if folder else paths.own()
    for part in parts:
        if shipped(part.dataset, part.model):
            raise UsageError("own", f"{part.model} on {part.dataset}: is among the shipped results", "give another id")
    if not parts:
        return
    gathered = [_gather(part) for part in parts]
    done = {(part.dataset, part.model) for part in parts}
    with _locked(folder):
        counts = _merged(folder, "class_counts", [one.counts_frame() for one in gathered], done).astype(rows.KINDS)
        confusions = _merged(folder, "confusions", [f for one in gathered for f in one.confusions], done)
        correct = list(_correct(folder, gathered, done))
        # From here on only writes, in the order that the module's text states.
        _write_csv(folder, "models", _model_rows(parts, models, counts))
        _write_csv(folder, "datasets", _dataset_rows(gathered, datasets, parts))
        for path, frame in correct:
            tables.write_correct(tables.one_chunk(frame), path)
        tables.write_confusions(tables.one_chunk(confusions), folder / "confusions.parquet")
        tables.write_counts(tables.one_chunk(counts), folder / "class_counts.parquet")
    known_models.forget()


def shipped(dataset: str, model: str) -> bool:
    """Whether the shipped tables hold counts of the model on the data set."""
    return (dataset, model) in _shipped_pairs()


def compare(part: sources.Predictions) -> int:
    """In how many classes a part differs from the shipped counts of its data set and model, by items or right answers.

    Raises
    ------
    UsageError : the shipped tables hold no such counts.
    """
    if not shipped(part.dataset, part.model):
        raise UsageError("own", f"{part.model} on {part.dataset}: not among the shipped results", "see data/models.csv")
    wanted = tables.read_counts(dataset=part.dataset, models=[part.model]).set_index("class_id")[["n", "correct"]]
    found = _gather(part, real=False).counts_frame()
    found = found[found["labels"] == "original"].set_index("class_id")[["n", "correct"]]
    both = found.join(wanted.add_suffix("_shipped"), how="outer").fillna(-1)
    same = (both["n"] == both["n_shipped"]) & (both["correct"] == both["correct_shipped"])
    return int((~same).sum())


def from_store(entry) -> sources.Predictions:
    """A published entry of `store` as the form that becomes rows of tables."""
    dataset, model = identity(entry)
    space = entry.recipe.get("label_space", "")
    classes = entry.about.get("n_classes") or (None if runs.space(dataset) else runs.N_CLASSES.get(space))
    return replace(runs.predictions(dataset, model, frame(entry), classes=classes), space=space)


def identity(entry) -> tuple[str, str]:
    """Ids of the data set and the model of an entry of `store`; `about["model"]` comes before what the recipe gives."""
    recipe = entry.recipe
    if (model := entry.about.get("model")) and isinstance(model, str):
        return recipe["dataset"], model
    if recipe["kind"] == "text":
        return recipe["dataset"], f"text/{recipe['classifier']['id'].removeprefix('text/')}-{recipe['seed']}"
    return recipe["dataset"], recipe["model"]["id"]


def frame(entry) -> pd.DataFrame:
    """The table of an entry of `store` with the columns of `tables.PREDICTIONS`."""
    (dataset, model), table = identity(entry), entry.table()
    rank = np.asarray(table.label_rank)
    return pd.DataFrame(
        {
            "dataset": dataset,
            "model": model,
            "item_id": np.asarray(table.item_id).astype(str).astype(object),
            "label": table.label,
            "pred": table.pred,
            "confidence": np.asarray(table.confidence, dtype=np.float32),
            "label_rank": pd.arrays.IntegerArray(rank.astype(np.int16), mask=rank < 0),
        }
    )


def _gather(part, real: bool = True) -> rows.Rows:
    """Rows of one part alone; `real` by the ReaL labels too, where they are on this machine."""
    found = rows.Rows(_real if real else lambda: None)
    try:
        found.add(part)
    except IntegrityError as fault:
        # What is read here is the user's.
        raise InputError(fault.kind, fault.what, fault.remedy) from None
    return found


@lru_cache(maxsize=1)
def _real() -> rows.Real | None:
    try:
        return rows.published_real()
    except IntegrityError as fault:
        if fault.kind != "missing":
            raise
        print(
            "imagenet-val by the ReaL labels: left out, for their file is not here; make data fetches it",
            file=sys.stderr,
        )
        return None


LONGEST_WAIT = 600.0  # seconds that a writer waits for another


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One writer at a time: two that merge into one file would lose the rows of the first.

    The folder itself is locked: there is no file that somebody could delete, and the system lets go when a writer dies.
    """
    import fcntl

    folder.mkdir(parents=True, exist_ok=True)
    handle, end = os.open(folder, os.O_RDONLY), time.monotonic() + LONGEST_WAIT
    try:
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > end:
                    what = f"{paths.shown(folder)}: another process has been writing it for {LONGEST_WAIT:.0f} s"
                    raise ResourceError("lock", what, "wait for it or end it, then run again") from None
                time.sleep(0.05)
        yield
    finally:
        os.close(handle)


def _read(path: Path, kind: str) -> pd.DataFrame | None:
    """A table of `data/own/`; None where there is none. A damaged one is set aside and made anew from what comes."""
    if not path.exists():
        return None
    try:
        if kind in tables.CSV:
            return tables.read_csv(kind, path)
        frame = tables._plain(tables._read_parquet(path, kind).to_pandas())
        tables._check(frame, kind, path)
        return frame
    except (InputError, IntegrityError) as fault:
        aside = files.set_aside(path)
        print(f"{fault.what}; kept as {aside.name}, run again what else it held", file=sys.stderr)
        return None


def _merged(folder: Path, kind: str, new: list[pd.DataFrame], done: set) -> pd.DataFrame:
    old = _read(folder / f"{kind}.parquet", kind)
    if old is not None:
        old = old[[pair not in done for pair in zip(old["dataset"], old["model"], strict=True)]]
    frames = [one for one in [old, *new] if one is not None and len(one)]
    schema = {"class_counts": tables.COUNTS, "confusions": tables.CONFUSIONS}[kind]
    if not frames:
        return schema.empty_table().to_pandas()
    return pd.concat([one.dropna(axis=1, how="all") for one in frames], ignore_index=True).reindex(columns=schema.names)


def _correct(folder: Path, gathered: list[rows.Rows], done: set) -> Iterator[tuple[Path, pd.DataFrame]]:
    """Every table of `correct/` that the parts change: path and rows."""
    touched = defaultdict(lambda: defaultdict(list))
    for dataset, _ in done:
        for suffix in ("", ".real") if dataset == "imagenet-val" else ("",):
            _ = touched[tables.family(dataset) + suffix][dataset]
    for one in gathered:
        for name, frame in one.correct.frames():
            touched[name][frame["dataset"].iloc[0]].append(frame.drop(columns="dataset").set_index("item_id"))
    for name, of in touched.items():
        path = folder / "correct" / f"{name}.parquet"
        old = _read(path, "correct")
        have = {} if old is None else dict(list(old.groupby("dataset", sort=False)))
        for dataset, new in of.items():
            gone = [model for about, model in done if about == dataset]
            kept = [have.pop(dataset).drop(columns=["dataset", *gone], errors="ignore")] if dataset in have else []
            kept = [one.set_index("item_id").dropna(axis=1, how="all") for one in kept]
            if len(joined := _joined(name, dataset, kept + new)):
                have[dataset] = joined.rename_axis("item_id").reset_index().assign(dataset=dataset)
        if have:
            whole = pd.concat(have.values(), ignore_index=True)
            columns = dict.fromkeys([c for c in whole if c not in tables.CORRECT.names], "boolean")
            yield path, whole.astype(columns | {"class_id": "int16"})


def _joined(name: str, dataset: str, frames: list[pd.DataFrame]) -> pd.DataFrame:
    """Columns of several models side by side; null where an item has no answer. `frames` are indexed by item."""
    frames = [one for one in frames if len(one.columns) > 1]
    if not frames:
        return pd.DataFrame()
    label = _shipped_items(name, dataset)
    if label is None:
        label = pd.concat([one["class_id"] for one in frames])
        label = label[~label.index.duplicated()].sort_index()
    for one in frames:
        known = label.reindex(one.index)
        if known.isna().any():
            raise InputError(
                "items", f"{dataset}: {int(known.isna().sum())} items are none of the shipped ones", _REMOVE
            )
        if (known != one["class_id"]).any():
            count = int((known != one["class_id"]).sum())
            raise InputError("items", f"{dataset}: {count} items have other labels than in the tables", _REMOVE)
    answers = [one.drop(columns="class_id").astype("boolean") for one in frames]
    return pd.concat([label.rename("class_id"), *[one.reindex(label.index) for one in answers]], axis=1)


_REMOVE = "if the data set is another one now, remove data/own and add its results again"


def _shipped_items(name: str, dataset: str) -> pd.Series | None:
    path = paths.data() / "correct" / f"{name}.parquet"
    if not path.exists():
        return None
    found = tables._read_correct(path, dataset)
    return found["class_id"] if len(found) else None


def _model_rows(parts, given: Iterable[dict], counts: pd.DataFrame) -> pd.DataFrame:
    top1, by_id = rows.top1(counts), {row["model"]: row for row in given}
    found = []
    for model in sorted({part.model for part in parts} | set(by_id)):
        row = by_id.get(model) or runs.known_model(model) or {}
        default = {"name": model.split("/", 1)[-1], "source": model.split("/")[0], "is_network": True}
        row = MODEL | default | {"in_claims": row.get("is_network", True)} | row | {"model": model}
        found.append(row | {"top1": top1.get(model, np.nan)})
    return pd.DataFrame(found, columns=list(tables.CSV["models"]))


def _dataset_rows(gathered: list[rows.Rows], given: Iterable[dict], parts) -> pd.DataFrame:
    sizes, per_item = {}, set()
    for one in gathered:
        per_item |= one.per_item()
        for dataset, (items, classes) in one.sizes.items():
            most = sizes.get(dataset, (0, 0))
            sizes[dataset] = max(items, most[0]), max(classes, most[1])
    spaces = {part.dataset: getattr(part, "space", "") for part in parts}
    by_id, found = {row["dataset"]: row for row in given}, []
    for dataset in sorted(sizes | by_id):
        known = runs.facts(dataset) or (
            rows.facts(dataset) if runs.space(dataset) else (spaces.get(dataset, ""), "", "")
        )
        row = dict(zip(("label_space", "shift_of", "note"), known, strict=True)) | {"dataset": dataset}
        row |= dict(zip(("items", "classes"), sizes.get(dataset, (0, 0)), strict=True))
        found.append(row | {"per_item": dataset in per_item} | by_id.get(dataset, {}))
    return pd.DataFrame(found, columns=list(tables.CSV["datasets"]))


def _write_csv(folder: Path, name: str, new: pd.DataFrame) -> None:
    """Own rows: the new ones in the place of older ones of the same id, none of a shipped id."""
    key = tables.KEYS[name][0]
    old, theirs = _read(folder / f"{name}.csv", name), paths.data() / f"{name}.csv"
    frames = [new] if old is None else [old[~old[key].isin(new[key])], new]
    frame = pd.concat([one.astype(object) for one in frames], ignore_index=True)
    known = set(tables.read_csv(name)[key]) if theirs.exists() else set()
    tables.write_csv(frame[~frame[key].isin(known)], name, folder / f"{name}.csv")


def _shipped_pairs() -> set[tuple[str, str]]:
    path = paths.data() / "class_counts.parquet"
    if not path.exists():
        return set()
    status = path.stat()
    return _pairs(path, (status.st_size, status.st_mtime_ns, status.st_ino))


@lru_cache(maxsize=2)
def _pairs(path: Path, stamp: tuple) -> set[tuple[str, str]]:
    about = tables._plain(tables._read_parquet(path, "class_counts", columns=PAIR).to_pandas())
    return set(about.drop_duplicates().itertuples(index=False, name=None))
