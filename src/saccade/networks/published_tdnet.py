"""Key names of TDNet checkpoints (TD4-PSP18 and TD2-PSP50), which count sub-networks from one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import accumulate

from torch import Tensor

from saccade.classes import CITYSCAPES
from saccade.networks.recognised import Recognised

STAGES = {"td4-psp18": (2, 2, 2, 2), "td2-psp50": (3, 4, 6, 3)}
"""Blocks of each stage."""

DEEP = {
    "conv1.0": "0.0",
    "conv1.1": "0.1",
    "conv1.3": "2.0",
    "conv1.4": "2.1",
    "conv1.6": "4.0",
    "bn1": "4.1",
}
"""The stem of three convolutions -> ours."""

PLAIN = {"conv1": "0.0", "bn1": "0.1"}
"""The same of a 7x7 convolution."""

ENCODING = {"w_qs.0.conv": "query.0", "w_qs.0.bn": "query.1", "w_qs.1.conv": "query.3"}
ENCODING |= {name.replace("qs", "ks"): ours.replace("query", "key") for name, ours in ENCODING.items()}
ENCODING |= {"w_vs.0.conv": "value"}
"""Keys, queries and values."""


def recognise_tdnet(tensors: Mapping[str, Tensor]) -> Recognised | None:
    """The network of a state dict with the names of TDNet; None where it has others."""
    if "pretrained1.bn1.weight" not in tensors or "enc1.w_vs.0.conv.weight" not in tensors:
        return None
    form = "td4-psp18" if "pretrained4.bn1.weight" in tensors else "td2-psp50"
    found: dict[str, Tensor] = {}
    ignored = []
    for name, tensor in tensors.items():
        ours = our_name(name, form)
        if ours is None:
            ignored.append(name)
        else:
            found[ours] = tensor
    classes = int(found["paths.0.head.4.weight"].shape[0])
    return Recognised(
        source="TDNet",
        network=form,
        # The published norm scales and shifts every pixel of a map of one size.
        options={"classes": classes, "norm_grid": tuple(found["paths.0.norm.weight"].shape)},
        class_set=CITYSCAPES if classes == len(CITYSCAPES) else None,
        tensors=found,
        ignored=tuple(ignored),
    )


def our_name(name: str, form: str) -> str | None:
    """Ours for a published name; None for what is not part of the network."""
    match = re.fullmatch(r"(pretrained|psp|enc|atn|layer_norm|head)(\d)(?:_(\d))?\.(.+)\.(\w+)", name)
    if match is None:
        return None
    part, number, other, layer, leaf = match.groups()
    path = f"paths.{int(number) - 1}"
    ours: str | None = None
    if part == "pretrained":
        ours = _backbone(layer, form)
    elif part == "psp" and (level := re.fullmatch(r"conv(\d)\.([01])", layer)):
        ours = f"pyramid.levels.{int(level[1]) - 1}.{level[2]}"
    elif part == "enc":
        ours = ENCODING.get(layer)
    elif part == "layer_norm":
        ours = "norm"
    elif part == "head" and layer.startswith("conv5."):
        ours = layer.replace("conv5", "head")
    elif part == "atn" and layer == "fc.0.conv":
        # atn1_2, atn1_3, atn1_4 are what the first sub-network goes through, the oldest frame first.
        step = 0 if other is None else (int(other) - 1 - int(number)) % len(STAGES[form])
        return f"attention.{int(number) - 1}.{step}.project.{leaf}"
    return None if ours is None else f"{path}.{ours}.{leaf}"


def _backbone(layer: str, form: str) -> str | None:
    stem = DEEP if form == "td2-psp50" else PLAIN
    if layer in stem:
        return f"backbone.stem.{stem[layer]}"
    match = re.fullmatch(r"layer(\d)\.(\d+)\.(conv|bn|downsample)\.?(\d)", layer)
    if match is None:
        return None
    stage, block, kind, number = match.groups()
    before = (0, *accumulate(STAGES[form]))[int(stage) - 1]
    name = f"backbone.stages.{before + int(block)}"
    if kind == "downsample":
        return f"{name}.project.{number}"
    return f"{name}.layers.{int(number) - 1}.{int(kind == 'bn')}"
