"""Both implementations against slow references: padding by torch, slicing in Python loops."""

import math
import shutil

import pytest
import torch
from torch.nn import functional

from saccade.blocks import kernels
from saccade.blocks.kernels import Border

DTYPES = [torch.float32, torch.bfloat16, torch.float16, torch.float64, torch.uint8, torch.int64]


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(params=["portable", "native"], autouse=True)
def implementation(request, monkeypatch, cache):
    monkeypatch.setenv("SACCADE_KERNELS", request.param)
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    if request.param == "native" and not any(map(shutil.which, ("cc", "gcc", "clang"))):
        pytest.skip("no C compiler")
    kernels._native.cache_clear()
    assert kernels.implementation() == request.param
    yield
    kernels._native.cache_clear()


@pytest.fixture
def random():
    return torch.Generator().manual_seed(3)


def draw_map(random, shape, dtype):
    """Whole numbers that every dtype can hold."""
    return torch.randint(0, 200, shape, generator=random).to(dtype)


def draw_places(random, count, streams, rows, columns):
    """Streams, and first rows and columns within the given ranges."""
    stream = torch.randint(0, streams, (count,), generator=random)
    top, left = (torch.randint(*limits, (count,), generator=random) for limits in (rows, columns))
    return stream, top, left


def padded(source, margin, border, fill):
    """The map with ``margin`` more pixels on each side, ``(N, h + 2m, w + 2m, P)`` float64."""
    image = source.double().permute(0, 3, 1, 2)
    for axis in (2, 3):
        image, missing = image.transpose(axis, 3), margin
        while missing:
            length = image.shape[3]
            if border is Border.REFLECT:  # as far as it goes; then the last pixel of the image in the mirror
                step = min(missing, length - 1)
                image = functional.pad(image, (step, step, 0, 0), mode="reflect")
                image = functional.pad(image, (missing - step, missing - step, 0, 0), mode="replicate")
                break
            step = min(missing, length) if border is Border.CIRCULAR else missing
            value = fill if border is Border.CONSTANT else None
            image = functional.pad(image, (step, step, 0, 0), mode=border.name.lower(), value=value)
            missing -= step
        image = image.transpose(axis, 3)
    return image.permute(0, 2, 3, 1)


def gathered(source, stream, top, left, size, border, fill):
    """One window after the other, sliced out of the padded map."""
    margin = 40
    image = padded(source, margin, border, fill)
    result = torch.empty(len(stream), *size, source.shape[3], dtype=source.dtype)
    for b, (n, y, x) in enumerate(zip(stream.tolist(), top.tolist(), left.tolist(), strict=True)):
        y, x = y + margin, x + margin
        result[b] = image[n, y : y + size[0], x : x + size[1]].to(source.dtype)
    return result


def scattered(target, blocks, stream, top, left):
    """One pixel after the other."""
    result = target.clone()
    height, width = target.shape[1:3]
    for b, (n, y, x) in enumerate(zip(stream.tolist(), top.tolist(), left.tolist(), strict=True)):
        for i in range(blocks.shape[1]):
            for j in range(blocks.shape[2]):
                if 0 <= y + i < height and 0 <= x + j < width:
                    result[n, y + i, x + j] = blocks[b, i, j]
    return result


def grid(streams, height, width, size):
    """The corners of all blocks of a grid over the map, the last ones ragged."""
    corners = torch.cartesian_prod(
        torch.arange(streams), torch.arange(0, height, size[0]), torch.arange(0, width, size[1])
    )
    return corners.unbind(1)


@pytest.mark.parametrize("border", Border)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("payload", [1, 3, 64])
def test_gather_is_slicing_of_the_padded_map(random, border, dtype, payload):
    source = draw_map(random, (2, 11, 14, payload), dtype)
    places = draw_places(random, 25, 2, (-9, 15), (-9, 18))
    result = kernels.gather(source, *places, (5, 7), border=border, fill=7)
    assert result.is_contiguous()
    assert result.dtype is dtype
    assert torch.equal(result, gathered(source, *places, (5, 7), border, 7))


@pytest.mark.parametrize("border", Border)
@pytest.mark.parametrize("shape", [(1, 1, 1, 3), (3, 1, 9, 2), (2, 5, 3, 1)], ids=str)
def test_windows_larger_than_the_map(random, border, shape):
    source = draw_map(random, shape, torch.float32)
    places = draw_places(random, 20, shape[0], (-17, 6), (-17, 10))
    result = kernels.gather(source, *places, (15, 13), border=border, fill=-1.5)
    assert torch.equal(result, gathered(source, *places, (15, 13), border, -1.5))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16, torch.float64], ids=str)
@pytest.mark.parametrize("payload", [1, 5])
def test_the_fill_may_be_infinite(random, dtype, payload):
    source = draw_map(random, (1, 6, 6, payload), dtype)
    places = draw_places(random, 12, 1, (-8, 9), (-8, 9))
    result = kernels.gather(source, *places, (4, 5), fill=-math.inf)
    assert torch.isinf(result).any()
    assert torch.equal(result, gathered(source, *places, (4, 5), Border.CONSTANT, -math.inf))


