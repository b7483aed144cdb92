"""Whole frames give what the network gives, whoever executes them."""

import pytest
import torch
from torch import Tensor, nn

import saccade
from saccade.methods import whole_frames
from saccade.methods.whole_frames import WholeFrames
from saccade.networks.tdnet import TDNet


class Counting(nn.Module):
    """A small network that counts how often it was run as it is."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(
            *(nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 5, 3, 1, 1))
        )
        self.runs = 0

    def forward(self, x: Tensor) -> Tensor:
        if not torch.compiler.is_compiling():
            self.runs += 1
        return self.layers(x)


class Undecided(Counting):
    """What it does depends on the values that it sees, which cannot be captured."""

    def forward(self, x: Tensor) -> Tensor:
        result = super().forward(x)
        return result if float(result.mean()) > 0 else -result


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_large_frames_on_a_cpu_are_executed_by_the_engine(dtype):
    network = Counting().eval().to(dtype)
    whole = WholeFrames(network)
    with torch.inference_mode():
        for streams, size in ((1, (512, 512)), (2, (512, 512)), (1, (500, 610)), (1, (512, 512))):
            frames = torch.randn(streams, 3, *size).to(dtype)
            wanted = network(frames)
            runs = network.runs
            result = whole(frames)
            assert network.runs == runs
            error = (result.float() - wanted.float()).abs().max() / wanted.float().abs().max()
            assert error < (1e-5 if dtype == torch.float32 else 0.02)


def test_small_frames_are_executed_as_they_are():
    network = Counting().eval()
    with torch.inference_mode():
        frames = torch.randn(1, 3, 64, 96)
        wanted = network(frames)
        assert torch.equal(WholeFrames(network)(frames), wanted)
    assert network.runs == 2


def test_what_cannot_be_converted_is_executed_as_it_is():
    network = Undecided().eval()
    whole = WholeFrames(network)
    with torch.inference_mode():
        frames = torch.randn(1, 3, 512, 512)
        wanted = network(frames)
        assert torch.equal(whole(frames), wanted)
        runs = network.runs
        assert torch.equal(whole(frames), wanted)
    assert network.runs == runs + 1  # it is not tried again


def test_a_result_stays_as_it_is_when_the_next_frame_comes():
    whole = WholeFrames(Counting().eval())
    with torch.inference_mode():
        first = whole(torch.randn(1, 3, 512, 512))
        before = first.clone()
        whole(torch.randn(1, 3, 512, 512))
        assert torch.equal(first, before)


@pytest.mark.parametrize(
    "config",
    [
        saccade.GSVNetConfig(interval=2, correction="none"),
        saccade.DeepFeatureFlowConfig(interval=2),
        saccade.AccelConfig(interval=2, fusion="mean"),
    ],
    ids=["gsvnet", "dff", "accel"],
)
def test_methods_with_key_frames_answer_the_same(config, monkeypatch):
    torch.manual_seed(0)
    network = saccade.load_network("swiftnet-rn18", weights=None, classes=5).eval()
    frames = [torch.randn(1, 3, 128, 192) for _ in range(3)]
    answers = []
    for least in (10**9, 0):
        monkeypatch.setattr(whole_frames, "LEAST_PIXELS", least)
        method = saccade.wrap(network, config)
        answers.append([method.step(frame).segmentation.logits for frame in frames])
    for wanted, result in zip(*answers, strict=True):
        assert (wanted - result).abs().max() < 1e-4 * wanted.abs().max()


def test_tdnet_answers_the_same(monkeypatch):
    torch.manual_seed(0)
    network = saccade.load_network("td2-swiftnet-rn18", weights=None, classes=5).eval()
    assert isinstance(network, TDNet)
    frames = [torch.randn(1, 3, 128, 192) for _ in range(3)]
    answers = []
    for least in (10**9, 0):
        monkeypatch.setattr(whole_frames, "LEAST_PIXELS", least)
        method = saccade.wrap(network, saccade.TDNetConfig())
        answers.append([method.step(frame).segmentation.logits for frame in frames])
    for wanted, result in zip(*answers, strict=True):
        assert (wanted - result).abs().max() < 1e-4 * wanted.abs().max()
