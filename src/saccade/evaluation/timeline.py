"""How a run went over its frames, in a list that stays short however long the run is."""

from __future__ import annotations

from typing import Any

import numpy as np

POINTS = 1000


class Timeline:
    """Executed share, latency and agreement of every step; averages of several steps in long runs.

    Args:
        points: How many there are at most, an even number. Where they are full, every two become one.
    """

    KEYS = ("executed_fraction", "latency_ms", "agreement_with_dense")

    def __init__(self, points: int = POINTS) -> None:
        self._sums = np.zeros((points, len(self.KEYS)))
        self._counts = np.zeros((points, len(self.KEYS)), np.int64)
        self._steps = 0
        self._per_point = 1

    def update(
        self, executed: float | None = None, milliseconds: float | None = None, agreement: float | None = None
    ) -> None:
        """Add a step.

        Args:
            executed: Share of its blocks that were executed.
            milliseconds: Its duration.
            agreement: Share of its pixels with the label of frame-by-frame execution; of detectors, F1 of its
                boxes against those.
        """
        if self._steps == len(self._sums) * self._per_point:
            self._halve()
        point = self._steps // self._per_point
        for column, value in enumerate((executed, milliseconds, agreement)):
            if value is not None:
                self._sums[point, column] += value
                self._counts[point, column] += 1
        self._steps += 1

    def _halve(self) -> None:
        for table in (self._sums, self._counts):
            half = len(table) // 2
            table[:half] = table[0::2] + table[1::2]
            table[half:] = 0
        self._per_point *= 2

    def to_dict(self) -> dict[str, Any]:
        """The points from the first to the last.

        Returns:
            ``frames_per_point``, and a list for each of ``KEYS``: the mean over the frames of each point,
            None where it is known of none of them. Instead of a list, None where nothing is known at all.
        """
        points = -(-self._steps // self._per_point)
        values: dict[str, Any] = {"frames_per_point": self._per_point}
        for column, key in enumerate(self.KEYS):
            sums, counts = self._sums[:points, column], self._counts[:points, column]
            means = [round(float(s / n), 6) if n else None for s, n in zip(sums, counts, strict=True)]
            values[key] = means if counts.any() else None
        return values
