"""Readers of published results, on small made files: each known fault is refused and named, each known trap undone."""

import importlib
import io
import json

import numpy as np
import pytest

from analysis import sources
from analysis.errors import InputError, IntegrityError
from analysis.sources import (
    Items,
    analysing_relations,
    check,
    cifar,
    class_names,
    clip,
    fetch,
    imagenetv2,
    imagenetx,
    real_labels,
    trials,
)

N_CLASSES, PER_CLASS = 1000, 50


@pytest.fixture(scope="module")
def val():
    """50,000 made items in the order of the published files: by class, file numbers mixed."""
    rng = np.random.default_rng(0)
    number = rng.permutation(N_CLASSES * PER_CLASS) + 1
    label = np.repeat(np.arange(N_CLASSES), PER_CLASS)
    number = np.sort(number.reshape(N_CLASSES, PER_CLASS), axis=1).ravel()
    return Items("imagenet-val", np.array([f"ILSVRC2012_val_{n:08d}" for n in number], dtype=object), label, N_CLASSES)


@pytest.fixture(scope="module")
def pred(val):
    """Right for 76 %."""
    rng = np.random.default_rng(1)
    return np.where(rng.random(len(val.label)) < 0.76, val.label, rng.integers(0, N_CLASSES, len(val.label)))


@pytest.fixture
def place(tmp_path, monkeypatch):
    """`place(name, bytes)` makes a file that the readers find; names are listed in the order of `fetch.listed`."""
    placed = {}

    def put(name, content):
        path = tmp_path / f"{len(placed)}"
        path.write_bytes(content)
        placed[name] = path

    monkeypatch.setattr(fetch, "locate", lambda name: placed[name])
    monkeypatch.setattr(fetch, "listed", lambda prefix: sorted(name for name in placed if name.startswith(prefix)))
    return put


def read_csv(monkeypatch, place, val, rows):
    """What `analysing_relations` reads from rows of (id, pred, label)."""
    monkeypatch.setattr(analysing_relations, "items", lambda dataset: val)
    text = "".join(f"{item}.JPEG,{pred},{label}\n" for item, pred, label in rows)
    place(f"{analysing_relations.BASE}/topk_ids_net.csv", text.encode())
    (found,) = analysing_relations.read()
    return found


def rows_of(val, pred):
    return list(zip(val.item_id, pred, val.label, strict=True))


def test_rows_in_any_order_give_the_same_predictions(val, pred, place, monkeypatch):
    rows = rows_of(val, pred)
    np.random.default_rng(2).shuffle(rows)
    found = read_csv(monkeypatch, place, val, rows)
    assert found.model == "timm2022/net" and found.pred.dtype == np.int64
    assert (
        (found.pred == pred).all() and (found.label == val.label).all() and (found.right == (pred == val.label)).all()
    )


