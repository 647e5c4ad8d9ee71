"""`analysis predict`: models on folders of images, into the store and the tables of this machine.

What is in the store is read; the rest is planned block by block, computed by `engine`, joined and published. A bad
image is listed and the pass goes on; what it spoils is published only if that many were allowed.
"""

import csv
import io
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from .. import files, paths, store
from ..errors import InputError, IntegrityError, UsageError, some
from ..progress import Progress
from . import corruptions, devices, engine, layouts, pool, prepare, scale, zoo
from .itemsets import ItemSet

TEST_SETS = {"imagenet": "imagenet-val", "cifar10": "cifar10", "cifar100": "cifar100"}  # of published accuracies
CPU_BATCH, GPU_BATCH = 32, 256


@dataclass(frozen=True)
class Source:
    """Items that are read once, the digests of their bytes, and the conditions under which they are looked at."""

    items: ItemSet
    digest: list[str]
    looks: tuple[tuple[str, tuple[str, int] | None], ...]


class Run(NamedTuple):
    """One model on one data set: its recipes and what is published of them."""

    model: str
    dataset: str
    recipe: dict
    whole: dict | None
    source: int
    corruption: tuple[str, int] | None


class Published(NamedTuple):
    """What is remembered of an entry of the store: its table would take memory."""

    dataset: str
    n_items: int
    top1: float
    bad: dict[str, str]
    features: bool


@dataclass
class Plan:
    """All that was asked for; `entries`: what is published by key of the recipe, `models` hold no networks."""

    models: dict[str, "zoo.Model"]
    sources: list[Source]
    runs: list[Run]
    options: engine.Options
    entries: dict[str, "Published"] = field(default_factory=dict)

    def missing(self) -> list[Run]:
        """Runs of which a table (or asked-for features) is not published yet."""
        return [run for run in self.runs if not self._whole(run)]

    def _whole(self, run: Run) -> bool:
        keys = [store.key(recipe) for recipe in (run.recipe, run.whole) if recipe is not None]
        if any(key not in self.entries for key in keys):
            return False
        return not self.options.features or self.entries[keys[0]].features


def predict(
    models: Sequence[str] | str,
    datasets: Sequence[str] | str,
    images: Path | str | None = None,
    *,
    device: str = "auto",
    precision: str = "fp32",
    features: bool = False,
    decoder: str = "pil",
    resize: str = "pil",
    per_class: int | None = None,
    allow_bad: int = 0,
    allow_missing: bool = False,
    jobs: int | None = None,
    workers: str = "processes",
    batch: int | None = None,
    seed: int = 0,
    folder: Path | str | None = None,
    tables: bool = True,
):
    """Predict with every model on every data set; what was predicted before is read.

    Parameters
    ----------
    models : ids or groups of `zoo.names` ("paper", "package/efficientnet_lite0", ...)
    datasets : names of `layouts.open_set`, or "imagenet-c-local", "tiny-imagenet-c-local/fog/3", ...: corrupted here
    images : the folder that holds the sets; None: what the mirror has
    device : "auto", "cpu", "cuda" (all GPUs) or "cuda:1"
    precision : "fp32", "bf16", or on GPUs "fp16"; part of the key, as decoder, resize and seed are
    features : also keep the input of the classifier, float16
    per_class : only so many items of each class, those whose ids have the smallest hash
    allow_bad : publish a data set although up to so many images cannot be read; they are left out and listed
    allow_missing : take a set that lacks items
    jobs : shard processes on a CPU (default: the cores), decoders a GPU; 0 computes in this process
    workers : "processes" of this machine, or "ray": over several machines (`scale`)
    folder : of the store; default: in the cache
    tables : also write the class counts and right answers into `data/own/`

    Returns
    -------
    DataFrame, a row a model and data set: model, dataset, items, top1, published (NaN where unknown), key.

    Raises
    ------
    UsageError, InputError, ResourceError, NetworkError : see `errors`; finished blocks are kept in every case.
    """
    _check_options(decoder=decoder, resize=resize, per_class=per_class, allow_bad=allow_bad, jobs=jobs, batch=batch)
    if workers not in ("processes", "ray"):
        raise UsageError("workers", f"{workers}: no such workers", "there are: processes, ray")
    device, names = devices.resolve(device, precision), zoo.names(models)
    if device == "cpu" and workers == "processes" and jobs != 0:
        pool.prepare(names)
    batch = batch or (CPU_BATCH if device == "cpu" else GPU_BATCH)
    folder = Path(folder) if folder else None
    options = engine.Options(device, precision, batch, decoder, resize, features, seed, folder)
    sources = open_sources(datasets, images, per_class=per_class, allow_missing=allow_missing)
    with devices.light_imports():
        plan = make_plan(names, sources, options)
    if device == "cpu" and precision == "bf16" and plan.missing() and not devices.computes_bf16():
        print("this processor only imitates bfloat16, many times slower than --precision fp32", file=sys.stderr)
    outcome = _compute(plan, jobs, workers) if plan.missing() else engine.Outcome()
    spoilt = _publish(plan, outcome, allow_bad)
    done = [run for run in plan.runs if run.dataset not in spoilt]
    if tables:
        _write_tables(plan, done)
    if spoilt:
        _refuse(spoilt, allow_bad)
    return _frame(plan, done)


