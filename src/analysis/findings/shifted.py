"""F3: what becomes of weak classes under shift. Counts of a clean and a shifted set in, tidy tables and claim rows out.

Positive loss = the weak classes lose more. Three scales, because they can disagree: points (errors an item), ratio
(share of accuracy kept), logit (a constant difficulty).
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import ndtr, ndtri

from .. import claims, models, tables
from ..measure import shift
from ..measure.accuracy import class_accuracy

SCALES = ("points", "ratio", "logit")
UNDEFINED = 0.05  # share of bootstrap draws; with more of them undefined the others are a selection
BRASS = 458  # ImageNet-Sketch: 0 right for every CLIP model and prompt; left out of claims


@dataclass(frozen=True)
class Shift:
    """A clean set, a shifted one, the networks that answered both, and classes left out, with the reason."""

    title: str
    clean: str
    shifted: str
    models: str
    without: tuple[int, ...] = ()
    in_claims: bool = True
    unit: str = "network"  # what a row of the counts is
    n_models: int | None = None  # how many models the rows are of; default: as many as there are ids


V2 = ("matched-frequency", "threshold-0.7", "top-images")
SHIFTS = (
    *[Shift(f"V2 {name}", "imagenet-val", f"imagenetv2-{name}", "nets45") for name in V2],
    Shift("Sketch", "imagenet-val", "imagenet-sketch", "clip", without=(BRASS,)),
    Shift("Sketch with brass", "imagenet-val", "imagenet-sketch", "clip", in_claims=False),
    Shift("CIFAR-10.1 v4", "cifar10", "cifar10.1-v4", "cifar30"),
    Shift("CIFAR-10.1 v6", "cifar10", "cifar10.1-v6", "cifar30"),
)


@dataclass(frozen=True)
class Shifted:
    """Everything notebook 03 shows of one shift: counts of both sets over their common classes, and estimates."""

    about: Shift
    models: tuple[str, ...]
    class_id: np.ndarray
    counts: dict
    q: int
    level: shift.Level
    line: shift.Line
    sd_ratio: np.ndarray
    contrast: shift.Contrast
    mirror: shift.Contrast
    naive: shift.Contrast
    draws: shift.ShiftDraws


def pair_counts(about: Shift, names=None) -> tuple[tuple[str, ...], np.ndarray, dict]:
    """Model ids, class ids and the four count matrices kc, nc, ks, ns (models, classes) of one shift."""
    names = models.named(about.models) if names is None else names
    clean, shifted = tables.counts(about.clean, models=names), tables.counts(about.shifted, models=names)
    class_id = np.setdiff1d(np.intersect1d(clean.class_id, shifted.class_id), about.without)
    c, s = np.searchsorted(clean.class_id, class_id), np.searchsorted(shifted.class_id, class_id)
    pair = {"kc": clean.correct[:, c], "nc": clean.n[:, c], "ks": shifted.correct[:, s], "ns": shifted.n[:, s]}
    return names, class_id, pair


def measure(about: Shift, *, rng, draws: int = 400, splits: int = 20) -> Shifted:
    """Level, loss on three scales, mirror and spread of one shift, with class-bootstrap draws (G)."""
    return estimate(about, *pair_counts(about), rng=rng, draws=draws, splits=splits)


def estimate(about: Shift, names, class_id, pair: dict, *, rng, draws: int = 400, splits: int = 20) -> Shifted:
    """`measure` for counts at hand: `pair` as `pair_counts` gives it.

    Classes with fewer than two items on either side have no halves and no noise estimate: they are left out here, so
    that q and every rule about the number of classes see those that are used.
    """
    use = (np.minimum(pair["nc"], pair["ns"]) > 1).all(axis=0)
    class_id, pair = class_id[use], {name: matrix[..., use] for name, matrix in pair.items()}
    q = claims.weak_set_size(len(class_id))
    return Shifted(
        about=about,
        models=names,
        class_id=class_id,
        counts=pair,
        q=q,
        level=shift.shift_level(**pair),
        line=shift.shift_slope(**pair),
        sd_ratio=shift.sd_ratio(**pair),
        contrast=shift.shift_contrast(**pair, q=q, rng=rng),
        mirror=shift.mirror_contrast(**pair, q=q, rng=rng),
        naive=shift.naive_contrast(**pair, q=q),
        draws=shift.bootstrap_shift(**pair, q=q, rng=rng, draws=draws, R=splits),
    )


def overview(found: list[Shifted]) -> pd.DataFrame:
    """One row a shift: overall accuracy on both sets, level, slope and spread; means over networks."""
    rows = []
    for one in found:
        overall = {end: _overall(one.counts, end).mean() for end in "cs"}
        rows.append(
            {
                "shift": one.about.title,
                "models": one.about.models,
                "networks": len(one.models),
                "classes": len(one.class_id),
                "clean": overall["c"],
                "shifted": overall["s"],
                "raw_r": one.level.raw.mean(),
                "ceiling": one.level.ceiling.mean(),
                "corrected_r": one.level.corrected.mean(),
                "slope": one.line.slope.mean(),
                "sd_ratio": one.sd_ratio.mean(),
            }
        )
    return pd.DataFrame(rows)


def level_table(found: list[Shifted]) -> pd.DataFrame:
    """Clean-shift correlation of class accuracies by shift, mean over networks, with interval (G)."""
    rows = []
    for one in found:
        low, high = interval(one.level.corrected, one.draws.corrected_r)
        row = {"shift": one.about.title, "models_set": one.about.models, "raw_r": one.level.raw.mean()}
        row |= {
            "ceiling": one.level.ceiling.mean(),
            "corrected_r": one.level.corrected.mean(),
            "low": low,
            "high": high,
        }
        rows.append(row | {"mei": claims.RULES["F3L"]["parts"][0]["mei"]})
    return pd.DataFrame(rows)


def loss_table(found: list[Shifted]) -> pd.DataFrame:
    """Weak minus rest by shift, scale and selection (clean, mirror, naive), mean over networks, with interval (G)."""
    rows = []
    for one in found:
        for place, scale in enumerate(SCALES):
            for selection in ("clean", "mirror", "naive"):
                value, low, high = _loss(one, place, selection)
                row = {"shift": one.about.title, "models_set": one.about.models, "scale": scale, "selection": selection}
                mei = claims.RULES["F3D"]["parts"][0]["mei"][scale]
                rows.append(row | {"value": value, "low": low, "high": high, "mei": mei})
    return pd.DataFrame(rows)


def class_means(found: list[Shifted]) -> pd.DataFrame:
    """Clean and shifted accuracy of every class, mean over networks, with the correlations of single networks."""
    parts = []
    for one in found:
        clean, shifted = (class_accuracy(k=one.counts[f"k{end}"], n=one.counts[f"n{end}"]).mean(0) for end in "cs")
        frame = pd.DataFrame({"class_id": one.class_id, "clean": clean, "shifted": shifted})
        frame.insert(0, "shift", one.about.title)
        level = {"raw_r": one.level.raw.mean(), "ceiling": one.level.ceiling.mean()}
        parts.append(frame.assign(models=len(one.models), **level, corrected_r=one.level.corrected.mean()))
    return pd.concat(parts, ignore_index=True)


def group_table(found: list[Shifted], *, rng, splits: int = 20) -> pd.DataFrame:
    """Mean clean and shifted accuracy of the weakest, the strongest and the other classes, by side of selection.

    Selected on a half of the items of one set and read on the rest. The interval of `shifted` is the central 95 % of
    the networks, not a confidence interval.
    """
    rows = []
    for one in found:
        for selection, select in (("clean", shift.shift_contrast), ("mirror", shift.mirror_contrast)):
            weak = select(**one.counts, q=one.q, rng=rng, R=splits)
            strong = select(**_errors(one.counts), q=one.q, rng=rng, R=splits)
            groups = {
                f"weakest {one.q}": (weak.clean_weak, weak.shift_weak),
                "rest": (weak.clean_rest, weak.shift_rest),
                f"strongest {one.q}": (1 - strong.clean_weak, 1 - strong.shift_weak),
            }
            for group, (clean, shifted) in groups.items():
                low, high = np.quantile(shifted, [0.025, 0.975])
                row = {"shift": one.about.title, "group": group, "selection": selection, "clean": clean.mean()}
                rows.append(row | {"shifted": shifted.mean(), "low": low, "high": high})
    return pd.DataFrame(rows)


def models_line(one: Shifted, *, rng, splits: int = 20) -> pd.DataFrame:
    """Is a weak class like a weak model? Clean and shifted accuracy of models, and of their weak and strong classes.

    `line` is the straight line through all models of the same collection on probit axes (Taori et al. 2020), at each
    row's clean accuracy. Kind `other model` are those that only the line uses: they reach further down.
    """
    weak = shift.shift_contrast(**one.counts, q=one.q, rng=rng, R=splits)
    strong = shift.shift_contrast(**_errors(one.counts), q=one.q, rng=rng, R=splits)
    clean, shifted = _overall(one.counts, "c"), _overall(one.counts, "s")
    known = models.table()
    collection = known["source"].isin({name.split("/")[0] for name in one.models})
    others = tuple(known.index[known["in_claims"] & collection & ~known.index.isin(one.models)])
    _, _, rest = pair_counts(one.about, others)
    rest_clean, rest_shifted = _overall(rest, "c"), _overall(rest, "s")
    line = np.polyfit(ndtri(np.append(clean, rest_clean)), ndtri(np.append(shifted, rest_shifted)), 1)
    parts = {
        "model": (one.models, clean, shifted),
        "other model": (others, rest_clean, rest_shifted),
        "weak classes": (one.models, weak.clean_weak, weak.shift_weak),
        "strong classes": (one.models, 1 - strong.clean_weak, 1 - strong.shift_weak),
    }
    frames = []
    for kind, (names, x, y) in parts.items():
        frame = pd.DataFrame({"model": names, "clean": x, "shifted": y})
        frame.insert(0, "shift", one.about.title)
        frame["label"], frame["family"] = models.labels(names), models.families(names)
        frames.append(frame.assign(kind=kind, line=ndtr(np.polyval(line, ndtri(x)))))
    return pd.concat(frames, ignore_index=True)


def claim_rows(found: list[Shifted]) -> list[dict]:
    """F3L and F3D (three scales) for every shift that is in the claims."""
    rows = []
    for one in found:
        if not one.about.in_claims:
            continue
        total = len(one.class_id)
        about = {"dataset": one.about.shifted, "labels": "original", "models": one.about.models}
        about |= {"n_classes": total, "n_models": one.about.n_models or len(set(one.models))}
        level = one.level
        low, high = interval(level.corrected, one.draws.corrected_r)
        verdict, reason = judged("F3L", (low, high), one.draws.corrected_r, n_classes=total)
        defined, asked = level.corrected[~np.isnan(level.corrected)], len(level.corrected)
        text = [
            reason,
            f"undefined for {asked - len(defined)} of {asked} {one.about.unit}s: no true variance of their"
            " class accuracies is seen on one side"
            if len(defined) < asked
            else "",
            "" if np.isnan(level.ceiling).any() else f"ceiling of the raw correlation {level.ceiling.mean():.2f}",
            f"lowest {one.about.unit} {defined.min():.2f}" if len(defined) else "",
            lost(one.draws.corrected_r),
        ]
        values = {"effect": level.corrected.mean(), "ci_low": low, "ci_high": high, "null": 0.0}
        text = "; ".join(filter(None, text))
        rows.append(claims.row("F3L", **about, **values, naive=level.raw.mean(), verdict=verdict, reason=text))
        rows += [_loss_row(one, about, place, scale) for place, scale in enumerate(SCALES)]
    return rows


def _loss_row(one: Shifted, about: dict, place: int, scale: str) -> dict:
    value, low, high = _loss(one, place, "clean")
    mirror, mirror_low, mirror_high = _loss(one, place, "mirror")
    naive = getattr(one.naive, scale)
    draws = one.draws.contrast[:, place]
    verdict, reason = judged("F3D", (low, high), draws, n_classes=about["n_classes"], scale=scale)
    if verdict == "reproduced" and np.sign(mirror) != np.sign(value):
        verdict, reason = "cannot tell", "the mirror selection has the other sign"
    undefined = int(np.isnan(naive).sum())
    parts = [
        reason,
        f"mirror (weak on shifted data) {mirror:+.3f} [{mirror_low:+.3f}, {mirror_high:+.3f}]",
        f"median {one.about.unit} {np.median(getattr(one.contrast, scale)):+.3f}",
        f"naive undefined: {undefined} of {len(naive)} {one.about.unit}s have clean accuracy 0 there"
        if undefined
        else "",
        lost(one.draws.contrast[:, place]),
    ]
    values = {"effect": value, "ci_low": low, "ci_high": high, "null": 0.0, "naive": naive.mean()}
    return claims.row("F3D", scale=scale, **about, **values, verdict=verdict, reason="; ".join(filter(None, parts)))


def judged(claim: str, ends: tuple, draws: np.ndarray, **about) -> tuple[str, str]:
    """`claims.judge`, unless more of the draws than `UNDEFINED` are not defined: the others are a selection."""
    verdict, reason = claims.judge(claim, [ends], **about)
    if np.isnan(draws).mean() > UNDEFINED:
        return "cannot tell", reason or "too many bootstrap draws are undefined"
    return verdict, reason


def interval(values: np.ndarray, draws: np.ndarray) -> tuple[float, float]:
    """The central 95 % of the draws of a mean (G); NaN where an interval would describe a selection.

    That is where one of `values`, (networks,) or (conditions,), is undefined, so that their mean is, or the mean of
    more than a twentieth of the `draws` (draws,).

    >>> interval(np.array([0.9]), np.arange(41)), interval(np.array([np.nan]), np.ones(9))
    ((1.0, 39.0), (nan, nan))
    """
    if np.isnan(values).any() or np.isnan(draws).mean() > UNDEFINED:
        return np.nan, np.nan
    low, high = np.nanquantile(draws, [0.025, 0.975])
    return float(low), float(high)


def _loss(one: Shifted, place: int, selection: str) -> tuple[float, float, float]:
    value = getattr({"clean": one.contrast, "mirror": one.mirror, "naive": one.naive}[selection], SCALES[place]).mean()
    if selection == "naive":
        return value, np.nan, np.nan
    draws = (one.draws.contrast if selection == "clean" else one.draws.mirror)[:, place]
    low, high = np.nanquantile(draws, [0.025, 0.975])
    return value, low, high


def lost(draws: np.ndarray) -> str:
    """How many draws are undefined, in words; empty where none is."""
    gone = int(np.isnan(draws).sum())
    return f"{gone} of {len(draws)} bootstrap draws undefined and left out" if gone else ""


def _overall(counts: dict, end: str) -> np.ndarray:
    return counts[f"k{end}"].sum(axis=1) / counts[f"n{end}"].sum(axis=1)


def _errors(counts: dict) -> dict:
    """The counts with right and wrong exchanged: the weakest classes of these are the strongest of those."""
    return counts | {f"k{end}": counts[f"n{end}"] - counts[f"k{end}"] for end in "cs"}
