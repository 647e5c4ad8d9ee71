"""`analysis claims --why`: sentences that follow from rule and row, and the rule's history from version control."""

import subprocess
from pathlib import Path

import pytest

from analysis import claims, paths, reasoning
from analysis.errors import UsageError

ABOUT = {"dataset": "imagenet-val", "labels": "original", "models": "four-families", "n_classes": 1000, "n_models": 4}
V2 = ABOUT | {"dataset": "imagenetv2-matched-frequency", "models": "nets45", "n_models": 45}
F2R = {"effect": 0.9, "ci_low": 0.85, "ci_high": 0.95, "null": 0.0, "naive": 0.6, "reason": "lowest pair 0.8"}
F3D = {"effect": -0.068, "ci_low": -0.1, "ci_high": -0.03, "null": 0.0, "naive": -0.12, "reason": "mirror +0.078"}


@pytest.fixture
def written(tmp_path, monkeypatch):
    """`written(rows)` are what the notebooks left."""
    monkeypatch.setenv("ANALYSIS_FIGURES_DIR", str(tmp_path / "figures"))

    def put(*rows):
        claims.write("99", list(rows), tmp_path / "figures" / "tables" / "claims")

    return put


def _row(claim, values, verdict, **about):
    return claims.row(claim, **(values | V2 | about), verdict=verdict)


def _flat(found) -> str:
    return " ".join(str(found).split())


def test_it_says_rule_result_null_naive_figure_and_verdict(written):
    written(
        _row("F3D", F3D, "contradicted", scale="points"),
        _row("F3D", F3D, "cannot tell", scale="ratio"),
        _row("F3D", F3D, "contradicted", scale="logit"),
    )
    text = _flat(claims.why("F3D"))
    assert text.startswith("F3D: Classes weak on clean data lose more under shift (loss).")
    for part in claims.RULES["F3D"]["parts"]:
        assert part["effect"] in text
    assert claims.RULES["F3D"]["method"] in text and claims.RULES["F3D"]["models"] in text
    assert "0.03 in points, 0.03 in ratio, 0.2 in logit" in text and "fresh classes and fresh items (G)" in text
    assert "-0.068 with interval [-0.1, -0.03] (G), where the null gives 0" in text
    assert "wholly below the smallest effect of interest, 0.03: contradicted" in text
    assert "mirror +0.078" in text and "A naive reading of -0.12 also says contradicted" in text
    assert "no evidence by itself: the weak classes were chosen" in text
    assert "No verdict here says that weak classes are robust" in text
    assert "2 secondary rows: 1 contradicted (" in text and "1 cannot tell (" in text
    assert text.index("Primary.") < text.index("secondary rows") < text.index("Not run:") < text.index("Rules: sha256")
    assert f"sha256 {claims.rules_digest()}" in text


@pytest.mark.parametrize(
    ("values", "verdict", "words"),
    [
        ({}, "reproduced", "wholly above the smallest effect of interest, 0.7: reproduced"),
        ({"ci_low": 0.6}, "cannot tell", "on both sides of the smallest effect of interest, 0.7: cannot tell"),
        ({"ci_low": 0.1, "ci_high": 0.2}, "contradicted", "wholly below the smallest effect of interest, 0.7"),
        ({"n_classes": 10}, "cannot tell", "describes 10 classes; a verdict needs 20"),
        ({"naive": 0.9}, "reproduced", "of 0.9 also says reproduced"),
        ({"naive": 0.6}, "reproduced", "of 0.6 says contradicted"),
    ],
)
def test_how_a_verdict_follows(written, values, verdict, words):
    written(claims.row("F2r", **(ABOUT | F2R | values), verdict=verdict))
    assert words in _flat(claims.why("F2r"))


