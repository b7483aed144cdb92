"""ResNets at stride 8, as TDNet's sub-networks have them: the last two stages dilated, the last by block."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

BASIC, BOTTLENECK = 1, 4
"""Output channels of a block per channel of its 3x3 convolutions."""

FORMS = {
    18: (BASIC, (2, 2, 2, 2), ((1, 2), (2, 2)), ((4, 4), (8, 4))),
    50: (BOTTLENECK, (3, 4, 6, 3), ((1,), *((2,) for _ in range(5))), ((4,), (8,), (16,))),
}
"""Layers -> expansion, blocks of each stage, and the dilations of the 3x3 convolutions in each block of the
third and the fourth stage."""


class Block(nn.Module):
    """A basic block (two 3x3 convolutions) or a bottleneck (1x1, 3x3, 1x1).

    Args:
        inputs: Channels.
        width: Channels of the 3x3 convolutions.
        expansion: ``BASIC`` or ``BOTTLENECK``.
        stride: Of the first 3x3 convolution.
        dilations: Of the 3x3 convolutions.
    """

    def __init__(
        self, inputs: int, width: int, expansion: int, stride: int, dilations: tuple[int, ...]
    ) -> None:
        super().__init__()
        outputs = width * expansion
        if expansion == BASIC:
            first, second = dilations
            layers = [_conv(inputs, width, 3, stride, first), _conv(width, outputs, 3, 1, second)]
        else:
            (dilation,) = dilations
            layers = [
                _conv(inputs, width, 1), _conv(width, width, 3, stride, dilation), _conv(width, outputs, 1)
            ]  # fmt: skip
        self.layers = nn.ModuleList(layers)
        self.project = _conv(inputs, outputs, 1, stride) if stride != 1 or inputs != outputs else None

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.project is None else self.project(x)
        for number, layer in enumerate(self.layers):
            x = layer(x)
            x = F.relu(x) if number + 1 < len(self.layers) else F.relu(x + shortcut)
        return x


class DilatedResNet(nn.Module):
    """Features ``(N, C, ceil(H / 8), ceil(W / 8))`` of frames.

    Args:
        layers: 18, with a 7x7 stem; or 50, with three 3x3 convolutions in its place.

    Attributes:
        channels: C, 512 or 2048.
    """

    def __init__(self, layers: int) -> None:
        super().__init__()
        expansion, blocks, third, fourth = FORMS[layers]
        if layers == 18:
            self.stem = nn.Sequential(_conv(3, 64, 7, 2), nn.ReLU(inplace=True))
        else:
            self.stem = nn.Sequential(
                _conv(3, 64, 3, 2), nn.ReLU(inplace=True), _conv(64, 64, 3), nn.ReLU(inplace=True),
                _conv(64, 128, 3), nn.ReLU(inplace=True),
            )  # fmt: skip
        plain = ((1, 1),) if expansion == BASIC else ((1,),)
        inputs = 64 if layers == 18 else 128
        stages = []
        for number, dilations in enumerate((plain * blocks[0], plain * blocks[1], third, fourth)):
            width = 64 << number
            for index, each in enumerate(dilations):
                stages.append(Block(inputs, width, expansion, 2 if (number, index) == (1, 0) else 1, each))
                inputs = width * expansion
        self.stages = nn.Sequential(*stages)
        self.channels = inputs

    def forward(self, x: Tensor) -> Tensor:
        return self.stages(F.max_pool2d(self.stem(x), 3, 2, padding=1))


def _conv(inputs: int, outputs: int, kernel: int, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    """Convolution without bias that keeps the resolution or divides it by the stride, and batch norm."""
    padding = dilation * (kernel // 2)
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, padding, dilation, bias=False), nn.BatchNorm2d(outputs)
    )
