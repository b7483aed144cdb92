"""Training of optical flow by what it is for: Deep Feature Flow (Zhu et al., CVPR 2017, section 3.2)."""

from __future__ import annotations

import copy
from itertools import pairwise

import torch
from torch import Tensor, nn

from saccade.errors import ConfigError
from saccade.methods import VideoMethod
from saccade.methods.configs import DeepFeatureFlowConfig
from saccade.methods.dff import DeepFeatureFlow
from saccade.methods.scores import scores_of
from saccade.networks import load_network
from saccade.networks.flow import build_flow, resize_flow, warp
from saccade.networks.flow.flownet import FlowNetS
from saccade.networks.flow.warp import resized
from saccade.networks.registry import network_info
from saccade.networks.split import LOGITS, Head, Trunk, choose_cut
from saccade.training.pairs import PairsTask, composed, flow_of, flow_that_learns
from saccade.training.recipe import TrainConfig
from saccade.training.task import FLOW

NETWORK = "network"
"""Name of the segmentation network that learns too, among the parts and of its weights file."""


class FeatureFlowTask(PairsTask):
    """Features of a key frame, moved along flow that is learned, to the answer to a later frame.

    What learns is the flow network with its scale map and, with ``keyframes.learn_network``, the segmentation
    network, which begins as the frozen one.

    Raises:
        NetworkError: The frozen network has no such cut.
    """

    def __init__(self, config: TrainConfig, device: torch.device) -> None:
        super().__init__(config, device)
        self._cut = choose_cut(self._frozen, config.keyframes.cut)

    def network(self, config: TrainConfig) -> nn.Module:
        """The flow and, where it learns, the segmentation network.

        Raises:
            ConfigError: A flow without weights, or a scale map that does not fit.
        """
        options = dict(config.options)
        channels = int(options.pop("scale_channels", 0))
        flow = flow_that_learns(config.network, weights=config.init, **options)
        if channels and not (isinstance(flow, FlowNetS) and flow.scale is not None):
            # Weights that learned from flow itself have no scale map: it begins as ones.
            alone, options = flow, {**network_info(flow).options, "scale_channels": channels}
            flow = build_flow(config.network, **options)
            flow.load_state_dict(alone.state_dict(), strict=False)
        if isinstance(flow, FlowNetS) and flow.scale is not None:
            self._check_scale_map(flow.scale.out_channels)
        parts: dict[str, nn.Module] = {FLOW: flow}
        if config.keyframes.learn_network:
            parts[NETWORK] = load_network(config.keyframes.network)
        return nn.ModuleDict(parts)

    def _check_scale_map(self, channels: int) -> None:
        if self._config.keyframes.path == "composed":
            raise ConfigError(
                "a scale map belongs to one flow; set keyframes.path to direct or steps with it"
            )
        with torch.no_grad():
            parameter = next(self._frozen.parameters())
            frame = torch.zeros(1, 3, 64, 64, dtype=parameter.dtype, device=parameter.device)
            wanted = Trunk(self._frozen, self._cut)(frame)
            found = (scores_of(wanted, 1) if self._cut == LOGITS else wanted).shape[1]
        if channels != found:
            raise ConfigError(
                f"the scale map has {channels} channels, the features at {self._cut} have {found}; set "
                f"options.scale_channels to {found}"
            )

    def learner(self, network: nn.Module) -> nn.Module:
        assert isinstance(network, nn.ModuleDict)
        return Pair(network, self._frozen, self._cut, self._config.keyframes.path)

    def parts(self, network: nn.Module) -> dict[str, nn.Module]:
        assert isinstance(network, nn.ModuleDict)
        return {"weights" if name == FLOW else name: part for name, part in network.items()}

    def metadata(self) -> dict[str, str]:
        return super().metadata() | {"class_set": "", "path": self._config.keyframes.path, "cut": self._cut}

    def method(self, network: nn.Module) -> VideoMethod:
        assert isinstance(network, nn.ModuleDict)
        keyframes = self._config.keyframes
        config = DeepFeatureFlowConfig(
            interval=max(keyframes.distances) + 1, path=keyframes.path, cut=self._cut
        )
        flow = copy.deepcopy(flow_of(network))
        segmentation = copy.deepcopy(network[NETWORK]) if NETWORK in network else self._frozen
        return DeepFeatureFlow(segmentation, config, flow=flow)


class Pair(nn.Module):
    """From a key frame to a later frame, as the method does it.

    Args:
        parts: The flow, and the segmentation network where it learns, whose batch norm stays as it is.
        frozen: The segmentation network where it does not learn.
        cut: Where it is cut.
        path: As in the method's configuration.
    """

    def __init__(self, parts: nn.ModuleDict, frozen: nn.Module, cut: str, path: str) -> None:
        super().__init__()
        self.parts, self.cut, self.path = parts, cut, path
        self._learns = NETWORK in parts
        # Past nn.Module's bookkeeping: what is frozen does not learn and has its own precision.
        self.__dict__["_network"] = parts[NETWORK] if self._learns else frozen.requires_grad_(False)
        if self._learns:
            for module in parts[NETWORK].modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.requires_grad_(False)
        flow = flow_of(parts)
        if isinstance(flow, FlowNetS) and flow.scale is not None:
            flow.scale.bias.requires_grad_(False)  # type: ignore[union-attr]

    def train(self, mode: bool = True) -> Pair:
        super().train(mode)
        if self._learns:
            for module in self.parts[NETWORK].modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
        return self

    def forward(self, frames: Tensor) -> Tensor:
        """Logits of the last frame.

        Args:
            frames: ``(N, S + 1, 3, h, w)`` normalised, the key frame first; of the flows between frames that
                follow each other here, ``composed`` and ``steps`` take all, and ``direct`` has only one.
        """
        network: nn.Module = self.__dict__["_network"]
        trunk = Trunk(network, self.cut)
        parameter = next((p for p in network.parameters() if p.is_floating_point()), frames)
        shown = frames.unbind(1)
        with torch.set_grad_enabled(self._learns and torch.is_grad_enabled()):
            key = shown[0].to(parameter.dtype, memory_format=torch.channels_last)
            features = trunk(key)
            if self.cut == LOGITS:
                features = scores_of(features, len(key))
        features = self._moved(features.float(), [trunk.extended(frame) for frame in shown])
        size = (int(frames.shape[3]), int(frames.shape[4]))
        logits: Tensor = Head(network, self.cut, size)(features.to(parameter.dtype))
        return logits

    def _moved(self, features: Tensor, frames: list[Tensor]) -> Tensor:
        """Features ``(N, C, h, w)`` of the first of these frames at the places of the last."""
        size, flow = (int(features.shape[2]), int(features.shape[3])), flow_of(self.parts)
        pairs = [(now, before) for before, now in pairwise(frames)]
        if self.path == "composed":
            if pairs:
                whole = composed([flow(*pair) for pair in pairs])
                features = warp(features, resize_flow(whole, size))
            return features
        for pair in pairs:
            if isinstance(flow, FlowNetS) and flow.scale is not None:
                field, scale = flow.flow_and_scale(*pair)
                features = warp(features, resize_flow(field, size)) * resized(scale, size)
            else:
                features = warp(features, resize_flow(flow(*pair), size))
        return features
