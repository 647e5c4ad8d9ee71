"""Receipts: what the last run of each notebook wrote, by digest. Who reads such a file again asks `check` first."""

from pathlib import Path

from . import files, paths
from .errors import InputError, IntegrityError

CHANGED = "not the file that the last run wrote"
UNREADABLE = (OSError, ValueError, KeyError, TypeError, AttributeError, IntegrityError)


def path_of(notebook: str) -> Path:
    """Where the receipt of a notebook lies."""
    return paths.build() / "receipts" / f"{notebook}.json"


def kept() -> list[Path]:
    """The receipts of the notebooks that there are."""
    found = sorted(path_of("").parent.glob(files.NAMED + ".json"))
    return [path for path in found if (paths.ROOT / "notebooks" / f"{path.stem}.ipynb").exists()]


def read(path: Path) -> dict[Path, str]:
    """File -> sha256 of a receipt; one of `UNREADABLE` where it is damaged."""
    from .sources import check as checked

    content = checked.read_json(path, where=paths.shown(path))
    return {paths.ROOT / name: str(digest) for name, digest in content["outputs"].items()}


def check(path: Path) -> None:
    """Refuse a figure's points or claim rows that changed after a run wrote them.

    Raises
    ------
    InputError : the newest receipt that lists the file has another digest.
    """
    for receipt in sorted(kept(), key=lambda one: one.stat().st_mtime, reverse=True):
        try:
            digest = read(receipt).get(paths.ROOT / path)
        except UNREADABLE:  # which `analysis verify` reports
            continue
        if digest and path.is_file():
            if files.sha256(path) != digest:
                raise InputError("changed", f"{paths.shown(path)}: {CHANGED}", "delete it, then make reproduce")
            return
