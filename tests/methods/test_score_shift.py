"""Scores of kept blocks shift as those of executed blocks around them."""

import math

import pytest
import torch

import saccade
from saccade.methods.score_shift import DOUBT, REACH, nearness, shifted

GRID = (1, 3)
OWNER = torch.arange(3).repeat_interleave(2).expand(2, 6)
"""Three blocks of 2 x 2 pixels beside each other."""


def scores(labels, classes=3):
    """2 where a class is best, else 0."""
    return 2.0 * torch.nn.functional.one_hot(torch.tensor(labels), classes).permute(2, 0, 1)[None].float()


def test_blocks_shift_as_by_hand():
    expected = scores([[0, 0, 0, 1, 0, 0], [0, 1, 0, 1, 0, 0]])
    found = expected.clone()
    found[0, 2, 0, 0], found[0, 2, 0, 1], found[0, 2, 1, 0] = 1.0, 2.0, 3.0  # class 0: 2 on average
    found[0, 0, 1, 1] = -1.0  # class 1: less of class 0
    known = torch.zeros(1, 2, 6, dtype=torch.bool)
    known[..., :2] = True  # the first block
    result = shifted(expected, found, known, OWNER, GRID)
    doubt = 4 * DOUBT
    for block, column in enumerate((0, 2, 4)):
        weight = math.exp(-((block / REACH) ** 2) / 2)
        shift = weight * 6.0 / (weight * 3 + doubt)
        assert (result - expected)[0, :, 0, column].tolist() == pytest.approx([0, 0, shift], abs=1e-6)
    weight = math.exp(-((1 / REACH) ** 2) / 2)
    shift = weight * -1.0 / (weight * 1 + doubt)
    assert (result - expected)[0, :, 0, 3].tolist() == pytest.approx([shift, 0, 0], abs=1e-6)


def test_what_is_not_known_is_not_asked():
    expected = scores([[0] * 6, [0] * 6])
    found = torch.full_like(expected, 100.0)
    known = torch.zeros(1, 2, 6, dtype=torch.bool)
    assert torch.equal(shifted(expected, found, known, OWNER, GRID), expected)
    known[0, 0, 0] = True
    found[0, :, 0, 0] = expected[0, :, 0, 0]
    assert torch.equal(shifted(expected, found, known, OWNER, GRID), expected)


def test_values_that_are_not_finite_shift_nothing():
    expected = scores([[0] * 6, [0] * 6])
    found = expected.clone()
    found[..., :2] = torch.tensor([math.nan, math.inf, -math.inf]).view(1, 3, 1, 1)
    known = torch.zeros(1, 2, 6, dtype=torch.bool)
    known[..., :2] = True
    assert torch.equal(shifted(expected, found, known, OWNER, GRID), expected)


def test_streams_do_not_influence_each_other():
    random = torch.Generator().manual_seed(0)
    expected, found = (torch.randn(2, 3, 2, 6, generator=random) for _ in range(2))
    known = torch.rand(2, 2, 6, generator=random) < 0.5
    both = shifted(expected, found, known, OWNER, GRID)
    for row in range(2):
        one = slice(row, row + 1)
        assert torch.equal(shifted(expected[one], found[one], known[one], OWNER, GRID), both[one])


def test_nearness_is_symmetric_and_one_for_itself():
    near = nearness((3, 4))
    assert near.shape == (12, 12)
    assert torch.equal(near, near.t())
    assert near.diagonal().tolist() == [1.0] * 12
    assert near[0, 5].item() == pytest.approx(math.exp(-2 / (2 * REACH**2)))


class Context(torch.nn.Module):
    """Scores of a pixel, and of everything together: what is somewhere shifts the scores everywhere."""

    def __init__(self):
        super().__init__()
        self.own = torch.nn.Conv2d(3, 4, 4, stride=4)
        self.all = torch.nn.Conv2d(3, 4, 1)

    def forward(self, x):
        return self.own(x) + self.all(x.mean((2, 3), keepdim=True))


@torch.no_grad()
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_kept_blocks_learn_of_what_happens_elsewhere(dtype):
    torch.manual_seed(0)
    network = Context().eval().to(dtype)
    network.all.weight *= 8
    before = torch.rand(1, 3, 90, 128, generator=torch.Generator().manual_seed(1))  # cut off at the bottom
    now = before.clone()
    now[:, :, :32, :32] += 2.0  # something bright comes in at the upper left
    errors = {}
    for shift in (True, False):
        config = saccade.BlockCopyConfig(
            target=0.3, block_size=32, scene_cuts=False, savings=0, score_shift=shift
        )
        method = saccade.wrap(network, config)
        method.step(before)
        result = method.step(now)
        kept = result.actions.repeat_interleave(8, 1).repeat_interleave(8, 2)[:, :22] == 0
        right = network(now.to(dtype)).float()
        difference = (result.prediction.logits.float() - right).abs().mean(1)[:, :22]
        errors[shift] = float(difference[kept].mean())
    assert errors[True] < 0.6 * errors[False]


def test_a_scene_that_stands_still_keeps_its_scores_exactly():
    network = Context().eval()
    method = saccade.wrap(network, saccade.BlockCopyConfig(target=0.3, block_size=32))
    frame = torch.rand(1, 3, 96, 128, generator=torch.Generator().manual_seed(1))
    first = method.step(frame).prediction.logits.clone()
    for _ in range(3):
        again = method.step(frame).prediction.logits
    torch.testing.assert_close(again, first, atol=1e-6, rtol=0)
