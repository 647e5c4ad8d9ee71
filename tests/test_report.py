"""A report on predictions of one's own: every form that people have, every mix-up named, numbers as measured.

Predictions are made from the shipped answers: right where the shipped network is right, else a wrong class. Where
only right or wrong is shipped (ImageNet val), the wrong class is made up; on Tiny-ImageNet all of it is real.
"""

import html.parser
import json
import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import analysis
from analysis import classes, paths, tables
from analysis.errors import AnalysisError, InputError, IntegrityError, UsageError
from analysis.measure import agreement, shift
from analysis.reporting import compute, diagnose, forms, place, reading

VAL, V2, TINY = "imagenet-val", "imagenetv2-matched-frequency", "tiny-imagenet"
MODEL = "imagenetv2/resnet50"
REAL_LABELS = "google-research+reassessed-imagenet/real.json"


def _made(dataset: str, model: str) -> pd.DataFrame:
    """Predictions that are right where the shipped model is, and the next class but 6 where it is wrong."""
    shipped = tables.correct(dataset, models=[model])
    label = shipped.class_id.astype(int)
    pred = np.where(shipped.right[0], label, (label + 7) % 1000)
    return pd.DataFrame({"item_id": shipped.item_id, "label": label, "pred": pred})


@pytest.fixture(scope="module")
def val():
    return _made(VAL, MODEL)


@pytest.fixture(scope="module")
def tiny():
    rows = tables.read_predictions(dataset=TINY)
    return rows[["item_id", "label", "pred", "confidence"]].reset_index(drop=True)


@pytest.fixture(scope="module")
def made(tiny):
    return analysis.report(tiny, dataset=TINY, name="lite0")


@pytest.fixture(scope="module")
def shifted(val):
    both = [val.drop(columns="label"), _made(V2, MODEL).drop(columns="label")]
    return analysis.report(both, name="resnet50")


def _told(source, **options) -> str:
    """The one line that refuses a file."""
    target = options.pop("target", None)
    with pytest.raises(InputError) as refused:
        reading.answers(forms.read(source, target=target), **options)
    text = str(refused.value)
    assert refused.value.code == 3 and "\n" not in text and text.startswith("error[")
    return text


# ---- Numbers ---------------------------------------------------------------------------------------------------------


def test_classes_are_those_of_the_shipped_counts(made):
    counts = tables.read_counts(dataset=TINY, models=["package/efficientnet_lite0"]).set_index("class_id")
    found = made.classes[made.classes["n"] > 0].set_index("class_id")
    assert found["correct"].to_dict() == counts["correct"].to_dict()
    assert found["predicted"].to_dict() == counts["predicted"].to_dict()
    assert np.isclose(found["precision"].dropna(), (counts["correct"] / counts["predicted"]).dropna()).all()
    sums = counts["confidence_sum"].sum() / counts["n"].sum() - counts["correct"].sum() / counts["n"].sum()
    assert made.sets[0].findings.overall["gap"] == pytest.approx(sums, abs=1e-6)


def test_recall_is_not_precision():
    made = analysis.report({"label": [0, 0, 0, 1], "pred": [0, 0, 1, 1]})
    assert made.classes["accuracy"].tolist() == [2 / 3, 1] and made.classes["precision"].tolist() == [1, 0.5]


def test_every_extreme_has_its_estimate_and_its_null(made):
    rows = made.extremes.set_index("functional")
    assert list(rows.index) == list(compute.EXTREMES)
    assert rows[["estimate", "estimate_low", "estimate_high", "null", "null_low", "null_high"]].notna().all(axis=None)
    worst = rows.loc["worst_q"]
    assert worst["read_off"] < worst["estimate"] < worst["crossfit"] < worst["null_low"]
    assert rows.loc["minimum", "read_off"] < rows.loc["minimum", "estimate"]


