"""The benchmark of boxes that are left behind, on boxes chosen by hand."""

import importlib
import sys
from pathlib import Path

import pytest
import torch

from saccade.networks.detector import Boxes

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def ghosts(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    yield importlib.import_module("ghosts").Ghosts()
    for name in ("ghosts", "machine"):
        sys.modules.pop(name, None)


def boxes(*rows):
    """Rows of left, top, right, bottom, score."""
    table = torch.tensor(rows).float().view(-1, 5)
    return Boxes(table[:, :4], table[:, 4], torch.zeros(len(table), dtype=torch.int64))


STAYS = (0, 0, 10, 30, 0.9)


def test_a_box_that_stays_when_somebody_has_gone_grows_older(ghosts):
    assert ghosts.update(boxes(STAYS), boxes(STAYS)) == []
    # By 5 of its 10 pixels further: an IoU of a third. By 6: of a quarter.
    assert ghosts.update(boxes(STAYS), boxes((5, 0, 15, 30, 0.9))) == []
    assert ghosts.update(boxes(STAYS), boxes((6, 0, 16, 30, 0.9))) == [1]
    assert ghosts.update(boxes(STAYS), boxes()) == [2]
    assert ghosts.update(boxes(), boxes()) == []
    assert ghosts.update(boxes(STAYS), boxes()) == [1]
    assert (ghosts.boxes, ghosts.oldest) == (3, 2)


def test_a_ghost_elsewhere_is_another_one(ghosts):
    assert ghosts.update(boxes(STAYS, (50, 0, 60, 30, 0.8)), boxes()) == [1, 1]
    assert ghosts.update(boxes((3, 0, 13, 30, 0.9), (56, 0, 66, 30, 0.8)), boxes()) == [2, 1]  # IoU 7/13, 1/4


def test_what_is_not_drawn_is_no_ghost_and_somebody_unlikely_is_somebody(ghosts):
    assert ghosts.update(boxes((0, 0, 10, 30, 0.35)), boxes()) == []
    assert ghosts.update(boxes(STAYS), boxes((0, 0, 10, 30, 0.15))) == []
