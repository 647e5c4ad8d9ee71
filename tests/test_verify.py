"""`analysis verify` sees every damaged, missing and foreign file, says what to do, and makes again what it can."""

import hashlib
import json
import os
import random

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from analysis import claims, cli, files, models, own, paths, publish, receipts, rows, sources, store, tables, verify
from analysis.errors import InputError, guarded
from analysis.figures import registry

NOTEBOOK = "01_imagenet_per_class_accuracy"  # any that there is
SHIPPED = ("class_counts.parquet", "correct/cifar10.parquet", "models.csv", "sources.csv", "paper/printed.csv")
OWN = ("class_counts.parquet", "confusions.parquet", "correct/own.parquet")
CONTENT = bytes(range(256))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Two shipped models, an own one from the store, a published file, a figure with its receipt: folder and files."""
    folder = tmp_path_factory.mktemp("machine")
    with pytest.MonkeyPatch.context() as monkeypatch:
        _make(folder, monkeypatch)
        yield folder, {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def machine(made):
    """The folder, every file as it was made."""
    folder, content = made
    for path in folder.rglob("*"):
        if path.is_file() and path not in content:
            path.unlink()
    for path, good in content.items():
        if not path.is_file() or path.read_bytes() != good:
            path.write_bytes(good)
    models.forget()
    yield folder
    models.forget()


def _make(folder, monkeypatch):
    for name in ("DATA", "CACHE", "FIGURES", "BUILD"):
        monkeypatch.setenv(f"ANALYSIS_{name}_DIR", str(folder / name.lower()))
    monkeypatch.delenv("ANALYSIS_MIRROR", raising=False)
    data = paths.data()
    found = rows.Rows(lambda: None)
    item_id, label = np.array([f"i{number}" for number in range(6)], dtype=object), np.array([0, 0, 1, 1, 2, 2])
    for model, pred in (("lib/a", [0, 0, 1, 1, 2, 0]), ("lib/b", [1, 0, 1, 1, 2, 2])):
        found.add(sources.Predictions("cifar10", model, item_id, label, np.array(pred), n_classes=10))
    tables.write_counts(found.counts_frame(), data / "class_counts.parquet")
    tables.write_confusions(found.confusions_frame(), data / "confusions.parquet")
    for family, frame in found.correct.frames():
        tables.write_correct(frame, data / "correct" / f"{family}.parquet")
    known = own.MODEL | {"source": "lib", "is_network": True, "in_claims": True}
    frame = pd.DataFrame([known | {"model": model, "name": model} for model in ("lib/a", "lib/b")])
    tables.write_csv(frame.reindex(columns=tables.CSV["models"]), "models")
    row = {"dataset": "cifar10", "label_space": "cifar10", "items": 6, "classes": 3, "shift_of": "", "note": ""}
    tables.write_csv(pd.DataFrame([row | {"per_item": True}]), "datasets")
    spaces = {"label_space": "cifar10", "class_id": range(10), "wnid": "", "name": list("abcdefghij"), "superclass": ""}
    tables.write_csv(pd.DataFrame(spaces), "classes")
    row = ("o+r/a.bin", "https://example.org/o/r/a.bin", hashlib.sha256(CONTENT).hexdigest(), len(CONTENT), "MIT", "x")
    tables.write_csv(pd.DataFrame([row], columns=list(tables.CSV["sources"])), "sources")
    files.write_text(data / "paper" / "printed.csv", "item,printed\nTable 1,83.378\n")
    by_hand = ("sources.csv", "paper/printed.csv")
    files.write_text(data / "SHA256SUMS", "".join(f"{files.sha256(data / name)}  {name}\n" for name in by_hand))
    listed = [path.relative_to(data).as_posix() for path in data.rglob("*.*") if path.is_file()]
    listed = {name: {"sha256": files.sha256(data / name)} for name in listed if name not in by_hand}
    files.write_text(data / "PROVENANCE.json", json.dumps({"files": listed}))
    files.write_bytes(paths.raw() / "o+r" / "a.bin", CONTENT)
    recipe = {"kind": "image", "dataset": "own:pets", "model": {"id": "local/net", "weights": "0"}, "items": "0"}
    ranks, confidence = np.array([0, 0, 0, 0, 0, 1]), np.linspace(0.5, 1, 6)
    table = store.Table(item_id, label, np.array([0, 0, 1, 1, 2, 0]), confidence, ranks)
    entry = store.put(recipe, table, about={"n_classes": 3})
    own.add([own.from_store(entry)], [{"model": "local/net", "name": "mine", "family": "ViT", "year": 2020}])
    monkeypatch.setitem(registry.FIGURES, "made", _drawing())
    written = registry.save("made", pd.DataFrame({"x": [0.0, 1.0], "y": [1.0, 3.0]}), notebook=NOTEBOOK, inputs=[
        data / "class_counts.parquet", paths.own() / "class_counts.parquet"])  # fmt: skip
    receipt = {"run": "1", "outputs": {str(path): files.sha256(path) for path in written}}
    files.write_text(paths.build() / "receipts" / f"{NOTEBOOK}.json", json.dumps(receipt))


def _drawing():
    def draw(table, figure):
        figure.subplots().plot(table["x"], table["y"])

    return registry.Drawing("made", draw, ("x", "y"), (), 2.0, 1.5, "A line.")


def entry_path():
    return store.entries()[0].path


def victims():
    """Every kind of file: how it is found, exit code, and whether a repair makes it right again."""
    found = {f"shipped {name}": (lambda name=name: paths.data() / name, 4, False) for name in SHIPPED}
    found |= {f"own {name}": (lambda name=name: paths.own() / name, 3, True) for name in OWN}
    for suffix, again in ((".csv", False), (".json", False), (".pdf", True), (".png", True)):
        found[f"figure {suffix}"] = (lambda suffix=suffix: paths.figures() / f"made{suffix}", 3, again)
    found["store table"] = (entry_path, 4, False)
    found["store record"] = (lambda: entry_path().with_suffix(".json"), 4, False)
    found["published file"] = (lambda: paths.raw() / "o+r" / "a.bin", 4, False)
    return found


VICTIMS = victims()


def test_all_is_well(machine):
    report = verify.verify()
    assert report.findings == [] and report.code == 0
    assert report.checked == {
        "shipped tables": 8, "published files": 1, "store entries": 1, "own tables": 5, "files of figures": 4,
    }  # fmt: skip
    assert report.summary().endswith("; all well")


@pytest.mark.parametrize("victim", VICTIMS)
def test_a_flipped_bit_is_found_wherever_it_is(machine, victim):
    """4 flips a kind of file: the finding names the file, the code says whose it is, nothing is changed."""
    find, code, _ = VICTIMS[victim]
    path, rng = find(), random.Random(victim)
    good = path.read_bytes()
    for _ in range(4):
        at, bit = rng.randrange(len(good)), rng.randrange(8)
        flipped = good[:at] + bytes([good[at] ^ 1 << bit]) + good[at + 1 :]
        path.write_bytes(flipped)
        report = verify.verify()
        named = [finding for finding in report.findings if path.stem in finding.where]
        assert named and report.code == code, (at, bit)
        assert all(finding.own == (code == 3) for finding in named)
        assert path.read_bytes() == flipped and not list(machine.rglob("*.bad-*"))
    path.write_bytes(good)
    assert verify.verify().code == 0


@pytest.mark.parametrize("victim", VICTIMS)
@pytest.mark.parametrize("damage", ["flipped", "cut", "missing"])
def test_repair_makes_again_what_it_can_and_keeps_the_rest(machine, victim, damage):
    find, code, again = VICTIMS[victim]
    path = find()
    good = path.read_bytes()
    bad = {"flipped": good[:-9] + bytes([good[-9] ^ 1]) + good[-8:], "cut": good[: len(good) // 2]}.get(damage)
    path.write_bytes(bad) if bad else path.unlink()
    if damage == "missing" and victim in ("store record", "published file"):
        assert verify.verify().code == 0  # there is none, then: nobody needs to have it
        return
    if damage == "missing" and victim == "shipped sources.csv":
        code = 4
    elsewhere = victim.startswith(("shipped", "published"))  # git and the servers have it: nothing is repaired here
    report = verify.verify(repair=True)
    if again:
        assert report.code == 0 and path.read_bytes() == good, report.findings
        assert verify.verify().findings == []
    else:
        assert report.code == code
        gone = [finding for finding in verify.verify().findings if finding.own]
        assert elsewhere or all("made it" in str(one) or "reproduce" in str(one) for one in [*report.findings, *gone])
    if bad and not elsewhere:  # evidence
        kept = [other.read_bytes() for other in machine.rglob("*.bad-*") if other.name.startswith(path.name)]
        assert kept == [bad]
    if elsewhere:
        assert not list(machine.rglob("*.bad-*")) and (not bad or path.read_bytes() == bad)


def test_repair_waits_for_the_shipped_tables(machine):
    """Own tables are written beside the shipped ones: where those are damaged, nothing is written."""
    for path in (paths.data() / "class_counts.parquet", paths.own() / "confusions.parquet"):
        path.write_bytes(path.read_bytes()[:-1])
    assert verify.verify(repair=True).code == 4 and not list(machine.rglob("*.bad-*"))


def test_own_rows_without_an_entry_are_named_as_lost(machine):
    entry_path().with_suffix(".json").unlink()
    (paths.own() / "class_counts.parquet").write_bytes(b"PAR1")
    report = verify.verify(repair=True)
    assert report.code == 3 and "not in the store: local/net on own:pets" in str(report.findings[0])


def test_own_counts_that_are_not_those_of_the_store_are_found(machine):
    path = paths.own() / "class_counts.parquet"
    frame = tables.read_counts(models=["local/net"])
    before, frame["correct"] = path.read_bytes(), [2, 2, 2]
    tables.write_counts(frame, path)  # a whole file, sealed, with another number
    report = verify.verify()
    # The figure was drawn from the old file.
    assert [finding.where.rsplit("/", 1)[1] for finding in report.findings] == ["class_counts.parquet", "made.json"]
    assert "local/net on own:pets: other counts than in the store" in report.findings[0].what
    assert verify.verify(repair=True).findings[0].whole and path.read_bytes() == before
    assert verify.verify().code == 0


def test_facts_that_a_user_gave_outlive_a_repair(machine):
    (paths.own() / "confusions.parquet").write_bytes(b"")
    assert verify.verify(repair=True).code == 0
    row = tables.read_csv("models", paths.own() / "models.csv").iloc[0]
    assert (row["name"], row["family"], row["year"]) == ("mine", "ViT", 2020)


def test_a_shipped_row_among_the_own_ones_is_found(machine):
    tables.write_counts(tables.read_counts(models=["lib/a"]), paths.own() / "class_counts.parquet")
    report = verify.verify()
    assert report.code == 3 and "cifar10 lib/a: among the shipped rows" in report.findings[0].what


def test_an_own_table_that_breaks_a_rule_is_found(machine, monkeypatch):
    path = paths.own() / "class_counts.parquet"
    frame = tables._plain(tables._read_parquet(path, "class_counts").to_pandas())
    with monkeypatch.context() as unchecked:
        unchecked.setattr(tables, "_check", lambda *_: None)
        tables.write_counts(frame.assign(correct=99), path)
    report = verify.verify()
    assert report.code == 3 and "outside 0..n" in report.findings[0].what


@pytest.mark.parametrize(
    "find", [lambda: paths.build() / "receipts" / f"{NOTEBOOK}.json", lambda: paths.figures() / "made.json"]
)
def test_a_receipt_or_origin_that_cannot_be_read_is_found(machine, find):
    find().write_text("{", encoding="utf-8")
    assert any(each.what == "not readable" and each.where in str(find()) for each in verify.verify().findings)


def test_what_was_changed_after_its_run_is_neither_drawn_nor_gathered(machine):
    about = {"dataset": "d", "labels": "original", "models": "m", "verdict": "not run", "reason": "why"}
    said = claims.write("n", [claims.row("F1", **about)], paths.figures() / "tables" / "claims")
    points, receipt = paths.figures() / "made.csv", receipts.path_of(NOTEBOOK)
    text = receipt.read_text(encoding="utf-8")
    listed = json.dumps({"outputs": json.loads(text)["outputs"] | {str(said): files.sha256(said)}})
    for path, read in {points: lambda: registry.redraw("made"), said: claims.gathered}.items():
        good = path.read_bytes()
        receipt.write_text(listed, encoding="utf-8")
        path.write_bytes(good.replace(b"3.0", b"4.0").replace(b"why", b"who"))
        with pytest.raises(InputError, match=f"{path.name}: not the file that the last run wrote; delete it, then"):
            read()
        later = receipts.path_of("02_weak_class_overlap")
        later.write_text(json.dumps({"outputs": {str(path): files.sha256(path)}}), encoding="utf-8")
        os.utime(receipt, (0, 0))
        read()  # another notebook has written it since
        later.unlink()
        for unknown in ("{", text.replace(str(path), "elsewhere")):  # no receipt of it: a file like any other
            receipt.write_text(unknown, encoding="utf-8")
            read()
        receipt.write_text(listed, encoding="utf-8")
        path.write_bytes(good)
        read()


def test_a_notebook_that_runs_again_writes_other_points(machine, monkeypatch):
    monkeypatch.setattr(tables, "_READ", set())  # other tests read files that are gone
    for last in (3.0, 4.0):
        publish(NOTEBOOK, figures={"made": pd.DataFrame({"x": [0.0, 1.0], "y": [1.0, last]})})
        assert registry.redraw("made") and str(last) in (paths.figures() / "made.csv").read_text(encoding="utf-8")


def test_a_class_that_the_label_space_does_not_have_is_found(machine):
    frame = tables.read_counts(models=["lib/a"]).assign(model="local/other", class_id=[3, 4, 5, 6, 7, 8, 9, 10, 11, 12])
    tables.write_counts(frame, paths.own() / "class_counts.parquet")
    report = verify.verify()
    assert report.code == 3 and "class_id 10 is no class of cifar10" in report.findings[0].what
    with pytest.raises(InputError, match="class_id 10 is no class of cifar10"):
        tables.read_counts()


@pytest.mark.parametrize(
    ("name", "code"), [("data/predictions/x.parquet", 4), ("data/old.csv", 4), ("data/own/notes.txt", 3)]
)
def test_a_foreign_file_is_found(machine, name, code):
    files.write_bytes(machine / name, b"x")
    report = verify.verify(repair=True)
    assert report.code == code and name in str(report.findings[0]) and "move it elsewhere" in str(report.findings[0])
    assert (machine / name).read_bytes() == b"x"


@pytest.mark.parametrize("name", ["PROVENANCE.json", "SHA256SUMS"])
@pytest.mark.parametrize("text", ["{", '{"files": {"a": 1}}', '{"files": [1]}', "[" * 9999, "\0", "x  y\n"])
def test_a_lock_that_cannot_be_read_is_found(machine, name, text):
    (paths.data() / name).write_text(text, encoding="utf-8")
    report = verify.verify()
    assert report.code == 4 and f"{name}: missing or not readable" in str(report.findings[0])


def test_a_figure_drawn_from_other_tables_is_outdated(machine):
    origin = paths.figures() / "made.json"
    text = origin.read_text(encoding="utf-8")
    digest = files.sha256(paths.data() / "class_counts.parquet")
    origin.write_text(text.replace(digest, "0" * 64), encoding="utf-8")
    found = [str(finding) for finding in verify.verify().findings]
    assert any("drawn from another data/class_counts.parquet; make reproduce" in line for line in found)


def test_what_was_set_aside_is_no_finding_and_stays(machine):
    aside = files.set_aside(entry_path())
    assert [finding.own for finding in verify.verify(repair=True).findings] == [False]
    assert aside.exists() and verify.verify().code == 0


def test_the_command_says_one_line_a_finding_and_a_summary(machine, capsys):
    def run(*options):
        result = CliRunner().invoke(cli.cli, ["verify", *options])

        def again():
            if result.exception:
                raise result.exception

        return guarded(again), result.stdout.splitlines(), capsys.readouterr().err

    assert run() == (0, [verify.verify().summary()], "")
    (paths.own() / "confusions.parquet").write_bytes(b"PAR1")
    (paths.figures() / "made.png").unlink()
    code, lines, said = run()
    assert code == 3 and len(lines) == 2 and said.startswith("error[verify] checked ") and said.count("\n") == 1
    assert "data/own/confusions.parquet: damaged or not a table of this project; analysis verify --repair" in lines[0]
    code, lines, said = run("--repair")
    assert code == 0 and len(lines) == 3 and lines[-1].endswith("2 findings, 2 made again") and not said
    (paths.data() / "models.csv").write_bytes(b"")
    assert run("--repair")[0] == 4
