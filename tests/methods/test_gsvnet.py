"""GSVNet on small networks and moving textures."""

import copy

import pytest
import torch
from torch import nn

import saccade
from saccade.errors import ConfigError, WeightsError
from saccade.methods.gsvnet import GSVNet
from saccade.methods.keyframes import External
from saccade.networks import load_network, save_weights
from saccade.networks.correction import GuidedCorrection
from saccade.networks.flow import FlowEstimator, build_flow, warp
from saccade.networks.macs import count_macs

from .moving_textures import SIZE, Counted, video

CONFIGS = [
    saccade.GSVNetConfig(),
    saccade.GSVNetConfig(path="steps"),
    saccade.GSVNetConfig(legacy=True),
]


class Shift(FlowEstimator):
    """The same flow everywhere, at an eighth of the frame."""

    def __init__(self, dx=0.0):
        super().__init__()
        self.dx = dx

    def forward(self, now, before):
        height, width = (side // 8 for side in now.shape[2:])
        return torch.tensor([self.dx / 8, 0.0]).view(1, 2, 1, 1).expand(len(now), 2, height, width)

    def macs(self, shape):
        return 7.0 * shape[0]


def trained_a_little(legacy=False, seed=0):
    """A correction that changes scores."""
    torch.manual_seed(seed)
    correction = GuidedCorrection(4, legacy=legacy)
    for module in correction.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.bias, std=0.5)
    if not legacy:
        nn.init.normal_(correction.guide.last.weight, std=0.2)
    return correction.eval()


def method(config=CONFIGS[0], flow=None, correction=None, network=None):
    torch.manual_seed(0)
    return GSVNet(network or Counted(), config, flow, correction)


@pytest.mark.parametrize("config", CONFIGS)
def test_what_is_computed_on_which_frames(config):
    network = Counted()
    runs = method(config, Shift(), trained_a_little(config.legacy), network)
    results = [runs.step(frame) for frame in video(7)]
    assert [bool(result.keyframe) for result in results] == [True, False, False, True, False, False, True]
    assert network.frames == 3
    dense = count_macs(network, (1, 3, *SIZE))
    assert [result.cost.dense for result in results] == [dense] * 7
    assert results[0].cost.network == dense
    grid = (8, 12) if config.legacy else (16, 24)
    shapes = (1, 3, *grid), (1, 4, *grid), (1, 1, *grid)
    assert results[1].cost.network == count_macs(runs.correction, *shapes)
    assert [result.cost.flow for result in results[:2]] == [0, 7]


@pytest.mark.parametrize("config", CONFIGS)
def test_frames_that_are_alike_and_zero_flow_give_the_key_frames_answer_without_correction(config):
    runs = method(config, Shift())
    frame = next(video(1))
    first, *others = (runs.step(frame).prediction.logits for _ in range(3))
    assert first.shape == ((1, 4, 8, 12) if config.legacy else (1, 4, 16, 24))
    for logits in others:
        torch.testing.assert_close(logits, first)


def test_key_frames_are_at_full_resolution_by_default():
    network = Counted()
    frame = next(video(1))
    with torch.no_grad():
        expected = network(frame)
    torch.testing.assert_close(method(network=network).step(frame).prediction.logits, expected)
    smaller = method(saccade.GSVNetConfig(keyframe_scale=0.75), network=network).step(frame)
    assert smaller.prediction.logits.shape == (1, 4, 12, 18)
    assert smaller.cost.network == count_macs(network, (1, 3, 48, 72))
    assert smaller.cost.dense == count_macs(network, (1, 3, *SIZE))


def test_steps_move_and_correct_the_last_answer_and_composed_flow_the_key_frames():
    """The recurrence of section 3.1 of the specification, written out; flow is 4 pixels, 1 of the scores."""
    frames = list(video(3))
    flow = torch.tensor([1.0, 0.0]).view(1, 2, 1, 1).expand(1, 2, 16, 24)
    correction = trained_a_little()
    pictures = [nn.functional.avg_pool2d(frame, 4) for frame in frames]
    network = Counted()

    def difference(now, before, flow):
        return (now - warp(before, flow, "border")).abs().mean(1, keepdim=True)

    with torch.no_grad():
        key = network(frames[0])
        one = correction(pictures[1], warp(key, flow, "border"), difference(pictures[1], pictures[0], flow))
        steps = correction(pictures[2], warp(one, flow, "border"), difference(pictures[2], pictures[1], flow))
        far = difference(pictures[2], pictures[0], 2 * flow)
        twice = correction(pictures[2], warp(key, 2 * flow, "border"), far)
    for path, last in (("steps", steps), ("composed", twice)):
        runs = method(saccade.GSVNetConfig(path=path), Shift(4.0), correction, network)
        answers = [runs.step(frame).prediction.logits for frame in frames]
        for answer, expected in zip(answers, (key, one, last), strict=True):
            torch.testing.assert_close(answer, expected, rtol=1e-4, atol=1e-4)


