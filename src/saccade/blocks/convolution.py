"""Convolutions with what follows them, prepared for the device: packed weights, fused activations."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from saccade.blocks import kernels
from saccade.blocks.kernels import WinogradWeights

aten = torch.ops.aten


@dataclass(frozen=True)
class Activation:
    """A pixelwise function that can be part of a convolution.

    Attributes:
        name, scalars, algorithm: How oneDNN calls it.
        function: The same in plain PyTorch.
    """

    name: str
    scalars: tuple[float, ...]
    algorithm: str
    function: Callable[[Tensor], Tensor]

    @property
    def limits(self) -> tuple[float, float] | None:
        """What it clamps to, if it does nothing else."""
        if self.name == "relu":
            return 0.0, math.inf
        return (self.scalars[0], self.scalars[1]) if self.name == "hardtanh" else None


def activation_of(
    target: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Activation | None:
    """The fusable activation that an ATen call is, or None."""
    extra = args[1:]

    def plain(x: Tensor) -> Tensor:
        result: Tensor = target(x, *extra, **kwargs)
        return result

    simple = {
        aten.relu.default: "relu",
        aten.sigmoid.default: "sigmoid",
        aten.tanh.default: "tanh",
        aten.silu.default: "swish",
        aten.hardswish.default: "hardswish",
    }
    if target in simple:
        return Activation(simple[target], (), "", plain)
    if target is aten.leaky_relu.default:
        return Activation("leaky_relu", (float(extra[0]) if extra else 0.01,), "", plain)
    if target is aten.gelu.default:
        return Activation("gelu", (), str(kwargs.get("approximate", "none")), plain)
    if target is aten.hardtanh.default or target is aten.clamp.default:
        low, high = (
            (*extra, *(-1.0, 1.0)[len(extra) :])[:2]
            if target is aten.hardtanh.default
            else (*extra, None, None)[:2]
        )
        if isinstance(low, (int, float)) and isinstance(high, (int, float)):
            return Activation("hardtanh", (float(low), float(high)), "", plain)
    return None


class Convolution:
    """``activation(conv(x) + other)`` with fixed weights.

    On a CPU with oneDNN the weights are packed once into the layout its kernels want, and addition and
    activation happen while the result is in registers.
    """

    def __init__(
        self,
        weight: Tensor,
        bias: Tensor | None,
        stride: tuple[int, int],
        dilation: tuple[int, int],
        groups: int,
    ) -> None:
        self.weight = weight.contiguous(memory_format=torch.channels_last)
        self.bias = bias
        self.stride = stride
        self.dilation = dilation
        self.groups = groups
        self.activation: Activation | None = None
        self._packed: dict[object, Tensor] = {}
        self._product: Convolution | None = None
        self._bare: Convolution | None = None
        self._taps: list[tuple[int, int, Convolution]] | None = None
        self._winograd: WinogradWeights | None = None

    def __call__(
        self,
        x: Tensor,
        padding: tuple[int, int] = (0, 0),
        other: Tensor | None = None,
        *,
        overwrite: bool = False,
        room: Tensor | None = None,
        careful: bool = False,
    ) -> Tensor:
        """Convolve.

        Args:
            x: ``(B, C, h, w)``, channels-last.
            padding: Zeros added at top and bottom, left and right.
            other: ``(B, K, h', w')`` added to the result before the activation.
            overwrite: The result may take the memory of ``other``.
            room: Memory for the result that is at hand. Fresh memory for a large map costs more than
                clearing old memory, because the system clears it too, page by page.
            careful: Keep what is not a number. oneDNN's activations make zeros of it.
        """
        if self._packs(x, other) and not (careful and self.activation):
            if room is not None and not overwrite and self._ends_simply():
                other, overwrite = room.zero_() if other is None else room.copy_(other), True
            return self._onednn(x, padding, other, overwrite)
        y = F.conv2d(x, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)
        if other is not None:
            y = y + other
        return self.activation.function(y) if self.activation else y

    def as_product(self) -> Convolution:
        """The same on rows of a matrix: ``(1, h w C, 1, M)``, a pixel's neighbourhood as channels."""
        if self._product is None:
            rows = self.weight.permute(0, 2, 3, 1).reshape(len(self.weight), -1, 1, 1)
            self._product = Convolution(rows, self.bias, (1, 1), (1, 1), 1)
        self._product.activation = self.activation
        return self._product

    def as_taps(self) -> list[tuple[int, int, Convolution]]:
        """A 1x1 convolution for each row and column of the kernel; their sum is this convolution."""
        if self._taps is None:
            height, width = self.weight.shape[2:]
            self._taps = [
                (i, j, Convolution(self.weight[:, :, i : i + 1, j : j + 1], None, (1, 1), (1, 1), 1))
                for i in range(height)
                for j in range(width)
            ]
            self._taps[0][2].bias = self.bias
        self._taps[-1][2].activation = self.activation
        return self._taps

    def as_winograd(self) -> WinogradWeights:
        """The weights, for ``kernels.winograd``."""
        if self._winograd is None:
            library = kernels.winograd()
            assert library is not None
            self._winograd = library.prepare(self.weight, self.bias)
        return self._winograd

    def bare(self) -> Convolution:
        """The same without activation."""
        if self._bare is None:
            self._bare = Convolution(self.weight, self.bias, self.stride, self.dilation, self.groups)
        return self._bare

    def _ends_simply(self) -> bool:
        """Can oneDNN add to the result and then activate it?"""
        return self.activation is None or self.activation.name == "relu"

    def _packs(self, x: Tensor, other: Tensor | None) -> bool:
        recorded = any(v is not None and v.requires_grad for v in (x, other, self.weight))
        return (
            x.device.type == "cpu"
            and x.numel() > 0
            and x.dtype in packable_types()
            and not (torch.is_grad_enabled() and recorded)
        )

    def _onednn(self, x: Tensor, padding: tuple[int, int], other: Tensor | None, overwrite: bool) -> Tensor:
        ops = torch.ops.mkldnn
        geometry = (list(padding), list(self.stride), list(self.dilation), self.groups)
        name, scalars, algorithm = "none", [], ""
        if self.activation:
            name, scalars, algorithm = (
                self.activation.name,
                list(self.activation.scalars),
                self.activation.algorithm,
            )
        weight = self._packed_for(x, padding)
        if other is None:
            y: Tensor = ops._convolution_pointwise(x, weight, self.bias, *geometry, name, scalars, algorithm)
            return y
        if self._ends_simply():
            ending: Any = (
                weight,
                self.bias,
                *geometry,
                "add",
                1.0,
                None if name == "none" else name,
                [],
                None,
            )
            in_place = overwrite and other.is_contiguous(memory_format=torch.channels_last)
            if not in_place and self.groups > 1:  # PyTorch passes such a sum on to oneDNN in place only
                other, in_place = other.clone(memory_format=torch.channels_last), True
            if in_place:
                y = ops._convolution_pointwise_.binary(other, x, *ending)
            else:
                y = ops._convolution_pointwise.binary(x, other, *ending)
            return y
        y = ops._convolution_pointwise(x, weight, self.bias, *geometry, "none", [], "")
        y = y.add_(other)
        return self.activation.function(y) if self.activation else y

    def _packed_for(self, x: Tensor, padding: tuple[int, int]) -> Tensor:
        """The weights as oneDNN wants them for inputs of this shape.

        A few layouts serve all shapes. With the wrong one the weights would be reordered in every call.
        """
        key = (x.shape, x.dtype, padding)
        if key not in self._packed:
            geometry = (list(padding), list(self.stride), list(self.dilation), self.groups, list(x.shape))
            packed: Tensor = torch.ops.mkldnn._reorder_convolution_weight(self.weight, *geometry)
            layout = layout_of(packed)
            same = (p for p in self._packed.values() if layout is not None and layout_of(p) == layout)
            self._packed[key] = next(same, packed)
        return self._packed[key]


def layout_of(packed: Tensor) -> bytes | None:
    """What tells oneDNN's layouts apart; None where this version of torch does not say."""
    describe = getattr(torch.ops.mkldnn, "_get_mkldnn_serialized_md", None)
    return None if describe is None else bytes(describe(packed).numpy().tobytes())


@cache
def packable_types() -> frozenset[torch.dtype]:
    """Element types that oneDNN computes natively on this CPU."""
    if not torch.backends.mkldnn.is_available() or not hasattr(torch.ops.mkldnn, "_convolution_pointwise"):
        return frozenset()
    types = {torch.float32}
    if torch.ops.mkldnn._is_mkldnn_bf16_supported():
        types.add(torch.bfloat16)
    if torch.ops.mkldnn._is_mkldnn_fp16_supported():
        types.add(torch.float16)
    return frozenset(types)
