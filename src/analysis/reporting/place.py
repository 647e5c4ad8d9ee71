"""Where a model stands among the shipped networks, whether it shares their weak classes, what a shift does to it."""

import re
from functools import lru_cache

import numpy as np
import pandas as pd

from .. import models, tables
from ..claims import weak_set_size
from ..errors import InputError
from ..measure import agreement, extremes, overlap, shift, split
from .reading import Answers

PLACE_SPLITS, HALF_SPLITS, CLASS_DRAWS, SHIFT_DRAWS = 20, 40, 400, 200
SCALES = {
    "points": "",
    "ratio": "_ratio",
    "logit": "_logit",
}  # as in `shift.Contrast` -> what a name of a number ends in


@lru_cache(maxsize=4)
def _shipped(dataset: str, labels: str) -> tables.Correct | None:
    try:
        return tables.correct(dataset, labels=labels)
    except InputError:
        return None


def _compared(names) -> list[str]:
    """The models that stand for networks: no second copies, no people."""
    known = models.table()
    return [name for name in names if name in known.index and bool(known.loc[name, "in_claims"])]


def _joined(answers: Answers):
    """Shipped models, their right answers (models, items) on the items of `answers`, and which models are this one.

    None where there are none. A model that is right on exactly the same items is a copy, and no other to compare with.
    """
    shipped = _shipped(answers.dataset, answers.labels) if answers.known else None
    names = [] if shipped is None else _compared(shipped.models)
    place = None if shipped is None else pd.Index(shipped.item_id, dtype=object).get_indexer(answers.item_id)
    if not names or (place < 0).any():
        return None
    right = shipped.of(names).right[:, place]
    copy = (right == answers.right).all(axis=1)
    others = [name for name, one in zip(names, copy, strict=True) if not one]
    return (others, right[~copy], [name for name in names if name not in others]) if others else None


def place(answers: Answers, *, seed: int = 0) -> tuple[pd.DataFrame, dict, str]:
    """Accuracy and mean of the q weakest classes of every shipped model on the same items, and this model's rank.

    Returns
    -------
    DataFrame : model (yours: ""), label, family, overall, difference (yours minus theirs) with its 95 % interval,
        worst_q (cross-fitted) with its se, worst_difference with its interval
    dict : models, rank and better, apart, worse (beyond noise, not told apart) by "overall" and by "worst_q"
    str : why there is nothing, else ""
    """
    present = answers.n > 0
    n, k, q = answers.n[present], answers.k[present], weak_set_size(int(present.sum()))
    if (found := _joined(answers)) is not None:
        names, right, twins = found
        index = np.cumsum(present)[answers.label] - 1
        theirs = split.class_counts(right, index, len(n))[0]
        # The same items: the error of a difference comes from those on which two models differ.
        here, there = (answers.right & ~right).sum(axis=1), (~answers.right & right).sum(axis=1)
        spread = np.sqrt(np.maximum(here + there - (here - there) ** 2 / len(index), 0)) / len(index)
    else:
        names, theirs, why = _counted(answers, n, present)
        if why:
            return pd.DataFrame(), {}, why
        spread, twins = np.full(len(names), np.nan), []
    overall = np.concatenate([[k.sum()], theirs.sum(axis=1)]) / n.sum()
    table = pd.DataFrame({"model": ["", *names], "overall": overall})
    table["label"] = ["this model", *models.labels(names)]
    table["family"] = ["", *models.families(names)]
    table["difference"] = overall[0] - overall
    table["difference_se"] = np.concatenate([[0.0], spread])
    table["worst_q"] = table["worst_q_se"] = np.nan
    rank = {"models": len(names), "twins": twins, "overall": _rank(table, "difference", "difference_se")}
    if len(n) > q and (n >= 4).sum() >= q:
        rng = np.random.default_rng(seed)
        fit = extremes.worst_q_crossfit(np.vstack([k, theirs]), n, q, rng, R=PLACE_SPLITS)
        table["worst_q"], table["worst_q_se"] = fit.mean, fit.se
        table["worst_difference"] = fit.mean[0] - fit.mean
        # Shared items make the two errors go together, so that adding their squares is on the safe side.
        table["worst_difference_se"] = np.sqrt(fit.se[0] ** 2 + fit.se**2)
        rank["worst_q"] = _rank(table, "worst_difference", "worst_difference_se")
    return table, rank, ""


