"""F1: weak classes that an average hides. Counts in, tidy tables and claim rows out."""

from functools import partial

import numpy as np
import pandas as pd

from .. import claims, classes, models, tables
from ..measure import accuracy, extremes, overlap, split

PRIORS = {
    "g-model": extremes.fit_g,
    "g-model, 16 functions": partial(extremes.fit_g, df=16),
    "beta mixture": extremes.fit_beta_mixture,
}

# Functionals of a vector of class accuracies, in the order in which they are drawn together.
FUNCTIONALS = (*extremes.TAIL, "mean", "gap")

READINGS = ("this test set", "if equally hard")  # the rows of `with_null`


def shared_n(counts: tables.Counts) -> np.ndarray:
    """Items of each class where all models answered the same items; (classes,)."""
    if (counts.n != counts.n[0]).any():
        raise ValueError(f"{counts.dataset}: the models did not answer the same number of items of every class")
    return counts.n[0]


def class_table(names, *, dataset="imagenet-val", labels="original") -> pd.DataFrame:
    """Every class of one data set for some models, one row a model and class, models in the order asked for.

    Columns: model, label, family (display), class_id, n, correct, accuracy (recall) with its 95 % Wilson interval
    `low`, `high`, precision, f1 and top5 (NaN where the published files do not tell, or nothing was predicted as the
    class), and `overall`, the model's accuracy over all items.

    Raises
    ------
    InputError : a model has no counts on that data set and label set
    """
    rows = tables.read_counts(dataset=dataset, models=names, labels=labels)
    counts = tables.counts(dataset, models=names, labels=labels)
    order = pd.MultiIndex.from_product([counts.models, counts.class_id], names=["model", "class_id"])
    rows = rows.set_index(["model", "class_id"]).reindex(order).reset_index()
    k, n, predicted = (rows[column].to_numpy(dtype=float) for column in ("correct", "n", "predicted"))
    low, high = accuracy.wilson(counts.correct.ravel(), counts.n.ravel())
    each = len(counts.class_id)
    return pd.DataFrame(
        {
            "model": rows["model"],
            "label": np.repeat(models.labels(counts.models), each),
            "family": np.repeat(models.families(counts.models), each),
            "class_id": rows["class_id"],
            "n": counts.n.ravel(),
            "correct": counts.correct.ravel(),
            "accuracy": accuracy.class_accuracy(k=counts.correct, n=counts.n).ravel(),
            "low": low.ravel(),
            "high": high.ravel(),
            "precision": k / np.where(predicted > 0, predicted, np.nan),
            "f1": 2 * k / (n + predicted),
            "top5": rows["correct_top5"].to_numpy(dtype=float) / n,
            "overall": np.repeat(accuracy.overall_accuracy(k=counts.correct, n=counts.n), each),
        }
    )


def summary(names, *, dataset="imagenet-val", labels="original") -> pd.DataFrame:
    """One row a model: overall accuracy and what the average hides, as read off these items (estimand S).

    Columns: overall and macro accuracy, maximum, minimum, p5 and p10 as the paper codes them, worst_q (mean of the q
    lowest), range, below (classes under 0.5).
    """
    counts = tables.counts(dataset, models=names, labels=labels)
    n, q = shared_n(counts), claims.weak_set_size(len(counts.class_id))
    about = {
        "model": counts.models,
        "label": models.labels(counts.models),
        "family": models.families(counts.models),
        "overall": accuracy.overall_accuracy(k=counts.correct, n=n),
    }
    return pd.DataFrame(about | _read_off(counts.correct, n, q))


def with_null(names, *, rng, dataset="imagenet-val", labels="original", draws: int = 100) -> pd.DataFrame:
    """`summary`, two rows a model: its `reading` "this test set" and, under it, "if equally hard".

    The latter is what the same columns would show on average, over `draws` simulated test sets, if every class of the
    model had its overall accuracy: extremes are never without it.
    """
    found = summary(names, dataset=dataset, labels=labels)
    n = shared_n(tables.counts(dataset, models=names, labels=labels))
    q = claims.weak_set_size(n.size)
    equal = [_read_off(rng.binomial(n, p, size=(draws, n.size)), n, q) for p in found["overall"]]
    equal = pd.DataFrame([{name: values.mean() for name, values in one.items()} for one in equal])
    null = found.assign(**equal)
    both = pd.concat([found.assign(reading=READINGS[0]), null.assign(reading=READINGS[1])])
    return both.sort_index(kind="stable", ignore_index=True)