def summary(frame) -> list[str]:
    """One line a model and family of data sets: top-1, beside the published one where there is one."""
    lines = []
    family = frame["dataset"].str.replace("/[^@]*", "", regex=True)
    for (model, name), rows in frame.groupby(["model", family], sort=False):
        text = f"{model} on {name}: top-1 {100 * rows['top1'].mean():.2f} %"
        if len(rows) > 1:
            text += f" (mean of {len(rows)} conditions)"
        elif rows["published"].notna().all():
            text += f", published {100 * rows['published'].iloc[0]:.2f} %"
        lines.append(f"{text}, {rows['items'].iloc[0]} items")
    return lines


# ---- Planning --------------------------------------------------------------------------------------------------------


def open_sources(datasets, images, *, per_class: int | None = None, allow_missing: bool = False) -> list[Source]:
    """The data sets asked for; those made from the same images become one source."""
    datasets = [datasets] if isinstance(datasets, str) else list(datasets)
    if not datasets:
        raise UsageError("dataset", "no data set was named", f"one of {', '.join(layouts.NAMES)}")
    looks: dict[str, dict] = {}
    sets: dict[str, ItemSet] = {}
    for name in datasets:
        local = corruptions.is_local(name)
        conditions = corruptions.conditions(name) if local else [None]
        for items in layouts.open_set(corruptions.base(name) if local else name, images, allow_missing=allow_missing):
            sets.setdefault(items.dataset, items)
            for one in conditions:
                shown = items.dataset if one is None else corruptions.dataset_id(name, *one)
                looks.setdefault(items.dataset, {})[shown] = one
    found = []
    for dataset, items in sets.items():
        if per_class is not None:
            items = items.take(sample(items.item_id, items.label, per_class))
        found.append(Source(items, items.digests(), tuple(looks[dataset].items())))
    return found


def sample(item_id: Sequence[str], label: np.ndarray, per_class: int) -> np.ndarray:
    """Rows of a sample with `per_class` items of each class: those whose ids have the smallest SHA-256.

    It is the same for every model, condition and order of the items, and a smaller sample is part of a larger one.

    >>> sample(["a", "b", "c", "d"], np.array([0, 0, 1, 1]), 1).tolist()
    [1, 3]
    """
    import hashlib

    draw = np.array([hashlib.sha256(str(one).encode()).hexdigest() for one in item_id])
    order = np.lexsort((draw, label))
    ranked = np.asarray(label)[order]
    first = np.searchsorted(ranked, ranked)  # where the class begins
    return np.sort(order[np.arange(len(order)) - first < per_class])


def make_plan(names: Sequence[str], sources: list[Source], options: engine.Options) -> Plan:
    """Every model on every data set, with what the store has of it."""
    described = {}
    for name in names:
        model = zoo.load(name)
        described[name] = replace(model, module=None)  # the shards load it again: here it would only take memory
        for source in sources:
            zoo.check_classes(model, source.items.n_classes, _outputs_space(source.items))
        del model
    runs = []
    for index, source in enumerate(sources):
        items = engine.block_digest(source.items.item_id, source.items.label, source.digest)
        for dataset, corruption in source.looks:
            for name, model in described.items():
                recipe = make_recipe(dataset, source.items, items, model, corruption, options)
                whole = None
                if source.items.members is not None:
                    space = _outputs_space(source.items)
                    whole = recipe | {"dataset": f"{dataset}@{source.items.n_classes}", "label_space": space}
                    del whole["members"]
                runs.append(Run(name, dataset, recipe, whole, index, corruption))
    plan = Plan(described, sources, runs, options)
    for run in runs:
        for recipe in filter(None, (run.recipe, run.whole)):
            if (entry := store.get(recipe, folder=options.folder)) is not None:
                plan.entries[entry.key] = _remembered(entry)
    return plan


def _remembered(entry: store.Entry) -> Published:
    bad = dict(entry.about.get("bad", []))
    return Published(entry.dataset, entry.n_items, entry.top1, bad, entry.safetensors is not None)


