from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from saccade.classes import CAMVID, IGNORE
from saccade.datasets.folder import open_folder
from saccade.errors import ConfigError, DatasetError


def write(path: Path, pixels: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(pixels, np.uint8)).save(path)


def pair(root: Path, name: str, value: int, size: tuple[int, int] = (4, 6), suffix: str = ".png") -> None:
    write(root / "images" / f"{name}{suffix}", np.full((*size, 3), 10 * value))
    write(root / "labels" / f"{name}.png", np.full(size, value))


def test_images_are_one_clip_in_natural_order(tmp_path: Path) -> None:
    for value, name in enumerate(["f1", "f2", "f10", "f100"]):
        pair(tmp_path, name, value, suffix=(".png", ".jpg")[value % 2])
    (tmp_path / "images/notes.txt").write_text("not an image")
    (tmp_path / "images/._f1.png").write_text("what a Mac leaves behind")
    dataset = open_folder(tmp_path, "all", classes=4, fps=5.0)
    (clip,) = dataset.clips()
    assert [s.name for s in clip.stills] == ["f1", "f2", "f10", "f100"]
    samples = list(clip)
    assert [round(float(s.frame.image.mean()), -1) for s in samples] == [0, 10, 20, 30]
    assert [np.unique(s.label).tolist() for s in samples] == [[0], [1], [2], [3]]
    assert [s.frame.timestamp for s in samples] == [0.0, 0.2, 0.4, 0.6]
    assert [item.name for item in dataset.labelled()] == ["f1", "f2", "f10", "f100"]


def test_each_sub_folder_is_a_clip_also_where_folders_nest(tmp_path: Path) -> None:
    for value, name in enumerate(["b/1", "a/1", "a/x/1", "a/y"]):
        pair(tmp_path, name, value)
    clips = open_folder(tmp_path, "all", classes=4).clips()
    assert [[s.name for s in clip.stills] for clip in clips] == [["a/1", "a/y"], ["a/x/1"], ["b/1"]]


def test_a_clip_ends_where_the_size_changes(tmp_path: Path) -> None:
    for value, size in enumerate([(4, 6), (4, 6), (5, 6), (4, 6)]):
        pair(tmp_path, f"{value}", value, size)
    dataset = open_folder(tmp_path, "all", classes=4)
    assert [len(clip) for clip in dataset.clips()] == [2, 1, 1]
    assert [item.load()[0].shape for item in dataset.labelled()] == [
        (4, 6, 3),
        (4, 6, 3),
        (5, 6, 3),
        (4, 6, 3),
    ]


@pytest.mark.parametrize("layout", ["{split}/{kind}", "{kind}/{split}"])
def test_splits_lie_above_or_below_the_two_folders(tmp_path: Path, layout: str) -> None:
    for value, split in enumerate(["train", "val"]):
        write(tmp_path / layout.format(kind="images", split=split) / "a.png", np.full((2, 2, 3), 50 * value))
        write(tmp_path / layout.format(kind="labels", split=split) / "a.png", np.full((2, 2), value))
    for value, split in enumerate(["train", "val"]):
        (item,) = open_folder(tmp_path, split, classes=2).labelled()
        image, label = item.load()
        assert (image == 50 * value).all()
        assert (label == value).all()


def test_folders_without_splits_are_the_split_all(tmp_path: Path) -> None:
    pair(tmp_path, "a", 0)
    with pytest.raises(DatasetError, match=r"no split 'val'.*with split 'all'; found images/, labels/"):
        open_folder(tmp_path, "val", classes=2)


def test_folder_and_label_names_may_differ(tmp_path: Path) -> None:
    write(tmp_path / "Pics/p1.jpg", np.zeros((2, 2, 3)))
    write(tmp_path / "Masks/p1_mask.png", np.ones((2, 2)))
    options = {"images": "Pics", "labels": "Masks", "label_suffix": "_mask"}
    (item,) = open_folder(tmp_path, "all", classes=2, **options).labelled()
    assert (item.load()[1] == 1).all()


def test_palette_labels_are_read_as_indices(tmp_path: Path) -> None:
    pair(tmp_path, "a", 0, (2, 2))
    label = Image.fromarray(np.array([[0, 1], [2, 255]], np.uint8), "P")
    label.putpalette([7, 7, 7] * 256)
    label.save(tmp_path / "labels/a.png")
    assert open_folder(tmp_path, "all", classes=3).labelled()[0].load()[1].tolist() == [[0, 1], [2, IGNORE]]


