"""Blocks at half resolution, beside others in full and others that are kept."""

from __future__ import annotations

import functools

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from saccade.blocks import FULL, KEEP, LOW, EngineOptions, convert, kernels
from saccade.blocks.steps import ConvolutionStep
from saccade.blocks.tuning import Tuning
from saccade.errors import NetworkError

from .networks import BLOCK, GRID, SIZE, Local, Pair, Small, Statistics, made
from .reference import BLOCKS_ONLY, assert_near
from .two_levels import averaged, convert_with_two_levels, random_levels


class Pyramid(nn.Module):
    """Pooling to a few pixels and back, as in SwiftNet; features and classes are given back."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 7, 2, 3), nn.BatchNorm2d(8), nn.ReLU())
        self.deep = nn.Conv2d(8, 8, 3, 2, 1)
        self.level, self.fuse = nn.Conv2d(8, 4, 1), nn.Conv2d(12, 8, 1)
        self.blend = nn.Conv2d(8, 5, 3, padding=1)

    def forward(self, x):
        x = F.max_pool2d(self.stem(x), 3, 1, 1)
        y = self.deep(x)
        pooled = self.level(F.adaptive_avg_pool2d(y, (2, 3)))
        y = self.fuse(torch.cat((y, F.interpolate(pooled, y.shape[2:], mode="bilinear")), 1))
        y = x + F.interpolate(y, x.shape[2:], mode="bilinear")
        return y, self.blend(y)


class Labels(nn.Module):
    """Classes, pixel by pixel, beside what they are of, with channels last."""

    def __init__(self):
        super().__init__()
        self.stem, self.head = nn.Conv2d(3, 8, 3, 2, 1), nn.Conv2d(8, 4, 3, padding=1)

    def forward(self, x):
        x = self.head(torch.relu(self.stem(x)))
        return x.argmax(1), x.permute(0, 2, 3, 1)


class Attention(nn.Module):
    """Whole values with a number for each pixel: read in windows, and added pixel by pixel."""

    def __init__(self):
        super().__init__()
        self.stem, self.head = nn.Conv2d(3, 8, 4, 4), nn.Conv2d(8, 4, 3, padding=1)

    def forward(self, x):
        x = self.stem(x)
        n, channels, height, width = x.shape
        tokens = x.flatten(2).transpose(1, 2)
        tokens = F.scaled_dot_product_attention(tokens, tokens, tokens)
        y = tokens.transpose(1, 2).reshape(n, channels, height, width)
        return self.head(y) + (x + y).sum(1, keepdim=True)


class Pooled(nn.Module):
    """Context of 4 x 6 cells, whatever the frames are like, beside a map of a quarter of their size."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, stride=4, padding=1)
        self.near = nn.Conv2d(4, 4, 1)

    def forward(self, x):
        x = self.stem(x)
        context = self.near(nn.functional.adaptive_avg_pool2d(x, (4, 6)))
        return x + nn.functional.interpolate(context, size=x.shape[2:], mode="bilinear")


NETWORKS = (Small, Local, Pair, Statistics, Pyramid, Pooled, Labels, Attention)


@functools.cache
def case(make, size=SIZE, dtype=torch.float32):
    module = made(make).to(dtype)
    return module, *convert_with_two_levels(module, torch.zeros(1, 3, *size, dtype=dtype), BLOCK)


def start(make, size=SIZE, dtype=torch.float32):
    module, network, reference = case(make, size, dtype)
    network.forget()
    reference.streams.clear()
    return module, network, reference


def tensors(output):
    return list(output) if isinstance(output, (tuple, list)) else [output]


def filled(action, streams=1, grid=GRID):
    return torch.full((streams, *grid), action, dtype=torch.int8)


def step_both(network, reference, frames, actions, tolerance=1e-5):
    outputs, expected = network.step(frames, actions), reference.step(frames, actions)
    for output, wanted in zip(tensors(outputs), expected, strict=True):
        assert_near(output, wanted, tolerance)


@torch.no_grad()
@pytest.mark.parametrize("make", NETWORKS)
def test_a_video_in_keep_low_and_full_is_that_of_the_slow_reference(make, video, random):
    _, network, reference = start(make)
    for number, frames in enumerate(video):
        actions = random_levels(random, 3, GRID)
        if number % 5 == 3:
            actions[actions == LOW] = FULL  # a frame at one resolution
        step_both(network, reference, frames, actions)
        if number:
            assert torch.equal(network.executed, actions)


