"""What the 1,000 ImageNet classes are: wnids, names, subsets and a WordNet superclass.

From timm (`timm/data/_info/`, Apache-2.0): the sorted wnids, the lemmas of each synset, the indices of ImageNet-A and
-R. From MadryLab/BREEDS-Benchmarks (no licence stated, so the file itself is not shipped, only the column derived from
it): the is_a edges of WordNet, one `parent child` a line.

Traps
-----
- 38 of the 1,000 have two or three parents: the first in the file counts.
- First lemmas repeat: 'crane' (134 bird, 517 machine), 'maillot' (638, 639). Never key by name.
"""

from collections import Counter

import pandas as pd

from ..errors import IntegrityError
from . import check, fetch

INFO = "huggingface+pytorch-image-models/timm/data/_info"
IS_A = "MadryLab+BREEDS-Benchmarks/imagenet_class_hierarchy/wordnet/class_hierarchy.txt"
SUPERCLASS_SIZE = 20
# First lemmas of WordNet 3.0 that timm's file lacks.
UPPER = {
    "n00001740": "entity",
    "n00002684": "object",
    "n00003553": "whole",
    "n00020090": "substance",
    "n00020827": "matter",
    "n03575240": "instrumentality",
}


def imagenet() -> pd.DataFrame:
    """class_id (rank of the wnid), wnid, name (first lemma) and superclass of the 1,000 classes."""
    wnids = _lines(f"{INFO}/imagenet_synsets.txt")
    if len(wnids) != 1000 or wnids != sorted(set(wnids)):
        raise IntegrityError("classes", f"{INFO}/imagenet_synsets.txt: expected 1000 wnids, sorted")
    lemmas = dict(line.split("\t") for line in _lines(f"{INFO}/imagenet_synset_to_lemma.txt") if "\t" in line)
    names = UPPER | {wnid: text.split(",")[0].strip() for wnid, text in lemmas.items()}
    return pd.DataFrame(
        {
            "class_id": range(1000),
            "wnid": wnids,
            "name": [names[wnid] for wnid in wnids],
            "superclass": [names[node] for node in superclasses(wnids, _parents())],
        }
    )


def subset(letter: str) -> list[int]:
    """Ids among the 1,000 of the 200 classes of ImageNet-A ("a") or -R ("r"), in the order of the file."""
    name = f"{INFO}/imagenet_{letter}_indices.txt"
    ids = check.to_int(_lines(name), what="id", where=name)
    ids = check.check_classes(name, ids, n_classes=1000, what="id").tolist()
    if len(ids) != 200 or ids != sorted(set(ids)):
        raise IntegrityError("classes", f"{name}: expected 200 ids, sorted")
    return ids


def superclasses(nodes: list[str], parent: dict[str, str], least: int = SUPERCLASS_SIZE) -> list[str]:
    """For each node the nearest ancestor that covers at least `least` of `nodes`; each node has one path upwards.

    >>> parent = {"cat": "animal", "dog": "animal", "animal": "thing", "car": "thing"}
    >>> superclasses(["cat", "dog", "car"], parent, least=2)
    ['animal', 'animal', 'thing']
    """
    paths = {}
    for node in nodes:
        path, step = [], node
        while step in parent:
            step = parent[step]
            path.append(step)
        paths[node] = path
    covers = Counter(step for path in paths.values() for step in path)
    return [next(step for step in paths[node] if covers[step] >= least) for node in nodes]


def _parents() -> dict[str, str]:
    parent = {}
    for line in _lines(IS_A):
        above, below = line.split()
        parent.setdefault(below, above)
    return parent


def _lines(name: str) -> list[str]:
    return check.read_text(fetch.locate(name), where=name).rstrip("\n").split("\n")
