import threading

import pytest

from saccade.video.read_ahead import ReadAhead


def test_items_come_in_order_and_the_end_ends():
    ahead = ReadAhead(lambda stop: iter(range(50)), depth=3)
    assert list(ahead) == list(range(50))
    assert list(ahead) == []
    ahead.close()


def test_reader_is_at_most_depth_items_ahead():
    made: list[int] = []
    made_one = threading.Semaphore(0)

    def read(stop):
        for number in range(20):
            made.append(number)
            made_one.release()
            yield number

    ahead = ReadAhead(read, depth=3)
    for _ in range(4):  # three lie ready, the fourth waits for room
        assert made_one.acquire(timeout=10)
    assert not made_one.acquire(timeout=0.1)
    assert next(ahead) == 0
    assert made_one.acquire(timeout=10)
    assert made == [0, 1, 2, 3, 4]
    ahead.close()


def test_newest_only_replaces_what_was_not_taken():
    dropped = []
    all_made = threading.Event()

    def read(stop):
        yield from range(10)
        all_made.set()
        stop.wait(10)

    ahead = ReadAhead(read, depth=4, newest_only=True, dropped=lambda: dropped.append(1))
    assert all_made.wait(10)
    assert next(ahead) == 9
    assert len(dropped) == 9
    ahead.close()


def test_error_of_the_reader_comes_after_its_items():
    def read(stop):
        yield 1
        yield 2
        raise OSError("cable")

    ahead = ReadAhead(read, depth=4)
    assert [next(ahead), next(ahead)] == [1, 2]
    with pytest.raises(OSError, match="cable"):
        next(ahead)
    with pytest.raises(StopIteration):
        next(ahead)
    ahead.close()


def test_close_wakes_a_reader_that_waits_for_room():
    ended = threading.Event()

    def read(stop):
        try:
            while True:
                yield 0
        finally:
            ended.set()

    ahead = ReadAhead(read, depth=1)
    assert next(ahead) == 0
    ahead.close()
    assert ended.wait(10)
    with pytest.raises(StopIteration):
        next(ahead)


def test_close_tells_a_reader_that_waits_for_something_else():
    def read(stop):
        yield 0
        stop.wait(60)

    ahead = ReadAhead(read, depth=1)
    assert next(ahead) == 0
    ahead.close()
    assert not ahead._thread.is_alive()


def test_close_from_another_thread_wakes_the_consumer():
    def read(stop):
        stop.wait(60)
        yield from ()

    ahead = ReadAhead(read, depth=1)
    closer = threading.Timer(0.05, ahead.close)
    closer.start()
    assert list(ahead) == []
    closer.join()
