"""Notebook 02: do networks share their weak classes?"""

import numpy as np

from . import style
from .registry import drawing
from .style import COLUMN, FULL, INK, NULL, NULL_TEXT, SMALL

WIDE = 5  # inches from which there is room for names of families

OVERLAP = {  # quantity: name, what its overlap is counted on, colour
    "full set": ("observed", "all images", "#0072B2"),
    "sham floor": ("sham classes (floor)", "all images", NULL),
    "same half items": ("same half", "half the images", "#56B4E9"),
    "disjoint items": ("disjoint halves", "half the images", "#0072B2"),
    "ceiling": ("one network, disjoint\nhalves (ceiling)", "half the images", "#E69F00"),
}
SHARING = {
    "observed": ("observed", "#0072B2", "-"),
    "sham classes": ("sham classes", NULL_TEXT, (0, (4, 2))),
    "permuted within superclass": ("permuted within superclass", "#D55E00", (0, (1, 1.2))),
}
FOREST = {
    "raw r": ("As observed", "Correlation of class accuracies"),
    "corrected r": ("Corrected", "Correlation of class accuracies"),
    "overlap ratio": ("Overlap of weakest classes", "Overlap over its ceiling"),
}
MEAN = "mean of pairs"


@drawing(
    columns="model_a label_a family_a model_b label_b family_b raw corrected",
    width=FULL,
    height=lambda table, width: 1.65 + _cell(table, width) * len(_networks(table)),
    caption="Correlation of class accuracies over ImageNet classes for every pair of networks. Below the diagonal:"
    " raw; above: corrected for noise and for the images that the networks share (a value may pass 1). Point"
    " estimates; the intervals of the named pairs stand in fig02_four_families.",
)
def draw_fig02_correlation(table, figure):
    networks = _networks(table)
    position = {model: place for place, (model, _, _) in enumerate(networks)}
    number = len(networks)
    value = np.full((number, number), np.nan)
    for row in table.itertuples():
        first, second = sorted((position[row.model_a], position[row.model_b]))
        if first != second:
            value[second, first], value[first, second] = row.raw, row.corrected
    axes = figure.subplots()
    low = np.floor(20 * np.nanmin(value)) / 20
    picture = axes.imshow(value, cmap="viridis", vmin=low, vmax=1, aspect="equal", interpolation="none")
    for edge in np.arange(0.5, number - 1):
        axes.axhline(edge, color="white", linewidth=0.4)
        axes.axvline(edge, color="white", linewidth=0.4)
    cell = 72 * _cell(table, figure.get_figwidth())  # points
    if cell >= 13:  # what two decimals take
        for (row, column), number_ in np.ndenumerate(value):
            if np.isfinite(number_):
                dark = number_ < low + 0.6 * (1 - low)
                text = f"{number_:.2f}".removeprefix("0")
                axes.text(column, row, text, ha="center", va="center", fontsize=SMALL, color="white" if dark else INK)
    names = [label for _, label, _ in networks]
    size = SMALL if cell >= 8 else 0.9 * cell
    axes.set_xticks(range(number), names, rotation=90, fontsize=size)
    axes.set_yticks(range(number), names, fontsize=size)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    _brackets(axes, [family for _, _, family in networks], named=figure.get_figwidth() > WIDE)
    bar = figure.colorbar(picture, ax=axes, location="top", shrink=0.5, aspect=32, pad=0.015, extend="neither")
    bar.outline.set_visible(False)
    gap = " " if figure.get_figwidth() > WIDE else "\n"
    bar.set_label(f"Correlation of class accuracies:{gap}raw below the diagonal, corrected above")


def _networks(table) -> list[tuple[str, str, str]]:
    ends = [table[["model" + end, "label" + end, "family" + end]].to_numpy() for end in ("_a", "_b")]
    return style.ordered(map(tuple, np.vstack(ends)))


