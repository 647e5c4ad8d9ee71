"""F1: weak classes that an average hides. Counts in, tidy tables and claim rows out."""

import numpy as np
import pandas as pd

from .. import claims, classes, models, tables
from ..measure import accuracy, extremes

# Functionals of a vector of class accuracies, in the order in which they are drawn together.
FUNCTIONALS = (*extremes.TAIL, "mean", "gap")


def shared_n(counts: tables.Counts) -> np.ndarray:
    """Items of each class where all models answered the same items; (classes,)."""
    if (counts.n != counts.n[0]).any():
        raise ValueError(f"{counts.dataset}: the models did not answer the same number of items of every class")
    return counts.n[0]


def class_table(names, *, dataset="imagenet-val", labels="original") -> pd.DataFrame:
    """Accuracy of every class for some models, one row a model and class, with Wilson interval and display names."""
    counts = tables.counts(dataset, models=names, labels=labels)
    low, high = accuracy.wilson(counts.correct, counts.n)
    rows = len(counts.models), len(counts.class_id)
    return pd.DataFrame(
        {
            "model": np.repeat(counts.models, rows[1]),
            "label": np.repeat(models.labels(counts.models), rows[1]),
            "family": np.repeat(models.families(counts.models), rows[1]),
            "class_id": np.tile(counts.class_id, rows[0]),
            "n": counts.n.ravel(),
            "correct": counts.correct.ravel(),
            "accuracy": accuracy.class_accuracy(k=counts.correct, n=counts.n).ravel(),
            "low": low.ravel(),
            "high": high.ravel(),
            "overall": np.repeat(accuracy.overall_accuracy(k=counts.correct, n=counts.n), rows[1]),
        }
    )


def summary(names, *, dataset="imagenet-val", labels="original") -> pd.DataFrame:
    """One row a model: overall accuracy and what the average hides, as read off these items (estimand S).

    Columns: n items, overall and macro accuracy, top5, minimum, p5 and p10 as the paper codes them, worst_q (mean of
    the q lowest), range, below (classes under 0.5).
    """
    counts = tables.counts(dataset, models=names, labels=labels)
    n, q = shared_n(counts), claims.weak_set_size(len(counts.class_id))
    values = accuracy.class_accuracy(k=counts.correct, n=n)
    return pd.DataFrame(
        {
            "model": counts.models,
            "label": models.labels(counts.models),
            "family": models.families(counts.models),
            "overall": accuracy.overall_accuracy(k=counts.correct, n=n),
            "macro": accuracy.macro_accuracy(k=counts.correct, n=n),
            "minimum": np.nanmin(values, axis=1),
            "p5": extremes.percentile_as_coded(values, 5),
            "p10": extremes.percentile_as_coded(values, 10),
            "worst_q": extremes.worst_q_plugin(counts.correct, n, q),
            "range": np.nanmax(values, axis=1) - np.nanmin(values, axis=1),
            "below": (values < 0.5).sum(axis=1),
        }
    )


def class_curves(names, *, rng, draws: int = 400) -> pd.DataFrame:
    """Sorted class accuracies with intervals, and the 95 % band of such a curve if every class were equally hard."""
    parts = []
    for _, part in class_table(names).groupby("model", sort=False):
        part = part.sort_values(["accuracy", "class_id"], kind="stable")
        # Dealing the same items into classes of equal difficulty: each class is then Binomial(n, overall).
        equal = np.sort(rng.binomial(part["n"], part["overall"], size=(draws, len(part))) / part["n"].to_numpy())
        low, high = np.quantile(equal, [0.025, 0.975], axis=0)
        parts.append(part.assign(rank=np.arange(1, len(part) + 1), null_low=low, null_high=high))
    return pd.concat(parts, ignore_index=True).drop(columns=["n", "correct"])


def worst_classes(names, most: int = 12) -> pd.DataFrame:
    """The lowest classes of each model by the original labels, with their accuracy by the ReaL labels."""
    table = class_table(names)
    real = class_table(names, labels="real").set_index(["model", "class_id"])[["accuracy", "low", "high"]]
    table = table.join(real.add_prefix("real_"), on=["model", "class_id"]).drop(columns=["n", "correct", "overall"])
    table["name"] = classes.titles("imagenet")[table["class_id"]]
    lowest = [part.nsmallest(most, ["accuracy", "class_id"]) for _, part in table.groupby("model", sort=False)]
    return pd.concat(lowest, ignore_index=True)


