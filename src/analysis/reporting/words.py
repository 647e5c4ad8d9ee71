"""The tables and sentences of a report, the same on the terminal and on the page."""

import math
from typing import NamedTuple

from .compute import DRAWS, FDR, REFITS, SPLITS, THRESHOLD, TOP_PAIRS, Findings
from .place import CLASS_DRAWS, HALF_SPLITS

EXTREME_HEAD = ("", "read off (biased)", "cross-fitted [95 %]", "estimate [95 %]", "if all were equally hard [95 %]")


class Told(NamedTuple):
    """A table: `head` names of the columns, `rows` of text; the first column is text, the others are numbers."""

    head: tuple[str, ...]
    rows: list[tuple[str, ...]]


def percent(value, digits: int = 1) -> str:
    """A fraction as per cent, without the sign; "" where it is unknown.

    >>> percent(0.78006), percent(float("nan")), percent(-0.0017)
    ('78.0', '', '−0.2')
    """
    if value is None or not math.isfinite(value):
        return ""
    text = f"{100 * value:.{digits}f}"
    return ("0.0"[: 2 + digits] if float(text) == 0 else text).replace("-", "−")


def count(value) -> str:
    """A number of classes: whole where it is, else one digit.

    >>> count(59.0), count(0.0033), count(54.1)
    ('59', '0.0', '54.1')
    """
    return "" if not math.isfinite(value) else f"{value:.0f}" if value == round(value) else f"{value:.1f}"


def between(value, low, high, form=percent) -> str:
    """A value with its interval.

    >>> between(0.5, 0.4, 0.6), between(0.5, float("nan"), float("nan"))
    ('50.0 [40.0, 60.0]', '50.0')
    """
    text = form(value)
    return f"{text} [{form(low)}, {form(high)}]" if text and math.isfinite(low) and math.isfinite(high) else text


def headline(found: Findings) -> Told:
    """What comes first."""
    one, rows = found.overall, []
    head = ("", "value [95 %]", "beside it")
    rows.append(("accuracy, %", between(one["accuracy"], one["low"], one["high"]), f"{one['n_items']:,} items"))
    mean = between(one["mean_class"], one["mean_class_low"], one["mean_class_high"])
    rows.append(("mean class accuracy, %", mean, f"{one['n_classes']:,} classes"))
    if math.isfinite(one["top5"]):
        rows.append(("label among the best 5, %", percent(one["top5"]), ""))
    tail = found.extremes.set_index("functional") if len(found.extremes) else None
    if tail is not None:
        worst, below = tail.loc["worst_q"], tail.loc["below"]
        estimate = between(worst.estimate, worst.estimate_low, worst.estimate_high)
        rows.append(
            (f"mean of the {one['q']} weakest classes, %", estimate, f"{percent(worst.null)} if all equally hard")
        )
        estimate = between(below.estimate, below.estimate_low, below.estimate_high, count)
        beside = (
            f"{count(below.null)} if all equally hard; {one['named_bh']} can be named by BH, {one['named_eb']} by EB"
        )
        rows.append((f"classes below {percent(THRESHOLD, 0)} %", estimate, beside))
    if "gap" in one:
        gap = between(one["gap"], one["gap_low"], one["gap_high"])
        rows.append(("confidence minus accuracy, points", gap, "0 if calibrated"))
    return Told(head, rows)


def extremes(found: Findings) -> Told:
    """The extremes by all readings."""
    rows = []
    for row in found.extremes.itertuples():
        form = count if row.functional == "below" else percent
        rows.append(
            (
                row.what
                if row.functional == "below"
                else f"{row.what}, {'points' if row.functional == 'gap' else '%'}",
                form(row.read_off),
                between(row.crossfit, row.crossfit_low, row.crossfit_high, form),
                between(row.estimate, row.estimate_low, row.estimate_high, form),
                between(row.null, row.null_low, row.null_high, form),
            )
        )
    return Told(EXTREME_HEAD, rows)


def weak(found: Findings, most: int = 15) -> Told:
    """The classes with the lowest estimates; those that may be named as weak are marked."""
    top = found.confusions.drop_duplicates("label").set_index("label") if len(found.confusions) else None
    rows = []
    for row in found.weakest.head(most).itertuples():
        taken = ""
        if top is not None and row.position in top.index:
            pair = top.loc[row.position]
            taken = f"{pair['pred_name']} ({pair['count']} of {row.n})"
        named = " and ".join(name for name, yes in (("BH", row.named_bh), ("EB", row.named_eb)) if yes)
        read_off = between(row.accuracy, row.low, row.high)
        estimate = between(row.estimate, row.estimate_low, row.estimate_high)
        rows.append(
            (str(row.name), f"{row.correct} of {row.n}", read_off, estimate, percent(row.precision), named, taken)
        )
    head = (
        "class",
        "right",
        "read off, % [Wilson]",
        "estimate, % [95 %]",
        "precision, %",
        "named weak by",
        "taken for",
    )
    return Told(head, rows)


