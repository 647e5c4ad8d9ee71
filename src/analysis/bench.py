"""Speed of the measures, side by side in one run: `make bench`. Times are medians; ratios travel, seconds do not."""

import json
import multiprocessing
import os
import platform
import re
import resource
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

from . import files, models, paths, tables
from .findings import causes, hidden, shared, shifted, text, tiny
from .measure import accuracy, agreement, extremes, overlap, shift
from .run import KERNEL
from .show import console

RUNS = 5


def main() -> None:
    """Time each part `RUNS` times, check that rival routes give the same numbers, print and keep the table."""
    from sklearn.metrics import classification_report

    names = [name for name in models.named("networks") if name.startswith("imagenetv2/")]
    label, pred = predictions(names)
    correct = tables.correct("imagenet-val", models=names)
    right, class_id, total = correct.right, correct.class_index, len(correct.classes)
    rng = np.random.default_rng(0)
    clean, shifted = (tables.counts(name, models=names) for name in ("imagenet-val", "imagenetv2-matched-frequency"))
    pair = {"kc": clean.correct, "nc": clean.n, "ks": shifted.correct, "ns": shifted.n}
    q = 50

    ours = _time(lambda: class_measures(label=label, pred=pred, n_classes=total))
    rival = _time(lambda: classification_report(label, pred[0], output_dict=True, zero_division=np.nan), runs=3)
    _same_as_scikit_learn(classification_report(label, pred[0], output_dict=True, zero_division=np.nan), label, pred[0])

    rows = [
        (f"all class measures, {len(names)} networks x {label.size} items, from predictions", ours, 2.0),
        (
            "  scikit-learn classification_report, the same networks (one timed, times their number)",
            rival * len(names),
            None,
        ),
        ("all class measures from the tables, read included", _time(lambda: from_tables(names)), 0.2),
        (
            "corrected r, all pairs",
            _time(lambda: agreement.corrected_r(agreement.u_moments(right, class_id, total))),
            0.1,
        ),
        (
            "corrected r, all pairs, 400 class-bootstrap draws",
            _time(lambda: agreement.bootstrap_corrected_r(right, class_id, total, draws=400, rng=rng), runs=1),
            None,
        ),
        (
            "overlap on disjoint halves, 40 splits x 100 draws",
            _time(lambda: overlap.bootstrap_half_overlap(right, class_id, total, q=q, rng=rng), runs=1),
            None,
        ),
        (
            "true extremes of all networks, 25 refits x 20 draws",
            _time(
                lambda: extremes.functional_interval(
                    clean.correct, clean.n[0], lambda p: extremes.tail_functionals(p, q), rng=rng, refits=25
                ),
                runs=1,
            ),
            None,
        ),
        (
            "loss under shift with its mirror, 400 draws x 20 splits",
            _time(lambda: shift.bootstrap_shift(**pair, q=q, rng=rng), runs=1),
            None,
        ),
        *claims_timed(),
    ]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)
    lines = [
        "## Measures",
        "",
        f"Written by `make bench` on {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}. "
        f"Medians of {RUNS} runs, of one for the long ones.",
        "",
        "| what | seconds | budget |",
        "|---|---|---|",
        *[f"| {what} | {seconds:.3f} | {'' if budget is None else budget} |" for what, seconds, budget in rows],
        *[f"| notebook {name}, last run | {seconds:.0f} | |" for name, seconds in _notebooks()],
        "",
        f"scikit-learn takes {rival * len(names) / ours:.0f} times as long for the same numbers (equal to 1e-12). "
        f"Peak memory of this benchmark: {peak:.0f} MB.",
    ]
    write_section("measures", lines)
    console().print("\n".join(lines), markup=False)


