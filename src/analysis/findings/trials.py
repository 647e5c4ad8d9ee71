"""The sixteen-class trials: networks and people on the same distorted images, by category and condition.

Level only: a clean cell holds 10 to 40 trials a category at .97 to .99, so nothing about loss by weak category can be
told. One collection of networks is used, because collections map 1000 classes to 16 categories by different rules.
"""

import numpy as np
import pandas as pd

from .. import classes, models, tables
from ..measure import extremes
from ..measure.accuracy import class_accuracy, wilson

# Conditions from easy to hard; a set without an entry here has one condition only.
CONDITIONS = {
    "colour": ("cr", "bw"),
    "contrast": ("c100", "c50", "c30", "c15", "c10", "c05", "c03", "c01"),
    "eidolonI": ("1-10-10", "2-10-10", "4-10-10", "8-10-10", "16-10-10", "32-10-10", "64-10-10", "128-10-10"),
    "eidolonII": ("1-3-10", "2-3-10", "4-3-10", "8-3-10", "16-3-10", "32-3-10", "64-3-10", "128-3-10"),
    "eidolonIII": ("1-0-10", "2-0-10", "4-0-10", "8-0-10", "16-0-10", "32-0-10", "64-0-10", "128-0-10"),
    "false-colour": ("true", "false"),
    "high-pass": ("inf", "3", "1.5", "1", "0.7", "0.55", "0.45", "0.4"),
    "low-pass": ("0", "1", "3", "5", "7", "10", "15", "40"),
    "phase-scrambling": ("0", "30", "60", "90", "120", "150", "180"),
    "power-equalisation": ("0", "pow"),
    "rotation": ("0", "90", "180", "270"),
    "uniform-noise": ("0.00", "0.03", "0.05", "0.10", "0.20", "0.35", "0.60", "0.90"),
}
SINGLE = ("cue-conflict", "edge", "silhouette", "sketch", "stylized")


def category_table(who) -> pd.DataFrame:
    """Accuracy of every category by set and condition; one row a model, data set and category.

    Parameters
    ----------
    who : model ids of one collection, and `human/pooled`
    """
    rows = tables.read_counts(models=who)
    rows = rows[rows["dataset"].str.startswith("ood16/")].astype({"n": int, "correct": int})
    parts = rows["dataset"].str.split("/", expand=True)
    names = np.array(classes.names("ood16"))
    # Display names carry their collection in brackets; here there is one collection.
    who = pd.Series(models.labels(rows["model"])).str.replace(r" \([^)]*\)$", "", regex=True).to_numpy()
    return pd.DataFrame(
        {
            "set": parts[1],
            "condition": parts[2].fillna("") if 2 in parts else "",
            "category": names[rows["class_id"]],
            "model": rows["model"],
            "who": who,
            "family": models.families(rows["model"]),
            "kind": np.where(rows["model"].str.startswith("human/"), "human", "network"),
            "n": rows["n"],
            "correct": rows["correct"],
        }
    ).reset_index(drop=True)


def by_condition(table: pd.DataFrame) -> pd.DataFrame:
    """Mean over categories and the worst category, for each parametric set, condition and participant.

    The interval is Wilson's for the category that came out worst, read on the trials that picked it: it shows the
    noise of one cell, not a bound on the truly worst category.
    """
    order = {(name, value): place for name, values in CONDITIONS.items() for place, value in enumerate(values)}
    table = table[table["set"].isin(list(CONDITIONS))]
    table = table.assign(accuracy=class_accuracy(k=table["correct"].to_numpy(), n=table["n"].to_numpy()))
    key = ["set", "condition", "who", "model", "kind", "family"]
    groups = table.groupby(key, sort=False)
    worst = table.loc[groups["accuracy"].idxmin()].set_index(key)
    low, high = wilson(worst["correct"].to_numpy(), worst["n"].to_numpy())
    frame = pd.DataFrame(
        {
            "mean": groups["accuracy"].mean(),
            "n_categories": groups["accuracy"].count(),
            "worst": worst["accuracy"],
            "worst_category": worst["category"],
            "worst_low": pd.Series(low, index=worst.index),
            "worst_high": pd.Series(high, index=worst.index),
        }
    ).reset_index()
    frame["order"] = [order[pair] for pair in zip(frame["set"], frame["condition"], strict=True)]
    return frame.sort_values(["set", "order", "kind", "who"], kind="stable", ignore_index=True)


