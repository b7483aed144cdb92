"""Which face each pixel shows: projection, clipping, depth test."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from saccade.datasets.world.camera import Camera
from saccade.datasets.world.faces import FaceTable, cross
from saccade.datasets.world.textures import atlas

NEAR = 0.25
"""Nothing closer to the camera than this is drawn, metres."""

NO_VEIL = 255
"""Value of ``Visibility.veil`` where no open-work object stands before the visible face."""

_SHIFT = 4
_LIMIT = 1 << 26


@dataclass(frozen=True, eq=False)
class Visibility:
    """What a camera sees.

    Attributes:
        face: ``(H, W)`` int32, the row of the visible face.
        to_pixel: ``(F, 3, 3)`` homographies from face coordinates to homogeneous pixels.
        to_face: ``(F, 3, 3)`` their inverses; the last row gives 1/depth of a pixel.
        veil: ``(H, W)`` uint8, label of an open-work object (railing, bare crown, spoked wheel) that the
            pixel is seen through, ``NO_VEIL`` elsewhere.
    """

    face: np.ndarray
    to_pixel: np.ndarray
    to_face: np.ndarray
    veil: np.ndarray


@dataclass(frozen=True, eq=False)
class Outlines:
    """Polygons on the ground.

    Attributes:
        corners: ``(C, 2)`` metres, all polygons one after the other.
        first, count: ``(P,)`` where each polygon starts and its number of corners.
    """

    corners: np.ndarray
    first: np.ndarray
    count: np.ndarray

    @staticmethod
    def of(polygons: list[np.ndarray]) -> Outlines:
        """From P arrays ``(n, 2)``."""
        count = np.array([len(p) for p in polygons], int)
        corners = np.concatenate(polygons) if polygons else np.zeros((0, 2))
        return Outlines(corners, np.cumsum(count) - count, count)


def clip_near(points: np.ndarray) -> np.ndarray:
    """The part of a polygon ``(n, 3)`` of homogeneous pixels that is farther than ``NEAR``."""
    z = points[:, 2] - NEAR
    inside = z >= 0
    cut = np.flatnonzero(inside != np.concatenate([inside[1:], inside[:1]]))
    step = points[(cut + 1) % len(points)] - points[cut]
    crossing = points[cut] - step * (z[cut] / step[:, 2])[:, None]
    # A crossing comes after the corner it starts from.
    order = np.argsort(np.concatenate([np.flatnonzero(inside), cut + 0.5]), kind="stable")
    return np.concatenate([points[inside], crossing])[order]


def to_fixed(points: np.ndarray) -> np.ndarray:
    """Homogeneous pixels to the fixed-point coordinates of OpenCV's polygon filling."""
    xy = points[:, :2] * ((1 << _SHIFT) / points[:, 2:])
    return np.clip(np.rint(xy), -_LIMIT, _LIMIT).astype(np.int32)


def invert(matrices: np.ndarray) -> np.ndarray:
    """Inverses of ``(F, 3, 3)``; planes seen edge-on give zeros instead of an error."""
    a, b, c = matrices[:, 0], matrices[:, 1], matrices[:, 2]
    adjugate = np.stack([cross(b, c), cross(c, a), cross(a, b)], -1)
    determinant = (a * adjugate[:, :, 0]).sum(1)
    scale = np.where(np.abs(determinant) > 1e-12, determinant, np.inf)
    return adjugate / scale[:, None, None]


def magnification(to_face: np.ndarray) -> np.ndarray:
    """``(F,)`` absolute determinants of homographies from pixels to faces."""
    return np.abs((to_face[:, 0] * cross(to_face[:, 1], to_face[:, 2])).sum(1))


def drawable(camera: Camera, table: FaceTable, planes: tuple[np.ndarray, ...]) -> np.ndarray:
    """``(F,)`` bool: False for faces seen edge-on, and for one-sided ones seen from behind."""
    origin, u, v = planes
    facing = (cross(u, v) * (np.asarray(camera.position) - origin)).sum(1)
    return ((table.sided == 0) & (facing != 0)) | (facing > 0)


