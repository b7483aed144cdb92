"""Training of TDNet (Hu et al., CVPR 2020): sub-networks that take turns learn from a frozen network."""

from __future__ import annotations

import copy
from functools import partial

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from saccade.methods import VideoMethod
from saccade.methods.configs import TDNetConfig
from saccade.methods.tdnet import TemporallyDistributed
from saccade.networks.flow.warp import resized
from saccade.networks.tdnet import FORMS, TDNet
from saccade.training.grouped import grouped_scores
from saccade.training.keyframe_data import network_scores
from saccade.training.keyframes import FrozenTask
from saccade.training.recipe import StageConfig, TrainConfig
from saccade.training.shown_clips import ShownClips
from saccade.training.turns_data import Turns
from saccade.video.frame import normalise

ALONE = 0.5
"""Weight of what a sub-network says alone, beside what it says with the others."""


class TurnsTask(FrozenTask):
    """The frozen network's answer, and the label, from m frames that as many sub-networks see.

    Of the frozen network every sub-network learns, with the others, the whole answer; alone it learns the
    same, or with ``keyframes.grouped``, as in the paper, what a part of the channels of its own says.
    """

    def __init__(self, config: TrainConfig, device: torch.device) -> None:
        super().__init__(config, device)
        self._paths = FORMS[config.network].paths
        farthest = (self._paths - 1) * max(config.keyframes.distances)
        answers = partial(network_scores, self._frozen)
        if config.keyframes.grouped:
            answers = partial(grouped_scores, self._frozen, self._paths)
        self._clips = ShownClips(config, answers, self.classes, farthest)

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
        return Turns(self._clips, stage, self._config, self._paths, epoch)

    def loss(self, output: tuple[Tensor, Tensor], targets: Tensor) -> Tensor:
        labels = targets[:, 0].long()
        known = resized(targets[:, 1:], (output[0].shape[2], output[0].shape[3])).split(len(self.classes), 1)
        total = targets.new_zeros(())
        for weight, logits, answers in zip((1.0, ALONE), output, (known[0], known[-1]), strict=True):
            total = total + weight * self.answer_loss(logits, labels, answers)
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
