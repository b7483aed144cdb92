"""How long ago each block of a stream was executed."""

from __future__ import annotations

import numpy as np

from saccade.actions import KEEP


class BlockAges:
    """Counts frames since each block of one stream was executed."""

    def __init__(self) -> None:
        self._ages = np.zeros((0, 0), np.int64)

    def update(self, actions: np.ndarray) -> np.ndarray:
        """Take the next frame's actions.

        Args:
            actions: ``(GH, GW)`` per block: 0 keep, others execute.

        Returns:
            ``(GH, GW)``: 0 where a block was executed in this frame, 1 where in the one before, and so on. A
            grid of another size begins anew.
        """
        if self._ages.shape != actions.shape:
            self._ages = np.zeros(actions.shape, np.int64)
        self._ages = np.where(actions == KEEP, self._ages + 1, 0)
        return self._ages
