"""Notebook 07 on the shipped answers, held against numbers computed independently before this code existed."""

import importlib
import re

import nbformat
import numpy as np
import pandas as pd
import pytest

from analysis import figures, tables
from analysis.findings import shifted, sure, text
from analysis.measure import extremes, split
from analysis.paths import ROOT

RESNET50, SENET = "imagenetv2/resnet50", "imagenetv2/senet154"


def rng():
    return np.random.default_rng(0)


@pytest.fixture(scope="module")
def answers():
    return tables.correct("imagenet-val", models=sure.collection())


@pytest.fixture(scope="module")
def few():
    names = (RESNET50, SENET, "imagenetv2/densenet161", "imagenetv2/resnet152")
    return tables.correct("imagenet-val", models=names)


@pytest.fixture(scope="module")
def extreme(few):
    return sure.extremes_table(few, rng=rng(), resamples=200, refits=10)


@pytest.fixture(scope="module")
def ties(answers):
    return sure.ties_table(answers, rng=rng(), orders=20)


@pytest.fixture(scope="module")
def sham(answers):
    return sure.sham_table(answers, rng=rng())


@pytest.fixture(scope="module")
def matched():
    return shifted.measure(shifted.SHIFTS[0], rng=rng(), draws=60, splits=4)


@pytest.fixture(scope="module")
def regressions(matched):
    return sure.regression_table(matched, rng=rng(), draws=60)


@pytest.fixture(scope="module")
def spread():
    corpora = [text.corpus(name) for name in ("20news", "banking77")]
    return sure.runs_table(corpora, rng=rng(), simulations=100, draws=200)


@pytest.fixture(scope="module")
def comparison(answers):
    return sure.comparison_table(answers, rng=rng(), draws=200)


def test_the_collection_is_that_of_the_reference():
    """STATISTICS: 64 networks; the three Fisher-vector sets are not networks."""
    names = sure.collection()
    assert len(names) == 64 and not any(name.startswith("imagenetv2/fv_") for name in names)


@pytest.mark.parametrize(
    ("reading", "expected", "tolerance"),
    [
        # STATISTICS 2: "resnet50: plug-in worst-50 .353, its bootstrap mean .331; minimum .18, bootstrap mean .128".
        (("worst", "plug-in"), 0.353, 0.0005),
        (("worst", "bootstrap"), 0.331, 0.002),
        (("worst", "posterior draws"), 0.375, 0.006),
        (("worst", "cross-fitted"), 0.416, 0.006),
        (("worst", "equally hard"), 0.63, 0.01),
        (("minimum", "plug-in"), 0.18, 1e-12),
        (("minimum", "bootstrap"), 0.128, 0.006),
        (("minimum", "posterior draws"), 0.20, 0.02),
        (("minimum", "equally hard"), 0.55, 0.01),
    ],
)
def test_readings_of_the_lowest_are_those_of_the_reference(extreme, reading, expected, tolerance):
    table = extreme[extreme["model"] == RESNET50].set_index(["statistic", "reading"])
    assert table.loc[reading, "value"] == pytest.approx(expected, abs=tolerance)


def test_the_bootstrap_moves_away_from_where_the_other_readings_lie(extreme):
    worst = extreme[extreme["statistic"] == "worst"].pivot(index="model", columns="reading", values="value")
    in_order = ["bootstrap", "plug-in", "posterior draws", "cross-fitted", "equally hard"]
    assert (np.diff(worst[in_order], axis=1) > 0).all()
    highest = extreme[extreme["statistic"] == "worst"].pivot(index="model", columns="reading", values="high")
    assert (highest["bootstrap"] < worst["posterior draws"]).all()
    assert not (extreme["reading"] == "cross-fitted")[extreme["statistic"] == "minimum"].any()


def test_ties_are_those_of_the_reference(ties):
    """STATISTICS 4: resnet50-densenet161 36.9 [34,41]; mean over 2016 pairs 34.9 (19-46)."""
    assert len(ties) == 2016 and ties["expected"].mean() == pytest.approx(34.9, abs=0.1)
    pair = ties[ties["pair"].isin(["DenseNet-161 x ResNet-50", "ResNet-50 x DenseNet-161"])].iloc[0]
    assert (pair["low"], pair["high"]) == (34, 41) and pair["expected"] == pytest.approx(36.9, abs=0.05)
    for column in ("as_coded", "expected", "same_order"):
        assert ((ties["low"] <= ties[column]) & (ties[column] <= ties["high"])).all()


