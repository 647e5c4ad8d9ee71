"""A table is right or refused: schema, counts, keys, damaged bytes; never another number."""

import json
import random

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from analysis import files, paths, tables
from analysis.errors import InputError, IntegrityError


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.setenv("ANALYSIS_DATA_DIR", str(tmp_path / "data"))
    return tmp_path / "data"


def counts_frame(**changes):
    """Two models, two classes of ten items."""
    frame = pd.DataFrame(
        {
            "dataset": "imagenet-val",
            "model": ["a/x", "a/x", "a/y", "a/y"],
            "labels": "original",
            "class_id": [0, 1, 0, 1],
            "n": 10,
            "correct": [10, 3, 0, 7],
        }
    )
    return frame.assign(**changes)


def correct_frame():
    return pd.DataFrame(
        {
            "dataset": "imagenetv2-top-images",
            "item_id": ["i2", "i0", "i1"],
            "class_id": [5, 3, 3],
            "a/x": [True, False, True],
            "a/y": [True, None, False],
        }
    )


def lock(folder):
    """List every file of a data folder in its PROVENANCE.json, as `derive` does."""
    made = {
        path.relative_to(folder).as_posix(): {"sha256": files.sha256(path)}
        for path in folder.rglob("*")
        if path.is_file()
    }
    files.write_text(folder / "PROVENANCE.json", json.dumps({"files": made}))


def test_counts_come_back_as_matrices_in_the_order_asked_for(data):
    tables.write_counts(counts_frame(), data / "class_counts.parquet")
    found = tables.counts("imagenet-val", models=["a/y", "a/x"])
    assert found.correct.tolist() == [[0, 7], [10, 3]] and found.n.tolist() == [[10, 10], [10, 10]]
    assert found.correct.dtype == np.int64 and found.class_id.tolist() == [0, 1]
    assert tables.read_counts()["accuracy"].tolist() == [1.0, 0.3, 0.0, 0.7]
    with pytest.raises(InputError, match="a/z"):
        tables.counts("imagenet-val", models=["a/x", "a/z"])
    with pytest.raises(InputError, match="no counts"):
        tables.counts("cifar10")


def test_the_order_of_rows_and_a_second_write_change_no_byte(data):
    frame = counts_frame()
    tables.write_counts(frame, data / "one.parquet")
    tables.write_counts(frame.sample(frac=1, random_state=1), data / "two.parquet")
    assert (data / "one.parquet").read_bytes() == (data / "two.parquet").read_bytes()


def test_only_models_that_answered_every_item_have_correctness(data):
    tables.write_correct(correct_frame(), data / "correct" / "imagenetv2.parquet")
    found = tables.correct("imagenetv2-top-images")
    assert found.models == ("a/x",) and found.right.tolist() == [[False, True, True]]
    assert found.item_id.tolist() == ["i0", "i1", "i2"] and found.class_index.tolist() == [0, 0, 1]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"correct": [11, 3, 0, 7]}, "correct outside"),
        ({"correct": [-1, 3, 0, 7]}, "correct outside"),
        ({"correct_top5": 11}, "correct_top5 outside"),
        ({"class_id": 0}, "occurs twice"),
        ({"class_id": [-1, 1, 0, 1]}, "negative"),
        ({"n": [-1, 10, 10, 10]}, "negative"),
        ({"predicted": [0, 1, -1, 2]}, "negative"),
        ({"n": None}, "no number of items"),
        ({"model": [None, "a/x", "a/y", "a/y"]}, "missing in a row"),
        ({"confidence_sum": 10.5}, "confidences"),
        ({"correct": None, "accuracy": 1.5}, "accuracy"),
    ],
)
def test_impossible_counts_are_refused_on_the_way_out_and_in(data, changes, words, monkeypatch):
    path = data / "class_counts.parquet"
    with pytest.raises(IntegrityError, match=words):
        tables.write_counts(counts_frame(**changes), path)
    assert not path.exists()
    with monkeypatch.context() as unchecked:
        unchecked.setattr(tables, "_check", lambda *_: None)
        tables.write_counts(counts_frame(**changes), path)
    with pytest.raises(IntegrityError, match=words):
        tables.read_counts()


