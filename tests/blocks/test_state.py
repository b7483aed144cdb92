"""What a network remembers of its videos, saved and loaded."""

from __future__ import annotations

import io

import pytest
import torch

from saccade.blocks import EngineOptions, convert
from saccade.errors import NetworkError

from .networks import BLOCK, GRID, SIZE, Local, Pair, Small, converted, everything, made, nothing, start
from .reference import assert_near, random_actions


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
