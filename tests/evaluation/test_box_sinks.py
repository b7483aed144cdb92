"""Boxes of a run, drawn and written."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import saccade
from saccade.errors import OutputError
from saccade.evaluation.box_sinks import BoxFileSink, BoxVideoSink, json_line
from saccade.evaluation.stream import process
from saccade.networks.detector import Boxes
from saccade.video import open_video

from .spots import Spots, SpotSource

FRAMES = [[(10, 10, 24, 60, 255)], [], [(12, 10, 24, 60, 255), (70, 20, 20, 40, 102)]]


def test_json_lines_hold_every_frame(tmp_path: Path) -> None:
    source = SpotSource(FRAMES)
    sink = BoxFileSink(tmp_path / "out" / "boxes.jsonl", [source])
    record = process(saccade.wrap(Spots()), [source], [sink])
    first, second, third = map(json.loads, (tmp_path / "out" / "boxes.jsonl").read_text().splitlines())
    assert first == {
        "frame": 0,
        "time": 0,
        "boxes": [{"label": "person", "score": 1, "box": [10, 10, 34, 70]}],
    }
    assert second == {"frame": 1, "time": 0.1, "boxes": []}
    assert [(found["score"], found["box"]) for found in third["boxes"]] == [
        (1, [12, 10, 36, 70]),
        (0.4, [70, 20, 90, 60]),
    ]
    assert (record.frames, record.miou, record.ap50) == (3, None, None)


def test_a_class_without_a_name_has_its_number() -> None:
    frame = next(iter(SpotSource(FRAMES)))
    boxes = Boxes(torch.tensor([[1.0, 2, 3, 4]]), torch.tensor([0.5]), torch.tensor([17]))
    (found,) = json.loads(json_line(frame, boxes, ("person",)))["boxes"]
    assert found["label"] == "17"


def test_mot_text_counts_frames_and_pixels_from_1(tmp_path: Path) -> None:
    source = SpotSource(FRAMES)
    process(saccade.wrap(Spots()), [source], [BoxFileSink(tmp_path / "boxes.txt", [source])])
    assert (tmp_path / "boxes.txt").read_text().splitlines() == [
        "1,-1,11.00,11.00,24.00,60.00,1.0000,-1,-1,-1",
        "3,-1,13.00,11.00,24.00,60.00,1.0000,-1,-1,-1",
        "3,-1,71.00,21.00,20.00,40.00,0.4000,-1,-1,-1",
    ]


def test_mot_text_reads_back_as_the_boxes_of_a_sequence(tmp_path: Path) -> None:
    from saccade.datasets.mot import read_boxes

    source = SpotSource(FRAMES)
    process(saccade.wrap(Spots()), [source], [BoxFileSink(tmp_path / "boxes.txt", [source])])
    (box,) = read_boxes(tmp_path / "boxes.txt")[1]
    assert (box.x1, box.y1, box.x2, box.y2) == (10, 10, 34, 70)


def test_each_source_has_a_file_and_a_video_of_its_own(tmp_path: Path) -> None:
    sources = [SpotSource(FRAMES, "day.mp4"), SpotSource(FRAMES[:1], "night.mp4")]
    files, videos = BoxFileSink(tmp_path / "b.jsonl", sources), BoxVideoSink(tmp_path / "v.mp4", sources)
    process(saccade.wrap(Spots()), sources, [files, videos])
    assert [len((tmp_path / name).read_text().splitlines()) for name in ("b-day.jsonl", "b-night.jsonl")] == [
        3,
        1,
    ]
    assert [len(list(open_video(tmp_path / name))) for name in ("v-day.mp4", "v-night.mp4")] == [3, 1]


def test_videos_show_boxes_that_are_likely_enough(tmp_path: Path) -> None:
    source = SpotSource([[(20, 10, 24, 60, 255), (80, 10, 24, 60, 95)]])  # scores 1 and 0.37
    process(saccade.wrap(Spots()), [source], [BoxVideoSink(tmp_path / "v.mp4", [source])])
    (frame,) = open_video(tmp_path / "v.mp4")
    red, green, blue = (frame.image[:60, :, c].astype(int) for c in range(3))
    coloured = (red - np.minimum(green, blue) > 60).any(0).nonzero()[0]
    assert coloured.min() >= 18
    assert coloured.max() <= 46


def test_a_comparison_shows_both_side_by_side(tmp_path: Path, compiler: list) -> None:
    source = SpotSource([FRAMES[0]] * 3)
    sink = BoxVideoSink(tmp_path / "v.mp4", [source], compare="frame")
    record = process(saccade.wrap(Spots()), [source], [sink], compare=True)
    frames = list(open_video(tmp_path / "v.mp4"))
    assert [frame.image.shape for frame in frames] == [(80, 240, 3)] * 3
    assert record.extra["f1_with_dense"] == 1


def test_a_place_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="a part of the path is a file"):
        BoxFileSink(tmp_path / "file" / "boxes.jsonl", [SpotSource(FRAMES)])
