import numpy as np

from saccade.evaluation.block_ages import BlockAges


def test_frames_since_a_block_was_executed_are_counted():
    ages = BlockAges()
    steps = [
        ([[2, 2, 2]], [[0, 0, 0]]),
        ([[0, 2, 1]], [[1, 0, 0]]),
        ([[0, 0, 0]], [[2, 1, 1]]),
        ([[2, 0, 1]], [[0, 2, 0]]),
        ([[0, 0, 0]], [[1, 3, 1]]),
    ]
    for actions, expected in steps:
        assert ages.update(np.array(actions, np.int8)).tolist() == expected


def test_another_grid_begins_anew():
    ages = BlockAges()
    for _ in range(3):
        ages.update(np.zeros((2, 2), np.int8))
    assert ages.update(np.array([[0], [2]], np.int8)).tolist() == [[1], [0]]
