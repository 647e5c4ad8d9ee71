"""Speed of the inference engine beside a plain loop, in one run on one machine: `analysis bench --inference`.

The rival is a loop in the manner of timm's validate.py: a process a model, a DataLoader with two workers, Pillow and
timm's own transforms, float32, NCHW, the same batch. Each round runs all of them once, in turn, so that whatever else
the machine does meanwhile meets all alike. Ratios of medians travel, seconds do not.

"whole" is a process from its start to its end, one after another where there are several; "inner" is what counts
for many images: the second time that the same processes pass over all images, with models loaded and memory at hand.
"""

import atexit
import gc
import json
import multiprocessing
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from .. import paths
from ..errors import UsageError
from ..show import console
from . import devices

ROUNDS, BATCH, SHARDS = 3, 64, 2
SMALL = ("mobilenetv3_small_100", "mobilenetv3_small_050", "lcnet_050", "regnety_002")
LARGE = ("resnet18", "efficientnet_b0", "convnext_atto", "vit_tiny_patch16_224")
DATASET = "imagenet-sample"
REAL = "package/efficientnet_lite0"
OVERHEAD = 1.15  # of the sum of its parts that the engine may take
CORRUPTIONS_MS, STORED_ITEMS, STORED_MODELS = 200, 50_000, 67


def main(*, quick: bool = False) -> None:
    """Time everything, check that both give the same five best classes, print and keep the section.

    Raises
    ------
    UsageError : no images: ANALYSIS_MIRROR holds no imagenet-sample.
    """
    from ..bench import write_section

    lines = section(rounds=1 if quick else ROUNDS)
    console().print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)
    if not quick:
        write_section("inference", lines)


def section(*, rounds: int) -> list[str]:
    """The lines of docs/benchmarks.md about inference."""
    if paths.mirror() is None:
        raise UsageError(
            "bench", "the images to time on lie in ANALYSIS_MIRROR", "set it to a folder of published files"
        )
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        scratch = Path(scratch)
        larger = {"fp32": (2.4, None)} | ({"bf16": (4.0, None)} if devices.computes_bf16() else {})
        cases = {"four small networks": (SMALL, {"fp32": (4.5, 4.0)}), "four larger networks": (LARGE, larger)}
        rows, checks = [], []
        for what, (names, budgets) in cases.items():
            found, same = _compare(what, names, budgets, rounds, scratch)
            rows += found
            checks.append(f"{what}: {same}")
        others = [*_parts(rounds, scratch), *_corruptions(), *_store(scratch)]
        flips = _bf16_changes(scratch)
    return [
        "## Inference",
        "",
        f"Written by `analysis bench --inference` on {os.cpu_count()} cores ({_processor()}), {platform.system()}, "
        f"Python {platform.python_version()}, torch {_version('torch')}, timm {_version('timm')}. "
        f"{rounds} interleaved rounds, medians; 266 JPEGs of full size, batch {BATCH}.",
        "",
        "The plain loop runs one process a model with a DataLoader of two workers, Pillow and timm's transforms, "
        f"float32, NCHW. The engine is one pass over all models with {SHARDS} processes of one thread; it cuts the "
        f"images in {SHARDS} blocks here, so that both have half. Random weights: they do not change the time. "
        '"Whole" is from process start to end; "inner" is what counts for many images: a second pass over all of them '
        "by the same processes, models and DataLoader workers.",
        "",
        "| what | plain loop, s | engine, s | times as fast | budget | largest process, MB: plain, engine |",
        "|---|---|---|---|---|---|",
        *rows,
        "",
        f"Five best classes of every image, engine in float32 beside plain loop: {'; '.join(checks)}.",
        flips,
        "",
        "| what | found | budget |",
        "|---|---|---|",
        *others,
    ]


# ---- Engine and plain loop -------------------------------------------------------------------------------------------


