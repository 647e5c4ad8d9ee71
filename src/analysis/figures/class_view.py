"""One class over all networks, data sets and label sets: what `analysis.show_class` shows."""

import numpy as np

from . import style
from .registry import drawing
from .style import FULL, INK

GOLDEN = (5**0.5 - 1) / 2


@drawing(
    columns="title dataset labels model label family n predicted accuracy low high",
    width=FULL,
    height=lambda table, width: 0.85 + 0.34 * len(_sets(table)),
    caption="Accuracy on images of one class, {title:values}, for {model} networks, by data set and labels. A point"
    " is a network; the bar is the Wilson 95 % interval of the network in the middle.",
)
def draw_class_view(table, figure):
    axes = figure.subplots()
    sets = _sets(table)
    for place, (dataset, labels) in enumerate(sets):
        rows = table[(table["dataset"] == dataset) & (table["labels"] == labels)].sort_values("accuracy", kind="stable")
        # Few images give few different accuracies: an even spread in height shows how many networks lie on one.
        height = place + 0.5 * ((np.arange(len(rows)) * GOLDEN) % 1 - 0.5)
        for family in style.ordered(rows["family"]):
            own = (rows["family"] == family).to_numpy()
            look = {"color": style.colour(family), "markersize": 3, "markeredgewidth": 0, "alpha": 0.8}
            axes.plot(rows["accuracy"][own], height[own], style.marker(family), **look)
        middle = rows.iloc[len(rows) // 2]
        axes.plot([middle["low"], middle["high"]], [place, place], color=INK, linewidth=1)
        axes.plot(middle["accuracy"], place, "|", color=INK, markersize=9, markeredgewidth=1.6)
    images = table.groupby(["dataset", "labels"])["n"].max()
    names = [
        f"{dataset}{'' if labels == 'original' else f', {labels}'}\n{images[dataset, labels]:.0f} images"
        for dataset, labels in sets
    ]
    style.rows_upward(axes, names)
    axes.set(title=table["title"].iloc[0], xlim=(-0.02, 1.02), xlabel="Accuracy (%)")
    style.percent(axes.xaxis)
    style.legend(figure, style.family_handles(table["family"], markersize=3.5))


def _sets(table) -> list[tuple[str, str]]:
    return style.ordered(zip(table["dataset"], table["labels"], strict=True))
