"""The tables and sentences of a report, the same on the terminal and on the page."""

import math
from typing import NamedTuple

import pandas as pd

from .compute import DRAWS, FDR, REFITS, SPLITS, THRESHOLD, TOP_PAIRS, Findings
from .place import CLASS_DRAWS, HALF_SPLITS, SCALES

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
    rows.append(
        ("accuracy, %", between(one["accuracy"], one["low"], one["high"]), _number(one["n_items"], "item", "items"))
    )
    mean = between(one["mean_class"], one["mean_class_low"], one["mean_class_high"])
    rows.append(("mean class accuracy, %", mean, _number(one["n_classes"], "class", "classes")))
    if math.isfinite(one["top5"]):
        rows.append(("label among the best 5, %", percent(one["top5"]), ""))
    tail = found.extremes.set_index("functional") if len(found.extremes) else None
    if tail is not None:
        worst, below = tail.loc["worst_q"], tail.loc["below"]
        estimate = between(worst.estimate, worst.estimate_low, worst.estimate_high)
        beside = f"read off {percent(worst.read_off)}, and {percent(worst.null)} if all were equally hard"
        rows.append((f"mean of the {one['q']} weakest classes, %", estimate, beside))
        estimate = between(below.estimate, below.estimate_low, below.estimate_high, count)
        beside = f"read off {count(below.read_off)}, and {count(below.null)} if all were equally hard"
        beside += f"; {one['named_bh']} can be named by BH"
        beside += f", {count(one['named_eb'])} by EB"
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
        marks = (("BH", row.named_bh), ("EB", not pd.isna(row.named_eb) and row.named_eb))
        named = " and ".join(name for name, yes in marks if yes)
        read_off = between(row.accuracy, row.low, row.high)
        estimate = between(row.estimate, row.estimate_low, row.estimate_high)
        rows.append((str(row.name), f"{row.correct} of {row.n}", read_off, estimate, precision(row), named, taken))
    head = (
        "class",
        "right",
        "read off, % [Wilson]",
        "estimate, % [95 %]",
        "precision, % [Wilson]",
        "named weak by",
        "taken for",
    )
    return Told(head, rows)


def precision(row) -> str:
    """Share of the answers "this class" that are right, with interval and counts; "" where there are none."""
    if not math.isfinite(row.precision):
        return ""
    share = between(row.precision, row.precision_low, row.precision_high)
    return f"{share}, {round(row.precision * row.predicted)} of {row.predicted}"


def weak_sentence(found: Findings) -> str:
    """How many classes are weak, and how many may be named."""
    one = found.overall
    below = int((found.classes["accuracy"] < THRESHOLD).sum())
    text = f"{_classes(below)} came out below {percent(THRESHOLD, 0)} %."
    if len(found.extremes):
        row = found.extremes.set_index("functional").loc["below"]
        text += f" Estimated number: {between(row.estimate, row.estimate_low, row.estimate_high, count)}."
    text += (
        f" By name, {_classes(one['named_bh'])} can be called weak with a false discovery rate of {FDR:.0%}"
        f" (Benjamini-Hochberg over all {one['n_classes']:,} classes; safe but blunt)"
    )
    if not math.isfinite(one["named_eb"]):
        return f"{text}; an empirical Bayes list is {found.why['extremes']}."
    return (
        f"{text}, {one['named_eb']} by the empirical Bayes list (an expected share of {FDR:.0%} wrong if the fitted"
        " prior holds)."
    )


