"""Clips in full with the answers of a frozen network, and crops out of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from saccade.classes import ClassSet
from saccade.errors import ConfigError
from saccade.training.augment import augment, change_colours
from saccade.training.clips import Clips
from saccade.training.recipe import StageConfig, TrainConfig


@dataclass(frozen=True, eq=False)
class ShownClip:
    """A clip in full.

    Attributes:
        images: ``(T, 3, H, W)`` uint8.
        labels: ``(T, H, W)`` uint8, ``IGNORE`` where not labelled.
        scores: ``(S, C, h, w)`` float16, answers to the last S frames, which can be the last ones of a crop.
    """

    images: Tensor
    labels: Tensor
    scores: Tensor


class ShownClips(Clips[ShownClip]):
    """All clips of a run, brought to ``keyframes.size``.

    Args:
        config: The recipe.
        answers: Gives answers ``(T, C, h, w)`` to frames ``(3, H, W)`` uint8.
        classes: What labels must be of.
        farthest: How far back in its clip a crop can begin.

    Raises:
        DatasetError, ConfigError: As ``Clips``, or a crop is larger than the frames that it is cut out of.
    """

    def __init__(
        self,
        config: TrainConfig,
        answers: Callable[[Sequence[Tensor]], Tensor],
        classes: ClassSet,
        farthest: int,
    ) -> None:
        size = config.keyframes.size
        for stage in config.stages:
            if any(crop > round(side * stage.scale[0]) for crop, side in zip(stage.crop, size, strict=True)):
                raise ConfigError(
                    f"a crop of {list(stage.crop)} does not fit in frames of {list(size)} (keyframes.size) "
                    f"at scale {stage.scale[0]:g}; make it smaller, or the scale larger"
                )
        self._answers, self._farthest = answers, farthest
        super().__init__(config, classes, farthest, first=farthest, size=size)

    def make(self, images: Sequence[Tensor], labels: Sequence[Tensor]) -> ShownClip:
        scores = self._answers(images[self._farthest :])
        return ShownClip(torch.stack(list(images)), torch.stack(list(labels)), scores.cpu().half())


def cut_out(
    clip: ShownClip,
    frames: Sequence[int],
    stage: StageConfig,
    generator: Generator,
    channels: Sequence[int] | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """The same crop of some frames, resized, flipped and coloured alike.

    Args:
        clip: Where they are taken from.
        frames: Their numbers in order.
        stage: Crop, scale and colours.
        generator: Source of randomness.
        channels: Of the answers; all by default.

    Returns:
        Frames ``(T, 3, h, w)`` in 0..255; of the last one label ``(h, w)`` uint8 and answers ``(C, h, w)``.
    """
    last = frames[-1]
    label = clip.labels[last]
    size = (label.shape[0], label.shape[1])
    scores = clip.scores[last - len(clip.images) + len(clip.scores)]
    scores = scores if channels is None else scores[list(channels)]
    scores = F.interpolate(scores[None].float(), size=size, mode="bilinear")[0]
    # All in one, so that they are cut out, resized and flipped alike.
    pictures = clip.images[list(frames)].flatten(0, 1).float()
    cut, label = augment(
        torch.cat((pictures, scores)), label,
        crop=stage.crop, scale=stage.scale, colour=0.0, generator=generator,
    )  # fmt: skip
    images, scores = cut.split((len(pictures), len(scores)))
    if stage.colour > 0:
        # One above the other they are one picture, whose colours change together.
        whole = torch.cat(images.chunk(len(frames)), 1)
        images = torch.cat(change_colours(whole, stage.colour, generator).chunk(len(frames), 1))
    return images.unflatten(0, (len(frames), 3)), label, scores
