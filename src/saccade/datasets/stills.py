"""Data sets that lie on disk as one image file per frame and one per label."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from saccade.classes import IGNORE, ClassSet
from saccade.datasets.clip import Sample
from saccade.errors import DatasetError, SourceError
from saccade.video.frame import Frame
from saccade.video.image_sequence import read_image

LabelReader = Callable[[Path], np.ndarray]
"""Reads a label file as ``(H, W)`` uint8 class ids with ``IGNORE``; raises ``DatasetError``."""

UNKNOWN = IGNORE - 1
"""Table entry of ids and colours that a data set does not have."""


def read_frame(path: Path) -> np.ndarray:
    """A frame's file as ``(H, W, 3)`` uint8 RGB, as every source of images reads it.

    Raises:
        DatasetError: The file is missing, damaged or not an image.
    """
    try:
        return read_image(path)
    except SourceError as error:
        raise DatasetError(str(error)) from error


def read_ids(path: Path) -> np.ndarray:
    """The raw ids ``(H, W)`` uint8 of an indexed, grey or bilevel image.

    Raises:
        DatasetError: The file is missing, damaged, or not of one 8-bit channel.
    """
    try:
        with Image.open(path) as image:
            ImageOps.exif_transpose(image, in_place=True)
            if image.mode in ("L", "P", "1"):
                return np.array(image).astype(np.uint8, copy=False)
            mode = image.mode
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DatasetError(f"{path} cannot be read as a label ({error}); replace the file") from error
    raise DatasetError(
        f"{path} is an image of mode {mode}; expected one 8-bit channel of class ids (an indexed or grey PNG)"
    )


@dataclass(frozen=True)
class IdLabels:
    """Reads labels stored as ids and maps them to the class set by a table.

    Args:
        table: 256 entries, id in the file -> class id, ``IGNORE`` or ``UNKNOWN``.
        expected: The ids that may occur, in words, for the error.
    """

    table: bytes
    expected: str

    def __call__(self, path: Path) -> np.ndarray:
        ids = read_ids(path)
        label = np.frombuffer(self.table, np.uint8)[ids]
        if (label == UNKNOWN).any():
            unknown = ", ".join(map(str, np.unique(ids[label == UNKNOWN])))
            raise DatasetError(f"{path} has unknown class ids {unknown}; expected {self.expected}")
        return label


def id_table(known: dict[int, int]) -> bytes:
    """The 256-entry table of ``IdLabels``: 255 is ``IGNORE``, ids that are not given are unknown."""
    return bytes(known.get(i, IGNORE if i == IGNORE else UNKNOWN) for i in range(256))


@dataclass(frozen=True)
class Still:
    """One frame on disk.

    Attributes:
        name: Unique in the data set, without suffix.
        image: The frame's file.
        label: The label's file; None on unlabelled frames.
    """

    name: str
    image: Path
    label: Path | None


@dataclass(frozen=True)
class LabelledStill:
    """A labelled frame for training; reads its two files on ``load``."""

    name: str
    image: Path
    label: Path
    read_label: LabelReader

    def load(self) -> tuple[np.ndarray, np.ndarray]:
        """``(H, W, 3)`` uint8 RGB and ``(H, W)`` uint8 class ids.

        Raises:
            DatasetError: A file is damaged, sizes differ, or the label has unknown ids.
        """
        image, label = read_frame(self.image), self.read_label(self.label)
        if image.shape[:2] != label.shape:
            (fh, fw), (lh, lw) = image.shape[:2], label.shape
            raise DatasetError(
                f"{self.label} is {lw}x{lh} but its frame {self.image} is {fw}x{fh}; expected equal sizes"
            )
        return image, label


@dataclass(frozen=True)
class StillClip:
    """Consecutive frames on disk; iterating decodes one frame at a time.

    Attributes:
        name: Unique in the data set.
        fps: Frames per second between neighbours.
        source: The data set's root, as ``Frame.source``.
        stills: The frames in order.
        read_label: How to read their labels.
    """

    name: str
    fps: float
    source: str
    stills: tuple[Still, ...]
    read_label: LabelReader

    def __len__(self) -> int:
        return len(self.stills)

    def __iter__(self) -> Iterator[Sample]:
        for index, still in enumerate(self.stills):
            label = None
            if still.label is None:
                image = read_frame(still.image)
            else:
                image, label = LabelledStill(still.name, still.image, still.label, self.read_label).load()
            yield Sample(Frame(image, index, index / self.fps, self.source), label)


class StillDataset:
    """A split whose clips are known by file names; nothing is decoded before it is asked for.

    Args:
        name: Name of the data set.
        split: Name of the split.
        classes: Class set of the labels.
        clips: Every frame of the split, each labelled frame in exactly one clip.
    """

    def __init__(self, name: str, split: str, classes: ClassSet, clips: Sequence[StillClip]) -> None:
        self.name, self.split, self.classes = name, split, classes
        self._clips = tuple(clips)

    def clips(self) -> Sequence[StillClip]:
        """The clips in order."""
        return self._clips

    def labelled(self) -> Sequence[LabelledStill]:
        """Every labelled frame, in the order of the clips."""
        return tuple(
            LabelledStill(still.name, still.image, still.label, clip.read_label)
            for clip in self._clips
            for still in clip.stills
            if still.label is not None
        )
