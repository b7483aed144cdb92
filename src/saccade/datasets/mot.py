"""MOTChallenge folders: people in static and moving video, with boxes and identities."""

from __future__ import annotations

import configparser
import csv
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from saccade.datasets.boxed import PERSON, BoxedClip, BoxedDataset, ImageFiles, Pictures, VideoFrames
from saccade.datasets.clip import Box
from saccade.datasets.files import existing_root
from saccade.errors import ConfigError, DatasetError
from saccade.video.image_sequence import is_image, natural_key

LAYOUT = "one folder per sequence, with gt/gt.txt and the frames in img1/ (or a video of the sequence's name)"

VIDEO_SUFFIXES = (".mp4", ".mkv", ".avi", ".webm", ".mov")

FPS = 25.0
"""Assumed where there is no seqinfo.ini."""

PEDESTRIAN = 1
DOUBTFUL = (2, 7, 8, 12, 13)
"""Classes of MOT16 and later that are neither right nor wrong: people on vehicles, people who never move,
distractors, reflections, crowds."""


def open_mot(
    root: str | os.PathLike[str] | None,
    split: str = "val",
    *,
    sequences: Sequence[str] | str | None = None,
    frames: Sequence[int] | str | None = None,
    scale: float = 1.0,
) -> BoxedDataset:
    """MOTChallenge sequences, each a clip.

    Boxes of both formats are read: that of 2DMOT2015 (ten columns; a 7th of 0 is ignored) and that of MOT16
    and later (nine columns with class and visibility; other classes than pedestrians are left out, and
    doubtful ones ignored). Files count pixels from 1: the frame's left edge is 1 there and 0 here.

    Args:
        root: Folder of the sequences, or one sequence's folder.
        split: Sub-folder of ``root`` with the sequences (``train``); where it is not there, they lie in
            ``root``.
        sequences: Names of those to use; all by default.
        frames: First and last frame of each sequence, as numbered in the data set: ``[121, 200]`` or
            ``"121-200"``; all that are there by default.
        scale: Resize frames and boxes by this.

    Raises:
        DatasetError: Folders, frames or boxes are missing or cannot be read.
        ConfigError: ``frames``, ``sequences`` or ``scale`` cannot be used.
    """
    base = existing_root("mot", root, LAYOUT)
    if (base / split).is_dir():
        base = base / split
    chosen = _between(frames)
    names = [sequences] if isinstance(sequences, str) else sequences
    folders = [_sequence(base, name) for name in names] if names is not None else _all_sequences(base)
    return BoxedDataset(
        "mot", split, [_open_sequence(folder, chosen, str(root)) for folder in folders], scale
    )


def _between(frames: Sequence[int] | str | None) -> tuple[int, int] | None:
    if frames is None:
        return None
    parts = re.split(r"\s*-\s*", frames.strip()) if isinstance(frames, str) else [str(n) for n in frames]
    if len(parts) == 2 and all(part.isdecimal() for part in parts) and 1 <= int(parts[0]) <= int(parts[1]):
        return int(parts[0]), int(parts[1])
    raise ConfigError(f"frames {frames!r} are no range; give first and last, for example 121-200")


def _all_sequences(base: Path) -> list[Path]:
    if (base / "gt" / "gt.txt").is_file():
        return [base]
    found = sorted((p.parent.parent for p in base.glob("*/gt/gt.txt")), key=natural_key)
    if not found:
        raise DatasetError(f"mot: no sequence in {base}; expected {LAYOUT}")
    return found


def _sequence(base: Path, name: str) -> Path:
    folder = base / name
    if (folder / "gt" / "gt.txt").is_file():
        return folder
    there = ", ".join(p.name for p in _all_sequences(base))
    raise ConfigError(f"mot: {base} has no sequence {name!r} with gt/gt.txt; there are {there}")


@dataclass(frozen=True)
class _Info:
    fps: float = FPS
    images: str = "img1"