@torch.no_grad()
@pytest.mark.parametrize("make", [Small, Local, Pyramid])
def test_a_rim_is_all_that_others_see_of_a_block(make, video, random, monkeypatch):
    _, network, reference = start(make)
    network.halve()
    rims = [
        p.rim for p in network._levels.pairs.values() if p.rim and p.half and min(p.level.cell) >= 2 * p.rim
    ]
    assert rims
    monkeypatch.setattr("saccade.blocks.pair.LEAST_RIMS", 2)
    for number, frames in enumerate(video[:6]):
        actions = random_levels(random, 3, GRID)
        if number == 3:
            actions[actions == LOW] = FULL  # the partners are made anew after it
        step_both(network, reference, frames, actions)


@torch.no_grad()
@pytest.mark.parametrize("size", [(37, 51), (36, 60)], ids=str)
@pytest.mark.parametrize("make", [Small, Pyramid])
def test_frames_of_any_size(make, size, random):
    _, network, reference = start(make, size)
    for _ in range(4):
        frames = torch.randn(2, 3, *size, generator=random)
        step_both(network, reference, frames, random_levels(random, 2, network.grid.shape))


class Square(nn.Module):
    """Pools to cells that are about square: how many depends on the shape of the map."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.Conv2d(4, 4, 3, 2, 1))

    def forward(self, x):
        x = self.stem(x)
        grid = 2, round(2 * x.shape[3] / x.shape[2])
        return F.interpolate(F.adaptive_avg_pool2d(x, grid), x.shape[2:], mode="bilinear")


@torch.no_grad()
def test_whole_values_of_another_shape_at_half_resolution_are_resized_to_it(random):
    """A map of 12x15 pixels is pooled to 2x2, and one of 6x8 to 2x3."""
    module = made(Square)
    frames = torch.randn(1, 3, 48, 60, generator=random)
    network = convert(module, frames, BLOCK, levels=2)
    found = network.step(frames, filled(LOW))
    half = module.stem(F.avg_pool2d(frames, 2, ceil_mode=True))
    canvas = half.repeat_interleave(2, 2).repeat_interleave(2, 3)[:, :, :12, :15]
    pooled = F.interpolate(F.adaptive_avg_pool2d(canvas, (2, 2)), (2, 3), mode="bilinear")
    half = F.interpolate(pooled, (6, 8), mode="bilinear")
    assert_near(found, F.interpolate(half, scale_factor=2.0, mode="bilinear")[:, :, :12, :15], 1e-5)


@torch.no_grad()
def test_streams_come_and_go(video, random):
    _, network, reference = start(Small)
    for frames, streams in zip(video, (1, 3, 2, 2, 3, 1, 2, 3), strict=False):
        step_both(network, reference, frames[:streams], random_levels(random, streams, GRID))
    network.drop([1])
    del reference.streams[1]
    step_both(network, reference, video[9, :2], random_levels(random, 2, GRID))


@torch.no_grad()
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.bfloat16, 0.05), (torch.float16, 0.005)])
def test_short_floats(dtype, tolerance, video, random):
    _, network, reference = start(Local, dtype=dtype)
    for frames in video[:4].to(dtype):
        step_both(network, reference, frames, random_levels(random, 3, GRID), tolerance)


@torch.no_grad()
@pytest.mark.parametrize("make", [Small, Local, Statistics, Attention])
def test_all_blocks_low_are_the_network_on_the_averaged_frame(make, video):
    module, network, _ = start(make)
    for frames in video[:2]:
        outputs = tensors(network.step(frames, filled(LOW, 3)))
        for output, small in zip(outputs, tensors(module(averaged(frames))), strict=True):
            assert_near(output, F.interpolate(small, scale_factor=2.0, mode="bilinear"))


@torch.no_grad()
@pytest.mark.parametrize("make", NETWORKS)
def test_all_blocks_full_are_the_network_whatever_was_low_before(make, video, random):
    module, network, _ = start(make)
    network.step(video[0], random_levels(random, 3, GRID))
    outputs = tensors(network.step(video[1], filled(FULL, 3)))
    for output, expected in zip(outputs, tensors(module(video[1])), strict=True):
        assert_near(output, expected)


@torch.no_grad()
def test_a_kept_block_stays_as_it_is_to_the_bit(video):
    _, network, _ = start(Local)
    before = network.step(video[0, :1], filled(LOW))
    actions = filled(LOW)
    actions[0, 1, 1:3] = KEEP
    after = network.step(video[1, :1], actions)
    assert torch.equal(after[:, :, 16:32, 16:48], before[:, :, 16:32, 16:48])
    assert (after != before)[:, :, :, :16].any()


@torch.no_grad()
def test_a_saved_state_needs_nothing_of_the_half_resolution(video, random):
    module, network, _ = start(Pair)
    other = convert(module, video[0], BLOCK, options=BLOCKS_ONLY)
    for frames in video[:3]:
        network.step(frames, random_levels(random, 3, GRID))
    other.set_state(network.get_state())
    assert other.cost == network.cost
    for frames in video[3:5]:
        actions = random_levels(random, 3, GRID)
        for mine, theirs in zip(other.step(frames, actions), network.step(frames, actions), strict=True):
            assert_near(mine, theirs)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_frames_with_and_without_inference_mode_in_turns(mode, video, random):
    _, network, reference = start(Small)
    for number, frames in enumerate(video[:6]):
        actions = random_levels(random, 3, GRID)
        with mode() if number % 2 else torch.enable_grad():
            outputs = network.step(frames, actions)
        with torch.no_grad():
            (expected,) = reference.step(frames, actions)
        assert_near(outputs, expected)


class Neighbours(nn.Sequential):
    """The pixel at the left."""

    def __init__(self):
        super().__init__(nn.Conv2d(1, 1, (1, 3), padding=(0, 1), bias=False))
        self[0].weight.data = torch.tensor([[[[1.0, 0.0, 0.0]]]])


class Twice(nn.Sequential):
    """The pixel two to the left, by two convolutions; the second one sees a canvas of this frame."""

    def __init__(self):
        super().__init__(Neighbours(), Neighbours())


PER_BLOCK = EngineOptions(dense_above=2.0, bilinear="per_block")
"""A low block's pixels a, b become a, 3/4 a + 1/4 b, 1/4 a + 3/4 b, b."""

