"""From operations to steps: what each operation is, and how it runs on blocks."""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from saccade.blocks.canvas import to_pixels
from saccade.blocks.capture import Captured, Operation, Ref, affine, frame_input
from saccade.blocks.convolution import Convolution, activation_of
from saccade.blocks.grid import Grid, Level, Starts
from saccade.blocks.kernels import Border
from saccade.blocks.options import EngineOptions
from saccade.blocks.resampling import CellMatrices, adaptive_average_taps, interpolation_taps
from saccade.blocks.steps import (
    IMAGE,
    ConvolutionStep,
    EnlargeStep,
    InputStep,
    MapConstant,
    NormStep,
    PadStep,
    PerStream,
    PixelStep,
    PoolStep,
    ResampleStep,
    SizeOf,
    SliceStep,
    Spatial,
    Step,
    TransposedConvolutionStep,
    WholeMap,
    WholeStep,
    Window,
)

aten = torch.ops.aten

LEAST_CELL = 1.5
"""Whole values go back to blocks from maps whose cells have at least this many pixels per side."""

FARTHEST_ASPECT = 1.3
"""A map whose aspect differs from the frame's by more than this factor is not a picture of the frame."""


def build(captured: Captured, grid: Grid, options: EngineOptions) -> list[Step]:
    """Steps of a network, in order.

    Args:
        captured: The network; its convolutions and paddings are merged in place.
        grid: The blocks of its input.
        options: Behaviour that differs from exactness on purpose.
    """
    builder = Builder(captured, grid, options)
    steps = [builder.step(o) for o in list(captured.operations.values())]
    return fuse(drop_unread(steps, captured.output_names()), captured.output_names())


class Builder:
    """Turns operations into steps, one after the other."""

    def __init__(self, captured: Captured, grid: Grid, options: EngineOptions) -> None:
        self.captured = captured
        self.grid = grid
        self.options = options
        self.spatial: dict[str, Spatial | None] = {}
        self.paddings: dict[str, PadStep] = {}
        self._levels: dict[tuple[int, int], Level] = {}

    def step(self, operation: Operation) -> Step:
        """The step for one operation; those before it have been seen."""
        rule = RULES.get(operation.target) or RULES.get(getattr(operation.target, "overloadpacket", None))
        made = None
        if rule is not None:
            made = rule(self, operation)
        elif torch.Tag.pointwise in getattr(operation.target, "tags", ()):
            made = pointwise(self, operation)
        if made is None or (isinstance(made, PixelStep) and any(map(depends, made.kwargs.values()))):
            made = self.whole(operation)
        self.spatial[operation.name] = made.spatial
        return made

    def whole(self, operation: Operation) -> WholeStep:
        """Dense execution of an operation that the engine cannot run on blocks."""
        inputs = [n for n in operation.inputs() if self.spatial[n] is not None]
        packet = getattr(operation.target, "overloadpacket", None)
        known = packet in GLOBAL or packet in RULES or not inputs
        return WholeStep(operation, inputs, "global" if known else "unknown")

    def level(self, height: int, width: int) -> Level:
        """The level of a map; the same object for the same size."""
        if (height, width) not in self._levels:
            self._levels[height, width] = self.grid.level(height, width)
        return self._levels[height, width]

    def pictures(self, size: Sequence[int], least: float = 0.75) -> bool:
        """Can a map of this size be cut into the grid's cells?"""
        height, width = size
        down, across = self.grid.height / height, self.grid.width / width
        alike = max(down, across) <= FARTHEST_ASPECT * min(down, across)
        return alike and self.grid.block / max(down, across) >= least

    def image(self, name: Any, operation: Operation) -> bool:
        """May ``name`` be read in windows, to give ``operation``'s result as a map of blocks?"""
        shape = operation.shape
        if not isinstance(name, Ref) or len(shape) != 4:
            return False
        spatial = self.spatial[name.name]
        if spatial is None:
            source = self.captured.operations[name.name].shape
            return len(source) == 4 and source[0] == 1 and self.pictures(shape[2:], LEAST_CELL)
        return spatial.dims == IMAGE and self.pictures(shape[2:])

    def shows_all(self, before: Sequence[int], after: Sequence[int], axis: int, step: int) -> bool:
        """Does every ``step``-th row (or column) of a map, but for some at the border, show the whole map?"""
        image = (self.grid.height, self.grid.width)[axis]
        kept = after[axis] * step / before[axis]
        cell = self.grid.block * after[axis] / image
        return 1 / FARTHEST_ASPECT <= kept <= FARTHEST_ASPECT and cell >= 0.75

    def source_level(self, name: str) -> Level:
        """The level of a value that is read in windows."""
        spatial = self.spatial[name]
        return spatial.level if spatial else self.level(*self.captured.operations[name].shape[2:])


