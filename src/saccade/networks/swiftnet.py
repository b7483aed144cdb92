"""SwiftNet, single scale: an ImageNet encoder, spatial pyramid pooling, lightweight ladder decoder.

Orsic et al., "In Defense of Pre-trained ImageNet Architectures for Real-time Semantic Segmentation
of Road-driving Images", CVPR 2019; in the form that BlockCopy and SegBlocks use, where the skip
connections are taken after the last ReLU of each stage.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import timm
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from saccade.errors import NetworkError

BACKBONES: dict[str, dict[str, Any]] = {
    "resnet18": {},
    "resnet34": {},
    "resnet50": {},
    "efficientnet_lite1": {"bn_eps": 1e-3, "bn_momentum": 0.01},
}
"""Encoders by timm's names, with the settings that they were published with."""


class NormReluConv(nn.Module):
    """Batch norm, ReLU, then a convolution that keeps the resolution."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, *, bias: bool = False, momentum: float = 0.1
    ) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(inputs, momentum=momentum)
        self.conv = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.relu(self.norm(x)))


def resize(x: Tensor, like: Tensor) -> Tensor:
    """Bilinear resampling to the height and width of ``like``, corners not aligned."""
    return F.interpolate(x, size=like.shape[-2:], mode="bilinear", align_corners=False)


class PyramidPooling(nn.Module):
    """Context of the whole map: average pools on coarse grids, resized back and concatenated.

    A level of ``g`` rows has ``round(g * W / H)`` columns, so its cells are about square.
    """

    MOMENTUM = 0.005

    def __init__(self, inputs: int, width: int, rows: Sequence[int] = (8, 4, 2)) -> None:
        super().__init__()
        level_width = width // len(rows)
        self.rows = tuple(rows)
        self.project = NormReluConv(inputs, width, 1, momentum=self.MOMENTUM)
        self.levels = nn.ModuleList(NormReluConv(width, level_width, 1, momentum=self.MOMENTUM) for _ in rows)
        self.fuse = NormReluConv(width + level_width * len(rows), width, 1, momentum=self.MOMENTUM)

    def forward(self, x: Tensor) -> Tensor:
        x = self.project(x)
        height, width = x.shape[-2:]
        pyramid = [x]
        for rows, level in zip(self.rows, self.levels, strict=True):
            grid = (rows, max(1, round(rows * width / height)))
            pyramid.append(resize(level(F.adaptive_avg_pool2d(x, grid)), like=x))
        return self.fuse(torch.cat(pyramid, dim=1))


class Upsample(nn.Module):
    """One step of the ladder: bring the deeper map to the skip's resolution, add, blend."""

    def __init__(self, skip: int, width: int, momentum: float = 0.1) -> None:
        super().__init__()
        self.skip = NormReluConv(skip, width, 1, momentum=momentum)
        self.blend = NormReluConv(width, width, 3, momentum=momentum)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        skip = self.skip(skip)
        return self.blend(resize(x, like=skip) + skip)


class InputAffine(nn.Module):
    """Turns house-normalised frames into those another training used: ``x * scale + shift``."""

    scale: Tensor
    shift: Tensor

    def __init__(self, scale: Sequence[float], shift: Sequence[float]) -> None:
        super().__init__()
        self.register_buffer("scale", torch.tensor(scale, dtype=torch.float32).view(1, 3, 1, 1))
        self.register_buffer("shift", torch.tensor(shift, dtype=torch.float32).view(1, 3, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale + self.shift


def set_momentum(resnet: nn.Module, momentum: float) -> None:
    """Batch norm's momentum in the blocks of a ResNet of timm's; not in its stem."""
    for name, module in resnet.named_modules():
        if name.startswith("layer") and isinstance(module, nn.BatchNorm2d):
            module.momentum = momentum


class SwiftNet(nn.Module):
    """Segmentation network for frames of any size; logits come at a quarter of the resolution.

    Args:
        backbone: ``"resnet18"``, ``"resnet34"``, ``"resnet50"`` or ``"efficientnet_lite1"``.
        classes: Number of classes K.
        width: Channels of the decoder.
        pretrained_backbone: Fetch ImageNet weights for the backbone (needs network access once).
        input_affine: Per-channel ``(scale, shift)`` applied to the normalised frame first, for
            weights that were trained with other statistics; None for ours.
        momentum: Of batch norm in the decoder and in the blocks of a ResNet, for training: 0.05 in SegBlocks.
            The stem, the pyramid and other encoders keep their own.
    """

    cuts = ("ladder",)

    def __init__(
        self,
        backbone: str = "resnet18",
        classes: int = 19,
        *,
        width: int = 128,
        pretrained_backbone: bool = False,
        input_affine: tuple[Sequence[float], Sequence[float]] | None = None,
        momentum: float = 0.1,
    ) -> None:
        super().__init__()
        if backbone not in BACKBONES:
            raise NetworkError(f"SwiftNet has no backbone {backbone!r}; choose one of {', '.join(BACKBONES)}")
        if classes < 1:
            raise NetworkError(f"a segmentation network needs at least one class, not {classes}")
        self.classes = classes
        self.input_affine = InputAffine(*input_affine) if input_affine else None
        self.backbone = timm.create_model(
            backbone,
            pretrained=pretrained_backbone,
            features_only=True,
            out_indices=(1, 2, 3, 4),
            **BACKBONES[backbone],
        )
        if backbone.startswith("resnet"):
            set_momentum(self.backbone, momentum)
        # Channels at strides 4, 8, 16, 32.
        skips: list[int] = self.backbone.feature_info.channels()  # type: ignore[union-attr, operator]
        self.spp = PyramidPooling(skips[-1], width)
        self.up = nn.ModuleList(Upsample(skip, width, momentum) for skip in reversed(skips[:-1]))
        self.head = NormReluConv(width, classes, 1, bias=True, momentum=momentum)

    def forward(self, x: Tensor) -> Tensor:
        """Class scores.

        Args:
            x: ``(N, 3, H, W)`` normalised frames.

        Returns:
            Logits ``(N, K, ceil(H / 4), ceil(W / 4))``.
        """
        return self.head(self.features(x))

    def features(self, x: Tensor, cut: str = "ladder") -> Tensor:
        """What the last layer sees: the end of the ladder, ``(N, width, ceil(H / 4), ceil(W / 4))``."""
        if self.input_affine is not None:
            x = self.input_affine(x)
        *skips, deepest = self.backbone(x)
        x = self.spp(deepest)
        for up, skip in zip(self.up, reversed(skips), strict=True):
            x = up(x, skip)
        return x

    def classify(self, features: Tensor, size: tuple[int, int], cut: str = "ladder") -> Tensor:
        """What ``forward`` returns, from these features."""
        return self.head(features)

    def extended(self, x: Tensor) -> Tensor:
        """Nothing is added to the frames."""
        return x
