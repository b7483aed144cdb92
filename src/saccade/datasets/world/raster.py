"""Which face each pixel shows: projection, clipping, depth test."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from saccade.datasets.world.camera import Camera
from saccade.datasets.world.faces import FaceTable
from saccade.datasets.world.textures import atlas

NEAR = 0.25
"""Nothing closer to the camera than this is drawn, metres."""

_SHIFT = 4
_LIMIT = 1 << 26


@dataclass(frozen=True, eq=False)
class Visibility:
    """What a camera sees.

    Attributes:
        face: ``(H, W)`` int32, the row of the visible face.
        inverse_depth: ``(H, W)`` float32, 1/m along the optical axis.
        to_pixel: ``(F, 3, 3)`` homographies from face coordinates to homogeneous pixels.
        to_face: ``(F, 3, 3)`` their inverses.
    """

    face: np.ndarray
    inverse_depth: np.ndarray
    to_pixel: np.ndarray
    to_face: np.ndarray


def clip_near(points: np.ndarray) -> np.ndarray:
    """The part of a polygon ``(n, 3)`` of homogeneous pixels that is farther than ``NEAR``."""
    z = points[:, 2] - NEAR
    following = np.roll(points, -1, 0)
    zf = np.roll(z, -1)
    out = []
    for i in range(len(points)):
        if z[i] >= 0:
            out.append(points[i])
        if (z[i] >= 0) != (zf[i] >= 0):
            t = z[i] / (z[i] - zf[i])
            out.append(points[i] + t * (following[i] - points[i]))
    return np.array(out).reshape(-1, 3)


def to_fixed(points: np.ndarray) -> np.ndarray:
    """Homogeneous pixels to the fixed-point coordinates of OpenCV's polygon filling."""
    xy = points[:, :2] / points[:, 2:]
    return np.clip(np.rint(xy * (1 << _SHIFT)), -_LIMIT, _LIMIT).astype(np.int32)


def fill(image: np.ndarray, polygon: np.ndarray, value: int) -> None:
    """Fill one fixed-point polygon."""
    cv2.fillPoly(image, [polygon], value, 8, _SHIFT)


def invert(matrices: np.ndarray) -> np.ndarray:
    """Inverses of ``(F, 3, 3)``; planes seen edge-on give zeros instead of an error."""
    a, b, c = matrices[:, 0], matrices[:, 1], matrices[:, 2]
    adjugate = np.stack([np.cross(b, c), np.cross(c, a), np.cross(a, b)], -1)
    determinant = np.einsum("fi,fi->f", a, adjugate[:, :, 0])
    scale = np.where(np.abs(determinant) > 1e-12, determinant, np.inf)
    return adjugate / scale[:, None, None]


def rasterise(
    camera: Camera, grounds: list[np.ndarray], ground_planes: np.ndarray, table: FaceTable,
    planes: tuple[np.ndarray, ...],
) -> Visibility:  # fmt: skip
    """Visible faces of the ground (rows 0..G-1; row 0 is the sky, row 1 the endless ground) and of the table.

    Args:
        camera: The view.
        grounds: Outlines ``(n, 2)`` of ground rows 2..G-1 in metres, painted in this order.
        ground_planes: ``(G, 3, 3)`` homographies of the ground rows.
        table: Faces that stand on it, rows G.. of the result.
        planes: ``origin, u, v`` of these faces, see ``FaceTable.pose``.
    """
    h, w = camera.size
    to_pixel = np.concatenate([ground_planes, camera.plane_to_pixel(*planes)])
    to_face = invert(to_pixel)
    face = np.zeros((h, w), np.int32)
    xs, ys = np.arange(w, dtype=np.float32), np.arange(h, dtype=np.float32)
    a, b, c = to_face[1, 2]
    depth = (a * xs + (b * ys + c)[:, None]).astype(np.float32)
    below = depth > 0
    face[below] = 1
    _paint_ground(camera, grounds, face)
    face[~below] = 0
    sky = to_face[0, 2]
    above = sky[0] * xs + (sky[1] * ys + sky[2])[:, None]
    np.copyto(depth, above.astype(np.float32), where=~below)
    _stand(camera, table, planes, to_pixel, to_face, len(ground_planes), face, depth)
    return Visibility(face, depth, to_pixel, to_face)


def _paint_ground(camera: Camera, grounds: list[np.ndarray], face: np.ndarray) -> None:
    if not grounds:
        return
    project = camera.intrinsics @ camera.rotation
    corners = np.concatenate(grounds)
    world = np.concatenate([corners, np.zeros((len(corners), 1))], 1) - np.asarray(camera.position)
    pixels = world @ project.T
    ends = np.cumsum([len(g) for g in grounds])
    starts = ends - [len(g) for g in grounds]
    nearest, farthest = np.minimum.reduceat(pixels[:, 2], starts), np.maximum.reduceat(pixels[:, 2], starts)
    for i in np.flatnonzero(farthest > NEAR):
        p = pixels[starts[i] : ends[i]]
        if nearest[i] < NEAR:
            p = clip_near(p)
            if len(p) < 3:
                continue
        fill(face, to_fixed(p), int(i) + 2)


