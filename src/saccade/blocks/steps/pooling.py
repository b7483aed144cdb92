"""Max and average pooling."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from saccade.blocks import kernels
from saccade.blocks.capture import Operation
from saccade.blocks.steps.run import Run, Spatial
from saccade.blocks.steps.window import Window, WindowStep


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
        result = super().on_maps(run)
        return result[0] if isinstance(result, tuple) else result
