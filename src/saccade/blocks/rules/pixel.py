"""Operators on single pixels."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from saccade.blocks.canvas import to_pixels
from saccade.blocks.capture import Operation, Ref
from saccade.blocks.grid import Level
from saccade.blocks.rules.builder import Builder, own_space, rank_of
from saccade.blocks.steps import MapConstant, PerStream, PixelStep, Spatial, Step, WholeMap


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


def product(builder: Builder, operation: Operation) -> Step | None:
    """Each pixel's numbers times a fixed matrix."""
    spatial = own_space(builder, operation)
    matrix = operation.args[1]
    if spatial is None or not isinstance(matrix, Tensor) or matrix.ndim != 2:
        return None
    return None if rank_of(builder, operation) - 1 in spatial.dims else same_dims(builder, operation)


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
