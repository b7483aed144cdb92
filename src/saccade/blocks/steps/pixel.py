"""Operations on each pixel alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from saccade.blocks import kernels
from saccade.blocks.canvas import from_pixels
from saccade.blocks.capture import Operation, Ref, affine
from saccade.blocks.steps.run import Run, Spatial
from saccade.blocks.steps.step import Step

aten = torch.ops.aten


def affine_(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """``x * scale + shift`` in the memory of ``x``."""
    return torch.addcmul(shift, x, scale, out=x)


IN_PLACE: dict[Any, Callable[..., Any]] = {
    affine: affine_,
    aten.add.Tensor: aten.add_.Tensor,
    aten.mul.Tensor: aten.mul_.Tensor,
    aten.relu.default: aten.relu_.default,
    aten.sigmoid.default: aten.sigmoid_.default,
    aten.silu.default: aten.silu_.default,
    aten.gelu.default: aten.gelu_.default,
    aten.hardswish.default: aten.hardswish_.default,
    aten.hardsigmoid.default: aten.hardsigmoid_.default,
    aten.hardtanh.default: aten.hardtanh_.default,
    aten.clamp.default: aten.clamp_.default,
    aten.leaky_relu.default: aten.leaky_relu_.default,
}
"""The same operations in the memory of their first argument."""


@dataclass(frozen=True)
class MapConstant:
    """A fixed tensor with a value per pixel of the map, for example a positional encoding.

    Attributes:
        tensor: As the network has it, its batch dimension 1 (or added).
        dims: Its rows and columns.
        pixels: ``(1, h, w, P)``, the same.
    """

    tensor: Tensor
    dims: tuple[int, ...]
    pixels: Tensor


@dataclass(frozen=True)
class WholeMap:
    """A whole value that has a value per pixel of the map, read by block."""

    name: str
    dims: tuple[int, ...]


@dataclass(frozen=True)
class PerStream:
    """A whole value without rows and columns, for example the gates of squeeze-and-excitation."""

    name: str


@dataclass(frozen=True)
class SizeOf:
    """A size in a shape argument that depends on what is processed: ``streams``, ``rows``, ..."""

    what: str


class PixelStep(Step):
    """An operation on each pixel alone: runs on the batch of blocks as it is.

    Args:
        operation: What it computes.
        spatial: Where the result's rows and columns are.
        args: Its arguments, with ``MapConstant``, ``WholeMap``, ``PerStream`` and ``SizeOf`` where these
            depend on the blocks.
    """

    def __init__(
        self,
        operation: Operation,
        spatial: Spatial,
        args: tuple[Any, ...],
        target: Callable[..., Any] | None = None,
    ) -> None:
        super().__init__(operation, spatial)
        self.target = target or operation.target
        self.in_place = IN_PLACE.get(self.target)
        self.args = args
        self.kwargs = operation.kwargs

    def on_blocks(self, run: Run) -> Any:
        assert self.spatial is not None
        cells = run.cells
        level = self.spatial.level
        count, size = len(cells), level.cell

        def at_cells(pixels: Tensor, stream: Tensor, dims: tuple[int, ...], shape: Sequence[int]) -> Tensor:
            blocks = kernels.gather(pixels, stream, *cells.corner(level), size)
            return from_pixels(blocks, dims, [s for d, s in enumerate(shape) if d and d not in dims])

        def look(value: Any) -> Any:
            if isinstance(value, Ref):
                return run.blocks(value.name)
            if isinstance(value, PerStream):
                return run.batch(value.name)[cells.stream]
            if isinstance(value, WholeMap):
                pixels = run.pixels(value.name, value.dims, level.size)
                shape = run.batch(value.name).shape
                return at_cells(pixels, cells.stream, value.dims, shape)
            if isinstance(value, MapConstant):
                stream = torch.zeros_like(cells.stream)
                return at_cells(value.pixels, stream, value.dims, value.tensor.shape)
            return self._literal(value, count, size, look)

        return self._apply(run, [look(a) for a in self.args])

    def on_maps(self, run: Run) -> Any:
        assert self.spatial is not None

        def look(value: Any) -> Any:
            if isinstance(value, Ref):
                return run.values[value.name]
            if isinstance(value, (PerStream, WholeMap)):
                return run.batch(value.name)
            if isinstance(value, MapConstant):  # as many as streams, for cat does not broadcast
                return value.tensor.expand(run.streams, *value.tensor.shape[1:])
            return self._literal(value, run.streams, self._map_size(), look)

        return self._apply(run, [look(a) for a in self.args])

    def _apply(self, run: Run, args: list[Any]) -> Any:
        first = self.args[0]
        if self.in_place and isinstance(first, Ref) and self.may_overwrite(first.name, run):
            return self.in_place(*args, **self.kwargs)
        return self.target(*args, **self.kwargs)

    def _map_size(self) -> tuple[int, int]:
        assert self.spatial is not None
        return self.spatial.level.size

    @staticmethod
    def _literal(value: Any, count: int, size: tuple[int, int], look: Callable[[Any], Any]) -> Any:
        if isinstance(value, SizeOf):
            return {"count": count, "rows": size[0], "columns": size[1], "pixels": size[0] * size[1]}[
                value.what
            ]
        if isinstance(value, (list, tuple)):
            return type(value)(look(v) for v in value)
        return value
