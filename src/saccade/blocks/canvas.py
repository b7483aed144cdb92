"""Canvases: what a value of the network is at every pixel, computed now or in an earlier frame."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from saccade.blocks import kernels
from saccade.blocks.grid import Cells, Level
from saccade.blocks.kernels import Border


class Canvas:
    """One value of the network, of all streams, persistent over frames.

    Executed cells are written in place; all others keep their last values, so that copying the features
    of a skipped block costs nothing.

    Args:
        level: The map's size and cells.
        dims: Which dimensions of the value are its rows and columns (or both, flattened into one).
        shape: Shape of the value for one stream.
    """

    def __init__(self, level: Level, dims: tuple[int, ...], shape: Sequence[int]) -> None:
        self.level = level
        self.dims = dims
        self.rest = tuple(s for d, s in enumerate(shape) if d != 0 and d not in dims)
        self.pixels: Tensor | None = None
        self._owned = False

    @property
    def payload(self) -> int:
        """Numbers per pixel."""
        total = 1
        for size in self.rest:
            total *= size
        return total

    def prepare(self, streams: int, like: Tensor) -> None:
        """Make room for this many streams, in the type and on the device of a value."""
        if self.pixels is not None and len(self.pixels) == streams:
            return
        shape = (streams, *self.level.size, self.payload)
        fresh = torch.zeros(shape, dtype=like.dtype, device=like.device)
        if self.pixels is not None:
            keep = min(streams, len(self.pixels))
            fresh[:keep] = self.pixels[:keep]
        self.pixels, self._owned = fresh, True

    def spare(self, streams: int) -> Tensor | None:
        """The canvas's memory as a value to be overwritten, or None where there is none of the right size."""
        if self.pixels is None or not self._owned or len(self.pixels) != streams:
            return None
        return self.value()

    def adopt(self, value: Tensor, *, owned: bool) -> None:
        """Take a whole map as the new content, without copying where its memory layout allows.

        Args:
            value: The value of all streams.
            owned: Nobody else will change it, or mind that it changes.
        """
        pixels = to_pixels(value, self.dims, self.level.size)
        self._owned = owned or pixels.data_ptr() != value.data_ptr()
        self.pixels = pixels

    def holds_nan(self) -> bool:
        """Is something in it not a number?"""
        return self.pixels is not None and bool(self.pixels.sum().isnan())

    def write(self, cells: Cells, blocks: Tensor) -> None:
        """Put the values of executed cells in their places; ``prepare`` has made room."""
        self.put(cells, to_pixels(blocks, self.dims, self.level.cell))

    def put(self, cells: Cells, block_pixels: Tensor, offset: tuple[int, int] = (0, 0)) -> None:
        """The same for values as ``(B, height, width, P)`` pixels, or parts of cells.

        Args:
            cells: Where.
            block_pixels: What.
            offset: Row and column of the cells at which parts of them begin.
        """
        assert self.pixels is not None
        if cells.count < len(cells):
            cells, block_pixels = cells.real(), block_pixels[: cells.count]
        top, left = cells.corner(self.level)
        place = cells.stream, *((top + offset[0], left + offset[1]) if any(offset) else (top, left))
        if torch.is_grad_enabled() and (block_pixels.requires_grad or self.pixels.requires_grad):
            self.pixels = kernels.scatter(self.pixels, block_pixels, *place)
            return
        if not self._owned:
            self.pixels, self._owned = self.pixels.clone(), True
        kernels.scatter_(self.pixels, block_pixels, *place)

    def read(self, cells: Cells) -> Tensor:
        """The value at some cells, as the network shapes it."""
        assert self.pixels is not None
        blocks = kernels.gather(self.pixels, cells.stream, *cells.corner(self.level), self.level.cell)
        return from_pixels(blocks, self.dims, self.rest)

    def around(self, cells: Cells, halo: int) -> Tensor:
        """Pixels ``(B, height + 2 halo, width + 2 halo, P)`` of some cells; the map's edge is repeated."""
        assert self.pixels is not None
        top, left = cells.corner(self.level)
        height, width = (n + 2 * halo for n in self.level.cell)
        place = cells.stream, top - halo, left - halo
        return kernels.gather(self.pixels, *place, (height, width), border=Border.REPLICATE)

    def value(self) -> Tensor:
        """The whole map of all streams, as the network shapes it; not to be changed."""
        assert self.pixels is not None
        return from_pixels(self.pixels, self.dims, self.rest)

    def hand_out(self, streams: int) -> Tensor:
        """A copy of the first streams' maps, for the caller to keep and change."""
        return self.value()[:streams].clone()

    def restore(self, pixels: Tensor | None) -> None:
        """Take content that was saved, ``(N, h, w, P)``, or None for none."""
        self.pixels, self._owned = pixels, pixels is not None

    def detach(self) -> None:
        """Let go of how the content was computed; what gradients may need of it is not overwritten."""
        if self.pixels is None:
            return
        if self.pixels.is_inference() and not torch.is_inference_mode_enabled():
            self.pixels, self._owned = self.pixels.clone(), True  # memory that may be written from now on
        elif self.pixels.requires_grad:
            self.pixels, self._owned = self.pixels.detach(), False


def to_pixels(value: Tensor, dims: tuple[int, ...], size: tuple[int, int] | None = None) -> Tensor:
    """``(B, h, w, P)`` contiguous, from a value with its rows and columns anywhere.

    Args:
        value: Dimension 0 counts blocks or streams.
        dims: Positions of rows and columns, or of both flattened into one.
        size: Rows and columns, needed where they are flattened.
    """
    rest = [d for d in range(1, value.ndim) if d not in dims]
    moved = value.permute(0, *dims, *rest)
    if len(dims) == 1:
        if size is None:
            raise ValueError("a flattened map needs its size")
        moved = moved.reshape(len(value), *size, -1)
    else:
        moved = moved.reshape(*moved.shape[:3], -1)
    return moved.contiguous()


def from_pixels(pixels: Tensor, dims: tuple[int, ...], rest: Sequence[int]) -> Tensor:
    """The inverse of ``to_pixels``: ``rest`` are the sizes of the other dimensions, without the first."""
    count, height, width, _ = pixels.shape
    space = (height, width) if len(dims) == 2 else (height * width,)
    shaped = pixels.view(count, *space, *rest)
    order = [0] * shaped.ndim
    others = iter(range(1 + len(dims), shaped.ndim))
    for d in range(1, shaped.ndim):
        order[d] = 1 + dims.index(d) if d in dims else next(others)
    return shaped.permute(order)