def _counted(answers: Answers, n, present):
    """Counts of the shipped models where answers to single items are not shipped."""
    if not answers.known:
        return [], None, "the data set is none of those that the repository ships"
    try:
        counts = tables.counts(answers.dataset, labels=answers.labels)
    except InputError:
        return [], None, f"no results on {answers.dataset} are shipped"
    ids = answers.classes["class_id"].to_numpy()[present]
    if not np.array_equal(counts.class_id[(counts.n > 0).any(axis=0)], np.sort(ids)):
        return [], None, "the shipped networks answered other classes"
    column = np.searchsorted(counts.class_id, ids)
    same = (counts.n[:, column] == n).all(axis=1)
    alike = [name for name, one in zip(counts.models, same, strict=True) if one]
    if not alike:
        return [], None, "no shipped network answered as many items of every class"
    if not (names := _compared(alike)):
        outside = f"only models outside the claims answered {answers.dataset}"
        return [], None, f"{outside} (why: column flag of data/models.csv)"
    rows = [counts.models.index(name) for name in names]
    return names, counts.correct[rows][:, column], ""


def _rank(table: pd.DataFrame, difference: str, se: str) -> dict[str, float]:
    others = table.iloc[1:]
    above = int((others[difference] < 0).sum())
    found = {"rank": above + 1}
    if others[se].notna().all():
        beyond = others[difference].abs() > 1.96 * others[se]
        found["better"] = int((beyond & (others[difference] < 0)).sum())
        found["worse"] = int((beyond & (others[difference] > 0)).sum())
        found["apart"] = len(others) - found["better"] - found["worse"]
    return found


def sharing(answers: Answers, *, seed: int = 0) -> tuple[pd.DataFrame, dict, str]:
    """Does this model find the same classes hard as the shipped ones? One network a family, and the range over all.

    Returns
    -------
    DataFrame : model, label, family, r (corrected for noise and shared items) with its class-bootstrap interval, raw
        r, overlap of the q weakest classes on disjoint items, ceiling, ratio
    dict : over all models: models, r_median, r_low, r_high (range); q, chance, reliability, ceiling of this model
    str : why there is nothing, else ""
    """
    if not answers.known:
        return pd.DataFrame(), {}, "the data set is none of those that the repository ships"
    found = _joined(answers)
    if found is None:
        return (
            pd.DataFrame(),
            {},
            f"{answers.dataset} has no answers to single items of a network that the claims compare",
        )
    names, right, _ = found
    use = answers.n > 1
    kept = use[answers.label]
    index, total = (np.cumsum(use) - 1)[answers.label[kept]], int(use.sum())
    q = weak_set_size(total)
    if total <= q:
        return pd.DataFrame(), {}, f"not defined because only {total} classes have two items or more"
    everyone = np.vstack([answers.right[None], right])[:, kept]
    # Pair by pair: all pairs at once would spend nearly all of its time on those without this model.
    pairs = [_spread_only(agreement.u_moments(everyone[[0, i]], index, total)) for i in range(1, len(everyone))]
    r, raw = (np.array([of(one)[0, 1] for one in pairs]) for of in (agreement.corrected_r, agreement.raw_r))
    if not np.isfinite(r).any():
        return (
            pd.DataFrame(),
            {},
            "not defined because the classes do not differ beyond noise: there is nothing to share",
        )
    chosen = models.one_per_family(names)
    rows = [0, *[1 + names.index(name) for name in chosen]]
    rng = np.random.default_rng(seed)
    with_each = np.zeros(len(chosen), int), np.arange(1, len(rows))
    drawn = agreement.bootstrap_corrected_r(everyone[rows], index, total, draws=CLASS_DRAWS, rng=rng, pairs=with_each)
    halves = overlap.half_overlap(everyone[rows], index, total, q=q, rng=rng, R=HALF_SPLITS)
    at = [row - 1 for row in rows[1:]]
    table = pd.DataFrame({"model": chosen, "label": models.labels(chosen), "family": models.families(chosen)})
    table["r"], table["raw"] = r[at], raw[at]
    whole = np.isfinite(drawn).all(axis=0)
    table["r_low"], table["r_high"] = np.where(whole, np.quantile(drawn, [0.025, 0.975], axis=0), np.nan)
    table["overlap"], table["ceiling"], table["ratio"] = halves.cross[0, 1:], halves.ceiling[1:], halves.ratio[0, 1:]
    summary = {
        "models": len(names),
        "r_median": float(np.nanmedian(r)),
        "r_low": float(np.nanmin(r)),
        "r_high": float(np.nanmax(r)),
        "q": q,
        "classes": total,
        "chance": q * q / total,
        "ceiling": float(halves.ceiling[0]),
        "reliability": float(agreement.reliability(pairs[0])[0]),
    }
    return table, summary, ""


