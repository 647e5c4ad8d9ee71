"""Convolutions with their activations, and with packed weights, change no answer; what must not be touched is not."""

import copy
import warnings

import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

from analysis.vision import fold, fuse, watch, zoo  # noqa: E402

pytestmark = [
    pytest.mark.inference,
    pytest.mark.skipif(not fuse.possible("fp32"), reason="this processor's torch has no oneDNN"),
]


def _kinds(module):
    return [type(part).__name__ for part in module.modules()]


@pytest.mark.parametrize(
    ("name", "least", "points"),
    [("mobilenetv3_small_050", 40, 19), ("lcnet_050", 30, 5), ("regnety_002", 50, 26), ("efficientnet_b0", 60, 32),
     ("convnext_atto", 12, 0), ("tf_efficientnet_lite0", 28, 0)],
)  # fmt: skip
def test_the_answers_stay(name, least, points):
    module = fold.folded(zoo.load(f"timm-random/{name}").module, (224, 224)).to(memory_format=torch.channels_last)
    x = torch.randn(3, 3, 224, 224, generator=torch.Generator().manual_seed(2)).to(memory_format=torch.channels_last)
    with torch.inference_mode():
        before, features = zoo.forward(module, x, True)
        quick = fuse.fused(copy.deepcopy(module), (224, 224))
        after, theirs = zoo.forward(quick, x, True)
        fused = _kinds(quick)
        packed = fuse.packed(quick, (224, 224), 2)
        again, others = zoo.forward(packed, x, True)
    assert fused.count("FusedConvolution") >= least
    assert _kinds(packed).count("PointConvolution") == points
    assert [one.layout for one in packed.parameters()].count(torch._mkldnn) > least - points
    for found, wanted in ((after, before), (theirs, features), (again, before), (others, features)):
        assert torch.allclose(found, wanted, rtol=1e-4, atol=float(wanted.abs().max()) * 1e-5)


