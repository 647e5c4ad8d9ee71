"""Notebook 07: what a naive reading of class accuracies says, and what holds."""

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from . import style
from .registry import drawing
from .style import FULL, INK, NULL, NULL_TEXT, REST, SMALL, STRONG, WEAK

WRONG, SOUND, OTHER_WAY = "#D55E00", "#0072B2", "#009E73"
STATISTICS = {"worst": "Mean of the {q} weakest classes (%)", "minimum": "Lowest class (%)"}
READINGS = {  # reading: name, colour, marker, fill, place beside the network
    "plug-in": ("plug-in", INK, "_", INK, 0.0),
    "bootstrap": ("bootstrap of the plug-in (wrong)", WRONG, "s", "white", -0.26),
    "posterior draws": ("posterior draws", SOUND, "o", SOUND, 0.2),
    "cross-fitted": ("cross-fitted", OTHER_WAY, "^", "white", 0.34),
}
IMAGES = {
    "imagenet-val": "ImageNet",
    "imagenetv2-matched-frequency": "ImageNet-V2, matched frequency",
}
SHAM = (  # set, whether corrected, name, colour
    ("real classes", False, "real, as observed", NULL),
    ("real classes", True, "real, corrected", SOUND),
    ("sham classes", False, "sham, as observed", NULL),
    ("sham classes", True, "sham, corrected", SOUND),
)
SHAM_PANELS = (  # column as observed, column corrected, title
    ("raw_r", "corrected_r", "Correlation of class accuracies"),
    ("fisher_log10", None, "Fisher's p for the overlap (power of 10)"),
    ("raw_covariance", "corrected_covariance", "Covariance (squared points)"),
)
SELECTIONS = {
    "no shift": "no shift: chosen and read on one half\nof the clean images, then the other half",
    "naive": "naive: chosen and read on\nthe same clean images",
    "cross-fitted": "cross-fitted: chosen on half of the\nclean images, read on the other half",
    "mirror": "mirror: chosen on half of the shifted\nimages, read on the other half",
}
PARTS = {  # column: name, colour, hatch
    "whole_class": ("run: the whole class moves", "#D55E00", ""),
    "single_items": ("run: single items flip", "#F0B98D", "////"),
    "test_items": ("choice of test items", "#A6CEE3", ""),
}
CLASSES = {  # reading: name, colour of the better, colour of the worse
    "sign": ("by sign", "#A6CEE3", "#F0B98D"),
    "p below 0.05": ("McNemar, p < 0.05", "#5FA3D3", "#E58A4E"),
    "adjusted": ("adjusted over classes", SOUND, WRONG),
}
WIDE = 5  # inches from which there is room for whole names
FLIP, FRESH = "#D5D5D5", "#8C8C8C"


@drawing(
    columns="model label overall statistic reading value low high q",
    width=FULL,
    height=lambda table, width: 1.5 + 2.0 * table["statistic"].nunique(),
    caption="The lowest classes of {model} networks, in the order of their overall accuracy. Plug-in: chosen and read"
    " on the same images, too low. Its percentile bootstrap adds the noise a second time and lies lower still."
    " Posterior draws and cross-fit (chosen on half of the images, read on the other; too high), with nominal 95 %"
    " intervals for these classes on fresh images. Grey: expectation and central 95 % of the plug-in if all classes"
    " were equally hard.",
)
def draw_fig07_winners_curse(table, figure):
    order = style.ordered(table.sort_values(["overall", "model"], kind="stable")["model"])
    place = {model: at for at, model in enumerate(order)}
    labels = table.drop_duplicates("model").set_index("model")["label"]
    statistics = [name for name in STATISTICS if name in set(table["statistic"])]
    for axes, statistic in zip(style.panels(figure, len(statistics), 1, sharex=True), statistics, strict=True):
        rows = table[table["statistic"] == statistic]
        null = rows[rows["reading"] == "equally hard"].sort_values("overall", kind="stable")
        x = null["model"].map(place).sort_values().to_numpy()
        null = null.set_index("model").loc[order]
        axes.fill_between(x, null["low"], null["high"], color=NULL, alpha=0.5, linewidth=0)
        axes.plot(x, null["value"], color=NULL_TEXT, linewidth=1)
        for reading, (_, colour, marker, fill, beside) in READINGS.items():
            part = rows[rows["reading"] == reading]
            at = np.array([place[model] + beside for model in part["model"]])
            axes.vlines(at, part["low"], part["high"], color=colour, linewidth=0.9)
            size = 4.5 if marker == "_" else 2.4
            axes.plot(at, part["value"], marker, color=colour, markerfacecolor=fill, markersize=size)
        axes.set(ylabel=STATISTICS[statistic].format(q=f"{rows['q'].iloc[0]:.0f}"), ylim=(0, None))
        axes.set_xlim(-0.9, len(order) - 0.1)
        axes.grid(axis="y")
        style.percent(axes.yaxis)
    step = max(1, int(np.ceil(0.14 * len(order) / figure.get_figwidth())))
    shown = range(0, len(order), step)
    axes.set_xticks(shown, [labels[order[at]] for at in shown], rotation=90, fontsize=SMALL)
    handles = [
        Line2D([], [], color=colour, marker=marker, markerfacecolor=fill, markersize=4, linewidth=0.9, label=name)
        for name, colour, marker, fill, _ in READINGS.values()
    ]
    handles[0].set_linestyle("none")
    handles.append(Line2D([], [], color=NULL_TEXT, linewidth=1, label="if all classes were equally hard"))
    style.legend(figure, handles)


