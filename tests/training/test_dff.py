"""Training of flow for Deep Feature Flow: pairs, the way of features, scale map, also of the network."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import saccade
from saccade.classes import CAMVID
from saccade.errors import ConfigError
from saccade.methods.dff import DeepFeatureFlow
from saccade.networks import load_network
from saccade.networks.flow import FlowEstimator, build_flow, load_flow
from saccade.networks.registry import network_info
from saccade.networks.weights import weights_info
from saccade.training import train
from saccade.training.dff import FeatureFlowTask, Pair
from saccade.training.pairs import Pairs
from saccade.training.recipe import TrainConfig
from saccade.training.shown_clips import ShownClips
from saccade.video.frame import normalise

from .tiny import keyframes_recipe

CPU = torch.device("cpu")


def config(tmp_path: Path, *overrides: str) -> TrainConfig:
    return keyframes_recipe(tmp_path, "light", "options={reduction: 2}", *overrides)


def numbered(images):
    """In the place of answers, the frames themselves in small."""
    return F.avg_pool2d(torch.stack(list(images)).float(), 4)


@pytest.mark.parametrize("path", ["composed", "direct"])
def test_pairs_are_frames_in_order_and_the_answer_to_the_last(tmp_path, path):
    recipe = config(
        tmp_path, f"keyframes.path={path}", "keyframes.distances=[0, 1, 3]", "keyframes.learn_network=true"
    )
    shown = ShownClips(recipe, numbered, CAMVID, 3)
    stage = recipe.stages[0]
    assert shown.of(stage) == [0, 1]
    images = shown.frame(0)[0].images.float()
    found = set()
    for epoch in range(16):
        pairs = Pairs(shown, stage, recipe, epoch)
        for position in range(2):
            last, distance = 3 + pairs.order[position], int(pairs.distances[position // 2])
            frames, target = pairs[position]
            mirror = not torch.equal(frames[-1], images[last])
            frames = frames.flip(-1) if mirror else frames
            between = [last - distance, last] if path == "direct" else range(last - distance, last + 1)
            assert torch.equal(frames, images[sorted(set(between))])
            answer = F.interpolate(numbered([images[last]]).half().float(), size=(64, 96), mode="bilinear")[0]
            torch.testing.assert_close(target[1:].flip(-1) if mirror else target[1:], answer)
            found.add((distance, mirror))
    assert {distance for distance, _ in found} == {0, 1, 3}
    assert {mirror for _, mirror in found} == {True, False}


class Columns(FlowEstimator):
    """One number that learns: how far everything moved along x, in parts of the frame."""

    def __init__(self) -> None:
        super().__init__()
        self.share = nn.Parameter(torch.tensor(0.05))

    def forward(self, now, before):
        height, width = now.shape[2] // 2, now.shape[3] // 2
        dx = (self.share * width).expand(len(now), 1, height, width)
        return torch.cat((dx, torch.zeros_like(dx)), 1)


@pytest.mark.parametrize("cut", ["ladder", "logits"])
@pytest.mark.parametrize("path", ["composed", "steps", "direct"])
@torch.no_grad()
def test_a_pair_is_what_the_method_does(path, cut):
    """Over four frames with an untrained flow network: logits of the last one."""
    torch.manual_seed(0)
    network = load_network("swiftnet-rn18", weights="swiftnet-rn18-street").eval()
    flow = build_flow("light", reduction=1).eval()
    nn.init.normal_(flow.flow.weight, std=0.5)
    frames = torch.randn(1, 4, 3, 64, 96)
    config = saccade.DeepFeatureFlowConfig(interval=9, path=path, cut=cut)
    method = DeepFeatureFlow(network, config, flow=flow)
    for frame in frames.unbind(1):
        result = method.step(frame)
    pair = Pair(nn.ModuleDict({"optical_flow": flow}), network, cut, path).eval()
    shown = frames[:, ::3] if path == "direct" else frames
    moved = pair(shown)
    torch.testing.assert_close(moved, result.prediction.logits, rtol=1e-4, atol=1e-4)
    still = pair(frames[:, :1])
    torch.testing.assert_close(still, network(frames[:, 0]), rtol=1e-4, atol=1e-4)
    assert (moved - still).abs().max() > 0.1  # flow does something


@torch.no_grad()
def test_a_pair_with_a_scale_map_is_what_the_method_does():
    torch.manual_seed(0)
    network = load_network("swiftnet-rn18", weights="swiftnet-rn18-street").eval()
    flow = build_flow("flownet-s", scale_channels=128).eval()
    nn.init.normal_(flow.scale.weight, std=0.05)
    frames = torch.randn(1, 3, 3, 64, 128)
    for path, shown in (("direct", frames[:, ::2]), ("steps", frames)):
        method = DeepFeatureFlow(network, saccade.DeepFeatureFlowConfig(interval=9, path=path), flow=flow)
        for frame in frames.unbind(1):
            result = method.step(frame)
        moved = Pair(nn.ModuleDict({"optical_flow": flow}), network, "ladder", path).eval()(shown)
        torch.testing.assert_close(moved, result.prediction.logits, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("path", ["composed", "steps", "direct"])
def test_gradients_find_the_motion(path):
    """Key frames that move by 8 of 96 pixels a frame: flow that begins at 0.05 of the width learns 0.083."""
    torch.manual_seed(0)
    wide = F.interpolate(torch.randn(2, 3, 3, 5), size=(64, 128), mode="bicubic")
    frames = torch.stack([wide[..., 8 * t : 8 * t + 96] for t in range(3)], 1)
    frames = frames[:, ::2] if path == "direct" else frames
    network = nn.Sequential(nn.AvgPool2d(4), nn.Conv2d(3, 4, 1)).eval()
    flow = Columns()
    pair = Pair(nn.ModuleDict({"optical_flow": flow}), network, "logits", path).train()
    answer = network(frames[:, -1]).detach()
    optimiser = torch.optim.Adam(flow.parameters(), lr=0.01)
    for _ in range(120):
        optimiser.zero_grad()
        inside = (pair(frames) - answer)[..., :18]  # what comes in at the right is nowhere in the key frame
        inside.abs().mean().backward()
        optimiser.step()
    steps = 2 if path == "direct" else 1
    assert flow.share.item() == pytest.approx(steps * 8 / 96, abs=0.01)
    assert all(not parameter.requires_grad for parameter in network.parameters())


def test_a_run_teaches_the_flow_alone(tmp_path):
    recipe = config(
        tmp_path, "validation={dataset: world, split: val, options: {clips: 1, frames: 3, size: [64, 96]}}"
    )
    file = train(recipe)
    trained = load_flow(file)
    assert trained.reduction == 2
    assert network_info(trained).name == "light"
    said = weights_info(file).metadata
    assert (said["keyframe_weights"], said["path"], said["cut"]) == (
        "swiftnet-rn18-street",
        "composed",
        "ladder",
    )
    assert 0 <= float(said["validation_miou"]) <= 1
    assert weights_info(file).classes == ()
    assert not (recipe.folder / "network.safetensors").exists()


def test_training_lowers_the_loss(tmp_path):
    recipe = config(tmp_path, "stages.0.epochs=16", "lr=0.01", "keyframes.distances=[2]")
    train(recipe)
    rows = (recipe.folder / "log.csv").read_text().splitlines()[1:]
    losses = [float(row.split(",")[2]) for row in rows]
    assert sum(losses[-4:]) < 0.9 * sum(losses[:4])


def test_the_network_learns_along_but_for_its_batch_norm(tmp_path):
    recipe = config(
        tmp_path, "keyframes.learn_network=true", "keyframes.distances=[0, 2]", "ema=0", "stages.0.epochs=3"
    )
    train(recipe)
    trained = load_network(recipe.folder / "network.safetensors")
    assert trained.info.class_set == CAMVID
    before = load_network("swiftnet-rn18", weights="swiftnet-rn18-street").state_dict()
    norms = {
        f"{name}.{key}"
        for name, module in trained.named_modules()
        if isinstance(module, nn.BatchNorm2d)
        for key in module.state_dict()
    }
    for name, value in trained.state_dict().items():
        assert torch.equal(value, before[name]) == (name in norms), name
    assert load_flow(recipe.folder / "weights.safetensors").reduction == 2


def test_the_scale_map_learns_and_its_bias_stays_one(tmp_path):
    task = FeatureFlowTask(
        config(tmp_path, "network=flownet-s", "options={scale_channels: 128}", "keyframes.path=direct"), CPU
    )
    network = task.network(task._config).requires_grad_(True)
    pair = task.learner(network).train()
    pair(normalise(torch.rand(1, 2, 3, 64, 96).mul(255).flatten(0, 1))[None]).sum().backward()
    scale = network["optical_flow"].scale
    assert scale.weight.grad.abs().sum() > 0
    assert scale.bias.grad is None
    assert all(
        p.grad is not None for name, p in network.named_parameters() if name != "optical_flow.scale.bias"
    )


def test_what_cannot_be_trained(tmp_path):
    scale = ("network=flownet-s", "options={scale_channels: 64}")
    with pytest.raises(ConfigError, match="features at ladder have 128; set"):
        train(config(tmp_path, *scale, "keyframes.path=direct"))
    with pytest.raises(ConfigError, match="a scale map belongs to one flow"):
        train(config(tmp_path, *scale))
    with pytest.raises(ConfigError, match="optical flow dis has no weights to train"):
        train(config(tmp_path, "network=dis", "options={}"))
    with pytest.raises(ConfigError, match="distances must be at least 1"):
        config(tmp_path, "keyframes.distances=[0, 1]")
    with pytest.raises(ConfigError, match="are for an optical flow as network"):
        train(config(tmp_path, "network=guided-correction", "options={}", "keyframes.path=direct"))
    with pytest.raises(ConfigError, match=r"crop of \[64, 96\] does not fit"):
        train(config(tmp_path, "stages.0.scale=[0.5, 1]"))