def write_section(name: str, lines: list[str], path: Path | None = None) -> None:
    """Put the lines of one benchmark into docs/benchmarks.md, in place of its last ones; other sections stay.

    >>> import tempfile; path = Path(tempfile.mkdtemp()) / "benchmarks.md"
    >>> for name, line in [("a", "old"), ("b", "other"), ("a", "new")]:
    ...     write_section(name, [line], path)
    >>> path.read_text(encoding="utf-8").split()[2:]
    ['<!--', 'a', '-->', 'new', '<!--', 'b', '-->', 'other']
    """
    path = path or paths.ROOT / "docs" / "benchmarks.md"
    old = path.read_text(encoding="utf-8") if path.exists() else ""
    # A section runs from its mark to the next one.
    sections = dict(re.findall(r"^<!-- (\w+) -->\n(.*?)(?=^<!-- \w+ -->\n|\Z)", old, flags=re.DOTALL | re.MULTILINE))
    sections[name] = "\n".join(lines)
    parts = ["# Benchmarks", *(f"<!-- {mark} -->\n{text.strip()}" for mark, text in sections.items())]
    files.write_text(path, "\n\n".join(parts) + "\n")


def claims_timed() -> list[tuple[str, float, float | None]]:
    """Lines of the table: all claim rows with their intervals, two parts at a time, and each part in its process.

    A fresh process a part, with the threads of a notebook's; but no figure. Reading the tables is included.
    """
    threads = {name: value for name, value in KERNEL.items() if name.endswith("_THREADS")}
    before = dict(os.environ)
    start = time.perf_counter()
    try:
        os.environ.update(threads)  # read when a process starts: too late for an initializer
        with ProcessPoolExecutor(2, multiprocessing.get_context("spawn"), max_tasks_per_child=1) as pool:
            done = dict(zip(CLAIMS, pool.map(_claims_of, CLAIMS), strict=True))
    finally:
        for name in threads:
            os.environ.pop(name)
        os.environ.update(before)
    whole = time.perf_counter() - start
    rows = sum(count for count, _ in done.values())
    parts = [(f"  {part}, {count} rows", seconds, None) for part, (count, seconds) in done.items()]
    return [(f"all {rows} claim rows with their intervals, two processes", whole, 60.0), *parts]


def _claims_of(part: str) -> tuple[int, float]:
    """How many rows a part has, and the seconds that they took."""
    start = time.perf_counter()
    rows = CLAIMS[part](np.random.default_rng(0))
    return len(rows), time.perf_counter() - start


def _hidden(rng) -> list[dict]:
    four, everyone, clip = map(models.named, ("four-families", "networks", "clip"))
    single, rows = {name: [name] for name in four}, []
    for labels in ("original", "real"):
        primary = hidden.estimates(four, rng=rng, labels=labels, refits=100)
        rows += hidden.claim_rows(primary, {"four-families": four} | single, labels=labels)
        every = hidden.estimates(everyone, rng=rng, labels=labels)
        rows += hidden.claim_rows(every, {"networks": everyone}, labels=labels)
    return rows + hidden.claim_rows(hidden.estimates(clip, rng=rng), {"clip": clip})


def _shared(rng) -> list[dict]:
    sets = {name: models.named(name) for name in ("four-families", "networks")}
    found = [shared.measure(sets["networks"], sets, rng=rng, labels=labels) for labels in ("original", "real")]
    return [row for one in found for row in shared.claim_rows(one)]


def _shifted(rng) -> list[dict]:
    rows = shifted.claim_rows([shifted.measure(one, rng=rng) for one in shifted.SHIFTS])
    for space in tiny.SPACES:
        found = tiny.load(space)
        rows += tiny.claim_rows(tiny.measure(found, rng=rng), len(found.conditions))
    return rows


def _text(rng) -> list[dict]:
    rows = []
    for found in map(text.corpus, ("banking77", "20news")):
        table, drawn = text.correlations(found, rng=rng, draws=200_000)
        rows += text.claim_rows(found, text.hidden_table(found, rng=rng), drawn, table)
        rows += text.overlap_rows(found, rng=rng)
    return rows


