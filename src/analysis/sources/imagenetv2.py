"""67 networks of 2018 on ImageNet val and the three ImageNet-V2 sets: modestyachts/ImageNetV2, MIT.

`data/predictions/<set>/<network>.npy` is int64 (items, 5), best first, in the order of `image_filenames` of
`data/datasets/<set>.json`: val sorted by (wnid, file name), V2 in no order by class.

Traps
-----
- fv_16k has its columns reversed (best last) on the three V2 sets and is normal on val: `REVERSED`.
- Names differ by set: fv_64k_model on threshold-0.7, fv_16k_model on top-images: `RENAMED`.
- inception_v3 (torchvision), inceptionv3 (Cadene) and inception_v3_tf are three networks.
- The three fv_* are Fisher vectors, not networks (see models.csv).
"""

from collections.abc import Iterator
from functools import cache

import numpy as np

from .. import files
from ..errors import IntegrityError
from . import Items, Predictions, check, checked, fetch

BASE = "modestyachts+ImageNetV2/data"
SETS = {
    "imagenet-val": "imagenet-validation-original",
    "imagenetv2-matched-frequency": "imagenetv2-b-33",
    "imagenetv2-threshold-0.7": "imagenetv2-a-44",
    "imagenetv2-top-images": "imagenetv2-c-12",
}
RENAMED = {"fv_64k_model": "fv_64k", "fv_16k_model": "fv_16k"}
REVERSED = {(dataset, "fv_16k") for dataset in SETS if dataset != "imagenet-val"}
N_NETWORKS = 67


@cache
def items(dataset: str) -> Items:
    """The items of ImageNet val or a V2 set: ids without `.JPEG`, class = rank of the wnid."""
    name = f"{BASE}/datasets/{SETS[dataset]}.json"
    content = check.read_json(fetch.locate(name), where=name)
    ids, wnids = zip(*content["image_filenames"], strict=True)
    classes, label = np.unique(np.array(wnids), return_inverse=True)
    per_class = 50 if dataset == "imagenet-val" else 10
    if len(classes) != 1000 or (np.bincount(label) != per_class).any() or len(set(ids)) != len(ids):
        raise IntegrityError("items", f"{name}: expected 1000 classes of {per_class} items with distinct ids")
    return Items(dataset, np.array([i.removesuffix(".JPEG") for i in ids], dtype=object), label.astype(np.int64), 1000)


def read() -> Iterator[Predictions]:
    """67 models on four data sets, with top-5."""
    for dataset, folder in SETS.items():
        names = fetch.listed(f"{BASE}/predictions/{folder}/")
        if len(names) != N_NETWORKS:
            raise IntegrityError("sources", f"data/sources.csv: {len(names)} networks on {dataset}, not {N_NETWORKS}")
        for name in names:
            network = name.rsplit("/", 1)[-1].removesuffix(".npy")
            network = RENAMED.get(network, network)
            topk = load_npy(name)
            if (dataset, network) in REVERSED:
                topk = topk[:, ::-1]
            yield checked(items(dataset), model=f"imagenetv2/{network}", pred=None, topk=topk, where=name)


def load_npy(name: str) -> np.ndarray:
    """The array of a pinned .npy file, whose values the caller checks; pickled content is refused."""
    try:
        return files.npy(fetch.locate(name))
    except ValueError as fault:
        raise IntegrityError("array", f"{name}: {fault}") from None
