"""Keep, half or full resolution with one budget: by hand, and against all ways to spend it."""

import itertools

import pytest
import torch

from saccade.policies.allocation import FULL, KEEP, LOW, allocate, round_number
from saccade.policies.base import RankingPolicy
from saccade.policies.change import ChangePolicy, pixel_change, unseen
from saccade.policies.images import blurred


def row(*values):
    return torch.tensor([[values]], dtype=torch.float32)


def allocated(full, low, budget, due=None):
    due = torch.zeros_like(full, dtype=torch.bool) if due is None else due
    return allocate(full, low, due, torch.tensor([budget]))[0, 0].tolist()


def test_increments_by_what_they_gain_per_operation():
    # Per operation: half 12, 8, 2; the rest of the way 4/3, 8/3; in full at once the third 4, the fourth 1.
    full, low = row(4.0, 4.0, 4.0, 1.0), row(3.0, 2.0, 0.5, -1.0)
    assert allocated(full, low, 0) == [KEEP, KEEP, KEEP, KEEP]
    assert allocated(full, low, 1) == [LOW, LOW, KEEP, KEEP]  # half a block is left, the third needs one
    assert allocated(full, low, 2) == [LOW, LOW, FULL, KEEP]
    assert allocated(full, low, 3) == [FULL, FULL, FULL, KEEP]
    assert allocated(full, low, 4) == [FULL, FULL, FULL, FULL]


def test_half_resolution_that_does_harm_is_never_chosen():
    random = torch.Generator().manual_seed(0)
    full = torch.rand(1, 6, 8, generator=random)
    actions = allocate(full, -full, torch.zeros(1, 6, 8, dtype=torch.bool), torch.tensor([12]))
    assert not (actions == LOW).any()
    assert (actions == FULL).sum() == 12
    assert full[actions == FULL].min() > full[actions == KEEP].max()


@pytest.mark.parametrize("seed", range(8))
def test_close_to_the_best_of_all_ways_to_spend_the_budget(seed):
    random = torch.Generator().manual_seed(seed)
    full = torch.rand(1, 1, 6, generator=random)
    low = full - torch.rand(1, 1, 6, generator=random) * 0.6
    budget = 1 + seed % 3
    found = allocate(full, low, torch.zeros(1, 1, 6, dtype=torch.bool), torch.tensor([budget]))[0, 0]
    gain = {KEEP: torch.zeros(6), LOW: low[0, 0], FULL: full[0, 0]}
    cost = {KEEP: 0.0, LOW: 0.25, FULL: 1.0}

    def value(actions):
        return sum(float(gain[a][block]) for block, a in enumerate(actions))

    def price(actions):
        return sum(cost[a] for a in actions)

    every = itertools.product((KEEP, LOW, FULL), repeat=6)
    best = max(value(actions) for actions in every if price(actions) <= budget)
    assert price(found.tolist()) <= budget
    assert value(found.tolist()) >= best - float(full.max())  # but for the last increment


def test_what_is_due_is_in_full_whatever_it_gains():
    due = torch.tensor([[[False, True, False, False]]])
    assert allocated(row(9.0, 0.0, 9.0, 9.0), row(0.0, 0.0, 0.0, 0.0), 2, due) == [FULL, FULL, KEEP, KEEP]
    assert allocated(row(9.0, 0.0, 9.0, 9.0), row(8.0, 0.0, 8.0, 7.0), 1, due) == [KEEP, FULL, KEEP, KEEP]


def test_the_numbers_leave_no_gaps_in_batches():
    random = torch.Generator().manual_seed(1)
    full = torch.rand(3, 8, 16, generator=random)
    low = full * torch.rand(3, 8, 16, generator=random)
    budget = torch.tensor([25, 51, 77])
    actions = allocate(full, low, torch.zeros_like(full, dtype=torch.bool), budget)
    for chosen, most in zip(actions, budget.tolist(), strict=True):
        numbers = [int((chosen == action).sum()) for action in (LOW, FULL)]
        assert all(number == round_number(number) for number in numbers)
        assert 0.7 * most < numbers[1] + numbers[0] / 4 <= most


def test_round_numbers():
    assert [round_number(n) for n in (0, 1, 7, 8, 9, 15, 16, 19, 20, 33, 47, 48)] == [
        *(0, 1, 7, 8, 8, 14, 16, 16, 20, 32, 40, 48)
    ]


def test_gains_that_are_no_numbers_are_none():
    nan = float("nan")
    assert allocated(row(nan, 1.0), row(nan, 0.0), 1) == [KEEP, FULL]


def test_half_resolution_does_not_see_what_it_averages(view_of):
    view = view_of(levels=2)
    view.frames[:] = 0.0
    view.frames[0, :, :16, :16] = 1.0  # flat
    view.frames[0, :, :16, 16:32:2] = 1.0  # stripes: each pixel is half away from the mean of two
    lost = unseen(view)[0, 0]
    assert lost[0] < 1e-5
    assert lost[1] == pytest.approx(0.5 - 0.02, abs=1e-3)
    assert torch.equal(blurred(view.frames)[0, 0, 0, 16:20], torch.full((4,), 0.5))


def test_a_flat_block_that_changed_is_executed_at_half_resolution_and_a_fine_one_in_full(view_of):
    view = view_of(levels=2, budget=torch.tensor([1]))
    view.frames[:] = view.seen[:] = 0.0
    view.frames[0, :, 16:32, :16] = 1.0
    policy = ChangePolicy()
    actions = policy.decide(view)[0]
    assert actions[1, 0] != KEEP
    gain = policy.rank(view)
    assert policy.low_gain(view, gain)[0, 1, 0] == pytest.approx(float(gain[0, 1, 0]), rel=1e-3)
    view.frames[0, :, 16:32, :16:2] = -1.0
    view.seen[0] = view.frames[0] / 2
    assert policy.low_gain(view, policy.rank(view))[0, 1, 0] < 0
    assert policy.decide(view)[0, 1, 0] == FULL


def test_blocks_seen_at_half_resolution_count_as_changed_by_what_that_lost(view_of):
    view = view_of(levels=2)
    fine = view_of(levels=2, frames=view.frames, seen=blurred(view.frames))
    torch.testing.assert_close(pixel_change(fine), unseen(view))


def test_policies_that_do_not_know_gain_half_at_half_resolution(view_of):
    class Left(RankingPolicy):
        def rank(self, view):
            return torch.arange(12.0, 0.0, -1.0).view(1, *view.grid)

    actions = Left().decide(view_of(levels=2, budget=torch.tensor([2])))
    assert (actions == LOW).sum() == 8  # twice as much per operation
    assert actions.flatten()[:8].eq(LOW).all()
