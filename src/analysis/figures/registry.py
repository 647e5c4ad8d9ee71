"""Which figures there are; showing, saving and drawing them again.

A figure is a pure function of one tidy table and draws nothing that is not in it. `save` writes the table first, reads
it back and draws what it read, so a figure drawn again from its CSV has the same bytes.
"""

import difflib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from .. import files, paths, receipts
from ..errors import InputError, UsageError, some
from .style import DPI, Figure, context

# Columns that hold text; every other column holds numbers or True and False.
TEXT = frozenset(
    """
    model label family model_a label_a family_a model_b label_b family_b models_set who kind
    name pred_name labels dataset title category worst_category set condition shift
    part quantity pair curve scale selection group
    representation representation_a representation_b statistic setting reading corruption case class
    """.split()  # noqa: SIM905
)
METADATA = {"pdf": {"CreationDate": None, "Creator": None, "Producer": None}, "png": {"Software": None}}


@dataclass(frozen=True)
class Drawing:
    """One figure: how it is drawn, what its table holds, how large it is, what its caption says."""

    name: str
    draw: Callable[[pd.DataFrame, Figure], None]
    columns: tuple[str, ...]
    optional: tuple[str, ...]
    width: float
    height: float | Callable[[pd.DataFrame, float], float]
    caption: str

    def size(self, table: pd.DataFrame, width: float | None) -> tuple[float, float]:
        """Inches. A fixed height keeps the proportions; a function of table and width makes room for rows of text."""
        wide = self.width if width is None else width
        return wide, self.height(table, wide) if callable(self.height) else self.height * wide / self.width


FIGURES: dict[str, Drawing] = {}


def drawing(*, columns: str, width: float, height, caption: str, optional: str = ""):
    """Register `draw_NAME` as the figure NAME.

    `{column}` in the caption becomes the number of different values of that column, `{column:values}` the values.
    """

    def register(draw):
        name = draw.__name__.removeprefix("draw_")
        FIGURES[name] = Drawing(name, draw, tuple(columns.split()), tuple(optional.split()), width, height, caption)
        return draw

    return register


class _Values:
    def __init__(self, column: pd.Series):
        self.column = column

    def __format__(self, how: str) -> str:
        return ", ".join(map(str, self.column.unique())) if how == "values" else f"{self.column.nunique():,}"


def get(name: str) -> Drawing:
    """The registered figure of that name.

    Raises
    ------
    UsageError : there is none; the message names the nearest, or some.
    """
    if name not in FIGURES:
        near = difflib.get_close_matches(name, FIGURES, n=3)
        remedy = f"near: {some(near)}" if near else f"one of {some(sorted(FIGURES))}"
        raise UsageError("figure", f"{name}: no such figure", remedy)
    return FIGURES[name]


def caption(name: str, table: pd.DataFrame) -> str:
    """The caption of a figure, with the numbers of its table."""
    return get(name).caption.format_map({column: _Values(table[column]) for column in table})


def show(name: str, table: pd.DataFrame, *, style=None, width: float | None = None) -> Figure:
    """Draw a figure; a notebook shows it when it is the last value of a cell.

    Raises
    ------
    UsageError : no such figure; InputError : the table lacks a column, or `style` is not a style.
    """
    chosen = get(name)
    table = _checked(chosen, table)
    with context(style):
        figure = Figure(figsize=chosen.size(table, width), dpi=DPI, layout="constrained")
        figure.style, figure.caption = style, caption(name, table)
        chosen.draw(table, figure)
        # Laid out once and for all: every further layout starts from the last and may move things a little.
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
    return figure


def save(name: str, table: pd.DataFrame, *, notebook: str, inputs: Iterable) -> list[Path]:
    """Write NAME.csv, NAME.pdf, NAME.png and NAME.json (where it comes from) to `paths.figures()`; give their paths."""
    table = _checked(get(name), table)
    csv = paths.figures() / f"{name}.csv"
    with files.atomic(csv) as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n", encoding="utf-8")
    table = _read(name)
    figure = show(name, table)
    images = [write_figure(figure, csv.with_suffix(suffix)) for suffix in (".pdf", ".png")]
    origin = {
        "figure": name,
        "notebook": notebook,
        "caption": figure.caption,
        "inputs": [{"path": _shown(path), "sha256": files.sha256(path)} for path in sorted(map(Path, inputs))],
        "columns": list(table.columns),
        "rows": len(table),
    }
    files.write_text(csv.with_suffix(".json"), json.dumps(origin, indent=1, ensure_ascii=False) + "\n")
    return [csv, *images, csv.with_suffix(".json")]


