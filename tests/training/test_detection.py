"""Training a detector through the loop, on a few tiny frames."""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from saccade.errors import ConfigError, DatasetError
from saccade.networks import load_network
from saccade.training import load_recipe, train
from saccade.training.recipe import TrainConfig


def write_plaza(root: Path, frames: int = 4) -> None:
    """Bright people on a dark plaza."""
    folder = root / "plaza"
    (folder / "img1").mkdir(parents=True)
    (folder / "gt").mkdir()
    rng = np.random.default_rng(0)
    rows = []
    for number in range(1, frames + 1):
        image = rng.integers(0, 40, (64, 96, 3), dtype=np.uint8)
        for person in range(2):
            left, top = 8 + 44 * person + int(rng.integers(0, 20)), int(rng.integers(4, 14))
            image[top : top + 44, left : left + 18] = (220, 180, 140)
            rows.append(f"{number},{person},{left + 1},{top + 1},18,44,1,-1,-1,-1")
        Image.fromarray(image).save(folder / "img1" / f"{number:06d}.png")
    (folder / "gt" / "gt.txt").write_text("\n".join(rows))


def recipe(tmp_path: Path, *overrides: str) -> TrainConfig:
    path = tmp_path / "recipe.yaml"
    path.write_text(
        f"""
name: tiny
task: detection
network: csp-rn18
class_set: pedestrians
output: {tmp_path / "runs"}
data: [{{dataset: mot, root: {tmp_path / "data"}}}]
validation: {{dataset: mot, root: {tmp_path / "data"}}}
stages: [{{epochs: 2, crop: [32, 48], batch_size: 2}}]
boxes: {{min_height: 20}}
warmup_steps: 1
validate_every: 2
precision: fp32
"""
    )
    return load_recipe(path, overrides)


class Stopped(Exception):
    """Stands for a power cut between two epochs."""


def test_resumed_run_equals_uninterrupted_run_bit_for_bit(tmp_path: Path) -> None:
    write_plaza(tmp_path / "data")
    whole, cut = recipe(tmp_path, "name=whole"), recipe(tmp_path, "name=cut")
    weights = train(whole)

    def power_cut(text: str, done: int, total: int) -> None:
        if text.startswith("epoch 2/"):
            raise Stopped

    with pytest.raises(Stopped):
        train(cut, report=power_cut)
    train(cut, resume=True)
    one, other = (load_network(config.folder / "weights.safetensors").state_dict() for config in (whole, cut))
    assert all(torch.equal(value, other[key]) for key, value in one.items())

    assert load_network(weights).info.class_set.names == ("person",)
    with (cut.folder / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["validation_ap50"] != "" for row in rows] == [False, True]


def test_a_detector_learns_to_find_people(tmp_path: Path) -> None:
    write_plaza(tmp_path / "data", frames=2)
    config = recipe(
        tmp_path,
        "stages=[{epochs: 40, crop: [64, 96], scale: [1, 1], colour: 0, batch_size: 2}]",
        "init=backbone:swiftnet-rn18-street",
        "lr=1e-3",
        "optimiser=adam",
        "weight_decay=0",
        "clip_norm=0",
        "ema=0.8",
        "validate_every=40",
        "save_every=40",
    )
    train(config)
    with (config.folder / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert float(rows[-1]["loss"]) < float(rows[0]["loss"]) / 3
    assert float(rows[-1]["validation_ap50"]) > 0.5


def test_recipes_that_contradict_themselves_are_refused(tmp_path: Path) -> None:
    write_plaza(tmp_path / "data")
    with pytest.raises(ConfigError, match="swiftnet-rn18 is for segmentation"):
        train(recipe(tmp_path, "network=swiftnet-rn18"))
    with pytest.raises(DatasetError, match="is labelled in pedestrians"):
        train(recipe(tmp_path, "task=segmentation", "network=swiftnet-rn18", "class_set=camvid"))


def test_steps_of_the_original_schedule() -> None:
    from saccade.training.loop import schedule
    from saccade.training.recipe import DataConfig, StageConfig

    config = TrainConfig(
        name="t", network="csp-rn50", class_set="pedestrians", data=(DataConfig("mot"),),
        stages=(StageConfig(240, (64, 64)),), task="detection", lr=2e-4, schedule="steps", warmup_steps=500,
    )  # fmt: skip
    rates = [schedule(step, 240_000, config) for step in (0, 499, 500, 109_999, 110_000, 159_999, 160_000)]
    assert rates == pytest.approx([2e-4 / 3, 2e-4 / 3, 2e-4, 2e-4, 2e-5, 2e-5, 2e-6])
