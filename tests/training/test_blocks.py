"""Training of SegBlocks: rewards by hand, gradients in closed form, and a run on tiny pictures."""

import csv
import math
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

import saccade
from saccade.classes import CAMVID, CITYSCAPES
from saccade.errors import ConfigError
from saccade.networks import load_network, save_weights
from saccade.networks.block_policy import BlockPolicy, add_block_policy, block_policy
from saccade.networks.macs import count_macs
from saccade.policies.reward import policy_gradient_loss
from saccade.policies.sampling import bernoulli_log_prob
from saccade.training import load_recipe, train
from saccade.training.blocks import BlocksLearner, BlocksTask, block_losses, block_rewards
from saccade.training.loop import make_optimiser
from saccade.training.recipe import BlocksConfig
from saccade.video.frame import MEAN, STD

from .test_loop import Stopped, write_camvid

RECIPES = Path(__file__).parents[2] / "recipes" / "segblocks"


def test_the_policy_network_has_the_totals_of_the_paper():
    policy = BlockPolicy()
    assert sum(p.numel() for p in policy.parameters()) == 216_193
    assert round(count_macs(policy, (1, 3, 8 * 32, 16 * 32)) / 1e9, 3) == 0.339


def test_rewards_by_hand():
    losses = torch.tensor([[[1.0, 3.0], [5.0, 7.0]]])
    full = torch.tensor([[[True, False], [True, True]]])
    # mean loss 4; three of four in full, target 0.25: -0.5, times 2
    expected = torch.tensor([[[-3.0 - 1, 1.0 + 1], [1.0 - 1, 3.0 - 1]]])
    torch.testing.assert_close(block_rewards(losses, full, 0.25, 2.0), expected)


def test_losses_of_blocks_count_ignored_pixels_as_nothing():
    logits = torch.zeros(1, 4, 4, 8)
    labels = torch.zeros(1, 4, 8, dtype=torch.uint8)
    labels[0, :2, 4:] = 255
    losses = block_losses(logits, labels, torch.zeros(1, 1, 2, dtype=torch.bool), 4)
    assert losses[0, 0].tolist() == pytest.approx([math.log(4), math.log(4) / 2])


def test_losses_of_blocks_that_are_cut_off_are_means_of_what_is_left():
    logits = torch.zeros(1, 4, 4, 6)
    labels = torch.zeros(1, 4, 6, dtype=torch.uint8)
    labels[0, :2, 4:] = 255
    losses = block_losses(logits, labels, torch.zeros(1, 1, 2, dtype=torch.bool), 4)
    assert losses[0, 0].tolist() == pytest.approx([math.log(4), math.log(4) / 2])


def test_the_gradient_of_the_policy_is_that_of_its_formula():
    random = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 2, 3, generator=random, dtype=torch.float64, requires_grad=True)
    losses = torch.rand(2, 2, 3, generator=random, dtype=torch.float64)
    full = torch.rand(2, 2, 3, generator=random) < 0.5
    rewards = block_rewards(losses, full, 0.4, 1.0)

    def loss(logits):
        return policy_gradient_loss(bernoulli_log_prob(logits, full), rewards)

    assert torch.autograd.gradcheck(loss, logits)
    (found,) = torch.autograd.grad(loss(logits), logits)
    # d log p / d logit = action - probability
    expected = -(full.double() - logits.detach().sigmoid()) * rewards / logits.numel()
    torch.testing.assert_close(found, expected)


def test_a_policy_learns_which_blocks_are_hard_and_how_many_there_may_be():
    """REINFORCE alone, on blocks whose losses are given: the hard ones end in full, the easy ones do not."""
    torch.manual_seed(0)
    losses = torch.tensor([[[0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 2.0, 2.0, 2.0, 2.0]]])
    logits = nn.Parameter(torch.zeros(1, 1, 10))
    optimiser = torch.optim.Adam([logits], lr=0.05)
    for _ in range(300):
        full = torch.rand_like(logits) < logits.detach().sigmoid()
        rewards = block_rewards(losses, full, 0.4, 1.0)
        optimiser.zero_grad()
        policy_gradient_loss(bernoulli_log_prob(logits, full), rewards).backward()
        optimiser.step()
    assert (logits[0, 0, 6:] > 2).all()
    assert (logits[0, 0, :6] < -2).all()


def write_pictures(root):
    """Those of ``write_camvid``, large enough for blocks of 64 pixels: 128x192."""
    write_camvid(root)
    for path in root.glob("*/*.png"):
        with Image.open(path) as picture:
            picture.resize((192, 128), Image.Resampling.NEAREST).save(path)


