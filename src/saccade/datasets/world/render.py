"""From visible faces to an image: textures, light, shadows, haze, sky."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from saccade.datasets.world.lighting import Light
from saccade.datasets.world.raster import Visibility, magnification
from saccade.datasets.world.spans import Spans
from saccade.datasets.world.textures import LEVELS, MAX_VARIANTS, atlas

SKY_HEIGHT = 700.0
"""Height of the clouds, metres."""


@dataclass(frozen=True, eq=False)
class Surface:
    """What the shading needs to know of each of F faces (ground first, see ``raster.rasterise``).

    Attributes:
        low: ``(F,)`` smallest coordinate on the face, both ways.
        high: ``(F, 2)`` largest ones.
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


def shade(seen: Visibility, surface: Surface, light: Light, shadow: np.ndarray) -> np.ndarray:
    """The noise-free image ``(H, W, 3)`` float32 RGB, 0..255 before exposure.

    Args:
        seen: Visible faces.
        surface: Their looks.
        light: Sun, sky and haze.
        shadow: ``(H, W)`` uint8, share of the light that ground pixels miss; 255 is all.
    """
    spans = Spans(seen.face)
    face = spans.face
    to_face = seen.to_face.astype(np.float32)
    inverse_depth = spans.affine(to_face[:, 2])
    np.maximum(inverse_depth, 1e-7, out=inverse_depth)
    depth = 1 / inverse_depth
    texel = _texture(spans, seen, surface, depth)
    fade = np.exp(depth * np.float32(-light.haze))
    ground = surface.ground
    if shadow.any():
        dark = shadow * spans.spread(face < ground).view(np.uint8)
        lit = dark.astype(np.float32)
        lit *= np.float32(-1 / 255)
        lit += 1
        lit *= fade
    else:
        lit = fade
    away = 1 - fade
    channels = cv2.split(texel)
    tinted = channels[3].astype(np.float32)
    planes = []
    for c in range(3):
        # texel * light * (1 + tintable * (tint - 1)), with what belongs to faces computed per run.
        own = surface.light[face, c].astype(np.float32)
        plane = spans.spread(own * (surface.tint[face, c] - 1).astype(np.float32) / 255)
        plane *= tinted
        plane += spans.spread(own)
        plane *= channels[c].astype(np.float32)
        plane *= lit
        plane += away * np.float32(light.horizon[c])
        planes.append(plane)
    image = cv2.merge(planes)
    sky = np.flatnonzero(spans.spread(face == 0))
    if len(sky):
        cloud = channels[0].ravel()[sky]
        image.reshape(-1, 3)[sky] = _sky(inverse_depth.ravel()[sky], cloud, light)
    return image


def _texture(spans: Spans, seen: Visibility, surface: Surface, depth: np.ndarray) -> np.ndarray:
    """Texels ``(H, W, 4)`` uint8 that the pixels show."""
    pages = atlas()
    face = spans.face
    to_face = seen.to_face.astype(np.float32)
    texture = surface.texture[face]
    low, high = spans.spread(surface.low.astype(np.float32)[face]), surface.high.astype(np.float32)[face]
    wrapped, cell = [], spans.spread(surface.seed[face])
    for axis, stride in ((0, 7), (1, 13)):
        a = spans.affine(to_face[:, axis])
        a *= depth
        np.maximum(a, low, out=a)
        np.minimum(a, spans.spread(high[:, axis]), out=a)
        whole = np.floor(a)
        a -= whole
        wrapped.append(a)
        cell += whole.astype(np.int32) * stride
    # Texels per pixel are |det| * depth^3 for a homography, so the mip level needs no derivatives; half the
    # exponent of a float is the level.
    area = magnification(seen.to_face) * pages.size[surface.texture].prod(1)
    detail = spans.spread((area[face] * 0.9).astype(np.float32))
    detail *= depth
    detail *= depth
    detail *= depth
    level = (detail.view(np.int32) >> 23) - 127
    level >>= 1
    np.maximum(level, 0, out=level)
    np.minimum(level, LEVELS - 1, out=level)
    cell ^= cell >> 3
    cell &= spans.spread(pages.variants[texture])
    cell *= LEVELS
    cell += level
    cell += spans.spread((texture * (MAX_VARIANTS * LEVELS)).astype(np.int32))
    shrink = ((127 - level) << 23).view(np.float32)  # 2 ** -level
    corner = pages.corner.reshape(-1, 2)
    slot = cell.astype(np.intp)
    size = pages.size[texture]
    maps = []
    for axis, a in enumerate((wrapped[0], 1 - wrapped[1])):
        a *= shrink
        a *= spans.spread(size[:, axis])
        a += np.take(np.ascontiguousarray(corner[:, axis]) - np.float32(0.5), slot, mode="clip")
        maps.append(a)
    return cv2.remap(pages.image, maps[0], maps[1], cv2.INTER_LINEAR)


def _sky(inverse_depth: np.ndarray, cloud: np.ndarray, light: Light) -> np.ndarray:
    """Sky colours ``(P, 3)`` from the slope of the view rays and the cloud texture."""
    slope = np.minimum(inverse_depth * np.float32(SKY_HEIGHT), 2)
    rise = 1 - np.exp(-2.2 * slope)
    cover = np.clip((cloud * np.float32(1 / 255) - np.float32(light.cover)) * 2.5, 0, 1)
    cover *= np.minimum(slope * 6, 1) * 0.85
    out = np.empty((len(slope), 3), np.float32)
    for c in range(3):
        clear = light.horizon[c] + (light.zenith[c] - light.horizon[c]) * rise
        out[:, c] = clear + (light.cloud[c] - clear) * cover
    return out
