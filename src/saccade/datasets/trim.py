"""Cutting the Cityscapes snippets (324 GB) down to the frames that clips need."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from saccade.datasets.cityscapes import CLIP_LENGTH, LAYOUT, open_cityscapes
from saccade.datasets.files import existing_root, no_such_split
from saccade.datasets.stills import StillClip
from saccade.errors import OutputError


def trim_cityscapes_sequence(
    root: str | os.PathLike[str], out: str | os.PathLike[str], clip_length: int = CLIP_LENGTH
) -> int:
    """Lay out a Cityscapes tree with only the frames of clips of ``clip_length``,
    in every split that has snippets and labels.

    Labels (``labelIds`` or ``labelTrainIds``), labelled frames and the frames before them are hard links, or
    copies where ``out`` lies on another file system. What is there already is kept, so it can be resumed.

    Args:
        root: A Cityscapes tree with ``leftImg8bit_sequence``.
        out: Where to; made where it does not exist.
        clip_length: Frames per clip, 1..30, the labelled one included.

    Returns:
        Number of files ``out`` now has of the trimmed tree.

    Raises:
        ConfigError: ``clip_length`` is not in 1..30.
        DatasetError: There are no snippets, or frames of clips are missing; nothing has been written then.
        OutputError: A file cannot be written.
    """
    base = existing_root("cityscapes", root, LAYOUT)
    splits = [
        p.name
        for p in sorted((base / "leftImg8bit_sequence").glob("*"))
        if (base / "gtFine" / p.name).is_dir()
    ]
    if not splits:
        raise no_such_split("cityscapes", base, "with snippets and labels", LAYOUT)
    datasets = [open_cityscapes(base, split, clip_length=clip_length) for split in splits]
    files = {file for dataset in datasets for clip in dataset.clips() for file in _files(base, clip)}
    for file in sorted(files):
        target = Path(out).expanduser() / file.relative_to(base)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            if not target.exists():
                _link(file, target)
        except OSError as error:
            raise OutputError(
                f"{target} cannot be written: {error.strerror}; free or change the place"
            ) from error
    return len(files)


def _files(root: Path, clip: StillClip) -> Iterator[Path]:
    for still in clip.stills:
        yield still.image
        if still.label:
            yield still.label
            # Other programs look for the labelled frame among the others of its snippet.
            twin = root / "leftImg8bit_sequence" / Path(*still.image.relative_to(root).parts[1:])
            if twin.exists():
                yield twin


def _link(file: Path, target: Path) -> None:
    try:
        os.link(file.resolve(), target)
    except OSError:
        part = target.with_name(f"{target.name}.part")
        shutil.copy2(file, part)
        part.replace(target)  # so that an interrupted copy is not taken for a finished one
