"""Scoring a method on labelled video."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from saccade.classes import ClassSet
from saccade.datasets.clip import Clip, Dataset, Sample
from saccade.errors import DatasetError, NetworkError
from saccade.evaluation.baseline import DenseBaseline
from saccade.evaluation.confusion import count_pairs, iou_of
from saccade.evaluation.determinism import deterministic
from saccade.evaluation.flow import backward_flow
from saccade.evaluation.meter import WARM_UP_STEPS, Meter
from saccade.evaluation.record import Record
from saccade.evaluation.rehearsal import rehearsal
from saccade.evaluation.temporal import TemporalConsistency
from saccade.methods.base import Segmentation, StepResult, VideoMethod
from saccade.networks.registry import network_info
from saccade.video.image_sequence import resize
from saccade.video.source import ReadOptions

Progress = Callable[[int, int], None]
"""Called with the number of frames done and of frames to do."""

Observer = Callable[[Sample, StepResult, np.ndarray], None]
"""Called with every frame, its result, and its labels ``(H, W)`` uint8 at the frame's own size."""


def evaluate(
    method: VideoMethod,
    dataset: Dataset,
    *,
    warmup: int = WARM_UP_STEPS,
    rehearse: int = 0,
    warmup_clips: Sequence[Clip] = (),
    max_frames: int | None = None,
    size: tuple[int, int] | None = None,
    scale: float | None = None,
    observers: Sequence[Observer] = (),
    compare: bool | DenseBaseline = False,
    seed: int = 0,
    progress: Progress | None = None,
) -> Record:
    """Run a method over every clip of a data set and score every labelled frame.

    The method forgets its past before each clip, and keeps what it learned. Labels are scored at their own
    resolution: the scores of the network are enlarged to it before the best class is taken, whatever size the
    network saw. All labelled pixels count in one confusion matrix. Temporal consistency is measured over all
    consecutive frames of each clip, along the exact flow where the data set has it, else along DIS.

    Args:
        method: What to score.
        dataset: Split of a data set whose classes are those of the network.
        warmup: How many steps at each size of input are scored and not timed.
        rehearse: Instead of that, run so many frames before, and begin again; see ``process``.
        warmup_clips: Clips that the method runs over before everything else. What a policy learns there
            it keeps; nothing of them is scored, timed or part of any cost.
        max_frames: Stop after so many frames of the whole split.
        size: ``(height, width)`` that frames are resized to for the network.
        scale: Factor on both sides of the frames for the network; give this or ``size``, not both.
        observers: Called with every frame.
        compare: Also time frame-by-frame execution of the same network, eager and compiled, side by side
            with the method, and compare labels. A baseline of the same network can be given, to use what it
            has compiled.
        seed: For all random generators.
        progress: Called after every frame, those of ``warmup_clips`` included.

    Returns:
        The record with accuracy. Its ``extra`` holds ``dataset``, ``split``, ``clips`` (how many were
        begun), ``warmup_clips`` and ``warmup_frames`` (how many there were), ``labelled_frames``, and of
        temporal consistency ``temporal_flow`` (``"exact"``, ``"dis"`` or ``"dis+exact"``),
        ``temporal_pairs`` and ``temporal_pixels`` (mean share of visible pixels that keep their label).

    Raises:
        DatasetError: The split has no frames or no labels, or labels that do not fit.
        NetworkError: The network's classes are not those of the data set.
        ConfigError: A size or number that cannot work.
    """
    options = ReadOptions(size, scale, max_frames)
    info = network_info(method.network)
    if info.class_set is not None and info.class_set.names != dataset.classes.names:
        raise _other_classes(info.name, f"the {len(info.class_set)} of {info.class_set.name}", dataset)
    clips = dataset.clips()
    what = f"data set {dataset.name}, split {dataset.split}"
    total = sum(len(clip) for clip in clips)
    if total == 0:
        raise DatasetError(f"{what}: no frames; check the folder and the split")
    if not len(dataset.labelled()):
        raise DatasetError(f"{what}: no labels, so there is nothing to score; use a split with labels")
    total = min(total, max_frames or total)

    before = sum(len(clip) for clip in warmup_clips)

    def report(done: int) -> None:
        if progress is not None:
            progress(done, before + total)

    with deterministic(seed):
        meter = Meter(method, warmup=0 if rehearse else warmup, compare=compare)
        if rehearse:
            with rehearsal(meter, seed) as rehearsing:
                for _ in _steps(rehearsing, clips, min(rehearse, total), options):
                    pass
        for done, _ in enumerate(_steps(Meter(method), warmup_clips, before, options), start=1):
            report(done)
        scores = _Scores(dataset.classes)
        for done, (sample, first, result) in enumerate(_steps(meter, clips, total, options), start=1):
            if first:
                scores.begin_clip()
            found = result.prediction.logits.shape[1]
            if found != len(dataset.classes):
                raise _other_classes(info.name, f"{found} classes", dataset)
            labels = result.prediction.labels((sample.frame.height, sample.frame.width))
            meter.compare([labels])
            scores.update(sample, result, labels)
            for observer in observers:
                observer(sample, result, labels[0].cpu().numpy())
            report(before + done)

    if not scores.labelled:
        raise DatasetError(f"{what}: none of the {total} frames has labels; use more frames or another split")
    record = meter.record(seed=seed)
    scores.add_to(record)
    record.extra |= {"dataset": dataset.name, "split": dataset.split}
    record.extra |= {"warmup_clips": len(warmup_clips), "warmup_frames": before}
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