def test_one_tie_order_for_both_networks_adds_agreement():
    """All classes tied: independent tie-breaks share one half of the two places, one order for both shares all."""
    class_id = np.repeat(np.arange(24), 2)
    right = np.tile([True, False], (2, 24))
    tied = tables.Correct("made", "original", (RESNET50, SENET), np.arange(48).astype(str), class_id, right)
    row = sure.ties_table(tied, rng=rng(), orders=5).iloc[0]
    assert row["as_coded"] == row["same_order"] == row["high"] == 5 and row["low"] == 0
    assert row["expected"] == pytest.approx(5 * 5 / 24) and row["tied"] == 24
    overview = sure.ties_overview(pd.DataFrame([row])).iloc[0]
    assert overview["width"] == 5 and overview["off_most"] == overview["by_index"] == pytest.approx(5 - 25 / 24)


def test_sham_classes_are_those_of_the_reference(answers, sham):
    """STATISTICS 4 and 5: sham r .62, Fisher p < .05 for 99.8 %, < 1e-6 for 87 %, median 1e-11; real .917 and .963."""
    real, dealt = (sham[sham["set"] == f"{name} classes"] for name in ("real", "sham"))
    assert dealt["raw_r"].mean() == pytest.approx(0.62, abs=0.015)
    assert (dealt["fisher"] < 0.05).mean() > 0.99 and (dealt["fisher"] < 1e-6).mean() == pytest.approx(0.87, abs=0.04)
    assert np.log10(dealt["fisher"].median()) == pytest.approx(-11, abs=1)
    assert real["raw_r"].mean() == pytest.approx(0.917, abs=0.0006)
    assert real["corrected_r"].mean() == pytest.approx(0.963, abs=0.0006) and dealt["corrected_r"].isna().all()
    covariance = sure.sham_covariance(answers, rng=rng(), deals=8)
    assert abs(covariance.mean()) < 3 * covariance.std(ddof=1) / np.sqrt(8)
    assert abs(covariance.mean()) < 0.05 * dealt["raw_covariance"].mean() < real["corrected_covariance"].mean()


def test_the_interval_holds_the_corrected_correlation(answers, sham):
    low, high = sure.corrected_interval(answers, rng=rng(), draws=100)
    assert low < sham["corrected_r"].mean() < high < low + 0.02


def test_regressions_are_those_of_the_reference(matched, regressions):
    """STATISTICS 7: -.068 cross-fitted; the mirror has the other sign (drop 19.2 points against 11.6 overall)."""
    loss = regressions.set_index("selection")
    assert loss.loc["cross-fitted", "value"] == pytest.approx(-0.068, abs=0.004)
    assert (loss["low"] <= loss["value"]).all() and (loss["value"] <= loss["high"]).all()
    assert (loss.loc[["no shift", "naive", "cross-fitted"], "high"] < 0).all() and loss.loc["mirror", "low"] > 0
    made = (loss["clean_weak"] - loss["shift_weak"]) - (loss["clean_rest"] - loss["shift_rest"])
    assert made.to_numpy() == pytest.approx(loss["value"].to_numpy())


def test_without_shift_a_cross_fit_would_show_nothing(matched):
    """The first row shows noise: a group chosen on other images, here the shifted ones, has equal halves."""
    pair = matched.counts
    half = pair["nc"] // 2
    k = rng().hypergeometric(pair["kc"], pair["nc"] - pair["kc"], half)
    weak = np.argsort(pair["ks"] / pair["ns"], axis=1)[:, :50]
    first, second = (np.take_along_axis(each / half, weak, axis=1).mean() for each in (k, pair["kc"] - k))
    assert first == pytest.approx(second, abs=0.005)


def test_shares_of_the_runs_are_those_of_the_reference(spread):
    """STATISTICS 10: run share, and the coherent part of it, of the ten runs of each representation."""
    expected = [0.70, 0.68, 0.32, 0.33, 0.40, 0.43, 0.84, 0.21, 0.31, 0.28]
    assert spread["share"].round(2).tolist() == pytest.approx(expected, abs=0.011)
    coherent = (spread["whole_class"] / spread["share"]).round(2)
    assert coherent[:5].between(0.56, 0.82).all() and coherent[6] == pytest.approx(0.88, abs=0.01)
    assert coherent[[5, 7, 8, 9]].between(0.16, 0.36).all()
    assert (spread[["whole_class", "single_items", "test_items"]].sum(axis=1) - 1).abs().max() < 1e-12
    assert ((spread["low"] < spread["share"]) & (spread["share"] < spread["high"])).all()


def test_comparison_is_that_of_the_reference(comparison):
    """STATISTICS 8: sign 567/247, nominal 39/7, BH 0/0; 813/89, 149/3, 14/0; BH 176/0; sd .034, about 26 % worse."""
    counts = [tuple(pair) for pair in comparison[["better", "worse"]].to_numpy()]
    assert counts[:6] == [(567, 247), (39, 7), (0, 0), (813, 89), (149, 3), (14, 0)] and counts[8] == (176, 0)
    first = comparison.iloc[0]
    assert first["true_sd"] == pytest.approx(0.034, abs=0.0005) and first["mean"] == pytest.approx(0.022, abs=0.0005)
    assert first["truly_worse"] == pytest.approx(0.26, abs=0.005)
    for end in ("true_sd", "truly_worse"):
        low, high = ("low", "high") if end == "true_sd" else ("worse_low", "worse_high")
        assert ((comparison[low] < comparison[end]) & (comparison[end] < comparison[high])).all()


