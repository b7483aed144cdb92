"""What optical flow learns from by its use: a key frame, a later frame, and the answer to the later one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from saccade.errors import ConfigError
from saccade.networks.flow import FlowEstimator, load_flow, warp
from saccade.networks.flow.warp import resized
from saccade.training.clips import Ways
from saccade.training.data import crop_generator
from saccade.training.keyframe_data import network_scores
from saccade.training.keyframes import FrozenTask
from saccade.training.recipe import StageConfig, TrainConfig
from saccade.training.shown_clips import ShownClips, cut_out
from saccade.training.task import FLOW
from saccade.video.frame import normalise


class PairsTask(FrozenTask):
    """The answer to a later frame, from a key frame and flow that learns.

    Raises:
        ConfigError: A crop is larger than the frames that it is cut out of.
    """

    def __init__(self, config: TrainConfig, device: torch.device) -> None:
        super().__init__(config, device)
        answers = partial(network_scores, self._frozen)
        self._clips = ShownClips(config, answers, self.classes, max(config.keyframes.distances))

    def inputs(self, images: Tensor) -> tuple[Tensor, ...]:
        """Frames ``(N, S + 1, 3, h, w)``, the key frame first."""
        return (normalise(images.flatten(0, 1)).unflatten(0, images.shape[:2]),)

    def length(self, stage: StageConfig) -> int:
        return len(self._clips.of(stage))

    def crops(self, stage: StageConfig, epoch: int) -> Pairs:
        return Pairs(self._clips, stage, self._config, epoch)

    def loss(self, output: Tensor, targets: Tensor) -> Tensor:
        answers = resized(targets[:, 1:], (output.shape[2], output.shape[3]))
        return self.answer_loss(output, targets[:, 0].long(), answers)


class Pairs(Ways):
    """Crops of a key frame and a later frame."""

    clips: ShownClips

    def __getitem__(self, position: int) -> tuple[Tensor, Tensor]:
        """The frames that flow is asked for, and the answer to the last.

        Returns:
            ``(S + 1, 3, h, w)`` in 0..255, the key frame first: with path ``direct`` only the two, else all
            frames between them too; only the key frame where the distance is 0. And ``(1 + K, h, w)``: label
            and scores of the last frame.
        """
        distance = self.distance(position)
        clip, last = self.clips.frame(self.order[position])
        stride = max(1, distance) if self.path == "direct" else 1
        frames = range(last - distance, last + 1, stride)
        generator = crop_generator(self.seed, self.epoch, position)
        images, label, scores = cut_out(clip, frames, self.stage, generator)
        return images, torch.cat((label[None].float(), scores))


def flow_that_learns(name: str | Path, **settings: Any) -> FlowEstimator:
    """An estimator of optical flow, as ``load_flow`` gives it.

    Raises:
        ConfigError: It has no weights.
    """
    flow = load_flow(name, **settings)
    if not any(True for _ in flow.parameters()):
        raise ConfigError(f"optical flow {name} has no weights to train")
    return flow


def flow_of(parts: nn.ModuleDict) -> FlowEstimator:
    """The flow network among what learns together."""
    flow = parts[FLOW]
    assert isinstance(flow, FlowEstimator)
    return flow


def composed(flows: Sequence[Tensor]) -> Tensor:
    """Flow ``(N, 2, h, w)`` from the last frame to the first, from those between neighbours in order."""
    whole = flows[0]
    for flow in flows[1:]:
        whole = flow + warp(whole, flow, "border")
    return whole
