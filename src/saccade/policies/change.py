"""Executes blocks that have changed, have waited long, and have something to decide.

A block's output is wrong after a change mostly along the boundaries between classes: inside of a large object
or surface, what was there before is what is there now. So the rank of a block is the product of how much its
pixels changed since it was last executed, of how long ago that was, and of how dense label boundaries are in
the last output. A detector has boxes in the place of boundaries, see ``box_ranks``.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from saccade.policies.base import PolicyView, RankingPolicy
from saccade.policies.boxes import box_ranks

SAMPLES = 16
"""Pixels per block and axis that are compared."""

NOISE = 0.02
"""Change of a pixel that the camera makes by itself, in units of normalised frames (about 1 of 255)."""

FLOOR = 0.05
"""Of the density of boundaries, relative to its mean: where there are none, change still counts a little."""


CHANGED = 0.02
"""Change above noise from which a block counts as changed, in units of normalised frames."""


class ChangePolicy(RankingPolicy):
    """Ranks blocks by change, age, and density of label boundaries (or boxes)."""

    saves = True

    def rank(self, view: PolicyView) -> Tensor:
        """The product of the three."""
        change = pixel_change(view)
        if view.boxes is not None:
            return box_ranks(view, change) * view.age.to(change)
        return change * view.age.to(change) * boundary_weight(view)


def pixel_change(view: PolicyView) -> Tensor:
    """Mean absolute difference of each block's pixels to what it was last executed on, ``(N, GH, GW)``."""
    step = max(1, view.block_size // SAMPLES)
    now, before = (
        maps[:, :, step // 2 :: step, step // 2 :: step].float() for maps in (view.frames, view.seen)
    )
    difference = ((now - before).abs().mean(1) - NOISE).clamp_min(0)
    return view.per_block(difference) + 1e-6


def changed_blocks(view: PolicyView) -> list[int]:
    """In how many blocks of each stream something changed since they were last executed."""
    changed: list[int] = (pixel_change(view) > CHANGED).sum((1, 2)).tolist()
    return changed


def boundary_weight(view: PolicyView) -> Tensor:
    """Density of label boundaries in each block, relative to the mean of the frame, ``(N, GH, GW)``."""
    density = view.per_block(label_boundaries(view.logits))
    return density / density.mean((1, 2), keepdim=True).clamp_min(1e-6) + FLOOR


def label_boundaries(logits: Tensor) -> Tensor:
    """``(N, h, w)`` float32: 1 where a pixel's best class is not that of its right or lower neighbour."""
    return boundaries(logits.argmax(1))


def boundaries(labels: Tensor) -> Tensor:
    """The same for labels ``(N, h, w)``."""
    edges = torch.zeros(labels.shape, dtype=torch.bool, device=labels.device)
    edges[:, :, :-1] |= labels[:, :, 1:] != labels[:, :, :-1]
    edges[:, :-1] |= labels[:, 1:] != labels[:, :-1]
    return F.max_pool2d(edges.float(), 3, 1, 1)
