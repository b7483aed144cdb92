"""Where results go: what a sink is, and sinks for overlay videos and label maps."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

import numpy as np

from saccade.classes import IGNORE, ClassSet
from saccade.errors import OutputError
from saccade.methods.base import StepResult
from saccade.video.frame import Frame
from saccade.video.label_writer import LabelWriter
from saccade.video.overlay import draw_overlay
from saccade.video.palette import unnamed_classes
from saccade.video.source import Source
from saccade.video.video_writer import VideoWriter


class Sink(Protocol):
    """Takes the results of a run, frame after frame."""

    def write(self, stream: int, frame: Frame, result: StepResult, labels: np.ndarray) -> None:
        """Take the result of one frame.

        Args:
            stream: Which source it is of, from 0.
            frame: The frame as the network saw it.
            result: That of this stream alone, N = 1.
            labels: ``(H, W)`` uint8 class ids at the size of the frame.

        Raises:
            OutputError: It cannot be written.
        """
        ...

    def close(self) -> None:
        """Finish; called once, also after errors and interruptions."""
        ...


class OverlaySink:
    """Videos of the frames with the classes laid over them, one for each source.

    Args:
        path: The video. Several sources get ``path-NAME.mp4`` each, with NAME as in ``stream_names``.
        sources: What is going to be segmented.
        classes: Names and colours; unnamed colours where None.
        block_size: Side of the method's blocks in pixels; see ``draw_overlay``.

    Raises:
        OutputError: A video cannot be created there, or would overwrite one of the sources.
    """

    def __init__(
        self,
        path: str | Path,
        sources: Sequence[Source],
        classes: ClassSet | None = None,
        block_size: int | None = None,
    ) -> None:
        self._classes = classes
        self._block_size = block_size
        with ExitStack() as opened:
            self._writers = [
                opened.enter_context(VideoWriter(target, source.fps, (source.height, source.width)))
                for target, source in zip(_videos(Path(path), sources), sources, strict=True)
            ]
            self._opened = opened.pop_all()

    @property
    def paths(self) -> list[Path]:
        """The videos, in the order of the sources."""
        return [writer.path for writer in self._writers]

    def write(self, stream: int, frame: Frame, result: StepResult, labels: np.ndarray) -> None:
        """Draw one frame and hand it to the encoder."""
        classes = self._classes or unnamed_classes(result.prediction.logits.shape[1])
        actions = None if result.actions is None else result.actions[0].cpu().numpy()
        picture = draw_overlay(frame.image, labels, classes, actions=actions, block_size=self._block_size)
        self._writers[stream].write(picture, frame.timestamp)

    def close(self) -> None:
        """Finish all videos."""
        self._opened.close()


class LabelSink:
    """Label maps as indexed PNG files named by the frame's index, ``000000.png``.

    Args:
        folder: Where to. Several sources get a folder ``NAME`` each in it, as in ``stream_names``.
        sources: What is going to be segmented.
        classes: Whose colours the palette holds; unnamed colours where None.

    Raises:
        OutputError: The folder cannot be written to.
    """

    def __init__(
        self, folder: str | Path, sources: Sequence[Source], classes: ClassSet | None = None
    ) -> None:
        folders = [Path(folder)]
        if len(sources) > 1:
            folders = [Path(folder) / name for name in stream_names([source.name for source in sources])]
        classes = classes or unnamed_classes(IGNORE)
        with ExitStack() as opened:
            self._writers = [opened.enter_context(LabelWriter(each, classes)) for each in folders]
            self._opened = opened.pop_all()

    def write(self, stream: int, frame: Frame, result: StepResult, labels: np.ndarray) -> None:
        """Hand the labels of one frame to the writer."""
        self._writers[stream].write(labels, f"{frame.index:06d}")

    def close(self) -> None:
        """Wait until all files are written."""
        self._opened.close()


def stream_names(sources: Sequence[str]) -> list[str]:
    """A short name for each source that can be part of a file name: different ones for different streams.

    Args:
        sources: As the user named them.

    Examples:
        >>> stream_names(["day/street.mp4", "night/street.mp4", "camera:0", "frames/*.png"])
        ['street', 'street-2', 'camera-0', 'frames']
    """
    names: list[str] = []
    for source in sources:
        parts = [part for part in re.split(r"[/\\]", source) if re.search(r"\w", part) and "*" not in part]
        stem = Path(parts[-1]).stem if parts else ""
        name = re.sub(r"[^\w.-]+", "-", stem).strip("-.") or "stream"
        same = [name, *(f"{name}-{i}" for i in range(2, len(sources) + 1))]
        names.append(next(free for free in same if free not in names))
    return names


def _videos(path: Path, sources: Sequence[Source]) -> list[Path]:
    names = stream_names([source.name for source in sources])
    several = len(sources) > 1
    paths = [path.with_name(f"{path.stem}-{name}{path.suffix}") if several else path for name in names]
    for target in paths:
        if any(_same_file(target, Path(source.name)) for source in sources):
            raise OutputError(f"cannot write {target}: it is one of the sources; give another name")
    return paths


def _same_file(one: Path, other: Path) -> bool:
    return one.exists() and other.exists() and one.samefile(other)
