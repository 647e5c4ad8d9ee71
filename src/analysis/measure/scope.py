"""Items that belong to no class: how well a confidence tells them from the others, and which classes take them in.

A score is high where the model is sure. An item is accepted if its score reaches a threshold; the threshold is set on
validation items of the classes, so that a given share of them is accepted, and never on the items that are judged.
"""

from typing import NamedTuple

import numpy as np
from scipy.stats import norm, rankdata


class Auroc(NamedTuple):
    """Area under the ROC curve with its 95 % interval; NaN where one side is empty."""

    value: float
    low: float
    high: float


def auroc(inside, outside) -> Auroc:
    """Chance that a random item of the classes scores higher than a random one of none, ties counted half.

    The Mann-Whitney statistic; standard error and interval after Hanley & McNeil, Radiology 143 (1982), on the logit
    scale, so that the interval stays within 0 to 1. At 0 or 1 it has no width that the data could give: NaN ends.

    Parameters
    ----------
    inside, outside : (items,) scores, finite

    >>> auroc([0.9, 0.8, 0.4], [0.4, 0.1]).value
    0.9166666666666666
    """
    inside, outside = np.asarray(inside, float), np.asarray(outside, float)
    m, n = inside.size, outside.size
    if not m or not n:
        return Auroc(np.nan, np.nan, np.nan)
    if not (np.isfinite(inside).all() and np.isfinite(outside).all()):
        raise ValueError("a score is not finite")
    ranks = rankdata(np.concatenate([inside, outside]))
    area = float((ranks[:m].sum() - m * (m + 1) / 2) / (m * n))
    if not 0 < area < 1:
        return Auroc(area, np.nan, np.nan)
    q1, q2 = area / (2 - area), 2 * area**2 / (1 + area)
    variance = (area * (1 - area) + (m - 1) * (q1 - area**2) + (n - 1) * (q2 - area**2)) / (m * n)
    centre, half = np.log(area / (1 - area)), norm.ppf(0.975) * np.sqrt(variance) / (area * (1 - area))
    low, high = 1 / (1 + np.exp(-(centre + np.array([-half, half]))))
    return Auroc(area, float(low), float(high))


def accepting_threshold(inside, share: float = 0.95) -> float:
    """The highest score at which at least `share` of the items of the classes are accepted (score >= threshold).

    >>> accepting_threshold([0.1, 0.6, 0.7, 0.9], share=0.75)
    0.6
    """
    inside = np.sort(np.asarray(inside, float))
    if not inside.size or not 0 < share <= 1:
        raise ValueError("expected scores, and a share above 0 and at most 1")
    return float(inside[inside.size - int(np.ceil(share * inside.size - 1e-9))])


def false_positive_rate(inside, outside, share: float = 0.95) -> float:
    """Share of the items of no class that are accepted where `share` of the others are ("FPR at 95 % TPR").

    As in Hendrycks & Gimpel, ICLR 2017, and Liang et al., ICLR 2018: the threshold is set on the very items judged,
    which flatters; `accepting_threshold` on validation items does not. NaN where one side is empty.

    >>> false_positive_rate([0.1, 0.6, 0.7, 0.9], [0.05, 0.65], share=0.75)
    0.5
    """
    if not len(inside) or not len(outside):
        return np.nan
    return float((np.asarray(outside, float) >= accepting_threshold(inside, share)).mean())


def taken_in(pred, score, threshold: float, n_classes: int) -> np.ndarray:
    """How many items of no class each class takes in: answered so, with a score that is accepted; (n_classes,).

    >>> taken_in([0, 2, 2], [0.9, 0.8, 0.2], 0.5, 3).tolist()
    [1, 0, 1]
    """
    pred, score = np.asarray(pred), np.asarray(score, float)
    return np.bincount(pred[(score >= threshold) & (pred >= 0)], minlength=n_classes)
