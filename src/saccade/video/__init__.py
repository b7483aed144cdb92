"""Video in and out: sources of frames, writers of videos and label maps, overlays.

Names are loaded when they are first used, so that importing a room does not load FFmpeg and OpenCV.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from saccade.video.atomic import check_file, write_atomic
    from saccade.video.frame import Frame
    from saccade.video.label_writer import LabelWriter
    from saccade.video.opening import open_video, register_scheme
    from saccade.video.overlay import draw_overlay
    from saccade.video.palette import colour_labels, unnamed_classes
    from saccade.video.source import ReadOptions, Source
    from saccade.video.streams import Streams, open_videos
    from saccade.video.video_writer import VideoWriter

_HOMES = {
    "Frame": "frame",
    "LabelWriter": "label_writer",
    "ReadOptions": "source",
    "Source": "source",
    "Streams": "streams",
    "VideoWriter": "video_writer",
    "check_file": "atomic",
    "colour_labels": "palette",
    "draw_overlay": "overlay",
    "open_video": "opening",
    "open_videos": "streams",
    "register_scheme": "opening",
    "unnamed_classes": "palette",
    "write_atomic": "atomic",
}

__all__ = [
    "Frame",
    "LabelWriter",
    "ReadOptions",
    "Source",
    "Streams",
    "VideoWriter",
    "check_file",
    "colour_labels",
    "draw_overlay",
    "open_video",
    "open_videos",
    "register_scheme",
    "unnamed_classes",
    "write_atomic",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
