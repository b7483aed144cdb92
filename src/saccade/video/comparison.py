"""Two pictures side by side: what a method sees, and what the network sees frame by frame."""

from __future__ import annotations

import cv2
import numpy as np

from saccade.classes import ClassSet
from saccade.video.caption import draw_caption
from saccade.video.legend import Entry, draw_legend
from saccade.video.overlay import Blocks, draw_overlay

DIFFERENT = (255, 0, 255)
"""Colour of pixels that disagree; stronger than any class laid over a frame."""
_RIM = 2
"""Pixels of it around each region that disagrees, or what there is of a thinner one."""


def draw_comparison(
    image: np.ndarray,
    labels: np.ndarray,
    dense: np.ndarray,
    classes: ClassSet,
    name: str,
    blocks: Blocks | None = None,
) -> np.ndarray:
    """The overlay of a method on the left, that of frame-by-frame execution on the right.

    Pixels whose labels differ are marked on the left.

    Args:
        image: ``(H, W, 3)`` uint8, RGB.
        labels: ``(H, W)`` uint8 class ids of the method.
        dense: ``(H, W)`` uint8 class ids of frame-by-frame execution.
        classes: Names and colours of the ids.
        name: Of the method.
        blocks: As for ``draw_overlay``.

    Returns:
        ``(H, 2 * W, 3)`` uint8, RGB.
    """
    left = draw_overlay(image, labels, classes, blocks=blocks, legend=False)
    right = draw_overlay(image, dense, classes, legend=False)
    differs = labels != dense
    mark_differences(left, differs)
    share = "" if blocks is None else f", {100 * blocks.executed_fraction:.0f} % of blocks"
    draw_caption(left, name + share, f"{100 * (1 - differs.mean()):.1f} % agree")
    draw_caption(right, "frame by frame")
    left[:, -1:] = right[:, :1] = 0
    out = np.concatenate([left, right], axis=1)
    draw_legend(out, classes, (*(() if blocks is None else blocks.legend), Entry("differs", (DIFFERENT,))))
    return out


def mark_differences(picture: np.ndarray, differs: np.ndarray) -> None:
    """Mark pixels in place: rims in full colour, for regions of a pixel too; through their inside the classes
    can be seen.

    Args:
        picture: ``(H, W, 3)`` uint8, RGB.
        differs: ``(H, W)`` bool.
    """
    kernel = np.ones((2 * _RIM + 1, 2 * _RIM + 1), np.uint8)
    inside = cv2.erode(differs.astype(np.uint8), kernel).astype(bool)
    picture[differs & ~inside] = DIFFERENT
    picture[inside] = picture[inside] // 2 + np.array(DIFFERENT, np.uint8) // 2
