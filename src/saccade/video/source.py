"""What every source of frames has in common: iteration with read-ahead, sizes, time stamps, dropping."""

from __future__ import annotations

import itertools
import threading
from abc import abstractmethod
from collections.abc import Generator, Iterator
from dataclasses import dataclass

import numpy as np

from saccade.errors import ConfigError, SourceError
from saccade.video.closing import Closing
from saccade.video.frame import Frame
from saccade.video.read_ahead import ReadAhead


@dataclass(frozen=True)
class ReadOptions:
    """How a source is to be read.

    Attributes:
        size: ``(height, width)`` in pixels that every frame is resized to.
        scale: Factor on both sides of every frame; give this or ``size``, not both.
        max_frames: Stop after so many frames.
        prefetch: How many frames are decoded ahead; live sources hold only the newest.

    Raises:
        ConfigError: A value that cannot work.
    """

    size: tuple[int, int] | None = None
    scale: float | None = None
    max_frames: int | None = None
    prefetch: int = 4

    def __post_init__(self) -> None:
        if self.size is not None and self.scale is not None:
            raise ConfigError("size and scale both say how large frames should be; give only one of them")
        if self.size is not None and (len(self.size) != 2 or min(self.size) < 1):
            raise ConfigError(f"size {self.size} is not a frame size; give (height, width), both at least 1")
        if self.scale is not None and not 0 < self.scale < float("inf"):
            raise ConfigError(f"scale {self.scale} is not possible; give a number above 0, for example 0.5")
        if self.max_frames is not None and self.max_frames < 1:
            raise ConfigError(f"max_frames {self.max_frames} leaves nothing to read; give 1 or more")
        if self.prefetch < 1:
            raise ConfigError(f"prefetch {self.prefetch} is not possible; give 1 or more")

    def output_size(self, height: int, width: int) -> tuple[int, int]:
        """``(height, width)`` after resizing a frame of ``height`` by ``width`` pixels."""
        if self.size is not None:
            return self.size
        if self.scale is not None:
            return max(1, round(height * self.scale)), max(1, round(width * self.scale))
        return height, width


class Source(Closing):
    """Frames in order. Iterating starts at the beginning for files, at "now" for live sources.

    Subclasses implement ``read``. Reading runs in a background thread while a consumer iterates; leaving
    the loop early or closing the source ends the thread.

    Args:
        name: The source as the user named it.
        fps: Frames per second, as far as the source says.
        size: ``(height, width)`` of its frames before resizing.
        length: How many frames it says it has; None where that is unknown.
        options: How to read it.
        live: Frames come whether they are wanted or not; those not taken in time are dropped.

    Attributes:
        warnings: What went wrong without stopping the source, in order (damage, reconnections).
        dropped: How many frames a live source decoded and nobody took in time.
    """

    def __init__(
        self,
        name: str,
        *,
        fps: float,
        size: tuple[int, int],
        length: int | None,
        options: ReadOptions,
        live: bool = False,
    ) -> None:
        self.name = name
        self.fps = fps
        self.height, self.width = options.output_size(*size)
        self.live = live
        self.options = options
        self.dropped = 0
        self.warnings: list[str] = []
        self._length = length
        self._native = size
        self._active: list[ReadAhead[Frame]] = []

    @abstractmethod
    def read(self, stop: threading.Event) -> Iterator[tuple[np.ndarray, float | None]]:
        """Read from the beginning; runs in a background thread.

        Args:
            stop: Set when nobody wants more frames. Readers that wait must wait on it; others need not look.

        Yields:
            ``(H, W, 3)`` uint8 RGB, contiguous, of the size that ``fit`` says, and its time in seconds on
            any clock, or None where the source has no clock.

        Raises:
            SourceError: The source cannot be read any further.
        """

    @property
    def length(self) -> int | None:
        """How many frames to expect, at most ``max_frames``; None for live sources and where unknown."""
        if self._length is None or self.options.max_frames is None:
            return self._length
        return min(self._length, self.options.max_frames)

    def fit(self, height: int, width: int) -> tuple[int, int]:
        """Size to give to a frame that came as ``height`` by ``width`` pixels.

        Raises:
            SourceError: The frame has another size than those before it, and no fixed size was asked for.
        """
        if (height, width) != self._native and self.options.size is None:
            native_h, native_w = self._native
            raise SourceError(
                f"{self.name}: frame size changes from {native_h}x{native_w} to {height}x{width} (height x "
                f"width); all frames must have one size. Give a size to resize to, for example "
                f"{self.height}x{self.width}"
            )
        return self.options.output_size(height, width)

    def warn(self, message: str) -> None:
        """Note something that the user should know and that does not stop the source."""
        message = f"{self.name}: {message}"
        if message not in self.warnings:
            self.warnings.append(message)

    def __iter__(self) -> Generator[Frame, None, None]:
        ahead = ReadAhead(
            self._frames, self.options.prefetch, newest_only=self.live, dropped=self._count_dropped
        )
        self._active.append(ahead)
        try:
            # A live source's frames are counted here: those it dropped do not count.
            yield from itertools.islice(ahead, self.options.max_frames)
        finally:
            ahead.close()
            self._active.remove(ahead)

    def close(self) -> None:
        """End all iterations and let go of the device or connection."""
        for ahead in list(self._active):
            ahead.close()

    def _count_dropped(self) -> None:
        self.dropped += 1

    def _frames(self, stop: threading.Event) -> Iterator[Frame]:
        limit = None if self.live else self.options.max_frames
        images = self.read(stop)
        start: float | None = None
        previous = float("-inf")
        try:
            for index, (image, clock) in enumerate(itertools.islice(images, limit)):
                seconds = index / self.fps
                if clock is not None:
                    start = clock - seconds if start is None else start
                    seconds = clock - start
                # Writers need time to go forward; broken clocks stand still or jump back.
                if seconds <= previous:
                    seconds = previous + 1 / self.fps
                previous = seconds
                yield Frame(image, index, seconds, self.name)
        finally:
            images.close()  # type: ignore[attr-defined]  # lets a generator close its file in this thread
