"""What was predicted here lands in `data/own/` and is read with the shipped tables; nothing shipped is touched."""

import functools
import sys
import threading

import numpy as np
import pandas as pd
import pytest

from analysis import derive, files, models, own, paper, paper_rows, paths, rows, ship, sources, store, tables, verify
from analysis.errors import InputError, IntegrityError, ResourceError, UsageError
from analysis.findings import hidden, paper_nets
from analysis.sources import runs

FOUR = ("torchvision/resnet152.v2", "torchvision/convnext_large.v1", "torchvision/efficientnet_v2_m.v1",
        "torchvision/vit_l_16.v1")  # fmt: skip


@pytest.fixture
def data(tmp_path, monkeypatch):
    """A folder of tables with one shipped model on one shipped data set of six items in three classes."""
    folder = tmp_path / "data"
    monkeypatch.setenv("ANALYSIS_DATA_DIR", str(folder))
    found = rows.Rows(lambda: None)
    found.add(predictions("cifar10", "lib/shipped"))
    tables.write_counts(found.counts_frame(), folder / "class_counts.parquet")
    tables.write_confusions(found.confusions_frame(), folder / "confusions.parquet")
    for family, frame in found.correct.frames():
        tables.write_correct(frame, folder / "correct" / f"{family}.parquet")
    row = own.MODEL | {"model": "lib/shipped", "name": "net", "source": "lib", "is_network": True, "in_claims": True}
    tables.write_csv(pd.DataFrame([row]).reindex(columns=tables.CSV["models"]), "models")
    row = {"dataset": "cifar10", "label_space": "cifar10", "items": 6, "classes": 3, "shift_of": "", "note": ""}
    tables.write_csv(pd.DataFrame([row | {"per_item": True}]), "datasets")
    models.forget()
    yield folder
    models.forget()


def predictions(dataset, model, pred=(0, 0, 1, 1, 2, 0), *, keep=slice(None), label=(0, 0, 1, 1, 2, 2), **columns):
    item_id = np.array([f"i{number}" for number in range(len(label))], dtype=object)[keep]
    label, pred = (np.array(column)[keep] for column in (label, pred))
    return sources.Predictions(dataset, model, item_id, label, pred, n_classes=10, **columns)


def read(kind):
    return tables._plain(tables._read_parquet(paths.own() / f"{kind}.parquet", kind).to_pandas())


def test_own_results_are_read_beside_the_shipped_ones(data):
    before = files.sha256(data / "class_counts.parquet")
    own.add([predictions("cifar10", "timm/mine", [0, 1, 1, 1, 2, 2])], [{"model": "timm/mine", "family": "ViT"}])
    found = tables.counts("cifar10")
    assert found.models == ("lib/shipped", "timm/mine") and found.correct[:, :3].tolist() == [[2, 2, 1], [1, 2, 2]]
    assert tables.correct("cifar10").right.sum(axis=1).tolist() == [5, 5]
    assert tables.read_confusions(models=["timm/mine"])[["label", "pred", "count"]].values.tolist() == [[0, 1, 1]]
    assert models.labels(["timm/mine"]) == ["mine"] and models.families(["timm/mine"]) == ["ViT"]
    assert models.table().loc["timm/mine", "top1"] == pytest.approx(5 / 6)
    assert files.sha256(data / "class_counts.parquet") == before
    assert not len(tables.read_csv("datasets", paths.own() / "datasets.csv")), "cifar10 is shipped"


def test_a_second_run_takes_the_place_of_the_first_and_of_nothing_else(data):
    own.add([predictions("own:pets", "local/a"), predictions("own:pets", "local/b")])
    own.add([predictions("own:pets", "local/a", [0, 0, 1, 1, 2, 2])])
    assert tables.correct("own:pets").right.sum(axis=1).tolist() == [6, 5]
    assert read("confusions")["model"].tolist() == ["local/b"]
    assert len(read("class_counts")) == 2 * 10
    assert tables.read_csv("models", paths.own() / "models.csv")["model"].tolist() == ["local/a", "local/b"]
    one = tables.rows_of("datasets").set_index("dataset").loc["own:pets"]
    assert (one["items"], one["classes"], one["per_item"]) == (6, 3, True)


