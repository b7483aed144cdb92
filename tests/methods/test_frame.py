"""The frame-by-frame method on networks whose answers and costs are known."""

import pytest
import torch
from torch import nn

import saccade
from saccade.errors import NetworkError
from saccade.methods.configs import FrameConfig
from saccade.methods.frame import FrameByFrame


class Brightness(nn.Module):
    """Class 1 where the first channel is above zero; scores at a quarter of the resolution."""

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        mean = nn.functional.avg_pool2d(frames[:, :1], 4)
        return torch.cat([-mean, mean], 1)


class Answering(nn.Module):
    """Returns what it was made with, whatever it is asked."""

    def __init__(self, answer: object) -> None:
        super().__init__()
        self.answer = answer

    def forward(self, frames: torch.Tensor) -> object:
        return self.answer


def half_bright(n: int = 1) -> torch.Tensor:
    frames = -torch.ones(n, 3, 16, 24)
    frames[:, :, :, 12:] = 1
    return frames


def test_every_stream_is_segmented_at_the_size_of_its_frame():
    result = FrameByFrame(Brightness()).step(half_bright(3))
    labels = result.prediction.labels()
    assert labels.shape == (3, 16, 24)
    assert labels[:, :, :12].eq(0).all()
    assert labels[:, :, 12:].eq(1).all()
    assert result.actions is None
    assert result.keyframe.tolist() == [True, True, True]


def test_cost_is_the_macs_of_the_convolution_for_all_streams_and_every_size():
    method = FrameByFrame(nn.Conv2d(3, 5, kernel_size=4, stride=4))
    cost = method.step(torch.zeros(2, 3, 16, 24)).cost
    # 2 frames, 5 channels, 4 x 6 positions, 3 x 4 x 4 products each.
    assert cost.network == cost.dense == cost.total == 2 * 5 * 4 * 6 * 3 * 16
    assert method.step(torch.zeros(1, 3, 8, 8)).cost.dense == 5 * 2 * 2 * 3 * 16


def test_frames_are_brought_to_the_precision_of_the_network():
    network = nn.Conv2d(3, 2, kernel_size=4, stride=4)
    frames = torch.randn(1, 3, 16, 16)
    exact = FrameByFrame(network).step(frames).prediction.logits
    half = FrameByFrame(network.to(torch.bfloat16)).step(frames).prediction.logits
    assert half.dtype == torch.bfloat16
    assert torch.allclose(half.float(), exact, atol=0.05)


def test_a_network_in_training_mode_is_evaluated():
    network = nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 2, 1)).train()
    method = FrameByFrame(network)
    first = method.step(torch.full((1, 3, 4, 4), 3.0)).prediction.logits
    assert torch.equal(method.step(torch.full((1, 3, 4, 4), 3.0)).prediction.logits, first)
    assert network[0].running_mean.eq(0).all()


@pytest.mark.parametrize("form", ["tensor", "out", "logits", "tuple", "list"])
def test_scores_are_found_in_the_usual_forms(form):
    scores = torch.randn(1, 4, 2, 2)
    other = torch.randn(1, 7, 2, 2)
    answer = {
        "tensor": scores,
        "out": {"aux": other, "out": scores},
        "logits": {"loss": None, "logits": scores},
        "tuple": (scores, other),
        "list": [scores, other],
    }[form]
    logits = FrameByFrame(Answering(answer)).step(torch.zeros(1, 3, 8, 8)).prediction.logits
    assert torch.equal(logits, scores)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (torch.zeros(1, 4, 2), r"shape \(1, 4, 2\) for 1 frames; expected logits of shape \(1, classes"),
        (torch.zeros(3, 4, 2, 2), r"shape \(3, 4, 2, 2\) for 1 frames"),
        (torch.zeros(1, 300, 2, 2), "300 classes; label maps hold at most 255"),
        ({"boxes": torch.zeros(1)}, "dictionary with the keys 'boxes'"),
        ((), "a tuple of 0; expected logits"),
        (None, "a NoneType; expected logits"),
    ],
)
def test_output_without_scores_is_a_clear_error(answer, message):
    with pytest.raises(NetworkError, match=message):
        FrameByFrame(Answering(answer)).step(torch.zeros(1, 3, 8, 8))


def test_a_network_that_cannot_take_the_frames_says_which_and_why():
    with pytest.raises(NetworkError, match=r"network Conv2d cannot process frames of shape \(1, 3, 2, 2\)"):
        FrameByFrame(nn.Conv2d(3, 2, kernel_size=5)).step(torch.zeros(1, 3, 2, 2))


def test_one_stream_of_a_result_has_its_rows_and_an_equal_share_of_the_cost():
    result = FrameByFrame(nn.Conv2d(3, 2, 1)).step(torch.randn(4, 3, 2, 2))
    one = result.of_stream(2)
    assert torch.equal(one.prediction.logits, result.prediction.logits[2:3])
    assert one.keyframe.tolist() == [True]
    assert one.cost.network == result.cost.network / 4


def test_compiled_execution_calls_torch_compile_once_and_gives_the_same(monkeypatch):
    calls = []

    def compile_(module: nn.Module, **options: object) -> nn.Module:
        calls.append(options)
        return torch._dynamo.optimize("eager")(module)

    monkeypatch.setattr(torch, "compile", compile_)
    network = nn.Conv2d(3, 2, kernel_size=4, stride=4)
    frames = torch.randn(1, 3, 16, 16)
    method = saccade.wrap(network, FrameConfig(compile=True))
    plain = saccade.wrap(network).step(frames).prediction.logits
    for _ in range(2):
        assert torch.equal(method.step(frames).prediction.logits, plain)
    assert len(calls) == 1
    assert set(method.state_dict()) == {"network.weight", "network.bias"}
