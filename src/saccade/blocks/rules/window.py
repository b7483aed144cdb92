"""What cells read of a neighbourhood; slices and padding of rows and columns."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from saccade.blocks.capture import Operation
from saccade.blocks.grid import Level, Starts
from saccade.blocks.kernels import Border
from saccade.blocks.rules.builder import Builder, own_space, rank_of
from saccade.blocks.rules.pixel import along_dim
from saccade.blocks.steps import IMAGE, PadStep, PixelStep, SliceStep, Spatial, Step, Window

aten = torch.ops.aten


def pair(value: Any) -> tuple[int, int]:
    """Height and width from one or two numbers."""
    values = list(value) if isinstance(value, (list, tuple)) else [value]
    return (int(values[0]), int(values[-1]))


def window_of(
    builder: Builder,
    source: str,
    level: Level,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    before: tuple[int, int],
    border: Border = Border.CONSTANT,
    fill: float = 0.0,
) -> Window:
    """What a cell reads, where output pixel ``i`` reads ``kernel`` pixels from ``i * stride - before``."""
    starts, size, inside = [], [], builder.spatial[source] is not None
    below = builder.source_level(source)
    for axis, origin, k, s, p in zip(
        (level.rows, level.columns), (below.rows, below.columns), kernel, stride, before, strict=True
    ):
        starts.append(Starts.of([i * axis.cell * s - p for i in range(axis.count)]))
        size.append((axis.cell - 1) * s + k)
        inside = (
            inside
            and p == 0
            and axis.owners == origin.owners
            and axis.cell * s == origin.cell
            and k <= s
            and (axis.size - 1) * s + k <= origin.size
        )
    return Window(starts[0], starts[1], (size[0], size[1]), border, fill, inside)


def slice_of(builder: Builder, operation: Operation) -> Step | None:
    """Part of a dimension: of channels, or every n-th row or column, or all but a few at the border."""
    spatial = own_space(builder, operation)
    if spatial is None:
        return None
    shape = builder.captured.operations[operation.args[0].name].shape
    defaults: tuple[Any, ...] = (0, None, None, 1)
    dim, start, end, step = (*operation.args[1:], *defaults[len(operation.args) - 1 :])
    dim %= len(shape)
    if dim not in spatial.dims:
        return along_dim(builder, operation, default=0)
    start, end, step = slice(start, end, step).indices(shape[dim])
    if (start, end, step) == (0, shape[dim], 1):
        return PixelStep(operation, spatial, operation.args[:1], target=aten.alias.default)
    axis = spatial.dims.index(dim)
    size = [len(range(start, end, step)) if i == axis else n for i, n in enumerate(spatial.level.size)]
    if len(spatial.dims) == 1 or not builder.shows_all(spatial.level.size, size, axis, step):
        return None
    level = builder.level(*size)
    starts, reads, strides = [], [], []
    for i, here in enumerate((level.rows, level.columns)):
        first, stride = (start, step) if i == axis else (0, 1)
        starts.append(Starts.of([k * here.cell * stride + first for k in range(here.count)]))
        reads.append((here.cell - 1) * stride + 1)
        strides.append(stride)
    window = Window(starts[0], starts[1], (reads[0], reads[1]))
    return SliceStep(operation, Spatial(level, spatial.dims), operation.args[0].name, window, tuple(strides))


def padding_step(builder: Builder, operation: Operation) -> Step | None:
    """Padding of rows and columns with a constant or with the map itself."""
    x, amounts = operation.args[:2]
    packet = operation.target.overloadpacket  # type: ignore[attr-defined]
    border, fill = Border.CONSTANT, 0.0
    if packet in (aten.constant_pad_nd, aten.pad):
        mode = operation.args[2] if packet is aten.pad and len(operation.args) > 2 else "constant"
        border = Border[mode.upper()]
        value = operation.args[-1] if len(operation.args) > (3 if packet is aten.pad else 2) else 0
        fill = float(value or 0)
    elif packet is aten.reflection_pad2d:
        border = Border.REFLECT
    else:
        border = Border.REPLICATE
    spatial = own_space(builder, operation)
    if spatial is None:
        return None
    rank = rank_of(builder, operation)
    touched = {rank - 1 - i // 2 for i, amount in enumerate(amounts) if amount}
    if 0 not in touched and not touched & set(spatial.dims):
        return PixelStep(operation, spatial, operation.args)
    if not builder.image(x, operation) or len(amounts) > 4:
        return None
    if border is Border.CIRCULAR and min(amounts) < 0:
        return None  # what is cut off does not come back at the other end
    left, right, top, bottom = (*amounts, 0, 0)[:4]
    level = builder.level(*operation.shape[2:])
    window = window_of(builder, x.name, level, (1, 1), (1, 1), (top, left), border, fill)
    if window.inside:
        window = replace(window, inside=False)
    step = PadStep(operation, Spatial(level, IMAGE), x.name, window, (top, bottom, left, right))
    builder.paddings[operation.name] = step
    return step
