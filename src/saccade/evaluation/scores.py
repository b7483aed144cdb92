"""Everything that is scored about labels, of one pass over a data set."""

from __future__ import annotations

from collections import Counter

import numpy as np
import torch
from torch import Tensor

from saccade.classes import ClassSet
from saccade.datasets.clip import Sample
from saccade.evaluation.boundary import BoundaryIoU, boundary_width
from saccade.evaluation.by_age import ScoresByAge
from saccade.evaluation.confusion import count_pairs, iou_of
from saccade.evaluation.flicker import Flicker
from saccade.evaluation.flow import backward_flow, flow_scale
from saccade.evaluation.protocols import Protocol
from saccade.evaluation.record import Record
from saccade.evaluation.temporal import TemporalConsistency
from saccade.methods.base import Segmentation, StepResult


class Scores:
    """Takes the frames of one window after the other.

    Args:
        classes: Of the labels.
        protocol: How confusion matrices become the mIoU. Windows of one keyframe interval each have no
            temporal scores: what changes from the last frame of one interval to the keyframe of the next is
            in none of them.

    Attributes:
        clips: How many windows were begun.
    """

    def __init__(self, classes: ClassSet, protocol: Protocol) -> None:
        self.clips = 0
        self._classes = classes
        self._protocol = protocol
        self._by_distance: dict[int, Tensor] = {}  # confusion counts by frames since the last keyframe
        self._by_age = ScoresByAge(len(classes))
        self._boundary = BoundaryIoU(len(classes))
        self._temporal = TemporalConsistency(len(classes))
        self._flicker = Flicker()
        self._flows: Counter[str] = Counter()
        self._flow_scale = 1.0
        self._boundary_width = 0
        self._distance = 0
        self._previous: tuple[np.ndarray, np.ndarray] | None = None  # image and labels

    def begin(self) -> None:
        """The next frame is the first of a window."""
        self.clips += 1
        self._distance = 0
        self._previous = None
        self._by_age.restart()

    def update(self, sample: Sample, result: StepResult, labels: Tensor, scored: bool) -> None:
        """Count one frame.

        Args:
            sample: The frame.
            result: What the method answered.
            labels: ``(1, H, W)`` at the size of the frame.
            scored: Whether its label is.
        """
        self._distance = 0 if bool(result.keyframe[0]) else self._distance + 1
        self._by_age.step(result)
        if scored and sample.label is not None:
            self._score(sample.label, result, labels)
        if not self._protocol.interval:
            current = labels[0].cpu().numpy()
            self._follow(sample, current)
            self._previous = sample.frame.image, current

    def _score(self, label: np.ndarray, result: StepResult, labels: Tensor) -> None:
        found = _at_size(labels, result.segmentation, (label.shape[0], label.shape[1]))
        counts = count_pairs(torch.from_numpy(found), torch.from_numpy(label), len(self._classes))
        if self._distance in self._by_distance:
            counts += self._by_distance[self._distance]
        self._by_distance[self._distance] = counts
        self._boundary.update(found, label)
        self._boundary_width = boundary_width((label.shape[0], label.shape[1]))
        self._by_age.update(found, label, result)

    def _follow(self, sample: Sample, current: np.ndarray) -> None:
        if self._previous is None or self._previous[1].shape != current.shape:
            return
        image, labels = self._previous
        if sample.flow is not None:
            self._flows["exact"] += 1
            flow, occluded = sample.flow, sample.occluded
        else:
            self._flows["dis"] += 1
            self._flow_scale = min(self._flow_scale, flow_scale((image.shape[0], image.shape[1])))
            flow, occluded = backward_flow(image, sample.frame.image)
        self._temporal.update(labels, current, flow, occluded)
        self._flicker.update(labels, current, flow, occluded)

    def add_to(self, record: Record) -> None:
        """Put everything into a record; something was scored."""
        miou, iou = self._protocol.figure(self._by_distance)
        counts = torch.stack(list(self._by_distance.values())).sum(0)
        record.protocol = self._protocol.name
        record.miou = _number(miou)
        record.iou_per_class = {
            name: _number(value) for name, value in zip(self._classes.names, iou, strict=True)
        }
        record.pixel_accuracy = _number(counts.trace() / counts.sum())
        record.miou_by_distance = [
            _number(iou_of(self._by_distance[distance]).nanmean()) if distance in self._by_distance else None
            for distance in range(max(self._by_distance) + 1)
        ]
        record.miou_min = min((miou for miou in record.miou_by_distance if miou is not None), default=None)
        record.miou_by_block_age = self._by_age.miou()
        record.boundary_iou = _number(self._boundary.compute())
        record.extra |= {"clips": self.clips, "boundary_width": self._boundary_width}
        self._add_temporal(record)

    def _add_temporal(self, record: Record) -> None:
        record.extra |= {
            "temporal_flow": "+".join(sorted(self._flows)) or None,
            "temporal_flow_scale": self._flow_scale if self._flows["dis"] else None,
            "temporal_pairs": int(self._temporal.pairs),
            "temporal_pixels": None,
            "still_fraction": None,
        }
        if self._temporal.pairs:
            scores = self._temporal.compute()
            record.temporal_consistency = _number(scores["miou"])
            record.extra["temporal_pixels"] = _number(scores["pixels"])
        if self._flows:
            record.flicker = _number(self._flicker.compute())
            record.extra["still_fraction"] = _number(self._flicker.still / self._flicker.pixels)


def _at_size(labels: Tensor, prediction: Segmentation, size: tuple[int, int]) -> np.ndarray:
    """Labels ``(h, w)`` at the size of the ground truth; enlarged as scores, not as labels."""
    found = labels if labels.shape[1:] == size else prediction.labels(size)
    array: np.ndarray = found[0].cpu().numpy()
    return array


def _number(value: Tensor) -> float | None:
    """A plain number; None for NaN, which is a mean over nothing."""
    return None if bool(value.isnan()) else float(value)
