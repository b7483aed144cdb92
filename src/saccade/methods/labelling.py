"""From coarse class scores to a class id per pixel: bilinear upsampling and argmax, without the waste."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

PIXELS_AT_ONCE = 16384
"""Small enough to stay in the cache, and for PyTorch not to wake a second thread for each operation."""


@torch.no_grad()
def labels_from_logits(logits: Tensor, size: tuple[int, int]) -> Tensor:
    """Class ids of bilinearly resized scores (corners not aligned, as ``F.interpolate`` does).

    On the CPU an enlargement interpolates only where the answer is open: a pixel whose four
    neighbouring scores agree on the best class has that class, because an average with non-negative
    weights keeps the order. The others, along class boundaries, are interpolated. The result is that of
    ``F.interpolate(...).argmax(1)``, except where two classes are equal to within float32 rounding.

    Args:
        logits: ``(N, K, h, w)``, any floating type, any memory format.
        size: ``(H, W)`` of the result.

    Returns:
        ``(N, H, W)`` uint8 on the device of ``logits``.
    """
    logits = logits.float()
    enlarges = size[0] > logits.shape[2] and size[1] > logits.shape[3]
    if enlarges and logits.device.type == "cpu":
        return _labels_by_cell(logits, size)
    if tuple(logits.shape[-2:]) != tuple(size):
        logits = F.interpolate(logits, size=size, mode="bilinear", align_corners=False)
    return logits.argmax(1).to(torch.uint8)


def _labels_by_cell(logits: Tensor, size: tuple[int, int]) -> Tensor:
    """A cell is the square between four neighbouring scores: all pixels in it mix the same four.

    Cell 0 lies before the first score, so there are ``(h + 1) x (w + 1)`` cells.
    """
    n, k, h, w = logits.shape
    scores = logits.permute(0, 2, 3, 1).reshape(n * h * w, k)
    coarse = scores.argmax(1).to(torch.uint8).view(n, h, w)
    y_nearest, y_first, y_count, y_weight = _axis(h, size[0])
    x_nearest, x_first, x_count, x_weight = _axis(w, size[1])
    # Columns before rows: the second step then copies whole rows. One byte is for what is to be discarded.
    memory = torch.empty(n * size[0] * size[1] + 1, dtype=torch.uint8)
    labels = memory[:-1].view(n, *size)
    torch.index_select(coarse.index_select(2, x_nearest), 1, y_nearest, out=labels)

    padded = F.pad(coarse, (1, 1, 1, 1), mode="replicate")
    corner, right = padded[:, :-1, :-1], padded[:, :-1, 1:]
    below, across = padded[:, 1:, :-1], padded[:, 1:, 1:]
    image, y, x = ((corner != right) | (corner != below) | (corner != across)).nonzero(as_tuple=True)

    most_y, most_x = y_weight.shape[0], x_weight.shape[0]
    line, column = torch.arange(most_y).view(-1, 1, 1), torch.arange(most_x).view(-1, 1)
    step = max(64, PIXELS_AT_ONCE // (most_y * most_x))
    for i in range(0, len(y), step):
        image_, y_, x_ = image[i : i + step], y[i : i + step], x[i : i + step]  # (m,)
        wy, wx = y_weight.index_select(1, y_), x_weight.index_select(1, x_)
        best = _best_class(scores, image_ * (h * w), y_, x_, (h, w), wy, wx)
        pixel = (image_ * size[0] + y_first[y_]) * size[1] + x_first[x_] + (line * size[1] + column)
        inside = (line < y_count[y_]) & (column < x_count[x_])  # (sy, sx, m)
        memory.scatter_(0, torch.where(inside, pixel, len(memory) - 1).view(-1), best.view(-1))
    return labels


def _best_class(
    scores: Tensor, start: Tensor, y: Tensor, x: Tensor, size: tuple[int, int], wy: Tensor, wx: Tensor
) -> Tensor:
    """Interpolate the pixels of ``m`` cells, ``(sy, m)`` and ``(sx, m)`` weights: ids ``(sy, sx, m)``.

    One class after the other with a running maximum, every operation from float32 to float32: several
    times faster than an argmax, because PyTorch vectorises these and not that.
    """
    h, w = size
    row, row_below = start + (y - 1).clamp_min(0) * w, start + y.clamp_max(h - 1) * w
    column, column_right = (x - 1).clamp_min(0), x.clamp_max(w - 1)
    wy = wy[:, None]
    corners = [
        scores.index_select(0, r + c).t().contiguous()  # (K, m)
        for r in (row, row_below)
        for c in (column, column_right)
    ]
    highest = best = torch.zeros(0)
    for k, (top_left, top_right, low_left, low_right) in enumerate(zip(*corners, strict=True)):
        top = torch.lerp(top_left, top_right, wx)  # (sx, m)
        low = torch.lerp(low_left, low_right, wx)
        value = torch.lerp(top, low, wy)  # (sy, sx, m)
        if k == 0:
            highest, best = value, torch.zeros_like(value)
            continue
        higher = torch.maximum(highest, value)
        beaten = highest.ne_(higher)  # 1.0 or 0.0; ids rise, so the latest to beat the others is the largest
        torch.maximum(best, beaten.mul_(k), out=best)
        highest = higher
    return best.to(torch.uint8)


def _axis(scores: int, pixels: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Where the pixels of one axis lie among its scores.

    Returns:
        One score beside each pixel ``(pixels,)``; then, for each cell, its first pixel and its number of
        pixels ``(scores + 1,)``, and the weight of the score after the cell for the cell's first, second,
        ... pixel ``(most pixels in a cell, scores + 1)``.
    """
    position = (torch.arange(pixels, dtype=torch.float32) + 0.5) * (scores / pixels) - 0.5
    before = position.floor().long()
    cell = before + 1
    count = torch.bincount(cell, minlength=scores + 1)
    first = count.cumsum(0) - count
    weight = torch.zeros(int(count.max()), scores + 1)
    weight[torch.arange(pixels) - first[cell], cell] = position - before
    return before.clamp_(0, scores - 1), first, count, weight
