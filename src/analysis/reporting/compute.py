"""From answers to the numbers of a report: plain frames, each extreme with its interval and what pure noise gives."""

import warnings
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy.special import ndtri
from scipy.stats import false_discovery_control, rankdata

from ..claims import weak_set_size
from ..measure import accuracy, calibration, extremes
from .reading import Answers

THRESHOLD, FDR, ALIKE = 0.5, 0.05, 0.05
REFITS, DRAWS, SPLITS, NULL_DRAWS = 50, 20, 200, 1000
TOP_PAIRS, NULL_DEALS = 15, 20
EXTREMES = {  # functional -> what a table calls it
    "worst_q": "mean of the {q} weakest classes",
    "gap": "mean class accuracy minus the {q} weakest",
    "p5": "5th percentile of the classes",
    "p10": "10th percentile of the classes",
    "minimum": "weakest class",
    "below": f"classes below {100 * THRESHOLD:.0f} %",
}


@dataclass(frozen=True)
class Findings:
    """What the report says of one data set; a part that cannot be computed is empty and has its reason in `why`.

    `overall`: n_items, n_classes, q, accuracy, low, high, mean_class, mean_class_low, mean_class_high, top5, named_bh,
    named_eb, gap and its interval, ... (floats; NaN unknown or not defined). `classes`: a row a class with items or
    predictions.
    `extremes`: read_off, crossfit (with low, high), estimate (low, high), null (low, high) of each of `EXTREMES`.
    """

    answers: Answers
    overall: dict[str, float]
    classes: pd.DataFrame
    extremes: pd.DataFrame
    confusions: pd.DataFrame
    why: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def weakest(self) -> pd.DataFrame:
        """The classes with items by their estimated accuracy (where there is none by that read off), lowest first."""
        rows = self.classes[self.classes["n"] > 0]
        by = "estimate" if rows["estimate"].notna().any() else "accuracy"
        return rows.sort_values([by, "accuracy", "position"], kind="stable")


def findings(answers: Answers, *, seed: int = 0) -> Findings:
    """All of a report that needs only the answers of one model on one data set.

    Parameters
    ----------
    seed : of splits and draws; the same answers and seed give the same numbers
    """
    streams = iter(np.random.default_rng(seed).spawn(5))
    why, notes = {}, []
    n, k = answers.n, answers.k
    predicted = np.bincount(answers.pred, minlength=len(n))
    present = n > 0
    table = _class_table(answers, n, k, predicted)
    overall = _overall(answers, n, k)
    tail, by_class = _extremes(k[present], n[present], next(streams), why, notes)
    for column in ("estimate", "estimate_low", "estimate_high"):
        table[column] = np.nan
    if by_class is not None:
        table.loc[present, ["estimate", "estimate_low", "estimate_high"]] = by_class
    overall["q"] = weak_set_size(int(present.sum()))
    overall |= _weak_list(table, k, n, present)
    overall |= _calibration(answers, table, why)
    pairs = _confusions(answers, n, next(streams), overall, why)
    keep = present | (predicted > 0)
    return Findings(answers, overall, table[keep].reset_index(drop=True), tail, pairs, why, tuple(notes))


def _class_table(answers: Answers, n, k, predicted) -> pd.DataFrame:
    low, high = accuracy.wilson(k, n)
    original = np.bincount(answers.label[answers.label == answers.pred], minlength=len(n))
    table = pd.DataFrame(
        {
            "position": np.arange(len(n)),
            "class_id": answers.classes["class_id"],
            "name": answers.classes["title"],
            "n": n,
            "correct": k,
            "accuracy": accuracy.class_accuracy(k=k, n=n),
            "low": low,
            "high": high,
            "predicted": predicted,
            "precision": np.nan,
            "precision_low": np.nan,
            "precision_high": np.nan,
        }
    )
    if answers.labels == "original":
        table["precision"] = accuracy.precision(correct=original, predicted=predicted)
        table["precision_low"], table["precision_high"] = accuracy.wilson(original, predicted)
    return table


def _overall(answers: Answers, n, k) -> dict[str, float]:
    items, right = int(n.sum()), int(k.sum())
    low, high = accuracy.wilson(right, items)
    mean, mean_low, mean_high = mean_class_interval(k[n > 0], n[n > 0])
    return {
        "n_items": items,
        "n_classes": int((n > 0).sum()),
        "accuracy": right / items,
        "low": float(low),
        "high": float(high),
        "mean_class": mean,
        "mean_class_low": mean_low,
        "mean_class_high": mean_high,
        "top5": float(answers.top5.mean()) if answers.top5 is not None else np.nan,
    }


