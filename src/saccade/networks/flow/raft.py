"""RAFT-small (Teed and Deng, ECCV 2020) as torchvision has it: the most exact flow here, and the slowest."""

from __future__ import annotations

import torch
from torch import Tensor

from saccade.errors import NetworkError
from saccade.networks.flow.base import FlowEstimator, whole
from saccade.networks.flow.warp import resized
from saccade.video.frame import MEAN, STD

SMALLEST = 128
"""Torchvision's correlation pyramid needs this many pixels on each side."""


class RAFTSmall(FlowEstimator):
    """Flow at the resolution of the reduced frames.

    Its memory grows with the square of the number of pixels: about 4 GB for a frame of 1024x2048 pixels that
    is not reduced.

    Args:
        reduction: Frames are first averaged over squares of this many pixels.
        updates: Rounds of refinement.
    """

    def __init__(self, *, reduction: int = 1, updates: int = 12) -> None:
        super().__init__()
        if reduction < 1 or updates < 1:
            raise NetworkError(
                f"RAFT needs a reduction and a number of updates of at least 1, not {reduction} and {updates}"
            )
        from torchvision.models.optical_flow import raft_small

        self.reduction, self.updates = reduction, updates
        self.raft = raft_small(weights=None)

    def forward(self, now: Tensor, before: Tensor) -> Tensor:
        """Backward flow, ``(N, 2, H, W)`` at multiples of 8 by default; see ``FlowEstimator``."""
        return self._rounds(now, before)[-1]

    def predictions(self, now: Tensor, before: Tensor) -> list[Tensor]:
        """Flow after every round of refinement, the last one first."""
        return self._rounds(now, before)[::-1]

    def _rounds(self, now: Tensor, before: Tensor) -> list[Tensor]:
        flows = self.raft(self._prepared(now), self._prepared(before), num_flow_updates=self.updates)
        return [flow.float() for flow in flows]

    def _prepared(self, frames: Tensor) -> Tensor:
        """Frames in -1..1, of sizes that RAFT takes."""
        height, width = (max(SMALLEST, whole(side, self.reduction, 8)) for side in frames.shape[2:])
        mean, std = (frames.new_tensor(values).view(1, 3, 1, 1) for values in (MEAN, STD))
        return resized(torch.clamp(frames * (2 * std) + (2 * mean - 1), -1, 1), (height, width))
