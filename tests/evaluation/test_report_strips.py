"""The pictures of a report: which frames are kept, what is drawn, and that they can be left out."""

import base64

import cv2
import numpy as np
import pytest

from saccade.evaluation.report import StripRecorder, report
from saccade.video.comparison import DIFFERENT

from .painted import CLASSES, paint
from .report_rows import bench, blocks, dense, read, recorded, result, text, with_class


def picture(data):
    return cv2.cvtColor(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


@pytest.mark.parametrize(
    ("frames", "kept"),
    [
        (1, [0]),
        (3, [0, 1, 2]),
        (4, [0, 1, 2, 3]),
        (8, [1, 3, 5, 7]),
        (9, [1, 3, 5, 7]),
        (16, [3, 7, 11, 15]),
        (100, [15, 47, 63, 95]),
    ],
)
def test_frames_are_spread_over_the_run_whatever_its_length(frames, kept):
    found = [frame.index for frame in recorded(frames).strip.frames]
    assert found == kept


def test_before_the_first_frame_there_is_nothing():
    assert StripRecorder(CLASSES).strip is None


def test_as_a_sink_it_keeps_the_first_stream():
    recorder = StripRecorder(CLASSES)
    labels = np.zeros((64, 96), np.uint8)
    for stream in (0, 1):
        recorder.write(stream, paint(labels), result(), labels, labels)
    recorder.close()
    assert [frame.index for frame in recorder.strip.frames] == [0]


def test_executed_blocks_are_outlined_and_kept_ones_are_darker():
    recorder = StripRecorder(CLASSES)
    grey = np.full((64, 96, 3), 120, np.uint8)
    labels = np.zeros((64, 96), np.uint8)
    recorder.add(grey, result([[2, 2, 2], [2, 2, 2]]), labels, labels)
    recorder.add(grey, result([[2, 0, 0], [0, 0, 0]]), labels, labels)
    first, second = recorder.strip.frames
    assert (first.executed, second.executed) == (1.0, 1 / 6)
    drawn = picture(second.blocks).astype(int)
    assert drawn.shape == (64, 96, 3)
    assert drawn[16, 0].min() > 200  # the outline
    assert abs(drawn[16, 16] - 120).max() < 12  # within an executed block: as it came
    assert drawn[48, 48].max() < 115


def test_pixels_that_differ_are_marked_and_counted():
    recorder = StripRecorder(CLASSES)
    own, dense_labels = np.zeros((64, 96), np.uint8), np.zeros((64, 96), np.uint8)
    dense_labels[16:48, 24:72] = 1
    recorder.add(np.zeros((64, 96, 3), np.uint8), result(), own, dense_labels)
    (frame,) = recorder.strip.frames
    assert frame.agreement == 1 - 32 * 48 / (64 * 96)
    assert frame.blocks is frame.executed is None
    assert abs(picture(frame.labels)[16:18, 30:60].mean((0, 1)) - DIFFERENT).max() < 60
    assert picture(frame.labels)[4, 4].max() < 40


def test_large_frames_become_small_pictures_of_whole_blocks():
    recorder = StripRecorder(CLASSES)
    size = (1080, 1920)
    labels = np.zeros(size, np.uint8)
    actions = np.full((9, 15), 2).tolist()
    recorder.add(np.zeros((*size, 3), np.uint8), result(actions, size, 128), labels, labels)
    # 128 pixels become 32: the largest whole number at a width of no more than 480
    assert picture(recorder.strip.frames[0].image).shape == (270, 480, 3)


def test_labels_of_another_size_than_the_networks_frames_are_drawn():
    recorder = StripRecorder(None)
    labels = np.zeros((128, 192), np.uint8)
    recorder.add(np.zeros((128, 192, 3), np.uint8), result([[2, 0, 0], [0, 0, 2]]), labels)
    (frame,) = recorder.strip.frames
    assert frame.dense is frame.agreement is None
    assert picture(frame.image).shape == picture(frame.blocks).shape == (64, 96, 3)
    assert len(recorder.strip.classes) == 4


def sources(page):
    return [image.get("src") for image in read(page).iter("img")]


def test_the_report_shows_the_frame_once_and_two_lines_for_each_method():
    own = recorded(2, actions=[[2, 0, 0], [0, 0, 0]]).strip
    plain = recorded(2).strip
    rows = [dense(), blocks(0.5, 0.7, 50.0, 4.0), blocks(0.25, 0.7, 50.0, 4.0)]
    page = report(rows, strips=[plain, own, own])
    (strip,) = with_class(read(page), "strip")
    assert [text(title) for title in strip.iter("h3")] == [
        "the frame",
        "labels frame by frame",
        "blockcopy 0.5 executed blocks",
        "blockcopy 0.5 labels",
        "blockcopy 0.25 executed blocks",
        "blockcopy 0.25 labels",
    ]
    found = sources(page)
    assert len(found) == 12
    head = "data:image/jpeg;base64,"
    assert all(source.startswith(head) for source in found)
    assert base64.b64decode(found[4].removeprefix(head)) == own.frames[0].blocks
    captions = [text(caption) for caption in strip.iter("figcaption")]
    of_method = [*["16.7 % executed"] * 2, *["100.0 % as frame by frame"] * 2]
    assert captions == ["frame 0", "frame 1", *of_method, *of_method]


def test_pictures_can_be_left_out():
    strips = [recorded(2).strip for _ in bench()]
    assert sources(report(bench(), strips=strips))
    page = report(bench(), strips=strips, pictures=False)
    assert not sources(page)
    assert "data:" not in page
    assert not with_class(read(page), "strip")


def test_rows_without_pictures_are_left_out():
    strips = [None, recorded(1, actions=[[2, 0, 0], [0, 0, 0]]).strip, None, None, None]
    assert len(sources(report(bench(), strips=strips))) == 4
