"""Exact optical flow between two views of a scene, and what of it was hidden before."""

from __future__ import annotations

import numpy as np

from saccade.datasets.world.raster import Visibility
from saccade.datasets.world.spans import Spans

_NEARER = 0.02
"""Relative difference in depth up to which a neighbouring detail counts as the same surface."""


def backward_flow(
    seen: Visibility, rows: np.ndarray, before: Visibility, rows_before: np.ndarray, moved: np.ndarray,
    drawable: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Where each pixel's scene point was in the previous view.

    Every face is a plane that moves rigidly, or that turns about its axis towards the camera, so that its
    pixels move by one homography. Limbs are faces too: their flow is exact although the body is not rigid.

    Args:
        seen: The current view.
        rows: ``(F,)`` number in the scene of each of its faces.
        before: The previous view, of the same size.
        rows_before: ``(B,)`` number in the scene of each face of the previous view.
        moved: ``(F, 3, 3)`` homographies from the current faces to pixels of the previous camera.
        drawable: ``(F,)`` False for faces that turned their back to the previous camera.

    Returns:
        flow: ``(H, W, 2)`` float32 ``(dx, dy)`` in pixels; a pixel ``(x, y)`` was at ``(x + dx, y + dy)``.
        occluded: ``(H, W)`` bool, True where the point was hidden, behind the camera or outside the image.
    """
    h, w = seen.face.shape
    spans = Spans(seen.face)
    to_before = moved @ seen.to_face
    ratio = spans.affine(to_before[:, 2])  # depth before over depth now
    ahead = ratio > 1e-6
    ratio[~ahead] = 1.0
    bx, by = spans.affine(to_before[:, 0]) / ratio, spans.affine(to_before[:, 1]) / ratio
    flow = np.empty((h, w, 2), np.float32)
    flow[..., 0], flow[..., 1] = bx - np.arange(w), by - np.arange(h)[:, None]
    flow[~ahead] = 0
    # A pixel reaches half a unit around its centre.
    inside = ahead & (bx > -0.5) & (bx < w - 0.5) & (by > -0.5) & (by < h - 0.5)
    column = np.clip(np.rint(bx), 0, w - 1).astype(np.intp)
    line = np.clip(np.rint(by), 0, h - 1).astype(np.intp)
    there = before.face[line, column]
    occluded = ~inside | (spans.spread(rows[spans.face]) != rows_before[there])
    # The rim of a face, or a detail of the same object: compare depths, now and then, at the very point.
    y, x = np.nonzero(occluded & inside)
    face = seen.face[y, x]
    now = (seen.to_face[face, 2] * np.stack([x, y, np.ones_like(x)], 1)).sum(1) / ratio[y, x]
    then = (before.to_face[there[y, x], 2] * np.stack([bx[y, x], by[y, x], np.ones(len(x))], 1)).sum(1)
    occluded[y, x] = ~((np.abs(now - then) < _NEARER * then) & drawable[face])
    return flow, occluded
