"""Are weak classes the ones that lose most under shift? Level, loss and spread of class accuracies on two test sets.

Counts only: kc, nc right answers and items on the clean set, ks, ns on the shifted one; k (models, classes) or
(classes,), n the same or shared, (classes,). The two sets must hold different items. Where a corruption reuses the
clean items, the covariance between the sets contains shared item noise: `paired_shift` takes it off, and for a contrast
chooses on one half of the items and reads both sets on the other.

A class that has fewer than two items in either set, for any model, is left out everywhere: it has no halves and no
noise estimate. A number that cannot be formed (a true variance estimated as 0 or less, a group mean of 0 or 1 on the
logit scale) is NaN.
"""

from typing import NamedTuple

import numpy as np

from .agreement import bootstrap_corrected_r, corrected_r, u_moments, u_moments_from_counts, weighted_cov
from .overlap import drawn_membership, weak_membership
from .split import class_sizes, class_weights, half_accuracies


class Level(NamedTuple):
    """Clean-shift correlations over classes, (models,): of true rates, of accuracies, and the ceiling of the latter."""

    corrected: np.ndarray
    raw: np.ndarray
    ceiling: np.ndarray


class Line(NamedTuple):
    """True shift accuracy = intercept + slope * true clean accuracy, (models,)."""

    slope: np.ndarray
    intercept: np.ndarray


class Contrast(NamedTuple):
    """Loss of the q weak classes less the loss of the rest, (models,). POSITIVE: the weak classes lose more.

    points: (c_w - s_w) - (c_r - s_r); ratio: s_r / c_r - s_w / c_w; logit: [lg c_w - lg s_w] - [lg c_r - lg s_r],
    with c, s the clean and shift means of the weak classes (w) and of the rest (r), never of single classes.
    """

    points: np.ndarray
    ratio: np.ndarray
    logit: np.ndarray
    clean_weak: np.ndarray
    shift_weak: np.ndarray
    clean_rest: np.ndarray
    shift_rest: np.ndarray


class ShiftDraws(NamedTuple):
    """Class-bootstrap draws of means over models."""

    contrast: np.ndarray  # (draws, 3): points, ratio, logit
    mirror: np.ndarray  # (draws, 3)
    corrected_r: np.ndarray  # (draws,), as the following
    slope: np.ndarray
    sd_ratio: np.ndarray


class Paired(NamedTuple):
    """`paired_shift`: one value a condition, (conditions,), and class-bootstrap draws of means over conditions."""

    contrast: Contrast
    mirror: Contrast
    corrected_r: np.ndarray
    contrast_draws: np.ndarray  # (draws, 3): points, ratio, logit
    mirror_draws: np.ndarray  # (draws, 3)
    corrected_r_draws: np.ndarray  # (draws,)


def shift_level(*, kc, nc, ks, ns) -> Level:
    """Are classes weak on clean weak on shift? Correlation over classes between two sets of different items.

    The raw r is at most `ceiling`, the root of the two reliabilities, even if the true rates agree perfectly.

    >>> level = shift_level(kc=[0, 2, 4], nc=[4, 4, 4], ks=[0, 2, 4], ns=[4, 4, 4])
    >>> [round(x.item(), 3) for x in level]  # 0.25 / (0.25 - (0 + 1/12 + 0) / 3), 1, (0.25 - 1/36) / 0.25
    [1.125, 1.0, 0.889]
    """
    clean, shift, cross = _moments(*_checked(kc, nc, ks, ns))
    raw = np.sqrt(_positive(clean.raw) * _positive(shift.raw))
    true = np.sqrt(_positive(clean.true) * _positive(shift.true))
    return Level(cross / true, cross / raw, true / raw)


def shift_slope(*, kc, nc, ks, ns) -> Line:
    """Line through the true class rates: weak classes lose more points if slope > 1, keep less if intercept < 0.

    The slope divides by the true variance; dividing by that of the accuracies flattens it.

    >>> line = shift_slope(kc=[0, 2, 4], nc=[4, 4, 4], ks=[0, 2, 4], ns=[4, 4, 4])
    >>> round(line.slope.item(), 3), round(line.intercept.item(), 4)
    (1.125, -0.0625)
    """
    kc, nc, ks, ns = _checked(kc, nc, ks, ns)
    clean, _, cross = _moments(kc, nc, ks, ns)
    slope = cross / _positive(clean.true)
    return Line(slope, (ks / ns).mean(axis=1) - slope * (kc / nc).mean(axis=1))


