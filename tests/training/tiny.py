"""Recipes that take a second: one short clip of the world, small frames."""

from pathlib import Path

from saccade.training import load_recipe
from saccade.training.recipe import TrainConfig


def keyframes_recipe(folder: Path, network: str, *overrides: str) -> TrainConfig:
    """A recipe of task ``keyframes``: a clip of five frames of 64x96, whole frames in batches of two."""
    path = folder / "recipe.yaml"
    path.write_text(
        f"""
name: tiny
task: keyframes
network: {network}
class_set: camvid
output: {folder / "runs"}
keyframes: {{network: swiftnet-rn18-street, distances: [1, 2], size: [64, 96]}}
data: [{{dataset: world, options: {{clips: 1, frames: 5, size: [64, 96], mode: panning, flow: false}}}}]
stages: [{{epochs: 2, crop: [64, 96], scale: [1, 1], batch_size: 2, colour: 0}}]
warmup_steps: 1
precision: fp32
"""
    )
    return load_recipe(path, overrides)