def _stand(
    camera: Camera, table: FaceTable, planes: tuple[np.ndarray, ...], to_pixel: np.ndarray, to_face: np.ndarray,
    first: int, face: np.ndarray, depth: np.ndarray,
) -> None:  # fmt: skip
    h, w = camera.size
    origin, u, v = planes
    facing = np.einsum("fi,fi->f", np.cross(u, v), np.asarray(camera.position) - origin)
    centre = to_pixel[first:, 2, 2]
    reach = np.abs(to_pixel[first:, 2, 0] * table.tiles[:, 0]) + np.abs(to_pixel[first:, 2, 1] * table.tiles[:, 1])
    seen = ((table.sided == 0) | (facing > 0)) & (centre + reach > NEAR) & (np.abs(facing) > 1e-12)
    rows = np.flatnonzero(seen)
    if not len(rows):
        return
    outlines = [table.outline[i] for i in rows]
    counts = np.array([len(o) for o in outlines])
    owner = np.repeat(rows, counts)
    local = np.concatenate(outlines) * table.tiles[owner]
    m = to_pixel[first + owner]
    pixels = m[:, :, 0] * local[:, :1] + m[:, :, 1] * local[:, 1:] + m[:, :, 2]
    starts = np.cumsum(counts) - counts
    z = pixels[:, 2]
    nearest, farthest = np.minimum.reduceat(z, starts), np.maximum.reduceat(z, starts)
    safe = np.maximum(z, 1e-6)[:, None]
    xy = pixels[:, :2] / safe
    low, high = np.minimum.reduceat(xy, starts), np.maximum.reduceat(xy, starts)
    crossing = nearest < NEAR
    inside = (low[:, 0] < w) & (high[:, 0] > -1) & (low[:, 1] < h) & (high[:, 1] > -1)
    large = (high - low).max(1) > 0.8
    keep = (farthest > NEAR) & (crossing | (inside & large))
    fixed = np.clip(np.rint(xy * (1 << _SHIFT)), -_LIMIT, _LIMIT).astype(np.int32)
    masks = atlas().masks
    xs, ys = np.arange(w, dtype=np.float32), np.arange(h, dtype=np.float32)
    scratch = np.zeros((h, w), np.uint8)
    planes_z = to_face[first:, 2].astype(np.float32)
    top = (1 / np.maximum(nearest, NEAR)).astype(np.float32)
    order = np.flatnonzero(keep)
    order = order[np.argsort(-top[order], kind="stable")]
    for k in order:
        i = rows[k]
        polygon = fixed[starts[k] : starts[k] + counts[k]]
        if crossing[k]:
            clipped = clip_near(pixels[starts[k] : starts[k] + counts[k]])
            if len(clipped) < 3:
                continue
            polygon = to_fixed(clipped)
            lo, hi = polygon.min(0) >> _SHIFT, polygon.max(0) >> _SHIFT
        else:
            lo, hi = low[k], high[k]
        x0, y0 = max(int(lo[0]), 0), max(int(lo[1]), 0)
        x1, y1 = min(int(hi[0]) + 2, w), min(int(hi[1]) + 2, h)
        if x0 >= x1 or y0 >= y1:
            continue
        behind = depth[y0:y1, x0:x1]
        mask = scratch[: y1 - y0, : x1 - x0]
        mask[:] = 0
        cv2.fillPoly(mask, [polygon], 1, 8, _SHIFT, (-x0 << _SHIFT, -y0 << _SHIFT))
        a, b, c = planes_z[i]
        near = (a * xs[x0:x1]) + (b * ys[y0:y1] + c)[:, None]
        np.minimum(near, top[k], out=near)
        shown = near > behind
        shown &= mask.view(bool)
        if table.mask[i] >= 0:
            shown &= _alpha(masks[table.mask[i]], to_pixel[first + i], table.tiles[i], x0, y0, x1, y1)
        np.copyto(behind, near, where=shown)
        np.copyto(face[y0:y1, x0:x1], np.int32(first + i), where=shown)


def _alpha(
    levels: tuple[np.ndarray, ...], to_pixel: np.ndarray, tiles: np.ndarray, x0: int, y0: int, x1: int, y1: int
) -> np.ndarray:
    """Where an alpha mask, laid once over a face, is opaque in a window of the image."""
    height = abs(y1 - y0)
    level = int(np.clip(np.log2(max(levels[0].shape[0] / max(height, 1), 1.0)), 0, len(levels) - 1))
    alpha = levels[level]
    mh, mw = alpha.shape
    # Mask texel (x, y) to face coordinates (a right, b up).
    texel = np.array([[tiles[0] / mw, 0, 0.5 * tiles[0] / mw], [0, -tiles[1] / mh, tiles[1] * (1 - 0.5 / mh)], [0, 0, 1]])
    window = np.array([[1, 0, -x0], [0, 1, -y0], [0, 0, 1.0]])
    return cv2.warpPerspective(alpha, window @ to_pixel @ texel, (x1 - x0, y1 - y0), flags=cv2.INTER_LINEAR) > 110
