"""A network at one resolution of its frames: its steps, and the canvases between them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from saccade.blocks.canvas import Canvas
from saccade.blocks.capture import Captured, affine
from saccade.blocks.grid import Grid, Selection
from saccade.blocks.segments import Segment, cut
from saccade.blocks.steps import (
    ConvolutionStep,
    EnlargeStep,
    InputStep,
    PixelStep,
    Run,
    SliceStep,
    Spatial,
    Step,
    WholeStep,
)
from saccade.blocks.tuning import Tuning


class Resolution:
    """Steps, and the canvases of the values that they read beyond the block.

    Args:
        captured: The network.
        steps: What its operations became.
        grid: The blocks of its frames.
        canvases: Names of the values that get a canvas.

    Attributes:
        outputs: Names of the values that the network gives back.
        spatial: Where each value's rows and columns are; None for whole values.
        canvases: By the name of the value.
        segments: The steps, in batches.
    """

    def __init__(self, captured: Captured, steps: list[Step], grid: Grid, canvases: Iterable[str]) -> None:
        self.captured = captured
        self.steps = steps
        self.grid = grid
        self.outputs = captured.output_names()
        self.spatial: dict[str, Spatial | None] = {s.name: s.spatial for s in steps}
        wanted = set(canvases)
        self.canvases = {
            step.name: Canvas(step.spatial.level, step.spatial.dims, step.shape)
            for step in steps
            if step.name in wanted and step.spatial is not None
        }
        self._last_reads = self._find_last_reads()
        self._allow_overwriting()
        self.segments = self.cut()

    def cut(self, starts: Iterable[str] = ()) -> list[Segment]:
        """The steps in batches; these begin another one, besides those that must."""
        return cut(self.steps, self.canvases, self.captured.device, frozenset(starts))

    def use(self, tuning: Tuning) -> None:
        """Run convolutions as was measured to be fastest."""
        for step in self.steps:
            if isinstance(step, ConvolutionStep):
                step.matrix = step.name in tuning.matrix
                step.map_from = tuning.map_from.get(step.name)
                step.winograd = step.name in tuning.winograd and step.can_be_winograd

    def look_at(self, frames: Tensor) -> None:
        """Take the frames of the next run."""
        for step in self.steps:
            if isinstance(step, InputStep):
                step.frames = frames

    def forget_gradients(self) -> None:
        """Gradients flow within a frame, not to the frames before, whose graphs would never be freed."""
        for canvas in self.canvases.values():
            canvas.detach()

    def holds_nan(self) -> bool:
        """Is something in the canvases not a number?"""
        return any(canvas.holds_nan() for canvas in self.canvases.values())

    def run_maps(self, run: Run, frames: Tensor) -> None:
        """A dense frame: every step on whole maps, which become the canvases."""
        for step in self.steps:
            value = step.on_maps(run)
            canvas = self.canvases.get(step.name)
            if canvas is not None:
                # The frames are the caller's, who may put the next one into the same memory.
                theirs = same_memory(value, frames)
                canvas.adopt(value.clone() if theirs else value, owned=theirs or not views(step))
            run.values[step.name] = value
            for name in self._last_reads.get(step.name, ()):
                del run.values[name]

    def _find_last_reads(self) -> dict[str, list[str]]:
        """For each step, the values that nobody reads after it."""
        last: dict[str, str] = {}
        for step in self.steps:
            last[step.name] = step.name
            for name in step.reads:
                last[name] = step.name
        found: dict[str, list[str]] = {}
        for name, reader in last.items():
            if name not in self.outputs:
                found.setdefault(reader, []).append(name)
        return found

    def _allow_overwriting(self) -> None:
        """Let steps take the memory of values that they are the last to read, unless a view shares it."""
        by_name = {step.name: step for step in self.steps}
        shared = {n for s in self.steps if views(s) for n in (s.name, *s.reads)} | self.outputs
        for reader, names in self._last_reads.items():
            step = by_name[reader]
            for name in names:
                source = by_name[name]
                alike = source.spatial is not None and (source.spatial, source.shape, type_of(source)) == (
                    step.spatial,
                    step.shape,
                    type_of(step),
                )
                alone = name not in shared and name != reader and step.reads.count(name) == 1
                if alike and alone and not isinstance(source, InputStep):
                    step.consumes.add(name)
                    if isinstance(source, EnlargeStep) and isinstance(step, ConvolutionStep):
                        source.lands_in = None if name in self.canvases else step.name


def run_segment(segment: Segment, run: Run, selection: Selection) -> None:
    """Steps that need nothing of each other's neighbours, batch of cells by batch of cells."""
    if segment.level is None:
        for step in segment.steps:
            run.values[step.name] = step.on_blocks(run)
        return
    before = set(run.values)
    for number, cells in enumerate(selection.chunks(segment.level, segment.batch)):
        run.start_batch(number, cells)
        for step in segment.steps:
            value = step.on_blocks(run)
            run.values[step.name] = value
            run.write(step.name, value)
            if step.name in segment.carried:
                run.carried.setdefault(step.name, []).append(value)
            for name in segment.last_reads.get(step.name, ()):
                run.values.pop(name, None)
        for name in set(run.values) - before:
            del run.values[name]


def read_beyond(steps: Iterable[Step]) -> set[str]:
    """Names of the values that some step reads beyond the block."""
    return {name for step in steps for name in step.from_canvas}


def views(step: Step) -> bool:
    """May the step's result share memory with what it reads?"""
    if isinstance(step, SliceStep):
        return True
    if isinstance(step, WholeStep):
        returns = getattr(getattr(step.operations[0].target, "_schema", None), "returns", ())
        return any(result.alias_info is not None for result in returns)
    pointwise = torch.Tag.pointwise in getattr(getattr(step, "target", None), "tags", ())
    return isinstance(step, PixelStep) and not pointwise and step.target is not affine


def type_of(step: Step) -> torch.dtype | None:
    """Element type of a step's result; None for several results."""
    value = step.operations[-1].value
    return value.dtype if isinstance(value, Tensor) else None


def same_memory(one: Any, other: Tensor) -> bool:
    """Are both in the same memory, whole or in part?"""
    return (
        isinstance(one, Tensor)
        and one.device == other.device
        and one.untyped_storage().data_ptr() == other.untyped_storage().data_ptr()
    )
