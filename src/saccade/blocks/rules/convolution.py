"""Convolutions, plain and transposed."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from saccade.blocks.capture import Operation, Ref
from saccade.blocks.convolution import Convolution
from saccade.blocks.grid import Starts
from saccade.blocks.kernels import Border
from saccade.blocks.rules.builder import Builder
from saccade.blocks.rules.window import pair, window_of
from saccade.blocks.steps import IMAGE, ConvolutionStep, Spatial, Step, TransposedConvolutionStep, Window

aten = torch.ops.aten


def convolution(builder: Builder, operation: Operation) -> Step | None:
    """Convolution with fixed weights, and the padding before it."""
    arguments = convolution_arguments(operation)
    if arguments is None:
        return None
    x, weight, bias, stride, padding, dilation, groups = arguments
    if not builder.image(x, operation):
        return None
    source, border, fill = x.name, Border.CONSTANT, 0.0
    merged = builder.paddings.get(source)
    if merged is not None and padding == (0, 0, 0, 0):
        source, padding = merged.source, merged.padding
        border, fill = merged.window.border, merged.window.fill
    level = builder.level(*operation.shape[2:])
    reach = tuple((k - 1) * d + 1 for k, d in zip(weight.shape[2:], dilation, strict=True))
    window = window_of(
        builder, source, level, (reach[0], reach[1]), stride, (padding[0], padding[2]), border, fill
    )
    made = Convolution(weight, bias, stride, dilation, groups)
    step = ConvolutionStep(operation, Spatial(level, IMAGE), source, window, made, padding)
    operation.args = (Ref(source), *operation.args[1:])
    return step


def convolution_arguments(operation: Operation) -> tuple[Any, ...] | None:
    """``(x, weight, bias, stride, (top, bottom, left, right), dilation, groups)``, or None."""
    a = (*operation.args, *(None,) * 9)
    if operation.target is aten.convolution.default:
        x, weight, bias, stride, padding, dilation, transposed, _, groups = a[:9]
        if transposed:
            return None
    else:
        x, weight, bias, stride, padding, dilation, groups = a[:7]
    if not isinstance(weight, Tensor) or weight.ndim != 4 or isinstance(bias, Ref):
        return None
    stride, dilation = pair(stride or 1), pair(dilation or 1)
    if padding == "same":
        total = [(k - 1) * d for k, d in zip(weight.shape[2:], dilation, strict=True)]
        sides = (total[0] // 2, total[0] - total[0] // 2, total[1] // 2, total[1] - total[1] // 2)
    else:
        down, across = pair(0 if padding in (None, "valid") else padding)
        sides = (down, down, across, across)
    return x, weight, bias, stride, sides, dilation, groups or 1


def transposed_convolution(builder: Builder, operation: Operation) -> Step | None:
    """Transposed convolution whose stride divides the cells."""
    a = (*operation.args, *(None,) * 8)
    x, weight, bias = a[:3]
    if not isinstance(weight, Tensor) or weight.ndim != 4 or isinstance(bias, Ref):
        return None
    if not builder.image(x, operation):
        return None
    stride, padding, dilation = pair(a[3] or 1), pair(a[4] or 0), pair(a[7] or 1)
    level = builder.level(*operation.shape[2:])
    starts, size, crop, missing = [], [], [], []
    for axis, k, s, p, d in zip(
        (level.rows, level.columns), weight.shape[2:], stride, padding, dilation, strict=True
    ):
        if axis.cell % s:
            return None
        reach = (k - 1) * d
        # The first input pixel that output pixel 0 sees; where it sees none, the last one before it.
        first = min(math.ceil((p - reach) / s), p // s)
        last = (axis.cell - 1 + p) // s
        starts.append(Starts.of([i * axis.cell // s + first for i in range(axis.count)]))
        size.append(last - first + 1)
        crop.append(p - first * s)
        reached = (last - first) * s + reach + 1
        missing.append(max(0, crop[-1] + axis.cell - reached))  # pixels at the end that see no input pixel
    window = Window(starts[0], starts[1], (size[0], size[1]))
    spatial = Spatial(level, IMAGE)
    return TransposedConvolutionStep(
        operation, spatial, x.name, window, (crop[0], crop[1]), (missing[0], missing[1])
    )
