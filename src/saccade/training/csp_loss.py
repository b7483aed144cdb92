"""The loss of CSP: centres, heights and offsets (Liu et al., CVPR 2019, section 3.3)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

WEIGHTS = (0.01, 1.0, 0.1)
"""Of the losses of centres, heights and offsets."""


def csp_loss(
    maps: tuple[Tensor, Tensor, Tensor], targets: Tensor, weights: tuple[float, float, float] = WEIGHTS
) -> Tensor:
    """Loss of a batch.

    Args:
        maps: Logits of centres ``(N, K, h, w)``, logarithms of heights ``(N, 1, h, w)``, offsets
            ``(N, 2, h, w)``.
        targets: ``(N, 2 K + 6, h, w)``, as ``csp_targets`` gives them.
        weights: Of the losses of centres, heights and offsets.

    Returns:
        Scalar.
    """
    centre, height, offset = (each.float() for each in maps)
    classes = centre.shape[1]
    centres, gaussians = targets[:, :classes], targets[:, classes : 2 * classes]
    valid, log_height, learned, down, right, moved = targets[:, 2 * classes :].unbind(1)
    boxes = centres.sum().clamp(min=1)

    relative = height[:, 0] / torch.where(learned > 0, log_height, torch.ones_like(log_height))
    off_height = F.smooth_l1_loss(relative, torch.ones_like(relative), reduction="none")
    height_loss = (off_height * learned).sum() / learned.sum().clamp(min=1)

    off_centre = F.smooth_l1_loss(offset, torch.stack([down, right], 1), reduction="none").sum(1)
    offset_loss = (off_centre * moved).sum() / moved.sum().clamp(min=1)

    centre_loss = focal_loss(centre, centres, gaussians, valid[:, None]) / boxes
    return weights[0] * centre_loss + weights[1] * height_loss + weights[2] * offset_loss


def focal_loss(logits: Tensor, centres: Tensor, gaussians: Tensor, valid: Tensor) -> Tensor:
    """Sum of the cross-entropy of centres, hard positions weighing more, those near a centre less.

    A centre weighs ``(1 - p)^2``, every other valid position ``p^2 (1 - G)^4``.
    """
    p = logits.sigmoid()
    weights = centres * (1 - p) ** 2 + (valid - centres).clamp(min=0) * (1 - gaussians) ** 4 * p**2
    entropy = F.binary_cross_entropy_with_logits(logits, centres, reduction="none")
    return (weights * entropy).sum()
