"""CamVid: four driving sequences of 30 Hz video, 701 labelled frames, 11 classes.

What is certain of the splits (those of SegNet): train and val are known name by name, and the counts of all
three per sequence. ``val`` is 0016E5 from 07959 to 08159, every second frame, so one clip at 15 Hz. All other
labels are a second apart (ids 30 apart). The ranges follow from that: 0001TP has 124 labelled frames,
006690 to 010380, of which train has the 62 up to 008520, so test has the 62 from 008550 on. 0006R0 (101
frames) and the rest of 0016E5 (204 frames) are train; Seq05VD (171 frames) is test. 367 + 101 + 233 = 701.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from saccade.classes import CAMVID, IGNORE
from saccade.datasets.files import (
    Problems,
    check_sizes,
    existing_root,
    index_images,
    no_such_split,
)
from saccade.datasets.stills import UNKNOWN, IdLabels, LabelReader, Still, StillClip, StillDataset, id_table
from saccade.errors import DatasetError
from saccade.video.image_sequence import natural_key

VIDEO_FPS = 30.0
"""Rate of the source video; label ids count its frames."""

CLIP_STEP = 2
"""Frames whose ids are further apart than this are not neighbours in a clip: labels are either 2 (15 Hz)
or 30 (1 Hz) apart, and nothing can be carried over from a second ago."""

DECODED_OFFSET = {"0001TP": -6660, "0006R0": 1, "0016E5": 1, "Seq05VD": 1}
"""Frame number in the decoded source video (from 1) minus label id, per sequence."""

LAYOUT = (
    "<split>/ and <split>annot/ (SegNet's 480x360), or LabeledApproved_full/<name>_L.png beside a folder of "
    "<name>.png such as 701_StillsRaw_full/ (the original 960x720; splits train, val, test)"
)

read_id_label = IdLabels(
    id_table({**{i: i for i in range(11)}, 11: IGNORE}), "0..10 in the order of SegNet, 11 or 255 for void"
)
"""Reads SegNet's labels."""

_COLOURS: dict[str, tuple[tuple[int, int, int], ...]] = {
    "sky": ((128, 128, 128),),
    # building, archway, bridge, tunnel, wall
    "building": ((128, 0, 0), (192, 0, 128), (0, 128, 64), (64, 0, 64), (64, 192, 0)),
    # column or pole, traffic cone
    "pole": ((192, 192, 128), (0, 0, 64)),
    # road, lane markings to drive over and not to
    "road": ((128, 64, 128), (128, 0, 192), (192, 0, 64)),
    # sidewalk, parking block, road shoulder
    "sidewalk": ((0, 0, 192), (64, 192, 128), (128, 128, 192)),
    # tree, other vegetation
    "tree": ((128, 128, 0), (192, 192, 0)),
    # sign, other text, traffic light
    "sign": ((192, 128, 128), (128, 128, 64), (0, 64, 64)),
    "fence": ((64, 64, 128),),
    # car, SUV or pick-up, truck or bus, train, other moving
    "car": ((64, 0, 128), (64, 128, 192), (192, 128, 192), (192, 64, 128), (128, 64, 64)),
    # pedestrian, child, animal, cart or luggage or pram
    "pedestrian": ((64, 64, 0), (192, 128, 64), (64, 128, 64), (64, 0, 192)),
    # bicyclist, motorcycle or scooter
    "bicyclist": ((0, 128, 192), (192, 0, 192)),
}
"""The palette of the 32 original classes under the 11 they are merged into; (0, 0, 0) is void."""


def _colour_table() -> np.ndarray:
    # All components are multiples of 64, so two bits of each name a colour: 64 entries.
    table = np.full(64, UNKNOWN, np.uint8)
    for name, colours in _COLOURS.items():
        for r, g, b in colours:
            table[(r >> 6) << 4 | (g >> 6) << 2 | b >> 6] = CAMVID.names.index(name)
    table[0] = IGNORE
    return table


_COLOUR_TABLE = _colour_table()


def read_colour_label(path: Path) -> np.ndarray:
    """An original CamVid label, 32 colours merged into 11 classes, as ``(H, W)`` uint8.

    Raises:
        DatasetError: The file is damaged, not a colour image, or has colours outside the palette.
    """
    try:
        with Image.open(path) as image:
            mode = image.mode
            rgb = np.array(image.convert("RGB"))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DatasetError(f"{path} cannot be read as a label ({error}); replace the file") from error
    if mode not in ("RGB", "RGBA", "P"):
        raise DatasetError(f"{path} is an image of mode {mode}; expected CamVid's colour labels")
    bits = rgb >> 6
    label = _COLOUR_TABLE[bits[..., 0] << 4 | bits[..., 1] << 2 | bits[..., 2]]
    unknown = (label == UNKNOWN) | (rgb & 63).any(-1)
    if unknown.any():
        colours = [tuple(map(int, c)) for c in np.unique(rgb[unknown], axis=0)]
        raise DatasetError(
            f"{path} has {len(colours)} colours that are not in CamVid's palette, such as "
            f"{', '.join(map(str, colours[:5]))} ({int(unknown.sum())} pixels); expected the labels "
            "as published, neither resized with interpolation nor compressed as JPEG"
        )
    return label


def parse_name(name: str) -> tuple[str, int] | None:
    """``("0006R0", 930)`` for ``"0006R0_f00930"``; None for a name that is not one of CamVid's."""
    match = re.fullmatch(r"(\w+?)_f?([0-9]+)", name)
    return (match[1], int(match[2])) if match and match[1] in DECODED_OFFSET else None


