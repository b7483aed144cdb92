"""Where windows begin, what is scored in them, and how long they are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from saccade.datasets.clip import Sample
from saccade.evaluation.protocols import PROTOCOLS
from saccade.evaluation.windows import Windows

from .painted import paint


def frames(labelled: str) -> list[Sample]:
    """One frame for each letter; those with an L have a label."""
    return [
        Sample(paint([[0]], index), np.zeros((1, 1), np.uint8) if letter == "L" else None)
        for index, letter in enumerate(labelled)
    ]


def cut(windows: Windows, labelled: str) -> list[tuple[list[int], list[int], bool]]:
    """Of each window: the numbers of its frames, those that are scored, and whether it is whole."""
    found = []
    for window in windows.of(frames(labelled)):
        numbers = [sample.frame.index for sample in window.samples]
        assert numbers[0] == window.first
        found.append((numbers, [numbers[place] for place in window.scored], window.whole))
    return found


def windows_of(name: str, length: int) -> Windows:
    return Windows(replace(PROTOCOLS[name], length=length))


def test_every_labelled_frame_is_scored_once_at_each_distance():
    windows = windows_of("dff", 3)
    assert cut(windows, "LLLLL") == [
        ([0, 1, 2], [2], True),
        ([1, 2, 3], [2, 3], True),
        ([2, 3, 4], [2, 3, 4], True),
        ([3, 4], [3, 4], False),
        ([4], [4], False),
    ]
    # Frames 0 and 1 have no keyframe two frames before them.
    assert (windows.labelled, windows.left_out) == (3, 2)


def test_snippets_end_with_their_clip_and_go_on_where_there_are_frames():
    assert cut(windows_of("dff", 3), "---L") == [
        ([1, 2, 3], [3], True),
        ([2, 3], [3], False),
        ([3], [3], False),
    ]
    assert cut(windows_of("gsvnet-avg", 3), "--L--") == [
        ([0, 1, 2], [2], True),
        ([1, 2, 3], [2], True),
        ([2, 3, 4], [2], True),
    ]


def test_distances_in_turn_go_on_over_clips():
    windows = windows_of("accel-avg", 3)
    assert cut(windows, "--L--") == [([2, 3, 4], [2], True)]
    assert cut(windows, "--L--") == [([1, 2, 3], [2], True)]
    assert cut(windows, "--L--") == [([0, 1, 2], [2], True)]
    assert cut(windows, "--L--") == [([2, 3, 4], [2], True)]


def test_distances_in_turn_over_labels_in_a_row_are_keyframes_in_a_row():
    assert cut(windows_of("accel-avg", 3), "LLLLLLLL") == [
        ([2, 3, 4], [2, 3, 4], True),
        ([5, 6, 7], [5, 6, 7], True),
    ]


def test_the_farthest_distance_is_the_last_frame_of_each_window():
    for name in ("accel-max", "gsvnet-min", "blockcopy"):
        assert cut(windows_of(name, 3), "-LLL") == [([0, 1, 2], [2], True), ([1, 2, 3], [3], True)]


def test_clips_that_are_too_short_have_no_windows():
    windows = windows_of("accel-max", 3)
    assert cut(windows, "LL") == cut(windows, "") == []
    assert (windows.labelled, windows.left_out) == (0, 2)


def test_clips_are_run_as_they_are_and_read_when_needed():
    windows = Windows(PROTOCOLS["clip"])
    read = []
    (window,) = windows.of(sample for sample in frames("L-L") if read.append(sample.frame.index) is None)
    assert read == []
    assert [sample.frame.index for sample in window.samples] == [0, 1, 2]
    assert window.scored is None
    assert window.whole
    assert windows.labelled == 2
