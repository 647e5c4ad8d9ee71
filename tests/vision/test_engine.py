"""The engine: one pass over many models gives what a plain loop gives, block by block, whatever happens in between."""

import errno
import io
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from analysis import store  # noqa: E402
from analysis.errors import InputError, ResourceError, UsageError  # noqa: E402
from analysis.vision import devices, engine, predict, prepare, reduce, zoo  # noqa: E402
from analysis.vision.itemsets import ItemSet  # noqa: E402

pytestmark = pytest.mark.inference

NETS = (  # small, with random weights and three different preprocessings
    "timm-random/mobilenetv3_small_050?seed=0",
    "timm-random/resnet10t?seed=1",
    "timm-random/test_vit?seed=2",
)


def jpeg(seed: int, size=(80, 100)) -> bytes:
    from PIL import Image

    rough = np.random.default_rng(seed).integers(0, 256, (5, 6, 3), dtype=np.uint8)
    content = io.BytesIO()
    Image.fromarray(rough).resize(size[::-1], Image.Resampling.BICUBIC).save(content, "JPEG", quality=90)
    return content.getvalue()


@pytest.fixture
def images(tmp_path):
    """30 pictures in a folder, as an `ItemSet` of 1000 classes."""
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(30):
        (folder / f"{number:02}.jpg").write_bytes(jpeg(number, size=(64 + 3 * number, 110)))
    return item_set(folder)


def item_set(folder, **changes) -> ItemSet:
    names = sorted(path.name for path in folder.iterdir())
    label = np.arange(len(names), dtype=np.int32) % 10
    ids = np.array([name.split(".")[0] for name in names], dtype=object)
    found = ItemSet("imagenet-sample", "imagenet", ids, label, tuple(names), 1000, root=str(folder))
    return replace(found, **changes)


@pytest.fixture
def cut(monkeypatch, tmp_path):
    """Blocks of 8 items, so that 30 items are several; a cache of the test's own."""
    monkeypatch.setattr(engine, "BLOCK", 8)
    monkeypatch.setenv("ANALYSIS_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("ANALYSIS_DATA_DIR", str(tmp_path / "data"))
    return tmp_path / "store"


def planned(items, names=NETS[:1], looks=None, **options) -> predict.Plan:
    options = engine.Options(**({"batch": 4} | options))
    source = predict.Source(items, items.digests(), tuple((looks or {items.dataset: None}).items()))
    return predict.make_plan(list(names), [source], options)


def answered(plan: predict.Plan) -> dict[str, store.Entry]:
    """Compute in this process and publish; entries by model and data set."""
    outcome = predict._compute(plan, jobs=0)
    predict._publish(plan, outcome, allow_bad=99)
    found = {}
    for run in plan.runs:
        for recipe in filter(None, (run.recipe, run.whole)):
            found[run.model, recipe["dataset"]] = store.get(recipe, folder=plan.options.folder)
    return found


def files_of(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.rglob("*.parquet"))}


# ---- Reduction -------------------------------------------------------------------------------------------------------


def test_reduction_by_hand():
    logits = torch.tensor([[0.0, 2.0, 1.0, 2.0], [5.0, 0.0, 0.0, 0.0]])
    found = reduce.reduce(logits, np.array([3, 9]))
    assert found.pred.tolist() == [1, 0]
    assert found.top5.tolist() == [[1, 3, 2, 0], [0, 1, 2, 3]]
    assert found.label_rank.tolist() == [1, -1]  # the tie goes to class 1, so the label is second; 9 is no output
    total = 1 + 2 * np.e**2 + np.e
    assert found.confidence[0] == pytest.approx(np.e**2 / total, rel=1e-6)
    assert found.confidence.dtype == np.float32


def test_reduction_among_members_is_not_that_among_all():
    logits = torch.tensor([[9.0, 1.0, 0.0, 1.0, 3.0]])
    found = reduce.reduce(logits, np.array([3]), members=np.array([1, 3]))
    assert found.pred.tolist() == [1]
    assert found.top5.tolist() == [[1, 3]]
    assert found.label_rank.tolist() == [1]
    assert found.confidence[0] == 0.5
    assert reduce.reduce(logits, np.array([3])).label_rank.tolist() == [3]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_outputs_that_are_not_finite_name_the_item(value):
    logits = torch.zeros(3, 4)
    logits[1, 2] = value
    with pytest.raises(InputError, match="net: the outputs for b"):
        reduce.check_finite(logits, model="net", item_id=["a", "b", "c"])


