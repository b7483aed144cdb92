"""Training for segmentation: crops with labels, cross-entropy, mIoU."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from saccade.classes import ClassSet
from saccade.training.data import Crops, TrainingImages
from saccade.training.losses import class_weights, segmentation_loss
from saccade.training.recipe import StageConfig, TrainConfig
from saccade.training.task import Task
from saccade.training.validation import validate


class SegmentationTask(Task):
    """A class for every pixel."""

    score = "miou"

    def __init__(self, config: TrainConfig, device: torch.device) -> None:
        self._config = config
        self._images = TrainingImages.open(config)
        self.classes: ClassSet = self._images.classes
        self._weights: Tensor | None = None
        if config.loss.class_weights != "none":
            counts = self._images.class_counts()
            self._weights = class_weights(config.loss.class_weights, counts).to(device)

    def length(self, stage: StageConfig) -> int:
        return len(self._images.of(stage))

    def crops(self, stage: StageConfig, epoch: int) -> Dataset[tuple[Tensor, Tensor]]:
        return Crops(self._images, stage, self._config.seed, epoch)

    def loss(self, output: Any, targets: Tensor) -> Tensor:
        # Heads that serve training alone count as much as the network's answer, which comes first.
        answers = output if isinstance(output, (tuple, list)) else (output,)
        losses = [segmentation_loss(logits, targets, self._config.loss, self._weights) for logits in answers]
        return torch.stack(losses).sum()

    def validate(self, network: nn.Module, device: torch.device) -> float | None:
        data = self._config.validation
        return None if data is None else validate(network, data, self.classes, device)
