from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest

from saccade.classes import CITYSCAPES
from saccade.datasets.world.camera import Camera
from saccade.datasets.world.people import PARTS
from saccade.datasets.world.scene import Scene
from saccade.datasets.world.site import ID, Site
from saccade.datasets.world.traffic import Traffic

SEEDS = range(6)


def site(seed: int) -> Site:
    return Site(np.random.default_rng(seed), -14.0, 200.0)


@pytest.mark.parametrize("seed", SEEDS)
def test_vehicles_of_a_lane_keep_their_distance(seed: int) -> None:
    traffic = Traffic(site(seed), driving=True)
    lanes: dict[tuple[float, bool, int], list[tuple[float, float]]] = {}
    for m in traffic.movers:
        width, length, _ = m.footprint
        if (m.along or m.kept) and width > 1.5:
            key = (m.along, m.kept, round(m.d))
            lanes.setdefault(key, []).append((m.s, length))
    for lane in lanes.values():
        for (s0, length0), (s1, length1) in itertools.pairwise(sorted(lane)):
            assert s1 - s0 > (length0 + length1) / 2


@pytest.mark.parametrize("seed", SEEDS)
def test_people_stand_on_the_ground_and_are_of_human_size(seed: int) -> None:
    streets = (Traffic(site(100 * seed + k), driving=True) for k in range(20))
    traffic = next(t for t in streets if t.walkers)
    n = len(traffic.walkers)
    turn, shift = np.tile(np.eye(3), (n, 1, 1)), np.zeros((n, 3))
    for time in (0.0, 0.4, 0.9):
        points = traffic.people.points(time, turn, shift, np.array([3.0, -9.0, 1.5]))
        z = points[:, :2, 2].reshape(n, PARTS, 2)
        walking = ~np.array(traffic.people.seated)
        assert np.abs(z.min((1, 2))[walking]).max() < 0.2  # soles, metres above the ground
        height = z.max((1, 2))
        assert (height > 1.0).all()
        assert (height < 2.3).all()


def test_everything_occurs_on_its_own_ground() -> None:
    """Seen from above, lanes are road and pavements are pavement, except at side streets."""
    for seed in SEEDS:
        scene = Scene((seed, 1), 0.0, "driving")
        ground = site_of(scene)
        drawn = ground.reshape(-1)
        assert (drawn == ID["road"]).mean() > 0.15
        assert (drawn == ID["sidewalk"]).mean() > 0.03


def site_of(scene: Scene) -> np.ndarray:
    """Label of the ground from 20 m before to 60 m behind, 5 pixels per metre."""
    canvas = np.full((400, 300), 255, np.uint8)
    outlines = scene.ground.outlines
    for first, count, label in zip(outlines.first, outlines.count, scene.ground.label, strict=True):
        points = outlines.corners[first : first + count] * 5 + [150, 50]
        cv2.fillPoly(canvas, [points.astype(np.int32)], int(label))
    return canvas


def test_poles_do_not_stand_on_the_road() -> None:
    for seed in SEEDS:
        scene = Scene((seed, 2), 0.0, "driving")
        table = scene.faces(0.0, Camera((0.0, 0.0, 30.0), 0.0, -0.5, 0.0, 300.0, (300, 300)))
        pole = (table.label == ID["pole"]) & table.ribbon & (table.points[:, 0, 2] == 0)
        x, y = (table.points[pole, 0, :2] * 5 + [150, 50]).T.astype(int)
        inside = (x >= 0) & (x < 300) & (y >= 0) & (y < 400)
        labels = site_of(scene)[y[inside], x[inside]]
        assert inside.any()
        assert (labels != ID["road"]).all()


def test_a_long_drive_never_runs_out_of_street() -> None:
    scene = Scene((4, 4), 30.0, "driving")
    for time in (0.0, 15.0, 30.0):
        camera = scene.camera(time, (48, 64))
        table = scene.faces(time, camera)
        names = {CITYSCAPES.names[i] for i in np.unique(table.label)}
        assert len(table) > 150
        assert "building" in names or "vegetation" in names
        along = np.array(camera.position[:2]) - scene.path.at(np.array([scene.travelled(time)]), 0.0)[0]
        assert np.linalg.norm(along) < 12  # it stays on the road