# ---- The same as a plain loop ----------------------------------------------------------------------------------------


def plain_loop(name: str, items: ItemSet) -> np.ndarray:
    """Top 5 by timm's own transform and a DataLoader, one model alone, default layout: as its validate.py does it."""
    import timm
    from PIL import Image
    from timm.data import create_transform, resolve_model_data_config
    from torch.utils.data import DataLoader

    module = zoo.load(name).module
    config = resolve_model_data_config(module, use_test_size=False)
    transform = create_transform(**config, is_training=False)
    assert timm.__version__

    class Plain(torch.utils.data.Dataset):
        def __len__(self):
            return len(items)

        def __getitem__(self, i):
            return transform(Image.open(io.BytesIO(items.read(i))).convert("RGB"))

    with torch.no_grad():
        return torch.cat([module(x).topk(5).indices for x in DataLoader(Plain(), batch_size=7)]).numpy()


def test_three_networks_in_one_pass_equal_three_plain_loops(images, cut):
    found = answered(planned(images, NETS, folder=cut))
    looks = {zoo.load(name).geometry for name in NETS}
    assert len(looks) == 3
    for name in NETS:
        table = found[name, "imagenet-sample"].table()
        assert table.top5.tolist() == plain_loop(name, images).tolist(), name
        assert table.item_id.tolist() == images.item_id.tolist()
        assert table.pred.tolist() == table.top5[:, 0].tolist()


def test_every_image_is_decoded_once_for_all_networks_and_corruptions(images, cut, monkeypatch):
    decoded = []
    monkeypatch.setattr(prepare, "decode", lambda data, *, decoder: decoded.append(1) or _decode(data, decoder=decoder))
    looks = {
        "tiny-imagenet": None,
        "tiny-imagenet-c-local/fog/1": ("fog", 1),
        "tiny-imagenet-c-local/fog/2": ("fog", 2),
    }
    small = replace(images.take(np.arange(10)), dataset="tiny-imagenet")
    found = answered(planned(small, NETS[:2], looks, folder=cut))
    assert len(decoded) == 10
    assert len(found) == 6
    tops = [found[NETS[1], name].table().confidence.tolist() for name in looks]
    assert tops[0] != tops[1] != tops[2]


_decode = prepare.decode


def test_corrupted_items_are_what_the_network_alone_makes_of_them(images, cut):
    from analysis.vision import corruptions

    small = replace(images.take(np.arange(3)), dataset="imagenet-val")
    looks = {"imagenet-c-local/contrast/4": ("contrast", 4)}
    table = next(iter(answered(planned(small, NETS[:1], looks, folder=cut)).values())).table()
    model = zoo.load(NETS[0])
    for row in range(3):
        crop = prepare.fit(_decode(small.read(row)), prepare.Geometry(256, 224, "bilinear"))
        made = corruptions.corrupt(crop, name="contrast", severity=4, item_id=str(small.item_id[row]))
        x = torch.from_numpy(prepare.fit(made, model.geometry, precropped=True)).permute(2, 0, 1)[None].float() / 255
        x = (x - torch.tensor(model.mean).view(3, 1, 1)) / torch.tensor(model.std).view(3, 1, 1)
        assert table.top5[row].tolist() == model.module(x).topk(5).indices[0].tolist()


def test_a_subset_of_classes_gives_two_tables(images, cut):
    members = np.arange(0, 1000, 7, dtype=np.int32)
    some = replace(images, label=members[images.label], members=members, label_space="tiny-imagenet")
    some = replace(some, dataset="tiny-imagenet")
    found = answered(planned(some, NETS[1:2], folder=cut))
    own, whole = (found[NETS[1], name] for name in ("tiny-imagenet", "tiny-imagenet@1000"))
    assert set(own.table().pred.tolist()) <= set(members.tolist())
    assert not set(whole.table().top5.ravel().tolist()) <= set(members.tolist())
    assert (own.table().label_rank <= whole.table().label_rank).all()
    assert (own.recipe["label_space"], whole.recipe["label_space"]) == ("tiny-imagenet", "imagenet")
    assert own.key != whole.key


