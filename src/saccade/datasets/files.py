"""Finding the image files of a data set, and reporting everything that is wrong with them at once."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from pathlib import Path

from PIL import Image

from saccade.errors import DatasetError
from saccade.video.image_sequence import SUFFIXES, natural_key

SHOWN = 20
"""Files named in one error; the rest are counted."""


class Problems:
    """Collects what is wrong with a data set, so that one error names it all.

    Args:
        dataset: Name of the data set, for the message.
        root: Its folder; paths are shown relative to it.
        split: The split being opened.
    """

    def __init__(self, dataset: str, root: Path, split: str) -> None:
        self.dataset, self.root, self.split = dataset, root, split
        self._items: dict[str, dict[str, None]] = {}  # kind -> items in order, each once

    def add(self, kind: str, item: Path | str) -> None:
        """Note one file (or a remark on one) under a kind such as ``"frame without a label"``."""
        self._items.setdefault(kind, {})[self.show(item)] = None

    def show(self, item: Path | str) -> str:
        """A path relative to the root where it lies in it."""
        if isinstance(item, Path) and item.is_relative_to(self.root):
            return item.relative_to(self.root).as_posix()
        return str(item)

    def raise_any(self, remedy: str) -> None:
        """Raise one ``DatasetError`` with everything noted, or do nothing where all is well."""
        total = sum(map(len, self._items.values()))
        if not total:
            return
        shown = SHOWN if total <= SHOWN else max(1, SHOWN // len(self._items))  # of each kind
        parts = []
        for kind, items in self._items.items():
            more = f" and {len(items) - shown} more" if len(items) > shown else ""
            parts.append(f"{kind}: {', '.join(list(items)[:shown])}{more}")
        raise DatasetError(
            f"{self.dataset} at {self.root}, split {self.split!r}: problems with {total} "
            f"file{'s' * (total > 1)}; {'; '.join(parts)}. {remedy}"
        )


def existing_root(dataset: str, root: str | os.PathLike[str] | None, layout: str) -> Path:
    """The root folder of a data set.

    Raises:
        DatasetError: It was not given, does not exist or is a file; the message gives the layout.
    """
    if root is None:
        raise DatasetError(f"{dataset} needs the folder it lies in (root, --root DIR), with {layout}")
    path = Path(root).expanduser()
    if not path.is_dir():
        what = "is not a folder" if path.exists() else "does not exist"
        raise DatasetError(f"{dataset}: {path} {what}; expected a folder with {layout}")
    if not os.access(path, os.R_OK | os.X_OK):
        raise DatasetError(f"{dataset}: {path} may not be read; change its permissions")
    return path


def no_such_split(dataset: str, root: Path, split: str, layout: str) -> DatasetError:
    """The error for a root without the wanted split: what was expected, and what is there."""
    found = [p.name + "/" * p.is_dir() for p in sorted(root.iterdir(), key=natural_key)]
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return DatasetError(
        f"{dataset}: no split {split!r} in {root}; expected {layout}; "
        f"found {', '.join(found[:SHOWN]) or 'an empty folder'}{more}"
    )


def index_images(folder: Path, problems: Problems, suffixes: Collection[str] = SUFFIXES) -> dict[str, Path]:
    """Images under a folder and its subfolders.

    Args:
        folder: Where to look; nothing is found where it does not exist. Hidden files are passed over.
        problems: Told of files that differ only in their suffix.
        suffixes: File endings to take, in lower case.

    Returns:
        Relative path without suffix (``"a/0001"``) -> file, in natural order.
    """

    def note(error: OSError) -> None:
        problems.add("folder that cannot be read", Path(error.filename))

    found: dict[str, Path] = {}
    for parent, _, names in os.walk(folder, followlinks=True, onerror=note if folder.is_dir() else None):
        for name in sorted(names):
            path = Path(parent, name)
            if name.startswith(".") or path.suffix.lower() not in suffixes:
                continue
            key = path.relative_to(folder).with_suffix("").as_posix()
            if key in found:
                problems.add(f"second image beside {problems.show(found[key])}", path)
            else:
                found[key] = path
    return {key: found[key] for key in sorted(found, key=lambda key: natural_key(Path(key)))}


def upright_size(path: Path, problems: Problems) -> tuple[int, int] | None:
    """``(width, height)`` as displayed, from the header alone; None, and noted, where it cannot be read."""
    try:
        with Image.open(path) as image:
            # getexif would decode a whole PNG to look for metadata behind its pixels.
            has_metadata = image.format != "PNG" or "exif" in image.info
            turned = (
                has_metadata and image.getexif().get(0x0112, 1) >= 5
            )  # orientations 5..8 lie on their side
            return (image.height, image.width) if turned else image.size
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        problems.add("not readable as an image", path)
        return None


def check_sizes(pairs: Iterable[tuple[Path, Path]], problems: Problems) -> None:
    """Note every frame or label that cannot be read, and every label of another size than its frame."""
    for frame, label in pairs:
        frame_size, label_size = upright_size(frame, problems), upright_size(label, problems)
        if frame_size and label_size and frame_size != label_size:
            problems.add(
                "label of another size than its frame",
                "{} ({}x{}, frame {}x{})".format(problems.show(label), *label_size, *frame_size),
            )
