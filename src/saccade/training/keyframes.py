"""Training for key-frame methods: what is learned beside a frozen network, from its own answers.

The loss of GSVNet (Lee et al., WACV 2021): cross-entropy where there are labels, and everywhere the distance
to what the frozen network says of the frame itself.
"""

from __future__ import annotations

from abc import abstractmethod

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from saccade.classes import ClassSet
from saccade.datasets import open_dataset
from saccade.errors import ConfigError, DatasetError
from saccade.evaluation.confusion import ConfusionMatrix
from saccade.methods import VideoMethod, choose_placement
from saccade.networks import load_network
from saccade.networks.flow import load_flow
from saccade.networks.registry import network_info
from saccade.training.clips import class_counts
from saccade.training.data import class_set
from saccade.training.keyframe_data import AnsweredClips, Walks
from saccade.training.losses import class_weights, distillation, segmentation_loss
from saccade.training.recipe import StageConfig, TrainConfig
from saccade.training.task import Task
from saccade.video.frame import normalise


class FrozenTask(Task):
    """Something that answers on video, beside a frozen network for single frames.

    Args:
        config: The recipe.
        device: Where the frozen network runs.

    Raises:
        ConfigError: The frozen network is for other classes.
    """

    score = "miou"

    def __init__(self, config: TrainConfig, device: torch.device) -> None:
        self._config = config
        self.classes: ClassSet = class_set(config.class_set)
        keyframes = config.keyframes
        frozen = load_network(keyframes.network)
        known = network_info(frozen).class_set
        if known is None or known.names != self.classes.names:
            raise ConfigError(
                f"network {keyframes.network} of keyframes is not for the classes of {self.classes.name}; "
                "name weights that are"
            )
        placement = choose_placement(frozen, str(device), "auto", config.stages[0].crop)
        self._frozen = placement.apply(frozen)
        self._weights: Tensor | None = None
        if config.loss.class_weights != "none":
            counts = class_counts(config, len(self.classes))
            self._weights = class_weights(config.loss.class_weights, counts).to(device)

    def answer_loss(self, logits: Tensor, labels: Tensor, answers: Tensor) -> Tensor:
        """Cross-entropy where there are labels, and the distance to the frozen network's answers.

        Args:
            logits: ``(N, K, h, w)`` of what learns.
            labels: ``(N, H, W)``.
            answers: ``(N, K, h, w)``.
        """
        loss = segmentation_loss(logits, labels, self._config.loss, self._weights)
        return loss + self._config.keyframes.distillation * distillation(logits, answers)

    def metadata(self) -> dict[str, str]:
        return {"keyframe_weights": network_info(self._frozen).weights or ""}

    @abstractmethod
    def method(self, network: nn.Module) -> VideoMethod:
        """What the network is learned for, with it; the network is not changed by its use."""

    @torch.inference_mode()
    def validate(self, network: nn.Module, device: torch.device) -> float | None:
        """mIoU of the method over the clips of the validation data, every labelled frame scored."""
        data = self._config.validation
        if data is None:
            return None
        dataset = open_dataset(data.dataset, data.root, data.split, **data.options)
        if dataset.classes.names != self.classes.names:
            raise DatasetError(
                f"validation data is labelled in {dataset.classes.name}, not {self.classes.name}"
            )
        method, matrix = self.method(network), ConfusionMatrix(len(self.classes), alone=True)
        for clip in dataset.clips():
            method.reset()
            for sample in clip:
                image = torch.from_numpy(np.ascontiguousarray(sample.frame.image))
                result = method.step(normalise(image.permute(2, 0, 1)[None].to(device)))
                if sample.label is not None:
                    labels = result.segmentation.labels((sample.label.shape[0], sample.label.shape[1]))
                    matrix.update(labels[0].cpu(), torch.from_numpy(sample.label))
        return float(matrix.miou())


class KeyframesTask(FrozenTask):
    """Scores of later frames, from those of a key frame.

    Args:
        config: The recipe.
        device: Where the frozen network runs.
        update_scale: For methods that see every frame reduced by another network: the factor on its sides.
        update: That network; the frozen one by default.
    """

    def __init__(
        self,
        config: TrainConfig,
        device: torch.device,
        update_scale: float | None = None,
        update: nn.Module | None = None,
    ) -> None:
        super().__init__(config, device)
        self._flow = load_flow(config.keyframes.flow).to(device)
        self._clips = AnsweredClips(config, self._frozen, self._flow, self.classes, update_scale, update)

    def length(self, stage: StageConfig) -> int:
        return len(self._clips.of(stage))

    def crops(self, stage: StageConfig, epoch: int) -> Dataset[tuple[Tensor, Tensor]]:
        return Walks(self._clips, stage, self._config, epoch)

    def loss(self, output: Tensor, targets: Tensor) -> Tensor:
        return self.answer_loss(output, targets[:, 0].long(), targets[:, 1:])

    def metadata(self) -> dict[str, str]:
        keyframes = self._config.keyframes
        return super().metadata() | {"flow": keyframes.flow, "path": keyframes.path}
