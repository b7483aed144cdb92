"""What is not a number spreads as far as the network lets it, and no farther."""

from __future__ import annotations

import math

import pytest
import torch

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
