"""All of `data/` from the published files: `analysis tables`.

Readers of `sources` yield predictions or counts; here they become the shipped tables. Two runs give the same bytes on
one machine. What nobody can compute (display names, families, years, pre-training, printed accuracies) is kept by hand
in `sources/models.csv`.
"""

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from . import files, paths, sources, tables
from .errors import IntegrityError, some
from .measure import accuracy
from .progress import Progress
from .sources import authors, cifar, class_names, fetch, hint3, published, real_labels, trials

COMMAND = "analysis tables"
TOLERANCE = 0.001  # of accuracy; a larger difference from the printed figure is flagged
N_PARTS = 268 + 15 + 4 + 63 + 90 + 2371 + 207 + 30  # for the progress only
COUNT_COLUMNS = ["correct_top5", "predicted"]
SUM_COLUMNS = ["confidence_sum", "confidence_sq_sum", "confidence_correct_sum"]


def derive(into=None) -> Path:
    """Make every shipped table again and write it into a folder (default `data/`); gives the folder.

    The authors' `ImageNet.pkl`, where this machine has it, goes into `own/` of the folder.

    Raises
    ------
    IntegrityError : a published file is missing, not as pinned, or does not pass its checks; nothing is written then.
    InputError : `ImageNet.pkl` is another file; the shipped tables are written.
    """
    into = Path(into) if into else paths.data()
    rows = _Rows()
    with Progress("derive tables", total=N_PARTS, unit="results") as progress:
        for reader in sources.READERS:
            for part in sources.read(reader):
                rows.add(part)
                progress.advance(note=reader)
    made = {}
    for family, frame in rows.correct.frames():
        made[f"correct/{family}.parquet"] = (tables.write_correct, frame)
    made["class_counts.parquet"] = (tables.write_counts, rows.counts_frame())
    made["confusions.parquet"] = (tables.write_confusions, rows.confusions_frame())
    csv = {
        "classes": _classes(),
        "datasets": _datasets(rows),
        "models": _models(rows),
        "published": _published(),
        "crs": authors.crs(),
    }
    provenance = {}
    for name, (write, frame) in made.items():
        write(frame, into / name)
        provenance[name] = _made(into / name, len(frame))
    for name, frame in csv.items():
        tables.write_csv(frame, name, into / f"{name}.csv")
        provenance[f"{name}.csv"] = _made(into / f"{name}.csv", len(frame))
    text = json.dumps({"files": provenance, "sources": _sources()}, indent=1, sort_keys=True, ensure_ascii=False)
    files.write_text(into / "PROVENANCE.json", text + "\n")
    imagenet = authors.imagenet_path()
    if imagenet:
        add_own(authors.imagenet(imagenet), into / "own")
    return into


def add_own(parts: list[sources.ClassCounts], own: Path) -> None:
    """Put class counts into the tables of this machine (`data/own/`), in the place of older ones of the same models."""
    path = own / "class_counts.parquet"
    columns = [
        pd.DataFrame(
            {
                "dataset": part.dataset,
                "model": part.model,
                "labels": "original",
                "class_id": part.class_id,
                "n": part.n,
                "correct": part.correct,
            }
        )
        for part in parts
    ]
    frame = pd.concat(columns, ignore_index=True).reindex(columns=tables.COUNTS.names)
    if path.exists():
        old = tables._plain(tables._read_parquet(path, "class_counts").to_pandas())
        frame = pd.concat([old[~old["model"].isin(frame["model"])], frame], ignore_index=True)
    kinds = dict.fromkeys(["n", "correct", *COUNT_COLUMNS], "Int32") | dict.fromkeys(["accuracy", *SUM_COLUMNS], float)
    tables.write_counts(frame.astype(kinds), path)


class _Correct:
    """Columns of right answers, a family of data sets a table."""

    def __init__(self):
        self.items: dict[tuple, tuple] = {}
        self.columns: dict[tuple, dict[str, np.ndarray]] = defaultdict(dict)

    def add(self, key: tuple[str, str], model: str, item_id, class_id, right) -> None:
        known = self.items.setdefault(key, (item_id, class_id))
        if known[0] is not item_id and (known[0] != item_id).any():
            raise IntegrityError("items", f"{model}: items of {key[1]} are in another order")
        self.columns[key][model] = right

    def frames(self) -> Iterator[tuple[str, pd.DataFrame]]:
        families = defaultdict(list)
        for (suffix, dataset), (item_id, class_id) in self.items.items():
            head = {"dataset": dataset, "item_id": item_id, "class_id": class_id}
            right = pd.DataFrame(self.columns[suffix, dataset]).astype("boolean")
            frame = pd.concat([pd.DataFrame(head), right], axis=1)
            families[tables.family(dataset) + suffix].append(frame)
        for family, frames in families.items():
            yield family, pd.concat(frames, ignore_index=True)


