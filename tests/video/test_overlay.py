import numpy as np
import pytest

from saccade.classes import CAMVID, IGNORE
from saccade.video.overlay import FULL_COLOUR, LOW_COLOUR, draw_overlay

rng = np.random.default_rng(0)


def plain(image, labels, opacity):
    """Blending pixel by pixel, in floats."""
    colours = np.array([*CAMVID.colours, (0, 0, 0)], float)[np.where(labels == IGNORE, 11, labels)]
    return (1 - opacity) * image + opacity * colours


@pytest.mark.parametrize("opacity", [0.0, 0.3, 1.0])
def test_classes_are_blended_over_the_image(opacity):
    image = rng.integers(0, 256, (20, 30, 3), np.uint8)
    labels = rng.integers(0, 11, (20, 30), np.uint8)
    labels[3:5] = IGNORE
    before = image.copy()
    out = draw_overlay(image, labels, CAMVID, opacity=opacity, legend=False)
    assert np.abs(out - plain(image, labels, opacity)).max() <= 0.51
    np.testing.assert_array_equal(image, before)


def test_blocks_are_outlined_and_kept_ones_darker():
    image = rng.integers(60, 200, (40, 56, 3), np.uint8)
    labels = rng.integers(0, 11, (40, 56), np.uint8)
    actions = np.array([[0, 1, 2, 0], [2, 0, 0, 1], [0, 0, 2, 2]], np.int8)
    out = draw_overlay(image, labels, CAMVID, actions=actions, legend=False, block_size=16)
    blended = plain(image, labels, 0.5)
    for y, x in np.ndindex(40, 56):
        row, column = y // 16, x // 16
        action = actions[row, column]
        bottom, right = min(16 * row + 16, 40) - 1, min(16 * column + 16, 56) - 1
        on_rim = y in (16 * row, bottom) or x in (16 * column, right)
        if action and on_rim:
            assert out[y, x].tolist() == list(FULL_COLOUR if action == 2 else LOW_COLOUR)
        else:
            expected = blended[y, x] * (1 if action else 0.72)
            assert np.abs(out[y, x] - expected).max() <= 1


def test_grid_without_a_block_size_divides_the_picture_evenly():
    image = np.full((30, 50, 3), 100, np.uint8)
    actions = np.array([[2, 0], [0, 0], [0, 2]], np.int8)
    out = draw_overlay(image, np.zeros((30, 50), np.uint8), CAMVID, 0.0, actions, legend=False)
    white = (out == 255).all(axis=2)
    assert white[:10, :25].sum() == white[20:, 25:].sum() == 2 * 25 + 2 * 8
    assert white.sum() == 2 * (2 * 25 + 2 * 8)


def test_lines_grow_with_the_picture():
    actions = np.full((1, 1), 2, np.int8)
    for side, line in ((100, 1), (1024, 2), (2048, 4)):
        out = draw_overlay(
            np.zeros((side, side, 3), np.uint8), np.zeros((side, side), np.uint8), CAMVID, 0.0, actions, False
        )
        column = out[:, side // 2, 0]
        assert column.sum() == 255 * 2 * line
        assert (column[:line] == 255).all()
        assert (column[-line:] == 255).all()


@pytest.mark.parametrize("size", [(1, 1), (1, 200), (200, 1), (3, 2), (40, 60)])
@pytest.mark.parametrize("block_size", [None, 1, 128])
def test_pictures_of_any_size(size, block_size):
    grid = tuple(-(-side // (block_size or 2)) for side in size)
    actions = rng.integers(0, 3, grid).astype(np.int8)
    image = rng.integers(0, 256, (*size, 3), np.uint8)
    out = draw_overlay(image, np.zeros(size, np.uint8), CAMVID, actions=actions, block_size=block_size)
    assert out.shape == image.shape
    assert out.dtype == np.uint8


def test_labels_of_another_size_are_refused():
    with pytest.raises(ValueError, match="resize"):
        draw_overlay(np.zeros((4, 4, 3), np.uint8), np.zeros((2, 2), np.uint8), CAMVID)
