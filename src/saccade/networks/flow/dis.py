"""Optical flow by dense inverse search: no weights, fast on any CPU (Kroeger et al., ECCV 2016)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from saccade.errors import NetworkError
from saccade.networks.flow.base import FlowEstimator

Preset = Literal["ultrafast", "fast", "medium"]

PRESETS = {"ultrafast": 0, "fast": 1, "medium": 2}
"""OpenCV's numbers of its three settings."""

SMALLEST = 16
"""DIS needs this many pixels on each side; smaller pictures are continued at their edge."""


class DIS(FlowEstimator):
    """OpenCV's dense inverse search, on the CPU.

    Args:
        preset: OpenCV's setting: ``"ultrafast"``, ``"fast"`` or ``"medium"``.
        largest: Frames are averaged down to at most this many pixels on the longer side.
    """

    def __init__(self, *, preset: Preset = "fast", largest: int = 512) -> None:
        super().__init__()
        if preset not in PRESETS:
            raise NetworkError(f"DIS has no preset {preset!r}; choose one of {', '.join(PRESETS)}")
        if largest < 1:
            raise NetworkError(f"largest={largest} is no size in pixels; give for example 512")
        self.preset, self.largest = preset, largest
        self._search = Search(preset)

    def forward(self, now: Tensor, before: Tensor) -> Tensor:
        """Backward flow ``(N, 2, H / f, W / f)`` with whole f; see ``FlowEstimator``."""
        pairs = zip(grey(now, self.largest), grey(before, self.largest), strict=True)
        flows = [self._search.flow(*pair) for pair in pairs]
        return torch.from_numpy(np.stack(flows)).permute(0, 3, 1, 2).to(now.device)

    def macs(self, frames_shape: Sequence[int]) -> float:
        """An upper estimate of the arithmetic: DIS stops early where it has converged."""
        n, _, height, width = frames_shape
        factor = reduction(height, width, self.largest)
        return n * self._search.macs_per_pixel * math.ceil(height / factor) * math.ceil(width / factor)


class Search:
    """DIS between two grey pictures of any size.

    Args:
        preset: OpenCV's setting.
    """

    def __init__(self, preset: Preset) -> None:
        self.preset = preset
        self._size: tuple[int, ...] = ()
        self._dis = self._new()

    def _new(self) -> Any:
        return cv2.DISOpticalFlow_create(PRESETS[self.preset])  # type: ignore[attr-defined]

    def flow(self, now: np.ndarray, before: np.ndarray) -> np.ndarray:
        """Where each pixel was before, ``(H, W, 2)`` float32 ``(dx, dy)`` in pixels.

        Args:
            now: ``(H, W)`` uint8.
            before: The earlier picture, of the same size.
        """
        if now.shape != self._size:  # OpenCV adapts its settings to small pictures, and stays with them
            self._dis, self._size = self._new(), now.shape
        height, width = now.shape
        missing = (0, max(0, SMALLEST - height)), (0, max(0, SMALLEST - width))
        now, before = (np.pad(picture, missing, mode="edge") for picture in (now, before))
        found: np.ndarray = self._dis.calc(now, before, None)
        return np.ascontiguousarray(found[:height, :width])

    @property
    def macs_per_pixel(self) -> float:
        """MACs per pixel of the picture, if no search ends early.

        Counted per pixel of the finest scale: a step of the search is 7 MACs per pixel of a patch (bilinear
        samples, two products with the gradient, the error); filling in between patches is 6 for each that
        covers the pixel; a round of variational refinement is about 100. Coarser scales add a third.
        """
        dis = self._new()
        overlap = (dis.getPatchSize() / dis.getPatchStride()) ** 2
        finest = 7 * dis.getGradientDescentIterations() * overlap + 6 * overlap
        finest += 100 * dis.getVariationalRefinementIterations()
        return finest * (4 / 3) / 4 ** dis.getFinestScale()

    def __deepcopy__(self, memo: object) -> Search:
        return Search(self.preset)

    def __reduce__(self) -> tuple[type[Search], tuple[Preset]]:
        return Search, (self.preset,)


def grey(frames: Tensor, largest: int) -> list[np.ndarray]:
    """Grey pictures of at most ``largest`` pixels on a side, ``(h, w)`` uint8 each.

    Args:
        frames: ``(N, 3, H, W)`` normalised frames.
        largest: Frames are averaged over squares of as many pixels as this takes.
    """
    factor = reduction(frames.shape[2], frames.shape[3], largest)
    mean = frames.detach().mean(1, keepdim=True, dtype=torch.float32)
    if factor > 1:
        mean = F.avg_pool2d(mean, factor, ceil_mode=True)
    levels = ((mean.nan_to_num(0.0) + 2.5) * 51).clamp(0, 255).to(torch.uint8)
    return [np.ascontiguousarray(level[0]) for level in levels.cpu().numpy()]


def reduction(height: int, width: int, largest: int) -> int:
    """Smallest whole factor that brings both sides to at most ``largest`` pixels."""
    return -(-max(height, width) // largest)
