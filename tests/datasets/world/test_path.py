from __future__ import annotations

import numpy as np
import pytest

from saccade.datasets.world.path import StreetPath


def test_a_straight_street_runs_north() -> None:
    path = StreetPath(np.random.default_rng(0), -10, 50, 0.0)
    assert path.at(np.array([0.0, 20.0]), 3.0) == pytest.approx(np.array([[3, 0], [3, 20]]))
    assert path.point(12.5, -4.0) == pytest.approx((-4, 12.5))


def test_a_winding_street_keeps_lengths_and_right_angles() -> None:
    path = StreetPath(np.random.default_rng(3), -10, 300, 0.004)
    s = np.arange(0, 300, 0.5)
    middle, right = path.at(s, 0.0), path.at(s, 2.0)
    step = np.diff(middle, axis=0)
    assert abs(float(path.heading(250.0))) > 0.02  # it does wind
    assert np.linalg.norm(step, axis=1) == pytest.approx(np.full(len(step), 0.5), rel=2e-3)
    across = right - middle
    assert np.linalg.norm(across, axis=1) == pytest.approx(np.full(len(s), 2.0))
    cosine = (step * across[1:]).sum(1) / (0.5 * 2)
    assert np.abs(cosine).max() < 0.01
    turned = np.cross(np.pad(across[1:], ((0, 0), (0, 1))), np.pad(step, ((0, 0), (0, 1))))[:, 2]
    assert (turned > 0).all()  # "right" is to the right of the way ahead


def test_single_points_are_those_of_the_array_version() -> None:
    path = StreetPath(np.random.default_rng(5), -20, 80, 0.003)
    s = np.random.default_rng(0).uniform(-20, 80, 40)
    assert np.array([path.point(x, 5.0) for x in s]) == pytest.approx(path.at(s, 5.0), abs=1e-9)


def test_a_strip_is_closed_between_its_four_edges() -> None:
    path = StreetPath(np.random.default_rng(0), -10, 50, 0.0)
    outline = path.strip(0, 20, 1, 3)
    assert outline.min(0) == pytest.approx((1, 0))
    assert outline.max(0) == pytest.approx((3, 20))
    x, y = outline.T
    area = 0.5 * abs((x * np.roll(y, -1) - y * np.roll(x, -1)).sum())
    assert area == pytest.approx(40)
