"""The layout of one street: ground, buildings, planting, furniture, traffic and people."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from saccade.classes import CITYSCAPES
from saccade.datasets.world import buildings, furniture, vehicles
from saccade.datasets.world.camera import Camera
from saccade.datasets.world.faces import FaceBuilder, FaceTable
from saccade.datasets.world.lighting import Light
from saccade.datasets.world.path import StreetPath
from saccade.datasets.world.people import People
from saccade.datasets.world.textures import atlas

ROAD, SIDEWALK, TERRAIN = (CITYSCAPES.names.index(n) for n in ("road", "sidewalk", "terrain"))
VIEW = 150.0
"""How far ahead of the camera the street is laid out, metres."""


@dataclass(frozen=True, eq=False)
class Ground:
    """One painted area of the ground: outline ``(n, 2)``, texture, metres per repetition, tint, label."""

    outline: np.ndarray
    texture: int
    scale: float
    tint: np.ndarray
    label: int


@dataclass(frozen=True, eq=False)
class Mover:
    """Something that travels along or across the street at a constant speed.

    Attributes:
        s, d: Place at time 0: metres along and to the right of the centre line.
        along, across: Speed, m/s.
        turn: Heading relative to the street, radians clockwise.
        kept: True for traffic in the lane of the camera, which shares the camera's speed.
        footprint: ``(width, length, height)`` for its shadow.
    """

    s: float
    d: float
    along: float
    across: float
    turn: float
    kept: bool
    footprint: tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class Caster:
    """Something that stands still and throws a shadow: outline ``(n, 2)`` on the ground, from and to height."""

    outline: np.ndarray
    low: float
    high: float


class Scene:
    """One street with everything in it, for a certain length of time.

    Args:
        seed: Same seed, same street.
        duration: Seconds that will be rendered.
        mode: ``"driving"``, ``"static"`` or ``"panning"``.
        focal: Focal length in units of the image width; drawn when None.
    """

    def __init__(self, seed: tuple[int, ...], duration: float, mode: str) -> None:
        rng = np.random.default_rng(seed)
        self.rng, self.mode = rng, mode
        self.light = Light.draw(rng)
        self.hand = -1 if rng.random() < 0.6 else 1  # -1 drives on the left
        self.speed = float(rng.uniform(3, 13)) if mode == "driving" else 0.0
        travel = self.speed * duration * 1.2
        self.start, self.stop = -14.0 if mode != "panning" else -60.0, travel + VIEW
        self.path = StreetPath(rng, self.start - 70, self.stop + 90, rng.choice([0.0, 0.0015, 0.004]) * rng.uniform(0.3, 1))
        self.lanes = 1 if rng.random() < 0.8 else 2
        self.lane = float(rng.uniform(2.7, 3.7))
        self.grounds: list[Ground] = []
        self.casters: list[Caster] = []
        self.movers: list[Mover] = []
        self.walkers: list[Mover] = []
        self.static, self.moving, self.people = FaceBuilder(), FaceBuilder(), People()
        self.things = 0
        self._lay_out()
        self.static_table, self.moving_table = self.static.build(), self.moving.build()
        self.people_table = self.people.table()
        self._draw_camera()

    # -- layout ------------------------------------------------------------------------------------------

    def thing(self) -> int:
        """A new object number."""
        self.things += 1
        return self.things

    def _lay_out(self) -> None:
        rng = self.rng
        groups = atlas().groups
        self.parking = {side: bool(rng.random() < 0.5) for side in (-1, 1)}
        half = self.lanes * self.lane
        self.kerb = {side: half + (2.1 if self.parking[side] else rng.uniform(0, 0.8)) for side in (-1, 1)}
        base = rng.uniform(0.42, 0.8) * np.array([1, rng.uniform(0.97, 1.02), rng.uniform(0.95, 1.1)])
        self.asphalt = int(rng.choice(groups["asphalt"]))
        self.road_tint = base
        self.pave_texture, self.pave_tint = int(rng.choice(groups["paving"])), rng.uniform(0.5, 0.95) * np.array(
            [1, rng.uniform(0.93, 1), rng.uniform(0.82, 1.02)]
        )
        self.grass_tint = np.array([rng.uniform(0.38, 0.62), rng.uniform(0.5, 0.7), rng.uniform(0.2, 0.36)])
        self.cloud, self.wild = int(rng.choice(groups["cloud"])), int(rng.choice(groups["grass"]))
        furniture.lay_ground(self)
        for side in (-1, 1):
            furniture.lay_side(self, side)
        furniture.lay_horizon(self)
        self._traffic()
        self._pedestrians()

    def _vehicle(self, mover: Mover, kind: str) -> None:
        actor, rng = len(self.movers), self.rng
        if kind == "bus":
            body = vehicles.bus(self.moving, rng, actor, self.thing())
        elif kind == "lorry":
            body = vehicles.lorry(self.moving, rng, actor, self.thing())
        else:
            body = vehicles.car(self.moving, rng, kind, actor, self.thing(), bool(rng.random() < 0.3))
        size = (body.width, body.length, body.roof)
        self.movers.append(Mover(mover.s, mover.d, mover.along, mover.across, mover.turn, mover.kept, size))

    def _kind(self) -> str:
        kinds = ["hatchback", "saloon", "estate", "suv", "van", "small van", "bus", "lorry"]
        return str(self.rng.choice(kinds, p=[0.34, 0.16, 0.12, 0.12, 0.09, 0.07, 0.05, 0.05]))

    def _traffic(self) -> None:
        rng = self.rng
        # Parked cars along the kerb.
        for side in (-1, 1):
            if not self.parking[side]:
                continue
            s, full = self.start + 3, rng.uniform(0.2, 0.98)
            while s < self.stop:
                if rng.random() < full and not self.is_junction(s, 6):
                    kind = self._kind()
                    if kind in ("bus", "lorry"):
                        kind = "estate"
                    facing = 0.0 if side == self.hand or rng.random() < 0.25 else np.pi
                    d = side * (self.kerb[side] - 1.05 + rng.normal(0, 0.06))
                    self._vehicle(Mover(s, d, 0, 0, facing + rng.normal(0, 0.015), False, (0, 0, 0)), kind)
                s += rng.uniform(5.2, 7.0)
        busy = rng.random() ** 1.5
        for lane in range(self.lanes):
            d = self.hand * (lane + 0.5) * self.lane
            if self.mode != "driving" or lane > 0 or rng.random() < 0.7:
                s = rng.uniform(5.5, 45) if self.mode == "driving" else rng.uniform(-20, 30)
                own = lane == self.lanes - 1 if self.lanes > 1 else True
                speed = rng.uniform(0, 11) if not own or self.mode != "driving" else 0
                while s < self.stop:
                    if rng.random() < 0.25 + 0.7 * busy and (s > 9 or not own):
                        self._vehicle(
                            Mover(s, d + rng.normal(0, 0.15), speed, 0, 0, own and self.mode == "driving", (0, 0, 0)), self._kind()
                        )
                    s += rng.uniform(9, 30)
            s, speed = rng.uniform(4, 40), rng.uniform(4, 12) if rng.random() < 0.8 else 0.0
            while s < self.stop + 40:
                if rng.random() < 0.2 + 0.7 * busy:
                    self._vehicle(Mover(s, -d + rng.normal(0, 0.15), -speed, 0, np.pi, False, (0, 0, 0)), self._kind())
                s += rng.uniform(9, 34)
        for s in self.junctions:
            if rng.random() < 0.5:
                side = rng.choice([-1, 1])
                d = side * (self.kerb[side] + rng.uniform(2, 14))
                self._vehicle(Mover(s + rng.uniform(-2, 2), d, 0, 0, -side * np.pi / 2, False, (0, 0, 0)), self._kind())

    def _cycle(self, s: float, d: float, speed: float, turn: float) -> None:
        rng = self.rng
        thing, actor = self.thing(), len(self.movers)
        draw = vehicles.motorcycle if rng.random() < 0.2 else vehicles.bicycle
        draw(self.moving, rng, actor, thing)
        self.movers.append(Mover(s, d, speed, 0, turn, False, (0.4, 1.7, 1.0)))
        if speed:
            self.people.add(rng, self.thing(), 1.0, rider=True)
            self.walkers.append(Mover(s, d, speed, 0, turn, False, (0.45, 0.5, 1.7)))

    def _pedestrians(self) -> None:
        rng = self.rng
        crowd = int(rng.choice([0, 3, 7, 14, 26], p=[0.08, 0.27, 0.3, 0.22, 0.13]))
        for _ in range(crowd):
            side = int(rng.choice([-1, 1]))
            s = rng.uniform(3, min(self.stop, 90)) if rng.random() < 0.7 else rng.uniform(3, self.stop)
            d = side * (self.kerb[side] + rng.uniform(0.4, max(0.6, self.pave[side] - 0.3)))
            pace = rng.uniform(0.9, 1.7) if rng.random() < 0.8 else 0.0
            direction = int(rng.choice([-1, 1]))
            turn = 0.0 if direction > 0 else np.pi
            if pace == 0:
                turn = rng.uniform(0, 2 * np.pi)
            group = int(rng.choice([1, 1, 1, 2, 3]))
            for k in range(group):
                self.people.add(rng, self.thing(), pace)
                place = Mover(s + k * rng.uniform(0.1, 0.9), d + 0.55 * k * -side, direction * pace, 0, turn, False, (0.45, 0.4, 1.7))
                self.walkers.append(place)
        for _ in range(int(rng.choice([0, 1, 3], p=[0.6, 0.25, 0.15]))):  # people crossing
            side = int(rng.choice([-1, 1]))
            pace = rng.uniform(0.9, 1.6)
            s = rng.uniform(12, min(self.stop, 80))
            d = side * rng.uniform(-1, 1) * self.kerb[side]
            self.people.add(rng, self.thing(), pace)
            self.walkers.append(Mover(s, d, 0, -side * pace, -side * np.pi / 2, False, (0.45, 0.4, 1.7)))
        for _ in range(int(rng.choice([0, 1, 2, 4], p=[0.45, 0.25, 0.18, 0.12]))):
            side = int(rng.choice([-1, 1]))
            d = side * (self.lanes * self.lane - rng.uniform(0.4, 1.2))
            forward = side == self.hand
            self._cycle(rng.uniform(5, 70), d, (1 if forward else -1) * rng.uniform(3, 6.5), 0 if forward else np.pi)
        for _ in range(int(rng.choice([0, 2, 6], p=[0.6, 0.25, 0.15]))):  # bicycles left at the wall
            side = int(rng.choice([-1, 1]))
            d = side * (self.kerb[side] + rng.uniform(0.4, 1) * self.pave[side])
            self._cycle(rng.uniform(4, 60), d, 0.0, rng.choice([0, np.pi / 2]) + rng.normal(0, 0.15))

    def is_junction(self, s: float, margin: float = 0.0) -> bool:
        """Whether a side street meets the street near ``s``."""
        return any(abs(s - j) < self.junction_half + margin for j in self.junctions)

    # -- time --------------------------------------------------------------------------------------------

    def _draw_camera(self) -> None:
        rng = self.rng
        self.focal = float(rng.uniform(0.75, 1.25))
        self.height = float(rng.uniform(1.15, 1.75))
        self.pitch = float(rng.normal(0.0, 0.025))
        self.roll = float(rng.normal(0, 0.006))
        self.yaw = float(rng.normal(0, 0.05) if self.mode == "driving" else rng.uniform(-0.7, 0.7))
        self.wobble = rng.uniform(0, 2 * np.pi, 6)
        lane = (self.lanes - 0.5) * self.lane
        self.offset = self.hand * lane + float(rng.normal(0, 0.25))
        if self.mode != "driving":
            self.offset = float(rng.uniform(-1, 1)) * (self.lanes * self.lane + 2.5)
            self.height = float(rng.uniform(1.4, 4.5))
            self.pitch -= 0.03 * (self.height - 1.4)
        self.pan = float(rng.uniform(0.25, 0.8))

    def travelled(self, time: float) -> float:
        """Metres the camera has moved along the street."""
        w = self.wobble
        if self.mode != "driving":
            return 0.0
        return self.speed * (time + 0.6 * (np.sin(0.5 * time + w[0]) - np.sin(w[0])) * 0.3)

    def camera(self, time: float, size: tuple[int, int]) -> Camera:
        """The camera at a time (seconds) for an image of ``size`` (height, width)."""
        w = self.wobble
        s = self.travelled(time)
        sway = 0.12 * np.sin(0.7 * time + w[1]) if self.mode == "driving" else 0.0
        x, y = self.path.at(s, self.offset + sway)
        shake = 1.0 if self.mode == "driving" else 0.0
        yaw = float(self.path.heading(s)) + self.yaw + shake * 0.012 * np.sin(0.6 * time + w[2])
        if self.mode == "panning":
            yaw += 0.9 * np.sin(self.pan * time + w[3])
        pitch = self.pitch + shake * (0.003 * np.sin(7.1 * time + w[4]) + 0.002 * np.sin(2.3 * time + w[5]))
        z = self.height + shake * 0.012 * np.sin(8.7 * time + w[4])
        return Camera((float(x), float(y), float(z)), yaw, float(pitch), self.roll, self.focal * size[1], size)

    def _poses(self, movers: list[Mover], time: float) -> tuple[np.ndarray, np.ndarray]:
        if not movers:
            return np.zeros((0, 3, 3)), np.zeros((0, 3))
        table = np.array([(m.s, m.d, m.along, m.across, m.turn, m.kept) for m in movers])
        s = table[:, 0] + np.where(table[:, 5] > 0, self.travelled(time), table[:, 2] * time)
        d = table[:, 1] + table[:, 3] * time
        xy = self.path.at(s, d)
        heading = self.path.heading(s) + table[:, 4]
        cos, sin, zero, one = np.cos(heading), np.sin(heading), np.zeros(len(s)), np.ones(len(s))
        turn = np.stack([cos, sin, zero, -sin, cos, zero, zero, zero, one], 1).reshape(-1, 3, 3)
        return turn, np.concatenate([xy, zero[:, None]], 1)

    def faces(self, time: float, camera: Camera) -> tuple[FaceTable, tuple[np.ndarray, ...]]:
        """Everything that stands on the ground, and its planes (see ``FaceTable.pose``)."""
        tables = [self.static_table, self.moving_table]
        if self.walkers:
            points = self.people.points(time, *self._poses(self.walkers, time), np.asarray(camera.position))
            tables.append(self.people_table.with_points(points))
        table = FaceTable.join(tables)
        return table, table.pose(camera, *self._poses(self.movers, time))

    def casters_at(self, time: float) -> list[Caster]:
        """Moving things that throw a shadow."""
        out = []
        for movers in (self.movers, self.walkers):
            turn, shift = self._poses(movers, time)
            for m, r, t in zip(movers, turn, shift, strict=True):
                w, length, height = m.footprint
                corners = np.array([[-w, -length], [w, -length], [w, length], [-w, length]]) / 2
                out.append(Caster(corners @ r[:2, :2].T + t[:2], 0.0, height))
        return out
