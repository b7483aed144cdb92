"""How many blocks a frame may execute, so that their share meets the target over time."""

from __future__ import annotations

from collections.abc import Callable

REPAYMENT = 0.25
"""At most this part of a frame's usual blocks is given or taken to make up for what was not planned."""

LEAST = 0.25
"""A frame executes at least this part of its usual blocks, however little there is to do."""


class Budget:
    """One stream's account of blocks.

    What rounding left over is made up for in the next frame. What was executed beyond the plan (a scene cut,
    blocks that were due) is made up for little by little. So the share is exact in the long run. The first
    frame of a video does not count.

    Where there is less to do than usual, blocks are saved for frames in which there is more: a person walks
    into an empty room. When no more can be saved, the frame executes its usual blocks all the same.

    Args:
        target: Share of the blocks, 0..1.
        blocks: Blocks of a frame.
        rounded: The nearest number of blocks that the engine executes without waste.
        dense_above: Share above which a frame in full is as fast. A frame executes no more blocks than that,
            or all.
        savings: At most so many blocks are saved.

    Attributes:
        owed: Blocks that were executed beyond the plan.
        left: Blocks that rounding left over.
        saved: Blocks for frames in which there is more to do than usual.
    """

    def __init__(
        self,
        target: float,
        blocks: int,
        rounded: Callable[[float], int],
        dense_above: float = 1.0,
        savings: float = 0.0,
    ) -> None:
        self.usual = target * blocks
        self.blocks = blocks
        self.limit = int(dense_above * blocks)
        self.owed = 0.0
        self.left = 0.0
        self.saved = 0.0
        self.savings = savings
        self._rounded = rounded
        self._planned: float | None = None

    def next(self, demand: float | None = None) -> int:
        """Blocks of the next frame.

        Args:
            demand: In how many blocks there is something to do; None for a frame like all others.
        """
        most = max(1.0, REPAYMENT * self.usual)
        repaid = max(-most, min(most, self.owed))
        wanted = self.usual - repaid + self.left
        if demand is not None:
            drawn = self._drawn(wanted, demand)
            self.saved -= drawn
            wanted += drawn
        if wanted > self.limit:
            planned = self.blocks if wanted - self.limit > self.blocks - wanted else self.limit
        else:
            planned = max(0, min(self.limit, self._rounded(wanted)))
        self.owed -= repaid
        self.left = wanted - planned
        self._planned = planned
        return planned

    def _drawn(self, wanted: float, demand: float) -> float:
        """What the savings give to a frame; negative for what it gives to them."""
        if demand > wanted:
            return min(demand - wanted, self.saved)
        least = max(demand, LEAST * self.usual)
        return -max(0.0, min(wanted - least, self.savings - self.saved))

    def spend(self, executed: float) -> None:
        """So many blocks were executed, at half resolution quarters, whether ``next`` was asked or not."""
        self.owed += executed - (self.usual if self._planned is None else self._planned)
        self._planned = None
