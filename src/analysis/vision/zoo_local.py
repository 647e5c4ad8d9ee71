"""Networks from files of one's own: a state dict and the name of its architecture, with options after it."""

import os
import re
from pathlib import Path
from urllib.parse import parse_qsl

from .. import paths
from ..errors import InputError, UsageError, some
from . import zoo_facts, zoo_files
from .prepare import Geometry, timm_geometry

FORM = re.compile(
    r"(?P<name>[\w.+-]+)=(?P<path>[^?]+?)(?:@(?P<kind>timm|torchvision):(?P<arch>[^?@]+))?(?:\?(?P<query>.*))?"
)
_OPTIONS = {"labels", "size", "crop_pct", "mean", "std", "interpolation"}


def load(rest: str) -> tuple[str, object, dict]:
    """Name, network and what is known of it, for what follows "local/" (the forms: docstring of `zoo`).

    Raises
    ------
    UsageError : no architecture, an unknown one, or an unknown option; InputError : a bad file.
    """
    from . import zoo_hub

    given = FORM.fullmatch(rest).groupdict()
    name, path = given["name"], Path(given["path"]).expanduser()
    wanted = options(f"local/{name}", given["query"] or "", _OPTIONS)
    if path.is_dir():
        module, about = zoo_hub.hf_model(os.fspath(path), local=True)
        return name, module, _changed(about, wanted) | {"name": name}
    if not given["kind"]:
        raise UsageError("model", f"local/{name}: which architecture is the file", "add @timm:resnet18 or the like")
    state, notes = zoo_files.read_state(path)
    module, about = _BUILDERS[given["kind"]](given["arch"], state, paths.shown(path))
    if halves := {str(tensor.dtype) for tensor in state.values() if tensor.is_floating_point()} - {"torch.float32"}:
        notes = [*notes, f"weights stored as {', '.join(sorted(halves))}, run as float32"]
    about = _changed(about, wanted) | {"name": name, "licence": "", "pretraining": "not stated"}
    return name, module, about | {"notes": tuple(notes)}


def _local_timm(arch: str, state: dict, where: str):
    import timm

    from . import zoo_hub

    zoo_hub.check_timm_name(arch)
    head = timm.get_pretrained_cfg(arch).classifier
    module = timm.create_model(arch, pretrained=False, num_classes=_rows(state, head, where))
    zoo_files.load_strictly(module, state, where)
    return module, timm_about(module)


def _local_torchvision(arch: str, state: dict, where: str):
    import torch
    from torchvision.models import get_model, get_model_weights

    name, _, tag = arch.partition(".")
    tags = zoo_facts.torchvision_tags(name)
    if not tags or (tag or tags[0]) not in tags:
        raise zoo_facts.unknown(f"torchvision/{arch}", zoo_facts.torchvision_ids())
    if name in ("inception_v3", "googlenet"):  # auxiliary heads, and input scaling that the tensors do not tell
        raise UsageError("model", f"@torchvision:{arch}: not supported for files of yours", f"use @timm:{name}")
    weights = get_model_weights(name)[f"IMAGENET1K_{(tag or tags[0]).upper()}"]
    options = {"image_size": weights.meta["min_size"][0]} if name.startswith("vit") else {}
    with torch.device("meta"):  # no memory: only to learn how the classifier is called
        skeleton = get_model(name, weights=None, **options)
    head = next(key for key, part in skeleton.named_modules() if part is zoo_facts.classifier(skeleton))
    module = get_model(name, weights=None, num_classes=_rows(state, head, where), **options)
    zoo_files.load_strictly(module, state, where)
    geometry, mean, std = torchvision_pixels(weights)
    n_classes = _rows(state, head, where)
    about = {"geometry": geometry, "mean": mean, "std": std, "n_classes": n_classes}
    about["label_space"] = "imagenet" if n_classes == 1000 else ""
    return module, about | zoo_facts.torchvision(name, tag or tags[0])


def torchvision_pixels(weights) -> tuple[Geometry, tuple, tuple]:
    preset = weights.transforms()
    geometry = Geometry(preset.resize_size[0], preset.crop_size[0], preset.interpolation.value)
    return geometry, tuple(preset.mean), tuple(preset.std)


def timm_about(module) -> dict:
    from timm.data import resolve_model_data_config

    config = resolve_model_data_config(module, use_test_size=False)
    keys = {"interpolation": config["interpolation"], "crop_mode": config["crop_mode"], "mean": config["mean"]}
    given = module.pretrained_cfg
    return {
        "geometry": timm_geometry(config["input_size"][1:], config["crop_pct"], **keys),
        "mean": tuple(config["mean"]),
        "std": tuple(config["std"]),
        "n_classes": module.num_classes,
        "label_space": "imagenet" if module.num_classes == 1000 else "",
        "licence": given.get("license") or "",
        **zoo_facts.timm(given.get("architecture") or "", given.get("tag") or ""),
    }


def _rows(state: dict, head, where: str) -> int:
    """The number of classes of a checkpoint: rows of its classifier's weights."""
    key = f"{head if isinstance(head, str) else head[0]}.weight"
    if key not in state or state[key].ndim < 2:
        raise InputError("weights", f"{where}: no classifier {key}", "name the architecture that the weights are of")
    return state[key].shape[0]


def options(model: str, query: str, known: set[str]) -> dict[str, str]:
    chosen = dict(parse_qsl(query, keep_blank_values=True))
    if wrong := sorted(chosen.keys() - known):
        raise UsageError("model", f"{model}: no option {some(wrong)}", f"there are: {', '.join(sorted(known))}")
    for name in ("seed", "classes", "size"):
        if name in chosen and not chosen[name].isdigit():
            raise UsageError("model", f"{model}: {name} is no whole number", f"write {name}=10 or the like")
    return chosen


def _changed(about: dict, options: dict[str, str]) -> dict:
    """What is known of a network, changed by the options after its name."""
    geometry = about["geometry"]
    try:
        for name in ("mean", "std"):
            if name in options:
                values = tuple(float(value) for value in options[name].split(","))
                about |= {name: values if len(values) == 3 else values * 3}
                assert len(about[name]) == 3
        size = (int(options["size"]),) * 2 if "size" in options else geometry.crop
        if options.keys() & {"size", "crop_pct", "interpolation"}:
            interpolation = options.get("interpolation", geometry.interpolation)
            about |= {"geometry": timm_geometry(size, float(options.get("crop_pct", 1)), interpolation)}
    except (ValueError, AssertionError, ZeroDivisionError):
        raise UsageError("model", "mean, std and crop_pct are numbers", "e.g. ?size=32&mean=0.5,0.5,0.5") from None
    return about | ({"label_space": options["labels"]} if "labels" in options else {})


_BUILDERS = {"timm": _local_timm, "torchvision": _local_torchvision}
