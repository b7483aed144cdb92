"""Boxes that go where the picture shows that what is in them has gone: block matching, box by box."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
from torch import Tensor

from saccade.methods.motion import LastFrames
from saccade.networks.detector import Boxes
from saccade.networks.flow.dis import grey, reduction

LARGEST = 1024
"""Pixels of the longer side of the pictures that are compared, at most."""

FINEST = 96
"""Pixels of the longer side of what is compared of one box, at most."""

INNER = 0.75
"""Part of a box's height and width that is compared: its edges show what is behind."""

REACH = 0.25
"""How far a box may go in a frame, in parts of its longer side."""

DISTANCE = 0.1
"""What a match at the end of the reach must be better by than one where the box was."""

ALIKE = 0.5
"""Correlation below which nothing matches, and the box stays."""

LEAST = 4
"""Pixels of height and width, below which boxes are too small to compare."""


class BoxMotion(LastFrames):
    """Where boxes are in the next frame: what is inside of them is looked for around them.

    Pictures are compared by their normalised cross-correlation. ``macs`` are those of the last ``follow``,
    as if every place was compared one by one.
    """

    def follow(self, frames: Tensor, boxes: Sequence[Boxes]) -> tuple[Boxes, ...]:
        """The boxes of the frames before, moved.

        Args:
            frames: ``(N, 3, H, W)`` normalised frames; the next ones are compared with them.
            boxes: Of the first of the streams in the frames before.

        Returns:
            As many.
        """
        factor = reduction(int(frames.shape[2]), int(frames.shape[3]), LARGEST)
        pictures = grey(frames, LARGEST)
        self.macs = 0.0
        moved = []
        for found, before, now in zip(boxes, self.before, pictures, strict=False):
            if before is None or not len(found):
                moved.append(found)
                continue
            corners = found.xyxy.detach().cpu().double().numpy()
            steps = np.array([self._step(before, now, corner / factor) for corner in corners]) * factor
            steps = np.clip(steps, *_room(corners, frames.shape[2], frames.shape[3]))
            shift = found.xyxy.new_tensor(np.tile(steps, 2))
            moved.append(Boxes(found.xyxy + shift, found.scores, found.labels))
        self.before[: len(pictures)] = pictures
        return tuple(moved)

    def _step(self, before: np.ndarray, now: np.ndarray, corners: np.ndarray) -> tuple[float, float]:
        """How far the contents of a box went to the right and down, in pixels of the pictures."""
        middle, half = (corners[:2] + corners[2:]) / 2, (corners[2:] - corners[:2]) * INNER / 2
        left, top = np.maximum(0, np.floor(middle - half)).astype(int)
        right, bottom = np.minimum(before.shape[::-1], np.ceil(middle + half)).astype(int)
        if min(right - left, bottom - top) < LEAST:
            return 0.0, 0.0
        longest = float((corners[2:] - corners[:2]).max())
        factor = math.ceil(longest / FINEST)
        reach = max(1, math.ceil(REACH * longest / factor))
        pattern = _reduced(before[top:bottom, left:right], factor)
        around = [
            min(reach, room // factor) for room in (left, top, now.shape[1] - right, now.shape[0] - bottom)
        ]
        west, north, east, south = (n * factor for n in around)
        field = _reduced(now[top - north : bottom + south, left - west : right + east], factor)
        likeness = cv2.matchTemplate(field, pattern, cv2.TM_CCOEFF_NORMED)
        likeness = np.nan_to_num(likeness, nan=0.0, posinf=0.0, neginf=0.0)
        self.macs += likeness.size * pattern.size
        down = np.arange(likeness.shape[0])[:, None] - around[1]
        across = np.arange(likeness.shape[1])[None] - around[0]
        rated = likeness - DISTANCE * (down**2 + across**2) / reach**2
        row, column = np.unravel_index(int(rated.argmax()), rated.shape)
        if likeness[row, column] < ALIKE:
            return 0.0, 0.0
        return float(across[0, column] * factor), float(down[row, 0] * factor)


def _reduced(picture: np.ndarray, factor: int) -> np.ndarray:
    """Means of squares; what is left over at the right and bottom is left out."""
    if factor == 1:
        return picture
    height, width = (max(1, side // factor) for side in picture.shape)
    cut = picture[: height * factor, : width * factor]
    return np.asarray(cv2.resize(cut, (width, height), interpolation=cv2.INTER_AREA))


def _room(corners: np.ndarray, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """How far boxes ``(n, 4)`` may go left and up (negative), and right and down, to stay in the frame."""
    low = np.minimum(0, -corners[:, :2])
    high = np.maximum(0, np.array([width, height]) - corners[:, 2:])
    return low, high