def drop_unread(steps: list[Step], outputs: set[str]) -> list[Step]:
    """Steps whose results somebody reads."""
    wanted = set(outputs)
    kept = []
    for step in reversed(steps):
        if step.name in wanted or isinstance(step, InputStep):
            wanted.update(step.reads)
            kept.append(step)
    return kept[::-1]


# --- operations on single pixels -----------------------------------------------------------------------


def pointwise(builder: Builder, operation: Operation) -> Step | None:
    """Elementwise arithmetic, with broadcasting."""
    found = common_space(builder, operation, operation.args)
    if found is None or not isinstance(operation.value, Tensor) or operation.shape[0] != 1:
        return None
    level, from_end = found
    rank = len(operation.shape)
    dims = tuple(d + rank for d in from_end)
    spatial = Spatial(level, dims)
    if any(d < 1 for d in dims) or tuple(operation.shape[d] for d in dims) != spatial.space(level.size):
        return None
    args = operands(builder, operation.args, spatial, rank)
    return None if args is None else PixelStep(operation, spatial, args)


def common_space(
    builder: Builder, operation: Operation, args: Sequence[Any]
) -> tuple[Level, tuple[int, ...]] | None:
    """Level and dimensions (from the end) that all spatial inputs share, or None."""
    found: tuple[Level, tuple[int, ...]] | None = None
    for leaf in leaves(args):
        if not isinstance(leaf, Ref) or (spatial := builder.spatial[leaf.name]) is None:
            continue
        value = builder.captured.operations[leaf.name].value
        rank = (value if isinstance(value, Tensor) else value[0]).ndim
        here = (spatial.level, tuple(d - rank for d in spatial.dims))
        if found is not None and found != here:
            return None
        found = here
    return found


def operands(builder: Builder, args: Sequence[Any], spatial: Spatial, rank: int) -> tuple[Any, ...] | None:
    """Arguments as a step on blocks finds them, or None where one does not fit the blocks."""
    space = spatial.space(spatial.level.size)
    from_end = [d - rank for d in spatial.dims]

    def extent(shape: Sequence[int]) -> tuple[int, ...]:
        return tuple(shape[d] if len(shape) >= -d else 1 for d in from_end)

    def broadcasts(shape: Sequence[int]) -> bool:
        return all(e in (1, s) for e, s in zip(extent(shape), space, strict=True))

    def convert(value: Any) -> Any:
        if isinstance(value, (list, tuple)):
            return [convert(v) for v in value]
        if isinstance(value, Ref) and builder.spatial[value.name] is None:
            shape = builder.captured.operations[value.name].shape
            if len(shape) == rank and extent(shape) == (1,) * len(space):
                return PerStream(value.name)
            if len(shape) == rank and broadcasts(shape):
                return WholeMap(value.name, spatial.dims)
            raise LookupError
        if isinstance(value, Tensor) and value.ndim:
            if extent(value.shape) == (1,) * len(space):
                return value
            if value.ndim <= rank and broadcasts(value.shape):
                sizes = [1] * (rank - value.ndim) + list(value.shape)
                full = value.reshape(sizes).expand(
                    [space[spatial.dims.index(d)] if d in spatial.dims else s for d, s in enumerate(sizes)]
                )
                return MapConstant(full, spatial.dims, to_pixels(full, spatial.dims, spatial.level.size))
            raise LookupError
        return value

    try:
        return tuple(convert(a) for a in args)
    except LookupError:
        return None


def leaves(value: Any) -> list[Any]:
    """Everything inside nested lists."""
    if isinstance(value, (list, tuple)):
        return list(itertools.chain.from_iterable(leaves(v) for v in value))
    return [value]


def depends(argument: Any) -> bool:
    """Is something in an argument not the same for all blocks?"""
    return any(isinstance(a, Ref) or (isinstance(a, Tensor) and a.ndim > 0) for a in leaves(argument))


def own_space(builder: Builder, operation: Operation) -> Spatial | None:
    """Where the first argument's rows and columns are, or None where it has none."""
    x = operation.args[0]
    return builder.spatial[x.name] if isinstance(x, Ref) else None


def rank_of(builder: Builder, operation: Operation) -> int:
    """Dimensions of the first argument."""
    return len(builder.captured.operations[operation.args[0].name].shape)


def same_dims(builder: Builder, operation: Operation) -> Step | None:
    """Unary operations that leave every dimension where it is."""
    spatial = own_space(builder, operation)
    return PixelStep(operation, spatial, operation.args) if spatial else None


