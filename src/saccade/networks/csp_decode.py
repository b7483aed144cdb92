"""From the maps of CSP to boxes: a centre and a height per box, the width from the height."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torchvision.ops import batched_nms

from saccade.networks.detector import Boxes

STRIDE = 4
"""Pixels of the frame from one position of the maps to the next."""

ASPECT = 0.41
"""Width of a box over its height: the mean of pedestrians."""

MOST_CANDIDATES = 1000
"""Positions with the highest scores that are looked at."""

MOST_BOXES = 100
"""Boxes of a frame."""


@dataclass(frozen=True)
class Thresholds:
    """What is kept of the candidates.

    Attributes:
        score: Boxes with more than this.
        iou: Of two boxes of a class that overlap by more than this, the one with the higher score.
    """

    score: float = 0.1
    iou: float = 0.5


@torch.no_grad()
def decode(
    centre: Tensor,
    log_height: Tensor,
    offset: Tensor,
    size: tuple[int, int],
    thresholds: Thresholds | None = None,
) -> list[Boxes]:
    """Boxes of N frames.

    Position ``(i, j)`` stands for the pixel ``(x, y) = (4 j + 2, 4 i + 2)``, moved by four times its offset.

    Args:
        centre: ``(N, K, h, w)`` logits of "the centre of an object of this class is here".
        log_height: ``(N, 1, h, w)`` natural logarithm of the height in units of four pixels.
        offset: ``(N, 2, h, w)``, first down, then to the right, in units of four pixels.
        size: ``(H, W)`` of the frames; boxes are clipped to ``[0, W - 1]`` by ``[0, H - 1]``.
        thresholds: What is kept.
    """
    thresholds = thresholds or Thresholds()
    scores = centre.float().sigmoid()
    return [_of_frame(*maps, size, thresholds) for maps in zip(scores, log_height, offset, strict=True)]


def _of_frame(
    scores: Tensor, log_height: Tensor, offset: Tensor, size: tuple[int, int], thresholds: Thresholds
) -> Boxes:
    columns = scores.shape[2]
    best, index = scores.flatten().topk(min(MOST_CANDIDATES, scores.numel()))
    index = index[best > thresholds.score]
    best = best[: len(index)]
    positions = scores.shape[1] * columns
    label, position = index // positions, index % positions
    down, right = offset.flatten(1)[:, position].float()
    y = STRIDE * (position // columns + 0.5 + down)
    x = STRIDE * (position % columns + 0.5 + right)
    half_height = STRIDE * log_height.flatten()[position].float().exp() / 2
    half_width = ASPECT * half_height
    boxes = torch.stack([x - half_width, y - half_height, x + half_width, y + half_height], 1)
    highest = boxes.new_tensor([size[1] - 1, size[0] - 1, size[1] - 1, size[0] - 1])
    boxes = torch.minimum(boxes.clamp(min=0), highest)
    kept = batched_nms(boxes, best, label, thresholds.iou)[:MOST_BOXES]
    return Boxes(boxes[kept], best[kept], label[kept])
