"""Is a weak class badly labelled? The same answers scored by other labels, and the most that other labels could add.

Choose weak classes under one labelling and read them under the other on DISJOINT items (`split.half_accuracies`): on
the same items the errors of the labels enter both the choice and the reading.
"""

from typing import NamedTuple

import numpy as np

from .accuracy import class_counts, confusions


class Rescored(NamedTuple):
    """Answers scored by sets of labels: `right` (items,) or (models, items) bool, `labelled` (items,) bool.

    An item whose set is empty is right for nobody: leave out what is not `labelled`, and count the items again.
    """

    right: np.ndarray
    labelled: np.ndarray


class PartnerBound(NamedTuple):
    """Class accuracy if the top confusion of each class counted as right, (classes,); NaN below two items.

    Means over splits and directions, all read on the half that did not choose.
    """

    accuracy: np.ndarray  # as labelled
    bound: np.ndarray  # the partner counts as right
    errors: np.ndarray  # share of the wrong answers that is the partner: (bound - accuracy) / (1 - accuracy)
    reciprocal: np.ndarray  # how often the class is its partner's partner too, 0 to 1


def rescore(pred, labelsets) -> Rescored:
    """Score answers by sets of labels: right if the answer is any of them.

    Parameters
    ----------
    pred : (items,) or (models, items) integers, predicted class index; -1 = no answer, which is wrong
    labelsets : (items, classes) bool, is the class among the labels of the item; a set may be empty

    Returns
    -------
    Rescored

    Raises
    ------
    ValueError : shapes or dtypes other than these, or an index outside -1 to classes - 1

    Notes
    -----
    Beyer et al., Are we done with ImageNet? (2020); Vasudevan et al., NeurIPS 2022. The class of an item stays its
    original label: only the answers that count as right change.

    Examples
    --------
    >>> sets = np.array([[True, True, False], [False, False, True], [False, False, False]])
    >>> scored = rescore([[1, 0, 0], [2, 2, -1]], sets)
    >>> scored.right.tolist(), scored.labelled.tolist()
    ([[True, False, False], [False, True, False]], [True, True, False])
    """
    pred, labelsets = np.asarray(pred), np.asarray(labelsets)
    if labelsets.dtype != bool or labelsets.ndim != 2:
        raise ValueError(f"labelsets is {labelsets.dtype} {labelsets.shape}; expected bool (items, classes)")
    items, n_classes = labelsets.shape
    if pred.dtype.kind not in "iu" or pred.ndim not in (1, 2) or pred.shape[-1] != items:
        raise ValueError(f"pred is {pred.dtype} {pred.shape}; expected integers (items,) or (models, items) of {items}")
    if pred.size and not -1 <= pred.min() <= pred.max() < n_classes:
        raise ValueError(f"pred runs from {pred.min()} to {pred.max()}; expected -1 to {n_classes - 1}")
    right = labelsets[np.arange(items), pred] & (pred >= 0) if n_classes else np.zeros(pred.shape, bool)
    return Rescored(right, labelsets.any(axis=1))


