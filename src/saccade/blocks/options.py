"""How the engine executes blocks, and where that differs from dense execution on purpose."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class EngineOptions:
    """How blocks are executed.

    Attributes:
        bilinear: ``exact`` looks at neighbouring blocks; ``per_block`` enlarges each block alone with its
            edge repeated, as the original BlockCopy does. Enlargement by other than whole factors, and with
            ``align_corners``, is always exact.
        statistics: Of group and instance norm: those of the whole ``map`` at its latest values, or of the
            ``executed`` blocks only, as the original BlockCopy.
        dense_above: Share of the blocks above which the whole frame is executed densely; None for what was
            measured on this machine to be faster. At more than 1 no frame is, not even with all blocks.
        winograd: 3x3 convolutions on the CPU may run by Winograd's algorithm where that was measured to be
            faster. In float32 its rounding is some ten times that of plain convolution, a few millionths
            of a layer's largest value.
        fill_batches: Batches of blocks are filled up to one of few sizes, at most a quarter more, because a
            convolution of a new size takes long the first time. False where frame after frame executes the
            same number of blocks.
    """

    bilinear: Literal["exact", "per_block"] = "exact"
    statistics: Literal["map", "executed"] = "map"
    dense_above: float | None = None
    winograd: bool = True
    fill_batches: bool = field(default=True, repr=False)  # what is measured does not depend on it
