"""One pass, many models: each image is read and decoded once, for all models and all corruptions of it.

The unit of work is a block of items (`Work`): all models and conditions of some neighbouring items. Its answers go to
the store as one part a model and condition as soon as they are whole, so that a run that was stopped loses at most
what it had in hand, and the next one passes over every part that is there. Blocks and batches are cut by the position
of the items, never by what is left to do: a run that was resumed gives the same bytes as one that was not.

`batches` needs no torch and knows nothing of models: it runs inside each shard on a CPU, and in worker processes
beside a GPU. `_Answers` takes its batches through the models, on any device.
"""

import hashlib
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from .. import paths, store
from ..errors import AnalysisError, InputError, ResourceError
from . import corruptions, devices, prepare, reduce
from .itemsets import ItemSet
from .prepare import BadImage, Geometry

BLOCK = 256  # items; a multiple of every sensible batch
CPU_CHUNK = 16  # images that pass through a network at once on a CPU: more take more memory, but hardly less time
CODE = "5"  # the engine's own version in every key: another number makes all predictions again
LOCAL_BASE = {"imagenet-c-local": Geometry(256, 224, "bilinear")}  # as ImageNet-C was made; Tiny stays at 64 px


@dataclass(frozen=True)
class Target:
    """One model under one condition: where its answers go. `whole` is the recipe of "@1000", among all outputs."""

    model: str
    geometry: Geometry
    recipe: dict
    whole: dict | None = None


@dataclass(frozen=True)
class Condition:
    """A data set as the models see it: the items as they are, or corrupted by (name, severity)."""

    dataset: str
    corruption: tuple[str, int] | None
    targets: tuple[Target, ...]


@dataclass(frozen=True)
class Work:
    """One block: its items, the digest of their bytes, and what is asked of it. `group`: all models held meanwhile."""

    items: ItemSet
    block: str
    conditions: tuple[Condition, ...]
    group: tuple[str, ...]

    @property
    def size(self) -> int:
        return len(self.items.item_id) * len(self.conditions)


@dataclass(frozen=True)
class Options:
    """What all blocks share; `device` is one device ("cpu", "cuda:1"), `folder` that of the store."""

    device: str = "cpu"
    precision: str = "fp32"
    batch: int = 32
    decoder: str = "pil"
    resize: str = "pil"
    features: bool = False
    seed: int = 0
    folder: Path | None = None
    decoders: int = 0  # worker processes that decode for this device; 0: decode inline


@dataclass
class Outcome:
    """What came of some blocks: bad images as (data set, model, item, reason), the smallest batch that fitted, and the
    memory of the largest process in MB."""

    bad: set = field(default_factory=set)
    chunk: int | None = None
    peak_mb: int = 0
    fault: tuple | None = None

    def add(self, other: "Outcome") -> None:
        self.bad |= other.bad
        self.peak_mb = max(self.peak_mb, other.peak_mb)
        self.chunk = min([chunk for chunk in (self.chunk, other.chunk) if chunk is not None], default=None)


class Batch(NamedTuple):
    """Some items under one condition: for each geometry the rows that could be read and their pixels.

    `pixels[geometry]` is uint8 (rows, height, width, 3); `bad[geometry]` a list of (row, reason).
    """

    condition: int
    rows: dict[Geometry, np.ndarray]
    pixels: dict[Geometry, np.ndarray]
    bad: dict[Geometry, list[tuple[int, str]]]
    last: bool


def block_digest(item_id: Sequence[str], label: np.ndarray, digest: Sequence[str]) -> str:
    """What identifies some items: ids, classes and the bytes of their images, in order."""
    lines = (f"{one}\t{int(kind)}\t{sha}\n" for one, kind, sha in zip(item_id, label, digest, strict=True))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


# ---- Images: no torch here -------------------------------------------------------------------------------------------


