"""BiSeNet on ResNet-18, in the form that GSVNet uses (Yu et al., ECCV 2018).

A shallow path keeps detail at stride 8, a ResNet with attention gives context; both are fused and weighted by
channel. Two further heads on the context path serve training alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import timm
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from saccade.errors import NetworkError
from saccade.networks.swiftnet import InputAffine

WIDTH = 128
"""Channels of both paths."""


class ConvNormReLU(nn.Sequential):
    """Convolution without bias that keeps the resolution or divides it by the stride, batch norm, ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        )


class Attention(nn.Module):
    """Context features of one stage, each channel weighted by what its mean says."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.conv = ConvNormReLU(inputs, WIDTH, 3)
        self.weigh = nn.Sequential(nn.Conv2d(WIDTH, WIDTH, 1, bias=False), PointNorm(WIDTH), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        return x * self.weigh(F.adaptive_avg_pool2d(x, 1))


class PointNorm(nn.BatchNorm2d):
    """Batch norm of one value per frame; a batch of one frame has no variance and keeps the running one."""

    def forward(self, x: Tensor) -> Tensor:
        if self.training and len(x) * x.shape[2] * x.shape[3] == 1:
            return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)
        return super().forward(x)


class Fusion(nn.Module):
    """Both paths together, each channel raised by what its mean says."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = ConvNormReLU(width, width, 1)
        self.weigh = nn.Sequential(
            nn.Conv2d(width, width, 1, bias=False),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 1, bias=False),
            nn.Sigmoid(),
        )

    def forward(self, spatial: Tensor, context: Tensor) -> Tensor:
        x = self.conv(torch.cat((spatial, context), 1))
        return x + x * self.weigh(F.adaptive_avg_pool2d(x, 1))


class BiSeNet(nn.Module):
    """Segmentation network for frames of any size; logits come at an eighth of the resolution.

    Args:
        classes: Number of classes K.
        auxiliary: Two more heads for training, with 0.6 M parameters. In training mode the network then
            returns a tuple: its logits, and theirs at stride 8 and 16.
        pretrained_backbone: Fetch ImageNet weights for the backbone (needs network access once).
        input_affine: Per-channel ``(scale, shift)`` applied to the normalised frame first, for weights that
            were trained with other statistics; None for ours.
    """

    def __init__(
        self,
        classes: int = 19,
        *,
        auxiliary: bool = False,
        pretrained_backbone: bool = False,
        input_affine: tuple[Sequence[float], Sequence[float]] | None = None,
    ) -> None:
        super().__init__()
        if classes < 1:
            raise NetworkError(f"a segmentation network needs at least one class, not {classes}")
        self.classes = classes
        self.input_affine = InputAffine(*input_affine) if input_affine else None
        self.spatial = nn.Sequential(
            ConvNormReLU(3, 64, 7, 2), ConvNormReLU(64, 64, 3, 2), ConvNormReLU(64, 64, 3, 2),
            ConvNormReLU(64, WIDTH, 1),
        )  # fmt: skip
        self.backbone = timm.create_model(
            "resnet18", pretrained=pretrained_backbone, features_only=True, out_indices=(2, 3, 4)
        )
        self.whole = nn.Sequential(
            nn.Conv2d(512, WIDTH, 1, bias=False), PointNorm(WIDTH), nn.ReLU(inplace=True)
        )
        self.attention = nn.ModuleList((Attention(512), Attention(256)))
        self.refine = nn.ModuleList((ConvNormReLU(WIDTH, WIDTH, 3), ConvNormReLU(WIDTH, WIDTH, 3)))
        self.fusion = Fusion(2 * WIDTH)
        self.head = nn.Sequential(ConvNormReLU(2 * WIDTH, 64, 3), nn.Conv2d(64, classes, 1))
        self.auxiliary = (
            nn.ModuleList(
                nn.Sequential(ConvNormReLU(WIDTH, 256, 3), nn.Conv2d(256, classes, 1)) for _ in range(2)
            )
            if auxiliary
            else None
        )

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Class scores.

        Args:
            x: ``(N, 3, H, W)`` normalised frames.

        Returns:
            Logits ``(N, K, ceil(H / 8), ceil(W / 8))``; in training mode with auxiliary heads a tuple that
            begins with them.
        """
        if self.input_affine is not None:
            x = self.input_affine(x)
        at8, at16, at32 = self.backbone(x)
        # The mean of the whole frame is the same everywhere: adding it needs no resizing.
        context16 = self.attention[0](at32) + self.whole(F.adaptive_avg_pool2d(at32, 1))
        context16 = self.refine[0](_resize(context16, at16))
        context8 = self.attention[1](at16) + context16
        context8 = self.refine[1](_resize(context8, at8))
        logits: Tensor = self.head(self.fusion(self.spatial(x), context8))
        if self.training and self.auxiliary is not None:
            return logits, self.auxiliary[1](context8), self.auxiliary[0](context16)
        return logits


def _resize(x: Tensor, like: Tensor) -> Tensor:
    """Bilinear, to the height and width of ``like``, corners aligned."""
    return F.interpolate(x, size=like.shape[2:], mode="bilinear", align_corners=True)
