"""Networks and videos whose every figure can be computed by hand.

A painted image has grey value ``60 * k`` where the network below will answer class ``k``: the picture is
the prediction.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from saccade.classes import ClassSet
from saccade.datasets.clip import Sample
from saccade.methods.base import Cost, Segmentation, StepResult, VideoMethod
from saccade.methods.configs import FrameConfig
from saccade.video.frame import MEAN, STD, Frame

CLASSES = ClassSet("painted", ("sky", "road", "car", "tree"), ((0, 0, 0), (9, 9, 9), (99, 9, 9), (9, 99, 9)))
CONVOLUTION_MACS = 3 * 4
"""Per pixel: a 1x1 convolution from three channels to four classes."""


def painted_network() -> nn.Conv2d:
    """A 1x1 convolution that answers the class whose grey value is nearest."""
    centre = (60 * torch.arange(4.0) / 255 - MEAN[0]) / STD[0]
    network = nn.Conv2d(3, 4, 1)
    with torch.no_grad():
        network.weight.zero_()
        network.weight[:, 0, 0, 0] = 2 * centre
        network.bias.copy_(-centre.square())
    return network.requires_grad_(False)


def paint(prediction: Sequence[Sequence[int]] | np.ndarray, index: int = 0, source: str = "painted") -> Frame:
    grey = np.asarray(prediction, np.uint8) * 60
    return Frame(np.repeat(grey[:, :, None], 3, axis=2), index, index / 10, source)


@dataclass
class PaintedClip:
    samples: list[Sample]
    name: str = "clip"
    fps: float = 10.0

    def __len__(self) -> int:
        return len(self.samples)

    def __iter__(self) -> Iterator[Sample]:
        return iter(self.samples)


@dataclass
class PaintedDataset:
    parts: list[PaintedClip]
    name: str = "painted"
    split: str = "val"
    classes: ClassSet = CLASSES

    def clips(self) -> list[PaintedClip]:
        return self.parts

    def labelled(self) -> list[Sample]:
        return [sample for clip in self.parts for sample in clip.samples if sample.label is not None]


@dataclass
class PaintedSource:
    """Frames from memory, with what ``process`` looks at in a ``Source``."""

    predictions: list[np.ndarray]
    name: str = "painted"
    fps: float = 10.0
    dropped: int = 0
    warnings: list[str] = field(default_factory=list)

    @property
    def length(self) -> int:
        return len(self.predictions)

    @property
    def height(self) -> int:
        return self.predictions[0].shape[0]

    @property
    def width(self) -> int:
        return self.predictions[0].shape[1]

    def __iter__(self) -> Iterator[Frame]:
        for index, prediction in enumerate(self.predictions):
            yield paint(prediction, index, self.name)

    def close(self) -> None:
        pass


@dataclass(frozen=True)
class HoldConfig:
    """Every n-th frame in full, its answer held until the next.

    Args:
        interval: From one keyframe to the next.
    """

    interval: int = 2


class Hold(VideoMethod):
    """A method with a past: each stream counts its own frames and remembers its last answer."""

    def __init__(self, network: nn.Module, config: HoldConfig) -> None:
        super().__init__()
        self.network = network.eval()
        self.config = config
        self.reset()

    def reset(self, streams: Sequence[int] | None = None) -> None:
        assert streams is None
        self._held: list[Tensor] = []
        self._ages: list[int] = []

    def drop(self, streams: Sequence[int]) -> None:
        self._held = [held for i, held in enumerate(self._held) if i not in streams]
        self._ages = [age for i, age in enumerate(self._ages) if i not in streams]

    def get_state(self) -> dict[str, Any]:
        return {"held": self._held, "ages": self._ages}

    def set_state(self, state: dict[str, Any]) -> None:
        self._held = list(state.get("held", []))
        self._ages = list(state.get("ages", []))

    def step(self, frames: Tensor) -> StepResult:
        if not self._ages:
            self._ages, self._held = [0] * len(frames), list(frames)
        assert len(self._ages) == len(frames), "the number of streams changed without drop"
        key = [age % self.config.interval == 0 for age in self._ages]
        self._ages = [age + 1 for age in self._ages]
        logits = self.network(frames)
        self._held = [logits[i] if key[i] else self._held[i] for i in range(len(frames))]
        height, width = frames.shape[2:]
        dense = CONVOLUTION_MACS * height * width
        return StepResult(
            prediction=Segmentation(torch.stack(self._held), (height, width)),
            actions=torch.tensor(
                [[[2, 2], [2, 2]] if k else [[0, 0], [0, 1]] for k in key], dtype=torch.int8
            ),
            keyframe=torch.tensor(key),
            cost=Cost(
                network=float(dense * sum(key)), policy=8.0 * len(frames), dense=float(dense * len(frames))
            ),
        )


__all__ = [
    "CLASSES", "CONVOLUTION_MACS", "FrameConfig", "Hold", "HoldConfig", "PaintedClip", "PaintedDataset",
    "PaintedSource", "paint", "painted_network",
]  # fmt: skip
