"""What is known of networks beside their weights: display name, family, year, pretraining, published accuracy.

`torchvision.csv` lists the ImageNet classifiers of torchvision 0.28 with their weights (IMAGENET1K_V2 is "v2"), so
that names can be checked and completed without importing torch; a test holds it against torchvision's registry.
"""

import csv
import difflib
import re
from contextlib import suppress
from functools import cache
from pathlib import Path

from .. import paths
from ..errors import UsageError

CLASSES = {"imagenet": 1000, "cifar10": 10, "cifar100": 100}  # outputs of a network for a label space
# Architecture of timm begins with -> family, year of the architecture's paper; the longest beginning wins.
_FAMILIES = {
    "bat_resnext": ("ResNeXt", 2016),
    "beit": ("BEiT", 2021),
    "cait": ("CaiT", 2021),
    "coat_": ("CoaT", 2021),
    "convit": ("ConViT", 2021),
    "convmixer": ("ConvMixer", 2022),
    "convnext": ("ConvNeXt", 2022),
    "convnextv2": ("ConvNeXt", 2023),
    "crossvit": ("CrossViT", 2021),
    "cspdarknet": ("CSPNet", 2019),
    "cspresne": ("CSPNet", 2019),
    "deit": ("DeiT", 2020),
    "deit3": ("DeiT", 2022),
    "densenet": ("DenseNet", 2016),
    "dla": ("DLA", 2017),
    "dpn": ("DPN", 2017),
    "eca_": ("ECA-Net", 2019),
    "edgenext": ("EdgeNeXt", 2022),
    "efficientformer": ("EfficientFormer", 2022),
    "efficientnet": ("EfficientNet", 2019),
    "efficientnetv2": ("EfficientNet", 2021),
    "eva": ("EVA", 2022),
    "fbnet": ("FBNet", 2018),
    "ghostnet": ("GhostNet", 2019),
    "gmlp": ("gMLP", 2021),
    "hrnet": ("HRNet", 2019),
    "inception": ("Inception", 2015),
    "lcnet": ("LCNet", 2021),
    "levit": ("LeViT", 2021),
    "maxvit": ("MaxViT", 2022),
    "mixer": ("MLP-Mixer", 2021),
    "mnasnet": ("MnasNet", 2018),
    "mobilenetv1": ("MobileNet", 2017),
    "mobilenetv2": ("MobileNet", 2018),
    "mobilenetv3": ("MobileNet", 2019),
    "mobilenetv4": ("MobileNet", 2024),
    "mobilevit": ("MobileViT", 2021),
    "nasnet": ("NASNet", 2017),
    "nfnet": ("NFNet", 2021),
    "pit": ("PiT", 2021),
    "pnasnet": ("NASNet", 2017),
    "poolformer": ("MetaFormer", 2021),
    "pvt": ("PVT", 2021),
    "regnet": ("RegNet", 2020),
    "repvgg": ("RepVGG", 2021),
    "res2net": ("Res2Net", 2019),
    "resmlp": ("ResMLP", 2021),
    "resnest": ("ResNeSt", 2020),
    "resnet": ("ResNet", 2015),
    "resnetv2": ("ResNet", 2016),
    "resnext": ("ResNeXt", 2016),
    "rexnet": ("ReXNet", 2020),
    "seresne": ("SENet", 2017),
    "skresne": ("SKNet", 2019),
    "swin": ("Swin", 2021),
    "swinv2": ("Swin", 2021),
    "tinynet": ("TinyNet", 2020),
    "tnt": ("TNT", 2021),
    "twins": ("Twins", 2021),
    "vgg": ("VGG", 2014),
    "visformer": ("Visformer", 2021),
    "vit": ("ViT", 2020),
    "volo": ("VOLO", 2021),
    "wide_resnet": ("Wide ResNet", 2016),
    "xception": ("Xception", 2016),
    "xcit": ("XCiT", 2021),
}


@cache
def _torchvision_table() -> dict[str, dict[str, str]]:
    with open(Path(__file__).with_name("torchvision.csv"), encoding="utf-8", newline="") as file:
        return {row["name"]: row for row in csv.DictReader(file)}


def torchvision_ids() -> list[str]:
    """All ids of torchvision's ImageNet classifiers.

    >>> [model for model in torchvision_ids() if "resnet152" in model]
    ['torchvision/resnet152.v1', 'torchvision/resnet152.v2']
    """
    return [f"torchvision/{name}.{tag}" for name in _torchvision_table() for tag in torchvision_tags(name)]


def torchvision_tags(name: str) -> list[str]:
    """The weights of one torchvision network, oldest first; none for a name that is not there.

    >>> torchvision_tags("vit_l_16"), torchvision_tags("lenet")
    (['v1', 'swag_e2e_v1', 'swag_linear_v1'], [])
    """
    row = _torchvision_table().get(name)
    return row["weights"].split() if row else []


