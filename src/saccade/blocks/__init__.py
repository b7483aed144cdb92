"""The block engine: any network, executing only the blocks that it is asked for."""

from saccade.blocks.convert import convert
from saccade.blocks.grid import FULL, KEEP, LOW
from saccade.blocks.network import BlockNetwork
from saccade.blocks.options import EngineOptions

__all__ = ["FULL", "KEEP", "LOW", "BlockNetwork", "EngineOptions", "convert"]
