"""Worst, central and best classes as the paper's scripts take them, and what its unstable order of ties leaves open.

`place` is worst, center or best: the first, central or last n positions of the classes sorted by a value. As coded,
ties go by class id here; the scripts leave them to numpy's default sort, whose order differs between versions.
"""

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp

from .errors import IntegrityError
from .measure import overlap

PLACES = ("worst", "center", "best")


def equals(value: float, text: str) -> bool:
    """Whether a number is what was printed, to the last printed digit.

    >>> equals(0.3649, "0.36"), equals(0.3651, "0.36"), equals(6.449e-05, "6.45e-05")
    (True, False, True)
    """
    digits, _, exponent = text.partition("e")
    unit = 10.0 ** (int(exponent or 0) - len(digits.partition(".")[2]))
    return bool(abs(value - float(text)) <= unit * (0.5 + 1e-6))


def choice(values: np.ndarray, n: int, place: str) -> tuple[np.ndarray, list[tuple[np.ndarray, int]]]:
    """The n worst, central or best classes before ties are broken: who is in for certain, and (tied, how many) left.

    >>> sure, open_ = choice(np.array([0.2, 0.4, 0.4, 0.6]), 2, "worst")
    >>> sure.tolist(), [(tied.tolist(), many) for tied, many in open_]
    ([True, False, False, False], [([False, True, True, False], 1)])
    """
    inside = np.zeros(len(values), bool)
    inside[np.flatnonzero(np.isin(np.argsort(values, kind="stable"), as_coded(values, n, place)))] = True
    ranked, sure, tied = np.sort(values), np.zeros(len(values), bool), []
    for value in np.unique(ranked[inside]):
        who, many = values == value, int(inside[ranked == value].sum())
        if many == who.sum():
            sure |= who
        else:
            tied.append((who, many))
    return sure, tied


def reachable(first: np.ndarray, second: np.ndarray, n: int, place: str) -> tuple[int, int]:
    """Smallest and largest overlap of two sets of `choice` over all ways to break ties.

    >>> reachable(np.array([0.2, 0.4, 0.4, 0.6]), np.array([0.2, 0.4, 0.6, 0.4]), 2, "worst")
    (1, 2)
    """
    # In or out for each class of each set, and z = 1 where both are in, as a small integer program.
    size, eye = len(first), np.eye(len(first))
    low, high, limits = [np.zeros(size)] * 2, [np.ones(size)] * 2, []
    for side, values in enumerate((first, second)):
        sure, tied = choice(values, n, place)
        low[side] = sure.astype(float)
        high[side] = (sure | np.any([who for who, _ in tied], axis=0)).astype(float) if tied else low[side]
        for who, many in tied:
            line = np.zeros((1, 3 * size))
            line[0, side * size : (side + 1) * size] = who
            limits.append(LinearConstraint(line, many, many))
    for parts in ((-eye, 0 * eye, eye), (0 * eye, -eye, eye), (eye, eye, -eye)):
        limits.append(LinearConstraint(np.hstack(parts), -np.inf, 1 if (parts[2] < 0).any() else 0))
    ends = Bounds(np.concatenate([*low, np.zeros(size)]), np.concatenate([*high, np.ones(size)]))
    both = np.repeat([0.0, 0.0, 1.0], size)
    found = [sign * milp(sign * both, integrality=1, bounds=ends, constraints=limits).fun for sign in (1, -1)]
    return round(found[0]), round(found[1])


def shared_overlap(first: np.ndarray, second: np.ndarray, n: int, place: str) -> float:
    """Mean overlap when ties are broken at random: no order of the classes enters."""
    parts = [choice(values, n, place) for values in (first, second)]
    a, b = (sure + sum((many / who.sum() * who for who, many in tied), np.zeros(len(sure))) for sure, tied in parts)
    return float(a @ b)


def behind(p: str, n: int, classes: int) -> int:
    """The overlap of two sets of n classes that a printed p-value of Fisher's test stands for.

    >>> behind("5.08e-18", 50, 1000)
    22
    """
    found = [k for k in range(n + 1) if equals(overlap.fisher_as_coded(overlap=k, n=n, classes=classes), p)]
    if len(found) != 1:
        what = f"p = {p} stands for {len(found)} overlaps of {n} of {classes} classes"
        raise IntegrityError("paper", what, "restore data/paper from git")
    return found[0]


def as_coded(values: np.ndarray, n: int, place: str) -> np.ndarray:
    """The n worst, central or best classes as the scripts take them, ties by class id."""
    return overlap.worst_set_as_coded(values, n, place)


def fisher(first, second, n: int, place: str = "worst") -> tuple[float, int]:
    """Fisher's p and overlap as coded; ties go by class id, where the scripts leave them to numpy's sort."""
    common = len(np.intersect1d(as_coded(first, n, place), as_coded(second, n, place)))
    return overlap.fisher_as_coded(overlap=common, n=n, classes=len(first)), common


def ties(first, second, n, place="worst") -> str:
    """What ties leave open (D8), in words; empty where they decide nothing."""
    low, high = reachable(first, second, n, place)
    if low == high:
        return ""
    p = [overlap.fisher_as_coded(overlap=k, n=n, classes=len(first)) for k in range(low, high + 1)]
    return f"; ties (D8): overlap {low} to {high}, p {min(p):.2g} to {max(p):.2g}"
