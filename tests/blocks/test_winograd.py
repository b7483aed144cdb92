"""Networks whose 3x3 convolutions run by Winograd's algorithm, against themselves and the slow reference."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest
import torch
from torch import nn

from saccade.blocks import FULL, EngineOptions
from saccade.blocks.steps import ConvolutionStep

from .reference import assert_near, convert_with_reference, random_actions

pytestmark = pytest.mark.skipif(not any(map(shutil.which, ("cc", "gcc", "clang"))), reason="no C compiler")


class Residual(nn.Module):
    """A convolution, an addition and an activation, in one step; with others around."""

    def __init__(self, activation, dilation=1):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.one = nn.Conv2d(8, 12, 3, padding=dilation, dilation=dilation)
        self.two = nn.Conv2d(12, 8, 3, padding=dilation, dilation=dilation)
        self.head = nn.Conv2d(8, 5, 3, padding=1)
        self.activation = activation

    def forward(self, x):
        x = self.activation(self.stem(x))
        return self.head(self.activation(x + self.two(self.activation(self.one(x)))))


def by_winograd(network):
    """Every convolution that can be runs by Winograd's algorithm."""
    names = tuple(step.name for step in network.steps if isinstance(step, ConvolutionStep))
    network.use(replace(network.tuning, winograd=names))
    return network


def frames_of(size, streams=2, count=4):
    random = torch.Generator().manual_seed(0)
    return [torch.randn(streams, 3, *size, generator=random) for _ in range(count)]


@torch.no_grad()
@pytest.mark.parametrize("activation", [nn.ReLU(), nn.ReLU6(), nn.SiLU()])
@pytest.mark.parametrize(
    ("size", "block", "dilation"), [((64, 96), 32, 1), ((72, 88), 32, 1), ((64, 64), 16, 2)]
)
def test_all_and_some_blocks(activation, size, block, dilation):
    torch.manual_seed(0)
    module = Residual(activation, dilation).eval()
    frames = frames_of(size)
    network, reference = convert_with_reference(module, frames[0], block)
    by_winograd(network)
    assert [s.execution for s in network.plan.steps].count("winograd") == 3
    everything = torch.full((2, *network.grid.shape), FULL, dtype=torch.int8)
    assert_near(network.step(frames[0], everything), module(frames[0]))
    reference.step(frames[0], everything > 0)
    random = torch.Generator().manual_seed(1)
    for frame in frames[1:]:
        actions = random_actions(random, 2, network.grid.shape)
        (expected,) = reference.step(frame, actions > 0)
        assert_near(network.step(frame, actions), expected)
    network.options = EngineOptions()
    by_winograd(network)  # and in dense frames
    for frame in frames:
        assert_near(network.step(frame, everything), module(frame))


@torch.no_grad()
def test_blocks_are_the_same_as_in_dense_frames():
    """With cells of whole tiles and nothing but such convolutions, to the bit."""
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 4, 3, padding=1)).eval()
    (frame, *_) = frames_of((32, 48), streams=1)
    network, _ = convert_with_reference(module, frame, 16, EngineOptions(dense_above=1.0))
    by_winograd(network)
    everything = torch.full((1, 2, 3), FULL, dtype=torch.int8)
    dense = network.step(frame, everything)
    some = everything.clone()
    some[0, 1, ::2] = 0
    assert torch.equal(network.step(frame, some), dense)


@torch.no_grad()
def test_bfloat16():
    torch.manual_seed(0)
    module = Residual(nn.ReLU()).eval().bfloat16()
    (frame, *_) = frames_of((64, 96), streams=1)
    network, _ = convert_with_reference(module, frame.bfloat16(), 32)
    by_winograd(network)
    result = network.step(frame.bfloat16(), torch.full((1, 2, 3), FULL, dtype=torch.int8))
    assert result.dtype is torch.bfloat16
    exact = module.float()(frame.bfloat16().float())
    assert (result.float() - exact).abs().max() < 0.02 * exact.abs().max()


def test_gradients_take_the_plain_way():
    torch.manual_seed(0)
    module = Residual(nn.ReLU()).eval()
    (frame, *_) = frames_of((64, 96), streams=1)
    network, _ = convert_with_reference(module, frame, 32)
    by_winograd(network)
    everything = torch.full((1, 2, 3), FULL, dtype=torch.int8)
    gradients = []
    for forward in (module, lambda x: network.step(x, everything)):
        x = frame.clone().requires_grad_()
        forward(x).square().sum().backward()
        gradients.append(x.grad)
    assert_near(gradients[1], gradients[0])


@pytest.mark.parametrize(
    "convolution",
    [
        nn.Conv2d(3, 4, 3, stride=2, padding=1),
        nn.Conv2d(3, 6, 3, padding=1, groups=3),
        nn.Conv2d(3, 4, 5, padding=2),
        nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect"),
        nn.Conv2d(3, 4, 3, padding=(1, 2), dilation=(1, 2)),
        nn.Conv2d(3, 4, 3, padding=1, dtype=torch.float64),
    ],
)
def test_other_convolutions_stay_as_they_are(convolution):
    frame = torch.randn(1, 3, 32, 32, dtype=convolution.weight.dtype)
    network, _ = convert_with_reference(convolution.eval(), frame, 16)
    by_winograd(network)
    assert "winograd" not in {step.execution for step in network.plan.steps}
