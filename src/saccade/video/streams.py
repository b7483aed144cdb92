"""Several sources read in step, one frame of each at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path

from saccade.video.closing import Closing
from saccade.video.frame import Frame
from saccade.video.opening import open_video
from saccade.video.source import Source


class Streams(Closing):
    """Sources in step: iterating gives one tuple per step, with one frame of each source.

    A source that has ended gives None and the others go on; the last tuple holds at least one frame.

    Attributes:
        sources: In the order in which they were named.
    """

    def __init__(self, sources: Sequence[Source]) -> None:
        self.sources = tuple(sources)

    def __iter__(self) -> Iterator[tuple[Frame | None, ...]]:
        with ExitStack() as stack:
            readers = [stack.enter_context(closing(iter(source))) for source in self.sources]
            while True:
                step = tuple(next(reader, None) for reader in readers)
                if all(frame is None for frame in step):
                    return
                yield step

    def close(self) -> None:
        """Close all sources."""
        for source in self.sources:
            source.close()


def open_videos(
    sources: Sequence[str | Path],
    *,
    size: tuple[int, int] | None = None,
    scale: float | None = None,
    max_frames: int | None = None,
    prefetch: int = 4,
) -> Streams:
    """Open several sources to be read in step; arguments and errors as for ``open_video``.

    Frames of different sources may differ in size unless ``size`` is given.
    """
    with ExitStack() as opened:
        streams = []
        for name in sources:
            source = open_video(name, size=size, scale=scale, max_frames=max_frames, prefetch=prefetch)
            streams.append(opened.enter_context(source))
        opened.pop_all()  # all could be opened: leave them open
        return Streams(streams)
