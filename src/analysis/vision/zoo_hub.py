"""Weights that come from the network: torchvision's files and the Hugging Face hub; without one, one clear line."""

import errno
import os
import sys
from contextlib import contextmanager
from pathlib import Path

from .. import files, paths
from ..errors import AnalysisError, InputError, IntegrityError, NetworkError, UsageError
from . import zoo_facts
from .prepare import Geometry
from .zoo_files import read_state

_OFFLINE = (
    "fetch it once on a machine with a connection and copy the hub's folder (HF_HOME, HF_HUB_OFFLINE=1), "
    "or bring the weights as a file: local/NAME=PATH@timm:ARCHITECTURE"
)
_PROCESSORS = ("ViT", "ConvNext", "Bit", "CLIP", "DeiT", "Beit", "MobileNetV1", "MobileNetV2", "Siglip")
_RESAMPLE = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic", 4: "box", 5: "hamming"}


def torchvision_file(url: str) -> Path:
    """The file of torchvision's weights, fetched if it is not there, held against the hash in its name.

    Read once with `weights_only=True`: the builders of torchvision would load a pickle with code in it.
    """
    import torch

    name = url.rsplit("/", 1)[-1]
    path = Path(torch.hub.get_dir()) / "checkpoints" / name
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            torch.hub.download_url_to_file(url, os.fspath(path), progress=sys.stderr.isatty())
        except OSError as fault:  # URLError, HTTPError and timeouts are OSErrors, and so is a full disk
            if fault.errno in (errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EDQUOT):
                raise
            remedy = f"put {name} into {paths.shown(path.parent)}, or set TORCH_HOME to the folder that has it"
            raise NetworkError("weights", f"{url}: could not be fetched ({type(fault).__name__})", remedy) from None
    expected = Path(name).stem.rsplit("-", 1)[-1]
    if not files.sha256(path).startswith(expected):
        remedy = "delete it and run again"
        raise IntegrityError("hash", f"{paths.shown(path)}: sha256 does not begin with {expected}", remedy)
    read_state(path)
    return path


def check_timm_name(name: str) -> None:
    """Raise UsageError unless timm has the architecture and, where a tag is given, the tag."""
    import timm

    architecture, _, tag = name.partition(".")
    if not timm.is_model(architecture):
        raise zoo_facts.unknown(f"timm/{name}", [f"timm/{known}" for known in timm.list_models()])
    if tag and name not in (have := timm.list_pretrained(f"{architecture}.*")):
        raise zoo_facts.unknown(f"timm/{name}", [f"timm/{known}" for known in have])


def timm_model(name: str):
    """A network of timm with its pretrained weights from the hub."""
    import timm

    check_timm_name(name)
    if not timm.is_model_pretrained(name):
        raise UsageError("model", f"timm/{name}: timm has no weights for it", f"random ones: timm-random/{name}")
    with _hub(f"timm/{name}"):
        return timm.create_model(name, pretrained=True)


