"""Penn-Fudan: 170 photographs of pedestrians with boxes around whole bodies."""

from __future__ import annotations

import os
import re
from pathlib import Path

from saccade.datasets.boxed import PERSON, BoxedClip, BoxedDataset, ImageFiles
from saccade.datasets.clip import Box
from saccade.datasets.files import Problems, existing_root, index_images, no_such_split
from saccade.errors import DatasetError

LAYOUT = "Annotation/*.txt and the photographs in PNGImages/ or Images/"

VALIDATION = 5
"""Every so-many-th photograph is for validation."""

_BOX = re.compile(r"^Bounding box for object (\d+).*?:\s*\((\d+), (\d+)\) - \((\d+), (\d+)\)", re.MULTILINE)


def open_pennfudan(
    root: str | os.PathLike[str] | None, split: str = "val", *, scale: float = 1.0
) -> BoxedDataset:
    """Photographs, each a clip of one frame.

    The data set has no splits of its own: every fifth photograph is ``val``, the others ``train``. A few
    people who are small or mostly hidden are not marked.

    Args:
        root: Folder of the data set.
        split: ``train``, ``val`` or ``all``.
        scale: Resize photographs and boxes by this; people are 250 to 400 pixels high in them.

    Raises:
        DatasetError: Files are missing or cannot be read; one error names all.
        ConfigError: ``scale`` is not above 0.
    """
    base = existing_root("pennfudan", root, LAYOUT)
    if split not in ("train", "val", "all"):
        raise no_such_split("pennfudan", base, split, "train, val or all")
    problems = Problems("pennfudan", base, split)
    folder = next(
        (base / name for name in ("PNGImages", "Images") if (base / name).is_dir()), base / "PNGImages"
    )
    images = index_images(folder, problems)
    texts = {path.stem: path for path in sorted((base / "Annotation").glob("*.txt"))}
    for name in images.keys() - texts.keys():
        problems.add("no boxes for", images[name])
    for name in texts.keys() - images.keys():
        problems.add("no photograph for", texts[name])
    problems.raise_any("Restore these files, or remove their counterparts.")
    if not images:
        raise DatasetError(f"pennfudan: no photographs in {base}; expected {LAYOUT}")
    clips = []
    for number, (name, image) in enumerate(images.items()):
        if split == "all" or (number % VALIDATION == VALIDATION - 1) == (split == "val"):
            boxes = read_boxes(texts[name])
            clips.append(BoxedClip(name, 1.0, str(root), ImageFiles((image,)), (boxes,)))
    return BoxedDataset("pennfudan", split, clips, scale)


def read_boxes(path: Path) -> tuple[Box, ...]:
    """The boxes of a PASCAL annotation, whose pixels count from 1 and are all inside.

    Raises:
        DatasetError: The file cannot be read, or has no box.
    """
    try:
        text = path.read_text("utf-8", "replace")
    except OSError as error:
        raise DatasetError(f"cannot read {path}: {error.strerror or error}") from error
    found = [tuple(map(int, match.groups())) for match in _BOX.finditer(text)]
    if not found:
        raise DatasetError(f"{path} has no line 'Bounding box for object ...'; restore the file")
    return tuple(
        Box(float(x1 - 1), float(y1 - 1), float(x2), float(y2), PERSON, number, 1.0)
        for number, x1, y1, x2, y2 in found
    )
