import numpy as np
import pytest
from PIL import Image

from saccade.errors import SourceError
from saccade.video import open_videos


@pytest.fixture
def clip(tmp_path):
    def make(name, count, size=(4, 6)):
        (tmp_path / name).mkdir()
        for number in range(count):
            Image.fromarray(np.full((*size, 3), number, np.uint8)).save(tmp_path / name / f"{number}.png")
        return tmp_path / name

    return make


def test_one_frame_of_each_per_step_and_none_after_the_end(clip):
    streams = open_videos([clip("a", 2), clip("b", 4, size=(8, 8)), clip("c", 1)])
    steps = [[frame and frame.index for frame in step] for step in streams]
    assert steps == [[0, 0, 0], [1, 1, None], [None, 2, None], [None, 3, None]]
    assert [source.length for source in streams.sources] == [2, 4, 1]


def test_options_hold_for_every_source(clip):
    with open_videos([clip("a", 3), clip("b", 3, size=(8, 8))], size=(2, 2), max_frames=2) as streams:
        steps = list(streams)
    assert len(steps) == 2
    assert {frame.image.shape for step in steps for frame in step} == {(2, 2, 3)}


def test_the_same_source_twice(clip):
    path = clip("a", 2)
    assert [[f.index for f in step] for step in open_videos([path, path])] == [[0, 0], [1, 1]]


def test_leaving_early_ends_all_readers(clip):
    for _ in open_videos([clip("a", 20), clip("b", 20)], prefetch=1):
        break


def test_a_source_that_cannot_be_opened_closes_the_others(clip, monkeypatch):
    closed = []
    monkeypatch.setattr("saccade.video.source.Source.close", lambda self: closed.append(self.name))
    first = clip("a", 2)
    with pytest.raises(SourceError, match="nowhere"):
        open_videos([first, "nowhere"])
    assert closed == [str(first)]


def test_error_of_one_stream_reaches_the_consumer(clip):
    good, bad = clip("a", 3), clip("b", 3)
    (bad / "1.png").write_text("damaged")
    seen = []
    with pytest.raises(SourceError, match=r"1\.png"):
        seen.extend(open_videos([good, bad]))
