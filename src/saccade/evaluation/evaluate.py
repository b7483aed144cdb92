"""Scoring a method on labelled video."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import chain, islice

import numpy as np

from saccade.datasets.clip import Clip, Dataset, Sample
from saccade.errors import ConfigError, DatasetError, NetworkError
from saccade.evaluation.baseline import DenseBaseline
from saccade.evaluation.determinism import deterministic
from saccade.evaluation.meter import WARM_UP_STEPS, Meter
from saccade.evaluation.protocols import Protocol, choose_protocol
from saccade.evaluation.record import Record
from saccade.evaluation.rehearsal import rehearsal
from saccade.evaluation.scores import Scores
from saccade.evaluation.windows import Windows
from saccade.methods.base import StepResult, VideoMethod
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
    protocol: Protocol | str | None = None,
    warmup: int = WARM_UP_STEPS,
    rehearse: int = 0,
    warmup_clips: Sequence[Clip] = (),
    max_frames: int | None = None,
    max_clips: int | None = None,
    size: tuple[int, int] | None = None,
    scale: float | None = None,
    observers: Sequence[Observer] = (),
    compare: bool | DenseBaseline = False,
    seed: int = 0,
    progress: Progress | None = None,
) -> Record:
    """Run a method over a data set as a protocol has it, and score labels.

    The method forgets its past before each clip or window, and keeps what it learned. Labels are scored at
    their own resolution: the scores of the network are enlarged to it before the best class is taken,
    whatever size the network saw. Temporal consistency and flicker are measured over all consecutive frames,
    along the exact flow where the data set has it, else along DIS.

    Args:
        method: What to score.
        dataset: Split of a data set whose classes are those of the network.
        protocol: Which frames are run and scored, or its name, see ``saccade.evaluation.protocols``; by
            default that of the data set.
        warmup: How many steps at each size of input are scored and not timed.
        rehearse: Instead of that, run so many frames before, and begin again; see ``process``.
        warmup_clips: Clips that the method runs over before everything else. What a policy learns there
            it keeps; nothing of them is scored, timed or part of any cost.
        max_frames: Only the first so many frames of the whole split are there.
        max_clips: Only the first so many clips are there.
        size: ``(height, width)`` that frames are resized to for the network.
        scale: Factor on both sides of the frames for the network; give this or ``size``, not both.
        observers: Called with every frame.
        compare: Also time frame-by-frame execution of the same network, eager and compiled, side by side
            with the method, and compare labels. A baseline of the same network can be given, to use what it
            has compiled.
        seed: For all random generators.
        progress: Called with the number of frames of the split that are done, those of ``warmup_clips``
            included. Where windows overlap, it waits at times.

    Returns:
        The record with accuracy. Its ``extra`` holds ``dataset``, ``split``, ``clips`` (how often the method
        began from an empty past), ``warmup_clips`` and ``warmup_frames`` (how many there were),
        ``labelled_frames`` (how many were scored) and ``unscored_labels`` (those with too few frames before
        them), ``boundary_width`` in pixels of the last label, and of temporal scores ``temporal_flow``
        (``"exact"``, ``"dis"`` or ``"dis+exact"``), ``temporal_flow_scale`` (what frames were reduced by for
        DIS), ``temporal_pairs``, ``temporal_pixels`` (mean share of visible pixels that keep their label) and
        ``still_fraction`` (share of the pixels where nothing moved).

    Raises:
        DatasetError: The split has no frames or no labels, or labels that do not fit.
        NetworkError: The network's classes are not those of the data set.
        ConfigError: A size or number that cannot work; a protocol that is unknown, or needs keyframes.
    """
    if not isinstance(protocol, Protocol):
        protocol = choose_protocol(protocol, dataset, method.config)
    options = ReadOptions(size, scale, max_frames)
    info = network_info(method.network)
    if info.class_set is not None and info.class_set.names != dataset.classes.names:
        raise _other_classes(info.name, f"the {len(info.class_set)} of {info.class_set.name}", dataset)
    if max_clips is not None and max_clips < 1:
        raise ConfigError(f"{max_clips} is no number of clips; give 1 or more")
    clips = dataset.clips()[:max_clips]
    what = f"data set {dataset.name}, split {dataset.split}"
    total = sum(len(clip) for clip in clips)
    if total == 0:
        raise DatasetError(f"{what}: no frames; check the folder and the split")
    if not len(dataset.labelled()):
        raise DatasetError(f"{what}: no labels, so there is nothing to score; use a split with labels")
    total = min(total, max_frames or total)

    before = sum(len(clip) for clip in warmup_clips)

    reported = 0

    def report(done: int) -> None:
        nonlocal reported
        if progress is not None and done > reported:
            reported = done
            progress(done, before + total)

    with deterministic(seed):
        meter = Meter(method, warmup=0 if rehearse else warmup, compare=compare)
        if rehearse:
            with rehearsal(meter, seed) as rehearsing:
                _run(rehearsing, clips, min(rehearse, total), options)
        _run(Meter(method), warmup_clips, before, options, report)
        scores, windows, passed = Scores(dataset.classes, protocol), Windows(protocol), 0
        for clip in clips:
            for window in windows.of(islice(clip, total - passed)):
                meter.reset()
                scores.begin()
                for place, sample in enumerate(window.samples):
                    result = _step(meter, sample, options, window.whole)
                    found = result.segmentation.logits.shape[1]
                    if found != len(dataset.classes):
                        raise _other_classes(info.name, f"{found} classes", dataset)
                    labels = result.segmentation.labels((sample.frame.height, sample.frame.width))
                    if window.whole:
                        meter.compare([labels])
                    scores.update(sample, result, labels, window.scored is None or place in window.scored)
                    for observer in observers:
                        observer(sample, result, labels[0].cpu().numpy())
                    report(before + passed + window.first + place + 1)
            passed = min(total, passed + len(clip))
            report(before + passed)
            if passed == total:
                break

    if not windows.labelled:
        raise _no_labels(what, total, protocol, windows.left_out)
    record = meter.record(seed=seed)
    scores.add_to(record)
    if not record.frames:
        record.extra["warnings"].append(
            f"no clip has a whole keyframe interval of {protocol.length} frames from where protocol "
            f"{protocol.name} begins, so there are no costs and times of an average frame"
        )
    record.extra |= {"dataset": dataset.name, "split": dataset.split}
    record.extra |= {"warmup_clips": len(warmup_clips), "warmup_frames": before}
    record.extra |= {"labelled_frames": windows.labelled, "unscored_labels": windows.left_out}
    return record


def _run(
    meter: Meter,
    clips: Iterable[Clip],
    count: int,
    options: ReadOptions,
    report: Callable[[int], None] = lambda done: None,
) -> None:
    """Step over the first ``count`` frames of clips, each clip from an empty past."""
    frames = chain.from_iterable(enumerate(clip) for clip in clips)
    for done, (position, sample) in enumerate(islice(frames, count), start=1):
        if position == 0:
            meter.reset()
        _step(meter, sample, options)
        report(done)


def _step(meter: Meter, sample: Sample, options: ReadOptions, measured: bool = True) -> StepResult:
    size = options.output_size(sample.frame.height, sample.frame.width)
    (result,) = meter.step([meter.batch([resize(sample.frame.image, size)])], measured)
    return result


def _other_classes(network: str, found: str, dataset: Dataset) -> NetworkError:
    return NetworkError(
        f"network {network} tells apart {found}, data set {dataset.name} has {len(dataset.classes)} classes "
        f"({', '.join(dataset.classes.names[:3])}, ...); use weights for these classes, or the data set with "
        "the network's classes where it offers them"
    )


def _no_labels(what: str, frames: int, protocol: Protocol, left_out: int) -> DatasetError:
    if left_out:
        return DatasetError(
            f"{what}: protocol {protocol.name} scores frames with {protocol.length - 1} frames before them "
            f"in their clip, and none of the {left_out} labelled ones has so many; use longer clips, or "
            "protocol clip"
        )
    return DatasetError(f"{what}: none of the {frames} frames has labels; use more frames or another split")
