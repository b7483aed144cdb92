import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import saccade
from saccade.blocks import FULL, EngineOptions
from saccade.classes import PEDESTRIANS
from saccade.errors import NetworkError
from saccade.networks import load_network
from saccade.networks.csp import CSP, ChannelNorm
from saccade.networks.detector import is_detector
from saccade.networks.macs import count_macs


def lively(network: nn.Module) -> nn.Module:
    """Norms and biases that do something, as after training, and convolutions that keep the scale."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(std=0.1)
            module.running_var.uniform_(0.5, 1.5)
        if isinstance(module, nn.GroupNorm):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.1)
        if isinstance(module, nn.ConvTranspose2d):
            nn.init.normal_(module.bias, std=0.1)
        if isinstance(module, nn.Conv2d) and module.out_channels <= 2:
            nn.init.normal_(module.weight, std=0.1)
    return network.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def light() -> nn.Module:
    torch.manual_seed(0)
    return lively(CSP("resnet18", width=16))


def frames(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


def test_totals_are_those_of_the_paper() -> None:
    with torch.device("meta"):
        network = load_network("csp-rn50", weights=None)
    parts = {"backbone": 0, "neck": 0, "norms and scales": 0, "head": 0}
    for name, parameter in network.named_parameters():
        if name.startswith("backbone"):
            parts["backbone"] += parameter.numel()
        elif "norm" in name or name.endswith("_scale"):
            parts["norms and scales"] += parameter.numel()
        else:
            parts["neck" if name.startswith("neck") else "head"] += parameter.numel()
    # Norms: three weights of 256, scale and shift of three group norms over 256 channels; two scalars.
    assert parts == {
        "backbone": 23_508_032,
        "neck": 14_680_832,
        "norms and scales": 3 * 256 + 3 * 512 + 2,
        "head": 5_317_636,
    }
    assert round(count_macs(network, (1, 3, 1024, 2048)) / 1e9, 1) == 1128.2


def test_all_convolutions_of_the_last_stage_are_dilated_and_none_of_its_blocks_strides() -> None:
    with torch.device("meta"):
        stage = load_network("csp-rn50", weights=None).backbone.layer4
    for block in stage.children():
        assert (block.conv2.stride, block.conv2.dilation, block.conv2.padding) == ((1, 1), (2, 2), (2, 2))


@pytest.mark.parametrize("size", [(64, 96), (65, 97), (50, 33), (7, 130), (1, 1)])
def test_maps_of_any_size_are_a_quarter_of_it(light: nn.Module, size: tuple[int, int]) -> None:
    maps = light(frames(2, 3, *size))
    quarter = math.ceil(size[0] / 4), math.ceil(size[1] / 4)
    assert [tuple(each.shape) for each in maps] == [(2, c, *quarter) for c in (1, 1, 2)]
    assert all(each.isfinite().all() for each in maps)


def test_maps_are_what_the_definition_says(light: nn.Module) -> None:
    x = frames(1, 3, 64, 96)
    parts = []
    for feature, enlarge, stride in zip(light.backbone(x), light.neck, (8, 16, 32), strict=True):
        kernel, padding = {8: (4, 1), 16: (4, 0), 32: (8, 0)}[stride]
        conv = enlarge.conv
        assert (conv.kernel_size, conv.padding) == ((kernel, kernel), (padding, padding))
        up = F.conv_transpose2d(feature, conv.weight, conv.bias, stride=stride // 4, padding=padding)
        parts.append(up / (up.square().sum(1, keepdim=True).sqrt() + 1e-10) * 10)
    joined = torch.cat(parts, 1)
    found = light(x)
    for answer, branch in zip(found, (light.centre, light.height, light.offset), strict=True):
        hidden = F.conv2d(joined, branch.conv.weight, padding=1)
        grouped = hidden.view(1, 2, -1)  # 16 channels in groups of 8
        hidden = (grouped - grouped.mean(2, keepdim=True)) / (
            grouped.var(2, False, keepdim=True) + 1e-5
        ).sqrt()
        hidden = (
            hidden.view(1, 16, 16, 24) * branch.norm.weight[:, None, None] + branch.norm.bias[:, None, None]
        )
        expected = F.conv2d(hidden.relu(), branch.out.weight, branch.out.bias, padding=1)
        torch.testing.assert_close(answer, expected, rtol=1e-4, atol=1e-4)


def test_initial_values_are_those_of_the_paper() -> None:
    torch.manual_seed(0)
    network = CSP("resnet18")
    assert network.centre.out.bias.sigmoid().item() == pytest.approx(0.01)
    assert not network.offset.out.bias.any()
    assert network.height.conv.weight.std().item() == pytest.approx(0.01, rel=0.02)
    assert [norm.weight.unique().tolist() for _, norm in ((0, e.norm) for e in network.neck)] == [[10.0]] * 3
    assert (network.height_scale.item(), network.offset_scale.item()) == (1.0, 1.0)


def test_channel_norm_gives_each_position_the_length_of_the_weight() -> None:
    norm = ChannelNorm(2).requires_grad_(False)
    x = torch.tensor([[[[3.0, 0.0]], [[4.0, 0.0]]]])
    assert norm(x).flatten(2).tolist() == [[[6.0, 0.0], [8.0, 0.0]]]
    assert norm(x.half()).isfinite().all()


@pytest.mark.parametrize("size", [(64, 96), (70, 101)])
def test_exact_in_the_block_engine_with_all_blocks(light: nn.Module, size: tuple[int, int]) -> None:
    x = frames(1, 3, *size)
    blocks = saccade.blocks.convert(
        light, x, block_size=32, options=EngineOptions(dense_above=2.0), measure=False
    )
    rows, columns = -(-size[0] // 32), -(-size[1] // 32)
    everything = torch.full((1, rows, columns), FULL, dtype=torch.int8)
    blocks.step(x, everything)
    later = x.flip(3)
    for found, expected in zip(blocks.step(later, everything), light(later), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    assert blocks.plan.block_share > 0.9


def test_exact_on_ten_blocks_with_the_dilated_backbone() -> None:
    torch.manual_seed(0)
    network = lively(CSP("resnet50", width=8))
    x = frames(1, 3, 64, 160)
    blocks = saccade.blocks.convert(
        network, x, block_size=32, options=EngineOptions(dense_above=2.0), measure=False
    )
    everything = torch.full((1, 2, 5), FULL, dtype=torch.int8)
    blocks.step(x, everything)
    later = x.flip(3)
    for found, expected in zip(blocks.step(later, everything), network(later), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)


def test_a_picture_that_stays_gives_the_first_answer_whatever_is_executed(light: nn.Module) -> None:
    x = frames(1, 3, 64, 96)
    blocks = saccade.blocks.convert(
        light, x, block_size=32, options=EngineOptions(dense_above=2.0), measure=False
    )
    some = torch.tensor([[[0, FULL, 0], [0, FULL, FULL]]], dtype=torch.int8)
    first = blocks.step(x, some)
    for found, expected in zip(blocks.step(x, some), first, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_the_registry_knows_its_classes_and_it_is_a_detector(light: nn.Module) -> None:
    network = load_network("csp-rn18", weights=None, width=8)
    assert network.info.class_set == PEDESTRIANS
    assert is_detector(network)
    assert not is_detector(nn.Conv2d(3, 1, 1))
    assert load_network("csp-rn18", weights=None, width=8, classes=3)(frames(1, 3, 32, 32))[0].shape[1] == 3


def test_the_trunk_of_a_segmentation_network_starts_the_backbone() -> None:
    segmentation = load_network("swiftnet-rn18-street")
    detector = load_network("csp-rn18", weights="backbone:swiftnet-rn18-street", width=8)
    for key, value in detector.backbone.state_dict().items():
        assert torch.equal(value, segmentation.backbone.state_dict()[key]), key


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("vgg16",), "choose one of resnet18, resnet50"),
        (("resnet18", 0), "at least one class"),
        (("resnet18", 1, 12), "not a multiple of 8"),
    ],
)
def test_what_cannot_be_built_is_refused(arguments: tuple, message: str) -> None:
    with pytest.raises(NetworkError, match=message):
        CSP(*arguments[:2], width=arguments[2] if len(arguments) > 2 else None)
