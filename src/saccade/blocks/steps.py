"""The steps that a converted network consists of. Each runs on executed blocks, or on whole maps.

A value of the network lives in one of two forms:

- *spatial*: it has rows and columns that belong to the grid. On blocks it is ``(B, ...)`` with the cell's
  pixels in place of the map's; in a dense frame it is ``(N, ...)`` as the network shapes it.
- *whole*: it has no blocks (the result of pooling over the map, of attention, of an unknown operation).
  It is a list with one entry per stream, None for streams with nothing to execute.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from saccade.blocks import kernels
from saccade.blocks.canvas import Canvas, from_pixels, to_pixels
from saccade.blocks.capture import Operation, Ref, affine
from saccade.blocks.convolution import Convolution
from saccade.blocks.grid import Cells, Level, Selection, Starts
from saccade.blocks.kernels import Border, Places
from saccade.blocks.kernels.winograd import TILE
from saccade.blocks.kernels.winograd import TYPES as WINOGRAD_TYPES
from saccade.blocks.resampling import CellMatrices, resample_windows

aten = torch.ops.aten

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
        self._cells: Cells | None = None
        self._memo: dict[object, Any] = {}

    @property
    def cells(self) -> Cells:
        """The batch of cells that is executed now."""
        assert self._cells is not None
        return self._cells

    def count(self, spatial: Spatial | None) -> int:
        """Number of cells of a level that are executed in all."""
        assert self.selection is not None
        assert spatial is not None
        return self.selection.count(spatial.level)

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

    def may_overwrite(self, step: Step, name: str | None) -> bool:
        """Is a value of no use to anybody after ``step``?"""
        if self.recording or name not in step.consumes:
            return False
        return self.selection is not None or name not in self.canvases


class Step(ABC):
    """One operation (or a few, fused) of the network.

    Attributes:
        name: Name of its result.
        spatial: Where the result's rows and columns are; None for whole values.
        operations: What it computes, for the plan.
        consumes: Values that it may overwrite on blocks, because nobody reads them after it.
    """

    kind = "pixel"

    def __init__(self, operation: Operation, spatial: Spatial | None) -> None:
        self.name = operation.name
        self.spatial = spatial
        self.operations = [operation]
        self.shape = operation.shape
        self.consumes: set[str] = set()

    @property
    def reads(self) -> list[str]:
        """Names of the values that it reads."""
        own = {o.name for o in self.operations}
        return [n for o in self.operations for n in o.inputs() if n not in own]

    @property
    def from_canvas(self) -> list[str]:
        """Spatial values that it reads beyond the block, so that they need a canvas."""
        return []

    @abstractmethod
    def on_blocks(self, run: Run) -> Any:
        """The result for the executed cells."""

    @abstractmethod
    def on_maps(self, run: Run) -> Any:
        """The result for whole frames."""


class InputStep(Step):
    """The frames.

    Attributes:
        frames: ``(N, C, H, W)`` of this step.
    """

    kind = "input"

    def __init__(self, operation: Operation, spatial: Spatial) -> None:
        super().__init__(operation, spatial)
        self.frames = torch.empty(0)

    def on_blocks(self, run: Run) -> Any:
        assert self.spatial is not None
        cells, level = run.cells, self.spatial.level
        pixels = run.once(self.name, lambda: to_pixels(self.frames, IMAGE))
        blocks = kernels.gather(pixels, cells.stream, *cells.corner(level), level.cell)
        return from_pixels(blocks, self.spatial.dims, self.shape[1:2])

    def on_maps(self, run: Run) -> Any:
        return self.frames


def affine_(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """``x * scale + shift`` in the memory of ``x``."""
    return torch.addcmul(shift, x, scale, out=x)


IN_PLACE: dict[Any, Callable[..., Any]] = {
    affine: affine_,
    aten.add.Tensor: aten.add_.Tensor,
    aten.mul.Tensor: aten.mul_.Tensor,
    aten.relu.default: aten.relu_.default,
    aten.sigmoid.default: aten.sigmoid_.default,
    aten.silu.default: aten.silu_.default,
    aten.gelu.default: aten.gelu_.default,
    aten.hardswish.default: aten.hardswish_.default,
    aten.hardsigmoid.default: aten.hardsigmoid_.default,
    aten.hardtanh.default: aten.hardtanh_.default,
    aten.clamp.default: aten.clamp_.default,
    aten.leaky_relu.default: aten.leaky_relu_.default,
}
"""The same operations in the memory of their first argument."""


@dataclass(frozen=True)
class MapConstant:
    """A fixed tensor with a value per pixel of the map, for example a positional encoding.

    Attributes:
        tensor: As the network has it, its batch dimension 1 (or added).
        dims: Its rows and columns.
        pixels: ``(1, h, w, P)``, the same.
    """

    tensor: Tensor
    dims: tuple[int, ...]
    pixels: Tensor


@dataclass(frozen=True)
class WholeMap:
    """A whole value that has a value per pixel of the map, read by block."""

    name: str
    dims: tuple[int, ...]


@dataclass(frozen=True)
class PerStream:
    """A whole value without rows and columns, for example the gates of squeeze-and-excitation."""

    name: str


@dataclass(frozen=True)
class SizeOf:
    """A size in a shape argument that depends on what is processed: ``streams``, ``rows``, ..."""

    what: str


class PixelStep(Step):
    """An operation on each pixel alone: runs on the batch of blocks as it is.

    Args:
        operation: What it computes.
        spatial: Where the result's rows and columns are.
        args: Its arguments, with ``MapConstant``, ``WholeMap``, ``PerStream`` and ``SizeOf`` where these
            depend on the blocks.
    """

    def __init__(
        self,
        operation: Operation,
        spatial: Spatial,
        args: tuple[Any, ...],
        target: Callable[..., Any] | None = None,
    ) -> None:
        super().__init__(operation, spatial)
        self.target = target or operation.target
        self.in_place = IN_PLACE.get(self.target)
        self.args = args
        self.kwargs = operation.kwargs

    def on_blocks(self, run: Run) -> Any:
        assert self.spatial is not None
        cells = run.cells
        level = self.spatial.level
        count, size = len(cells), level.cell

        def at_cells(pixels: Tensor, stream: Tensor, dims: tuple[int, ...], shape: Sequence[int]) -> Tensor:
            blocks = kernels.gather(pixels, stream, *cells.corner(level), size)
            return from_pixels(blocks, dims, [s for d, s in enumerate(shape) if d and d not in dims])

        def look(value: Any) -> Any:
            if isinstance(value, Ref):
                return run.blocks(value.name)
            if isinstance(value, PerStream):
                return run.batch(value.name)[cells.stream]
            if isinstance(value, WholeMap):
                pixels = run.pixels(value.name, value.dims, level.size)
                shape = run.batch(value.name).shape
                return at_cells(pixels, cells.stream, value.dims, shape)
            if isinstance(value, MapConstant):
                stream = torch.zeros_like(cells.stream)
                return at_cells(value.pixels, stream, value.dims, value.tensor.shape)
            return self._literal(value, count, size, look)

        return self._apply(run, [look(a) for a in self.args])

    def on_maps(self, run: Run) -> Any:
        assert self.spatial is not None

        def look(value: Any) -> Any:
            if isinstance(value, Ref):
                return run.values[value.name]
            if isinstance(value, (PerStream, WholeMap)):
                return run.batch(value.name)
            if isinstance(value, MapConstant):  # as many as streams, for cat does not broadcast
                return value.tensor.expand(run.streams, *value.tensor.shape[1:])
            return self._literal(value, run.streams, self._map_size(), look)

        return self._apply(run, [look(a) for a in self.args])

    def _apply(self, run: Run, args: list[Any]) -> Any:
        first = self.args[0]
        if self.in_place and isinstance(first, Ref) and run.may_overwrite(self, first.name):
            return self.in_place(*args, **self.kwargs)
        return self.target(*args, **self.kwargs)

    def _map_size(self) -> tuple[int, int]:
        assert self.spatial is not None
        return self.spatial.level.size

    @staticmethod
    def _literal(value: Any, count: int, size: tuple[int, int], look: Callable[[Any], Any]) -> Any:
        if isinstance(value, SizeOf):
            return {"count": count, "rows": size[0], "columns": size[1], "pixels": size[0] * size[1]}[
                value.what
            ]
        if isinstance(value, (list, tuple)):
            return type(value)(look(v) for v in value)
        return value


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

    @abstractmethod
    def compute(self, windows: Tensor, run: Run) -> Tensor:
        """The cells, from their windows."""


class ConvolutionStep(WindowStep):
    """Convolution, with the addition and the activation that follow it where there are any.

    Attributes:
        padding: ``(top, bottom, left, right)`` pixels that the map is padded by.
        other: Name of the value that is added.
        matrix: Turn the windows into rows of a matrix, one per pixel: faster where cells are tiny.
        map_from: Convolve the whole canvas where at least so many cells are executed; None for never.
        winograd: Convolve cells where they lie, by Winograd's algorithm.
    """

    def __init__(
        self,
        operation: Operation,
        spatial: Spatial,
        source: str,
        window: Window,
        convolution: Convolution,
        padding: tuple[int, int, int, int],
    ) -> None:
        super().__init__(operation, spatial, source, window)
        self.convolution = convolution
        self.padding = padding
        self.channels_read = convolution.weight.shape[1] * convolution.groups
        self.other: str | None = None
        self.matrix = False
        self.map_from: int | None = None
        self.winograd = False

    @property
    def can_be_winograd(self) -> bool:
        """Is this a 3x3 convolution that the C kernels know, on this device?"""
        kernel, window = self.convolution, self.window
        return (
            tuple(kernel.weight.shape[2:]) == (3, 3)
            and (kernel.groups, kernel.stride) == (1, (1, 1))
            and kernel.dilation[0] == kernel.dilation[1]
            and (window.border, window.fill, window.inside) == (Border.CONSTANT, 0.0, False)
            and kernel.weight.device.type == "cpu"
            and kernel.weight.dtype in WINOGRAD_TYPES
            and kernels.winograd() is not None
        )

    @property
    def can_be_matrix(self) -> bool:
        """Is a row of the matrix a plain window of the canvas?"""
        kernel = self.convolution
        return kernel.groups == 1 and kernel.dilation == (1, 1) and not self.window.inside

    @property
    def by_taps(self) -> bool:
        """Are the taps so far apart that copying a cell for each moves less than copying windows?

        So it is for the large dilations of DeepLab's pyramid.
        """
        kernel, spatial = self.convolution, self.spatial
        if spatial is None or kernel.groups != 1 or kernel.stride != (1, 1) or self.window.inside:
            return False
        taps = math.prod(kernel.weight.shape[2:])
        return math.prod(self.window.size) > taps * math.prod(spatial.level.cell)

    def on_blocks(self, run: Run) -> Any:
        if self.map_from is not None and run.count(self.spatial) >= self.map_from:
            return self._from_map(run)
        if self.winograd and not run.recording:
            return self._by_winograd(run, run.pixels(self.source, IMAGE))
        if self.matrix:
            return self._by_matrix(run)
        return self._by_taps(run) if self.by_taps else super().on_blocks(run)

    def _by_winograd(self, run: Run, pixels: Tensor) -> Tensor:
        """The cells, computed from where they lie in the canvas."""
        assert self.spatial is not None
        cells, size = run.cells, self.spatial.level.cell
        other = to_pixels(run.blocks(self.other), IMAGE) if self.other else None
        if other is not None and run.may_overwrite(self, self.other):
            result = other
        else:
            result = pixels.new_empty(len(cells), *size, len(self.convolution.weight))
        start = Places(cells.stream, *cells.place(self.window.rows, self.window.columns))
        corner = torch.zeros_like(cells.stream)
        to = Places(torch.arange(len(cells)), corner, corner)
        self._convolve_cells(pixels, start, size, result, to, other)
        return self._activated(result.permute(0, 3, 1, 2))

    def _map_by_winograd(self, x: Tensor, other: Tensor | None, run: Run) -> Tensor:
        """The whole map, in strips as high as a tile."""
        pixels = to_pixels(x, IMAGE)
        height, width = self.shape[2:]
        room = run.room(self.name)
        if other is not None:
            other = to_pixels(other, IMAGE)
        if other is not None and run.may_overwrite(self, self.other):
            result = other
        elif room is not None:
            result = to_pixels(room, IMAGE)
        else:
            result = pixels.new_empty(len(pixels), height, width, len(self.convolution.weight))
        tall = TILE * self.convolution.dilation[0]
        strips, streams = -(-height // tall), len(pixels)
        stream = torch.arange(streams).repeat_interleave(strips)
        top, left = (torch.arange(strips) * tall).repeat(streams), torch.zeros_like(stream)
        start = Places(stream, top - self.padding[0], left - self.padding[2])
        self._convolve_cells(pixels, start, (tall, width), result, Places(stream, top, left), other)
        return self._activated(result.permute(0, 3, 1, 2))

    def _convolve_cells(
        self,
        pixels: Tensor,
        start: Places,
        size: tuple[int, int],
        result: Tensor,
        to: Places,
        other: Tensor | None,
    ) -> None:
        library, kernel = kernels.winograd(), self.convolution
        assert library is not None
        limits = (kernel.activation.limits if kernel.activation else None) or (-math.inf, math.inf)
        library.convolve(
            pixels, start, size, kernel.as_winograd(), kernel.dilation[0], result, to, other, *limits
        )

    def _activated(self, x: Tensor) -> Tensor:
        """The activation, where it is more than a clamping that was done already."""
        activation = self.convolution.activation
        return x if activation is None or activation.limits else activation.function(x)

    def _by_taps(self, run: Run) -> Tensor:
        """The cells as a sum of 1x1 convolutions, one per element of the kernel."""
        assert self.spatial is not None
        cells, size, kernel = run.cells, self.spatial.level.cell, self.convolution
        pixels = run.pixels(self.source, IMAGE)
        top, left = cells.place(self.window.rows, self.window.columns)
        total = run.blocks(self.other) if self.other else None
        overwrite = run.may_overwrite(self, self.other)
        for row, column, tap in kernel.as_taps():
            down, across = row * kernel.dilation[0], column * kernel.dilation[1]
            border, fill = self.window.border, self.window.fill
            shifted = kernels.gather(
                pixels, cells.stream, top + down, left + across, size, border=border, fill=fill
            )
            total = tap(shifted.permute(0, 3, 1, 2), other=total, overwrite=overwrite)
            overwrite = True
        assert total is not None
        return total

    def _by_matrix(self, run: Run) -> Tensor:
        """The cells, with each pixel's neighbourhood as a row of a matrix."""
        assert self.spatial is not None
        cells, kernel = run.cells, self.convolution
        height, width = self.spatial.level.cell
        rows, columns = self.window.rows, self.window.columns
        stream, top, left = cells.pixels(rows, columns, (height, width), kernel.stride)
        pixels = run.pixels(self.source, IMAGE)
        size = (kernel.weight.shape[2], kernel.weight.shape[3])
        border, fill = self.window.border, self.window.fill
        matrix = kernels.gather(pixels, stream, top, left, size, border=border, fill=fill)
        matrix = matrix.view(1, 1, len(stream), -1).permute(0, 3, 1, 2)
        other = None
        if self.other:
            other = to_pixels(run.blocks(self.other), IMAGE).view(1, 1, len(stream), -1).permute(0, 3, 1, 2)
        result = kernel.as_product()(matrix, other=other)
        return result.permute(0, 2, 3, 1).reshape(len(cells), height, width, -1).permute(0, 3, 1, 2)

    def _from_map(self, run: Run) -> Tensor:
        """The cells of the whole convolved canvas."""
        assert self.spatial is not None

        def convolved() -> Tensor:
            source = run.pixels(self.source, IMAGE).permute(0, 3, 1, 2)
            y = self.convolution.bare()(pad_map(source, self.padding, self.window))
            return y.permute(0, 2, 3, 1).contiguous()

        level, cells = self.spatial.level, run.cells
        pixels = run.once(("convolved", self.name), convolved)
        blocks = kernels.gather(pixels, cells.stream, *cells.corner(level), level.cell).permute(0, 3, 1, 2)
        if self.other:
            blocks = blocks + run.blocks(self.other)
        activation = self.convolution.activation
        return activation.function(blocks) if activation else blocks

    def compute(self, windows: Tensor, run: Run) -> Tensor:
        other = run.blocks(self.other) if self.other else None
        return self.convolution(windows, other=other, overwrite=run.may_overwrite(self, self.other))

    def on_maps(self, run: Run) -> Any:
        x = self.map_of(run)
        other = run.values[self.other] if self.other else None
        if self.winograd and not run.recording:
            return self._map_by_winograd(x, other, run)
        top, bottom, left, right = self.padding
        zeros = self.window.border is Border.CONSTANT and not self.window.fill
        if zeros and top == bottom >= 0 and left == right >= 0:
            padding = (top, left)
        else:
            x, padding = pad_map(x, self.padding, self.window), (0, 0)
        overwrite = run.may_overwrite(self, self.other)
        return self.convolution(x, padding, other, overwrite=overwrite, room=run.room(self.name))


