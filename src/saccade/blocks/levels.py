"""Frames of which some blocks are executed at full and some at half resolution."""

from __future__ import annotations

import math
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from saccade.blocks.cost import BlockCost, CostTable, MacCounter, StepMacs
from saccade.blocks.grid import Level, Selection
from saccade.blocks.halo import halo_of
from saccade.blocks.options import EngineOptions
from saccade.blocks.pair import Pair, fitted
from saccade.blocks.resolution import Resolution, run_segment
from saccade.blocks.segments import Segment
from saccade.blocks.steps import PixelStep, Run, Step, WholeMap, WindowStep


class FullRun(Run):
    """The values of a frame at full resolution, where some blocks are executed at half.

    Args:
        levels: The network.
        selection: What is executed at full resolution.
        low: What is executed at half resolution.
    """

    def __init__(self, levels: Levels, selection: Selection, low: Selection) -> None:
        super().__init__(levels.full.spatial, levels.full.canvases, selection, len(selection.active))
        self.levels = levels
        self.pairs = levels.pairs
        self.full = selection
        self.low = low
        self.active = sorted({*selection.streams, *low.streams})

    def covered(self, level: Level) -> Tensor:
        return super().covered(level) | self.low.covered(level)

    def write(self, name: str, value: Any) -> None:
        if name in self.pairs:
            self.pairs[name].write(self.streams, self.cells, value)


class HalfRun(Run):
    """The values of a frame at half resolution, beside those at full resolution.

    Args:
        levels: The network.
        full: The values at full resolution. Whole values and whole maps are taken from there.
    """

    def __init__(self, levels: Levels, full: FullRun) -> None:
        super().__init__(levels.half.spatial, levels.half.canvases, full.low, full.streams)
        self.pairs = levels.pairs
        self.full = full
        self.sizes = levels.sizes
        self.recording, self.careful = full.recording, full.careful

    @property
    def of_maps(self) -> Run:
        return self.full

    def write(self, name: str, value: Any) -> None:
        if name in self.pairs:
            self.pairs[name].write_half(self.streams, self.cells, value)

    def whole(self, name: str) -> list[Any]:
        return self.full.whole(name)

    def batch(self, name: str) -> Tensor:
        return self.full.batch(name)

    def pixels(self, name: str, dims: tuple[int, ...], size: tuple[int, int] | None = None) -> Tensor:
        if name in self.canvases:
            return super().pixels(name, dims, size)
        there, here = self.sizes[name]
        pixels = self.full.pixels(name, dims, there)
        return pixels if there == here else self.once(("halved", name), lambda: fitted(pixels, here))


