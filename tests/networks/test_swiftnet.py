from typing import ClassVar

import pytest
import torch
from torch import nn

from saccade.errors import NetworkError
from saccade.networks.registry import build_network
from saccade.networks.swiftnet import NormReluConv, PyramidPooling, SwiftNet, Upsample

from .network_checks import NetworkChecks


class TestSwiftNetRN18(NetworkChecks):
    name = "swiftnet-rn18"
    small: ClassVar = {"width": 24}
    parameters = 11_797_071
    gmacs = 103.57


class TestSwiftNetRN50(NetworkChecks):
    name = "swiftnet-rn50"
    small: ClassVar = {"width": 24}
    parameters = 24_502_991
    gmacs = 204.63


class TestSwiftNetEfficientNetLite1(NetworkChecks):
    name = "swiftnet-efficientnet-lite1"
    small: ClassVar = {"width": 24}
    parameters = 3_819_235
    gmacs = 24.09  # the paper has 24.10, with the 2.5 M additions of the last bias


def brc(inputs: int, outputs: int, kernel: int = 1) -> int:
    """Parameters of batch norm (scale and shift), ReLU, convolution without bias."""
    return 2 * inputs + inputs * outputs * kernel**2


def test_parameters_of_resnet34_follow_from_those_of_resnet18():
    """One, two, four and one more basic blocks of two 3x3 convolutions with their norms."""
    more = sum(
        blocks * 2 * (9 * width**2 + 2 * width) for blocks, width in ((1, 64), (2, 128), (4, 256), (1, 512))
    )
    with torch.device("meta"):
        network = SwiftNet("resnet34", 19)
    assert sum(p.numel() for p in network.parameters()) == 11_797_071 + more


@pytest.mark.parametrize(
    ("backbone", "skips"),
    [
        ("resnet18", (64, 128, 256, 512)),
        ("resnet34", (64, 128, 256, 512)),
        ("resnet50", (256, 512, 1024, 2048)),
        ("efficientnet_lite1", (24, 40, 112, 320)),
    ],
)
def test_decoder_parameters_by_formula(backbone, skips):
    pyramid = brc(skips[3], 128) + 3 * brc(128, 42) + brc(128 + 3 * 42, 128)
    ladder = sum(brc(skip, 128) + brc(128, 128, 3) for skip in skips[:3])
    with torch.device("meta"):
        network = SwiftNet(backbone, classes=11)
    decoder = sum(p.numel() for n, p in network.named_parameters() if not n.startswith("backbone."))
    assert decoder == pyramid + ladder + brc(128, 11) + 11


def test_norm_comes_before_relu_before_convolution():
    block = NormReluConv(2, 1, 1, bias=True).eval()
    block.norm.running_mean.copy_(torch.tensor([1.0, 0.0]))
    block.norm.running_var.copy_(torch.tensor([4.0, 1.0]))
    block.norm.eps = 0.0
    nn.init.constant_(block.norm.bias, 0.5)
    block.conv.weight.data = torch.tensor([[[[-3.0]], [[10.0]]]])
    block.conv.bias.data.fill_(7.0)
    x = torch.tensor([[[[5.0]], [[-2.0]]]])
    # channel 0: (5 - 1) / 2 + 0.5 = 2.5; channel 1: -2 + 0.5 < 0, cut to 0; -3 * 2.5 + 10 * 0 + 7
    assert block(x).item() == pytest.approx(-0.5)


@pytest.mark.parametrize(
    ("size", "grids"),
    [
        ((32, 64), [(8, 16), (4, 8), (2, 4)]),  # a 1024x2048 frame
        ((12, 16), [(8, 11), (4, 5), (2, 3)]),  # a 384x512 frame: 10.67, 5.33, 2.67 columns
        ((40, 1), [(8, 1), (4, 1), (2, 1)]),  # never without a column
    ],
)
def test_pyramid_grids_have_square_cells(size, grids):
    pyramid = PyramidPooling(4, 12).eval()
    seen = []
    for level in pyramid.levels:
        level.register_forward_pre_hook(lambda _, inputs: seen.append(tuple(inputs[0].shape[-2:])))
    pyramid(torch.randn(1, 4, *size))
    assert seen == grids


