"""What is not a number spreads as far as the network lets it, and no farther."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from saccade.blocks import FULL, KEEP
from saccade.blocks.steps import ConvolutionStep
from saccade.blocks.tuning import Tuning

from .networks import GRID, SIZE, Corners, Local, Statistics, everything, nothing, start
from .reference import assert_near, random_actions


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


class Activated(nn.Module):
    """Convolutions of several kinds, each with an activation that can be part of it."""

    def __init__(self):
        super().__init__()
        self.stem, self.near = nn.Conv2d(3, 8, 3, 2, 1), nn.Conv2d(8, 8, 3, padding=1)
        self.each = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.far = nn.Conv2d(8, 8, 3, padding=6, dilation=6)
        self.mix = nn.Conv2d(16, 4, 1)

    def forward(self, x):
        x = torch.relu(self.stem(x))
        x = torch.relu(x + self.near(x))
        x = torch.cat((F.relu6(self.each(x)), self.far(x).sigmoid()), 1)
        return F.max_pool2d(torch.relu(self.mix(x)), 3, 1, 1)


def same_numbers(output, expected):
    """Numbers, and what is not one, at the same places."""
    assert torch.equal(output.isnan(), expected.isnan())
    assert_near(output.nan_to_num(), expected.nan_to_num())


@torch.no_grad()
@pytest.mark.parametrize("dense_above", [1.0, 2.0])
@pytest.mark.parametrize("way", ["windows", "matrix", "winograd"])
def test_activations_keep_what_is_not_a_number(way, dense_above, video):
    module, network, _ = start(Activated, dense_above)
    convolutions = [step for step in network.steps if isinstance(step, ConvolutionStep)]
    tunings = {
        "windows": Tuning(),
        "matrix": Tuning(matrix=tuple(step.name for step in convolutions if step.can_be_matrix)),
        "winograd": Tuning(winograd=tuple(step.name for step in convolutions)),
    }
    network.use(tunings[way])
    broken = video[0].clone()
    broken[0, 1, 20, 30] = math.nan
    network.step(video[0], everything(3))
    output = network.step(broken, everything(3))
    assert 0 < output[0].isnan().sum() < output[0].numel()
    same_numbers(output, module(broken))
    assert_near(network.step(video[1], everything(3)), module(video[1]))


@torch.no_grad()
def test_what_is_not_a_number_stays_until_it_is_executed_again(video, random):
    _, network, reference = start(Activated)
    broken = video[1].clone()
    broken[0, 1, 24, 24] = math.nan  # in block (1, 1)
    careful = []
    for number, frames in enumerate((video[0], broken, *video[2:10])):
        actions = random_actions(random, 3, GRID)
        actions[0, 1, 1] = FULL if number in (1, 6) else KEEP
        (expected,) = reference.step(frames, actions > 0)
        same_numbers(network.step(frames, actions), expected)
        state = network.get_state()
        network.forget()
        network.set_state(state)
        careful.append(bool(state["careful"]))
    assert careful[:6] == [False] + [True] * 5
    for frames in video[10:]:
        (expected,) = reference.step(frames, everything(3) > 0)
        assert_near(network.step(frames, everything(3)), expected)
    assert not network.get_state()["careful"]
