"""Boxes as policies see them: where they are, and what executing blocks did to them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from saccade.networks.detector import Boxes
from saccade.policies.base import PolicyView

STRIDE = 8
"""Pixels of the frame per pixel of ``box_logits``."""

UNLIKELY = 1e-4
"""Probability of an object where there is no box."""

AROUND = 0.25
"""An object that moves is looked for around its box, up to this part of the box's height away."""

ELSEWHERE = 0.2
"""What change counts away from all boxes, relative to that at a box with a score of 1."""


def touched(xyxy: Tensor, grid: tuple[int, int], block_size: int) -> Tensor:
    """Of which blocks each box covers a part, ``(n, GH, GW)`` bool.

    Args:
        xyxy: ``(n, 4)`` left, top, right, bottom in pixels.
        grid: Rows and columns of blocks.
        block_size: Side of a block in pixels.
    """
    left, top, right, bottom = (side[:, None] for side in xyxy.unbind(1))
    rows, columns = (torch.arange(blocks, device=xyxy.device) * block_size for blocks in grid)
    down = (top < rows + block_size) & (bottom > rows)
    across = (left < columns + block_size) & (right > columns)
    return down[:, :, None] & across[:, None, :]


def box_logits(boxes: Sequence[Boxes], size: tuple[int, int]) -> Tensor:
    """Boxes in the place of class scores: "nothing is here" and "something is here".

    Args:
        boxes: Of N frames.
        size: ``(H, W)`` of the frames.

    Returns:
        ``(N, 2, H / 8, W / 8)`` float32, sides rounded up. The softmax over both is, for the second, the
        largest score of the boxes that cover a part of the pixel.
    """
    shape = -(-size[0] // STRIDE), -(-size[1] // STRIDE)
    scores = torch.stack([largest(found.scores, touched(found.xyxy, shape, STRIDE)) for found in boxes])
    something = scores.clamp(UNLIKELY, 1 - UNLIKELY).logit()
    return torch.stack((torch.zeros_like(something), something), 1)


def box_gain(
    previous: Sequence[Boxes], current: Sequence[Boxes], grid: tuple[int, int], block_size: int
) -> Tensor:
    """How much the boxes in each block changed, ``(N, GH, GW)`` float32, 0..1: what executing it was worth.

    A box is compared with the box before that it overlaps most, of the same class: both change by 1 - IoU,
    times their scores. A box that was not there before, or that is not there any more, changes by its score.
    A block has the largest change of all boxes that cover a part of it.

    Args:
        previous: Boxes of N frames before.
        current: Boxes of these frames.
        grid: Rows and columns of blocks.
        block_size: Side of a block in pixels.
    """
    return torch.stack(
        [_gain(before, now, grid, block_size) for before, now in zip(previous, current, strict=True)]
    )


def _gain(before: Boxes, now: Boxes, grid: tuple[int, int], block_size: int) -> Tensor:
    from torchvision.ops import box_iou  # takes a second, and learning from boxes alone needs it

    new, old = now.scores.float(), before.scores.float()
    if len(now) and len(before):
        overlap = torch.nan_to_num(box_iou(now.xyxy, before.xyxy))
        best, match = torch.where(now.labels[:, None] == before.labels, overlap, 0).max(1)
        moved = 1 - best
        new = moved * new
        matched = best > 0
        change = (moved * old[match])[matched]
        seen = torch.full_like(old, -1).scatter_reduce(0, match[matched], change, "amax")
        old = torch.where(seen < 0, old, seen)
    blocks = touched(torch.cat((now.xyxy, before.xyxy)), grid, block_size)
    return largest(torch.cat((new, old)), blocks)


def box_ranks(view: PolicyView, change: Tensor) -> Tensor:
    """Change that matters to boxes, ``(N, GH, GW)``, as large as ``change``.

    A box follows from all the blocks that it covers, and is mended only where all of them are new: so change
    in one of them counts for all, the more the higher the box scores. What is left of somebody who has gone
    is one of them: nothing there looks like before. Elsewhere change counts a little, for those who appear.

    Args:
        view: With boxes.
        change: ``(N, GH, GW)`` of the pixels of each block.
    """
    assert view.boxes is not None
    ranks = []
    for boxes, changed in zip(view.boxes, change, strict=True):
        xyxy = boxes.xyxy.to(change)
        margin = AROUND * (xyxy[:, 3] - xyxy[:, 1])[:, None]
        around = touched(
            torch.cat((xyxy[:, :2] - margin, xyxy[:, 2:] + margin), 1), view.grid, view.block_size
        )
        moved = (changed * around).flatten(1).amax(1) if len(boxes) else changed.new_zeros(0)
        ranks.append(torch.maximum(largest(moved * boxes.scores.to(change), around), ELSEWHERE * changed))
    return torch.stack(ranks)


def largest(values: Tensor, where: Tensor) -> Tensor:
    """The largest of ``(n,)`` values >= 0 at each place of ``(n, h, w)`` bool maps; 0 where there is none."""
    if not len(values):
        return values.new_zeros(where.shape[1:])
    return (values[:, None, None] * where).amax(0)