def test_equal_results_give_equal_bytes_in_any_order(data):
    parts = [
        predictions("own:pets", "local/a"),
        predictions("cifar10.1-v4", "local/b"),
        predictions("own:x", "local/c"),
    ]
    own.add(parts)
    first = {path.name: path.read_bytes() for path in paths.own().rglob("*.*") if path.is_file()}
    for part in reversed(parts):
        own.add([part])
    assert first == {path.name: path.read_bytes() for path in paths.own().rglob("*.*") if path.is_file()}


def test_shipped_results_are_compared_never_added_to(data):
    assert own.shipped("cifar10", "lib/shipped") and not own.shipped("cifar100", "lib/shipped")
    same, other = predictions("cifar10", "lib/shipped"), predictions("cifar10", "lib/shipped", [0, 1, 1, 1, 0, 2])
    assert own.compare(same) == 0 and own.compare(other) == 1
    assert own.compare(predictions("cifar10", "lib/shipped", keep=slice(1, None))) == 1
    with pytest.raises(UsageError, match="among the shipped results"):
        own.add([predictions("own:pets", "local/a"), other])
    with pytest.raises(UsageError, match="not among the shipped"):
        own.compare(predictions("cifar10", "local/a"))
    assert not paths.own().exists()


def test_items_that_could_not_be_read_are_unknown_not_wrong(data):
    own.add([predictions("cifar10", "timm/bad", keep=slice(2, None)), predictions("cifar10", "timm/whole")])
    frame = tables._read_correct(paths.own() / "correct" / "cifar10.parquet", "cifar10")
    assert frame["timm/bad"].isna().tolist() == [True, True, False, False, False, False]
    assert tables.correct("cifar10").models == ("lib/shipped", "timm/whole")
    assert tables.counts("cifar10", models=["timm/bad"]).n[0, :3].tolist() == [0, 2, 2]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"label": (0, 0, 1, 1, 2, 1)}, "1 items have other labels"),
        ({"label": (0, 0, 1, 1, 2, 2, 2), "pred": (0,) * 7}, "1 items are none of the shipped"),
    ],
)
def test_other_items_of_a_shipped_data_set_are_refused_before_anything_is_written(data, change, words):
    with pytest.raises(InputError, match=words):
        own.add([predictions("cifar10", "timm/mine", **change)])
    assert not list(paths.own().rglob("*.parquet"))


def test_models_of_other_data_sets_of_a_family_do_not_meet(data):
    """A family's table has a column for each model of any of its sets: empty ones are no second answer."""
    own.add([predictions("cifar10.1-v4", "lib/shipped"), predictions("cifar10", "timm/mine")])
    assert tables.correct("cifar10").models == ("lib/shipped", "timm/mine")
    assert tables.correct("cifar10.1-v4").models == ("lib/shipped",)


def test_a_shipped_row_of_a_model_stands_and_equal_names_are_told_apart(data):
    own.add(
        [predictions("own:pets", "lib/shipped"), predictions("own:pets", "timm/net")],
        [{"model": "lib/shipped", "name": "mine"}, {"model": "timm/net", "name": "net"}],
    )
    assert models.labels(["lib/shipped", "timm/net"]) == ["net", "net (timm)"]
    assert tables.read_csv("models", paths.own() / "models.csv")["model"].tolist() == ["timm/net"]


@pytest.mark.parametrize("stop", ["write_correct", "write_confusions", "write_counts"])
def test_a_kill_between_two_files_leaves_tables_that_can_be_read(data, stop, monkeypatch):
    own.add([predictions("cifar10", "timm/old")])
    parts = [predictions("cifar10", "timm/old", [0, 0, 1, 1, 2, 2]), predictions("own:pets", "timm/new")]
    with monkeypatch.context() as killed:
        killed.setattr(tables, stop, lambda *_: sys.exit(137))
        with pytest.raises(SystemExit):
            own.add(parts)
    models.forget()
    assert set(tables.read_counts()["model"]) == {"lib/shipped", "timm/old"}
    assert len(models.table()) == 3 and len(tables.correct("cifar10").models) == 2
    tables.read_confusions()
    own.add(parts)
    assert tables.counts("cifar10").correct.sum(axis=1).tolist() == [5, 6]
    assert tables.counts("own:pets").correct.sum() == 5


def test_a_damaged_own_table_is_set_aside(data, capsys):
    own.add([predictions("own:pets", "local/a")])
    files.write_bytes(paths.own() / "class_counts.parquet", b"PAR1")
    own.add([predictions("own:pets", "local/b")])
    assert (
        set(read("class_counts")["model"]) == {"local/b"}
        and "kept as class_counts.parquet.bad-" in capsys.readouterr().err
    )
    assert tables.correct("own:pets").models == ("local/a", "local/b")


