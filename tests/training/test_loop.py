import csv
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from saccade.errors import ConfigError, DatasetError, TrainingError
from saccade.networks import load_network
from saccade.training import load_recipe, train
from saccade.training.loop import make_optimiser, mixed_precision, schedule
from saccade.training.recipe import TrainConfig


def write_camvid(root: Path, images: int = 3, bad_id: int | None = None) -> None:
    """Tiny pictures whose colour tells the class."""
    rng = np.random.default_rng(0)
    colours = rng.integers(0, 256, (11, 3), dtype=np.uint8)
    for split in ("train", "val"):
        (root / split).mkdir(parents=True)
        (root / f"{split}annot").mkdir()
        for number in range(images):
            label = np.kron(rng.integers(0, 4, (2, 3)), np.ones((20, 20))).astype(np.uint8)
            if bad_id is not None and number == 1 and split == "train":
                label[0, 0] = bad_id
            name = f"0016E5_{7959 + 2 * number:05d}.png"
            Image.fromarray(colours[label % 11]).save(root / split / name)
            Image.fromarray(label).save(root / f"{split}annot" / name)


def recipe(tmp_path: Path, *overrides: str) -> TrainConfig:
    path = tmp_path / "recipe.yaml"
    path.write_text(
        f"""
name: tiny
network: swiftnet-rn18
class_set: camvid
output: {tmp_path / "runs"}
data: [{{dataset: camvid, root: {tmp_path / "data"}, split: train}}]
validation: {{dataset: camvid, root: {tmp_path / "data"}, split: val}}
stages:
  - {{epochs: 1, crop: [32, 32], batch_size: 2}}
  - {{epochs: 2, crop: [32, 64], batch_size: 3}}
warmup_steps: 1
validate_every: 2
precision: fp32
"""
    )
    return load_recipe(path, overrides)


class Stopped(Exception):
    """Stands for a power cut between two epochs."""


