"""MR^-2 against cases by hand, and against another way to compute it."""

import math
from itertools import pairwise

import numpy as np
import pytest

from saccade.evaluation.miss_rate import DROPPED, RIGHT, SUBSETS, WRONG, MissRate, People, judge, log_average

POINTS = (0.01, 0.0178, 0.0316, 0.0562, 0.1, 0.1778, 0.3162, 0.5623, 1.0)


def people(*rows: tuple[float, float, float, float, float, bool]) -> People:
    """Left, top, width, height, visible share, ignored."""
    table = np.array([row[:5] for row in rows], float).reshape(-1, 5)
    xyxy = np.concatenate([table[:, :2], table[:, :2] + table[:, 2:4]], 1)
    return People(xyxy, table[:, 4], np.array([row[5] for row in rows], bool))


def boxes(*rows: tuple[float, float, float, float]) -> np.ndarray:
    """Left, top, width, height."""
    table = np.array(rows, float).reshape(-1, 4)
    return np.concatenate([table[:, :2], table[:, :2] + table[:, 2:]], 1)


def test_each_person_is_found_once() -> None:
    one = boxes((0, 0, 40, 100))
    again = boxes((0, 0, 40, 100), (2, 0, 40, 100))
    assert judge(again, one, np.array([False])).tolist() == [RIGHT, WRONG]


def test_the_best_free_overlap_is_taken() -> None:
    there = boxes((0, 0, 40, 100), (10, 0, 40, 100))
    found = boxes((8, 0, 40, 100), (9, 0, 40, 100))
    # The first takes the second person (38/42 against 32/48), the second the first one (31/49 = 0.63).
    assert judge(found, there, np.array([False, False])).tolist() == [RIGHT, RIGHT]
    narrow = boxes((8, 0, 40, 100), (15, 0, 40, 100))
    # The second overlaps with the first person by 25/55 only.
    assert judge(narrow, there, np.array([False, False])).tolist() == [RIGHT, WRONG]


def test_half_an_overlap_is_enough_and_less_is_not() -> None:
    there = boxes((0, 0, 40, 100))
    assert judge(boxes((0, 0, 40, 50)), there, np.array([False])).tolist() == [RIGHT]  # 2000 / 4000
    assert judge(boxes((0, 0, 40, 49.9)), there, np.array([False])).tolist() == [WRONG]


def test_those_on_ignored_regions_are_dropped_any_number_of_times() -> None:
    crowd = boxes((0, 0, 400, 200))
    found = boxes((10, 50, 40, 100), (60, 50, 40, 100), (380, 50, 40, 100), (381, 50, 40, 100))
    # The third lies half on it, the fourth with 19 of its 40 columns.
    assert judge(found, crowd, np.array([True])).tolist() == [DROPPED, DROPPED, DROPPED, WRONG]


def test_people_who_count_come_before_ignored_ones() -> None:
    there = boxes((0, 0, 40, 100), (0, 0, 40, 100))
    found = boxes((0, 0, 40, 100), (0, 0, 40, 100))
    assert judge(found, there, np.array([True, False])).tolist() == [RIGHT, DROPPED]


def test_the_average_by_hand() -> None:
    # Of 4 people in 10 images: right, wrong, right, wrong, right. With 0.1 false positives per image from the
    # second and 0.2 from the fourth on, the recall is 1/4 at 0.01 to 0.0562, 2/4 at 0.1 and 0.1778, then 3/4.
    scores = np.array([0.9, 0.8, 0.7, 0.6, 0.5])
    right = np.array([True, False, True, False, True])
    expected = math.exp((4 * math.log(0.75) + 2 * math.log(0.5) + 3 * math.log(0.25)) / 9)
    assert log_average(scores, right, 4, 10) == pytest.approx(expected)
    mixed = [3, 0, 4, 2, 1]  # in any order
    assert log_average(scores[mixed], right[mixed], 4, 10) == pytest.approx(expected)


def test_nothing_missed_is_zero_and_nothing_found_is_one() -> None:
    assert log_average(np.array([0.5]), np.array([True]), 1, 3) == 0
    assert log_average(np.zeros(0), np.zeros(0, bool), 7, 3) == 1
    assert log_average(np.array([0.5, 0.4]), np.array([False, True]), 1, 1) == pytest.approx(0)
    # A first detection that is wrong in one image exceeds all rates but the last.
    assert log_average(np.array([0.5, 0.4]), np.array([False, True]), 2, 1) == pytest.approx(0.5 ** (1 / 9))


@pytest.mark.parametrize(
    ("subset", "height", "visible", "counts"),
    [
        ("reasonable", 50, 0.65, True), ("reasonable", 49.9, 1, False), ("reasonable", 500, 0.64, False),
        ("small", 75, 1, True), ("small", 75.1, 1, False), ("small", 50, 0.65, True),
        ("heavy", 60, 0.65, True), ("heavy", 60, 0.66, False), ("heavy", 60, 0.2, True),
        ("heavy", 60, 0.19, False),
        ("all", 20, 0.2, True), ("all", 19, 1, False),
    ],
)  # fmt: skip
def test_who_counts_in_which_subset(subset: str, height: float, visible: float, counts: bool) -> None:
    assert people((0, 0, 20, height, visible, False)).outside(SUBSETS[subset]).tolist() == [not counts]
    assert people((0, 0, 20, height, visible, True)).outside(SUBSETS[subset]).tolist() == [True]


