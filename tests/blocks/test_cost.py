"""MACs of executed steps: against hand counts, and against what torch's own counter sees being executed."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from saccade.blocks import FULL, BlockCost, BlockNetwork, EngineOptions, convert
from saccade.blocks import convolution as convolutions
from saccade.blocks.tuning import Tuning
from saccade.networks import load_network

NEVER_DENSE = EngineOptions(dense_above=1.0)


def actions(network: BlockNetwork, *blocks: Sequence[tuple[int, int]]) -> Tensor:
    """``(N, GH, GW)``: for each stream, the rows and columns of the blocks to execute."""
    wanted = torch.zeros(len(blocks), *network.grid.shape, dtype=torch.int8)
    for stream, places in enumerate(blocks):
        for row, column in places:
            wanted[stream, row, column] = FULL
    return wanted


def cost_of(network: BlockNetwork, *blocks: Sequence[tuple[int, int]]) -> BlockCost:
    """The cost of executing some blocks after a first frame in full."""
    frames = torch.randn(len(blocks), *network.captured.example[1:])
    network.dense(frames)
    network.step(frames, actions(network, *blocks))
    assert network.cost is not None
    return network.cost


class Gated(nn.Module):
    """Stem, squeeze-and-excitation, head."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, stride=2, padding=1)
        self.gate = nn.Conv2d(4, 4, 1)
        self.head = nn.Conv2d(4, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.stem(x))
        return self.head(x * torch.sigmoid(self.gate(x.mean((2, 3), keepdim=True))))


FRAME = 16 * 32 * (4 * 27 + 2 * 4)  # of Gated at 32x64, on blocks
BLOCK = FRAME // 8  # of 16x16 pixels
GATE = 16


@pytest.fixture
def gated() -> BlockNetwork:
    return convert(Gated().eval(), torch.zeros(1, 3, 32, 64), 16, options=NEVER_DENSE)


def test_nothing_is_known_before_the_first_step(gated: BlockNetwork) -> None:
    assert gated.cost is None


def test_some_blocks_counted_by_hand(gated: BlockNetwork) -> None:
    cost = cost_of(gated, [(0, 0), (1, 2), (1, 3)])
    assert cost == BlockCost(3 * BLOCK + GATE, 0, FRAME + GATE, 3 * BLOCK, GATE)


def test_whole_maps_are_counted_for_streams_that_execute_something(gated: BlockNetwork) -> None:
    cost = cost_of(gated, [(0, 0)], [], [(1, 1), (0, 3)])
    assert cost == BlockCost(3 * BLOCK + 2 * GATE, 0, 3 * (FRAME + GATE), 3 * BLOCK, 2 * GATE)


def test_no_blocks_cost_nothing(gated: BlockNetwork) -> None:
    assert cost_of(gated, [], []) == BlockCost(0, 0, 2 * (FRAME + GATE), 0, 0)


def test_a_dense_frame_costs_the_dense_macs_of_every_stream(gated: BlockNetwork) -> None:
    gated.step(torch.randn(3, 3, 32, 64), actions(gated, [], [], []))  # a first frame is executed in full
    assert gated.cost == BlockCost(3 * (FRAME + GATE), 0, 3 * (FRAME + GATE), 3 * FRAME, 3 * GATE)


def test_all_blocks_where_frames_are_never_dense_cost_all_blocks() -> None:
    options = EngineOptions(dense_above=2.0)
    network = convert(nn.Conv2d(3, 4, 3, padding=1).eval(), torch.zeros(1, 3, 20, 40), 16, options=options)
    network.dense(torch.randn(1, 3, 20, 40))
    cell = 16 * 16 * 4 * 27
    dense = 20 * 40 * 4 * 27
    assert network.cost == BlockCost(6 * cell, 6 * cell - dense, dense, 6 * cell, 0)


def test_cells_that_fill_up_a_batch_are_halo() -> None:
    layer = nn.Conv2d(3, 4, 3, padding=1).eval()
    network = convert(layer, torch.zeros(1, 3, 64, 64), 16, options=NEVER_DENSE)
    cell = 16 * 16 * 4 * 27
    cost = cost_of(network, [(row, column) for row in range(3) for column in range(3)])
    assert network.plan.steps[-1].batch >= 10
    assert cost == BlockCost(10 * cell, cell, 16 * cell, 10 * cell, 0)  # nine are computed as ten


def test_pixels_of_ragged_cells_beyond_the_map_are_halo() -> None:
    layer = nn.Conv2d(3, 4, 3, padding=1).eval()
    network = convert(layer, torch.zeros(1, 3, 20, 40), 16, options=NEVER_DENSE)
    cost = cost_of(network, [(1, 2)])  # 4 rows and 8 columns of it are there
    assert cost.executed == 16 * 16 * 4 * 27
    assert cost.halo == (16 * 16 - 4 * 8) * 4 * 27
    assert cost.dense == 20 * 40 * 4 * 27


