"""H.264 video in MP4 that can be played however the program ends."""

from __future__ import annotations

import math
import os
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter

from saccade.errors import OutputError
from saccade.video.atomic import output_error
from saccade.video.closing import Closing
from saccade.video.write_behind import WriteBehind

SUFFIXES = (".mp4", ".m4v", ".mov")

_CLOCK = Fraction(1, 90_000)
"""Unit of time stamps, the usual one of MPEG: frames of live sources come at uneven times."""

_BT709 = 1
"""FFmpeg's number for colour matrix, primaries and transfer of BT.709, what players expect of HD video."""


class VideoWriter(Closing):
    """Writes frames as H.264 into an MP4 file, in a background thread.

    Every frame is a fragment of its own and goes to the file at once, so a file whose program was killed
    plays up to the last encoded frame. ``close`` turns it into a regular MP4 with an index.

    Args:
        path: Where to, ending in .mp4, .m4v or .mov; the folder is created, an old file replaced.
        fps: Frames per second, for frames without a time stamp and for players.
        size: ``(height, width)`` of the frames. Odd sides grow by one pixel, as the codec wants them even.

    Attributes:
        frames: How many frames were handed over.

    Raises:
        OutputError: The file cannot be created, or its suffix is not that of a video.
    """

    def __init__(self, path: str | Path, fps: float, size: tuple[int, int]) -> None:
        self.path = Path(path)
        self.fps = fps
        self.size = size
        self.frames = 0
        self._last_tick = -1
        if self.path.suffix.lower() not in SUFFIXES:
            raise OutputError(
                f"cannot write a video to {self.path}: suffix {self.path.suffix!r} is not that of a video "
                f"format written here; use one of {', '.join(SUFFIXES)}"
            )
        if not 0 < fps < math.inf:
            raise OutputError(f"cannot write {self.path} at {fps} frames per second; give a rate above 0")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._container: Any = av.open(
                str(self.path),
                "w",
                format="mov" if self.path.suffix.lower() == ".mov" else "mp4",
                container_options={
                    # A header without index, then frame after frame; the regular index comes with `close`.
                    "movflags": "hybrid_fragmented+empty_moov+frag_every_frame+default_base_moof",
                    "flush_packets": "1",
                },
            )
            self._stream = self._add_stream()
            self._container.start_encoding()
        except (av.FFmpegError, OSError) as error:
            raise output_error(self.path, error) from error
        self._playable_bytes = 0
        self._reformatter = VideoReformatter()
        self._behind: WriteBehind[av.VideoFrame] = WriteBehind(self._encode, depth=4)
        self._closed = False

    def _add_stream(self) -> Any:
        height, width = self.size
        stream = self._container.add_stream(
            "libx264",
            rate=Fraction(self.fps).limit_denominator(1001),
            options={
                "preset": "superfast",
                "crf": "21",
                "tune": "zerolatency",  # nothing held back in the encoder that a kill would lose
                "g": str(max(1, round(2 * self.fps))),
            },
        )
        stream.height, stream.width = height + height % 2, width + width % 2
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.time_base = _CLOCK
        context.colorspace = context.color_primaries = context.color_trc = _BT709
        context.color_range = ColorRange.MPEG
        return stream

    def write(self, image: np.ndarray, timestamp: float | None = None) -> None:
        """Add a frame; returns before it is encoded.

        Args:
            image: ``(H, W, 3)`` uint8, RGB, of the size given at the start; may be changed afterwards.
            timestamp: Seconds since the first frame, larger than the one before; by the rate if None.

        Raises:
            OutputError: The frame has another size, or an earlier one could not be written (full disk and
                the like); what was written before stays playable.
        """
        if image.shape != (*self.size, 3) or image.dtype != np.uint8:
            raise OutputError(
                f"cannot add a frame of shape {image.shape} ({image.dtype}) to {self.path}, which was opened "
                f"for {(*self.size, 3)} (uint8); resize it, or write another file"
            )
        height, width = self.size
        pixels = np.empty((self._stream.height, self._stream.width, 3), np.uint8)
        pixels[:height, :width] = image
        pixels[height:, :width] = pixels[height - 1, :width]
        pixels[:, width:] = pixels[:, width - 1 : width]
        frame = av.VideoFrame.from_numpy_buffer(pixels, format="rgb24")
        seconds = self.frames / self.fps if timestamp is None else timestamp
        frame.pts = self._last_tick = max(round(seconds / _CLOCK), self._last_tick + 1)
        frame.time_base = _CLOCK
        self._behind.put(frame)
        self.frames += 1

    def close(self) -> None:
        """Encode what waits and finish the file. May be called again.

        Raises:
            OutputError: It could not be written to its end; what was written before stays playable.
        """
        if self._closed:
            return
        self._closed = True
        try:
            self._behind.close()
            self._mux(None)
            self._finish()
        except OutputError:
            self._keep_what_plays()
            raise

    def _encode(self, frame: av.VideoFrame) -> None:
        self._mux(
            self._reformatter.reformat(
                frame,
                format="yuv420p",
                dst_colorspace=Colorspace.ITU709,
                dst_color_range=ColorRange.MPEG,
                threads=1,
            )
        )

    def _mux(self, frame: av.VideoFrame | None) -> None:
        try:
            self._container.mux(self._stream.encode(frame))
            self._playable_bytes = self._file_size()
        except (av.FFmpegError, OSError) as error:
            raise output_error(self.path, error) from error

    def _finish(self) -> None:
        try:
            self._container.close()
        except (av.FFmpegError, OSError) as error:
            raise output_error(self.path, error) from error

    def _keep_what_plays(self) -> None:
        """Cut off what a full disk tore apart: some players refuse a file with half a fragment at its end."""
        with suppress(OutputError):
            self._finish()
        with suppress(OSError):
            if 0 < self._playable_bytes < self._file_size():
                os.truncate(self.path, self._playable_bytes)

    def _file_size(self) -> int:
        try:
            return self.path.stat().st_size
        except OSError:  # somebody removed it
            return 0