def _spread_only(moments):
    """Moments whose raw variances are positive or NaN: a model that is right on all has no correlation."""
    raw = moments.raw.copy()
    flat = np.diag(raw) <= 0
    raw[flat, flat] = np.nan
    return moments._replace(raw=raw)


def shifted(clean: Answers, other: Answers, *, seed: int = 0) -> tuple[dict, str]:
    """One model on two sets: overall change, cross-fitted contrast with its mirror, level; each with its interval.

    Returns
    -------
    dict : overall_clean, overall_shift, classes, q, paired, note (what was taken for the same items, for the reader);
        naive, contrast, mirror on each scale of `SCALES` (`contrast` in points, `contrast_ratio`, `contrast_logit`) and
        r; contrast, mirror and r with `_low`, `_high`
    str : why there is nothing, else ""
    """
    ids = [part.classes["class_id"].to_numpy()[part.n > 0] for part in (clean, other)]
    if ids[0].dtype.kind != ids[1].dtype.kind or len(clean.classes) != len(other.classes):
        return {}, "not run: the two sets are answered among other classes"
    common = np.intersect1d(*ids)
    columns = [pd.Index(part.classes["class_id"]).get_indexer(common) for part in (clean, other)]
    rng = np.random.default_rng(seed)
    shared, note, why = _same_items(clean, other)
    if why:
        return {}, f"not run: {why}"
    try:
        found = _paired(clean, other, shared, rng) if len(shared) else _unpaired(clean, other, columns, rng)
    except ValueError as fault:
        return {}, f"not defined because {fault}"
    return found | {"paired": len(shared) > 0, "note": note}, ""


def _same_items(clean: Answers, other: Answers) -> tuple[np.ndarray, str, str]:
    """Ids of the items that both sets hold, to be read as pairs; a sentence for the reader; why neither reading holds.

    Equal ids alone are no fact: many sets number their items from 0. The items are the same where the shipped table
    says so of the two sets (`items_of`), or, for a set of one's own, where the labels of the shared ids agree too.
    """
    both_known = clean.known and other.known
    roots = [items_of(part.dataset) if part.known else "" for part in (clean, other)]
    same = both_known and roots[0] == roots[1]
    if clean.positional or other.positional:
        if same:
            return _NONE, "", f"both sets are made of the items of {roots[0]}: give item ids, so that they are paired"
        if both_known:
            return _NONE, "", ""
        note = "Rows without item ids are read as other items; if they are the same items, changed, give their ids."
        return _NONE, note, ""
    shared = np.intersect1d(clean.item_id.astype(str), other.item_id.astype(str)).astype(object)
    if not len(shared):
        return _NONE, "", ""
    labels = [_labels_of(part, shared) for part in (clean, other)]
    agree = labels[0] == labels[1]
    smaller = min(len(clean.item_id), len(other.item_id))
    if not agree.all():
        differ = f"{int((~agree).sum()):,} of {len(shared):,} ids that stand in both sets have other labels there"
        if same or _beyond_chance(*labels) >= 0.5:
            return _NONE, "", f"{differ}, so that neither the same items nor other items can be compared"
        return _NONE, "" if both_known else f"{differ[0].upper()}{differ[1:]}: read as other items.", ""
    part = f"{len(shared):,} of the {smaller:,} items of the smaller set"
    if not same and (both_known or len(shared) <= 0.5 * smaller):
        return _NONE, "", f"{part} also stand in the other, so that they are neither the same items nor others"
    left = [len(one.item_id) - len(shared) for one in (clean, other)]
    note = f"Read on the {len(shared):,} items of both sets, each with itself"
    if any(left):
        note += f"; {left[0]:,} and {left[1]:,} others are left out"
    note += "." if same else ": their ids and labels agree. If they are other items, give them other ids."
    return shared, note, ""


_NONE = np.empty(0, dtype=object)


