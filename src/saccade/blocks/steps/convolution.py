"""Convolutions on windows, taps, matrices, whole maps, or where cells lie; transposed ones."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from saccade.blocks import kernels
from saccade.blocks.canvas import to_pixels
from saccade.blocks.capture import Operation
from saccade.blocks.convolution import Convolution
from saccade.blocks.kernels import Border, Places
from saccade.blocks.kernels.winograd import TILE
from saccade.blocks.kernels.winograd import TYPES as WINOGRAD_TYPES
from saccade.blocks.steps.run import IMAGE, Run, Spatial
from saccade.blocks.steps.window import Window, WindowStep, pad_map


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
        if self.winograd and not (run.recording or run.careful):
            return self._by_winograd(run, run.pixels(self.source, IMAGE))
        if self.matrix:
            return self._by_matrix(run)
        return self._by_taps(run) if self.by_taps else super().on_blocks(run)

    def _by_winograd(self, run: Run, pixels: Tensor) -> Tensor:
        """The cells, computed from where they lie in the canvas."""
        assert self.spatial is not None
        cells, size = run.cells, self.spatial.level.cell
        other = to_pixels(run.blocks(self.other), IMAGE) if self.other else None
        if other is not None and self.may_overwrite(self.other, run):
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
        if other is not None and self.may_overwrite(self.other, run):
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
        overwrite = self.may_overwrite(self.other, run)
        for row, column, tap in kernel.as_taps():
            down, across = row * kernel.dilation[0], column * kernel.dilation[1]
            border, fill = self.window.border, self.window.fill
            shifted = kernels.gather(
                pixels, cells.stream, top + down, left + across, size, border=border, fill=fill
            )
            total = tap(shifted.permute(0, 3, 1, 2), other=total, overwrite=overwrite, careful=run.careful)
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
        result = kernel.as_product()(matrix, other=other, careful=run.careful)
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
        overwrite = self.may_overwrite(self.other, run)
        return self.convolution(windows, other=other, overwrite=overwrite, careful=run.careful)

    def on_maps(self, run: Run) -> Any:
        x = self.map_of(run)
        other = run.values[self.other] if self.other else None
        if self.winograd and not (run.recording or run.careful):
            return self._map_by_winograd(x, other, run)
        top, bottom, left, right = self.padding
        zeros = self.window.border is Border.CONSTANT and not self.window.fill
        if zeros and top == bottom >= 0 and left == right >= 0:
            padding = (top, left)
        else:
            x, padding = pad_map(x, self.padding, self.window), (0, 0)
        overwrite = self.may_overwrite(self.other, run)
        room = run.room(self.name)
        return self.convolution(x, padding, other, overwrite=overwrite, room=room, careful=run.careful)


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
