import pytest
import torch
import torch.nn.functional as F
from torch import nn

from saccade.errors import NetworkError
from saccade.networks.deeplab import DeepLab
from saccade.networks.deeplab_backbones import CaffeResNet, CentredNorm, PreBlock
from saccade.networks.deformable import DeformableConv
from saccade.networks.macs import count_macs

from .network_checks import NetworkChecks


class DeepLabChecks(NetworkChecks):
    @classmethod
    def make(cls, seed: int) -> nn.Module:
        network = super().make(seed)
        for module in network.modules():
            if isinstance(module, DeformableConv):  # as after training
                nn.init.normal_(module.offset.weight, std=0.01)
        return network


class TestDeepLab18(DeepLabChecks):
    name = "deeplab-18"
    parameters = 30_738_022
    gmacs = 129.39


class TestDeepLab50(DeepLabChecks):
    name = "deeplab-50"
    parameters = 26_621_227
    gmacs = 278.46


def millions(module: nn.Module) -> float:
    return round(sum(p.numel() for p in module.parameters()) / 1e6, 2)


@pytest.mark.parametrize(
    ("layers", "backbone", "enlarging", "total"),
    [
        (18, (11.84, 77.7), (16.78, 34.4), (30.7, 129)),
        (34, (22.28, 155.7), (16.78, 34.4), (41.2, 207)),
        (50, (24.50, 261.1), (0, 0), (26.6, 278)),
        (101, (42.75, 410.2), (0, 0), (44.9, 428)),
    ],
)
def test_totals_of_accel(layers, backbone, enlarging, total):
    """Millions of parameters and GMACs at 1024x2048, 19 classes."""
    with torch.device("meta"):
        network = DeepLab(layers)
    frames = (1, 3, 1024, 2048)
    gmacs = count_macs(network, frames) / 1e9
    trunk = count_macs(network.backbone, frames) / 1e9
    head = 64 * 128 * (2048 * 1024 + 1024 * 19) / 1e9
    assert millions(network.backbone) == backbone[0]
    assert round(trunk, 1) == backbone[1]
    assert millions(network.enlarge) == enlarging[0]
    assert round(head, 1) == 17.3
    assert round(gmacs - trunk - head, 1) == enlarging[1]
    assert round(millions(network), 1) == total[0]
    assert round(gmacs) == total[1]


def test_a_new_deformable_convolution_is_a_dilated_one():
    torch.manual_seed(0)
    layer = DeformableConv(8, 5, dilation=2, groups=4, offset_dilation=2)
    x = torch.randn(2, 8, 9, 7)
    torch.testing.assert_close(layer(x), layer.conv(x), rtol=1e-4, atol=1e-5)
    assert layer.offset.out_channels == 4 * 9 * 2


