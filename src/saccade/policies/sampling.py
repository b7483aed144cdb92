"""Drawing blocks from the logits of a policy, and the log-probability of what was drawn.

*Bernoulli*, the original's way: each block by itself, with the probability ``sigmoid(logit)``. Their number
is random.

*Gumbel top-k*, ours: the k blocks with the highest ``logit + Gumbel noise``. Their number is exact. In order
of their noisy logits they are distributed as k draws without replacement, each by the ``softmax`` of the
logits of the blocks that are left (Plackett-Luce; see Kool et al., "Stochastic Beams and Where to Find Them",
2019):

    log p(b_1, ..., b_k) = sum_i ( l(b_i) - log sum_{b not in b_1 .. b_{i-1}} exp l(b) )
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from saccade.actions import FULL, KEEP

_EXCLUDED = -1e9
"""Logit of a block that cannot be drawn. Finite, so that gradients are."""


@dataclass(frozen=True, eq=False)
class Draw:
    """Blocks that were drawn.

    Attributes:
        executed: ``(N, GH, GW)`` bool.
        sampled: ``(N, GH, GW)`` bool, blocks that were drawn: executed, and not because they were due.
        order: ``(N, GH * GW)`` int64, blocks that could be drawn, in the order in which they would be.
    """

    executed: Tensor
    sampled: Tensor
    order: Tensor


def gumbel(size: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Standard Gumbel noise, on the device of the generator."""
    waiting = torch.empty(size, device=generator.device).exponential_(generator=generator)
    return -waiting.clamp_min(torch.finfo(waiting.dtype).tiny).log()


def draw_top_k(noisy: Tensor, due: Tensor, budget: Tensor) -> Draw:
    """Blocks that are due, then those with the highest noisy logits, ``budget`` in all.

    Equal values go by position.

    Args:
        noisy: ``(N, GH, GW)`` logits, with or without noise; finite.
        due: ``(N, GH, GW)`` bool, no more than the budget.
        budget: ``(N,)`` int64.
    """
    flat = noisy.flatten(1).masked_fill(due.flatten(1), -torch.inf)
    order = flat.argsort(dim=1, descending=True, stable=True)
    place = torch.empty_like(order).scatter_(1, order, torch.arange(flat.shape[1]).to(order).expand_as(order))
    free = budget.to(place) - due.flatten(1).sum(1)
    sampled = (place < free[:, None]).view_as(due) & ~due
    return Draw(sampled | due, sampled, order)


def top_k_log_prob(logits: Tensor, draw: Draw) -> Tensor:
    """Log-probability of each pick, given those before it (see the top of this file).

    Args:
        logits: ``(N, GH, GW)`` without noise.
        draw: What ``draw_top_k`` gave for them with noise.

    Returns:
        ``(N, GH, GW)``: at each sampled block its term of the sum, elsewhere 0.
    """
    due = draw.executed & ~draw.sampled
    flat = logits.flatten(1).masked_fill(due.flatten(1), _EXCLUDED).gather(1, draw.order)
    left = flat.flip(1).logcumsumexp(1).flip(1)
    terms = torch.zeros_like(flat).scatter(1, draw.order, flat - left).view_as(logits)
    return terms.masked_fill(~draw.sampled, 0.0)


def draw_bernoulli(probabilities: Tensor, generator: torch.Generator) -> Tensor:
    """Each block by itself, ``(N, GH, GW)`` bool."""
    return torch.rand(probabilities.shape, generator=generator, device=generator.device) < probabilities


def bernoulli_log_prob(logits: Tensor, executed: Tensor) -> Tensor:
    """Log-probability of each block's action under ``sigmoid(logits)``, ``(N, GH, GW)``."""
    return -F.binary_cross_entropy_with_logits(logits, executed.to(logits), reduction="none")


def promote(executed: Tensor, share: float, ranks: Tensor) -> Tensor:
    """Execute more blocks, until their number is a multiple of ``int(share * blocks)``; none stays none.

    Counted over the whole batch, as in the original. Below ``1 / share`` blocks, where the original divides
    by zero, nothing is promoted; and there are never more blocks than all.

    Args:
        executed: ``(N, GH, GW)`` bool.
        share: 1/16 in the original.
        ranks: ``(N, GH, GW)``; skipped blocks with the highest ranks are promoted. Random in the original.

    Returns:
        ``(N, GH, GW)`` bool.
    """
    unit = math.floor(share * executed.numel())
    if unit < 1:
        return executed
    count = executed.sum()
    missing = -(-count // unit) * unit - count
    order = ranks.masked_fill(executed, -torch.inf).flatten().argsort(descending=True, stable=True)
    place = torch.empty_like(order).scatter_(0, order, torch.arange(order.numel()).to(order))
    return executed | (place < missing).view_as(executed)


def as_actions(executed: Tensor) -> Tensor:
    """Actions int8 of a bool map."""
    return torch.where(executed, FULL, KEEP).to(torch.int8)