class _Rows:
    """Rows of the tables, gathered part by part."""

    def __init__(self):
        self.correct = _Correct()
        self.counts: list[pd.DataFrame] = []
        self.confusions: list[pd.DataFrame] = []
        self.real = real_labels.label_sets()
        self.kept = self.real.any(axis=1)
        self.sizes: dict[str, tuple[int, int]] = {}

    def add(self, part: sources.Predictions | sources.ClassCounts) -> None:
        if isinstance(part, sources.ClassCounts):
            self._add_counts(part)
            return
        if (part.label < 0).any():
            self._confuse_out_of_scope(part)
            part = _within_scope(part)
        # No answer is an answer outside the classes: wrong, and never a confusion with a class.
        pred = np.where(part.pred < 0, part.n_classes, part.pred)
        found = accuracy.class_counts(label=part.label, pred=pred, n_classes=part.n_classes + 1)
        n, right, predicted = (column[: part.n_classes] for column in found)
        known = {"predicted": predicted}
        if part.top5 is not None:
            known["correct_top5"] = _per_class(part.top5, part.label, part.n_classes)
        if part.confidence is not None:
            known |= _confidence_sums(part)
        self._count(part, "original", n=n, correct=right, **known)
        self._size(part, n)
        self.correct.add(("", part.dataset), part.model, part.item_id, part.label, part.right)
        self._confuse(part)
        if part.dataset == "imagenet-val":
            self._add_real(part)

    def _add_counts(self, part: sources.ClassCounts) -> None:
        n, correct = (pd.array(column, dtype="Int64") for column in (part.n, part.correct))
        n[part.n < 0] = correct[part.n < 0] = pd.NA
        known = {} if part.accuracy is None else {"accuracy": part.accuracy}
        self._count(part, "original", n=n, correct=correct, class_id=part.class_id, **known)
        self._size(part, part.n)

    def _add_real(self, part: sources.Predictions) -> None:
        right = self.real[np.arange(len(part.pred)), part.pred][self.kept]
        label = part.label[self.kept]
        n = np.bincount(label, minlength=part.n_classes)
        self._count(part, "real", n=n, correct=_per_class(right, label, part.n_classes))
        item_id = self.correct.items.get((".real", part.dataset), (part.item_id[self.kept],))[0]
        self.correct.add((".real", part.dataset), part.model, item_id, label, right)

    def _count(self, part, labels: str, *, n, correct, class_id=None, **known) -> None:
        class_id = np.arange(len(n)) if class_id is None else class_id
        head = {"dataset": part.dataset, "model": part.model, "labels": labels, "class_id": class_id}
        self.counts.append(pd.DataFrame(head | {"n": n, "correct": correct} | known))

    def _confuse(self, part: sources.Predictions) -> None:
        answered = part.pred >= 0
        found = accuracy.confusions(label=part.label[answered], pred=part.pred[answered], n_classes=part.n_classes)
        head = {"dataset": part.dataset, "model": part.model}
        self.confusions.append(pd.DataFrame(head | {"label": found.label, "pred": found.pred, "count": found.count}))

    def _confuse_out_of_scope(self, part: sources.Predictions) -> None:
        taken = np.bincount(part.pred[(part.label < 0) & (part.pred >= 0)], minlength=part.n_classes)
        head = {"dataset": part.dataset, "model": part.model, "label": -1}
        pred = np.flatnonzero(taken)
        self.confusions.append(pd.DataFrame(head | {"pred": pred, "count": taken[pred]}))

    def _size(self, part, n) -> None:
        if part.model == "human/pooled":
            return
        size = (int(n.sum()), int((n > 0).sum()))
        if getattr(part, "items", None) is not None:
            size = (part.items, len(n))
        if self.sizes.setdefault(part.dataset, size) != size:
            others = self.sizes[part.dataset][0]
            raise IntegrityError("items", f"{part.model}: {size[0]} items of {part.dataset}, others have {others}")

    def counts_frame(self) -> pd.DataFrame:
        frame = pd.concat(self.counts, ignore_index=True)
        return frame.astype({"n": "Int32", "correct": "Int32"} | {name: "Int32" for name in COUNT_COLUMNS})

    def confusions_frame(self) -> pd.DataFrame:
        return pd.concat(self.confusions, ignore_index=True)

    def overall(self) -> dict[str, float]:
        """Top-1 of every model on the unshifted set it has: ImageNet val or CIFAR-10."""
        frame = pd.concat(self.counts, ignore_index=True)
        frame = frame[frame["dataset"].isin(["imagenet-val", "cifar10"]) & (frame["labels"] == "original")]
        total = frame.groupby("model")[["correct", "n"]].sum()
        return (total["correct"] / total["n"]).to_dict()


