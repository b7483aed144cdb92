"""What the rules know of a network: where values have their rows and columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from saccade.blocks.capture import Captured, Operation, Ref
from saccade.blocks.grid import Grid, Level
from saccade.blocks.options import EngineOptions
from saccade.blocks.steps import IMAGE, PadStep, Spatial

ADAPTIVE_POOLING = (torch.ops.aten.adaptive_avg_pool2d, torch.ops.aten._adaptive_avg_pool2d)
"""Poolings to a size that does not depend on the frames."""

LEAST_CELL = 1.5
"""Whole values go back to blocks from maps whose cells have at least this many pixels per side."""

LEAST_SHARE = 0.75
"""Maps whose cells have less of a pixel per side are whole values."""

FARTHEST_ASPECT = 1.3
"""A map whose aspect differs from the frame's by more than this factor is not a picture of the frame."""


class Builder:
    """What the rules know of a network, and of the steps that its operations before this one became.

    Args:
        captured: The network.
        grid: The blocks of its input.
        options: Behaviour that differs from exactness on purpose.
        like: For the same network at another resolution, where the values of the first one have their rows
            and columns: what is whole there is whole here.
        half: The same network for frames of half the size, where it is to run at that resolution, too.

    Attributes:
        halves: Shapes of values by name, for frames of half the size.
        spatial: Where each value's rows and columns are, so far; None for whole values.
        paddings: Paddings by name, for the convolutions that take them over.
    """

    def __init__(
        self,
        captured: Captured,
        grid: Grid,
        options: EngineOptions,
        like: Mapping[str, Spatial | None] | None = None,
        half: Captured | None = None,
    ) -> None:
        self.captured = captured
        self.grid = grid
        self.options = options
        self.like = like
        self.halves = {} if half is None else {o.name: o.shape for o in half.operations.values()}
        self.spatial: dict[str, Spatial | None] = {}
        self.paddings: dict[str, PadStep] = {}
        self._levels: dict[tuple[int, int], Level] = {}

    def level(self, height: int, width: int) -> Level:
        """The level of a map; the same object for the same size."""
        if (height, width) not in self._levels:
            self._levels[height, width] = self.grid.level(height, width)
        return self._levels[height, width]

    def must_be_whole(self, operation: Operation) -> bool:
        """Is its result a whole value at the other resolution?"""
        like = self.like or {}
        return operation.name in like and like[operation.name] is None

    def lacks_half(self, operation: Operation, spatial: Spatial | None) -> bool:
        """Is it a map of a size of its own, which is not half the size for frames of half the size?

        Such maps are made by pooling to a grid, and by what follows it.

        Args:
            operation: Those that it reads have been seen.
            spatial: Where its rows and columns are, if it is to be a map of blocks.
        """
        shape = self.halves.get(operation.name, ())
        if spatial is None or len(spatial.dims) != 2 or len(shape) <= max(spatial.dims):
            return False
        inputs = operation.inputs()
        pooled = getattr(operation.target, "overloadpacket", None) in ADAPTIVE_POOLING
        follows = bool(inputs) and all(self.spatial[name] is None for name in inputs)
        size = tuple(shape[dim] for dim in spatial.dims)
        return (pooled or follows) and size != tuple(-(-side // 2) for side in spatial.level.size)

    def pictures(self, size: Sequence[int], least: float = LEAST_SHARE) -> bool:
        """Can a map of this size be cut into the grid's cells?"""
        height, width = size
        down, across = self.grid.height / height, self.grid.width / width
        alike = max(down, across) <= FARTHEST_ASPECT * min(down, across)
        return alike and (self.like is not None or self.grid.block / max(down, across) >= least)

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
        return 1 / FARTHEST_ASPECT <= kept <= FARTHEST_ASPECT and cell >= LEAST_SHARE

    def source_level(self, name: str) -> Level:
        """The level of a value that is read in windows."""
        spatial = self.spatial[name]
        return spatial.level if spatial else self.level(*self.captured.operations[name].shape[2:])


def own_space(builder: Builder, operation: Operation) -> Spatial | None:
    """Where the first argument's rows and columns are, or None where it has none."""
    x = operation.args[0]
    return builder.spatial[x.name] if isinstance(x, Ref) else None


def rank_of(builder: Builder, operation: Operation) -> int:
    """Dimensions of the first argument."""
    return len(builder.captured.operations[operation.args[0].name].shape)
