"""Key names of GSVNet checkpoints: the correction, and the light flow network beside it.

Both see frames with the channels in reverse, and with the statistics of the network they were trained beside,
which the file does not name.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from saccade.classes import CITYSCAPES
from saccade.errors import WeightsError
from saccade.networks import correction
from saccade.networks.recognised import Recognised, renamed
from saccade.video.frame import MEAN, STD

STATISTICS = {
    "swiftnet": ((73.15 / 255, 82.90 / 255, 72.3 / 255), (47.67 / 255, 48.49 / 255, 47.73 / 255)),
    "bisenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}
"""Network that was corrected -> mean and standard deviation of its RGB frames."""

CORRECTION = (
    (r"grm\.intra_net\.intra_net\.(0|3)\.(.+)", r"intra.\1.0.\2"),
    (r"grm\.intra_net\.intra_net\.(1|4)\.(.+)", r"intra.\1.1.\2"),
    (r"grm\.intra_net\.intra_net\.6\.(.+)", r"intra.2.\1"),
    (r"grm\.guide\.guide_conv\.([01])\.(.+)", r"guide.first.\1.\2"),
    (r"grm\.guide\.guide_conv_feat\.([01])\.(.+)", r"guide.down.0.\1.\2"),
    (r"grm\.guide\.guide_conv_feat\.3\.(.+)", r"guide.down.1.0.\1"),
    (r"grm\.guide\.guide_conv_feat\.4\.(.+)", r"guide.down.1.1.\1"),
    (r"grm\.guide\.guide_deconv\.1\.(.+)", r"guide.up.0.0.\1"),
    (r"grm\.guide\.guide_deconv\.2\.(.+)", r"guide.up.0.1.\1"),
    (r"grm\.guide\.guide_deconv\.5\.(.+)", r"guide.up.1.0.\1"),
    (r"grm\.guide\.guide_deconv\.6\.(.+)", r"guide.up.1.1.\1"),
    (r"grm\.guide\.guide_decoder\.([01])\.(.+)", r"guide.last.\1.\2"),
)
"""Published name -> ours. ``intra.3.0`` and the like are set right below."""

INTRA = {"intra.1.1": "intra.0.1", "intra.3.0": "intra.1.0", "intra.4.1": "intra.1.1"}
"""Where the published module counts every layer, and ours counts by threes."""

FLOW = (
    (r"conv1\.([01])\.(.+)", r"stem.0.\1.\2"),
    (r"conv2\.([01])\.(.+)", r"stem.1.\1.\2"),
    *((rf"conv_dilate_{i + 1}\.([01])\.(.+)", rf"wide.{i}.\1.\2") for i in range(4)),
    (r"conv_merge\.([01])\.(.+)", r"fuse.\1.\2"),
    (r"toflow\.(.+)", r"flow.\1"),
)
"""The same of the light flow network."""

KERNELS = "grm.ideal_dk.filter_copy_s"
"""Published name of the kernels that shift scores by a pixel."""


def recognise_gsvnet(tensors: Mapping[str, Tensor], segnet: str = "swiftnet") -> Recognised | None:
    """What a state dict with the names of GSVNet holds; None where it has others.

    Args:
        tensors: By name.
        segnet: Which network it was trained beside: ``swiftnet`` or ``bisenet``.

    Raises:
        WeightsError: The kernels that shift scores were trained, or there is no such network.
    """
    flow = "toflow.weight" in tensors and "conv_dilate_1.0.weight" in tensors
    if not flow and "grm.guide.guide_conv.0.weight" not in tensors:
        return None
    if segnet not in STATISTICS:
        raise WeightsError(f"GSVNet has no network {segnet!r}; choose one of {', '.join(STATISTICS)}")
    if KERNELS in tensors and not torch.equal(tensors[KERNELS].float(), shifts()):
        raise WeightsError("its kernels that shift scores were trained, and only fixed ones are supported")
    found: dict[str, Tensor] = {}
    ignored = []
    for name, tensor in tensors.items():
        ours = renamed(name, FLOW if flow else CORRECTION)
        if ours is None:
            ignored.append(name)
            continue
        layer, _, rest = ours.rpartition(".")
        found[f"{INTRA.get(layer, layer)}.{rest}"] = tensor
    first = "stem.0.0.weight" if flow else "intra.0.0.weight"
    found[first] = found[first].unflatten(1, (-1, 3)).flip(2).flatten(1, 2)  # from BGR to RGB
    scale, shift = affine = _affine(segnet)
    found["input_affine.scale"] = torch.tensor(scale).view(1, 3, 1, 1)
    found["input_affine.shift"] = torch.tensor(shift).view(1, 3, 1, 1)
    if flow:
        return Recognised("GSVNet", "light", {"legacy": True, "input_affine": affine}, None, found)
    classes = int(found["intra.2.weight"].shape[0])
    return Recognised(
        source="GSVNet",
        network=correction.NAME,
        options={"classes": classes, "legacy": True, "input_affine": affine},
        class_set=CITYSCAPES if classes == len(CITYSCAPES) else None,
        tensors=found,
        ignored=tuple(ignored),
    )


def shifts() -> Tensor:
    """The published kernels ``(9, 1, 1, 3, 3)``: each reads one neighbour, the ninth nothing."""
    kernels = torch.zeros(len(correction.NEIGHBOURS) + 1, 1, 1, 3, 3)
    for kernel, (dy, dx) in zip(kernels, correction.NEIGHBOURS, strict=False):
        kernel[..., 1 + dy, 1 + dx] = 1
    return kernels


def _affine(segnet: str) -> tuple[list[float], list[float]]:
    """From our normalised frames to those that these weights expect."""
    means, stds = STATISTICS[segnet]
    scale = [ours / theirs for ours, theirs in zip(STD, stds, strict=True)]
    shift = [(ours - theirs) / std for ours, theirs, std in zip(MEAN, means, stds, strict=True)]
    return scale, shift
