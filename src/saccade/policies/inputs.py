"""What the network of the online policy sees of a stream."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from saccade.actions import KEEP
from saccade.policies.base import PolicyView

Scores = Literal["probabilities", "logits"]
Resize = Literal["mean", "nearest"]

LARGEST = 1e4
"""Scores beyond this are cut off, so that a network that overflows does not take the policy with it."""


def policy_inputs(
    view: PolicyView,
    pixels: int,
    *,
    scores: Scores = "probabilities",
    resize: Resize = "mean",
    age: bool = True,
) -> Tensor:
    """Maps ``(N, channels, GH * pixels, GW * pixels)`` float32 of the whole frame.

    Channels: frame (3), frame state (3), last scores (K), what was executed last (1), and the age of blocks
    (1). Blocks that are cut off are continued.

    Args:
        view: The streams.
        pixels: Side of a block in these maps.
        scores: As probabilities, or as they are (minus 0.5); of boxes, the second is the probability of one.
        resize: How frames and scores are brought to this size: by the mean of four pixels spread over each
            new one, or by its first.
        age: Whether the age is a channel.
    """
    rows, columns = view.grid
    shown = [-(-side * pixels // view.block_size) for side in view.frames.shape[2:]]
    missing = (0, columns * pixels - shown[1], 0, rows * pixels - shown[0])

    def fit(maps: Tensor) -> Tensor:
        small = _resized(maps, shown, resize).float().contiguous()
        return F.pad(small, missing, mode="replicate") if any(missing) else small

    def spread(blocks: Tensor) -> Tensor:
        return blocks[:, None].repeat_interleave(pixels, 2).repeat_interleave(pixels, 3)

    logits = fit(view.logits).clamp(-LARGEST, LARGEST)
    raw = logits if view.boxes is None else logits.softmax(1)[:, 1:]  # the original has a mask of the boxes
    parts = [
        fit(view.frames),
        fit(view.seen),
        logits.softmax(1) if scores == "probabilities" else raw - 0.5,
        spread((view.actions > KEEP).float() - 0.5),
    ]
    if age:
        parts.append(spread(view.age.clamp_min(1).log2() / 4))  # 0 for the frame before, 1 for 16 frames ago
    return torch.nan_to_num(torch.cat(parts, 1), 0.0, LARGEST, -LARGEST)


def _resized(maps: Tensor, size: list[int], mode: Resize) -> Tensor:
    steps = [have / want for have, want in zip(maps.shape[2:], size, strict=True)]
    if mode == "nearest" or min(steps) < 1:
        return F.interpolate(maps, size=size, mode="nearest")
    if not all(step.is_integer() for step in steps):
        return F.interpolate(maps, size=size, mode="bilinear", align_corners=False)
    down, across = map(int, steps)
    if max(down, across) <= 2:
        return F.avg_pool2d(maps, (down, across))
    samples = [
        maps[:, :, row::down, column::across].float()
        for row in {down // 4, 3 * down // 4}
        for column in {across // 4, 3 * across // 4}
    ]
    return sum(samples[1:], samples[0]) / len(samples)
