"""Deep Feature Flow on small networks and moving textures."""

import pytest
import torch
from torch import nn

import saccade
from saccade.errors import ConfigError, NetworkError
from saccade.methods.dff import DeepFeatureFlow, unexplained
from saccade.methods.keyframes import External
from saccade.networks import load_network
from saccade.networks.flow import FlowEstimator, build_flow
from saccade.networks.macs import count_macs

from .moving_textures import SIZE, Counted, video


@pytest.fixture(scope="module")
def swiftnet():
    torch.manual_seed(0)
    return load_network("swiftnet-rn18", weights=None, classes=4, width=24)


@pytest.fixture(scope="module")
def deeplab():
    torch.manual_seed(0)
    return load_network("deeplab-18", weights=None, classes=4)


def still_flownet(channels):
    flownet = build_flow("flownet-s", scale_channels=channels).eval()
    nn.init.zeros_(flownet.flow.weight)
    nn.init.zeros_(flownet.flow.bias)
    return flownet


@pytest.mark.parametrize(("cut", "channels"), [("res5", 2048), ("fc6", 1024)])
@pytest.mark.parametrize("path", ["steps", "direct"])
def test_frames_that_are_alike_and_zero_flow_give_the_networks_answer(deeplab, cut, channels, path):
    """Acceptance check of the specification; the scale map of a new network is one."""
    config = saccade.DeepFeatureFlowConfig(interval=4, cut=cut, path=path)
    method = DeepFeatureFlow(deeplab, config, still_flownet(channels))
    frame = next(video(1))
    with torch.no_grad():
        expected = deeplab(frame)
    for number in range(4):
        result = method.step(frame)
        assert result.keyframe.tolist() == [number == 0]
        torch.testing.assert_close(result.prediction.logits, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["swiftnet", "deeplab"])
def test_every_frame_a_key_frame_is_frame_by_frame(name, request):
    network = request.getfixturevalue(name)
    method = saccade.wrap(network, saccade.DeepFeatureFlowConfig(interval=1))
    for frame in video(3):
        result = method.step(frame)
        with torch.no_grad():
            torch.testing.assert_close(result.prediction.logits, network(frame), rtol=1e-4, atol=1e-4)
        assert result.keyframe.all()
        assert result.cost.total == result.cost.dense == count_macs(network, frame.shape)


def test_what_is_computed_on_which_frames():
    network = Counted()
    method = saccade.wrap(network, saccade.DeepFeatureFlowConfig(interval=3))
    keys = [bool(method.step(frame).keyframe) for frame in video(7)]
    assert keys == [True, False, False, True, False, False, True]
    assert network.frames == 3


