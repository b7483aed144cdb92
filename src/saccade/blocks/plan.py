"""What the engine does with each operation of a network, and what that costs, before any frame is seen."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from saccade.blocks.canvas import Canvas
from saccade.blocks.capture import Captured, first
from saccade.blocks.cost import StepMacs, operation_name
from saccade.blocks.grid import Grid
from saccade.blocks.halo import halo_of
from saccade.blocks.segments import Segment
from saccade.blocks.steps import ConvolutionStep, InputStep, NormStep, Step, WindowStep

Kind = Literal["input", "pixel", "window", "global", "unknown"]
"""What an operation looks at: the frame, the block's own pixels, pixels around the block, the whole map, or
nobody knows what."""

Execution = Literal["blocks", "windows", "winograd", "matrix", "statistics", "dense"]
"""On the executed blocks as they are; on windows around them; by Winograd's algorithm, which reads them where
they lie in the canvas; on a matrix with a row for the window of each pixel; on the blocks, with statistics of
the whole map; or on the whole map of every stream with something to execute."""


@dataclass(frozen=True)
class PlannedStep:
    """One step of a converted network: an operation, with those that are fused into it.

    Attributes:
        name: Of the result, unique in the network.
        where: Module that the operation comes from, for example ``backbone.layer1.0.conv1``.
        operations: Names of the operators, in order.
        kind: What it looks at.
        shape: Of the result for one frame; empty for several results.
        cell: Height and width of one block's share of the result in pixels; None for whole values.
        canvas: ``(height, width, channels)`` of the memory that keeps the result over frames, or None.
        canvas_bytes: Its size for one stream.
        window: Height and width of what a cell reads of the step's input; None where that is the cell itself.
        halo: ``(top, bottom, left, right)`` pixels of the input that a window reaches beyond the cell's own
            share of it, at most; None where nothing is read beyond the cell.
        macs: MACs of one frame, executed densely.
        macs_per_cell: MACs of one cell as it is executed, with what ``BlockCost.halo`` counts; 0 for whole
            values.
        execution: How it runs.
        batch: Cells at a time; None for whole values.
        map_from: Executed cells from which on the step runs on whole maps instead, as was measured to be
            faster on this machine; None for never.
        forced_by: Name of the step because of which this one runs densely at every frame: itself, or one
            before it. None for steps that run on blocks.
    """

    name: str
    where: str
    operations: tuple[str, ...]
    kind: Kind
    shape: tuple[int, ...]
    cell: tuple[int, int] | None
    canvas: tuple[int, int, int] | None
    canvas_bytes: int
    window: tuple[int, int] | None
    halo: tuple[int, int, int, int] | None
    macs: int
    macs_per_cell: int
    execution: Execution
    batch: int | None
    map_from: int | None
    forced_by: str | None


@dataclass(frozen=True)
class Plan:
    """What the engine does with a network.

    Attributes:
        frame: ``(channels, height, width)`` of the frames.
        dtype: Element type of the frames, as torch names it.
        block_size: Side of a block in pixels.
        grid: Rows and columns of blocks.
        dense_above: Share of the blocks above which a whole frame is executed densely, 0..1; more for never.
        measured: This share, and how each step runs, were measured on this machine to be fastest. Else they
            are assumed.
        steps: In the order of execution.
        uncounted: Operators whose cost is not known, which count as zero MACs.
        low_macs: MACs of one frame whose blocks are all executed at half resolution, without ``whole_macs``;
            None before low resolution is asked for.
        low_canvas_bytes: Memory of the canvases at half resolution for one stream; 0 before.
    """

    frame: tuple[int, int, int]
    dtype: str
    block_size: int
    grid: tuple[int, int]
    dense_above: float
    measured: bool
    steps: tuple[PlannedStep, ...]
    uncounted: tuple[str, ...]
    low_macs: int | None = None
    low_canvas_bytes: int = 0

    @property
    def blocks(self) -> int:
        """Blocks of a frame."""
        return math.prod(self.grid)

    @property
    def macs(self) -> int:
        """MACs of one frame, executed densely."""
        return sum(step.macs for step in self.steps)

    @property
    def whole_macs(self) -> int:
        """MACs that run densely at every frame, for each stream with at least one executed block."""
        return sum(step.macs for step in self.steps if step.execution == "dense")

    @property
    def block_macs(self) -> int:
        """MACs of one frame that run on executed blocks only."""
        return self.macs - self.whole_macs

    @property
    def block_share(self) -> float:
        """Share of the MACs that runs on executed blocks only, 0..1; 1 for a network without MACs."""
        return self.block_macs / self.macs if self.macs else 1.0

    @property
    def macs_per_block(self) -> float:
        """MACs that an executed block costs, the mean over all blocks of a frame."""
        return self.block_macs / self.blocks

    @property
    def macs_per_low_block(self) -> float | None:
        """MACs that a block costs at half resolution, the mean over all blocks of a frame."""
        return None if self.low_macs is None else self.low_macs / self.blocks

    @property
    def canvas_bytes(self) -> int:
        """Memory of all canvases for one stream, at both resolutions."""
        return self.low_canvas_bytes + sum(step.canvas_bytes for step in self.steps)

    @property
    def forcing(self) -> tuple[tuple[PlannedStep, int], ...]:
        """Steps that force dense work at every frame, with its MACs.

        A step's dense work is its own and that of later steps on its result, up to where blocks take over
        again. What several steps force counts for the first of them.
        """
        macs: dict[str, int] = {}
        for step in self.steps:
            if step.forced_by is not None:
                macs[step.forced_by] = macs.get(step.forced_by, 0) + step.macs
        return tuple((step, macs[step.name]) for step in self.steps if step.name in macs)

    @property
    def reading_maps(self) -> tuple[PlannedStep, ...]:
        """Steps on blocks that take statistics of the whole map at every frame: no MACs, but time."""
        return tuple(step for step in self.steps if step.execution == "statistics")

    def facts(self) -> dict[str, str]:
        """The totals in words, by what they are about."""
        _, height, width = self.frame
        rows, columns = self.grid
        facts = {
            "frames": f"{height}x{width} (height x width), {self.dtype}",
            "blocks": f"{rows} x {columns} (rows x columns) of {self.block_size} pixels",
            "whole frame": f"{self.macs / 1e9:.3f} GMACs",
            "each block": f"{self.macs_per_block / 1e9:.4f} GMACs",
            "block-sparse": f"{percent(self.block_share)} of the MACs",
        }
        if self.macs_per_low_block is not None:
            facts["low block"] = f"{self.macs_per_low_block / 1e9:.4f} GMACs"
        if self.forcing:
            facts["dense"] = (
                f"{percent(1 - self.block_share)} of the MACs, {self.whole_macs / 1e9:.4f} GMACs, at every "
                "frame in which a block is executed"
            )
            facts["because of"] = counted(step for step, _ in self.forcing)
        else:
            facts["dense"] = "nothing: no operation looks at whole maps"
        if self.reading_maps:
            facts["statistics"] = f"of whole maps at every frame, without MACs: {counted(self.reading_maps)}"
        if maps := [step for step in self.steps if step.map_from is not None]:
            facts["whole maps"] = f"faster from some number of blocks on: {counted(maps)}"
        known = "measured" if self.measured else "not measured"
        above = f"densely above {percent(self.dense_above)} of the blocks"
        how = above if self.dense_above <= 1 else "never densely"
        facts["whole frames"] = f"{how} ({known} on this machine)"
        facts["canvases"] = f"{self.canvas_bytes / 1e6:.1f} MB for each stream"
        if self.uncounted:
            facts["not counted"] = f"cost not known, zero MACs here: {', '.join(self.uncounted)}"
        return facts

    def __str__(self) -> str:
        facts = self.facts()
        width = max(map(len, facts))
        return "\n".join(f"{name:{width}}  {text}" for name, text in facts.items())

    def to_dict(self) -> dict[str, Any]:
        """Everything, as plain JSON values."""
        return {
            "channels": self.frame[0],
            "height": self.frame[1],
            "width": self.frame[2],
            "dtype": self.dtype,
            "block_size": self.block_size,
            "grid": list(self.grid),
            "dense_above": self.dense_above,
            "measured": self.measured,
            "macs": self.macs,
            "block_macs": self.block_macs,
            "whole_macs": self.whole_macs,
            "block_share": self.block_share,
            "macs_per_block": self.macs_per_block,
            "macs_per_low_block": self.macs_per_low_block,
            "canvas_bytes": self.canvas_bytes,
            "forcing": [
                {
                    "name": s.name,
                    "where": s.where,
                    "operations": list(s.operations),
                    "kind": s.kind,
                    "macs": m,
                }
                for s, m in self.forcing
            ],
            "uncounted": list(self.uncounted),
            "steps": [
                {key: list(v) if isinstance(v, tuple) else v for key, v in asdict(step).items()}
                for step in self.steps
            ],
        }


def percent(share: float) -> str:
    """``"99.999 %"``: digits enough to tell a little from nothing, and almost all from all."""
    distance = 100 * min(share, 1 - share)
    digits = max(1, math.ceil(round(-math.log10(distance), 6))) if distance > 0 else 1
    return f"{100 * share:.{digits}f} %"


def counted(steps: Iterable[PlannedStep]) -> str:
    """``"2 x aten.mean (global), aten.sort (unknown)"``: the first operator of each step, in order."""
    found = Counter(f"{step.operations[0]} ({step.kind})" for step in steps)
    return ", ".join(name if count == 1 else f"{count} x {name}" for name, count in found.items())


def plan_of(
    captured: Captured,
    segments: Sequence[Segment],
    canvases: Mapping[str, Canvas],
    grid: Grid,
    macs: Mapping[str, StepMacs],
    *,
    dense_above: float,
    measured: bool,
    low: tuple[int, int] | None = None,
) -> Plan:
    """The plan of a converted network.

    Args:
        captured: Its operations.
        segments: Its steps, in their batches.
        canvases: By the name of the step whose result they keep.
        grid: Blocks of the frames.
        macs: Of every step, by name.
        dense_above: Share of the blocks above which a whole frame is executed densely.
        measured: What is fastest was measured on this machine.
        low: ``low_macs`` and ``low_canvas_bytes`` of the plan, where there is low resolution.
    """
    spatial = {step.name: step.spatial for segment in segments for step in segment.steps}
    sizes = {
        name: where.level.size if where else captured.operations[name].shape[2:4]
        for name, where in spatial.items()
    }
    position = {name: i for i, name in enumerate(spatial)}
    forced_by: dict[str, str] = {}
    planned = []
    for segment in segments:
        for step in segment.steps:
            if step.spatial is None:
                causes = [forced_by[name] for name in step.reads if name in forced_by]
                if any(spatial[name] is not None for name in step.reads):
                    forced_by[step.name] = step.name
                elif causes:
                    forced_by[step.name] = min(causes, key=position.__getitem__)
            planned.append(
                planned_step(step, segment, canvases.get(step.name), macs[step.name], sizes, forced_by)
            )
    _, channels, height, width = captured.example
    dtype = next(o.value.dtype for o in captured.operations.values() if o.source == "input")
    return Plan(
        frame=(channels, height, width),
        dtype=str(dtype).removeprefix("torch."),
        block_size=grid.block,
        grid=grid.shape,
        dense_above=dense_above,
        measured=measured,
        steps=tuple(planned),
        uncounted=tuple(dict.fromkeys(name for m in macs.values() for name in m.uncounted)),
        low_macs=low[0] if low else None,
        low_canvas_bytes=low[1] if low else 0,
    )


def planned_step(
    step: Step,
    segment: Segment,
    canvas: Canvas | None,
    macs: StepMacs,
    sizes: Mapping[str, Sequence[int]],
    forced_by: Mapping[str, str],
) -> PlannedStep:
    """The plan of one step.

    Args:
        step: The step.
        segment: That it is in.
        canvas: That keeps its result.
        macs: Its MACs.
        sizes: Height and width of every value.
        forced_by: As in ``PlannedStep``, by name.
    """
    reads_beyond = isinstance(step, WindowStep) and not step.window.inside
    shape = None if canvas is None else (*canvas.level.size, canvas.payload)
    value = first(step.operations[-1].value)
    return PlannedStep(
        name=step.name,
        where=step.operations[0].source,
        operations=tuple(
            "frames" if isinstance(step, InputStep) else operation_name(o.target) for o in step.operations
        ),
        kind=kind_of(step),
        shape=step.shape,
        cell=step.spatial.level.cell if step.spatial else None,
        canvas=shape,
        canvas_bytes=math.prod(shape) * value.dtype.itemsize if shape else 0,
        window=step.window.size if isinstance(step, WindowStep) and reads_beyond else None,
        halo=halo_of(step, sizes[step.source]) if isinstance(step, WindowStep) and reads_beyond else None,
        macs=macs.frame,
        macs_per_cell=macs.cell,
        execution=execution_of(step),
        batch=segment.batch if step.spatial else None,
        map_from=step.map_from if isinstance(step, ConvolutionStep) else None,
        forced_by=forced_by.get(step.name),
    )


def kind_of(step: Step) -> Kind:
    """What a step looks at: a window that is the cell itself is the block's own pixels."""
    if isinstance(step, WindowStep) and step.window.inside:
        return "pixel"
    return step.kind  # type: ignore[return-value]


def execution_of(step: Step) -> Execution:
    """How a step runs."""
    if step.spatial is None:
        return "dense"
    if isinstance(step, NormStep):
        return "statistics"
    if isinstance(step, ConvolutionStep) and step.winograd:
        return "winograd"
    if isinstance(step, ConvolutionStep) and step.matrix:
        return "matrix"
    if isinstance(step, WindowStep) and not step.window.inside:
        return "windows"
    return "blocks"
