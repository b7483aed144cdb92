"""``saccade train``: a shell around ``saccade.training.train``."""

from __future__ import annotations

from pathlib import Path

import pytest

from saccade.cli import main
from saccade.cli.progress import StepProgress
from saccade.networks import load_network


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "recipe.yaml"
    path.write_text(
        f"""
name: tiny
network: swiftnet-rn18
class_set: camvid
output: {tmp_path / "runs"}
data: [{{dataset: world, options: {{clips: 1, frames: 2, size: [32, 48]}}}}]
stages: [{{epochs: 1, crop: [32, 32], batch_size: 2}}]
warmup_steps: 1
precision: fp32
"""
    )
    return path


def test_recipe_with_changes_becomes_weights(tmp_path, recipe, capsys):
    assert main(["train", str(recipe), "--set", "name=other", "seed=5", "--set", "lr=1e-4"]) == 0
    weights = tmp_path / "runs" / "other" / "weights.safetensors"
    assert str(weights) in "".join(line.strip() for line in capsys.readouterr().out.splitlines())
    assert load_network(str(weights)).info.class_set.name == "camvid"
    written = (tmp_path / "runs" / "other" / "recipe.yaml").read_text()
    assert "seed: 5" in written
    assert "lr: 0.0001" in written


@pytest.mark.parametrize(
    "words",
    [
        ["train"],
        ["train", "none.yaml"],
        ["train", "RECIPE", "--set", "lr"],
        ["train", "RECIPE", "--set", "lr=[1"],
        ["train", "RECIPE", "--set", "colour_of_the_bikeshed=red"],
        ["train", "RECIPE", "--set", "lr=-1"],
        ["train", "RECIPE", "--resume"],  # nothing to resume
    ],
    ids=" ".join,
)
def test_mistakes_end_in_one_line_and_exit_code_2(words, recipe, capsys):
    assert main([str(recipe) if word == "RECIPE" else word for word in words]) == 2
    error = capsys.readouterr().err
    assert error.startswith("saccade: ")
    assert error.count("\n") == 1


def test_interruption_says_where_to_go_on(tmp_path, recipe, capsys, monkeypatch):
    def interrupt(self, doing, done, total):
        raise KeyboardInterrupt

    monkeypatch.setattr(StepProgress, "report", interrupt)
    assert main(["train", str(recipe)]) == 130
    error = capsys.readouterr().err
    assert error.startswith("saccade: interrupted")
    assert str(tmp_path / "runs" / "tiny") in error
    assert "--resume" in error