def distribution(names) -> pd.DataFrame:
    """Class accuracies of many models with the paper's percentiles, models from least to most accurate."""
    table = class_table(names)[["model", "label", "family", "overall", "class_id", "accuracy"]]
    marks = summary(names).set_index("model")[["p5", "p10", "minimum"]]
    return table.join(marks, on="model").sort_values(["overall", "model", "class_id"], kind="stable", ignore_index=True)


def estimates(names, *, rng, dataset="imagenet-val", labels="original", refits=25, draws=20) -> pd.DataFrame:
    """What is left of the extremes once item noise is taken off: posterior draws under a fitted prior (estimand C).

    Parameters
    ----------
    names : model ids that share the items of `dataset`
    refits, draws : refits of the prior on resampled classes, and draws under each

    Returns
    -------
    DataFrame, one row a model: `<name>_raw` (read off the items), `<name>`, `<name>_low`, `<name>_high` (mean and 95 %
    interval of the draws), `<name>_null` (expected reading if all classes were equally hard) for worst_q, minimum,
    below (number of classes under 0.5) and gap (overall minus worst_q), and `beyond*`: gap less its null.
    """
    counts = tables.counts(dataset, models=names, labels=labels)
    n, q = shared_n(counts), claims.weak_set_size(len(counts.class_id))
    raw = _functionals(counts.correct[:, n > 0] / n[n > 0], q)
    drawn = extremes.functional_interval(
        counts.correct, n, lambda p: _functionals(p, q), rng=rng, refits=refits, draws=draws
    )
    overall = accuracy.overall_accuracy(k=counts.correct, n=n)
    null = pd.DataFrame([_null(n, p, q, rng) for p in overall])
    table = pd.DataFrame({"model": counts.models, "overall": overall})
    table["label"], table["family"] = models.labels(counts.models), models.families(counts.models)
    for column in ("worst_q", "minimum", "below", "gap"):
        at = FUNCTIONALS.index(column)
        table[f"{column}_raw"], table[column] = raw[:, at], drawn.mean[:, at]
        table[f"{column}_low"], table[f"{column}_high"] = drawn.low[:, at], drawn.high[:, at]
        table[f"{column}_null"] = null[column]
    for end in ("", "_low", "_high"):
        table[f"beyond{end}"] = table[f"gap{end}"] - table["gap_null"]
    table["classes"] = int((n > 0).sum())
    return table


def weak_counts(original: pd.DataFrame, real: pd.DataFrame) -> pd.DataFrame:
    """Number of classes under 0.5 by both label sets, long form for the figure."""
    columns = {"below_raw": "raw", "below": "estimate", "below_low": "low", "below_high": "high"}
    both = pd.concat([original.assign(labels="original"), real.assign(labels="real")], ignore_index=True)
    both = both.rename(columns=columns)
    return both[["model", "label", "family", "labels", "overall", *columns.values()]]


def common_confusions(names, most: int = 15) -> pd.DataFrame:
    """What the classes that are weakest on average over `names` are taken for; shares of the answers, mean of models.

    One row a class and part: right, first, second, third (the most frequent wrong answers), elsewhere.
    """
    table = class_table(names)
    mean = table.groupby("class_id")["accuracy"].mean()
    weakest = mean.sort_values(kind="stable").head(most).index
    wrong = tables.read_confusions(dataset="imagenet-val", models=names)
    wrong = wrong[wrong["label"].isin(weakest)]
    answers = table[table["class_id"].isin(weakest)].groupby("class_id")["n"].sum()
    shares = wrong.groupby(["label", "pred"], as_index=False)["count"].sum()
    shares["share"] = shares["count"] / shares["label"].map(answers)
    shares = shares.sort_values(["label", "share", "pred"], ascending=[True, False, True], kind="stable")
    top = shares.groupby("label").head(3).copy()
    top["part"] = top.groupby("label").cumcount().map(dict(enumerate(("first", "second", "third"))))
    top = top.rename(columns={"label": "class_id"})[["class_id", "part", "pred", "share"]]
    right = pd.DataFrame({"class_id": weakest, "part": "right", "pred": weakest, "share": mean[weakest].to_numpy()})
    rest = 1 - top.groupby("class_id")["share"].sum().reindex(weakest, fill_value=0.0) - mean[weakest]
    rest = pd.DataFrame({"class_id": weakest, "part": "elsewhere", "pred": -1, "share": rest.clip(lower=0).to_numpy()})
    long = pd.concat([right, top, rest], ignore_index=True)
    names_of = np.append(classes.titles("imagenet"), "")
    long["name"], long["pred_name"] = names_of[long["class_id"]], names_of[long["pred"]]
    long["order"] = long["class_id"].map({class_id: place for place, class_id in enumerate(weakest)})
    parts = ["right", "first", "second", "third", "elsewhere"]
    long = long.assign(place=long["part"].map(parts.index)).sort_values(["order", "place"], kind="stable")
    return long[["class_id", "name", "part", "pred", "pred_name", "share"]].reset_index(drop=True)


