"""The steps that a converted network consists of. Each runs on executed blocks, or on whole maps.

A value of the network lives in one of two forms:

- *spatial*: it has rows and columns that belong to the grid. On blocks it is ``(B, ...)`` with the cell's
  pixels in place of the map's; in a dense frame it is ``(N, ...)`` as the network shapes it.
- *whole*: it has no blocks (the result of pooling over the map, of attention, of an unknown operation).
  It is a list with one entry per stream, None for streams with nothing to execute.
"""

from saccade.blocks.steps.convolution import ConvolutionStep, TransposedConvolutionStep
from saccade.blocks.steps.norm import NormStep
from saccade.blocks.steps.pixel import MapConstant, PerStream, PixelStep, SizeOf, WholeMap
from saccade.blocks.steps.pooling import PoolStep
from saccade.blocks.steps.resizing import EnlargeStep, ResampleStep
from saccade.blocks.steps.run import IMAGE, Run, Spatial
from saccade.blocks.steps.step import InputStep, Step
from saccade.blocks.steps.whole import WholeStep
from saccade.blocks.steps.window import PadStep, SliceStep, Window, WindowStep

__all__ = [
    "IMAGE",
    "ConvolutionStep",
    "EnlargeStep",
    "InputStep",
    "MapConstant",
    "NormStep",
    "PadStep",
    "PerStream",
    "PixelStep",
    "PoolStep",
    "ResampleStep",
    "Run",
    "SizeOf",
    "SliceStep",
    "Spatial",
    "Step",
    "TransposedConvolutionStep",
    "WholeMap",
    "WholeStep",
    "Window",
    "WindowStep",
]
