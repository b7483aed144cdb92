"""The strip at the foot of an overlay that says which colour is which class."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from saccade.classes import ClassSet

Colour = tuple[int, int, int]

_SMALLEST_TEXT = 9
"""Pixels; smaller letters cannot be read."""
_LARGEST_SHARE = 0.2
"""Of the picture's height, for the strip."""
_BACKGROUND = (16, 18, 22, 176)
"""Red, green, blue, opacity: dark enough for white letters on any street."""
_WHITE = (255, 255, 255, 255)


@dataclass(frozen=True, eq=False)
class _Strip:
    """A strip ready to blend: ``picture`` is already multiplied by its opacity, ``through`` is the rest."""

    picture: np.ndarray
    through: np.ndarray


@dataclass(frozen=True)
class Entry:
    """A name and what is drawn before it.

    Attributes:
        name: A few words.
        colours: Of a field; several are a scale of fields side by side. Without any, the name stands alone.
        outline: Draw the rim of the field only.
    """

    name: str
    colours: tuple[Colour, ...] = ()
    outline: bool = False

    def width(self, side: int) -> int:
        """Of the field, where it is ``side`` high."""
        return side * (len(self.colours) + 1) // 2


def draw_legend(image: np.ndarray, classes: ClassSet, entries: tuple[Entry, ...] = ()) -> None:
    """Draw the legend over the foot of a picture, in place.

    Its size follows that of the picture. Names that do not fit are counted ("+ 12 more"); pictures too
    small for letters get none.

    Args:
        image: ``(H, W, 3)`` uint8, RGB.
        classes: Every class is shown, whether visible or not, so that the legend stays still.
        entries: What else to explain, after the classes.
    """
    strip = _strip(classes, entries, image.shape[0], image.shape[1])
    if strip is not None:
        foot = image[image.shape[0] - strip.picture.shape[0] :]
        cv2.add(cv2.multiply(foot, strip.through, scale=1 / 255), strip.picture, dst=foot)


@lru_cache(maxsize=8)
def _strip(classes: ClassSet, others: tuple[Entry, ...], height: int, width: int) -> _Strip | None:
    text = max(_SMALLEST_TEXT, round(min(height, width) * 0.021))
    font = ImageFont.load_default(text)
    pad, gap, row = round(0.7 * text), round(0.45 * text), round(1.55 * text)
    entries = [Entry(name, (colour,)) for name, colour in zip(classes.names, classes.colours, strict=True)]
    entries += others
    column = pad + gap + max(entry.width(text) + round(font.getlength(entry.name)) for entry in entries)
    columns = min((width - pad) // column, len(entries))
    rows = int(_LARGEST_SHARE * height - pad) // row
    if columns < 1 or rows < 1:
        return None
    if columns * rows < len(entries):
        kept = columns * rows - 1
        entries = [*entries[:kept], Entry(f"+ {len(entries) - kept} more")]
    rows = -(-len(entries) // columns)
    columns = -(-len(entries) // rows)
    column = (width - pad) // columns  # spread over the width

    picture = Image.new("RGBA", (width, rows * row + pad), _BACKGROUND)
    draw = ImageDraw.Draw(picture)
    line = max(1, round(text / 7))
    for position, entry in enumerate(entries):
        x = pad + position % columns * column
        y = pad // 2 + position // columns * row + row // 2
        if entry.colours:
            _draw_swatch(draw, entry, (x, y - text // 2), text, line)
            x += entry.width(text) + gap
        draw.text((x, y), entry.name, fill=_WHITE, font=font, anchor="lm")
    pixels = np.asarray(picture)
    opacity = np.repeat(pixels[:, :, 3:], 3, axis=2)
    return _Strip(cv2.multiply(pixels[:, :, :3].copy(), opacity, scale=1 / 255), 255 - opacity)


def _draw_swatch(
    draw: ImageDraw.ImageDraw, entry: Entry, corner: tuple[int, int], side: int, line: int
) -> None:
    (left, top), width = corner, entry.width(side)
    box = (left, top, left + width - 1, top + side - 1)
    if entry.outline:
        draw.rectangle(box, outline=(*entry.colours[0], 255), width=2 * line)
        return
    for i, colour in enumerate(entry.colours):
        first, behind = (left + width * j // len(entry.colours) for j in (i, i + 1))
        draw.rectangle((first, top, behind - 1, top + side - 1), fill=(*colour, 255))
    draw.rectangle(box, outline=_WHITE, width=line)