def test_estimates_are_unbiased_where_what_is_read_off_is_not():
    rng = np.random.default_rng(3)
    p = rng.beta(8, 2.5, 1000)
    k, label = rng.binomial(10, p), np.repeat(np.arange(1000), 10)
    right = (np.arange(10) < k[:, None]).ravel()
    found = _answers({"label": label, "pred": np.where(right, label, (label + 7) % 1000)})
    rows = compute.findings(found).extremes
    worst, truth = rows.set_index("functional").loc["worst_q"], np.sort(p)[:50].mean()
    assert worst["estimate_low"] < truth < worst["estimate_high"] and worst["read_off"] < truth - 0.1
    assert worst["crossfit"] > truth


def test_named_lists_adjust_over_all_classes():
    label = np.repeat(np.arange(40), 50)
    right = np.tile(np.arange(50), 40) < np.repeat([17, *[45] * 39], 50)
    alone = analysis.report({"label": label, "pred": np.where(right, label, (label + 7) % 40)}).classes
    # 17 of 50 has p = .016 by itself, which does not survive 40 classes.
    assert alone["weak_p"][0] == pytest.approx(0.0164, abs=1e-3) and alone["weak_p_bh"][0] == pytest.approx(
        0.656, abs=0.01
    )
    assert not alone["named_bh"].any()


def test_place_and_sharing_are_those_of_the_measures(shifted, val):
    one = shifted.sets[0]
    assert one.answers.dataset == VAL and MODEL in one.rank["twins"] and MODEL not in set(one.place["model"])
    known = tables.correct(VAL, models=["imagenetv2/alexnet", MODEL])
    r = agreement.corrected_r(agreement.u_moments(known.right, known.class_index, 1000))[0, 1]
    row = one.sharing.set_index("model").loc["imagenetv2/alexnet"]
    assert row["r"] == pytest.approx(r, abs=1e-9) and row["r_low"] < r < row["r_high"] and row["raw"] < r
    table = one.place.set_index("model")
    difference = known.right[1].mean() - known.right[0].mean()
    assert table.loc["imagenetv2/alexnet", "difference"] == pytest.approx(difference)
    assert one.rank["overall"]["rank"] == 1 + (table["overall"] > known.right[1].mean()).sum()
    assert one.rank["overall"]["better"] + one.rank["overall"]["worse"] + one.rank["overall"]["apart"] == len(table) - 1
    assert one.shared["chance"] == 2.5 and one.shared["ceiling"] > 20


def test_shift_has_contrast_and_mirror_of_opposite_sign(shifted):
    (clean, other, found, why), counts = shifted.shifts[0], [tables.counts(name, models=[MODEL]) for name in (VAL, V2)]
    assert (clean, other, why) == (VAL, V2, "") and not found["paired"]
    kc, ks = counts[0].correct[0], counts[1].correct[0]
    nc, ns = counts[0].n[0], counts[1].n[0]
    assert found["naive"] == pytest.approx(shift.naive_contrast(kc=kc, nc=nc, ks=ks, ns=ns, q=50).points[0])
    assert found["r"] == pytest.approx(shift.shift_level(kc=kc, nc=nc, ks=ks, ns=ns).corrected[0])
    assert found["contrast_high"] < 0 < found["mirror_low"] and found["contrast_low"] < found["contrast"]
    assert "opposite signs" in shifted.html()


def test_the_same_items_changed_are_read_as_pairs(tiny):
    changed = tables.read_predictions(dataset="tiny-imagenet-c-local/brightness/3")
    both = [tiny.drop(columns="label"), changed[["item_id", "pred"]]]
    answered = [
        reading.answers(forms.read(part), dataset=name)
        for part, name in zip(both, (TINY, "tiny-imagenet-c-local/brightness/3"), strict=True)
    ]
    found, why = place.shifted(*answered)
    assert not why and found["paired"] and found["overall_clean"] > found["overall_shift"]
    assert np.isfinite([found["contrast_low"], found["mirror_high"], found["r"]]).all()


def test_sets_of_other_classes_are_not_compared(tiny):
    other = {"label": np.repeat([0, 1, 2, 3], 20), "pred": np.repeat([0, 1, 2, 3], 20)}
    made = analysis.report([tiny.drop(columns="label"), other], dataset=[TINY, "own"])
    assert made.shifts[0][3].startswith("not run") and "not run" in made.html()


# ---- Forms -----------------------------------------------------------------------------------------------------------


def _answers(source, **options):
    return reading.answers(forms.read(source), **options)


