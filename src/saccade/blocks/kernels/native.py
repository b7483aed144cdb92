"""The copies in C, for maps in the memory of the CPU."""

from __future__ import annotations

import ctypes
from functools import lru_cache

import torch
from torch import Tensor

from saccade.blocks.kernels.border import Border
from saccade.blocks.kernels.winograd import WinogradKernels

_NUMBER, _ADDRESS, _INT = ctypes.c_int64, ctypes.c_void_p, ctypes.c_int


class NativeKernels:
    """The functions of ``native.c``.

    They look at nothing but addresses and sizes. All tensors must be plain, contiguous and on the CPU, and
    no gradients flow.

    Args:
        library: The compiled C kernels.

    Attributes:
        winograd: Those of ``winograd.c``.
    """

    def __init__(self, library: ctypes.CDLL) -> None:
        self.winograd = WinogradKernels(library)
        self._gather = library.saccade_gather
        self._gather.restype = _INT
        self._gather.argtypes = [
            *(_ADDRESS, _NUMBER, _NUMBER, _NUMBER, _NUMBER),  # source, maps, height, width, pixel
            *(_ADDRESS, _NUMBER, _NUMBER, _NUMBER),  # to, windows, rows, columns
            *(_ADDRESS, _ADDRESS, _ADDRESS),  # stream, top, left
            *(_INT, _ADDRESS, _NUMBER, _INT),  # border, value, element, threads
        ]
        self._scatter = library.saccade_scatter
        self._scatter.restype = _INT
        self._scatter.argtypes = [
            *(_ADDRESS, _NUMBER, _NUMBER, _NUMBER, _NUMBER),  # target, maps, height, width, pixel
            *(_ADDRESS, _NUMBER, _NUMBER, _NUMBER),  # blocks, count, rows, columns
            *(_ADDRESS, _ADDRESS, _ADDRESS, _INT),  # stream, top, left, threads
        ]

    def gather(
        self,
        source: Tensor,
        stream: Tensor,
        top: Tensor,
        left: Tensor,
        size: tuple[int, int],
        border: Border,
        fill: float,
    ) -> Tensor:
        """Copy windows out of a map; see ``saccade.blocks.kernels.gather``."""
        maps, height, width, payload = source.shape
        windows, (rows, columns), dtype = len(top), size, source.dtype
        element = dtype.itemsize
        value = _fill_value(fill, dtype).data_ptr() if border is Border.CONSTANT else None
        result = torch.empty((windows, rows, columns, payload), dtype=dtype)
        stream, top, left = stream.contiguous(), top.contiguous(), left.contiguous()
        failed = self._gather(
            *(source.data_ptr(), maps, height, width, payload * element),
            *(result.data_ptr(), windows, rows, columns),
            *(stream.data_ptr(), top.data_ptr(), left.data_ptr()),
            *(border.value, value, element, torch.get_num_threads()),
        )
        if failed:
            raise _stream_error(maps)
        return result

    def scatter_(self, target: Tensor, blocks: Tensor, stream: Tensor, top: Tensor, left: Tensor) -> None:
        """Copy blocks into a map, in place; see ``saccade.blocks.kernels.scatter_``."""
        maps, height, width, payload = target.shape
        stream, top, left = stream.contiguous(), top.contiguous(), left.contiguous()
        failed = self._scatter(
            *(target.data_ptr(), maps, height, width, payload * target.element_size()),
            *(blocks.data_ptr(), *blocks.shape[:3]),
            *(stream.data_ptr(), top.data_ptr(), left.data_ptr(), torch.get_num_threads()),
        )
        if failed:
            raise _stream_error(maps)
        if not target.is_inference():  # these do not count their versions
            torch.autograd.graph.increment_version(target)


@lru_cache(maxsize=64)
def _fill_value(fill: float, dtype: torch.dtype) -> Tensor:
    """One element with the fill's value; it is kept, so that its address stays good."""
    return torch.full((1,), fill, dtype=dtype)


def _stream_error(maps: int) -> IndexError:
    return IndexError(f"a stream is out of range: the map holds {maps}, 0 to {maps - 1}")
