"""Imports against checkpoints laid out as published, and a forward pass written from the paper's text."""

from collections import OrderedDict

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from saccade.classes import CITYSCAPES
from saccade.errors import WeightsError
from saccade.networks import import_checkpoint, load_network
from saccade.networks.block_policy import policy_logits
from saccade.video.frame import normalise

PUBLISHED_MEAN = (73.1584, 82.9090, 72.3924)
PUBLISHED_STD = (44.9149, 46.1529, 45.3192)
RESNET18 = ((2, 2, 2, 2), False)
RESNET50 = ((3, 4, 6, 3), True)
LITE1 = (  # blocks, kernel, stride, expansion, channels of each stage
    (1, 3, 1, 1, 16),
    (3, 3, 2, 6, 24),
    (3, 5, 2, 6, 40),
    (4, 3, 2, 6, 80),
    (4, 5, 1, 6, 112),
    (5, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)


def published_state(
    blocks: tuple[int, ...], bottleneck: bool, classes: int, lite: bool = False
) -> OrderedDict[str, Tensor]:
    """Random tensors under every name of the published SwiftNet checkpoints."""
    state: OrderedDict[str, Tensor] = OrderedDict()
    generator = torch.Generator().manual_seed(0)

    def random(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator)

    def conv(name: str, inputs: int, outputs: int, kernel: int) -> None:  # inputs of one group
        bound = (6 / (inputs * kernel**2)) ** 0.5
        state[f"{name}.weight"] = (random(outputs, inputs, kernel, kernel) * 2 - 1) * bound

    def norm(name: str, channels: int) -> None:
        state[f"{name}.weight"] = random(channels) * 0.5 + 0.5
        state[f"{name}.bias"] = random(channels) - 0.5
        state[f"{name}.running_mean"] = random(channels) - 0.5
        state[f"{name}.running_var"] = random(channels) + 0.5
        state[f"{name}.num_batches_tracked"] = torch.tensor(1000)

    def brc(name: str, inputs: int, outputs: int, kernel: int) -> None:
        norm(f"{name}.norm", inputs)
        conv(f"{name}.conv", inputs, outputs, kernel)

    skips = []
    if lite:
        conv("backbone.stem.0", 3, 32, 3)
        norm("backbone.stem.1", 32)
        inputs = 32
        for stage, (count, kernel, _, expansion, outputs) in enumerate(LITE1):
            for block in range(count):
                name, inner = f"backbone.blocks.{stage}.{block}", inputs * expansion
                if expansion > 1:
                    conv(f"{name}._expand_conv", inputs, inner, 1)
                    norm(f"{name}._bn0", inner)
                conv(f"{name}._depthwise_conv", 1, inner, kernel)
                norm(f"{name}._bn1", inner)
                conv(f"{name}._project_conv", inner, outputs, 1)
                norm(f"{name}._bn2", outputs)
                inputs = outputs
            skips.append(outputs)
        skips = [skips[stage] for stage in (1, 2, 4, 6)]
    else:
        conv("backbone.conv1", 3, 64, 7)
        norm("backbone.bn1", 64)
    width, level_width = (48, 16) if lite else (128, 42)
    inputs = 64
    for stage, count in enumerate(() if lite else blocks, start=1):
        inner = 32 * 2**stage
        outputs = inner * (4 if bottleneck else 1)
        for block in range(count):
            name = f"backbone.layer{stage}.{block}"
            kernels = (1, 3, 1) if bottleneck else (3, 3)
            widths = (inputs, inner, inner, outputs) if bottleneck else (inputs, inner, outputs)
            for i, kernel in enumerate(kernels):
                conv(f"{name}.conv{i + 1}", widths[i], widths[i + 1], kernel)
                norm(f"{name}.bn{i + 1}", widths[i + 1])
            if block == 0 and (stage > 1 or bottleneck):
                conv(f"{name}.downsample.0", inputs, outputs, 1)
                norm(f"{name}.downsample.1", outputs)
            inputs = outputs
        skips.append(outputs)
    brc("spp.spp.spp_bn", skips[3], width, 1)
    for level in range(3):
        brc(f"spp.spp.spp{level}", width, level_width, 1)
    brc("spp.spp.spp_fuse", width + 3 * level_width, width, 1)
    for step, skip in enumerate((skips[2], skips[1], skips[0])):  # 0 is the deepest
        brc(f"upsample.{step}.bottleneck", skip, width, 1)
        brc(f"upsample.{step}.blend_conv", width, width, 3)
    brc("logits", width, classes, 1)
    state["logits.conv.bias"] = random(classes)
    return state


def published_forward(
    state: dict[str, Tensor], images: Tensor, blocks: tuple[int, ...], bottleneck: bool, lite: bool = False
) -> Tensor:
    """SwiftNet by the text, on RGB bytes ``(N, 3, H, W)`` and the published names."""

    def conv(name: str, x: Tensor, stride: int = 1) -> Tensor:
        weight = state[f"{name}.weight"]
        groups = x.shape[1] // weight.shape[1]
        return F.conv2d(x, weight, state.get(f"{name}.bias"), stride, weight.shape[-1] // 2, 1, groups)

    def norm(name: str, x: Tensor) -> Tensor:
        eps = 1e-3 if lite and name.startswith("backbone.") else 1e-5
        weight, bias, mean, var = (
            state[f"{name}.{part}"].view(1, -1, 1, 1)
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        return (x - mean) / (var + eps).sqrt() * weight + bias

    def brc(name: str, x: Tensor) -> Tensor:
        return conv(f"{name}.conv", norm(f"{name}.norm", x).clamp(min=0))

    def upsampled(x: Tensor, like: Tensor) -> Tensor:
        return F.interpolate(x, size=like.shape[-2:], mode="bilinear", align_corners=False)

    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (PUBLISHED_MEAN, PUBLISHED_STD))
    x = (images.float() - mean) / std
    skips = []
    if lite:
        x = norm("backbone.stem.1", conv("backbone.stem.0", x, 2)).clamp(0, 6)
        for stage, (count, _, first, expansion, _) in enumerate(LITE1):
            for block in range(count):
                name, y = f"backbone.blocks.{stage}.{block}", x
                if expansion > 1:
                    y = norm(f"{name}._bn0", conv(f"{name}._expand_conv", y)).clamp(0, 6)
                stride = first if block == 0 else 1
                y = norm(f"{name}._bn1", conv(f"{name}._depthwise_conv", y, stride)).clamp(0, 6)
                y = norm(f"{name}._bn2", conv(f"{name}._project_conv", y))
                x = x + y if block else y
            if stage in (1, 2, 4, 6):
                skips.append(x)
    else:
        x = norm("backbone.bn1", conv("backbone.conv1", x, 2)).clamp(min=0)
        x = F.max_pool2d(x, 3, 2, 1)
    for stage, count in enumerate(() if lite else blocks, start=1):
        for block in range(count):
            name = f"backbone.layer{stage}.{block}"
            stride = 2 if block == 0 and stage > 1 else 1
            y = x
            for i in (1, 2, 3) if bottleneck else (1, 2):
                strided = i == (2 if bottleneck else 1)
                y = norm(f"{name}.bn{i}", conv(f"{name}.conv{i}", y, stride if strided else 1))
                y = y.clamp(min=0) if i < (3 if bottleneck else 2) else y
            if f"{name}.downsample.0.weight" in state:
                x = norm(f"{name}.downsample.1", conv(f"{name}.downsample.0", x, stride))
            x = (x + y).clamp(min=0)
        skips.append(x)
    x = brc("spp.spp.spp_bn", x)
    levels = [x]
    for level, rows in enumerate((8, 4, 2)):
        columns = max(1, round(rows * x.shape[3] / x.shape[2]))
        pooled = F.adaptive_avg_pool2d(x, (rows, columns))
        levels.append(upsampled(brc(f"spp.spp.spp{level}", pooled), x))
    x = brc("spp.spp.spp_fuse", torch.cat(levels, 1))
    for step, skip in enumerate((skips[2], skips[1], skips[0])):
        skip = brc(f"upsample.{step}.bottleneck", skip)
        x = brc(f"upsample.{step}.blend_conv", upsampled(x, skip) + skip)
    return brc("logits", x)


def blockcopy_file(state):
    return {"state_dict": state, "best_acc": 0.756, "epoch": 249}


def policy_state():
    generator = torch.Generator().manual_seed(7)
    shapes = {}
    for position, inputs, outputs, kernel in ((0, 3, 64, 7), (3, 64, 64, 5), (6, 64, 64, 5), (9, 64, 1, 5)):
        shapes[f"{position}.weight"] = (outputs, inputs, kernel, kernel)
    for position in (1, 4, 7):
        parts = ("weight", "bias", "running_mean", "running_var")
        shapes |= {f"{position}.{part}": (64,) for part in parts}
    shapes["9.bias"] = (1,)
    return {
        f"policy.policy_net.layers.{name}": 0.05 + 0.1 * torch.rand(shape, generator=generator)
        for name, shape in shapes.items()
    }


def segblocks_file(state):
    optimiser = {
        "state": {0: {"step": 5, "exp_avg": torch.zeros(3)}},
        "param_groups": [{"lr": 4e-4, "params": [0]}],
    }
    return {
        "state_dict": OrderedDict({f"net.{k}": v for k, v in state.items()} | policy_state()),
        "optimizer": optimiser,
        "scheduler": {"last_epoch": 349},
        "progress": {"epoch": 349},
        "config": {"res": 2048},
    }


def parallel_file(state):
    return {"state_dict": OrderedDict((f"module.{k}", v) for k, v in state.items())}


@pytest.mark.parametrize(
    ("layout", "source", "resnet", "network"),
    [
        (blockcopy_file, "BlockCopy", RESNET18, "swiftnet-rn18"),
        (segblocks_file, "SegBlocks", RESNET18, "swiftnet-rn18"),
        (parallel_file, "BlockCopy", RESNET18, "swiftnet-rn18"),
        (segblocks_file, "SegBlocks", RESNET50, "swiftnet-rn50"),
        (segblocks_file, "SegBlocks", ((), False), "swiftnet-efficientnet-lite1"),
    ],
    ids=["blockcopy", "segblocks", "parallel", "resnet50", "lite1"],
)
def test_imported_networks_compute_what_the_checkpoint_means(tmp_path, layout, source, resnet, network):
    lite = network == "swiftnet-efficientnet-lite1"
    state = published_state(*resnet, classes=19, lite=lite)
    unused = {"backbone.head.0.weight": torch.zeros(4), "backbone.fc.bias": torch.zeros(2)} if lite else {}
    torch.save(layout(state | unused), tmp_path / "published.pth")
    summary = import_checkpoint(tmp_path / "published.pth", tmp_path / "ours.safetensors")
    assert (summary.source, summary.network, summary.classes) == (source, network, 19)
    assert summary.policy == (layout is segblocks_file)
    assert summary.tensors == len(state) + summary.policy * len(policy_state())
    assert len(summary.ignored) == len(unused)
    assert summary.size == (tmp_path / "ours.safetensors").stat().st_size

    imported = load_network(tmp_path / "ours.safetensors")
    assert imported.info.name == network
    assert imported.info.class_set is CITYSCAPES
    images = torch.randint(
        0, 256, (2, 3, 64, 96), dtype=torch.uint8, generator=torch.Generator().manual_seed(1)
    )
    with torch.no_grad():
        logits = imported(normalise(images))
        expected = published_forward(state, images, *resnet, lite)
    assert expected.std() > 0.1
    torch.testing.assert_close(logits, expected, rtol=1e-3, atol=1e-3 * expected.std().item())
    assert torch.equal(logits.argmax(1), expected.argmax(1))


@torch.no_grad()
def test_the_policy_of_segblocks_sees_what_it_was_trained_on(tmp_path):
    state = published_state(*RESNET18, classes=3)
    torch.save(segblocks_file(state), tmp_path / "published.pth")
    import_checkpoint(tmp_path / "published.pth", tmp_path / "ours.safetensors")
    images = torch.randint(
        0, 256, (1, 3, 64, 96), dtype=torch.uint8, generator=torch.Generator().manual_seed(1)
    )
    found = policy_logits(load_network(tmp_path / "ours.safetensors"), normalise(images))
    weights = {k.removeprefix("policy.policy_net.layers."): v for k, v in policy_state().items()}
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (PUBLISHED_MEAN, PUBLISHED_STD))
    x = (images.float() - mean) / std
    for position, stride in ((0, 4), (3, 2), (6, 2)):
        kernel = weights[f"{position}.weight"]
        x = F.conv2d(x, kernel, None, stride, kernel.shape[-1] // 2)
        weight, bias, mean, var = (
            weights[f"{position + 1}.{part}"].view(1, -1, 1, 1)
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        x = ((x - mean) / (var + 1e-5).sqrt() * weight + bias).clamp(min=0)
    expected = F.conv2d(x, weights["9.weight"], weights["9.bias"], 2, 2)[:, 0]
    assert found.shape == (1, 2, 3)
    assert expected.std() > 0
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_published_files_can_be_loaded_without_import(tmp_path):
    torch.save(blockcopy_file(published_state(*RESNET18, classes=11)), tmp_path / "published.pth")
    network = load_network(tmp_path / "published.pth")
    assert network.info.options["classes"] == 11
    assert network.info.class_set is None
    # white: (1 - mean) / std in the published statistics
    white = network.input_affine(normalise(torch.full((1, 3, 1, 1), 255, dtype=torch.uint8)))
    expected = [(255 - m) / s for m, s in zip(PUBLISHED_MEAN, PUBLISHED_STD, strict=True)]
    assert white.flatten().tolist() == pytest.approx(expected, rel=1e-5)


@pytest.fixture
def published(tmp_path):
    state = published_state(*RESNET18, classes=3)
    path = tmp_path / "published.pth"

    def write(change):
        change(state)
        torch.save(blockcopy_file(state), path)
        return path

    return write


def test_incomplete_checkpoints_write_nothing(published, tmp_path):
    path = published(lambda state: [state.pop(k) for k in list(state) if k.startswith("upsample.1.")])
    with pytest.raises(
        WeightsError, match=r"does not fit swiftnet-rn18: missing \d+ \(up\.1\.skip\.norm\.weight"
    ):
        import_checkpoint(path, tmp_path / "ours.safetensors")
    assert not (tmp_path / "ours.safetensors").exists()


def test_other_backbones_are_named(published, tmp_path):
    path = published(lambda state: [state.pop(k) for k in list(state) if k.startswith("backbone.layer3.1.")])
    with pytest.raises(WeightsError, match=r"published\.pth: .*\(2, 2, 1, 2\) blocks per stage"):
        import_checkpoint(path, tmp_path / "ours.safetensors")

    def efficient(state):
        for name in [k for k in state if k.startswith("backbone.")]:
            del state[name]
        state["backbone.stem.0.weight"] = state["backbone.blocks.0.0._bn1.weight"] = torch.zeros(1)

    with pytest.raises(WeightsError, match=r"on an EfficientNet with \(1,\) blocks per stage; known are"):
        import_checkpoint(published(efficient), tmp_path / "ours.safetensors")


def test_unknown_formats_show_what_is_known_and_what_was_found(tmp_path):
    torch.save({"encoder.weight": torch.zeros(2), "decoder.bias": torch.zeros(1)}, tmp_path / "w.pth")
    with pytest.raises(
        WeightsError, match=r"BlockCopy .*SegBlocks .*first names: encoder\.weight, decoder\.bias"
    ):
        import_checkpoint(tmp_path / "w.pth", tmp_path / "ours.safetensors")


def test_files_of_ours_need_no_import(tmp_path):
    torch.save(load_network("swiftnet-rn18", weights=None, width=6).state_dict(), tmp_path / "w.pth")
    with pytest.raises(WeightsError, match="is a Saccade file already"):
        import_checkpoint(tmp_path / "w.pth", tmp_path / "ours.safetensors")
