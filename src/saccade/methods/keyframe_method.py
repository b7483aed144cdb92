"""What methods with key frames have in common: full work on some frames of a stream, little on the others."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from saccade.methods.base import Cost, Segmentation, StepResult, VideoMethod
from saccade.methods.keyframes import Progress, Schedule


@dataclass(frozen=True, eq=False)
class Part:
    """What a method makes of some streams' frames.

    Attributes:
        logits: ``(n, K, h, w)``.
        memory: What the next frames of these streams need, each ``(n, ...)``.
        cost: Of all of them, without ``dense``.
        residual: ``(n,)`` what is wrong with them, for adaptive schedules; None on key frames.
    """

    logits: Tensor
    memory: dict[str, Tensor]
    cost: Cost
    residual: Tensor | None = None


@dataclass(eq=False)
class Memory:
    """What is remembered of all streams of one frame size.

    Attributes:
        size: ``(H, W)`` of the frames.
        streams: Progress of each stream; None before its first frame.
        tensors: Memory of the parts, ``(N, ...)`` each.
    """

    size: tuple[int, int]
    streams: list[Progress | None] = field(default_factory=list)
    tensors: dict[str, Tensor] = field(default_factory=dict)


class KeyframeMethod(VideoMethod):
    """Steps over frames, some of which are key frames.

    Args:
        network: As for ``saccade.wrap``. Frames are cast to the device and the precision of its first
            parameter.
        config: Settings of the method.
        schedule: Which frames are key frames; may be replaced at any time.

    Attributes:
        schedule: As given.
    """

    def __init__(self, network: nn.Module, config: Any, schedule: Schedule) -> None:
        super().__init__()
        self.config = config
        self.network = network.eval().to(memory_format=torch.channels_last)
        self.schedule = schedule
        self._memory: Memory | None = None

    @abstractmethod
    def on_keyframe(self, frames: Tensor) -> Part:
        """Full work on ``(n, 3, H, W)`` frames."""

    @abstractmethod
    def on_other(self, frames: Tensor, memory: dict[str, Tensor]) -> Part:
        """Little work on ``(n, 3, H, W)`` frames, with what their streams remember, ``(n, ...)`` each."""

    @abstractmethod
    def dense_macs(self, shape: Sequence[int]) -> float:
        """MACs of frame-by-frame execution of frames of this shape."""

    @torch.inference_mode()
    def step(self, frames: Tensor) -> StepResult:
        """Process the next frame of every stream.

        Args:
            frames: ``(N, 3, H, W)`` normalised frames, any H, W and N. Frames of another size than before
                begin all streams anew.
        """
        frames = self._taken(frames)
        size = (int(frames.shape[2]), int(frames.shape[3]))
        memory = self._memory
        if memory is None or memory.size != size:
            memory = self._memory = Memory(size)
        streams = (memory.streams + [None] * len(frames))[: len(frames)]
        keys = [progress is None or self.schedule.keyframe(progress) for progress in streams]
        parts = []
        for wanted in (True, False):
            rows = [row for row, key in enumerate(keys) if key is wanted]
            if not rows:
                continue
            if wanted:
                part = self.on_keyframe(frames[rows])
            else:
                part = self.on_other(frames[rows], {k: v[rows] for k, v in memory.tensors.items()})
            parts.append((rows, part))
            residuals = [None] * len(rows) if part.residual is None else part.residual.tolist()
            for row, residual in zip(rows, residuals, strict=True):
                streams[row] = (streams[row] or Progress()).after(wanted, residual)
        order = torch.tensor([row for rows, _ in parts for row in rows]).argsort()
        memory.streams = streams
        memory.tensors = {
            key: _joined([part.memory[key] for _, part in parts], order) for key in parts[0][1].memory
        }
        cost = sum((part.cost for _, part in parts), Cost(dense=self.dense_macs(tuple(frames.shape))))
        return StepResult(
            prediction=Segmentation(_joined([part.logits for _, part in parts], order), size),
            actions=None,
            keyframe=torch.tensor(keys),
            cost=cost,
        )

    def reset(self, streams: Sequence[int] | None = None) -> None:
        """Forget the past of these streams (all by default)."""
        if streams is None:
            self._memory = None
        elif self._memory is not None:
            for row in streams:
                self._memory.streams[row] = None

    def drop(self, streams: Sequence[int]) -> None:
        """These streams have ended."""
        if self._memory is not None:
            memory = self._memory
            stay = [row for row in range(len(memory.streams)) if row not in streams]
            memory.streams = [memory.streams[row] for row in stay]
            memory.tensors = {key: value[stay] for key, value in memory.tensors.items()}

    def get_state(self) -> dict[str, Any]:
        """What is remembered of the streams."""
        if self._memory is None:
            return {}
        memory = self._memory
        streams = [None if progress is None else asdict(progress) for progress in memory.streams]
        return {"size": memory.size, "streams": streams, "tensors": dict(memory.tensors)}

    def set_state(self, state: dict[str, Any]) -> None:
        """Continue from ``get_state``."""
        if not state:
            self._memory = None
            return
        streams = [None if each is None else Progress(**each) for each in state["streams"]]
        self._memory = Memory(tuple(state["size"]), streams, dict(state["tensors"]))


def _joined(parts: list[Tensor], order: Tensor) -> Tensor:
    """The rows of all parts, in the order of the streams."""
    return parts[0] if len(parts) == 1 else torch.cat(parts)[order.to(parts[0].device)]
