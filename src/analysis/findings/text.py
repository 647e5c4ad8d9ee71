"""F4: the same questions of text classifiers: the authors' own predictions (5 representations, 10 runs each) and ours.

A model id is `paper/<representation>-<run>`, or `text/<classifier>-<run>` where it was trained here. Runs answer the
same items, so a run mean is a share of runs.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from .. import claims, classes, models, tables
from ..measure import accuracy, agreement, extremes, instability, overlap, split

LABELS = ("BERT-base", "BERT-tiny", "fastText", "averaged vectors", "tf-idf")
REPRESENTATIONS = dict(zip(models.REPRESENTATIONS, LABELS, strict=True))
RUNS = models.RUNS
PUBLISHED = {"bert-tiny": 1}  # the run that the published tables take; run 0 of the others
OURS = {
    "tfidf-mlp": "tf-idf + MLP",
    "tfidf-svm": "tf-idf + SVM",
    "vectors-mlp": "MiniLM word vectors",
    "fasttext": "fastText (ours)",
    "sentence-lr": "MiniLM sentences",
    "minilm": "MiniLM fine-tuned",
}
# What a classifier reads: two of one kind are not two representations.
KINDS = {label: label for label in LABELS} | {"averaged vectors": "word vectors", "fastText (ours)": "fastText"}
KINDS |= {OURS[one]: "tf-idf" for one in ("tfidf-mlp", "tfidf-svm")}
KINDS |= {OURS[one]: "MiniLM" for one in ("vectors-mlp", "sentence-lr", "minilm")}


@dataclass(frozen=True)
class Corpus:
    """Answers of all runs on one corpus: `right` bool (runs, items) of each representation, classes as 0 to K - 1."""

    name: str
    labels: tuple[str, ...]
    right: tuple[np.ndarray, ...]
    class_id: np.ndarray
    names: np.ndarray
    q: int

    @property
    def means(self) -> np.ndarray:
        """Share of runs that are right, (representations, items)."""
        return np.stack([right.mean(axis=0) for right in self.right])

    @property
    def n(self) -> np.ndarray:
        return np.bincount(self.class_id, minlength=len(self.names))


def model_id(representation: str, run: int) -> str:
    """The id of one run.

    >>> model_id("tfidf", 3)
    'paper/tfidf-3'
    """
    return models.runs(representation)[run]


def corpus(name: str) -> Corpus:
    """All 50 runs of the authors on `banking77` or `20news`."""
    return _corpus(name, {label: models.runs(one) for one, label in REPRESENTATIONS.items()})


def own_corpus(name: str, *, beside: bool = False) -> Corpus:
    """The runs of this project on a corpus; with `beside`, the authors' runs first (Banking77 and 20 Newsgroups)."""
    known = models.table().index
    ours = {label: [one for one in known if one.rpartition("-")[0] == f"text/{kind}"] for kind, label in OURS.items()}
    have = set(tables.read_counts(dataset=name)["model"])
    ours = {label: tuple(sorted(set(runs) & have)) for label, runs in ours.items()}
    theirs = {label: models.runs(one) for one, label in REPRESENTATIONS.items()} if beside else {}
    return _corpus(name, theirs | {label: runs for label, runs in ours.items() if runs})


def _corpus(name: str, runs: dict[str, tuple[str, ...]]) -> Corpus:
    answers = tables.correct(name, models=[model for some in runs.values() for model in some])
    ends = np.cumsum([len(some) for some in runs.values()])[:-1]
    space = tables.read_csv("datasets").set_index("dataset").loc[name, "label_space"]
    names = np.array(classes.names(space))[answers.classes]
    right = tuple(np.split(answers.right, ends))
    return Corpus(name, tuple(runs), right, answers.class_index, names, claims.weak_set_size(len(answers.classes)))


def same_answers(name: str, first: str, second: str) -> float:
    """Share of the items on which two models are both right or both wrong."""
    right = tables.correct(name, models=[first, second]).right
    return float((right[0] == right[1]).mean())


