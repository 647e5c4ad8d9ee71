"""All of `data/` from the published files and this project's own predictions: `analysis tables`.

Readers of `sources` yield predictions or counts; here they become the shipped tables. Two runs give the same bytes on
one machine. What nobody can compute (display names, families, years, pre-training, printed accuracies) is kept by hand
in `sources/models.csv`, for the text runs by a rule of `sources.runs`.
"""

import json
from collections import defaultdict
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from . import files, own, paths, rows, sources, tables
from .errors import IntegrityError, some
from .progress import Progress
from .sources import authors, cifar, class_names, fetch, frequency, hint3, imagenetv2, published, runs, trials

COMMAND = "analysis tables"
TOLERANCE = 0.001  # of accuracy; a larger difference from the printed figure is flagged
N_PARTS = 268 + 15 + 4 + 63 + 90 + 2371 + 207 + 30  # published results, for the progress only


def derive(into=None) -> Path:
    """Make every shipped table again and write it into a folder (default `data/`); gives the folder.

    Shipped predictions are read from `predictions/` of the folder of tables and stay as they are. The authors'
    `ImageNet.pkl`, where this machine has it, goes into `own/` of the folder.

    Raises
    ------
    IntegrityError : a published file is missing, not as pinned, or does not pass its checks; nothing is written then.
    InputError : `ImageNet.pkl` is another file; the shipped tables are written.
    """
    into = Path(into) if into else paths.data()
    found = rows.Rows()
    with Progress("derive tables", total=N_PARTS + runs.count(), unit="results") as progress:
        for reader in sources.READERS:
            for part in sources.read(reader):
                found.add(part)
                progress.advance(note=reader)
    made = {}
    for family, frame in found.correct.frames():
        made[f"correct/{family}.parquet"] = (tables.write_correct, frame)
    made["correct/imagenet-val.agreement.parquet"] = (tables.write_correct, _agreement())
    made["class_counts.parquet"] = (tables.write_counts, found.counts_frame())
    made["confusions.parquet"] = (tables.write_confusions, found.confusions_frame())
    csv = {
        "classes": _classes({rows.facts(dataset)[0] for dataset in found.sizes}),
        "datasets": _datasets(found),
        "models": _models(found),
        "published": _published(),
        "crs": authors.crs(),
        "frequency": frequency.counts(),
    }
    provenance = {f"predictions/{path.name}": _shipped(path) for path in tables.prediction_files()}
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


AUTHORS = {
    "resnet152-v2": ("ResNet-152", "ResNet", 2015),
    "convnext_large": ("ConvNeXt-L", "ConvNeXt", 2022),
    "efficientnet_v2_m": ("EfficientNetV2-M", "EfficientNet", 2021),
    "vit_l_16": ("ViT-L/16", "ViT", 2020),
}


def add_own(parts: list[sources.ClassCounts], folder: Path) -> None:
    """Put the class counts of the authors' networks into the tables of this machine, in the place of older ones."""
    known = []
    for model in dict.fromkeys(part.model for part in parts):
        network = model.removeprefix("paper/")
        name, family, year = AUTHORS.get(
            network, (f"EfficientNet-B4, {network[-6:].replace('-', ' ')}", "EfficientNet", 2019)
        )
        known.append({"model": model, "name": f"{name} (authors)", "family": family, "year": year})
        known[-1] |= {"pretraining": "ImageNet-1k", "flag": "counts of ImageNet.pkl; may have run in training mode"}
    own.add(parts, known, folder=folder)


def _agreement() -> pd.DataFrame:
    """Do reviewers agree with the label? One row an image of ImageNet val that has a ReaL label: column `real`."""
    val, real = imagenetv2.items("imagenet-val"), rows.published_real()
    sets = real.rows(val.item_id)
    frame = {"dataset": val.dataset, "item_id": val.item_id, "class_id": val.label}
    frame["real"] = sets[np.arange(len(val.label)), val.label]
    return pd.DataFrame(frame)[sets.any(axis=1)]


def _classes(used: set[str]) -> pd.DataFrame:
    """Classes of all published label spaces, and of those of this project's runs that a data set uses."""
    imagenet = class_names.imagenet()
    spaces = [imagenet.assign(label_space="imagenet")]
    if "tiny-imagenet" in used:
        members = imagenet[imagenet["wnid"].isin(runs.names("tiny-imagenet"))]
        spaces.append(members.assign(label_space="tiny-imagenet"))
    for letter in "ar":
        members = imagenet[imagenet["class_id"].isin(class_names.subset(letter))]
        spaces.append(members.assign(label_space=f"imagenet-{letter}"))
    named = {"cifar10": cifar.NAMES, "ood16": trials.CATEGORIES}
    named |= {space: authors.names(space) for space in ("cifar100", "banking77", "20news")}
    named |= {f"hint3-{bot}": hint3.intents(bot) for bot in hint3.BOTS}
    named |= {space: runs.names(space) for space in ("clinc150",) if space in used}
    for space, names in named.items():
        table = {"label_space": space, "class_id": range(len(names)), "wnid": "", "name": names, "superclass": ""}
        spaces.append(pd.DataFrame(table))
    return pd.concat(spaces, ignore_index=True)


def _datasets(found: rows.Rows) -> pd.DataFrame:
    table = []
    for dataset, (items, classes) in found.sizes.items():
        space, shift_of, note = rows.facts(dataset)
        table.append((dataset, space, items, classes, shift_of, dataset in found.per_item(), note))
    return pd.DataFrame(table, columns=list(tables.CSV["datasets"]))


def _known() -> pd.DataFrame:
    known = pd.read_csv(Path(sources.__file__).with_name("models.csv"), dtype=str, keep_default_na=False)
    return known.assign(source=known["model"].str.split("/").str[0])


def _models(found: rows.Rows) -> pd.DataFrame:
    known = _known()
    top1 = rows.top1(pd.concat(found.counts, ignore_index=True))
    present = sorted({frame["model"].iloc[0] for frame in found.counts})
    table = []
    for model in present:
        if model.startswith("human/"):
            table.append(_person(model))
            continue
        match = known[known["model"] == model].to_dict("records") + list(filter(None, [runs.known_model(model)]))
        if len(match) != 1:
            raise IntegrityError(
                "models", f"{model}: {len(match)} rows in sources/models.csv, expected 1", "correct that list"
            )
        row = match[0] | {"source": model.split("/")[0], "top1": top1.get(model, np.nan)}
        row["published_top1"], row["published_source"] = _printed(row)
        difference = round(row["top1"] - row["published_top1"], 6)
        if abs(difference) > TOLERANCE:
            reason = f"{100 * difference:+.3f} points from the published top-1"
            row["flag"] = "; ".join(filter(None, [reason, row["flag"]]))
        table.append(row)
    # Networks that are run here have results only once their predictions are shipped.
    unused = sorted(set(known.loc[known["source"] != "package", "model"]) - set(present))
    if unused:
        raise IntegrityError("models", f"sources/models.csv: {some(unused)}: no results", "take them out of that list")
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
    known, table = _known(), []
    # A network that was run here has no results on ImageNet val to hold the printed figure against.
    for row in known[known["source"] != "package"].to_dict("records"):
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


def _shipped(path: Path) -> dict:
    rows_in_it = pq.read_metadata(path).num_rows
    return {"sha256": files.sha256(path), "bytes": path.stat().st_size, "rows": rows_in_it} | tables.made(path)


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
