"""The way of a frame: from sources through a method into sinks."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager

import numpy as np
from torch import Tensor

from saccade.errors import ConfigError, SourceError
from saccade.evaluation.baseline import DenseBaseline
from saccade.evaluation.detection_scores import BoxAgreement
from saccade.evaluation.determinism import seed_all
from saccade.evaluation.meter import WARM_UP_STEPS, Meter
from saccade.evaluation.record import Record
from saccade.evaluation.rehearsal import rehearsal
from saccade.evaluation.sinks import BoxSink, Sink
from saccade.evaluation.timeline import Timeline
from saccade.methods.base import Detections, Prediction, StepResult, VideoMethod
from saccade.networks.detector import Boxes
from saccade.video.frame import Frame
from saccade.video.source import Source
from saccade.video.streams import Streams

Progress = Callable[[int, int | None], None]
"""Called with the number of steps done and of steps to do, None where nobody knows."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C during ``process``: the sinks are finished, and this is what was measured until then.

    Attributes:
        record: Of the frames that were done.
    """

    def __init__(self, record: Record) -> None:
        super().__init__(f"interrupted after {record.frames} frames; what was finished is kept")
        self.record = record


def process(
    method: VideoMethod,
    sources: Sequence[Source],
    sinks: Sequence[Sink | BoxSink] = (),
    *,
    compare: bool | DenseBaseline = False,
    max_frames: int | None = None,
    warmup: int = WARM_UP_STEPS,
    rehearse: int = 0,
    seed: int = 0,
    progress: Progress | None = None,
) -> Record:
    """Run a method over sources, side by side, one frame of each per step.

    Sources whose frames have the same size go through the method in one batch; with several sizes the
    method steps once for each size, and remembers each on its own. A source that ends leaves the others
    running.

    Args:
        method: What to run; its past is forgotten first.
        sources: What to read. They are not closed, except for what reading started.
        sinks: Where to put results; those that take boxes get those of detectors. All are closed in the
            end, however it comes.
        compare: Also time frame-by-frame execution of the same network, eager and compiled, side by side
            with the method, and compare labels. The whole loop is not timed then: decoding and encoding
            go on in the background while the baselines run. A baseline of the same network can be given,
            to use what it has compiled.
        max_frames: Stop after so many frames of each source.
        warmup: How many steps at each size of input are not timed.
        rehearse: Instead of this warm-up, run so many frames of each source before, and begin again: method
            and baselines are then timed from the first frame on. For sources that can be read again.
        seed: For all random generators.
        progress: Called after every step.

    Returns:
        The record, without accuracy. ``extra["loop_ms"]`` says where the time of an average step goes:
        ``read`` (waiting for frames, normalising), ``step``, ``labels`` (upsampling, argmax) and ``write``
        (drawing, waiting for the encoders); ``extra["dropped"]`` counts frames that live sources dropped;
        ``extra["timeline"]`` says how executed share, latency and agreement went over the frames, as in
        ``Timeline.to_dict``. A step is one frame there, also where there are several streams.

    Raises:
        SourceError: A source cannot be read, or there is no frame at all.
        OutputError: A sink cannot write; what all sinks wrote before is kept.
        Interrupted: On Ctrl-C, with the record.
    """
    if not sources:
        raise ConfigError("there is no source to process; name at least one")
    if max_frames is not None and max_frames < 1:
        raise ConfigError(f"max_frames {max_frames} leaves nothing to do; give 1 or more")
    seed_all(seed)
    method.reset()
    run = _Run(Meter(method, warmup=0 if rehearse else warmup, compare=compare), sources, sinks)
    interrupted = False
    with _finishing(sinks, run.clock):
        try:
            if rehearse:
                with rehearsal(run.meter, seed) as meter:
                    trial = _Run(meter, sources).steps(min(rehearse, max_frames or rehearse))
                    with closing(trial):
                        for _ in trial:
                            pass
            with closing(run.steps(max_frames)) as steps:
                for done in steps:
                    if progress is not None:
                        progress(done, _expected_steps(sources, max_frames))
        except KeyboardInterrupt:
            interrupted = True
    record = run.meter.record(seed=seed)
    run.add_to(record)
    if interrupted:
        record.extra["interrupted"] = True
        raise Interrupted(record)
    if not record.frames:
        raise SourceError(f"{', '.join(source.name for source in sources)}: no frames; give another source")
    return record


class _Clock:
    """Seconds by part of the loop, of the warm-up and of what follows apart."""

    PARTS = ("read", "step", "labels", "write")

    def __init__(self) -> None:
        self._parts = dict.fromkeys(self.PARTS, 0.0)
        self._totals = {True: dict.fromkeys(self.PARTS, 0.0), False: dict.fromkeys(self.PARTS, 0.0)}
        self._steps = {True: 0, False: 0}

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.add(name, time.perf_counter() - start)

    def add(self, name: str, seconds: float) -> None:
        self._parts[name] += seconds

    def end_step(self, warm_up: bool) -> None:
        self._steps[warm_up] += 1
        self._move(warm_up)

    def _move(self, warm_up: bool) -> None:
        for name, seconds in self._parts.items():
            self._totals[warm_up][name] += seconds
        self._parts = dict.fromkeys(self.PARTS, 0.0)

    def milliseconds(self) -> dict[str, float] | None:
        """Of an average step after the warm-up, by part; of all steps where there are no others."""
        warm_up = not self._steps[False]
        self._move(warm_up)  # finishing the sinks belongs to no step, and its time to all
        steps = self._steps[warm_up]
        return {name: s * 1000 / steps for name, s in self._totals[warm_up].items()} if steps else None


class _Run:
    """One pass over the sources."""

    def __init__(self, meter: Meter, sources: Sequence[Source], sinks: Sequence[Sink | BoxSink] = ()) -> None:
        self.meter = meter
        self.clock = _Clock()
        self.timeline = Timeline()
        self.agreement = BoxAgreement()
        self._sources = sources
        self._sinks = sinks
        self._batches: list[list[int]] = []  # streams by size of their frames
        self._sizes: list[tuple[int, int]] = []

    def steps(self, max_frames: int | None) -> Generator[int, None, None]:
        """Do one step after the other; yields how many are done."""
        with closing(iter(Streams(self._sources))) as streams:  # type: ignore[type-var]
            done = 0
            while max_frames is None or done < max_frames:
                with self.clock.part("read"):
                    frames = next(streams, None)
                    if frames is None:
                        return
                    inputs = self._inputs(frames)
                results = self.meter.step(inputs)
                self.clock.add("step", self.meter.step_ms / 1000)
                if any(isinstance(result.prediction, Detections) for result in results):
                    found = [boxes_of(result.prediction) for result in results]
                    dense_boxes = self._compare_boxes(found)
                    with self.clock.part("write"):
                        self._write_boxes(frames, results, found, dense_boxes)
                else:
                    with self.clock.part("labels"):
                        labels = [result.segmentation.labels() for result in results]
                        maps = [each.cpu().numpy() for each in labels]
                    dense = self._compare(labels)
                    with self.clock.part("write"):
                        self._write(frames, results, maps, dense)
                self.clock.end_step(self.meter.warming_up)
                done += 1
                yield done

    def _inputs(self, frames: tuple[Frame | None, ...]) -> list[Tensor]:
        """One batch for each size of frames; streams that have ended are taken out first."""
        if not self._batches:
            by_size: dict[tuple[int, int], list[int]] = {}
            for stream, frame in enumerate(frames):
                if frame is not None:
                    by_size.setdefault((frame.height, frame.width), []).append(stream)
            self._sizes, self._batches = list(by_size), list(by_size.values())
        for index in reversed(range(len(self._batches))):
            streams = self._batches[index]
            ended = [row for row, stream in enumerate(streams) if frames[stream] is None]
            if not ended:
                continue
            self.meter.drop(index, ended)
            streams[:] = [stream for row, stream in enumerate(streams) if row not in ended]
            if not streams:
                del self._batches[index], self._sizes[index]
        inputs = []
        for size, streams in zip(self._sizes, self._batches, strict=True):
            images = [frame.image for stream in streams if (frame := frames[stream]) is not None]
            if any(image.shape[:2] != size for image in images):
                raise SourceError(
                    f"frame size changes from {size[0]}x{size[1]} (height x width) within "
                    f"{', '.join(self._sources[stream].name for stream in streams)}; give a size to resize to"
                )
            inputs.append(self.meter.batch(images))
        return inputs

    def _compare(self, labels: list[Tensor]) -> list[np.ndarray] | None:
        """Labels of frame-by-frame execution for each batch, where they are known; adds to the timeline."""
        dense = self.meter.compare(labels)
        agreement = None
        if dense is not None:
            equal = sum(int((one == other).sum()) for one, other in zip(labels, dense, strict=True))
            agreement = equal / sum(each.numel() for each in labels)
        milliseconds = None if self.meter.warming_up else self.meter.step_ms
        self.timeline.update(self.meter.step_executed, milliseconds, agreement)
        return None if dense is None else [each.cpu().numpy() for each in dense]

    def _write(
        self,
        frames: tuple[Frame | None, ...],
        results: list[StepResult],
        maps: list[np.ndarray],
        dense: list[np.ndarray] | None,
    ) -> None:
        if not self._sinks:
            return
        for batch, (streams, result, labels) in enumerate(zip(self._batches, results, maps, strict=True)):
            for row, stream in enumerate(streams):
                frame = frames[stream]
                assert frame is not None
                own = result.of_stream(row)
                for sink in self._sinks:
                    if isinstance(sink, Sink):
                        sink.write(
                            stream, frame, own, labels[row], None if dense is None else dense[batch][row]
                        )

    def _compare_boxes(self, found: list[list[Boxes]]) -> list[list[Boxes]] | None:
        """Boxes of frame-by-frame execution for each batch, where they are known; adds to the timeline."""
        dense = alike = None
        if self.meter.baseline is not None:
            dense = [boxes_of(answer.predict()) for answer in self.meter.baseline.answers]
            step = BoxAgreement()
            for boxes, others in zip(found, dense, strict=True):
                for one, other in zip(boxes, others, strict=True):
                    step.update(one, other)
            self.agreement.add(step)
            alike = step.alike
        milliseconds = None if self.meter.warming_up else self.meter.step_ms
        self.timeline.update(self.meter.step_executed, milliseconds, alike)
        return dense

    def _write_boxes(
        self,
        frames: tuple[Frame | None, ...],
        results: list[StepResult],
        found: list[list[Boxes]],
        dense: list[list[Boxes]] | None,
    ) -> None:
        for batch, (streams, result) in enumerate(zip(self._batches, results, strict=True)):
            for row, stream in enumerate(streams):
                frame = frames[stream]
                assert frame is not None
                other = None if dense is None else dense[batch][row]
                for sink in self._sinks:
                    if isinstance(sink, BoxSink):
                        sink.write_boxes(stream, frame, result.of_stream(row), found[batch][row], other)

    def add_to(self, record: Record) -> None:
        """What only the loop knows."""
        if self.agreement.f1 is not None:
            record.extra["f1_with_dense"] = self.agreement.f1
        loop = self.clock.milliseconds()
        if loop is not None and self.meter.baseline is None:
            record.fps_with_io = 1000 / sum(loop.values())
        record.streams = len(self._sources)
        record.extra["loop_ms"] = loop
        record.extra["timeline"] = self.timeline.to_dict()
        record.extra["sources"] = [source.name for source in self._sources]
        record.extra["dropped"] = sum(source.dropped for source in self._sources)
        record.extra["warnings"] += [warning for source in self._sources for warning in source.warnings]


def boxes_of(prediction: Prediction) -> list[Boxes]:
    """The boxes of each frame, on the CPU."""
    assert isinstance(prediction, Detections)
    return [boxes.cpu() for boxes in prediction.frames]


@contextmanager
def _finishing(sinks: Sequence[Sink | BoxSink], clock: _Clock) -> Iterator[None]:
    """Close every sink in the end; the first error counts, and one of the loop before those of closing."""
    failed = True
    try:
        yield
        failed = False
    finally:
        errors: list[Exception] = []
        with clock.part("write"):
            for sink in sinks:
                try:
                    sink.close()
                except Exception as error:
                    errors.append(error)
        if errors and not failed:
            raise errors[0]


def _expected_steps(sources: Sequence[Source], max_frames: int | None) -> int | None:
    """The longest source ends last; None where one of them does not know."""
    lengths = [source.length for source in sources]
    known = None if None in lengths else max(length for length in lengths if length is not None)
    if max_frames is None:
        return known
    return max_frames if known is None else min(known, max_frames)
