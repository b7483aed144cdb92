"""Label maps as PNG files whose pixel values are the class ids and whose palette shows the colours."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

from saccade.classes import ClassSet
from saccade.video.atomic import make_folder, write_atomic
from saccade.video.closing import Closing
from saccade.video.palette import palette
from saccade.video.write_behind import WriteBehind


def encode_labels(labels: np.ndarray, classes: ClassSet) -> bytes:
    """A label map as a PNG with palette: ids are pixel values, ``IGNORE`` is black.

    Args:
        labels: ``(H, W)`` uint8 class ids.
        classes: Whose colours the palette holds.
    """
    picture = Image.fromarray(np.ascontiguousarray(labels))
    picture.putpalette(palette(classes).tobytes())
    png = io.BytesIO()
    picture.save(png, "PNG", compress_level=1)  # label maps are flat: higher levels cost more than they save
    return png.getvalue()


class LabelWriter(Closing):
    """Writes label maps into a folder, in a background thread; every file is whole or not there.

    Args:
        folder: Created where it is missing.
        classes: Whose colours the palette holds.

    Raises:
        OutputError: The folder cannot be written to.
    """

    def __init__(self, folder: str | Path, classes: ClassSet) -> None:
        self.folder = Path(folder)
        self.classes = classes
        palette(classes)  # a class set that does not fit fails here and not in the thread
        make_folder(self.folder)
        self._behind: WriteBehind[tuple[str, np.ndarray]] = WriteBehind(self._save, depth=4)

    def write(self, labels: np.ndarray, name: str) -> None:
        """Write ``name.png``; returns before it is written.

        Args:
            labels: ``(H, W)`` uint8 class ids; may be changed afterwards.
            name: File name without suffix, for example ``f"{frame.index:06d}"``.

        Raises:
            OutputError: An earlier file could not be written (full disk and the like); those before it stay.
        """
        if labels.dtype != np.uint8 or labels.ndim != 2:
            raise ValueError(f"labels must be (H, W) uint8, these are {labels.shape} {labels.dtype}")
        self._behind.put((name, labels.copy()))

    def close(self) -> None:
        """Wait until everything is written.

        Raises:
            OutputError: A file could not be written.
        """
        self._behind.close()

    def _save(self, item: tuple[str, np.ndarray]) -> None:
        name, labels = item
        write_atomic(self.folder / f"{name}.png", encode_labels(labels, self.classes))
