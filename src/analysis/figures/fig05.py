"""Notebook 05: how far class accuracies move from run to run."""

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from . import style
from .registry import drawing
from .style import FULL, INK, SMALL, STRONG, WEAK

READINGS = {  # reading: colour, fill, name
    "recall": (STRONG, STRONG, "recall"),
    "as coded": (WEAK, "white", "as coded"),
}
FLIP, FRESH = "#D5D5D5", "#8C8C8C"  # fill of one null, edge of the other
NARROWEST = 2.6  # inches beside the names of models
MARKED = (3, 10)  # runs that the published tables compare
LINE, GAP = 0.19, 0.12  # inches: one reading, and between models


@drawing(
    columns="dataset model setting runs reading overall_range class_mean class_max"
    " flip_mean flip_max95 fresh_mean fresh_max95",
    width=FULL,
    height=lambda table, width: (0.85 if width > 5 else 1.35) + sum(0.38 + lines for lines in _grid_rows(table, width)),
    caption="Range over training runs (largest minus smallest) of overall accuracy (tick), and of the accuracy of"
    " single classes: mean over classes (circle) and largest class (triangle), in {dataset} data sets; as coded: what"
    " the published scripts print, for text the precision. Grey: from the mean class range to the 95 % point of the"
    " largest if each item were right at random with its own rate (items flip). Outlined: the same if every run met"
    " fresh items. A range grows with the number of runs and has no interval: compare it with its"
    " null.",
)
def draw_fig05_ranges(table, figure):
    datasets = style.ordered(table["dataset"])
    heights = _grid_rows(table, figure.get_figwidth())
    columns = style.grid(len(datasets), figure.get_figwidth(), 2, NARROWEST)[1]
    panels = style.panels(figure, len(datasets), 2, NARROWEST, height_ratios=heights)
    readings = [reading for reading in READINGS if reading in set(table["reading"])]
    for number, (axes, dataset) in enumerate(zip(panels, datasets, strict=True)):
        rows = table[table["dataset"] == dataset]
        top, ticks, names = 0.0, [], []
        for key, part in rows.groupby(["model", "setting", "runs"], sort=False):
            part = part.sort_values("reading", key=lambda reading: reading.map(readings.index), kind="stable")
            for place, row in enumerate(part.itertuples()):
                _range_line(axes, row, top + place * LINE)
            ticks.append(top + (len(part) - 1) * LINE / 2)
            names.append(f"{style.short(key[0], 18)}\n{key[2]:.0f} {key[1]}")
            top += max(2, len(part)) * LINE + GAP
        style.rows_upward(axes, [])
        axes.set_yticks(ticks, names)
        axes.set_ylim(heights[number // columns] - GAP - LINE / 2, -LINE / 2 - 0.02)  # rows are as high in every panel
        axes.set_xlim(0, 1.05 * rows[["class_max", "flip_max95", "fresh_max95"]].max(axis=None))
        axes.set_title(style.dataset(dataset))
        style.percent(axes.xaxis)
    figure.supxlabel("Range over runs (points); each panel has its own scale", fontsize="medium")
    mark = {"linestyle": "none", "color": INK}
    handles = [
        Line2D([], [], marker="|", markersize=7, markeredgewidth=1.6, label="overall", **mark),
        Line2D([], [], marker="o", markersize=4, label="class, mean", **mark),
        Line2D([], [], marker=">", markersize=4, label="largest class", **mark),
        *[
            Line2D([], [], color=colour, marker="s", markerfacecolor=fill, markersize=3.6, label=name)
            for colour, fill, name in (READINGS[reading] for reading in readings)
        ],
        Patch(color=FLIP, linewidth=0, label="if items flip alone"),
        Patch(facecolor="none", edgecolor=FRESH, linewidth=0.8, label="if items are fresh"),
    ]
    style.legend(figure, handles)


def _range_line(axes, row, y: float) -> None:
    colour, fill, _ = READINGS[row.reading]
    if np.isfinite([row.flip_mean, row.flip_max95]).all():
        axes.barh(y, row.flip_max95 - row.flip_mean, 0.8 * LINE, row.flip_mean, color=FLIP, linewidth=0, zorder=1)
    if np.isfinite([row.fresh_mean, row.fresh_max95]).all():
        look = {"fill": False, "edgecolor": FRESH, "linewidth": 0.8, "zorder": 1.5}
        axes.barh(y, row.fresh_max95 - row.fresh_mean, 0.8 * LINE, row.fresh_mean, **look)
    axes.hlines(y, row.class_mean, row.class_max, color=colour, linewidth=1)
    axes.plot(row.class_mean, y, "o", color=colour, markerfacecolor=fill, markersize=4)
    axes.plot(row.class_max, y, ">", color=colour, markerfacecolor=fill, markersize=4)
    axes.plot(row.overall_range, y, "|", color=INK, markersize=6, markeredgewidth=1.5)


def _grid_rows(table, width: float) -> list[float]:
    # Inches that the lines take, of the fullest panel in each row of panels.
    lines = []
    for _, rows in table.groupby("dataset", sort=False):
        readings = rows.groupby(["model", "setting", "runs"]).size().clip(lower=2)
        lines.append(LINE * readings.sum() + GAP * len(readings))
    columns = style.grid(len(lines), width, 2, NARROWEST)[1]
    return [max(lines[start : start + columns]) for start in range(0, len(lines), columns)]


@drawing(
    columns="dataset model run_sd item_sd share share_low share_high runs_needed",
    width=FULL,
    height=lambda table, width: (
        0.8 + style.grid(2, width, 2, 1.8)[0] * (0.4 + 0.19 * (len(table) + 1.1 * table["dataset"].nunique()))
    ),
    caption="What moves the accuracy of a class: standard deviation over training runs and over fresh items, and the"
    " share of the runs in the variance of one run. Printed: runs to average until their variance is a tenth of that of"
    " the items. Line: 95 % interval of the share (class bootstrap, these ten runs); the rest has no intervals.",
)
def draw_fig05_components(table, figure):
    spread, share = style.panels(figure, 2, 2, 1.8, sharey=True)
    sections = [
        (style.dataset(dataset), style.ordered(table.loc[table["dataset"] == dataset, "model"]))
        for dataset in style.ordered(table["dataset"])
    ]
    for axes in (spread, share):
        rows_of = style.rows_in_sections(axes, sections)
    y = np.array([rows_of[style.dataset(d), m] for d, m in zip(table["dataset"], table["model"], strict=True)])
    spread.hlines(y, table["run_sd"], table["item_sd"], color="#B0B0B0", linewidth=1, zorder=1)
    run = spread.plot(table["run_sd"], y, "o", color=WEAK, markersize=4.2, label="training runs")
    item = spread.plot(table["item_sd"], y, "s", color=STRONG, markerfacecolor="white", markersize=4, label="items")
    spread.set(title="Standard deviation", xlabel="Points of class accuracy")
    spread.set_xlim(0, 1.06 * table[["run_sd", "item_sd"]].max(axis=None))
    share.hlines(y, table["share_low"], table["share_high"], color=WEAK, linewidth=1)
    share.plot(table["share"], y, "o", color=WEAK, markersize=4.2)
    share.set(title="Share of the runs", xlabel="Share of variance (%)", xlim=(0, 1))
    notes = {"transform": share.get_yaxis_transform(), "fontsize": SMALL, "va": "center"}
    share.text(1.2, min(y) - 1, "runs to\naverage", ha="right", **notes)
    for place, needed in zip(y, table["runs_needed"], strict=True):
        share.text(1.2, place, f"{needed:.0f}" if np.isfinite(needed) else "–", ha="right", **notes)
    for axes in (spread, share):
        style.percent(axes.xaxis)
    style.legend(figure, [*run, *item])


@drawing(
    columns="dataset model runs mean_range",
    width=FULL,
    height=lambda table, width: (
        0.7 + style.grid(table["dataset"].nunique(), width, 2, 2.4)[0] * (2.4 if width > 5 else 1.7)
    ),
    caption="How the range of class accuracy (largest minus smallest run, mean over classes) grows with the number of"
    " runs compared, mean over all choices of that many of the ten runs, for {model} representations. Large: 3 and 10"
    " runs, which the published tables set side by side (images and text). Means without intervals.",
)
def draw_fig05_runs_matter(table, figure):
    datasets = style.ordered(table["dataset"])
    models = style.ordered(table["model"])
    for axes, dataset in zip(style.panels(figure, len(datasets), 2, 2.4, sharex=True), datasets, strict=True):
        rows = table[table["dataset"] == dataset]
        for runs in MARKED:
            axes.axvline(runs, color="#B0B0B0", linewidth=0.7, linestyle=(0, (1, 1.5)), zorder=0)
        for model in models:
            part = rows[rows["model"] == model].sort_values("runs")
            look = style.text_look(model)
            axes.plot(part["runs"], part["mean_range"], color=look["color"], linewidth=1.1)
            for some, size in ((~part["runs"].isin(MARKED), 2), (part["runs"].isin(MARKED), 5)):
                one = part[some]
                axes.plot(one["runs"], one["mean_range"], linestyle="none", markersize=size, markeredgewidth=0, **look)
        axes.set(title=style.dataset(dataset), ylim=(0, 1.06 * rows["mean_range"].max()))
        axes.set_xticks(sorted(table["runs"].unique()))
        axes.grid(axis="y")
        style.percent(axes.yaxis)
    figure.supxlabel("Training runs compared", fontsize="medium")
    figure.supylabel("Mean class range (points)", fontsize="medium")
    style.legend(figure, [Line2D([], [], label=model, markeredgewidth=0, **style.text_look(model)) for model in models])
