"""Predictions of this project's own runs into `data/predictions/`, from where `analysis tables` derives the rest.

For whoever keeps the shipped tables; what a user predicts goes into `data/own/` (`own`).
"""

from collections.abc import Collection, Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from . import own, paths, tables
from .errors import UsageError, some


def ship(family: str, entries: Iterable, made: dict, *, without_confidence: Collection[str] = ()) -> Path:
    """Write entries of `store` to `data/predictions/<family>.parquet`, sorted; gives the path.

    Parameters
    ----------
    family : of `tables.FAMILIES`; every entry's data set must belong to it
    made : how: `command`, `seconds`; no date, so that the same predictions are the same bytes
    without_confidence : data sets whose confidences are left out, to save space; ids, or an id before its first "/"

    Raises
    ------
    UsageError : no entries, a data set of another family, or two entries of one data set and model.
    """
    frames, seen = [], set()
    for entry in entries:
        pair = dataset, model = own.identity(entry)
        if tables.family(dataset) != family:
            raise UsageError("ship", f"{dataset}: belongs to {tables.family(dataset)}, not to {family}")
        if pair in seen:
            raise UsageError("ship", f"{model} on {dataset}: two entries", "give one of them")
        seen.add(pair)
        frame = own.frame(entry)
        if {dataset, dataset.split("/")[0]} & set(without_confidence):
            frame["confidence"] = np.float32("nan")
        frames.append(frame)
    if not frames:
        raise UsageError("ship", f"{family}: no entries")
    if unknown := set(made) - {"command", "seconds"}:
        raise UsageError("ship", f"made holds {some(sorted(unknown))}", "give command and seconds alone")
    path = paths.data() / "predictions" / f"{family}.parquet"
    tables.write_predictions(pd.concat(frames, ignore_index=True), path, made=made)
    return path
