"""Do predicted classes end where the true ones end?"""

from __future__ import annotations

import math

import cv2
import numpy as np
import torch
from torch import Tensor
from torchmetrics import Metric

from saccade.classes import IGNORE

WIDTH = 0.005
"""Reach of boundaries, as a share of the image's diagonal: 3 pixels at 480x360, 11 at 2048x1024."""

_OUTSIDE = IGNORE - 1
"""Stands around the image; no class has this id."""


def boundary_width(size: tuple[int, int]) -> int:
    """Reach of boundaries in pixels, at least 1, for an image of ``(height, width)``."""
    return max(1, round(WIDTH * math.hypot(*size)))


def boundary_of(labels: np.ndarray, width: int) -> np.ndarray:
    """Pixels with another label, or the edge of the image, within reach.

    Args:
        labels: ``(H, W)`` uint8.
        width: Reach in pixels, in rows and in columns.

    Returns:
        ``(H, W)`` bool.
    """
    square = np.ones((2 * width + 1, 2 * width + 1), np.uint8)
    largest, smallest = (
        function(labels, square, borderType=cv2.BORDER_CONSTANT, borderValue=_OUTSIDE)
        for function in (cv2.dilate, cv2.erode)
    )
    return largest != smallest


class BoundaryIoU(Metric):
    """Mean IoU over pixels near boundaries: Boundary IoU (Cheng et al., CVPR 2021) of every class.

    Of each class, in the labels and in the prediction, only the pixels within ``boundary_width`` of another
    class or of the edge of the image count (the paper's code counts the edge too). Intersections and unions
    are summed over all images. Pixels that are not labelled are so in the prediction too.

    Args:
        classes: K, the number of classes.

    Attributes:
        intersection, union: ``(K,)`` int64, pixels.
    """

    full_state_update = False
    intersection: Tensor
    union: Tensor

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.classes = classes
        for name in ("intersection", "union"):
            self.add_state(name, torch.zeros(classes, dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, prediction: np.ndarray, truth: np.ndarray) -> None:
        """Count a label map.

        Args:
            prediction: ``(H, W)`` uint8 class ids.
            truth: The same with ``IGNORE`` where not labelled.
        """
        width = boundary_width((truth.shape[0], truth.shape[1]))
        prediction = np.where(truth == IGNORE, truth, prediction)
        there, found = (
            np.where(boundary_of(labels, width), labels, IGNORE) for labels in (truth, prediction)
        )
        both, one, other = (
            torch.from_numpy(np.bincount(labels.ravel(), minlength=256)[: self.classes])
            for labels in (np.where(there == found, there, IGNORE), there, found)
        )
        self.intersection += both.to(self.intersection.device)
        self.union += (one + other - both).to(self.union.device)

    def compute(self) -> Tensor:
        """Mean over the classes that have boundaries, 0..1, float64; NaN where none has."""
        return (self.intersection.double() / self.union).nanmean()