@drawing(
    columns="dataset images pair chance as_coded low expected high",
    width=FULL,
    height=lambda table, width: 0.6 + style.grid(table["dataset"].nunique(), width, 2, 2.4)[0] * 2.5,
    caption="How many of their weakest classes two networks share, for {pair} pairs of networks in the order of the"
    " expected overlap. Band: least and most over all ways to break ties at the cut; line: ties broken at random in"
    " each network; points: ties broken by the index of the class, as a sort does. Dotted: independent sets. These"
    " describe the test set at hand and have no interval.",
)
def draw_fig07_ties(table, figure):
    datasets = style.ordered(table["dataset"])
    for axes, dataset in zip(style.panels(figure, len(datasets), 2, 2.4, sharey=True), datasets, strict=True):
        rows = table[table["dataset"] == dataset].sort_values(["expected", "pair"], kind="stable")
        x = np.arange(1, len(rows) + 1)
        axes.fill_between(x, rows["low"], rows["high"], step="mid", color=SOUND, alpha=0.25, linewidth=0)
        axes.plot(x, rows["as_coded"], "o", color=WRONG, markersize=1.3, markeredgewidth=0, alpha=0.75)
        axes.plot(x, rows["expected"], color=SOUND, linewidth=1.3)
        axes.axhline(rows["chance"].iloc[0], color=NULL_TEXT, linewidth=0.9, linestyle=(0, (1, 1.5)))
        axes.set_title(f"{IMAGES.get(dataset, dataset)}, {rows['images'].iloc[0]:.0f} images a class")
        axes.set(xlabel="Pairs of networks", xlim=(0, len(rows) + 1), ylim=(0, 1.05 * table["high"].max()))
        axes.grid(axis="y")
    figure.supylabel("Weak classes shared", fontsize="medium")
    handles = [
        Line2D([], [], color=WRONG, marker="o", linestyle="none", markersize=2.5, label="ties by index, as sorted"),
        Line2D([], [], color=SOUND, linewidth=1.3, label="ties at random: expected"),
        Patch(color=SOUND, alpha=0.25, linewidth=0, label="any way to break ties"),
        Line2D([], [], color=NULL_TEXT, linestyle=(0, (1, 1.5)), label="chance"),
    ]
    style.legend(figure, handles)


@drawing(
    columns="pair set raw_r corrected_r fisher_log10 raw_covariance corrected_covariance",
    width=FULL,
    height=lambda table, width: 0.3 + style.grid(3, width, 3, 1.9)[0] * 1.95,
    caption="Agreement of {pair} pairs of networks in the real classes and in sham classes, to which the same images"
    " were dealt at random: distribution over pairs, mean (tick) and central 90 % of the pairs (bar; no confidence"
    " interval). Sham classes do not differ in difficulty: what they show as observed is due to the images that the"
    " networks share. Corrected: freed of noise and of these shared images.",
)
def draw_fig07_sham(table, figure):
    rows = [(place, *each) for place, each in enumerate(SHAM)]
    panels = style.panels(figure, len(SHAM_PANELS), 3, 1.9, sharey=True)
    for axes, (observed, corrected, title) in zip(panels, SHAM_PANELS, strict=True):
        scale = 1e4 if "covariance" in observed else 1
        for place, which, freed, _, colour in rows:
            column = corrected if freed else observed
            values = table.loc[table["set"] == which, column].dropna() * scale if column else []
            if len(values):
                form = "{:.1f}" if scale > 1 else "{:.0f}" if column == "fisher_log10" else "{:.2f}"
                _distribution(axes, values, place, colour, form)
        axes.axvline(0, color=INK, linewidth=0.7)
        axes.set_title(title, fontsize=SMALL)
        style.rows_upward(axes, [name for _, _, _, name, _ in rows])
        axes.set_ylim(len(rows) - 0.4, -0.75)
    panels[0].set_xlim(0, 1.03)
    note = {"fontsize": SMALL, "color": NULL_TEXT, "va": "center", "transform": panels[0].get_yaxis_transform()}
    panels[0].text(0.04, 3, "not defined:\nno spread left", **note)
    panels[1].text(0.04, 1, "does not apply", **note | {"transform": panels[1].get_yaxis_transform()})
    panels[1].text(0.04, 3, "does not apply", **note | {"transform": panels[1].get_yaxis_transform()})


