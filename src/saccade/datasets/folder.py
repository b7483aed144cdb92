"""Your own data: a folder of images beside a folder of labels."""

from __future__ import annotations

import colorsys
import itertools
import os
from pathlib import Path

from saccade.classes import CLASS_SETS, IGNORE, ClassSet
from saccade.datasets.files import (
    Problems,
    check_sizes,
    existing_root,
    index_images,
    no_such_split,
    upright_size,
)
from saccade.datasets.stills import UNKNOWN, IdLabels, Still, StillClip, StillDataset, id_table
from saccade.errors import ConfigError
from saccade.video.image_sequence import natural_key


def open_folder(
    root: str | os.PathLike[str] | None,
    split: str = "val",
    *,
    classes: ClassSet | str | int | None = None,
    images: str = "images",
    labels: str = "labels",
    label_suffix: str = "",
    sparse_labels: bool = False,
    fps: float = 30.0,
) -> StillDataset:
    """Images of any format with labels as indexed or grey PNG.

    A split lies in ``<root>/<split>/images`` and ``<root>/<split>/labels``, or in ``<root>/images/<split>``
    and ``<root>/labels/<split>``; the split ``"all"`` is all of ``<root>/images``, also without splits.
    The label of ``images/a/07.jpg`` is ``labels/a/07.png``; 255 in it is not scored.

    The images of a folder are one clip, in natural order; where the image size changes, a new one begins.

    Args:
        root: The data set's folder.
        split: Name of a sub-folder, or ``"all"``.
        classes: A class set, its name, or a number of classes. By default the names in
            ``<root>/classes.txt``, one per line, id 0 first.
        images: Name of the folder of images.
        labels: Name of the folder of labels.
        label_suffix: What the name of a label has after that of its image, as in ``07_mask.png``.
        sparse_labels: Accept images without a label; they are frames that are not scored.
        fps: Frames per second of the clips.

    Raises:
        ConfigError: ``classes`` or ``fps`` cannot be used, or no classes are given.
        DatasetError: Folder, split or files are missing, or images and labels do not match; one error
            names all files.
    """
    layout = (
        f"<split>/{images}/ and <split>/{labels}/, or {images}/<split>/ and {labels}/<split>/, "
        f"or {images}/ and {labels}/ with split 'all'"
    )
    base = existing_root("folder", root, layout)
    if not fps > 0:
        raise ConfigError(f"fps is {fps}; expected frames per second above 0")
    candidates = [
        (base / split / images, base / split / labels),
        (base / images / split, base / labels / split),
    ]
    if split == "all":
        candidates.append((base / images, base / labels))
    folders = next((pair for pair in candidates if pair[0].is_dir() and pair[1].is_dir()), None)
    if folders is None:
        raise no_such_split("folder", base, split, layout)
    class_set = _class_set(classes, base)
    last = len(class_set) - 1
    read_label = IdLabels(
        id_table({i: i for i in range(len(class_set))}),
        f"0..{last} ({class_set.name}), {IGNORE} where not labelled",
    )

    problems = Problems("folder", base, split)
    frames = index_images(folders[0], problems)
    found = index_images(folders[1], problems, (".png",))
    in_order = sorted(frames, key=lambda key: (natural_key(Path(key).parent), natural_key(Path(key))))
    of_frame = {key: found.pop(key + label_suffix, None) for key in in_order}
    for path in found.values():
        problems.add("no image for", path)
    if not sparse_labels or not any(of_frame.values()):
        for key, label in of_frame.items():
            if label is None:
                problems.add("no label for", frames[key])
    stills = [Still(key, frames[key], label) for key, label in of_frame.items()]
    check_sizes(((s.image, s.label) for s in stills if s.label), problems)
    clips = []
    for _, group in itertools.groupby(
        stills, lambda s: (Path(s.name).parent, upright_size(s.image, problems))
    ):
        run = tuple(group)
        clips.append(StillClip(run[0].name, fps, str(root), run, read_label))
    problems.raise_any(
        "Restore these files, or remove their counterparts (sparse_labels accepts images without)."
    )
    if not clips:
        raise no_such_split("folder", base, split, f"images in {folders[0]}")
    return StillDataset("folder", split, class_set, clips)


def _class_set(classes: ClassSet | str | int | None, root: Path) -> ClassSet:
    if isinstance(classes, ClassSet):
        return classes
    if isinstance(classes, str) and classes in CLASS_SETS:
        return CLASS_SETS[classes]
    listing = root / "classes.txt"
    if classes is None and listing.is_file():
        lines = listing.read_text("utf-8-sig", "replace").splitlines()
        names = tuple(line.strip() for line in lines if line.strip())
        origin = str(listing)
    elif str(classes).isdecimal():
        names = tuple(f"class {i}" for i in range(int(str(classes))))
        origin = "classes"
    else:
        raise ConfigError(
            f"folder: the classes of {root} are not known (classes={classes!r}); give their number or one of "
            f"{', '.join(CLASS_SETS)}, or write their names to {listing}, one per line, id 0 first"
        )
    if not 2 <= len(names) <= UNKNOWN:
        raise ConfigError(f"folder: {origin} gives {len(names)} classes; expected 2..{UNKNOWN}")
    return ClassSet(root.resolve().name, names, tuple(map(_colour, range(len(names)))))


def _colour(index: int) -> tuple[int, int, int]:
    """A colour that differs from those of all other ids, far from those of near ids."""
    hue = index * 0.618034 % 1  # the golden ratio spreads any number of hues
    r, g, b = colorsys.hsv_to_rgb(hue, 0.9 - 0.4 * (index // 8 % 2), 0.95 - 0.3 * (index // 4 % 2))
    return round(r * 255), round(g * 255), round(b * 255)