def weak_sentence(found: Findings) -> str:
    """How many classes are weak, and how many may be named."""
    one = found.overall
    below = int((found.classes["accuracy"] < THRESHOLD).sum())
    text = f"{_classes(below)} came out below {percent(THRESHOLD, 0)} %."
    if len(found.extremes):
        row = found.extremes.set_index("functional").loc["below"]
        text += f" Estimated number: {between(row.estimate, row.estimate_low, row.estimate_high, count)}."
    return (
        f"{text} By name, {_classes(one['named_bh'])} can be called weak with a false discovery rate of {FDR:.0%}"
        f" (Benjamini-Hochberg over all {one['n_classes']:,} classes; safe but blunt), {one['named_eb']} by the"
        f" empirical Bayes list (an expected share of {FDR:.0%} wrong if the fitted prior holds)."
    )


def _classes(number: int) -> str:
    return f"{number} class" if number == 1 else f"{number} classes"


def calibration(found: Findings) -> list[str]:
    """Sentences on calibration."""
    one, text = found.overall, []
    gap = between(one["gap"], one["gap_low"], one["gap_high"])
    text.append(f"Over all items, confidence minus accuracy is {gap} points (positive: overconfident).")
    for by, words in (("pred", "predicted class (can an answer be believed?)"), ("true", "true class")):
        part = (
            f"By {words}: {one[f'gap_{by}_over']} of {one[f'gap_{by}_classes']} classes are overconfident and"
            f" {one[f'gap_{by}_under']} underconfident with a false discovery rate of {FDR:.0%}"
        )
        if f"gap_{by}_sd" in one:
            spread = [percent(one[f"gap_{by}_{kind}"]) for kind in ("sd", "noise_sd", "true_sd")]
            part += f"; the gaps scatter by {spread[0]} points, of which noise {spread[1]}, truly {spread[2]} (sd)"
        text.append(part + ".")
    text.append("By true class weak classes are overconfident by construction: wrong answers were as sure as others.")
    return text


def calibration_table(found: Findings, most: int = 8) -> Told:
    """The predicted classes with the largest gaps once noise is taken off."""
    rows = found.classes.dropna(subset=["gap_pred_shrunken"])
    rows = rows.reindex(rows["gap_pred_shrunken"].abs().sort_values(ascending=False, kind="stable").index).head(most)
    told = [
        (
            str(row.name),
            str(row.predicted),
            between(row.gap_pred, row.gap_pred_low, row.gap_pred_high),
            percent(row.gap_pred_shrunken),
            "yes" if row.gap_pred_p_bh <= FDR else "",
        )
        for row in rows.itertuples(index=False)
    ]
    return Told(("predicted class", "times", "gap, points [95 %]", "noise taken off", f"at FDR {FDR:.0%}"), told)


def confusions(found: Findings, most: int = TOP_PAIRS) -> Told:
    """The most frequent confusions."""
    rows = [
        (
            str(row["label_name"]),
            str(row["pred_name"]),
            f"{row['count']} of {row['n']}",
            between(row["share"], row["low"], row["high"]),
            str(row["reverse"]),
        )
        for row in found.confusions.head(most).to_dict("records")
    ]
    return Told(("class", "taken for", "items", "share, % [Wilson]", "the other way round"), rows)


def confusion_sentence(found: Findings) -> str:
    """What the top pairs are worth."""
    one = found.overall
    return (
        f"The {one['pairs']} most frequent pairs take {percent(one['pairs_share'])} % of the items of their classes on"
        f" the items that picked them; picked on one half and read on the other, {percent(one['pairs_reread'])} %. Were"
        " the wrong answers dealt at random among the wrong items, the top pairs would show"
        f" {percent(one['pairs_null'])} %."
    )


def standing(found: Findings, rank: dict) -> list[str]:
    """Rank among the shipped models."""
    text = []
    names = {
        "overall": "overall accuracy",
        "worst_q": f"the mean of the {found.overall['q']} weakest classes (cross-fitted)",
    }
    for key, words in names.items():
        if key not in rank:
            continue
        one = rank[key]
        part = f"By {words}: place {one['rank']} of {rank['models'] + 1}"
        if "apart" in one:
            part += (
                f"; {one['better']} shipped models are ahead beyond noise, {one['worse']} behind,"
                f" {one['apart']} cannot be told apart"
            )
        text.append(part + ".")
    if rank["twins"]:
        text.append(f"Right and wrong on exactly the same items as {rank['twins'][0]}.")
    return text


