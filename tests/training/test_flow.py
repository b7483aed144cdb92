"""Training for optical flow: crops, errors, a run."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from saccade.errors import ConfigError, DatasetError
from saccade.networks import network_info
from saccade.networks.flow import load_flow
from saccade.networks.flow.warp import warp
from saccade.training import load_recipe, train
from saccade.training.flow import COARSER, Predictions, end_point_errors, flow_loss, mean_error
from saccade.training.flow_augment import augment_flow
from saccade.training.recipe import DataConfig, TrainConfig

RECIPES = Path(__file__).parents[2] / "recipes" / "flow"


def moved_picture(dx: int, dy: int) -> tuple[Tensor, Tensor, Tensor]:
    """A smooth random picture and the one before it, in which everything lay by ``(dx, dy)`` elsewhere."""
    random = torch.Generator().manual_seed(0)
    coarse = 127 + 60 * torch.randn(1, 3, 12, 16, generator=random)
    wide = F.interpolate(coarse, size=(80, 112), mode="bicubic").clamp(0, 255).to(torch.uint8)[0]
    now, before = wide[:, 8:72, 8:104], wide[:, 8 - dy : 72 - dy, 8 - dx : 104 - dx]
    flow = torch.tensor([float(dx), float(dy)]).view(2, 1, 1).expand(2, 64, 96)
    return torch.stack((now, before)), flow, torch.ones(64, 96, dtype=torch.bool)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("scale", [(1.0, 1.0), (0.7, 0.7), (1.6, 1.6)])
def test_the_flow_of_a_crop_still_leads_to_the_frame_before(seed, scale):
    frames, flow, _known = augment_flow(
        *moved_picture(6, -4),
        crop=(40, 56), scale=scale, colour=0, generator=torch.Generator().manual_seed(seed),
    )  # fmt: skip
    assert frames.shape == (2, 3, 40, 56)
    assert flow[0].abs().max().item() == pytest.approx(6 * scale[0], rel=0.03)
    assert flow[1].max().item() == pytest.approx(-4 * scale[0], rel=0.03)
    now, before = frames[:, None]
    fetched = warp(before, flow[None])
    inner = slice(12, 28), slice(12, 40)
    error = (fetched - now)[0][:, inner[0], inner[1]].abs().mean()
    still = (before - now)[0][:, inner[0], inner[1]].abs().mean()
    assert error < 0.1 * still


def test_half_of_the_crops_are_flipped_with_their_flow():
    signs = {
        augment_flow(
            *moved_picture(6, -4),
            crop=(40, 56), scale=(1, 1), colour=0, generator=torch.Generator().manual_seed(seed),
        )[1][0, 0, 0].item()
        for seed in range(12)
    }  # fmt: skip
    assert signs == {6.0, -6.0}


def test_colours_change_alike_in_both_frames_but_for_noise():
    frames, flow, known = moved_picture(0, 0)
    images, _, _ = augment_flow(
        frames, flow, known,
        crop=(64, 96), scale=(1, 1), colour=1.0, generator=torch.Generator().manual_seed(2),
    )  # fmt: skip
    assert (images[0] - frames[0]).abs().mean() > 5
    assert 0 < (images[0] - images[1]).abs().mean() < 5
    assert images.min() >= 0
    assert images.max() <= 255


def test_what_lies_beyond_the_frames_is_not_known():
    frames, _, known = augment_flow(
        *moved_picture(2, 0),
        crop=(64, 128), scale=(1, 1), colour=0, generator=torch.Generator().manual_seed(0),
    )  # fmt: skip
    assert known[:, :96].all()
    assert not known[:, 96:].any()
    assert (frames[..., 96:] == 127).all()


def test_end_point_errors_in_pixels_of_the_truth():
    prediction = torch.tensor([1.5, -1.0]).view(1, 2, 1, 1).expand(1, 2, 2, 3)  # at a half: (3, -2)
    flow = torch.tensor([6.0, 2.0]).view(1, 2, 1, 1).expand(1, 2, 4, 6)
    assert end_point_errors(prediction, flow).unique().tolist() == pytest.approx([5.0])  # 3, 4, 5


def test_the_loss_is_the_mean_over_known_pixels_and_halves_for_coarser_predictions():
    flow = torch.zeros(1, 2, 4, 4)
    known = torch.zeros(1, 4, 4, dtype=torch.bool)
    known[0, 0, :2] = True
    prediction = torch.zeros(1, 2, 4, 4)
    prediction[0, 0, 0, 0] = 8.0  # one of the two known pixels
    prediction[0, 0, 3, 3] = 100.0
    coarse = torch.full((1, 2, 2, 2), 1.0)  # (2, 2) everywhere
    expected = 4 + COARSER * 8**0.5
    assert flow_loss([prediction, coarse], flow, known).item() == pytest.approx(expected, abs=1e-2)
    assert flow_loss([prediction], flow, known & False).item() == 0


def recipe(tmp_path: Path, *overrides: str) -> TrainConfig:
    path = tmp_path / "recipe.yaml"
    path.write_text(
        f"""
