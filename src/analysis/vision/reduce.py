"""From logits to what the tables keep of them: prediction, confidence, five best, rank of the label.

Everything here is float32 and stable: of equal logits the lower class id comes first, on every device.
"""

from dataclasses import dataclass

import numpy as np

from ..errors import InputError

TOP = 5


@dataclass(frozen=True)
class Reduced:
    """Answers to some items: class ids of the label space, all arrays (items,) but `top5` (items, k <= 5)."""

    pred: np.ndarray
    confidence: np.ndarray
    label_rank: np.ndarray
    top5: np.ndarray


def check_finite(logits, *, model: str, item_id) -> None:
    """Raise InputError naming the first item whose logits hold NaN or infinity: of NaN, argmax makes class 0."""
    bad = ~logits.isfinite().all(dim=1)
    if bool(bad.any()):
        first = int(bad.nonzero()[0, 0])
        raise InputError(
            "logits",
            f"{model}: the outputs for {item_id[first]} are not finite",
            "the weights are damaged, or the numbers too large for this precision (try --precision fp32)",
        )


def reduce(logits, label: np.ndarray, *, members: np.ndarray | None = None) -> Reduced:
    """Softmax, five best and rank of the label, among all outputs or among `members` alone.

    Parameters
    ----------
    logits : (items, outputs) tensor, any float type and device; finite
    label : (items,) class ids; -1 or a class that is not among the outputs has rank -1
    members : ascending class ids to which the answer is restricted, or None

    Returns
    -------
    Reduced, with int32 class ids and float32 confidence: the softmax runs over the members only.
    """
    import torch

    logits = logits.float()
    classes = np.arange(logits.shape[1]) if members is None else np.asarray(members, dtype=np.int64)
    if members is not None:
        logits = logits[:, torch.from_numpy(classes).to(logits.device)]
    probability = logits.softmax(dim=1)
    # topk leaves open which of two equal values comes first; a stable sort does not.
    order = logits.sort(dim=1, descending=True, stable=True).indices[:, :TOP]
    place = np.minimum(np.searchsorted(classes, label), len(classes) - 1)
    known = classes[place] == label
    column = torch.from_numpy(place).to(logits.device)[:, None]
    own = logits.gather(1, column)
    before = torch.arange(logits.shape[1], device=logits.device)[None] < column
    rank = (logits > own).sum(dim=1) + ((logits == own) & before).sum(dim=1)
    top5 = classes[order.cpu().numpy()].astype(np.int32)
    return Reduced(
        pred=top5[:, 0],
        confidence=probability.gather(1, order[:, :1])[:, 0].cpu().numpy(),
        label_rank=np.where(known, rank.cpu().numpy(), -1).astype(np.int32),
        top5=top5,
    )


def joined(parts: list[Reduced], width: int) -> Reduced:
    """Several answers one after another; `width` is the number of columns of `top5` if there are none."""
    if not parts:
        empty = np.empty(0, dtype=np.int32)
        return Reduced(empty, np.empty(0, dtype=np.float32), empty, np.empty((0, min(width, TOP)), dtype=np.int32))
    return Reduced(*(np.concatenate([getattr(part, name) for part in parts]) for name in Reduced.__dataclass_fields__))