def partner_bound(*, pred, label, n_classes: int, rng, R: int = 20) -> PartnerBound:
    """Accuracy of every class if answers "partner" counted too, the partner being its most frequent wrong answer.

    The partner is chosen on one half of the items of the class and read on the other, for R random splits, each used
    in both directions. An upper bound, up to the choice of the partner, of what mended labels can add for a single
    confusion, and a generous one: any two classes that truly look alike qualify. Where the half that chooses misses
    the partner, because it holds few errors or several confusions are about equally frequent, the other half counts a
    lesser one or none, and the mean lies below the bound that the true partner would give. Whether weak classes have
    one partner more than others do is a question for `error_concentration`.

    Parameters
    ----------
    pred, label : (items,) integers, predicted and true class index, 0 to n_classes - 1
    n_classes : int
    rng : numpy Generator; it makes the splits, and decides between confusions that are equally frequent
    R : int of at least 1

    Returns
    -------
    PartnerBound. `errors` and `reciprocal` are means over the splits in which the half that is read has an error, and
    the one that chooses has one; NaN if there is none.

    Raises
    ------
    ValueError : as `accuracy.class_counts`, or R below 1

    Notes
    -----
    Only counts matter: whoever has the right answers and confusions of a class, but not its items, may write them out
    as items in any order (`numpy.repeat`).

    Examples
    --------
    Class 0 is right half of the time and otherwise always taken for class 1, which is always right.

    >>> bound = partner_bound(
    ...     pred=[0, 1] * 4 + [1] * 8, label=[0] * 8 + [1] * 8, n_classes=2, rng=np.random.default_rng(0), R=3)
    >>> bound.accuracy.tolist(), bound.bound.tolist(), bound.errors.tolist()
    ([0.5, 1.0], [1.0, 1.0], [1.0, nan])
    """
    label, pred = np.asarray(label), np.asarray(pred)
    if pred.ndim != 1 or R < 1:
        raise ValueError(f"pred has shape {pred.shape}, R is {R}; expected (items,) and at least one split")
    n = class_counts(label=label, pred=pred, n_classes=n_classes).n
    label, pred = label.astype(np.int64), pred.astype(np.int64)
    first, size_a = np.cumsum(n) - n, n // 2
    pair, kind = np.unique(label * n_classes + pred, return_inverse=True)
    owner, answer = np.divmod(pair, max(n_classes, 1))
    wrong = owner != answer
    owner, answer = owner[wrong], answer[wrong]
    whole = np.bincount(kind, minlength=pair.size)
    sums, times = np.zeros((4, n_classes)), np.zeros((2, n_classes))
    for _ in range(R):
        order = np.argsort(label + rng.random(label.size))  # by class, at random within it
        in_a = order[np.arange(order.size) - first[label[order]] < size_a[label[order]]]
        on_a = np.bincount(kind[in_a], minlength=pair.size)
        for chosen, read, items in ((on_a, whole - on_a, n - size_a), (whole - on_a, on_a, size_a)):
            hit = np.bincount(np.divmod(pair[~wrong], max(n_classes, 1))[0], read[~wrong], n_classes)
            partner, taken = _partners(owner, answer, chosen[wrong], read[wrong], n_classes, rng)
            share = 1 / np.where(items > 0, items, np.nan)
            sums[0] += hit * share
            sums[1] += (hit + taken) * share
            errors, known = items - hit, partner >= 0
            asked = known & (errors > 0)
            sums[2] += np.where(asked, taken / np.where(errors > 0, errors, 1), 0)
            sums[3] += known & (partner[partner] == np.arange(n_classes))
            times += [asked, known]
    whole_class = np.where(n > 1, 2 * R, np.nan)
    per_split = np.where((times > 0) & (n > 1), times, np.nan)
    return PartnerBound(sums[0] / whole_class, sums[1] / whole_class, *(sums[2:] / per_split))


def error_concentration(*, pred, label, n_classes: int) -> np.ndarray:
    """Chance that two different wrong answers to a class name the same other class, (classes,): is it pair-like?

    sum_j m_j (m_j - 1) / (m (m - 1)) for m wrong answers, m_j of them class j; NaN below two. Unbiased for any m (an
    estimate of Simpson's index, Nature 163, 1949), so that weak and strong classes may be compared. The share of the
    top confusion may not: the fewer the errors, the higher it comes out where it was chosen, and the harder the top
    one is to choose on a half (`partner_bound`). Errors as `accuracy.class_counts`.

    >>> error_concentration(pred=[1, 1, 2, 0, 1], label=[0, 0, 0, 0, 1], n_classes=3).round(3).tolist()  # 1 pair of 3
    [0.333, nan, nan]
    """
    found = confusions(label=label, pred=pred, n_classes=n_classes)
    same = np.bincount(found.label, found.count * (found.count - 1), n_classes)
    wrong = np.bincount(found.label, found.count, n_classes)
    return same / np.where(wrong > 1, wrong * (wrong - 1), np.nan)


def _partners(owner, answer, chosen, read, n_classes, rng):
    """Most frequent wrong answer of each class by `chosen` (-1: none), and how often it is given by `read`."""
    order = np.lexsort((rng.random(chosen.size), chosen, owner))  # the last of each class is its most frequent
    last = order[np.append(np.diff(owner[order]) > 0, True)] if order.size else order
    last = last[chosen[last] > 0]
    partner, taken = np.full(n_classes, -1), np.zeros(n_classes)
    partner[owner[last]] = answer[last]
    taken[owner[last]] = read[last]
    return partner, taken