def claim_rows(table: pd.DataFrame, sets: dict, *, dataset="imagenet-val", labels="original") -> list[dict]:
    """F1 for named sets of networks and for single ones, from `estimates`.

    A set's row is that of its median network: for each part of the rule the networks are ordered by its effect and
    the lower of the two middle ones is taken where their number is even. `reason` gives the share of networks that
    are reproduced one by one.
    """
    total = int(table["classes"].iloc[0])
    single = [claims.judge("F1", _parts(row, row, total), n_classes=total)[0] for row in table.to_dict("records")]
    verdicts = dict(zip(table["model"], single, strict=True))
    rows = []
    for name, members in sets.items():
        part = table[table["model"].isin(members)]
        below, gap = _median(part, "below"), _median(part, "beyond")
        verdict, reason = claims.judge("F1", _parts(below, gap, total), n_classes=total)
        reproduced = sum(verdicts[model] == "reproduced" for model in part["model"])
        text = (
            f"gap between overall and worst-{claims.weak_set_size(total)} mean beyond equal difficulty "
            f"{gap['beyond']:.3f} [{gap['beyond_low']:.3f}, {gap['beyond_high']:.3f}]; "
            f"{reproduced} of {len(part)} networks reproduced one by one"
        )
        row = claims.row(
            "F1",
            dataset=dataset,
            labels=labels,
            models=name,
            effect=below["below"],
            ci_low=below["below_low"],
            ci_high=below["below_high"],
            null=below["below_null"],
            naive=below["below_raw"],
            n_classes=total,
            n_models=len(part),
            verdict=verdict,
            reason="; ".join(filter(None, [reason, text])),
        )
        rows.append(row)
    return rows


def _functionals(p: np.ndarray, q: int) -> np.ndarray:
    tail = extremes.tail_functionals(p, q)
    mean = p.mean(axis=-1, keepdims=True)
    return np.concatenate([tail, mean, mean - tail[..., :1]], axis=-1)


def _null(n: np.ndarray, p: float, q: int, rng) -> dict:
    n = n[n > 0]
    null = extremes.null_extremes(n, p, len(n), rng, draws=200, q=q)
    expected = {column: null[column].mean for column in ("worst_q", "minimum", "below")}
    return expected | {"gap": p - expected["worst_q"]}


def _parts(below, gap, total: int) -> list[tuple[float, float]]:
    return [(below["below_low"] / total, below["below_high"] / total), (gap["beyond_low"], gap["beyond_high"])]


def _median(part: pd.DataFrame, column: str) -> pd.Series:
    return part.sort_values([column, "model"], kind="stable").iloc[(len(part) - 1) // 2]


def sensitivity(names, *, rng, dataset="imagenet-val", labels="original", draws: int = 400) -> pd.DataFrame:
    """The mean of the q weakest classes and the number under 0.5, by four readings of the same counts.

    `plug-in` selects and reads on the same items (biased down), `cross-fitted` selects on one half and reads on the
    other (biased up); `g-model` and `beta mixture` are posterior means under two priors, each fitted once.
    """
    counts = tables.counts(dataset, models=names, labels=labels)
    n, q = shared_n(counts), claims.weak_set_size(len(counts.class_id))
    crossed = extremes.worst_q_crossfit(counts.correct, n, q, rng, R=40)
    rows = []
    for place, name in enumerate(models.labels(counts.models)):
        k = counts.correct[place]
        raw = _functionals(k[n > 0] / n[n > 0], q)
        drawn = {
            reading: _functionals(extremes.posterior_draws(k, n, fit(k, n), draws, rng), q).mean(axis=0)
            for reading, fit in (("g-model", extremes.fit_g), ("beta mixture", extremes.fit_beta_mixture))
        }
        below, worst = FUNCTIONALS.index("below"), FUNCTIONALS.index("worst_q")
        rows.append({"label": name, "reading": "plug-in", "worst_q": raw[worst], "below": raw[below]})
        for reading, value in drawn.items():
            rows.append({"label": name, "reading": reading, "worst_q": value[worst], "below": value[below]})
        rows.append({"label": name, "reading": "cross-fitted", "worst_q": crossed.mean[place], "below": np.nan})
    return pd.DataFrame(rows)
