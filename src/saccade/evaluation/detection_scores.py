"""Everything that is scored about boxes: miss rates, average precision, agreement with the dense network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchvision.ops import box_iou

from saccade.datasets.clip import Box
from saccade.evaluation.miss_rate import SUBSETS, MissRate, People
from saccade.evaluation.record import Record
from saccade.networks.detector import Boxes

SHOWN = 0.4
"""Score above which a box is drawn and compared with those of frame-by-frame execution."""


class DetectionScores:
    """Scores boxes frame by frame.

    Average precision is COCO's, by pycocotools: AP is the mean over IoU 0.5 to 0.95, AP50 that at 0.5. It
    counts the people of the subset "all" (at least 20 pixels high, a fifth visible); the others are ignored.

    Args:
        names: Classes of the detector. Boxes of other classes are ignored.
    """

    def __init__(self, names: Sequence[str]) -> None:
        from torchmetrics.detection import MeanAveragePrecision

        self.frames = 0
        self.people = 0
        self._names = tuple(names)
        # Of this process only: in training with several, one validates.
        self._miss_rate = MissRate(alone=True)
        self._precision = MeanAveragePrecision(
            box_format="xyxy", iou_type="bbox", backend="pycocotools", sync_on_compute=False
        )
        self._precision.warn_on_many_detections = False

    def update(self, found: Boxes, truth: Sequence[Box]) -> None:
        """Count one frame.

        Args:
            found: Of the detector, in pixels of the frame.
            truth: Who is there.
        """
        found = found.cpu()
        people = People(
            np.array([(box.x1, box.y1, box.x2, box.y2) for box in truth], float).reshape(-1, 4),
            np.array([box.visible for box in truth], float),
            np.array([box.ignore or box.label not in self._names for box in truth], bool),
        )
        labels = [self._names.index(box.label) if box.label in self._names else 0 for box in truth]
        outside = people.outside(SUBSETS["all"])
        self.frames += 1
        self.people += int((~outside).sum())
        if len(self._names) == 1:
            self._miss_rate.update(found.xyxy.double().numpy(), found.scores.double().numpy(), people)
        target = {
            "boxes": torch.from_numpy(people.xyxy).float(),
            "labels": torch.tensor(labels, dtype=torch.int64),
            "iscrowd": torch.from_numpy(outside).long(),
        }
        prediction = {"boxes": found.xyxy.float(), "scores": found.scores.float(), "labels": found.labels}
        self._precision.update([prediction], [target])

    @property
    def ap50(self) -> float | None:
        """Average precision at an IoU of 0.5, 0..1; None where nobody is there."""
        return self._average_precision()[0]

    def _average_precision(self) -> tuple[float | None, float | None]:
        """AP50 and AP."""
        values: dict[str, Any] = self._precision.compute() if self.people else {}
        return _number(values.get("map_50")), _number(values.get("map"))

    def add_to(self, record: Record) -> None:
        """Write the scores down; None where nobody is there."""
        if len(self._names) == 1:
            record.miss_rate = self._miss_rate.compute()
        record.ap50, record.extra["ap"] = self._average_precision()
        record.extra["labelled_frames"] = self.frames
        record.extra["people"] = self.people


class BoxAgreement:
    """F1 of a method's boxes against those of frame-by-frame execution, at an IoU of 0.5.

    Boxes above ``SHOWN`` are paired one to one, the best overlap first.
    """

    def __init__(self) -> None:
        self._pairs = 0
        self._boxes = 0

    def update(self, found: Boxes, dense: Boxes) -> None:
        """Compare one frame."""
        found, dense = found.cpu().above(SHOWN), dense.cpu().above(SHOWN)
        self._boxes += len(found) + len(dense)
        self._pairs += sum(paired(found, dense)[0])

    def add(self, other: BoxAgreement) -> None:
        """Count the frames of another one as well."""
        self._pairs += other._pairs
        self._boxes += other._boxes

    @property
    def f1(self) -> float | None:
        """0..1; None where neither found anything."""
        return 2 * self._pairs / self._boxes if self._boxes else None

    @property
    def alike(self) -> float:
        """The same; 1 where neither found anything."""
        return 1.0 if self.f1 is None else self.f1


def paired(found: Boxes, dense: Boxes) -> tuple[list[bool], list[bool]]:
    """Which boxes of either have a partner of their class in the other, from the largest overlap down."""
    iou = box_iou(found.xyxy, dense.xyxy)
    iou = torch.where(found.labels[:, None] == dense.labels[None], iou, torch.zeros_like(iou))
    mine, theirs = [False] * len(found), [False] * len(dense)
    while iou.numel() and float(iou.max()) >= 0.5:
        row, column = divmod(int(iou.argmax()), iou.shape[1])
        mine[row] = theirs[column] = True
        iou[row], iou[:, column] = 0, 0
    return mine, theirs


def _number(value: Tensor | None) -> float | None:
    """A plain number; pycocotools says -1 for a mean over nothing."""
    return None if value is None or float(value) < 0 else float(value)
