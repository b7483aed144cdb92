"""The clips that methods with key frames learn from: where they come from, and which stay in memory."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import Dataset

from saccade.classes import IGNORE, ClassSet
from saccade.datasets import open_dataset
from saccade.datasets.clip import LabelledImage, Sample
from saccade.errors import ConfigError, DatasetError
from saccade.training.data import crop_generator, epoch_order
from saccade.training.moving import moving_clip
from saccade.training.recipe import DataConfig, StageConfig, TrainConfig
from saccade.video.opening import open_video

VIDEO = "video"
"""In the place of a data set's name: a video without labels, whose file or folder is ``root``."""

Size = tuple[int, int]
"""Height and width."""

Read = tuple[list[Tensor], list[Tensor]]
"""Frames ``(3, H, W)`` and labels ``(H, W)`` of a clip, uint8, all of one size."""

Made = TypeVar("Made")


@dataclass(frozen=True)
class Footage:
    """A clip of which nothing is read before ``read``.

    Attributes:
        length: Its number of frames.
        read: Gives all of them.
    """

    length: int
    read: Callable[[], Read]


class Clips(ABC, Generic[Made]):
    """All clips of a run: which of their frames an epoch ends at, and what is made of each clip.

    It is made at the start and kept, in order, until ``keyframes.memory`` is full; what there is no room for
    is made anew whenever it is needed.

    Args:
        config: The recipe.
        classes: What labels must be of.
        farthest: How far back in its clip a way to a frame can begin; shorter clips are left out, and clips
            of stills get so many frames and one more.
        first: Number of the first frame of a clip that a way can end at.
        size: That clips are brought to; the crop of each stage by default.

    Raises:
        DatasetError: A data set is missing, has other classes, or no clip is long enough.
        ConfigError: Worker processes, and not all clips have room: they would ask the frozen network too.
    """

    def __init__(
        self, config: TrainConfig, classes: ClassSet, farthest: int, first: int, size: Size | None = None
    ) -> None:
        self._default = config.data
        self._size = size
        self._footage: list[Footage] = []
        self._frames: list[tuple[int, int]] = []
        self._choice: dict[tuple[str, Size], list[int]] = {}
        for stage in config.stages:
            for wanted in stage.data or config.data:
                if (key := self._key(wanted, stage)) in self._choice:
                    continue
                begin = len(self._frames)
                for footage in clips_of(wanted, key[1], classes, farthest, config.seed):
                    if footage.length > farthest:
                        clip = len(self._footage)
                        self._frames += [(clip, number) for number in range(first, footage.length)]
                        self._footage.append(footage)
                if begin == len(self._frames):
                    raise DatasetError(
                        f"{wanted.dataset} {wanted.root or ''}: no clip has more than {farthest} frames, "
                        "which keyframes.distances reach back to; use longer clips, or `moving` for stills"
                    )
                self._choice[key] = list(range(begin, len(self._frames))) * wanted.repeat
        self._kept = self._first_clips(config)

    @abstractmethod
    def make(self, images: Sequence[Tensor], labels: Sequence[Tensor]) -> Made:
        """What is kept of a clip, a dataclass of tensors; called in ``__init__`` already."""

    def of(self, stage: StageConfig) -> list[int]:
        """Indices of the frames of one epoch of a stage, in a fixed order."""
        chosen = stage.data or self._default
        return [index for wanted in chosen for index in self._choice[self._key(wanted, stage)]]

    def frame(self, index: int) -> tuple[Made, int]:
        """A clip, and the number of a frame in it."""
        clip, number = self._frames[index]
        if clip < len(self._kept):
            return self._kept[clip], number
        return self.make(*self._footage[clip].read()), number

    def _key(self, wanted: DataConfig, stage: StageConfig) -> tuple[str, Size]:
        return str(wanted), self._size or stage.crop

    def _first_clips(self, config: TrainConfig) -> list[Made]:
        """As many as there is room for."""
        kept: list[Made] = []
        room = config.keyframes.memory * 1e9
        for footage in self._footage:
            clip = self.make(*footage.read())
            room -= sum(part.nbytes for part in vars(clip).values() if isinstance(part, Tensor))
            if room < 0:
                break
            kept.append(clip)
        if config.workers and len(kept) < len(self._footage):
            raise ConfigError(
                f"{len(kept)} of {len(self._footage)} clips fit in keyframes.memory of "
                f"{config.keyframes.memory:g} GB, and the others are made where the frozen network is: set "
                "workers to 0, or give more memory"
            )
        return kept


