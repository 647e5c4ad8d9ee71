"""Rank correlation of class accuracies with a property of the classes, also in bootstrap draws of classes."""

import numpy as np


def drawn_ranks(values, weights) -> np.ndarray:
    """Mean rank (draws, classes) of each class when class c stands there `weights[d, c]` times.

    Copies of a class are ties, as classes of equal value are. The rank of a class that is not drawn means nothing.

    >>> drawn_ranks([0.1, 0.5, 0.5], [[1, 1, 1], [2, 1, 0]]).tolist()
    [[1.0, 2.5, 2.5], [1.5, 3.0, 3.0]]
    """
    values, weights = np.asarray(values, float), np.asarray(weights)
    order = np.argsort(values, kind="stable")
    start = np.flatnonzero(np.diff(values[order], prepend=-np.inf))  # first class of each tie
    size = np.add.reduceat(weights[:, order], start, axis=1)
    middle = np.cumsum(size, axis=1) - (size - 1) / 2
    ranks = np.empty(weights.shape)
    ranks[:, order] = np.repeat(middle, np.diff(start, append=values.size), axis=1)
    return ranks


def rank_r(values, other, weights=None) -> np.ndarray:
    """Spearman's rank correlation over classes of each row of `values` with `other`.

    Parameters
    ----------
    values : (models, classes), finite, no NaN
    other : (classes,) for all models, or (models, classes), a row each; finite, no NaN
    weights : (draws, classes) int, how often a bootstrap draw holds each class (`split.class_weights`); None: each once

    Returns
    -------
    (draws, models), without weights (models,): Pearson's r of the mean ranks (Spearman 1904), which in a draw is that
    of the drawn classes with their copies. NaN where all drawn values are tied.

    Raises
    ------
    ValueError : a value is NaN or infinite.

    >>> rank_r([[0.1, 0.2, 0.4], [0.9, 0.5, 0.5]], [1, 10, 100]).round(3).tolist()
    [1.0, -0.866]
    """
    values = np.atleast_2d(np.asarray(values, float))
    other = np.broadcast_to(np.asarray(other, float), values.shape)
    if not (np.isfinite(values).all() and np.isfinite(other).all()):
        raise ValueError("values to rank hold NaN or an infinite number; leave these classes out")
    drawn = np.ones((1, values.shape[1]), int) if weights is None else np.asarray(weights)
    result = np.empty((len(drawn), len(values)))
    known: dict[bytes, np.ndarray] = {}  # rows of `other` repeat: one pre-training set, several models
    for model, row in enumerate(values):
        key = other[model].tobytes()
        if key not in known:
            known[key] = _centred(other[model], drawn)
        result[:, model] = _r(_centred(row, drawn), known[key], drawn)
    return result[0] if weights is None else result


def _centred(values, weights) -> np.ndarray:
    # The mean of all mean ranks is (total + 1) / 2, whatever the ties.
    return drawn_ranks(values, weights) - (weights.sum(axis=1, keepdims=True) + 1) / 2


def _r(a, b, weights) -> np.ndarray:
    product, one, two = (np.einsum("dc,dc,dc->d", weights, x, y) for x, y in ((a, b), (a, a), (b, b)))
    spread = np.sqrt(one * two)
    return np.divide(product, spread, out=np.full(len(weights), np.nan), where=spread > 0)
