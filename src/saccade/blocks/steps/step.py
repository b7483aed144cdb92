"""What a step is, and the first of them: the frames."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import torch

from saccade.blocks import kernels
from saccade.blocks.canvas import from_pixels, to_pixels
from saccade.blocks.capture import Operation
from saccade.blocks.steps.run import IMAGE, Run, Spatial


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

    def may_overwrite(self, name: str | None, run: Run) -> bool:
        """Is a value of no use to anybody after this step?"""
        if run.recording or name not in self.consumes:
            return False
        return run.selection is not None or name not in run.canvases

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
        run.look_at(blocks)
        return from_pixels(blocks, self.spatial.dims, self.shape[1:2])

    def on_maps(self, run: Run) -> Any:
        run.look_at(self.frames)
        return self.frames
