"""Heads of traffic lights, and road signs."""

from __future__ import annotations

import cv2
import numpy as np

from saccade.datasets.world.surfaces.pattern import Texture, done


def traffic_light(rng: np.random.Generator, on: int) -> Texture:
    """A head with three lamps; ``on`` is 0 red, 1 amber, 2 green, 3 seen from behind."""
    h, w = 96, 36
    t = np.full((h, w, 4), (22, 24, 24, 0), float)
    t[:, :2, :3] = t[:, -2:, :3] = 60
    if on < 3:
        colours = ((255, 60, 40), (255, 190, 40), (70, 255, 190))
        for i, c in enumerate(colours):
            rgb = c if i == on else tuple(v * 0.16 for v in c)
            img = np.ascontiguousarray(t[..., :3])
            cv2.circle(img, (w // 2, 17 + 31 * i), 11, rgb, -1)
            t[..., :3] = img
    return [done(np.pad(t, ((16, 16), (14, 14), (0, 0)), mode="edge"))]


def sign(rng: np.random.Generator, kind: str) -> Texture:
    """A road sign face: prohibition, warning, mandatory, direction, parking, or the grey back."""
    n = 64
    img = np.full((n, n, 3), 235.0)
    if kind == "prohibition":
        img[:] = (200, 25, 30)
        cv2.circle(img, (32, 32), 23, (240, 240, 240), -1)
    elif kind == "warning":
        img[:] = (200, 25, 30)
        cv2.fillPoly(img, [np.array([[12, 56], [52, 56], [32, 20]])], (240, 240, 240))
    elif kind == "mandatory":
        img[:] = (25, 70, 170)
    elif kind == "direction":
        img[:] = [(20, 95, 60), (30, 70, 160), (240, 240, 235), (250, 205, 40)][int(rng.integers(4))]
        img[:3] = img[-3:] = img[:, :3] = img[:, -3:] = 245 if img.mean() < 200 else 25
    elif kind == "entry":
        img[:] = (200, 25, 30)
        img[26:38, 10:54] = 240
    elif kind == "back":
        img[:] = 125
        img[30:34] = 80
    if kind in ("prohibition", "warning"):
        img[28:46, 29:35] = 25
    if kind in ("mandatory", "direction"):
        ink = 240 if img[32, 8].mean() < 200 else 30
        for y in range(16, 50, 9):
            img[y : y + 5, 12 : int(rng.integers(30, 54))] = ink
    t = np.zeros((n, n, 4))
    t[..., :3] = img
    return [done(t)]
