from __future__ import annotations

import math

import numpy as np
import pytest

from saccade.datasets.world.camera import Camera


def pixel(camera: Camera, *point: float) -> tuple[float, float, float]:
    """Pixel and depth of a world point."""
    x, y, z = camera.projection @ (np.array(point) - camera.position)
    return x / z, y / z, z


def test_points_ahead_project_by_similar_triangles() -> None:
    camera = Camera((1.0, 2.0, 1.5), 0.0, 0.0, 0.0, 100.0, (101, 201))
    assert pixel(camera, 1.0, 12.0, 1.5) == pytest.approx((100, 50, 10))  # straight ahead: the middle
    assert pixel(camera, 3.0, 12.0, 1.5) == pytest.approx((120, 50, 10))  # 2 m east of it, 10 m away
    assert pixel(camera, 1.0, 12.0, 0.0) == pytest.approx((100, 65, 10))  # the ground is below the middle


@pytest.mark.parametrize(
    ("yaw", "pitch", "roll", "direction", "expected"),
    [
        (math.pi / 2, 0.0, 0.0, (1, 0, 0), (0, 0)),  # yaw turns clockwise: east is ahead
        (math.pi / 2, 0.0, 0.0, (1, -0.1, 0), (10, 0)),  # and south to the right
        (0.0, math.atan(0.1), 0.0, (0, 1, 0), (0, 10)),  # looking up, the horizon sinks
        (0.0, 0.0, math.pi / 2, (0, 1, -0.1), (10, 0)),  # right side down: what is below appears at the right
    ],
)
def test_angles_turn_the_view(
    yaw: float, pitch: float, roll: float, direction: tuple[float, ...], expected: tuple[float, float]
) -> None:
    camera = Camera((0.0, 0.0, 0.0), yaw, pitch, roll, 100.0, (101, 201))
    x, y, _ = pixel(camera, *direction)
    assert (x - 100, y - 50) == pytest.approx(expected, abs=1e-9)


def test_rotation_is_a_rotation() -> None:
    r = Camera((0, 0, 0), 0.7, -0.2, 0.1, 50.0, (10, 10)).rotation
    assert r @ r.T == pytest.approx(np.eye(3))
    assert np.cross(r[0], r[1]) == pytest.approx(r[2])  # right x down = forward


def test_plane_homography_agrees_with_projecting_its_points() -> None:
    camera = Camera((1.0, -2.0, 1.3), 0.3, 0.1, 0.05, 80.0, (60, 90))
    rng = np.random.default_rng(0)
    origin, u, v = rng.normal(0, 1, (3, 5, 3)) + np.array([0, 8, 0])
    a, b = 0.3, 1.7
    direct = (origin + a * u + b * v - camera.position) @ camera.projection.T
    assert camera.plane_to_pixel(origin, u, v) @ [a, b, 1] == pytest.approx(direct)