@pytest.mark.parametrize("batch", [1, 16])
def test_packed_convolutions_of_every_kind_answer_the_same_whatever_the_batch(batch):
    net = nn.Sequential(
        nn.Conv2d(3, 8, 7, stride=2, padding=3, bias=False),
        nn.Conv2d(8, 8, 3, padding=2, dilation=2, groups=8),
        nn.Conv2d(8, 12, (1, 3), groups=4),
        nn.Conv2d(12, 5, 1),
        nn.Flatten(),
    )
    net.eval().to(memory_format=torch.channels_last)
    before = copy.deepcopy(net)
    packed = fuse.packed(net, (32, 32), batch)
    assert _kinds(packed)[1:5] == ["FusedConvolution"] * 4
    for size in (1, 3, 16):
        x = torch.randn(size, 3, 32, 32).to(memory_format=torch.channels_last)
        with torch.inference_mode():
            assert torch.allclose(packed(x), before(x), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", [None, *fuse._POST_OPS])
def test_a_convolution_of_one_pixel_is_a_linear_layer_with_the_same_answers(kind):
    activation = [] if kind is None else [getattr(nn, kind)()]
    net = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(3, 8, 1, stride=2), *activation, nn.Flatten()).eval()
    x = 9 * torch.randn(5, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        before = net(x)
        quick = fuse.packed(fuse.fused(net, (16, 16)), (16, 16), 16)
        assert type(quick[1]) is fuse.PointConvolution
        assert torch.allclose(quick(x), before, rtol=1e-5, atol=1e-6)


class _Reads(nn.Module):
    """Its code takes a convolution's weight itself."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)

    def forward(self, x):
        return (self.conv(x) + nn.functional.conv2d(x, self.conv.weight)).mean((2, 3))


class _ReadsNumbers(_Reads):
    def forward(self, x):
        return self.conv(x).mean((2, 3)) + float(self.conv.weight.detach().numpy().sum())


class _Weighted(_Reads):
    """Its weight is made anew at every call."""

    def __init__(self):
        super().__init__()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            nn.utils.weight_norm(self.conv)

    def forward(self, x):
        return self.conv(x).mean((2, 3))


class _OneByOne(_Reads):
    """Images go through without a batch."""

    def forward(self, x):
        return torch.stack([self.conv(one).mean((1, 2)) for one in x])


@pytest.mark.parametrize("make", [_Reads, _ReadsNumbers, _Weighted, _OneByOne])
def test_a_convolution_that_is_used_in_an_odd_way_stays_as_it_is(make):
    net, x = make().eval(), torch.randn(2, 3, 8, 8)
    with torch.no_grad():
        before = net(x)
        assert torch.equal(fuse.packed(net, (8, 8), 2)(x), before)
    assert type(net.conv) is nn.Conv2d and net.conv.weight.layout is torch.strided


def test_an_input_may_be_named():
    class Named(_Reads):
        def forward(self, x):
            return (self.conv(x) + self.conv(input=x)).mean((2, 3))

    net, x = Named().eval(), torch.randn(2, 3, 8, 8)
    with torch.inference_mode():
        before = net(x)
        assert torch.allclose(fuse.packed(net, (8, 8), 2)(x), before, atol=1e-6)
    assert type(net.conv) is fuse.FusedConvolution


def test_a_processor_that_knows_no_order_of_weights_keeps_the_layers(monkeypatch):
    def none(*_):
        raise RuntimeError("could not create a primitive descriptor")

    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3), nn.Flatten()).eval()
    monkeypatch.setattr(fuse, "_in_order", none)
    assert _kinds(fuse.packed(net, (8, 8), 2))[1:] == ["Conv2d", "Conv2d", "Flatten"]


def test_memory_that_gives_out_in_the_check_is_told(monkeypatch):
    def none(*_):
        raise RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes")

    monkeypatch.setattr(watch, "same_answers", none)
    with pytest.raises(RuntimeError, match="not enough memory"):
        fuse.packed(nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten()).eval(), (8, 8), 2)


@pytest.mark.parametrize("kind", fuse._POST_OPS)
def test_every_activation_is_the_one_of_torch(kind):
    activation = getattr(nn, kind)()
    net = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1, stride=2), activation, nn.Flatten()).eval()
    x = 4 * torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        before = net(x)
        quick = fuse.fused(net, (16, 16))
        assert [type(layer).__name__ for layer in quick] == ["FusedConvolution", "Identity", "Flatten"]
        assert torch.allclose(quick(x), before, rtol=1e-5, atol=1e-5)


class _InPlace(nn.Module):
    """A shortcut is added to the convolution's output in place: the activation does not follow the convolution."""

    def __init__(self):
        super().__init__()
        self.conv, self.act = nn.Conv2d(3, 3, 1), nn.ReLU()

    def forward(self, x):
        y = self.conv(x)
        y += x
        return self.act(y).mean((2, 3))


class _Twice(nn.Module):
    """The convolution's output is used beside the activation, too."""

    def __init__(self):
        super().__init__()
        self.conv, self.act = nn.Conv2d(3, 4, 3), nn.SiLU()

    def forward(self, x):
        y = self.conv(x)
        return (self.act(y) + y).mean((2, 3))


class _Shared(nn.Module):
    """One activation for two convolutions."""

    def __init__(self):
        super().__init__()
        self.one, self.other, self.act = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1), nn.ReLU()

    def forward(self, x):
        return self.act(self.other(self.act(self.one(x)))).mean((2, 3))


def _same_padding():
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding="same"), nn.ReLU(), nn.Flatten())


def _tanh_gelu():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.GELU(approximate="tanh"), nn.Flatten())


@pytest.mark.parametrize("make", [_InPlace, _Twice, _Shared, _same_padding, _tanh_gelu])
def test_what_cannot_be_fused_keeps_its_layers(make):
    module = make().eval()
    kinds, x = _kinds(module), torch.randn(2, 3, 8, 8)
    with torch.inference_mode():
        before = module(x)
        same = fuse.fused(module, (8, 8))
        assert torch.equal(same(x), before)
    assert _kinds(same) == kinds


def test_bfloat16_where_the_processor_has_it():
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.SiLU(), nn.Flatten()).eval()
    plain = copy.deepcopy(net).to(torch.bfloat16)
    x = torch.randn(2, 3, 16, 16).to(torch.bfloat16)
    quick = fuse.fused(net, (16, 16)) if fuse.possible("bf16") else net
    with torch.inference_mode():
        assert torch.allclose(quick.to(torch.bfloat16)(x).float(), plain(x).float(), atol=0.05)
