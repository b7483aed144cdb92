"""The world as a data set: clips with exact ground truth for evaluation, single frames for training."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from saccade.classes import CAMVID, CITYSCAPES, CITYSCAPES_TO_CAMVID, ClassSet
from saccade.datasets.clip import Box, Sample
from saccade.datasets.world.film import Film
from saccade.datasets.world.view import View
from saccade.errors import ConfigError
from saccade.video.frame import Frame

SPLITS = ("train", "val")
MODES = ("driving", "static", "panning")
_CLASS_SETS = {each.name: each for each in (CITYSCAPES, CAMVID)}
_MIX = ("driving", "driving", "driving", "static", "panning")
_TO_CAMVID = np.array(CITYSCAPES_TO_CAMVID, np.uint8)
_CLIPS, _IMAGES, _PAIRS = 0, 1, 2


def world_seed(seed: int, split: str, kind: int, index: int) -> tuple[int, ...]:
    """Seed of one street; no two arguments give the same street."""
    return (seed, SPLITS.index(split), kind, index)


def _labels(view: View, classes: ClassSet) -> np.ndarray:
    return _TO_CAMVID[view.label] if classes.name == "camvid" else view.label


@dataclass(frozen=True)
class WorldImage:
    """One frame of a street of its own.

    Attributes:
        name: Tells the split and the number.
        seed: Same seed, same frame.
        size: ``(height, width)`` in pixels.
        classes: Class set of the label.
        mode: How the camera stands, see ``WorldDataset``.
    """

    name: str
    seed: tuple[int, ...]
    size: tuple[int, int]
    classes: ClassSet
    mode: str

    def load(self) -> tuple[np.ndarray, np.ndarray]:
        """``(H, W, 3)`` uint8 RGB image and ``(H, W)`` uint8 label."""
        film = Film(self.seed, 1, 1.0, self.size, self.mode)
        view = film.view(0)
        return film.develop(view, 0), _labels(view, self.classes)


@dataclass(frozen=True)
class WorldBoxes:
    """The same frame with its people in place of its label."""

    image: WorldImage

    @property
    def name(self) -> str:
        return self.image.name

    def load(self) -> tuple[np.ndarray, tuple[Box, ...]]:
        """``(H, W, 3)`` uint8 RGB image and boxes of people and riders."""
        film = Film(self.image.seed, 1, 1.0, self.image.size, self.image.mode)
        view = film.view(0)
        return film.develop(view, 0), view.boxes


@dataclass(frozen=True)
class WorldPair:
    """Two consecutive frames of a street of its own, with exact flow.

    Attributes:
        name: Tells the split and the number.
        seed: Same seed, same frames.
        fps: Frames per second.
        size: ``(height, width)`` in pixels.
        mode: How the camera moves, see ``WorldDataset``.
    """

    name: str
    seed: tuple[int, ...]
    fps: float
    size: tuple[int, int]
    mode: str

    def load(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Frame, the one before it, backward flow and occlusion; see ``saccade.datasets.clip.FlowPair``."""
        film = Film(self.seed, 2, self.fps, self.size, self.mode)
        before, now = film.view(0), film.view(1)
        flow, occluded = now.flow_from(before)
        return film.develop(now, 1), film.develop(before, 0), flow, occluded


@dataclass(frozen=True)
class WorldClip:
    """Consecutive frames of one street.

    Attributes:
        name: Tells the split and the number.
        fps: Frames per second.
        seed: Same seed, same clip.
        frames: Number of frames.
        size: ``(height, width)`` in pixels.
        classes: Class set of the labels.
        mode: How the camera moves, see ``WorldDataset``.
        flow: Whether samples have optical flow.
    """

    name: str
    fps: float
    seed: tuple[int, ...]
    frames: int
    size: tuple[int, int]
    classes: ClassSet
    mode: str
    flow: bool = True

    def __len__(self) -> int:
        return self.frames

    def __iter__(self) -> Iterator[Sample]:
        film = Film(self.seed, self.frames, self.fps, self.size, self.mode)
        before: View | None = None
        for index in range(self.frames):
            view = film.view(index)
            frame = Frame(film.develop(view, index), index, index / self.fps, self.name)
            flow, occluded = view.flow_from(before) if self.flow and before else (None, None)
            yield Sample(frame, _labels(view, self.classes), flow, occluded, view.boxes)
            before = view