def test_every_form_gives_the_same_answers(tiny, tmp_path):
    wanted = _answers(tiny, dataset=TINY)
    wnid = classes.table("tiny-imagenet")["wnid"]
    plain = tiny[["item_id", "pred"]]
    files = tiny.assign(filename="val/images/" + tiny["item_id"] + ".JPEG")
    plain.to_csv(tmp_path / "plain.csv", index=False)
    tiny.drop(columns="confidence").sample(frac=1, random_state=0).to_parquet(tmp_path / "shuffled.parquet")
    timm = pd.DataFrame({"filename": files["filename"], "index": tiny["pred"], "prob": tiny["confidence"]})
    timm.to_csv(tmp_path / "timm.csv", index=False)
    timm.set_index("filename").to_parquet(tmp_path / "timm.parquet")
    timm.set_index("filename").to_json(tmp_path / "timm.json", indent=4, orient="index")
    timm.to_json(tmp_path / "timm-split.json", orient="split", index=False)
    timm.to_json(tmp_path / "timm-lines.json", orient="records", lines=True)
    named = timm.drop(columns="index").assign(label=tiny["pred"].map(wnid))  # --label-type name
    named.to_csv(tmp_path / "timm-name.csv", index=False)
    own = np.sort(wnid.index)
    others = [own[(np.searchsorted(own, tiny["label"]) + step) % 200] for step in (1, 2, 3)]
    five = np.stack([tiny["pred"], tiny["label"], *others], axis=1)
    wide = {f"index_{i}": five[:, i] for i in range(5)} | {f"prob_{i}": tiny["confidence"] / (i + 1) for i in range(5)}
    pd.DataFrame({"filename": files["filename"]} | wide).to_csv(tmp_path / "timm-wide.csv", index=False)
    text = pd.DataFrame({"filename": files["filename"], "index": [str(row) for row in five]})  # as NumPy prints it
    text.to_csv(tmp_path / "timm-lists.csv", index=False)
    np.savez(tmp_path / "torch.npz", path=files["filename"].to_numpy(str), target=tiny["label"], output=tiny["pred"])
    np.save(tmp_path / "rows.npy", plain.set_index("item_id")["pred"][reading.known_items(TINY).item_id].to_numpy())
    for path in sorted(tmp_path.iterdir()):
        order = "text" if path.name == "rows.npy" else "id"
        found = _answers(path, dataset=TINY, order=order)
        same = pd.Series(found.pred, found.item_id)[wanted.item_id].to_numpy()
        assert (same == wanted.pred).all() and found.right.mean() == wanted.right.mean(), path.name
    assert len(list(tmp_path.iterdir())) == 12
    wide = _answers(tmp_path / "timm-wide.csv", dataset=TINY)
    assert wide.top5.all() and np.allclose(wide.confidence, tiny["confidence"])
    assert _answers(tmp_path / "timm-lists.csv", dataset=TINY).top5.all()


def test_our_own_tables_are_read(tiny, tmp_path):
    from analysis import store

    columns = {name: tiny[name].to_numpy() for name in tiny}
    rank = np.full(len(tiny), -1, dtype=np.int32)
    five = np.tile(tiny["pred"].to_numpy()[:, None], 5)
    table = store.Table(**columns, label_rank=rank, top5=five)
    (tmp_path / "shown.csv").write_text(store.as_csv(table), encoding="utf-8")
    found = _answers(tmp_path / "shown.csv", dataset=TINY)
    assert found.confidence is not None and (found.top5 == found.right).all()
    shipped = next(path for path in tables.prediction_files() if path.stem == TINY)
    made = analysis.report(shipped, dataset=TINY)
    assert made.sets[0].findings.overall["n_items"] == len(tiny)
    with pytest.raises(InputError, match="--dataset"):
        analysis.report(shipped)


