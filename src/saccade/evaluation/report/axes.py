"""Lines at round numbers, and what is written at them."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree.ElementTree import Element

from saccade.evaluation.report.markup import decimal, element
from saccade.evaluation.report.scale import Scale, texts_of


def upwards(
    y: Scale, ticks: Sequence[float], left: float, right: float, texts: Sequence[str] | None = None
) -> list[Element]:
    """A hair line across the picture at each value, and the value to its left."""
    parts = []
    for tick, text in zip(ticks, texts or texts_of(ticks), strict=True):
        parts.append(element("path", class_="grid", d=f"M{left} {decimal(y(tick))}H{right}"))
        parts.append(element("text", text, class_="tick y", x=left - 6, y=y(tick) + 4, text_anchor="end"))
    return parts


def along(x: Scale, ticks: Sequence[float], below: float, name: str | None = None) -> list[Element]:
    """Each value below the picture, and what they are to the left."""
    parts = []
    if name is not None:
        parts.append(element("text", name, class_="tick", x=x.start - 9, y=below + 16, text_anchor="end"))
    for tick, text in zip(ticks, texts_of(ticks), strict=True):
        parts.append(element("text", text, class_="tick x", x=x(tick), y=below + 16, text_anchor="middle"))
    return parts


def whole(x: Scale, most: int = 6) -> list[float]:
    """Ticks that are whole numbers."""
    return [tick for tick in x.ticks(most) if tick == int(tick)]


def across(y: Scale, value: float, left: float, right: float) -> Element:
    """The dashed line of dense execution."""
    return element("path", class_="limit", d=f"M{left} {decimal(y(value))}H{right}")