def test_a_changed_csv_says_how_it_is_changed_on_purpose(data):
    own.add([predictions("own:pets", "local/a")], [{"model": "local/a", "year": 2020}])
    path = paths.own() / "models.csv"
    changed = path.read_text(encoding="utf-8").replace(",2020,", ",2021,")
    path.write_text(changed, encoding="utf-8")
    with pytest.raises(InputError, match=r"not the one in its first line; changed on purpose: delete that line"):
        tables.rows_of("models")
    (finding,) = verify._own([], repair=False)[1]
    assert "not the one in its first line; changed on purpose: delete that line" in str(finding)
    path.write_text(changed.partition("\n")[2], encoding="utf-8")
    own.add([predictions("own:pets", "local/b")])
    assert tables.read_csv("models", path)["year"].tolist()[0] == 2021
    assert path.read_text(encoding="utf-8").startswith("#sha256 ")


def test_an_own_table_that_breaks_a_rule_is_set_aside(data, capsys, monkeypatch):
    own.add([predictions("own:pets", "local/a")])
    with monkeypatch.context() as unchecked:
        unchecked.setattr(tables, "_check", lambda *_: None)
        tables.write_counts(read("class_counts").assign(correct=99), paths.own() / "class_counts.parquet")
    own.add([predictions("own:pets", "local/b")])
    assert set(read("class_counts")["model"]) == {"local/b"} and "outside 0..n" in capsys.readouterr().err


def test_a_writer_does_not_wait_for_ever(data, monkeypatch):
    monkeypatch.setattr(own, "LONGEST_WAIT", 0.1)
    with own._locked(paths.own()), pytest.raises(ResourceError, match="another process"):
        own.add([predictions("own:pets", "local/a")])


def test_several_writers_lose_no_row(data):
    parts = [predictions("own:pets", f"local/{number}") for number in range(6)]
    writers = [threading.Thread(target=own.add, args=([part],)) for part in parts]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert tables.counts("own:pets").models == tuple(part.model for part in parts)


def table(**changes):
    columns = {
        "item_id": np.array(["i0", "i1", "i2"], dtype=object),
        "label": np.array([1, 2, 2], dtype=np.int32),
        "pred": np.array([1, 2, 0], dtype=np.int32),
        "confidence": np.array([0.5, 0.75, 1.0], dtype=np.float32),
        "label_rank": np.array([0, 0, 7], dtype=np.int32),
        "top5": None,
    }
    return store.Table(**columns | changes)


def recipe(dataset="tiny-imagenet", model="package/efficientnet_lite0"):
    return {"kind": "image", "dataset": dataset, "model": {"id": model, "weights": "0"}, "items": "0"}


def test_entries_of_the_store_become_predictions(data, tmp_path):
    part = own.from_store(store.put(recipe(), table(), folder=tmp_path))
    assert (part.dataset, part.model, part.n_classes) == ("tiny-imagenet", "package/efficientnet_lite0", 1000)
    assert part.members.tolist() == [1, 2] and part.top5.tolist() == [True, True, False]
    assert part.confidence.tolist() == [0.5, 0.75, 1.0] and part.item_id.tolist() == ["i0", "i1", "i2"]
    text = {"kind": "text", "dataset": "banking77/typo/3", "classifier": {"id": "tfidf-svm"}, "seed": 2, "items": "0"}
    unknown = table(confidence=np.full(3, np.nan, dtype=np.float32), label_rank=np.full(3, -1, dtype=np.int32))
    part = own.from_store(store.put(text, unknown, folder=tmp_path))
    assert (part.dataset, part.model, part.n_classes) == ("banking77/typo/3", "text/tfidf-svm-2", 77)
    assert part.members is None and part.top5 is None and part.confidence is None
    named = store.put(recipe("own:pets"), table(), about={"model": "local/pets", "n_classes": 5}, folder=tmp_path)
    assert own.from_store(named).model == "local/pets" and own.from_store(named).n_classes == 5
    spoken = store.put(recipe("own:cats") | {"label_space": "imagenet"}, table(), folder=tmp_path)
    assert own.from_store(spoken).n_classes == 1000
    own.add([own.from_store(spoken)])
    assert tables.rows_of("datasets").set_index("dataset").loc["own:cats", "label_space"] == "imagenet"


