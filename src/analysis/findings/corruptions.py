"""CIFAR-10-C, one ResNet-152: which class suffers depends on the corruption. Counts in, tidy tables out.

Only class accuracies were published, so recall is all there is: a class that is answered too often looks strong. The
corrupted images are the clean ones, corrupted: losses here share the images, and ten classes are too few for a verdict.
"""

import numpy as np
import pandas as pd

from .. import classes, paper_rows, tables
from ..measure.accuracy import wilson

MODEL, CLEAN_MODELS = "paper/resnet152", tuple(f"paper/resnet152-seed-{seed}" for seed in range(3))
MEAN = "mean of 19"
GROUPS = ("weakest 3 clean", "rest", "strongest 3 clean")


def class_table() -> pd.DataFrame:
    """One row a corruption, severity and class; severity 0 is the clean test set, mean of the three seeds.

    Which of the seeds the corrupted results belong to is not stated.
    """
    rows = tables.read_counts(models=[MODEL])
    parts = rows["dataset"].str.split("/", expand=True)
    corrupted = pd.DataFrame(
        {
            "corruption": parts[1].str.replace("_", " "),
            "severity": parts[2].astype(int),
            "class_id": rows["class_id"],
            "n": rows["n"].astype(int),
            "correct": rows["correct"].astype(int),
        }
    )
    clean = tables.counts("cifar10", models=CLEAN_MODELS)
    share = clean.correct.sum(axis=0) / clean.n.sum(axis=0)
    zero = pd.DataFrame({"class_id": clean.class_id, "n": clean.n[0], "correct": share * clean.n[0]})
    names = sorted(corrupted["corruption"].unique())
    table = pd.concat([corrupted, *[zero.assign(corruption=name, severity=0) for name in names]], ignore_index=True)
    return _with_intervals(table).sort_values(["corruption", "severity", "class_id"], kind="stable", ignore_index=True)


def curves(table: pd.DataFrame, corruptions) -> pd.DataFrame:
    """Class accuracies over severity: the mean over all corruptions first, then single ones."""
    mean = table.groupby(["severity", "class_id", "name"], as_index=False)["accuracy"].mean()
    mean = mean.assign(corruption=MEAN, low=np.nan, high=np.nan)
    chosen = table[table["corruption"].isin(list(corruptions))]
    columns = ["corruption", "severity", "class_id", "name", "accuracy", "low", "high"]
    return pd.concat([mean[columns], chosen[columns]], ignore_index=True)


def worst_by_corruption(table: pd.DataFrame, severity: int = 5) -> pd.DataFrame:
    """Accuracy of every class under every corruption at one severity, with the rank of the class (1 = lowest)."""
    part = table[table["severity"] == severity].copy()
    part["rank"] = part.groupby("corruption")["accuracy"].rank(method="first").astype(int)
    return part.reset_index(drop=True)


def kept(table: pd.DataFrame) -> pd.DataFrame:
    """Share of clean accuracy that the clean-weak, clean-strong and other classes keep, by severity.

    Mean over corruptions; `low` and `high` are the central 95 % of the 19 corruptions, not a confidence interval.
    """
    clean = table[table["severity"] == 0].groupby("class_id")["accuracy"].first()
    order = clean.sort_values(kind="stable").index
    group = dict.fromkeys(order, GROUPS[1]) | dict.fromkeys(order[:3], GROUPS[0]) | dict.fromkeys(order[-3:], GROUPS[2])
    part = table.assign(group=table["class_id"].map(group), clean=table["class_id"].map(clean))
    share = part.groupby(["corruption", "severity", "group"])[["accuracy", "clean"]].mean()
    share = (share["accuracy"] / share["clean"]).rename("kept").reset_index()
    grouped = share.groupby(["severity", "group"])["kept"]
    frame = pd.DataFrame({"kept": grouped.mean(), "low": grouped.quantile(0.025), "high": grouped.quantile(0.975)})
    return frame.reset_index()


def clean_against_kept(table: pd.DataFrame) -> pd.DataFrame:
    """Correlation over classes of clean accuracy with the share kept (mean over corruptions), by severity."""
    wide = table.groupby(["severity", "class_id"])["accuracy"].mean().unstack("severity")
    rows = [{"severity": one, "r": np.corrcoef(wide[0], wide[one] / wide[0])[0, 1]} for one in wide if one]
    return pd.DataFrame(rows)


def sensitivity() -> pd.DataFrame:
    """The paper's sensitivity figure (ViT-L/16 on ImageNet-C), read off its bars; with the mean of each group."""
    rows = pd.DataFrame(paper_rows.lines("sensitivity"), columns=["dataset", "group", "class", "clean", "right", "bar"])
    frame = pd.DataFrame(
        {
            "case": rows["dataset"].str.split("/").str[1:].str.join(" ").str.replace("_", " "),
            "group": rows["group"].map({"good": "ranks 100-109", "middle": "ranks 550-559"}),
            "class": rows["class"],
            "kept": 100 * rows["right"].astype(float) / 50 / rows["clean"].astype(float),
        }
    )
    return frame.assign(mean=frame.groupby(["case", "group"])["kept"].transform("mean"))


def _with_intervals(table: pd.DataFrame) -> pd.DataFrame:
    low, high = wilson(np.rint(table["correct"]).to_numpy(dtype=int), table["n"].to_numpy())
    names = np.array(classes.names("cifar10"))[table["class_id"]]
    return table.assign(name=names, accuracy=table["correct"] / table["n"], low=low, high=high)
