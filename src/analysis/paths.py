"""The one place that knows folders and settings.

Settings are environment variables: ANALYSIS_DATA_DIR (shipped tables; default `data/` of the repository),
ANALYSIS_CACHE_DIR (default `data/cache/`), ANALYSIS_FIGURES_DIR (default `figures/`) and ANALYSIS_MIRROR (a folder
that already holds published files, laid out as `<owner>+<repository>/<path>`; no default).
"""

import os
from pathlib import Path

from .errors import UsageError

ROOT = Path(__file__).resolve().parents[2]


def _setting(name: str, default: Path) -> Path:
    value = os.environ.get(name, "").strip()
    return Path(value).expanduser() if value else default


def data() -> Path:
    """Shipped tables."""
    return _setting("ANALYSIS_DATA_DIR", ROOT / "data")


def own() -> Path:
    """Tables of what a user predicted on this machine; same forms as in `data()`, ignored by git."""
    return data() / "own"


def raw() -> Path:
    """Downloaded published files, never edited."""
    return data() / "raw"


def cache() -> Path:
    """Predictions, features and other things that can be made again."""
    return _setting("ANALYSIS_CACHE_DIR", ROOT / "data" / "cache")


def figures() -> Path:
    """What the notebooks draw; `tables/` inside."""
    return _setting("ANALYSIS_FIGURES_DIR", ROOT / "figures")


def build() -> Path:
    """Executed notebooks and their receipts."""
    return _setting("ANALYSIS_BUILD_DIR", ROOT / "build")


def mirror() -> Path | None:
    """A folder of published files that is looked at before the network, or None.

    Raises
    ------
    UsageError : the setting names no folder.
    """
    value = os.environ.get("ANALYSIS_MIRROR", "").strip()
    if value and not Path(value).expanduser().is_dir():
        raise UsageError("mirror", f"ANALYSIS_MIRROR is {value}: no such folder", "correct it or unset it")
    return Path(value).expanduser() if value else None


def shown(path) -> str:
    """A path as messages print it: relative to the repository where it lies inside.

    >>> shown(ROOT / "data" / "classes.csv")
    'data/classes.csv'
    """
    path = Path(path)
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else str(path)
