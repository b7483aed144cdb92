"""Folders and globs of images, read as a video in natural order (frame2 before frame10)."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from saccade.errors import SourceError
from saccade.video.source import ReadOptions, Source

SUFFIXES = frozenset(
    (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm", ".pbm", ".pnm", ".jp2")
)

FPS = 25.0
"""Assumed rate of image sequences, which carry none."""


def natural_key(path: Path) -> list[str | int]:
    """Sort key that orders numbers in names by value."""
    parts = re.split(r"(\d+)", str(path).lower())
    return [int(part) if odd % 2 else part for odd, part in enumerate(parts)]


def is_image(path: Path) -> bool:
    """Whether the name is that of an image, and not of a hidden file."""
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def read_image(path: Path) -> np.ndarray:
    """Any image file as upright 8-bit RGB: grey is repeated, alpha dropped, 16 bits become 8.

    Returns:
        ``(H, W, 3)`` uint8, RGB.

    Raises:
        SourceError: The file cannot be read, or is not an image.
    """
    try:
        data = np.fromfile(path, np.uint8)  # not cv2.imread: that fails on some systems' file names
    except OSError as error:
        raise SourceError(f"cannot read image {path}: {error.strerror or error}") from error
    try:
        image = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    except cv2.error:  # sizes beyond OpenCV's limits
        image = None
    if image is None:
        raise SourceError(
            f"{path} is not a readable image ({data.size} bytes); it may be damaged or of another format. "
            "Remove or replace it"
        )
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB, dst=image)


def resize(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Image resized to ``(height, width)``: averaging when it gets smaller, bilinear otherwise."""
    height, width = image.shape[:2]
    if (height, width) == size:
        return image
    shrinks = size[0] < height or size[1] < width
    return cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)


class ImageSequence(Source):
    """Images as the frames of a video, in natural order of their paths.

    Args:
        name: What the user called them.
        paths: The image files, in any order; at least one.
        options: How to read them.

    Raises:
        SourceError: There are none, or the first cannot be read.
    """

    def __init__(self, name: str, paths: Sequence[Path], options: ReadOptions) -> None:
        if not paths:
            raise SourceError(
                f"no images in {name}; expected files ending in {', '.join(sorted(SUFFIXES))}. Subfolders "
                "are not searched: name one of them, or a pattern such as 'folder/**/*.png'"
            )
        self.paths = tuple(sorted(paths, key=natural_key))
        height, width = read_image(self.paths[0]).shape[:2]
        super().__init__(name, fps=FPS, size=(height, width), length=len(paths), options=options)

    def read(self, stop: threading.Event) -> Iterator[tuple[np.ndarray, float | None]]:
        for path in self.paths:
            image = read_image(path)
            height, width = image.shape[:2]
            try:
                size = self.fit(height, width)
            except SourceError as error:
                raise SourceError(f"{error} ({path.name} is the first that differs)") from None
            yield resize(image, size), None
