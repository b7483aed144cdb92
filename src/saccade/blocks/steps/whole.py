"""Operations that run for whole maps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from saccade.blocks.capture import Operation, Ref
from saccade.blocks.steps.run import Run
from saccade.blocks.steps.step import Step

aten = torch.ops.aten

VIEWS = (aten.view.default, aten._unsafe_view.default)
"""Operators that want another memory layout than canvases have; ``reshape`` takes any."""


class WholeStep(Step):
    """Everything else: runs densely, stream by stream, on canvases and whole values."""

    kind = "dense"

    def __init__(self, operation: Operation, spatial_inputs: Sequence[str], kind: str) -> None:
        super().__init__(operation, None)
        self.kind = kind
        self.spatial_inputs = list(spatial_inputs)

    @property
    def from_canvas(self) -> list[str]:
        return self.spatial_inputs

    def on_blocks(self, run: Run) -> Any:
        inputs = {name: run.whole(name) for name in dict.fromkeys(self.reads)}
        operation = self.operations[0]
        results: list[Any] = [None] * run.streams
        target = aten.reshape.default if operation.target in VIEWS else operation.target
        for stream in run.active:
            args = look_up(operation.args, inputs, stream)
            kwargs = look_up(operation.kwargs, inputs, stream)
            results[stream] = target(*args, **kwargs)
        return results

    def on_maps(self, run: Run) -> Any:
        return self.on_blocks(run)


def look_up(value: Any, inputs: dict[str, list[Any]], stream: int) -> Any:
    """Arguments with references replaced by one stream's values."""
    if isinstance(value, Ref):
        return inputs[value.name][stream]
    if isinstance(value, (list, tuple)):
        return type(value)(look_up(v, inputs, stream) for v in value)
    if isinstance(value, dict):
        return {k: look_up(v, inputs, stream) for k, v in value.items()}
    return value
