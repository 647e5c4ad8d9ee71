"""Accuracies that others printed, to hold ours against: huggingface/pytorch-image-models (Apache-2.0) and
modestyachts/imagenet-testbed (MIT).

timm's result tables have a row for a model *and* an image size (290 names occur more than once), so a figure is asked
for as `name@size`. The testbed's `-format-val` columns are V2 re-encoded and differ by up to 0.55 points: not used.
Published figures of networks that neither has (Cadene, torchvision, TF-slim) stand in `models.csv` beside this file.
"""

from functools import cache

from ..errors import IntegrityError
from . import check, fetch

TIMM = "huggingface+pytorch-image-models/results"
TESTBED = "modestyachts+imagenet-testbed/robustness_top1s.csv"
TESTBED_COLUMNS = {
    "imagenet-val": "val",
    "imagenetv2-matched-frequency": "imagenetv2-matched-frequency",
    "imagenetv2-threshold-0.7": "imagenetv2-threshold0.7",
    "imagenetv2-top-images": "imagenetv2-topimages",
}


def timm(key: str, *, labels: str = "original") -> dict[str, float]:
    """Top-1 and top-5 (per cent) that timm prints for `name@size`; labels "original" or "real"."""
    found = _timm("results-imagenet.csv" if labels == "original" else "results-imagenet-real.csv").get(key)
    if found is None:
        raise IntegrityError("published", f"{key}: not in timm's results ({labels})")
    return found


def testbed(network: str) -> dict[str, float]:
    """Top-1 (per cent) of the testbed on ImageNet val and the V2 sets, by data set; empty if it has no such network."""
    return _testbed().get(network, {})


@cache
def _timm(file: str) -> dict[str, dict[str, float]]:
    return {
        f"{row['model']}@{row['img_size']}": {"top1": float(row["top1"]), "top5": float(row["top5"])}
        for row in _table(f"{TIMM}/{file}")
    }


@cache
def _testbed() -> dict[str, dict[str, float]]:
    return {
        row["model"]: {dataset: float(row[column]) for dataset, column in TESTBED_COLUMNS.items() if row[column]}
        for row in _table(TESTBED)
    }


def _table(name: str) -> list[dict[str, str]]:
    header, *rows = check.read_rows(fetch.locate(name), where=name)
    return [dict(zip(header, row, strict=True)) for row in rows]
