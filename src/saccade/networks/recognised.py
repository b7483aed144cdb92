"""State dicts whose network is known by the names of their tensors alone."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from saccade.classes import ClassSet


@dataclass(frozen=True, eq=False)
class Recognised:
    """A state dict whose network is known.

    Attributes:
        source: Who wrote it.
        network: Registered name.
        options: Constructor arguments of that network.
        class_set: None where the class count does not tell.
        tensors: Under our names.
        ignored: Names that are not part of the network.
    """

    source: str
    network: str
    options: dict[str, Any]
    class_set: ClassSet | None
    tensors: dict[str, Tensor]
    ignored: tuple[str, ...] = ()


def resnet_of(tensors: Mapping[str, Tensor]) -> tuple[int, tuple[int, ...]]:
    """Which ResNet ``backbone.`` is: convolutions per block, and blocks in each stage."""
    blocks: dict[int, set[int]] = {}
    convolutions = 0
    for name in tensors:
        match = re.fullmatch(r"backbone\.layer(\d)\.(\d+)\.conv(\d)\.weight", name)
        if match:
            stage, block, convolution = map(int, match.groups())
            blocks.setdefault(stage, set()).add(block)
            convolutions = max(convolutions, convolution)
    return convolutions, tuple(len(blocks[stage]) for stage in sorted(blocks))


def renamed(name: str, renames: Sequence[tuple[str, str | None]]) -> str | None:
    """Our name of a published one, by the first pattern that fits it; None where it has none."""
    for pattern, ours in renames:
        match = re.fullmatch(pattern, name)
        if match:
            return None if ours is None else match.expand(ours)
    return None
