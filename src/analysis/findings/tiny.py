"""Tiny-ImageNet under 19 corruptions, one real network: F3 where the corrupted images are the clean ones, corrupted.

Ten images a class were corrupted. The other forty, on which weak classes are chosen and clean accuracy is read, share
no image with them, so no noise is shared and `shifted` applies as it stands: a row of its counts is a condition
(corruption and severity) of the one network. `levels` reads the same ten images on both sides as well, where the shared
noise must be taken off.

The images come from ImageNet's training set as far as is known, so the network has probably seen them: secondary.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from .. import classes, tables
from ..measure import agreement, shift
from ..measure.accuracy import wilson
from ..measure.split import class_counts, class_weights
from . import shifted

MODEL = "package/efficientnet_lite0"
CLEAN, CORRUPTED = "tiny-imagenet", "tiny-imagenet-c-local"
SPACES = {"200 classes": "", "1000 classes": "@1000"}  # among which the answer was looked for
READINGS = (
    "different images, corrected",
    "same images, shared noise off",
    "same images, corrected for reliability only",
    "same images, raw",
)
TEN = 10  # classes a group of the paper's sensitivity figure
FLOOR = 0.10  # conditions under which fewer answers are right tell nothing about single classes: left out of F3


@dataclass(frozen=True)
class Corrupted:
    """Answers of one network: clean images that were not corrupted, and the corrupted ones, clean and under each case.

    `k`, `n` (classes,) count the former; `clean` (images,) and `right` (conditions, images) are answers to the latter,
    of the classes `class_index`. `conditions` is a frame: corruption, severity.
    """

    space: str
    class_id: np.ndarray
    k: np.ndarray
    n: np.ndarray
    class_index: np.ndarray
    clean: np.ndarray
    right: np.ndarray
    conditions: pd.DataFrame


def load(space: str = "200 classes") -> Corrupted:
    """Answers with the prediction looked for among the 200 classes of the set, or among all 1000."""
    suffix = SPACES[space]
    every = tables.correct(CLEAN + suffix, models=[MODEL])
    known = tables.read_csv("datasets")["dataset"]
    pattern = rf"{CORRUPTED}/(?P<corruption>[a-z_]+)/(?P<severity>[1-5]){suffix}"
    conditions = known.str.extract(f"^{pattern}$").dropna().astype({"severity": int}).reset_index(drop=True)
    names = [f"{CORRUPTED}/{row.corruption}/{row.severity}{suffix}" for row in conditions.itertuples()]
    parts = [tables.correct(name, models=[MODEL]) for name in names]
    place = pd.Index(every.item_id).get_indexer(parts[0].item_id)
    apart = np.setdiff1d(np.arange(every.item_id.size), place)
    k, n = class_counts(every.right[:, apart], every.class_index[apart], every.classes.size)
    return Corrupted(
        space=space,
        class_id=every.classes,
        k=k[0],
        n=n,
        class_index=every.class_index[place],
        clean=every.right[0, place],
        right=np.concatenate([_aligned(part, parts[0].item_id) for part in parts]),
        conditions=conditions.assign(corruption=conditions["corruption"].str.replace("_", " ")),
    )


def measure(found: Corrupted, *, rng, draws: int = 400, splits: int = 10) -> list[shifted.Shifted]:
    """`shifted.Shifted` of every severity, then of all conditions together, whose means are over conditions.

    Conditions under which the accuracy is below `FLOOR` are left out, before anything about classes is read.
    """
    suffix = SPACES[found.space]
    severities = found.conditions["severity"].to_numpy()
    total = found.class_id.size
    out = []
    read = found.right.mean(axis=1) >= FLOOR
    for severity in (*np.unique(severities[read]), None):
        rows = np.flatnonzero(read & ((severities == severity) if severity else True))
        about = shifted.Shift(
            title=f"severity {severity}" if severity else "all severities",
            clean=CLEAN + suffix,
            shifted=CORRUPTED + suffix,
            models=MODEL,
            in_claims=severity is None,
            unit="condition",
        )
        ks, ns = class_counts(found.right[rows], found.class_index, total)
        pair = {"kc": np.tile(found.k, (rows.size, 1)), "nc": np.tile(found.n, (rows.size, 1))}
        pair |= {"ks": ks, "ns": np.tile(ns, (rows.size, 1))}
        names = (MODEL,) * rows.size
        out.append(shifted.estimate(about, names, found.class_id, pair, rng=rng, draws=draws, splits=splits))
    return out


def loss_table(spaces: dict[str, list[shifted.Shifted]]) -> pd.DataFrame:
    """`shifted.loss_table` for every label space, named in `models_set`."""
    return pd.concat([shifted.loss_table(found).assign(models_set=space) for space, found in spaces.items()])


def claim_rows(found: list[shifted.Shifted], conditions: int) -> list[dict]:
    """F3L and F3D over all conditions; the reason of F3D holds what single severities give, which differ."""
    rows = shifted.claim_rows(found)
    used = f"{len(found[-1].models)} of {conditions} conditions (accuracy {FLOOR} or more), one network"
    for row in rows:
        parts = [row["reason"], used]
        if row["claim"] == "F3D":
            each = [f"{getattr(one.contrast, row['scale']).mean():+.3f}" for one in found[:-1]]
            parts.append(f"by severity {', '.join(each)}")
        row["reason"] = "; ".join(filter(None, parts))
    return rows


def levels(found: Corrupted) -> pd.DataFrame:
    """Clean-corrupted correlation of class accuracies by severity, mean over corruptions, in four readings.

    On the same images the covariance of two accuracies holds the noise that both share (STATISTICS: the s term):
    `agreement.u_moments` takes it off. A correction for reliability alone leaves it in the numerator and takes the
    noise of each side out of the denominator.
    """
    total, rows = found.class_id.size, []
    read = found.conditions[found.right.mean(axis=1) >= FLOOR]
    for severity, part in read.groupby("severity"):
        right = found.right[part.index]
        ks, ns = class_counts(right, found.class_index, total)
        pair = {"kc": np.tile(found.k, (len(part), 1)), "nc": np.tile(found.n, (len(part), 1))}
        apart = shift.shift_level(**pair, ks=ks, ns=np.tile(ns, (len(part), 1))).corrected
        moments = agreement.u_moments(np.vstack([found.clean, right]), found.class_index, total)
        spread = np.sqrt(np.diag(moments.true))
        with np.errstate(invalid="ignore", divide="ignore"):
            left_in = moments.raw[0, 1:] / (spread[0] * spread[1:])
        values = (apart, agreement.corrected_r(moments)[0, 1:], left_in, agreement.raw_r(moments)[0, 1:])
        rows += [(severity, how, np.nanmean(value)) for how, value in zip(READINGS, values, strict=True)]
    return pd.DataFrame(rows, columns=["severity", "reading", "r"])


def sensitivity(found: Corrupted, *, rng, draws: int = 2000, orders: int = 200) -> pd.DataFrame:
    """The paper's sensitivity figure for this network: share of clean accuracy kept by three groups of ten classes.

    The paper's two groups lie at a tenth and just below the middle of the ranking by clean accuracy; here the same
    places of 200 classes (ranks from 0), and the ten weakest beside them. Groups are chosen on images that were not
    corrupted, ties broken at random in `orders` ways; both accuracies are read on the other images. Mean over
    severities. `low`, `high`: bootstrap of classes, percentiles (95 %; for groups of ten they cover nearer 90 %).
    """
    total = found.class_id.size
    clean = class_counts(found.clean[None], found.class_index, total)[0][0]
    ranked = np.argsort(-(found.k / found.n) + 1e-6 * rng.random((orders, total)), axis=1)
    drawn = class_weights(total, draws=draws, rng=rng)
    rows = []
    first = {"strong": total // 10, "middle": round(0.55 * total), "weakest": total - TEN}
    member = {name: np.bincount(ranked[:, at : at + TEN].ravel(), minlength=total) for name, at in first.items()}
    for corruption, part in found.conditions.groupby("corruption", sort=True):
        kept = class_counts(found.right[part.index], found.class_index, total)[0].mean(axis=0)
        for group, weight in member.items():
            above, below = weight * kept, weight * clean
            kept_draws, base_draws = drawn @ above, drawn @ below  # without any class of the group: no share
            low, high = np.nanquantile(kept_draws / np.where(base_draws > 0, base_draws, np.nan), [0.025, 0.975])
            named = f"{group}: ranks {first[group]}–{first[group] + TEN - 1}"
            rows.append((corruption, named, above.sum() / below.sum(), low, high))
    return pd.DataFrame(rows, columns=["corruption", "group", "kept", "low", "high"])


def weakest(found: Corrupted, many: int = 10) -> pd.DataFrame:
    """The classes weakest on the images that were not corrupted, with clean and corrupted accuracy on the others.

    `chosen on` is read on the images that chose them, so too low; the others are not. Intervals are Wilson's for the
    few images of one class; the mean over the conditions varies less than one of them, so there it is conservative.
    """
    total = found.class_id.size
    clean, n = class_counts(found.clean[None], found.class_index, total)
    k, _ = class_counts(found.right, found.class_index, total)
    order = np.argsort(found.k / found.n, kind="stable")[:many]
    frame = {
        "class": classes.titles("imagenet")[found.class_id[order]],
        "chosen on": found.k[order] / found.n[order],
        "images": n[order],
    }
    for column, right in (("clean", clean[0]), ("corrupted", k.mean(axis=0))):
        low, high = wilson(np.rint(right[order]).astype(int), n[order])
        frame |= {column: right[order] / n[order], f"{column}_low": low, f"{column}_high": high}
    return pd.DataFrame(frame)


def _aligned(part: tables.Correct, item_id: np.ndarray) -> np.ndarray:
    return part.right if (part.item_id == item_id).all() else part.right[:, pd.Index(part.item_id).get_indexer(item_id)]