class TransposedConvolutionStep(WindowStep):
    """Transposed convolution: windows without padding, then cut to the cell.

    Attributes:
        crop: Rows and columns of the unpadded result that lie before the cell.
        missing: Rows and columns of the cell that lie behind the unpadded result, where the stride is larger
            than the kernel.
    """

    def __init__(
        self,
        operation: Operation,
        spatial: Spatial,
        source: str,
        window: Window,
        crop: tuple[int, int],
        missing: tuple[int, int],
    ) -> None:
        super().__init__(operation, spatial, source, window)
        self.crop = crop
        self.missing = missing
        names = ("weight", "bias", "stride", "padding", "output_padding", "groups", "dilation")
        defaults: tuple[Any, ...] = (None, None, (1, 1), (0, 0), (0, 0), 1, (1, 1))
        given = operation.args[1:]
        self.options = dict(zip(names, (*given, *defaults[len(given) :]), strict=True))

    def compute(self, windows: Tensor, run: Run) -> Tensor:
        assert self.spatial is not None
        height, width = self.spatial.level.cell
        full = F.conv_transpose2d(windows, **{**self.options, "padding": 0, "output_padding": self.missing})
        top, left = self.crop
        return full[:, :, top : top + height, left : left + width].contiguous(
            memory_format=torch.channels_last
        )

    def on_maps(self, run: Run) -> Any:
        return F.conv_transpose2d(self.map_of(run), **self.options)


