"""One look for each series: a colour and a shape, so that neither is needed to tell them apart."""

from __future__ import annotations

import math
from xml.etree.ElementTree import Element

from saccade.evaluation.report.markup import decimal, element

COLOURS = 6
"""Classes ``c0`` to ``c5`` of the style sheet; ``dense`` is that of frame-by-frame execution."""

_SHAPES: tuple[tuple[int, float, float], ...] = (
    (0, 0.0, 1.0),  # a disc
    (4, 45.0, 1.2),  # corners, degrees of the first, size
    (3, -90.0, 1.35),
    (4, 0.0, 1.3),
    (3, 90.0, 1.35),
    (5, -90.0, 1.25),
    (6, 0.0, 1.15),
)


def colour_class(look: int | None) -> str:
    """Class of whatever is drawn in the colour of a series; None for frame-by-frame execution."""
    return "dense" if look is None else f"c{look % COLOURS}"


def mark(look: int | None, x: float, y: float, radius: float = 5.5, hollow: bool = False) -> Element:
    """The shape of a series with its middle at a point; of frame-by-frame execution a ring with a dot."""
    kind = f"mark {'hollow' if hollow else 'full'}"
    if look is None:
        return element(
            "g",
            element("circle", class_="mark hollow", cx=x, cy=y, r=radius),
            element("circle", class_="mark full", cx=x, cy=y, r=radius / 3),
        )
    corners, first, size = _SHAPES[look % len(_SHAPES)]
    if not corners:
        return element("circle", class_=kind, cx=x, cy=y, r=radius)
    angles = [math.radians(first + 360 * corner / corners) for corner in range(corners)]
    points = [
        f"{decimal(x + size * radius * math.cos(angle))},{decimal(y + size * radius * math.sin(angle))}"
        for angle in angles
    ]
    return element("polygon", class_=kind, points=" ".join(points))


def key(look: int | None) -> Element:
    """The shape within a line of text."""
    return element(
        "svg",
        mark(look, 8.0, 8.0, 5.0),
        class_=f"key {colour_class(look)}",
        viewBox="0 0 16 16",
        aria_hidden="true",
    )
