"""CityPersons: people in the frames of Cityscapes, from its ``.mat`` files or the evaluation's JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from saccade.datasets.boxed import PERSON, BoxedClip, BoxedDataset, ImageFiles
from saccade.datasets.cityscapes import CLIP_LENGTH, FPS, frames_before
from saccade.datasets.clip import Box
from saccade.datasets.files import Problems, existing_root, index_images
from saccade.errors import ConfigError, DatasetError

PEDESTRIAN = 1
"""Class of the people who count; riders, sitting people, groups and posters are ignored."""

SUFFIX = "_leftImg8bit"

LAYOUT = (
    "leftImg8bit/<split>/<city>/*_leftImg8bit.png, for video also leftImg8bit_sequence/<split>/<city>/, and "
    "val_gt.json or anno_<split>.mat (in it, in annotations/, or named with annotations)"
)


@dataclass(frozen=True)
class Marked:
    """The people of one frame.

    Attributes:
        name: Of the frame, ``frankfurt_000000_000294``.
        boxes: All of them, those to be ignored too.
    """

    name: str
    boxes: tuple[Box, ...]


def open_citypersons(
    root: str | os.PathLike[str] | None,
    split: str = "val",
    *,
    annotations: str | os.PathLike[str] | None = None,
    clip_length: int | None = None,
    scale: float = 1.0,
) -> BoxedDataset:
    """Cityscapes with the boxes of CityPersons.

    Each frame with boxes is the last of its clip, and the only one that is scored. Frames are in the order
    of the annotations.

    Args:
        root: A Cityscapes tree.
        split: ``train`` or ``val``.
        annotations: ``val_gt.json``, ``anno_val.mat`` and the like; looked for in ``root`` by default, the
            JSON first.
        clip_length: Frames per clip, 1..30. By default 20 where the split has snippets, otherwise 1.
        scale: Resize frames and boxes by this.

    Raises:
        DatasetError: Folders or files are missing or cannot be read; one error names all.
        ConfigError: ``clip_length`` or ``scale`` cannot be used.
    """
    base = existing_root("citypersons", root, LAYOUT)
    frames = read_annotations(_find(base, split) if annotations is None else Path(annotations).expanduser())
    has_video = (base / "leftImg8bit_sequence" / split).is_dir()
    if clip_length is None:
        clip_length = CLIP_LENGTH if has_video else 1
    if not 1 <= clip_length <= 30:
        raise ConfigError(f"clip_length is {clip_length}; expected 1..30 frames (snippets have 30)")
    problems = Problems("citypersons", base, split)
    images = _by_name(index_images(base / "leftImg8bit" / split, problems))
    snippets = _by_name(index_images(base / "leftImg8bit_sequence" / split, problems))
    clips = []
    for frame in frames:
        names = [*reversed(frames_before(frame.name, clip_length - 1)), frame.name]
        paths = [snippets.get(name) for name in names[:-1]] + [
            images.get(frame.name, snippets.get(frame.name))
        ]
        for name, path in zip(names, paths, strict=True):
            if path is None:
                problems.add("no frame", f"{name}{SUFFIX}.png")
        files = ImageFiles(tuple(path for path in paths if path is not None))
        boxes = (None,) * (clip_length - 1) + (frame.boxes,)
        clips.append(BoxedClip(frame.name, FPS, str(root), files, boxes))
    problems.raise_any(f"Expected {LAYOUT}.")
    return BoxedDataset("citypersons", split, clips, scale)


def _by_name(files: dict[str, Path]) -> dict[str, Path]:
    return {Path(key).name.removesuffix(SUFFIX): path for key, path in files.items()}


def _find(base: Path, split: str) -> Path:
    names = (f"{split}_gt.json", f"anno_{split}.mat")
    for path in [base / folder / name for name in names for folder in (".", "annotations")]:
        if path.is_file():
            return path
    raise DatasetError(f"citypersons: neither {' nor '.join(names)} in {base}; give it with annotations=FILE")


def read_annotations(path: Path) -> list[Marked]:
    """The boxes of all frames, from either format.

    Raises:
        DatasetError: The file is missing, damaged or of another format.
    """
    try:
        return _read_mat(path) if path.suffix == ".mat" else _read_json(path)
    except OSError as error:
        raise DatasetError(f"cannot read {path}: {error.strerror or error}") from error
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise DatasetError(
            f"{path} is not of the form of CityPersons ({type(error).__name__}: {error}); expected "
            "val_gt.json of the evaluation, or anno_<split>.mat"
        ) from error


def _read_json(path: Path) -> list[Marked]:
    content = json.loads(path.read_text("utf-8"))
    by_image: dict[int, list[Box]] = {image["id"]: [] for image in content["images"]}
    for item in content["annotations"]:
        ignore = bool(item["ignore"]) or item["category_id"] != PEDESTRIAN
        box = _box(item["bbox"], item["id"], float(item["vis_ratio"]), ignore)
        by_image[item["image_id"]].append(box)
    return [Marked(_name(image["im_name"]), tuple(by_image[image["id"]])) for image in content["images"]]


def _read_mat(path: Path) -> list[Marked]:
    from scipy.io import loadmat

    content = loadmat(path, squeeze_me=True, struct_as_record=False)
    (key,) = [name for name in content if name.startswith("anno_")]
    return [
        Marked(_name(str(image.im_name)), tuple(_row(row) for row in image.bbs.reshape(-1, 10).tolist()))
        for image in content[key].ravel()
    ]


def _row(row: Sequence[float]) -> Box:
    """Class, box, identity and visible box of one person."""
    kind, left, top, width, height, identity, *visible = row
    share = visible[2] * visible[3] / (width * height) if width * height else 0.0
    return _box([left, top, width, height], int(identity), share, kind != PEDESTRIAN)


def _box(corner_and_size: Sequence[Any], identity: int, visible: float, ignore: bool) -> Box:
    left, top, width, height = map(float, corner_and_size)
    return Box(left, top, left + width, top + height, PERSON, identity, visible, ignore)


def _name(file: str) -> str:
    return Path(file).stem.removesuffix(SUFFIX)