class PoolStep(WindowStep):
    """Max or average pooling.

    Attributes:
        pool: The pooling of windows, without padding.
        correction: ``(1, 1, h, w)`` factor where averages count fewer pixels at the borders, or None.
    """

    def __init__(
        self,
        operation: Operation,
        spatial: Spatial,
        source: str,
        window: Window,
        pool: Callable[[Tensor], Tensor],
        correction: Tensor | None = None,
    ) -> None:
        super().__init__(operation, spatial, source, window)
        self.pool = pool
        self.correction = correction

    def compute(self, windows: Tensor, run: Run) -> Tensor:
        assert self.spatial is not None
        pooled = self.pool(windows)
        if self.correction is None:
            return pooled
        level, cells = self.spatial.level, run.cells
        correction = self.correction
        pixels = run.once(self.name, lambda: correction.to(pooled).permute(0, 2, 3, 1).contiguous())
        factor = kernels.gather(
            pixels,
            torch.zeros_like(cells.stream),
            *cells.corner(level),
            level.cell,
        )
        return pooled * factor.permute(0, 3, 1, 2)

    def on_maps(self, run: Run) -> Any:
        operation = self.operations[0]
        result = operation.target(self.map_of(run), *operation.args[1:], **operation.kwargs)
        return result[0] if isinstance(result, tuple) else result


