"""Cityscapes: 17 Hz snippets of which one frame is labelled, 19 classes."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np

from saccade.classes import CITYSCAPES, IGNORE
from saccade.datasets.files import (
    Problems,
    check_sizes,
    existing_root,
    index_images,
    no_such_split,
)
from saccade.datasets.stills import IdLabels, Still, StillClip, StillDataset, id_table
from saccade.errors import ConfigError
from saccade.video.image_sequence import natural_key

FPS = 17.0
"""Rate of the snippets in ``leftImg8bit_sequence``."""

CLIP_LENGTH = 20
"""Frames up to and with the labelled one that the published snippets have: it is their 20th of 30."""

LAYOUT = (
    "leftImg8bit/<split>/<city>/*_leftImg8bit.png and gtFine/<split>/<city>/*_gtFine_labelIds.png "
    "(or *_gtFine_labelTrainIds.png), for video also leftImg8bit_sequence/<split>/<city>/*_leftImg8bit.png"
)

TRAIN_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
"""Label id in the files of each of the 19 classes, in train-id order."""

_read_label_ids = IdLabels(
    id_table({i: TRAIN_IDS.index(i) if i in TRAIN_IDS else IGNORE for i in range(34)}),
    "the label ids 0..33 or 255 of gtFine",
)
_read_train_ids = IdLabels(id_table({i: i for i in range(19)}), "the train ids 0..18, 255 for ignored pixels")

_LABEL_IDS, _LABEL_TRAIN_IDS = "_gtFine_labelIds", "_gtFine_labelTrainIds"


def read_label(path: Path) -> np.ndarray:
    """A ``labelIds`` or ``labelTrainIds`` file (told apart by name) as ``(H, W)`` uint8 train ids.

    Raises:
        DatasetError: The file is damaged, not of one 8-bit channel, or has ids Cityscapes does not know.
    """
    return (_read_train_ids if path.stem.endswith(_LABEL_TRAIN_IDS) else _read_label_ids)(path)


def frames_before(name: str, count: int) -> list[str]:
    """Names of the ``count`` frames before a frame, nearest first.

    Counted from the labelled frame's own number: in some cities frames are numbered through the whole
    recording, so the labelled one is not always number 19. Numbers below zero are given as they are:
    no file has them, so that they are reported like any other missing frame.
    """
    stem, number = name.rsplit("_", 1)
    return [f"{stem}_{int(number) - d:06d}" for d in range(1, count + 1)]


def _by_name(files: dict[str, Path], suffix: str) -> dict[str, Path]:
    return {key.removesuffix(suffix): path for key, path in files.items() if key.endswith(suffix)}


def open_cityscapes(
    root: str | os.PathLike[str] | None,
    split: str = "val",
    *,
    clip_length: int | None = None,
    allow_short: bool = False,
) -> StillDataset:
    """Cityscapes with or without its video snippets.

    Each labelled frame is the last of its clip, and the only one with a label. Of ``leftImg8bit_sequence``
    only the frames of the clips need be there (see ``trim_cityscapes_sequence``).

    Args:
        root: Folder with ``leftImg8bit``, ``gtFine`` and, for video, ``leftImg8bit_sequence``.
        split: ``train``, ``val`` or ``test``.
        clip_length: Frames per clip, 1..30, the labelled one included. By default 20 where the split has
            snippets, otherwise 1.
        allow_short: Where frames of a clip are missing, start it after the last of them, instead of raising.

    Raises:
        ConfigError: ``clip_length`` is not in 1..30.
        DatasetError: Folder, split or files are missing, or frames and labels do not match; one error
            names all files.
    """
    base = existing_root("cityscapes", root, LAYOUT)
    has_video = (base / "leftImg8bit_sequence" / split).is_dir()
    has_images = (base / "leftImg8bit" / split).is_dir()
    if not (base / "gtFine" / split).is_dir() or not (has_images or has_video):
        raise no_such_split("cityscapes", base, split, LAYOUT)
    if clip_length is None:
        clip_length = CLIP_LENGTH if has_video else 1
    if not 1 <= clip_length <= 30:
        raise ConfigError(f"clip_length is {clip_length}; expected 1..30 frames (snippets have 30)")

    problems = Problems("cityscapes", base, split)
    images = _by_name(index_images(base / "leftImg8bit" / split, problems), "_leftImg8bit")
    snippets = _by_name(index_images(base / "leftImg8bit_sequence" / split, problems), "_leftImg8bit")
    files = index_images(base / "gtFine" / split, problems, (".png",))
    labels = _by_name(files, _LABEL_TRAIN_IDS) | _by_name(files, _LABEL_IDS)
    clips, pairs = [], []
    for name in sorted(images.keys() | labels.keys(), key=lambda name: natural_key(Path(name))):
        image, label = images.get(name) or snippets.get(name), labels.get(name)
        if not re.fullmatch(r".*_[0-9]{6}", name):
            problems.add("not named <city>_<sequence>_<frame>", image or labels[name])
            continue
        if image is None:
            problems.add("no frame for", labels[name])
            continue
        if label is None:
            problems.add("no label for", image)
            continue
        pairs.append((image, label))
        stills = [Still(name, image, label)]
        for before in frames_before(name, clip_length - 1):
            if before in snippets:
                stills.append(Still(before, snippets[before], None))
            elif allow_short:
                break
            else:
                problems.add("no frame", f"leftImg8bit_sequence/{split}/{before}_leftImg8bit.png")
        clips.append(StillClip(name, FPS, str(root), tuple(reversed(stills)), read_label))
    check_sizes(pairs, problems)
    shorter = f", or give a smaller clip_length than {clip_length} or allow_short" if clip_length > 1 else ""
    problems.raise_any(f"Restore these files{shorter}.")
    if not clips:
        raise no_such_split("cityscapes", base, split, f"labelled frames of it in {LAYOUT}")
    return StillDataset("cityscapes", split, CITYSCAPES, clips)
