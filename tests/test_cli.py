"""Commands as a user types them: exit codes, one line for a mistake, quick help."""

import os
import subprocess
import sys

import pytest

from analysis import claims, paths


def _run(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "analysis", *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env=os.environ | environment,
        cwd=paths.ROOT,
    )


def test_class_by_name_and_by_id_are_the_same():
    by_name, by_id = _run("class", "laptop"), _run("class", "620")
    assert by_name.returncode == 0 and by_name.stdout == by_id.stdout
    assert "laptop" in by_name.stdout and "imagenetv2-top-images" in by_name.stdout and "notebook" in by_name.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["class", "crane"], 3, "134"),
        (["class", "no such thing"], 3, "no such thing"),
        (["class", "1000"], 3, "1000"),
        (["figures", "fig99"], 2, "fig01_class_curves"),
        (["nonsense"], 2, "nonsense"),
        (["figures", "--width", "wide"], 2, "wide"),
        (["claims", "--why", "F9"], 2, "F1, F2r, F2o, F3L, F3D, F4-1, F4-2, F4-2o, C-i, C-ii"),
        (["claims", "--why", "F1"], 2, "make reproduce"),
        (["claims", "--dataset", "imagenet-val"], 2, "--why"),
    ],
)
def test_a_mistake_is_one_line(arguments, code, words, tmp_path):
    done = _run(*arguments, ANALYSIS_FIGURES_DIR=str(tmp_path))
    lines = done.stderr.strip().splitlines()
    assert done.returncode == code and len(lines) == 1
    assert lines[0].startswith("error[") and words in lines[0] and "Traceback" not in done.stderr


def test_figures_before_any_run_say_what_to_do(tmp_path):
    done = _run("figures", ANALYSIS_FIGURES_DIR=str(tmp_path))
    assert done.returncode == 2 and "make reproduce" in done.stderr


def test_why_prints_the_same_as_python_and_writes_nothing(tmp_path):
    about = {"dataset": "imagenet-val", "labels": "original", "models": "four-families", "n_classes": 1000}
    values = {"effect": 0.9, "ci_low": 0.85, "ci_high": 0.95, "null": 0.0, "naive": 0.6, "n_models": 4, "reason": "x"}
    folder = tmp_path / "tables" / "claims"
    claims.write("02", [claims.row("F2r", **about, **values, verdict="reproduced")], folder)
    for more in ([], ["--dataset", "imagenet-val"]):
        done = _run("claims", "--why", "F2r", *more, ANALYSIS_FIGURES_DIR=str(tmp_path))
        assert done.returncode == 0, done.stderr
        assert "wholly above" in done.stdout and "Rules: sha256" in done.stdout
    done = _run("claims", "--why", "F2r", "--dataset", "nowhere", ANALYSIS_FIGURES_DIR=str(tmp_path))
    assert done.returncode == 2 and "imagenet-val" in done.stderr
    assert not (tmp_path / "tables" / "claims.csv").exists()


def test_no_tables_no_traceback(tmp_path):
    done = _run("class", "620", ANALYSIS_DATA_DIR=str(tmp_path))
    assert done.returncode == 4 and done.stderr.startswith("error[") and done.stderr.count("\n") == 1


def test_help_does_not_wait_for_pandas_or_matplotlib():
    code = "import sys; import analysis.cli; print([m for m in ('pandas', 'matplotlib', 'scipy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, encoding="utf-8")
    assert done.stdout.strip() == "[]", done.stderr


def test_ascii_locale_prints():
    done = _run("class", "laptop", LC_ALL="C", PYTHONCOERCECLOCALE="0", PYTHONUTF8="0")
    assert done.returncode == 0, done.stderr
