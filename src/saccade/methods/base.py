"""The interface that carries everything: a video method steps over frames and says what it cost."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor, nn

from saccade.errors import NetworkError
from saccade.methods.labelling import labels_from_logits
from saccade.networks.detector import Boxes


@dataclass(frozen=True, eq=False)
class Segmentation:
    """Dense class scores of N frames.

    Attributes:
        logits: ``(N, K, h, w)`` scores, usually at a quarter of the frame's resolution.
        size: ``(H, W)`` of the frames.
    """

    logits: Tensor
    size: tuple[int, int]

    def labels(self, size: tuple[int, int] | None = None) -> Tensor:
        """Class ids ``(N, H, W)`` uint8: logits bilinearly resized (corners not aligned), then argmax.

        Args:
            size: Resolution to score or draw at; that of the frames by default.
        """
        return labels_from_logits(self.logits, size or self.size)


@dataclass(frozen=True, eq=False)
class Detections:
    """Objects found in N frames.

    Attributes:
        frames: Boxes of each frame, in its pixels.
        size: ``(H, W)`` of the frames.
    """

    frames: tuple[Boxes, ...]
    size: tuple[int, int]

    def resized(self, size: tuple[int, int]) -> Detections:
        """The same on frames of another size."""
        factors = size[0] / self.size[0], size[1] / self.size[1]
        return Detections(tuple(boxes.resized(*factors) for boxes in self.frames), size)


Prediction = Segmentation | Detections
"""What a network says of N frames."""


@dataclass(frozen=True)
class Cost:
    """Multiply-accumulate operations of one step, over all its streams (1 MAC = 2 FLOPs).

    Attributes:
        network: Segmentation or detection network, as executed.
        policy: Deciding which blocks to execute.
        policy_training: Learning online.
        flow: Optical flow.
        halo: Share of ``network`` spent on pixels around blocks that dense execution does not compute.
        dense: What frame-by-frame execution of the same network costs.
    """

    network: float = 0.0
    policy: float = 0.0
    policy_training: float = 0.0
    flow: float = 0.0
    halo: float = 0.0
    dense: float = 0.0

    @property
    def total(self) -> float:
        """Everything that was executed (``halo`` is part of ``network``)."""
        return self.network + self.policy + self.policy_training + self.flow

    def __add__(self, other: Cost) -> Cost:
        return Cost(**{f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self)})


@dataclass(frozen=True, eq=False)
class StepResult:
    """What a method gives back for one frame of each of its N streams.

    Attributes:
        prediction: The network's answer: scores at every pixel of every frame, or boxes.
        actions: ``(N, GH, GW)`` int8 per block: 0 keep, 1 low resolution, 2 full; None for methods
            without blocks.
        keyframe: ``(N,)`` bool, True where the frame was computed in full.
        cost: MACs of this step.
        block_size: Side of the blocks in pixels; None for methods without blocks.
    """

    prediction: Prediction
    actions: Tensor | None
    keyframe: Tensor
    cost: Cost
    block_size: int | None = None

    @property
    def segmentation(self) -> Segmentation:
        """The prediction of a network that scores every pixel.

        Raises:
            NetworkError: The network gives boxes.
        """
        if not isinstance(self.prediction, Segmentation):
            raise NetworkError("a detector gives boxes and no classes of pixels; use a segmentation network")
        return self.prediction

    def of_stream(self, row: int) -> StepResult:
        """The part of one stream, with N = 1; its cost is an equal share."""
        streams = len(self.keyframe)
        one = slice(row, row + 1)
        prediction: Prediction
        if isinstance(self.prediction, Detections):
            prediction = Detections(self.prediction.frames[one], self.prediction.size)
        else:
            prediction = Segmentation(self.prediction.logits[one], self.prediction.size)
        return StepResult(
            prediction=prediction,
            actions=None if self.actions is None else self.actions[one],
            keyframe=self.keyframe[one],
            cost=Cost(**{f.name: getattr(self.cost, f.name) / streams for f in fields(Cost)}),
            block_size=self.block_size,
        )


class VideoMethod(nn.Module, ABC):
    """Runs a network over N independent video streams, one frame of each per step.

    ``state_dict`` holds what a method learned; ``get_state`` holds what it remembers of the videos.

    Attributes:
        network: What it runs, and what frame-by-frame execution is compared with.
        config: The frozen dataclass it was made from.
    """

    network: nn.Module
    config: Any

    @property
    def notes(self) -> list[str]:
        """What happened that the user should know."""
        return []

    @abstractmethod
    def step(self, frames: Tensor) -> StepResult:
        """Process the next frame of every stream.

        Args:
            frames: ``(N, 3, H, W)`` normalised frames (``Frame.tensor``), any H, W and N.
        """

    @abstractmethod
    def reset(self, streams: Sequence[int] | None = None) -> None:
        """Forget the past of these streams (all by default); the next frame is the first."""

    @abstractmethod
    def drop(self, streams: Sequence[int]) -> None:
        """These streams have ended: the next step has fewer, the remaining ones in the same order."""

    def _taken(self, frames: Tensor) -> Tensor:
        """Frames as the network takes them: on the device and in the precision of its first parameter.

        Raises:
            NetworkError: They are not ``(N, C, H, W)``.
        """
        if frames.ndim != 4:
            raise NetworkError(
                f"frames must be (N, 3, H, W), one of each of N streams, not {tuple(frames.shape)}; give a "
                "single one as frame[None]"
            )
        parameter = next((p for p in self.network.parameters() if p.is_floating_point()), frames)
        return frames.to(parameter.device, parameter.dtype, memory_format=torch.channels_last)

    def get_state(self) -> dict[str, Any]:
        """What the method remembers of its streams, to continue later; empty where it remembers nothing.

        May share memory with the method: it is good until the method steps again from another state.
        """
        return {}

    def set_state(self, state: dict[str, Any]) -> None:
        """Continue from what ``get_state`` gave; an empty dictionary forgets everything."""
