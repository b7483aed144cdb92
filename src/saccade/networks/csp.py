"""CSP: pedestrians as centres with a height, without anchors.

Liu et al., "High-level Semantic Feature Detection: A New Perspective for Pedestrian Detection", CVPR 2019,
in the form of Pedestron that BlockCopy uses; and a light variant on ResNet-18.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import timm
import torch
from torch import Tensor, nn

from saccade.errors import NetworkError
from saccade.networks.csp_decode import Thresholds, decode
from saccade.networks.detector import Boxes

PRIOR = 0.01
"""Score of every position before training."""

CHANNELS_PER_GROUP = 8
"""Of the group norms: 32 groups of 256 channels."""

Maps = tuple[Tensor, Tensor, Tensor]


@dataclass(frozen=True)
class Variant:
    """What differs between the large and the light network.

    Attributes:
        output_stride: Stride of the last stage of the backbone.
        width: Channels of the neck and of the head.
    """

    output_stride: int
    width: int


VARIANTS = {"resnet18": Variant(32, 64), "resnet50": Variant(16, 256)}


class ChannelNorm(nn.Module):
    """Scales the channels at each position to length 1, and then by a learned weight."""

    EPS = 1e-10
    START = 10.0

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((channels,), self.START))

    def forward(self, x: Tensor) -> Tensor:
        length = torch.linalg.vector_norm(x, dim=1, keepdim=True)
        eps = max(self.EPS, torch.finfo(x.dtype).tiny)  # float16 has no 1e-10
        return x / (length + eps) * self.weight.view(1, -1, 1, 1)


class Enlarge(nn.Module):
    """Transposed convolution to a quarter of the frame's resolution, then ``ChannelNorm``.

    By 2 its kernel is 4, so that pixels overlap; by more the kernel is as large as the stride.
    """

    def __init__(self, inputs: int, outputs: int, factor: int) -> None:
        super().__init__()
        kernel = max(4, factor)
        self.conv = nn.ConvTranspose2d(
            inputs, outputs, kernel, stride=factor, padding=(kernel - factor) // 2, bias=True
        )
        self.norm = ChannelNorm(outputs)
        nn.init.xavier_normal_(self.conv.weight)
        nn.init.zeros_(self.conv.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        x = self.conv(x)
        if tuple(x.shape[-2:]) != size:  # strides of the backbone round up
            x = x[:, :, : size[0], : size[1]]
        return self.norm(x)


class Branch(nn.Module):
    """One of the three answers of the head: 3x3 convolution, group norm, ReLU, 3x3 convolution."""

    def __init__(self, inputs: int, width: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, width, 3, padding=1, bias=False)
        self.norm = nn.GroupNorm(width // CHANNELS_PER_GROUP, width)
        self.out = nn.Conv2d(width, outputs, 3, padding=1)
        for convolution in (self.conv, self.out):
            nn.init.normal_(convolution.weight, std=0.01)
        nn.init.zeros_(self.out.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        return self.out(torch.relu(self.norm(self.conv(x))))


class CSP(nn.Module):
    """Detector for frames of any size; its maps come at a quarter of the resolution.

    Args:
        backbone: ``"resnet50"`` is the published network, ``"resnet18"`` the light one.
        classes: Number of classes K. All share one shape of box.
        width: Channels of neck and head, a multiple of 8; None for the variant's own.
        pretrained_backbone: Fetch ImageNet weights for the backbone (needs network access once).
        thresholds: What ``decode`` keeps.
    """

    def __init__(
        self,
        backbone: str = "resnet18",
        classes: int = 1,
        *,
        width: int | None = None,
        pretrained_backbone: bool = False,
        thresholds: Thresholds | None = None,
    ) -> None:
        super().__init__()
        if backbone not in VARIANTS:
            raise NetworkError(f"CSP has no backbone {backbone!r}; choose one of {', '.join(VARIANTS)}")
        if classes < 1:
            raise NetworkError(f"a detector needs at least one class, not {classes}")
        variant = VARIANTS[backbone]
        width = variant.width if width is None else width
        if width < 1 or width % CHANNELS_PER_GROUP:
            raise NetworkError(
                f"width {width} is not a multiple of {CHANNELS_PER_GROUP}; give for example 64"
            )
        self.classes = classes
        self.thresholds = thresholds or Thresholds()
        self.backbone = timm.create_model(
            backbone,
            pretrained=pretrained_backbone,
            features_only=True,
            out_indices=(2, 3, 4),
            output_stride=variant.output_stride,
        )
        if variant.output_stride == 16:
            _dilate_first_block(self.backbone.layer4)
        channels: list[int] = self.backbone.feature_info.channels()  # type: ignore[union-attr, operator]
        strides: list[int] = self.backbone.feature_info.reduction()  # type: ignore[union-attr, operator]
        self.neck = nn.ModuleList(
            Enlarge(inputs, width, stride // 4) for inputs, stride in zip(channels, strides, strict=True)
        )
        inputs = width * len(channels)
        self.centre = Branch(inputs, width, classes)
        self.height = Branch(inputs, width, 1)
        self.offset = Branch(inputs, width, 2)
        self.height_scale = nn.Parameter(torch.ones(()))
        self.offset_scale = nn.Parameter(torch.ones(()))
        nn.init.constant_(self.centre.out.bias, -math.log((1 - PRIOR) / PRIOR))  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Maps:
        """The three maps.

        Args:
            x: ``(N, 3, H, W)`` normalised frames.

        Returns:
            ``(N, K, h, w)`` logits of centres, ``(N, 1, h, w)`` logarithms of heights in units of four pixels
            and ``(N, 2, h, w)`` offsets down and to the right in the same units; h and w are a quarter of H
            and W, rounded up.
        """
        size = (-(-x.shape[2] // 4), -(-x.shape[3] // 4))
        features = self.backbone(x)
        parts = [enlarge(feature, size) for enlarge, feature in zip(self.neck, features, strict=True)]
        x = torch.cat(parts, dim=1)
        return self.centre(x), self.height_scale * self.height(x), self.offset_scale * self.offset(x)

    def decode(self, maps: Maps, size: tuple[int, int]) -> list[Boxes]:
        """Boxes of each frame, at most 100.

        Args:
            maps: What ``forward`` returned.
            size: ``(H, W)`` of the frames.
        """
        return decode(*maps, size, self.thresholds)


def _dilate_first_block(stage: Any) -> None:
    """All blocks of CSP's last stage are dilated; timm begins with the second one."""
    first = next(iter(stage.children()))
    first.conv2.dilation = first.conv2.padding = (2, 2)
