import threading

import pytest

from saccade.video.write_behind import WriteBehind


def test_items_are_written_in_order_in_another_thread():
    written, threads = [], set()

    def write(item):
        written.append(item)
        threads.add(threading.current_thread())

    behind = WriteBehind(write, depth=2)
    for item in range(20):
        behind.put(item)
    behind.close()
    assert written == list(range(20))
    assert threads.isdisjoint({threading.current_thread()})


def test_put_waits_while_too_many_items_wait():
    may_write = threading.Semaphore(0)
    started = threading.Event()

    def write(item):
        started.set()
        assert may_write.acquire(timeout=10)

    behind = WriteBehind(write, depth=2)
    behind.put(0)
    assert started.wait(10)  # 0 is being written
    behind.put(1)
    behind.put(2)
    third = threading.Thread(target=behind.put, args=(3,))
    third.start()
    third.join(0.1)
    assert third.is_alive()
    may_write.release(4)
    third.join(10)
    assert not third.is_alive()
    behind.close()


def test_error_comes_with_the_next_item_and_again_at_the_end():
    written = []
    failed = threading.Event()

    def write(item):
        if item == 2:
            failed.set()
            raise OSError("full")
        written.append(item)

    behind = WriteBehind(write, depth=8)
    for item in range(3):
        behind.put(item)
    assert failed.wait(10)
    with pytest.raises(OSError, match="full"):
        list(map(behind.put, range(3, 1000)))
    for _ in range(2):
        with pytest.raises(OSError, match="full"):
            behind.close()
    assert written == [0, 1]


def test_nothing_is_taken_after_close():
    behind = WriteBehind(print, depth=1)
    behind.close()
    with pytest.raises(ValueError, match="after close"):
        behind.put(1)
