"""mIoU of a network on labelled frames, between epochs."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from saccade.classes import ClassSet
from saccade.datasets import open_dataset
from saccade.errors import DatasetError
from saccade.evaluation.confusion import ConfusionMatrix
from saccade.methods.base import Segmentation, VideoMethod
from saccade.training.recipe import DataConfig
from saccade.video.frame import normalise


@torch.inference_mode()
def validate(
    network: nn.Module | VideoMethod, data: DataConfig, classes: ClassSet, device: torch.device
) -> float:
    """Score every labelled frame of a data set at its native size, one confusion matrix for all.

    Args:
        network: Gives class scores; or a method that does, which has forgotten all streams before each frame.
        data: What to score on.
        classes: What its labels must be in.
        device: Where the network is.
    """
    dataset = open_dataset(data.dataset, data.root, data.split, **data.options)
    if dataset.classes.names != classes.names:
        raise DatasetError(f"validation data is labelled in {dataset.classes.name}, not {classes.name}")
    was_training = network.training
    network.eval()
    matrix = ConfusionMatrix(len(classes), alone=True)
    for item in dataset.labelled():
        image, label = item.load()
        frame = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None].to(device)
        if isinstance(network, VideoMethod):
            network.reset()
            labels = network.step(normalise(frame)).segmentation.labels(label.shape)
        else:
            labels = Segmentation(network(normalise(frame)), label.shape).labels()
        matrix.update(labels[0].cpu(), torch.from_numpy(label))
    network.train(was_training)
    return float(matrix.miou())
