"""Temporal consistency along flows drawn by hand, and along a real one."""

import math

import cv2
import numpy as np
import pytest

from saccade.evaluation.flow import backward_flow, flow_scale
from saccade.evaluation.temporal import TemporalConsistency, warp_labels

PREVIOUS = np.array([[0, 0, 1, 1], [0, 2, 2, 1]], np.uint8)


def shift(dx: float, dy: float, shape: tuple[int, int] = (2, 4)) -> np.ndarray:
    return np.broadcast_to(np.array([dx, dy], np.float32), (*shape, 2))


def test_labels_are_fetched_from_where_the_flow_points():
    # Everything moved one pixel to the right: the point at x was at x - 1.
    assert warp_labels(PREVIOUS, shift(-1, 0)).tolist() == [[255, 0, 0, 1], [255, 0, 2, 2]]
    # Everything moved up by one: the point at y was at y + 1.
    assert warp_labels(PREVIOUS, shift(0, 1)).tolist() == [[0, 2, 2, 1], [255, 255, 255, 255]]
    # The nearest pixel counts.
    assert warp_labels(PREVIOUS, shift(-0.6, 0.4)).tolist() == [[255, 0, 0, 1], [255, 0, 2, 2]]


def test_labels_that_move_with_the_flow_are_consistent():
    metric = TemporalConsistency(3)
    moved = np.array([[2, 0, 0, 1], [1, 0, 2, 2]], np.uint8)  # the first column has come into view
    metric.update(PREVIOUS, moved, shift(-1, 0))
    assert metric.compute()["miou"] == 1
    assert metric.compute()["pixels"] == 1


def test_score_of_two_pairs_computed_by_hand():
    metric = TemporalConsistency(4)
    metric.update(PREVIOUS, PREVIOUS, shift(0, 0))
    current = np.array([[0, 0, 1, 1], [0, 0, 2, 3]], np.uint8)
    occluded = np.array([[False, False, False, True], [False] * 4])
    metric.update(PREVIOUS, current, shift(0, 0), occluded)
    # Second pair, seven visible pixels. 0: 3 in both of 4; 1: 1 of 2; 2: 1 of 2; 3: 0 of 1.
    assert metric.compute()["miou"].item() == pytest.approx((1 + (3 / 4 + 1 / 2 + 1 / 2 + 0) / 4) / 2)
    assert metric.compute()["pixels"].item() == pytest.approx((1 + 5 / 7) / 2)
    assert metric.pairs == 2


def test_a_pair_with_nothing_visible_does_not_count():
    metric = TemporalConsistency(3)
    metric.update(PREVIOUS, PREVIOUS, shift(-9, 0))
    assert metric.pairs == 0
    assert math.isnan(metric.compute()["miou"])


def textured(height: int, width: int, seed: int = 4) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=(height, width))
    smooth = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 2), None, 0, 255, cv2.NORM_MINMAX)
    return cv2.cvtColor(smooth.astype(np.uint8), cv2.COLOR_GRAY2RGB)


def test_estimated_flow_points_back_to_where_a_moved_texture_was():
    wide = textured(64, 104)
    previous, current = wide[:, 8:104], wide[:, 3:99]  # moved right by 5: 96 pixels wide
    flow, occluded = backward_flow(previous, current)
    assert flow.dtype == np.float32
    assert flow.shape == (64, 96, 2)
    inner = (slice(8, -8), slice(16, -16))
    assert np.abs(flow[inner] - (-5, 0)).max() < 0.5
    assert not occluded[inner].any()
    assert occluded[:, :4].mean() > 0.9  # came into view


def test_what_hides_something_is_found_occluded_where_it_uncovers():
    previous = textured(128, 160)
    current = previous.copy()
    patch = textured(60, 60, seed=5)
    previous[30:90, 30:90] = patch
    current[30:90, 42:102] = patch  # the patch moved right by 12: uncovered is 30..42
    _, occluded = backward_flow(previous, current)
    assert occluded[40:80, 31:40].mean() > 0.8
    assert occluded[40:80, 50:95].mean() < 0.1
    assert occluded[:, 120:].mean() < 0.1


@pytest.mark.parametrize("size", [(1, 1), (4, 40), (40, 3)])
def test_images_too_small_for_dis_have_a_flow_too(size):
    flow, occluded = backward_flow(textured(*size), textured(*size))
    assert flow.shape == (*size, 2)
    assert np.abs(flow).max() < 0.5
    assert not occluded.any()


def test_large_images_are_reduced_and_their_flow_is_in_their_own_pixels():
    assert flow_scale((1024, 2048)) == 0.5
    assert flow_scale((1024, 768)) == flow_scale((3, 4)) == 1
    small = textured(96, 330)
    wide = cv2.resize(small, (330 * 4, 96 * 4), interpolation=cv2.INTER_CUBIC)
    previous, current = wide[:, 24:1304], wide[:, 4:1284]  # moved right by 20: 1280 pixels wide
    flow, occluded = backward_flow(previous, current)
    assert (flow.shape, flow.dtype) == ((384, 1280, 2), np.float32)
    assert (occluded.shape, occluded.dtype) == ((384, 1280), bool)
    inner = (slice(40, -40), slice(80, -80))
    assert np.abs(flow[inner] - (-20, 0)).max() < 2
    assert not occluded[inner].any()
    assert occluded[:, :15].mean() > 0.9
