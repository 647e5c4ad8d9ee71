"""ImageNet val as the Parquet shards of a Hugging Face data set: `image` (bytes, path) and `label`, 0 to 999.

The shards are read as they are: the library `datasets` would decode and write a copy of 6 GB. Through the hub they are
fetched once into its own cache (`imagenet-1k` is gated: accept its terms there and run `hf auth login`).
"""

import re
from pathlib import Path

import numpy as np

from ..errors import InputError, NetworkError
from . import folders
from .found import Found, build
from .itemsets import SHARDS
from .places import is_shard, val_id

HUB = {"imagenet-1k": "ILSVRC/imagenet-1k"}


def survey(place: Path) -> Found:
    """The items of all validation shards in a folder."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    found, refs = folders.Survey(), []
    names = sorted(path.name for path in place.iterdir() if is_shard(path.name))
    total = {int(match[1]) for name in names if (match := re.search(r"-of-(\d+)", name))}
    if total and total != {len(names)}:
        found.missing.append(("", f"{len(names)} of {max(total)} shards"))
    for name in names:
        try:
            rows = pq.ParquetFile(place / name).read(columns=["image.path", "label"])
            labels = rows.column("label").to_numpy().astype(np.int64)
            names_in = [row["path"] for row in rows.column("image").to_pylist()]
        except (pa.ArrowException, KeyError, ValueError, TypeError, OSError):
            found.wrong.append((name, "not a whole Parquet file with image (bytes, path) and label"))
            continue
        if len(labels) and not (labels.min() >= 0 and labels.max() < 1000):
            found.wrong.append((name, "labels outside 0 to 999: the hidden ones of a test set?"))
            continue
        found.rows += [(text or "", label) for text, label in zip(names_in, labels.tolist(), strict=True)]
        refs += [(name, row) for row in range(len(labels))]
    return build("imagenet-val", place, found, val_id, form=SHARDS, refs=refs)


def fetch(name: str) -> Path:
    """The folder in the hub's cache with the validation shards of "hf:imagenet-1k" or "hf:owner/name".

    Raises
    ------
    InputError : huggingface_hub is not installed, or there are no such shards; NetworkError : not to be had.
    """
    repository = HUB.get(name.removeprefix("hf:"), name.removeprefix("hf:"))
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repository):
        raise InputError("images", f"{name[:60]!r}: no name of a data set", "as hf:imagenet-1k or hf:owner/name")
    try:
        from huggingface_hub import snapshot_download
    except ImportError:
        raise InputError("images", f"{name}: needs huggingface_hub", "install the inference packages") from None
    try:
        folder = snapshot_download(repository, repo_type="dataset", allow_patterns=["*val*.parquet"])
    except Exception as fault:  # of requests, httpx or the hub itself, by version
        what = type(fault).__name__
        remedy = 'accept its terms on the hub, run "hf auth login", or download the shards and name their folder'
        raise NetworkError("hub", f"{name}: {what}", remedy) from fault
    places = sorted({path.parent for path in Path(folder).rglob("*.parquet") if is_shard(path.name)})
    if len(places) != 1:
        what = f"{name}: {len(places)} folders of validation shards, expected one"
        raise InputError("images", what, "name the folder of the shards instead")
    return places[0]
