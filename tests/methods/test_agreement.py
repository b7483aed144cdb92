"""The guess of how many labels the network would give otherwise, and the schedule that goes by it."""

import math
from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

import saccade
from saccade.methods.agreement import MOTION, UNSURE, lost_agreement, motion_of, unsure
from saccade.methods.dff import DeepFeatureFlow
from saccade.methods.gsvnet import GSVNet
from saccade.networks.flow import FlowEstimator


def test_how_unsure_scores_are_by_hand():
    scores = torch.zeros(2, 3, 1, 2)
    scores[0, 1, 0, 0] = math.log(8)  # shares 0.1, 0.8, 0.1
    torch.testing.assert_close(unsure(scores), torch.tensor([(0.3 + 1) / 2, 1.0]))
    assert unsure(torch.rand(2, 1, 4, 4)).tolist() == [0, 0]


def test_motion_is_in_widths():
    flow = torch.tensor([3.0, 4.0]).view(1, 2, 1, 1).expand(1, 2, 5, 20)
    torch.testing.assert_close(motion_of(flow), torch.tensor([0.25]))
    guess = lost_agreement(torch.zeros(1, 2, 5, 20), motion_of(flow))
    torch.testing.assert_close(guess, torch.tensor([UNSURE + MOTION / 4]))


class Drift(FlowEstimator):
    """Everything comes from ``speed`` pixels to the right; from further between brighter frames."""

    def __init__(self, speed: float) -> None:
        super().__init__()
        self.speed = speed

    def forward(self, now: Tensor, before: Tensor) -> Tensor:
        flow = now.new_zeros(len(now), 2, *now.shape[2:])
        flow[:, 0] = self.speed * now.mean((1, 2, 3))[:, None, None]
        return flow

    def macs(self, shape) -> float:
        return 0.0


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.AvgPool2d(4), nn.Conv2d(3, 4, 1)).eval()


def methods(path: str, interval: int):
    choice = {"interval": interval, "schedule": "agreement", "path": path}
    yield DeepFeatureFlow(network(), saccade.DeepFeatureFlowConfig(**choice), flow=Drift(1.0))
    config = saccade.GSVNetConfig(**choice, correction="none")
    yield GSVNet(network(), config, flow=Drift(1.0))


@pytest.mark.parametrize("path", ["composed", "steps"])
def test_motion_adds_up_since_the_key_frame(path):
    """Scores of an even picture are as unsure everywhere; what the guess grows by is motion alone."""
    frame = torch.ones(1, 3, 32, 64)
    for method in methods(path, interval=4):
        with torch.no_grad():
            still = UNSURE * float(unsure(method.network(frame)))
        residuals = []
        for _ in range(4):
            assert bool(method.step(frame).keyframe) == (not residuals)
            residuals.append(method.get_state()["streams"][0]["last"])
        # Features from beyond the frame are zero, and a little more unsure.
        expected = [0.0, *(still + MOTION * distance / 64 for distance in (1, 2, 3))]
        assert residuals == pytest.approx(expected, abs=1.5e-3)


@pytest.mark.parametrize("path", ["composed", "steps"])
def test_key_frames_are_saved_while_little_moves_and_spent_when_much_does(path):
    """Fast, then slow, then fast; scores are sure of one class, but for those from beyond the frame."""
    speeds = [8.0] * 12 + [0.5] * 20 + [8.0] * 12
    for method in methods(path, interval=4):
        nn.init.zeros_(method.network[1].weight)
        method.network[1].bias.data = torch.tensor([50.0, 0.0, 0.0, 0.0])
        keys = [bool(method.step(torch.full((1, 3, 32, 64), speed)).keyframe) for speed in speeds]
        numbers = [number for number, key in enumerate(keys) if key]
        assert numbers[:3] == [0, 4, 8]
        assert all(sum(keys[: number + 1]) <= 1 + number / 4 for number in range(len(keys)))
        assert max(b - a for a, b in pairwise(numbers) if a < 32) > 4
        assert min(b - a for a, b in pairwise(numbers) if b > 32) < 4
