"""What CSP's maps should be, from boxes."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from saccade.networks.csp_decode import STRIDE

RADIUS = 2
"""Positions around a centre at which the height is learned too."""

LEAST_HEIGHT = 3 * STRIDE
"""Pixels in the crop; the logarithm of a lower box's height is close to 0, by which the loss divides."""

EXTRA = 6
"""Channels of the targets beside two for each class."""


def csp_targets(
    boxes: np.ndarray,
    labels: np.ndarray,
    ignore: np.ndarray,
    size: tuple[int, int],
    classes: int,
    offset_radius: int = 0,
) -> Tensor:
    """The targets of one crop.

    A box counts if its middle lies in the crop and it is high enough; all others only say where nothing is
    learned.

    Args:
        boxes: ``(m, 4)`` left, top, right, bottom in pixels of the crop; may reach beyond it.
        labels: ``(m,)`` class ids.
        ignore: ``(m,)`` bool.
        size: ``(H, W)`` of the crop.
        classes: K.
        offset_radius: Positions around a centre at which the offset is learned too. CSP learns it at centres
            only; but where the score is highest one position beside a centre, a box is then wrong by four
            pixels.

    Returns:
        ``(2 K + 6, h, w)`` float32, h and w a quarter of the crop's size rounded up: for each class 1 at the
        centres of its boxes; for each class the largest of their Gaussians; 0 where nothing is learned,
        else 1; the logarithm of the height in units of four pixels; 1 where it is learned; the offset from
        the position to the centre down and to the right; 1 where that is learned. Between boxes, positions
        learn the nearest centre.
    """
    height, width = (-(-side // STRIDE) for side in size)
    targets = np.zeros((2 * classes + EXTRA, height, width), np.float32)
    centres, gaussians = targets[:classes], targets[classes : 2 * classes]
    valid, log_height, learned, down, right, moved = targets[2 * classes :]
    valid[:] = 1
    rows, columns = np.arange(height)[:, None] + 0.5, np.arange(width)[None] + 0.5
    nearest = np.full((height, width), np.inf, np.float32)
    cells = boxes / STRIDE
    x, y = (cells[:, 0] + cells[:, 2]) / 2, (cells[:, 1] + cells[:, 3]) / 2
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    counts = ~ignore & inside & (boxes[:, 3] - boxes[:, 1] >= LEAST_HEIGHT)
    for left, top, until, bottom in cells[~counts]:
        valid[
            max(0, int(top)) : max(0, int(np.ceil(bottom))), max(0, int(left)) : max(0, int(np.ceil(until)))
        ] = 0
    for n in np.flatnonzero(counts):
        left, top, until, bottom = cells[n]
        i, j, k = int(y[n]), int(x[n]), labels[n]
        spread = np.outer(_gaussian(top, bottom, height), _gaussian(left, until, width))
        np.maximum(gaussians[k], spread, out=gaussians[k])
        centres[k, i, j] = valid[i, j] = 1
        around = _window(i, j, RADIUS)
        log_height[around], learned[around] = np.log(bottom - top), 1
        around = _window(i, j, offset_radius)
        below, beside = (np.broadcast_to(d, (height, width))[around] for d in (y[n] - rows, x[n] - columns))
        mine = below**2 + beside**2 < nearest[around]
        for values, wanted in ((down, below), (right, beside), (nearest, below**2 + beside**2)):
            values[around] = np.where(mine, wanted, values[around])
        moved[around] = 1
    return torch.from_numpy(targets)


def _window(i: int, j: int, radius: int) -> tuple[slice, slice]:
    """Positions up to ``radius`` rows and columns away from one."""
    return slice(max(0, i - radius), i + radius + 1), slice(max(0, j - radius), j + radius + 1)


def _gaussian(low: float, high: float, positions: int) -> np.ndarray:
    """Weights ``(positions,)`` around the middle of an extent, 0 outside of it."""
    sigma = max(0.3, ((high - low - 1) * 0.5 - 1) * 0.3 + 0.8)
    at = np.arange(positions) + 0.5
    weights: np.ndarray = np.exp(-(((at - (low + high) / 2) / sigma) ** 2) / 2)
    return np.where((at > low) & (at < high), weights, 0.0)
