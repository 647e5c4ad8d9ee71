"""The figures of a report, in the look of the others, as SVG that stands inside the page."""

import io
import re

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from ..figures import style
from ..figures.style import INK, NULL, NULL_TEXT, REST, STRONG, WEAK
from .compute import Findings, null_band

WIDTH = 4.3  # inches: side by side on a screen, one below the other on a telephone
FEW = 30  # classes that are drawn one by one


def curve(found: Findings, *, rng) -> str:
    """Sorted class accuracies with intervals, and the band that would hold them all if classes were equally hard."""
    rows = found.classes[found.classes["n"] > 0].sort_values(["accuracy", "position"], kind="stable")
    n, overall = rows["n"].to_numpy(), found.overall["accuracy"]
    band = null_band(n, overall, rng=rng)
    rank = np.arange(1, len(n) + 1)

    def draw(figure):
        axes = figure.subplots()
        if len(n) > FEW:
            axes.fill_between(rank, rows["low"], rows["high"], color=STRONG, alpha=0.25, linewidth=0)
            axes.fill_between(rank, *band, color=NULL_TEXT, linewidth=1.2, step="mid")
            axes.plot(rank, rows["accuracy"], color=STRONG, drawstyle="steps-mid", linewidth=1.3)
        else:  # one mark a class
            axes.bar(rank, band[1] - band[0], bottom=band[0], width=0.8, color=NULL)
            axes.vlines(rank, rows["low"], rows["high"], color=STRONG, alpha=0.5, linewidth=2)
            axes.plot(rank, rows["accuracy"], "o", color=STRONG, markersize=4)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.axhline(overall, color=INK, linewidth=0.7, linestyle=(0, (4, 3)))
        axes.set(ylim=(0, 1.01), xlabel="Classes, sorted by accuracy (rank)", ylabel="Accuracy (%)")
        axes.grid(axis="y")
        style.percent(axes.yaxis)
        style.legend(
            figure,
            [
                Line2D([], [], color=STRONG, marker="o" if len(n) <= FEW else "", label="class, read off"),
                Patch(color=STRONG, alpha=0.25, linewidth=0, label="Wilson 95 %"),
                Patch(
                    color=NULL_TEXT if len(n) > FEW else NULL,
                    linewidth=0,
                    label="all equally hard (95 %, all ranks at once)",
                ),
                Line2D([], [], color=INK, linewidth=0.7, linestyle=(0, (4, 3)), label="overall"),
            ],
        )

    return _svg(draw, 2.9, "Class accuracies, sorted")


def readings(found: Findings) -> str:
    """The same extremes by every reading: as they came out, cross-fitted, estimated, and from noise alone."""
    rows = found.extremes[found.extremes["functional"].isin(["worst_q", "p5", "p10", "minimum"])]

    def draw(figure):
        axes = figure.subplots()
        for place, row in enumerate(rows.itertuples()):
            # Behind the reading that it belongs to: the others are free of noise, and this is noise alone.
            null = [row.null_low, row.null_high]
            axes.plot(null, [place - 0.24] * 2, color=NULL, linewidth=6, solid_capstyle="butt")
            axes.plot(row.read_off, place - 0.24, "o", color=REST, markerfacecolor="white", markersize=4.5)
            axes.hlines(place, row.estimate_low, row.estimate_high, color=WEAK, linewidth=1.2)
            axes.plot(row.estimate, place, "D", color=WEAK, markersize=4)
            if np.isfinite(row.crossfit):
                axes.hlines(place + 0.24, row.crossfit_low, row.crossfit_high, color=STRONG, linewidth=1)
                axes.plot(row.crossfit, place + 0.24, "s", color=STRONG, markersize=4)
        axes.axvline(found.overall["accuracy"], color=INK, linewidth=0.7, linestyle=(0, (4, 3)))
        style.rows_upward(axes, [_wrapped(text) for text in rows["what"]])
        axes.set(xlim=(-0.01, 1.01), xlabel="Accuracy (%)")
        style.percent(axes.xaxis)
        style.legend(
            figure,
            [
                Line2D([], [], color=REST, marker="o", markerfacecolor="white", linestyle="none", label="read off"),
                Line2D([], [], color=WEAK, marker="D", linewidth=1.2, label="estimate, 95 %"),
                Line2D([], [], color=STRONG, marker="s", linewidth=1, label="cross-fitted, 95 %"),
                Patch(color=NULL, linewidth=0, label="read off if all were equally hard"),
            ],
        )

    return _svg(draw, 1.0 + 0.48 * len(rows), "Weakest classes by four readings")


def lowest(found: Findings, most: int = 12) -> str:
    """The lowest classes: as they came out, and estimated."""
    rows = found.weakest.head(most)
    estimated = rows["estimate"].notna().all()

    def draw(figure):
        axes, place = figure.subplots(), np.arange(len(rows))
        offset = 0.15 if estimated else 0
        axes.hlines(place - offset, rows["low"], rows["high"], color=REST, linewidth=0.9)
        axes.plot(rows["accuracy"], place - offset, "o", color=REST, markerfacecolor="white", markersize=4)
        handles = [Line2D([], [], color=REST, marker="o", markerfacecolor="white", label="read off, Wilson 95 %")]
        if estimated:
            axes.hlines(place + offset, rows["estimate_low"], rows["estimate_high"], color=WEAK, linewidth=1.2)
            axes.plot(rows["estimate"], place + offset, "D", color=WEAK, markersize=3.6)
            handles.append(Line2D([], [], color=WEAK, marker="D", label="estimate, 95 %"))
        axes.axvline(found.overall["accuracy"], color=INK, linewidth=0.7, linestyle=(0, (4, 3)))
        style.rows_upward(axes, [style.short(str(name), 26) for name in rows["name"]])
        axes.set(xlim=(-0.01, 1.01), xlabel="Accuracy (%); dashed: overall")
        style.percent(axes.xaxis)
        style.legend(figure, handles)

    return _svg(draw, 0.8 + 0.19 * len(rows), "The lowest classes")


