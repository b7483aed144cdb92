from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from saccade.classes import CITYSCAPES
from saccade.datasets import DATASETS, open_dataset
from saccade.errors import ConfigError, DatasetError


def write(path: Path, pixels: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(pixels, np.uint8)).save(path)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder that is a data set in all three layouts, of different numbers of labelled frames."""
    label, frame = np.zeros((2, 4)), np.zeros((2, 4, 3))
    for n in range(3):
        write(tmp_path / f"val/{n}.png", frame)
        write(tmp_path / f"valannot/{n}.png", label)
    for n in range(2):
        write(tmp_path / f"val/images/{n}.png", frame)
        write(tmp_path / f"val/labels/{n}.png", label)
    write(tmp_path / "leftImg8bit/val/ulm/ulm_000000_000019_leftImg8bit.png", frame)
    write(tmp_path / "gtFine/val/ulm/ulm_000000_000019_gtFine_labelIds.png", label)
    return tmp_path


def test_each_name_opens_its_data_set(root: Path) -> None:
    assert open_dataset("cityscapes", root).name == "cityscapes"
    assert len(open_dataset("cityscapes", str(root)).labelled()) == 1
    dataset = open_dataset("folder", root, "val", classes=2)
    assert (dataset.name, len(dataset.labelled())) == ("folder", 2)
    (root / "val/images").rename(root / "images")
    (root / "val/labels").rename(root / "labels")
    dataset = open_dataset("camvid", root)
    assert (dataset.name, dataset.split, len(dataset.labelled())) == ("camvid", "val", 3)


def test_the_world_needs_no_root_and_takes_its_options() -> None:
    dataset = open_dataset("world", split="train", clips=1, frames=2, size=(32, 48), classes="cityscapes")
    assert (dataset.name, dataset.split, dataset.classes) == ("world", "train", CITYSCAPES)
    (clip,) = dataset.clips()
    assert [(s.frame.image.shape, s.label is not None) for s in clip] == [((32, 48, 3), True)] * 2
    assert open_dataset("world", "/nowhere").split == "val"
    with pytest.raises(ConfigError, match="'world' has no option 'colour'; it takes seed"):
        open_dataset("world", colour="red")


def test_an_unknown_name_lists_what_exists() -> None:
    with pytest.raises(
        DatasetError,
        match="no data set 'kitti'; there are camvid, citypersons, cityscapes, folder, mot, pennf",
    ):
        open_dataset("kitti", "/")
    assert list(DATASETS) == ["camvid", "citypersons", "cityscapes", "folder", "mot", "pennfudan", "world"]


@pytest.mark.parametrize("name", ["camvid", "cityscapes", "folder"])
def test_a_data_set_on_disk_needs_its_root(name: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=f"{name} needs the folder it lies in"):
        open_dataset(name)
    with pytest.raises(DatasetError, match=f"{name}: .*nowhere does not exist; expected a folder with"):
        open_dataset(name, tmp_path / "nowhere")
    (tmp_path / "file").touch()
    with pytest.raises(DatasetError, match="file is not a folder"):
        open_dataset(name, tmp_path / "file")


def test_options_go_to_the_data_set_and_unknown_ones_are_refused(root: Path) -> None:
    assert len(open_dataset("cityscapes", root, clip_length=1).clips()[0]) == 1
    with pytest.raises(
        ConfigError, match="'cityscapes' has no option 'length'; it takes clip_length, allow_short"
    ):
        open_dataset("cityscapes", root, length=3)
    with pytest.raises(ConfigError, match="'camvid' has no option 'clip_length'; it takes none"):
        open_dataset("camvid", root, clip_length=3)