def test_a_folder_of_hugging_face_datasets(tiny, tmp_path):
    names = [str(name) for name in classes.names("imagenet")]
    rows = tiny.sample(400, random_state=1)
    table = pa.table({"image_id": rows["item_id"], "label": rows["label"], "prediction": rows["pred"]})
    folder = tmp_path / "saved"
    folder.mkdir()
    with (
        pa.OSFile(str(folder / "data-00000-of-00001.arrow"), "wb") as sink,
        pa.ipc.new_stream(sink, table.schema) as to,
    ):
        to.write_table(table)
    features = {"label": {"names": names, "_type": "ClassLabel"}, "prediction": {"dtype": "int64", "_type": "Value"}}
    (folder / "dataset_info.json").write_text(json.dumps({"features": features}), encoding="utf-8")
    found = _answers(folder, dataset="own")
    assert found.right.sum() == (rows["label"] == rows["pred"]).sum() and found.classes["title"][0] == "tench"
    assert "name one split" in _told(tmp_path)


def test_numbers_that_a_file_names_are_read_by_name(tmp_path):
    names = classes.names("banking77")
    own = sorted(names)  # as on the hub: another order than the authors'
    known = reading.known_items("banking77")
    number = np.array([own.index(names[i]) for i in known.class_id])
    table = pa.table({"id": known.item_id, "label": number, "prediction": np.where(number == 3, 4, number)})
    features = {"label": {"names": own, "_type": "ClassLabel"}}
    stated = json.dumps({"info": {"features": features}}).encode()
    pq.write_table(table.replace_schema_metadata({"huggingface": stated}), tmp_path / "hub.parquet")
    found = _answers(tmp_path / "hub.parquet", dataset="banking77")
    wrong = found.n[found.k < found.n]
    assert found.right.sum() == 3080 - 40 and wrong.tolist() == [40]
    assert found.classes["title"][int(np.flatnonzero(found.k < found.n)[0])] == own[3]
    assert any("by the names" in note for note in found.notes)


def test_scores_and_names():
    scores = np.array([[0.1, 0.7, 0.2], [0.5, 0.25, 0.25], [0.2, 0.2, 0.6]])
    raw = forms.read(scores, target=np.array([1, 0, 0]))
    assert raw.pred.tolist() == [1, 0, 2] and raw.confidence.tolist() == [0.7, 0.5, 0.6] and not raw.notes
    raw = forms.read(np.log(scores), target=np.array([1, 0, 0]))
    assert np.allclose(raw.confidence, [0.7, 0.5, 0.6]) and "softmax" in raw.notes[0]
    label = ["cat", "dog", "cat"] * 5
    found = analysis.report({"label": label, "pred": ["cat", "cat", "cat"] * 5}).classes.set_index("name")
    assert found["accuracy"].to_dict() == {"cat": 1, "dog": 0}


def test_names_must_be_unique():
    known = reading.known_items(VAL)
    names = np.array(classes.names("imagenet"), dtype=object)[known.class_id]
    frame = pd.DataFrame({"filename": known.item_id, "label": names, "prob": 0.5})
    assert "134 n02012849 or 517 n03126707" in _told(frame) and "--include-index" in _told(frame)
    unique = frame.assign(label=[classes.wnids()[i] for i in known.class_id])
    assert _answers(unique).right.all()
    strange = frame.assign(label=np.where(names == "tench", "tenchh", unique["label"]))
    assert "near: tench" in _told(strange)


# ---- What is wrong is named ------------------------------------------------------------------------------------------


def _by_text(p):
    return np.array(sorted(range(1000), key=str))[p]


def _reversed(p):
    return np.argsort(sorted(range(1000), key=str))[p]


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (lambda p: p + 1, "off by one (numbered from 1)"),
        (lambda p: np.where(p == 0, 999, p - 1), "off by one (too low)"),
        (_reversed, "sorted as text"),
        (_by_text, "sorted as text"),
        (lambda p: np.roll(p, 1), "one row late"),
        (lambda p: np.roll(p, -1), "one row early"),
    ],
)
def test_mix_ups_of_classes_and_rows_are_named(val, fault, words):
    """E2, E5, E6: with the items in the order of class folders a shift by a row costs few points."""
    rows = val.iloc[diagnose.orders(val["item_id"], val["label"])["folder"]]
    told = _told(rows.assign(pred=fault(rows["pred"].to_numpy())).drop(columns="label"))
    assert words in told and "accuracy is" in told and "would be 76." in told


