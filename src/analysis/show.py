"""Tables for the terminal: plain text when piped, colours on a screen."""

import pandas as pd
from rich.console import Console
from rich.table import Table

from .claims import RULES

ACCURACY = "Accuracy over networks, CLIP included; low and high: Wilson 95 % interval of the median network"
MARK = {"reproduced": "green", "contradicted": "red", "cannot tell": "yellow", "not run": "dim"}


def number(value, digits: int = 3) -> str:
    """A number for people: no sign of precision that is not there, "" for a missing one.

    >>> number(0.96312), number(72.0), number(float("nan")), number(-0.0684)
    ('0.963', '72', '', '-0.068')
    """
    value = pd.to_numeric(value, errors="coerce")
    if pd.isna(value):
        return ""
    if abs(value) >= 20:
        return f"{value:.0f}"
    digits = min(digits, 2) if abs(value) >= 1.5 else digits
    text = f"{value:.{digits}f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def effect(row) -> str:
    """Effect with its interval, as the claims tables print it.

    >>> effect({"effect": 0.963, "ci_low": 0.95, "ci_high": 0.97})
    '0.963 [0.95, 0.97]'
    """
    value, low, high = (number(row[column]) for column in ("effect", "ci_low", "ci_high"))
    return f"{value} [{low}, {high}]" if low else value


def print_claims(rows: pd.DataFrame) -> None:
    """Print the claims table."""
    out = console()
    for role, title in (("primary", "Claims: primary rows"), ("secondary", "Secondary rows")):
        table = Table(title=title, title_justify="left", show_lines=False, pad_edge=False, box=None)
        for column in ("claim", "data set", "labels", "models", "scale", "effect [95 %]", "null", "naive", "verdict"):
            table.add_column(column, overflow="fold")
        for row in rows[rows["role"] == role].to_dict("records"):
            verdict = f"[{MARK[row['verdict']]}]{row['verdict']}[/]"
            values = [row["claim"], row["dataset"], row["labels"], row["models"], row["scale"] or "", effect(row)]
            table.add_row(*values, number(row["null"]), number(row["naive"]), verdict)
        out.print(table)
    for claim, rule in RULES.items():
        out.print(f"{claim}: {rule['statement']}", style="dim")
    out.print("Sets of models: README.md. Reasons and methods: figures/tables/claims.csv, or analysis claims --why F3D")


def print_items(items: pd.DataFrame, *, summary: bool = False) -> None:
    """Print the paper's items, one line a network or pair, and how many numbers have which status: `summary`, these."""
    from .paper_page import TITLES, compact

    out, lines = console(), [] if summary else list(compact(items))
    for item, title in ({} if summary else TITLES).items():
        own = [line for line in lines if line.item == item]
        out.print(f"\n[bold]{title}[/]")
        for names in dict.fromkeys(line.names for line in own):
            out.print(", ".join(names), style="italic")
            table = Table(box=None, pad_edge=False)
            for column in ("data set", "network", "as coded", "corrected", "ours", "status"):
                table.add_column(column, overflow="fold")
            for line in own:
                if line.names == names:
                    table.add_row(line.dataset, line.model.replace("paper/", ""), *line[4:])
            out.print(table)
    counts = ", ".join(f"{count} {status}" for status, count in items["status"].value_counts().items())
    out.print(f"Numbers of the paper: {counts}")
    out.print("Sources and unrounded numbers: figures/tables/paper_items.csv; defects: docs/paper.md", style="dim")


def print_class(view) -> None:
    """Print what `explore.show_class` found."""
    out = console()
    out.print(f"[bold]{view.name}[/] (class {view.class_id})")
    for title, frame in ((ACCURACY, view.accuracy), ("Taken for (share of all answers)", view.taken_for)):
        table = Table(title=title, title_justify="left", box=None, pad_edge=False)
        for column in frame.columns:
            table.add_column(column)
        for row in frame.itertuples(index=False):
            table.add_row(*[number(value) if isinstance(value, float) else str(value) for value in row])
        out.print(table)


def console() -> Console:
    """Where tables go. A pipe or a log file has no width: a fixed one keeps lines whole there."""
    screen = Console(highlight=False)
    return screen if screen.is_terminal else Console(highlight=False, width=160)


def say(text: str):
    """A sentence with its numbers, rendered as Markdown in a notebook.

    >>> say("Lowest of **4**: 0.2").data
    'Lowest of **4**: 0.2'
    """
    from IPython.display import Markdown

    return Markdown(" ".join(text.split()))


def verdicts(rows: list[dict]) -> pd.DataFrame:
    """Claim rows as a notebook shows them: what, effect with interval, null, naive figure, verdict, reason."""
    frame = pd.DataFrame(rows)
    shown = frame[["claim", "role", "dataset", "labels", "models", "scale"]].copy()
    shown["effect [95 %]"] = [effect(row) for row in rows]
    shown["null"], shown["naive"] = frame["null"].map(number), frame["naive"].map(number)
    return shown.assign(verdict=frame["verdict"], reason=frame["reason"])
