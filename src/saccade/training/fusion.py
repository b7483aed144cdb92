"""Training of the fusion of Accel, with both networks frozen (Jain et al., CVPR 2019, stage B)."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from saccade.methods import VideoMethod, choose_placement
from saccade.methods.accel import Accel
from saccade.methods.configs import AccelConfig
from saccade.networks import load_network
from saccade.networks.flow import warp
from saccade.networks.fusion import NAME, Fusion, load_fusion
from saccade.networks.registry import NetworkInfo, attach_info, network_info
from saccade.training.keyframes import KeyframesTask
from saccade.training.recipe import TrainConfig


class FusionTask(KeyframesTask):
    """Moved scores of the network, and scores of the reduced frame, to its scores of the whole frame.

    The update network, which sees the reduced frame, is the same one where the recipe names no other.

    The method moves features and not scores where the network can be cut; what little that differs by is not
    learned.
    """

    def __init__(self, config: TrainConfig, device: torch.device) -> None:
        keyframes = config.keyframes
        self._update: nn.Module | None = None
        if keyframes.update is not None:
            update = load_network(keyframes.update)
            self._update = choose_placement(update, str(device), "auto", config.stages[0].crop).apply(update)
        super().__init__(config, device, keyframes.update_scale, self._update)

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
        keyframes = self._config.keyframes
        facts = {"update": keyframes.update or "", "update_scale": f"{keyframes.update_scale:g}"}
        return super().metadata() | facts

    def method(self, network: nn.Module) -> VideoMethod:
        keyframes = self._config.keyframes
        config = AccelConfig(
            interval=max(keyframes.distances) + 1, path=keyframes.path, update_scale=keyframes.update_scale
        )
        assert isinstance(network, Fusion)
        fusion = copy.deepcopy(network)
        return Accel(self._frozen, config, flow=self._flow, update=self._update, fusion=fusion)


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