def class_curves(names, *, rng, draws: int = 400) -> pd.DataFrame:
    """Sorted class accuracies with intervals, and the 95 % band of such a curve if every class were equally hard."""
    parts = []
    for _, part in class_table(names).groupby("model", sort=False):
        part = part.sort_values(["accuracy", "class_id"], kind="stable")
        # Dealing the same items into classes of equal difficulty: each class is then Binomial(n, overall).
        equal = np.sort(rng.binomial(part["n"], part["overall"], size=(draws, len(part))) / part["n"].to_numpy())
        low, high = np.quantile(equal, [0.025, 0.975], axis=0)
        parts.append(part.assign(rank=np.arange(1, len(part) + 1), null_low=low, null_high=high))
    return pd.concat(parts, ignore_index=True)


def worst_classes(names, most: int = 12) -> pd.DataFrame:
    """The lowest classes of each model by the original labels, with their accuracy by the ReaL labels."""
    table = class_table(names)
    real = class_table(names, labels="real").set_index(["model", "class_id"])[["accuracy", "low", "high"]]
    table = table.join(real.add_prefix("real_"), on=["model", "class_id"])
    table["name"] = classes.titles("imagenet")[table["class_id"]]
    lowest = [part.nsmallest(most, ["accuracy", "class_id"]) for _, part in table.groupby("model", sort=False)]
    return pd.concat(lowest, ignore_index=True)


