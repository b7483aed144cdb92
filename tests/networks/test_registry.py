import doctest

import pytest
import torch
from torch import nn

from saccade.classes import CAMVID, CITYSCAPES
from saccade.errors import NetworkError
from saccade.networks import NetworkInfo, list_networks, load, network_info, register_network, registry
from saccade.networks.registry import attach_info, build_network, registered


@pytest.fixture(autouse=True)
def own_registry(monkeypatch):
    monkeypatch.setattr(registry, "_NETWORKS", dict(registry._NETWORKS))


def patches(classes: int = 19, *, stride: int = 4) -> nn.Module:
    return nn.Conv2d(3, classes, stride, stride)


def test_built_in_networks():
    assert {"swiftnet-rn18", "swiftnet-rn34", "swiftnet-rn50"} <= set(list_networks())
    assert list_networks() == sorted(list_networks())
    assert registered("swiftnet-rn18").default_weights == "swiftnet-rn18-street"


def test_a_network_of_ones_own():
    assert register_network("patches")(patches) is patches
    assert "patches" in list_networks()
    network = build_network("patches", CAMVID, stride=8)
    assert network.weight.shape == (11, 3, 8, 8)
    assert network.info == NetworkInfo("patches", CAMVID, None, {"classes": 11, "stride": 8})
    assert build_network("patches", 5).info.class_set is None
    assert build_network("patches").info.class_set is CITYSCAPES


def test_a_name_is_given_once_but_a_module_may_be_imported_again():
    register_network("patches")(patches)
    register_network("patches")(patches)

    def other(classes: int = 19) -> nn.Module:
        return nn.Conv2d(3, classes, 1)

    with pytest.raises(NetworkError, match=r"'patches' is taken by .*patches"):
        register_network("patches")(other)


def test_unknown_names_and_options():
    with pytest.raises(NetworkError, match=r"no network 'swiftnet-rn81' \(did you mean 'swiftnet-rn18'\?\)"):
        build_network("swiftnet-rn81")
    with pytest.raises(NetworkError, match=r"no option depth; its options are classes, width"):
        build_network("swiftnet-rn18", depth=3)


def test_fetched_backbones_are_not_fetched_again_for_given_weights():
    @register_network("fetching")
    def fetching(classes: int = 19, pretrained_backbone: bool = False) -> nn.Module:
        return nn.Conv2d(3, classes, 1)

    assert build_network("fetching", 3, pretrained_backbone=True).info.options == {"classes": 3}


def test_info_of_modules_that_say_nothing_or_use_the_name_themselves():
    assert network_info(nn.ReLU()) == NetworkInfo("ReLU")

    class Own(nn.Module):
        def info(self):
            return "mine"

    module = Own()
    attach_info(module, NetworkInfo("own"))
    assert module.info() == "mine"
    assert network_info(module) == NetworkInfo("Own")


@pytest.mark.parametrize("module", [registry, load])
def test_examples_in_the_documentation_run(module):
    result = doctest.testmod(module)
    assert result.attempted > 0
    assert result.failed == 0


def test_info_does_not_disturb_saving_or_moving_a_network():
    network = build_network("swiftnet-rn18", 2, width=6)
    assert "info" not in network.state_dict()
    assert network.to(torch.float64).info.name == "swiftnet-rn18"
