"""What all textures are drawn with: seamless noise, grey levels, bytes."""

from __future__ import annotations

import cv2
import numpy as np

Texture = list[np.ndarray]
"""Variants of one texture, each ``(h, w, 4)`` uint8: RGB and how far a tint applies."""


def noise(rng: np.random.Generator, h: int, w: int, cell: int, decay: float = 0.55) -> np.ndarray:
    """Seamless fractal noise ``(h, w)`` float32, mean 0, deviation 1; largest grain ``cell`` pixels."""
    out = np.zeros((h, w), np.float32)
    weight = 1.0
    while cell >= 1:
        gh, gw = max(1, h // cell), max(1, w // cell)
        grid = np.pad(rng.standard_normal((gh, gw)).astype(np.float32), 2, mode="wrap")
        big = cv2.resize(grid, (w + 4 * (w // gw), h + 4 * (h // gh)), interpolation=cv2.INTER_CUBIC)
        y, x = 2 * (h // gh), 2 * (w // gw)
        out += weight * big[y : y + h, x : x + w]
        weight *= decay
        cell //= 2
    return (out - out.mean()) / max(float(out.std()), 1e-6)


def grey(level: np.ndarray, tint: float | np.ndarray = 1.0) -> np.ndarray:
    """A grey texture from levels 0..255."""
    out = np.empty((*level.shape, 4), np.float32)
    out[..., :3] = level[..., None]
    out[..., 3] = 255.0 * tint
    return out


def done(texture: np.ndarray) -> np.ndarray:
    """A drawn texture as bytes."""
    return np.clip(texture, 0, 255).astype(np.uint8)
