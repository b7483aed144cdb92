"""A network as a flat list of operations: exported, batch norm folded, constants resolved."""

from __future__ import annotations

import io
import logging
import operator
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.utils._pytree as pytree
from torch import Tensor, nn
from torch.export.graph_signature import OutputKind

from saccade.errors import NetworkError

aten = torch.ops.aten

KEPT_WHOLE = (
    "adaptive",
    "avg_pool",
    "batch_norm",
    "conv",
    "gelu",
    "group_norm",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "instance_norm",
    "layer_norm",
    "leaky_relu",
    "linear",
    "max_pool",
    "mish",
    "pad",
    "pixel_shuffle",
    "pixel_unshuffle",
    "rms_norm",
    "scaled_dot_product",
    "silu",
    "softmax",
    "upsample",
    "channel_shuffle",
)
"""Operators that core ATen would take apart, although the engine (or the device) knows them whole."""


@dataclass(frozen=True)
class Ref:
    """A reference to the result of an earlier operation."""

    name: str


@dataclass(eq=False)
class Operation:
    """One operation of a captured network.

    Attributes:
        name: Unique name of the result.
        target: The ATen overload, or one of this module's own operators.
        args, kwargs: As the target takes them; results of other operations are ``Ref``.
        value: The result's shape and type for one frame: a tensor without data, or a tuple of such.
        source: Where in the network it is, for example ``backbone.layer1.0.conv1``.
    """

    name: str
    target: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    value: Any
    source: str = ""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the result for one frame; empty for several results."""
        return tuple(self.value.shape) if isinstance(self.value, Tensor) else ()

    def inputs(self) -> list[str]:
        """Names of the operations that it reads."""
        leaves = pytree.tree_leaves((self.args, self.kwargs), is_leaf=lambda v: isinstance(v, Ref))
        return [leaf.name for leaf in leaves if isinstance(leaf, Ref)]


@dataclass(eq=False)
class Captured:
    """A network as operations in the order of execution.

    Attributes:
        operations: By name; the first is the input frame.
        outputs: What the module gives back, flattened: names of operations, or constants.
        structure: How the outputs go together (tuple, dict, list).
        example: ``(1, 3, H, W)`` shape of the frames.
    """

    operations: dict[str, Operation]
    outputs: list[Any]
    structure: pytree.TreeSpec
    example: torch.Size
    users: dict[str, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.count_users()

    def count_users(self) -> None:
        """Bring ``users`` (who reads whom) up to date, and drop operations that nobody reads."""
        wanted = {o.name for o in self.outputs if isinstance(o, Ref)}
        for name in reversed(list(self.operations)):
            operation = self.operations[name]
            if name in wanted or operation.target is frame_input:
                wanted.update(operation.inputs())
            else:
                del self.operations[name]
        self.users = {name: [] for name in self.operations}
        for operation in self.operations.values():
            for name in dict.fromkeys(operation.inputs()):
                self.users[name].append(operation.name)

    @property
    def device(self) -> torch.device:
        """Where the network's frames are."""
        device: torch.device = next(iter(self.operations.values())).value.device
        return device

    def output_names(self) -> set[str]:
        """Operations whose results the module gives back."""
        return {o.name for o in self.outputs if isinstance(o, Ref)}


def frame_input(frames: Tensor) -> Tensor:
    """The operation that stands for the network's input."""
    return frames


