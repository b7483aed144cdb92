"""Which frames of a video are key frames: every n-th, those named, or those where they are needed most."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Protocol

from saccade.errors import ConfigError

LONGEST = 3
"""An adaptive schedule goes at most so many intervals without a key frame."""


@dataclass
class Progress:
    """How far a stream has come, and what a schedule goes by.

    Attributes:
        frame: Number of the frame to decide on, from 0.
        distance: Frames since the last key frame, at least 1; 0 where there was none.
        keyframes: Key frames so far.
        residual: What is wrong with the frames since the last key frame, as the method judges, summed.
        usual: The same per frame, over all frames so far that were no key frames; 0 before any.
        last: The same of the last frame; 0 of a key frame.
    """

    frame: int = 0
    distance: int = 0
    keyframes: int = 0
    residual: float = 0.0
    usual: float = 0.0
    last: float = 0.0

    def after(self, keyframe: bool, residual: float | None) -> Progress:
        """The progress with one more frame.

        Args:
            keyframe: Whether it was one.
            residual: What is wrong with it, as the method judges; None for key frames.
        """
        others = self.frame - self.keyframes
        if keyframe or residual is None:
            return Progress(self.frame + 1, 1, self.keyframes + 1, 0.0, self.usual)
        usual = (self.usual * others + residual) / (others + 1)
        total = self.residual + residual
        return Progress(self.frame + 1, self.distance + 1, self.keyframes, total, usual, residual)


class Schedule(Protocol):
    """Decides on key frames; the first frame of a stream is always one."""

    def keyframe(self, progress: Progress) -> bool:
        """Whether the next frame of a stream is a key frame."""
        ...


@dataclass(frozen=True)
class FixedInterval:
    """Every n-th frame, counted from the last key frame.

    Attributes:
        interval: n; 1 makes every frame a key frame.
    """

    interval: int

    def __post_init__(self) -> None:
        check_interval(self.interval)

    def keyframe(self, progress: Progress) -> bool:
        return progress.distance >= self.interval


@dataclass(frozen=True)
class External:
    """Frames that somebody else chooses.

    Attributes:
        frames: Numbers of the key frames, from 0; or a function of the number.
    """

    frames: Collection[int] | Callable[[int], bool]

    def keyframe(self, progress: Progress) -> bool:
        if callable(self.frames):
            return bool(self.frames(progress.frame))
        return progress.frame in self.frames


@dataclass(frozen=True)
class Adaptive:
    """As many key frames as every n-th frame, where other frames go wrong most.

    A key frame is due once as much would be wrong as is usual in n frames, were the next frame like the last
    one; a frame earlier where the last key frame came later than every n-th. There are never more than one in
    n, the first one aside: frames saved while little happens are spent when much does. After three intervals
    one comes in any case.

    Attributes:
        interval: n.
    """

    interval: int

    def __post_init__(self) -> None:
        check_interval(self.interval)

    def keyframe(self, progress: Progress) -> bool:
        if progress.keyframes - 1 >= progress.frame // self.interval:
            return False  # the budget is spent
        late = progress.frame > progress.keyframes * self.interval
        due = progress.residual + progress.last >= (self.interval - late) * progress.usual
        return due or progress.distance >= LONGEST * self.interval


def check_interval(interval: int) -> None:
    """Refuse what is no interval.

    Raises:
        ConfigError: It is below 1.
    """
    if interval < 1:
        raise ConfigError(f"interval {interval} is no number of frames; give 1 or more")
