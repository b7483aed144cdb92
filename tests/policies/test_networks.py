import math

import pytest
import torch

from saccade.networks.macs import count_macs
from saccade.policies.networks import NETWORKS, ResNet8, SmallNetwork, build_network


@pytest.mark.parametrize(
    ("name", "channels", "parameters"),
    [("small", 26, 728_085), ("small", 8, 722_865), ("resnet8", 26, 610_561), ("resnet8", 8, 605_377)],
)
def test_has_the_published_number_of_parameters(name: str, channels: int, parameters: int) -> None:
    network = NETWORKS[name](channels, "batch")  # type: ignore[index]
    assert sum(weight.numel() for weight in network.parameters()) == parameters


@pytest.mark.parametrize(
    ("name", "channels", "gmacs"),
    [("small", 26, 0.383), ("small", 8, 0.341), ("resnet8", 26, 7.533), ("resnet8", 8, 6.854)],
)
def test_costs_what_the_published_ones_cost_at_8_by_16_blocks(name: str, channels: int, gmacs: float) -> None:
    network = NETWORKS[name](channels, "batch")  # type: ignore[index]
    size = 8 * network.pixels, 16 * network.pixels
    assert count_macs(network, (1, channels, *size)) / 1e9 == pytest.approx(gmacs, abs=0.001)


@pytest.mark.parametrize("norm", ["batch", "group"])
@pytest.mark.parametrize("grid", [(1, 1), (3, 5)])
@pytest.mark.parametrize("network_type", [SmallNetwork, ResNet8])
def test_gives_one_logit_per_block(network_type: type[SmallNetwork], grid: tuple[int, int], norm) -> None:
    network = network_type(8, norm)
    maps = torch.randn(2, 8, grid[0] * network.pixels, grid[1] * network.pixels)
    logits = network(maps)
    assert logits.shape == (2, *grid)
    assert torch.isfinite(logits).all()


def test_batch_norm_takes_the_statistics_of_the_batch_in_evaluation_too() -> None:
    network = SmallNetwork(3, "batch").eval()
    maps = torch.randn(1, 3, 48, 64)
    brighter = 4 * maps + torch.tensor([10.0, -3.0, 0.5]).view(1, 3, 1, 1)
    torch.testing.assert_close(network(brighter), network(maps), atol=1e-4, rtol=1e-4)


def test_with_group_norm_streams_do_not_influence_each_other() -> None:
    first, second = torch.randn(1, 3, 64, 64), 5 + 3 * torch.randn(1, 3, 64, 64)
    for network_type in (SmallNetwork, ResNet8):
        network = network_type(3, "group")
        alone, together = network(first), network(torch.cat([first, second]))[:1]
        torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-4)


def test_backbone_of_resnet8_starts_as_published() -> None:
    network = ResNet8(26, "batch")
    convolutions = [m for m in network.backbone.modules() if isinstance(m, torch.nn.Conv2d)]
    sizes = [(conv.kernel_size[0], conv.out_channels) for conv in convolutions]
    assert sizes == [(3, 32), (3, 32), (3, 64), (3, 64), (1, 64), (3, 128), (3, 128), (1, 128)]
    for conv, (kernel, channels) in zip(convolutions, sizes, strict=True):
        assert conv.weight.std().item() == pytest.approx(math.sqrt(2 / (kernel**2 * channels)), rel=0.1)


def test_weights_come_from_the_seed_and_leave_the_global_random_numbers_alone() -> None:
    before = torch.random.get_rng_state()
    first, again, other = (build_network("small", 8, "group", seed) for seed in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(first.stem.weight, again.stem.weight)
    assert not torch.equal(first.stem.weight, other.stem.weight)


@pytest.mark.parametrize("network_type", [SmallNetwork, ResNet8])
def test_can_start_without_a_preference_and_learn_one(network_type: type[SmallNetwork]) -> None:
    network = network_type(3)
    network.start_at_zero()
    logits = network(torch.randn(1, 3, 2 * network.pixels, 3 * network.pixels))
    assert logits.tolist() == [[[0.0] * 3] * 2]
    logits[0, 0, 0].backward()
    assert any((weight.grad != 0).any() for weight in network.parameters() if weight.grad is not None)
