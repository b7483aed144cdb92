"""A line of words at the head of a picture."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

_SMALLEST_TEXT = 9
"""Pixels; smaller letters cannot be read."""
_LARGEST_SHARE = 0.2
"""Of the picture's height, for the line."""
_BACKGROUND = (16, 18, 22, 176)
"""As in the legend: red, green, blue, opacity."""


def draw_caption(image: np.ndarray, words: str, aside: str = "") -> None:
    """Write over the head of a picture, in place; nothing where it is too small for the words.

    Args:
        image: ``(H, W, 3)`` uint8, RGB.
        words: On the left.
        aside: On the right.
    """
    line = _line(words, aside, image.shape[0], image.shape[1])
    if line is not None:
        head = image[: line.shape[0]]
        opacity = line[:, :, 3:].astype(np.uint16)
        head[:] = (head * (255 - opacity) + line[:, :, :3] * opacity) // 255


@lru_cache(maxsize=32)
def _line(words: str, aside: str, height: int, width: int) -> np.ndarray | None:
    text = max(_SMALLEST_TEXT, round(height * 0.028))
    font = ImageFont.load_default(text)
    pad, row = round(0.7 * text), round(1.9 * text)
    needed = pad + font.getlength(words) + (2 * pad + font.getlength(aside) if aside else 0) + pad
    if row > _LARGEST_SHARE * height or needed > width:
        return None
    picture = Image.new("RGBA", (width, row), _BACKGROUND)
    draw = ImageDraw.Draw(picture)
    draw.text((pad, row // 2), words, fill=(255, 255, 255, 255), font=font, anchor="lm")
    draw.text((width - pad, row // 2), aside, fill=(255, 255, 255, 255), font=font, anchor="rm")
    return np.asarray(picture)
