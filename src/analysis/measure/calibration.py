"""Is a model as often right in a class as it says? Signed gap between confidence and accuracy, class by class.

gap = mean over the items of a class of (confidence - right), confidence being the highest softmax value. Positive:
overconfident. Not a binned calibration error, which has no sign and is biased upwards, the more so the smaller a class.

Classes by TRUE label and by predicted label are different questions: by true label a weak class is overconfident by
construction, since its items went wrong while the answers were as sure as elsewhere.
"""

from typing import NamedTuple

import numpy as np
from scipy.special import bdtr, bdtrc
from scipy.stats import t as t_distribution

from .accuracy import checked_counts, clopper


class ClassGap(NamedTuple):
    """Gap of each class with interval, standard error and p-value of "no gap", arrays of one shape; NaN without items.

    `extreme`: fewer than 5 right or fewer than 5 wrong answers, where interval and p-value are the wider of two kinds.
    """

    gap: np.ndarray
    low: np.ndarray
    high: np.ndarray
    se: np.ndarray
    p_value: np.ndarray
    extreme: np.ndarray


def class_gap(conf, correct, cls, n_classes: int, *, alpha: float = 0.05) -> ClassGap:
    """Gap between confidence and accuracy of every class, for one model.

    Parameters
    ----------
    conf : (items,) float, 0 to 1, confidence in the answer given
    correct : (items,) bool, is the answer right
    cls : (items,) int, 0 to n_classes - 1, true or predicted class, see the module
    n_classes : int
    alpha : float in (0, 1), one minus the coverage for a class fixed in advance

    Returns
    -------
    ClassGap of (n_classes,) arrays

    Raises
    ------
    ValueError : shapes or dtypes other than these, a confidence outside 0 to 1 or NaN, or a class outside its range

    Notes
    -----
    Student's t on the differences conf - correct, which keeps the two paired. The differences of a class nearly always
    right, or wrong, may be too skewed for that (coverage .92 at accuracy .95 and n = 50). There the interval also takes
    in the mean confidence less the Clopper-Pearson interval of the accuracy, and `p_value` is the larger of the two;
    alone that one would not do, as it takes the confidence as known. With a single item there is no t.

    Adjust `p_value` over all classes with items: scipy.stats.false_discovery_control. Rank `shrunken_gaps`.

    Examples
    --------
    >>> g = class_gap(np.array([0.9, 0.8, 0.7]), np.array([True, False, True]), np.array([0, 0, 0]), 1)
    >>> g.gap.round(3).tolist(), g.se.round(2).tolist()
    ([0.133], [0.34])
    """
    conf, correct, cls = np.asarray(conf), np.asarray(correct), np.asarray(cls)
    if conf.ndim != 1 or not conf.shape == correct.shape == cls.shape:
        raise ValueError(
            f"conf, correct, cls have shapes {conf.shape}, {correct.shape}, {cls.shape}; expected (items,)"
        )
    if conf.dtype.kind != "f" or correct.dtype != bool or cls.dtype.kind not in "iu":
        raise ValueError(
            f"conf, correct, cls are {conf.dtype}, {correct.dtype}, {cls.dtype}; expected float, bool, integers"
        )
    if not ((conf >= 0) & (conf <= 1)).all():
        raise ValueError("conf holds values below 0, above 1 or NaN; expected 0 to 1")
    if cls.size and not 0 <= cls.min() <= cls.max() < n_classes:
        raise ValueError(f"cls runs from {cls.min()} to {cls.max()}; expected 0 to {n_classes - 1}")
    conf = conf.astype(float)
    return class_gap_from_sums(
        n=np.bincount(cls, minlength=n_classes),
        k=np.bincount(cls[correct], minlength=n_classes),
        conf=np.bincount(cls, conf, n_classes),
        conf_square=np.bincount(cls, conf**2, n_classes),
        conf_right=np.bincount(cls[correct], conf[correct], n_classes),
        alpha=alpha,
    )


