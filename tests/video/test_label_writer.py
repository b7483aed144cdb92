import resource

import numpy as np
import pytest
from PIL import Image

from saccade.classes import CAMVID, CITYSCAPES
from saccade.errors import OutputError
from saccade.video import LabelWriter


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_ids_are_pixel_values_and_the_palette_shows_the_colours(tmp_path):
    labels = np.arange(256, dtype=np.uint8).reshape(8, 32)
    with LabelWriter(tmp_path / "new" / "labels", CITYSCAPES) as writer:
        writer.write(labels, "000000")
    with Image.open(tmp_path / "new" / "labels" / "000000.png") as picture:
        assert picture.mode == "P"
        np.testing.assert_array_equal(np.asarray(picture), labels)
        colours = np.asarray(picture.convert("RGB")).reshape(256, 3)
    np.testing.assert_array_equal(colours[:19], CITYSCAPES.colours)
    assert colours[255].tolist() == [0, 0, 0]


def test_one_file_per_frame_and_labels_may_be_reused(tmp_path):
    buffer = np.empty((4, 5), np.uint8)
    with LabelWriter(tmp_path, CAMVID) as writer:
        for number in range(11):
            buffer[:] = number
            writer.write(buffer, f"{number:06d}")
        buffer[:] = 200
    assert names_in(tmp_path) == [f"{number:06d}.png" for number in range(11)]
    for number in range(11):
        assert (np.asarray(Image.open(tmp_path / f"{number:06d}.png")) == number).all()


def test_full_disk_keeps_what_is_finished(tmp_path):
    noise = np.random.default_rng(0).integers(0, 11, (64, 64), np.uint8)
    writer = LabelWriter(tmp_path, CAMVID)
    writer.write(np.zeros((64, 64), np.uint8), "small")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1500, hard))
    try:
        writer.write(noise, "large")
        with pytest.raises(OutputError, match=r"large\.png"):
            writer.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert names_in(tmp_path) == ["small.png"]
    assert Image.open(tmp_path / "small.png").size == (64, 64)


def test_folder_that_cannot_be_written_to(tmp_path):
    (tmp_path / "file").touch()
    for place in (tmp_path / "file", tmp_path / "file" / "labels", "/proc/labels"):
        with pytest.raises(OutputError, match="cannot write"):
            LabelWriter(place, CAMVID)


@pytest.mark.parametrize("labels", [np.zeros((2, 2), np.int64), np.zeros((2, 2, 3), np.uint8)])
def test_what_is_no_label_map(tmp_path, labels):
    with LabelWriter(tmp_path, CAMVID) as writer, pytest.raises(ValueError, match="uint8"):
        writer.write(labels, "a")
