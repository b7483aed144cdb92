from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from saccade.classes import CITYSCAPES
from saccade.datasets.clip import Box
from saccade.datasets.world.boxes import boxes
from saccade.datasets.world.camera import Camera
from saccade.datasets.world.faces import FaceBuilder
from saccade.datasets.world.film import Film
from saccade.datasets.world.raster import Outlines, rasterise

PERSON, WALL = CITYSCAPES.names.index("person"), CITYSCAPES.names.index("wall")


def boxes_of(people: list[tuple[float, float]], wall: tuple[float, float] | None = None) -> tuple[Box, ...]:
    """Boxes of people 0.5 m wide and 1.8 m tall at ``(x, y)``, perhaps behind a wall between two x."""
    camera = Camera((0.0, 0.0, 1.5), 0.0, 0.0, 0.0, 100.0, (80, 120))
    builder = FaceBuilder()
    for thing, (x, y) in enumerate(people):
        builder.panel((x - 0.25, y, 0), (0.5, 0, 0), (0, 0, 0.9), 0, PERSON, thing=thing + 1)
        builder.panel((x - 0.25, y, 0.9), (0.5, 0, 0), (0, 0, 0.9), 0, PERSON, thing=thing + 1)
    if wall:
        builder.panel((wall[0], 3, 0), (wall[1] - wall[0], 0, 0), (0, 0, 3), 0, WALL, thing=99)
    table = builder.build()
    planes = table.pose(camera, np.zeros((0, 3, 3)), np.zeros((0, 3)))
    ground = camera.plane_to_pixel(
        np.array([[0, 0, 500.0], [0, 0, 0]]), np.array([[1.0, 0, 0]] * 2), np.array([[0, 1.0, 0]] * 2)
    )
    return boxes(table, rasterise(camera, Outlines.of([]), ground, table, planes), 2)


def test_a_person_in_the_open_is_wholly_visible_in_a_box_of_the_right_size() -> None:
    (box,) = boxes_of([(0.0, 5.0)])
    assert (box.label, box.identity) == ("person", 1)
    assert box.visible == pytest.approx(1.0, abs=0.04)  # the rim below the feet lies in the ground
    # 5 m away: 10 pixels wide around the middle column, feet 30 below and head 6 above the middle row.
    assert (box.x1, box.x2) == pytest.approx((59.5 - 5, 59.5 + 5), abs=1)
    assert (box.y1, box.y2) == pytest.approx((39.5 - 6, 39.5 + 30), abs=1)


def test_hidden_parts_count_and_hidden_people_do_not_appear() -> None:
    (box,) = boxes_of([(0.0, 5.0)], wall=(-1.0, 0.0))  # its right edge hides the left half
    (whole,) = boxes_of([(0.0, 5.0)])
    assert box.visible == pytest.approx(0.5, abs=0.06)
    assert (box.x1, box.y1, box.x2, box.y2) == (whole.x1, whole.y1, whole.x2, whole.y2)
    assert boxes_of([(0.0, 5.0)], wall=(-1.0, 1.0)) == ()


def test_boxes_reach_out_of_the_image() -> None:
    (box,) = boxes_of([(-3.0, 5.0)])  # 60 pixels left of the middle: cut in two by the image's edge
    assert box.x1 == pytest.approx(59.5 - 65, abs=1)
    assert box.visible == pytest.approx(0.5, abs=0.06)


def test_one_box_per_person_with_an_identity_that_stays() -> None:
    assert [b.identity for b in boxes_of([(0.0, 5.0), (1.5, 6.0)])] == [1, 2]
    films = (Film((seed, 0), 6, 10.0, (120, 160), "static") for seed in range(40))
    film = next(f for f in films if len(f.view(0).boxes) > 2)
    tracks = [{b.identity: b for b in film.view(k).boxes} for k in range(6)]
    assert all(tracks)
    for before, now in pairwise(tracks):
        for identity in before.keys() & now.keys():
            a, b = before[identity], now[identity]
            assert a.label == b.label
            width = b.x2 - b.x1
            assert abs((a.x1 + a.x2) - (b.x1 + b.x2)) / 2 < 1.2 * width + 6  # nobody jumps
