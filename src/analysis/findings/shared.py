"""F2: do networks share their weak classes? Answers to the same items in, tidy tables and claim rows out."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from .. import claims, classes, models, tables
from ..measure import agreement, overlap, split
from ..measure import models as measured_models


@dataclass(frozen=True)
class Sharing:
    """Everything notebook 02 shows, for all pairs of the networks of `correct`; made by `measure`.

    Matrices are (models, models). `full` overlap of the q weakest classes on all items, ties shared; `halves` on
    disjoint halves; `sham` what common items alone produce; `moments` and `r_draws` the correlations, the latter
    (draws, pairs) with `pairs` two index arrays; `overlap_draws` set name -> draws of means over pairs.
    """

    correct: tables.Correct
    q: int
    accuracy: np.ndarray
    moments: agreement.Moments
    raw_r: np.ndarray
    corrected_r: np.ndarray
    pairs: tuple[np.ndarray, np.ndarray]
    r_draws: np.ndarray
    full: np.ndarray
    halves: overlap.HalfOverlap
    sham: overlap.ShamFloor
    sets: dict
    overlap_draws: dict

    def of(self, members) -> np.ndarray:
        """Positions of models among the rows of the matrices."""
        place = {model: position for position, model in enumerate(self.correct.models)}
        return np.array([place[model] for model in members])

    def pairs_of(self, members) -> np.ndarray:
        """Which of `pairs` lie inside `members`, bool (pairs,)."""
        inside = np.isin(np.arange(len(self.correct.models)), self.of(members))
        return inside[self.pairs[0]] & inside[self.pairs[1]]


def measure(names, sets: dict, *, rng, dataset="imagenet-val", labels="original", draws=400, splits=40) -> Sharing:
    """Correlations and overlaps of all pairs of `names`, with bootstrap draws for the named `sets` of them.

    Classes are drawn for the intervals (G): all networks of a drawn class move together.
    """
    correct = tables.correct(dataset, models=names, labels=labels)
    right, class_id, total = correct.right, correct.class_index, len(correct.classes)
    q = claims.weak_set_size(total)
    k, n = split.class_counts(right, class_id, total)
    moments = agreement.u_moments(right, class_id, total)
    pairs = np.triu_indices(len(right), 1)
    place = {model: position for position, model in enumerate(correct.models)}
    groups = {name: np.array([place[model] for model in members]) for name, members in sets.items()}
    return Sharing(
        correct=correct,
        q=q,
        accuracy=k / n,
        moments=moments,
        raw_r=agreement.raw_r(moments),
        corrected_r=agreement.corrected_r(moments),
        pairs=pairs,
        r_draws=agreement.bootstrap_corrected_r(right, class_id, total, draws=draws, rng=rng),
        full=overlap.expected_overlap(overlap.weak_membership(k / n, q)),
        halves=overlap.half_overlap(right, class_id, total, q=q, rng=rng, R=splits),
        sham=overlap.sham_floor(right, class_id, total, q=q, rng=rng),
        sets=sets,
        overlap_draws=overlap.bootstrap_half_overlap(
            right, class_id, total, q=q, rng=rng, draws=draws // 4, R=splits, groups=groups
        ),
    )


def correlation_table(found: Sharing, members) -> pd.DataFrame:
    """Raw and corrected correlation of every ordered pair of `members`, long form for the heat map."""
    at = found.of(members)
    a, b = np.meshgrid(np.arange(len(at)), np.arange(len(at)), indexing="ij")
    label, family = np.array(models.labels(members)), np.array(models.families(members))
    return pd.DataFrame(
        {
            "model_a": np.array(members)[a.ravel()],
            "label_a": label[a.ravel()],
            "family_a": family[a.ravel()],
            "model_b": np.array(members)[b.ravel()],
            "label_b": label[b.ravel()],
            "family_b": family[b.ravel()],
            "raw": found.raw_r[np.ix_(at, at)].ravel(),
            "corrected": found.corrected_r[np.ix_(at, at)].ravel(),
        }
    )


def overlap_table(found: Sharing, highlight=()) -> pd.DataFrame:
    """Overlap of weak sets for every pair, by quantity: full set, sham floor, halves and their ceiling; long form."""
    i, j = found.pairs
    ceiling = np.sqrt(found.halves.ceiling[i] * found.halves.ceiling[j])
    quantities = {
        "full set": found.full[i, j],
        "sham floor": found.sham.overlap[i, j],
        "same half items": found.halves.same[i, j],
        "disjoint items": found.halves.cross[i, j],
        "ceiling": ceiling,
    }
    label = np.array(models.labels(found.correct.models))
    pair = np.char.add(np.char.add(label[i].astype(str), " x "), label[j].astype(str))
    marked = found.pairs_of(highlight) if len(highlight) else np.zeros(len(i), dtype=bool)
    parts = [
        pd.DataFrame({"quantity": name, "pair": pair, "value": values, "highlight": marked})
        for name, values in quantities.items()
    ]
    return pd.concat(parts, ignore_index=True).assign(chance=found.q**2 / len(found.correct.classes))


def sharing_table(found: Sharing, *, rng, repeats: int = 100) -> pd.DataFrame:
    """How many classes are weak in at least a share of the networks.

    Curves: observed, sham classes (shared images alone), and classes permuted within their superclass.
    """
    member = overlap.weak_membership(found.accuracy, found.q)
    group = classes.superclasses()[found.correct.classes]
    permuted = overlap.permuted_sharing(member, group, rng=rng, R=repeats)
    class_id, total = found.correct.class_index, len(found.correct.classes)
    shams = []
    for _ in range(repeats):
        k, n = split.class_counts(found.correct.right, rng.permutation(class_id), total)
        shams.append(overlap.sharing(overlap.weak_membership(k / n, found.q)))
    curves = {
        "observed": overlap.sharing(member)[None],
        "sham classes": np.array(shams),
        "permuted within superclass": permuted,
    }
    share = np.linspace(0.02, 1, 50)
    parts = []
    for name, counts in curves.items():
        # 1e-9: a sum of shares of ties may fall short of a whole number by rounding.
        at_least = (counts[:, None, :] / len(member) >= share[:, None] - 1e-9).sum(axis=2)
        low, high = np.quantile(at_least, [0.025, 0.975], axis=0)
        frame = {"curve": name, "networks_share": share, "classes": at_least.mean(axis=0), "low": low, "high": high}
        parts.append(pd.DataFrame(frame))
    return pd.concat(parts, ignore_index=True)


def core_reread(found: Sharing, members, *, rng) -> overlap.CoreReread:
    """Classes weak in at least half of `members` on one half of the items, read again on the other half."""
    right = found.correct.right[found.of(members)]
    return overlap.cross_half_sharing(right, found.correct.class_index, len(found.correct.classes), q=found.q, rng=rng)


def family_table(found: Sharing, members) -> pd.DataFrame:
    """Every pair of `members`: raw r, corrected r with its interval, overlap ratio and what they have in common."""
    inside = np.flatnonzero(found.pairs_of(members))
    i, j = found.pairs[0][inside], found.pairs[1][inside]
    low, high = np.nanquantile(found.r_draws[:, inside], [0.025, 0.975], axis=0)
    label = np.array(models.labels(found.correct.models))
    bounds = [overlap.overlap_bounds(found.accuracy[a], found.accuracy[b], found.q) for a, b in zip(i, j, strict=True)]
    coded = [
        len(
            set(overlap.worst_set_as_coded(found.accuracy[a], found.q))
            & set(overlap.worst_set_as_coded(found.accuracy[b], found.q))
        )
        for a, b in zip(i, j, strict=True)
    ]
    total = len(found.correct.classes)
    return pd.DataFrame(
        {
            "pair": [f"{label[a]} x {label[b]}" for a, b in zip(i, j, strict=True)],
            "raw_r": found.raw_r[i, j],
            "corrected_r": found.corrected_r[i, j],
            "r_low": low,
            "r_high": high,
            "overlap": found.full[i, j],
            "overlap_min": [low for low, _ in bounds],
            "overlap_max": [high for _, high in bounds],
            "sham_floor": found.sham.overlap[i, j],
            "disjoint": found.halves.cross[i, j],
            "ceiling": np.sqrt(found.halves.ceiling[i] * found.halves.ceiling[j]),
            "ratio": found.halves.ratio[i, j],
            "overlap_as_coded": coded,
            "fisher_as_coded": [overlap.fisher_as_coded(overlap=k, n=found.q, classes=total) for k in coded],
        }
    )


def forest_table(found: Sharing, name: str) -> pd.DataFrame:
    """Pairs of one named set and their mean, long form: raw r, corrected r, overlap ratio, with intervals (G).

    The ratio of a single pair has no interval here: halves of 25 items say too little about one pair.
    """
    pairs = family_table(found, found.sets[name])
    inside = found.pairs_of(found.sets[name])
    r_low, r_high = np.quantile(found.r_draws[:, inside].mean(axis=1), [0.025, 0.975])
    o_low, o_high = np.quantile(found.overlap_draws[name].ratio, [0.025, 0.975])
    r_mei, o_mei = claims.RULES["F2r"]["parts"][0]["mei"], claims.RULES["F2o"]["parts"][0]["mei"]
    blank = [np.nan] * len(pairs)
    columns = ["pair", "value", "low", "high"]
    raw = pd.DataFrame(dict(zip(columns, [pairs["pair"], pairs["raw_r"], blank, blank], strict=True)))
    r = pairs[["pair", "corrected_r", "r_low", "r_high"]].set_axis(columns, axis=1)
    ratio = pd.DataFrame(dict(zip(columns, [pairs["pair"], pairs["ratio"], blank, blank], strict=True)))
    mean = "mean of pairs"
    raw.loc[len(raw)] = [mean, pairs["raw_r"].mean(), np.nan, np.nan]
    r.loc[len(r)] = [mean, pairs["corrected_r"].mean(), r_low, r_high]
    ratio.loc[len(ratio)] = [mean, pairs["ratio"].mean(), o_low, o_high]
    parts = {"raw r": (raw, r_mei), "corrected r": (r, r_mei), "overlap ratio": (ratio, o_mei)}
    return pd.concat(
        [part.assign(quantity=quantity, mei=mei) for quantity, (part, mei) in parts.items()], ignore_index=True
    )


def within_and_between(found: Sharing, members) -> pd.DataFrame:
    """Mean corrected r, overlap ratio and full-set overlap of pairs within one family and between two."""
    at = found.of(members)
    family = np.array(models.families(members))
    i, j = np.triu_indices(len(at), 1)
    same = family[i] == family[j]
    rows = {
        name: {
            "pairs": int(part.sum()),
            "corrected_r": found.corrected_r[at[i[part]], at[j[part]]].mean(),
            "lowest_r": found.corrected_r[at[i[part]], at[j[part]]].min(),
            "overlap": found.full[at[i[part]], at[j[part]]].mean(),
            "ratio": found.halves.ratio[at[i[part]], at[j[part]]].mean(),
        }
        for name, part in (("within one family", same), ("between families", ~same))
    }
    return pd.DataFrame(rows).T.rename_axis("pairs of networks").reset_index()


def dependence(found: Sharing, members) -> dict:
    """How little many networks add to one: their effective number, and the mean corrected r without each family."""
    at = found.of(members)
    r = found.corrected_r[np.ix_(at, at)]
    without = measured_models.leave_one_family_out(r, models.families(members)).without
    return {
        "networks": len(at),
        "effective": measured_models.effective_number(r),
        "lowest_without": float(np.nanmin(without)),
        "highest_without": float(np.nanmax(without)),
    }


def by_superclass(found: Sharing, members) -> pd.DataFrame:
    """Where the commonly weak classes lie: classes, and expected weak classes a network, by superclass."""
    member = overlap.weak_membership(found.accuracy[found.of(members)], found.q).mean(axis=0)
    group = classes.superclasses()[found.correct.classes]
    table = pd.DataFrame({"superclass": group, "weak": member}).groupby("superclass")["weak"].agg(["size", "sum"])
    table = table.rename(columns={"size": "classes", "sum": "weak"})
    table["expected"] = table["classes"] * found.q / len(found.correct.classes)
    table["times_expected"] = table["weak"] / table["expected"]
    return table.sort_values("weak", ascending=False, kind="stable").reset_index()


def claim_rows(found: Sharing) -> list[dict]:
    """F2r and F2o for every named set of `found`."""
    total = len(found.correct.classes)
    rows = []
    for name, members in found.sets.items():
        inside = found.pairs_of(members)
        i, j = (index[inside] for index in found.pairs)
        about = {
            "dataset": found.correct.dataset,
            "labels": found.correct.labels,
            "models": name,
            "n_classes": total,
            "n_models": len(members),
        }
        r, r_draws = found.corrected_r[i, j], found.r_draws[:, inside].mean(axis=1)
        low, high = np.quantile(r_draws, [0.025, 0.975])
        verdict, reason = claims.judge("F2r", [(low, high)], n_classes=total)
        text = f"lowest pair {r.min():.3f}; raw r of sham classes {found.sham.raw_r[i, j].mean():.2f}"
        values = {"effect": r.mean(), "ci_low": low, "ci_high": high, "null": 0.0, "naive": found.raw_r[i, j].mean()}
        text = "; ".join(filter(None, [reason, text]))
        rows.append(claims.row("F2r", **about, **values, verdict=verdict, reason=text))
        rows.append(_overlap_row(found, name, i, j, about, total))
    return rows


def _overlap_row(found: Sharing, name: str, i, j, about: dict, total: int) -> dict:
    drawn, chance = found.overlap_draws[name], found.q**2 / total
    ratio, cross = (np.quantile(draws, [0.025, 0.975]) for draws in (drawn.ratio, drawn.cross / chance))
    verdict, reason = claims.judge("F2o", [tuple(ratio), tuple(cross)], n_classes=total)
    ceiling = np.sqrt(found.halves.ceiling[i] * found.halves.ceiling[j]).mean()
    text = (
        f"disjoint items {found.halves.cross[i, j].mean():.1f} of {found.q} "
        f"[{cross[0] * chance:.1f}, {cross[1] * chance:.1f}], ceiling {ceiling:.1f}, chance {chance:.1f}; "
        f"all items {found.full[i, j].mean():.1f}, of which sham classes give {found.sham.overlap[i, j].mean():.1f}"
    )
    return claims.row(
        "F2o",
        **about,
        effect=found.halves.ratio[i, j].mean(),
        ci_low=ratio[0],
        ci_high=ratio[1],
        null=chance / ceiling,
        naive=found.full[i, j].mean() / found.q,
        verdict=verdict,
        method=f"{claims.RULES['F2o']['method']}; {len(drawn.ratio)} draws",
        reason="; ".join(filter(None, [reason, text])),
    )


def fisher(found: Sharing, common: int) -> float:
    """Fisher's p, as the paper codes it, for two weak sets of `found.q` classes with `common` classes in common."""
    return overlap.fisher_as_coded(overlap=common, n=found.q, classes=len(found.correct.classes))
