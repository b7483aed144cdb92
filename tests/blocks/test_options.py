"""Behaviour that differs from the network's on purpose."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from saccade.blocks import KEEP, EngineOptions

from .networks import BLOCK, GRID, converted, nothing, pixels
from .reference import assert_near, convert_with_reference, random_actions


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
