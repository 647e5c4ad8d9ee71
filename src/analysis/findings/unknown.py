"""Queries that belong to no class (CLINC150): which classes take them in, and how well confidence tells them apart.

Classifiers were trained without such queries. Thresholds are set on validation questions, never on those judged.
"""

import numpy as np
import pandas as pd

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


def swallowing(share: float = 0.95, most: int = 8) -> pd.DataFrame:
    """Classes that take in most out-of-scope queries at the validation threshold, run 0 of every classifier.

    `share` of all out-of-scope queries, with Wilson's interval; `accuracy` of the class on its own questions; `auroc`
    among the queries answered by this class, with its interval, where there are ten of each side.
    """
    names, rows = np.array(classes.names(SCOPE)), []
    for model, test, threshold in _scores(share):
        if not model.endswith("-0"):
            continue
        outside = test[test["label"] < 0]
        taken = scope.taken_in(outside["pred"], outside["confidence"], threshold, names.size)
        low, high = accuracy.wilson(taken, np.full(names.size, len(outside)))
        own = test[test["label"] >= 0]
        right = (own["pred"] == own["label"]).groupby(own["label"]).mean()
        for rank, at in enumerate(np.argsort(-taken, kind="stable")[:most]):
            answered = test[test["pred"] == at]
            sides = [answered.loc[answered["label"].ge(0) == inside, "confidence"] for inside in (True, False)]
            area = scope.auroc(*sides) if min(map(len, sides)) >= 10 else scope.Auroc(np.nan, np.nan, np.nan)
            row = {"representation": OURS[_classifier(model)], "class": names[at], "rank": rank + 1}
            row |= {"taken": int(taken[at]), "share": taken[at] / len(outside), "low": low[at], "high": high[at]}
            row |= {"even": taken.sum() / len(outside) / names.size}
            rows.append(row | {"accuracy": right.get(at, np.nan), "auroc": area.value})
    return pd.DataFrame(rows)


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
