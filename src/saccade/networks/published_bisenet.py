"""Key names of BiSeNet-R18 checkpoints, in the form of TorchSeg that GSVNet runs on."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from saccade.classes import CITYSCAPES
from saccade.errors import WeightsError
from saccade.networks.recognised import Recognised, renamed

UNITS = {
    r"spatial_path\.conv_7x7": "spatial.0",
    r"spatial_path\.conv_3x3_1": "spatial.1",
    r"spatial_path\.conv_3x3_2": "spatial.2",
    r"spatial_path\.conv_1x1": "spatial.3",
    r"global_context\.1": "whole",
    r"arms\.(\d)\.conv_3x3": r"attention.\1.conv",
    r"arms\.(\d)\.channel_attention\.1": r"attention.\1.weigh",
    r"refines\.(\d)": r"refine.\1",
    r"ffm\.conv_1x1": "fusion.conv",
    r"heads\.2\.conv_3x3": "head.0",
    r"heads\.([01])\.conv_3x3": r"auxiliary.\1.0",
}
"""Published name of a convolution with its batch norm -> ours."""

RENAMES = (
    (r"context_path\.fc\..+", None),
    (r"context_path\.(.+)", r"backbone.\1"),
    *((rf"{theirs}\.conv\.(?P<part>.+)", rf"{ours}.0.\g<part>") for theirs, ours in UNITS.items()),
    *((rf"{theirs}\.bn\.(?P<part>.+)", rf"{ours}.1.\g<part>") for theirs, ours in UNITS.items()),
    (r"ffm\.channel_attention\.([12])\.conv\.weight", r"fusion.weigh.\1.weight"),
    (r"heads\.2\.conv_1x1\.(.+)", r"head.1.\1"),
    (r"heads\.([01])\.conv_1x1\.(.+)", r"auxiliary.\1.1.\2"),
)
"""Published name -> ours, or None for what is not part of the network. Frames have ImageNet's statistics in
both, so nothing else differs."""

ATTENTION = {"fusion.weigh.1.weight": "fusion.weigh.0.weight"}
"""The published module counts the pooling before the first convolution."""


def recognise_bisenet(tensors: Mapping[str, Tensor]) -> Recognised | None:
    """The network of a state dict with the names of BiSeNet; None where it has others.

    Raises:
        WeightsError: It is a BiSeNet of another form.
    """
    if "cp.arm16.conv.conv.weight" in tensors:
        raise WeightsError(
            "this is a BiSeNet of CoinCheung/BiSeNet, whose layers differ from GSVNet's (TorchSeg's), which "
            "are the ones supported; give one of the latter, or your own code as --network MODULE:CALLABLE"
        )
    if "spatial_path.conv_7x7.conv.weight" not in tensors or "heads.2.conv_1x1.weight" not in tensors:
        return None
    found: dict[str, Tensor] = {}
    ignored = []
    for name, tensor in tensors.items():
        ours = renamed(name, RENAMES)
        if ours is None:
            ignored.append(name)
        else:
            found[ATTENTION.get(ours, ours)] = tensor
    classes = int(found["head.1.weight"].shape[0])
    return Recognised(
        source="GSVNet",
        network="bisenet-r18",
        options={"classes": classes, "auxiliary": "auxiliary.0.1.weight" in found},
        class_set=CITYSCAPES if classes == len(CITYSCAPES) else None,
        tensors=found,
        ignored=tuple(ignored),
    )
