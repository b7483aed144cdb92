"""Convolutions prepared for the device: with what is added, activated, and where the result goes."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from saccade.blocks.convolution import Convolution, activation_of

aten = torch.ops.aten

ACTIVATIONS = {
    "none": (None, ()),
    "relu": (aten.relu.default, ()),
    "relu6": (aten.hardtanh.default, (0.0, 6.0)),
    "silu": (aten.silu.default, ()),
}


def channels_last(*shape, dtype, random):
    values = torch.randn(*shape, generator=random).to(dtype)
    return values.contiguous(memory_format=torch.channels_last)


@torch.no_grad()
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("groups", [1, 4, 16])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_addition_and_activation_are_part_of_it(name, groups, dtype):
    random = torch.Generator().manual_seed(0)
    weight = channels_last(16, 16 // groups, 3, 3, dtype=dtype, random=random) / 4
    x = channels_last(2, 16, 9, 11, dtype=dtype, random=random)
    other = channels_last(2, 16, 9, 11, dtype=dtype, random=random)
    bias = torch.randn(16, generator=random).to(dtype)
    target, scalars = ACTIVATIONS[name]
    convolution = Convolution(weight, bias, (1, 1), (1, 1), groups)
    if target is not None:
        convolution.activation = activation_of(target, (None, *scalars), {})
        assert convolution.activation is not None

    def expected(added):
        y = F.conv2d(x.double(), weight.double(), bias.double(), padding=1, groups=groups) + added
        return y if target is None else target(y, *scalars)

    room = torch.empty_like(other)
    near = {"atol": 20 * torch.finfo(dtype).eps, "rtol": 20 * torch.finfo(dtype).eps}
    alone, summed = expected(0.0), expected(other.double())
    torch.testing.assert_close(convolution(x, (1, 1)).double(), alone, **near)
    torch.testing.assert_close(convolution(x, (1, 1), room=room).double(), alone, **near)
    torch.testing.assert_close(convolution(x, (1, 1), other).double(), summed, **near)
    torch.testing.assert_close(convolution(x, (1, 1), other, room=room).double(), summed, **near)
    torch.testing.assert_close(convolution(x, (1, 1), other, overwrite=True).double(), summed, **near)
