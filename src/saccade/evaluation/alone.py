"""A method alone, as ``saccade run`` runs it: what reading and drawing add, and how much memory it takes."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import numpy as np

from saccade.classes import ClassSet
from saccade.datasets.clip import Clip
from saccade.errors import OutputError
from saccade.evaluation.box_sinks import BoxVideoSink
from saccade.evaluation.peak_memory import PeakMemory
from saccade.evaluation.rehearsal import without_trace
from saccade.evaluation.sinks import OverlaySink
from saccade.evaluation.stream import process
from saccade.methods.base import VideoMethod
from saccade.networks.detector import is_detector
from saccade.networks.registry import network_info
from saccade.video.image_sequence import resize
from saccade.video.source import ReadOptions, Source

TRIAL_FRAMES = 2
"""The first frame and one after it: programs and memory are prepared."""

LEAST_FRAMES, MOST_FRAMES = 10, 60
"""How many frames are run alone: as many as take ``SECONDS``, within these."""

SECONDS = 4.0


@dataclass(frozen=True)
class Alone:
    """What a method takes with nothing beside it.

    Attributes:
        loop_ms: Milliseconds of an average frame after the first, by part, as ``process`` gives them; None
            where nothing could be drawn or there is no such frame.
        frames: Over how many frames, the first included.
        peak_memory_mb: As in ``PeakMemory``.
        warnings: Why something is missing.
    """

    loop_ms: dict[str, float] | None
    frames: int
    peak_memory_mb: float | None
    warnings: tuple[str, ...] = ()

    def fps_with_io(self, step_ms: Sequence[float]) -> float | None:
        """Steps per second of the whole loop.

        Each step is taken as it was measured, longer by as much as steps of the same frames took longer in
        the loop, where decoder and encoder work at the same time.

        Args:
            step_ms: Milliseconds of every step as measured, from the first on.
        """
        same = step_ms[1 : self.frames]
        if self.loop_ms is None or not same:
            return None
        slower = max(1.0, self.loop_ms["step"] / fmean(same))
        around = sum(ms for part, ms in self.loop_ms.items() if part != "step")
        return 1000 / (slower * fmean(step_ms) + around)


def run_alone(method: VideoMethod, sources: Sequence[Source], memory: PeakMemory, *, seed: int) -> Alone:
    """Read, step, draw and encode the first frames; leaves no trace in the method.

    Args:
        method: What to run.
        sources: As for ``process``.
        memory: Made before the method was.
        seed: Of the random generators.
    """
    with tempfile.TemporaryDirectory() as folder, without_trace(method, seed):
        trial = process(method, sources, max_frames=TRIAL_FRAMES, seed=seed)
        count = _frames(trial.latency_ms["mean"])
        memory.begin()
        classes: ClassSet | None = network_info(method.network).class_set
        try:
            drawing = BoxVideoSink if is_detector(method.network) else OverlaySink
            sink = drawing(Path(folder) / "alone.mp4", sources, classes)
            record = process(method, sources, [sink], max_frames=count, warmup=1, seed=seed)
        except OutputError as error:
            process(method, sources, max_frames=count, seed=seed)
            return Alone(None, 0, memory.megabytes(), (f"drawing is not timed: {error}",))
    frames = record.frames // max(1, record.streams)
    return Alone(record.extra["loop_ms"] if frames > 1 else None, frames, memory.megabytes())


def _frames(step_ms: float | None) -> int:
    fitting = int(SECONDS * 1000 / step_ms) if step_ms else MOST_FRAMES
    return min(max(LEAST_FRAMES, fitting), MOST_FRAMES)


class ClipSource(Source):
    """The frames of a clip of a data set.

    Args:
        clip: Has at least one frame.
        options: How to read it.
    """

    def __init__(self, clip: Clip, options: ReadOptions) -> None:
        first = next(iter(clip)).frame
        super().__init__(
            clip.name, fps=clip.fps, size=(first.height, first.width), length=len(clip), options=options
        )
        self._clip = clip

    def read(self, stop: threading.Event) -> Iterator[tuple[np.ndarray, float | None]]:
        """Read from the beginning."""
        for sample in self._clip:
            yield resize(sample.frame.image, self.fit(sample.frame.height, sample.frame.width)), None
