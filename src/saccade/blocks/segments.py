"""Steps that can run batch of cells by batch of cells, without waiting for each other's neighbours."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch

from saccade.blocks.canvas import Canvas
from saccade.blocks.grid import Level
from saccade.blocks.steps import Step, WindowStep

BATCH_BYTES = 8 << 20
"""Memory of the largest tensor of a batch: what a processor's last cache holds with room to spare."""

LEAST_BATCH = 8
"""Fewer cells than this at a time would not keep the cores busy."""

ACCELERATOR_BATCH = 1 << 14
"""An accelerator wants all the work at once."""


@dataclass(eq=False)
class Segment:
    """Consecutive steps between canvases.

    Attributes:
        steps: In order.
        level: Whose cells they run on; None for steps on whole values.
        batch: Cells at a time.
        carried: Results without a canvas that later segments read.
        last_reads: For each step, values that are not read after it within the segment.
    """

    steps: list[Step]
    level: Level | None
    batch: int = 0
    carried: set[str] = field(default_factory=set)
    last_reads: dict[str, list[str]] = field(default_factory=dict)


def cut(
    steps: list[Step], canvases: dict[str, Canvas], device: torch.device, starts: frozenset[str] = frozenset()
) -> list[Segment]:
    """Cut a list of steps where one looks beyond its block at what another just computed.

    Args:
        steps: In order.
        canvases: By the name of the step whose result they keep.
        device: Where they run.
        starts: Names of steps that begin a segment in any case.
    """
    segments: list[Segment] = []
    for step in steps:
        level = step.spatial.level if step.spatial else None
        last = segments[-1] if segments else None
        here = {s.name for s in last.steps} if last else set()
        fits = (
            last is not None
            and step.name not in starts
            and (level is None) == (last.level is None)
            and (level is None or last.level is None or level.owners == last.level.owners)
            and not here & set(step.from_canvas)
        )
        if fits and last is not None:
            last.steps.append(step)
        else:
            segments.append(Segment([step], level))
    home = {step.name: segment for segment in segments for step in segment.steps}
    for segment in segments:
        segment.batch = batch_size(segment) if device.type == "cpu" else ACCELERATOR_BATCH
        for step in segment.steps:
            for name in step.reads:
                if home[name] is not segment and name not in canvases and home[name].level is not None:
                    home[name].carried.add(name)
            for name in step.reads:
                if home[name].level is not None:
                    segment.last_reads = {
                        k: [n for n in v if n != name] for k, v in segment.last_reads.items()
                    }
                    segment.last_reads.setdefault(step.name, []).append(name)
    align_batches(segments)
    return segments


def batch_size(segment: Segment) -> int:
    """Cells at a time, so that the largest tensor of a batch fits the cache."""
    if segment.level is None:
        return 0
    largest = 1
    for step in segment.steps:
        if step.spatial is None or len(step.shape) < 2:
            continue
        cell = math.prod(step.spatial.level.cell)
        largest = max(largest, 4 * cell * math.prod(step.shape) // math.prod(step.spatial.level.size))
        if isinstance(step, WindowStep):
            largest = max(largest, 4 * math.prod(step.window.size) * step.channels_read)
    power = (max(LEAST_BATCH, BATCH_BYTES // largest)).bit_length() - 1
    return 1 << min(power, 7)


def align_batches(segments: list[Segment]) -> None:
    """Segments between which values are carried use the same batches."""
    home = {step.name: segment for segment in segments for step in segment.steps}
    changed = True
    while changed:
        changed = False
        for segment in segments:
            for step in segment.steps:
                for name in step.reads:
                    source = home[name]
                    if name in source.carried and source.batch != segment.batch and segment.level is not None:
                        source.batch = segment.batch = min(source.batch, segment.batch)
                        changed = True
