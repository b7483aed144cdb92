"""Operations on windows: what they read, and those that only move pixels (slices, padding)."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from saccade.blocks import kernels
from saccade.blocks.canvas import from_pixels
from saccade.blocks.capture import Operation
from saccade.blocks.grid import Starts
from saccade.blocks.kernels import Border
from saccade.blocks.steps.run import IMAGE, Run, Spatial
from saccade.blocks.steps.step import Step


@dataclass(frozen=True)
class Window:
    """Which part of its input map a cell of the output needs.

    Attributes:
        rows, columns: First row and column, which may lie outside the map.
        size: Height and width.
        border, fill: What is outside the map.
        inside: The window is the cell itself, so that the block alone is enough.
    """

    rows: Starts
    columns: Starts
    size: tuple[int, int]
    border: Border = Border.CONSTANT
    fill: float = 0.0
    inside: bool = False


class WindowStep(Step):
    """An operation that sees a neighbourhood: gathers windows from a canvas, then runs unpadded.

    Args:
        operation: What it computes.
        spatial: Where the result's rows and columns are.
        source: The value that it reads.
        window: What it reads of it.
    """

    kind = "window"

    def __init__(self, operation: Operation, spatial: Spatial, source: str, window: Window) -> None:
        super().__init__(operation, spatial)
        self.source = source
        self.window = window
        self.channels_read = self.shape[1]

    @property
    def from_canvas(self) -> list[str]:
        return [] if self.window.inside else [self.source]

    def on_blocks(self, run: Run) -> Any:
        return self.compute(self.gather(run), run)

    def gather(self, run: Run) -> Tensor:
        """Windows ``(B, C, *size)``, channels-last."""
        if self.window.inside and run.spatial[self.source] is not None:
            value: Tensor = run.blocks(self.source)
            return value
        window, cells = self.window, run.cells
        pixels = run.pixels(self.source, IMAGE)
        blocks = kernels.gather(
            pixels,
            cells.stream,
            *cells.place(window.rows, window.columns),
            window.size,
            border=window.border,
            fill=window.fill,
        )
        return blocks.permute(0, 3, 1, 2)

    def map_of(self, run: Run) -> Tensor:
        """The whole input ``(N, C, h, w)``, in a dense frame."""
        if run.spatial[self.source] is None:
            return run.batch(self.source)
        value: Tensor = run.values[self.source]
        return value

    def on_maps(self, run: Run) -> Any:
        operation = self.operations[0]
        return operation.target(self.map_of(run), *operation.args[1:], **operation.kwargs)

    @abstractmethod
    def compute(self, windows: Tensor, run: Run) -> Tensor:
        """The cells, from their windows."""


class SliceStep(WindowStep):
    """Every n-th row or column, or all but a few at the border.

    Attributes:
        strides: Distance of the rows, and of the columns, that are taken.
    """

    def __init__(
        self, operation: Operation, spatial: Spatial, source: str, window: Window, strides: tuple[int, ...]
    ) -> None:
        super().__init__(operation, spatial, source, window)
        self.strides = strides
        self.rest = [s for d, s in enumerate(self.shape) if d and d not in spatial.dims]
        self.channels_read = math.prod(self.rest)

    def gather(self, run: Run) -> Tensor:
        """Windows, with rows and columns where the value has them."""
        assert self.spatial is not None
        window, cells = self.window, run.cells
        pixels = run.pixels(self.source, self.spatial.dims)
        places = cells.place(window.rows, window.columns)
        blocks = kernels.gather(pixels, cells.stream, *places, window.size)
        return from_pixels(blocks, self.spatial.dims, self.rest)

    def compute(self, windows: Tensor, run: Run) -> Tensor:
        assert self.spatial is not None
        parts = [slice(None)] * windows.ndim
        for d, stride in zip(self.spatial.dims, self.strides, strict=True):
            parts[d] = slice(None, None, stride)
        return windows[tuple(parts)]

    def on_maps(self, run: Run) -> Any:
        operation = self.operations[0]
        return operation.target(run.values[self.source], *operation.args[1:])


class PadStep(WindowStep):
    """Padding as an operation of its own."""

    def __init__(
        self,
        operation: Operation,
        spatial: Spatial,
        source: str,
        window: Window,
        padding: tuple[int, int, int, int],
    ) -> None:
        super().__init__(operation, spatial, source, window)
        self.padding = padding

    def compute(self, windows: Tensor, run: Run) -> Tensor:
        return windows

    def on_maps(self, run: Run) -> Any:
        return pad_map(self.map_of(run), self.padding, self.window)


def pad_map(x: Tensor, padding: tuple[int, int, int, int], window: Window) -> Tensor:
    """A whole map with the borders that windows see."""
    top, bottom, left, right = padding
    sides = (left, right, top, bottom)
    if window.border is Border.CONSTANT:
        return F.pad(x, sides, value=window.fill)
    return F.pad(x, sides, mode=window.border.name.lower())
