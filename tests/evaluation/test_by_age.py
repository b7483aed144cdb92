"""Scores by the age of blocks, by hand and pixel by pixel."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from saccade.classes import IGNORE
from saccade.evaluation.by_age import ScoresByAge, ages_of_pixels
from saccade.methods.base import Cost, Segmentation, StepResult


def result(actions: list[list[int]] | None, size: tuple[int, int], block: int | None) -> StepResult:
    grid = None if actions is None else torch.tensor([actions], dtype=torch.int8)
    return StepResult(
        Segmentation(torch.zeros(1, 2, *size), size), grid, torch.tensor([False]), Cost(), block
    )


def test_blocks_lie_over_the_frame_and_labels_of_another_size_show_the_same():
    ages = np.array([[0, 1, 2]])
    # Blocks of 4 pixels, the last one cut: columns 0..3, 4..7, 8..9.
    assert ages_of_pixels(ages, 4, (4, 10), (1, 10)).tolist() == [[0, 0, 0, 0, 1, 1, 1, 1, 2, 2]]
    # Half as many columns, two of the frame in each.
    assert ages_of_pixels(ages, 4, (4, 10), (1, 5)).tolist() == [[0, 0, 1, 1, 2]]
    # A grid that divides the frame.
    assert ages_of_pixels(ages, None, (4, 9), (1, 9)).tolist() == [[0, 0, 0, 1, 1, 1, 2, 2, 2]]


def test_miou_of_each_age_by_hand():
    scores = ScoresByAge(2)
    truth = np.array([[0, 0, 1, 1], [0, 0, 1, IGNORE]], np.uint8)
    wrong = np.array([[0, 1, 1, 1], [0, 1, 0, 1]], np.uint8)
    for actions, prediction in (([[2, 2]], truth % IGNORE), ([[0, 2]], wrong), ([[0, 0]], wrong)):
        step = result(actions, (2, 4), 2)
        scores.step(step)
        scores.update(prediction, truth, step)
    # Frame 1, all fresh: 4 zeros and 3 ones, all right. Frame 2, right block fresh: 2 ones right, one taken
    # for a zero. Left block, age 1, and 2 in frame 3: two zeros right, two taken for ones.
    # Frame 3, right block, age 1: 2 ones right, one wrong.
    assert scores.miou() == pytest.approx([(4 / 5 + 5 / 6) / 2, (2 / 5 + 2 / 5) / 2, (2 / 4 + 0) / 2])


def test_another_video_begins_with_age_0():
    scores = ScoresByAge(2)
    labels = np.zeros((2, 2), np.uint8)
    for _ in range(2):
        scores.restart()
        for actions in ([[2]], [[0]]):
            step = result(actions, (2, 2), 2)
            scores.step(step)
            scores.update(labels, labels, step)
    assert scores.miou() == [1, 1]


def test_ages_without_labels_are_gaps_and_methods_without_blocks_have_none():
    scores = ScoresByAge(2)
    labels = np.zeros((2, 2), np.uint8)
    for actions in ([[2]], [[0]], [[0]]):
        step = result(actions, (2, 2), 2)
        scores.step(step)
    scores.update(labels, labels, step)
    assert scores.miou() == [None, None, 1]
    plain = ScoresByAge(2)
    plain.step(result(None, (2, 2), None))
    plain.update(labels, labels, result(None, (2, 2), None))
    assert plain.miou() is None
