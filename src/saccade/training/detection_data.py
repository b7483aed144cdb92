"""Frames with boxes as training crops: cached, shuffled and augmented by seed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from saccade.classes import ClassSet
from saccade.datasets import open_dataset
from saccade.datasets.clip import Box, BoxDataset, BoxedImage
from saccade.errors import DatasetError
from saccade.training.csp_targets import csp_targets
from saccade.training.data import class_set, crop_generator, epoch_order
from saccade.training.detection_augment import augment_boxes
from saccade.training.recipe import BoxConfig, StageConfig, TrainConfig

LEAST_INSIDE = 0.5
"""Share of a box that must lie in the crop for it to be learned; others are ignored."""


class BoxImages:
    """All frames with boxes of a run, decoded once and kept in memory if asked to.

    Attributes:
        images: Every frame of every data set, each once.
        classes: What is detected.
    """

    def __init__(
        self, images: Sequence[BoxedImage], choice: dict[str, list[int]], config: TrainConfig
    ) -> None:
        self.images = images
        self.classes: ClassSet = class_set(config.class_set)
        self._choice = choice
        self._default = config.data
        self._keep = config.cache
        self._kept: dict[int, tuple[Tensor, tuple[Box, ...]]] = {}
        if self._keep:
            for index in range(len(images)):  # in order, which videos are read fastest in
                self[index]

    @classmethod
    def open(cls, config: TrainConfig) -> BoxImages:
        """Open every data set that the recipe names.

        Raises:
            DatasetError: A data set is missing, empty, or has no boxes.
        """
        images: list[BoxedImage] = []
        choice: dict[str, list[int]] = {}
        for wanted in [*config.data, *(d for stage in config.stages for d in stage.data or ())]:
            if str(wanted) in choice:
                continue
            dataset = open_dataset(wanted.dataset, wanted.root, wanted.split, **dict(wanted.options))
            here = list(dataset.boxed()) if isinstance(dataset, BoxDataset) else []
            if not here:
                raise DatasetError(f"{wanted.dataset} {wanted.split} has no frames with boxes to train on")
            choice[str(wanted)] = list(range(len(images), len(images) + len(here))) * wanted.repeat
            images.extend(here)
        return cls(images, choice, config)

    def of(self, stage: StageConfig) -> list[int]:
        """Indices of the frames of one epoch of a stage, in a fixed order."""
        return [i for wanted in stage.data or self._default for i in self._choice[str(wanted)]]

    def __getitem__(self, index: int) -> tuple[Tensor, tuple[Box, ...]]:
        """Image ``(3, H, W)`` uint8 and its boxes."""
        if index in self._kept:
            return self._kept[index]
        image, boxes = self.images[index].load()
        pair = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1), boxes
        if self._keep:
            self._kept[index] = pair
        return pair


class BoxCrops(Dataset[tuple[Tensor, Tensor]]):
    """One epoch's crops with targets. Item ``i`` of epoch ``e`` is the same whatever was read before it."""

    def __init__(
        self, images: BoxImages, stage: StageConfig, boxes: BoxConfig, seed: int, epoch: int
    ) -> None:
        self.order = epoch_order(images.of(stage), seed, epoch)
        self.images, self.stage, self.boxes, self.seed, self.epoch = images, stage, boxes, seed, epoch

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, position: int) -> tuple[Tensor, Tensor]:
        image, truth = self.images[self.order[position]]
        names = self.images.classes.names
        corners = np.array([(b.x1, b.y1, b.x2, b.y2) for b in truth], float).reshape(-1, 4)
        wanted = np.array([learns(box, names, self.boxes) for box in truth], bool)
        labels = np.array([names.index(b.label) if b.label in names else 0 for b in truth], int)
        crop, moved = augment_boxes(
            image,
            corners,
            wanted,
            crop=self.stage.crop,
            scale=self.stage.scale,
            colour=self.stage.colour,
            generator=crop_generator(self.seed, self.epoch, position),
        )
        ignore = ~wanted | (share_inside(moved, self.stage.crop) < LEAST_INSIDE)
        return crop, csp_targets(moved, labels, ignore, self.stage.crop, len(names), self.boxes.offset_radius)


def learns(box: Box, names: Sequence[str], config: BoxConfig) -> bool:
    """Whether a box is of the kind that is learned; what lies in the others is neither right nor wrong."""
    return (
        not box.ignore
        and box.label in names
        and box.y2 - box.y1 >= config.min_height
        and box.visible >= config.min_visible
    )


def share_inside(boxes: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Share of each box ``(m, 4)`` that lies in a crop of ``(height, width)``."""
    limit = np.array([size[1], size[0]], float)
    low, high = np.clip(boxes[:, :2], 0, limit), np.clip(boxes[:, 2:], 0, limit)
    inside: np.ndarray = (high - low).prod(1) / np.maximum((boxes[:, 2:] - boxes[:, :2]).prod(1), 1e-9)
    return inside