def batches(work: Work, options: Options) -> Iterator[Batch]:
    """The pixels of one block, condition by condition; every image is read and decoded once.

    Clean batches are given out while decoding. Only what corruptions start from (a finished crop, or 64 px) is kept
    for the block's other conditions.
    """
    clean = [index for index, condition in enumerate(work.conditions) if condition.corruption is None]
    dirty = [index for index, condition in enumerate(work.conditions) if condition.corruption is not None]
    bases: dict[int, np.ndarray] = {}
    lost: dict[int, str] = {}
    for rows, last in _spans(len(work.items.item_id), options.batch):
        images, bad = _read(work.items, rows, options)
        if dirty:
            local = work.conditions[dirty[0]].dataset.split("/")[0]
            found, spoilt = _bases(images, LOCAL_BASE.get(local), options)
            bases |= found
            lost |= bad | spoilt
        for index in clean:
            yield _batch(work, index, images, bad, last, options, precropped=work.items.precropped)
    for index in dirty:
        name, severity = work.conditions[index].corruption
        local = work.conditions[index].dataset.split("/")[0]
        for rows, last in _spans(len(work.items.item_id), options.batch):
            images = {
                row: corruptions.corrupt(
                    bases[row], name=name, severity=severity, item_id=str(work.items.item_id[row]), seed=options.seed
                )
                for row in rows
                if row in bases
            }
            bad = {row: lost[row] for row in rows if row in lost}
            yield _batch(work, index, images, bad, last, options, precropped=local in LOCAL_BASE)


def _spans(n_items: int, size: int) -> Iterator[tuple[range, bool]]:
    for start in range(0, n_items, size):
        yield range(start, min(start + size, n_items)), start + size >= n_items


def _read(items: ItemSet, rows: Iterable[int], options: Options) -> tuple[dict[int, np.ndarray], dict[int, str]]:
    images, bad = {}, {}
    for row in rows:
        content = items.read(row)
        if isinstance(content, np.ndarray):
            images[row] = content
            continue
        try:
            images[row] = prepare.decode(content, decoder=options.decoder)
        except BadImage as fault:
            bad[row] = fault.reason
    return images, bad


def _bases(images: dict[int, np.ndarray], geometry: Geometry | None, options: Options):
    """What a corruption starts from."""
    found, bad = {}, {}
    for row, image in images.items():
        try:
            base = image if geometry is None else prepare.fit(image, geometry, resize=options.resize)
        except BadImage as fault:
            bad[row] = fault.reason
            continue
        if min(base.shape[:2]) < corruptions.SMALLEST:
            bad[row] = f"fewer than {corruptions.SMALLEST} pixels a side: corruptions are not defined"
        else:
            found[row] = base
    return found, bad


def _batch(work, index: int, images, bad, last: bool, options: Options, *, precropped: bool) -> Batch:
    rows, pixels, spoilt = {}, {}, {}
    for geometry in dict.fromkeys(target.geometry for target in work.conditions[index].targets):
        fitted, faults = {}, dict(bad)
        for row, image in images.items():
            try:
                fitted[row] = prepare.fit(image, geometry, resize=options.resize, precropped=precropped)
            except BadImage as fault:
                faults[row] = fault.reason
        rows[geometry] = np.fromiter(fitted, dtype=np.int64)
        pixels[geometry] = (
            np.stack(list(fitted.values())) if fitted else np.empty((0, *geometry.crop, 3), dtype=np.uint8)
        )
        spoilt[geometry] = sorted(faults.items())
    return Batch(index, rows, pixels, spoilt, last)


# ---- Models ----------------------------------------------------------------------------------------------------------


class Nets:
    """The models that are held: loaded when first asked for, dropped when another group comes."""

    def __init__(self, options: Options, *, load: Callable | None = None):
        self.options, self._load, self._held = options, load or _load, {}

    def get(self, name: str, group: Sequence[str]):
        """A model on its device in its precision, with the fields that `zoo.load` gives."""
        if name not in self._held:
            for other in [other for other in self._held if other not in group]:
                del self._held[other]
            try:
                self._held[name] = self._load(name, self.options)
            except Exception as fault:
                if devices.out_of_memory(fault):
                    raise devices.memory_fault(f"loading {name}") from fault
                raise
        return self._held[name]


def _load(name: str, options: Options):
    import torch

    from . import fold, fuse, zoo

    model = zoo.load(name)
    module = fold.folded(model.module, model.geometry.crop)
    quick = options.device == "cpu" and fuse.possible(options.precision)
    if quick:
        module = fuse.fused(module, model.geometry.crop)
    module.to(memory_format=torch.channels_last)
    if quick and options.precision == "fp32":
        module = fuse.packed(module, model.geometry.crop, CPU_CHUNK)
    module.to(device=options.device, dtype=_dtype(options.precision))
    return replace(model, module=module, chunk=CPU_CHUNK if options.device == "cpu" else None)


def _dtype(precision: str):
    import torch

    return {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]


