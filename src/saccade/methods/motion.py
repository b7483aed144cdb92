"""Scores that move along with what the picture shows: optical flow between frames, and scores moved by it."""

from __future__ import annotations

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from saccade.networks.flow.dis import Search, grey

LARGEST = 512
"""Flow is computed on frames reduced to at most this many pixels on the longer side."""

STILL = 0.25
"""Motion of less than this, in pixels of the reduced frames, is none: moving scores by it would blur them."""


class LastFrames:
    """The last frame of each stream, for what is found out about motion between frames.

    Attributes:
        before: The last frame of each stream, ``(h, w)`` uint8, perhaps reduced; None before the first.
        macs: MACs of what was found out last, all streams together.
    """

    def __init__(self) -> None:
        self.before: list[np.ndarray | None] = []
        self.macs = 0.0

    def resize(self, streams: int) -> None:
        """Make room for new streams, or forget the last ones."""
        self.before = (self.before + [None] * streams)[:streams]

    def keep(self, rows: list[int]) -> None:
        """Only these streams go on."""
        self.before = [self.before[row] for row in rows]


class Motion(LastFrames):
    """Backward optical flow from each frame to the one before it, by DIS (Kroeger et al., ECCV 2016).

    ``macs`` are those of the last call of ``flow``, at most: a search may end early.

    Attributes:
        residual: What flow did not explain of the last frames: the difference of grey to what flow brings
            there, ``(h, w)`` float32 on the CPU, 0..255; None for first frames.
    """

    def __init__(self) -> None:
        super().__init__()
        self.residual: list[Tensor | None] = []
        self._search = Search("fast")
        self._macs_per_pixel = self._search.macs_per_pixel

    def flow(self, frames: Tensor) -> list[Tensor | None]:
        """``(2, h, w)`` float32 on the CPU for each stream, None for first frames.

        The point at ``(x, y)`` was at ``(x + dx, y + dy)``, in parts of the frame's width and height.

        Args:
            frames: ``(N, 3, H, W)`` normalised frames; the next ones are compared with them.
        """
        found: list[Tensor | None] = []
        self.residual = []
        self.macs = 0.0
        for row, now in enumerate(grey(frames, LARGEST)):
            before = self.before[row]
            flow, residual = (None, None) if before is None else self._between(before, now)
            found.append(flow)
            self.residual.append(residual)
            self.macs += 0.0 if before is None else self._macs_per_pixel * now.size
            self.before[row] = now
        return found

    def _between(self, before: np.ndarray, now: np.ndarray) -> tuple[Tensor, Tensor]:
        height, width = now.shape
        flow = torch.from_numpy(self._search.flow(now, before))
        flow = torch.where(flow.square().sum(2, keepdim=True) < STILL**2, 0, flow)
        y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
        place = (x + flow[..., 0]).numpy(), (y + flow[..., 1]).numpy()
        brought = cv2.remap(before, *place, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        residual = torch.from_numpy(cv2.absdiff(now, brought)).float()
        return flow.permute(2, 0, 1) / torch.tensor([width, height]).view(2, 1, 1), residual


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
    rows, columns = owners((int(chosen.shape[1]), int(chosen.shape[2])), block, frame, size)
    return chosen.index_select(1, rows.to(chosen.device)).index_select(2, columns.to(chosen.device))


def owners(
    grid: tuple[int, int], block: int, frame: tuple[int, int], size: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """Row of blocks of each row of a map ``(h,)``, and column of blocks of each column ``(w,)``, int64."""
    middles = ((torch.arange(n, dtype=torch.float64) + 0.5) * f / n for n, f in zip(size, frame, strict=True))
    rows, columns = ((m / block).long().clamp_max(n - 1) for m, n in zip(middles, grid, strict=True))
    return rows, columns
