"""The size of blocks where nobody asks for one."""

from __future__ import annotations

BLOCK_SIZES = (128, 64, 32)
"""Blocks to choose from, in pixels. The smallest cannot be halved in maps of stride 32."""

ENOUGH_BLOCKS = 40
"""The largest blocks are chosen of which a frame has so many. Small blocks see more of their surroundings as
they were, and take longer for the same pixels."""

ENOUGH_FOR_BOXES = 120
"""The same of detectors: people are small, and little of a large block would be theirs."""


def suitable_block_size(height: int, width: int, levels: int = 1, *, boxes: bool = False) -> int:
    """Side of a block for frames of this size: 128 at 1024x2048, 64 at 360x480, for boxes 32 there."""
    sizes = BLOCK_SIZES if levels == 1 else BLOCK_SIZES[:-1]
    least = ENOUGH_FOR_BOXES if boxes else ENOUGH_BLOCKS
    enough = (s for s in sizes if -(-height // s) * -(-width // s) >= least)
    return next(enough, sizes[-1])
