"""Resizing of maps."""

from __future__ import annotations

import numpy as np
import torch

from saccade.blocks.capture import Operation
from saccade.blocks.grid import Starts
from saccade.blocks.kernels import Border
from saccade.blocks.resampling import CellMatrices, interpolation_taps
from saccade.blocks.rules.builder import Builder
from saccade.blocks.steps import IMAGE, EnlargeStep, ResampleStep, Spatial, Step, Window

aten = torch.ops.aten

MODES = {
    aten.upsample_nearest2d: "nearest",
    aten._upsample_nearest_exact2d: "nearest-exact",
    aten.upsample_bilinear2d: "bilinear",
    aten.upsample_bicubic2d: "bicubic",
}


def interpolate(builder: Builder, operation: Operation) -> Step | None:
    """Resizing in any mode but the antialiased ones."""
    packet = operation.target.overloadpacket  # type: ignore[attr-defined]
    mode = MODES[packet]
    x = operation.args[0]
    if not builder.image(x, operation):
        return None
    corners, scales = interpolation_options(operation, mode)
    level, source = builder.level(*operation.shape[2:]), builder.source_level(x.name)
    spatial = Spatial(level, IMAGE)
    factors = [b / a for a, b in zip(source.size, level.size, strict=True)]
    whole = (
        all(f == int(f) for f in factors)
        and not corners
        and all(s is None or s == f for s, f in zip(scales, factors, strict=True))
        and all(b == f * a for a, b, f in zip(source.cell, level.cell, factors, strict=True))
        and source.owners == level.owners
    )
    if whole:
        alone = mode.startswith("nearest") or (mode == "bilinear" and builder.options.bilinear == "per_block")
        halo = 0 if alone else {"bilinear": 1, "bicubic": 2}[mode]
        size = (source.cell[0] + 2 * halo, source.cell[1] + 2 * halo)
        starts = [
            Starts.of([i * axis.cell - halo for i in range(axis.count)])
            for axis in (source.rows, source.columns)
        ]
        # The edge of a block that the frame cuts off is the map's, which only the canvas knows.
        complete = source.regular or mode.startswith("nearest")
        inside = alone and complete and builder.spatial[x.name] is not None
        window = Window(starts[0], starts[1], size, Border.REPLICATE, inside=inside)
        return EnlargeStep(operation, spatial, x.name, window, mode, (int(factors[0]), int(factors[1])), halo)
    rows, columns = (
        CellMatrices(
            interpolation_taps(
                mode,
                origin.size,
                axis.size,
                align_corners=corners,
                scale=scale,
                precision=precision_of(operation),
            ),
            axis,
        )
        for axis, origin, scale in zip(
            (level.rows, level.columns), (source.rows, source.columns), scales, strict=True
        )
    )
    return ResampleStep(operation, spatial, x.name, rows, columns)


def precision_of(operation: Operation) -> type[np.floating]:
    """What positions and weights are computed in, as PyTorch does."""
    return np.float64 if operation.value.dtype is torch.float64 else np.float32


def interpolation_options(operation: Operation, mode: str) -> tuple[bool, tuple[float | None, float | None]]:
    """``align_corners`` and the factors that the caller gave."""
    a = list(operation.args[1:])
    size = a.pop(0)
    corners = bool(a.pop(0)) if mode in ("bilinear", "bicubic") else False
    if operation.target._overloadname == "vec":  # type: ignore[attr-defined]
        scales = a[0] if a else operation.kwargs.get("scale_factors")
    else:
        scales = a[:2]
    if not scales or (size is not None and operation.target._overloadname == "vec"):  # type: ignore[attr-defined]
        return corners, (None, None)
    down, across = (*scales, None, None)[:2]
    return corners, (down, across)
