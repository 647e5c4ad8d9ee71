"""Where the numbers of `paper` come from: class counts of the networks it needs, and the authors' printed numbers."""

from itertools import product

import numpy as np
import pandas as pd

from . import files, paths, tables
from .errors import InputError, IntegrityError
from .findings.text import REPRESENTATIONS as TEXT
from .findings.text import RUNS, model_id
from .measure import accuracy

# The paper's networks on ImageNet: id in the tables once ImageNet.pkl is there, and what stands for it, best first.
NETS = {
    "ResNet152": ("paper/resnet152-v2", "torchvision/resnet152.v2", "timm2022/resnet50"),
    "ConvNeXt_Large": ("paper/convnext_large", "torchvision/convnext_large.v1", "timm2022/convnext_tiny"),
    "EfficientNet_V2": ("paper/efficientnet_v2_m", "torchvision/efficientnet_v2_m.v1", "timm2022/efficientnet_b4"),
    "ViT_L_16": ("paper/vit_l_16", "torchvision/vit_l_16.v1", "timm2022/vit_small_patch16_224"),
}
SAME_IN_TRAINING = ("ViT_L_16",)  # gives the same answers in training mode, in which the published scripts run
CONFIDENT = {"ResNet152": "imagenet-x/ResNet50", "ViT_L_16": "imagenet-x/ViT"}  # by the paper's network
CONFIDENT |= {name: name for name in ("imagenet-x/DINO", "imagenet-x/SimCLR")}
VISION = {"cifar10": "paper/resnet152", "cifar100": "paper/mobilenetv2"}
SEEDS = {"cifar10": (0, 1, 2), "cifar100": (1, 3, 4)}
SPLITS = (1, 2, 3)
NEAR_CIFAR, NEAR_CRS = "cifar10.1/resnet_basic_110", "imagenetv2/resnet152"
B4 = tuple(f"paper/efficientnet-b4-seed-{seed}" for seed in (0, 1, 2))


def printed() -> dict[tuple[str, str, str, str], tuple[str, str]]:
    """What is known of the authors' numbers: (item, dataset, model, statistic) -> text as printed, kind."""
    return {tuple(row[:4]): (row[4], row[5]) for row in lines("printed")}


def lines(name: str) -> list[list[str]]:
    """The rows of a file of `data/paper/` as text."""
    path = paths.data() / "paper" / f"{name}.csv"
    tables.check_lock(path)
    try:
        return files.csv_rows(path)[1:]
    except (FileNotFoundError, ValueError) as fault:
        raise IntegrityError("paper", f"{paths.shown(path)}: missing or damaged", "restore it from git") from fault


class Rows:
    """Class counts of the networks that the items need, read once."""

    def __init__(self):
        wanted = [model_id(name, run) for name, run in product(TEXT, range(RUNS))]
        wanted += [f"{VISION[dataset]}-seed-{seed}" for dataset in VISION for seed in SEEDS[dataset]]
        wanted += [f"{model}-split-{split}" for model, split in product(VISION.values(), SPLITS)]
        wanted += [model for models in NETS.values() for model in models]
        wanted += [*B4, *CONFIDENT.values(), NEAR_CIFAR, NEAR_CRS]
        self._rows = dict(list(tables.read_counts(models=wanted).groupby(["dataset", "model"])))

    def datasets(self, model: str) -> list[str]:
        return sorted(dataset for dataset, name in self._rows if name == model)

    def has(self, dataset: str, model: str) -> bool:
        return (dataset, model) in self._rows

    def of(self, dataset: str, model: str) -> pd.DataFrame:
        """Counts of one model by class id; never by the order of a file (D15)."""
        if not self.has(dataset, model):
            raise InputError("model", f"{model}: no counts on {dataset}", "run analysis tables")
        return self._rows[dataset, model].sort_values("class_id", kind="stable")

    def recall(self, dataset: str, model: str) -> np.ndarray:
        return self.of(dataset, model)["accuracy"].to_numpy(float)

    def precision(self, dataset: str, model: str) -> np.ndarray:
        rows = self.of(dataset, model).astype({"correct": int, "predicted": int})
        return accuracy.precision(correct=rows["correct"].to_numpy(), predicted=rows["predicted"].to_numpy())

    def overall(self, dataset: str, model: str) -> float:
        """Share of the items; the mean of the classes where their sizes are unknown (D16)."""
        rows = self.of(dataset, model)
        counted = rows["n"].notna().all() and rows["correct"].notna().all()
        return rows["correct"].sum() / rows["n"].sum() if counted else rows["accuracy"].mean()

    def same_weights(self, net: str, dataset: str = "imagenet-val") -> str:
        """The model with the weights of one of the paper's ImageNet networks, predicted on this machine; "" for none.

        The published scripts leave batch normalisation, dropout and stochastic depth in training mode; here they are in
        evaluation mode. ViT-L/16 has none of them in use, so its numbers are those that the scripts would compute.
        """
        return NETS[net][1] if self.has(dataset, NETS[net][1]) else ""

    def stand_in(self, net: str, dataset: str = "imagenet-val") -> str:
        """The model that stands for one of the paper's ImageNet networks: the same weights if predicted here."""
        return next((model for model in NETS[net][1:] if self.has(dataset, model)), "")


def block(
    item, dataset, model, as_coded=None, corrected=None, ours=None, *, ours_model="", source="", need="", held=""
):
    """One row a statistic from up to three dictionaries by statistic.

    `held` : the column that is held against what was printed, where it is not `as_coded`
    """
    parts = {"as_coded": as_coded or {}, "corrected": corrected or {}, "ours": ours or {}}
    about = {"item": item, "dataset": dataset, "model": model, "source": source, "need": need}
    about["held"] = held
    for name in dict.fromkeys(name for part in parts.values() for name in part):
        values = {column: float(part.get(name, np.nan)) for column, part in parts.items()}
        whose = ours_model if np.isfinite(values["ours"]) else ""
        yield about | {"statistic": name, "ours_model": whose} | values
