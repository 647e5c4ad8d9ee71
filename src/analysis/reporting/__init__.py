"""A report on anyone's own predictions: one call, one page.

`forms` reads what people have, `reading` resolves classes and joins items, `diagnose` names what is wrong, `compute`
and `place` hold the numbers, `words`, `draw`, `page` and `terminal` say them. The package is not called `report`, for
importing a part of it would then hide the function `analysis.report`.
"""

from dataclasses import dataclass, field
from importlib.metadata import version
from numbers import Integral
from pathlib import Path

import pandas as pd

from .. import files, tables
from ..errors import AnalysisError, ResourceError, UsageError, some
from ..paths import shown
from . import compute, place, reading
from .forms import read
from .reading import Answers

__all__ = ["Report", "SetReport", "report"]
LOUD = ("Accuracy is no better", "Estimates may be rough", "As many classes as items", "The classes may well be")


@dataclass(frozen=True)
class SetReport:
    """One data set of a report: the `findings`, the `place` among shipped models, and the `sharing` of weak classes.

    `rank` and `shared` sum these up; `place_why` and `sharing_why` say why there is nothing, else "".
    """

    answers: Answers
    findings: compute.Findings
    place: pd.DataFrame
    rank: dict
    place_why: str
    sharing: pd.DataFrame
    shared: dict
    sharing_why: str

    @property
    def title(self) -> str:
        return self.answers.dataset if self.answers.known else Path(self.answers.where).name

    @property
    def about(self) -> str:
        one = self.findings.overall
        labels = "ReaL labels" if self.answers.labels == "real" else "original labels"
        what = f"{self.answers.dataset}, {labels}" if self.answers.known else f"{self.title}, a data set of its own"
        return f"{what}, {one['n_items']:,} items of {one['n_classes']:,} classes"

    @property
    def notes(self) -> tuple[str, ...]:
        why = [f"Cross-fitted: {self.findings.why['crossfit']}."] if "crossfit" in self.findings.why else []
        return (*self.answers.notes, *self.findings.notes, *why)

    @property
    def loud(self) -> tuple[str, ...]:
        return tuple(note for note in self.notes if note.startswith(LOUD))


@dataclass(frozen=True)
class Report:
    """What `report` gives; JupyterLab shows the page. `sets` has an entry a data set, `shifts` one a shifted set."""

    name: str
    sets: tuple[SetReport, ...]
    shifts: tuple[tuple[str, str, dict, str], ...] = ()
    seed: int = 0
    version: str = field(default_factory=lambda: version("analysis"))

    @property
    def classes(self) -> pd.DataFrame:
        """Every class of every set, as written to classes.csv."""
        frames = [one.findings.classes.drop(columns="position").assign(dataset=one.title) for one in self.sets]
        return _first(pd.concat(frames, ignore_index=True), "dataset")

    @property
    def confusions(self) -> pd.DataFrame:
        """Every pair of a class and a wrong answer to it, as written to confusions.csv."""
        columns = ["label_id", "label_name", "pred_id", "pred_name", "count", "n", "share", "low", "high", "reverse"]
        frames = [one.findings.confusions.reindex(columns=columns).assign(dataset=one.title) for one in self.sets]
        return _first(pd.concat(frames, ignore_index=True), "dataset")

    @property
    def extremes(self) -> pd.DataFrame:
        """The extremes by every reading, as written to extremes.csv."""
        frames = [one.findings.extremes.assign(dataset=one.title) for one in self.sets]
        return _first(pd.concat(frames, ignore_index=True), "dataset")

    def html(self) -> str:
        """The page: one HTML file without scripts that needs nothing else."""
        from .page import page

        return page(self)

    def show(self) -> None:
        """Print the summary."""
        from .terminal import show

        show(self)

    def write(self, folder) -> list[Path]:
        """Write report.html, classes.csv, confusions.csv, extremes.csv into a folder, each whole; gives their paths."""
        folder = Path(folder)
        written = [folder / "report.html"]
        try:
            files.write_text(folder / "report.html", self.html())
            for name in ("classes", "confusions", "extremes"):
                with files.atomic(folder / f"{name}.csv") as temporary:
                    getattr(self, name).to_csv(temporary, index=False, lineterminator="\n", encoding="utf-8")
                written.append(folder / f"{name}.csv")
        except AnalysisError:
            raise
        except OSError as fault:  # a folder that cannot be, as one in /proc
            what = f"{shown(folder)}: {fault.strerror or type(fault).__name__}"
            raise ResourceError("write", what, "name a folder that can be written (-o)") from None
        return written

    def _repr_html_(self) -> str:
        from html import escape

        style = "width:100%;height:80vh;border:1px solid #ddd"
        return f'<iframe style="{style}" srcdoc="{escape(self.html(), quote=True)}"></iframe>'


