import numpy as np
import pytest

from saccade.classes import CAMVID, CITYSCAPES
from saccade.video.legend import Entry, draw_legend
from saccade.video.palette import unnamed_classes


def with_legend(height, width, classes, background=128, entries=()):
    image = np.full((height, width, 3), background, np.uint8)
    draw_legend(image, classes, entries)
    return image


def strip_height(image, background=128):
    changed = np.flatnonzero((image != background).any(axis=(1, 2)))
    return 0 if changed.size == 0 else image.shape[0] - int(changed[0])


def pixels_of(image, colour):
    red, green, blue = colour
    return int(((image[:, :, 0] == red) & (image[:, :, 1] == green) & (image[:, :, 2] == blue)).sum())


@pytest.mark.parametrize(
    ("height", "width"), [(360, 480), (720, 1280), (1024, 2048), (2160, 3840), (900, 500)]
)
@pytest.mark.parametrize("classes", [CAMVID, CITYSCAPES])
def test_every_class_has_its_swatch_at_the_foot(height, width, classes):
    image = with_legend(height, width, classes)
    assert 0.03 < strip_height(image) / height <= 0.2
    image = image[-strip_height(image) :]
    for colour in classes.colours:
        assert pixels_of(image, colour) >= 25


def test_swatches_and_letters_grow_with_the_picture():
    small, large = with_legend(360, 480, CAMVID), with_legend(1440, 1920, CAMVID)
    ratio = pixels_of(large, CAMVID.colours[0]) / pixels_of(small, CAMVID.colours[0])
    assert 8 < ratio < 24  # four times as wide and high, with less rim


def test_picture_shines_through_but_letters_stay_white():
    dark, bright = with_legend(360, 480, CAMVID, 0), with_legend(360, 480, CAMVID, 255)
    foot = slice(360 - strip_height(dark, 0), None)
    assert np.median(dark[foot]) < 20 < np.median(bright[foot]) < 110
    for image in (dark, bright):
        assert pixels_of(image[foot], (255, 255, 255)) > 100


def test_what_does_not_fit_is_counted_and_the_strip_stays_low():
    image = with_legend(240, 320, unnamed_classes(150))
    assert strip_height(image) <= 0.2 * 240
    shown = [colour for colour in unnamed_classes(150).colours if pixels_of(image, colour)]
    assert shown == list(unnamed_classes(150).colours[: len(shown)])
    assert 4 < len(shown) < 150


def test_outlines_and_scales_are_explained_too():
    pink = (255, 0, 255)
    scale = ((200, 255, 0), (100, 255, 0), (0, 255, 0))
    entries = (Entry("computed", (pink,), outline=True), Entry("by age", scale), Entry("differs", (pink,)))
    outline, by_age, field = (with_legend(360, 480, CAMVID, entries=(entry,)) for entry in entries)
    for image, filled in ((outline, False), (field, True)):
        rows, columns = np.nonzero((image == pink).all(axis=2))
        middle = image[(rows.min() + rows.max()) // 2, (columns.min() + columns.max()) // 2]
        assert (middle == pink).all() == filled
    columns = [np.flatnonzero((by_age == colour).all(axis=2).any(axis=0)) for colour in scale]
    assert all(len(found) > 2 for found in columns)
    assert columns[0].max() < columns[1].min() <= columns[1].max() < columns[2].min()


@pytest.mark.parametrize(("height", "width"), [(1, 1), (40, 400), (400, 30), (20, 20)])
def test_pictures_too_small_for_letters_get_none(height, width):
    assert strip_height(with_legend(height, width, CITYSCAPES)) == 0
