"""DINO, ResNet-50, SimCLR and ViT on ImageNet val with confidence: facebookresearch/imagenetx, CC-BY-NC-4.0.

`model_predictions/base/<model>.csv`: file_name, predicted_class, predicted_probability.

Traps
-----
- ResNet50 is torchvision v1: item by item equal to imagenetv2/resnet50, so a second copy (models.csv).
- The weights of ViT, DINO and SimCLR are not stated and could not be identified.
"""

from collections.abc import Iterator

import numpy as np

from ..errors import IntegrityError
from . import Predictions, check, checked, fetch
from .imagenetv2 import items

BASE = "facebookresearch+imagenetx/model_predictions/base"
HEADER = ["file_name", "predicted_class", "predicted_probability"]


def read() -> Iterator[Predictions]:
    """Four models on ImageNet val, top-1 and its probability."""
    for name in fetch.listed(f"{BASE}/"):
        rows = check.read_rows(fetch.locate(name), header=HEADER, where=name)
        file_name, pred, probability = zip(*rows, strict=True)
        try:
            confidence = np.array(probability, dtype=np.float64)
        except ValueError:
            raise IntegrityError("table", f"{name}: predicted_probability holds text") from None
        yield checked(
            items("imagenet-val"),
            model=f"imagenet-x/{name.rsplit('/', 1)[-1].removesuffix('.csv')}",
            item_id=[text.removesuffix(".JPEG") for text in file_name],
            pred=check.to_int(pred, what="predicted_class", where=name),
            confidence=confidence,
            where=name,
        )
