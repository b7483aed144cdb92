"""What is fastest on this machine: measured once per network and machine, and kept on disk."""

from __future__ import annotations

import hashlib
import json
import math
import os
import platform
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from saccade.actions import FULL
from saccade.blocks.grid import Selection
from saccade.blocks.kernels.build import cache_folder
from saccade.blocks.options import EngineOptions
from saccade.blocks.segments import LEAST_BATCH
from saccade.blocks.steps import ConvolutionStep, Run
from saccade.version import VERSION

if TYPE_CHECKING:
    from saccade.blocks.network import BlockNetwork
    from saccade.blocks.resolution import Resolution

DENSE_ABOVE = 0.95
"""Without measurement: from this share of the blocks on, a dense frame is about as fast."""

SMALL_CELL = 64
"""On a CPU, cells of more pixels than this make efficient windows; they are not measured."""

MARGIN = 1.15
"""An alternative must be faster by this factor, so that noise does not choose it."""

LAYER_ROUNDS = 4
"""How often each way to run a layer is timed; the shortest time counts."""

STEPS_OF_SHARE = 32
"""Shares are rounded down to this many steps, so that noise rarely changes them."""


@dataclass(frozen=True)
class Tuning:
    """Choices for one network on one machine.

    Attributes:
        dense_above: Share of the blocks above which a dense frame is faster.
        matrix: Convolutions whose windows are turned into a matrix product.
        map_from: Convolutions that run on the whole map from this number of executed cells on.
        winograd: Convolutions that run by Winograd's algorithm.
        measured: These were measured on this machine, not assumed.
    """

    dense_above: float = DENSE_ABOVE
    matrix: tuple[str, ...] = ()
    map_from: dict[str, int] = field(default_factory=dict)
    winograd: tuple[str, ...] = ()
    measured: bool = False


def tuned(network: BlockNetwork, example: Tensor) -> Tuning:
    """The choices for a network: from disk, or measured now (about six dense frames) and kept.

    Set the environment variable ``SACCADE_AUTOTUNE=0`` to do without: then nothing depends on time.

    Args:
        network: Freshly converted; it has forgotten the measurement afterwards.
        example: ``(N, C, H, W)`` frames of the size, type and device that it is used with.
    """
    return kept(network.full, network.options, example, lambda: measure(network, example[:1]))


def tuned_half(half: Resolution, options: EngineOptions, example: Tensor) -> Tuning:
    """The same for the layers at half resolution; which frames are dense is the whole network's.

    Args:
        half: Freshly made; its canvases are empty afterwards.
        options: That the network was converted with.
        example: ``(N, C, h, w)`` frames of half the size.
    """

    def measured() -> Tuning:
        for name, canvas in half.canvases.items():
            canvas.prepare(1, half.captured.operations[name].value)
        found = measure_layers(half, options, example[:1])
        for canvas in half.canvases.values():
            canvas.restore(None)
        return found

    return kept(half, options, example, measured)


def kept(
    steps: Resolution, options: EngineOptions, example: Tensor, measured: Callable[[], Tuning]
) -> Tuning:
    """What is on disk, or what is measured now, and put there."""
    if os.environ.get("SACCADE_AUTOTUNE") == "0":
        return Tuning()
    if (found := stored(steps, options, example)) is not None:
        return found
    path = tuning_file(steps, options, example)
    with torch.no_grad():
        tuning = replace(measured(), measured=True)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(f".{os.getpid()}")
        unfinished.write_text(json.dumps(asdict(tuning), indent=1))
        unfinished.replace(path)
    except OSError:
        pass  # a read-only home only means measuring again
    return tuning


