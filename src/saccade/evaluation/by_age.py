"""How good labels are by how long ago their block was executed."""

from __future__ import annotations

import numpy as np
import torch

from saccade.classes import IGNORE
from saccade.evaluation.block_ages import BlockAges
from saccade.evaluation.confusion import iou_of
from saccade.methods.base import StepResult


class ScoresByAge:
    """Confusion counts by the age of the block that a pixel lies in, of one stream.

    Args:
        classes: K, the number of classes.
    """

    def __init__(self, classes: int) -> None:
        self._classes = classes
        self._counts = np.zeros((0, classes, classes), np.int64)
        self._blocks = BlockAges()
        self._ages: np.ndarray | None = None  # (GH, GW) of the last frame

    def restart(self) -> None:
        """The next frame is the first of another video."""
        self._blocks = BlockAges()

    def step(self, result: StepResult) -> None:
        """Take the actions of the next frame."""
        self._ages = None
        if result.actions is not None:
            self._ages = self._blocks.update(result.actions[0].cpu().numpy())

    def update(self, prediction: np.ndarray, truth: np.ndarray, result: StepResult) -> None:
        """Count the labels of that frame; nothing where there are no blocks.

        Args:
            prediction: ``(h, w)`` uint8 class ids.
            truth: The same with ``IGNORE`` where not labelled.
            result: Of the frame.
        """
        if self._ages is None:
            return
        ages = ages_of_pixels(self._ages, result.block_size, result.prediction.size, truth.shape)
        scored = truth != IGNORE
        k = self._classes
        index = (ages[scored] * k + truth[scored]) * k + prediction[scored]
        size = max(len(self._counts), int(self._ages.max(initial=0)) + 1)
        counts = np.bincount(index, minlength=size * k * k).reshape(size, k, k)
        counts[: len(self._counts)] += self._counts
        self._counts = counts

    def miou(self) -> list[float | None] | None:
        """mIoU of the pixels of each age: 0 executed in this frame, 1 in the one before, and so on.

        None at ages that no labelled pixel had; None instead of a list for methods without blocks.
        """
        values = [float(iou_of(torch.from_numpy(counts)).nanmean()) for counts in self._counts]
        return [None if np.isnan(value) else value for value in values] or None


def ages_of_pixels(
    ages: np.ndarray, block: int | None, frame: tuple[int, int], size: tuple[int, ...]
) -> np.ndarray:
    """The age of the block that each pixel lies in.

    Args:
        ages: ``(GH, GW)``.
        block: Side of a block in pixels of the frame; None where the grid divides the frame evenly.
        frame: Height and width of the frame that the blocks are of.
        size: Those of the map, which shows the whole frame.

    Returns:
        ``(h, w)`` int64.
    """
    rows, columns = (
        np.minimum((np.arange(pixels) + 0.5) * whole / pixels / (block or whole / blocks), blocks - 1).astype(
            np.int64
        )
        for pixels, whole, blocks in zip(size, frame, ages.shape, strict=True)
    )
    return ages[rows[:, None], columns]
