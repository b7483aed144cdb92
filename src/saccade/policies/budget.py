"""How many blocks a frame may execute, so that their share meets the target over time."""

from __future__ import annotations

from collections.abc import Callable

REPAYMENT = 0.25
"""At most this part of a frame's usual blocks is given or taken to make up for what was not planned."""


class Budget:
    """One stream's account of blocks.

    What rounding left over is made up for in the next frame. What was executed beyond the plan (a scene cut,
    blocks that were due) is made up for little by little. So the share is exact in the long run. The first
    frame of a video does not count.

    Args:
        target: Share of the blocks, 0..1.
        blocks: Blocks of a frame.
        rounded: The nearest number of blocks that the engine executes without waste.
        dense_above: Share above which a frame in full is as fast. A frame executes no more blocks than that,
            or all.

    Attributes:
        owed: Blocks that were executed beyond the plan.
        left: Blocks that rounding left over.
    """

    def __init__(
        self, target: float, blocks: int, rounded: Callable[[float], int], dense_above: float = 1.0
    ) -> None:
        self.usual = target * blocks
        self.blocks = blocks
        self.limit = int(dense_above * blocks)
        self.owed = 0.0
        self.left = 0.0
        self._rounded = rounded
        self._planned: float | None = None

    def next(self) -> int:
        """Blocks of the next frame."""
        most = max(1.0, REPAYMENT * self.usual)
        repaid = max(-most, min(most, self.owed))
        wanted = self.usual - repaid + self.left
        if wanted > self.limit:
            planned = self.blocks if wanted - self.limit > self.blocks - wanted else self.limit
        else:
            planned = max(0, min(self.limit, self._rounded(wanted)))
        self.owed -= repaid
        self.left = wanted - planned
        self._planned = planned
        return planned

    def spend(self, executed: int) -> None:
        """So many blocks were executed, whether ``next`` was asked before or not."""
        self.owed += executed - (self.usual if self._planned is None else self._planned)
        self._planned = None
