"""Average precision and agreement by hand."""

import pytest
import torch

from saccade.datasets.clip import Box
from saccade.evaluation.detection_scores import BoxAgreement, DetectionScores
from saccade.evaluation.record import Record
from saccade.networks.detector import Boxes


def person(x: float, y: float, width: float, height: float, label: str = "person", **more: object) -> Box:
    return Box(x, y, x + width, y + height, label, 0, **{"visible": 1.0, **more})


def found(*rows: tuple[float, ...]) -> Boxes:
    """Left, top, width, height, score."""
    table = torch.tensor(rows).reshape(-1, 5)
    xyxy = torch.cat([table[:, :2], table[:, :2] + table[:, 2:4]], 1)
    return Boxes(xyxy, table[:, 4], torch.zeros(len(table), dtype=torch.int64))


def scored(*frames: tuple[Boxes, list[Box]], names: tuple[str, ...] = ("person",)) -> Record:
    scores = DetectionScores(names)
    for boxes, truth in frames:
        scores.update(boxes, truth)
    record = Record("frame", "n", {}, "cpu", "cpu", 1, "fp32", 0)
    scores.add_to(record)
    return record


def test_average_precision_by_hand() -> None:
    truth = [person(0, 0, 20, 50), person(100, 0, 20, 50)]
    record = scored(
        (found((0, 0, 20, 50, 0.9), (50, 0, 20, 50, 0.8), (100, 0, 20, 50, 0.7)), truth),
        (found(), []),
    )
    # Right, wrong, right of two people: precision 1 up to recall 1/2, then 2/3. At 101 points of recall, 0 to
    # 0.5 are 51.
    expected = (51 * 1 + 50 * 2 / 3) / 101
    assert record.ap50 == pytest.approx(expected)
    assert record.extra["ap"] == pytest.approx(expected)  # all overlaps are exact
    assert (record.extra["labelled_frames"], record.extra["people"]) == (2, 2)


def test_ap_is_the_mean_over_ten_overlaps() -> None:
    record = scored((found((0, 0, 20, 40, 0.9)), [person(0, 0, 20, 50)]))  # IoU 0.8
    assert record.ap50 == pytest.approx(1)
    # 0.5, 0.55, ..., 0.75 surely; at 0.8 itself float rounding decides.
    assert record.extra["ap"] in (pytest.approx(0.6), pytest.approx(0.7))


def test_ignored_hidden_small_and_other_objects_are_neither_right_nor_wrong() -> None:
    truth = [
        person(0, 0, 20, 50),
        person(100, 0, 90, 80, ignore=True),
        person(200, 0, 20, 50, visible=0.1),
        person(250, 0, 10, 19),
        person(300, 0, 20, 50, label="rider"),
    ]
    everything = [(box.x1, box.y1, box.x2 - box.x1, box.y2 - box.y1, 0.95) for box in truth[1:]]
    record = scored((found((0, 0, 20, 50, 0.5), *everything), truth))
    assert record.ap50 == pytest.approx(1)
    assert record.extra["people"] == 1
    assert record.miss_rate == {"reasonable": 0, "small": 0, "heavy": None, "all": 0}


def test_without_people_there_are_no_scores() -> None:
    record = scored((found((0, 0, 20, 50, 0.5)), []))
    assert (record.ap50, record.extra["ap"], set(record.miss_rate.values())) == (None, None, {None})


def test_agreement_pairs_boxes_one_to_one() -> None:
    agreement = BoxAgreement()
    agreement.update(
        found((0, 0, 20, 50, 0.9), (1, 0, 20, 50, 0.9), (200, 0, 20, 50, 0.9), (300, 0, 20, 50, 0.3)),
        found((0, 0, 20, 50, 0.8), (100, 0, 20, 50, 0.8)),
    )
    assert agreement.f1 == pytest.approx(2 * 1 / 5)  # 0.3 is not shown
    agreement.update(found(), found())
    assert agreement.f1 == pytest.approx(2 / 5)


def test_agreement_over_nothing_is_unknown() -> None:
    assert BoxAgreement().f1 is None
