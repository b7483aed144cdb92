"""What a network is trained for: its data, its loss and its score."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from saccade.classes import ClassSet
from saccade.training.recipe import StageConfig, TrainConfig


class Task(Protocol):
    """Everything of the loop that depends on what is learned.

    Attributes:
        classes: Of the network that is trained.
        score: Name of what ``validate`` gives, as in the log: ``miou`` or ``ap50``.
    """

    classes: ClassSet
    score: str

    def length(self, stage: StageConfig) -> int:
        """Crops of one epoch."""
        ...

    def crops(self, stage: StageConfig, epoch: int) -> Dataset[tuple[Tensor, Tensor]]:
        """Those of an epoch: images ``(3, h, w)`` in 0..255, and what ``loss`` wants with them."""
        ...

    def loss(self, output: Any, targets: Tensor) -> Tensor:
        """Scalar loss of a batch, from what the network answered."""
        ...

    def validate(self, network: nn.Module, device: torch.device) -> float | None:
        """Score on the validation data, 0..1; None without any."""
        ...


def open_task(config: TrainConfig, device: torch.device) -> Task:
    """The task of a recipe, with its data.

    Raises:
        DatasetError: Training data is missing or does not fit.
    """
    if config.task == "detection":
        from saccade.training.detection import DetectionTask

        return DetectionTask(config)
    from saccade.training.segmentation import SegmentationTask

    return SegmentationTask(config, device)
