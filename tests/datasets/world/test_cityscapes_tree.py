from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from saccade.datasets import open_dataset
from saccade.datasets.cityscapes import TRAIN_IDS
from saccade.datasets.world import write_cityscapes_tree
from saccade.errors import ConfigError, OutputError


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cityscapes")
    assert write_cityscapes_tree(folder, seed=1, snippets=2, frames=21, size=(24, 48), splits=["val"]) == 46
    return folder


def test_the_reader_of_cityscapes_finds_every_snippet(root: Path) -> None:
    dataset = open_dataset("cityscapes", root, "val")
    assert len(dataset.labelled()) == 2
    for clip in dataset.clips():
        samples = list(clip)
        assert len(samples) == 20
        assert [s.label is not None for s in samples] == [False] * 19 + [True]
        label = samples[-1].label
        assert label is not None
        assert label.shape == (24, 48)
        assert label.max() < 19


def test_files_are_named_and_numbered_as_in_cityscapes(root: Path) -> None:
    stills = sorted(p.name for p in (root / "leftImg8bit/val").rglob("*.png"))
    assert stills[1] == "lowbridge_000000_000019_leftImg8bit.png"
    high, number = stills[0].split("_000000_")
    labelled = int(number.split("_")[0])
    assert high == "highbridge"
    assert labelled > 100  # numbered through a recording
    sequence = sorted((root / "leftImg8bit_sequence/val/highbridge").iterdir())
    numbers = [int(p.name.split("_")[2]) for p in sequence]
    assert numbers == list(range(labelled - 19, labelled + 2))
    same = root / "leftImg8bit_sequence/val/highbridge" / stills[0]
    assert same.read_bytes() == (root / "leftImg8bit/val/highbridge" / stills[0]).read_bytes()


def test_labels_are_label_ids_of_the_19_classes(root: Path) -> None:
    for path in (root / "gtFine").rglob("*_gtFine_labelIds.png"):
        with Image.open(path) as image:
            assert image.mode == "L"
            ids = set(np.unique(np.asarray(image)).tolist())
        assert ids <= set(TRAIN_IDS)
        assert {7, 23} <= ids  # road and sky


def test_arguments_and_places_that_cannot_work_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="frames is 19; the 20th frame of a snippet is labelled"):
        write_cityscapes_tree(tmp_path, frames=19)
    with pytest.raises(ConfigError, match="no split 'test'"):
        write_cityscapes_tree(tmp_path, splits=["test"])
    with pytest.raises(ConfigError, match="snippets=0"):
        write_cityscapes_tree(tmp_path, snippets=0)
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="a part of the path is a file"):
        write_cityscapes_tree(tmp_path / "file", snippets=1, frames=20, size=(4, 8))
