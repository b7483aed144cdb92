"""Boxes that go where what is in them has gone, and how they are joined with those that are new."""

import pytest
import torch

from saccade.methods.box_motion import BoxMotion
from saccade.methods.box_task import joined
from saccade.networks.detector import Boxes


def picture(places, size=(96, 160), side=(32, 24)):
    """Noise, with patterns of ``side`` put at ``(left, top)``; the n-th place has the n-th pattern."""
    random = torch.Generator().manual_seed(5)
    frame = 0.1 * torch.randn(1, 3, *size, generator=random)
    for left, top in places:
        pattern = torch.randn(3, *side, generator=random)
        frame[0, :, top : top + side[0], left : left + side[1]] = pattern
    return frame


def boxes(*rows):
    """Rows of left, top, right, bottom, score, and the class where it is not 0."""
    table = torch.tensor([[*row, 0][:6] for row in rows]).float().view(-1, 6)
    return Boxes(table[:, :4], table[:, 4], table[:, 5].long())


def at(left, top, score=0.9):
    return (left, top, left + 24, top + 32, score)


def test_each_box_goes_where_its_contents_went():
    motion = BoxMotion()
    motion.resize(1)
    before = [(20, 30), (100, 40)]
    assert motion.follow(picture(before), ()) == ()
    moved = motion.follow(picture([(26, 28), (93, 40)]), [boxes(at(20, 30), at(100, 40, 0.4))])[0]
    assert moved.xyxy.tolist() == [list(at(26, 28)[:4]), list(at(93, 40)[:4])]
    assert moved.scores.tolist() == pytest.approx([0.9, 0.4])


def test_what_cannot_be_found_stays():
    motion = BoxMotion()
    motion.resize(1)
    motion.follow(picture([(20, 30)]), ())
    gone = motion.follow(torch.randn(1, 3, 96, 160), [boxes(at(20, 30))])[0]
    assert gone.xyxy.tolist() == [list(at(20, 30)[:4])]


@pytest.mark.parametrize("value", [0.0, float("nan")])
def test_pictures_without_anything_do_no_harm(value):
    motion = BoxMotion()
    motion.resize(1)
    motion.follow(torch.full((1, 3, 96, 160), value), ())
    moved = motion.follow(torch.full((1, 3, 96, 160), value), [boxes(at(20, 30), (5, 5, 6, 6, 0.5))])[0]
    assert moved.xyxy.tolist() == [list(at(20, 30)[:4]), [5, 5, 6, 6]]


def test_large_boxes_are_compared_reduced():
    motion = BoxMotion()
    motion.resize(1)
    large = {"size": (480, 640), "side": (240, 96)}
    motion.follow(picture([(200, 100)], **large), ())
    # 240 pixels are more than 96: by thirds, so steps are of three pixels.
    moved = motion.follow(picture([(212, 106)], **large), [boxes((200, 100, 296, 340, 0.9))])[0]
    assert moved.xyxy.tolist() == [[212, 106, 308, 346]]
    assert motion.macs == 60 * 24 * 41 * 41  # 180 x 72 pixels, 20 places in every direction


def test_streams_have_pictures_of_their_own():
    motion = BoxMotion()
    motion.resize(2)
    motion.follow(torch.cat((picture([(20, 30)]), picture([(60, 30)]))), ())
    later = torch.cat((picture([(25, 30)]), picture([(52, 30)])))
    first, second = motion.follow(later, [boxes(at(20, 30)), boxes(at(60, 30))])
    assert (first.xyxy[0, 0], second.xyxy[0, 0]) == (25, 52)
    motion.keep([1])
    assert motion.follow(picture([(55, 30)]), [second])[0].xyxy[0, 0] == 55


def grid(*executed):
    where = torch.zeros(3, 5, dtype=torch.bool)
    for row, column in executed:
        where[row, column] = True
    return where


def test_a_box_is_new_where_its_middle_was_executed():
    new, old = boxes(at(20, 32, 0.8)), boxes(at(22, 32, 0.9), at(100, 32, 0.5))
    found = joined(new, old, grid((1, 1)), 32)  # columns 32 to 64, rows 32 to 64
    assert found.scores.tolist() == pytest.approx([0.8, 0.5])  # nothing expected stays in an executed block
    assert joined(new, old, grid((2, 4)), 32).scores.tolist() == pytest.approx([0.9, 0.5])


def test_who_walks_into_a_kept_block_is_not_lost():
    # The old place was executed, where nobody is any more; the new one was not.
    assert len(joined(boxes(), boxes(at(60, 32)), grid((1, 1)), 32)) == 1


def test_who_walks_into_an_executed_block_is_not_there_twice():
    # Found anew a little beside what is expected, on the other side of the edge between blocks.
    found = joined(boxes(at(54, 32, 0.7)), boxes(at(49, 32, 0.9)), grid((1, 2)), 32)
    assert found.scores.tolist() == pytest.approx([0.7])


def test_what_the_old_may_have_suppressed_stays():
    # In the kept block the old peak remains; what is expected lies in the executed one beside it.
    found = joined(boxes(at(47, 32, 0.9)), boxes(at(54, 32, 0.8)), grid((1, 2)), 32)
    assert found.xyxy.tolist() == [list(at(54, 32)[:4])]


def test_classes_are_told_apart():
    new, old = boxes((*at(54, 32, 0.7), 1)), boxes((*at(49, 32, 0.9), 2))
    assert joined(new, old, grid((1, 2)), 32).labels.tolist() == [2, 1]


def test_boxes_beyond_the_edge_belong_to_the_last_block():
    found = joined(boxes((150, 80, 180, 110, 0.9)), boxes(), grid((2, 4)), 32)
    assert len(found) == 1