def items_of(dataset: str) -> str:
    """The data set whose items, perhaps changed or labelled anew, a shipped set is made of: itself, if none.

    Corruptions and noise are made of the items of the set that they shift; `@1000` and a version (`-v2`) of a set are
    other answers and labels of it.

    >>> [items_of(one) for one in ("20news/typo/3", "tiny-imagenet-c-local/fog/3@1000", "hint3-curekart-v2")]
    ['20news', 'tiny-imagenet', 'hint3-curekart']
    >>> [items_of(one) for one in ("cifar10.1-v6", "imagenetv2-top-images", "ood16/colour/bw")]
    ['cifar10.1', 'imagenetv2-top-images', 'ood16/colour/bw']
    """
    shift_of = tables.rows_of("datasets").set_index("dataset")["shift_of"].to_dict().get(dataset, "")
    head, changed, _ = dataset.partition("/")
    if changed and shift_of and (head == shift_of or head.endswith(("-c", "-c-local"))):
        dataset = shift_of
    return re.sub(r"-v\d+$", "", dataset.removesuffix("@1000"))


def _labels_of(part: Answers, ids) -> np.ndarray:
    row = pd.Index(part.item_id.astype(str), dtype=object).get_indexer(ids)
    return part.classes["class_id"].to_numpy()[part.label[row]]


def _beyond_chance(one, two) -> float:
    """Agreement of two labellings beyond that by chance (Cohen's kappa); 0 where chance agrees always."""
    names = np.union1d(one, two)
    shares = [(labels[:, None] == names).mean(axis=0) for labels in (one, two)]
    chance = float(shares[0] @ shares[1])
    return 0.0 if chance == 1 else (float((one == two).mean()) - chance) / (1 - chance)


def _unpaired(clean: Answers, other: Answers, columns, rng) -> dict:
    kc, nc, ks, ns = (
        counts[column] for part, column in zip((clean, other), columns, strict=True) for counts in (part.k, part.n)
    )
    classes = int((np.minimum(nc, ns) > 1).sum())
    q = weak_set_size(classes)
    counts = {"kc": kc, "nc": nc, "ks": ks, "ns": ns}
    contrast = shift.shift_contrast(**counts, q=q, rng=rng)
    mirror = shift.mirror_contrast(**counts, q=q, rng=rng)
    drawn = shift.bootstrap_shift(**counts, q=q, rng=rng, draws=SHIFT_DRAWS, R=10)
    return (
        {
            "overall_clean": kc.sum() / nc.sum(),
            "overall_shift": ks.sum() / ns.sum(),
            "classes": classes,
            "q": q,
            "r": float(shift.shift_level(**counts).corrected[0]),
        }
        | _ends(r=drawn.corrected_r)
        | _on_scales("naive", shift.naive_contrast(**counts, q=q))
        | _on_scales("contrast", contrast, drawn.contrast)
        | _on_scales("mirror", mirror, drawn.mirror)
    )


def _paired(clean: Answers, other: Answers, shared, rng) -> dict:
    """The same items, changed: weak classes are chosen and read on different ones of them."""
    rows = [pd.Index(part.item_id.astype(str), dtype=object).get_indexer(shared) for part in (clean, other)]
    right = np.stack([part.right[row] for part, row in zip((clean, other), rows, strict=True)])
    label = clean.label[rows[0]]
    size = np.bincount(label, minlength=len(clean.classes))
    kept = (size > 1)[label]
    index = (np.cumsum(size > 1) - 1)[label[kept]]
    classes = int((size > 1).sum())
    q = weak_set_size(classes)
    found = shift.paired_shift(right[:, kept], index, classes, q=q, rng=rng, draws=SHIFT_DRAWS, R=10)
    counts = split.class_counts(right[:, kept], index, classes)
    naive = shift.naive_contrast(kc=counts[0][0], nc=counts[1], ks=counts[0][1], ns=counts[1], q=q)
    return (
        {
            "overall_clean": float(right[0].mean()),
            "overall_shift": float(right[1].mean()),
            "classes": classes,
            "q": q,
            "r": float(found.corrected_r[0]),
        }
        | _ends(r=found.corrected_r_draws)
        | _on_scales("naive", naive)
        | _on_scales("contrast", found.contrast, found.contrast_draws)
        | _on_scales("mirror", found.mirror, found.mirror_draws)
    )


def _on_scales(name: str, contrast, draws=None) -> dict[str, float]:
    """A contrast on every scale, with the ends of its interval where there are draws (draws, scales)."""
    found = {}
    for i, suffix in enumerate(SCALES.values()):
        found[name + suffix] = float(contrast[i][0])
        if draws is not None:
            found |= _ends(**{name + suffix: draws[:, i]})
    return found


def _ends(**draws) -> dict[str, float]:
    found = {}
    for name, values in draws.items():
        low, high = np.quantile(values, [0.025, 0.975]) if np.isfinite(values).all() else (np.nan, np.nan)
        found |= {f"{name}_low": float(low), f"{name}_high": float(high)}
    return found
