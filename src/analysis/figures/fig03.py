"""Notebook 03: are weak classes the ones that a shift harms most?"""

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, NullLocator
from scipy.special import ndtr, ndtri

from . import style
from .registry import drawing
from .style import COLUMN, FULL, INK, NULL_TEXT, REST, SMALL, STRONG, WEAK

SCALES = {"points": "Loss in points (of 100)", "ratio": "Loss in share kept", "logit": "Loss in logits"}
MODEL_SETS = {"nets45": "45 networks", "cifar30": "30 networks", "networks": "all networks", "clip": "CLIP models"}
SELECTIONS = {
    "clean": ("weak on clean {of}", "#0072B2", "o", "#0072B2"),
    "mirror": ("weak on shifted {of} (mirror)", "#D55E00", "s", "white"),
}
GROUPS = {"weakest": (WEAK, "v"), "rest": (REST, "o"), "strongest": (STRONG, "^")}
KINDS = {"weak classes": (WEAK, "v"), "strong classes": (STRONG, "^")}
# Probits of 0 and 1 are infinite: what lies outside 0.1 and 99.9 % is drawn there.
PROBIT = (lambda share: ndtri(np.clip(share, 0.001, 0.999)), ndtr)
PROBIT_TICKS = (0.01, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99)
CHOSEN_ON = {"clean": "Chosen on clean {of}", "mirror": "Chosen on shifted {of} (mirror)"}


def _columns(shifts: int) -> int:
    return 3 if shifts in (3, 5, 6, 9) else 4


def _squares(rest: float, above: float = 0.25):
    """The height that makes one square panel a shift, `above` inches for its title and `rest` inches for a legend."""

    def height(table, width: float) -> float:
        shifts = table["shift"].nunique()
        rows, columns = style.grid(shifts, width, _columns(shifts), 1.5)
        return rest + rows * (above + (width - 0.4) / columns)

    return height


@drawing(
    columns="shift class_id clean shifted models raw_r ceiling corrected_r",
    width=FULL,
    height=_squares(0.2, above=0.5),
    caption="Accuracy of each class on clean and on shifted images, mean over networks, for {shift} shifts. r: raw"
    " correlation over classes of each network, mean over networks (not that of the averaged points); at most: what"
    " noise allows it to be; corrected: freed of noise."
    " Line: equal accuracy. Points carry the noise of their images; the intervals of r stand in fig03_level.",
)
def draw_fig03_clean_vs_shift(table, figure):
    shifts = style.ordered(table["shift"])
    panels = style.panels(figure, len(shifts), _columns(len(shifts)), 1.5, sharex=True, sharey=True)
    for axes, shift in zip(panels, shifts, strict=True):
        rows = table[table["shift"] == shift]
        first = rows.iloc[0]
        axes.plot([0, 1], [0, 1], color=INK, linewidth=0.7, linestyle=(0, (4, 3)))
        axes.plot(rows["clean"], rows["shifted"], "o", color="#0072B2", alpha=0.3, markersize=2, markeredgewidth=0)
        note = f"r {first['raw_r']:.2f} (at most {first['ceiling']:.2f})\ncorrected {first['corrected_r']:.2f}"
        axes.set_title(f"{shift}\n{note}", fontsize=SMALL, linespacing=1.4)
        axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal", xticks=np.arange(0, 1.01, 0.25))
        axes.set_yticks(np.arange(0, 1.01, 0.25))
        style.percent(axes.xaxis, axes.yaxis)
    figure.supxlabel("Accuracy of the class on clean images (%)", fontsize="medium")
    figure.supylabel("On shifted images (%)", fontsize="medium")


@drawing(
    columns="shift models_set raw_r ceiling corrected_r low high mei",
    width=COLUMN,
    height=lambda table, width: 0.85 + 0.3 * _shifts(table),
    caption="Correlation over classes of accuracy on clean and on shifted images, mean over networks, for {shift}"
    " shifts: raw, the largest raw value that noise allows, and corrected for noise with the 95 % interval of a class"
    " bootstrap. Dashed: smallest effect of interest.",
)
def draw_fig03_level(table, figure):
    axes = figure.subplots()
    place = np.arange(len(table))
    for mei in table["mei"].dropna().unique():
        axes.axvline(mei, color=INK, linewidth=0.8, linestyle=(0, (4, 3)))
    axes.hlines(place, table["low"], table["high"], color="#0072B2", linewidth=1.2)
    handles = [
        *axes.plot(table["raw_r"], place, "x", color=NULL_TEXT, markersize=4, label="raw"),
        *axes.plot(
            table["ceiling"], place, "|", color=NULL_TEXT, markersize=8, markeredgewidth=1.2, label="ceiling of raw"
        ),
        *axes.plot(table["corrected_r"], place, "o", color="#0072B2", markersize=4.5, label="corrected"),
    ]
    style.rows_upward(axes, _row_names(table))
    values = table[["raw_r", "ceiling", "low", "high", "mei"]]
    axes.set_xlim(min(0.4, values.min(axis=None) - 0.03), max(1, values.max(axis=None)) + 0.02)
    axes.set_xlabel("Correlation, clean and shifted")
    style.legend(figure, handles)


