import copy
import warnings

import pytest
import torch
from torch import nn

from saccade.networks.macs import count_macs


def test_convolutions_and_linear_layers_by_hand():
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, padding=1),  # 8 outputs of 4x6, each 3 * 3 * 3
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 8, 5, padding=2, groups=4),  # each of 8 * 4x6 outputs: 2 * 5 * 5
        nn.ConvTranspose2d(8, 4, 2, stride=2),  # each of 4x6 inputs: 8 * 4 * 2 * 2
        nn.Flatten(),
        nn.Linear(4 * 8 * 12, 10),
    ).eval()
    per_frame = 8 * 24 * 27 + 8 * 24 * 50 + 24 * 128 + 384 * 10
    assert count_macs(network, (1, 3, 8, 12)) == per_frame
    assert count_macs(network, (2, 3, 8, 12)) == 2 * per_frame


def test_the_network_is_not_run_and_not_changed():
    network = nn.Sequential(nn.Conv2d(3, 2, 1), nn.BatchNorm2d(2)).train()
    before = copy.deepcopy(network.state_dict())
    huge = (1, 3, 1 << 17, 1 << 17)  # two tera-MACs on 200 GB of input: only countable without data
    assert count_macs(network, huge) == 6 * (1 << 34)
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    assert all(type(parameter) is nn.Parameter for parameter in network.parameters())


class Remembers(nn.Module):
    """Keeps its last input, as a network with a state would."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(3, 1, 1)
        self.last = None
        self.calls = 0

    def forward(self, x):
        self.last, self.calls = x, self.calls + 1
        return self.layer(x)


def test_what_a_network_remembers_is_left_alone():
    network = Remembers()
    assert count_macs(network, (1, 3, 4, 4)) == 48
    assert network.last is None
    assert network.calls == 0


class LooksAtValues(Remembers):
    def forward(self, x):
        super().forward(x)
        return self.layer(x) if x.sum().item() == 0 else x


def test_a_network_that_looks_at_values_is_counted_on_zeros():
    network = LooksAtValues()
    assert count_macs(network, (1, 3, 4, 4)) == 2 * 48
    assert network.calls == 0


def test_each_shape_is_counted_once(monkeypatch):
    network = nn.Conv2d(3, 1, 1)
    assert count_macs(network, (1, 3, 4, 4)) == 48
    monkeypatch.setattr(nn.Conv2d, "forward", None)
    assert count_macs(network, torch.Size([1, 3, 4, 4])) == 48
    with pytest.raises(TypeError):
        count_macs(network, (1, 3, 4, 5))


def test_compiled_parts_are_counted_like_any():
    layer = nn.Conv2d(3, 1, 1)
    assert count_macs(torch.compile(layer), (1, 3, 4, 4)) == 48
    assert count_macs(nn.Sequential(torch.compile(layer), nn.ReLU()), (1, 3, 4, 4)) == 48


def test_a_network_that_fails_says_so_itself():
    with pytest.raises(RuntimeError, match="4 channels"):
        count_macs(nn.Conv2d(3, 1, 1), (1, 4, 8, 8))


@torch.library.custom_op("saccade_tests::twice", mutates_args=())
def twice(x: torch.Tensor) -> torch.Tensor:
    return x * 2


@twice.register_fake
def _(x):
    return torch.empty_like(x)


def test_operators_of_unknown_cost_are_named():
    class Custom(nn.Conv2d):
        def forward(self, x):
            return twice(super().forward(x))

    with pytest.warns(UserWarning, match="saccade_tests::twice"):
        assert count_macs(Custom(3, 1, 1), (1, 3, 4, 4)) == 48
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        count_macs(nn.Conv2d(3, 1, 1), (1, 3, 4, 4))


class Sum(nn.Module):
    """Takes two tensors."""

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList((nn.Conv2d(3, 2, 1), nn.Conv2d(3, 5, 1)))

    def forward(self, a, b):
        return self.layers[0](a).mean() + self.layers[1](b).mean()


def test_a_module_of_two_tensors():
    assert count_macs(Sum(), (1, 3, 4, 4), (2, 3, 8, 8)) == 16 * 6 + 2 * 64 * 15
