"""Models and named sets of models, from `data/models.csv`."""

from functools import cache

import pandas as pd

from . import tables
from .claims import FOUR_FAMILIES
from .errors import InputError

NAMED_SETS = ("four-families", "networks", "nets45", "clip", "cifar30", "paper-20news", "paper-banking77")
REPRESENTATIONS, RUNS = ("bert-base", "bert-tiny", "fasttext", "doc2vec", "tfidf"), 10  # the authors' text classifiers


@cache
def _table() -> pd.DataFrame:
    return tables.read_csv("models").set_index("model", drop=False)


def table() -> pd.DataFrame:
    """All models, one row each, indexed by id; columns as declared in `tables.CSV["models"]`."""
    return _table().copy()


def labels(models) -> list[str]:
    """Display names, in the order of `models`."""
    return _column("name", models)


def families(models) -> list[str]:
    """Families (ResNet, ViT, ...), in the order of `models`."""
    return _column("family", models)


def named(name: str) -> tuple[str, ...]:
    """The models of a named set.

    four-families: one network each of ResNet, ConvNeXt, EfficientNet, ViT (timm, 2022), by the paper's families.
    networks: every network of the claims whose answers to the single ImageNet images were published.
    nets45: those of the ImageNet-V2 authors' collection above 0.74 accuracy on ImageNet.
    clip: 21 CLIP models, of which class counts were published. cifar30: the networks tested on CIFAR-10.1.
    paper-20news, paper-banking77: the authors' 50 runs, which are the same models on both text sets.
    """
    rows = _table()[_table()["in_claims"]]
    if name == "four-families":
        return FOUR_FAMILIES
    if name == "networks":
        return tuple(rows.index[rows["source"].isin(["imagenetv2", "timm2022", "imagenet-x"])])
    if name == "nets45":
        return tuple(rows.index[(rows["source"] == "imagenetv2") & (rows["top1"] > 0.74)])
    if name == "clip":
        return tuple(rows.index[rows["source"] == "openclip"])
    if name == "cifar30":
        return tuple(rows.index[rows["source"] == "cifar10.1"])
    if name in ("paper-20news", "paper-banking77"):
        return tuple(model for representation in REPRESENTATIONS for model in runs(representation))
    raise InputError("models", f"{name}: no such set of models", f"one of {', '.join(NAMED_SETS)}")


def runs(representation: str) -> tuple[str, ...]:
    """The authors' ten runs of one of the `REPRESENTATIONS` of text, 0 to 9.

    >>> runs("bert-tiny")[:2], len(runs("bert-tiny"))
    (('paper/bert-tiny-0', 'paper/bert-tiny-1'), 10)
    """
    if representation not in REPRESENTATIONS:
        raise InputError("models", f"{representation}: no such representation", f"one of {', '.join(REPRESENTATIONS)}")
    return tuple(f"paper/{representation}-{run}" for run in range(RUNS))


def one_per_family(candidates) -> tuple[str, ...]:
    """The most accurate model of each family among `candidates`, most accurate first."""
    rows = _table().loc[list(candidates)].sort_values("top1", ascending=False, kind="stable")
    return tuple(rows.drop_duplicates("family").index)


def _column(column: str, models) -> list[str]:
    known = _table()
    absent = [model for model in models if model not in known.index]
    if absent:
        raise InputError("models", f"{absent[0]}: not in data/models.csv")
    return known.loc[list(models), column].tolist()
