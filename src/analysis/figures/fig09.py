"""Notebook 09: sixteen categories, networks and humans on the same trials."""

import numpy as np
from matplotlib.lines import Line2D

from . import style
from .registry import drawing
from .style import FULL, INK


def _look(who: str, table) -> dict:
    row = table[table["who"] == who].iloc[0]
    return {"color": style.colour(row["family"]), "marker": style.marker(row["family"])}


@drawing(
    columns="set condition order who kind family mean worst worst_low worst_high worst_category n_categories",
    width=FULL,
    height=lambda table, width: 0.7 + 1.55 * style.grid(table["set"].nunique(), width, 3, 1.5)[0],
    caption="Accuracy in {set} parametric sets of the sixteen-category trials, from the easiest condition to the"
    " hardest: mean over 16 categories (pale line) and the worst category (markers, with its Wilson 95 % interval,"
    " which does not know that the category was picked as the worst). Dotted: guessing among 16 categories.",
)
def draw_fig09_conditions(table, figure):
    sets = style.ordered(table["set"])
    people = style.ordered(table["who"])
    looks = {who: _look(who, table) for who in people}
    for axes, name in zip(style.panels(figure, len(sets), 3, 1.5, sharey=True), sets, strict=True):
        part = table[table["set"] == name]
        axes.axhline(1 / part["n_categories"].iloc[0], color=INK, linewidth=0.7, linestyle=(0, (1, 2)))
        span = np.ptp(part["order"])
        for number, who in enumerate(people):
            rows = part[part["who"] == who].sort_values("order")
            colour, marker, top = looks[who]["color"], looks[who]["marker"], 3 if rows["kind"].eq("human").all() else 2
            x = rows["order"] + 0.013 * span * (number - (len(people) - 1) / 2)
            axes.plot(rows["order"], rows["mean"], color=colour, linewidth=1.6, alpha=0.5, zorder=top)
            axes.vlines(x, rows["worst_low"], rows["worst_high"], color=colour, linewidth=0.6, alpha=0.5, zorder=top)
            look = {
                "zorder": top,
                "markersize": 3 if top == 2 else 4.5,
                "markeredgewidth": 0,
                "linewidth": 0.7,
                "linestyle": (0, (2, 1.5)),
            }
            axes.plot(x, rows["worst"], color=colour, marker=marker, **look)
        ticks = part.drop_duplicates("order").sort_values("order")
        step = 1 if len(ticks) <= 8 else 2
        axes.set_xticks(
            ticks["order"].iloc[::step], ticks["condition"].iloc[::step], rotation=90 if len(ticks) > 4 else 0
        )
        axes.set(title=name, ylim=(-0.02, 1.02))
        axes.grid(axis="y")
        style.percent(axes.yaxis)
    figure.supxlabel("Condition, from the easiest to the hardest", fontsize="medium")
    figure.supylabel("Accuracy (%)", fontsize="medium")
    handles = [Line2D([], [], markersize=4, markeredgewidth=0, label=who, **looks[who]) for who in people]
    handles.append(Line2D([], [], color="#808080", linewidth=1.6, alpha=0.5, label="mean of 16 categories"))
    handles.append(Line2D([], [], color="#808080", linewidth=0.7, linestyle=(0, (2, 1.5)), label="worst category"))
    style.legend(figure, handles)


@drawing(
    columns="set category who kind accuracy low high n",
    width=FULL,
    height=lambda table, width: 1.1 + _heat_rows(table, width) * (0.3 + 0.125 * table["set"].nunique()),
    caption="Accuracy of each of {category} categories in {set} sets of the sixteen-category trials, all conditions"
    " of a set together, for {who} observers. White: no trials. Shading carries no interval: the Wilson 95 %"
    " intervals are in the table drawn (columns low, high).",
)
def draw_fig09_categories(table, figure):
    people = style.ordered(table["who"])
    sets, categories = style.ordered(table["set"]), style.ordered(table["category"])
    panels = style.panels(figure, len(people), 3, 1.6, sharex=True, sharey=True)
    letters = int(12 * figure.get_figwidth() / style.grid(len(people), figure.get_figwidth(), 3, 1.6)[1])
    for axes, who in zip(panels, people, strict=True):
        rows = table[table["who"] == who]
        value = rows.pivot(index="set", columns="category", values="accuracy").reindex(index=sets, columns=categories)
        picture = axes.imshow(
            value.to_numpy(float), cmap="cividis", vmin=0, vmax=1, aspect="auto", interpolation="none"
        )
        axes.set_xticks(range(len(categories)), categories, rotation=90)
        axes.set_yticks(range(len(sets)), sets)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        axes.set_title(style.short(who, letters))
    bar = figure.colorbar(picture, ax=panels, location="top", shrink=0.4, aspect=36, pad=0.02)
    bar.outline.set_visible(False)
    bar.set_label("Accuracy (%)")
    style.percent(bar.ax.xaxis)


def _heat_rows(table, width: float) -> int:
    return style.grid(table["who"].nunique(), width, 3, 1.6)[0]