def stored(steps: Resolution, options: EngineOptions, example: Tensor) -> Tuning | None:
    """The choices for a network from disk; None where they have not been measured (or are not wanted)."""
    if os.environ.get("SACCADE_AUTOTUNE") == "0":
        return None
    try:
        found = json.loads(tuning_file(steps, options, example).read_text())
        return Tuning(
            found["dense_above"],
            tuple(found["matrix"]),
            found["map_from"],
            tuple(found["winograd"]),
            measured=True,
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def tuning_file(steps: Resolution, options: EngineOptions, example: Tensor) -> Path:
    """Where the choices for a network are kept; in no folder of the user's where there is none."""
    try:
        folder = cache_folder().parent
    except RuntimeError:
        folder = Path(tempfile.gettempdir()) / "saccade"
    return folder / "tuning" / f"{fingerprint(steps, options, example)}.json"


def fingerprint(network: Resolution, options: EngineOptions, example: Tensor) -> str:
    """A name for a network on a machine: changes when a measurement would."""
    device = example.device
    machine = (
        torch.cuda.get_device_name(device)
        if device.type == "cuda"
        else f"{processor()} {torch.get_num_threads()}"
    )
    steps = [
        (
            s.name,
            s.shape,
            tuple(s.convolution.weight.shape) if isinstance(s, ConvolutionStep) else type(s).__name__,
        )
        for s in network.steps
    ]
    what = (VERSION, torch.__version__, machine, str(example.dtype), tuple(example.shape[1:]))
    text = repr((what, network.grid, options, steps))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def processor() -> str:
    """Name of the processor."""
    try:
        with Path("/proc/cpuinfo").open() as lines:
            return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def measure(network: BlockNetwork, frames: Tensor) -> Tuning:
    """Time the alternatives with one stream.

    Args:
        network: Left as if it had seen no frame.
        frames: ``(1, C, H, W)``.
    """
    everything = torch.full((1, *network.grid.shape), FULL, dtype=torch.int8)
    network.step(frames, everything)
    total = everything.numel()
    if total < 2:
        network.forget()
        return Tuning()
    layers = measure_layers(network.full, network.options, frames)
    network.use(replace(layers, dense_above=1.0))
    half = torch.zeros_like(everything).view(-1)
    half[::2] = FULL
    half = half.view_as(everything)
    share = float((half == FULL).float().mean())
    dense, blocks = math.inf, math.inf
    for _ in range(3):  # in turns, so that a machine busy for a while slows both
        dense = min(dense, seconds(lambda: network.step(frames, everything), frames))
        blocks = min(blocks, seconds(lambda: network.step(frames, half), frames))
    network.forget()
    even = math.floor(share * dense / blocks * STEPS_OF_SHARE) / STEPS_OF_SHARE
    return replace(layers, dense_above=min(1.0, max(1 / STEPS_OF_SHARE, even)))


def measure_layers(network: Resolution, options: EngineOptions, frames: Tensor) -> Tuning:
    """How to run each convolution; layers that are alike are measured once."""
    winograd: list[str] = []
    matrix: list[str] = []
    map_from: dict[str, int] = {}
    on_cpu = frames.device.type == "cpu"
    known: dict[object, tuple[bool, bool, int | None]] = {}
    for segment in network.segments:
        for step in segment.steps:
            if not isinstance(step, ConvolutionStep) or step.window.inside or step.spatial is None:
                continue
            if network.spatial[step.source] is None:
                continue
            level, kernel = step.spatial.level, step.convolution
            total = math.prod(level.cells)
            small = total >= LEAST_BATCH and not (on_cpu and math.prod(level.cell) > SMALL_CELL)
            may_be_winograd = options.winograd and step.can_be_winograd
            if not small and not may_be_winograd:
                continue
            geometry = kernel.weight.shape, kernel.stride, kernel.dilation, kernel.groups
            like = (level, segment.batch, geometry, step.other is None, kernel.activation is None)
            if like not in known:
                work = one_batch(network, step, frames, min(segment.batch, total))
                known[like] = measure_layer(
                    step, frames, work, min(segment.batch, total), small=small, winograd=may_be_winograd
                )
            by_winograd, by_matrix, cells = known[like]
            if by_winograd:
                winograd.append(step.name)
            if by_matrix:
                matrix.append(step.name)
            if cells is not None:
                map_from[step.name] = cells
    return Tuning(matrix=tuple(matrix), map_from=map_from, winograd=tuple(winograd))


def measure_layer(
    step: ConvolutionStep,
    frames: Tensor,
    work: Callable[[], object],
    batch: int,
    *,
    small: bool,
    winograd: bool,
) -> tuple[bool, bool, int | None]:
    """How to run a convolution: by Winograd's algorithm, as a matrix, from how many cells on the whole map.

    Args:
        step: The convolution, set to run on windows; so it is left.
        frames: ``(1, C, H, W)``.
        work: Runs it on a batch of cells.
        batch: Cells at a time.
        small: Cells are small enough for the alternatives that make windows efficient.
        winograd: It may run by Winograd's algorithm.
    """
    assert step.spatial is not None

    def run(*, winograd: bool = False, matrix: bool = False, map_from: int | None = None) -> float:
        before = step.winograd, step.matrix, step.map_from
        step.winograd, step.matrix, step.map_from = winograd, matrix, map_from
        duration = seconds(work, frames)
        step.winograd, step.matrix, step.map_from = before
        return duration

    ways: dict[str, Callable[[], float]] = {"windows": run}
    if winograd:
        ways["winograd"] = partial(run, winograd=True)
    if small and step.can_be_matrix:
        ways["matrix"] = partial(run, matrix=True)
    if small:
        ways["map"] = partial(run, map_from=0)
    for way in ways.values():
        way()
    # In turns, so that a machine busy for a while slows all.
    times = [{name: way() for name, way in ways.items()} for _ in range(LAYER_ROUNDS)]
    least = {name: min(t[name] for t in times) for name in ways}
    best = min((name for name in ways if name != "map"), key=least.__getitem__)
    if least[best] * MARGIN >= least["windows"]:
        best = "windows"
    cells = math.ceil(MARGIN * least["map"] / (least[best] / batch)) if small else math.inf
    from_cells = int(cells) if cells < math.prod(step.spatial.level.cells) else None
    return best == "winograd", best == "matrix", from_cells


def one_batch(network: Resolution, step: ConvolutionStep, frames: Tensor, batch: int) -> Callable[[], object]:
    """One convolution on a batch of cells, to be timed."""
    assert step.spatial is not None
    everything = torch.ones((1, *network.grid.shape), dtype=torch.bool).numpy()
    selection = Selection(network.grid, everything, frames.device)
    cells = selection.chunks(step.spatial.level, batch)[0]
    shape = (len(cells), step.shape[1], *step.spatial.level.cell)
    other = torch.zeros(shape, dtype=frames.dtype, device=frames.device)
    other = other.contiguous(memory_format=torch.channels_last)

    def once() -> None:
        run = Run(network.spatial, network.canvases, selection, 1)
        run.start_batch(0, cells)
        if step.other:
            run.values[step.other] = other
        step.on_blocks(run)

    return once


def seconds(work: Callable[[], object], frames: Tensor) -> float:
    """Duration of one call, until the device has finished."""
    if frames.device.type == "cuda":
        torch.cuda.synchronize(frames.device)
    start = time.perf_counter()
    work()
    if frames.device.type == "cuda":
        torch.cuda.synchronize(frames.device)
    return time.perf_counter() - start