class _Answers:
    """Takes the batches of one block through the models and puts each part that is whole into the store."""

    def __init__(self, work: Work, nets: Nets, options: Options):
        self.work, self.nets, self.options = work, nets, options
        self.outcome = Outcome()
        self._parts: dict[tuple, list] = {}

    def take(self, batch: Batch) -> int:
        """Answer one batch; gives the number of items it held."""
        condition = self.work.conditions[batch.condition]
        ready: dict[tuple, object] = {}
        count = 0
        for target in condition.targets:
            rows = np.asarray(batch.rows[target.geometry])
            count = len(rows) + len(batch.bad[target.geometry])
            if len(rows):
                self._answer(target, condition, rows, batch, ready)
            for row, reason in batch.bad[target.geometry]:
                item = (str(self.work.items.item_id[row]), reason)
                self._part(target, condition)["bad"].append(item)
                self.outcome.bad.add((condition.dataset, target.model, *item))
            if batch.last:
                self._put(target, condition)
        return count

    def _part(self, target: Target, condition: Condition) -> dict:
        fresh = {"rows": [], "main": [], "whole": [], "features": [], "bad": []}
        return self._parts.setdefault((condition.dataset, target.model), fresh)

    def _answer(self, target: Target, condition: Condition, rows, batch: Batch, ready: dict) -> None:
        items, options = self.work.items, self.options
        model = self._model(target)
        look = (target.geometry, tuple(model.mean), tuple(model.std))
        if look not in ready:
            ready[look] = pixels_to_input(
                batch.pixels[target.geometry], model.mean, model.std, options.device, _dtype(options.precision)
            )
        logits, features = self._forward(model, ready[look])
        ids = items.item_id[rows]
        if logits.ndim != 2 or logits.shape[1] != items.n_classes:
            raise InputError(
                "outputs",
                f"{target.model} has {tuple(logits.shape[1:])} outputs, {condition.dataset} needs {items.n_classes}",
                "choose a model that was trained for these classes",
            )
        reduce.check_finite(logits, model=target.model, item_id=ids)
        part, label = self._part(target, condition), items.label[rows]
        part["rows"].append(rows)
        part["main"].append(reduce.reduce(logits, label, members=items.members))
        if target.whole is not None:
            part["whole"].append(reduce.reduce(logits, label))
        if features is not None:
            part["features"].append(features.float().cpu().numpy().astype(np.float16))

    def _model(self, target: Target):
        model = self.nets.get(target.model, self.work.group)
        if model.weights != target.recipe["model"]["weights"]:
            raise InputError("weights", f"{target.model}: other weights than at the start of the run", "run again")
        return model

    def _forward(self, model, x):
        """One pass; where memory is short, in halves, which stay that small for the rest of the block."""
        import torch

        from . import zoo

        size = min(one for one in (self.outcome.chunk, model.chunk, len(x)) if one)
        while True:
            try:
                with torch.inference_mode():
                    pieces = [zoo.forward(model.module, piece, self.options.features) for piece in x.split(size)]
                break
            except Exception as fault:
                if not devices.out_of_memory(fault):
                    raise
                if size == 1:
                    raise devices.memory_fault(f"{model.id} on one image") from fault
            if x.device.type == "cuda":
                torch.cuda.empty_cache()
            size = self.outcome.chunk = max(min(size, len(x)) // 2, 1)
        logits = torch.cat([piece[0] for piece in pieces])
        return logits, torch.cat([piece[1] for piece in pieces]) if self.options.features else None

    def _put(self, target: Target, condition: Condition) -> None:
        part, items = self._part(target, condition), self.work.items
        rows = np.concatenate(part["rows"]) if part["rows"] else np.empty(0, dtype=np.int64)
        features = None
        if self.options.features:
            features = {"pooled": np.concatenate(part["features"] or [self._no_features(target)])}
        width = items.n_classes if items.members is None else len(items.members)
        _room(self.options.folder, 200 * len(rows) + sum(one.nbytes for one in (features or {}).values()))
        for recipe, answers, n_outputs, extra in (
            (target.recipe, part["main"], width, features),
            (target.whole, part["whole"], items.n_classes, None),
        ):
            if recipe is not None:
                put = reduce.joined(answers, n_outputs)
                table = store.Table(
                    item_id=items.item_id[rows],
                    label=items.label[rows],
                    pred=put.pred,
                    confidence=put.confidence,
                    label_rank=put.label_rank,
                    top5=put.top5,
                )
                bad = tuple(part["bad"])
                store.put_part(recipe, self.work.block, table, bad=bad, features=extra, folder=self.options.folder)
        del self._parts[condition.dataset, target.model]

    def _no_features(self, target: Target) -> np.ndarray:
        """(0, width): every image of the block was bad, and the width is the other blocks'."""
        model, options = self._model(target), self.options
        pixels = np.zeros((1, *target.geometry.crop, 3), dtype=np.uint8)
        x = pixels_to_input(pixels, model.mean, model.std, options.device, _dtype(options.precision))
        return self._forward(model, x)[1].float().cpu().numpy().astype(np.float16)[:0]


def pixels_to_input(pixels, mean, std, device: str, dtype):
    """uint8 (items, height, width, 3) -> normalised (items, 3, height, width), the arithmetic of ToTensor + Normalize.

    The bytes lie as channels_last already, so nothing is moved but the numbers.
    """
    import torch

    if isinstance(pixels, np.ndarray):
        pixels = torch.from_numpy(pixels)
    x = pixels.to(device, non_blocking=True).permute(0, 3, 1, 2).to(torch.float32).div_(255)
    columns = [torch.tensor(values, dtype=torch.float32, device=x.device).view(1, 3, 1, 1) for values in (mean, std)]
    return x.sub_(columns[0]).div_(columns[1]).to(dtype)


def _room(folder: Path | None, bytes_: int) -> None:
    """Stop before the disk is full: with room for two such parts nothing half-written is left behind."""
    place = Path(folder) if folder else paths.cache()
    while not place.exists():
        place = place.parent
    if shutil.disk_usage(place).free < 2 * bytes_ + (1 << 16):
        raise ResourceError(
            "disk", f"{paths.shown(place)}: no room for the next block", "free some space; finished blocks are kept"
        )


# ---- Blocks ----------------------------------------------------------------------------------------------------------


def pending(work: Work, options: Options) -> tuple[Work | None, set, int]:
    """What of a block is not in the store yet, the bad images of what is, and how many items that spares."""
    left, bad = [], set()
    for condition in work.conditions:
        missing = []
        for target in condition.targets:
            parts = [
                store.get_part(recipe, work.block, folder=options.folder)
                for recipe in (target.recipe, target.whole)
                if recipe is not None
            ]
            lost = options.features and parts[0] is not None and not parts[0].features
            if lost or any(part is None for part in parts):
                missing.append(target)
            else:
                bad |= {(condition.dataset, target.model, item, reason) for item, reason in parts[0].bad}
        if missing:
            left.append(Condition(condition.dataset, condition.corruption, tuple(missing)))
    spared = work.size - len(work.items.item_id) * len(left)
    return (Work(work.items, work.block, tuple(left), work.group) if left else None), bad, spared


class Stopped(Exception):
    """The user stopped the run."""


class Ticker:
    """Counts items; shards put their own in its place, which counts over processes."""

    def __init__(self):
        self.done = self.skipped = 0
        self.stop = False

    def tick(self, done: int = 0, skipped: int = 0) -> None:
        if self.stop:
            raise Stopped
        self.done += done
        self.skipped += skipped


def run_blocks(works: Iterable[Work], nets: Nets, options: Options, ticker) -> Outcome:
    """Answer some blocks in this process, on one device."""
    outcome = Outcome()
    left = []
    for work in works:
        ticker.tick()
        todo, bad, spared = pending(work, options)
        outcome.bad |= bad
        ticker.tick(skipped=spared)
        if todo is None:
            continue
        if options.decoders:
            left.append(todo)
            continue
        answers = _Answers(todo, nets, options)
        for batch in batches(todo, options):
            ticker.tick(done=answers.take(batch))
        outcome.add(answers.outcome)
    if left:
        _run_fed(left, nets, options, ticker, outcome)
    outcome.peak_mb = devices.peak_mb()
    return outcome


def _run_fed(works: list[Work], nets: Nets, options: Options, ticker, outcome: Outcome) -> None:
    """The same with decoding in other processes: uint8 batches come through pinned memory."""
    from .feed import feed

    answers: dict[int, _Answers] = {}
    for index, batch, finished in feed(works, options):
        answer = answers.setdefault(index, _Answers(works[index], nets, options))
        ticker.tick(done=answer.take(batch))
        if finished:
            outcome.add(answers.pop(index).outcome)


def as_fault(fault: AnalysisError) -> tuple:
    """A fault in a form that crosses process boundaries; `raise_fault` makes it one again."""
    base = next(kind for kind in type(fault).__mro__ if kind.__module__ == AnalysisError.__module__)
    return base.__name__, fault.kind, fault.what, fault.remedy


def raise_fault(fault: tuple) -> None:
    from .. import errors

    name, *rest = fault
    raise getattr(errors, name)(*rest)