BY_TEXT = np.array(sorted(range(N_CLASSES), key=str))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda rows: rows[:-1], "49999 rows, expected 50000; 1 items are missing"),
        (lambda rows: [*rows[:-1], rows[0]], "more than once"),
        (lambda rows: [*rows, rows[0]], "more than once"),
        (lambda rows: [("ILSVRC2012_val_00099999", *rows[0][1:]), *rows[1:]], "not of this data set"),
        (
            lambda rows: [(i, p, c) for (i, _, _), (_, p, c) in zip(rows, rows[1:] + rows[:1], strict=True)],
            "labels differ",
        ),
        (lambda rows: [(i, p, c + (c < 999)) for i, p, c in rows], r"off by one \(-1 fits"),
        (lambda rows: [(i, p + (p < 999), c) for i, p, c in rows], r"off by one \(-1 fits"),
        (lambda rows: [(i, p - (p > 0), c) for i, p, c in rows], r"off by one \(\+1 fits"),
        (lambda rows: [(i, np.argsort(BY_TEXT)[p], c) for i, p, c in rows], "sorted as text"),
        (lambda rows: [(i, BY_TEXT[p], c) for i, p, c in rows], "sorted as text"),
        (lambda rows: [(i, p, np.argsort(BY_TEXT)[c]) for i, p, c in rows], "sorted as text"),
        (lambda rows: [(*rows[0][:1], 1000, 0), *rows[1:]], "pred is 1000 in row 0"),
        (lambda rows: [(*rows[0][:1], -1, 0), *rows[1:]], "pred is -1 in row 0"),
        (lambda rows: [(*rows[0][:1], "1.0", 0), *rows[1:]], "row 0: pred is not an integer"),
        (lambda rows: [(*rows[0][:1], "NaN", 0), *rows[1:]], "row 0: pred is not an integer"),
        (lambda rows: [(i, p, f"{c},0") for i, p, c in rows], "4 columns"),
        (lambda rows: [rows[0], ("a", 1, "0,0"), *rows[2:]], "row 1 has 4 fields"),
        (lambda rows: [(i, c // 100, c) for i, _, c in rows], "different orders"),
    ],
)
def test_a_malformed_file_is_refused_and_the_fault_named(val, pred, place, monkeypatch, change, words):
    with pytest.raises(IntegrityError, match=words) as raised:
        read_csv(monkeypatch, place, val, change(rows_of(val, pred)))
    assert "topk_ids_net.csv" in str(raised.value)


def test_an_id_from_outside_reaches_the_message_short_and_harmless():
    with pytest.raises(IntegrityError) as raised:
        check.check_ids("a.csv", ["\x1b[2J" + "x" * 10_000], ["a"])
    assert "\x1b" not in str(raised.value) and len(str(raised.value)) < 300


def test_the_same_checks_blame_a_user_for_their_own_file():
    with pytest.raises(InputError, match="classes run from 0 to 9"):
        check.check_classes("mine.csv", [10], n_classes=10, what="pred", fault=InputError)


@pytest.mark.parametrize("values", [[[0], [1]], [0.0, 1.0], ["0", "1"], [True, False], np.array([0, None])])
def test_only_a_column_of_integers_is_a_column_of_classes(values):
    with pytest.raises(IntegrityError, match=r"shape|type"):
        check.check_classes("a.npy", values, n_classes=10, what="pred")


def test_other_byte_order_and_width_are_the_same_numbers():
    for dtype in (">i2", "<i8", "uint8"):
        found = check.check_classes("a.npy", np.array([0, 200], dtype=dtype), n_classes=201, what="pred")
        assert found.dtype == np.int64 and found.tolist() == [0, 200]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -0.1, 1.1])
def test_a_confidence_is_a_number_from_0_to_1(bad):
    with pytest.raises(IntegrityError, match="row 1"):
        check.check_confidence("a.csv", np.array([0.5, bad]), n_items=2)
    with pytest.raises(IntegrityError, match="type int64"):
        check.check_confidence("a.csv", np.array([0, 1]), n_items=2)


def test_ids_are_one_column_of_those_of_the_set():
    with pytest.raises(IntegrityError, match="ids have type"):
        check.check_ids("a.csv", [["a"]], ["a"])
    with pytest.raises(IntegrityError, match="1 are not of this data set"):
        check.check_ids("a.csv", ["a", "b", "c"], ["a", "b"])
    with pytest.raises(IntegrityError, match="expected"):
        check.check_topk("a.npy", np.zeros(2, dtype=np.int64), [0, 0], n_classes=2)


@pytest.mark.parametrize(("content", "words"), [(b"a\xe9", r"not UTF-8 text \(byte 1\)"), (b"a\0", "holds NUL bytes")])
def test_text_is_utf8_without_nul(tmp_path, content, words):
    (tmp_path / "a.txt").write_bytes(content)
    with pytest.raises(IntegrityError, match=words):
        check.read_text(tmp_path / "a.txt", where="a.txt")


@pytest.mark.parametrize("text", ['{"a": 1, "a": 2}', '{"a": NaN}', '{"a": 1e999}', '{"a": ', "[" * 100_000])
def test_ambiguous_json_is_refused(tmp_path, text):
    (tmp_path / "a.json").write_text(text, encoding="utf-8")
    with pytest.raises(IntegrityError, match="not JSON"):
        check.read_json(tmp_path / "a.json", where="a.json")


def topk_of(val, pred):
    """Five columns, best first: `pred`, the label where that was wrong, others."""
    rng = np.random.default_rng(3)
    other = rng.integers(0, N_CLASSES, (len(pred), 3))
    return np.column_stack([pred, val.label, other])


