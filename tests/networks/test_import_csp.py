"""Import of a CSP laid out as Pedestron publishes it, and a forward pass written from the paper's text."""

from collections import OrderedDict

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from saccade.classes import PEDESTRIANS
from saccade.errors import WeightsError
from saccade.networks import import_checkpoint, load_network
from saccade.video.frame import normalise

MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
BLOCKS = (3, 4, 6, 3)
WIDTH = 16
"""Of neck and head; 256 in the published file. Eight channels are a group of the group norms there."""


def published_state() -> OrderedDict[str, Tensor]:
    """Random tensors under every name of the published checkpoint."""
    state: OrderedDict[str, Tensor] = OrderedDict()
    generator = torch.Generator().manual_seed(0)

    def random(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator)

    def kernel(name: str, *shape: int) -> None:
        inputs = shape[0] if name.startswith("neck") else shape[1]
        state[f"{name}.weight"] = (random(*shape) * 2 - 1) * (6 / (inputs * shape[2] ** 2)) ** 0.5

    def norm(name: str, channels: int) -> None:
        state[f"{name}.weight"] = random(channels) * 0.5 + 0.5
        state[f"{name}.bias"] = random(channels) - 0.5
        state[f"{name}.running_mean"] = random(channels) - 0.5
        state[f"{name}.running_var"] = random(channels) + 0.5
        state[f"{name}.num_batches_tracked"] = torch.tensor(1000)

    kernel("backbone.conv1", 64, 3, 7, 7)
    norm("backbone.bn1", 64)
    inputs = 64
    for stage, count in enumerate(BLOCKS, start=1):
        inner = 32 * 2**stage
        for block in range(count):
            name = f"backbone.layer{stage}.{block}"
            widths = (inputs, inner, inner, 4 * inner)
            for i, side in enumerate((1, 3, 1)):
                kernel(f"{name}.conv{i + 1}", widths[i + 1], widths[i], side, side)
                norm(f"{name}.bn{i + 1}", widths[i + 1])
            if block == 0:
                kernel(f"{name}.downsample.0", 4 * inner, inputs, 1, 1)
                norm(f"{name}.downsample.1", 4 * inner)
            inputs = 4 * inner
    for level, channels in ((3, 512), (4, 1024), (5, 2048)):
        kernel(f"neck.p{level}", channels, WIDTH, 4, 4)
        state[f"neck.p{level}.bias"] = random(WIDTH) - 0.5
        state[f"neck.p{level}_l2.weight"] = 10 * random(WIDTH)
    for branch, outputs in (("cls", 1), ("reg", 1), ("offset", 2)):
        kernel(f"bbox_head.{branch}_convs.0.conv", WIDTH, 3 * WIDTH, 3, 3)
        state[f"bbox_head.{branch}_convs.0.gn.weight"] = random(WIDTH)
        state[f"bbox_head.{branch}_convs.0.gn.bias"] = random(WIDTH) - 0.5
        kernel(f"bbox_head.csp_{branch}", outputs, WIDTH, 3, 3)
        state[f"bbox_head.csp_{branch}.bias"] = random(outputs) - 0.5
    state["bbox_head.reg_scales.0.scale"] = torch.tensor(1.25)
    state["bbox_head.offset_scales.0.scale"] = torch.tensor(0.75)
    return state


