"""The centre line of the street: from distance along and beside it to the world."""

from __future__ import annotations

import math

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
        s = np.arange(math.floor(start) - 2, math.ceil(stop) + 3, dtype=float)
        waves = 2 * np.pi / rng.uniform(90, 420, 3)
        phases = rng.uniform(0, 2 * np.pi, 3)
        curvature = bend * np.sin(np.outer(s, waves) + phases).sum(1)
        heading = np.concatenate([[0], np.cumsum((curvature[1:] + curvature[:-1]) / 2)])
        heading -= np.interp(0.0, s, heading)
        middle = (heading[1:] + heading[:-1]) / 2
        x = np.concatenate([[0], np.cumsum(np.sin(middle))])
        y = np.concatenate([[0], np.cumsum(np.cos(middle))])
        x, y = x - np.interp(0.0, s, x), y - np.interp(0.0, s, y)
        self._s, self._heading, self._x, self._y = s, heading, x, y
        # Lists: single points are asked for thousands of times, and arrays are slow at that.
        self._knots = list(zip(heading.tolist(), x.tolist(), y.tolist(), strict=True))

    def heading(self, s: np.ndarray | float) -> np.ndarray:
        """Direction in radians, clockwise from north."""
        return np.interp(s, self._s, self._heading)

    def at(self, s: np.ndarray, d: np.ndarray | float) -> np.ndarray:
        """``(n, 2)`` world points ``d`` metres to the right of the line, ``s`` (n,) metres along it."""
        h = self.heading(s)
        x = np.interp(s, self._s, self._x) + d * np.cos(h)
        return np.stack([x, np.interp(s, self._s, self._y) - d * np.sin(h)], -1)

    def point(self, s: float, d: float) -> tuple[float, float]:
        """One world point; see ``at``."""
        t = min(max(s - self._s[0], 0.0), len(self._knots) - 1.001)
        i = int(t)
        t -= i
        h0, x0, y0 = self._knots[i]
        h1, x1, y1 = self._knots[i + 1]
        h = h0 + t * (h1 - h0)
        return x0 + t * (x1 - x0) + d * math.cos(h), y0 + t * (y1 - y0) - d * math.sin(h)

    def strip(self, s0: float, s1: float, d0: float, d1: float, step: float = 4.0) -> np.ndarray:
        """Outline ``(n, 2)`` of the area between two distances along and two beside the line."""
        n = max(2, math.ceil(abs(s1 - s0) / step) + 1)
        if n == 2:
            point = self.point
            return np.array([point(s0, d0), point(s1, d0), point(s1, d1), point(s0, d1)])
        s = np.linspace(s0, s1, n)
        return np.concatenate([self.at(s, d0), self.at(s[::-1], d1)])
