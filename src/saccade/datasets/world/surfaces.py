"""Drawing of surface textures: walls, windows, road, paving, leaves, paint, signs, and alpha masks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

Texture = list[np.ndarray]
"""Variants of one texture, each ``(h, w, 4)`` uint8: RGB and how far a tint applies."""


@dataclass(frozen=True, eq=False)
class Drawn:
    """Everything drawn: textures and alpha masks by group."""

    textures: dict[str, list[Texture]]
    masks: dict[str, list[tuple[np.ndarray, np.ndarray | None]]]


def noise(rng: np.random.Generator, h: int, w: int, cell: int, decay: float = 0.55) -> np.ndarray:
    """Seamless fractal noise ``(h, w)`` float32, mean 0, deviation 1; ``cell`` is the largest grain in pixels."""
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
    return np.clip(texture, 0, 255).astype(np.uint8)


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


def _glass(rng: np.random.Generator, h: int, w: int) -> np.ndarray:
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


def bay(rng: np.random.Generator) -> Texture:
    """One bay of a storey: wall with one or two windows, four variants."""
    h = w = 128
    kind = str(rng.choice(["brick", "brick", "brick", "stone", "plaster", "plaster", "panel"]))
    level = wall(rng, h, w, kind)
    count = int(rng.choice([1, 1, 2]))
    ww = rng.uniform(0.3, 0.55) if count == 1 else rng.uniform(0.24, 0.36)
    hh = rng.uniform(0.42, 0.68)
    if rng.random() < 0.18:
        count, ww, hh = 1, rng.uniform(0.85, 1.0), rng.uniform(0.45, 0.7)
    y0, y1 = int(h * (0.55 - hh / 2)), int(h * (0.55 + hh / 2))
    frame = rng.choice([235, 235, 225, 60, 110]) * np.array([1, 1, rng.uniform(0.85, 1)])
    sill = rng.random() < 0.7
    lintel = rng.random() < 0.6
    arch = rng.random() < 0.15 and ww < 0.6
    surround = rng.random() < 0.3
    bars_x, bars_y = int(rng.choice([0, 1, 1, 2])), int(rng.choice([0, 1, 1, 2, 3]))
    cornice = rng.random() < 0.25
    trim = rng.uniform(0.75, 1.2)
    out = []
    for _ in range(4):
        t = grey(level * (1 + 0.02 * rng.standard_normal()))
        if cornice:
            t[: h // 24] *= (1.15, 1.15, 1.15, 0.5)
            t[h // 24 : h // 16] *= (0.7, 0.7, 0.7, 1)
        for i in range(count):
            cx = (i + 0.5) / count
            x0, x1 = int(w * (cx - ww / 2)), int(w * (cx + ww / 2))
            x0, x1 = max(x0, 1), min(x1, w - 1)
            if surround:
                t[max(y0 - 5, 0) : y1 + 5, max(x0 - 5, 0) : x1 + 5] *= (trim, trim, trim, 0.4)
            if lintel:
                t[max(y0 - 9, 0) : y0, max(x0 - 4, 0) : x1 + 4, :3] = 200 * trim
                t[max(y0 - 9, 0) : y0, max(x0 - 4, 0) : x1 + 4, 3] = 120
            pane = np.empty((y1 - y0, x1 - x0, 4))
            pane[..., :3] = _glass(rng, y1 - y0, x1 - x0)
            f = 3
            pane[:f, :, :3] = pane[-f:, :, :3] = frame
            pane[:, :f, :3] = pane[:, -f:, :3] = frame
            for b in range(bars_x):
                x = int((b + 1) * (x1 - x0) / (bars_x + 1))
                pane[:, x - 1 : x + 1, :3] = frame
            for b in range(bars_y):
                y = int((b + 1) * (y1 - y0) / (bars_y + 1))
                pane[y - 1 : y + 1, :, :3] = frame
            pane[:4, :, :3] *= 0.55  # the reveal's shadow
            pane[..., 3] = 0
            if arch:
                yy, xx = np.mgrid[0 : y1 - y0, 0 : x1 - x0]
                r = (x1 - x0) / 2
                keep = (yy > r) | ((xx - r) ** 2 + (yy - r) ** 2 < r * r)
                t[y0:y1, x0:x1] = np.where(keep[..., None], pane, t[y0:y1, x0:x1])
            else:
                t[y0:y1, x0:x1] = pane
            if sill:
                t[y1 : y1 + 5, max(x0 - 4, 0) : x1 + 4, :3] = 215 * trim
                t[y1 : y1 + 5, max(x0 - 4, 0) : x1 + 4, 3] = 120
                t[y1 + 5 : y1 + 9, max(x0 - 2, 0) : x1 + 4, :3] *= 0.72
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
            t[y0:, a:b, :3] = _glass(rng, h - y0, b - a)
            t[:, a : a + 3, :3] = mullion
        t[y0:, :, 3] = 0
        t[y0 : y0 + 3, :, :3] = mullion
        out.append(done(t))
    return out


def shop(rng: np.random.Generator) -> Texture:
    """A shop front: fascia with a sign, display window with things in it, a door; four variants."""
    h = w = 128
    out = []
    for _ in range(4):
        t = grey(wall(rng, h, w, "plaster"), 0.6)
        paint = rng.uniform(15, 230, 3) * (0.6 if rng.random() < 0.6 else 1)
        t[:, :, :3] = paint * (1 + 0.03 * noise(rng, h, w, 32)[..., None])
        t[:, :, 3] = 30
        y0 = int(h * rng.uniform(0.2, 0.3))
        fascia = rng.uniform(10, 240, 3)
        t[4 : y0 - 3, 3:-3, :3] = fascia
        ink = np.where(fascia.mean() > 120, 20, 235)
        x = 20
        while x < w - 24:
            step = int(rng.integers(3, 8))
            if rng.random() < 0.8:
                t[10 : y0 - 9, x : x + step, :3] = ink
            x += step + 2
        y1 = int(h * rng.uniform(0.8, 0.93))
        door = int(rng.integers(0, w - 34))
        glass = _glass(rng, y1 - y0, w - 12)
        for _ in range(int(rng.integers(4, 14))):
            a, b = int(rng.integers(0, w - 30)), int(rng.integers((y1 - y0) // 3, y1 - y0))
            s = int(rng.integers(5, 22))
            glass[b - s // 2 : b + s, a : a + s] = rng.uniform(20, 220, 3)
        t[y0:y1, 6:-6, :3] = glass * rng.uniform(0.6, 1)
        t[y0:y1, 6:-6, 3] = 0
        for x in range(6, w - 4, int(rng.integers(24, 60))):
            t[y0:y1, x : x + 3, :3] = paint
        t[y0 - 4 : y0, :, :3] *= 0.5
        t[y0 + 2 : h - 2, door : door + 30, :3] = paint * 0.7
        t[y0 + 7 : int(h * 0.9), door + 4 : door + 26, :3] = _glass(rng, int(h * 0.9) - y0 - 7, 22) * 0.7
        out.append(done(t))
    return out


def house_front(rng: np.random.Generator) -> Texture:
    """A ground floor of a house: wall, a door and a window; four variants."""
    texture = bay(rng)
    h = w = 128
    for t in texture:
        if rng.random() < 0.55:
            x = int(rng.integers(4, 80))
            y = int(h * rng.uniform(0.28, 0.36))
            t[y:, x : x + 38] = (*(rng.uniform(0.7, 1) * np.array([220, 220, 215])), 80)
            t[y + 5 :, x + 4 : x + 34] = (*rng.uniform(10, 190, 3), 0)
            t[y + 9 : y + 30, x + 10 : x + 28, :3] = rng.uniform(30, 120)
        t[-9:] = t[-9:] * 0.75
    return texture


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


def worn(rng: np.random.Generator) -> Texture:
    """Road paint with chips, 2 m across."""
    n = 128
    level = 225 - 70 * np.clip(noise(rng, n, n, 16) - 0.9, 0, 1) + 8 * rng.standard_normal((n, n))
    return [done(grey(level))]


def cloth(rng: np.random.Generator) -> Texture:
    h, w = 64, 32
    shade = 0.62 + 0.45 * np.sin(np.linspace(0.2, 2.9, w))
    return [done(grey((195 + 16 * noise(rng, h, w, 32)) * shade))]


def skin(rng: np.random.Generator) -> Texture:
    n = 32
    yy, xx = np.mgrid[0:n, 0:n] / n
    t = grey((215 + 5 * noise(rng, n, n, 8)) * (1.05 - 0.5 * (xx - 0.5) ** 2 - 0.15 * yy))
    return [done(t)]


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
    t[12:38, 4:-4, :3] = _glass(rng, 26, w - 8) * 0.6
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


def clouds(rng: np.random.Generator) -> Texture:
    """Cloud cover as grey levels: 0 is clear sky, 255 bright cloud."""
    n = 256
    a = noise(rng, n, n, 128, 0.6)
    return [done(grey(128 + 60 * a))]


def roof(rng: np.random.Generator) -> Texture:
    n = 128
    return [done(grey(brick(rng, n, n, n / 14, n / 18, 12) * np.linspace(0.95, 1.05, n)[:, None]))]


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
    """A leafless crown: branches forking out and up."""
    n = 192
    canvas = np.zeros((n, n), np.uint8)

    def grow(x: float, y: float, angle: float, length: float, depth: int) -> None:
        if depth == 0 or length < 2:
            return
        x1, y1 = x + length * np.cos(angle), y - length * np.sin(angle)
        thick = max(1, int(depth * 0.8))
        cv2.line(canvas, (int(x), int(y)), (int(x1), int(y1)), 255, thick)
        for _ in range(3 if depth > 2 else 2):
            grow(x1, y1, angle + rng.normal(0, 0.5), length * rng.uniform(0.62, 0.9), depth - 1)

    for _ in range(3):
        grow(n / 2, n - 1, np.pi / 2 + rng.normal(0, 0.3), n * rng.uniform(0.2, 0.3), 6)
    return canvas


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


def draw_all(rng: np.random.Generator) -> Drawn:
    """Every texture and mask of the world."""

    def several(draw: Callable[[np.random.Generator], Texture], count: int) -> list[Texture]:
        return [draw(rng) for _ in range(count)]

    textures = {
        "cloud": several(clouds, 6), "asphalt": several(asphalt, 6), "paving": several(paving, 8),
        "kerb": several(kerbstone, 2), "grass": several(grass, 5), "bay": several(bay, 22),
        "curtain_wall": several(curtain_wall, 4), "shop": several(shop, 8), "house": several(house_front, 10),
        "wall": [[done(grey(wall(rng, 128, 128, k)))] for k in ("brick", "brick", "stone", "stone", "plaster",
                                                                  "panel")],
        "roof": several(roof, 4), "foliage": several(foliage, 6), "bark": several(bark, 3),
        "metal": several(metal, 3), "plain": several(plain, 1), "worn": several(worn, 1), "cloth": several(cloth, 4),
        "skin": several(skin, 1), "paint": several(paint, 4), "car_glass": several(car_glass, 4),
        "wheel": several(wheel, 4), "bus": several(bus_side, 3), "lorry": several(lorry_side, 4),
        "tail": [lamps(rng, (190, 25, 25))], "head": [lamps(rng, (245, 245, 235))],
        "plate": several(plate, 3), "planks": several(planks, 3),
        "light": [traffic_light(rng, i) for i in range(4)],
        "disc_sign": [sign(rng, k) for k in ("prohibition", "mandatory", "entry", "prohibition")],
        "warning_sign": [sign(rng, "warning")],
        "board_sign": [sign(rng, "direction") for _ in range(6)], "sign_back": [sign(rng, "back")],
    }  # fmt: skip
    crowns = [crown_mask(rng, d) for d in (1.6, 1.2, 1.0, 0.8, 0.7, 0.55)]
    branches = [branch_mask(rng) for _ in range(4)]
    railings = [railing_mask(rng) for _ in range(3)]
    spokes = [spoke_mask(rng)]
    masks: dict[str, list[tuple[np.ndarray, np.ndarray | None]]] = {
        "crown": [(m, None) for m in crowns],
        "cone": [(crown_mask(rng, d, True), None) for d in (1.5, 1.0)],
        "branch": [(m, _closed(m, 7)) for m in branches],
        "hedge": [(hedge_mask(rng), None) for _ in range(2)],
        "railing": [(m, np.full_like(m, 255)) for m in railings],
        "spoke": [(m, np.full_like(m, 255)) for m in spokes],
    }
    return Drawn(textures, masks)


def _closed(mask: np.ndarray, reach: int) -> np.ndarray:
    """A mask with its small gaps filled."""
    return cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((reach, reach), np.uint8))