@pytest.mark.parametrize("order", ["folder", "folder-text"])
def test_rows_in_another_order_are_named(val, order):
    rows = val["pred"].to_numpy()[diagnose.orders(val["item_id"], val["label"])[order]]
    told = _told(rows, dataset=VAL)
    assert "order" in told and f"--order {order}" in told
    assert reading.answers(forms.read(rows), dataset=VAL, order=order).right.mean() == pytest.approx(0.76, abs=0.01)
    beside_ids = pd.DataFrame({"item_id": val["item_id"], "pred": rows})
    assert "beside the id" in _told(beside_ids)


def test_a_row_lost_in_the_middle_is_found(val):
    """E3: accuracy falls by less than a point, yet the place is named."""
    pred = val["pred"].to_numpy()[diagnose.orders(val["item_id"], val["label"])["folder"]]
    moved = np.concatenate([pred[:25_000], pred[25_001:], pred[:1]])
    told = _told(moved, dataset=VAL, order="folder")
    assert abs(int(re.search(r"from about row (\d+) on", told)[1]) - 25_000) < 500 and "one row early" in told


def test_an_honest_weak_model_is_not_taken_for_a_mix_up():
    rng = np.random.default_rng(0)
    label = np.sort(rng.integers(0, 50, 5000))
    for accuracy in (0.0, 0.02, 0.1, 0.5):
        pred = np.where(rng.random(5000) < accuracy, label, rng.integers(0, 50, 5000))
        assert diagnose.row_order(label, pred) is None and diagnose.numbering(label, pred, np.arange(50)) is None
    binary = rng.integers(0, 2, 20_000)
    assert diagnose.row_order(binary, rng.integers(0, 2, 20_000)) is None
    assert diagnose.numbering(binary, 1 - binary, np.arange(2)) is None


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (lambda f: f.iloc[:-16], "16 of its 50000 items are missing"),
        (lambda f: pd.concat([f, f.iloc[:2]]), "an item id repeated in 2 of 50002 rows"),
        (lambda f: f.assign(item_id=f["item_id"].where(f.index != 3, "holiday.jpg")), "1 of 50000 ids are not of"),
        (lambda f: f.assign(pred=f["pred"].where(f.index != 7, 1000)), "1000 in row 8"),
        (lambda f: f.assign(pred=f["pred"].where(f.index != 7, -1)), "-1 in row 8"),
        (lambda f: f.assign(pred=f["pred"].where(f.index != 7)), "no prediction in 1 of 50000 rows (first: row 8)"),
        (lambda f: f.assign(confidence=np.where(f.index == 4, np.nan, 0.5)), "missing or NaN in 1 of 50000"),
        (lambda f: f.assign(confidence=50.0), "per cent"),
        (lambda f: f.assign(label=np.roll(f["label"], 1)), "labels differ"),
        (lambda f: f.assign(label=f["label"] + 1), "labels look off by one"),
        (lambda f: f.drop(columns="pred"), "no column of predictions"),
        (lambda f: f.iloc[:0], "no rows"),
        (lambda f: f.assign(model=np.where(f.index < 9, "a", "b")), "answers of 2 models"),
    ],
)
def test_faulty_tables_are_refused(val, fault, words):
    assert words in _told(fault(val), dataset=VAL)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (np.zeros((3, 1), int), "shape (3, 1)"),
        (np.zeros((2, 3, 4)), "shape (2, 3, 4)"),
        (np.zeros(5, int), "neither ids nor labels"),
        ({"label": [0, 1], "pred": [0.5, 1.0]}, "fractions"),
        ({"label": [0, 1], "pred": [0]}, "differ in length"),
        ({"label": [0, 1], "pred": ["a", "b"]}, "labels are numbers and predictions text"),
        ({"label": [-1, -1], "pred": [0, 1]}, "every label is -1"),
        ({"id": [1.5, 2.0], "label": [0, 1], "pred": [0, 1]}, "fractions"),
        ({"label": [0, 1], "pred": [0, -2]}, "class numbers run from -2"),
        (np.full((3, 4), np.nan), "not a number"),
    ],
)
def test_faulty_arrays_are_refused(source, words):
    assert words in _told(source)


