"""What a naive reading of class accuracies says, and what holds: the tables of notebook 07, one a fallacy.

Every table keeps the naive figure beside the sound one. Estimands are named where an interval is given: (S) these
items, (C) these classes with fresh items, (G) fresh classes. The networks are those of one collection that all answered
the same ImageNet validation images.
"""

import numpy as np
import pandas as pd
from scipy.special import ndtr
from scipy.stats import kendalltau

from .. import claims, models, tables
from ..measure import agreement, compare, extremes, instability, overlap, shift, split
from . import runs
from .shifted import Shifted
from .text import Corpus

COLLECTION = "imagenetv2/"
STATISTICS = ("worst", "minimum")
BIASED_ALIKE = ("worst_q",)  # of `extremes.TAIL`: the plug-in errs by much the same in two networks
PAIRS = (  # the better network first
    ("imagenetv2/resnet152", "imagenetv2/resnet50"),
    ("imagenetv2/nasnetalarge", "imagenetv2/resnet50"),
    ("imagenetv2/nasnetalarge", "imagenetv2/vgg16"),
)


def collection() -> tuple[str, ...]:
    """The networks of the ImageNet-V2 authors that are in the claims."""
    return tuple(name for name in models.named("networks") if name.startswith(COLLECTION))


def extremes_table(answers: tables.Correct, *, rng, refits=25, draws=20, resamples=200, splits=20) -> pd.DataFrame:
    """The lowest classes of every network by five readings: mean of the q weakest, and minimum.

    Parameters
    ----------
    answers : per-item answers, all networks to the same items
    refits, draws : refits of the prior on resampled classes and draws under each, of the posterior draws
    resamples : bootstrap resamples of the plug-in; also simulated test sets of the null
    splits : random halvings of the cross-fit

    Returns
    -------
    DataFrame, one row a model, statistic (`worst`, `minimum`) and reading: `value` with `low`, `high`, and `overall`
    accuracy and `q` of the model's data set. Readings: `plug-in` (S, no interval); `bootstrap`, the percentile
    bootstrap of the plug-in, which is wrong; `posterior draws` (C); `cross-fitted` (worst only; C, of the classes that
    a half selects); `equally hard`, expectation and central 95 % of the plug-in if every class had accuracy `overall`.
    """
    total = len(answers.classes)
    q = claims.weak_set_size(total)
    k, n = split.class_counts(answers.right, answers.class_index, total)
    overall = k.sum(axis=1) / n.sum()
    chosen = [extremes.TAIL.index(name) for name in ("worst_q", "minimum")]
    drawn = extremes.functional_interval(
        k, n, lambda p: extremes.tail_functionals(p, q)[..., chosen], rng=rng, refits=refits, draws=draws
    )
    crossed = extremes.worst_q_crossfit(k, n, q, rng, R=splits)
    rows = []
    for at, model in enumerate(answers.models):
        # Forbidden for extremes, shown for that reason: items resampled, the plug-in taken again.
        again = extremes.tail_functionals(rng.binomial(n, k[at] / n, size=(resamples, total)) / n, q)[:, chosen]
        plugin = extremes.tail_functionals(k[at] / n, q)[chosen]
        null = extremes.null_extremes(n, overall[at], total, rng, draws=resamples, q=q)
        for place, statistic in enumerate(STATISTICS):
            ends = np.quantile(again[:, place], [0.025, 0.975])
            readings = {
                "plug-in": (plugin[place], np.nan, np.nan),
                "bootstrap": (again[:, place].mean(), *ends),
                "posterior draws": (drawn.mean[at, place], drawn.low[at, place], drawn.high[at, place]),
                "equally hard": null["minimum" if statistic == "minimum" else "worst_q"],
            }
            if statistic == "worst":
                readings["cross-fitted"] = (crossed.mean[at], crossed.low[at], crossed.high[at])
            rows += [
                {"model": model, "statistic": statistic, "reading": reading}
                | dict(zip(("value", "low", "high"), map(float, values), strict=True))
                | {"overall": overall[at]}
                for reading, values in readings.items()
            ]
    table = pd.DataFrame(rows).assign(q=q)
    table.insert(1, "label", models.labels(table["model"]))
    return table.sort_values(["overall", "model"], kind="stable", ignore_index=True)


