"""What every estimator of optical flow does: two frames in, backward flow and its cost out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from torch import Tensor, nn

from saccade.networks.macs import count_macs


class FlowEstimator(nn.Module, ABC):
    """Backward optical flow: for each pixel of a frame, where its content was in an earlier frame."""

    @abstractmethod
    def forward(self, now: Tensor, before: Tensor) -> Tensor:
        """Flow between two frames of each of N videos.

        Args:
            now: ``(N, 3, H, W)`` normalised frames, any size.
            before: Earlier frames, of the same shape.

        Returns:
            ``(N, 2, h, w)`` float32 ``(dx, dy)`` in pixels of this map, which shows the whole frame: what is
            at ``(x, y)`` now was at ``(x + dx, y + dy)``. ``resize_flow`` brings it to another resolution.
        """

    def predictions(self, now: Tensor, before: Tensor) -> list[Tensor]:
        """Every flow that a loss can compare with the truth, the final one first; as from ``forward``."""
        return [self(now, before)]

    def macs(self, frames_shape: Sequence[int]) -> float:
        """MACs of ``forward`` on two batches of this shape."""
        return count_macs(self, frames_shape, frames_shape)


def whole(size: int, reduction: int, stride: int) -> int:
    """``size / reduction``, or a little more: reduced pixels that a network of this stride divides evenly."""
    return max(1, -(-size // (reduction * stride))) * stride
