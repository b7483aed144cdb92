"""What every data set yields: clips of frames in order, with labels where they exist."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from saccade.classes import ClassSet
from saccade.video.frame import Frame


@dataclass(frozen=True)
class Box:
    """One ground-truth object of a frame.

    Attributes:
        x1, y1, x2, y2: Pixel coordinates of the full (not only the visible) extent.
        label: Class name, for example ``"person"``.
        identity: The same number for the same object in all frames of a clip.
        visible: Share of the object's pixels that is not hidden or outside the image, 0..1.
        ignore: What is found here is neither right nor wrong: a region of many, a poster, a doubtful case.
    """

    x1: float
    y1: float
    x2: float
    y2: float
    label: str
    identity: int
    visible: float
    ignore: bool = False


@dataclass(frozen=True, eq=False)
class Sample:
    """A frame with whatever ground truth the data set has for it.

    Attributes:
        frame: The image.
        label: ``(h, w)`` uint8 class ids, ``IGNORE`` where not labelled; None on unlabelled frames.
        flow: ``(H, W, 2)`` float32, backward flow in pixels ``(dx, dy)``: the scene point seen at
            ``(x, y)`` now was at ``(x + dx, y + dy)`` in the previous frame. None where unknown
            and on the first frame of a clip.
        occluded: ``(H, W)`` bool, True where the point was not visible in the previous frame.
        boxes: Objects of the frame; None where nobody marked them.
    """

    frame: Frame
    label: np.ndarray | None = None
    flow: np.ndarray | None = None
    occluded: np.ndarray | None = None
    boxes: tuple[Box, ...] | None = None


class Clip(Protocol):
    """Consecutive frames of one video; iterating decodes lazily and may be repeated."""

    @property
    def name(self) -> str: ...
    @property
    def fps(self) -> float: ...
    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[Sample]: ...


class LabelledImage(Protocol):
    """One labelled frame, for training: nothing is read before ``load``."""

    @property
    def name(self) -> str: ...
    def load(self) -> tuple[np.ndarray, np.ndarray]:
        """``(H, W, 3)`` uint8 RGB image and ``(H, W)`` uint8 label of the same size."""
        ...


class Dataset(Protocol):
    """A split of a data set. ``clips`` serves evaluation on video, ``labelled`` training."""

    name: str
    split: str
    classes: ClassSet

    def clips(self) -> Sequence[Clip]: ...
    def labelled(self) -> Sequence[LabelledImage]: ...


class BoxedImage(Protocol):
    """One frame with its objects, for training: nothing is read before ``load``."""

    @property
    def name(self) -> str: ...
    def load(self) -> tuple[np.ndarray, tuple[Box, ...]]:
        """``(H, W, 3)`` uint8 RGB image and its objects."""
        ...


@runtime_checkable
class BoxDataset(Protocol):
    """A split of a data set whose frames have boxes: ``boxed`` serves the training of detectors."""

    name: str
    split: str
    classes: ClassSet

    def clips(self) -> Sequence[Clip]: ...
    def boxed(self) -> Sequence[BoxedImage]: ...


class FlowPair(Protocol):
    """Two frames with the exact flow between them, for training: nothing is read before ``load``."""

    @property
    def name(self) -> str: ...
    def load(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Frame, the one before it, backward flow and occlusion, as ``Sample`` has them.

        ``(H, W, 3)`` uint8 RGB twice, ``(H, W, 2)`` float32 and ``(H, W)`` bool.
        """
        ...


@runtime_checkable
class FlowDataset(Protocol):
    """A split of a data set with exact flow: ``flow_pairs`` serves the training of flow networks."""

    name: str
    split: str
    classes: ClassSet

    def clips(self) -> Sequence[Clip]: ...
    def flow_pairs(self) -> Sequence[FlowPair]: ...
