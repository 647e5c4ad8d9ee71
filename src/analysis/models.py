"""Models and named sets of models, from `data/models.csv` and what was predicted on this machine (`data/own/`)."""

from functools import cache

import pandas as pd

from . import tables
from .claims import FOUR_FAMILIES
from .errors import InputError

NAMED_SETS = (
    *("four-families", "networks", "nets45", "clip", "clip-counted", "clip-laion400m", "cifar30"),
    *("paper-20news", "paper-banking77", "paper"),
)
REPRESENTATIONS, RUNS = ("bert-base", "bert-tiny", "fasttext", "doc2vec", "tfidf"), 10  # the authors' text classifiers
# The paper's networks on ImageNet: the same weights predicted here, else the authors' own counts (ImageNet.pkl).
PAPER = {
    "ResNet152": ("torchvision/resnet152.v2", "paper/resnet152-v2"),
    "ConvNeXt_Large": ("torchvision/convnext_large.v1", "paper/convnext_large"),
    "EfficientNet_V2": ("torchvision/efficientnet_v2_m.v1", "paper/efficientnet_v2_m"),
    "ViT_L_16": ("torchvision/vit_l_16.v1", "paper/vit_l_16"),
}


@cache
def _table() -> pd.DataFrame:
    rows = tables.rows_of("models")
    # Figures tell models apart by their names: of two with one name the later, an own one, says where it is from.
    for column in ("source", "model"):
        twin = rows["name"].duplicated()
        rows.loc[twin, "name"] += " (" + rows.loc[twin, column] + ")"
    return rows.set_index("model", drop=False)


def forget() -> None:
    """Read the tables again at the next call: own models were added."""
    _table.cache_clear()


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
    clip: 21 CLIP models, of which class counts were published. clip-counted: those of them whose own pre-training set
    was searched for the classes, in captions and images (frequency.csv); clip-laion400m: those trained on LAION-400M.
    cifar30: the networks tested on CIFAR-10.1.
    paper-20news, paper-banking77: the authors' 50 runs, which are the same models on both text sets.
    paper: the paper's four ImageNet networks, as far as this machine has answers of them to all of ImageNet val.
    """
    if name == "paper":
        return paper()
    rows = _table()[_table()["in_claims"]]
    if name == "four-families":
        return FOUR_FAMILIES
    if name == "networks":
        return tuple(rows.index[rows["source"].isin(["imagenetv2", "timm2022", "imagenet-x"])])
    if name == "nets45":
        return tuple(rows.index[(rows["source"] == "imagenetv2") & (rows["top1"] > 0.74)])
    if name == "clip":
        return tuple(rows.index[rows["source"] == "openclip"])
    if name in ("clip-counted", "clip-laion400m"):
        searched = set(tables.read_csv("frequency").dropna(subset="both")["pretraining"])
        wanted = searched if name == "clip-counted" else {name.removeprefix("clip-")}
        return tuple(model for model in named("clip") if model.rsplit(".", 1)[-1] in wanted)
    if name == "cifar30":
        return tuple(rows.index[rows["source"] == "cifar10.1"])
    if name in ("paper-20news", "paper-banking77"):
        return tuple(model for representation in REPRESENTATIONS for model in runs(representation))
    raise InputError("models", f"{name}: no such set of models", f"one of {', '.join(NAMED_SETS)}")


def paper(dataset: str = "imagenet-val", *, labels: str = "original", per_item: bool = False) -> tuple[str, ...]:
    """The paper's ImageNet networks with counts of all items of a data set, at most one id a network; () for none.

    Parameters
    ----------
    per_item : only those whose answers to single items are known, which the authors' counts are not
    """
    candidates = [model for ids in PAPER.values() for model in ids]
    counts = tables.read_counts(dataset=dataset, models=candidates, labels=labels)
    n = counts.groupby("model")["n"].sum()
    if per_item:
        n = n[[model.startswith("torchvision/") for model in n.index]]
    # A network that left out damaged images has other items than the rest.
    whole = set(n.index[n == n.max()]) & set(_table().index)
    found = (next((model for model in ids if model in whole), None) for ids in PAPER.values())
    return tuple(model for model in found if model)


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
        raise InputError("models", f"{absent[0]}: no such model", "see data/models.csv")
    return known.loc[list(models), column].tolist()
