"""Names beside points, such that none covers another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

LETTER = 0.56
"""Width of an average letter over the size of the type, rather too much than too little."""


@dataclass(frozen=True)
class Box:
    """A rectangle in a picture."""

    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: Box) -> bool:
        """Whether the two cover anything in common."""
        return (
            self.left < other.right
            and other.left < self.right
            and self.top < other.bottom
            and other.top < self.bottom
        )

    def holds(self, other: Box) -> bool:
        """Whether all of the other is within this one."""
        return (
            self.left <= other.left
            and self.top <= other.top
            and self.right >= other.right
            and self.bottom >= other.bottom
        )


@dataclass(frozen=True)
class Name:
    """A name that has found its place.

    Attributes:
        x, y: Where its base line begins, ends or has its middle, as ``anchor`` says.
        anchor: ``start``, ``end`` or ``middle``, as in SVG.
        far: So far from its point that a line must lead there.
        box: What it covers.
    """

    x: float
    y: float
    anchor: str
    far: bool
    box: Box


def spread(places: Sequence[float], gap: float) -> list[float]:
    """Move places apart, as little as that takes when it is done from the first to the last.

    Examples:
        >>> spread([10, 5, 30], gap=8)
        [13, 5, 30]
    """
    moved = list(places)
    last = float("-inf")
    for i in sorted(range(len(moved)), key=lambda i: moved[i]):
        moved[i] = last = max(moved[i], last + gap)
    return moved


_SIDES = (
    ("start", 1.0, 0.0),
    ("end", -1.0, 0.0),
    ("middle", 0.0, -1.0),
    ("middle", 0.0, 1.0),
    ("start", 0.8, -0.8),
    ("start", 0.8, 0.8),
    ("end", -0.8, -0.8),
    ("end", -0.8, 0.8),
)
_DISTANCES = (9.0, 18.0, 28.0, 40.0, 54.0)


def place_names(
    points: Sequence[tuple[float, float]],
    names: Sequence[str],
    within: Box,
    lines: Sequence[Box] = (),
    size: float = 12.0,
    radius: float = 7.0,
) -> list[Name | None]:
    """Find a place for each name, the first ones first.

    Args:
        points: What they name.
        names: One for each point.
        within: No name leaves this.
        lines: Nothing is written over these where there is room elsewhere.
        size: Of the type.
        radius: Around each point that stays free.

    Returns:
        A place for each; None where there is no room.
    """
    occupied = [Box(x - radius, y - radius, x + radius, y + radius) for x, y in points]
    places: list[Name | None] = []
    for point, name in zip(points, names, strict=True):
        width = LETTER * size * len(name)
        candidates = (_at(point, width, size, side, distance) for distance in _DISTANCES for side in _SIDES)
        free = [
            place
            for place in candidates
            if within.holds(place.box) and not any(place.box.meets(box) for box in occupied)
        ]
        clear = (place for place in free if not any(place.box.meets(box) for box in lines))
        place = next(clear, free[0] if free else None)
        places.append(place)
        if place is not None:
            occupied.append(place.box)
    return places


def _at(
    point: tuple[float, float], width: float, size: float, side: tuple[str, float, float], distance: float
) -> Name:
    anchor, right, down = side
    x, y = point[0] + right * distance, point[1] + down * (distance + 0.3 * size)
    left = x - width * {"start": 0.0, "middle": 0.5, "end": 1.0}[anchor]
    box = Box(left, y - 0.6 * size, left + width, y + 0.6 * size)
    return Name(x, y + 0.35 * size, anchor, distance > _DISTANCES[1], box)
