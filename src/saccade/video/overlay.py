"""Pictures for people: classes laid over the frame, and the blocks that were computed."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from saccade.actions import FULL, KEEP, LOW
from saccade.classes import ClassSet
from saccade.video.legend import Entry, draw_legend
from saccade.video.palette import colour_labels

FULL_COLOUR = (255, 255, 255)
LOW_COLOUR = (255, 190, 0)

OLDEST = 30
"""Frames since a block was computed; older blocks are not drawn darker than that."""
_DARKEST = 0.45
_AGED_COLOUR = (8, 14, 40)
"""What old blocks fade towards: a night that no class and no camera has."""
_UNKNOWN_AGE = 3
_AGES_IN_LEGEND = (1, 3, 8, 16, OLDEST)


@dataclass(frozen=True, eq=False)
class Blocks:
    """What was done with the blocks of a frame.

    Attributes:
        actions: ``(GH, GW)``: 0 kept, 1 computed at low resolution, 2 computed in full.
        ages: ``(GH, GW)``, frames since each block was computed; None where nobody counts.
        size: Side of a block in pixels; with None the grid divides the picture evenly.
    """

    actions: np.ndarray
    ages: np.ndarray | None = None
    size: int | None = None

    @property
    def executed_fraction(self) -> float:
        """Share of the blocks that were computed."""
        return float((self.actions != KEEP).mean())

    @property
    def legend(self) -> tuple[Entry, ...]:
        """What to say of them at the foot of the picture."""
        low, kept = (self.actions == LOW).any(), (self.actions == KEEP).any()
        entries = [Entry("full resolution" if low else "computed", (FULL_COLOUR,), outline=True)]
        if low:
            entries.append(Entry("half resolution", (LOW_COLOUR,), outline=True))
        if self.ages is not None and (kept or not low):
            shades = brightness(np.array(_AGES_IN_LEGEND))[:, None]
            greys = np.rint(210 * shades + np.array(_AGED_COLOUR) * (1 - shades)).astype(int).tolist()
            entries.append(Entry(f"kept 1-{OLDEST} frames", tuple((r, g, b) for r, g, b in greys)))
        return tuple(entries)


def draw_overlay(
    image: np.ndarray,
    labels: np.ndarray,
    classes: ClassSet,
    opacity: float = 0.5,
    blocks: Blocks | None = None,
    legend: bool = True,
) -> np.ndarray:
    """Lay the classes over a frame, and show which blocks were computed, and how long ago.

    Args:
        image: ``(H, W, 3)`` uint8, RGB.
        labels: ``(H, W)`` uint8 class ids; pixels with ``IGNORE`` get darker.
        classes: Names and colours of the ids.
        opacity: Of the class colours, 0..1.
        blocks: Computed ones are outlined, neighbours together, in white or, at low resolution, in amber;
            kept ones are the darker the older they are.
        legend: Name the colours at the foot of the picture, where it is large enough for letters.

    Returns:
        A new ``(H, W, 3)`` uint8 picture, RGB.

    Raises:
        ValueError: The labels are not of the size of the image.
    """
    if labels.shape != image.shape[:2]:
        raise ValueError(f"labels are {labels.shape}, the image is {image.shape[:2]}; resize the labels")
    colours = colour_labels(labels, classes)
    out = cv2.addWeighted(image, 1 - opacity, colours, opacity, 0, dst=colours)
    if blocks is not None:
        draw_blocks(out, blocks)
    if legend:
        draw_legend(out, classes, () if blocks is None else blocks.legend)
    return out


def brightness(ages: np.ndarray) -> np.ndarray:
    """Of a block computed so many frames ago, 0..1: it falls fast at first, and ends at ``OLDEST``."""
    return 1 - (1 - _DARKEST) * np.log1p(np.clip(ages, 0, OLDEST)) / math.log1p(OLDEST)


def draw_blocks(out: np.ndarray, blocks: Blocks) -> None:
    """Darken the blocks of a picture that were kept, and outline those that were computed, in place."""
    tops, lefts = (
        _edges(length, count, blocks.size)
        for length, count in zip(out.shape[:2], blocks.actions.shape, strict=True)
    )
    kept = blocks.actions == KEEP
    if kept.any():
        ages = np.where(kept, _UNKNOWN_AGE if blocks.ages is None else blocks.ages, 0)
        _darken(out, brightness(ages), tops, lefts)
    _outline(out, blocks.actions, tops, lefts)


def _darken(out: np.ndarray, light: np.ndarray, tops: np.ndarray, lefts: np.ndarray) -> None:
    """Fade blocks towards the night, ``light`` ``(GH, GW)`` of each is left.

    One row of blocks after the other: what is multiplied and added then stays in the processor's cache.
    """
    pixels = out.reshape(len(out), -1)  # (H, W * 3)
    light = np.repeat(light, np.diff(lefts), axis=1)[:, :, None]  # (GH, W, 1)
    factor = np.rint(255 * np.repeat(light, 3, axis=2)).astype(np.uint8).reshape(len(light), 1, -1)
    night = np.rint((1 - light) * np.array(_AGED_COLOUR)).astype(np.uint8).reshape(len(light), 1, -1)
    for row in range(len(light)):
        band = pixels[tops[row] : tops[row + 1]]
        cv2.multiply(band, np.repeat(factor[row], len(band), axis=0), dst=band, scale=1 / 255)
        cv2.add(band, np.repeat(night[row], len(band), axis=0), dst=band)


def _outline(out: np.ndarray, actions: np.ndarray, tops: np.ndarray, lefts: np.ndarray) -> None:
    """Draw a line around neighbouring blocks that were computed alike, one row of blocks after the other."""
    height, width = out.shape[:2]
    line = max(1, round(min(height, width) / 512))
    owner = np.repeat(np.arange(len(lefts) - 1), np.diff(lefts))  # (W,): which block a column lies in
    x = np.arange(width)
    at_left, at_right = x - lefts[owner] < line, lefts[owner + 1] - x <= line
    around = np.pad(actions, 1, constant_values=KEEP)
    for row in range(len(tops) - 1):
        band = out[tops[row] : tops[row + 1]]
        above, here, below = around[row : row + 3, 1:-1]
        left, right = around[row + 1, :-2], around[row + 1, 2:]
        for action, colour in ((LOW, LOW_COLOUR), (FULL, FULL_COLOUR)):
            computed = here == action
            if computed.any():
                band[:line, (computed & (above != action))[owner]] = colour
                band[-line:, (computed & (below != action))[owner]] = colour
                band[:, (computed & (left != action))[owner] & at_left] = colour
                band[:, (computed & (right != action))[owner] & at_right] = colour


def _edges(length: int, blocks: int, block_size: int | None) -> np.ndarray:
    """Where blocks begin and end along a side, ``blocks + 1`` positions."""
    if block_size is None:
        return np.rint(np.arange(blocks + 1) * length / blocks).astype(int)
    return np.minimum(np.arange(blocks + 1) * block_size, length)
