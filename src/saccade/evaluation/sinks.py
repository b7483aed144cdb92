"""Where results go: what a sink is, and sinks for overlay videos and label maps."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

import numpy as np

from saccade.classes import IGNORE, ClassSet
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
        path: The video. Several sources get ``name-0.mp4``, ``name-1.mp4``, ...
        sources: What is going to be segmented.
        classes: Names and colours; unnamed colours where None.
        block_size: Side of the method's blocks in pixels; see ``draw_overlay``.

    Raises:
        OutputError: A video cannot be created there.
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
                for target, source in zip(stream_paths(path, len(sources)), sources, strict=True)
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
        folder: Where to. Several sources get folders ``0``, ``1``, ... in it.
        streams: How many sources there are.
        classes: Whose colours the palette holds; unnamed colours where None.

    Raises:
        OutputError: The folder cannot be written to.
    """

    def __init__(self, folder: str | Path, streams: int, classes: ClassSet | None = None) -> None:
        folders = [Path(folder)] if streams == 1 else [Path(folder) / str(i) for i in range(streams)]
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


def stream_paths(path: str | Path, streams: int) -> list[Path]:
    """One path for each stream: the path itself for one, numbered for several."""
    path = Path(path)
    if streams == 1:
        return [path]
    return [path.with_name(f"{path.stem}-{i}{path.suffix}") for i in range(streams)]