def make_recipe(dataset: str, items: ItemSet, digest: str, model, corruption, options: engine.Options) -> dict:
    """Everything that the predictions depend on; the key of the store is its hash."""
    precropped = items.precropped
    if corruption is not None:
        precropped = dataset.split("/")[0] in engine.LOCAL_BASE
    recipe = {
        "kind": "image",
        "dataset": dataset,
        "label_space": items.label_space,
        "model": {"id": model.id, "weights": model.weights},
        "preprocessing": model.preprocessing() | {"precropped": precropped},
        "items": digest,
        "corruption": None if corruption is None else corruptions.recipe(*corruption, options.seed),
        "numerics": {
            "precision": options.precision,
            "resize": options.resize,
            "decoder": options.decoder,
            "device": options.device.split(":")[0],
        },
        "engine": {"code": engine.CODE} | _versions(model, corruption, options),
    }
    if items.members is not None:
        recipe["members"] = items.members.tolist()
    return recipe


def _versions(model, corruption, options: engine.Options) -> dict[str, str]:
    import PIL
    import torch

    found = {"torch": torch.__version__, "pillow": PIL.__version__, "numpy": np.__version__}
    libraries = [{"timm-random": "timm", "package": "timm", "hf": "transformers"}.get(model.source, model.source)]
    libraries += ["simplejpeg"] if options.decoder == "simplejpeg" else []
    libraries += ["torchvision"] if options.resize == "torch" else []
    for library in libraries:
        if library in ("timm", "torchvision", "transformers", "simplejpeg"):
            found[library] = corruptions.version(library)
    return found | (corruptions.versions() if corruption is not None else {})


def _outputs_space(items: ItemSet) -> str:
    """The label space of all outputs: that of ImageNet for its subsets."""
    if items.members is None:
        return items.label_space
    return "imagenet" if items.n_classes == 1000 else "own"


# ---- Computing -------------------------------------------------------------------------------------------------------


def works(plan: Plan, groups: Sequence[Sequence[str]]) -> Iterator[engine.Work]:
    """The blocks of what is missing, group by group of models."""
    missing = plan.missing()
    for group in groups:
        for index, source in enumerate(plan.sources):
            wanted: dict[str, list[Run]] = {}
            for run in missing:
                if run.source == index and run.model in group:
                    wanted.setdefault(run.dataset, []).append(run)
            if not wanted:
                continue
            conditions = tuple(
                engine.Condition(dataset, runs[0].corruption, tuple(_target(plan, run) for run in runs))
                for dataset, runs in wanted.items()
            )
            for rows, block in blocks(source):
                yield engine.Work(source.items.take(rows), block, conditions, tuple(group))


def _target(plan: Plan, run: Run) -> engine.Target:
    return engine.Target(run.model, plan.models[run.model].geometry, run.recipe, run.whole)


def blocks(source: Source) -> Iterator[tuple[np.ndarray, str]]:
    """Rows and digest of every block, cut by position alone."""
    items = source.items
    for start in range(0, len(items.item_id), engine.BLOCK):
        rows = np.arange(start, min(start + engine.BLOCK, len(items.item_id)))
        digest = source.digest[start : start + engine.BLOCK]
        yield rows, engine.block_digest(items.item_id[rows], items.label[rows], digest)