def test_absent_classes_of_a_subset_have_no_row(data, tmp_path):
    own.add([own.from_store(store.put(recipe("tiny-imagenet@1000"), table(), folder=tmp_path))])
    rows_of = read("class_counts")
    assert rows_of["class_id"].tolist() == [1, 2] and rows_of["confidence_sum"].tolist() == [0.5, 1.75]
    assert rows_of["correct_top5"].tolist() == [1, 1]
    assert read("confusions")[["label", "pred", "count"]].values.tolist() == [[2, 0, 1]]
    about = tables.rows_of("datasets").set_index("dataset").loc["tiny-imagenet@1000"]
    assert (about["label_space"], about["shift_of"], about["classes"]) == ("imagenet", "", 2)


def test_items_out_of_scope_are_in_confusions_alone(data):
    own.add([predictions("clinc150", "text/tfidf-svm-0", label=(0, 0, 1, 1, 2, -1), pred=(0, 0, 1, 1, 2, 2))])
    assert tables.counts("clinc150").n.sum() == 5
    assert read("confusions")[["label", "pred", "count"]].values.tolist() == [[-1, 2, 1]]
    assert models.labels(["text/tfidf-svm-0"]) == ["tf-idf, linear SVM, run 0"]


def test_shipped_predictions_are_written_read_and_derived(data, tmp_path):
    entries = [store.put(recipe("tiny-imagenet", f"timm/{net}"), table(), folder=tmp_path) for net in "ba"]
    path = ship.ship("tiny-imagenet", entries, {"command": "make", "seconds": 3}, without_confidence=["tiny-imagenet"])
    first = path.read_bytes()
    assert ship.ship("tiny-imagenet", entries[::-1], {"seconds": 3, "command": "make"},
                     without_confidence=["tiny-imagenet"]).read_bytes() == first  # fmt: skip
    assert tables.made(path) == {"command": "make", "seconds": 3}
    found = tables.read_predictions(dataset="tiny-imagenet", models=["timm/a"])
    assert len(found) == 3 and found["confidence"].isna().all() and found["label_rank"].tolist() == [0, 0, 7]
    parts = list(sources.read("runs"))
    assert [part.model for part in parts] == ["timm/a", "timm/b"] and runs.count() == 2
    assert parts[0].confidence is None and parts[0].top5.tolist() == [True, True, False]
    about = derive._shipped(path)
    assert (about["rows"], about["command"], about["sha256"]) == (6, "make", files.sha256(path))
    with pytest.raises(UsageError, match="belongs to text"):
        ship.ship("tiny-imagenet", [store.put(recipe("banking77"), table(), folder=tmp_path)], {})
    with pytest.raises(UsageError, match="two entries"):
        ship.ship("tiny-imagenet", [entries[0], entries[0]], {})


@pytest.mark.parametrize(
    ("dataset", "known"),
    [
        ("tiny-imagenet", ("tiny-imagenet", "")),
        ("tiny-imagenet@1000", ("imagenet", "")),
        ("tiny-imagenet-c-local/fog/3", ("tiny-imagenet", "tiny-imagenet")),
        ("tiny-imagenet-c-local/fog/3@1000", ("imagenet", "tiny-imagenet@1000")),
        ("imagenet-c/fog/3", ("imagenet", "imagenet-val")),
        ("imagenet-a", ("imagenet-a", "imagenet-val")),
        ("imagenet-r", ("imagenet-r", "imagenet-val")),
        ("clinc150", ("clinc150", "")),
        ("clinc150-imbalanced", ("clinc150", "")),
        ("clinc150-imbalanced/swap/1", ("clinc150", "clinc150-imbalanced")),
        ("20news-bydate", ("20news", "")),
        ("20news/typo/5", ("20news", "20news")),
        ("hint3-curekart-cv", ("hint3-curekart", "")),
        ("hint3-curekart-v2/typo/5", ("hint3-curekart", "hint3-curekart-v2")),
        ("hint3-curekart-v2", ("hint3-curekart", "")),
        ("banking77", ("banking77", "")),
        ("cifar10.1-v6", ("cifar10", "cifar10")),
    ],
)
def test_label_space_and_clean_set_of_every_kind(dataset, known):
    assert rows.facts(dataset)[:2] == known
    assert runs.space(dataset) == known[0] and known[0] in runs.N_CLASSES


