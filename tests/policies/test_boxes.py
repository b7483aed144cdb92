"""What policies make of boxes."""

import pytest
import torch

from saccade.networks.detector import Boxes
from saccade.policies.base import PolicyOutcome
from saccade.policies.boxes import box_gain, box_logits, touched
from saccade.policies.change import ChangePolicy
from saccade.policies.inputs import policy_inputs
from saccade.policies.online import OnlinePolicy
from saccade.policies.online_settings import OnlineSettings


def boxes(*rows):
    """Rows of left, top, right, bottom, score, and the class where it is not 0."""
    table = torch.tensor([[*row, 0][:6] for row in rows]).float().view(-1, 6)
    return Boxes(table[:, :4], table[:, 4], table[:, 5].long())


def test_a_box_touches_the_blocks_it_covers_a_part_of():
    found = touched(boxes((15, 0, 32, 16, 1), (16, 20, 17, 40, 1)).xyxy, (3, 4), 16)
    assert found[0].nonzero().tolist() == [[0, 0], [0, 1]]  # up to the edges of the next blocks
    assert found[1].nonzero().tolist() == [[1, 1], [2, 1]]


def test_boxes_in_the_place_of_scores():
    logits = box_logits([boxes((0, 0, 16, 8, 0.5), (8, 0, 24, 8, 0.75)), boxes()], (17, 32))
    assert logits.shape == (2, 2, 3, 4)
    probability = logits.softmax(1)[:, 1]
    torch.testing.assert_close(probability[0, 0], torch.tensor([0.5, 0.75, 0.75, 0.0001]))
    assert probability[0, 1:].max() < 0.001
    assert probability[1].max() < 0.001


def test_a_box_that_moved_gains_in_both_places():
    # 24 of 40 pixels in common: an IoU of 0.6.
    gain = box_gain([boxes((0, 0, 32, 10, 0.8))], [boxes((8, 0, 40, 10, 0.5))], (2, 4), 16)
    torch.testing.assert_close(gain[0, 0], torch.tensor([0.4 * 0.8, 0.4 * 0.8, 0.4 * 0.5, 0.0]))
    assert not gain[0, 1].any()


def test_a_box_that_comes_or_goes_gains_its_score():
    gain = box_gain(
        [boxes((0, 0, 10, 10, 0.9)), boxes(), boxes()],
        [boxes(), boxes((20, 20, 30, 30, 0.7)), boxes()],
        (2, 2),
        16,
    )
    torch.testing.assert_close(gain[0], torch.tensor([[0.9, 0.0], [0.0, 0.0]]))
    torch.testing.assert_close(gain[1], torch.tensor([[0.0, 0.0], [0.0, 0.7]]))
    assert not gain[2].any()


def test_a_box_is_compared_with_those_of_its_class_only():
    gain = box_gain([boxes((0, 0, 10, 10, 0.9, 1))], [boxes((0, 0, 10, 10, 0.6, 2))], (1, 2), 16)
    torch.testing.assert_close(gain[0, 0], torch.tensor([0.9, 0.0]))


def test_two_boxes_that_match_one_leave_it_the_larger_change():
    # Both overlap the old box, 10 of 20 pixels and 5 of 20; the old one alone reaches the first block.
    now = boxes((16, 0, 26, 1, 0.1), (16, 0, 21, 1, 0.1))
    gain = box_gain([boxes((6, 0, 26, 1, 1.0))], [now], (1, 2), 16)
    torch.testing.assert_close(gain[0, 0], torch.tensor([0.75, 0.75]))


def test_a_box_without_area_does_no_harm():
    point = boxes((5, 5, 5, 5, 0.5))
    assert box_gain([point], [point], (1, 1), 16).isfinite().all()


def test_change_in_one_block_of_a_box_counts_for_all_of_them(view_of):
    view = view_of(grid=(3, 6), boxes=(boxes((24, 8, 40, 24, 0.9)),), budget=torch.tensor([4]))
    view.frames[0, :, :16, 16:32] += 1.0  # one of the four blocks of the box
    view.frames[0, :, 32:, 80:] += 1.0  # nothing was found in this one
    assert ChangePolicy().decide(view)[0].nonzero().tolist() == [[0, 1], [0, 2], [1, 1], [1, 2]]


def test_change_away_from_boxes_is_executed_before_blocks_that_did_not_change(view_of):
    view = view_of(grid=(3, 6), boxes=(boxes((24, 8, 40, 24, 0.9)),), budget=torch.tensor([1]))
    view.frames[0, :, 32:, 80:] += 1.0
    assert ChangePolicy().decide(view)[0].nonzero().tolist() == [[2, 5]]


def test_the_policy_of_the_original_sees_a_mask_of_the_boxes(view_of):
    found = (boxes((16, 16, 32, 32, 0.75)),)
    view = view_of(boxes=found, logits=box_logits(found, (48, 64)))
    inputs = policy_inputs(view, 16, scores="logits", resize="nearest", age=False)
    assert inputs.shape == (1, 8, 48, 64)
    assert inputs[0, 6, 24, 24] == pytest.approx(0.25)
    assert inputs[0, 6, 8, 8] == pytest.approx(-0.5, abs=0.001)


def test_the_online_policy_learns_where_boxes_change(view_of):
    settings = OnlineSettings(sampling="top_k", learning_rate=3e-3, train_interval=1, prior=0.0, seed=1)
    policy = OnlinePolicy(settings)
    found, later = (boxes((0, 0, 16, 16, 0.9)),), (boxes((8, 0, 24, 16, 0.9)),)
    for _ in range(80):
        view = view_of(boxes=found, logits=box_logits(found, (48, 64)))
        actions = policy.decide(view)
        hit = bool((actions[0, 0, :2] > 0).any())
        after = later if hit else found
        policy.learn(PolicyOutcome(view, actions, box_logits(after, (48, 64)), 0.3, after))
    times = torch.stack([policy.decide(view)[0] > 0 for _ in range(20)]).float().mean(0)
    assert times[0, :2].mean() > times.mean() + 0.2
