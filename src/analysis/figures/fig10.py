"""Notebook 10: which classes corruptions harm."""

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from . import style
from .registry import drawing
from .style import COLUMN, FULL, INK, REST, SMALL, STRONG, WEAK

LOOKS = (  # ten classes: every one has a colour and a marker of its own
    *(("#0072B2", "o"), ("#D55E00", "s"), ("#009E73", "^"), ("#CC79A7", "D"), ("#E69F00", "v")),
    *(("#56B4E9", "P"), ("#202020", "X"), ("#882255", "<"), ("#737373", ">"), ("#999933", "p")),
)
GROUPS = {"weakest": (WEAK, "v"), "rest": (REST, "o"), "strongest": (STRONG, "^")}
RANKS = ((STRONG, "o", STRONG), (WEAK, "s", "white"))  # the two groups of the published figure in their order
WIDE = 5  # inches from which the first panel stands beside the others


@drawing(
    columns="corruption severity class_id name accuracy low high",
    width=FULL,
    height=lambda table, width: _curves_height(table["corruption"].nunique(), width),
    caption="Accuracy of {name} classes of CIFAR-10 under corruptions of growing severity (0: clean images):"
    " {corruption} panels, the first the mean over corruptions. Bars, where given: 95 % intervals of single classes."
    " Classes are named at the end of the first panel.",
)
def draw_fig10_classes(table, figure):
    corruptions = style.ordered(table["corruption"])
    classes = table.drop_duplicates("class_id").sort_values("class_id")
    looks = {class_id: LOOKS[place % len(LOOKS)] for place, class_id in enumerate(classes["class_id"])}
    panels = _first_large(figure, len(corruptions))
    span = np.ptp(table["severity"]) or 1
    for axes, corruption in zip(panels, corruptions, strict=True):
        rows = table[table["corruption"] == corruption]
        large = axes is panels[0]
        for place, (class_id, (colour, marker)) in enumerate(looks.items()):
            part = rows[rows["class_id"] == class_id].sort_values("severity")
            x = part["severity"] + 0.006 * span * (place - (len(looks) - 1) / 2)
            axes.vlines(x, part["low"], part["high"], color=colour, linewidth=0.6, alpha=0.6)
            size = 3.4 if large else 2.4
            axes.plot(
                x, part["accuracy"], color=colour, marker=marker, markersize=size, markeredgewidth=0, linewidth=0.8
            )
        axes.set(title=corruption, ylim=(0, 1.01), xlim=(table["severity"].min() - 0.2, table["severity"].max() + 0.2))
        axes.set_xticks(sorted(table["severity"].unique()))
        axes.grid(axis="y")
        style.percent(axes.yaxis)
    rows = table[table["corruption"] == corruptions[0]]
    ends = rows[rows["severity"] == rows["severity"].max()].sort_values("accuracy", kind="stable")
    # Inches of type over inches of axes, about: enough that no two names touch.
    heights = _apart(ends["accuracy"].to_numpy(), gap=0.13 / _first_height(len(corruptions), figure.get_figwidth()))
    leader = {"arrowstyle": "-", "linewidth": 0.6, "shrinkA": 0, "shrinkB": 0, "relpos": (0, 0.5)}
    for class_id, name, end, height in zip(ends["class_id"], ends["name"], ends["accuracy"], heights, strict=True):
        last = table["severity"].max()
        panels[0].annotate(
            name,
            (last + 0.05 * span, end),
            xytext=(last + 0.14 * span, height),
            va="center",
            fontsize=SMALL,
            annotation_clip=False,
            arrowprops={"color": looks[class_id][0], **leader},
        )
    figure.supxlabel("Severity of the corruption", fontsize="medium")
    figure.supylabel("Accuracy of the class (%)", fontsize="medium")


def _first_large(figure, number: int) -> list:
    # The first panel has room for names at its right: beside two rows of small ones, or above them.
    wide = figure.get_figwidth() > WIDE
    columns = int(np.ceil((number - 1) / 2)) if wide else 2
    rows = 2 if wide else int(np.ceil((number - 1) / 2))
    if number == 1:
        return [figure.subplots()]
    if wide:
        grid = figure.add_gridspec(rows, 1 + columns, width_ratios=[2.1] + [1] * columns)
        first = figure.add_subplot(grid[:, 0])
        places = [grid[row, 1 + column] for row in range(rows) for column in range(columns)]
    else:
        grid = figure.add_gridspec(1 + rows, columns, height_ratios=[2.2] + [1] * rows)
        first = figure.add_subplot(grid[0, :])
        places = [grid[1 + row, column] for row in range(rows) for column in range(columns)]
    panels = [first]
    for number_, place in enumerate(places[: number - 1]):
        axes = figure.add_subplot(place, sharex=first, sharey=first)
        axes.tick_params(labelleft=number_ % columns == 0, labelbottom=number_ >= number - 1 - columns)
        panels.append(axes)
    return panels


def _first_height(number: int, width: float) -> float:
    return 2.6 if width > WIDE else 2.2


def _curves_height(number: int, width: float) -> float:
    below = 0 if width > WIDE else 1.25 * np.ceil((number - 1) / 2)
    return 0.6 + _first_height(number, width) + below


def _apart(values, gap: float) -> np.ndarray:
    """Values in ascending order, moved as little as needed to stand `gap` apart and within 0 to 1.

    >>> _apart(np.array([0.2, 0.7, 0.7]), 0.1).round(2).tolist()
    [0.2, 0.65, 0.75]
    """
    places = np.array(values, float)
    for _ in range(200):
        close = np.diff(places) < gap - 1e-9
        if not close.any():
            break
        lack = np.where(close, gap - np.diff(places), 0) / 2
        places[:-1] -= lack
        places[1:] += lack
        places += max(0, gap / 2 - places[0]) - max(0, places[-1] - 1)
    return places


