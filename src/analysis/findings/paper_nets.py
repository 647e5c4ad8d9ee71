"""F1, F2 and F3 for the paper's four ImageNet networks (`models.named("paper")`), once they were predicted here.

Nothing of it is shipped: without such predictions every function gives no rows and draws no random number, so what a
notebook computes elsewhere stays the same. Call these last.
"""

from .. import models, tables
from . import hidden, shared, shifted

NAME = "paper"
# Shifted sets with images of their own. ImageNet-C has the images of the clean set, and its losses share their noise.
SHIFTED = (*(f"imagenetv2-{name}" for name in shifted.V2), "imagenet-sketch")


def weak_classes(*, rng, refits: int = 100) -> list[dict]:
    """F1 by the original and, where their file was at hand, the ReaL labels."""
    rows = []
    for labels in ("original", "real"):
        if names := models.paper(labels=labels):
            table = hidden.estimates(names, rng=rng, labels=labels, refits=refits)
            rows += hidden.claim_rows(table, {NAME: names} | {name: [name] for name in names}, labels=labels)
    return rows


def overlaps(*, rng, draws: int = 400, splits: int = 40) -> list[dict]:
    """F2r and F2o of those networks whose answers to single images are known; none for fewer than two."""
    rows = []
    for labels in ("original", "real"):
        names = models.paper(labels=labels, per_item=True)
        if len(names) > 1:
            found = shared.measure(names, {NAME: names}, rng=rng, labels=labels, draws=draws, splits=splits)
            rows += shared.claim_rows(found)
    return rows


def shifts(*, rng, draws: int = 400, splits: int = 20) -> list[dict]:
    """F3L and F3D on every set of `SHIFTED` that was predicted, with the networks that answered both sets."""
    clean = models.paper()
    if not clean:
        return []
    have = set(tables.read_counts(models=clean)["dataset"])
    found = []
    for dataset in SHIFTED:
        names = tuple(name for name in models.paper(dataset) if name in clean) if dataset in have else ()
        if names:
            without = (shifted.BRASS,) if dataset == "imagenet-sketch" else ()
            about = shifted.Shift(dataset, "imagenet-val", dataset, NAME, without=without)
            pair = shifted.pair_counts(about, names)
            found.append(shifted.estimate(about, *pair, rng=rng, draws=draws, splits=splits))
    return shifted.claim_rows(found)
