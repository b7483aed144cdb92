"""Whether a frame shows another scene than the one before it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

CELLS = (24, 32)
"""Rows and columns of the thumbnails that are compared: coarse enough for things to move between frames."""

LIKE = 0.45
"""Correlation of the thumbnails' gradients. Consecutive frames of moving and static cameras at 15 Hz or more
have 0.65 to 1; unrelated street scenes -0.1 to 0.4."""

SAME_COLOURS = 0.9
"""Correlation of the thumbnails. Above it, the scene is taken to be the same however fast it moves."""

CHANGE = 0.1
"""Mean absolute difference of the thumbnails, in units of normalised frames. Below it, noise decides."""

LEAST_DISTANCE = 8
"""Frames from one cut to the next: where everything moves all the time, cuts are of no use."""


class SceneCuts:
    """Compares thumbnails of consecutive frames: their gradients, their colours, and how far they differ.

    Attributes:
        thumbnails: ``(N, 3, *CELLS)`` of the last frame of each stream; NaN before the first.
        since: ``(N,)`` frames since the last cut.
    """

    def __init__(self) -> None:
        self.thumbnails = torch.zeros(0, 3, *CELLS)
        self.since = torch.zeros(0, dtype=torch.int64)

    def resize(self, streams: int) -> None:
        """Make room for new streams, or forget the last ones."""
        missing = max(0, streams - len(self.since))
        nothing = self.thumbnails.new_full((missing, 3, *CELLS), torch.nan)
        self.thumbnails = torch.cat((self.thumbnails, nothing))[:streams]
        self.since = torch.cat((self.since, self.since.new_zeros(missing)))[:streams]

    def keep(self, rows: list[int]) -> None:
        """Only these streams go on."""
        self.thumbnails, self.since = self.thumbnails[rows], self.since[rows]

    def found(self, frames: Tensor) -> Tensor:
        """Which frames begin another scene, ``(N,)`` bool on the CPU.

        Args:
            frames: ``(N, 3, H, W)`` normalised frames; the next ones are compared with them.
        """
        before, now = self.thumbnails, thumbnails(frames).to(self.thumbnails.device)
        cut = (
            (correlation(gradients(now), gradients(before)) < LIKE)
            & (correlation(now, before) < SAME_COLOURS)
            & ((now - before).abs().flatten(1).mean(1) > CHANGE)
            & (self.since >= LEAST_DISTANCE)
        )
        self.thumbnails = now
        self.since = torch.where(cut, 0, self.since + 1)
        return cut


def thumbnails(frames: Tensor) -> Tensor:
    """``(N, 3, *CELLS)`` float32, from a part of the pixels."""
    step = [max(1, side // (4 * cells)) for side, cells in zip(frames.shape[2:], CELLS, strict=True)]
    few = frames[:, :, :: step[0], :: step[1]].float().nan_to_num(0.0)
    return F.adaptive_avg_pool2d(few, CELLS)


def gradients(maps: Tensor) -> Tensor:
    """Differences of neighbours to the right and below, ``(N, D)``."""
    across, down = maps[..., 1:] - maps[..., :-1], maps[..., 1:, :] - maps[..., :-1, :]
    return torch.cat((across.flatten(1), down.flatten(1)), 1)


def correlation(one: Tensor, other: Tensor) -> Tensor:
    """Pearson's, of the values of each row, ``(N,)``; 0 where there is nothing to compare."""
    a, b = (v.flatten(1) - v.flatten(1).mean(1, keepdim=True) for v in (one, other))
    return (a * b).sum(1) / (a.square().sum(1) * b.square().sum(1)).sqrt().clamp_min(1e-9)