@drawing(
    columns="corruption severity class_id name accuracy low high rank",
    width=COLUMN,
    height=lambda table, width: 1.35 + 0.155 * table["corruption"].nunique(),
    caption="Accuracy (%) of {name} classes of CIFAR-10 under {corruption} corruptions at severity {severity:values}."
    " Framed: the lowest class under each. Cells carry no interval: the Wilson 95 % intervals are in the table drawn"
    " (columns low, high).",
)
def draw_fig10_worst(table, figure):
    corruptions = style.ordered(table["corruption"])
    classes = table.drop_duplicates("class_id").sort_values("class_id")
    value = table.pivot(index="corruption", columns="class_id", values="accuracy")
    value = value.reindex(index=corruptions, columns=classes["class_id"]).to_numpy(float)
    axes = figure.subplots()
    picture = axes.imshow(value, cmap="cividis", vmin=0, vmax=1, aspect="auto", interpolation="none")
    lowest = table["rank"] == table.groupby("corruption")["rank"].transform("min")
    row = table["corruption"].map({corruption: place for place, corruption in enumerate(corruptions)})
    column = table["class_id"].map({class_id: place for place, class_id in enumerate(classes["class_id"])})
    for y, x, accuracy, worst in zip(row, column, table["accuracy"], lowest, strict=True):
        look = {"fontsize": SMALL, "fontweight": "bold" if worst else "normal"}
        axes.text(
            x, y, f"{100 * accuracy:.0f}", ha="center", va="center", color="white" if accuracy < 0.55 else INK, **look
        )
        if worst:
            frame = Rectangle((x - 0.47, y - 0.45), 0.94, 0.9, fill=False, edgecolor=WEAK, linewidth=1.3)
            axes.add_patch(frame)
    axes.set_xticks(range(len(classes)), classes["name"], rotation=90)
    axes.set_yticks(range(len(corruptions)), corruptions)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    bar = figure.colorbar(picture, ax=axes, location="top", shrink=0.6, aspect=32, pad=0.015)
    bar.outline.set_visible(False)
    bar.set_label("Accuracy of the class (%)")
    style.percent(bar.ax.xaxis)


@drawing(
    columns="severity group kept low high",
    width=COLUMN,
    height=2.4,
    caption="Share of clean accuracy that classes of CIFAR-10 keep under corruption, by severity: the three weakest on"
    " clean images, the three strongest and the rest, mean over corruptions. Bars: central 95 % of the corruptions, not"
    " a confidence interval. Groups were chosen on the clean versions of the same images.",
)
def draw_fig10_kept(table, figure):
    axes = figure.subplots()
    groups = sorted(style.ordered(table["group"]), key=lambda group: list(GROUPS).index(group.split()[0]))
    for number, group in enumerate(groups):
        rows = table[table["group"] == group].sort_values("severity")
        colour, marker = GROUPS[group.split()[0]]
        x = rows["severity"] + 0.09 * (number - (len(groups) - 1) / 2)
        axes.vlines(x, rows["low"], rows["high"], color=colour, linewidth=0.9, alpha=0.7)
        axes.plot(x, rows["kept"], color=colour, marker=marker, markersize=4, label=group)
    axes.set_xticks(sorted(table["severity"].unique()))
    axes.set(xlabel="Severity of the corruption", ylabel="Accuracy kept (% of clean)")
    axes.set_ylim(0, 1.03 * np.nanmax(table[["kept", "high"]].to_numpy(float)))
    axes.grid(axis="y")
    style.percent(axes.yaxis)
    style.legend(figure)


@drawing(
    columns="case group class kept mean",
    width=COLUMN,
    height=lambda table, width: 0.85 + 0.34 * table["case"].nunique(),
    caption="Accuracy under corruption in per cent of clean accuracy, read off the published figure (one network,"
    " ViT-L/16): {class} classes in two groups by the rank of their clean accuracy, for the {case} corruptions drawn"
    " there. Large tick: mean of a group. Ranks 550–559 of 1000 lie in the middle: the weak classes are not shown."
    " 50 images a class; no intervals.",
)
def draw_fig10_sensitivity(table, figure):
    axes = figure.subplots()
    cases, groups = style.ordered(table["case"]), style.ordered(table["group"])
    handles = []
    for number, group in enumerate(groups):
        colour, marker, fill = RANKS[number % len(RANKS)]
        rows = table[table["group"] == group]
        offset = 0.36 * (number - (len(groups) - 1) / 2)
        y = rows["case"].map({case: place for place, case in enumerate(cases)}) + offset
        look = {"markerfacecolor": fill, "markersize": 2.8, "markeredgewidth": 0.6, "alpha": 0.7}
        axes.plot(rows["kept"], y, marker, color=colour, **look)
        means = ~rows["case"].duplicated()
        axes.plot(rows.loc[means, "mean"], y[means], "|", color=INK, markersize=8, markeredgewidth=1.8, zorder=3)
        handles.append(Line2D([], [], linestyle="none", marker=marker, color=colour, markerfacecolor=fill, label=group))
    handles.append(
        Line2D([], [], linestyle="none", marker="|", color=INK, markersize=8, markeredgewidth=1.8, label="mean")
    )
    style.rows_upward(axes, cases)
    axes.set(xlim=(0, 1.02 * max(100, table["kept"].max())), xlabel="Accuracy kept (% of clean)")
    style.legend(figure, handles)
