"""The part of the README that code writes: the claims table and one figure, from the last run."""

import shutil

from . import claims, files, paths
from .errors import UsageError
from .show import effect, number

FIGURE = "fig01_class_curves"
BEGIN, END = "<!-- claims: written by make readme -->", "<!-- end of claims -->"


def write() -> None:
    """Put the claim rows of `chosen` and the figure of the last run into README.md and docs/.

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
    files.write_text(readme, f"{before}{BEGIN}\n{table(chosen(rows))}{END}{after}")
    with files.atomic(paths.ROOT / "docs" / f"{FIGURE}.png") as temporary:
        shutil.copyfile(drawn, temporary)


def chosen(rows):
    """The rows a first reader needs: the primary ones, what reviewed labels make of them, the shift whose rules stood
    before the numbers, and what was found of the causes."""
    reviewed = (rows["labels"] == "real") & (rows["models"] == "four-families")
    prospective = (rows["dataset"] == "imagenet-sketch") & rows["scale"].isin(["", "points"])
    causes = (rows["claim"] == "C-ii") & rows["models"].isin(["clip-counted", "clip-laion400m", "networks"])
    return rows[(rows["role"] == "primary") | reviewed | prospective | causes].sort_values(
        "claim", key=lambda names: names.map(list(claims.RULES).index), kind="stable"
    )


def table(rows) -> str:
    """Claim rows as a Markdown table; what was not run follows it, by reason.

    "A naive reading" is what the rule would say of the naive figure, shown where it differs from the verdict.
    """
    lines = [
        "| claim | data, labels, models | effect [95 %] | null | naive | a naive reading | verdict | with |",
        "|---|---|---|---|---|---|---|---|",
    ]
    missing: dict[str, list[str]] = {}
    for row in rows.to_dict("records"):
        about = f"{row['dataset']}, {row['labels']}, {row['models']}"
        if row["verdict"] == "not run":
            missing.setdefault(row["reason"], []).append(f"{row['claim']} on {row['dataset']}")
            continue
        scale = f" ({row['scale']})" if row["scale"] else ""
        what = f"**{row['claim']}** {row['statement']}{scale}"
        numbers = f"{effect(row)} | {number(row['null'])} | {number(row['naive'])}"
        reading = claims.naive_verdict(row)
        reading = "" if reading == row["verdict"] else reading
        lines.append(f"| {what} | {about} | {numbers} | {reading} | **{row['verdict']}** | {row['reason']} |")
    lines += [f"\nNot run: {', '.join(names)}: {reason}." for reason, names in missing.items()]
    return "\n".join(lines) + "\n"
