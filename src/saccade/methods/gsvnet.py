"""GSVNet: scores of key frames move along optical flow, and are corrected (Lee et al., WACV 2021)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from saccade.errors import WeightsError
from saccade.methods.agreement import lost_agreement, motion_of
from saccade.methods.base import Cost
from saccade.methods.configs import GSVNetConfig
from saccade.methods.keyframe_method import KeyframeMethod, Part
from saccade.methods.keyframes import Adaptive, FixedInterval
from saccade.methods.scores import scores_of
from saccade.methods.whole_frames import WholeFrames
from saccade.networks.correction import (
    LEGACY,
    NAME,
    GuidedCorrection,
    load_correction,
    picture_of,
)
from saccade.networks.flow import FlowEstimator, load_flow, resize_flow, warp
from saccade.networks.macs import count_macs
from saccade.networks.registry import network_info
from saccade.networks.weights import shipped_weights


class GSVNet(KeyframeMethod):
    """The whole network on key frames; on others flow, moved scores, and a small network that corrects them.

    Args:
        network: As for ``saccade.wrap``; any that gives scores.
        config: Its settings.
        flow: Another estimator than the one of the configuration.
        correction: Another correction than that of the configuration.

    Raises:
        NetworkError: There is no such optical flow.
        WeightsError: There is no such correction, or it is of other classes than the network.
    """

    def __init__(
        self,
        network: nn.Module,
        config: GSVNetConfig | None = None,
        flow: FlowEstimator | None = None,
        correction: GuidedCorrection | None = None,
    ) -> None:
        config = config or GSVNetConfig()
        kind = FixedInterval if config.schedule == "fixed" else Adaptive
        super().__init__(network, config, kind(config.interval))
        parameter = next((p for p in network.parameters() if p.is_floating_point()), None)
        self.flow = (flow or load_flow(config.flow)).eval()
        self._notes: list[str] = []
        self.correction = correction or self._correction_of(network)
        if parameter is not None:
            self.flow.to(parameter.device, parameter.dtype)
        if self.correction is not None:
            self.correction.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
            if parameter is not None:
                self.correction.to(parameter.device, parameter.dtype)
        self._whole = WholeFrames(self.network)
        self._flow_sizes: dict[tuple[int, ...], tuple[int, int]] = {}

    @property
    def notes(self) -> list[str]:
        """Whether scores are moved without correction."""
        return list(self._notes)

    @property
    def recurrent(self) -> bool:
        """Whether the answer to a frame is made from that to the frame before it."""
        return self.config.legacy or self.config.path == "steps"

    def on_keyframe(self, frames: Tensor) -> Part:
        size, shown = (int(frames.shape[2]), int(frames.shape[3])), frames
        if self.config.keyframe_scale != 1:
            smaller = [max(1, round(side * self.config.keyframe_scale)) for side in size]
            shown = F.interpolate(
                frames, size=smaller, mode="bilinear", align_corners=self.config.legacy
            ).contiguous(memory_format=torch.channels_last)
        scores = scores_of(self._whole(shown), len(frames))
        if self.config.legacy:
            eighth = [-(-side // LEGACY) for side in size]
            scores = F.interpolate(scores, size=eighth, mode="bilinear", align_corners=True)
        picture = self._picture(frames, scores)
        memory = {"scores": scores, "frame": frames, "picture": picture}
        if not self.recurrent:
            memory["flow"] = frames.new_zeros(len(frames), 2, *self._flow_size(frames), dtype=torch.float32)
            memory["source"] = picture
        else:
            memory["motion"] = torch.zeros(len(frames), device=frames.device)
        return Part(scores, memory, Cost(network=count_macs(self.network, shown.shape)))

    def on_other(self, frames: Tensor, memory: dict[str, Tensor]) -> Part:
        source = memory["scores"]
        picture = self._picture(frames, source)
        grid = (int(picture.shape[2]), int(picture.shape[3]))
        flow = self.flow(frames, memory["frame"])
        surprise = unlike(picture, memory["picture"], resize_flow(flow, grid))
        residual = surprise.float().mean((1, 2, 3))
        kept = {"frame": frames, "picture": picture}
        if not self.recurrent:
            flow = flow + warp(memory["flow"], flow, "border")
            kept |= {"flow": flow, "source": memory["source"]}
            surprise = unlike(picture, memory["source"], resize_flow(flow, grid))
        motion = motion_of(flow)
        if self.recurrent:
            motion = kept["motion"] = motion + memory["motion"]
        flow = resize_flow(flow, (source.shape[2], source.shape[3]))
        scores = moved(source, flow, legacy=self.config.legacy)
        if self.config.schedule == "agreement":
            residual = lost_agreement(scores, motion)
        cost = Cost(flow=self.flow.macs(tuple(frames.shape)))
        if self.correction is not None:
            shapes = picture.shape, scores.shape, surprise.shape
            cost += Cost(network=count_macs(self.correction, *shapes))
            scores = self.correction(picture, scores, surprise)
        return Part(scores, {**kept, "scores": scores if self.recurrent else source}, cost, residual)

    def dense_macs(self, shape: Sequence[int]) -> float:
        return count_macs(self.network, shape)

    def _picture(self, frames: Tensor, scores: Tensor) -> Tensor:
        """The frames reduced to what the correction looks at, ``(n, 3, h, w)``."""
        return picture_of(frames, (scores.shape[2], scores.shape[3]), legacy=self.config.legacy)

    def _flow_size(self, frames: Tensor) -> tuple[int, int]:
        """Resolution of the flow between frames of this size; tried out once."""
        shape = tuple(frames.shape[2:])
        if shape not in self._flow_sizes:
            height, width = self.flow(frames[:1], frames[:1]).shape[2:]
            self._flow_sizes[shape] = (int(height), int(width))
        return self._flow_sizes[shape]

    def _correction_of(self, network: nn.Module) -> GuidedCorrection | None:
        """The correction that the configuration asks for."""
        wanted: str | None = self.config.correction
        info = network_info(network)
        if wanted == "default":
            facts = {"keyframe_weights": info.weights or "", "flow": self.config.flow}
            wanted = None if self.config.legacy else shipped_weights(NAME, **facts)
            if wanted is None:
                self._notes.append(
                    f"no correction is shipped for {info.weights or info.name} with flow {self.config.flow}: "
                    "scores are moved and not corrected. Train one with a recipe of recipes/keyframes/, and "
                    "give --correction FILE"
                )
        if wanted in (None, "none"):
            return None
        correction = load_correction(str(wanted))
        given = network_info(correction).class_set
        if None not in (info.class_set, given) and info.class_set.names != given.names:  # type: ignore[union-attr]
            raise WeightsError(
                f"correction {wanted} is for the classes of {given.name}, "  # type: ignore[union-attr]
                f"the network for those of {info.class_set.name}; "  # type: ignore[union-attr]
                "use one that was trained with this network"
            )
        if correction.legacy != self.config.legacy:
            form = "the published" if correction.legacy else "our"
            raise WeightsError(f"correction {wanted} is of {form} form; set legacy to {correction.legacy}")
        return correction


def moved(scores: Tensor, flow: Tensor, *, legacy: bool = False) -> Tensor:
    """Scores ``(N, K, h, w)`` moved along flow ``(N, 2, h, w)``; from beyond the frame those of its edge.

    With ``legacy`` they are zero there, which is the first class wherever nothing corrects them.
    """
    return warp(scores, flow, "zeros" if legacy else "border")


def unlike(picture: Tensor, source: Tensor, flow: Tensor) -> Tensor:
    """Mean difference over colours ``(N, 1, h, w)`` of pictures and earlier ones, moved along flow."""
    return (picture - warp(source, flow, "border")).abs().mean(1, keepdim=True)
