"""Folding batch normalisation changes no answer, and leaves alone what it must not touch."""

import copy

import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

from analysis.vision import fold, zoo  # noqa: E402


def _norms(module):
    return [part for part in module.modules() if isinstance(part, nn.BatchNorm2d)]


def _trained(module):
    """Running means and variances of a network that has seen data: with those of a fresh one folding is trivial."""
    generator = torch.Generator().manual_seed(1)
    for norm in _norms(module):
        norm.running_mean.copy_(torch.randn(norm.num_features, generator=generator) * 0.1)
        norm.running_var.copy_(torch.rand(norm.num_features, generator=generator) + 0.5)
        if norm.affine:
            norm.weight.data.copy_(torch.rand(norm.num_features, generator=generator) + 0.5)
            norm.bias.data.copy_(torch.randn(norm.num_features, generator=generator) * 0.1)
    return module.eval()


@pytest.mark.parametrize("name", ["mobilenetv3_small_050", "lcnet_050", "regnety_002", "resnet10t", "convnext_atto"])
def test_the_answers_stay_and_the_norms_go(name):
    module = _trained(zoo.load(f"timm-random/{name}").module)
    x = torch.randn(3, 3, 224, 224, generator=torch.Generator().manual_seed(2))
    with torch.inference_mode():
        before, features = zoo.forward(module, x, True)
        small = fold.folded(copy.deepcopy(module), (224, 224))
        after, theirs = zoo.forward(small, x, True)
    assert _norms(small) == []
    assert torch.allclose(after, before, rtol=1e-4, atol=float(before.abs().max()) * 1e-5)
    assert torch.allclose(theirs, features, rtol=1e-4, atol=float(features.abs().max()) * 1e-5)


class _Twice(nn.Module):
    """The convolution's output is used beside the normalisation: folding would change the answer."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.head = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 2)

    def forward(self, x):
        y = self.conv(x)
        return self.head((self.norm(y) + y).mean((2, 3)))


class _Shared(nn.Module):
    """One convolution under two normalisations."""

    def __init__(self):
        super().__init__()
        self.conv, self.one, self.other = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3), nn.BatchNorm2d(3)

    def forward(self, x):
        return self.other(self.conv(self.one(self.conv(x)))).mean((2, 3))


@pytest.mark.parametrize("kind", [_Twice, _Shared])
def test_what_cannot_be_folded_keeps_its_layers(kind):
    module = _trained(kind())
    x = torch.randn(2, 3, 8, 8)
    with torch.inference_mode():
        before = module(x)
        same = fold.folded(module, (8, 8))
        assert torch.equal(same(x), before)
    assert len(_norms(same)) == len(_norms(kind()))


def test_a_norm_without_affine_weights_and_a_convolution_with_bias():
    module = _trained(nn.Sequential(nn.Conv2d(3, 5, 3, bias=True), nn.BatchNorm2d(5, affine=False), nn.Flatten()))
    x = torch.randn(2, 3, 6, 6)
    with torch.inference_mode():
        before = module(x)
        small = fold.folded(module, (6, 6))
        assert torch.allclose(small(x), before, rtol=1e-4, atol=1e-5)
    assert _norms(small) == []


def test_a_norm_of_the_batch_at_hand_is_left():
    module = nn.Sequential(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5, track_running_stats=False), nn.Flatten()).eval()
    assert len(_norms(fold.folded(module, (6, 6)))) == 1
