"""The centre line of the street: from distance along and beside it to the world and back to nothing else."""

from __future__ import annotations

import numpy as np


class StreetPath:
    """A gently winding line.

    Args:
        rng: Draws the bends.
        start: Smallest distance along the line that is asked for, metres.
        stop: Largest one.
        bend: Typical curvature, 1/m; 0 gives a straight street.
    """

    def __init__(self, rng: np.random.Generator, start: float, stop: float, bend: float) -> None:
        s = np.arange(np.floor(start) - 2, np.ceil(stop) + 3)
        waves = 2 * np.pi / rng.uniform(90, 420, 3)
        phases = rng.uniform(0, 2 * np.pi, 3)
        curvature = bend * np.sin(np.outer(s, waves) + phases).sum(1)
        heading = np.concatenate([[0], np.cumsum((curvature[1:] + curvature[:-1]) / 2)])
        heading -= np.interp(0.0, s, heading)
        x = np.concatenate([[0], np.cumsum(np.sin((heading[1:] + heading[:-1]) / 2))])
        y = np.concatenate([[0], np.cumsum(np.cos((heading[1:] + heading[:-1]) / 2))])
        self._s, self._heading = s, heading
        self._x, self._y = x - np.interp(0.0, s, x), y - np.interp(0.0, s, y)

    def heading(self, s: np.ndarray | float) -> np.ndarray:
        """Direction in radians, clockwise from north."""
        return np.interp(s, self._s, self._heading)

    def at(self, s: np.ndarray | float, d: np.ndarray | float) -> np.ndarray:
        """``(..., 2)`` world point ``d`` metres to the right of the line, ``s`` metres along it."""
        h = self.heading(s)
        x = np.interp(s, self._s, self._x) + d * np.cos(h)
        y = np.interp(s, self._s, self._y) - d * np.sin(h)
        return np.stack(np.broadcast_arrays(x, y), -1)

    def strip(self, s0: float, s1: float, d0: float, d1: float, step: float = 4.0) -> np.ndarray:
        """Outline ``(n, 2)`` of the area between two distances along and two beside the line."""
        s = np.linspace(s0, s1, max(2, int(np.ceil(abs(s1 - s0) / step)) + 1))
        return np.concatenate([self.at(s, d0), self.at(s[::-1], d1)])
