"""How each block is executed, with one budget for all: kept, at half resolution, or in full.

Half resolution takes a quarter of the operations and gains less. What is worth most per operation comes
first: half resolution where that gains more than a quarter of what full resolution gains, then the rest of
the way to full resolution, or all of it at once. This is the greedy solution of the knapsack of such
increments, which is the best there is but for the last increment.
"""

from __future__ import annotations

import torch
from torch import Tensor

from saccade.actions import FULL, KEEP, LOW, LOW_COST


def allocate(full: Tensor, low: Tensor, due: Tensor, budget: Tensor) -> Tensor:
    """Actions of the largest gain within the budget.

    Their numbers are such that the engine need not fill up its batches (see ``round_number``), so that a
    little of the budget may be left.

    Args:
        full: ``(N, GH, GW)``, what executing a block in full gains, >= 0.
        low: ``(N, GH, GW)``, the same at half resolution; less than 0 where that would do harm.
        due: ``(N, GH, GW)`` bool, blocks that must be executed; in full, and no more than the budget.
        budget: ``(N,)`` in full blocks, 0 .. GH * GW.

    Returns:
        ``(N, GH, GW)`` int8.
    """
    chosen = [_allocate(*row) for row in zip(full, low, due, budget.tolist(), strict=True)]
    return torch.stack(chosen).to(torch.int8)


def _allocate(full: Tensor, low: Tensor, due: Tensor, budget: float) -> Tensor:
    """The same for one stream, ``(GH, GW)``."""
    total = due.numel()
    if budget >= total:
        return torch.full_like(due, FULL, dtype=torch.int8)
    full, low = (torch.nan_to_num(gain.float(), 0.0).flatten().cpu() for gain in (full, low))
    forced = due.flatten().cpu()
    in_between = (low / LOW_COST > full) & ~forced
    first = torch.where(in_between, low / LOW_COST, full)
    first[forced] = torch.inf
    rest = torch.where(in_between, (full - low).clamp_min(0) / (1 - LOW_COST), -torch.inf)
    worth = torch.cat((first, rest))  # per operation, of the first increment of each block and of the second
    cost = torch.cat((torch.where(in_between, LOW_COST, 1.0), torch.full_like(rest, 1 - LOW_COST)))
    left = float(budget)
    actions = torch.full((total,), KEEP)
    steps = cost.tolist()
    for place in worth.argsort(descending=True, stable=True).tolist():
        block, again = place % total, place >= total
        if steps[place] > left or worth[place] == -torch.inf or (again and actions[block] != LOW):
            continue
        actions[block] = FULL if again or not in_between[block] else LOW
        left -= steps[place]
    _make_round(actions, FULL, torch.where(in_between, rest, first), torch.where(in_between, LOW, KEEP))
    _make_round(actions, LOW, first, torch.full_like(actions, KEEP))
    return actions.view_as(due)


def _make_round(actions: Tensor, action: int, worth: Tensor, instead: Tensor) -> None:
    """Do something else in the least worthy blocks of an action, so that a round number of it is left."""
    places = (actions == action).nonzero().flatten()
    surplus = len(places) - round_number(len(places))
    least = places[worth[places].argsort(stable=True)[:surplus]]
    least = least[worth[least] < torch.inf]
    actions[least] = instead[least]


def round_number(count: int) -> int:
    """The largest number of blocks up to this one that leaves no gaps in the engine's batches.

    Up to 8 every number, beyond that four between powers of two.
    """
    unit = 1 << max(0, count.bit_length() - 3)
    return count // unit * unit
