"""Which blocks of an image get full resolution; the others get half. Nothing is known of other frames.

T. Verelst, T. Tuytelaars: SegBlocks: Block-Based Dynamic Resolution Networks for Real-Time Segmentation,
TPAMI 2023. Its simple policies, as ranks (the highest are taken, up to the budget), and as in its code.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from saccade.policies.base import block_means
from saccade.policies.sampling import promote

REDUCTION = 4
"""Detail is what is lost when an image is reduced by this factor."""

SHARE = 1 / 16
"""The original's number of blocks is a multiple of this share of all."""


def detail(frames: Tensor, grid: tuple[int, int], block_size: int) -> Tensor:
    """How much of each block is lost at a quarter of the resolution: ``heuristic``.

    Args:
        frames: ``(N, 3, H, W)`` normalised frames.
        grid: Rows and columns of blocks.
        block_size: Side of a block in pixels.

    Returns:
        ``(N, GH, GW)``, >= 0: mean over the block's pixels of the absolute difference, summed over colours.
    """
    height, width = frames.shape[2:]
    small = F.avg_pool2d(frames.float(), REDUCTION, ceil_mode=True)
    large = small.repeat_interleave(REDUCTION, 2).repeat_interleave(REDUCTION, 3)[:, :, :height, :width]
    lost = (frames - large).abs().sum(1, keepdim=True)
    return block_means(lost, grid, (height, width), block_size)[:, 0]


def blurred(frames: Tensor) -> Tensor:
    """What half resolution sees of frames ``(N, 3, H, W)``, in their size: the mean of each 2x2 pixels."""
    small = F.avg_pool2d(frames, 2, ceil_mode=True)
    return small.repeat_interleave(2, 2).repeat_interleave(2, 3)[:, :, : frames.shape[2], : frames.shape[3]]


def nearness(grid: tuple[int, int], height: int, block_size: int) -> Tensor:
    """How near blocks are to a frame's middle row, ``(GH, GW)``: from 0 at the border to 1: ``middle``."""
    top = torch.arange(grid[0]) * block_size
    centre = (top + (top + block_size).clamp_max(height)) / 2
    return (1 - (2 * centre / height - 1).abs())[:, None].expand(grid)


def small_frames(frames: Tensor, grid: tuple[int, int], block_size: int, pixels: int) -> Tensor:
    """Frames as the trained policy sees them: the nearest pixels, cut-off blocks continued.

    Args:
        frames: ``(N, 3, H, W)``.
        grid: Rows and columns of blocks.
        block_size: Side of a block in pixels.
        pixels: The same in the result.

    Returns:
        ``(N, 3, GH * pixels, GW * pixels)``.
    """
    height, width = frames.shape[2:]
    missing = grid[0] * block_size - height, grid[1] * block_size - width
    whole = F.pad(frames, (0, missing[1], 0, missing[0]), mode="replicate") if any(missing) else frames
    return F.interpolate(whole, size=[side * pixels for side in grid], mode="nearest")


def as_original(chosen: Tensor, generator: torch.Generator) -> Tensor:
    """More blocks at random, up to a multiple of a sixteenth of all, ``(N, GH, GW)`` bool."""
    return promote(chosen, SHARE, torch.rand(chosen.shape, generator=generator))
