"""3x3 convolutions in C with a quarter of the multiplications, on cells of a map as they lie there.

Minimal filtering F(4x4, 3x3): A. Lavin, S. Gray, Fast Algorithms for Convolutional Neural Networks,
CVPR 2016, section 4.3. Rounding is some ten times that of a plain convolution in float32 (a few millionths of
the largest value); in bfloat16 the result's own rounding hides it, for sums are taken in float32.
"""

from __future__ import annotations

import ctypes
import math
import threading
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

TILE = 4
"""Height and width of a tile, in pixels of the result."""

TILES = 12
"""Tiles that a thread works on at a time: their transforms stay in its own cache."""

TYPES = (torch.float32, torch.bfloat16)

G = torch.tensor(
    [
        [1 / 4, 0, 0],
        [-1 / 6, -1 / 6, -1 / 6],
        [-1 / 6, 1 / 6, -1 / 6],
        [1 / 24, 1 / 12, 1 / 6],
        [1 / 24, -1 / 12, 1 / 6],
        [0, 0, 1],
    ],
    dtype=torch.float64,
)
"""What transforms rows and columns of the weights (Lavin and Gray, equation 13)."""


@dataclass(frozen=True)
class Places:
    """Where cells start: map, row and column of their first pixel, ``(B,)`` int64 each."""

    stream: Tensor
    top: Tensor
    left: Tensor


@dataclass(frozen=True)
class WinogradWeights:
    """Transformed weights.

    Attributes:
        weights: ``(36, panels, C, panel)`` float32; output channels in panels, padded with zeros.
        bias: ``(panels * panel,)`` float32.
        channels, kernels: Input and output channels.
    """

    weights: Tensor
    bias: Tensor
    channels: int
    kernels: int


class _Job(ctypes.Structure):
    """``Job`` of ``winograd.c``."""

    _fields_ = (
        ("source", ctypes.c_void_p),
        *((name, ctypes.c_int64) for name in ("maps", "height", "width", "channels")),
        *((name, ctypes.c_void_p) for name in ("weights", "bias", "other", "target")),
        *((name, ctypes.c_int64) for name in ("target_height", "target_width", "kernels")),
        *((name, ctypes.c_int64) for name in ("cells", "rows", "columns", "dilation")),
        *((name, ctypes.c_void_p) for name in ("stream", "top", "left")),
        *((name, ctypes.c_void_p) for name in ("to_stream", "to_top", "to_left")),
        *((name, ctypes.c_float) for name in ("low", "high")),
        ("is_bfloat16", ctypes.c_int),
    )


class WinogradKernels:
    """The functions of ``winograd.c``. All tensors must be contiguous and on the CPU, and no gradients flow.

    Args:
        library: The compiled C kernels.
    """

    def __init__(self, library: ctypes.CDLL) -> None:
        self._convolve = library.saccade_winograd
        self._convolve.restype = ctypes.c_int
        self._convolve.argtypes = [ctypes.c_void_p] * 3 + [ctypes.c_int64, ctypes.c_int]
        self._memory = library.saccade_winograd_memory
        self._memory.restype = ctypes.c_int64
        self._memory.argtypes = [ctypes.c_int64] * 3
        self.panel: int = library.saccade_winograd_panel()
        self._kept = threading.local()

    def prepare(self, weight: Tensor, bias: Tensor | None) -> WinogradWeights:
        """Transform the weights ``(K, C, 3, 3)`` and bias ``(K,)`` of a convolution."""
        kernels, channels = weight.shape[:2]
        transform = G.to(weight.device)
        positions = torch.einsum("ia,kcab,jb->ijck", transform, weight.detach().double(), transform)
        panels = -(-kernels // self.panel)
        padding = (0, panels * self.panel - kernels)
        padded = F.pad(positions.reshape(36, channels, kernels).float(), padding)
        shift = torch.zeros(kernels) if bias is None else bias.detach().float()
        return WinogradWeights(
            weights=padded.view(36, channels, panels, self.panel).transpose(1, 2).contiguous(),
            bias=F.pad(shift, padding).contiguous(),
            channels=channels,
            kernels=kernels,
        )

    def convolve(
        self,
        source: Tensor,
        start: Places,
        size: tuple[int, int],
        weights: WinogradWeights,
        dilation: int,
        target: Tensor,
        to: Places,
        other: Tensor | None = None,
        low: float = -math.inf,
        high: float = math.inf,
    ) -> None:
        """``target = clamp(convolution + other, low, high)`` for some cells; what lies outside is zero.

        Args:
            source: ``(N, h, w, C)``, float32 or bfloat16.
            start: First pixels of the source that the cells depend on; may lie outside.
            size: Height and width of a cell.
            weights: Of the convolution.
            dilation: Distance of the pixels that a result is computed from.
            target: ``(M, h', w', K)`` of the same type. What lies outside is left away.
            to: First pixels of the cells in the target; they do not overlap.
            other: Added; of the target's shape, or the target itself.
            low, high: What the result is clamped to.

        Raises:
            IndexError: A stream that the source does not have.
        """
        maps, height, width, channels = source.shape
        target_height, target_width, kernels = target.shape[1:]
        if (channels, kernels) != (weights.channels, weights.kernels) or source.dtype not in TYPES:
            raise ValueError(f"maps of {channels} and {kernels} channels do not fit these weights")
        threads = torch.get_num_threads()
        job = _Job(
            *(source.data_ptr(), maps, height, width, channels),
            *(weights.weights.data_ptr(), weights.bias.data_ptr()),
            *(None if other is None else other.data_ptr(), target.data_ptr()),
            *(target_height, target_width, kernels),
            *(len(start.stream), *size, dilation),
            *(start.stream.data_ptr(), start.top.data_ptr(), start.left.data_ptr()),
            *(to.stream.data_ptr(), to.top.data_ptr(), to.left.data_ptr()),
            *(low, high, source.dtype is torch.bfloat16),
        )
        memory = self._memory_for(threads * self._memory(channels, kernels, TILES))
        zeros = memory.new_zeros(channels)
        if self._convolve(ctypes.addressof(job), memory.data_ptr(), zeros.data_ptr(), TILES, threads):
            raise IndexError(f"a stream is out of range: the map holds {maps}, 0 to {maps - 1}")

    def _memory_for(self, floats: int) -> Tensor:
        """Memory to work in, kept from call to call, one for each thread of Python."""
        memory: Tensor | None = getattr(self._kept, "memory", None)
        if memory is None or len(memory) < floats:
            memory = self._kept.memory = torch.empty(floats)
        return memory
