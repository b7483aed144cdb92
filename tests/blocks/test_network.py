"""Converted networks from outside: videos, streams, state, what goes in and comes out, and errors."""

from __future__ import annotations

import copy
import functools
import inspect
import io
import math
from collections import namedtuple
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
import torch.utils._pytree as pytree
from torch import nn

from saccade.blocks import FULL, KEEP, EngineOptions, convert
from saccade.blocks.tuning import Tuning
from saccade.errors import NetworkError

from .reference import BLOCKS_ONLY, assert_near, convert_with_reference, random_actions

SIZE, BLOCK, GRID = (40, 56), 16, (3, 4)
"""Blocks at the bottom and at the right are cut off."""


class Small(nn.Module):
    """Features at half size, gates of the whole map, a coarser branch; classes in full size."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU())
        self.near, self.coarse = nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, 8, 3, 2, 1)
        self.gate = nn.Conv2d(8, 8, 1)
        self.head = nn.Conv2d(16, 5, 1)

    def forward(self, x):
        x = self.stem(x)
        x = torch.relu(x + self.near(x))
        x = x * self.gate(F.adaptive_avg_pool2d(x, 1)).sigmoid()
        coarse = F.interpolate(self.coarse(x), size=x.shape[2:], mode="bilinear", align_corners=False)
        return F.interpolate(self.head(torch.cat((x, coarse), 1)), scale_factor=2.0, mode="bilinear")


class Local(nn.Module):
    """Nothing that looks at the whole map."""

    def __init__(self):
        super().__init__()
        self.stem, self.near = nn.Conv2d(3, 8, 3, 2, 1), nn.Conv2d(8, 8, 3, padding=1)

    def forward(self, x):
        x = F.leaky_relu(self.stem(x))
        x = F.max_pool2d(x + self.near(x), 3, 1, 1)
        return F.interpolate(x, scale_factor=2.0, mode="bilinear")


class Pair(Small):
    """A map, and a vector of the whole map."""

    def forward(self, x):
        x = super().forward(x)
        return x, x.mean((2, 3))


class Corners(nn.Sequential):
    """Enlarged by a factor that is not whole, which blocks do with matrices."""

    def __init__(self):
        super().__init__(nn.Conv2d(3, 4, 3, padding=1), nn.UpsamplingBilinear2d((65, 91)))


class Statistics(nn.Sequential):
    """A norm by the whole map, which makes all of it what one pixel of it is: not a number."""

    def __init__(self):
        super().__init__(nn.Conv2d(3, 8, 3, padding=1), nn.GroupNorm(2, 8), nn.Conv2d(8, 4, 3, padding=1))


@pytest.fixture
def random():
    return torch.Generator().manual_seed(1)


@pytest.fixture
def video(random):
    """Frames of three streams ``(12, 3, 3, H, W)``."""
    return torch.randn(12, 3, 3, *SIZE, generator=random)


def made(make):
    """A module with the same weights each time."""
    torch.manual_seed(0)
    return make().eval()


def converted(module, options=BLOCKS_ONLY):
    return convert(module, torch.zeros(1, 3, *SIZE), BLOCK, options=options)


@functools.cache
def case(make):
    """A module, converted once for all tests, and the reference for it."""
    module = made(make)
    return module, *convert_with_reference(module, torch.zeros(1, 3, *SIZE), BLOCK)


def start(make, dense_above=2.0):
    """A module, its network and its reference, before the first frame."""
    module, network, reference = case(make)
    network.forget()
    network.options = replace(network.options, dense_above=dense_above)
    network.use(Tuning())
    reference.streams.clear()
    return module, network, reference


def nothing(streams=1):
    return torch.full((streams, *GRID), KEEP, dtype=torch.int8)


def everything(streams=1):
    return torch.full((streams, *GRID), FULL, dtype=torch.int8)


def pixels(actions):
    """``(N, 1, H, W)`` bool: the pixels of executed blocks."""
    wide = (actions != KEEP).repeat_interleave(BLOCK, 1).repeat_interleave(BLOCK, 2)
    return wide[:, None, : SIZE[0], : SIZE[1]]


# --- what is kept and what is executed -----------------------------------------------------------------


@torch.no_grad()
@pytest.mark.parametrize("dense_above", [0.5, 2.0])
def test_a_still_scene_keeps_its_output_whatever_is_executed(video, random, dense_above):
    module, network, _ = start(Small, dense_above)
    expected = module(video[0])
    for share in torch.linspace(0, 1, 20):
        actions = random_actions(random, 3, GRID, float(share))
        assert_near(network.step(video[0], actions), expected)


@torch.no_grad()
def test_a_frame_without_actions_costs_nothing_and_is_not_looked_at(video):
    _, network, _ = start(Small)
    first = network.step(video[0], nothing(3))
    again = network.step(torch.full_like(video[0], math.nan), nothing(3))
    assert torch.equal(again, first)
    assert not network.executed.any()
    assert network.cost.executed == network.cost.halo == 0
    assert network.cost.dense == 3 * network.plan.macs


@torch.no_grad()
@pytest.mark.parametrize("dense_above", [1.0, 2.0])
def test_dense_executes_everything(video, dense_above):
    module, network, _ = start(Small, dense_above)
    for frames in video[:2]:
        assert_near(network.dense(frames), module(frames))
        assert torch.equal(network.executed, everything(3))


@torch.no_grad()
def test_executed_says_what_was_executed(video):
    module, network, _ = start(Small, dense_above=0.5)
    some = nothing()
    some.view(-1)[:6] = FULL  # 6 of 12 blocks are not more than half
    more = some.clone()
    more[0, 2, 3] = FULL
    outputs = []
    for frame, actions, expected in [
        (video[0, :1], nothing(), everything()),  # nothing was there before
        (video[1, :1], some, some),
        (video[2, :1], nothing(), nothing()),
        (video[3, :1], more, everything()),  # faster in a dense frame
    ]:
        outputs.append(network.step(frame, actions))
        assert network.executed.dtype is torch.int8
        assert torch.equal(network.executed, expected)
    assert_near(outputs[0], module(video[0, :1]))
    assert torch.equal(outputs[1], outputs[2])
    assert_near(outputs[3], module(video[3, :1]))


@torch.no_grad()
def test_a_kept_block_stays_as_it_is_to_the_bit(video, random):
    _, network, _ = start(Local)
    before = network.step(video[0], nothing(3))
    for frames in video[1:6]:
        actions = random_actions(random, 3, GRID)
        after = network.step(frames, actions)
        kept = ~pixels(actions).expand_as(after)
        assert torch.equal(after[kept], before[kept])
        assert (after[~kept] != before[~kept]).any()
        before = after


@torch.no_grad()
def test_all_blocks_one_after_the_other_are_the_whole_frame_after_some_rounds(video):
    """Each operation that looks at neighbours needs a round more to see only new ones."""
    module, network, _ = start(Local)
    network.step(video[0, :1], everything())
    for _ in range(5):
        for block in range(12):
            actions = nothing()
            actions.view(-1)[block] = FULL
            output = network.step(video[1, :1], actions)
    assert_near(output, module(video[1, :1]))


@torch.no_grad()
@pytest.mark.parametrize("block", [1, 5, 64])
def test_blocks_of_any_size(random, block):
    frames = torch.randn(4, 2, 3, 20, 28, generator=random)
    network, reference = convert_with_reference(made(Small), frames[0], block)
    for frame in frames:
        actions = random_actions(random, 2, network.grid.shape)
        (expected,) = reference.step(frame, actions > 0)
        assert_near(network.step(frame, actions), expected)


# --- streams -------------------------------------------------------------------------------------------


@torch.no_grad()
def test_streams_together_give_what_each_gives_alone(video, random):
    _, network, _ = start(Small)
    actions = [random_actions(random, 3, GRID, 0.3) for _ in video]
    together = []
    for frames, asked in zip(video, actions, strict=True):
        together.append((network.step(frames, asked), network.executed))
    for n in range(3):
        network.forget()
        for frames, asked, (output, executed) in zip(video, actions, together, strict=True):
            assert_near(network.step(frames[n : n + 1], asked[n : n + 1]), output[n : n + 1])
            assert torch.equal(network.executed, executed[n : n + 1])


@torch.no_grad()
def test_streams_come_and_go(video, random):
    _, network, reference = start(Small)
    for frames, streams in zip(video, (1, 3, 3, 2, 2, 3, 1, 2, 2, 3, 3, 3), strict=True):
        before = len(reference.streams)
        actions = random_actions(random, streams, GRID, 0.3)
        (expected,) = reference.step(frames[:streams], actions > 0)
        assert_near(network.step(frames[:streams], actions), expected)
        assert torch.equal(network.executed[:before], actions[:before])
        assert (network.executed[before:] == FULL).all()


@torch.no_grad()
def test_a_stream_is_reset_and_the_others_go_on(video, random):
    _, network, reference = start(Small)
    for number, frames in enumerate(video):
        if number in (3, 7):
            network.reset([1])
            reference.streams[1].clear()
        actions = random_actions(random, 3, GRID, 0.2)
        (expected,) = reference.step(frames, actions > 0)
        assert_near(network.step(frames, actions), expected)
        full = [n for n in range(3) if number == 0 or (n == 1 and number in (3, 7))]
        assert [n for n in range(3) if (network.executed[n] == FULL).all()] == full


@torch.no_grad()
def test_all_streams_are_reset(video):
    module, network, _ = start(Small)
    network.step(video[0], nothing(3))
    network.reset()
    assert_near(network.step(video[1], nothing(3)), module(video[1]))


@torch.no_grad()
@pytest.mark.parametrize("dense_above", [1.0, 2.0])
def test_what_is_not_a_number_stays_where_it_is_seen(video, dense_above):
    module, network, _ = start(Local, dense_above)
    broken = video[0].clone()
    broken[0, 1, 20, 30] = math.nan
    network.step(video[0], everything(3))
    output = network.step(broken, everything(3))
    assert torch.equal(output.isnan(), module(broken).isnan())
    assert output.isnan().any()
    assert_near(network.step(video[0], everything(3)), module(video[0]))


@torch.no_grad()
@pytest.mark.parametrize("make", [Local, Corners])
def test_what_is_not_a_number_stays_in_its_block_where_no_other_sees_it(make, video):
    _, network, _ = start(make)
    broken = video[0].clone()
    broken[0, 1, 24, 24] = math.nan  # in the middle of block (1, 1)
    output = network.step(broken, everything(3))
    scale = output.shape[3] / SIZE[1]
    outside = torch.ones_like(output, dtype=torch.bool)
    outside[0, :, round(16 * scale) : round(32 * scale), round(16 * scale) : round(32 * scale)] = False
    assert output.isnan().any()
    assert not output[outside].isnan().any()


@torch.no_grad()
def test_what_is_not_a_number_stays_in_its_stream(video, random):
    _, network, reference = start(Statistics)
    broken = video[1].clone()
    broken[1] = math.nan
    for frames in (video[0], broken, video[2], video[3]):
        actions = random_actions(random, 3, GRID)
        (expected,) = reference.step(frames, actions > 0)
        output = network.step(frames, actions)
        assert_near(output[[0, 2]], expected[[0, 2]])
        assert torch.equal(output.isnan(), expected.isnan())
    assert output[1].isnan().any()
    network.reset([1])
    reference.streams[1].clear()
    (expected,) = reference.step(video[4], nothing(3) > 0)
    assert_near(network.step(video[4], nothing(3)), expected)


# --- state ---------------------------------------------------------------------------------------------


def saved(state):
    """The state after a way through a file."""
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


@torch.no_grad()
@pytest.mark.parametrize("dense_above", [0.5, 2.0])
def test_another_network_goes_on_with_the_state(video, random, dense_above):
    _, network, _ = start(Pair, dense_above)
    other = converted(made(Pair), EngineOptions(dense_above=dense_above))
    other.step(video[5, :2], nothing(2))
    for frames in video[:4]:
        network.step(frames, random_actions(random, 3, GRID))
    network.reset([2])
    other.set_state(saved(network.get_state()))
    assert torch.equal(other.executed, network.executed)
    assert other.cost == network.cost
    for frames in video[4:]:
        actions = random_actions(random, 3, GRID)
        for mine, theirs in zip(other.step(frames, actions), network.step(frames, actions), strict=True):
            assert torch.equal(mine, theirs)
        assert torch.equal(other.executed, network.executed)


@torch.no_grad()
def test_a_state_can_be_returned_to(video, random):
    _, network, _ = start(Small)
    network.step(video[0], nothing(3))
    state = network.get_state()
    actions = random_actions(random, 3, GRID)
    expected = network.step(video[1], actions)
    for _ in range(2):
        network.set_state(state)
        assert torch.equal(network.step(video[1], actions), expected)
        network.step(video[2], everything(3))


@torch.no_grad()
def test_the_state_before_the_first_frame(video):
    module, network, _ = start(Small)
    state = saved(network.get_state())
    network.step(video[0], nothing(3))
    network.set_state(state)
    assert network.executed is None
    assert network.cost is None
    assert_near(network.step(video[1, :1], nothing()), module(video[1, :1]))


@torch.no_grad()
@pytest.mark.parametrize(
    ("make", "size", "dtype", "block"),
    [
        (Small, (40, 64), torch.float32, BLOCK),
        (Local, SIZE, torch.float32, BLOCK),
        (Pair, SIZE, torch.float32, BLOCK),
        (Small, SIZE, torch.bfloat16, BLOCK),
        (Small, SIZE, torch.float32, 24),
    ],
    ids=["size", "network", "more in it", "type", "blocks"],
)
def test_the_state_of_something_else_is_refused(video, make, size, dtype, block):
    frames = torch.zeros(1, 3, *size, dtype=dtype)
    other = convert(made(make).to(dtype), frames, block)
    other.dense(frames)
    _, network, _ = start(Small)
    output = network.step(video[0, :1], nothing())
    with pytest.raises(NetworkError, match="state is of another network"):
        network.set_state(other.get_state())
    assert torch.equal(network.step(video[1, :1], nothing()), output)  # it is as it was


@torch.no_grad()
def test_a_state_with_something_missing_is_refused(video):
    _, network, _ = start(Pair)
    network.step(video[0], nothing(3))
    for key in network.get_state():
        state = network.get_state()
        del state[key]
        with pytest.raises(NetworkError, match="state is of another network"):
            network.set_state(state)


# --- what goes in and comes out ------------------------------------------------------------------------

Detections = namedtuple("Detections", ["boxes", "scores"])


class Gives(nn.Module):
    """Features, and a function of them and the frames."""

    def __init__(self, function):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.function = function

    def forward(self, frames):
        return self.function(frames, self.stem(frames))


STRUCTURES = {
    "tensor": lambda frames, x: x,
    "tuple": lambda frames, x: (x, F.max_pool2d(x, 2)),
    "tuple of one": lambda frames, x: (x,),
    "list": lambda frames, x: [x.relu(), x.sigmoid(), x.relu()],
    "dict": lambda frames, x: {"out": x, "aux": x.mean((2, 3))},
    "keys in another order": lambda frames, x: {"z": x, "b": x + 1, "a": x + 2, 3: x + 3},
    "nested": lambda frames, x: {"levels": [x, (F.avg_pool2d(x, 2), {"top": F.avg_pool2d(x, 4)})], "n": ()},
    "named": lambda frames, x: Detections(x.tanh(), x.mean(1, keepdim=True)),
    "constants": lambda frames, x: (x, None, 3, 0.5, "name", True),
    "the same twice": lambda frames, x: (x, {"again": x}),
    "the frames": lambda frames, x: (frames, x, frames),
    "in between": lambda frames, x: (x, torch.relu_(x), x + x),
    "views": lambda frames, x: (x[:, :2], x.flatten(2), x.permute(0, 2, 3, 1), x[:, :, ::2, ::2]),
    "classes": lambda frames, x: (x.argmax(1), x > 0, x.amax(1, keepdim=True)),
    "a vector": lambda frames, x: x.mean((2, 3)),
    "maps and vectors": lambda frames, x: (x.softmax(1), x.amax((2, 3)), x.amax((1, 2, 3))),
}
STRUCTURES = {name: functools.partial(Gives, function) for name, function in STRUCTURES.items()}


@torch.no_grad()
@pytest.mark.parametrize("dense_above", [1.0, 2.0])
@pytest.mark.parametrize("name", STRUCTURES)
def test_outputs_come_back_as_the_module_gives_them(name, dense_above, video, random):
    module, network, reference = start(STRUCTURES[name], dense_above)
    for frames in video[:4]:
        actions = random_actions(random, 2, GRID)
        check_outputs(network.step(frames[:2], actions), reference.step(frames[:2], actions > 0))
    output, expected = network.step(video[4, :2], everything(2)), module(video[4, :2])
    assert pytree.tree_structure(output) == pytree.tree_structure(expected)
    check_outputs(output, pytree.tree_leaves(expected))


def check_outputs(output, expected):
    for value, wanted in zip(pytree.tree_leaves(output), expected, strict=True):
        check_same(value, wanted)


def check_same(value, expected):
    if not isinstance(expected, torch.Tensor):
        assert value == expected
        assert type(value) is type(expected)
    elif expected.dtype.is_floating_point:
        assert_near(value, expected)
    else:
        assert value.dtype is expected.dtype
        assert torch.equal(value, expected)


@torch.no_grad()
@pytest.mark.parametrize("dense_above", [0.5, 2.0])
@pytest.mark.parametrize("name", [n for n in STRUCTURES if n != "constants"])
def test_outputs_and_frames_are_the_callers_to_change(name, dense_above, video, random):
    _, network, _ = start(STRUCTURES[name], dense_above)
    actions = [random_actions(random, 3, GRID, share) for share in (0, 0.3, 0, 1, 0.3, 0)]
    expected = [
        copy.deepcopy(network.step(frames, asked)) for frames, asked in zip(video[:6], actions, strict=True)
    ]
    network.forget()
    memory = torch.empty_like(video[0])  # one buffer for all frames
    for frames, asked, wanted in zip(video[:6], actions, expected, strict=True):
        memory.copy_(frames)
        outputs = pytree.tree_leaves(network.step(memory, asked))
        for value, kept in zip(outputs, pytree.tree_leaves(wanted), strict=True):
            assert torch.equal(value, kept)
        memory.fill_(math.nan)
        for value in outputs:
            value.zero_()


LAYOUTS = {
    "channels last": lambda x: x.contiguous(memory_format=torch.channels_last),
    "part of a larger map": lambda x: F.pad(x, (3, 2, 1, 4), value=math.nan)[:, :, 1:-4, 3:-2],
    "turned": lambda x: x.transpose(2, 3).contiguous().transpose(2, 3),
    "every other column": lambda x: x.repeat_interleave(2, 3)[:, :, :, ::2],
    "every other channel": lambda x: x.repeat_interleave(2, 1)[:, ::2],
    "every other frame": lambda x: x.repeat_interleave(2, 0)[::2],
}


@torch.no_grad()
@pytest.mark.parametrize("dense_above", [0.5, 2.0])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_frames_may_lie_in_memory_as_they_like(layout, video, random, dense_above):
    _, network, reference = start(Small, dense_above)
    for frames, share in zip(video[:5], (0, 0.3, 1, 0.3, 0.3), strict=True):
        given = LAYOUTS[layout](frames)
        assert torch.equal(given, frames)
        assert not given.is_contiguous()
        actions = random_actions(random, 3, GRID, share)
        output = network.step(given, actions)
        (expected,) = reference.step(frames, network.executed > 0)
        assert_near(output, expected)


@torch.no_grad()
def test_streams_may_share_the_memory_of_one_frame(video):
    module, network, _ = start(Small)
    frames = video[0, :1].expand(3, -1, -1, -1)
    assert_near(network.step(frames, everything(3)), module(video[0, :1]).expand(3, -1, -1, -1))


@torch.no_grad()
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16], ids=str)
def test_element_types(dtype, video, random):
    module = made(Small).to(dtype)
    frames = video[:4, :2].to(dtype)
    network, reference = convert_with_reference(module, frames[0], BLOCK)
    exact = made(Small).double()
    exact.load_state_dict(module.state_dict())
    tolerance = 8 * torch.finfo(dtype).eps  # half a unit in the last place for each of some layers
    for dense_above in (1.0, 2.0):
        network.options = EngineOptions(dense_above=dense_above)
        network.use(Tuning())
        output = network.step(frames[0], everything(2))
        assert output.dtype is dtype
        assert_near(output.double(), exact(frames[0].double()), tolerance)
    reference.step(frames[0], everything(2) > 0)
    for frame in frames[1:]:
        actions = random_actions(random, 2, GRID)
        (expected,) = reference.step(frame, actions > 0)
        assert_near(network.step(frame, actions), expected, tolerance)


def test_inference_mode_may_come_and_go(video, random):
    _, network, reference = start(Small, dense_above=0.5)
    for number, frames in enumerate(video[:6]):
        actions = random_actions(random, 3, GRID)
        with torch.inference_mode() if number % 2 == 0 else torch.no_grad():
            output = network.step(frames, actions)
        with torch.no_grad():
            (expected,) = reference.step(frames, network.executed > 0)
            assert_near(output, expected)


# --- options -------------------------------------------------------------------------------------------


@torch.no_grad()
@pytest.mark.parametrize("factor", [2, 4, (5, 4)])
def test_bilinear_per_block_enlarges_each_block_alone(factor, video, random):
    down, across = factor if isinstance(factor, tuple) else (factor, factor)
    module = nn.Upsample(scale_factor=(float(down), float(across)), mode="bilinear")
    network = converted(module, EngineOptions(bilinear="per_block", dense_above=0.8))
    before = None
    for frames, share in zip(video[:5], (0, 0.3, 1, 0.3, 0.6), strict=True):
        actions = random_actions(random, 3, GRID, share)
        output = network.step(frames, actions)
        expected = torch.zeros_like(output) if before is None else before.clone()
        for n, row, column in network.executed.nonzero().tolist():
            top, left = row * BLOCK, column * BLOCK
            block = frames[n : n + 1, :, top : top + BLOCK, left : left + BLOCK]
            large = module(block)[0]
            place = expected[n, :, top * down :, left * across :]
            place[:, : large.shape[1], : large.shape[2]] = large
        assert_near(output, expected)
        before = expected


@torch.no_grad()
@pytest.mark.parametrize(
    "module",
    [
        nn.Upsample(scale_factor=2.0, mode="bilinear", align_corners=True),
        nn.Upsample(size=(65, 95), mode="bilinear"),
        nn.Upsample(scale_factor=2.0, mode="bicubic"),
        nn.Upsample(scale_factor=0.5, mode="bilinear"),
    ],
    ids=["corners", "no whole factor", "bicubic", "smaller"],
)
def test_bilinear_per_block_leaves_other_resizing_exact(module, video, random):
    network = converted(module, EngineOptions(bilinear="per_block", dense_above=2.0))
    _, reference = convert_with_reference(module, video[0], BLOCK)
    for frames in video[:3]:
        actions = random_actions(random, 3, GRID)
        (expected,) = reference.step(frames, actions > 0)
        assert_near(network.step(frames, actions), expected)


@torch.no_grad()
@pytest.mark.parametrize("groups", [1, 3])
def test_statistics_of_executed_blocks(groups, video, random):
    norm = nn.GroupNorm(groups, 6).eval()
    nn.init.uniform_(norm.weight), nn.init.uniform_(norm.bias)
    module = nn.Sequential(nn.Conv2d(3, 6, 1), norm)
    network = converted(module, EngineOptions(statistics="executed", dense_above=2.0))
    before = network.step(video[0], nothing(3))
    assert_near(before, module(video[0]))
    for frames in video[1:5]:
        actions = random_actions(random, 3, GRID)
        actions[1] = KEEP  # a stream that does not run
        features, executed = module[0](frames), pixels(actions)
        expected = before.clone()
        for n in range(3):
            for channels in torch.arange(6).view(groups, -1):
                chosen = features[n, channels][:, executed[n, 0]]
                if chosen.numel():
                    variance, mean = torch.var_mean(chosen, correction=0)
                    normed = (chosen - mean) / (variance + norm.eps).sqrt()
                    normed = normed * norm.weight[channels, None] + norm.bias[channels, None]
                    expected[n, channels[:, None], executed[n, 0]] = normed
        before = network.step(frames, actions)
        assert_near(before, expected)


# --- errors --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("frames", "actions", "message"),
    [
        ((1, 3, 40, 64), (1, *GRID), r"frames \(N, 3, 40, 56\), not \(1, 3, 40, 64\)"),
        ((1, 4, *SIZE), (1, *GRID), r"not \(1, 4, 40, 56\)"),
        ((3, *SIZE), (1, *GRID), r"not \(3, 40, 56\)"),
        ((0, 3, *SIZE), (0, *GRID), "no frames"),
        ((1, 3, *SIZE), (2, *GRID), r"actions must be \(1, 3, 4\) .*not \(2, 3, 4\)"),
        ((2, 3, *SIZE), (1, *GRID), r"actions must be \(2, 3, 4\)"),
        ((1, 3, *SIZE), (1, 4, 3), r"not \(1, 4, 3\)"),
        ((1, 3, *SIZE), GRID, r"not \(3, 4\)"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(video, frames, actions, message):
    _, network, _ = start(Small)
    output = network.step(video[0, :1], nothing())
    with pytest.raises(NetworkError, match=message):
        network.step(torch.zeros(frames), torch.ones(actions, dtype=torch.int8))
    assert torch.equal(network.step(video[1, :1], nothing()), output)


@pytest.mark.parametrize("wrong", [torch.zeros(1, 3, *SIZE).half(), torch.zeros(1, 3, *SIZE, device="meta")])
def test_frames_of_another_type_or_device_are_refused(wrong):
    _, network, _ = start(Small)
    with pytest.raises(NetworkError, match=r"converted for torch\.float32 frames on cpu, these are torch\."):
        network.step(wrong, nothing())


def test_an_example_that_is_not_frames_is_refused():
    with pytest.raises(NetworkError, match=r"frames \(N, C, H, W\), not \(3, 40, 56\)"):
        convert(made(Small), torch.zeros(3, *SIZE), BLOCK)


class Impatient(nn.Module):
    """Python that depends on the values of a tensor."""

    def forward(self, x):
        if x.mean() > 0:
            return x
        return -x


class Mistaken(nn.Module):
    """Works for no frames at all."""

    def forward(self, x):
        return x @ torch.zeros(7, 7)


class Remembering(nn.Module):
    """A memory of the frames before."""

    def __init__(self):
        super().__init__()
        self.register_buffer("average", torch.zeros(3, 1, 1))

    def forward(self, x):
        self.average.mul_(0.9).add_(x.mean((0, 2, 3))[:, None, None])
        return x - self.average


def line_of(module, text):
    """``file:line`` of a piece of a module's ``forward``."""
    lines, start = inspect.getsourcelines(type(module).forward)
    number = next(number for number, line in enumerate(lines, start) if text in line)
    return f"{inspect.getsourcefile(type(module))}:{number}"


