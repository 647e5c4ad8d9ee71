"""Runs of text classifiers: computed once, stopped and resumed, noise from one training, tables of this machine."""

import csv

import numpy as np
import pytest

from analysis import own, paths, store, tables
from analysis.cli import cli
from analysis.errors import UsageError
from analysis.text import classifiers, noise, runs

WORDS = {"fruit": "apple pear plum", "tools": "nail screw bolt", "pets": "dog cat horse"}


@pytest.fixture
def texts(tmp_path, monkeypatch):
    """A corpus of three classes in two CSV files; its name. Caches and own tables lie in `tmp_path`."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "shop"
    folder.mkdir()
    for part, n in (("train", 12), ("test", 8)):
        with open(folder / f"{part}.csv", "w", newline="", encoding="utf-8") as file:
            rows = csv.writer(file)
            rows.writerow(["text", "label"])
            for label, words in WORDS.items():
                for _ in range(n):
                    rows.writerow([" ".join(rng.choice(words.split(), 2)) + f" {rng.integers(1e6)}", label])
    monkeypatch.setenv("ANALYSIS_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(paths, "own", lambda: tmp_path / "own")
    return f"csv:{folder / 'train.csv'},{folder / 'test.csv'}"


@pytest.fixture
def trainings(monkeypatch):
    """How often a classifier was trained, as a list that grows."""
    done, train = [], classifiers.train

    def counted(plan, corpus):
        done.append(plan.model)
        return train(plan, corpus)

    monkeypatch.setattr(classifiers, "train", counted)
    return done


def test_a_finished_run_is_never_computed_twice(texts, trainings):
    first = runs.run(texts, ["tfidf-svm", "char-svm"], runs=2, into_own=False)
    assert trainings == ["text/tfidf-svm-0", "text/tfidf-svm-1", "text/char-svm-0", "text/char-svm-1"]
    assert [one.made for one in first] == [2, 2]
    again = runs.run(texts, ["tfidf-svm", "char-svm"], runs=3, into_own=False)
    assert trainings[4:] == ["text/tfidf-svm-2", "text/char-svm-2"]
    assert [(one.runs, one.made) for one in again] == [(3, 1), (3, 1)]


def test_a_stopped_command_goes_on_where_it_ended(texts, monkeypatch, trainings):
    train = classifiers.train

    def stopped(plan, corpus):
        if plan.run == 1:
            raise KeyboardInterrupt
        return train(plan, corpus)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(classifiers, "train", stopped)
        runs.run(texts, "tfidf-svm", runs=2, into_own=False)
    assert len(store.entries()) == 1
    (found,) = runs.run(texts, "tfidf-svm", runs=2, into_own=False)
    assert trainings == ["text/tfidf-svm-0", "text/tfidf-svm-1"]
    assert (found.runs, found.made) == (2, 1)


def test_noise_is_asked_of_the_classifier_that_is_trained(texts, trainings):
    (found,) = runs.run(texts, "tfidf-svm", runs=1, noise=["typo"], severities=[1, 5], into_own=False)
    assert (len(trainings), found.made) == (1, 3)
    entries = {entry.dataset: entry for entry in store.entries()}
    assert list(entries) == ["csv:shop/test", "csv:shop/test/typo/1", "csv:shop/test/typo/5"]
    right = [entry.n_right for entry in entries.values()]
    assert right[0] == 24 > right[2]
    clean, noisy = (entries[name].table() for name in ("csv:shop/test", "csv:shop/test/typo/5"))
    assert clean.item_id.tolist() == noisy.item_id.tolist()
    runs.run(texts, "tfidf-svm", runs=1, noise=["typo", "words"], severities=[1, 5], into_own=False)
    assert (len(trainings), len(store.entries())) == (2, 5)


def test_noise_needs_not_be_made_to_know_that_it_is_there(texts, monkeypatch):
    wanted = {"runs": 1, "noise": ["drop"], "severities": [2], "into_own": False}
    runs.run(texts, "char-svm", **wanted)
    monkeypatch.setattr(noise, "noisy", lambda *_: pytest.fail("made again"))
    assert runs.run(texts, "char-svm", **wanted)[0].made == 0


def test_cross_validation_answers_every_training_text_once_by_others(texts, trainings):
    (found,) = runs.run(f"{texts}-cv", "char-svm", runs=1, into_own=False)
    (entry,) = store.entries()
    table = entry.table()
    assert entry.dataset == "csv:shop/test-cv"
    assert table.item_id.tolist() == [str(row) for row in range(36)]
    assert np.bincount(table.label).tolist() == [12, 12, 12]
    assert found.accuracy > 0.9
    assert len(trainings) == 5
    with pytest.raises(UsageError, match="no noise"):
        runs.run(f"{texts}-cv", "char-svm", runs=1, noise=["typo"], into_own=False)


def test_damaged_answers_are_made_again(texts, trainings, capsys):
    runs.run(texts, "tfidf-svm", runs=1, into_own=False)
    (entry,) = store.entries()
    entry.path.write_bytes(entry.path.read_bytes()[:-1])
    (found,) = runs.run(texts, "tfidf-svm", runs=1, into_own=False)
    assert (found.made, len(trainings)) == (1, 2)
    assert "set aside" in capsys.readouterr().err


def test_answers_go_into_the_tables_of_this_machine(texts):
    runs.run(texts, "tfidf-svm", runs=2, noise=["typo"], severities=[5])
    counts = tables.counts("csv:shop/test", models=["text/tfidf-svm-0", "text/tfidf-svm-1"])
    assert counts.n.tolist() == [[8, 8, 8]] * 2
    assert counts.correct.tolist() == [[8, 8, 8]] * 2
    noisy = tables.read_csv("datasets", paths.own() / "datasets.csv").set_index("dataset").loc["csv:shop/test/typo/5"]
    assert (noisy["label_space"], noisy["shift_of"]) == ("csv:shop/test", "csv:shop/test")


def test_what_is_shipped_stays_out_of_the_own_tables(texts, monkeypatch):
    monkeypatch.setattr(own, "shipped", lambda dataset, model: model.endswith("-70"))
    runs.run(texts, "tfidf-svm", runs=(70, 71))
    assert set(tables.read_csv("models", paths.own() / "models.csv")["model"]) == {"text/tfidf-svm-71"}


def test_the_command_prints_one_line_a_classifier(texts, capsys):
    cli(["text", "--corpus", texts, "--classifier", "tfidf-svm", "char-svm", "--runs", "1", "--store-only"],
        standalone_mode=False)  # fmt: skip
    said = capsys.readouterr()
    assert [line.split(" (")[0] for line in said.out.splitlines()] == [
        "csv:shop/test tfidf-svm: accuracy 1.000, worst class 1.000",
        "csv:shop/test char-svm: accuracy 1.000, worst class 1.000",
    ]
    assert "text: 2 of 2 sets of answers" in said.err


@pytest.mark.parametrize(
    ("wanted", "line"),
    [
        ({"classifier": "bayes"}, r"error\[classifier\] bayes"),
        ({"noise": ["ocr"]}, r"error\[noise\] ocr"),
        ({"noise": ["typo"], "severities": [6]}, r"severity 6; 1 to 5"),
        ({"runs": 0}, r"error\[runs\]"),
    ],
)
def test_wrong_wishes_end_before_any_training(texts, trainings, wanted, line):
    with pytest.raises(UsageError, match=line):
        runs.run(texts, **({"classifier": "tfidf-svm", "into_own": False} | wanted))
    assert not trainings


def test_what_is_shipped_is_five_runs_of_five_classifiers_and_three_of_minilm():
    found = list(runs.shipped())
    assert len(set(found)) == len(found)
    clean = [pair for pair in found if "/" not in pair[0]]
    assert sum(pair[0] == "banking77" for pair in clean) == 5 * 5 + 3
    assert {model for dataset, model in found if dataset == "20news/words/5"} == {
        f"text/{name}-0" for name in ("tfidf-mlp", "tfidf-svm", "vectors-mlp", "fasttext")
    }
    assert sum(dataset.startswith("banking77/") for dataset, _ in found) == 25 * 6
    assert all(tables.family(dataset) == "text" for dataset, _ in found)
