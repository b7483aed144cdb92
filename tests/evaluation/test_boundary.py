"""Boundary IoU against masks, class by class and pixel by pixel."""

from __future__ import annotations

import math

import numpy as np
import pytest

from saccade.classes import IGNORE
from saccade.evaluation.boundary import BoundaryIoU, boundary_of, boundary_width


def boundary_of_mask(mask: np.ndarray, width: int) -> np.ndarray:
    """Pixels of a mask with a pixel that is not of it, or is outside the image, within ``width``."""
    around = np.pad(mask, width)
    inner = np.ones_like(mask)
    for dy in range(2 * width + 1):
        for dx in range(2 * width + 1):
            inner &= around[dy : dy + mask.shape[0], dx : dx + mask.shape[1]]
    return mask & ~inner


def test_width_is_half_a_percent_of_the_diagonal():
    assert boundary_width((360, 480)) == 3
    assert boundary_width((1024, 2048)) == 11  # of 2289.7
    assert boundary_width((2, 2)) == 1


def test_boundaries_of_a_square_by_hand():
    labels = np.zeros((5, 7), np.uint8)
    labels[:, 4:] = 1
    # One pixel to both sides of the edge between the classes, and along the border of the image.
    expected = np.ones((5, 7), bool)
    expected[1:4, 1:3] = False
    expected[1:4, 5] = False
    assert boundary_of(labels, 1).tolist() == expected.tolist()


def test_score_of_a_shifted_edge_by_hand():
    truth, prediction = np.zeros((2, 6, 20), np.uint8)
    truth[:, 10:] = 1
    prediction[:, 11:] = 1
    metric = BoundaryIoU(3)
    metric.update(prediction, truth)
    # Rims of 6 x 10 and 6 x 11 pixels on the left; all of the first but inner column 9 is in both.
    left, longer = 60 - 4 * 8, 66 - 4 * 9
    both = left - 4
    iou_left = both / (left + longer - both)
    # Rims of 6 x 10 and 6 x 9 on the right; all of the first but column 10 is in both.
    right, shorter = 60 - 4 * 8, 54 - 4 * 7
    both = right - 6
    iou_right = both / (right + shorter - both)
    assert metric.compute().item() == pytest.approx((iou_left + iou_right) / 2)


@pytest.mark.parametrize("size", [(40, 300), (230, 12)])
def test_many_classes_and_unlabelled_pixels_against_masks(size):
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 4, (3, size[0] // 4 + 1, size[1] // 4 + 1), np.uint8)
    truth, prediction, unlabelled = np.kron(coarse, np.ones((1, 4, 4), np.uint8))[:, : size[0], : size[1]]
    truth = np.where(unlabelled == 3, IGNORE, truth).astype(np.uint8)
    metric = BoundaryIoU(5)
    metric.update(prediction, truth)
    width = round(0.005 * math.hypot(*size))
    iou = []
    for k in range(4):
        there = boundary_of_mask(truth == k, width)
        found = boundary_of_mask((prediction == k) & (truth != IGNORE), width)
        iou.append((there & found).sum() / (there | found).sum())
    assert metric.compute().item() == pytest.approx(np.mean(iou))  # the fifth class is nowhere


def test_counts_of_several_images_are_summed():
    ones, right = np.ones((4, 4), np.uint8), np.ones((4, 4), np.uint8)
    right[:, :2] = 0
    metric = BoundaryIoU(2)
    metric.update(right, right)
    metric.update(right, ones)
    # Every pixel is near a boundary but the four inner ones of the image of ones.
    assert metric.intersection.tolist() == [8, 8 + 6]
    assert metric.union.tolist() == [8 + 8, 8 + 14]


def test_nothing_labelled_is_not_a_score():
    metric = BoundaryIoU(2)
    metric.update(np.zeros((3, 3), np.uint8), np.full((3, 3), IGNORE, np.uint8))
    assert math.isnan(metric.compute())
