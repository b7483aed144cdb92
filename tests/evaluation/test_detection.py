"""Scoring a detector whose answers are known."""

import jsonschema
import numpy as np
import pytest

import saccade
from saccade.datasets.clip import Sample
from saccade.errors import DatasetError, NetworkError
from saccade.evaluation.bench import bench_dataset, bench_sources
from saccade.evaluation.detection import evaluate_detection
from saccade.evaluation.report import StripRecorder, report

from .contract import SCHEMA
from .painted import painted_network
from .report_rows import read, text, with_class
from .spots import MACS, SpotClip, SpotDataset, Spots, SpotSource, person, spotted


def clip(*frames: tuple[list, list | None]) -> SpotClip:
    """Frames of (what is to be seen, who is there)."""
    return SpotClip(
        [
            Sample(spotted(spots, i), boxes=None if boxes is None else tuple(boxes))
            for i, (spots, boxes) in enumerate(frames)
        ]
    )


def test_scores_are_those_computed_by_hand() -> None:
    found, missed, wrong = (10, 10, 24, 60, 255), (60, 10, 24, 60, 0), (90, 5, 24, 60, 128)
    dataset = SpotDataset(
        [
            clip(([found, wrong], [person(*found[:4])])),
            clip(([found], [person(*found[:4]), person(*missed[:4])]), ([], [])),
        ]
    )
    record = evaluate_detection(saccade.wrap(Spots()), dataset)
    row = record.to_dict()
    jsonschema.validate(row, SCHEMA)
    # Three people; the two right ones come first, so the precision is 1 up to a recall of 2/3: 67 of 101.
    assert row["ap50"] == pytest.approx(67 / 101)
    # A false positive in three images: 0.33 per image, past which two of three are found as before it.
    third = pytest.approx(1 / 3)
    assert row["miss_rate"] == {"reasonable": third, "small": third, "heavy": None, "all": third}
    assert (row["people"], row["labelled_frames"], row["frames"], row["clips"]) == (3, 3, 3, 2)
    assert row["gmacs"]["mean"] == pytest.approx(MACS * 80 * 120 / 1e9)
    assert (row["miou"], row["agreement_with_dense"]) == (None, None)


def test_frames_that_nobody_marked_are_run_and_not_scored() -> None:
    spot = (10, 10, 24, 60, 255)
    dataset = SpotDataset([clip(([spot], None), ([spot], [person(*spot[:4])]))])
    record = evaluate_detection(saccade.wrap(Spots()), dataset)
    assert (record.frames, record.extra["labelled_frames"], record.ap50) == (2, 1, pytest.approx(1))


def test_boxes_are_scored_in_the_pixels_of_the_frame() -> None:
    spot = (12, 8, 24, 60, 255)
    dataset = SpotDataset([clip(([spot], [person(*spot[:4])]))])
    record = evaluate_detection(saccade.wrap(Spots()), dataset, scale=0.5)
    assert (record.height, record.width) == (40, 60)
    assert record.ap50 == pytest.approx(1)


def test_a_comparison_says_how_far_boxes_agree(compiler: list) -> None:
    spot = (10, 10, 24, 60, 255)
    dataset = SpotDataset([clip(*[([spot], [person(*spot[:4])])] * 3)])
    record = evaluate_detection(saccade.wrap(Spots()), dataset, compare=True)
    assert record.extra["f1_with_dense"] == 1
    assert record.dense_eager_ms is not None


def test_what_cannot_be_scored_is_refused() -> None:
    with pytest.raises(DatasetError, match="no frames"):
        evaluate_detection(saccade.wrap(Spots()), SpotDataset([]))
    with pytest.raises(DatasetError, match="none of the 1 frames has boxes"):
        evaluate_detection(saccade.wrap(Spots()), SpotDataset([clip(([], None))]))
    with pytest.raises(NetworkError, match="gives no boxes; use a detector"):
        evaluate_detection(saccade.wrap(painted_network()), SpotDataset([clip(([], []))]))


