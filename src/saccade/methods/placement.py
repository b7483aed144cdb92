"""Where a network runs and in which precision, and why."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn

from saccade.errors import ConfigError

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}

TRIAL_SECONDS = 1.0
"""After so long no further round of the trial begins."""

MOST_ROUNDS = 12
"""Passes in each precision after which the shortest will not get much shorter."""

TRIAL_AREA = 128 * 256
"""Pixels of the trial: small enough for a second, large enough that arithmetic and not dispatch counts."""

CLEARLY_SLOWER = 1.5
"""Ratio of the times at which the trial ends early."""

WORTHWHILE = 0.9
"""Share of the float32 time below which a lower precision is worth its rounding errors."""


@dataclass(frozen=True)
class Placement:
    """Device and precision of a network.

    Attributes:
        device: Where it runs.
        precision: ``"fp32"``, ``"bf16"`` or ``"fp16"``.
        reason: One sentence for people: what was chosen, and why.
    """

    device: torch.device
    precision: str
    reason: str

    @property
    def dtype(self) -> torch.dtype:
        """The precision as torch names it."""
        return PRECISIONS[self.precision]

    def apply(self, network: nn.Module) -> nn.Module:
        """Move the network there, in place, in channels-last layout."""
        return network.to(device=self.device, dtype=self.dtype).to(memory_format=torch.channels_last)


def choose_placement(
    network: nn.Module,
    device: str = "auto",
    precision: str = "auto",
    size: tuple[int, int] | None = None,
) -> Placement:
    """Choose what is fastest on this machine, where the user does not say.

    The device is CUDA before MPS before the CPU. On CUDA the precision follows from the hardware; elsewhere
    the network is timed for a second or two on a small frame, because processors without
    instructions for a precision emulate it at a fraction of the speed.

    Args:
        network: What is to run; it is not moved, ``Placement.apply`` does that.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
        precision: ``auto``, ``fp32``, ``bf16`` or ``fp16``.
        size: ``(H, W)`` of the frames to come, so that the trial has their shape.

    Raises:
        ConfigError: An unknown value, or a device that this machine does not have.
    """
    place, device_reason = _choose_device(device)
    if precision != "auto":
        if precision not in PRECISIONS:
            raise ConfigError(f"there is no precision {precision!r}; give auto, {', '.join(PRECISIONS)}")
        return Placement(place, precision, f"{place} ({device_reason}) in {precision} (as asked)")
    if place.type == "cuda":
        chosen, precision_reason = _cuda_precision(place)
    else:
        chosen, precision_reason = _fastest(network, place, _trial_size(size))
    return Placement(place, chosen, f"{place} ({device_reason}) in {chosen} ({precision_reason})")


def _choose_device(device: str) -> tuple[torch.device, str]:
    if device == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda", torch.cuda.current_device()), torch.cuda.get_device_name()
        if torch.backends.mps.is_available():
            return torch.device("mps"), "the GPU of this Mac"
        return torch.device("cpu"), "no GPU that torch can use"
    try:
        place = torch.device(device)
    except RuntimeError:
        place = None
    if place is None or place.type not in ("cpu", "cuda", "mps"):
        raise ConfigError(f"there is no device {device!r}; give auto, cpu, cuda, cuda:N or mps")
    if place.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (place.index or 0) >= count:
            found = f"{count} CUDA device(s), cuda:0 to cuda:{count - 1}" if count else "no CUDA device"
            raise ConfigError(f"device {device} is not there: torch finds {found}; use --device auto or cpu")
    if place.type == "mps" and not torch.backends.mps.is_available():
        raise ConfigError("device mps is not there: it needs a Mac with Apple silicon; use --device auto")
    return place, "as asked"


def _cuda_precision(device: torch.device) -> tuple[str, str]:
    major, minor = torch.cuda.get_device_capability(device)
    if major >= 8:
        return "bf16", f"tensor cores of compute capability {major}.{minor}"
    if major == 7:
        return "fp16", f"compute capability {major}.{minor} has tensor cores for fp16 and not for bf16"
    return "fp32", f"compute capability {major}.{minor} has no tensor cores"


def _trial_size(size: tuple[int, int] | None) -> tuple[int, int]:
    """Shape of the frames, made smaller until its area is that of a trial; sides are multiples of 32."""
    height, width = size or (128, 256)
    factor = min(1.0, (TRIAL_AREA / (height * width)) ** 0.5)
    return max(32, round(height * factor / 32) * 32), max(32, round(width * factor / 32) * 32)


def _fastest(network: nn.Module, device: torch.device, size: tuple[int, int]) -> tuple[str, str]:
    """Time the half precision that this kind of device may have against float32."""
    half = "fp16" if device.type == "mps" else "bf16"
    try:
        ratio = _time_ratio(network, device, PRECISIONS[half], size)
    except (RuntimeError, TypeError, ValueError) as error:
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        return "fp32", f"{half} cannot be timed with this network: {reason}"
    measured = f"{half} takes {ratio:.2g} times as long as fp32 here"
    return (half if ratio < WORTHWHILE else "fp32"), measured


def _time_ratio(network: nn.Module, device: torch.device, half: torch.dtype, size: tuple[int, int]) -> float:
    """Shortest pass in ``half`` over shortest pass in float32, in turn, so that both see the same machine."""
    trials = []
    for dtype in (torch.float32, half):
        trial = copy.deepcopy(network).eval().to(device=device, dtype=dtype)
        frames = torch.zeros(1, 3, *size, device=device, dtype=dtype)
        trials.append(
            (trial.to(memory_format=torch.channels_last), frames.to(memory_format=torch.channels_last))
        )
    best = [float("inf"), float("inf")]
    begin = time.perf_counter()
    with torch.inference_mode(), _one_thread():
        for round_ in range(MOST_ROUNDS):
            for i, (trial, frames) in enumerate(trials):
                _finish(device)
                start = time.perf_counter()
                trial(frames)
                _finish(device)
                if round_ > 0:  # the first pass also arranges memory
                    best[i] = min(best[i], time.perf_counter() - start)
            clear = round_ >= 2 and best[1] > CLEARLY_SLOWER * best[0]
            if clear or (round_ > 0 and time.perf_counter() - begin > TRIAL_SECONDS):
                break
    return best[1] / best[0]


@contextmanager
def _one_thread() -> Iterator[None]:
    """Keep what else the machine does out of the trial: threads wait for each other at every layer."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _finish(device: torch.device) -> None:
    if device.type == "mps":
        torch.mps.synchronize()
