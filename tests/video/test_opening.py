import os
from pathlib import Path

import numpy as np
import pytest

from saccade.errors import ConfigError, SourceError
from saccade.video import open_video, opening, register_scheme
from saccade.video.source import ReadOptions, Source


class OneFrame(Source):
    def read(self, stop):
        yield np.zeros((*self.fit(8, 8), 3), np.uint8), None


@pytest.fixture
def calls(monkeypatch):
    monkeypatch.setattr(opening, "_schemes", {})
    seen = []

    def factory(rest, **options):
        seen.append((rest, options))
        return OneFrame("made", fps=10, size=(8, 8), length=1, options=ReadOptions(**options))

    register_scheme("planet", factory)
    return seen


def test_registered_scheme_gets_the_rest_and_the_options(calls):
    source = open_video("planet:7", scale=0.5, max_frames=3, prefetch=2)
    assert calls == [("7", {"size": None, "scale": 0.5, "max_frames": 3, "prefetch": 2})]
    assert [frame.image.shape for frame in source] == [(4, 4, 3)]
    open_video("planet")
    assert calls[1][0] == ""


def test_file_named_like_a_scheme_is_reached_by_its_path(calls, tmp_path, make_video, numbered, monkeypatch):
    make_video(tmp_path / "planet.mp4", [numbered(1)]).rename(tmp_path / "planet")
    monkeypatch.chdir(tmp_path)
    assert open_video("./planet").length == 1
    assert open_video(Path("planet")).length == 1
    assert calls == []


def test_scheme_names_that_would_hide_drive_letters():
    with pytest.raises(ValueError, match="two or more"):
        register_scheme("c", lambda rest, **options: None)


@pytest.mark.parametrize("name", ["planet:7", "nowhere", "http://host/a.mp4", ""])
def test_what_is_not_there(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SourceError, match=r"expected a video file.*camera:0"):
        open_video(name)


def test_neither_file_nor_folder(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SourceError, match="neither a file nor a folder"):
        open_video(tmp_path / "pipe")


@pytest.mark.parametrize("name", ["camera:", "camera:front", "camera:-1"])
def test_camera_without_a_number(name):
    with pytest.raises(SourceError, match="give its number"):
        open_video(name)


def test_options_are_checked_before_the_source_is_opened(tmp_path):
    with pytest.raises(ConfigError, match="only one"):
        open_video(tmp_path / "nowhere.mp4", size=(4, 4), scale=0.5)
