"""The rules and the verdicts that follow from them."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis import claims, paths
from analysis.errors import IntegrityError, UsageError
from analysis.readme import table as markdown
from analysis.show import effect, number


@pytest.fixture
def figures(tmp_path, monkeypatch):
    monkeypatch.setenv("ANALYSIS_FIGURES_DIR", str(tmp_path))
    return tmp_path


def _row(**values):
    about = {"dataset": "imagenet-val", "labels": "original", "models": "four-families"} | values
    return claims.row("F2r", verdict="reproduced", effect=0.9, ci_low=0.85, ci_high=0.95, **about)


def test_the_rules_are_those_of_the_first_commit():
    """The rules as committed before any table, but for one word: the second part of C-ii, which nothing has run yet,
    had its sign the wrong way round ("ReaL disagreement"). A new digest needs such a decision, written down here."""
    assert claims.rules_digest() == "68e23113fb04a4b986a132cc53d3a1962c4220ec3196947e7ac15afd4c3f17d4"


@pytest.mark.parametrize(
    ("interval", "verdict"),
    [
        ((0.71, 0.9), "reproduced"),
        ((0.5, 0.69), "contradicted"),
        ((0.6, 0.8), "cannot tell"),
        ((0.7, 0.9), "cannot tell"),
    ],
)
def test_one_part(interval, verdict):
    assert claims.judge("F2r", [interval], n_classes=1000) == (verdict, "")


@pytest.mark.parametrize(
    ("overlap", "multiple", "verdict"),
    [
        ((0.7, 0.9), (6, 9), "reproduced"),
        ((0.7, 0.9), (1, 2), "contradicted"),
        ((0.1, 0.3), (6, 9), "contradicted"),
        ((0.5, 0.9), (6, 9), "cannot tell"),
        ((0.5, 0.9), (1, 2), "contradicted"),
    ],
)
def test_two_parts_need_both(overlap, multiple, verdict):
    assert claims.judge("F2o", [overlap, multiple], n_classes=1000)[0] == verdict


def test_every_scale_of_a_loss_has_its_own_smallest_effect():
    assert claims.judge("F3D", [(0.04, 0.1)], n_classes=1000, scale="points")[0] == "reproduced"
    assert claims.judge("F3D", [(0.04, 0.1)], n_classes=1000, scale="logit")[0] == "contradicted"


def test_too_few_classes_give_no_verdict():
    verdict, reason = claims.judge("F3D", [(0.5, 0.9)], n_classes=10, scale="points")
    assert verdict == "cannot tell" and "10 classes" in reason


def test_a_missing_part_is_refused():
    with pytest.raises(ValueError, match="2 parts, 1 intervals"):
        claims.judge("F1", [(0.1, 0.2)], n_classes=1000)


@given(st.floats(-1, 1), st.floats(0, 1), st.floats(-1, 1))
def test_a_verdict_never_rests_on_an_interval_that_holds_the_limit(low, width, mei):
    verdict = claims.part_verdict(low, low + width, mei)
    assert (verdict == "cannot tell") == (low <= mei <= low + width)


def test_nan_is_no_evidence():
    assert claims.part_verdict(math.nan, math.nan, 0.7) == "cannot tell"


def test_combine_adds_what_was_not_run_and_puts_primary_first(figures):
    claims.write("02", [_row(models="networks"), _row()], figures / "tables" / "claims")
    rows = claims.combine()
    assert list(rows.columns) == list(claims.COLUMNS)
    assert rows["role"].tolist() == sorted(rows["role"])
    run = rows[rows["verdict"] == "reproduced"]
    assert set(run["models"]) == {"networks", "four-families"}
    absent = rows[rows["verdict"] == "not run"]
    assert len(absent) == len(claims.NOT_RUN) and absent["reason"].str.len().min() > 0
    again = pd.read_csv(figures / "tables" / "claims.csv", keep_default_na=False)
    assert len(again) == len(rows)


def test_a_row_of_a_notebook_takes_the_place_of_not_run(figures):
    row = claims.row("C-i", dataset="imagenet-val", labels="original", models="four-families", verdict="contradicted")
    claims.write("99", [row], figures / "tables" / "claims")
    rows = claims.combine()
    assert rows[rows["claim"] == "C-i"]["verdict"].tolist() == ["contradicted"]


def test_one_key_twice_is_refused(figures):
    claims.write("02", [_row()], figures / "tables" / "claims")
    claims.write("03", [_row()], figures / "tables" / "claims")
    with pytest.raises(IntegrityError, match="two rows"):
        claims.combine()


def test_no_run_yet_says_what_to_do(figures):
    with pytest.raises(UsageError, match="make reproduce"):
        claims.combine()


def test_an_unknown_column_is_refused():
    with pytest.raises(ValueError, match="effet"):
        claims.row("F1", dataset="a", labels="b", models="c", effet=1)


def test_numbers_for_people():
    assert number(np.nan) == "" and number("") == "" and number(0.5) == "0.5" and number(348.2) == "348"
    absent = claims.row("C-i", dataset="d", labels="l", models="m", verdict="not run", reason="no features")
    text = markdown(pd.DataFrame([_row(), absent]))
    assert "| **F2r** " in text and "0.9 [0.85, 0.95]" in text and "Not run: C-i on d: no features." in text
    assert text.count("\n| **") == 1
    assert effect({"effect": 1.0, "ci_low": np.nan, "ci_high": np.nan}) == "1"


def test_paths_are_shown_relative_to_the_repository():
    assert paths.shown(paths.ROOT / "README.md") == "README.md"
