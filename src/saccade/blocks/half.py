"""The same network at half the resolution: captured again for frames of half the size, and matched."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from saccade.blocks.build import build
from saccade.blocks.capture import Captured, capture
from saccade.blocks.convolution import Convolution
from saccade.blocks.grid import Axis, Grid
from saccade.blocks.options import EngineOptions
from saccade.blocks.resolution import Resolution
from saccade.blocks.steps import ConvolutionStep, Step, WindowStep
from saccade.errors import NetworkError


def halve(
    module: nn.Module, full: Resolution, options: EngineOptions, captured: Captured | None = None
) -> Resolution:
    """A converted network's steps for frames of half the height and width.

    They are the same steps under the same names, on blocks of half the size, with the same weights. Whole
    values are those of the full network: their steps are there, and never run.

    Args:
        module: What was converted.
        full: Its steps.
        options: That it was converted with.
        captured: The module for frames of half the size, if it has been captured already.

    Raises:
        NetworkError: A block cannot be halved in one of the maps, or the network is another one for frames
            of half the size, or its weights are no longer those that were converted.
    """
    refuse_odd_cells(full)
    grid = half_grid(full.grid)
    if captured is None:
        captured = capture(module, half_example(next(iter(full.captured.operations.values())).value))
    where = {o.name: step.spatial for step in full.steps for o in step.operations}
    steps = build(captured, grid, options, where)
    match(full, steps)
    for one, other in zip(full.steps, steps, strict=True):
        if isinstance(one, ConvolutionStep) and isinstance(other, ConvolutionStep):
            share_weights(one, other, captured)
    read = {s.source for s in steps if isinstance(s, WindowStep) and not s.window.inside}
    return Resolution(captured, steps, grid, read | captured.output_names())


def half_grid(grid: Grid) -> Grid:
    """The same blocks in frames of half the height and width."""
    return Grid(-(-grid.height // 2), -(-grid.width // 2), grid.block // 2)


def half_example(frame: Tensor) -> Tensor:
    """A frame of half the size, rounded up, of the same type on the same device."""
    _, channels, height, width = frame.shape
    return torch.zeros(1, channels, -(-height // 2), -(-width // 2), dtype=frame.dtype, device=frame.device)


def refuse_odd_cells(full: Resolution) -> None:
    """Raise an error where a block has an odd number of pixels, and say which block size has not."""
    sides = [(full.grid.block, "the frames")]
    for step in full.steps:
        if step.spatial is not None:
            sides += [(cell, step.operations[0].source) for cell in step.spatial.level.cell]
    odd = next(((cell, name) for cell, name in sides if cell % 2), None)
    if odd is not None:
        unit = even_block(full)
        fits = full.grid.block % unit == 0  # and still there is a map that is no simple fraction of the frame
        help = "use larger frames" if fits else f"convert with a block_size that is a multiple of {unit}"
        raise NetworkError(
            f"blocks of {full.grid.block} pixels are {odd[0]} pixels wide or high in {odd[1]}, which has no "
            f"half: for low resolution {help}"
        )


def even_block(full: Resolution) -> int:
    """Blocks whose sides are multiples of this have a half in every map that is a power of two smaller."""
    levels = {step.spatial.level for step in full.steps if step.spatial is not None}
    pixels = {full.grid.block // cell for level in levels for cell in level.cell}
    return 2 * math.lcm(*(1 << (pixel - 1).bit_length() for pixel in pixels))


def match(full: Resolution, steps: Sequence[Step]) -> None:
    """Raise an error where the steps at half resolution are not those at full resolution."""
    for one, other in zip(full.steps, steps, strict=False):
        targets = [[o.target for o in step.operations] for step in (one, other)]
        if one.name != other.name or targets[0] != targets[1]:
            raise NetworkError(
                f"for frames of half the size this network does something else from "
                f"{one.operations[0].source} on, so that it cannot run at low resolution; frames whose sides "
                f"are multiples of {2 * full.grid.block} pixels may help"
            )
        if not covers(one, other):
            raise NetworkError(uncovered(full, one, other))
    if len(full.steps) != len(steps):
        raise NetworkError(
            "for frames of half the size this network has other operations, so that it cannot run at low "
            f"resolution; frames whose sides are multiples of {2 * full.grid.block} pixels may help"
        )


def covers(one: Step, other: Step) -> bool:
    """Are cells of ``other`` half as wide and high as those of ``one``, and of the same blocks?"""
    if one.spatial is None or other.spatial is None:
        return one.spatial is other.spatial

    def alike(full: Axis, half: Axis) -> bool:
        return full.cell == 2 * half.cell and full.owners == half.owners

    level, half = one.spatial.level, other.spatial.level
    same = one.spatial.dims == other.spatial.dims
    return same and alike(level.rows, half.rows) and alike(level.columns, half.columns)


def uncovered(full: Resolution, one: Step, other: Step) -> str:
    """What is the matter where the blocks of two maps do not cover the same, and what may help."""
    assert one.spatial is not None  # what is whole at full resolution is whole at half
    grid, size = full.grid, one.spatial.level.size
    half = half_grid(grid)
    there = None if other.spatial is None else other.spatial.level.size
    problem = f"{one.operations[0].source} cannot run at low resolution: "
    if there == size:
        return (
            f"{problem}it makes a map of {in_pixels(size)} pixels of frames of {in_pixels(grid)} and of "
            f"{in_pixels(half)}, so that its blocks have no half; where it comes from pooling to that "
            "size, convert the network with levels=2, which executes it as a whole"
        )
    wanted = tuple(-(-side // 2) for side in size)
    found = "no map of blocks" if there is None else f"one of {in_pixels(there)}"
    if there == wanted:
        found += ", in which blocks lie elsewhere"
    ragged = grid.height % grid.block or grid.width % grid.block
    sides = f"frames whose sides are multiples of {grid.block} pixels"
    help = sides if ragged else "larger frames or larger blocks"
    return (
        f"{problem}its map of {in_pixels(size)} pixels should be one of {in_pixels(wanted)} for frames of "
        f"half the size, {in_pixels(half)}, and is {found}; {help} may help"
    )


def in_pixels(size: Grid | Sequence[int]) -> str:
    """Height and width, to be read."""
    height, width = (size.height, size.width) if isinstance(size, Grid) else size
    return f"{height}x{width}"


def share_weights(one: ConvolutionStep, other: ConvolutionStep, captured: Captured) -> None:
    """Let a convolution at half resolution have the weights of the one at full resolution, and its memory."""
    if not same_weights(one.convolution, other.convolution):
        raise NetworkError(
            f"the weights of {one.operations[0].source} are no longer those that were converted; convert the "
            "network again, with levels=2 where it goes on changing"
        )
    other.convolution = one.convolution
    # The operation held the only other reference to weights that batch norm was folded into.
    operation = captured.operations.get(other.operations[0].name, other.operations[0])
    operation.args = (operation.args[0], *one.operations[0].args[1:])


def same_weights(one: Convolution, other: Convolution) -> bool:
    """Do two convolutions compute the same?"""

    def equal(a: Tensor | None, b: Tensor | None) -> bool:
        return a is b if a is None or b is None else a.shape == b.shape and torch.equal(a, b)

    return equal(one.weight, other.weight) and equal(one.bias, other.bias)
