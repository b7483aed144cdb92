"""The plan of a converted network: against hand counts, the published table, and what is really allocated."""

from __future__ import annotations

import json

import pytest
import torch
from torch import Tensor, nn

from saccade.blocks import BlockNetwork, convert
from saccade.blocks.plan import PlannedStep, percent
from saccade.blocks.tuning import Tuning
from saccade.networks import load_network


class Gated(nn.Module):
    """Stem, squeeze-and-excitation, head: small enough to count by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, stride=2, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(4)
        self.gate = nn.Conv2d(4, 4, 1)
        self.head = nn.Conv2d(4, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.norm(self.stem(x)))
        gate = torch.sigmoid(self.gate(x.mean((2, 3), keepdim=True)))
        return self.head(x * gate)


def converted(module: nn.Module, height: int, width: int, block: int) -> BlockNetwork:
    return convert(module.eval(), torch.zeros(1, 3, height, width), block)


def by_place(network: BlockNetwork) -> dict[str, PlannedStep]:
    """The last step of each module, by its name in the network."""
    return {step.where: step for step in network.plan.steps}


def test_a_small_network_counted_by_hand() -> None:
    plan = converted(Gated(), 32, 64, 16).plan
    assert (plan.frame, plan.grid, plan.block_size, plan.dtype) == ((3, 32, 64), (2, 4), 16, "float32")
    stem, gate, head = (next(s for s in plan.steps if s.where == name) for name in ("stem", "gate", "head"))

    assert stem.operations == ("aten.conv2d", "aten.relu")  # the norm is in the weights
    assert stem.kind == "window"
    assert stem.execution == "windows"
    assert stem.shape == (1, 4, 16, 32)
    assert stem.cell == (8, 8)
    assert stem.window == (17, 17)
    assert stem.halo == (1, 0, 1, 0)
    assert stem.macs == 16 * 32 * 4 * 27
    assert stem.macs_per_cell == 8 * 8 * 4 * 27
    assert stem.canvas == (16, 32, 4)  # for the mean
    assert stem.canvas_bytes == 16 * 32 * 4 * 4
    assert stem.forced_by is None

    mean = next(s for s in plan.steps if "aten.mean" in s.operations)
    assert (mean.kind, mean.execution, mean.macs, mean.canvas) == ("global", "dense", 0, None)
    assert (gate.execution, gate.macs, gate.macs_per_cell) == ("dense", 4 * 4, 0)
    assert gate.forced_by == mean.name

    assert (head.kind, head.execution) == ("pixel", "blocks")
    assert (head.window, head.halo) == (None, None)
    assert head.macs == 16 * 32 * 2 * 4
    assert head.canvas == (16, 32, 2)  # the output

    on_blocks = 16 * 32 * (4 * 27 + 2 * 4)
    assert plan.macs == on_blocks + 16
    assert plan.whole_macs == 16
    assert plan.block_macs == on_blocks
    assert plan.block_share == on_blocks / (on_blocks + 16)
    assert plan.macs_per_block == on_blocks / 8
    assert [(step.name, macs) for step, macs in plan.forcing] == [(mean.name, 16)]
    assert plan.canvas_bytes == (32 * 64 * 3 + 16 * 32 * 4 + 16 * 32 * 2) * 4


SPECIFICATION = {
    "swiftnet-rn18": {
        "stages": {"conv1": 4.933, "layer1": 19.327, "layer2": 17.180, "layer3": 17.180, "layer4": 17.180},
        "decoder": {"spp": 0.202, "up.0": 1.476, "up.1": 5.369, "up.2": 20.401, "head": 0.321},
        "total": 103.569,
        "per block": 0.8076,
    },
    "swiftnet-rn50": {
        "stages": {"conv1": 4.933, "layer1": 27.917, "layer2": 42.950, "layer3": 61.203, "layer4": 33.823},
        "decoder": {"spp": 0.604, "up.0": 2.282, "up.1": 6.979, "up.2": 23.622, "head": 0.321},
        "total": 204.635,
        "per block": 1.594,
    },
}
"""Published GMACs at 1024x2048 with 19 classes. They count the bias of the last convolution too."""

BIAS = 19 * 256 * 512
"""One operation for each element of the output, which ``torch.utils.flop_counter`` does not count."""


@pytest.mark.parametrize("name", SPECIFICATION)
def test_swiftnet_costs_what_the_specification_says(name: str) -> None:
    wanted = SPECIFICATION[name]
    network = load_network(name, weights=None, classes=19)
    plan = convert(network, torch.zeros(1, 3, 1024, 2048)).plan

    def gmacs(prefix: str) -> float:
        steps = [s for s in plan.steps if f"{s.where}.".startswith(f"{prefix}.")]
        assert steps
        return sum(s.macs for s in steps) / 1e9

    for stage, value in wanted["stages"].items():
        assert gmacs(f"backbone.{stage}") == pytest.approx(value, abs=6e-4), stage
    for part, value in wanted["decoder"].items():
        bias = BIAS / 1e9 if part == "head" else 0
        assert gmacs(part) + bias == pytest.approx(value, abs=6e-4), part
    assert round((plan.macs + BIAS) / 1e9, 3) == wanted["total"]

    # The specification has the pyramid pooling dense and all else on blocks.
    outside = sum(s.macs for s in plan.steps if not s.where.startswith("spp"))
    assert (outside + BIAS) / 128 / 1e9 == pytest.approx(wanted["per block"], abs=5e-5)
    # The engine also runs the 1x1 convolutions before and after the pyramid on blocks. What remains are those
    # of its three levels (128 -> 42 channels on 8x16, 4x8 and 2x4 pixels).
    widths = {"swiftnet-rn18": 512, "swiftnet-rn50": 2048}
    around = 32 * 64 * 128 * (widths[name] + 128 + 3 * 42)
    assert plan.whole_macs == 128 * 42 * (8 * 16 + 4 * 8 + 2 * 4)
    assert plan.block_macs == outside + around
    assert plan.macs_per_block == (outside + around) / 128
    assert {step.where for step, _ in plan.forcing} == {"spp"}


def test_canvases_of_swiftnet_rn18_stay_below_600_mb() -> None:
    plan = convert(load_network("swiftnet-rn18", weights=None), torch.zeros(1, 3, 1024, 2048)).plan
    assert plan.canvas_bytes == sum(s.canvas_bytes for s in plan.steps)
    assert 3 * 1024 * 2048 * 4 < plan.canvas_bytes < 600e6


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_canvas_memory_is_what_the_canvases_take(dtype: torch.dtype) -> None:
    network = load_network("swiftnet-rn18", weights=None).to(dtype)
    frames = torch.zeros(2, 3, 96, 160, dtype=dtype)
    blocks = convert(network, frames, 32)
    blocks.dense(frames)
    allocated = sum(c.pixels.nbytes for c in blocks.full.canvases.values() if c.pixels is not None)
    assert allocated == 2 * blocks.plan.canvas_bytes


@pytest.mark.parametrize(
    ("layer", "halo"),
    [
        (nn.Conv2d(3, 2, 3, padding=1), (1, 1, 1, 1)),
        (nn.Conv2d(3, 2, 7, stride=2, padding=3), (3, 2, 3, 2)),  # from -3 to 2 * 15 + 3 of 0 ... 31
        (nn.Conv2d(3, 2, (3, 5), padding=(1, 2)), (1, 1, 2, 2)),
        (nn.Conv2d(3, 2, 3, padding=4, dilation=4), (4, 4, 4, 4)),
        (nn.MaxPool2d(3, stride=2, padding=1), (1, 0, 1, 0)),
        (nn.AvgPool2d(3, stride=1, padding=1), (1, 1, 1, 1)),
        (nn.ConvTranspose2d(3, 2, 4, stride=2, padding=1), (1, 1, 1, 1)),
        (nn.Upsample(scale_factor=2, mode="bilinear"), (1, 1, 1, 1)),
        (nn.Upsample(scale_factor=2, mode="bicubic"), (2, 2, 2, 2)),
    ],
    ids=lambda value: str(value) if isinstance(value, nn.Module) else "",
)
def test_halo_of_each_window(layer: nn.Module, halo: tuple[int, ...]) -> None:
    step = converted(layer, 64, 128, 32).plan.steps[-1]
    assert step.kind == "window"
    assert step.halo == halo


@pytest.mark.parametrize(
    "layer",
    [nn.Conv2d(3, 2, 1), nn.Conv2d(3, 2, 2, stride=2), nn.ReLU(), nn.Upsample(scale_factor=2)],
    ids=str,
)
def test_what_stays_within_the_block_has_no_halo(layer: nn.Module) -> None:
    step = converted(layer, 64, 128, 32).plan.steps[-1]
    assert (step.kind, step.execution, step.halo, step.window) == ("pixel", "blocks", None, None)


class Attention(nn.Module):
    """Attention between patches of 8 pixels, between convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 8, stride=8)
        self.query = nn.Linear(8, 8)
        self.pairs = nn.Linear(8, 16)
        self.head = nn.Conv2d(8, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x)
        tokens = x.flatten(2).transpose(1, 2)[:, None]
        key, value = self.pairs(tokens).chunk(2, -1)
        mixed = nn.functional.scaled_dot_product_attention(self.query(tokens), key, value)
        return self.head(x + mixed[:, 0].transpose(1, 2).view_as(x))