def test_resumed_run_equals_uninterrupted_run_bit_for_bit(tmp_path: Path) -> None:
    write_camvid(tmp_path / "data")
    whole = recipe(tmp_path, "name=whole")
    train(whole)

    cut = recipe(tmp_path, "name=cut")

    def power_cut(text: str, done: int, total: int) -> None:
        if text.startswith("epoch 2/"):
            raise Stopped

    with pytest.raises(Stopped):
        train(cut, report=power_cut)
    torch.rand(7)  # other random numbers are drawn in between
    train(cut, resume=True)

    states = [torch.load(c.folder / "checkpoint.pt", weights_only=True) for c in (whole, cut)]
    assert states[0]["epochs"] == states[1]["epochs"] == 3
    for part in ("network", "average"):
        for key, value in states[0][part].items():
            assert torch.equal(value, states[1][part][key]), f"{part} {key}"
    for a, b in zip(*(s["optimiser"]["state"].values() for s in states), strict=True):
        assert torch.equal(a["exp_avg_sq"], b["exp_avg_sq"])
    assert torch.equal(states[0]["random"], states[1]["random"])

    with (cut.folder / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert [row["validation_miou"] != "" for row in rows] == [False, True, True]


def test_weights_of_a_run_load_as_a_network(tmp_path: Path) -> None:
    write_camvid(tmp_path / "data")
    config = recipe(tmp_path, "ema=0", "stages=[{epochs: 1, crop: [32, 32], batch_size: 3}]")
    network = load_network(str(train(config)))
    trained = torch.load(config.folder / "checkpoint.pt", weights_only=True)["network"]
    weight = network.state_dict()["head.conv.weight"]
    assert weight.shape[0] == 11
    torch.testing.assert_close(weight, trained["head.conv.weight"])
    assert network.info.class_set.name == "camvid"


def test_training_lowers_the_loss(tmp_path: Path) -> None:
    write_camvid(tmp_path / "data")
    config = recipe(
        tmp_path,
        "stages=[{epochs: 12, crop: [40, 60], scale: [1, 1], colour: 0, batch_size: 3}]",
        "validation=null",
    )
    train(config)
    with (config.folder / "log.csv").open() as file:
        losses = [float(row["loss"]) for row in csv.DictReader(file)]
    assert losses[-1] < losses[0] / 2


def test_loss_that_is_not_finite_stops_and_keeps_the_batch(tmp_path: Path) -> None:
    write_camvid(tmp_path / "data")
    config = recipe(tmp_path, "lr=1e30", "clip_norm=0", "validation=null")
    with pytest.raises(TrainingError, match=r"the loss became (nan|inf) .*bad_batch\.pt"):
        train(config)
    batch = torch.load(config.folder / "bad_batch.pt", weights_only=True)
    assert batch["images"].shape[1] == 3
    assert batch["images"].shape[-2:] == batch["labels"].shape[-2:]


def test_an_epoch_whose_validation_fails_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_camvid(tmp_path / "data")
    config = recipe(tmp_path)

    def fail(*arguments: object) -> float:
        raise DatasetError("the labels are gone")

    with monkeypatch.context() as patch:
        patch.setattr("saccade.training.segmentation.SegmentationTask.validate", fail)
        with pytest.raises(DatasetError, match="the labels are gone"):
            train(config)
    load_network("swiftnet-rn18", weights=config.folder / "weights.safetensors")
    train(config, resume=True)
    with (config.folder / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert [bool(row["validation_miou"]) for row in rows] == [False, False, True]


def test_unknown_label_ids_name_the_image(tmp_path: Path) -> None:
    write_camvid(tmp_path / "data", bad_id=42)
    with pytest.raises(DatasetError, match=r"0016E5_07961.*42"):
        train(recipe(tmp_path, "loss.class_weights=balanced"))


def test_nothing_to_resume(tmp_path: Path) -> None:
    write_camvid(tmp_path / "data")
    with pytest.raises(TrainingError, match="start without --resume"):
        train(recipe(tmp_path), resume=True)


def test_damaged_checkpoint_and_that_of_another_network(tmp_path: Path) -> None:
    write_camvid(tmp_path / "data")
    config = recipe(tmp_path, "stages=[{epochs: 1, crop: [32, 32], batch_size: 3}]", "validation=null")
    train(config)
    with pytest.raises(TrainingError, match="another recipe"):
        train(recipe(tmp_path, "network=swiftnet-rn34"), resume=True)
    (config.folder / "checkpoint.pt").write_bytes(b"not a checkpoint")
    with pytest.raises(TrainingError, match="is damaged"):
        train(config, resume=True)


def test_learning_rate_warms_up_and_ends_low(tmp_path: Path) -> None:
    config = recipe(tmp_path, "lr=1.0", "lr_end=0.1", "warmup_steps=4")
    rates = [schedule(step, 11, config) for step in range(11)]
    assert rates[:4] == pytest.approx([0.25, 0.5, 0.75, 1.0])
    assert rates[4] == pytest.approx(1.0)
    assert rates[7] == pytest.approx(0.55)
    assert rates[10] == pytest.approx(0.1)


def test_polynomial_and_steps_by_hand(tmp_path: Path) -> None:
    config = recipe(tmp_path, "lr=2.0", "schedule=poly", "warmup_steps=2")
    rates = [schedule(step, 10, config) for step in (0, 1, 2, 6, 9)]
    assert rates == pytest.approx([1.0, 2.0, 2.0, 2 * 0.5**0.9, 2 * 0.125**0.9])
    config = recipe(
        tmp_path, "lr=2.0", "schedule=steps", "drops=[0.5]", "warmup_share=0.25", "warmup_steps=2"
    )
    assert [schedule(step, 10, config) for step in (0, 2, 4, 5, 9)] == pytest.approx([0.5, 2, 2, 0.2, 0.2])


def test_half_precision_without_the_hardware_is_refused() -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has CUDA, where fp16 is fine")
    with pytest.raises(ConfigError, match="CUDA"):
        mixed_precision("fp16")
    assert mixed_precision("fp32") == "no"


def test_small_epoch_still_takes_a_step(tmp_path: Path) -> None:
    write_camvid(tmp_path / "data", images=1)
    config = recipe(tmp_path, "stages=[{epochs: 1, crop: [64, 64], batch_size: 4}]", "validation=null")
    train(config)
    assert math.isfinite(float((config.folder / "log.csv").read_text().splitlines()[1].split(",")[2]))


def test_backbone_has_its_own_factors_and_norms_do_not_decay(tmp_path: Path) -> None:
    config = recipe(
        tmp_path, "optimiser=adam", "weight_decay=0.1", "backbone_lr_factor=0.25", "backbone_decay_factor=0.5"
    )
    network = load_network("swiftnet-rn18", weights=None, classes=3)
    groups = make_optimiser(network, config).param_groups
    found = {
        name: (group["lr_factor"], group["weight_decay"])
        for name, parameter in network.named_parameters()
        for group in groups
        if any(parameter is p for p in group["params"])
    }
    assert found["backbone.conv1.weight"] == (0.25, 0.05)
    assert found["backbone.bn1.weight"] == (0.25, 0)
    assert found["head.conv.weight"] == (1, 0.1)
    assert found["head.conv.bias"] == (1, 0)
    assert len(found) == sum(len(g["params"]) for g in groups)
