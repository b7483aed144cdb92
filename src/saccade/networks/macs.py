"""Multiply-accumulate operations of a module, counted without running it."""

from __future__ import annotations

import copy
import itertools
import math
import warnings
from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

Shapes = tuple[tuple[int, ...], ...]

_COUNTED: WeakKeyDictionary[nn.Module, dict[Shapes, float]] = WeakKeyDictionary()

NATIVE = ("aten", "prim", "prims", "profiler")
"""Operator namespaces of torch itself: what the counter leaves out of these has no MACs."""


def count_macs(module: nn.Module, *shapes: Sequence[int]) -> float:
    """MACs of one forward pass (1 MAC = 2 FLOPs), remembered per module and shapes.

    Counts what ``torch.utils.flop_counter`` knows: convolutions, transposed convolutions, matrix
    products and attention; and torchvision's deformable convolutions as if they were ordinary ones.
    Pixelwise operations, pooling, resizing and biases count as zero, as they do in the literature. So does
    every operator that torch does not know the cost of; where an operator comes from outside torch (a
    custom kernel), a warning names it.

    The pass is made on a copy with tensors that have a shape and no data, so it costs neither time nor
    memory; a module that looks at the values of its tensors is run once on zeros instead. Count anew with
    another module object after changing the layers of this one.

    Args:
        module: Any module that takes tensors.
        shapes: Shape of each of them, ``(N, 3, H, W)`` for a network on frames.

    Returns:
        MACs of the whole batch.
    """
    wanted = tuple(tuple(int(size) for size in shape) for shape in shapes)
    module = getattr(module, "_orig_mod", module)  # a compiled module hides its operators
    counts = _COUNTED.setdefault(module, {})
    if wanted not in counts:
        counts[wanted] = _count(module, wanted)
    return counts[wanted]


def _count(module: nn.Module, shapes: Shapes) -> float:
    reference = next((p for p in module.parameters() if p.is_floating_point()), torch.empty(0))
    foreign = _ForeignOperators()
    try:
        mode = FakeTensorMode(allow_non_fake_inputs=True)
        shadow = _shadow(module, mode)
        with mode:
            frames = [torch.empty(shape, dtype=reference.dtype, device=reference.device) for shape in shapes]
            flops = _run(shadow, frames, foreign)
    except Exception:  # values needed, an operator without shape rule, or a module that cannot be copied
        frames = [torch.zeros(shape, dtype=reference.dtype, device=reference.device) for shape in shapes]
        foreign = _ForeignOperators()
        flops = _run(_copy_if_possible(module), frames, foreign)
    if foreign.names:
        warnings.warn(
            f"operators from outside torch count as zero MACs: {', '.join(sorted(foreign.names))}",
            stacklevel=3,
        )
    return flops / 2


def _shadow(module: nn.Module, mode: FakeTensorMode) -> nn.Module:
    """A copy whose parameters and buffers have shapes and no data."""
    tensors = itertools.chain(module.parameters(), module.buffers())
    return copy.deepcopy(module, {id(tensor): mode.from_tensor(tensor) for tensor in tensors})


def _run(module: nn.Module, frames: Sequence[Tensor], foreign: _ForeignOperators) -> int:
    with torch.no_grad(), foreign, FlopCounterMode(display=False, custom_mapping=_formulas()) as counter:
        module(*frames)
    return int(counter.get_total_flops())


def _formulas() -> dict[Any, Any]:
    """FLOPs of operators that torch's counter does not know: those of torchvision, where it is imported."""
    deformable = getattr(torch.ops.torchvision, "deform_conv2d", None)
    return {} if deformable is None else {deformable: _deformable_flops}


def _deformable_flops(
    x: Sequence[int], weight: Sequence[int], *_: Any, out_shape: Sequence[int], **__: Any
) -> int:
    """Of a deformable convolution without its offsets: those of an ordinary one."""
    return 2 * math.prod(out_shape) * math.prod(weight[1:])


def _copy_if_possible(module: nn.Module) -> nn.Module:
    """A copy, so that what a module remembers of its input is not changed by counting."""
    try:
        return copy.deepcopy(module)
    except Exception:
        return module


class _ForeignOperators(TorchDispatchMode):
    """Notes the operators that torch's counter cannot know."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func.namespace not in NATIVE and func.overloadpacket not in _formulas():
            self.names.add(func.name())
        return func(*args, **(kwargs or {}))
