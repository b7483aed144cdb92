"""Key names of SwiftNet checkpoints: those that BlockCopy and SegBlocks published, and our own.

The published files name the same layers differently and expect frames with other statistics. They say
nothing about themselves, so network and class count follow from the names and shapes of the tensors.
Those of other systems are in ``published_csp``, ``published_bisenet``, ``published_tdnet`` and
``published_gsvnet``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from saccade.classes import CITYSCAPES
from saccade.errors import WeightsError
from saccade.networks.block_policy import NAME
from saccade.networks.published_bisenet import recognise_bisenet
from saccade.networks.published_csp import recognise_csp
from saccade.networks.published_gsvnet import recognise_gsvnet
from saccade.networks.published_tdnet import recognise_tdnet
from saccade.networks.recognised import Recognised, renamed, resnet_of
from saccade.video.frame import MEAN, STD

PUBLISHED_MEAN = (73.1584 / 255, 82.9090 / 255, 72.3924 / 255)
PUBLISHED_STD = (44.9149 / 255, 46.1529 / 255, 45.3192 / 255)
"""Statistics of the RGB frames the published weights were trained on (Cityscapes)."""

RENAMES = (
    (r"backbone\.(?:head|fc)\..+", None),
    (r"backbone\.stem\.0\.(.+)", r"backbone.conv_stem.\1"),
    (r"backbone\.stem\.1\.(.+)", r"backbone.bn1.\1"),
    (r"backbone\.blocks\.0\.(\d+)\._depthwise_conv\.(.+)", r"backbone.blocks.0.\1.conv_dw.\2"),
    (r"backbone\.blocks\.0\.(\d+)\._project_conv\.(.+)", r"backbone.blocks.0.\1.conv_pw.\2"),
    (r"backbone\.blocks\.0\.(\d+)\._bn([12])\.(.+)", r"backbone.blocks.0.\1.bn\2.\3"),
    (r"backbone\.blocks\.(\d)\.(\d+)\._expand_conv\.(.+)", r"backbone.blocks.\1.\2.conv_pw.\3"),
    (r"backbone\.blocks\.(\d)\.(\d+)\._depthwise_conv\.(.+)", r"backbone.blocks.\1.\2.conv_dw.\3"),
    (r"backbone\.blocks\.(\d)\.(\d+)\._project_conv\.(.+)", r"backbone.blocks.\1.\2.conv_pwl.\3"),
    (r"backbone\.blocks\.(\d)\.(\d+)\._bn0\.(.+)", r"backbone.blocks.\1.\2.bn1.\3"),
    (r"backbone\.blocks\.(\d)\.(\d+)\._bn1\.(.+)", r"backbone.blocks.\1.\2.bn2.\3"),
    (r"backbone\.blocks\.(\d)\.(\d+)\._bn2\.(.+)", r"backbone.blocks.\1.\2.bn3.\3"),
    (r"backbone\.(.+)", r"backbone.\1"),
    (r"spp\.spp\.spp_bn\.(norm|conv)\.(.+)", r"spp.project.\1.\2"),
    (r"spp\.spp\.spp(\d)\.(norm|conv)\.(.+)", r"spp.levels.\1.\2.\3"),
    (r"spp\.spp\.spp_fuse\.(norm|conv)\.(.+)", r"spp.fuse.\1.\2"),
    (r"upsample\.(\d)\.bottleneck\.(norm|conv)\.(.+)", r"up.\1.skip.\2.\3"),
    (r"upsample\.(\d)\.blend_conv\.(norm|conv)\.(.+)", r"up.\1.blend.\2.\3"),
    (r"logits\.(norm|conv)\.(.+)", r"head.\1.\2"),
)
"""Published name -> ours, or None for what nobody uses; the first that fits. In both, ladder step 0 is the
deepest (stride 16). The first stage of an EfficientNet does not expand, so that its norms count otherwise."""

POLICY = (r"policy\.policy_net\.layers\.(.+)", rf"{NAME}.layers.\1")
"""The same of the policy of SegBlocks."""

RESNETS: dict[tuple[int, tuple[int, ...]], str] = {
    (2, (2, 2, 2, 2)): "swiftnet-rn18",
    (2, (3, 4, 6, 3)): "swiftnet-rn34",
    (3, (3, 4, 6, 3)): "swiftnet-rn50",
}
"""Convolutions per block and blocks per stage -> network."""

LITES: dict[tuple[int, ...], str] = {(1, 3, 3, 4, 4, 5, 1): "swiftnet-efficientnet-lite1"}
"""Blocks per stage of an EfficientNet-Lite -> network."""


def recognise(tensors: Mapping[str, Tensor], segnet: str = "swiftnet") -> Recognised | None:
    """Find out which network a state dict without metadata belongs to; None where nothing fits.

    Args:
        tensors: By name.
        segnet: Of a GSVNet, which network it was trained beside: ``swiftnet`` or ``bisenet``.

    Raises:
        WeightsError: It is a published network with a backbone that is not supported.
    """
    if "spp.project.conv.weight" in tensors and "head.conv.weight" in tensors:
        return _ours(tensors)
    prefix = "net." if "net.logits.conv.weight" in tensors else ""
    if f"{prefix}logits.conv.weight" in tensors and f"{prefix}spp.spp.spp_fuse.conv.weight" in tensors:
        return _published(tensors, prefix)
    for recognise_other in (recognise_csp, recognise_bisenet, recognise_tdnet):
        if (found := recognise_other(tensors)) is not None:
            return found
    return recognise_gsvnet(tensors, segnet)


def house_to_published_affine() -> tuple[list[float], list[float]]:
    """Per-channel scale and shift from our normalised frames to those the published weights expect.

    With ``rgb = x * STD + MEAN``, ``(rgb - m) / s`` is ``x * (STD / s) + (MEAN - m) / s``.
    """
    scale = [ours / theirs for ours, theirs in zip(STD, PUBLISHED_STD, strict=True)]
    shift = [(mean - m) / s for mean, m, s in zip(MEAN, PUBLISHED_MEAN, PUBLISHED_STD, strict=True)]
    return scale, shift


def _published(tensors: Mapping[str, Tensor], prefix: str) -> Recognised:
    affine = house_to_published_affine()
    found = {
        f"input_affine.{part}": torch.tensor(values).view(1, 3, 1, 1)
        for part, values in zip(("scale", "shift"), affine, strict=True)
    }
    ignored: list[str] = []
    for name, tensor in tensors.items():
        if prefix and not name.startswith(prefix):
            ours = renamed(name, (POLICY,))
        else:
            ours = renamed(name.removeprefix(prefix), RENAMES)
        if ours is None:
            ignored.append(name)
        else:
            found[ours] = tensor
    classes = int(found["head.conv.weight"].shape[0])
    return Recognised(
        source="SegBlocks" if prefix else "BlockCopy",
        network=_network(found),
        options={
            "classes": classes,
            "width": int(found["spp.fuse.conv.weight"].shape[0]),
            "input_affine": affine,
        },
        class_set=CITYSCAPES if classes == len(CITYSCAPES) else None,
        tensors=found,
        ignored=tuple(ignored),
    )


def _ours(tensors: Mapping[str, Tensor]) -> Recognised:
    options: dict[str, Any] = {
        "classes": int(tensors["head.conv.weight"].shape[0]),
        "width": int(tensors["spp.fuse.conv.weight"].shape[0]),
    }
    if "input_affine.scale" in tensors and "input_affine.shift" in tensors:
        scale, shift = tensors["input_affine.scale"], tensors["input_affine.shift"]
        options["input_affine"] = (scale.flatten().tolist(), shift.flatten().tolist())
    return Recognised("Saccade", _network(tensors), options, None, dict(tensors))


def _network(tensors: Mapping[str, Tensor]) -> str:
    """Which network it is, by the blocks of its backbone."""
    if "backbone.conv_stem.weight" in tensors:
        return _lite(tensors)
    convolutions, stages = resnet_of(tensors)
    if (convolutions, stages) in RESNETS:
        return RESNETS[convolutions, stages]
    raise WeightsError(
        f"this is a SwiftNet whose backbone has {stages} blocks per stage with {convolutions} "
        f"convolutions each; known are {', '.join(f'{k[1]} with {k[0]} ({n})' for k, n in RESNETS.items())}"
    )


def _lite(tensors: Mapping[str, Tensor]) -> str:
    """Which EfficientNet-Lite the backbone is."""
    found = {
        (int(match[1]), int(match[2]))
        for name in tensors
        if (match := re.match(r"backbone\.blocks\.(\d)\.(\d+)\.", name))
    }
    stages = tuple(sum(s == stage for s, _ in found) for stage in sorted({s for s, _ in found}))
    if stages not in LITES:
        raise WeightsError(
            f"this is a SwiftNet on an EfficientNet with {stages} blocks per stage; known are "
            f"{', '.join(f'{k} ({n})' for k, n in LITES.items())}"
        )
    return LITES[stages]