def npy(array):
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def read_npy(monkeypatch, place, val, array, dataset="imagenet-val", network="net"):
    monkeypatch.setattr(imagenetv2, "SETS", {dataset: "folder"})
    monkeypatch.setattr(imagenetv2, "items", lambda _: Items(dataset, val.item_id, val.label, N_CLASSES))
    monkeypatch.setattr(imagenetv2, "N_NETWORKS", 1)
    place(f"{imagenetv2.BASE}/predictions/folder/{network}.npy", npy(array))
    (found,) = imagenetv2.read()
    return found


def test_top_five_counts_the_label_in_any_column(val, pred, place, monkeypatch):
    found = read_npy(monkeypatch, place, val, topk_of(val, pred))
    assert (found.pred == pred).all() and found.top5.all()


def test_columns_stored_best_last_are_recognised(val, pred, place, monkeypatch):
    with pytest.raises(IntegrityError, match="columns are reversed"):
        read_npy(monkeypatch, place, val, topk_of(val, pred)[:, ::-1])


def test_the_reversed_file_of_fv_16k_is_repaired_and_only_while_it_is_reversed(val, pred, place, monkeypatch):
    of_v2 = {"dataset": "imagenetv2-top-images", "network": "fv_16k_model"}
    found = read_npy(monkeypatch, place, val, topk_of(val, pred)[:, ::-1], **of_v2)
    assert found.model == "imagenetv2/fv_16k" and (found.pred == pred).all()
    with pytest.raises(IntegrityError, match="columns are reversed"):
        read_npy(monkeypatch, place, val, topk_of(val, pred), **of_v2)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((49_999, 5), dtype=np.int64), "shape"),
        (np.zeros(50_000, dtype=np.int64), "shape"),
        (np.zeros((50_000, 5)), "type float64"),
        (np.full((50_000, 5), 1000), "pred is 1000"),
        (np.array([{}] * 3, dtype=object), "not a plain .npy array"),
    ],
)
def test_a_malformed_array_is_refused(val, place, monkeypatch, array, words):
    with pytest.raises(IntegrityError, match=words):
        read_npy(monkeypatch, place, val, array)


def test_a_missing_network_is_noticed(val, place, monkeypatch):
    monkeypatch.setattr(imagenetv2, "SETS", {"imagenet-val": "folder"})
    with pytest.raises(IntegrityError, match="0 networks"):
        list(imagenetv2.read())


def images(change=None):
    """The list of a V2 set, each class ten times."""
    found = [[f"{number}.JPEG", f"n{number % 1000:08d}"] for number in range(10_000)]
    if change:
        change(found)
    return json.dumps({"image_filenames": found}).encode()


@pytest.mark.parametrize(
    "change",
    [
        lambda found: found.__setitem__(slice(None), [each for each in found if each[1] != "n00000007"]),
        lambda found: found[7].__setitem__(1, "n00000008"),
        lambda found: found[7].__setitem__(0, "8.JPEG"),
    ],
    ids=["a class less", "an item of another class", "an id twice"],
)
def test_a_list_of_other_items_is_refused(place, change):
    name = f"{imagenetv2.BASE}/datasets/{imagenetv2.SETS['imagenetv2-top-images']}.json"
    place(name, images())
    assert len(imagenetv2.items.__wrapped__("imagenetv2-top-images").item_id) == 10_000
    place(name, images(change))
    with pytest.raises(IntegrityError, match="1000 classes of 10 items with distinct ids"):
        imagenetv2.items.__wrapped__("imagenetv2-top-images")


def test_lists_of_classes_are_sorted(place):
    wnids = [f"n{number:08d}\n" for number in range(1000)]
    place(f"{class_names.INFO}/imagenet_synsets.txt", "".join(wnids[::-1]).encode())
    with pytest.raises(IntegrityError, match="1000 wnids, sorted"):
        class_names.imagenet()
    place(f"{class_names.INFO}/imagenet_a_indices.txt", "".join(f"{number}\n" for number in range(200, 0, -1)).encode())
    with pytest.raises(IntegrityError, match="200 ids, sorted"):
        class_names.subset("a")