def test_a_verdict_that_one_interval_does_not_make_names_the_rest_of_the_rule(written):
    """Every verdict that `judge` can give is told without contradicting itself."""
    loss = F3D | {"ci_low": 0.05, "ci_high": 0.1}
    written(
        _row("F3D", loss, "cannot tell", scale="points"),
        claims.row("F1", **(ABOUT | F2R | {"ci_low": 30, "ci_high": 40, "naive": 3}), verdict="contradicted"),
        claims.row("F2o", **(ABOUT | F2R), verdict="reproduced"),
    )
    text = _flat(claims.why("F3D"))
    assert "which alone would mean reproduced; what the rule asks besides makes it: cannot tell" in text
    text = _flat(claims.why("F1"))
    assert "as a share of the classes [0.03, 0.04], lies wholly above the smallest effect of interest, 0.01" in text
    assert "alone would mean reproduced; the other part of the rule makes it: contradicted" in text
    assert "for this part; the other part agrees: reproduced" in _flat(claims.why("F2o"))


def test_one_data_set_shows_all_its_rows_in_full(written):
    written(_row("F3D", F3D, "contradicted", scale="points"), _row("F3D", F3D, "cannot tell", scale="ratio"))
    text = _flat(claims.why("F3D", "imagenetv2-matched-frequency"))
    assert text.count("Computed:") == 2 and text.index("Primary.") < text.index("Secondary.")
    text = _flat(claims.why("F3D", dataset="imagenet-r"))
    assert "not run, because ImageNet-R is scored among 200 classes" in text and "Computed" not in text


def test_case_does_not_matter_and_mistakes_name_what_there_is(written):
    written(_row("F3D", F3D, "contradicted", scale="points"))
    assert claims.why("f3d").claim == "F3D"
    with pytest.raises(UsageError, match=r"'F9': no such claim; one of F1, F2r, .* C-ii") as fault:
        claims.why("F9")
    assert fault.value.code == 2
    with pytest.raises(UsageError, match=r"no row of F3D; one of .*imagenetv2-matched-frequency"):
        claims.why("F3D", "imagenet")


def test_before_any_run_it_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("ANALYSIS_FIGURES_DIR", str(tmp_path))
    with pytest.raises(UsageError, match="make reproduce"):
        claims.why("F1")


def test_asking_writes_nothing(written, tmp_path):
    written(_row("F3D", F3D, "contradicted", scale="points"))
    before = sorted(tmp_path.rglob("*"))
    claims.why("F3D")
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("claim", claims.RULES)
def test_every_claim_has_its_sentences(written, claim):
    written(
        claims.row(
            claim, **(ABOUT | F2R | {"scale": "points"} if claim == "F3D" else ABOUT | F2R), verdict="cannot tell"
        )
    )
    found = claims.why(claim)
    assert claims.RULES[claim]["statement"] in str(found) and found._repr_markdown_().count("\n\n") >= 3
    assert max(map(len, str(found).splitlines())) <= reasoning.WIDTH
    if claims.RULES[claim]["parts"]:
        assert reasoning.MISLEADS[claim][:40] in _flat(found)


# ---- Since when a rule stands ----------------------------------------------------------------------------------------

RULES = {"F1": {"mei": 0.01}, "F2r": {"mei": 0.7}}


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """`commit(subject, **parts)` commits rules into a repository that takes the place of this one."""
    root = tmp_path / "repository"
    (root / "src").mkdir(parents=True)
    monkeypatch.setattr(paths, "ROOT", root.resolve())
    monkeypatch.setattr(reasoning, "_path", lambda: "src/claims.py")
    who = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "init", "-q", root], check=True)

    def commit(subject, text):
        (root / "src" / "claims.py").write_text(text, encoding="utf-8")
        subprocess.run(["git", "-C", root, "add", "."], check=True)
        subprocess.run(["git", "-C", root, *who, "commit", "-q", "-m", subject], check=True)
        asked = ["git", "-C", root, "log", "-1", "--format=%h"]
        return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()

    return commit


