"""Notebook 01: the accuracy of single ImageNet classes."""

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from ..claims import FOUR_FAMILIES
from . import style
from .registry import drawing
from .style import FULL, INK, NULL_TEXT, SMALL

TAKEN_FOR = {  # parts of a bar: fill and name
    "right": ("#0072B2", "right"),
    "first": ("#D55E00", "most frequent wrong class"),
    "second": ("#E69F00", "second"),
    "third": ("#F5D58A", "third"),
    "elsewhere": ("#DDDDDD", "all others"),
}


@drawing(
    columns="model label family overall rank class_id accuracy low high null_low null_high",
    width=FULL,
    height=lambda table, width: 0.35 + 1.95 * style.grid(table["model"].nunique(), width, 2, 2.2)[0],
    caption="Top-1 accuracy of each of {class_id} ImageNet classes (50 validation images each), sorted, for {model}"
    " networks. Coloured bands: Wilson 95 % interval of each class. Dark grey: the central 95 % of the sorted curve if"
    " every class were equally hard. Dashed: overall accuracy.",
)
def draw_fig01_class_curves(table, figure):
    models = style.ordered(table["model"])
    panels = style.panels(figure, len(models), 2, 2.2, sharex=True, sharey=True)
    for axes, model in zip(panels, models, strict=True):
        rows = table[table["model"] == model].sort_values("rank")
        first = rows.iloc[0]
        colour = style.colour(first["family"])
        axes.fill_between(rows["rank"], rows["low"], rows["high"], color=colour, alpha=0.25, linewidth=0)
        # Accuracies of 50 images are multiples of 2 %, so the band often has no width: its edge keeps it visible.
        axes.fill_between(rows["rank"], rows["null_low"], rows["null_high"], color=NULL_TEXT, linewidth=1.2, step="mid")
        axes.plot(rows["rank"], rows["accuracy"], color=colour, drawstyle="steps-mid", linewidth=1.3)
        axes.axhline(first["overall"], color=INK, linewidth=0.7, linestyle=(0, (4, 3)))
        note = f"overall {100 * first['overall']:.1f} %"
        axes.annotate(
            note,
            (rows["rank"].max(), first["overall"]),
            xytext=(0, -3),
            textcoords="offset points",
            ha="right",
            va="top",
            fontsize=SMALL,
        )
        axes.set(title=first["label"], ylim=(0, 1.01), xlim=(-0.01 * rows["rank"].max(), 1.01 * rows["rank"].max()))
        axes.grid(axis="y")
        style.percent(axes.yaxis)
    figure.supxlabel("Classes, sorted by accuracy (rank)", fontsize="medium")
    figure.supylabel("Top-1 accuracy (%)", fontsize="medium")
    handles = [
        (Line2D([], [], color=INK, linewidth=1.3, label="accuracy of a class")),
        Patch(color=style.colour(table["family"].iloc[0]), alpha=0.25, linewidth=0, label="Wilson 95 % interval"),
        Patch(color=NULL_TEXT, linewidth=0, label="if all classes were equally hard (95 %)"),
    ]
    style.legend(figure, handles)


@drawing(
    columns="model label family class_id name accuracy low high real_accuracy real_low real_high",
    width=FULL,
    height=lambda table, width: _rows_height(table, style.grid(table["model"].nunique(), width, 2, 3.0)[0]),
    caption="The classes with the lowest accuracy of {model} networks, with Wilson 95 % intervals. Filled: original"
    " labels (50 images a class). Open: ReaL labels, on the images of the class that carry one. The classes were"
    " picked by the filled value, which is therefore too low on average.",
)
def draw_fig01_worst_classes(table, figure):
    models = style.ordered(table["model"])
    names = dict(zip(table["class_id"], _names(table["class_id"], table["name"]), strict=True))
    for axes, model in zip(style.panels(figure, len(models), 2, 3.0, sharex=True), models, strict=True):
        rows = table[table["model"] == model]
        colour, place = style.colour(rows["family"].iloc[0]), np.arange(len(rows))
        spread = 0.17
        for prefix, fill, offset in (("", colour, -spread), ("real_", "white", spread)):
            middle, low, high = (rows[prefix + column].to_numpy() for column in ("accuracy", "low", "high"))
            axes.hlines(place + offset, low, high, color=colour, linewidth=0.8)
            axes.plot(middle, place + offset, "o", color=colour, markerfacecolor=fill, markersize=3.6)
        style.rows_upward(axes, [style.short(names[class_id], 24) for class_id in rows["class_id"]])
        axes.set(title=rows["label"].iloc[0], xlim=(-0.01, 1.01))
        style.percent(axes.xaxis)
    figure.supxlabel("Top-1 accuracy (%)", fontsize="medium")
    point = {"color": INK, "marker": "o", "linewidth": 0.8, "markersize": 3.6}
    handles = [
        Line2D([], [], label="original labels", **point),
        Line2D([], [], label="ReaL labels", markerfacecolor="white", **point),
    ]
    style.legend(figure, handles)


