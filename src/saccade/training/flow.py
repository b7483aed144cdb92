"""Training for optical flow: pairs of frames, end-point errors."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from saccade.errors import ConfigError
from saccade.networks.flow import FlowEstimator, load_flow, resize_flow
from saccade.training.flow_data import FlowCrops, FlowPairs, pairs_of, tensors_of
from saccade.training.recipe import DataConfig, StageConfig, TrainConfig
from saccade.training.task import Task
from saccade.video.frame import normalise

COARSER = 0.5
"""Weight of each further prediction, relative to the one before it."""


class FlowTask(Task):
    """Where each pixel was in the frame before."""

    classes = None
    score = "epe"

    def __init__(self, config: TrainConfig) -> None:
        self._config = config
        self._pairs = FlowPairs.open(config)

    def network(self, config: TrainConfig) -> nn.Module:
        estimator = load_flow(config.network, weights=config.init, **config.options)
        if not any(True for _ in estimator.parameters()):
            raise ConfigError(f"optical flow {config.network} has no weights to train")
        return estimator

    def learner(self, network: nn.Module) -> nn.Module:
        assert isinstance(network, FlowEstimator)
        return Predictions(network)

    def inputs(self, images: Tensor) -> tuple[Tensor, ...]:
        return normalise(images[:, 0]), normalise(images[:, 1])

    def length(self, stage: StageConfig) -> int:
        return len(self._pairs.of(stage))

    def crops(self, stage: StageConfig, epoch: int) -> Dataset[tuple[Tensor, Tensor]]:
        return FlowCrops(self._pairs, stage, self._config.seed, epoch)

    def loss(self, output: Sequence[Tensor], targets: Tensor) -> Tensor:
        return flow_loss(output, targets[:, :2], targets[:, 2] > 0)

    def validate(self, network: nn.Module, device: torch.device) -> float | None:
        data = self._config.validation
        assert isinstance(network, FlowEstimator)
        return None if data is None else mean_error(network, data, device)


class Predictions(nn.Module):
    """A flow network whose answer is every flow that it can be trained by."""

    def __init__(self, estimator: FlowEstimator) -> None:
        super().__init__()
        self.estimator = estimator

    def forward(self, now: Tensor, before: Tensor) -> list[Tensor]:
        return self.estimator.predictions(now, before)


def flow_loss(predictions: Sequence[Tensor], flow: Tensor, known: Tensor) -> Tensor:
    """Mean end-point errors of all predictions, coarser ones with a smaller weight.

    Args:
        predictions: ``(N, 2, h, w)`` each, in pixels of its map, the final one first.
        flow: ``(N, 2, H, W)`` the truth, in pixels.
        known: ``(N, H, W)`` bool, where the truth is known.

    Returns:
        Scalar, in pixels of the truth; 0 (with a gradient) where nothing is known.
    """
    count = known.sum().clamp_min(1)
    total = flow.new_zeros(())
    for number, prediction in enumerate(predictions):
        errors = end_point_errors(prediction, flow)
        total = total + COARSER**number * torch.where(known, errors, 0).sum() / count
    return total


def end_point_errors(prediction: Tensor, flow: Tensor) -> Tensor:
    """Distance between the ends of two flow vectors, ``(N, H, W)`` in pixels of the truth.

    Args:
        prediction: ``(N, 2, h, w)`` in pixels of its map; resized to the truth.
        flow: ``(N, 2, H, W)`` the truth.
    """
    difference = resize_flow(prediction, (flow.shape[2], flow.shape[3])) - flow
    # The root has no slope at zero.
    return (difference.square().sum(1) + 1e-6).sqrt()


@torch.inference_mode()
def mean_error(network: FlowEstimator, data: DataConfig, device: torch.device) -> float:
    """Mean end-point error over all visible pixels of a data set, in pixels of its frames."""
    was_training = network.training
    network.eval()
    total, count = 0.0, 0
    for pair in pairs_of(data):
        frames, flow, known = (tensor.to(device) for tensor in tensors_of(pair))
        now, before = normalise(frames)[:, None]
        errors = end_point_errors(network(now, before), flow[None])[0][known]
        total, count = total + float(errors.sum()), count + int(known.sum())
    network.train(was_training)
    return total / max(1, count)