def _compare(what: str, names, budgets: dict, rounds: int, scratch: Path) -> tuple[list[str], str]:
    found: dict[str, list[dict]] = {}
    for number in range(rounds):
        plain = [_child("plain", scratch, model=name, out=str(scratch / f"{name}.npy")) for name in names]
        for one in plain:
            one["whole"] -= one["inner"]  # the second pass
        total = {key: sum(one[key] for one in plain) for key in ("whole", "inner")}
        found.setdefault("plain", []).append(total | {"peak": max(one["peak"] for one in plain)})
        for precision in budgets:
            given = {"names": list(names), "precision": precision}
            store = str(scratch / f"store-{what}-{number}-{precision}")
            whole = _child("whole", scratch, **given, store=store, cache=f"{store}-cache")
            inner = _child("inner", scratch, **given, store=f"{store}-inner")
            peak = max(whole["peak"], whole["shard"])
            one = {"whole": whole["whole"], "inner": inner["inner"], "peak": peak}
            found.setdefault(precision, []).append(one)
    rows = []
    for precision, (inner, whole) in budgets.items():
        for key, budget in (("inner", inner), ("whole", whole)):
            rival, ours = (statistics.median(one[key] for one in found[who]) for who in ("plain", precision))
            peaks = ", ".join(f"{max(one['peak'] for one in found[who]):.0f}" for who in ("plain", precision))
            shown = f"at least {budget}" if budget else ""
            rows.append(
                f"| {what}, {precision}, {key} | {rival:.1f} | {ours:.1f} | {rival / ours:.1f} | {shown} | {peaks} |"
            )
    return rows, _same(names, scratch / f"store-{what}-0-fp32", scratch)


def _same(names, store: Path, scratch: Path) -> str:
    """How many lists of five best are equal."""
    equal = total = 0
    for name in names:
        plain, ours = np.load(scratch / f"{name}.npy"), _table(store, _id(name)).top5
        equal += int((plain == ours).all(axis=1).sum())
        total += len(plain)
    return f"{equal} of {total} equal"


def _table(folder: Path, model: str, precision: str = "fp32"):
    from .. import store

    entries = store.entries(folder=folder)
    return next(one for one in entries if (one.model, one.precision) == (model, precision)).table()


def _id(name: str) -> str:
    return name if "/" in name else f"timm-random/{name}?seed=0"


def _processor() -> str:
    import torch

    bf16 = "with bfloat16" if devices.computes_bf16() else "without bfloat16, which is not timed therefore"
    return f"{platform.machine()}, {torch.backends.cpu.get_cpu_capability()}, {bf16}"


def _bf16_changes(scratch: Path) -> str:
    tables = []
    for precision in ("fp32", "bf16"):
        store = str(scratch / "store-real")
        _child("whole", scratch, names=[REAL], precision=precision, store=store, cache=f"{store}-cache")
        tables.append(_table(Path(store), REAL, precision))
    changed = int((tables[0].pred != tables[1].pred).sum())
    return (
        f"bf16 weights change {changed} of {len(tables[0])} labels of {REAL} (real weights): another key of the store, "
        "never the default."
    )


def _child(task: str, scratch: Path, **given) -> dict:
    """Run one task in a process of its own; gives what it says, and its time from start to end."""
    # Two cores are what both get, whatever is set outside; the plain loop keeps torch's default of all cores.
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    environment["ANALYSIS_CACHE_DIR"] = given.get("cache", str(scratch / "cache"))
    command = [sys.executable, "-m", "analysis.vision.bench", task, json.dumps(given)]
    start = time.perf_counter()
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    whole = time.perf_counter() - start
    if done.returncode:
        raise RuntimeError(f"{task} ended with {done.returncode}: {done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1]) | {"whole": whole}


def _peak() -> float:
    """MB of the largest process so far, this one or one that it waited for."""
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
    return max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / unit


class _Files:
    """Images as timm's loop sees them."""

    def __init__(self, items, transform):
        self.files, self.transform = [os.path.join(items.root, ref) for ref in items.refs], transform

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int):
        from PIL import Image

        with open(self.files[index], "rb") as file:
            return self.transform(Image.open(file).convert("RGB"))


def _plain(model: str, out: str) -> dict:
    import timm
    import torch
    from timm.data import create_transform, resolve_model_data_config
    from torch.utils.data import DataLoader

    from . import layouts

    (items,) = layouts.open_set(DATASET)
    torch.manual_seed(0)
    net = timm.create_model(model, pretrained=False).eval()
    transform = create_transform(**resolve_model_data_config(net, use_test_size=False), is_training=False)
    loader = DataLoader(_Files(items, transform), batch_size=BATCH, num_workers=2, persistent_workers=True)
    with torch.inference_mode():
        for _ in range(2):
            start = time.perf_counter()
            best = [net(pixels).topk(5).indices for pixels in loader]
    inner = time.perf_counter() - start
    np.save(out, torch.cat(best).numpy())
    return {"inner": inner}


