"""Notebook 04: the weak classes of text classifiers."""

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from . import style
from .registry import drawing
from .style import FULL, INK, NULL_TEXT, SMALL, STRONG, WEAK

READINGS = {  # statistic: fill, colour, height within the row, name
    "lowest class accuracy (recall)": (STRONG, STRONG, -0.19, "lowest class accuracy (recall)"),
    "lowest class precision": ("white", WEAK, 0.19, "lowest class precision (as coded)"),
}
EMPTY = "#F2F2F2"
CELL = 0.46  # inches: what a value above its interval takes
ROOMY = 7  # representations up to which the cells have room for an interval
NAMES = {"class": 2.4, "pair": 2.2}  # inches below which a panel is too narrow beside its names


@drawing(
    columns="dataset representation run statistic value published",
    width=FULL,
    height=lambda table, width: _height(table, width, table["representation"].nunique(), 0.36),
    caption="The lowest class of text classifiers by two readings: the lowest class accuracy (recall, filled) and the"
    " lowest class precision (open), which the published scripts print as class accuracy, for {representation}"
    " representations and {run} training runs each (small). Large, joined and printed beside: the run that those"
    " scripts take. A class that is never predicted has recall 0 and no precision. Points are runs on the"
    " same items, without intervals.",
)
def draw_fig04_readings(table, figure):
    representations = style.ordered(table["representation"])
    place = {representation: row for row, representation in enumerate(representations)}
    for axes, dataset, rows in _corpora(table, figure, NAMES["class"]):
        published = rows["published"].astype(bool)
        for representation, y in place.items():
            chosen = rows[published & (rows["representation"] == representation)]
            heights = [y + READINGS[statistic][2] for statistic in chosen["statistic"]]
            axes.plot(chosen["value"], heights, color=INK, linewidth=0.7, zorder=1)
        for statistic, (fill, colour, offset, _) in READINGS.items():
            this = rows["statistic"] == statistic
            few, one = rows[this & ~published], rows[this & published]
            for part, size, edge, front in ((few, 2.8, 0.6, 2), (one, 5.6, 1.2, 3)):
                look = {"markerfacecolor": fill, "markersize": size, "markeredgewidth": edge, "zorder": front}
                axes.plot(part["value"], part["representation"].map(place) + offset, "o", color=colour, **look)
            for row in one.itertuples():
                note = "none" if np.isnan(row.value) else f"{100 * row.value:.1f}"
                axes.text(
                    1.02,
                    place[row.representation] + offset,
                    note,
                    color="#A84300" if colour == WEAK else colour,
                    va="center",
                    fontsize=SMALL,
                    transform=axes.get_yaxis_transform(),
                )
        style.rows_upward(axes, representations)
        axes.set(title=dataset, xlim=(-0.02, 1.02 * max(0.8, table["value"].max())))
        style.percent(axes.xaxis)
    figure.supxlabel("Lowest of all classes (%)", fontsize="medium")
    handles = [
        Line2D([], [], linestyle="none", marker="o", color=colour, markerfacecolor=fill, markersize=4.5, label=name)
        for fill, colour, _, name in READINGS.values()
    ]
    large = {"color": INK, "marker": "o", "markersize": 5.6, "markerfacecolor": "none", "linewidth": 0.7}
    handles.append(Line2D([], [], label="published run", **large))
    style.legend(figure, handles)


@drawing(
    columns="dataset class_id name representation accuracy low high worst_rank",
    width=FULL,
    height=lambda table, width: _height(table, width, table.groupby("dataset")["class_id"].nunique().max(), 0.44),
    caption="The classes with the lowest accuracy on average over {representation} representations of text, and the"
    " accuracy of each representation (mean of its runs) with its 95 % interval for fresh items. The classes were"
    " picked by these same values, which are therefore too low on average.",
)
def draw_fig04_weak_classes(table, figure):
    representations = style.ordered(table["representation"])
    most = table.groupby("dataset")["class_id"].nunique().max()
    for axes, dataset, rows in _corpora(table, figure, NAMES["class"], sharey=False):
        classes = rows.groupby(["class_id", "name"])["worst_rank"].mean().sort_values(kind="stable").reset_index()
        place = {class_id: row for row, class_id in enumerate(classes["class_id"])}
        for number, representation in enumerate(representations):
            part = rows[rows["representation"] == representation]
            y = part["class_id"].map(place) + 0.145 * (number - (len(representations) - 1) / 2)
            look = style.text_look(representation)
            axes.hlines(y, part["low"], part["high"], color=look["color"], linewidth=0.8)
            axes.plot(part["accuracy"], y, linestyle="none", markersize=3.2, markeredgewidth=0, **look)
        for edge in range(1, len(classes)):
            axes.axhline(edge - 0.5, color="#E4E4E4", linewidth=0.5, zorder=0)
        style.rows_upward(axes, [_two_lines(name) for name in classes["name"]])
        axes.set(title=dataset, xlim=(-0.02, 1.02), ylim=(most - 0.45, -0.55))
        style.percent(axes.xaxis)
    figure.supxlabel("Accuracy of the class (%), mean of runs", fontsize="medium")
    style.legend(figure, _representation_handles(representations, linewidth=0.8))


