"""Carriageway, pavements, kerbs, verges, side streets and the markings on the road."""

from __future__ import annotations

import numpy as np

from saccade.datasets.world.site import ID, Ground, Site

ROAD, SIDEWALK, TERRAIN = ID["road"], ID["sidewalk"], ID["terrain"]


def lay(site: Site) -> None:
    """Lay the ground of a street."""
    path, lo, hi = site.path, site.start, site.stop + 60
    paving, kerbstone, grass, asphalt = (site.pick(g) for g in ("paving", "kerb", "grass", "asphalt"))

    def add(outline: np.ndarray, texture: int, scale: float, tint: np.ndarray, label: int) -> None:
        site.grounds.append(Ground(outline, texture, scale, tint, label))

    for side in (-1, 1):
        kerb, verge = site.kerb[side], site.verge[side]
        add(path.strip(lo, hi, side * kerb, side * site.edge(side)), paving, 4.0, site.pave_tint, SIDEWALK)
        if verge:
            inner = kerb if site.rng.random() < 0.5 else kerb + site.pave[side]
            add(
                path.strip(lo, hi, side * inner, side * (inner + verge)), grass, 4.0, site.grass_tint, TERRAIN
            )
        stone = site.pave_tint * site.rng.uniform(0.9, 1.2)
        add(path.strip(lo, hi, side * kerb, side * (kerb + 0.16)), kerbstone, 0.9, stone, SIDEWALK)
    add(path.strip(lo, hi, -site.kerb[-1], site.kerb[1]), asphalt, 16.0, site.road_tint, ROAD)
    for side in (-1, 1):  # the gutter is darker than the road
        gutter = path.strip(lo, hi, side * (site.kerb[side] - 0.12), side * site.kerb[side])
        add(gutter, asphalt, 16.0, site.road_tint * 0.72, ROAD)
    _Paint(site, asphalt).everything()


def yard(site: Site, side: int, depth: float, green: bool) -> None:
    """Grass or paving between pavement and houses; lowest of all, so that side streets cut through it."""
    edge = site.edge(side)
    outline = site.path.strip(site.start, site.stop, side * edge, side * (edge + depth))
    if green:
        site.grounds.insert(0, Ground(outline, site.pick("grass"), 4.0, site.grass_tint, TERRAIN))
    else:
        tint = site.pave_tint * site.rng.uniform(0.8, 1.1)
        site.grounds.insert(0, Ground(outline, site.pick("paving"), 4.0, tint, SIDEWALK))


