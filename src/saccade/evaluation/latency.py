"""How long steps take: a clock that waits for the device, and percentiles."""

from __future__ import annotations

import time
from array import array
from collections.abc import Callable
from typing import TypeVar

import numpy as np
import torch

T = TypeVar("T")


def synchronise(device: torch.device) -> None:
    """Wait until the device has done all it was told."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def timed(function: Callable[[], T], device: torch.device) -> tuple[T, float]:
    """What a call gives, and the milliseconds until the device has finished with it."""
    synchronise(device)
    start = time.perf_counter()
    result = function()
    synchronise(device)
    return result, (time.perf_counter() - start) * 1000


class Latency:
    """Milliseconds of every step, nine bytes each; not a torchmetrics metric, since times do not merge."""

    def __init__(self) -> None:
        self._milliseconds = array("d")
        self._keyframe = array("b")
        self._last_warm_up: tuple[float, bool] | None = None

    def update(self, milliseconds: float, keyframe: bool = True, warm_up: bool = False) -> None:
        """Add a step.

        Args:
            milliseconds: Its duration.
            keyframe: Whether a frame was computed in full.
            warm_up: Leave it out, unless there is no step besides the warm-up.
        """
        if warm_up:
            self._last_warm_up = milliseconds, keyframe
            return
        self._milliseconds.append(milliseconds)
        self._keyframe.append(keyframe)

    def __len__(self) -> int:
        return len(self._milliseconds)

    @property
    def milliseconds(self) -> list[float]:
        """Of every step in order, without those of the warm-up."""
        return self._milliseconds.tolist()

    def compute(self) -> dict[str, float | None]:
        """The ``latency_ms`` of the contract; percentiles by linear interpolation.

        Where all steps belonged to the warm-up, the last of them stands for all.

        Returns:
            ``mean``, ``p50``, ``p95``, ``max``, and the medians ``keyframe_p50`` and ``other_p50`` of steps
            with and without a keyframe; None where there are none.
        """
        milliseconds, keyframe = np.array(self._milliseconds), np.array(self._keyframe, bool)
        if not len(milliseconds) and self._last_warm_up is not None:
            milliseconds, keyframe = (np.array([value]) for value in self._last_warm_up)
        return {
            "mean": float(milliseconds.mean()) if len(milliseconds) else None,
            "p50": _percentile(milliseconds, 50),
            "p95": _percentile(milliseconds, 95),
            "max": _percentile(milliseconds, 100),
            "keyframe_p50": _percentile(milliseconds[keyframe], 50),
            "other_p50": _percentile(milliseconds[~keyframe], 50),
        }


def _percentile(values: np.ndarray, percent: float) -> float | None:
    return float(np.percentile(values, percent)) if len(values) else None
