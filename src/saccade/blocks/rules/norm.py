"""Norms over space; over channels alone they are pixelwise."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from saccade.blocks.capture import Operation, Ref
from saccade.blocks.rules.builder import Builder, own_space
from saccade.blocks.rules.pixel import channel_last_map
from saccade.blocks.steps import IMAGE, NormStep, Step


def group_norm(builder: Builder, operation: Operation) -> Step | None:
    """Group norm with statistics of the whole map."""
    x, groups, *rest = (*operation.args, *(None,) * 4)[:5]
    weight, bias, eps = rest
    return norm(builder, operation, x, groups, weight, bias, 1e-5 if eps is None else eps)


def instance_norm(builder: Builder, operation: Operation) -> Step | None:
    """Instance norm with statistics of the whole map: group norm with a channel per group."""
    x, weight, bias, _, _, use_input, _, eps = operation.args[:8]
    if not use_input:
        return None
    return norm(builder, operation, x, operation.shape[1], weight, bias, eps)


def layer_norm(builder: Builder, operation: Operation) -> Step | None:
    """Layer norm over channels is pixelwise; over channels and space it is group norm with one group."""
    spatial = own_space(builder, operation)
    if (
        spatial is not None
        and len(operation.args[1]) == 3
        and spatial.dims == IMAGE
        and len(operation.shape) == 4
    ):
        affine_free = all(a is None for a in operation.args[2:4])
        if affine_free:
            eps = operation.args[4] if len(operation.args) > 4 else 1e-5
            return norm(builder, operation, operation.args[0], 1, None, None, eps)
    return channel_last_map(builder, operation)


def norm(
    builder: Builder, operation: Operation, x: Any, groups: int, weight: Any, bias: Any, eps: float
) -> Step | None:
    """Normalisation by statistics over space, scale and shift per channel."""
    spatial = builder.spatial[x.name] if isinstance(x, Ref) else None
    if spatial is None or spatial.dims != IMAGE or isinstance(weight, Ref) or isinstance(bias, Ref):
        return None
    weight, bias = (v.view(1, -1, 1, 1) if isinstance(v, Tensor) else None for v in (weight, bias))
    statistics = builder.options.statistics
    return NormStep(operation, spatial, x.name, groups, weight, bias, eps, statistics)
