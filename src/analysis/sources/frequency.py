"""How often each ImageNet class occurs in the data that CLIP models were trained on: bethgelab's
frequency_determines_performance (MIT), the counts of Udandarao et al., "No Zero-Shot Without Exponential Data" (2024).

`search_counts/imagenet_<pre-training set>_<how>_search_counts.json`: class name -> number of pairs of caption and image
that hold the class. Three ways to look are read:

- `captions`: the name, lemmatized, in the caption;
- `images`: the tagger RAM++ finds the class in the image, at confidence 0.7;
- `both`: the caption names it and the tagger sees it, the count that the source's own figures rest on.

Traps
-----
- The keys are CLIP's class names, which differ from WordNet's for 80 of 1,000: aligned by position with the accuracies
  of the same repository, after checking that all keys are equal and in one order.
- ImageNet-Sketch has the same counts (its files are copies); those of ImageNet-R lack 67 of 200 classes by spelling in
  the lemmatized and RAM++ searches and are not read.
- LAION-2B and DataComp were not counted. LAION-200M was looked at by images alone: the other two are empty.
- A count of 0 is a class that the search did not find, not one that the set lacks; caption searches also find a class
  where its name means something else.
"""

import numpy as np
import pandas as pd

from ..errors import IntegrityError
from . import check, clip, fetch

BASE = "bethgelab+frequency_determines_performance/search_counts"
SETS = ("cc3m", "cc12m", "laion400m", "synthci30m", "yfcc15m", "laion200m_train_test_sim_normalized")
WAYS = {"captions": "lemmatized", "images": "rampp0.7", "both": "integrated_tlemmatized_i0.7"}
ONLY_IMAGES = ("laion200m_train_test_sim_normalized",)


def counts() -> pd.DataFrame:
    """Pairs that hold each of the 1,000 classes, by pre-training set: pretraining, class_id, captions, images, both."""
    keys = _class_keys()
    parts = []
    for pretraining in SETS:
        part = pd.DataFrame({"pretraining": pretraining, "class_id": range(len(keys))})
        for way in WAYS:
            unknown = pretraining in ONLY_IMAGES and way != "images"
            found = pd.NA if unknown else _read(f"{BASE}/imagenet_{pretraining}_{WAYS[way]}_search_counts.json", keys)
            part[way] = pd.array([found] * len(keys) if unknown else found, dtype="Int64")
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def _class_keys() -> list[str]:
    """The names of the 1,000 classes as the source spells them, by class id."""
    name = f"{clip.BASE}/{clip.FILES['imagenet-val']}_ensemble_results.json"
    lists = {tuple(entry["classwise"]) for entry in check.read_json(fetch.locate(name), where=name).values()}
    if len(lists) != 1 or len(keys := lists.pop()) != 1000:
        raise IntegrityError("classes", f"{name}: models differ in their classes, or there are not 1000")
    return list(keys)


def _read(name: str, keys: list[str]) -> np.ndarray:
    content = check.read_json(fetch.locate(name), where=name)
    if list(content) != keys:
        raise IntegrityError("classes", f"{name}: classes are not those of the accuracies, in their order")
    values = list(content.values())
    if not all(type(value) is int and value >= 0 for value in values):
        raise IntegrityError("counts", f"{name}: a count is not a whole number from 0 upwards")
    return np.array(values, dtype=np.int64)
