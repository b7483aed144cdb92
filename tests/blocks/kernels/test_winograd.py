"""Winograd's algorithm against plain convolutions in float64."""

import math
import shutil

import pytest
import torch
from torch.nn import functional as F

from saccade.blocks import kernels
from saccade.blocks.kernels import Places

pytestmark = pytest.mark.skipif(not any(map(shutil.which, ("cc", "gcc", "clang"))), reason="no C compiler")

ROUNDING = {torch.float32: 2e-5, torch.bfloat16: 1e-2}


@pytest.fixture
def winograd(monkeypatch):
    monkeypatch.setenv("SACCADE_KERNELS", "native")
    kernels._native.cache_clear()
    yield kernels.winograd()
    kernels._native.cache_clear()


@pytest.fixture(params=[1, 2])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield
    torch.set_num_threads(before)


def convolved(source, weight, bias, dilation):
    """The whole map, ``(N, h, w, K)`` float64."""
    x = source.double().permute(0, 3, 1, 2)
    y = F.conv2d(x, weight.double(), bias.double(), padding=dilation, dilation=dilation)
    return y.permute(0, 2, 3, 1)


def drawn(channels, outputs, size, dtype, streams=1):
    """A map, weights and a bias whose results are about 1."""
    random = torch.Generator().manual_seed(0)
    source = torch.randn(streams, *size, channels, generator=random).to(dtype)
    weight = (torch.randn(outputs, channels, 3, 3, generator=random) / math.sqrt(9 * channels)).to(dtype)
    return source, weight, torch.randn(outputs, generator=random)


def places(cells):
    return Places(*torch.tensor(cells).T.contiguous().unbind(0))


def shifted(at, distance):
    return Places(at.stream, at.top - distance, at.left - distance)


def largest_error(result, expected):
    return ((result.double() - expected).abs().max() / expected.abs().max()).item()


@pytest.mark.parametrize("dtype", list(ROUNDING))
@pytest.mark.parametrize(
    ("channels", "outputs", "size", "dilation"),
    [
        (16, 64, (8, 12), 1),
        (3, 5, (9, 7), 1),
        (17, 70, (33, 30), 1),
        (64, 64, (40, 52), 1),
        (20, 33, (16, 24), 2),
        (8, 16, (19, 23), 3),
        (8, 16, (5, 6), 6),
        (1, 1, (1, 1), 1),
    ],
)
def test_a_map_as_one_cell(winograd, threads, channels, outputs, size, dilation, dtype):
    source, weight, bias = drawn(channels, outputs, size, dtype)
    target = torch.full((1, *size, outputs), torch.nan, dtype=dtype)
    whole = places([(0, 0, 0)])
    weights = winograd.prepare(weight, bias)
    winograd.convolve(source, shifted(whole, dilation), size, weights, dilation, target, whole)
    assert largest_error(target, convolved(source, weight, bias, dilation)) < ROUNDING[dtype]


@pytest.mark.parametrize("count", [1, 40])
def test_cells_of_several_streams(winograd, threads, count):
    source, weight, bias = drawn(6, 10, (24, 32), torch.float32, streams=3)
    every = [(n, y, x) for n in range(3) for y in range(0, 24, 4) for x in range(0, 32, 5)]
    chosen = [
        every[i] for i in torch.randperm(len(every), generator=torch.Generator().manual_seed(1))[:count]
    ]
    at = places(chosen)
    in_order = places([(i, 0, 0) for i in range(count)])
    target = torch.full((count, 4, 5, 10), torch.nan)
    winograd.convolve(source, shifted(at, 1), (4, 5), winograd.prepare(weight, bias), 1, target, in_order)
    whole = F.pad(convolved(source, weight, bias, 1), (0, 0, 0, 5))
    beyond = F.pad(source, (0, 0, 0, 5))  # cells in the last column see zeros to their right
    whole[:, :, 32:] = convolved(beyond, weight, bias, 1)[:, :, 32:]
    expected = torch.stack([whole[n, y : y + 4, x : x + 5] for n, y, x in chosen])
    assert largest_error(target, expected) < 2e-5


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("outputs", [16, 21])
def test_what_is_added_and_the_limits(winograd, outputs, in_place):
    source, weight, bias = drawn(8, outputs, (12, 12), torch.float32)
    other = torch.randn(1, 12, 12, outputs, generator=torch.Generator().manual_seed(2))
    expected = (convolved(source, weight, bias, 1) + other).clamp(-0.5, 0.75)
    target = other if in_place else torch.empty_like(other)
    whole = places([(0, 0, 0)])
    weights = winograd.prepare(weight, bias)
    winograd.convolve(source, shifted(whole, 1), (12, 12), weights, 1, target, whole, other, -0.5, 0.75)
    assert largest_error(target, expected) < 5e-5  # of a largest value that the limits made smaller