def report(
    predictions,
    *,
    dataset=None,
    labels: str = "original",
    target=None,
    name: str | None = None,
    order: str = "id",
    allow_missing: bool = False,
    output=None,
    seed: int = 0,
) -> Report:
    """Look at predictions of your own class by class: intervals, weak classes, calibration, confusions, place, shift.

    Parameters
    ----------
    predictions : a path (CSV, JSON, Parquet, .arrow, .npy, .npz, a folder of Hugging Face datasets), a DataFrame, a
        mapping of names to columns, an array of predictions (items,), of classes best first (items, k), or of float
        scores (items, classes); or a list of these: the same model on several data sets, the unshifted one first.
        Classes are numbers, wnids or names
    dataset : id of `data/datasets.csv`, "own" for any other (labels needed), None to recognise it by the item ids; a
        list of as many as there are predictions
    labels : "original", or "real" for imagenet-val
    target : (items,) true classes of a data set of your own, for arrays
    name : of the model; default that of the first file
    order : of rows without item ids: "id", "text", "folder" or "folder-text"
    allow_missing : take some of the items of a known data set
    output : folder for report.html, classes.csv, confusions.csv and extremes.csv; None writes nothing
    seed : of splits and draws

    Returns
    -------
    Report

    Raises
    ------
    InputError : what is wrong with the predictions (order, numbering, ids, values), in one line.
    UsageError : no such data set, labels or order. IntegrityError : the published file of the ReaL labels is not here.

    Examples
    --------
    >>> made = report({"label": [0, 0, 1, 1], "pred": [0, 1, 1, 1]})
    >>> made.sets[0].findings.overall["accuracy"], made.classes["accuracy"].tolist()
    (0.75, [0.5, 1.0])
    """
    if isinstance(seed, bool) or not isinstance(seed, Integral) or seed < 0:
        raise UsageError("seed", f"{seed}: no seed", "a whole number, 0 or above")
    if name is not None and (not name.strip() or Path(name).is_absolute() or ".." in Path(name).parts):
        raise UsageError("name", f"{name[:60]!r}: no name of a folder in build/report", "leave out .. and a leading /")
    sources = list(predictions) if isinstance(predictions, (list, tuple)) else [predictions]
    wanted = (dataset,) if isinstance(dataset, str) else tuple(dataset or ())
    if not sources:
        raise UsageError("report", "no predictions were given", "give a file")
    parts = []
    for i, source in enumerate(sources):
        raw = read(source, target=target)
        if raw.dataset is not None:
            parts += reading.split_sets(raw, wanted if len(sources) == 1 else wanted[i : i + 1])
            continue
        if wanted and len(wanted) not in (1, len(sources)):
            raise UsageError("dataset", f"{len(sources)} files and {len(wanted)} data sets", "one for each, in order")
        parts.append((wanted[i if len(wanted) > 1 else 0] if wanted else None, raw))
    answered = [
        reading.answers(part, dataset=one, labels=_labels_of(labels, one, i), order=order, allow_missing=allow_missing)
        for i, (one, part) in enumerate(parts)
    ]
    known = [one.dataset for one in answered if one.known]
    if twice := sorted({one for one in known if known.count(one) > 1}):
        what = f"several of the predictions are of {some(twice)}"
        raise UsageError("report", what, "a report is of one model; make one for each")
    made = Report(
        name=name or reading.name_of(sources[0]),
        sets=tuple(_set(one, seed) for one in answered),
        shifts=tuple(_shifts(answered, seed)),
        seed=seed,
    )
    if output is not None:
        made.write(output)
    return made


def _labels_of(labels: str, dataset: str | None, place: int) -> str:
    # Of several sets only ImageNet val has ReaL labels; of a single one that has none, say so.
    return "original" if labels == "real" and place > 0 and dataset != "imagenet-val" else labels


def _set(answers: Answers, seed: int) -> SetReport:
    placed, shared = place.place(answers, seed=seed), place.sharing(answers, seed=seed)
    return SetReport(answers, compute.findings(answers, seed=seed), *placed, *shared)


def _shifts(answered: list[Answers], seed: int):
    """Every set but the unshifted one against it: that which the shipped table names, else the first."""
    shift_of = tables.rows_of("datasets").set_index("dataset")["shift_of"].to_dict()
    by_id = {one.dataset: one for one in answered if one.known}
    for other in answered[1:]:
        clean = by_id.get(shift_of.get(other.dataset), answered[0])
        if clean is other:
            continue
        titles = [one.dataset if one.known else Path(one.where).name for one in (clean, other)]
        yield (*titles, *place.shifted(clean, other, seed=seed))


def _first(frame: pd.DataFrame, column: str) -> pd.DataFrame:
    return frame[[column, *[name for name in frame.columns if name != column]]]