def test_faulty_files_are_refused(tmp_path):
    files = {
        "a.csv": ("", "empty"),
        "b.csv": ("item_id;pred\n1;2\n", "not separated by commas"),
        "c.csv": ("item_id,pred\n1\n", "fields"),
        "d.csv": ("ILSVRC2012_val_00000001.JPEG,65\nx,3\n", "no header"),
        "e.csv": ("model,top1,top1_err,top5,top5_err\nresnet50,80,20,95,5\n", "summary of models"),
        "f.parquet": ("PAR1", "not Parquet"),
        "g.npy": ("nothing", "not a plain array"),
        "h.pt": ("x", "never opened"),
        "i.json": ('{"a": ', "not JSON"),
        "j.txt": ("x", "are not read"),
        "k.csv": ("item_id,pred\n", "no rows"),
    }
    for name, (content, words) in files.items():
        (tmp_path / name).write_text(content, encoding="utf-8")
        assert words in _told(tmp_path / name), name
    assert "no such file" in _told(tmp_path / "nowhere.csv")
    np.save(tmp_path / "objects.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    assert "pickles" in _told(tmp_path / "objects.npy")


def test_numbers_among_the_own_classes_are_named(tiny):
    own = np.searchsorted(np.sort(classes.ids(TINY)), tiny["pred"])
    told = _told(tiny.assign(pred=own).drop(columns="label"), dataset=TINY)
    assert "among the 200 classes of this set" in told


def test_wrong_options_are_usage_errors(val):
    for options in ({"dataset": "imagenet-vall"}, {"labels": "best"}, {"order": "random"}):
        with pytest.raises(UsageError):
            _answers(val, **({"dataset": VAL} | options))
    with pytest.raises(UsageError, match="ReaL"):
        analysis.report({"label": [0], "pred": [0]}, labels="real")
    with pytest.raises(UsageError, match="one model"):
        analysis.report([val, val])


def test_a_part_of_the_items_if_asked_for(val):
    some = val.iloc[::50].drop(columns="label")
    found = _answers(some, allow_missing=True)
    assert len(found.label) == 1000 and "1000 of the 50000 items" in found.notes[0]


# ---- ReaL ------------------------------------------------------------------------------------------------------------


def _have_real() -> bool:
    from analysis.sources import fetch

    try:
        return bool(fetch.locate(REAL_LABELS))
    except AnalysisError:
        return False


def test_real_labels_are_the_shipped_answers(val):
    if not _have_real():
        pytest.skip("the published file of the ReaL labels is not on this machine")
    shipped = tables.correct(VAL, models=[MODEL], labels="real")
    found = _answers(val[["item_id", "pred"]], labels="real")
    order = pd.Index(found.item_id, dtype=object).get_indexer(shipped.item_id)
    original = tables.correct(VAL, models=[MODEL])
    kept = pd.Index(original.item_id, dtype=object).get_indexer(shipped.item_id)
    # Where the network is right by the original label the prediction is the label: ReaL says the same of both.
    same = original.right[0][kept]
    assert (found.right[order][same] == shipped.right[0][same]).all() and len(found.label) == 46837
    assert place.place(found)[1]["models"] > 60


def test_without_the_file_of_real_labels_one_line_says_so(val, tmp_path, monkeypatch):
    from analysis.sources import imagenetv2

    monkeypatch.setenv("ANALYSIS_MIRROR", "")
    monkeypatch.setattr(paths, "raw", lambda: tmp_path)
    imagenetv2.items.cache_clear()
    with pytest.raises(IntegrityError, match="ReaL labels need published files") as refused:
        _answers(val[["item_id", "pred"]], labels="real")
    assert "make data" in str(refused.value)


# ---- Degenerate but valid --------------------------------------------------------------------------------------------

RNG = np.random.default_rng(0)
BLOCKS = np.repeat(np.arange(30), 20)
SIZES = np.repeat(np.arange(20), np.r_[[1] * 6, [2] * 3, [800], [30] * 10])
DEGENERATE = {
    "all right": (BLOCKS, BLOCKS),
    "all wrong": (BLOCKS, (BLOCKS * 7 + 3) % 30),
    "all tied": (BLOCKS, np.where(np.arange(600) % 2, BLOCKS, (BLOCKS + 7) % 30)),
    "one class": (np.zeros(30, int), RNG.integers(0, 2, 30)),
    "one item": (np.array([3]), np.array([3])),
    "one item a class": (np.arange(120), RNG.integers(0, 120, 120)),
    "two classes": (np.repeat([0, 1], 40), np.repeat([0, 1, 1, 0], 20)),
    "unequal": (SIZES, np.where(RNG.random(len(SIZES)) < 0.6, SIZES, RNG.integers(0, 20, len(SIZES)))),
}


@pytest.mark.parametrize("case", DEGENERATE)
def test_degenerate_input_gives_a_report(case, tmp_path, capsys):
    label, pred = DEGENERATE[case]
    made = analysis.report({"label": label, "pred": pred, "conf": np.full(len(label), 0.5)}, output=tmp_path)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    one = made.sets[0].findings
    assert "nan" not in page.split("<style>")[0] + page.split("</style>")[1].replace("banana", "")
    if "extremes" in one.why:
        assert "not defined because" in page and one.extremes.empty
    else:
        assert one.extremes[["estimate", "null"]].notna().all(axis=None)
    made.show()
    assert "accuracy" in capsys.readouterr().out


def test_a_seed_gives_the_same_page(tiny):
    rows = tiny.iloc[:2000]
    pages = {analysis.report(rows, dataset="own", seed=1).html() for _ in range(2)}
    assert len(pages) == 1


# ---- Page and command ------------------------------------------------------------------------------------------------


class _Outline(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.ids, self.open, self.links, self.tags = [], [], [], set()

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        for name, value in attributes:
            if name == "id":
                self.ids.append(value)
            if name in ("src", "href", "xlink:href") and not value.startswith(("#", "data:")):
                self.links.append(value)
        if tag not in ("meta", "link", "path", "use", "rect", "br", "img", "stop"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if self.open and self.open[-1] == tag:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag


def test_the_page_needs_nothing_else(made):
    page = made.html()
    outline = _Outline()
    outline.feed(page)
    assert not outline.open and not outline.links and "script" not in outline.tags and "svg" in outline.tags
    assert "<meta charset" in page and "viewport" in page
    shared = {one for one in outline.ids if outline.ids.count(one) > 1}
    assert not shared, f"ids used twice: {sorted(shared)[:5]}"
    assert all(f"{words}" in page for words in ("estimate", "if all were equally hard", "Benjamini-Hochberg"))


def test_text_from_a_file_is_escaped():
    name = "<script>alert(1)</script>"
    made = analysis.report({"label": [name, "b"] * 9, "pred": [name, name] * 9}, name=name)
    assert "<script" not in made.html() and "&lt;script&gt;" in made.html()


def _run(*arguments, **environment):
    import os

    return subprocess.run(
        [sys.executable, "-m", "analysis", "report", *map(str, arguments)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env=os.environ | environment,
        cwd=paths.ROOT,
    )


def test_the_command_prints_and_writes(tiny, tmp_path):
    tiny.to_csv(tmp_path / "lite0.csv", index=False)
    done = _run(tmp_path / "lite0.csv", "--dataset", TINY, ANALYSIS_BUILD_DIR=str(tmp_path / "build"))
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "build" / "report" / "lite0"
    assert {path.name for path in folder.iterdir()} == {"report.html", "classes.csv", "confusions.csv", "extremes.csv"}
    assert str(folder / "report.html") in done.stdout and "if all equally hard" in done.stdout
    written = pd.read_csv(folder / "classes.csv")
    assert written["n"].sum() == len(tiny) and (written["low"] <= written["accuracy"]).all()


def test_the_command_refuses_in_one_line(val, tmp_path):
    val.assign(pred=val["pred"] + 1).drop(columns="label").to_csv(tmp_path / "late.csv", index=False)
    done = _run(tmp_path / "late.csv", "-o", tmp_path / "out")
    assert done.returncode == 3 and done.stderr.count("\n") == 1 and "off by one" in done.stderr
    assert not (tmp_path / "out").exists()