def _module(rules, primary=(), rest=""):
    return f"import os\nRULES = {rules!r}\nPRIMARY = {tuple(primary)!r}\n{rest}\nassert False, 'never run'\n"


@pytest.fixture
def now(monkeypatch):
    def stand(rules, primary=()):
        monkeypatch.setattr(claims, "RULES", rules)
        monkeypatch.setattr(claims, "PRIMARY", tuple(primary))

    return stand


def test_the_commit_is_the_one_since_which_this_rule_stands(repository, now):
    first = repository("First", _module(RULES))
    second = repository("Change another rule", _module(RULES | {"F2r": {"mei": 0.8}}))
    third = repository("Change nothing of the rules", _module(RULES | {"F2r": {"mei": 0.8}}, rest="x = 1"))
    now(RULES | {"F2r": {"mei": 0.8}})
    assert f"since commit {first} of " in reasoning.history("F1") and '"First"' in reasoning.history("F1")
    assert f"since commit {second} of " in reasoning.history("F2r") and third not in reasoning.history("F2r")


def test_a_rule_that_came_back_stands_since_it_came_back(repository, now):
    repository("First", _module(RULES))
    repository("Loosen", _module(RULES | {"F1": {"mei": 0}}))
    back = repository("Back", _module(RULES))
    now(RULES)
    assert f"since commit {back} of " in reasoning.history("F1")


def test_what_is_primary_belongs_to_the_rule(repository, now):
    repository("First", _module(RULES))
    second = repository("Name the primary row", _module(RULES, [("F1", "imagenet-val")]))
    now(RULES, [("F1", "imagenet-val")])
    assert second in reasoning.history("F1") and second not in reasoning.history("F2r")


def test_a_rule_that_is_not_committed_is_called_so(repository, now):
    repository("First", _module(RULES))
    now(RULES | {"F1": {"mei": 0.02}})
    assert "not in version control yet" in reasoning.history("F1")
    assert "not in version control yet" not in reasoning.history("F2r")


def test_a_commit_whose_rules_cannot_be_read_ends_the_walk(repository, now):
    repository("Not yet a program", "RULES = (\n")
    second = repository("First", _module(RULES))
    now(RULES)
    assert f"since commit {second} of " in reasoning.history("F1")


def test_a_cut_off_history_is_called_so(repository, now, tmp_path, monkeypatch):
    repository("First", _module(RULES))
    second = repository("Second", _module(RULES, rest="x = 1"))
    subprocess.run(["git", "clone", "-q", "--depth", "1", paths.ROOT.as_uri(), tmp_path / "clone"], check=True)
    monkeypatch.setattr(paths, "ROOT", (tmp_path / "clone").resolve())
    now(RULES)
    assert f"since commit {second} of " in reasoning.history("F1") and "or before" in reasoning.history("F1")


@pytest.mark.parametrize("why", ["no repository", "another around it", "no git"])
def test_without_the_history_one_line_says_so(repository, now, tmp_path, monkeypatch, why):
    now(RULES)
    if why == "no repository":
        monkeypatch.setattr(paths, "ROOT", tmp_path.resolve())
    elif why == "another around it":
        repository("First", _module(RULES))
        inside = paths.ROOT / "inside"
        inside.mkdir()
        monkeypatch.setattr(paths, "ROOT", inside)
    else:
        monkeypatch.setenv("PATH", str(tmp_path))
    text = reasoning.history("F1")
    assert "not here (no git checkout)" in text and claims.rules_digest() in text and "\n" not in text


def test_a_hook_that_points_git_elsewhere_does_not_matter(repository, now, tmp_path, monkeypatch):
    first = repository("First", _module(RULES))
    now(RULES)
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "nowhere"))
    assert first in reasoning.history("F1")


def test_the_path_is_that_of_the_rules():
    assert (paths.ROOT / reasoning._path()).resolve() == Path(claims.__file__).resolve()
