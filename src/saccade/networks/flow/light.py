"""The flow network of GSVNet: light enough to run on every frame (Lee et al., WACV 2021)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from saccade.errors import NetworkError
from saccade.networks.flow.base import FlowEstimator, whole
from saccade.networks.flow.warp import resized
from saccade.networks.swiftnet import InputAffine

STRIDE = 4
"""Of the flow, in pixels of the reduced frames."""

UNIT = 0.25
"""Pixels of the reduced frames that a value of 1 from the last convolution stands for."""

DILATIONS = (1, 2, 4, 8)


class ConvNormLeaky(nn.Sequential):
    """Convolution with bias, batch norm, leaky ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int, *, stride: int = 1, dilation: int = 1) -> None:
        padding = dilation * (kernel // 2)
        super().__init__(
            nn.Conv2d(inputs, outputs, kernel, stride, padding, dilation),
            nn.BatchNorm2d(outputs),
            nn.LeakyReLU(0.1),
        )


class FlowLight(FlowEstimator):
    """Two strided convolutions, four dilated ones side by side, and a residual: flow at a 32nd of the frame.

    Args:
        reduction: Frames are first made smaller by this factor. The original sees an eighth.
        legacy: Reduce frames as the original does, by bilinear interpolation with aligned corners, which
            leaves pixels out; by default they are averaged.
        input_affine: Per-channel ``(scale, shift)`` applied to the frames first, for weights that were
            trained with other statistics; None for ours.
    """

    def __init__(
        self,
        *,
        reduction: int = 8,
        legacy: bool = False,
        input_affine: tuple[Sequence[float], Sequence[float]] | None = None,
    ) -> None:
        super().__init__()
        if reduction < 1:
            raise NetworkError(f"frames cannot be reduced by a factor of {reduction}; give 1 or more")
        self.reduction, self.legacy = reduction, legacy
        self.input_affine = InputAffine(*input_affine) if input_affine else None
        self.stem = nn.Sequential(ConvNormLeaky(6, 32, 3, stride=2), ConvNormLeaky(32, 64, 3, stride=2))
        self.wide = nn.ModuleList(ConvNormLeaky(64, 64, 3, dilation=d) for d in DILATIONS)
        self.fuse = ConvNormLeaky(64 * len(DILATIONS), 64, 1)
        self.flow = nn.Conv2d(64, 2, 3, padding=1)

    def forward(self, now: Tensor, before: Tensor) -> Tensor:
        """Backward flow ``(N, 2, H / 32, W / 32)`` at the default reduction; see ``FlowEstimator``."""
        x = self.stem(torch.cat((self._reduced(now), self._reduced(before)), 1))
        levels = [layer(x) for layer in self.wide]
        for i in range(1, len(levels)):
            levels[i] = levels[i] + levels[i - 1]
        return self.flow(x + self.fuse(torch.cat(levels, 1))).float() * (UNIT / STRIDE)

    def _reduced(self, frames: Tensor) -> Tensor:
        if self.input_affine is not None:
            frames = self.input_affine(frames)
        height, width = (whole(side, self.reduction, STRIDE) for side in frames.shape[2:])
        if self.legacy:
            return F.interpolate(frames, (height, width), mode="bilinear", align_corners=True)
        return resized(frames, (height, width))
