import sys
import warnings

import huggingface_hub.constants
import pytest
import torch
import torchvision
from torch import nn

from saccade.classes import CAMVID, CITYSCAPES, ClassSet
from saccade.errors import ConfigError, NetworkError, WeightsError
from saccade.networks import backbone, load_network, save_weights, weights
from saccade.networks.registry import NetworkInfo, build_network

SMALL = {"width": 6}
NAME = "swiftnet-rn18"


def same(a: nn.Module, b: nn.Module) -> bool:
    first, second = a.state_dict(), b.state_dict()
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)


@pytest.fixture(scope="module")
def trained() -> nn.Module:
    torch.manual_seed(3)
    return build_network(NAME, CAMVID, **SMALL)


@pytest.fixture
def shipped(trained, tmp_path, monkeypatch):
    """The package as if it shipped these default weights."""
    monkeypatch.setattr(weights, "PRETRAINED", tmp_path)
    save_weights(tmp_path / "swiftnet-rn18-street.safetensors", trained)
    return tmp_path / "swiftnet-rn18-street.safetensors"


def test_default_weights_set_classes_and_options(shipped, trained):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for network in (
            load_network(),
            load_network(NAME, classes=11),
            load_network(NAME, classes=CAMVID),
            load_network("swiftnet-rn18-street"),
            load_network(NAME, weights="swiftnet-rn18-street"),
        ):
            assert same(network, trained)
            assert not network.training
            options = {"classes": 11, **SMALL}
            assert network.info == NetworkInfo(NAME, CAMVID, "swiftnet-rn18-street", options)


@pytest.mark.parametrize(
    ("name", "classes", "why"),
    [
        ("swiftnet-rn34", None, "no trained weights of swiftnet-rn34 are shipped"),
        (NAME, 19, "for 11 other classes"),
        (NAME, ClassSet("other", tuple("abcdefghijk"), CAMVID.colours), "for 11 other classes"),
    ],
)
def test_without_fitting_default_weights_there_is_a_warning(shipped, name, classes, why):
    with pytest.warns(UserWarning, match=f"{why}.*random values"):
        network = load_network(name, classes=classes, **SMALL)
    assert network.info.weights is None
    assert network.head.conv.out_channels == (11 if isinstance(classes, ClassSet) else 19)


