"""Cameras of this machine, ``camera:0`` and so on."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np

from saccade.errors import SourceError
from saccade.video.image_sequence import resize
from saccade.video.source import ReadOptions, Source

FALLBACK_FPS = 30.0
"""Assumed rate of cameras that do not say theirs."""


class Camera(Source):
    """A camera by its number; a live source.

    Args:
        index: 0 for the first camera.
        options: How to read it.

    Raises:
        SourceError: There is no such camera, it is in use, or it delivers no picture.
    """

    def __init__(self, index: int, options: ReadOptions) -> None:
        self.index = index
        name = f"camera:{index}"
        self._opened: Any = self._open(name)
        picture = self._opened.read()[1]
        if picture is None:
            self._opened.release()
            raise SourceError(
                f"{name} opens but delivers no picture; close other programs that use it, or plug it in again"
            )
        fps = self._opened.get(cv2.CAP_PROP_FPS)
        super().__init__(
            name,
            fps=fps if 0 < fps <= 1000 else FALLBACK_FPS,
            size=(picture.shape[0], picture.shape[1]),
            length=None,
            options=options,
            live=True,
        )

    def _open(self, name: str) -> Any:
        level = cv2.utils.logging.getLogLevel()
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # the error below says it better
        try:
            capture = cv2.VideoCapture(self.index)
        finally:
            cv2.utils.logging.setLogLevel(level)
        if not capture.isOpened():
            capture.release()
            raise SourceError(
                f"{name} cannot be opened; is a camera connected, is its number right (the first is "
                "camera:0), does another program use it, and may you read its device?"
            )
        return capture

    def read(self, stop: threading.Event) -> Iterator[tuple[np.ndarray, float | None]]:
        capture = self._opened or self._open(self.name)
        self._opened = None
        try:
            while True:
                arrived, picture = capture.read()
                if not arrived:
                    raise SourceError(f"{self.name} stopped delivering pictures; was it unplugged?")
                clock = time.monotonic()
                picture = resize(picture, self.fit(*picture.shape[:2]))
                yield cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), clock
        finally:
            capture.release()

    def close(self) -> None:
        super().close()
        if self._opened is not None:
            self._opened.release()
            self._opened = None