def test_offsets_move_the_taps_of_their_group_down_and_right():
    """All taps of the second group read one line lower."""
    torch.manual_seed(0)
    layer = DeformableConv(4, 3, dilation=1, groups=2)
    layer.offset.bias.data[18::2] = 1.0  # dy of the nine taps of group 1
    x = torch.randn(1, 4, 8, 6)
    lower = torch.cat((x[:, :2], F.pad(x[:, 2:, 1:], (0, 0, 0, 1))), 1)
    expected = layer.conv(lower)[:, :, 1:-2]
    torch.testing.assert_close(layer(x)[:, :, 1:-2], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_deformable_convolutions_in_half_precision(dtype):
    torch.manual_seed(0)
    layer = DeformableConv(4, 3, dilation=2)
    nn.init.normal_(layer.offset.bias)
    x = torch.randn(1, 4, 8, 6)
    half = layer.to(dtype)(x.to(dtype))
    assert half.dtype == dtype
    assert (half.float() - layer.float()(x)).norm() < 0.03 * half.float().norm()


def test_without_deformable_convolutions_there_are_none():
    for layers in (18, 50):
        network = DeepLab(layers, 3, deformable=False).eval()
        assert not any(isinstance(module, DeformableConv) for module in network.modules())
        assert network(torch.randn(1, 3, 40, 70)).shape == (1, 3, 10, 18)


def test_strides_sit_on_the_first_convolution_of_their_block():
    resnet = CaffeResNet((3, 4, 6, 3), deformable=False, groups=1, offset_dilation=1)
    first = [stage[0] for stage in resnet.stages]
    assert [block.conv1.stride[0] for block in first] == [1, 2, 2, 1]
    assert [block.conv2.stride[0] for block in first] == [1, 1, 1, 1]
    assert [block.project[0].stride[0] for block in first] == [1, 2, 2, 1]
    assert [block.conv2.dilation[0] for block in resnet.stages[3]] == [2, 2, 2]


def test_pooling_of_the_stem_begins_at_the_first_pixel():
    """3x3, stride 2, no padding, a last window that is cut off: 4 columns become 2."""
    resnet = CaffeResNet((1, 1, 1, 1), deformable=False, groups=1, offset_dilation=1).eval()
    seen = {}
    resnet.norm1.register_forward_hook(lambda *args: seen.update(before=args[2].relu()))
    resnet.stages.register_forward_pre_hook(lambda _, inputs: seen.update(after=inputs[0]))
    resnet(torch.randn(1, 3, 16, 8))
    before = seen["before"]
    assert before.shape[2:] == (8, 4)
    columns = torch.stack((before[..., 0:3].amax(3), before[..., 2:4].amax(3)), 3)
    lines = [columns[:, :, top : top + 3].amax(2) for top in (0, 2, 4, 6)]
    assert torch.equal(seen["after"], torch.stack(lines, 2))


def test_shortcuts_of_pre_activation_blocks():
    torch.manual_seed(0)
    x = torch.randn(1, 4, 6, 6)
    first, further = PreBlock(4, 4, 1, project=True).eval(), PreBlock(4, 4, 1, project=False).eval()
    for block in (first, further):
        nn.init.zeros_(block.conv2.weight)
    active = F.relu(x / (1 + 2e-5) ** 0.5)
    torch.testing.assert_close(first(x), first.project(active))
    assert torch.equal(further(x), x)


def test_the_first_norm_learns_a_shift_alone():
    norm = CentredNorm(3).eval()
    norm.running_mean.copy_(torch.tensor([1.0, 2.0, 3.0]))
    norm.shift.data.fill_(0.5)
    frames = torch.full((1, 3, 2, 2), 3.0)
    assert norm(frames)[0, :, 0, 0].tolist() == pytest.approx([2.5, 1.5, 0.5], abs=1e-4)
    assert [name for name, _ in norm.named_parameters()] == ["shift"]


@pytest.mark.parametrize("layers", [18, 50])
def test_parts_make_the_whole_at_both_cuts(layers):
    torch.manual_seed(0)
    network = DeepLab(layers, 5).eval()
    frames = torch.randn(1, 3, 45, 70)
    with torch.no_grad():
        whole = network(frames)
        for cut, channels in (("res5", 2048), ("fc6", 1024)):
            features = network.features(frames, cut)
            assert features.shape == (1, channels, 4, 6)
            scores = network.scores(features, cut)
            torch.testing.assert_close(network.logits(scores, (45, 70)), whole)


def test_frames_are_extended_with_the_mean_colour_and_logits_cut_to_the_frame():
    frames = torch.randn(1, 3, 45, 64)
    network = DeepLab(18, 2)
    longer = network.extended(frames)
    assert longer.shape == (1, 3, 64, 64)
    assert torch.equal(longer[:, :, :45], frames)
    assert not longer[:, :, 45:].any()
    scores = torch.randn(1, 2, 4, 4)
    larger = F.interpolate(scores, size=(16, 16), mode="bilinear", align_corners=False)
    assert torch.equal(network.logits(scores, (45, 64)), larger[:, :, :12])


def test_labels_are_those_of_the_fixed_enlargement_by_16():
    """The original's transposed convolution: 32x32 bilinear kernel, stride 16, cut at (8, 8)."""
    scores = torch.randn(1, 3, 6, 8, generator=torch.Generator().manual_seed(0))
    tent = 1 - (torch.arange(32) - 15.5).abs() / 16
    kernel = torch.outer(tent, tent).expand(3, 1, 32, 32)
    full = F.conv_transpose2d(scores, kernel, stride=16, groups=3)
    original = full[:, :, 8 : 8 + 96, 8 : 8 + 128].argmax(1)
    logits = DeepLab(18, 3).logits(scores, (96, 128))
    ours = F.interpolate(logits, size=(96, 128), mode="bilinear", align_corners=False).argmax(1)
    # Enlarged twice, corners of the bilinear surface are cut a little: labels differ at some boundaries.
    assert (ours == original).float().mean() > 0.98


def test_what_cannot_be_built():
    with pytest.raises(NetworkError, match="choose one of 18, 34, 50, 101"):
        DeepLab(152)
    with pytest.raises(NetworkError, match="at least one class"):
        DeepLab(18, 0)