def paint_ground(camera: Camera, outlines: Outlines, image: np.ndarray, values: np.ndarray) -> None:
    """Fill polygons on the ground one over the other.

    Args:
        camera: The view.
        outlines: P polygons.
        image: ``(H, W)`` integers, painted in place.
        values: ``(P,)`` what to paint.
    """
    if not len(outlines.count):
        return
    project = camera.projection
    pixels = outlines.corners @ project[:, :2].T - project @ np.asarray(camera.position)
    z = pixels[:, 2]
    nearest, farthest = np.minimum.reduceat(z, outlines.first), np.maximum.reduceat(z, outlines.first)
    fixed = to_fixed(np.concatenate([pixels[:, :2], np.maximum(z, 1e-3)[:, None]], 1))
    low, high = (f.reduceat(fixed, outlines.first) for f in (np.minimum, np.maximum))
    h, w = image.shape
    inside = (high >= 0).all(1) & (low[:, 0] < w << _SHIFT) & (low[:, 1] < h << _SHIFT)
    crossing = nearest < NEAR
    for i in np.flatnonzero((farthest > NEAR) & (inside | crossing)):
        span = slice(outlines.first[i], outlines.first[i] + outlines.count[i])
        polygon = fixed[span]
        if crossing[i]:
            clipped = clip_near(pixels[span])
            if len(clipped) < 3:
                continue
            polygon = to_fixed(clipped)
        cv2.fillPoly(image, [polygon], int(values[i]), 8, _SHIFT)


def rasterise(
    camera: Camera,
    ground: Outlines,
    ground_planes: np.ndarray,
    table: FaceTable,
    planes: tuple[np.ndarray, ...],
) -> Visibility:
    """Visible faces of the ground (rows 0..G-1; row 0 is the sky, row 1 the endless ground) and of the table.

    Args:
        camera: The view.
        ground: Outlines of ground rows 2..G-1, painted in this order.
        ground_planes: ``(G, 3, 3)`` homographies of the ground rows.
        table: Faces that stand on it, rows G.. of the result.
        planes: ``origin, u, v`` of these faces, see ``FaceTable.pose``.
    """
    h, w = camera.size
    to_pixel = np.concatenate([ground_planes, camera.plane_to_pixel(*planes)])
    to_face = invert(to_pixel)
    face = np.ones((h, w), np.int32)
    xs, ys = np.arange(w, dtype=np.float32), np.arange(h, dtype=np.float32)[:, None]
    a, b, c = to_face[1, 2].astype(np.float32)
    depth = a * xs + (b * ys + c)
    paint_ground(camera, ground, face, np.arange(len(ground.count)) + 2)
    sky = depth <= 0
    face[sky] = 0
    depth[sky] = 0
    veil_depth, veil = np.zeros((h, w), np.float32), np.full((h, w), NO_VEIL, np.uint8)
    _stand(camera, table, planes, to_pixel, to_face, len(ground_planes), face, depth, veil, veil_depth)
    veil[veil_depth <= depth] = NO_VEIL
    return Visibility(face, to_pixel, to_face, veil)


@dataclass(frozen=True, eq=False)
class _Projected:
    """P polygons in the image, nearest first.

    Attributes:
        row: ``(P,)`` face of each polygon.
        box: ``(P, 4)`` x0, y0, x1, y1 of the window it covers.
        polygon: Fixed-point corners.
        top: ``(P,)`` largest 1/depth.
        level: ``(P,)`` True where 1/depth hardly changes across the polygon.
    """

    row: np.ndarray
    box: np.ndarray
    polygon: list[np.ndarray]
    top: np.ndarray
    level: np.ndarray


