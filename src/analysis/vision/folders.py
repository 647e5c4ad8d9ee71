"""What lies in a folder of images: class folders, files, litter; every name is accounted for.

torchvision's ImageFolder takes class indices from the sorted listing, so that one missing or extra folder shifts all
later classes in silence, and follows links into loops. Here a folder is a class because the class list says so.
"""

import difflib
import os
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

IMAGES = {".jpeg", ".jpg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".ppm"}
LITTER = {".ds_store", "thumbs.db", "desktop.ini", ".ipynb_checkpoints", "__macosx"}
# Beside the class folders, where authors put licences, lists and scripts.
PAPERS = {".txt", ".md", ".csv", ".json", ".xml", ".html", ".pdf", ".mat", ".sh", ".py", ".tar", ".gz", ".tgz", ".zip"}


@dataclass
class Survey:
    """What was found: `rows` (path relative to the root, class id); `wrong` and `missing` (where, what) faults."""

    rows: list[tuple[str, int]] = field(default_factory=list)
    wrong: list[tuple[str, str]] = field(default_factory=list)
    missing: list[tuple[str, str]] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)


def is_litter(name: str) -> bool:
    """Names that desktops and notebooks leave behind, never data: `._a.JPEG` is no image.

    >>> is_litter("._a.JPEG"), is_litter("Thumbs.db"), is_litter("a.JPEG"), is_litter("a.JPEG.part")
    (True, True, False, False)
    """
    return name.startswith("._") or name.casefold() in LITTER


def suffix(name: str) -> str:
    """The ending of a file name, folded: it says what is an image.

    >>> suffix("a.JPEG"), suffix("0.001_digital clock.jpg"), suffix("noend")
    ('.jpeg', '.jpg', '')
    """
    return os.path.splitext(name)[1].casefold()


def stem(path: str) -> str:
    """A path without its image suffix and nothing else: names may hold dots.

    >>> stem("n01498041/0.000116_digital clock.jpg"), stem("n01440764/a.b")
    ('n01498041/0.000116_digital clock', 'n01440764/a.b')
    """
    head, ending = os.path.splitext(path)
    return head if ending.casefold() in IMAGES else path


def class_folders(root: Path, class_of: dict[str, int] | Callable, *, inner: str = "") -> Survey:
    """The images of every class folder of `root`.

    Parameters
    ----------
    class_of : folder name -> class id
    inner : a folder inside each class folder that holds its images ("images" of Tiny-ImageNet)
    """
    survey = Survey()
    twins: dict[str, str] = {}
    for entry in entries(root, survey, ""):
        name = entry.name
        if not entry.is_dir(follow_symlinks=False):
            if suffix(name) in PAPERS or "." not in name:
                survey.ignored.append(name)
            else:
                survey.wrong.append((name, "a file beside the class folders"))
            continue
        folded = unicodedata.normalize("NFC", name).casefold()
        if folded in twins:
            survey.wrong.append((name, f"differs from the folder {twins[folded]} in capitals or accents only"))
        twins[folded] = name
        if name not in class_of:
            survey.wrong.append((name, f"no class of this data set{_near(name, class_of)}"))
            continue
        found = images(root, f"{name}/{inner}" if inner else name, survey)
        if not found:
            survey.missing.append((name, "an empty class folder"))
        survey.rows += [(path, class_of[name]) for path in found]
    return survey


def images(root: Path, below: str, survey: Survey) -> list[str]:
    """Relative paths of the images in one folder, sorted; anything else in it goes into `survey`."""
    found, twins = [], {}
    folder = root / below if below else root
    if not folder.is_dir():
        survey.wrong.append((below, "no such folder"))
        return []
    for entry in entries(folder, survey, below):
        path = f"{below}/{entry.name}" if below else entry.name
        if entry.is_dir(follow_symlinks=False):
            survey.wrong.append((path, "a folder among images"))
        elif suffix(entry.name) in IMAGES:
            folded = entry.name.casefold()
            if folded in twins:
                survey.wrong.append((path, f"differs from {twins[folded]} in capitals only"))
            twins[folded] = entry.name
            found.append(path)
        elif suffix(entry.name) in {".part", ".tmp", ".crdownload", ".partial"}:
            survey.wrong.append((path, "an unfinished download"))
        else:
            survey.wrong.append((path, "neither an image nor on the list of files to ignore"))
    return found


def entries(folder: Path, survey: Survey, below: str) -> Iterable[os.DirEntry]:
    """What a folder holds, sorted by name: without litter, without links (they may loop), without odd names."""
    with os.scandir(folder) as listing:
        listed = sorted(listing, key=lambda entry: entry.name)
    for entry in listed:
        path = f"{below}/{entry.name}" if below else entry.name
        if is_litter(entry.name):
            survey.ignored.append(path)
        elif entry.is_symlink():
            what = "a link; links are not followed" if os.path.exists(entry.path) else "a link to nothing"
            survey.wrong.append((path, what))
        elif not entry.name.isprintable():
            # Surrogates stand for bytes that are not UTF-8; they, and line ends, cannot be printed or stored as text.
            survey.wrong.append((ascii(path)[1:-1], "a name with control characters or not UTF-8"))
        elif not (entry.is_file(follow_symlinks=False) or entry.is_dir(follow_symlinks=False)):
            survey.wrong.append((path, "neither a file nor a folder"))
        else:
            yield entry


def holds_folders(folder: Path, named: Callable[[str], bool]) -> bool:
    """Whether at least one folder in `folder` has such a name."""
    try:
        with os.scandir(folder) as listing:
            return any(named(entry.name) and entry.is_dir() for entry in listing)
    except OSError:
        return False


def holds_files(folder: Path, named: Callable[[str], bool]) -> bool:
    """Whether at least one file in `folder` has such a name."""
    try:
        with os.scandir(folder) as listing:
            return any(named(entry.name) and entry.is_file() for entry in listing)
    except OSError:
        return False


def _near(name: str, class_of) -> str:
    # Compared in capitals-blind form, so that N01440764, n0144O764 (letter O) and "n01440764 " all find their class.
    folded = {known.casefold(): known for known in class_of}
    near = difflib.get_close_matches(name.strip().casefold(), folded, n=1, cutoff=0.88)
    return f"; did you mean {folded[near[0]]}?" if near else ""
