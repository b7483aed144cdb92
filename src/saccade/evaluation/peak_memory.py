"""How much memory a method takes at its peak."""

from __future__ import annotations

import ctypes
import gc
import sys
from pathlib import Path

import torch
from torch import nn

MEGABYTE = 1024**2

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


class PeakMemory:
    """Memory of a network and of what a method adds to it, on the device that they are on.

    On CUDA, what torch allocates. On a CPU, what the process grows by, which includes the frames that are
    read ahead and whatever is imported meanwhile, and is known on Linux only.

    Args:
        network: There already, and part of the result.
        device: Where it is.
    """

    def __init__(self, network: nn.Module, device: torch.device) -> None:
        self._device = device
        tensors = [*network.parameters(), *network.buffers()]
        _tidy_up()
        used = self._used("VmRSS")
        self._others = None if used is None else used - sum(t.numel() * t.element_size() for t in tensors)

    def begin(self) -> None:
        """What was used up to now does not count, except for what is still there."""
        if self._device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self._device)
        elif self._others is not None:
            try:
                _RESET.write_text("5")
            except OSError:  # not allowed everywhere
                self._others = None

    def megabytes(self) -> float | None:
        """The peak since ``begin`` in units of 1024 x 1024 bytes; None where nobody knows."""
        peak = self._used("VmHWM")
        return None if peak is None or self._others is None else (peak - self._others) / MEGABYTE

    def _used(self, entry: str) -> int | None:
        """Bytes in use now (VmRSS) or at the peak (VmHWM)."""
        if self._device.type == "cuda":
            now = entry == "VmRSS"
            return (torch.cuda.memory_allocated if now else torch.cuda.max_memory_allocated)(self._device)
        if self._device.type != "cpu":
            return None
        try:
            lines = _STATUS.read_text().splitlines()
        except OSError:
            return None
        return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(entry)), None)


def _tidy_up() -> None:
    """Give back what nobody needs: memory that lies around would hide what is taken next."""
    gc.collect()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # not in every C library
        if trim is not None:
            trim(0)
