"""Video files through FFmpeg: any codec, variable frame rate, rotation, damage in the middle."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from av.video.reformatter import VideoReformatter

from saccade.errors import SourceError
from saccade.video.source import ReadOptions, Source

FALLBACK_FPS = 25.0
"""Assumed rate of videos that do not say theirs."""

_UPRIGHT = {90: cv2.ROTATE_90_COUNTERCLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_CLOCKWISE}


def quarter_turns(frame: av.VideoFrame) -> int:
    """Degrees (0, 90, 180 or 270) to turn the decoded picture counterclockwise so that it is upright."""
    return round(frame.rotation / 90) % 4 * 90


def upright_size(frame: av.VideoFrame) -> tuple[int, int]:
    """``(height, width)`` of the picture after turning it upright."""
    turned = quarter_turns(frame) in (90, 270)
    return (frame.width, frame.height) if turned else (frame.height, frame.width)


class ToRgb:
    """Turns decoded pictures into upright RGB; keeps FFmpeg's converter, which is costly to set up."""

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()

    def __call__(self, frame: av.VideoFrame, size: tuple[int, int]) -> np.ndarray:
        """Convert one picture.

        Args:
            frame: As FFmpeg decoded it.
            size: ``(height, width)`` to resize the upright picture to.

        Returns:
            ``(height, width, 3)`` uint8, contiguous.
        """
        angle = quarter_turns(frame)
        height, width = size if angle in (0, 180) else size[::-1]
        # One pass for colour and size; swscale widens its filter when shrinking, so nothing aliases.
        rgb = self._reformatter.reformat(frame, width=width, height=height, format="rgb24", threads=1)
        image: np.ndarray = rgb.to_ndarray()
        if angle:
            image = cv2.rotate(image, _UPRIGHT[angle])
        return np.ascontiguousarray(image)


def frame_rate(stream: Any) -> float:
    """Frames per second of a video stream; ``FALLBACK_FPS`` where it does not say."""
    for rate in (stream.average_rate, stream.guessed_rate):
        if rate and 0 < float(rate) <= 1000:
            return float(rate)
    return FALLBACK_FPS


class _Decoder:
    """Decodes one video stream to its end and counts what is damaged."""

    def __init__(self, name: str, container: Any) -> None:
        stream = container.streams.best("video")
        if stream is None or stream.codec_context is None:
            raise SourceError(
                f"{name} has no video stream that can be decoded; give a file with pictures in it, or "
                "convert it with a video tool first"
            )
        stream.thread_type = "AUTO"
        self.container, self.stream = container, stream
        self.count = 0
        self.damaged_packets = 0
        self.broken: str | None = None
        self._end: float | None = None

    def __iter__(self) -> Iterator[av.VideoFrame]:
        suspect = None
        for packet in self._packets():
            # The demuxer suspects packets next to a gap. In the middle the decoder knows best, but the
            # last one of a truncated file is half a picture.
            if suspect is not None and packet.size:
                yield from self._decode(suspect)
            elif suspect is not None:
                self.damaged_packets += 1
            suspect = packet if packet.is_corrupt else None
            if suspect is None:
                yield from self._decode(packet)

    def _packets(self) -> Iterator[Any]:
        """All packets; the last one is empty and makes the decoder give out what it still holds."""
        try:
            yield from self.container.demux(self.stream)
        except (av.FFmpegError, OSError) as error:
            self.broken = error.strerror
            yield av.Packet()

    def _decode(self, packet: Any) -> Iterator[av.VideoFrame]:
        try:
            frames = self.stream.codec_context.decode(packet)
        except av.EOFError:
            return
        except (av.FFmpegError, OSError):
            self.damaged_packets += 1
            return
        for frame in frames:
            if frame.is_corrupt:
                self.damaged_packets += 1
                continue
            self.count += 1
            if frame.time is not None:
                self._end = frame.time + float((frame.duration or 0) * (frame.time_base or 0))
            yield frame

    def missing_seconds(self) -> float:
        """How much of the duration that the file promises did not come."""
        stream, container = self.stream, self.container
        if self._end is None or (stream.frames and self.count >= stream.frames):
            return 0.0
        start = float((stream.start_time or 0) * stream.time_base)
        if stream.duration is not None:
            promised = float(stream.duration * stream.time_base)
        elif container.duration is not None and len(container.streams) == 1:
            promised = container.duration / 1_000_000
        else:
            return 0.0
        missing = start + promised - self._end
        return missing if missing > max(3 / frame_rate(stream), 0.02 * promised) else 0.0


class VideoFile(Source):
    """A video file.

    Args:
        name: What the user called it.
        path: Where it is.
        options: How to read it.

    Raises:
        SourceError: It is not there, is no video, or holds no frame that can be decoded.
    """

    def __init__(self, name: str, path: Path, options: ReadOptions) -> None:
        self.path = path
        with self._open(name) as container:
            decoder = _Decoder(name, container)
            first = next(iter(decoder), None)
            if first is None:
                raise SourceError(
                    f"{name} holds no frame that can be decoded; the recording may have been broken off, or "
                    "the file damaged. Record or export it again"
                )
            super().__init__(
                name,
                fps=frame_rate(decoder.stream),
                size=upright_size(first),
                length=decoder.stream.frames or None,
                options=options,
            )

    def _open(self, name: str) -> Any:
        try:
            return av.open(str(self.path), metadata_errors="replace")
        except (av.FFmpegError, OSError) as error:
            if self.path.exists() and self.path.stat().st_size == 0:
                raise SourceError(f"{name} is empty (0 bytes); copy or record it again") from error
            raise SourceError(
                f"{name} cannot be read as a video ({error.strerror}); expected a file that FFmpeg knows, "
                "such as MP4, MKV or AVI. If it is one, its recording was probably broken off before the "
                "index was written"
            ) from error

    def read(self, stop: threading.Event) -> Iterator[tuple[np.ndarray, float | None]]:
        with self._open(self.name) as container:
            decoder = _Decoder(self.name, container)
            to_rgb = ToRgb()
            for frame in decoder:
                yield to_rgb(frame, self.fit(*upright_size(frame))), frame.time
            self._report_damage(decoder)

    def _report_damage(self, decoder: _Decoder) -> None:
        missing = decoder.missing_seconds()
        if not (decoder.damaged_packets or decoder.broken or missing):
            return
        what = []
        if decoder.damaged_packets:
            what.append(f"damaged pieces skipped: {decoder.damaged_packets}")
        if missing:
            what.append(f"the last {math.ceil(missing * 10) / 10:.1f} seconds are missing")
        if decoder.broken:
            what.append(decoder.broken)
        self.warn(f"the video is damaged ({'; '.join(what)}); {decoder.count} frames could be read")