def run_table(name: str) -> pd.DataFrame:
    """One row a run: overall accuracy, lowest class by recall and by precision (the published tables print the latter).

    A class that is never predicted has recall 0 and no precision: it is missing from the published figure. `low` and
    `high` are Wilson's ends of the lowest recall, not corrected for the class's having come out lowest; `null` is the
    lowest recall to expect if all classes were equally hard.
    """
    rows = []
    for representation, label in REPRESENTATIONS.items():
        for run in range(RUNS):
            part = tables.read_counts(dataset=name, models=[model_id(representation, run)])
            k, n, predicted = (part[column].to_numpy(dtype=np.int64) for column in ("correct", "n", "predicted"))
            recall, precision = accuracy.class_accuracy(k=k, n=n), accuracy.precision(correct=k, predicted=predicted)
            row = {"dataset": name, "representation": label, "run": run, "overall": k.sum() / n.sum()}
            lowest = np.nanargmin(recall)
            row |= {"recall": recall[lowest], "precision": np.nanmin(precision)}
            row |= dict(zip(("low", "high"), map(float, accuracy.wilson(k[lowest], n[lowest])), strict=True))
            # The expectation of the minimum is exact: what is drawn here goes into the other figures only.
            equal = extremes.null_extremes(n, row["overall"], n.size, np.random.default_rng(0), draws=1, q=1)
            row["null"] = float(equal["minimum"].mean)
            row["lowest class"] = classes.names(name)[part["class_id"].to_numpy()[lowest]]
            row["never predicted"] = int((predicted == 0).sum())
            rows.append(row | {"published": run == PUBLISHED.get(representation, 0)})
    return pd.DataFrame(rows)


def readings(table: pd.DataFrame) -> pd.DataFrame:
    """`run_table` in long form for the figure: the lowest class of each run by both readings."""
    names = {"recall": "lowest class accuracy (recall)", "precision": "lowest class precision"}
    key = ["dataset", "representation", "run", "published"]
    long = table.melt(key, list(names), var_name="statistic", value_name="value")
    return long.assign(statistic=long["statistic"].map(names))


def weak_classes(found: Corpus, most: int = 8) -> pd.DataFrame:
    """The classes lowest on average over the representations, with the run means of each.

    The interval is Wilson's for one run at the mean accuracy of the runs: runs share the items, so ten runs do not make
    it narrower.
    """
    k = np.stack([np.bincount(found.class_id, row, minlength=len(found.names)) for row in found.means])
    means = k / found.n
    lowest = np.argsort(means.mean(axis=0), kind="stable")[:most]
    low, high = accuracy.wilson(np.rint(k).astype(np.int64), found.n)
    rows = [
        {
            "dataset": found.name,
            "class_id": class_id,
            "name": found.names[class_id],
            "representation": label,
            "accuracy": means[place, class_id],
            "low": low[place, class_id],
            "high": high[place, class_id],
            "worst_rank": rank + 1,
        }
        for rank, class_id in enumerate(lowest)
        for place, label in enumerate(found.labels)
    ]
    return pd.DataFrame(rows)


def correlations(found: Corpus, *, rng, draws: int = 400) -> tuple[pd.DataFrame, np.ndarray]:
    """Raw and corrected correlation of run means for every ordered pair, and bootstrap draws (draws, pairs)."""
    total, means = len(found.names), found.means
    moments = agreement.u_moments(means, found.class_id, total)
    drawn = agreement.bootstrap_corrected_r(means, found.class_id, total, draws=draws, rng=rng)
    raw, corrected = agreement.raw_r(moments), agreement.corrected_r(moments)
    labels = found.labels
    first, second = np.triu_indices(len(labels), 1)
    ends = {
        frozenset(pair): np.nanquantile(drawn[:, at], [0.025, 0.975])
        for at, pair in enumerate(zip(first, second, strict=True))
    }
    rows = [
        {
            "dataset": found.name,
            "representation_a": labels[a],
            "representation_b": labels[b],
            "raw": raw[a, b],
            "corrected": corrected[a, b],
            "low": ends[frozenset((a, b))][0] if a != b else np.nan,
            "high": ends[frozenset((a, b))][1] if a != b else np.nan,
        }
        for a in range(len(labels))
        for b in range(len(labels))
    ]
    return pd.DataFrame(rows), drawn