def decoded_frame_number(name: str) -> int:
    """Number of a labelled frame in its decoded source video, counted from 1.

    Raises:
        DatasetError: The name is not one of CamVid's.
    """
    parsed = parse_name(name)
    if parsed is None:
        raise DatasetError(f"{name!r} is not a CamVid frame; expected a name such as 0016E5_07959")
    return parsed[1] + DECODED_OFFSET[parsed[0]]


def split_of(sequence: str, number: int) -> str:
    """SegNet's split of a labelled frame, by sequence and id."""
    if sequence == "0016E5":
        return "val" if 7959 <= number <= 8159 else "train"
    if sequence == "0001TP":
        return "train" if number <= 8520 else "test"
    return "test" if sequence == "Seq05VD" else "train"


def open_camvid(root: str | os.PathLike[str] | None, split: str = "val") -> StillDataset:
    """CamVid in either layout.

    SegNet's 480x360: ``<split>/`` with frames (PNG or JPEG), ``<split>annot/`` with ids 0..10, 11 for void.
    The original 960x720: colour labels ``<name>_L.png`` in one folder and frames ``<name>.png`` in another;
    splits by ``<split>.txt`` in the root where there is one (any list of the frames' paths), otherwise by the
    ranges in this module's docstring. Mind the difference: SegNet's labels have fewer details.

    A clip is a longest run of frames of a sequence with the same id step, at most ``CLIP_STEP``; its rate is
    30 Hz divided by the step. Frames with a label a second before and after, as all of train and test, are
    clips of one frame (30 Hz by name only), and so are frames whose names are not CamVid's.

    Raises:
        DatasetError: Folder, split, frames or labels are missing, or frames and labels do not match; one
            error names all files.
    """
    base = existing_root("camvid", root, LAYOUT)
    problems = Problems("camvid", base, split)
    read_label: LabelReader
    if (base / split).is_dir() and (base / f"{split}annot").is_dir():
        frames = index_images(base / split, problems)
        labels = index_images(base / f"{split}annot", problems, (".png",))
        names: Iterable[str] = dict.fromkeys([*frames, *labels])
        read_label = read_id_label
    elif split in ("train", "val", "test") and (folders := _original_folders(base, problems)):
        frames, labels = folders
        names = _original_names(base, split, [*frames, *labels], problems)
        read_label = read_colour_label
    else:
        raise no_such_split("camvid", base, split, LAYOUT)

    stills = []
    for name in sorted(names, key=lambda name: natural_key(Path(name))):
        if name not in frames:
            problems.add("no frame for", labels.get(name, name))
        if name not in labels:
            problems.add("no label for", frames.get(name, name))
        if name in frames and name in labels:
            stills.append(Still(name, frames[name], labels[name]))
    check_sizes(((s.image, s.label) for s in stills if s.label), problems)
    problems.raise_any("Restore these files, or remove their counterparts.")
    if not stills:
        raise no_such_split("camvid", base, split, f"frames of it in {LAYOUT}")
    clips = [StillClip(run[0].name, fps, str(root), run, read_label) for run, fps in _runs(stills)]
    return StillDataset("camvid", split, CAMVID, clips)


def _original_folders(root: Path, problems: Problems) -> tuple[dict[str, Path], dict[str, Path]] | None:
    """Frames and labels by name: the folder with most ``_L.png``, and the one with most of their frames."""
    folders = [
        {Path(key).name: path for key, path in index_images(folder, problems).items()}
        for folder in sorted(root.iterdir())
        if folder.is_dir()
    ]
    labels: dict[str, Path] = {}
    frames: dict[str, Path] = {}
    for found in folders:
        coloured = {name.removesuffix("_L"): path for name, path in found.items() if name.endswith("_L")}
        labels = max(labels, coloured, key=len)
    for found in folders:
        plain = {name: path for name, path in found.items() if not name.endswith("_L")}
        frames = max(frames, plain, key=lambda candidate: len(candidate.keys() & labels.keys()))
    return (frames, labels) if labels else None


def _original_names(root: Path, split: str, names: Iterable[str], problems: Problems) -> set[str]:
    """Names of a split, from its list where there is one, otherwise by their ids."""
    listing = root / f"{split}.txt"
    if listing.is_file():
        words = listing.read_text("utf-8-sig", "replace").split()
        return {Path(word).stem.removesuffix("_L") for word in words}
    chosen = set()
    for name in set(names):
        parsed = parse_name(name)
        if parsed is None:
            problems.add(f"of no known sequence, so of no known split (write {split}.txt)", name)
        elif split_of(*parsed) == split:
            chosen.add(name)
    return chosen


def _runs(stills: list[Still]) -> Iterator[tuple[tuple[Still, ...], float]]:
    """Cut sorted frames into longest runs of one small id step, each with its rate."""
    run: list[Still] = []
    step = 0  # of the run; 0 while it has one frame
    for still in stills:
        gap = _id_step(run[-1], still) if run else None
        if gap is not None and step in (0, gap):
            step = gap
        elif run:
            yield tuple(run), VIDEO_FPS / (step or 1)
            run, step = [], 0
        run.append(still)
    if run:
        yield tuple(run), VIDEO_FPS / (step or 1)


def _id_step(before: Still, after: Still) -> int | None:
    """Distance of two frames that can be neighbours in a clip; None for those that cannot."""
    a, b = parse_name(before.name), parse_name(after.name)
    if a is None or b is None or a[0] != b[0] or not 1 <= b[1] - a[1] <= CLIP_STEP:
        return None
    return b[1] - a[1]
