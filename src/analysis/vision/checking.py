"""`analysis check-images`: whether a folder of images is whole, before hours of computing depend on it.

Layout, ids and counts first (`layouts.survey`), then every image is decoded, in processes of their own.
"""

import multiprocessing
import os
import re
import signal
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from .. import classes, paths
from ..errors import InputError, ResourceError, UsageError, some
from ..progress import Progress
from . import folders, layouts
from .found import Found, shipped
from .itemsets import ItemSet
from .looking import look
from .places import FOLDER_SETS, PLACES, V2, WNID, fitting, inner, val_id

CHUNK = 64  # images a task
FEW = 1000  # images that are decoded before other processes have begun


@dataclass(frozen=True)
class Report:
    """What was found in a folder of images; faults are (where, what).

    `kinds` counts formats and colour modes ("JPEG RGB"), `misnamed` items whose suffix says another format, which does
    no harm. `decoded` says whether images were decoded at all.
    """

    dataset: str
    place: str
    items: int
    classes: int
    per_class: tuple[int, int]
    wrong: tuple[tuple[str, str], ...]
    missing: tuple[tuple[str, str], ...]
    unreadable: tuple[tuple[str, str], ...]
    ignored: tuple[str, ...]
    kinds: dict[str, int]
    misnamed: tuple[str, ...]
    decoded: bool

    @property
    def faults(self) -> int:
        return len(self.wrong) + len(self.missing) + len(self.unreadable)

    def lines(self, most: int = 20) -> list[str]:
        """The report as text; of each kind of fault at most `most` lines."""
        low, high = self.per_class
        each = f"{low}" if low == high else f"{low} to {high}"
        said = [f"{self.dataset} in {self.place}: {self.items} items, {self.classes} classes, {each} a class"]
        for name, faults in (("missing", self.missing), ("wrong", self.wrong), ("unreadable", self.unreadable)):
            said += [f"  {name}: {where}: {what}" if where else f"  {name}: {what}" for where, what in faults[:most]]
            said += [f"  {name}: {len(faults) - most} more"] if len(faults) > most else []
        if self.kinds:
            said.append("  " + ", ".join(f"{n} {kind}" for kind, n in sorted(self.kinds.items())))
        if self.misnamed:
            said.append(f"  named as another format (harmless): {some(self.misnamed)}")
        if self.ignored:
            said.append(f"  ignored: {some(self.ignored)}")
        done = "every image was decoded" if self.decoded else "images were not decoded"
        said.append(f"  {self.faults} faults; {done}" if self.faults else f"  complete; {done}")
        return said


def check(dataset: str, images: Path | str | None = None, *, quick: bool = False, jobs: int | None = None):
    """A `Report` for each set that the name stands for.

    Parameters
    ----------
    quick : look at names and counts only
    jobs : processes that decode; default one a core, 0 none but this one

    Raises
    ------
    UsageError, InputError : no such set, or no place fits. ResourceError : a decoding process was killed.
    """
    return [_report(found, quick=quick, jobs=jobs) for found in layouts.survey(dataset, images)]


def _report(found: Found, *, quick: bool, jobs: int | None) -> Report:
    items = found.items
    counts = np.bincount(items.label, minlength=1) if len(items) else np.zeros(1, dtype=np.int64)
    have = counts[counts > 0]
    looked = [] if quick else _look_at_all(items, jobs)
    return Report(
        dataset=items.dataset,
        place=paths.shown(found.place),
        items=len(items),
        classes=len(have),
        per_class=(int(have.min()), int(have.max())) if len(have) else (0, 0),
        wrong=found.wrong,
        missing=found.missing,
        unreadable=tuple((name, reason) for name, _, reason, _ in looked if reason),
        ignored=found.ignored,
        kinds=dict(Counter(kind for _, kind, reason, _ in looked if not reason)),
        misnamed=tuple(name for name, _, reason, misnamed in looked if misnamed and not reason),
        decoded=not quick,
    )


# ---- Decoding --------------------------------------------------------------------------------------------------------