def test_confidence_follows_its_item(val, pred, place, monkeypatch):
    monkeypatch.setattr(imagenetx, "items", lambda dataset: val)
    confidence = np.random.default_rng(4).random(len(pred))
    rows = list(zip(val.item_id, pred, confidence.tolist(), strict=True))[::-1]
    text = ",".join(imagenetx.HEADER) + "\n" + "".join(f"{i}.JPEG,{p},{c!r}\n" for i, p, c in rows)
    place(f"{imagenetx.BASE}/Net.csv", text.encode())
    (found,) = imagenetx.read()
    assert found.model == "imagenet-x/Net" and (found.pred == pred).all()
    np.testing.assert_array_equal(found.confidence, confidence)


def test_real_labels_are_read_by_file_number_and_another_order_is_refused(val, place, monkeypatch):
    monkeypatch.setattr(real_labels, "items", lambda dataset: val)
    monkeypatch.setattr(real_labels, "N_EMPTY", 1)
    number = np.array([int(item[-8:]) for item in val.item_id])
    sets = [None] * len(number)
    for n, label in zip(number, val.label.tolist(), strict=True):
        sets[n - 1] = [label, (label + 1) % 1000]
    sets[number[7] - 1] = []
    place(real_labels.NAME, json.dumps(sets).encode())
    found = real_labels.label_sets()
    assert found.shape == (50_000, 1000) and not found[7].any()
    assert np.flatnonzero(found[8]).tolist() == [val.label[8], val.label[8] + 1]
    place(real_labels.NAME, json.dumps([[label] for label in val.label.tolist()[1:]] + [[]]).encode())
    with pytest.raises(IntegrityError, match="wrong order"):
        real_labels.label_sets()
    for wrong in (sets[:-1], [*sets[:-1], []]):
        place(real_labels.NAME, json.dumps(wrong).encode())
        with pytest.raises(IntegrityError, match="expected 50000 sets, 1 of them empty"):
            real_labels.label_sets()


def test_class_sizes_are_recovered_from_accuracies_or_refused():
    rng = np.random.default_rng(5)
    n = rng.choice([50, 51], size=300)
    correct = rng.integers(1, n, size=(21, 300))
    n[40], correct[:, 40] = 51, 0  # as brass on Sketch: no accuracy tells its size
    accuracy = 100 * correct / n / 100
    assert clip.class_sizes(accuracy, low=50, high=51, total=n.sum(), where="").tolist() == n.tolist()
    with pytest.raises(IntegrityError, match="add up"):
        clip.class_sizes(accuracy, low=50, high=51, total=n.sum() + 2, where="")
    with pytest.raises(IntegrityError, match="no whole counts"):
        clip.class_sizes(np.full((21, 1), 0.123456), low=50, high=51, total=50, where="")


def test_clip_counts_are_exact_and_tied_to_the_printed_overall_accuracy(place, monkeypatch):
    n, k = np.array([51, 60, 73]), np.random.default_rng(6).integers(1, 51, (21, 3))
    monkeypatch.setattr(clip, "FILES", {"imagenet-r": "imagenet-r"})
    monkeypatch.setattr(clip, "N_ITEMS", {"imagenet-r": int(n.sum())})
    monkeypatch.setattr(class_names, "subset", lambda letter: [1, 4, 9])
    name = f"{clip.BASE}/imagenet-r_ensemble_results.json"

    def content(shift=0.0):
        return {
            f"backboneRN{m}_pretrainedcc3m": {
                "full": 100 * row.sum() / n.sum() + shift,
                "classwise": {f"class {j}": 100 * row[j] / n[j] for j in range(3)},
            }
            for m, row in enumerate(k)
        }

    place(name, json.dumps(content()).encode())
    found = list(clip.read())
    assert found[2].model == "openclip/RN2.cc3m" and found[2].class_id.tolist() == [1, 4, 9]
    assert found[2].correct.tolist() == k[2].tolist() and found[2].n.tolist() == n.tolist()
    place(name, json.dumps(content(shift=0.01)).encode())
    with pytest.raises(IntegrityError, match="do not add up"):
        list(clip.read())


