from __future__ import annotations

import cv2
import numpy as np
import pytest

from saccade.classes import CITYSCAPES
from saccade.datasets.world.camera import Camera
from saccade.datasets.world.faces import FaceBuilder
from saccade.datasets.world.film import Film
from saccade.datasets.world.flow import backward_flow
from saccade.datasets.world.raster import Outlines, rasterise
from saccade.datasets.world.view import View

ROAD = 0


def flow_between(before: Camera, now: Camera, shift: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Flow, occlusion, visible face: a wall 10 m away, a plate 5 m away that moved by ``shift`` m east."""
    views = []
    for camera, at in ((before, 0.0), (now, shift)):
        builder = FaceBuilder()
        builder.panel((-9, 10, -9), (18, 0, 0), (0, 0, 18), 0, 2)
        builder.panel((-1 + at, 5, 0.5), (2, 0, 0), (0, 0, 2), 0, 13)
        table = builder.build()
        planes = table.pose(camera, np.zeros((0, 3, 3)), np.zeros((0, 3)))
        ground = camera.plane_to_pixel(
            np.array([[0, 0, 500.0], [0, 0, -50]]), np.array([[1.0, 0, 0]] * 2), np.array([[0, 1.0, 0]] * 2)
        )
        views.append((rasterise(camera, Outlines.of([]), ground, table, planes), ground, planes))
    (old, old_ground, old_planes), (new, _, _) = views
    moved = np.concatenate([old_ground, before.plane_to_pixel(*old_planes)])
    flow, occluded = backward_flow(new, np.arange(4), old, np.arange(4), moved, np.ones(4, bool))
    return flow, occluded, new.face


def test_a_moving_plate_uncovers_what_was_behind_it() -> None:
    camera = Camera((0.0, 0.0, 1.5), 0.0, 0.0, 0.0, 100.0, (60, 100))
    flow, occluded, face = flow_between(camera, camera, 0.4)
    plate, wall = face == 3, face == 2
    # 0.4 m at 5 m with a focal length of 100 pixels: it was 8 pixels further left.
    assert flow[plate] == pytest.approx(np.tile([-8.0, 0.0], (plate.sum(), 1)), abs=1e-3)
    assert flow[wall] == pytest.approx(0, abs=1e-3)
    assert not occluded[plate].any()
    # What the plate left free is 8 pixels wide and was hidden before: left of its left edge, nowhere else.
    left = int(np.nonzero(plate)[1].min())
    assert occluded[wall].sum() == pytest.approx(8 * np.any(plate, 1).sum(), rel=0.02)
    rows = np.nonzero(plate.any(1))[0]
    assert occluded[rows][:, left - 8 : left].mean() > 0.98


def test_what_comes_into_the_image_is_occluded() -> None:
    before = Camera((0.0, 0.0, 1.5), 0.0, 0.0, 0.0, 100.0, (60, 100))
    now = Camera((0.5, 0.0, 1.5), 0.0, 0.0, 0.0, 100.0, (60, 100))
    flow, occluded, face = flow_between(before, now, 0.0)
    # The camera moved 0.5 m east: the wall, 10 m away, was 5 pixels further right, the plate 10.
    assert flow[face == 2] == pytest.approx(np.tile([5.0, 0.0], ((face == 2).sum(), 1)), abs=1e-3)
    assert flow[face == 3] == pytest.approx(np.tile([10.0, 0.0], ((face == 3).sum(), 1)), abs=1e-3)
    assert occluded[:, 95:].all()


@pytest.fixture(scope="module")
def drive() -> tuple[View, View]:
    """Two moments of a drive, a fifteenth of a second apart."""
    film = Film((11, 0), 6, 15.0, (144, 192), "driving")
    return film.view(4), film.view(5)


def test_flow_of_the_road_is_that_of_the_ground_plane(drive: tuple[View, View]) -> None:
    before, now = drive
    flow, _ = now.flow_from(before)
    y, x = np.nonzero(now.label == ROAD)
    # Intersect each pixel's ray with the plane z = 0, and project the point into the camera before.
    rays = np.linalg.inv(now.camera.projection) @ np.stack([x, y, np.ones(len(x))])
    points = now.camera.position + (-now.camera.position[2] / rays[2] * rays).T
    seen = (points - before.camera.position) @ before.camera.projection.T
    expected = seen[:, :2] / seen[:, 2:] - np.stack([x, y], 1)
    assert len(x) > 2000
    assert np.abs(expected).max() > 3
    assert flow[y, x] == pytest.approx(expected, abs=2e-3)


def test_warping_the_previous_image_gives_the_current_one(drive: tuple[View, View]) -> None:
    before, now = drive
    flow, occluded = now.flow_from(before)
    h, w = now.size
    x, y = np.meshgrid(np.arange(w, dtype=np.float32), np.arange(h, dtype=np.float32))
    # Edges are sharper than pixels, so both images are compared a little blurred.
    old, new = (cv2.GaussianBlur(v.image, (0, 0), 1.0) for v in drive)
    warped = cv2.remap(old, x + flow[..., 0], y + flow[..., 1], cv2.INTER_LINEAR)
    # The blur mixes in what was occluded near by.
    near = cv2.dilate(occluded.astype(np.uint8), np.ones((7, 7), np.uint8)) > 0
    error, still = np.abs(warped - new).max(-1)[~near], np.abs(old - new).max(-1)[~near]
    assert (~near).mean() > 0.6
    assert np.median(error) < 1.0
    assert np.percentile(error, 90) < 6
    assert np.percentile(error, 90) < 0.5 * np.percentile(still, 90)


def test_labels_follow_the_flow(drive: tuple[View, View]) -> None:
    before, now = drive
    flow, occluded = now.flow_from(before)
    y, x = np.nonzero(~occluded)
    there = np.rint(np.stack([x, y], 1) + flow[y, x]).astype(int)
    assert (before.label[there[:, 1], there[:, 0]] == now.label[y, x]).mean() > 0.99


def test_a_camera_that_stands_sees_only_movers_move() -> None:
    film = Film((3, 5), 4, 5.0, (96, 128), "static")
    flow, occluded = film.view(3).flow_from(film.view(2))
    label = film.view(3).label
    fixed = np.isin(label, (0, 1, 2, 5, 8, 9, 10))  # road, pavement, building, pole, plants, sky
    assert np.abs(flow[fixed]).max() < 1e-3
    assert fixed.mean() > 0.5
    changed = (film.view(3).seen.face != film.view(2).seen.face) & fixed
    assert occluded[fixed].sum() <= changed.sum()


def test_flow_follows_the_limbs_of_walking_people() -> None:
    people = (CITYSCAPES.names.index("person"), CITYSCAPES.names.index("rider"))
    films = (Film((seed, 8), 3, 12.0, (180, 240), "static") for seed in range(40))
    film = next(f for f in films if np.isin(f.view(2).label, people).sum() > 400)
    before, now = film.view(1), film.view(2)
    flow, occluded = now.flow_from(before)
    y, x = np.nonzero(np.isin(now.label, people) & ~occluded)
    there = np.rint(np.stack([x, y], 1) + flow[y, x]).astype(int)
    assert len(x) > 200
    assert np.abs(flow[y, x]).max() > 0.5  # somebody does walk
    assert np.isin(before.label[there[:, 1], there[:, 0]], people).mean() > 0.98
    # The same part of the same person: faces keep their number in the scene.
    then, here = (v.seen.face for v in (before, now))
    thing_then = np.concatenate([np.zeros(ground_rows(before), int), before.table.thing])
    thing_now = np.concatenate([np.zeros(ground_rows(now), int), now.table.thing])
    assert (thing_then[then[there[:, 1], there[:, 0]]] == thing_now[here[y, x]]).mean() > 0.97


def ground_rows(view: View) -> int:
    """Rows of a view's faces that come before those of its table."""
    return len(view.scene.ground.label) + 2
