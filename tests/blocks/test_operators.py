"""Every operator on blocks, at the borders of blocks and image, against PyTorch and the slow reference.

Operators of a kind are tried together in one network, all on the same features. It gives their results, and
for each size of these a mean over neighbours, which sees whether blocks are where they should be.
"""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from saccade.blocks import FULL, EngineOptions
from saccade.blocks.steps import ConvolutionStep
from saccade.blocks.tuning import Tuning

from .reference import assert_near, convert_with_reference, random_actions

SIZES = {"whole": (32, 48, 8), "ragged": (36, 53, 16)}
"""Height, width, block. 36 can be divided by the strides of maps, but not by the block; 53 by nothing."""

CHANNELS = 8

pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")


class Call(nn.Module):
    """A function as a module."""

    def __init__(self, function, *args, **kwargs):
        super().__init__()
        self.function, self.args, self.kwargs = function, args, kwargs

    def forward(self, x):
        return self.function(x, *self.args, **self.kwargs)


class Family(nn.Module):
    """Features, and what each operator makes of them.

    Args:
        operators: By name.
    """

    def __init__(self, operators):
        super().__init__()
        self.stem = nn.Conv2d(3, CHANNELS, 3, padding=1)
        self.names = list(operators)
        self.tried = nn.ModuleList(operators.values())

    def forward(self, x):
        x = self.stem(x)
        results = {name: operator(x) for name, operator in zip(self.names, self.tried, strict=True)}
        sizes = {y.shape[2:]: (name, y) for name, y in results.items()}
        return results | {f"mean after {name}": F.avg_pool2d(y, 3, 1, 1) for name, y in sizes.values()}


def both(value):
    """Height and width from one or two numbers."""
    return value if isinstance(value, tuple) else (value, value)


def named(modules):
    """Modules by what they say of themselves."""
    return {str(m) + getattr(m, "padding_mode", ""): m for m in modules}