def test_pyramid_levels_see_the_means_of_their_cells():
    pyramid = PyramidPooling(4, 12, rows=(2,)).eval()
    seen = {}
    pyramid.project.register_forward_hook(lambda *args: seen.update(projected=args[2]))
    pyramid.levels[0].register_forward_pre_hook(lambda _, inputs: seen.update(pooled=inputs[0]))
    pyramid(torch.randn(1, 4, 6, 9))  # cells of 3x3
    cells = seen["projected"].unflatten(3, (3, 3)).unflatten(2, (2, 3)).mean((3, 5))
    torch.testing.assert_close(seen["pooled"], cells)


def test_upsampling_adds_the_resized_map_to_the_skip():
    step = Upsample(3, 2).eval()
    seen = {}
    step.skip.register_forward_hook(lambda *args: seen.update(skip=args[2]))
    step.blend.register_forward_pre_hook(lambda _, inputs: seen.update(total=inputs[0]))
    deep = torch.tensor([[[[0.0, 4.0]], [[8.0, 8.0]]]])  # (1, 2, 1, 2)
    step(deep, torch.randn(1, 3, 2, 4))
    # corners not aligned: outputs sit at -1/4, 1/4, 3/4, 5/4 of the inputs' spacing
    row = torch.tensor([[0.0, 1.0, 3.0, 4.0], [8.0, 8.0, 8.0, 8.0]])
    expected = row[None, :, None, :].expand(1, 2, 2, 4) + seen["skip"]
    torch.testing.assert_close(seen["total"], expected)


def test_the_input_affine_is_applied_per_channel_before_everything():
    scale, shift = [2.0, 0.5, 1.0], [0.1, -0.2, 0.0]
    torch.manual_seed(0)
    plain = SwiftNet(classes=3, width=12).eval()
    torch.manual_seed(0)
    shifted = SwiftNet(classes=3, width=12, input_affine=(scale, shift)).eval()
    frames = torch.randn(1, 3, 32, 32)
    by_hand = torch.stack([frames[:, c] * scale[c] + shift[c] for c in range(3)], dim=1)
    with torch.no_grad():
        torch.testing.assert_close(shifted(frames), plain(by_hand))


def test_momentum_is_that_of_decoder_and_resnet_blocks():
    def momenta(name, **options):
        with torch.device("meta"):
            network = build_network(name, **options)
        norms = {n: m.momentum for n, m in network.named_modules() if isinstance(m, nn.BatchNorm2d)}
        parts = {"stem": ("backbone.bn1",), "blocks": ("backbone.",), "pyramid": ("spp.",)}
        found = {}
        for norm, momentum in norms.items():
            part = next((p for p, starts in parts.items() if norm.startswith(starts)), "decoder")
            found.setdefault(part, set()).add(momentum)
        return found

    plain = {"stem": {0.1}, "blocks": {0.1}, "pyramid": {0.005}, "decoder": {0.1}}
    assert momenta("swiftnet-rn18") == plain
    published = plain | {"blocks": {0.05}, "decoder": {0.05}}
    assert momenta("swiftnet-rn18", momentum=0.05) == momenta("swiftnet-rn50", momentum=0.05) == published
    # EfficientNet-Lite keeps the momentum that it was published with.
    lite = momenta("swiftnet-efficientnet-lite1", momentum=0.05)
    assert lite == {"stem": {0.01}, "blocks": {0.01}, "pyramid": {0.005}, "decoder": {0.05}}


def test_unknown_backbone_and_no_classes_are_refused():
    with pytest.raises(NetworkError, match="choose one of resnet18, resnet34, resnet50, efficientnet_lite1"):
        SwiftNet("vgg16")
    with pytest.raises(NetworkError, match="at least one class"):
        SwiftNet(classes=0)
