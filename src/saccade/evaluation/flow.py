"""The fixed optical flow that temporal consistency is measured along: DIS, with an occlusion check."""

from __future__ import annotations

import cv2
import numpy as np

SMALLEST = 16
"""DIS needs this many pixels on each side; smaller images are continued at their edge."""


def backward_flow(previous: np.ndarray, current: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where each pixel was in the previous frame, and whether it was visible there.

    DIS (dense inverse search, Kroeger et al., ECCV 2016; preset medium) is computed in both directions. A
    pixel counts as occluded where it comes from outside the previous frame, or where going back and then
    forth does not lead home: ``|b + f|^2 > 0.01 (|b|^2 + |f|^2) + 0.5`` with ``b`` the backward flow and
    ``f`` the forward flow at its end (Sundaram et al., ECCV 2010).

    Args:
        previous: ``(H, W, 3)`` uint8 RGB.
        current: The frame after it, of the same size.

    Returns:
        ``(H, W, 2)`` float32 ``(dx, dy)`` in pixels: the point at ``(x, y)`` was at ``(x + dx, y + dy)``; and
        ``(H, W)`` bool, True where it was not visible.
    """
    height, width = current.shape[:2]
    missing = max(0, SMALLEST - height), max(0, SMALLEST - width)
    before, now = (
        np.pad(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), ((0, missing[0]), (0, missing[1])), mode="edge")
        for image in (previous, current)
    )
    search = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)  # type: ignore[attr-defined]
    backward = np.ascontiguousarray(search.calc(now, before, None)[:height, :width])
    forward = search.calc(before, now, None)
    x, y = _ends(backward)
    there = cv2.remap(forward, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    error = np.square(backward + there).sum(-1)
    motion = np.square(backward).sum(-1) + np.square(there).sum(-1)
    outside = (x < -0.5) | (y < -0.5) | (x > width - 0.5) | (y > height - 0.5)
    return backward, outside | (error > 0.01 * motion + 0.5)


def _ends(flow: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates that the flow vectors point at, ``(H, W)`` float32 each."""
    height, width = flow.shape[:2]
    x = np.arange(width, dtype=np.float32) + flow[..., 0]
    y = np.arange(height, dtype=np.float32)[:, None] + flow[..., 1]
    return x, y
