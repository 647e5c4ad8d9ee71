"""Class robustness scores (CRS): the authors' three files, with and without the class that is broken in all of them.

The column that the paper calls accuracy is top-5. Class 134 (the bird called crane) has 0.00 in all three files.
"""

from itertools import combinations

import numpy as np
import pandas as pd

from .. import classes, tables
from ..measure import overlap

BROKEN = 134
NAMES = {"efficientnet-b0": "EfficientNet-B0", "efficientnet-b3": "EfficientNet-B3", "resnet152": "ResNet-152"}
SIZES = (10, 50, 100)


def score_table() -> pd.DataFrame:
    """One row a network and class: CRS, top-5 accuracy, and their correlation with and without class 134."""
    table = tables.read_csv("crs")
    parts = []
    for model, label in NAMES.items():
        part = table[table["model"] == model].sort_values("class_id", kind="stable").assign(label=label)
        flagged = part["class_id"] == BROKEN
        part = part.assign(flagged=flagged, r=part["crs"].corr(part["top5"]))
        parts.append(part.assign(r_without=part.loc[~flagged, "crs"].corr(part.loc[~flagged, "top5"])))
    joined = pd.concat(parts, ignore_index=True)
    joined["name"] = np.array(classes.names("imagenet"))[joined["class_id"]]
    return joined


def overlap_table(table: pd.DataFrame) -> pd.DataFrame:
    """Common classes among the k lowest: CRS of two networks, and CRS against accuracy of one network.

    `fisher` is the p-value as the paper codes it; it takes the two networks' scores as unrelated measurements, though
    both are computed on the same images and boxes.
    """
    crs = {model: part["crs"].to_numpy() for model, part in table.groupby("model")}
    top5 = {model: part["top5"].to_numpy() for model, part in table.groupby("model")}
    total = len(next(iter(crs.values())))
    pairs = [(f"{NAMES[a]} x {NAMES[b]}", "CRS of two networks", crs[a], crs[b]) for a, b in combinations(NAMES, 2)] + [
        (label, "CRS and accuracy of one network", crs[model], top5[model]) for model, label in NAMES.items()
    ]
    rows = []
    for pair, kind, first, second in pairs:
        for k in SIZES:
            members = overlap.weak_membership(np.stack([first, second]), k)
            low, high = overlap.overlap_bounds(first, second, k)
            common = float(overlap.expected_overlap(members)[0, 1])
            row = {"pair": pair, "kind": kind, "k": k, "overlap": common, "least": low, "most": high}
            fisher = overlap.fisher_as_coded(overlap=round(common), n=k, classes=total)
            rows.append(row | {"chance": k * k / total, "fisher": fisher})
    return pd.DataFrame(rows)


def network_correlations(table: pd.DataFrame) -> pd.DataFrame:
    """Correlation of the CRS of each pair of networks over classes, with and without class 134."""
    wide = table.pivot(index="class_id", columns="model", values="crs")
    rows = [
        {
            "pair": f"{NAMES[a]} x {NAMES[b]}",
            "r": wide[a].corr(wide[b]),
            "r_without": wide[a].drop(BROKEN).corr(wide[b].drop(BROKEN)),
        }
        for a, b in combinations(NAMES, 2)
    ]
    return pd.DataFrame(rows)
