"""Whole frames of a network, executed as fast as this machine does it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from saccade.blocks import BlockNetwork, convert
from saccade.errors import NetworkError
from saccade.methods.block_size import suitable_block_size

LEAST_PIXELS = 2**18
"""Of smaller frames than 512x512 it takes many to gain the seconds that conversion takes."""


class WholeFrames:
    """Runs a network on whole frames: on a CPU by the block engine, else as it is.

    The engine folds batch norm, fuses what follows a convolution into it, and runs 3x3 convolutions by
    Winograd's algorithm where that was measured to be faster. What it cannot convert runs as it is. The first
    frame of a size takes the time of the conversion. Weights changed afterwards are not seen.

    Args:
        network: Takes frames ``(N, 3, H, W)``, in evaluation mode.
    """

    def __init__(self, network: nn.Module) -> None:
        self.network = network
        self._engines: dict[object, BlockNetwork | None] = {}

    def __call__(self, frames: Tensor) -> Any:
        """What the network gives back for ``(N, 3, H, W)`` frames."""
        engine = self._engine(frames)
        return self.network(frames) if engine is None else engine.dense(frames)

    def _engine(self, frames: Tensor) -> BlockNetwork | None:
        """The converted network for frames of this size; None where the network is run as it is."""
        height, width = (int(side) for side in frames.shape[2:])
        if frames.device.type != "cpu" or height * width < LEAST_PIXELS:
            return None
        key = height, width, frames.dtype
        if key not in self._engines:
            side = suitable_block_size(height, width)
            with torch.inference_mode(False), torch.no_grad():
                try:
                    self._engines[key] = convert(self.network, torch.zeros_like(frames[:1]), side)
                except NetworkError:
                    self._engines[key] = None
        return self._engines[key]
