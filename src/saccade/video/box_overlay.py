"""Pictures for people: boxes drawn on the frame, and the blocks that were computed."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from saccade.classes import ClassSet
from saccade.video.caption import draw_caption
from saccade.video.legend import Entry, draw_legend
from saccade.video.overlay import Blocks, draw_blocks
from saccade.video.palette import palette

DIFFERENT = (255, 0, 255)
"""Colour of boxes that frame-by-frame execution does not have."""

_SMALLEST_LETTERS = 26
"""Pixels of width of a box, for its score to be written in it."""


def draw_boxes(
    image: np.ndarray,
    boxes: np.ndarray,
    labels: Sequence[int],
    scores: Sequence[float],
    classes: ClassSet,
    blocks: Blocks | None = None,
    different: Sequence[bool] = (),
    legend: bool = True,
) -> np.ndarray:
    """Draw boxes on a frame, and show which blocks were computed, and how long ago.

    Args:
        image: ``(H, W, 3)`` uint8, RGB.
        boxes: ``(n, 4)`` left, top, right, bottom in pixels.
        labels: Class id of each.
        scores: Of each, 0..1; written in boxes that are wide enough.
        classes: Names and colours of the ids.
        blocks: As for ``draw_overlay``.
        different: Boxes that are drawn in magenta; none where it is empty.
        legend: Name the colours at the foot of the picture, where it is large enough for letters.

    Returns:
        A new ``(H, W, 3)`` uint8 picture, RGB.
    """
    out = image.copy()
    if blocks is not None:
        draw_blocks(out, blocks)
    line = max(1, round(min(image.shape[:2]) / 300))
    order = np.argsort(scores)  # the best is drawn last
    for n in order:
        left, top, right, bottom = np.rint(boxes[n]).astype(int).tolist()
        colour = DIFFERENT if n < len(different) and different[n] else palette(classes)[labels[n]].tolist()
        cv2.rectangle(out, (left, top), (max(left, right - 1), max(top, bottom - 1)), colour, line)
        if right - left >= _SMALLEST_LETTERS:
            place = left + line + 1, top + line + 9
            cv2.putText(out, f"{scores[n]:.2f}", place, cv2.FONT_HERSHEY_PLAIN, 0.7, colour, 1, cv2.LINE_AA)
    if legend:
        draw_legend(out, classes, () if blocks is None else blocks.legend)
    return out


def draw_box_comparison(left: np.ndarray, right: np.ndarray, name: str, classes: ClassSet) -> np.ndarray:
    """What a method finds on the left, what frame-by-frame execution finds on the right.

    Args:
        left, right: Pictures ``(H, W, 3)`` from ``draw_boxes`` without legend; changed.
        name: Of the method, and what is to be said of the frame.
        classes: As for ``draw_boxes``.

    Returns:
        ``(H, 2 * W, 3)`` uint8, RGB.
    """
    draw_caption(left, name)
    draw_caption(right, "frame by frame")
    left[:, -1:] = right[:, :1] = 0
    out = np.concatenate([left, right], axis=1)
    draw_legend(out, classes, (Entry("only here", (DIFFERENT,), outline=True),))
    return out
