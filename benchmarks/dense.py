"""Dense execution as fast as PyTorch does it: the baselines that a speed-up is measured against."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch._inductor.config
from torch import Tensor, nn

from saccade.evaluation.latency import timed

Run = Callable[[Tensor], Any]

EVERYWHERE = ("eager", "compiled", "frozen")
"""Baselines of all devices: no compiler, ``torch.compile``, and that with the weights as constants."""

ON_CUDA = ("eager_graph", "compiled_graph", "frozen_graph", "autotuned")
"""Further ones on CUDA: the same three as CUDA graphs, and with the fastest of several kernels per layer."""


def baselines(device: torch.device) -> tuple[str, ...]:
    """Names of the baselines that make sense on a device."""
    return EVERYWHERE + (ON_CUDA if device.type == "cuda" else ())


def prepare(name: str, network: nn.Module, frames: Tensor) -> tuple[Run, float]:
    """Make a baseline ready for frames of one size.

    Args:
        name: One of ``EVERYWHERE`` or ``ON_CUDA``.
        network: In evaluation mode.
        frames: ``(N, C, H, W)``; the baseline takes others of this size, type and layout.

    Returns:
        What executes the network, and the seconds that compiling (or capturing) and the first call took.

    Raises:
        Exception: Compilers fail in many ways: no C++ compiler, an operator they do not know, no memory.
    """
    device = frames.device
    if name == "eager":
        _, ms = timed(lambda: network(frames), device)
        return network, ms / 1000
    if name == "eager_graph":
        graph, ms = timed(lambda: _capture(network, frames), device)
        return graph, ms / 1000
    compiled = _compiled(name, network)
    # Dynamo looks at this setting of the whole process, too, when it decides what is constant.
    with torch._inductor.config.patch(freezing=name.startswith("frozen")):
        _, ms = timed(lambda: compiled(frames), device)
    for _ in range(2):  # graphs are captured in the calls after the first
        compiled(frames)
    return compiled, ms / 1000


def _compiled(name: str, network: nn.Module) -> Run:
    """``torch.compile`` with settings of its own for each name: dynamo would reuse the code of equal ones."""
    modes = {"compiled": None, "compiled_graph": "reduce-overhead", "autotuned": "max-autotune-no-cudagraphs"}
    options: dict[str, dict[str, Any]] = {
        "frozen": {"freezing": True},
        "frozen_graph": {"freezing": True, "triton.cudagraphs": True},
    }
    if name in options:
        compiled = torch.compile(network, dynamic=False, options=options[name])
    else:
        compiled = torch.compile(network, dynamic=False, mode=modes[name])

    def run(frames: Tensor) -> Any:
        torch.compiler.cudagraph_mark_step_begin()  # nobody needs the last call's result any more
        return compiled(frames)

    return run


def _capture(network: nn.Module, frames: Tensor) -> Run:
    """Eager execution as a CUDA graph: without the time that Python takes to launch kernels."""
    place = frames.clone()
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):  # libraries choose kernels and take memory, which a capture must not
        for _ in range(3):
            network(place)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        result = network(place)

    def run(frames: Tensor) -> Any:
        place.copy_(frames)
        graph.replay()
        return result

    return run