def _two_lines(name: str, letters: int = 19) -> str:
    """A class name over two lines, cut where one of its parts ends.

    >>> _two_lines("sci.space"), _two_lines("virtual_card_not_working")
    ('sci.space', 'virtual card\\nnot working')
    """
    name = name.replace("_", " ")
    if len(name) <= letters:
        return name
    cuts = [at + 1 for at, letter in enumerate(name) if letter in " .-"]
    cut = min(cuts, key=lambda at: abs(at - len(name) / 2), default=len(name))
    lines = [name[:cut].strip(), name[cut:].strip()]
    return "\n".join(style.short(line, letters) for line in lines if line)


def _representation_handles(representations, **line) -> list[Line2D]:
    options = {"linestyle": "-" if line else "none", "markersize": 3.6, "markeredgewidth": 0} | line
    return [Line2D([], [], label=each, **style.text_look(each), **options) for each in representations]


def _corpora(table, figure, narrowest: float, sharex=True, sharey=True):
    # One panel a corpus: axes, printed name and rows of each.
    corpora = style.ordered(table["dataset"])
    panels = style.panels(figure, len(corpora), 2, narrowest, sharex=sharex, sharey=sharey)
    for axes, corpus in zip(panels, corpora, strict=True):
        yield axes, style.dataset(corpus), table[table["dataset"] == corpus]


def _height(table, width: float, rows: float, a_row: float, narrowest: float = NAMES["class"]) -> float:
    return 0.65 + style.grid(table["dataset"].nunique(), width, 2, narrowest)[0] * (0.35 + a_row * rows)


@drawing(
    columns="dataset representation_a representation_b raw corrected low high",
    width=FULL,
    height=lambda table, width: (
        0.55 + style.grid(table["dataset"].nunique(), width, 2, 2.6)[0] * (1.15 + CELL * len(_both(table)))
    ),
    caption="Correlation of class accuracies (mean of runs) between representations of text, in {dataset} corpora."
    " Below the diagonal: raw; above: corrected for noise and for the items that the representations share (a value"
    " may pass 1), with the 95 % interval of a class bootstrap.",
)
def draw_fig04_correlation(table, figure):
    low = np.floor(10 * table.loc[_apart(table), ["raw", "corrected"]].min(axis=None)) / 10
    panels = list(_corpora(table, figure, 2.6, sharex=False, sharey=False))
    for axes, dataset, rows in panels:
        representations = _both(rows)
        position = {representation: place for place, representation in enumerate(representations)}
        number = len(representations)
        value, notes = np.full((number, number), np.nan), {}
        for row in rows[_apart(rows)].itertuples():
            first, second = sorted((position[row.representation_a], position[row.representation_b]))
            value[second, first], value[first, second] = row.raw, row.corrected
            notes[second, first] = _decimals(row.raw)
            notes[first, second] = _decimals(row.corrected)
            if number <= ROOMY:
                notes[first, second] += f"\n{_decimals(row.low)}–{_decimals(row.high)}"
        picture = axes.imshow(value, cmap="viridis", vmin=low, vmax=1, aspect="equal", interpolation="none")
        for edge in np.arange(0.5, number - 1):
            axes.axhline(edge, color="white", linewidth=0.6)
            axes.axvline(edge, color="white", linewidth=0.6)
        for (row, column), note in notes.items():
            dark = value[row, column] < low + 0.6 * (1 - low)
            look = {"fontsize": SMALL, "color": "white" if dark else INK, "linespacing": 1.25}
            axes.text(column, row, note, ha="center", va="center", **look)
        axes.set_facecolor(EMPTY)
        axes.set_xticks(range(number), [_two_lines(each, 12) for each in representations], rotation=90)
        axes.set_yticks(range(number), [_two_lines(each, 12) for each in representations])
        axes.tick_params(length=0, labelbottom=True, labelleft=True)
        axes.spines[:].set_visible(False)
        axes.set_title(dataset)
    bar = figure.colorbar(
        picture, ax=[axes for axes, _, _ in panels], location="top", shrink=0.5, aspect=32, pad=0.02, extend="neither"
    )
    bar.outline.set_visible(False)
    gap = " " if figure.get_figwidth() > 5 else "\n"
    bar.set_label(f"Correlation of class accuracies:{gap}raw below the diagonal, corrected above")


