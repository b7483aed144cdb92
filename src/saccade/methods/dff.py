"""Deep Feature Flow: features of key frames move along optical flow (Zhu et al., CVPR 2017)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from saccade.errors import ConfigError
from saccade.methods.agreement import lost_agreement, motion_of
from saccade.methods.base import Cost
from saccade.methods.configs import AccelConfig, DeepFeatureFlowConfig
from saccade.methods.keyframe_method import KeyframeMethod, Part
from saccade.methods.keyframes import Adaptive, FixedInterval
from saccade.methods.scores import scores_of
from saccade.methods.whole_frames import WholeFrames
from saccade.networks.flow import FlowEstimator, load_flow, resize_flow, warp
from saccade.networks.flow.flownet import FlowNetS
from saccade.networks.flow.warp import resized
from saccade.networks.macs import count_macs
from saccade.networks.split import LOGITS, Head, Trunk, choose_cut


@dataclass(frozen=True, eq=False)
class Moved:
    """What optical flow brings from key frames to later frames.

    Attributes:
        features: ``(n, C, h, w)``.
        memory: What the next frames of these streams need.
        cost: Of the flow.
        residual: ``(n,)`` what flow did not explain.
        motion: ``(n,)`` how far features were moved, see ``motion_of``.
    """

    features: Tensor
    memory: dict[str, Tensor]
    cost: Cost
    residual: Tensor
    motion: Tensor


class DeepFeatureFlow(KeyframeMethod):
    """The whole network on key frames; on others flow, moved features, and the network's head.

    Args:
        network: As for ``saccade.wrap``. One that can be cut (``saccade.networks.split``) has its features
            moved, any other its logits.
        config: Its settings.
        flow: Another estimator than the one of the configuration. Where it is a FlowNet-S with a scale map,
            moved features are multiplied by it, which path ``composed`` does not allow.

    Raises:
        NetworkError: The network has no such cut, or there is no such optical flow.
        ConfigError: A scale map on composed flow.
    """

    _trunk: Trunk

    def __init__(
        self,
        network: nn.Module,
        config: DeepFeatureFlowConfig | AccelConfig | None = None,
        flow: FlowEstimator | None = None,
    ) -> None:
        config = config or DeepFeatureFlowConfig()
        kind = FixedInterval if config.schedule == "fixed" else Adaptive
        super().__init__(network, config, kind(config.interval))
        self.cut = choose_cut(network, config.cut)
        parameter = next((p for p in network.parameters() if p.is_floating_point()), None)
        flow = flow or load_flow(config.flow)
        self.flow = flow.eval() if parameter is None else flow.eval().to(parameter.device, parameter.dtype)
        if config.path == "composed" and isinstance(flow, FlowNetS) and flow.scale is not None:
            raise ConfigError("a scale map belongs to one flow; use path direct (DFF) or steps with it")
        self._heads: dict[tuple[int, int], Head] = {}
        self._flow_sizes: dict[tuple[int, ...], tuple[int, int]] = {}
        # Past nn.Module's bookkeeping, which would list every parameter a second time.
        self.__dict__["_trunk"] = Trunk(network, self.cut)
        self._whole = WholeFrames(self._trunk)

    def on_keyframe(self, frames: Tensor) -> Part:
        features = self._features(frames)
        logits = self._head(frames)(features)
        cost = Cost(network=self.dense_macs(tuple(frames.shape)))
        memory = {"features": features, "frame": frames}
        if self.config.path == "composed":
            memory["flow"] = frames.new_zeros(len(frames), 2, *self._flow_size(frames), dtype=torch.float32)
        if self.config.path == "steps":
            memory["motion"] = torch.zeros(len(frames), device=frames.device)
        return Part(logits, memory, cost)

    def on_other(self, frames: Tensor, memory: dict[str, Tensor]) -> Part:
        moved = self.moved(frames, memory)
        head = self._head(frames)
        cost = moved.cost + Cost(network=count_macs(head, moved.features.shape))
        logits = head(moved.features)
        return Part(logits, moved.memory, cost, self.wrong(moved, logits))

    def wrong(self, moved: Moved, logits: Tensor) -> Tensor:
        """What the schedule goes by, ``(n,)``, of moved features and their logits."""
        if self.config.schedule == "agreement":
            return lost_agreement(logits, moved.motion)
        return moved.residual

    def moved(self, frames: Tensor, memory: dict[str, Tensor]) -> Moved:
        """Features of key frames at the places of ``(n, 3, H, W)`` later frames."""
        now, before = self._trunk.extended(frames), self._trunk.extended(memory["frame"])
        size = (memory["features"].shape[2], memory["features"].shape[3])
        scale: Tensor | None = None
        if isinstance(self.flow, FlowNetS) and self.flow.scale is not None:
            flow, scale = self.flow.flow_and_scale(now, before)
        else:
            flow = self.flow(now, before)
        residual = unexplained(now, before, flow)
        if self.config.path == "composed":
            flow = flow + warp(memory["flow"], flow, "border")
        motion = motion_of(flow)
        if self.config.path == "steps":
            motion = motion + memory["motion"]
        features = warp(memory["features"], resize_flow(flow, size))
        if scale is not None:
            features = features * resized(scale, size)
        kept = {
            "direct": memory,
            "steps": {"features": features, "frame": frames, "motion": motion},
            "composed": {"features": memory["features"], "frame": frames, "flow": flow},
        }
        cost = Cost(flow=self.flow.macs(now.shape))
        return Moved(features, kept[self.config.path], cost, residual, motion)

    def dense_macs(self, shape: Sequence[int]) -> float:
        return count_macs(self.network, shape)

    def _features(self, frames: Tensor) -> Tensor:
        features = self._whole(frames)
        return scores_of(features, len(frames)) if self.cut == LOGITS else features

    def _flow_size(self, frames: Tensor) -> tuple[int, int]:
        """Resolution of the flow between frames of this size; tried out once."""
        shape = tuple(frames.shape[2:])
        if shape not in self._flow_sizes:
            one = self._trunk.extended(frames[:1])
            height, width = self.flow(one, one).shape[2:]
            self._flow_sizes[shape] = (int(height), int(width))
        return self._flow_sizes[shape]

    def _head(self, frames: Tensor) -> Head:
        size = (int(frames.shape[2]), int(frames.shape[3]))
        if size not in self._heads:
            self._heads[size] = Head(self.network, self.cut, size)
        return self._heads[size]


def unexplained(now: Tensor, before: Tensor, flow: Tensor) -> Tensor:
    """Mean difference ``(N,)`` between frames and those before them, moved along the flow."""
    size = (flow.shape[2], flow.shape[3])
    small, old = (resized(frames.float(), size) for frames in (now, before))
    return (small - warp(old, flow, "border")).abs().mean((1, 2, 3))