def test_cifar_predictions_have_the_length_of_their_set(place, monkeypatch):
    label = np.tile(np.arange(10), 30)
    monkeypatch.setattr(cifar, "SETS", {"cifar10.1-v6": ("v6", "labels", 300)})
    monkeypatch.setattr(cifar, "N_NETWORKS", 1)
    place("labels", npy(label.astype(np.int32)))
    name = f"{cifar.BASE}/model_predictions/v6_predictions/net_predictions.json"
    place(name, json.dumps(label.tolist()).encode())
    (found,) = cifar.read()
    assert found.model == "cifar10.1/net" and found.right.all() and found.item_id[299] == "299"
    for wrong, words in (
        (label[:-1].tolist(), "299 rows"),
        ((label + 0.0).tolist(), "float64"),
        ([10] * 300, "10 in row 0"),
    ):
        place(name, json.dumps(wrong).encode())
        with pytest.raises(IntegrityError, match=words):
            list(cifar.read())


def trial_file(rows, header=trials.HEADER):
    lines = [",".join(header)] + [f"x,1,1,NaN,{answer},{truth},{cond},{image}" for answer, truth, cond, image in rows]
    return ("\n".join(lines) + "\n").encode()


NETWORK = [
    ("car", "car", "c50", "0001_cop_dnn_c50_car_10_n1_2.png"),
    ("cat", "dog", "c05", "0002_cop_dnn_c05_dog_10_n3_4.png"),
]
PERSON = [
    ("na", "dog", "c05", "0001_cop_s01_c05_dog_10_n3_4.png"),
    ("car", "car", "c50", "0002_cop_s01_c50_car_10_n1_2.png"),
]


def trial_parts(place, monkeypatch, network=NETWORK):
    monkeypatch.setattr(trials, "CLEAN", {"contrast": "c100"})
    monkeypatch.setattr(trials, "WITHOUT_CONDITION", ())
    header = ["subj", "Session", *trials.HEADER[2:]]
    place(f"{trials.COLLECTIONS['human']}/contrast/contrast_subject-01_session_1.csv", trial_file(PERSON, header))
    for name in ("resnet50", "barlow-twins"):
        place(f"{trials.COLLECTIONS['tizian']}/contrast/contrast_{name}_session-1.csv", trial_file(network))
    return {(part.dataset, part.model): part for part in trials.read()}


def test_people_and_networks_join_by_image_within_a_condition(place, monkeypatch):
    found = trial_parts(place, monkeypatch)
    assert sorted({model for _, model in found}) == ["human/contrast-subject-01", "human/pooled", "tizian/resnet50"]
    assert sorted({dataset for dataset, _ in found}) == ["ood16/contrast/c05", "ood16/contrast/c50"]
    person, network = (found["ood16/contrast/c05", m] for m in ("human/contrast-subject-01", "tizian/resnet50"))
    assert person.item_id.tolist() == network.item_id.tolist() == ["c05_dog_10_n3_4.png"]
    assert person.pred.tolist() == [-1] and not person.right.any()
    assert network.pred.tolist() == [trials.CATEGORIES.index("cat")]
    assert found["ood16/contrast/c50", "human/pooled"].correct.sum() == 1


@pytest.mark.parametrize(
    ("network", "words"),
    [
        (NETWORK[:1], "missing"),
        ([NETWORK[0], NETWORK[0]], "more than once"),
        ([NETWORK[0], ("cat", "bear", *NETWORK[1][2:])], "differs between files"),
        ([NETWORK[0], ("cat", "dog", "c10", NETWORK[1][3])], "differs between files"),
        ([NETWORK[0], ("lion", *NETWORK[1][1:])], "category is 16"),
        ([NETWORK[0], ("cat", "na", *NETWORK[1][2:])], "category is -1"),
    ],
)
def test_trials_that_do_not_fit_together_are_refused(place, monkeypatch, network, words):
    with pytest.raises(IntegrityError, match=words):
        trial_parts(place, monkeypatch, network=network)


def test_every_pinned_file_names_a_module_that_reads_it():
    used = {source.used_by for source in fetch.sources().values()}
    assert set(sources.READERS) - {"runs"} <= used, "runs reads this repository's own predictions"
    where = {name: f"analysis.{'text' if name == 'corpora' else 'sources'}.{name}" for name in used}
    assert all(importlib.import_module(module).__doc__ for module in where.values())