@drawing(
    columns="dataset representation_a representation_b raw corrected low high",
    width=FULL,
    height=lambda table, width: (
        0.55 + style.grid(table["dataset"].nunique(), width, 2, 2.6)[0] * (1.05 + 0.23 * len(_both(table)))
    ),
    caption="Correlation of class accuracies (mean of runs) between the authors' representations of text and the"
    " classifiers that were trained here, in {dataset} corpora. Below the diagonal: raw; above: corrected for noise and"
    " for the items that both share (a value may pass 1). The 95 % intervals (class bootstrap) are in the table drawn"
    " (columns low, high).",
)
def draw_fig04_beside(table, figure):
    draw_fig04_correlation(table, figure)


def _both(table) -> list[str]:
    return style.ordered([*table["representation_a"], *table["representation_b"]])


def _apart(table):
    return table["representation_a"] != table["representation_b"]


def _decimals(number: float) -> str:
    """Two decimals without the zero before the point.

    >>> _decimals(0.948), _decimals(-0.05), _decimals(1.004)
    ('.95', '−.05', '1.00')
    """
    text = f"{number:.2f}"
    return text.replace("0.", ".", 1).replace("-", "−") if abs(number) < 0.995 else text.replace("-", "−")


@drawing(
    columns="dataset pair kind value disjoint sham sham_high ceiling chance",
    width=FULL,
    height=lambda table, width: _height(table, width, table["pair"].nunique() + 1.8, 0.25, NAMES["pair"]),
    caption="How many of their weakest classes two runs share, for {pair} pairs of representations, mean over pairs"
    " of runs, in {dataset} corpora. Circles: on all items, which both runs answer; grey bar: what such common items"
    " alone give (sham classes, the same pair); dashed: 97.5 % point of the mean of all pairs in sham classes, no"
    " threshold for a single pair. Diamonds: on disjoint halves of the items; tick: a run with itself on disjoint"
    " halves (ceiling; geometric mean of the two representations). Halves have less power: compare diamonds with their"
    " tick only. Dotted: independent sets. Means without intervals.",
)
def draw_fig04_overlap(table, figure):
    kinds = sorted(table["kind"].unique())  # "across" before "within"
    sections = [(kind, style.ordered(table.loc[table["kind"] == kind, "pair"])) for kind in kinds]
    for axes, dataset, rows in _corpora(table, figure, NAMES["pair"]):
        printed = [(kind, [pair.replace(" x ", " × ") for pair in pairs]) for kind, pairs in sections]
        rows_of = style.rows_in_sections(axes, printed)
        pairs = rows["pair"].str.replace(" x ", " × ")
        y = np.array([rows_of[place] for place in zip(rows["kind"], pairs, strict=True)])
        up, down = y - 0.17, y + 0.2
        axes.barh(up, rows["sham"], height=0.36, color="#D5D5D5", linewidth=0, zorder=1)
        for floor in rows["sham_high"].dropna().unique():
            axes.axvline(floor, color=NULL_TEXT, linewidth=0.8, linestyle=(0, (3, 2)), zorder=1)
        for chance in rows["chance"].dropna().unique():
            axes.axvline(chance, color=INK, linewidth=0.8, linestyle=(0, (1, 1.5)), zorder=1)
        axes.plot(rows["value"], up, "o", color=STRONG, markersize=4)
        axes.plot(rows["ceiling"], down, "|", color=INK, markersize=5, markeredgewidth=1.4)
        axes.plot(rows["disjoint"], down, "D", color=WEAK, markerfacecolor="white", markersize=3)
        axes.set(title=dataset, xlim=(0, 1.04 * table[["value", "ceiling", "sham_high"]].max(axis=None)))
    figure.supxlabel("Weak classes that two runs share", fontsize="medium")
    point = {"linestyle": "none"}
    handles = [
        Line2D([], [], color=STRONG, marker="o", markersize=4, label="all items", **point),
        Patch(color="#D5D5D5", linewidth=0, label="sham classes (floor)"),
        Line2D([], [], color=WEAK, marker="D", markerfacecolor="white", markersize=3, label="disjoint halves", **point),
        Line2D([], [], color=INK, marker="|", markersize=6, markeredgewidth=1.4, label="ceiling of halves", **point),
        Line2D([], [], color=NULL_TEXT, linewidth=0.8, linestyle=(0, (3, 2)), label="sham, 97.5 %"),
        Line2D([], [], color=INK, linewidth=0.8, linestyle=(0, (1, 1.5)), label="chance"),
    ]
    style.legend(figure, handles)
