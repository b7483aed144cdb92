"""What makes a network a detector: maps per frame, and boxes that follow from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from torch import Tensor, nn


@dataclass(frozen=True, eq=False)
class Boxes:
    """Objects found in one frame, best first.

    Attributes:
        xyxy: ``(n, 4)`` float32 left, top, right, bottom, in pixels of the frame; a pixel's own edges are at
            whole numbers, so that the frame spans 0 to W and 0 to H.
        scores: ``(n,)`` float32, 0..1.
        labels: ``(n,)`` int64 class ids.
    """

    xyxy: Tensor
    scores: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self, chosen: Tensor) -> Boxes:
        """Those of a mask or of indices."""
        return Boxes(self.xyxy[chosen], self.scores[chosen], self.labels[chosen])

    def above(self, score: float) -> Boxes:
        """Those with more than this score."""
        return self[self.scores > score]

    def resized(self, height: float, width: float) -> Boxes:
        """The same on a frame that is ``height`` times as high and ``width`` times as wide."""
        factors = self.xyxy.new_tensor([width, height, width, height])
        return Boxes(self.xyxy * factors, self.scores, self.labels)

    def cpu(self) -> Boxes:
        """The same on the CPU."""
        return Boxes(self.xyxy.cpu(), self.scores.cpu(), self.labels.cpu())


@runtime_checkable
class Detector(Protocol):
    """A module whose ``forward`` maps normalised frames to tensors, and which makes boxes of these.

    The two are apart so that the block engine can run the first.
    """

    def decode(self, maps: Any, size: tuple[int, int]) -> Sequence[Boxes]:
        """Boxes of each frame.

        Args:
            maps: What ``forward`` returned for N frames.
            size: ``(H, W)`` of the frames.

        Returns:
            N of them.
        """
        ...


def is_detector(network: nn.Module) -> bool:
    """Whether a network finds boxes (it has ``decode``) rather than classes of pixels."""
    return isinstance(network, Detector)