def hf_model(repository: str, local: bool = False):
    """A classifier of transformers from the hub or a folder, and what is known of it.

    Safetensors only, no code from the hub, every tensor accounted for.
    """
    from transformers import AutoModelForImageClassification
    from transformers.image_processing_base import ImageProcessingMixin

    if local:
        repository = os.fspath(Path(repository).expanduser())
    where = paths.shown(Path(repository).resolve()) if local else f"hf/{repository}"
    with _hub(where, local):
        # The settings alone: an image processor of its own class would want its own backend.
        settings, _ = ImageProcessingMixin.get_image_processor_dict(repository)
        geometry, mean, std = hf_pixels(settings, where)
        module, report = AutoModelForImageClassification.from_pretrained(
            repository, trust_remote_code=False, use_safetensors=True, output_loading_info=True
        )
    left = sum(len(report[name]) for name in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    if left:
        what = f"{where}: {left} tensors are missing, too many or of another shape"
        raise InputError("weights", what, "its config.json must be that of the weights")
    labels = module.config.id2label
    imagenet = len(labels) == 1000 and "tench" in str(labels[0]).lower() and "tissue" in str(labels[999]).lower()
    about = zoo_facts.timm(module.config.model_type, "") | {
        "geometry": geometry,
        "mean": mean,
        "std": std,
        "n_classes": module.config.num_labels,
        "label_space": "imagenet" if imagenet else "",
        "name": Path(repository).name,
    }
    return module, about


def hf_pixels(settings: dict, where: str) -> tuple[Geometry, tuple, tuple]:
    """Geometry, mean and standard deviation from the settings of an image processor; its class gives the rest.

    Raises
    ------
    UsageError : a processor with arithmetic of its own, or one whose images differ in size.
    """
    import transformers

    kind = str(settings.get("image_processor_type") or settings.get("feature_extractor_type") or "")
    for ending in ("Fast", "Pil", "ImageProcessor", "FeatureExtractor"):
        kind = kind.removesuffix(ending)
    if kind not in _PROCESSORS:
        raise UsageError("model", f"{where}: its image processor is not supported", f"known: {', '.join(_PROCESSORS)}")
    processor = getattr(transformers, f"{kind}ImageProcessor")

    def of(name: str):
        value = settings.get(name)
        return getattr(processor, name, None) if value is None else value

    size = _sides(of("size"), square=of("default_to_square")) if of("do_resize") else None
    crop = _sides(of("crop_size"), square=True) if of("do_center_crop") else None
    interpolation = _RESAMPLE.get(of("resample"), "?")
    if kind == "ConvNext" and isinstance(size, int):
        geometry = _convnext(size, of("crop_pct"), interpolation)
    elif isinstance(size, tuple):
        geometry = Geometry(size, crop or size, interpolation, mode="squash", offset="floor")
    elif crop:
        geometry = Geometry(size, crop, interpolation, offset="floor")
    else:
        raise UsageError("model", f"{where}: its image processor gives images of different sizes", "not supported")
    mean, std = (of("image_mean"), of("image_std")) if of("do_normalize") else ((0.0,) * 3, (1.0,) * 3)
    scale = 255 * of("rescale_factor") if of("do_rescale") else 255.0  # ours: pixels / 255, then mean and std
    return geometry, tuple(value / scale for value in mean), tuple(value / scale for value in std)


def _convnext(side: int, crop_pct: float, interpolation: str) -> Geometry:
    """ConvNextImageProcessor.resize: below 384 scale by 1 / crop_pct and crop, from 384 on squash."""
    if side >= 384:
        return Geometry((side, side), side, interpolation, mode="squash", offset="floor")
    return Geometry(int(side / crop_pct), side, interpolation, offset="floor")


def _sides(size, square: bool) -> int | tuple[int, int] | None:
    """A size as Hugging Face writes it: the short side, or (height, width).

    >>> _sides({"shortest_edge": 224}, True), _sides({"height": 224, "width": 192}, False), _sides(224, True)
    (224, (224, 192), (224, 224))
    """
    if isinstance(size, dict):
        return size["shortest_edge"] if "shortest_edge" in size else (size["height"], size["width"])
    return (size, size) if square and isinstance(size, int) else size


@contextmanager
def _hub(where: str, local: bool = False):
    """Faults of a hub client, of whatever class, as one line; faults of ours and of this machine go through."""
    try:
        yield
    except (AnalysisError, MemoryError, ImportError):
        raise
    except Exception as fault:
        if getattr(fault, "errno", None) in (errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EDQUOT):
            raise
        if local:
            what = f"{where}: no image classifier with safetensors weights ({type(fault).__name__})"
            raise InputError("weights", what, "a folder of save_pretrained, with its image processor") from None
        what = f"{where}: not in the hub's folder here and could not be fetched ({type(fault).__name__})"
        raise NetworkError("hub", what, _OFFLINE) from None
