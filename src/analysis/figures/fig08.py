"""Notebook 08: text classifiers under noise, with real users, and with queries that belong to no class."""

import numpy as np
from matplotlib.lines import Line2D

from . import style
from .fig03 import draw_fig03_groups, draw_fig03_loss
from .registry import drawing
from .style import COLUMN, FULL, INK, REST, WEAK


@drawing(
    columns="dataset representation group severity accuracy low high",
    width=FULL,
    height=lambda table, width: 0.8 + 1.9 * style.grid(*_panels(table, width))[0],
    caption="Accuracy of {representation} text classifiers on noisy versions of the test texts of {dataset} corpora,"
    " by severity (0: clean), mean over kinds of noise. First row: all classes, bars from the harshest to the mildest"
    " kind. Second: the weakest classes, chosen on other clean items than those read.",
)
def draw_fig08_noise(table, figure):
    corpora, groups = style.ordered(table["dataset"]), ("all", "weakest")
    table = table.assign(group=table["group"].str.split().str[0])
    shape = {"sharex": True, "sharey": True}
    panels = iter(style.panels(figure, len(corpora) * len(groups), len(corpora), 1.5, **shape))
    representations = style.ordered(table["representation"])
    for group in groups:
        for corpus in corpora:
            axes, part = next(panels), table[(table["dataset"] == corpus) & (table["group"] == group)]
            for number, (name, rows) in enumerate(part.groupby("representation", sort=False)):
                look = style.text_look(name)
                x = rows["severity"] + 0.05 * (number - (len(representations) - 1) / 2)
                if group == "all":
                    axes.vlines(x, rows["low"], rows["high"], color=look["color"], linewidth=0.7, alpha=0.6)
                axes.plot(x, rows["accuracy"], **look, markersize=3.4, linewidth=0.9)
            axes.set_title(style.dataset(corpus) + (", weakest" if group == "weakest" else ""))
            axes.set_xticks(sorted(table["severity"].unique()))
            axes.set_ylim(0, 1.01)
            axes.grid(axis="y")
            style.percent(axes.yaxis)
    figure.supxlabel("Severity of the noise", fontsize="medium")
    figure.supylabel("Accuracy (%)", fontsize="medium")
    handles = [Line2D([], [], markersize=4, label=name, **style.text_look(name)) for name in representations]
    handles.append(Line2D([], [], color=REST, linewidth=1.2, label="harshest to mildest kind"))
    style.legend(figure, handles)


def _panels(table, width: float) -> tuple[int, float, int]:
    corpora = table["dataset"].nunique()
    return 2 * corpora, width, corpora


@drawing(
    columns="shift models_set scale selection value low high mei",
    width=FULL,
    height=lambda table, width: (
        0.8 + style.grid(3, width, 3, 1.8)[0] * (0.6 + 0.2 * len(table[["shift", "models_set"]].drop_duplicates()))
    ),
    caption="Do weak classes of text lose more under noise? Loss of the weakest classes minus loss of the others on"
    " three scales, mean over the kinds and severities that change any answer, for {models_set} classifiers and"
    " {shift} corpora. Classes chosen on clean texts, or, as the mirror, on noisy ones, and read on other texts; 95 %"
    " intervals: bootstrap of classes. Grey: smaller than the smallest effect of interest.",
)
def draw_fig08_loss(table, figure):
    draw_fig03_loss(table, figure, of="texts")


@drawing(
    columns="shift group selection clean shifted low high",
    width=FULL,
    height=lambda table, width: (
        0.9 + style.grid(table["selection"].nunique(), width, 2, 2.4)[0] * (0.35 + 0.52 * table["shift"].nunique())
    ),
    caption="Mean accuracy in cross-validation on the training sentences (open) and on the queries of real users"
    " (filled) of the weakest classes, the strongest and the rest, for {shift} bots (HINT3); groups are chosen and"
    " read on different items. Bars: central 95 % of the runs of all classifiers, not a confidence interval. Left:"
    " chosen in cross-validation; right: on the users' queries.",
)
def draw_fig08_users(table, figure):
    draw_fig03_groups(table, figure, of="texts")


@drawing(
    columns="representation class rank share low high even",
    width=COLUMN,
    height=lambda table, width: 0.75 + 0.15 * len(table) + 0.2 * table["representation"].nunique(),
    caption="Classes of CLINC150 that take in most queries that belong to no class, for {representation} classifiers:"
    " share of these queries that is accepted at the threshold which keeps 95 % of the validation questions. Classes"
    " are chosen on one half of the queries and read on the other. Bars: Wilson 95 % intervals. Ticks: what a class"
    " would take in if all were alike.",
)
def draw_fig08_scope(table, figure):
    axes = figure.subplots()
    parts = {name: rows.sort_values("rank") for name, rows in table.groupby("representation", sort=False)}
    place = style.rows_in_sections(axes, [(name, list(rows["class"])) for name, rows in parts.items()])
    for name, rows in parts.items():
        y = np.array([place[name, one] for one in rows["class"]])
        axes.hlines(y, rows["low"], rows["high"], color=WEAK, linewidth=1)
        axes.plot(rows["share"], y, "o", color=WEAK, markersize=3.4)
        axes.plot(rows["even"], y, "|", color=INK, markersize=5)
    axes.set(xlim=(0, 1.05 * table["high"].max()), xlabel="Share of out-of-scope queries (%)")
    style.percent(axes.xaxis)
    handles = [
        Line2D([], [], linestyle="none", marker="o", color=WEAK, markersize=4, label="taken in"),
        Line2D([], [], linestyle="none", marker="|", color=INK, markersize=6, label="if all classes were alike"),
    ]
    style.legend(figure, handles)