def _cell(table, width: float) -> float:
    # Inches: what names on the left and, on a wide page, families on the right leave for one network.
    return max(0.05, (width - (2.15 if width > WIDE else 1.25)) / len(_networks(table)))


def _brackets(axes, families, named: bool) -> None:
    # One bracket a family on the right, where networks of one family stand together.
    start = 0
    place = axes.get_yaxis_transform()
    for stop in range(1, len(families) + 1):
        if stop == len(families) or families[stop] != families[start]:
            colour = style.colour(families[start])
            axes.plot(
                [1.012] * 2, [start - 0.36, stop - 0.64], color=colour, linewidth=2, transform=place, clip_on=False
            )
            middle = (start + stop - 1) / 2
            if named:
                axes.text(1.025, middle, families[start], transform=place, va="center", fontsize=SMALL)
            start = stop


@drawing(
    columns="quantity pair value chance",
    optional="highlight",
    width=COLUMN,
    height=3.1,
    caption="How many of its weakest classes a network shares with another, over {pair} pairs of networks:"
    " distribution over pairs, mean (tick) and central 90 % (bar) of the pairs, and pairs of the four families (white"
    " diamonds). Values from half the images have less power and are comparable only with one another. Dotted:"
    " independent sets.",
)
def draw_fig02_overlap(table, figure):
    axes = figure.subplots()
    present = [quantity for quantity in OVERLAP if quantity in set(table["quantity"])]
    halves = [OVERLAP[quantity][1] for quantity in present]
    # A free row between what is counted on all images and what on half of them: they must not be compared.
    place = {quantity: row + (halves[row] != halves[0]) * 0.8 for row, quantity in enumerate(present)}
    for quantity, row in place.items():
        values = table.loc[table["quantity"] == quantity, "value"].dropna()
        colour = OVERLAP[quantity][2]
        body = axes.violinplot(values, positions=[row + 0.2], orientation="horizontal", side="low", widths=1.15)
        for part in ("cbars", "cmins", "cmaxes"):
            body[part].set_visible(False)
        body["bodies"][0].set(facecolor=colour, edgecolor="none", alpha=0.75, linewidth=0)
        low, high = values.quantile([0.05, 0.95])
        axes.hlines(row + 0.2, low, high, color=INK, linewidth=0.7)
        axes.plot(values.mean(), row + 0.2, "|", color=INK, markersize=7, markeredgewidth=1.6)
        axes.annotate(
            f"{values.mean():.1f}",
            (values.mean(), row + 0.2),
            xytext=(0, -5),
            textcoords="offset points",
            ha="center",
            va="top",
            fontsize=SMALL,
        )
    if "highlight" in table:
        marked = table[table["highlight"].astype(bool)]
        rows = marked["quantity"].map(place) + 0.2
        axes.plot(marked["value"], rows, "D", color="white", markeredgecolor=INK, markersize=2.6, markeredgewidth=0.6)
    chance = table["chance"].iloc[0]
    axes.axvline(chance, color=NULL_TEXT, linewidth=0.9, linestyle=(0, (1, 1.5)))
    style.rows_upward(axes, [])
    axes.set_yticks(list(place.values()), [OVERLAP[quantity][0] for quantity in place])
    axes.set_ylim(max(place.values()) + 0.75, -0.75)
    for words in dict.fromkeys(halves):
        rows = [place[quantity] for quantity in present if OVERLAP[quantity][1] == words]
        axes.text(
            0.99,
            min(rows) - 0.62,
            words,
            ha="right",
            fontsize=SMALL,
            color=NULL_TEXT,
            transform=axes.get_yaxis_transform(),
        )
    axes.text(
        chance, 1.0, f" chance {chance:.1f}", fontsize=SMALL, color=NULL_TEXT, transform=axes.get_xaxis_transform()
    )
    axes.set_xlim(0, 1.02 * table["value"].max())
    axes.set_xlabel("Weak classes that two networks share")


