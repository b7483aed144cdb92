import threading

import numpy as np
import pytest

from saccade.errors import ConfigError, SourceError
from saccade.video.source import ReadOptions, Source


class Numbers(Source):
    """Frames with the given clocks; pixel values are their numbers."""

    def __init__(self, clocks, options=None, *, sizes=None, live=False):
        self.clocks, self.sizes = clocks, sizes or [(4, 6)] * len(clocks)
        super().__init__(
            "numbers",
            fps=10,
            size=(4, 6),
            length=len(clocks),
            options=options or ReadOptions(),
            live=live,
        )

    def read(self, stop):
        for number, (clock, size) in enumerate(zip(self.clocks, self.sizes, strict=True)):
            yield np.full((*self.fit(*size), 3), number, np.uint8), clock


def test_frames_without_a_clock_are_timed_by_the_rate():
    frames = list(Numbers([None] * 4))
    assert [frame.index for frame in frames] == [0, 1, 2, 3]
    assert [frame.timestamp for frame in frames] == pytest.approx([0, 0.1, 0.2, 0.3])
    assert [frame.image[0, 0, 0] for frame in frames] == [0, 1, 2, 3]
    assert {frame.source for frame in frames} == {"numbers"}


def test_time_starts_at_zero_and_never_stands_still():
    frames = list(Numbers([7.0, 7.5, 7.5, 3.0, 8.5, None]))
    # 0.0, 0.5, then a clock that stands, one that jumps back, one that is right again, one that is missing
    assert [frame.timestamp for frame in frames] == pytest.approx([0, 0.5, 0.6, 0.7, 1.5, 1.6])


def test_iterating_twice_starts_again():
    source = Numbers([None] * 3)
    assert [frame.index for frame in source] == [frame.index for frame in source] == [0, 1, 2]


def test_max_frames_limits_frames_and_length():
    source = Numbers([None] * 5, ReadOptions(max_frames=2))
    assert source.length == 2
    assert len(list(source)) == 2
    assert Numbers([None] * 5, ReadOptions(max_frames=9)).length == 5


def test_size_change_delivers_the_frames_before_it_and_says_both_sizes():
    source = Numbers([None] * 4, sizes=[(4, 6), (4, 6), (8, 6), (4, 6)])
    seen = []
    with pytest.raises(SourceError, match=r"from 4x6 to 8x6.*Give a size") as caught:
        seen.extend(frame.index for frame in source)
    assert "numbers" in str(caught.value)
    seen = []
    iterator = iter(source)
    seen = [next(iterator).index, next(iterator).index]
    assert seen == [0, 1]
    with pytest.raises(SourceError):
        next(iterator)


def test_a_fixed_size_accepts_changing_sizes():
    source = Numbers([None] * 3, ReadOptions(size=(2, 5)), sizes=[(4, 6), (8, 6), (1, 1)])
    assert (source.height, source.width) == (2, 5)
    assert [frame.image.shape for frame in source] == [(2, 5, 3)] * 3


def test_scale_rounds_and_leaves_at_least_one_pixel():
    assert ReadOptions(scale=0.5).output_size(7, 1) == (4, 1)
    assert ReadOptions(scale=2.0).output_size(3, 4) == (6, 8)


def test_live_source_gives_the_newest_frame_and_counts_the_others():
    first_taken, all_read = threading.Event(), threading.Event()

    class Camera(Numbers):
        def read(self, stop):
            for number, item in enumerate(super().read(stop)):
                yield item
                if number == 0:
                    first_taken.wait(10)
            all_read.set()
            stop.wait(60)

    source = Camera([None] * 6, live=True)
    iterator = iter(source)
    assert next(iterator).index == 0
    first_taken.set()
    assert all_read.wait(10)
    assert next(iterator).index == 5
    assert source.dropped == 4
    source.close()
    assert list(iterator) == []


def test_live_source_counts_max_frames_without_those_it_dropped():
    source = Numbers([None] * 50, ReadOptions(max_frames=1), live=True)
    assert len(list(source)) == 1


def test_leaving_the_loop_closes_the_reader():
    closed = threading.Event()

    class Endless(Numbers):
        def read(self, stop):
            try:
                while True:
                    yield np.zeros((4, 6, 3), np.uint8), None
            finally:
                closed.set()

    for frame in Endless([None]):
        if frame.index == 3:
            break
    assert closed.wait(10)


def test_the_same_warning_is_kept_once():
    source = Numbers([None])
    source.warn("damaged")
    source.warn("damaged")
    assert source.warnings == ["numbers: damaged"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": (4, 4), "scale": 1.0}, "only one"),
        ({"size": (0, 4)}, "height, width"),
        ({"scale": 0.0}, "above 0"),
        ({"scale": float("nan")}, "above 0"),
        ({"max_frames": 0}, "1 or more"),
        ({"prefetch": 0}, "1 or more"),
    ],
)
def test_options_that_cannot_work(options, message):
    with pytest.raises(ConfigError, match=message):
        ReadOptions(**options)
