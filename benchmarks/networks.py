"""Networks that benchmarks run: ours, torchvision's DeepLabV3, and a U-Net."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from importlib.util import find_spec

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import saccade
from saccade.evaluation.determinism import seed_all

CLASSES = 19


def names() -> list[str]:
    """Networks that can be built here."""
    needs = {"unet-resnet34": "segmentation_models_pytorch"}
    return [name for name in BUILDERS if name not in needs or find_spec(needs[name])]


def usual() -> list[str]:
    """Those to run where nobody chooses: one U-Net is enough."""
    available = names()
    return [n for n in available if not (n == "unet-plain" and "unet-resnet34" in available)]


def build(name: str, seed: int) -> nn.Module:
    """A network in evaluation mode.

    Shipped weights where there are any, else random ones with the statistics of random frames in their batch
    norms: over the layers, values and rounding errors grow no more than in a trained network.

    Args:
        name: One of ``names()``.
        seed: Of all random values.
    """
    seed_all(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that random weights predict nothing
        network = BUILDERS[name]()
    info = getattr(network, "info", None)
    if info is None or info.weights is None:
        _settle(network)
    return network.eval()


def _settle(network: nn.Module) -> None:
    """Give batch norms random scales and shifts, and the statistics of random frames.

    Small scales, positive shifts: with 1 and 0, a deep random network is chaotic and blows errors up.
    """
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.2, 0.6)
            nn.init.uniform_(module.bias, 0.0, 0.5)
            module.momentum = None  # the mean over all frames seen
    network.train()
    with torch.no_grad():
        network(torch.randn(2, 3, 128, 256))


class UNet(nn.Module):
    """A plain U-Net: four times two convolutions and a max pooling, and back with skips and nearest resizing.

    After Ronneberger et al. (https://arxiv.org/abs/1505.04597), with padding, batch norm, half the channels.
    """

    def __init__(self, classes: int = CLASSES, width: int = 32) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(5)]
        self.encoder = nn.ModuleList(
            _twice(before, after) for before, after in zip([3, *widths], widths, strict=False)
        )
        self.decoder = nn.ModuleList(
            _twice(deep + skip, skip) for deep, skip in zip(widths[:0:-1], widths[-2::-1], strict=True)
        )
        self.head = nn.Conv2d(width, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Logits ``(N, K, H, W)`` of frames ``(N, 3, H, W)``, sides multiples of 16."""
        skips: list[Tensor] = []
        for level, block in enumerate(self.encoder):
            x = block(F.max_pool2d(x, 2) if level else x)
            skips.append(x)
        for block, skip in zip(self.decoder, skips[-2::-1], strict=True):
            x = block(torch.cat((F.interpolate(x, scale_factor=2.0), skip), dim=1))
        return self.head(x)


def _twice(before: int, after: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (before, after):
        layers += [nn.Conv2d(channels, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU(True)]
    return nn.Sequential(*layers)


def _deeplab() -> nn.Module:
    from torchvision.models.segmentation import deeplabv3_resnet50

    return deeplabv3_resnet50(weights=None, weights_backbone=None, num_classes=CLASSES, aux_loss=False)


def _unet_resnet34() -> nn.Module:
    from segmentation_models_pytorch import Unet

    return Unet("resnet34", encoder_weights=None, classes=CLASSES)


BUILDERS: dict[str, Callable[[], nn.Module]] = {
    "swiftnet-rn18": lambda: saccade.load_network("swiftnet-rn18"),
    "swiftnet-rn50": lambda: saccade.load_network("swiftnet-rn50"),
    "deeplabv3-resnet50": _deeplab,
    "unet-resnet34": _unet_resnet34,
    "unet-plain": UNet,
}