def _within_scope(part: sources.Predictions) -> sources.Predictions:
    """The items that belong to a class."""
    inside = part.label >= 0
    columns = ("item_id", "label", "pred", "confidence", "top5")
    kept = {name: getattr(part, name) for name in columns}
    return replace(part, **{name: column[inside] for name, column in kept.items() if column is not None})


def _per_class(right: np.ndarray, label: np.ndarray, n_classes: int) -> np.ndarray:
    return accuracy.class_correct(right=right, class_id=label, n_classes=n_classes).correct


def _confidence_sums(part: sources.Predictions) -> dict[str, np.ndarray]:
    weights = (part.confidence, part.confidence**2, np.where(part.right, part.confidence, 0.0))
    return {
        name: np.bincount(part.label, weight, minlength=part.n_classes)
        for name, weight in zip(SUM_COLUMNS, weights, strict=True)
    }


def _classes() -> pd.DataFrame:
    imagenet = class_names.imagenet()
    spaces = [imagenet.assign(label_space="imagenet")]
    for letter in "ar":
        members = imagenet[imagenet["class_id"].isin(class_names.subset(letter))]
        spaces.append(members.assign(label_space=f"imagenet-{letter}"))
    named = {"cifar10": cifar.NAMES, "ood16": trials.CATEGORIES}
    named |= {space: authors.names(space) for space in ("cifar100", "banking77", "20news")}
    named |= {f"hint3-{bot}": hint3.intents(bot) for bot in hint3.BOTS}
    for space, names in named.items():
        rows = {"label_space": space, "class_id": range(len(names)), "wnid": "", "name": names, "superclass": ""}
        spaces.append(pd.DataFrame(rows))
    return pd.concat(spaces, ignore_index=True)


NOTES = {
    "imagenet-val": "items in the order of (wnid, file name); ReaL labels leave out 3163 items without a label",
    "imagenetv2-matched-frequency": "shares images with the other two V2 sets: never pool them",
    "imagenetv2-threshold-0.7": "shares images with the other two V2 sets: never pool them",
    "imagenetv2-top-images": "shares images with the other two V2 sets: never pool them",
    "imagenet-r": "prediction among its own 200 classes: not comparable with imagenet-val (1000); class counts only",
    "imagenet-sketch": "class 458 (brass): 0 for every CLIP model, n from the total, outside claims; class counts only",
    "cifar10.1-v4": "not balanced",
    "20news": "the authors' test set: 7,019 of the 7,532 posts; class ids by first appearance in training",
    "banking77": "class ids by first appearance in training; 40 items a class",
}
SPLIT = "a test set of its own: 10,000 of all 60,000 images, drawn anew; class counts only"


def _datasets(rows: _Rows) -> pd.DataFrame:
    per_item = {dataset for _, dataset in rows.correct.items}
    table = []
    for dataset, (items, classes) in rows.sizes.items():
        space, shift_of, note = "imagenet", "imagenet-val", NOTES.get(dataset, "")
        if dataset == "imagenet-r":
            space = "imagenet-r"
        elif dataset.startswith("cifar"):
            space, shift_of, note = _cifar_facts(dataset)
        elif dataset in authors.N_ITEMS:
            space, shift_of = dataset, ""
        elif dataset.startswith("hint3-"):
            space, shift_of = dataset.removesuffix("-v2"), ""
            note = f"{'corrected' if dataset.endswith('-v2') else 'first'} labels; in-scope queries only"
        elif dataset.startswith("ood16/"):
            space, shift_of, note = _trial_facts(dataset)
        if shift_of == dataset:
            shift_of = ""
        table.append((dataset, space, items, classes, shift_of, dataset in per_item, note))
    return pd.DataFrame(table, columns=list(tables.CSV["datasets"]))