class _Paint:
    """Side streets and markings: everything that is laid or painted over the carriageway."""

    def __init__(self, site: Site, asphalt: int) -> None:
        rng = site.rng
        self.site, self.asphalt = site, asphalt
        self.plain = site.pages.groups["worn"][0]
        self.white = np.full(3, rng.uniform(0.72, 1.05))
        self.yellow = np.array([1.0, 0.82, 0.35]) * rng.uniform(0.65, 1)
        self.near = min(site.stop, 90.0)

    def everything(self) -> None:
        self._side_streets()
        self._wear()
        self._centre_line()
        self._edge_lines()
        self._crossings()
        self._symbols()

    def _stripe(self, s0: float, s1: float, d0: float, d1: float, colour: np.ndarray) -> None:
        outline = self.site.path.strip(s0, s1, d0, d1)
        self.site.grounds.append(Ground(outline, self.plain, 2.0, colour, ROAD))

    def _tone(self, s0: float, s1: float, d0: float, d1: float, factor: float) -> None:
        site = self.site
        outline = site.path.strip(s0, s1, d0, d1)
        site.grounds.append(Ground(outline, self.asphalt, 13.0, site.road_tint * factor, ROAD))

    def _side_streets(self) -> None:
        site, rng, point = self.site, self.site.rng, self.site.path.point
        w = site.junction_half
        for s in site.junctions:
            for side in (-1, 1):
                if side == 1 and rng.random() < 0.3:
                    continue
                k = site.kerb[side]
                corners = [(s - w - 3, k), (s - w - 0.9, k + 0.9), (s - w, k + 3), (s - w, 80), (s + w, 80),
                           (s + w, k + 3), (s + w + 0.9, k + 0.9), (s + w + 3, k), (s, k - 1)]  # fmt: skip
                outline = np.array([point(a, side * d) for a, d in corners])
                site.grounds.append(Ground(outline, self.asphalt, 16.0, site.road_tint, ROAD))
                for dash in np.arange(s - w, s + w, 1.2).tolist():
                    self._stripe(dash, dash + 0.7, side * (k - 0.25), side * (k - 0.1), self.white)
                self._stripe(s - 0.06, s + 0.06, side * (k + 3), side * (k + 9), self.white)

    def _wear(self) -> None:
        """Worn strips where wheels run, and repaired patches, tone on tone."""
        site, rng = self.site, self.site.rng
        depth = rng.uniform(-0.1, 0.07)
        for lane in range(site.lanes):
            for centre in ((lane + 0.5) * site.lane, -(lane + 0.5) * site.lane):
                for off in (-0.75, 0.75):
                    d = centre + off
                    self._tone(site.start, site.stop, d - 0.3, d + 0.3, 1 + depth * rng.uniform(0.5, 1))
        for _ in range(int(rng.integers(0, 9))):
            s, d = rng.uniform(site.start, self.near), rng.uniform(-site.half, site.half)
            self._tone(s, s + rng.uniform(0.6, 9), d, d + rng.uniform(0.5, 2.5), rng.uniform(0.7, 1.2))

    def _centre_line(self) -> None:
        site, rng = self.site, self.site.rng
        style = str(rng.choice(["dash", "long", "solid", "none"], p=[0.5, 0.2, 0.12, 0.18]))
        length, gap = {
            "dash": (rng.uniform(1.5, 3), rng.uniform(3, 6)),
            "long": (4.0, 2.0),
            "solid": (12.0, 0.0),
            "none": (0, 0),
        }[style]
        if style != "none":
            for s in np.arange(site.start, site.stop, length + gap).tolist():
                self._stripe(s, s + length, -0.06, 0.06, self.white)
                if style == "solid":
                    self._stripe(s, s + length, 0.14, 0.26, self.white)
        for lane in range(1, site.lanes):
            for side in (-1, 1):
                d = side * lane * site.lane
                for s in np.arange(site.start, site.stop, 6.0).tolist():
                    self._stripe(s, s + 2, d - 0.05, d + 0.05, self.white)

    def _edge_lines(self) -> None:
        site, rng = self.site, self.site.rng
        for side in (-1, 1):
            edge = str(rng.choice(["double", "yellow", "white", "none"], p=[0.25, 0.13, 0.17, 0.45]))
            offsets = {"double": (0.28, 0.5), "yellow": (0.3,), "white": (0.3,), "none": ()}[edge]
            colour = self.white if edge == "white" else self.yellow
            reach = site.junction_half + 2.5
            ends = [site.start, *(e for s in site.junctions for e in (s - reach, s + reach)), site.stop]
            for off in offsets:
                d = side * (site.kerb[side] - off)
                for s0, s1 in zip(ends[::2], ends[1::2], strict=True):
                    if s1 > s0:
                        self._stripe(s0, s1, d - 0.05, d + 0.05, colour)

    def _crossings(self) -> None:
        site, rng = self.site, self.site.rng
        for _ in range(int(rng.choice([0, 1, 2], p=[0.5, 0.35, 0.15]))):
            s = rng.uniform(6, self.near)
            kind = rng.random()
            if kind < 0.5:
                for d in np.arange(-site.kerb[-1] + 0.3, site.kerb[1] - 0.3, 1.0).tolist():
                    self._stripe(s, s + 3, d, d + 0.5, self.white)
            elif kind < 0.7:  # a box of crossed lines
                span, half = rng.uniform(6, 12), site.half
                for k in np.arange(-1, 1.01, 0.25).tolist():
                    for tilt in (-1, 1):
                        self._diagonal(s, s + span, k * half, tilt * half * 0.7)
            for side in (-1, 1):
                a, b = sorted((0.1 * side, side * (site.half - 0.1)))
                t = s - 1.6 if side == site.hand else s + 4.6
                self._stripe(t, t + 0.3, a, b, self.white)

    def _diagonal(self, s0: float, s1: float, d: float, slant: float) -> None:
        point, half = self.site.path.point, self.site.half
        a, b = max(-half, min(half, d - slant)), max(-half, min(half, d + slant))
        outline = np.array([point(s0, a), point(s0, a + 0.12), point(s1, b + 0.12), point(s1, b)])
        self.site.grounds.append(Ground(outline, self.plain, 2.0, self.yellow, ROAD))

    def _symbols(self) -> None:
        """Arrows, give-way triangles and letters on the lanes; hatching in the middle."""
        site, rng, point = self.site, self.site.rng, self.site.path.point
        for _ in range(int(rng.integers(0, 5))):
            s = rng.uniform(4, self.near * 0.8)
            d = float(rng.choice([-1, 1]) * (rng.integers(site.lanes) + 0.5) * site.lane)
            kind = rng.random()
            if kind < 0.45:
                self._stripe(s, s + 2.4, d - 0.07, d + 0.07, self.white)
                tip = np.array([point(s + 2.3, d - 0.45), point(s + 3.6, d), point(s + 2.3, d + 0.45)])
                site.grounds.append(Ground(tip, self.plain, 2.0, self.white, ROAD))
            elif kind < 0.75:  # something like letters: bars along and across
                for k in range(int(rng.integers(2, 5))):
                    x = d - 1.2 + 0.65 * k
                    self._stripe(s, s + 1.8, x, x + 0.12, self.white)
                    self._stripe(s, s + 1.8, x + 0.36, x + 0.48, self.white)
                    y = s + float(rng.choice([0, 0.85, 1.65]))
                    self._stripe(y, y + 0.16, x, x + 0.48, self.white)
            else:
                for k in range(6):
                    t = s + 1.6 * k
                    self._diagonal_bar(t, 0.9)

    def _diagonal_bar(self, s: float, half: float) -> None:
        point = self.site.path.point
        outline = np.array(
            [point(s, -half), point(s + 0.25, -half), point(s + 1.1, half), point(s + 0.85, half)]
        )
        self.site.grounds.append(Ground(outline, self.plain, 2.0, self.white, ROAD))
