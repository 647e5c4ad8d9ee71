"""30 networks on CIFAR-10 and CIFAR-10.1 (v4, v6): modestyachts/CIFAR-10.1, MIT; labels of CIFAR-10 from
cleanlab/label-errors, Apache-2.0.

`model_predictions/<set>_predictions/<network>_predictions.json` is a list of class ids in the order of the test set;
the item id is the row number. v6 has 200 items a class, v4 is not balanced (161 to 218).
"""

from collections.abc import Iterator

import numpy as np

from ..errors import IntegrityError
from . import Items, Predictions, check, checked, fetch
from .imagenetv2 import load_npy

BASE = "modestyachts+CIFAR-10.1"
SETS = {
    "cifar10": ("original", "cleanlab+label-errors/original_test_labels/cifar10_test_set_original_labels.npy", 10_000),
    "cifar10.1-v4": ("v4", f"{BASE}/datasets/cifar10.1_v4_labels.npy", 2021),
    "cifar10.1-v6": ("v6", f"{BASE}/datasets/cifar10.1_v6_labels.npy", 2000),
}
NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
N_NETWORKS = 30


def items(dataset: str) -> Items:
    """The items of CIFAR-10 or a CIFAR-10.1 set: row numbers as text, and labels."""
    _, name, size = SETS[dataset]
    label = check.check_classes(name, load_npy(name), n_classes=10, what="label")
    if len(label) != size:
        raise IntegrityError("items", f"{name}: {len(label)} labels, expected {size}")
    return Items(dataset, np.array([str(row) for row in range(size)], dtype=object), label, 10)


def read() -> Iterator[Predictions]:
    """30 models on three data sets, top-1 only."""
    for dataset, (folder, _, _) in SETS.items():
        names = fetch.listed(f"{BASE}/model_predictions/{folder}_predictions/")
        if len(names) != N_NETWORKS:
            raise IntegrityError("sources", f"data/sources.csv: {len(names)} networks on {dataset}, not {N_NETWORKS}")
        of_set = items(dataset)
        for name in names:
            network = name.rsplit("/", 1)[-1].removesuffix("_predictions.json")
            pred = np.array(check.read_json(fetch.locate(name), where=name))
            yield checked(of_set, model=f"cifar10.1/{network}", pred=pred, where=name)
