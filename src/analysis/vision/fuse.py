"""Convolutions as oneDNN, which computes those of torch on a CPU, is fastest at them.

It applies the activation after a convolution while the output is in the processor's cache (its "post-ops"), and takes
weights that lie in its own order, into which torch otherwise brings them at every call. torch.compile uses the same
operators. A network that answers otherwise afterwards keeps its own layers.
"""

from collections.abc import Iterable

import torch
from torch import nn

from . import devices, watch

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
    """A convolution and the activation after it, if any: float32 or, where the processor computes it, bfloat16.

    >>> convolution, x = nn.Conv2d(3, 4, 3), torch.randn(2, 3, 8, 8)
    >>> with torch.inference_mode():
    ...     fused = FusedConvolution(convolution, nn.SiLU())(x)
    ...     torch.allclose(fused, nn.functional.silu(convolution(x)), atol=1e-6)
    True
    """

    def __init__(self, convolution: nn.Conv2d, activation: nn.Module | None = None):
        self.__dict__.update(convolution.__dict__)  # all that a layer is, the same parameters included
        if activation is not None:
            self._modules = {"activation": activation}
            self.post_op = _POST_OPS[type(activation).__name__]

    post_op = ("none", [], "")

    def forward(self, input):
        return torch.ops.mkldnn._convolution_pointwise(
            input, self.weight, self.bias, self.padding, self.stride, self.dilation, self.groups, *self.post_op
        )


class PointConvolution(nn.Conv2d):
    """A 1x1 convolution of images of one pixel, such as those of squeeze-and-excitation, as what it is: a linear layer.

    oneDNN takes longer to choose its way of a convolution than such a small one takes.

    >>> convolution, x = nn.Conv2d(3, 4, 1), torch.randn(2, 3, 1, 1)
    >>> with torch.inference_mode():
    ...     torch.allclose(PointConvolution(convolution)(x), convolution(x), atol=1e-6)
    True
    """

    def __init__(self, convolution: nn.Conv2d):
        self.__dict__.update(convolution.__dict__)

    def forward(self, input):
        output = nn.functional.linear(input.flatten(1), self.weight.flatten(1), self.bias)
        for activation in self._modules.values():
            output = activation(output)
        return output[:, :, None, None]


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
    layers = {}
    for convolution, activation in pairs:
        own = module.get_submodule(convolution)
        layers |= {convolution: FusedConvolution(own, module.get_submodule(activation)), activation: nn.Identity()}
    return _with(module, layers, x, before)


def packed(module: nn.Module, size: tuple[int, int], batch: int) -> nn.Module:
    """A network whose convolutions hold their weights in the order in which oneDNN reads them, or are linear layers.

    Parameters
    ----------
    module : in evaluation mode, float32, channels last, on the CPU, where and as which it must stay; changed in place
    size : height and width of its input, pixels
    batch : how many images it mostly takes at once

    Returns
    -------
    The same object, with its own layers back in place where its answers would change.

    >>> net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AvgPool2d(6), nn.Conv2d(4, 2, 1), nn.Flatten()).eval()
    >>> net = packed(net.to(memory_format=torch.channels_last), (8, 8), batch=16)
    >>> net[0].weight.layout, type(net[2]).__name__
    (torch._mkldnn, 'PointConvolution')
    """
    x = watch.sample(size)
    shapes, before = watch.shapes(module, x)
    layers = {}
    try:
        for name, (_, *shape) in shapes.items():
            own = module.get_submodule(name)
            if _is_plain_convolution(own) and own._parameters.get("weight") is not None and len(shape) == 3:
                point = shape[1:] == [1, 1] == [*own.kernel_size] and own.groups == 1 and own.padding == (0, 0)
                layers[name] = PointConvolution(own) if point else _in_order(own, [batch, *shape])
    except RuntimeError as fault:  # a oneDNN that knows no such order
        if devices.out_of_memory(fault):
            raise
        return module
    return _with(module, layers, x, before)


def _in_order(convolution: nn.Conv2d, shape: list[int]) -> FusedConvolution:
    """The same convolution, for inputs of this shape, with the weight in oneDNN's order."""
    layer = FusedConvolution(convolution)
    weight = torch.ops.aten.mkldnn_reorder_conv2d_weight(
        layer.weight.detach().to_mkldnn(), layer.padding, layer.stride, layer.dilation, layer.groups, shape
    )
    layer._parameters = convolution._parameters | {"weight": nn.Parameter(weight, requires_grad=False)}
    return layer


def _with(module: nn.Module, layers: dict[str, nn.Module], x: torch.Tensor, before: torch.Tensor) -> nn.Module:
    """The network with other layers, or with its own if those answer otherwise, or not at all."""
    own = {name: module.get_submodule(name) for name in layers}
    _put(module, layers.items())
    try:
        same = not layers or watch.same_answers(module, x, before)
    except Exception as fault:  # such as a network whose code reads a weight itself
        if devices.out_of_memory(fault):
            raise
        same = False
    if not same:
        _put(module, own.items())
    return module


def _put(module: nn.Module, layers: Iterable[tuple[str, nn.Module]]) -> None:
    for name, layer in layers:
        watch.put(module, name, layer)


def _is_plain_convolution(part: nn.Module) -> bool:
    return (
        type(part) in (nn.Conv2d, FusedConvolution)
        and part.padding_mode == "zeros"
        and not isinstance(part.padding, str)
    )


def _is_activation(part: nn.Module) -> bool:
    return type(part).__name__ in _POST_OPS and getattr(part, "approximate", "none") == "none"
