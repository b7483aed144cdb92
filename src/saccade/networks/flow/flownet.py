"""FlowNet-S (Dosovitskiy et al., ICCV 2015) as Deep Feature Flow and GSVNet use it, with DFF's scale map."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from saccade.errors import NetworkError
from saccade.networks.flow.base import FlowEstimator, whole
from saccade.networks.flow.warp import resized
from saccade.networks.swiftnet import InputAffine
from saccade.video.frame import MEAN, STD

STRIDE = 64
"""Of the coarsest map, in pixels of the reduced frames."""

FLOW_STRIDE = 8
"""Of the final flow."""

LEVELS = ((64, 1024, 512), (32, 1026, 256), (16, 770, 128), (8, 386, 64))
"""Stride, channels before and after the transposed convolution, of each step of the decoder."""

DFF_MEAN = (123.15, 115.90, 103.06)
"""RGB in 0..255 that Deep Feature Flow subtracts from frames before it divides them by 255."""


class Step(nn.Module):
    """One step of the decoder: flow from the coarse map, and both enlarged to the skip's resolution."""

    def __init__(self, inputs: int, outputs: int, crop: int) -> None:
        super().__init__()
        # Of the full output of (n - 1) * 2 + 4 pixels, what begins at pixel ``crop``.
        self.flow = nn.Conv2d(inputs, 2, 3, padding=1)
        self.enlarge_flow = nn.ConvTranspose2d(2, 2, 4, stride=2, padding=crop)
        self.enlarge = nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=crop)

    def forward(self, x: Tensor, skip: Tensor) -> tuple[Tensor, Tensor]:
        """The next map ``(N, S + outputs + 2, 2h, 2w)``, and the flow ``(N, 2, h, w)`` of this one."""
        height, width = skip.shape[2:]
        flow = self.flow(x)
        larger = F.leaky_relu(self.enlarge(x), 0.1)[:, :, :height, :width]
        return torch.cat((skip, larger, self.enlarge_flow(flow)[:, :, :height, :width]), 1), flow


class FlowNetS(FlowEstimator):
    """Flow at stride 8 of the reduced frames, so at stride 16 of the frames for DFF.

    Args:
        reduction: Frames are first averaged over squares of this many pixels; DFF: 2, GSVNet: 8. What is left
            is a multiple of 64 on both sides: other frames end up a little larger.
        unit: Pixels of the reduced frames that a value of 1 from the network stands for. FlowNet learned
            pixels / 20, which makes DFF's factor 20 / 8 = 2.5. GSVNet divides by 4.
        scale_channels: Channels of DFF's scale map, those of the features it multiplies; 0 for none.
        before_first: Earlier frame first in the input, as in GSVNet; DFF has the current one first.
        crop: Where enlarged maps begin: 1 keeps them aligned, 0 is half a pixel off, as in GSVNet.
    """

    def __init__(
        self,
        *,
        reduction: int = 2,
        unit: float = 20.0,
        scale_channels: int = 0,
        before_first: bool = False,
        crop: Literal[0, 1] = 1,
    ) -> None:
        super().__init__()
        if reduction < 1 or scale_channels < 0 or unit <= 0 or crop not in (0, 1):
            raise NetworkError(
                "FlowNet-S needs a reduction of at least 1, a positive unit, scale_channels of at least 0 "
                f"and a crop of 0 or 1, not {reduction}, {unit}, {scale_channels} and {crop}"
            )
        self.reduction, self.unit, self.before_first = reduction, unit, before_first
        shift = [mean - other / 255 for mean, other in zip(MEAN, DFF_MEAN, strict=True)]
        self.affine = InputAffine(STD, shift)
        self.encoder = nn.ModuleList(
            (
                nn.Sequential(_conv(6, 64, 7, 2)),
                nn.Sequential(_conv(64, 128, 5, 2)),
                nn.Sequential(_conv(128, 256, 5, 2), _conv(256, 256, 3, 1)),
                nn.Sequential(_conv(256, 512, 3, 2), _conv(512, 512, 3, 1)),
                nn.Sequential(_conv(512, 512, 3, 2), _conv(512, 512, 3, 1)),
                nn.Sequential(_conv(512, 1024, 3, 2), _conv(1024, 1024, 3, 1)),
            )
        )
        self.decoder = nn.ModuleList(Step(inputs, outputs, crop) for _, inputs, outputs in LEVELS)
        self.flow = nn.Conv2d(194, 2, 3, padding=1)
        self.scale = nn.Conv2d(194, scale_channels, 1) if scale_channels else None
        if self.scale is not None:
            nn.init.zeros_(self.scale.weight)
            nn.init.ones_(self.scale.bias)  # type: ignore[arg-type]
            self.scale.bias.requires_grad_(False)  # type: ignore[union-attr]

    def forward(self, now: Tensor, before: Tensor) -> Tensor:
        """Backward flow ``(N, 2, H / 16, W / 16)`` at the default reduction; see ``FlowEstimator``."""
        return self._flow(self._decode(now, before)[0])

    def flow_and_scale(self, now: Tensor, before: Tensor) -> tuple[Tensor, Tensor]:
        """Flow, and the map ``(N, scale_channels, h, w)`` that DFF multiplies warped features by.

        Raises:
            NetworkError: The network was built without a scale map.
        """
        if self.scale is None:
            raise NetworkError("this FlowNet-S has no scale map; build it with scale_channels=C")
        x, _ = self._decode(now, before)
        return self._flow(x), self.scale(x)

    def predictions(self, now: Tensor, before: Tensor) -> list[Tensor]:
        """The final flow, and those on the way to it, each in pixels of its map, finer ones first."""
        x, coarser = self._decode(now, before)
        others = [
            flow.float() * (self.unit / stride) for (stride, _, _), flow in zip(LEVELS, coarser, strict=True)
        ]
        return [self._flow(x), *reversed(others)]

    def _flow(self, x: Tensor) -> Tensor:
        return self.flow(x).float() * (self.unit / FLOW_STRIDE)

    def _decode(self, now: Tensor, before: Tensor) -> tuple[Tensor, list[Tensor]]:
        """``(N, 194, h, w)`` at the stride of the final flow, and the raw flows of the coarser maps."""
        pair = (before, now) if self.before_first else (now, before)
        x = torch.cat([self._reduced(self.affine(frames)) for frames in pair], 1)
        skips: list[Tensor] = []
        for level in self.encoder:
            x = level(x)
            skips.append(x)
        flows = []
        for step, skip in zip(self.decoder, reversed(skips[1:-1]), strict=True):
            x, flow = step(x, skip)
            flows.append(flow)
        return F.avg_pool2d(x, 2), flows

    def _reduced(self, frames: Tensor) -> Tensor:
        height, width = (whole(side, self.reduction, STRIDE) for side in frames.shape[2:])
        return resized(frames, (height, width))


def _conv(inputs: int, outputs: int, kernel: int, stride: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2), nn.LeakyReLU(0.1))
