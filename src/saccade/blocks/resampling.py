"""Resizing as what it is: every output row (and column) is a weighted sum of a few input rows.

The indices and weights are those of ``torch.nn.functional.interpolate`` and ``adaptive_avg_pool2d``, in
the same arithmetic, so that a block resized alone equals the same block of a map resized whole.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from saccade.blocks.grid import Axis, Starts

CUBIC = -0.75
"""PyTorch's coefficient of cubic convolution."""


@dataclass(frozen=True, eq=False)
class Taps:
    """Which input pixels make up each output pixel of one axis.

    Attributes:
        index: ``(out, T)`` input pixels.
        weight: ``(out, T)`` their weights; each row sums to 1.
    """

    index: npt.NDArray[np.int64]
    weight: npt.NDArray[np.floating]


def interpolation_taps(
    mode: str,
    source: int,
    target: int,
    *,
    align_corners: bool = False,
    scale: float | None = None,
    precision: type[np.floating] = np.float32,
) -> Taps:
    """Taps of ``interpolate``.

    Args:
        mode: ``nearest``, ``nearest-exact``, ``bilinear`` or ``bicubic``.
        source, target: Pixels before and after.
        align_corners: As in ``interpolate``.
        scale: The factor, where the caller gave one instead of a size.
        precision: Type of positions and weights: double for maps of doubles, single for all others.
    """
    if target == source and mode in ("nearest", "bilinear"):
        scale = None  # whatever the factor, PyTorch copies
    if target == 2 * source and mode == "nearest":
        scale = None
    step = precision(1.0 / scale) if scale else precision(source) / precision(target)
    position = np.arange(target, dtype=precision)
    if mode == "nearest":
        index = np.minimum(np.floor(position * step).astype(np.int64), source - 1)
        return Taps(index[:, None], np.ones((target, 1), precision))
    if mode == "nearest-exact":
        index = np.minimum(np.floor((position + precision(0.5)) * step).astype(np.int64), source - 1)
        return Taps(index[:, None], np.ones((target, 1), precision))
    if align_corners:
        real = position * (precision(source - 1) / precision(target - 1) if target > 1 else precision(0))
    else:
        real = step * (position + precision(0.5)) - precision(0.5)
    if mode == "bilinear":
        real = np.maximum(real, precision(0))
        low = np.minimum(real.astype(np.int64), source - 1)
        high = np.minimum(low + 1, source - 1)
        part = np.clip(real - low.astype(precision), 0, 1).astype(precision)
        return Taps(np.stack((low, high), 1), np.stack((precision(1) - part, part), 1))
    low = np.floor(real).astype(np.int64)
    part = (real - low.astype(precision)).astype(precision)
    distances = np.stack((part + 1, part, 1 - part, 2 - part), 1)
    index = np.clip(low[:, None] + np.arange(-1, 3), 0, source - 1)
    return Taps(index, cubic(distances).astype(precision))


def cubic(distance: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """Keys' cubic convolution kernel at distances 0 to 2."""
    a, x = CUBIC, distance
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return np.where(x <= 1, near, far)


def adaptive_average_taps(source: int, target: int, precision: type[np.floating] = np.float32) -> Taps:
    """Taps of ``adaptive_avg_pool2d``: the mean from ``floor(i s / t)`` to ``ceil((i + 1) s / t)``."""
    i = np.arange(target)
    start, end = i * source // target, -(-(i + 1) * source // target)
    width = int((end - start).max())
    offsets = np.arange(width)
    inside = offsets < (end - start)[:, None]
    index = np.where(inside, start[:, None] + offsets, start[:, None])
    return Taps(index, np.where(inside, 1 / (end - start)[:, None], 0).astype(precision))


class CellMatrices:
    """The taps of one axis, cut into cells: a window to read and a small matrix per cell.

    Attributes:
        starts: First input pixel of each cell's window.
        window: Pixels of the windows.
        matrices: ``(cells, cell, window)``; output pixels as weighted sums of window pixels.
    """

    def __init__(self, taps: Taps, axis: Axis) -> None:
        rows = [
            np.arange(i * axis.cell, (i + 1) * axis.cell).clip(max=axis.size - 1) for i in range(axis.count)
        ]
        lows = [int(taps.index[r].min()) for r in rows]
        self.window = max(int(taps.index[r].max()) - low + 1 for r, low in zip(rows, lows, strict=True))
        self.starts = Starts.of(lows)
        matrices = np.zeros((axis.count, axis.cell, self.window), taps.weight.dtype)
        for cell, (r, low) in enumerate(zip(rows, lows, strict=True)):
            for tap in range(taps.index.shape[1]):
                np.add.at(
                    matrices[cell], (np.arange(axis.cell), taps.index[r, tap] - low), taps.weight[r, tap]
                )
        self.matrices = torch.from_numpy(matrices)


def resample_windows(windows: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Resize windows by their matrices.

    Args:
        windows: ``(B, p, q, C)``.
        rows: ``(B, i, p)``.
        columns: ``(B, j, q)``.

    Returns:
        ``(B, i, j, C)``.
    """
    b, p, q, c = windows.shape
    i, j = rows.shape[1], columns.shape[1]
    tall = torch.bmm(rows, windows.reshape(b, p, q * c)).view(b * i, q, c)
    wide = columns[:, None].expand(b, i, j, q).reshape(b * i, j, q)
    return torch.bmm(wide, tall).view(b, i, j, c)
