"""How many of the blocks a method executed."""

from __future__ import annotations

from collections.abc import Sequence

from saccade.actions import KEEP, LOW
from saccade.methods.base import StepResult


class ExecutedBlocks:
    """Counts blocks and executed blocks over all streams, with and without the first frame of each.

    A block is executed if its action is not ``KEEP``. Methods without blocks have no counts.
    """

    def __init__(self) -> None:
        self._all = [0, 0]  # executed, blocks
        self._later = [0, 0]
        self._low = 0
        self._seen: list[list[bool]] = []  # by batch and row: whether the stream had a frame already

    def update(self, results: Sequence[StepResult]) -> float | None:
        """Count a step, one result per batch of streams.

        Returns:
            The executed share of the step's blocks; None without blocks.
        """
        before = tuple(self._all)
        if not self._seen:
            self._seen = [[False] * len(result.keyframe) for result in results]
        for result, seen in zip(results, self._seen, strict=True):
            if result.actions is not None:
                self._low += int((result.actions == LOW).sum())
                for row, actions in enumerate(result.actions):
                    counts = int((actions != KEEP).sum()), actions.numel()
                    for total in (self._all, self._later) if seen[row] else (self._all,):
                        total[0] += counts[0]
                        total[1] += counts[1]
            seen[:] = [True] * len(seen)
        executed, blocks = (now - then for now, then in zip(self._all, before, strict=True))
        return executed / blocks if blocks else None

    def restart(self) -> None:
        """The next frame of every stream is a first one."""
        self._seen = []

    def drop(self, batch: int, rows: Sequence[int]) -> int:
        """Streams have ended.

        Args:
            batch: Which batch they were in; an empty batch is gone.
            rows: Their rows in it.

        Returns:
            How many streams remain in the batch.
        """
        kept = [seen for row, seen in enumerate(self._seen[batch]) if row not in rows]
        if kept:
            self._seen[batch] = kept
        else:
            del self._seen[batch]
        return len(kept)

    @property
    def fraction(self) -> float | None:
        """Executed share of all blocks, 0..1; None without blocks."""
        return self._all[0] / self._all[1] if self._all[1] else None

    @property
    def low_fraction(self) -> float | None:
        """Share of all blocks that were executed at half resolution; None without blocks."""
        return self._low / self._all[1] if self._all[1] else None

    @property
    def fraction_without_first(self) -> float | None:
        """The same without the first frame of each stream."""
        return self._later[0] / self._later[1] if self._later[1] else None
