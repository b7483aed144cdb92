"""Deformable convolutions (Dai et al., ICCV 2017): each tap reads where the features say."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torchvision.ops import deform_conv2d


class DeformableConv(nn.Module):
    """A 3x3 convolution without bias whose taps are moved by offsets that another convolution predicts.

    At first all offsets are zero: a plain dilated convolution. Types that torchvision does not take are
    computed in float32.

    Args:
        inputs, outputs: Channels.
        dilation: Of the convolution.
        groups: Groups of input channels that share offsets.
        offset_dilation: Of the convolution that predicts them.
    """

    def __init__(
        self, inputs: int, outputs: int, *, dilation: int, groups: int = 1, offset_dilation: int = 1
    ) -> None:
        super().__init__()
        # Two numbers (dy, dx) for each of nine taps and each group.
        self.offset = nn.Conv2d(
            inputs, 18 * groups, 3, padding=offset_dilation, dilation=offset_dilation, bias=True
        )
        nn.init.zeros_(self.offset.weight)
        nn.init.zeros_(self.offset.bias)  # type: ignore[arg-type]
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=dilation, dilation=dilation, bias=False)
        self.dilation = dilation

    def forward(self, x: Tensor) -> Tensor:
        offset, weight = self.offset(x), self.conv.weight
        if x.dtype not in (torch.float32, torch.float64):
            offset, weight = offset.float(), weight.float()
        moved: Tensor = deform_conv2d(
            x.to(weight.dtype), offset, weight, padding=self.dilation, dilation=self.dilation
        )
        return moved.to(x.dtype)
