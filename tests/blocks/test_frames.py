"""Frames of any memory layout and element type, with and without inference mode."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from saccade.blocks import EngineOptions
from saccade.blocks.tuning import Tuning

from .networks import BLOCK, GRID, Small, everything, made, start
from .reference import assert_near, convert_with_reference, random_actions

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