def _distribution(axes, values, place: float, colour: str, form: str) -> None:
    body = axes.violinplot(values, positions=[place + 0.15], orientation="horizontal", side="low", widths=1.0)
    for part in ("cbars", "cmins", "cmaxes"):
        body[part].set_visible(False)
    body["bodies"][0].set(facecolor=colour, edgecolor="none", alpha=0.8, linewidth=0)
    low, high = np.quantile(values, [0.05, 0.95])
    axes.hlines(place + 0.15, low, high, color=INK, linewidth=0.7)
    mean = np.mean(values)
    axes.plot(mean, place + 0.15, "|", color=INK, markersize=6, markeredgewidth=1.5)
    # A narrow one next to the line at 0 has its number beside it, not on the line.
    beside = {"xytext": (6, 0), "ha": "left", "va": "center"} if high < 50 and mean < 50 and "1f" in form else None
    below = {"xytext": (0, -4), "ha": "center", "va": "top"}
    text = form.format(mean).replace("-", "−")
    axes.annotate(text, (mean, place + 0.15), textcoords="offset points", fontsize=SMALL, **(beside or below))


@drawing(
    columns="shift selection clean_weak shift_weak clean_rest shift_rest value low high q models",
    width=FULL,
    height=lambda table, width: 0.75 + style.grid(2, width, 2, 2.2)[0] * (0.45 + 0.42 * len(table)),
    caption="Do the weakest classes lose more under shift ({shift:values})? Left: mean accuracy of the {q:values}"
    " weakest classes and of the rest, first reading (open) and second (filled), mean of {models:values} networks."
    " Right: loss of the weakest less that of the rest, with the 95 % interval of a class bootstrap. First row: no"
    " shift at all, so what it shows is noise of the choice; cross-fitting removes that. Where cross-fit and mirror"
    " differ in sign, the classes weak on one side are not quite the same as those weak on the other, and neither"
    " sign is a finding.",
)
def draw_fig07_regressions(table, figure):
    levels, losses = style.panels(figure, 2, 2, 2.2, sharey=True)
    place = np.arange(len(table))
    for group, colour, marker, offset in (("rest", REST, "o", -0.12), ("weak", WEAK, "v", 0.12)):
        first, second = table[f"clean_{group}"], table[f"shift_{group}"]
        levels.hlines(place + offset, first, second, color=colour, linewidth=1.4, alpha=0.7)
        levels.plot(first, place + offset, marker, color=colour, markerfacecolor="white", markersize=4.4)
        levels.plot(second, place + offset, marker, color=colour, markersize=4.4)
    wide = figure.get_figwidth() > WIDE
    names = [SELECTIONS.get(selection, selection) if wide else selection for selection in table["selection"]]
    losses.axvline(0, color=INK, linewidth=0.7)
    sound = table["selection"].isin(["cross-fitted", "mirror"])
    for part, colour, fill in ((~sound, NULL_TEXT, "white"), (sound, SOUND, SOUND)):
        losses.hlines(place[part], table["low"][part], table["high"][part], color=colour, linewidth=1.2)
        losses.plot(table["value"][part], place[part], "o", color=colour, markerfacecolor=fill, markersize=4.6)
    for row, at in zip(table.itertuples(), place, strict=True):
        text = f"{100 * row.value:+.1f} [{100 * row.low:+.1f}, {100 * row.high:+.1f}]".replace("-", "−")
        side = np.sign(row.value) or 1.0  # beside the line at 0, on the side of the estimate
        note = {"ha": "left" if side > 0 else "right", "va": "bottom", "fontsize": SMALL}
        losses.annotate(text, (0, at), (3 * side, 4), textcoords="offset points", **note)
    furthest = 1.35 * table[["low", "high"]].abs().max(axis=None)
    losses.set_xlim(-furthest, furthest)
    for axes in (levels, losses):
        style.rows_upward(axes, names)
        axes.set_ylim(len(table) - 0.4, -0.65)
        style.percent(axes.xaxis)
    levels.set_xlabel("Accuracy of the group (%)")
    levels.margins(x=0.12)
    losses.set_xlabel("Loss of the weak less the rest (points)")
    losses.set_title("← weak lose less      weak lose more →", fontsize=SMALL, loc="center")
    ends = [
        Line2D([], [], color=colour, marker=marker, linestyle="none", markersize=4.4, label=name)
        for name, colour, marker in (("weakest", WEAK, "v"), ("rest", REST, "o"))
    ]
    open_ = {"color": INK, "marker": "o", "linestyle": "none", "markersize": 4.4}
    ends.append(Line2D([], [], markerfacecolor="white", label="first reading (clean)", **open_))
    ends.append(Line2D([], [], label="second (shifted; top row: clean)", **open_))
    style.legend(figure, ends)


