"""`analysis predict`: from a folder of images to the store, the tables of this machine and a line a model."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

torch = pytest.importorskip("torch")

import analysis  # noqa: E402
from analysis import cli, own, paths, store, tables  # noqa: E402
from analysis.errors import InputError, ResourceError, UsageError  # noqa: E402
from analysis.vision import devices, engine, pool, predict  # noqa: E402

pytestmark = pytest.mark.inference

NET, OTHER = "timm-random/mobilenetv3_small_050?seed=0", "timm-random/resnet10t?seed=1"
WNIDS = [f"n{number}" for number in ("01440764", "01443537", "01484850")]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with shipped tables and a cache of the test's own, and 12 images of 3 classes in it."""
    from PIL import Image

    data = tmp_path / "data"
    data.mkdir()
    for path in (paths.ROOT / "data").iterdir():
        if path.is_file():
            (data / path.name).symlink_to(path)
    (data / "correct").symlink_to(paths.ROOT / "data" / "correct")
    monkeypatch.setenv("ANALYSIS_DATA_DIR", str(data))
    monkeypatch.setenv("ANALYSIS_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("ANALYSIS_MIRROR", raising=False)
    monkeypatch.setattr(engine, "BLOCK", 8)
    random = np.random.default_rng(0)
    for wnid in WNIDS:
        folder = tmp_path / "images" / wnid
        folder.mkdir(parents=True)
        for number in range(4):
            rough = random.integers(0, 256, (4, 5, 3), dtype=np.uint8)
            Image.fromarray(rough).resize((90, 70)).save(folder / f"{wnid}_{number}.JPEG")
    return tmp_path


def run(here, models=(NET,), datasets=("imagenet-sample",), **options):
    return predict.predict(models, datasets, here / "images", **({"jobs": 0, "batch": 4} | options))


def test_predictions_become_a_frame_and_own_tables(here, capsys):
    found = run(here, (NET, OTHER))
    assert found.columns.tolist() == ["model", "dataset", "items", "top1", "published", "key"]
    assert found["model"].tolist() == [NET, OTHER]
    assert (found["items"] == 12).all()
    assert found["published"].isna().all()
    counts = tables.read_counts(dataset="imagenet-sample", models=[NET])
    assert counts.loc[counts["n"] > 0, ["class_id", "n"]].to_numpy().tolist() == [[0, 4], [1, 4], [2, 4]]
    assert counts["correct"].sum() / 12 == found["top1"][0]
    assert "12 images" in capsys.readouterr().err


@pytest.mark.parametrize("has", [True, False])
def test_imitated_bfloat16_is_told_before_it_costs_hours(here, monkeypatch, capsys, has):
    monkeypatch.setattr(devices, "computes_bf16", lambda: has)
    run(here, precision="bf16")
    assert ("only imitates bfloat16" in capsys.readouterr().err) is not has
    run(here, precision="bf16")
    assert "imitates" not in capsys.readouterr().err, "nothing is computed any more"


def test_a_warm_run_reads_the_store_and_computes_nothing(here, monkeypatch):
    cold = run(here)

    def never(*_, **__):
        raise AssertionError("computed again")

    monkeypatch.setattr(predict, "_compute", never)
    pd.testing.assert_frame_equal(run(here), cold)


def test_only_the_new_model_and_the_new_condition_are_computed(here, monkeypatch):
    run(here)
    asked = []
    real = pool.run
    monkeypatch.setattr(pool, "run", lambda works, *a, **k: real(_noted(works, asked), *a, **k))
    run(here, (NET, OTHER))
    assert {target.model for work in asked for look in work.conditions for target in look.targets} == {OTHER}


def _noted(works, into):
    for work in works:
        into.append(work)
        yield work


def test_some_items_of_each_class_are_the_same_everywhere(here):
    found = run(here, per_class=2)
    assert found["items"].tolist() == [6]
    table = store.entries()[0].table()
    assert np.bincount(table.label).tolist() == [2, 2, 2]
    label = np.repeat([0, 1], 5)
    ids = [f"i{number}" for number in range(10)]
    drawn = predict.sample(ids, label, 3)
    order = np.random.default_rng(1).permutation(10)
    again = predict.sample([ids[i] for i in order], label[order], 3)
    assert sorted(ids[i] for i in drawn) == sorted(ids[order[i]] for i in again)
    assert set(predict.sample(ids, label, 2)) < set(drawn)
    assert run(here)["key"][0] != found["key"][0]


def test_bad_images_end_with_code_3_unless_allowed(here, capsys):
    bad = here / "images" / WNIDS[0] / f"{WNIDS[0]}_1.JPEG"
    bad.write_bytes(bad.read_bytes()[:-60])
    with pytest.raises(InputError, match=r"1 images of imagenet-sample cannot be read: .*_1 \(truncated\)") as fault:
        run(here)
    assert fault.value.code == 3
    assert "--allow-bad 1" in str(fault.value)
    rows = (paths.own() / "bad_images.csv").read_text(encoding="utf-8").splitlines()
    assert rows[0] == "dataset,item_id,reason"
    assert rows[1].endswith(f"{WNIDS[0]}_1,truncated")
    assert store.entries() == []
    assert run(here, allow_bad=1)["items"].tolist() == [11]
    with pytest.raises(InputError):  # what was allowed once is not allowed for ever
        run(here)


def test_other_data_sets_are_published_beside_a_spoilt_one(here):
    shutil.copytree(here / "images", here / "both" / "imagenet-sample")
    shutil.copytree(here / "images", here / "both" / "sketch")
    bad = here / "both" / "sketch" / WNIDS[0] / f"{WNIDS[0]}_1.JPEG"
    bad.write_bytes(b"")
    with pytest.raises(InputError, match="empty file"):
        predict.predict([NET], ["imagenet-sample", "imagenet-sketch"], here / "both", jobs=0, allow_missing=True)
    assert [entry.dataset for entry in store.entries()] == ["imagenet-sample"]


def test_shipped_rows_stay_and_are_compared(here, monkeypatch, capsys):
    monkeypatch.setattr(own, "shipped", lambda dataset, model: model == NET)
    monkeypatch.setattr(own, "compare", lambda part: 7)
    run(here, (NET, OTHER))
    assert f"{NET} on imagenet-sample: in the shipped tables, which stay; 7 classes differ" in capsys.readouterr().err
    assert set(tables.read_counts(dataset="imagenet-sample")["model"]) == {OTHER}


def test_a_part_of_a_known_set_stays_in_the_store(here, capsys):
    run(here)
    (here / "images" / WNIDS[2] / f"{WNIDS[2]}_3.JPEG").unlink()
    assert run(here, (OTHER,))["items"].tolist() == [11]
    assert f"{OTHER} on imagenet-sample: 11 items, 12 in the tables: kept in the store alone" in capsys.readouterr().err
    assert set(tables.read_counts(dataset="imagenet-sample")["model"]) == {NET}


def test_the_published_accuracy_stands_beside_ours(here, monkeypatch):
    frame = pd.DataFrame(
        [
            ("a", "imagenet-val", 50_000, 0.7, 0.71, "k"),
            ("a", "imagenet-c/fog/1", 50_000, 0.6, float("nan"), "k"),
            ("a", "imagenet-c/fog/2", 50_000, 0.5, float("nan"), "k"),
        ],
        columns=["model", "dataset", "items", "top1", "published", "key"],
    )
    assert predict.summary(frame) == [
        "a on imagenet-val: top-1 70.00 %, published 71.00 %, 50000 items",
        "a on imagenet-c: top-1 55.00 % (mean of 2 conditions), 50000 items",
    ]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"decoder": "magic"}, "no such decoder"),
        ({"resize": "cv2"}, "no such resize"),
        ({"per_class": 0}, "0 is below 1"),
        ({"precision": "fp16", "device": "cpu"}, "fp16 is for GPUs"),
        ({"models": ["nonsense"]}, "no such model"),
        ({"datasets": []}, "no data set was named"),
    ],
)
def test_wrong_options_are_said_before_anything_is_read(here, options, words):
    with pytest.raises(UsageError, match=words):
        run(here, **options)