def test_lists_of_classes_are_whole():
    wnids = runs.names("tiny-imagenet")
    assert wnids == sorted(set(wnids)) and len(wnids) == 200
    assert set(wnids) <= set(tables.read_csv("classes").query("label_space == 'imagenet'")["wnid"])
    assert runs.names("clinc150") == sorted(set(runs.names("clinc150"))) and len(runs.names("clinc150")) == 150


@pytest.fixture
def predicted(made_up, monkeypatch):
    monkeypatch.setenv("ANALYSIS_DATA_DIR", str(made_up))
    models.forget()
    yield made_up
    models.forget()


@pytest.fixture(scope="module")
def made_up(tmp_path_factory):
    """The shipped tables with made-up answers of the paper's four networks beside them."""
    folder = tmp_path_factory.mktemp("predicted")
    for path in [*paths.data().glob("*.*"), *paths.data().glob("correct/imagenet*"), *paths.data().glob("paper/*")]:
        target = folder / path.relative_to(paths.data())
        files.write_bytes(target, path.read_bytes())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ANALYSIS_DATA_DIR", str(folder))
        patch.setattr(own, "_real", lambda: None)
        models.forget()
        rng, parts = np.random.default_rng(0), []
        hard = rng.beta(4, 1, 1000)
        for dataset in ("imagenet-val", "imagenetv2-matched-frequency", "imagenet-c/brightness/1"):
            items = tables._read_correct(
                folder / "correct" / f"{tables.family('imagenet-val')}.parquet", "imagenet-val"
            )
            if dataset.startswith("imagenetv2"):
                items = tables._read_correct(folder / "correct" / "imagenetv2.parquet", dataset)
            label = items["class_id"].to_numpy(dtype=np.int64)
            for model in FOUR:
                right = rng.random(len(label)) < hard[label]
                pred = np.where(right, label, (label + 1) % 1000)
                confidence = np.where(right, 0.9, 0.5)
                item_id = items.index.to_numpy(dtype=object)
                parts.append(sources.Predictions(dataset, model, item_id, label, pred, 1000, confidence))
        own.add(parts, [{"model": model, "name": model.split("/")[1], "family": "ViT"} for model in FOUR])
    models.forget()
    return folder


def test_predicted_networks_fill_the_rows_of_the_paper(predicted):
    items = paper.items().set_index(["item", "dataset", "model", "statistic"]).sort_index()
    assert not items["status"].eq("needs data: ImageNet").any()
    left = items[items["status"] == "needs data: ImageNet.pkl"]
    assert set(left.index.get_level_values("item")) == {"Table 5"}, "EfficientNet-B4 by seed"
    vit, resnet = (items.loc["Table 1", "imagenet-val", net, "acc"] for net in ("ViT_L_16", "ResNet152"))
    counts = tables.counts("imagenet-val", models=[FOUR[3], FOUR[0]])
    acc = 100 * counts.correct.sum(axis=1) / counts.n.sum(axis=1)
    assert [vit["as_coded"], resnet["corrected"]] == pytest.approx(acc)
    assert vit["status"] == resnet["status"] == "differs" and np.isnan(resnet["as_coded"])
    assert resnet["ours_model"] == FOUR[0] and "training mode" in resnet["source"]
    pair = items.loc["Table 2", "imagenet-val", "ResNet152 x ViT_L_16", "pearson"]
    assert np.isfinite(pair["corrected"]) and np.isnan(pair["as_coded"]) and pair["status"] == "ours only"
    figure = items.loc["Fig confidence", "imagenet-val", "ResNet152"]
    assert set(figure.loc[figure["as_coded"].notna() & figure.index.str.startswith("fisher"), "status"]) == {"differs"}
    shifted = items.loc["Fig sensitivity"].xs("acc", level="statistic")["status"]
    assert shifted["imagenet-c/brightness/1", "ViT_L_16"] == "differs"
    assert shifted["imagenet-c/brightness/2", "ViT_L_16"] == "needs data: ImageNet-C"


