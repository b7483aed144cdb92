import errno
import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from saccade.classes import CAMVID, CITYSCAPES, ClassSet
from saccade.errors import OutputError, WeightsError
from saccade.networks import registry, weights
from saccade.networks.fitting import fill
from saccade.networks.registry import RegisteredNetwork, build_network
from saccade.networks.weights import (
    list_weights,
    read_weights,
    save_weights,
    shipped_weights,
    weights_info,
    weights_of_methods,
)


class Tiny(nn.Module):
    """Has what real networks have: convolutions, a norm with a counter, a last layer per class."""

    def __init__(self, classes: int = 19, width: int = 4) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, width, 3, stride=4, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(width)
        self.last = nn.Conv2d(width, classes, 1)

    def forward(self, x):
        return self.last(self.norm(self.conv(x)).relu())


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    monkeypatch.setitem(registry._NETWORKS, "tiny", RegisteredNetwork("tiny", Tiny, None))


def change(path, **tensors):
    """Rewrite a file with some tensors replaced; None removes one."""
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    content = load_file(path) | tensors
    save_file({k: v for k, v in content.items() if v is not None}, path, metadata)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "folder" / "w.safetensors"
    save_weights(path, build_network("tiny", CAMVID), {"recipe": "camvid", "scores": {"miou": 0.5}})
    return path


def fill_tiny(path, classes=11, **kw):
    network = build_network("tiny", classes)
    fill(network, read_weights(path).tensors, source=path.name, target="tiny", **kw)
    return network


def test_metadata_say_what_the_file_is(file):
    info = weights_info(file)
    assert (info.name, info.network, info.class_set, info.classes) == ("w", "tiny", "camvid", CAMVID.names)
    assert info.size == file.stat().st_size
    assert info.scores == {"miou": 0.5}
    assert info.metadata["recipe"] == "camvid"
    assert json.loads(info.metadata["options"]) == {"classes": 11}


def test_classes_that_are_not_known_get_colours(tmp_path):
    many = ClassSet("animals", tuple(f"animal {i}" for i in range(40)), ((0, 0, 0),) * 40)
    save_weights(tmp_path / "w.safetensors", build_network("tiny", many))
    read = read_weights(tmp_path / "w.safetensors").class_set
    assert (read.name, read.names) == ("animals", many.names)
    assert len(set(read.colours)) == 40
    assert all(0 <= channel <= 255 for colour in read.colours for channel in colour)


def test_a_known_class_set_keeps_its_colours_unless_its_classes_differ(tmp_path, file):
    assert read_weights(file).class_set is CAMVID
    other = ClassSet("camvid", tuple(reversed(CAMVID.names)), CAMVID.colours)
    save_weights(tmp_path / "w.safetensors", build_network("tiny", other))
    assert read_weights(tmp_path / "w.safetensors").class_set.names == other.names


def test_a_class_set_named_by_the_writer_is_enough(tmp_path):
    path = tmp_path / "w.safetensors"
    save_weights(path, build_network("tiny", 11), {"class_set": "camvid"})
    assert read_weights(path).class_set is CAMVID
    assert weights_info(path).classes == CAMVID.names
    save_weights(path, build_network("tiny", 12), {"class_set": "camvid"})
    with pytest.raises(WeightsError, match="'camvid' has 11 classes, the network 12"):
        read_weights(path)


def test_half_precision_spares_the_norms(tmp_path):
    network = build_network("tiny", 3)
    network.norm.running_var.fill_(1e6)  # beyond float16
    save_weights(tmp_path / "w.safetensors", network, half=True)
    stored = load_file(tmp_path / "w.safetensors")
    assert stored["conv.weight"].dtype == stored["last.weight"].dtype == torch.float16
    for name in ("norm.weight", "norm.running_var", "last.bias"):
        assert torch.equal(stored[name], network.state_dict()[name])
    restored = fill_tiny(tmp_path / "w.safetensors", classes=3)
    assert restored.conv.weight.dtype == torch.float32
    assert torch.equal(restored.conv.weight, network.conv.weight.half().float())


def test_nothing_is_written_where_a_value_is_not_finite(tmp_path):
    network = build_network("tiny", 3)
    network.conv.weight.data[0] = 1e5
    with pytest.raises(WeightsError, match="half=False"):
        save_weights(tmp_path / "w.safetensors", network, half=True)
    network.last.bias.data[1] = float("nan")
    with pytest.raises(WeightsError, match=r"not finite .*last\.bias"):
        save_weights(tmp_path / "w.safetensors", network)
    assert not list(tmp_path.iterdir())


