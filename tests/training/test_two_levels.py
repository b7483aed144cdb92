"""Blocks of two resolutions with gradients: against the block engine, plain networks, and by hand."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from saccade.blocks import FULL, LOW, EngineOptions, convert
from saccade.errors import NetworkError
from saccade.networks import load_network
from saccade.training.two_levels import Chosen, Mixed, batch_norm, run

BLOCK = 64


def chosen(full, size=None, **settings):
    """Blocks of frames of this size, of whole blocks by default."""
    return Chosen(full, BLOCK, size or (BLOCK * full.shape[1], BLOCK * full.shape[2]), **settings)


@pytest.fixture
def random():
    return torch.Generator().manual_seed(0)


def lively(network):
    """Norms that do something, as after training."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.1)
            module.running_mean.normal_(std=0.1)
            module.running_var.uniform_(0.5, 1.5)
    return network


@torch.no_grad()
@pytest.mark.parametrize(
    ("name", "options", "size"),
    [
        ("swiftnet-efficientnet-lite1", {"width": 12}, (384, 512)),
        ("bisenet-r18", {}, (200, 216)),  # 25 rows at a stride of 8, 13 at 16, 7 at 32
    ],
)
def test_a_trained_network_gives_what_the_engine_gives(name, options, size, random):
    torch.manual_seed(0)
    network = lively(load_network(name, weights=None, classes=5, **options)).eval()
    frames = torch.randn(1, 3, *size, generator=random)
    grid = [-(-side // BLOCK) for side in size]
    blocks = chosen(torch.rand(1, *grid, generator=random) < 0.5, size)
    engine = convert(
        network,
        frames,
        BLOCK,
        levels=2,
        options=EngineOptions(dense_above=2.0, winograd=False),
        measure=False,
    )
    expected = engine.step(frames, torch.where(blocks.full, FULL, LOW).to(torch.int8))
    found = run(network, frames, blocks)
    assert blocks.full.any()
    assert not blocks.full.all()
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4 * expected.abs().max().item())


class Tiny(nn.Sequential):
    def __init__(self):
        super().__init__(
            nn.Conv2d(3, 4, 3, 2, 1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 2, 3, padding=1)
        )


def test_everything_in_full_trains_as_the_network_itself(random):
    torch.manual_seed(0)
    one, other = Tiny().train(), Tiny().train()
    other.load_state_dict(one.state_dict())
    frames = torch.randn(2, 3, 2 * BLOCK, 2 * BLOCK, generator=random)
    full = torch.ones(2, 2, 2, dtype=torch.bool)
    found, expected = run(one, frames, chosen(full)), other(frames)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    found.square().mean().backward()
    expected.square().mean().backward()
    for a, b in zip(one.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad, rtol=1e-3, atol=1e-5)
    for (name, a), b in zip(one.named_buffers(), other.buffers(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5, msg=name)


def test_nothing_in_full_trains_as_the_network_on_averaged_frames(random):
    torch.manual_seed(0)
    one, other = Tiny().train(), Tiny().train()
    other.load_state_dict(one.state_dict())
    frames = torch.randn(2, 3, 2 * BLOCK, 2 * BLOCK, generator=random)
    found = run(one, frames, chosen(torch.zeros(2, 2, 2, dtype=torch.bool)))
    expected = F.interpolate(other(F.avg_pool2d(frames, 2)), scale_factor=2.0, mode="bilinear")
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    for (name, a), b in zip(one.named_buffers(), other.buffers(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5, msg=name)


def mixed_of(values, full, **settings):
    """Two blocks of two pixels beside each other, in one row and two streams."""
    values = torch.tensor(values).view(1, 1, 2, 4)
    return Mixed.of(values, Chosen(torch.tensor([[full]]), 2, (2, 4), **settings))


VALUES = [[1.0, 3.0, 10.0, 30.0], [5.0, 7.0, 20.0, 40.0]]
"""The left block has mean 4 and variance 5; the right one, at half resolution, is the single pixel 25."""


def test_each_resolution_is_normalised_by_its_own_pixels():
    mean, variance = torch.zeros(1), torch.ones(1)
    x = mixed_of(VALUES, [True, False])
    y = batch_norm(x, mean, variance, training=True, momentum=0.5, eps=0.0)
    left = (torch.tensor([[1.0, 3.0], [5.0, 7.0]]) - 4) / 5**0.5
    torch.testing.assert_close(y.full[0, 0, :, :2], left)
    # Five pixels: means 4 (of four) and 25 (of one), variances 5 and 0; and 5/4 to be unbiased.
    assert mean.item() == pytest.approx(0.5 * (4 * 4 + 25) / 5)
    assert variance.item() == pytest.approx(0.5 + 0.5 * (4 * 5 / 5) * 5 / 4)


def test_both_are_normalised_by_the_pixels_of_both():
    mean, variance = torch.zeros(1), torch.ones(1)
    x = mixed_of(VALUES, [True, False], statistics="joint")
    y = batch_norm(x, mean, variance, training=True, momentum=1.0, eps=0.0)
    pixels = torch.tensor([1.0, 3.0, 5.0, 7.0, 25.0])
    normal = (pixels - pixels.mean()) / pixels.std(correction=0)
    torch.testing.assert_close(y.full[0, 0, :, :2].flatten(), normal[:4])
    torch.testing.assert_close(y.half[0, 0, 0, 1], normal[4])
    assert mean.item() == pytest.approx(pixels.mean().item())
    assert variance.item() == pytest.approx(pixels.var().item())


def test_frozen_statistics_normalise_and_stay():
    mean, variance = torch.tensor([2.0]), torch.tensor([4.0])
    x = mixed_of(VALUES, [True, False], statistics="frozen")
    y = batch_norm(x, mean, variance, training=True, momentum=0.5, eps=0.0)
    torch.testing.assert_close(y.full, (x.full - 2) / 2)
    torch.testing.assert_close(y.half, (x.half - 2) / 2)
    assert (mean.item(), variance.item()) == (2.0, 4.0)


@pytest.mark.parametrize("statistics", ["own", "joint"])
@pytest.mark.parametrize("full", [[True, False], [False, True], [True, True], [False, False]])
def test_gradients_are_those_of_small_differences(full, statistics, random):
    frames = torch.randn(1, 1, 4, 8, generator=random, dtype=torch.float64, requires_grad=True)
    first, second = (
        torch.randn(1, 1, 3, 3, generator=random, dtype=torch.float64, requires_grad=True) for _ in range(2)
    )
    scale = torch.tensor([1.5], dtype=torch.float64, requires_grad=True)

    def network(frames, first, second, scale):
        x = Mixed.of(frames, Chosen(torch.tensor([[full]]), 4, (4, 8), statistics=statistics))
        x = F.conv2d(x, first, padding=1)
        x = F.batch_norm(x, None, None, scale, None, training=True)
        return F.conv2d(torch.tanh(x), second, padding=1).combined()

    assert torch.autograd.gradcheck(network, (frames, first, second, scale))


def test_what_cannot_be_trained_is_named(random):
    frames = torch.randn(1, 3, BLOCK, BLOCK, generator=random)
    blocks = chosen(torch.ones(1, 1, 1, dtype=torch.bool))
    with pytest.raises(NetworkError, match="uses softmax cannot be trained with blocks"):
        run(nn.Softmax2d(), frames, blocks)
    odd = nn.Sequential(nn.Conv2d(3, 4, 4, 4), nn.Conv2d(4, 4, 3, 16, 1))  # a map of one pixel
    with pytest.raises(NetworkError, match="has 1x1 pixels in a map of 1x1, and no half"):
        run(odd, frames, blocks)
    with pytest.raises(NetworkError, match=r"62x62 pixels is 30x30 .* cannot be at half resolution in it"):
        run(nn.Conv2d(3, 4, 3), frames, blocks)


def test_the_values_of_another_reader_are_not_changed_in_place(random):
    class Shared(nn.Module):
        def forward(self, x):
            return F.relu(x, inplace=True) + x

    frames = torch.randn(1, 3, BLOCK, BLOCK, generator=random)
    kept = copy.deepcopy(frames)
    found = run(Shared(), frames, chosen(torch.ones(1, 1, 1, dtype=torch.bool)))
    assert torch.equal(frames, kept)
    torch.testing.assert_close(found, kept.relu() + kept)
