import threading

import cv2
import numpy as np
import pytest

from saccade.errors import SourceError
from saccade.video import open_video


class ScriptedCamera:
    """Stands in for cv2.VideoCapture: blue pictures with a number, then what ``script`` says."""

    def __init__(self, pictures, fps=15.0, opens=True):
        self.pictures, self.fps, self.opens = pictures, fps, opens
        self.delivered = 0
        self.open_handles = 0
        self.exhausted = threading.Event()

    def __call__(self, index):
        self.open_handles += 1
        return self

    def isOpened(self):
        return self.opens

    def get(self, key):
        return self.fps if key == cv2.CAP_PROP_FPS else 0.0

    def read(self):
        if self.delivered == self.pictures:
            self.exhausted.set()
            return False, None
        picture = np.zeros((6, 8, 3), np.uint8)
        picture[:, :, 0] = 200  # blue first, as OpenCV has it
        picture[:, :, 1] = self.delivered
        self.delivered += 1
        return True, picture

    def release(self):
        self.open_handles -= 1


@pytest.fixture
def connect(monkeypatch):
    def connect(camera):
        monkeypatch.setattr(cv2, "VideoCapture", camera)
        return camera

    return connect


def test_frames_are_rgb_and_the_end_says_what_happened(connect):
    camera = connect(ScriptedCamera(pictures=9))
    source = open_video("camera:0", scale=0.5)
    assert (source.live, source.length, source.fps, source.height, source.width) == (True, None, 15.0, 3, 4)
    frames = []
    with pytest.raises(SourceError, match="camera:0 stopped delivering"):
        frames.extend(source)
    # The first picture went into finding the size; the last is never dropped.
    assert frames[-1].image.shape == (3, 4, 3)
    assert frames[-1].image[0, 0].tolist() == [0, 8, 200]
    assert camera.open_handles == 0


def test_only_the_newest_frame_waits(connect):
    camera = connect(ScriptedCamera(pictures=9))
    source = open_video("camera:0")
    frames = iter(source)
    seen = [next(frames)]
    assert camera.exhausted.wait(10)
    with pytest.raises(SourceError):
        seen.extend(frames)
    # Eight were read after the one that told the size. Whatever was not seen was dropped.
    assert seen[-1].image[0, 0].tolist() == [0, 8, 200]
    assert seen[-1].index == 7
    assert source.dropped == 8 - len(seen)
    stamps = [frame.timestamp for frame in seen]
    assert stamps == sorted(set(stamps))


def test_rate_that_the_camera_does_not_know(connect):
    connect(ScriptedCamera(pictures=5, fps=0.0))
    with open_video("camera:1") as source:
        assert source.fps == 30.0


def test_closing_without_reading_lets_go_of_the_device(connect):
    camera = connect(ScriptedCamera(pictures=5))
    open_video("camera:0").close()
    assert camera.open_handles == 0


def test_camera_that_opens_but_shows_nothing(connect):
    camera = connect(ScriptedCamera(pictures=0))
    with pytest.raises(SourceError, match="no picture"):
        open_video("camera:0")
    assert camera.open_handles == 0


def test_camera_that_is_not_there(capfd):
    with pytest.raises(SourceError, match="camera:97 cannot be opened"):
        open_video("camera:97")
    assert capfd.readouterr().err == ""
