"""Runs writing in a background thread, a bounded number of items behind its producer."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class WriteBehind(Generic[T]):
    """Calls ``write(item)`` in a background thread, in order.

    Args:
        write: Runs in the thread.
        depth: How many items may wait; ``put`` waits while there are more.

    The first exception of ``write`` is raised by the next ``put`` and again by ``close``; items after it
    are let go.
    """

    def __init__(self, write: Callable[[T], None], depth: int) -> None:
        self._write = write
        self._waiting: queue.Queue[T | None] = queue.Queue(depth)
        self._error: Exception | None = None
        self._thread: threading.Thread | None = threading.Thread(
            target=self._run, name="saccade-write-behind", daemon=True
        )
        self._thread.start()

    def put(self, item: T) -> None:
        """Hand an item over; waits while too many lie waiting."""
        if self._thread is None:
            raise ValueError("nothing can be written after close")
        if self._error is not None:
            raise self._error
        self._waiting.put(item)

    def close(self) -> None:
        """Wait until everything is written; raises what went wrong. May be called again."""
        if self._thread is not None:
            self._waiting.put(None)
            self._thread.join()
            self._thread = None
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        while (item := self._waiting.get()) is not None:
            if self._error is None:
                try:
                    self._write(item)
                except Exception as error:
                    self._error = error
