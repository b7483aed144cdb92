"""The fusion of Accel: one 1x1 convolution of two maps, one above the other (Jain et al., CVPR 2019)."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from saccade.errors import NetworkError
from saccade.networks.beside import load_beside
from saccade.networks.registry import NetworkInfo, attach_info

NAME = "accel-fusion"
"""What weights files of fusions say."""

NOISE = 0.01
"""Standard deviation of the original's first weights for scores."""


class Fusion(nn.Conv2d):
    """A map out of two, each with C channels.

    Args:
        classes: C: the number of classes, or of features.
        share: Of the moved map at the start, the rest is of the current one: 0.5 for their mean, 0 for the
            current one alone, as the original begins with features. None draws weights from N(0, 0.01), as
            the original does for scores.
    """

    def __init__(self, classes: int, share: float | None = 0.5) -> None:
        if classes < 1:
            raise NetworkError(f"a fusion needs at least one channel, not {classes}")
        super().__init__(2 * classes, classes, 1)
        assert self.bias is not None
        nn.init.zeros_(self.bias)
        if share is None:
            nn.init.normal_(self.weight, std=NOISE)
        else:
            one = torch.eye(classes)
            self.weight.data = torch.cat((share * one, (1 - share) * one), 1)[:, :, None, None]
        attach_info(self, NetworkInfo(NAME, None, None, {"classes": classes}))

    def forward(self, moved: Tensor, current: Tensor) -> Tensor:  # type: ignore[override]
        """``(N, C, h, w)``.

        Args:
            moved: ``(N, C, h, w)`` from a key frame.
            current: ``(N, C, h, w)`` of the frame itself.
        """
        return super().forward(torch.cat((moved, current), 1))


def load_fusion(name_or_path: str | Path) -> Fusion:
    """A trained fusion in evaluation mode.

    Args:
        name_or_path: Name of shipped weights, or a file.

    Raises:
        WeightsError: There are none, or they are of something else.
    """
    return load_beside(name_or_path, NAME, Fusion, "a fusion of Accel")
