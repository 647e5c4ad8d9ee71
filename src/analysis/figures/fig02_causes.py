"""Figure of notebook 02 on training data: class accuracy against pre-training frequency and label quality."""

from matplotlib.lines import Line2D

from . import style
from .registry import drawing
from .style import FULL, INK, SMALL

CLOUD = "#9EC5E0"  # light enough for black marks on a thousand points
UNIT = {
    "frequency": "Pairs of image and caption with the class",
    "agreement": "Original labels that ReaL accepts (%)",
}


@drawing(
    columns="title kind part class_id x accuracy low high r r_low r_high networks",
    optional="name",
    width=FULL,
    height=lambda table, width: 0.75 + 1.95 * style.grid(table["title"].nunique(), width, 3, 1.9)[0],
    caption="Accuracy of the ImageNet classes (50 images each; mean over the networks of a panel) against how often the"
    " class occurs in the networks' own pre-training data, and against the share of its original labels that ReaL"
    " accepts. Black: mean of classes of like x, about a tenth of all (ties stay together), with a 95 % interval."
    " Above: Spearman's r, mean over networks, with its class-bootstrap 95 % interval. For ReaL, agreement is read on"
    " one half of a class's labelled images and accuracy on the other: drawn is one of the splits, r is their mean;"
    " the noise of halves flattens both.",
)
def draw_fig02_causes(table, figure):
    titles = style.ordered(table["title"])
    for axes, title in zip(style.panels(figure, len(titles), 3, 1.9, sharey=True), titles, strict=True):
        rows = table[table["title"] == title]
        each, groups, first = rows[rows["part"] == "class"], rows[rows["part"] == "group"], rows.iloc[0]
        axes.plot(each["x"], each["accuracy"], "o", color=CLOUD, markersize=1.8, markeredgewidth=0, alpha=0.7, zorder=1)
        axes.vlines(groups["x"], groups["low"], groups["high"], color=INK, linewidth=1.0, zorder=2)
        axes.plot(groups["x"], groups["accuracy"], "o-", color=INK, markersize=2.8, linewidth=0.8, zorder=3)
        nets = f"{first['networks']:.0f} network{'s' if first['networks'] != 1 else ''}"
        axes.set_title(f"{title} ({nets})\nr = {first['r']:.2f} [{first['r_low']:.2f}, {first['r_high']:.2f}]")
        if first["kind"] == "frequency":
            axes.set_xscale("symlog", linthresh=1, linscale=0.4)
            axes.set_xlim(-0.4, 3 * each["x"].max())
            axes.set_xticks([0, *[power for power in (10, 1_000, 100_000) if power < 3 * each["x"].max()]])
            axes.xaxis.set_major_formatter("{x:,.0f}")
            axes.xaxis.minorticks_off()
        else:
            style.percent(axes.xaxis)
        axes.set_ylim(-0.02, 1.02)
        style.percent(axes.yaxis)
        axes.set_xlabel(UNIT[first["kind"]], fontsize=SMALL)
    figure.supylabel("Top-1 accuracy of a class (%)", fontsize="medium")
    handles = [
        Line2D([], [], color=CLOUD, marker="o", linestyle="none", markersize=3, label="a class"),
        Line2D(
            [],
            [],
            color=INK,
            marker="o",
            markersize=3,
            linewidth=1,
            label="about a tenth of the classes: mean, 95 % interval",
        ),
    ]
    style.legend(figure, handles)
