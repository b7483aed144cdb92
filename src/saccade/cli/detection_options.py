"""Options of commands that read frames with boxes."""

from __future__ import annotations

from typing import Annotated, Any

from cyclopts import Parameter

Sequences = Annotated[
    str | None,
    Parameter(
        metavar="NAME,...", show_default="all", help="Of MOTChallenge, the sequences to use: --sequences A,B."
    ),
]
Frames = Annotated[
    str | None,
    Parameter(
        metavar="A-B",
        show_default="all",
        help="Of MOTChallenge, first and last frame of each sequence, numbered as in the data set.",
    ),
]


def chosen_frames(sequences: str | None, frames: str | None) -> dict[str, Any]:
    """The two as options of the data set; empty where they are not given."""
    chosen: dict[str, Any] = {}
    if sequences is not None:
        chosen["sequences"] = [name.strip() for name in sequences.split(",") if name.strip()]
    if frames is not None:
        chosen["frames"] = frames
    return chosen
