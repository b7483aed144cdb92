"""Training in two processes, as torchrun starts them."""

import ast
import csv
import math
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from saccade.errors import ConfigError
from saccade.networks import load_network
from saccade.networks.correction import load_correction
from saccade.training.loop import steps_of
from saccade.training.recipe import StageConfig

from .test_loop import write_camvid

COMMON = """
class_set: camvid
output: {folder}/runs
validation: {{dataset: camvid, root: {folder}/data, split: val}}
warmup_steps: 1
precision: fp32
"""

RECIPES = {
    "segmentation": """
name: segmentation
network: swiftnet-rn18
data: [{{dataset: camvid, root: {folder}/data, split: train}}]
stages: [{{epochs: 2, crop: [40, 60], batch_size: 1}}]
""",
    "keyframes": """
name: keyframes
task: keyframes
network: guided-correction
keyframes: {{network: swiftnet-rn18-street, distances: [1, 2]}}
data: [{{dataset: camvid, root: {folder}/data, split: train, moving: true}}]
stages: [{{epochs: 2, crop: [40, 60], batch_size: 2}}]
""",
}
STEPS = {"segmentation": 4 // 2, "keyframes": 4 * 2 // 2 // 2}
"""Of one epoch, each of both processes: images or later frames, over the batch, over the processes."""


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("two_processes")
    write_camvid(folder / "data", images=4)
    for name, text in RECIPES.items():
        (folder / f"{name}.yaml").write_text((text + COMMON).format(folder=folder))
    worker = Path(__file__).with_name("one_of_several.py")
    files = [str(folder / f"{name}.yaml") for name in RECIPES]
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*command, str(worker), *files], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return folder / "runs"


@pytest.mark.parametrize("name", RECIPES)
def test_both_processes_end_with_the_same_parameters(runs, name):
    first, second = (torch.load(runs / name / f"parameters_{rank}.pt", weights_only=False) for rank in (0, 1))
    assert first
    for key, value in first.items():
        assert torch.equal(value, second[key]), key
        assert value.isfinite().all(), key


@pytest.mark.parametrize("name", RECIPES)
def test_they_share_out_the_batches_and_write_one_log(runs, name):
    for rank in (0, 1):
        steps = ast.literal_eval((runs / name / f"steps_{rank}.txt").read_text())
        total = 2 * STEPS[name]
        assert steps == [(number + 1, total) for number in range(total)]
    with (runs / name / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert all(math.isfinite(float(row["loss"])) for row in rows)
    assert 0 <= float(rows[-1]["validation_miou"]) <= 1


def test_the_first_one_saves_weights_that_load(runs):
    assert load_network(str(runs / "segmentation" / "weights.safetensors")).info.class_set.name == "camvid"
    assert load_correction(runs / "keyframes" / "weights.safetensors").classes == 11


def test_an_epoch_has_as_many_steps_as_every_process_has_batches():
    stage = StageConfig(epochs=1, crop=(32, 32), batch_size=4)
    assert steps_of(23, stage, 1) == 5
    assert steps_of(23, stage, 2) == 2
    assert steps_of(3, stage, 1) == 1  # a smaller batch, the only one
    with pytest.raises(ConfigError, match="no batch of 4 for each of 2"):
        steps_of(7, stage, 2)