ROW = [4.0, 8.0, 16.0, 32.0, 1.0, 3.0, 5.0, 9.0]
"""Two blocks of four pixels; their means by two are 6, 24 and 2, 7."""


@torch.no_grad()
@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        (FULL, FULL, [0.0, 4.0, 8.0, 16.0, 32.0, 1.0, 3.0, 5.0]),
        (LOW, FULL, [0.0, 1.5, 4.5, 6.0, 24.0, 1.0, 3.0, 5.0]),  # low is 0, 6; 24 is the pixel beside full
        (FULL, LOW, [0.0, 4.0, 8.0, 16.0, 24.0, 18.5, 7.5, 2.0]),  # low is 24 (the mean of 16, 32), 2
        (LOW, LOW, [0.0, 1.5, 4.5, 6.0, 24.0, 18.5, 7.5, 2.0]),
    ],
)
def test_halos_between_resolutions_by_hand(left, right, expected):
    network = convert(Neighbours(), torch.zeros(1, 1, 4, 8), 4, options=PER_BLOCK)
    frames = torch.tensor(ROW).expand(1, 1, 4, 8)
    output = network.step(frames, torch.tensor([[[left, right]]], dtype=torch.int8))
    assert torch.equal(output, torch.tensor(expected).expand(1, 1, 4, 8))


