"""Estimators by name, and with their weights."""

import doctest

import pytest
import torch

from saccade.errors import NetworkError, WeightsError
from saccade.networks import network_info, save_weights
from saccade.networks.flow import list_flows, load_flow, registry


def test_names_and_their_lines():
    assert list_flows() == ["dis", "light", "flownet-s", "flownet2-s", "raft-small"]
    for name in list_flows():
        assert registry.registered_flow(name).summary
    with pytest.raises(NetworkError, match=r"no optical flow 'ligt' \(did you mean 'light'\?\)"):
        load_flow("ligt")
    with pytest.raises(NetworkError, match=r"light has no option depth; its options are reduction, legacy"):
        load_flow("light", weights=None, depth=3)


def test_weights_come_back_from_the_file_alone(tmp_path):
    torch.manual_seed(0)
    light = load_flow("light", weights=None, reduction=2)
    save_weights(tmp_path / "trained.safetensors", light)
    again = load_flow(tmp_path / "trained.safetensors")
    assert network_info(again).name == "light"
    frames = torch.randn(2, 1, 3, 64, 96)
    with torch.no_grad():
        assert torch.equal(again(*frames), light(*frames))
        other = load_flow("light", weights=tmp_path / "trained.safetensors", reduction=4)
        assert other(*frames).shape == (1, 2, 4, 6)
    with pytest.raises(WeightsError, match="holds weights of light, not of flownet-s"):
        load_flow("flownet-s", weights=tmp_path / "trained.safetensors")


def test_weights_of_a_segmentation_network_are_refused(tmp_path):
    layer = torch.nn.Conv2d(3, 2, 1)
    save_weights(tmp_path / "other.safetensors", layer)
    with pytest.raises(WeightsError, match="does not say that it holds weights of a flow network"):
        load_flow(tmp_path / "other.safetensors")
    with pytest.raises(WeightsError, match=r"no weights 'nowhere\.safetensors'"):
        load_flow("light", weights="nowhere.safetensors")


def test_a_network_without_shipped_weights_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr(registry, "PRETRAINED", tmp_path)
    with pytest.warns(UserWarning, match="no trained weights of light are shipped"):
        load_flow("light")
    load_flow("light", weights="random")


def test_weights_of_raft_that_cannot_be_fetched_say_what_to_do(monkeypatch):
    from torchvision.models.optical_flow import Raft_Small_Weights

    def unreachable(*args, **kwargs):
        raise OSError("Name or service not known")

    monkeypatch.setattr(Raft_Small_Weights, "get_state_dict", unreachable)
    with pytest.raises(WeightsError, match=r"cannot be fetched \(Name or service not known\).*weights=FILE"):
        load_flow("raft-small")


def test_a_file_of_torchvision_fits_raft(tmp_path):
    from torchvision.models.optical_flow import raft_small

    torch.manual_seed(0)
    published = raft_small(weights=None).eval()
    torch.save(published.state_dict(), tmp_path / "raft_small.pth")
    ours = load_flow("raft-small", weights=tmp_path / "raft_small.pth", updates=2)
    now, before = torch.rand(2, 1, 3, 128, 128)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    normalised = [(x - mean.view(3, 1, 1)) / std.view(3, 1, 1) for x in (now, before)]
    with torch.no_grad():
        expected = published(2 * now - 1, 2 * before - 1, num_flow_updates=2)[-1]
        torch.testing.assert_close(ours(*normalised), expected, rtol=1e-3, atol=1e-3)


def test_examples_in_the_documentation_run():
    result = doctest.testmod(registry)
    assert result.attempted > 0
    assert result.failed == 0
