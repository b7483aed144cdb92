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


def draw_legend(image: np.ndarray, classes: ClassSet, blocks: tuple[tuple[str, Colour], ...] = ()) -> None:
    """Draw the legend over the foot of a picture, in place.

    Its size follows that of the picture. Names that do not fit are counted ("+ 12 more"); pictures too
    small for letters get none.

    Args:
        image: ``(H, W, 3)`` uint8, RGB.
        classes: Every class is shown, whether visible or not, so that the legend stays still.
        blocks: Name and colour of outlines to explain after the classes.
    """
    strip = _strip(classes, blocks, image.shape[0], image.shape[1])
    if strip is not None:
        foot = image[image.shape[0] - strip.picture.shape[0] :]
        cv2.add(cv2.multiply(foot, strip.through, scale=1 / 255), strip.picture, dst=foot)


@lru_cache(maxsize=8)
def _strip(
    classes: ClassSet, blocks: tuple[tuple[str, Colour], ...], height: int, width: int
) -> _Strip | None:
    text = max(_SMALLEST_TEXT, round(min(height, width) * 0.021))
    font = ImageFont.load_default(text)
    pad, swatch, row = round(0.7 * text), text, round(1.55 * text)
    entries: list[tuple[str, Colour | None, bool]] = []  # name, colour, whether it is an outline
    entries += [(name, colour, False) for name, colour in zip(classes.names, classes.colours, strict=True)]
    entries += [(name, colour, True) for name, colour in blocks]
    column = pad + swatch + round(0.45 * text) + round(max(font.getlength(name) for name, _, _ in entries))
    columns = min((width - pad) // column, len(entries))
    rows = int(_LARGEST_SHARE * height - pad) // row
    if columns < 1 or rows < 1:
        return None
    if columns * rows < len(entries):
        kept = columns * rows - 1
        entries = [*entries[:kept], (f"+ {len(entries) - kept} more", None, False)]
    rows = -(-len(entries) // columns)
    columns = -(-len(entries) // rows)
    column = (width - pad) // columns  # spread over the width

    picture = Image.new("RGBA", (width, rows * row + pad), _BACKGROUND)
    draw = ImageDraw.Draw(picture)
    line = max(1, round(text / 7))
    for position, (name, colour, outline) in enumerate(entries):
        x = pad + position % columns * column
        y = pad // 2 + position // columns * row + row // 2
        if colour is not None:
            box = (x, y - swatch // 2, x + swatch - 1, y - swatch // 2 + swatch - 1)
            if outline:
                draw.rectangle(box, outline=(*colour, 255), width=2 * line)
            else:
                draw.rectangle(box, fill=(*colour, 255), outline=_WHITE, width=line)
            x += swatch + round(0.45 * text)
        draw.text((x, y), name, fill=_WHITE, font=font, anchor="lm")
    pixels = np.asarray(picture)
    opacity = np.repeat(pixels[:, :, 3:], 3, axis=2)
    return _Strip(cv2.multiply(pixels[:, :, :3].copy(), opacity, scale=1 / 255), 255 - opacity)