def test_windows_of_transposed_convolutions_beyond_the_cell_are_halo() -> None:
    layer = nn.ConvTranspose2d(3, 5, 4, stride=2, padding=1).eval()
    network = convert(layer, torch.zeros(1, 3, 32, 32), 16, options=NEVER_DENSE)
    pixel = 3 * 5 * 16
    cost = cost_of(network, [(0, 1)])
    # A block's 32 rows of the result depend on its 16 rows of the input, and on one more at each side.
    assert cost == BlockCost(
        18 * 18 * pixel, (18 * 18 - 16 * 16) * pixel, 32 * 32 * pixel, 18 * 18 * pixel, 0
    )


def test_convolutions_on_whole_maps_count_whole_maps() -> None:
    layer = nn.Conv2d(3, 4, 3, padding=1).eval()
    network = convert(layer, torch.zeros(1, 3, 64, 64), 16, options=NEVER_DENSE)
    network.use(Tuning(dense_above=1.0, map_from={network.steps[-1].name: 2}))
    cell = 16 * 16 * 4 * 27
    assert cost_of(network, [(0, 1)], []) == BlockCost(cell, 0, 32 * cell, cell, 0)
    two = cost_of(network, [(0, 1), (2, 2)], [])  # one canvas holds the maps of both streams
    assert two == BlockCost(32 * cell, 30 * cell, 32 * cell, 32 * cell, 0)


@pytest.mark.parametrize("count", [1, 5, 8])
def test_swiftnet_costs_its_blocks_and_the_pyramid(count: int) -> None:
    network = load_network("swiftnet-rn18", weights=None, classes=19)
    blocks = convert(network, torch.zeros(1, 3, 256, 512), 64, options=NEVER_DENSE)
    places = [(i % 4, i % 8) for i in range(count)]
    cost = cost_of(blocks, places)
    plan = blocks.plan
    # Up to eight cells make a batch of their own size, so that only resizing does more than asked for.
    assert cost.executed - cost.halo == count * plan.macs_per_block + plan.whole_macs
    assert cost.halo == sum(count * s.macs_per_cell for s in plan.steps if not s.macs)
    assert cost.whole == plan.whole_macs
    assert cost.block + cost.whole == cost.executed
    assert cost.dense == plan.macs


class Everything(nn.Module):
    """One of each kind of step that has MACs."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.depthwise = nn.Conv2d(8, 8, 5, padding=2, groups=8)
        self.mix = nn.Linear(8, 8)
        self.wide = nn.Conv2d(8, 8, 3, padding=6, dilation=6, padding_mode="reflect")
        self.gate = nn.Linear(8, 8)
        self.up = nn.ConvTranspose2d(8, 4, 3, stride=2, padding=1, output_padding=1)
        self.head = nn.Conv2d(4, 2, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        size = [n - 3 for n in x.shape[2:]]
        x = self.depthwise(torch.relu(self.stem(x)))
        x = self.mix(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        x = self.wide(x) * torch.sigmoid(self.gate(x.mean((2, 3))))[:, :, None, None]
        y = self.head(self.up(x))
        return y, nn.functional.interpolate(y, size, mode="bilinear")


def seen_by_torch(network: BlockNetwork, frames: Tensor, wanted: Tensor) -> int:
    """MACs of a step as torch counts them while they are executed."""
    with FlopCounterMode(display=False) as counter:
        network.step(frames, wanted)
    return int(counter.get_total_flops()) // 2


@pytest.mark.parametrize("size", [(64, 96), (70, 101)], ids=str)
@pytest.mark.parametrize("share", [0.1, 0.4, 0.9, 1.0])
@pytest.mark.parametrize("name", ["everything", "swiftnet"])
def test_executed_macs_are_those_that_torch_sees(
    name: str, size: tuple[int, int], share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        convolutions, "packable_types", frozenset
    )  # torch does not count oneDNN's own operators
    torch.manual_seed(1)
    module = Everything().eval() if name == "everything" else load_network("swiftnet-rn18", weights=None)
    frames = torch.randn(3, 3, *size)
    network = convert(module, frames, 16, options=NEVER_DENSE)
    network.dense(frames)
    wanted = (torch.rand(3, *network.grid.shape) < share).to(torch.int8) * FULL
    wanted[1] = 0 if share < 1 else FULL
    seen = seen_by_torch(network, frames, wanted)
    cost = network.cost
    assert cost is not None
    assert cost.executed == seen
    assert cost.executed == cost.block + cost.whole
    assert 0 <= cost.halo <= cost.executed
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        module(frames)
    assert cost.dense == counter.get_total_flops() // 2
