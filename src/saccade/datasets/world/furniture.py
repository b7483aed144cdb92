"""What stands on the pavement: lamps, signs, traffic lights, bollards, railings, garden walls."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from saccade.datasets.world.faces import DISC, QUAD, TRIANGLE
from saccade.datasets.world.planting import hedge
from saccade.datasets.world.site import ID, Site

WALL, FENCE, POLE, LIGHT, SIGN = (ID[n] for n in ("wall", "fence", "pole", "traffic light", "traffic sign"))


def furnish(site: Site, side: int) -> None:
    """Put street furniture on one pavement."""
    rng = site.rng
    length = site.stop - site.start
    if rng.random() < 0.75:
        step, height, reach = rng.uniform(22, 45), rng.uniform(5, 9.5), rng.uniform(0, 2)
        for s in np.arange(site.start + rng.uniform(0, step), site.stop, step).tolist():
            if not site.at_junction(s, 2.6):
                _lamp(site, side, s, height, reach)
    for _ in range(int(rng.poisson(length / rng.uniform(8, 40)))):
        s = rng.uniform(site.start + 8, site.stop)
        if not site.at_junction(s, 2.6):
            _sign(site, side, s)
    if rng.random() < 0.55:
        for s in site.junctions:
            for at, facing in ((s - site.junction_half - 3, -1), (s + site.junction_half + 3, 1)):
                _traffic_light(site, side, at, facing)
    if rng.random() < 0.2:
        _bollards(site, side)
    if rng.random() < 0.28:
        _guard_rail(site, side)


def boundary(site: Site, side: int, d: float) -> None:
    """A wall, fence, railing or hedge before private ground, ``d`` metres from the centre line."""
    rng = site.rng
    kind = str(rng.choice(["wall", "fence", "railing", "hedge", "none"], p=[0.24, 0.26, 0.26, 0.16, 0.08]))
    if kind == "none":
        return
    if kind == "hedge":
        hedge(site, side, d, rng.uniform(0.9, 2.2))
        return
    thing, mask, label = site.thing(), -1, FENCE
    if kind == "wall":
        height, texture, label = rng.uniform(0.6, 2.2), site.pick("wall"), WALL
        tint = np.array([0.75, rng.uniform(0.55, 0.72), rng.uniform(0.42, 0.65)]) * rng.uniform(0.7, 1.2)
    elif kind == "fence":
        height, texture = rng.uniform(0.9, 2.0), site.pick("planks")
        tint = np.array([0.75, 0.6, 0.48]) * rng.uniform(0.5, 1.25)
    else:
        height, texture, mask = (
            rng.uniform(0.9, 1.6),
            site.pages.groups["plain"][0],
            site.pick_mask("railing"),
        )
        tint = np.full(3, (0.1, 0.15, 0.5, 0.85)[rng.integers(4)])
    gap = rng.uniform(0, 0.25)
    for s in np.arange(site.start, site.stop, 3.0).tolist():
        if site.at_junction(s + 1.5, 2) or rng.random() < gap:
            continue
        (x, y), u = site.points(s, s + 3.0, side * d)
        face: dict[str, Any] = {"thing": thing, "sided": False}
        site.faces.panel((x, y, 0), u, (0, 0, height), texture, label, mask=mask, tint=tint, **face)
        if kind == "wall":
            x1, y1 = site.path.point(s, side * (d + 0.25))
            top = (x1 - x, y1 - y, 0)
            site.faces.panel((x, y, height), u, top, texture, label, tint=tint * 1.1, **face)


def _pole(site: Site, x: float, y: float, height: float, width: float, tint: np.ndarray, thing: int) -> None:
    site.faces.ribbon((x, y, 0), (x, y, height), width, site.pick("metal"), POLE, tint=tint, thing=thing)


def _frame(site: Site, s: float, facing: int, spread: float) -> tuple[np.ndarray, np.ndarray]:
    """Right and outward unit vectors of something that faces up (1) or down (-1) the street."""
    h = float(site.path.heading(s)) + site.rng.normal(0, spread)
    right = np.array([math.cos(h), -math.sin(h), 0.0]) * -facing
    return right, np.array([math.sin(h), math.cos(h), 0.0]) * facing


def _lamp(site: Site, side: int, s: float, height: float, reach: float) -> None:
    thing, plain, tint = site.thing(), site.pages.groups["plain"][0], site.metal_tint
    d, arm = side * (site.kerb[side] + 0.5), max(reach, 0.35)
    x, y = site.path.point(s, d)
    _pole(site, x, y, height, 0.13, tint, thing)
    x1, y1 = site.path.point(s, d - side * arm)
    x2, y2 = site.path.point(s, d - side * (arm + 0.6))
    z = height + 0.25 * reach
    site.faces.ribbon((x, y, height), (x1, y1, z), 0.08, plain, POLE, tint=tint, thing=thing)
    site.faces.ribbon((x1, y1, z), (x2, y2, z + 0.05), 0.18, plain, POLE, tint=(0.85, 0.85, 0.8),
                      glow=site.light.night, thing=thing)  # fmt: skip


def _sign(site: Site, side: int, s: float) -> None:
    """One or two plates on a pole, with grey backs."""
    rng, thing = site.rng, site.thing()
    d = side * (site.kerb[side] + rng.uniform(0.3, min(1.4, site.pave[side])))
    x, y = site.path.point(s, d)
    right, out = _frame(site, s, -1 if rng.random() < 0.65 else 1, 0.15)
    top = rng.uniform(1.8, 2.7)
    kind = str(rng.choice(["disc", "warning", "board", "two", "large"], p=[0.28, 0.17, 0.3, 0.15, 0.1]))
    plates: list[tuple[str, np.ndarray, float, float]] = []
    if kind == "large":
        top = rng.uniform(0.8, 2.2)
        plates.append(("board_sign", QUAD, rng.uniform(1.6, 3.0), rng.uniform(1.0, 1.9)))
    if kind in ("disc", "two"):
        size = rng.uniform(0.5, 0.85)
        plates.append(("disc_sign", DISC, size, size))
    if kind == "warning":
        size = rng.uniform(0.7, 1.0)
        plates.append(("warning_sign", TRIANGLE, size, size))
    if kind in ("board", "two"):
        plates.append(("board_sign", QUAD, rng.uniform(0.4, 1.7), rng.uniform(0.3, 0.9)))
    for group, outline, w, h in plates:
        corner = np.array([x, y, top]) - right * w / 2 + out * 0.1
        site.faces.panel(corner, right * w, (0, 0, h), site.pick(group), SIGN, outline=outline, thing=thing)
        mirrored = (outline * [-1, 1] + [1, 0])[::-1]
        site.faces.panel(
            corner + right * w - out * 0.02,
            -right * w,
            (0, 0, h),
            site.pages.groups["sign_back"][0],
            SIGN,
            outline=mirrored,
            thing=thing,
        )
        top += h + 0.05
    _pole(site, x, y, top, 0.07, site.metal_tint, thing)


def _traffic_light(site: Site, side: int, s: float, facing: int) -> None:
    rng, thing, groups = site.rng, site.thing(), site.pages.groups["light"]
    x, y = site.path.point(s, side * (site.kerb[side] + 0.5))
    right, out = _frame(site, s, facing, 0.1)
    z, w, tall, deep = rng.uniform(2.1, 2.6), 0.42, 1.05, out * 0.22
    front, back = groups[int(rng.integers(3))], groups[3]
    corner = np.array([x, y, z]) - right * w / 2 + out * 0.12
    face: dict[str, Any] = {"label": LIGHT, "thing": thing}
    up = (0, 0, tall)
    site.faces.panel(corner, right * w, up, front, glow=0.6, **face)
    site.faces.panel(corner + right * w - deep, -right * w, up, back, **face)
    site.faces.panel(corner + right * w, -deep, up, back, **face)
    site.faces.panel(corner - deep, deep, up, back, **face)
    _pole(site, x, y, z + rng.uniform(0, 1.2), 0.1, site.metal_tint, thing)


def _bollards(site: Site, side: int) -> None:
    rng = site.rng
    start = rng.uniform(5, 50)
    tint = np.array([(0.1, 0.1, 0.1), (0.6, 0.6, 0.6), (0.85, 0.85, 0.8)][rng.integers(3)])
    for s in np.arange(start, start + rng.uniform(5, 30), rng.uniform(1.5, 3)).tolist():
        if not site.at_junction(s, 2.6):
            x, y = site.path.point(s, side * (site.kerb[side] + 0.35))
            _pole(site, x, y, rng.uniform(0.85, 1.05), 0.14, tint, site.thing())


def _guard_rail(site: Site, side: int) -> None:
    """Railings along the kerb that keep people off the road."""
    rng, thing = site.rng, site.thing()
    start, mask = rng.uniform(2, 40), site.pick_mask("railing")
    tint = np.full(3, (0.2, 0.55, 0.7)[rng.integers(3)])
    for s in np.arange(start, start + rng.uniform(8, 50), 2.0).tolist():
        if site.at_junction(s + 1, 3.7):
            continue
        (x, y), u = site.points(s, s + 2.0, side * (site.kerb[side] + 0.3))
        site.faces.panel(
            (x, y, 0),
            u,
            (0, 0, 1.05),
            site.pages.groups["plain"][0],
            FENCE,
            mask=mask,
            tint=tint,
            thing=thing,
            sided=False,
        )
        _pole(site, x, y, 1.1, 0.06, tint, thing)