@pytest.mark.parametrize("none", [None, "random"])
def test_random_values_follow_the_seed_and_need_no_warning(none):
    torch.manual_seed(3)
    expected = build_network(NAME, CITYSCAPES, **SMALL)
    torch.manual_seed(3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        network = load_network(NAME, weights=none, **SMALL)
    assert same(network, expected)
    assert network.info == NetworkInfo(NAME, CITYSCAPES, None, {"classes": 19, **SMALL})


def test_files_by_themselves_and_as_weights(trained, tmp_path):
    file = tmp_path / "w.safetensors"
    save_weights(file, trained)
    for network in (load_network(file), load_network(str(file)), load_network(NAME, weights=file)):
        assert same(network, trained)
        assert network.info == NetworkInfo(NAME, CAMVID, str(file), {"classes": 11, **SMALL})


def test_a_bare_state_dict_tells_its_network_by_its_tensors(trained, tmp_path):
    torch.save({"model": {f"module.{k}": v for k, v in trained.state_dict().items()}}, tmp_path / "w.pth")
    network = load_network(tmp_path / "w.pth")
    assert same(network, trained)
    assert network.info.class_set is None
    assert load_network(tmp_path / "w.pth", classes=CAMVID).info.class_set is CAMVID


def test_a_stored_input_affine_comes_back(tmp_path):
    network = build_network(NAME, 2, input_affine=([1.1, 1.2, 1.3], [0.1, 0.2, 0.3]), **SMALL)
    save_weights(tmp_path / "w.safetensors", network, half=True)
    torch.save(network.state_dict(), tmp_path / "w.pth")
    for file in ("w.safetensors", "w.pth"):
        assert torch.equal(load_network(tmp_path / file).input_affine.scale, network.input_affine.scale)


def test_weights_of_another_network_or_other_classes(trained, tmp_path):
    file = tmp_path / "w.safetensors"
    save_weights(file, trained)
    torch.save(trained.state_dict(), tmp_path / "w.pth")
    for path in (file, tmp_path / "w.pth"):
        with pytest.raises(WeightsError, match="holds weights of swiftnet-rn18, not of swiftnet-rn50"):
            load_network("swiftnet-rn50", weights=path)
        with pytest.raises(
            WeightsError, match=r"has 11 classes, the network was asked for 19: .*drop --classes"
        ):
            load_network(NAME, weights=path, classes=19)
        torch.manual_seed(4)
        network = load_network(NAME, weights=path, classes=CITYSCAPES, new_head=True)
        assert network.info.class_set is CITYSCAPES
        assert torch.equal(network.up[2].blend.conv.weight, trained.up[2].blend.conv.weight)
        assert network.head.conv.out_channels == 19
    renamed = ClassSet("other", tuple("abcdefghijk"), CAMVID.colours)
    with pytest.raises(WeightsError, match=r"trained for the classes sky, .* asked for are a, b"):
        load_network(file, classes=renamed)


def test_files_that_do_not_tell_their_network(tmp_path):
    torch.save(nn.Conv2d(3, 2, 1).state_dict(), tmp_path / "w.pth")
    with pytest.raises(WeightsError, match=r"does not say which network .*weight, bias"):
        load_network(tmp_path / "w.pth")
    with pytest.raises(WeightsError, match=r"does not fit swiftnet-rn18: missing .*Name the network"):
        load_network(tmp_path / "w.pth", network=NAME, **SMALL)
    save_weights(tmp_path / "w.safetensors", nn.Conv2d(3, 2, 1))
    with pytest.raises(WeightsError, match="'Conv2d', which is not a registered network"):
        load_network(tmp_path / "w.safetensors")


@pytest.fixture
def user_code(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "mine.py").write_text(
        "from torch import nn\n"
        "def make(classes=5, kernel=1):\n"
        "    return nn.Conv2d(3, classes, kernel).train()\n"
    )
    return f"{tmp_path}/mine.py:make"


def test_networks_of_ones_own(user_code, tmp_path):
    network = load_network(user_code, kernel=3)
    assert not network.training
    assert network.weight.shape == (5, 3, 3, 3)
    assert network.info == NetworkInfo(user_code, None, None, {"kernel": 3})
    save_weights(tmp_path / "w.safetensors", network)
    again = load_network(user_code, kernel=3, weights=tmp_path / "w.safetensors", classes=5)
    assert same(again, network)
    assert again.info.weights == str(tmp_path / "w.safetensors")
    assert load_network(user_code, classes=CAMVID).info.class_set is CAMVID
    with pytest.raises(WeightsError, match="has 5 classes, the network was asked for 7"):
        load_network(user_code, kernel=3, weights=tmp_path / "w.safetensors", classes=7)
    with pytest.raises(WeightsError, match="has to fetch its own"):
        load_network(user_code, weights="imagenet")


def test_names_that_mean_nothing(tmp_path):
    with pytest.raises(NetworkError, match=r"Known names: .*swiftnet-rn18, swiftnet-rn34, swiftnet-rn50"):
        load_network("swiftnet")
    with pytest.raises(NetworkError, match="say which function"):
        load_network("net.py")
    with pytest.raises(WeightsError, match=r"no weights 'missing\.pth': neither a file nor shipped"):
        load_network("missing.pth")
    with pytest.raises(WeightsError, match="no weights 'missing': neither a file nor shipped"):
        load_network(NAME, weights="missing")
    with pytest.raises(NetworkError, match="swiftnet-rn18 has no option depth"):
        load_network(NAME, weights=None, depth=3)


def test_contradictions(trained, tmp_path):
    file = tmp_path / "w.safetensors"
    save_weights(file, trained)
    with pytest.raises(ConfigError, match="give the network's name first"):
        load_network(file, weights="other.pth")
    with pytest.raises(ConfigError, match="two networks are named"):
        load_network(NAME, network="swiftnet-rn50")
    with pytest.raises(ConfigError, match="would overwrite the pretrained backbone"):
        load_network(NAME, weights=file, pretrained_backbone=True)


def test_a_local_imagenet_file_fills_the_backbone(tmp_path):
    classifier = torchvision.models.resnet18()
    torch.save(classifier.state_dict(), tmp_path / "resnet18.pth")
    network = load_network(NAME, weights=tmp_path / "resnet18.pth", classes=3, **SMALL)
    assert torch.equal(network.backbone.layer4[1].conv2.weight, classifier.layer4[1].conv2.weight)
    assert network.info.weights == str(tmp_path / "resnet18.pth")
    with pytest.raises(WeightsError, match="does not fit the backbone of swiftnet-rn50"):
        load_network("swiftnet-rn50", weights=tmp_path / "resnet18.pth", **SMALL)


def test_fetched_imagenet_weights_fill_the_backbone(monkeypatch):
    classifier = torchvision.models.resnet18()
    asked = []
    monkeypatch.setattr(backbone, "_timm", lambda name: asked.append(name) or classifier.state_dict())
    for arguments in ({"weights": "imagenet"}, {"weights": None, "pretrained_backbone": True}):
        network = load_network(NAME, **arguments, **SMALL)
        assert torch.equal(network.backbone.conv1.weight, classifier.conv1.weight)
        assert network.info == NetworkInfo(NAME, CITYSCAPES, "imagenet", {"classes": 19, **SMALL})
    assert asked == ["resnet18", "resnet18"]


@pytest.mark.parametrize("name", ["imagenet", "imagenet-torchvision"])
def test_imagenet_weights_that_cannot_be_fetched(name, tmp_path, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # nothing listens on the discard port
    with pytest.raises(WeightsError, match=r"'imagenet.*' for resnet18 cannot be fetched .*weights=FILE"):
        load_network(NAME, weights=name, **SMALL)