class Levels:
    """A network at two resolutions.

    Args:
        full: At full resolution.
        half: At half resolution, from ``half.halve``; every canvas of it is one of ``full``, too.
        macs: Of the steps at full resolution, by name.
        options: That the network was converted with.

    Attributes:
        pairs: Canvases of ``full`` with their partners, by name.
        segments: Steps at full resolution, and the same at half resolution, in batches.
        sizes: Height and width of whole values that are read as maps: in the full network, and in the half.
        costs, low_costs: MACs of the steps at full, and at half resolution.
        current: The partners show what the canvases show.
    """

    def __init__(
        self, full: Resolution, half: Resolution, macs: dict[str, StepMacs], options: EngineOptions
    ) -> None:
        self.full = full
        self.half = half
        self.options = options
        self.pairs: dict[str, Pair] = {}
        for name, canvas in full.canvases.items():
            spatial = half.spatial[name]
            assert spatial is not None
            rim = rim_of(name, full, half)
            self.pairs[name] = Pair(canvas, spatial.level, half.canvases.get(name), rim)
        starts = {s.steps[0].name for r in (full, half) for s in r.segments}
        self.segments = list(zip(full.cut(starts), half.cut(starts), strict=True))
        self.sizes: dict[str, tuple[tuple[int, int], tuple[int, int]]] = {}
        for one, other in zip(full.steps, half.steps, strict=True):
            self.sizes.update(sizes_of_maps(one, other, full, half))
        counter = MacCounter(half.captured)
        low_macs = {step.name: counter.count(step) for step in half.steps}
        self.costs = CostTable([s for s, _ in self.segments], macs)
        self.low_costs = CostTable([s for _, s in self.segments], low_macs)
        self.current = False

    def select(self, full: Any, low: Any, frames: Tensor) -> tuple[Selection, Selection]:
        """What is executed at full, and at half resolution.

        Args:
            full, low: ``(N, GH, GW)`` bool; at most one of them is True.
            frames: On the device of the maps.
        """
        filled, device = self.options.fill_batches, frames.device
        selection = Selection(self.full.grid, full, device, filled=filled)
        return selection, Selection(self.half.grid, low, device, beside=selection, filled=filled)

    def execute(self, frames: Tensor, run: FullRun) -> None:
        """Run all steps at both resolutions.

        Args:
            frames: ``(N, C, H, W)``, which the steps at full resolution have.
            run: Takes the values.
        """
        if not self.current:
            for pair in self.pairs.values():
                pair.refresh()
        self.current = True
        half_run, low = HalfRun(self, run), run.low
        self.half.look_at(F.avg_pool2d(frames, 2, ceil_mode=True))
        for segment, partner in self.segments:
            run_segment(segment, run, run.full)
            if partner.level is None:
                continue
            run_segment(partner, half_run, low)
            run.careful = half_run.careful = run.careful or half_run.careful
            for pair in self._given_back(partner):
                for cells in low.chunks(partner.level, partner.batch):
                    pair.enlarge(cells, alone=self.options.bilinear == "per_block")
        for _, partner in self.segments:
            for pair in self._given_back(partner):
                for cells in low.chunks(pair.level, partner.batch):
                    pair.settle(cells)

    def cost(self, full: Selection, low: Selection) -> BlockCost:
        """MACs of executing what ``select`` has selected."""
        costs = self.costs
        blocks, low_blocks = costs.of_cells(full), self.low_costs.of_cells(low)
        block, halo = (a + b for a, b in zip(blocks, low_blocks, strict=True))
        whole = costs.whole * len({*full.streams, *low.streams})
        return BlockCost(block + whole, halo, costs.frame * len(full.active), block, whole)

    @property
    def canvas_bytes(self) -> int:
        """Memory of the partners for one stream."""
        values = self.half.captured.operations
        return sum(
            canvas.level.size[0] * canvas.level.size[1] * canvas.payload * values[name].value.dtype.itemsize
            for name, canvas in self.half.canvases.items()
        )

    def _given_back(self, segment: Segment) -> list[Pair]:
        """Values of a segment that the network gives back, and that can be enlarged."""
        return [
            self.pairs[step.name]
            for step in segment.steps
            if step.name in self.full.outputs and step.name in self.pairs
        ]


def rim_of(name: str, full: Resolution, half: Resolution) -> int | None:
    """How many pixels, of half resolution, windows of neighbours reach into a cell of a value.

    Args:
        name: The value; it has a canvas.
        full, half: The steps at both resolutions.

    Returns:
        None where the whole map is read, or given back, or cells are not the shares of single blocks.
    """
    if name in full.outputs:
        return None
    reach = []
    for resolution, pixels in ((full, 0.5), (half, 1.0)):
        source = resolution.spatial[name]
        assert source is not None
        for step in resolution.steps:
            if name not in step.reads:
                continue
            if step.spatial is None or not (step.spatial.level.one_to_one and source.level.one_to_one):
                return None
            if name not in step.from_canvas:
                continue
            if not isinstance(step, WindowStep):
                return None
            reach += [math.ceil(pixels * far) for far in halo_of(step, source.level.size)]
    return max(reach, default=0)


def sizes_of_maps(
    one: Step, other: Step, full: Resolution, half: Resolution
) -> dict[str, tuple[tuple[int, int], tuple[int, int]]]:
    """Whole values that a step at half resolution reads as maps of pixels, with their sizes at both.

    Args:
        one, other: The step at full, and at half resolution.
        full, half: What they belong to.
    """
    if isinstance(other, WindowStep) and half.spatial[other.source] is None:
        there, here = (r.captured.operations[other.source].shape for r in (full, half))
        return {other.source: ((there[2], there[3]), (here[2], here[3]))}
    if isinstance(other, PixelStep) and one.spatial is not None and other.spatial is not None:
        sizes = one.spatial.level.size, other.spatial.level.size
        return {a.name: sizes for a in maps_in(other.args)}
    return {}


def maps_in(value: Any) -> list[WholeMap]:
    """Whole values with a value per pixel, anywhere in an argument."""
    if isinstance(value, (list, tuple)):
        return [found for v in value for found in maps_in(v)]
    return [value] if isinstance(value, WholeMap) else []