name: tiny
task: flow
network: light
output: {tmp_path / "runs"}
data: [{{dataset: world, options: {{clips: 1, frames: 4, size: [48, 64], mode: panning}}}}]
validation: {{dataset: world, split: val, options: {{clips: 1, frames: 2, size: [48, 64]}}}}
stages: [{{epochs: 2, crop: [32, 48], scale: [0.8, 1.2], batch_size: 2}}]
warmup_steps: 1
precision: fp32
"""
    )
    return load_recipe(path, overrides)


def log(config: TrainConfig) -> list[dict[str, str]]:
    with (config.folder / "log.csv").open() as file:
        return list(csv.DictReader(file))


def test_a_run_gives_weights_that_load_and_validate_as_logged(tmp_path):
    config = recipe(tmp_path, "ema=0")
    trained = load_flow(train(config))
    assert network_info(trained).name == "light"
    rows = log(config)
    assert [row["validation_epe"] != "" for row in rows] == [False, True]
    error = mean_error(trained, config.validation, torch.device("cpu"))
    assert float(rows[-1]["validation_epe"]) == pytest.approx(error, rel=1e-4)


def test_zero_flow_has_the_mean_motion_as_its_error():
    class Zero(load_flow("dis").__class__):
        def forward(self, now: Tensor, before: Tensor) -> Tensor:
            return now.new_zeros(len(now), 2, 6, 8)

    data = DataConfig("world", options={"clips": 1, "frames": 2, "size": [48, 64]})
    from saccade.datasets import open_dataset

    lengths = []
    for pair in open_dataset("world", None, "train", **data.options).flow_pairs():
        _, _, flow, occluded = pair.load()
        lengths.append(torch.from_numpy(flow[~occluded]).square().sum(1).sqrt())
    expected = torch.cat(lengths).mean().item()
    assert mean_error(Zero(), data, torch.device("cpu")) == pytest.approx(expected, rel=1e-3)


def test_training_lowers_the_loss(tmp_path):
    config = recipe(
        tmp_path,
        "stages=[{epochs: 25, crop: [48, 64], scale: [1, 1], batch_size: 4, colour: 0}]",
        "validation=null",
        "lr=3e-3",
    )
    train(config)
    losses = [float(row["loss"]) for row in log(config)]
    assert losses[-1] < 0.6 * losses[0]


def test_every_flow_of_flownet_is_learned_by():
    learner = Predictions(load_flow("flownet-s", weights=None))
    frames = torch.zeros(1, 3, 128, 128)
    assert len(learner(frames, frames)) == 5


def test_data_without_flow_and_networks_without_weights_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="dis has no weights to train"):
        train(recipe(tmp_path, "network=dis"))
    (tmp_path / "frames").mkdir()
    with pytest.raises(DatasetError):
        train(recipe(tmp_path, "data=[{dataset: folder, root: " + str(tmp_path / "frames") + "}]"))


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.yaml")), ids=lambda path: path.stem)
def test_recipes_can_be_read(path):
    config = load_recipe(path)
    assert config.task == "flow"
    assert config.name.startswith("flow-")