class Ways(Dataset[tuple[Tensor, Tensor]]):
    """One epoch's ways from a key frame to a later frame. All of a batch are of the same length.

    Args:
        clips: Where they are taken from.
        stage: Size of a batch, and what is done to the frames.
        config: The recipe.
        epoch: Number of the epoch.
    """

    def __init__(self, clips: Clips[Any], stage: StageConfig, config: TrainConfig, epoch: int) -> None:
        self.clips, self.stage, self.seed, self.epoch = clips, stage, config.seed, epoch
        self.path = config.keyframes.path
        self.order = epoch_order(clips.of(stage), config.seed, epoch)
        batches = -(-len(self.order) // stage.batch_size)
        distances = np.array(config.keyframes.distances)
        self.distances = np.random.default_rng((config.seed, epoch, 1)).choice(distances, batches)

    def __len__(self) -> int:
        return len(self.order)

    def distance(self, position: int) -> int:
        """Length of a way."""
        return int(self.distances[position // self.stage.batch_size])


def class_counts(config: TrainConfig, classes: int) -> Tensor:
    """Pixels per class ``(K,)`` of all labelled frames that clips are made of, each data set once."""
    counts = np.zeros(256, dtype=np.int64)
    entries = [wanted for stage in config.stages for wanted in stage.data or config.data]
    for wanted in {str(wanted): wanted for wanted in entries if wanted.dataset != VIDEO}.values():
        dataset = open_dataset(wanted.dataset, wanted.root, wanted.split, **dict(wanted.options))
        for image in dataset.labelled()[:: wanted.every]:
            counts += np.bincount(image.load()[1].ravel(), minlength=256)
    return torch.from_numpy(counts[:classes])


def clips_of(wanted: DataConfig, size: Size, classes: ClassSet, farthest: int, seed: int) -> list[Footage]:
    """All clips of an entry, their frames and labels at the same size.

    Args:
        wanted: The entry.
        size: ``(H, W)``; frames are resized so that they cover it, and their middle is cut out.
        classes: What labels must be of.
        farthest: Clips of stills get so many frames and one more.
        seed: Of how the camera moves over stills.

    Raises:
        DatasetError: The data set is missing or has other classes.
    """
    if wanted.dataset == VIDEO:
        if wanted.root is None:
            raise DatasetError("data of a video needs its file as root")
        with open_video(wanted.root) as source:
            length = sum(1 for _ in source)
        return [Footage(length, partial(_read_video, wanted.root, size))]
    dataset = open_dataset(wanted.dataset, wanted.root, wanted.split, **dict(wanted.options))
    if dataset.classes.names != classes.names:
        raise DatasetError(
            f"{wanted.dataset} is labelled in {dataset.classes.name} classes, the frozen network knows "
            f"{classes.name}; choose data with the same class set"
        )
    if wanted.moving:
        stills = dataset.labelled()[:: wanted.every]
        return [
            Footage(farthest + 1, partial(_read_still, still, size, farthest + 1, seed, number))
            for number, still in enumerate(stills)
        ]
    return [Footage(len(clip), partial(_read_clip, clip, size)) for clip in dataset.clips()[:: wanted.every]]


def _read_video(root: str, size: Size) -> Read:
    with open_video(root) as source:
        images = [fitted(_tensor(frame.image), size) for frame in source]
    return images, [_label(None, size)] * len(images)


def _read_still(still: LabelledImage, size: Size, frames: int, seed: int, number: int) -> Read:
    image, label = still.load()
    images, labels = moving_clip(
        fitted(_tensor(image), size), _label(label, size), frames, crop_generator(seed, 0, number)
    )
    return list(images), list(labels)


def _read_clip(clip: Iterable[Sample], size: Size) -> Read:
    samples = list(clip)
    images = [fitted(_tensor(sample.frame.image), size) for sample in samples]
    return images, [_label(sample.label, size) for sample in samples]


def _label(label: np.ndarray | None, size: Size) -> Tensor:
    """``size`` uint8, fitted as its picture is; ``IGNORE`` where there is no label."""
    if label is None:
        return torch.full(size, IGNORE, dtype=torch.uint8)
    return fitted(torch.from_numpy(np.ascontiguousarray(label))[None], size, nearest=True)[0]


def fitted(image: Tensor, size: Size, *, nearest: bool = False) -> Tensor:
    """The middle ``(C, *size)`` of a picture that was resized to cover it, uint8."""
    height, width = image.shape[1:]
    if (height, width) == size:
        return image
    factor = max(size[0] / height, size[1] / width)
    larger = [max(side, round(old * factor)) for side, old in zip(size, (height, width), strict=True)]
    if nearest:
        image = F.interpolate(image[None], size=larger, mode="nearest-exact")[0]
    else:
        smooth = F.interpolate(image[None].float(), size=larger, mode="bilinear", antialias=factor < 1)[0]
        image = smooth.round().clamp(0, 255).to(torch.uint8)
    top, left = ((side - wanted) // 2 for side, wanted in zip(larger, size, strict=True))
    return image[:, top : top + size[0], left : left + size[1]].contiguous()


def _tensor(image: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)