@drawing(
    columns="dataset model overall_range class_mean class_max flip_mean flip_max95 fresh_mean fresh_max95"
    " whole_class single_items test_items share low high",
    width=FULL,
    height=lambda table, width: (
        0.95 + style.grid(2, width, 2, 2.2)[0] * (0.45 + 0.21 * (len(table) + 1.1 * table["dataset"].nunique()))
    ),
    caption="Ten training runs of {model} text classifiers on {dataset} corpora. Left: largest minus smallest accuracy"
    " over the runs, of all items together (tick), mean over classes (circle) and largest class (triangle). Grey: from"
    " the mean class range to the 95 % point of the largest if items flip on their own and no class moves; outlined:"
    " the same if every run met fresh items (too wide for runs that share them). Right: shares of the variance of the"
    " accuracy that one run gives a class on fresh items; line: 95 % interval of the share of the runs (class"
    " bootstrap, these ten runs).",
)
def draw_fig07_runs(table, figure):
    ranges, shares = style.panels(figure, 2, 2, 2.2, sharey=True)
    sections = [
        (style.dataset(dataset), style.ordered(table.loc[table["dataset"] == dataset, "model"]))
        for dataset in style.ordered(table["dataset"])
    ]
    for axes in (ranges, shares):
        rows_of = style.rows_in_sections(axes, sections)
    y = np.array([rows_of[style.dataset(d), m] for d, m in zip(table["dataset"], table["model"], strict=True)])
    ranges.barh(y, table["flip_max95"] - table["flip_mean"], 0.62, table["flip_mean"], color=FLIP, linewidth=0)
    outline = {"fill": False, "edgecolor": FRESH, "linewidth": 0.8}
    ranges.barh(y, table["fresh_max95"] - table["fresh_mean"], 0.62, table["fresh_mean"], **outline)
    ranges.hlines(y, table["class_mean"], table["class_max"], color=STRONG, linewidth=1)
    ranges.plot(table["class_mean"], y, "o", color=STRONG, markersize=4)
    ranges.plot(table["class_max"], y, ">", color=STRONG, markersize=4)
    ranges.plot(table["overall_range"], y, "|", color=INK, markersize=7, markeredgewidth=1.6)
    ranges.set(title="Range over ten runs", xlabel="Points of accuracy")
    ranges.set_xlim(0, 1.05 * table[["class_max", "flip_max95", "fresh_max95"]].max(axis=None))
    start = np.zeros(len(table))
    for column, (_, colour, hatch) in PARTS.items():
        shares.barh(y, table[column], 0.62, start, color=colour, hatch=hatch, edgecolor="white", linewidth=0)
        start = start + table[column].to_numpy()
    shares.hlines(y, table["low"], table["high"], color=INK, linewidth=1.3)
    shares.plot(table["share"], y, "|", color=INK, markersize=6, markeredgewidth=1.4)
    shares.set(title="Where one run's class accuracy varies", xlabel="Share of variance (%)")
    shares.set_xlim(min(0, table["whole_class"].min()), 1)
    for axes in (ranges, shares):
        style.percent(axes.xaxis)
    mark = {"linestyle": "none", "color": STRONG, "markersize": 4}
    handles = [
        Line2D([], [], marker="|", linestyle="none", color=INK, markersize=7, markeredgewidth=1.6, label="all items"),
        Line2D([], [], marker="o", label="class, mean", **mark),
        Line2D([], [], marker=">", label="largest class", **mark),
        Patch(color=FLIP, linewidth=0, label="if items flip alone"),
        Patch(facecolor="none", edgecolor=FRESH, linewidth=0.8, label="if items are fresh"),
        *[
            Patch(facecolor=colour, hatch=hatch, edgecolor="white", linewidth=0, label=name)
            for name, colour, hatch in PARTS.values()
        ],
    ]
    style.legend(figure, handles)


