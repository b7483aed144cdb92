"""A few frames of a run, kept as small pictures: what went in, what was executed, what came out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from saccade.classes import PEDESTRIANS, ClassSet
from saccade.evaluation.block_ages import BlockAges
from saccade.evaluation.detection_scores import SHOWN, BoxAgreement, paired
from saccade.methods.base import StepResult
from saccade.networks.detector import Boxes
from saccade.video.box_overlay import draw_boxes
from saccade.video.comparison import mark_differences
from saccade.video.frame import Frame
from saccade.video.overlay import Blocks, draw_blocks, draw_overlay
from saccade.video.palette import unnamed_classes

PICTURES = 4
"""Frames of a strip, of a shorter run all."""
WIDTH = 480
"""Pixels of a picture at most."""
_QUALITY = 85


@dataclass(frozen=True, eq=False)
class StripFrame:
    """One frame in pictures, JPEG each.

    Attributes:
        index: Position of the frame in the run, from 0.
        image: The frame.
        dense: Labels (or boxes) frame by frame over the frame; None where the run did not compare.
        labels: Those by the method over the frame, with pixels (boxes) that differ from ``dense`` marked.
        blocks: The frame with executed blocks outlined and kept ones darkened by age; None without blocks.
        executed: Share of the blocks that were executed, None without blocks.
        agreement: Share of pixels with the label of ``dense``, F1 of the boxes; None without ``dense``.
    """

    index: int
    image: bytes
    dense: bytes | None
    labels: bytes
    blocks: bytes | None
    executed: float | None
    agreement: float | None


@dataclass(frozen=True, eq=False)
class Strip:
    """The pictures of one row of a bench.

    Attributes:
        classes: Names and colours of the labels.
        frames: In their order.
        boxes: Whether labels are boxes.
    """

    classes: ClassSet
    frames: tuple[StripFrame, ...]
    boxes: bool = False


class StripRecorder:
    """Keeps a few frames of a run, evenly over its length, which it need not know.

    It is a ``Sink`` and a ``BoxSink``, and may be called frame by frame with ``add`` or ``add_boxes``. Runs
    of the same length keep the same frames. Drawn are only those that may be kept: of a thousand frames less
    than forty.

    Args:
        classes: Names and colours; unnamed colours where None, of boxes those of pedestrians.
    """

    def __init__(self, classes: ClassSet | None = None) -> None:
        self._classes = classes
        self._ages = BlockAges()
        self._boxes = False
        self._seen = 0
        self._stride = 1
        self._kept: list[StripFrame] = []  # every stride-th frame, PICTURES to twice as many once there are

    def write(
        self,
        stream: int,
        frame: Frame,
        result: StepResult,
        labels: np.ndarray,
        dense: np.ndarray | None = None,
    ) -> None:
        """As every sink; frames of the first stream are kept."""
        if stream == 0:
            self.add(frame.image, result, labels, dense)

    def write_boxes(
        self, stream: int, frame: Frame, result: StepResult, boxes: Boxes, dense: Boxes | None = None
    ) -> None:
        """The same for detectors."""
        if stream == 0:
            self.add_boxes(frame.image, result, boxes, dense)

    def close(self) -> None:
        """Nothing is left to do."""

    def add(
        self, image: np.ndarray, result: StepResult, labels: np.ndarray, dense: np.ndarray | None = None
    ) -> None:
        """Take the next frame.

        Args:
            image: ``(H, W, 3)`` uint8, RGB, of any size.
            result: That of this frame alone, N = 1.
            labels: ``(H, W)`` uint8 class ids by the method, of any size.
            dense: Those of frame-by-frame execution, of the size of ``labels``.
        """
        classes = self._classes = self._classes or unnamed_classes(result.segmentation.logits.shape[1])
        self._add(
            result,
            lambda index, size, blocks: _draw(index, image, labels, dense, size, classes, blocks),
        )

    def add_boxes(
        self, image: np.ndarray, result: StepResult, boxes: Boxes, dense: Boxes | None = None
    ) -> None:
        """Take the next frame of a detector.

        Args:
            image: ``(H, W, 3)`` uint8, RGB, of any size.
            result: That of this frame alone, N = 1.
            boxes: What was found, on the CPU, in pixels of the frame as the network saw it. Those above
                ``SHOWN`` are drawn.
            dense: What frame-by-frame execution finds.
        """
        classes = self._classes = self._classes or PEDESTRIANS
        self._boxes = True
        self._add(
            result,
            lambda index, size, blocks: _draw_boxes(
                index, image, boxes, dense, result.prediction.size, size, classes, blocks
            ),
        )

    def _add(
        self, result: StepResult, draw: Callable[[int, tuple[int, int], Blocks | None], StripFrame]
    ) -> None:
        """Take the next frame; it is drawn where it may be kept."""
        actions = ages = None
        if result.actions is not None:
            actions = result.actions[0].cpu().numpy()
            ages = self._ages.update(actions)
        self._seen += 1
        if self._seen % self._stride == 0 and len(self._kept) == 2 * PICTURES:
            self._kept = self._kept[1::2]
            self._stride *= 2
        if self._seen % self._stride == 0:
            size, side = _picture_size(result)
            blocks = None if actions is None else Blocks(actions, ages, side)
            self._kept.append(draw(self._seen - 1, size, blocks))

    @property
    def strip(self) -> Strip | None:
        """What is kept; None before the first frame."""
        if self._classes is None or not self._kept:
            return None
        count = min(PICTURES, len(self._kept))
        chosen = (int((i + 0.5) * len(self._kept) / count) for i in range(count))
        return Strip(self._classes, tuple(self._kept[i] for i in chosen), self._boxes)


def _picture_size(result: StepResult) -> tuple[tuple[int, int], int | None]:
    """Height and width of the pictures, and the side of their blocks: whole pixels, so that none is cut."""
    height, width = result.prediction.size
    scale, side = min(1.0, WIDTH / width), result.block_size
    if side is not None:
        scale = max(1, int(side * scale)) / side
        side = round(side * scale)
    return (max(1, round(height * scale)), max(1, round(width * scale))), side


def _draw(
    index: int,
    image: np.ndarray,
    labels: np.ndarray,
    dense: np.ndarray | None,
    size: tuple[int, int],
    classes: ClassSet,
    blocks: Blocks | None,
) -> StripFrame:
    differs = None if dense is None else labels != dense
    small = cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA)

    def laid_over(found: np.ndarray) -> np.ndarray:
        return draw_overlay(small, _nearest(found, size), classes, legend=False)

    own = laid_over(labels)
    if differs is not None:
        mark_differences(own, _nearest(differs.astype(np.uint8), size).astype(bool))
    return StripFrame(
        index=index,
        image=_jpeg(small),
        dense=None if dense is None else _jpeg(laid_over(dense)),
        labels=_jpeg(own),
        blocks=None if blocks is None else _jpeg(_blocks_over(small, blocks)),
        executed=None if blocks is None else blocks.executed_fraction,
        agreement=None if differs is None else float(1 - differs.mean()),
    )


def _draw_boxes(
    index: int,
    image: np.ndarray,
    boxes: Boxes,
    dense: Boxes | None,
    seen: tuple[int, int],
    size: tuple[int, int],
    classes: ClassSet,
    blocks: Blocks | None,
) -> StripFrame:
    """As ``_draw``; boxes are in pixels of a frame of the size ``seen``."""
    small = cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA)
    boxes = boxes.above(SHOWN)
    different: list[bool] = []
    agreement = None
    if dense is not None:
        dense = dense.above(SHOWN)
        different = [not pair for pair in paired(boxes, dense)[0]]
        compared = BoxAgreement()
        compared.update(boxes, dense)
        agreement = compared.alike

    def drawn(found: Boxes, marked: Sequence[bool]) -> bytes:
        placed = found.resized(size[0] / seen[0], size[1] / seen[1])
        labels, scores = placed.labels.tolist(), placed.scores.tolist()
        return _jpeg(
            draw_boxes(small, placed.xyxy.numpy(), labels, scores, classes, None, marked, legend=False)
        )

    return StripFrame(
        index=index,
        image=_jpeg(small),
        dense=None if dense is None else drawn(dense, ()),
        labels=drawn(boxes, different),
        blocks=None if blocks is None else _jpeg(_blocks_over(small, blocks)),
        executed=None if blocks is None else blocks.executed_fraction,
        agreement=agreement,
    )


def _blocks_over(image: np.ndarray, blocks: Blocks) -> np.ndarray:
    """The frame itself with its blocks."""
    out = image.copy()
    draw_blocks(out, blocks)
    return out


def _nearest(labels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return cv2.resize(labels, size[::-1], interpolation=cv2.INTER_NEAREST)


def _jpeg(picture: np.ndarray) -> bytes:
    quality = [cv2.IMWRITE_JPEG_QUALITY, _QUALITY]
    return cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), quality)[1].tobytes()
