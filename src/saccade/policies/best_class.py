"""The best class at every pixel, where channels are planes in memory: there ``argmax`` is slow on CPUs."""

from __future__ import annotations

import torch
from torch import Tensor


def best_class(scores: Tensor) -> Tensor:
    """Labels as ``scores.argmax(1)`` gives them, the first of equals; class 0 where a score is not a number.

    Args:
        scores: ``(N, K, ...)`` floating-point, contiguous to be fast.

    Returns:
        ``(N, ...)`` int64.
    """
    best = scores.amax(1)
    labels = torch.zeros(best.shape, dtype=torch.int16, device=scores.device)
    for index in range(scores.shape[1] - 1, -1, -1):
        labels.masked_fill_(scores[:, index] == best, index)
    return labels.long()
