"""The slow engine for two levels of resolution: every operation at both, on whole maps, merged by pixels.

Beside each map there is one of half the size, with the means of its 2x2 pixels. In each frame an operation is
computed from whole maps at both resolutions; pixels of full blocks are taken from the one, pixels of low
blocks from the other, each of them for 2x2 pixels. What the network gives back is enlarged bilinearly.
"""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F

from saccade.blocks import FULL, KEEP, LOW, BlockNetwork
from saccade.blocks.build import build
from saccade.blocks.capture import Ref, capture, frame_input
from saccade.blocks.grid import Grid

from .reference import BLOCKS_ONLY, Reference, membership, merge

aten = torch.ops.aten


def convert_with_two_levels(module, example, block, options=BLOCKS_ONLY):
    """An engine that always runs on blocks, and the reference for it."""
    captured = capture(module, example)
    half = capture(module, averaged(example))
    reference = TwoLevels(captured, half, tuple(example.shape[2:]), block)
    grid = Grid(*example.shape[2:], block)
    steps = build(captured, grid, options, half=half)
    reference.places = {
        s.name: (s.spatial.dims, s.spatial.level.size)
        for s in steps
        if s.spatial and len(s.spatial.dims) == 2  # others are flattened, which changes no pixel
    }
    reference.whole = {s.name for s in steps if not s.spatial}
    return BlockNetwork(captured, steps, grid, options, module), reference


def averaged(frames):
    """Means of 2x2 pixels; at the end of an odd side, of what is there."""
    return F.avg_pool2d(frames, 2, ceil_mode=True)


class TwoLevels(Reference):
    """Dense canvases of every value, at full resolution; those at half resolution are made of them.

    Attributes:
        whole: Names of the values that have no blocks.
    """

    def __init__(self, captured, half, image, block):
        super().__init__(captured, image, block)
        self.half_operations = [copy.copy(o) for o in half.operations.values()]
        self.half_shapes = {o.name: o.shape for o in half.operations.values()}
        self.whole = set()

    def step(self, frames, actions):
        """Outputs, flattened, each of all streams.

        Args:
            frames: ``(N, C, H, W)``.
            actions: ``(N, GH, GW)`` int8.
        """
        while len(self.streams) < len(frames):
            self.streams.append({})
        del self.streams[len(frames) :]
        for canvases, frame, wanted in zip(self.streams, frames, actions, strict=True):
            if not canvases:
                wanted = torch.where(wanted == KEEP, FULL, wanted)
            if bool((wanted != KEEP).any()):
                self.run_levels(canvases, frame[None], wanted)
        return [
            torch.cat([s[o.name] for s in self.streams]) if isinstance(o, Ref) else o for o in self.outputs
        ]

    def run_levels(self, canvases, frame, actions):
        """One stream's frame."""
        low = {name: self.shrunk(name, value) for name, value in canvases.items()}
        given_back = {o.name for o in self.outputs if isinstance(o, Ref)}
        for operation, partner in zip(self.operations, self.half_operations, strict=True):
            name = operation.name
            if operation.target is frame_input:
                full, half = frame.clone(), averaged(frame)
            else:
                full = compute(operation, canvases)
                half = None if name in self.whole else self.compute_half(partner, low, canvases)
            if name not in self.places:
                canvases[name], low[name] = full, self.shrunk(name, full) if half is None else half
                continue
            (dims, size), before = self.places[name], canvases.get(name, full)
            is_full, is_low = (self.mask(dims, size, actions == action) for action in (FULL, LOW))
            is_low &= ~is_full
            value = merge(full, before, is_full, dims)
            value = merge(doubled(half, dims, size), value, is_low, dims)
            there = [self.half_mask(half, dims, actions == action) for action in (FULL, LOW)]
            low[name] = merge(half, self.shrunk(name, value), there[1] & ~there[0], dims)
            if name in given_back:
                value = merge(enlarged(low[name], dims, size), value, is_low, dims)
            canvases[name] = value

    def compute_half(self, operation, low, canvases):
        """An operation at half resolution; norms by the statistics of the whole map."""
        if operation.target is aten.group_norm.default:
            x, groups, weight, bias = operation.args[:4]
            there = canvases[x.name].unflatten(1, (groups, -1))
            mean, variance = there.mean((2, 3, 4)), there.var((2, 3, 4), unbiased=False)
            mean, variance = (v[:, :, None, None, None] for v in (mean, variance))
            y = ((low[x.name].unflatten(1, (groups, -1)) - mean) / (variance + 1e-5).sqrt()).flatten(1, 2)
            return y * weight[:, None, None] + bias[:, None, None]
        return compute(operation, low)

    def half_mask(self, half, dims, blocks):
        """The pixels of a map at half resolution that blocks own: half as large, of half the frame."""
        rows, columns = (
            torch.tensor(membership(half.shape[dim], -(-length // 2), self.block // 2), dtype=torch.float64)
            for dim, length in zip(dims, self.image, strict=True)
        )
        return rows @ blocks.double() @ columns.T > 0

    def shrunk(self, name, value):
        """A value as it is read at half resolution: of the shape that it has for frames of half the size."""
        if not isinstance(value, torch.Tensor):
            return value
        for dim, length in enumerate(self.half_shapes[name]):
            if dim and length != value.shape[dim]:
                value = pairs(value, dim, length)
        return value


def compute(operation, values):
    """What an operation makes of the values that it refers to."""

    def look(value):
        if isinstance(value, Ref):
            return values[value.name]
        if isinstance(value, (list, tuple)):
            return [look(v) for v in value]
        return value

    kwargs = {key: look(v) for key, v in operation.kwargs.items()}
    return operation.target(*map(look, operation.args), **kwargs)


def pairs(value, dim, length):
    """Means of two neighbours along a dimension; the last one is repeated where one is missing."""
    last = value.shape[dim] - 1
    one, other = (torch.arange(length).mul(2).add(i).clamp(max=last) for i in (0, 1))
    first = value.index_select(dim, one)
    return (first + value.index_select(dim, other)) / 2 if value.is_floating_point() else first


def doubled(value, dims, size):
    """Each row and column twice; the last one is repeated where one is missing."""
    for dim, length in zip(dims, size, strict=True):
        near = torch.arange(length).div(2, rounding_mode="floor")
        value = value.index_select(dim, near.clamp(max=value.shape[dim] - 1))
    return value


def enlarged(value, dims, size):
    """Bilinearly to twice the size: three quarters of the nearest pixel, one of the next one."""
    if not value.is_floating_point():
        return doubled(value, dims, size)
    for dim, length in zip(dims, size, strict=True):
        near = torch.arange(length).div(2, rounding_mode="floor")
        far = near + torch.tensor([-1, 1]).repeat(length)[:length]
        near, far = (value.index_select(dim, i.clamp(0, value.shape[dim] - 1)) for i in (near, far))
        value = 0.75 * near + 0.25 * far
    return value


def random_levels(generator, streams, grid):
    """``(N, GH, GW)`` int8, keep, low and full in equal shares."""
    return torch.randint(0, 3, (streams, *grid), generator=generator, dtype=torch.int8)
