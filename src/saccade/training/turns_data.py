"""What a TDNet learns from: frames that follow each other, and the answer of a frozen network to the last."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import Dataset

from saccade.classes import ClassSet
from saccade.errors import DatasetError
from saccade.training.augment import augment, change_colours
from saccade.training.data import crop_generator, epoch_order
from saccade.training.keyframe_data import clips_of, network_scores
from saccade.training.recipe import DataConfig, StageConfig, TrainConfig


@dataclass(frozen=True, eq=False)
class ShownClip:
    """A clip in full.

    Attributes:
        images: ``(T, 3, H, W)`` uint8.
        labels: ``(T, H, W)`` uint8, ``IGNORE`` where not labelled.
        scores: ``(S, K, h, w)`` float16, what the frozen network says of the last S frames, which can be the
            last ones of a crop.
    """

    images: Tensor
    labels: Tensor
    scores: Tensor


class ShownClips:
    """All clips of a run, kept in memory with the answers of the frozen network.

    Args:
        config: The recipe.
        network: The frozen network, on its device and in its precision.
        classes: Class set of the network.
        paths: Number m of sub-networks, of which each sees one frame.

    Raises:
        DatasetError: A data set is missing, has other classes, or no clip is long enough.
    """

    def __init__(self, config: TrainConfig, network: nn.Module, classes: ClassSet, paths: int) -> None:
        self.gaps, self.paths = config.keyframes.distances, paths
        farthest = (paths - 1) * max(self.gaps)
        self.clips: list[ShownClip] = []
        self._default = config.data
        self._frames: list[tuple[int, int]] = []
        self._choice: dict[str, list[int]] = {}
        for wanted in [*config.data, *(entry for stage in config.stages for entry in stage.data or ())]:
            if str(wanted) in self._choice:
                continue
            first = len(self._frames)
            for images, labels in clips_of(wanted, config.keyframes.size, classes, farthest, config.seed):
                if len(images) > farthest:
                    self._frames += [(len(self.clips), last) for last in range(farthest, len(images))]
                    shown = torch.stack(list(images))
                    scores = network_scores(network, images[farthest:])
                    self.clips.append(ShownClip(shown, torch.stack(list(labels)), scores.cpu().half()))
            if first == len(self._frames):
                raise DatasetError(
                    f"{wanted.dataset} {wanted.root or ''}: no clip has more than {farthest} frames, which "
                    f"{paths} sub-networks need; use longer clips, or `moving` for stills"
                )
            self._choice[str(wanted)] = list(range(first, len(self._frames))) * wanted.repeat

    def of(self, stage: StageConfig) -> list[int]:
        """Indices of the last frames of one epoch of a stage, in a fixed order."""
        chosen: tuple[DataConfig, ...] = stage.data or self._default
        return [index for wanted in chosen for index in self._choice[str(wanted)]]

    def frame(self, index: int) -> tuple[ShownClip, int]:
        """A clip, and the number of a frame in it."""
        clip, number = self._frames[index]
        return self.clips[clip], number


class Turns(Dataset[tuple[Tensor, Tensor]]):
    """One epoch's crops of m frames each. The same sub-network has the last turn in all of a batch.

    Args:
        clips: Where they are taken from.
        stage: Crops, size of a batch, and colours.
        seed: Of the recipe.
        epoch: Number of the epoch.
    """

    def __init__(self, clips: ShownClips, stage: StageConfig, seed: int, epoch: int) -> None:
        self.clips, self.stage, self.seed, self.epoch = clips, stage, seed, epoch
        self.order = epoch_order(clips.of(stage), seed, epoch)
        batches = -(-len(self.order) // stage.batch_size)
        self.turns = np.random.default_rng((seed, epoch, 2)).integers(clips.paths, size=batches)

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, position: int) -> tuple[Tensor, Tensor]:
        """Frames in order, and the answer to the last.

        Returns:
            ``(m, 4, h, w)``: frames in 0..255 and, in a further channel, the number of the sub-network that
            sees the last. And ``(1 + K, h, w)``: label and scores of the last frame.
        """
        generator = crop_generator(self.seed, self.epoch, position)
        clip, last = self.clips.frame(self.order[position])
        frames = [last]
        for _ in range(self.clips.paths - 1):
            gap = self.clips.gaps[int(torch.randint(len(self.clips.gaps), (), generator=generator))]
            frames.insert(0, frames[0] - gap)
        label = clip.labels[last]
        size = (label.shape[0], label.shape[1])
        scores = clip.scores[last - len(clip.images) + len(clip.scores)]
        scores = F.interpolate(scores[None].float(), size=size, mode="bilinear")[0]
        # All in one, so that they are cut out, resized and flipped alike.
        pictures = clip.images[frames].flatten(0, 1).float()
        cut, label = augment(
            torch.cat((pictures, scores)), label,
            crop=self.stage.crop, scale=self.stage.scale, colour=0.0, generator=generator,
        )  # fmt: skip
        images, scores = cut.split((len(pictures), len(scores)))
        if self.stage.colour > 0:
            # One above the other they are one picture, whose colours change together.
            whole = torch.cat(images.chunk(len(frames)), 1)
            images = torch.cat(change_colours(whole, self.stage.colour, generator).chunk(len(frames), 1))
        turn = int(self.turns[position // self.stage.batch_size])
        images = images.unflatten(0, (len(frames), 3))
        number = torch.full((len(frames), 1, *images.shape[2:]), float(turn))
        return torch.cat((images, number), 1), torch.cat((label[None].float(), scores))
