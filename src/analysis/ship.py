"""Predictions of this project's own runs into `data/predictions/`, from where `analysis tables` derives the rest.

For whoever keeps the shipped tables; what a user predicts goes into `data/own/` (`own`).
"""

from collections.abc import Collection, Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from . import own, paths, store, tables
from .errors import UsageError, some

LITE0 = "package/efficientnet_lite0"
COMMANDS = {
    "tiny-imagenet": f"make predictions MODELS={LITE0} DATASETS=tiny-imagenet; the same with"
    " DATASETS=tiny-imagenet-c-local ARGS='--per-class 10'",
    "text": "make text",
}


def ship_runs(family: str, *, seconds: float, folder=None) -> Path:
    """Write the runs that are shipped, from the store; `seconds` is what computing them took, all processes together.

    Raises
    ------
    UsageError : no runs of that family are shipped, or some are not in the store; says which.
    """
    if family not in COMMANDS:
        raise UsageError("ship", f"{family}: no runs of it are shipped", f"one of {', '.join(COMMANDS)}")
    have = {own.identity(entry): entry for entry in store.entries(folder=folder)}  # of several the newest
    wanted = list(_tiny() if family == "tiny-imagenet" else _text())
    if absent := [f"{model} on {dataset}" for dataset, model in wanted if (dataset, model) not in have]:
        raise UsageError("ship", f"{some(absent)}: not in the store", f"run {COMMANDS[family]}")
    made = {"command": COMMANDS[family], "seconds": round(seconds)}
    noisy = {dataset for dataset, _ in wanted if family == "text" and "/" in dataset}
    return ship(family, [have[pair] for pair in wanted], made, without_confidence=noisy)


def _tiny():
    from .vision import corruptions

    cases = corruptions.conditions("tiny-imagenet-c-local")
    names = ["tiny-imagenet", *(corruptions.dataset_id("tiny-imagenet-c-local", *case) for case in cases)]
    return ((name + end, LITE0) for name in names for end in ("", "@1000"))


def _text():
    from .text import runs

    return runs.shipped()


def ship(family: str, entries: Iterable, made: dict, *, without_confidence: Collection[str] = ()) -> Path:
    """Write entries of `store` to `data/predictions/<family>.parquet`, sorted; gives the path.

    Parameters
    ----------
    family : of `tables.FAMILIES`; every entry's data set must belong to it
    made : how: `command`, `seconds`; no date, so that the same predictions are the same bytes
    without_confidence : data sets whose confidences are left out, to save space

    Raises
    ------
    UsageError : no entries, a data set of another family, or two entries of one data set and model.
    """
    frames, seen = [], set()
    for entry in entries:
        pair = dataset, model = own.identity(entry)
        if tables.family(dataset) != family:
            raise UsageError("ship", f"{dataset}: belongs to {tables.family(dataset)}, not to {family}", "leave it out")
        if pair in seen:
            raise UsageError("ship", f"{model} on {dataset}: two entries", "give one of them")
        seen.add(pair)
        frame = own.frame(entry)
        if dataset in without_confidence:
            frame["confidence"] = np.float32("nan")
        frames.append(frame)
    if not frames:
        raise UsageError("ship", f"{family}: no entries", "give one or more")
    if unknown := set(made) - {"command", "seconds"}:
        raise UsageError("ship", f"made holds {some(sorted(unknown))}", "give command and seconds alone")
    path = paths.data() / "predictions" / f"{family}.parquet"
    tables.write_predictions(pd.concat(frames, ignore_index=True), path, made=made)
    return path
