"""What lines the street: markings, kerbs, verges, walls and hedges, trees, lamps, signs, the far horizon."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from saccade.classes import CITYSCAPES
from saccade.datasets.world import buildings
from saccade.datasets.world.faces import DISC, QUAD, TRIANGLE
from saccade.datasets.world.textures import atlas

if TYPE_CHECKING:
    from saccade.datasets.world.scene import Scene

ROAD, SIDEWALK, WALL, FENCE, POLE, LIGHT, SIGN, VEGETATION, TERRAIN, BUILDING = (
    CITYSCAPES.names.index(n)
    for n in ("road", "sidewalk", "wall", "fence", "pole", "traffic light", "traffic sign", "vegetation", "terrain",
              "building")
)  # fmt: skip


def lay_ground(scene: Scene) -> None:
    """Pavements, kerbs, carriageway, side streets and road markings."""
    from saccade.datasets.world.scene import Ground

    rng, path, groups = scene.rng, scene.path, atlas().groups
    lo, hi = scene.start, scene.stop + 60
    scene.junction_half = rng.uniform(3.2, 5)
    scene.junctions = []
    s = rng.uniform(15, 60)
    often = rng.uniform(35, 140)
    while s < scene.stop:
        scene.junctions.append(float(s))
        s += rng.uniform(0.6, 1.6) * often
    scene.pave = {side: float(rng.uniform(1.3, 4.5)) for side in (-1, 1)}
    scene.verge = {side: float(rng.uniform(1, 5)) if rng.random() < 0.25 else 0.0 for side in (-1, 1)}
    white = np.full(3, rng.uniform(0.75, 1.05))
    yellow = np.array([1.0, 0.82, 0.35]) * rng.uniform(0.7, 1)
    plain, kerb_texture = groups["plain"][0], int(rng.choice(groups["kerb"]))

    def add(outline, texture, scale, tint, label) -> None:
        scene.grounds.append(Ground(outline, texture, scale, np.asarray(tint), label))

    grass = int(rng.choice(groups["grass"]))
    for side in (-1, 1):
        k, p, v = scene.kerb[side], scene.pave[side], scene.verge[side]
        add(path.strip(lo, hi, side * k, side * (k + p + v)), scene.pave_texture, 4.0, scene.pave_tint, SIDEWALK)
        if v:
            inner = rng.random() < 0.5
            a = k if inner else k + p
            add(path.strip(lo, hi, side * a, side * (a + v)), grass, 4.0, scene.grass_tint, TERRAIN)
        add(path.strip(lo, hi, side * k, side * (k + 0.16)), kerb_texture, 0.9, scene.pave_tint * 1.08, SIDEWALK)
    add(path.strip(lo, hi, -scene.kerb[-1], scene.kerb[1]), scene.asphalt, 16.0, scene.road_tint, ROAD)
    for s in scene.junctions:
        w = scene.junction_half
        for side in (-1, 1):
            if side == 1 and rng.random() < 0.3:
                continue
            k = scene.kerb[side]
            a, b = path.at(s - w - 3, side * k), path.at(s + w + 3, side * k)
            flare = [a, path.at(s - w, side * (k + 3)), path.at(s - w, side * 70), path.at(s + w, side * 70),
                     path.at(s + w, side * (k + 3)), b, path.at(s, side * (k - 1))]  # fmt: skip
            add(np.array(flare), scene.asphalt, 16.0, scene.road_tint, ROAD)
            for dash in np.arange(s - w, s + w, 1.2):
                add(path.strip(dash, dash + 0.7, side * (k - 0.25), side * (k - 0.1)), plain, 1.0, white, ROAD)
    _markings(scene, add, white, yellow, plain)


def _markings(scene, add, white, yellow, plain) -> None:
    rng, path = scene.rng, scene.path
    lo, hi = scene.start, scene.stop
    half = scene.lanes * scene.lane
    # Worn strips where wheels run, and repaired patches: tone on tone.
    for centre in [(i + 0.5) * scene.lane * s for i in range(scene.lanes) for s in (-1, 1)]:
        for off in (-0.75, 0.75):
            d = centre + off
            add(path.strip(lo, hi, d - 0.3, d + 0.3), scene.asphalt, 16.0, scene.road_tint * rng.uniform(0.9, 1.06), ROAD)
    for _ in range(int(rng.integers(0, 9))):
        s, d = rng.uniform(lo, min(hi, 60)), rng.uniform(-half, half)
        tone = scene.road_tint * rng.uniform(0.7, 1.2)
        add(path.strip(s, s + rng.uniform(0.6, 9), d, d + rng.uniform(0.5, 2.5)), scene.asphalt, 13.0, tone, ROAD)
    style = rng.choice(["dash", "long", "solid", "none"], p=[0.5, 0.2, 0.12, 0.18])
    if style != "none":
        length, gap = {"dash": (rng.uniform(1.5, 3), rng.uniform(3, 6)), "long": (4.0, 2.0), "solid": (12.0, 0.0)}[style]
        for s in np.arange(lo, hi, length + gap):
            add(path.strip(s, s + length, -0.06, 0.06), plain, 1.0, white, ROAD)
            if style == "solid":
                add(path.strip(s, s + length, 0.14, 0.26), plain, 1.0, white, ROAD)
    for lane in range(1, scene.lanes):
        for side in (-1, 1):
            for s in np.arange(lo, hi, 6.0):
                d = side * lane * scene.lane
                add(path.strip(s, s + 2, d - 0.05, d + 0.05), plain, 1.0, white, ROAD)
    for side in (-1, 1):
        edge = rng.choice(["double yellow", "yellow", "white", "none"], p=[0.22, 0.13, 0.2, 0.45])
        colour = white if edge == "white" else yellow
        if edge != "none":
            for off in (0.28, 0.5) if edge == "double yellow" else (0.3,):
                d = side * (scene.kerb[side] - off)
                add(path.strip(lo, hi, d - 0.05, d + 0.05), plain, 1.0, colour, ROAD)
    for _ in range(int(rng.choice([0, 1, 2], p=[0.5, 0.35, 0.15]))):
        s = rng.uniform(8, min(hi, 90))
        if rng.random() < 0.6:  # crosswalk
            for d in np.arange(-scene.kerb[-1] + 0.3, scene.kerb[1] - 0.3, 1.0):
                add(path.strip(s, s + 3, d, d + 0.5), plain, 1.0, white, ROAD)
        for side in (-1, 1):  # stop line
            a, b = sorted((0.1 * side, side * (half - 0.1)))
            t = s - 1.6 if side == scene.hand else s + 4.6
            add(path.strip(t, t + 0.3, a, b), plain, 1.0, white, ROAD)
    for _ in range(int(rng.integers(0, 4))):  # arrows and letters on the lanes
        s, d = rng.uniform(5, min(hi, 70)), rng.choice([-1, 1]) * (rng.integers(scene.lanes) + 0.5) * scene.lane
        add(path.strip(s, s + 2.4, d - 0.07, d + 0.07), plain, 1.0, white, ROAD)
        tip = np.array([path.at(s + 2.3, d - 0.45), path.at(s + 3.6, d), path.at(s + 2.3, d + 0.45)])
        add(tip, plain, 1.0, white, ROAD)


def lay_side(scene: Scene, side: int) -> None:
    """Everything beyond one kerb."""
    rng = scene.rng
    kinds = ["terrace", "high street", "houses", "city", "old town", "park"]
    kind = str(rng.choice(kinds, p=[0.2, 0.25, 0.17, 0.13, 0.13, 0.12]))
    edge = scene.kerb[side] + scene.pave[side] + scene.verge[side]
    garden = {"houses": rng.uniform(3, 9), "park": 6.0, "terrace": rng.choice([0, 1.5, 3])}.get(kind, rng.choice([0, 0, 0, 2]))
    _yard(scene, side, edge, garden, kind)
    if kind == "park":
        _wood(scene, side, edge + 1, 45, rng.uniform(0.4, 1.0))
    else:
        _row(scene, side, edge + garden, buildings.STYLES[kind])
        _wood(scene, side, edge + garden + 16, 30, 0.15)
    if garden > 0.5:
        _boundary(scene, side, edge + 0.1)
    _street_trees(scene, side, kind)
    _furniture(scene, side)


def _yard(scene: Scene, side: int, edge: float, garden: float, kind: str) -> None:
    from saccade.datasets.world.scene import Ground

    rng, groups = scene.rng, atlas().groups
    if garden <= 0:
        return
    paved = kind != "park" and rng.random() < 0.45
    outline = scene.path.strip(scene.start, scene.stop, side * edge, side * (edge + (60 if kind == "park" else garden + 3)))
    texture = int(rng.choice(groups["paving" if paved else "grass"]))
    tint = scene.pave_tint * 0.9 if paved else scene.grass_tint
    # Before the carriageway, so that side streets cut through it.
    scene.grounds.insert(0, Ground(outline, texture, 4.0, tint, SIDEWALK if paved else TERRAIN))


def _row(scene: Scene, side: int, line: float, style: buildings.Style) -> None:
    rng, path = scene.rng, scene.path
    s, gap = scene.start - 12, rng.choice([0.03, 0.15, 0.4]) if style.width[1] < 12 else 0.12
    uniform = rng.random() < 0.35 and style.width[1] < 9
    memory = int(rng.integers(1 << 31))
    while s < scene.stop + 20:
        width = rng.uniform(*style.width)
        if scene.is_junction(s + width / 2, width / 2 + 1.0):
            s += 1.0
            continue
        if rng.random() < gap:
            s += rng.uniform(2, 9)
            continue
        d = side * (line + max(0.0, rng.normal(0, 0.5)))
        a, b = path.at(s, d), path.at(s + width, d)
        left, right = (a, b) if side == -1 else (b, a)
        source = np.random.default_rng(memory) if uniform else rng
        height = buildings.building(scene.static, source, left, right, style, scene.thing())
        outward = path.at(s + width / 2, d + side * 9.0) - path.at(s + width / 2, d)
        scene.casters.append(_caster(np.array([a, b, b + outward, a + outward]), 0.0, height))
        s += width


def _caster(outline: np.ndarray, low: float, high: float):
    from saccade.datasets.world.scene import Caster

    return Caster(outline, low, high)


def tree(scene: Scene, x: float, y: float, height: float, kind: str, tint: np.ndarray) -> None:
    """A trunk and a crown of several leafy discs, a conifer, or bare branches."""
    rng, pages, b = scene.rng, atlas(), scene.static
    thing = scene.thing()
    leaf = int(rng.choice(pages.groups["foliage"]))
    bark = int(rng.choice(pages.groups["bark"]))
    brown = rng.uniform(0.3, 0.75) * np.array([1, 0.9, 0.78])
    trunk = height * rng.uniform(0.025, 0.045)
    face = {"label": VEGETATION, "thing": thing}
    if kind == "bare":
        clear = height * rng.uniform(0.15, 0.3)
        b.ribbon((x, y, 0), (x, y, clear * 1.1), trunk, bark, tint=brown, **face)
        for k in range(2):
            dx, dy = rng.normal(0, 0.3, 2)
            b.ribbon((x + dx * k, y + dy * k, clear), (x + dx * k, y + dy * k, height), height * rng.uniform(0.65, 0.95),
                     bark, mask=int(rng.choice(pages.mask_groups["branch"])), tint=brown, tiles=(3, 3), **face)  # fmt: skip
    elif kind == "cone":
        b.ribbon((x, y, 0), (x, y, height), height * rng.uniform(0.3, 0.5), leaf, tiles=(2, 3),
                 mask=int(rng.choice(pages.mask_groups["cone"])), tint=tint * 0.75, **face)  # fmt: skip
    else:
        clear = height * rng.uniform(0.2, 0.4)
        b.ribbon((x, y, 0), (x, y, clear * 1.3), trunk, bark, tint=brown, **face)
        wide = height * rng.uniform(0.55, 0.95)
        for _ in range(3):
            dx, dy = rng.normal(0, 0.14 * wide, 2)
            low = clear + rng.uniform(-0.05, 0.2) * (height - clear)
            high = height - rng.uniform(0, 0.22) * (height - clear)
            shade = tint * rng.uniform(0.78, 1.15)
            n = max(2, round((high - low) / 1.8))
            b.ribbon((x + dx, y + dy, low), (x + dx, y + dy, high), wide * rng.uniform(0.65, 0.95), leaf, tiles=(n, n),
                     seed=int(rng.integers(999)), mask=int(rng.choice(pages.mask_groups["crown"])), tint=shade, **face)  # fmt: skip
    angle = np.arange(8) * np.pi / 4
    r = height * (0.28 if kind != "cone" else 0.15)
    scene.casters.append(_caster(np.stack([x + r * np.cos(angle), y + r * np.sin(angle)], 1), height * 0.3, height))


def _leaf_tint(scene: Scene) -> np.ndarray:
    rng = scene.rng
    base = np.array([rng.uniform(0.34, 0.62), rng.uniform(0.44, 0.66), rng.uniform(0.2, 0.38)])
    if rng.random() < 0.12:
        base = np.array([rng.uniform(0.6, 0.85), rng.uniform(0.4, 0.6), rng.uniform(0.15, 0.3)])
    return base * rng.uniform(0.6, 1.05)


def _wood(scene: Scene, side: int, line: float, depth: float, density: float) -> None:
    """Trees scattered behind a line."""
    rng = scene.rng
    bare = rng.random() < 0.35
    for _ in range(int(density * (scene.stop - scene.start) * 0.4)):
        s, d = rng.uniform(scene.start, scene.stop + 40), line + depth * rng.random() ** 1.6
        if scene.is_junction(s, 2):
            continue
        x, y = scene.path.at(s, side * d)
        kind = "bare" if bare and rng.random() < 0.8 else str(rng.choice(["round", "round", "round", "cone"]))
        tree(scene, float(x), float(y), rng.uniform(5, 15), kind, _leaf_tint(scene))
    if density > 0.3:
        _hedge(scene, side, line + rng.uniform(0.5, 5), rng.uniform(1.2, 3.5), scene.start, scene.stop)


def _street_trees(scene: Scene, side: int, kind: str) -> None:
    rng = scene.rng
    if rng.random() > (0.35 if kind != "city" else 0.5) or scene.pave[side] < 1.8:
        return
    step, bare = rng.uniform(7, 18), rng.random() < 0.35
    tint = _leaf_tint(scene)
    height = rng.uniform(5, 11)
    for s in np.arange(scene.start + rng.uniform(0, step), scene.stop, step):
        if scene.is_junction(s, 3) or rng.random() < 0.2:
            continue
        x, y = scene.path.at(s + rng.normal(0, 0.5), side * (scene.kerb[side] + rng.uniform(0.6, 1.0)))
        tree(scene, float(x), float(y), height * rng.uniform(0.8, 1.2), "bare" if bare else "round", tint)


def _hedge(scene: Scene, side: int, d: float, height: float, s0: float, s1: float) -> None:
    rng, pages = scene.rng, atlas()
    leaf, tint, thing = int(rng.choice(pages.groups["foliage"])), _leaf_tint(scene) * 0.85, scene.thing()
    for s in np.arange(s0, s1, 5.0):
        if scene.is_junction(s + 2.5, 2.5):
            continue
        a, b = (scene.path.at(x, side * d) for x in (s, s + 5.0))
        u = np.array([*(b - a), 0.0])
        scene.static.panel((*a, 0), u, (0, 0, height * rng.uniform(0.9, 1.1)), leaf, VEGETATION, tiles=(3, max(1, round(height / 1.5))),
                           mask=int(rng.choice(pages.mask_groups["hedge"])), tint=tint, thing=thing, sided=False)  # fmt: skip


def _boundary(scene: Scene, side: int, d: float) -> None:
    """A wall, fence, railing or hedge between pavement and garden."""
    rng, pages = scene.rng, atlas()
    kind = str(rng.choice(["wall", "fence", "railing", "hedge", "none"], p=[0.3, 0.22, 0.2, 0.18, 0.1]))
    if kind == "none":
        return
    if kind == "hedge":
        _hedge(scene, side, d, rng.uniform(0.9, 2.2), scene.start, scene.stop)
        return
    thing = scene.thing()
    height = {"wall": rng.uniform(0.6, 2.2), "fence": rng.uniform(0.9, 2.0), "railing": rng.uniform(0.9, 1.5)}[kind]
    texture = {"wall": int(rng.choice(pages.groups["wall"][:5])), "fence": int(rng.choice(pages.groups["planks"])),
               "railing": pages.groups["plain"][0]}[kind]  # fmt: skip
    tint = {
        "wall": np.array([0.72, 0.55, 0.45]) * rng.uniform(0.7, 1.2),
        "fence": np.array([0.72, 0.55, 0.4]) * rng.uniform(0.5, 1.2),
        "railing": np.full(3, rng.choice([0.1, 0.15, 0.55, 0.9])),
    }[kind]
    mask = int(rng.choice(pages.mask_groups["railing"])) if kind == "railing" else -1
    label = WALL if kind == "wall" else FENCE
    gap = rng.uniform(0, 0.25)
    for s in np.arange(scene.start, scene.stop, 3.0):
        if scene.is_junction(s + 1.5, 2) or rng.random() < gap:
            continue
        a, b = (scene.path.at(x, side * d) for x in (s, s + 3.0))
        u = np.array([*(b - a), 0.0])
        scene.static.panel((*a, 0), u, (0, 0, height), texture, label, tiles=(1, 1), mask=mask, tint=tint, thing=thing,
                           sided=False)  # fmt: skip
        if kind == "wall":
            out = np.array([*(scene.path.at(s, side * (d + 0.25)) - a), 0.0])
            scene.static.panel((*a, height), u, out, texture, label, tint=tint * 1.1, thing=thing, sided=False)


def _pole(scene: Scene, x: float, y: float, height: float, width: float, tint: np.ndarray, thing: int) -> None:
    metal = int(scene.rng.choice(atlas().groups["metal"]))
    scene.static.ribbon((x, y, 0), (x, y, height), width, metal, POLE, tint=tint, thing=thing)


def _furniture(scene: Scene, side: int) -> None:
    rng = scene.rng
    grey = np.full(3, rng.uniform(0.2, 0.9)) * np.array([1, 1, rng.uniform(0.95, 1.05)])
    # Lamps.
    if rng.random() < 0.75:
        step, height, reach = rng.uniform(18, 36), rng.uniform(5, 9.5), rng.uniform(0, 2)
        for s in np.arange(scene.start + rng.uniform(0, step), scene.stop, step):
            _lamp(scene, side, s, height, reach, grey)
    # Signs.
    for _ in range(int(rng.poisson((scene.stop - scene.start) / rng.uniform(12, 50)))):
        s = rng.uniform(scene.start + 8, scene.stop)
        _sign(scene, side, s, grey)
    # Traffic lights at junctions.
    if rng.random() < 0.55:
        for s in scene.junctions:
            for at, facing in ((s - scene.junction_half - 2.5, -1), (s + scene.junction_half + 2.5, 1)):
                _traffic_light(scene, side, at, facing, grey)
    # Bollards.
    if rng.random() < 0.2:
        s0 = rng.uniform(5, 50)
        tone = np.array([(0.1, 0.1, 0.1), (0.6, 0.6, 0.6), (0.85, 0.85, 0.8)])[int(rng.integers(3))]
        for s in np.arange(s0, s0 + rng.uniform(5, 30), rng.uniform(1.5, 3)):
            x, y = scene.path.at(s, side * (scene.kerb[side] + 0.35))
            _pole(scene, x, y, rng.uniform(0.85, 1.05), 0.14, tone, scene.thing())
    # Guard rails at the kerb.
    if rng.random() < 0.2:
        pages = atlas()
        s0 = rng.uniform(4, 40)
        mask, thing = int(rng.choice(pages.mask_groups["railing"])), scene.thing()
        tone = np.full(3, rng.choice([0.25, 0.6, 0.75]))
        for s in np.arange(s0, s0 + rng.uniform(6, 40), 2.0):
            if scene.is_junction(s + 1, 1):
                continue
            a, b = (scene.path.at(x, side * (scene.kerb[side] + 0.3)) for x in (s, s + 2.0))
            scene.static.panel((*a, 0), (*(b - a), 0), (0, 0, 1.05), pages.groups["plain"][0], FENCE, mask=mask,
                               tint=tone, thing=thing, sided=False)  # fmt: skip
            _pole(scene, a[0], a[1], 1.1, 0.06, tone, thing)


def _lamp(scene: Scene, side: int, s: float, height: float, reach: float, grey: np.ndarray) -> None:
    thing, groups = scene.thing(), atlas().groups
    d = side * (scene.kerb[side] + 0.5)
    x, y = scene.path.at(s, d)
    _pole(scene, x, y, height, 0.16, grey, thing)
    x1, y1 = scene.path.at(s, d - side * max(reach, 0.35))
    b = scene.static
    b.ribbon((x, y, height), (x1, y1, height + 0.25 * reach), 0.1, groups["plain"][0], POLE, tint=grey, thing=thing)
    x2, y2 = scene.path.at(s, d - side * (max(reach, 0.35) + 0.6))
    b.ribbon((x1, y1, height + 0.25 * reach), (x2, y2, height + 0.25 * reach + 0.05), 0.2, groups["plain"][0], POLE,
             tint=(0.85, 0.85, 0.8), glow=scene.light.night, thing=thing)  # fmt: skip


def _sign(scene: Scene, side: int, s: float, grey: np.ndarray) -> None:
    rng, groups, b = scene.rng, atlas().groups, scene.static
    thing = scene.thing()
    d = side * (scene.kerb[side] + rng.uniform(0.3, min(1.2, scene.pave[side])))
    x, y = (float(c) for c in scene.path.at(s, d))
    h = float(scene.path.heading(s)) + rng.normal(0, 0.12)
    facing = -1 if rng.random() < 0.65 else 1  # towards traffic going up the street, or down it
    right = np.array([np.cos(h), -np.sin(h), 0.0]) * -facing
    out = np.array([np.sin(h), np.cos(h), 0.0]) * facing
    z = rng.uniform(1.9, 2.6)
    top = z
    kind = str(rng.choice(["disc", "warning", "board", "two"], p=[0.35, 0.2, 0.3, 0.15]))
    plates: list[tuple[str, np.ndarray, float, float]] = []
    if kind in ("disc", "two"):
        plates.append(("disc_sign", DISC, *(2 * [rng.uniform(0.5, 0.8)])))
    if kind == "warning":
        plates.append(("warning_sign", TRIANGLE, *(2 * [rng.uniform(0.7, 1.0)])))
    if kind in ("board", "two"):
        plates.append(("board_sign", QUAD, rng.uniform(0.4, 1.7), rng.uniform(0.3, 0.9)))
    for group, outline, w, hgt in plates:
        corner = np.array([x, y, top]) - right * w / 2 + out * 0.06
        b.panel(corner, right * w, (0, 0, hgt), int(rng.choice(groups[group])), SIGN, outline=outline, thing=thing)
        flipped = (outline * [-1, 1] + [1, 0])[::-1]
        b.panel(corner + right * w - out * 0.02, -right * w, (0, 0, hgt), groups["sign_back"][0], SIGN, outline=flipped, thing=thing)
        top += hgt + 0.05
    _pole(scene, x, y, top, 0.07, grey, thing)


def _traffic_light(scene: Scene, side: int, s: float, facing: int, grey: np.ndarray) -> None:
    rng, groups, b = scene.rng, atlas().groups, scene.static
    thing = scene.thing()
    x, y = (float(c) for c in scene.path.at(s, side * (scene.kerb[side] + 0.5)))
    h = float(scene.path.heading(s)) + rng.normal(0, 0.1)
    right = np.array([np.cos(h), -np.sin(h), 0.0]) * -facing
    out = np.array([np.sin(h), np.cos(h), 0.0]) * facing
    z, w, tall = rng.uniform(2.1, 2.6), 0.38, 1.0
    front, back = groups["light"][int(rng.integers(3))], groups["light"][3]
    corner = np.array([x, y, z]) - right * w / 2 + out * 0.12
    face = {"label": LIGHT, "thing": thing}
    b.panel(corner, right * w, (0, 0, tall), front, glow=0.8, **face)
    b.panel(corner + right * w - out * 0.22, -right * w, (0, 0, tall), back, **face)
    b.panel(corner + right * w, -out * 0.22, (0, 0, tall), back, **face)
    b.panel(corner - out * 0.22, out * 0.22, (0, 0, tall), back, **face)
    _pole(scene, x, y, z + rng.uniform(0, 1.2), 0.12, grey, thing)


def lay_horizon(scene: Scene) -> None:
    """Far trees and roofs all around, and what closes the view at the end of the street."""
    rng, pages, b = scene.rng, atlas(), scene.static
    middle = scene.path.at((scene.start + scene.stop) / 2, 0.0)
    reach = (scene.stop - scene.start) / 2
    leaf, walls = pages.groups["foliage"], pages.groups["bay"]
    green = _leaf_tint(scene) * 0.8
    for ring, tall, count in ((reach + 120, 16, 26), (reach + 60, 11, 26)):
        for k in range(count):
            a = (k + rng.uniform(-0.4, 0.4)) * 2 * np.pi / count
            x, y = middle + ring * np.array([np.sin(a), np.cos(a)])
            w, h = ring * rng.uniform(0.2, 0.36), tall * rng.uniform(0.5, 1.3)
            thing = scene.thing()
            if rng.random() < 0.72:
                b.ribbon((x, y, -1), (x, y, h), w, int(rng.choice(leaf)), VEGETATION, tiles=(w // 5, max(1, h // 5)),
                         mask=int(rng.choice(pages.mask_groups["hedge"])), tint=green * rng.uniform(0.8, 1.2), thing=thing)  # fmt: skip
            elif rng.random() < 0.5:
                tint = rng.uniform(0.5, 0.95) * np.array([1, 0.95, 0.88])
                b.ribbon((x, y, -1), (x, y, h), w * 0.35, int(rng.choice(walls)), BUILDING, tiles=(w // 9, max(1, h // 3)),
                         tint=tint, thing=thing, seed=int(rng.integers(999)))  # fmt: skip
    end = scene.stop + 50
    for d in np.arange(-22, 23, 7.0):
        x, y = scene.path.at(end + rng.uniform(0, 15), d + rng.normal(0, 1.5))
        if rng.random() < 0.6:
            tree(scene, float(x), float(y), rng.uniform(7, 16), str(rng.choice(["round", "cone", "bare"])), _leaf_tint(scene))