def _row_names(table) -> list[str]:
    rows = style.ordered(zip(table["shift"], table["models_set"], strict=True))
    return [f"{shift}\n({MODEL_SETS.get(models, models)})" for shift, models in rows]


@drawing(
    columns="shift models_set scale selection value low high mei",
    width=FULL,
    height=lambda table, width: 0.9 + style.grid(3, width, 3, 1.8)[0] * (0.45 + 0.34 * _shifts(table)),
    caption="Do the weakest classes (50 of 1000, 3 of 10) lose more than the rest? Loss of the weakest minus loss of"
    " the others on three scales, for {shift} shifts, with classes chosen and read on different images: chosen on"
    " clean images, and, as the mirror, chosen on shifted ones; 95 % intervals from a bootstrap of classes. Crosses:"
    " chosen and read on the same images (naive; no cross where it is undefined). Grey: smaller than the smallest"
    " effect of interest.",
)
def draw_fig03_loss(table, figure, of="images"):
    rows = style.ordered(zip(table["shift"], table["models_set"], strict=True))
    place = {row: position for position, row in enumerate(rows)}
    scales = [scale for scale in SCALES if scale in set(table["scale"])]
    for axes, scale in zip(style.panels(figure, len(scales), 3, 1.8, sharey=True), scales, strict=True):
        part = table[table["scale"] == scale]
        mei = part["mei"].dropna().max()
        axes.axvspan(-mei, mei, color="#EBEBEB", linewidth=0, zorder=0)
        axes.axvline(0, color=INK, linewidth=0.7)
        for selection, offset in (("clean", -0.14), ("mirror", 0.14)):
            _, colour, marker, fill = SELECTIONS[selection]
            some = part[part["selection"] == selection]
            y = np.array([place[row] for row in zip(some["shift"], some["models_set"], strict=True)]) + offset
            axes.hlines(y, some["low"], some["high"], color=colour, linewidth=1.1)
            axes.plot(some["value"], y, marker, color=colour, markerfacecolor=fill, markersize=4)
        naive = part[part["selection"] == "naive"]
        y = np.array([place[row] for row in zip(naive["shift"], naive["models_set"], strict=True)])
        axes.plot(naive["value"], y, "x", color=NULL_TEXT, markersize=3.6, markeredgewidth=0.9)
        style.rows_upward(axes, _row_names(table))
        furthest = part[["value", "low", "high"]].abs().max(axis=None)
        axes.set_xlim(-1.08 * furthest, 1.08 * furthest)
        axes.set_title(SCALES[scale])
        axes.set_xlabel("weak lose more →", loc="right", fontsize=SMALL)
        if scale == "points":
            style.percent(axes.xaxis)
    handles = [
        Line2D([], [], color=colour, marker=marker, markerfacecolor=fill, markersize=4, label=name.format(of=of))
        for name, colour, marker, fill in SELECTIONS.values()
    ]
    if table.loc[table["selection"] == "naive", "value"].notna().any():
        handles.append(Line2D([], [], color=NULL_TEXT, marker="x", linestyle="none", label="naive"))
    handles.append(Patch(color="#EBEBEB", label="below smallest effect of interest"))
    style.legend(figure, handles)


def _shifts(table) -> int:
    return len(table[["shift", "models_set"]].drop_duplicates())