def mean_class_interval(k, n) -> tuple[float, float, float]:
    """Mean of the class accuracies with its 95 % interval, for these classes and fresh items.

    The Wilson interval of as many items as would leave the mean the same variance. That variance is the larger of two:
    of classes that are all as hard as their mean, which stays above 0 where every small class is all right, and the sum
    of those of the classes, which is larger where the small classes are the uncertain ones.

    Parameters
    ----------
    k, n : (classes,) integers, right answers and items, n at least 1

    Returns
    -------
    mean, low, high : floats, 0 to 1

    >>> [round(x, 3) for x in mean_class_interval(np.array([5, 5]), np.array([5, 5]))]  # as Wilson of 10 of 10
    [1.0, 0.722, 1.0]
    """
    k, n = np.asarray(k), np.asarray(n)
    classes, share = len(n), k / n
    mean = share.mean()
    alike, z2 = mean * (1 - mean), ndtri(0.975) ** 2
    by_class = np.where(n > 1, share * (1 - share) / np.maximum(n - 1, 1), alike)
    variance = max(alike * (1 / n).sum(), by_class.sum()) / classes**2
    items = alike / variance if variance > 0 else classes**2 / (1 / n).sum()
    centre = (mean + z2 / (2 * items)) / (1 + z2 / items)
    half = np.sqrt(z2 * (alike / items + z2 / (4 * items**2))) / (1 + z2 / items)
    return float(mean), float(max(centre - half, 0)), float(min(centre + half, 1))


# ---- Extremes --------------------------------------------------------------------------------------------------------


def tail(p: np.ndarray, q: int) -> np.ndarray:
    """The functionals of `EXTREMES` of each vector of class accuracies, (..., classes) to (..., 6).

    >>> dict(zip(EXTREMES, tail(np.array([0.2, 0.4, 0.9, 0.9]), 2).round(3).tolist()))
    {'worst_q': 0.3, 'gap': 0.3, 'p5': 0.2, 'p10': 0.2, 'minimum': 0.2, 'below': 2.0}
    """
    worst, p5, p10, minimum, below = np.moveaxis(extremes.tail_functionals(p, q, THRESHOLD), -1, 0)
    return np.stack([worst, p.mean(-1) - worst, p5, p10, minimum, below], axis=-1)


def _extremes(k, n, rng, why: dict, notes: list):
    """Rows of the extremes and, for every class, the estimate with its interval; None where they are not defined."""
    classes, q = len(n), weak_set_size(len(n))
    if classes <= q:
        why["extremes"] = f"not defined because the {q} weakest of {classes} would be all classes"
        return pd.DataFrame(), None
    if n.max() < 2:
        why["extremes"] = "not defined because with one item a class luck and accuracy cannot be told apart"
        return pd.DataFrame(), None
    if k.sum() in (0, n.sum()):
        what = "errors" if k.sum() else "right answers"
        why["extremes"] = f"not defined because without {what} there is nothing by which classes could differ"
        return pd.DataFrame(), None
    equal = float(extremes.homogeneity(k, n).p_value)
    if equal > ALIKE:
        notes.append(
            f"The classes may well be equally hard (chi-square test of homogeneity: p = {equal:.2f}). If they are, the"
            " estimates of the weakest are too low and those of their number too high: the prior is smooth and cannot"
            " hold classes that are all alike."
        )
    rows = pd.DataFrame({"functional": list(EXTREMES)})
    rows["what"] = [text.format(q=q) for text in EXTREMES.values()]
    rows["read_off"] = tail(k / n, q)
    for column in ("crossfit", "crossfit_low", "crossfit_high"):
        rows[column] = np.nan
    halves = int((n >= 4).sum())
    if halves >= q:
        fit = extremes.worst_q_crossfit(k, n, q, rng, R=SPLITS)
        rows.loc[0, ["crossfit", "crossfit_low", "crossfit_high"]] = [fit.mean, max(fit.low, 0), min(fit.high, 1)]
        if halves < classes:
            notes.append(f"The cross-fitted mean is that of the {halves} classes with 4 items or more.")
    else:
        why["crossfit"] = f"not defined because only {halves} classes have the 4 items that two halves need"
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", RuntimeWarning)
        drawn = extremes.functional_interval(
            k, n, lambda p: np.concatenate([tail(p, q), p], axis=-1), rng=rng, refits=REFITS, draws=DRAWS
        )
    notes += [f"Estimates may be rough: {one.message!s}." for one in caught]
    split = len(EXTREMES)
    for name in ("mean", "low", "high"):
        rows["estimate" if name == "mean" else f"estimate_{name}"] = getattr(drawn, name)[:split]
    p = k.sum() / n.sum()
    null = extremes.null_extremes(n, p, classes, rng, draws=NULL_DRAWS, q=q, t=THRESHOLD)
    gap = tail(rng.binomial(n, p, size=(NULL_DRAWS, classes)) / n, q)[:, 1]
    null["gap"] = extremes.Interval(gap.mean(), *np.quantile(gap, [0.025, 0.975]))
    for i, end in enumerate(("null", "null_low", "null_high")):
        rows[end] = [float(null[name][i]) for name in EXTREMES]
    if classes < 20:  # the 5th and the 10th percentile of so few are the weakest class
        rows = rows[~rows["functional"].isin(["p5", "p10"])].reset_index(drop=True)
    return rows, np.stack([drawn.mean[split:], drawn.low[split:], drawn.high[split:]], axis=1)


