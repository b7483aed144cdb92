"""A detector that anyone can check: it finds bright squares, and a little data for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from saccade.classes import PEDESTRIANS, ClassSet
from saccade.datasets.clip import Box, Sample
from saccade.networks.detector import Boxes
from saccade.networks.registry import NetworkInfo
from saccade.video.frame import Frame

MACS = 3
"""Per pixel: a 1x1 convolution of three channels."""


class Spots(nn.Module):
    """A box around everything bright; the brighter the higher its score (grey 255 is 1)."""

    def __init__(self) -> None:
        super().__init__()
        self.info = NetworkInfo("spots", PEDESTRIANS)
        self.mean = nn.Conv2d(3, 1, 1)
        with torch.no_grad():  # from normalised colours to grey 0..1
            self.mean.weight.copy_(torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1) / 3)
            self.mean.bias.fill_((0.485 + 0.456 + 0.406) / 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.mean(x)

    def decode(self, maps: Tensor, size: tuple[int, int]) -> list[Boxes]:
        return [self._boxes(grey[0].numpy()) for grey in maps]

    def _boxes(self, grey: np.ndarray) -> Boxes:
        count, _, stats, _ = cv2.connectedComponentsWithStats((grey > 0.3).astype(np.uint8))
        rows = []
        for left, top, width, height, _ in stats[1:count].tolist():
            score = float(grey[top : top + height, left : left + width].max())
            rows.append((score, left, top, left + width, top + height))
        table = torch.tensor(sorted(rows, reverse=True)).reshape(-1, 5)
        return Boxes(table[:, 1:], table[:, 0], torch.zeros(len(table), dtype=torch.int64))


Spot = tuple[int, int, int, int, int]
"""Left, top, width, height, grey."""


def spotted(spots: list[Spot], index: int = 0, size: tuple[int, int] = (80, 120)) -> Frame:
    image = np.zeros((*size, 3), np.uint8)
    for left, top, width, height, grey in spots:
        image[top : top + height, left : left + width] = grey
    return Frame(image, index, index / 10, "spots")


def person(left: int, top: int, width: int, height: int, **more: object) -> Box:
    return Box(left, top, left + width, top + height, "person", 0, **{"visible": 1.0, **more})


@dataclass
class SpotClip:
    samples: list[Sample]
    name: str = "clip"
    fps: float = 10.0

    def __len__(self) -> int:
        return len(self.samples)

    def __iter__(self) -> Iterator[Sample]:
        return iter(self.samples)


@dataclass
class SpotDataset:
    parts: list[SpotClip]
    name: str = "spots"
    split: str = "val"
    classes: ClassSet = PEDESTRIANS

    def clips(self) -> list[SpotClip]:
        return self.parts

    def labelled(self) -> list[Sample]:
        return []


@dataclass
class SpotSource:
    """Frames from memory, with what ``process`` looks at in a ``Source``."""

    frames: list[list[Spot]]
    name: str = "spots"
    fps: float = 10.0
    dropped: int = 0
    warnings: tuple[str, ...] = ()
    live: bool = False
    height: int = 80
    width: int = 120

    @property
    def length(self) -> int:
        return len(self.frames)

    def __iter__(self) -> Iterator[Frame]:
        for index, spots in enumerate(self.frames):
            yield spotted(spots, index, (self.height, self.width))

    def close(self) -> None:
        pass
