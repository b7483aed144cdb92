"""Blocks of two resolutions in training: any network, with gradients to its weights.

The block engine executes blocks alone, with weights that stay as they are. Training needs gradients to them,
and batch norm by the statistics of the batch, so it is done on whole maps here: each value is there twice, at
full resolution and at half, and each operation is done to both. Before an operation that looks beyond a
pixel, pixels of blocks that belong to the other resolution are filled in, as between blocks in the engine:
from full resolution as the mean of 2x2 pixels, from half resolution as the nearest pixel. So the result is
that of the engine, also where blocks are cut off at the border.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from saccade.blocks.grid import Grid, Selection
from saccade.blocks.half import half_grid
from saccade.errors import NetworkError

Statistics = Literal["frozen", "own", "joint"]


@dataclass(frozen=True, eq=False)
class Chosen:
    """Which blocks of a batch are at full resolution.

    Attributes:
        full: ``(N, GH, GW)`` bool.
        block_size: Side of a block in pixels of the frames.
        size: Height and width of the frames.
        statistics: What batch norm in training normalises by: ``frozen``, the running mean and variance,
            which stay as they are; ``own``, as the original, each resolution by the mean and variance of its
            own pixels; ``joint``, both by those of all pixels.
    """

    full: Tensor
    block_size: int
    size: tuple[int, int]
    statistics: Statistics = "own"
    _masks: dict[object, tuple[Tensor, Tensor]] = field(default_factory=dict, repr=False)

    def masks(self, size: Sequence[int], half: Sequence[int]) -> tuple[Tensor, Tensor]:
        """``(N, 1, h, w)`` bool: the pixels of a map, and of the same map at half resolution, of full blocks.

        Args:
            size: Height and width of the map.
            half: The same at half resolution.

        Raises:
            NetworkError: A block has no half in such a map.
        """
        key = tuple(size), tuple(half)
        if key not in self._masks:
            grid = Grid(*self.size, self.block_size)
            levels = grid.level(*key[0]), half_grid(grid).level(*key[1])
            if any(one != 2 * other for one, other in zip(*(level.cell for level in levels), strict=True)):
                height, width = levels[0].cell
                raise NetworkError(
                    f"a block of {self.block_size} pixels has {height}x{width} pixels in a map of "
                    f"{key[0][0]}x{key[0][1]}, and no half; train with larger blocks"
                )
            active = self.full.cpu().numpy()
            selection = Selection(grid, active, self.full.device)
            one, other = (selection.covered(level)[:, None] for level in levels)
            self._masks[key] = one, other
        return self._masks[key]


class Mixed:
    """A value at full and at half resolution; functions of torch do what they do to both.

    Each pixel counts at the resolution of its block; what is there at the other is filled in by ``settled``.

    Args:
        full: ``(N, C, h, w)``.
        half: ``(N, C, h / 2, w / 2)``.
        chosen: Which blocks are at full resolution.
        settled: Pixels that do not count are filled in.
        whole: There is one value for both, pooled from the whole map; ``half`` is ``full``.
    """

    def __init__(
        self, full: Tensor, half: Tensor, chosen: Chosen, *, settled: bool = False, whole: bool = False
    ) -> None:
        if not whole and half.shape[2:] != (-(-full.shape[2] // 2), -(-full.shape[3] // 2)):
            raise NetworkError(
                f"a map of {full.shape[2]}x{full.shape[3]} pixels is {half.shape[2]}x{half.shape[3]} for "
                "frames of half the size, so that blocks cannot be at half resolution in it; train with "
                "larger blocks, or with crops whose sides are multiples of 64"
            )
        self.full = full
        self.half = half
        self.chosen = chosen
        self.whole = whole
        self._settled = settled or whole

    @classmethod
    def of(cls, frames: Tensor, chosen: Chosen) -> Mixed:
        """Frames ``(N, 3, H, W)``; blocks at half resolution see the means of 2x2 pixels."""
        return cls(frames, F.avg_pool2d(frames, 2, ceil_mode=True), chosen)

    def settled(self) -> Mixed:
        """With the pixels that belong to the other resolution filled in."""
        if self._settled:
            return self
        on, on_half = self.masks()
        height, width = self.full.shape[2:]
        full = torch.where(on, self.full, doubled(self.half)[:, :, :height, :width])
        half = torch.where(on_half, halved(self.full), self.half)
        return Mixed(full, half, self.chosen, settled=True)

    def masks(self) -> tuple[Tensor, Tensor]:
        """``(N, 1, h, w)`` bool: its pixels of full blocks, at full resolution and at half."""
        return self.chosen.masks(self.full.shape[2:], self.half.shape[2:])

    def combined(self) -> Tensor:
        """As the network gives it back: half resolution is enlarged bilinearly."""
        if self.whole:
            return self.full
        value = self.settled()
        height, width = value.full.shape[2:]
        enlarged = F.interpolate(value.half, scale_factor=2.0, mode="bilinear", align_corners=False)
        return torch.where(self.masks()[0], value.full, enlarged[:, :, :height, :width])

    # What modules ask their inputs, and do to them without a function of torch

    @property
    def shape(self) -> torch.Size:
        return self.full.shape

    @property
    def ndim(self) -> int:
        return self.full.ndim

    @property
    def dtype(self) -> torch.dtype:
        return self.full.dtype

    @property
    def device(self) -> torch.device:
        return self.full.device

    def __len__(self) -> int:
        return len(self.full)

    def dim(self) -> int:
        return self.full.ndim

    def size(self, dim: int | None = None) -> Any:
        return self.full.shape if dim is None else self.full.shape[dim]

    def __add__(self, other: Any) -> Mixed:
        return both(torch.add, (self, other), {})

    __radd__ = __iadd__ = __add__

    def __sub__(self, other: Any) -> Mixed:
        return both(torch.sub, (self, other), {})

    def __mul__(self, other: Any) -> Mixed:
        return both(torch.mul, (self, other), {})

    __rmul__ = __imul__ = __mul__

    def __truediv__(self, other: Any) -> Mixed:
        return both(torch.div, (self, other), {})

    def mean(self, *args: Any, **kwargs: Any) -> Mixed:
        return whole(torch.mean, (self, *args), kwargs)

    @classmethod
    def __torch_function__(
        cls,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = dict(kwargs or {})
        if func is F.batch_norm:
            return batch_norm(*args, **kwargs)
        if func in POINTWISE:
            kwargs.pop("inplace", None)  # the same map may be filled in for another reader
            return both(func, args, kwargs)
        if func is torch.conv2d and tuple(args[1].shape[2:]) == (1, 1):  # looks at no other pixel
            return both(func, args, kwargs, average=False)
        if func in WINDOWS:
            return both(func, settled(args), kwargs, average=False)
        if func is F.interpolate:
            return interpolate(*settled(args), **kwargs)
        if func in GLOBAL:
            return whole(func, args, kwargs)
        name = getattr(func, "__name__", str(func))
        raise NetworkError(
            f"a network that uses {name} cannot be trained with blocks of two resolutions; known are "
            "convolutions, poolings, batch norm, bilinear resizing, global pooling and pointwise functions"
        )


POINTWISE = {
    *(F.relu, F.relu6, F.hardtanh, F.leaky_relu, F.silu, F.hardswish, F.hardsigmoid, F.gelu, F.dropout),
    *(torch.relu, torch.relu_, torch.sigmoid, torch.tanh, torch.clamp, torch.cat),
    *(torch.add, torch.sub, torch.mul, torch.div),
    *(torch.Tensor.add, torch.Tensor.sub, torch.Tensor.mul, torch.Tensor.div),
}
"""Functions of single pixels."""

WINDOWS = {torch.conv2d, F.max_pool2d, F.avg_pool2d, torch.conv_transpose2d, F.pad}
"""Functions of pixels and those around them, of as many pixels at both resolutions."""

GLOBAL = {F.adaptive_avg_pool2d, F.adaptive_max_pool2d, torch.mean}
"""Functions of the whole map."""


def run(network: nn.Module, frames: Tensor, chosen: Chosen) -> Any:
    """What a network gives back for frames of which some blocks are at half resolution.

    Args:
        network: In training or in evaluation mode.
        frames: ``(N, 3, H, W)`` normalised frames; blocks may be cut off at the right and the bottom.
        chosen: Which blocks are at full resolution.

    Raises:
        NetworkError: It does something that is not known for two resolutions.
    """

    def combined(output: Any) -> Any:
        if isinstance(output, (list, tuple)):
            return type(output)(combined(value) for value in output)
        if isinstance(output, dict):
            return {key: combined(value) for key, value in output.items()}
        return output.combined() if isinstance(output, Mixed) else output

    return combined(network(Mixed.of(frames, chosen)))


def both(
    func: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any], *, average: bool = True
) -> Mixed:
    """A function at both resolutions.

    Args:
        func: Of torch.
        args, kwargs: What it is called with; some of ``args`` are, or hold, values at two resolutions.
        average: Maps of one resolution, that of the frame, are averaged for the other.
    """
    found = next((value for value in mixed_in(args) if not value.whole), next(mixed_in(args)))
    size = found.full.shape[2:]

    def half(value: Any) -> Any:
        if isinstance(value, Mixed):
            return value.half
        if isinstance(value, (list, tuple)):
            return type(value)(half(v) for v in value)
        shows_all = isinstance(value, Tensor) and value.ndim == 4 and value.shape[2:] == size
        return halved(value) if average and shows_all else value

    def full(value: Any) -> Any:
        if isinstance(value, (list, tuple)):
            return type(value)(full(v) for v in value)
        return value.full if isinstance(value, Mixed) else value

    result = func(*full(args), **kwargs)
    if all(value.whole for value in mixed_in(args)):
        return Mixed(result, result, found.chosen, whole=True)
    return Mixed(result, func(*half(args), **kwargs), found.chosen)


def whole(func: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Mixed:
    """A function of the whole map, of the values at full resolution."""
    found = next(mixed_in(args))
    result = func(*(a.settled().full if isinstance(a, Mixed) else a for a in args), **kwargs)
    return Mixed(result, result, found.chosen, whole=True)


def mixed_in(values: Iterable[Any]) -> Iterator[Mixed]:
    """Values at two resolutions among arguments."""
    for value in values:
        if isinstance(value, Mixed):
            yield value
        elif isinstance(value, (list, tuple)):
            yield from mixed_in(value)


def settled(args: tuple[Any, ...]) -> tuple[Any, ...]:
    """Arguments with what belongs to the other resolution filled in."""
    return tuple(a.settled() if isinstance(a, Mixed) else a for a in args)


def doubled(x: Tensor) -> Tensor:
    """Each pixel four times, ``(N, C, h, w)`` to ``(N, C, 2h, 2w)``."""
    return F.interpolate(x, scale_factor=2.0, mode="nearest")


def halved(x: Tensor) -> Tensor:
    """Means of 2x2 pixels, ``(N, C, h, w)`` to half of it, rounded up; an odd edge is repeated."""
    odd = x.shape[2] % 2, x.shape[3] % 2
    return F.avg_pool2d(F.pad(x, (0, odd[1], 0, odd[0]), mode="replicate") if any(odd) else x, 2)


def interpolate(x: Mixed, size: Any = None, scale_factor: Any = None, **kwargs: Any) -> Mixed:
    """Resizing; a size is that at full resolution."""
    small: Any = -(-size // 2) if isinstance(size, int) else size and [-(-side // 2) for side in size]
    full = F.interpolate(x.full, size, scale_factor, **kwargs)
    if x.whole and size is None:
        return Mixed(full, full, x.chosen, whole=True)
    return Mixed(full, F.interpolate(x.half, small, scale_factor, **kwargs), x.chosen)


def batch_norm(
    x: Mixed,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Mixed:
    """Batch norm; in training by the statistics of the pixels that count at each resolution.

    The running mean and variance take the means of those of both resolutions, weighted by their numbers of
    pixels. With ``joint`` statistics the variance of all pixels counts, between the resolutions, too.
    """
    if training and x.chosen.statistics == "frozen" and running_mean is not None:
        training = False
    if not training or x.whole:
        return both(F.batch_norm, (x, running_mean, running_var, weight, bias, training, momentum, eps), {})
    wide = torch.promote_types(x.dtype, torch.float32)
    maps = [map_.to(wide) for map_ in (x.full, x.half)]
    on, on_half = x.masks()
    masks = [on, ~on_half]
    counts = [mask.sum().to(wide) for mask in masks]
    total = counts[0] + counts[1]

    def averages(values: list[Tensor]) -> list[Tensor]:
        """Per channel ``(C,)``, over the pixels that count at each resolution, or over those at both."""
        sums = [(value * mask).sum((0, 2, 3)) for value, mask in zip(values, masks, strict=True)]
        if x.chosen.statistics == "joint":
            return [(sums[0] + sums[1]) / total] * 2
        return [value / count.clamp_min(1) for value, count in zip(sums, counts, strict=True)]

    means = averages(maps)
    away = [map_ - channels(mean) for map_, mean in zip(maps, means, strict=True)]
    variances = averages([value.square() for value in away])
    if running_mean is not None and running_var is not None:
        with torch.no_grad():
            mean, variance = (
                (counts[0] * pair[0] + counts[1] * pair[1]) / total for pair in (means, variances)
            )
            running_mean.lerp_(mean.to(running_mean.dtype), momentum)
            unbiased = variance * total / (total - 1).clamp_min(1)
            running_var.lerp_(unbiased.to(running_var.dtype), momentum)
    result = [value * channels(torch.rsqrt(v + eps)) for value, v in zip(away, variances, strict=True)]
    if weight is not None:
        result = [value * channels(weight) for value in result]
    if bias is not None:
        result = [value + channels(bias) for value in result]
    return Mixed(result[0].to(x.dtype), result[1].to(x.dtype), x.chosen)


def channels(values: Tensor) -> Tensor:
    """``(C,)`` as ``(1, C, 1, 1)``."""
    return values.view(1, -1, 1, 1)
