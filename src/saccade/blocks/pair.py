"""A value at two resolutions: its canvas, and a partner with the means of 2x2 pixels of it.

Both show the same at every time, whatever resolution a block was executed at: what is computed at full
resolution is averaged into the partner, and every pixel computed at half resolution fills 2x2 pixels of the
canvas, whose mean it is. So the partner can always be made from the canvas again, and need not be remembered.

Often nobody reads more than a rim of a block at the other resolution: its neighbours' windows reach no
farther. Then only the rim is shown there.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from saccade.blocks.canvas import Canvas, to_pixels
from saccade.blocks.grid import Cells, Level

LEAST_RIMS = 8
"""Rims are written alone where so many of them fit into a cell."""


class Pair:
    """A canvas and its partner at half resolution.

    Args:
        canvas: At full resolution.
        level: The same map at half resolution; its cells cover those of the canvas.
        half: The partner, or None where nobody reads at half resolution.
        rim: How many pixels of half resolution are read from the border of a cell inwards at the resolution
            that it was not executed at; None where all of it may be read.
    """

    def __init__(self, canvas: Canvas, level: Level, half: Canvas | None, rim: int | None = None) -> None:
        self.canvas = canvas
        self.level = level
        self.half = half
        self.rim = rim
        self._even = all(2 * n == m for n, m in zip(level.size, canvas.level.size, strict=True))

    def write(self, streams: int, cells: Cells, blocks: Tensor) -> None:
        """Put cells in their places that were computed at full resolution."""
        self.canvas.prepare(streams, blocks)
        level = self.canvas.level
        pixels = to_pixels(blocks, self.canvas.dims, level.cell)
        self.canvas.put(cells, pixels)
        if self.half is not None:
            self.half.prepare(streams, blocks)
            if (rim := self._rim(blocks)) is not None:
                for (row, column), part in sides(pixels, 2 * rim):
                    self.half.put(cells, average(part), (row // 2, column // 2))
                return
            self.half.put(cells, average(pixels if self._even else repeat_edge(pixels, cells, level)))

    def write_half(self, streams: int, cells: Cells, blocks: Tensor) -> None:
        """Put cells in their places that were computed at half resolution."""
        self.canvas.prepare(streams, blocks)
        pixels = to_pixels(blocks, self.canvas.dims, self.level.cell)
        if self.half is not None:
            self.half.prepare(streams, blocks)
            self.half.put(cells, pixels)
        if (rim := self._rim(blocks)) is not None:
            for (row, column), part in sides(pixels, rim):
                self.canvas.put(cells, double(part), (2 * row, 2 * column))
            return
        self.canvas.put(cells, double(pixels if self._even else repeat_edge(pixels, cells, self.level)))

    def _rim(self, blocks: Tensor) -> int | None:
        """The rim, where writing it alone is less work."""
        recorded = torch.is_grad_enabled() and blocks.requires_grad  # every write is a copy of the map then
        if self.rim is None or recorded or not self._even or min(self.level.cell) < LEAST_RIMS * self.rim:
            return None
        return self.rim

    def enlarge(self, cells: Cells, *, alone: bool) -> None:
        """Make cells of the canvas the bilinear enlargement of the partner, as the network gives them back.

        Args:
            cells: Computed at half resolution in this frame.
            alone: Look at nothing beyond the cell.
        """
        assert self.half is not None
        assert self.half.pixels is not None
        if not self.half.pixels.is_floating_point():
            return
        halo = 0 if alone else 1
        windows = self.half.around(cells, halo).permute(0, 3, 1, 2)
        large = F.interpolate(windows, scale_factor=2.0, mode="bilinear", align_corners=False)
        height, width = self.canvas.level.cell
        inner = large[:, :, 2 * halo : 2 * halo + height, 2 * halo : 2 * halo + width]
        self.canvas.put(cells, inner.permute(0, 2, 3, 1).contiguous())

    def settle(self, cells: Cells) -> None:
        """Average cells of the canvas into the partner, after ``enlarge``."""
        assert self.half is not None
        self.half.put(cells, average(self.canvas.around(cells, 0)))

    def refresh(self) -> None:
        """Make the partner from the canvas."""
        if self.half is not None:
            pixels = self.canvas.pixels
            self.half.restore(None if pixels is None else halved(pixels, self.level.size))


def sides(pixels: Tensor, width: int) -> list[tuple[tuple[int, int], Tensor]]:
    """The rim of cells ``(B, h, w, P)``, in four parts, each with the row and column that it begins at."""
    if not width:
        return []
    height, across = pixels.shape[1:3]
    middle = pixels[:, width : height - width]
    parts = [
        ((0, 0), pixels[:, :width]),
        ((height - width, 0), pixels[:, height - width :]),
        ((width, 0), middle[:, :, :width]),
        ((width, across - width), middle[:, :, across - width :]),
    ]
    return [(corner, part) for corner, part in parts if part.numel()]


def average(pixels: Tensor) -> Tensor:
    """Means of 2x2 pixels, ``(B, 2h, 2w, P)`` to ``(B, h, w, P)``; of what has no mean, the first of them."""
    if not pixels.is_floating_point():
        return pixels[:, ::2, ::2].contiguous()
    return F.avg_pool2d(pixels.permute(0, 3, 1, 2), 2).permute(0, 2, 3, 1).contiguous()


def double(pixels: Tensor) -> Tensor:
    """Every pixel four times, ``(B, h, w, P)`` to ``(B, 2h, 2w, P)``."""
    count, height, width, payload = pixels.shape
    wide = pixels[:, :, None, :, None].expand(count, height, 2, width, 2, payload)
    return wide.reshape(count, 2 * height, 2 * width, payload)


def halved(pixels: Tensor, size: tuple[int, int]) -> Tensor:
    """A whole map ``(N, h, w, P)`` at half resolution; its edge is repeated where it is too small.

    Args:
        pixels: The map.
        size: Height and width of the result.
    """
    for dim, length in enumerate(size, 1):
        if pixels.shape[dim] != 2 * length:
            index = torch.arange(2 * length, device=pixels.device).clamp(max=pixels.shape[dim] - 1)
            pixels = pixels.index_select(dim, index)
    return average(pixels)


def fitted(pixels: Tensor, size: tuple[int, int]) -> Tensor:
    """A whole map ``(N, h, w, P)`` in the size that it has in the network at half resolution.

    That is half of it, or, for maps whose number of pixels the network chooses by the shape of others (the
    levels of SwiftNet's pyramid: 8x10 for a map of 12x15, 8x11 for one of 6x8), one near that of the map.
    """
    if tuple(pixels.shape[1:3]) == size:
        return pixels
    if all(there <= 2 * here <= there + 1 for there, here in zip(pixels.shape[1:3], size, strict=True)):
        return halved(pixels, size)
    maps, mode = pixels.permute(0, 3, 1, 2), "bilinear" if pixels.is_floating_point() else "nearest"
    return F.interpolate(maps, size, mode=mode).permute(0, 2, 3, 1).contiguous()


def repeat_edge(pixels: Tensor, cells: Cells, level: Level) -> Tensor:
    """Cells ``(B, height, width, P)`` with the map's last row and column in place of what lies beyond it."""
    corners, sizes = cells.corner(level), (level.rows, level.columns)
    rows, columns = (
        torch.arange(axis.cell, device=corner.device).minimum((axis.size - 1 - corner)[:, None])
        for corner, axis in zip(corners, sizes, strict=True)
    )
    batch = torch.arange(len(pixels), device=pixels.device)[:, None, None]
    return pixels[batch, rows[:, :, None], columns[:, None, :]]