def _weak_list(table: pd.DataFrame, k, n, present) -> dict[str, float]:
    """Which classes may be named as below the threshold: Benjamini-Hochberg over all classes, and the EB list."""
    p_value = np.full(len(n), np.nan)
    p_value[present] = accuracy.weak_pvalues(k[present], n[present], THRESHOLD)
    adjusted = p_value.copy()
    adjusted[present] = false_discovery_control(p_value[present], method="bh")
    table["weak_p"], table["weak_p_bh"] = p_value, adjusted
    table["named_bh"] = adjusted <= FDR
    table["named_eb"] = pd.array([pd.NA] * len(table), dtype="boolean")  # no list: not the same as a list of none
    if table["estimate"].notna().any():
        table["named_eb"] = pd.array(extremes.eb_list(k, n, THRESHOLD, FDR), dtype="boolean")
    named = table["named_eb"].sum(min_count=1)
    return {"named_bh": int(table["named_bh"].sum()), "named_eb": np.nan if pd.isna(named) else int(named)}


def null_band(n, p: float, *, rng, draws: int = NULL_DRAWS, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Where the sorted accuracies of equally hard classes lie, all at once, in a share `level` of test sets.

    The rank envelope (Myllymaki et al., J. R. Stat. Soc. B 2017): at every rank the r-th lowest and r-th highest of the
    draws, with the largest r that still holds whole draws in that share. A band rank by rank would be left somewhere by
    far more of them.

    Parameters
    ----------
    n : (classes,) items, at least 1; p : accuracy of every class, 0 to 1

    Returns
    -------
    low, high : (classes,), lowest rank first

    >>> [ends.tolist() for ends in null_band(np.array([4, 9]), 1.0, rng=np.random.default_rng(0), draws=20)]
    [[1.0, 1.0], [1.0, 1.0]]
    """
    n = np.asarray(n)
    drawn = np.sort(rng.binomial(n, p, size=(draws, len(n))) / n)
    below, above = rankdata(drawn, method="max", axis=0), draws + 1 - rankdata(drawn, method="min", axis=0)
    extreme = np.sort(np.minimum(below, above).min(axis=1))
    r = max(int(extreme[int((1 - level) * draws)]), 1)
    ordered = np.sort(drawn, axis=0)
    return ordered[r - 1], ordered[draws - r]


# ---- Calibration -----------------------------------------------------------------------------------------------------


def _calibration(answers: Answers, table: pd.DataFrame, why: dict) -> dict[str, float]:
    """Gaps between confidence and accuracy, by true class and by predicted class; columns of the table of classes."""
    if answers.confidence is None:
        why["calibration"] = "no confidences were given"
        return {}
    conf, right, size = answers.confidence, answers.right, len(answers.classes)
    whole = calibration.class_gap(conf, right, np.zeros(len(conf), dtype=np.int64), 1)
    found = {"gap": float(whole.gap[0]), "gap_low": float(whole.low[0]), "gap_high": float(whole.high[0])}
    for by, cls in (("true", answers.label), ("pred", answers.pred)):
        gaps = calibration.class_gap(conf, right, cls, size)
        use = np.isfinite(gaps.p_value)
        adjusted = np.full(size, np.nan)
        if use.any():
            adjusted[use] = false_discovery_control(gaps.p_value[use], method="bh")
        table[f"gap_{by}"], table[f"gap_{by}_low"], table[f"gap_{by}_high"] = gaps.gap, gaps.low, gaps.high
        table[f"gap_{by}_p_bh"] = adjusted
        table[f"gap_{by}_shrunken"] = np.nan
        se = np.isfinite(gaps.se)
        found[f"gap_{by}_classes"] = int(use.sum())
        found[f"gap_{by}_over"] = int(((adjusted <= FDR) & (gaps.gap > 0)).sum())
        found[f"gap_{by}_under"] = int(((adjusted <= FDR) & (gaps.gap < 0)).sum())
        if se.sum() >= 2:
            table[f"gap_{by}_shrunken"] = calibration.shrunken_gaps(gaps)
            observed, noise = gaps.gap[se].var(ddof=1), (gaps.se[se] ** 2).mean()
            found[f"gap_{by}_sd"], found[f"gap_{by}_noise_sd"] = float(observed**0.5), float(noise**0.5)
            found[f"gap_{by}_true_sd"] = float(max(observed - noise, 0) ** 0.5)
    return found


# ---- Confusions ------------------------------------------------------------------------------------------------------


def _confusions(answers: Answers, n, rng, overall: dict, why: dict) -> pd.DataFrame:
    """Every pair of a class and a wrong answer; what the top pairs are on other items, and without structure."""
    # By ReaL labels the answer may be the original class and wrong: no confusion of two classes.
    wrong = ~answers.right & (answers.label != answers.pred)
    label, pred, size = answers.label[wrong], answers.pred[wrong], len(n)
    pair, count = np.unique(label * size + pred, return_counts=True)
    table = pd.DataFrame({"label": pair // size, "pred": pair % size, "count": count})
    table["n"] = n[table["label"]]
    table["share"] = table["count"] / table["n"]
    table["low"], table["high"] = accuracy.wilson(table["count"].to_numpy(), table["n"].to_numpy())
    table["reverse"] = [_count(pair, count, q * size + p) for p, q in zip(table["label"], table["pred"], strict=True)]
    for column in ("label", "pred"):
        table[f"{column}_id"] = answers.classes["class_id"].to_numpy()[table[column]]
        table[f"{column}_name"] = answers.classes["title"].to_numpy()[table[column]]
    table = table.sort_values(["count", "share", "label", "pred"], ascending=[False, False, True, True], kind="stable")
    top = min(TOP_PAIRS, len(table))
    if not top:
        why["confusions"] = "no wrong answers"
        return table
    overall["pairs"] = top
    overall["pairs_share"] = float(table["share"].head(top).mean())
    overall["pairs_reread"] = _reread(answers.label, answers.pred, wrong, size, top, rng)
    null, again = [], []
    for _ in range(NULL_DEALS):  # the wrong answers dealt anew over the wrong items, and treated in the same way
        dealt = answers.pred.copy()
        dealt[wrong] = rng.permutation(pred)
        astray = wrong & (dealt != answers.label)
        codes, many = np.unique((answers.label * size + dealt)[astray], return_counts=True)
        best = np.argsort(-many, kind="stable")[:top]
        null.append((many[best] / n[codes[best] // size]).mean() if len(best) else 0.0)
        again.append(_reread(answers.label, dealt, astray, size, top, rng, splits=2))
    overall["pairs_null"] = float(np.mean(null))
    overall["pairs_reread_null"] = float(np.nanmean(again)) if np.isfinite(again).any() else np.nan
    return table.reset_index(drop=True)


def _count(pair, count, wanted: int) -> int:
    place = np.searchsorted(pair, wanted)
    return int(count[place]) if place < len(pair) and pair[place] == wanted else 0


def _reread(label, pred, wrong, size: int, top: int, rng, splits: int = 20) -> float:
    """Mean share of the top pairs, chosen on half of the items of each class and read on the other half."""
    read, pair = [], label * size + pred
    for _ in range(splits):
        order = np.argsort(label + rng.random(len(label)))
        half = np.zeros(len(order), dtype=bool)
        half[order[::2]] = True
        for chosen in (half, ~half):
            code, many = np.unique(pair[wrong & chosen], return_counts=True)
            best = code[np.argsort(-many, kind="stable")[:top]]
            items = np.bincount(label[~chosen], minlength=size)[best // size]
            again, count = np.unique(pair[wrong & ~chosen], return_counts=True)
            hits = np.array([_count(again, count, one) for one in best])
            if (items > 0).any():
                read.append((hits[items > 0] / items[items > 0]).mean())
    return float(np.mean(read)) if read else np.nan
