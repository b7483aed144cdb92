"""Max, average and adaptive pooling."""

from __future__ import annotations

import math
from functools import partial

import torch
import torch.nn.functional as F

from saccade.blocks.capture import Operation
from saccade.blocks.resampling import CellMatrices, adaptive_average_taps
from saccade.blocks.rules.builder import LEAST_CELL, Builder
from saccade.blocks.rules.resizing import precision_of
from saccade.blocks.rules.window import pair, window_of
from saccade.blocks.steps import IMAGE, PoolStep, ResampleStep, Spatial, Step


def max_pool(builder: Builder, operation: Operation) -> Step | None:
    """Max pooling; outside the map is minus infinity."""
    a = (*operation.args, *(None,) * 6)
    kernel = pair(a[1])
    stride, padding, dilation = pair(a[2] or kernel), pair(a[3] or 0), pair(a[4] or 1)
    if not builder.image(a[0], operation):
        return None
    level = builder.level(*operation.shape[2:])
    reach = tuple((k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True))
    window = window_of(builder, a[0].name, level, (reach[0], reach[1]), stride, padding, fill=-math.inf)
    pool = partial(F.max_pool2d, kernel_size=kernel, stride=stride, dilation=dilation)
    return PoolStep(operation, Spatial(level, IMAGE), a[0].name, window, pool)


def average_pool(builder: Builder, operation: Operation) -> Step | None:
    """Average pooling, with a correction where windows at the borders count fewer pixels."""
    a = (*operation.args, *(None,) * 7)
    kernel = pair(a[1])
    stride, padding = pair(a[2] or kernel), pair(a[3] or 0)
    if not builder.image(a[0], operation):
        return None
    level = builder.level(*operation.shape[2:])
    divisor = a[6] or kernel[0] * kernel[1]
    window = window_of(builder, a[0].name, level, kernel, stride, padding)
    pool = partial(F.avg_pool2d, kernel_size=kernel, stride=stride, divisor_override=divisor)
    # What the original makes of ones, where outside is zero, is how many pixels it counts.
    ones = torch.ones(1, 1, *builder.source_level(a[0].name).size, dtype=torch.float64)
    device = builder.captured.operations[a[0].name].value.device
    ceil = bool(a[4])
    inside = F.avg_pool2d(
        F.pad(ones, (padding[1],) * 2 + (padding[0],) * 2),
        kernel,
        stride,
        ceil_mode=ceil,
        divisor_override=divisor,
    )[:, :, : level.size[0], : level.size[1]]
    wanted = F.avg_pool2d(ones, kernel, stride, padding, ceil, a[5] is None or bool(a[5]), a[6])
    correction = (wanted / inside).to(device)
    exact = bool((correction == 1).all())
    return PoolStep(operation, Spatial(level, IMAGE), a[0].name, window, pool, None if exact else correction)


def adaptive_pool(builder: Builder, operation: Operation) -> Step | None:
    """Adaptive average pooling to a map that still has cells; to a coarse one it is global."""
    x = operation.args[0]
    if not builder.image(x, operation) or not builder.pictures(operation.shape[2:], LEAST_CELL):
        return None
    level, source = builder.level(*operation.shape[2:]), builder.source_level(x.name)
    rows, columns = (
        CellMatrices(adaptive_average_taps(origin.size, axis.size, precision_of(operation)), axis)
        for axis, origin in ((level.rows, source.rows), (level.columns, source.columns))
    )
    return ResampleStep(operation, Spatial(level, IMAGE), x.name, rows, columns)
