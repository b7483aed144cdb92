import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from saccade.errors import NetworkError
from saccade.networks import load_network
from saccade.networks.dilated_resnet import DilatedResNet
from saccade.networks.macs import count_macs
from saccade.networks.swiftnet import SwiftNet
from saccade.networks.tdnet import Attention, HalfPyramid, SpatialNorm, TDNet


@pytest.fixture(scope="module")
def td4():
    torch.manual_seed(0)
    return TDNet("td4-psp18", 3).eval()


def dilations(network: DilatedResNet, stage: slice) -> list[list[int]]:
    """Of the 3x3 convolutions of each block."""
    return [
        [m.dilation[0] for m in block.modules() if isinstance(m, nn.Conv2d) and m.kernel_size == (3, 3)]
        for block in network.stages[stage]
    ]


def test_the_backbones_are_dilated_as_published():
    with torch.device("meta"):
        small, large = DilatedResNet(18), DilatedResNet(50)
        assert small(torch.empty(1, 3, 769, 1537)).shape == (1, 512, 97, 193)
        assert large(torch.empty(1, 3, 769, 1537)).shape == (1, 2048, 97, 193)
    assert dilations(small, slice(0, 4)) == [[1, 1]] * 4
    assert dilations(small, slice(4, 6)) == [[1, 2], [2, 2]]
    assert dilations(small, slice(6, 8)) == [[4, 4], [8, 4]]
    assert dilations(large, slice(7, 13)) == [[1], [2], [2], [2], [2], [2]]
    assert dilations(large, slice(13, 16)) == [[4], [8], [16]]
    # ResNet-18 without its classifier; dilation changes no parameter
    assert sum(p.numel() for p in small.parameters()) == 11_176_512


