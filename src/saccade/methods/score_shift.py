"""What executed blocks say about kept ones: scores of what looks alike shift together.

A network sees far. Someone comes in, and the scores of the whole room shift a little: walls, floor, all that
nobody touched. A kept block does not see that. But executed blocks show it, at points that are still what
they were: by how much the scores of all classes shifted there, on average, for each class that was best
before. Kept blocks shift by the same, the nearer the more.

It needs no training. The published systems have nothing of the kind: GSVNet's correction of moved scores is
learned.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

REACH = 1.5
"""Standard deviation of the weight of other blocks by their distance, in blocks."""

DOUBT = 0.8
"""As if so many blocks' pixels had been seen that did not shift: what few points say counts little."""

EXPLAINED = 4.0
"""A point is what it was where its grey is to this, of 255, what flow brings there."""


def shifted(expected: Tensor, found: Tensor, known: Tensor, owner: Tensor, grid: tuple[int, int]) -> Tensor:
    """Expected scores, shifted as found ones are.

    Args:
        expected: ``(N, K, h, w)`` scores from the frame before.
        found: ``(N, K, h, w)``, what the network says; asked only where it is known. Values that are not
            finite count as no shift.
        known: ``(N, h, w)`` bool: pixels that were executed and show the point that is expected there.
        owner: ``(h, w)`` int64, the block of each pixel, counted row by row.
        grid: Rows and columns of blocks.

    Returns:
        ``(N, K, h, w)``; equal to ``expected`` where no shift is known.
    """
    blocks, classes = grid[0] * grid[1], expected.shape[1]
    near = nearness(grid).to(expected.device)
    doubt = DOUBT * owner.numel() / blocks
    result = expected.clone()
    labels = expected.argmax(1)
    for row, here in enumerate(known):
        if not bool(here.any()):
            continue
        bins = owner * classes + labels[row]
        shift = (found[row].float() - expected[row].float()).permute(1, 2, 0)[here].nan_to_num(0, 0, 0)
        total = shift.new_zeros(blocks * classes, classes).index_add_(0, bins[here], shift)
        count = torch.bincount(bins[here], minlength=blocks * classes).float()
        total, count = near @ total.view(blocks, -1), near @ count.view(blocks, -1)
        mean = total.view(-1, classes) / (count.view(-1, 1) + doubt)
        result[row] += F.embedding(bins, mean).permute(2, 0, 1).to(result.dtype)
    return result


def nearness(grid: tuple[int, int]) -> Tensor:
    """Weight of every block for every other, ``(B, B)`` float32, 1 for itself."""
    place = torch.cartesian_prod(*(torch.arange(n, dtype=torch.float32) for n in grid))
    return torch.exp(-torch.cdist(place, place).square() / (2 * REACH**2))