def test_batches_fed_by_decoding_processes_give_the_same(images, cut):
    here = answered(planned(images, NETS[:2], folder=cut / "a"))
    fed = answered(planned(images, NETS[:2], folder=cut / "b", decoders=1))
    assert files_of(cut / "a") == files_of(cut / "b")
    assert here.keys() == fed.keys()


def test_fewer_bits_are_another_key_and_nearly_the_same(images, cut):
    full = planned(images, NETS[1:2], folder=cut)
    half = planned(images, NETS[1:2], folder=cut, precision="bf16")
    assert store.key(full.runs[0].recipe) != store.key(half.runs[0].recipe)
    a, b = (next(iter(answered(plan).values())).table().confidence for plan in (full, half))
    assert np.abs(a - b).max() < 0.02
    assert (a != b).any()


def test_features_are_kept_and_asked_for_later(images, cut):
    without = next(iter(answered(planned(images, NETS[:1], folder=cut)).values()))
    assert without.features() == {}
    plan = planned(images, NETS[:1], folder=cut, features=True)
    assert len(plan.missing()) == 1
    found = next(iter(answered(plan).values()))
    assert found.key == without.key
    pooled = found.features()["pooled"]
    assert pooled.dtype == np.float16
    assert pooled.shape[0] == 30
    assert planned(images, NETS[:1], folder=cut, features=True).missing() == []


# ---- Stopped, damaged, full ------------------------------------------------------------------------------------------


def test_a_run_that_was_stopped_goes_on_to_the_same_bytes(images, cut, monkeypatch):
    answered(planned(images, NETS[:2], folder=cut / "whole"))
    taken = []
    real = engine._Answers.take

    def stopped(self, batch):
        taken.append(1)
        if len(taken) == 6:
            raise KeyboardInterrupt
        return real(self, batch)

    monkeypatch.setattr(engine._Answers, "take", stopped)
    plan = planned(images, NETS[:2], folder=cut / "again")
    with pytest.raises(KeyboardInterrupt):
        predict._compute(plan, jobs=0)
    parts = [path for path in (cut / "again").rglob("*.parquet") if "parts" in path.parts]
    assert len(parts) == 4  # two blocks of two batches, two models
    taken.append(1)
    before = len(taken)
    answered(plan)
    assert len(taken) - before == 4  # the other 14 items: blocks of 8 and 6
    assert files_of(cut / "whole") == files_of(cut / "again")
    answered(planned(images, NETS[:2], folder=cut / "again"))
    assert len(taken) - before == 4  # nothing more is computed


def test_a_full_disk_between_two_blocks_keeps_the_finished_ones(images, cut, monkeypatch):
    real, calls = store.put_part, []

    def full(*args, **options):
        calls.append(1)
        if len(calls) > 2:
            raise ResourceError("disk", "no space left") from OSError(errno.ENOSPC, "full")
        real(*args, **options)

    monkeypatch.setattr(store, "put_part", full)
    plan = planned(images, folder=cut)
    with pytest.raises(ResourceError, match="no space left"):
        predict._compute(plan, jobs=0)
    assert len(list(cut.rglob("*.parquet"))) == 2
    monkeypatch.setattr(store, "put_part", real)
    assert next(iter(answered(plan).values())).n_items == 30


def test_too_little_disk_is_seen_before_a_part_is_written(images, cut, monkeypatch):
    import shutil

    usage = shutil.disk_usage(cut.parent)
    monkeypatch.setattr(engine.shutil, "disk_usage", lambda _: usage._replace(free=100))
    with pytest.raises(ResourceError, match="no room for the next block"):
        predict._compute(planned(images, folder=cut), jobs=0)