def ties_table(answers: tables.Correct, *, rng, orders: int = 100) -> pd.DataFrame:
    """Overlap of the q weakest classes of every pair of networks, by what is done about ties at the cut (S).

    Columns: `dataset`; `images` of a class (mean); `pair`; `chance`, overlap of two independent sets; `as_coded`
    (sorted, ties by class index in both networks); `low`, `high` (least and most over all ways to break the ties);
    `expected` (ties broken at random, independently in the two networks); `same_order` (at random, but by one order of
    the classes for both, mean over `orders`); `tied`, classes on the cut, mean of the two.
    """
    total = len(answers.classes)
    q = claims.weak_set_size(total)
    k, n = split.class_counts(answers.right, answers.class_index, total)
    accuracy = k / n
    member = overlap.weak_membership(accuracy, q)
    first, second = np.triu_indices(len(k), 1)
    coded = _sets_as_coded(accuracy, q)
    together = np.zeros((len(k), len(k)))
    for _ in range(orders):
        order = rng.permutation(total)
        sets = _sets_as_coded(accuracy[:, order], q)
        together += sets @ sets.T
    cut = np.partition(accuracy, q - 1, axis=1)[:, q - 1, None]
    tied = (accuracy == cut).sum(axis=1)
    bounds = [overlap.overlap_bounds(accuracy[a], accuracy[b], q) for a, b in zip(first, second, strict=True)]
    label = models.labels(answers.models)
    return pd.DataFrame(
        {
            "dataset": answers.dataset,
            "images": n.mean(),
            "pair": [f"{label[a]} x {label[b]}" for a, b in zip(first, second, strict=True)],
            "chance": q**2 / total,
            "as_coded": (coded @ coded.T)[first, second].astype(int),
            "low": [least for least, _ in bounds],
            "expected": overlap.expected_overlap(member)[first, second],
            "same_order": together[first, second] / orders,
            "high": [most for _, most in bounds],
            "tied": (tied[first] + tied[second]) / 2,
        }
    )


def ties_overview(ties: pd.DataFrame) -> pd.DataFrame:
    """Means over the pairs of `ties_table`, one row a data set.

    `images` of a class; `tied` classes on the cut; `width` between least and most overlap; `off_most`, largest distance
    of the sorted overlap from the expected one; `by_index`, `by_one_order`, how much ties by index and ties by one
    random order for both networks add to it.
    """
    off = ties["as_coded"] - ties["expected"]
    columns = {
        "width": ties["high"] - ties["low"],
        "by_index": off,
        "by_one_order": ties["same_order"] - ties["expected"],
    }
    groups = ties.assign(**columns, off=off.abs()).groupby("dataset", sort=False)
    table = groups[["images", "tied", *columns]].mean()
    return table.assign(off_most=groups["off"].max()).reset_index()


