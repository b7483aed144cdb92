"""Label maps that are needed again, packed so that those of a long video fit into memory."""

from __future__ import annotations

import zlib

import numpy as np

Place = tuple[int, int]
"""Number of the step, and of the batch in it."""


class KeptLabels:
    """Label maps by place.

    Args:
        keep: Whether anything is kept.
    """

    def __init__(self, keep: bool = True) -> None:
        self._keep = keep
        self._packed: dict[Place, tuple[tuple[int, ...], bytes]] = {}

    def __contains__(self, place: Place) -> bool:
        return place in self._packed

    def put(self, place: Place, labels: np.ndarray) -> None:
        """Keep a map of class ids, uint8."""
        if self._keep:
            self._packed[place] = labels.shape, zlib.compress(labels.tobytes(), 1)

    def get(self, place: Place) -> np.ndarray | None:
        """The map that was kept, in its shape; None where there is none."""
        if place not in self._packed:
            return None
        shape, packed = self._packed[place]
        return np.frombuffer(bytearray(zlib.decompress(packed)), np.uint8).reshape(shape)
