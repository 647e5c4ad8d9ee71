"""C-ii: do weak classes come from the training data? Class accuracy against pre-training frequency and label quality.

The rule has two parts, and no network whose results were published can answer both.

- Frequency: a network is held against the counts of its own pre-training set, which exist for some CLIP models only
  (`clip-counted`). Networks trained on ImageNet, which has about equally many images of each class, cannot answer.
- Agreement: the share of a class's images whose original label ReaL accepts. One odd image lowers accuracy and
  agreement alike, so they are read on disjoint halves of the images; that takes single answers, which of CLIP were not
  published.

The way to count that is judged (`WAY`, the source's own) and the networks (all that were counted) were chosen before
any correlation was computed; the other ways, and LAION-400M by itself, stand beside it.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from .. import claims, classes, models, tables
from ..measure import agreement, split
from ..measure.drawn_ranks import rank_r

WAY = "both"  # `models.named("clip-counted")` are the networks whose set was searched this way
TITLES = {
    "cc3m": "CC-3M",
    "cc12m": "CC-12M",
    "yfcc15m": "YFCC-15M",
    "synthci30m": "SynthCI-30M",
    "laion400m": "LAION-400M",
}
OTHER_WAYS = ("captions", "images")


class RankR(NamedTuple):
    """Rank correlation of each network, (models,), and class-bootstrap draws of it, (draws, models)."""

    models: tuple[str, ...]
    r: np.ndarray
    draws: np.ndarray

    @property
    def interval(self) -> tuple[float, float]:
        """The central 95 % of the mean over networks (G)."""
        low, high = np.nanquantile(self.draws.mean(axis=1), [0.025, 0.975])
        return float(low), float(high)

    def of(self, members) -> "RankR":
        """Some of the networks, in the same draws of classes."""
        at = [self.models.index(model) for model in members]
        return RankR(tuple(members), self.r[at], self.draws[:, at])


class Agreement(NamedTuple):
    """`disjoint` : on halves of the images, whose noise pulls it towards 0; `same` : on all images; `corrected` :
    Pearson, freed of noise; `sham` : as `same`, in classes dealt at random. The last three are (models,).

    `half_agreement` (classes,) and `half_accuracy` (models, classes) are read on the two halves of one split.
    """

    disjoint: RankR
    same: np.ndarray
    corrected: np.ndarray
    sham: np.ndarray
    half_agreement: np.ndarray
    half_accuracy: np.ndarray


def pretraining(model: str) -> str:
    """The pre-training set in the id of a CLIP model.

    >>> pretraining("openclip/ViT-B-16.laion400m")
    'laion400m'
    """
    return model.rsplit(".", 1)[-1]


def frequencies(members, way: str = WAY) -> np.ndarray:
    """How often each class occurs in the own pre-training set of each network, (models, classes)."""
    wide = tables.read_csv("frequency").pivot(index="pretraining", columns="class_id", values=way)
    return wide.loc[[pretraining(model) for model in members]].to_numpy(dtype=float)


def frequency_r(members, *, rng, draws: int = 400, way: str = WAY, dataset: str = "imagenet-val") -> RankR:
    """Rank correlation of class accuracy with the frequency of the class in each network's own pre-training set."""
    counts = tables.counts(dataset, models=members)
    values, frequency = counts.correct / counts.n, frequencies(members, way)
    weights = split.class_weights(len(counts.class_id), draws=draws, rng=rng)
    return RankR(tuple(members), rank_r(values, frequency), rank_r(values, frequency, weights))


def label_agreement() -> pd.DataFrame:
    """Of each ImageNet class: images of val with a ReaL label, and the share whose original label ReaL accepts."""
    found = tables.correct("imagenet-val", labels="agreement")
    k, n = split.class_counts(found.right, found.class_index, len(found.classes))
    return pd.DataFrame({"class_id": found.classes, "images": n, "agreement": k[0] / n})


def agreement_by_counts(members, *, rng, draws: int = 400) -> RankR:
    """Rank correlation of class accuracy with ReaL agreement, on the same images: for networks without items."""
    counts, reviewed = tables.counts("imagenet-val", models=members), label_agreement()
    values, share = counts.correct / counts.n, reviewed["agreement"].to_numpy()
    weights = split.class_weights(len(share), draws=draws, rng=rng)
    return RankR(tuple(members), rank_r(values, share), rank_r(values, share, weights))