def concatenate(builder: Builder, operation: Operation) -> Step | None:
    """``cat`` along a dimension that is neither rows nor columns."""
    found = common_space(builder, operation, operation.args[0])
    if found is None:
        return None
    rank = len(operation.shape)
    spatial = Spatial(found[0], tuple(d + rank for d in found[1]))
    dim = (operation.args[1] if len(operation.args) > 1 else operation.kwargs.get("dim", 0)) % rank
    if dim == 0 or dim in spatial.dims:
        return None
    args = operands(builder, operation.args[:1], spatial, rank)
    return None if args is None else PixelStep(operation, spatial, (*args, *operation.args[1:]))


def along_dim(
    builder: Builder, operation: Operation, argument: int = 1, default: int | None = None
) -> Step | None:
    """Operations along one dimension that is neither rows nor columns, and stays."""
    spatial = own_space(builder, operation)
    if spatial is None:
        return None
    given = (
        operation.args[argument] if len(operation.args) > argument else operation.kwargs.get("dim", default)
    )
    if not isinstance(given, int):
        return None
    dim = given % rank_of(builder, operation)
    return None if dim == 0 or dim in spatial.dims else PixelStep(operation, spatial, operation.args)


def reduction(builder: Builder, operation: Operation, argument: int = 1) -> Step | None:
    """Means, sums and extrema over dimensions that are neither rows nor columns."""
    spatial = own_space(builder, operation)
    given = operation.args[argument] if len(operation.args) > argument else operation.kwargs.get("dim")
    if spatial is None or given is None or not isinstance(operation.value, Tensor):
        return None
    rank = rank_of(builder, operation)
    gone = {d % rank for d in (given if isinstance(given, (list, tuple)) else [given])}
    if not gone or 0 in gone or gone & set(spatial.dims):
        return None
    if len(operation.shape) == rank:
        return PixelStep(operation, spatial, operation.args)
    dims = tuple(d - sum(g < d for g in gone) for d in spatial.dims)
    return PixelStep(operation, Spatial(spatial.level, dims), operation.args)


def channel_last_map(builder: Builder, operation: Operation) -> Step | None:
    """``linear`` and ``layer_norm``: over the last dimension (or last few) of each pixel."""
    spatial = own_space(builder, operation)
    if spatial is None:
        return None
    rank = rank_of(builder, operation)
    count = len(operation.args[1]) if isinstance(operation.args[1], (list, tuple)) else 1
    if not all(d < rank - count for d in spatial.dims):
        return None
    if any(isinstance(a, Ref) for a in operation.args[1:]):
        return None
    return PixelStep(operation, spatial, operation.args)


def permute(builder: Builder, operation: Operation) -> Step | None:
    """Dimensions in another order; the batch stays in front."""
    spatial = own_space(builder, operation)
    if spatial is None:
        return None
    rank = rank_of(builder, operation)
    if operation.target is aten.permute.default:
        order = [d % rank for d in operation.args[1]]
    else:
        order = list(range(rank))
        one, other = (d % rank for d in operation.args[1:3])
        order[one], order[other] = order[other], order[one]
    if order[0] != 0:
        return None
    dims = tuple(order.index(d) for d in spatial.dims)
    return PixelStep(operation, Spatial(spatial.level, dims), operation.args)


