"""Text classifiers of this project under noise and with real users.

Noise is made on the test items, so clean and noisy answers share them: `shift.paired_shift`. Real users (HINT3) wrote
other queries than the training sentences: different items, read as `shifted` reads images.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from .. import claims, classes, models, tables
from ..measure import shift
from ..measure.split import class_counts, half_accuracies
from . import shifted
from .text import BOTS, OURS

CORPORA = ("banking77", "clinc150", "20news")
SCALES = shifted.SCALES
FLOOR = 0.10


@dataclass(frozen=True)
class Noisy:
    """Answers of one classifier: `right` bool (1 + conditions, items), row 0 to the clean items.

    `conditions` is a frame (kind, severity), one row a row of `right` but the first; classes are 0 to K - 1.
    """

    corpus: str
    label: str
    model: str
    right: np.ndarray
    class_index: np.ndarray
    names: np.ndarray
    conditions: pd.DataFrame
    q: int


def load(corpus: str) -> list[Noisy]:
    """Run 0 of every classifier of this project that was tested on all noisy versions of a corpus."""
    known = tables.read_csv("datasets")
    found = known["dataset"].str.extract(rf"^{corpus}/(?P<kind>[a-z]+)/(?P<severity>[1-5])$").dropna()
    found = found.astype({"severity": int}).sort_values(["kind", "severity"])
    names = [f"{corpus}/{row.kind}/{row.severity}" for row in found.itertuples()]
    space = known.set_index("dataset").loc[corpus, "label_space"]
    have = tables.read_counts(models=[f"text/{one}-0" for one in OURS]).groupby("model")["dataset"].agg(set)
    who = [f"text/{one}-0" for one in OURS if names and set(names) <= set(have.get(f"text/{one}-0", ()))]
    if not who:
        return []
    clean = tables.correct(corpus, models=who)
    parts = [tables.correct(name, models=who) for name in names]
    rows = [part.right[:, pd.Index(part.item_id).get_indexer(clean.item_id)] for part in parts]
    titles, q = np.array(classes.names(space))[clean.classes], claims.weak_set_size(clean.classes.size)
    conditions = found.reset_index(drop=True)
    return [
        Noisy(corpus, OURS[model[5:-2]], model, np.stack(right), clean.class_index, titles, conditions, q)
        for model, *right in zip(who, clean.right, *rows, strict=True)
    ]


def curves(found: list[Noisy], *, rng, splits: int = 40) -> pd.DataFrame:
    """Accuracy by severity (0: clean), mean over kinds: of all classes, and of the weakest and the strongest.

    The groups are chosen on one half of the clean items and read on the other. `low`, `high` (all classes): the range
    over the kinds of noise.
    """
    rows = []
    for one in found:
        total, severities = one.names.size, one.conditions["severity"].to_numpy()
        groups = {"all": np.zeros(len(one.right)), f"weakest {one.q}": 0, f"strongest {one.q}": 0}
        for a, b in half_accuracies(one.right, one.class_index, total, rng=rng, R=splits):
            for chosen, read in ((a, b), (b, a)):
                order = np.argsort(chosen[0] + 1e-9 * rng.random(total))
                parts = (slice(None), order[: one.q], order[-one.q :])
                for name, part in zip(groups, parts, strict=True):
                    groups[name] = groups[name] + read[:, part].mean(axis=1) / (2 * splits)
        head = {"dataset": one.corpus, "representation": one.label}
        for name, values in groups.items():
            for severity in (0, *np.unique(severities)):
                these = values[1:][severities == severity] if severity else values[:1]
                row = head | {"group": name, "severity": severity, "accuracy": these.mean()}
                rows.append(row | {"low": these.min(), "high": these.max()})
    return pd.DataFrame(rows)


def kinds(found: list[Noisy]) -> pd.DataFrame:
    """Accuracy of every classifier by kind of noise, mean over severities, beside the clean one."""
    rows = []
    for one in found:
        each = one.right[1:].mean(axis=1)
        row = {"dataset": one.corpus, "representation": one.label, "clean": one.right[0].mean()}
        rows.append(row | one.conditions.assign(value=each).groupby("kind")["value"].mean().to_dict())
    return pd.DataFrame(rows)


def measure(found: list[Noisy], *, rng, draws: int = 400, splits: int = 20) -> list[shift.Paired]:
    """Level, loss and mirror of every classifier over the conditions of `read`."""
    return [
        shift.paired_shift(
            one.right[np.append(0, 1 + read(one))],
            one.class_index,
            one.names.size,
            q=one.q,
            rng=rng,
            draws=draws,
            R=splits,
        )
        for one in found
    ]


def read(one: Noisy) -> np.ndarray:
    """The conditions that are a shift and can be read: some answer changed, and the accuracy is not below `FLOOR`.

    A classifier that lower-cases its texts does not see casing.
    """
    changed = (one.right[1:] != one.right[0]).any(axis=1)
    return np.flatnonzero(changed & (one.right[1:].mean(axis=1) >= FLOOR))


def loss_table(found: list[Noisy], measured: list[shift.Paired]) -> pd.DataFrame:
    """Weak minus rest by classifier, scale and selection, mean over conditions, with interval; for the figure."""
    rows = []
    for one, paired in zip(found, measured, strict=True):
        for place, scale in enumerate(SCALES):
            mei = claims.RULES["F3D"]["parts"][0]["mei"][scale]
            for selection, value, draws in (
                ("clean", paired.contrast, paired.contrast_draws),
                ("mirror", paired.mirror, paired.mirror_draws),
            ):
                low, high = np.nanquantile(draws[:, place], [0.025, 0.975])
                row = {"shift": one.corpus, "models_set": one.label, "scale": scale, "selection": selection}
                rows.append(row | {"value": np.nanmean(value[place]), "low": low, "high": high, "mei": mei})
    return pd.DataFrame(rows)


def levels(found: list[Noisy], measured: list[shift.Paired]) -> pd.DataFrame:
    """Clean-noisy correlation of class accuracies, shared noise taken off: mean over conditions, and by severity."""
    rows = []
    for one, paired in zip(found, measured, strict=True):
        low, high = shifted.interval(paired.corrected_r, paired.corrected_r_draws)
        row = {"dataset": one.corpus, "representation": one.label, "r": np.mean(paired.corrected_r)}
        by = one.conditions.iloc[read(one)].assign(r=paired.corrected_r).groupby("severity")["r"].mean()
        rows.append(row | {"low": low, "high": high} | {f"severity {at}": value for at, value in by.items()})
    return pd.DataFrame(rows)


def claim_rows(found: list[Noisy], measured: list[shift.Paired]) -> list[dict]:
    """F3L and F3D (three scales) of each classifier under noise, secondary: mean over the conditions of `read`.

    `naive` is the raw correlation, and the contrast with weak classes chosen and read on the same items.
    """
    rows = []
    for one, paired in zip(found, measured, strict=True):
        about = {"dataset": f"{one.corpus}/noise", "labels": "original", "models": one.model}
        about |= {"n_classes": one.names.size, "n_models": 1}
        used = f"{len(read(one))} of {len(one.conditions)} conditions, shared noise taken off"
        draws = paired.corrected_r_draws
        ends = shifted.interval(paired.corrected_r, draws)
        verdict, reason = shifted.judged("F3L", ends, draws, n_classes=one.names.size)
        values = {"effect": np.mean(paired.corrected_r), "ci_low": ends[0], "ci_high": ends[1], "null": 0.0}
        raw, naive = _naive(one)
        values["naive"] = np.mean(raw)
        text = "; ".join(filter(None, [reason, used, shifted.lost(draws)]))
        rows.append(claims.row("F3L", **about, **values, verdict=verdict, reason=text))
        for place, scale in enumerate(SCALES):
            draws = paired.contrast_draws[:, place]
            ends = shifted.interval(paired.contrast[place], draws)
            ends2 = shifted.interval(paired.mirror[place], paired.mirror_draws[:, place])
            effect, mirror = np.mean(paired.contrast[place]), np.mean(paired.mirror[place])
            verdict, reason = shifted.judged("F3D", ends, draws, n_classes=one.names.size, scale=scale)
            if verdict == "reproduced" and np.sign(mirror) != np.sign(effect):
                verdict, reason = "cannot tell", "the mirror selection has the other sign"
            text = f"mirror (weak on noisy data) {mirror:+.3f} [{ends2[0]:+.3f}, {ends2[1]:+.3f}]"
            text = "; ".join(filter(None, [reason, text, used, shifted.lost(draws)]))
            values = {"effect": effect, "ci_low": ends[0], "ci_high": ends[1], "null": 0.0, "verdict": verdict}
            values["naive"] = np.mean(naive[place])
            rows.append(claims.row("F3D", scale=scale, **about, **values, reason=text))
    return rows


def _naive(one: Noisy) -> tuple[np.ndarray, shift.Contrast]:
    """Raw correlation (conditions,) and same-item contrast of each condition of `read`: shared luck is in both."""
    k, n = class_counts(one.right[np.append(0, 1 + read(one))], one.class_index, one.names.size)
    clean, size = np.tile(k[0], (len(k) - 1, 1)), np.tile(n, (len(k) - 1, 1))
    contrast = shift.naive_contrast(kc=clean, nc=size, ks=k[1:], ns=size, q=one.q)
    return np.corrcoef(k / n)[0, 1:], contrast


def taken_for(found: Noisy, kind: str, severity: int, most: int = 6) -> pd.DataFrame:
    """The classes that lost most under one noise, and what they are taken for.

    Picked by the difference that is shown, on the same texts: the differences are too large on average.
    """
    place = (
        1 + found.conditions.index[(found.conditions["kind"] == kind) & (found.conditions["severity"] == severity)][0]
    )
    n = np.bincount(found.class_index)
    clean, noisy = (np.bincount(found.class_index, found.right[row]) / n for row in (0, place))
    order = np.argsort(noisy - clean, kind="stable")[:most]
    wrong = tables.read_confusions(dataset=f"{found.corpus}/{kind}/{severity}", models=[found.model])
    space = tables.read_csv("datasets").set_index("dataset").loc[found.corpus, "label_space"]
    name = dict(zip(classes.ids(space), classes.names(space), strict=True))
    rows = []
    for at in order:
        part = wrong[wrong["label"].map(name) == found.names[at]]
        part = part.sort_values("count", ascending=False, kind="stable").head(2)
        into = ", ".join(f"{name[pred]} {count}" for pred, count in zip(part["pred"], part["count"], strict=True))
        rows.append({"class": found.names[at], "clean": clean[at], "noisy": noisy[at], "taken for": into})
    return pd.DataFrame(rows)


def sentences(found: Noisy, kind: str, severity: int, most: int = 5) -> pd.DataFrame:
    """Texts that were right when clean and are wrong with noise: the text, the noisy text, its class.

    An empty table with one column that says so where the corpus is not on this machine: no text is stored here.
    """
    from ..errors import AnalysisError
    from ..text import corpora, noise

    try:
        corpus = corpora.load(found.corpus)
    except (AnalysisError, ImportError):
        return pd.DataFrame({f"{found.corpus} is not on this machine: make data fetches it": []})
    here = (found.conditions["kind"] == kind) & (found.conditions["severity"] == severity)
    lost = np.flatnonzero(found.right[0] & ~found.right[1 + int(np.flatnonzero(here)[0])])[:most]
    order = pd.Index(tables.correct(found.corpus, models=[found.model]).item_id[lost])
    rows = pd.Index(np.asarray(corpus.test_id).astype(str)).get_indexer(order.astype(str))
    texts = [corpus.test_text[row] for row in rows]
    changed = noise.apply(texts, order.tolist(), kind=kind, severity=severity)
    return pd.DataFrame({"clean": texts, "noisy": changed, "class": found.names[found.class_index[lost]]})


# Real users: classifiers trained on a bot's sentences, cross-validated there, then put to its users' queries.
def real_users(*, rng, draws: int = 400, splits: int = 20, labels: str = "-v2") -> list[shifted.Shifted]:
    """HINT3, a bot each: cross-validation on its training sentences against its users' queries.

    Rows are our runs; they answer the same queries, and runs of one classifier differ little. `labels`: "-v2" the
    corrected labels of the queries, "" the first ones. In cross-validation a class is trained on four fifths of its
    sentences: that lowers the clean side, of small classes most, so the loss shown is rather too small.
    """
    out = []
    for bot in BOTS:
        clean, name = f"hint3-{bot}-cv", f"hint3-{bot}{labels}"
        own = [model for model in models.table().index if model.startswith("text/")]
        have = [set(tables.read_counts(dataset=one, models=own)["model"]) for one in (clean, name)]
        wanted = tuple(sorted(have[0] & have[1]))
        if wanted:
            kinds = {model.rpartition("-")[0] for model in wanted}
            about = shifted.Shift(name, clean, name, "text", unit="run", n_models=len(kinds))
            counts = shifted.pair_counts(about, wanted)
            out.append(shifted.estimate(about, *counts, rng=rng, draws=draws, splits=splits))
    return out
