"""DeepLab as Accel uses it: features at stride 16 with 2048 channels, and a head of two 1x1 convolutions.

Jain et al., "Accel: A Corrective Fusion Network for Efficient Semantic Segmentation on Video", CVPR 2019. No
pyramid, no decoder. The backbones of 50 and 101 layers are ResNets in Caffe's form; those of 18 and 34 layers
have pre-activation blocks up to stride 16, ordinary ones at stride 32, and a learned enlargement. The last
stage has deformable convolutions.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from saccade.errors import NetworkError
from saccade.networks.deeplab_backbones import CaffeResNet, HybridResNet
from saccade.networks.swiftnet import InputAffine

FEATURES, HIDDEN = 2048, 1024
"""Channels of the features, and between the two convolutions of the head."""

STRIDE, MULTIPLE = 16, 32
"""Of the features; and what the sides of frames are extended to."""

CAFFE = {50: ((3, 4, 6, 3), 4, 2), 101: ((3, 4, 23, 3), 1, 1)}
"""Layers -> blocks of each stage, groups of offsets and dilation of their convolution."""

HYBRID = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}
"""Layers -> blocks of each stage."""


class DeepLab(nn.Module):
    """Segmentation network for frames of any size; logits come at a quarter of the resolution.

    Frames are extended with the mean colour to multiples of 32. The scores at stride 16 are enlarged to
    stride 4 and cut to the frame, so that they lie where they belong at any size. (The original enlarges by
    16 at once, and lets scores fade to zero over the outermost 8 pixels, which changes no label.)

    Args:
        layers: 18, 34, 50 or 101.
        classes: Number of classes K.
        deformable: Whether the last stage has deformable convolutions; else plain ones of dilation 2.
        input_affine: Per-channel ``(scale, shift)`` applied to the normalised frame first, for weights that
            were trained with other statistics; None for ours.
    """

    cuts = ("res5", "fc6")

    def __init__(
        self,
        layers: int = 101,
        classes: int = 19,
        *,
        deformable: bool = True,
        input_affine: tuple[Sequence[float], Sequence[float]] | None = None,
    ) -> None:
        super().__init__()
        if layers not in (*HYBRID, *CAFFE):
            raise NetworkError(f"DeepLab has no form of {layers} layers; choose one of 18, 34, 50, 101")
        if classes < 1:
            raise NetworkError(f"a segmentation network needs at least one class, not {classes}")
        self.classes = classes
        self.input_affine = InputAffine(*input_affine) if input_affine else None
        self.backbone: nn.Module
        self.enlarge: nn.Module
        if layers in HYBRID:
            self.backbone = HybridResNet(HYBRID[layers], deformable=deformable)
            self.enlarge = nn.ConvTranspose2d(512, FEATURES, 4, stride=2, padding=1, bias=False)
        else:
            blocks, groups, dilation = CAFFE[layers]
            self.backbone = CaffeResNet(
                blocks, deformable=deformable, groups=groups, offset_dilation=dilation
            )
            self.enlarge = nn.Identity()
        self.fc6 = nn.Conv2d(FEATURES, HIDDEN, 1)
        self.score = nn.Conv2d(HIDDEN, classes, 1)
        for layer in (self.fc6, self.score):
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """Class scores.

        Args:
            x: ``(N, 3, H, W)`` normalised frames.

        Returns:
            Logits ``(N, K, ceil(H / 4), ceil(W / 4))``.
        """
        return self.classify(self.features(x), (x.shape[2], x.shape[3]))

    def features(self, x: Tensor, cut: str = "res5") -> Tensor:
        """What Deep Feature Flow moves from frame to frame.

        Args:
            x: ``(N, 3, H, W)`` normalised frames.
            cut: ``"res5"``, the end of the backbone, as in Accel; or ``"fc6"``, behind the first convolution
                of the head.

        Returns:
            ``(N, 2048 or 1024, h, w)``, two of them for each 32 pixels that were begun.
        """
        if self.input_affine is not None:
            x = self.input_affine(x)
        x = self.enlarge(self.backbone(self.extended(x)))
        return x if cut == "res5" else F.relu(self.fc6(x))

    def scores(self, features: Tensor, cut: str = "res5") -> Tensor:
        """Class scores ``(N, K, h, w)`` at stride 16, from features of the same cut."""
        if cut == "res5":
            features = F.relu(self.fc6(features))
        return self.score(features)

    def logits(self, scores: Tensor, size: tuple[int, int]) -> Tensor:
        """Scores at stride 16 as the network returns them, for a frame of ``size``."""
        height, width = (-(-side // 4) for side in size)
        larger = F.interpolate(scores, scale_factor=STRIDE // 4, mode="bilinear", align_corners=False)
        return larger[:, :, :height, :width]

    def classify(self, features: Tensor, size: tuple[int, int], cut: str = "res5") -> Tensor:
        """What ``forward`` returns for frames of ``size``, from features of that cut."""
        return self.logits(self.scores(features, cut), size)

    def extended(self, x: Tensor) -> Tensor:
        """Frames with zeros below and to the right, up to multiples of 32: what the features show."""
        height, width = x.shape[2:]
        return F.pad(x, (0, -width % MULTIPLE, 0, -height % MULTIPLE))