def test_moved_scores_follow_the_picture():
    torch.manual_seed(0)
    network = nn.Sequential(nn.AvgPool2d(4), nn.Conv2d(3, 4, 1)).eval()
    for path in ("composed", "steps"):
        runs = method(saccade.GSVNetConfig(interval=9, path=path), network=network)
        frames = list(video(4))
        answers = [runs.step(frame).prediction.logits for frame in frames]
        with torch.no_grad():
            dense = network(frames[3])
        inner = slice(3, -3)
        moved, still = (
            (logits - dense)[..., inner, 4:-2].abs().mean() for logits in (answers[3], answers[0])
        )
        assert moved < 0.3 * still


def test_from_beyond_the_frame_come_scores_of_its_edge_and_with_legacy_zeros():
    network, frame = Counted(), next(video(1))
    for legacy, grid in ((False, (16, 24)), (True, (8, 12))):
        runs = method(saccade.GSVNetConfig(legacy=legacy), Shift(8.0 * 64), network=network)
        key, other = (runs.step(frame).prediction.logits for _ in range(2))
        assert other.shape[2:] == grid
        expected = torch.zeros_like(key) if legacy else key[..., -1:].expand_as(key)
        torch.testing.assert_close(other, expected)


@pytest.mark.parametrize("config", CONFIGS)
def test_streams_run_as_they_would_alone(config):
    network, correction = Counted(), trained_a_little(config.legacy)
    together, *alone = (
        method(config, None, copy.deepcopy(correction), copy.deepcopy(network)) for _ in range(3)
    )
    frames = list(video(5, streams=2))
    for number, pair in enumerate(frames):
        if number == 2:  # from here on their key frames are apart
            together.reset([1])
            alone[1].reset()
        result = together.step(pair)
        for row, each in enumerate(alone):
            own = each.step(pair[row : row + 1])
            assert result.keyframe[row] == own.keyframe[0]
            logits = result.prediction.logits[row : row + 1]
            torch.testing.assert_close(logits, own.prediction.logits, rtol=1e-3, atol=1e-3)
    together.drop([0])
    expected = alone[1].step(frames[0][1:]).prediction.logits
    torch.testing.assert_close(together.step(frames[0][1:]).prediction.logits, expected, rtol=1e-3, atol=1e-3)


def test_state_goes_on_where_it_was_taken():
    network, correction = Counted(), trained_a_little()
    whole, first, second = (
        method(saccade.GSVNetConfig(interval=4), None, correction, network) for _ in range(3)
    )
    frames = list(video(5))
    expected = [whole.step(frame) for frame in frames]
    for frame in frames[:2]:
        first.step(frame)
    second.set_state(first.get_state())
    for frame, wanted in zip(frames[2:], expected[2:], strict=True):
        result = second.step(frame)
        assert torch.equal(result.keyframe, wanted.keyframe)
        assert torch.equal(result.prediction.logits, wanted.prediction.logits)


def test_key_frames_chosen_from_outside_and_adaptive_ones():
    runs = method()
    runs.schedule = External({2})
    assert [bool(runs.step(frame).keyframe) for frame in video(4)] == [True, False, True, False]
    adaptive = method(saccade.GSVNetConfig(schedule="adaptive"))
    keys = [bool(adaptive.step(frame).keyframe) for frame in video(7)]
    assert keys[0]
    assert 1 < sum(keys) <= 3


def test_bisenet_an_odd_size_and_bfloat16():
    torch.manual_seed(0)
    network = load_network("bisenet-r18", weights=None, classes=4).bfloat16()
    for config in CONFIGS:
        runs = method(config, build_flow("light"), trained_a_little(config.legacy), network)
        for frame in video(2):
            logits = runs.step(frame[:, :, :45, :70]).prediction.logits
            assert logits.shape == (1, 4, 6, 9)
            assert logits.dtype == torch.bfloat16
            assert logits.isfinite().all()


def test_without_a_shipped_correction_scores_are_moved_and_the_run_says_so():
    runs = method()
    assert runs.correction is None
    assert "not corrected" in runs.notes[0]
    assert method(saccade.GSVNetConfig(correction="none")).notes == []


def test_corrections_from_files(tmp_path):
    file = tmp_path / "correction.safetensors"
    correction = trained_a_little()
    save_weights(file, correction)
    runs = method(saccade.GSVNetConfig(correction=str(file)), Shift())
    assert runs.notes == []
    expected = method(flow=Shift(), correction=correction)
    for frame in video(2):
        logits = runs.step(frame).prediction.logits
        torch.testing.assert_close(logits, expected.step(frame).prediction.logits)
    with pytest.raises(WeightsError, match="our form; set legacy to False"):
        method(saccade.GSVNetConfig(correction=str(file), legacy=True))
    with pytest.raises(WeightsError, match="neither a file nor shipped"):
        method(saccade.GSVNetConfig(correction="absent"))


def test_what_cannot_work():
    with pytest.raises(ConfigError, match="give 1 or more"):
        saccade.GSVNetConfig(interval=0)
    with pytest.raises(ConfigError, match="above 0 and at most 1"):
        saccade.GSVNetConfig(keyframe_scale=0)