def _whole(names: list[str], precision: str, store: str, cache: str) -> dict:
    from ..store import entries
    from . import engine, predict

    engine.BLOCK = _block()
    models = [_id(name) for name in names]
    predict.predict(models, DATASET, precision=precision, jobs=SHARDS, batch=BATCH, folder=store, tables=False)
    return {"shard": max(entry.about["peak_mb"] for entry in entries(folder=store))}


def _block() -> int:
    from . import layouts

    (items,) = layouts.open_set(DATASET)
    return -(-len(items) // SHARDS)


def _inner(names: list[str], precision: str, store: str) -> dict:
    """The engine's shards at their second pass: the clock starts when all have ended the first."""
    context = multiprocessing.get_context("spawn")
    ready, start = context.Barrier(SHARDS + 1), context.Barrier(SHARDS + 1)
    processes = [
        context.Process(target=_shard, args=(number, names, precision, store, ready, start)) for number in range(SHARDS)
    ]
    for process in processes:
        process.start()
    ready.wait(600)
    start.wait(600)
    begun = time.perf_counter()
    for process in processes:
        process.join()
    if any(process.exitcode for process in processes):
        raise RuntimeError("a shard failed")
    ended = max(float(Path(store, f"ended-{number}").read_text("ascii")) for number in range(SHARDS))
    return {"inner": ended - begun}


def _shard(number: int, names: list[str], precision: str, store: str, ready, start) -> None:
    devices.keep_memory()
    devices.single_threaded(1)
    from . import engine

    nets = None
    for folder in (f"{store}-first", store):
        works, options = _works(names, precision, folder, block=_block())
        nets = nets or engine.Nets(options)
        if folder == store:
            ready.wait()
            start.wait()
        engine.run_blocks(works[number::SHARDS], nets, options, engine.Ticker())
    Path(store, f"ended-{number}").write_text(str(time.perf_counter()), "ascii")  # one clock for all processes


def _works(names: list[str], precision: str, store: str, block: int):
    from . import engine, predict

    engine.BLOCK = block
    options = engine.Options(precision=precision, batch=BATCH, folder=Path(store))
    plan = predict.make_plan([_id(name) for name in names], predict.open_sources(DATASET, None), options)
    return list(predict.works(plan, [list(plan.models)])), options


# ---- The engine and its parts ----------------------------------------------------------------------------------------


def _parts(rounds: int, scratch: Path) -> list[str]:
    found = [_child("parts", scratch, names=list(SMALL), rounds=rounds, store=str(scratch / "store-parts"))]
    one = found[0]
    shares = ", ".join(f"{name} {seconds:.2f}" for name, seconds in one["parts"].items())
    ratio = one["engine"] / sum(one["parts"].values())
    return [
        f"| engine in one thread, four small networks, to the sum of its parts ({shares} s) | {ratio:.2f} times "
        f"| at most {OVERHEAD} |"
    ]


def _measure_parts(names: list[str], rounds: int, store: str) -> dict:
    devices.keep_memory()
    devices.single_threaded(1)
    import torch

    from . import engine, layouts, prepare, zoo

    (items,) = layouts.open_set(DATASET)
    works, options = _works(names, "fp32", f"{store}-0", block=len(items))
    nets = engine.Nets(options)
    models = [nets.get(_id(name), works[0].group) for name in names]
    geometries = list(dict.fromkeys(model.geometry for model in models))
    looks = list(dict.fromkeys((model.geometry, tuple(model.mean), tuple(model.std)) for model in models))
    seconds: dict[str, list[float]] = {}
    with torch.inference_mode():
        for number in range(-1, rounds):  # the first round only warms up
            spent = {"decode": 0.0, "resize": 0.0, "normalise": 0.0, "forward": 0.0}
            for first in range(0, len(items), BATCH):
                rows = range(first, min(first + BATCH, len(items)))
                clock = _Clock(spent)
                images = [prepare.decode(items.read(row)) for row in rows]
                clock.lap("decode")
                pixels = {one: np.stack([prepare.fit(image, one) for image in images]) for one in geometries}
                clock.lap("resize")
                inputs = {
                    look: engine.pixels_to_input(pixels[look[0]], *look[1:], "cpu", torch.float32) for look in looks
                }
                clock.lap("normalise")
                for model in models:
                    x = inputs[model.geometry, tuple(model.mean), tuple(model.std)]
                    for piece in x.split(model.chunk):  # as the engine does
                        zoo.forward(model.module, piece, False)
                clock.lap("forward")
            options = engine.Options(batch=BATCH, folder=Path(f"{store}-{number}"))
            start = time.perf_counter()
            engine.run_blocks(works, nets, options, engine.Ticker())
            spent["engine"] = time.perf_counter() - start
            if number >= 0:
                for name, value in spent.items():
                    seconds.setdefault(name, []).append(value)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    return {"engine": medians.pop("engine"), "parts": medians}


class _Clock:
    """Adds the time since the last lap to what was spent on something."""

    def __init__(self, spent: dict):
        self.spent, self.last = spent, time.perf_counter()

    def lap(self, what: str) -> None:
        now = time.perf_counter()
        self.spent[what] += now - self.last
        self.last = now


# ---- Corruptions and store -------------------------------------------------------------------------------------------


def _corruptions(severity: int = 3, images: int = 5) -> list[str]:
    """Milliseconds of one core for all 19 corruptions of one 224-pixel image, the first image left out."""
    import cv2

    from . import corruptions, layouts, prepare

    cv2.setNumThreads(1)
    (items,) = layouts.open_set(DATASET)
    found = []
    for row in range(images + 1):
        image = prepare.fit(prepare.decode(items.read(row)), prepare.Geometry(256, 224, "bilinear"))
        start = time.process_time()
        for name in corruptions.NAMES:
            corruptions.corrupt(image, name=name, severity=severity, item_id=str(row))
        found.append(1e3 * (time.process_time() - start))
    return [
        f"| all 19 corruptions of one 224-pixel image, severity {severity} | {statistics.median(found[1:]):.0f} ms CPU "
        f"| at most {CORRUPTIONS_MS} |"
    ]


def _store(scratch: Path) -> list[str]:
    """Reading predictions back: verified, with ids, five best and confidence."""
    from .. import store

    rng, folder = np.random.default_rng(0), scratch / "store-read"
    ids = np.array([f"ILSVRC2012_val_{number:08}" for number in range(1, STORED_ITEMS + 1)], dtype=object)
    label = np.arange(STORED_ITEMS, dtype=np.int32) // (STORED_ITEMS // 1000)
    recipes = [{"kind": "image", "dataset": "bench", "model": {"id": f"m{n}"}} for n in range(STORED_MODELS)]
    for recipe in recipes:
        # Distinct classes in every row, the label first in most.
        top5 = ((label + (rng.random(STORED_ITEMS) > 0.8))[:, None] + np.arange(5) * 7) % 1000
        table = store.Table(
            item_id=ids,
            label=label,
            pred=top5[:, 0].astype(np.int32),
            confidence=rng.random(STORED_ITEMS, dtype=np.float32),
            label_rank=np.where(top5[:, 0] == label, 0, -1).astype(np.int32),
            top5=top5.astype(np.int32),
        )
        store.put(recipe, table, folder=folder)
    rows = []
    for what, some in ((f"one model x {STORED_ITEMS:,} items", recipes[:1]), (f"{STORED_MODELS} models", recipes)):
        laps = []
        for _ in range(3):
            start = time.perf_counter()
            for recipe in some:
                store.get(recipe, folder=folder).table()
            laps.append(1e3 * (time.perf_counter() - start))
        rows.append(f"| predictions read from the store, {what} | {statistics.median(laps):.0f} ms | |")
    return rows


def _version(library: str) -> str:
    import importlib.metadata

    return importlib.metadata.version(library)


_TASKS = {"plain": _plain, "whole": _whole, "inner": _inner, "parts": _measure_parts}

if __name__ == "__main__":
    if sys.argv[1] == "whole":
        atexit.register(gc.freeze)  # as the command `analysis` does
    answer = _TASKS[sys.argv[1]](**json.loads(sys.argv[2]))
    print(json.dumps(answer | {"peak": _peak()}))
