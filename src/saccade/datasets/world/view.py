"""One moment of a scene seen by its camera: image, labels."""

from __future__ import annotations

from functools import cached_property

import cv2
import numpy as np

from saccade.classes import CITYSCAPES
from saccade.datasets.clip import Box
from saccade.datasets.world.boxes import boxes
from saccade.datasets.world.faces import cross
from saccade.datasets.world.flow import backward_flow
from saccade.datasets.world.raster import NO_VEIL, Outlines, Visibility, drawable, paint_ground, rasterise
from saccade.datasets.world.render import SKY_HEIGHT, Surface, shade
from saccade.datasets.world.scene import Scene

SKY, TERRAIN = CITYSCAPES.names.index("sky"), CITYSCAPES.names.index("terrain")
_CLOUD_SCALE = 1600.0
_ENDLESS = 1e9
_UNDER_CARS = 190


class View:
    """What the camera of a scene sees at one moment; everything is computed when first asked for.

    Args:
        scene: The street.
        time: Seconds.
        size: ``(height, width)`` in pixels.
    """

    def __init__(self, scene: Scene, time: float, size: tuple[int, int]) -> None:
        self.scene, self.time, self.size = scene, time, size
        self.camera = scene.camera(time, size)
        self.table = scene.faces(time, self.camera)
        self.planes = scene.planes(self.table, time, self.camera)

    @cached_property
    def seen(self) -> Visibility:
        """Which face each pixel shows."""
        outlines = self.scene.ground.outlines
        return rasterise(self.camera, outlines, self._ground_planes(), self.table, self.planes)

    def _ground_planes(self) -> np.ndarray:
        """Homographies of the sky, the endless ground and the painted areas of the ground."""
        scales = np.concatenate([[_CLOUD_SCALE, 4.0], self.scene.ground.scale])
        origin = np.zeros((len(scales), 3))
        origin[0, 2] = SKY_HEIGHT
        u, v = scales[:, None] * (1.0, 0, 0), scales[:, None] * (0, 1.0, 0)
        return self.camera.plane_to_pixel(origin, u, v)

    @cached_property
    def _rows(self) -> np.ndarray:
        """Number in the scene of each visible face; ground faces have negative ones."""
        ground = len(self.scene.ground.label) + 2
        return np.concatenate([np.arange(ground) - ground, self.table.row])

    def flow_from(self, before: View) -> tuple[np.ndarray, np.ndarray]:
        """Backward flow ``(H, W, 2)`` to an earlier view, and where it is occluded ``(H, W)``.

        See ``saccade.datasets.clip.Sample`` for the convention, ``flow.backward_flow`` for what is exact.
        """
        planes = self.scene.planes(self.table, before.time, before.camera)
        moved = np.concatenate([before._ground_planes(), before.camera.plane_to_pixel(*planes)])
        ground = len(moved) - len(self.table)
        front = np.concatenate([np.ones(ground, bool), drawable(before.camera, self.table, planes)])
        return backward_flow(self.seen, self._rows, before.seen, before._rows, moved, front)

    @cached_property
    def boxes(self) -> tuple[Box, ...]:
        """Every person and rider of whom at least one pixel shows."""
        ground = len(self.scene.ground.label) + 2
        return boxes(self.table, self.seen, ground)

    @cached_property
    def label(self) -> np.ndarray:
        """``(H, W)`` uint8 Cityscapes train ids.

        As annotators do, the gaps of railings, bare crowns and spoked wheels count as the object.
        """
        labels = np.concatenate([[SKY, TERRAIN], self.scene.ground.label, self.table.label]).astype(np.uint8)
        seen = self.seen
        return np.where(seen.veil != NO_VEIL, seen.veil, labels[seen.face])

    @cached_property
    def image(self) -> np.ndarray:
        """``(H, W, 3)`` float32 RGB without the camera's noise, 0..255 before exposure."""
        scene, table, ground = self.scene, self.table, self.scene.ground
        g = len(ground.label) + 2
        low = np.concatenate([np.full(g, -_ENDLESS), np.full(len(table), 1e-3)])
        high = np.concatenate([np.full((g, 2), _ENDLESS), table.tiles - 1e-3])
        texture = np.concatenate([[scene.cloud, scene.wild], ground.texture, table.texture]).astype(np.int32)
        tint = np.concatenate([[np.ones(3), scene.grass_tint], ground.tint, table.tint])
        seed = np.concatenate([np.zeros(g, np.int32), table.seed])
        surface = Surface(low, high, texture, tint, self._light(g), seed, g)
        return shade(self.seen, surface, scene.light, self._shadow())

    def _light(self, grounds: int) -> np.ndarray:
        """``(F, 3)`` light on every face, so that level ground in the sun gets about ``Light.level``."""
        light, table = self.scene.light, self.table
        origin, u, v = self.planes
        normal = cross(u, v)
        normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)
        facing = (normal * (np.asarray(self.camera.position) - origin)).sum(1)
        normal *= np.where(facing < 0, -1, 1)[:, None]
        towards = np.where(table.ribbon, 0.5, np.maximum(normal @ light.sun, 0))
        lit = light.ambient * (0.72 + 0.28 * normal[:, 2:]) + light.sunlight * towards[:, None]
        flat = light.ambient + light.sunlight * light.sun[2]
        unit = light.level / max(float(flat.mean()), 1e-3)
        lit *= unit
        lit += (np.maximum(lit, 1.0) - lit + 0.4) * table.glow[:, None]
        return np.concatenate([np.tile(flat * unit, (grounds, 1)), lit])

    def _shadow(self) -> np.ndarray:
        """``(H, W)`` uint8 share of the light that ground pixels miss, 255 is all."""
        light, scene = self.scene.light, self.scene
        shadow = np.zeros(self.size, np.uint8)
        footprints, heights = scene.footprints(self.time)
        if light.shadow > 0.05:
            strength = int(255 * light.shadow)
            reach = footprints[:, None] + light.throw * (heights[:, None, None, None] * [[[0.0]], [[1.0]]])
            corners = reach.reshape(len(heights), -1, 2).astype(np.float32)
            cast = [p[cv2.convexHull(p, returnPoints=False)[:, 0]] for p in corners]
            for outlines in (scene.static_shadows, Outlines.of(cast)):
                paint_ground(self.camera, outlines, shadow, np.full(len(outlines.count), strength))
        # It is dark under cars whatever the weather.
        under = Outlines.of(list(footprints))
        paint_ground(self.camera, under, shadow, np.full(len(under.count), _UNDER_CARS))
        return cv2.blur(shadow, (3, 3))
