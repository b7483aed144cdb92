"""Training of TDNet: crops of frames that follow each other, the learner, a run."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from saccade.classes import CAMVID, IGNORE
from saccade.errors import ConfigError, DatasetError
from saccade.networks import load_network
from saccade.networks.tdnet import TDNet
from saccade.networks.weights import weights_info
from saccade.training import train
from saccade.training.clips import clips_of
from saccade.training.grouped import grouped_scores
from saccade.training.keyframe_data import network_scores
from saccade.training.losses import distillation
from saccade.training.recipe import TrainConfig
from saccade.training.shown_clips import ShownClips
from saccade.training.turns import TakingTurns, TurnsTask
from saccade.training.turns_data import Turns
from saccade.video.frame import normalise

from .tiny import keyframes_recipe


def config(tmp_path: Path, *overrides: str) -> TrainConfig:
    return keyframes_recipe(tmp_path, "td2-swiftnet-rn18", *overrides)


def pool_network():
    torch.manual_seed(0)
    return nn.Sequential(nn.AvgPool2d(4), nn.Conv2d(3, 11, 1)).eval()


def test_crops_are_frames_in_order_and_the_answer_to_the_last(tmp_path):
    recipe = config(tmp_path)
    network = pool_network()
    shown = ShownClips(recipe, partial(network_scores, network), CAMVID, 2)
    assert shown.of(recipe.stages[0]) == [0, 1, 2]  # the last three of five: two steps back must be there
    (footage,) = clips_of(recipe.data[0], (64, 96), CAMVID, 2, recipe.seed)
    images, labels = footage.read()
    assert footage.length == len(images) == 5
    gaps, mirrored = set(), set()
    for epoch in range(8):
        turns = Turns(shown, recipe.stages[0], recipe, 2, epoch)
        for position in range(3):
            frames, target = turns[position]
            assert frames.shape == (2, 4, 64, 96)
            assert target.shape == (12, 64, 96)
            last = 2 + turns.order[position]
            mirror = not torch.equal(target[0], labels[last].float())
            frames, target = (x.flip(-1) if mirror else x for x in (frames, target))
            assert torch.equal(frames[1, :3], images[last].float())
            (gap,) = (g for g in (1, 2) if torch.equal(frames[0, :3], images[last - g].float()))
            assert torch.equal(target[0], labels[last].float())
            with torch.no_grad():
                scores = network(normalise(images[last][None]))
            expected = F.interpolate(scores, size=(64, 96), mode="bilinear")[0]
            torch.testing.assert_close(target[1:], expected, rtol=1e-2, atol=1e-2)
            assert (frames[:, 3] == turns.turns[position // 2]).all()
            gaps.add(gap)
            mirrored.add(mirror)
    assert gaps == {1, 2}
    assert mirrored == {True, False}
    turns = np.concatenate([Turns(shown, recipe.stages[0], recipe, 2, epoch).turns for epoch in range(20)])
    assert set(turns.tolist()) == {0, 1}


def test_clips_that_are_too_short_are_refused(tmp_path):
    recipe = config(tmp_path, "data.0.options.frames=2")
    with pytest.raises(DatasetError, match="no clip has more than 2 frames"):
        ShownClips(recipe, partial(network_scores, pool_network()), CAMVID, 2)


def images_of(count, height=64, width=96):
    random = torch.Generator().manual_seed(2)
    return list(torch.randint(256, (count, 3, height, width), generator=random, dtype=torch.uint8))


@torch.no_grad()
def test_grouped_answers_are_parts_of_the_sum_over_channels():
    """Of SwiftNet: its head by hand, channel group by channel group."""
    network = load_network("swiftnet-rn18", weights="swiftnet-rn18-street").eval()
    images = images_of(2)
    found = grouped_scores(network, 4, images).unflatten(1, (5, 11))
    torch.testing.assert_close(found[:, 0], network_scores(network, images))
    seen = F.relu(network.head.norm(network.features(normalise(torch.stack(images)))))
    last = network.head.conv
    for group in range(4):
        channels = slice(32 * group, 32 * group + 32)
        expected = 4 * F.conv2d(seen[:, channels], last.weight[:, channels]) + last.bias.view(1, -1, 1, 1)
        torch.testing.assert_close(found[:, 1 + group], expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(found[:, 1:].mean(1), found[:, 0], rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_grouped_answers_of_a_network_that_cannot_be_cut():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 5, 3, padding=1), nn.ReLU(), nn.Conv2d(5, 2, 1), nn.AvgPool2d(2))
    images = images_of(3)
    found = grouped_scores(network, 2, images).unflatten(1, (3, 2))
    seen = network[:2](normalise(torch.stack(images)))
    for group, channels in enumerate((slice(0, 3), slice(3, 5))):
        expected = 2 * F.conv2d(seen[:, channels], network[2].weight[:, channels])
        expected = F.avg_pool2d(expected + network[2].bias.view(1, -1, 1, 1), 2)
        torch.testing.assert_close(found[:, 1 + group], expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(found[:, 0], network_scores(network, images))


def test_a_sub_network_alone_learns_what_its_channels_say(tmp_path):
    recipe = config(tmp_path, "keyframes.grouped=true", "keyframes.distances=[1]")
    network = pool_network()
    shown = ShownClips(recipe, partial(grouped_scores, network, 2), CAMVID, 1)
    met = set()
    for epoch in range(6):
        turns = Turns(shown, recipe.stages[0], recipe, 2, epoch)
        for position in range(len(turns)):
            frames, target = turns[position]
            turn, last = int(frames[0, 3, 0, 0]), 1 + turns.order[position]
            image = shown.frame(turns.order[position])[0].images[last]
            target = target if torch.equal(frames[1, :3], image.float()) else target.flip(-1)
            scores = grouped_scores(network, 2, [image])
            chosen = torch.cat((scores[:, :11], scores[:, 11 * (1 + turn) : 11 * (2 + turn)]), 1)
            expected = F.interpolate(chosen, size=(64, 96), mode="bilinear")[0]
            torch.testing.assert_close(target[1:], expected, rtol=1e-2, atol=1e-2)
            met.add(turn)
    assert met == {0, 1}


def test_the_loss_compares_each_answer_with_its_own(tmp_path):
    task = TurnsTask(
        config(tmp_path, "keyframes.grouped=true", "keyframes.distillation=1"), torch.device("cpu")
    )
    torch.manual_seed(0)
    whole, alone = torch.randn(2, 2, 11, 8, 12)
    unlabelled = torch.full((2, 1, 8, 12), float(IGNORE))
    targets = torch.cat((unlabelled, whole, alone), 1)
    assert task.loss((whole, alone), targets).item() == pytest.approx(0, abs=1e-6)
    apart = task.loss((whole, whole), targets).item()
    assert apart == pytest.approx(0.5 * distillation(whole, alone).item(), rel=1e-5)
    assert apart > 0.01


@pytest.mark.parametrize("form", ["td2-swiftnet-rn18", "td4-psp18"])
@pytest.mark.parametrize("turn", [0, 1])
@torch.no_grad()
def test_the_learner_is_the_network_over_a_stream(form, turn):
    torch.manual_seed(1)
    network = TDNet(form, 3).eval()
    m = network.form.paths
    frames = torch.randn(2, m, 3, 32, 48)
    past = []
    for number in range(m):
        logits, seen = network.step(frames[:, number], turn + 1 + number, past)
        past.append(seen)
    whole, alone = TakingTurns(network)(frames, torch.tensor(float(turn)))
    torch.testing.assert_close(whole, logits, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(alone, network.step(frames[:, -1], turn, [])[0], rtol=1e-4, atol=1e-4)
    assert not torch.equal(whole, alone)


@pytest.mark.parametrize("grouped", ["false", "true"])
def test_a_run_teaches_all_sub_networks(tmp_path, grouped):
    grouped = f"keyframes.grouped={grouped}"
    recipe = config(
        tmp_path, grouped, "init=backbone:swiftnet-rn18-street", "stages.0.epochs=3", "ema=0", "lr=0.01"
    )
    file = train(recipe)
    trained = load_network(file)
    assert trained.info.name == "td2-swiftnet-rn18"
    assert trained.info.class_set == CAMVID
    assert weights_info(file).metadata["keyframe_weights"] == "swiftnet-rn18-street"
    for path in trained.paths:
        assert (path.norm.weight != 1).any()
        assert int(path.backbone.bn1.num_batches_tracked) > 0


def test_a_crop_must_fit_in_the_frames(tmp_path):
    with pytest.raises(ConfigError, match=r"crop of \[64, 96\] does not fit .* at scale 0.5"):
        train(config(tmp_path, "stages.0.scale=[0.5, 1]"))