def test_a_file_that_cannot_be_written_leaves_the_old_one(file, monkeypatch):
    before = file.read_bytes()
    with pytest.raises(OutputError, match="part of the path is a file"):
        save_weights(file.parent / "w.safetensors" / "below-a-file.safetensors", build_network("tiny", 3))

    whole = Path.write_bytes

    def disk_full(path, data):
        whole(path, data[: len(data) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", disk_full)
    with pytest.raises(OutputError, match="the disk is full"):
        save_weights(file, build_network("tiny", 3))
    assert file.read_bytes() == before
    assert list(file.parent.iterdir()) == [file]


def test_wrong_class_count(file):
    with pytest.raises(
        WeightsError, match=r"w\.safetensors has 11 classes, .* asked for 19: .*drop --classes"
    ):
        fill_tiny(file, classes=19)


def test_a_new_head_keeps_everything_else(file):
    torch.manual_seed(5)
    network = build_network("tiny", 19)
    head = network.last.weight.clone()
    stored = read_weights(file).tensors
    fill(network, stored, source="w", target="tiny", new_head=True)
    assert torch.equal(network.last.weight, head)
    assert torch.equal(network.conv.weight, stored["conv.weight"])


def test_missing_unknown_and_misshapen_tensors_in_one_message(file):
    change(
        file,
        **{"conv.weight": torch.zeros(4, 3, 5, 5), "norm.bias": None, "norm.running_mean": None},
        **{f"decoder.{i}": torch.zeros(1) for i in range(5)},
    )
    with pytest.raises(WeightsError) as error:
        fill_tiny(file)
    message = str(error.value)
    assert "missing 2 (norm.bias, norm.running_mean)" in message
    assert "not part of the network 5 (decoder.0, decoder.1, decoder.2, ...)" in message
    assert "conv.weight 4x3x5x5 instead of 4x3x3x3" in message


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_not_finite(file, value):
    bad = torch.zeros(11)
    bad[3] = value
    change(file, **{"last.bias": bad})
    with pytest.raises(WeightsError, match=r"w\.safetensors has values .*tensors 1 \(last\.bias\)"):
        fill_tiny(file)


def test_integers_in_place_of_weights(file):
    change(file, **{"conv.weight": torch.zeros(4, 3, 3, 3, dtype=torch.int8)})
    with pytest.raises(WeightsError, match=r"not floating point 1 \(conv\.weight \(torch\.int8\)\)"):
        fill_tiny(file)


def test_a_refused_file_changes_nothing(file):
    network = build_network("tiny", 19)
    before = {k: v.clone() for k, v in network.state_dict().items()}
    with pytest.raises(WeightsError):
        fill(network, read_weights(file).tensors, source="w", target="tiny")
    assert all(torch.equal(v, before[k]) for k, v in network.state_dict().items())


def test_batch_counters_may_be_missing_or_of_another_type(file):
    change(file, **{"norm.num_batches_tracked": None})
    assert fill_tiny(file).norm.num_batches_tracked == 0
    change(file, **{"norm.num_batches_tracked": torch.tensor(9, dtype=torch.int32)})
    assert fill_tiny(file).norm.num_batches_tracked == 9


@pytest.mark.parametrize("entry", [{"options": "{"}, {"options": "[]"}, {"classes": '{"a": 1}'}])
def test_damaged_metadata(file, entry):
    save_file(load_file(file), file, {"format": "saccade", "network": "tiny", **entry})
    with pytest.raises(WeightsError, match=f"metadata entry '{next(iter(entry))}'"):
        read_weights(file)


def test_shipped_weights_are_found_by_name(file, monkeypatch):
    monkeypatch.setattr(weights, "PRETRAINED", file.parent)
    save_weights(file.parent / "a.safetensors", build_network("tiny", CITYSCAPES))
    assert [(info.name, len(info.classes)) for info in list_weights()] == [("a", 19), ("w", 11)]
    assert read_weights("w").name == "w"
    assert read_weights("w").class_set is CAMVID
    with pytest.raises(WeightsError, match=r"'b': neither a file nor shipped \(shipped: a, w\)"):
        read_weights("b")


def test_every_shipped_file_can_be_loaded_and_has_a_model_card():
    for info in list_weights():
        assert info.path.with_suffix(".md").is_file()
        assert len(info.classes) == read_weights(info.name).options.get("classes", 0)


def test_shipped_weights_are_found_by_what_they_say(tmp_path, monkeypatch):
    monkeypatch.setattr(weights, "PRETRAINED", tmp_path)
    for name, flow in (("first", "dis"), ("second", "light")):
        save_weights(
            tmp_path / f"{name}.safetensors", build_network("tiny", CAMVID), {"flow": flow, "a": "b"}
        )
    assert shipped_weights("tiny", flow="light", a="b") == "second"
    assert shipped_weights("tiny", flow="light", a="c") is None
    assert shipped_weights("tiny", other="") is None
    assert shipped_weights("large", flow="light") is None


def test_weights_for_a_method_are_taken_where_all_methods_have_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(weights, "PRETRAINED", tmp_path)
    for name, method in (("plain", ""), ("sparse", "segblocks"), ("near", "other")):
        save_weights(tmp_path / f"{name}.safetensors", build_network("tiny", CAMVID), {"method": method})
    assert weights_of_methods("tiny", {"segblocks"}) == "sparse"
    assert weights_of_methods("tiny", {"frame", "segblocks"}) == "sparse"
    assert weights_of_methods("tiny", {"segblocks", "other"}) is None
    assert weights_of_methods("tiny", {"segblocks", "blockcopy"}) is None
    assert weights_of_methods("tiny", {"frame"}) is None
    assert weights_of_methods("tiny", ()) is None
    assert weights_of_methods("swiftnet-rn18", {"segblocks"}) is None