def recipe(tmp_path, *overrides):
    path = tmp_path / "recipe.yaml"
    path.write_text(
        f"""
name: tiny
network: bisenet-r18
class_set: camvid
output: {tmp_path / "runs"}
data: [{{dataset: camvid, root: {tmp_path / "data"}, split: train}}]
validation: {{dataset: camvid, root: {tmp_path / "data"}, split: val}}
blocks: {{target: 0.5, block_size: 64}}
stages: [{{epochs: 2, crop: [64, 128], batch_size: 3}}]
warmup_steps: 1
validate_every: 2
precision: fp32
"""
    )
    return load_recipe(path, overrides)


def test_a_run_can_be_resumed_and_saves_network_and_policy(tmp_path, monkeypatch):
    monkeypatch.setenv("SACCADE_AUTOTUNE", "0")
    write_pictures(tmp_path / "data")
    whole = recipe(tmp_path, "name=whole")
    path = train(whole)
    cut = recipe(tmp_path, "name=cut", "validation=null")

    def power_cut(text, done, total):
        if text.startswith("epoch 2/"):
            raise Stopped

    with pytest.raises(Stopped):
        train(cut, report=power_cut)
    torch.rand(7)
    train(cut, resume=True)
    states = [torch.load(c.folder / "checkpoint.pt", weights_only=True) for c in (whole, cut)]
    for key, value in states[0]["network"].items():
        assert torch.equal(value, states[1]["network"][key]), key
    with (whole.folder / "log.csv").open() as file:
        assert [row["validation_miou"] != "" for row in csv.DictReader(file)] == [False, True]

    network = load_network(str(path))
    policy = block_policy(network)
    assert policy is not None
    saved = states[0]["average"]["block_policy.layers.9.weight"]
    assert torch.equal(policy.layers[9].weight, saved)
    method = saccade.wrap(network, saccade.SegBlocksConfig(target=0.5, block_size=64))
    assert method.policy == "trained"


def test_a_step_trains_network_and_policy(tmp_path):
    torch.manual_seed(0)
    config = recipe(tmp_path)
    network = load_network("swiftnet-rn18", weights=None, classes=11, width=12).train()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)  # some begin at 0
    add_block_policy(network)
    learner = BlocksLearner(network, config.blocks).train()
    answer = learner(torch.randn(2, 3, 64, 128))
    assert answer.output.shape == (2, 11, 16, 32)
    assert answer.policy.shape == answer.full.shape == (2, 1, 2)
    rewards = torch.randn(2, 1, 2)
    loss = answer.output.square().mean()
    (loss + policy_gradient_loss(bernoulli_log_prob(answer.policy, answer.full), rewards)).backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.any(), name


def test_a_policy_that_only_chooses_takes_the_highest_and_stays_as_it_is(tmp_path):
    torch.manual_seed(0)
    config = recipe(tmp_path, "blocks.choice=highest", "blocks.target=0.25")
    network = load_network("bisenet-r18", weights=None, classes=11).train()
    policy = add_block_policy(network)
    before = {name: value.clone() for name, value in policy.state_dict().items()}
    learner = BlocksLearner(network, config.blocks).train()
    answer = learner(torch.randn(3, 3, 128, 256))
    assert answer.full.flatten(1).sum(1).tolist() == [2, 2, 2]  # of eight
    for logits, full in zip(answer.policy, answer.full, strict=True):
        assert logits[full].min() > logits[~full].max()
    answer.output.square().mean().backward()
    assert all(p.grad is None for p in policy.parameters())
    assert all(torch.equal(value, before[name]) for name, value in policy.state_dict().items())


def test_distillation_is_from_the_weights_it_starts_from_in_full(tmp_path):
    write_pictures(tmp_path / "data")
    torch.manual_seed(0)
    start = load_network("bisenet-r18", weights=None, classes=CAMVID)
    save_weights(tmp_path / "start.safetensors", start, {})
    init = f"init={tmp_path / 'start.safetensors'}"
    config = recipe(
        tmp_path, init, "blocks.distillation=3", "blocks.statistics=frozen", "blocks.choice=highest"
    )
    task = BlocksTask(config, torch.device("cpu"))
    network = task.network(config)
    learner = task.learner(network).train()
    frames, labels = torch.randn(2, 3, 64, 128), torch.full((2, 64, 128), 255, dtype=torch.uint8)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(1.5)
        answer = learner(frames)
        torch.testing.assert_close(answer.known, start.eval()(frames), rtol=1e-4, atol=1e-5)
        said, known = answer.output.log_softmax(1), answer.known.softmax(1)
        divergence = F.kl_div(said, known, reduction="none").mean()
        assert divergence > 1e-6
        # nothing is labelled, so that nothing else is learned
        torch.testing.assert_close(task.loss(answer, labels), 3 * divergence)