def sham_table(answers: tables.Correct, *, rng) -> pd.DataFrame:
    """Every pair of networks in the real classes and in sham classes, to which the items were dealt at random once.

    Columns: pair; `set` (real classes, sham classes); `raw_r`; `corrected_r` (NaN for sham classes, whose true variance
    is zero: there is nothing to correlate); `raw_covariance`, `corrected_covariance`; `shared`, overlap of the q
    weakest with ties by class index; `fisher` and `fisher_log10`, Fisher's p for it.
    """
    total = len(answers.classes)
    q = claims.weak_set_size(total)
    first, second = np.triu_indices(len(answers.models), 1)
    label = models.labels(answers.models)
    pair = [f"{label[a]} x {label[b]}" for a, b in zip(first, second, strict=True)]
    parts = []
    for name, class_id in (
        ("real classes", answers.class_index),
        ("sham classes", rng.permutation(answers.class_index)),
    ):
        moments = agreement.u_moments(answers.right, class_id, total)
        k, n = split.class_counts(answers.right, class_id, total)
        sets = _sets_as_coded(k / n, q)
        shared = (sets @ sets.T)[first, second].astype(int)
        p = {each: overlap.fisher_as_coded(overlap=int(each), n=q, classes=total) for each in np.unique(shared)}
        fisher = np.array([p[each] for each in shared])
        corrected = agreement.corrected_r(moments)[first, second] if name == "real classes" else np.nan
        parts.append(
            pd.DataFrame(
                {
                    "pair": pair,
                    "set": name,
                    "raw_r": agreement.raw_r(moments)[first, second],
                    "corrected_r": corrected,
                    "raw_covariance": moments.raw[first, second],
                    "corrected_covariance": moments.true[first, second],
                    "shared": shared,
                    "fisher": fisher,
                    "fisher_log10": np.log10(fisher),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def sham_covariance(answers: tables.Correct, *, rng, deals: int = 20) -> np.ndarray:
    """Corrected covariance, mean over pairs of networks, in each of `deals` random deals of sham classes; (deals,)."""
    total = len(answers.classes)
    q = claims.weak_set_size(total)
    floor = overlap.sham_floor(answers.right, answers.class_index, total, q=q, rng=rng, R=deals)
    return floor.pair_covariance


def corrected_interval(answers: tables.Correct, *, rng, draws: int = 200) -> tuple[float, float]:
    """95 % interval (G) of the corrected correlation, mean over pairs: classes drawn, all networks together."""
    drawn = agreement.bootstrap_corrected_r(
        answers.right, answers.class_index, len(answers.classes), draws=draws, rng=rng
    )
    low, high = np.quantile(drawn.mean(axis=1), [0.025, 0.975])
    return float(low), float(high)


def regression_table(found: Shifted, *, rng, draws: int = 200, splits: int = 4) -> pd.DataFrame:
    """The q weakest classes against the rest by four ways to choose them; means over networks, in accuracy.

    Returns
    -------
    DataFrame, one row a selection: `clean_weak`, `shift_weak`, `clean_rest`, `shift_rest`, and `value`, the loss of the
    weak less that of the rest, with its 95 % class-bootstrap interval (G). Selections:
    `no shift` both sides are halves of the same clean items, chosen and read on the first; `naive` chosen and read on
    the clean items; `cross-fitted` chosen on one half of the clean items, read on the other; `mirror` chosen on one
    half of the shifted items, read on the other.
    """
    pair, q = found.counts, found.q
    halves = []
    for _ in range(splits):
        half = pair["nc"] // 2
        k = rng.hypergeometric(pair["kc"], pair["nc"] - pair["kc"], half)
        halves.append({"kc": k, "nc": half, "ks": pair["kc"] - k, "ns": pair["nc"] - half})
    drawn = {"cross-fitted": found.draws.contrast[:, 0], "mirror": found.draws.mirror[:, 0]}
    drawn |= {name: _naive_draws(sets, q, draws, rng) for name, sets in (("no shift", halves), ("naive", [pair]))}
    still = [shift.naive_contrast(**one, q=q) for one in halves]
    readings = {
        "no shift": {name: np.mean([getattr(one, name) for one in still]) for name in still[0]._fields},
        "naive": found.naive._asdict(),
        "cross-fitted": found.contrast._asdict(),
        "mirror": found.mirror._asdict(),
    }
    rows = []
    for selection, contrast in readings.items():
        low, high = np.nanquantile(drawn[selection], [0.025, 0.975])
        row = {name: float(np.mean(contrast[name])) for name in shift.Contrast._fields if "_" in name}
        row |= {"value": float(np.mean(contrast["points"])), "low": low, "high": high}
        rows.append({"shift": found.about.title, "selection": selection} | row)
    return pd.DataFrame(rows).assign(q=q, models=len(found.models))


def runs_table(corpora: list[Corpus], *, rng, simulations: int = 400, draws: int = 400) -> pd.DataFrame:
    """Range of class accuracy over ten training runs with its nulls, and what one run's accuracy varies by.

    One row a corpus and representation: `overall_range`, `class_mean`, `class_max`, `flip_mean`, `flip_max95`,
    `fresh_mean`, `fresh_max95` as `runs.text_ranges` (recall); `whole_class`, `single_items` and `test_items`, shares
    of the variance of the class accuracy of one run on fresh items, with sum 1; `share`, the first two together, with
    its interval `low`, `high` (classes drawn (G), the ten runs as they are).
    """
    parts = []
    for found in corpora:
        ranges = runs.text_ranges(found, rng=rng, simulations=simulations)
        ranges = ranges[ranges["reading"] == "recall"].set_index("model")
        for label, right in zip(found.labels, found.right, strict=True):
            total = len(found.names)
            components = instability.run_components(right, found.class_id, total)
            share = instability.run_share(components, found.n)
            whole = share * instability.coherent_share(components, found.n)
            again = agreement.class_bootstrap(
                lambda c, parts=components, n=found.n: instability.run_share(
                    instability.RunComponents(*(each[c] for each in parts)), n[c]
                ),
                total,
                draws=draws,
                rng=rng,
            )
            low, high = np.nanquantile(again, [0.025, 0.975])
            row = ranges.loc[label].to_dict() | {"model": label, "whole_class": whole, "single_items": share - whole}
            parts.append(row | {"test_items": 1 - share, "share": share, "low": low, "high": high})
    columns = ["dataset", "model", "overall_range", "class_mean", "class_max", "flip_mean", "flip_max95", "fresh_mean"]
    columns += ["fresh_max95", "whole_class", "single_items", "test_items", "share", "low", "high"]
    return pd.DataFrame(parts)[columns]


def comparison_table(answers: tables.Correct, pairs=PAIRS, *, rng, draws: int = 400) -> pd.DataFrame:
    """In how many classes is one network better than another: by sign, by McNemar's test, and after correction.

    Returns
    -------
    DataFrame, one row a pair and reading (`sign`, `p below 0.05`, `adjusted`: Benjamini and Hochberg at 0.05 over the
    classes): `better`, `worse`, classes. Beside them, the same in every row of a pair: `mean` and `observed_sd` of the
    difference over classes, `true_sd` freed of item noise with its interval `low`, `high` (class bootstrap, G), and
    `truly_worse`, the share of classes below zero if the true differences were normal, with `worse_low`, `worse_high`.
    """
    total = len(answers.classes)
    n = split.class_sizes(answers.right, answers.class_index, total)
    place = {model: at for at, model in enumerate(answers.models)}
    rows = []
    for a, b in pairs:
        right = {"right_a": answers.right[place[a]], "right_b": answers.right[place[b]]}
        test = compare.per_class_mcnemar(**right, class_id=answers.class_index, n_classes=total)
        difference = (test.b - test.c) / n
        true_sd, truly_worse = _true_differences(test.b, test.c, n)
        drawn = agreement.class_bootstrap(
            lambda c, test=test: _true_differences(test.b[c], test.c[c], n[c]), total, draws=draws, rng=rng
        )
        ends = np.nanquantile(drawn, [0.025, 0.975], axis=0)
        about = {"pair": " over ".join(models.labels([a, b])), "mean": difference.mean()}
        about |= {"observed_sd": difference.std(ddof=1), "true_sd": true_sd, "low": ends[0, 0], "high": ends[1, 0]}
        about |= {"truly_worse": truly_worse, "worse_low": ends[0, 1], "worse_high": ends[1, 1], "classes": total}
        readings = {"sign": difference != 0, "p below 0.05": test.p_value < 0.05, "adjusted": test.adjusted < 0.05}
        for reading, shown in readings.items():
            better, worse = int((shown & (difference > 0)).sum()), int((shown & (difference < 0)).sum())
            rows.append({"reading": reading, "better": better, "worse": worse} | about)
    return pd.DataFrame(rows)


def rank_table(answers: tables.Correct, *, rng, draws: int = 100) -> pd.DataFrame:
    """Do class measures order the networks as their accuracy does? One row a measure, as read off the items.

    `tau`, Kendall's tau-b with overall accuracy; of all `pairs` of networks: `flips` that change places, `beyond_noise`
    those where both differences exceed the joint item bootstrap (C), `undecided` by the measure itself. The last two
    are whole numbers for the mean of the q weakest, whose plug-in is biased in level, but much alike for two networks,
    and missing (`<NA>`) for p5 and the minimum: how far these come out too low depends on how many classes lie near
    them, so that two networks with the same true minimum may differ in it by more than any bootstrap shows.
    """
    total = len(answers.classes)
    q = claims.weak_set_size(total)
    k, n = split.class_counts(answers.right, answers.class_index, total)
    overall, tail = k.sum(axis=1) / n.sum(), extremes.tail_functionals(k / n, q)
    rows = []
    for column, name in {"worst_q": f"mean of the {q} weakest", "p5": "p5", "minimum": "minimum"}.items():
        at = extremes.TAIL.index(column)
        found = compare.rank_flips(
            answers.right,
            answers.class_index,
            total,
            lambda p, at=at: extremes.tail_functionals(p, q)[..., at],
            rng=rng,
            B=draws,
        )
        row = {"measure": name, "tau": float(kendalltau(overall, tail[:, at]).statistic), "pairs": len(found.flips)}
        row |= {"flips": int(found.flips.sum()), "beyond_noise": pd.NA, "undecided": pd.NA}
        if column in BIASED_ALIKE:
            row |= {"beyond_noise": int(found.beyond.sum()), "undecided": int(found.undecided_measure.sum())}
        rows.append(row)
    return pd.DataFrame(rows).astype({"beyond_noise": "Int64", "undecided": "Int64"})


def summary(
    *,
    extreme,
    ties,
    sham,
    covariance,
    interval,
    regressions,
    spread,
    comparison,
    network="ResNet-50",
    other="DenseNet-161",
) -> pd.DataFrame:
    """One line a fallacy, with the numbers of one example each: what is naively said, what holds, and for what.

    Takes the tables of this module (`covariance` is `sham_covariance` in squared points, `interval` that of
    `corrected_interval`, `spread` the `runs_table`); lines are short enough for a notebook to show them uncut.
    """
    worst = extreme[(extreme["statistic"] == "worst") & (extreme["label"] == network)].set_index("reading")
    first = comparison.iloc[0]["pair"]
    test = comparison[comparison["pair"] == first].set_index("reading")
    pair = ties[ties["pair"].isin([f"{network} x {other}", f"{other} x {network}"])].iloc[0]
    dealt, real = (sham[sham["set"] == f"{name} classes"] for name in ("sham", "real"))
    loss, row = (
        regressions.set_index("selection"),
        spread.set_index(["dataset", "model"]).loc[("banking77", "BERT-base")],
    )
    lines = [
        (
            f"{worst['q'].iloc[0]} weakest classes, {network}",
            _interval(worst.loc["bootstrap"], value=worst.loc["plug-in", "value"]),
            _interval(worst.loc["posterior draws"]),
            "C",
        ),
        (
            f"weak classes shared with {other}",
            f"{pair['as_coded']}",
            f"{pair['expected']:.1f}, ties allow {pair['low']} to {pair['high']}",
            "S",
        ),
        (
            "do sham classes agree?",
            f"r {dealt['raw_r'].mean():.2f}, Fisher's p {dealt['fisher'].median():.0e}",
            f"covariance {covariance.mean():.1f} (as observed {1e4 * dealt['raw_covariance'].mean():.0f}) points²",
            "S",
        ),
        (
            "do real classes agree?",
            f"r {real['raw_r'].mean():.2f}, Fisher's p {real['fisher'].median():.0e}",
            f"r {real['corrected_r'].mean():.3f} [{interval[0]:.3f}, {interval[1]:.3f}]",
            "G",
        ),
        (
            "loss of the weak less the rest",
            _interval(loss.loc["naive"], sign="+"),
            _interval(loss.loc["cross-fitted"], sign="+"),
            "G",
        ),
        ("the same, weak after the shift", "", _interval(loss.loc["mirror"], sign="+"), "G"),
        (
            "largest class range, BERT-base, Banking77",
            f"{row['class_max']:.3f} (all items {row['overall_range']:.3f})",
            f"single items alone reach {row['flip_max95']:.3f}",
            "S",
        ),
        ("its variance due to the run", "", _interval(row, value=row["share"]), "G"),
        (
            f"classes worse, {first}",
            f"{test.loc['sign', 'worse']}",
            f"named {test.loc['adjusted', 'worse']}; share "
            f"{test['truly_worse'].iloc[0]:.2f} [{test['worse_low'].iloc[0]:.2f}, {test['worse_high'].iloc[0]:.2f}]",
            "G",
        ),
    ]
    return pd.DataFrame(lines, columns=["question", "naive", "holds", "for"])


def _sets_as_coded(accuracy: np.ndarray, q: int) -> np.ndarray:
    """The q lowest of each row of (models, classes), ties by index, as 0 and 1."""
    sets = np.zeros(accuracy.shape)
    for row, values in zip(sets, accuracy, strict=True):
        row[overlap.worst_set_as_coded(values, q)] = 1
    return sets


def _naive_draws(sets: list[dict], q: int, draws: int, rng) -> np.ndarray:
    """Class-bootstrap draws of the naive contrast in points, mean over networks and over `sets` of counts."""

    def mean(c):
        some = [{name: matrix[:, c] for name, matrix in one.items()} for one in sets]
        return np.mean([shift.naive_contrast(**one, q=q).points.mean() for one in some])

    return agreement.class_bootstrap(mean, sets[0]["kc"].shape[1], draws=draws, rng=rng)


def _true_differences(b, c, n) -> tuple[float, float]:
    """Spread of the true class differences, and the share below zero if they are normal."""
    sd = float(compare.true_sd_difference(b, c, n))
    return sd, float(ndtr(-((b - c) / n).mean() / sd))


def _interval(row, *, value=None, sign="") -> str:
    value = row["value"] if value is None else value
    return f"{value:{sign}.3f} [{row['low']:{sign}.3f}, {row['high']:{sign}.3f}]"
