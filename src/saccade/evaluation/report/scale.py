"""From values to places in a picture, and the round numbers along an axis."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """A linear axis.

    Attributes:
        low, high: Values at its ends, ``low < high``.
        start, end: Where these are drawn.
    """

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Where a value is drawn."""
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)

    def ticks(self, most: int = 6) -> list[float]:
        """Round numbers within the axis, ``most`` at most where that is 2 or more.

        Examples:
            >>> Scale(0, 1, 0, 100).ticks(6)
            [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
        """
        step = _round_step((self.high - self.low) / most)
        while True:
            first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
            if last - first < most or last - first < 2:
                return [round(i * step, 12) for i in range(first, last + 1)]
            step = _round_step(step * 1.01)


def texts_of(ticks: Iterable[float]) -> list[str]:
    """Numbers with as many decimals as the finest of them needs."""
    ticks = list(ticks)
    needed = next(
        (d for d in range(9) if all(abs(round(tick, d) - tick) < 1e-9 for tick in ticks)),
        9,
    )
    return [f"{tick:.{needed}f}" for tick in ticks]


def around(values: Iterable[float], least: float, pad: float = 0.08) -> tuple[float, float]:
    """Ends of an axis for values, with some room at both.

    Args:
        values: At least one.
        least: The axis is at least so long: small differences stay small.
        pad: Share of the axis at each end.
    """
    values = list(values)
    middle, span = (min(values) + max(values)) / 2, max(max(values) - min(values), least)
    return middle - span * (0.5 + pad), middle + span * (0.5 + pad)


def without_stragglers(scores: Iterable[float]) -> list[float]:
    """Scores without those so low that they would press all others together at the top of an axis.

    They are further from the best than three times the lower quartile is, and than 0.1.
    """
    ordered = sorted(scores)
    far = max(3 * (ordered[-1] - ordered[len(ordered) // 4]), 0.1)
    return [score for score in ordered if ordered[-1] - score <= far]


def _round_step(rough: float) -> float:
    """The smallest of 1, 2 and 5 times a power of ten that is not below ``rough``."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - 1e-9))
