"""Activations computed inside the convolution before them, on a CPU: its output is not read and written once more.

oneDNN, which computes torch's convolutions, applies an activation while the output is in the processor's cache (its
"post-ops"; torch.compile uses the same operator). A network that answers otherwise afterwards keeps its own layers.
"""

import torch
from torch import nn

from . import watch

# The names of oneDNN, by the names of the classes: timm has some of its own beside those of torch.
_POST_OPS = {
    "ReLU": ("relu", [], ""),
    "ReLU6": ("hardtanh", [0.0, 6.0], ""),
    "SiLU": ("swish", [], ""),
    "Hardswish": ("hardswish", [], ""),
    "Sigmoid": ("sigmoid", [], ""),
    "Hardsigmoid": ("hardsigmoid", [], ""),
    "GELU": ("gelu", [], "none"),
}


class FusedConvolution(nn.Conv2d):
    """A convolution and the activation after it, float32 or, where the processor computes it, bfloat16.

    >>> convolution, x = nn.Conv2d(3, 4, 3), torch.randn(2, 3, 8, 8)
    >>> with torch.inference_mode():
    ...     fused = FusedConvolution(convolution, nn.SiLU())(x)
    ...     torch.allclose(fused, nn.functional.silu(convolution(x)), atol=1e-6)
    True
    """

    def __init__(self, convolution: nn.Conv2d, activation: nn.Module):
        self.__dict__.update(convolution.__dict__)  # all that a layer is, the same parameters included
        self.post_op = _POST_OPS[type(activation).__name__]

    def forward(self, x):
        return torch.ops.mkldnn._convolution_pointwise(
            x, self.weight, self.bias, self.padding, self.stride, self.dilation, self.groups, *self.post_op
        )


def possible(precision: str) -> bool:
    """Whether this processor and this torch compute fused convolutions of a precision."""
    if not torch.backends.mkldnn.is_available() or not hasattr(torch.ops.mkldnn, "_convolution_pointwise"):
        return False
    return precision == "fp32" or torch.ops.mkldnn._is_mkldnn_bf16_supported()


def fused(module: nn.Module, size: tuple[int, int]) -> nn.Module:
    """A network whose activations that follow a convolution are computed inside it.

    Parameters
    ----------
    module : in evaluation mode, float32, on the CPU, where it must stay; changed in place
    size : height and width of its input, pixels

    Returns
    -------
    The same object, with its own layers back in place where fusing would change its answers.

    >>> net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2)).eval()
    >>> [type(part).__name__ for part in fused(net, (8, 8))]
    ['FusedConvolution', 'Identity', 'Flatten', 'Linear']
    """
    x = watch.sample(size)
    pairs, before = watch.pairs(module, x, _is_plain_convolution, _is_activation)
    own = {name: module.get_submodule(name) for pair in pairs for name in pair}
    for convolution, activation in pairs:
        watch.put(module, convolution, FusedConvolution(own[convolution], own[activation]))
        watch.put(module, activation, nn.Identity())
    if pairs and not watch.same_answers(module, x, before):
        for name, layer in own.items():
            watch.put(module, name, layer)
    return module


def _is_plain_convolution(part: nn.Module) -> bool:
    return type(part) is nn.Conv2d and part.padding_mode == "zeros" and not isinstance(part.padding, str)


def _is_activation(part: nn.Module) -> bool:
    return type(part).__name__ in _POST_OPS and getattr(part, "approximate", "none") == "none"
