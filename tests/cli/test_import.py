"""``saccade import``: a published checkpoint becomes weights."""

from __future__ import annotations

import torch

from saccade.cli import main
from saccade.networks import load_network
from saccade.networks.block_policy import BlockPolicy

TO_PUBLISHED = (
    ("spp.project.", "spp.spp.spp_bn."),
    ("spp.levels.", "spp.spp.spp"),
    ("spp.fuse.", "spp.spp.spp_fuse."),
    ("up.", "upsample."),
    (".skip.", ".bottleneck."),
    (".blend.", ".blend_conv."),
    ("head.", "logits."),
)


def published_name(name: str) -> str:
    for ours, theirs in TO_PUBLISHED:
        if ours.startswith(".") or name.startswith(ours):
            name = name.replace(ours, theirs, 1)
    return name


def test_published_checkpoint_becomes_weights_that_load(tmp_path, capsys):
    torch.manual_seed(0)
    network = load_network("swiftnet-rn18", weights="random", classes=19)
    tensors = {published_name(name): value for name, value in network.state_dict().items()}
    torch.save(tensors, tmp_path / "published.pth")
    out = tmp_path / "new" / "mine.safetensors"
    assert main(["import", str(tmp_path / "published.pth"), "-o", str(out)]) == 0
    text = capsys.readouterr().out
    assert "swiftnet-rn18, 19 classes" in text
    assert "BlockCopy" in text
    loaded = load_network(str(out)).state_dict()
    assert all(torch.equal(loaded[name], value) for name, value in network.state_dict().items())


def test_a_checkpoint_with_a_policy_is_for_segblocks(tmp_path, capsys):
    network = load_network("swiftnet-rn18", weights="random", classes=19)
    tensors = {f"net.{published_name(name)}": value for name, value in network.state_dict().items()}
    policy = BlockPolicy().layers.state_dict()
    out = tmp_path / "mine.safetensors"
    for known, suffix in (({}, ""), (policy, " --method segblocks")):
        named = {f"policy.policy_net.layers.{name}": value for name, value in known.items()}
        torch.save(tensors | named, tmp_path / "published.pth")
        assert main(["import", str(tmp_path / "published.pth"), "-o", str(out)]) == 0
        text = "".join(capsys.readouterr().out.split())  # long lines are broken
        assert f"--weights {out}{suffix} -o out/imported.mp4".replace(" ", "") in text


def test_other_files_are_refused(tmp_path, capsys):
    torch.save({"weight": torch.zeros(1)}, tmp_path / "other.pth")
    assert main(["import", str(tmp_path / "other.pth"), "-o", str(tmp_path / "x.safetensors")]) == 2
    assert "no known format" in capsys.readouterr().err
    assert main(["import", str(tmp_path / "none.pth"), "-o", str(tmp_path / "x.safetensors")]) == 2
    assert main(["import", str(tmp_path / "other.pth")]) == 2
    assert "--output" in capsys.readouterr().err
    assert not (tmp_path / "x.safetensors").exists()
