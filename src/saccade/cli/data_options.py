"""Options of commands that read labelled data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from saccade.cli.options import read_whole

DataOption = Annotated[
    tuple[str, ...],
    Parameter(
        metavar="KEY=VALUE",
        negative="",
        show_default="none",
        consume_multiple=True,
        help="Options of the data set: --data clips=2 classes=cityscapes for the world.",
    ),
]
WarmUpClips = Annotated[
    int,
    Parameter(
        converter=read_whole,
        help="Run over so many clips of the train split first: policies that learn begin there, nothing "
        "of it is scored, and it is not part of the cost.",
    ),
]
ProtocolName = Annotated[
    str | None,
    Parameter(
        metavar="NAME",
        show_default="blockcopy for Cityscapes with its video, clip otherwise",
        help="What is run and scored. clip: every labelled frame of every clip. blockcopy: the last of "
        "20 frames. By distance from the last keyframe, for methods with keyframes: dff (mean of the "
        "mIoUs at all distances), accel-avg (each frame at one distance, in turn), accel-max and "
        "gsvnet-min (the farthest), gsvnet-avg (one mIoU over all).",
    ),
]
JsonFile = Annotated[
    Path | None,
    Parameter(metavar="FILE.json", show_default="none", help="File for everything that is printed."),
]
