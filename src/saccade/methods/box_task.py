"""What BlockCopy makes of a detector's output: boxes of executed blocks, and those of kept ones, moved."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torchvision.ops import batched_nms, box_iou

from saccade.blocks import KEEP
from saccade.blocks.grid import Grid
from saccade.methods.answers import prediction_of
from saccade.methods.base import Detections
from saccade.methods.block_tasks import Answer, Task
from saccade.methods.box_motion import BoxMotion
from saccade.methods.motion import LastFrames
from saccade.networks.detector import Boxes
from saccade.policies.boxes import box_logits

SAME = 0.5
"""Two boxes of a class are of one object if their IoU is above this."""


class BoxTask(Task):
    """Boxes, decoded anew from the whole maps, of which those of kept blocks are old.

    With motion, what the maps say in kept blocks is left out: there are the boxes of the frame before, where
    the picture shows that they have gone. So somebody who walks out of an executed block is not lost, and one
    who walks in a kept one does not stay behind.

    Args:
        network: Has ``decode``.
        motion: Move boxes.
    """

    def __init__(self, network: nn.Module, motion: bool) -> None:
        self.network, self.motion = network, motion

    def new_motion(self) -> LastFrames:
        """Matching of what boxes show."""
        return BoxMotion()

    def expected(self, before: Answer | None, frames: Tensor, motion: LastFrames) -> Answer | None:
        """The boxes of the frame before, where they are now."""
        if not self.motion:
            return before
        assert isinstance(motion, BoxMotion)
        boxes = () if before is None or before.boxes is None else before.boxes
        moved = motion.follow(frames, boxes)
        if before is None:
            return None
        return Answer(box_logits(moved, (int(frames.shape[2]), int(frames.shape[3]))), moved)

    def answer(
        self, output: Any, actions: Tensor, expected: Answer | None, grid: Grid, motion: LastFrames
    ) -> Answer:
        """Boxes of the maps, and with motion those expected in kept blocks."""
        executed = actions != KEEP
        if expected is not None and not bool(executed.any()):
            return expected.rows(range(len(actions)))
        size = grid.height, grid.width
        prediction = prediction_of(self.network, output, len(actions), size)
        assert isinstance(prediction, Detections)
        found = list(prediction.frames)
        if self.motion and expected is not None:
            assert expected.boxes is not None
            for row, (old, where) in enumerate(zip(expected.boxes, executed, strict=False)):
                if not bool(where.all()):
                    found[row] = joined(found[row], old, where, grid.block)
        return Answer(box_logits(found, size), tuple(found))


def joined(found: Boxes, expected: Boxes, executed: Tensor, block: int) -> Boxes:
    """Boxes found in executed blocks, and those expected in the others. A box is where its middle is.

    Where what was found in a kept block lies on what is expected in an executed one, the latter stays, too:
    there, the old may have suppressed the new when the maps were decoded.

    Args:
        found: In maps that are old in kept blocks.
        expected: From the frame before.
        executed: ``(GH, GW)`` bool.
        block: Side of a block in pixels.
    """
    fresh = _inside(found.xyxy, executed, block)
    old, new = found[~fresh], found[fresh]
    stays = ~_inside(expected.xyxy, executed, block)
    if len(old) and len(expected):
        same = (box_iou(expected.xyxy, old.xyxy) > SAME) & (expected.labels[:, None] == old.labels)
        stays |= same.any(1)
    kept = expected[stays]
    both = [torch.cat(pair) for pair in zip(_parts(new), _parts(kept), strict=True)]
    first = torch.arange(len(both[1]), 0, -1).to(both[0])  # what is new comes first, then by score
    chosen = batched_nms(both[0].float(), first, both[2], SAME)
    every = Boxes(*both)[chosen]
    return every[every.scores.argsort(descending=True, stable=True)]


def _parts(boxes: Boxes) -> tuple[Tensor, Tensor, Tensor]:
    return boxes.xyxy, boxes.scores, boxes.labels


def _inside(xyxy: Tensor, executed: Tensor, block: int) -> Tensor:
    """Whether the middle of each box ``(n, 4)`` lies in an executed block, ``(n,)`` bool."""
    middle = ((xyxy[:, :2] + xyxy[:, 2:]) / 2 / block).long().cpu()
    column, row = (middle[:, i].clamp(0, executed.shape[1 - i] - 1) for i in range(2))
    return executed.cpu()[row, column].to(xyxy.device)
