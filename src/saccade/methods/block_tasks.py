"""What BlockCopy makes of the output: class scores that move with the picture. Boxes: ``box_task``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from saccade.blocks import FULL, LOW
from saccade.blocks.grid import Grid
from saccade.methods.base import Detections, Prediction, Segmentation
from saccade.methods.motion import LastFrames, Motion, moved, owners, pixels_of_blocks
from saccade.methods.score_shift import EXPLAINED, shifted
from saccade.methods.scores import scores_of
from saccade.networks.detector import Boxes

LOW_WEIGHT = 0.5
"""Of scores at half resolution, against those from before that moved with the picture: these were made at
full resolution, and are of another moment."""


@dataclass(frozen=True, eq=False)
class Answer:
    """What a network says of N frames, and how policies see it.

    Attributes:
        logits: ``(N, K, h, w)`` class scores; of a detector, ``box_logits``.
        boxes: Of each frame; None for class scores.
    """

    logits: Tensor
    boxes: tuple[Boxes, ...] | None = None

    def rows(self, rows: Sequence[int]) -> Answer:
        """Those of some of the frames."""
        boxes = None if self.boxes is None else tuple(self.boxes[row] for row in rows)
        return Answer(self.logits[list(rows)], boxes)

    def prediction(self, size: tuple[int, int]) -> Prediction:
        """The same for the user; ``size`` is that of the frames."""
        if self.boxes is None:
            return Segmentation(self.logits, size)
        return Detections(self.boxes, size)

    def to_state(self) -> dict[str, Any]:
        """As plain values and tensors, sharing memory."""
        if self.boxes is None:
            return {"logits": self.logits, "boxes": None}
        found = [(boxes.xyxy, boxes.scores, boxes.labels) for boxes in self.boxes]
        return {"logits": self.logits, "boxes": found}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Answer:
        """The inverse of ``to_state``."""
        found = state["boxes"]
        return cls(state["logits"], None if found is None else tuple(Boxes(*boxes) for boxes in found))


class Task(ABC):
    """What differs between networks that score pixels and networks that find boxes."""

    @abstractmethod
    def new_motion(self) -> LastFrames:
        """What ``expected`` finds motion with, of streams that begin."""

    @abstractmethod
    def expected(self, before: Answer | None, frames: Tensor, motion: LastFrames) -> Answer | None:
        """What is to be said of frames of which no block is executed; None before the first frame.

        Args:
            before: To the frames before. Where there are more frames than these, streams begin.
            frames: ``(N, 3, H, W)``.
            motion: Has seen the frames before.
        """

    @abstractmethod
    def answer(
        self, output: Any, actions: Tensor, expected: Answer | None, grid: Grid, motion: LastFrames
    ) -> Answer:
        """What is to be said of frames of which some blocks were executed.

        Args:
            output: Of the engine: at every place what was executed there last.
            actions: ``(N, GH, GW)`` int8, what was executed.
            expected: As above.
            grid: The blocks.
            motion: Has seen these frames.
        """


class PixelTask(Task):
    """Scores at every pixel.

    Args:
        motion: Move those of kept blocks by optical flow.
        score_shift: Then shift them as those of executed blocks around them shift.
    """

    def __init__(self, motion: bool, score_shift: bool) -> None:
        self.motion, self.score_shift = motion, score_shift

    def new_motion(self) -> LastFrames:
        """Optical flow."""
        return Motion()

    def expected(self, before: Answer | None, frames: Tensor, motion: LastFrames) -> Answer | None:
        """The scores of the frame before, where things are now; zeros for streams that begin."""
        if not self.motion:
            return before
        assert isinstance(motion, Motion)
        flows = motion.flow(frames)
        if before is None:
            return None
        result = before.logits.new_zeros(len(frames), *before.logits.shape[1:])
        for row, flow in enumerate(flows[: len(before.logits)]):
            scores = before.logits[row : row + 1]
            result[row] = scores[0] if flow is None or not flow.any() else moved(scores, flow)[0]
        return Answer(result)

    def answer(
        self, output: Any, actions: Tensor, expected: Answer | None, grid: Grid, motion: LastFrames
    ) -> Answer:
        """Executed blocks as the network has them, kept ones moved and shifted.

        Those at half resolution are between both.
        """
        logits = scores_of(output, len(actions))
        if not self.motion or expected is None or bool((actions == FULL).all()):
            return Answer(logits)
        size = int(logits.shape[2]), int(logits.shape[3])
        frame = grid.height, grid.width
        full, low = (
            pixels_of_blocks(actions == action, grid.block, frame, size).to(logits.device)
            for action in (FULL, LOW)
        )
        kept = expected.logits
        if self.score_shift:
            assert isinstance(motion, Motion)
            rows, columns = owners(grid.shape, grid.block, frame, size)
            owner = (rows[:, None] * grid.shape[1] + columns).to(logits.device)
            kept = shifted(kept, logits, full & explained(motion, full), owner, grid.shape)
        if bool(low.any()):
            kept = torch.where(low[:, None], kept.lerp(logits, LOW_WEIGHT), kept)
        return Answer(torch.where(full[:, None], logits, kept))


def explained(motion: Motion, like: Tensor) -> Tensor:
    """Where frames show what flow brings there from the frame before, as ``like``: ``(N, h, w)`` bool.

    Nowhere in streams that begin.
    """
    result = torch.zeros_like(like)
    for row, residual in enumerate(motion.residual):
        if residual is not None:
            small = F.interpolate(residual[None, None], size=like.shape[1:], mode="area")[0, 0]
            result[row] = (small < EXPLAINED).to(like.device)
    return result