class ResampleStep(WindowStep):
    """Resizing (or adaptive pooling) by a small matrix per row and column of cells."""

    def __init__(
        self,
        operation: Operation,
        spatial: Spatial,
        source: str,
        rows: CellMatrices,
        columns: CellMatrices,
    ) -> None:
        window = Window(rows.starts, columns.starts, (rows.window, columns.window))
        super().__init__(operation, spatial, source, window)
        self.rows = rows.matrices
        self.columns = columns.matrices

    def compute(self, windows: Tensor, run: Run) -> Tensor:
        cells = run.cells
        rows, columns = (m.to(windows) for m in (self.rows, self.columns))
        result = resample_windows(windows.permute(0, 2, 3, 1), rows[cells.row], columns[cells.column])
        return result.permute(0, 3, 1, 2)

    def on_maps(self, run: Run) -> Any:
        operation = self.operations[0]
        return operation.target(self.map_of(run), *operation.args[1:], **operation.kwargs)


class EnlargeStep(WindowStep):
    """Bilinear or bicubic enlargement by whole factors, which is the same in every cell.

    Attributes:
        mode: As in ``interpolate``.
        factors: Height and width.
        halo: Input pixels around the cell that its pixels depend on.
        lands_in: The step that adds this result to its own and may take its memory, or None.
    """

    def __init__(
        self,
        operation: Operation,
        spatial: Spatial,
        source: str,
        window: Window,
        mode: str,
        factors: tuple[int, int],
        halo: int,
    ) -> None:
        super().__init__(operation, spatial, source, window)
        self.mode = mode
        self.factors = factors
        self.halo = halo
        self.lands_in: str | None = None

    def compute(self, windows: Tensor, run: Run) -> Tensor:
        scale = tuple(float(f) for f in self.factors)
        corners = None if self.mode.startswith("nearest") else False
        large = F.interpolate(windows, scale_factor=scale, mode=self.mode, align_corners=corners)
        top, left = (self.halo * f for f in self.factors)
        if not self.halo:
            return large
        return large[:, :, top : large.shape[2] - top, left : large.shape[3] - left]

    def on_maps(self, run: Run) -> Any:
        operation = self.operations[0]
        room = run.room(self.lands_in) if self.lands_in else None
        if room is not None and self.mode == "bilinear" and self.halo and not torch.is_grad_enabled():
            size = list(self.shape[2:])
            return aten.upsample_bilinear2d.out(self.map_of(run), size, False, None, None, out=room)
        if self.mode == "bilinear" and not self.halo:
            return self._each_cell_alone(self.map_of(run))
        return operation.target(self.map_of(run), *operation.args[1:], **operation.kwargs)

    def _each_cell_alone(self, x: Tensor) -> Tensor:
        """The map enlarged as if every cell ended where it ends."""
        assert self.spatial is not None
        (n, channels, height, width), (rows, columns) = x.shape, self.spatial.level.cells
        (down, across), factors = self.window.size, self.factors
        full = F.pad(x, (0, columns * across - width, 0, rows * down - height), mode="replicate")
        cells = full.view(n, channels, rows, down, columns, across).permute(0, 2, 4, 1, 3, 5)
        scale = tuple(float(f) for f in factors)
        large = F.interpolate(cells.flatten(0, 2), scale_factor=scale, mode=self.mode, align_corners=False)
        large = large.view(n, rows, columns, channels, *large.shape[2:]).permute(0, 3, 1, 4, 2, 5)
        result = large.reshape(n, channels, rows * down * factors[0], columns * across * factors[1])
        return result[:, :, : height * factors[0], : width * factors[1]].contiguous(
            memory_format=torch.channels_last
        )


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


