"""Where results go: what a sink is, and sinks for overlay videos, comparisons and label maps."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np

from saccade.classes import IGNORE, ClassSet
from saccade.errors import OutputError
from saccade.evaluation.block_ages import BlockAges
from saccade.methods.base import StepResult
from saccade.networks.detector import Boxes
from saccade.video.comparison import draw_comparison
from saccade.video.frame import Frame
from saccade.video.label_writer import LabelWriter
from saccade.video.overlay import Blocks, draw_overlay
from saccade.video.palette import unnamed_classes
from saccade.video.source import Source
from saccade.video.video_writer import VideoWriter


@runtime_checkable
class Sink(Protocol):
    """Takes the results of a run, frame after frame."""

    def write(
        self,
        stream: int,
        frame: Frame,
        result: StepResult,
        labels: np.ndarray,
        dense: np.ndarray | None = None,
    ) -> None:
        """Take the result of one frame.

        Args:
            stream: Which source it is of, from 0.
            frame: The frame as the network saw it.
            result: That of this stream alone, N = 1.
            labels: ``(H, W)`` uint8 class ids at the size of the frame.
            dense: What frame-by-frame execution answers, in the same shape, where the run compares with it.

        Raises:
            OutputError: It cannot be written.
        """
        ...

    def close(self) -> None:
        """Finish; called once, also after errors and interruptions."""
        ...


@runtime_checkable
class BoxSink(Protocol):
    """Takes the results of a run of a detector, frame after frame."""

    def write_boxes(
        self, stream: int, frame: Frame, result: StepResult, boxes: Boxes, dense: Boxes | None = None
    ) -> None:
        """Take the result of one frame.

        Args:
            stream, frame, result: As for ``Sink``.
            boxes: What was found, on the CPU, in pixels of the frame.
            dense: What frame-by-frame execution finds, where the run compares with it.

        Raises:
            OutputError: It cannot be written.
        """
        ...

    def close(self) -> None:
        """Finish; called once, also after errors and interruptions."""
        ...


class _VideoSink(ABC):
    """A video of drawn frames for each source; the pictures are ``across`` frames wide."""

    across = 1

    def __init__(self, path: str | Path, sources: Sequence[Source], classes: ClassSet | None = None) -> None:
        self._classes = classes
        self._ages = [BlockAges() for _ in sources]
        with ExitStack() as opened:
            self._writers = [
                opened.enter_context(
                    VideoWriter(target, source.fps, (source.height, self.across * source.width))
                )
                for target, source in zip(video_paths(Path(path), sources), sources, strict=True)
            ]
            self._opened = opened.pop_all()

    @property
    def paths(self) -> list[Path]:
        """The videos, in the order of the sources."""
        return [writer.path for writer in self._writers]

    def write(
        self,
        stream: int,
        frame: Frame,
        result: StepResult,
        labels: np.ndarray,
        dense: np.ndarray | None = None,
    ) -> None:
        """Draw one frame and hand it to the encoder."""
        classes = self._classes or unnamed_classes(result.segmentation.logits.shape[1])
        blocks = None
        if result.actions is not None:
            actions = result.actions[0].cpu().numpy()
            blocks = Blocks(actions, self._ages[stream].update(actions), result.block_size)
        picture = self._draw(frame.image, labels, dense, classes, blocks)
        self._writers[stream].write(picture, frame.timestamp)

    @abstractmethod
    def _draw(
        self,
        image: np.ndarray,
        labels: np.ndarray,
        dense: np.ndarray | None,
        classes: ClassSet,
        blocks: Blocks | None,
    ) -> np.ndarray: ...

    def close(self) -> None:
        """Finish all videos."""
        self._opened.close()


class OverlaySink(_VideoSink):
    """Videos of the frames with the classes laid over them, one for each source.

    Where the method has blocks, those that were executed are outlined, and the others are the darker the
    longer they have been kept.

    Args:
        path: The video. Several sources get ``path-NAME.mp4`` each, with NAME as in ``stream_names``.
        sources: What is going to be segmented.
        classes: Names and colours; unnamed colours where None.

    Raises:
        OutputError: A video cannot be created there, or would overwrite one of the sources.
    """

    def _draw(
        self,
        image: np.ndarray,
        labels: np.ndarray,
        dense: np.ndarray | None,
        classes: ClassSet,
        blocks: Blocks | None,
    ) -> np.ndarray:
        return draw_overlay(image, labels, classes, blocks=blocks)


class ComparisonSink(_VideoSink):
    """Videos that show the method on the left and frame-by-frame execution on the right, one for each source.

    Pixels that disagree are marked. For runs that compare only.

    Args:
        path, sources, classes: As for ``OverlaySink``.
        name: Of the method.

    Raises:
        OutputError: As for ``OverlaySink``.
    """

    across = 2

    def __init__(
        self, path: str | Path, sources: Sequence[Source], name: str, classes: ClassSet | None = None
    ) -> None:
        super().__init__(path, sources, classes)
        self._name = name

    def _draw(
        self,
        image: np.ndarray,
        labels: np.ndarray,
        dense: np.ndarray | None,
        classes: ClassSet,
        blocks: Blocks | None,
    ) -> np.ndarray:
        if dense is None:
            raise ValueError("there is nothing to compare with; run with compare=True")
        return draw_comparison(image, labels, dense, classes, self._name, blocks=blocks)


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

    def write(
        self,
        stream: int,
        frame: Frame,
        result: StepResult,
        labels: np.ndarray,
        dense: np.ndarray | None = None,
    ) -> None:
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


def video_paths(path: Path, sources: Sequence[Source]) -> list[Path]:
    """One video for each source: ``path``, or ``path-NAME.mp4`` where there are several.

    Raises:
        OutputError: One of them is a source.
    """
    names = stream_names([source.name for source in sources])
    several = len(sources) > 1
    paths = [path.with_name(f"{path.stem}-{name}{path.suffix}") if several else path for name in names]
    for target in paths:
        if any(_same_file(target, Path(source.name)) for source in sources):
            raise OutputError(f"cannot write {target}: it is one of the sources; give another name")
    return paths


def _same_file(one: Path, other: Path) -> bool:
    return one.exists() and other.exists() and one.samefile(other)
