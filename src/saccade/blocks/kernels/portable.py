"""The copies in plain PyTorch: on any device, differentiable, and what the C kernels are measured by."""

from __future__ import annotations

import torch
from torch import Tensor

from saccade.blocks.kernels.border import Border


def gather(
    source: Tensor,
    stream: Tensor,
    top: Tensor,
    left: Tensor,
    size: tuple[int, int],
    border: Border,
    fill: float,
) -> Tensor:
    """Copy windows out of a map; see ``saccade.blocks.kernels.gather``."""
    height, width = source.shape[1:3]
    stream, rows, columns = _places(source, stream, top, left, size)
    inner_rows, inner_columns = _inside(rows, height, border), _inside(columns, width, border)
    pixels = _pixels(source, stream, inner_rows, inner_columns)
    windows = source.flatten(0, 2).index_select(0, pixels.flatten()).view(*pixels.shape, source.shape[3])
    if border is Border.CONSTANT:  # clamping has moved what is outside, and only that
        outside = (rows != inner_rows)[:, :, None] | (columns != inner_columns)[:, None, :]
        windows.masked_fill_(outside[..., None], fill)
    return windows


def scatter_(target: Tensor, blocks: Tensor, stream: Tensor, top: Tensor, left: Tensor) -> None:
    """Copy blocks into a map, in place; see ``saccade.blocks.kernels.scatter_``."""
    pixels, values = _clipped(target, blocks, stream, top, left)
    target.flatten(0, 2).index_copy_(0, pixels, values)


def scatter(target: Tensor, blocks: Tensor, stream: Tensor, top: Tensor, left: Tensor) -> Tensor:
    """Copy blocks into a copy of a map; see ``saccade.blocks.kernels.scatter``."""
    pixels, values = _clipped(target, blocks, stream, top, left)
    return target.flatten(0, 2).index_copy(0, pixels, values).view(target.shape)


def _clipped(
    target: Tensor, blocks: Tensor, stream: Tensor, top: Tensor, left: Tensor
) -> tuple[Tensor, Tensor]:
    """The pixels of the map that the blocks cover, ``(M,)``, and the values for them, ``(M, P)``."""
    (height, width), (rows_each, columns_each) = target.shape[1:3], blocks.shape[1:3]
    stream_index, rows, columns = _places(target, stream, top, left, (rows_each, columns_each))
    pixels, values = _pixels(target, stream_index, rows, columns).flatten(), blocks.flatten(0, 2)
    # Asked of the corners where they are: on the host, no device has to be waited for.
    ragged = (top < 0) | (top > height - rows_each) | (left < 0) | (left > width - columns_each)
    if ragged.any():
        row_inside, column_inside = (rows >= 0) & (rows < height), (columns >= 0) & (columns < width)
        inside = (row_inside[:, :, None] & column_inside[:, None, :]).flatten()
        pixels, values = pixels[inside], values[inside]
    return pixels, values


def _places(
    dense: Tensor, stream: Tensor, top: Tensor, left: Tensor, size: tuple[int, int]
) -> tuple[Tensor, Tensor, Tensor]:
    """Streams ``(B,)``, rows ``(B, wy)`` and columns ``(B, wx)`` of windows, on the device of the map."""
    stream, top, left = (index.to(dense.device, torch.int64) for index in (stream, top, left))
    rows = top[:, None] + torch.arange(size[0], device=dense.device)
    columns = left[:, None] + torch.arange(size[1], device=dense.device)
    return stream, rows, columns


def _pixels(dense: Tensor, stream: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Indices ``(B, wy, wx)`` into the flattened pixels of a map."""
    height, width = dense.shape[1:3]
    return (stream[:, None, None] * height + rows[:, :, None]) * width + columns[:, None, :]


def _inside(index: Tensor, length: int, border: Border) -> Tensor:
    """The index in ``[0, length)`` that stands in for each index; CONSTANT clamps as REPLICATE does."""
    if border is Border.CIRCULAR:
        return index.remainder(length)
    if border is Border.REFLECT:
        last = length - 1
        index = torch.where(index < 0, -index, torch.where(index > last, 2 * last - index, index))
    return index.clamp(0, length - 1)