def gaps(table: pd.DataFrame, *, rng, splits: int = 100) -> pd.DataFrame:
    """Mean minus worst category, averaged over all conditions of the parametric sets, one row a participant.

    `naive` reads the worst category on the trials that made it the worst; `equal` is what that gives if all categories
    were equally hard; `cross-fitted` picks it on half of the trials and reads it on the other half; `low`, `high` are
    its 95 % interval for fresh trials of the categories so picked (conservative: the noise of one split). `trials` is
    the mean number of trials a cell: with more of them the naive gap has less noise in it.
    """
    table = table[table["set"].isin(list(CONDITIONS))]
    rows = []
    for (who, *_), cell in table.groupby(["who", "set", "condition"], sort=False):
        k, n = cell["correct"].to_numpy(), cell["n"].to_numpy()
        mean, overall = (k / n).mean(), k.sum() / n.sum()
        null = extremes.null_extremes(n, overall, len(n), rng, draws=200, q=1)["minimum"].mean
        crossed = extremes.worst_q_crossfit(k, n, 1, rng, R=splits)
        row = {"who": who, "trials": n.mean(), "naive": mean - (k / n).min(), "equal": overall - null}
        rows.append(row | {"cross-fitted": mean - crossed.mean, "variance": crossed.se**2})
    cells = pd.DataFrame(rows).groupby("who", sort=False)
    table = cells.mean()
    # Cells hold different trials: the variance of a mean over them is their mean variance over their number.
    half = 1.96 * np.sqrt(table.pop("variance") / cells.size())
    table = table.assign(low=table["cross-fitted"] - half, high=table["cross-fitted"] + half)
    return table.sort_values("cross-fitted").reset_index()


def by_category(table: pd.DataFrame) -> pd.DataFrame:
    """Accuracy of each category in each set, all conditions of the set pooled, with Wilson interval."""
    key = ["set", "category", "who", "model", "kind", "family"]
    pooled = table.groupby(key, sort=False, as_index=False)[["n", "correct"]].sum()
    low, high = wilson(pooled["correct"].to_numpy(), pooled["n"].to_numpy())
    values = class_accuracy(k=pooled["correct"].to_numpy(), n=pooled["n"].to_numpy())
    return pooled.assign(accuracy=values, low=low, high=high)


def lowest_category(table: pd.DataFrame, *, rng, draws: int = 2000) -> pd.DataFrame:
    """The category that came out lowest in the mean over all sets of `by_category`, one row a participant.

    `low`, `high`: its 95 % interval for fresh trials, not corrected for its having come out lowest. `equal`: the lowest
    mean to expect if in every set all categories were equally hard for the participant. `mean`: of all categories.
    """
    rows = []
    for who, part in table.groupby("who", sort=False):
        n, k = (part.pivot(index="category", columns="set", values=column) for column in ("n", "correct"))
        p = k / n
        each, rates = p.mean(axis=1), np.broadcast_to(k.sum() / n.sum(), n.shape)
        lowest, shape = each.idxmin(), (draws, *n.shape)
        half = 1.96 * np.sqrt((p * (1 - p) / (n - 1)).loc[lowest].sum()) / n.shape[1]
        equal = (rng.binomial(n.to_numpy(), rates, size=shape) / n.to_numpy()).mean(axis=2).min(axis=1).mean()
        row = {"who": who, "category": lowest, "accuracy": each[lowest], "low": each[lowest] - half}
        rows.append(row | {"high": each[lowest] + half, "equal": equal, "mean": each.mean()})
    return pd.DataFrame(rows)
