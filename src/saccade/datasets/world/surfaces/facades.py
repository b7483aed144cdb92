"""Walls, windows, shop fronts, doors, roofs and wooden fences."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from saccade.datasets.world.surfaces.pattern import Texture, done, grey, noise

_WALL_KINDS = ("brick", "brick", "brick", "stone", "plaster", "plaster", "panel")


def brick(
    rng: np.random.Generator, h: int, w: int, course: float, length: float, contrast: float
) -> np.ndarray:
    """Brick or stone courses as levels around 200; sizes in pixels, adjusted to repeat."""
    rows = max(2, 2 * round(h / course / 2))
    cols = max(2, round(w / length))
    y = (np.arange(h) * rows / h)[:, None]
    row = y.astype(int)
    x = (np.arange(w) * cols / w)[None] + 0.5 * (row % 2)
    col = x.astype(int) % cols
    tone = rng.standard_normal((rows, cols)).astype(np.float32)[row, col]
    fy, fx = y % 1, x % 1
    mortar = np.minimum(np.minimum(fy, 1 - fy) * h / rows, np.minimum(fx, 1 - fx) * w / cols) < 0.6
    level = 195 + contrast * tone + 0.5 * contrast * noise(rng, h, w, 64)
    return np.where(mortar, level * 0.35 + 0.65 * (200 + 25 * rng.choice([-1.5, 1])), level)


def wall(rng: np.random.Generator, h: int, w: int, kind: str) -> np.ndarray:
    """A wall as grey levels; ``kind`` is brick, stone, plaster or panel. Textures are 3 m across."""
    if kind == "brick":
        return brick(rng, h, w, h / 36, w / 12, 16)
    if kind == "stone":
        return brick(rng, h, w, h / rng.integers(7, 12), w / rng.integers(4, 7), 13)
    if kind == "panel":
        level = 205 + 4 * noise(rng, h, w, 64)
        level[:2] *= 0.75
        level[:, :2] *= 0.8
        return level
    return 208 + 5 * noise(rng, h, w, 64) + 3 * rng.standard_normal((h, w))


def window_glass(rng: np.random.Generator, h: int, w: int) -> np.ndarray:
    """Window glass ``(h, w, 3)``: dark room, reflected sky, perhaps a curtain or blind."""
    top = rng.uniform(45, 150)
    ramp = np.linspace(top, rng.uniform(20, 60), h)[:, None] * np.ones((1, w))
    ramp += 10 * noise(rng, max(h, 8), max(w, 8), 16)[:h, :w]
    rgb = ramp[..., None] * np.array([0.92, 1.0, 1.1])
    kind = rng.random()
    if kind < 0.35:
        c = rng.uniform(130, 215) * np.array([1, 0.98, 0.92])
        s = max(1, int(w * rng.uniform(0.12, 0.3)))
        rgb[:, :s] = c * rng.uniform(0.6, 0.9)
        rgb[:, -s:] = c * rng.uniform(0.6, 0.9)
    elif kind < 0.55:
        rgb[: int(h * rng.uniform(0.2, 0.8))] = rng.uniform(120, 210)
    return rgb


@dataclass(frozen=True)
class _Look:
    """How the windows of one bay look; lengths in texels of a texture of 128."""

    frame: np.ndarray
    bars: tuple[int, int]
    sill: bool
    lintel: bool
    arch: bool
    surround: bool
    trim: float


def _window(rng: np.random.Generator, t: np.ndarray, x0: int, x1: int, y0: int, y1: int, look: _Look) -> None:
    """Draw one window into a bay."""
    left, right, stone = max(x0 - 4, 0), x1 + 4, 215 * look.trim
    if look.surround:
        t[max(y0 - 5, 0) : y1 + 5, max(x0 - 5, 0) : x1 + 5] *= (look.trim, look.trim, look.trim, 0.4)
    if look.lintel:
        t[max(y0 - 9, 0) : y0, left:right] = (*[200 * look.trim] * 3, 120)
    pane = np.zeros((y1 - y0, x1 - x0, 4))
    pane[..., :3] = window_glass(rng, y1 - y0, x1 - x0)
    pane[:3, :, :3] = pane[-3:, :, :3] = look.frame
    pane[:, :3, :3] = pane[:, -3:, :3] = look.frame
    across, down = look.bars
    for k in range(across):
        x = (k + 1) * (x1 - x0) // (across + 1)
        pane[:, x - 1 : x + 1, :3] = look.frame
    for k in range(down):
        y = (k + 1) * (y1 - y0) // (down + 1)
        pane[y - 1 : y + 1, :, :3] = look.frame
    pane[:4, :, :3] *= 0.55  # the reveal's shadow
    opening = np.ones(pane.shape[:2], bool)
    if look.arch:
        y, x = np.mgrid[0 : y1 - y0, 0 : x1 - x0]
        r = (x1 - x0) / 2
        opening = (y > r) | ((x - r) ** 2 + (y - r) ** 2 < r * r)
    t[y0:y1, x0:x1] = np.where(opening[..., None], pane, t[y0:y1, x0:x1])
    if look.sill:
        t[y1 : y1 + 5, left:right] = (stone, stone, stone, 120)
        t[y1 + 5 : y1 + 9, max(x0 - 2, 0) : right, :3] *= 0.72


def bay(rng: np.random.Generator) -> Texture:
    """One bay of a storey: wall with one or two windows, four variants."""
    h = w = 128
    level = wall(rng, h, w, _WALL_KINDS[int(rng.integers(len(_WALL_KINDS)))])
    count = 1 if rng.random() < 0.67 else 2
    wide = rng.uniform(0.3, 0.55) if count == 1 else rng.uniform(0.24, 0.36)
    tall = rng.uniform(0.42, 0.68)
    if rng.random() < 0.18:  # a band of glass
        count, wide, tall = 1, rng.uniform(0.85, 1.0), rng.uniform(0.45, 0.7)
    look = _Look(
        frame=rng.choice([235, 235, 225, 60, 110]) * np.array([1, 1, rng.uniform(0.85, 1)]),
        bars=(int(rng.choice([0, 1, 1, 2])), int(rng.choice([0, 1, 1, 2, 3]))),
        sill=rng.random() < 0.7,
        lintel=rng.random() < 0.6,
        arch=rng.random() < 0.15 and wide < 0.6,
        surround=rng.random() < 0.3,
        trim=rng.uniform(0.75, 1.2),
    )
    cornice, pipe = rng.random() < 0.25, rng.random() < 0.2
    y0, y1 = int(h * (0.55 - tall / 2)), int(h * (0.55 + tall / 2))
    out = []
    for k in range(4):
        t = grey(level * (1 + 0.02 * rng.standard_normal()))
        if cornice:
            t[: h // 24] *= (1.15, 1.15, 1.15, 0.5)
            t[h // 24 : h // 16] *= (0.7, 0.7, 0.7, 1)
        if pipe and k == 0:
            t[:, 3:7] = (60, 60, 62, 0)
        for i in range(count):
            x0, x1 = (int(w * ((i + 0.5) / count + side * wide / 2)) for side in (-1, 1))
            _window(rng, t, max(x0, 1), min(x1, w - 1), y0, y1, look)
        out.append(done(t))
    return out


def curtain_wall(rng: np.random.Generator) -> Texture:
    """Glass and spandrel panels of an office block."""
    h = w = 128
    out = []
    spandrel = rng.uniform(0.15, 0.45)
    columns = int(rng.integers(1, 4))
    mullion = rng.uniform(60, 220)
    for _ in range(4):
        t = grey(wall(rng, h, w, "panel"))
        y0 = int(h * spandrel)
        for c in range(columns):
            a, b = c * w // columns, (c + 1) * w // columns
            t[y0:, a:b, :3] = window_glass(rng, h - y0, b - a)
            t[:, a : a + 3, :3] = mullion
        t[y0:, :, 3] = 0
        t[y0 : y0 + 3, :, :3] = mullion
        out.append(done(t))
    return out


def shop(rng: np.random.Generator) -> Texture:
    """A shop front: fascia with a sign, display window with things in it, a door; four variants."""
    return [_shop(rng) for _ in range(4)]


def _shop(rng: np.random.Generator) -> np.ndarray:
    h = w = 128
    t = grey(wall(rng, h, w, "plaster"), 0.12)
    # Mostly sober paint.
    paint = rng.uniform(15, 200) + rng.uniform(-1, 1, 3) * rng.choice([6, 20, 60])
    t[..., :3] = np.clip(paint, 8, 240) * (1 + 0.03 * noise(rng, h, w, 32)[..., None])
    y0, y1 = int(h * rng.uniform(0.2, 0.3)), int(h * rng.uniform(0.8, 0.93))
    fascia = np.clip(rng.uniform(10, 230) + rng.uniform(-1, 1, 3) * rng.choice([10, 40, 110]), 5, 250)
    t[4 : y0 - 3, 3:-3, :3] = fascia
    x = int(rng.integers(8, 36))
    while x < w - 24:
        step = int(rng.integers(3, 8))
        if rng.random() < 0.8:
            t[10 : y0 - 9, x : x + step, :3] = 20 if fascia.mean() > 120 else 235
        x += step + 2
    display = window_glass(rng, y1 - y0, w - 12)
    for _ in range(int(rng.integers(4, 14))):
        a, b, s = (
            int(rng.integers(0, w - 30)),
            int(rng.integers((y1 - y0) // 3, y1 - y0)),
            int(rng.integers(5, 22)),
        )
        display[b - s // 2 : b + s, a : a + s] = rng.uniform(20, 200) + rng.uniform(-1, 1, 3) * 40
    t[y0:y1, 6:-6, :3] = np.clip(display, 5, 235) * rng.uniform(0.6, 1)
    t[y0:y1, 6:-6, 3] = 0
    for x in range(6, w - 4, int(rng.integers(24, 60))):
        t[y0:y1, x : x + 3, :3] = np.clip(paint, 8, 240)
    t[y0 - 4 : y0, :, :3] *= 0.5
    door = int(rng.integers(0, w - 34))
    t[y0 + 2 : h - 2, door : door + 30, :3] = np.clip(paint, 8, 240) * 0.7
    y2 = int(h * 0.9)
    t[y0 + 7 : y2, door + 4 : door + 26, :3] = window_glass(rng, y2 - y0 - 7, 22) * 0.7
    return done(t)


def house_front(rng: np.random.Generator) -> Texture:
    """A ground floor of a house: wall, a door and a window; four variants."""
    texture = bay(rng)
    h = 128
    for t in texture:
        if rng.random() < 0.55:
            x = int(rng.integers(4, 80))
            y = int(h * rng.uniform(0.28, 0.36))
            t[y:, x : x + 38] = (*(rng.uniform(0.7, 1) * np.array([220, 220, 215])), 80)
            t[y + 5 :, x + 4 : x + 34] = (*rng.uniform(10, 190, 3), 0)
            t[y + 9 : y + 30, x + 10 : x + 28, :3] = rng.uniform(30, 120)
        t[-9:] = t[-9:] * 0.75
    return texture


def roof(rng: np.random.Generator) -> Texture:
    n = 128
    return [done(grey(brick(rng, n, n, n / 14, n / 18, 12) * np.linspace(0.95, 1.05, n)[:, None]))]


def planks(rng: np.random.Generator) -> Texture:
    """A wooden fence, 2 m across."""
    n = 128
    board = rng.standard_normal(16)[np.arange(n) // 8]
    level = (
        170
        + 14 * board[None]
        + 8 * cv2.resize(noise(rng, 32, n, 8), (n, n))
        + 5 * rng.standard_normal((n, n))
    )
    level[:, ::8] = 80
    level[20:26] *= 0.85
    return [done(grey(level))]
