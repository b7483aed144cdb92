"""Flow between frames, and scores that follow it."""

import pytest
import torch
import torch.nn.functional as F

import saccade
from saccade.methods.motion import Motion, moved, pixels_of_blocks


def picture(shift, size=(96, 160)):
    """Smooth random colours, moved to the right by some pixels."""
    random = torch.Generator().manual_seed(0)
    small = torch.randn(1, 3, 16, 32, generator=random)
    large = F.interpolate(small, size=(size[0], size[1] + 64), mode="bicubic")
    return large[:, :, :, 32 - shift : 32 - shift + size[1]]


def test_flow_points_to_where_things_were():
    motion = Motion()
    motion.resize(1)
    assert motion.flow(picture(0)) == [None]
    (flow,) = motion.flow(picture(4))
    inner = flow[:, 16:-16, 32:-32]
    assert inner[0].mean() * 160 == pytest.approx(-4, abs=0.4)
    assert inner[1].abs().max() * 96 < 1


def test_a_picture_that_stands_still_has_no_flow_at_all():
    motion = Motion()
    motion.resize(2)
    frames = torch.cat((picture(0), picture(5)))
    motion.flow(frames)
    noise = 0.01 * torch.randn(frames.shape, generator=torch.Generator().manual_seed(1))
    for flow in motion.flow(frames + noise):
        assert float((flow != 0).float().mean()) < 0.01


def test_scores_move_with_the_picture():
    scores = torch.zeros(1, 2, 8, 16)
    scores[:, 1, :, 4:6] = 1.0
    flow = torch.zeros(2, 32, 64)
    flow[0] = -2 / 16  # two score columns to the right
    result = moved(scores, flow)
    expected = torch.zeros_like(scores)
    expected[:, 1, :, 6:8] = 1.0
    torch.testing.assert_close(result, expected, atol=1e-5, rtol=0)


def test_without_flow_scores_stay_to_rounding():
    scores = torch.randn(1, 3, 9, 13)
    torch.testing.assert_close(moved(scores, torch.zeros(2, 9, 13)), scores, atol=1e-5, rtol=0)


def test_pixels_of_chosen_blocks():
    chosen = torch.tensor([[[True, False], [False, True]]])
    pixels = pixels_of_blocks(chosen, 16, (24, 32), (6, 8))
    assert pixels.shape == (1, 6, 8)
    assert pixels[0, :4, :4].all()
    assert not pixels[0, :4, 4:].any()
    assert pixels[0, 4:, 4:].all()
    assert not pixels[0, 4:, :4].any()


@torch.no_grad()
def test_kept_blocks_follow_a_moving_camera():
    network = torch.nn.Conv2d(3, 4, 4, stride=4).eval()
    errors = {}
    for motion in (True, False):
        config = saccade.BlockCopyConfig(
            block_size=32, policy="none", max_age=0, scene_cuts=False, motion=motion
        )
        method = saccade.wrap(network, config)
        for shift in range(0, 24, 4):
            result = method.step(picture(shift))
        inner = slice(8, -8)
        difference = result.prediction.logits - network(picture(20))
        errors[motion] = float(difference[:, :, 2:-2, inner].abs().mean())
    assert errors[True] < 0.4 * errors[False]


def test_first_frames_have_no_flow_and_others_do():
    motion = Motion()
    motion.resize(1)
    motion.flow(picture(0))
    motion.resize(2)
    flows = motion.flow(torch.cat((picture(3), picture(0))))
    assert flows[0] is not None
    assert flows[1] is None
    motion.keep([1])
    assert len(motion.before) == 1


def test_tiny_frames():
    motion = Motion()
    motion.resize(1)
    motion.flow(torch.zeros(1, 3, 5, 7))
    (flow,) = motion.flow(torch.zeros(1, 3, 5, 7))
    assert flow.shape == (2, 5, 7)


@torch.no_grad()
def test_flow_is_charged_where_there_is_one():
    # DIS, "fast": patches of 8 pixels every 4 (each pixel in 4 of them), 16 steps of 7 MACs, filling in 6, 5
    # rounds of refinement of 100, on a quarter of the sides; coarser scales add a third.
    per_pixel = (16 * 7 * 4 + 6 * 4 + 5 * 100) / 4**2 * 4 / 3
    network = torch.nn.Conv2d(3, 4, 4, stride=4).eval()
    settings = {"block_size": 32, "target": 0.25, "scene_cuts": False}
    method = saccade.wrap(network, saccade.BlockCopyConfig(**settings))
    assert method.step(picture(0)).cost.flow == 0  # nothing to compare the first frame with
    cost = method.step(picture(4)).cost
    assert cost.flow == pytest.approx(per_pixel * 96 * 160)
    assert cost.total == cost.network + cost.policy + cost.flow
    both = method.step(torch.cat((picture(8), picture(0)))).cost  # the second stream begins
    assert both.flow == pytest.approx(per_pixel * 96 * 160)
    still = saccade.wrap(network, saccade.BlockCopyConfig(**settings, motion=False))
    assert [still.step(picture(shift)).cost.flow for shift in (0, 4)] == [0, 0]


def test_flow_of_large_frames_is_charged_at_the_size_it_is_computed_at():
    motion = Motion()
    motion.resize(1)
    for _ in range(2):
        motion.flow(torch.zeros(1, 3, 96, 1030))  # three times too wide: averaged over 3 x 3 pixels
    assert motion.macs == pytest.approx(81 * 32 * 344)
