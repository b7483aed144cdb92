import numpy as np
import pytest

from saccade.classes import CAMVID, CITYSCAPES, ClassSet
from saccade.errors import ConfigError
from saccade.video.palette import colour_labels, palette, unnamed_classes


@pytest.mark.parametrize("classes", [CITYSCAPES, CAMVID])
def test_classes_have_their_own_colours_and_ignore_is_black(classes):
    colours = palette(classes)
    assert (colours.shape, colours.dtype) == ((256, 3), np.uint8)
    np.testing.assert_array_equal(colours[: len(classes)], classes.colours)
    assert colours[255].tolist() == [0, 0, 0]
    assert len({tuple(colour) for colour in colours[len(classes) : 255].tolist()}) == 255 - len(classes)


@pytest.mark.parametrize("count", [1, 2, 19, 150, 255])
def test_unnamed_classes_differ_in_colour_and_are_not_black(count):
    classes = unnamed_classes(count)
    assert len(classes) == len(set(classes.colours)) == len(set(classes.names)) == count
    assert all(max(colour) > 100 for colour in classes.colours)
    assert classes.colours == unnamed_classes(255).colours[:count]
    assert classes == unnamed_classes(count)


def test_first_unnamed_colours_are_told_apart_easily():
    colours = np.array(unnamed_classes(12).colours, float)
    distances = np.linalg.norm(colours[:, None] - colours[None], axis=2) + 1000 * np.eye(12)
    assert distances.min() > 50


@pytest.mark.parametrize("count", [0, 256])
def test_counts_that_label_maps_cannot_hold(count):
    with pytest.raises(ConfigError, match="255"):
        unnamed_classes(count)


def test_class_set_that_label_maps_cannot_hold():
    names = tuple(str(i) for i in range(300))
    with pytest.raises(ConfigError, match="300 classes"):
        palette(ClassSet("large", names, ((1, 2, 3),) * 300))


def test_every_pixel_gets_the_colour_of_its_label():
    labels = np.random.default_rng(0).integers(0, 256, (7, 300), np.uint8)
    wide = np.zeros((7, 600), np.uint8)
    wide[:, ::2] = labels
    for given in (labels, wide[:, ::2]):  # contiguous and not
        picture = colour_labels(given, CITYSCAPES)
        for y, x in np.ndindex(labels.shape):
            assert picture[y, x].tolist() == palette(CITYSCAPES)[labels[y, x]].tolist()
