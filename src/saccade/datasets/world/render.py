"""From visible faces to an image: textures, light, shadows, haze, sky."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from saccade.datasets.world.lighting import Light
from saccade.datasets.world.raster import Visibility
from saccade.datasets.world.textures import LEVELS, atlas

SKY_HEIGHT = 700.0
"""Height of the clouds, metres."""


@dataclass(frozen=True, eq=False)
class Surface:
    """What the shading needs to know of each of F faces (ground first, see ``raster.rasterise``).

    Attributes:
        low, high: ``(F, 2)`` smallest and largest face coordinates.
        texture: ``(F,)`` index in the atlas.
        tint: ``(F, 3)``.
        light: ``(F, 3)`` factor from sun and sky.
        seed: ``(F,)``.
        ground: Number of leading rows that are sky or ground.
    """

    low: np.ndarray
    high: np.ndarray
    texture: np.ndarray
    tint: np.ndarray
    light: np.ndarray
    seed: np.ndarray
    ground: int


def shade(seen: Visibility, surface: Surface, light: Light, shadow: np.ndarray | None) -> np.ndarray:
    """The noise-free image ``(H, W, 3)`` float32 RGB, 0..255 before exposure.

    Args:
        shadow: ``(H, W)`` uint8, how much of the sun each ground pixel misses; None for no shadow at all.
    """
    pages = atlas()
    h, w = seen.face.shape
    face = seen.face
    flat = face.ravel()
    xs, ys = np.arange(w, dtype=np.float32), np.arange(h, dtype=np.float32)[:, None]
    # Plane coordinates of every pixel: one row of the inverse homography at a time.
    m = seen.to_face.astype(np.float32).reshape(-1, 9).T

    def row(k: int) -> np.ndarray:
        out = np.take(m[k], face)
        out *= xs
        second = np.take(m[k + 1], face)
        second *= ys
        out += second
        out += np.take(m[k + 2], face)
        return out

    inverse_depth = np.maximum(row(6), 1e-7)
    texture = surface.texture[flat].reshape(h, w)
    size = pages.size
    tw, th = np.take(size[:, 0], texture), np.take(size[:, 1], texture)
    low, high = surface.low.astype(np.float32), surface.high.astype(np.float32)
    u = np.clip(row(0) / inverse_depth, np.take(low[:, 0], face), np.take(high[:, 0], face))
    v = np.clip(row(3) / inverse_depth, np.take(low[:, 1], face), np.take(high[:, 1], face))
    cu, cv = np.floor(u), np.floor(v)
    u -= cu
    v -= cv
    # Texels per pixel is |det| / w^3 for a homography, so the mip level needs no derivatives.
    area = np.abs(np.linalg.det(seen.to_face)) * size[surface.texture].prod(1)
    detail = (0.5 * np.log2(np.maximum(area, 1e-30))).astype(np.float32)
    level = np.take(detail, face) - 1.5 * np.log2(inverse_depth)
    level = np.clip(level - 0.1, 0, LEVELS - 1).astype(np.int32)
    cell = cu.astype(np.int32) * 7 + cv.astype(np.int32) * 13 + np.take(surface.seed, face)
    cell ^= cell >> 3
    cell &= np.take(pages.variants, texture)
    slot = (texture * pages.corner.shape[1] + cell) * LEVELS + level
    corner = pages.corner.reshape(-1, 2)
    scale = np.ldexp(np.float32(1), -level).astype(np.float32)
    map_x = np.take(corner[:, 0], slot) + u * (tw * scale) - 0.5
    map_y = np.take(corner[:, 1], slot) + (1 - v) * (th * scale) - 0.5
    texel = cv2.remap(pages.image, map_x, map_y, cv2.INTER_LINEAR)
    tinted = texel[..., 3:].astype(np.float32) * (1 / 255)
    image = np.take((surface.tint - 1).astype(np.float32), flat, axis=0).reshape(h, w, 3)
    image *= tinted
    image += 1
    image *= texel[..., :3]
    image *= np.take(surface.light.astype(np.float32), flat, axis=0).reshape(h, w, 3)
    if shadow is not None:
        dark = np.where(face < surface.ground, shadow, 0).astype(np.float32)
        image *= 1 - dark[..., None] * np.float32(1 / 255)
    sky = face == 0
    fade = np.exp(-np.float32(light.haze) / inverse_depth)[..., None]
    image = (image - light.horizon.astype(np.float32)) * fade + light.horizon.astype(np.float32)
    if sky.any():
        image[sky] = _sky(inverse_depth[sky], texel[sky][:, 0], light)
    return image


def _sky(inverse_depth: np.ndarray, cloud: np.ndarray, light: Light) -> np.ndarray:
    """Sky colours ``(P, 3)`` from the slope of the view rays and the cloud texture."""
    slope = np.clip(inverse_depth * SKY_HEIGHT, 0, 2)[:, None]
    rise = 1 - np.exp(-2.2 * slope)
    clear = light.horizon + (light.zenith - light.horizon) * rise
    cover = np.clip((cloud[:, None] / 255 - light.cover) * 2.5, 0, 1) * np.clip(slope * 6, 0, 1)
    return (clear + (light.cloud - clear) * cover * 0.85).astype(np.float32)
