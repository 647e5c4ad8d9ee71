"""The part of the README that code writes: the claims table and one figure, from the last run."""

import shutil

from . import claims, files, paths
from .errors import UsageError
from .show import effect, number

FIGURE = "fig01_class_curves"
BEGIN, END = "<!-- claims: written by make readme -->", "<!-- end of claims -->"


def write() -> None:
    """Put the primary claim rows and the figure of the last run into README.md and docs/.

    Raises
    ------
    UsageError : no run yet, or the README has lost the two marks between which the table stands.
    """
    readme = paths.ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise UsageError("readme", f"README.md: the marks {BEGIN} and {END} must stand once each", "restore them")
    drawn = paths.figures() / f"{FIGURE}.png"
    rows = claims.combine()
    if not drawn.exists():
        raise UsageError("readme", f"{paths.shown(drawn)}: missing", "run make reproduce first")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    files.write_text(readme, f"{before}{BEGIN}\n{table(rows[rows['role'] == 'primary'])}{END}{after}")
    with files.atomic(paths.ROOT / "docs" / f"{FIGURE}.png") as temporary:
        shutil.copyfile(drawn, temporary)


def table(rows) -> str:
    """Claim rows as a Markdown table."""
    lines = ["| claim | data, models | effect [95 %] | null | naive | verdict |", "|---|---|---|---|---|---|"]
    for row in rows.to_dict("records"):
        scale = f" ({row['scale']})" if row["scale"] else ""
        about = f"{row['dataset']}, {row['models']}"
        what = f"**{row['claim']}** {row['statement']}{scale}"
        outcome = row["verdict"] if row["verdict"] != "not run" else f"not run: {row['reason']}"
        lines.append(
            f"| {what} | {about} | {effect(row)} | {number(row['null'])} | {number(row['naive'])} | {outcome} |"
        )
    return "\n".join(lines) + "\n"
