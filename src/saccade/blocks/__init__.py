"""The block engine: any network, executing only the blocks that it is asked for."""

from saccade.actions import FULL, KEEP, LOW
from saccade.blocks.convert import convert
from saccade.blocks.cost import BlockCost
from saccade.blocks.network import BlockNetwork
from saccade.blocks.options import EngineOptions
from saccade.blocks.plan import Plan

__all__ = ["FULL", "KEEP", "LOW", "BlockCost", "BlockNetwork", "EngineOptions", "Plan", "convert"]