def test_the_command_takes_several_names_in_a_row(here, monkeypatch, capsys):
    seen = {}

    def fake(models, datasets, **options):
        seen.update(models=models, datasets=datasets, **options)
        columns = ["model", "dataset", "items", "top1", "published", "key"]
        return pd.DataFrame([("a", "imagenet-val", 5, 0.2, float("nan"), "k")], columns=columns)

    monkeypatch.setattr(predict, "predict", fake)
    line = "predict --models a b --datasets imagenet-val imagenet-c --images x --per-class 3 --models=c d --features"
    cli.cli.main(line.split(), standalone_mode=False)
    assert seen["models"] == ("a", "b", "c", "d")
    assert seen["datasets"] == ("imagenet-val", "imagenet-c")
    assert (seen["images"], seen["per_class"], seen["features"], seen["jobs"]) == ("x", 3, True, None)
    assert capsys.readouterr().out == "a on imagenet-val: top-1 20.00 %, 5 items\n"
    assert analysis.predict is fake or callable(analysis.predict)


# ---- Processes: each starts torch anew, so there are few ------------------------------------------------------------


needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds worker processes through /proc")


def test_two_shards_give_the_bytes_of_one_process(here):
    one = run(here, (NET, OTHER), folder=here / "one")
    two = run(here, (NET, OTHER), folder=here / "two", jobs=2)
    pd.testing.assert_frame_equal(one, two)
    for key in one["key"]:
        a, b = (here / name / key[:2] / f"{key}.parquet" for name in ("one", "two"))
        assert a.read_bytes() == b.read_bytes()


