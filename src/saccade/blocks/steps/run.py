"""The values of one frame, in the form that each step needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from saccade.blocks.canvas import Canvas, to_pixels
from saccade.blocks.grid import Cells, Level, Selection

IMAGE = (2, 3)
"""Rows and columns of ``(N, C, H, W)``."""


@dataclass(frozen=True)
class Spatial:
    """Where a value's rows and columns are.

    Attributes:
        level: The map and its cells.
        dims: Dimensions of rows and columns; a single one where they are flattened into one.
    """

    level: Level
    dims: tuple[int, ...]

    def space(self, size: tuple[int, int]) -> tuple[int, ...]:
        """Sizes of ``dims`` for a map (or cell) of this size."""
        return size if len(self.dims) == 2 else (size[0] * size[1],)


class Run:
    """One frame's values, and how to look at them in the form that a reader needs.

    On blocks, steps run in *segments*, batch of cells after batch of cells, so that a batch stays in the
    processor's cache from the gathering of its windows to the writing of its results.

    Args:
        spatial: Where each value's rows and columns are.
        canvases: Of the values that have one.
        selection: Executed cells; None in a dense frame.
        streams: Number of streams N.

    Attributes:
        recording: Gradients will be wanted, so that nothing may be overwritten.
        careful: Some values may not be numbers. oneDNN's activations would make zeros of them, and Winograd's
            algorithm spread them over tiles, so that neither is used.
    """

    def __init__(
        self,
        spatial: dict[str, Spatial | None],
        canvases: dict[str, Canvas],
        selection: Selection | None,
        streams: int,
    ) -> None:
        self.spatial = spatial
        self.canvases = canvases
        self.selection = selection
        self.streams = streams
        self.active = list(range(streams)) if selection is None else selection.streams
        self.values: dict[str, Any] = {}
        self.carried: dict[str, list[Any]] = {}
        self.batch_number = 0
        self.recording = False
        self.careful = False
        self._cells: Cells | None = None
        self._memo: dict[object, Any] = {}

    @property
    def cells(self) -> Cells:
        """The batch of cells that is executed now."""
        assert self._cells is not None
        return self._cells

    def look_at(self, frames: Tensor) -> None:
        """Be careful from now on if something in frames (or blocks of them) is not a number."""
        if not self.careful and frames.device.type == "cpu":  # other devices lose nothing, and would wait
            self.careful = bool(frames.detach().sum().isnan())

    def count(self, spatial: Spatial | None) -> int:
        """Number of cells of a level that are executed in all."""
        assert self.selection is not None
        assert spatial is not None
        return self.selection.count(spatial.level)

    def covered(self, level: Level) -> Tensor:
        """``(N, h, w)`` bool: the pixels of a map that are executed in this frame."""
        assert self.selection is not None
        return self.selection.covered(level)

    @property
    def of_maps(self) -> Run:
        """The run whose canvases are the whole maps, for what is taken of all of a map."""
        return self

    def write(self, name: str, value: Any) -> None:
        """Put a value at the current cells into its canvas, if it has one."""
        canvas = self.canvases.get(name)
        if canvas is not None:
            canvas.prepare(self.streams, value)
            canvas.write(self.cells, value)

    def start_batch(self, number: int, cells: Cells) -> None:
        """Go on to the next batch of cells of a segment."""
        self.batch_number, self._cells = number, cells

    def blocks(self, name: str) -> Any:
        """A spatial value at the current cells: just computed, or as the canvas (or a list) keeps it."""
        if name in self.values:
            return self.values[name]
        if name in self.carried:
            return self.carried[name][self.batch_number]
        canvas = self.canvases[name]
        self.values[name] = canvas.read(self.cells)
        return self.values[name]

    def whole(self, name: str) -> list[Any]:
        """A value as one entry per stream."""
        if self.spatial[name] is None:
            value: list[Any] = self.values[name]
            return value
        batch = self.values[name] if self.selection is None else self.canvases[name].value()
        return [batch[n : n + 1] if n in self.active else None for n in range(self.streams)]

    def batch(self, name: str) -> Tensor:
        """A whole value with all streams in one batch; streams that do not run repeat one that does."""
        value = self.whole(name)
        some = next(v for v in value if v is not None)
        if len(value) == 1:
            return some
        return self.once(("batch", name), lambda: torch.cat([some if v is None else v for v in value]))

    def pixels(self, name: str, dims: tuple[int, ...], size: tuple[int, int] | None = None) -> Tensor:
        """``(N, h, w, P)`` of a value that is read in windows.

        Args:
            name: The value.
            dims: Its rows and columns; both flattened into one only for a value with a ``size``.
            size: What the rows and columns of a whole value are repeated to where there is one of them.
        """
        if name in self.canvases:
            pixels = self.canvases[name].pixels
            assert pixels is not None
            return pixels

        def compute() -> Tensor:
            value = self.batch(name)
            if size is not None and len(dims) == 2:
                shape = list(value.shape)
                shape[dims[0]], shape[dims[1]] = size
                value = value.expand(shape)
            return to_pixels(value, dims, size)

        return self.once(("pixels", name, size), compute)

    def once(self, key: object, compute: Callable[[], Any]) -> Any:
        """Something that all batches of cells share, computed for the first of them."""
        if key not in self._memo:
            self._memo[key] = compute()
        return self._memo[key]

    def room(self, name: str) -> Tensor | None:
        """Memory for the map of a value in a dense frame: that of its canvas, where nobody else sees it."""
        canvas = self.canvases.get(name)
        return canvas.spare(self.streams) if canvas is not None else None
