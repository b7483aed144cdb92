"""RTSP against a real server: GStreamer's, from the Debian packages that .ci/run installs."""

from __future__ import annotations

import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest

from saccade.errors import SourceError
from saccade.video import open_video
from saccade.video.rtsp import RtspStream, without_password

SYSTEM_PYTHON = "/usr/bin/python3"
PACKAGES = (
    "python3-gi gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-base gstreamer1.0-plugins-good "
    "gstreamer1.0-plugins-ugly"
)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """The server as a process that can be killed and started again on its port."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.url = f"rtsp://127.0.0.1:{port}/street"
        self.process: subprocess.Popen | None = None

    def start(self, colour: str) -> str | None:
        """Why it does not start, or None."""
        script = Path(__file__).with_name("rtsp_server.py")
        self.process = subprocess.Popen(
            [SYSTEM_PYTHON, str(script), str(self.port), colour],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        if self.process.stdout.readline() == "ready\n":
            return None
        return self.process.communicate()[1].strip().rpartition("\n")[2]

    def kill(self) -> None:
        if self.process:
            self.process.kill()
            self.process.communicate()
            self.process = None


@pytest.fixture
def server():
    if not Path(SYSTEM_PYTHON).exists():
        pytest.skip(f"no {SYSTEM_PYTHON} to run GStreamer's RTSP server with")
    server = Server(free_port())
    problem = server.start("red")
    if problem:
        server.kill()
        pytest.skip(f"GStreamer's RTSP server does not start ({problem}); install {PACKAGES}")
    yield server
    server.kill()


@pytest.fixture
def impatient(monkeypatch):
    """Short waits, and as many attempts as a busy machine may need to start the server again."""
    monkeypatch.setattr(RtspStream, "OPEN_TIMEOUT", 5.0)
    monkeypatch.setattr(RtspStream, "READ_TIMEOUT", 1.5)
    monkeypatch.setattr(RtspStream, "ATTEMPTS", 1000)
    monkeypatch.setattr(RtspStream, "FIRST_WAIT", 0.05)
    monkeypatch.setattr(RtspStream, "LONGEST_WAIT", 0.2)


def colour_of(frame) -> str:
    red, _, blue = frame.image.reshape(-1, 3).mean(axis=0)
    return "red" if red > 200 and blue < 60 else "blue" if blue > 200 and red < 60 else f"{red} {blue}"


def frames_until(frames, colour):
    """Frames up to the first of this colour."""
    seen = []
    for frame in frames:
        seen.append(frame)
        if colour_of(frame) == colour:
            return seen
    raise AssertionError("the stream ended")


def test_stream_survives_a_server_that_is_killed_and_started_again(server, impatient):
    with open_video(server.url, size=(32, 48)) as source:
        assert (source.live, source.length, source.height, source.width) == (True, None, 32, 48)
        assert source.fps == pytest.approx(25)
        frames = iter(source)
        before = [next(frames) for _ in range(5)]
        assert {colour_of(frame) for frame in before} == {"red"}
        server.kill()
        assert server.start("blue") is None
        after = frames_until(frames, "blue")
        after += [next(frames) for _ in range(3)]
        assert source.warnings[0].startswith(f"{server.url}: connection lost (")
        assert "restored after" in source.warnings[0]
        stamps = [frame.timestamp for frame in before + after]
        indices = [frame.index for frame in before + after]
        assert stamps[0] == 0.0
        assert stamps == sorted(set(stamps))
        assert indices == sorted(set(indices))
        assert after[-1].image.shape == (32, 48, 3)


def test_server_that_stops_answering_is_left_for_a_new_connection(server, impatient, monkeypatch):
    with open_video(server.url) as source:
        frames = iter(source)
        next(frames)
        connect = source._connect

        def wake_and_connect():
            server.process.send_signal(signal.SIGCONT)
            return connect()

        monkeypatch.setattr(source, "_connect", wake_and_connect)
        server.process.send_signal(signal.SIGSTOP)
        for _ in frames:
            if source.warnings:
                break
        assert "no answer in time" in source.warnings[0]
        assert colour_of(next(frames)) == "red"


def test_frames_that_nobody_takes_are_dropped_and_counted(server, impatient):
    with open_video(server.url) as source:
        frames = iter(source)
        first = next(frames)
        deadline = time.monotonic() + 20
        while source.dropped < 5 and time.monotonic() < deadline:
            threading.Event().wait(0.02)
        newest = next(frames)
        assert source.dropped >= 5
        assert newest.index - first.index > 5


def test_server_that_never_comes_back_is_given_up(server, impatient, monkeypatch):
    monkeypatch.setattr(RtspStream, "ATTEMPTS", 3)
    source = open_video(server.url)
    frames = iter(source)
    next(frames)
    server.kill()
    with pytest.raises(SourceError, match="not restored in 3 attempts"):
        list(frames)


def test_wrong_path_on_a_running_server(server, impatient):
    with pytest.raises(SourceError, match="check the address"):
        open_video(f"rtsp://127.0.0.1:{server.port}/nothing")


def test_closing_during_the_wait_for_the_server_is_prompt(server, monkeypatch):
    monkeypatch.setattr(RtspStream, "FIRST_WAIT", 600.0)
    monkeypatch.setattr(RtspStream, "LONGEST_WAIT", 600.0)
    source = open_video(server.url)
    frames = iter(source)
    next(frames)
    waiting = threading.Event()

    def refuse():
        waiting.set()
        raise ConnectionRefusedError

    monkeypatch.setattr(source, "_connect", refuse)
    server.kill()
    assert waiting.wait(20)
    source.close()
    assert list(frames) == []


def test_nobody_listens(impatient):
    with pytest.raises(SourceError, match=r"Connection refused.*check the address"):
        open_video(f"rtsp://127.0.0.1:{free_port()}/street")


def test_server_that_accepts_and_never_answers(monkeypatch):
    monkeypatch.setattr(RtspStream, "OPEN_TIMEOUT", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(SourceError, match="no answer in time"):
            open_video(f"rtsp://127.0.0.1:{port}/street")


def test_passwords_are_not_shown(impatient):
    url = f"rtsp://user:secret@127.0.0.1:{free_port()}/street"
    with pytest.raises(SourceError, match=r"user:\*\*\*@127") as caught:
        open_video(url)
    assert "secret" not in str(caught.value)
    assert without_password("rtsp://host/a:b@c") == "rtsp://host/a:b@c"
    assert without_password("rtsp://u:p@ss@host/x") == "rtsp://u:***@host/x"