def test_attention_is_what_forces_dense_work() -> None:
    plan = converted(Attention(), 64, 128, 32).plan
    tokens = 8 * 16
    everything = tokens * (8 * 3 * 64 + 8 * 8 + 8 * 16 + 2 * tokens * 8 + 2 * 8)
    assert plan.macs == everything
    forcing = [(step.operations[0], step.kind, macs) for step, macs in plan.forcing]
    attention = ("aten.scaled_dot_product_attention", "global", 2 * tokens * tokens * 8)
    assert attention in forcing
    assert plan.whole_macs == sum(macs for *_, macs in forcing)
    assert "aten.scaled_dot_product_attention (global)" in plan.facts()["because of"]


@torch.library.custom_op("saccade_tests::brighten", mutates_args=())
def brighten(x: Tensor) -> Tensor:
    return x + 1


@brighten.register_fake
def _(x: Tensor) -> Tensor:
    return torch.empty_like(x)


class Foreign(nn.Module):
    """An operator that nobody knows, between convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, padding=1)
        self.last = nn.Conv2d(4, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(brighten(self.first(x)))


def test_an_operator_without_a_rule_is_unknown_and_runs_densely() -> None:
    plan = converted(Foreign(), 64, 64, 16).plan
    ((step, macs),) = plan.forcing
    assert (step.operations, step.kind, step.execution) == (("saccade_tests.brighten",), "unknown", "dense")
    assert macs == plan.whole_macs
    assert plan.facts()["because of"] == "saccade_tests.brighten (unknown)"


def test_operators_of_unknown_cost_are_named() -> None:
    plan = converted(Foreign(), 64, 64, 16).plan
    assert plan.uncounted == ("saccade_tests.brighten",)
    assert plan.macs == 64 * 64 * (4 * 27 + 2 * 4)
    assert "saccade_tests.brighten" in plan.facts()["not counted"]


def test_statistics_of_whole_maps_are_said() -> None:
    plan = converted(nn.Sequential(nn.Conv2d(3, 4, 1), nn.GroupNorm(2, 4)), 32, 32, 16).plan
    norm = plan.steps[-1]
    assert (norm.kind, norm.execution) == ("global", "statistics")
    assert plan.reading_maps == (norm,)
    assert plan.forcing == ()
    assert "aten.group_norm" in plan.facts()["statistics"]


def test_measured_choices_are_in_the_plan() -> None:
    network = converted(nn.Sequential(nn.Conv2d(3, 4, 3, padding=1)), 64, 64, 16)
    step = network.plan.steps[-1]
    assert (step.execution, step.map_from, network.plan.measured) == ("windows", None, False)
    network.use(Tuning(dense_above=0.75, matrix=(step.name,), map_from={step.name: 9}, measured=True))
    step = network.plan.steps[-1]
    assert (step.execution, step.map_from) == ("matrix", 9)
    assert (network.plan.dense_above, network.plan.measured) == (0.75, True)


def test_a_network_without_multiplications_has_a_plan() -> None:
    plan = converted(nn.ReLU(), 32, 32, 16).plan
    assert plan.macs == 0
    assert plan.block_share == 1.0
    assert plan.forcing == ()
    assert plan.facts()["dense"].startswith("nothing")


def test_a_plan_survives_json_and_prints_its_facts() -> None:
    plan = converted(Gated(), 32, 64, 16).plan
    values = plan.to_dict()
    assert json.loads(json.dumps(values, allow_nan=False)) == values
    assert [step["where"] for step in values["steps"]] == [step.where for step in plan.steps]
    assert values["macs"] == plan.macs
    for name, text in plan.facts().items():
        assert name in str(plan)
        assert text in str(plan)


@pytest.mark.parametrize(
    ("share", "text"),
    [(1.0, "100.0 %"), (0.0, "0.0 %"), (0.5, "50.0 %"), (0.99999, "99.999 %"), (0.00004, "0.004 %")],
)
def test_shares_never_round_to_all_or_nothing(share: float, text: str) -> None:
    assert percent(share) == text