def rewritten(path, change):
    """Write a table file again after a change to the Arrow table, metadata kept."""
    table = pq.read_table(path)
    pq.write_table(change(table).replace_schema_metadata(table.schema.metadata), path)


@pytest.mark.parametrize(
    "change",
    [
        lambda table: table.drop_columns(["correct"]),
        lambda table: table.rename_columns(["right" if name == "correct" else name for name in table.schema.names]),
        lambda table: table.append_column("extra", pa.array([0] * len(table))),
        lambda table: table.set_column(3, "class_id", table["class_id"].cast(pa.int32())),
        lambda table: table.set_column(5, "correct", table["correct"].cast(pa.float64())),
        lambda table: table.select(table.schema.names[::-1]),
    ],
    ids=["missing", "renamed", "extra", "wider", "float", "reordered"],
)
def test_other_columns_or_types_are_refused_not_filled_or_cast(data, change):
    path = data / "class_counts.parquet"
    tables.write_counts(counts_frame(), path)
    rewritten(path, change)
    with pytest.raises(IntegrityError, match="columns are"):
        tables.read_counts()


def test_a_model_column_holds_booleans(data):
    path = data / "correct" / "imagenetv2.parquet"
    tables.write_correct(correct_frame(), path)
    rewritten(path, lambda table: table.set_column(3, "a/x", table["a/x"].cast(pa.int8())))
    with pytest.raises(IntegrityError, match="not boolean"):
        tables.correct("imagenetv2-top-images")


def test_another_table_a_later_version_and_a_foreign_file_are_refused(data):
    path = data / "class_counts.parquet"
    confused = {"dataset": ["d"], "model": ["m"], "label": [0], "pred": [1], "count": [2]}
    tables.write_confusions(pd.DataFrame(confused), path)
    with pytest.raises(IntegrityError, match="holds confusions"):
        tables.read_counts()
    tables.write_counts(counts_frame(), path)
    later = json.dumps({"table": "class_counts", "version": 99})
    pq.write_table(pq.read_table(path).replace_schema_metadata({"analysis": later}), path)
    with pytest.raises(IntegrityError, match="version 99"):
        tables.read_counts()
    counts_frame().to_parquet(path)
    with pytest.raises(IntegrityError, match="not a table"):
        tables.read_counts()
    path.unlink()
    with pytest.raises(IntegrityError, match="missing"):
        tables.read_counts()


def test_a_confusion_is_a_confusion(data):
    row = {"dataset": ["d"], "model": ["m"], "label": [1], "pred": [2], "count": [2]}
    wrong = [({"pred": [1]}, "label equals"), ({"count": [0]}, "no count")]
    wrong += [({"label": [-2]}, "label is below -1"), ({"pred": [-1]}, "prediction below 0")]
    for changes, words in wrong:
        with pytest.raises(IntegrityError, match=words):
            tables.write_confusions(pd.DataFrame(row | changes), data / "confusions.parquet")
    with pytest.raises(IntegrityError, match="type of its column"):
        tables.write_confusions(pd.DataFrame(row | {"pred": [40_000]}), data / "confusions.parquet")


def test_no_filter_hides_a_row_without_its_key(data, monkeypatch):
    with monkeypatch.context() as unchecked:
        unchecked.setattr(tables, "_check", lambda *_: None)
        tables.write_counts(counts_frame(model=[None, "a/x", "a/y", "a/y"]), data / "class_counts.parquet")
    with pytest.raises(IntegrityError, match="missing in a row"):
        tables.read_counts(models=["a/y"])


def test_an_accuracy_that_is_not_its_counts_is_refused(data):
    path = data / "class_counts.parquet"
    tables.write_counts(counts_frame(), path)
    rewritten(path, lambda table: table.set_column(6, "accuracy", pa.array([1.0, 0.3, 0.1, 0.7])))
    with pytest.raises(IntegrityError, match="not correct / n"):
        tables.read_counts()


