"""Training of the correcting network of GSVNet (Lee et al., WACV 2021)."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from saccade.classes import ClassSet
from saccade.errors import ConfigError
from saccade.methods import VideoMethod
from saccade.methods.configs import GSVNetConfig
from saccade.methods.gsvnet import GSVNet, moved, unlike
from saccade.networks.correction import NAME, GuidedCorrection, load_correction
from saccade.networks.flow import FlowEstimator
from saccade.networks.registry import NetworkInfo, attach_info, network_info
from saccade.training.keyframes import KeyframesTask
from saccade.training.recipe import KeyframesConfig, TrainConfig
from saccade.video.frame import normalise

LEARNED_STEPS = 2
"""Gradients go through so many of the last steps from a key frame."""


class CorrectionTask(KeyframesTask):
    """Moved scores, and the frame, to scores as the network would give them."""

    def network(self, config: TrainConfig) -> nn.Module:
        return new_correction(config, self.classes)

    def learner(self, network: nn.Module) -> nn.Module:
        assert isinstance(network, GuidedCorrection)
        return Walk(network)

    def inputs(self, images: Tensor) -> tuple[Tensor, ...]:
        """Pictures ``(N, S + 1, 3, h, w)``, flows ``(N, S, 2, h, w)`` and scores ``(N, K, h, w)``."""
        pictures = normalise(images[:, :, :3].flatten(0, 1)).unflatten(0, images.shape[:2])
        return pictures, images[:, 1:, 3:5], images[:, 0, 5:].contiguous(memory_format=torch.channels_last)

    def method(self, network: nn.Module) -> VideoMethod:
        return with_correction(self._frozen, self._flow, network, self._config.keyframes)


def new_correction(config: TrainConfig, classes: ClassSet) -> GuidedCorrection:
    """The correction that a recipe begins with.

    Raises:
        ConfigError: It is for another number of classes.
    """
    if config.init is not None:
        correction = load_correction(config.init)
        if correction.classes != len(classes):
            raise ConfigError(f"{config.init} is for {correction.classes} classes; start without init")
    else:
        correction = GuidedCorrection(len(classes), **config.options)
    attach_info(correction, NetworkInfo(NAME, classes, config.init, network_info(correction).options))
    return correction


def with_correction(
    frozen: nn.Module, flow: FlowEstimator, correction: nn.Module, keyframes: KeyframesConfig
) -> GSVNet:
    """The method that a correction, which is copied, is learned for."""
    assert isinstance(correction, GuidedCorrection)
    assert keyframes.path != "direct"
    config = GSVNetConfig(
        interval=max(keyframes.distances) + 1, path=keyframes.path, legacy=correction.legacy
    )
    return GSVNet(frozen, config, flow=flow, correction=copy.deepcopy(correction))


class Walk(nn.Module):
    """From a key frame to the last of the frames after it, moved and corrected in every step.

    Args:
        correction: Learns from the last two steps; those before are done as they will be in use.
    """

    def __init__(self, correction: GuidedCorrection) -> None:
        super().__init__()
        self.correction = correction

    def forward(self, pictures: Tensor, flows: Tensor, scores: Tensor) -> Tensor:
        """Scores of the last frame, ``(N, K, h, w)``.

        Args:
            pictures: ``(N, S + 1, 3, h, w)`` normalised, the key frame first.
            flows: ``(N, S, 2, h, w)`` from each frame to the one before it.
            scores: ``(N, K, h, w)`` of the key frame.
        """
        training, steps = self.training, flows.shape[1]
        for step in range(steps):
            learned = training and step >= steps - LEARNED_STEPS
            self.correction.train(learned)
            with torch.set_grad_enabled(learned and torch.is_grad_enabled()):
                scores = self._step(pictures[:, step + 1], pictures[:, step], flows[:, step], scores)
        self.correction.train(training)
        return scores

    def _step(self, picture: Tensor, before: Tensor, flow: Tensor, scores: Tensor) -> Tensor:
        surprise = unlike(picture, before, flow)
        scores = moved(scores, flow, legacy=self.correction.legacy)
        corrected: Tensor = self.correction(picture, scores, surprise)
        return corrected
