"""Random crops, flips and colours of two frames and the flow between them."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from saccade.training.augment import change_colours, uniform

PAVING = 127.0
"""Grey of what lies beyond the frames, 0..255."""

NOISE = 4.0
"""Most that the noise of one frame varies by (standard deviation, of 255) at full strength."""


def augment_flow(
    frames: Tensor,
    flow: Tensor,
    known: Tensor,
    *,
    crop: tuple[int, int],
    scale: tuple[float, float],
    colour: float,
    generator: Generator,
) -> tuple[Tensor, Tensor, Tensor]:
    """One training crop: the same window, flip and colours for both frames, noise for each.

    Where the resized frames are smaller than the crop, the rest is grey and its flow not known.

    Args:
        frames: ``(2, 3, H, W)`` uint8: the frame and the one before it.
        flow: ``(2, H, W)`` backward flow in pixels.
        known: ``(H, W)`` bool, where the flow can be learned.
        crop: ``(height, width)`` of the result.
        scale: Smallest and largest factor of the resizing; drawn uniformly in its logarithm.
        colour: Strength of the colour changes, 0 to 1.
        generator: Source of randomness.

    Returns:
        Frames ``(2, 3, *crop)`` float32 in 0..255; flow ``(2, *crop)`` in pixels of the crop; known
        ``(*crop)`` bool.
    """
    factor = math.exp(uniform(math.log(scale[0]), math.log(scale[1]), generator))
    sides = (frames.shape[2], frames.shape[3])
    want = [min(max(1, round(c / factor)), side) for c, side in zip(crop, sides, strict=True)]
    top, left = (
        int(torch.randint(side - w + 1, (), generator=generator)) for side, w in zip(sides, want, strict=True)
    )
    rows, columns = slice(top, top + want[0]), slice(left, left + want[1])
    size = [min(max(1, round(w * factor)), c) for w, c in zip(want, crop, strict=True)]
    images = F.interpolate(
        frames[:, :, rows, columns].float(), size=size, mode="bilinear", antialias=factor < 1
    )
    # Flow is not averaged: between two objects there is no motion that is half of each.
    flow = F.interpolate(flow[None, :, rows, columns], size=size, mode="nearest-exact")[0]
    flow = flow * torch.tensor([size[1] / want[1], size[0] / want[0]]).view(2, 1, 1)
    known = F.interpolate(known[None, None, rows, columns].float(), size=size, mode="nearest-exact")[0, 0] > 0
    if torch.rand((), generator=generator) < 0.5:
        images, flow, known = images.flip(3), flow.flip(2), known.flip(1)
        flow = torch.stack((-flow[0], flow[1]))
    if colour > 0:
        # One above the other they are one picture, whose colours change together.
        both = change_colours(torch.cat((images[0], images[1]), 1), colour, generator)
        images = torch.stack(both.chunk(2, 1))
        spread = NOISE * colour * torch.rand(2, 1, 1, 1, generator=generator)
        images = (images + spread * torch.randn(images.shape, generator=generator)).clamp(0, 255)
    padding = (0, crop[1] - size[1], 0, crop[0] - size[0])
    return F.pad(images, padding, value=PAVING), F.pad(flow, padding), F.pad(known, padding)
