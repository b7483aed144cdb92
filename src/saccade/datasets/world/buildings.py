"""Houses, shops, office blocks: boxes with facades, roofs and chimneys along the street."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from saccade.datasets.world.faces import FaceBuilder
from saccade.datasets.world.site import ID, Caster, Site
from saccade.datasets.world.textures import atlas

BUILDING = ID["building"]

_WALLS = (
    (0.62, 0.4, 0.32), (0.7, 0.5, 0.38), (0.55, 0.36, 0.3), (0.82, 0.72, 0.52), (0.88, 0.8, 0.62),
    (0.95, 0.94, 0.9), (0.9, 0.86, 0.78), (0.75, 0.73, 0.7), (0.62, 0.6, 0.57), (0.85, 0.75, 0.62),
    (0.5, 0.47, 0.44), (0.7, 0.62, 0.5), (0.78, 0.66, 0.6), (0.8, 0.82, 0.85),
)  # fmt: skip
_ROOFS = ((0.36, 0.34, 0.36), (0.45, 0.42, 0.42), (0.5, 0.3, 0.24), (0.42, 0.28, 0.22), (0.3, 0.3, 0.33))


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
        a, b = np.array(site.path.point(s, d)), np.array(site.path.point(s + width, d))
        left, right = (a, b) if side == -1 else (b, a)
        source = rng if pattern is None else np.random.default_rng(pattern)
        height = building(site.faces, source, left, right, style, site.thing())
        out = np.array(site.path.point(s + width / 2, d + side * 9.0)) - site.path.point(s + width / 2, d)
        site.casters.append(Caster(np.array([a, b, b + out, a + out]), 0.0, height))
        s += width


def building(
    b: FaceBuilder, rng: np.random.Generator, left: np.ndarray, right: np.ndarray, style: Style, thing: int
) -> float:
    """Add one building whose front runs from ``left`` to ``right`` as seen from the street; returns its height."""
    pages = atlas().groups
    along = right - left
    width = float(np.linalg.norm(along))
    along = along / width
    inward = np.array([-along[1], along[0]])  # away from the street
    depth = float(rng.uniform(7, 13))
    storeys = int(rng.integers(style.storeys[0], style.storeys[1] + 1))
    storey = float(rng.uniform(2.7, 3.5))
    ground_height = float(rng.uniform(2.8, 4.0))
    tint = np.clip(
        np.array(_WALLS[int(rng.integers(len(_WALLS)))]) * rng.uniform(0.75, 1.1) + rng.normal(0, 0.03, 3),
        0.1,
        1,
    )
    glass = rng.random() < style.glass
    bay = int(rng.choice(pages["curtain_wall" if glass else "bay"]))
    shop = rng.random() < style.shops
    front = int(rng.choice(pages["shop" if shop else ("bay" if rng.random() < 0.4 else "house")]))
    plain = int(rng.choice(pages["wall"]))
    seed = int(rng.integers(1 << 20))
    bays = max(1, round(width / rng.uniform(2.4, 3.8)))
    face = {"label": BUILDING, "thing": thing, "seed": seed}
    u = np.array([*(along * width), 0.0])
    start = np.array([*left, 0.0])
    b.panel(start, u, (0, 0, ground_height), front, tiles=(max(1, round(width / 4.2)) if shop else bays, 1),
            tint=tint, **face)  # fmt: skip
    upper = (storeys - 1) * storey
    eaves = ground_height + upper
    if upper:
        b.panel(
            start + [0, 0, ground_height], u, (0, 0, upper), bay, tiles=(bays, storeys - 1), tint=tint, **face
        )
    if rng.random() < 0.4 and storeys > 1:  # a string course over the ground floor
        lift = np.array([*(-inward * 0.12), ground_height - 0.12])
        b.panel(start + lift, u, (0, 0, 0.26), pages["plain"][0], tint=tint * 1.1, **face)
    if shop and rng.random() < 0.35:  # an awning
        reach, drop = rng.uniform(0.8, 1.6), rng.uniform(0.3, 0.7)
        at = start + [*(-inward * reach), ground_height * 0.82 - drop]
        colour = rng.uniform(0.1, 1, 3)
        b.panel(
            at, u, np.array([*(inward * reach), drop]), pages["plain"][0], tint=colour, sided=False, **face
        )
        b.panel(at - [0, 0, 0.2], u, (0, 0, 0.2), pages["plain"][0], tint=colour * 0.8, sided=False, **face)
    gabled = not glass and rng.random() < style.gabled
    pitch = float(rng.uniform(0.55, 1.0)) * min(depth, 10) / 2 if gabled else 0.0
    ridge = eaves + pitch
    side_bay = bay if rng.random() < 0.35 else plain
    back = np.array([*(inward * depth), 0.0])
    side_tiles = (max(1, round(depth / 3.2)), max(1, storeys))
    outline = np.array([[0, 0], [1, 0], [1, eaves / ridge], [0.5, 1], [0, eaves / ridge]])
    b.panel(
        start + back,
        -back,
        (0, 0, ridge),
        side_bay,
        tiles=side_tiles,
        tint=tint * 0.95,
        outline=outline,
        **face,
    )
    b.panel(
        start + u, back, (0, 0, ridge), side_bay, tiles=side_tiles, tint=tint * 0.95, outline=outline, **face
    )
    if gabled:
        roof = np.array(_ROOFS[int(rng.integers(len(_ROOFS)))]) * rng.uniform(0.8, 1.2)
        slope = back / 2 + [0, 0, pitch]
        over = np.array([*(-inward * 0.3), -0.3 * pitch / (depth / 2)])
        b.panel(start + over + [0, 0, eaves], u, slope - over, int(rng.choice(pages["roof"])),
                tiles=(max(1, width // 4), max(1, depth // 8)), tint=roof, **face)  # fmt: skip
        for _ in range(int(rng.integers(0, 3))):
            _chimney(b, rng, start + u * rng.uniform(0.05, 0.95) + back * 0.5, ridge, tint, face)
        if rng.random() < 0.25 and width > 6 and pitch > 2:
            _dormers(b, rng, start + [0, 0, eaves], u, slope, tint, bay, face)
    else:
        parapet = rng.uniform(0.2, 1.0)
        b.panel(start + [*(-inward * 0.15), eaves], u, (0, 0, parapet), pages["wall"][4], tiles=(max(1, width // 3), 1),
                tint=tint * rng.uniform(0.8, 1.15), **face)  # fmt: skip
        if rng.random() < 0.3:
            x = rng.uniform(0.1, 0.6)
            b.panel(start + u * x + back * 0.3 + [0, 0, eaves], u * rng.uniform(0.15, 0.35), (0, 0, rng.uniform(1.5, 3.5)),
                    plain, tint=tint * 0.9, **face)  # fmt: skip
    return ridge


def _chimney(
    b: FaceBuilder,
    rng: np.random.Generator,
    at: np.ndarray,
    ridge: float,
    tint: np.ndarray,
    face: dict[str, int],
) -> None:
    brick = atlas().groups["wall"][0]
    w, top = rng.uniform(0.5, 1.3), ridge + rng.uniform(0.7, 1.8)
    b.ribbon((at[0], at[1], ridge - 0.6), (at[0], at[1], top), w, brick, tint=tint * 0.85, **face)
    for k in (-0.25, 0.25):
        x, y = at[0] + k * w * 0.7, at[1] + k * w * 0.7
        b.ribbon(
            (x, y, top), (x, y, top + 0.4), 0.2, atlas().groups["plain"][0], tint=(0.6, 0.35, 0.25), **face
        )


def _dormers(
    b: FaceBuilder, rng: np.random.Generator, start: np.ndarray, u: np.ndarray, slope: np.ndarray, tint: np.ndarray,
    bay: int, face: dict[str, int],
) -> None:  # fmt: skip
    count = max(1, int(np.linalg.norm(u) // 4))
    for k in range(count):
        at = start + u * ((k + 0.5) / count - 0.7 / np.linalg.norm(u)) + slope * 0.18
        width = u / np.linalg.norm(u) * 1.4
        outline = np.array([[0, 0], [1, 0], [1, 0.72], [0.5, 1], [0, 0.72]])
        b.panel(at, width, (0, 0, 1.7), bay, tint=tint, outline=outline, **face)
