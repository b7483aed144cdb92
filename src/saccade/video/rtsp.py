"""Network cameras over RTSP, with time-outs and reconnection."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from typing import Any

import av
import numpy as np

from saccade.errors import SourceError
from saccade.video.source import ReadOptions, Source
from saccade.video.video_file import ToRgb, frame_rate, upright_size


def without_password(url: str) -> str:
    """The address with the password replaced, fit to be shown and logged."""
    return re.sub(r"^([a-z]+://[^/@:]*):[^/]*@", r"\1:***@", url)


class _Connection:
    """One connection to the server, opened up to its first picture."""

    def __init__(self, url: str, open_timeout: float, read_timeout: float) -> None:
        self._container: Any = av.open(
            url,
            # TCP: over UDP, packets get lost and pictures smear. Nothing may pile up before decoding.
            options={"rtsp_transport": "tcp", "fflags": "nobuffer", "flags": "low_delay"},
            timeout=(open_timeout, read_timeout),
        )
        try:
            stream: Any = self._container.streams.best("video")
            if stream is None:
                raise SourceError(f"{without_password(url)} carries no video; give a video stream's address")
            stream.thread_type = "SLICE"  # frame threads would hold pictures back
            self.fps = frame_rate(stream)
            self._pictures = self._decode(stream)
            self.first = next(self._pictures)
        except BaseException:
            self.close()
            raise

    def _decode(self, stream: Any) -> Iterator[av.VideoFrame]:
        for packet in self._container.demux(stream):
            try:
                pictures = stream.codec_context.decode(packet)
            except av.InvalidDataError:  # before the first keyframe, or damaged: the next keyframe mends it
                continue
            yield from pictures
        raise EOFError("the server ended the stream")

    def __iter__(self) -> Iterator[av.VideoFrame]:
        yield self.first
        yield from self._pictures

    def close(self) -> None:
        self._container.close()


_NO_ANSWER = "no answer in time"
_LOST = (av.FFmpegError, OSError, EOFError)


class RtspStream(Source):
    """A stream of an RTSP server; a live source that reconnects when the connection is lost.

    The first connection must succeed at once; a later loss is followed by ``ATTEMPTS`` attempts with
    growing waits.

    Args:
        url: ``rtsp://[user:password@]host[:port]/path``, or ``rtsps://`` for TLS.
        options: How to read it.

    Raises:
        SourceError: No video stream at that address.
    """

    OPEN_TIMEOUT = 10.0
    """Seconds until a connection must stand."""
    READ_TIMEOUT = 5.0
    """Seconds without data after which a connection counts as lost."""
    ATTEMPTS = 10
    """Failed attempts in a row after which reconnecting is given up."""
    FIRST_WAIT = 0.5
    """Seconds before the second attempt; doubled each time."""
    LONGEST_WAIT = 10.0
    """Seconds that the wait grows to."""

    def __init__(self, url: str, options: ReadOptions) -> None:
        self.url = url
        self._opened: _Connection | None = self._open()
        super().__init__(
            without_password(url),
            fps=self._opened.fps,
            size=upright_size(self._opened.first),
            length=None,
            options=options,
            live=True,
        )

    def _open(self) -> _Connection:
        try:
            return self._connect()
        except _LOST as error:
            raise SourceError(
                f"cannot open {without_password(self.url)} ({_reason(error)}); check the address, user name "
                "and password, and that the server runs and can be reached from here over TCP"
            ) from error

    def _connect(self) -> _Connection:
        began = time.monotonic()
        try:
            return _Connection(self.url, self.OPEN_TIMEOUT, self.READ_TIMEOUT)
        except _LOST as error:
            if time.monotonic() - began >= self.OPEN_TIMEOUT:  # FFmpeg has several words for it
                raise TimeoutError(_NO_ANSWER) from error
            raise

    def read(self, stop: threading.Event) -> Iterator[tuple[np.ndarray, float | None]]:
        began = time.monotonic()
        to_rgb = ToRgb()
        connection: _Connection | None = self._opened or self._open()
        self._opened = None
        while connection is not None:
            # The server's clock may start anew with each connection: go on from ours.
            joined, first_time = time.monotonic() - began, connection.first.time
            try:
                for picture in connection:
                    image = to_rgb(picture, self.fit(*upright_size(picture)))
                    known = picture.time is not None and first_time is not None
                    yield image, joined + picture.time - first_time if known else time.monotonic() - began
            except _LOST as error:
                reason = _reason(error)
            finally:
                connection.close()
            connection = self._reconnect(stop, reason)

    def _reconnect(self, stop: threading.Event, reason: str) -> _Connection | None:
        """A new connection; None when nobody wants it any more."""
        lost, wait, failure = time.monotonic(), 0.0, ""
        for attempt in range(1, self.ATTEMPTS + 1):
            if stop.wait(wait):
                return None
            wait = min(max(2 * wait, self.FIRST_WAIT), self.LONGEST_WAIT)
            try:
                connection = self._connect()
            except _LOST as error:
                failure = _reason(error)
                continue
            seconds = time.monotonic() - lost
            self.warn(f"connection lost ({reason}), restored after {seconds:.1f} s (attempt {attempt})")
            return connection
        raise SourceError(
            f"{self.name}: connection lost ({reason}) and not restored in {self.ATTEMPTS} attempts over "
            f"{time.monotonic() - lost:.0f} s ({failure}); check the camera and the network, then start again"
        )

    def close(self) -> None:
        super().close()
        if self._opened is not None:
            self._opened.close()
            self._opened = None


def _reason(error: BaseException) -> str:
    if isinstance(error, av.ExitError):  # FFmpeg's word for "interrupted", here always by our time-out
        return _NO_ANSWER
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