def test_borders_by_hand():
    row = torch.tensor([10, 20, 30]).view(1, 1, 3, 1)
    place = torch.zeros(1, dtype=torch.int64), torch.zeros(1, dtype=torch.int64), torch.tensor([-4])
    expected = {
        Border.CONSTANT: [5, 5, 5, 5, 10, 20, 30, 5, 5, 5, 5],
        Border.REPLICATE: [10, 10, 10, 10, 10, 20, 30, 30, 30, 30, 30],
        Border.REFLECT: [30, 30, 30, 20, 10, 20, 30, 20, 10, 10, 10],
        Border.CIRCULAR: [30, 10, 20, 30, 10, 20, 30, 10, 20, 30, 10],
    }
    for border, values in expected.items():
        assert kernels.gather(row, *place, (1, 11), border=border, fill=5).flatten().tolist() == values


def test_the_border_is_zero_unless_one_says_otherwise():
    place = torch.zeros(1, dtype=torch.int64)
    window = kernels.gather(torch.ones(1, 2, 2, 1), place, place - 1, place - 1, (2, 2))
    assert window.flatten().tolist() == [0, 0, 0, 1]


@pytest.mark.parametrize("threads", [1, 2])
def test_copies_that_are_worth_several_threads(random, threads):
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        source = draw_map(random, (2, 70, 90, 16), torch.float32)
        places = draw_places(random, 40, 2, (-20, 70), (-20, 90))
        windows = kernels.gather(source, *places, (18, 18), fill=3)
        corners = grid(2, 70, 90, (16, 16))
        blocks = draw_map(random, (len(corners[0]), 16, 16, 16), torch.float32)
        target = source.clone()
        kernels.scatter_(target, blocks, *corners)
    finally:
        torch.set_num_threads(before)
    assert windows.nbytes > 256 * 1024
    assert torch.equal(windows, gathered(source, *places, (18, 18), Border.CONSTANT, 3))
    assert torch.equal(target, scattered(source, blocks, *corners))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("payload", [1, 3, 64])
def test_scatter_is_assignment_of_the_pixels_inside(random, dtype, payload):
    target = draw_map(random, (2, 11, 14, payload), dtype)
    stream, top, left = grid(2, 14, 18, (4, 5))
    top, left = top - 2, left - 3  # ragged on all sides, and some wholly outside
    chosen = torch.randperm(len(top), generator=random)[:17]
    places = stream[chosen], top[chosen], left[chosen]
    blocks = draw_map(random, (17, 4, 5, payload), dtype)
    expected = scattered(target, blocks, *places)
    before = target.clone()
    assert torch.equal(kernels.scatter(target, blocks, *places), expected)
    assert torch.equal(target, before)
    kernels.scatter_(target, blocks, *places)
    assert torch.equal(target, expected)


def test_whole_blocks_come_back_as_they_were(random):
    corners = grid(3, 12, 20, (4, 5))
    blocks = draw_map(random, (len(corners[0]), 4, 5, 7), torch.float32)
    target = torch.full((3, 12, 20, 7), math.nan)
    kernels.scatter_(target, blocks, *corners)
    assert not target.isnan().any()
    assert torch.equal(kernels.gather(target, *corners, (4, 5)), blocks)


@pytest.mark.parametrize("border", Border)
def test_no_blocks_at_all(border):
    source, nowhere = torch.ones(2, 5, 6, 3), torch.empty(0, dtype=torch.int64)
    assert kernels.gather(source, nowhere, nowhere, nowhere, (4, 2), border=border).shape == (0, 4, 2, 3)
    kernels.scatter_(source, torch.empty(0, 4, 2, 3), nowhere, nowhere, nowhere)
    assert torch.equal(
        kernels.scatter(source, torch.empty(0, 4, 2, 3), nowhere, nowhere, nowhere), torch.ones(2, 5, 6, 3)
    )


@pytest.mark.parametrize("stream", [-1, 2])
def test_a_stream_that_is_not_there(stream):
    source, blocks = torch.ones(2, 5, 6, 3), torch.zeros(1, 2, 2, 3)
    start = torch.zeros(1, dtype=torch.int64)
    with pytest.raises(IndexError, match=r"out of (range|bounds)"):
        kernels.gather(source, start + stream, start, start, (2, 2))
    with pytest.raises(IndexError, match=r"out of (range|bounds)"):
        kernels.scatter_(source, blocks, start + stream, start, start)
    assert torch.equal(source, torch.ones(2, 5, 6, 3))


@pytest.mark.parametrize("border", Border)
def test_gradients_of_gather(random, border):
    source = torch.rand(2, 4, 5, 2, generator=random, dtype=torch.float64).requires_grad_()
    places = draw_places(random, 5, 2, (-4, 5), (-4, 6))
    assert torch.autograd.gradcheck(
        lambda source: kernels.gather(source, *places, (3, 4), border=border, fill=2.0), source
    )


def test_gradients_of_scatter(random):
    target = torch.rand(2, 5, 4, 2, generator=random, dtype=torch.float64).requires_grad_()
    places = grid(2, 7, 6, (3, 3))
    places = places[0], places[1] - 1, places[2] - 1
    blocks = torch.rand(len(places[0]), 3, 3, 2, generator=random, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda *inputs: kernels.scatter(*inputs, *places), (target, blocks))

    def in_place(target, blocks):
        target = target * 1
        kernels.scatter_(target, blocks, *places)
        return target

    assert torch.autograd.gradcheck(in_place, (target, blocks))