def _look_at_all(items: ItemSet, jobs: int | None) -> list[tuple[str, str, str, bool]]:
    parts = (items.take(np.arange(first, min(first + CHUNK, len(items)))) for first in range(0, len(items), CHUNK))
    found: list[tuple[str, str, str, bool]] = []
    jobs = min(cores() if jobs is None else jobs, -(-len(items) // CHUNK))
    with Progress(f"decode {items.dataset}", total=len(items), unit="images") as progress:
        for part in map(look, parts) if jobs < 2 or len(items) <= FEW else _in_processes(parts, jobs):
            found += part
            progress.advance(len(part))
    return found


def _in_processes(parts, jobs: int):
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(jobs, mp_context=context, initializer=_ignore_interrupt)
    try:
        waiting = [pool.submit(look, part) for part in islice(parts, 4 * jobs)]
        while waiting:
            yield waiting.pop(0).result()
            waiting += [pool.submit(look, part) for part in islice(parts, 1)]
    except BrokenProcessPool as fault:
        remedy = "run with --jobs 1, or --quick"
        raise ResourceError("memory", "a process that decoded images was killed", remedy) from fault
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _ignore_interrupt() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process ends the others


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


# ---- What is this folder? --------------------------------------------------------------------------------------------


def recognise(images: Path | str) -> list[str]:
    """The data sets that a folder holds, itself or below it under a usual name.

    Raises
    ------
    InputError : none.
    """
    base = Path(images).expanduser()
    found = []
    for family in PLACES:
        places = fitting(family, base)[0]
        if any(place != base for place in places) or (places and _is(family, base)):
            found.append(family)
    if not found:
        what = f"{paths.shown(base)}: none of the known layouts of images"
        raise InputError("images", what, "name the set with --dataset (own:NAME for a set of your own)")
    return found


def _is(family: str, place: Path) -> bool:
    """Whether `place`, which fits, is this and not another of the sets with class folders."""
    if family not in ("imagenet-val", *FOLDER_SETS):
        return True
    below = [folder for folder in inner(place) if WNID.fullmatch(folder.name) or folder.name.isdecimal()]
    if not below:
        return family == "imagenet-val"
    names = next(([path.name for path in _few(folder)] for folder in below if _few(folder)), [])
    if any(val_id(name) for name in names):
        return family == "imagenet-val"
    stems = {folders.stem(name) for name in names}
    # The three V2 sets share images, so a few names do not tell them apart.
    many = {folders.stem(path.name) for folder in below[:50] for path in _few(folder)}
    if variants := [name for name in V2 if many and many <= set(shipped(name))]:
        return family in variants[:1]
    if below[0].name.isdecimal() or any(re.fullmatch(r"sketch_\d+", stem) for stem in stems):
        return family == ("imagenet-sketch" if not below[0].name.isdecimal() else V2[0])
    wnids = classes.wnids()
    have = {folder.name for folder in below}
    for name in ("imagenet-r", "imagenet-a"):
        if have == {wnids[index] for index in classes.ids(name)}:
            return family == name
    return family == "imagenet-sample"


def _few(folder: Path, most: int = 5) -> list[Path]:
    return list(islice((path for path in sorted(folder.iterdir()) if not folders.is_litter(path.name)), most))


def main(folder: Path, *, datasets: tuple[str, ...], quick: bool, jobs: int | None, say) -> None:
    """`analysis check-images`; `say` prints a line.

    Raises
    ------
    InputError : anything is wrong or missing.
    """
    if jobs is not None and jobs < 1:
        raise UsageError("jobs", f"{jobs} processes", "give 1 or more")
    reports = []
    for dataset in datasets or recognise(folder):
        for report in check(dataset, folder, quick=quick, jobs=jobs):
            reports.append(report)
            for line in report.lines():
                say(line)
    if faults := sum(report.faults for report in reports):
        bad = [report.dataset for report in reports if report.faults]
        raise InputError("images", f"{faults} faults in {some(bad)}", "see the lines above")
