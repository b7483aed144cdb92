"""The fixed optical flow that temporal consistency is measured along: DIS, with an occlusion check."""

from __future__ import annotations

import cv2
import numpy as np

LARGEST = 1024
"""Pixels on the longer side that flow is computed at; larger images are reduced to it, and their flow
enlarged. At 2048x1024 that takes a quarter of the time."""

SMALLEST = 16
"""DIS needs this many pixels on each side; smaller images are continued at their edge."""


def flow_scale(size: tuple[int, int]) -> float:
    """What images of ``(height, width)`` are multiplied by before their flow is computed, at most 1."""
    return min(1.0, LARGEST / max(size))


def backward_flow(previous: np.ndarray, current: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where each pixel was in the previous frame, and whether it was visible there.

    DIS (dense inverse search, Kroeger et al., ECCV 2016; preset medium) is computed in both directions. A
    pixel counts as occluded where it comes from outside the previous frame, or where going back and then
    forth does not lead home: ``|b + f|^2 > 0.01 (|b|^2 + |f|^2) + 0.5`` with ``b`` the backward flow and
    ``f`` the forward flow at its end (Sundaram et al., ECCV 2010). Images with a side of more than
    ``LARGEST`` are reduced for all of this.

    Args:
        previous: ``(H, W, 3)`` uint8 RGB.
        current: The frame after it, of the same size.

    Returns:
        ``(H, W, 2)`` float32 ``(dx, dy)`` in pixels: the point at ``(x, y)`` was at ``(x + dx, y + dy)``; and
        ``(H, W)`` bool, True where it was not visible.
    """
    height, width = current.shape[:2]
    scale = flow_scale((height, width))
    before, now = (cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in (previous, current))
    if scale == 1:
        return _dis(before, now)
    small = max(1, round(width * scale)), max(1, round(height * scale))
    flow, occluded = _dis(
        *(cv2.resize(image, small, interpolation=cv2.INTER_AREA) for image in (before, now))
    )
    flow = cv2.resize(flow, (width, height), interpolation=cv2.INTER_LINEAR)
    flow *= np.array([width / small[0], height / small[1]], np.float32)
    hidden = cv2.resize(occluded.view(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)
    return flow, hidden.view(bool)


def _dis(before: np.ndarray, now: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same between grey images ``(H, W)`` uint8, at their own size."""
    height, width = now.shape
    missing = max(0, SMALLEST - height), max(0, SMALLEST - width)
    if any(missing):
        before, now = (np.pad(x, ((0, missing[0]), (0, missing[1])), mode="edge") for x in (before, now))
    search = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)  # type: ignore[attr-defined]
    backward = np.ascontiguousarray(search.calc(now, before, None)[:height, :width])
    forward = search.calc(before, now, None)
    x, y = _ends(backward)
    there = cv2.remap(forward, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    error = squared_length(backward + there)
    motion = squared_length(backward) + squared_length(there)
    outside = (x < -0.5) | (y < -0.5) | (x > width - 0.5) | (y > height - 0.5)
    return backward, outside | (error > 0.01 * motion + 0.5)


def squared_length(flow: np.ndarray) -> np.ndarray:
    """Squares of the lengths ``(H, W)`` of flow vectors ``(H, W, 2)``; NumPy's sums of two are slow."""
    x, y = flow[..., 0], flow[..., 1]
    squares: np.ndarray = x * x + y * y
    return squares


def _ends(flow: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates that the flow vectors point at, ``(H, W)`` float32 each."""
    height, width = flow.shape[:2]
    x = np.arange(width, dtype=np.float32) + flow[..., 0]
    y = np.arange(height, dtype=np.float32)[:, None] + flow[..., 1]
    return x, y
