"""Training for detection: crops with boxes, the loss of CSP, AP50."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from saccade.classes import ClassSet
from saccade.datasets import open_dataset
from saccade.datasets.clip import BoxDataset
from saccade.errors import DatasetError
from saccade.evaluation.detection_scores import DetectionScores
from saccade.networks.detector import Detector
from saccade.training.csp_loss import csp_loss
from saccade.training.detection_data import BoxCrops, BoxImages
from saccade.training.recipe import DataConfig, StageConfig, TrainConfig
from saccade.training.task import Task
from saccade.video.frame import normalise


class DetectionTask(Task):
    """A box for every object."""

    score = "ap50"

    def __init__(self, config: TrainConfig) -> None:
        self._config = config
        self._images = BoxImages.open(config)
        self.classes: ClassSet = self._images.classes

    def length(self, stage: StageConfig) -> int:
        return len(self._images.of(stage))

    def crops(self, stage: StageConfig, epoch: int) -> Dataset[tuple[Tensor, Tensor]]:
        return BoxCrops(self._images, stage, self._config.boxes, self._config.seed, epoch)

    def loss(self, output: Any, targets: Tensor) -> Tensor:
        return csp_loss(output, targets, self._config.boxes.loss_weights)

    def validate(self, network: nn.Module, device: torch.device) -> float | None:
        data = self._config.validation
        return None if data is None else average_precision(network, data, self.classes.names, device)


@torch.inference_mode()
def average_precision(
    network: nn.Module, data: DataConfig, names: tuple[str, ...], device: torch.device
) -> float | None:
    """AP50 over every frame with boxes of a data set, at its own size; None where nobody is there."""
    dataset = open_dataset(data.dataset, data.root, data.split, **data.options)
    if not isinstance(dataset, BoxDataset) or not isinstance(network, Detector):
        raise DatasetError(f"validation needs boxes: {data.dataset} has none, or the network is no detector")
    was_training = network.training
    network.eval()
    scores = DetectionScores(names)
    for item in dataset.boxed():
        image, boxes = item.load()
        frame = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None].to(device)
        (found,) = network.decode(network(normalise(frame)), (image.shape[0], image.shape[1]))
        scores.update(found, boxes)
    network.train(was_training)
    return scores.ap50
