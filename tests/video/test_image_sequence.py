from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from saccade.errors import SourceError
from saccade.video import open_video
from saccade.video.image_sequence import natural_key, read_image, resize


def save(path, pixels, mode=None, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(pixels), mode).save(path, **options)
    return path


def test_numbers_in_names_order_by_value():
    names = ["frame10.png", "frame2.png", "Frame1.png", "frame2b.png", "a/9/x.png", "a/10/x.png", "007.png"]
    ordered = sorted((Path(name) for name in names), key=natural_key)
    assert [str(path) for path in ordered] == [
        "007.png", "a/9/x.png", "a/10/x.png", "Frame1.png", "frame2.png", "frame2b.png", "frame10.png",
    ]  # fmt: skip


def test_folder_is_a_video_in_natural_order(tmp_path):
    for number in (1, 2, 10):
        save(tmp_path / f"frame{number}.png", np.full((4, 6, 3), number, np.uint8))
    (tmp_path / "notes.txt").write_text("not an image")
    (tmp_path / "._frame3.png").write_bytes(b"left by another system")
    source = open_video(tmp_path)
    frames = list(source)
    assert [frame.image[0, 0, 0] for frame in frames] == [1, 2, 10]
    assert [frame.timestamp for frame in frames] == pytest.approx([0, 1 / 25, 2 / 25])
    assert (source.length, source.fps, source.height, source.width) == (3, 25.0, 4, 6)
    assert [frame.index for frame in source] == [0, 1, 2]


def test_glob_goes_through_folders(tmp_path):
    for clip, number in (("b", 1), ("a", 2), ("a", 11)):
        save(tmp_path / clip / f"{number}.png", np.full((4, 6, 3), number, np.uint8))
    (tmp_path / "a" / "1.txt").write_text("not an image")
    frames = list(open_video(str(tmp_path / "**" / "*")))
    assert [frame.image[0, 0, 0] for frame in frames] == [2, 11, 1]
    with pytest.raises(SourceError, match="no file matches"):
        open_video(str(tmp_path / "*.jpg"))


def test_folder_whose_name_looks_like_a_pattern(tmp_path):
    save(tmp_path / "clip[1]" / "1.png", np.zeros((4, 6, 3), np.uint8))
    assert open_video(tmp_path / "clip[1]").length == 1


def test_single_image(tmp_path):
    (frame,) = open_video(save(tmp_path / "a.png", np.full((4, 6, 3), 9, np.uint8)))
    assert frame.image.max() == 9


GREY = np.array([[0, 100], [200, 255]], np.uint8)
COLOUR = np.array([[[10, 20, 30], [0, 0, 255]], [[255, 0, 0], [40, 50, 60]]], np.uint8)


def kinds():
    """File name, pixels, mode to save, and what must come back."""
    alpha = np.array([[0, 255], [7, 128]], np.uint8)
    grey3 = np.repeat(GREY[:, :, None], 3, axis=2)
    deep = GREY.astype(np.uint16) * 256 + 17
    return [
        ("grey.png", GREY, None, grey3),
        ("grey_alpha.png", np.dstack([GREY, alpha]), "LA", grey3),
        ("grey16.png", deep, None, grey3),
        ("grey.tif", GREY, None, grey3),
        ("colour.png", COLOUR, None, COLOUR),
        ("colour.bmp", COLOUR, None, COLOUR),
        ("colour.webp", COLOUR, None, COLOUR),
        ("colour.ppm", COLOUR, None, COLOUR),
        ("alpha.png", np.dstack([COLOUR, alpha]), None, COLOUR),
        ("pixel.png", COLOUR[:1, :1], None, COLOUR[:1, :1]),
        ("black_and_white.png", GREY > 150, None, np.where(grey3 > 150, 255, 0)),
    ]


@pytest.mark.filterwarnings("ignore:'mode' parameter:DeprecationWarning")
@pytest.mark.parametrize(("name", "pixels", "mode", "expected"), kinds())
def test_every_kind_of_image_becomes_rgb_bytes(tmp_path, name, pixels, mode, expected):
    options = {"lossless": True} if name.endswith("webp") else {}
    image = read_image(save(tmp_path / name, pixels, mode, **options))
    assert image.dtype == np.uint8
    assert image.flags.c_contiguous
    np.testing.assert_array_equal(image, expected)


def test_palette_image_becomes_its_colours(tmp_path):
    picture = Image.fromarray(np.array([[0, 1], [2, 1]], np.uint8))
    picture.putpalette([10, 20, 30, 255, 0, 0, 0, 0, 255])
    picture.save(tmp_path / "a.png", transparency=1)
    expected = [[[10, 20, 30], [255, 0, 0]], [[0, 0, 255], [255, 0, 0]]]
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), expected)


def test_deep_colour_keeps_its_upper_bits(tmp_path):
    import cv2

    deep = np.arange(24, dtype=np.uint16).reshape(2, 4, 3) * 2600
    cv2.imwrite(str(tmp_path / "a.png"), deep)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), (deep // 256).astype(np.uint8)[:, :, ::-1])


def test_exif_turns_the_picture_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turn clockwise to see it upright
    wide = np.zeros((16, 32, 3), np.uint8)
    wide[:, :16] = 255
    image = read_image(save(tmp_path / "a.jpg", wide, quality=95, exif=exif))
    assert np.abs(image.astype(int) - np.rot90(wide, -1)).mean() < 3


def test_resizing_averages_when_shrinking():
    checks = np.indices((8, 8)).sum(0)[..., None].repeat(3, 2) % 2 * 200
    np.testing.assert_array_equal(resize(checks.astype(np.uint8), (4, 4)), np.full((4, 4, 3), 100))
    assert resize(checks.astype(np.uint8), (16, 12)).shape == (16, 12, 3)


def test_one_pixel_images_are_a_video(tmp_path):
    for number in range(3):
        save(tmp_path / f"{number}.png", np.full((1, 1, 3), number, np.uint8))
    assert [frame.image.tolist() for frame in open_video(tmp_path)] == [[[[n] * 3]] for n in range(3)]
    assert [frame.image.shape for frame in open_video(tmp_path, scale=0.1)] == [(1, 1, 3)] * 3


def test_images_of_different_sizes(tmp_path):
    for number, size in enumerate([(4, 6), (4, 6), (5, 6)]):
        save(tmp_path / f"{number}.png", np.full((*size, 3), number, np.uint8))
    seen = []
    with pytest.raises(SourceError, match=r"from 4x6 to 5x6.*2\.png"):
        seen.extend(frame.index for frame in open_video(tmp_path))
    assert len(list(open_video(tmp_path, size=(4, 6)))) == 3


def test_damaged_image_is_named(tmp_path):
    save(tmp_path / "1.png", np.zeros((4, 6, 3), np.uint8))
    (tmp_path / "2.png").write_bytes(b"\x89PNG\r\n\x1a\n and then nothing")
    (tmp_path / "3.png").touch()
    frames = iter(open_video(tmp_path))
    assert next(frames).index == 0
    with pytest.raises(SourceError, match=r"2\.png is not a readable image"):
        next(frames)
    with pytest.raises(SourceError, match=r"3\.png is not a readable image \(0 bytes\)"):
        open_video(tmp_path / "3.png")


def test_folder_without_images_names_the_cure(tmp_path):
    save(tmp_path / "clip" / "1.png", np.zeros((4, 6, 3), np.uint8))
    with pytest.raises(SourceError, match=r"no images in .*Subfolders"):
        open_video(tmp_path)
