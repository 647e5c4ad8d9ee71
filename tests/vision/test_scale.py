"""The same run over Ray's workers, one of which is killed on the way: the same bytes."""

import os
import pickle
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from analysis import store
from analysis.errors import InputError, ResourceError
from analysis.progress import Progress

torch = pytest.importorskip("torch")
pytest.importorskip("timm")

from analysis.vision import engine, scale, zoo  # noqa: E402
from analysis.vision.itemsets import ItemSet  # noqa: E402
from analysis.vision.prepare import Geometry  # noqa: E402

pytestmark = pytest.mark.inference

MODEL = "timm-random/mobilenetv3_small_050?seed=0&classes=10"
N_ITEMS, BLOCK = 120, 8


def blocks(folder: Path, options: engine.Options) -> list[engine.Work]:
    rng = np.random.default_rng(0)
    refs = tuple(f"{number:03}.png" for number in range(N_ITEMS))
    for ref in refs:
        rough = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
        Image.fromarray(rough).resize((300, 260)).save(folder / ref)
    items = ItemSet(
        dataset="own:some",
        label_space="own",
        item_id=np.array(refs, dtype=object),
        label=np.arange(N_ITEMS, dtype=np.int32) % 10,
        refs=refs,
        n_classes=10,
        root=str(folder),
    )
    model = {"id": MODEL, "weights": zoo.load(MODEL).weights}
    recipe = {"kind": "image", "dataset": "own:some", "model": model, "items": "all"}
    target = engine.Target(MODEL, Geometry(256, 224), recipe)
    condition = engine.Condition("own:some", None, (target,))
    works = []
    for start in range(0, N_ITEMS, BLOCK):
        part = items.take(np.arange(start, start + BLOCK))
        digest = engine.block_digest(part.item_id, part.label, part.digests())
        works.append(engine.Work(part, digest, (condition,), (MODEL,)))
    return works


def workers() -> list[int]:
    """Actors of Ray among the descendants of this process."""
    parents, titles = {}, {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                titles[int(entry.name)] = (entry / "cmdline").read_bytes()
                parents[int(entry.name)] = int((entry / "stat").read_text("utf-8").rpartition(")")[2].split()[1])
            except (OSError, ValueError):
                continue

    def is_ours(pid: int) -> bool:
        while pid > 1:
            if pid == os.getpid():
                return True
            pid = parents.get(pid, 0)
        return False

    return [pid for pid, title in titles.items() if title.startswith(b"ray::") and b"Map" in title and is_ours(pid)]


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds Ray's workers in /proc")
@pytest.mark.filterwarnings("ignore")  # of Ray's own threads and sockets
def test_a_killed_worker_costs_nothing_but_time(tmp_path, monkeypatch):
    pytest.importorskip("ray")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("ANALYSIS_CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "images").mkdir()
    alone, scaled = (engine.Options(batch=4, folder=tmp_path / name) for name in ("alone", "scaled"))
    works = blocks(tmp_path / "images", alone)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as each worker has: sums of two threads may differ in the last bit
    expected = engine.run_blocks(works, engine.Nets(alone), alone, engine.Ticker())
    torch.set_num_threads(threads)
    recipe = works[0].conditions[0].targets[0].recipe
    first = store.join(recipe, [work.block for work in works], folder=alone.folder)

    killed, over = [], threading.Event()

    def kill_one():
        while not killed and not over.is_set():
            done = len(list(scaled.folder.rglob("*.parquet")))
            if done and (found := workers()):
                killed.append((found[0], done))
                os.kill(found[0], signal.SIGKILL)
            time.sleep(0.02)

    killer = threading.Thread(target=kill_one)
    killer.start()
    temporary = set(Path("/tmp").glob("ray-*"))
    try:
        with Progress("predict", total=N_ITEMS) as progress:
            outcome = scale.run(works, [scaled], jobs=2, threads=1, progress=progress)
    finally:
        over.set()
        killer.join()
    assert killed and killed[0][1] < len(works), "no worker was killed while there was work left"
    assert outcome.bad == expected.bad == set()
    second = store.join(recipe, [work.block for work in works], folder=scaled.folder)
    assert second.path.read_bytes() == first.path.read_bytes()
    assert len(second.table()) == N_ITEMS
    assert workers() == [] and set(Path("/tmp").glob("ray-*")) == temporary


def test_an_actors_fault_comes_back_as_it_is(tmp_path, monkeypatch):
    monkeypatch.setenv("ANALYSIS_CACHE_DIR", str(tmp_path / "cache"))
    options = engine.Options(batch=4, folder=tmp_path / "store")
    work = blocks(tmp_path, options)[0]
    for ref in work.items.refs[:1]:
        (tmp_path / ref).unlink()
    shard = scale.Shard(options=options, threads=1)
    row = shard({"index": np.array([7]), "work": np.array([pickle.dumps(work)], dtype=object)})
    assert row["index"].tolist() == [7]
    with pytest.raises(InputError, match=r"000\.png"):
        engine.raise_fault(pickle.loads(row["outcome"][0]).fault)


@pytest.mark.parametrize("finished", [[0, 1], [0, 1, 1], [0, 1, 2, 2]])
def test_every_block_comes_back_once(finished):
    with pytest.raises(ResourceError):
        scale.check_complete(finished, 3)