def sharing(summary: dict) -> str:
    """Do the shipped models find the same classes hard?"""
    return (
        f"Over {summary['models']} shipped models the corrected correlation of class accuracies has median"
        f" {summary['r_median']:.3f} (range {summary['r_low']:.3f} to {summary['r_high']:.3f}). Overlaps are of the"
        f" {summary['q']} weakest classes taken from disjoint halves of the items: chance gives"
        f" {summary['chance']:.1f}, this model with itself reaches {summary['ceiling']:.1f}; ratio 1 means the same"
        " weak classes."
    )


def sharing_table(table) -> Told:
    """One network a family."""
    rows = [
        (
            row.label,
            between(row.r, row.r_low, row.r_high, lambda value: f"{value:.3f}"),
            f"{row.raw:.3f}",
            f"{row.overlap:.1f}",
            f"{row.ceiling:.1f}",
            "" if not math.isfinite(row.ratio) else f"{row.ratio:.2f}",
        )
        for row in table.itertuples()
    ]
    return Told(("network", "corrected r [95 %, G]", "raw r", "overlap", "its own ceiling", "ratio"), rows)


def shift_table(shifts) -> Told:
    """One row a shifted set; `shifts` holds (clean, shifted, found, why)."""
    rows = []
    for clean, other, one, why in shifts:
        if why:
            rows.append((f"{clean} to {other}", why, "", "", "", ""))
            continue
        r = between(
            one["r"], one["r_low"], one["r_high"], lambda value: "" if not math.isfinite(value) else f"{value:.2f}"
        )
        rows.append(
            (
                f"{clean} to {other}" + (" (same items)" if one["paired"] else ""),
                f"{percent(one['overall_clean'])} to {percent(one['overall_shift'])}",
                between(one["contrast"], one["contrast_low"], one["contrast_high"]),
                between(one["mirror"], one["mirror_low"], one["mirror_high"]),
                percent(one["naive"]),
                r,
            )
        )
    head = ("sets", "accuracy, %", "contrast, points [95 %, G]", "mirror [95 %, G]", "naive", "clean-shift r [95 %, G]")
    return Told(head, rows)


def shift_reading(one: dict) -> str:
    """What contrast and mirror allow to say.

    >>> ends = {"contrast_low": -0.1, "contrast_high": -0.03, "mirror_low": 0.05, "mirror_high": 0.1, "q": 50}
    >>> shift_reading(ends)
    'Contrast and mirror have opposite signs: it does not follow that weak classes are fragile, nor robust.'
    """
    ends = [(one[f"{name}_low"], one[f"{name}_high"]) for name in ("contrast", "mirror")]
    signs = [1 if low > 0 else -1 if high < 0 else 0 for low, high in ends]
    if signs == [1, 1]:
        return f"The {one['q']} weak classes lose more than the rest, whichever set chooses them."
    if signs == [-1, -1]:
        return f"The {one['q']} weak classes lose less than the rest, whichever set chooses them."
    if 0 in signs:
        return "Cannot tell: the interval of the contrast or of its mirror holds 0, or is not defined."
    return "Contrast and mirror have opposite signs: it does not follow that weak classes are fragile, nor robust."


METHODS = (
    (
        "Read off",
        "computed on the items that also picked the extreme: the lowest of many noisy figures lies below the truth.",
    ),
    (
        "Estimate",
        f"posterior draws of all class accuracies under a smooth prior fitted to these counts (Efron, Biometrika 2016),"
        f" refitted on {REFITS} resamples of the classes, {DRAWS} draws each. Simulated, such nominal 95 % intervals"
        " cover about 90 %. For these classes and fresh items.",
    ),
    (
        "Cross-fitted",
        f"classes chosen on one half of the items, read on the other, {SPLITS} splits: errs upwards, so that it and the"
        " figure read off bracket the truth in expectation.",
    ),
    ("If all were equally hard", "what pure noise gives if every class had the overall accuracy (simulated)."),
    (
        "Intervals",
        "Wilson 95 % for a class fixed in advance; they do not hold for a class because it came out lowest, the"
        " estimate does. Mean class accuracy: normal, these classes, fresh items.",
    ),
    (
        "Correlation and overlap",
        "corrected for the noise and for the items that models share (the mean over all splits of half against half, in"
        f" closed form); 95 % by resampling classes ({CLASS_DRAWS} draws), for fresh classes (G). Overlaps:"
        f" {HALF_SPLITS} splits, ties shared.",
    ),
    (
        "Ranks",
        "beyond noise: the 95 % interval of the difference excludes 0, each model by itself; accuracy on the same items"
        " (paired), weakest classes conservatively.",
    ),
    (
        "Shift",
        "contrast: loss of the classes that are weak on half of the clean items, read on the other half, less the loss"
        " of the rest; mirror: the same, chosen on the shifted items. Only where both agree does it say something about"
        " weak classes; else it is regression to the mean.",
    ),
)
