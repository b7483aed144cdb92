"""A converted network: executes the blocks it is asked for, and keeps the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
import torch.utils._pytree as pytree
from torch import Tensor, nn

from saccade.actions import FULL, KEEP, LOW, LOW_COST
from saccade.blocks.capture import Captured, Ref, frame_input
from saccade.blocks.cost import BlockCost, CostTable, MacCounter, StepMacs
from saccade.blocks.grid import Grid, Selection
from saccade.blocks.half import halve
from saccade.blocks.levels import FullRun, Levels
from saccade.blocks.options import EngineOptions
from saccade.blocks.plan import Plan, plan_of
from saccade.blocks.resolution import Resolution, read_beyond, run_segment
from saccade.blocks.steps import Run, Step
from saccade.blocks.tuning import Tuning, stored, tuned_half
from saccade.errors import NetworkError


class BlockNetwork:
    """A network that executes only some blocks of each frame.

    Made by ``convert``. Everything it remembers of the videos is in its canvases.

    Args:
        captured: The network.
        steps: What its operations became.
        grid: Blocks of the frames.
        options: Behaviour that differs from dense execution on purpose.
        module: What was captured, for low resolution; None does without.
        measure: Find out what is fastest at low resolution where that is not known yet.

    Attributes:
        full: The steps at full resolution, and the canvases between them.
        executed: ``(N, GH, GW)`` int8, what the last step really executed: what is to be kept in a stream's
            first frame is executed in full, and so is a whole frame that is cheaper to execute densely.
    """

    def __init__(
        self,
        captured: Captured,
        steps: list[Step],
        grid: Grid,
        options: EngineOptions,
        module: nn.Module | None = None,
        *,
        measure: bool = True,
    ) -> None:
        self.captured = captured
        self.steps = steps
        self.grid = grid
        self.options = options
        self.full = Resolution(captured, steps, grid, read_beyond(steps) | captured.output_names())
        self.executed: Tensor | None = None
        self._type = next(o for o in captured.operations.values() if o.target is frame_input).value.dtype
        self._module = module
        self._measure = measure
        self._levels: Levels | None = None
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
            actions: ``(N, ceil(H / block), ceil(W / block))`` int8 per block: 0 keep, 1 low, 2 full.

        Returns:
            What the module gives back for N frames: at every pixel the latest executed value.

        Raises:
            NetworkError: Frames or actions of another shape or type, or low resolution where this network
                cannot have it.
        """
        self._check(frames, actions)
        asked = actions.cpu().numpy()
        full, low = asked == FULL, asked == LOW
        if low.any():
            self.halve()
        self._welcome(len(frames))
        for stream in self._fresh:
            full[stream] |= asked[stream] == KEEP
        self._forget_gradients()
        share = full.mean() + LOW_COST * low.mean()
        dense = share > self._dense_above or (full.all() and self._dense_above <= 1)
        if dense:
            full[:], low[:] = True, False
        self.executed = torch.from_numpy(np.where(full, FULL, np.where(low, LOW, KEEP)).astype(np.int8))
        if full.any() or low.any():
            try:
                self._execute(frames, full, low, dense=dense)
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
        self.full.use(tuning)

    def halve(self, captured: Captured | None = None) -> None:
        """Get ready for blocks at low resolution; ``step`` does it when the first one is asked for.

        Args:
            captured: The network for frames of half the size, if it has been captured already.

        Raises:
            NetworkError: The network cannot run at half resolution in blocks of this size; the message says
                what may help.
        """
        if self._levels is not None:
            return
        if self._module is None:
            raise NetworkError("this network was made without its module; convert it for low resolution")
        with torch.inference_mode(False), torch.no_grad():
            half = halve(self._module, self.full, self.options, captured)
            if missing := half.canvases.keys() - self.full.canvases.keys():
                names = self.full.canvases.keys() | missing
                self.full = Resolution(self.captured, self.steps, self.grid, names)
                self.reset()  # the new canvases are empty
                self.__dict__.pop("_costs", None)  # the batches may be others
            self._levels = Levels(self.full, half, self._macs, self.options)
            like = self.captured.example[1], half.grid.height, half.grid.width
            example = torch.zeros(1, *like, dtype=self._type, device=self.captured.device)
            if self._measure:
                half.use(tuned_half(half, self.options, example))
            else:
                half.use(stored(half, self.options, example) or Tuning())

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
            self.full.segments,
            self.full.canvases,
            self.grid,
            self._macs,
            dense_above=self._dense_above,
            measured=self.tuning.measured,
            low=None if self._levels is None else (self._levels.low_costs.block, self._levels.canvas_bytes),
        )

    @property
    def cost(self) -> BlockCost | None:
        """MACs of the last step; None before the first."""
        if self.executed is None:
            return None
        executed = self.executed.numpy()
        full, low = executed == FULL, executed == LOW
        if low.any():
            self.halve()
            assert self._levels is not None
            return self._levels.cost(*self._levels.select(full, low, self.executed))
        if full.all() and self._dense_above <= 1:
            return self._costs.of_frames(len(full))
        return self._costs.of_blocks(self._selection(full, torch.device("cpu")))

    @cached_property
    def _macs(self) -> dict[str, StepMacs]:
        counter = MacCounter(self.captured)
        return {step.name: counter.count(step) for step in self.steps}

    @cached_property
    def _costs(self) -> CostTable:
        return CostTable(self.full.segments, self._macs)

    def drop(self, streams: Sequence[int]) -> None:
        """These streams have ended: those after them move up, and the next step has fewer."""
        gone = set(streams)
        kept = [n for n in range(self._streams) if n not in gone]
        for canvas in self.full.canvases.values():
            if canvas.pixels is not None:
                canvas.restore(canvas.pixels[kept])
        self._outdate()
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
        for name, canvas in self.full.canvases.items():
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
        outputs = [name for name in self.full.outputs if name not in self.full.canvases]
        if running:
            values = {step.name: step.operations[-1].value for step in self.steps}
            wanted["executed"] = (streams, *self.grid.shape), torch.int8
            wanted["careful"] = (), torch.bool
            for name, canvas in self.full.canvases.items():
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
        self._outdate()
        for name, canvas in self.full.canvases.items():
            canvas.restore(state[f"canvas.{name}"].to(device, copy=copy) if running else None)
        self._whole = {
            name: [state[f"output.{name}.{n}"].to(device, copy=copy) for n in range(streams)]
            for name in outputs
            if running
        }

    def _forget_gradients(self) -> None:
        """Gradients flow within a frame, not to the frames before, whose graphs would never be freed."""
        self.full.forget_gradients()
        if self._levels is not None:
            self._levels.half.forget_gradients()
        self._whole = {name: [v.detach() for v in values] for name, values in self._whole.items()}

    def _outdate(self) -> None:
        """The canvases change, and what half resolution has of them does not."""
        if self._levels is not None:
            self._levels.current = False

    def _execute(self, frames: Tensor, full: Any, low: Any, *, dense: bool) -> None:
        """Run all steps, and keep what the network gives back.

        Args:
            frames: ``(N, C, H, W)``.
            full, low: ``(N, GH, GW)`` bool, the blocks to execute.
            dense: Execute whole frames.
        """
        run: Run
        if low.any() and self._levels is not None:
            run = FullRun(self._levels, *self._levels.select(full, low, frames))
        else:
            self._outdate()
            selection = None if dense else self._selection(full, frames.device)
            run = Run(self.full.spatial, self.full.canvases, selection, len(frames))
        run.recording = torch.is_grad_enabled() and frames.requires_grad
        # Only until what was no number has been executed again.
        run.careful = run.selection is not None and self._careful and self.full.holds_nan()
        self.full.look_at(frames)
        if isinstance(run, FullRun):
            run.levels.execute(frames, run)
        elif run.selection is None:
            self.full.run_maps(run, frames)
        else:
            for segment in self.full.segments:
                run_segment(segment, run, run.selection)
        for name in self.full.outputs - set(self.full.canvases):
            self._keep(name, run.values[name])
        self._careful = run.careful

    def _selection(self, full: Any, device: torch.device) -> Selection:
        """What is executed at full resolution, where nothing is at half; ``(N, GH, GW)`` bool."""
        return Selection(self.grid, full, device, filled=self.options.fill_batches)

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
        if output.name in self.full.canvases:
            return self.full.canvases[output.name].hand_out(streams)
        whole = self._whole[output.name]
        return torch.cat(whole[:streams]) if streams > 1 else whole[0].clone()

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
