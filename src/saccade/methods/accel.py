"""Accel: moved features of a large network, corrected by a small one (Jain et al., CVPR 2019)."""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from saccade.errors import NetworkError, WeightsError
from saccade.methods.base import Cost
from saccade.methods.configs import AccelConfig
from saccade.methods.dff import DeepFeatureFlow
from saccade.methods.keyframe_method import Part
from saccade.methods.scores import scores_of
from saccade.methods.whole_frames import WholeFrames
from saccade.networks import load_network
from saccade.networks.flow import FlowEstimator
from saccade.networks.flow.warp import resized
from saccade.networks.fusion import Fusion, load_fusion
from saccade.networks.macs import count_macs
from saccade.networks.registry import network_info


class Accel(DeepFeatureFlow):
    """The reference network on key frames; on others its moved features, and an update network.

    Corrected scores are not moved on: on every frame what comes from the key frame is as the reference
    network gave it.

    Args:
        network: The reference network, as for ``saccade.wrap``.
        config: Its settings.
        flow: Another estimator than the one of the configuration.
        update: Another update network than the one of the configuration.
        fusion: Another fusion than that of the configuration.

    Raises:
        NetworkError: There is no such cut, flow or update network, or its classes are others.
        WeightsError: There is no such fusion, or it is of another number of channels.
    """

    config: AccelConfig
    update: nn.Module | None
    fusion: Fusion | None

    def __init__(
        self,
        network: nn.Module,
        config: AccelConfig | None = None,
        flow: FlowEstimator | None = None,
        update: nn.Module | None = None,
        fusion: Fusion | None = None,
    ) -> None:
        config = config or AccelConfig()
        super().__init__(network, config, flow)
        if update is None and config.update is not None:
            update = load_network(config.update)
        parameter = next((p for p in network.parameters() if p.is_floating_point()), None)
        if update is not None:
            _check_classes(network, update)
            update.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if fusion is None:
            fusion = None if config.fusion == "mean" else load_fusion(config.fusion)
        self._logits_sizes: dict[tuple[int, int], tuple[int, int]] = {}
        self.update, self.fusion = update, None if fusion is None else fusion.eval()
        self._whole_updates = WholeFrames(network if update is None else update)
        for part in (self.update, self.fusion):
            if part is not None and parameter is not None:
                part.to(parameter.device, parameter.dtype)

    def on_keyframe(self, frames: Tensor) -> Part:
        part = super().on_keyframe(frames)
        if self.config.fuse == "scores" and self.config.fuse_at == "full":
            part = replace(part, logits=_enlarged(part.logits, (frames.shape[2], frames.shape[3])))
        return part

    def on_other(self, frames: Tensor, memory: dict[str, Tensor]) -> Part:
        match self.config.fuse:
            case "reference":
                return super().on_other(frames, memory)
            case "update":
                scores, cost = self._update_scores(frames)
                scores = _enlarged(scores, self._logits_size(frames, memory))
                return Part(scores, memory, cost, torch.zeros(len(frames)))
            case "features":
                return self._with_features(frames, memory)
        part = super().on_other(frames, memory)
        current, cost = self._update_scores(frames)
        moved = part.logits
        if current.shape[1] != moved.shape[1]:
            raise NetworkError(
                f"the update network scores {current.shape[1]} classes, the reference network "
                f"{moved.shape[1]}; give one for the same classes"
            )
        full = self.config.fuse_at == "full"
        size = (frames.shape[2], frames.shape[3]) if full else (moved.shape[2], moved.shape[3])
        moved, current = _enlarged(moved, size), _enlarged(current, size)
        fused = (moved + current) / 2 if self.fusion is None else self._fused(moved, current)
        return Part(fused, part.memory, part.cost + cost + self._fusion_cost(moved), part.residual)

    def _with_features(self, frames: Tensor, memory: dict[str, Tensor]) -> Part:
        """Features of the key frame fused with those of the frame itself, of the same network."""
        moved = self.moved(frames, memory)
        current = self._features(frames)
        fused = current if self.fusion is None else self._fused(moved.features, current)
        network = self.dense_macs(tuple(frames.shape))  # trunk and head
        cost = moved.cost + Cost(network=network) + self._fusion_cost(current)
        logits = self._head(frames)(fused)
        return Part(logits, moved.memory, cost, self.wrong(moved, logits))

    def _update_scores(self, frames: Tensor) -> tuple[Tensor, Cost]:
        """What the update network says, ``(n, K, h, w)`` at its own resolution."""
        network = self._whole_updates.network
        smaller = [max(1, round(side * self.config.update_scale)) for side in frames.shape[2:]]
        shown = resized(frames, (smaller[0], smaller[1])).contiguous(memory_format=torch.channels_last)
        cost = Cost(network=count_macs(network, shown.shape))
        return scores_of(self._whole_updates(shown), len(frames)), cost

    def _logits_size(self, frames: Tensor, memory: dict[str, Tensor]) -> tuple[int, int]:
        """Resolution of key frames' scores at this size of frames; tried out once."""
        size = (int(frames.shape[2]), int(frames.shape[3]))
        if size not in self._logits_sizes:
            logits = self._head(frames)(memory["features"][:1])
            self._logits_sizes[size] = (int(logits.shape[2]), int(logits.shape[3]))
        return self._logits_sizes[size]

    def _fused(self, moved: Tensor, current: Tensor) -> Tensor:
        assert self.fusion is not None
        if self.fusion.out_channels != current.shape[1]:
            raise WeightsError(
                f"the fusion is for {self.fusion.out_channels} channels, these maps have {current.shape[1]}; "
                "use one that was trained with these networks"
            )
        fused: Tensor = self.fusion(moved, current)
        return fused

    def _fusion_cost(self, maps: Tensor) -> Cost:
        return (
            Cost() if self.fusion is None else Cost(network=count_macs(self.fusion, maps.shape, maps.shape))
        )


def _enlarged(scores: Tensor, size: tuple[int, int]) -> Tensor:
    if scores.shape[2:] == size:
        return scores
    return F.interpolate(scores, size=size, mode="bilinear", align_corners=False)


def _check_classes(network: nn.Module, update: nn.Module) -> None:
    """Refuse two networks that are known to tell apart other classes."""
    reference, other = network_info(network).class_set, network_info(update).class_set
    if reference is not None and other is not None and reference.names != other.names:
        raise NetworkError(
            f"the update network tells apart the classes of {other.name}, the reference network those of "
            f"{reference.name}; give one for the same classes"
        )
