"""From operations to steps: what each operation is, and how it runs on blocks."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch

from saccade.blocks.capture import Captured, Operation, affine, frame_input
from saccade.blocks.fusion import fuse
from saccade.blocks.grid import Grid
from saccade.blocks.options import EngineOptions
from saccade.blocks.rules.builder import Builder
from saccade.blocks.rules.convolution import convolution, transposed_convolution
from saccade.blocks.rules.norm import group_norm, instance_norm, layer_norm
from saccade.blocks.rules.pixel import (
    along_dim,
    channel_last_map,
    concatenate,
    depends,
    expand,
    flip,
    pointwise,
    product,
    reduction,
    repeat,
    same_dims,
)
from saccade.blocks.rules.pooling import adaptive_pool, average_pool, max_pool
from saccade.blocks.rules.resizing import MODES, interpolate
from saccade.blocks.rules.view import permute, reshape, select, shuffle, squeeze, unsqueeze
from saccade.blocks.rules.window import padding_step, slice_of
from saccade.blocks.steps import IMAGE, InputStep, PixelStep, Spatial, Step, WholeStep

aten = torch.ops.aten


def build(
    captured: Captured,
    grid: Grid,
    options: EngineOptions,
    like: Mapping[str, Spatial | None] | None = None,
    half: Captured | None = None,
) -> list[Step]:
    """Steps of a network, in order.

    Args:
        captured: The network; its convolutions and paddings are merged in place.
        grid: The blocks of its input.
        options: Behaviour that differs from exactness on purpose.
        like, half: As for ``Builder``.
    """
    builder = Builder(captured, grid, options, like, half)
    steps = [step_for(o, builder) for o in list(captured.operations.values())]
    return fuse(drop_unread(steps, captured.output_names()), captured.output_names())


def step_for(operation: Operation, builder: Builder) -> Step:
    """The step for one operation; those before it have been seen."""
    rule = RULES.get(operation.target) or RULES.get(getattr(operation.target, "overloadpacket", None))
    made: Step | None = None
    if builder.must_be_whole(operation):
        made = whole(builder, operation)
    elif rule is not None:
        made = rule(builder, operation)
    elif torch.Tag.pointwise in getattr(operation.target, "tags", ()):
        made = pointwise(builder, operation)
    if made is None or (isinstance(made, PixelStep) and any(map(depends, made.kwargs.values()))):
        made = whole(builder, operation)
    if builder.lacks_half(operation, made.spatial):
        made = whole(builder, operation)
    builder.spatial[operation.name] = made.spatial
    return made


def drop_unread(steps: list[Step], outputs: set[str]) -> list[Step]:
    """Steps whose results somebody reads."""
    wanted = set(outputs)
    kept = []
    for step in reversed(steps):
        if step.name in wanted or isinstance(step, InputStep):
            wanted.update(step.reads)
            kept.append(step)
    return kept[::-1]


def frame(builder: Builder, operation: Operation) -> Step:
    """The input frames."""
    return InputStep(operation, Spatial(builder.level(*operation.shape[2:]), IMAGE))


def whole(builder: Builder, operation: Operation) -> WholeStep:
    """Dense execution of an operation that the engine cannot run on blocks."""
    inputs = [n for n in operation.inputs() if builder.spatial[n] is not None]
    packet = getattr(operation.target, "overloadpacket", None)
    known = packet in GLOBAL or packet in RULES or not inputs
    return WholeStep(operation, inputs, "global" if known else "unknown")


GLOBAL = {
    aten.adaptive_avg_pool2d,
    aten._adaptive_avg_pool2d,
    aten.adaptive_max_pool2d,
    aten.mean,
    aten.amax,
    aten.sum,
    aten.scaled_dot_product_attention,
}
"""Operators that look at the whole map by their nature."""


RULES: dict[Any, Callable[[Builder, Operation], Step | None]] = {
    frame_input: frame,
    affine: pointwise,
    aten.hardswish: pointwise,
    aten.log_sigmoid: pointwise,
    aten._prelu_kernel: pointwise,
    aten.zeros_like: pointwise,
    aten.ones_like: pointwise,
    aten.full_like: pointwise,
    operator.getitem: same_dims,
    aten.cat: concatenate,
    aten.clone: same_dims,
    aten.contiguous: same_dims,
    aten.alias: same_dims,
    aten.detach: same_dims,
    aten.dropout: same_dims,
    aten.lift_fresh_copy: same_dims,
    aten._to_copy: same_dims,
    aten.softmax: along_dim,
    aten._softmax: along_dim,
    aten.log_softmax: along_dim,
    aten._log_softmax: along_dim,
    aten.slice: slice_of,
    aten.index_select: along_dim,
    aten.repeat_interleave: partial(along_dim, argument=2),
    aten.glu: partial(along_dim, default=-1),
    aten.cumsum: along_dim,
    aten.flip: flip,
    aten.expand: expand,
    aten.repeat: repeat,
    aten.unbind: select,
    aten.split: partial(along_dim, argument=2, default=0),
    aten.split_with_sizes: partial(along_dim, argument=2, default=0),
    aten.chunk: partial(along_dim, argument=2, default=0),
    aten.mean: reduction,
    aten.sum: reduction,
    aten.amax: reduction,
    aten.amin: reduction,
    aten.argmax: reduction,
    aten.argmin: reduction,
    aten.var: reduction,
    aten.std: reduction,
    aten.prod: reduction,
    aten.logsumexp: reduction,
    aten.linalg_vector_norm: partial(reduction, argument=2),
    aten.linear: channel_last_map,
    aten.rms_norm: channel_last_map,
    aten.matmul: product,
    aten.layer_norm: layer_norm,
    aten.permute: permute,
    aten.transpose: permute,
    aten.view: reshape,
    aten._unsafe_view: reshape,
    aten.reshape: reshape,
    aten.flatten: reshape,
    aten.select: select,
    aten.unsqueeze: unsqueeze,
    aten.squeeze: squeeze,
    aten.pixel_shuffle: shuffle,
    aten.pixel_unshuffle: shuffle,
    aten.channel_shuffle: same_dims,
    aten.conv2d: convolution,
    aten.convolution: convolution,
    aten.conv_transpose2d: transposed_convolution,
    aten.max_pool2d: max_pool,
    aten.avg_pool2d: average_pool,
    aten.adaptive_avg_pool2d: adaptive_pool,
    aten._adaptive_avg_pool2d: adaptive_pool,
    aten.constant_pad_nd: padding_step,
    aten.pad: padding_step,
    aten.reflection_pad2d: padding_step,
    aten.replication_pad2d: padding_step,
    aten.group_norm: group_norm,
    aten.instance_norm: instance_norm,
    **dict.fromkeys(MODES, interpolate),
}
"""What each operator is. Operators that torch marks as pointwise need no entry; the others run densely."""
