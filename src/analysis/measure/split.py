"""What the measures of several models share: counts by class, split halves, class weights.

Vocabulary: `right` is a (models, items) bool array, `class_id` the (items,) class of each item. Resampling is always of
classes, or a split into halves: rows resampled first and split later would put copies of one item into both halves.
"""

from collections.abc import Iterator

import numpy as np
from scipy.sparse import csr_array


def class_sizes(right, class_id, n_classes: int) -> np.ndarray:
    """Items of each class, (n_classes,), after checking that the three arguments fit together.

    Raises ValueError: `right` is not bool or not (models, items), or a class lies outside 0 to n_classes - 1.

    >>> class_sizes(np.array([[True, False, True]]), np.array([0, 0, 2]), 3).tolist()
    [2, 0, 1]
    """
    if right.dtype != bool or right.ndim != 2 or right.shape[1:] != class_id.shape:
        raise ValueError(
            f"right is {right.dtype} {right.shape} and class_id {class_id.shape}; expected bool (models, items), (items,)"
        )
    if class_id.size and not 0 <= class_id.min() <= class_id.max() < n_classes:
        raise ValueError(f"class_id runs from {class_id.min()} to {class_id.max()}; expected 0 to {n_classes - 1}")
    return np.bincount(class_id, minlength=n_classes)


def class_counts(right, class_id, n_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Right answers k (models, classes) and items n (classes,), both integer.

    >>> k, n = class_counts(np.array([[True, False, True], [True, True, False]]), np.array([0, 0, 2]), 3)
    >>> k.tolist(), n.tolist()
    ([[1, 0, 1], [2, 0, 0]], [2, 0, 1])
    """
    n = class_sizes(right, class_id, n_classes)
    return _sums(right.T.astype(np.float32), class_id, np.arange(class_id.size), n_classes), n


def half_accuracies(right, class_id, n_classes: int, *, rng, R: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield R times the class accuracies (models, classes) on two disjoint random halves of the items of every class.

    One split serves all models, so what is chosen on one half shares no item with what is read on the other, for any
    pair of models. Half A has n // 2 items of a class; a class with fewer than two items is NaN in both.

    >>> right, class_id = np.array([[True, True, False, False, True]]), np.array([0, 0, 1, 1, 2])
    >>> next(half_accuracies(right, class_id, 3, rng=np.random.default_rng(0), R=1))
    (array([[ 1.,  0., nan]]), array([[ 1.,  0., nan]]))
    """
    n = class_sizes(right, class_id, n_classes)
    answers = right.T.astype(np.float32)
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

    >>> class_weights(4, draws=2, rng=np.random.default_rng(0)).sum(axis=1).tolist()
    [4, 4]
    """
    return rng.multinomial(n_classes, np.full(n_classes, 1 / n_classes), size=draws)


def _sums(answers, class_id, items, n_classes):
    """Right answers (models, classes) among `items`; float32 is exact for counts below 2^24."""
    member = csr_array(
        (np.ones(items.size, np.float32), (class_id[items], items)), shape=(n_classes, class_id.size)
    )
    return (member @ answers).T.astype(np.int64)
