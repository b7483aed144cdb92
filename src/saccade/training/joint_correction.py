"""Training of GSVNet's correction together with its optical flow (Lee et al., WACV 2021)."""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from saccade.methods import VideoMethod
from saccade.methods.scores import scores_of
from saccade.networks.correction import LEGACY, GuidedCorrection, picture_of
from saccade.networks.flow import resize_flow
from saccade.networks.flow.warp import resized
from saccade.training.correction import LEARNED_STEPS, Walk, new_correction, with_correction
from saccade.training.pairs import PairsTask, composed, flow_of, flow_that_learns
from saccade.training.recipe import TrainConfig
from saccade.training.task import FLOW

CORRECTION = "correction"
"""Name of the correction among the parts that learn together."""


class JointCorrectionTask(PairsTask):
    """Flow and correction that give a later frame the scores of the network, from those of a key frame.

    Unlike ``CorrectionTask``, which has flow and answers in memory, it runs the frozen network and the flow
    in every step of training, on crops.
    """

    def network(self, config: TrainConfig) -> nn.Module:
        """The correction and the flow.

        Raises:
            ConfigError: A flow without weights, or a correction for other classes.
        """
        flow = flow_that_learns(config.keyframes.flow)
        return nn.ModuleDict({CORRECTION: new_correction(config, self.classes), FLOW: flow})

    def learner(self, network: nn.Module) -> nn.Module:
        assert isinstance(network, nn.ModuleDict)
        return JointWalk(network, self._frozen, self._config.keyframes.path)

    def parts(self, network: nn.Module) -> dict[str, nn.Module]:
        assert isinstance(network, nn.ModuleDict)
        return {"weights": network[CORRECTION], "flow": network[FLOW]}

    def metadata(self) -> dict[str, str]:
        return super().metadata() | {"flow": "flow.safetensors", "path": self._config.keyframes.path}

    def method(self, network: nn.Module) -> VideoMethod:
        assert isinstance(network, nn.ModuleDict)
        flow = copy.deepcopy(flow_of(network))
        return with_correction(self._frozen, flow, network[CORRECTION], self._config.keyframes)


class JointWalk(nn.Module):
    """From a key frame to a later frame, along flow that learns, corrected as in ``Walk``.

    Where every step is corrected, gradients go through the last two, in the flow as in the correction.
    Composed flow is corrected once, and all of its parts learn.

    Args:
        parts: Correction and flow.
        frozen: The network that scores key frames.
        path: As in the method's configuration.
    """

    def __init__(self, parts: nn.ModuleDict, frozen: nn.Module, path: str) -> None:
        super().__init__()
        self.parts, self.path = parts, path
        correction = parts[CORRECTION]
        assert isinstance(correction, GuidedCorrection)
        self.walk = Walk(correction)
        # Past nn.Module's bookkeeping: it does not learn and has its own precision.
        self.__dict__["_frozen"] = frozen.requires_grad_(False)

    def forward(self, frames: Tensor) -> Tensor:
        """Scores of the last frame, ``(N, K, h', w')``.

        Args:
            frames: ``(N, S + 1, 3, h, w)`` normalised, the key frame first.
        """
        scores = self._scores(frames[:, 0])
        finest = (int(scores.shape[2]), int(scores.shape[3]))
        legacy = self.walk.correction.legacy
        pictures = picture_of(frames.flatten(0, 1), finest, legacy=legacy).unflatten(0, frames.shape[:2])
        grid = (int(pictures.shape[3]), int(pictures.shape[4]))
        flows = self._flows(frames)
        if self.path == "composed":
            pictures, flows = pictures[:, [0, -1]], [composed(flows)]
        onto = torch.stack([resize_flow(flow, grid) for flow in flows], 1)
        corrected: Tensor = self.walk(pictures, onto, resized(scores, grid))
        return corrected

    @torch.no_grad()
    def _scores(self, frames: Tensor) -> Tensor:
        """What the frozen network says of ``(N, 3, h, w)`` frames."""
        frozen: nn.Module = self.__dict__["_frozen"]
        parameter = next((p for p in frozen.parameters() if p.is_floating_point()), frames)
        key = frames.to(parameter.dtype, memory_format=torch.channels_last)
        scores = scores_of(frozen(key), len(key)).float()
        if not self.walk.correction.legacy:
            return scores
        eighth = [-(-side // LEGACY) for side in frames.shape[2:]]
        return F.interpolate(scores, size=eighth, mode="bilinear", align_corners=True)

    def _flows(self, frames: Tensor) -> list[Tensor]:
        """Flow ``(N, 2, h', w')`` from each frame to the one before it, in order."""
        flow, steps = flow_of(self.parts), frames.shape[1] - 1
        flows = []
        for step in range(steps):
            learned = self.training and (self.path == "composed" or step >= steps - LEARNED_STEPS)
            flow.train(learned)
            with torch.set_grad_enabled(learned and torch.is_grad_enabled()):
                flows.append(flow(frames[:, step + 1], frames[:, step]))
        flow.train(self.training)
        return flows
