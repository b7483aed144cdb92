"""Scores that move along with what the picture shows: optical flow between frames, and scores moved by it."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from saccade.networks.flow.dis import Search, grey

LARGEST = 512
"""Flow is computed on frames reduced to at most this many pixels on the longer side."""

STILL = 0.25
"""Motion of less than this, in pixels of the reduced frames, is none: moving scores by it would blur them."""


class Motion:
    """Backward optical flow from each frame to the one before it, by DIS (Kroeger et al., ECCV 2016).

    Attributes:
        before: The last frame of each stream, reduced, ``(h, w)`` uint8; None before the first.
    """

    def __init__(self) -> None:
        self.before: list[np.ndarray | None] = []
        self._search = Search("fast")

    def resize(self, streams: int) -> None:
        """Make room for new streams, or forget the last ones."""
        self.before = (self.before + [None] * streams)[:streams]

    def keep(self, rows: list[int]) -> None:
        """Only these streams go on."""
        self.before = [self.before[row] for row in rows]

    def flow(self, frames: Tensor) -> list[Tensor | None]:
        """``(2, h, w)`` float32 on the CPU for each stream, None for first frames.

        The point at ``(x, y)`` was at ``(x + dx, y + dy)``, in parts of the frame's width and height.

        Args:
            frames: ``(N, 3, H, W)`` normalised frames; the next ones are compared with them.
        """
        found: list[Tensor | None] = []
        for row, now in enumerate(grey(frames, LARGEST)):
            before = self.before[row]
            found.append(None if before is None else self._between(before, now))
            self.before[row] = now
        return found

    def _between(self, before: np.ndarray, now: np.ndarray) -> Tensor:
        height, width = now.shape
        flow = torch.from_numpy(self._search.flow(now, before))
        flow = torch.where(flow.square().sum(2, keepdim=True) < STILL**2, 0, flow)
        return flow.permute(2, 0, 1) / torch.tensor([width, height]).view(2, 1, 1)


def moved(scores: Tensor, flow: Tensor) -> Tensor:
    """Scores where the flow takes them: at ``(x, y)`` those that were at ``(x + dx, y + dy)``.

    Args:
        scores: ``(1, K, h, w)``.
        flow: As ``Motion.flow`` gives it, of any resolution.
    """
    height, width = scores.shape[2:]
    flow = flow.to(scores.device)[None]
    if flow.shape[2:] != scores.shape[2:]:
        flow = F.interpolate(flow, size=(height, width), mode="area")
    y, x = ((torch.arange(n, device=scores.device) + 0.5) / n for n in (height, width))
    place = torch.stack(
        (x.expand(height, width) + flow[0, 0], y[:, None].expand(height, width) + flow[0, 1]), -1
    )
    return F.grid_sample(
        scores.float(), 2 * place[None] - 1, mode="bilinear", padding_mode="border", align_corners=False
    ).to(scores.dtype)


def pixels_of_blocks(chosen: Tensor, block: int, frame: tuple[int, int], size: tuple[int, int]) -> Tensor:
    """Which pixels of a map lie in chosen blocks, ``(N, h, w)`` bool.

    Args:
        chosen: ``(N, GH, GW)`` bool.
        block: Side of a block in pixels of the frame.
        frame: Height and width of the frame.
        size: Those of the map, which shows the whole frame.
    """
    for dim in (0, 1):
        middle = (torch.arange(size[dim], dtype=torch.float64) + 0.5) * frame[dim] / size[dim]
        owner = (middle / block).long().clamp_max(chosen.shape[1 + dim] - 1)
        chosen = chosen.index_select(1 + dim, owner.to(chosen.device))
    return chosen
