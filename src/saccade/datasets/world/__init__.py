"""The built-in world: a procedural street with exact ground truth, deterministic by seed."""

from saccade.datasets.world.dataset import WorldClip, WorldDataset, WorldImage

__all__ = ["WorldClip", "WorldDataset", "WorldImage"]
