"""Norms with statistics of the whole map."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from saccade.blocks.canvas import to_pixels
from saccade.blocks.capture import Operation
from saccade.blocks.steps.run import Run, Spatial
from saccade.blocks.steps.step import Step


class NormStep(Step):
    """Normalisation by statistics of the whole map: group, instance, or layer norm over space.

    The statistics are those of the canvas (every pixel at its latest value), or of its executed cells alone;
    blocks are normalised with them. With all blocks executed this is the dense result.

    Attributes:
        groups: Groups of channels with statistics of their own.
        weight, bias: ``(1, C, 1, 1)``, or None.
        statistics: Of the ``map``, or of the ``executed`` cells of each stream.
    """

    kind = "global"

    def __init__(
        self,
        operation: Operation,
        spatial: Spatial,
        source: str,
        groups: int,
        weight: Tensor | None,
        bias: Tensor | None,
        eps: float,
        statistics: str = "map",
    ) -> None:
        super().__init__(operation, spatial)
        self.source = source
        self.groups = groups
        self.weight = weight
        self.bias = bias
        self.eps = eps
        self.statistics = statistics

    @property
    def from_canvas(self) -> list[str]:
        return [self.source]

    def on_blocks(self, run: Run) -> Any:
        assert self.spatial is not None
        dims, maps = self.spatial.dims, run.of_maps
        mean, scale = maps.once(self.name, lambda: self._statistics(maps.pixels(self.source, dims), maps))
        stream = run.cells.stream
        return self._normalise(run.blocks(self.source), mean[stream], scale[stream])

    def on_maps(self, run: Run) -> Any:
        assert self.spatial is not None
        value = run.values[self.source]
        mean, scale = self._statistics(to_pixels(value, self.spatial.dims), run)
        return self._normalise(value, mean, scale)

    def _statistics(self, pixels: Tensor, run: Run) -> tuple[Tensor, Tensor]:
        """Mean and reciprocal deviation ``(N, C, 1, 1)`` of every group, given per channel."""
        wide = torch.promote_types(pixels.dtype, torch.float32)
        mean = torch.zeros(len(pixels), pixels.shape[3], dtype=wide, device=pixels.device)
        scale = torch.ones_like(mean)
        covered = None
        if self.statistics == "executed" and run.selection is not None:
            spatial = run.spatial[self.name]
            assert spatial is not None
            covered = run.covered(spatial.level)
        for stream in run.active:
            one = pixels[stream]
            per_channel = one.flatten(0, 1) if covered is None else one[covered[stream]]
            variance, average = torch.var_mean(per_channel.to(wide), dim=0, correction=0)
            average, variance = (v.view(self.groups, -1) for v in (average, variance))
            group_mean = average.mean(1, keepdim=True)
            group_variance = (variance + (average - group_mean).square()).mean(1, keepdim=True)
            mean[stream] = group_mean.expand_as(average).reshape(-1)
            scale[stream] = torch.rsqrt(group_variance + self.eps).expand_as(average).reshape(-1)
        return mean[:, :, None, None], scale[:, :, None, None]

    def _normalise(self, x: Tensor, mean: Tensor, scale: Tensor) -> Tensor:
        if self.weight is not None:
            scale = scale * self.weight
        shift = -mean * scale
        if self.bias is not None:
            shift = shift + self.bias
        return torch.addcmul(shift, x.to(scale.dtype), scale).to(x.dtype)
