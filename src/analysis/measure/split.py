"""What the measures of several models share: counts by class, split halves, class weights.

Vocabulary: `right` is a (models, items) bool array, or the share, a float from 0 to 1, of several runs of a model that
are right; `class_id` is the (items,) class of each item. Resampling is always of classes, or a split into halves: rows
resampled first and split later would put copies of one item into both halves.
"""

from collections.abc import Iterator

import numpy as np
from scipy.sparse import csr_array


def class_sizes(right, class_id, n_classes: int) -> np.ndarray:
    """Items of each class, (n_classes,), after checking that the three arguments fit together.

    Raises ValueError: `right` is not (models, items), or not bool or from 0 to 1, or a class not an integer in 0 to
    n_classes - 1.

    >>> class_sizes(np.array([[True, False, True]]), np.array([0, 0, 2]), 3).tolist()
    [2, 0, 1]
    """
    share = right.dtype.kind == "f"
    if not (share or right.dtype == bool) or right.ndim != 2 or right.shape[1:] != class_id.shape:
        raise ValueError(
            f"right is {right.dtype} {right.shape}, class_id {class_id.shape}; "
            "expected bool (or float, the share of runs) of shape (models, items), and (items,)"
        )
    if share and not ((right >= 0) & (right <= 1)).all():
        raise ValueError("right holds a share of runs below 0, above 1 or NaN; expected 0 to 1")
    if class_id.dtype.kind not in "iu":
        raise ValueError(f"class_id is {class_id.dtype}; expected integers, 0 to {n_classes - 1}")
    if class_id.size and not 0 <= class_id.min() <= class_id.max() < n_classes:
        raise ValueError(f"class_id runs from {class_id.min()} to {class_id.max()}; expected 0 to {n_classes - 1}")
    return np.bincount(class_id, minlength=n_classes)


def class_counts(right, class_id, n_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Right answers k (models, classes), integer unless `right` holds shares, and items n (classes,).

    Where the answers themselves are known, `accuracy.class_counts` also counts how often each class was the answer.

    >>> k, n = class_counts(np.array([[True, False, True], [True, True, False]]), np.array([0, 0, 2]), 3)
    >>> k.tolist(), n.tolist()
    ([[1, 0, 1], [2, 0, 0]], [2, 0, 1])
    """
    n = class_sizes(right, class_id, n_classes)
    return _sums(answers_of(right).T, class_id, np.arange(class_id.size), n_classes), n


def half_accuracies(right, class_id, n_classes: int, *, rng, R: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield R times the class accuracies (models, classes) on two disjoint random halves of the items of every class.

    One split serves all models, so what is chosen on one half shares no item with what is read on the other, for any
    pair of models. Half A has n // 2 items of a class; a class with fewer than two items is NaN in both.

    >>> right, class_id = np.array([[True, True, False, False, True]]), np.array([0, 0, 1, 1, 2])
    >>> next(half_accuracies(right, class_id, 3, rng=np.random.default_rng(0), R=1))
    (array([[ 1.,  0., nan]]), array([[ 1.,  0., nan]]))
    """
    n = class_sizes(right, class_id, n_classes)
    answers = np.ascontiguousarray(answers_of(right).T)
    k = _sums(answers, class_id, np.arange(class_id.size), n_classes)
    size_a = n // 2
    first = np.cumsum(n) - n
    n_a, n_b = (np.where(n > 1, size, np.nan) for size in (size_a, n - size_a))
    for _ in range(R):
        order = np.argsort(class_id + rng.random(class_id.size))  # by class, at random within it
        owner = class_id[order]
        k_a = _sums(answers, class_id, order[np.arange(order.size) - first[owner] < size_a[owner]], n_classes)
        yield k_a / n_a, (k - k_a) / n_b


def class_weights(n_classes: int, *, draws: int, rng) -> np.ndarray:
    """How often each class is drawn, (draws, n_classes): rows of a class bootstrap, each with sum n_classes.

    Raises ValueError without a class to draw.

    >>> class_weights(4, draws=2, rng=np.random.default_rng(0)).sum(axis=1).tolist()
    [4, 4]
    """
    if n_classes < 1:
        raise ValueError(f"{n_classes} classes to draw from; expected at least 1")
    return rng.multinomial(n_classes, np.full(n_classes, 1 / n_classes), size=draws)


def answers_of(right) -> np.ndarray:
    """`right` as numbers to sum: float32 for bool, exact for counts below 2^24 and fast; float64 for shares.

    >>> answers_of(np.array([[True]])).dtype, answers_of(np.array([[0.1]])).dtype
    (dtype('float32'), dtype('float64'))
    """
    return right.astype(np.float32 if right.dtype == bool else float)


def _sums(answers, class_id, items, n_classes):
    """Right answers (models, classes) among `items`; answers (items, models)."""
    ones = np.ones(items.size, answers.dtype)
    member = csr_array((ones, (class_id[items], items)), shape=(n_classes, class_id.size))
    k = (member @ answers).T
    return k.astype(np.int64) if k.dtype == np.float32 else k
