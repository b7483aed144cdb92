"""The backbones of Accel's DeepLabs: a ResNet in Caffe's form, and one of two forms of blocks."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from saccade.networks.deformable import DeformableConv

DILATION = 2
"""Of the 3x3 convolutions of the last stage."""

PRE_EPS = 2e-5
"""Of batch norm in pre-activation blocks."""


def last_conv(inputs: int, outputs: int, deformable: bool, groups: int, offset_dilation: int) -> nn.Module:
    """A 3x3 convolution of the last stage, ``(N, outputs, h, w)``."""
    if deformable:
        return DeformableConv(
            inputs, outputs, dilation=DILATION, groups=groups, offset_dilation=offset_dilation
        )
    return nn.Conv2d(inputs, outputs, 3, padding=DILATION, dilation=DILATION, bias=False)


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1, with the stride on the first one, as in Caffe."""

    def __init__(self, inputs: int, width: int, stride: int, conv: nn.Module) -> None:
        super().__init__()
        outputs = 4 * width
        self.conv1 = nn.Conv2d(inputs, width, 1, stride, bias=False)
        self.norm1 = nn.BatchNorm2d(width)
        self.conv2 = conv
        self.norm2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, outputs, 1, bias=False)
        self.norm3 = nn.BatchNorm2d(outputs)
        self.project = (
            nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
            if inputs != outputs
            else None
        )

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.project is None else self.project(x)
        x = F.relu(self.norm1(self.conv1(x)))
        x = F.relu(self.norm2(self.conv2(x)))
        return F.relu(self.norm3(self.conv3(x)) + shortcut)


class CaffeResNet(nn.Module):
    """ResNet-v1 whose last stage keeps stride 16 and is dilated.

    Args:
        blocks: Blocks of each of the four stages.
        deformable: Whether the 3x3 convolutions of the last stage are deformable.
        groups, offset_dilation: Of these convolutions.
    """

    def __init__(self, blocks: Sequence[int], *, deformable: bool, groups: int, offset_dilation: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.norm1 = nn.BatchNorm2d(64)
        stages: list[nn.Module] = []
        inputs = 64
        for number, count in enumerate(blocks):
            width, last = 64 << number, number == 3
            stage = []
            for index in range(count):
                stride = 2 if index == 0 and number in (1, 2) else 1
                conv = (
                    last_conv(width, width, deformable, groups, offset_dilation)
                    if last
                    else nn.Conv2d(width, width, 3, padding=1, bias=False)
                )
                stage.append(Bottleneck(inputs, width, stride, conv))
                inputs = 4 * width
            stages.append(nn.Sequential(*stage))
        self.stages = nn.Sequential(*stages)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, 2048, H / 16, W / 16)`` of frames whose sides are multiples of 16."""
        x = F.relu(self.norm1(self.conv1(x)))
        return self.stages(F.max_pool2d(x, 3, 2, ceil_mode=True))


class CentredNorm(nn.BatchNorm2d):
    """Batch norm that learns a shift and no scale."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, eps=PRE_EPS, affine=False)
        self.shift = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) + self.shift.view(1, -1, 1, 1)


class PreBlock(nn.Module):
    """Norm and ReLU before each of two 3x3 convolutions.

    The first block of a stage projects its shortcut, from the input after norm and ReLU.
    """

    def __init__(self, inputs: int, outputs: int, stride: int, project: bool) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(inputs, eps=PRE_EPS)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs, eps=PRE_EPS)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.project = nn.Conv2d(inputs, outputs, 1, stride, bias=False) if project else None

    def forward(self, x: Tensor) -> Tensor:
        active = F.relu(self.norm1(x))
        shortcut = x if self.project is None else self.project(active)
        return self.conv2(F.relu(self.norm2(self.conv1(active)))) + shortcut


class LastBlock(nn.Module):
    """Two 3x3 convolutions, each with norm; the second one is deformable, in four groups, or dilated."""

    def __init__(self, inputs: int, outputs: int, stride: int, deformable: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.conv2 = last_conv(outputs, outputs, deformable, groups=4, offset_dilation=2)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.project = (
            nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
            if stride != 1
            else None
        )

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.project is None else self.project(x)
        x = F.relu(self.norm1(self.conv1(x)))
        return F.relu(self.norm2(self.conv2(x)) + shortcut)


class HybridResNet(nn.Module):
    """Pre-activation stages up to stride 16, then an ordinary one at stride 32.

    Args:
        blocks: Blocks of each of the four stages.
        deformable: Whether the last stage has deformable convolutions.
    """

    def __init__(self, blocks: Sequence[int], *, deformable: bool) -> None:
        super().__init__()
        self.norm0 = CentredNorm(3)
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.norm1 = nn.BatchNorm2d(64, eps=PRE_EPS)
        stages: list[nn.Module] = []
        inputs = 64
        for number, count in enumerate(blocks):
            outputs, stride = 64 << number, 1 if number == 0 else 2
            for index in range(count):
                first = index == 0
                if number < 3:
                    stages.append(PreBlock(inputs, outputs, stride if first else 1, project=first))
                else:
                    stages.append(LastBlock(inputs, outputs, stride if first else 1, deformable))
                inputs = outputs
        self.stages = nn.Sequential(*stages)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, 512, H / 32, W / 32)`` of frames whose sides are multiples of 32."""
        x = F.relu(self.norm1(self.conv1(self.norm0(x))))
        return self.stages(F.max_pool2d(x, 3, 2, padding=1))
