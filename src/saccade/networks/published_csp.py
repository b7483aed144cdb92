"""Key names of CSP checkpoints: those of Pedestron, which BlockCopy's detection runs on, and our own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from saccade.classes import PEDESTRIANS
from saccade.errors import WeightsError
from saccade.networks.recognised import Recognised, renamed, resnet_of

BRANCHES = {"cls": "centre", "reg": "height", "offset": "offset"}
"""Published name of a branch of the head -> ours."""

RENAMES = (
    (r"backbone\.(.+)", r"backbone.\1"),
    *((rf"neck\.p{level}\.(.+)", rf"neck.{level - 3}.conv.\1") for level in (3, 4, 5)),
    *((rf"neck\.p{level}_l2\.(.+)", rf"neck.{level - 3}.norm.\1") for level in (3, 4, 5)),
    *(
        (rf"bbox_head\.{theirs}_convs\.0\.conv\.(.+)", rf"{ours}.conv.\1")
        for theirs, ours in BRANCHES.items()
    ),
    *((rf"bbox_head\.{theirs}_convs\.0\.gn\.(.+)", rf"{ours}.norm.\1") for theirs, ours in BRANCHES.items()),
    *((rf"bbox_head\.csp_{theirs}\.(.+)", rf"{ours}.out.\1") for theirs, ours in BRANCHES.items()),
    (r"bbox_head\.reg_scales\.0\.scale", "height_scale"),
    (r"bbox_head\.offset_scales\.0\.scale", "offset_scale"),
)
"""Published name -> ours. Frames have ImageNet's statistics in both, so nothing else differs."""

RESNETS: dict[tuple[int, tuple[int, ...]], str] = {
    (2, (2, 2, 2, 2)): "csp-rn18",
    (3, (3, 4, 6, 3)): "csp-rn50",
}
"""Convolutions per block and blocks per stage -> network."""


def recognise_csp(tensors: Mapping[str, Tensor]) -> Recognised | None:
    """The network of a state dict with the names of CSP; None where it has others.

    Raises:
        WeightsError: It is a CSP with a backbone that is not supported.
    """
    if "bbox_head.csp_cls.weight" in tensors and "neck.p3.weight" in tensors:
        ours = {name: renamed(name, RENAMES) for name in tensors}
        found = {new: tensors[name] for name, new in ours.items() if new is not None}
        for name in ("height_scale", "offset_scale"):
            if name in found and found[name].numel() == 1:
                found[name] = found[name].reshape(())
        ignored = tuple(name for name, new in ours.items() if new is None)
        return _recognised("Pedestron", found, ignored)
    if "centre.out.weight" in tensors and "neck.0.conv.weight" in tensors:
        return _recognised("Saccade", dict(tensors))
    return None


def _recognised(source: str, tensors: dict[str, Tensor], ignored: tuple[str, ...] = ()) -> Recognised:
    resnet = resnet_of(tensors)
    if resnet not in RESNETS:
        raise WeightsError(
            f"this is a CSP whose backbone has {resnet[1]} blocks per stage with {resnet[0]} convolutions "
            f"each; known are {', '.join(f'{k[1]} with {k[0]} ({n})' for k, n in RESNETS.items())}"
        )
    classes = int(tensors["centre.out.weight"].shape[0])
    options: dict[str, Any] = {"classes": classes, "width": int(tensors["centre.out.weight"].shape[1])}
    class_set = PEDESTRIANS if classes == len(PEDESTRIANS) else None
    return Recognised(source, RESNETS[resnet], options, class_set, tensors, ignored)
