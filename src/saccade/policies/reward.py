"""What an executed block was worth, and the losses that a policy learns from it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

REDUCTION = 4
"""The gain is computed on logits at a quarter of their resolution."""


def information_gain(previous: Tensor, current: Tensor, reduction: int = REDUCTION) -> Tensor:
    """How much the scores of a pixel changed: ``KL(previous || current) / K`` of their softmax.

    Args:
        previous: ``(N, K, h, w)`` logits of the frame before.
        current: ``(N, K, h, w)`` logits.
        reduction: Both are resized bilinearly to ``h / reduction, w / reduction`` first.

    Returns:
        ``(N, h', w')`` float32, nats per class, >= 0; 0 where the scores are not finite.
    """
    before, now = (_reduced(logits, reduction).log_softmax(1) for logits in (previous, current))
    return torch.nan_to_num((before.exp() * (before - now)).mean(1), 0.0, 0.0, 0.0)


def _reduced(logits: Tensor, reduction: int) -> Tensor:
    size = [max(1, side // reduction) for side in logits.shape[2:]]
    return F.interpolate(logits, size=size, mode="bilinear", align_corners=False).float()


def block_max(maps: Tensor, grid: tuple[int, int], size: tuple[int, int], block_size: int) -> Tensor:
    """Maximum of ``(N, h, w)`` maps over each block, ``(N, GH, GW)``.

    A block's pixels are those whose centres lie in it; where a map has fewer than one per block, the nearest.

    Args:
        maps: Of any size; they show the whole frame.
        grid: Rows and columns of blocks; those at the right and bottom may be cut off.
        size: Height and width of the frame.
        block_size: Side of a block in pixels of the frame.
    """
    for dim, (blocks, pixels) in zip((1, 2), zip(grid, size, strict=True), strict=True):
        maps = _max_along(maps, dim, blocks, pixels, block_size)
    return maps


def _max_along(maps: Tensor, dim: int, blocks: int, pixels: int, block_size: int) -> Tensor:
    cells = maps.shape[dim]
    if blocks * block_size == pixels and cells % blocks == 0:
        return maps.unflatten(dim, (blocks, cells // blocks)).amax(dim + 1)
    centre = (torch.arange(cells, dtype=torch.float64) + 0.5) * pixels / cells
    owner = (centre / block_size).long().clamp_max(blocks - 1)
    first = torch.searchsorted(owner, torch.arange(blocks))  # the first cell of each block
    parts = []
    for block, (start, stop) in enumerate(zip(first.tolist(), [*first[1:].tolist(), cells], strict=True)):
        if start == stop:
            middle = min((block + 0.5) * block_size, pixels) * cells / pixels
            start = min(int(middle), cells - 1)
            stop = start + 1
        parts.append(maps.narrow(dim, start, stop - start).amax(dim))
    return torch.stack(parts, dim)


def running_mean(mean: float | None, value: float, momentum: float) -> float:
    """Exponential moving average; the first value starts it."""
    return value if mean is None else mean * momentum + value * (1 - momentum)


def cost_reward(cost: float, target: float) -> float:
    """Signed square of what is left of the budget, ``-(cost - target) * |cost - target|``.

    Args:
        cost: Executed share, averaged over time.
        target: Share that is to be executed.
    """
    excess = cost - target
    return -excess * abs(excess)


def signed(rewards: Tensor, executed: Tensor) -> Tensor:
    """The reward of a block where it was executed, the opposite where it was skipped."""
    return torch.where(executed, rewards, -rewards)


def advantages(rewards: Tensor, sampled: Tensor, alone: float) -> Tensor:
    """Rewards minus a baseline: the mean of the other blocks that were sampled in the same frame.

    What the whole frame has in common (a fast turn of the camera) so teaches nothing about its blocks, and
    nothing needs to be remembered of a stream.

    Args:
        rewards: ``(N, GH, GW)``.
        sampled: ``(N, GH, GW)`` bool.
        alone: Baseline where a single block was sampled.

    Returns:
        ``(N, GH, GW)``, 0 where a block was not sampled.
    """
    counted = sampled.to(rewards)
    count = counted.sum((1, 2), keepdim=True)
    others = ((rewards * counted).sum((1, 2), keepdim=True) - rewards) / (count - 1).clamp_min(1)
    baseline = torch.where(count > 1, others, alone)
    return (rewards - baseline) * counted


def policy_gradient_loss(log_prob: Tensor, rewards: Tensor, counted: Tensor | None = None) -> Tensor:
    """``-log_prob * reward``, mean over the blocks that are counted (all by default); rewards are constants.

    With rewards that add up over blocks, and draws one after the other, it is enough to weigh each draw with
    the reward of the block that it took: taking the best block that is left is what maximises the sum.
    """
    terms = -log_prob * rewards.detach()
    return terms.mean() if counted is None else terms[counted].sum() / counted.sum().clamp_min(1)


def ranking_loss(logits: Tensor, gains: Tensor, observed: Tensor) -> Tensor:
    """Cross entropy between the gains and the softmax of the logits, over the blocks that were observed.

    It is least where ``exp(logit)`` is proportional to the gain, whatever decided which blocks were executed;
    so it needs no sampling. Mean over streams; one without any gain teaches nothing.

    Args:
        logits: ``(N, GH, GW)``.
        gains: ``(N, GH, GW)``, >= 0.
        observed: ``(N, GH, GW)`` bool.
    """
    weights = (gains * observed).flatten(1)
    weights = (weights / weights.sum(1, keepdim=True).clamp_min(torch.finfo(weights.dtype).tiny)).detach()
    log_share = logits.flatten(1).masked_fill(~observed.flatten(1), -1e9).log_softmax(1)
    return -(weights * log_share).sum(1).mean()
