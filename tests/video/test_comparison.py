import numpy as np
import pytest

from saccade.classes import CAMVID, IGNORE
from saccade.video.comparison import DIFFERENT, draw_comparison
from saccade.video.overlay import Blocks, draw_overlay

rng = np.random.default_rng(0)


def marked(picture: np.ndarray) -> np.ndarray:
    return (picture == DIFFERENT).all(axis=2)


def test_the_method_is_on_the_left_and_frame_by_frame_execution_on_the_right():
    image = rng.integers(0, 200, (20, 30, 3), np.uint8)
    labels = rng.integers(0, 11, (20, 30), np.uint8)
    blocks = Blocks(np.array([[2, 0, 0], [0, 2, 0]]), np.array([[0, 3, 9], [1, 0, 1]]), 12)
    out = draw_comparison(image, labels, labels, CAMVID, "blockcopy", blocks)
    assert out.shape == (20, 60, 3)
    left = draw_overlay(image, labels, CAMVID, blocks=blocks, legend=False)
    np.testing.assert_array_equal(out[:, :29], left[:, :29])
    right = draw_overlay(image, labels, CAMVID, legend=False)
    np.testing.assert_array_equal(out[:, 31:], right[:, 1:])
    assert (out[:, 29:31] == 0).all()  # a line between them


def test_pixels_that_differ_are_marked_on_the_left():
    image = np.full((40, 60, 3), 90, np.uint8)
    dense = np.full((40, 60), 3, np.uint8)
    labels = dense.copy()
    labels[10:30, 10:40] = 8  # a region
    labels[35, 5] = 8  # a pixel
    labels[5, 50] = IGNORE
    out = draw_comparison(image, labels, dense, CAMVID, "blockcopy")
    expected = np.zeros((40, 60), bool)
    expected[10:30, 10:40] = expected[35, 5] = expected[5, 50] = True
    inside = np.zeros_like(expected)
    inside[12:28, 12:38] = True
    np.testing.assert_array_equal(marked(out[:, :60]), expected & ~inside)
    assert not marked(out[:, 60:]).any()
    plain = draw_overlay(image, labels, CAMVID, legend=False)
    # Inside a region the class can be seen through the mark.
    half = (plain[20, 20].astype(int) + DIFFERENT) / 2
    assert np.abs(out[12:28, 12:38] - half).max() <= 1


@pytest.mark.parametrize("blocks", [None, Blocks(np.array([[2, 0], [0, 0]]))])
def test_captions_and_legend_are_drawn_where_there_is_room(blocks):
    image = np.full((360, 480, 3), 90, np.uint8)
    labels = np.zeros((360, 480), np.uint8)
    out = draw_comparison(image, labels, labels, CAMVID, "blockcopy", blocks)
    bright = (out > 180).all(axis=2)
    for panel in (bright[2:16, :480], bright[2:16, 480:]):
        assert panel[:, 10:120].any()
    assert bright[2:16, 380:470].any()  # how many pixels agree
    assert not bright[2:16, 480 + 380 :].any()
    assert marked(out[-60:]).any()  # what the mark means


def test_labels_that_differ_everywhere_and_pictures_of_a_pixel():
    for size in ((1, 1), (3, 1), (1, 7)):
        image = np.zeros((*size, 3), np.uint8)
        out = draw_comparison(image, np.zeros(size, np.uint8), np.ones(size, np.uint8), CAMVID, "a")
        assert out.shape == (size[0], 2 * size[1], 3)