@needs_proc
def test_a_killed_shard_is_a_fault_of_the_machine_and_keeps_finished_blocks(here, monkeypatch):
    real = pool._show
    children = []

    def kill(progress, counters):
        real(progress, counters)
        found = _children(os.getpid())
        if found and not children and list((paths.cache() / "predictions").rglob("*.parquet")):
            children.extend(found)
            os.kill(found[-1], signal.SIGKILL)

    monkeypatch.setattr(pool, "_show", kill)
    monkeypatch.setattr(pool, "_POLL", 0.005)
    monkeypatch.setattr(engine, "BLOCK", 1)
    with pytest.raises(ResourceError, match="a worker process was killed") as fault:
        run(here, jobs=1)
    assert fault.value.code == 6
    assert "finished blocks are kept" in str(fault.value)
    assert children
    kept = [path for path in (paths.cache() / "predictions").rglob("*.parquet")]
    assert 0 < len(kept) < 12
    monkeypatch.setattr(pool, "_show", real)
    assert run(here)["items"].tolist() == [12]


def _children(pid: int) -> list[int]:
    """The shards of a process: children of its fork server (not that itself, nor the resource tracker beside it)."""
    found = {}
    for number in filter(str.isdecimal, os.listdir("/proc")):
        status = Path("/proc", number, "stat")
        try:
            parent = int(status.read_text(encoding="utf-8").rsplit(")", 1)[1].split()[1])
            found[int(number)] = parent, b"forkserver" in (status.parent / "cmdline").read_bytes()
        except (OSError, ValueError):
            continue
    servers = {number for number, (parent, server) in found.items() if parent == pid and server}
    return [number for number, (parent, _) in found.items() if parent in servers]


@needs_proc
@pytest.mark.parametrize(
    ("sent", "code", "word"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]
)
def test_a_signal_ends_the_run_and_it_goes_on_where_it_was(here, sent, code, word):
    store_folder = paths.cache() / "predictions"
    command = [sys.executable, "-m", "analysis", "predict", "--models", NET, OTHER]
    command += ["--datasets", "imagenet-sample", "--images", str(here / "images"), "--jobs", "1"]
    # A shell that runs the tests in the background has them ignore Ctrl-C, and a child would inherit that.
    heed = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=dict(os.environ), **heed)
    deadline = time.monotonic() + 60
    while not _children(process.pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)
    shards = _children(process.pid)
    assert shards
    process.send_signal(sent)
    _, said = process.communicate(timeout=60)
    assert process.returncode == code
    assert said.splitlines()[-1] == word
    assert "Traceback" not in said
    left = [path for path in store_folder.rglob("*") if path.name.startswith(".analysis-tmp")]
    assert left == []
    deadline = time.monotonic() + 10
    while any(Path("/proc", str(one)).exists() for one in shards) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert [one for one in shards if Path("/proc", str(one)).exists()] == []
    assert run(here, (NET, OTHER))["items"].tolist() == [12, 12]


def test_a_script_without_the_guard_that_workers_need_is_told_so(here):
    script = here / "script.py"
    call = f"predict({NET!r}, 'imagenet-sample', {str(here / 'images')!r}, jobs=1)"
    script.write_text(f"import analysis\nanalysis.{call}\n", encoding="utf-8")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert "no worker process could start" in done.stderr and "__main__" in done.stderr.splitlines()[-1]


def test_real_weights_on_real_images(monkeypatch, tmp_path):
    """EfficientNet-Lite0 on 200 images of Tiny-ImageNet: accuracy as measured before by an independent loop."""
    monkeypatch.setenv("ANALYSIS_CACHE_DIR", str(tmp_path))
    if paths.mirror() is None:
        pytest.skip("no ANALYSIS_MIRROR: Tiny-ImageNet's images cannot be shipped")
    found = predict.predict("package/efficientnet_lite0", "tiny-imagenet", per_class=1, jobs=0, tables=False)
    assert found["items"].tolist() == [200, 200]
    assert 0.43 < found["top1"][0] < 0.67  # all 10,000: 0.530; four standard errors each way
    assert 0.16 < found["top1"][1] < 0.42  # 0.290
