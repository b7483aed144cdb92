"""Car paint, car windows, wheels, sides of buses and lorries, lamps, number plates."""

from __future__ import annotations

import cv2
import numpy as np

from saccade.datasets.world.surfaces.facades import window_glass
from saccade.datasets.world.surfaces.pattern import Texture, done, grey, noise


def paint(rng: np.random.Generator) -> Texture:
    """Car paint: a vertical gradient with the horizon's reflection."""
    h, w = 64, 64
    y = np.linspace(0, 1, h)[:, None] * np.ones((1, w))
    level = 225 - 70 * y + 28 * np.exp(-(((y - rng.uniform(0.2, 0.45)) / 0.08) ** 2))
    level += 4 * noise(rng, h, w, 32)
    level[int(h * 0.8) :] *= 0.7
    t = grey(level, 0.94)
    t[:, w // 2 : w // 2 + 1, :3] *= 0.75
    return [done(t)]


def car_glass(rng: np.random.Generator) -> Texture:
    h, w = 64, 64
    y = np.linspace(0, 1, h)[:, None] * np.ones((1, w))
    level = rng.uniform(70, 150) * (1 - y) ** 1.5 + rng.uniform(22, 45)
    level += 14 * np.clip(noise(rng, h, w, 32), 0, 3)
    for x in (rng.uniform(0.15, 0.3), rng.uniform(0.65, 0.8)):
        cv2.ellipse(level, (int(x * w), int(0.75 * h)), (7, 16), 0, 0, 360, 25.0, -1)
    t = grey(level, 0.0)
    t[..., :3] *= np.array([0.94, 1.0, 1.06])
    t[:3, :, :3] = t[-3:, :, :3] = 22
    t[:, :3, :3] = t[:, -3:, :3] = 22
    return [done(t)]


def wheel(rng: np.random.Generator) -> Texture:
    n = 64
    t = grey(np.full((n, n), 28.0) + 4 * noise(rng, n, n, 8), 0)
    rim = float(rng.uniform(110, 200))
    img = np.ascontiguousarray(t[..., 0])
    cv2.circle(img, (32, 32), 20, rim, -1)
    for a in np.arange(int(rng.integers(5, 9))) / rng.integers(5, 9) * 2 * np.pi:
        cv2.circle(img, (int(32 + 13 * np.cos(a)), int(32 + 13 * np.sin(a))), 4, rim * 0.3, -1)
    cv2.circle(img, (32, 32), 4, rim * 0.7, -1)
    t[..., :3] = img[..., None]
    return [done(t)]


def bus_side(rng: np.random.Generator) -> Texture:
    h, w = 64, 64
    t = grey(215 + 4 * noise(rng, h, w, 32))
    t[12:38, 4:-4, :3] = window_glass(rng, 26, w - 8) * 0.6
    t[12:38, 4:-4, 3] = 0
    t[50:54, :, :3] *= 0.6
    return [done(t)]


def lorry_side(rng: np.random.Generator) -> Texture:
    h, w = 64, 128
    t = grey(222 + 4 * noise(rng, h, w, 32))
    if rng.random() < 0.7:
        t[16:40, 20:108] = (*rng.uniform(20, 230, 3), 0)
    t[:, ::16, :3] *= 0.93
    return [done(t)]


def lamps(rng: np.random.Generator, colour: tuple[int, int, int]) -> Texture:
    n = 16
    t = np.empty((n, n, 4))
    t[..., :3] = np.array(colour) * (0.8 + 0.3 * np.linspace(1, 0, n)[:, None, None])
    t[..., 3] = 0
    return [done(t)]


def plate(rng: np.random.Generator) -> Texture:
    t = np.empty((16, 64, 4))
    t[..., :3] = rng.choice([235, 225]) * np.array([1, 1, rng.choice([1, 0.25])])
    t[..., 3] = 0
    for x in range(4, 58, 7):
        t[3:13, x : x + 4, :3] = 25
    return [done(t)]
