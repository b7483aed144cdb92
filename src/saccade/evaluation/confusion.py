"""How often each class is taken for each other class, and the scores that follow from it."""

from __future__ import annotations

import torch
from torch import Tensor
from torchmetrics import Metric

from saccade.classes import IGNORE
from saccade.errors import DatasetError


def count_pairs(prediction: Tensor, truth: Tensor, classes: int) -> Tensor:
    """Confusion counts of label maps.

    Args:
        prediction: Class ids of any shape, 0..K-1; pixels with ``IGNORE`` in either map are left out.
        truth: Class ids of the same shape.
        classes: K.

    Returns:
        ``(K, K)`` int64: how many pixels of true class (row) were given which class (column).

    Raises:
        DatasetError: The maps differ in shape, or hold an id that is neither a class nor ``IGNORE``.
    """
    if prediction.shape != truth.shape:
        raise DatasetError(
            f"labels of shape {tuple(truth.shape)} cannot score a prediction of shape "
            f"{tuple(prediction.shape)}; both must have the same size"
        )
    for name, labels in (("labels", truth), ("prediction", prediction)):
        if labels.dtype != torch.uint8 and labels.numel() and (labels.min() < 0 or labels.max() > IGNORE):
            raise DatasetError(
                f"the {name} hold ids from {int(labels.min())} to {int(labels.max())}; "
                f"expected 0 to {classes - 1}, or {IGNORE} for pixels that are not scored"
            )
    # All pairs of bytes: one pass counts, and shows ids that should not be there.
    pairs = (truth.to(torch.int32) * 256 + prediction.to(torch.int32)).flatten()
    counts = torch.bincount(pairs, minlength=65536).view(256, 256)
    for name, seen in (("labels", counts.sum(1)), ("prediction", counts.sum(0))):
        unknown = [i for i in seen.nonzero().flatten().tolist() if classes <= i != IGNORE]
        if unknown:
            raise DatasetError(
                f"the {name} hold the unknown class ids {', '.join(map(str, unknown))}; there are {classes} "
                f"classes, ids 0 to {classes - 1}, and {IGNORE} for pixels that are not scored"
            )
    return counts[:classes, :classes].clone()


def iou_of(counts: Tensor) -> Tensor:
    """Intersection over union of each class, ``(K,)`` float64 in 0..1; NaN for a class that is nowhere.

    Args:
        counts: ``(K, K)``, as ``count_pairs`` gives them.
    """
    counts = counts.double()
    both = counts.diagonal()
    return both / (counts.sum(0) + counts.sum(1) - both)


class ConfusionMatrix(Metric):
    """Confusion counts over many label maps; sums over processes.

    Args:
        classes: K, the number of classes.
        alone: Of this process only: the others do not count, and are not waited for.

    Attributes:
        counts: ``(K, K)`` int64, rows true, columns predicted.
    """

    full_state_update = False
    counts: Tensor

    def __init__(self, classes: int, *, alone: bool = False) -> None:
        super().__init__(sync_on_compute=not alone)
        self.classes = classes
        self.add_state("counts", torch.zeros(classes, classes, dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, prediction: Tensor, truth: Tensor) -> None:
        """Count a label map or a batch of them; arguments and errors as for ``count_pairs``."""
        counts = count_pairs(prediction, truth, self.classes)
        self.counts += counts.to(self.counts.device)

    def compute(self) -> dict[str, Tensor]:
        """Scores in 0..1, float64; NaN where nothing was counted.

        Returns:
            ``iou`` ``(K,)``, NaN for classes that are neither in predictions nor in labels; ``miou`` ``()``,
            the mean of the others; ``pixel_accuracy`` ``()``.
        """
        iou = iou_of(self.counts)
        counts = self.counts.double()
        return {"iou": iou, "miou": iou.nanmean(), "pixel_accuracy": counts.trace() / counts.sum()}

    def iou(self) -> Tensor:
        """Intersection over union of each class, ``(K,)``."""
        return self.compute()["iou"]

    def miou(self) -> float:
        """Mean intersection over union of the classes that occur."""
        return float(self.compute()["miou"])

    def pixel_accuracy(self) -> float:
        """Share of the labelled pixels that have the right class."""
        return float(self.compute()["pixel_accuracy"])
