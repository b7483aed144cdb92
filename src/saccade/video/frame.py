"""One decoded frame, as every source yields it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

MEAN = (0.485, 0.456, 0.406)
"""Mean of RGB in 0..1 that normalised frames have subtracted (the ImageNet statistics)."""

STD = (0.229, 0.224, 0.225)
"""Standard deviation of RGB in 0..1 that normalised frames are divided by."""


def normalise(images: Tensor) -> Tensor:
    """RGB bytes to what networks expect.

    Args:
        images: ``(N, 3, H, W)`` uint8, RGB, on any device.

    Returns:
        ``(N, 3, H, W)`` float32, channels-last, ``(x / 255 - MEAN) / STD``.
    """
    n, _, height, width = images.shape
    # Rows of red, green, blue, red, ... against rows of their statistics: vectorised, three times as fast
    # as broadcasting three values over the innermost dimension.
    rows = images.permute(0, 2, 3, 1).to(torch.float32, memory_format=torch.contiguous_format, copy=True)
    mean = (torch.tensor(MEAN, device=images.device) * 255).repeat(width)
    std = (torch.tensor(STD, device=images.device) * 255).repeat(width)
    rows.view(n, height, width * 3).sub_(mean).div_(std)
    return rows.permute(0, 3, 1, 2)


@dataclass(frozen=True, eq=False)
class Frame:
    """One image of a video.

    Attributes:
        image: ``(H, W, 3)`` uint8, RGB, C-contiguous, upright (rotation metadata applied).
        index: Position in the source, from 0; a live source's gaps are frames it dropped.
        timestamp: Seconds since the first frame of the source.
        source: The source as the user named it.
    """

    image: np.ndarray
    index: int
    timestamp: float
    source: str

    @property
    def height(self) -> int:
        return int(self.image.shape[0])

    @property
    def width(self) -> int:
        return int(self.image.shape[1])

    @property
    def tensor(self) -> Tensor:
        """The frame as a batch of one: ``(1, 3, H, W)`` float32, normalised, channels-last."""
        return normalise(torch.from_numpy(self.image).permute(2, 0, 1)[None])
