"""Moving maps along optical flow, and optical flow from one map to another."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from saccade.errors import NetworkError


def warp(values: Tensor, flow: Tensor, outside: Literal["zeros", "border"] = "zeros") -> Tensor:
    """Values where backward flow takes them: at ``(x, y)`` those that were at ``(x + dx, y + dy)``.

    Positions are in pixels whose centres have whole coordinates, ``(0, 0)`` the top left one. (In terms of
    ``grid_sample`` this is ``align_corners=True`` with ``2 (x + dx) / (w - 1) - 1``, as Deep Feature Flow and
    GSVNet have it.) Between pixels values are interpolated bilinearly. Whole numbers move values exactly;
    zero flow gives the values back bit for bit.

    It is fastest, and copies nothing, where ``values`` are channels-last.

    Args:
        values: ``(N, C, h, w)`` floating point.
        flow: ``(N, 2, h, w)``, ``(dx, dy)`` in pixels of this map. A position that is not finite is outside.
        outside: ``"zeros"``: beyond the outermost pixel centres values fade to zero within one pixel;
            ``"border"``: they are those of the nearest pixel.

    Returns:
        ``(N, C, h, w)`` of the type of ``values``, differentiable in both arguments.

    Raises:
        NetworkError: The two maps do not belong together.
    """
    n, channels, height, width = values.shape
    if flow.shape != (n, 2, height, width):
        raise NetworkError(
            f"flow of shape {tuple(flow.shape)} cannot move values of shape {tuple(values.shape)}; "
            f"it must be {(n, 2, height, width)}: bring it there with resize_flow"
        )
    flow = flow.float()
    x = flow[:, 0] + torch.arange(width, device=flow.device)
    y = flow[:, 1] + torch.arange(height, device=flow.device)[:, None]
    if outside == "border":
        x, y = x.clamp(0, width - 1), y.clamp(0, height - 1)
    left, top = x.detach().floor(), y.detach().floor()
    first = torch.arange(n, device=flow.device).view(n, 1, 1) * (height * width)
    rows, weights = [], []
    for column, across in ((left, 1 - (x - left)), (left + 1, x - left)):
        for line, down in ((top, 1 - (y - top)), (top + 1, y - top)):
            inside = (column >= 0) & (column < width) & (line >= 0) & (line < height)
            rows.append(
                first + torch.where(inside, line, 0).long() * width + torch.where(inside, column, 0).long()
            )
            weights.append(torch.where(inside, across * down, 0))
    # A sum of four weighted rows for each pixel, each row all channels of a pixel.
    moved = F.embedding_bag(
        torch.stack(rows, -1).view(-1, 4),
        values.permute(0, 2, 3, 1).reshape(-1, channels),
        mode="sum",
        per_sample_weights=torch.stack(weights, -1).view(-1, 4).to(values.dtype),
    )
    return moved.view(n, height, width, channels).permute(0, 3, 1, 2)


def resize_flow(flow: Tensor, size: tuple[int, int]) -> Tensor:
    """Flow for another resolution of the same frames, in pixels of the new map.

    Larger maps are interpolated bilinearly (corners not aligned), smaller ones average over areas.

    Args:
        flow: ``(N, 2, h, w)`` in pixels of its map.
        size: ``(H, W)`` of the new map.
    """
    height, width = flow.shape[2:]
    if size == (height, width):
        return flow
    scale = flow.new_tensor([size[1] / width, size[0] / height]).view(1, 2, 1, 1)
    return resized(flow, size) * scale


def resized(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """``(N, C, *size)``: averages over areas where no side grows, else bilinear, corners not aligned."""
    height, width = maps.shape[2:]
    if size == (height, width):
        return maps
    if size[0] <= height and size[1] <= width:
        return F.interpolate(maps, size=size, mode="area")
    return F.interpolate(maps, size=size, mode="bilinear", align_corners=False)
