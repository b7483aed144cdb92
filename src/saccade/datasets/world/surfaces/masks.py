"""Alpha masks: crowns of trees, hedges, railings, spoked wheels."""

from __future__ import annotations

import cv2
import numpy as np

from saccade.datasets.world.surfaces.pattern import noise


def crown_mask(rng: np.random.Generator, density: float, conical: bool = False) -> np.ndarray:
    """Outline of a tree crown: clusters of leaves around a rounded or conical body."""
    n = 192
    canvas = np.zeros((n, n), np.uint8)
    for _ in range(int(500 * density)):
        r, a = np.sqrt(rng.random()) * 0.45, rng.uniform(0, 2 * np.pi)
        x, y = 0.5 + r * np.cos(a), 0.5 + r * np.sin(a)
        if conical:
            y = 1 - abs(rng.triangular(0.0, 0.1, 0.97))
            x = 0.5 + rng.uniform(-0.45, 0.45) * (0.05 + 0.95 * y)
        s = int(n * rng.uniform(0.015, 0.055))
        cv2.circle(canvas, (int(x * n), int(y * n)), s, 255, -1)
    for _ in range(int(260 * density)):
        a = rng.uniform(0, 2 * np.pi)
        r = rng.uniform(0.1, 0.47)
        if not conical:
            x, y = int(n * (0.5 + r * np.cos(a))), int(n * (0.5 + r * np.sin(a)))
            cv2.circle(canvas, (x, y), int(rng.integers(1, 4)), 0 if rng.random() < 0.6 else 255, -1)
    return canvas


def branch_mask(rng: np.random.Generator) -> np.ndarray:
    """A leafless crown: branches forking out and up, from the middle of the bottom edge."""
    n = 640
    canvas = np.zeros((n, n), np.uint8)

    def grow(x: float, y: float, angle: float, length: float, depth: int) -> None:
        if depth == 0:
            return
        x1, y1 = x + length * np.cos(angle), y - length * np.sin(angle)
        cv2.line(canvas, (int(x), int(y)), (int(x1), int(y1)), 255, max(2, int(depth * 1.7)))
        for _ in range(3 if depth > 2 else 2):
            up = 0.12 * (np.pi / 2 - angle)
            grow(x1, y1, angle + up + rng.normal(0, 0.45), length * rng.uniform(0.65, 0.9), depth - 1)

    for _ in range(3):
        grow(n / 2, n - 1, np.pi / 2 + rng.normal(0, 0.25), n * rng.uniform(0.14, 0.2), 6)
    y, x = np.nonzero(canvas)
    half = max(n // 2 - x.min(), x.max() - n // 2)
    crown = canvas[y.min() :, max(n // 2 - half, 0) : n // 2 + half]
    return cv2.resize(crown, (192, 192), interpolation=cv2.INTER_AREA)


def hedge_mask(rng: np.random.Generator) -> np.ndarray:
    """A solid strip with a ragged top edge."""
    h, w = 64, 128
    top = 8 + 3 * noise(rng, 8, w, 32)[0] + 2 * rng.standard_normal(w)
    return ((np.arange(h)[:, None] > top) * 255).astype(np.uint8)


def railing_mask(rng: np.random.Generator) -> np.ndarray:
    """Upright bars between two rails."""
    h, w = 64, 128
    canvas = np.zeros((h, w), np.uint8)
    step = int(rng.integers(8, 15))
    canvas[:, 2::step] = canvas[:, 3::step] = canvas[:, 4::step] = 255
    canvas[4:8] = canvas[-12:-8] = 255
    return canvas


def spoke_mask(rng: np.random.Generator) -> np.ndarray:
    """A bicycle wheel: tyre, hub and spokes."""
    n = 96
    canvas = np.zeros((n, n), np.uint8)
    cv2.circle(canvas, (48, 48), 44, 255, 6)
    cv2.circle(canvas, (48, 48), 5, 255, -1)
    for a in np.arange(10) * np.pi / 5:
        cv2.line(canvas, (48, 48), (int(48 + 44 * np.cos(a)), int(48 + 44 * np.sin(a))), 255, 1)
    return canvas


def closed(mask: np.ndarray, reach: int) -> np.ndarray:
    """A mask with its small gaps filled."""
    return cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((reach, reach), np.uint8))
