"""What a policy sees, decides and learns from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from saccade.actions import FULL, KEEP
from saccade.networks.detector import Boxes
from saccade.policies.allocation import allocate

LOW_GAIN = 0.5
"""What half resolution gains, as a share of what full resolution gains, where a policy does not know."""


@dataclass(frozen=True, eq=False)
class PolicyView:
    """The streams of one step that need a decision, before their frame is executed.

    Streams at their first frame (or after a scene cut) are executed in full and are not among them.

    Attributes:
        streams: Which streams of the step the N rows are.
        frames: ``(N, 3, H, W)`` normalised frames.
        seen: ``(N, 3, H, W)``, the frame state: at every pixel what its block was last executed on.
        logits: ``(N, K, h, w)`` scores that the network gave for the frame before; of a detector,
            ``box_logits`` of what it found.
        actions: ``(N, GH, GW)`` int8, what was executed in the frame before.
        age: ``(N, GH, GW)`` int64, frames since a block was last executed: 1 where that was the one before.
            Like all that has an entry per block, on the CPU, wherever the frames are.
        due: ``(N, GH, GW)`` bool, blocks that must be executed now. Never more than the budget.
        budget: ``(N,)`` int64, how many blocks to execute; one at half resolution counts as a quarter.
        block_size: Side of a block in pixels; those at the right and bottom may be cut off.
        boxes: What a detector found in the frame before, for each of the N; None for class scores.
        levels: 2 where blocks may be executed at half resolution. ``seen`` of such blocks is blurred.
    """

    streams: tuple[int, ...]
    frames: Tensor
    seen: Tensor
    logits: Tensor
    actions: Tensor
    age: Tensor
    due: Tensor
    budget: Tensor
    block_size: int
    boxes: tuple[Boxes, ...] | None = None
    levels: int = 1

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of blocks."""
        return int(self.age.shape[1]), int(self.age.shape[2])

    def whole_blocks(self, maps: Tensor, mode: str = "replicate") -> Tensor:
        """Maps of the frame's size ``(N, C, H, W)``, continued at the right and bottom to whole blocks."""
        rows, columns = self.grid
        missing = rows * self.block_size - maps.shape[2], columns * self.block_size - maps.shape[3]
        return F.pad(maps, (0, missing[1], 0, missing[0]), mode=mode) if any(missing) else maps

    def per_block(self, maps: Tensor) -> Tensor:
        """Mean over each block ``(N, GH, GW)`` of maps ``(N, h, w)`` that show the whole frame, any size."""
        h, w = self.frames.shape[2:]
        return block_means(maps[:, None], self.grid, (h, w), self.block_size)[:, 0]


@dataclass(frozen=True, eq=False)
class PolicyOutcome:
    """What came of a decision.

    Attributes:
        view: What was decided on.
        actions: ``(N, GH, GW)`` int8, what was executed.
        logits: ``(N, K, h, w)`` scores after it.
        target: Share of the blocks that is to be executed, 0..1.
        boxes: What a detector found; None for class scores.
    """

    view: PolicyView
    actions: Tensor
    logits: Tensor
    target: float
    boxes: tuple[Boxes, ...] | None = None


class Policy(nn.Module, ABC):
    """Decides which blocks to execute. ``state_dict`` holds what it learned.

    Attributes:
        macs: MACs of the last decision, all streams together.
        training_macs: MACs of the last ``learn``.
        notes: What happened that the user should know, once each (for example: collapsed and was reset).
        saves: Whether blocks that a still scene does not need are saved for when it moves.
    """

    saves = False

    def __init__(self) -> None:
        super().__init__()
        self.macs = 0.0
        self.training_macs = 0.0
        self.notes: list[str] = []

    @abstractmethod
    def decide(self, view: PolicyView) -> Tensor:
        """Actions ``(N, GH, GW)`` int8: 0 keep, 2 execute; with two levels also 1, at half resolution."""

    def learn(self, outcome: PolicyOutcome) -> None:
        """Learn from what came of the last decision; policies that do not learn do nothing."""


