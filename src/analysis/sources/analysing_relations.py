"""15 networks of timm (weights of 2022) on ImageNet val: hadarshavit/analysing-relations, MIT.

`res/topk_ids_<network>.csv`, no header: file name, predicted class, label.

Traps
-----
- The file of swin_base has two columns, without the label.
- `topk_ids.csv` is a second ConvNeXt-T (61 items differ from convnext_tiny): left out, not another network.
- Weights of 2022: resnet50 is a1_in1k; the vit_* were pre-trained on ImageNet-21k and swin_base on 22k, the others on
  ImageNet-1k alone. Comparing architectures is confounded by that.
"""

from collections.abc import Iterator

from . import Predictions, check, checked, fetch
from .imagenetv2 import items

BASE = "hadarshavit+analysing-relations/res"
WITHOUT_LABEL = {"swin_base_patch4_window7_224"}


def read() -> Iterator[Predictions]:
    """15 models on ImageNet val, top-1 only."""
    for name in fetch.listed(f"{BASE}/topk_ids_"):
        network = name.removeprefix(f"{BASE}/topk_ids_").removesuffix(".csv")
        width = 2 if network in WITHOUT_LABEL else 3
        file_name, pred, *label = zip(*check.read_rows(fetch.locate(name), columns=width, where=name), strict=True)
        yield checked(
            items("imagenet-val"),
            model=f"timm2022/{network}",
            item_id=[text.removesuffix(".JPEG") for text in file_name],
            pred=check.to_int(pred, what="pred", where=name),
            label=check.to_int(label[0], what="label", where=name) if label else None,
            where=name,
        )
