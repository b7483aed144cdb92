"""Who moves, or could: parked and driving vehicles, cyclists, pedestrians."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from saccade.datasets.world.faces import FaceTable
from saccade.datasets.world.people import People
from saccade.datasets.world.site import Site
from saccade.datasets.world.vehicles import Model, fleet, paint

_KINDS = ("hatchback", "saloon", "estate", "suv", "van", "small van", "bus", "lorry", "tram")
_SHARES = np.cumsum((0.34, 0.16, 0.12, 0.12, 0.08, 0.07, 0.03, 0.07, 0.01))
_WALKER = (0.45, 0.4, 1.7)


@dataclass(frozen=True)
class Mover:
    """Something that stands still or travels along or across the street at a constant speed.

    Attributes:
        s, d: Place at time 0: metres along and to the right of the centre line.
        along, across: Speed, m/s.
        turn: Heading relative to the street, radians clockwise.
        kept: True for traffic in the lane of the camera, which travels as the camera does.
        footprint: ``(width, length, height)`` in metres, for its shadow.
    """

    s: float
    d: float
    along: float = 0.0
    across: float = 0.0
    turn: float = 0.0
    kept: bool = False
    footprint: tuple[float, float, float] = _WALKER


class Traffic:
    """All movers of a scene and their faces.

    Args:
        site: The street, already built.
        driving: Whether the camera drives along.

    Attributes:
        faces: Faces of each vehicle, in its own coordinates.
        movers: Vehicles, by actor.
        people: Bodies of pedestrians and riders.
        walkers: Their places, in the order of ``people``.
    """

    def __init__(self, site: Site, driving: bool) -> None:
        self.site, self.rng, self.driving = site, site.rng, driving
        self.faces, self.movers = list[FaceTable](), list[Mover]()
        self.people, self.walkers = People(), list[Mover]()
        self._near = min(site.stop, 90.0)
        self._parked()
        busy = float(self.rng.random() ** 1.5)
        for lane in range(site.lanes):
            self._lane(lane, busy)
        self._waiting()
        self._crowd()
        self._cyclists()

    def _model(self, kind: str | None = None) -> Model:
        """Any model of a kind, or of any kind, as often as it is seen in the street."""
        models = fleet()[kind or _KINDS[int(np.searchsorted(_SHARES, self.rng.random()))]]
        return models[int(self.rng.integers(len(models)))]

    def _vehicle(
        self, model: Model, s: float, d: float, turn: float, along: float = 0.0, kept: bool = False
    ) -> None:
        rng = self.rng
        colour = paint(rng)
        if model.kind == "van" and rng.random() < 0.6:
            colour = np.full(3, 0.93)
        elif model.kind in ("bus", "tram") and rng.random() < 0.4:
            colour = np.array([0.75, 0.09, 0.1])
        self.faces.append(model.copy(len(self.movers), self.site.thing(), colour))
        self.movers.append(Mover(s, d, along, 0.0, turn, kept, model.footprint))

    def _parked(self) -> None:
        site, rng = self.site, self.rng
        for side in (-1, 1):
            if not site.parking[side]:
                continue
            s, full = site.start + 3, rng.uniform(0.1, 0.9)
            while s < site.stop:
                model = self._model()
                length = model.footprint[1]
                if rng.random() < full and length < 6 and not site.at_junction(s + length / 2, 6):
                    facing = 0.0 if side == site.hand or rng.random() < 0.25 else np.pi
                    d = side * (site.kerb[side] - 1.05 + rng.normal(0, 0.06))
                    self._vehicle(model, s + length / 2, d, facing + rng.normal(0, 0.015))
                    s += length
                s += rng.uniform(0.6, 3.0)

    def _lane(self, lane: int, busy: float) -> None:
        """Vehicles of one lane of each direction; those of a lane share a speed, so nobody collides."""
        site, rng = self.site, self.rng
        d = site.hand * (lane + 0.5) * site.lane
        own = self.driving and lane == site.lanes - 1
        if not own or rng.random() < 0.7:
            speed = 0.0 if own else rng.uniform(0, 11)
            self._queue(
                rng.uniform(5, 40) if own else rng.uniform(-20, 30), site.stop, d, 0.0, speed, own, busy
            )
        speed = rng.uniform(4, 12) if rng.random() < 0.8 else 0.0
        self._queue(rng.uniform(2, 40), site.stop + 30, -d, np.pi, -speed, False, busy)

    def _queue(
        self, s: float, stop: float, d: float, turn: float, along: float, kept: bool, busy: float
    ) -> None:
        """Vehicles one behind the other, beginning at ``s``."""
        rng = self.rng
        while s < stop:
            if rng.random() < 0.2 + 0.6 * busy:
                model = self._model()
                length = model.footprint[1]
                self._vehicle(model, s + length / 2, d + rng.normal(0, 0.15), turn, along, kept)
                s += length
            s += rng.uniform(4, 26)

    def _waiting(self) -> None:
        """Vehicles that wait in side streets."""
        site, rng = self.site, self.rng
        for s in site.junctions:
            if rng.random() < 0.5:
                side, model = int(rng.choice([-1, 1])), self._model()
                d = side * (site.kerb[side] + model.footprint[1] / 2 + rng.uniform(0.5, 12))
                self._vehicle(model, s + rng.uniform(-2, 2), d, -side * np.pi / 2)

    def _walk(self, speed: float, place: Mover, rider: bool = False) -> None:
        self.people.add(self.rng, self.site.thing(), speed, rider)
        self.walkers.append(place)

    def _crowd(self) -> None:
        site, rng = self.site, self.rng
        for _ in range(int(rng.choice([0, 3, 7, 14, 24], p=[0.1, 0.3, 0.3, 0.2, 0.1]))):
            side = int(rng.choice([-1, 1]))
            s = rng.uniform(3, self._near if rng.random() < 0.7 else site.stop)
            d = side * (site.kerb[side] + rng.uniform(0.4, max(0.6, site.pave[side] - 0.3)))
            pace = rng.uniform(0.9, 1.7) if rng.random() < 0.8 else 0.0
            direction = int(rng.choice([-1, 1]))
            turn = rng.uniform(0, 2 * np.pi) if pace == 0 else (0.0 if direction > 0 else np.pi)
            for k in range(int(rng.choice([1, 1, 1, 2, 3]))):
                beside = Mover(
                    s + k * rng.uniform(0.1, 0.9), d - 0.55 * k * side, direction * pace, 0.0, turn
                )
                self._walk(pace, beside)
        for _ in range(int(rng.choice([0, 1, 3], p=[0.6, 0.25, 0.15]))):  # crossing the road
            side, pace = int(rng.choice([-1, 1])), rng.uniform(0.9, 1.6)
            d = side * rng.uniform(-1, 1) * site.kerb[side]
            self._walk(pace, Mover(rng.uniform(12, self._near), d, 0.0, -side * pace, -side * np.pi / 2))

    def _cyclists(self) -> None:
        site, rng = self.site, self.rng
        for _ in range(int(rng.choice([0, 1, 2, 4], p=[0.32, 0.3, 0.23, 0.15]))):
            side = int(rng.choice([-1, 1]))
            d = side * (site.half - rng.uniform(0.4, 1.2))
            speed, turn = rng.uniform(3, 6.5), 0.0 if side == site.hand else np.pi
            speed = speed if side == site.hand else -speed
            place = self._two_wheeler(rng.uniform(5, 70), d, speed, turn)
            self._walk(1.0, place, rider=True)
        for _ in range(int(rng.choice([0, 2, 6], p=[0.6, 0.25, 0.15]))):  # left at the wall
            side = int(rng.choice([-1, 1]))
            d = side * (site.kerb[side] + rng.uniform(0.4, 1) * site.pave[side])
            self._two_wheeler(
                rng.uniform(4, 60), d, 0.0, float(rng.choice([0, np.pi / 2])) + rng.normal(0, 0.15)
            )

    def _two_wheeler(self, s: float, d: float, speed: float, turn: float) -> Mover:
        model = self._model("motorcycle" if self.rng.random() < 0.2 else "bicycle")
        self.faces.append(model.copy(len(self.movers), self.site.thing(), paint(self.rng)))
        self.movers.append(Mover(s, d, speed, 0.0, turn, False, model.footprint))
        return self.movers[-1]
