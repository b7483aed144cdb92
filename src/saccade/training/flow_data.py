"""Pairs of frames with exact flow as training crops: cached, shuffled and augmented by seed."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.utils.data import Dataset

from saccade.datasets import open_dataset
from saccade.datasets.clip import FlowDataset, FlowPair
from saccade.errors import DatasetError
from saccade.training.data import crop_generator, epoch_order
from saccade.training.flow_augment import augment_flow
from saccade.training.recipe import DataConfig, StageConfig, TrainConfig


class FlowPairs:
    """All pairs of a run, drawn once and kept in memory if asked to."""

    def __init__(self, pairs: Sequence[FlowPair], choice: dict[str, list[int]], config: TrainConfig) -> None:
        self.pairs = pairs
        self._choice = choice
        self._default = config.data
        self._keep = config.cache
        self._kept: dict[int, tuple[Tensor, Tensor, Tensor]] = {}

    @classmethod
    def open(cls, config: TrainConfig) -> FlowPairs:
        """Open every data set that the recipe names.

        Raises:
            DatasetError: A data set is missing, or has no exact flow.
        """
        pairs: list[FlowPair] = []
        choice: dict[str, list[int]] = {}
        for wanted in [*config.data, *(d for stage in config.stages for d in stage.data or ())]:
            if str(wanted) in choice:
                continue
            here = pairs_of(wanted)
            choice[str(wanted)] = list(range(len(pairs), len(pairs) + len(here))) * wanted.repeat
            pairs.extend(here)
        return cls(pairs, choice, config)

    def of(self, stage: StageConfig) -> list[int]:
        """Indices of the pairs of one epoch of a stage, in a fixed order."""
        return [i for wanted in stage.data or self._default for i in self._choice[str(wanted)]]

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor, Tensor]:
        """As ``tensors_of`` gives them."""
        if index in self._kept:
            return self._kept[index]
        triple = tensors_of(self.pairs[index])
        if self._keep:
            self._kept[index] = triple
        return triple


class FlowCrops(Dataset[tuple[Tensor, Tensor]]):
    """One epoch's crops. Item ``i`` of epoch ``e`` is the same whatever was read before it."""

    def __init__(self, pairs: FlowPairs, stage: StageConfig, seed: int, epoch: int) -> None:
        self.order = epoch_order(pairs.of(stage), seed, epoch)
        self.pairs, self.stage, self.seed, self.epoch = pairs, stage, seed, epoch

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, position: int) -> tuple[Tensor, Tensor]:
        """Frames ``(2, 3, h, w)`` in 0..255; and ``(3, h, w)``: ``dx``, ``dy``, 1 where they are known."""
        frames, flow, known = augment_flow(
            *self.pairs[self.order[position]],
            crop=self.stage.crop,
            scale=self.stage.scale,
            colour=self.stage.colour,
            generator=crop_generator(self.seed, self.epoch, position),
        )
        return frames, torch.cat((flow, known[None].float()))


def pairs_of(wanted: DataConfig) -> list[FlowPair]:
    """All pairs of one data set.

    Raises:
        DatasetError: It has no exact flow.
    """
    dataset = open_dataset(wanted.dataset, wanted.root, wanted.split, **dict(wanted.options))
    pairs = list(dataset.flow_pairs()) if isinstance(dataset, FlowDataset) else []
    if not pairs:
        raise DatasetError(
            f"{wanted.dataset} {wanted.split} has no frames with exact flow to train on; use world"
        )
    return pairs


def tensors_of(pair: FlowPair) -> tuple[Tensor, Tensor, Tensor]:
    """Frames ``(2, 3, H, W)`` uint8, flow ``(2, H, W)`` float32, visibility before ``(H, W)`` bool."""
    now, before, flow, occluded = pair.load()
    frames = torch.stack([torch.from_numpy(image).permute(2, 0, 1) for image in (now, before)])
    return frames, torch.from_numpy(flow).permute(2, 0, 1).contiguous(), torch.from_numpy(~occluded)
