"""Shares of executed blocks, by hand."""

import torch

from saccade.evaluation.executed import ExecutedBlocks
from saccade.methods.base import Cost, Segmentation, StepResult


def result(actions):
    actions = torch.tensor(actions, dtype=torch.int8)
    prediction = Segmentation(torch.zeros(len(actions), 2, 1, 1), (4, 4))
    return StepResult(prediction, actions, torch.zeros(len(actions), dtype=torch.bool), Cost())


def test_blocks_at_half_resolution_are_executed_and_counted_apart():
    blocks = ExecutedBlocks()
    assert blocks.update([result([[[2, 2], [2, 2]]])]) == 1.0
    assert blocks.update([result([[[0, 1], [1, 2]]])]) == 0.75
    assert blocks.fraction == 7 / 8
    assert blocks.fraction_without_first == 3 / 4
    assert blocks.low_fraction == 2 / 8


def test_without_blocks_there_are_no_shares():
    assert ExecutedBlocks().low_fraction is None
