"""Gradients with respect to the frames, through windows, blocks and canvases."""

from __future__ import annotations

import functools

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from saccade.blocks import FULL, EngineOptions

from .reference import assert_near, convert_with_reference, random_actions

SIZE, BLOCK, GRID = (10, 13), 4, (3, 4)
"""Blocks at the bottom and at the right are cut off."""


class Residual(nn.Module):
    """Convolutions with what is made part of them, and sums that may take the memory of their parts."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(2, 4, 3, padding=1)
        self.one, self.other = nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)

    def forward(self, x):
        x = F.silu(self.stem(x))
        x = torch.tanh(self.norm(self.other(F.gelu(self.one(x)))) + x)
        return (x * 2).sigmoid()


class Scales(nn.Module):
    """A coarser branch, enlarged in several ways, beside what it is made of."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(2, 4, 3, padding=1)
        self.down = nn.Conv2d(4, 4, 3, 2, 1)
        self.up = nn.ConvTranspose2d(4, 2, 4, 2, 1)
        self.head = nn.Conv2d(10, 2, 1)

    def forward(self, x):
        x = self.stem(x)
        y = torch.tanh(self.down(x))
        size = x.shape[2:]
        parts = (
            F.interpolate(y, size, mode="bilinear", align_corners=True),
            F.pad(self.up(y), (0, size[1] - 2 * y.shape[3], 0, size[0] - 2 * y.shape[2])),
            F.interpolate(F.avg_pool2d(x, 2), size, mode="bicubic"),
        )
        return self.head(torch.cat(parts, 1))


class Statistics(nn.Module):
    """Gates and norms by the whole map."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(2, 4, 3, padding=1, padding_mode="reflect")
        self.norm = nn.GroupNorm(2, 4)
        self.gate = nn.Conv2d(4, 4, 1)

    def forward(self, x):
        x = self.norm(self.stem(x))
        return x * self.gate(x.mean((2, 3), keepdim=True)).sigmoid(), x.amax((2, 3))


class Neighbours(nn.Module):
    """Everything else that looks at neighbours: pools, far taps, groups, crops, pixels that change places."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(2, 4, 3, padding=1)
        self.far = nn.Conv2d(4, 4, 3, padding=6, dilation=6)
        self.deep = nn.Conv2d(4, 4, 3, padding=1, groups=4)

    def forward(self, x):
        x = F.max_pool2d(self.stem(x), 3, 1, 1)
        x = F.leaky_relu(self.far(x) + x) + F.avg_pool2d(self.deep(x), 3, 1, 1, count_include_pad=False)
        return F.pad(x, (-1, 0, 0, 0), mode="replicate")[:, :, :, :-1] + x[:, :, :, 2:]


class Mask(nn.Module):
    """What follows a threshold, where gradients end, added to what has gradients."""

    def __init__(self):
        super().__init__()
        self.near, self.mask = nn.Conv2d(2, 4, 3, padding=1), nn.Conv2d(2, 4, 3, padding=1)

    def forward(self, x):
        return torch.relu(self.mask((x > 0).to(x)) + self.near(x).tanh())


MODULES = (Residual, Scales, Statistics, Neighbours, Mask)


@functools.cache
def case(make):
    """A module of doubles, converted, and the reference for it."""
    torch.manual_seed(0)
    module = make().eval().double()
    return module, *convert_with_reference(module, torch.zeros(1, 2, *SIZE, dtype=torch.float64), BLOCK)


def start(make, dense_above=2.0):
    module, network, reference = case(make)
    network.forget()
    network.options = EngineOptions(dense_above=dense_above)
    network.use(network.tuning)
    reference.streams.clear()
    return module, network, reference


@pytest.fixture
def video(random):
    """Frames of two streams ``(5, 2, 2, H, W)``."""
    return torch.randn(5, 2, 2, *SIZE, generator=random, dtype=torch.float64)


def tensors(output):
    return list(output) if isinstance(output, (tuple, list)) else [output]


def weighed(outputs):
    """A number that depends on all outputs, and on each pixel in another way."""
    return sum((v * torch.arange(v.numel()).view(v.shape).cos()).sum() for v in tensors(outputs))


def gradient(outputs, frames):
    (found,) = torch.autograd.grad(weighed(outputs), frames)
    return found


@pytest.mark.parametrize("make", MODULES)
@pytest.mark.parametrize("streams", [1, 2])
def test_gradients_of_all_blocks_are_those_of_the_module(make, streams, video):
    everything = torch.full((streams, *GRID), FULL, dtype=torch.int8)
    for dense_above in (1.0, 2.0):
        module, network, _ = start(make, dense_above)
        for frames in video[:3, :streams]:
            frames = frames.clone().requires_grad_()
            expected = gradient(module(frames), frames)
            assert_near(gradient(network.step(frames, everything), frames), expected, 1e-12)


