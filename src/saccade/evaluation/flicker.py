"""Do labels change where nothing moves?"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torchmetrics import Metric

from saccade.evaluation.flow import squared_length

STILL = 0.25
"""Motion of less than this from one frame to the next, in pixels, is none."""


class Flicker(Metric):
    """Share of the pixels that stand still, and have another label than in the frame before.

    A pixel stands still if its scene point was visible in the frame before, and moved by less than ``STILL``.
    Whether a change is for the better plays no part: a label that changes there was wrong, or is.

    Attributes:
        changed, still, pixels: How many pixels so far: of them that changed, that stood still, and all.
    """

    full_state_update = False
    changed: Tensor
    still: Tensor
    pixels: Tensor

    def __init__(self) -> None:
        super().__init__()
        for name in ("changed", "still", "pixels"):
            self.add_state(name, torch.tensor(0), dist_reduce_fx="sum")

    def update(
        self, previous: np.ndarray, current: np.ndarray, flow: np.ndarray, occluded: np.ndarray | None = None
    ) -> None:
        """Count a pair of consecutive frames; arguments as for ``TemporalConsistency.update``."""
        still = squared_length(flow) < STILL**2
        if occluded is not None:
            still &= ~occluded
        self.pixels += still.size
        self.still += int(still.sum())
        self.changed += int((still & (previous != current)).sum())

    def compute(self) -> Tensor:
        """The share in 0..1, float64; NaN where nothing stood still."""
        return self.changed.double() / self.still
