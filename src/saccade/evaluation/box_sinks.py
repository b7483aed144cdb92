"""Sinks for detectors: videos with boxes, and files of boxes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO

import numpy as np

from saccade.classes import PEDESTRIANS, ClassSet
from saccade.evaluation.block_ages import BlockAges
from saccade.evaluation.detection_scores import SHOWN, paired
from saccade.evaluation.sinks import stream_names, video_paths
from saccade.methods.base import StepResult
from saccade.networks.detector import Boxes
from saccade.video.atomic import check_file, output_error
from saccade.video.box_overlay import draw_box_comparison, draw_boxes
from saccade.video.frame import Frame
from saccade.video.overlay import Blocks
from saccade.video.source import Source
from saccade.video.video_writer import VideoWriter

MOT_SUFFIX = ".txt"
"""File names with it are written as MOTChallenge's text."""


class BoxVideoSink:
    """Videos of the frames with boxes, one for each source.

    Boxes above ``SHOWN`` are drawn. Where the method has blocks, those that were executed are outlined, and
    the others are the darker the longer they have been kept. With ``compare``, frame-by-frame execution is
    shown on the right, and boxes that the other side does not have are magenta.

    Args:
        path: The video. Several sources get ``path-NAME.mp4`` each.
        sources: What is going to be looked at.
        classes: Names and colours; pedestrians where None.
        compare: Name of the method, for runs that compare it; None for the method alone.

    Raises:
        OutputError: A video cannot be created there, or would overwrite one of the sources.
    """

    def __init__(
        self,
        path: str | Path,
        sources: Sequence[Source],
        classes: ClassSet | None = None,
        compare: str | None = None,
    ) -> None:
        self._classes = classes or PEDESTRIANS
        self._compare = compare
        self._ages = [BlockAges() for _ in sources]
        across = 1 if compare is None else 2
        with ExitStack() as opened:
            self._writers = [
                opened.enter_context(VideoWriter(target, source.fps, (source.height, across * source.width)))
                for target, source in zip(video_paths(Path(path), sources), sources, strict=True)
            ]
            self._opened = opened.pop_all()

    @property
    def paths(self) -> list[Path]:
        """The videos, in the order of the sources."""
        return [writer.path for writer in self._writers]

    def write_boxes(
        self, stream: int, frame: Frame, result: StepResult, boxes: Boxes, dense: Boxes | None = None
    ) -> None:
        """Draw one frame and hand it to the encoder."""
        blocks = None
        if result.actions is not None:
            actions = result.actions[0].cpu().numpy()
            blocks = Blocks(actions, self._ages[stream].update(actions), result.block_size)
        boxes = boxes.above(SHOWN)
        if self._compare is None or dense is None:
            picture = self._draw(frame.image, boxes, blocks)
        else:
            dense = dense.above(SHOWN)
            mine, theirs = paired(boxes, dense)
            found = f"{self._compare}, {sum(mine)} of {len(mine)} boxes in both"
            picture = draw_box_comparison(
                self._draw(frame.image, boxes, blocks, [not pair for pair in mine], legend=False),
                self._draw(frame.image, dense, None, [not pair for pair in theirs], legend=False),
                found,
                self._classes,
            )
        self._writers[stream].write(picture, frame.timestamp)

    def _draw(
        self,
        image: np.ndarray,
        boxes: Boxes,
        blocks: Blocks | None,
        different: Sequence[bool] = (),
        legend: bool = True,
    ) -> np.ndarray:
        return draw_boxes(
            image,
            boxes.xyxy.numpy(),
            boxes.labels.tolist(),
            boxes.scores.tolist(),
            self._classes,
            blocks,
            different,
            legend,
        )

    def close(self) -> None:
        """Finish all videos."""
        self._opened.close()


class BoxFileSink:
    """Boxes as text, every frame on its own line or lines, so that an interrupted run leaves whole frames.

    JSON lines: ``{"frame": 0, "time": 0.0, "boxes": [{"label": "person", "score": 0.9, "box": [x1, y1, x2,
    y2]}]}``, frames and pixels counted from 0. MOTChallenge's text (``.txt``): ``frame, -1, left, top, width,
    height, score, -1, -1, -1``, both counted from 1. Boxes are in pixels of the frames as the network saw
    them.

    Args:
        path: The file; ``.txt`` for MOTChallenge's text. Several sources get ``path-NAME`` each.
        sources: What is going to be looked at.
        classes: Names; pedestrians where None.

    Raises:
        OutputError: A file cannot be written there.
    """

    def __init__(self, path: str | Path, sources: Sequence[Source], classes: ClassSet | None = None) -> None:
        path = Path(path)
        names = stream_names([source.name for source in sources])
        several = len(sources) > 1
        self.paths = [
            path.with_name(f"{path.stem}-{name}{path.suffix}") if several else path for name in names
        ]
        self._names = (classes or PEDESTRIANS).names
        self._mot = path.suffix.lower() == MOT_SUFFIX
        with ExitStack() as opened:
            self._files = [opened.enter_context(_open(each)) for each in self.paths]
            self._opened = opened.pop_all()

    def write_boxes(
        self, stream: int, frame: Frame, result: StepResult, boxes: Boxes, dense: Boxes | None = None
    ) -> None:
        """Write the boxes of one frame."""
        text = mot_lines(frame, boxes) if self._mot else json_line(frame, boxes, self._names)
        try:
            self._files[stream].write(text)
            self._files[stream].flush()
        except OSError as error:
            raise output_error(self.paths[stream], error) from error

    def close(self) -> None:
        """Close all files."""
        self._opened.close()


def json_line(frame: Frame, boxes: Boxes, names: Sequence[str]) -> str:
    """One frame as a line of JSON; a class without a name has its number."""
    rows = zip(boxes.labels.tolist(), boxes.scores.tolist(), boxes.xyxy.tolist(), strict=True)
    found = [
        {
            "label": names[label] if label < len(names) else str(label),
            "score": round(score, 4),
            "box": [round(side, 2) for side in box],
        }
        for label, score, box in rows
    ]
    return json.dumps({"frame": frame.index, "time": round(frame.timestamp, 4), "boxes": found}) + "\n"


def mot_lines(frame: Frame, boxes: Boxes) -> str:
    """One frame as lines of MOTChallenge's text."""
    return "".join(
        f"{frame.index + 1},-1,{left + 1:.2f},{top + 1:.2f},{right - left:.2f},{bottom - top:.2f},"
        f"{score:.4f},-1,-1,-1\n"
        for score, (left, top, right, bottom) in zip(boxes.scores.tolist(), boxes.xyxy.tolist(), strict=True)
    )


def _open(path: Path) -> IO[str]:
    check_file(path)
    try:
        return path.open("w", encoding="utf-8")
    except OSError as error:
        raise output_error(path, error) from error
