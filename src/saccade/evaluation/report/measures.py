"""How the accuracy of a row is judged, and which rows nothing else beats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from saccade.evaluation.report.entries import Entry


@dataclass(frozen=True)
class Measure:
    """A score of 0..1, more is better.

    Attributes:
        path: Where it is in a row.
        name: Within a sentence.
        axis: What stands at an axis.
        tolerance: A loss up to here is small.
        alike: Of a score against frame-by-frame execution, which itself has 1, not against labels: the end
            of a sentence with ``{}`` for the score.
    """

    path: tuple[str, ...]
    name: str
    axis: str
    tolerance: float
    alike: str | None = None

    def of(self, entry: Entry) -> float | None:
        """The score of a row."""
        return entry.number(*self.path)


MEASURES = (
    Measure(("miou",), "mIoU", "mIoU", 0.01),
    Measure(("ap50",), "AP50", "average precision at IoU 0.5", 0.01),
    Measure(
        ("agreement_with_dense",),
        "agreement",
        "share of pixels as frame by frame",
        0.02,
        "answers the same at {} of the pixels",
    ),
    Measure(
        ("f1_with_dense",),
        "F1",
        "F1 of the boxes against frame by frame",
        0.02,
        "finds the same boxes with an F1 of {}",
    ),
)
"""From the best to the last resort: the last two need no labels."""


def measure_of(entries: Sequence[Entry]) -> Measure | None:
    """The best score that any row has."""
    return next((measure for measure in MEASURES if any(measure.of(e) is not None for e in entries)), None)


def frontier(points: Sequence[tuple[float, float]]) -> list[int]:
    """Places of the points that no other beats: none costs as little and scores as much.

    Args:
        points: Cost, the less the better, and score, the more the better.

    Returns:
        From the cheapest to the dearest; of equal points the first.

    Examples:
        >>> frontier([(3, 0.9), (1, 0.5), (2, 0.4)])
        [1, 0]
    """
    kept: list[int] = []
    for place in sorted(range(len(points)), key=lambda i: (points[i][0], -points[i][1])):
        if not kept or points[place][1] > points[kept[-1]][1]:
            kept.append(place)
    return kept
