"""What a step executes and what it keeps."""

from __future__ import annotations

import math

import pytest
import torch

from saccade.blocks import FULL

from .networks import GRID, Local, Small, everything, made, nothing, pixels, start
from .reference import assert_near, convert_with_reference, random_actions


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
