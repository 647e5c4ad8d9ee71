"""Notebook 10, the network that was run here: weak classes of Tiny-ImageNet under corruption."""

from matplotlib.lines import Line2D

from . import style
from .fig03 import draw_fig03_groups, draw_fig03_loss
from .registry import drawing
from .style import COLUMN, FULL, REST, STRONG, WEAK

GROUPS = {"strong": (STRONG, "o"), "middle": (REST, "s"), "weakest": (WEAK, "v")}
READINGS = (("#0072B2", "o", "-"), ("#009E73", "^", "--"), ("#D55E00", "s", "-."), ("#737373", "x", ":"))


@drawing(
    columns="shift models_set scale selection value low high mei",
    width=FULL,
    height=lambda table, width: (
        0.8 + style.grid(3, width, 3, 1.8)[0] * (0.6 + 0.2 * len(table[["shift", "models_set"]].drop_duplicates()))
    ),
    caption="Do the ten weakest of 200 classes lose more than the rest under corruption? Loss of the weakest minus"
    " loss of the others on three scales, mean over the corruptions that leave an accuracy of 10 % or more, one"
    " network (EfficientNet-Lite0), the answer among 200 or 1000 classes. Classes chosen on clean images, or, as the"
    " mirror, on five corrupted ones, and read on other images: where most classes are near 0, nothing is left to lose"
    " and the mirror is mostly ties. 95 % intervals from a bootstrap of classes. Crosses: chosen and read on the same"
    " clean images (naive). Grey: smaller than the smallest effect of interest.",
)
def draw_fig10_tiny_loss(table, figure):
    draw_fig03_loss(table, figure)


@drawing(
    columns="shift group selection clean shifted low high",
    width=FULL,
    height=lambda table, width: (
        0.7 + style.grid(table["selection"].nunique(), width, 2, 2.4)[0] * (0.35 + 0.42 * table["shift"].nunique())
    ),
    caption="Mean accuracy on clean (open) and on corrupted images (filled) of the ten weakest of 200 classes of"
    " Tiny-ImageNet, the ten strongest and the rest; groups are chosen and read on different images (on the right, on"
    " five images a class: mostly ties where accuracy is near 0). Bars: central 95 % of the corruptions, not a"
    " confidence interval. Left: chosen on clean images; right: on corrupted ones. One network, which has probably"
    " seen these images in training.",
)
def draw_fig10_tiny_groups(table, figure):
    draw_fig03_groups(table, figure)


@drawing(
    columns="severity reading r",
    width=COLUMN,
    height=2.8,
    caption="Correlation over 200 classes of clean and corrupted accuracy, by severity (mean over corruptions):"
    " corrected for noise, read on different images; on the same images with the noise that both sides share taken"
    " off; corrected for reliability alone, which turns shared noise into agreement; and raw. Points are estimates"
    " without intervals.",
)
def draw_fig10_tiny_levels(table, figure):
    axes = figure.subplots()
    for (reading, rows), (colour, marker, line) in zip(table.groupby("reading", sort=False), READINGS, strict=False):
        axes.plot(rows["severity"], rows["r"], line, color=colour, marker=marker, markersize=4, label=reading)
    axes.axhline(1, color=style.INK, linewidth=0.6)
    axes.set_xticks(sorted(table["severity"].unique()))
    axes.set(xlabel="Severity of the corruption", ylabel="Correlation over classes")
    axes.set_ylim(min(0, 1.05 * table["r"].min()), max(1.05, 1.05 * table["r"].max()))
    axes.grid(axis="y")
    style.legend(figure)


@drawing(
    columns="corruption group kept low high",
    width=COLUMN,
    height=lambda table, width: 0.95 + 0.2 * table["corruption"].nunique(),
    caption="The paper's sensitivity figure for a network that was run here: share of clean accuracy kept under"
    " {corruption} corruptions (mean over five severities) by {group} groups of ten classes, named by their ranks of"
    " 200 by clean accuracy, from 0. Groups are chosen on images that were not corrupted. Bars: 95 % by a bootstrap of"
    " classes (they cover nearer 90 %); the corruptions share their clean images.",
)
def draw_fig10_tiny_sensitivity(table, figure):
    axes = figure.subplots()
    corruptions, groups = style.ordered(table["corruption"]), style.ordered(table["group"])
    place = {corruption: number for number, corruption in enumerate(corruptions)}
    handles = []
    for number, group in enumerate(groups):
        colour, marker = GROUPS[group.split(":")[0]]
        rows = table[table["group"] == group]
        y = rows["corruption"].map(place) + 0.24 * (number - (len(groups) - 1) / 2)
        axes.hlines(y, rows["low"], rows["high"], color=colour, linewidth=0.9)
        axes.plot(rows["kept"], y, marker, color=colour, markersize=3.2)
        handles.append(Line2D([], [], linestyle="none", marker=marker, color=colour, markersize=4, label=group))
    style.rows_upward(axes, corruptions)
    axes.set_ylim(len(corruptions) - 0.4, -0.6)
    axes.set(xlim=(-0.02, 1.03 * max(1.0, table["high"].max())), xlabel="Accuracy kept (% of clean)")
    style.percent(axes.xaxis)
    style.legend(figure, handles)
