"""A converted network: executes the blocks it is asked for, and keeps the rest."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
import torch.utils._pytree as pytree
from torch import Tensor

from saccade.blocks.canvas import Canvas
from saccade.blocks.capture import Captured, Ref, affine
from saccade.blocks.cost import BlockCost, CostTable, MacCounter, StepMacs
from saccade.blocks.grid import FULL, KEEP, Grid, Selection
from saccade.blocks.options import EngineOptions
from saccade.blocks.plan import Plan, plan_of
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
from saccade.errors import NetworkError


def views(step: Step) -> bool:
    """May the step's result share memory with what it reads?"""
    if isinstance(step, SliceStep):
        return True
    if isinstance(step, WholeStep):
        returns = getattr(getattr(step.operations[0].target, "_schema", None), "returns", ())
        return any(result.alias_info is not None for result in returns)
    pointwise = torch.Tag.pointwise in getattr(getattr(step, "target", None), "tags", ())
    return isinstance(step, PixelStep) and not pointwise and step.target is not affine


class BlockNetwork:
    """A network that executes only some blocks of each frame.

    Made by ``convert``. Everything it remembers of the videos is in its canvases.

    Attributes:
        grid: Blocks of the frames.
        executed: ``(N, GH, GW)`` int8, what the last step really executed: a stream's first frame is
            executed in full whatever was asked for, and so is a frame that is cheaper to execute densely.
    """

    def __init__(self, captured: Captured, steps: list[Step], grid: Grid, options: EngineOptions) -> None:
        self.captured = captured
        self.steps = steps
        self.grid = grid
        self.options = options
        self.executed: Tensor | None = None
        self._spatial: dict[str, Spatial | None] = {s.name: s.spatial for s in steps}
        self._outputs = captured.output_names()
        self._canvases = self._make_canvases()
        self._last_reads = self._find_last_reads()
        self._allow_overwriting()
        self._segments = cut(steps, self._canvases, captured.device)
        self._fresh: set[int] = set()
        self._streams = 0
        self._previous: list[Any] | None = None
        self.use(Tuning())

    @torch.no_grad()
    def dense(self, frames: Tensor) -> Any:
        """Execute whole frames; the same as ``step`` with all blocks."""
        return self.step(frames, torch.full((len(frames), *self.grid.shape), FULL, dtype=torch.int8))

    def step(self, frames: Tensor, actions: Tensor) -> Any:
        """Process the next frame of every stream.

        Args:
            frames: ``(N, C, H, W)`` normalised frames of the size that the network was converted for.
            actions: ``(N, ceil(H / block), ceil(W / block))`` int8 per block: 0 keep, 2 full.

        Returns:
            What the module gives back for N frames: at every pixel the latest executed value.

        Raises:
            NetworkError: Frames or actions of another shape or type.
        """
        self._check(frames, actions)
        active = (actions != KEEP).cpu().numpy()
        self._welcome(len(frames))
        for stream in self._fresh:
            active[stream] = True
        if active.mean() > self._dense_above:
            active[:] = True
        self.executed = torch.from_numpy(np.where(active, FULL, KEEP).astype(np.int8))
        self._fresh.clear()
        if not active.any():
            assert self._previous is not None
            return self._structured(self._previous)
        selection = None if active.all() else Selection(self.grid, active, frames.device)
        values = self._execute(frames, selection)
        self._previous = values
        return self._structured(values)

    def use(self, tuning: Tuning) -> None:
        """Execute as was measured to be fastest."""
        self.tuning = tuning
        wanted = self.options.dense_above
        self._dense_above = tuning.dense_above if wanted is None else wanted
        for step in self.steps:
            if isinstance(step, ConvolutionStep):
                step.matrix = step.name in tuning.matrix
                step.map_from = tuning.map_from.get(step.name)

    def forget(self) -> None:
        """Be as if no frame had ever been seen."""
        self._fresh, self._streams = set(), 0
        self._previous = self.executed = None

    def reset(self, streams: Sequence[int] | None = None) -> None:
        """Forget the past of these streams (all by default): their next frame is executed in full."""
        self._fresh.update(range(self._streams) if streams is None else streams)

    @property
    def plan(self) -> Plan:
        """What is done with each operation of the network, and what it costs."""
        return plan_of(
            self.captured,
            self._segments,
            self._canvases,
            self.grid,
            self._macs,
            dense_above=self._dense_above,
            measured=self.tuning.measured,
        )

    @property
    def cost(self) -> BlockCost | None:
        """MACs of the last step; None before the first."""
        if self.executed is None:
            return None
        active = self.executed.cpu().numpy() != KEEP
        if active.all():
            return self._costs.of_frames(len(active))
        return self._costs.of_blocks(Selection(self.grid, active, torch.device("cpu")))

    @cached_property
    def _macs(self) -> dict[str, StepMacs]:
        counter = MacCounter(self.captured)
        return {step.name: counter.count(step) for step in self.steps}

    @cached_property
    def _costs(self) -> CostTable:
        return CostTable(self._segments, self._macs)

    def _execute(self, frames: Tensor, selection: Selection | None) -> list[Any]:
        """Run all steps; the values of the outputs, all streams in one batch."""
        run = Run(self._spatial, self._canvases, selection, len(frames))
        for step in self.steps:
            if isinstance(step, InputStep):
                step.frames = frames
        if selection is None:
            self._run_maps(run)
        else:
            for segment in self._segments:
                self._run_segment(segment, run, selection)
        return [self._output(o, run) for o in self.captured.outputs]

    def _run_maps(self, run: Run) -> None:
        """A dense frame: every step on whole maps, which become the canvases."""
        for step in self.steps:
            value = step.on_maps(run)
            canvas = self._canvases.get(step.name)
            if canvas is not None:
                canvas.adopt(value.clone() if isinstance(step, InputStep) else value, owned=not views(step))
            run.values[step.name] = value
            for name in self._last_reads.get(step.name, ()):
                del run.values[name]

    def _run_segment(self, segment: Segment, run: Run, selection: Selection) -> None:
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
                if (canvas := self._canvases.get(step.name)) is not None:
                    canvas.prepare(run.streams, value)
                    canvas.write(cells, value)
                if step.name in segment.carried:
                    run.carried.setdefault(step.name, []).append(value)
                for name in segment.last_reads.get(step.name, ()):
                    run.values.pop(name, None)
            for name in set(run.values) - before:
                del run.values[name]

    def _output(self, output: Any, run: Run) -> Any:
        if not isinstance(output, Ref):
            return output
        if output.name in self._canvases:
            return self._canvases[output.name].hand_out()
        value = run.values[output.name]
        if any(v is None for v in value):
            assert self._previous is not None
            before = self._previous[self.captured.outputs.index(output)]
            value = [before[n : n + 1] if v is None else v for n, v in enumerate(value)]
        return torch.cat(value) if isinstance(value[0], Tensor) else value[0]

    def _structured(self, values: list[Any]) -> Any:
        return pytree.tree_unflatten(values, self.captured.structure)

    def _make_canvases(self) -> dict[str, Canvas]:
        """A canvas for every spatial value that is read beyond the block, or given back."""
        wanted = {name for step in self.steps for name in step.from_canvas} | self._outputs
        return {
            step.name: Canvas(step.spatial.level, step.spatial.dims, step.shape)
            for step in self.steps
            if step.name in wanted and step.spatial is not None
        }

    def _find_last_reads(self) -> dict[str, list[str]]:
        """For each step, the values that nobody reads after it."""
        last: dict[str, str] = {}
        for step in self.steps:
            last[step.name] = step.name
            for name in step.reads:
                last[name] = step.name
        found: dict[str, list[str]] = {}
        for name, reader in last.items():
            if name not in self._outputs:
                found.setdefault(reader, []).append(name)
        return found

    def _allow_overwriting(self) -> None:
        """Let steps take the memory of values that they are the last to read, unless a view shares it."""
        by_name = {step.name: step for step in self.steps}
        shared = {n for s in self.steps if views(s) for n in (s.name, *s.reads)} | self._outputs
        for reader, names in self._last_reads.items():
            step = by_name[reader]
            for name in names:
                source = by_name[name]
                alike = source.spatial is not None and (source.spatial, source.shape) == (
                    step.spatial,
                    step.shape,
                )
                alone = name not in shared and name != reader and step.reads.count(name) == 1
                if alike and alone and not isinstance(source, InputStep):
                    step.consumes.add(name)
                    if isinstance(source, EnlargeStep) and isinstance(step, ConvolutionStep):
                        source.lands_in = step.name

    def _welcome(self, streams: int) -> None:
        """New streams start with a frame in full; streams that are gone are forgotten."""
        self._fresh.update(range(self._streams, streams))
        self._fresh = {n for n in self._fresh if n < streams}
        self._streams = streams

    def _check(self, frames: Tensor, actions: Tensor) -> None:
        wanted = (*self.captured.example[1:],)
        if frames.ndim != 4 or tuple(frames.shape[1:]) != wanted:
            raise NetworkError(
                f"this network was converted for frames (N, {', '.join(map(str, wanted))}), "
                f"not {tuple(frames.shape)}; convert it again with an example of the new size"
            )
        grid = (len(frames), *self.grid.shape)
        if tuple(actions.shape) != grid:
            raise NetworkError(
                f"actions must be {grid} (streams, rows, columns of blocks), not {tuple(actions.shape)}"
            )
