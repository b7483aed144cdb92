"""Opening labelled data for the commands that score: the split, and clips to warm up on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from saccade.errors import ConfigError

if TYPE_CHECKING:
    from saccade.datasets.clip import Clip, Dataset

WARM_UP_SPLIT = "train"


def open_labelled(
    name: str, root: Path | None, split: str, options: dict[str, Any], warmup_clips: int
) -> tuple[Dataset, Sequence[Clip]]:
    """A split of a data set, and the first clips of its ``train`` split.

    Args:
        name: Of the data set.
        root: Its folder.
        split: What is to be scored.
        options: Of the data set, for both splits.
        warmup_clips: How many clips to warm up on.

    Raises:
        DatasetError: As ``open_dataset``.
        ConfigError: As ``open_dataset``; there are not so many clips to warm up on, or they are scored too.
    """
    from saccade.datasets import open_dataset

    scored = open_dataset(name, root, split, **options)
    if warmup_clips == 0:
        return scored, ()
    if warmup_clips < 0:
        raise ConfigError(f"--warmup-clips {warmup_clips} is no number of clips; give 0 or more")
    if split == WARM_UP_SPLIT:
        raise ConfigError(f"--warmup-clips takes clips of split {split}, so these cannot be scored too")
    clips = open_dataset(name, root, WARM_UP_SPLIT, **options).clips()
    if len(clips) < warmup_clips:
        raise ConfigError(f"--warmup-clips {warmup_clips}: split {WARM_UP_SPLIT} has only {len(clips)} clips")
    return scored, clips[:warmup_clips]
