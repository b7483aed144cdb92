"""Clips out of stills: a camera that moves over a picture, as if it drove and turned."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from saccade.training.augment import uniform

WINDOW = (0.7, 0.95)
"""Share of the still's sides that the middle frame of a clip shows."""

ZOOM = (-0.01, 0.03)
"""How much closer things come per frame; mostly forward, as a car drives."""

PAN = (0.02, 0.005)
"""Most that the view turns per frame, in parts of its width and of its height."""

NOISE = 2.0
"""Standard deviation of the noise of each frame, of 255."""


def moving_clip(image: Tensor, label: Tensor, frames: int, generator: Generator) -> tuple[Tensor, Tensor]:
    """Frames of a camera that looks at a still.

    The window of the middle frame lies anywhere within the still; before and after it the window grows or
    shrinks, and shifts, by as much in every frame. Beyond the still its edge goes on, without a label.

    Args:
        image: ``(3, H, W)`` uint8.
        label: ``(H, W)`` uint8.
        frames: T, how many.
        generator: Source of randomness.

    Returns:
        ``(T, 3, H, W)`` and ``(T, H, W)``, uint8; class ids beyond the still are 255.
    """
    height, width = label.shape
    share = uniform(*WINDOW, generator)
    zoom = math.exp(-uniform(*ZOOM, generator))
    pan = [uniform(-most, most, generator) for most in PAN]
    middle = [uniform(-(1 - share), 1 - share, generator) for _ in range(2)]  # in -1..1 of the still
    y, x = torch.meshgrid(_centres(height), _centres(width), indexing="ij")
    places = []
    for frame in range(frames):
        step = frame - (frames - 1) / 2
        size = share * zoom**step
        shift = [centre + 2 * share * speed * step for centre, speed in zip(middle, pan, strict=True)]
        places.append(torch.stack((x * size + shift[0], y * size + shift[1]), -1))
    grid = torch.stack(places)  # (T, H, W, 2)
    picture = F.grid_sample(
        image.float().expand(frames, -1, -1, -1), grid,
        mode="bilinear", padding_mode="border", align_corners=False,
    )  # fmt: skip
    picture = picture + NOISE * torch.randn(picture.shape, generator=generator)
    ids = F.grid_sample(
        label[None, None].float().expand(frames, -1, -1, -1), grid,
        mode="nearest", padding_mode="border", align_corners=False,
    )[:, 0]  # fmt: skip
    beyond = (grid.abs() > 1).any(-1)
    return picture.round().clamp(0, 255).to(torch.uint8), ids.masked_fill(beyond, 255).to(torch.uint8)


def _centres(size: int) -> Tensor:
    """Of the pixels of one axis, in -1..1."""
    return (2 * torch.arange(size) + 1) / size - 1
