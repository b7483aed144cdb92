"""Choosing by rank, and means over blocks."""

import pytest
import torch

from saccade.policies.base import block_means, highest


def test_the_highest_ranks_are_chosen_after_what_is_due():
    ranks = torch.tensor([[[5.0, 1.0, 3.0], [4.0, 2.0, 0.0]], [[0.0, 0.0, 9.0], [0.0, 8.0, 0.0]]])
    due = torch.zeros(2, 2, 3, dtype=torch.bool)
    due[0, 1, 2] = True
    actions = highest(ranks, due, torch.tensor([3, 1]))
    assert actions.tolist() == [[[2, 0, 0], [2, 0, 2]], [[0, 0, 2], [0, 0, 0]]]
    assert actions.dtype is torch.int8


@pytest.mark.parametrize("budget", [0, 1, 5, 6])
def test_the_budget_is_met_whatever_the_ranks(budget):
    ranks = torch.tensor([[[torch.nan, torch.inf, -torch.inf], [0.0, 0.0, 0.0]]])
    actions = highest(ranks, torch.zeros(1, 2, 3, dtype=torch.bool), torch.tensor([budget]))
    assert int((actions != 0).sum()) == budget
    if budget == 1:
        assert actions[0, 0, 1] == 2  # the infinite one
    if budget == 5:
        assert int((actions[0, 0] != 0).sum()) == 2  # of the first row, not both of NaN and -inf


def test_means_of_blocks_that_divide_the_map():
    maps = torch.arange(24.0).view(1, 1, 4, 6)
    assert block_means(maps, (2, 3), (32, 48), 16)[0, 0].tolist() == [[3.5, 5.5, 7.5], [15.5, 17.5, 19.5]]


def test_blocks_that_are_cut_off_have_the_mean_of_what_is_there():
    maps = torch.tensor([[[[1.0, 1.0, 1.0, 1.0, 7.0]]]])  # 8 pixels each, 4 in block 1
    assert block_means(maps, (1, 2), (8, 40), 32).tolist() == [[[[1.0, 7.0]]]]


def test_maps_with_fewer_values_than_blocks_repeat_the_nearest():
    maps = torch.tensor([[[[3.0, 5.0]]]])
    assert block_means(maps, (1, 4), (16, 64), 16).tolist() == [[[[3.0, 3.0, 5.0, 5.0]]]]
