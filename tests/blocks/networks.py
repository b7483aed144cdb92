"""Small networks that are converted, and what tests do with them."""

from __future__ import annotations

import functools
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import nn

from saccade.blocks import FULL, KEEP, convert
from saccade.blocks.tuning import Tuning

from .reference import BLOCKS_ONLY, convert_with_reference

SIZE, BLOCK, GRID = (40, 56), 16, (3, 4)
"""Blocks at the bottom and at the right are cut off."""


class Small(nn.Module):
    """Features at half size, gates of the whole map, a coarser branch; classes in full size."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU())
        self.near, self.coarse = nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, 8, 3, 2, 1)
        self.gate = nn.Conv2d(8, 8, 1)
        self.head = nn.Conv2d(16, 5, 1)

    def forward(self, x):
        x = self.stem(x)
        x = torch.relu(x + self.near(x))
        x = x * self.gate(F.adaptive_avg_pool2d(x, 1)).sigmoid()
        coarse = F.interpolate(self.coarse(x), size=x.shape[2:], mode="bilinear", align_corners=False)
        return F.interpolate(self.head(torch.cat((x, coarse), 1)), scale_factor=2.0, mode="bilinear")


class Local(nn.Module):
    """Nothing that looks at the whole map."""

    def __init__(self):
        super().__init__()
        self.stem, self.near = nn.Conv2d(3, 8, 3, 2, 1), nn.Conv2d(8, 8, 3, padding=1)

    def forward(self, x):
        x = F.leaky_relu(self.stem(x))
        x = F.max_pool2d(x + self.near(x), 3, 1, 1)
        return F.interpolate(x, scale_factor=2.0, mode="bilinear")


class Pair(Small):
    """A map, and a vector of the whole map."""

    def forward(self, x):
        x = super().forward(x)
        return x, x.mean((2, 3))


class Corners(nn.Sequential):
    """Enlarged by a factor that is not whole, which blocks do with matrices."""

    def __init__(self):
        super().__init__(nn.Conv2d(3, 4, 3, padding=1), nn.UpsamplingBilinear2d((65, 91)))


class Statistics(nn.Sequential):
    """A norm by the whole map, which makes all of it what one pixel of it is: not a number."""

    def __init__(self):
        super().__init__(nn.Conv2d(3, 8, 3, padding=1), nn.GroupNorm(2, 8), nn.Conv2d(8, 4, 3, padding=1))


class Gives(nn.Module):
    """Features, and a function of them and the frames."""

    def __init__(self, function):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.function = function

    def forward(self, frames):
        return self.function(frames, self.stem(frames))


def made(make):
    """A module with the same weights each time."""
    torch.manual_seed(0)
    return make().eval()


def converted(module, options=BLOCKS_ONLY):
    return convert(module, torch.zeros(1, 3, *SIZE), BLOCK, options=options)


@functools.cache
def case(make):
    """A module, converted once for all tests, and the reference for it."""
    module = made(make)
    return module, *convert_with_reference(module, torch.zeros(1, 3, *SIZE), BLOCK)


def start(make, dense_above=2.0):
    """A module, its network and its reference, before the first frame."""
    module, network, reference = case(make)
    network.forget()
    network.options = replace(network.options, dense_above=dense_above)
    network.use(Tuning())
    reference.streams.clear()
    return module, network, reference


def nothing(streams=1):
    return torch.full((streams, *GRID), KEEP, dtype=torch.int8)


def everything(streams=1):
    return torch.full((streams, *GRID), FULL, dtype=torch.int8)


def pixels(actions):
    """``(N, 1, H, W)`` bool: the pixels of executed blocks."""
    wide = (actions != KEEP).repeat_interleave(BLOCK, 1).repeat_interleave(BLOCK, 2)
    return wide[:, None, : SIZE[0], : SIZE[1]]