def test_answers_on_the_way_in_are_checked_as_on_the_way_out(data, monkeypatch):
    path, wrong = data / "correct" / "imagenetv2.parquet", correct_frame().assign(class_id=[5, -3, 3])
    with pytest.raises(IntegrityError, match="negative"):
        tables.write_correct(wrong, path)
    with monkeypatch.context() as unchecked:
        unchecked.setattr(tables, "_check", lambda *_: None)
        tables.write_correct(wrong, path)
    with pytest.raises(IntegrityError, match="negative"):
        tables.correct("imagenetv2-top-images")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"item_id": ["i2", "i0", "i3"]}, "differ"),
        ({"class_id": [5, 3, 4]}, "differ"),
        ({"a/x": [True, True, True]}, "a/x is among the shipped models"),
    ],
)
def test_your_own_answers_are_to_the_same_items_of_other_models(data, changes, words):
    mine = correct_frame().drop(columns=["a/x", "a/y"]).assign(**{"b/x": True})
    tables.write_correct(correct_frame(), data / "correct" / "imagenetv2.parquet")
    tables.write_correct(mine, paths.own() / "correct" / "imagenetv2.parquet")
    assert tables.correct("imagenetv2-top-images").models == ("a/x", "b/x")
    tables.write_correct(mine.assign(**changes), paths.own() / "correct" / "imagenetv2.parquet")
    with pytest.raises(InputError, match=words):
        tables.correct("imagenetv2-top-images")


def test_a_class_of_your_own_tables_is_one_of_the_label_space(data):
    files.write_text(data / "classes.csv", CLASSES + "".join(f"imagenet,{number},,a,b\n" for number in range(10)))
    row = dict.fromkeys(tables.CSV["datasets"], "") | {"label_space": "imagenet", "items": 2, "classes": 2}
    rows = [row | {"dataset": name, "per_item": "True"} for name in ("imagenet-val", "imagenetv2-top-images")]
    tables.write_csv(pd.DataFrame(rows), "datasets")
    tables.write_counts(counts_frame(), data / "class_counts.parquet")
    tables.write_counts(counts_frame(model="b/x", class_id=[0, 1, 2, 10]), paths.own() / "class_counts.parquet")
    tables.write_correct(correct_frame().assign(class_id=[5, 3, 77]), paths.own() / "correct" / "imagenetv2.parquet")
    for read, name in ((tables.counts, "imagenet-val"), (tables.correct, "imagenetv2-top-images")):
        with pytest.raises(InputError, match="is no class of imagenet"):
            read(name)


def test_a_shipped_table_that_is_gone_is_missing_not_empty(data):
    tables.write_correct(correct_frame(), data / "correct" / "imagenetv2.parquet")
    files.write_text(data / "classes.csv", CLASSES)
    lock(data)
    (data / "correct" / "imagenetv2.parquet").unlink()
    (data / "classes.csv").unlink()
    with pytest.raises(IntegrityError, match=r"imagenetv2\.parquet: missing"):
        tables.correct("imagenetv2-top-images")
    with pytest.raises(IntegrityError, match=r"classes\.csv: missing"):
        tables.read_csv("classes")
    with pytest.raises(InputError, match="no per-item answers"):
        tables.correct("imagenet-val")


def test_a_lock_that_is_gone_or_does_not_list_a_table_vouches_for_none(data, monkeypatch):
    files.write_text(data / "classes.csv", CLASSES)
    assert not len(tables.read_csv("classes"))  # a folder that somebody made needs no lock
    files.write_text(data / "PROVENANCE.json", '{"files": {}}')
    with pytest.raises(IntegrityError, match=r"does not list classes\.csv"):
        tables.read_csv("classes")
    (data / "PROVENANCE.json").unlink()
    monkeypatch.setattr(paths, "ROOT", data.parent)
    with pytest.raises(IntegrityError, match=r"PROVENANCE\.json: missing"):
        tables.read_csv("classes")
    for text in ("0" * 63 + "  a\n", 2 * ("0" * 64 + "  a\n"), "a\n"):
        with pytest.raises(ValueError, match="a line is not"):
            tables.hand_kept(text)


