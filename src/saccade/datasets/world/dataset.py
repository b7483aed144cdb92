"""The world as a data set: clips with exact ground truth for evaluation, single frames for training."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from saccade.classes import CITYSCAPES_TO_CAMVID, CLASS_SETS, ClassSet
from saccade.datasets.clip import Sample
from saccade.datasets.world.scene import Scene
from saccade.datasets.world.sensor import Sensor
from saccade.datasets.world.view import View
from saccade.errors import ConfigError
from saccade.video.frame import Frame

SPLITS = ("train", "val")
MODES = ("driving", "static", "panning")
_TO_CAMVID = np.array(CITYSCAPES_TO_CAMVID, np.uint8)


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
        scene = Scene(self.seed, 0.0, self.mode)
        view = View(scene, 0.0, self.size)
        rng = np.random.default_rng((*self.seed, 1))
        image = Sensor.draw(rng, scene.light.night).develop(view.image, 0.0, rng)
        return image, _labels(view, self.classes)


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
    """

    name: str
    fps: float
    seed: tuple[int, ...]
    frames: int
    size: tuple[int, int]
    classes: ClassSet
    mode: str

    def __len__(self) -> int:
        return self.frames

    def __iter__(self) -> Iterator[Sample]:
        scene = Scene(self.seed, self.frames / self.fps, self.mode)
        sensor = Sensor.draw(np.random.default_rng((*self.seed, 1)), scene.light.night)
        for index in range(self.frames):
            time = index / self.fps
            view = View(scene, time, self.size)
            image = sensor.develop(view.image, time, np.random.default_rng((*self.seed, 2, index)))
            yield Sample(Frame(image, index, time, self.name), _labels(view, self.classes))


class WorldDataset:
    """The built-in procedural street as a data set; nothing is read from or written to disk.

    Args:
        seed: Same seed, same pictures on the same machine.
        clips: Number of clips.
        frames: Frames per clip.
        size: ``(height, width)`` in pixels; any size.
        classes: ``"cityscapes"`` (19 classes) or ``"camvid"`` (11).
        split: ``"train"`` or ``"val"``; they never share a street.
        fps: Frames per second of the clips.
        mode: ``"driving"``, ``"static"``, ``"panning"``; None mixes them in ``clips`` and drives in ``labelled``.

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
        size: tuple[int, int] = (360, 480),
        classes: str = "camvid",
        split: str = "train",
        fps: float = 15.0,
        mode: str | None = None,
    ) -> None:
        if classes not in CLASS_SETS:
            raise ConfigError(
                f"the world has no class set {classes!r}; choose one of {', '.join(CLASS_SETS)}"
            )
        if split not in SPLITS:
            raise ConfigError(f"the world has no split {split!r}; choose one of {', '.join(SPLITS)}")
        if mode is not None and mode not in MODES:
            raise ConfigError(f"the world has no camera mode {mode!r}; choose one of {', '.join(MODES)}")
        if clips < 1 or frames < 1 or min(size) < 1 or not fps > 0 or seed < 0:
            raise ConfigError(
                f"clips, frames, size and fps must be positive and seed not negative, not clips={clips}, "
                f"frames={frames}, size={size}, fps={fps}, seed={seed}"
            )
        self.seed, self.split, self.size, self.fps, self.mode = seed, split, size, fps, mode
        self.classes = CLASS_SETS[classes]
        self._clips, self._frames = clips, frames

    def _seed(self, kind: int, index: int) -> tuple[int, ...]:
        return (self.seed, SPLITS.index(self.split), kind, index)

    def clips(self) -> Sequence[WorldClip]:
        """Clips of different streets, with labels on every frame."""
        out = []
        for i in range(self._clips):
            mode = self.mode or MODES[(0, 0, 0, 1, 2)[i % 5]]
            name = f"world-{self.split}-{self.seed}-{i}"
            out.append(
                WorldClip(name, self.fps, self._seed(0, i), self._frames, self.size, self.classes, mode)
            )
        return out

    def labelled(self) -> Sequence[WorldImage]:
        """``clips * frames`` single frames, each of a street of its own."""
        mode = self.mode or "driving"
        return [
            WorldImage(
                f"world-{self.split}-{self.seed}-image-{i}", self._seed(1, i), self.size, self.classes, mode
            )
            for i in range(self._clips * self._frames)
        ]