@drawing(
    columns="pair reading better worse mean observed_sd true_sd low high truly_worse classes",
    width=FULL,
    height=lambda table, width: 0.65 + style.grid(2, width, 2, 2.2)[0] * (0.5 + 0.24 * _lines(table)),
    caption="Two networks on the same images, class by class ({classes:values} classes). Left: classes in which the"
    " first is better or worse, by sign, by McNemar's exact test at 0.05, and after Benjamini and Hochberg. Right:"
    " standard deviation over classes of the difference, as observed (open) and freed of item noise (filled, 95 %"
    " interval of a class bootstrap), beside its mean (tick).",
)
def draw_fig07_comparison(table, figure):
    counts, spread = style.panels(figure, 2, 2, 2.2)
    pairs = style.ordered(table["pair"])
    readings = [reading for reading in CLASSES if reading in set(table["reading"])]
    place = {pair: at * (len(readings) + 1.2) + 0.9 for at, pair in enumerate(pairs)}
    total = table["classes"].max()
    for row in table.itertuples():
        y = place[row.pair] + readings.index(row.reading)
        _, better, worse = CLASSES[row.reading]
        counts.barh(y, row.better, 0.8, color=better, linewidth=0)
        counts.barh(y, -row.worse, 0.8, color=worse, linewidth=0)
        note = {"textcoords": "offset points", "va": "center", "fontsize": SMALL}
        counts.annotate(f"{row.better:.0f}", (row.better, y), (2, 0), ha="left", **note)
        counts.annotate(f"{row.worse:.0f}", (-row.worse, y), (-2, 0), ha="right", **note)
    style.rows_upward(counts, [])
    for top in place.values():
        counts.vlines(0, top - 0.4, top + len(readings) - 0.6, color=INK, linewidth=0.7)
    ticks = [at + step for at in place.values() for step in range(len(readings))]
    counts.set_yticks(ticks, [CLASSES[reading][0] for reading in readings] * len(pairs))
    counts.set_xlim(-0.55 * total, 1.05 * total)
    counts.set_xticks([])
    counts.grid(visible=False)
    for pair, at in place.items():
        counts.text(-0.55 * total, at - 0.75, pair, fontsize=SMALL, fontweight="bold", va="center")
    counts.set_xlabel("← worse     Classes     better →")
    each = table.drop_duplicates("pair")
    middle = [place[pair] + (len(readings) - 1) / 2 for pair in each["pair"]]
    spread.hlines(middle, each["low"], each["high"], color=SOUND, linewidth=1.3)
    observed = {"color": NULL_TEXT, "markersize": 4.6, "label": "sd, observed"}
    handles = [
        *spread.plot(each["mean"], middle, "|", color=INK, markersize=9, markeredgewidth=1.6, label="mean difference"),
        *spread.plot(each["observed_sd"], middle, "o", markerfacecolor="white", **observed),
        *spread.plot(each["true_sd"], middle, "o", color=SOUND, markersize=4.6, label="sd, freed of noise"),
    ]
    style.rows_upward(spread, [])
    if style.grid(2, figure.get_figwidth(), 2, 2.2)[1] == 1:  # the names on the left stand far above
        spread.set_yticks(middle, [pair.replace(" over ", "\nover ") for pair in each["pair"]])
    spread.set_xlim(0, 1.1 * each[["mean", "observed_sd", "high"]].max(axis=None))
    spread.set_xlabel("Difference in class accuracy (points)")
    style.percent(spread.xaxis)
    for axes in (counts, spread):
        axes.set_ylim(max(place.values()) + len(readings) - 0.3, -0.4)
    style.legend(figure, handles)


def _lines(table) -> float:
    return table["pair"].nunique() * (table["reading"].nunique() + 1.2)