def redraw(name: str | None = None, *, style=None, width: float | None = None, into=None) -> list[Path]:
    """Draw one figure, or all of the last run, again from the drawn points (`figures/NAME.csv`).

    Parameters
    ----------
    name : a figure, or None for every one that has its CSV
    style : a journal's .mplstyle file, applied after this package's
    width : inches; the height follows
    into : the folder to write PDF and PNG to; default `paths.figures()`

    Raises
    ------
    UsageError : no such figure, or not drawn yet; InputError : its CSV was changed after the run that wrote it, or
    it or `style` is not what it should be.
    """
    names = [get(name).name] if name else [known for known in FIGURES if (paths.figures() / f"{known}.csv").exists()]
    if not names:
        raise UsageError("figure", f"{paths.shown(paths.figures())}: no figures yet", "run make reproduce first")
    folder = paths.figures() if into is None else Path(into)
    written = []
    for each in names:
        receipts.check(paths.figures() / f"{each}.csv")
        figure = show(each, _read(each), style=style, width=width)
        written += [write_figure(figure, folder / f"{each}{suffix}") for suffix in (".pdf", ".png")]
    return written


def write_figure(figure: Figure, path) -> Path:
    """Write a figure to a PDF or PNG file: whole or not at all, and the same bytes each time."""
    path = Path(path)
    kind = path.suffix.removeprefix(".").lower()
    if kind not in METADATA:
        raise UsageError("figure", f"{path.name}: figures are written as .pdf or .png", "give it one of these endings")
    with files.atomic(path) as temporary, context(figure.style):
        figure.savefig(temporary, format=kind, dpi=DPI, metadata=METADATA[kind])
    return path


def _read(name: str) -> pd.DataFrame:
    path = paths.figures() / f"{name}.csv"
    wanted = get(name).columns + get(name).optional
    try:
        head = pd.read_csv(path, nrows=0, encoding="utf-8").columns
        text = [column for column in head if column in TEXT]
        # Only in columns of numbers does an empty field mean "missing": a class may be called "null".
        missing = {column: [""] for column in head if column not in TEXT}
        table = pd.read_csv(
            path,
            dtype=dict.fromkeys(text, str),
            keep_default_na=False,
            na_values=missing,
            encoding="utf-8",
        )
    except FileNotFoundError:
        raise UsageError("figure", f"{paths.shown(path)}: missing", "run make reproduce first") from None
    except (ValueError, UnicodeDecodeError):
        raise InputError("figure", f"{paths.shown(path)}: not a table", "run make reproduce again") from None
    strange = [column for column in wanted if column in table and column not in TEXT and table[column].dtype == "str"]
    if strange:
        fault = f"{paths.shown(path)}: column {strange[0]} holds values that are not numbers"
        raise InputError("figure", fault, "run make reproduce again")
    return table


def _checked(chosen: Drawing, table: pd.DataFrame) -> pd.DataFrame:
    # A table may hold more; what is not drawn does not go into the CSV.
    absent = [column for column in chosen.columns if column not in table]
    if absent or table.empty:
        fault = f"no column {some(absent)}" if absent else "no rows"
        raise InputError("figure", f"{chosen.name}: {fault}", f"it draws {' '.join(chosen.columns)}")
    order = [column for column in chosen.columns + chosen.optional if column in table]
    return table[order].reset_index(drop=True)


def _shown(path: Path) -> str:
    # Tables may lie in another folder on another machine (ANALYSIS_DATA_DIR); their names do not depend on it.
    if path.is_relative_to(paths.data()):
        return (Path("data") / path.relative_to(paths.data())).as_posix()
    return paths.shown(path)
