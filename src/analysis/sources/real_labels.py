"""ReaL, the reassessed labels of ImageNet val: google-research/reassessed-imagenet, Apache-2.0.

`real.json` is a list of 50,000 lists of class ids in the order of the FILE NUMBER (entry 0 is
ILSVRC2012_val_00000001), while every prediction file is sorted by (wnid, file name). 3,163 sets are empty: no label
fits, the item is left out.
"""

import numpy as np

from ..errors import IntegrityError
from . import check, fetch
from .imagenetv2 import items

NAME = "google-research+reassessed-imagenet/real.json"
N_EMPTY = 3163


def label_sets() -> np.ndarray:
    """Bool (50000, 1000) in the order of the items of ImageNet val: is the class among the ReaL labels of the item?"""
    sets = check.read_json(fetch.locate(NAME), where=NAME)
    val = items("imagenet-val")
    if len(sets) != len(val.item_id) or sum(not entry for entry in sets) != N_EMPTY:
        raise IntegrityError("labels", f"{NAME}: expected {len(val.item_id)} sets, {N_EMPTY} of them empty")
    number = np.array([int(item.rsplit("_", 1)[-1]) for item in val.item_id])
    length = np.array([len(entry) for entry in sets])
    flat = np.array([number for entry in sets for number in entry])
    flat = check.check_classes(NAME, flat, n_classes=1000, what="class")
    by_number = np.zeros((len(sets), 1000), dtype=bool)
    by_number[np.repeat(np.arange(len(sets)), length), flat] = True
    by_item = by_number[number - 1]
    agree = by_item[np.arange(len(val.label)), val.label].sum() / (length > 0).sum()
    if agree < 0.8:  # 0.9 in the right order, 0.001 in another
        raise IntegrityError("labels", f"{NAME}: holds the original label of {agree:.1%} of the items; wrong order")
    return by_item
