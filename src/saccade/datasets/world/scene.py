"""One street with everything in it, at any time: camera, faces, ground, shadows."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from saccade.datasets.world import buildings, furniture, ground, planting
from saccade.datasets.world.camera import Camera
from saccade.datasets.world.faces import FaceTable
from saccade.datasets.world.people import PARTS
from saccade.datasets.world.raster import Outlines
from saccade.datasets.world.site import VIEW, Site
from saccade.datasets.world.traffic import Mover, Traffic

_STYLES = ("terrace", "high street", "houses", "city", "old town", "park")
_STYLE_SHARES = (0.2, 0.25, 0.17, 0.13, 0.13, 0.12)


@dataclass(frozen=True, eq=False)
class GroundTable:
    """The painted areas of the ground as arrays, lowest first; see ``site.Ground``."""

    outlines: Outlines
    texture: np.ndarray
    scale: np.ndarray
    tint: np.ndarray
    label: np.ndarray


class _Places:
    """Movers as arrays."""

    def __init__(self, movers: list[Mover]) -> None:
        rows = [(m.s, m.d, m.along, m.across, m.turn, m.kept, *m.footprint) for m in movers]
        self.table = np.array(rows, float).reshape(-1, 9)

    def __len__(self) -> int:
        return len(self.table)


class Scene:
    """One street, for a certain length of time.

    Args:
        seed: Same seed, same street.
        duration: Seconds that will be rendered.
        mode: ``"driving"``, ``"static"`` or ``"panning"``.
    """

    def __init__(self, seed: tuple[int, ...], duration: float, mode: str) -> None:
        rng = np.random.default_rng(seed)
        self.mode = mode
        self.speed = float(rng.uniform(3, 13)) if mode == "driving" else 0.0
        start = -70.0 if mode == "panning" else -14.0
        site = Site(rng, start, self.speed * duration * 1.05 + 5 + VIEW)
        ground.lay(site)
        for side in (-1, 1):
            _line(site, side)
        planting.horizon(site)
        traffic = Traffic(site, mode == "driving")
        self.light, self.path, self.grass_tint = site.light, site.path, site.grass_tint
        self.cloud, self.wild = site.pick("cloud"), site.pick("grass")
        g = site.grounds
        self.ground = GroundTable(
            Outlines.of([x.outline for x in g]),
            np.array([x.texture for x in g]),
            np.array([x.scale for x in g]),
            np.array([x.tint for x in g]),
            np.array([x.label for x in g]),
        )
        self._people, self._movers, self._walkers = (
            traffic.people,
            _Places(traffic.movers),
            _Places(traffic.walkers),
        )
        static, people = site.faces.build(), self._people.table()
        self._table = FaceTable.join([static, *traffic.faces, people])
        self._fixed, self._first_limb = len(static), len(self._table) - len(people)
        self._extent = self._table.extent()
        p = self._table.points[: self._fixed]
        ribbon = self._table.ribbon[: self._fixed, None]
        self._centre = np.where(ribbon, (p[:, 0] + p[:, 1]) / 2, p[:, 0] + (p[:, 1] + p[:, 2]) / 2)
        self.static_shadows = self._cast(site) if self.light.shadow > 0.05 else Outlines.of([])
        self._reach = (site.start - 15.0, site.stop + 60.0)
        self._edge = min(site.edge(side) for side in (-1, 1))
        self._draw_camera(rng, site)

    def _cast(self, site: Site) -> Outlines:
        throw = self.light.throw
        hulls = []
        for c in site.casters:
            reach = np.concatenate([c.outline + throw * c.low, c.outline + throw * min(c.high, 30.0)])
            hulls.append(cv2.convexHull(reach.astype(np.float32))[:, 0])
        return Outlines.of(hulls)

    def _draw_camera(self, rng: np.random.Generator, site: Site) -> None:
        driving = self.mode == "driving"
        self._focal = float(rng.uniform(0.75, 1.25))
        self._height = float(rng.uniform(1.15, 1.75) if driving else rng.uniform(1.4, 4.5))
        self._pitch = float(rng.normal(0.0, 0.025)) - (0.0 if driving else 0.03 * (self._height - 1.4))
        self._roll = float(rng.normal(0, 0.006))
        # Mostly along the lane; now and then the car is turning.
        aside = rng.uniform(-0.5, 0.5) if rng.random() < 0.12 else rng.normal(0, 0.05)
        self._yaw = float(aside if driving else rng.uniform(-0.7, 0.7))
        lane = site.hand * (site.lanes - 0.5) * site.lane
        self._offset = lane + float(rng.normal(0, 0.25))
        if not driving:
            self._offset = float(rng.uniform(-1, 1)) * (site.half + 2.5)
        self._phase = rng.uniform(0, 2 * np.pi, 6)
        self._pan = float(rng.uniform(0.25, 0.8))

    def travelled(self, time: float) -> float:
        """Metres the camera has moved along the street since time 0; the speed varies by a tenth."""
        p = self._phase[0]
        return self.speed * (time + 0.2 * (np.sin(0.5 * time + p) - np.sin(p)))

    def camera(self, time: float, size: tuple[int, int]) -> Camera:
        """The camera at a time (seconds) for an image of ``size`` (height, width)."""
        p = self._phase
        shake = 1.0 if self.mode == "driving" else 0.0
        s = self.travelled(time)
        x, y = self.path.point(s, self._offset + shake * 0.12 * np.sin(0.7 * time + p[1]))
        yaw = float(self.path.heading(s)) + self._yaw + shake * 0.012 * np.sin(0.6 * time + p[2])
        if self.mode == "panning":
            yaw += 0.9 * np.sin(self._pan * time + p[3])
        pitch = self._pitch + shake * (0.003 * np.sin(7.1 * time + p[4]) + 0.002 * np.sin(2.3 * time + p[5]))
        z = self._height + shake * 0.012 * np.sin(8.7 * time + p[4])
        return Camera((x, y, z), float(yaw), float(pitch), self._roll, self._focal * size[1], size)

    def _poses(self, places: _Places, time: float) -> tuple[np.ndarray, np.ndarray]:
        """``(n, 3, 3)`` rotations and ``(n, 3)`` positions of movers."""
        t = places.table
        # Who leaves the street at one end comes back at the other, out of sight; so does who crossed it.
        s, d = t[:, 0] + t[:, 2] * time, t[:, 1] + t[:, 3] * time
        low, high = self._reach
        s = np.where(t[:, 2] != 0, low + (s - low) % (high - low), s) + t[:, 5] * self.travelled(time)
        d = np.where(t[:, 3] != 0, (d + self._edge) % (2 * self._edge) - self._edge, d)
        xy = self.path.at(s, d)
        heading = self.path.heading(s) + t[:, 4]
        cos, sin = np.cos(heading), np.sin(heading)
        turn = np.zeros((len(t), 3, 3))
        turn[:, 0, 0], turn[:, 0, 1], turn[:, 1, 0], turn[:, 1, 1], turn[:, 2, 2] = cos, sin, -sin, cos, 1
        return turn, np.concatenate([xy, np.zeros((len(t), 1))], 1)

    def faces(self, time: float, camera: Camera) -> FaceTable:
        """Faces that may be seen: not too small, not behind the camera. ``row`` tells which they are."""
        eye = np.asarray(camera.position)
        actor = self._table.actor[self._fixed : self._first_limb]
        centre = np.concatenate([
            self._centre, self._poses(self._movers, time)[1][actor],
            np.repeat(self._poses(self._walkers, time)[1], PARTS, axis=0),
        ])  # fmt: skip
        offset = centre - eye
        # A mover's faces are within 8 m of its place, whatever their own size.
        reach = self._extent + np.where(np.arange(len(centre)) < self._fixed, 0.0, 8.0)
        ahead = offset @ camera.rotation[2] + reach > 0
        large = self._extent * camera.focal > 0.9 * np.linalg.norm(offset, axis=1) - reach
        return self._table.take(np.flatnonzero(ahead & large))

    def planes(self, table: FaceTable, time: float, camera: Camera) -> tuple[np.ndarray, ...]:
        """World planes ``origin, u, v`` of a table from ``faces`` at any time (see ``FaceTable.pose``)."""
        limb = np.flatnonzero(table.row >= self._first_limb)
        if len(limb):
            eye = np.asarray(camera.position)
            points = table.points.copy()
            limbs = self._people.points(time, *self._poses(self._walkers, time), eye)
            points[limb] = limbs[table.row[limb] - self._first_limb]
            table = replace(table, points=points)
        return table.pose(camera, *self._poses(self._movers, time))

    def footprints(self, time: float) -> tuple[np.ndarray, np.ndarray]:
        """``(n, 4, 2)`` corners on the ground and ``(n,)`` heights of everything that moves."""
        corners, heights = [], []
        unit = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]])
        for places in (self._movers, self._walkers):
            turn, shift = self._poses(places, time)
            local = unit * places.table[:, None, 6:8]
            corners.append(local @ turn[:, :2, :2].transpose(0, 2, 1) + shift[:, None, :2])
            heights.append(places.table[:, 8])
        return np.concatenate(corners), np.concatenate(heights)


def _line(site: Site, side: int) -> None:
    """Everything beyond one kerb."""
    rng = site.rng
    kind = str(rng.choice(_STYLES, p=_STYLE_SHARES))
    garden = {"houses": rng.uniform(3, 9), "park": 60.0, "terrace": float(rng.choice([0, 1.5, 3]))}.get(
        kind, float(rng.choice([0, 0, 0, 2]))
    )
    edge = site.edge(side)
    if garden:
        ground.yard(site, side, garden + 3, kind == "park" or rng.random() < 0.55)
    if kind == "park":
        planting.wood(site, side, edge + 1, 45, rng.uniform(0.4, 1.0))
    else:
        buildings.row(site, side, edge + garden, buildings.STYLES[kind])
        planting.wood(site, side, edge + garden + 16, 30, 0.15)
    if garden > 0.5:
        furniture.boundary(site, side, edge + 0.1)
    if site.pave[side] > 1.8 and rng.random() < (0.5 if kind == "city" else 0.35):
        planting.avenue(site, side)
    furniture.furnish(site, side)