def test_blocks_are_for_segmentation(tmp_path):
    with pytest.raises(ConfigError, match="blocks are for segmentation"):
        recipe(tmp_path, "task=detection")
    with pytest.raises(ConfigError, match="give one from 0 to 1"):
        recipe(tmp_path, "blocks.target=40")
    assert recipe(tmp_path).blocks == BlocksConfig(target=0.5, block_size=64)


@pytest.mark.parametrize(
    ("setting", "match"),
    [
        ("target=.nan", "one from 0 to 1"),
        ("block_size=0", "block_size 0 has no half"),
        ("block_size=-64", "block_size -64 has no half"),
        ("block_size=63", "an even number of pixels"),
        ("cost_weight=.nan", "cost_weight must be a number"),
        ("policy_lr_factor=-1", "policy_lr_factor must be a number of at least 0"),
        ("distillation=.inf", "distillation must be a number"),
    ],
)
def test_settings_that_cannot_be_are_refused(tmp_path, setting, match):
    with pytest.raises(ConfigError, match=match):
        recipe(tmp_path, f"blocks.{setting}")


@pytest.mark.parametrize("init", ["null", "imagenet", "backbone:swiftnet-rn18-street"])
def test_distillation_needs_a_whole_network(tmp_path, init):
    with pytest.raises(ConfigError, match="learns from the network of init"):
        recipe(tmp_path, "blocks.distillation=1", f"init={init}")


def test_distillation_needs_a_network_with_the_same_classes(tmp_path):
    write_pictures(tmp_path / "data")
    start = load_network("bisenet-r18", weights=None, classes=CITYSCAPES)
    save_weights(tmp_path / "start.safetensors", start, {})
    with pytest.raises(ConfigError, match="classes are not those of camvid"):
        BlocksTask(
            recipe(tmp_path, f"init={tmp_path / 'start.safetensors'}", "blocks.distillation=1"),
            torch.device("cpu"),
        )


def test_every_process_draws_blocks_for_itself(tmp_path, monkeypatch):
    write_pictures(tmp_path / "data")
    config = recipe(tmp_path)
    task = BlocksTask(config, torch.device("cpu"))
    found = []
    for process in (None, 0, 1, 0):
        together = process is not None
        monkeypatch.setattr("saccade.training.blocks.is_initialized", lambda together=together: together)
        monkeypatch.setattr("saccade.training.blocks.get_rank", lambda process=process: process)
        task.crops(config.stages[0], 0)
        found.append(torch.rand(8, generator=task._random).tolist())
    assert found[0] == found[1] == found[3]
    assert found[1] != found[2]


def test_the_policy_has_a_learning_rate_of_its_own(tmp_path):
    network = load_network("bisenet-r18", weights=None, classes=11)
    policy = add_block_policy(network)
    optimiser = make_optimiser(network, recipe(tmp_path, "blocks.policy_lr_factor=3"))
    factors = {p: g["lr_factor"] for g in optimiser.param_groups for p in g["params"]}
    assert len(factors) == sum(1 for _ in network.parameters())
    own = set(policy.parameters())
    assert all(factor == (3.0 if p in own else 1.0) for p, factor in factors.items())


@pytest.mark.parametrize("network", ["swiftnet-rn18", "swiftnet-efficientnet-lite1"])
def test_the_recipe_of_the_paper_normalises_frames_as_the_original(network):
    recipe = load_recipe(RECIPES / "cityscapes-rn18-040.yaml", {"network": network})
    built = load_network(recipe.network, weights=None, classes=19, **recipe.options)
    rgb = torch.rand(1, 3, 2, 2)
    ours = (rgb - torch.tensor(MEAN).view(1, 3, 1, 1)) / torch.tensor(STD).view(1, 3, 1, 1)
    mean = torch.tensor([73.1584, 82.9090, 72.3924]).view(1, 3, 1, 1) / 255
    std = torch.tensor([44.9149, 46.1529, 45.3192]).view(1, 3, 1, 1) / 255
    torch.testing.assert_close(built.input_affine(ours), (rgb - mean) / std, atol=5e-4, rtol=0)