def test_predicted_networks_have_claim_rows(predicted):
    assert models.named("paper") == FOUR and models.paper(labels="real") == ()
    rng = np.random.default_rng(0)
    weak = paper_nets.weak_classes(rng=rng, refits=2)
    assert [(row["claim"], row["models"]) for row in weak] == [("F1", name) for name in ("paper", *FOUR)]
    both = paper_nets.overlaps(rng=rng, draws=8, splits=4)
    assert [(row["claim"], row["models"], row["n_models"]) for row in both] == [
        ("F2r", "paper", 4),
        ("F2o", "paper", 4),
    ]
    assert both[0]["effect"] > 0.9, "the made-up networks find the same classes hard"
    moved = paper_nets.shifts(rng=rng, draws=8, splits=4)
    assert {row["dataset"] for row in moved} == {"imagenetv2-matched-frequency"} and len(moved) == 4
    assert "torchvision/vit_l_16.v1" in set(hidden.summary(models.named("paper"))["model"])


def test_without_predictions_there_is_no_row_and_no_random_number():
    rng = np.random.default_rng(0)
    state = rng.bit_generator.state
    assert models.named("paper") == ()
    found = paper_nets.weak_classes(rng=rng) + paper_nets.overlaps(rng=rng) + paper_nets.shifts(rng=rng)
    assert found == [] and rng.bit_generator.state == state


def test_real_labels_follow_the_item_and_not_the_row():
    sets = np.eye(4, 10, dtype=bool)
    sets[3] = False  # no label fits: left out
    real = rows.Real(np.array(["i0", "i1", "i2", "i3"], dtype=object), sets)
    one = predictions("imagenet-val", "timm/x", [3, 2, 9, 0], label=[0, 1, 2, 3])
    turned = sources.Predictions(one.dataset, one.model, *(c[::-1] for c in (one.item_id, one.label, one.pred)), 10)
    for part in (one, turned):
        part.pred[part.item_id == "i0"], part.pred[part.item_id == "i1"] = 0, 2
        found = rows.Rows(lambda: real)
        found.add(part)
        by_real = found.counts_frame().query("labels == 'real'").set_index("class_id")
        assert by_real["n"].tolist()[:4] == [1, 1, 1, 0] and by_real["correct"].tolist()[:4] == [1, 0, 0, 0]
    with pytest.raises(IntegrityError, match="not images of ImageNet val"):
        real.rows(np.array(["i9"], dtype=object))


def test_own_answers_are_also_held_against_the_real_labels(data, monkeypatch):
    sets = np.eye(6, 10, dtype=bool)[[0, 0, 1, 2, 2, 5]]
    sets[5] = False
    item_id = np.array([f"i{number}" for number in range(6)], dtype=object)[::-1]
    monkeypatch.setattr(own, "_real", lambda: rows.Real(item_id, sets[::-1]))
    own.add([predictions("imagenet-val", f"timm/{net}", [0, 0, 1, 1, 2, 2]) for net in "xy"])
    real = tables.correct("imagenet-val", labels="real")
    assert real.right.tolist() == [[True, True, True, False, True]] * 2 and real.class_id.tolist() == [0, 0, 1, 1, 2]
    assert tables.counts("imagenet-val", labels="real").correct[:, :3].tolist() == [[2, 1, 1]] * 2
    monkeypatch.setattr(own, "_real", lambda: None)
    own.add([predictions("imagenet-val", "timm/x")])
    assert tables.correct("imagenet-val", labels="real").models == ("timm/y",), "stale answers go with the old run"
    monkeypatch.setattr(own, "_real", lambda: rows.Real(item_id[1:], sets[1:]))
    with pytest.raises(InputError, match="not images of ImageNet val"):
        own.add([predictions("imagenet-val", "timm/z")])


def test_without_the_published_labels_one_line_says_how_to_get_them(data, monkeypatch, capsys):
    monkeypatch.delenv("ANALYSIS_MIRROR", raising=False)
    monkeypatch.setattr(own, "_real", functools.cache(own._real.__wrapped__))
    files.write_bytes(data / "sources.csv", (paths.ROOT / "data" / "sources.csv").read_bytes())
    own.add([predictions("imagenet-val", "timm/x"), predictions("imagenet-val", "timm/y")])
    said = capsys.readouterr().err
    assert "make data" in said and said.count("\n") == 1
    assert set(read("class_counts")["labels"]) == {"original"}


def test_the_names_of_the_paper_are_the_same_everywhere():
    assert {net: ids[:2] for net, ids in paper_rows.NETS.items()} == {
        net: (theirs, here) for net, (here, theirs) in models.PAPER.items()
    }
