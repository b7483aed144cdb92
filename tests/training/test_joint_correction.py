"""GSVNet's correction and its flow, learned together."""

from pathlib import Path

import pytest
import torch
from torch import nn

import saccade
from saccade.classes import CAMVID
from saccade.errors import ConfigError
from saccade.methods.gsvnet import GSVNet
from saccade.networks.correction import GuidedCorrection, load_correction
from saccade.networks.flow import build_flow, load_flow
from saccade.networks.registry import network_info
from saccade.networks.weights import weights_info
from saccade.training import train
from saccade.training.joint_correction import JointWalk
from saccade.training.loop import make_optimiser
from saccade.training.recipe import TrainConfig

from .tiny import keyframes_recipe


def config(tmp_path: Path, *overrides: str) -> TrainConfig:
    return keyframes_recipe(
        tmp_path,
        "guided-correction",
        "keyframes.flow=light",
        "keyframes.distances=[1, 3]",
        "keyframes.learn_flow=true",
        "keyframes.flow_lr_factor=0.1",
        *overrides,
    )


def parts(legacy=False):
    """A correction and a flow that do something, without training."""
    torch.manual_seed(0)
    correction = GuidedCorrection(3, legacy=legacy)
    if not legacy:
        nn.init.normal_(correction.guide.last.weight, std=0.2)
    flow = build_flow("light", reduction=1)
    nn.init.normal_(flow.flow.weight, std=0.5)
    return nn.ModuleDict({"correction": correction, "optical_flow": flow})


def frozen_network():
    torch.manual_seed(1)
    return nn.Sequential(nn.AvgPool2d(4), nn.Conv2d(3, 3, 1)).eval()


@pytest.mark.parametrize(("path", "legacy"), [("composed", False), ("steps", False), ("steps", True)])
@torch.no_grad()
def test_a_walk_is_what_the_method_does(path, legacy):
    """Over four frames; scores and pictures are of one resolution here, as in training."""
    learned, network = parts(legacy).eval(), frozen_network()
    frames = torch.randn(1, 4, 3, 64, 96)
    method = GSVNet(
        network,
        saccade.GSVNetConfig(interval=9, path=path, legacy=legacy),
        learned["optical_flow"],
        learned["correction"],
    )
    for frame in frames.unbind(1):
        result = method.step(frame)
    walked = JointWalk(learned, network, path).eval()(frames)
    torch.testing.assert_close(walked, result.prediction.logits, rtol=1e-4, atol=1e-4)
    still = JointWalk(learned, network, path).eval()(frames[:, :1].expand(-1, 4, -1, -1, -1))
    assert (walked - still).abs().max() > 0.1


@pytest.mark.parametrize(
    ("path", "expected"), [("steps", [False, False, True, True]), ("composed", [True] * 4)]
)
def test_gradients_reach_the_flow_of_the_last_two_steps(path, expected):
    learned = parts()
    walk = JointWalk(learned, frozen_network(), path).train()
    flow, seen = learned["optical_flow"], []
    forward = flow.forward

    def noted(now, before):
        seen.append(flow.training and torch.is_grad_enabled())
        return forward(now, before)

    flow.forward = noted
    walk(torch.randn(2, 5, 3, 64, 96)).square().sum().backward()
    assert seen == expected
    assert all(p.grad is not None for p in walk.parameters())
    assert flow.flow.weight.grad.abs().sum() > 0
    assert flow.training
    assert not any(p.requires_grad for p in walk.__dict__["_frozen"].parameters())


def test_a_run_gives_the_correction_and_its_flow(tmp_path):
    recipe = config(
        tmp_path,
        "ema=0",
        "stages.0.epochs=3",
        "validation={dataset: world, split: val, options: {clips: 1, frames: 3, size: [64, 96]}}",
    )
    file = train(recipe)
    correction, flow = load_correction(file), load_flow(recipe.folder / "flow.safetensors")
    assert network_info(correction).class_set == CAMVID
    assert network_info(flow).name == "light"
    assert flow.reduction == load_flow("light").reduction
    assert not torch.equal(flow.flow.weight, load_flow("light").flow.weight)
    said = weights_info(file).metadata
    assert (said["flow"], said["path"]) == ("flow.safetensors", "composed")
    assert 0 <= float(said["validation_miou"]) <= 1
    network = saccade.load_network("swiftnet-rn18")
    method = GSVNet(
        network, saccade.GSVNetConfig(flow=str(recipe.folder / "flow.safetensors"), correction=str(file))
    )
    for _ in range(2):
        result = method.step(torch.zeros(1, 3, 64, 96))
    assert result.prediction.logits.shape == (1, 11, 16, 24)


def test_flow_learns_at_its_own_rate(tmp_path):
    learned = parts()
    optimiser = make_optimiser(learned, config(tmp_path))
    factors = {id(p): group["lr_factor"] for group in optimiser.param_groups for p in group["params"]}
    assert {factors[id(p)] for p in learned["optical_flow"].parameters()} == {0.1}
    assert {factors[id(p)] for p in learned["correction"].parameters()} == {1.0}


def test_what_cannot_be_trained(tmp_path):
    with pytest.raises(ConfigError, match="optical flow dis has no weights to train"):
        train(config(tmp_path, "keyframes.flow=dis"))
    with pytest.raises(ConfigError, match="learn_flow, of keyframes, is for guided-correction"):
        train(config(tmp_path, "network=accel-fusion"))
    with pytest.raises(ConfigError, match="path direct, of keyframes, are for an optical flow"):
        train(config(tmp_path, "keyframes.path=direct"))