def test_moved_logits_follow_the_picture_and_still_ones_do_not():
    """The network's answer, moved by 4 pixels a frame, is nearer to its answer than the key frame's."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.AvgPool2d(4), nn.Conv2d(3, 4, 1)).eval()
    for path in ("composed", "steps", "direct"):
        method = saccade.wrap(network, saccade.DeepFeatureFlowConfig(interval=9, path=path))
        frames = list(video(4))
        answers = [method.step(frame).prediction.logits for frame in frames]
        with torch.no_grad():
            dense = network(frames[3])
        inner = slice(3, -3)
        moved, still = (
            (logits - dense)[..., inner, 4:-2].abs().mean() for logits in (answers[3], answers[0])
        )
        assert moved < 0.3 * still


def test_direct_flow_is_from_the_key_frame_and_steps_from_the_frame_before():
    pairs = []

    class Zero(nn.Module):
        def forward(self, now, before):
            pairs.append((now[0, 0, 0, 0].item(), before[0, 0, 0, 0].item()))
            return torch.zeros(1, 2, 4, 4)

        def macs(self, shape):
            return 7.0

    steps, direct = [(1, 0), (2, 1)], [(1, 0), (2, 0)]
    # the size of composed flow is tried out on the first frame
    for path, expected in (("steps", steps), ("direct", direct), ("composed", [(0, 0), *steps])):
        pairs.clear()
        network = nn.Conv2d(3, 2, 4, stride=4)
        method = DeepFeatureFlow(network, saccade.DeepFeatureFlowConfig(interval=3, path=path), flow=Zero())
        costs = [method.step(torch.full((1, 3, 16, 16), float(t))).cost for t in range(3)]
        assert pairs == expected
        assert [cost.flow for cost in costs] == [0, 7, 7]
        assert [cost.network for cost in costs] == [16 * 96, 0, 0]


def test_composed_flow_reads_the_key_frame_once():
    """Half a pixel a frame: two steps blur twice, two flows put together move by a whole pixel."""

    class Half(FlowEstimator):
        def forward(self, now, before):
            return torch.tensor([0.5, 0.0]).view(1, 2, 1, 1).expand(len(now), 2, 6, 8)

    logits = {}
    frame = torch.randn(1, 3, 6, 8)
    for path in ("composed", "steps"):
        method = DeepFeatureFlow(
            nn.Identity(), saccade.DeepFeatureFlowConfig(interval=9, path=path), flow=Half()
        )
        logits[path] = [method.step(frame).prediction.logits for _ in range(3)][2]
    torch.testing.assert_close(logits["composed"][..., :-1], frame[..., 1:])
    inner = (frame[..., :-2] + 2 * frame[..., 1:-1] + frame[..., 2:]) / 4
    torch.testing.assert_close(logits["steps"][..., :-2], inner)


def test_the_head_alone_is_paid_for_on_other_frames(swiftnet):
    method = saccade.wrap(swiftnet, saccade.DeepFeatureFlowConfig(interval=2))
    first, second = (method.step(frame).cost for frame in video(2))
    assert first.network == first.dense
    assert second.network == 16 * 24 * 24 * 4  # a 1x1 convolution of 24 channels to 4 classes
    assert second.flow > 0
    assert second.dense == first.dense


def test_streams_run_as_they_would_alone(swiftnet):
    together = saccade.wrap(swiftnet, saccade.DeepFeatureFlowConfig(interval=3))
    alone = [saccade.wrap(swiftnet, saccade.DeepFeatureFlowConfig(interval=3)) for _ in range(2)]
    frames = list(video(5, streams=2))
    for number, pair in enumerate(frames):
        if number == 2:  # from here on their key frames are apart
            together.reset([1])
            alone[1].reset()
        result = together.step(pair)
        for row, method in enumerate(alone):
            own = method.step(pair[row : row + 1])
            assert result.keyframe[row] == own.keyframe[0]
            torch.testing.assert_close(
                result.prediction.logits[row : row + 1], own.prediction.logits, rtol=1e-3, atol=1e-3
            )
    together.drop([0])
    expected = alone[1].step(frames[0][1:]).prediction.logits
    torch.testing.assert_close(together.step(frames[0][1:]).prediction.logits, expected, rtol=1e-3, atol=1e-3)


def test_state_goes_on_where_it_was_taken(swiftnet):
    frames = list(video(5))
    whole, first, second = (
        saccade.wrap(swiftnet, saccade.DeepFeatureFlowConfig(interval=4)) for _ in range(3)
    )
    expected = [whole.step(frame) for frame in frames]
    for frame in frames[:2]:
        first.step(frame)
    second.set_state(first.get_state())
    for frame, wanted in zip(frames[2:], expected[2:], strict=True):
        result = second.step(frame)
        assert torch.equal(result.keyframe, wanted.keyframe)
        assert torch.equal(result.prediction.logits, wanted.prediction.logits)
    second.set_state({})
    assert second.step(frames[0]).keyframe.all()


def test_new_streams_sizes_and_schedules():
    method = saccade.wrap(Counted(), saccade.DeepFeatureFlowConfig(interval=9))
    one, two = (next(video(1, streams=n)) for n in (1, 2))
    assert method.step(one).keyframe.tolist() == [True]
    assert method.step(two).keyframe.tolist() == [False, True]
    assert method.step(two[..., :48]).keyframe.tolist() == [True, True]
    method.schedule = External({1})
    assert method.step(two[..., :48]).keyframe.tolist() == [True, True]
    assert method.step(two[..., :48]).keyframe.tolist() == [False, False]


def test_an_odd_size_in_bfloat16(deeplab):
    import copy

    network = copy.deepcopy(deeplab).bfloat16()
    method = saccade.wrap(network, saccade.DeepFeatureFlowConfig(interval=2))
    for frame in video(2):
        result = method.step(frame[:, :, :45, :70])
        assert result.prediction.logits.shape == (1, 4, 12, 18)
        assert result.prediction.logits.dtype == torch.bfloat16
        assert result.prediction.logits.isfinite().all()


def test_what_flow_does_not_explain():
    now, before = torch.full((1, 3, 8, 8), 2.0), torch.full((1, 3, 8, 8), 1.5)
    assert unexplained(now, before, torch.zeros(1, 2, 4, 4)).tolist() == [0.5]
    frames = list(video(2))
    right, wrong = (
        unexplained(frames[1], frames[0], torch.tensor([dx, 0.0]).view(1, 2, 1, 1).expand(1, 2, *SIZE))
        for dx in (-4.0, 4.0)
    )
    assert right < 0.3 * wrong


def test_the_adaptive_schedule_runs(swiftnet):
    method = saccade.wrap(swiftnet, saccade.DeepFeatureFlowConfig(interval=3, schedule="adaptive"))
    keys = [bool(method.step(frame).keyframe) for frame in video(7)]
    assert keys[0]
    assert 1 < sum(keys) <= 3


def test_what_cannot_work(swiftnet):
    with pytest.raises(ConfigError, match="give 1 or more"):
        saccade.DeepFeatureFlowConfig(interval=0)
    with pytest.raises(NetworkError, match="cannot be cut at 'res5'; it can at ladder, logits"):
        saccade.wrap(swiftnet, saccade.DeepFeatureFlowConfig(cut="res5"))
    with pytest.raises(ConfigError, match="use path direct"):
        DeepFeatureFlow(swiftnet, flow=still_flownet(24))
    with pytest.raises(NetworkError, match="no optical flow 'raft'"):
        saccade.wrap(swiftnet, saccade.DeepFeatureFlowConfig(flow="raft"))
