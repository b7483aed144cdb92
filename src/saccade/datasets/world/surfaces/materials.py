"""Road, paving, grass, leaves, bark, metal, cloth, skin and clouds."""

from __future__ import annotations

import cv2
import numpy as np

from saccade.datasets.world.surfaces.facades import brick
from saccade.datasets.world.surfaces.pattern import Texture, done, grey, noise


def asphalt(rng: np.random.Generator) -> Texture:
    """Road surface, 16 m across: grain, stains, patches, cracks."""
    n = 512
    level = 150 + 7 * noise(rng, n, n, 128) + 10 * rng.standard_normal((n, n)) + 5 * noise(rng, n, n, 8)
    canvas = level.astype(np.float32)
    for _ in range(int(rng.integers(0, 6))):
        x, y = rng.integers(0, n, 2)
        w, h = rng.integers(20, 150, 2)
        canvas[y : y + h, x : x + w] *= rng.uniform(0.82, 1.08)
    for _ in range(int(rng.integers(2, 14))):
        p = np.cumsum(rng.normal(rng.uniform(-6, 6, 2), 5, (30, 2)), 0) + rng.integers(0, n, 2)
        cv2.polylines(canvas, [p.astype(np.int32)], False, float(rng.uniform(90, 125)), 1)
    for _ in range(int(rng.integers(0, 3))):
        c = tuple(int(i) for i in rng.integers(40, n - 40, 2))
        cv2.circle(canvas, c, 11, 95.0, -1)
        cv2.circle(canvas, c, 9, 120.0, -1)
    return [done(grey(canvas))]


def paving(rng: np.random.Generator) -> Texture:
    """Pavement, 4 m across: slabs, bricks, or plain tarmac."""
    n = 256
    kind = rng.random()
    if kind < 0.45:
        level = brick(rng, n, n, n / rng.integers(5, 10), n / rng.integers(4, 8), 9)
    elif kind < 0.7:
        level = brick(rng, n, n, n / 32, n / 16, 14)
    else:
        level = 185 + 10 * noise(rng, n, n, 64)
    return [done(grey(level + 7 * rng.standard_normal((n, n)) + 4 * noise(rng, n, n, 128)))]


def kerbstone(rng: np.random.Generator) -> Texture:
    n = 64
    level = 195 + 9 * noise(rng, n, n, 32) + 8 * rng.standard_normal((n, n))
    level[:, :2] = 120
    return [done(grey(level))]


def worn(rng: np.random.Generator) -> Texture:
    """Road paint with chips, 2 m across."""
    n = 128
    level = 225 - 70 * np.clip(noise(rng, n, n, 16) - 0.9, 0, 1) + 8 * rng.standard_normal((n, n))
    return [done(grey(level))]


def grass(rng: np.random.Generator) -> Texture:
    """Grass, earth or leaves on the ground, 4 m across."""
    n = 256
    a = noise(rng, n, n, 64) * 14 + rng.standard_normal((n, n)) * 16
    t = grey(175 + a)
    patch = np.clip(noise(rng, n, n, 64) - rng.uniform(0.2, 1.5), 0, 1)[..., None]
    t[..., :3] = t[..., :3] * (1 - patch) + patch * np.array([215, 175, 140]) * (t[..., :1] / 175)
    return [done(t)]


def foliage(rng: np.random.Generator) -> Texture:
    """Leaves: bright dabs over dark depth, lit from above."""
    n = 128
    canvas = np.full((n, n), 80, np.float32)
    big = noise(rng, n, n, 32) * 22
    for _ in range(900):
        x, y = (int(i) for i in rng.integers(0, n, 2))
        v = float(135 + 38 * rng.standard_normal() + big[y, x])
        s = int(rng.integers(1, 4))
        angle = float(rng.uniform(0, 180))
        for ox in (0, -n, n):
            cv2.ellipse(canvas, (x + ox, y), (s + 1, s), angle, 0, 360, v, -1)
    canvas = canvas + big + 8 * rng.standard_normal((n, n))
    hue = noise(rng, n, n, 64)[..., None] * np.array([10.0, 2.0, -6.0])
    t = grey(canvas)
    t[..., :3] += hue
    return [done(t)]


def bark(rng: np.random.Generator) -> Texture:
    h, w = 128, 64
    level = 150 + 22 * cv2.resize(noise(rng, 32, 64, 8), (w, h)) + 12 * rng.standard_normal((h, w))
    shade = 0.55 + 0.55 * np.sin(np.linspace(0.15, 2.9, w)) ** 0.7
    return [done(grey(level * shade))]


def metal(rng: np.random.Generator) -> Texture:
    """A round painted pole: brighter in the middle."""
    h, w = 64, 32
    shade = 0.6 + 0.5 * np.exp(-((np.linspace(-1, 1, w) - rng.uniform(-0.4, 0.4)) ** 2) / 0.2)
    return [done(grey((190 + 6 * noise(rng, h, w, 16)) * shade))]


def plain(rng: np.random.Generator) -> Texture:
    n = 32
    return [done(grey(225 + 4 * noise(rng, n, n, 16)))]


def cloth(rng: np.random.Generator) -> Texture:
    h, w = 64, 32
    shade = 0.62 + 0.45 * np.sin(np.linspace(0.2, 2.9, w))
    return [done(grey((195 + 16 * noise(rng, h, w, 32)) * shade))]


def skin(rng: np.random.Generator) -> Texture:
    n = 32
    yy, xx = np.mgrid[0:n, 0:n] / n
    t = grey((215 + 5 * noise(rng, n, n, 8)) * (1.05 - 0.5 * (xx - 0.5) ** 2 - 0.15 * yy))
    return [done(t)]


def clouds(rng: np.random.Generator) -> Texture:
    """Cloud cover as grey levels: 0 is clear sky, 255 bright cloud."""
    n = 256
    a = noise(rng, n, n, 128, 0.6)
    return [done(grey(128 + 60 * a))]