def test_your_own_table_joins_the_shipped_one_and_its_faults_are_yours(data):
    tables.write_counts(counts_frame(), data / "class_counts.parquet")
    tables.write_counts(counts_frame(model=["b/x", "b/x", "b/y", "b/y"]), paths.own() / "class_counts.parquet")
    assert tables.counts("imagenet-val").models == ("a/x", "a/y", "b/x", "b/y")
    # Another class of a shipped model is no second row of one key, yet it would change that model's numbers.
    for own in (counts_frame(), counts_frame(class_id=[7, 8, 7, 8])):
        tables.write_counts(own, paths.own() / "class_counts.parquet")
        with pytest.raises(InputError, match="among the shipped rows"):
            tables.read_counts()
    files.write_bytes(paths.own() / "class_counts.parquet", b"PAR1")
    with pytest.raises(InputError, match="damaged"):
        tables.read_counts()


def flipped(content: bytes, at: int, bit: int) -> bytes:
    return content[:at] + bytes([content[at] ^ (1 << bit)]) + content[at + 1 :]


def test_a_flipped_bit_in_the_pages_is_never_another_number(data):
    """100 flips in the pages of a table that no lock lists: the page checksums refuse it, or nothing changed."""
    path, rng = data / "class_counts.parquet", random.Random(0)
    size = 500
    column = {"class_id": range(size), "n": 50, "correct": np.random.default_rng(0).integers(0, 51, size)}
    tables.write_counts(pd.DataFrame({"dataset": "d", "model": "m", "labels": "original"} | column), path)
    good, expected = path.read_bytes(), tables.read_counts()
    footer, refused = int.from_bytes(good[-8:-4], "little"), 0
    for _ in range(100):
        path.write_bytes(flipped(good, rng.randrange(4, len(good) - footer - 8), rng.randrange(8)))
        try:
            assert tables.read_counts().equals(expected)
        except IntegrityError:
            refused += 1
    assert refused > 80


def test_a_cut_table_is_refused(data):
    path = data / "class_counts.parquet"
    tables.write_counts(counts_frame(), path)
    good = path.read_bytes()
    for length in (0, 4, len(good) // 2, len(good) - 1):
        path.write_bytes(good[:length])
        with pytest.raises(IntegrityError, match="damaged"):
            tables.read_counts()


CLASSES = "label_space,class_id,wnid,name,superclass\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("label_space,class_id,wnid,name\nx,0,,a\n", "columns are"),
        (CLASSES + "x,0,,a,b,c\n", "row 1 has 6 fields"),
        (CLASSES + "x,0,,a\n", "row 1 has 4 fields"),
        (CLASSES + "x,one,,a,b\n", "class_id"),
        (CLASSES + "x,0.5,,a,b\n", "class_id"),
        (CLASSES + "x,0,,a,b\nx,0,,c,d\n", "occurs twice"),
        (CLASSES + "x,0,,a\0,b\n", "NUL"),
        (CLASSES + 'x,0,,"a,b\n', "not a CSV table"),
        ("", "empty"),
    ],
)
def test_a_malformed_csv_is_refused(data, text, words):
    files.write_text(data / "classes.csv", text)
    with pytest.raises(IntegrityError, match=words):
        tables.read_csv("classes")


