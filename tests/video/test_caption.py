import numpy as np
import pytest

from saccade.video.caption import draw_caption


def captioned(height, width, words="blockcopy", aside="", background=128):
    image = np.full((height, width, 3), background, np.uint8)
    draw_caption(image, words, aside)
    return image


def ink(image):
    """Columns with bright letters."""
    return np.flatnonzero((image > 180).all(axis=2).any(axis=0))


def line_height(image, background=128):
    return int((image != background).any(axis=(1, 2)).sum())


@pytest.mark.parametrize(("height", "width"), [(200, 300), (360, 480), (1080, 1920), (900, 500)])
def test_words_stand_on_the_left_and_what_is_aside_on_the_right(height, width):
    alone, both = captioned(height, width), captioned(height, width, aside="97.3 % agree")
    assert ink(alone).min() > 0
    assert ink(alone).max() < 0.6 * width
    assert ink(both).min() == ink(alone).min()
    assert 0.8 * width < ink(both).max() < width
    assert 0 < line_height(both) <= 0.12 * height
    assert (both[line_height(both) :] == 128).all()


def test_letters_grow_with_the_picture():
    heights = [line_height(captioned(height, 2 * height)) for height in (360, 720, 1440)]
    assert heights[1] / heights[0] == pytest.approx(2, rel=0.1)
    assert heights[2] / heights[1] == pytest.approx(2, rel=0.1)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (30, 500), (500, 30)])
def test_pictures_too_small_for_the_words_get_none(height, width):
    assert line_height(captioned(height, width)) == 0