def weak_by_both(names, most: int = 10) -> pd.DataFrame:
    """The classes that are lowest by the ReaL labels on average over `names`, with what the original labels say.

    Accuracies are means over the models; `images` is the number of images of the class that carry a ReaL label. `low`
    and `high` are Wilson's ends of the ReaL accuracy for one model (the models answer the same images: several do not
    make it narrower), not corrected for the classes' having been chosen for being low.
    """
    real = class_table(names, labels="real").groupby("class_id")[["accuracy", "n"]].mean()
    table = class_table(names).groupby("class_id")[["accuracy"]].mean().join(real.add_suffix("_real"))
    table = table.sort_values("accuracy_real", kind="stable").head(most).reset_index()
    table.insert(1, "name", classes.titles("imagenet")[table["class_id"]])
    images = table["n_real"].to_numpy(dtype=int)
    right = np.rint(table["accuracy_real"].to_numpy() * images).astype(int)
    table["low"], table["high"] = accuracy.wilson(right, images)
    columns = {"accuracy": "original labels", "accuracy_real": "ReaL labels", "n_real": "images"}
    return table.rename(columns=columns).astype({"images": int})


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

    A set's row is that of its median network by the number of classes under 0.5, the lower of the two middle ones where
    their number is even. `reason` names it and gives the share of networks that are reproduced one by one. The second
    part of the rule takes the plug-in gap of pure noise off a gap that is free of noise already: it is conservative.
    """
    total = int(table["classes"].iloc[0])
    single = {row["model"]: _verdict(row, total) for row in table.to_dict("records")}
    rows = []
    for name, members in sets.items():
        part = table[table["model"].isin(members)].sort_values(["below", "model"], kind="stable")
        middle = part.iloc[(len(part) - 1) // 2]
        verdict, reason = single[middle["model"]]
        reproduced = sum(single[model][0] == "reproduced" for model in part["model"])
        parts = [
            reason,
            f"{middle['label']}: {middle['below']:.0f} of {total} classes below 0.5",
            f"overall minus the {claims.weak_set_size(total)} weakest {middle['gap']:.3f}, "
            f"{middle['beyond']:.3f} [{middle['beyond_low']:.3f}, {middle['beyond_high']:.3f}] beyond pure noise",
            f"{reproduced} of {len(part)} networks reproduced one by one" if len(part) > 1 else "",
        ]
        row = claims.row(
            "F1",
            dataset=dataset,
            labels=labels,
            models=name,
            effect=middle["below"],
            ci_low=middle["below_low"],
            ci_high=middle["below_high"],
            null=middle["below_null"],
            naive=middle["below_raw"],
            n_classes=total,
            n_models=len(part),
            verdict=verdict,
            reason="; ".join(filter(None, parts)),
        )
        rows.append(row)
    return rows


def deficit_by_labels(names, *, rng, splits: int = 40) -> pd.DataFrame:
    """How much of the deficit of the weakest classes the ReaL labels remove; chosen and read on disjoint images.

    The q weakest classes are chosen on half of the images by the original labels and read on the other half by both
    label sets; both directions, mean over splits. `removed` is the part of (overall minus weakest) that is gone.
    """
    original, real = (tables.correct("imagenet-val", models=names, labels=labels) for labels in ("original", "real"))
    place = pd.Index(real.item_id).get_indexer(original.item_id)
    total, q = len(original.classes), claims.weak_set_size(len(original.classes))
    class_id, kept = original.class_index, place >= 0
    weakest = np.zeros((2, len(names)))
    for _ in range(splits):
        half = np.zeros(class_id.size, dtype=bool)
        half[np.argsort(class_id + rng.random(class_id.size))[::2]] = True
        for chosen in (half, ~half):
            k, n = split.class_counts(original.right[:, chosen], class_id[chosen], total)
            member = overlap.weak_membership(k / n, q)
            k, n = split.class_counts(original.right[:, ~chosen], class_id[~chosen], total)
            weakest[0] += (member * k / n).sum(axis=1) / q
            read = ~chosen & kept
            k, n = split.class_counts(real.right[:, place[read]], class_id[read], total)
            weakest[1] += (member * k / np.maximum(n, 1)).sum(axis=1) / (member * (n > 0)).sum(axis=1)
    weakest /= 2 * splits
    overall = np.stack([original.right.mean(axis=1), real.right.mean(axis=1)])
    deficit = overall - weakest
    return pd.DataFrame(
        {
            "label": models.labels(names),
            "overall": overall[0],
            "weakest": weakest[0],
            "deficit": deficit[0],
            "overall_real": overall[1],
            "weakest_real": weakest[1],
            "deficit_real": deficit[1],
            "removed": 1 - deficit[1] / deficit[0],
        }
    )


def sensitivity(names, *, rng, dataset="imagenet-val", labels="original", draws: int = 400) -> pd.DataFrame:
    """The mean of the q weakest classes and the number under 0.5, by several readings of the same counts.

    `plug-in` selects and reads on the same items (biased down), `cross-fitted` selects on one half and reads on the
    other (biased up); the others are posterior means under three priors, each fitted once: the g-model with 8 and with
    16 functions, and a mixture of two betas. `<name>_low`, `<name>_high` are 95 % intervals: of the draws, without the
    uncertainty of the fit; of the classes that the halves select; none for the plug-in, which is exact for these items.
    """
    counts = tables.counts(dataset, models=names, labels=labels)
    n, q = shared_n(counts), claims.weak_set_size(len(counts.class_id))
    crossed = extremes.worst_q_crossfit(counts.correct, n, q, rng, R=40)
    rows = []
    for place, name in enumerate(models.labels(counts.models)):
        k = counts.correct[place]
        raw = _functionals(k[n > 0] / n[n > 0], q)
        drawn = {
            reading: _functionals(extremes.posterior_draws(k, n, fit(k, n), draws, rng), q)
            for reading, fit in PRIORS.items()
        }
        at = {column: FUNCTIONALS.index(column) for column in ("worst_q", "below")}
        rows.append({"label": name, "reading": "plug-in"} | {column: raw[where] for column, where in at.items()})
        for reading, value in drawn.items():
            row = {"label": name, "reading": reading}
            for column, where in at.items():
                low, high = np.quantile(value[:, where], [0.025, 0.975])
                row |= {column: value[:, where].mean(), f"{column}_low": low, f"{column}_high": high}
            rows.append(row)
        ends = {"worst_q_low": crossed.low[place], "worst_q_high": crossed.high[place]}
        rows.append({"label": name, "reading": "cross-fitted", "worst_q": crossed.mean[place]} | ends)
    columns = [f"{column}{end}" for column in ("worst_q", "below") for end in ("", "_low", "_high")]
    return pd.DataFrame(rows, columns=["label", "reading", *columns])


def _read_off(k: np.ndarray, n: np.ndarray, q: int) -> dict:
    """The columns of `summary` that one vector of counts gives, each (...,) for `k` (..., classes)."""
    values = accuracy.class_accuracy(k=k, n=n)
    highest, lowest = np.nanmax(values, axis=-1), np.nanmin(values, axis=-1)
    return {
        "macro": accuracy.macro_accuracy(k=k, n=n),
        "maximum": highest,
        "minimum": lowest,
        "p5": extremes.percentile_as_coded(values, 5),
        "p10": extremes.percentile_as_coded(values, 10),
        "worst_q": extremes.worst_q_plugin(k, n, q),
        "range": highest - lowest,
        "below": (values < 0.5).sum(axis=-1),
    }


def _verdict(row: dict, total: int) -> tuple[str, str]:
    shares = row["below_low"] / total, row["below_high"] / total
    return claims.judge("F1", [shares, (row["beyond_low"], row["beyond_high"])], n_classes=total)


def _functionals(p: np.ndarray, q: int) -> np.ndarray:
    tail = extremes.tail_functionals(p, q)
    mean = p.mean(axis=-1, keepdims=True)
    return np.concatenate([tail, mean, mean - tail[..., :1]], axis=-1)


def _null(n: np.ndarray, p: float, q: int, rng) -> dict:
    n = n[n > 0]
    null = extremes.null_extremes(n, p, len(n), rng, draws=200, q=q)
    expected = {column: null[column].mean for column in ("worst_q", "minimum", "below")}
    return expected | {"gap": p - expected["worst_q"]}
