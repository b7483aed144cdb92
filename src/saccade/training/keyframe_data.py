"""What corrections of moved scores learn from: clips with the answers of a frozen network and optical flow.

What is kept is at the resolution of the scores: a step of training then costs no more than the small network
that learns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from saccade.classes import ClassSet
from saccade.methods.scores import scores_of
from saccade.networks.correction import picture_of
from saccade.networks.flow import FlowEstimator, resize_flow, warp
from saccade.networks.flow.warp import resized
from saccade.training.augment import change_colours
from saccade.training.clips import Clips, Ways
from saccade.training.data import crop_generator
from saccade.training.recipe import TrainConfig
from saccade.video.frame import normalise

TOGETHER = 8
"""Frames that the frozen network sees at once."""


@dataclass(frozen=True, eq=False)
class AnsweredClip:
    """A clip as training sees it, every map at the resolution of the pictures.

    Attributes:
        pictures: ``(T, 3, h, w)`` float16, RGB in 0..255, reduced.
        scores: ``(T, K, h, w)`` float16, what the frozen network says of each frame.
        flows: ``(T, D, 2, h, w)`` float16: at ``[t, d - 1]`` flow from frame t to frame t - d, in pixels of
            the map; zero where there is no such frame.
        labels: ``(T, h, w)`` uint8, ``IGNORE`` where not labelled.
        updates: ``(T, K, h, w)`` float16, what the network says of each frame reduced; or None.
    """

    pictures: Tensor
    scores: Tensor
    flows: Tensor
    labels: Tensor
    updates: Tensor | None = None


class AnsweredClips(Clips[AnsweredClip]):
    """All clips of a run, with answers and flow.

    Args:
        config: The recipe.
        network: The frozen network, on its device and in its precision.
        flow: Optical flow.
        classes: Class set of the network.
        update_scale: Factor on both sides of frames, for ``AnsweredClip.updates``; None for none.
        update: Another network for them.

    Raises:
        DatasetError, ConfigError: As ``Clips``.
    """

    def __init__(
        self,
        config: TrainConfig,
        network: nn.Module,
        flow: FlowEstimator,
        classes: ClassSet,
        update_scale: float | None = None,
        update: nn.Module | None = None,
    ) -> None:
        farthest = max(config.keyframes.distances)
        legacy = bool(config.options.get("legacy", False))
        self._answered = partial(
            answered,
            network=network,
            flow=flow,
            farthest=farthest,
            legacy=legacy,
            update_scale=update_scale,
            update=update,
        )
        super().__init__(config, classes, farthest, first=1)

    def make(self, images: Sequence[Tensor], labels: Sequence[Tensor]) -> AnsweredClip:
        return self._answered(images, labels)


class Walks(Ways):
    """Ways along which scores are moved, out of clips in memory."""

    clips: AnsweredClips

    def __getitem__(self, position: int) -> tuple[Tensor, Tensor]:
        """The way, and its end.

        Returns:
            ``(S + 1, 3 + 2 + K, h, w)``: picture in 0..255, flow to the one before it, and scores of the key
            frame, which is the first (zero for the others); S is 1 for composed flow, else the distance. With
            ``updates``, scores of each frame reduced follow, K more. And ``(1 + K, h, w)``: label and scores
            of the last frame.
        """
        distance = self.distance(position)
        clip, number = self.clips.frame(self.order[position])
        last = max(number, distance)
        stride = distance if self.path == "composed" else 1
        frames = list(range(last - distance, last + 1, stride))
        pictures = clip.pictures[frames].float()
        flows = clip.flows[frames, stride - 1].float()
        flows[0] = 0
        scores = clip.scores[frames].float()
        target = torch.cat((clip.labels[last][None].float(), scores[-1]))
        scores[1:] = 0
        if clip.updates is not None:
            scores = torch.cat((scores, clip.updates[frames].float()), 1)
        generator = crop_generator(self.seed, self.epoch, position)
        if torch.rand((), generator=generator) < 0.5:
            pictures, flows, scores, target = (x.flip(-1) for x in (pictures, flows, scores, target))
            flows = flows * torch.tensor([-1.0, 1.0]).view(1, 2, 1, 1)
        if self.stage.colour > 0:
            # One above the other they are one picture, whose colours change together.
            whole = change_colours(torch.cat(list(pictures), 1), self.stage.colour, generator)
            pictures = torch.stack(whole.chunk(len(frames), 1))
        return torch.cat((pictures, flows, scores), 1), target


@torch.no_grad()
def answered(
    images: Sequence[Tensor],
    labels: Sequence[Tensor],
    network: nn.Module,
    flow: FlowEstimator,
    farthest: int,
    legacy: bool = False,
    update_scale: float | None = None,
    update: nn.Module | None = None,
) -> AnsweredClip:
    """A clip with the network's answers and the flow from every frame to those before it.

    Args:
        images: ``(3, H, W)`` uint8 each.
        labels: ``(H, W)`` uint8 each.
        network: The frozen network.
        flow: Optical flow.
        farthest: D, how many frames back.
        legacy: Resize as the original GSVNet does.
        update_scale: Factor on both sides of frames, for ``AnsweredClip.updates``; None for none.
        update: Another network for them.
    """
    frames = frames_for(network, images)
    scores = _scores(network, frames)
    raw = torch.stack(list(images)).float()
    pictures = picture_of(raw, (scores.shape[2], scores.shape[3]), legacy=legacy)
    grid = (pictures.shape[2], pictures.shape[3])
    if legacy:
        scores = F.interpolate(scores, size=grid, mode="bilinear", align_corners=True)
    flows = torch.zeros(len(images), farthest, 2, *grid)
    earlier: list[Tensor] = []  # flow from the last frame to those before it, the nearest first
    for number in range(1, len(images)):
        step = flow(frames[number : number + 1], frames[number - 1 : number])
        earlier = [step, *(step + warp(far, step, "border") for far in earlier)][:farthest]
        for distance, each in enumerate(earlier):
            flows[number, distance] = resize_flow(each, grid)[0].cpu()
    ids = F.interpolate(torch.stack(list(labels))[:, None], size=grid, mode="nearest-exact")[:, 0]
    updates: Tensor | None = None
    if update_scale is not None:
        smaller = [max(1, round(side * update_scale)) for side in frames.shape[2:]]
        updates = _scores(update or network, resized(frames, (smaller[0], smaller[1])))
        updates = F.interpolate(updates, size=grid, mode="bilinear", align_corners=False).cpu().half()
    return AnsweredClip(pictures.half(), resized(scores, grid).cpu().half(), flows.half(), ids, updates)


@torch.no_grad()
def network_scores(network: nn.Module, images: Sequence[Tensor]) -> Tensor:
    """What a network says of frames ``(3, H, W)`` uint8: ``(T, K, h, w)`` float32."""
    return _scores(network, frames_for(network, images))


def frames_for(network: nn.Module, images: Sequence[Tensor]) -> Tensor:
    """Frames ``(3, H, W)`` uint8, normalised, where the network is and as it wants them: ``(T, 3, H, W)``."""
    parameter = next((p for p in network.parameters() if p.is_floating_point()), torch.empty(0))
    return normalise(torch.stack(list(images))).to(parameter.device, parameter.dtype)


def _scores(network: nn.Module, frames: Tensor) -> Tensor:
    parts = frames.contiguous(memory_format=torch.channels_last).split(TOGETHER)
    return torch.cat([scores_of(network(part), len(part)) for part in parts]).float()
