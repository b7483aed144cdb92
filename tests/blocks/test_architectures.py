"""The forms in which known architectures write things down, smallest case of each, on blocks.

Every network is compared with itself at all blocks and with the slow reference at some, and its plan must say
that nothing but what it has to runs densely.
"""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from saccade.blocks import FULL, EngineOptions

from .reference import assert_near, convert_with_reference, random_actions

SIZE, BLOCK = (64, 96), 16


class Network(nn.Module):
    """Features of 8 channels at half size, what is tried on them, and a convolution that reads the result."""

    def __init__(self, tried, channels=8):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.tried = tried
        self.head = nn.Conv2d(channels, 4, 3, padding=1)

    def forward(self, x):
        return self.head(self.tried(self.stem(x)))


class ChannelShuffle(nn.Module):
    """ShuffleNet: half of the channels goes through a branch, then the halves are interleaved."""

    def __init__(self):
        super().__init__()
        self.branch = nn.Conv2d(4, 4, 3, padding=1, groups=4)

    def forward(self, x):
        one, other = x.chunk(2, dim=1)
        x = torch.cat((one, self.branch(other)), dim=1)
        n, c, h, w = x.shape
        return x.view(n, 2, c // 2, h, w).transpose(1, 2).contiguous().view(n, c, h, w)


class StandardisedConvolution(nn.Conv2d):
    """NFNet, ResNetV2: weights with mean 0 and deviation 1, brought there at every call."""

    def __init__(self):
        super().__init__(8, 8, 3, padding=1)
        self.gain = nn.Parameter(torch.rand(8, 1, 1, 1))

    def forward(self, x):
        flat = self.weight.reshape(1, len(self.weight), -1)
        weight = F.batch_norm(flat, None, None, training=True).reshape_as(self.weight)
        return F.conv2d(x, weight * self.gain, self.bias, padding=1)


class Tokens(nn.Module):
    """SegFormer's MLP: pixels as a sequence, with a convolution in between that needs them as a map."""

    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm(8)
        self.into = nn.Linear(8, 16)
        self.mix = nn.Conv2d(16, 16, 3, padding=1, groups=16)
        self.out = nn.Linear(16, 8)

    def forward(self, x):
        n, c, h, w = x.shape
        tokens = x.flatten(2).transpose(1, 2)
        y = self.into(self.norm(tokens)).transpose(1, 2).view(n, 16, h, w)
        y = F.gelu(self.mix(y).flatten(2).transpose(1, 2))
        return (tokens + self.out(y)).transpose(1, 2).reshape(n, c, h, w)


class ChannelsLast(nn.Module):
    """ConvNeXt, MambaOut: layer norm, linear layers and gates on maps with channels at the end."""

    def __init__(self):
        super().__init__()
        self.mix = nn.Conv2d(8, 8, 7, padding=3, groups=8)
        self.norm = nn.LayerNorm(8)
        self.into, self.out = nn.Linear(8, 20), nn.Linear(8, 8)
        self.scale = nn.Parameter(torch.rand(8))

    def forward(self, x):
        y = self.norm(self.mix(x).permute(0, 2, 3, 1))
        gate, rest, value = self.into(y).split([8, 4, 8], dim=-1)
        y = self.out(F.silu(gate) * value + rest.mean(-1, keepdim=True)) * self.scale
        return x + y.permute(0, 3, 1, 2)


class SpaceToDepth(nn.Module):
    """TResNet: 4x4 pixels as channels and back, by views."""

    def forward(self, x):
        n, c, h, w = x.shape
        x = x.view(n, c, h // 4, 4, w // 4, 4).permute(0, 3, 5, 1, 2, 4)
        x = torch.tanh(x.reshape(n, 16 * c, h // 4, w // 4))
        x = x.view(n, 4, 4, c, h // 4, w // 4).permute(0, 3, 4, 1, 5, 2)
        return x.reshape(n, c, h, w)


class PatchMerging(nn.Module):
    """Swin: four maps of every other pixel as channels, channels at the end."""

    def __init__(self):
        super().__init__()
        self.reduce = nn.Linear(32, 8)

    def forward(self, x):
        x = x.permute(0, 2, 3, 1)
        parts = [x[:, i::2, j::2, :] for j in (0, 1) for i in (0, 1)]
        return self.reduce(torch.cat(parts, -1)).permute(0, 3, 1, 2)


class Shifted(nn.Module):
    """Maps without their first row and column, and a mean of neighbours from these."""

    def forward(self, x):
        x = F.pad(x, (0, 1, 0, 1))
        return x[:, :, 1:, :-1] + x[:, :, :-1, 1:] + x[:, :, :-1, :-1]


class SelectiveKernel(nn.Module):
    """SKNet, ResNeSt: branches stacked, and added with weights from the whole map."""

    def __init__(self):
        super().__init__()
        self.near, self.far = nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=2, dilation=2)
        self.choose = nn.Conv2d(8, 16, 1)

    def forward(self, x):
        both = torch.stack((self.near(x), self.far(x)), dim=1)
        gates = self.choose(both.sum(1).mean((2, 3), keepdim=True)).view(len(x), 2, 8, 1, 1).softmax(dim=1)
        one, other = (both * gates).unbind(1)
        return one + other


class GatedMobile(nn.Module):
    """MobileNetV3: hard activations and squeeze-and-excitation."""

    def __init__(self):
        super().__init__()
        self.squeeze = nn.Conv2d(8, 8, 1)

    def forward(self, x):
        x = F.hardswish(x)
        return x * F.hardsigmoid(self.squeeze(F.adaptive_avg_pool2d(x, 1)))


class ResponseNorm(nn.Module):
    """ConvNeXtV2: channels over the length of the whole map."""

    def forward(self, x):
        length = x.norm(p=2, dim=(2, 3), keepdim=True)
        return x + x * (length / (length.mean(dim=1, keepdim=True) + 1e-6))


class UnitLength(nn.Module):
    """SSD: each pixel's features with length 1, and channels added as zeros."""

    def forward(self, x):
        return F.pad(F.normalize(x, dim=1), (0, 0, 0, 0, 2, 1))


class Positions(nn.Module):
    """Numbers that say where a pixel is: computed in every call, learned, by row and by column."""

    def __init__(self):
        super().__init__()
        self.learned = nn.Parameter(torch.randn(1, 8, 32, 48))
        self.columns = nn.Parameter(torch.randn(8, 1, 48))

    def forward(self, x):
        rows = torch.arange(x.shape[2]).view(1, 1, -1, 1) / x.shape[2]
        return (x + self.learned) * self.columns + rows.sin()


class CoordinateAttention(nn.Module):
    """Gates of whole rows and whole columns."""

    def forward(self, x):
        return x * x.mean(3, keepdim=True).sigmoid() * x.mean(2, keepdim=True).sigmoid()


class PyramidPooling(nn.Module):
    """PSPNet: pooled to few pixels, enlarged again, beside the features."""

    def __init__(self):
        super().__init__()
        self.branches = nn.ModuleList(nn.Conv2d(8, 4, 1) for _ in range(3))

    def forward(self, x):
        parts = [x]
        for size, branch in zip((1, 2, 3), self.branches, strict=True):
            y = branch(F.adaptive_avg_pool2d(x, size))
            parts.append(F.interpolate(y, x.shape[2:], mode="bilinear", align_corners=size == 3))
        return torch.cat(parts, dim=1)


class Attention(nn.Module):
    """All pixels look at all pixels; what surrounds the products stays on blocks."""

    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm(8)
        self.queries, self.others = nn.Linear(8, 8), nn.Linear(8, 16)
        self.out = nn.Linear(8, 8)

    def forward(self, x):
        n, c, h, w = x.shape
        tokens = x.flatten(2).transpose(1, 2)
        y = self.norm(tokens)
        queries = self.queries(y).reshape(n, h * w, 2, 4).permute(0, 2, 1, 3)
        keys, values = self.others(y).reshape(n, h * w, 2, 2, 4).permute(2, 0, 3, 1, 4).unbind(0)
        mixed = F.scaled_dot_product_attention(queries, keys, values)
        tokens = tokens + self.out(mixed.transpose(1, 2).reshape(n, h * w, c))
        return tokens.transpose(1, 2).reshape(n, c, h, w)


class Windows(nn.Module):
    """Swin: the map cut into windows that become the batch, each a product with itself."""

    def forward(self, x):
        n, c, h, w = x.shape
        y = torch.roll(x.permute(0, 2, 3, 1), (-2, -2), (1, 2))
        y = y.view(n, h // 4, 4, w // 4, 4, c).permute(0, 1, 3, 2, 4, 5).reshape(-1, 16, c)
        y = (y @ y.transpose(1, 2)).softmax(-1) @ y
        y = y.view(n, h // 4, w // 4, 4, 4, c).permute(0, 1, 3, 2, 4, 5).reshape(n, h, w, c)
        return x + torch.roll(y, (2, 2), (1, 2)).permute(0, 3, 1, 2)


class Turned(nn.Module):
    """Rows and columns change places, and are flattened in that order."""

    def forward(self, x):
        turned = x.transpose(2, 3).contiguous().flatten(2).softmax(1)
        return turned.view(len(x), 8, x.shape[3], x.shape[2]).transpose(2, 3)


ON_BLOCKS = {
    "shufflenet": lambda: Network(ChannelShuffle()),
    "nfnet": lambda: Network(StandardisedConvolution()),
    "segformer_mlp": lambda: Network(Tokens()),
    "convnext": lambda: Network(ChannelsLast()),
    "tresnet_stem": lambda: Network(SpaceToDepth()),
    "patch_merging": lambda: Network(PatchMerging()),
    "shifted": lambda: Network(Shifted()),
    "ssd_norm": lambda: Network(UnitLength(), 11),
    "positions": lambda: Network(Positions()),
}
"""Nothing of these needs the whole map."""

PARTLY = {
    "sknet": lambda: Network(SelectiveKernel()),
    "mobilenetv3": lambda: Network(GatedMobile()),
    "convnextv2": lambda: Network(ResponseNorm()),
    "coordinate_attention": lambda: Network(CoordinateAttention()),
    "psp": lambda: Network(PyramidPooling(), 20),
    "attention": lambda: Network(Attention()),
    "window_attention": lambda: Network(Windows()),
}


@pytest.fixture
def frames():
    return torch.randn(4, 1, 3, *SIZE, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", [*ON_BLOCKS, *PARTLY])
@torch.no_grad()
def test_equals_module_at_all_blocks_and_reference_at_some(name, frames):
    torch.manual_seed(0)
    module = {**ON_BLOCKS, **PARTLY}[name]().eval()
    network, reference = convert_with_reference(module, frames[0], BLOCK)
    everything = torch.full((1, *network.grid.shape), FULL, dtype=torch.int8)
    assert_near(network.step(frames[0], everything), module(frames[0]))
    reference.step(frames[0], everything > 0)
    random = torch.Generator().manual_seed(1)
    for frame in frames[1:]:
        actions = random_actions(random, 1, network.grid.shape)
        (expected,) = reference.step(frame, actions > 0)
        assert_near(network.step(frame, actions), expected)
    check_dense_and_blocks(network, module, frames)


@torch.no_grad()
def test_rows_and_columns_that_changed_places_keep_their_order_when_flattened(frames):
    torch.manual_seed(0)
    module = Network(Turned()).eval()
    network, _ = convert_with_reference(module, frames[0], BLOCK)
    check_dense_and_blocks(network, module, frames)


def check_dense_and_blocks(network, module, frames):
    """All blocks in dense frames, and through the blocks on canvases that dense frames left behind."""
    everything = torch.full((1, *network.grid.shape), FULL, dtype=torch.int8)
    for frame, dense_above in zip(frames, (1.0, 1.0, 2.0, 1.0), strict=True):
        network.options = EngineOptions(dense_above=dense_above)
        network.use(network.tuning)
        assert_near(network.step(frame, everything), module(frame))


@pytest.mark.parametrize("name", list(ON_BLOCKS))
def test_nothing_runs_densely_that_needs_no_whole_map(name, frames):
    network, _ = convert_with_reference(ON_BLOCKS[name]().eval(), frames[0], BLOCK)
    assert [step.operations for step in network.plan.steps if step.execution == "dense"] == []


def test_what_runs_densely_around_attention_is_attention(frames):
    network, _ = convert_with_reference(PARTLY["attention"]().eval(), frames[0], BLOCK)
    on_blocks = {step.where for step in network.plan.steps if step.execution != "dense"}
    assert {"tried.norm", "tried.queries", "tried.others", "head"} <= on_blocks
    assert {"aten.scaled_dot_product_attention"} <= {
        operation for step in network.plan.steps if step.execution == "dense" for operation in step.operations
    }


def test_weights_that_are_computed_from_weights_are_computed_once(frames):
    network, _ = convert_with_reference(ON_BLOCKS["nfnet"]().eval(), frames[0], BLOCK)
    names = [operation for step in network.plan.steps for operation in step.operations]
    assert names == ["frames", "aten.conv2d", "aten.conv2d", "aten.conv2d"]
