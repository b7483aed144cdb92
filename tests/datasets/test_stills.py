from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from saccade.datasets.files import Problems, check_sizes
from saccade.datasets.stills import IdLabels, LabelledStill, id_table, read_frame, read_ids
from saccade.errors import DatasetError

LABELS = IdLabels(id_table({0: 0, 1: 1}), "0..1")


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_images_are_turned_upright(tmp_path: Path, suffix: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by a quarter
    pixels = np.zeros((8, 16, 3), np.uint8)
    pixels[:, :8] = 255  # what lies left goes to the top
    Image.fromarray(pixels).save(tmp_path / f"a{suffix}", exif=exif)
    Image.fromarray(np.ones((16, 8), np.uint8)).save(tmp_path / "l.png")
    image = read_frame(tmp_path / f"a{suffix}")
    assert image.shape == (16, 8, 3)
    assert image[:7].min() > 200
    assert image[9:].max() < 50
    problems = Problems("folder", tmp_path, "all")
    check_sizes([(tmp_path / f"a{suffix}", tmp_path / "l.png")], problems)
    problems.raise_any("")  # the label has the size of the upright image


def test_damaged_files_are_named(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 255, (64, 64, 3), np.uint8)).save(tmp_path / "cut.png")
    data = (tmp_path / "cut.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(data[: len(data) // 2])
    (tmp_path / "text.png").write_text("hello")
    for name in ("cut.png", "text.png", "missing.png"):
        with pytest.raises(DatasetError, match=name):
            read_frame(tmp_path / name)
        with pytest.raises(DatasetError, match=f"{name} cannot be read as a label|mode RGB"):
            read_ids(tmp_path / name)


def test_a_label_of_another_size_is_an_error_on_load(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((4, 6, 3), np.uint8)).save(tmp_path / "a.png")
    Image.fromarray(np.zeros((4, 5), np.uint8)).save(tmp_path / "l.png")
    still = LabelledStill("a", tmp_path / "a.png", tmp_path / "l.png", LABELS)
    with pytest.raises(DatasetError, match=r"l\.png is 5x4 but its frame .*a\.png is 6x4"):
        still.load()


def test_16_bit_labels_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.array([[1, 300]], np.uint16)).save(tmp_path / "l.png")
    with pytest.raises(DatasetError, match="expected one 8-bit channel"):
        read_ids(tmp_path / "l.png")
