"""What a network is trained for: its data, its loss and its score."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from saccade.classes import ClassSet
from saccade.errors import ConfigError
from saccade.networks import load_network
from saccade.networks.detector import is_detector
from saccade.training.recipe import StageConfig, TrainConfig
from saccade.video.frame import normalise

FLOW = "optical_flow"
"""Name of a flow network among parts that learn together."""


class Task(ABC):
    """Everything of the loop that depends on what is learned.

    Attributes:
        classes: Of the network that is trained; None where it has none.
        score: Name of what ``validate`` gives, as in the log: ``miou``, ``ap50`` or ``epe``.
    """

    classes: ClassSet | None
    score: ClassVar[str]

    def network(self, config: TrainConfig) -> nn.Module:
        """What is trained and saved, with the values that the recipe starts from.

        Raises:
            ConfigError: The network is for another task.
        """
        network = load_network(
            config.network,
            weights=config.init,
            classes=self.classes,
            new_head=config.init is not None,
            **config.options,
        )
        if is_detector(network) != (config.task == "detection"):
            what = "detection" if is_detector(network) else "segmentation"
            raise ConfigError(
                f"network {config.network} is for {what}: set task: {what}, or name another network"
            )
        return network

    def learner(self, network: nn.Module) -> nn.Module:
        """What answers during training: the network, or a module around it."""
        return network

    def inputs(self, images: Tensor) -> tuple[Tensor, ...]:
        """What the learner is called with, from a batch of ``crops``."""
        return (normalise(images),)

    @abstractmethod
    def length(self, stage: StageConfig) -> int:
        """Crops of one epoch."""

    @abstractmethod
    def crops(self, stage: StageConfig, epoch: int) -> Dataset[tuple[Tensor, Tensor]]:
        """Those of an epoch: images ``(3, h, w)`` in 0..255, and what ``loss`` wants with them."""

    @abstractmethod
    def loss(self, output: Any, targets: Tensor) -> Tensor:
        """Scalar loss of a batch, from what the learner answered."""

    def parts(self, network: nn.Module) -> dict[str, nn.Module]:
        """What is saved of what ``network`` gave, by the names of the files; ``weights`` is always there."""
        return {"weights": network}

    def metadata(self) -> dict[str, str]:
        """What weights files say beside what every one says."""
        return {}

    @abstractmethod
    def validate(self, network: nn.Module, device: torch.device) -> float | None:
        """Score on the validation data; None without any."""


def open_task(config: TrainConfig, device: torch.device) -> Task:
    """The task of a recipe, with its data.

    Raises:
        DatasetError: Training data is missing or does not fit.
    """
    match config.task:
        case "detection":
            from saccade.training.detection import DetectionTask

            return DetectionTask(config)
        case "flow":
            from saccade.training.flow import FlowTask

            return FlowTask(config)
        case "keyframes":
            return _keyframes(config, device)
    if config.blocks is not None:
        from saccade.training.blocks import BlocksTask

        return BlocksTask(config, device)
    from saccade.training.segmentation import SegmentationTask

    return SegmentationTask(config, device)


def _keyframes(config: TrainConfig, device: torch.device) -> Task:
    from saccade.networks import correction, fusion, tdnet
    from saccade.networks.flow import list_flows

    if config.network in list_flows() and not config.keyframes.learn_flow:
        from saccade.training.dff import FeatureFlowTask

        return FeatureFlowTask(config, device)
    if config.keyframes.learn_network or config.keyframes.path == "direct":
        raise ConfigError("learn_network and path direct, of keyframes, are for an optical flow as network")
    if config.keyframes.learn_flow:
        if config.network != correction.NAME:
            raise ConfigError(f"learn_flow, of keyframes, is for {correction.NAME} as network")
        from saccade.training.joint_correction import JointCorrectionTask

        return JointCorrectionTask(config, device)
    if config.network in tdnet.FORMS:
        from saccade.training.turns import TurnsTask

        return TurnsTask(config, device)
    match config.network:
        case correction.NAME:
            from saccade.training.correction import CorrectionTask

            return CorrectionTask(config, device)
        case fusion.NAME:
            from saccade.training.fusion import FusionTask

            return FusionTask(config, device)
    raise ConfigError(
        f"task keyframes trains {correction.NAME}, {fusion.NAME}, a TDNet ({', '.join(tdnet.FORMS)}) or an "
        f"optical flow ({', '.join(list_flows())}), not {config.network}; name one of them"
    )