def torchvision(name: str, tag: str) -> dict:
    """Display name, family, year and pretraining of a torchvision network.

    >>> torchvision("resnet152", "v2")["name"], torchvision("vit_l_16", "v1")["name"]
    ('ResNet-152 (V2)', 'ViT-L/16')
    """
    row = _torchvision_table()[name]
    several = len(torchvision_tags(name)) > 1 and tag != "v1"
    swag = "Instagram images with hashtags (SWAG), then ImageNet-1k"
    return {
        "name": row["display"] + (f" ({tag.replace('_', ' ').upper()})" if several else ""),
        "family": row["family"],
        "year": int(row["year"]),
        "pretraining": swag if tag.startswith("swag") else "ImageNet-1k",
    }


def timm(architecture: str, tag: str) -> dict:
    """Display name, family, year and pretraining of a network of timm, as far as its name and tag say.

    >>> list(timm("convnext_base", "fb_in22k_ft_in1k").values())
    ['convnext_base (fb_in22k_ft_in1k)', 'ConvNeXt', 2022, 'ImageNet-22k, then 1k']
    >>> timm("tf_efficientnet_lite0", "in1k")["pretraining"], timm("tf_efficientnet_lite0", "")["pretraining"]
    ('ImageNet-1k', 'not stated')
    """
    plain = architecture.removeprefix("tf_").removeprefix("gluon_")
    known = max((start for start in _FAMILIES if plain.startswith(start)), key=len, default="")
    family, year = _FAMILIES.get(known, (re.split(r"[_\d]", plain)[0], 0))
    name = f"{architecture} ({tag})" if tag else architecture
    return {"name": name, "family": family, "year": year, "pretraining": _pretraining(tag)}


def _pretraining(tag: str) -> str:
    """In the words of models.csv; "not stated" unless the tag says it all.

    >>> _pretraining("augreg_in21k_ft_in1k"), _pretraining("a1_in1k"), _pretraining("laion2b_ft_in12k_in1k")
    ('ImageNet-21k, then 1k', 'ImageNet-1k', 'not stated')
    """
    parts = [part for part in tag.split("_") if part not in ("ft", "tv", "fb", "ms")]
    sets = [part for part in parts if re.fullmatch(r"in\d+k", part)]
    outside = (
        "laion",
        "openai",
        "clip",
        "jft",
        "ns",
        "ap",
        "ssld",
        "swsl",
        "ssl",
        "yfcc",
        "m38m",
        "m30m",
        "lvd",
        "dino",
    )
    if not sets or any(part.startswith(outside) for part in parts if part not in sets):
        return "not stated"
    return f"ImageNet-{sets[0][2:]}" + "".join(f", then {part[2:]}" for part in sets[1:])


def outputs(label_space: str) -> str:
    """The label space of a network for that of a data set: the subsets of ImageNet keep its ids; "" if unknown.

    >>> outputs("imagenet-r"), outputs("tiny-imagenet"), outputs("cifar10"), outputs("own")
    ('imagenet', 'imagenet', 'cifar10', '')
    """
    if label_space.startswith("imagenet") or label_space == "tiny-imagenet":
        return "imagenet"
    return "" if label_space == "own" else label_space


def published(model: str) -> dict:
    """Published top-1 accuracy on the validation set and its source, where `data/published.csv` has it."""
    with suppress(FileNotFoundError), open(paths.data() / "published.csv", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if (row["model"], row["dataset"], row["statistic"]) == (model, "imagenet-val", "top1"):
                return {"published_top1": float(row["value"]), "published_source": row["source"]}
    return {}


def unknown(model: str, known, otherwise: str = "see docs/imagenet.md") -> UsageError:
    """The fault of a name that is not there, with the nearest that are."""
    near = difflib.get_close_matches(model, list(known), n=4, cutoff=0.5)
    return UsageError("model", f"{model}: no such model", f"near it: {', '.join(near)}" if near else otherwise)


def classifier(module):
    """The last layer of a network: what its features go into.

    timm says it itself; elsewhere it is the last linear layer (of `classifier`, where a network of Hugging Face has
    one), or the last convolution where there is none (SqueezeNet).
    """
    from torch import nn

    if hasattr(module, "get_classifier"):
        layer = module.get_classifier()
        return layer[0] if isinstance(layer, tuple) else layer
    head = getattr(module, "classifier", None)
    parts = list((head if isinstance(head, nn.Module) else module).modules())
    layers = [part for part in parts if isinstance(part, nn.Linear)]
    return (layers or [part for part in parts if isinstance(part, nn.Conv2d)])[-1]
