"""A street under construction: its measures, and what has been put there so far."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from saccade.classes import CITYSCAPES
from saccade.datasets.world.faces import FaceBuilder
from saccade.datasets.world.lighting import Light
from saccade.datasets.world.path import StreetPath
from saccade.datasets.world.textures import Atlas, atlas

VIEW = 150.0
"""How far ahead of the camera the street is laid out, metres."""

ID = {name: i for i, name in enumerate(CITYSCAPES.names)}
"""Cityscapes train id of each class name."""


@dataclass(frozen=True, eq=False)
class Ground:
    """One painted area of the ground.

    Attributes:
        outline: ``(n, 2)`` metres.
        texture: Index in the atlas.
        scale: Metres per repetition of the texture.
        tint: RGB factors.
        label: Cityscapes train id.
    """

    outline: np.ndarray
    texture: int
    scale: float
    tint: np.ndarray
    label: int


@dataclass(frozen=True, eq=False)
class Caster:
    """Something that stands still and throws a shadow: ``outline`` (n, 2) from height ``low`` to ``high``."""

    outline: np.ndarray
    low: float
    high: float


class Site:
    """The measures of a street, drawn at random, and the lists that builders add to.

    Distances along the street are called s, distances to the right of its centre line d; sides are -1 (left)
    and 1 (right).

    Args:
        rng: Draws everything.
        start, stop: From where to where the street is built, metres along it.

    Attributes:
        light: Time of day and weather.
        path: The centre line.
        hand: Side that traffic drives on.
        lanes: Lanes in each direction.
        lane: Width of a lane.
        parking: By side, whether cars park along the kerb.
        kerb: By side, distance of the kerb from the centre line.
        pave: By side, width of the pavement.
        verge: By side, width of the grass strip beside it, 0 for none.
        junctions: Where side streets meet the street.
        junction_half: Half the width of a side street.
    """

    def __init__(self, rng: np.random.Generator, start: float, stop: float) -> None:
        self.rng, self.start, self.stop = rng, start, stop
        self.pages: Atlas = atlas()
        self.light = Light.draw(rng)
        bend = float(rng.choice([0.0, 0.0015, 0.004]) * rng.uniform(0.3, 1))
        self.path = StreetPath(rng, start - 90, stop + 110, bend)
        self.hand = -1 if rng.random() < 0.6 else 1
        self.lanes = 1 if rng.random() < 0.8 else 2
        self.lane = float(rng.uniform(2.7, 3.7))
        self.parking = {side: bool(rng.random() < 0.4) for side in (-1, 1)}
        self.kerb = {
            side: self.half + (2.1 if self.parking[side] else float(rng.uniform(0, 0.8))) for side in (-1, 1)
        }
        self.pave = {side: float(rng.uniform(1.5, 5.5)) for side in (-1, 1)}
        self.verge = {side: float(rng.uniform(1, 5)) if rng.random() < 0.25 else 0.0 for side in (-1, 1)}
        self.junction_half = float(rng.uniform(3.2, 5.5))
        self.junctions: list[float] = []
        s, spacing = float(rng.uniform(6, 60)), float(rng.uniform(35, 140))
        while s < stop:
            self.junctions.append(s)
            s += float(rng.uniform(0.6, 1.6)) * spacing
        grey = float(rng.uniform(0.42, 0.85))
        self.road_tint = grey * np.array([1, rng.uniform(0.97, 1.02), rng.uniform(0.95, 1.1)])
        self.pave_tint = rng.uniform(0.45, 0.95) * np.array(
            [1, rng.uniform(0.93, 1), rng.uniform(0.82, 1.02)]
        )
        self.grass_tint = np.array([rng.uniform(0.4, 0.66), rng.uniform(0.52, 0.74), rng.uniform(0.22, 0.4)])
        self.metal_tint = np.full(3, rng.uniform(0.15, 0.85))
        self.faces = FaceBuilder()
        self.grounds: list[Ground] = []
        self.casters: list[Caster] = []
        self._things = 0

    @property
    def half(self) -> float:
        """Half the width of all lanes together."""
        return self.lanes * self.lane

    def edge(self, side: int) -> float:
        """Distance from the centre line to where private ground begins."""
        return self.kerb[side] + self.pave[side] + self.verge[side]

    def thing(self) -> int:
        """A new object number."""
        self._things += 1
        return self._things

    def pick(self, group: str) -> int:
        """Any texture of a group."""
        return self.pages.pick(self.rng, group)

    def pick_mask(self, group: str) -> int:
        """Any alpha mask of a group."""
        return self.pages.pick_mask(self.rng, group)

    def at_junction(self, s: float, margin: float = 0.0) -> bool:
        """Whether a side street meets the street within ``margin`` of ``s``."""
        reach = self.junction_half + margin
        return any(abs(s - j) < reach for j in self.junctions)

    def points(
        self, s0: float, s1: float, d: float
    ) -> tuple[tuple[float, float], tuple[float, float, float]]:
        """A world point and the step from it to another one along the street, for panels."""
        (x0, y0), (x1, y1) = self.path.point(s0, d), self.path.point(s1, d)
        return (x0, y0), (x1 - x0, y1 - y0, 0.0)
