"""Methods measured on the same work, one record each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from torch import nn

from saccade.datasets.clip import Clip, Dataset, Sample
from saccade.errors import ConfigError
from saccade.evaluation.alone import ClipSource, run_alone
from saccade.evaluation.baseline import DenseBaseline
from saccade.evaluation.detection import evaluate_detection
from saccade.evaluation.evaluate import evaluate
from saccade.evaluation.meter import place_of
from saccade.evaluation.peak_memory import PeakMemory
from saccade.evaluation.protocols import PROTOCOLS
from saccade.evaluation.record import Record
from saccade.evaluation.stream import process
from saccade.evaluation.timeline import Timeline
from saccade.methods.base import StepResult, VideoMethod
from saccade.methods.configs import FrameConfig
from saccade.methods.registry import wrap
from saccade.networks.detector import is_detector
from saccade.video.source import ReadOptions, Source

if TYPE_CHECKING:
    from saccade.evaluation.report import StripRecorder

Progress = Callable[[int, int, int | None], None]
"""Called with the number of the row, from 0, and of its frames done and to do, None where nobody knows.
Once before the row's first frame, which may take long: the network is converted and compiled."""

REHEARSED_STEPS = 2
"""Directly before what is timed. The method has run alone before."""


class Work(Protocol):
    """What every method does."""

    @property
    def steps(self) -> int | None:
        """How many steps there are; None where nobody knows."""
        ...

    @property
    def same_steps(self) -> bool:
        """Whether every method steps over the same frames in the same order."""
        ...

    def alone(self) -> Sequence[Source]:
        """The beginning of it, for a method alone."""
        ...

    def measure(
        self,
        method: VideoMethod,
        baseline: DenseBaseline,
        pictures: StripRecorder | None,
        seed: int,
        progress: Callable[[int, int | None], None],
    ) -> Record:
        """Run a method over all of it beside the dense baselines, the first frame included."""
        ...


@dataclass(frozen=True)
class Videos:
    """Sources side by side, as for ``process``; each is read several times.

    Raises:
        ConfigError: A source is live: it shows every row something else.
    """

    sources: Sequence[Source]

    def __post_init__(self) -> None:
        for source in self.sources:
            if source.live:
                raise ConfigError(
                    f"{source.name} is live, and every method must see the same frames: record it first, "
                    f"for example with `saccade run {source.name} -o recorded.mp4`"
                )

    @property
    def size(self) -> tuple[int, int] | None:
        """``(height, width)`` of the first."""
        return self.sources[0].height, self.sources[0].width

    @property
    def steps(self) -> int | None:
        """The longest source ends last."""
        lengths = [source.length for source in self.sources]
        known = [length for length in lengths if length is not None]
        return max(known) if len(known) == len(lengths) else None

    @property
    def same_steps(self) -> bool:
        """They are the same."""
        return True

    def alone(self) -> Sequence[Source]:
        """The sources."""
        return self.sources

    def measure(
        self,
        method: VideoMethod,
        baseline: DenseBaseline,
        pictures: StripRecorder | None,
        seed: int,
        progress: Callable[[int, int | None], None],
    ) -> Record:
        """As ``process``."""
        return process(
            method,
            self.sources,
            () if pictures is None else [pictures],
            compare=baseline,
            rehearse=REHEARSED_STEPS,
            seed=seed,
            progress=progress,
        )


@dataclass(frozen=True)
class Labelled:
    """The clips of a data set, as for ``evaluate``."""

    dataset: Dataset
    warmup_clips: Sequence[Clip] = ()
    max_frames: int | None = None
    size: tuple[int, int] | None = None
    scale: float | None = None
    protocol: str | None = None

    @property
    def steps(self) -> int | None:
        """Frames of the clips; unknown where a protocol may run some of them several times."""
        if self.protocol not in (None, "clip"):
            return None
        total = sum(len(clip) for clip in self.dataset.clips())
        return min(total, self.max_frames or total)

    @property
    def same_steps(self) -> bool:
        """Not where the protocol is about the method's own keyframes."""
        return self.protocol is None or not PROTOCOLS[self.protocol].interval

    def alone(self) -> Sequence[Source]:
        """The first clip."""
        options = ReadOptions(self.size, self.scale, self.max_frames)
        return [ClipSource(clip, options) for clip in self.dataset.clips() if len(clip)][:1]

    def measure(
        self,
        method: VideoMethod,
        baseline: DenseBaseline,
        pictures: StripRecorder | None,
        seed: int,
        progress: Callable[[int, int | None], None],
    ) -> Record:
        """As ``evaluate``, and with a timeline; detectors as ``evaluate_detection``."""
        common: dict[str, Any] = {
            "compare": baseline,
            "rehearse": REHEARSED_STEPS,
            "warmup_clips": self.warmup_clips,
            "max_frames": self.max_frames,
            "size": self.size,
            "scale": self.scale,
            "seed": seed,
            "progress": progress,
        }
        if is_detector(method.network):
            observers = () if pictures is None else (pictures.add_boxes,)
            return evaluate_detection(method, self.dataset, observers=observers, **common)

        timeline, noted = Timeline(), 0

        def note(sample: Sample, result: StepResult, labels: np.ndarray) -> None:
            nonlocal noted
            meter = baseline.measured
            assert meter is not None
            if len(meter.latency) == noted:  # the protocol does not measure this step
                return
            noted += 1
            (answer,) = baseline.answers
            dense = answer.labels((labels.shape[0], labels.shape[1]))[0].cpu().numpy()
            timeline.update(meter.step_executed, meter.step_ms, float((dense == labels).mean()))
            if pictures is not None:
                pictures.add(sample.frame.image, result, labels, dense)

        record = evaluate(method, self.dataset, protocol=self.protocol, observers=[note], **common)
        record.extra["timeline"] = timeline.to_dict()
        return record