def _number(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"


def _classes(number: int) -> str:
    return _number(number, "class", "classes")


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
    return Told(("class", "taken for", "items", "share, % [Wilson, if fixed in advance]", "the other way round"), rows)


def confusion_sentence(found: Findings) -> str:
    """What the top pairs are worth, each figure beside what answers dealt at random give in the same way."""
    one, again = found.overall, ""
    if math.isfinite(one["pairs_reread"]):
        dealt = f" ({percent(one['pairs_reread_null'])} % if dealt)" if math.isfinite(one["pairs_reread_null"]) else ""
        again = f"; picked on one half and read on the other, {percent(one['pairs_reread'])} %{dealt}"
    return (
        f"The {one['pairs']} most frequent pairs take {percent(one['pairs_share'])} % of the items of their classes on"
        f" the items that picked them ({percent(one['pairs_null'])} % if the wrong answers were dealt at random among"
        f" the wrong items){again}."
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
        f" {summary['chance']:.1f}, this model with itself reaches {summary['ceiling']:.1f}."
    )


RATIO = "Ratio: the overlap over what both would reach with themselves; 1 means the same weak classes."


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


SCALE_WORDS = {"points": "points", "ratio": "share kept, %", "logit": "logit"}


def two_digits(value) -> str:
    """A number with two digits and its sign; "" where it is unknown.

    >>> two_digits(-0.416), two_digits(float("nan"))
    ('−0.42', '')
    """
    return f"{value:.2f}".replace("-0.00", "0.00").replace("-", "−") if math.isfinite(value) else ""


def shift_table(shifts) -> Told:
    """A row for every scale of a shifted set; `shifts` holds (clean, shifted, found, why)."""
    rows = []
    for clean, other, one, why in shifts:
        if why:
            rows.append((f"{clean} to {other}", why, "", "", "", "", ""))
            continue
        sets = f"{clean} to {other}" + (" (same items)" if one["paired"] else "")
        overall = f"{percent(one['overall_clean'])} to {percent(one['overall_shift'])}"
        for scale, suffix in SCALES.items():
            form = two_digits if scale == "logit" else percent
            ends = [
                between(*(one[f"{name}{suffix}{end}"] for end in ("", "_low", "_high")), form) or "not defined"
                for name in ("contrast", "mirror")
            ]
            r = between(one["r"], one["r_low"], one["r_high"], two_digits) if scale == "points" else ""
            rows.append((sets, overall, SCALE_WORDS[scale], *ends, form(one[f"naive{suffix}"]), r))
            sets = overall = ""
    head = (
        "sets",
        "accuracy, %",
        "scale",
        "contrast [95 %, G]",
        "mirror [95 %, G]",
        "naive",
        "clean-shift r [95 %, G]",
    )
    return Told(head, rows)


_MORE = {"points": "lose more points", "ratio": "keep a smaller share", "logit": "lose more on the logit scale"}
_LESS = {"points": "lose fewer points", "ratio": "keep a larger share", "logit": "lose less on the logit scale"}
_OPPOSITE = "contrast and mirror have opposite signs, so that they are neither fragile nor robust by it"
_UNKNOWN = "cannot tell, for the interval of the contrast or of its mirror holds 0 or is not defined"


def shift_reading(one: dict) -> str:
    """What contrast and mirror allow to say: on every scale by its name, and in general only where all scales agree.

    >>> scales = [f"{name}{scale}" for name in ("contrast", "mirror") for scale in SCALES.values()]
    >>> one = {"q": 5} | {f"{name}_low": -0.2 for name in scales} | {f"{name}_high": -0.1 for name in scales}
    >>> shift_reading(one)
    'The 5 weak classes lose less than the rest on every scale (points, share kept, logit), whichever set chooses them.'
    >>> shift_reading(one | {"mirror_ratio_high": 0.1})[:98]
    'The scales do not agree, so nothing holds in general. Points: the 5 weak classes lose fewer points'
    """
    said = {scale: _verdict(one, suffix) for scale, suffix in SCALES.items()}
    verdicts = set(said.values())
    every = "on every scale (points, share kept, logit)"
    if verdicts == {1}:
        return f"The {one['q']} weak classes lose more than the rest {every}, whichever set chooses them."
    if verdicts == {-1}:
        return f"The {one['q']} weak classes lose less than the rest {every}, whichever set chooses them."
    if verdicts == {0}:
        return f"Cannot tell {every}: the interval of the contrast or of its mirror holds 0, or is not defined."
    if verdicts == {None}:
        return (
            f"Contrast and mirror have opposite signs {every}: it does not follow that weak classes are fragile, nor"
            " robust."
        )
    parts = []
    for scale, verdict in said.items():
        words = {1: _MORE[scale], -1: _LESS[scale]}.get(verdict)
        words = f"the {one['q']} weak classes {words} than the rest, whichever set chooses them" if words else None
        name = SCALE_WORDS[scale].removesuffix(", %")
        parts.append(f"{name[0].upper()}{name[1:]}: {words or (_OPPOSITE if verdict is None else _UNKNOWN)}.")
    return f"The scales do not agree, so nothing holds in general. {' '.join(parts)}"


def _verdict(one: dict, suffix: str) -> int | None:
    """1, -1: contrast and mirror both lie above or below 0; 0: one is not told apart from it; None: opposite signs."""
    ends = [(one[f"{name}{suffix}_low"], one[f"{name}{suffix}_high"]) for name in ("contrast", "mirror")]
    signs = [1 if low > 0 else -1 if high < 0 else 0 for low, high in ends]
    return 0 if 0 in signs else signs[0] if signs[0] == signs[1] else None


CLOSING = (
    "Intervals hold for these classes and fresh items (C); those marked G for fresh classes too. Those of estimates are"
    " nominally 95 %, about 90 % in simulations."
)

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
    (
        "If all were equally hard",
        "what pure noise gives if every class had the overall accuracy (simulated). The grey band about the sorted"
        " classes holds all ranks at once in 95 % of such test sets (rank envelope; Myllymäki et al. 2017).",
    ),
    (
        "Intervals",
        "Wilson 95 % for a class fixed in advance; they do not hold for a class because it came out lowest, the"
        " estimate does. Nor do they for the confusions picked as the most frequent: their shares lie too high. Mean"
        " class accuracy: Wilson of as many items as leave it the same variance, these classes, fresh items.",
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
        " weak classes; else it is regression to the mean. Points: errors more per 100 items; share kept: shifted over"
        " clean accuracy, that of the rest less that of the weak; logit: log odds lost, of group means. They can differ"
        " in sign, for a strong class has more points to lose. Sets of the same items are read in pairs.",
    ),
)