def overlaps(found: Corpus, *, rng, splits: int = 40, deals: int = 100) -> pd.DataFrame:
    """Overlap of the q weakest classes between runs, mean over pairs of runs, for every pair of representations.

    `value` on all items, `disjoint` on halves with its `ceiling`, `sham` in sham classes; `sham_high` is the 97.5 %
    point, over the deals, of the mean over all pairs of that kind (within or across representations).
    """
    flat = np.concatenate(found.right)
    total = len(found.names)
    k = np.stack([np.bincount(found.class_id, row, minlength=total) for row in flat])
    full = overlap.expected_overlap(overlap.weak_membership(k / found.n, found.q))
    half = overlap.half_overlap(flat, found.class_id, total, q=found.q, rng=rng, R=splits)
    shams = []
    for _ in range(deals):
        dealt, n = split.class_counts(flat, rng.permutation(found.class_id), total)
        shams.append(overlap.expected_overlap(overlap.weak_membership(dealt / n, found.q)))
    shams = np.array(shams)
    ceiling = np.sqrt(np.outer(half.ceiling, half.ceiling))
    labels, place = found.labels, np.repeat(np.arange(len(found.right)), [len(runs) for runs in found.right])
    rows = []
    for a in range(len(labels)):
        for b in range(a, len(labels)):
            pairs = (place[:, None] == a) & (place == b) & ~np.eye(len(flat), dtype=bool)
            row = {"dataset": found.name, "pair": labels[a] if a == b else f"{labels[a]} x {labels[b]}"}
            row["kind"] = "within a representation" if a == b else "across representations"
            parts = {"value": full, "disjoint": half.cross, "sham": shams.mean(axis=0), "ceiling": ceiling}
            row |= {name: matrix[pairs].mean() for name, matrix in parts.items()}
            kind = ((place[:, None] == place) == (a == b)) & ~np.eye(len(flat), dtype=bool)
            row |= {"sham_high": np.quantile(shams[:, kind].mean(axis=1), 0.975), "chance": found.q**2 / total}
            rows.append(row)
    return pd.DataFrame(rows)


def hidden_table(found: Corpus, *, rng) -> pd.DataFrame:
    """F4-1, one row a representation: overall accuracy of the runs minus the mean of the q weakest classes.

    The weakest are chosen on half of the items and read on the other half, as means of the ten runs; the interval is
    binomial over the chosen classes. `plug_in` reads them on the items that chose them; `null` is the plug-in gap of
    one run if all classes were equally hard, which is wider than for a mean of runs; `minimum` and its null likewise.
    `run_minimum` is the lowest class of a run, mean over runs, and `flip_minimum` [`flip_low`, `flip_high`] (90 %) what
    it would be if single items flipped from run to run and no class moved as a whole; NaN for a single run.
    """
    rows = []
    flips = rng.spawn(1)[0]  # a stream of its own: the numbers above do not depend on this one
    for label, right in zip(found.labels, found.right, strict=True):
        fit = instability.worst_q_crossfit_runs(right, found.class_id, len(found.names), found.q, rng)
        overall = right.mean()
        null = extremes.null_extremes(found.n, overall, len(found.n), rng, draws=1000, q=found.q)
        row = {"dataset": found.name, "representation": label, "overall": overall, "gap": overall - fit.mean}
        row |= {"low": overall - fit.high, "high": overall - fit.low, "plug_in": overall - fit.plugin}
        row |= {"null": overall - null["worst_q"].mean}
        means = np.bincount(found.class_id, right.mean(axis=0), minlength=len(found.n)) / found.n
        row |= {"minimum": means.min(), "null_minimum": null["minimum"].mean}
        rows.append(row | _flip_minimum(right, found, rng=flips))
    return pd.DataFrame(rows)