def standing(table: pd.DataFrame) -> str:
    """Accuracy and mean of the weakest classes of this model among the shipped ones."""
    others, yours = table.iloc[1:], table.iloc[0]

    def draw(figure):
        axes = figure.subplots()
        axes.plot(others["overall"], others["worst_q"], "o", color=REST, alpha=0.7, markeredgewidth=0, markersize=4)
        half = 1.96 * yours["worst_q_se"]
        axes.vlines(yours["overall"], yours["worst_q"] - half, yours["worst_q"] + half, color=WEAK, linewidth=1.2)
        axes.plot(yours["overall"], yours["worst_q"], "D", color=WEAK, markersize=6)
        axes.set(xlabel="Overall accuracy (%)", ylabel="Mean of the weakest\nclasses, cross-fitted (%)")
        axes.grid()
        style.percent(axes.xaxis, axes.yaxis)
        style.legend(
            figure,
            [
                Line2D([], [], color=WEAK, marker="D", linewidth=1.2, label="this model, 95 %"),
                Line2D([], [], color=REST, marker="o", linestyle="none", label="shipped models"),
            ],
        )

    return _svg(draw, 2.7, "Accuracy against the weakest classes")


def agreement(table: pd.DataFrame) -> str:
    """Correlation of class accuracies with one shipped network a family."""
    rows = table.sort_values("r", ascending=False, kind="stable")

    def draw(figure):
        axes, place = figure.subplots(), np.arange(len(rows))
        axes.plot(rows["raw"], place, "o", color=REST, markerfacecolor="white", markersize=4)
        axes.hlines(place, rows["r_low"], rows["r_high"], color=STRONG, linewidth=1.2)
        axes.plot(rows["r"], place, "s", color=STRONG, markersize=3.6)
        style.rows_upward(axes, [style.short(label, 26) for label in rows["label"]])
        low = np.nanmin([*rows["raw"], *rows["r_low"], *rows["r"]])
        axes.set(xlim=(low - 0.03, 1.02), xlabel="Correlation of class accuracies")
        style.legend(
            figure,
            [
                Line2D([], [], color=STRONG, marker="s", label="corrected, 95 % (G)"),
                Line2D([], [], color=REST, marker="o", markerfacecolor="white", linestyle="none", label="raw"),
            ],
        )

    return _svg(draw, 0.8 + 0.17 * len(rows), "Correlation of class accuracies")


def gaps(found: Findings) -> str:
    """Gap between confidence and accuracy of every predicted class, as read off and with the noise taken off."""
    rows = found.classes.dropna(subset=["gap_pred"]).sort_values(["gap_pred", "position"], kind="stable")
    rank = np.arange(1, len(rows) + 1)

    def draw(figure):
        axes = figure.subplots()
        axes.fill_between(rank, rows["gap_pred_low"], rows["gap_pred_high"], color=REST, alpha=0.3, linewidth=0)
        axes.plot(rank, rows["gap_pred"], color=REST, linewidth=1.2)
        handles = [
            Line2D([], [], color=REST, label="read off"),
            Patch(color=REST, alpha=0.3, linewidth=0, label="95 % of one class"),
        ]
        if rows["gap_pred_shrunken"].notna().any():
            axes.plot(
                rank,
                rows["gap_pred_shrunken"],
                color=WEAK,
                linewidth=0,
                marker=".",
                markersize=1.5 if len(rows) > 100 else 5,
            )
            handles.append(Line2D([], [], color=WEAK, marker=".", linestyle="none", label="noise taken off"))
        axes.axhline(0, color=INK, linewidth=0.7)
        axes.set(xlabel="Classes as predicted, sorted by gap (rank)", ylabel="Confidence minus\naccuracy (points)")
        axes.set_ylim(max(-1, axes.get_ylim()[0]), min(1, axes.get_ylim()[1]))
        axes.grid(axis="y")
        style.percent(axes.yaxis)
        style.legend(figure, handles)

    return _svg(draw, 2.6, "Calibration gap of every class")


def _wrapped(text: str) -> str:
    words = text.split()
    return text if len(text) < 20 else " ".join(words[: len(words) // 2]) + "\n" + " ".join(words[len(words) // 2 :])


def _svg(draw, height: float, title: str) -> str:
    """The SVG of one figure, the same bytes each time; its ids begin with its title, for one page holds several."""
    buffer = io.StringIO()
    with style.context(), matplotlib.rc_context({"svg.hashsalt": title}):
        figure = style.Figure(figsize=(WIDTH, height), layout="constrained")
        draw(figure)
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    prefix = re.sub(r"\W+", "-", title.lower())
    svg = re.sub(r'\bid="', f'id="{prefix}-', svg)
    svg = re.sub(r'(href="#|url\(#)', rf"\g<1>{prefix}-", svg)
    svg = re.sub(r'(<svg [^>]*?)width="[^"]*" height="[^"]*"', rf'\1role="img" aria-label="{title}"', svg, count=1)
    if 'role="img"' not in svg:
        svg = re.sub(r'<svg height="[^"]*"|<svg width="[^"]*"', f'<svg role="img" aria-label="{title}"', svg, count=1)
    return svg
