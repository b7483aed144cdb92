import math

import pytest
import torch

from saccade.networks.csp_decode import Thresholds, decode
from saccade.networks.detector import Boxes


def maps(size: tuple[int, int], classes: int = 1) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Nothing anywhere."""
    return torch.full((1, classes, *size), -20.0), torch.zeros(1, 1, *size), torch.zeros(1, 2, *size)


def logit(score: float) -> float:
    return math.log(score / (1 - score))


def test_a_box_by_hand() -> None:
    centre, height, offset = maps((20, 30))
    centre[0, 0, 10, 12] = logit(0.8)
    height[0, 0, 10, 12] = math.log(50 / 4)
    offset[0, :, 10, 12] = torch.tensor([0.25, -0.5])  # down, right
    (boxes,) = decode(centre, height, offset, (80, 120))
    # centre x = 4 * 12 + 2 - 4 * 0.5 = 48, y = 4 * 10 + 2 + 4 * 0.25 = 43; 20.5 wide, 50 high
    torch.testing.assert_close(boxes.xyxy, torch.tensor([[37.75, 18.0, 58.25, 68.0]]))
    assert boxes.scores.tolist() == pytest.approx([0.8])
    assert boxes.labels.tolist() == [0]


def test_boxes_are_clipped_to_the_last_pixel() -> None:
    centre, height, offset = maps((20, 30))
    for i, j in ((0, 0), (19, 29)):
        centre[0, 0, i, j] = logit(0.9)
        height[0, 0, i, j] = math.log(40 / 4)
    (boxes,) = decode(centre, height, offset, (80, 120))
    # about (2, 2) and (118, 78): 16.4 wide, 40 high
    assert sorted(boxes.xyxy.round(decimals=4).tolist()) == pytest.approx(
        [pytest.approx([0, 0, 10.2, 22]), pytest.approx([109.8, 58, 119, 79])]
    )


def test_overlapping_boxes_of_a_class_give_way_to_the_best() -> None:
    centre, height, offset = maps((20, 30), classes=2)
    height[:] = math.log(40 / 4)
    centre[0, 0, 10, 10], centre[0, 0, 10, 11], centre[0, 1, 10, 10] = logit(0.6), logit(0.7), logit(0.5)
    centre[0, 0, 10, 14] = logit(0.4)
    (boxes,) = decode(centre, height, offset, (80, 120))
    # Boxes 16.4 wide: moved by 4 px their IoU is 12.4 / 20.4 = 0.61, by 12 px 4.4 / 28.4.
    assert list(zip(boxes.labels.tolist(), boxes.scores.tolist(), strict=True)) == [
        (0, pytest.approx(0.7)), (1, pytest.approx(0.5)), (0, pytest.approx(0.4)),
    ]  # fmt: skip
    (loose,) = decode(centre, height, offset, (80, 120), Thresholds(iou=0.65))
    assert len(loose) == 4


def test_scores_up_to_the_threshold_are_dropped() -> None:
    centre, height, offset = maps((20, 30))
    centre[0, 0, 3, 3], centre[0, 0, 12, 20] = logit(0.09), logit(0.11)
    (boxes,) = decode(centre, height, offset, (80, 120))
    assert boxes.scores.tolist() == pytest.approx([0.11])


def test_at_most_100_boxes_the_best_first() -> None:
    centre, height, offset = maps((40, 40))
    height[:] = math.log(1)  # 4 px high, 1.64 wide: no two overlap
    centre[:] = torch.linspace(-2, 2, 1600).view(1, 1, 40, 40)
    (boxes,) = decode(centre, height, offset, (160, 160))
    best = torch.linspace(-2, 2, 1600).sigmoid().flip(0)[:100]
    torch.testing.assert_close(boxes.scores, best)


def test_frames_of_a_batch_have_boxes_of_their_own_also_in_half_precision() -> None:
    centre, height, offset = (each.repeat(3, 1, 1, 1).bfloat16() for each in maps((8, 8)))
    centre[2, 0, 4, 4] = 2.0
    found = decode(centre, height, offset, (32, 32))
    assert [len(boxes) for boxes in found] == [0, 0, 1]
    assert found[2].xyxy.dtype == torch.float32


def test_boxes_can_be_chosen_and_resized() -> None:
    boxes = Boxes(
        torch.tensor([[1.0, 2, 3, 4], [5, 6, 7, 8]]), torch.tensor([0.9, 0.2]), torch.tensor([0, 1])
    )
    assert boxes.above(0.5).labels.tolist() == [0]
    assert boxes.resized(0.5, 2).xyxy.tolist() == [[2, 1, 6, 2], [10, 3, 14, 4]]
