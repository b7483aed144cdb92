"""Training of corrections: clips with answers, ways through them, the loss, a run."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import saccade
from saccade.classes import CAMVID, IGNORE
from saccade.errors import ConfigError, DatasetError
from saccade.methods.gsvnet import GSVNet, unlike
from saccade.networks.correction import GuidedCorrection, load_correction
from saccade.networks.flow import FlowEstimator, load_flow, warp
from saccade.networks.fusion import Fusion, load_fusion
from saccade.networks.registry import network_info
from saccade.networks.weights import weights_info
from saccade.training import load_recipe, train
from saccade.training.correction import Walk
from saccade.training.fusion import FusedWalk
from saccade.training.keyframe_data import AnsweredClip, Walks, answered
from saccade.training.losses import distillation
from saccade.training.moving import moving_clip
from saccade.training.recipe import TrainConfig
from saccade.video.frame import normalise

from .tiny import keyframes_recipe

RECIPES = Path(__file__).parents[2] / "recipes" / "keyframes"


def picture(height=64, width=96, seed=0):
    random = torch.Generator().manual_seed(seed)
    coarse = 127 + 60 * torch.randn(1, 3, 6, 8, generator=random)
    return F.interpolate(coarse, size=(height, width), mode="bicubic").clamp(0, 255).to(torch.uint8)[0]


def test_stills_become_clips_whose_labels_move_along():
    """A label that is a function of the colour stays that function in every frame."""
    image = picture()
    label = (image[0] > 127).to(torch.uint8)
    frames, labels = moving_clip(image, label, 5, torch.Generator().manual_seed(3))
    assert frames.shape == (5, 3, 64, 96)
    assert labels.shape == (5, 64, 96)
    seen = labels != IGNORE
    sure = seen & ((frames[:, 0].float() - 127).abs() > 15)
    assert sure.float().mean() > 0.5
    assert ((frames[:, 0] > 127) == (labels == 1))[sure].float().mean() > 0.99


def test_the_camera_moves_as_much_in_every_frame():
    flow = load_flow("dis")
    image = picture(96, 128)
    frames, _ = moving_clip(image, image[0], 4, torch.Generator().manual_seed(1))
    frames = normalise(frames)
    steps = [flow(frames[t : t + 1], frames[t - 1 : t])[0, :, 20:-20, 20:-20] for t in (1, 2, 3)]
    for step in steps:
        assert step.abs().mean() > 0.1
        assert (step - steps[1]).abs().mean() < 0.5 * max(1.0, steps[1].abs().mean())


class Right(FlowEstimator):
    """Everything came from 4 pixels further right, at every frame."""

    def forward(self, now, before):
        return torch.tensor([4.0, 0.0]).view(1, 2, 1, 1).expand(1, 2, *now.shape[2:])


def stripes(frames=4):
    """Columns whose number is their colour, that move to the left by 4 pixels a frame."""
    wide = torch.arange(160, dtype=torch.uint8).expand(3, 32, 160)
    return [wide[:, :, 4 * t : 4 * t + 64].contiguous() for t in range(frames)]


def test_answers_and_composed_flow_of_a_clip():
    images = stripes()
    labels = [image[0] // 16 for image in images]
    network = nn.Sequential(nn.AvgPool2d(4), nn.Conv2d(3, 2, 1)).eval()
    clip = answered(images, labels, network, Right(), 2)
    assert clip.pictures.shape == (4, 3, 8, 16)
    torch.testing.assert_close(clip.pictures[1, 0, 0].float(), 4 + 4 * torch.arange(16.0) + 1.5)
    with torch.no_grad():
        expected = network(normalise(images[2][None]))
    torch.testing.assert_close(clip.scores[2:3].float(), expected, rtol=1e-2, atol=1e-2)
    # 4 pixels are one of the map; two frames are two
    assert torch.equal(clip.flows[1:, 0], torch.tensor([1.0, 0]).view(1, 2, 1, 1).expand(3, 2, 8, 16).half())
    assert torch.equal(clip.flows[2:, 1], torch.tensor([2.0, 0]).view(1, 2, 1, 1).expand(2, 2, 8, 16).half())
    assert not clip.flows[0].any()
    assert not clip.flows[1, 1].any()
    assert clip.labels.shape == (4, 8, 16)


def config(tmp_path: Path, *overrides: str) -> TrainConfig:
    return keyframes_recipe(tmp_path, "guided-correction", *overrides)


class Few:
    """As AnsweredClips, of one clip of eight frames."""

    def __init__(self):
        random = torch.Generator().manual_seed(0)
        self.clip = AnsweredClip(
            torch.full((8, 3, 4, 6), 100.0).half(),
            torch.randn(8, 5, 4, 6, generator=random).half(),
            torch.randn(8, 3, 2, 4, 6, generator=random).half(),
            torch.randint(5, (8, 4, 6), generator=random, dtype=torch.uint8),
        )

    def of(self, stage):
        return list(range(1, 8))

    def frame(self, index):
        return self.clip, index


@pytest.mark.parametrize("path", ["composed", "steps"])
def test_ways_from_a_key_frame(tmp_path, path):
    recipe = config(tmp_path, f"keyframes.path={path}", "keyframes.distances=[1, 2, 3]", "stages.0.colour=0")
    few = Few()
    lengths = set()
    for epoch in range(4):
        walks = Walks(few, recipe.stages[0], recipe, epoch)
        for position in range(len(walks)):
            way, target = walks[position]
            distance = int(walks.distances[position // 2])
            last = max(walks.order[position], distance)
            assert len(way) == (2 if path == "composed" else distance + 1)
            flipped = not torch.equal(target[1:], few.clip.scores[last].float())
            way, target = (x.flip(-1) if flipped else x for x in (way, target))
            sign = torch.tensor([-1.0 if flipped else 1.0, 1.0]).view(2, 1, 1)
            assert torch.equal(target[0], few.clip.labels[last].float())
            assert torch.equal(target[1:], few.clip.scores[last].float())
            assert torch.equal(way[0, 5:], few.clip.scores[last - distance].float())
            assert not way[1:, 5:].any()
            assert not way[0, 3:5].any()
            back = distance if path == "composed" else 1
            for step, frame in enumerate(range(last - distance + back, last + 1, back), start=1):
                assert torch.equal(way[step, 3:5] * sign, few.clip.flows[frame, back - 1].float())
            lengths.add(distance)
            # all of a batch are alike
            assert len(walks[position // 2 * 2][0]) == len(way)
    assert lengths == {1, 2, 3}


def test_distillation_by_hand():
    logits, answers = torch.zeros(1, 2, 1, 1), torch.tensor([math.log(3.0), 0.0]).view(1, 2, 1, 1)
    # p = (3/4, 1/4) against (1/2, 1/2), a mean over two classes
    expected = (0.75 * math.log(1.5) + 0.25 * math.log(0.5)) / 2
    assert distillation(logits, answers).item() == pytest.approx(expected, rel=1e-5)
    assert distillation(answers, answers).item() == pytest.approx(0, abs=1e-7)


def test_gradients_go_through_the_last_two_steps():
    torch.manual_seed(0)
    walk = Walk(GuidedCorrection(3)).train()
    trained = []
    step = walk._step

    def noted(*inputs):
        trained.append((walk.correction.training, torch.is_grad_enabled()))
        return step(*inputs)

    walk._step = noted
    scores = torch.randn(2, 3, 8, 12, requires_grad=True)
    walk(torch.randn(2, 5, 3, 8, 12), torch.zeros(2, 4, 2, 8, 12), scores).sum().backward()
    assert trained == [(False, False), (False, False), (True, True), (True, True)]
    assert scores.grad is None
    assert all(p.grad is not None for p in walk.parameters())
    assert walk.correction.training


def test_a_walk_is_what_the_method_does():
    """Steps of the method with the same flow, pictures and scores."""
    torch.manual_seed(0)
    correction = GuidedCorrection(2).eval()
    nn.init.normal_(correction.guide.last.weight, std=0.2)
    network = nn.Sequential(nn.AvgPool2d(4), nn.Conv2d(3, 2, 1)).eval()
    images = stripes(3)
    clip = answered(images, [image[0] for image in images], network, Right(), 2)
    pictures = normalise(clip.pictures.float())[None]
    for path in ("steps", "composed"):
        method = GSVNet(network, saccade.GSVNetConfig(interval=9, path=path), Right(), correction)
        results = [method.step(normalise(image[None])).prediction.logits for image in images]
        key = clip.scores[:1].float()
        if path == "steps":
            walked = Walk(correction).eval()(pictures, clip.flows[None, 1:, 0].float(), key)
        else:
            walked = Walk(correction).eval()(pictures[:, ::2], clip.flows[None, 2:, 1].float(), key)
        torch.testing.assert_close(walked, results[2], rtol=2e-2, atol=2e-2)
        moved = warp(key, clip.flows[2:, 1].float(), "border")
        assert (walked - moved).abs().max() > 0.05  # the correction does something


def test_surprise_is_the_mean_over_colours():
    now, before = torch.full((1, 3, 4, 4), 2.0), torch.zeros(1, 3, 4, 4)
    before[:, 0] = 0.5
    difference = unlike(now, before, torch.zeros(1, 2, 4, 4))
    assert difference.shape == (1, 1, 4, 4)
    assert difference.unique().tolist() == pytest.approx([(1.5 + 2 + 2) / 3])


def test_a_run_gives_weights_that_say_what_they_were_trained_with(tmp_path):
    recipe = config(
        tmp_path,
        "validation={dataset: world, split: val, options: {clips: 1, frames: 3, size: [64, 96]}}",
        "loss.class_weights=softened",
    )
    file = train(recipe)
    trained = load_correction(file)
    assert network_info(trained).class_set == CAMVID
    said = weights_info(file).metadata
    assert (said["keyframe_weights"], said["flow"], said["path"]) == (
        "swiftnet-rn18-street",
        "dis",
        "composed",
    )
    with (recipe.folder / "log.csv").open() as log:
        rows = list(csv.DictReader(log))
    assert 0 <= float(rows[-1]["validation_miou"]) <= 1
    assert float(rows[-1]["validation_miou"]) == pytest.approx(float(said["validation_miou"]), abs=1e-4)


def test_a_fusion_learns_from_the_frame_reduced(tmp_path):
    recipe = config(tmp_path, "network=accel-fusion", "stages.0.epochs=3", "lr=0.05")
    file = train(recipe)
    fusion = load_fusion(file)
    assert network_info(fusion).class_set == CAMVID
    assert weights_info(file).metadata["update_scale"] == "0.75"
    assert weights_info(file).metadata["update"] == ""
    assert not torch.equal(fusion.weight, Fusion(11).weight)
    walk = FusedWalk(fusion)
    key, current = torch.randn(2, 1, 11, 4, 6)
    flows = torch.tensor([1.0, 0.0]).view(1, 1, 2, 1, 1).expand(1, 2, 2, 4, 6)  # two steps of a pixel
    moved = F.pad(key, (0, 2))[..., 2:]
    torch.testing.assert_close(walk(flows, key, current), fusion(moved, current))


def test_updates_are_what_the_network_says_of_smaller_frames():
    images = stripes(2)
    network = nn.Conv2d(3, 2, 4, stride=4)
    clip = answered(images, [image[0] for image in images], network, Right(), 1, update_scale=0.5)
    with torch.no_grad():
        small = network(F.avg_pool2d(normalise(torch.stack(images)), 2))
    expected = F.interpolate(small, size=(8, 16), mode="bilinear", align_corners=False)
    torch.testing.assert_close(clip.updates.float(), expected, rtol=1e-2, atol=1e-2)
    other = nn.Conv2d(3, 2, 4, stride=4)
    clip = answered(
        images, [image[0] for image in images], network, Right(), 1, update_scale=0.5, update=other
    )
    with torch.no_grad():
        small = other(F.avg_pool2d(normalise(torch.stack(images)), 2))
    expected = F.interpolate(small, size=(8, 16), mode="bilinear", align_corners=False)
    torch.testing.assert_close(clip.updates.float(), expected, rtol=1e-2, atol=1e-2)


def test_training_lowers_the_loss(tmp_path):
    for path in ("composed", "steps"):
        recipe = config(
            tmp_path, f"keyframes.path={path}", "stages.0.epochs=12", "stages.0.colour=0", "lr=5e-3"
        )
        train(recipe)
        with (recipe.folder / "log.csv").open() as log:
            losses = [float(row["loss"]) for row in csv.DictReader(log)]
        assert sum(losses[-3:]) < 0.9 * sum(losses[:3])


def test_what_cannot_be_trained(tmp_path):
    with pytest.raises(DatasetError, match="no clip has more than 9"):
        train(config(tmp_path, "keyframes.distances=[9]"))
    with pytest.raises(ConfigError, match="task keyframes trains guided-correction, accel-fusion, a TDNet"):
        train(config(tmp_path, "network=swiftnet-rn18"))
    with pytest.raises(ConfigError, match="distances must be at least 1"):
        config(tmp_path, "keyframes.distances=[0]")


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.yaml")), ids=lambda path: path.stem)
def test_recipes_can_be_read(path):
    recipe = load_recipe(path)
    assert recipe.task == "keyframes"
    assert recipe.network in ("guided-correction", "accel-fusion", "td2-swiftnet-rn18", "light")
