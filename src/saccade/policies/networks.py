"""The networks of the online policy: a small picture of the stream in, one logit per block out."""

from __future__ import annotations

import math
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Norm = Literal["group", "batch"]
NetworkName = Literal["small", "resnet8"]

GROUPS = 8


class BatchStatistics(nn.BatchNorm2d):
    """Batch norm by the statistics of the batch at hand, in evaluation too, as the original runs it.

    There are no running statistics: the original keeps some (momentum 0.02), and never uses them.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels, track_running_stats=False)

    def forward(self, maps: Tensor) -> Tensor:  # not F.batch_norm, which refuses a map of one pixel
        return torch.batch_norm(
            maps, self.weight, self.bias, None, None, True, 0.0, self.eps, torch.backends.cudnn.enabled
        )


class PolicyNetwork(nn.Module):
    """Maps ``(N, channels, GH * pixels, GW * pixels)`` to logits ``(N, GH, GW)``.

    Attributes:
        pixels: Side of a block in pixels of the input, which is the stride of the network.
        stem: The first convolution; it alone depends on the number of channels.
    """

    pixels: int
    stem: nn.Conv2d

    def start_at_zero(self) -> None:
        """Give 0 for every block until something is learned."""
        last = [module for module in self.modules() if isinstance(module, nn.Conv2d)][-1]
        assert last.bias is not None
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)


class SmallNetwork(PolicyNetwork):
    """Six convolutions after norm and ReLU each; 0.38 GMAC for 8 x 16 blocks and 26 channels.

    With group norm, the input goes into the first convolution as it is: it is scaled already, and a ReLU
    would lose half of it.
    """

    pixels = 16

    def __init__(self, channels: int, norm: Norm = "group") -> None:
        super().__init__()
        self.enter = nn.Sequential(BatchStatistics(channels), nn.ReLU()) if norm == "batch" else nn.Identity()
        self.stem = nn.Conv2d(channels, 32, 3, 2, 1, bias=False)
        self.layers = nn.Sequential(
            *_activated(norm, nn.Conv2d(32, 96, 3, 2, 1, bias=False)),
            *_activated(norm, nn.Conv2d(96, 96, 5, 2, 2, bias=False)),
            *_activated(norm, nn.Conv2d(96, 96, 5, 1, 2, bias=False)),
            *_activated(norm, nn.Conv2d(96, 96, 5, 2, 2, bias=False)),
            *_activated(norm, nn.Conv2d(96, 1, 3, 1, 1)),
        )

    def forward(self, maps: Tensor) -> Tensor:
        return self.layers(self.stem(self.enter(maps)))[:, 0]


class ResNet8(PolicyNetwork):
    """Three residual blocks and three convolutions; 7.5 GMAC for 8 x 16 blocks and 26 channels."""

    pixels = 32

    def __init__(self, channels: int, norm: Norm = "group") -> None:
        super().__init__()
        self.stem = nn.Conv2d(channels, 32, 3, 1, 1, bias=False)
        self.backbone = nn.Sequential(
            _norm(norm, 32),
            nn.ReLU(),
            ResidualBlock(32, 32, 1, norm),
            ResidualBlock(32, 64, 2, norm),
            ResidualBlock(64, 128, 2, norm),
        )
        for conv in (self.stem, *(m for m in self.backbone.modules() if isinstance(m, nn.Conv2d))):
            nn.init.normal_(conv.weight, 0.0, math.sqrt(2 / (conv.kernel_size[0] ** 2 * conv.out_channels)))
        self.head = nn.Sequential(
            nn.Conv2d(128, 128, 3, 2, 1, bias=False),
            _norm(norm, 128),
            nn.ReLU(),
            nn.Conv2d(128, 128, 3, 2, 1, bias=False),
            _norm(norm, 128),
            nn.ReLU(),
            nn.Conv2d(128, 1, 3, 2, 1),
        )

    def forward(self, maps: Tensor) -> Tensor:
        return self.head(self.backbone(self.stem(maps)))[:, 0]


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions, added to the input, which is projected where the shape changes."""

    def __init__(self, channels: int, out: int, stride: int, norm: Norm) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            nn.Conv2d(channels, out, 3, stride, 1, bias=False),
            _norm(norm, out),
            nn.ReLU(),
            nn.Conv2d(out, out, 3, 1, 1, bias=False),
            _norm(norm, out),
        )
        same = stride == 1 and channels == out
        self.shortcut = (
            nn.Identity()
            if same
            else nn.Sequential(nn.Conv2d(channels, out, 1, stride, bias=False), _norm(norm, out))
        )

    def forward(self, maps: Tensor) -> Tensor:
        return F.relu(self.residual(maps) + self.shortcut(maps))


NETWORKS: dict[NetworkName, type[SmallNetwork] | type[ResNet8]] = {"small": SmallNetwork, "resnet8": ResNet8}


def build_network(name: NetworkName, channels: int, norm: Norm, seed: int) -> PolicyNetwork:
    """A network on the CPU with random weights from ``seed``; the global random numbers stay as they are."""
    with torch.inference_mode(False), torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return NETWORKS[name](channels, norm)


def _norm(norm: Norm, channels: int) -> nn.Module:
    return BatchStatistics(channels) if norm == "batch" else nn.GroupNorm(GROUPS, channels)


def _activated(norm: Norm, conv: nn.Conv2d) -> tuple[nn.Module, ...]:
    """The convolution with norm and ReLU before it."""
    return _norm(norm, conv.in_channels), nn.ReLU(), conv