def sd_ratio(*, kc, nc, ks, ns) -> np.ndarray:
    """True spread of class rates under shift over that on clean, in points, (models,). Symmetric: nothing is selected.

    >>> sd_ratio(kc=[0, 2, 4], nc=[4, 4, 4], ks=[0, 2, 4], ns=[4, 4, 4]).tolist()
    [1.0]
    """
    clean, shift, _ = _moments(*_checked(kc, nc, ks, ns))
    return np.sqrt(_positive(shift.true) / _positive(clean.true))


def shift_contrast(*, kc, nc, ks, ns, q: int, rng, R: int = 40) -> Contrast:
    """Do the q weakest classes lose more? Chosen on half the clean items, read on the other half and on all of shift.

    Averaged over R splits and both directions. Choosing and reading on the same items would make weak classes look
    robust. What remains with a true r below 1 is regression to the mean between the sets: read it with
    `mirror_contrast`; where the two disagree in sign, neither says that weak classes are fragile or robust.
    Raises ValueError unless 1 <= q < classes.

    >>> c = shift_contrast(kc=[0, 9, 9], nc=[9] * 3, ks=[0, 6, 6], ns=[9] * 3, q=1, rng=np.random.default_rng(0), R=2)
    >>> c.points.round(3).tolist(), c.shift_rest.round(3).tolist()  # weak: 0 to 0; rest: 1 to 2/3
    ([-0.333], [0.667])
    """
    kc, nc, ks, ns = _checked(kc, nc, ks, ns, q)
    return _mean_contrast(_group_means(a, b, ks / ns, q) for a, b in _folds(kc, nc, rng=rng, R=R))


def mirror_contrast(*, kc, nc, ks, ns, q: int, rng, R: int = 40) -> Contrast:
    """`shift_contrast` seen from the other end: weak classes chosen on half the SHIFT items, the other half read.

    Clean is read on all its items. Same signs: positive means that the weak classes lose more from clean to shift.

    >>> c = mirror_contrast(kc=[8, 8, 8], nc=[8] * 3, ks=[0, 6, 6], ns=[8] * 3, q=1, rng=np.random.default_rng(0), R=2)
    >>> c.points.tolist()  # weak: 1 to 0; rest: 1 to 3/4
    [0.75]
    """
    kc, nc, ks, ns = _checked(kc, nc, ks, ns, q)
    return _mean_contrast(_group_means(a, kc / nc, b, q) for a, b in _folds(ks, ns, rng=rng, R=R))


def naive_contrast(*, kc, nc, ks, ns, q: int) -> Contrast:
    """The contrast with weak classes chosen and read on the same clean items, to be shown beside the others.

    >>> naive_contrast(kc=[0, 9, 9], nc=[9] * 3, ks=[3, 9, 9], ns=[9] * 3, q=1).points.round(3).tolist()
    [-0.333]
    """
    kc, nc, ks, ns = _checked(kc, nc, ks, ns, q)
    return _contrast(_group_means(kc / nc, kc / nc, ks / ns, q))


