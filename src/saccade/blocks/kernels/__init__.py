"""Copies between dense maps and blocks: the only memory traffic that the block engine adds to a network.

And, in C alone, 3x3 convolutions that need no copies: ``winograd``.

A map is ``(N, h, w, P)``: N streams, P values per pixel, contiguous (the memory of a channels-last
``(N, P, h, w)`` tensor). Windows and blocks are ``(B, wy, wx, P)``, contiguous, each at a place in the map
that ``stream``, ``top`` and ``left`` give, ``(B,)`` int64 each.

There are two implementations with the same results. Portable is plain PyTorch: any device,
differentiable. Native is C, compiled on its first use; it serves tensors on the CPU where no gradients are
needed. Without a C compiler portable does it all. The environment variable ``SACCADE_KERNELS`` (``native`` or
``portable``) chooses one.
"""

from __future__ import annotations

import os
from functools import cache

import torch
from torch import Tensor

from saccade.blocks.kernels import portable
from saccade.blocks.kernels.border import Border
from saccade.blocks.kernels.build import Unavailable, load_library
from saccade.blocks.kernels.native import NativeKernels
from saccade.blocks.kernels.winograd import Places, WinogradKernels, WinogradWeights
from saccade.errors import ConfigError

__all__ = [
    "Border",
    "Places",
    "WinogradKernels",
    "WinogradWeights",
    "gather",
    "implementation",
    "scatter",
    "scatter_",
    "winograd",
]


def gather(
    source: Tensor,
    stream: Tensor,
    top: Tensor,
    left: Tensor,
    size: tuple[int, int],
    *,
    border: Border = Border.CONSTANT,
    fill: float = 0.0,
) -> Tensor:
    """Copy windows out of a map.

    Differentiable in ``source``.

    Args:
        source: The map, ``(N, h, w, P)``, with at least one pixel per stream.
        stream: Which of the N each window looks at, ``(B,)`` int64.
        top: First row of each window, ``(B,)`` int64; may be negative, or beyond the map.
        left: First column, likewise.
        size: ``(wy, wx)`` pixels of all windows.
        border: What windows see outside the map.
        fill: The value of all pixels there, for ``Border.CONSTANT``; must be a value of the map's dtype.

    Returns:
        ``(B, wy, wx, P)``, contiguous.

    Raises:
        ValueError: Shapes that do not fit.
        IndexError: A stream that the map does not have (on the CPU).
    """
    _check_map(source, stream, top, left)
    if not source.shape[1] * source.shape[2]:
        raise ValueError(f"a map of shape {tuple(source.shape)} has no pixels to copy")
    kernels = _native_for(stream, top, left, source)
    if kernels:
        return kernels.gather(source, stream, top, left, size, border, fill)
    return portable.gather(source, stream, top, left, size, border, fill)


def scatter_(target: Tensor, blocks: Tensor, stream: Tensor, top: Tensor, left: Tensor) -> None:
    """Copy blocks into a map, in place. What lies outside the map is left away.

    Args:
        target: The map, ``(N, h, w, P)`` contiguous.
        blocks: ``(B, by, bx, P)`` of the same dtype. They neither overlap in the map nor share its memory.
        stream: Which of the N each block goes to, ``(B,)`` int64.
        top: First row of each block, ``(B,)`` int64; may be negative, or beyond the map.
        left: First column, likewise.

    Raises:
        ValueError: Shapes or dtypes that do not fit, or a map that is not contiguous.
        IndexError: A stream that the map does not have (on the CPU).
    """
    _check_blocks(target, blocks, stream, top, left)
    if not target.is_contiguous():
        raise ValueError(f"a map of shape {tuple(target.shape)} is not contiguous; pass target.contiguous()")
    kernels = _native_for(stream, top, left, target, blocks)
    if kernels:
        kernels.scatter_(target, blocks, stream, top, left)
    else:
        portable.scatter_(target, blocks, stream, top, left)


def scatter(target: Tensor, blocks: Tensor, stream: Tensor, top: Tensor, left: Tensor) -> Tensor:
    """Copy blocks into a copy of a map; arguments and errors as for :func:`scatter_`.

    Differentiable in ``target`` and ``blocks``; ``target`` need not be contiguous.

    Returns:
        The map with the blocks, ``(N, h, w, P)``, contiguous.
    """
    _check_blocks(target, blocks, stream, top, left)
    kernels = _native_for(stream, top, left, target, blocks)
    if not kernels:
        return portable.scatter(target, blocks, stream, top, left)
    result = target.clone()
    kernels.scatter_(result, blocks, stream, top, left)
    return result


def winograd() -> WinogradKernels | None:
    """3x3 convolutions on the CPU by Winograd's algorithm; None without native kernels.

    Raises:
        ConfigError: As for ``implementation``.
    """
    kernels = _native()
    return kernels.winograd if kernels else None


def implementation() -> str:
    """Which implementation serves tensors on the CPU: ``native`` or ``portable``.

    Raises:
        ConfigError: ``SACCADE_KERNELS`` is unknown, or asks for native kernels that cannot be had.
    """
    return "native" if _native() else "portable"


@cache
def _native() -> NativeKernels | None:
    wish = os.environ.get("SACCADE_KERNELS", "")
    if wish not in ("", "native", "portable"):
        raise ConfigError(f"SACCADE_KERNELS is {wish!r}; set it to native or portable, or unset it")
    if wish == "portable":
        return None
    try:
        return NativeKernels(load_library())
    except Unavailable as reason:
        if wish != "native":
            return None
        raise ConfigError(
            f"SACCADE_KERNELS is native, but the C kernels cannot be built: {reason}; "
            "install a C compiler or name one in CC, or unset SACCADE_KERNELS"
        ) from reason


def _native_for(stream: Tensor, top: Tensor, left: Tensor, *dense: Tensor) -> NativeKernels | None:
    """The C kernels, if they can handle these tensors."""
    if torch.compiler.is_compiling():  # tracing sees through torch's operators only
        return None
    for tensor in dense:
        if not (type(tensor) is Tensor and tensor.is_cpu and tensor.is_contiguous()):
            return None
        if tensor.requires_grad and torch.is_grad_enabled():
            return None
    for index in (stream, top, left):
        if not (type(index) is Tensor and index.is_cpu and index.dtype is torch.int64):
            return None
    return _native()


def _check_map(dense: Tensor, stream: Tensor, top: Tensor, left: Tensor) -> None:
    if dense.dim() != 4:
        raise ValueError(f"a map must be (N, h, w, P), this one is {tuple(dense.shape)}")
    if stream.dim() != 1 or not stream.shape == top.shape == left.shape:
        shapes = ", ".join(str(tuple(index.shape)) for index in (stream, top, left))
        raise ValueError(f"stream, top and left must be (B,), these are {shapes}")


def _check_blocks(target: Tensor, blocks: Tensor, stream: Tensor, top: Tensor, left: Tensor) -> None:
    _check_map(target, stream, top, left)
    if blocks.dim() != 4 or blocks.shape[0] != stream.shape[0] or blocks.shape[3] != target.shape[3]:
        expected = f"({stream.shape[0]}, by, bx, {target.shape[3]})"
        raise ValueError(f"blocks must be {expected}, these are {tuple(blocks.shape)}")
    if blocks.dtype is not target.dtype:
        raise ValueError(f"blocks are {blocks.dtype}, the map is {target.dtype}; convert the blocks")
