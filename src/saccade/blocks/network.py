"""A converted network: executes the blocks it is asked for, and keeps the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
import torch.utils._pytree as pytree
from torch import Tensor

from saccade.blocks.canvas import Canvas
from saccade.blocks.capture import Captured, Ref, affine, frame_input
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
        self._type = next(o for o in captured.operations.values() if o.target is frame_input).value.dtype
        self._spatial: dict[str, Spatial | None] = {s.name: s.spatial for s in steps}
        self._outputs = captured.output_names()
        self._canvases = self._make_canvases()
        self._last_reads = self._find_last_reads()
        self._allow_overwriting()
        self._segments = cut(steps, self._canvases, captured.device)
        self._fresh: set[int] = set()
        self._streams = 0
        self._whole: dict[str, list[Tensor]] = {}
        self._careful = False
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
        self._forget_gradients()
        dense = active.mean() > self._dense_above or (active.all() and self._dense_above <= 1)
        if dense:
            active[:] = True
        self.executed = torch.from_numpy(np.where(active, FULL, KEEP).astype(np.int8))
        if active.any():
            try:
                self._execute(frames, None if dense else Selection(self.grid, active, frames.device))
            except BaseException:
                self.reset()  # some canvases show this frame, some the one before
                raise
        self._fresh.clear()
        outputs = [self._output(o, len(frames)) for o in self.captured.outputs]
        return pytree.tree_unflatten(outputs, self.captured.structure)

    def use(self, tuning: Tuning) -> None:
        """Execute as was measured to be fastest."""
        self.tuning = tuning
        wanted = self.options.dense_above
        self._dense_above = tuning.dense_above if wanted is None else wanted
        for step in self.steps:
            if isinstance(step, ConvolutionStep):
                step.matrix = step.name in tuning.matrix
                step.map_from = tuning.map_from.get(step.name)
                step.winograd = step.name in tuning.winograd and step.can_be_winograd

    def forget(self) -> None:
        """Be as if no frame had ever been seen."""
        self.set_state({"fresh": torch.zeros(0, dtype=torch.bool)})

    def reset(self, streams: Sequence[int] | None = None) -> None:
        """Forget the past of these streams (all by default): their next frame is executed in full."""
        self._fresh.update(range(self._streams) if streams is None else streams)

    @property
    def dense_above(self) -> float:
        """Share of the blocks above which a whole frame is executed densely, because that is faster."""
        return self._dense_above

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
        if active.all() and self._dense_above <= 1:
            return self._costs.of_frames(len(active))
        return self._costs.of_blocks(Selection(self.grid, active, torch.device("cpu")))

    @cached_property
    def _macs(self) -> dict[str, StepMacs]:
        counter = MacCounter(self.captured)
        return {step.name: counter.count(step) for step in self.steps}

    @cached_property
    def _costs(self) -> CostTable:
        return CostTable(self._segments, self._macs)

    def drop(self, streams: Sequence[int]) -> None:
        """These streams have ended: those after them move up, and the next step has fewer."""
        gone = set(streams)
        kept = [n for n in range(self._streams) if n not in gone]
        for canvas in self._canvases.values():
            if canvas.pixels is not None:
                canvas.restore(canvas.pixels[kept])
        self._whole = {name: [values[n] for n in kept] for name, values in self._whole.items()}
        self._fresh = {row for row, n in enumerate(kept) if n in self._fresh}
        self.executed = None if self.executed is None else self.executed[kept]
        self._streams = len(kept)

    def get_state(self, *, copy: bool = True) -> dict[str, Tensor]:
        """All that is remembered of the videos, for ``set_state`` and ``torch.save``.

        Args:
            copy: Give copies. Else the memory is shared, and good until the next step.

        Returns:
            ``fresh`` (N,) bool: the streams whose next frame is executed in full; ``executed``; ``careful``,
            whether some values may not be numbers; and the latest values, ``canvas.NAME``
            (N, h, w, channels) and ``output.NAME.STREAM``.
        """
        state = {"fresh": torch.tensor([n in self._fresh for n in range(self._streams)], dtype=torch.bool)}
        if self.executed is not None:
            state["executed"] = self.executed.clone()
            state["careful"] = torch.tensor(self._careful)
        for name, canvas in self._canvases.items():
            if canvas.pixels is not None:
                state[f"canvas.{name}"] = canvas.pixels.detach()
        for name, values in self._whole.items():
            state.update({f"output.{name}.{n}": v.detach() for n, v in enumerate(values)})
        return {key: value.clone() for key, value in state.items()} if copy else state

    def set_state(self, state: Mapping[str, Tensor], *, copy: bool = True) -> None:
        """Go on where ``get_state`` was called, with this network or another of the same module and sizes.

        Args:
            state: From ``get_state``.
            copy: Copy it. Else later steps change it.

        Raises:
            NetworkError: The state is another network's.
        """
        streams, running = len(state.get("fresh", ())), "executed" in state
        wanted: dict[str, tuple[tuple[int, ...], torch.dtype]] = {"fresh": ((streams,), torch.bool)}
        outputs = [name for name in self._outputs if name not in self._canvases]
        if running:
            values = {step.name: step.operations[-1].value for step in self.steps}
            wanted["executed"] = (streams, *self.grid.shape), torch.int8
            wanted["careful"] = (), torch.bool
            for name, canvas in self._canvases.items():
                shape = (streams, *canvas.level.size, canvas.payload)
                wanted[f"canvas.{name}"] = shape, values[name].dtype
            for name in outputs:
                like = tuple(values[name].shape), values[name].dtype
                wanted.update({f"output.{name}.{n}": like for n in range(streams)})
        found = {key: (tuple(value.shape), value.dtype) for key, value in state.items()}
        wrong = sorted(key for key in wanted.keys() | found.keys() if wanted.get(key) != found.get(key))
        if wrong:
            raise NetworkError(
                "this state is of another network, or of frames or blocks of another size or type: "
                f"{wrong[0]} does not fit; convert the module that it was saved from, with an example of the "
                "same size and type"
            )
        device = self.captured.device
        self._streams = streams
        self._fresh = {n for n, fresh in enumerate(state["fresh"].tolist()) if fresh}
        self.executed = state["executed"].cpu().clone() if running else None
        self._careful = running and bool(state["careful"])
        for name, canvas in self._canvases.items():
            canvas.restore(state[f"canvas.{name}"].to(device, copy=copy) if running else None)
        self._whole = {
            name: [state[f"output.{name}.{n}"].to(device, copy=copy) for n in range(streams)]
            for name in outputs
            if running
        }

    def _forget_gradients(self) -> None:
        """Gradients flow within a frame, not to the frames before, whose graphs would never be freed."""
        for canvas in self._canvases.values():
            canvas.detach()
        self._whole = {name: [v.detach() for v in values] for name, values in self._whole.items()}

    def _execute(self, frames: Tensor, selection: Selection | None) -> None:
        """Run all steps, and keep what the network gives back."""
        run = Run(self._spatial, self._canvases, selection, len(frames))
        run.recording = torch.is_grad_enabled() and frames.requires_grad
        if selection is not None and self._careful:  # only until what was no number has been executed again
            run.careful = any(canvas.holds_nan() for canvas in self._canvases.values())
        for step in self.steps:
            if isinstance(step, InputStep):
                step.frames = frames
        if selection is None:
            self._run_maps(run, frames)
        else:
            for segment in self._segments:
                self._run_segment(segment, run, selection)
        for name in self._outputs - set(self._canvases):
            self._keep(name, run.values[name])
        self._careful = run.careful

    def _run_maps(self, run: Run, frames: Tensor) -> None:
        """A dense frame: every step on whole maps, which become the canvases."""
        for step in self.steps:
            value = step.on_maps(run)
            canvas = self._canvases.get(step.name)
            if canvas is not None:
                # The frames are the caller's, who may put the next one into the same memory.
                theirs = same_memory(value, frames)
                canvas.adopt(value.clone() if theirs else value, owned=theirs or not views(step))
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

    def _keep(self, name: str, values: list[Any]) -> None:
        """Remember a whole output; streams that did not run keep their last one."""
        if len(values) > 1 and any(v is not None and tuple(v.shape[:1]) != (1,) for v in values):
            raise NetworkError(
                f"the network gives back {name} without a batch dimension, so that those of several streams "
                "cannot be told apart; step one stream at a time, or give it a first dimension of size 1"
            )
        before = self._whole.get(name, [])
        self._whole[name] = [before[n] if v is None else v.clone() for n, v in enumerate(values)]

    def _output(self, output: Any, streams: int) -> Any:
        """What the network gives back of the latest values, for the caller to keep and change."""
        if not isinstance(output, Ref):
            return output
        if output.name in self._canvases:
            return self._canvases[output.name].hand_out(streams)
        whole = self._whole[output.name]
        return torch.cat(whole[:streams]) if streams > 1 else whole[0].clone()

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
                alike = source.spatial is not None and (source.spatial, source.shape, type_of(source)) == (
                    step.spatial,
                    step.shape,
                    type_of(step),
                )
                alone = name not in shared and name != reader and step.reads.count(name) == 1
                if alike and alone and not isinstance(source, InputStep):
                    step.consumes.add(name)
                    passing = name not in self._canvases
                    if passing and isinstance(source, EnlargeStep) and isinstance(step, ConvolutionStep):
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
        if not len(frames):
            raise NetworkError("there are no frames; step with at least one stream")
        if frames.dtype != self._type or frames.device != self.captured.device:
            raise NetworkError(
                f"this network was converted for {self._type} frames on {self.captured.device}, these are "
                f"{frames.dtype} on {frames.device}; move the frames, or convert it again"
            )
        grid = (len(frames), *self.grid.shape)
        if tuple(actions.shape) != grid:
            raise NetworkError(
                f"actions must be {grid} (streams, rows, columns of blocks), not {tuple(actions.shape)}"
            )
