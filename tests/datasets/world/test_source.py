from __future__ import annotations

import numpy as np
import pytest

from saccade.datasets.world import WorldDataset, WorldSource
from saccade.errors import SourceError
from saccade.video import open_video


def test_the_world_opens_by_name_at_any_size_and_length() -> None:
    with open_video("world:3", size=(31, 47), max_frames=3) as source:
        frames = list(source)
        again = list(source)
    assert isinstance(source, WorldSource)
    assert (source.name, source.length, source.fps) == ("world:3", 3, 25.0)
    assert [f.image.shape for f in frames] == [(31, 47, 3)] * 3
    assert [f.timestamp for f in frames] == pytest.approx([0, 0.04, 0.08])
    assert all(np.array_equal(a.image, b.image) for a, b in zip(frames, again, strict=True))


def test_it_shows_the_first_validation_clip() -> None:
    frames = [f.image for f in open_video("world:5", size=(24, 32), max_frames=2)]
    dataset = WorldDataset(seed=5, split="val", clips=1, frames=2, size=(24, 32), fps=25, mode="driving")
    assert all(np.array_equal(s.frame.image, f) for s, f in zip(dataset.clips()[0], frames, strict=True))


def test_without_a_seed_it_is_world_zero_and_scale_draws_it_smaller() -> None:
    source = open_video("world", scale=0.0625, max_frames=1)
    (frame,) = source
    assert (source.name, source.length) == ("world:0", 1)
    assert frame.image.shape == (32, 64, 3)
    assert open_video("world").length == 200


def test_a_seed_must_be_a_number() -> None:
    with pytest.raises(SourceError, match="world:paris names no world; give a whole number"):
        open_video("world:paris")