def _causes(rng) -> list[dict]:
    sets = {name: models.named(name) for name in ("four-families", "networks")}
    clip = {name: models.named(name) for name in ("clip-counted", "clip-laion400m")}
    counted = clip["clip-counted"]
    frequency, *others = (causes.frequency_r(counted, rng=rng, way=way) for way in (causes.WAY, *causes.OTHER_WAYS))
    return causes.claim_rows(
        clip,
        frequency,
        dict(zip(causes.OTHER_WAYS, others, strict=True)),
        causes.agreement_by_counts(counted, rng=rng),
        with_items=sets,
        agreed=causes.agreement_r(sets["networks"], rng=rng),
    )


# The sizes of the notebooks: their defaults here, but for the refits of the primary rows and the draws of text. The
# longest parts come first.
CLAIMS = {"F1": _hidden, "F2": _shared, "F3": _shifted, "F4": _text, "C-ii": _causes}


def _notebooks() -> list[tuple[str, float]]:
    """Seconds that each notebook took when it was last run; two run at once."""
    done = sorted((paths.build() / "notebooks").glob(files.NAMED + ".ipynb"))
    return [
        (path.stem, json.loads(path.read_text(encoding="utf-8"))["metadata"]["papermill"]["duration"]) for path in done
    ]


def predictions(names) -> tuple[np.ndarray, np.ndarray]:
    """Labels (items,) and predictions (models, items) with exactly the counts and confusions of the tables.

    The items of a class come in another order than in the published files, which no class measure can see.
    """
    counts = tables.counts("imagenet-val", models=names)
    wrong = tables.read_confusions(dataset="imagenet-val", models=names)
    diagonal = [
        np.stack([np.full(counts.class_id.size, place), counts.class_id, counts.class_id, row])
        for place, row in enumerate(counts.correct)
    ]
    place = np.array([list(names).index(model) for model in wrong["model"]])
    off = np.stack([place, *(wrong[column].to_numpy(dtype=np.int64) for column in ("label", "pred", "count"))])
    cells = np.concatenate([*diagonal, off], axis=1)
    cells = cells[:, np.lexsort(cells[:3][::-1])]
    owner, label, pred = (np.repeat(row, cells[3]) for row in cells[:3])
    items = label.size // len(names)
    assert (owner.reshape(len(names), items) == np.arange(len(names))[:, None]).all()
    return label[:items], pred.reshape(len(names), items)


def class_measures(*, label, pred, n_classes: int) -> dict:
    """Accuracy with interval, precision, F1 and counts of every class and model, from predictions."""
    counts = accuracy.class_counts(label=label, pred=pred, n_classes=n_classes)
    low, high = accuracy.wilson(counts.correct, counts.n)
    return {
        "accuracy": accuracy.class_accuracy(k=counts.correct, n=counts.n),
        "low": low,
        "high": high,
        "precision": accuracy.precision(correct=counts.correct, predicted=counts.predicted),
        "f1": accuracy.f1(correct=counts.correct, n=counts.n, predicted=counts.predicted),
    }


def from_tables(names) -> np.ndarray:
    """Class accuracies with intervals of many models, read from `class_counts`."""
    counts = tables.counts("imagenet-val", models=names)
    accuracy.wilson(counts.correct, counts.n)
    return accuracy.class_accuracy(k=counts.correct, n=counts.n)


def _same_as_scikit_learn(report: dict, label: np.ndarray, pred: np.ndarray) -> None:
    ours = class_measures(label=label, pred=pred, n_classes=int(label.max()) + 1)
    for mine, theirs in (("accuracy", "recall"), ("precision", "precision"), ("f1", "f1-score")):
        values = np.array([report[str(one)][theirs] for one in range(label.max() + 1)])
        np.testing.assert_allclose(ours[mine], values, rtol=1e-12, err_msg=f"{mine} differs from scikit-learn")


def _time(call: Callable, runs: int = RUNS) -> float:
    seconds = []
    for _ in range(runs):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)
