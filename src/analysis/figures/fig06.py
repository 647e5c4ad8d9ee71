"""Notebook 06: class robustness scores (CRS)."""

import numpy as np
from matplotlib.lines import Line2D

from . import style
from .registry import drawing
from .style import COLUMN, FULL, NULL_TEXT, SMALL, STRONG, WEAK

SIZES = (("#0072B2", "o"), ("#E69F00", "s"), ("#009E73", "^"))  # the sizes k in their order


@drawing(
    columns="model class_id crs top5 flagged r r_without",
    optional="label name",
    width=FULL,
    height=lambda table, width: 0.3 + style.grid(table["model"].nunique(), width, 3, 1.7)[0] * (0.3 + 2.0),
    caption="Class robustness score (CRS) of each of {class_id} ImageNet classes against its accuracy, which in the"
    " published files is top-5, for {model} networks. r: correlation over classes; in brackets without the marked"
    " class, which has accuracy 0 in all files and very likely the images of another class. Points carry the noise of"
    " 50 images; no intervals.",
)
def draw_fig06_crs(table, figure):
    models = style.ordered(table["model"])
    flagged = table["flagged"].astype(bool)
    panels = style.panels(figure, len(models), 3, 1.7, sharex=True, sharey=True)
    for axes, model in zip(panels, models, strict=True):
        rows, odd = (table[(table["model"] == model) & some] for some in (~flagged, flagged))
        first = table[table["model"] == model].iloc[0]
        look = {"alpha": 0.35, "markersize": 2.2, "markeredgewidth": 0, "rasterized": True}
        axes.plot(rows["top5"], rows["crs"], "o", color=STRONG, **look)
        axes.plot(odd["top5"], odd["crs"], "D", color=WEAK, markersize=4.2)
        names = odd["name"] if "name" in odd else [""] * len(odd)
        for class_id, top5, crs, name in zip(odd["class_id"], odd["top5"], odd["crs"], names, strict=True):
            name = name.removesuffix(f" ({class_id:.0f})")  # of two classes of one name
            axes.annotate(
                f"class {class_id:.0f}" + f"\n({name})" * bool(name),
                (top5, crs),
                xytext=(7, 0),
                textcoords="offset points",
                va="center",
                fontsize=SMALL,
                color="#A84300",
            )
        note = f"r {first['r']:.2f} ({first['r_without']:.2f} without {_which(odd)})"
        axes.set_title(f"{first.get('label', model)}\n{note}", linespacing=1.4)
        axes.set(xlim=(-0.04, 1.02), ylim=(0, 1.01 * max(1, table["crs"].max())))
        axes.grid()
        style.percent(axes.xaxis)
    figure.supxlabel("Top-5 accuracy of the class (%)", fontsize="medium")
    figure.supylabel("CRS of the class", fontsize="medium")


def _which(odd) -> str:
    return " ".join(f"{class_id:.0f}" for class_id in odd["class_id"]) or "none"


@drawing(
    columns="pair k overlap chance kind",
    width=COLUMN,
    height=lambda table, width: 0.75 + 0.42 * (table["pair"].nunique() + 0.6 * table["kind"].nunique()),
    caption="Share of the k lowest classes that two orders of the ImageNet classes have in common, for k of {k:values}:"
    " by the CRS of two networks, and by the CRS and the top-5 accuracy of one network. Grey ticks: independent"
    " orders. All classes are counted and the networks share images and boxes, so no interval is drawn.",
)
def draw_fig06_overlap(table, figure):
    axes = figure.subplots()
    printed = table["pair"].str.replace(" x ", " × ").str.replace(" × ", " ×\n")
    kinds = table["kind"].str.replace(" of ", "\nof ")
    rows_of = style.rows_in_sections(axes, [(kind, style.ordered(printed[kinds == kind])) for kind in kinds.unique()])
    row = np.array([rows_of[place] for place in zip(kinds, printed, strict=True)])
    sizes = sorted(table["k"].unique())
    handles = []
    for number, k in enumerate(sizes):
        part = (table["k"] == k).to_numpy()
        y = row[part] + 0.24 * (number - (len(sizes) - 1) / 2)
        colour, marker = SIZES[number % len(SIZES)]
        chance, share = (table.loc[part, column] / k for column in ("chance", "overlap"))
        axes.hlines(y, chance, share, color=colour, linewidth=0.7, alpha=0.6)
        axes.plot(chance, y, "|", color=NULL_TEXT, markersize=5, markeredgewidth=1.4)
        handles += axes.plot(share, y, marker, color=colour, markersize=4, label=f"k = {k:.0f}", linestyle="none")
    handles.append(
        Line2D([], [], color=NULL_TEXT, marker="|", linestyle="none", markersize=6, markeredgewidth=1.4, label="chance")
    )
    axes.set(xlim=(-0.03, 1.01), xlabel="Classes in common (%)")
    style.percent(axes.xaxis)
    style.legend(figure, handles)
