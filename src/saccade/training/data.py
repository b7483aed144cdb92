"""Labelled images as training crops: cached, shuffled and augmented by seed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from saccade.classes import CLASS_SETS, IGNORE, ClassSet
from saccade.datasets import open_dataset
from saccade.datasets.clip import LabelledImage
from saccade.errors import ConfigError, DatasetError
from saccade.training.augment import augment
from saccade.training.recipe import StageConfig, TrainConfig


class TrainingImages:
    """All labelled images of a run, decoded once and kept in memory if asked to.

    Attributes:
        images: Every image of every data set, each once.
        classes: The class set that all of them are labelled in.
    """

    def __init__(
        self, images: Sequence[LabelledImage], choice: dict[str, list[int]], config: TrainConfig
    ) -> None:
        self.images = images
        self.classes = class_set(config.class_set)
        self._choice = choice
        self._default = config.data
        self._keep = config.cache
        self._kept: dict[int, tuple[Tensor, Tensor]] = {}

    @classmethod
    def open(cls, config: TrainConfig) -> TrainingImages:
        """Open every data set that the recipe names.

        Raises:
            DatasetError: A data set is missing, empty, or labelled in other classes.
        """
        images: list[LabelledImage] = []
        choice: dict[str, list[int]] = {}
        everything = [*config.data, *(d for stage in config.stages for d in stage.data or ())]
        for wanted in everything:
            if str(wanted) in choice:
                continue
            dataset = open_dataset(wanted.dataset, wanted.root, wanted.split, **dict(wanted.options))
            if dataset.classes.names != class_set(config.class_set).names:
                raise DatasetError(
                    f"{wanted.dataset} is labelled in {dataset.classes.name} classes, the recipe trains "
                    f"{config.class_set}; choose data with the same class set"
                )
            here = list(dataset.labelled())
            if not here:
                raise DatasetError(f"{wanted.dataset} {wanted.split} has no labelled frames to train on")
            choice[str(wanted)] = list(range(len(images), len(images) + len(here))) * wanted.repeat
            images.extend(here)
        return cls(images, choice, config)

    def of(self, stage: StageConfig) -> list[int]:
        """Indices of the images of one epoch of a stage, in a fixed order."""
        return [i for wanted in stage.data or self._default for i in self._choice[str(wanted)]]

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """Image ``(3, H, W)`` uint8 and label ``(H, W)`` uint8."""
        if index in self._kept:
            return self._kept[index]
        image, label = self.images[index].load()
        if image.shape[:2] != label.shape:
            raise DatasetError(
                f"{self.images[index].name}: image is {image.shape[1]}x{image.shape[0]}, "
                f"label is {label.shape[1]}x{label.shape[0]}; they must be the same size to train on"
            )
        pair = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1), torch.from_numpy(label)
        if self._keep:
            self._kept[index] = pair
        return pair

    def class_counts(self) -> Tensor:
        """Labelled pixels per class ``(K,)``; unknown ids are an error that names the image."""
        counts = np.zeros(256, dtype=np.int64)
        for index in range(len(self.images)):
            here = np.bincount(self[index][1].numpy().ravel(), minlength=256)
            if unknown := [i for i in range(len(self.classes), 256) if here[i] and i != IGNORE]:
                raise DatasetError(
                    f"{self.images[index].name} has label ids {unknown}; {self.classes.name} has ids 0 to "
                    f"{len(self.classes) - 1}, and {IGNORE} for unlabelled pixels"
                )
            counts += here
        return torch.from_numpy(counts[: len(self.classes)])


class Crops(Dataset[tuple[Tensor, Tensor]]):
    """One epoch's crops. Item ``i`` of epoch ``e`` is the same whatever was read before it."""

    def __init__(self, images: TrainingImages, stage: StageConfig, seed: int, epoch: int) -> None:
        self.order = epoch_order(images.of(stage), seed, epoch)
        self.images = images
        self.stage = stage
        self.seed = seed
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, position: int) -> tuple[Tensor, Tensor]:
        image, label = self.images[self.order[position]]
        return augment(
            image,
            label,
            crop=self.stage.crop,
            scale=self.stage.scale,
            colour=self.stage.colour,
            generator=crop_generator(self.seed, self.epoch, position),
        )


def epoch_order(chosen: Sequence[int], seed: int, epoch: int) -> list[int]:
    """Indices in the order of an epoch."""
    return [chosen[i] for i in np.random.default_rng((seed, epoch)).permutation(len(chosen))]


def crop_generator(seed: int, epoch: int, position: int) -> torch.Generator:
    """Source of randomness of one crop."""
    state = np.random.SeedSequence((seed, epoch, position)).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(state >> np.uint64(1)))


def class_set(name: str) -> ClassSet:
    """The class set of a recipe."""
    if name not in CLASS_SETS:
        raise ConfigError(f"class_set must be one of {', '.join(CLASS_SETS)}, not {name!r}")
    return CLASS_SETS[name]
