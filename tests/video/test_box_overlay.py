import numpy as np

from saccade.classes import PEDESTRIANS
from saccade.video.box_overlay import DIFFERENT, draw_box_comparison, draw_boxes
from saccade.video.overlay import FULL_COLOUR, Blocks

COLOUR = PEDESTRIANS.colours[0]


def grey(height: int = 60, width: int = 90) -> np.ndarray:
    return np.full((height, width, 3), 100, np.uint8)


def test_a_box_is_a_rectangle_on_its_outermost_pixels() -> None:
    image = grey()
    out = draw_boxes(image, np.array([[10.0, 5, 30, 45]]), [0], [0.9], PEDESTRIANS, legend=False)
    drawn = (out == COLOUR).all(2)
    expected = np.zeros((60, 90), bool)
    expected[5:45, 10:30] = True
    expected[6:44, 11:29] = False
    assert (drawn == expected).all()
    assert (image == 100).all()
    assert (out[~drawn] == 100).all()


def test_the_score_is_written_in_boxes_that_are_wide_enough() -> None:
    out = draw_boxes(grey(), np.array([[10.0, 5, 50, 45]]), [0], [0.9], PEDESTRIANS, legend=False)
    inside = out[6:44, 11:49]
    assert (inside != 100).any()
    assert (inside[12:] == 100).all()


def test_boxes_may_reach_beyond_the_frame_and_there_may_be_none() -> None:
    out = draw_boxes(grey(), np.array([[-20.0, -10, 20, 30]]), [0], [0.9], PEDESTRIANS, legend=False)
    assert (out[:29, 19] == COLOUR).all()
    assert (draw_boxes(grey(), np.zeros((0, 4)), [], [], PEDESTRIANS, legend=False) == 100).all()


def test_boxes_without_a_partner_are_in_another_colour() -> None:
    boxes = np.array([[2.0, 2, 20, 40], [40, 2, 60, 40]])
    out = draw_boxes(grey(), boxes, [0, 0], [0.9, 0.8], PEDESTRIANS, different=[False, True], legend=False)
    assert (out[20, 2] == COLOUR).all()
    assert (out[20, 40] == DIFFERENT).all()


def test_blocks_are_shown_beneath() -> None:
    blocks = Blocks(np.array([[2, 0, 0], [0, 0, 0]]), size=30)
    out = draw_boxes(grey(), np.array([[5.0, 5, 20, 55]]), [0], [0.9], PEDESTRIANS, blocks, legend=False)
    assert (out[0, :30] == FULL_COLOUR).all()
    assert (out[10, 60] < 100).all()
    assert (out[50, 5] == COLOUR).all()  # not darkened


def test_a_comparison_is_twice_as_wide() -> None:
    out = draw_box_comparison(grey(), grey(), "blockcopy", PEDESTRIANS)
    assert out.shape == (60, 180, 3)
    assert (out[:, 89:91] == 0).all()
