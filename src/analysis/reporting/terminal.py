"""A report on the terminal: the same tables and sentences as on the page, fewer rows."""

from rich.markup import escape
from rich.table import Table

from ..show import console
from . import words


def show(report) -> None:
    """Print a summary of a `Report`."""
    out = console()
    for one in report.sets:
        found = one.findings
        out.print(f"\n[bold]{escape(report.name)}[/]: {escape(one.about)}")
        for note in one.notes:
            out.print(escape(note), style="yellow" if note in one.loud else "dim")
        _print(out, words.headline(found))
        if len(found.extremes):
            _print(out, words.extremes(found), "What the average hides")
        elif "extremes" in found.why:
            out.print(f"The weakest classes: {escape(found.why['extremes'])}.")
        out.print(escape(words.weak_sentence(found)))
        _print(out, words.weak(found, 10), "Lowest estimates")
        if "calibration" not in found.why:
            out.print(escape("\n".join(words.calibration(found)[:2])))
        if len(found.confusions):
            _print(out, words.confusions(found, 5), "Most frequent confusions")
            out.print(escape(words.confusion_sentence(found)))
        for sentence in words.standing(found, one.rank) if one.rank else ():
            out.print(escape(sentence))
        if one.shared:
            out.print(escape(words.sharing(one.shared)))
    if report.shifts:
        _print(out, words.shift_table(report.shifts), "Under shift (contrast positive: weak classes lose more)")
        for clean, other, one, why in report.shifts:
            if not why:
                out.print(escape(f"{clean} to {other}: {words.shift_reading(one)} {one['note']}".rstrip()))
    out.print(escape(words.CLOSING), style="dim")


def _print(out, told: words.Told, title: str = "") -> None:
    table = Table(title=title or None, title_justify="left", box=None, pad_edge=False)
    for place, name in enumerate(told.head):
        table.add_column(escape(name), overflow="fold", justify="left" if place == 0 else "right")
    for row in told.rows:
        table.add_row(*map(escape, row))
    out.print(table)