def test_what_lies_outside_the_target_is_left_away(winograd):
    source, weight, bias = drawn(8, 8, (10, 10), torch.float32)
    target = torch.zeros(2, 10, 10, 8)
    at = places([(0, 8, 8)])
    weights = winograd.prepare(weight, bias)
    winograd.convolve(
        source, shifted(at, 1), (8, 8), weights, 1, target, Places(at.stream + 1, at.top, at.left)
    )
    expected = torch.zeros(2, 10, 10, 8, dtype=torch.float64)
    expected[1, 8:, 8:] = convolved(source, weight, bias, 1)[0, 8:, 8:]
    assert largest_error(target, expected) < 2e-5


def test_a_cell_does_not_depend_on_the_others(winograd, threads):
    source, weight, bias = drawn(40, 24, (32, 32), torch.float32)
    weights = winograd.prepare(weight, bias)
    every = [(0, y, x) for y in range(0, 32, 8) for x in range(0, 32, 8)]

    def computed(chosen):
        target = torch.empty(len(chosen), 8, 8, 24)
        order = places([(i, 0, 0) for i in range(len(chosen))])
        winograd.convolve(source, shifted(places(chosen), 1), (8, 8), weights, 1, target, order)
        return target

    together = computed(every)
    for i in (0, 5, 15):
        assert torch.equal(computed(every[i : i + 1])[0], together[i])


@pytest.mark.parametrize("dtype", list(ROUNDING))
def test_values_that_are_not_numbers_stay(winograd, dtype):
    source, weight, bias = drawn(4, 4, (12, 12), dtype)
    source[0, 1, 1] = torch.nan
    target = torch.empty(1, 12, 12, 4, dtype=dtype)
    whole = places([(0, 0, 0)])
    weights = winograd.prepare(weight, bias)
    winograd.convolve(source, shifted(whole, 1), (12, 12), weights, 1, target, whole, low=0.0)
    assert target[0, :3, :3].isnan().all()
    assert not target[0, 5:, 5:].isnan().any()


def test_streams_that_the_map_does_not_have_are_refused(winograd):
    source, weight, bias = drawn(4, 4, (4, 4), torch.float32)
    whole, wrong = places([(0, 0, 0)]), places([(1, 0, 0)])
    with pytest.raises(IndexError, match="0 to 0"):
        winograd.convolve(
            source, wrong, (4, 4), winograd.prepare(weight, bias), 1, torch.empty(1, 4, 4, 4), whole
        )


def test_maps_that_do_not_fit_the_weights_are_refused(winograd):
    source, weight, bias = drawn(4, 4, (4, 4), torch.float32)
    whole = places([(0, 0, 0)])
    with pytest.raises(ValueError, match="do not fit"):
        winograd.convolve(
            source[..., :3].contiguous(),
            whole,
            (4, 4),
            winograd.prepare(weight, bias),
            1,
            torch.empty(1, 4, 4, 4),
            whole,
        )
