"""Accel on small networks and moving textures."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import saccade
from saccade.errors import ConfigError, NetworkError, WeightsError
from saccade.methods.accel import Accel
from saccade.methods.dff import DeepFeatureFlow
from saccade.networks import load_network, save_weights
from saccade.networks.flow import FlowEstimator
from saccade.networks.fusion import Fusion, load_fusion
from saccade.networks.macs import count_macs

from .moving_textures import SIZE, Counted, video


class Still(FlowEstimator):
    """No motion; counts its calls."""

    def __init__(self):
        super().__init__()
        self.calls = 0

    def forward(self, now, before):
        self.calls += 1
        return torch.zeros(len(now), 2, 4, 6)

    def macs(self, shape):
        return 7.0


@pytest.fixture(scope="module")
def deeplab():
    torch.manual_seed(0)
    return load_network("deeplab-18", weights=None, classes=4)


@pytest.fixture(scope="module")
def swiftnet():
    torch.manual_seed(1)
    return load_network("swiftnet-rn18", weights=None, classes=4, width=24)


def run(network, frames, *parts, **settings):
    """Logits of every frame."""
    method = Accel(network, saccade.AccelConfig(**settings), *parts)
    return [method.step(frame).prediction.logits for frame in frames]


def test_sizes_of_the_originals_fusions():
    assert sum(p.numel() for p in Fusion(19).parameters()) == 741
    assert sum(p.numel() for p in Fusion(2048).parameters()) == 8_390_656


def test_fusions_begin_as_a_mean_as_the_current_map_or_at_random():
    moved, current = torch.randn(2, 1, 5, 3, 4)
    torch.testing.assert_close(Fusion(5)(moved, current), (moved + current) / 2)
    torch.testing.assert_close(Fusion(5, share=0.0)(moved, current), current)
    torch.manual_seed(0)
    weight = Fusion(60, share=None).weight
    assert weight.std().item() == pytest.approx(0.01, rel=0.05)


def test_key_frames_and_calls_of_the_parts():
    """Acceptance check of the specification: in K frames the reference runs once, the flow K - 1 times."""
    reference, update, flow = Counted(), Counted(), Still()
    method = Accel(reference, saccade.AccelConfig(interval=5, update_scale=0.5), flow, update)
    results = [method.step(frame) for frame in video(5)]
    assert [bool(result.keyframe) for result in results] == [True, False, False, False, False]
    assert (reference.frames, update.frames) == (1, 4)
    assert flow.calls == 4 + 1  # one more to know the size of the flow
    small = count_macs(update, (1, 3, SIZE[0] // 2, SIZE[1] // 2))
    assert [result.cost.network for result in results[:2]] == [results[0].cost.dense, small]
    assert [result.cost.flow for result in results[:2]] == [0, 7]


def test_every_frame_a_key_frame_is_the_reference_network(deeplab, swiftnet):
    frames = list(video(3))
    for frame, logits in zip(frames, run(deeplab, frames, None, swiftnet, interval=1), strict=True):
        with torch.no_grad():
            torch.testing.assert_close(logits, deeplab(frame), rtol=1e-4, atol=1e-4)


def test_fused_features_begin_as_the_network_on_the_frame(deeplab):
    """Acceptance check of the specification, of Accel-101."""
    frames = list(video(3))
    for fusion in (None, Fusion(2048, share=0.0)):
        for frame, logits in zip(
            frames, run(deeplab, frames, None, None, fusion, fuse="features"), strict=True
        ):
            with torch.no_grad():
                torch.testing.assert_close(logits, deeplab(frame), rtol=1e-3, atol=1e-3)


def test_features_of_both_halves_reach_the_head(deeplab):
    frames = list(video(2))
    moved_alone = Fusion(2048, share=1.0)
    (_, fused), (_, dff) = (
        run(deeplab, frames, None, None, moved_alone, fuse="features"),
        run(deeplab, frames, fuse="reference"),
    )
    torch.testing.assert_close(fused, dff, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("trained", [False, True])
def test_scores_fused_at_full_resolution_are_those_fused_before_enlarging(deeplab, swiftnet, trained):
    """Acceptance check of the specification; ours fade nowhere, so the border agrees too."""
    torch.manual_seed(0)
    fusion = Fusion(4, share=None).eval() if trained else None
    frames = list(video(2))
    coarse, full = (
        run(deeplab, frames, None, swiftnet, fusion, fuse_at=where, update_scale=1.0)
        for where in ("logits", "full")
    )
    for few, many in zip(coarse, full, strict=True):
        assert many.shape == (1, 4, *SIZE)
        larger = F.interpolate(few, size=SIZE, mode="bilinear", align_corners=False)
        torch.testing.assert_close(larger, many, rtol=1e-4, atol=1e-4)


def test_modes_by_hand(deeplab, swiftnet):
    """Update alone, reference alone, and their mean."""
    frames = list(video(3))
    settings = {"update_scale": 0.5}
    update = run(deeplab, frames, None, swiftnet, fuse="update", **settings)
    reference = run(deeplab, frames, fuse="reference")
    fused = run(deeplab, frames, None, swiftnet, **settings)
    dff = DeepFeatureFlow(deeplab, saccade.DeepFeatureFlowConfig())
    for number, frame in enumerate(frames):
        torch.testing.assert_close(reference[number], dff.step(frame).prediction.logits)
        if number:
            with torch.no_grad():
                small = swiftnet(F.avg_pool2d(frame, 2))
            enlarged = F.interpolate(small, size=(16, 24), mode="bilinear", align_corners=False)
            torch.testing.assert_close(update[number], enlarged, rtol=1e-4, atol=1e-4)
            expected = (enlarged + reference[number]) / 2
            torch.testing.assert_close(fused[number], expected, rtol=1e-3, atol=1e-3)


def test_without_another_update_network_it_is_the_same_one_on_smaller_frames(swiftnet):
    frames = list(video(2))
    (_, update), (_, other) = (
        run(swiftnet, frames, fuse="update"),
        run(swiftnet, frames, None, swiftnet, fuse="update"),
    )
    assert torch.equal(update, other)
    method = saccade.wrap(swiftnet, saccade.AccelConfig())
    own = sum(p.numel() for p in swiftnet.parameters())
    assert sum(p.numel() for p in method.parameters()) == own


def test_streams_and_an_adaptive_schedule(swiftnet):
    for fuse in ("scores", "features", "update"):
        together = Accel(swiftnet, saccade.AccelConfig(interval=3, fuse=fuse))
        alone = [Accel(swiftnet, saccade.AccelConfig(interval=3, fuse=fuse)) for _ in range(2)]
        for number, pair in enumerate(video(4, streams=2)):
            if number == 2:
                together.reset([1])
                alone[1].reset()
            logits = together.step(pair).prediction.logits
            for row, method in enumerate(alone):
                own = method.step(pair[row : row + 1]).prediction.logits
                torch.testing.assert_close(logits[row : row + 1], own, rtol=1e-3, atol=1e-3)
    adaptive = Accel(swiftnet, saccade.AccelConfig(interval=3, schedule="adaptive"))
    assert 1 < sum(bool(adaptive.step(frame).keyframe) for frame in video(7)) <= 3


def test_fusions_from_files(tmp_path, swiftnet):
    torch.manual_seed(0)
    fusion, file = Fusion(4, share=None).eval(), tmp_path / "fusion.safetensors"
    save_weights(file, fusion)
    assert torch.equal(load_fusion(file).weight, fusion.weight)
    frames = list(video(2))
    given, loaded = (
        run(swiftnet, frames, None, None, fusion)[1],
        run(swiftnet, frames, fusion=str(file))[1],
    )
    torch.testing.assert_close(given, loaded)


def test_what_cannot_work(swiftnet):
    frames = list(video(2))
    with pytest.raises(ConfigError, match="of one network only"):
        saccade.AccelConfig(fuse="features", update="swiftnet-rn18")
    with pytest.raises(NetworkError, match="scores 5 classes, the reference network 4"):
        run(swiftnet, frames, None, nn.Conv2d(3, 5, 4, stride=4))
    with pytest.raises(WeightsError, match="for 5 channels, these maps have 4"):
        run(swiftnet, frames, None, None, Fusion(5))
    with pytest.raises(WeightsError, match="not of a fusion"):
        load_fusion("swiftnet-rn18-street")
    street = load_network("swiftnet-rn18")
    with pytest.raises(NetworkError, match="tells apart the classes of cityscapes"):
        saccade.wrap(street, saccade.AccelConfig(update="deeplab-18"))