def test_detections_far_from_the_heights_of_a_subset_do_not_count() -> None:
    metric = MissRate()
    nobody = people()
    for height in (39.9, 40, 93.7, 93.75):  # 50 / 1.25 and 75 * 1.25
        metric.update(boxes((0, 0, 20, height)), np.array([0.9]), nobody)
    assert [len(torch_) for torch_ in metric.scores_small] == [0, 1, 1, 0]
    assert [len(torch_) for torch_ in metric.scores_reasonable] == [0, 1, 1, 1]


def test_subsets_without_people_have_no_rate() -> None:
    metric = MissRate()
    metric.update(boxes((0, 0, 40, 100)), np.array([0.9]), people((0, 0, 40, 100, 1.0, False)))
    assert metric.compute() == {"reasonable": 0.0, "small": None, "heavy": None, "all": 0.0}


def slow_miss_rate(images: list, subset: str) -> float | None:
    """The same from the protocol's words: plain numbers, one box at a time, one threshold at a time."""
    (low, high), (least, most) = SUBSETS[subset].height, SUBSETS[subset].visible
    outcomes, count = [], 0
    for number, (detections, truth) in enumerate(images):
        counted, ignored = [], []
        for left, top, right, bottom, visible, ignore in truth:
            inside = low <= bottom - top <= high and least <= visible <= most and not ignore
            (counted if inside else ignored).append((left, top, right, bottom))
        count += len(counted)
        for order, (score, left, top, right, bottom) in enumerate(sorted(detections, key=lambda d: -d[0])):
            if not low / 1.25 <= bottom - top < high * 1.25:
                continue

            def shared(other: tuple, own: tuple = (left, top, right, bottom)) -> float:
                wide = min(own[2], other[2]) - max(own[0], other[0])
                tall = min(own[3], other[3]) - max(own[1], other[1])
                return wide * tall if wide > 0 and tall > 0 else 0.0

            own = (right - left) * (bottom - top)
            best = None
            for person in counted:
                both = shared(person)
                iou = both / (own + (person[2] - person[0]) * (person[3] - person[1]) - both)
                if iou >= 0.5 and (best is None or iou > best[0]):
                    best = iou, person
            if best is not None:
                counted.remove(best[1])
                outcomes.append((-score, number, order, True))
            elif not any(shared(region) / own >= 0.5 for region in ignored):
                outcomes.append((-score, number, order, False))
    if not count:
        return None
    outcomes.sort()
    logs = []
    for point in POINTS:
        found = wrong = recall = 0
        for *_, right in outcomes:
            found, wrong = found + right, wrong + (not right)
            if wrong / len(images) > point:
                break
            recall = found / count
        logs.append(math.log(1 - recall) if recall < 1 else -math.inf)
    return math.exp(sum(logs) / len(logs))


@pytest.mark.parametrize("seed", range(24))
def test_random_cases_equal_an_independent_computation(seed: int) -> None:
    rng = np.random.default_rng(seed)
    metric, images = MissRate(), []
    for _ in range(int(rng.integers(1, 60))):
        heights = rng.uniform(15, 160, int(rng.integers(0, 8)))
        corners = rng.uniform(0, 200, (len(heights), 2))
        truth = np.concatenate([corners, corners + np.stack([0.41 * heights, heights], 1)], 1)
        visible, ignore = rng.uniform(0, 1, len(heights)) ** 0.4, rng.random(len(heights)) < 0.2
        moved = truth + rng.normal(0, 6, truth.shape) * (rng.random((len(truth), 1)) < 0.7)
        wild = rng.uniform(0, 200, (int(rng.integers(0, 4)), 2))
        wild = np.concatenate([wild, wild + rng.uniform(15, 120, wild.shape)], 1)
        found = np.concatenate([moved[rng.random(len(moved)) < 0.8], wild])
        found = found[(found[:, 2:] > found[:, :2] + 1).all(1)]
        scores = rng.permutation(1000)[: len(found)] / 1000
        metric.update(found, scores, People(truth, visible, ignore))
        images.append(
            (
                [(score, *box) for score, box in zip(scores, found.tolist(), strict=True)],
                [(*box, v, i) for box, v, i in zip(truth.tolist(), visible, ignore, strict=True)],
            )
        )
    found_rates = metric.compute()
    for subset in SUBSETS:
        assert found_rates[subset] == pytest.approx(slow_miss_rate(images, subset)), subset


def test_random_cases_are_not_all_alike() -> None:
    """The points are those of the protocol: a quarter of a decade apart, to three digits."""
    for one, other in pairwise(POINTS):
        assert other / one == pytest.approx(10**0.25, rel=2e-3)
