"""Log-average miss rate MR^-2 of pedestrian detection, by the protocol of CityPersons.

Zhang et al., "CityPersons: A Diverse Dataset for Pedestrian Detection", CVPR 2017; the average is that of
Dollar et al., "Pedestrian Detection: An Evaluation of the State of the Art", PAMI 2012.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torchmetrics import Metric

FALSE_PER_IMAGE = (0.01, 0.0178, 0.0316, 0.0562, 0.1, 0.1778, 0.3162, 0.5623, 1.0)
"""False positives per image at which the miss rate is read."""

IOU = 0.5
"""Overlap from which a detection is of a person."""

MOST_DETECTIONS = 1000
"""Of an image, the best."""

EXPANSION = 1.25
"""Detections may be so much lower or higher than the people that count."""


@dataclass(frozen=True)
class Subset:
    """Which people count; the others are ignored.

    Attributes:
        height: Least and greatest height in pixels, both included.
        visible: Least and greatest visible share, both included.
    """

    height: tuple[float, float]
    visible: tuple[float, float]


SUBSETS = {
    "reasonable": Subset((50, math.inf), (0.65, math.inf)),
    "small": Subset((50, 75), (0.65, math.inf)),
    "heavy": Subset((50, math.inf), (0.2, 0.65)),
    "all": Subset((20, math.inf), (0.2, math.inf)),
}
"""Reasonable, Reasonable-small, Heavy occlusion and All."""


@dataclass(frozen=True, eq=False)
class People:
    """What is known of an image.

    Attributes:
        xyxy: ``(m, 4)`` left, top, right, bottom.
        visible: ``(m,)`` shares, 0..1.
        ignore: ``(m,)`` bool.
    """

    xyxy: np.ndarray
    visible: np.ndarray
    ignore: np.ndarray

    @property
    def heights(self) -> np.ndarray:
        """``(m,)`` pixels."""
        return self.xyxy[:, 3] - self.xyxy[:, 1]

    def outside(self, subset: Subset) -> np.ndarray:
        """``(m,)`` bool: whom a subset does not count."""
        inside = ~self.ignore
        for values, (low, high) in ((self.heights, subset.height), (self.visible, subset.visible)):
            inside &= (values >= low) & (values <= high)
        return ~inside


class MissRate(Metric):
    """Log-average miss rates of all subsets, over any number of images.

    Args:
        alone: Of this process only: the others do not count, and are not waited for.
    """

    full_state_update = False
    images: Tensor

    def __init__(self, *, alone: bool = False) -> None:
        super().__init__(sync_on_compute=not alone)
        self.add_state("images", torch.tensor(0), dist_reduce_fx="sum")
        for name in SUBSETS:
            self.add_state(f"people_{name}", torch.tensor(0), dist_reduce_fx="sum")
            self.add_state(f"scores_{name}", [], dist_reduce_fx="cat")
            self.add_state(f"right_{name}", [], dist_reduce_fx="cat")

    def update(self, xyxy: np.ndarray, scores: np.ndarray, people: People) -> None:
        """Add an image.

        Args:
            xyxy: ``(n, 4)`` boxes of detections.
            scores: ``(n,)``.
            people: Who is there.
        """
        self.images += 1
        best = np.argsort(-scores, kind="stable")[:MOST_DETECTIONS]
        xyxy, scores = xyxy[best], scores[best]
        heights = xyxy[:, 3] - xyxy[:, 1]
        for name, subset in SUBSETS.items():
            low, high = subset.height
            kept = (heights >= low / EXPANSION) & (heights < high * EXPANSION)
            outside = people.outside(subset)
            verdict = judge(xyxy[kept], people.xyxy, outside)
            counts = verdict != DROPPED
            getattr(self, f"scores_{name}").append(torch.from_numpy(scores[kept][counts].astype(np.float64)))
            getattr(self, f"right_{name}").append(torch.from_numpy(verdict[counts] == RIGHT))
            setattr(self, f"people_{name}", getattr(self, f"people_{name}") + int((~outside).sum()))

    def compute(self) -> dict[str, float | None]:
        """MR^-2 of each subset, 0..1; None where nobody is in it."""
        rates: dict[str, float | None] = {}
        for name in SUBSETS:
            people = int(getattr(self, f"people_{name}"))
            scores, right = (_joined(getattr(self, f"{what}_{name}")) for what in ("scores", "right"))
            rates[name] = (
                log_average(scores, right.astype(bool), people, int(self.images)) if people else None
            )
        return rates


RIGHT, WRONG, DROPPED = 1, 0, -1


def judge(xyxy: np.ndarray, people: np.ndarray, ignored: np.ndarray) -> np.ndarray:
    """Whether each detection of an image is right.

    In the order of their scores, each takes the person with whom it overlaps most, of those who count and are
    not taken. Where there is nobody, it is dropped if at least half of it lies on someone who is ignored.

    Args:
        xyxy: ``(n, 4)`` detections, best first.
        people: ``(m, 4)``.
        ignored: ``(m,)`` bool.

    Returns:
        ``(n,)`` of ``RIGHT``, ``WRONG`` and ``DROPPED``.
    """
    inner = _intersection(xyxy, people)  # (n, m)
    own, theirs = _area(xyxy)[:, None], _area(people)[None]
    overlap = inner / np.maximum(np.where(ignored, own, own + theirs - inner), np.finfo(float).tiny)
    verdict = np.full(len(xyxy), WRONG)
    free = ~ignored
    for row, overlaps in enumerate(overlap):
        candidates = np.where(free, overlaps, -1.0)
        # Of equal overlaps the last one is taken, as in the original.
        best = len(candidates) - 1 - int(candidates[::-1].argmax()) if len(candidates) else -1
        if best >= 0 and candidates[best] >= IOU:
            verdict[row], free[best] = RIGHT, False
        elif (overlaps[ignored] >= IOU).any():
            verdict[row] = DROPPED
    return verdict


def log_average(scores: np.ndarray, right: np.ndarray, people: int, images: int) -> float:
    """``exp(mean(log(1 - recall)))`` at ``FALSE_PER_IMAGE``.

    The recall at a rate of false positives is that of the last detection, from the best down, with which it
    is not exceeded; 0 where the first one exceeds it. (The original then reads the recall of all detections.
    That cannot happen with 100 images or more.)

    Args:
        scores: ``(n,)`` of all detections that count, of all images.
        right: ``(n,)`` bool.
        people: How many there are to be found.
        images: How many were looked at.
    """
    right = right[np.argsort(-scores, kind="stable")]
    recall = np.concatenate([[0.0], np.cumsum(right) / people])
    false_per_image = np.concatenate([[0.0], np.cumsum(~right) / images])
    last = np.searchsorted(false_per_image, FALSE_PER_IMAGE, side="right") - 1
    missed = 1 - recall[last]
    return float(np.exp(np.mean(np.log(missed)))) if (missed > 0).all() else 0.0


def _joined(parts: Sequence[Tensor] | Tensor) -> np.ndarray:
    """A list state, which is one tensor after a reduction over processes."""
    if isinstance(parts, Tensor):
        return parts.cpu().numpy()
    return torch.cat(list(parts)).cpu().numpy() if parts else np.zeros(0)


def _area(xyxy: np.ndarray) -> np.ndarray:
    sides: np.ndarray = xyxy[:, 2:] - xyxy[:, :2]
    return sides.prod(1)


def _intersection(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """``(n, m)`` pixels that two sets of boxes share."""
    low = np.maximum(one[:, None, :2], other[None, :, :2])
    high = np.minimum(one[:, None, 2:], other[None, :, 2:])
    return np.clip(high - low, 0, None).prod(2)