class RankingPolicy(Policy):
    """Executes the blocks with the highest ranks, as many as the budget says; blocks that are due first."""

    @abstractmethod
    def rank(self, view: PolicyView) -> Tensor:
        """How much every block wants to be executed, ``(N, GH, GW)`` floating-point, any range.

        With two levels, what executing it in full gains, >= 0.
        """

    def low_gain(self, view: PolicyView, gain: Tensor) -> Tensor:
        """What executing blocks at half resolution gains, ``(N, GH, GW)``; ``gain`` is that in full."""
        return LOW_GAIN * gain

    def decide(self, view: PolicyView) -> Tensor:
        """The blocks that are due, then those with the highest ranks; with two levels, per operation."""
        ranks = self.rank(view).to(view.due.device)
        if view.levels == 1:
            return highest(ranks, view.due, view.budget)
        low = self.low_gain(view, ranks).to(view.due.device)
        return allocate(ranks, low, view.due, view.budget)


def highest(ranks: Tensor, due: Tensor, budget: Tensor) -> Tensor:
    """Actions that execute exactly ``budget`` blocks of each stream: those that are due, then by rank.

    Equal ranks go by position. A rank that is not a number is lowest.

    Args:
        ranks: ``(N, GH, GW)`` floating-point.
        due: ``(N, GH, GW)`` bool.
        budget: ``(N,)`` int64, 0 .. GH * GW.

    Returns:
        ``(N, GH, GW)`` int8.
    """
    flat = torch.nan_to_num(ranks.float(), nan=-torch.inf, posinf=torch.finfo(torch.float32).max).flatten(1)
    flat = flat.clamp_min(torch.finfo(torch.float32).min).masked_fill(due.flatten(1), torch.inf)
    order = flat.argsort(dim=1, descending=True, stable=True)
    place = torch.empty_like(order).scatter_(1, order, torch.arange(flat.shape[1]).to(order).expand_as(order))
    chosen = place < budget.to(place)[:, None]
    return torch.where(chosen, FULL, KEEP).to(torch.int8).view_as(due)


def block_means(maps: Tensor, grid: tuple[int, int], size: tuple[int, int], block_size: int) -> Tensor:
    """Mean of ``(N, C, h, w)`` maps over each block, ``(N, C, GH, GW)``, with blocks cut off at the border.

    A block's pixels are those whose centres lie in it; where a map has fewer than one per block, the nearest.

    Args:
        maps: Of any size; they show the whole frame.
        grid: Rows and columns of blocks.
        size: Height and width of the frame.
        block_size: Side of a block in pixels of the frame.
    """
    for dim, (blocks, pixels) in zip((2, 3), zip(grid, size, strict=True), strict=True):
        maps = _means_along(maps, dim, blocks, pixels, block_size)
    return maps


def _means_along(maps: Tensor, dim: int, blocks: int, pixels: int, block_size: int) -> Tensor:
    cells = maps.shape[dim]
    if blocks * block_size == pixels and cells % blocks == 0:
        return maps.unflatten(dim, (blocks, cells // blocks)).mean(dim + 1)
    centre = (torch.arange(cells, dtype=torch.float64) + 0.5) * pixels / cells
    owner = (centre / block_size).long().clamp_max(blocks - 1)
    weight = torch.zeros(blocks, cells, dtype=torch.float64)
    weight[owner, torch.arange(cells)] = 1.0
    for block in (weight.sum(1) == 0).nonzero().flatten().tolist():
        middle = min((block + 0.5) * block_size, pixels) * cells / pixels
        weight[block, min(int(middle), cells - 1)] = 1.0
    weight = (weight / weight.sum(1, keepdim=True)).to(maps.device, maps.dtype)
    return torch.movedim(torch.movedim(maps, dim, -1) @ weight.t(), -1, dim)
