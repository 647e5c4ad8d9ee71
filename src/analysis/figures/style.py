"""Colours, sizes and the small parts that figures share; no figure stands here."""

import base64
import io
import math
from contextlib import AbstractContextManager
from pathlib import Path

import matplotlib.figure
import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullLocator, SymmetricalLogLocator

from ..errors import InputError
from ..paths import shown

STYLE = Path(__file__).with_name("analysis.mplstyle")
COLUMN, FULL = 3.25, 6.75  # inches: one column and the full width of a page
DPI = 300
SCREEN_DPI = 150

# Text sizes follow the style file, so that a journal's style changes them all: "medium" is its font.size.
SMALL = "small"

FAMILY_COLOURS = {
    "ResNet": "#0072B2",
    "ConvNeXt": "#D55E00",
    "EfficientNet": "#009E73",
    "ViT": "#CC79A7",
    "CLIP": "#E69F00",
    "Swin": "#56B4E9",
    "Humans": "#000000",
}
FAMILY_MARKERS = {
    "ResNet": "o",
    "ConvNeXt": "s",
    "EfficientNet": "^",
    "ViT": "D",
    "CLIP": "v",
    "Swin": "P",
    "Humans": "*",
}
OTHER = "#737373"  # every other family
TEXT_LOOKS = {  # representations of text, by the letters of their names
    "bertbase": ("#0072B2", "o"),
    "berttiny": ("#D55E00", "s"),
    "fasttext": ("#009E73", "^"),
    "docvec": ("#CC79A7", "D"),
    "averaged": ("#CC79A7", "D"),  # the same: averaged word vectors
    "tfidfsvm": ("#882255", "<"),
    "tfidf": ("#E69F00", "v"),
    "minilmword": ("#CC79A7", "D"),
    "minilmsent": ("#56B4E9", "P"),
    "minilmfine": ("#0072B2", "X"),
}
DATASETS = {
    "20news": "20 Newsgroups",
    "banking77": "Banking77",
    "cifar10": "CIFAR-10",
    "cifar100": "CIFAR-100",
    "clinc150": "CLINC150",
}
NULL = "#BDBDBD"  # what noise alone would give: nulls, floors, naive readings
NULL_TEXT = "#6B6B6B"  # the same in type, dark enough to read
INK = "#202020"
WEAK, STRONG, REST = "#D55E00", "#0072B2", "#8C8C8C"  # weakest classes, strongest classes, all others


class Figure(matplotlib.figure.Figure):
    """A figure outside pyplot, which a notebook shows without any backend; `caption` says what is drawn."""

    caption: str = ""
    style: str | Path | None = None

    def _repr_png_(self) -> bytes:
        picture = io.BytesIO()
        with context(self.style):
            self.savefig(picture, format="png", dpi=SCREEN_DPI, metadata={"Software": None})
        return picture.getvalue()

    def _repr_mimebundle_(self, **_) -> dict:
        # A bundle goes before the inline backend's own printer, which would draw with the reader's settings.
        return {"image/png": base64.b64encode(self._repr_png_()).decode(), "text/plain": self.caption}


def context(style=None) -> AbstractContextManager:
    """Matplotlib's defaults, then this package's style, then `style` (a file or a name); undone at the end.

    Drawing and saving both belong inside: some settings are read only when a figure is saved.

    Raises
    ------
    InputError : `style` is not a style file, nor a style that matplotlib knows.
    """
    if style is not None and not Path(style).is_file() and str(style) not in matplotlib.style.available:
        raise InputError("style", f"{shown(style)}: no such style file", "name an .mplstyle file")
    styles = [STYLE] if style is None else [STYLE, style]
    return matplotlib.style.context(styles, after_reset=True)


def group(family: str) -> str:
    """The family whose colour and marker stand for `family`.

    >>> group("ViT"), group("CLIP ViT"), group("Human"), group("VGG")
    ('ViT', 'CLIP', 'Humans', 'other')
    """
    if family.startswith(("CLIP", "Human")):
        return "CLIP" if family.startswith("CLIP") else "Humans"
    return family if family in FAMILY_COLOURS else "other"


def colour(family: str) -> str:
    """The colour of a family, the same in every figure; grey for those without one of their own."""
    return FAMILY_COLOURS.get(group(family), OTHER)


def marker(family: str) -> str:
    """The marker of a family, so that no figure depends on colour alone."""
    return FAMILY_MARKERS.get(group(family), "p")


def text_look(representation: str) -> dict[str, str]:
    """Colour and marker of a representation of text, the same in every figure, however its name is written.

    >>> text_look("tf-idf") == text_look("TFIDF"), text_look("bert-base-range")["marker"], text_look("ResNet")["marker"]
    (True, 'o', 'p')
    """
    letters = "".join(letter for letter in representation.lower() if letter.isalpha())
    for start, (own, mark) in TEXT_LOOKS.items():
        if letters.startswith(start):
            return {"color": own, "marker": mark}
    return {"color": OTHER, "marker": "p"}