def _names(class_id, name) -> list[str]:
    """Class names, with the class id behind those that stand for several classes."""
    ids = {}
    for one, text in zip(class_id, name, strict=True):
        ids.setdefault(text, set()).add(one)
    return [f"{text} ({one:.0f})" if len(ids[text]) > 1 else text for one, text in zip(class_id, name, strict=True)]


def _rows_height(table, panel_rows: int, a_row: float = 0.175, a_panel: float = 0.36, rest: float = 0.5) -> float:
    return rest + panel_rows * (a_panel + a_row * table.groupby("model").size().max())


@drawing(
    columns="model label family overall class_id accuracy p5 p10 minimum",
    width=FULL,
    height=lambda table, width: 0.75 + 0.24 * table["model"].nunique(),
    caption="Distribution of accuracy over {class_id} ImageNet classes (50 images each) for {model} networks in the"
    " order of overall accuracy; widths are scaled to the same maximum, colours are families. Marks: overall"
    " accuracy, the 10th and 5th percentile and the minimum over classes, all as observed, so the extremes include"
    " noise.",
)
def draw_fig01_distribution(table, figure):
    axes = figure.subplots()
    networks = table.drop_duplicates("model").sort_values("overall", kind="stable").reset_index(drop=True)
    palette = {row.model: style.colour(row.family) for row in networks.itertuples()}
    import seaborn  # takes seconds: not for commands that draw no violins

    seaborn.violinplot(
        table,
        x="accuracy",
        y="model",
        order=networks["model"],
        hue="model",
        palette=palette,
        ax=axes,
        orient="h",
        cut=0,
        inner=None,
        density_norm="width",
        width=0.85,
        linewidth=0,
        saturation=1,
        legend=False,
    )
    for body in axes.collections:
        body.set_alpha(0.45)
    place = networks.index.to_numpy()
    marks = (
        ("overall", "|", INK, 7, 1.6, "overall"),
        ("p10", "D", INK, 3.0, 0.7, "10th percentile"),
        ("p5", "o", INK, 3.4, 0.7, "5th percentile"),
        ("minimum", "x", INK, 3.6, 1.0, "minimum"),
    )
    handles = []
    for column, marker, colour, size, edge, label in marks:
        fill = "white" if column in ("p5", "p10") else colour
        look = {"color": colour, "markersize": size, "markeredgewidth": edge, "markerfacecolor": fill, "label": label}
        handles += axes.plot(networks[column], place, linestyle="none", marker=marker, **look)
    style.rows_upward(axes, networks["label"])
    axes.set(xlim=(-0.01, 1.01), xlabel="Top-1 accuracy of a class (%)", ylabel="")
    style.percent(axes.xaxis)
    style.legend(figure, handles)


