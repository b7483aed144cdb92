"""Where blocks lie: the grid at the input, the maps inside the network, and who owns which cell.

A block is ``block_size`` pixels square at the input. A map inside the network is cut into *cells*, the
share of one block in that map. Where the sizes divide, a map of stride ``s`` has one cell of
``block_size / s`` pixels per block; where they do not, cells at the right and bottom are ragged. A cell
belongs to the block that its middle lies in, and to the blocks whose middles lie in it: every block has at
least one cell in every map, and a cell of several blocks is executed when one of them is.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from saccade.errors import ConfigError


@dataclass(frozen=True)
class Grid:
    """Blocks of an image of ``height x width`` pixels.

    Attributes:
        height, width: Size of the frames in pixels.
        block: Side of a block in pixels.
    """

    height: int
    width: int
    block: int

    def __post_init__(self) -> None:
        if self.block < 1:
            raise ConfigError(f"block_size must be at least 1 pixel, not {self.block}; 128 is a good start")

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of blocks ``(GH, GW)``; the last ones may be ragged."""
        return -(-self.height // self.block), -(-self.width // self.block)

    def level(self, height: int, width: int) -> Level:
        """The cells of a map of ``height x width`` pixels."""
        return Level(
            rows=Axis.of(self.height, self.block, height),
            columns=Axis.of(self.width, self.block, width),
        )


@dataclass(frozen=True)
class Axis:
    """One direction of a map, cut into cells.

    Attributes:
        size: Pixels of the map.
        cell: Pixels of a cell; the last one may reach beyond the map.
        owners: For each cell, the blocks that it belongs to.
    """

    size: int
    cell: int
    owners: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, image: int, block: int, size: int) -> Axis:
        """Cut a map of ``size`` pixels that shows ``image`` pixels with blocks of ``block``."""
        pixel = pixel_size(image, size)
        cell = max(1, round(block / pixel))
        count = -(-size // cell)
        edges = [min(image, index * cell * pixel) for index in range(count)] + [image]
        middles = [(start + min(image, start + block)) / 2 for start in range(0, image, block)]
        owners = []
        for start, end in itertools.pairwise(edges):
            inside = [b for b, middle in enumerate(middles) if start <= middle < end]
            owners.append(tuple(sorted({int((start + end) / 2 // block), *inside})))
        return cls(size, cell, tuple(owners))

    @property
    def count(self) -> int:
        """Number of cells."""
        return len(self.owners)

    def membership(self, blocks: int) -> npt.NDArray[np.bool_]:
        """``(cells, blocks)``: does the cell belong to the block?"""
        table = np.zeros((self.count, blocks), dtype=bool)
        for cell, owners in enumerate(self.owners):
            table[cell, list(owners)] = True
        return table


def pixel_size(image: int, size: int) -> float:
    """Pixels of the image per pixel of a map.

    Maps of strided convolutions and pooling are sizes divided by a power of two and rounded, and that power
    is where their pixels lie, not the ratio of the sizes.
    """
    ratio = image / size
    power = math.floor(math.log2(ratio))
    fitting = [s for s in (2.0**power, 2.0 ** (power + 1)) if abs(image / s - size) < 1]
    return min(fitting, key=lambda s: max(s / ratio, ratio / s), default=ratio)


@dataclass(frozen=True)
class Level:
    """A map inside the network, cut into cells; maps of one size share one level."""

    rows: Axis
    columns: Axis

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the map in pixels."""
        return self.rows.size, self.columns.size

    @property
    def cell(self) -> tuple[int, int]:
        """Height and width of a cell in pixels."""
        return self.rows.cell, self.columns.cell

    @property
    def cells(self) -> tuple[int, int]:
        """Rows and columns of cells."""
        return self.rows.count, self.columns.count

    @property
    def owners(self) -> tuple[tuple[tuple[int, ...], ...], tuple[tuple[int, ...], ...]]:
        """Levels with the same owners have the same cells executed."""
        return self.rows.owners, self.columns.owners

    @cached_property
    def regular(self) -> bool:
        """Every cell lies inside the map."""
        return all(axis.count * axis.cell == axis.size for axis in (self.rows, self.columns))

    @cached_property
    def one_to_one(self) -> bool:
        """Every cell is the share of exactly one block."""
        return all(o == (i,) for axis in (self.rows, self.columns) for i, o in enumerate(axis.owners))


@dataclass(frozen=True, eq=False)
class Cells:
    """Some executed cells of a level, to be computed in one batch.

    The lists may be padded to a bucketed length by repeating the last cell, so that few shapes occur.

    Attributes:
        stream, row, column: ``(B,)`` int64 on the device of the maps: which stream's map, and which cell.
        count: How many of the B are real.
    """

    stream: Tensor
    row: Tensor
    column: Tensor
    count: int
    _places: dict[object, tuple[Tensor, Tensor]] = field(default_factory=dict, repr=False)
    _pixels: dict[object, tuple[Tensor, Tensor, Tensor]] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self.stream)

    def place(self, rows: Starts, columns: Starts) -> tuple[Tensor, Tensor]:
        """Top row and left column ``(B,)`` of the window that each cell reads."""
        key = (rows, columns)
        if key not in self._places:
            self._places[key] = (rows.at(self.row), columns.at(self.column))
        return self._places[key]

    def corner(self, level: Level) -> tuple[Tensor, Tensor]:
        """Top row and left column ``(B,)`` of the cells themselves."""
        return self.place(Starts(level.rows.cell, 0), Starts(level.columns.cell, 0))

    def pixels(
        self, rows: Starts, columns: Starts, size: tuple[int, int], stride: tuple[int, int]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Stream, top row and left column ``(B * height * width,)`` of the window of each pixel of each cell.

        Args:
            rows, columns: Where the window of a cell's first pixel starts.
            size: Height and width of the cells.
            stride: Distance between the windows of neighbouring pixels.
        """
        key = (rows, columns, size, stride)
        if key not in self._pixels:
            top, left = self.place(rows, columns)
            down, across = (torch.arange(n, device=top.device) * s for n, s in zip(size, stride, strict=True))
            whole = (len(self), *size)
            self._pixels[key] = (
                self.stream[:, None, None].expand(whole).reshape(-1),
                (top[:, None] + down)[:, :, None].expand(whole).reshape(-1),
                (left[:, None] + across)[:, None, :].expand(whole).reshape(-1),
            )
        return self._pixels[key]

    def real(self) -> Cells:
        """Without the repeated ones."""
        if self.count == len(self):
            return self
        n = self.count
        return Cells(self.stream[:n], self.row[:n], self.column[:n], n)


class Selection:
    """What one step executes: the cells of every level that its actions ask for.

    Args:
        grid: Blocks of the frames.
        active: ``(N, GH, GW)`` bool, the blocks to execute.
        device: Where the maps are.
        beside: What the same step executes at another resolution; cells of both are left to it.
        filled: Fill batches up, so that few shapes occur.
    """

    def __init__(
        self,
        grid: Grid,
        active: npt.NDArray[np.bool_],
        device: torch.device,
        beside: Selection | None = None,
        *,
        filled: bool = True,
    ) -> None:
        self.grid = grid
        self.active = active
        self.device = device
        self.beside = beside
        self.filled = filled
        self.streams = [int(n) for n in np.flatnonzero(active.any(axis=(1, 2)))]
        self._found: dict[object, npt.NDArray[np.int64]] = {}
        self._chunks: dict[object, list[Cells]] = {}

    def count(self, level: Level) -> int:
        """Number of executed cells of a level."""
        return self._find(level).shape[1]

    def covered(self, level: Level) -> Tensor:
        """``(N, h, w)`` bool: the pixels of the maps that lie in executed cells."""
        cells = np.zeros((len(self.active), *level.cells), dtype=bool)
        cells[tuple(self._find(level))] = True
        (height, width), (down, across) = level.size, level.cell
        pixels = cells.repeat(down, axis=1).repeat(across, axis=2)[:, :height, :width]
        return torch.from_numpy(np.ascontiguousarray(pixels)).to(self.device)

    def batched(self, level: Level, most: int) -> int:
        """Number of cells that are computed, with those that fill up the batches of at most ``most``."""
        if not self.filled:
            return self.count(level)
        whole, rest = divmod(self.count(level), most)
        return whole * bucket(most) + (bucket(rest) if rest else 0)

    def pixels(self, level: Level) -> int:
        """Pixels of the map that lie in executed cells."""
        _, rows, columns = self._find(level)
        heights, widths = (
            np.minimum(axis.cell, axis.size - index * axis.cell)
            for axis, index in ((level.rows, rows), (level.columns, columns))
        )
        return int((heights * widths).sum())

    def chunks(self, level: Level, most: int) -> list[Cells]:
        """Executed cells of a level in the order stream, row, column, in batches of at most ``most``."""
        key = (level.owners, most)
        if key not in self._chunks:
            found = self._find(level)
            total = found.shape[1]
            self._chunks[key] = [self._batch(found[:, k : k + most]) for k in range(0, total, most)]
        return self._chunks[key]

    def _batch(self, found: npt.NDArray[np.int64]) -> Cells:
        count = found.shape[1]
        padded = bucket(count) if self.filled else count
        if padded > count:
            found = np.concatenate((found, np.repeat(found[:, -1:], padded - count, axis=1)), axis=1)
        stream, row, column = torch.from_numpy(np.ascontiguousarray(found)).to(self.device).unbind(0)
        return Cells(stream, row, column, count)

    def _find(self, level: Level) -> npt.NDArray[np.int64]:
        """Stream, row and column ``(3, B)`` of the executed cells."""
        if level.owners not in self._found:
            self._found[level.owners] = np.stack(np.nonzero(self._cells(level))).astype(np.int64)
        return self._found[level.owners]

    def _cells(self, level: Level) -> npt.NDArray[np.bool_]:
        """``(N, rows, columns)``: which cells are executed."""
        if level.one_to_one:
            return self.active
        by_row = level.rows.membership(self.grid.shape[0])
        by_column = level.columns.membership(self.grid.shape[1])
        found: npt.NDArray[np.bool_] = (
            np.einsum("nrc,ir,jc->nij", self.active.astype(np.int32), by_row, by_column) > 0
        )
        return found if self.beside is None else found & ~self.beside._cells(level)


@dataclass(frozen=True)
class Starts:
    """First row (or column) that a cell's window reads, for each row (or column) of cells.

    Attributes:
        step: Distance between neighbouring cells' windows, where it is the same for all.
        offset: Where the first window starts.
        table: Explicit starts, where the distance varies.
    """

    step: int
    offset: int
    table: tuple[int, ...] | None = None

    @classmethod
    def of(cls, starts: list[int]) -> Starts:
        """The shortest way to say these starts."""
        step = starts[1] - starts[0] if len(starts) > 1 else 0
        if all(start == starts[0] + i * step for i, start in enumerate(starts)):
            return cls(step, starts[0])
        return cls(0, 0, tuple(starts))

    def at(self, index: Tensor) -> Tensor:
        """Starts of the cells with these rows (or columns)."""
        if self.table is not None:
            return torch.tensor(self.table, device=index.device)[index]
        return index * self.step + self.offset


def bucket(count: int) -> int:
    """Round a batch of cells up so that few distinct sizes occur, at most a quarter more.

    Up to 8 every number, beyond that four sizes between powers of two.
    """
    unit = 1 << max(0, (count - 1).bit_length() - 3)
    return -(-count // unit) * unit