@pytest.mark.parametrize("make", MODULES)
def test_gradients_of_single_precision(make, video):
    """Where no gradients are wanted, other kernels run, which have none."""
    torch.manual_seed(0)
    module, frames = make().eval(), video[0].float()
    network, _ = convert_with_reference(module, frames, BLOCK)
    everything = torch.full((2, *GRID), FULL, dtype=torch.int8)
    for dense_above in (1.0, 2.0):
        network.options = EngineOptions(dense_above=dense_above)
        network.use(network.tuning)
        network.step(frames, everything)
        wanted = frames.clone().requires_grad_()
        outputs = network.step(wanted, everything)
        assert_near(gradient(outputs, wanted), gradient(module(wanted), wanted))


@pytest.mark.parametrize("make", MODULES)
def test_gradients_of_some_blocks_are_those_of_the_slow_reference(make, video, random):
    _, network, reference = start(make)
    for frames in video:
        actions = random_actions(random, 2, GRID)
        frames = frames.clone().requires_grad_()
        for canvases in reference.streams:
            canvases.update({name: detached(value) for name, value in canvases.items()})
        expected = reference.step(frames, actions > 0)
        outputs = tensors(network.step(frames, actions))
        for output, wanted in zip(outputs, expected, strict=True):
            assert_near(output, wanted, 1e-12)
        assert_near(gradient(outputs, frames), gradient(expected, frames), 1e-12)


def detached(value):
    return [detached(v) for v in value] if isinstance(value, (list, tuple)) else value.detach()


@pytest.mark.parametrize("make", MODULES)
def test_gradients_of_some_blocks_are_those_of_small_differences(make, video, random):
    _, network, _ = start(make)
    with torch.no_grad():
        network.step(video[0, :1], torch.full((1, *GRID), FULL, dtype=torch.int8))
    state, actions = network.get_state(), random_actions(random, 1, GRID)
    assert 0 < actions.count_nonzero() < actions.numel()

    def step(frames):
        network.set_state(state)
        return tuple(tensors(network.step(frames, actions)))

    # Along random directions, for all pixels one after the other take their time.
    assert torch.autograd.gradcheck(step, video[1, :1].clone().requires_grad_(), fast_mode=True)


def test_pixels_that_no_executed_block_sees_have_no_gradient(video):
    _, network, _ = start(Residual)
    network.step(video[0], torch.full((2, *GRID), FULL, dtype=torch.int8))
    actions = torch.zeros(2, *GRID, dtype=torch.int8)
    actions[1, 1, 2] = 2
    frames = video[1].clone().requires_grad_()
    found = gradient(network.step(frames, actions), frames)
    seen = found[1, :, 4:8, 8:12]
    assert (seen != 0).all()
    assert found.count_nonzero() == seen.numel()  # neighbours are as an earlier frame left them


def test_gradients_end_at_the_frame_before(video):
    _, network, _ = start(Scales)
    earlier, later = (frames.clone().requires_grad_() for frames in video[:2])
    actions = torch.zeros(2, *GRID, dtype=torch.int8)
    actions[:, 0] = 2
    network.step(earlier, actions)
    output = network.step(later, actions)
    found = torch.autograd.grad(weighed(output), (earlier, later), allow_unused=True)
    assert found[0] is None
    assert found[1].count_nonzero() > 0


@pytest.mark.parametrize("make", MODULES)
@pytest.mark.parametrize("dense_above", [1.0, 2.0])
def test_later_frames_leave_gradients_as_they_are(make, dense_above, video, random):
    _, network, _ = start(make, dense_above)
    frames = video[0].clone().requires_grad_()
    everything = torch.full((2, *GRID), FULL, dtype=torch.int8)
    expected = gradient(network.step(frames, everything), frames)
    network.forget()
    outputs = network.step(frames, everything)
    with torch.no_grad():
        for later in video[1:]:
            network.step(later, random_actions(random, 2, GRID))
            network.step(later, everything)
    assert torch.equal(gradient(outputs, frames), expected)


@pytest.mark.parametrize("make", MODULES)
def test_frames_with_gradients_are_remembered_like_others(make, video, random):
    _, network, _ = start(make)
    actions = [random_actions(random, 2, GRID) for _ in video]
    with torch.no_grad():
        expected = [tensors(network.step(*both)) for both in zip(video, actions, strict=True)]
    network.forget()
    for number, (frames, asked) in enumerate(zip(video, actions, strict=True)):
        outputs = tensors(network.step(frames.clone().requires_grad_(number % 2 == 0), asked))
        for output, wanted in zip(outputs, expected[number], strict=True):
            assert_near(output, wanted, 1e-12)
