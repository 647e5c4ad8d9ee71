"""Table 5: how far class accuracies move between training runs, beside what moves without any class moving.

Text runs share their test items; CIFAR seeds do too, CIFAR splits have a test set each. Only the text runs have answers
to single items, so only they have the null of items that flip, and components.
"""

import numpy as np
import pandas as pd

from .. import tables
from ..measure import accuracy, instability
from .text import REPRESENTATIONS, RUNS, Corpus, model_id

# Published accuracies of image classes: data set label, setting, network, model ids with the data set of each.
IMAGE_RUNS = (
    ("CIFAR-10", "seeds", "ResNet-152", [("cifar10", f"paper/resnet152-seed-{i}") for i in range(3)]),
    ("CIFAR-10", "splits", "ResNet-152", [(f"cifar10-split-{i}", f"paper/resnet152-split-{i}") for i in (1, 2, 3)]),
    ("CIFAR-100", "seeds", "MobileNetV2", [("cifar100", f"paper/mobilenetv2-seed-{i}") for i in (1, 3, 4)]),
    (
        "CIFAR-100",
        "splits",
        "MobileNetV2",
        [(f"cifar100-split-{i}", f"paper/mobilenetv2-split-{i}") for i in (1, 2, 3)],
    ),
)


def text_ranges(found: Corpus, *, rng, simulations: int = 400) -> pd.DataFrame:
    """Ranges over ten runs of one corpus, by recall and as coded (precision), with both nulls.

    `as coded` has no row where a class is never predicted in some run: the published script cannot form its table
    there. The nulls are those of recall.
    """
    rows, total = [], len(found.names)
    for label, right, (k, predicted) in zip(found.labels, found.right, _counts(found), strict=True):
        flip = instability.flip_null_range(right, found.class_id, total, rng=rng, B=simulations)
        fresh = instability.fresh_item_null(k, found.n, rng=rng, B=simulations)
        null = {"flip_mean": flip.mean.mean, "flip_max95": flip.max.high}
        null |= {"fresh_mean": fresh.mean.mean, "fresh_max95": fresh.max.high}
        head = {"dataset": found.name, "model": label, "setting": "runs", "runs": RUNS}
        found_ranges = instability.class_ranges(k, found.n)
        rows.append(_row(head, "recall", found_ranges) | null)
        if (predicted > 0).all():
            coded = instability.class_ranges(accuracy.precision(correct=k, predicted=predicted))
            coded = coded._replace(overall=found_ranges.overall)
            rows.append(_row(head, "as coded", coded) | dict.fromkeys(null, np.nan))
    return pd.DataFrame(rows)


def image_ranges(*, rng, simulations: int = 400) -> pd.DataFrame:
    """Ranges over three seeds and three splits of the CIFAR networks, with the null of fresh items.

    Test counts of some splits cannot be recovered from the published fractions; the null then takes equal classes.
    """
    rows = []
    for dataset, setting, network, runs in IMAGE_RUNS:
        parts = [tables.read_counts(dataset=name, models=[model]).sort_values("class_id") for name, model in runs]
        values = np.stack([part["accuracy"].to_numpy() for part in parts])
        n = np.stack([part["n"].to_numpy(dtype=float) for part in parts])
        n = np.where(np.isnan(n), 10_000 / values.shape[1], n).astype(np.int64)
        fresh = instability.fresh_item_null(values, n, rng=rng, B=simulations)
        head = {"dataset": dataset, "model": network, "setting": setting, "runs": len(runs)}
        row = _row(head, "recall", instability.class_ranges(values)) | {"flip_mean": np.nan, "flip_max95": np.nan}
        row |= {"fresh_mean": fresh.mean.mean, "fresh_max95": fresh.max.high}
        rows.append(row | {"fresh_low": fresh.mean.low, "fresh_high": fresh.mean.high})
    return pd.DataFrame(rows)


