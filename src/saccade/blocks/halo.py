"""How far the windows of a step reach beyond the block's own share of what it reads."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from saccade.blocks.grid import Axis, Starts
from saccade.blocks.steps import WindowStep


def halo_of(step: WindowStep, size: Sequence[int]) -> tuple[int, int, int, int]:
    """How far windows reach beyond the cells' own share of the input: top, bottom, left, right.

    Args:
        step: What reads the windows.
        size: Height and width of its input.
    """
    assert step.spatial is not None
    level, window = step.spatial.level, step.window
    top, bottom = reach(level.rows, size[0], window.rows, window.size[0])
    left, right = reach(level.columns, size[1], window.columns, window.size[1])
    return top, bottom, left, right


def reach(axis: Axis, source: int, starts: Starts, window: int) -> tuple[int, int]:
    """The same along one axis.

    Args:
        axis: Cells of the result.
        source: Pixels of the input.
        starts: First pixels of the windows.
        window: Their pixels.
    """
    if axis.count == 1:
        shares = [(0.0, float(source))]
    elif starts.table is None:
        shares = [(float(i * starts.step), float((i + 1) * starts.step)) for i in range(axis.count)]
    else:  # resizing by a factor that does not divide the cells
        pixel = source / axis.size
        shares = [(i * axis.cell * pixel, (i + 1) * axis.cell * pixel) for i in range(axis.count)]
    first_pixels = starts.at(torch.arange(axis.count)).tolist()
    before = max(low - start for start, (low, _) in zip(first_pixels, shares, strict=True))
    after = max(start + window - high for start, (_, high) in zip(first_pixels, shares, strict=True))
    return max(0, math.ceil(before)), max(0, math.ceil(after))
