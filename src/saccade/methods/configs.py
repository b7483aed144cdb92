"""The configuration of every method.

A configuration is a frozen dataclass: it is the method's documentation, its Python signature, the schema
of its YAML and its command line flags (help texts come from ``Args``). This file imports no torch, so that
the command line can explain all flags at once.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class FrameConfig:
    """Frame by frame: the network runs in full on every frame.

    Args:
        compile: Compile the network with torch.compile. The first frames of each size then take minutes,
            the others less time than without.
    """

    compile: bool = False