@pytest.mark.parametrize(("inputs", "branch"), [(512, 64), (2048, 256)])
def test_half_of_the_channels_is_kept(inputs, branch):
    pyramid = HalfPyramid(inputs, second=False).eval()
    x = torch.randn(1, inputs, 12, 12)
    z = pyramid(x)
    assert z.shape == (1, inputs // 2 + 4 * branch, 12, 12)
    assert torch.equal(z[:, : inputs // 2], x[:, : inputs // 2])
    # the branch with a single cell is the mean of the map, the same at every pixel
    whole = pyramid.levels[0](x.mean((2, 3), keepdim=True))[:, :branch]
    torch.testing.assert_close(
        z[:, inputs // 2 : inputs // 2 + branch], whole.expand(-1, -1, 12, 12), rtol=1e-4, atol=1e-5
    )


def test_paths_keep_the_first_and_the_second_half_in_turns(td4):
    assert [path.pyramid.second for path in td4.paths] == [False, True, False, True]


def test_the_norm_is_over_the_map_of_each_channel():
    x = 3 + 2 * torch.randn(2, 4, 5, 6)
    mean, variance = x.mean((2, 3), keepdim=True), x.var((2, 3), keepdim=True, correction=0)
    torch.testing.assert_close(SpatialNorm(4)(x), (x - mean) / (variance + 1e-5).sqrt())


def test_the_norm_of_the_original_scales_every_pixel():
    x = 3 + 2 * torch.randn(2, 4, 5, 6)
    norm = SpatialNorm(4, (5, 6))
    norm.weight.data, norm.bias.data = torch.randn(2, 5, 6)
    expected = F.layer_norm(x, (5, 6), norm.weight, norm.bias)
    torch.testing.assert_close(norm(x), expected)
    larger = norm(torch.randn(1, 4, 9, 11))
    assert larger.shape == (1, 4, 9, 11)


def test_short_swiftnets_end_at_stride_8_and_cost_less_than_the_whole():
    with torch.device("meta"):
        network = TDNet("td2-swiftnet-rn18").eval()
        whole = SwiftNet("resnet18").eval()
    assert [path.backbone.feature_info.channels() for path in network.paths] == [[128, 256]] * 2
    assert not any("layer4" in name for name, _ in network.named_parameters())
    shape = (1, 3, 1024, 2048)
    both = count_macs(Full(network), shape)  # two frames
    assert both / 2 < 0.75 * count_macs(whole, shape)


def test_every_sub_network_begins_with_the_same_backbone():
    torch.manual_seed(0)
    network = load_network("td2-swiftnet-rn18", weights="backbone:swiftnet-rn18-street", classes=3)
    swiftnet = load_network("swiftnet-rn18-street")
    for path in network.paths:
        for name, tensor in path.backbone.state_dict().items():
            assert torch.equal(tensor, swiftnet.backbone.state_dict()[name]), name


def test_attention_by_hand():
    """One query pixel, two keys: weights by softmax of the products over the root of 64."""
    attention = Attention().eval()
    query = torch.zeros(1, 64, 1, 1)
    query[0, 0] = 8.0
    key = torch.zeros(1, 64, 1, 2)
    key[0, 0] = torch.tensor([[1.0, 3.0]])
    value = torch.randn(1, 512, 1, 2)
    weights = [math.exp(1) / (math.exp(1) + math.exp(3)), math.exp(3) / (math.exp(1) + math.exp(3))]
    gathered = weights[0] * value[..., :1] + weights[1] * value[..., 1:]
    expected = attention.project(gathered)
    torch.testing.assert_close(attention(query, key, value), expected, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_four_frames_by_the_equations(td4):
    frames = torch.randn(4, 1, 3, 32, 40)
    past, answers = [], []
    for number, frame in enumerate(frames):
        logits, seen = td4.step(frame, number, past)
        past.append(seen)
        answers.append(logits)
    encoded = [path.encode(frame) for path, frame in zip(td4.paths, frames, strict=True)]
    for path, each, logits in zip(td4.paths[:3], encoded, answers, strict=False):
        torch.testing.assert_close(logits, path.answer(each.value))  # no attention before the fourth frame
    sub = [(e.query[:, :, ::4, ::4], e.key[:, :, ::4, ::4], e.value[:, :, ::4, ::4]) for e in encoded]
    (_, k0, v0), (q1, k1, v1), (q2, k2, v2), _ = sub
    a = td4.attention[3]
    first = a[0](q1, k0, v0)
    second = a[1](q2, k1, first + v1)
    third = a[2](encoded[3].query, k2, second + v2)
    torch.testing.assert_close(answers[3], td4.paths[3].answer(third + encoded[3].value))
    assert past[0].key.shape == (1, 64, 1, 2)  # every fourth pixel of 4x5


@torch.no_grad()
def test_sub_networks_take_turns_and_old_frames_are_not_looked_at(td4):
    frame = torch.randn(1, 3, 32, 32)
    _, seen = td4.step(frame, 0, [])
    other = type(seen)(*(torch.randn_like(part) for part in (seen.query, seen.key, seen.value)))
    for number in (2, 6):
        three = td4.step(frame, number, [seen, seen, seen])[0]
        four = td4.step(frame, number, [other, seen, seen, seen])[0]
        assert torch.equal(three, four)
        assert torch.equal(three, td4.step(frame, 2, [seen, seen, seen])[0])
    assert not torch.equal(three, td4.step(frame, 3, [seen, seen, seen])[0])


@pytest.mark.parametrize("form", ["td4-psp18", "td2-psp50", "td2-swiftnet-rn18"])
@torch.no_grad()
def test_any_size_and_class_count(form):
    torch.manual_seed(0)
    network = TDNet(form, 5).eval()
    for size in ((33, 50), (64, 48), (1, 1)):
        past = []
        for number in range(network.form.paths):
            logits, seen = network.step(torch.randn(2, 3, *size), number, past)
            past.append(seen)
            assert logits.shape == (2, 5, -(-size[0] // 8), -(-size[1] // 8))
            assert logits.isfinite().all()


class Full(nn.Module):
    """One frame with a full past, for counting."""

    def __init__(self, network: TDNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        _, seen = self.network.step(x, 0, [])
        return self.network.step(x, 1, [seen] * (self.network.form.paths - 1))[0]


@pytest.mark.parametrize(("form", "published"), [("td4-psp18", 239), ("td2-psp50", 541)])
def test_the_cost_of_a_frame_is_about_the_published_one(form, published):
    """GMACs at 769x1537 as the authors' test script reports them."""
    with torch.device("meta"):
        network = TDNet(form).eval()
    shape = (1, 3, 769, 1537)
    gmacs = (count_macs(Full(network), shape) - count_macs(network, shape)) / 1e9
    assert gmacs == pytest.approx(published, rel=0.1)


def test_training_reaches_a_path_and_its_attention():
    torch.manual_seed(0)
    network = TDNet("td4-psp18", 3).train()
    frames = torch.randn(4, 2, 3, 32, 32)
    past = []
    for number, frame in enumerate(frames):
        logits, seen = network.step(frame, number, past)
        past.append(seen)
    F.cross_entropy(logits, torch.zeros(2, 4, 4, dtype=torch.long)).backward()
    parts = [network.paths[3], network.attention[3], network.paths[0].key, network.paths[0].backbone]
    for name, parameter in (pair for part in parts for pair in part.named_parameters()):
        if not name.startswith("key."):  # of the last frame, which only later ones look at
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all(), name


def test_what_cannot_be_built():
    with pytest.raises(NetworkError, match="choose one of td4-psp18, td2-psp50, td2-swiftnet-rn18"):
        TDNet("td3")
    with pytest.raises(NetworkError, match="at least one class"):
        TDNet("td4-psp18", 0)
