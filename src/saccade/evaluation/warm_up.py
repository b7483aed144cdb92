"""Which steps are slow only because they are the first of their kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable


class WarmUp:
    """Counts the first steps at each shape of the input: memory, kernels and programs are prepared in them.

    Args:
        steps: How many steps at each shape belong to the warm-up.
    """

    def __init__(self, steps: int) -> None:
        self._steps = steps
        self._seen: Counter[Hashable] = Counter()

    def step(self, shapes: list[tuple[int, ...]]) -> bool:
        """Count a step with inputs of these shapes, and say whether it belongs to the warm-up."""
        key = tuple(shapes)
        self._seen[key] += 1
        return self._seen[key] <= self._steps