def agreement_r(members, *, rng, draws: int = 200, splits: int = 5, deals: int = 3) -> Agreement:
    """The same on disjoint halves: accuracy on one half of a class's images, agreement on the other, both ways.

    On the images that have a ReaL label. Halves are fixed before the classes are drawn.
    """
    reviewed = tables.correct("imagenet-val", labels="agreement")
    answers = tables.correct("imagenet-val", models=members)
    at = pd.Index(answers.item_id).get_indexer(reviewed.item_id)
    # The last row is the label itself, judged by the reviewers.
    right, class_id = np.vstack([answers.right[:, at], reviewed.right]), reviewed.class_index
    total = len(reviewed.classes)
    k, n = split.class_counts(right, class_id, total)
    weights = split.class_weights(total, draws=draws, rng=rng)
    r, drawn, halves = 0, 0, None
    for halves in split.half_accuracies(right, class_id, total, rng=rng, R=splits):
        for read, reviewed_half in (halves, halves[::-1]):
            r = r + rank_r(read[:-1], reviewed_half[-1]) / (2 * splits)
            drawn = drawn + rank_r(read[:-1], reviewed_half[-1], weights) / (2 * splits)
    sham = 0
    for _ in range(deals):
        dealt, size = split.class_counts(right, rng.permutation(class_id), total)
        sham = sham + rank_r(dealt[:-1] / size, dealt[-1] / size) / deals
    accuracy = k / n
    corrected = agreement.corrected_r(agreement.u_moments(right, class_id, total))[-1, :-1]
    same = rank_r(accuracy[:-1], accuracy[-1])
    return Agreement(RankR(tuple(members), r, drawn), same, corrected, sham, halves[0][-1], halves[1][:-1])


def by_pretraining(found: RankR) -> pd.DataFrame:
    """One row a pre-training set: its networks, how many classes were not found in it, mean r with interval (G)."""
    rows = []
    for name, title in TITLES.items():
        members = [model for model in found.models if pretraining(model) == name]
        if not members:
            continue
        part, count = found.of(members), frequencies(members[:1])[0]
        row = {"pre-training set": title, "networks": len(members), "classes not found": int((count == 0).sum())}
        row |= {"median count": np.median(count), "accuracy": models.table().loc[members, "top1"].mean()}
        low, high = part.interval
        rows.append(row | {"r": part.r.mean(), "low": low, "high": high})
    return pd.DataFrame(rows)


def without_one(found: RankR) -> pd.DataFrame:
    """Mean r with interval (G) when the networks of one pre-training set are left out, lowest first.

    The networks are those that were published and counted, not a sample: this shows what hangs on which they are.
    """
    rows = []
    for name, title in TITLES.items():
        rest = [model for model in found.models if pretraining(model) != name]
        if 0 < len(rest) < len(found.models):
            part = found.of(rest)
            low, high = part.interval
            rows.append({"left out": title, "networks": len(rest), "r": part.r.mean(), "low": low, "high": high})
    columns = ["left out", "networks", "r", "low", "high"]
    return pd.DataFrame(rows, columns=columns).sort_values("r", ignore_index=True)


def points(frequency: RankR, agreed: Agreement, everyone) -> pd.DataFrame:
    """What the figure draws: a panel a pre-training set and one for ReaL agreement.

    `part` class: a class, with its accuracy as the mean of the panel's networks; group: the mean over about a tenth of
    the classes in the order of x, of which ties stay together, with a 95 % interval over the classes of the group. For
    ReaL, x is the agreement on one half of a class's images and the accuracy that on the other half.
    """
    parts = []
    for name, title in TITLES.items():
        members = [model for model in frequency.models if pretraining(model) == name]
        if members:
            counts = tables.counts("imagenet-val", models=members)
            accuracy = (counts.correct / counts.n).mean(axis=0)
            x = frequencies(members[:1])[0]
            parts.append(_panel(title, "frequency", frequency.of(members), x=x, accuracy=accuracy))
    accuracy = agreed.half_accuracy[[agreed.disjoint.models.index(model) for model in everyone]].mean(axis=0)
    found = agreed.disjoint.of(everyone)
    parts.append(_panel("ReaL agreement", "agreement", found, x=agreed.half_agreement, accuracy=accuracy))
    return pd.concat(parts, ignore_index=True)