def bootstrap_shift(*, kc, nc, ks, ns, q: int, rng, draws: int = 400, R: int = 20) -> ShiftDraws:
    """Class bootstrap of the means over models of contrast, mirror, corrected r, slope and sd ratio.

    All models of a drawn class move together; halves are fixed before classes are drawn, and the weak classes are
    chosen anew in every draw. The draws hold for fresh classes (G). A draw is NaN where a model's value is.

    >>> rng = np.random.default_rng(0)
    >>> d = bootstrap_shift(kc=[1, 5, 9], nc=[9] * 3, ks=[1, 4, 8], ns=[9] * 3, q=1, rng=rng, draws=4, R=1)
    >>> d.contrast.shape, d.slope.shape
    ((4, 3), (4,))
    """
    kc, nc, ks, ns = _checked(kc, nc, ks, ns, q)
    weights = class_weights(kc.shape[1], draws=draws, rng=rng)
    clean, shift, cross = _moments(kc, nc, ks, ns, weights)
    by_class = np.ascontiguousarray(weights.T, dtype=np.float32)
    contrast = _mean_contrast(_drawn_means(a, b, ks / ns, q, by_class) for a, b in _folds(kc, nc, rng=rng, R=R))
    mirror = _mean_contrast(_drawn_means(a, kc / nc, b, q, by_class) for a, b in _folds(ks, ns, rng=rng, R=R))
    return ShiftDraws(
        contrast=np.stack([x.mean(axis=0) for x in contrast[:3]], axis=1),
        mirror=np.stack([x.mean(axis=0) for x in mirror[:3]], axis=1),
        corrected_r=(cross / np.sqrt(_positive(clean.true) * _positive(shift.true))).mean(axis=1),
        slope=(cross / _positive(clean.true)).mean(axis=1),
        sd_ratio=np.sqrt(_positive(shift.true) / _positive(clean.true)).mean(axis=1),
    )


def paired_shift(right, class_id, n_classes: int, *, q: int, rng, draws: int = 400, R: int = 20) -> Paired:
    """Level, loss and mirror where the shifted items are the clean ones, changed: one model under several conditions.

    Weak classes are chosen on one half of the items by their clean answers (mirror: by those under the condition) and
    read, clean and changed, on the other half; averaged over R splits and both directions. The correlation has the
    noise that both sides share taken off (`agreement.u_moments`). Draws are as in `bootstrap_shift`.

    Parameters
    ----------
    right : (1 + conditions, items) bool; row 0 holds the answers to the unchanged items
    class_id : (items,), 0 to n_classes - 1, at least two items a class

    Raises ValueError for other shapes, a class of fewer than two items, or q outside 1 to n_classes - 1.

    >>> right = np.array([[0, 0, 1, 1, 1, 1], [0, 0, 0, 0, 1, 1]], bool)  # changed, the second class is lost
    >>> found = paired_shift(right, np.array([0, 0, 1, 1, 2, 2]), 3, q=1, rng=np.random.default_rng(0), draws=2, R=1)
    >>> found.contrast.points.tolist(), found.contrast.shift_rest.tolist()  # weak: 0 to 0; rest: 1 to 1/2
    ([-0.5], [0.5])
    """
    right = np.asarray(right)
    if right.ndim != 2 or len(right) < 2 or class_sizes(right, class_id, n_classes).min(initial=2) < 2:
        raise ValueError("expected clean answers and at least one condition, and two items or more of every class")
    if not 1 <= q < n_classes:
        raise ValueError(f"q is {q}; expected 1 to {n_classes - 1}, some classes weak and some not")
    halves = list(half_accuracies(right, class_id, n_classes, rng=rng, R=R))
    folds = [pair for a, b in halves for pair in ((a, b), (b, a))]
    conditions = len(right) - 1
    weights = class_weights(n_classes, draws=draws, rng=rng)
    by_class = np.ascontiguousarray(weights.T, dtype=np.float32)
    found = []
    for chosen_on in (lambda a: np.tile(a[:1], (conditions, 1)), lambda a: a[1:]):
        parts = [(chosen_on(a), np.tile(b[:1], (conditions, 1)), b[1:]) for a, b in folds]
        found.append(_mean_contrast(_group_means(*part, q) for part in parts))
        drawn = _mean_contrast(_drawn_means(*part, q, by_class) for part in parts)
        found.append(np.stack([x.mean(axis=0) for x in drawn[:3]], axis=1))
    pairs = np.zeros(conditions, int), np.arange(1, conditions + 1)
    drawn_r = bootstrap_corrected_r(right, class_id, n_classes, draws=draws, rng=rng, pairs=pairs)
    level = corrected_r(u_moments(right, class_id, n_classes))[0, 1:]
    return Paired(found[0], found[2], level, found[1], found[3], drawn_r.mean(axis=1))