def class_gap_from_sums(*, n, k, conf, conf_square, conf_right, alpha: float = 0.05) -> ClassGap:
    """`class_gap` from sums over the items of each class, (..., classes): all that has to be kept of the items.

    `n` items, `k` right answers (integers); sums of confidence, of its square, and of the confidence of the right
    answers. Raises ValueError unless 0 <= k <= n, 0 <= conf_right <= conf <= n, conf_right <= k and
    conf_square <= conf.

    >>> g = class_gap_from_sums(n=[3], k=[2], conf=[2.4], conf_square=[1.94], conf_right=[1.6])
    >>> g.gap.round(3).tolist(), g.se.round(2).tolist()
    ([0.133], [0.34])
    """
    if not 0 < alpha < 1:
        raise ValueError(f"alpha is {alpha}; expected between 0 and 1, both excluded")
    k, n = checked_counts(k, n)
    conf, square, hit = (np.asarray(x, float) for x in (conf, conf_square, conf_right))
    slack = 1e-6 * (1 + n)  # sums of many floats
    fits = (-slack <= hit) & (hit <= conf + slack) & (hit <= k + slack) & (conf <= n + slack) & (square <= conf + slack)
    if not fits.all():
        raise ValueError("sums of confidence do not fit n and k; expected sums over items of values from 0 to 1")
    items = np.where(n > 0, n, np.nan)
    mean = np.clip(conf / items, 0, 1)
    gap = mean - k / items
    # Sum of squared differences; their mean, removed in this form, may leave a rounding error below 0.
    spread = np.maximum(square - 2 * hit + k - items * gap**2, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        se = np.sqrt(spread / np.where(n > 1, n - 1, np.nan) / items)
        student = np.abs(gap) / se
    extreme = np.minimum(k, n - k) < 5
    half = t_distribution.ppf(1 - alpha / 2, np.maximum(n - 1, 1)) * se
    low, high = clopper(k, n, alpha)
    # Both tails of the binomial with the mean confidence, the smaller one doubled: agrees with the interval.
    tail = np.minimum(bdtr(k.astype(float), n, mean), np.where(k > 0, bdtrc(k - 1.0, n, mean), 1))
    p_t, p_binomial = 2 * t_distribution.sf(student, n - 1), np.minimum(2 * tail, 1)
    return ClassGap(
        gap,
        np.where(extreme, np.fmin(mean - high, gap - half), gap - half),
        np.where(extreme, np.fmax(mean - low, gap + half), gap + half),
        se,
        np.where(n > 0, np.where(extreme, np.fmax(p_binomial, p_t), p_t), np.nan),
        extreme & (n > 0),
    )


def shrunken_gaps(gaps: ClassGap) -> np.ndarray:
    """Gaps of the classes, (..., classes), drawn to their mean by the share of noise in each: what to rank.

    True variance over classes = variance of the gaps less the mean of se squared, at least 0; a class keeps
    true / (true + se squared) of its distance from the mean. NaN, and without a part in the mean, where `se` is NaN.
    A se of 0 (all answers right and equally sure) is taken as it is. Raises ValueError below two classes with a se.

    >>> gap, se = np.array([0.0, 0.2, 0.4]), np.full(3, 0.1)
    >>> shrunken_gaps(ClassGap(gap, gap, gap, se, gap, gap)).round(3).tolist()  # true variance .04 - .01: keeps 3/4
    [0.05, 0.2, 0.35]
    """
    use = np.isfinite(gaps.se)
    number = use.sum(-1, keepdims=True)
    if (number < 2).any():
        raise ValueError(f"{number.min()} class with a standard error; expected at least 2")
    gap, noise = np.where(use, gaps.gap, 0), np.where(use, gaps.se, 0) ** 2
    middle = gap.sum(-1, keepdims=True) / number
    observed = ((gap - middle) ** 2).sum(-1, keepdims=True, where=use) / (number - 1)
    true = np.maximum(observed - noise.sum(-1, keepdims=True) / number, 0)
    kept = np.divide(true, true + noise, out=np.zeros(gap.shape), where=true + noise > 0)
    return np.where(use, middle + kept * (gap - middle), np.nan)
