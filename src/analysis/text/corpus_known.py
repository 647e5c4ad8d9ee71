"""Published intent corpora from pinned files: Banking77, CLINC150 and HINT3, with the ids of the shipped tables.

Traps
-----
- Banking77 (CC BY 4.0): texts contain newlines, so rows are parsed and never split by line. Class ids are the order of
  first appearance in training, not the alphabet. Both files are sorted by class.
- CLINC150 (CC BY 3.0): trained without its out-of-scope texts; its test set is the 4,500 texts of the 150 classes and
  then the 1,000 out-of-scope ones (label -1), the validation set the same (3,000 and 100). `-imbalanced` has other
  training texts only.
- HINT3 (ODbL 1.0 + DbCL 1.0): most queries are out of scope (label -1). `-v2` has the corrected labels of the same
  queries and is trained on the first version's training file: the published systems were, and only the labels of the
  test differ.
"""

import numpy as np

from ..errors import IntegrityError
from ..sources import authors, check, fetch

BANKING = "PolyAI-LDN+task-specific-datasets/banking_data"
CLINC = "clinc+oos-eval/data"
HINT3 = "hellohaptik+HINT3/dataset"
NO_CLASS = "NO_NODES_DETECTED"
SIZES = {
    "banking77": (10003, 3080, 77),
    "clinc150": (15000, 5500, 150),
    "clinc150-imbalanced": (10525, 5500, 150),
    "hint3-curekart": (600, 991, 28),
    "hint3-powerplay11": (471, 983, 59),
    "hint3-sofmattress": (328, 397, 21),
}


def read(name: str) -> dict:
    """What `corpora.make` needs for a published corpus; sizes and classes are held against `SIZES`."""
    of = {"b": _banking, "c": _clinc, "h": _hint3}[name[0]]
    parts = {"name": name, "fault": IntegrityError, **of(name)}
    found = (len(parts["train"][0]), len(parts["test"][0]), len(parts["classes"]))
    if found != SIZES[name.removesuffix("-v2")]:
        raise IntegrityError("items", f"{name}: {found} training texts, test texts and classes")
    return parts


def _banking(name: str) -> dict:
    classes = authors.names("banking77")
    parts = {}
    for part in ("train", "test"):
        where = f"{BANKING}/{part}.csv"
        rows = check.read_rows(fetch.locate(where), header=["text", "category"], where=where)
        parts[part] = ([text for text, _ in rows], codes([label for _, label in rows], classes, where=where))
    order = list(dict.fromkeys(parts["train"][1].tolist()))
    if order != list(range(len(classes))):
        raise IntegrityError("classes", f"{BANKING}: classes do not first appear in the order of their ids")
    return {"label_space": "banking77", "classes": classes, "licence": "CC BY 4.0", **parts}


def _clinc(name: str) -> dict:
    where = f"{CLINC}/{'data_imbalanced' if name.endswith('-imbalanced') else 'data_full'}.json"
    content = check.read_json(fetch.locate(where), where=where)
    classes = sorted({label for _, label in content["train"]})
    parts = {}
    for part, key in (("train", "train"), ("validation", "val"), ("test", "test")):
        texts, labels = zip(*content[key], strict=True)
        number = codes(labels, classes, where=where)
        if part != "train":
            unknown = content[f"oos_{key}"]
            texts = (*texts, *(text for text, _ in unknown))
            number = np.concatenate([number, np.full(len(unknown), -1)])
        parts[part] = (texts, number)
    return {"label_space": "clinc150", "classes": classes, "licence": "CC BY 3.0", **parts}


def _hint3(name: str) -> dict:
    space = name.removesuffix("-v2")
    bot, version = space.removeprefix("hint3-"), "v2" if name.endswith("-v2") else "v1"
    train_file, test_file = f"{HINT3}/v1/train/{bot}_train.csv", f"{HINT3}/{version}/test/{bot}_test.csv"
    train, test = (
        list(zip(*check.read_rows(fetch.locate(file), header=["sentence", "label"], where=file), strict=True))
        for file in (train_file, test_file)
    )
    classes = sorted(set(train[1]))
    return {
        "label_space": space,
        "classes": classes,
        "train": (train[0], codes(train[1], classes, where=train_file)),
        "test": (test[0], codes(test[1], classes, no_class=NO_CLASS, where=test_file)),
        "licence": "ODbL 1.0 + DbCL 1.0",
    }


def codes(labels, classes, *, no_class: str | None = None, where: str, fault=IntegrityError) -> np.ndarray:
    """Class ids of label names; `no_class` is -1.

    >>> codes(["b", "none", "a"], ["a", "b"], no_class="none", where="x").tolist()
    [1, -1, 0]
    """
    number = {one: code for code, one in enumerate(classes)}
    if no_class is not None:
        number[no_class] = -1
    bad = next((row for row, one in enumerate(labels) if one not in number), None)
    if bad is not None:
        raise fault("labels", f"{where}: the label of row {bad} is no class of the training set")
    return np.array([number[one] for one in labels], dtype=np.int64)
