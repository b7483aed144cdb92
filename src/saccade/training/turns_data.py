"""What a TDNet learns from: frames that follow each other, and the answer of a frozen network to the last."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from saccade.training.data import crop_generator, epoch_order
from saccade.training.recipe import StageConfig, TrainConfig
from saccade.training.shown_clips import ShownClips, cut_out


class Turns(Dataset[tuple[Tensor, Tensor]]):
    """One epoch's crops of m frames each. The same sub-network has the last turn in all of a batch.

    Args:
        clips: Where they are taken from.
        stage: Crops, size of a batch, and colours.
        config: The recipe.
        paths: Number m of sub-networks, of which each sees one frame.
        epoch: Number of the epoch.
    """

    def __init__(
        self, clips: ShownClips, stage: StageConfig, config: TrainConfig, paths: int, epoch: int
    ) -> None:
        self.clips, self.stage, self.seed, self.epoch = clips, stage, config.seed, epoch
        self.paths, self.gaps, self.grouped = paths, config.keyframes.distances, config.keyframes.grouped
        self.order = epoch_order(clips.of(stage), config.seed, epoch)
        batches = -(-len(self.order) // stage.batch_size)
        self.turns = np.random.default_rng((config.seed, epoch, 2)).integers(paths, size=batches)

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, position: int) -> tuple[Tensor, Tensor]:
        """Frames in order, and the answer to the last.

        Returns:
            ``(m, 4, h, w)``: frames in 0..255 and, in a further channel, the number of the sub-network that
            sees the last. And ``(1 + K, h, w)``: label and scores of the last frame; grouped, K more: the
            scores for that sub-network alone.
        """
        generator = crop_generator(self.seed, self.epoch, position)
        clip, last = self.clips.frame(self.order[position])
        frames = [last]
        for _ in range(self.paths - 1):
            gap = self.gaps[int(torch.randint(len(self.gaps), (), generator=generator))]
            frames.insert(0, frames[0] - gap)
        turn = int(self.turns[position // self.stage.batch_size])
        channels: list[int] | None = None
        if self.grouped:
            classes = clip.scores.shape[1] // (1 + self.paths)
            channels = [*range(classes), *range((1 + turn) * classes, (2 + turn) * classes)]
        images, label, scores = cut_out(clip, frames, self.stage, generator, channels)
        number = torch.full((len(frames), 1, *images.shape[2:]), float(turn))
        return torch.cat((images, number), 1), torch.cat((label[None].float(), scores))