def affine(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Batch norm of a network that is not training: ``x * scale + shift`` per channel."""
    return torch.addcmul(shift, x, scale)


def capture(module: nn.Module, example: Tensor) -> Captured:
    """Export a module and make it a list of operations.

    Args:
        module: Any module that takes one tensor of frames; captured in evaluation mode.
        example: ``(N, C, H, W)`` frames; one of them is enough.

    Raises:
        NetworkError: ``torch.export`` cannot follow the module; the message names the line.
    """
    training = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        with torch.no_grad(), silence():
            program = torch.export.export(module, (example[:1],), strict=False)
            program = program.run_decompositions(decompositions())
    except Exception as error:
        raise NetworkError(
            f"cannot capture {type(module).__name__}: torch.export stops at {guilty_line(error)}: "
            f"{first_line(error)}. Make the module's forward free of Python that depends on the values of "
            "tensors, or wrap the part that can be exported"
        ) from error
    finally:
        for part, was_training in training:
            part.training = was_training
    with torch.no_grad():
        captured = read(program, example[:1].shape)
        fold_batch_norm(captured)
    return captured


@contextmanager
def silence() -> Iterator[None]:
    """Keep ``torch.export`` from printing its graph before an error: the error says what matters."""
    shapes = logging.getLogger("torch.fx.experimental.symbolic_shapes")
    level = shapes.level
    shapes.setLevel(logging.ERROR)
    try:
        with redirect_stderr(io.StringIO()):
            yield
    finally:
        shapes.setLevel(level)


def decompositions() -> dict[Any, Any]:
    """Core ATen, except what the engine knows whole."""
    table = torch.export.default_decompositions()
    for overload in list(table):
        name = str(overload).removeprefix("aten.")
        if any(part in name for part in KEPT_WHOLE) and "backward" not in name:
            table.pop(overload)
    return table  # type: ignore[return-value]


def read(program: torch.export.ExportedProgram, example: torch.Size) -> Captured:
    """The operations of an exported program, with parameters and buffers in their places."""
    signature = program.graph_signature
    for written in signature.output_specs:
        if written.kind is OutputKind.BUFFER_MUTATION:
            raise NetworkError(
                f"the network changes its buffer {written.target} with every frame, so that a result "
                "depends on the frames before; make its forward free of memory, or convert the part that is"
            )
    constants: dict[str, Any] = {}
    for spec in signature.input_specs:
        target = spec.target
        if target is None:
            continue
        if target in program.state_dict:
            constants[spec.arg.name] = program.state_dict[target].detach()
        elif target in program.constants:
            constants[spec.arg.name] = program.constants[target]
    operations: dict[str, Operation] = {}
    outputs: list[Any] = []
    by_name: dict[str, Any] = dict(constants)

    def resolve(value: Any) -> Any:
        return by_name[value.name] if isinstance(value, torch.fx.Node) else value

    for node in program.graph.nodes:
        if node.op == "placeholder":
            if node.name in constants:
                continue
            operations[node.name] = Operation(node.name, frame_input, (), {}, node.meta["val"], "input")
        elif node.op == "output":
            outputs = [
                resolve(value)
                for value, spec in zip(node.args[0], signature.output_specs, strict=True)
                if spec.kind is OutputKind.USER_OUTPUT
            ]
            break
        else:
            args = tuple(plain(v, resolve) for v in node.args)
            kwargs = {k: plain(v, resolve) for k, v in node.kwargs.items()}
            operation = Operation(
                node.name, node.target, args, kwargs, node.meta.get("val"), module_path(node)
            )
            if is_constant(operation):
                by_name[node.name] = node.target(*args, **kwargs)
                continue
            operations[node.name] = operation
        by_name[node.name] = Ref(node.name)
    assert program.call_spec.out_spec is not None
    return Captured(operations, outputs, program.call_spec.out_spec, example)


def is_constant(operation: Operation) -> bool:
    """Is the result the same for every frame: standardised weights, positions, masks?"""
    random = torch.Tag.nondeterministic_seeded in getattr(operation.target, "tags", ())
    return callable(operation.target) and not operation.inputs() and not random


def plain(value: Any, resolve: Callable[[Any], Any]) -> Any:
    """An argument as ordinary lists, with nodes replaced."""
    if isinstance(value, (list, tuple)):
        return [plain(v, resolve) for v in value]
    return resolve(value)


def module_path(node: torch.fx.Node) -> str:
    """The innermost module that a node comes from, as it is named in the network."""
    stack = node.meta.get("nn_module_stack") or {}
    paths = [path for path, _ in stack.values()]
    return str(paths[-1]).removeprefix("L['self'].") if paths and paths[-1] else node.name


def fold_batch_norm(captured: Captured) -> None:
    """Batch norm, and what else scales and shifts channels, becomes part of the convolution before it.

    Batch norm that follows something else becomes ``x * scale + shift``.
    """
    for operation in list(captured.operations.values()):
        if operation.name not in captured.operations:
            continue  # took the first result of a batch norm
        norm = batch_norm_arguments(operation)
        found = scale_and_shift(*norm) if norm else scaling_arguments(captured, operation)
        if found is None:
            continue
        x, scale, shift = found
        if can_absorb(captured, x.name, operation.name):
            absorb(captured, x.name, scale, shift)
            redirect(captured, operation.name, x)
        elif norm:
            shape = (1, -1) + (1,) * (len(captured.operations[x.name].shape) - 2)
            operation.value = first(operation.value)
            operation.target, operation.kwargs = affine, {}
            dtype = operation.value.dtype
            operation.args = (x, scale.to(dtype).view(shape), shift.to(dtype).view(shape))
            redirect(captured, operation.name, Ref(operation.name))
    captured.count_users()


def scale_and_shift(
    x: Ref, weight: Tensor | None, bias: Tensor | None, mean: Tensor, variance: Tensor, eps: float
) -> tuple[Ref, Tensor, Tensor]:
    """``(x, scale, shift)`` of a batch norm, in double precision."""
    scale = torch.rsqrt(variance.double() + eps)
    if weight is not None:
        scale = scale * weight.double()
    shift = -mean.double() * scale
    if bias is not None:
        shift = shift + bias.double()
    return x, scale, shift


def scaling_arguments(captured: Captured, operation: Operation) -> tuple[Ref, Tensor, Tensor] | None:
    """``(x, scale, shift)`` of arithmetic with a number, or with one per channel, on maps; or None."""
    if operation.target not in SCALING or operation.kwargs or len(operation.args) != 2:
        return None
    x, other = operation.args
    if isinstance(other, Ref) and operation.target in (aten.mul.Tensor, aten.add.Tensor):
        x, other = other, x
    if not isinstance(x, Ref) or isinstance(other, Ref) or len(operation.shape) != 4:
        return None
    if captured.operations[x.name].shape != operation.shape:
        return None
    channels = operation.shape[1]
    number = torch.as_tensor(other, dtype=torch.float64, device=captured.device)
    per_channel = number.ndim >= 3 and number.shape[-3:] == (channels, 1, 1)
    if number.numel() != 1 and not (per_channel and number.numel() == channels):
        return None
    number = number.reshape(-1).expand(channels)
    one, zero = torch.ones_like(number), torch.zeros_like(number)
    parts = {
        aten.mul.Tensor: (number, zero),
        aten.div.Tensor: (1 / number, zero),
        aten.add.Tensor: (one, number),
        aten.sub.Tensor: (one, -number),
    }
    return x, *parts[operation.target]


SCALING = (aten.mul.Tensor, aten.div.Tensor, aten.add.Tensor, aten.sub.Tensor)
"""Arithmetic that a convolution can do with its weights."""


def batch_norm_arguments(operation: Operation) -> tuple[Any, ...] | None:
    """``(x, weight, bias, mean, variance, eps)`` of a batch norm that does not train, or None."""
    a = operation.args
    if operation.target is aten._native_batch_norm_legit_no_training.default:
        return a[0], a[1], a[2], a[3], a[4], a[6]
    if operation.target is aten.batch_norm.default and not a[5] and a[3] is not None:
        return a[0], a[1], a[2], a[3], a[4], a[7]
    return None


RESIZING = (
    aten.upsample_nearest2d,
    aten._upsample_nearest_exact2d,
    aten.upsample_bilinear2d,
    aten.upsample_bicubic2d,
)
"""Operators whose results are weighted means of their inputs: ``scale`` and ``shift`` pass through them."""


def can_absorb(captured: Captured, name: str, user: str) -> bool:
    """Can ``x * scale + shift`` per channel become part of what computes ``x``, read by ``user`` alone?"""
    operation = captured.operations[name]
    if captured.users[name] != [user] or name in captured.output_names():
        return False
    if operation.target is aten.conv2d.default:
        weight, bias = (*operation.args, None)[1:3]
        return isinstance(weight, Tensor) and not isinstance(bias, Ref)
    if operation.target is aten.add.Tensor and not operation.kwargs and len(operation.args) == 2:
        parts = operation.args
        if not all(isinstance(p, Ref) for p in parts) or parts[0] == parts[1]:
            return False
        same = all(captured.operations[p.name].shape == operation.shape for p in parts)
        return same and all(can_absorb(captured, p.name, name) for p in parts)
    if getattr(operation.target, "overloadpacket", None) in RESIZING:
        return can_absorb(captured, operation.args[0].name, name)
    return False


def absorb(captured: Captured, name: str, scale: Tensor, shift: Tensor) -> None:
    """Make ``name`` compute ``x * scale + shift``, where ``can_absorb`` allows it."""
    operation = captured.operations[name]
    if operation.target is aten.conv2d.default:
        operation.args = folded(operation.args, scale, shift)
    elif operation.target is aten.add.Tensor:
        one, other = operation.args
        absorb(captured, one.name, scale, shift)
        absorb(captured, other.name, scale, torch.zeros_like(shift))
    else:
        absorb(captured, operation.args[0].name, scale, shift)


def folded(args: tuple[Any, ...], scale: Tensor, shift: Tensor) -> tuple[Any, ...]:
    """Arguments of a convolution that also does ``* scale + shift``."""
    x, weight, bias, *rest = (*args, None)[: max(3, len(args))]
    new_weight = (weight.double() * scale.view(-1, 1, 1, 1)).to(weight.dtype)
    new_bias = shift if bias is None else shift + bias.double() * scale
    return (x, new_weight, new_bias.to(weight.dtype), *rest)


def redirect(captured: Captured, old: str, new: Ref) -> None:
    """Whoever reads ``old`` (or its first of several results) reads ``new``; ``old`` goes away."""
    users = captured.users
    stale = {old}
    for name in users[old]:
        reader = captured.operations[name]
        if reader.target is GETITEM and reader.args == (Ref(old), 0):
            stale.add(name)
    readers = dict.fromkeys(n for name in stale for n in users[name] if n not in stale)
    stale -= {new.name}

    def swap(value: Any) -> Any:
        return new if isinstance(value, Ref) and value.name in stale else value

    def is_leaf(value: Any) -> bool:
        return isinstance(value, Ref)

    for name in readers:
        operation = captured.operations[name]
        operation.args = pytree.tree_map(swap, operation.args, is_leaf=is_leaf)
        operation.kwargs = pytree.tree_map(swap, operation.kwargs, is_leaf=is_leaf)
    captured.outputs = [swap(o) for o in captured.outputs]
    for name in stale:
        del captured.operations[name], users[name]
    kept = [name for name in users[new.name] if name not in stale]
    users[new.name] = list(dict.fromkeys((*kept, *readers)))


GETITEM = operator.getitem
"""Takes one of several results."""


def first(value: Any) -> Any:
    """The first of several results, or the only one."""
    return value[0] if isinstance(value, (tuple, list)) else value


def guilty_line(error: BaseException) -> str:
    """``file:line`` of the innermost frame outside torch's own files."""
    frames = [f for e in chain(error) for f in traceback.extract_tb(e.__traceback__)]
    own = [f for f in frames if "/torch/" not in f.filename and "saccade/blocks" not in f.filename]
    return f"{own[-1].filename}:{own[-1].lineno}" if own else "an unknown line"


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error and what caused it."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def first_line(error: BaseException) -> str:
    """The first line of an error's message that says something."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0].rstrip(".") if lines else type(error).__name__
