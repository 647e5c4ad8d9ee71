"""Which classes of a model may be called weak: lists of classes with accuracy below t, with their errors held down.

A class is named because its accuracy is below t beyond doubt, not because it came out below: of the classes that do,
most cannot be told from classes on the threshold. The tests are adjusted over all classes, never over a shortlist.
Classes without items are never named, and are not adjusted for.
"""

from typing import NamedTuple

import numpy as np
from scipy.stats import false_discovery_control

from .accuracy import checked_counts, weak_pvalues
from .extremes import G, eb_list


class WeakList(NamedTuple):
    """Classes with accuracy below t, (classes,) bool each, from most to least careful; `below` came out below t."""

    by: np.ndarray
    bh: np.ndarray
    eb: np.ndarray
    below: np.ndarray


def bh_list(k, n, t: float, q: float = 0.05) -> np.ndarray:
    """Name the classes with accuracy below t, an expected share of at most q of them wrongly (Benjamini-Hochberg).

    Parameters
    ----------
    k : (..., classes) integer counts of right answers; every model is adjusted for its own classes
    n : (classes,) or int, items
    t, q : floats in (0, 1)

    Returns
    -------
    (..., classes) bool

    Raises
    ------
    ValueError : not integers, not 0 <= k <= n, or t or q outside (0, 1)

    Notes
    -----
    Benjamini & Hochberg, JRSSB 57 (1995), of `accuracy.weak_pvalues`. Exact for one model, as its classes have
    disjoint items. Over models the share is not controlled as a whole: see `by_list`.

    Examples
    --------
    p-values 1.2e-5, .016, .44, 1: adjusted 4.7e-5, .033, .59, 1.

    >>> bh_list([10, 17, 24, 45], 50, 0.5).tolist()
    [True, True, False, False]
    """
    return _named(k, n, t, q, "bh")


def by_list(k, n, t: float, q: float = 0.05, *, joint: bool = False) -> np.ndarray:
    """`bh_list` with a guarantee under any dependence (Benjamini & Yekutieli, Annals of Statistics 29, 2001).

    joint : adjust over all models and classes together, whose tests depend on each other through the items; the share
        q then holds for the named pairs of model and class as a whole

    >>> by_list([10, 17, 24, 45], 50, 0.5).tolist()  # the sum 1 + 1/2 + 1/3 + 1/4 makes .033 into .068
    [True, False, False, False]
    """
    return _named(k, n, t, q, "by", joint=joint)


def weak_list(k, n, t: float, q: float = 0.05, g: G | None = None) -> WeakList:
    """The three lists of one model, `k` and `n` (classes,): BY, BH, and `extremes.eb_list` under the prior `g`.

    BH and BY hold whatever the classes are, and name few, as counts are discrete; the empirical Bayes list names more
    and leans on the prior, by default a g-model fitted to these counts.

    >>> found = weak_list([1] * 20 + [45] * 80, 50, 0.5)
    >>> [int(named.sum()) for named in found]
    [20, 20, 20, 20]
    """
    by, bh, eb = by_list(k, n, t, q), bh_list(k, n, t, q), eb_list(k, n, t, q, g)
    k, n = checked_counts(k, n)
    return WeakList(by, bh, eb, np.divide(k, n, out=np.ones(n.shape), where=n > 0) < t)


def _named(k, n, t, q, method, *, joint=False):
    if not 0 < q < 1:
        raise ValueError(f"q is {q}; expected a share between 0 and 1, both excluded")
    k, n = checked_counts(np.atleast_1d(k), n)
    p, present = weak_pvalues(k, n, t), n > 0
    adjusted = np.ones(p.shape)
    for part in [...] if joint else np.ndindex(p.shape[:-1]):
        if present[part].any():
            adjusted[part][present[part]] = false_discovery_control(p[part][present[part]], method=method)
    return adjusted <= q
