"""Bad weight files: each a WeightsError that says what to do, and no code run from any of them."""

import pickle
import random
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from saccade.errors import WeightsError
from saccade.networks.checkpoint import read_checkpoint, read_metadata

TENSORS = {"conv.weight": torch.arange(8.0).view(2, 4), "norm.num_batches_tracked": torch.tensor(7)}


def assert_same(read, expected=TENSORS):
    assert list(read) == list(expected)
    assert all(torch.equal(read[name], expected[name]) for name in expected)


def test_safetensors_with_metadata(tmp_path):
    save_file(TENSORS, tmp_path / "w.safetensors", {"who": "me"})
    checkpoint = read_checkpoint(tmp_path / "w.safetensors")
    assert_same(checkpoint.tensors)
    assert checkpoint.metadata == read_metadata(tmp_path / "w.safetensors") == {"who": "me"}


@pytest.mark.parametrize(
    "content",
    [
        TENSORS,
        OrderedDict(TENSORS),
        {
            "epoch": 3,
            "best_acc": 0.7,
            "state_dict": OrderedDict(TENSORS),
            "optimizer": {"state": {0: TENSORS}},
        },
        {"model": TENSORS, "lr": 0.1},
        {f"module.{k}": v for k, v in TENSORS.items()},
        {"state_dict": {f"module._orig_mod.{k}": v for k, v in TENSORS.items()}},
        {f"_orig_mod.module.{k}": v for k, v in TENSORS.items()},
    ],
    ids=["plain", "ordered", "published", "model", "DataParallel", "both", "compiled"],
)
@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_pytorch_files_wherever_the_tensors_are(tmp_path, content, zipped):
    torch.save(content, tmp_path / "w.pth", _use_new_zipfile_serialization=zipped)
    assert_same(read_checkpoint(tmp_path / "w.pth").tensors)


def test_the_content_decides_not_the_name(tmp_path):
    torch.save(TENSORS, tmp_path / "a.safetensors")
    save_file(TENSORS, tmp_path / "b.pth")
    assert_same(read_checkpoint(tmp_path / "a.safetensors").tensors)
    assert_same(read_checkpoint(str(tmp_path / "b.pth")).tensors)


@pytest.mark.parametrize("length", range(0, 256, 8))
def test_safetensors_headers_of_any_length(tmp_path, length):
    """The file begins with that length, whose first byte may be that of a pickle (128)."""
    save_file(TENSORS, tmp_path / "w.safetensors", {"padding": "x" * length})
    checkpoint = read_checkpoint(tmp_path / "w.safetensors")
    assert_same(checkpoint.tensors)
    assert len(checkpoint.metadata["padding"]) == length


class Malicious:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@pytest.mark.parametrize("writer", ["pickle", "torch zip", "torch legacy"])
def test_code_in_a_pickle_is_not_run(tmp_path, writer):
    proof = tmp_path / "proof"
    content = {"state_dict": TENSORS, "extra": Malicious(proof)}
    file = tmp_path / "w.pth"
    if writer == "pickle":
        file.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, file, _use_new_zipfile_serialization=writer == "torch zip")
    with pytest.raises(WeightsError, match="would run code") as error:
        read_checkpoint(file)
    assert "Unsupported" in str(error.value)
    assert "save its tensors alone" in str(error.value)
    assert not proof.exists()


@pytest.mark.parametrize(
    ("content", "cure"),
    [
        (b"", "is empty"),
        (b"\n<!DOCTYPE html><html>Quota exceeded</html>", "is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "git lfs pull"),
        (b"just some words, and a few more of them", "neither safetensors nor PyTorch"),
    ],
    ids=["empty", "html", "lfs", "text"],
)
def test_things_that_are_no_weights(tmp_path, content, cure):
    (tmp_path / "w.pth").write_bytes(content)
    with pytest.raises(WeightsError, match=cure):
        read_checkpoint(tmp_path / "w.pth")


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("start", [b"", b"PK\x03\x04", b"\x80\x02", b"\x40\0\0\0\0\0\0\0{"])
def test_random_bytes(tmp_path, seed, start):
    (tmp_path / "w.pth").write_bytes(start + random.Random(seed).randbytes(500))
    with pytest.raises(WeightsError, match=r"w\.pth"):
        read_checkpoint(tmp_path / "w.pth")


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.99])
@pytest.mark.parametrize("kind", ["safetensors", "zip", "legacy"])
def test_truncated_files(tmp_path: Path, kind, kept):
    file = tmp_path / "w"
    if kind == "safetensors":
        save_file(TENSORS, file)
    else:
        torch.save(TENSORS, file, _use_new_zipfile_serialization=kind == "zip")
    file.write_bytes(file.read_bytes()[: int(file.stat().st_size * kept)])
    with pytest.raises(WeightsError, match=r"again|not a weights file|or is damaged"):
        read_checkpoint(file)


def test_files_without_named_tensors(tmp_path):
    torch.save({"epoch": 3, "config": {"lr": 0.1}}, tmp_path / "a.pth")
    torch.save([torch.zeros(2)], tmp_path / "b.pth")
    with pytest.raises(WeightsError, match=r"a dict with the keys 'epoch', 'config'; expected a state_dict"):
        read_checkpoint(tmp_path / "a.pth")
    with pytest.raises(WeightsError, match="holds no named tensors but a list"):
        read_checkpoint(tmp_path / "b.pth")


def test_missing_files_and_folders(tmp_path):
    with pytest.raises(WeightsError, match="there is no weights file"):
        read_checkpoint(tmp_path / "missing.safetensors")
    with pytest.raises(WeightsError, match="Is a directory"):
        read_checkpoint(tmp_path)
    with pytest.raises(WeightsError, match="cannot be read"):
        read_metadata(tmp_path / "missing.safetensors")
