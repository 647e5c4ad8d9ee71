"""Queries that belong to no class (CLINC150): which classes take them in, and how well confidence tells them apart.

Classifiers were trained without such queries. Thresholds are set on validation questions, never on those judged.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from .. import classes, models, tables
from ..measure import accuracy, scope
from .text import OURS

SCOPE, VALIDATION = "clinc150", "clinc150-validation"


@dataclass(frozen=True)
class Asked:
    """Answers of one run to all questions: `test` a frame (label, pred, confidence), label -1 out of scope.

    `threshold` accepts `share` of the validation questions.
    """

    model: str
    test: pd.DataFrame
    threshold: float
    share: float

    @property
    def outside(self) -> pd.DataFrame:
        return self.test[self.test["label"] < 0]


def load(share: float = 0.95) -> list[Asked]:
    """Every run of this project that answered the validation questions, too."""
    own = [model for model in models.table().index if model.startswith("text/")]
    have = sorted(set(tables.read_counts(dataset=VALIDATION, models=own)["model"]))
    held, test = (
        dict(list(tables.read_predictions(dataset=name, models=have).groupby("model"))) for name in (VALIDATION, SCOPE)
    )
    inside = {model: held[model].loc[held[model]["label"] >= 0, "confidence"] for model in have}
    return [Asked(model, test[model], scope.accepting_threshold(inside[model], share), share) for model in have]


def scope_table(found: list[Asked]) -> pd.DataFrame:
    """One row a run: AUROC with interval, out-of-scope queries accepted where `share` of the others are.

    `fpr` sets the threshold on the test questions themselves, as the literature does; `accepted` on validation ones.
    """
    rows = []
    for one in found:
        inside, outside = (one.test.loc[one.test["label"].ge(0) == own, "confidence"] for own in (True, False))
        area = scope.auroc(inside, outside)
        row = {"model": one.model, "auroc": area.value, "low": area.low, "high": area.high}
        row |= {"fpr": scope.false_positive_rate(inside, outside, one.share), "threshold": one.threshold}
        row |= {"accepted": (outside >= one.threshold).mean(), "in-scope kept": (inside >= one.threshold).mean()}
        rows.append(row)
    return pd.DataFrame(rows)


def swallowing(found: list[Asked], *, rng, most: int = 5) -> pd.DataFrame:
    """Classes that take in most out-of-scope queries at the validation threshold, run 0 of every classifier.

    Chosen on one half of these queries and read on the other. `share` of the half that is read, with Wilson's interval;
    `even` the same if all classes were alike; `accuracy` of the class on its own questions.
    """
    names, rows = np.array(classes.names(SCOPE)), []
    for one in found:
        if not one.model.endswith("-0"):
            continue
        outside = one.outside
        half = rng.permutation(len(outside)) < len(outside) // 2
        chosen, read = (
            scope.taken_in(part["pred"], part["confidence"], one.threshold, names.size)
            for part in (outside[half], outside[~half])
        )
        number = int((~half).sum())
        low, high = accuracy.wilson(read, np.full(names.size, number))
        recall, _ = _own(one.test, names.size)
        order = np.argsort(-(chosen + 1e-3 * rng.random(names.size)))[:most]
        for rank, at in enumerate(order, start=1):
            row = {"representation": OURS[_classifier(one.model)], "class": names[at], "rank": rank}
            row |= {"taken": int(read[at]), "share": read[at] / number, "low": low[at], "high": high[at]}
            rows.append(row | {"even": read.sum() / number / names.size, "accuracy": recall[at]})
    return pd.DataFrame(rows)


def against_own(found: list[Asked]) -> pd.DataFrame:
    """Over all classes: rank correlation of what a class takes in with its accuracy and with its precision."""
    rows, total = [], len(classes.names(SCOPE))
    for one in found:
        taken = scope.taken_in(one.outside["pred"], one.outside["confidence"], one.threshold, total)
        recall, precision = _own(one.test, total)
        row = {"model": one.model, "mean accuracy": np.nanmean(recall)}
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


def concentration(found: list[Asked]) -> pd.DataFrame:
    """How few classes take in half of the accepted out-of-scope queries; `even` is the same for classes all alike."""
    rng, rows, total = np.random.default_rng(0), [], len(classes.names(SCOPE))
    for one in found:
        taken = scope.taken_in(one.outside["pred"], one.outside["confidence"], one.threshold, total)
        even = [_half(rng.multinomial(taken.sum(), np.full(total, 1 / total))) for _ in range(200)]
        row = {"model": one.model, "accepted": int(taken.sum()), "classes for half": _half(taken)}
        rows.append(row | {"even": float(np.median(even))})
    return pd.DataFrame(rows)


def _half(taken: np.ndarray) -> int:
    return int(np.searchsorted(np.cumsum(np.sort(taken)[::-1]), taken.sum() / 2) + 1)


def _classifier(model: str) -> str:
    return model.removeprefix("text/").rpartition("-")[0]
