"""Several videos at once: none sees another, and they come and go."""

from __future__ import annotations

import torch

from saccade.blocks import FULL

from .networks import GRID, Small, nothing, start
from .reference import assert_near, random_actions


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
