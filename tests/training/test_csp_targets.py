import math

import numpy as np
import pytest
import torch

from saccade.training.csp_loss import csp_loss, focal_loss
from saccade.training.csp_targets import csp_targets


def targets_of(
    *boxes: tuple[float, ...], size: tuple[int, int] = (80, 120), classes: int = 1, **more
) -> torch.Tensor:
    labels = np.array(more.get("labels", [0] * len(boxes)), int)
    ignore = np.array(more.get("ignore", [False] * len(boxes)), bool)
    radius = more.get("offset_radius", 0)
    return csp_targets(np.array(boxes, float).reshape(-1, 4), labels, ignore, size, classes, radius)


def test_a_box_by_hand() -> None:
    # 20 wide and 48 high, its middle at (46, 41): column 11.5, row 10.25.
    centre, gaussian, valid, height, learned, down, right, moved = targets_of((36, 17, 56, 65))
    assert centre.nonzero().tolist() == [[10, 11]]
    assert (down[10, 11], right[10, 11]) == (pytest.approx(-0.25), pytest.approx(0.0))
    assert learned.nonzero().tolist() == [[i, j] for i in range(8, 13) for j in range(9, 14)]
    assert height[learned > 0].tolist() == pytest.approx([math.log(12)] * 25)
    assert moved.nonzero().tolist() == [[10, 11]]
    assert valid.min() == 1
    # 12 rows and 5 columns: sigma = ((12 - 1) / 2 - 1) * 0.3 + 0.8 = 2.15 and 1.1.
    by_hand = math.exp(-((13.5 - 10.25) ** 2) / (2 * 2.15**2) - (12.5 - 11.5) ** 2 / (2 * 1.1**2))
    assert gaussian[13, 12] == pytest.approx(by_hand)
    # Columns 9 to 14, rows 4.25 to 16.25: those whose middles are inside.
    inside = gaussian.nonzero()
    assert (inside.amin(0).tolist(), inside.amax(0).tolist()) == ([4, 9], [15, 13])


def test_offsets_around_a_centre_lead_to_it() -> None:
    *_, down, right, moved = targets_of((36, 17, 56, 65), offset_radius=2)  # centre in row 10.25, column 11.5
    assert moved.nonzero().tolist() == [[i, j] for i in range(8, 13) for j in range(9, 14)]
    for i in range(8, 13):
        for j in range(9, 14):
            assert i + 0.5 + down[i, j].item() == pytest.approx(10.25)
            assert j + 0.5 + right[i, j].item() == pytest.approx(11.5)
    assert down[moved == 0].abs().sum() == right[moved == 0].abs().sum() == 0


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_positions_between_two_boxes_lead_to_the_nearest_centre(order: tuple[int, int]) -> None:
    boxes = [(36, 17, 56, 65), (48, 17, 68, 65)]  # centres in columns 11.5 and 14.5
    *_, right, moved = targets_of(*(boxes[n] for n in order), offset_radius=2)
    assert moved[10].nonzero().flatten().tolist() == list(range(9, 17))
    ends = [column + 0.5 + right[10, column].item() for column in range(9, 17)]
    assert ends == pytest.approx([11.5] * 4 + [14.5] * 4)


def test_overlapping_gaussians_are_joined_by_their_maximum() -> None:
    both = targets_of((20, 10, 40, 58), (28, 14, 48, 62))[1]
    one, other = targets_of((20, 10, 40, 58))[1], targets_of((28, 14, 48, 62))[1]
    assert torch.equal(both, torch.maximum(one, other))


def test_what_is_ignored_is_not_learned_but_for_centres_in_it() -> None:
    found = targets_of((8, 8, 70, 70), (36, 17, 56, 65), ignore=[True, False])
    centre, gaussian, valid = found[:3]
    assert valid[2:18, 2:18].sum() == 1  # 8 / 4 = 2 to 70 / 4 = 17.5
    assert valid[10, 11] == 1
    assert valid.sum() == 20 * 30 - 16 * 16 + 1
    assert centre.sum() == 1
    assert gaussian.max() > 0.9


