"""Weights for the encoder alone: ImageNet classifiers by name, or from a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from saccade.errors import WeightsError
from saccade.networks.fitting import fill

IMAGENET = ("imagenet", "imagenet-torchvision")
"""Names of weights that are fetched: timm's default for the backbone, and torchvision's."""

BACKBONE_OF = "backbone:"
"""Before the name of weights of which only the backbone is wanted."""

CLASSIFIER = ("fc.", "head.", "classifier.", "conv_head.", "bn2.")
"""Layers of an ImageNet classifier behind its features."""


WEIGHTS_OF = {"efficientnet_lite1": "tf_efficientnet_lite1"}
"""Architectures without weights in timm -> one with the same layers (which pads maps unevenly)."""


def is_backbone(tensors: Mapping[str, Tensor]) -> bool:
    """Whether this is the state dict of a bare ResNet (torchvision's and timm's names) or EfficientNet."""
    resnet, efficientnet = ("conv1", "layer1.0.conv1"), ("conv_stem", "blocks.0.0.conv_dw")
    return any(all(f"{name}.weight" in tensors for name in names) for names in (resnet, efficientnet))


def backbone_of(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The backbone of one of our networks, under the names of a bare one; empty where there is none."""
    prefix = "backbone."
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def fill_backbone(network: nn.Module, tensors: Mapping[str, Tensor], *, source: str, target: str) -> None:
    """Load an ImageNet classifier into the backbone of a network, without its last layer.

    A network with several backbones gets it in each. Stages that a backbone does without are left out.

    Raises:
        WeightsError: The network has no backbone, or another one.
    """
    features = {name: tensor for name, tensor in tensors.items() if not name.startswith(CLASSIFIER)}
    for backbone in _backbones(network, target):
        layers = {name for name, _ in backbone.named_children()}
        wanted = {name: tensor for name, tensor in features.items() if name.split(".")[0] in layers}
        fill(backbone, wanted, source=source, target=f"the backbone of {target}")


def fetch_backbone(network: nn.Module, weights: str, *, target: str) -> None:
    """Download ImageNet weights into ``network.backbone``, or take them from the local cache.

    Args:
        network: A network on a timm backbone.
        weights: One of ``IMAGENET``.
        target: What the network is called in errors.

    Raises:
        WeightsError: The weights can neither be fetched nor are they in the cache.
    """
    architecture = str(_backbones(network, target)[0].pretrained_cfg["architecture"])
    try:
        tensors = _timm(architecture) if weights == "imagenet" else _torchvision(architecture)
    except Exception as error:  # whatever the hub clients raise without a connection
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise WeightsError(
            f"the weights {weights!r} for {architecture} cannot be fetched ({reason}). This needs network "
            f"access once. Without it, give a local file with the state dict of torchvision's or timm's "
            f"{architecture} (weights=FILE), or start from random values (weights=None)"
        ) from error
    fill_backbone(network, tensors, source=f"{weights!r} for {architecture}", target=target)


def _backbones(network: nn.Module, target: str) -> list[Any]:
    several = getattr(network, "backbones", None)
    found = several if isinstance(several, list) else [getattr(network, "backbone", None)]
    if not all(isinstance(backbone, nn.Module) for backbone in found):
        raise WeightsError(f"{target} has no backbone to fill with ImageNet weights; give weights of its own")
    return found


def _timm(architecture: str) -> dict[str, Tensor]:
    import timm

    return timm.create_model(WEIGHTS_OF.get(architecture, architecture), pretrained=True).state_dict()


def _torchvision(architecture: str) -> dict[str, Tensor]:
    from torchvision.models import get_model_weights

    return get_model_weights(architecture).DEFAULT.get_state_dict(check_hash=True)  # type: ignore[attr-defined]