@drawing(
    columns="shift group selection clean shifted low high",
    width=FULL,
    height=lambda table, width: (
        0.7 + style.grid(table["selection"].nunique(), width, 2, 2.4)[0] * (0.35 + 0.52 * table["shift"].nunique())
    ),
    caption="Mean accuracy on clean (open) and on shifted images (filled) of the weakest classes, the strongest (50 of"
    " 1000, 3 of 10) and the rest, for {shift} shifts; groups are chosen and read on different images. Bars: central"
    " 95 % of the networks, not a confidence interval. Left: chosen on clean images; right: on shifted ones.",
)
def draw_fig03_groups(table, figure, of="images"):
    shifts = style.ordered(table["shift"])
    selections = [selection for selection in CHOSEN_ON if selection in set(table["selection"])]
    groups = list(GROUPS)
    place = {(shift, group): 4 * i + j for i, shift in enumerate(shifts) for j, group in enumerate(groups)}
    for axes, selection in zip(
        style.panels(figure, len(selections), 2, 2.4, sharex=True, sharey=True), selections, strict=True
    ):
        for row in table[table["selection"] == selection].itertuples():
            group = row.group.split()[0]  # "weakest 50": how many there are depends on the data set
            colour, marker = GROUPS[group]
            y = place[row.shift, group]
            axes.plot([row.clean, row.shifted], [y, y], color=colour, linewidth=0.7, alpha=0.6)
            axes.plot([row.low, row.high], [y, y], color=colour, linewidth=2, solid_capstyle="butt")
            axes.plot(row.clean, y, marker, color=colour, markerfacecolor="white", markersize=4.2)
            axes.plot(row.shifted, y, marker, color=colour, markersize=4.2)
        style.rows_upward(axes, [])
        axes.set_yticks([place[shift, groups[1]] for shift in shifts], shifts)
        axes.set_ylim(4 * len(shifts) - 1.2, -0.8)
        axes.set(title=CHOSEN_ON[selection].format(of=of), xlim=(-0.01, 1.01))
        style.percent(axes.xaxis)
    figure.supxlabel("Mean accuracy of the classes (%)", fontsize="medium")
    handles = [
        Line2D([], [], color=colour, marker=marker, linestyle="none", markersize=4.2, label=group)
        for group, (colour, marker) in GROUPS.items()
    ]
    open_ = Line2D([], [], color=INK, marker="o", linestyle="none", markerfacecolor="white", markersize=4.2)
    open_.set_label("clean")
    filled = Line2D([], [], color=INK, marker="o", linestyle="none", markersize=4.2, label="shifted")
    style.legend(figure, [*handles, open_, filled])


@drawing(
    columns="shift model label family kind clean shifted line",
    width=FULL,
    height=_squares(0.6),
    caption="Accuracy on clean and on shifted images of whole networks and of the weakest and strongest classes of"
    " each, on probit axes, for {model} networks and {shift} shifts. Line: fitted to all networks of the collection"
    " (small grey: those not judged here), dashed where it is extrapolated; a point above it keeps more than a network"
    " of that clean accuracy. Points are estimates without intervals.",
)
def draw_fig03_models_line(table, figure):
    shifts = style.ordered(table["shift"])
    for axes, shift in zip(style.panels(figure, len(shifts), _columns(len(shifts)), 1.5), shifts, strict=True):
        rows = table[table["shift"] == shift]
        whole = rows["kind"].isin(["model", "other model"])
        for part, dashes in ((rows, (0, (4, 3))), (rows[whole], "-")):
            fitted = part.sort_values("clean")
            axes.plot(fitted["clean"], fitted["line"], color=INK, linewidth=0.8, linestyle=dashes, zorder=1)
        part = rows[rows["kind"] == "other model"]
        axes.plot(part["clean"], part["shifted"], "o", color=REST, markersize=2, markeredgewidth=0)
        for kind, (colour, marker) in KINDS.items():
            part = rows[rows["kind"] == kind]
            look = {"color": colour, "markersize": 3.2, "markeredgecolor": "white", "markeredgewidth": 0.3}
            axes.plot(part["clean"], part["shifted"], marker, **look)
        part = rows[rows["kind"] == "model"]
        axes.plot(part["clean"], part["shifted"], "o", color=INK, markersize=2.6, markeredgewidth=0)
        axes.set_xscale("function", functions=PROBIT)
        axes.set_yscale("function", functions=PROBIT)
        _few_ticks(axes.xaxis, rows["clean"])
        _few_ticks(axes.yaxis, rows["shifted"])
        axes.set_title(shift)
    figure.supxlabel("Accuracy on clean images (%), probit scale", fontsize="medium")
    figure.supylabel("On shifted images (%)", fontsize="medium")
    handles = [Line2D([], [], color=INK, marker="o", linestyle="none", markersize=3, label="whole networks")]
    handles += [
        Line2D([], [], color=colour, marker=marker, linestyle="none", label=f"{kind} of a network")
        for kind, (colour, marker) in KINDS.items()
    ]
    handles.append(Line2D([], [], color=INK, linewidth=0.8, label="line of the networks"))
    style.legend(figure, handles)


def _few_ticks(axis, values) -> None:
    low, high = values.min(), values.max()
    axis.set_major_locator(FixedLocator([tick for tick in PROBIT_TICKS if low - 0.1 <= tick <= high + 0.1]))
    axis.set_minor_locator(NullLocator())
    style.percent(axis)