def _flip_minimum(right: np.ndarray, found: Corpus, *, rng) -> dict:
    names = ("run_minimum", "flip_minimum", "flip_low", "flip_high")
    if len(right) < 2:
        return dict.fromkeys(names, np.nan)
    flip = instability.flip_null_minimum(right, found.class_id, len(found.names), rng=rng)
    return dict(zip(names, (flip.observed, *flip.null), strict=True))


def claim_rows(
    found: Corpus, gaps: pd.DataFrame, drawn: np.ndarray, table: pd.DataFrame, *, who: str = "paper"
) -> list[dict]:
    """F4-1 and F4-2 of one corpus, from `hidden_table` and `correlations`; F4-2 without BERT-tiny is secondary.

    F4-2 is about pairs that read text in different ways (`KINDS`); pairs of one kind are in no mean.
    """
    total, name = len(found.names), f"{who}-{found.name}"
    written = "the rule was written for fewer than 100 classes" if total >= 100 else ""
    about = {"dataset": found.name, "labels": "original", "n_classes": total}
    middle = gaps.sort_values("gap", kind="stable").iloc[(len(gaps) - 1) // 2]
    verdict, reason = claims.judge("F4-1", [(middle["low"], middle["high"])], n_classes=total)
    text = "; ".join(f"{row.representation} {row.gap:.3f} [{row.low:.3f}, {row.high:.3f}]" for row in gaps.itertuples())
    lowest = (
        f"its lowest class reads {middle['run_minimum']:.3f} in a run, {middle['null_minimum']:.3f} if all classes were"
        f" equally hard, {middle['flip_minimum']:.3f} if single items flipped between runs"
        if not np.isnan(middle["run_minimum"])  # of a single run nothing is known about flips
        else ""
    )
    rows = [
        claims.row(
            "F4-1",
            **about,
            models=name,
            effect=middle["gap"],
            ci_low=middle["low"],
            ci_high=middle["high"],
            null=0.0,
            naive=middle["plug_in"],
            n_models=len(gaps),
            verdict=verdict,
            reason="; ".join(filter(None, [reason, f"median: {middle['representation']}", text, lowest, written])),
        )
    ]
    labels = found.labels
    first, second = np.triu_indices(len(labels), 1)
    values = table.set_index(["representation_a", "representation_b"])
    sets = {name: labels}
    if "BERT-tiny" in labels:
        sets[f"{name}-without-bert-tiny"] = [one for one in labels if one != "BERT-tiny"]
    for chosen, kept in sets.items():
        inside = _pairs(labels, kept)
        pairs = [(labels[a], labels[b]) for a, b in zip(first[inside], second[inside], strict=True)]
        r = np.array([values.loc[pair, "corrected"] for pair in pairs])
        low, high = np.nanquantile(drawn[:, inside].mean(axis=1), [0.025, 0.975])
        verdict, reason = claims.judge("F4-2", [(low, high)], n_classes=total)
        lowest = " x ".join(pairs[int(r.argmin())])
        close = _borderline(drawn[:, inside].mean(axis=1), claims.RULES["F4-2"]["parts"][0]["mei"])
        row = claims.row(
            "F4-2",
            **about,
            models=chosen,
            effect=r.mean(),
            ci_low=low,
            ci_high=high,
            null=0.0,
            naive=np.mean([values.loc[pair, "raw"] for pair in pairs]),
            n_models=len({KINDS[one] for one in kept}),
            verdict=verdict,
            reason="; ".join(filter(None, [reason, f"lowest pair {lowest} {r.min():.3f}", close, written])),
        )
        rows.append(row)
    return rows


def overlap_rows(
    found: Corpus, *, rng, who: str = "paper", draws: int = 1000, splits: int = 40, deals: int = 200
) -> list[dict]:
    """F4-2o of one corpus, always secondary: do representations share their q weakest classes, on disjoint items?

    Of run means, mean over the pairs that read text in different ways (`KINDS`); with and without BERT-tiny where it is
    among them. Sham classes are read on disjoint halves too: a half is never held against all items. A quarter of the
    splits serves each deal, which puts their 97.5 % point a little too high.
    """
    total, name, means = len(found.names), f"{who}-{found.name}", found.means
    first, second = np.triu_indices(len(found.labels), 1)
    pairs = {f"{a} {b}": np.array([a, b]) for a, b in zip(first, second, strict=True)}
    half = overlap.half_overlap(means, found.class_id, total, q=found.q, rng=rng, R=splits)
    drawn = overlap.bootstrap_half_overlap(
        means, found.class_id, total, q=found.q, rng=rng, draws=draws, R=splits, groups=pairs
    )
    drawn = np.stack([drawn[pair].cross for pair in pairs], axis=1)
    k, n = split.class_counts(means, found.class_id, total)
    full = overlap.expected_overlap(overlap.weak_membership(k / n, found.q))
    sham, sham_full = np.empty((2, deals, len(pairs)))
    for deal in range(deals):
        dealt = rng.permutation(found.class_id)
        shares = overlap.half_overlap(means, dealt, total, q=found.q, rng=rng, R=splits // 4)
        sham[deal] = shares.cross[first, second]
        k, n = split.class_counts(means, dealt, total)
        sham_full[deal] = overlap.expected_overlap(overlap.weak_membership(k / n, found.q))[first, second]
    ceiling = np.sqrt(np.outer(half.ceiling, half.ceiling))
    values = {"cross": half.cross, "ceiling": ceiling, "full": full}
    values = {what: matrix[first, second] for what, matrix in values.items()} | {
        "drawn": drawn,
        "sham": sham,
        "sham_full": sham_full,
    }
    sets = {name: found.labels}
    if "BERT-tiny" in found.labels:
        sets[f"{name}-without-bert-tiny"] = [one for one in found.labels if one != "BERT-tiny"]
    return [_overlap_row(found, chosen, kept, values) for chosen, kept in sets.items()]


def _overlap_row(found: Corpus, chosen: str, kept, values: dict) -> dict:
    inside, total = _pairs(found.labels, kept), len(found.names)
    mean = {what: of[..., inside].mean(axis=-1) for what, of in values.items()}
    low, high = np.quantile(mean["drawn"], [0.025, 0.975])
    limit, limit_full = np.quantile(mean["sham"], 0.975), np.quantile(mean["sham_full"], 0.975)
    verdict, reason = claims.judge("F4-2o", [(low - limit, high - limit)], n_classes=total)
    chance, sham, sham_full = found.q**2 / total, mean["sham"].mean(), mean["sham_full"].mean()
    text = [
        reason,
        f"of {found.q} weakest classes; sham classes {sham:.2f}, 97.5 % point {limit:.2f}; ceiling"
        f" {mean['ceiling']:.2f}, chance {chance:.2f}",
        f"on all items {mean['full']:.2f}, in sham classes {sham_full:.2f} (97.5 % point {limit_full:.2f})",
        "the rule was written for fewer than 100 classes" if total >= 100 else "",
    ]
    return claims.row(
        "F4-2o",
        dataset=found.name,
        labels="original",
        models=chosen,
        effect=mean["cross"],
        ci_low=low,
        ci_high=high,
        null=sham,
        naive=mean["full"],
        n_classes=total,
        n_models=len({KINDS[one] for one in kept}),
        verdict=verdict,
        reason="; ".join(filter(None, text)),
    )


def _pairs(labels, kept) -> np.ndarray:
    """Which pairs of `labels`, in the order of `numpy.triu_indices`, are in `kept` and read text in different ways."""
    first, second = np.triu_indices(len(labels), 1)
    return np.array(
        [
            labels[a] in kept and labels[b] in kept and KINDS[labels[a]] != KINDS[labels[b]]
            for a, b in zip(first, second, strict=True)
        ]
    )


def _borderline(draws: np.ndarray, mei: float, parts: int = 20) -> str:
    """A warning where the end of an interval lies within twice its simulation error of the smallest effect."""
    ends = np.nanquantile(draws, [0.025, 0.975])
    errors = np.array([np.nanquantile(part, [0.025, 0.975]) for part in np.array_split(draws, parts)]).std(axis=0)
    errors = errors / np.sqrt(parts)
    near = int(np.abs(ends - mei).argmin())
    if abs(ends[near] - mei) > 2 * errors[near]:
        return ""
    return f"borderline: the end {ends[near]:.4f} lies within the simulation error {2 * errors[near]:.4f} of {mei}"


# HINT3: queries of real users to three bots, answered by five systems; `-v2` are the labels that were corrected later.
BOTS = ("curekart", "powerplay11", "sofmattress")


def real_queries() -> pd.DataFrame:
    """HINT3, one row a bot and system: accuracy on in-scope queries and weak classes, by first and corrected labels.

    `weak` counts classes under 0.5 as read; `weak_then` and `weak_now` are the accuracies of the classes that are weak
    by the first labels, by the first labels (selected for being low) and by the corrected ones (the same queries). A
    level, not a loss: there is no clean test set of these bots.
    """
    rows = []
    for bot in BOTS:
        first, corrected = (tables.counts(f"hint3-{bot}{end}") for end in ("", "-v2"))
        place = {class_id: at for at, class_id in enumerate(corrected.class_id)}
        for at, model in enumerate(first.models):
            k, n, k2, n2 = first.correct[at], first.n[at], corrected.correct[at], corrected.n[at]
            values = accuracy.class_accuracy(k=k, n=n)
            weak = np.flatnonzero(values < 0.5)
            now = np.array([place[c] for c in first.class_id[weak] if c in place], dtype=int)
            row = {
                "bot": bot,
                "system": model.removeprefix("hint3/"),
                "queries": n.sum(),
                "classes": int((n > 0).sum()),
                "median n": np.median(n[n > 0]),
            }
            row |= {"accuracy": k.sum() / n.sum(), "corrected": k2.sum() / n2.sum(), "weak": len(weak)}
            row["weak_corrected"] = int((accuracy.class_accuracy(k=k2, n=n2) < 0.5).sum())
            row |= {
                "weak_then": k[weak].sum() / max(n[weak].sum(), 1),
                "weak_now": k2[now].sum() / max(n2[now].sum(), 1),
            }
            rows.append(row)
    return pd.DataFrame(rows)


def swallowed(most: int = 3) -> pd.DataFrame:
    """The classes of each bot that take in most out-of-scope queries; `own` are the queries of the class itself."""
    rows = []
    for bot in BOTS:
        name = f"hint3-{bot}"
        taken = tables.read_confusions(dataset=name, label=-1).groupby("pred")["count"].sum()
        taken = taken.drop(-1, errors="ignore").sort_values(ascending=False, kind="stable")
        own = tables.counts(name)
        per_class = dict(zip(own.class_id, own.n[0], strict=True))
        names = dict(zip(classes.ids(name), classes.names(name), strict=True))
        for class_id, count in taken.head(most).items():
            row = {"bot": bot, "class": names[class_id], "own": int(per_class.get(class_id, 0))}
            row["taken in, a system"] = count / len(own.models)
            rows.append(row | {"share of all taken in": count / taken.sum()})
    return pd.DataFrame(rows)
