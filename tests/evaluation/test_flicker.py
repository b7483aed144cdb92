"""Label changes where nothing moved, by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from saccade.evaluation.flicker import Flicker

PREVIOUS = np.array([[0, 0, 1, 1]], np.uint8)
CURRENT = np.array([[0, 2, 1, 2]], np.uint8)


def moving(*dx: float) -> np.ndarray:
    return np.stack([np.array([dx], np.float32), np.zeros((1, len(dx)), np.float32)], -1)


def test_only_pixels_that_stand_still_count():
    metric = Flicker()
    metric.update(PREVIOUS, CURRENT, moving(0, 0.2, -0.2, 3))
    assert metric.compute().item() == pytest.approx(1 / 3)  # the last one moved
    metric.update(PREVIOUS, PREVIOUS, moving(0, 0, 0, 0))
    assert metric.compute().item() == pytest.approx(1 / 7)
    assert (int(metric.changed), int(metric.still), int(metric.pixels)) == (1, 7, 8)


def test_both_directions_are_motion():
    flow = np.full((1, 4, 2), 0.2, np.float32)  # 0.28 pixels
    metric = Flicker()
    metric.update(PREVIOUS, CURRENT, flow)
    assert metric.still == 0
    assert math.isnan(metric.compute())


def test_what_was_hidden_does_not_stand_still():
    metric = Flicker()
    occluded = np.array([[False, True, False, False]])
    metric.update(PREVIOUS, CURRENT, moving(0, 0, 0, 0), occluded)
    assert metric.compute().item() == pytest.approx(1 / 3)