def _panel(title: str, kind: str, found: RankR, *, x: np.ndarray, accuracy: np.ndarray) -> pd.DataFrame:
    each = pd.DataFrame({"part": "class", "class_id": np.arange(len(x)), "x": x, "accuracy": accuracy})
    each["name"] = classes.titles("imagenet")[: len(x)]
    groups = []
    # Rounded, as 22 of 23 labels are not fewer than 23 of 24: a group of each would only tell sizes apart.
    tenth = np.minimum(10 * rankdata(np.round(x, 2)) // (len(x) + 1), 9)
    for chosen in (tenth == one for one in np.unique(tenth)):
        mean, error = accuracy[chosen].mean(), 1.96 * accuracy[chosen].std(ddof=1) / np.sqrt(chosen.sum())
        row = {"part": "group", "x": np.median(x[chosen]), "accuracy": mean}
        groups.append(row | {"low": mean - error, "high": mean + error})
    low, high = found.interval
    about = {"title": title, "kind": kind, "networks": len(found.models)}
    about |= {"r": found.r.mean(), "r_low": low, "r_high": high}
    return pd.concat([each, pd.DataFrame(groups)], ignore_index=True).assign(**about)


def claim_rows(
    sets: dict, frequency: RankR, others: dict, by_counts: RankR, *, with_items: dict, agreed: Agreement
) -> list[dict]:
    """C-ii for sets of CLIP networks (`sets`, the first part) and of networks with items (`with_items`, the second).

    No network answers both parts, so `reproduced` is out of reach; a part that is contradicted contradicts.
    `others` : way of counting -> RankR of the same networks, for the reason.
    """
    rows = [_clip_row(name, members, frequency, others, by_counts) for name, members in sets.items()]
    return rows + [_items_row(name, members, agreed) for name, members in with_items.items()]


CAUSE = "a correlation over classes is no proof of a cause"
UNKNOWN = (np.nan, np.nan)  # the interval of a part without an answer: it can neither reproduce nor contradict


def _clip_row(name: str, members, frequency: RankR, others: dict, by_counts: RankR) -> dict:
    found, label = frequency.of(members), by_counts.of(members)
    ways = "; ".join(f"by {way} alone {_mean(one.of(members))}" for way, one in others.items())
    groups = {TITLES[one]: [m for m in members if pretraining(m) == one] for one in TITLES}
    each = ", ".join(f"{title} {found.of(some).r.mean():.2f}" for title, some in groups.items() if some)
    fewer = without_one(found)  # empty where all networks are of one set
    ends = [
        f"{row.r:.3f} [{row.low:.3f}, {row.high:.3f}] without {row['left out']} ({_alone((row.low, row.high), 0)})"
        for _, row in fewer.iloc[[0, -1] if len(fewer) else []].iterrows()
    ]
    text = [
        f"frequency part {_alone(found.interval, 0)}, in captions and images; {ways}",
        f"by pre-training set {each}" if sum(map(bool, groups.values())) > 1 else "",
        f"which networks were counted matters: leaving out one set at a time, {' to '.join(ends)}" if ends else "",
        f"agreement part not judged: {_mean(label)} on the very images of the accuracies, and no single answers to take"
        " their shared luck off",
        CAUSE,
    ]
    return _row(name, found, [found.interval, UNKNOWN], naive=found.r.mean(), text=text)


def _items_row(name: str, members, agreed: Agreement) -> dict:
    at, found = [agreed.disjoint.models.index(model) for model in members], agreed.disjoint.of(members)
    text = [
        f"agreement part {_alone(found.interval, 1)}, read on other images than accuracy; this effect is attenuated, as"
        f" accuracy and agreement have half of the images each: freed of noise (Pearson)"
        f" {agreed.corrected[at].mean():.3f}; on the same images {agreed.same[at].mean():.3f}, in sham classes"
        f" {agreed.sham[at].mean():.2f}; lowest network {found.r.min():.2f}",
        "frequency part not judged: ImageNet has about equally many training images of each class, and no other counts"
        " were published for these networks",
        CAUSE,
    ]
    return _row(name, found, [UNKNOWN, found.interval], naive=agreed.same[at].mean(), text=text)


def _row(name: str, found: RankR, intervals: list, *, naive: float, text: list[str]) -> dict:
    total, (low, high) = len(classes.ids("imagenet")), found.interval
    verdict, reason = claims.judge("C-ii", intervals, n_classes=total)
    about = {"dataset": "imagenet-val", "labels": "original", "models": name, "n_classes": total}
    values = {"effect": found.r.mean(), "ci_low": low, "ci_high": high, "null": 0.0, "naive": naive}
    text = "; ".join(filter(None, [reason, *text]))
    return claims.row("C-ii", **about, **values, n_models=len(found.models), verdict=verdict, reason=text)


def _alone(interval: tuple[float, float], part: int) -> str:
    return f"{claims.part_verdict(*interval, claims.RULES['C-ii']['parts'][part]['mei'])} by itself"


def _mean(found: RankR) -> str:
    low, high = found.interval
    return f"{found.r.mean():.3f} [{low:.3f}, {high:.3f}]"