def test_bilevel_labels_are_ids_0_and_1(tmp_path: Path) -> None:
    pair(tmp_path, "a", 0, (2, 2))
    Image.fromarray(np.array([[False, True], [True, False]])).save(tmp_path / "labels/a.png")
    assert open_folder(tmp_path, "all", classes=2).labelled()[0].load()[1].tolist() == [[0, 1], [1, 0]]


def test_classes_by_set_name_number_or_file(tmp_path: Path) -> None:
    pair(tmp_path, "a", 0)
    assert open_folder(tmp_path, "all", classes="camvid").classes is CAMVID
    assert open_folder(tmp_path, "all", classes=CAMVID).classes is CAMVID
    assert open_folder(tmp_path, "all", classes=3).classes.names == ("class 0", "class 1", "class 2")
    assert len(open_folder(tmp_path, "all", classes="3").classes) == 3
    assert len(set(open_folder(tmp_path, "all", classes=60).classes.colours)) == 60
    (tmp_path / "classes.txt").write_text("ground\n tree \n\nwater\n")
    assert open_folder(tmp_path, "all").classes.names == ("ground", "tree", "water")


@pytest.mark.parametrize("classes", [None, "cats", 0, 1, 255, -3, 2.5])
def test_unusable_classes(tmp_path: Path, classes: object) -> None:
    pair(tmp_path, "a", 0)
    with pytest.raises(ConfigError, match="classes"):
        open_folder(tmp_path, "all", classes=classes)  # type: ignore[arg-type]


@pytest.mark.parametrize("fps", [0.0, -1.0, float("nan")])
def test_unusable_rate(tmp_path: Path, fps: float) -> None:
    pair(tmp_path, "a", 0)
    with pytest.raises(ConfigError, match="fps is"):
        open_folder(tmp_path, "all", classes=2, fps=fps)


def test_unknown_ids_are_named_with_the_file(tmp_path: Path) -> None:
    pair(tmp_path, "a", 3)
    with pytest.raises(DatasetError, match=r"labels/a\.png has unknown class ids 3; expected 0\.\.2"):
        open_folder(tmp_path, "all", classes=3).labelled()[0].load()


def test_one_error_names_every_missing_and_mismatched_file(tmp_path: Path) -> None:
    for value, name in enumerate("abcd"):
        pair(tmp_path, name, value)
    (tmp_path / "images/a.png").unlink()
    (tmp_path / "labels/b.png").unlink()
    write(tmp_path / "labels/c.png", np.zeros((4, 7)))
    (tmp_path / "images/d.png").write_bytes(b"")
    with pytest.raises(DatasetError, match="problems with 4 files") as caught:
        open_folder(tmp_path, "all", classes=4)
    for part in (
        "no image for: labels/a.png",
        "no label for: images/b.png",
        "label of another size than its frame: labels/c.png (7x4, frame 6x4)",
        "not readable as an image: images/d.png",
    ):
        assert part in str(caught.value)


def test_20_files_are_shared_out_among_the_kinds_of_problems(tmp_path: Path) -> None:
    for n in range(30):
        write(tmp_path / f"images/i{n}.png", np.zeros((2, 2, 3)))
        write(tmp_path / f"labels/l{n}.png", np.zeros((2, 2)))
    with pytest.raises(DatasetError, match="problems with 60 files") as caught:
        open_folder(tmp_path, "all", classes=2)
    message = str(caught.value)
    assert (message.count("images/i"), message.count("labels/l"), message.count("and 20 more")) == (10, 10, 2)


def test_sparse_labels_leave_frames_unscored(tmp_path: Path) -> None:
    for value, name in enumerate("abc"):
        pair(tmp_path, name, value)
    (tmp_path / "labels/b.png").unlink()
    dataset = open_folder(tmp_path, "all", classes=3, sparse_labels=True)
    (clip,) = dataset.clips()
    assert [s.label is None for s in clip] == [False, True, False]
    assert [item.name for item in dataset.labelled()] == ["a", "c"]
    for name in "ac":
        (tmp_path / f"labels/{name}.png").unlink()
    with pytest.raises(DatasetError, match="no label for"):
        open_folder(tmp_path, "all", classes=3, sparse_labels=True)


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "labels").mkdir()
    with pytest.raises(DatasetError, match=r"expected images in"):
        open_folder(tmp_path, "all", classes=2)
