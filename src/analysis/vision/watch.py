"""Which layer's output is which layer's input: seen in one forward pass, which needs no tracing of a network's code."""

from collections.abc import Callable

import torch
from torch import nn

from . import zoo

TOLERANCE = 1e-4  # of the largest logit: a thousand times what float32 rounds, a hundredth of what a wrong step does


def sample(size: tuple[int, int]) -> torch.Tensor:
    """Two images of noise, always the same, of some height and width in pixels."""
    return torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(0)).to(memory_format=torch.channels_last)


def pairs(
    module: nn.Module, x: torch.Tensor, first: Callable[[nn.Module], bool], second: Callable[[nn.Module], bool]
) -> tuple[list[tuple[str, str]], torch.Tensor]:
    """Layers, by name, of which the second takes what the first gives, unchanged; each is called once. And the logits.

    >>> net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2)).eval()
    >>> is_one = lambda *kinds: lambda part: isinstance(part, kinds)
    >>> pairs(net, sample((8, 8)), is_one(nn.Conv2d), is_one(nn.ReLU, nn.Linear))[0]
    [('0', '1')]
    """
    calls: dict[str, int] = {}
    made: dict[int, tuple] = {}  # by identity: the tensors are kept, so that no two have the same
    found: list[tuple[str, str]] = []

    def gives(name: str):
        def hook(_, given, output):
            calls[name] = calls.get(name, 0) + 1
            made[id(output)] = name, output, output._version

        return hook

    def takes(name: str):
        def hook(_, given):
            calls[name] = calls.get(name, 0) + 1
            # The version counts what was done to a tensor in place, such as adding a shortcut.
            if (origin := made.get(id(given[0]))) and origin[2] == given[0]._version:
                found.append((origin[0], name))

        return hook

    hooks = [part.register_forward_hook(gives(name)) for name, part in module.named_modules() if first(part)]
    hooks += [part.register_forward_pre_hook(takes(name)) for name, part in module.named_modules() if second(part)]
    try:
        with torch.inference_mode(False), torch.no_grad():  # inference_mode would count no versions
            logits, _ = zoo.forward(module, x)
    finally:
        for hook in hooks:
            hook.remove()
    givers = [giver for giver, _ in found]
    once = [pair for pair in found if givers.count(pair[0]) == 1 and all(calls[name] == 1 for name in pair)]
    return once, logits


def shapes(module: nn.Module, x: torch.Tensor) -> tuple[dict[str, tuple[int, ...]], torch.Tensor]:
    """The shape of the last input of each layer that was called with a tensor, by name. And the logits.

    >>> net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(144, 2)).eval()
    >>> shapes(net, sample((8, 8)))[0]
    {'0': (2, 3, 8, 8), '1': (2, 4, 6, 6), '2': (2, 144)}
    """
    found: dict[str, tuple[int, ...]] = {}

    def takes(name: str):
        def hook(_, given):
            if given and isinstance(given[0], torch.Tensor):
                found[name] = tuple(given[0].shape)

        return hook

    hooks = [part.register_forward_pre_hook(takes(name)) for name, part in module.named_modules() if name]
    try:
        with torch.inference_mode():
            logits, _ = zoo.forward(module, x)
    finally:
        for hook in hooks:
            hook.remove()
    return found, logits


def same_answers(module: nn.Module, x: torch.Tensor, before: torch.Tensor) -> bool:
    """Whether a network still gives these logits, but for rounding."""
    with torch.inference_mode():
        after, _ = zoo.forward(module, x)
    return bool((after - before).abs().max() <= TOLERANCE * before.abs().max())


def put(module: nn.Module, name: str, layer: nn.Module) -> None:
    """Put a layer in the place of another."""
    parent, _, leaf = name.rpartition(".")
    setattr(module.get_submodule(parent), leaf, layer)