def _checked(kc, nc, ks, ns, q=None):
    """The four counts as (models, classes) arrays, without the classes that some model has fewer than two items of."""
    counts = [np.atleast_2d(np.asarray(x)) for x in (kc, nc, ks, ns)]
    for what, k, n in (("clean", *counts[:2]), ("shift", *counts[2:])):
        if k.shape != counts[0].shape or n.shape not in (k.shape, (1, k.shape[1])):
            raise ValueError(
                f"{what} counts have shapes {k.shape}, {n.shape}; expected {counts[0].shape} or one row of n"
            )
        if not ((k >= 0) & (k <= n)).all():
            raise ValueError(f"{what} counts hold a class with k < 0 or k > n; expected 0 <= k <= n")
    if not len(counts[0]):
        raise ValueError(f"clean counts have shape {counts[0].shape}; expected one model or more")
    use = (np.minimum(counts[1], counts[3]) > 1).all(axis=0)
    classes = use.sum()
    if classes < 2:
        raise ValueError(f"{classes} classes have two items or more in both sets; expected at least 2")
    if q is not None and not 1 <= q < classes:
        raise ValueError(f"q is {q}; expected 1 to {classes - 1}, some classes weak and some not")
    return [np.broadcast_to(x, counts[0].shape)[:, use] for x in counts]


def _moments(kc, nc, ks, ns, weights=None):
    """Clean and shift variances, and their covariance: different items share no noise, so nothing is taken off it."""
    ones = np.ones(kc.shape[1]) if weights is None else weights
    clean, shift = u_moments_from_counts(kc, nc, ones), u_moments_from_counts(ks, ns, ones)
    return clean, shift, weighted_cov(kc / nc, ks / ns, ones)


def _positive(variance):
    return np.where(variance > 0, variance, np.nan)


def _folds(k, n, *, rng, R):
    """Yield 2R times the accuracies (choose on, read on): R random splits in halves, each used in both directions.

    Half of the items of a class, drawn at random, has a hypergeometric number of right answers: no items are needed.
    """
    for _ in range(R):
        k_a = rng.hypergeometric(k, n - k, n // 2)
        a, b = k_a / (n // 2), (k - k_a) / (n - n // 2)
        yield a, b
        yield b, a


def _group_means(chosen, clean, shift, q):
    """(4, models): clean and shift mean of the q weakest classes by `chosen`, clean and shift mean of the rest."""
    member = weak_membership(chosen, q)
    weak = np.stack([(member * clean).sum(axis=1), (member * shift).sum(axis=1)])
    total = np.stack([clean.sum(axis=1), shift.sum(axis=1)])
    return np.concatenate([weak / q, (total - weak) / (clean.shape[1] - q)])


def _drawn_means(chosen, clean, shift, q, weights):
    """`_group_means` (4, models, draws) in every draw of classes; weights (classes, draws)."""
    reads = np.stack([clean, shift]).astype(weights.dtype)  # numpy is slow to multiply two kinds of float
    weak = np.empty((2, len(chosen), weights.shape[1]))
    for m, row in enumerate(chosen):
        classes, member = drawn_membership(row, q, weights)
        weak[:, m] = reads[:, m, classes] @ (member * weights[classes])
    return np.concatenate([weak / q, (reads @ weights - weak) / (len(weights) - q)])


def _mean_contrast(folds):
    """Contrast of the group means averaged over folds: one logit of a mean, not a mean of logits of noisy means."""
    total, number = 0, 0
    for means in folds:
        total, number = total + means, number + 1
    return _contrast(total / number)


def _contrast(means):
    cw, sw, cr, sr = means
    with np.errstate(divide="ignore", invalid="ignore"):
        kept_weak, kept_rest = sw / np.where(cw > 0, cw, np.nan), sr / np.where(cr > 0, cr, np.nan)
        lg_cw, lg_sw, lg_cr, lg_sr = (np.log(p / (1 - p)) for p in means)
        logit = (lg_cw - lg_sw) - (lg_cr - lg_sr)
    return Contrast(
        points=(cw - sw) - (cr - sr),
        ratio=kept_rest - kept_weak,
        logit=np.where(np.isfinite(logit), logit, np.nan),
        clean_weak=cw,
        shift_weak=sw,
        clean_rest=cr,
        shift_rest=sr,
    )