def test_ranks_are_those_of_the_reference(answers):
    """STATISTICS 8: tau of p5 .904, of the minimum .547; one flip of worst-50 is beyond joint bootstrap noise."""
    table = sure.rank_table(answers, rng=rng(), draws=60).set_index("measure")
    assert table.loc["p5", "tau"] == pytest.approx(0.904, abs=0.0006)
    assert table.loc["minimum", "tau"] == pytest.approx(0.547, abs=0.0006)
    single = table.loc[["p5", "minimum"]]
    assert single[["beyond_noise", "undecided"]].isna().all(axis=None) and (single["flips"] > 0).all()
    worst = table.loc["mean of the 50 weakest"]
    assert worst["beyond_noise"] <= 4 < worst["flips"] < worst["undecided"] and worst["pairs"] == 2016


def test_single_pairs_are_read_only_where_both_networks_err_alike(answers):
    """Known truth, one posterior draw a network: how far may the biases of a pair differ, in its standard errors?"""
    random, total = rng(), len(answers.classes)
    k, n = split.class_counts(answers.right, answers.class_index, total)
    bias, spread = [], []
    for row in k:
        (true,) = extremes.posterior_draws(row, n, extremes.fit_g(row, n), 1, random)
        again = extremes.tail_functionals(random.binomial(n, true, (100, total)) / n, 50)
        bias.append(again.mean(axis=0) - extremes.tail_functionals(true, 50))
        spread.append(again.var(axis=0, ddof=1))
    bias, spread = np.array(bias), np.array(spread)
    first, second = np.triu_indices(len(k), 1)
    apart = np.abs(bias[first] - bias[second]) / np.sqrt(spread[first] + spread[second])
    far = dict(zip(extremes.TAIL, np.quantile(apart, 0.95, axis=0), strict=True))
    assert sure.BIASED_ALIKE == ("worst_q",) and far["worst_q"] < 0.85 < 1 < min(far["p5"], far["minimum"])


def test_summary_fits_a_notebook(extreme, ties, sham, regressions, spread, comparison):
    lines = sure.summary(
        extreme=extreme,
        ties=ties,
        sham=sham,
        covariance=np.array([-0.2, 0.1]),
        interval=(0.959, 0.967),
        regressions=regressions,
        spread=spread,
        comparison=comparison,
    )
    assert lines.map(len).to_numpy().max() <= pd.get_option("display.max_colwidth")
    assert set(lines["for"]) <= {"S", "C", "G"} and "36.9, ties allow 34 to 41" in set(lines["holds"])
    assert lines.iloc[-1]["naive"] == "247" and lines.iloc[-1]["holds"].startswith("named 0; share 0.26 [")


def test_every_figure_draws_its_table(extreme, ties, sham, regressions, spread, comparison):
    drawn = {"winners_curse": extreme, "ties": ties, "sham": sham, "regressions": regressions}
    for name, table in (drawn | {"runs": spread, "comparison": comparison}).items():
        figure = figures.show(f"fig07_{name}", table)
        assert figure.axes and "{" not in figure.caption


def test_what_the_notebook_advises_is_there():
    """Every function that its last table names exists in `analysis.measure`."""
    book = nbformat.read(ROOT / "notebooks" / "07_how_sure_are_we.ipynb", as_version=4)
    (advice,) = [cell.source for cell in book.cells if cell.source.startswith("## What to do instead")]
    last = [line.split("|")[-2] for line in advice.splitlines() if line.startswith("| ")][1:]
    assert len(last) == 7
    for cell in last:
        first, *others = re.findall(r"`([\w.]+)`", cell)
        module, name = first.split(".")
        names = [f"{module}.{name}", *(each if "." in each else f"{module}.{each}" for each in others)]
        for module, name in (each.split(".") for each in names):
            assert callable(getattr(importlib.import_module(f"analysis.measure.{module}"), name))


def test_plug_in_and_null_are_of_the_same_items(few, extreme):
    k, n = split.class_counts(few.right, few.class_index, len(few.classes))
    overall = dict(zip(few.models, k.sum(axis=1) / n.sum(), strict=True))
    assert extreme["overall"].to_numpy() == pytest.approx(extreme["model"].map(overall).to_numpy())
    lowest = extreme[(extreme["statistic"] == "minimum") & (extreme["reading"] == "plug-in")].set_index("model")[
        "value"
    ]
    assert lowest.to_dict() == pytest.approx(dict(zip(few.models, (k / n).min(axis=1), strict=True)))
