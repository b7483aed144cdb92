"""Do labels stay with the things they name while these move?"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torchmetrics import Metric

from saccade.classes import IGNORE
from saccade.evaluation.confusion import count_pairs, iou_of


def warp_labels(previous: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """The previous frame's labels moved to where their scene points are now.

    Args:
        previous: ``(H, W)`` uint8 class ids of the previous frame.
        flow: ``(H, W, 2)`` backward flow ``(dx, dy)`` in pixels, as ``Sample.flow``.

    Returns:
        ``(H, W)`` uint8: at ``(x, y)`` the label of the pixel nearest to ``(x + dx, y + dy)``; ``IGNORE``
        where that is outside the frame.
    """
    height, width = previous.shape
    x = np.rint(np.arange(width) + flow[..., 0])
    y = np.rint(np.arange(height)[:, None] + flow[..., 1])
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    source = np.where(inside, y * width + x, 0).astype(np.int64)
    return np.where(inside, previous.ravel()[source], np.uint8(IGNORE))


class TemporalConsistency(Metric):
    """Agreement of each prediction with the previous one, moved along a fixed optical flow.

    For each pair of consecutive frames the previous labels are warped to the current frame (backward
    flow, nearest pixel). Over the pixels that were visible in the previous frame (not occluded, not from
    outside the image) the mean IoU between the warped and the current labels is taken, over the classes
    that occur in either. The score is the mean over all pairs. This is the temporal consistency of Liu et
    al. (Efficient Semantic Video Segmentation with Per-frame Inference, ECCV 2020), with occluded pixels
    left out. Ground truth plays no part, and the flow is not that of the method under test.

    Args:
        classes: K, the number of classes.

    Attributes:
        pairs: Number of frame pairs so far; a pair without any visible pixel does not count.
    """

    full_state_update = False
    pairs: Tensor
    total_miou: Tensor
    total_share: Tensor

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.classes = classes
        self.add_state("pairs", torch.tensor(0), dist_reduce_fx="sum")
        self.add_state("total_miou", torch.tensor(0.0, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("total_share", torch.tensor(0.0, dtype=torch.float64), dist_reduce_fx="sum")

    def update(
        self, previous: np.ndarray, current: np.ndarray, flow: np.ndarray, occluded: np.ndarray | None = None
    ) -> None:
        """Count a pair of consecutive frames.

        Args:
            previous: ``(H, W)`` uint8 labels predicted for the previous frame.
            current: ``(H, W)`` uint8 labels predicted for this frame.
            flow: ``(H, W, 2)`` backward flow from this frame to the previous one, in pixels.
            occluded: ``(H, W)`` bool, True where the scene point was not visible in the previous frame.
        """
        warped = warp_labels(previous, flow)
        if occluded is not None:
            warped[occluded] = IGNORE
        counts = count_pairs(torch.from_numpy(current), torch.from_numpy(warped), self.classes)
        visible = counts.sum()
        if visible == 0:
            return
        self.pairs += 1
        self.total_miou += iou_of(counts).nanmean()
        self.total_share += counts.trace() / visible

    def compute(self) -> dict[str, Tensor]:
        """``miou``, the score, and ``pixels``, the mean share of visible pixels with an equal label.

        Both are float64 in 0..1, and NaN before the first pair.
        """
        return {"miou": self.total_miou / self.pairs, "pixels": self.total_share / self.pairs}