@drawing(
    columns="curve networks_share classes low high",
    width=COLUMN,
    height=2.6,
    caption="Number of ImageNet classes that are among the weakest of at least a given share of the networks:"
    " observed, in sham classes that share nothing but images, and with class labels permuted within superclasses for"
    " each network apart. Bands: central 95 % of 100 random deals and permutations.",
)
def draw_fig02_sharing(table, figure):
    axes = figure.subplots()
    for curve, (name, colour, dashes) in SHARING.items():
        rows = table[table["curve"] == curve].sort_values("networks_share")
        share = rows["networks_share"]
        axes.fill_between(share, rows["low"], rows["high"], step="pre", color=colour, alpha=0.2, linewidth=0)
        axes.step(share, rows["classes"], where="pre", color=colour, linestyle=dashes, label=name, linewidth=1.3)
    style.log_from_zero(axes, table[["classes", "high"]].max(axis=None))
    axes.set(xlim=(0, 1), ylabel="Classes")
    axes.set_xlabel("Weak in at least this share of networks (%)")
    style.percent(axes.xaxis)
    axes.legend(loc="upper right")


@drawing(
    columns="pair quantity value low high mei",
    width=FULL,
    height=lambda table, width: _forest_height(table, width),
    caption="Agreement of one network of each of four families about which ImageNet classes are hard, for each pair"
    " and the mean of pairs: correlation of class accuracies as observed; corrected for noise and shared images;"
    " overlap of the weakest classes on disjoint images over its ceiling. 95 % intervals (class bootstrap) where"
    " printed. Dashed: smallest effect of interest.",
)
def draw_fig02_four_families(table, figure):
    quantities = [quantity for quantity in FOREST if quantity in set(table["quantity"])]
    pairs = [pair for pair in style.ordered(table["pair"]) if pair != MEAN]
    place = {pair: row for row, pair in enumerate(pairs)} | {MEAN: len(pairs) + 0.35}
    for axes, quantity in zip(
        style.panels(figure, len(quantities), 3, 1.9, sharex=True, sharey=True), quantities, strict=True
    ):
        rows = table[table["quantity"] == quantity]
        for row in rows.itertuples():
            mean = row.pair == MEAN
            colour, marker, size = (INK, "D", 4.6) if mean else ("#0072B2", "o", 4)
            axes.hlines(place[row.pair], row.low, row.high, color=colour, linewidth=1.4 if mean else 1)
            axes.plot(row.value, place[row.pair], marker, color=colour, markersize=size)
            # Intervals are narrow beside the distance to the dashed line: their ends are printed, too.
            note = {"textcoords": "offset points", "va": "center", "ha": "right", "fontsize": SMALL}
            start = np.nanmin([row.low, row.value])
            axes.annotate(_estimate(row), (start, place[row.pair]), xytext=(-5, 0), **note)
        style.rows_upward(axes, pairs)
        axes.set_yticks(list(place.values()), list(place))
        axes.set_ylim(len(pairs) + 0.9, -0.6)
        for mei in rows["mei"].dropna().unique():
            axes.axvline(mei, color=INK, linewidth=0.8, linestyle=(0, (4, 3)))
        title, unit = FOREST[quantity]
        axes.set(title=title, xlabel=unit)
    shown = table[["value", "low", "high", "mei"]]
    axes.set_xlim(shown.min(axis=None) - 0.03, max(1, shown.max(axis=None)) + 0.01)


def _estimate(row) -> str:
    value, low, high = (f"{number:.3f}".removeprefix("0") for number in (row.value, row.low, row.high))
    return value if np.isnan(row.low) else f"{value} [{low}, {high}]"


def _forest_height(table, width: float) -> float:
    return 0.35 + style.grid(table["quantity"].nunique(), width, 3, 1.9)[0] * (0.45 + 0.2 * table["pair"].nunique())
