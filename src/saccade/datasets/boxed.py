"""Data sets with boxes: frames in image files or in a video, resized on the way in if asked to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import numpy as np

from saccade.classes import PEDESTRIANS, ClassSet
from saccade.datasets.clip import Box, LabelledImage, Sample
from saccade.datasets.stills import read_frame
from saccade.errors import ConfigError, DatasetError, SourceError
from saccade.video.frame import Frame
from saccade.video.image_sequence import resize

PERSON = PEDESTRIANS.names[0]
"""Label of the boxes of pedestrians."""


class Pictures(Protocol):
    """Frames of a clip by position."""

    def __len__(self) -> int: ...
    def read(self, position: int) -> np.ndarray:
        """``(H, W, 3)`` uint8 RGB."""
        ...


@dataclass(frozen=True)
class ImageFiles:
    """A file for each frame."""

    paths: tuple[Path, ...]

    def __len__(self) -> int:
        return len(self.paths)

    def read(self, position: int) -> np.ndarray:
        """The frame at a position.

        Raises:
            DatasetError: The file is missing, damaged or not an image.
        """
        return read_frame(self.paths[position])


@dataclass(eq=False)
class VideoFrames:
    """Frames of a video; fast in their order, from the beginning again for one that lies behind.

    Attributes:
        path: The video.
        first: Position in the video of the first frame that counts.
        count: How many count.
    """

    path: Path
    first: int
    count: int
    _frames: Iterator[Frame] | None = field(default=None, repr=False)
    _next: int = 0

    def __len__(self) -> int:
        return self.count

    def read(self, position: int) -> np.ndarray:
        """The frame at a position.

        Raises:
            DatasetError: The video is damaged, or ends before it.
        """
        from saccade.video.opening import open_video

        wanted = self.first + position
        try:
            if self._frames is None or wanted < self._next:
                self.close()
                self._frames, self._next = iter(open_video(self.path)), 0
            for frame in self._frames:
                self._next += 1
                if self._next > wanted:
                    return frame.image
        except SourceError as error:
            raise DatasetError(str(error)) from error
        raise DatasetError(f"{self.path} ends after {self._next} frames; frame {wanted + 1} is wanted")

    def close(self) -> None:
        """Stop reading; a later ``read`` begins again."""
        if self._frames is not None:
            self._frames.close()  # type: ignore[attr-defined]
            self._frames = None

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_frames": None, "_next": 0}  # for processes that load


@dataclass(frozen=True)
class BoxedClip:
    """Consecutive frames with boxes; iterating decodes one frame at a time.

    Attributes:
        name: Unique in the data set.
        fps: Frames per second.
        source: The data set's root, as ``Frame.source``.
        pictures: The frames.
        boxes: Those of each frame; None where nobody marked them.
        scale: Frames and boxes are resized by it.
    """

    name: str
    fps: float
    source: str
    pictures: Pictures
    boxes: tuple[tuple[Box, ...] | None, ...]
    scale: float = 1.0

    def __len__(self) -> int:
        return len(self.boxes)

    def __iter__(self) -> Iterator[Sample]:
        for index in range(len(self)):
            image, boxes = self.at(index)
            yield Sample(Frame(image, index, index / self.fps, self.source), boxes=boxes)

    def at(self, index: int) -> tuple[np.ndarray, tuple[Box, ...] | None]:
        """One frame and its boxes."""
        image, boxes = self.pictures.read(index), self.boxes[index]
        if self.scale == 1:
            return image, boxes
        height, width = image.shape[:2]
        size = max(1, round(height * self.scale)), max(1, round(width * self.scale))
        if boxes is not None:
            boxes = tuple(resized(box, size[0] / height, size[1] / width) for box in boxes)
        return resize(image, size), boxes


@dataclass(frozen=True)
class BoxedFrame:
    """One frame with boxes, for training."""

    clip: BoxedClip
    index: int

    @property
    def name(self) -> str:
        return f"{self.clip.name}/{self.index}"

    def load(self) -> tuple[np.ndarray, tuple[Box, ...]]:
        """``(H, W, 3)`` uint8 RGB image and its objects."""
        image, boxes = self.clip.at(self.index)
        return image, boxes or ()


class BoxedDataset:
    """A split with boxes of people.

    Args:
        name: Name of the data set.
        split: Name of the split.
        clips: Every frame of the split.
        scale: Frames and boxes are resized by it.

    Raises:
        ConfigError: ``scale`` is not above 0.
    """

    classes: ClassSet = PEDESTRIANS

    def __init__(self, name: str, split: str, clips: Sequence[BoxedClip], scale: float = 1.0) -> None:
        if not 0 < scale < float("inf"):
            raise ConfigError(
                f"{name}: scale {scale} is not possible; give a number above 0, for example 0.5"
            )
        self.name, self.split = name, split
        self._clips = tuple(replace(clip, scale=scale) for clip in clips)

    def clips(self) -> Sequence[BoxedClip]:
        """The clips in order."""
        return self._clips

    def boxed(self) -> Sequence[BoxedFrame]:
        """Every frame whose people are marked, in the order of the clips."""
        return tuple(
            BoxedFrame(clip, index)
            for clip in self._clips
            for index, boxes in enumerate(clip.boxes)
            if boxes is not None
        )

    def labelled(self) -> Sequence[LabelledImage]:
        """Nothing: no pixel has a class here."""
        return ()


def resized(box: Box, height: float, width: float) -> Box:
    """A box on a frame that is ``height`` times as high and ``width`` times as wide."""
    return replace(box, x1=box.x1 * width, x2=box.x2 * width, y1=box.y1 * height, y2=box.y2 * height)
