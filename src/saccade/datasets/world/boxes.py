"""Boxes of people: full extent, identity, visible share."""

from __future__ import annotations

import cv2
import numpy as np

from saccade.classes import CITYSCAPES
from saccade.datasets.clip import Box
from saccade.datasets.world.faces import FaceTable
from saccade.datasets.world.raster import NEAR, Visibility
from saccade.datasets.world.site import ID

_SHIFT = 4


def boxes(table: FaceTable, seen: Visibility, ground: int) -> tuple[Box, ...]:
    """Boxes of all people of whom at least one pixel shows.

    Args:
        table: Faces of the view.
        seen: What is visible of them.
        ground: Number of rows of ``seen`` that come before those of the table.

    Returns:
        Boxes around the whole body, also where it is hidden or outside the image; coordinates are those of
        the outer edges of pixels. ``visible`` is visible pixels over pixels of the whole silhouette; a few
        pixels at the soles lie in the ground, so it is about 0.97 for somebody in the open.
    """
    h, w = seen.face.shape
    body = np.isin(table.label, (ID["person"], ID["rider"]))
    pixels = np.bincount(seen.face.ravel(), minlength=ground + len(table))[ground:]
    shown = np.bincount(table.thing[body], weights=pixels[body])
    out = []
    for thing in np.flatnonzero(shown).tolist():
        parts = np.flatnonzero(body & (table.thing == thing)).tolist()
        polygons = [p for p in (_corners(table, seen.to_pixel[ground + i], i) for i in parts) if len(p)]
        if not polygons:
            continue
        every = np.concatenate(polygons)
        # People closer than their own size are cut off a few images away.
        low = np.floor(np.maximum(every.min(0), (-2 * w, -2 * h))).astype(int)
        high = np.ceil(np.minimum(every.max(0), (3 * w, 3 * h))).astype(int)
        canvas = np.zeros((high[1] - low[1] + 1, high[0] - low[0] + 1), np.uint8)
        for polygon in polygons:
            fixed = np.rint((polygon - low) * (1 << _SHIFT)).astype(np.int32)
            cv2.fillPoly(canvas, [fixed], 1, 8, _SHIFT)
        rows, columns = np.flatnonzero(canvas.any(1)), np.flatnonzero(canvas.any(0))
        x1, y1 = columns[0] + low[0] - 0.5, rows[0] + low[1] - 0.5
        x2, y2 = columns[-1] + low[0] + 0.5, rows[-1] + low[1] + 0.5
        label = CITYSCAPES.names[table.label[parts[0]]]
        visible = min(1.0, float(shown[thing]) / int(canvas.sum()))
        out.append(Box(float(x1), float(y1), float(x2), float(y2), label, thing, visible))
    return tuple(out)


def _corners(table: FaceTable, to_pixel: np.ndarray, row: int) -> np.ndarray:
    """``(n, 2)`` pixels of a face's outline; none if it reaches behind the camera."""
    first = table.first[row]
    local = table.corners[first : first + table.count[row]] * table.tiles[row]
    points = np.concatenate([local, np.ones((len(local), 1))], 1) @ to_pixel.T
    return points[:, :2] / points[:, 2:] if points[:, 2].min() > NEAR else np.zeros((0, 2))