def _cifar_facts(dataset: str) -> tuple[str, str, str]:
    space = "cifar100" if dataset.startswith("cifar100") else "cifar10"
    note = NOTES.get(dataset, "")
    if "-split-" in dataset:
        unknown = "; sizes of some classes unknown" if space == "cifar100" else ""
        return space, "", SPLIT + unknown
    return space, space, "class counts only" if dataset in ("cifar100",) or "-c/" in dataset else note


def _trial_facts(dataset: str) -> tuple[str, str, str]:
    _, set_name, *condition = dataset.split("/")
    if not condition:
        return "ood16", "", "no clean condition; 4 to 10 people saw every image"
    clean = f"ood16/{set_name}/{trials.CLEAN[set_name]}"
    note = "clean condition of its set" if clean == dataset else "mostly other images than in the clean condition"
    return "ood16", clean, note


def _models(rows: _Rows) -> pd.DataFrame:
    known = pd.read_csv(Path(sources.__file__).with_name("models.csv"), dtype=str, keep_default_na=False)
    top1 = rows.overall()
    found = sorted({frame["model"].iloc[0] for frame in rows.counts})
    table = []
    for model in found:
        if model.startswith("human/"):
            table.append(_person(model))
            continue
        match = known[known["model"] == model]
        if len(match) != 1:
            raise IntegrityError("models", f"{model}: {len(match)} rows in sources/models.csv, expected 1")
        row = match.iloc[0].to_dict()
        row |= {"source": model.split("/")[0], "top1": top1.get(model, np.nan)}
        row["published_top1"], row["published_source"] = _printed(row)
        difference = round(row["top1"] - row["published_top1"], 6)
        if abs(difference) > TOLERANCE:
            reason = f"{100 * difference:+.3f} points from the published top-1"
            row["flag"] = "; ".join(filter(None, [reason, row["flag"]]))
        table.append(row)
    unused = sorted(set(known["model"]) - set(found))
    if unused:
        raise IntegrityError("models", f"sources/models.csv: {some(unused)}: no results")
    return pd.DataFrame(table)


def _printed(row: dict) -> tuple[float, str]:
    """The published top-1 and where it stands; `timm:name@size` is looked up in timm's table."""
    source = row["published_source"]
    if source.startswith("timm:"):
        key = source.removeprefix("timm:")
        return round(published.timm(key)["top1"] / 100, 6), f"timm results, {key.replace('@', ' at ')} px"
    return float(row["published_top1"] or "nan"), source


def _person(model: str) -> dict:
    who = model.removeprefix("human/")
    name = "People, pooled" if who == "pooled" else f"Person {int(who[-2:])} ({who.removesuffix(who[-11:])})"
    return {
        "model": model, "name": name, "family": "Human", "year": "", "source": "human", "pretraining": "",
        "published_top1": np.nan, "published_source": "", "top1": np.nan, "is_network": False, "in_claims": False,
        "flag": "people, not a network",
    }  # fmt: skip


def _published() -> pd.DataFrame:
    known = pd.read_csv(Path(sources.__file__).with_name("models.csv"), dtype=str, keep_default_na=False)
    table = []
    for row in known.to_dict("records"):
        model, source = row["model"], row["published_source"]
        if source.startswith("timm:"):
            key = source.removeprefix("timm:")
            for labels in ("original", "real"):
                for statistic, value in published.timm(key, labels=labels).items():
                    table.append((model, "imagenet-val", labels, statistic, value / 100, f"timm results, {key}"))
        elif source:
            table.append((model, "imagenet-val", "original", "top1", float(row["published_top1"]), source))
        if model.startswith("imagenetv2/"):
            for dataset, value in published.testbed(model.split("/")[1]).items():
                table.append((model, dataset, "original", "top1", value / 100, "imagenet-testbed"))
    frame = pd.DataFrame(table, columns=list(tables.CSV["published"]))
    return frame.assign(value=frame["value"].round(7))


def _made(path: Path, rows: int) -> dict:
    return {"sha256": files.sha256(path), "bytes": path.stat().st_size, "rows": rows, "command": COMMAND}


def _sources() -> list[dict]:
    """Repositories with commit, licence and, by folder, how many files each reader takes; names are in sources.csv."""
    found = defaultdict(lambda: defaultdict(int))
    for source in fetch.sources().values():
        folder = str(PurePosixPath(source.path).parent)
        found[source.used_by, source.repository, source.commit, source.licence][folder] += 1
    keys = ("reader", "repository", "commit", "licence")
    return [
        dict(zip(keys, key, strict=True)) | {"files": dict(sorted(of.items()))} for key, of in sorted(found.items())
    ]
