"""A slow engine to compare with: every operation densely, stream by stream, merged where blocks are active.

It shares the captured list of operations with the engine, and is told which values have rows and columns.
Which pixels belong to a block it works out by itself, pixel by pixel, from the definition: the pixels of a
map are a power of two wide, if such a stride gives the map's size, or else the ratio of the sizes; a map is
cut into cells of the rounded share of a block; a cell belongs to the block that its middle lies in and to the
blocks whose middles lie in it.
"""

from __future__ import annotations

import copy
import functools

import torch

from saccade.blocks import BlockNetwork, EngineOptions
from saccade.blocks.build import build
from saccade.blocks.capture import Ref, capture, frame_input
from saccade.blocks.grid import Grid

BLOCKS_ONLY = EngineOptions(dense_above=2.0)


def convert_with_reference(module, example, block, options=BLOCKS_ONLY):
    """An engine that always runs on blocks, and the reference for it."""
    captured = capture(module, example)
    reference = Reference(captured, tuple(example.shape[2:]), block)
    grid = Grid(*example.shape[2:], block)
    steps = build(captured, grid, options)
    reference.places = {
        step.name: (step.spatial.dims, step.spatial.level.size) for step in steps if step.spatial is not None
    }
    return BlockNetwork(captured, steps, grid, options), reference


class Reference:
    """Dense canvases of every value.

    Attributes:
        places: Dimensions of rows and columns, and their sizes, of the values that have blocks.
    """

    def __init__(self, captured, image, block):
        # Building merges some operations into others, by giving these new arguments.
        self.operations = [copy.copy(o) for o in captured.operations.values()]
        self.outputs = list(captured.outputs)
        self.image = image
        self.block = block
        self.places = {}
        self.streams = []

    def step(self, frames, active):
        """Outputs, flattened, each of all streams.

        Args:
            frames: ``(N, C, H, W)``.
            active: ``(N, GH, GW)`` bool.
        """
        while len(self.streams) < len(frames):
            self.streams.append({})
        del self.streams[len(frames) :]
        for canvases, frame, blocks in zip(self.streams, frames, active, strict=True):
            whole = not canvases
            if whole or bool(blocks.any()):
                self.run(canvases, frame[None], torch.ones_like(blocks) if whole else blocks)
        return [
            torch.cat([s[o.name] for s in self.streams]) if isinstance(o, Ref) else o for o in self.outputs
        ]

    def run(self, canvases, frame, blocks):
        """One stream's frame: every operation on canvases as they are, in order."""

        def look(value):
            if isinstance(value, Ref):
                return canvases[value.name]
            if isinstance(value, (list, tuple)):
                return [look(v) for v in value]
            return value

        for operation in self.operations:
            if operation.target is frame_input:
                result = frame.clone()
            else:
                kwargs = {key: look(v) for key, v in operation.kwargs.items()}
                result = operation.target(*map(look, operation.args), **kwargs)
            before = canvases.get(operation.name)
            if before is not None and operation.name in self.places:
                mask = self.mask(*self.places[operation.name], blocks)
                result = merge(result, before, mask, self.places[operation.name][0])
            canvases[operation.name] = result

    def mask(self, dims, size, blocks):
        """``size`` bool: the pixels of a map that active blocks own."""
        rows, columns = (
            torch.tensor(membership(length, image, self.block), dtype=torch.float64)
            for length, image in zip(size, self.image, strict=True)
        )
        return rows @ blocks.double() @ columns.T > 0


@functools.cache
def membership(size, image, block):
    """``(size, blocks)``: does the row (or column) belong to the block?"""
    count = -(-image // block)
    return [[number in found for number in range(count)] for found in owners(size, image, block)]


def owners(size, image, block):
    """For each row (or column) of a map of ``size`` pixels, the blocks that it belongs to."""
    strides = [2.0**k for k in range(-8, 16) if size in (image // 2.0**k, -(-image // 2.0**k))]
    pixel = min(strides, key=lambda s: max(s * size / image, image / s / size), default=image / size)
    cell = max(1, round(block / pixel))
    blocks = [(start, min(start + block, image)) for start in range(0, image, block)]
    result = []
    for index in range(size):
        first = index // cell * cell
        begin = first * pixel
        end = (first + cell) * pixel if first + cell < size else image
        result.append(
            [
                number
                for number, (start, stop) in enumerate(blocks)
                if begin <= (start + stop) / 2 < end or start <= (begin + end) / 2 < stop
            ]
        )
    return result


def merge(new, old, mask, dims):
    """New values where the mask says so."""
    if isinstance(new, (list, tuple)):
        return [merge(n, o, mask, dims) for n, o in zip(new, old, strict=True)]
    if len(dims) == 1:
        mask = mask.flatten()
    elif dims[0] > dims[1]:
        mask, dims = mask.T, dims[::-1]
    shape = [1] * new.ndim
    for dim, length in zip(dims, mask.shape, strict=True):
        shape[dim] = length
    return torch.where(mask.view(shape), new, old)


def random_actions(generator, streams, grid, share=0.4):
    """``(N, GH, GW)`` int8, each block executed with this probability."""
    return (torch.rand(streams, *grid, generator=generator) < share).to(torch.int8) * 2


def assert_near(actual, expected, tolerance=1e-5):
    """Equal, relative to the largest value."""
    assert actual.shape == expected.shape
    assert actual.dtype == expected.dtype
    error = (actual - expected).abs().max().item()
    assert error <= tolerance * max(1.0, expected.abs().max().item()), f"differs by {error:.2e}"
