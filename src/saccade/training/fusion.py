"""Training of the fusion of Accel, with both networks frozen (Jain et al., CVPR 2019, stage B)."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from saccade.methods import VideoMethod
from saccade.methods.accel import Accel
from saccade.methods.configs import AccelConfig
from saccade.networks.flow import warp
from saccade.networks.fusion import NAME, Fusion, load_fusion
from saccade.networks.registry import NetworkInfo, attach_info, network_info
from saccade.training.keyframes import KeyframesTask
from saccade.training.recipe import TrainConfig


class FusionTask(KeyframesTask):
    """Moved scores of the network, and its scores of the reduced frame, to its scores of the whole frame.

    The method moves features and not scores where the network can be cut; what little that differs by is not
    learned.
    """

    def __init__(self, config: TrainConfig, device: torch.device) -> None:
        super().__init__(config, device, config.keyframes.update_scale)

    def network(self, config: TrainConfig) -> nn.Module:
        classes = len(self.classes)
        fusion = Fusion(classes) if config.init is None else load_fusion(config.init)
        attach_info(fusion, NetworkInfo(NAME, self.classes, config.init, network_info(fusion).options))
        return fusion

    def learner(self, network: nn.Module) -> nn.Module:
        return FusedWalk(network)

    def inputs(self, images: Tensor) -> tuple[Tensor, ...]:
        """Flows ``(N, S, 2, h, w)``; scores ``(N, K, h, w)`` of the key frame, of the last frame reduced."""
        classes = len(self.classes)
        key, current = images[:, 0, 5 : 5 + classes], images[:, -1, 5 + classes :]
        return images[:, 1:, 3:5], key, current

    def metadata(self) -> dict[str, str]:
        return super().metadata() | {"update_scale": f"{self._config.keyframes.update_scale:g}"}

    def method(self, network: nn.Module) -> VideoMethod:
        keyframes = self._config.keyframes
        config = AccelConfig(
            interval=max(keyframes.distances) + 1, path=keyframes.path, update_scale=keyframes.update_scale
        )
        assert isinstance(network, Fusion)
        return Accel(self._frozen, config, flow=self._flow, fusion=copy.deepcopy(network))


class FusedWalk(nn.Module):
    """From a key frame to a later frame, and its fusion with what is seen there."""

    def __init__(self, fusion: nn.Module) -> None:
        super().__init__()
        self.fusion = fusion

    def forward(self, flows: Tensor, scores: Tensor, current: Tensor) -> Tensor:
        """Fused scores of the last frame, ``(N, K, h, w)``.

        Args:
            flows: ``(N, S, 2, h, w)`` from each frame to the one before it.
            scores: ``(N, K, h, w)`` of the key frame.
            current: ``(N, K, h, w)`` of the last frame, reduced.
        """
        for step in range(flows.shape[1]):
            scores = warp(scores, flows[:, step])
        fused: Tensor = self.fusion(scores, current)
        return fused