@pytest.mark.parametrize("actions", [(FULL, LOW), (LOW, FULL), (LOW, LOW), (FULL, FULL)])
def test_gradients_of_halos_split_and_combine_are_those_of_small_differences(actions, random):
    network = convert(Twice().double(), torch.zeros(1, 1, 4, 8, dtype=torch.float64), 4, options=BLOCKS_ONLY)
    wanted = torch.tensor([[actions]], dtype=torch.int8)

    def step(frames):
        network.forget()
        return network.step(frames, wanted)

    frames = torch.randn(1, 1, 4, 8, generator=random, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(step, frames)


@pytest.mark.parametrize("make", [Small, Pyramid, Statistics])
def test_gradients_are_those_of_the_slow_reference(make, video, random):
    _, network, reference = start(make, dtype=torch.float64)
    for frames in video[:3].double():
        actions = random_levels(random, 3, GRID)
        frames = frames.clone().requires_grad_()
        for canvases in reference.streams:
            canvases.update({name: value.detach() for name, value in canvases.items()})
        expected = reference.step(frames, actions)
        outputs = tensors(network.step(frames, actions))
        found, wanted = (
            torch.autograd.grad(sum((v * v.detach().cos()).sum() for v in values), frames)[0]
            for values in (outputs, expected)
        )
        assert_near(found, wanted, 1e-12)


@torch.no_grad()
@pytest.mark.parametrize("way", ["matrix", "map"])
def test_other_ways_to_run_convolutions(way, video, random):
    _, network, reference = start(Small)
    network.halve()
    half = network._levels.half
    names = [s.name for s in half.steps if isinstance(s, ConvolutionStep) and s.can_be_matrix]
    half.use(Tuning(matrix=tuple(names)) if way == "matrix" else Tuning(map_from=dict.fromkeys(names, 1)))
    for frames in video[:3]:
        step_both(network, reference, frames, random_levels(random, 3, GRID))
    half.use(Tuning())


@torch.no_grad()
@pytest.mark.skipif(kernels.winograd() is None, reason="needs the C kernels")
def test_low_blocks_by_winograd(video, random):
    _, network, reference = start(Local)
    network.halve()
    half = network._levels.half
    (near,) = [s for s in half.steps if isinstance(s, ConvolutionStep) and s.can_be_winograd]
    half.use(Tuning(winograd=(near.name,)))
    for frames in video[:3]:
        step_both(network, reference, frames, random_levels(random, 3, GRID))
    half.use(Tuning())


class Plain(nn.Module):
    """A stem, a gate of the whole map, a head."""

    def __init__(self):
        super().__init__()
        self.stem, self.gate, self.head = nn.Conv2d(3, 4, 3, 2, 1), nn.Conv2d(4, 4, 1), nn.Conv2d(4, 2, 1)

    def forward(self, x):
        x = self.stem(x)
        return self.head(x * self.gate(x.mean((2, 3), keepdim=True)))


@torch.no_grad()
def test_low_blocks_cost_a_quarter(random):
    network = convert(made(Plain), torch.zeros(1, 3, 32, 64), 16, options=BLOCKS_ONLY)
    assert network.plan.macs_per_low_block is None
    actions = torch.zeros(2, 2, 4, dtype=torch.int8)
    actions[0, 0, :3], actions[0, 1, :2] = LOW, FULL
    frames = torch.randn(2, 3, 32, 64, generator=random)
    network.step(frames, actions)
    network.step(frames, actions)
    block, gate = 8 * 8 * (4 * 27 + 2 * 4), 16
    assert network.cost.block == 2 * block + 3 * block // 4
    assert network.cost.whole == gate  # of one stream
    assert network.cost.halo == 0
    assert network.cost.dense == 2 * (8 * block + gate)
    plan = network.plan
    assert plan.macs_per_low_block == plan.macs_per_block / 4 == block / 4
    # The stem looks beyond blocks of the frame, the gate at all of the full map; the head is given back.
    assert plan.low_canvas_bytes == 4 * (16 * 32 * 3 + 8 * 16 * 2)
    assert plan.canvas_bytes == 4 * (32 * 64 * 3 + 16 * 32 * (4 + 2)) + plan.low_canvas_bytes


@torch.no_grad()
def test_a_frame_that_costs_more_than_it_saves_is_dense(video):
    module = made(Small)
    other = convert(module, video[0], BLOCK, options=EngineOptions(dense_above=0.5))
    actions = filled(LOW)
    actions.view(-1)[:5] = FULL  # of twelve: as much as 6.75 full blocks
    assert_near(other.step(video[0, :1], actions), module(video[0, :1]))
    assert torch.equal(other.executed, filled(FULL))
    actions.view(-1)[3:5] = LOW  # 5.25
    other.step(video[1, :1], actions)
    assert torch.equal(other.executed, actions)


@pytest.mark.parametrize(
    ("block", "message"),
    [
        (15, r"blocks of 15 pixels are 15 pixels wide or high in the frames.* multiple of \d"),
        (6, "which has no half: for low resolution convert with a block_size that is a multiple of 8"),
    ],
)
def test_blocks_that_cannot_be_halved_are_refused(block, message, video):
    module = made(Small)
    with pytest.raises(NetworkError, match=message):
        convert(module, video[0], block, levels=2)
    network = convert(module, video[0, :1], block)
    output = network.dense(video[0, :1])
    with pytest.raises(NetworkError, match=message):
        network.step(video[1, :1], filled(LOW, 1, network.grid.shape))
    assert torch.equal(network.step(video[1, :1], filled(KEEP, 1, network.grid.shape)), output)


class Coarse(nn.Module):
    """A map of 9 x 12 pixels, whatever the frames are like."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1)

    def forward(self, x):
        return self.stem(nn.functional.interpolate(x, size=(9, 12)))


def test_frames_that_are_too_small_for_a_map_of_the_network_are_refused():
    with pytest.raises(NetworkError, match=r"3 pixels wide or high in .* low resolution use larger frames"):
        convert(made(Coarse), torch.zeros(1, 3, 24, 32), 8, levels=2)


@torch.no_grad()
@pytest.mark.parametrize("size", [(64, 96), (56, 100), (48, 72)])
def test_maps_of_a_size_of_their_own_are_executed_as_a_whole(size):
    network = made(Pooled)
    frames = torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(0))
    converted = convert(network, frames, 32, levels=2)
    rows, columns = -(-size[0] // 32), -(-size[1] // 32)
    full = torch.full((1, rows, columns), FULL, dtype=torch.int8)
    torch.testing.assert_close(converted.step(frames, full), network(frames), rtol=1e-5, atol=1e-5)
    low = converted.step(frames, torch.full_like(full, LOW))
    # What is pooled is pooled from the map, in which each pixel at half resolution is there four times.
    small = network.stem(F.avg_pool2d(frames, 2, ceil_mode=True))
    height, width = network.stem(frames).shape[2:]
    map = F.interpolate(small, scale_factor=2.0, mode="nearest")[:, :, :height, :width]
    context = network.near(F.adaptive_avg_pool2d(map, (4, 6)))
    small = small + F.interpolate(context, size=small.shape[2:], mode="bilinear")
    wanted = F.interpolate(small, scale_factor=2.0, mode="bilinear")[:, :, :height, :width]
    torch.testing.assert_close(low, wanted, rtol=1e-5, atol=1e-5)


def test_maps_of_a_size_of_their_own_that_were_cut_into_blocks_are_refused():
    network = convert(made(Pooled), torch.zeros(1, 3, 64, 96), 32)
    message = "a map of 4x6 pixels of frames of 64x96 and of 32x48, .* convert the network with levels=2"
    with pytest.raises(NetworkError, match=message):
        network.step(torch.zeros(1, 3, 64, 96), torch.full((1, 2, 3), LOW, dtype=torch.int8))


class Trimmed(nn.Module):
    """Resizes frames to 16 rows and columns fewer, which is another share of a frame of half the size."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1)

    def forward(self, x):
        return self.stem(nn.functional.interpolate(x, size=[side - 16 for side in x.shape[2:]]))


@pytest.mark.parametrize(
    ("size", "message"),
    [
        ((64, 64), "of 48x48 pixels should be one of 24x24 .*, 32x32, and is one of 16x16; larger frames or"),
        (
            (64, 72),
            "of 48x56 pixels should be one of 24x28 .* of 16x20; frames whose sides are multiples",
        ),
    ],
)
def test_maps_that_are_not_halved_are_refused(size, message):
    with pytest.raises(NetworkError, match=message):
        convert(made(Trimmed), torch.zeros(1, 3, *size), 16, levels=2)


class Fitting(nn.Module):
    """Pads what cannot be halved, so that for frames of half the size it does something else."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1)

    def forward(self, x):
        if x.shape[2] % 8:
            x = torch.relu(x)
        return self.stem(x)


def test_networks_that_are_others_at_half_the_size_are_refused(video):
    with pytest.raises(NetworkError, match="for frames of half the size this network does something else"):
        convert(made(Fitting), video[0], BLOCK, levels=2)


def test_weights_that_changed_are_refused(video):
    module = made(Local)
    network = convert(module, video[0, :1], BLOCK)
    with torch.no_grad():
        module.near.weight.mul_(2)
    with pytest.raises(NetworkError, match="weights of near are no longer those"):
        network.step(video[0, :1], filled(LOW))