def published_forward(state: dict[str, Tensor], images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """CSP by the text, on RGB bytes ``(N, 3, H, W)`` and the published names."""

    def norm(name: str, x: Tensor) -> Tensor:
        weight, bias, mean, var = (
            state[f"{name}.{part}"].view(1, -1, 1, 1)
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        return (x - mean) / (var + 1e-5).sqrt() * weight + bias

    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (MEAN, STD))
    x = F.conv2d((images.float() - mean) / std, state["backbone.conv1.weight"], None, 2, 3)
    x = F.max_pool2d(norm("backbone.bn1", x).clamp(min=0), 3, 2, 1)
    features = []
    for stage, count in enumerate(BLOCKS, start=1):
        for block in range(count):
            name, y = f"backbone.layer{stage}.{block}", x
            stride = 2 if block == 0 and stage in (2, 3) else 1
            spread = 2 if stage == 4 else 1
            for i in (1, 2, 3):
                steps, wide = (stride, spread) if i == 2 else (1, 1)
                padding = wide if i == 2 else 0
                y = F.conv2d(y, state[f"{name}.conv{i}.weight"], None, steps, padding, wide)
                y = norm(f"{name}.bn{i}", y)
                y = y.clamp(min=0) if i < 3 else y
            if f"{name}.downsample.0.weight" in state:
                x = norm(
                    f"{name}.downsample.1", F.conv2d(x, state[f"{name}.downsample.0.weight"], None, stride)
                )
            x = (x + y).clamp(min=0)
        features.append(x)
    parts = []
    for level, stride, padding in ((3, 2, 1), (4, 4, 0), (5, 4, 0)):
        part = F.conv_transpose2d(
            features[level - 2], state[f"neck.p{level}.weight"], state[f"neck.p{level}.bias"], stride, padding
        )
        length = part.square().sum(1, keepdim=True).sqrt() + 1e-10
        parts.append(part / length * state[f"neck.p{level}_l2.weight"].view(1, -1, 1, 1))
    x = torch.cat(parts, 1)
    maps = []
    for branch in ("cls", "reg", "offset"):
        y = F.conv2d(x, state[f"bbox_head.{branch}_convs.0.conv.weight"], None, 1, 1)
        groups = y.unflatten(1, (-1, 8))
        mean, var = groups.mean((2, 3, 4), keepdim=True), groups.var((2, 3, 4), keepdim=True, correction=0)
        y = ((groups - mean) / (var + 1e-5).sqrt()).flatten(1, 2)
        weight, bias = (
            state[f"bbox_head.{branch}_convs.0.gn.{p}"].view(1, -1, 1, 1) for p in ("weight", "bias")
        )
        y = (y * weight + bias).clamp(min=0)
        y = F.conv2d(y, state[f"bbox_head.csp_{branch}.weight"], state[f"bbox_head.csp_{branch}.bias"], 1, 1)
        maps.append(y if branch == "cls" else y * state[f"bbox_head.{branch}_scales.0.scale"])
    return maps[0], maps[1], maps[2]


def checkpoint(state: dict[str, Tensor]) -> dict[str, object]:
    """As mmdetection writes it."""
    return {"meta": {"epoch": 72, "iter": 53_496}, "state_dict": state, "optimizer": {"state": {}}}


def test_an_imported_csp_computes_what_the_checkpoint_means(tmp_path):
    state = published_state()
    torch.save(checkpoint(state), tmp_path / "epoch_72.pth")
    summary = import_checkpoint(tmp_path / "epoch_72.pth", tmp_path / "ours.safetensors")
    assert (summary.source, summary.network, summary.classes) == ("Pedestron", "csp-rn50", 1)
    assert (summary.tensors, summary.ignored) == (len(state), ())

    imported = load_network(tmp_path / "ours.safetensors")
    assert imported.info.class_set is PEDESTRIANS
    random = torch.Generator().manual_seed(1)
    images = torch.randint(0, 256, (2, 3, 64, 96), dtype=torch.uint8, generator=random)
    with torch.no_grad():
        found, expected = imported(normalise(images)), published_forward(state, images)
    for one, other in zip(found, expected, strict=True):
        assert other.std() > 0.1
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-3 * other.std().item())


def test_a_published_csp_can_be_loaded_without_import(tmp_path):
    state = published_state()
    torch.save(checkpoint(state), tmp_path / "epoch_72.pth")
    network = load_network(tmp_path / "epoch_72.pth")
    assert network.info.options["width"] == WIDTH
    assert network.height_scale.item() == 1.25


def test_an_incomplete_csp_or_another_backbone_is_refused(tmp_path):
    state = published_state()
    del state["neck.p4.bias"]
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match=r"does not fit csp-rn50: missing 1 \(neck\.1\.conv\.bias\)"):
        import_checkpoint(tmp_path / "w.pth", tmp_path / "ours.safetensors")
    for name in [name for name in state if name.startswith("backbone.layer3.5.")]:
        del state[name]
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match=r"a CSP whose backbone has \(3, 4, 5, 3\) blocks per stage"):
        import_checkpoint(tmp_path / "w.pth", tmp_path / "ours.safetensors")
    assert not (tmp_path / "ours.safetensors").exists()


def test_a_state_dict_of_ours_says_itself_which_csp_it_is(tmp_path):
    torch.manual_seed(0)
    network = load_network("csp-rn18", weights=None, width=8)
    torch.save(network.state_dict(), tmp_path / "w.pth")
    loaded = load_network(tmp_path / "w.pth")
    assert (loaded.info.name, loaded.info.options["width"]) == ("csp-rn18", 8)
    assert all(torch.equal(loaded.state_dict()[k], v) for k, v in network.state_dict().items())
    with pytest.raises(WeightsError, match="is a Saccade file already"):
        import_checkpoint(tmp_path / "w.pth", tmp_path / "ours.safetensors")
