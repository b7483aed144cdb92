"""Houses, shops, office blocks: boxes with facades, roofs and chimneys along the street."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from saccade.datasets.world.faces import QUAD
from saccade.datasets.world.site import ID, Caster, Site

BUILDING = ID["building"]

_WALLS = (
    (0.62, 0.4, 0.32), (0.7, 0.5, 0.38), (0.55, 0.36, 0.3), (0.82, 0.72, 0.52), (0.88, 0.8, 0.62),
    (0.95, 0.94, 0.9), (0.9, 0.86, 0.78), (0.75, 0.73, 0.7), (0.62, 0.6, 0.57), (0.85, 0.75, 0.62),
    (0.5, 0.47, 0.44), (0.7, 0.62, 0.5), (0.78, 0.66, 0.6), (0.8, 0.82, 0.85), (0.97, 0.97, 0.95),
)  # fmt: skip
_ROOFS = ((0.36, 0.34, 0.36), (0.45, 0.42, 0.42), (0.5, 0.3, 0.24), (0.42, 0.28, 0.22), (0.3, 0.3, 0.33))

Tint = tuple[float, float, float]


@dataclass(frozen=True)
class Style:
    """What the buildings of one side of a street have in common.

    Attributes:
        storeys: Smallest and largest number of storeys.
        width: Smallest and largest frontage, metres.
        shops: Share of buildings with a shop.
        gabled: Share with a pitched roof.
        glass: Share of office blocks.
    """

    storeys: tuple[int, int]
    width: tuple[float, float]
    shops: float
    gabled: float
    glass: float


STYLES = {
    "terrace": Style((2, 3), (4.5, 8), 0.12, 0.95, 0.0),
    "high street": Style((2, 4), (5, 13), 0.75, 0.6, 0.05),
    "houses": Style((1, 2), (7, 13), 0.0, 0.97, 0.0),
    "city": Style((3, 7), (10, 26), 0.5, 0.2, 0.25),
    "old town": Style((2, 5), (6, 20), 0.3, 0.5, 0.0),
}


def row(site: Site, side: int, line: float, style: Style) -> None:
    """Buildings along one side of the street, their fronts ``line`` metres from its centre line."""
    rng = site.rng
    wide = style.width[1] >= 12
    s, gap = site.start - 12, 0.12 if wide else float(rng.choice([0.03, 0.15, 0.4]))
    # A terrace repeats one house.
    pattern = int(rng.integers(1 << 31)) if rng.random() < 0.35 and not wide else None
    while s < site.stop + 20:
        width = float(rng.uniform(*style.width))
        if site.at_junction(s + width / 2, width / 2 + 1.0):
            s += 1.0
            continue
        if rng.random() < gap:
            s += rng.uniform(2, 9)
            continue
        d = side * (line + max(0.0, rng.normal(0, 0.5)))
        a, b = site.path.point(s, d), site.path.point(s + width, d)
        source = rng if pattern is None else np.random.default_rng(pattern)
        lot = _Lot(site, source, *((a, b) if side == -1 else (b, a)))
        height = lot.build(style)
        corners = [lot.place(x, y, 0)[:2] for x, y in ((0, 0), (lot.width, 0), (lot.width, 9), (0, 9))]
        site.casters.append(Caster(np.array(corners), 0.0, height))
        s += width


class _Lot:
    """Ground for one building; its axes are x along the front to the right, y away from the street, z up."""

    def __init__(
        self, site: Site, rng: np.random.Generator, left: tuple[float, float], right: tuple[float, float]
    ) -> None:
        self.site, self.rng = site, rng
        self.corner = left
        self.width = math.dist(left, right)
        self.along = ((right[0] - left[0]) / self.width, (right[1] - left[1]) / self.width)
        self.face: dict[str, Any] = {
            "label": BUILDING,
            "thing": site.thing(),
            "seed": int(rng.integers(1 << 20)),
        }

    def turn(self, x: float, y: float, z: float) -> Tint:
        """A direction of the lot in the world."""
        ax, ay = self.along
        return ax * x - ay * y, ay * x + ax * y, z

    def place(self, x: float, y: float, z: float) -> Tint:
        """A point of the lot in the world."""
        dx, dy, _ = self.turn(x, y, z)
        return self.corner[0] + dx, self.corner[1] + dy, z

    def panel(
        self, at: Tint, u: Tint, v: Tint, texture: int, tint: Tint, tiles: tuple[float, float] = (1, 1),
        outline: np.ndarray = QUAD, sided: bool = True,
    ) -> None:  # fmt: skip
        self.site.faces.panel(self.place(*at), self.turn(*u), self.turn(*v), texture, tiles=tiles, tint=tint,
                              outline=outline, sided=sided, **self.face)  # fmt: skip

    def build(self, style: Style) -> float:
        """Add the building; returns its height."""
        rng, width, pages = self.rng, self.width, self.site.pages
        depth = float(rng.uniform(7, 13))
        storeys = int(rng.integers(style.storeys[0], style.storeys[1] + 1))
        storey, ground = float(rng.uniform(2.7, 3.5)), float(rng.uniform(2.8, 4.0))
        tint = _shade(_WALLS[int(rng.integers(len(_WALLS)))], rng.uniform(0.75, 1.1), rng.normal(0, 0.03, 3))
        glass = rng.random() < style.glass
        bay = pages.pick(rng, "curtain_wall" if glass else "bay")
        plain = pages.pick(rng, "wall")
        bays = max(1, round(width / rng.uniform(2.4, 3.8)))
        upper = (storeys - 1) * storey
        eaves = ground + upper
        across = (width, 0, 0)
        self._ground_floor(style, ground, bays, bay, tint)
        if upper:
            self.panel((0, 0, ground), across, (0, 0, upper), bay, tint, (bays, storeys - 1))
            if rng.random() < 0.4:  # a string course over the ground floor
                self.panel(
                    (0, -0.12, ground - 0.12),
                    across,
                    (0, 0, 0.26),
                    pages.groups["plain"][0],
                    _shade(tint, 1.1),
                )
            if rng.random() < 0.2:  # and one under the eaves
                self.panel(
                    (0, -0.2, eaves - 0.4), across, (0, 0, 0.4), pages.groups["plain"][0], _shade(tint, 1.15)
                )
        gabled = not glass and rng.random() < style.gabled
        pitch = float(rng.uniform(0.55, 1.0)) * min(depth, 10) / 2 if gabled else 0.0
        ridge = eaves + pitch
        side_bay = bay if rng.random() < 0.35 else plain
        tiles = (max(1, round(depth / 3.2)), max(1, storeys))
        outline = np.array([[0, 0], [1, 0], [1, eaves / ridge], [0.5, 1], [0, eaves / ridge]])
        shaded = _shade(tint, 0.95)
        self.panel((0, depth, 0), (0, -depth, 0), (0, 0, ridge), side_bay, shaded, tiles, outline)
        self.panel((width, 0, 0), (0, depth, 0), (0, 0, ridge), side_bay, shaded, tiles, outline)
        if gabled:
            self._pitched_roof(eaves, pitch, depth, tint, bay)
        else:
            top = _shade(tint, rng.uniform(0.8, 1.15))
            self.panel((0, -0.15, eaves), across, (0, 0, rng.uniform(0.2, 1.0)), pages.groups["wall"][4], top,
                       (max(1, width // 3), 1))  # fmt: skip
            if rng.random() < 0.3:
                x, w = rng.uniform(0.1, 0.6) * width, rng.uniform(0.15, 0.35) * width
                self.panel(
                    (x, depth * 0.3, eaves),
                    (w, 0, 0),
                    (0, 0, rng.uniform(1.5, 3.5)),
                    plain,
                    _shade(tint, 0.9),
                )
        return ridge

    def _ground_floor(self, style: Style, height: float, bays: int, bay: int, tint: Tint) -> None:
        rng, width, pages = self.rng, self.width, self.site.pages
        across = (width, 0, 0)
        if rng.random() >= style.shops:
            front = bay if rng.random() < 0.4 else pages.pick(rng, "house")
            self.panel((0, 0, 0), across, (0, 0, height), front, tint, (bays, 1))
            return
        self.panel(
            (0, 0, 0), across, (0, 0, height), pages.pick(rng, "shop"), tint, (max(1, round(width / 4.2)), 1)
        )
        if rng.random() < 0.35:  # an awning
            reach, drop = rng.uniform(0.8, 1.6), rng.uniform(0.3, 0.7)
            z, plain = height * 0.82 - drop, pages.groups["plain"][0]
            colour = _shade((1, 1, 1), 1.0, rng.uniform(-0.9, 0, 3))
            self.panel((0, -reach, z), across, (0, reach, drop), plain, colour, sided=False)
            self.panel((0, -reach, z - 0.2), across, (0, 0, 0.2), plain, _shade(colour, 0.8), sided=False)

    def _pitched_roof(self, eaves: float, pitch: float, depth: float, tint: Tint, bay: int) -> None:
        rng, width = self.rng, self.width
        slope, over = pitch / (depth / 2), 0.3
        tiles = (max(1, width // 4), max(1, depth // 8))
        self.panel(
            (0, -over, eaves - over * slope),
            (width, 0, 0),
            (0, depth / 2 + over, pitch + over * slope),
            self.site.pages.pick(rng, "roof"),
            _shade(_ROOFS[int(rng.integers(5))], rng.uniform(0.8, 1.2)),
            tiles,
        )
        for _ in range(int(rng.integers(0, 3))):
            self._chimney(rng.uniform(0.05, 0.95) * width, depth / 2, eaves + pitch, _shade(tint, 0.85))
        if rng.random() < 0.25 and width > 6 and pitch > 2:
            outline = np.array([[0, 0], [1, 0], [1, 0.72], [0.5, 1], [0, 0.72]])
            count = max(1, int(width // 4))
            for k in range(count):
                at = ((k + 0.5) / count * width - 0.7, 0.09 * depth, eaves + 0.18 * pitch)
                self.panel(at, (1.4, 0, 0), (0, 0, 1.7), bay, tint, outline=outline)

    def _chimney(self, x: float, y: float, ridge: float, tint: Tint) -> None:
        groups, add = self.site.pages.groups, self.site.faces.ribbon
        w, top = self.rng.uniform(0.5, 1.3), ridge + self.rng.uniform(0.7, 1.8)
        face: dict[str, Any] = self.face
        add(self.place(x, y, ridge - 0.6), self.place(x, y, top), w, groups["wall"][0], tint=tint, **face)
        for k in (-0.25 * w, 0.25 * w):
            foot, tip = self.place(x + k, y, top), self.place(x + k, y, top + 0.4)
            add(foot, tip, 0.2, groups["plain"][0], tint=(0.6, 0.35, 0.25), **face)


def _shade(tint: Tint, factor: float, shift: np.ndarray | None = None) -> Tint:
    """A lighter or darker colour, kept between 0.1 and 1."""
    r, g, b = tint
    dr, dg, db = (0.0, 0.0, 0.0) if shift is None else shift.tolist()
    return (
        min(max(r * factor + dr, 0.1), 1.0),
        min(max(g * factor + dg, 0.1), 1.0),
        min(max(b * factor + db, 0.1), 1.0),
    )
