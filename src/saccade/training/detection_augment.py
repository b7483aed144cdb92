"""Random crops of frames with boxes, as CSP is trained."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from saccade.training.augment import change_colours, uniform

PAVING = 127.0
"""Grey of what lies beyond the frame, 0..255."""

FOCUSED = 0.75
"""Share of the crops that are cut around a box; the others see what is where nobody is."""

DARKEST, BRIGHTEST = 0.5, 2.0
"""Factors on the pixels of every other crop."""


def augment_boxes(
    image: Tensor,
    boxes: np.ndarray,
    wanted: np.ndarray,
    *,
    crop: tuple[int, int],
    scale: tuple[float, float],
    colour: float,
    generator: Generator,
) -> tuple[Tensor, np.ndarray]:
    """One training crop.

    The frame is resized by a random factor. A window is cut out of it, in three of four crops one that has
    the middle of a random box in it; where the frame is smaller than the crop, it is put somewhere on grey.
    Half of the crops are flipped, half made darker or brighter.

    Args:
        image: ``(3, H, W)`` uint8.
        boxes: ``(m, 4)`` left, top, right, bottom.
        wanted: ``(m,)`` bool: boxes that windows are cut around.
        crop: ``(height, width)`` of the result.
        scale: Smallest and largest factor; drawn uniformly in its logarithm.
        colour: Strength of the colour changes, 0 to 1; 0 leaves the brightness as it is, too.
        generator: Source of randomness.

    Returns:
        Image ``(3, *crop)`` float32 in 0..255, and the boxes in it, which may reach beyond it.
    """
    factor = math.exp(uniform(math.log(scale[0]), math.log(scale[1]), generator))
    focus = None
    if wanted.any() and torch.rand((), generator=generator) < FOCUSED:
        chosen = np.flatnonzero(wanted)[int(torch.randint(int(wanted.sum()), (), generator=generator))]
        focus = (boxes[chosen, :2] + boxes[chosen, 2:]) / 2  # x, y
    spans = [
        _span(
            image.shape[1 + axis], crop[axis], factor, None if focus is None else focus[1 - axis], generator
        )
        for axis in range(2)
    ]
    (top, rows, high, down), (left, columns, wide, right) = spans
    cut = image[None, :, top : top + rows, left : left + columns].float()
    cut = F.interpolate(cut, size=(high, wide), mode="bilinear", antialias=factor < 1)[0]
    out = torch.full((3, *crop), PAVING)
    out[:, down : down + high, right : right + wide] = cut
    ratio = np.array([wide / columns, high / rows] * 2)
    moved = (boxes - np.array([left, top] * 2)) * ratio + np.array([right, down] * 2)
    if torch.rand((), generator=generator) < 0.5:
        out = out.flip(-1)
        moved = np.stack([crop[1] - moved[:, 2], moved[:, 1], crop[1] - moved[:, 0], moved[:, 3]], 1)
    if colour > 0:
        if torch.rand((), generator=generator) < 0.5:
            out = (out * uniform(DARKEST, BRIGHTEST, generator)).clamp(0, 255)
        out = change_colours(out, colour, generator)
    return out, moved


def _span(
    length: int, crop: int, factor: float, focus: float | None, generator: Generator
) -> tuple[int, int, int, int]:
    """One axis of a window.

    Returns:
        First pixel and number of pixels in the frame, number and first of them in the crop.
    """
    count = min(max(1, round(crop / factor)), length)
    low, high = 0, length - count
    if focus is not None:
        middle = min(max(int(focus), 0), length - 1)
        low, high = max(low, middle - count + 1), min(high, middle)
    start = low + int(torch.randint(high - low + 1, (), generator=generator))
    resized = min(max(1, round(count * factor)), crop)
    place = int(torch.randint(crop - resized + 1, (), generator=generator))
    return start, count, resized, place
