"""Training of TDNet (Hu et al., CVPR 2020): sub-networks that take turns learn from a frozen network."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from saccade.errors import ConfigError
from saccade.methods import VideoMethod
from saccade.methods.configs import TDNetConfig
from saccade.methods.tdnet import TemporallyDistributed
from saccade.networks.flow.warp import resized
from saccade.networks.tdnet import FORMS, TDNet
from saccade.training.keyframes import FrozenTask, distillation
from saccade.training.losses import segmentation_loss
from saccade.training.recipe import StageConfig, TrainConfig
from saccade.training.turns_data import ShownClips, Turns
from saccade.video.frame import normalise

ALONE = 0.5
"""Weight of what a sub-network says alone, beside what it says with the others."""


class TurnsTask(FrozenTask):
    """The frozen network's answer, and the label, from m frames that as many sub-networks see.

    Of the frozen network every sub-network learns the whole answer. In the paper each learns from a part of
    the channels of its last layers.

    Raises:
        ConfigError: A crop is larger than the frames that it is cut out of.
    """

    def __init__(self, config: TrainConfig, device: torch.device) -> None:
        size = config.keyframes.size
        for stage in config.stages:
            if any(crop > round(side * stage.scale[0]) for crop, side in zip(stage.crop, size, strict=True)):
                raise ConfigError(
                    f"a crop of {list(stage.crop)} does not fit in frames of {list(size)} (keyframes.size) "
                    f"at scale {stage.scale[0]:g}; make it smaller, or the scale larger"
                )
        super().__init__(config, device)
        self._clips = ShownClips(config, self._frozen, self.classes, FORMS[config.network].paths)

    def learner(self, network: nn.Module) -> nn.Module:
        assert isinstance(network, TDNet)
        return TakingTurns(network)

    def inputs(self, images: Tensor) -> tuple[Tensor, ...]:
        """Frames ``(N, m, 3, h, w)`` and the number of the last one's sub-network."""
        frames = normalise(images[:, :, :3].flatten(0, 1)).unflatten(0, images.shape[:2])
        return frames, images[0, 0, 3, 0, 0]

    def length(self, stage: StageConfig) -> int:
        return len(self._clips.of(stage))

    def crops(self, stage: StageConfig, epoch: int) -> Dataset[tuple[Tensor, Tensor]]:
        return Turns(self._clips, stage, self._config.seed, epoch)

    def loss(self, output: tuple[Tensor, Tensor], targets: Tensor) -> Tensor:
        labels, answers = targets[:, 0].long(), targets[:, 1:]
        answers = resized(answers, (output[0].shape[2], output[0].shape[3]))
        total = targets.new_zeros(())
        for weight, logits in zip((1.0, ALONE), output, strict=True):
            learned = self._config.keyframes.distillation * distillation(logits, answers)
            total = total + weight * (segmentation_loss(logits, labels, self._config.loss) + learned)
        return total

    def method(self, network: nn.Module) -> VideoMethod:
        return TemporallyDistributed(copy.deepcopy(network), TDNetConfig())


class TakingTurns(nn.Module):
    """All sub-networks on m frames that follow each other, each on one."""

    def __init__(self, network: TDNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, frames: Tensor, turn: Tensor) -> tuple[Tensor, Tensor]:
        """The answer to the last frame, with the other sub-networks and alone: ``(N, K, h / 8, w / 8)``.

        Args:
            frames: ``(N, m, 3, h, w)`` normalised.
            turn: Number of the sub-network that sees the last frame.
        """
        last = int(turn) + self.network.form.paths
        layout = torch.channels_last
        *before, now = (frame.contiguous(memory_format=layout) for frame in frames.unbind(1))
        past = [
            self.network.kept(self.network.encode(frame, last - len(before) + number))
            for number, frame in enumerate(before)
        ]
        full = self.network.encode(now, last)
        return self.network.answer(full, last, past), self.network.answer(full, last, ())