def components(found: Corpus, *, rng, draws: int = 1000) -> pd.DataFrame:
    """Where the variance of a class accuracy lies: between runs or between items; one row a representation.

    `share_low`, `share_high` are the 95 % interval of `share`: classes drawn (G), the ten runs as they are.
    """
    rows = []
    (stream,) = rng.spawn(1)  # a stream of its own: no number that the caller draws later depends on this one
    for label, right in zip(found.labels, found.right, strict=True):
        parts = instability.run_components(right, found.class_id, len(found.names))
        spread = instability.run_spread(parts, found.n)
        moved = instability.shift_test(right, found.class_id, len(found.names)).adjusted < 0.05
        row = {"dataset": found.name, "model": label, "run_sd": spread.run, "item_sd": spread.item}
        share = instability.run_share_interval(parts, found.n, rng=stream, draws=draws)
        row |= {"share": share.mean, "share_low": share.low, "share_high": share.high}
        row |= {"coherent": instability.coherent_share(parts, found.n), "classes_moved": int(moved.sum())}
        rows.append(row | {"runs_needed": instability.runs_needed(parts, found.n)})
    return pd.DataFrame(rows)


def never_predicted(found: Corpus, *, rng, simulations: int = 400) -> pd.DataFrame:
    """Classes that some run never predicts: in how many runs, and lowest, median and highest accuracy over the runs.

    `lowest_flip`, `highest_flip`: what the lowest and the highest of as many runs would be on average if each item were
    right in each run with its own rate, independently. `highest_low`, `highest_high`: Wilson's interval of the highest
    run for fresh items, not corrected for its having come out highest.
    """
    columns = ["dataset", "model", "class", "items", "runs", "lowest", "lowest_flip", "median"]
    columns += ["highest", "highest_low", "highest_high", "highest_flip"]
    rows = []
    for label, right, (k, predicted) in zip(found.labels, found.right, _counts(found), strict=True):
        for class_id in np.flatnonzero((predicted == 0).any(axis=0)):
            items, most = int(found.n[class_id]), int(k[:, class_id].max())
            values = k[:, class_id] / items
            rates = right[:, found.class_id == class_id].mean(axis=0)
            flips = (rng.random((simulations, len(right), items)) < rates).mean(axis=-1)
            low, high = map(float, accuracy.wilson(most, items))
            row = {"dataset": found.name, "model": label, "class": found.names[class_id], "items": items}
            row |= {"runs": int((predicted[:, class_id] == 0).sum()), "median": np.median(values)}
            row |= {"lowest": values.min(), "lowest_flip": flips.min(axis=1).mean(), "highest": values.max()}
            rows.append(row | {"highest_low": low, "highest_high": high, "highest_flip": flips.max(axis=1).mean()})
    return pd.DataFrame(rows, columns=columns)


def runs_matter(found: Corpus) -> pd.DataFrame:
    """Mean class range over all subsets of 2 to 10 runs: a range grows with the number of runs."""
    rows = []
    for label, (k, _) in zip(found.labels, _counts(found), strict=True):
        for size in range(2, RUNS + 1):
            mean = instability.subset_ranges(k, found.n, size=size).mean
            rows.append({"dataset": found.name, "model": label, "runs": size, "mean_range": float(mean)})
    return pd.DataFrame(rows)


def _counts(found: Corpus) -> list[tuple[np.ndarray, np.ndarray]]:
    """Right answers and answers of every class, (runs, classes) each, for every representation."""
    pairs = []
    for representation in REPRESENTATIONS:
        wanted = [model_id(representation, run) for run in range(RUNS)]
        rows = tables.read_counts(dataset=found.name, models=wanted)
        wide = rows.pivot(index="model", columns="class_id", values=["correct", "predicted"]).loc[wanted]
        pairs.append((wide["correct"].to_numpy(dtype=np.int64), wide["predicted"].to_numpy(dtype=np.int64)))
    return pairs


def _row(head: dict, reading: str, ranges: instability.Ranges) -> dict:
    values = {
        "overall_range": ranges.overall,
        "class_mean": ranges.mean,
        "class_max": ranges.max,
        "class_min": ranges.min,
    }
    return head | {"reading": reading} | {name: float(value) for name, value in values.items()}
