"""Writing worlds as a Cityscapes tree, so that everything made for Cityscapes runs without it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from saccade.datasets.cityscapes import FPS, TRAIN_IDS
from saccade.datasets.world.dataset import SPLITS, world_seed
from saccade.datasets.world.film import Film
from saccade.errors import ConfigError, OutputError
from saccade.video.atomic import write_atomic

_LABEL_IDS = np.array(TRAIN_IDS, np.uint8)

LABELLED = 19
"""Position of the labelled frame in a snippet, counted from 0."""

_TREE = 2  # third number of the seeds, apart from those of clips and single images
_CITIES = {"train": ("lowtown", "hightown"), "val": ("lowbridge", "highbridge")}


def write_cityscapes_tree(
    root: str | os.PathLike[str],
    *,
    seed: int = 0,
    snippets: int = 4,
    frames: int = 30,
    size: Sequence[int] = (1024, 2048),
    splits: Sequence[str] = SPLITS,
) -> int:
    """Write ``leftImg8bit``, ``leftImg8bit_sequence`` and ``gtFine`` (``labelIds``), as Cityscapes has them.

    Each split has two cities. In the first ("low...") the frames of a snippet are numbered from 0 and number
    19 is labelled; in the second ("high...") frames are numbered through a whole recording, so the labelled
    number is arbitrary. In both the labelled frame is the 20th of its snippet.

    Args:
        root: Folder of the tree; made where it does not exist. Files that are there are replaced.
        seed: Same seed, same tree.
        snippets: Snippets per split, shared by the two cities.
        frames: Frames per snippet, at least 20.
        size: ``(height, width)`` in pixels.
        splits: ``"train"``, ``"val"`` or both.

    Returns:
        Number of files written.

    Raises:
        ConfigError: An argument has a value that cannot work.
        OutputError: A file cannot be written.
    """
    if frames <= LABELLED:
        raise ConfigError(f"frames is {frames}; the 20th frame of a snippet is labelled, so give 20 or more")
    if snippets < 1 or len(size) != 2 or min(size) < 1 or seed < 0:
        raise ConfigError(
            "snippets and both sides of size (height, width) must be positive and seed not negative; "
            f"these are snippets={snippets}, size={tuple(size)}, seed={seed}"
        )
    unknown = [split for split in splits if split not in SPLITS]
    if unknown:
        raise ConfigError(f"there is no split {unknown[0]!r}; choose from {', '.join(SPLITS)}")
    shape = (int(size[0]), int(size[1]))
    written = 0
    for split in splits:
        for k in range(snippets):
            film = Film(world_seed(seed, split, _TREE, k), frames, FPS, shape, "driving")
            written += _write_snippet(Path(root).expanduser(), split, k, film, frames)
    return written


def _write_snippet(root: Path, split: str, k: int, film: Film, frames: int) -> int:
    through = k % 2
    city = _CITIES[split][through]
    # The second city has one recording per snippet pair, with other frames in between.
    start = int(np.random.default_rng((*film.seed, 3)).integers(100, 90_000)) if through else 0
    for index in range(frames):
        view = film.view(index)
        stem = f"{split}/{city}/{city}_{k // 2:06d}_{start + index:06d}"
        picture = _png(film.develop(view, index))
        write_atomic(root / f"leftImg8bit_sequence/{stem}_leftImg8bit.png", picture)
        if index == LABELLED:
            write_atomic(root / f"leftImg8bit/{stem}_leftImg8bit.png", picture)
            write_atomic(root / f"gtFine/{stem}_gtFine_labelIds.png", _png(_LABEL_IDS[view.label]))
    return frames + 2


def _png(image: np.ndarray) -> bytes:
    done, data = cv2.imencode(".png", image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    if not done:
        raise OutputError(f"an image of {image.shape[0]} x {image.shape[1]} pixels cannot be stored as PNG")
    return data.tobytes()
