"""``convert``: any network becomes one that executes only the blocks it is asked for."""

from __future__ import annotations

from torch import Tensor, nn

from saccade.blocks.build import build
from saccade.blocks.capture import capture
from saccade.blocks.grid import Grid
from saccade.blocks.half import half_example
from saccade.blocks.network import BlockNetwork
from saccade.blocks.options import EngineOptions
from saccade.blocks.tuning import Tuning, stored, tuned
from saccade.errors import NetworkError


def convert(
    module: nn.Module,
    example: Tensor,
    block_size: int = 128,
    *,
    levels: int = 1,
    options: EngineOptions | None = None,
    measure: bool = True,
) -> BlockNetwork:
    """Make a network execute only some blocks of each frame.

    Args:
        module: Any ``nn.Module`` that takes frames and that ``torch.export`` can follow. Its weights are
            copied where they are changed (batch norm is folded); the module itself stays as it is.
        example: ``(N, C, H, W)`` frames of the size, type and device to convert for.
        block_size: Side of a block in pixels of the frame. Need not divide the size.
        levels: 2 gets ready for blocks at low resolution at once, and says so if the network cannot have it.
            With 1 the first step that asks for some does; the module's weights must not change until then,
            and there must be no map of a size of its own (pooling to a grid) that is cut into blocks: with 2
            such maps are executed as a whole.
        options: Behaviour that differs from dense execution on purpose.
        measure: Find out what is fastest where that is not known yet. False uses what is known, or assumes.

    The first conversion for a size measures what is fastest on this machine, in the time of about six dense
    frames, and keeps the result in the user's cache folder (``SACCADE_AUTOTUNE=0`` does without).

    Raises:
        NetworkError: The module cannot be captured; the message names the line. Or it cannot run at low
            resolution.
    """
    if example.ndim != 4:
        raise NetworkError(f"the example must be frames (N, C, H, W), not {tuple(example.shape)}")
    if levels not in (1, 2):
        raise NetworkError(f"there are 1 or 2 levels of resolution, not {levels}")
    captured = capture(module, example)
    grid = Grid(example.shape[2], example.shape[3], block_size)
    half = capture(module, half_example(example)) if levels == 2 else None
    options = options or EngineOptions()
    steps = build(captured, grid, options, half=half)
    network = BlockNetwork(captured, steps, grid, options, module, measure=measure)
    known = tuned(network, example) if measure else stored(network.full, options, example)
    network.use(known or Tuning())
    if levels == 2:
        network.halve(half)
    return network
