"""How often a method gives the label that frame-by-frame execution of the same network gives."""

from __future__ import annotations

import torch
from torch import Tensor
from torchmetrics import Metric


class Agreement(Metric):
    """Share of all pixels with the same label."""

    full_state_update = False
    equal: Tensor
    pixels: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("equal", torch.tensor(0), dist_reduce_fx="sum")
        self.add_state("pixels", torch.tensor(0), dist_reduce_fx="sum")

    def update(self, labels: Tensor, dense: Tensor) -> None:
        """Count label maps of the same shape.

        Args:
            labels: Class ids of the method.
            dense: Class ids of frame-by-frame execution.

        Raises:
            ValueError: The shapes differ.
        """
        if labels.shape != dense.shape:
            raise ValueError(f"labels {tuple(labels.shape)} and {tuple(dense.shape)} cannot be compared")
        self.equal += (labels == dense).sum().to(self.equal.device)
        self.pixels += labels.numel()

    def compute(self) -> Tensor:
        """The share in 0..1, float64; NaN before the first update."""
        return self.equal.double() / self.pixels