def dataset(name: str) -> str:
    """The name of a data set as it is printed.

    >>> dataset("20news"), dataset("another")
    ('20 Newsgroups', 'another')
    """
    return DATASETS.get(name, name)


def family_handles(families, **line) -> list[Line2D]:
    """Legend entries of the families present, in the order of `FAMILY_COLOURS`; the rest as "other"."""
    present = {group(family) for family in families}
    entries = [family for family in (*FAMILY_COLOURS, "other") if family in present]
    style = {"linestyle": "none"} | line
    return [Line2D([], [], color=colour(name), marker=marker(name), label=name, **style) for name in entries]


def grid(panels: int, width: float, columns: int, narrowest: float = 1.5) -> tuple[int, int]:
    """Rows and columns of small multiples: `columns` where each gets `narrowest` inches, else fewer.

    >>> grid(4, 6.75, 2), grid(12, 6.75, 4), grid(12, 3.3, 4)
    ((2, 2), (3, 4), (6, 2))
    """
    columns = max(1, min(columns, panels, int(width / narrowest)))
    return math.ceil(panels / columns), columns


def panels(figure, number: int, columns: int, narrowest: float = 1.5, **shared) -> list[Axes]:
    """`number` axes in a grid that fits the figure's width; the places left over are removed."""
    rows, columns = grid(number, figure.get_figwidth(), columns, narrowest)
    axes = list(figure.subplots(rows, columns, squeeze=False, **shared).flat)
    for spare in axes[number:]:
        spare.remove()
    for above in axes[max(0, number - columns) : (rows - 1) * columns]:
        above.tick_params(labelbottom=True)  # nothing stands below it that could carry the labels
    return axes[:number]


def percent(*axes) -> None:
    """Print fractions as per cent; the unit stands in the axis label."""
    for axis in axes:
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.10g}".replace("-", "−")))


def legend(figure, handles=None, **kwargs):
    """A legend above all panels, as many entries in a line as the width takes."""
    entries = handles if handles is not None else figure.axes[0].get_legend_handles_labels()[0]
    lengths = [0.42 + 0.052 * len(entry.get_label()) for entry in entries]  # inches, about
    columns = len(entries)
    while columns > 1 and sum(max(lengths[part::columns]) for part in range(columns)) > figure.get_figwidth():
        columns -= 1
    columns = math.ceil(len(entries) / math.ceil(len(entries) / columns))  # lines of even length
    options = {"loc": "outside upper left", "ncols": columns} | kwargs
    return figure.legend(handles=entries, **options)


def log_from_zero(axes: Axes, top: float) -> None:
    """A vertical scale for counts: logarithmic from 1 upwards, with a place for 0, ticks at 1, 2, 5, 10, ..."""
    axes.set_yscale("symlog", linthresh=1, linscale=0.5)
    axes.set_ylim(0, 1.3 * top)
    axes.yaxis.set_major_locator(SymmetricalLogLocator(base=10, linthresh=1, subs=(1, 2, 5)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter("{x:.10g}")
    axes.grid(axis="y")


def short(text: str, letters: int) -> str:
    """Text cut to a length, with an ellipsis where something is left out.

    >>> short("Appenzeller", 20), short("Greater Swiss Mountain dog", 16)
    ('Appenzeller', 'Greater Swiss M…')
    """
    return text if len(text) <= letters else text[: letters - 1].rstrip() + "…"


def rows_upward(axes: Axes, labels) -> None:
    """Name the rows 0, 1, ... of a chart from the top down."""
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")


def rows_in_sections(axes: Axes, sections) -> dict:
    """Name the rows of a chart from the top down, under bold headings; the place of each (heading, row).

    Parameters
    ----------
    sections : (heading, names of its rows) each; an empty heading takes no row
    """
    place, ticks, names = {}, [], []
    top = 0.0
    for heading, rows in sections:
        if heading:
            ticks, names, top = [*ticks, top], [*names, heading], top + 0.9
        for row in rows:
            place[heading, row] = top
            ticks, names, top = [*ticks, top], [*names, row], top + 1
        top += 0.2
    rows_upward(axes, [])
    axes.set_ylim(top - 0.6, -0.6)
    for tick, height in zip(axes.set_yticks(ticks, names), ticks, strict=True):
        if height not in place.values():
            tick.label1.set_fontweight("bold")
    return place


def ordered(values) -> list:
    """Distinct values in the order of their first appearance."""
    return list(dict.fromkeys(values))