class NormStep(Step):
    """Normalisation by statistics of the whole map: group, instance, or layer norm over space.

    The statistics are those of the canvas (every pixel at its latest value), or of its executed cells alone;
    blocks are normalised with them. With all blocks executed this is the dense result.

    Attributes:
        groups: Groups of channels with statistics of their own.
        weight, bias: ``(1, C, 1, 1)``, or None.
        statistics: Of the ``map``, or of the ``executed`` cells of each stream.
    """

    kind = "global"

    def __init__(
        self,
        operation: Operation,
        spatial: Spatial,
        source: str,
        groups: int,
        weight: Tensor | None,
        bias: Tensor | None,
        eps: float,
        statistics: str = "map",
    ) -> None:
        super().__init__(operation, spatial)
        self.source = source
        self.groups = groups
        self.weight = weight
        self.bias = bias
        self.eps = eps
        self.statistics = statistics

    @property
    def from_canvas(self) -> list[str]:
        return [self.source]

    def on_blocks(self, run: Run) -> Any:
        assert self.spatial is not None
        pixels = run.pixels(self.source, self.spatial.dims)
        mean, scale = run.once(self.name, lambda: self._statistics(pixels, run))
        stream = run.cells.stream
        return self._normalise(run.blocks(self.source), mean[stream], scale[stream])

    def on_maps(self, run: Run) -> Any:
        assert self.spatial is not None
        value = run.values[self.source]
        mean, scale = self._statistics(to_pixels(value, self.spatial.dims), run)
        return self._normalise(value, mean, scale)

    def _statistics(self, pixels: Tensor, run: Run) -> tuple[Tensor, Tensor]:
        """Mean and reciprocal deviation ``(N, C, 1, 1)`` of every group, given per channel."""
        assert self.spatial is not None
        wide = torch.promote_types(pixels.dtype, torch.float32)
        mean = torch.zeros(len(pixels), pixels.shape[3], dtype=wide, device=pixels.device)
        scale = torch.ones_like(mean)
        covered = None
        if self.statistics == "executed" and run.selection is not None:
            covered = run.selection.covered(self.spatial.level)
        for stream in run.active:
            one = pixels[stream]
            per_channel = one.flatten(0, 1) if covered is None else one[covered[stream]]
            variance, average = torch.var_mean(per_channel.to(wide), dim=0, correction=0)
            average, variance = (v.view(self.groups, -1) for v in (average, variance))
            group_mean = average.mean(1, keepdim=True)
            group_variance = (variance + (average - group_mean).square()).mean(1, keepdim=True)
            mean[stream] = group_mean.expand_as(average).reshape(-1)
            scale[stream] = torch.rsqrt(group_variance + self.eps).expand_as(average).reshape(-1)
        return mean[:, :, None, None], scale[:, :, None, None]

    def _normalise(self, x: Tensor, mean: Tensor, scale: Tensor) -> Tensor:
        if self.weight is not None:
            scale = scale * self.weight
        shift = -mean * scale
        if self.bias is not None:
            shift = shift + self.bias
        return torch.addcmul(shift, x.to(scale.dtype), scale).to(x.dtype)