class WorldDataset:
    """The built-in procedural street as a data set; nothing is read from or written to disk.

    Args:
        seed: Same seed, same pictures, bit for bit on the same machine.
        clips: Number of clips.
        frames: Frames per clip.
        size: ``(height, width)`` in pixels; any size.
        classes: ``"cityscapes"`` (19 classes) or ``"camvid"`` (11).
        split: ``"train"`` or ``"val"``; they never share a street.
        fps: Frames per second of the clips.
        mode: ``"driving"``, ``"static"``, ``"panning"``; None mixes them in ``clips`` and drives in
            ``labelled``.
        flow: Whether the frames of clips have optical flow, which costs a quarter of the time.

    Raises:
        ConfigError: An argument has a value that cannot work.
    """

    name = "world"

    def __init__(
        self,
        *,
        seed: int = 0,
        clips: int = 8,
        frames: int = 100,
        size: Sequence[int] = (360, 480),
        classes: str = "camvid",
        split: str = "train",
        fps: float = 15.0,
        mode: str | None = None,
        flow: bool = True,
    ) -> None:
        if classes not in _CLASS_SETS:
            raise ConfigError(
                f"the world has no class set {classes!r}; choose one of {', '.join(_CLASS_SETS)}"
            )
        if split not in SPLITS:
            raise ConfigError(f"the world has no split {split!r}; choose one of {', '.join(SPLITS)}")
        if mode is not None and mode not in MODES:
            raise ConfigError(f"the world has no camera mode {mode!r}; choose one of {', '.join(MODES)}")
        if len(size) != 2 or min(size) < 1:
            raise ConfigError(f"size {size!r} is not a frame size; give (height, width), both at least 1")
        if clips < 1 or frames < 1 or not fps > 0 or seed < 0:
            raise ConfigError(
                "clips, frames and fps must be positive and seed not negative; these are "
                f"clips={clips}, frames={frames}, fps={fps}, seed={seed}"
            )
        self.seed, self.split, self.fps, self.mode, self.flow = seed, split, fps, mode, flow
        self.size = (int(size[0]), int(size[1]))
        self.classes = _CLASS_SETS[classes]
        self._clips, self._frames = clips, frames

    def clips(self) -> Sequence[WorldClip]:
        """Clips of different streets, with labels, boxes and (but for the first frame) flow."""
        return [
            WorldClip(
                f"world-{self.split}-{self.seed}-{i}", self.fps, world_seed(self.seed, self.split, _CLIPS, i),
                self._frames, self.size, self.classes, self.mode or _MIX[i % len(_MIX)], self.flow,
            )
            for i in range(self._clips)
        ]  # fmt: skip

    def labelled(self) -> Sequence[WorldImage]:
        """``clips * frames`` single frames, each of a street of its own."""
        return [
            WorldImage(
                f"world-{self.split}-{self.seed}-image-{i}", world_seed(self.seed, self.split, _IMAGES, i),
                self.size, self.classes, self.mode or "driving",
            )
            for i in range(self._clips * self._frames)
        ]  # fmt: skip

    def boxed(self) -> Sequence[WorldBoxes]:
        """The frames of ``labelled`` with boxes of people."""
        return [WorldBoxes(image) for image in self.labelled()]

    def flow_pairs(self) -> Sequence[WorldPair]:
        """``clips * frames`` pairs of consecutive frames, each of a street of its own."""
        return [
            WorldPair(
                f"world-{self.split}-{self.seed}-pair-{i}", world_seed(self.seed, self.split, _PAIRS, i),
                self.fps, self.size, self.mode or _MIX[i % len(_MIX)],
            )
            for i in range(self._clips * self._frames)
        ]  # fmt: skip
