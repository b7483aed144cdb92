"""Schedules of key frames."""

import itertools

import pytest

from saccade.errors import ConfigError
from saccade.methods.keyframes import Adaptive, External, FixedInterval, Progress


def run(schedule, residuals):
    """Which frames of a stream are key frames, when the others leave these residuals."""
    progress, keys = None, []
    for number, residual in enumerate(residuals):
        key = progress is None or schedule.keyframe(progress)
        progress = (progress or Progress()).after(key, None if key else residual)
        if key:
            keys.append(number)
    return keys


def test_every_third_frame():
    assert run(FixedInterval(3), [1.0] * 10) == [0, 3, 6, 9]
    assert run(FixedInterval(1), [1.0] * 4) == [0, 1, 2, 3]


def test_frames_that_somebody_else_chooses():
    assert run(External({2, 5}), [1.0] * 7) == [0, 2, 5]
    assert run(External(lambda frame: frame % 4 == 1), [1.0] * 7) == [0, 1, 5]


def test_adaptive_is_fixed_where_every_frame_is_alike():
    assert run(Adaptive(4), [1.0] * 13) == [0, 4, 8, 12]


def test_adaptive_comes_earlier_after_much_happened_and_later_where_little_does():
    calm = [0.1] * 20
    keys = run(Adaptive(4), [1.0] * 9 + calm)
    assert keys[:3] == [0, 4, 8]
    assert keys[3] > 12
    # saved in the calm part, spent when things move
    keys = run(Adaptive(4), [1.0] * 8 + calm + [3.0] * 8)
    intervals = [b - a for a, b in itertools.pairwise(keys)]
    assert max(intervals) > 4
    assert min(intervals) < 4


def test_adaptive_keeps_to_its_budget_and_to_the_longest_interval():
    for residuals in ([0.1 * 1.5**k for k in range(40)], [0.0] * 40, [1.0, 0.0] * 20):
        keys = run(Adaptive(4), residuals)
        for number in range(40):
            assert sum(key <= number for key in keys) <= 1 + number / 4
        assert max(b - a for a, b in zip(keys, [*keys[1:], 40], strict=True)) <= 12


def test_adaptive_makes_up_for_a_key_frame_that_came_late():
    """Residuals fall a little, so that key frames seem due later and later; the budget is still spent."""
    keys = run(Adaptive(4), [1.0 - 0.002 * number for number in range(41)])
    assert len(keys) >= 10


def test_progress_by_hand():
    progress = Progress().after(True, None)
    assert progress == Progress(frame=1, distance=1, keyframes=1, residual=0, usual=0)
    progress = progress.after(False, 2.0).after(False, 4.0)
    assert progress == Progress(frame=3, distance=3, keyframes=1, residual=6, usual=3, last=4)
    assert progress.after(True, None) == Progress(frame=4, distance=1, keyframes=2, residual=0, usual=3)


def test_intervals_below_one_are_refused():
    for schedule in (FixedInterval, Adaptive):
        with pytest.raises(ConfigError, match="give 1 or more"):
            schedule(0)