def _open_sequence(folder: Path, chosen: tuple[int, int] | None, source: str) -> BoxedClip:
    info = _read_info(folder / "seqinfo.ini")
    boxes = read_boxes(folder / "gt" / "gt.txt")
    numbered = _numbered_images(folder / info.images)
    videos = [folder / (folder.name + suffix) for suffix in VIDEO_SUFFIXES]
    video = next((path for path in videos if path.is_file()), None)
    if numbered:
        there = sorted(numbered)
    elif video is not None:
        there = list(range(1, _length(video) + 1))
    else:
        raise DatasetError(f"mot: no frames of {folder.name} in {folder}; expected {LAYOUT}")
    numbers = there
    if chosen is not None:
        numbers = [number for number in there if chosen[0] <= number <= chosen[1]]
        if len(numbers) != chosen[1] - chosen[0] + 1:
            raise ConfigError(
                f"mot: {folder.name} does not have all frames {chosen[0]} to {chosen[1]}: "
                f"there are {len(there)}, {there[0]} to {there[-1]}"
            )
    pictures: Pictures
    if numbered:
        pictures = ImageFiles(tuple(numbered[number] for number in numbers))
    else:
        assert video is not None
        pictures = VideoFrames(video, numbers[0] - 1, len(numbers))
    return BoxedClip(
        folder.name, info.fps, source, pictures, tuple(tuple(boxes.get(number, ())) for number in numbers)
    )


def _numbered_images(folder: Path) -> dict[int, Path]:
    """Frame number -> file, for files that are named by a number."""
    if not folder.is_dir():
        return {}
    return {int(p.stem): p for p in folder.iterdir() if is_image(p) and p.stem.isdecimal()}


def _length(video: Path) -> int:
    from saccade.video.opening import open_video

    with open_video(video) as source:
        return source.length or sum(1 for _ in source)


def _read_info(path: Path) -> _Info:
    if not path.is_file():
        return _Info()
    parser = configparser.ConfigParser()
    try:
        parser.read(path, "utf-8")
        section = parser["Sequence"]
        return _Info(section.getfloat("frameRate", FPS), section.get("imDir", "img1"))
    except (configparser.Error, KeyError, ValueError) as error:
        raise DatasetError(
            f"{path} is no seqinfo.ini of MOTChallenge ({error}); restore or remove it"
        ) from error


def read_boxes(path: Path) -> dict[int, list[Box]]:
    """The boxes of a ``gt.txt``, by frame number.

    Raises:
        DatasetError: The file cannot be read, or a line is not of one of the two formats.
    """
    boxes: dict[int, list[Box]] = {}
    try:
        with path.open(newline="", encoding="utf-8") as file:
            for number, row in enumerate(csv.reader(file), start=1):
                if not row:
                    continue
                try:
                    found = _box([float(value) for value in row])
                except ValueError as error:
                    raise DatasetError(
                        f"{path}, line {number}: {error}; expected frame, identity, left, top, width, "
                        "height, flag, and class and visibility or three coordinates"
                    ) from error
                if found is not None:
                    boxes.setdefault(int(float(row[0])), []).append(found)
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"cannot read {path}: {error}") from error
    return boxes


def _box(row: list[float]) -> Box | None:
    """A row as a box; None for what is no person at all."""
    if len(row) not in (9, 10):
        raise ValueError(f"{len(row)} columns")
    _, identity, left, top, width, height, flag = row[:7]
    if not (width > 0 and height > 0):
        raise ValueError(f"a box of {width} by {height} pixels")
    ignore, visible = flag == 0, 1.0
    if len(row) == 9:
        kind, visible = int(row[7]), min(1.0, max(0.0, row[8]))
        if kind != PEDESTRIAN and kind not in DOUBTFUL:
            return None
        ignore = ignore or kind != PEDESTRIAN
    x, y = left - 1, top - 1
    return Box(x, y, x + width, y + height, PERSON, int(identity), visible, ignore)
