"""Trials of people and networks on 17 sixteen-class sets (the format of model-vs-human), four collections.

Each file holds the trials of one person or network on one set: subj, session, trial, rt, object_response, category,
condition, imagename. Right means object_response == category. Code MIT; the response files are not named in
LICENSES_OVERVIEW (docs/data-licences.md).

Collections: bethgelab/model-vs-human (people only), TizianThieringer/model-vs-human, harvard-visionlab/
model-vs-human-dmc, kirill-vish/Beyond-INet (cue-conflict only).

Traps
-----
- Networks are comparable within a collection: dmc averages logits, not probabilities, over the fine classes of a
  category, which changes accuracies by category (dog .35 against .57 for one ResNet-50). The collection is in the id.
- An item is the image name without its first three fields (number, set, person); for cue-conflict, edge and silhouette
  the last field alone, as the networks' names have no prefix there. In the other sets the last field alone collides.
- The condition is `NaN` for networks and `0` for people in the sets without conditions; `Session` is spelled so in some
  files of people; a person may give no answer (`na`): wrong.
- Every image of a set was answered by 4 to 10 people: one model a person, pooled in counts only.
- Broken networks are left out: `EXCLUDED`.
"""

from collections.abc import Iterator

import numpy as np

from ..errors import IntegrityError
from . import ClassCounts, Items, Predictions, check, fetch

COLLECTIONS = {
    "human": "bethgelab+model-vs-human/raw-data",
    "tizian": "TizianThieringer+model-vs-human/raw-data",
    "dmc": "harvard-visionlab+model-vs-human-dmc/outputs/raw-data",
    "beyond-inet": "kirill-vish+Beyond-INet/inference/modelvshuman/raw-data",
}
# Parametric sets with their clean condition; every condition is a data set.
CLEAN = {
    "colour": "cr",
    "contrast": "c100",
    "eidolonI": "1-10-10",
    "eidolonII": "1-3-10",
    "eidolonIII": "1-0-10",
    "false-colour": "true",
    "high-pass": "inf",
    "low-pass": "0",
    "phase-scrambling": "0",
    "power-equalisation": "0",
    "rotation": "0",
    "uniform-noise": "0.00",
}
WITHOUT_CONDITION = ("cue-conflict", "edge", "silhouette", "sketch", "stylized")
BARE_NAMES = ("cue-conflict", "edge", "silhouette")
EXCLUDED = {
    "autoencoder-vit-b": "at chance on every set, one file cut short",
    "barlow-twins": "at chance on every set, one file cut short",
    "mlp-mixer-b-in21": "at chance on every set",
    "mlp-mixer-l-in21": "at chance on every set",
    "inception-v1": "44 % on intact colour images; 7 sets only",
    "mlp-mixer": "the same answers as mlp-mixer-b",
}
CATEGORIES = (
    "airplane", "bear", "bicycle", "bird", "boat", "bottle", "car", "cat",
    "chair", "clock", "dog", "elephant", "keyboard", "knife", "oven", "truck",
)  # fmt: skip
HEADER = ["subj", "session", "trial", "rt", "object_response", "category", "condition", "imagename"]
DMC_HEADER = [*HEADER, "filename", "is_correct", "targ_act", "max_nontarg_act", "decision_margin"]
CODE = {name: number for number, name in enumerate(CATEGORIES)} | {"na": -1}


def read() -> Iterator[Predictions | ClassCounts]:
    """Everyone on every condition; people pooled as `human/pooled`."""
    for set_name in sorted([*CLEAN, *WITHOUT_CONDITION]):
        reference, pooled = None, []
        for collection, folder in COLLECTIONS.items():
            for name in fetch.listed(f"{folder}/{set_name}/"):
                answerer = name.rsplit("/", 1)[-1].split("_session")[0].removeprefix(f"{set_name}_")
                if answerer in EXCLUDED:
                    continue
                model = f"human/{set_name}-{answerer}" if collection == "human" else f"{collection}/{answerer}"
                header = DMC_HEADER if collection == "dmc" else HEADER
                item_id, condition, label, pred = _read_file(name, set_name, header)
                if reference is None:
                    reference = (item_id, condition, label)
                order = check.check_ids(name, item_id, reference[0])
                if (condition[order] != reference[1]).any() or (label[order] != reference[2]).any():
                    raise IntegrityError("labels", f"{name}: category or condition of an image differs between files")
                for part in _by_condition(set_name, model, reference, pred[order]):
                    yield part
                    if collection == "human":
                        pooled.append(part)
        yield from _pool(pooled)


def datasets(set_name: str, condition: np.ndarray) -> dict[str, np.ndarray]:
    """Data set id -> positions of its trials."""
    if set_name in WITHOUT_CONDITION:
        return {f"ood16/{set_name}": np.arange(len(condition))}
    return {f"ood16/{set_name}/{value}": np.flatnonzero(condition == value) for value in sorted(set(condition))}


def item_of(set_name: str, imagename: str) -> str:
    """The part of a trial's image name that people and networks share.

    >>> item_of("uniform-noise", "0001_nse_s04_0.03_clock_10_n02708093_8100.png")
    '0.03_clock_10_n02708093_8100.png'
    >>> item_of("edge", "0006_edg_s01_0_airplane_00_airplane7.png"), item_of("edge", "airplane7.png")
    ('airplane7.png', 'airplane7.png')
    """
    if set_name in BARE_NAMES:
        return imagename.rsplit("_", 1)[-1]
    return imagename.split("_", 3)[-1]


def _read_file(name: str, set_name: str, header: list[str]):
    first, *rows = check.read_rows(fetch.locate(name), where=name)
    if [field.lower() for field in first] != header:
        raise IntegrityError("table", f"{name}: columns are not {', '.join(header)}")
    columns = dict(zip(header, zip(*rows, strict=True), strict=True))
    item_id = np.array([item_of(set_name, image) for image in columns["imagename"]], dtype=object)
    unconditional = set_name in WITHOUT_CONDITION
    condition = np.array(["" if unconditional else value for value in columns["condition"]], dtype=object)
    return item_id, condition, _codes(columns["category"], name, 0), _codes(columns["object_response"], name, -1)


def _codes(words, name: str, lowest: int) -> np.ndarray:
    codes = [CODE.get(word, len(CATEGORIES)) for word in words]
    return check.check_classes(name, codes, n_classes=len(CATEGORIES), what="category", lowest=lowest)


def _by_condition(set_name: str, model: str, reference, pred: np.ndarray) -> Iterator[Predictions]:
    item_id, condition, label = reference
    for dataset, at in datasets(set_name, condition).items():
        of_set = Items(dataset, item_id[at], label[at], len(CATEGORIES))
        yield Predictions(dataset, model, of_set.item_id, of_set.label, pred[at], of_set.n_classes)


def _pool(people: list[Predictions]) -> Iterator[ClassCounts]:
    for dataset in sorted({person.dataset for person in people}):
        parts = [person for person in people if person.dataset == dataset]
        n = sum(np.bincount(part.label, minlength=len(CATEGORIES)) for part in parts)
        correct = sum(np.bincount(part.label[part.right], minlength=len(CATEGORIES)) for part in parts)
        yield ClassCounts(dataset, "human/pooled", np.arange(len(CATEGORIES)), n, correct)