def _project(
    camera: Camera, table: FaceTable, planes: tuple[np.ndarray, ...], to_pixel: np.ndarray
) -> _Projected:
    """All faces of a table that may be visible."""
    h, w = camera.size
    rows = np.flatnonzero(drawable(camera, table, planes))
    count = table.count[rows]
    starts = np.cumsum(count) - count
    owner = np.repeat(rows, count)
    corner = np.arange(len(owner)) + np.repeat(table.first[rows] - starts, count)
    local = table.corners[corner] * table.tiles[owner]
    m = to_pixel[owner]
    pixels = m[:, :, 0] * local[:, :1] + m[:, :, 1] * local[:, 1:] + m[:, :, 2]
    z = pixels[:, 2]
    if not len(rows):
        none = np.zeros(0, int)
        return _Projected(none, np.zeros((0, 4), int), [], none, none)
    nearest, farthest = np.minimum.reduceat(z, starts), np.maximum.reduceat(z, starts)
    xy = pixels[:, :2] / np.maximum(z, 1e-6)[:, None]
    low, high = np.minimum.reduceat(xy, starts), np.maximum.reduceat(xy, starts)
    crossing = nearest < NEAR
    inside = (low[:, 0] < w) & (high[:, 0] > -1) & (low[:, 1] < h) & (high[:, 1] > -1)
    width, height = (high - low).T
    longest = np.maximum(width, height)
    large = (longest > 6) | ((longest > 1.2) & (width * height > 3))
    keep = (farthest > NEAR) & (crossing | (inside & large))
    box = np.concatenate([np.clip(low, 0, (w, h)), np.clip(high + 2, 0, (w, h))], 1).astype(int)
    fixed = np.clip(np.rint(xy * (1 << _SHIFT)), -_LIMIT, _LIMIT).astype(np.int32)
    polygons: dict[int, np.ndarray] = {}
    for k in np.flatnonzero(keep & crossing).tolist():
        clipped = clip_near(pixels[starts[k] : starts[k] + count[k]])
        if len(clipped) < 3:
            keep[k] = False
            continue
        polygon = to_fixed(clipped)
        lo, hi = polygon.min(0) >> _SHIFT, (polygon.max(0) >> _SHIFT) + 2
        box[k] = *np.clip(lo, 0, (w, h)), *np.clip(hi, 0, (w, h))
        polygons[k] = polygon
    keep &= (box[:, 0] < box[:, 2]) & (box[:, 1] < box[:, 3])
    top = (1 / np.maximum(nearest, NEAR)).astype(np.float32)
    chosen = np.flatnonzero(keep)
    chosen = chosen[np.argsort(-top[chosen], kind="stable")]
    spans = zip(chosen.tolist(), starts[chosen].tolist(), (starts + count)[chosen].tolist(), strict=True)
    outlines = [polygons[k] if k in polygons else fixed[i:j] for k, i, j in spans]
    # A few pixels do not show it if their depth is wrong by a hundredth.
    level = ~crossing & (farthest < np.where(longest < 12, 1.02, 1.0025) * nearest)
    return _Projected(rows[chosen], box[chosen], outlines, top[chosen], level[chosen])


_SMALL = 17
"""Polygons that fit into so many pixels are first tested against a coarse map of what is in front."""

_SOLID = 6
"""Up to so many pixels, masked faces are drawn as if they had no holes."""


