"""Pictures for people: classes laid over the frame, and the blocks that were computed."""

from __future__ import annotations

import cv2
import numpy as np

from saccade.classes import ClassSet
from saccade.video.legend import draw_legend
from saccade.video.palette import colour_labels

KEEP, LOW, FULL = 0, 1, 2
"""Actions of a block: its features are kept, computed at low resolution, or computed in full."""

FULL_COLOUR = (255, 255, 255)
LOW_COLOUR = (255, 190, 0)

_OUTLINES = (("computed", FULL_COLOUR), ("low resolution", LOW_COLOUR))
_KEPT_BRIGHTNESS = 0.72


def draw_overlay(
    image: np.ndarray,
    labels: np.ndarray,
    classes: ClassSet,
    opacity: float = 0.5,
    actions: np.ndarray | None = None,
    legend: bool = True,
    block_size: int | None = None,
) -> np.ndarray:
    """Lay the classes over a frame, and show which blocks were computed.

    Args:
        image: ``(H, W, 3)`` uint8, RGB.
        labels: ``(H, W)`` uint8 class ids; pixels with ``IGNORE`` get darker.
        classes: Names and colours of the ids.
        opacity: Of the class colours, 0..1.
        actions: ``(GH, GW)`` per block: 0 kept (drawn darker), 1 computed at low resolution (outlined in
            amber), 2 computed in full (outlined in white).
        legend: Name the colours at the foot of the picture, where it is large enough for letters.
        block_size: Side of a block in pixels; without it the grid divides the picture evenly.

    Returns:
        A new ``(H, W, 3)`` uint8 picture, RGB.

    Raises:
        ValueError: The labels are not of the size of the image.
    """
    if labels.shape != image.shape[:2]:
        raise ValueError(f"labels are {labels.shape}, the image is {image.shape[:2]}; resize the labels")
    colours = colour_labels(labels, classes)
    out = cv2.addWeighted(image, 1 - opacity, colours, opacity, 0, dst=colours)
    if actions is not None:
        _draw_blocks(out, np.asarray(actions), block_size)
    if legend:
        draw_legend(out, classes, _OUTLINES if actions is not None else ())
    return out


def _draw_blocks(out: np.ndarray, actions: np.ndarray, block_size: int | None) -> None:
    height, width = out.shape[:2]
    rows, columns = actions.shape
    tops = _edges(height, rows, block_size)
    lefts = _edges(width, columns, block_size)
    for row in range(rows):
        band = slice(tops[row], tops[row + 1])
        for first, last in _runs(actions[row] == KEEP):
            kept = out[band, lefts[first] : lefts[last]]
            if kept.size:
                cv2.convertScaleAbs(kept, dst=kept, alpha=_KEPT_BRIGHTNESS)
    line = max(1, round(min(height, width) / 512))
    for action, colour in ((LOW, LOW_COLOUR), (FULL, FULL_COLOUR)):
        ink = np.array(colour, np.uint8)
        for row, column in np.argwhere(actions == action):
            # Slices instead of cv2.rectangle, whose thick lines reach over the edge.
            block = out[tops[row] : tops[row + 1], lefts[column] : lefts[column + 1]]
            block[:line] = block[-line:] = ink
            block[:, :line] = block[:, -line:] = ink


def _edges(length: int, blocks: int, block_size: int | None) -> list[int]:
    """Where blocks begin and end along a side, ``blocks + 1`` positions."""
    if block_size is None:
        return [round(i * length / blocks) for i in range(blocks + 1)]
    return [min(i * block_size, length) for i in range(blocks + 1)]


def _runs(flags: np.ndarray) -> list[tuple[int, int]]:
    """``(first, behind last)`` of each run of True."""
    steps = np.flatnonzero(np.diff(np.concatenate(([False], flags, [False])).astype(np.int8)))
    return [(int(a), int(b)) for a, b in steps.reshape(-1, 2)]
