"""Every layout that people have on disk, made from real images; and every fault that a folder can have."""

import os
import pickle
import random
import shutil
import time
from concurrent import futures
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.io import savemat

from analysis import classes, cli, paths, tables
from analysis.errors import InputError, NetworkError, ResourceError, UsageError, guarded
from analysis.vision import checking, found, itemsets, layouts, places, shards

WNIDS = classes.wnids()
VAL = tables.correct("imagenet-val", models=[])
MIRROR = paths.mirror()
CLASS_OF = dict(zip(VAL.item_id.tolist(), VAL.class_id.tolist(), strict=True))


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("ANALYSIS_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.delenv("ANALYSIS_MIRROR", raising=False)


def picture(path: Path, *, mode="RGB", format="JPEG", size=(12, 9), colour=None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.random.default_rng(len(path.name) if colour is None else colour).integers(0, 256, (*size[::-1], 3))
    Image.fromarray(values.astype(np.uint8)).convert(mode).save(path, format=format)
    return path


def val_items(n: int = 6) -> list[tuple[str, int]]:
    return list(CLASS_OF.items())[:n]


def val_folders(root: Path, n: int = 6) -> Path:
    for number, (name, label) in enumerate(val_items(n)):
        picture(root / WNIDS[label] / f"{name}.JPEG", colour=number)
    return root


def val_flat(root: Path, n: int = 30) -> Path:
    for name, _ in val_items(n):
        picture(root / f"{name}.JPEG")
    return root


def sample(root: Path, wnids=WNIDS[:3], each: int = 2) -> Path:
    for wnid in wnids:
        for number in range(each):
            picture(root / wnid / f"{wnid}_{number}.JPEG", colour=number)
    return root


def only(found):
    assert len(found) == 1
    return found[0]


# ---- ImageNet val ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("below", ["", "val", "ILSVRC2012_img_val", "imagenet/val", "ILSVRC/Data/CLS-LOC/val"])
def test_val_in_class_folders_wherever_it_lies(tmp_path, below):
    val_folders(tmp_path / below)
    items = only(layouts.open_set("imagenet-val", tmp_path, allow_missing=True))
    assert list(zip(items.item_id.tolist(), items.label.tolist(), strict=True)) == sorted(val_items())
    assert (items.label_space, items.n_classes, items.members, items.precropped) == ("imagenet", 1000, None, False)
    assert items.label.dtype == np.int32 and items.item_id.dtype == object
    for i, name in enumerate(items.item_id):
        path = tmp_path / below / WNIDS[items.label[i]] / f"{name}.JPEG"
        assert items.read(i) == path.read_bytes()


def test_a_hole_is_refused_before_hours_are_spent_on_it(tmp_path):
    val_folders(tmp_path)
    with pytest.raises(InputError, match=r"49994 of 50000 items missing.*allow-missing"):
        layouts.open_set("imagenet-val", tmp_path)


def test_an_item_in_the_folder_of_another_class_is_found(tmp_path):
    name, label = val_items(1)[0]
    picture(tmp_path / WNIDS[label + 1] / f"{name}.JPEG")
    with pytest.raises(InputError, match=f"{name}: class {label + 1} here, {label} in the data set"):
        layouts.open_set("imagenet-val", tmp_path, allow_missing=True)


def test_names_with_the_class_behind_them_are_the_same_items(tmp_path):
    (name, label), *_ = val_items(1)
    picture(tmp_path / WNIDS[label] / f"{name}_{WNIDS[label]}.JPEG")
    assert only(layouts.open_set("imagenet-val", tmp_path, allow_missing=True)).item_id.tolist() == [name]


def test_a_training_image_is_no_item_of_val(tmp_path):
    picture(val_folders(tmp_path) / WNIDS[0] / f"{WNIDS[0]}_10026.JPEG")
    with pytest.raises(InputError, match=r"n01440764_10026.JPEG: no item of imagenet-val"):
        layouts.open_set("imagenet-val", tmp_path, allow_missing=True)


def test_an_item_that_the_data_set_does_not_have(tmp_path):
    picture(val_folders(tmp_path) / WNIDS[0] / "ILSVRC2012_val_00050001.JPEG")
    with pytest.raises(InputError, match="ILSVRC2012_val_00050001: no item of this data set"):
        layouts.open_set("imagenet-val", tmp_path, allow_missing=True)


def _kit(folder: Path, order: list[int]) -> None:
    """Ground truth and meta.mat: ILSVRC2012_ID n is class order[n - 1]; 74 nodes above have numbers, too."""
    folder.mkdir(parents=True)
    number = {index: place for place, index in enumerate(order, 1)}
    truth = "".join(f"{number.get(CLASS_OF[name], 1)}\n" for name in sorted(CLASS_OF))
    (folder / "ILSVRC2012_validation_ground_truth.txt").write_text(truth, encoding="utf-8")
    rows = np.zeros((1074, 1), dtype=[("ILSVRC2012_ID", "O"), ("WNID", "O"), ("words", "O"), ("num_children", "O")])
    for row, wnid in enumerate([*(WNIDS[index] for index in order), *(f"n{row:08d}" for row in range(74))]):
        rows[row, 0] = (row + 1, wnid, "a, b", 0 if row < 1000 else 3)
    savemat(folder / "meta.mat", {"synsets": rows})


def _shuffled() -> list[int]:
    order = list(range(1000))
    random.Random("development kit").shuffle(order)
    return order


@pytest.mark.parametrize("kit", ["ILSVRC2012_devkit_t12/data", "."])
def test_the_numbers_of_the_development_kit_are_not_ranks_of_wnids(tmp_path, kit):
    val_flat(tmp_path / "val")
    _kit(tmp_path / "kit-is-moved", order := _shuffled())
    (tmp_path / kit).mkdir(parents=True, exist_ok=True)
    for path in (tmp_path / "kit-is-moved").iterdir():
        shutil.copy(path, tmp_path / kit)
    items = only(layouts.open_set("imagenet-val", tmp_path, allow_missing=True))
    assert dict(zip(items.item_id.tolist(), items.label.tolist(), strict=True)) == dict(val_items(30))
    as_ranks = [order.index(label) for label in items.label]
    assert (np.array(as_ranks) != items.label).mean() > 0.9  # the trap is one


def test_a_synset_list_in_another_order_is_found(tmp_path):
    """Caffe's synsets.txt is sorted by wnid; the ground truth of the kit is not numbered by it."""
    val_flat(tmp_path / "val")
    _kit(tmp_path / "devkit", order := _shuffled())
    (tmp_path / "devkit" / "meta.mat").unlink()
    listed = tmp_path / "devkit" / "synsets.txt"
    listed.write_text("".join(f"{WNIDS[index]} some words\n" for index in order), encoding="utf-8")
    items = only(layouts.open_set("imagenet-val", tmp_path, allow_missing=True))
    assert dict(zip(items.item_id.tolist(), items.label.tolist(), strict=True)) == dict(val_items(30))
    listed.write_text("".join(f"{wnid}\n" for wnid in WNIDS), encoding="utf-8")
    with pytest.raises(InputError, match="classes in another order"):
        layouts.open_set("imagenet-val", tmp_path, allow_missing=True)
    listed.write_text("".join(f"{WNIDS[index]} {n}\n" for n, index in reversed(list(enumerate(order, 1)))), "utf-8")
    assert only(layouts.open_set("imagenet-val", tmp_path, allow_missing=True)).label.tolist() == items.label.tolist()
    listed.write_text("".join(f"{WNIDS[index]}\n" for index in [*order, order[0]]), encoding="utf-8")
    with pytest.raises(InputError, match="not 1,000 wnids numbered 1 to 1000"):
        layouts.open_set("imagenet-val", tmp_path, allow_missing=True)


@pytest.mark.parametrize("damage", ["mat", "short", "twice"])
def test_a_damaged_development_kit_is_one_line(tmp_path, damage):
    val_flat(tmp_path / "val", 3)
    order = _shuffled()
    _kit(tmp_path / "devkit", [order[0], *order[1:999], order[1]] if damage == "twice" else order)
    truth = tmp_path / "devkit" / "ILSVRC2012_validation_ground_truth.txt"
    if damage == "mat":
        (tmp_path / "devkit" / "meta.mat").write_bytes(b"MATLAB 5.0 MAT-file" + bytes(range(256)) * 4)
    if damage == "short":
        truth.write_text(truth.read_text(encoding="utf-8")[:-40], encoding="utf-8")
    with pytest.raises(InputError, match="unpack ILSVRC2012_devkit_t12"):
        layouts.open_set("imagenet-val", tmp_path, allow_missing=True)


def test_kaggle(tmp_path):
    val_flat(tmp_path / "ILSVRC/Data/CLS-LOC/val")
    rows = [f"{name},{WNIDS[label]} 1 2 3 4 {WNIDS[label]} 5 6 7 8 \n" for name, label in CLASS_OF.items()]
    listed = tmp_path / "LOC_val_solution.csv"
    listed.write_text("ImageId,PredictionString\n" + "".join(rows), encoding="utf-8")
    items = only(layouts.open_set("imagenet-val", tmp_path, allow_missing=True))
    assert dict(zip(items.item_id.tolist(), items.label.tolist(), strict=True)) == dict(val_items(30))
    head = "ImageId,PredictionString\n"
    for text in ("a,b\n" + rows[0], f"{head}x,n00000000 1\n", f'{head}"x,y\n', "".join([head, *rows, rows[0]])):
        listed.write_text(text, encoding="utf-8")
        with pytest.raises(InputError, match=r"LOC_val_solution.csv"):
            layouts.open_set("imagenet-val", tmp_path, allow_missing=True)


def test_a_synset_a_line(tmp_path):
    val_flat(tmp_path / "val")
    listed = tmp_path / "imagenet_2012_validation_synset_labels.txt"
    listed.write_text("".join(f"{WNIDS[CLASS_OF[name]]}\n" for name in sorted(CLASS_OF)), encoding="utf-8")
    items = only(layouts.open_set("imagenet-val", tmp_path, allow_missing=True))
    assert dict(zip(items.item_id.tolist(), items.label.tolist(), strict=True)) == dict(val_items(30))
    listed.write_text("n01440764\n" * 50_000, encoding="utf-8")
    with pytest.raises(InputError, match="have another class than the data set"):
        layouts.open_set("imagenet-val", tmp_path, allow_missing=True)
    listed.write_text("n01440764\n" * 49_999 + "n00000000\n", encoding="utf-8")
    with pytest.raises(InputError, match="50000 lines, 1 of them no class"):
        layouts.open_set("imagenet-val", tmp_path, allow_missing=True)


def test_flat_files_without_any_list_have_the_classes_of_the_shipped_table(tmp_path):
    items = only(layouts.open_set("imagenet-val", val_flat(tmp_path), allow_missing=True))
    assert checking.recognise(tmp_path) == ["imagenet-val"]
    assert dict(zip(items.item_id.tolist(), items.label.tolist(), strict=True)) == dict(val_items(30))


# ---- Shards of the hub -----------------------------------------------------------------------------------------------


def _shards(folder: Path, n: int = 9, of: int = 2) -> dict[str, bytes]:
    folder.mkdir(parents=True)
    items = val_items(n)[::-1]  # not sorted
    contents = {name: picture(folder.parent / "tmp.JPEG", colour=i).read_bytes() for i, (name, _) in enumerate(items)}
    kind = pa.schema([("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])), ("label", pa.int64())])
    for shard in range(of):
        rows = [
            {"image": {"bytes": contents[name], "path": f"{name}_{WNIDS[label]}.JPEG"}, "label": label}
            for name, label in items[shard::of]
        ]
        path = folder / f"validation-{shard:05d}-of-{of:05d}.parquet"
        pq.write_table(pa.Table.from_pylist(rows, kind), path, row_group_size=2)
    return contents


@pytest.mark.parametrize("below", ["", "data", "imagenet-1k/data"])
def test_parquet_shards(tmp_path, below):
    contents = _shards(tmp_path / "x" / below)
    items = only(layouts.open_set("imagenet-val", tmp_path / "x", allow_missing=True))
    assert items.item_id.tolist() == sorted(contents) and items.label.tolist() == [CLASS_OF[i] for i in items.item_id]
    again = pickle.loads(pickle.dumps(items))
    assert [again.read(i) for i in range(9)] == [contents[name] for name in items.item_id]
    assert checking.recognise(tmp_path / "x") == ["imagenet-val"]


def test_items_have_one_digest_whatever_their_layout(tmp_path):
    contents = _shards(tmp_path / "shards")
    for name, content in contents.items():
        (tmp_path / "flat").mkdir(exist_ok=True)
        (tmp_path / "flat" / f"{name}.JPEG").write_bytes(content)
    one, other = (only(layouts.open_set("imagenet-val", tmp_path / d, allow_missing=True)) for d in ("shards", "flat"))
    assert one.digests() == other.digests() and one.item_id.tolist() == other.item_id.tolist()


def test_a_missing_shard_a_cut_one_and_hidden_labels(tmp_path):
    _shards(tmp_path / "x")
    first, second = sorted((tmp_path / "x").iterdir())
    whole = second.read_bytes()
    second.unlink()
    with pytest.raises(InputError, match="1 of 2 shards"):
        layouts.open_set("imagenet-val", tmp_path / "x")
    second.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="not a whole Parquet file"):
        layouts.open_set("imagenet-val", tmp_path / "x", allow_missing=True)
    hidden = pq.read_table(first).drop(["label"])
    pq.write_table(hidden.append_column("label", pa.array([-1] * len(hidden))), second)
    with pytest.raises(InputError, match="labels outside 0 to 999"):
        layouts.open_set("imagenet-val", tmp_path / "x", allow_missing=True)


def test_the_hub_is_asked_for_the_validation_shards_alone(tmp_path, monkeypatch):
    hub = pytest.importorskip("huggingface_hub", reason="of the inference packages")
    contents, asked = _shards(tmp_path / "snapshot" / "data"), []

    def fetched(repository, **options):
        asked.append((repository, options))
        return str(tmp_path / "snapshot")

    monkeypatch.setattr(hub, "snapshot_download", fetched)
    items = only(layouts.open_set("imagenet-val", "hf:imagenet-1k", allow_missing=True))
    assert items.item_id.tolist() == sorted(contents)
    assert asked == [("ILSVRC/imagenet-1k", {"repo_type": "dataset", "allow_patterns": ["*val*.parquet"]})]

    def refused(*_, **__):
        raise OSError("gated")

    monkeypatch.setattr(hub, "snapshot_download", refused)
    with pytest.raises(NetworkError, match="accept its terms"):
        layouts.open_set("imagenet-val", "hf:imagenet-1k")
    with pytest.raises(InputError, match="no name of a data set"):
        shards.fetch("hf:../../etc")


# ---- Sets with class folders -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("dataset", places.V2)
def test_v2_folders_are_numbers_not_text(tmp_path, dataset):
    """All 10,000 items of each set; ImageFolder's order would be right for 12 of the 1,000 classes."""
    known = tables.correct(dataset, models=[])
    one = picture(tmp_path / "one.jpeg")
    root = tmp_path / "sets" / f"{dataset}-format-val"
    for name, label in zip(known.item_id.tolist(), known.class_id.tolist(), strict=True):
        (root / str(label)).mkdir(parents=True, exist_ok=True)
        os.link(one, root / str(label) / f"{name}.jpeg")
    items = only(layouts.open_set(dataset, tmp_path / "sets"))
    assert items.item_id.tolist() == sorted(known.item_id.tolist())
    right = dict(zip(known.item_id.tolist(), known.class_id.tolist(), strict=True))
    assert items.label.tolist() == [right[name] for name in items.item_id]
    assert [one.dataset for one in layouts.open_set("imagenetv2", tmp_path / "sets")] == [dataset]
    assert checking.recognise(root) == [dataset] == checking.recognise(tmp_path / "sets")
    by_text = {name: rank for rank, name in enumerate(sorted(str(index) for index in range(1000)))}
    assert sum(by_text[str(index)] == index for index in range(1000)) == 12
    # Folders renamed by their text rank, as an ImageFolder would see them: refused, with the reason.
    for index in range(1000):
        (root / str(index)).rename(root / f"rank-{by_text[str(index)]}")
    for index in range(1000):
        (root / f"rank-{index}").rename(root / str(index))
    with pytest.raises(InputError, match="9880 of 10000 items have another class"):
        layouts.open_set(dataset, tmp_path / "sets")


@pytest.mark.parametrize("dataset", ["imagenet-r", "imagenet-a"])
def test_r_and_a_have_200_classes_of_the_1000(tmp_path, dataset):
    own = classes.ids(dataset)
    root = tmp_path / dataset
    for index in own:
        picture(root / WNIDS[index] / "art.0_digital clock_0.86.jpg")
    (root / "README.txt").write_text("a licence", encoding="utf-8")
    items = only(layouts.open_set(dataset, tmp_path, allow_missing=True))
    assert items.label_space == dataset and items.n_classes == 1000
    assert items.members.tolist() == own.tolist() == items.label.tolist()  # not 0 to 199
    assert items.item_id[0] == f"{WNIDS[own[0]]}/art.0_digital clock_0.86"
    assert checking.recognise(tmp_path) == checking.recognise(root) == [dataset]
    with pytest.raises(InputError, match="the data set has"):
        layouts.open_set(dataset, tmp_path)
    other = next(index for index in range(1000) if index not in set(own.tolist()))
    picture(root / WNIDS[other] / "art_0.jpg")
    with pytest.raises(InputError, match=f"{WNIDS[other]}: no class of this data set"):
        layouts.open_set(dataset, tmp_path, allow_missing=True)


def test_sketch_is_counted_class_by_class(tmp_path):
    one = picture(tmp_path / "one.JPEG")
    known = tables.counts("imagenet-sketch")
    for index, n in zip(known.class_id.tolist(), known.n[0].tolist(), strict=True):
        for number in range(min(n, 51) if index < 3 else 1):
            path = tmp_path / "sketch" / WNIDS[index] / f"sketch_{number}.JPEG"
            path.parent.mkdir(parents=True, exist_ok=True)
            os.link(one, path)
    report = only(checking.check("imagenet-sketch", tmp_path, quick=True))
    assert len(report.missing) == 997 and not report.wrong
    assert checking.recognise(tmp_path / "sketch") == ["imagenet-sketch"]
    items = only(layouts.open_set("imagenet-sketch", tmp_path, allow_missing=True))
    assert items.item_id[0] == "n01440764/sketch_0"
    os.link(one, tmp_path / "sketch" / WNIDS[0] / "sketch_99.JPEG")
    with pytest.raises(InputError, match=r"n01440764: 5\d images, the data set has 5\d"):
        layouts.open_set("imagenet-sketch", tmp_path, allow_missing=True)


def test_c_by_corruption_and_severity(tmp_path):
    root = tmp_path / "ImageNet-C"
    for below in ("fog/3", "fog/4", "blur/glass_blur/1"):
        val_folders(root / below)
    names = [one.items.dataset for one in layouts.survey("imagenet-c", tmp_path) if len(one.items)]
    assert names == ["imagenet-c/glass_blur/1", "imagenet-c/fog/3", "imagenet-c/fog/4"]
    items = only(layouts.open_set("imagenet-c/fog/3", tmp_path, allow_missing=True))
    assert (
        items.dataset == "imagenet-c/fog/3"
        and items.precropped
        and items.item_id.tolist() == sorted(name for name, _ in val_items())
    )
    assert only(layouts.open_set("imagenet-c/glass_blur/1", root, allow_missing=True)).root.endswith("glass_blur/1")
    with pytest.raises(InputError, match=r"imagenet-c/fog/1.*no such folder"):
        layouts.open_set("imagenet-c/fog", tmp_path)
    for name in ("imagenet-c/fogg/1", "imagenet-c/fog/6", "imagenet-c/fog/1/2"):
        with pytest.raises(InputError, match="no such corruption and severity"):
            layouts.open_set(name, tmp_path)
    (root / "mist").mkdir()
    with pytest.raises(InputError, match="mist: no corruption"):
        layouts.open_set("imagenet-c", tmp_path)


# ---- Tiny-ImageNet ---------------------------------------------------------------------------------------------------


def _tiny(root: Path, *, inner: bool = False) -> list[int]:
    order = _shuffled()[:200]
    root.mkdir(parents=True, exist_ok=True)
    (root / "wnids.txt").write_text("".join(f"{WNIDS[index]}\n" for index in order), encoding="utf-8")
    one, rows = picture(root / "one.JPEG", size=(64, 64)), []
    for number, index in enumerate(order):
        below = f"val/{WNIDS[index]}/images" if inner else "val/images"
        (root / below).mkdir(parents=True, exist_ok=True)
        os.link(one, root / below / f"val_{number}.JPEG")
        rows.append(f"val_{number}.JPEG\t{WNIDS[index]}\t0\t32\t44\t62\n")
    (root / "val" / "val_annotations.txt").write_text("".join(rows), encoding="utf-8")
    return order


@pytest.mark.parametrize("inner", [False, True])
def test_tiny_has_an_unsorted_list_and_ids_of_the_1000(tmp_path, inner):
    order = _tiny(tmp_path / "tiny-imagenet-200", inner=inner)
    items = only(layouts.open_set("tiny-imagenet", tmp_path, allow_missing=True))
    label = dict(zip(items.item_id.tolist(), items.label.tolist(), strict=True))
    assert label == {f"val_{number}": index for number, index in enumerate(order)}
    assert items.members.tolist() == sorted(order) and items.n_classes == 1000 and items.label_space == "tiny-imagenet"
    assert checking.recognise(tmp_path) == checking.recognise(tmp_path / "tiny-imagenet-200") == ["tiny-imagenet"]
    with pytest.raises(InputError, match="1 images, the data set has 50"):
        layouts.open_set("tiny-imagenet", tmp_path)


def test_tiny_with_a_bad_list(tmp_path):
    _tiny(tmp_path)
    listed = tmp_path / "val" / "val_annotations.txt"
    rows = listed.read_text(encoding="utf-8").splitlines(keepends=True)
    listed.write_text("".join(rows[1:]), encoding="utf-8")
    with pytest.raises(InputError, match=r"images/val_0.JPEG: not in val_annotations.txt"):
        layouts.open_set("tiny-imagenet", tmp_path, allow_missing=True)
    listed.write_text("".join([*rows, rows[0].replace("val_0", "val_777")]), encoding="utf-8")
    with pytest.raises(InputError, match=r"without val_777.JPEG"):
        layouts.open_set("tiny-imagenet", tmp_path)
    for text in (rows[0].replace("\t", " "), rows[0] * 2, rows[0].replace("n0", "n9")):
        listed.write_text(text, encoding="utf-8")
        with pytest.raises(InputError, match=r"val_annotations.txt: expected a file name, a wnid"):
            layouts.open_set("tiny-imagenet", tmp_path, allow_missing=True)
    names = (tmp_path / "wnids.txt").read_text(encoding="utf-8").split()
    for wrong, what in (
        ([*names[1:], "n99999999"], "200 classes, 1 of them not of"),
        ([*names, names[0]], "200 classes, 0 of them not of ImageNet; expected 200"),
        ([*names[1:], names[1]], "199 classes"),
    ):
        (tmp_path / "wnids.txt").write_text("\n".join(wrong) + "\n", encoding="utf-8")
        with pytest.raises(InputError, match=what):
            layouts.open_set("tiny-imagenet", tmp_path, allow_missing=True)
    (tmp_path / "wnids.txt").write_text("n99999999\n" * 200, encoding="utf-8")
    with pytest.raises(InputError, match=r"wnids.txt: 1 classes, 200 of them not of ImageNet"):
        layouts.open_set("tiny-imagenet", tmp_path)


def test_tiny_with_a_class_folder_of_another_form(tmp_path):
    order = _tiny(tmp_path, inner=True)
    shutil.rmtree(tmp_path / "val" / WNIDS[order[0]] / "images")
    with pytest.raises(InputError, match=f"{WNIDS[order[0]]}/images: no such folder"):
        layouts.open_set("tiny-imagenet", tmp_path, allow_missing=True)


# ---- CIFAR -----------------------------------------------------------------------------------------------------------


def _cifar(root: Path, dataset: str, label: np.ndarray) -> np.ndarray:
    root.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(0).integers(0, 256, (len(label), 32, 32, 3), dtype=np.uint8)
    heads = [label[:, None]] if dataset == "cifar10" else [(label // 5)[:, None], label[:, None]]
    records = np.hstack([*(head.astype(np.uint8) for head in heads), pixels.transpose(0, 3, 1, 2).reshape(-1, 3072)])
    records.tofile(root / places.BINARY[dataset])
    return pixels


def _cifar10_labels(n: int = 10_000) -> np.ndarray:
    known = found.shipped("cifar10")
    return np.array([known[str(row)] for row in range(n)])


def test_cifar_10_and_100_in_the_binary_version(tmp_path):
    for dataset, below, label in (
        ("cifar10", "cifar-10-batches-bin", _cifar10_labels()),
        ("cifar100", "cifar-100-binary", np.arange(10_000) % 100),
    ):
        pixels = _cifar(tmp_path / below, dataset, label)
        items = only(layouts.open_set(dataset, tmp_path))
        assert items.label.tolist() == label.tolist() and items.item_id[:3].tolist() == ["0", "1", "2"]
        assert (items.n_classes, items.label_space) == (len(classes.ids(dataset)), dataset)
        again = pickle.loads(pickle.dumps(items.take([9_999, 17])))
        assert (again.read(0) == pixels[9_999]).all() and (again.read(1) == pixels[17]).all()
        assert again.read(0).flags.writeable and again.read(0).flags.c_contiguous
    assert checking.recognise(tmp_path) == ["cifar10", "cifar100"]


def test_cifar_of_other_rows_is_found(tmp_path):
    label = _cifar10_labels()
    label[[3, 4]] = label[[4, 3]]
    _cifar(tmp_path, "cifar10", label)
    with pytest.raises(InputError, match="another class than the data set in rows 3, 4"):
        layouts.open_set("cifar10", tmp_path)
    _cifar(tmp_path, "cifar10", _cifar10_labels(20))
    assert len(only(layouts.open_set("cifar10", tmp_path, allow_missing=True))) == 20
    with pytest.raises(InputError, match="20 images, the data set has 10000"):
        layouts.open_set("cifar10", tmp_path)
    (tmp_path / "batches.meta.txt").write_text("airplane\nbird\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"batches.meta.txt: not the names"):
        layouts.open_set("cifar10", tmp_path)
    with open(tmp_path / "test_batch.bin", "ab") as file:
        file.write(b"x")
    for content in ((tmp_path / "test_batch.bin").read_bytes(), b""):
        (tmp_path / "test_batch.bin").write_bytes(content)
        with pytest.raises(InputError, match="no multiple of the 3073"):
            layouts.open_set("cifar10", tmp_path)


def test_pickled_batches_are_named_and_not_read(tmp_path):
    (tmp_path / "cifar-10-batches-py").mkdir()
    (tmp_path / "cifar-10-batches-py" / "test_batch").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(InputError, match=r"a pickle, which is not read; bring the binary version.*test_batch.bin"):
        layouts.open_set("cifar10", tmp_path)
    _cifar(tmp_path / "cifar-10-batches-bin", "cifar10", _cifar10_labels(5))
    assert len(only(layouts.open_set("cifar10", tmp_path, allow_missing=True))) == 5


def test_cifar_c_has_five_severities_in_a_file(tmp_path):
    root, n = tmp_path / "CIFAR-10-C", 20
    root.mkdir()
    np.save(root / "labels.npy", np.tile(_cifar10_labels(n), 5).astype(np.uint8))
    pixels = np.random.default_rng(0).integers(0, 256, (5 * n, 32, 32, 3), dtype=np.uint8)
    for name in ("fog", "snow"):
        np.save(root / f"{name}.npy", pixels)
    items = only(layouts.open_set("cifar10-c/fog/3", tmp_path, allow_missing=True))
    assert items.dataset == "cifar10-c/fog/3" and items.item_id.tolist() == [str(row) for row in range(n)]
    assert items.label.tolist() == _cifar10_labels(n).tolist()
    assert all((items.read(row) == pixels[2 * n + row]).all() for row in range(n))
    assert len(layouts.open_set("cifar10-c/fog", root, allow_missing=True)) == 5
    assert len(layouts.open_set("cifar10-c", root, allow_missing=True)) == 10
    assert len(set(items.digests())) == n
    np.save(root / "fog.npy", pixels[:-1])
    with pytest.raises(InputError, match=r"99 images, labels.npy has 100"):
        layouts.open_set("cifar10-c/fog/1", root, allow_missing=True)
    np.save(root / "labels.npy", np.roll(np.tile(_cifar10_labels(n), 5), 1)[: 5 * n] + (np.arange(5 * n) == 7))
    with pytest.raises(InputError, match="not 5 times the same"):
        layouts.open_set("cifar10-c/snow/1", root, allow_missing=True)
    np.save(root / "labels.npy", np.zeros(99, np.uint8))
    with pytest.raises(InputError, match="99 labels, not 5 times the same"):
        layouts.open_set("cifar10-c/snow/1", root, allow_missing=True)
    for name in ("cifar10-c/fogg/1", "cifar10-c/fog/6", "cifar10-c/fog/1/2"):
        with pytest.raises(InputError, match="no such corruption and severity"):
            layouts.open_set(name, root)


def test_pickled_arrays_are_refused(tmp_path):
    np.save(tmp_path / "labels.npy", np.array([{}], dtype=object), allow_pickle=True)
    (tmp_path / "fog.npy").write_bytes(b"")
    with pytest.raises(InputError, match=r"not a plain .npy array"):
        layouts.open_set("cifar10-c/fog/1", tmp_path)


def test_cifar_10_1(tmp_path):
    known = found.shipped("cifar10.1-v6")
    np.save(tmp_path / "cifar10.1_v6_labels.npy", np.array([known[str(row)] for row in range(2000)]))
    np.save(tmp_path / "cifar10.1_v6_data.npy", np.zeros((2000, 32, 32, 3), dtype=np.uint8))
    items = only(layouts.open_set("cifar10.1-v6", tmp_path))
    assert len(items) == 2000 and items.label_space == "cifar10"


@pytest.mark.parametrize(
    ("label", "pixels", "words"),
    [
        (np.zeros(9, np.int64), np.zeros((9, 32, 32, 3)), "expected uint8"),
        (np.zeros(9, np.int64), np.zeros((9, 32, 31, 3), np.uint8), "expected uint8"),
        (np.zeros(9, np.int64), np.zeros(9, np.uint8), "expected uint8"),
        (np.zeros((9, 1), np.int64), np.zeros((9, 32, 32, 3), np.uint8), "expected integers"),
        (np.zeros(9), np.zeros((9, 32, 32, 3), np.uint8), "expected integers"),
        (np.zeros(0, np.int64), np.zeros((0, 32, 32, 3), np.uint8), "no labels, or outside 0 to 9"),
        (np.full(9, -1), np.zeros((9, 32, 32, 3), np.uint8), "no labels, or outside 0 to 9"),
        (np.full(9, 10), np.zeros((9, 32, 32, 3), np.uint8), "no labels, or outside 0 to 9"),
    ],
)
def test_arrays_of_another_form_are_refused(tmp_path, label, pixels, words):
    np.save(tmp_path / "cifar10.1_v6_labels.npy", label)
    np.save(tmp_path / "cifar10.1_v6_data.npy", pixels)
    with pytest.raises(InputError, match=words):
        layouts.open_set("cifar10.1-v6", tmp_path, allow_missing=True)


# ---- A set of one's own ----------------------------------------------------------------------------------------------


def test_own_with_a_list(tmp_path):
    for name in ("zebra", "apple pie", "mango"):
        picture(tmp_path / name / "a.png", format="PNG")
    (tmp_path / "classes.csv").write_text("folder,class_id\nzebra,0\nmango,1\napple pie,3\n", encoding="utf-8")
    items = only(layouts.open_set("own:food", tmp_path))
    assert items.item_id.tolist() == ["apple pie/a", "mango/a", "zebra/a"] and items.label.tolist() == [3, 1, 0]
    assert (items.dataset, items.label_space, items.n_classes) == ("own:food", "own", 4)
    assert items.members.tolist() == [0, 1, 3]
    (tmp_path / "mango").rename(tmp_path / "mangos")
    with pytest.raises(InputError, match="mangos: no class of this data set; did you mean mango"):
        layouts.open_set("own:food", tmp_path)
    shutil.rmtree(tmp_path / "mangos")
    with pytest.raises(InputError, match=r"mango: in classes.csv, but no such folder"):
        layouts.open_set("own:food", tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a,b\nzebra,0\n",
        "folder,class_id\nzebra,-1\n",
        "folder,class_id\nzebra,1e3\n",
        "folder,class_id\n",
        "folder,class_id\nzebra,0\nzebra,1\n",
    ],
)
def test_own_with_a_bad_list(tmp_path, text):
    picture(tmp_path / "zebra" / "a.jpg")
    (tmp_path / "classes.csv").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"classes\.csv"):
        layouts.open_set("own:x", tmp_path)


def test_own_by_names_of_imagenet(tmp_path):
    for name in ("goldfish", "Great_White_Shark", WNIDS[0]):
        picture(tmp_path / name / "a.jpg")
    items = only(layouts.open_set("own:fish", tmp_path))
    assert items.label.tolist() == [2, 1, 0] and items.label_space == "imagenet" and items.n_classes == 1000
    picture(tmp_path / "crane" / "a.jpg")
    with pytest.raises(InputError, match="crane names several classes, 134 and 517"):
        layouts.open_set("own:fish", tmp_path)
    (tmp_path / "crane").rename(tmp_path / "tench")
    with pytest.raises(InputError, match="are one class"):
        layouts.open_set("own:fish", tmp_path)
    with pytest.raises(UsageError, match="no usable name"):
        layouts.open_set("own:../x", tmp_path)
    for nowhere in (None, tmp_path / "nowhere"):
        with pytest.raises(InputError, match="no folder of images"):
            layouts.open_set("own:fish", nowhere)


def test_own_folders_called_by_numbers_need_a_list(tmp_path):
    """Whose numbers they are is nowhere said: rank of what?"""
    picture(tmp_path / "0" / "a.jpg")
    with pytest.raises(InputError, match=r"no classes.csv"):
        layouts.open_set("own:x", tmp_path)


# ---- Faults of folders -----------------------------------------------------------------------------------------------


def _link(path: Path, to) -> None:
    try:
        path.symlink_to(to)
    except OSError:
        pytest.skip("no links on this file system")


def _faulty(root: Path, fault: str) -> None:
    folder = root / WNIDS[0]
    makes = {
        "unknown": lambda: picture(root / "cats" / "a.JPEG"),
        "typo": lambda: picture(root / "n0144O764" / "a.JPEG"),
        "space": lambda: picture(root / f"{WNIDS[3]} " / "a.JPEG"),
        "capital": lambda: picture(root / WNIDS[3].upper() / "a.JPEG"),
        "twin": lambda: picture(root / WNIDS[0].upper() / "a.JPEG"),
        "empty": lambda: (root / WNIDS[3]).mkdir(),
        "nested": lambda: picture(folder / WNIDS[0] / "a.JPEG"),
        "loop": lambda: _link(folder / "loop", folder),
        "linked class": lambda: _link(root / WNIDS[3], folder),
        "linked file": lambda: _link(folder / "b.JPEG", folder / f"{WNIDS[0]}_0.JPEG"),
        "dangling": lambda: _link(folder / "b.JPEG", folder / "nowhere"),
        "part": lambda: shutil.copy(folder / f"{WNIDS[0]}_0.JPEG", folder / "b.JPEG.part"),
        "no suffix": lambda: (folder / "b").write_bytes(b"x"),
        "beside": lambda: picture(root / "a.JPEG"),
        "same stem": lambda: picture(folder / f"{WNIDS[0]}_0.png", format="PNG"),
        "file twin": lambda: picture(folder / f"{WNIDS[0]}_0.jpeg"),
        "line end": lambda: picture(folder / "a\nb.JPEG"),
        "pipe": lambda: os.mkfifo(folder / "b.JPEG"),
        "bytes": lambda: shutil.copy(os.fsencode(folder / f"{WNIDS[0]}_0.JPEG"), os.fsencode(folder) + b"/\xff.JPEG"),
    }
    before = len(list(root.rglob("*")))
    try:
        makes[fault]()
    except OSError:
        pytest.skip("this file system refuses such a name")
    if len(list(root.rglob("*"))) == before:
        pytest.skip("this file system is blind to capitals")


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("unknown", "cats: no class of this data set"),
        ("typo", "n0144O764: no class of this data set; did you mean n01440764?"),
        ("space", f"did you mean {WNIDS[3]}?"),
        ("capital", f"did you mean {WNIDS[3]}?"),
        ("twin", "in capitals or accents only"),
        ("empty", f"{WNIDS[3]}: an empty class folder"),
        ("nested", f"{WNIDS[0]}/{WNIDS[0]}: a folder among images"),
        ("loop", "loop: a link; links are not followed"),
        ("linked class", f"{WNIDS[3]}: a link; links are not followed"),
        ("linked file", "b.JPEG: a link; links are not followed"),
        ("dangling", "b.JPEG: a link to nothing"),
        ("part", "b.JPEG.part: an unfinished download"),
        ("no suffix", f"{WNIDS[0]}/b: neither an image"),
        ("beside", "a.JPEG: a file beside the class folders"),
        ("same stem", "the same item as"),
        ("file twin", "in capitals only"),
        ("line end", "control characters or not UTF-8"),
        ("bytes", "control characters or not UTF-8"),
        ("pipe", "b.JPEG: neither a file nor a folder"),
    ],
)
def test_a_fault_of_a_folder_is_named_and_nothing_else_changes(tmp_path, fault, words):
    sample(tmp_path)
    before = only(layouts.open_set("imagenet-sample", tmp_path))
    _faulty(tmp_path, fault)
    with pytest.raises(InputError) as refused:
        layouts.open_set("imagenet-sample", tmp_path)
    assert words in str(refused.value) and "\n" not in str(refused.value)
    assert str(refused.value).encode("utf-8")  # can be printed
    still = only(layouts.survey("imagenet-sample", tmp_path)).items
    assert set(before.item_id) <= set(still.item_id)
    kept = dict(zip(still.item_id.tolist(), still.label.tolist(), strict=True))
    assert [kept[name] for name in before.item_id] == before.label.tolist()


def test_what_desktops_and_notebooks_leave_behind_is_ignored(tmp_path):
    sample(tmp_path)
    before = only(layouts.open_set("imagenet-sample", tmp_path))
    for name in ("._n01440764_0.JPEG", ".DS_Store", "Thumbs.db", ".ipynb_checkpoints/n01440764_0-checkpoint.JPEG"):
        picture(tmp_path / WNIDS[0] / name)
    for name in (".ipynb_checkpoints/a.JPEG", "__MACOSX/n01440764/._a.JPEG"):
        picture(tmp_path / name)
    after = only(layouts.open_set("imagenet-sample", tmp_path))
    assert after.item_id.tolist() == before.item_id.tolist() and after.refs == before.refs
    assert len(only(layouts.survey("imagenet-sample", tmp_path)).ignored) == 6


def test_a_missing_class_shifts_no_other(tmp_path):
    sample(tmp_path, [WNIDS[0], WNIDS[1], WNIDS[700], WNIDS[999]])
    shutil.rmtree(tmp_path / WNIDS[1])
    assert only(layouts.open_set("imagenet-sample", tmp_path)).label.tolist() == [0, 0, 700, 700, 999, 999]


def test_places_that_do_not_fit_are_named(tmp_path):
    val_folders(tmp_path / "val" / "val")
    with pytest.raises(InputError, match=r"looked at .*imagenet-val.*did you mean .*val/val\?"):
        layouts.open_set("imagenet-val", tmp_path)
    val_folders(tmp_path / "imagenet-val")
    val_folders(tmp_path / "ILSVRC2012_img_val")
    with pytest.raises(InputError, match="more than one place fits"):
        layouts.open_set("imagenet-val", tmp_path)
    with pytest.raises(InputError, match="no such folder"):
        layouts.open_set("imagenet-val", tmp_path / "nowhere")
    with pytest.raises(UsageError, match="no such data set of images; one of imagenet-val, imagenet-sample"):
        layouts.open_set("imagenet-d", tmp_path)
    with pytest.raises(UsageError, match="no such data set of images"):
        layouts.open_set("imagenet-sample/fog", sample(tmp_path / "sample"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="not found"):
        layouts.open_set("imagenet-sample", tmp_path / "empty")


NAMES = st.text(st.sampled_from("n01440764O._ abN"), min_size=1, max_size=12).filter(lambda name: name.strip(". "))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.one_of(NAMES, st.sampled_from(WNIDS[:5])), unique_by=str.casefold, max_size=6), st.randoms())
def test_every_name_is_a_class_or_accounted_for(tmp_path_factory, names, rng):
    root = tmp_path_factory.mktemp("any")
    rng.shuffle(names)
    for name in names:
        (root / name).mkdir()
        (root / name / "a.JPEG").write_bytes(b"x")
    survey = layouts.folders.class_folders(root, found.wnid_index())
    taken = {path.split("/")[0]: label for path, label in survey.rows}
    told = [where for where, _ in survey.wrong] + survey.ignored
    assert sorted([*taken, *told]) == sorted(names)
    assert all(WNIDS[label] == name for name, label in taken.items())


# ---- Item sets -------------------------------------------------------------------------------------------------------


def test_take_and_pickle(tmp_path):
    items = only(layouts.open_set("imagenet-sample", sample(tmp_path)))
    some = items.take([4, 0])
    assert some.item_id.tolist() == [items.item_id[4], items.item_id[0]] and some.label.tolist() == [2, 0]
    assert some.read(0) == items.read(4) and len(some) == 2
    masked = items.take(items.label == 1)
    assert masked.label.tolist() == [1, 1] and masked.item_id.tolist() == items.item_id[2:4].tolist()
    again = pickle.loads(pickle.dumps(items))
    assert again.refs == items.refs and again.read(1) == items.read(1)


def test_a_file_that_went_away_is_one_line(tmp_path):
    items = only(layouts.open_set("imagenet-sample", sample(tmp_path)))
    (tmp_path / items.refs[0]).unlink()
    for call in (lambda: items.read(0), items.digests):
        with pytest.raises(InputError, match="gone since the set was opened"):
            call()


def _age(root: Path, seconds: float = 100) -> None:
    for path in root.rglob("*.JPEG"):
        os.utime(path, (time.time() - seconds,) * 2)


class _Reads:
    """Counts files that are read."""

    def __init__(self, monkeypatch):
        self.names, read = [], itemsets.ItemSet.read
        monkeypatch.setattr(
            itemsets.ItemSet, "read", lambda items, i: self.names.append(items.refs[i]) or read(items, i)
        )

    def taken(self) -> int:
        n, self.names = len(self.names), []
        return n


@pytest.fixture
def settled(monkeypatch):
    """A clock 10 s ahead: the change time of a file cannot be set back."""
    clock = time.time_ns
    monkeypatch.setattr(itemsets.time, "time_ns", lambda: clock() + 10 * 10**9)


def test_digests_are_remembered_until_a_file_changes(tmp_path, monkeypatch, settled):
    items, reads = only(layouts.open_set("imagenet-sample", sample(tmp_path))), _Reads(monkeypatch)
    _age(tmp_path)
    first = items.digests()
    assert reads.taken() == 6 and items.digests() == first and reads.taken() == 0
    assert items.take([5, 2]).digests() == [first[5], first[2]] and reads.taken() == 0
    # The same size, and the old time put back: only the change time tells.
    path = tmp_path / items.refs[3]
    stamp = path.stat()
    path.write_bytes(bytes(stamp.st_size))
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    second = items.digests()
    assert [a == b for a, b in zip(first, second, strict=True)] == [True] * 3 + [False] + [True] * 2
    assert reads.taken() == 1


def test_a_fresh_file_and_one_of_the_future_are_hashed_every_time(tmp_path, monkeypatch, settled):
    items, reads = only(layouts.open_set("imagenet-sample", sample(tmp_path))), _Reads(monkeypatch)
    _age(tmp_path)
    now = itemsets.time.time_ns()
    os.utime(tmp_path / items.refs[0], ns=(now, now + 10**15))
    os.utime(tmp_path / items.refs[1], ns=(now, now - 10**9))
    items.digests()
    assert reads.taken() == 6
    items.digests()
    assert reads.taken() == 2


def test_what_was_hashed_too_soon_is_not_believed_later(tmp_path, monkeypatch):
    """A file may change twice within one tick of the clock, after the hash of its first content."""
    items, reads, clock = only(layouts.open_set("imagenet-sample", sample(tmp_path))), _Reads(monkeypatch), time.time_ns
    items.digests()
    for ahead, read in ((10, 6), (20, 0), (-10, 6)):  # seconds; the last: a clock that was put back
        reads.taken()
        monkeypatch.setattr(itemsets.time, "time_ns", lambda ahead=ahead: clock() + ahead * 10**9)
        items.digests()
        assert reads.taken() == read


@pytest.mark.parametrize("damage", [lambda b: b[:-30], lambda b: b.replace(b"a", b"b", 1), lambda b: b"\xff" + b])
def test_a_damaged_memory_is_set_aside(tmp_path, settled, capsys, damage):
    items = only(layouts.open_set("imagenet-sample", sample(tmp_path)))
    first = items.digests()
    (path,) = (paths.cache() / "digests").iterdir()
    path.write_bytes(damage(path.read_bytes()))
    assert items.digests() == first and "set aside" in capsys.readouterr().err
    assert len(list(path.parent.iterdir())) == 2
    assert items.digests() == first and "set aside" not in capsys.readouterr().err


def test_two_folders_have_two_memories(tmp_path, settled):
    one, other = (only(layouts.open_set("imagenet-sample", sample(tmp_path / name))) for name in "ab")
    picture(tmp_path / "b" / other.refs[0], colour=77)
    assert one.digests()[0] != other.digests()[0] and one.digests()[1:] == other.digests()[1:]
    assert len(list((paths.cache() / "digests").iterdir())) == 2


# ---- check-images ----------------------------------------------------------------------------------------------------


def _check(*arguments) -> tuple[int, str]:
    """Exit code and stdout; the line of the fault goes to stderr."""
    result = CliRunner().invoke(cli.cli, ["check-images", *map(str, arguments)])

    def again():
        if result.exception:
            raise result.exception

    return guarded(again), result.stdout


def test_check_counts_formats_and_names_what_cannot_be_read(tmp_path, capsys):
    sample(tmp_path)
    folder = tmp_path / WNIDS[0]
    picture(folder / "cmyk.JPEG", mode="CMYK")
    picture(folder / "grey.JPEG", mode="L")
    picture(folder / "png.JPEG", format="PNG")
    code, said = _check(tmp_path)
    assert code == 0
    assert "9 items, 3 classes, 2 to 5 a class" in said and "complete; every image was decoded" in said
    assert "1 JPEG CMYK, 1 JPEG L, 6 JPEG RGB, 1 PNG RGB" in said and f"harmless): {WNIDS[0]}/png.JPEG" in said
    whole = picture(tmp_path.parent / "whole.JPEG", size=(200, 200)).read_bytes()
    (folder / "cut.JPEG").write_bytes(whole[: len(whole) // 2])
    (folder / "page.JPEG").write_bytes(b"<!DOCTYPE html><html>")
    (folder / "lfs.JPEG").write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n")
    (folder / "none.JPEG").write_bytes(b"")
    code, said = _check(tmp_path, "--dataset", "imagenet-sample")
    assert code == 3 and "4 faults in imagenet-sample" in capsys.readouterr().err
    assert "cut.JPEG: truncated" in said and "lfs.JPEG: a Git LFS pointer" in said and "none.JPEG: empty" in said
    assert "page.JPEG: not an image" in said and "DOCTYPE" not in said
    code, said = _check(tmp_path, "--quick")
    assert code == 0 and "images were not decoded" in said


def test_check_lists_every_fault_of_a_folder(tmp_path):
    val_folders(tmp_path / "val", 3)
    picture(tmp_path / "val" / "cats" / "a.JPEG")
    picture(tmp_path / "val" / "dogs" / "a.JPEG")
    code, said = _check(tmp_path)
    assert code == 3 and "cats: no class" in said and "dogs: no class" in said
    assert "missing: 49997 of 50000 items" in said and "imagenet-val in" in said


def test_check_in_processes_says_the_same_in_the_same_order(tmp_path, monkeypatch):
    monkeypatch.setattr(checking, "FEW", 0)
    monkeypatch.setattr(checking, "CHUNK", 2)
    sample(tmp_path, WNIDS[:5], each=3)
    for name in ("z", "a", "k"):
        (tmp_path / WNIDS[2] / f"{name}.JPEG").write_bytes(b"no")
    alone, together = (only(checking.check("imagenet-sample", tmp_path, jobs=jobs)) for jobs in (1, 2))
    assert alone == together and len(alone.unreadable) == 3 and alone.kinds == {"JPEG RGB": 15}


def test_a_killed_process_of_a_check_is_named(tmp_path, monkeypatch):
    class Killed:
        def __init__(self, *_, **__): ...

        def submit(self, *_):
            future = futures.Future()
            future.set_exception(BrokenProcessPool())
            return future

        def shutdown(self, **_): ...

    monkeypatch.setattr(checking, "FEW", 0)
    monkeypatch.setattr(checking, "CHUNK", 2)
    monkeypatch.setattr(checking, "ProcessPoolExecutor", Killed)
    with pytest.raises(ResourceError, match="a process that decoded images was killed"):
        checking.check("imagenet-sample", sample(tmp_path), jobs=2)


def test_check_of_an_array_and_of_shards(tmp_path):
    _cifar(tmp_path / "a", "cifar10", _cifar10_labels(30))
    assert only(checking.check("cifar10", tmp_path / "a")).kinds == {"array RGB": 30}
    _shards(tmp_path / "b")
    report = only(checking.check("imagenet-val", tmp_path / "b"))
    assert report.kinds == {"JPEG RGB": 9} and not report.misnamed


def test_a_folder_of_nothing_known(tmp_path, capsys):
    assert _check(tmp_path)[0] == 3
    assert "none of the known layouts" in capsys.readouterr().err


# ---- The published samples -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("dataset", "below"), [("imagenet-sample", "imagenet-sample"), ("tiny-imagenet", "")])
def test_the_samples_of_the_mirror(monkeypatch, dataset, below):
    root = MIRROR and MIRROR / (below or "tiny-imagenet-200")
    if not root or not root.is_dir():
        pytest.skip(f"no ANALYSIS_MIRROR with {dataset}")
    monkeypatch.setenv("ANALYSIS_MIRROR", str(MIRROR))
    items = only(layouts.open_set(dataset))
    named = only(layouts.open_set(dataset, root))
    assert items.refs == named.refs and checking.recognise(root) == [dataset]
    if dataset == "tiny-imagenet":
        assert len(items) == 10_000 and len(items.members) == 200
        assert (np.bincount(items.label, minlength=1000)[items.members] == 50).all()
        assert items.label[items.item_id == "val_0"].tolist() == [WNIDS.index("n03444034")]
    else:
        assert [WNIDS[label] for label in items.label] == [name.split("/")[0] for name in items.item_id]
    part = checking.look(items.take(np.arange(0, len(items), 40)))
    assert not [reason for _, _, reason, _ in part if reason]
