from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from saccade.datasets.cityscapes import open_cityscapes
from saccade.datasets.trim import trim_cityscapes_sequence
from saccade.errors import DatasetError, OutputError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """One snippet of val, labelled at 294, one of train, labelled at 19; train has no file 16."""
    root = tmp_path / "full"
    for split, stem, numbers, label in (
        ("val", "frankfurt/frankfurt_000000", range(275, 305), 294),
        ("train", "ulm/ulm_000007", [n for n in range(30) if n != 16], 19),
    ):
        files = [f"leftImg8bit_sequence/{split}/{stem}_{n:06d}_leftImg8bit.png" for n in numbers]
        files.append(f"leftImg8bit/{split}/{stem}_{label:06d}_leftImg8bit.png")
        files.append(f"gtFine/{split}/{stem}_{label:06d}_gtFine_labelIds.png")
        for file in files:
            (root / file).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.zeros((2, 4), np.uint8)).save(root / file)
    return root


EXPECTED = {
    *(
        f"leftImg8bit_sequence/val/frankfurt/frankfurt_000000_{n:06d}_leftImg8bit.png"
        for n in (292, 293, 294)
    ),
    *(f"leftImg8bit_sequence/train/ulm/ulm_000007_{n:06d}_leftImg8bit.png" for n in (17, 18, 19)),
    "leftImg8bit/val/frankfurt/frankfurt_000000_000294_leftImg8bit.png",
    "leftImg8bit/train/ulm/ulm_000007_000019_leftImg8bit.png",
    "gtFine/val/frankfurt/frankfurt_000000_000294_gtFine_labelIds.png",
    "gtFine/train/ulm/ulm_000007_000019_gtFine_labelIds.png",
}


def files_of(folder: Path) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


def test_only_the_frames_of_clips_are_linked(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "trimmed"
    for _ in range(2):  # a second run finds everything in place
        assert trim_cityscapes_sequence(root, out, 3) == 10
        assert files_of(out) == EXPECTED
    assert all((out / file).samefile(root / file) for file in EXPECTED)
    assert len(open_cityscapes(out, "train", clip_length=3).clips()[0]) == 3


def test_files_are_copied_to_another_file_system(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    assert trim_cityscapes_sequence(root, tmp_path / "trimmed", 3) == 10
    assert files_of(tmp_path / "trimmed") == EXPECTED
    assert all((tmp_path / "trimmed" / f).read_bytes() == (root / f).read_bytes() for f in EXPECTED)


def test_missing_frames_are_named_before_anything_is_written(root: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="ulm_000007_000016_leftImg8bit"):
        trim_cityscapes_sequence(root, tmp_path / "trimmed", 4)
    assert not (tmp_path / "trimmed").exists()


def test_a_tree_without_snippets_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="with snippets and labels"):
        trim_cityscapes_sequence(tmp_path, tmp_path / "trimmed")


def test_a_place_that_cannot_be_written_is_named(root: Path, tmp_path: Path) -> None:
    (tmp_path / "trimmed").write_text("a file in the way")
    with pytest.raises(OutputError, match=r"trimmed.* cannot be written"):
        trim_cityscapes_sequence(root, tmp_path / "trimmed", 3)