@drawing(
    columns="model label family labels overall raw estimate low high",
    width=FULL,
    height=lambda table, width: 0.4 + 2.6 * style.grid(table["labels"].nunique(), width, 2, 2.6)[0],
    caption="Number of ImageNet classes whose true accuracy is below 50 %, against overall accuracy, for {model}"
    " networks and two sets of labels. Points: estimate from posterior draws with its 95 % interval; grey crosses:"
    " raw count of classes observed below 50 %. Named: one network of each of the four families.",
)
def draw_fig01_weak_counts(table, figure):
    label_sets = style.ordered(table["labels"])
    titles = {"original": "Original labels", "real": "ReaL labels"}
    for axes, labels in zip(
        style.panels(figure, len(label_sets), 2, 2.6, sharex=True, sharey=True), label_sets, strict=True
    ):
        rows = table[table["labels"] == labels]
        style.log_from_zero(axes, table[["raw", "high"]].max(axis=None))
        axes.plot(rows["overall"], rows["raw"], "x", color="#A0A0A0", markersize=2.6, markeredgewidth=0.6, zorder=1)
        for family in sorted(rows["family"].unique(), key=lambda name: (style.group(name) != "other", name)):
            part = rows[rows["family"] == family]
            colour = style.colour(family)
            axes.vlines(part["overall"], part["low"], part["high"], color=colour, linewidth=0.8, zorder=2)
            look = {"color": colour, "markersize": 3.2, "zorder": 3, "markeredgecolor": "white", "markeredgewidth": 0.3}
            axes.plot(part["overall"], part["estimate"], style.marker(family), **look)
        four = rows[rows["model"].isin(FOUR_FAMILIES)].sort_values("overall")
        # The cloud falls to the right, so there is room for names above or below; the name of the rightmost point
        # stands nearest to the edge, so that no leader crosses a name.
        heights = axes.transAxes.inverted().transform(axes.transData.transform(four[["overall", "estimate"]]))[:, 1]
        edge, step, corner = (0.97, -0.075, 0) if heights.mean() < 0.5 else (0.04, 0.075, 1)
        for position, row in enumerate(four.itertuples()):
            look = {"color": style.colour(row.family), "markeredgecolor": INK, "markersize": 5, "zorder": 4}
            axes.plot(row.overall, row.estimate, style.marker(row.family), **look)
            axes.annotate(
                row.label,
                (row.overall, row.estimate),
                xytext=(row.overall, edge + step * (len(four) - 1 - position)),
                textcoords=("data", "axes fraction"),
                ha="right",
                va="center",
                fontsize=SMALL,
                arrowprops={"arrowstyle": "-", "color": INK, "linewidth": 0.5, "shrinkB": 3, "relpos": (1, corner)},
            )
        axes.set_title(titles.get(labels, labels))
        style.percent(axes.xaxis)
    figure.axes[0].set_ylabel("Classes below 50 % accuracy")
    figure.supxlabel("Overall top-1 accuracy (%)", fontsize="medium")
    raw = Line2D([], [], color="#A0A0A0", marker="x", linestyle="none", markersize=3, label="raw count")
    style.legend(figure, [*style.family_handles(table["family"]), raw])


@drawing(
    columns="class_id name part pred pred_name share",
    width=FULL,
    height=lambda table, width: 0.75 + 0.2 * table["class_id"].nunique(),
    caption="What {class_id} weak ImageNet classes are taken for: shares of all answers to the images of a class (50"
    " each), averaged over one network of each of four families. The most frequent wrong class is named. Shares are"
    " means over the networks and carry no interval.",
)
def draw_fig01_confusions(table, figure):
    axes = figure.subplots()
    ids = style.ordered(table["class_id"])
    place = {class_id: position for position, class_id in enumerate(ids)}
    left = np.zeros(len(ids))
    letters = int(3.9 * figure.get_figwidth())
    handles = []
    for part, (fill, label) in TAKEN_FOR.items():
        share = table[table["part"] == part].set_index("class_id")["share"].reindex(ids).fillna(0).to_numpy()
        axes.barh(np.arange(len(ids)), share, left=left, height=0.74, color=fill, edgecolor="white", linewidth=0.4)
        handles.append(Patch(color=fill, linewidth=0, label=label))
        left = left + share
    first = table[table["part"] == "first"]
    names = _names([*first["class_id"], *first["pred"]], [*first["name"], *first["pred_name"]])
    for row, taken_for in zip(first.itertuples(), names[len(first) :], strict=True):
        note = f"{style.short(taken_for, letters)}, {100 * row.share:.0f} %"
        axes.text(1.01, place[row.class_id], note, va="center", ha="left", fontsize=SMALL, color="#A84300")
    own = dict(zip(first["class_id"], names, strict=False))
    style.rows_upward(axes, [style.short(own[class_id], letters) for class_id in ids])
    axes.grid(False)
    axes.set(xlim=(0, 1), xlabel="Share of all answers (%)")
    style.percent(axes.xaxis)
    style.legend(figure, handles)