def reshape(builder: Builder, operation: Operation) -> Step | None:
    """Views that keep rows and columns apart from the rest, or move pixels within their cell only."""
    spatial = own_space(builder, operation)
    if spatial is None or not isinstance(operation.value, Tensor):
        return None
    old, new = builder.captured.operations[operation.args[0].name].shape, operation.shape
    groups = view_groups(old, new)
    if groups[:1] != [([0], [0])]:
        return None  # frames must stay apart
    axes: dict[int, tuple[int, int, int]] = {}
    for before, after in groups[1:]:
        here = [d for d in before if d in spatial.dims]
        if not here:
            continue
        # Dimensions of size 1 belong to any group. Of the others, the first counts pixels of the map.
        inside = [d for d in before if d in here or old[d] > 1]
        outside = [d for d in after if new[d] > 1] or after[:1]
        if tuple(here) == spatial.dims and inside == here:
            height, width = spatial.level.size
            if [new[d] for d in outside] in ([height, width], [height * width]):
                return reshaped(operation, Spatial(spatial.level, tuple(outside)))
        if len(here) > 1 or len(spatial.dims) == 1 or inside[0] != here[0] or not outside:
            return None
        merged, parted = (math.prod(old[d] for d in inside[1:]), math.prod(new[d] for d in outside[1:]))
        axes[here[0]] = (outside[0], merged, parted)
    if len(axes) < 2:
        return None
    rows, columns = (axes[d] for d in spatial.dims)
    height, width = (n * a // b for n, (_, a, b) in zip(spatial.level.size, (rows, columns), strict=True))
    level = builder.level(height, width)
    cells = zip(spatial.level.cell, level.cell, (rows, columns), strict=True)
    if level.owners != spatial.level.owners or any(c * a != n * b for c, n, (_, a, b) in cells):
        return None
    return reshaped(operation, Spatial(level, (rows[0], columns[0])))


def reshaped(operation: Operation, spatial: Spatial) -> PixelStep:
    """A view of cells instead of maps."""
    sizes: list[Any] = [SizeOf("count"), *operation.shape[1:]]
    names = ("rows", "columns") if len(spatial.dims) == 2 else ("pixels",)
    for d, name in zip(spatial.dims, names, strict=True):
        sizes[d] = SizeOf(name)
    return PixelStep(operation, spatial, (operation.args[0], sizes), target=aten.reshape.default)


def view_groups(old: Sequence[int], new: Sequence[int]) -> list[tuple[list[int], list[int]]]:
    """Dimensions of two shapes of a view that hold the same numbers: the shortest such runs, in order."""
    groups: list[tuple[list[int], list[int]]] = []
    i = j = 0
    if 0 in old:
        return groups
    while i < len(old) and j < len(new):
        before, after = [i], [j]
        p, q = old[i], new[j]
        i, j = i + 1, j + 1
        while p != q:
            if p < q:
                before.append(i)
                p, i = p * old[i], i + 1
            else:
                after.append(j)
                q, j = q * new[j], j + 1
        groups.append((before, after))
    if groups:  # what is left has size 1
        groups[-1][0].extend(range(i, len(old)))
        groups[-1][1].extend(range(j, len(new)))
    return groups


def select(builder: Builder, operation: Operation) -> Step | None:
    """One index of a dimension that is neither rows nor columns."""
    spatial = own_space(builder, operation)
    if spatial is None:
        return None
    dim = operation.args[1] % rank_of(builder, operation)
    if dim == 0 or dim in spatial.dims:
        return None
    dims = tuple(d - (dim < d) for d in spatial.dims)
    return PixelStep(operation, Spatial(spatial.level, dims), operation.args)


def unsqueeze(builder: Builder, operation: Operation) -> Step | None:
    """A new dimension of size 1 behind the batch."""
    spatial = own_space(builder, operation)
    if spatial is None:
        return None
    dim = operation.args[1] % (rank_of(builder, operation) + 1)
    if dim == 0:
        return None
    dims = tuple(d + (dim <= d) for d in spatial.dims)
    return PixelStep(operation, Spatial(spatial.level, dims), operation.args)


def squeeze(builder: Builder, operation: Operation) -> Step | None:
    """Dimensions of size 1 that go away, but neither the batch nor rows and columns."""
    spatial = own_space(builder, operation)
    if spatial is None or len(operation.args) < 2:
        return None
    shape = builder.captured.operations[operation.args[0].name].shape
    given = operation.args[1]
    dims = {d % len(shape) for d in (given if isinstance(given, (list, tuple)) else [given])}
    gone = {d for d in dims if shape[d] == 1}
    if 0 in dims or dims & set(spatial.dims):
        return None
    places = tuple(d - sum(g < d for g in gone) for d in spatial.dims)
    return PixelStep(operation, Spatial(spatial.level, places), operation.args)


def expand(builder: Builder, operation: Operation) -> Step | None:
    """Values repeated along dimensions that are neither rows nor columns."""
    spatial = own_space(builder, operation)
    if spatial is None or len(operation.shape) != rank_of(builder, operation):
        return None
    sizes = [-1 if d == 0 or d in spatial.dims else size for d, size in enumerate(operation.shape)]
    return PixelStep(operation, spatial, (operation.args[0], sizes))


def repeat(builder: Builder, operation: Operation) -> Step | None:
    """Copies one after the other along dimensions that are neither rows nor columns."""
    spatial = own_space(builder, operation)
    times = operation.args[1]
    if spatial is None or len(times) != rank_of(builder, operation):
        return None
    return None if any(times[d] != 1 for d in (0, *spatial.dims)) else same_dims(builder, operation)


def flip(builder: Builder, operation: Operation) -> Step | None:
    """Reversed order along dimensions that are neither rows nor columns."""
    spatial = own_space(builder, operation)
    if spatial is None:
        return None
    dims = {d % rank_of(builder, operation) for d in operation.args[1]}
    return None if dims & {0, *spatial.dims} else same_dims(builder, operation)


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


def unbind(builder: Builder, operation: Operation) -> Step | None:
    """All indices of a dimension that is neither rows nor columns, as several results."""
    spatial = own_space(builder, operation)
    if spatial is None:
        return None
    dim = (operation.args[1] if len(operation.args) > 1 else 0) % rank_of(builder, operation)
    if dim == 0 or dim in spatial.dims:
        return None
    dims = tuple(d - (dim < d) for d in spatial.dims)
    return PixelStep(operation, Spatial(spatial.level, dims), operation.args)


def vector_norm(builder: Builder, operation: Operation) -> Step | None:
    """Length of vectors along dimensions that are neither rows nor columns."""
    return reduction(builder, operation, 2)


def product(builder: Builder, operation: Operation) -> Step | None:
    """Each pixel's numbers times a fixed matrix."""
    spatial = own_space(builder, operation)
    matrix = operation.args[1]
    if spatial is None or not isinstance(matrix, Tensor) or matrix.ndim != 2:
        return None
    return None if rank_of(builder, operation) - 1 in spatial.dims else same_dims(builder, operation)


def getitem(builder: Builder, operation: Operation) -> Step | None:
    """One of several results of a spatial operation."""
    return same_dims(builder, operation)


def split(builder: Builder, operation: Operation) -> Step | None:
    """Several parts along a dimension that is neither rows nor columns."""
    return along_dim(builder, operation, 2, 0)


def shuffle(builder: Builder, operation: Operation) -> Step | None:
    """``pixel_shuffle`` and ``pixel_unshuffle``: pixels move within their block."""
    spatial = own_space(builder, operation)
    if spatial is None or spatial.dims != IMAGE or not builder.pictures(operation.shape[2:]):
        return None
    level = builder.level(*operation.shape[2:])
    factor = operation.args[1]
    large, small = (
        (level, spatial.level) if operation.target is aten.pixel_shuffle.default else (spatial.level, level)
    )
    whole = all(a * factor == b for a, b in zip(small.cell, large.cell, strict=True))
    if level.owners != spatial.level.owners or not whole:
        return None
    return PixelStep(operation, Spatial(level, IMAGE), operation.args)


# --- operations on neighbourhoods ----------------------------------------------------------------------


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


def convolution(builder: Builder, operation: Operation) -> Step | None:
    """Convolution with fixed weights, and the padding before it."""
    arguments = convolution_arguments(operation)
    if arguments is None:
        return None
    x, weight, bias, stride, padding, dilation, groups = arguments
    if not builder.image(x, operation):
        return None
    source, border, fill = x.name, Border.CONSTANT, 0.0
    merged = builder.paddings.get(source)
    if merged is not None and padding == (0, 0, 0, 0):
        source, padding = merged.source, merged.padding
        border, fill = merged.window.border, merged.window.fill
    level = builder.level(*operation.shape[2:])
    reach = tuple((k - 1) * d + 1 for k, d in zip(weight.shape[2:], dilation, strict=True))
    window = window_of(
        builder, source, level, (reach[0], reach[1]), stride, (padding[0], padding[2]), border, fill
    )
    made = Convolution(weight, bias, stride, dilation, groups)
    step = ConvolutionStep(operation, Spatial(level, IMAGE), source, window, made, padding)
    operation.args = (Ref(source), *operation.args[1:])
    return step


def convolution_arguments(operation: Operation) -> tuple[Any, ...] | None:
    """``(x, weight, bias, stride, (top, bottom, left, right), dilation, groups)``, or None."""
    a = (*operation.args, *(None,) * 9)
    if operation.target is aten.convolution.default:
        x, weight, bias, stride, padding, dilation, transposed, _, groups = a[:9]
        if transposed:
            return None
    else:
        x, weight, bias, stride, padding, dilation, groups = a[:7]
    if not isinstance(weight, Tensor) or weight.ndim != 4 or isinstance(bias, Ref):
        return None
    stride, dilation = pair(stride or 1), pair(dilation or 1)
    if padding == "same":
        total = [(k - 1) * d for k, d in zip(weight.shape[2:], dilation, strict=True)]
        sides = (total[0] // 2, total[0] - total[0] // 2, total[1] // 2, total[1] - total[1] // 2)
    else:
        down, across = pair(0 if padding in (None, "valid") else padding)
        sides = (down, down, across, across)
    return x, weight, bias, stride, sides, dilation, groups or 1


def transposed_convolution(builder: Builder, operation: Operation) -> Step | None:
    """Transposed convolution whose stride divides the cells."""
    a = (*operation.args, *(None,) * 8)
    x, weight, bias = a[:3]
    if not isinstance(weight, Tensor) or weight.ndim != 4 or isinstance(bias, Ref):
        return None
    if not builder.image(x, operation):
        return None
    stride, padding, dilation = pair(a[3] or 1), pair(a[4] or 0), pair(a[7] or 1)
    level = builder.level(*operation.shape[2:])
    starts, size, crop, missing = [], [], [], []
    for axis, k, s, p, d in zip(
        (level.rows, level.columns), weight.shape[2:], stride, padding, dilation, strict=True
    ):
        if axis.cell % s:
            return None
        reach = (k - 1) * d
        # The first input pixel that output pixel 0 sees; where it sees none, the last one before it.
        first = min(math.ceil((p - reach) / s), p // s)
        last = (axis.cell - 1 + p) // s
        starts.append(Starts.of([i * axis.cell // s + first for i in range(axis.count)]))
        size.append(last - first + 1)
        crop.append(p - first * s)
        reached = (last - first) * s + reach + 1
        missing.append(max(0, crop[-1] + axis.cell - reached))  # pixels at the end that see no input pixel
    window = Window(starts[0], starts[1], (size[0], size[1]))
    spatial = Spatial(level, IMAGE)
    return TransposedConvolutionStep(
        operation, spatial, x.name, window, (crop[0], crop[1]), (missing[0], missing[1])
    )


def max_pool(builder: Builder, operation: Operation) -> Step | None:
    """Max pooling; outside the map is minus infinity."""
    a = (*operation.args, *(None,) * 6)
    kernel = pair(a[1])
    stride, padding, dilation = pair(a[2] or kernel), pair(a[3] or 0), pair(a[4] or 1)
    if not builder.image(a[0], operation):
        return None
    level = builder.level(*operation.shape[2:])
    reach = tuple((k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True))
    window = window_of(builder, a[0].name, level, (reach[0], reach[1]), stride, padding, fill=-math.inf)
    pool = partial(F.max_pool2d, kernel_size=kernel, stride=stride, dilation=dilation)
    return PoolStep(operation, Spatial(level, IMAGE), a[0].name, window, pool)


def average_pool(builder: Builder, operation: Operation) -> Step | None:
    """Average pooling, with a correction where windows at the borders count fewer pixels."""
    a = (*operation.args, *(None,) * 7)
    kernel = pair(a[1])
    stride, padding = pair(a[2] or kernel), pair(a[3] or 0)
    if not builder.image(a[0], operation):
        return None
    level = builder.level(*operation.shape[2:])
    divisor = a[6] or kernel[0] * kernel[1]
    window = window_of(builder, a[0].name, level, kernel, stride, padding)
    pool = partial(F.avg_pool2d, kernel_size=kernel, stride=stride, divisor_override=divisor)
    # What the original makes of ones, where outside is zero, is how many pixels it counts.
    ones = torch.ones(1, 1, *builder.source_level(a[0].name).size, dtype=torch.float64)
    device = builder.captured.operations[a[0].name].value.device
    ceil = bool(a[4])
    inside = F.avg_pool2d(
        F.pad(ones, (padding[1],) * 2 + (padding[0],) * 2),
        kernel,
        stride,
        ceil_mode=ceil,
        divisor_override=divisor,
    )[:, :, : level.size[0], : level.size[1]]
    wanted = F.avg_pool2d(ones, kernel, stride, padding, ceil, a[5] is None or bool(a[5]), a[6])
    correction = (wanted / inside).to(device)
    exact = bool((correction == 1).all())
    return PoolStep(operation, Spatial(level, IMAGE), a[0].name, window, pool, None if exact else correction)


def adaptive_pool(builder: Builder, operation: Operation) -> Step | None:
    """Adaptive average pooling to a map that still has cells; to a coarse one it is global."""
    x = operation.args[0]
    if not builder.image(x, operation) or not builder.pictures(operation.shape[2:], LEAST_CELL):
        return None
    level, source = builder.level(*operation.shape[2:]), builder.source_level(x.name)
    rows, columns = (
        CellMatrices(adaptive_average_taps(origin.size, axis.size, precision_of(operation)), axis)
        for axis, origin in ((level.rows, source.rows), (level.columns, source.columns))
    )
    return ResampleStep(operation, Spatial(level, IMAGE), x.name, rows, columns)


def interpolate(builder: Builder, operation: Operation) -> Step | None:
    """Resizing in any mode but the antialiased ones."""
    packet = operation.target.overloadpacket  # type: ignore[attr-defined]
    mode = MODES[packet]
    x = operation.args[0]
    if not builder.image(x, operation):
        return None
    corners, scales = interpolation_options(operation, mode)
    level, source = builder.level(*operation.shape[2:]), builder.source_level(x.name)
    spatial = Spatial(level, IMAGE)
    factors = [b / a for a, b in zip(source.size, level.size, strict=True)]
    whole = (
        all(f == int(f) for f in factors)
        and not corners
        and all(s is None or s == f for s, f in zip(scales, factors, strict=True))
        and all(b == f * a for a, b, f in zip(source.cell, level.cell, factors, strict=True))
        and source.owners == level.owners
    )
    if whole:
        alone = mode.startswith("nearest") or (mode == "bilinear" and builder.options.bilinear == "per_block")
        halo = 0 if alone else {"bilinear": 1, "bicubic": 2}[mode]
        size = (source.cell[0] + 2 * halo, source.cell[1] + 2 * halo)
        starts = [
            Starts.of([i * axis.cell - halo for i in range(axis.count)])
            for axis in (source.rows, source.columns)
        ]
        # The edge of a block that the frame cuts off is the map's, which only the canvas knows.
        complete = source.regular or mode.startswith("nearest")
        inside = alone and complete and builder.spatial[x.name] is not None
        window = Window(starts[0], starts[1], size, Border.REPLICATE, inside=inside)
        return EnlargeStep(operation, spatial, x.name, window, mode, (int(factors[0]), int(factors[1])), halo)
    rows, columns = (
        CellMatrices(
            interpolation_taps(
                mode,
                origin.size,
                axis.size,
                align_corners=corners,
                scale=scale,
                precision=precision_of(operation),
            ),
            axis,
        )
        for axis, origin, scale in zip(
            (level.rows, level.columns), (source.rows, source.columns), scales, strict=True
        )
    )
    return ResampleStep(operation, spatial, x.name, rows, columns)


def precision_of(operation: Operation) -> type[np.floating]:
    """What positions and weights are computed in, as PyTorch does."""
    return np.float64 if operation.value.dtype is torch.float64 else np.float32


def interpolation_options(operation: Operation, mode: str) -> tuple[bool, tuple[float | None, float | None]]:
    """``align_corners`` and the factors that the caller gave."""
    a = list(operation.args[1:])
    size = a.pop(0)
    corners = bool(a.pop(0)) if mode in ("bilinear", "bicubic") else False
    if operation.target._overloadname == "vec":  # type: ignore[attr-defined]
        scales = a[0] if a else operation.kwargs.get("scale_factors")
    else:
        scales = a[:2]
    if not scales or (size is not None and operation.target._overloadname == "vec"):  # type: ignore[attr-defined]
        return corners, (None, None)
    down, across = (*scales, None, None)[:2]
    return corners, (down, across)


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


def group_norm(builder: Builder, operation: Operation) -> Step | None:
    """Group norm with statistics of the whole map."""
    x, groups, *rest = (*operation.args, *(None,) * 4)[:5]
    weight, bias, eps = rest
    return norm(builder, operation, x, groups, weight, bias, 1e-5 if eps is None else eps)


def instance_norm(builder: Builder, operation: Operation) -> Step | None:
    """Instance norm with statistics of the whole map: group norm with a channel per group."""
    x, weight, bias, _, _, use_input, _, eps = operation.args[:8]
    if not use_input:
        return None
    return norm(builder, operation, x, operation.shape[1], weight, bias, eps)


def layer_norm(builder: Builder, operation: Operation) -> Step | None:
    """Layer norm over channels is pixelwise; over channels and space it is group norm with one group."""
    spatial = own_space(builder, operation)
    if (
        spatial is not None
        and len(operation.args[1]) == 3
        and spatial.dims == IMAGE
        and len(operation.shape) == 4
    ):
        affine_free = all(a is None for a in operation.args[2:4])
        if affine_free:
            eps = operation.args[4] if len(operation.args) > 4 else 1e-5
            return norm(builder, operation, operation.args[0], 1, None, None, eps)
    return channel_last_map(builder, operation)


def norm(
    builder: Builder, operation: Operation, x: Any, groups: int, weight: Any, bias: Any, eps: float
) -> Step | None:
    """Normalisation by statistics over space, scale and shift per channel."""
    spatial = builder.spatial[x.name] if isinstance(x, Ref) else None
    if spatial is None or spatial.dims != IMAGE or isinstance(weight, Ref) or isinstance(bias, Ref):
        return None
    weight, bias = (v.view(1, -1, 1, 1) if isinstance(v, Tensor) else None for v in (weight, bias))
    statistics = builder.options.statistics
    return NormStep(operation, spatial, x.name, groups, weight, bias, eps, statistics)


def frame(builder: Builder, operation: Operation) -> Step:
    """The input frames."""
    return InputStep(operation, Spatial(builder.level(*operation.shape[2:]), IMAGE))


# --- fusion --------------------------------------------------------------------------------------------


def fuse(steps: list[Step], outputs: set[str]) -> list[Step]:
    """Additions and activations become part of the convolution before them."""
    position = {step.name: i for i, step in enumerate(steps)}
    users: dict[str, list[str]] = {step.name: [] for step in steps}
    for step in steps:
        for name in dict.fromkeys(step.reads):
            users[name].append(step.name)
    kept: list[Step | None] = list(steps)

    def only_user(step: Step) -> PixelStep | None:
        if step.name in outputs or len(users[step.name]) != 1:
            return None
        user = kept[position[users[step.name][0]]]
        same = isinstance(user, PixelStep) and user.spatial == step.spatial and user.shape == step.shape
        return user if same else None  # type: ignore[return-value]

    for step in steps:
        if not isinstance(step, ConvolutionStep) or kept[position[step.name]] is not step:
            continue
        user = only_user(step)
        other = added_value(user, step, steps, position) if user else None
        if user is not None and other is not None:
            absorb(step, user, kept, position)
            step.other = other
            user = only_user(step)
        activation = activation_of(user.target, user.args, user.kwargs) if user else None
        if user is not None and activation is not None and user.args[0] == Ref(step.name):
            absorb(step, user, kept, position)
            step.convolution.activation = activation
    return [step for step in kept if step is not None]


def added_value(user: PixelStep, step: Step, steps: list[Step], position: dict[str, int]) -> str | None:
    """The other summand, where ``user`` adds a value of the same shape to ``step``'s."""
    if user.target is not aten.add.Tensor or user.kwargs or len(user.args) != 2:
        return None
    others = [a for a in user.args if a != Ref(step.name)]
    if len(others) != 1 or not isinstance(others[0], Ref):
        return None
    other = steps[position[others[0].name]]
    fits = other.spatial == step.spatial and other.shape == step.shape
    return other.name if fits else None


def absorb(step: ConvolutionStep, user: Step, kept: list[Step | None], position: dict[str, int]) -> None:
    """``step`` also does what ``user`` does, in the place and under the name of ``user``."""
    kept[position[step.name]] = None
    kept[position[user.name]] = step
    step.operations += user.operations
    step.name = user.name


GLOBAL = {
    aten.adaptive_avg_pool2d,
    aten._adaptive_avg_pool2d,
    aten.adaptive_max_pool2d,
    aten.mean,
    aten.amax,
    aten.sum,
    aten.scaled_dot_product_attention,
}
"""Operators that look at the whole map by their nature."""

MODES = {
    aten.upsample_nearest2d: "nearest",
    aten._upsample_nearest_exact2d: "nearest-exact",
    aten.upsample_bilinear2d: "bilinear",
    aten.upsample_bicubic2d: "bicubic",
}

RULES: dict[Any, Callable[[Builder, Operation], Step | None]] = {
    frame_input: frame,
    affine: pointwise,
    aten.hardswish: pointwise,
    aten.log_sigmoid: pointwise,
    aten._prelu_kernel: pointwise,
    aten.zeros_like: pointwise,
    aten.ones_like: pointwise,
    aten.full_like: pointwise,
    operator.getitem: getitem,
    aten.cat: concatenate,
    aten.clone: same_dims,
    aten.contiguous: same_dims,
    aten.alias: same_dims,
    aten.detach: same_dims,
    aten.dropout: same_dims,
    aten.lift_fresh_copy: same_dims,
    aten._to_copy: same_dims,
    aten.softmax: along_dim,
    aten._softmax: along_dim,
    aten.log_softmax: along_dim,
    aten._log_softmax: along_dim,
    aten.slice: slice_of,
    aten.index_select: along_dim,
    aten.repeat_interleave: partial(along_dim, argument=2),
    aten.glu: partial(along_dim, default=-1),
    aten.cumsum: along_dim,
    aten.flip: flip,
    aten.expand: expand,
    aten.repeat: repeat,
    aten.unbind: unbind,
    aten.split: split,
    aten.split_with_sizes: split,
    aten.chunk: split,
    aten.mean: reduction,
    aten.sum: reduction,
    aten.amax: reduction,
    aten.amin: reduction,
    aten.argmax: reduction,
    aten.argmin: reduction,
    aten.var: reduction,
    aten.std: reduction,
    aten.prod: reduction,
    aten.logsumexp: reduction,
    aten.linalg_vector_norm: vector_norm,
    aten.linear: channel_last_map,
    aten.rms_norm: channel_last_map,
    aten.matmul: product,
    aten.layer_norm: layer_norm,
    aten.permute: permute,
    aten.transpose: permute,
    aten.view: reshape,
    aten._unsafe_view: reshape,
    aten.reshape: reshape,
    aten.flatten: reshape,
    aten.select: select,
    aten.unsqueeze: unsqueeze,
    aten.squeeze: squeeze,
    aten.pixel_shuffle: shuffle,
    aten.pixel_unshuffle: shuffle,
    aten.channel_shuffle: same_dims,
    aten.conv2d: convolution,
    aten.convolution: convolution,
    aten.conv_transpose2d: transposed_convolution,
    aten.max_pool2d: max_pool,
    aten.avg_pool2d: average_pool,
    aten.adaptive_avg_pool2d: adaptive_pool,
    aten._adaptive_avg_pool2d: adaptive_pool,
    aten.constant_pad_nd: padding_step,
    aten.pad: padding_step,
    aten.reflection_pad2d: padding_step,
    aten.replication_pad2d: padding_step,
    aten.group_norm: group_norm,
    aten.instance_norm: instance_norm,
    **dict.fromkeys(MODES, interpolate),
}
"""What each operator is. Operators that torch marks as pointwise need no entry; the others run densely."""
