"""Cutting clips into what a protocol runs from an empty past."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from saccade.datasets.clip import Sample
from saccade.evaluation.protocols import Protocol


@dataclass(frozen=True, eq=False)
class Window:
    """Consecutive frames that are run from an empty past.

    Attributes:
        first: Position in its clip of the first frame.
        samples: The frames; may be read once.
        scored: Positions in the window of the frames whose labels are scored; None for all that have labels.
        whole: Whether it has all frames that a window has. Others end with their clip; their costs are not
            those of an average frame, since every window begins with a frame in full.
    """

    first: int
    samples: Iterable[Sample]
    scored: Collection[int] | None
    whole: bool


class Windows:
    """Cuts one clip after the other.

    Args:
        protocol: What begins where.

    Attributes:
        labelled: How many labelled frames are scored, of all clips so far.
        left_out: How many are not, because they have too few frames before them: every distance is to see
            the same frames.
    """

    def __init__(self, protocol: Protocol) -> None:
        self.labelled = 0
        self.left_out = 0
        self._protocol = protocol

    def of(self, clip: Iterable[Sample]) -> Iterator[Window]:
        """The windows of a clip that hold a frame to score, in order. Frames are read when they are needed.

        Args:
            clip: Frames in order.
        """
        if self._protocol.distances is None:
            yield Window(0, self._counted(clip), None, True)
            return
        held: deque[tuple[Sample, Collection[int]]] = deque()
        position = -1
        for position, sample in enumerate(clip):
            held.append((sample, self._distances(sample, position)))
            if len(held) == self._protocol.length:
                yield from self._window(held, position)
                held.popleft()
        while held:
            yield from self._window(held, position)
            held.popleft()

    def _counted(self, clip: Iterable[Sample]) -> Iterator[Sample]:
        for sample in clip:
            self.labelled += sample.label is not None
            yield sample

    def _distances(self, sample: Sample, position: int) -> Collection[int]:
        assert self._protocol.distances is not None
        if sample.label is None:
            return ()
        if position < self._protocol.length - 1:
            self.left_out += 1
            return ()
        self.labelled += 1
        return self._protocol.distances(self.labelled - 1, self._protocol.length)

    def _window(self, held: deque[tuple[Sample, Collection[int]]], last: int) -> Iterator[Window]:
        scored = [place for place, (_, distances) in enumerate(held) if place in distances]
        if scored:
            whole = len(held) == self._protocol.length
            yield Window(last - len(held) + 1, [sample for sample, _ in held], scored, whole)
