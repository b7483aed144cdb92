"""Executes blocks that have changed, have waited long, and have something to decide.

A block's output is wrong after a change mostly along the boundaries between classes: inside of a large object
or surface, what was there before is what is there now. So the rank of a block is the product of how much its
pixels changed since it was last executed, of how long ago that was, and of how dense label boundaries are in
the last output. A detector has boxes in the place of boundaries, see ``box_ranks``.

That is also what is expected to be wrong with a block that is kept. A block at half resolution was executed
on the means of 2x2 pixels: what these differ from the frame by is change that it does not see, and what it
leaves wrong is the product of that and of the density of boundaries.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from saccade.policies.base import PolicyView, RankingPolicy
from saccade.policies.boxes import box_ranks
from saccade.policies.images import blurred

SAMPLES = 16
"""Pixels per block and axis that are compared."""

NOISE = 0.02
"""Change of a pixel that the camera makes by itself, in units of normalised frames (about 1 of 255)."""

LEFT_WRONG = 1.0
"""Weight of what half resolution leaves wrong; with 1 as much as the same change since the frame before."""

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
        return weighted(view, change) * view.age.to(change)

    def low_gain(self, view: PolicyView, gain: Tensor) -> Tensor:
        """The gain in full, less what half resolution leaves wrong."""
        return gain - LEFT_WRONG * weighted(view, unseen(view)).to(gain)


def weighted(view: PolicyView, change: Tensor) -> Tensor:
    """Change where it matters to the answer, ``(N, GH, GW)``: at boundaries between classes, or at boxes."""
    return change * boundary_weight(view) if view.boxes is None else box_ranks(view, change)


def pixel_change(view: PolicyView) -> Tensor:
    """Mean absolute difference of each block's pixels to what it was last executed on, ``(N, GH, GW)``."""
    return differences(view, view.frames, view.seen)


def unseen(view: PolicyView) -> Tensor:
    """What half resolution does not see of each block, ``(N, GH, GW)``: as ``pixel_change`` to the means."""
    return differences(view, view.frames, blurred(view.frames))


def differences(view: PolicyView, frames: Tensor, others: Tensor) -> Tensor:
    """Mean absolute difference of each block's pixels, beyond noise, of some of them, ``(N, GH, GW)``."""
    step = max(1, view.block_size // SAMPLES)
    now, before = (maps[:, :, step // 2 :: step, step // 2 :: step].float() for maps in (frames, others))
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
