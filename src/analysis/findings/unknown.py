"""Queries that belong to no class (CLINC150): which classes take them in, and how well confidence tells them apart.

Classifiers were trained without such queries. Thresholds are set on validation questions, never on those judged.
"""

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from .. import classes, models, tables
from ..measure import accuracy, scope
from .text import OURS

SCOPE, VALIDATION = "clinc150", "clinc150-validation"


def scope_table(share: float = 0.95) -> pd.DataFrame:
    """One row a run: AUROC with interval, out-of-scope queries accepted where `share` of the others are.

    `fpr` sets the threshold on the test questions themselves, as the literature does; `accepted` on validation ones.
    """
    rows = []
    for model, test, threshold in _scores(share):
        inside, outside = (test.loc[test["label"].ge(0) == own, "confidence"] for own in (True, False))
        area = scope.auroc(inside, outside)
        row = {"model": model, "auroc": area.value, "low": area.low, "high": area.high}
        row |= {"fpr": scope.false_positive_rate(inside, outside, share), "threshold": threshold}
        rows.append(row | {"accepted": (outside >= threshold).mean(), "in-scope kept": (inside >= threshold).mean()})
    return pd.DataFrame(rows)


def swallowing(*, rng, share: float = 0.95, most: int = 5) -> pd.DataFrame:
    """Classes that take in most out-of-scope queries at the validation threshold, run 0 of every classifier.

    Chosen on one half of these queries and read on the other. `share` of the half that is read, with Wilson's interval;
    `even` the same if all classes were alike; `accuracy` of the class on its own questions.
    """
    names, rows = np.array(classes.names(SCOPE)), []
    for model, test, threshold in _scores(share):
        if not model.endswith("-0"):
            continue
        outside = test[test["label"] < 0]
        half = rng.permutation(len(outside)) < len(outside) // 2
        chosen, read = (
            scope.taken_in(part["pred"], part["confidence"], threshold, names.size)
            for part in (outside[half], outside[~half])
        )
        number = int((~half).sum())
        low, high = accuracy.wilson(read, np.full(names.size, number))
        recall, _ = _own(test, names.size)
        order = np.argsort(-(chosen + 1e-3 * rng.random(names.size)))[:most]
        for rank, at in enumerate(order, start=1):
            row = {"representation": OURS[_classifier(model)], "class": names[at], "rank": rank}
            row |= {"taken": int(read[at]), "share": read[at] / number, "low": low[at], "high": high[at]}
            rows.append(row | {"even": read.sum() / number / names.size, "accuracy": recall[at]})
    return pd.DataFrame(rows)


def against_own(share: float = 0.95) -> pd.DataFrame:
    """Over all classes: rank correlation of what a class takes in with its accuracy and with its precision."""
    rows, total = [], len(classes.names(SCOPE))
    for model, test, threshold in _scores(share):
        outside = test[test["label"] < 0]
        taken = scope.taken_in(outside["pred"], outside["confidence"], threshold, total)
        recall, precision = _own(test, total)
        row = {"model": model, "mean accuracy": np.nanmean(recall)}
        for name, values in (("with accuracy", recall), ("with precision", precision)):
            known = ~np.isnan(values)
            row[name] = spearmanr(taken[known], values[known]).statistic
        rows.append(row)
    return pd.DataFrame(rows)


def _own(test: pd.DataFrame, total: int) -> tuple[np.ndarray, np.ndarray]:
    """Accuracy and precision of every class on the questions of the classes."""
    own = test[test["label"] >= 0]
    found = accuracy.class_counts(label=own["label"].to_numpy(), pred=own["pred"].to_numpy(), n_classes=total)
    recall = accuracy.class_accuracy(k=found.correct, n=found.n)
    return recall, accuracy.precision(correct=found.correct, predicted=found.predicted)


def concentration(share: float = 0.95) -> pd.DataFrame:
    """How few classes take in half of the accepted out-of-scope queries; `even` is the same for classes all alike."""
    rng, rows = np.random.default_rng(0), []
    for model, test, threshold in _scores(share):
        outside = test[test["label"] < 0]
        total = len(classes.names(SCOPE))
        taken = scope.taken_in(outside["pred"], outside["confidence"], threshold, total)
        even = [_half(rng.multinomial(taken.sum(), np.full(total, 1 / total))) for _ in range(200)]
        row = {"model": model, "accepted": int(taken.sum()), "classes for half": _half(taken)}
        rows.append(row | {"even": float(np.median(even))})
    return pd.DataFrame(rows)


def _half(taken: np.ndarray) -> int:
    return int(np.searchsorted(np.cumsum(np.sort(taken)[::-1]), taken.sum() / 2) + 1)


def _scores(share: float):
    own = [model for model in models.table().index if model.startswith("text/")]
    have = sorted(set(tables.read_counts(dataset=VALIDATION, models=own)["model"]))
    for model in have:
        held = tables.read_predictions(dataset=VALIDATION, models=[model])
        inside = held.loc[held["label"] >= 0, "confidence"]
        test = tables.read_predictions(dataset=SCOPE, models=[model])
        yield model, test, scope.accepting_threshold(inside, share)


def _classifier(model: str) -> str:
    return model.removeprefix("text/").rpartition("-")[0]