def test_csv_text_stays_text_and_numbers_may_be_missing(data):
    files.write_bytes(data / "classes.csv", ("\ufeff" + CLASSES + "NA,7,null,07,\u2028None\n").encode())
    assert tables.read_csv("classes").iloc[0].tolist() == ["NA", 7, "null", "07", "\u2028None"]
    row = dict.fromkeys(tables.CSV["models"], "") | {"model": "m", "is_network": "True", "in_claims": "False"}
    tables.write_csv(pd.DataFrame([row]), "models")
    found = tables.read_csv("models").iloc[0]
    assert np.isnan(found["top1"]) and np.isnan(found["year"]) and found["is_network"] and not found["in_claims"]
    for wrong in ({"is_network": "yes"}, {"top1": "inf"}, {"top1": "nan"}, {"top1": "1e999"}):
        tables.write_csv(pd.DataFrame([row | wrong]), "models")
        with pytest.raises(IntegrityError, match=next(iter(wrong))):
            tables.read_csv("models")
    for rows, words in (([row, row], "occurs twice"), ([row | {"name": "a\rb"}], "carriage return")):
        with pytest.raises(IntegrityError, match=words):
            tables.write_csv(pd.DataFrame(rows), "models")


def test_a_csv_cut_in_half_is_refused_by_the_lock(data):
    files.write_text(data / "classes.csv", CLASSES + "".join(f"x,{number},,a,b\n" for number in range(100)))
    lock(data)
    assert len(tables.read_csv("classes")) == 100
    content = (data / "classes.csv").read_text(encoding="utf-8")
    files.write_text(data / "classes.csv", CLASSES + content[len(CLASSES) :][: 50 * len("x,10,,a,b\n")])
    with pytest.raises(IntegrityError, match="sha256"):
        tables.read_csv("classes")


def predictions_frame(**changes):
    columns = {"dataset": "tiny-imagenet", "model": "m", "item_id": ["i0", "i1", "i2"], "label": [1, 2, -1]}
    columns |= {"pred": [1, 0, 3], "confidence": [0.5, 1.0, None], "label_rank": [0, 4, None]}
    return pd.DataFrame(columns | changes)


def test_predictions_come_back_with_how_they_were_made(data):
    path = data / "predictions" / "tiny-imagenet.parquet"
    tables.write_predictions(predictions_frame(), path, made={"command": "c", "seconds": 1})
    tables.write_predictions(predictions_frame(dataset="banking77"), path.with_name("text.parquet"), made={})
    found = tables.read_predictions(dataset="tiny-imagenet")
    assert found["pred"].tolist() == [1, 0, 3] and found["label_rank"].isna().tolist() == [False, False, True]
    assert tables.made(path) == {"command": "c", "seconds": 1}
    assert len(tables.read_predictions()) == 6 and not len(tables.read_predictions(models=["other"]))
    good = path.read_bytes()
    tables.write_predictions(predictions_frame().iloc[::-1], path, made={"seconds": 1, "command": "c"})
    assert path.read_bytes() == good
    lock(data)
    path.write_bytes(flipped(good, len(good) // 2, 0))
    with pytest.raises(IntegrityError, match="sha256"):
        tables.read_predictions()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"label": [1, 2, -2]}, "below -1"),
        ({"pred": [-2, 0, 3]}, "below -1"),
        ({"confidence": [0.5, 1.5, None]}, "confidence"),
        ({"label_rank": [0, 4, 0]}, "an item of no class has one"),
        ({"label_rank": [-1, 4, None]}, "rank is negative"),
        ({"label_rank": [1, 4, None]}, "its rank is not 0"),
        ({"item_id": ["i0", "i0", "i2"]}, "occurs twice"),
    ],
)
def test_impossible_predictions_are_refused_on_the_way_out_and_in(data, changes, words, monkeypatch):
    path = data / "predictions" / "tiny-imagenet.parquet"
    with pytest.raises(IntegrityError, match=words):
        tables.write_predictions(predictions_frame(**changes), path, made={})
    assert not path.exists()
    with monkeypatch.context() as unchecked:
        unchecked.setattr(tables, "_check", lambda *_: None)
        tables.write_predictions(predictions_frame(**changes), path, made={})
    with pytest.raises(IntegrityError, match=words):
        tables.read_predictions()