VIEWS = (aten.view.default, aten._unsafe_view.default)
"""Operators that want another memory layout than canvases have; ``reshape`` takes any."""


class WholeStep(Step):
    """Everything else: runs densely, stream by stream, on canvases and whole values."""

    kind = "dense"

    def __init__(self, operation: Operation, spatial_inputs: Sequence[str], kind: str) -> None:
        super().__init__(operation, None)
        self.kind = kind
        self.spatial_inputs = list(spatial_inputs)

    @property
    def from_canvas(self) -> list[str]:
        return self.spatial_inputs

    def on_blocks(self, run: Run) -> Any:
        inputs = {name: run.whole(name) for name in dict.fromkeys(self.reads)}
        operation = self.operations[0]
        results: list[Any] = [None] * run.streams
        target = aten.reshape.default if operation.target in VIEWS else operation.target
        for stream in run.active:
            args = look_up(operation.args, inputs, stream)
            kwargs = look_up(operation.kwargs, inputs, stream)
            results[stream] = target(*args, **kwargs)
        return results

    def on_maps(self, run: Run) -> Any:
        return self.on_blocks(run)


def look_up(value: Any, inputs: dict[str, list[Any]], stream: int) -> Any:
    """Arguments with references replaced by one stream's values."""
    if isinstance(value, Ref):
        return inputs[value.name][stream]
    if isinstance(value, (list, tuple)):
        return type(value)(look_up(v, inputs, stream) for v in value)
    if isinstance(value, dict):
        return {k: look_up(v, inputs, stream) for k, v in value.items()}
    return value


def pad_map(x: Tensor, padding: tuple[int, int, int, int], window: Window) -> Tensor:
    """A whole map with the borders that windows see."""
    top, bottom, left, right = padding
    sides = (left, right, top, bottom)
    if window.border is Border.CONSTANT:
        return F.pad(x, sides, value=window.fill)
    return F.pad(x, sides, mode=window.border.name.lower())
