"""The built-in world: a procedural street with exact ground truth, deterministic by seed.

Importing it makes ``saccade.video.open_video("world:SEED")`` work.
"""

from saccade.datasets.world.cityscapes_tree import write_cityscapes_tree
from saccade.datasets.world.dataset import WorldClip, WorldDataset, WorldImage
from saccade.datasets.world.source import WorldSource, open_world
from saccade.video.opening import register_scheme

register_scheme("world", open_world)

__all__ = ["WorldClip", "WorldDataset", "WorldImage", "WorldSource", "write_cityscapes_tree"]