def test_rows_of_a_benchmark_have_scores_and_a_comparison(compiler: list) -> None:
    spot = (10, 10, 24, 60, 255)
    dataset = SpotDataset([clip(*[([spot], [person(*spot[:4])])] * 4)])
    configs = [saccade.FrameConfig(), saccade.FrameConfig(compile=True)]
    rows = [record.to_dict() for record in bench_dataset(Spots(), configs, dataset)]
    assert [row["ap50"] for row in rows] == [pytest.approx(1)] * 2
    assert [row["f1_with_dense"] for row in rows] == [1, 1]
    assert all(row["speedup_vs_dense_best"] > 0 for row in rows)
    assert all(len(row["timeline"]["latency_ms"]) == 4 for row in rows)


STILL, COMES = (10, 10, 24, 60, 255), (70, 10, 24, 60, 255)
KEPT = saccade.BlockCopyConfig(target=0.5, policy="none", block_size=16, max_age=0, scene_cuts=False)


def test_courses_and_pictures_of_a_detector_on_labelled_clips(compiler: list) -> None:
    # Of three frames the last two show somebody whom nothing is executed for: one of two pairs, so F1 is 2/3.
    frames = [([STILL], [person(*STILL[:4])]), *[([STILL, COMES], [person(*STILL[:4])])] * 2]
    recorders = [StripRecorder(), StripRecorder()]
    rows = list(
        bench_dataset(
            Spots(), [saccade.FrameConfig(), KEPT], SpotDataset([clip(*frames)]), pictures=recorders
        )
    )
    assert rows[0].extra["timeline"]["agreement_with_dense"] == [1, 1, 1]
    course = rows[1].extra["timeline"]
    assert course["executed_fraction"] == [1, 0, 0]
    assert course["agreement_with_dense"] == pytest.approx([1, 2 / 3, 2 / 3], abs=1e-5)
    assert all(ms > 0 for ms in course["latency_ms"])
    strip = recorders[1].strip
    assert strip is not None
    assert strip.boxes
    assert [frame.executed for frame in strip.frames] == [1, 0, 0]
    assert [frame.agreement for frame in strip.frames] == pytest.approx([1, 2 / 3, 2 / 3])


def test_courses_and_pictures_of_a_detector_on_videos(compiler: list) -> None:
    recorders = [StripRecorder(), StripRecorder()]
    source = SpotSource([[STILL], [STILL, COMES], []])
    rows = list(bench_sources(Spots(), [saccade.FrameConfig(), KEPT], [source], pictures=recorders))
    # In the last frame the one box is still there, and nobody is.
    assert rows[1].extra["timeline"]["agreement_with_dense"] == pytest.approx([1, 2 / 3, 0], abs=1e-5)
    assert rows[1].extra["f1_with_dense"] == pytest.approx(2 * 2 / (2 + 3 + 1))
    page = report([row.to_dict() for row in rows], strips=[recorder.strip for recorder in recorders])
    (shown,) = with_class(read(page), "strip")
    titles = [text(title) for title in shown.iter("h3")]
    assert titles == [
        "the frame",
        "boxes frame by frame",
        "blockcopy executed blocks",
        "blockcopy boxes",
    ]
    assert "boxes as frame by frame" in page
    assert "not there frame by frame" in page


def test_boxes_are_drawn_where_they_are_in_small_pictures() -> None:
    import cv2

    frame = spotted([(200, 100, 400, 600, 200)], size=(800, 1200))
    result = saccade.wrap(Spots()).step(frame.tensor)
    recorder = StripRecorder()
    recorder.add_boxes(frame.image, result, result.prediction.frames[0])
    assert recorder.strip is not None
    (kept,) = recorder.strip.frames
    picture = cv2.imdecode(np.frombuffer(kept.labels, np.uint8), cv2.IMREAD_COLOR)[:, :, ::-1].astype(int)
    assert picture.shape == (320, 480, 3)  # 0.4 of the frame: the box is 80, 40, 240, 280
    edges = [(160, 80), (160, 239), (40, 160), (279, 160)]
    grey = max(abs(picture[place] - picture[place].mean()).max() for place in [(160, 160), (20, 20)])
    assert grey < 10
    assert all(picture[place][0] - picture[place][1] > 40 for place in edges)  # the red of pedestrians
