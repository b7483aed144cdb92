"""Names of methods, and from a configuration to a method."""

from dataclasses import dataclass

import pytest
import torch
from torch import nn

import saccade
from saccade.errors import ConfigError
from saccade.methods import registry
from saccade.methods.frame import FrameByFrame


@pytest.fixture(autouse=True)
def _keep_registry(monkeypatch):
    monkeypatch.setattr(registry, "_METHODS", dict(registry._METHODS))


@dataclass(frozen=True)
class OddConfig:
    """Odd frames only.

    Args:
        start: First frame.
    """

    start: int = 1


class Odd(FrameByFrame):
    def __init__(self, network: nn.Module, config: OddConfig) -> None:
        super().__init__(network)
        self.config = config


def test_wrap_makes_the_method_that_the_configuration_belongs_to():
    before = registry.list_methods()
    registry.register_method("odd", OddConfig, Odd)
    network = nn.Conv2d(3, 2, 1)
    assert before[0] == "frame"
    assert type(saccade.wrap(network)) is FrameByFrame
    method = saccade.wrap(network, OddConfig(start=3))
    assert type(method) is Odd
    assert method.config.start == 3
    assert method.network is network
    assert registry.list_methods() == [*before, "odd"]
    assert registry.method_of(method.config).name == "odd"
    assert registry.registered_method("odd").summary == "Odd frames only."


def test_a_method_may_be_named_by_its_place_and_is_imported_when_used():
    registry.register_method("odd", OddConfig, f"{FrameByFrame.__module__}:FrameByFrame")
    assert registry.registered_method("odd").method_class is FrameByFrame


def test_unknown_method_names_the_known_ones():
    with pytest.raises(ConfigError, match=r"no method 'frames'; did you mean 'frame'.*Known methods: frame"):
        registry.registered_method("frames")


def test_a_name_and_a_configuration_belong_to_one_method():
    registry.register_method("odd", OddConfig, Odd)
    registry.register_method("odd", OddConfig, Odd)  # a module that is imported twice
    with pytest.raises(ConfigError, match="configuration OddConfig belongs to method 'odd'"):
        registry.register_method("even", OddConfig, Odd)
    with pytest.raises(ConfigError, match="name 'frame' belongs to method 'frame'"):
        registry.register_method("frame", type("Other", (OddConfig,), {}), Odd)


def test_a_configuration_must_be_a_frozen_dataclass():
    with pytest.raises(ConfigError, match="must be a frozen dataclass"):
        registry.register_method("loose", dict, Odd)


def test_wrap_explains_what_it_cannot_wrap():
    with pytest.raises(ConfigError, match="str is not a network"):
        saccade.wrap("swiftnet-rn18")
    with pytest.raises(ConfigError, match=r"not the configuration of a method; give one of FrameConfig\(\)"):
        saccade.wrap(nn.Conv2d(3, 2, 1), OddConfig())


def test_wrap_keeps_device_and_precision():
    network = nn.Conv2d(3, 2, 1).to(torch.float16)
    assert saccade.wrap(network).network.weight.dtype == torch.float16
