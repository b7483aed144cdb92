"""Resizing, by matrices or by whole factors."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from saccade.blocks.capture import Operation
from saccade.blocks.resampling import CellMatrices, resample_windows
from saccade.blocks.steps.run import Run, Spatial
from saccade.blocks.steps.window import Window, WindowStep

aten = torch.ops.aten


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
        room = run.room(self.lands_in) if self.lands_in else None
        if room is not None and self.mode == "bilinear" and self.halo and not torch.is_grad_enabled():
            size = list(self.shape[2:])
            return aten.upsample_bilinear2d.out(self.map_of(run), size, False, None, None, out=room)
        if self.mode == "bilinear" and not self.halo:
            return self._each_cell_alone(self.map_of(run))
        return super().on_maps(run)

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
