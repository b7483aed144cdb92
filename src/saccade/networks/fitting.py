"""Putting tensors into a network, after checking that they belong there."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from saccade.errors import WeightsError

SHOWN = 3
"""How many names of one kind an error lists."""


def fill(
    network: nn.Module, tensors: Mapping[str, Tensor], *, source: str, target: str, new_head: bool = False
) -> None:
    """Load tensors into a network, all of them or none.

    Args:
        network: Module with its final shape.
        tensors: By parameter name; types and devices are converted. Batch counters may be missing.
        source: What the tensors are called in errors.
        target: What the network is called in errors.
        new_head: Where the file has another number of classes, keep the network's own values in the
            tensors whose size is the number of classes.

    Raises:
        WeightsError: Wrong class count, missing or unknown names, wrong shapes, integers in place of
            numbers, NaN or infinity. The network is as before.
    """
    check_finite(tensors, source)
    expected = {k: v for k, v in network.state_dict().items() if isinstance(v, Tensor)}
    missing = [k for k in expected if k not in tensors and not k.endswith("num_batches_tracked")]
    unknown = [k for k in tensors if k not in expected]
    shared = [k for k in expected if k in tensors]
    misshapen = [k for k in shared if tensors[k].shape != expected[k].shape]
    mistyped = [k for k in shared if expected[k].is_floating_point() and not tensors[k].is_floating_point()]
    if not (missing or unknown or mistyped):
        counts = _class_counts(tensors, expected, misshapen)
        if counts and not new_head:
            raise WeightsError(
                f"{source} has {counts[0]} classes, the network was asked for {counts[1]}: "
                f"leave the class count to the weights (drop --classes), or train a new head "
                "(new_head=True keeps everything but the last layer)"
            )
        if counts:
            shared = [k for k in shared if k not in misshapen]
            misshapen = []
    problems = [
        _some("missing", missing),
        _some("not part of the network", unknown),
        _some(
            "of another shape",
            [f"{k} {_shape(tensors[k])} instead of {_shape(expected[k])}" for k in misshapen],
        ),
        _some("not floating point", [f"{k} ({tensors[k].dtype})" for k in mistyped]),
    ]
    if any(problems):
        raise WeightsError(
            f"{source} does not fit {target}: {'; '.join(p for p in problems if p)}. "
            "Name the network these weights were saved from, or other weights"
        )
    network.load_state_dict({k: tensors[k] for k in shared}, strict=False)


def check_finite(tensors: Mapping[str, Tensor], source: str) -> None:
    """Refuse NaN and infinity.

    Raises:
        WeightsError: Some values are not finite; the message names the tensors.
    """
    bad = [
        name
        for name, tensor in tensors.items()
        if tensor.is_floating_point() and not torch.isfinite(tensor.float()).all()
    ]
    if bad:
        raise WeightsError(
            f"{source} has values that are not finite (NaN or infinity): {_some('tensors', bad)}. "
            "The training that wrote them diverged, or the file is damaged; use an earlier checkpoint"
        )


def _class_counts(
    given: Mapping[str, Tensor], expected: Mapping[str, Tensor], misshapen: list[str]
) -> tuple[int, int] | None:
    """Classes of the file and of the network, where nothing else explains the differing shapes."""
    if not misshapen or any(given[k].shape[1:] != expected[k].shape[1:] for k in misshapen):
        return None
    counts = {(*given[k].shape[:1], *expected[k].shape[:1]) for k in misshapen}
    pair = counts.pop()
    return (int(pair[0]), int(pair[1])) if not counts and len(pair) == 2 else None


def _some(kind: str, names: list[str]) -> str:
    """``"missing 7 (a, b, c, ...)"``; empty where there are none."""
    if not names:
        return ""
    more = ", ..." if len(names) > SHOWN else ""
    return f"{kind} {len(names)} ({', '.join(names[:SHOWN])}{more})"


def _shape(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "scalar"
