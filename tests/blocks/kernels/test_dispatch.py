"""Which tensors the C kernels get, and what both implementations refuse."""

import pytest
import torch

from saccade.blocks import kernels
from saccade.errors import ConfigError

START = torch.zeros(1, dtype=torch.int64)


class Spy:
    """Stands in for the C kernels and remembers that it was asked."""

    def __init__(self):
        self.asked = []

    def gather(self, source, *_):
        self.asked.append("gather")

    def scatter_(self, target, *_):
        self.asked.append("scatter_")


@pytest.fixture
def spy(monkeypatch):
    spy = Spy()
    monkeypatch.setattr(kernels, "_native", lambda: spy)
    return spy


def test_plain_tensors_on_the_cpu_are_copied_natively(spy):
    source, blocks = torch.ones(1, 4, 4, 2), torch.zeros(1, 2, 2, 2)
    kernels.gather(source, START, START, START, (2, 2))
    kernels.scatter_(source, blocks, START, START, START)
    kernels.scatter(source, blocks, START, START, START)
    assert spy.asked == ["gather", "scatter_", "scatter_"]


def test_natively_only_where_no_gradient_is_needed(spy):
    source, blocks = torch.ones(1, 4, 4, 2), torch.zeros(1, 2, 2, 2, requires_grad=True)
    assert kernels.scatter(source, blocks, START, START, START).requires_grad
    assert kernels.gather(source.requires_grad_(), START, START, START, (2, 2)).requires_grad
    assert spy.asked == []
    with torch.no_grad():
        kernels.gather(source, START, START, START, (2, 2))
    assert spy.asked == ["gather"]


def test_what_is_not_contiguous_is_copied_portably(spy):
    source = torch.arange(24.0).view(1, 2, 4, 3).transpose(1, 2)
    window = kernels.gather(source, START, START, START + 1, (4, 1))
    assert torch.equal(window, source[:, :, 1:])
    blocks = torch.zeros(1, 2, 3, 2).permute(0, 1, 3, 2)
    target = torch.ones(1, 4, 4, 3)
    kernels.scatter_(target, blocks, START, START, START)
    assert target.sum() == 48 - 12
    assert torch.equal(kernels.scatter(source, blocks, START, START, START)[:, 2:], source[:, 2:])
    assert spy.asked == []


def test_places_may_be_columns_of_one_tensor():
    places = torch.tensor([[1, 0, -1], [0, 1, 2]])
    source = torch.arange(2 * 3 * 4.0).view(2, 3, 4, 1)
    windows = kernels.gather(source, *places.unbind(1), (1, 2))
    assert windows.flatten().tolist() == [0, 12, 6, 7]


def test_places_may_be_of_another_integer_type():
    place = torch.ones(1, dtype=torch.int32)
    window = kernels.gather(torch.arange(4.0).view(1, 2, 2, 1), place * 0, place, place, (1, 1))
    assert window.item() == 3


def test_compiled_code_stays_in_one_graph():
    @torch.compile(backend="eager", fullgraph=True)
    def shift(source):
        return kernels.gather(source, START, START + 1, START, (3, 4))

    source = torch.arange(12.0).view(1, 3, 4, 1)
    expected = torch.cat([source[:, 1:], torch.zeros(1, 1, 4, 1)], 1)
    assert torch.equal(shift(source), expected)


def test_autograd_notices_that_a_map_was_changed():
    target = torch.ones(1, 4, 4, 2)
    weight = torch.ones(1, requires_grad=True)
    product = (weight * target).sum()
    with torch.no_grad():
        kernels.scatter_(target, torch.zeros(1, 2, 2, 2), START, START, START)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        product.backward()


def test_maps_of_inference_mode():
    with torch.inference_mode():
        target = torch.ones(1, 4, 4, 2)
        kernels.scatter_(target, torch.zeros(1, 2, 2, 2), START, START, START)
        assert target.sum() == 24
        assert kernels.gather(target, START, START, START, (4, 4)).sum() == 24


@pytest.mark.parametrize(
    ("source", "places", "message"),
    [
        (torch.ones(4, 4, 2), [START] * 3, "must be (N, h, w, P)"),
        (torch.ones(1, 0, 4, 2), [START] * 3, "no pixels"),
        (torch.ones(1, 4, 4, 2), [START, START, START[:0]], "must be (B,)"),
        (torch.ones(1, 4, 4, 2), [START[None]] * 3, "must be (B,)"),
    ],
)
def test_gather_refuses(source, places, message):
    with pytest.raises(ValueError) as error:
        kernels.gather(source, *places, (2, 2))
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("target", "blocks", "message"),
    [
        (torch.ones(1, 4, 4, 2), torch.ones(2, 2, 2, 2), "must be (1, by, bx, 2)"),
        (torch.ones(1, 4, 4, 2), torch.ones(1, 2, 2, 3), "must be (1, by, bx, 2)"),
        (torch.ones(1, 4, 4, 2), torch.ones(1, 2, 2, 2).double(), "convert the blocks"),
        (torch.ones(1, 4, 4, 2).transpose(1, 3), torch.ones(1, 2, 2, 4), "not contiguous"),
    ],
)
def test_scatter_refuses(target, blocks, message):
    with pytest.raises(ValueError) as error:
        kernels.scatter_(target, blocks, START, START, START)
    assert message in str(error.value)


def test_an_unknown_implementation_is_refused(monkeypatch):
    monkeypatch.setenv("SACCADE_KERNELS", "fortran")
    kernels._native.cache_clear()
    with pytest.raises(ConfigError, match="native or portable"):
        kernels.implementation()
    kernels._native.cache_clear()
