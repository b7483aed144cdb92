"""Opening a data set by name."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from typing import Any

from saccade.datasets.camvid import open_camvid
from saccade.datasets.citypersons import open_citypersons
from saccade.datasets.cityscapes import open_cityscapes
from saccade.datasets.clip import Dataset
from saccade.datasets.folder import open_folder
from saccade.datasets.mot import open_mot
from saccade.datasets.pennfudan import open_pennfudan
from saccade.errors import ConfigError, DatasetError

DATASETS = {
    "camvid": "CamVid, 11 classes: SegNet's 480x360 folders or the original 960x720",
    "citypersons": "boxes of pedestrians in the frames of Cityscapes",
    "cityscapes": "Cityscapes, 19 classes: gtFine with the video snippets before each labelled frame",
    "folder": "your own images and indexed PNG labels",
    "mot": "MOTChallenge: boxes of pedestrians, one folder per sequence",
    "pennfudan": "Penn-Fudan: photographs with boxes of pedestrians",
    "world": "the built-in procedural street; needs no files",
}
"""Name and one line on every data set that ``open_dataset`` knows."""


def open_dataset(
    name: str, root: str | os.PathLike[str] | None = None, split: str = "val", **options: Any
) -> Dataset:
    """Open one split of a data set; frames and labels are decoded when asked for.

    Args:
        name: One of ``DATASETS``.
        root: The data set's folder; ``world`` has none and does not look at it.
        split: For example ``train``, ``val`` or ``test``.
        options: Of the data set; see ``open_camvid``, ``open_cityscapes``, ``open_citypersons``,
            ``open_folder``, ``open_mot``, ``open_pennfudan`` and ``saccade.datasets.world.WorldDataset``.

    Raises:
        DatasetError: The name is unknown, or files are missing or do not match.
        ConfigError: The data set has no such option, or not with such a value.
    """
    opener = _opener(name)
    known = [p for p in inspect.signature(opener).parameters if p not in ("root", "split")]
    for option in options:
        if option not in known:
            raise ConfigError(
                f"data set {name!r} has no option {option!r}; it takes {', '.join(known) or 'none'}"
            )
    if name != "world":
        options["root"] = root
    return opener(split=split, **options)


def _opener(name: str) -> Callable[..., Dataset]:
    match name:
        case "camvid":
            return open_camvid
        case "citypersons":
            return open_citypersons
        case "cityscapes":
            return open_cityscapes
        case "folder":
            return open_folder
        case "mot":
            return open_mot
        case "pennfudan":
            return open_pennfudan
        case "world":
            # Drawing a street needs imports that reading files does not.
            from saccade.datasets.world import WorldDataset

            return WorldDataset
    raise DatasetError(f"there is no data set {name!r}; there are {', '.join(DATASETS)}")
