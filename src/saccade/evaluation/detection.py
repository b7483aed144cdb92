"""Scoring a detector on video whose frames have boxes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from saccade.datasets.clip import Clip, Dataset, Sample
from saccade.errors import DatasetError, NetworkError
from saccade.evaluation.baseline import DenseBaseline
from saccade.evaluation.detection_scores import BoxAgreement, DetectionScores
from saccade.evaluation.determinism import deterministic
from saccade.evaluation.meter import WARM_UP_STEPS, Meter
from saccade.evaluation.record import Record
from saccade.evaluation.rehearsal import rehearsal
from saccade.evaluation.timeline import Timeline
from saccade.methods.base import Detections, StepResult, VideoMethod
from saccade.networks.detector import Boxes
from saccade.networks.registry import network_info
from saccade.video.image_sequence import resize
from saccade.video.source import ReadOptions

Progress = Callable[[int, int], None]
"""Called with the number of frames done and of frames to do."""

BoxObserver = Callable[[np.ndarray, StepResult, Boxes, Boxes | None], None]
"""Called after every frame with its ``(H, W, 3)`` image, the result, its boxes in pixels of the frame as the
network saw it, and those of frame-by-frame execution, where the run compares."""


def evaluate_detection(
    method: VideoMethod,
    dataset: Dataset,
    *,
    warmup: int = WARM_UP_STEPS,
    rehearse: int = 0,
    warmup_clips: Sequence[Clip] = (),
    max_frames: int | None = None,
    size: tuple[int, int] | None = None,
    scale: float | None = None,
    compare: bool | DenseBaseline = False,
    observers: Sequence[BoxObserver] = (),
    seed: int = 0,
    progress: Progress | None = None,
) -> Record:
    """Run a method over every clip of a data set and score every frame that has boxes.

    The method forgets its past before each clip, and keeps what it learned. Boxes are scored in the pixels of
    the frame, whatever size the network saw.

    Args:
        method: With a detector as its network.
        dataset: Split of a data set with boxes.
        warmup, rehearse, warmup_clips, max_frames, size, scale, seed, progress: As for ``evaluate``.
        compare: As for ``evaluate``; boxes are compared in place of labels.
        observers: Look at every frame.

    Returns:
        The record with ``miss_rate`` and ``ap50``. Its ``extra`` holds ``ap``, ``people`` (how many count for
        it), ``labelled_frames``, ``dataset``, ``split``, ``clips``, ``warmup_clips``, ``warmup_frames``,
        ``timeline`` as ``Timeline.to_dict`` and, where the method was compared, ``f1_with_dense``.

    Raises:
        DatasetError: The split has no frames or no boxes.
        NetworkError: The network gives no boxes.
        ConfigError: A size or number that cannot work.
    """
    options = ReadOptions(size, scale, max_frames)
    clips = dataset.clips()
    what = f"data set {dataset.name}, split {dataset.split}"
    total = sum(len(clip) for clip in clips)
    if total == 0:
        raise DatasetError(f"{what}: no frames; check the folder and the split")
    total = min(total, max_frames or total)
    before = sum(len(clip) for clip in warmup_clips)

    def report(done: int) -> None:
        if progress is not None:
            progress(done, before + total)

    begun = 0
    timeline = Timeline()
    info = network_info(method.network)
    scores = DetectionScores(info.class_set.names if info.class_set is not None else ("person",))
    agreement = BoxAgreement()
    with deterministic(seed):
        meter = Meter(method, warmup=0 if rehearse else warmup, compare=compare)
        if rehearse:
            with rehearsal(meter, seed) as rehearsing:
                for _ in _steps(rehearsing, clips, min(rehearse, total), options):
                    pass
        for done, _ in enumerate(_steps(Meter(method), warmup_clips, before, options), start=1):
            report(done)
        for done, (sample, first, result) in enumerate(_steps(meter, clips, total, options), start=1):
            begun += first
            prediction = result.prediction
            if not isinstance(prediction, Detections):
                raise NetworkError(
                    f"network {info.name} gives no boxes; use a detector, for example csp-rn18"
                )
            if sample.boxes is not None:
                found = prediction.resized((sample.frame.height, sample.frame.width))
                scores.update(found.frames[0], sample.boxes)
            boxes, dense, alike = prediction.frames[0].cpu(), None, None
            if meter.baseline is not None:
                (answer,) = meter.baseline.answers
                others = answer.predict()
                assert isinstance(others, Detections)
                dense, now = others.frames[0].cpu(), BoxAgreement()
                now.update(boxes, dense)
                agreement.add(now)
                alike = now.alike
            timeline.update(meter.step_executed, None if meter.warming_up else meter.step_ms, alike)
            for observe in observers:
                observe(sample.frame.image, result, boxes, dense)
            report(before + done)

    if not scores.frames:
        raise DatasetError(f"{what}: none of the {total} frames has boxes; use more frames or another split")
    record = meter.record(seed=seed)
    scores.add_to(record)
    record.extra |= {"dataset": dataset.name, "split": dataset.split, "clips": begun}
    record.extra["timeline"] = timeline.to_dict()
    record.extra |= {"warmup_clips": len(warmup_clips), "warmup_frames": before}
    if meter.baseline is not None:
        record.extra["f1_with_dense"] = agreement.f1
    return record


def _steps(
    meter: Meter, clips: Sequence[Clip], count: int, options: ReadOptions
) -> Iterator[tuple[Sample, bool, StepResult]]:
    """Step over the first ``count`` frames of clips: the sample, whether it begins a clip, and the result."""
    for clip in clips:
        for position, sample in enumerate(clip):
            if position == 0:
                meter.reset()
            size = options.output_size(sample.frame.height, sample.frame.width)
            (result,) = meter.step([meter.batch([resize(sample.frame.image, size)])])
            yield sample, position == 0, result
            count -= 1
            if count == 0:
                return