def _other_classes(network: str, found: str, dataset: Dataset) -> NetworkError:
    return NetworkError(
        f"network {network} tells apart {found}, data set {dataset.name} has {len(dataset.classes)} classes "
        f"({', '.join(dataset.classes.names[:3])}, ...); use weights for these classes, or the data set with "
        "the network's classes where it offers them"
    )


class _Scores:
    """Everything that is scored about labels."""

    def __init__(self, classes: ClassSet) -> None:
        self.labelled = 0
        self.clips = 0
        self._classes = classes
        self._by_distance: dict[int, Tensor] = {}  # confusion counts by frames since the last keyframe
        self._temporal = TemporalConsistency(len(classes))
        self._flows: Counter[str] = Counter()
        self._distance = 0
        self._previous: tuple[np.ndarray, np.ndarray] | None = None  # image and labels

    def begin_clip(self) -> None:
        self.clips += 1
        self._distance = 0
        self._previous = None

    def update(self, sample: Sample, result: StepResult, labels: Tensor) -> None:
        """Count one frame; ``labels`` are ``(1, H, W)`` at the size of the frame."""
        self._distance = 0 if bool(result.keyframe[0]) else self._distance + 1
        if sample.label is not None:
            self._score(sample.label, result.prediction, labels)
        current = labels[0].cpu().numpy()
        self._follow(sample, current)
        self._previous = sample.frame.image, current

    def _score(self, label: np.ndarray, prediction: Segmentation, labels: Tensor) -> None:
        self.labelled += 1
        size = (label.shape[0], label.shape[1])
        if labels.shape[1:] != size:
            labels = prediction.labels(size)
        counts = count_pairs(labels[0].cpu(), torch.from_numpy(label), len(self._classes))
        if self._distance in self._by_distance:
            counts += self._by_distance[self._distance]
        self._by_distance[self._distance] = counts

    def _follow(self, sample: Sample, current: np.ndarray) -> None:
        if self._previous is None or self._previous[1].shape != current.shape:
            return
        image, labels = self._previous
        if sample.flow is not None:
            self._flows["exact"] += 1
            flow, occluded = sample.flow, sample.occluded
        else:
            self._flows["dis"] += 1
            flow, occluded = backward_flow(image, sample.frame.image)
        self._temporal.update(labels, current, flow, occluded)

    def add_to(self, record: Record) -> None:
        counts = torch.stack(list(self._by_distance.values())).sum(0)
        iou = iou_of(counts)
        record.miou = _number(iou.nanmean())
        record.iou_per_class = {
            name: _number(value) for name, value in zip(self._classes.names, iou, strict=True)
        }
        record.pixel_accuracy = _number(counts.trace() / counts.sum())
        record.miou_by_distance = [
            _number(iou_of(self._by_distance[distance]).nanmean()) if distance in self._by_distance else None
            for distance in range(max(self._by_distance) + 1)
        ]
        record.miou_min = min((miou for miou in record.miou_by_distance if miou is not None), default=None)
        record.extra["clips"] = self.clips
        record.extra["labelled_frames"] = self.labelled
        record.extra["temporal_flow"] = "+".join(sorted(self._flows)) or None
        record.extra["temporal_pairs"] = int(self._temporal.pairs)
        record.extra["temporal_pixels"] = None
        if self._temporal.pairs:
            scores = self._temporal.compute()
            record.temporal_consistency = _number(scores["miou"])
            record.extra["temporal_pixels"] = _number(scores["pixels"])


def _number(value: Tensor) -> float | None:
    """A plain number; None for NaN, which is a mean over nothing."""
    return None if bool(value.isnan()) else float(value)
