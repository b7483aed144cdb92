"""How old a block's features are, and when it must be executed again."""

from __future__ import annotations

import math

import torch
from torch import Tensor

GOLDEN = (math.sqrt(5) - 1) / 2


class Ageing:
    """Ages of the blocks of all streams, and their deadlines.

    A block is executed at the latest ``most`` frames after it was last. After a frame in full, the deadlines
    of its blocks are spread over that time, far apart for neighbours, so that they never come together.

    Args:
        grid: Rows and columns of blocks.
        most: Frames; 0 for no deadlines.
        device: Where to keep them.

    Attributes:
        age: ``(N, GH, GW)`` int64, 1 for blocks that the last frame executed.
        left: ``(N, GH, GW)`` int64, frames until a block must be executed.
    """

    def __init__(self, grid: tuple[int, int], most: int, device: torch.device) -> None:
        self.grid = grid
        self.most = most
        self.age = torch.zeros(0, *grid, dtype=torch.int64, device=device)
        self.left = self.age.clone()
        order = (torch.arange(grid[0] * grid[1], dtype=torch.float64) * GOLDEN).remainder(1).argsort()
        spread = torch.empty_like(order).scatter_(0, order, torch.arange(len(order)))
        self._spread = (1 + spread * most // len(order)).view(grid).to(device)

    def resize(self, streams: int) -> None:
        """Make room for new streams, or forget the last ones."""
        missing = streams - len(self.age)
        fresh = self.age.new_zeros(max(0, missing), *self.grid)
        self.age = torch.cat((self.age, fresh))[:streams]
        self.left = torch.cat((self.left, fresh))[:streams]

    def keep(self, rows: list[int]) -> None:
        """Only these streams go on."""
        self.age, self.left = self.age[rows], self.left[rows]

    @property
    def due(self) -> Tensor:
        """``(N, GH, GW)`` bool: blocks that the next frame must execute."""
        return self.left <= 1 if self.most else torch.zeros_like(self.left, dtype=torch.bool)

    def update(self, executed: Tensor, whole: Tensor) -> None:
        """A frame is over.

        Args:
            executed: ``(N, GH, GW)`` bool.
            whole: ``(N,)`` bool, streams whose frame was executed in full.
        """
        self.age = torch.where(executed, 1, self.age + 1)
        self.left = torch.where(executed, self.most, self.left - 1)
        self.left = torch.where(whole[:, None, None], self._spread, self.left)