@pytest.mark.parametrize(
    ("module", "text"),
    [(Impatient(), "if x.mean()"), (Mistaken(), "x @ torch")],
    ids=["values", "shapes"],
)
def test_what_cannot_be_exported_is_refused_with_the_line(module, text, capfd):
    with pytest.raises(NetworkError) as error:
        converted(nn.Sequential(nn.Identity(), module))
    assert str(error.value).startswith(
        f"cannot capture Sequential: torch.export stops at {line_of(module, text)}: "
    )
    assert error.value.__cause__ is not None
    assert capfd.readouterr() == ("", "")


def test_a_network_with_memory_is_refused():
    with pytest.raises(NetworkError, match=r"changes its buffer 0\.average"):
        converted(nn.Sequential(Remembering()))


@torch.no_grad()
def test_outputs_of_several_streams_need_a_batch_dimension(video):
    module = made(lambda: Gives(lambda frames, x: (x, x.mean())))
    network = converted(module)
    for value, expected in zip(network.step(video[0, :1], nothing()), module(video[0, :1]), strict=True):
        assert_near(value, expected)
    with pytest.raises(NetworkError, match="without a batch dimension"):
        network.step(video[0], nothing(3))
    for value, expected in zip(network.step(video[1, :1], nothing()), module(video[1, :1]), strict=True):
        assert_near(value, expected)  # after an error all streams start anew


@torch.no_grad()
def test_training_mode_is_left_as_it_was(video):
    module = made(Small).train()
    module.stem.eval()
    network = converted(module)
    assert module.training
    assert module.head.training
    assert not module.stem[1].training
    assert_near(network.step(video[0], everything(3)), module.eval()(video[0]))


@torch.no_grad()
def test_the_module_stays_as_it_is(video):
    module = made(Small)
    before = copy.deepcopy(module.state_dict())
    expected = module(video[0])
    network = converted(module)
    network.step(video[0], nothing(3))
    network.step(video[1], everything(3))
    assert all(torch.equal(values, before[name]) for name, values in module.state_dict().items())
    assert torch.equal(module(video[0]), expected)
