"""Operators that arrange the same numbers in other dimensions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from saccade.blocks.capture import Operation
from saccade.blocks.rules.builder import Builder, own_space, rank_of
from saccade.blocks.steps import IMAGE, PixelStep, SizeOf, Spatial, Step

aten = torch.ops.aten


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
    """One index of a dimension that is neither rows nor columns, or all of them as several results."""
    spatial = own_space(builder, operation)
    if spatial is None:
        return None
    dim = (operation.args[1] if len(operation.args) > 1 else 0) % rank_of(builder, operation)
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