@pytest.mark.parametrize("box", [(200, 0, 220, 48), (-30, 10, -5, 60), (10, 10, 16, 21)])
def test_boxes_outside_or_too_low_are_ignored(box: tuple[float, ...]) -> None:
    found = targets_of(box)
    assert found[0].sum() == found[1].sum() == found[4].sum() == 0
    left, top, right, bottom = (
        max(0, min(limit, v)) for v, limit in zip(box, (120, 80, 120, 80), strict=True)
    )
    assert (found[2] == 0).sum() == max(0, math.ceil(right / 4) - left // 4) * (
        math.ceil(bottom / 4) - top // 4
    )


def test_boxes_may_reach_beyond_the_crop() -> None:
    centre, gaussian, *_ = targets_of((-10, -20, 14, 40))
    assert centre.nonzero().tolist() == [[2, 0]]
    assert gaussian[0, 0] > 0


def test_classes_have_maps_of_their_own() -> None:
    found = targets_of((36, 17, 56, 65), (76, 17, 96, 65), labels=[0, 1], classes=2)
    assert found.shape == (10, 20, 30)
    assert found[0].nonzero().tolist() == [[10, 11]]
    assert found[1].nonzero().tolist() == [[10, 21]]
    assert found[3, 10, 21] == pytest.approx(found[2, 10, 11])


def test_the_loss_of_centres_by_hand() -> None:
    p, q, r = 0.3, 0.2, 0.6  # of a centre, near one, and where nothing is learned
    logits = torch.tensor([p, q, r]).logit().view(1, 1, 1, 3)
    centres, gaussians = torch.tensor([[[[1.0, 0, 0]]]]), torch.tensor([[[[1.0, 0.5, 0]]]])
    valid = torch.tensor([[[[1.0, 1, 0]]]])
    expected = -(0.7**2) * math.log(p) - 0.5**4 * q**2 * math.log(1 - q)
    assert focal_loss(logits, centres, gaussians, valid).item() == pytest.approx(expected)


def test_the_loss_of_perfect_maps_is_zero_and_each_part_counts() -> None:
    targets = targets_of((36, 17, 56, 65), (76, 10, 90, 50))[None]
    centre = 40 * targets[:, :1] - 20
    height, offset = targets[:, 3:4].clone(), targets[:, 5:7].clone()
    assert csp_loss((centre, height, offset), targets).item() == pytest.approx(0, abs=1e-6)
    # Heights half of the target's logarithm: |0.5 - 1| gives 0.125 everywhere.
    assert csp_loss((centre, height / 2, offset), targets).item() == pytest.approx(0.125, abs=1e-6)
    # Offsets wrong by 0.4 down at both centres: 0.08, weighted by a tenth.
    assert csp_loss((centre, height, offset + torch.tensor([0.4, 0]).view(2, 1, 1)), targets).item() == (
        pytest.approx(0.1 * 0.4**2 / 2, abs=1e-6)
    )


def test_weights_of_the_parts() -> None:
    targets = targets_of((36, 17, 56, 65), offset_radius=1)[None]
    centre, height, offset = 40 * targets[:, :1] - 20, targets[:, 3:4] / 2, targets[:, 5:7] + 0.4
    loss = csp_loss((centre, height, offset), targets, (0.01, 10.0, 0.5))
    # At nine positions, 0.4 both down and to the right.
    assert loss.item() == pytest.approx(10 * 0.125 + 0.5 * 2 * 0.4**2 / 2, abs=1e-5)


def test_crops_without_people_have_a_finite_loss_and_gradient() -> None:
    maps = [torch.zeros(2, c, 20, 30, requires_grad=True) for c in (1, 1, 2)]
    loss = csp_loss(tuple(maps), targets_of()[None].repeat(2, 1, 1, 1))
    loss.backward()
    # 1200 positions of probability a half: p^2 * log 2 each, weighted by a hundredth.
    assert loss.item() == pytest.approx(0.01 * 1200 * 0.25 * math.log(2), rel=1e-5)
    assert all(each.grad.isfinite().all() for each in maps)