def test_a_bad_image_is_listed_and_the_others_answered(images, cut):
    from pathlib import Path

    path = Path(images.root, "05.jpg")
    good = path.read_bytes()
    path.write_bytes(good[: len(good) // 2])
    plan = planned(images, NETS[:2], folder=cut)
    outcome = predict._compute(plan, jobs=0)
    assert {(item, reason) for _, _, item, reason in outcome.bad} == {("05", "truncated")}
    assert predict._publish(plan, outcome, allow_bad=0) == {"imagenet-sample": {"05": "truncated"}}
    assert plan.missing() == plan.runs
    # A second run finds the parts and the same bad image in them; one is allowed now.
    outcome = predict._compute(plan, jobs=0)
    assert predict._publish(plan, outcome, allow_bad=1) == {}
    entry = store.get(plan.runs[0].recipe, folder=cut)
    assert entry.n_items == 29
    assert entry.about["bad"] == [["05", "truncated"]]
    assert "05" not in entry.table().item_id.tolist()
    # Brought again, its block alone is computed.
    path.write_bytes(good)
    whole = answered(planned(images, NETS[:2], folder=cut))
    assert next(iter(whole.values())).n_items == 30


def test_features_where_a_whole_block_is_bad(images, cut):
    from pathlib import Path

    for name in images.refs[:8]:
        Path(images.root, name).write_bytes(b"no image")
    found = next(iter(answered(planned(images, features=True, folder=cut)).values()))
    assert found.n_items == 22
    assert found.features()["pooled"].shape[0] == 22


def test_nan_weights_are_an_error_and_not_class_0(images, cut):
    nets = engine.Nets(engine.Options(batch=4, folder=cut), load=_spoilt)
    plan = planned(images, folder=cut)
    (work, *_) = predict.works(plan, [[NETS[0]]])
    with pytest.raises(InputError, match=r"mobilenetv3_small_050.*for 00 are not finite"):
        engine.run_blocks([work], nets, plan.options, engine.Ticker())
    assert files_of(cut) == {}


def _spoilt(name, options):
    model = zoo.load(name)
    next(model.module.parameters()).fill_(float("nan"))
    return model


def test_another_number_of_classes_is_an_error(images, cut):
    with pytest.raises(InputError, match="10 outputs"):
        planned(images, ["timm-random/resnet10t?classes=10"], folder=cut)
    # A network that lies about it is found out by its first batch.
    plan = planned(images, folder=cut)
    weights = plan.runs[0].recipe["model"]["weights"]
    liar = replace(zoo.load("timm-random/resnet10t?classes=10"), weights=weights)
    nets = engine.Nets(plan.options, load=lambda name, options: liar)
    with pytest.raises(InputError, match=r"10,.* outputs, imagenet-sample needs 1000"):
        engine.run_blocks(predict.works(plan, [[NETS[0]]]), nets, plan.options, engine.Ticker())


def test_other_weights_of_the_same_name_are_another_key(images, cut, monkeypatch):
    before = planned(images, folder=cut).runs[0].recipe
    real = zoo.load
    monkeypatch.setattr(zoo, "load", lambda name: replace(real(name), weights="f" * 64))
    after = planned(images, folder=cut).runs[0].recipe
    assert before["model"]["id"] == after["model"]["id"]
    assert store.key(before) != store.key(after)


def test_weights_exchanged_during_a_run_are_an_error(images, cut, monkeypatch):
    plan = planned(images, folder=cut)
    real = zoo.load
    monkeypatch.setattr(zoo, "load", lambda name: replace(real(name), weights="f" * 64))
    with pytest.raises(InputError, match="other weights than at the start"):
        predict._compute(plan, jobs=0)


def test_other_labels_or_pixels_are_another_key(images, cut):
    from pathlib import Path

    first = planned(images, folder=cut).runs[0].recipe["items"]
    other = images.label.copy()
    other[0] += 1
    assert planned(replace(images, label=other), folder=cut).runs[0].recipe["items"] != first
    Path(images.root, "00.jpg").write_bytes(jpeg(999))
    assert planned(images, folder=cut).runs[0].recipe["items"] != first


def test_two_runs_of_one_key_both_end_well(images, cut):
    mine, theirs = planned(images, folder=cut), planned(images, folder=cut)
    outcome = predict._compute(mine, jobs=0)
    assert predict._compute(theirs, jobs=0).bad == outcome.bad  # finds all parts
    predict._publish(mine, outcome, allow_bad=0)
    predict._publish(theirs, outcome, allow_bad=0)  # the parts are gone, the entry is there
    assert mine.entries.keys() == theirs.entries.keys()


# ---- Memory ----------------------------------------------------------------------------------------------------------


def test_short_memory_halves_the_batch(images, cut):
    plan = planned(images.take(np.arange(16)), folder=cut, batch=8)
    sizes = []

    def small(name, options):
        model = zoo.load(name)
        model.module.register_forward_pre_hook(lambda _, given: sizes.append(len(given[0])) or _limit(given[0]))
        return model

    outcome = engine.run_blocks(
        predict.works(plan, [[NETS[0]]]), engine.Nets(plan.options, load=small), plan.options, engine.Ticker()
    )
    assert outcome.chunk == 2
    assert sizes[:5] == [8, 4, 2, 2, 2]
    predict._publish(plan, outcome, 0)
    assert store.get(plan.runs[0].recipe, folder=cut).about["smallest_batch"] == 2


def _limit(x, most=2):
    if len(x) > most:
        raise torch.OutOfMemoryError("made up")


def test_short_memory_of_one_network_makes_no_other_take_more_at_once(images, cut):
    plan = planned(images.take(np.arange(16)), NETS[:2], folder=cut, batch=8)
    sizes = {name: [] for name in NETS[:2]}

    def load(name, options):
        model = zoo.load(name)
        small = name == NETS[1]

        def before(_, given):
            sizes[name].append(len(given[0]))
            if not small:
                _limit(given[0], 4)

        model.module.register_forward_pre_hook(before)
        return replace(model, chunk=2 if small else None)

    engine.run_blocks(
        predict.works(plan, [NETS[:2]]), engine.Nets(plan.options, load=load), plan.options, engine.Ticker()
    )
    assert sizes[NETS[0]] == [8, 4, 4] * 2 and sizes[NETS[1]] == [2] * 8


def test_no_memory_for_one_image_is_a_fault_of_the_machine(images, cut):
    def none(name, options):
        model = zoo.load(name)
        model.module.register_forward_pre_hook(lambda *_: _fail())
        return model

    plan = planned(images, folder=cut)
    with pytest.raises(ResourceError, match="not enough memory"):
        engine.run_blocks(
            predict.works(plan, [[NETS[0]]]), engine.Nets(plan.options, load=none), plan.options, engine.Ticker()
        )


def _fail():
    raise MemoryError


def test_models_beyond_the_budget_run_in_groups_and_give_the_same(images, cut, monkeypatch):
    small = images.take(np.arange(10))
    together = answered(planned(small, NETS, folder=cut / "a"))
    monkeypatch.setattr(devices, "free_bytes", lambda: 8 << 20)
    decoded = []
    monkeypatch.setattr(prepare, "decode", lambda data, *, decoder: decoded.append(1) or _decode(data, decoder=decoder))
    apart = answered(planned(small, NETS, folder=cut / "b"))
    assert together.keys() == apart.keys()
    assert files_of(cut / "a") == files_of(cut / "b")
    assert len(decoded) in (20, 30)  # once a group


def test_a_group_is_dropped_before_the_next_is_loaded():
    held = []
    nets = engine.Nets(engine.Options(), load=lambda name, options: name)
    for name, group in (("a", ("a", "b")), ("b", ("a", "b")), ("c", ("c",))):
        assert nets.get(name, group) == name
        held.append(sorted(nets._held))
    assert held == [["a"], ["a", "b"], ["c"]]


# ---- Devices ---------------------------------------------------------------------------------------------------------


def test_half_precision_needs_a_gpu():
    with pytest.raises(UsageError, match="fp16 is for GPUs"):
        devices.resolve("cpu", "fp16")
    with pytest.raises(UsageError, match="no such device"):
        devices.resolve("tpu", "fp32")
    assert devices.resolve("cpu", "bf16") == "cpu"


def test_faults_cross_processes_as_they_are():
    fault = prepare.BadImage("truncated")
    with pytest.raises(InputError, match="truncated"):
        engine.raise_fault(engine.as_fault(fault))
    with pytest.raises(ResourceError, match="not enough memory: x"):
        engine.raise_fault(engine.as_fault(devices.memory_fault("x")))
