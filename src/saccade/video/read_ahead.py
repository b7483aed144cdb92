"""Runs a reader in a background thread, a bounded number of items ahead of its consumer."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")

JOIN_SECONDS = 2.0
"""How long ``close`` waits for the thread. Only a read that is stuck in a dead network connection takes
longer; that thread ends by itself when the read times out, and delivers nothing more."""


class ReadAhead(Generic[T]):
    """Iterates over ``read(stop)`` in a background thread.

    Args:
        read: Makes the iterator that the thread runs. ``stop`` is set when nobody wants more items;
            a reader that waits must wait on it.
        depth: How many items may lie ready.
        newest_only: Never wait for the consumer; replace the item that was not taken in time.
        dropped: Called in the thread once for each replaced item.

    An exception of the reader is raised in the consumer, after the items that came before it.
    """

    def __init__(
        self,
        read: Callable[[threading.Event], Iterator[T]],
        depth: int,
        *,
        newest_only: bool = False,
        dropped: Callable[[], None] = lambda: None,
    ) -> None:
        self._read = read
        self._depth = 1 if newest_only else depth
        self._newest_only = newest_only
        self._dropped = dropped
        self._ready: deque[T] = deque()
        self._changed = threading.Condition()
        self._stop = threading.Event()
        self._error: BaseException | None = None
        self._finished = False
        self._thread = threading.Thread(target=self._run, name="saccade-read-ahead", daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        with self._changed:
            self._changed.wait_for(lambda: self._ready or self._finished or self._stop.is_set())
            if self._ready and not self._stop.is_set():
                item = self._ready.popleft()
                self._changed.notify_all()
                return item
            error, self._error = self._error, None
        if error is not None and not self._stop.is_set():
            raise error
        raise StopIteration

    def close(self) -> None:
        """Stop the thread and forget what it has read."""
        with self._changed:
            self._stop.set()
            self._ready.clear()
            self._changed.notify_all()
        if threading.current_thread() is not self._thread:
            self._thread.join(JOIN_SECONDS)

    def _run(self) -> None:
        try:
            for item in self._read(self._stop):
                if not self._hand_over(item):
                    break
        except BaseException as error:
            self._error = error
        with self._changed:
            self._finished = True
            self._changed.notify_all()

    def _hand_over(self, item: T) -> bool:
        """False when nobody wants more."""
        with self._changed:
            if self._newest_only:
                if self._ready:
                    self._ready.clear()
                    self._dropped()
            else:
                self._changed.wait_for(lambda: len(self._ready) < self._depth or self._stop.is_set())
            if self._stop.is_set():
                return False
            self._ready.append(item)
            self._changed.notify_all()
        return True