def convolutions(height, width):
    """Kernels and strides, padded as is usual."""
    kernels = (1, 2, 3, 5, 7, (3, 5), (1, 7), (7, 2))
    return named(
        nn.Conv2d(CHANNELS, 4, kernel, stride, [k // 2 for k in both(kernel)])
        for kernel in kernels
        for stride in (1, 2, 3, 4)
    )


def dilated_convolutions(height, width):
    """Taps apart from each other, farther than a block at last."""
    return named(
        nn.Conv2d(
            CHANNELS,
            4,
            kernel,
            stride,
            [(k - 1) * d // 2 for k, d in zip(both(kernel), both(dilation), strict=True)],
            dilation,
        )
        for dilation in (1, 2, 4, 6, (2, 6), 11)
        for kernel in (2, 3, (3, 2), 5)
        for stride in (1, 2)
    )


def grouped_convolutions(height, width):
    """Groups, and depthwise convolutions with one or more results for each channel."""
    return named(
        nn.Conv2d(CHANNELS, out, kernel, stride, (kernel - 1) * dilation // 2, dilation, groups, bias=False)
        for groups, out in ((2, 4), (4, 8), (8, 8), (8, 24))
        for kernel in (1, 3, 5)
        for stride, dilation in ((1, 1), (2, 1), (1, 2))
    )


def paddings(height, width):
    """None, less than the kernel, more, another one on each side; zeros or the map itself."""
    modes = ("zeros", "reflect", "replicate", "circular")
    given = [
        nn.Conv2d(CHANNELS, 4, kernel, stride, padding, padding_mode=mode)
        for mode in modes
        for kernel, stride in ((1, 1), (3, 1), (3, 2))
        for padding in (0, 1, 3, (0, 2))
    ]
    same = [
        nn.Conv2d(CHANNELS, 4, kernel, padding="same", dilation=dilation, padding_mode=mode)
        for mode in modes
        for kernel in (2, 3, (4, 1))
        for dilation in (1, 3)
    ]
    return named([*given, *same, nn.Conv2d(CHANNELS, 4, 5, padding="valid")])


def endings(height, width):
    """Convolutions with what is made part of them: norms, additions, activations."""
    activations = (
        nn.ReLU(),
        nn.ReLU(inplace=True),
        nn.ReLU6(),
        nn.Hardtanh(-0.5, 0.25),
        nn.LeakyReLU(0.2),
        nn.Sigmoid(),
        nn.Tanh(),
        nn.SiLU(),
        nn.Hardswish(),
        nn.GELU(),
        nn.GELU(approximate="tanh"),
        nn.ELU(),
        nn.Softplus(),
        nn.PReLU(4),
        Call(torch.clamp, min=-0.3),
        Call(torch.clamp, max=0.3),
    )
    return {
        **{
            f"convolution, {a} {a.args if isinstance(a, Call) else ''} {i}": nn.Sequential(convolution(4), a)
            for i, a in enumerate(activations)
        },
        **{
            f"sum of convolutions, {a} {i}": Sum(convolution(4), convolution(4), after=a)
            for i, a in enumerate(activations)
        },
        "norm": nn.Sequential(convolution(4), norm(4)),
        "norm, relu": nn.Sequential(convolution(4), norm(4), nn.ReLU()),
        "norm before the convolution": nn.Sequential(norm(CHANNELS), convolution(4)),
        "residual": Sum(nn.Sequential(convolution(CHANNELS), norm(CHANNELS)), nn.Identity()),
        "residual, relu": Sum(nn.Identity(), convolution(CHANNELS), after=nn.ReLU()),
        "residual after a 1x1 convolution": Sum(nn.Conv2d(CHANNELS, 4, 1), convolution(4), after=nn.ReLU()),
        "residual of what is read again": Sum(
            nn.Sequential(convolution(4), Sum(nn.ReLU(), convolution(4, 4)))
        ),
        "residual blocks": nn.Sequential(*(residual_block() for _ in range(3))),
        "twice the same summand": Call(lambda x: x + x),
        "sum with a factor": Scaled(),
        "sum, then norm": nn.Sequential(Sum(convolution(4), convolution(4)), norm(4), nn.ReLU()),
        "sum of three": Sum(convolution(4), convolution(4), convolution(4), after=nn.ReLU()),
        "sum of strided convolutions": Sum(convolution(4, stride=2), nn.Conv2d(CHANNELS, 4, 1, 2)),
        "enlarged, then added": Sum(
            nn.Sequential(
                convolution(4, stride=2), nn.Upsample((height, width), mode="bilinear", align_corners=False)
            ),
            convolution(4),
            after=nn.ReLU(),
        ),
    }


def convolution(channels, before=CHANNELS, stride=1):
    return nn.Conv2d(before, channels, 3, stride, 1)


def norm(channels):
    """Batch norm that has seen something."""
    layer = nn.BatchNorm2d(channels)
    for values in (layer.running_mean, layer.weight.data, layer.bias.data):
        values.uniform_(-1, 1)
    layer.running_var.uniform_(0.5, 2)
    return layer


def residual_block():
    inner = nn.Sequential(
        convolution(CHANNELS), norm(CHANNELS), nn.ReLU(), convolution(CHANNELS), norm(CHANNELS)
    )
    return Sum(inner, nn.Identity(), after=nn.ReLU())


class Sum(nn.Module):
    """The sum of what several modules make of the same features."""

    def __init__(self, *parts, after=None):
        super().__init__()
        self.parts = nn.ModuleList(parts)
        self.after = after or nn.Identity()

    def forward(self, x):
        total = self.parts[0](x)
        for part in self.parts[1:]:
            total = total + part(x)
        return self.after(total)


class Scaled(nn.Module):
    """``torch.add`` with its third argument, and a product with a number per channel."""

    def __init__(self):
        super().__init__()
        self.one, self.other = convolution(4), convolution(4)
        self.gain = nn.Parameter(torch.rand(1, 4, 1, 1))

    def forward(self, x):
        return torch.relu(torch.add(self.one(x), self.other(x), alpha=-0.5)) * self.gain


class Concatenation(nn.Module):
    """What several modules make of the same features, side by side."""

    def __init__(self, *parts, after=None):
        super().__init__()
        self.parts = nn.ModuleList(parts)
        self.after = after or nn.Identity()

    def forward(self, x):
        return self.after(torch.cat([part(x) for part in self.parts], dim=1))


def concatenations(height, width):
    """Of features new and old, on maps of one size, and what is done with parts of them."""
    up = nn.Upsample((height, width), mode="nearest")
    pyramid = [nn.Conv2d(CHANNELS, 2, 3, padding=d, dilation=d) for d in (1, 2, 6)]
    return {
        "with the features": Concatenation(nn.Identity(), convolution(4)),
        "with itself": Concatenation(nn.Identity(), nn.Identity()),
        "dilations": Concatenation(*pyramid, after=nn.Conv2d(6, 4, 1)),
        "scales": Concatenation(nn.Sequential(convolution(4, stride=2), up), convolution(4)),
        "then a convolution": Concatenation(nn.ReLU(), convolution(4), after=convolution(4, CHANNELS + 4)),
        "chunks": Call(lambda x: torch.cat(x.chunk(2, 1)[::-1], 1)),
        "slices": Call(lambda x: torch.cat((x[:, 5:], x[:, :3]), 1)),
        "stacked": Call(lambda x: torch.stack((x, x.neg()), 1).flatten(1, 2)),
        "with a constant": Call(lambda x: torch.cat((x, torch.ones_like(x[:, :1])), 1)),
    }


def transposed_convolutions(height, width):
    """Transposed convolutions whose results lie on the grid."""
    options = {
        1: ((1, 0, 0, 1), (2, 0, 0, 1), (3, 1, 0, 1), (3, 0, 0, 1), (3, 2, 0, 2), (5, 2, 0, 1), (7, 0, 0, 1)),
        2: (
            *((1, 0, 0, 1), (1, 0, 1, 1), (1, 1, 1, 1), (2, 0, 0, 1), (3, 1, 1, 1), (3, 1, 0, 1)),
            *((3, 0, 1, 1), (4, 1, 0, 1), (5, 2, 1, 1), (6, 2, 0, 1), (7, 3, 1, 1), (3, 2, 1, 2)),
        ),
        4: ((4, 0, 0, 1), (8, 2, 0, 1), (3, 0, 1, 1), (2, 0, 2, 1), (1, 1, 3, 1), (5, 1, 1, 1), (3, 2, 3, 3)),
    }
    tall = nn.ConvTranspose2d(CHANNELS, 4, (4, 2), 2, (1, 0))
    return named(
        nn.ConvTranspose2d(
            CHANNELS, 4, kernel, stride, padding, extra, groups, bias=groups == 1, dilation=dilation
        )
        for stride, geometries in options.items()
        for kernel, padding, extra, dilation in geometries
        for groups in (1, 4)
    ) | {"tall": tall}


def max_pools(height, width):
    return named(
        nn.MaxPool2d(kernel, stride, padding, dilation, ceil_mode=ceil)
        for kernel, stride, padding, dilation in (
            *((2, 2, 0, 1), (2, 1, 0, 1), (2, 2, 1, 1), (3, 1, 1, 1), (3, 2, 1, 1), (3, 2, 0, 1)),
            *((3, 3, 0, 1), (3, 4, 1, 1), (5, 1, 2, 1), (5, 2, 2, 1), (13, 1, 6, 1), (4, 4, 0, 1)),
            *((2, 1, 1, 2), (3, 1, 1, 2), (3, 2, 1, 2), ((3, 2), 2, (1, 0), 1), ((1, 3), 1, (0, 1), 1)),
        )
        for ceil in (False, True)
    )


def average_pools(height, width):
    """Borders count, or not; windows beyond the end; divided by something else."""
    geometries = (
        *((2, 2, 0), (2, 1, 0), (2, 2, 1), (3, 1, 1), (3, 2, 1), (3, 2, 0), (3, 3, 0), (3, 4, 1)),
        *((5, 1, 2), (5, 2, 2), ((3, 2), 2, (1, 0)), ((1, 3), 1, (0, 1))),
    )
    return {
        f"{geometry}{' beyond the end' * ceil}{' inside alone' * (not counts)} / {divisor}": nn.AvgPool2d(
            *geometry, ceil, counts, divisor
        )
        for geometry in geometries
        for ceil, counts, divisor in (
            *((False, True, None), (False, False, None), (True, True, None), (True, False, None)),
            *((False, True, 3), (True, False, 3)),
        )
    }


def adaptive_pools(height, width):
    """To maps that still have a few pixels for each block."""
    sizes = (
        *((height, width), (height // 2, width // 2), (height // 2 + 1, width // 2 + 1)),
        *(
            (height // 3, width // 3),
            (height - 1, width - 2),
            (height + 3, width + 5),
            (2 * height, 2 * width),
        ),
    )
    pools = {f"to {size}": nn.AdaptiveAvgPool2d(size) for size in sizes}
    return pools | {"area": Call(F.interpolate, size=(height // 2, width // 2), mode="area")}


def resizings(mode, corners=None):
    """Resizing in one mode, by whole and by odd factors, up and down, by size and by factor."""

    def family(height, width):
        sizes = [(height * k, width * k) for k in (1, 2, 3)] + [(height // k, width // k) for k in (2, 3)]
        sizes += [(height + 1, width + 1), (2 * height - 1, 2 * width + 1), (height * 7 // 5, width * 7 // 5)]
        sizes += [(height // 2 + 1, width // 2 + 1), (height - 2, width - 3)]
        options = {"mode": mode, "align_corners": corners}
        by_size = {f"to {size}": Call(F.interpolate, size=size, **options) for size in sizes}
        by_factor = {
            f"by {factor}{' of whole pixels' * whole}": Call(
                F.interpolate, scale_factor=factor, recompute_scale_factor=whole, **options
            )
            for factor, whole in (
                (4.0, False),
                (1.7, False),
                (1.7, True),
                (0.5, False),
                (0.4, False),
                (0.4, True),
            )
        }
        return by_size | by_factor

    return family


def norms(height, width):
    """Statistics of the whole map, of channels, or known beforehand."""
    return {
        "one group": affine(nn.GroupNorm(1, CHANNELS)),
        "two groups": affine(nn.GroupNorm(2, CHANNELS)),
        "groups of one channel": nn.GroupNorm(CHANNELS, CHANNELS, affine=False),
        "epsilon": nn.GroupNorm(2, CHANNELS, eps=0.5),
        "instance": nn.InstanceNorm2d(CHANNELS),
        "instance, affine": affine(nn.InstanceNorm2d(CHANNELS, affine=True, eps=0.1)),
        "layer over everything": nn.LayerNorm((CHANNELS, height, width), elementwise_affine=False, eps=0.1),
        "layer over channels": ChannelNorm(affine(nn.LayerNorm(CHANNELS))),
        "root mean square": ChannelNorm(nn.RMSNorm(CHANNELS)),
        "batch": norm(CHANNELS),
        "group, relu, convolution": nn.Sequential(
            affine(nn.GroupNorm(4, CHANNELS)), nn.ReLU(), convolution(4)
        ),
    }


def affine(layer):
    """Scale and shift that are not 1 and 0."""
    for values in layer.parameters():
        nn.init.uniform_(values, 0.5, 1.5)
    return layer


class ChannelNorm(nn.Module):
    """Normalisation of each pixel's channels."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        return self.layer(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def pads(height, width):
    """Padding and cropping alone, and before what reads it."""
    amounts = ((1, 1, 1, 1), (0, 1, 0, 1), (2, 0, 1, 3), (-1, 2, 1, -1), (-1, -2, -2, -1), (0, 0, 2, 0))
    fills = [("constant", 0), ("constant", -1.5), ("reflect", None), ("replicate", None), ("circular", None)]
    found = {"channels": Call(F.pad, (0, 0, 0, 0, 1, 2)), "far": nn.ReplicationPad2d(9)}
    for mode, fill in fills:
        for amount in amounts:
            if mode == "circular" and min(amount) < 0:
                continue  # see whole_maps
            pad, name = Call(F.pad, amount, mode, fill), f"{amount} {mode} {fill}"
            found[name] = pad
            found[f"{name}, convolution"] = nn.Sequential(pad, nn.Conv2d(CHANNELS, 4, 3))
        pad = Call(F.pad, (2, 0, 1, 3), mode, fill)
        ones = Sum(nn.Conv2d(CHANNELS, 4, 1), nn.Conv2d(CHANNELS, 4, 1))
        found[f"{mode} {fill}, padded convolution"] = nn.Sequential(pad, convolution(4))
        found[f"{mode} {fill}, strided convolution"] = nn.Sequential(pad, nn.Conv2d(CHANNELS, 4, 3, 2))
        found[f"{mode} {fill}, pooling"] = nn.Sequential(pad, nn.MaxPool2d(3, 2))
        found[f"{mode} {fill}, read twice"] = nn.Sequential(pad, ones)
    return found


def whole_maps(height, width):
    """Operators that look at the whole map, or give another picture; around them blocks go on."""
    squeeze = nn.Sequential(
        nn.AdaptiveAvgPool2d(1), nn.Conv2d(CHANNELS, 4, 1), nn.ReLU(), nn.Conv2d(4, CHANNELS, 1), nn.Sigmoid()
    )
    means = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(CHANNELS, 4, 1))
    back = nn.Upsample((height, width), mode="bilinear", align_corners=False)
    return {
        "squeeze and excitation": Product(nn.Identity(), squeeze),
        "squeeze by mean": Product(nn.ReLU(), Call(lambda x: x.mean((2, 3), keepdim=True).sigmoid())),
        "squeeze by maximum": Product(nn.ReLU(), nn.AdaptiveMaxPool2d(1)),
        "squeeze by both": Product(
            convolution(CHANNELS), Sum(nn.AdaptiveAvgPool2d(1), nn.AdaptiveMaxPool2d(1), after=nn.Sigmoid())
        ),
        "image pooling": Concatenation(convolution(4), nn.Sequential(means, back)),
        "image pooling, repeated": Concatenation(
            convolution(4), nn.Sequential(means, Call(torch.Tensor.expand, -1, -1, height, width))
        ),
        "pooled to 2x3": Concatenation(nn.Identity(), nn.Sequential(nn.AdaptiveAvgPool2d((2, 3)), back)),
        "pooled to 5x5": Sum(nn.Identity(), nn.Sequential(nn.AdaptiveAvgPool2d(5), back)),
        "largest to 4x4": Sum(nn.Identity(), nn.Sequential(nn.AdaptiveMaxPool2d(4), back)),
        "one row": nn.AdaptiveAvgPool2d((1, None)),
        "global pooling": nn.AdaptiveAvgPool2d(1),
        "standard deviation": Product(nn.Identity(), Call(torch.std, (2, 3), keepdim=True)),
        "softmax over pixels": Call(lambda x: x.flatten(2).softmax(2).view_as(x)),
        "layer with a scale for each pixel": affine(nn.LayerNorm((CHANNELS, height, width))),
        "layer over pixels": nn.LayerNorm((height, width)),
        "circular and cropped": Call(F.pad, (-1, 2, 3, -1), "circular"),
        "stacked along rows": Call(lambda x: torch.stack((x, x.neg()), 2).flatten(1, 2)),
        "local response": nn.LocalResponseNorm(3),
        "rolled": Call(torch.roll, (3, -5), (2, 3)),
        "flipped": Call(torch.flip, (3,)),
        "strides that differ": nn.Conv2d(CHANNELS, 4, 3, (1, 2), 1),
        "transposed, off the grid": nn.ConvTranspose2d(CHANNELS, 4, 3, 3, 1),
        "antialiased": Call(F.interpolate, scale_factor=0.5, mode="bilinear", antialias=True),
        "to two pixels": Call(F.interpolate, size=(1, 2), mode="bilinear"),
        "channels against channels": Call(lambda x: torch.einsum("nchw,ndhw->ncd", x, x)[:, :, :, None]),
    }


class Product(nn.Module):
    """Features times what is made of them."""

    def __init__(self, one, other):
        super().__init__()
        self.one, self.other = one, other

    def forward(self, x):
        return self.one(x) * self.other(x)


BOTH_SIZES = {
    "convolutions": convolutions,
    "dilated convolutions": dilated_convolutions,
    "transposed convolutions": transposed_convolutions,
    "max pools": max_pools,
    "average pools": average_pools,
    "nearest": resizings("nearest"),
    "bilinear": resizings("bilinear", False),
}
RAGGED = {
    "grouped convolutions": grouped_convolutions,
    "paddings": paddings,
    "pads": pads,
    "endings": endings,
    "concatenations": concatenations,
    "adaptive pools": adaptive_pools,
    "nearest-exact": resizings("nearest-exact"),
    "bilinear, corners": resizings("bilinear", True),
    "bicubic": resizings("bicubic", False),
    "bicubic, corners": resizings("bicubic", True),
    "norms": norms,
}
WHOLE_MAPS = {"whole maps": whole_maps}
FAMILIES = {**BOTH_SIZES, **RAGGED, **WHOLE_MAPS}

ON_BLOCKS = [(family, "whole") for family in BOTH_SIZES] + [(family, "ragged") for family in RAGGED]
CASES = [*ON_BLOCKS, *((family, "ragged") for family in (*BOTH_SIZES, *WHOLE_MAPS))]


class Case:
    """A family at one size, converted."""

    def __init__(self, family, size):
        height, width, block = SIZES[size]
        torch.manual_seed(0)
        self.module = Family(FAMILIES[family](height, width)).eval()
        self.frames = torch.randn(4, 3, 3, height, width)  # (frames, streams, C, H, W)
        self.network, self.reference = convert_with_reference(self.module, self.frames[0, :1], block)

    def start(self, **tuning):
        """Forget what an earlier test showed."""
        self.network.forget()
        self.network.use(Tuning(**tuning))
        self.reference.streams.clear()

    def step(self, frames, actions, *, dense_above):
        self.network.options = EngineOptions(dense_above=dense_above)
        self.network.use(self.network.tuning)
        return self.network.step(frames, actions)


@pytest.fixture(scope="module", params=CASES, ids="-".join)
def case(request):
    return Case(*request.param)


def assert_all_near(actual, expected):
    """Equal to float rounding, and a list of those that are not."""
    assert list(actual) == list(expected)
    wrong = {}
    for name, value in expected.items():
        try:
            assert_near(actual[name], value)
        except AssertionError as error:
            wrong[name] = str(error).partition("\n")[0]
    assert wrong == {}


@torch.no_grad()
@pytest.mark.parametrize("streams", [1, 3])
def test_all_blocks_give_what_the_module_gives(case, streams):
    case.start()
    actions = torch.full((streams, *case.network.grid.shape), FULL, dtype=torch.int8)
    for frames, dense_above in zip(case.frames[:, :streams], (2.0, 1.0, 2.0, 1.0), strict=True):
        assert_all_near(case.step(frames, actions, dense_above=dense_above), case.module(frames))


@torch.no_grad()
def test_some_blocks_give_what_the_slow_reference_gives(case):
    case.start()
    check_some_blocks(case, case.frames[:, :2])


def check_some_blocks(case, frames):
    random = torch.Generator().manual_seed(1)
    names = list(case.module(frames[0]))
    for frame in frames:
        actions = random_actions(random, len(frame), case.network.grid.shape)
        expected = case.reference.step(frame, actions > 0)
        assert_all_near(case.step(frame, actions, dense_above=2.0), dict(zip(names, expected, strict=True)))


def convolution_steps(network):
    return [step for step in network.steps if isinstance(step, ConvolutionStep)]


BY_CONVOLUTION = [
    (family, "ragged") for family in ("convolutions", "dilated convolutions", "paddings", "pads", "endings")
]


@torch.no_grad()
@pytest.mark.parametrize("case", BY_CONVOLUTION, indirect=True, ids="-".join)
def test_convolutions_give_the_same_as_matrix_products(case):
    matrix = tuple(step.name for step in convolution_steps(case.network) if step.can_be_matrix)
    assert len(matrix) >= 8
    case.start(matrix=matrix)
    check_some_blocks(case, case.frames[:, :2])


@torch.no_grad()
@pytest.mark.parametrize("case", BY_CONVOLUTION, indirect=True, ids="-".join)
def test_convolutions_give_the_same_on_whole_maps(case):
    steps = [step for step in convolution_steps(case.network) if not step.window.inside]
    case.start(map_from={step.name: 5 for step in steps})
    check_some_blocks(case, case.frames[:, :2])


@pytest.mark.parametrize("case", ON_BLOCKS, indirect=True, ids="-".join)
def test_runs_on_blocks(case):
    dense = {step.where for step in case.network.plan.steps if step.execution == "dense"}
    assert {case.module.names[int(where.split(".")[1])] for where in dense if "." in where} == set()
    assert dense == set()


@pytest.mark.parametrize("case", [("whole maps", "ragged")], indirect=True, ids="-".join)
def test_blocks_go_on_after_what_looks_at_the_whole_map(case):
    steps = {step.name: step for step in case.network.plan.steps}
    results = [steps[ref.name] for ref in case.network.captured.outputs[: len(case.module.names)]]
    goes_on = (Sum, Product, Concatenation, nn.LocalResponseNorm)
    assert [s.execution != "dense" for s in results] == [isinstance(m, goes_on) for m in case.module.tried]
    dense = {s.where.split(".")[1] for s in steps.values() if s.execution == "dense" and "." in s.where}
    assert dense == {str(number) for number in range(len(case.module.names))}