def _compute(plan: Plan, jobs: int | None, workers: str = "processes") -> engine.Outcome:
    missing = plan.missing()
    names = list(dict.fromkeys(run.model for run in missing))
    half = 1 if plan.options.precision == "fp32" else 2
    sizes = [plan.models[name].parameter_bytes // half for name in names]
    if plan.options.device == "cpu":
        wanted = devices.cores() if jobs is None else jobs
        free = devices.free_bytes()
        if workers == "ray":  # other machines are taken to have as much memory a core as this one
            shards, threads, groups = wanted, 1, devices.groups(sizes, int(free * devices.SHARE) // devices.cores())
        elif wanted == 0:
            shards, threads, groups = 0, 0, devices.groups(sizes, int(free * devices.SHARE))
        else:
            most = sum(-(-len(plan.sources[index].items.item_id) // engine.BLOCK) for index in _needed(missing))
            shards, threads, groups = devices.shards(sizes, jobs=wanted, free=free)
            shards = min(shards, most)
        options = [plan.options]
    else:
        shards, threads = 1, 1
        names_of = devices.gpus(plan.options.device)
        decoders = max((devices.cores() if jobs is None else jobs) // len(names_of), 1)
        options = [replace(plan.options, device=name, decoders=decoders) for name in names_of]
        groups = devices.groups(sizes, devices.gpu_budget(names_of))
    groups = [[names[index] for index in group] for group in groups]
    # Items times conditions: what an image costs hardly depends on how many small networks look at it.
    total = sum(
        len(plan.sources[index].items.item_id) * len({run.dataset for run in missing if run.source == index})
        for index in _needed(missing)
    ) * len(groups)
    if workers == "ray" and plan.options.device != "cpu":
        shards = jobs or 1  # GPUs of the cluster
    with Progress(f"predict with {len(names)} models", total=total, unit="images") as progress:
        run = pool.run if workers == "processes" else scale.run
        outcome = run(works(plan, groups), options, jobs=shards, threads=threads, progress=progress)
    return outcome


def _needed(missing: Iterable[Run]) -> list[int]:
    return sorted({run.source for run in missing})


# ---- Publishing ------------------------------------------------------------------------------------------------------


def _publish(plan: Plan, outcome: engine.Outcome, allow_bad: int) -> dict[str, dict[str, str]]:
    """Join what is whole; gives data set -> {item: reason} where more images were bad than allowed."""
    lost: dict[str, dict[str, str]] = {}
    for dataset, _, item, reason in sorted(outcome.bad):
        lost.setdefault(dataset, {})[item] = reason
    for run in plan.runs:
        for recipe in filter(None, (run.recipe, run.whole)):
            if (entry := plan.entries.get(store.key(recipe))) is not None:
                lost.setdefault(run.dataset, {}).update(entry.bad)
    lost = {dataset: items for dataset, items in lost.items() if items}
    spoilt = {dataset: items for dataset, items in lost.items() if len(items) > allow_bad}
    about = {"batch": plan.options.batch, "peak_mb": outcome.peak_mb}
    about |= {"smallest_batch": outcome.chunk} if outcome.chunk else {}
    digests: dict[int, list[str]] = {}
    for run in plan.missing():
        if run.dataset in spoilt:
            continue
        if run.source not in digests:
            digests[run.source] = [block for _, block in blocks(plan.sources[run.source])]
        about["n_classes"] = plan.sources[run.source].items.n_classes
        for recipe in filter(None, (run.recipe, run.whole)):
            try:
                entry = store.join(recipe, digests[run.source], about=about, folder=plan.options.folder)
            except store.MissingParts as fault:
                what = f"{run.model} on {run.dataset}: {len(fault.blocks)} blocks were lost"
                raise IntegrityError("store", what, "run again") from None
            plan.entries[entry.key] = _remembered(entry)
    return spoilt


def _refuse(spoilt: dict[str, dict[str, str]], allow_bad: int) -> None:
    rows = [(dataset, item, reason) for dataset, items in spoilt.items() for item, reason in items.items()]
    path = paths.own() / "bad_images.csv"
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([("dataset", "item_id", "reason"), *rows])
    files.write_text(path, text.getvalue())
    items = {item: reason for _, item, reason in rows}
    most = max(len(found) for found in spoilt.values())
    examples = some([f"{item} ({reason})" for item, reason in items.items()])
    raise InputError(
        "image",
        f"{len(items)} images of {some(spoilt, 3)} cannot be read: {examples}",
        f"all are listed in {paths.shown(path)}; bring them again, or leave them out: --allow-bad {most}"
        + (f" (now {allow_bad})" if allow_bad else ""),
    )


def _write_tables(plan: Plan, runs: list[Run]) -> None:
    from . import shipped

    recipes = [recipe for run in runs for recipe in (run.recipe, run.whole) if recipe is not None]
    entries = (store.get(recipe, folder=plan.options.folder) for recipe in recipes)
    shipped.write((one for one in entries if one), [model.row() for model in plan.models.values()])


def _frame(plan: Plan, runs: list[Run]):
    import pandas as pd

    rows = []
    for run in runs:
        model = plan.models[run.model]
        known = TEST_SETS.get(model.label_space) == run.dataset
        for recipe in filter(None, (run.recipe, run.whole)):
            entry = plan.entries[store.key(recipe)]
            published = model.published_top1 if known else float("nan")
            rows.append((model.id, entry.dataset, entry.n_items, entry.top1, published, store.key(recipe)))
    return pd.DataFrame(rows, columns=["model", "dataset", "items", "top1", "published", "key"])


def _check_options(*, decoder, resize, per_class, allow_bad, jobs, batch) -> None:
    for name, value, known in (("decoder", decoder, prepare.DECODERS), ("resize", resize, prepare.RESIZES)):
        if value not in known:
            raise UsageError(name, f"{value}: no such {name}", f"there are: {', '.join(known)}")
    for name, value, least in (
        ("per-class", per_class, 1),
        ("allow-bad", allow_bad, 0),
        ("jobs", jobs, 0),
        ("batch", batch, 1),
    ):
        if value is not None and value < least:
            raise UsageError(name, f"{value} is below {least}", f"give {least} or more")