def bench_sources(
    network: nn.Module,
    configs: Sequence[Any],
    sources: Sequence[Source],
    *,
    seed: int = 0,
    progress: Progress | None = None,
    pictures: Sequence[StripRecorder] = (),
) -> Iterator[Record]:
    """Run methods over the same sources, one after the other, each beside the dense baselines.

    Before each row the method runs over the first frames, and before the first row the baselines as well;
    then they begin again, and are timed from the first frame to the last, which includes whatever a method
    does on a first frame. The baselines are timed at every step, or at some that are spread evenly where that
    would take long, see ``DenseBaseline``.

    Args:
        network: Of all methods.
        configs: One configuration for each row.
        sources: As for ``process``; each is read several times.
        seed: For all random generators, of every row.
        progress: Called before and after every step.
        pictures: One for each row, which takes its frames; none where there are to be no pictures.

    Yields:
        The record of each row when it is finished; see ``measure_rows``. Ctrl-C and errors come out of the
        row that they end.

    Raises:
        ConfigError: A source is live: it shows every row something else.
    """
    return measure_rows(network, configs, Videos(sources), seed=seed, progress=progress, pictures=pictures)


def bench_dataset(
    network: nn.Module,
    configs: Sequence[Any],
    dataset: Dataset,
    *,
    warmup_clips: Sequence[Clip] = (),
    max_frames: int | None = None,
    size: tuple[int, int] | None = None,
    scale: float | None = None,
    protocol: str | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    pictures: Sequence[StripRecorder] = (),
) -> Iterator[Record]:
    """The same over the clips of a data set, with the scores that ``evaluate`` gives; arguments as there."""
    work = Labelled(dataset, warmup_clips, max_frames, size, scale, protocol)
    return measure_rows(network, configs, work, seed=seed, progress=progress, pictures=pictures)


def measure_rows(
    network: nn.Module,
    configs: Sequence[Any],
    work: Work,
    *,
    seed: int = 0,
    progress: Progress | None = None,
    pictures: Sequence[StripRecorder] = (),
) -> Iterator[Record]:
    """One row after the other; what one of them compiled, and the dense answers, serve all.

    Yields:
        Records with ``fps_with_io``, and in ``extra``: ``dense``, how dense execution was run and timed;
        ``loop_ms``, of the method alone; ``peak_memory_mb``; and ``timeline``.
    """
    report = progress or (lambda row, done, total: None)
    device, _ = place_of(wrap(network))
    baseline = DenseBaseline(network, device, steps=work.steps, keep=len(configs) > 1 and work.same_steps)
    for row, config in enumerate(configs):
        report(row, 0, work.steps)
        memory = PeakMemory(network, device)
        plain = isinstance(config, FrameConfig)
        method = baseline.frame_by_frame(config) if plain else wrap(network, config)
        alone = run_alone(method, work.alone(), memory, seed=seed)
        record = work.measure(
            method,
            baseline,
            pictures[row] if pictures else None,
            seed,
            lambda done, total, row=row: report(row, done, total),  # type: ignore[misc]
        )
        assert baseline.measured is not None
        record.fps_with_io = alone.fps_with_io(baseline.measured.latency.milliseconds)
        record.extra |= {
            "dense": baseline.to_dict(),
            "loop_ms": alone.loop_ms,
            "peak_memory_mb": alone.peak_memory_mb,
        }
        record.extra["warnings"] += alone.warnings
        baseline.restart()
        del method  # before the next one takes as much memory
        yield record