def _stand(
    camera: Camera,
    table: FaceTable,
    planes: tuple[np.ndarray, ...],
    to_pixel: np.ndarray,
    to_face: np.ndarray,
    first: int,
    face: np.ndarray,
    depth: np.ndarray,
    veil: np.ndarray,
    veil_depth: np.ndarray,
) -> None:
    """Draw the faces of a table; ``depth`` holds the 1/depth of what each pixel shows so far."""
    h, w = camera.size
    pages = atlas()
    xs, ys = np.arange(w, dtype=np.float32), np.arange(h, dtype=np.float32)
    slopes = to_face[first:, 2].astype(np.float32)
    drawn = _project(camera, table, planes, to_pixel[first:])
    masks, labels = table.mask[drawn.row].tolist(), table.label[drawn.row].tolist()
    rows, boxes = drawn.row.tolist(), drawn.box.tolist()

    def draw(k: int) -> None:
        row, (x0, y0, x1, y1), top = rows[k], boxes[k], drawn.top[k]
        behind = depth[y0:y1, x0:x1]
        a, b, c = slopes[row]
        # A polygon's rim is half a pixel outside its plane, where a steep plane comes too close.
        near = np.minimum(a * xs[x0:x1] + (b * ys[y0:y1] + c)[:, None], top)
        shown = near > behind
        area = np.zeros(behind.shape, np.uint8)
        cv2.fillPoly(area, [drawn.polygon[k]], 1, 8, _SHIFT, (-x0 << _SHIFT, -y0 << _SHIFT))
        shown &= area.view(bool)
        if masks[k] >= 0 and (y1 - y0 > _SOLID or x1 - x0 > _SOLID) and shown.any():
            alpha, hull = pages.masks[masks[k]]
            lay = _laid(to_pixel[first + row], table.tiles[row], x0, y0)
            solid = _sample(alpha, lay, x1 - x0, y1 - y0)
            if hull is not None:
                open_work = shown & ~solid & _sample(hull, lay, x1 - x0, y1 - y0)
                open_work &= near > veil_depth[y0:y1, x0:x1]
                np.copyto(veil[y0:y1, x0:x1], labels[k], where=open_work)
                np.copyto(veil_depth[y0:y1, x0:x1], near, where=open_work)
            shown &= solid
        np.copyto(behind, near, where=shown)
        np.copyto(face[y0:y1, x0:x1], first + row, where=shown)

    # Large polygons first, nearest first: they hide half of the small ones.
    extent = (drawn.box[:, 2:] - drawn.box[:, :2]).max(1, initial=0)
    flat = drawn.level & ((table.mask[drawn.row] < 0) | (extent <= _SOLID))
    small = extent <= _SMALL
    for k in np.flatnonzero(~small & ~flat).tolist():
        draw(k)
    nearby = cv2.erode(depth, np.ones((_SMALL, _SMALL), np.uint8))
    x, y = (drawn.box[:, :2] + drawn.box[:, 2:]).T // 2
    hidden = small & (drawn.top <= nearby[np.minimum(y, h - 1), np.minimum(x, w - 1)])
    # Those of one depth need no depth test among themselves when the farthest is painted first.
    layer, layer_depth = np.zeros((h, w), np.int32), np.zeros((h, w), np.float32)
    for k in np.flatnonzero(flat & ~hidden)[::-1].tolist():
        cv2.fillPoly(layer, [drawn.polygon[k]], first + rows[k], 8, _SHIFT)
        cv2.fillPoly(layer_depth, [drawn.polygon[k]], float(drawn.top[k]), 8, _SHIFT)
    front = layer_depth > depth
    np.copyto(face, layer, where=front)
    np.copyto(depth, layer_depth, where=front)
    for k in np.flatnonzero(small & ~flat & ~hidden).tolist():
        draw(k)


def _laid(to_pixel: np.ndarray, tiles: np.ndarray, x0: int, y0: int) -> np.ndarray:
    """From a mask in 0..1 (y down), laid once over a face, to pixels of a window at ``(x0, y0)``."""
    unit = np.array([[tiles[0], 0, 0], [0, -tiles[1], tiles[1]], [0, 0, 1]])
    return np.array([[1, 0, -x0], [0, 1, -y0], [0, 0, 1.0]]) @ to_pixel @ unit


def _sample(levels: tuple[np.ndarray, ...], lay: np.ndarray, width: int, height: int) -> np.ndarray:
    """``(height, width)`` bool: where an alpha mask is opaque."""
    fine = levels[0].shape[0] / max(height, 1)
    alpha = levels[0 if fine < 1.5 else min(int(np.log2(fine) + 0.42), len(levels) - 1)]
    mh, mw = alpha.shape
    texel = np.array([[1 / mw, 0, 0.5 / mw], [0, 1 / mh, 0.5 / mh], [0, 0, 1]])
    return cv2.warpPerspective(alpha, lay @ texel, (width, height), flags=cv2.INTER_LINEAR) > 110
