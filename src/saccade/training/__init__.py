"""Training: recipes in, weights out. ``saccade train`` is a thin shell around ``train``."""

from saccade.training.loop import train
from saccade.training.recipe import TrainConfig, load_recipe

__all__ = ["TrainConfig", "load_recipe", "train"]
