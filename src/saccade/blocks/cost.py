"""Multiply-accumulate operations (MACs) of the steps: of a whole frame, and of the cells that were executed.

Counted as ``torch.utils.flop_counter`` counts, 1 MAC = 2 FLOPs: convolutions, transposed convolutions, matrix
products and attention. Pixelwise operations, pooling, resizing and biases count as zero.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
import torch.utils._pytree as pytree
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from saccade.blocks.capture import Captured, Operation, Ref, frame_input
from saccade.blocks.grid import Level, Selection
from saccade.blocks.segments import Segment
from saccade.blocks.steps import ConvolutionStep, ResampleStep, Step, TransposedConvolutionStep


@dataclass(frozen=True)
class BlockCost:
    """MACs of one step of a block network, all streams together.

    Attributes:
        executed: What was done; the sum of ``block`` and ``whole``.
        halo: The part of ``executed`` that dense execution does not do for the same pixels: cells repeated to
            fill a batch, pixels of ragged cells that lie beyond the map, windows of transposed convolutions
            that reach beyond the cell, the matrix products by which blocks are resized, and the cells that
            nobody asked for where a convolution runs on whole maps because that is faster.
        dense: What frame-by-frame execution of the same frames costs.
        block: Operations that run on the executed blocks alone.
        whole: Operations that look at the whole map, for every stream with at least one executed block.
    """

    executed: int = 0
    halo: int = 0
    dense: int = 0
    block: int = 0
    whole: int = 0


@dataclass(frozen=True)
class StepMacs:
    """MACs of one step of the network.

    Attributes:
        frame: Of one whole frame, executed densely.
        cell: Of one cell in a batch of cells; 0 for whole values.
        uncounted: Operations whose cost is not known, which count as zero.
    """

    frame: int
    cell: int
    uncounted: tuple[str, ...] = ()


class MacCounter:
    """Counts the MACs of steps, on tensors that have a shape and no data.

    Args:
        captured: The network that the steps are made from.
    """

    def __init__(self, captured: Captured) -> None:
        self._captured = captured
        self._mode = FakeTensorMode(allow_non_fake_inputs=True)

    def count(self, step: Step) -> StepMacs:
        """MACs of a step."""
        uncounted: list[str] = []
        frame = self._frame(step, uncounted)
        return StepMacs(frame, cell_macs(step, frame), tuple(uncounted))

    def _frame(self, step: Step, uncounted: list[str]) -> int:
        if isinstance(step, ConvolutionStep):  # padding may have become part of it
            return math.prod(step.shape) * math.prod(step.convolution.weight.shape[1:])
        return sum(self._operation(operation, uncounted) for operation in step.operations)

    def _operation(self, operation: Operation, uncounted: list[str]) -> int:
        pointwise = torch.Tag.pointwise in getattr(operation.target, "tags", ())
        if pointwise or operation.target is frame_input:
            return 0
        if getattr(operation.target, "namespace", "aten") not in OWN_NAMESPACES:
            uncounted.append(operation_name(operation.target))
            return 0
        try:
            # Fused attention is not known to the counter on every device; its parts are.
            with self._mode, torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
                args, kwargs = self._shadow((operation.args, operation.kwargs))
                with FlopCounterMode(display=False) as counter:
                    operation.target(*args, **kwargs)
        except Exception:  # needs values, or has no rule for shapes
            uncounted.append(operation_name(operation.target))
            return 0
        return int(counter.get_total_flops()) // 2

    def _shadow(self, arguments: Any) -> Any:
        """Arguments with tensors without data in the places of references."""

        def look(value: Any) -> Any:
            if isinstance(value, Ref):
                return pytree.tree_map(empty, self._captured.operations[value.name].value)
            return value

        def empty(value: Any) -> Any:
            if not isinstance(value, Tensor):
                return value
            return torch.empty_strided(
                value.shape, value.stride(), dtype=value.dtype, device=value.device
            )  # not the value itself: it belongs to the mode of the export

        return pytree.tree_map(look, arguments, is_leaf=lambda v: isinstance(v, Ref))


OWN_NAMESPACES = ("aten", "prim", "prims")
"""Operators of torch itself; what the counter leaves out of these has no MACs."""


def operation_name(target: Callable[..., Any]) -> str:
    """How an operator is called, without the overload: ``aten.conv2d``, ``affine``."""
    packet = getattr(target, "overloadpacket", None)
    return str(packet) if packet is not None else getattr(target, "__name__", str(target))


def cell_macs(step: Step, frame: int) -> int:
    """MACs of one cell as it is executed, from those of the whole map."""
    if step.spatial is None:
        return 0
    if isinstance(step, TransposedConvolutionStep):  # done for every pixel of the window
        return math.prod(step.window.size) * step.options["weight"].numel()
    cell = step.spatial.level.cell
    if isinstance(step, ResampleStep):  # two products with small matrices, where dense execution has none
        (tall, wide), (rows, columns) = step.window.size, cell
        return rows * tall * wide * step.shape[1] + rows * columns * wide * step.shape[1]
    return frame * math.prod(cell) // math.prod(step.spatial.level.size)


class CostTable:
    """What a step of the network costs, by what it executes.

    Args:
        segments: The network's steps, in their batches.
        macs: Of every step, by name.

    Attributes:
        block: MACs of one whole frame that run on blocks.
        whole: Those that look at whole maps.
    """

    def __init__(self, segments: Iterable[Segment], macs: dict[str, StepMacs]) -> None:
        self._parts: dict[tuple[Level, int], list[tuple[Step, StepMacs]]] = {}
        self.whole = 0
        for segment in segments:
            for step in segment.steps:
                if step.spatial is None:
                    self.whole += macs[step.name].frame
                elif macs[step.name].cell:
                    part = self._parts.setdefault((step.spatial.level, segment.batch), [])
                    part.append((step, macs[step.name]))
        self.block = sum(m.frame for part in self._parts.values() for _, m in part)

    @property
    def frame(self) -> int:
        """MACs of one whole frame."""
        return self.block + self.whole

    def of_frames(self, streams: int) -> BlockCost:
        """The cost of executing whole frames densely."""
        block, whole = streams * self.block, streams * self.whole
        return BlockCost(block + whole, 0, block + whole, block, whole)

    def of_blocks(self, selection: Selection) -> BlockCost:
        """The cost of executing these blocks."""
        block, halo = self.of_cells(selection)
        whole = self.whole * len(selection.streams)
        return BlockCost(block + whole, halo, self.frame * len(selection.active), block, whole)

    def of_cells(self, selection: Selection) -> tuple[int, int]:
        """``block`` and ``halo`` of executing these blocks."""
        streams, some = len(selection.active), bool(selection.streams)
        block = halo = 0
        for (level, batch), part in self._parts.items() if some else ():
            cells, batched = selection.count(level), selection.batched(level, batch)
            pixels, area = selection.pixels(level), math.prod(level.size)
            for step, macs in part:
                executed = streams * macs.frame if on_maps(step, cells) else batched * macs.cell
                block += executed
                halo += max(0, executed - macs.frame * pixels // area)
        return block, halo


def on_maps(step: Step, cells: int) -> bool:
    """Does a step run on the whole maps of all streams, because so many of its cells are executed?"""
    return isinstance(step, ConvolutionStep) and step.map_from is not None and cells >= step.map_from
