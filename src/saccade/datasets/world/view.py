"""One moment of a scene seen by its camera: image, labels."""

from __future__ import annotations

from functools import cached_property

import cv2
import numpy as np

from saccade.classes import CITYSCAPES
from saccade.datasets.world.raster import NEAR, Visibility, clip_near, rasterise, to_fixed
from saccade.datasets.world.render import SKY_HEIGHT, Surface, shade
from saccade.datasets.world.scene import Caster, Scene
from saccade.datasets.world.textures import atlas

SKY, TERRAIN = CITYSCAPES.names.index("sky"), CITYSCAPES.names.index("terrain")
_CLOUD_SCALE = 1600.0
_ENDLESS = 1e9


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
        self.table, self.planes = scene.faces(time, self.camera)

    @cached_property
    def _ground_planes(self) -> np.ndarray:
        scales = np.array([_CLOUD_SCALE, 4.0] + [g.scale for g in self.scene.grounds])
        n, zero = len(scales), np.zeros(len(scales))
        origin = np.zeros((n, 3))
        origin[0, 2] = SKY_HEIGHT
        u, v = np.stack([scales, zero, zero], 1), np.stack([zero, scales, zero], 1)
        return self.camera.plane_to_pixel(origin, u, v)

    @cached_property
    def seen(self) -> Visibility:
        """Which face each pixel shows."""
        outlines = [g.outline for g in self.scene.grounds]
        return rasterise(self.camera, outlines, self._ground_planes, self.table, self.planes)

    @cached_property
    def label(self) -> np.ndarray:
        """``(H, W)`` uint8 Cityscapes train ids."""
        ground = [SKY, TERRAIN] + [g.label for g in self.scene.grounds]
        return np.concatenate([ground, self.table.label]).astype(np.uint8)[self.seen.face]

    @cached_property
    def image(self) -> np.ndarray:
        """``(H, W, 3)`` float32 RGB without the camera's noise, 0..255 before exposure."""
        scene, light, table = self.scene, self.scene.light, self.table
        grounds = scene.grounds
        g = len(grounds) + 2
        pages = atlas().groups
        texture = [scene.cloud, scene.wild] + [x.texture for x in grounds]
        tint = np.concatenate([[np.ones(3), scene.grass_tint], [x.tint for x in grounds], table.tint])
        low = np.concatenate([np.full((g, 2), -_ENDLESS), np.full((len(table), 2), 1e-3)])
        high = np.concatenate([np.full((g, 2), _ENDLESS), table.tiles - 1e-3])
        surface = Surface(
            low, high, np.concatenate([texture, table.texture]).astype(np.int32), tint, self._light(g),
            np.concatenate([np.zeros(g, np.int32), table.seed]).astype(np.int32), g,
        )  # fmt: skip
        del pages
        return shade(self.seen, surface, light, self._shadow())

    def _light(self, grounds: int) -> np.ndarray:
        """``(F, 3)`` light on every face, so that level ground in the sun gets about 1."""
        light, table = self.scene.light, self.table
        _, u, v = self.planes
        normal = np.cross(u, v)
        normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)
        facing = np.einsum("fi,fi->f", normal, np.asarray(self.camera.position) - self.planes[0])
        normal *= np.where(facing < 0, -1, 1)[:, None]
        towards = np.maximum(normal @ light.sun, 0)
        towards = np.where(table.ribbon, 0.5, towards)
        sky = 0.72 + 0.28 * normal[:, 2]
        lit = light.ambient * sky[:, None] + light.sunlight * towards[:, None]
        flat = light.ambient + light.sunlight * light.sun[2]
        unit = 1 / max(float(flat.mean()), 1e-3) * light.level
        lit = lit * unit
        lit = lit + (np.maximum(lit, 1.0) - lit) * table.glow[:, None] + 0.4 * table.glow[:, None]
        return np.concatenate([np.tile(flat * unit, (grounds, 1)), lit])

    def _shadow(self) -> np.ndarray | None:
        """``(H, W)`` uint8 share of the light that ground pixels miss, 255 is all."""
        light = self.scene.light
        shadow = np.zeros(self.size, np.uint8)
        casters = self.scene.casters_at(self.time)
        if light.shadow > 0.05:
            offset = -light.sun[:2] / light.sun[2]
            for c in self.scene.casters + casters:
                reach = np.concatenate([c.outline + offset * c.low, c.outline + offset * min(c.high, 40.0)])
                self._fill(shadow, reach, int(255 * light.shadow))
        for c in casters:  # it is dark under cars whatever the weather
            self._fill(shadow, c.outline, 190)
        return cv2.blur(shadow, (3, 3))

    def _fill(self, shadow: np.ndarray, points: np.ndarray, value: int) -> None:
        """Paint the convex hull of ground points into the shadow map."""
        camera = self.camera
        world = np.concatenate([points, np.zeros((len(points), 1))], 1) - np.asarray(camera.position)
        pixels = world @ (camera.intrinsics @ camera.rotation).T
        if pixels[:, 2].max() < NEAR:
            return
        hull = pixels[cv2.convexHull(points.astype(np.float32), returnPoints=False)[:, 0]]
        if hull[:, 2].min() < NEAR:
            hull = clip_near(hull)
            if len(hull) < 3:
                return
        cv2.fillPoly(shadow, [to_fixed(hull)], value, 8, 4)


__all__ = ["Caster", "View"]
